//! Batch reports: a folder of SQL files becomes a reproducible set of results.
//!
//! A [`Job`] names the reports; [`resolve`] gives them their parameters; [`run()`](run::run) plans all, runs them over one version
//! of the lake, and puts the folder into place, whole or not at all. Its [`Manifest`] holds all that is needed to make it again,
//! which [`verify`](verify::verify) does to compare the bytes, and [`resume`] to complete it. `chart` draws a
//! result as SVG, `html` writes the results of a run as one self-contained page, `redact` hides phone numbers, e-mail
//! addresses and names before anything is written.
//!
//! Limits: a target is a folder on this machine, though the lake need not be; a report is one query; it runs in one partition, or on workers
//! where its bytes are the same there.

pub(crate) mod chart;
mod expect;
pub(crate) mod fuzz;
pub(crate) mod html;
mod job;
mod make;
mod manifest;
mod order;
mod outputs;
mod page;
mod place;
mod prepare;
mod progress;
pub(crate) mod redact;
mod request;
mod rows;
mod run;
mod spec;
mod veil;
mod verify;
mod window;

pub use expect::Check;
pub use job::{Job, JobWindow, Privacy, Windows};
pub use manifest::{FILE as MANIFEST_FILE, LakeRecord, Manifest, Output, ReportRecord, ReportStatus};
pub use prepare::located;
pub use progress::{Event, Progress, Reading};
pub(crate) use redact::Redaction;
pub use request::{Deadline, OnFailure, Request, Stopwatch};
pub use run::{Errors, HTML_ROWS, Outcome, resolve, run};
pub use spec::{Definition, Report};
pub use veil::Masked;
pub use verify::{Again, Verdict, resume, verify};
pub use window::{Unit, Window};

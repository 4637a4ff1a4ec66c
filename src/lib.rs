//! Keeps histories of contact-centre workflow sessions in a Delta Lake table, and runs SQL files over them.
//!
//! The modules, in the order data flows:
//! an export is read and converted by [`ingest`], described by [`schema`], written by [`lake`]; a SQL file is taken apart by
//! [`script`], planned and run by [`engine`] with our [`functions`], and printed by [`mod@format`]; [`report`] makes pages of many
//! results. [`custody`] removes what nobody needs. [`generate`] makes synthetic
//! exports. See `docs/architecture.md` for the invariants that hold between them.

pub mod error;

mod json;

mod texts;

pub mod schema;

pub mod zones;

pub mod ingest;

pub mod shred;

pub mod lake;

pub mod functions;

pub mod engine;

mod net;

pub mod cluster;

pub mod script;

pub mod format;

pub mod report;

pub mod serve;

pub mod custody;

pub mod generate;

#[doc(hidden)]
pub mod fuzz;

pub use error::{Error, Result};

//! What keeps a lake in order and lawful: what nobody needs goes.
//!
//! [`vacuum()`] removes files that no version needs any more, [`restore()`] makes an earlier version the newest again,
//! [`erase()`] takes sessions out for good, and [`verify()`] compares the log with the files. Every change of a table is one commit on the version that it was computed from, and is
//! computed anew where another writer was faster, as those of an ingest are.

mod erase;
mod properties;
mod restore;
mod vacuum;
mod verify;

pub use erase::{EraseOptions, EraseReceipt, Selection, erase};
pub use properties::{properties, retain, set_properties};
pub use restore::{RestoreOptions, RestoreReport, RestoreTo, restore};
pub use vacuum::{VacuumOptions, VacuumReport, VacuumedTable, vacuum};
pub use verify::{Fault, FaultKind, VerifiedTable, VerifyOptions, VerifyReport, verify};

use crate::lake::layout;

/// The tables of a lake.
const TABLES: [&str; 5] = [layout::SESSIONS, layout::QUARANTINE, layout::SIGHTINGS, layout::TAKEN, layout::ERASED];

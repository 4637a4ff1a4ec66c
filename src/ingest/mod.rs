//! Takes exports in: finds the columns under any spelling, converts text to typed arrays, puts bad records aside.
//!
//! The flow of one file: [`source`] opens and decompresses it, a [`reader`] cuts it into blocks of whole records (sequential,
//! cheap), and a converter turns each block into a [`ReadBatch`] (parallel, where the time goes). What becomes of the rows
//! is decided by `upsert`.

pub mod ledger;
pub mod reader;
pub mod source;

mod keys;
mod resolve;
mod runs;

pub use ledger::{Counts, FileLedger, Ledger};
pub use reader::{ReadBatch, Reject};
pub use source::{Encoding, InputFormat, ReadOptions, SourceFile};

use std::collections::BTreeMap;

/// Something odd about rows that were stored all the same; counted per file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// A communication type that neither is documented nor has an alias; kept as it came.
    UnknownCommunicationType,
    /// A JSON cell that is not JSON; kept as text.
    InvalidJson,
    /// Ended before it started.
    EndedBeforeStarted,
    /// The phone number differs from the one in Source Details.
    PhoneDiffers,
    /// Time in workflow is more than a second off from ended − started.
    TimeInWorkflowOff,
    /// A local time that does not exist or exists twice in the declared zone.
    AmbiguousLocalTime,
    /// A column that is none of ours.
    UnknownColumn,
}

/// Warnings of a batch or file, counted by kind. `UnknownColumn` counts columns, all others count rows.
pub type Warnings = BTreeMap<Warning, u64>;

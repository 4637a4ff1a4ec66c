//! The lake: Delta tables of Parquet files, written and committed by our own code through deltalake's log.
//!
//! [`Lake`] is a folder with three tables: `workflow_sessions`, `quarantine` and `sightings`. A [`Table`] opens and commits
//! one of them, a [`Snapshot`] lists its data files with their statistics, [`mod@write`] makes new files. What is stored how, and
//! why, stands in [`layout`].

mod checked;
mod claims;
pub mod cluster;
pub mod commit;
mod compacted;
mod damage;
pub mod deletions;
mod encode;
mod features;
pub mod footer;
pub mod foreign;
mod hiding;
pub mod history;
pub mod layout;
pub mod ledger;
pub mod preview;
pub mod read;
mod seal;
pub mod snapshot;
mod statistics;
pub mod store;
pub mod table;
pub mod write;
mod writing;

pub use commit::{Commit, CommitOutcome};
pub use footer::{Footer, read_footers};
pub use history::HistoryEntry;
pub use ledger::{Counts, FileLedger, Ledger, Warning, Warnings};
pub use snapshot::{ColumnStatistics, DataFile, Snapshot};
pub use table::{Lake, Table, Version};
pub use write::{FileLimits, FileWriter, Output, WrittenFile, discard};

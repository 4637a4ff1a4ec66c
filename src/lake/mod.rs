//! The lake: Delta tables of Parquet files, written and committed by our own code through deltalake's log.
//!
//! [`Lake`] is a folder with three tables: `workflow_sessions`, `quarantine` and `sightings`. A [`Table`] opens and commits
//! one of them, a [`Snapshot`] lists its data files with their statistics, `write` makes new files. What is stored how, and
//! why, stands in [`layout`].

mod cache;
mod checked;
mod claims;
pub(crate) mod cloud;
pub(crate) mod cluster;
pub(crate) mod commit;
mod compacted;
mod costs;
mod damage;
pub(crate) mod deletions;
mod encode;
mod features;
mod folder;
pub(crate) mod footer;
pub(crate) mod foreign;
pub(crate) mod fuzz;
mod hiding;
mod hint;
pub(crate) mod history;
pub(crate) mod ids;
mod index;
mod index_check;
mod indexing;
pub mod layout;
mod leaves;
pub(crate) mod leavings;
pub(crate) mod ledger;
pub mod preview;
pub mod properties;
pub(crate) mod read;
mod recent;
mod remote;
pub(crate) mod revert;
mod scrub;
mod seal;
pub(crate) mod snapshot;
mod statistics;
pub(crate) mod store;
pub(crate) mod table;
mod teller;
mod thinning;
mod told;
mod travel;
mod upload;
pub(crate) mod write;
mod writing;

pub use crate::shred::LeafLimits;
pub use cache::Cache;
pub use cloud::is_cloud;
pub use commit::{Commit, CommitOutcome, Operation};
pub(crate) use costs::counted;
pub use costs::{Clock, Costs, Spent};
pub use folder::{FileState, StoreFolder};
pub use footer::{Footer, as_read, read_footers};
pub use history::HistoryEntry;
pub use ids::{IdsPlace, session_hash, short_hash};
pub use index::SessionIndex;
pub use layout::Version;
pub(crate) use layout::table_schema;
pub use leaves::LeafPolicy;
pub use leavings::{Leaving, Leavings, Why};
pub use ledger::{Counts, FileLedger, Ledger, Upkeep, Warning, Warnings};
pub use revert::{Returning, Reversal};
pub use snapshot::{ColumnStatistics, DataFile, Snapshot};
pub use store::NotDurable;
pub use table::{Lake, Table};
pub use told::{Origin, Told};
pub use write::{FileLimits, FileWriter, Output, WrittenFile, discard};

//! Runs SQL over a lake: the only place that builds a DataFusion session.
//!
//! [`Engine`] is one session: its limits, its clock ([`EngineOptions::as_of`]) and its tables. The command line, tests and benches
//! all get theirs here, so that the same question gets the same answer wherever it is asked.

mod answers;
mod blank;
mod bloom;
mod catalog;
mod changes;
mod config;
mod counted;
mod estimates;
#[cfg(test)]
mod exact_tests;
mod explain;
mod fixed;
mod flatten;
pub(crate) mod fuzz;
mod gathered;
mod groups;
mod guard;
mod held;
mod in_order;
mod join;
mod json_paths;
mod json_sources;
mod lake_table;
pub(crate) mod leaves;
#[cfg(test)]
mod limits_tests;
mod logged;
mod memory;
mod numbers;
mod operators;
mod options;
mod own;
mod passing;
mod pausing;
mod prune;
mod quarantine;
mod readers;
mod rules;
mod scan;
mod series;
mod sort;
mod spill;
mod stages;
mod statement;
mod stores;
mod system;
mod unspilled;
mod veil;
mod window;

pub use crate::lake::Spent;
pub use answers::{Answer, Answers};
pub use catalog::{At, GUARDED_TABLES, LakeView, TABLES, TableNote};
pub use config::{Engine, Outline, Resources};
pub use guard::{Guard, Veil};
pub use lake_table::LakeTable;
pub use leaves::extract;
pub use options::{EngineOptions, Execution, default_memory_limit};
pub use own::Node;
pub(crate) use rules::{most_rows, reads_clock};
pub use scan::{Leaves, SessionScanExec};
pub(crate) use series::series_read_clock;
pub use stages::{Distribution, RowsAs, ScanCodec, SentSettings, Staged, ToldTables, made_by, settled};

//! What an ingest is asked to do.

use super::source::ReadOptions;
use super::stage::Limits;
use crate::lake::ledger::FileLedger;

/// What an ingest is to do.
#[derive(Clone)]
pub struct IngestOptions {
    /// How to read the inputs.
    pub read: ReadOptions,
    /// Records that may be quarantined before `all_or_nothing` stops the run.
    pub max_bad: u64,
    /// Whether nothing is committed when a file is refused or more than `max_bad` records are bad.
    pub all_or_nothing: bool,
    /// Leaf columns of a data file at most; 0 for none.
    pub leaf_budget: usize,
    /// Whether small files are merged where there are too many after the run.
    pub upkeep: bool,
    /// Whether rows of sessions that were erased are stored all the same.
    pub with_erased: bool,
    /// When the run takes place, in microseconds since the Unix epoch.
    pub now_us: i64,
    /// What the run may use.
    pub limits: Limits,
}

impl IngestOptions {
    pub(super) fn stops(&self, files: &[FileLedger]) -> bool {
        let quarantined: u64 = files.iter().map(|file| file.counts.quarantined).sum();
        self.all_or_nothing && (quarantined > self.max_bad || files.iter().any(|file| file.refused.is_some()))
    }
}

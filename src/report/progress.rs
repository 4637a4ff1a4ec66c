//! What happens in a run, for whoever watches it.
//!
//! A run tells when reports begin and end. How far one has come in between is not told but can be asked for, as often as someone
//! wants to know: a run that nobody watches spends nothing on it.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;

use super::manifest::ReportRecord;

/// What happens in a run.
pub enum Event<'a> {
    /// All is planned.
    Planned {
        /// How many reports there are.
        total: usize,
        /// How many of them need not run.
        ended: usize,
    },
    /// A report begins.
    Started {
        /// The name of its files.
        id: &'a str,
        /// How far it is.
        reading: Reading,
    },
    /// A report has ended.
    Finished {
        /// What the manifest will say of it.
        record: &'a ReportRecord,
        /// How many have ended.
        ended: usize,
        /// How many there are.
        total: usize,
    },
}

/// Watches a run.
pub type Progress<'a> = &'a (dyn Fn(&Event<'_>) + Send + Sync);

/// How far a report is: the rows that it has read. Those that it gives come at the end of most queries, all at once.
#[derive(Clone)]
pub struct Reading(Arc<dyn ExecutionPlan>);

impl Reading {
    pub(super) fn of(plan: Arc<dyn ExecutionPlan>) -> Self {
        Self(plan)
    }

    /// Counts the rows that were read so far, of all tables.
    pub fn rows(&self) -> u64 {
        fn count(plan: &dyn ExecutionPlan) -> u64 {
            let inputs = plan.children();
            if inputs.is_empty() {
                return plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0) as u64;
            }
            inputs.into_iter().map(|input| count(input.as_ref())).sum()
        }
        count(self.0.as_ref())
    }
}

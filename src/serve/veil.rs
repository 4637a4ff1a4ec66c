//! The veil of masked users: rows as reports show them with redaction.

use arrow::array::RecordBatch;

use crate::engine::Veil;
use crate::error::Result;
use crate::report::Redaction;

/// Masks phone numbers, e-mail addresses and names.
#[derive(Debug, Default)]
pub(super) struct Redacted(Redaction);

impl Veil for Redacted {
    fn masked(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        self.0.batch(rows)
    }
}

//! Reads one input file as a sequence of converted batches.

use arrow::record_batch::RecordBatch;

use super::Warnings;

/// Rows of one block, converted.
#[derive(Debug, Clone)]
pub struct ReadBatch {
    /// The good rows, in input order: the columns of [`crate::schema::stored_schema`] except `_content_hash`.
    pub rows: RecordBatch,
    /// What could not be stored.
    pub rejects: Vec<Reject>,
    /// Oddities of the good rows.
    pub warnings: Warnings,
}

/// A record that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Line in the file, from 1; `None` where the format has none.
    pub line: Option<u64>,
    /// Offset in the decompressed file, in bytes.
    pub byte_offset: Option<u64>,
    /// The column that is at fault, by its SQL name, if one is.
    pub column: Option<String>,
    /// Why, in a few words.
    pub reason: String,
    /// The record's bytes as they came (capped at `max_record_bytes`).
    pub raw: Vec<u8>,
}

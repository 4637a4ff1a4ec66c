//! What goes from stage to stage of an ingest: blocks of records, the batches that they become, and what is known of a file at its end.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::Warnings;
use super::cut::TextBlock;
use super::parquet_rows::RowsBlock;
use super::signs::Sign;

/// Rows of one block, converted.
#[derive(Debug, Clone)]
pub struct ReadBatch {
    /// The file that the rows came from: of a Delta table a data file.
    pub source: Arc<str>,
    /// The good rows, in input order: the columns of [`crate::schema::stored_schema`] except `_content_hash`.
    pub rows: RecordBatch,
    /// The line of each good row in the file, from 1; for Parquet the row's number.
    pub lines: Vec<u64>,
    /// What could not be stored, in input order.
    pub rejects: Vec<Reject>,
    /// Oddities of the good rows. [`super::Warning::UnknownColumn`] is not among them: see `unknown_columns`.
    pub warnings: Warnings,
    /// The documented columns that the rows have, a bit each in the order of [`crate::schema::COLUMNS`].
    pub columns_seen: u32,
    /// Columns that are none of ours, as the input spells them. The batches of a file mostly name the same ones; the caller
    /// unites them and counts.
    pub unknown_columns: Vec<String>,
    /// What a person should know of how columns were taken, a sentence each; the batches of a file mostly say the same.
    pub notes: Vec<String>,
    /// What [`super::replay()`] needs to know about the rejects of this batch, as a JSON object. Of files without pages all
    /// batches have the one of their file.
    pub context: Arc<str>,
}

/// A record that could not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Line in the file, from 1; for Parquet the row's number, from 1.
    pub line: Option<u64>,
    /// Offset of the record in the decompressed file, in bytes; of text that was not UTF-8, in the text as UTF-8. `None` for
    /// Parquet.
    pub byte_offset: Option<u64>,
    /// The column that is at fault, by its SQL name (or by its header, if it is none of ours), if one is.
    pub column: Option<String>,
    /// Why, in a few words.
    pub reason: String,
    /// The record's bytes as they came, as UTF-8 where the input was in another character set; a row of Parquet as a JSON
    /// object. The first 64 KiB of a record over `max_record_bytes`.
    pub raw: Vec<u8>,
    /// Whether `raw` is not the whole record. Such a record cannot be replayed.
    pub truncated: bool,
    /// The flag that reads it, if one is known that does.
    pub sign: Option<Box<Sign>>,
}

/// Whole records of a file, about 1 MiB of them, not yet converted.
#[derive(Debug)]
pub struct Block {
    pub(super) payload: Payload,
}

#[derive(Debug)]
pub(super) enum Payload {
    Text(TextBlock),
    Rows(RowsBlock),
}

impl Block {
    /// Returns the number of records; as many rows and rejects come out of the converter.
    pub fn record_count(&self) -> usize {
        match &self.payload {
            Payload::Text(block) => block.spans.len(),
            Payload::Rows(block) => block.batch.num_rows(),
        }
    }
}

/// What is known of a file once it has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSummary {
    /// Length in bytes, as stored.
    pub bytes: u64,
    /// 128-bit XXH3 of the bytes as stored, compression included.
    pub content_hash: u128,
    /// Columns of the file's header that are none of ours. Those of JSON objects and pages are in their batches only.
    pub unknown_columns: Vec<String>,
    /// What a person should know of the file as a whole, a sentence each.
    pub notes: Vec<String>,
    /// What of the file as a whole another dialect would explain.
    pub signs: Vec<Sign>,
}

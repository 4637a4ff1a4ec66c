//! What an ingest would make of a file under some flags.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use super::Warnings;
use super::formats::InputFormat;
use super::signs::Signs;

/// What an ingest would make of a file, or of its start.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The format, where the file could be opened.
    pub format: Option<InputFormat>,
    /// Its name, as `--input-format` takes it.
    pub format_name: &'static str,
    /// The byte between fields of delimited text.
    pub delimiter: Option<u8>,
    /// Headers, each with the column that it fills, if it fills one.
    pub headers: Vec<(String, Option<&'static str>)>,
    /// Columns that the names of folders have.
    pub in_folders: Vec<&'static str>,
    /// Says which documented columns the records do not have, if any.
    pub missing: Option<String>,
    /// When the rows were exported that do not say so, in microseconds since the Unix epoch.
    pub exported_at_us: i64,
    /// Records read.
    pub rows: u64,
    /// Records that cannot be read.
    pub bad: u64,
    /// Why, with how many and the line of the first.
    pub reasons: BTreeMap<String, (u64, Option<u64>)>,
    /// What is odd about the others.
    pub warnings: Warnings,
    /// What a person should know of the file as a whole, a sentence each.
    pub notes: Vec<String>,
    /// The first good rows.
    pub first: Option<RecordBatch>,
    /// Why the file is refused whole, with the hint.
    pub refused: Option<(String, Option<String>)>,
    /// Whether all of the file was looked at.
    pub is_whole: bool,
    /// Whether the file is text.
    pub is_text: bool,
    /// What another dialect would explain.
    pub(super) signs: Signs,
    /// Texts without quotes that some tools write for null.
    pub(super) marks: BTreeMap<String, u64>,
    /// Whether a field stands in quotes.
    pub(super) has_quotes: bool,
    /// How far records that cannot be read are from being read, summed up.
    pub(super) distance: u64,
    pub(super) columns_seen: u32,
    /// Bytes of the blocks that were looked at.
    pub(super) bytes: u64,
}

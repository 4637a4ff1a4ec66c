//! Arrow schemas of the tables.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::columns::{COLUMNS, Kind};

/// When the state of a row was last seen: the time of the newest export that held it.
pub const EXPORTED_AT: &str = "_exported_at";
/// The file that the state came from, as the user named it.
pub const SOURCE: &str = "_source";
/// Columns of the export that are none of ours, as a JSON object; null unless kept on request.
pub const EXTRA: &str = "_extra";
/// 64-bit XXH3 of the row's own columns, by which an ingest tells an unchanged row from a changed one.
pub const CONTENT_HASH: &str = "_content_hash";

/// Returns the type of every instant in the lake: microseconds, UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl Kind {
    /// Returns the Arrow type of columns of this kind.
    pub fn arrow_type(self) -> DataType {
        match self {
            Self::Text | Self::Json => DataType::Utf8View,
            Self::Timestamp => timestamp_type(),
            Self::Seconds => DataType::Float64,
        }
    }
}

/// All columns are nullable in storage, so that files of other engines fit; that required columns have values is ingest's promise.
fn documented_fields() -> impl Iterator<Item = Field> {
    COLUMNS.iter().map(|c| Field::new(c.name, c.kind.arrow_type(), true))
}

/// Returns the schema of `workflow_sessions`: the documented columns under their SQL names.
pub fn sessions_schema() -> SchemaRef {
    Arc::new(Schema::new(documented_fields().collect::<Vec<_>>()))
}

/// Returns the schema that the lake stores: the documented columns, then those of ours, prefixed `_`.
pub fn stored_schema() -> SchemaRef {
    let ours = [
        Field::new(EXPORTED_AT, timestamp_type(), true),
        Field::new(SOURCE, DataType::Utf8View, true),
        Field::new(EXTRA, DataType::Utf8View, true),
        Field::new(CONTENT_HASH, DataType::Int64, true),
    ];
    Arc::new(Schema::new(documented_fields().chain(ours).collect::<Vec<_>>()))
}

/// Returns the schema of `quarantine`: input that could not be stored, with its place and the reason.
pub fn quarantine_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8View, true),
        // From 1; null where the format has no lines (Parquet: the row number).
        Field::new("line", DataType::Int64, true),
        // From the start of the decompressed file.
        Field::new("byte_offset", DataType::Int64, true),
        Field::new("column", DataType::Utf8View, true),
        Field::new("reason", DataType::Utf8View, true),
        // The record as it came; bytes that are not text in the declared encoding are replaced here and kept in raw_bytes.
        Field::new("raw", DataType::Utf8View, true),
        Field::new("raw_bytes", DataType::BinaryView, true),
        // When the input was exported, which is what a replay gives its rows.
        Field::new("exported_at", timestamp_type(), true),
        Field::new("quarantined_at", timestamp_type(), true),
        // What a replay needs beside the record: format, delimiter, headers, zone, as a JSON object.
        Field::new("context", DataType::Utf8View, true),
    ]))
}

/// Returns the schema of `sightings`: which state, known by its content hash, was seen at which instant.
pub fn sightings_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("content_hash", DataType::Int64, true),
        Field::new("seen_at", timestamp_type(), true),
    ]))
}

/// Returns the schema of `taken`: which file, known by a hash of its name, was taken in by which version.
pub fn taken_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("name_hash", DataType::Int64, true),
        Field::new("version", DataType::Int64, true),
    ]))
}

/// Returns the schema of `erased`: which sessions must not come back, by a keyed fingerprint of their ids, and since when.
pub fn erased_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("fingerprint", DataType::BinaryView, true),
        Field::new("erased_at", timestamp_type(), true),
    ]))
}

/// Says what a column means that is not one of the documented ones; empty for a name that is none of ours.
pub fn meaning(name: &str) -> &'static str {
    match name {
        EXPORTED_AT => "when an export was made that held this state: the first one, or a later one",
        SOURCE => "the file that the state came from",
        EXTRA => {
            "columns of the export that are none of ours, as a JSON object; null unless ingested with --keep-extra"
        }
        CONTENT_HASH => "64-bit hash of the documented columns and _extra",
        "file" => "the file as it was named",
        "line" => "line in the file, or row of a Parquet file, from 1",
        "byte_offset" => "offset in the decompressed file",
        "column" => "the column at fault, if one is",
        "reason" => "why the record could not be stored",
        "raw" => "the record as it came",
        "raw_bytes" => "the record's bytes, where they are not UTF-8 text",
        "exported_at" => "when the file was exported",
        "quarantined_at" => "when the record was put aside",
        "context" => "what a replay needs beside the record, as a JSON object",
        "version" => "version of the lake, from 0",
        "committed_at" => "when the version was committed",
        "operation" => "the operation as Delta names it",
        "rows_read" => "records in the input: the sum of the next six columns",
        "inserted" => "sessions that the lake did not know",
        "updated" => "sessions whose stored state gave way",
        "unchanged" => "sessions that the lake held in exactly this state",
        "superseded" => "states that lost against a newer one",
        "duplicate" => "copies of a state within the run",
        "quarantined" => "records that could not be stored",
        "ledger" => "the whole ledger, by file and with warnings, as a JSON object",
        "path" => "path from the table's folder",
        "liveness" => "active: every session of the file is running; ended otherwise",
        "rows" => "rows of the file",
        "bytes" => "size of the file",
        "first_started_at" => "least started_at of the file",
        "last_started_at" => "greatest started_at of the file",
        "running" => "sessions of the file that are running",
        "overlap" => "other files of the same liveness that have sessions of the same time",
        "leaf_columns" => "columns for JSON paths; null where the log does not say",
        "tells_ids" => "whether the file tells its session ids beside its rows",
        "is_ours" => "whether this program wrote the file",
        "upkeep" => "what an upkeep did that made the version, as a JSON object",
        "json_column" => "the column that holds the JSON; null for files of other engines, whose paths are not known",
        "json_path" => {
            "JSONPath; [*] stands for the elements of arrays, and .* at the end for keys that the files do not list"
        }
        "types" => "JSON types of the values, by commas",
        "sessions" => "sessions that have the path; null for paths inside the elements of arrays",
        "files" => "data files that have the path",
        "leaf_files" => "of them, those with leaf columns for it: queries on the path read no JSON text there",
        "leaf_bytes" => "compressed bytes of the leaf columns",
        "pool_files" => {
            "files with its values in a pool, a column that rare paths share: read in place of the text, but for objects"
        }
        "text_files" => "files whose JSON text is read for numbers, strings and truth values at the path",
        "text_reason" => "why that is so",
        _ => "",
    }
}

//! The data files of one version, with the statistics that the log has of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use deltalake::table::state::DeltaTableState;

use super::table::{Table, Version, delta_error};
use crate::error::{Error, Result};
use crate::schema::{COLUMNS, Kind};

/// The data files of one version of a table.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version.
    pub version: Version,
    /// The files, in the order of their paths.
    pub files: Arc<Vec<DataFile>>,
}

/// One data file, as the log knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// The path from the table's folder.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of rows, unless a foreign writer left it out.
    pub rows: Option<u64>,
    /// What the log knows of columns, by name.
    pub columns: BTreeMap<String, ColumnStatistics>,
}

/// What the log knows of one column of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnStatistics {
    /// A value that no row is below.
    pub minimum: Option<ScalarValue>,
    /// A value that no row is above.
    pub maximum: Option<ScalarValue>,
    /// Number of rows without a value.
    pub null_count: Option<u64>,
}

impl DataFile {
    /// Says whether every session in the file is still running, as far as the log knows.
    pub fn is_active(&self) -> bool {
        match (self.rows, self.columns.get("ended_at").and_then(|c| c.null_count)) {
            (Some(rows), Some(nulls)) => rows == nulls && rows > 0,
            _ => false,
        }
    }
}

impl Snapshot {
    pub(super) fn read(table: &Table, state: &DeltaTableState) -> Result<Self> {
        let mut files = Vec::new();
        for view in state.log_data().iter() {
            if view.deletion_vector_descriptor().is_some() {
                return Err(Error::storage(
                    table.lake.clone(),
                    format!("{} has a deletion vector, which sessionlake does not read", view.path()),
                ));
            }
            let statistics = view.stats();
            let parsed = statistics.as_deref().map(serde_json::from_str::<serde_json::Value>).transpose();
            let parsed = parsed.map_err(|e| delta_error(&table.lake, e.into()))?.unwrap_or_default();
            files.push(DataFile {
                path: view.object_store_path().to_string(),
                size_bytes: u64::try_from(view.size()).unwrap_or_default(),
                rows: parsed.get("numRecords").and_then(serde_json::Value::as_u64),
                columns: column_statistics(&parsed),
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { version: table.version(), files: Arc::new(files) })
    }

    /// Sums the rows of all files, or `None` where the log does not know.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Sums the bytes of all files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

fn column_statistics(parsed: &serde_json::Value) -> BTreeMap<String, ColumnStatistics> {
    let mut columns: BTreeMap<String, ColumnStatistics> = BTreeMap::new();
    let entries = |key: &str| parsed.get(key).and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    for (name, value) in entries("minValues") {
        columns.entry(name.clone()).or_default().minimum = scalar(&name, &value);
    }
    for (name, value) in entries("maxValues") {
        columns.entry(name.clone()).or_default().maximum = scalar(&name, &value);
    }
    for (name, value) in entries("nullCount") {
        columns.entry(name).or_default().null_count = value.as_u64();
    }
    columns
}

/// Reads a bound; one that cannot be read is no bound, which prunes nothing.
fn scalar(name: &str, value: &serde_json::Value) -> Option<ScalarValue> {
    let kind = match name {
        crate::schema::EXPORTED_AT | "exported_at" | "quarantined_at" | "seen_at" => Kind::Timestamp,
        _ => crate::schema::column(name)?.kind,
    };
    match kind {
        Kind::Text => Some(ScalarValue::Utf8View(Some(value.as_str()?.to_owned()))),
        Kind::Seconds => Some(ScalarValue::Float64(Some(value.as_f64()?))),
        Kind::Timestamp => {
            let instant = chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
            Some(ScalarValue::TimestampMicrosecond(Some(instant.timestamp_micros()), Some("UTC".into())))
        }
        Kind::Json => None,
    }
}

/// The documented columns that the log has bounds for.
pub fn ranged_columns() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|c| c.name).filter(|name| super::layout::has_range(name))
}

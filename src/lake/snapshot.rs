//! The data files of one version, with the statistics that the log has of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use deltalake::table::state::DeltaTableState;
use object_store::path::Path;

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
    /// The path from the table's folder, as people write it; see [`Self::location`].
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
    /// The least value, as the log has it: it may be cut ([`Self::lower_bound`]).
    pub minimum: Option<ScalarValue>,
    /// The greatest value, as the log has it: it may be cut ([`Self::upper_bound`]).
    pub maximum: Option<ScalarValue>,
    /// Number of rows without a value.
    pub null_count: Option<u64>,
}

impl DataFile {
    /// Returns where the file is in the table's store. A name may hold `%`, which stands for itself.
    pub fn location(&self) -> Path {
        Path::parse(&self.path).unwrap_or_else(|_| Path::from(self.path.as_str()))
    }

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
                path: view.path().into_owned(),
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
    // Delta's protocol: bounds that are not tight speak of rows that may be gone, and so do the null counts beside them.
    let tight = parsed.get("tightBounds").and_then(serde_json::Value::as_bool) != Some(false);
    let entries = |key: &str| parsed.get(key).and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    for (name, value) in entries("minValues") {
        columns.entry(name.clone()).or_default().minimum = scalar(&name, &value);
    }
    for (name, value) in entries("maxValues") {
        columns.entry(name.clone()).or_default().maximum = scalar(&name, &value);
    }
    for (name, value) in entries("nullCount") {
        columns.entry(name).or_default().null_count = value.as_u64().filter(|_| tight);
    }
    columns
}

/// What cutting an instant to milliseconds can take of it, in microseconds.
const CUT_US: i64 = 999;

impl ColumnStatistics {
    /// Returns a value that no row is below. Delta's protocol lets writers cut what is less than a millisecond. Cutting goes downwards,
    /// but arithmetic that rounds to zero takes an instant before 1970 upwards.
    pub fn lower_bound(&self) -> Option<ScalarValue> {
        match self.minimum.clone()? {
            ScalarValue::TimestampMicrosecond(Some(us), zone) if us <= 0 && us % 1_000 == 0 => {
                Some(ScalarValue::TimestampMicrosecond(Some(us.saturating_sub(CUT_US)), zone))
            }
            exact => Some(exact),
        }
    }

    /// Returns a value that no row is above, where an instant may be cut to milliseconds, and a text to its first characters.
    ///
    /// Our own writer cuts neither, but other engines rewrite our files and leave no sign in the log. A bound that is a millisecond
    /// or one character too high keeps no file but those of rows that are as near.
    pub fn upper_bound(&self) -> Option<ScalarValue> {
        match self.maximum.clone()? {
            ScalarValue::TimestampMicrosecond(Some(us), zone) if us % 1_000 == 0 => {
                Some(ScalarValue::TimestampMicrosecond(Some(us.saturating_add(CUT_US)), zone))
            }
            // Behind every text that begins so. Spark ends a cut text with this character by itself.
            ScalarValue::Utf8View(Some(text)) => Some(ScalarValue::Utf8View(Some(text + "\u{10FFFF}"))),
            exact => Some(exact),
        }
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bounds(name: &str, minimum: &str, maximum: &str) -> (ScalarValue, ScalarValue) {
        let log = json!({ "minValues": { name: minimum }, "maxValues": { name: maximum }, "nullCount": { name: 3 } });
        let mut columns = column_statistics(&log);
        let column = columns.remove(name).unwrap();
        assert_eq!(column.null_count, Some(3));
        (column.lower_bound().unwrap(), column.upper_bound().unwrap())
    }

    fn instant(text: &str) -> ScalarValue {
        scalar("started_at", &json!(text)).unwrap()
    }

    #[test]
    fn bounds_that_may_be_cut_are_widened_by_what_was_cut() {
        let (minimum, maximum) = bounds("started_at", "2026-11-20T10:00:00.000Z", "2026-11-20T10:04:53.080Z");
        assert_eq!(minimum, instant("2026-11-20T10:00:00Z"));
        assert_eq!(maximum, instant("2026-11-20T10:04:53.080999Z"));
        // What has microseconds was not cut.
        let (minimum, maximum) = bounds("ended_at", "2026-11-20T10:00:00.000001Z", "2026-11-20T10:04:53.080758Z");
        assert_eq!(minimum, instant("2026-11-20T10:00:00.000001Z"));
        assert_eq!(maximum, instant("2026-11-20T10:04:53.080758Z"));
        // Before 1970 a cut may have gone either way.
        let (minimum, maximum) = bounds("started_at", "1969-12-31T23:59:59.001Z", "1969-12-31T23:59:59.002Z");
        assert_eq!(minimum, instant("1969-12-31T23:59:59.000001Z"));
        assert_eq!(maximum, instant("1969-12-31T23:59:59.002999Z"));
        // The protocol writes zones as offsets too.
        let (_, maximum) = bounds("started_at", "2026-11-20T11:00:00.000+01:00", "2026-11-20T11:04:53.080+01:00");
        assert_eq!(maximum, instant("2026-11-20T10:04:53.080999Z"));
    }

    #[test]
    fn a_text_that_may_be_cut_is_below_its_bound() {
        let (minimum, maximum) = bounds("session_id", "abc", &"x".repeat(32));
        assert_eq!(minimum, ScalarValue::from("abc").cast_to(&arrow::datatypes::DataType::Utf8View).unwrap());
        let ScalarValue::Utf8View(Some(maximum)) = maximum else { panic!("{maximum:?}") };
        assert!("x".repeat(40) < maximum && format!("{}\u{10000}", "x".repeat(32)) < maximum);
        assert!("y" > maximum.as_str() && format!("{}y", "x".repeat(31)) > maximum);
    }

    #[test]
    fn null_counts_beside_bounds_that_are_not_tight_are_not_known() {
        let columns = column_statistics(&json!({ "tightBounds": false, "nullCount": { "ended_at": 0 } }));
        assert_eq!(columns["ended_at"].null_count, None);
        assert!(column_statistics(&json!({})).is_empty());
    }
}

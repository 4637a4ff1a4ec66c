//! The data files of one version, with the statistics that the log has of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use deltalake::kernel::LogicalFileView;
use deltalake::table::state::DeltaTableState;
use object_store::path::Path;

use super::checked::Seals;
use super::claims::{CHECK_KEY, Claims};
use super::deletions::DeletionVector;
use super::footer::{LEAVES_KEY, NAN_KEY};
use super::ids::{IDS_KEY, IdsPlace};
use super::layout::{self, Version, table_schema};
use super::seal::{SEAL_KEY, Seal};
use crate::error::{Error, Result};
use crate::schema::Kind;

/// The data files of one version of a table.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version.
    pub version: Version,
    /// The files, in the order of their paths.
    pub files: Arc<Vec<DataFile>>,
}

/// One data file, as the log knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataFile {
    /// The path from the table's folder, as people write it; see [`Self::location`].
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of rows, without those that are deleted, unless a foreign writer left it out.
    pub rows: Option<u64>,
    /// What the log knows of columns, by name.
    pub columns: BTreeMap<String, ColumnStatistics>,
    /// Whether the file is one of ours, by the mark that the log has on it, or, if an earlier version wrote it, by its name.
    pub is_ours: bool,
    /// Whether what the log says of the file is not what was written when it was added, and so is not used.
    pub is_doubted: bool,
    /// Which rows are deleted, where some are.
    pub deletion: Option<DeletionVector>,
    /// Where it tells of its session ids, if it does.
    pub ids: Option<IdsPlace>,
    /// Its leaf columns, if the log says how many.
    pub leaves: Option<u64>,
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
    /// The value of all rows, which may be null, where the log has it in place of the file: of a column that folders stand for.
    pub constant: Option<ScalarValue>,
    /// Whether a row may be NaN, which is greater than every number and in no statistics.
    pub may_be_nan: bool,
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

/// What the data files of a version are read of.
pub(super) struct Reading<'a> {
    /// The lake's name.
    pub(super) lake: &'a str,
    /// The table's.
    pub(super) table: &'a str,
    /// Learns how the files can be checked.
    pub(super) seals: &'a Seals,
    /// Hears what is odd.
    pub(super) tell: &'a dyn Fn(String),
}

impl Snapshot {
    pub(super) fn read(of: &Reading<'_>, version: Version, state: &DeltaTableState) -> Result<Self> {
        let mut files = Vec::new();
        for view in state.log_data().iter() {
            files.push(described(of, &view)?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { version, files: Arc::new(files) })
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

/// Reads what the log says of a file's rows and columns. Statistics that cannot be read are none, which prunes nothing.
fn described(of: &Reading<'_>, view: &LogicalFileView) -> Result<DataFile> {
    let Reading { lake, table, .. } = of;
    let placed = |path: &str| match path.contains("://") {
        true => Err("is outside of the lake".to_owned()),
        false => Ok(PathBuf::from(path)),
    };
    let deletion = DeletionVector::of_view(view, placed)
        .map_err(|what| Error::storage(*lake, format!("the deletion vector of {} {what}", view.path())))?;
    let statistics = view.stats();
    let mut parsed: serde_json::Value =
        statistics.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    #[expect(deprecated, reason = "nothing else tells the tags of a file")]
    let mut tags = view.add_action().tags.unwrap_or_default();
    let is_doubted = deletion.is_none() && !is_believed(view, &parsed, &tags);
    if is_doubted {
        (of.tell)(format!(
            "{lake}: {table}/_delta_log: what the log says of {} is not what was written when the file was added, so its rows are counted and \
             searched without it; the log is damaged, or another program computed the statistics anew",
            view.path()
        ));
        parsed = serde_json::Value::Null;
        tags.clear();
    }
    // More rows than a file can have are no count, and neither are more nulls than rows.
    let counted = |rows: &u64| i64::try_from(*rows).is_ok();
    let stored = parsed.get("numRecords").and_then(serde_json::Value::as_u64).filter(counted);
    let mut columns = column_statistics(&parsed);
    for column in columns.values_mut() {
        column.null_count =
            column.null_count.filter(|nulls| counted(nulls) && stored.is_none_or(|rows| *nulls <= rows));
    }
    let rows = match &deletion {
        Some(deletion) => {
            // Deleted rows may be the null ones.
            columns.values_mut().for_each(|column| column.null_count = column.null_count.filter(|nulls| *nulls == 0));
            stored.and_then(|rows| rows.checked_sub(deletion.rows()))
        }
        None => stored,
    };
    let nan = tags.get(NAN_KEY).cloned().flatten();
    let schema = table_schema(table);
    for field in schema.fields().iter().filter(|field| field.data_type().is_floating()) {
        let is_known = |names: &String| !names.split(',').any(|name| name == field.name());
        columns.entry(field.name().clone()).or_default().may_be_nan = !nan.as_ref().is_some_and(is_known);
    }
    let values = view.partition_values_map();
    for field in schema.fields().iter().filter(|field| values.contains_key(field.name())) {
        let constant = constant(&values, field.name(), field.data_type())
            .map_err(|words| Error::storage(format!("{lake}: {}", view.path()), words))?;
        let null_count = match constant.is_null() {
            true => rows,
            false => Some(0),
        };
        let bound = Some(constant.clone()).filter(|value| !value.is_null());
        let column = ColumnStatistics {
            minimum: bound.clone(),
            maximum: bound,
            null_count,
            constant: Some(constant),
            may_be_nan: false,
        };
        columns.insert(field.name().clone(), column);
    }
    let file = DataFile { path: view.path().into_owned(), size_bytes: size_bytes(view), ..DataFile::default() };
    let seal = tags.get(SEAL_KEY).cloned().flatten();
    if let Some(seal) = seal.and_then(|tag| Seal::from_tag(&tag, file.size_bytes)) {
        of.seals.learn(&file.location(), seal, file.size_bytes);
    }
    let ids = tags.get(IDS_KEY).cloned().flatten().and_then(|tag| IdsPlace::from_tag(&tag, file.size_bytes));
    let leaves = tags.get(LEAVES_KEY).cloned().flatten().and_then(|tag| tag.parse::<u64>().ok());
    Ok(DataFile {
        ids,
        leaves,
        rows,
        columns,
        is_ours: nan.is_some() || layout::is_named_as_ours(&view.path()),
        is_doubted,
        deletion,
        ..file
    })
}

fn size_bytes(view: &LogicalFileView) -> u64 {
    u64::try_from(view.size()).unwrap_or_default()
}

/// Says whether the log says of a file what was written when it was added, as far as that is known: of files of ours. Not to be asked of files
/// with a deletion vector: a program that deletes rows says that there are fewer, and keeps our tags.
fn is_believed(view: &LogicalFileView, statistics: &serde_json::Value, tags: &HashMap<String, Option<String>>) -> bool {
    let tag = |key: &str| tags.get(key).and_then(Option::as_deref);
    let Some(check) = tag(CHECK_KEY) else { return true };
    let claims =
        Claims { path: &view.path(), size_bytes: size_bytes(view), statistics, nan: tag(NAN_KEY), seal: tag(SEAL_KEY) };
    claims.check() == check
}

/// Reads the value of a column that folders stand for, as the log has it: a text, of which the empty one is null as none is.
fn constant(
    values: &HashMap<String, Option<String>>,
    name: &str,
    data_type: &DataType,
) -> std::result::Result<ScalarValue, String> {
    let text = values.get(name).and_then(Option::as_deref).filter(|text| !text.is_empty());
    let Some(text) = text else { return ScalarValue::try_from(data_type).map_err(|e| e.to_string()) };
    ScalarValue::try_from_string(text.to_owned(), data_type)
        .map_err(|_| format!("the log has the value {text:?} of column {name:?}, which is no {data_type}"))
}

pub(super) fn column_statistics(parsed: &serde_json::Value) -> BTreeMap<String, ColumnStatistics> {
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
        if let Some(constant) = &self.constant {
            return Some(constant.clone()).filter(|value| !value.is_null());
        }
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
        if let Some(constant) = &self.constant {
            return Some(constant.clone()).filter(|value| !value.is_null());
        }
        if self.may_be_nan {
            return None;
        }
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
        crate::schema::EXPORTED_AT | "erased_at" | "exported_at" | "quarantined_at" | "seen_at" => Kind::Timestamp,
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

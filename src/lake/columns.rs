//! What the log knows of the columns of data files: arrays by column, with a value a file.
//!
//! A lake has many files, and what the log says of one of them as values by name took three times what its text does. So the files of a version
//! share arrays, of which each file names its row: the bounds of a column are a column. What few files have stays apart, by row: values
//! of folders, and counts of columns that are none of the table's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use arrow::array::builder::{BooleanBuilder, Float64Builder, Int64Builder, LargeStringBuilder, UInt64Builder};
use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, LargeStringArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;

use super::said::{Bound, Said, SaidColumn, kind_of};
use crate::schema::Kind;

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

/// What cutting an instant to milliseconds can take of it, in microseconds.
const CUT_US: i64 = 999;
/// A character behind all others: behind a text that was cut every text that begins so is before the two together.
pub(super) const LAST: char = '\u{10FFFF}';

/// Returns an instant that no row is below, where the log says this one. Delta's protocol lets writers cut what is less than a
/// millisecond. Cutting goes downwards, but arithmetic that rounds to zero takes an instant before 1970 upwards.
pub(super) fn lowered(us: i64) -> i64 {
    if us <= 0 && us % 1_000 == 0 { us.saturating_sub(CUT_US) } else { us }
}

/// Returns an instant that no row is above, where the log says this one.
pub(super) fn raised(us: i64) -> i64 {
    if us % 1_000 == 0 { us.saturating_add(CUT_US) } else { us }
}

impl ColumnStatistics {
    /// Returns a value that no row is below.
    pub fn lower_bound(&self) -> Option<ScalarValue> {
        if let Some(constant) = &self.constant {
            return Some(constant.clone()).filter(|value| !value.is_null());
        }
        match self.minimum.clone()? {
            ScalarValue::TimestampMicrosecond(Some(us), zone) => {
                Some(ScalarValue::TimestampMicrosecond(Some(lowered(us)), zone))
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
            ScalarValue::TimestampMicrosecond(Some(us), zone) => {
                Some(ScalarValue::TimestampMicrosecond(Some(raised(us)), zone))
            }
            // Spark ends a cut text with this character by itself.
            ScalarValue::Utf8View(Some(mut text)) => {
                text.push(LAST);
                Some(ScalarValue::Utf8View(Some(text)))
            }
            exact => Some(exact),
        }
    }
}

/// What the log knows of the columns of one file.
#[derive(Clone, Default)]
pub struct FileColumns {
    /// Of a file that is in no log there is nothing.
    all: Option<Arc<Columns>>,
    row: u32,
}

/// What the log knows of the columns of the files of a version.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// The table's columns, in the order of their names.
    known: Vec<Known>,
    /// Numbers of rows without a value of other columns, by row.
    others: HashMap<u32, BTreeMap<String, u64>>,
    /// Values of folders, by row.
    constants: HashMap<u32, BTreeMap<String, Constant>>,
}

/// The value of a column in all rows of a file, and in how many of them it is null.
#[derive(Debug, Clone)]
struct Constant {
    value: ScalarValue,
    null_count: Option<u64>,
}

/// One column, a value a file.
#[derive(Debug)]
struct Known {
    name: String,
    minimums: Bounds,
    maximums: Bounds,
    nulls: UInt64Array,
    /// Whether a row may be NaN, of a column of floating numbers.
    may_be_nan: Option<BooleanArray>,
}

#[derive(Debug)]
enum Bounds {
    None,
    Texts(LargeStringArray),
    Numbers(Float64Array),
    Instants(Int64Array),
}

impl Bounds {
    fn value(&self, row: usize) -> Option<ScalarValue> {
        match self {
            Self::None => None,
            Self::Texts(texts) => valid(texts, row).then(|| ScalarValue::Utf8View(Some(texts.value(row).to_owned()))),
            Self::Numbers(numbers) => valid(numbers, row).then(|| ScalarValue::Float64(Some(numbers.value(row)))),
            Self::Instants(instants) => valid(instants, row).then(|| instant(instants.value(row))),
        }
    }
}

fn valid(array: &impl Array, row: usize) -> bool {
    row < array.len() && array.is_valid(row)
}

impl Known {
    fn may_be_nan(&self, row: usize) -> bool {
        self.may_be_nan.as_ref().is_some_and(|nan| !valid(nan, row) || nan.value(row))
    }

    fn null_count(&self, row: usize) -> Option<u64> {
        valid(&self.nulls, row).then(|| self.nulls.value(row))
    }
}

impl Columns {
    fn known(&self, name: &str) -> Option<&Known> {
        let at = self.known.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        self.known.get(at)
    }

    fn constant(&self, row: u32, name: &str) -> Option<&Constant> {
        // Hardly a table has any.
        if self.constants.is_empty() {
            return None;
        }
        self.constants.get(&row)?.get(name)
    }
}

/// What is known where nothing is.
static NOTHING: LazyLock<Columns> = LazyLock::new(Columns::default);

impl FileColumns {
    fn all(&self) -> &Columns {
        self.all.as_deref().unwrap_or(&NOTHING)
    }

    /// Returns what is known of a column.
    pub fn get(&self, name: &str) -> Option<ColumnStatistics> {
        if let Some(Constant { value, null_count }) = self.all().constant(self.row, name) {
            let bound = Some(value.clone()).filter(|value| !value.is_null());
            return Some(ColumnStatistics {
                minimum: bound.clone(),
                maximum: bound,
                null_count: *null_count,
                constant: Some(value.clone()),
                may_be_nan: false,
            });
        }
        let statistics = match self.all().known(name) {
            Some(known) => {
                let row = self.row as usize;
                ColumnStatistics {
                    minimum: known.minimums.value(row),
                    maximum: known.maximums.value(row),
                    null_count: known.null_count(row),
                    constant: None,
                    may_be_nan: known.may_be_nan(row),
                }
            }
            None => {
                let null_count = self.all().others.get(&self.row)?.get(name).copied();
                ColumnStatistics { null_count, ..ColumnStatistics::default() }
            }
        };
        (statistics != ColumnStatistics::default()).then_some(statistics)
    }

    /// Returns in how many rows a column has no value.
    pub fn null_count(&self, name: &str) -> Option<u64> {
        match self.all().constant(self.row, name) {
            Some(constant) => constant.null_count,
            None => match self.all().known(name) {
                Some(known) => known.null_count(self.row as usize),
                None => self.all().others.get(&self.row)?.get(name).copied(),
            },
        }
    }

    /// Lists what is known of columns, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ColumnStatistics)> {
        self.names().into_iter().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// Says whether the log has values of columns in place of the file.
    pub fn has_constants(&self) -> bool {
        self.all().constants.contains_key(&self.row)
    }

    /// Lists the values of columns that the log has in place of the file.
    pub fn constants(&self) -> impl Iterator<Item = (&str, &ScalarValue)> {
        let all = self.all().constants.get(&self.row).into_iter().flatten();
        all.map(|(name, constant)| (name.as_str(), &constant.value))
    }

    /// Lists the columns of which something is known.
    fn names(&self) -> Vec<&str> {
        let known = self.all().known.iter().map(|known| known.name.as_str());
        let others = self.all().others.get(&self.row).into_iter().flat_map(|others| others.keys().map(String::as_str));
        let constants = self.all().constants.get(&self.row).into_iter().flat_map(|all| all.keys().map(String::as_str));
        let mut names: Vec<&str> = known.chain(others).chain(constants).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl std::fmt::Debug for FileColumns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for FileColumns {
    fn eq(&self, other: &Self) -> bool {
        let is_same = std::ptr::eq(self.all(), other.all()) && self.row == other.row;
        is_same || self.iter().eq(other.iter())
    }
}

impl FromIterator<(String, ColumnStatistics)> for FileColumns {
    /// Makes what is known of a file that is in no log.
    fn from_iter<I: IntoIterator<Item = (String, ColumnStatistics)>>(columns: I) -> Self {
        let columns: BTreeMap<String, ColumnStatistics> = columns.into_iter().collect();
        let fields = columns.keys().map(|name| arrow::datatypes::Field::new(name, DataType::Utf8View, true));
        let schema = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
        let bound = |value: &Option<ScalarValue>| match value {
            Some(ScalarValue::Utf8View(Some(text))) => Some(Bound::Text(text.clone().into())),
            Some(ScalarValue::Float64(Some(number))) => Some(Bound::Number(*number)),
            Some(ScalarValue::TimestampMicrosecond(Some(us), _)) => Some(Bound::Instant(*us)),
            _ => None,
        };
        let said = columns.iter().map(|(name, column)| {
            let (minimum, maximum) = (bound(&column.minimum), bound(&column.maximum));
            (name.as_str().into(), SaidColumn { minimum, maximum, null_count: column.null_count })
        });
        let mut builder = ColumnsBuilder::new(&schema);
        builder.push(&Said { rows: None, columns: said.collect() }, &|_| false, Vec::new());
        Self { all: Some(Arc::new(builder.finish())), row: 0 }
    }
}

/// Takes in what the log says of file after file.
pub(super) struct ColumnsBuilder {
    known: Vec<KnownBuilder>,
    others: HashMap<u32, BTreeMap<String, u64>>,
    constants: HashMap<u32, BTreeMap<String, Constant>>,
    rows: u32,
}

struct KnownBuilder {
    name: String,
    minimums: BoundsBuilder,
    maximums: BoundsBuilder,
    nulls: UInt64Builder,
    may_be_nan: Option<BooleanBuilder>,
}

enum BoundsBuilder {
    None,
    Texts(LargeStringBuilder),
    Numbers(Float64Builder),
    Instants(Int64Builder),
}

impl BoundsBuilder {
    fn of(name: &str) -> Self {
        match kind_of(name) {
            Some(Kind::Text) => Self::Texts(LargeStringBuilder::new()),
            Some(Kind::Seconds) => Self::Numbers(Float64Builder::new()),
            Some(Kind::Timestamp) => Self::Instants(Int64Builder::new()),
            Some(Kind::Json) | None => Self::None,
        }
    }

    fn push(&mut self, bound: Option<&Bound<'_>>) {
        match self {
            Self::None => {}
            Self::Texts(texts) => texts.append_option(match bound {
                Some(Bound::Text(text)) => Some(text),
                _ => None,
            }),
            Self::Numbers(numbers) => numbers.append_option(match bound {
                Some(Bound::Number(number)) => Some(*number),
                _ => None,
            }),
            Self::Instants(instants) => instants.append_option(match bound {
                Some(Bound::Instant(us)) => Some(*us),
                _ => None,
            }),
        }
    }

    fn finish(self) -> Bounds {
        match self {
            Self::None => Bounds::None,
            Self::Texts(mut texts) => Bounds::Texts(fitting(texts.finish())),
            Self::Numbers(mut numbers) => Bounds::Numbers(fitting(numbers.finish())),
            Self::Instants(mut instants) => Bounds::Instants(fitting(instants.finish())),
        }
    }
}

/// Gives back what an array took to grow, which may be as much as it holds.
fn fitting<A: Array>(mut array: A) -> A {
    array.shrink_to_fit();
    array
}

impl ColumnsBuilder {
    /// Begins with no file of a table of these columns.
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let known = |field: &Arc<arrow::datatypes::Field>| KnownBuilder {
            name: field.name().clone(),
            minimums: BoundsBuilder::of(field.name()),
            maximums: BoundsBuilder::of(field.name()),
            nulls: UInt64Builder::new(),
            may_be_nan: field.data_type().is_floating().then(BooleanBuilder::new),
        };
        let mut known: Vec<KnownBuilder> = schema.fields().iter().map(known).collect();
        known.sort_by(|a, b| a.name.cmp(&b.name));
        Self { known, others: HashMap::new(), constants: HashMap::new(), rows: 0 }
    }

    /// Takes in what is said of a file, whether a column may have a NaN, and values of folders, each with how many rows are null; returns the
    /// row of the file.
    pub(super) fn push(
        &mut self,
        said: &Said<'_>,
        may_be_nan: &dyn Fn(&str) -> bool,
        constants: Vec<(String, ScalarValue, Option<u64>)>,
    ) -> u32 {
        let row = self.rows;
        let mut columns = said.columns.iter().peekable();
        let mut others = BTreeMap::new();
        let mut other = |(name, column): &(std::borrow::Cow<'_, str>, SaidColumn<'_>)| {
            if let Some(nulls) = column.null_count {
                others.insert(name.clone().into_owned(), nulls);
            }
        };
        for known in &mut self.known {
            while let Some(passed) = columns.next_if(|(name, _)| name.as_ref() < known.name.as_str()) {
                other(passed);
            }
            let column = columns.next_if(|(name, _)| name.as_ref() == known.name).map(|(_, column)| column);
            known.minimums.push(column.and_then(|column| column.minimum.as_ref()));
            known.maximums.push(column.and_then(|column| column.maximum.as_ref()));
            known.nulls.append_option(column.and_then(|column| column.null_count));
            if let Some(nan) = &mut known.may_be_nan {
                nan.append_value(may_be_nan(&known.name));
            }
        }
        columns.for_each(other);
        if !others.is_empty() {
            self.others.insert(row, others);
        }
        if !constants.is_empty() {
            let constants = constants.into_iter();
            let by_name = constants.map(|(name, value, null_count)| (name, Constant { value, null_count }));
            self.constants.insert(row, by_name.collect());
        }
        self.rows += 1;
        row
    }

    /// Ends.
    pub(super) fn finish(self) -> Columns {
        let known = self.known.into_iter().map(|mut known| Known {
            minimums: known.minimums.finish(),
            maximums: known.maximums.finish(),
            nulls: fitting(known.nulls.finish()),
            may_be_nan: known.may_be_nan.as_mut().map(BooleanBuilder::finish),
            name: known.name,
        });
        Columns { known: known.collect(), others: self.others, constants: self.constants }
    }
}

impl Columns {
    /// Returns what is known of the file of a row.
    pub(super) fn of_file(self: &Arc<Self>, row: u32) -> FileColumns {
        FileColumns { all: Some(Arc::clone(self)), row }
    }
}

/// An instant as a value.
pub(super) fn instant(us: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into()))
}

/// A bound as the log has it, or the value of a folder.
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Instant(i64),
    Constant(&'a ScalarValue),
}

/// Finds the bounds of one column in file after file, most of which share their arrays.
pub(super) struct BoundsOf<'a> {
    name: &'a str,
    /// Whether it is the upper bounds.
    upper: bool,
    all: Option<(&'a Columns, Option<&'a Known>)>,
}

impl<'a> BoundsOf<'a> {
    /// Begins with no file.
    pub(super) fn new(name: &'a str, upper: bool) -> Self {
        Self { name, upper, all: None }
    }

    /// Returns the bound of a file.
    pub(super) fn of(&mut self, file: &'a FileColumns) -> Option<Value<'a>> {
        if let Some(constant) = file.all().constant(file.row, self.name) {
            return Some(Value::Constant(&constant.value));
        }
        let known = match self.all {
            Some((all, known)) if std::ptr::eq(all, file.all()) => known,
            _ => {
                let known = file.all().known(self.name);
                self.all = Some((file.all(), known));
                known
            }
        }?;
        let row = file.row as usize;
        let bounds = match self.upper {
            false => &known.minimums,
            true if known.may_be_nan(row) => return None,
            true => &known.maximums,
        };
        match bounds {
            Bounds::None => None,
            Bounds::Texts(texts) => valid(texts, row).then(|| Value::Text(texts.value(row))),
            Bounds::Numbers(numbers) => valid(numbers, row).then(|| Value::Number(numbers.value(row))),
            Bounds::Instants(instants) => valid(instants, row).then(|| Value::Instant(instants.value(row))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bounds(name: &str, minimum: &str, maximum: &str) -> (ScalarValue, ScalarValue) {
        let log = json!({ "minValues": { name: minimum }, "maxValues": { name: maximum }, "nullCount": { name: 3 } });
        let column = columns(&log).get(name).unwrap();
        assert_eq!(column.null_count, Some(3));
        (column.lower_bound().unwrap(), column.upper_bound().unwrap())
    }

    /// What a text of statistics makes known of a file.
    fn columns(log: &serde_json::Value) -> FileColumns {
        let mut builder = ColumnsBuilder::new(&crate::schema::stored_schema());
        let row = builder.push(&Said::of(&log.to_string()), &|_| false, Vec::new());
        Arc::new(builder.finish()).of_file(row)
    }

    fn instant(text: &str) -> ScalarValue {
        columns(&json!({ "minValues": { "started_at": text } })).get("started_at").unwrap().minimum.unwrap()
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
        let columns = |log| columns(&log);
        assert_eq!(
            columns(json!({ "tightBounds": false, "nullCount": { "ended_at": 0 } })).null_count("ended_at"),
            None
        );
        assert_eq!(columns(json!({})).get("ended_at"), None);
    }
}

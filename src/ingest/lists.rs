//! Records that are lists of values: the first of them holds the names, or `--columns` gives them.
//!
//! `["session_id","started_at"]` and then `["w1","2026-11-20T10:00:00Z"]`, one a line (ClickHouse's JSONCompactEachRowWithNames) or in
//! an array (as spreadsheet services answer). A list is taken for names where all of it is texts and they name columns of ours. A list
//! of ClickHouse's types behind the names is left out. Lists without names are refused, as nothing says what their values are.

use super::converter::Converter;
use super::cut::{Splitter, Window};
use super::formats::InputFormat;
use super::json::{ArraySplitter, LineSplitter};
use super::layout::Layout;
use super::source::SourceFile;
use super::values::quoted;
use crate::error::{Error, Place, Result};
use crate::json::{blanks, value_length};
use crate::schema::{COLUMNS, HeaderMatch, match_header};

/// Types of ClickHouse, without what stands in parentheses behind them.
const TYPES: [&str; 60] = [
    "AggregateFunction",
    "Array",
    "BFloat16",
    "Bool",
    "Date",
    "Date32",
    "DateTime",
    "DateTime32",
    "DateTime64",
    "Decimal",
    "Decimal128",
    "Decimal256",
    "Decimal32",
    "Decimal64",
    "Dynamic",
    "Enum",
    "Enum16",
    "Enum8",
    "FixedString",
    "Float32",
    "Float64",
    "Geometry",
    "IPv4",
    "IPv6",
    "Int128",
    "Int16",
    "Int256",
    "Int32",
    "Int64",
    "Int8",
    "IntervalDay",
    "IntervalHour",
    "IntervalMinute",
    "IntervalMonth",
    "IntervalSecond",
    "IntervalYear",
    "JSON",
    "LineString",
    "LowCardinality",
    "Map",
    "MultiPolygon",
    "Nested",
    "Nothing",
    "Nullable",
    "Object",
    "Point",
    "Polygon",
    "Ring",
    "SimpleAggregateFunction",
    "String",
    "Time",
    "Time64",
    "Tuple",
    "UInt128",
    "UInt16",
    "UInt256",
    "UInt32",
    "UInt64",
    "UInt8",
    "UUID",
];

/// How the lists of an input stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One a line.
    Lines,
    /// In an array, which starts before this offset.
    Array(usize),
}

/// An input whose records are lists, behind the names.
pub(super) struct Lists {
    pub(super) splitter: Box<dyn Splitter>,
    pub(super) layout: Layout,
    pub(super) format: InputFormat,
}

/// Reads the names of an input whose records are lists, or returns `None` for one whose records are none.
///
/// # Errors
/// Lists without names, or names without the required columns.
pub(super) fn open(window: &mut Window, converter: &Converter, file: &SourceFile) -> Result<Option<Lists>> {
    let Some((shape, start, length)) = shape_of(window.unread()) else { return Ok(None) };
    let (map, columns) = (&converter.header_map, &converter.declared.columns);
    let first = window.unread().get(start..start + length).unwrap_or_default();
    let line = Place::file(&file.name).line(1 + newlines(window.unread(), start));
    let names = if columns.is_empty() { names_of(first, map) } else { None };
    let end = names.as_ref().map(|names| behind_types(window.unread(), start + length, shape, names.len()));
    let names = match names {
        Some(names) => names,
        None if !columns.is_empty() => columns.clone(),
        // One list of values on a line of its own may be a damaged array.
        None if shape == Shape::Lines && !next_is_list(window.unread(), start + length) => return Ok(None),
        None => return Err(without_names(first, line)),
    };
    if let (Shape::Array(at), None, false) = (shape, end, columns.is_empty()) {
        refuse_columns(window.unread(), at, columns.len(), line.clone())?;
    }
    let layout = Layout::new(&names, map, &converter.rules.folders, line)?;
    let max = converter.max_record_bytes;
    let (splitter, format, before): (Box<dyn Splitter>, _, _) = match (shape, end) {
        (Shape::Lines, _) => (Box::new(LineSplitter::new(max)), InputFormat::Ndjson, start),
        (Shape::Array(_), Some(_)) => (Box::new(ArraySplitter::behind_element(max)), InputFormat::JsonArray, 0),
        (Shape::Array(before), None) => (Box::new(ArraySplitter::new(max)), InputFormat::JsonArray, before),
    };
    window.consume(end.unwrap_or(before));
    Ok(Some(Lists { splitter, layout, format }))
}

fn newlines(text: &[u8], upto: usize) -> u64 {
    text.iter().take(upto).filter(|byte| **byte == b'\n').count() as u64
}

/// Finds the first list of values: where it starts, and its length.
fn shape_of(text: &[u8]) -> Option<(Shape, usize, usize)> {
    let start = blanks(text, 0);
    let first = text.get(start..).filter(|first| first.first() == Some(&b'['))?;
    let inner = blanks(first, 1);
    match first.get(inner)? {
        b'{' | b']' => return None,
        b'[' => {}
        _ => {
            let length = whole_line(first)?;
            return Some((Shape::Lines, start, length));
        }
    }
    // A first value that is a list itself, or an array of lists.
    if let Some(length) = whole_line(first).filter(|length| next_is_list(first, *length)) {
        return Some((Shape::Lines, start, length));
    }
    let length = value_length(first, inner)?;
    let is_object = first.get(blanks(first, inner + 1)) == Some(&b'{');
    (!is_object).then_some((Shape::Array(start), start + inner, length))
}

/// Returns the length of the value at the start of a line, if nothing else stands on the line.
fn whole_line(text: &[u8]) -> Option<usize> {
    let line = text.get(..memchr::memchr(b'\n', text).unwrap_or(text.len()))?;
    let length = value_length(line, 0)?;
    line.get(length..)?.trim_ascii().is_empty().then_some(length)
}

fn next_is_list(text: &[u8], at: usize) -> bool {
    text.get(blanks(text, at)) == Some(&b'[')
}

/// Returns the texts of a list that names columns of ours.
pub(super) fn names_of(json: &[u8], map: &[(String, String)]) -> Option<Vec<String>> {
    let names: Vec<String> = serde_json::from_slice(json).ok()?;
    name_columns(&names, map).then_some(names)
}

/// Returns whether texts are the names of columns rather than values: one that no session lacks is among them, or several others.
pub(super) fn name_columns<S: AsRef<str>>(names: &[S], map: &[(String, String)]) -> bool {
    let found = |name: &S| match match_header(name.as_ref(), map) {
        Ok((HeaderMatch::Unknown | HeaderMatch::LeftOut, _)) | Err(_) => 0,
        Ok((HeaderMatch::Column(index), _)) if COLUMNS.get(index).is_some_and(|column| column.required) => 2,
        Ok(_) => 1,
    };
    names.iter().map(found).sum::<u32>() >= 2
}

/// Returns whether names are those of all columns that no session lacks.
pub(super) fn name_required<S: AsRef<str>>(names: &[S], map: &[(String, String)]) -> bool {
    let found: Vec<HeaderMatch> =
        names.iter().filter_map(|name| Some(match_header(name.as_ref(), map).ok()?.0)).collect();
    let mut required = COLUMNS.iter().enumerate().filter(|(_, column)| column.required);
    required.all(|(index, _)| found.contains(&HeaderMatch::Column(index)))
}

/// Returns whether texts are ClickHouse's types of so many columns.
pub(super) fn are_types(texts: &[String], count: usize) -> bool {
    let is_type = |text: &String| TYPES.contains(&text.split('(').next().unwrap_or_default());
    count > 0 && texts.len() == count && texts.iter().all(is_type)
}

/// Returns where the list of types behind the names ends, or `at` where there is none.
fn behind_types(text: &[u8], at: usize, shape: Shape, count: usize) -> usize {
    let types_end = || {
        let mut start = blanks(text, at);
        if shape != Shape::Lines {
            start = blanks(text, start + usize::from(text.get(start) == Some(&b',')));
        }
        let length = value_length(text, start)?;
        let types: Vec<String> = serde_json::from_slice(text.get(start..start + length)?).ok()?;
        are_types(&types, count).then_some(start + length)
    };
    types_end().unwrap_or(at)
}

fn without_names(first: &[u8], place: Place) -> Error {
    let shown = quoted(&String::from_utf8_lossy(first));
    Error::input(place, format!("the records are lists of values, and nothing says what the values are: the first list, {shown}, names no column"))
        .with_hint(
            "name the columns in their order with ⟨columns⟩ session_id,started_at,…; if the first list holds their names, \
             ⟨map⟩ \"Their Header=session_id\" says which of them is the session id; where each list is a column, \
             jq -c 'transpose[]' FILE > FILE.ndjson makes records of them first",
        )
}

/// Refuses lists that are as many as there are columns, and have another length.
fn refuse_columns(text: &[u8], start: usize, columns: usize, place: Place) -> Result<()> {
    let count = |json: &[u8]| serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(json).ok().map(|list| list.len());
    let outer = value_length(text, start).and_then(|length| count(text.get(start..start + length)?));
    let inner = blanks(text, start + 1);
    let inner = value_length(text, inner).and_then(|length| count(text.get(inner..inner + length)?));
    match (outer, inner) {
        (Some(outer), Some(inner)) if outer == columns && inner != columns => Err(Error::input(
            place,
            format!(
                "there are {outer} lists of {inner} values, and ⟨columns⟩ has {columns} names: each list is a column"
            ),
        )
        .with_hint("jq -c 'transpose[]' FILE > FILE.ndjson makes records of them, which ⟨columns⟩ names then")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::format_tests::{options, read_with};
    use super::super::{ReadOptions, replay};
    use super::*;
    use arrow::array::AsArray;

    fn ids(name: &str, text: &str, options: &ReadOptions) -> Vec<String> {
        let outcome = read_with(name, text.as_bytes(), options).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(outcome.rejects.is_empty(), "{text}: {:?}", outcome.rejects);
        let ids = outcome.rows.column_by_name("session_id").unwrap();
        ids.as_string_view().iter().map(|id| id.unwrap().to_owned()).collect()
    }

    fn columns(names: &[&str]) -> ReadOptions {
        let mut options = options();
        options.declared.columns = names.iter().map(|name| (*name).to_owned()).collect();
        options
    }

    const NAMES: &str = r#"["started_at","data","id"]"#;
    const TYPED: &str = r#"["DateTime64(6, 'UTC')", "Nullable(String)", "LowCardinality(String)"]"#;
    const ONE: &str = r#"["2026-11-20 10:00:00.000001",{"a":[1]},"w1"]"#;
    const TWO: &str = r#"[ 1800000000000, null, "w2" ]"#;

    #[test]
    fn the_first_list_names_the_values_of_the_others() {
        for name in ["a.ndjson", "a.jsonl", "a.json", "a", "a.json.gz"] {
            for text in [
                format!("{NAMES}\n{ONE}\n{TWO}\n"),
                format!("\n {NAMES} \r\n{TYPED}\r\n{ONE}\r\n\r\n{TWO}"),
                format!("[{NAMES},{ONE},{TWO}]"),
                format!("[\n  {NAMES},\n  {TYPED},\n  {ONE},\n  {TWO}\n]\n"),
            ] {
                assert_eq!(ids(name, &text, &options()), ["w1", "w2"], "{text}");
            }
            assert_eq!(ids(name, NAMES, &options()).len(), 0);
            assert_eq!(ids(name, &format!("[{NAMES}]"), &options()).len(), 0);
        }
        let outcome = read_with("a.json", format!("{NAMES}\n{TYPED}\n{ONE}").as_bytes(), &options()).unwrap();
        assert_eq!(outcome.rows.column_by_name("data").unwrap().as_string_view().value(0), r#"{"a":[1]}"#);
    }

    #[test]
    fn columns_name_the_values_of_lists_that_do_not() {
        let named = columns(&["started_at", "data", "id"]);
        for text in [format!("{ONE}\n{TWO}"), format!("[{ONE},\n{TWO}]"), format!("{TWO}\n{ONE}")] {
            assert_eq!(ids("a.json", &text, &named).len(), 2, "{text}");
        }
        let nested = columns(&["data", "started_at", "id"]);
        let text = "[[1],\"2026-11-20\",\"w1\"]\n[[2],\"2026-11-20\",\"w2\"]";
        assert_eq!(ids("a.ndjson", text, &nested), ["w1", "w2"]);
        // Objects have their names in themselves.
        let objects = r#"[{"session_id":"w1","started_at":"2026-11-20"}]"#;
        assert_eq!(ids("a.json", objects, &named), ["w1"]);
    }

    #[test]
    fn what_is_wrong_with_one_list_has_its_place_and_comes_back_in_a_replay() {
        let text = format!("{NAMES}\n{ONE}\n[\"yesterday\",null,\"w2\"]\n[1]\n");
        let outcome = read_with("a.ndjson", text.as_bytes(), &options()).unwrap();
        assert_eq!(outcome.rows.num_rows(), 1);
        let faults: Vec<_> = outcome.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
        assert_eq!(
            faults,
            [(Some(3), "\"yesterday\" is not a date and time"), (Some(4), "1 values where 3 have names")]
        );
        for (reject, context) in outcome.rejects.iter().zip(&outcome.contexts) {
            let again = replay(context, &reject.raw, &options()).unwrap();
            assert_eq!(again.rejects[0].reason, reject.reason);
        }
        // The columns were named in another order than they have.
        let wrong = columns(&["id", "started_at", "data"]);
        let outcome = read_with("a.ndjson", format!("{ONE}\n{ONE}").as_bytes(), &wrong).unwrap();
        assert_eq!(outcome.rejects.len(), 2);
        let again = replay(&outcome.contexts[0], &outcome.rejects[0].raw, &columns(&["started_at", "data", "id"]));
        assert_eq!(again.unwrap().rows.num_rows(), 1);
    }

    #[test]
    fn lists_that_nothing_names_are_refused() {
        for text in [format!("{ONE}\n{TWO}"), format!("[{ONE}]"), "[\"x\",\"y\"]\n[\"w\",1]".to_owned()] {
            let error = read_with("a.json", text.as_bytes(), &options()).unwrap_err();
            assert!(
                error.to_string().starts_with("a.json:1: the records are lists of values, and nothing says"),
                "{error}"
            );
            assert!(error.hint().unwrap().contains("⟨columns⟩"));
        }
        let error = read_with("a.json", b"[\"session_id\",\"x\"]\n[\"w\",1]", &options()).unwrap_err();
        assert!(error.to_string().contains("no column for started_at"), "{error}");
        let map = ReadOptions { header_map: vec![("x".to_owned(), "started_at".to_owned())], ..options() };
        assert_eq!(ids("a.json", "[\"session_id\",\"x\"]\n[\"w\",1800000000]", &map), ["w"]);
    }

    #[test]
    fn lists_that_are_columns_are_told() {
        let text = r#"[["w1","w2"],["2026-11-20","2026-11-20"],[1,2]]"#;
        let error =
            read_with("a.json", text.as_bytes(), &columns(&["id", "started_at", "time_in_workflow"])).unwrap_err();
        assert!(error.to_string().contains("3 lists of 2 values, and ⟨columns⟩ has 3 names"), "{error}");
        assert!(error.hint().unwrap().contains("transpose"));
        let error = read_with("a.json", text.as_bytes(), &options()).unwrap_err();
        assert!(error.hint().unwrap().contains("transpose"));
    }

    #[test]
    fn types_are_those_of_clickhouse_and_values_are_none() {
        let end = |list: &str, count: usize| behind_types(list.as_bytes(), 0, Shape::Lines, count);
        assert_eq!(end(r#"["String","Map(String, UInt8)"]"#, 2), 31);
        for (list, count) in [(r#"["String"]"#, 2), (r#"["String","x"]"#, 2), ("[1]", 1), ("", 0), ("[\"String\"", 1)] {
            assert_eq!(end(list, count), 0, "{list}");
        }
    }
}

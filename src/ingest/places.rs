//! Finds where in a JSON document the records are, where nobody said so, for the error that names the flag.

use super::cut::Window;
use super::lists;
use super::records_path::{Key, path_of};
use crate::error::{Error, Place, Result};
use crate::json::{blanks, key_at, value_length};
use crate::schema::{COLUMNS, HeaderMatch, match_headers};

/// How deep a list of records is looked for where nobody said where it is.
const SEARCHED_DEPTH: usize = 4;

/// The types of values that DynamoDB writes as the key of each.
const DYNAMO_TYPES: [&str; 10] = ["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"];

/// Keys under which the names of values stand that records give without them.
pub(super) const NAME_KEYS: [&str; 5] = ["meta", "columns", "columnHeaders", "headers", "fields"];

const EVENTS: [&str; 7] =
    ["progress", "meta", "totals", "min", "max", "rows_before_limit_at_least", "rows_before_aggregation"];

/// Returns whether a document is an event of ClickHouse's that holds no record, by its only key.
pub(super) fn is_event(key: &str) -> bool {
    EVENTS.contains(&key)
}

/// Returns a key as text.
pub(super) fn unescaped(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    if !key.contains(&b'\\') {
        return text.into_owned();
    }
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.into_owned())
}

/// What a document is that holds its records inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A list of records at a path.
    List(String),
    /// One record at a path in each document, or in each object of a list.
    Object(String),
    /// Columns, each a list or an object of the values of all records (true for lists), at a path.
    Columns(String, bool),
    /// Columns, each an object with its name and its values, in a list at a path.
    Series(String),
    /// Records whose values are each in a list of its own, at a path.
    Singles(String),
    /// Records whose values are each in an object that names its type, at a path.
    Typed(String),
    /// Rows of cells without names, as an API of Google writes them.
    Cells,
    /// Objects, each a record, under keys that number or name them, at a path.
    Keyed(String),
    /// JSON as a text, at a path.
    Text(String),
}

impl Shape {
    /// Says what the input is, and what reads it.
    pub(super) fn refuse(&self, name: &str) -> Error {
        let error = |message: String| Error::input(Place::file(name), message);
        let jq = |path: &str| match path.trim_start_matches('$') {
            "" => ".".to_owned(),
            below if below.starts_with('[') => format!(".{}", below.replace("[*]", "[]")),
            below => below.replace("[*]", "[]"),
        };
        let make = |program: String| format!("jq -c '{program}' FILE > FILE.ndjson makes records of them");
        match self {
            Self::List(path) => {
                error(format!("the records are not at the top of the document, but in a list at {path}"))
                    .with_hint(format!("read them with ⟨records⟩ '{path}'"))
            }
            Self::Object(path) => error(format!("the records are not at the top of their documents, but at {path}"))
                .with_hint(format!("read them with ⟨records⟩ '{path}'")),
            Self::Columns(path, lists) => {
                let rows = if *lists { "range(first(.[]) | length)" } else { "(first(.[]) | keys_unsorted[])" };
                let what = if path == "$" { "the document holds" } else { "the document holds, at its place," };
                error(format!("{what} columns with the values of all sessions, not records ({path})"))
                    .with_hint(make(format!("{} | . as $all | {rows} as $row | $all | map_values(.[$row])", jq(path))))
            }
            Self::Series(path) => error(format!(
                "the document holds columns, each with its name and the values of all sessions, not records ({path})"
            ))
            .with_hint(make(format!(
                "{} | . as $all | range(first(.[]) | .values | length) as $row | $all | map({{(.name): .values[$row]}}) | add",
                jq(path)
            ))),
            Self::Singles(path) => error(format!("each value of the records stands in a list of its own ({path})"))
                .with_hint(make(format!("{} | map_values(first)", jq(path)))),
            Self::Typed(path) => error(format!(
                "each value of the records stands beside its type, as DynamoDB writes them ({path})"
            ))
            .with_hint(make(format!(
                "{} | map_values(def plain: if has(\"M\") then .M | map_values(plain) elif has(\"L\") then .L | map(plain) \
                 elif has(\"NULL\") then null elif has(\"N\") then .N | tonumber else .[] end; .N // plain)",
                jq(path)
            ))),
            Self::Cells => error("the document holds rows of cells without names (f and v), as BigQuery's API writes them".to_owned())
                .with_hint(make(
                    "[.schema.fields[].name] as $names | .rows[] | [$names, [.f[].v]] | transpose | map({(.[0]): .[1]}) | add"
                        .to_owned(),
                )),
            Self::Keyed(path) => {
                error(format!("the records are not in a list, but each under a key of its own ({path})"))
                    .with_hint(make(format!("{} | .[]", jq(path))))
            }
            Self::Text(path) => error(format!("the records are in a text with JSON inside of it ({path})"))
                .with_hint(make(format!("{} | fromjson | if type == \"array\" then .[] else . end", jq(path)))),
        }
    }
}

/// Finds the records in a document that was not said to hold them inside. A document that begins with more than a window holds is read on up to
/// the length that a record may have.
///
/// # Errors
/// The input cannot be read.
pub(super) fn find(window: &mut Window, map: &[(String, String)], max_record_bytes: usize) -> Result<Option<Shape>> {
    loop {
        let text = window.unread();
        let found = find_in(text, map);
        let is_decided = found.is_some() || window.at_end() || !is_undecided(text, map);
        if is_decided || text.len() > max_record_bytes {
            return Ok(found.or_else(|| if is_decided { None } else { columns_of_ours(text, map) }));
        }
        window.fill()?;
    }
}

/// Finds the records in the start of a document. Nothing is found where the document's first object may be a record itself: where it has a
/// session id or a start.
pub(super) fn find_in(text: &[u8], map: &[(String, String)]) -> Option<Shape> {
    search(text, first_object(text)?, map, &mut Vec::new())
}

/// Returns where the first object of a document starts. What tells how a query gets on, before its first row, is passed over.
fn first_object(text: &[u8]) -> Option<usize> {
    let mut at = blanks(text, 0);
    if text.get(at) == Some(&b'[') {
        at = blanks(text, at + 1);
    }
    while text.get(at) == Some(&b'{')
        && let [(key, _)] = members_of(text, at).as_slice()
        && is_event(key)
        && let Some(length) = value_length(text, at)
        && let next = blanks(text, at + length)
        && text.get(next) == Some(&b'{')
    {
        at = next;
    }
    (text.get(at) == Some(&b'{')).then_some(at)
}

/// Returns whether the first object goes on behind the text, and nothing in it so far tells what it is.
fn is_undecided(text: &[u8], map: &[(String, String)]) -> bool {
    let Some(at) = first_object(text) else { return false };
    let members = members_of(text, at);
    members.last().is_some_and(|(_, value)| value_length(text, *value).is_none())
        && !members.iter().any(|(key, _)| is_required(key, map))
}

/// Tells columns by the name of the first, where it is longer than any record.
fn columns_of_ours(text: &[u8], map: &[(String, String)]) -> Option<Shape> {
    let members = members_of(text, first_object(text)?);
    let (key, at) = members.last()?;
    let is_ours = match_headers(&[key], map).ok()?.unknown().next().is_none();
    match text.get(*at)? {
        b'[' if is_ours => Some(Shape::Columns("$".to_owned(), true)),
        b'{' if is_ours => Some(Shape::Columns("$".to_owned(), false)),
        _ => None,
    }
}

fn search(text: &[u8], at: usize, map: &[(String, String)], path: &mut Vec<Key>) -> Option<Shape> {
    let members = members_of(text, at);
    let required: Vec<usize> = members.iter().filter(|(key, _)| is_required(key, map)).map(|(_, at)| *at).collect();
    if !required.is_empty() {
        return of_records(text, &members, &required, map, path);
    }
    // A page says where its records are, and may say so behind them.
    if path.is_empty() && members.iter().any(|(key, _)| key.eq_ignore_ascii_case("columnHeaders")) {
        return None;
    }
    let has_names = members.iter().any(|(key, _)| NAME_KEYS.contains(&key.as_str()));
    let is_record = |value_at: usize| {
        text.get(value_at) == Some(&b'{') && has_required(text, value_at, map) && !is_columns(text, value_at, map)
    };
    for (key, value_at) in &members {
        let first_at = blanks(text, value_at + 1);
        if is_record(*value_at) {
            return Some(of_objects(&members, key, is_record, path));
        }
        path.push(Key::new(key));
        let found = match (text.get(*value_at), text.get(first_at)) {
            (Some(b'['), Some(b'{')) if has_required(text, first_at, map) && !is_columns(text, first_at, map) => {
                Some(Shape::List(path_of(path.iter())))
            }
            (Some(b'['), Some(b'{')) if is_series(text, first_at, map) => Some(Shape::Series(path_of(path.iter()))),
            (Some(b'['), Some(b'{')) if is_cells(text, first_at) => Some(Shape::Cells),
            (Some(b'['), Some(b'{')) if path.len() < SEARCHED_DEPTH => {
                path.iter_mut().rev().take(1).for_each(|key| key.each = true);
                // Columns beside a list, as in a session without a start, are none of records.
                search(text, first_at, map, path)
                    .filter(|shape| !matches!(shape, Shape::Columns(..) | Shape::Keyed(_) | Shape::Text(_)))
            }
            (Some(b'['), Some(b'['))
                if names_stand(text, first_at, has_names, map) && !NAME_KEYS.contains(&key.as_str()) =>
            {
                Some(Shape::List(path_of(path.iter())))
            }
            (Some(b'{'), Some(b'"')) if path.len() < SEARCHED_DEPTH => search(text, *value_at, map, path),
            (Some(b'"'), _) if is_json_of_records(text, *value_at, map) => Some(Shape::Text(path_of(path.iter()))),
            _ => None,
        };
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Tells what an object is that has columns which no session lacks.
fn of_records(
    text: &[u8],
    members: &[(String, usize)],
    required: &[usize],
    map: &[(String, String)],
    path: &[Key],
) -> Option<Shape> {
    let place = path_of(path.iter());
    let all = |first: u8| required.iter().all(|at| text.get(*at) == Some(&first));
    let is_cut = members.last().is_some_and(|(_, at)| value_length(text, *at).is_none());
    let in_list = path.iter().any(|key| key.each);
    if all(b'[') && in_list {
        return Some(Shape::Singles(place));
    }
    // A session id is no list.
    if all(b'[') {
        return Some(Shape::Columns(place, true));
    }
    let values = || required.iter().filter_map(|at| Some((members_of(text, *at).into_iter().next()?.0, *at)));
    if all(b'{') && values().all(|(key, _)| DYNAMO_TYPES.contains(&key.as_str())) {
        return Some(Shape::Typed(place));
    }
    if all(b'{') && (required.len() > 1 || is_cut) && !values().any(|(key, _)| key.starts_with('$')) {
        return Some(Shape::Columns(place, false));
    }
    // An id beside the record, as search engines write it; what stands in a column of a session is no session.
    let is_ours = |key: &str| match_headers(&[key], map).is_ok_and(|headers| headers.unknown().next().is_none());
    let inner = members.iter().find(|(key, at)| {
        required.len() == 1 && text.get(*at) == Some(&b'{') && !is_ours(key) && has_required(text, *at, map)
    })?;
    let mut path: Vec<Key> = path.iter().cloned().chain([Key::new(&inner.0)]).collect();
    let other = search(text, inner.1, map, &mut path);
    other.or_else(|| Some(Shape::Object(path_of(path.iter()))))
}

/// Tells records under keys of their own from one record with other things beside it; `first` is the key of the first of them.
fn of_objects(members: &[(String, usize)], first: &str, is_record: impl Fn(usize) -> bool, path: &[Key]) -> Shape {
    let is_number = |key: &str| key.trim_start_matches("row_").bytes().all(|byte| byte.is_ascii_digit());
    let are_all = members.iter().all(|(_, at)| is_record(*at));
    let in_list = path.iter().any(|key| key.each);
    if !in_list && are_all && (members.len() > 1 || is_number(first)) {
        return Shape::Keyed(path_of(path.iter()));
    }
    // Of a change the state behind it counts.
    let after = members.iter().find(|(key, at)| key == "after" && is_record(*at));
    let key = after.map_or(first, |(key, _)| key);
    let path: Vec<Key> = path.iter().cloned().chain([Key::new(key)]).collect();
    Shape::Object(path_of(path.iter()))
}

/// Returns whether the names of the values of lists stand before the first list, or in it.
fn names_stand(text: &[u8], first_at: usize, before: bool, map: &[(String, String)]) -> bool {
    let first = || text.get(first_at..first_at + value_length(text, first_at)?);
    before || first().is_some_and(|first| lists::names_of(first, map).is_some())
}

fn is_required(key: &str, map: &[(String, String)]) -> bool {
    let headers = match_headers(&[key], map).ok();
    let found = headers.and_then(|headers| headers.matches.first().copied());
    matches!(found, Some(HeaderMatch::Column(index)) if COLUMNS.get(index).is_some_and(|column| column.required))
}

/// Returns whether an object has both columns that a session cannot lack.
fn has_required(text: &[u8], at: usize, map: &[(String, String)]) -> bool {
    members_of(text, at).iter().filter(|(key, _)| is_required(key, map)).count() >= 2
}

/// Returns whether an object has a column that a session cannot lack.
pub(super) fn may_be_record(object: &[u8], map: &[(String, String)]) -> bool {
    members_of(object, 0).iter().any(|(key, _)| is_required(key, map))
}

/// Returns whether an object with the columns of records holds them otherwise than as a record.
fn is_columns(text: &[u8], at: usize, map: &[(String, String)]) -> bool {
    let mut in_list = [Key::new("")];
    in_list.iter_mut().for_each(|key| key.each = true);
    let members = members_of(text, at);
    let required: Vec<usize> = members.iter().filter(|(key, _)| is_required(key, map)).map(|(_, at)| *at).collect();
    let found = of_records(text, &members, &required, map, &in_list);
    matches!(found, Some(Shape::Columns(..) | Shape::Singles(_) | Shape::Typed(_)))
}

/// Returns whether an object is a column with its name and its values.
fn is_series(text: &[u8], at: usize, map: &[(String, String)]) -> bool {
    let members = members_of(text, at);
    let value = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, at)| *at);
    let name = value("name").and_then(|at| text.get(at..at + value_length(text, at)?));
    let is_ours = name
        .and_then(|name| serde_json::from_slice::<String>(name).ok())
        .is_some_and(|name| match_headers(&[name], map).is_ok_and(|headers| headers.unknown().next().is_none()));
    is_ours && value("values").is_some_and(|at| text.get(at) == Some(&b'['))
}

/// Returns whether an object is a row of cells: `{"f":[{"v":…},…]}`.
fn is_cells(text: &[u8], at: usize) -> bool {
    let members = members_of(text, at);
    let [(key, list), ..] = members.as_slice() else { return false };
    let first = blanks(text, list + 1);
    key == "f" && members_of(text, first).first().is_some_and(|(key, _)| key == "v")
}

/// Returns whether a text begins as JSON with records does.
fn is_json_of_records(text: &[u8], at: usize, map: &[(String, String)]) -> bool {
    let inner = text.get(at + 1..).unwrap_or_default();
    let inner = inner.get(..inner.len().min(4096)).unwrap_or_default();
    if !matches!(inner.first(), Some(b'{' | b'[')) {
        return false;
    }
    let plain = unescaped_once(inner);
    first_object(&plain).is_some_and(|at| has_required(&plain, at, map))
}

/// Takes one level of escapes out of the start of a text, as far as quotes and backslashes go.
fn unescaped_once(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => plain.extend(bytes.next().map(|it| if matches!(it, b'n' | b'r' | b't') { b' ' } else { *it })),
            byte => plain.push(*byte),
        }
    }
    plain
}

/// Lists the members of an object, as far as they are in the text: keys and where the values start.
fn members_of(text: &[u8], at: usize) -> Vec<(String, usize)> {
    let mut members = Vec::new();
    let mut at = at;
    loop {
        at = blanks(text, at + 1);
        if text.get(at) != Some(&b'"') {
            return members;
        }
        let Some((key, value_at)) = key_at(text, at) else { return members };
        members.push((unescaped(key), value_at));
        let Some(length) = value_length(text, value_at) else { return members };
        at = blanks(text, value_at + length);
        if text.get(at) != Some(&b',') {
            return members;
        }
    }
}

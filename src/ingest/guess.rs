//! Guesses what the columns of a file mean, for suggestions that a person looks at: by headers that are nearly those of columns, and by the values of a
//! file without headers.

use std::collections::BTreeSet;

use super::csv::{self, Fields};
use super::dates::DateFormat;
use super::dialect::{Declared, Dialect, Escape, null_mark};
use super::ends::Cut;
use super::escaped::EscapedFields;
use super::look::Look;
use super::numbers::Numbers;
use super::values::{communication_type, parse_number};
use crate::json::Scanner;
use crate::schema::{COLUMNS, normalise};
use crate::zones::Tz;

/// Letters that a name has in common with a longer header, for the header to be nearly that name.
const COMMON_LETTERS: usize = 5;

/// Longest header that is compared.
const MAX_HEADER: usize = 100;

/// Records whose values are looked at, and bytes that they stand in.
const LOOKED_AT: usize = 100;
const LOOKED_AT_BYTES: usize = 256 * 1024;

/// Columns of a file without headers at most.
const MAX_COLUMNS: usize = 200;

/// Returns headers that are none of columns and nearly those of columns that the file does not have, each with the column.
pub(super) fn nearly(headers: &[(String, Option<&'static str>)]) -> Vec<(String, &'static str)> {
    let is_there = |name: &str| headers.iter().any(|(_, column)| *column == Some(name));
    let mut found: Vec<(usize, String, &'static str)> = Vec::new();
    for (header, _) in headers.iter().filter(|(header, column)| column.is_none() && header.len() <= MAX_HEADER) {
        let plain = normalise(header);
        let near = COLUMNS.iter().filter(|column| !is_there(column.name)).filter_map(|column| {
            let own = normalise(column.name);
            let names = std::iter::once(own.as_str()).chain(column.aliases.iter().copied());
            let least = names.filter_map(|name| distance(&plain, name)).min()?;
            Some((least, column.name))
        });
        if let Some((least, column)) = near.min() {
            found.push((least, header.clone(), column));
        }
    }
    // Of several headers for one column the nearest.
    found.sort();
    let mut taken = BTreeSet::new();
    found
        .into_iter()
        .filter(|(_, _, column)| taken.insert(*column))
        .map(|(_, header, column)| (header, column))
        .collect()
}

/// Counts by how much a header differs from a name, where it is nearly that.
fn distance(header: &str, name: &str) -> Option<usize> {
    let (long, short) = (header.len().max(name.len()), header.len().min(name.len()));
    let differs = strsim::damerau_levenshtein(header, name);
    if differs <= long / 5 && short >= COMMON_LETTERS {
        return Some(differs);
    }
    // Words beside the name, as `Call Start Time (UTC)`.
    (name.len() >= COMMON_LETTERS && header.contains(name)).then_some(differs)
}

/// Names the columns of records without headers by their values; `None` where nothing is a start.
pub(super) fn columns(records: &[Vec<String>]) -> Option<Vec<String>> {
    let count = records.first()?.len();
    if !(2..=MAX_COLUMNS).contains(&count) || records.iter().any(|record| record.len() != count) {
        return None;
    }
    let values = |column: usize| {
        let all = records.iter().filter_map(move |record| Some(record.get(column)?.as_str()));
        all.filter(|text| !text.is_empty() && null_mark(text).is_none())
    };
    let mut names: Vec<Option<&'static str>> = vec![None; count];
    let mut take = |kinds: &[&'static str], is_one: &dyn Fn(&str) -> bool, is_distinct: bool| {
        let mut kinds = kinds.iter();
        for column in 0..count {
            let mut seen = BTreeSet::new();
            let fits = values(column).all(|text| is_one(text) && (!is_distinct || seen.insert(text)))
                && (!is_distinct || values(column).count() == records.len());
            let Some(name) = names.get_mut(column).filter(|name| name.is_none()) else { continue };
            if fits && values(column).next().is_some() {
                match kinds.next() {
                    Some(kind) => *name = Some(*kind),
                    None => return,
                }
            }
        }
    };
    // What every record has is rather the start.
    let is_whole = |column: usize| values(column).count() == records.len();
    let has_instants = |column: &usize| values(*column).next().is_some() && values(*column).all(is_instant);
    let instants: Vec<usize> = (0..count).filter(has_instants).take(3).collect();
    let ends_first = match instants.as_slice() {
        [first, second] => {
            let is_later = || values(*first).zip(values(*second)).all(|(first, second)| first >= second);
            is_whole(*second) && (!is_whole(*first) || is_later())
        }
        _ => false,
    };
    let order = if ends_first { ["ended_at", "started_at"] } else { ["started_at", "ended_at"] };
    take(&order, &is_instant, false);
    take(&["source_details"], &|text: &str| text.starts_with('{') && text.contains("hone"), false);
    take(&["data", "action_data"], &|text: &str| text.starts_with(['{', '[']), false);
    take(&["source_details_phone_number"], &is_phone, false);
    take(&["communication_type"], &|text: &str| communication_type(text).is_some(), false);
    take(&["session_id"], &|text: &str| text.len() <= 100, true);
    let has = |name: &str| names.contains(&Some(name));
    if !has("started_at") || !has("session_id") {
        return None;
    }
    let named = names.iter().enumerate();
    Some(named.map(|(at, name)| name.map_or_else(|| format!("column_{}", at + 1), str::to_owned)).collect())
}

fn is_instant(text: &str) -> bool {
    let is_number = parse_number(text).is_some();
    let long = text.bytes().filter(u8::is_ascii_digit).count() >= 8;
    let formats = [DateFormat::Iso, DateFormat::DayFirst, DateFormat::MonthFirst, DateFormat::YearFirst];
    let reads = |format: &DateFormat| format.read(text, Numbers::default(), Tz::UTC).is_ok();
    // Numbers of other lengths are ids and counts.
    let is_plausible = !is_number || matches!(text.split('.').next().map_or(0, str::len), 10 | 13 | 14 | 16 | 19);
    long && is_plausible && formats.iter().any(reads)
}

fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (6..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Takes the first records of delimited text apart: lines, or where these have not all as many fields what quotes make of them.
pub(super) fn records(start: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let lines = lines(start, delimiter);
    let is_even =
        |records: &[Vec<String>]| records.iter().all(|record| Some(record.len()) == records.first().map(Vec::len));
    if is_even(&lines) {
        return lines;
    }
    let escapes = [Escape::Doubled, Escape::Backslash, Escape::BackslashQuoted];
    let mut all =
        escapes.map(|escape| split(start, Dialect { delimiter, escape, ..Dialect::of(&Declared::default()) }));
    all.iter_mut().find(|records| is_even(records) && records.len() > 1).map_or(lines, std::mem::take)
}

/// Takes the whole records at the start of a text apart under a dialect, up to the first that is broken.
fn split(start: &[u8], dialect: Dialect) -> Vec<Vec<String>> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = text.get(..text.len().min(LOOKED_AT_BYTES)).unwrap_or_default();
    let (mut records, mut plain, mut escaped, mut at) = (Vec::new(), Fields::default(), EscapedFields::default(), 0);
    while records.len() < LOOKED_AT {
        let rest = text.get(at..).unwrap_or_default();
        let Cut::Record { end, next, fault: None } = csv::cut(rest, false, dialect) else { break };
        let Ok(record) = std::str::from_utf8(rest.get(..end).unwrap_or_default()) else { break };
        if next == 0 {
            break;
        }
        let text = |(field, _): (&str, bool)| field.trim().to_owned();
        records.push(if dialect.is_plain() {
            plain.split(record, dialect.delimiter);
            plain.quoted_texts(record).map(text).collect()
        } else {
            escaped.split(record, dialect, records.first().map_or(0, Vec::len));
            escaped.texts(record).map(text).collect()
        });
        at += next;
    }
    records
}

fn lines(start: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let text = text.get(..text.len().min(LOOKED_AT_BYTES)).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).take(LOOKED_AT + 1).collect();
    // The last may be cut.
    if lines.len() > 1 && !text.ends_with('\n') {
        lines.pop();
    }
    let mut fields = Fields::default();
    let split = lines.into_iter().take(LOOKED_AT).map(|line| {
        fields.split(line, delimiter);
        fields.texts(line).map(|field| field.trim().to_owned()).collect()
    });
    split.collect()
}

/// Takes the first records of JSON that are lists apart.
pub(super) fn json_records(start: &[u8]) -> Vec<Vec<String>> {
    let text = start.trim_ascii_start();
    // An array of lists, or one list a line.
    let text = match text {
        [b'[', rest @ ..] if rest.trim_ascii_start().first() == Some(&b'[') => rest,
        text => text,
    };
    let mut at = 0;
    let mut records = Vec::new();
    while records.len() < LOOKED_AT {
        let rest = text.get(at..).unwrap_or_default();
        let skipped = rest.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == b',').count();
        let rest = rest.get(skipped..).unwrap_or_default();
        let Some(length) = Scanner::default().feed(rest).filter(|_| rest.first() == Some(&b'[')) else { break };
        at += skipped + length;
        let Ok(values) = serde_json::from_slice::<Vec<serde_json::Value>>(rest.get(..length).unwrap_or_default())
        else {
            break;
        };
        let text = |value: serde_json::Value| match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        records.push(values.into_iter().map(text).collect());
    }
    records
}

/// Says what a person has to know of headers that are nearly those of columns.
pub(super) const NEARLY: &str = "what ⟨map⟩ says of headers is a guess by their names";

/// Says what a person has to know of columns that were guessed.
pub(super) const DOUBT: &str = "the file has no line of headers: the names of ⟨columns⟩ are a guess by the first values, to be put right in their order";

/// Counts the headers of a look that are nearly those of columns.
pub(super) fn count_nearly(look: &Look) -> u64 {
    nearly(&look.headers).len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_nearly_those_of_columns_are_found() {
        let headers: Vec<(String, Option<&'static str>)> = [
            ("Sesion Id", None),
            ("Call Start Time (UTC)", None),
            ("EndedAt", Some("ended_at")),
            ("Ended Att", None),
            ("Agent", None),
            ("Startd At", None),
            ("Id", None),
        ]
        .map(|(header, column)| (header.to_owned(), column))
        .to_vec();
        let found = nearly(&headers);
        assert_eq!(found, [("Sesion Id".to_owned(), "session_id"), ("Startd At".to_owned(), "started_at")]);
        assert_eq!(nearly(&[]), []);
    }

    #[test]
    fn records_are_lines_or_go_on_in_quotes() {
        let text = b"s1,\"two\nlines, \"\"x\"\"\",1\ns2,b,2\ns3,cut";
        assert_eq!(records(text, b','), [["s1", "two\nlines, \"x\"", "1"], ["s2", "b", "2"]]);
        // A record that only escapes hold together.
        let text = b"s1\ta\\\nb\ns2\tb\n";
        assert_eq!(records(text, b'\t'), [["s1", "a\nb"], ["s2", "b"]]);
        let text = b"\"s1\",\"{\\\"a\\\":1,\\\"b\\\":2}\"\n\"s2\",\"\"\n";
        assert_eq!(records(text, b','), [["s1", "{\"a\":1,\"b\":2}"], ["s2", ""]]);
        assert_eq!(records(b"s1\t5\" tall\ns2\tb\n", b'\t'), [["s1", "5\" tall"], ["s2", "b"]]);
    }

    #[test]
    fn columns_are_named_by_their_values() {
        let records = |rows: &[&[&str]]| -> Vec<Vec<String>> {
            rows.iter().map(|row| row.iter().map(|text| (*text).to_owned()).collect()).collect()
        };
        let rows = records(&[
            &["w-1", "s1", "2026-11-20 10:00:00", "\\N", "Phone", "{\"a\":1}", "+12025550143"],
            &["w-1", "s2", "2026-11-20 11:00:00", "2026-11-20 11:05:00", "Email", "", ""],
        ]);
        let named = columns(&rows).unwrap();
        let expected = [
            "column_1",
            "session_id",
            "started_at",
            "ended_at",
            "communication_type",
            "data",
            "source_details_phone_number",
        ];
        assert_eq!(named, expected);
        assert_eq!(columns(&records(&[&["s1", "20.11.2026 10:00"]])).unwrap(), ["session_id", "started_at"]);
        // What every record has is the start and the id.
        for (ended, first) in [("", "x"), ("2026-11-20 10:05:00", "")] {
            let rows = records(&[
                &["x1", ended, "s1", "2026-11-20 10:00:00"],
                &[first, "2026-11-20 11:05:00", "s2", "2026-11-20 11:00:00"],
            ]);
            let named = columns(&rows).unwrap();
            assert_eq!(named[1..2], ["ended_at"], "{named:?}");
            assert_eq!(named[3..], ["started_at"]);
            assert_eq!(named[2] == "session_id", first.is_empty(), "{named:?}");
        }
        for none in [&["s1", "x"][..], &["2026-11-20 10:00:00"], &["7", "8"]] {
            assert_eq!(columns(&records(&[none])), None, "{none:?}");
        }
        assert_eq!(columns(&records(&[&["s1", "1795168800"], &["s2"]])), None);
        assert_eq!(columns(&[]), None);
    }
}

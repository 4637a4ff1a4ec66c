//! Turns records of delimited text into rows, under whatever dialect was declared.

use memchr::memchr;

use super::csv::Fields;
use super::dialect::{Declared, Dialect, has_backslash_escape, is_null_mark, null_mark, quoted_null_mark};
use super::escaped::EscapedFields;
use super::fault::Fault;
use super::layout::Layout;
use super::row::{Cell, Row, is_mark_of};
use super::signs::Sign;
use super::values::{end_members, start_member};
use crate::json::{place_in, push_json_string};
use crate::schema::{COLUMNS, HeaderMatch, Kind};

/// What takes the records of a file apart, kept from record to record for its memory.
pub(super) struct RecordFields<'c> {
    pub(super) layout: &'c Layout,
    dialect: Dialect,
    declared: &'c Declared,
    /// Whether backslashes in fields without quotes are looked at: tabs, and what else stands between fields but commas and semicolons, mostly
    /// come from tools that escape by them.
    looks_for_backslashes: bool,
    plain: Fields,
    escaped: EscapedFields,
    extra: String,
}

impl<'c> RecordFields<'c> {
    pub(super) fn new(layout: &'c Layout, dialect: Dialect, declared: &'c Declared) -> Self {
        let looks_for_backslashes = !matches!(dialect.delimiter, b',' | b';') && dialect.is_plain();
        let (plain, escaped, extra) = (Fields::default(), EscapedFields::default(), String::new());
        Self { layout, dialect, declared, looks_for_backslashes, plain, escaped, extra }
    }

    /// Reads one record into a row; columns that are none of ours go into its extra, if they are wanted.
    pub(super) fn read<'a>(&'a mut self, record: &'a str, keep_extra: bool) -> Result<Row<'a>, Fault> {
        let expected = self.layout.headers.names.len();
        let count = |found: usize| match found == expected {
            true => Ok(()),
            false if !self.declared.columns.is_empty() => {
                Err(Fault::record(format!("{found} fields where ⟨columns⟩ names {expected}")))
            }
            false => Err(Fault::record(format!("{found} fields where the header has {expected}"))),
        };
        let (layout, extra) = (self.layout, keep_extra.then_some(&mut self.extra));
        if !self.dialect.is_plain() {
            self.escaped.split(record, self.dialect, expected);
            count(self.escaped.len())?;
            let fields = &self.escaped;
            let mut row = row_of(layout, extra, self.declared, || fields.texts(record));
            if self.declared.nulls.is_empty() {
                row.null_mark = marks_null(layout, fields.texts(record), false);
            }
            return Ok(row);
        }
        self.plain.split(record, self.dialect.delimiter);
        count(self.plain.len()).map_err(|fault| {
            let more = self.plain.len().saturating_sub(expected);
            if more == 0 || backslashed_delimiters(record, self.dialect.delimiter) < more {
                return fault;
            }
            let sign = Sign::backslashed_delimiter();
            let reason =
                format!("{}; delimiters are escaped by backslashes here, which {} reads", fault.reason, sign.flag);
            Fault { sign: Some(Box::new(sign)), ..Fault::record(reason) }
        })?;
        let fields = &self.plain;
        let mut row = row_of(layout, extra, self.declared, || fields.quoted_texts(record));
        if self.declared.nulls.is_empty() {
            row.null_mark = (fields.unquoted(record).any(is_null_mark) || record.starts_with('"'))
                && marks_null(layout, fields.quoted_texts(record), record.starts_with('"'));
        }
        if self.looks_for_backslashes && memchr(b'\\', record.as_bytes()).is_some() {
            row.backslash = fields.unquoted(record).any(has_backslash_escape);
        }
        Ok(row)
    }
}

fn row_of<'a, F: Iterator<Item = (&'a str, bool)>>(
    layout: &Layout,
    extra: Option<&'a mut String>,
    declared: &Declared,
    fields: impl Fn() -> F,
) -> Row<'a> {
    let has_nulls = !declared.nulls.is_empty();
    let mut row = Row::default();
    for (target, (text, quoted)) in layout.headers.matches.iter().zip(fields()) {
        let is_null = has_nulls && if quoted { declared.is_quoted_null(text) } else { declared.is_null(text) };
        row.set(*target, if is_null { Cell::Null } else { Cell::Text(text) });
    }
    if let Some(extra) = extra {
        extra.clear();
        for ((key, target), (text, quoted)) in layout.extra_keys.iter().zip(&layout.headers.matches).zip(fields()) {
            let is_declared = || if quoted { declared.is_quoted_null(text) } else { declared.is_null(text) };
            let is_null = text.is_empty() || (has_nulls && is_declared());
            if *target == HeaderMatch::Unknown && !is_null {
                start_member(extra, key);
                push_json_string(extra, text);
            }
        }
        row.extra = end_members(extra);
    }
    row
}

/// Returns whether a field without quotes is what some tools write for null, and is not read as null anyway. Where all fields stand in quotes
/// they tell nothing, and those that are hardly anything else count.
fn marks_null<'a>(layout: &Layout, fields: impl Iterator<Item = (&'a str, bool)>, all_quoted: bool) -> bool {
    layout.headers.matches.iter().zip(fields).any(|(target, (text, quoted))| {
        let kind = match target {
            HeaderMatch::Column(index) => COLUMNS.get(*index).map_or(Kind::Text, |column| column.kind),
            _ => Kind::Text,
        };
        let mark = match quoted {
            false => null_mark(text),
            true => quoted_null_mark(text).filter(|_| all_quoted),
        };
        mark.is_some_and(|mark| is_mark_of(kind, mark))
    })
}

/// Returns whether a text of a record stands there without quotes, and so may be declared to be null.
pub(super) fn is_unquoted(record: &str, text: &str, dialect: Dialect) -> bool {
    place_in(record, text).is_some_and(|place| {
        let before = place.start.checked_sub(1).and_then(|at| record.as_bytes().get(at));
        !dialect.escape.has_quotes() || before != Some(&dialect.quote)
    })
}

/// Returns whether a record of a plain dialect is broken by a quote that a backslash escapes: where a field in quotes seems to end and does not, or
/// before that, the backslash stands.
pub(super) fn breaks_at_backslash(record: &[u8], delimiter: u8) -> bool {
    let mut at = 0;
    loop {
        let field = record.get(at..).unwrap_or_default();
        if field.first() != Some(&b'"') {
            let Some(length) = memchr(delimiter, field) else { return false };
            at += length + 1;
            continue;
        }
        let mut escaped = false;
        let mut inside = 1;
        let end = loop {
            let Some(quote) = field.get(inside..).and_then(|rest| memchr(b'"', rest)) else { return escaped };
            inside += quote + 1;
            escaped |= field.get(inside.wrapping_sub(2)) == Some(&b'\\');
            match field.get(inside) {
                Some(b'"') => inside += 1,
                next => break next,
            }
        };
        match end {
            Some(byte) if *byte == delimiter => at += inside + 1,
            None | Some(b'\r' | b'\n') => return false,
            Some(_) => return escaped,
        }
    }
}

/// Returns how many delimiters of a record a backslash stands before.
fn backslashed_delimiters(record: &str, delimiter: u8) -> usize {
    let bytes = record.as_bytes();
    memchr::memchr_iter(b'\\', bytes).filter(|at| bytes.get(at + 1) == Some(&delimiter)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_breaks_at_a_backslash_where_one_stands_before_the_quote_that_seems_to_end_a_field() {
        for (record, breaks) in [
            (r#"a,"{\"x\":1}",b"#, true),
            (r#""say \"hi\"",b"#, true),
            (r#""x\"","y",b"#, true),
            (r#"{"q":"say \"hi\"","n":1},b"#, false),
            (r#""C:\",b"#, false),
            (r#""a "b" c",d"#, false),
            (r#"a,"never closed"#, false),
            ("", false),
        ] {
            assert_eq!(breaks_at_backslash(record.as_bytes(), b','), breaks, "{record}");
        }
    }
}

//! Reads JSON records into rows: objects by their keys, arrays by the headers of their page.
//!
//! Values are taken as they stand: a text is unescaped, a nested object or array is kept as the exact piece of the input, a
//! number keeps its digits. A text that is declared to stand for null is null. Half a surrogate pair in a text is U+FFFD there, and stays as it came in a nested value. Of a key that stands twice in an object the first counts, as for the SQL functions, and the row is
//! counted as odd. A key that is
//! missing is an absent column; two keys that mean the same column are a fault, since which of them was meant is not ours
//! to guess. Values nest to a depth of 200.

use std::collections::HashMap;
use std::ops::Range;

use jiter::{JiterError, LinePosition, Peek};

use super::fault::Fault;
use super::json_members::{Members, Misread, Parsed, Piece, Plain, Texts, parsed_value};
use super::layout::{Layout, target_name};
use super::row::{Cell, Row, slot};
use super::values::{end_members, start_member};
use crate::json::{Reader, push_json_string, without_lone_surrogates};
use crate::schema::{HeaderMatch, beaten_note, match_header};

/// What is done with columns that are none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    /// They go into `_extra`.
    Keep,
    /// They are left out.
    Drop,
}

/// Makes a cell of a value.
fn cell<'a>(piece: &Piece, record: &'a str, unescaped: &'a str) -> Cell<'a> {
    let of = |source: &'a str, range: &Range<usize>| source.get(range.clone()).unwrap_or_default();
    match piece {
        Piece::Null => Cell::Null,
        Piece::Literal(range) => Cell::Literal(of(record, range)),
        Piece::Text(range) => Cell::Text(of(record, range)),
        Piece::Unescaped(range) => Cell::Text(of(unescaped, range)),
        Piece::Nested(range) => Cell::Nested(of(record, range)),
    }
}

/// A key that objects of a block have.
#[derive(Debug)]
struct Key {
    name: String,
    target: HeaderMatch,
    /// `"name":`, as a member of `_extra` starts.
    extra_key: String,
    /// The last record that had it.
    seen_in: u64,
    /// Whether it bears the name of the column, and so wins over an alias.
    exact: bool,
    /// The key that won over it in some record.
    beaten_by: Option<usize>,
}

/// A value of a record, and what it fills.
#[derive(Debug)]
struct Taken {
    target: HeaderMatch,
    piece: Piece,
    /// The key that it stood under.
    key: usize,
    /// Where in the record it is, as it came.
    raw: Range<usize>,
}

/// Reads the records of a block; keeps what it learns about keys, and its memory, from record to record.
pub(super) struct JsonRows<'m> {
    map: &'m [(String, String)],
    extra_wanted: Extra,
    keys: Vec<Key>,
    by_name: HashMap<String, usize>,
    record_number: u64,
    /// Whether the record has a key twice.
    repeated_key: bool,
    pieces: Vec<Taken>,
    texts: Texts<'m>,
    extra: String,
}

impl<'m> JsonRows<'m> {
    pub(super) fn new(map: &'m [(String, String)], nulls: &'m [String], extra_wanted: Extra) -> Self {
        Self {
            map,
            extra_wanted,
            keys: Vec::new(),
            by_name: HashMap::new(),
            record_number: 0,
            repeated_key: false,
            pieces: Vec::new(),
            texts: Texts { nulls, unescaped: String::new() },
            extra: String::new(),
        }
    }

    /// Lists the keys that are none of ours.
    pub(super) fn unknown_keys(&self) -> impl Iterator<Item = &str> {
        let is_extra = |key: &&Key| key.target == HeaderMatch::Unknown || key.beaten_by.is_some();
        self.keys.iter().filter(is_extra).map(|key| key.name.as_str())
    }

    /// Says which keys were taken for extra columns since another bears the name of what they would mean.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        self.keys.iter().filter_map(|key| Some(beaten_note(&key.name, &self.keys.get(key.beaten_by?)?.name)))
    }

    /// Lists what the keys fill, as [`slot`] numbers it.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().filter_map(|key| slot(key.target))
    }

    /// Reads an object into a row; `line` is where it starts.
    pub(super) fn read_object<'a>(&'a mut self, record: &'a str, line: u64) -> Result<Row<'a>, Fault> {
        self.start();
        if self.members(&mut Plain::new(record), record, &mut None).is_ok() {
            return Ok(self.taken(record));
        }
        self.read(record, line, |rows, reader, column| rows.object(reader, record, column))
    }

    /// Reads an array into a row, its values in the order of the headers; `line` is where it starts.
    pub(super) fn read_array<'a>(&'a mut self, record: &'a str, layout: &Layout, line: u64) -> Result<Row<'a>, Fault> {
        self.read(record, line, |rows, reader, column| rows.elements(reader, record, layout, column))
    }

    fn read<'a>(
        &'a mut self,
        record: &'a str,
        line: u64,
        read: impl Fn(&mut Self, &mut Reader<'_>, &mut Option<&'static str>) -> Result<(), Misread>,
    ) -> Result<Row<'a>, Fault> {
        let mut column = None;
        let mut read = |rows: &mut Self, text: &str| {
            rows.start();
            column = None;
            let mut reader = Reader::new(text);
            read(rows, &mut reader, &mut column).map_err(|misread| match misread {
                Misread::Json(error) => Misread::Json(reader.placed(error)),
                fault @ Misread::Fault(_) => fault,
            })
        };
        let mut result = read(self, record);
        let mut mended = None;
        if matches!(result, Err(Misread::Json(_))) {
            // The parser refuses half a surrogate pair, which is JSON all the same.
            mended = without_lone_surrogates(record);
            if let Some(mended) = &mended {
                result = read(self, mended);
            }
        }
        let mut row = self.row(result, record, line, column)?;
        row.lone_surrogate = mended.is_some();
        Ok(row)
    }

    fn start(&mut self) {
        self.record_number += 1;
        self.repeated_key = false;
        self.pieces.clear();
        self.texts.unescaped.clear();
        self.extra.clear();
    }

    fn row<'a>(
        &'a mut self,
        read: Result<(), Misread>,
        record: &'a str,
        line: u64,
        column: Option<&'static str>,
    ) -> Result<Row<'a>, Fault> {
        read.map_err(|error| match error {
            Misread::Fault(fault) => fault,
            Misread::Json(error) => {
                Fault { column: column.map(str::to_owned), ..Fault::record(broken_json(&error, record, line)) }
            }
        })?;
        Ok(self.taken(record))
    }

    /// Makes a row of what was taken of a record.
    fn taken<'a>(&'a mut self, record: &'a str) -> Row<'a> {
        let mut row = Row::default();
        for taken in &self.pieces {
            row.set(taken.target, cell(&taken.piece, record, &self.texts.unescaped));
        }
        row.extra = end_members(&mut self.extra);
        row.repeated_key = self.repeated_key;
        row
    }

    fn object(
        &mut self,
        reader: &mut Reader<'_>,
        record: &str,
        column: &mut Option<&'static str>,
    ) -> Result<(), Misread> {
        if reader.parser.peek()? != Peek::Object {
            return Err(Misread::Fault(Fault::record(match reader.text.trim_ascii_start().split_at_checked(1) {
                Some(("\"", _)) => {
                    "not a JSON object but a text; where JSON is in it, jq -c fromjson makes records of such lines"
                }
                Some(("[", rest)) if rest.trim_ascii_start().starts_with('{') => {
                    "not a JSON object but a list of them, of which jq -c 'flatten[]' FILE > FILE.ndjson makes records"
                }
                _ => "not a JSON object",
            })));
        }
        self.members(&mut Parsed::new(reader), record, column)?;
        Ok(reader.parser.finish()?)
    }

    /// Takes the members of an object; `column` is what the value at hand fills.
    fn members<M: Members>(
        &mut self,
        members: &mut M,
        record: &str,
        column: &mut Option<&'static str>,
    ) -> Result<(), M::Stop> {
        // Objects of one export have their keys in one order, so the next key is mostly the one that came next before.
        let mut expected = 0;
        let mut filled: u32 = 0;
        while let Some(name) = members.key()? {
            let index = self.key_index(name, expected);
            expected = index + 1;
            let Some(key) = self.keys.get_mut(index) else { break };
            let mut target = key.target;
            *column = target_name(target);
            let repeated = std::mem::replace(&mut key.seen_in, self.record_number) == self.record_number;
            self.repeated_key |= repeated;
            let is_left_out =
                target == HeaderMatch::LeftOut || (target == HeaderMatch::Unknown && self.extra_wanted == Extra::Drop);
            if repeated || is_left_out {
                members.skip()?;
            } else {
                if let Some(slot) = slot(target) {
                    if filled & (1 << slot) != 0 && !self.wins(index, record)? {
                        target = HeaderMatch::Unknown;
                    }
                    filled |= 1 << slot;
                }
                let (piece, raw) = members.take(&mut self.texts)?;
                self.keep(piece, raw, record, target, index);
            }
            *column = None;
        }
        Ok(())
    }

    fn elements(
        &mut self,
        reader: &mut Reader<'_>,
        record: &str,
        layout: &Layout,
        column: &mut Option<&'static str>,
    ) -> Result<(), Misread> {
        if reader.parser.peek()? != Peek::Array {
            return Err(Misread::Fault(Fault::record("not a JSON array of values")));
        }
        let mut count = 0;
        let mut next = reader.parser.known_array()?;
        while let Some(peek) = next {
            match layout.headers.matches.get(count) {
                Some(HeaderMatch::Unknown) if self.extra_wanted == Extra::Keep => {
                    let start = reader.index();
                    let piece = parsed_value(reader, peek, &mut self.texts)?;
                    if let (false, Some(key)) = (piece.is_nothing(), layout.extra_keys.get(count)) {
                        start_member(&mut self.extra, key);
                        self.extra.push_str(record.get(start..reader.index()).unwrap_or_default());
                    }
                }
                None | Some(HeaderMatch::Unknown | HeaderMatch::LeftOut) => reader.parser.known_skip(peek)?,
                Some(target) => {
                    *column = target_name(*target);
                    let piece = parsed_value(reader, peek, &mut self.texts)?;
                    self.pieces.push(Taken { target: *target, piece, key: count, raw: 0..0 });
                    *column = None;
                }
            }
            count += 1;
            next = reader.parser.array_step()?;
        }
        reader.parser.finish()?;
        let expected = layout.headers.names.len();
        if count != expected {
            return Err(Misread::Fault(Fault::record(format!("{count} values where {expected} have names"))));
        }
        Ok(())
    }

    /// Keeps the value of a member, which stands at `raw` in the record.
    fn keep(&mut self, piece: Piece, raw: Range<usize>, record: &str, target: HeaderMatch, index: usize) {
        if target != HeaderMatch::Unknown {
            self.pieces.push(Taken { target, piece, key: index, raw });
        } else if self.extra_wanted == Extra::Drop {
            // A key that lost against the name of its column.
        } else if let (false, Some(key)) = (matches!(piece, Piece::Null), self.keys.get(index)) {
            start_member(&mut self.extra, &key.extra_key);
            self.extra.push_str(record.get(raw).unwrap_or_default());
        }
    }

    fn key_index(&mut self, name: &str, expected: usize) -> usize {
        if self.keys.get(expected).is_some_and(|key| key.name == name) {
            return expected;
        }
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        // The map was checked when the input was opened, so that one name alone cannot be an error.
        let (target, exact) = match_header(name, self.map).unwrap_or((HeaderMatch::Unknown, false));
        let mut extra_key = String::with_capacity(name.len() + 3);
        push_json_string(&mut extra_key, name);
        extra_key.push(':');
        self.keys.push(Key { name: name.to_owned(), target, extra_key, seen_in: 0, exact, beaten_by: None });
        self.by_name.insert(name.to_owned(), self.keys.len() - 1);
        self.keys.len() - 1
    }

    /// Decides between the key at `index` and the one that filled the same column already: the name of the column wins over an alias.
    /// What loses is an extra column.
    fn wins(&mut self, index: usize, record: &str) -> Result<bool, Fault> {
        let filled = self.keys.get(index).and_then(|key| slot(key.target));
        let Some(other) = self.pieces.iter().position(|taken| slot(taken.target) == filled) else { return Ok(true) };
        let other_key = self.pieces.get(other).map_or(0, |taken| taken.key);
        let exact = |key: usize| self.keys.get(key).is_some_and(|key| key.exact);
        let (loser, winner) = match (exact(index), exact(other_key)) {
            (true, false) => (other_key, index),
            (false, true) => (index, other_key),
            (true, true) | (false, false) => return Err(self.two_keys(index)),
        };
        if loser == other_key {
            let lost = self.pieces.swap_remove(other);
            if self.extra_wanted == Extra::Keep
                && !matches!(lost.piece, Piece::Null)
                && let Some(key) = self.keys.get(loser)
            {
                start_member(&mut self.extra, &key.extra_key);
                self.extra.push_str(record.get(lost.raw).unwrap_or_default());
            }
        }
        if let Some(key) = self.keys.get_mut(loser) {
            key.beaten_by = Some(winner);
        }
        Ok(winner == index)
    }

    fn two_keys(&self, index: usize) -> Fault {
        let Some(key) = self.keys.get(index) else { return Fault::record("two keys mean the same") };
        let other = self
            .keys
            .iter()
            .find(|other| {
                other.seen_in == self.record_number && other.name != key.name && slot(other.target) == slot(key.target)
            })
            .map_or("", |other| other.name.as_str());
        let column = target_name(key.target).unwrap_or_default();
        Fault::column(column, format!("keys {other:?} and {:?} both mean {column}", key.name))
    }
}

fn broken_json(error: &JiterError, record: &str, line: u64) -> String {
    let position = LinePosition::find(record.as_bytes(), error.index);
    let what = &error.error_type;
    if position.line <= 1 {
        format!("broken JSON at column {}: {what}", position.column)
    } else {
        format!("broken JSON at line {} column {}: {what}", line + position.line as u64 - 1, position.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_behind_a_nested_value_has_its_place_in_the_record() {
        // Plain values are left out by another way than those with an odd number in them.
        for nested in [r#"{"a":[1,{"b":"c"}]}"#, r#"{"a":[1e2,{"b":"c"}]}"#] {
            let mut rows = JsonRows::new(&[], &[], Extra::Keep);
            let record = format!("{{\"data\":{nested},\"action_data\":{nested},\"session_id\":tru}}");
            let fault = rows.read_object(&record, 1).unwrap_err();
            assert_eq!(fault.column.as_deref(), Some("session_id"));
            let column = record.find("tru").unwrap() + "tru}".len();
            assert!(fault.reason.starts_with(&format!("broken JSON at column {column}: ")), "{}", fault.reason);
        }
    }

    #[test]
    fn nested_values_are_kept_as_they_stand() {
        let mut rows = JsonRows::new(&[], &[], Extra::Keep);
        let record = r#"{"data": {"a":[1, {"b":"c"}]} ,"action_data":[],"other":[1],"session_id":"x"}"#;
        let row = rows.read_object(record, 1).unwrap();
        let mut expected = Row::default();
        expected.set(target("data"), Cell::Nested(r#"{"a":[1, {"b":"c"}]}"#));
        expected.set(target("action_data"), Cell::Nested("[]"));
        expected.set(target("session_id"), Cell::Text("x"));
        expected.extra = Some(r#"{"other":[1]}"#);
        assert_eq!(format!("{row:?}"), format!("{expected:?}"));
    }

    #[test]
    fn the_name_of_a_column_wins_over_an_alias_in_each_record() {
        let mut rows = JsonRows::new(&[], &[], Extra::Keep);
        for (record, id, extra) in [
            (r#"{"_id":{"$oid":"5"},"session_id":"x"}"#, "x", Some(r#"{"_id":{"$oid":"5"}}"#)),
            (r#"{"session_id":"x","id":7}"#, "x", Some(r#"{"id":7}"#)),
            (r#"{"id":"7"}"#, "7", None),
            (r#"{"id":null,"session_id":"x"}"#, "x", None),
        ] {
            let row = rows.read_object(record, 1).unwrap();
            let mut expected = Row::default();
            expected.set(target("session_id"), Cell::Text(id));
            expected.extra = extra;
            assert_eq!(format!("{row:?}"), format!("{expected:?}"));
        }
        assert!(rows.read_object(r#"{"id":"7","_id":"8"}"#, 1).is_err());
        assert!(rows.read_object(r#"{"Session Id":"7","session_id":"8"}"#, 1).is_err());
        assert_eq!(rows.unknown_keys().collect::<Vec<_>>(), ["_id", "id"]);
        let note = "column \"_id\" is taken for an extra column, since \"session_id\" is there";
        assert_eq!(rows.notes().next().as_deref(), Some(note));
    }

    fn target(name: &str) -> HeaderMatch {
        match_header(name, &[]).unwrap().0
    }
}

//! CSV and TSV as RFC 4180 has them.
//!
//! Fields are separated by the delimiter; a field that starts with a quote runs to its closing quote, over line ends too, and
//! holds quotes doubled. A quote inside a field that did not start with one is a character like others. Lines end in LF or
//! CRLF, or in a lone CR where the header does. Empty lines are skipped: no row of ours can be empty.
//!
//! A quoted field that is never closed, or that goes on behind its closing quote, must not swallow the rows behind it. Such a
//! record is cut at its first line end and rejected, and reading goes on with the next line.

use memchr::{memchr, memchr2};
use wide::u8x16;

use super::bytes::find;
use super::cut::{Splitter, Step};
use super::dialect::Dialect;
use super::ends::{Cut, behind_quote, fault, line, whole};
use super::escaped;
use crate::error::Result;
use crate::json::places_of;

/// Finds the end of the record at the start of `window`.
pub(super) fn cut(window: &[u8], at_end: bool, dialect: Dialect) -> Cut {
    if !dialect.is_plain() {
        return escaped::cut(window, at_end, dialect);
    }
    let byte = |at: usize| window.get(at).copied();
    let mut at = 0;
    loop {
        let rest = window.get(at..).unwrap_or_default();
        let Some(found) = memchr2(b'"', dialect.newline, rest).map(|found| at + found) else {
            return if at_end { whole(window, dialect, None) } else { Cut::More };
        };
        if byte(found) == Some(dialect.newline) {
            return line(window, found, dialect, None);
        }
        let opens = found == 0 || byte(found - 1) == Some(dialect.delimiter);
        if !opens {
            at = found + 1;
            continue;
        }
        let quote = match closing_quote(window, found + 1) {
            Closing::At(quote) => quote,
            // What ends with the window may go on behind it.
            Closing::AtEnd(_) | Closing::Missing if !at_end => return Cut::More,
            Closing::AtEnd(quote) => quote,
            Closing::Missing => return fault(window, true, dialect, "a quoted field is never closed"),
        };
        if let Some(cut) = behind_quote(window, quote, at_end, dialect) {
            return cut;
        }
        at = quote + 2;
    }
}

/// The quote that closes a field.
enum Closing {
    At(usize),
    /// The last byte of the window.
    AtEnd(usize),
    Missing,
}

/// Finds the closing quote of a field that begins here: the last of the first odd number of quotes in a row, since those before it
/// are doubled.
fn closing_quote(window: &[u8], start: usize) -> Closing {
    let mut at = start;
    // Whether the bytes before are an odd number of quotes.
    let mut odd = false;
    while let Some(block) = window.get(at..).and_then(|rest| rest.first_chunk()) {
        let mut quotes = places_of(b'"', block);
        let mut place = 0;
        if odd {
            if quotes & 1 == 0 {
                return Closing::At(at - 1);
            }
            let more = quotes.trailing_ones();
            odd = more.is_multiple_of(2);
            if more == u64::BITS {
                at += block.len();
                continue;
            }
            if odd {
                return Closing::At(at + more as usize - 1);
            }
            quotes >>= more;
            place = more;
        }
        while quotes != 0 {
            let before = quotes.trailing_zeros();
            quotes >>= before;
            let length = quotes.trailing_ones();
            place += before + length;
            if place == u64::BITS {
                odd = length % 2 == 1;
                break;
            }
            if length % 2 == 1 {
                return Closing::At(at + place as usize - 1);
            }
            quotes >>= length;
        }
        at += block.len();
    }
    for byte in window.get(at..).unwrap_or_default() {
        if *byte == b'"' {
            odd = !odd;
        } else if odd {
            return Closing::At(at - 1);
        }
        at += 1;
    }
    if odd { Closing::AtEnd(at - 1) } else { Closing::Missing }
}

/// Cuts CSV and TSV into records.
pub(super) struct CsvSplitter {
    dialect: Dialect,
    max_record_bytes: usize,
    /// Whether the window begins inside a comment.
    in_comment: bool,
}

impl CsvSplitter {
    pub(super) fn new(dialect: Dialect, max_record_bytes: usize) -> Self {
        Self { dialect, max_record_bytes, in_comment: false }
    }
}

impl Splitter for CsvSplitter {
    fn step(&mut self, window: &[u8], at_end: bool) -> Result<Step> {
        if window.is_empty() {
            return Ok(if at_end { Step::End } else { Step::More });
        }
        if self.dialect.comment.is_some() && (self.in_comment || window.first() == self.dialect.comment.as_ref()) {
            let end = memchr(self.dialect.newline, window);
            self.in_comment = end.is_none();
            return Ok(Step::Skip(end.map_or(window.len(), |end| end + 1)));
        }
        // Never more than one record of the longest kind and its line end is looked at: how much of the input happens to be in
        // memory must not decide whether a quote finds its partner.
        let limit = self.max_record_bytes.saturating_add(2);
        let (looked_at, last) = match window.get(..limit) {
            Some(limited) if window.len() > limit => (limited, false),
            _ => (window, at_end),
        };
        Ok(match cut(looked_at, last, self.dialect) {
            Cut::Record { end: 0, next, fault: None } => Step::Skip(next),
            Cut::Record { end, next, fault } if end <= self.max_record_bytes => {
                Step::Record { start: 0, end, next, fault: fault.map(str::to_owned) }
            }
            Cut::Record { .. } => Step::TooLong { start: 0 },
            Cut::More if window.len() < limit => Step::More,
            Cut::More => {
                match memchr(self.dialect.newline, looked_at).map(|at| line(looked_at, at, self.dialect, None)) {
                    Some(Cut::Record { end, next, .. }) if end <= self.max_record_bytes => {
                        let fault = format!("a quoted field is not closed within {} bytes", self.max_record_bytes);
                        Step::Record { start: 0, end, next, fault: Some(fault) }
                    }
                    _ => Step::TooLong { start: 0 },
                }
            }
        })
    }

    fn skip(&mut self, bytes: &[u8]) -> Option<usize> {
        memchr(self.dialect.newline, bytes).map(|at| at + 1)
    }

    fn newline(&self) -> u8 {
        self.dialect.newline
    }
}

/// A field, in the record or, where it had doubled quotes, in the scratch text.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: usize,
    end: usize,
    unescaped: bool,
    quoted: bool,
}

/// The fields of one record; kept from record to record for its memory.
#[derive(Debug, Default)]
pub(super) struct Fields {
    fields: Vec<Field>,
    /// Fields without the doubling of their quotes, and room behind them.
    scratch: Vec<u8>,
    /// Bytes of the scratch that are fields.
    used: usize,
}

impl Fields {
    /// Takes a record without faults apart.
    pub(super) fn split(&mut self, record: &str, delimiter: u8) {
        self.fields.clear();
        self.used = 0;
        let bytes = record.as_bytes();
        let mut at = 0;
        loop {
            if bytes.get(at) == Some(&b'"') {
                let after = self.quoted(record, at + 1);
                at = after + 1;
                if after >= bytes.len() {
                    return;
                }
                continue;
            }
            let end = find(delimiter, bytes, at);
            self.fields.push(Field { start: at, end: end.unwrap_or(bytes.len()), unescaped: false, quoted: false });
            let Some(end) = end else { return };
            at = end + 1;
        }
    }

    /// Takes a quoted field that starts behind its quote; returns where its closing quote ends.
    fn quoted(&mut self, record: &str, start: usize) -> usize {
        let bytes = record.as_bytes();
        let quote = find(b'"', bytes, start).unwrap_or(bytes.len());
        if bytes.get(quote + 1) != Some(&b'"') {
            self.fields.push(Field { start, end: quote, unescaped: false, quoted: true });
            return (quote + 1).min(bytes.len());
        }
        let scratch_start = self.used;
        let end = self.unescape(bytes, start);
        self.fields.push(Field { start: scratch_start, end: self.used, unescaped: true, quoted: true });
        (end + 1).min(bytes.len())
    }

    /// Copies a quoted field to the scratch, of each two quotes one; returns where its closing quote is.
    fn unescape(&mut self, bytes: &[u8], start: usize) -> usize {
        let most = self.used + bytes.len() - start;
        if self.scratch.len() < most {
            self.scratch.resize(most, 0);
        }
        let (mut at, mut to) = (start, self.used);
        loop {
            let word: Option<&[u8; 16]> = bytes.get(at..).and_then(|rest| rest.first_chunk());
            let target = self.scratch.get_mut(to..).and_then(|rest| rest.first_chunk_mut());
            if let (Some(word), Some(target)) = (word, target) {
                // All sixteen bytes, though only those before a quote count: what is behind them is written over.
                *target = *word;
                let quotes = u8x16::new(*word).simd_eq(u8x16::splat(b'"')).to_bitmask();
                if quotes == 0 {
                    at += word.len();
                    to += word.len();
                    continue;
                }
                let before = quotes.trailing_zeros() as usize;
                at += before;
                to += before;
            }
            let doubled = match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'"'), Some(b'"')) => 1,
                (Some(b'"') | None, _) => break,
                _ => 0,
            };
            if let (Some(target), Some(byte)) = (self.scratch.get_mut(to), bytes.get(at)) {
                *target = *byte;
            }
            to += 1;
            at += 1 + doubled;
        }
        self.used = to;
        at
    }

    /// Returns the number of fields.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns the texts of the fields that stood outside quotes.
    pub(super) fn unquoted<'a>(&'a self, record: &'a str) -> impl Iterator<Item = &'a str> {
        let outside = self.fields.iter().filter(|field| !field.quoted);
        outside.map(move |field| record.get(field.start..field.end).unwrap_or_default())
    }

    /// Returns the texts of the fields, each with whether it stood in quotes.
    pub(super) fn quoted_texts<'a>(&'a self, record: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        self.texts(record).zip(self.fields.iter().map(|field| field.quoted))
    }

    /// Returns the texts of the fields.
    pub(super) fn texts<'a>(&'a self, record: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().map(move |field| {
            if !field.unescaped {
                return record.get(field.start..field.end).unwrap_or_default();
            }
            // Quotes are no part of other characters, so that what is left when some go is sound.
            std::str::from_utf8(self.scratch.get(field.start..field.end).unwrap_or_default()).unwrap_or_default()
        })
    }
}

/// Says in which field of a record a byte stands, as far as its quotes tell.
pub(super) fn field_of(record: &[u8], at: usize, dialect: Dialect) -> usize {
    let has_quotes = dialect.escape.has_quotes();
    let mut quoted = false;
    let mut field = 0;
    for byte in record.get(..at).unwrap_or_default() {
        match *byte {
            byte if has_quotes && byte == dialect.quote => quoted = !quoted,
            byte if byte == dialect.delimiter && !quoted => field += 1,
            _ => {}
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dialect::{Declared, Escape};
    use super::super::formats::InputFormat;
    use super::*;

    const COMMAS: Dialect =
        Dialect { delimiter: b',', newline: b'\n', escape: Escape::Doubled, quote: b'"', comment: None };

    /// Start, end and whether there is a fault, of all records but empty lines.
    fn cut_all(text: &[u8], max_record_bytes: usize) -> Vec<(usize, usize, bool)> {
        let mut splitter = CsvSplitter::new(COMMAS, max_record_bytes);
        let mut at = 0;
        let mut records = Vec::new();
        loop {
            match splitter.step(&text[at..], true).unwrap() {
                Step::Record { end, next, fault, .. } => {
                    records.push((at, at + end, fault.is_some()));
                    at += next;
                }
                Step::Skip(next) => at += next,
                Step::End => return records,
                Step::TooLong { .. } => {
                    let length = splitter.skip(&text[at..]).unwrap_or(text.len() - at);
                    records.push((at, at + length, true));
                    at += length;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The same by a plain state machine, one byte at a time.
    fn slowly(text: &[u8]) -> Vec<(usize, usize, bool)> {
        let mut records = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let mut state = 's';
            let mut at = start;
            let mut broken = false;
            loop {
                let byte = text.get(at);
                state = match (state, byte) {
                    ('q', None) => {
                        broken = true;
                        break;
                    }
                    (_, None) | ('s' | 'p' | 'c', Some(b'\n')) => break,
                    ('s', Some(b'"')) | ('c', Some(b'"')) => 'q',
                    ('q', Some(b'"')) => 'c',
                    ('q', _) => 'q',
                    (_, Some(b',')) => 's',
                    ('c', Some(b'\r')) if matches!(text.get(at + 1), None | Some(b'\n')) => 'c',
                    ('c', _) => {
                        broken = true;
                        break;
                    }
                    _ => 'p',
                };
                at += 1;
            }
            if broken {
                at = start + text[start..].iter().position(|b| *b == b'\n').unwrap_or(text.len() - start);
            }
            let end = if at > start && text[at - 1] == b'\r' { at - 1 } else { at };
            if end > start || broken {
                records.push((start, end, broken));
            }
            start = at + 1;
        }
        records
    }

    fn fields_of(record: &str) -> Vec<String> {
        let mut fields = Fields::default();
        fields.split(record, b',');
        fields.texts(record).map(str::to_owned).collect()
    }

    #[test]
    fn fields_keep_newlines_and_doubled_quotes_of_quoted_text() {
        assert_eq!(fields_of("a,\"b\"\"c\nd,e\",\"\",,f\"g,\"\"\"\""), ["a", "b\"c\nd,e", "", "", "f\"g", "\""]);
        assert_eq!(fields_of("a,"), ["a", ""]);
        assert_eq!(fields_of(""), [""]);
    }

    #[test]
    fn a_quote_that_never_closes_costs_its_own_line_only() {
        let text = b"a,\"b\nc,\"d\"\ne,f\n";
        assert_eq!(cut_all(text, 1000), [(0, 4, true), (5, 10, false), (11, 14, false)]);
        let text = b"a,\"b\nc,d\ne,f";
        assert_eq!(cut_all(text, 1000), [(0, 4, true), (5, 8, false), (9, 12, false)]);
        let text = b"\"a\"b,c\r\nd,e\r\n";
        assert_eq!(cut_all(text, 1000), [(0, 6, true), (8, 11, false)]);
    }

    #[test]
    fn an_open_quote_gives_up_at_the_longest_record() {
        let mut text = b"a,\"b\n".to_vec();
        for _ in 0..50 {
            text.extend(b"c,d\n");
        }
        text.extend(b"e,\"\n");
        let records = cut_all(&text, 20);
        assert_eq!(records.len(), 52);
        assert_eq!(records.iter().filter(|record| record.2).count(), 2);
        // With more room the quote of the last line closes it, and all is one record.
        assert_eq!(cut_all(&text, 1000).len(), 1);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_to_its_end() {
        let text = [b"a".repeat(21), b"\nb,c\n".to_vec(), b"d".repeat(20), b"\r\n".to_vec()].concat();
        assert_eq!(cut_all(&text, 20), [(0, 22, true), (22, 25, false), (26, 46, false)]);
    }

    #[test]
    fn the_delimiter_comes_from_the_header_alone() {
        let delimiter = |text: &str| Dialect::detect(text.as_bytes(), InputFormat::Csv, &Declared::default()).delimiter;
        assert_eq!(delimiter("a,b;c;d\n"), b',');
        assert_eq!(delimiter("a;\"b,c\";d\t\n1,2,3"), b';');
        assert_eq!(delimiter("a\tb\n1,2"), b'\t');
        assert_eq!(delimiter("a\n1;2"), b',');
        assert_eq!(Dialect::detect(b"a,b", InputFormat::Tsv, &Declared::default()).delimiter, b'\t');
        assert_eq!(Dialect::detect(b"a,b\rc,d\r", InputFormat::Csv, &Declared::default()).newline, b'\r');
        assert_eq!(Dialect::detect(b"a,\"b\r\"\r\nc,d\r", InputFormat::Csv, &Declared::default()).newline, b'\n');
    }

    proptest! {
        #[test]
        fn cutting_agrees_with_a_plain_state_machine(text in "[\",\n\rab]{0,60}") {
            prop_assert_eq!(cut_all(text.as_bytes(), 1000), slowly(text.as_bytes()), "{:?}", text);
        }

        #[test]
        fn long_fields_close_at_their_first_odd_row_of_quotes(text in "(\"{1,3}|\"{60,70}|a{1,70}|,|\n){0,14}") {
            let text = format!("\"{text}");
            prop_assert_eq!(cut_all(text.as_bytes(), 2_000), slowly(text.as_bytes()), "{:?}", text);
        }

        #[test]
        fn short_longest_records_neither_lose_bytes_nor_stop(text in "[\",\n\ra]{0,60}", max in 1..20_usize) {
            let mut end_before = 0;
            for (start, end, fault) in cut_all(text.as_bytes(), max) {
                prop_assert!(start >= end_before && end >= start);
                prop_assert!(text.as_bytes()[end_before..start].iter().all(|b| matches!(b, b'\r' | b'\n')));
                prop_assert!(fault || end - start <= max);
                end_before = end;
            }
        }

        #[test]
        fn written_tables_are_read_back(
            rows in prop::collection::vec(
                (prop::collection::vec(("[\",\n\ré a]{0,8}", any::<bool>()), 2..5), any::<bool>()), 0..8),
        ) {
            let mut text = String::new();
            for (fields, crlf) in &rows {
                for (index, (field, quote)) in fields.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    if *quote || field.contains(['"', ',', '\n', '\r']) {
                        text.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
                    } else {
                        text.push_str(field);
                    }
                }
                text.push_str(if *crlf { "\r\n" } else { "\n" });
            }
            let read: Vec<Vec<String>> =
                cut_all(text.as_bytes(), 1000).iter().map(|(start, end, _)| fields_of(&text[*start..*end])).collect();
            let written: Vec<Vec<String>> =
                rows.into_iter().map(|(fields, _)| fields.into_iter().map(|(field, _)| field).collect()).collect();
            prop_assert_eq!(read, written);
        }
    }
}

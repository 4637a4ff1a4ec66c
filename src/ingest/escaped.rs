//! Delimited text that is not escaped as RFC 4180 has it: by backslashes, in other quotes, or without quotes.
//!
//! [`Escape::Backslash`] has no quotes: a record ends at a line end, a field at a delimiter, unless a backslash stands before
//! it; [`Escape::Nothing`] has no such backslashes either. The others have quotes, inside which a doubled quote or one behind a
//! backslash does not close the field; what stands outside quotes is taken as it is, but for the escapes of [`Escape::BackslashQuoted`].
//!
//! A field in quotes that ends with a backslash (`"C:\"`) cannot be told from one that goes on. It is read as going on; where
//! that leaves the record broken, it is read again as if a quote before a delimiter always closed its field.

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::dialect::{Dialect, Escape};
use super::ends::{Cut, behind_quote, fault, line, whole};

/// Finds the end of the record at the start of `window`.
pub(super) fn cut(window: &[u8], at_end: bool, dialect: Dialect) -> Cut {
    match dialect.escape {
        Escape::Backslash => return cut_unquoted(window, at_end, dialect),
        Escape::Nothing => return cut_line(window, at_end, dialect),
        _ => {}
    }
    let strict = cut_quoted(window, at_end, dialect, Closing::Strict);
    let Cut::Record { fault: Some(_), .. } = strict else { return strict };
    match cut_quoted(window, at_end, dialect, Closing::BeforeDelimiter) {
        Cut::Record { end, next, fault: None } => Cut::Record { end, next, fault: None },
        _ => strict,
    }
}

fn cut_line(window: &[u8], at_end: bool, dialect: Dialect) -> Cut {
    match memchr(dialect.newline, window) {
        Some(found) => line(window, found, dialect, None),
        None if at_end => whole(window, dialect, None),
        None => Cut::More,
    }
}

fn cut_unquoted(window: &[u8], at_end: bool, dialect: Dialect) -> Cut {
    let mut at = 0;
    loop {
        let rest = window.get(at..).unwrap_or_default();
        match memchr2(b'\\', dialect.newline, rest).map(|found| at + found) {
            None if at_end => return whole(window, dialect, None),
            None => return Cut::More,
            Some(found) if window.get(found) == Some(&dialect.newline) => return line(window, found, dialect, None),
            Some(found) if found + 1 >= window.len() => {
                return if at_end { whole(window, dialect, None) } else { Cut::More };
            }
            Some(found) => at = found + 2,
        }
    }
}

/// Which quotes close a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Those without a backslash before them.
    Strict,
    /// Those before a delimiter or a line end too, whatever stands before them.
    BeforeDelimiter,
}

fn cut_quoted(window: &[u8], at_end: bool, dialect: Dialect, closing: Closing) -> Cut {
    let byte = |at: usize| window.get(at).copied();
    let mut at = 0;
    loop {
        if byte(at) != Some(dialect.quote) {
            let rest = window.get(at..).unwrap_or_default();
            match memchr2(dialect.delimiter, dialect.newline, rest).map(|found| at + found) {
                None if at_end => return whole(window, dialect, None),
                None => return Cut::More,
                Some(found) if byte(found) == Some(dialect.newline) => return line(window, found, dialect, None),
                Some(found) => at = found + 1,
            }
            continue;
        }
        let quote = match closing_quote(window, at + 1, dialect, closing) {
            Some(quote) if quote + 1 < window.len() || at_end => quote,
            None if at_end => return fault(window, true, dialect, "a quoted field is never closed"),
            _ => return Cut::More,
        };
        if let Some(cut) = behind_quote(window, quote, at_end, dialect) {
            return cut;
        }
        at = quote + 2;
    }
}

/// Finds the quote that closes a field whose text begins at `at`; a quote at the window's end counts as one.
fn closing_quote(bytes: &[u8], mut at: usize, dialect: Dialect, closing: Closing) -> Option<usize> {
    loop {
        let rest = bytes.get(at..)?;
        let found = at
            + match dialect.escape {
                Escape::Doubled => memchr(dialect.quote, rest)?,
                _ => memchr2(dialect.quote, b'\\', rest)?,
            };
        let next = bytes.get(found + 1).copied();
        if bytes.get(found) == Some(&dialect.quote) {
            if next != Some(dialect.quote) {
                return Some(found);
            }
            at = found + 2;
            continue;
        }
        let behind = bytes.get(found + 2).copied();
        let ends = |byte: Option<u8>| match byte {
            None | Some(b'\r') => true,
            Some(byte) => byte == dialect.delimiter || byte == dialect.newline,
        };
        if closing == Closing::BeforeDelimiter && next == Some(dialect.quote) && ends(behind) {
            return Some(found + 1);
        }
        // Spark's writer puts a backslash before quotes and backslashes, and before nothing else.
        let is_escape = match (dialect.escape, next) {
            (Escape::BackslashQuote, Some(next)) if next == dialect.quote || next == b'\\' => true,
            (Escape::BackslashQuote, _) => false,
            _ => true,
        };
        at = found + 1 + usize::from(is_escape);
    }
}

/// A field: a piece of the record or of the unescaped text.
#[derive(Debug, Clone)]
struct Field {
    range: Range<usize>,
    unescaped: bool,
    quoted: bool,
}

/// The fields of one record; kept from record to record for its memory.
#[derive(Debug, Default)]
pub(super) struct EscapedFields {
    fields: Vec<Field>,
    text: String,
}

impl EscapedFields {
    /// Takes a record apart that [`cut`] has found whole. A record that does not have the `expected` number of fields when its
    /// backslashes are read strictly is read the other way.
    pub(super) fn split(&mut self, record: &str, dialect: Dialect, expected: usize) {
        match dialect.escape {
            Escape::Backslash => return self.split_unquoted(record, dialect.delimiter),
            Escape::Nothing => return self.split_bare(record, dialect.delimiter),
            _ => {}
        }
        if !self.split_quoted(record, dialect, Closing::Strict) || self.fields.len() != expected {
            self.split_quoted(record, dialect, Closing::BeforeDelimiter);
        }
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.text.clear();
    }

    fn split_bare(&mut self, record: &str, delimiter: u8) {
        self.clear();
        let mut start = 0;
        for end in memchr::memchr_iter(delimiter, record.as_bytes()).chain([record.len()]) {
            self.fields.push(Field { range: start..end, unescaped: false, quoted: false });
            start = end + 1;
        }
    }

    fn split_unquoted(&mut self, record: &str, delimiter: u8) {
        self.clear();
        let bytes = record.as_bytes();
        let mut start = 0;
        let mut escaped = false;
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            match memchr2(b'\\', delimiter, rest).map(|found| at + found) {
                Some(found) if bytes.get(found) == Some(&b'\\') => {
                    escaped = true;
                    at = (found + 2).min(bytes.len());
                }
                found => {
                    let end = found.unwrap_or(bytes.len());
                    self.push(record, start..end, escaped, None, unescape);
                    let Some(found) = found else { return };
                    start = found + 1;
                    at = start;
                    escaped = false;
                }
            }
        }
    }

    /// Returns whether every field in quotes was closed and had nothing behind its closing quote.
    fn split_quoted(&mut self, record: &str, dialect: Dialect, closing: Closing) -> bool {
        self.clear();
        let bytes = record.as_bytes();
        let mut at = 0;
        loop {
            let (range, escaped, quoted, next) = if bytes.get(at) == Some(&dialect.quote) {
                let Some(quote) = closing_quote(bytes, at + 1, dialect, closing) else { return false };
                let range = at + 1..quote;
                let inside = bytes.get(range.clone()).unwrap_or_default();
                (range, memchr2(dialect.quote, b'\\', inside).is_some(), Some(dialect.quote), quote + 1)
            } else {
                let end = memchr(dialect.delimiter, bytes.get(at..).unwrap_or_default());
                let end = end.map_or(bytes.len(), |length| at + length);
                // MySQL and Python escape in fields without quotes, too; Spark does not.
                let inside = bytes.get(at..end).unwrap_or_default();
                (at..end, dialect.escape == Escape::BackslashQuoted && memchr(b'\\', inside).is_some(), None, end)
            };
            let how = match dialect.escape {
                _ if quoted.is_none() => unescape,
                Escape::Doubled => undouble,
                Escape::BackslashQuote => unescape_quotes,
                Escape::Octal => unescape_octal,
                _ => unescape_quoted,
            };
            self.push(record, range, escaped, quoted, how);
            match bytes.get(next) {
                None => return true,
                Some(byte) if *byte == dialect.delimiter => at = next + 1,
                Some(_) => return false,
            }
        }
    }

    fn push(&mut self, record: &str, range: Range<usize>, escaped: bool, quote: Option<u8>, how: Unescape) {
        let text = record.get(range.clone()).unwrap_or_default();
        let quoted = quote.is_some();
        // The mark of null is looked for in the field as it was written.
        if !escaped || (!quoted && text == "\\N") {
            self.fields.push(Field { range, unescaped: false, quoted });
            return;
        }
        let start = self.text.len();
        how(text, quote.unwrap_or_default(), &mut self.text);
        self.fields.push(Field { range: start..self.text.len(), unescaped: true, quoted });
    }

    /// Returns the number of fields.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns the fields: their texts, and whether each stood in quotes.
    pub(super) fn texts<'a>(&'a self, record: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        self.fields.iter().map(move |field| {
            let source = if field.unescaped { self.text.as_str() } else { record };
            (source.get(field.range.clone()).unwrap_or_default(), field.quoted)
        })
    }
}

/// Replaces the escapes of a text that stood in these quotes.
type Unescape = fn(&str, u8, &mut String);

/// Replaces all escapes. A backslash before anything that has no meaning of its own stands for that character.
fn unescape(text: &str, _: u8, output: &mut String) {
    replace(text, b'\\', output, |rest| memchr(b'\\', rest));
}

/// Replaces all escapes and doubled quotes.
fn unescape_quoted(text: &str, quote: u8, output: &mut String) {
    replace(text, quote, output, |rest| memchr2(quote, b'\\', rest));
}

/// Replaces all escapes; three octal digits are a byte. Bytes that are no text stay as they are written.
fn unescape_octal(text: &str, quote: u8, output: &mut String) {
    let octal = |escape: &[u8]| match escape {
        [b'\\', first @ b'0'..=b'3', second @ b'0'..=b'7', third @ b'0'..=b'7', ..] => {
            Some(((first - b'0') << 6) | ((second - b'0') << 3) | (third - b'0'))
        }
        _ => None,
    };
    let mut rest = text;
    while !rest.is_empty() {
        let escapes = rest.as_bytes().chunks(4).map_while(octal);
        let bytes: Vec<u8> = escapes.collect();
        if !bytes.is_empty() {
            let (written, behind) = rest.split_at(4 * bytes.len());
            output.push_str(std::str::from_utf8(&bytes).unwrap_or(written));
            rest = behind;
            continue;
        }
        // Up to the next escape of another kind than those before, which is two bytes at least.
        let from = if rest.starts_with('\\') { 1 + rest.chars().nth(1).map_or(0, char::len_utf8) } else { 0 };
        let end = memchr(b'\\', rest.as_bytes().get(from..).unwrap_or_default()).map_or(rest.len(), |at| from + at);
        let (piece, behind) = rest.split_at(end);
        unescape_quoted(piece, quote, output);
        rest = behind;
    }
}

/// Replaces doubled quotes.
fn undouble(text: &str, quote: u8, output: &mut String) {
    let mut rest = text;
    while let Some(at) = memchr(quote, rest.as_bytes()) {
        output.push_str(rest.get(..=at).unwrap_or_default());
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    output.push_str(rest);
}

/// Replaces escapes at the places found; a quote there is one of two, unless it is the backslash itself.
fn replace(text: &str, quote: u8, output: &mut String, find: impl Fn(&[u8]) -> Option<usize>) {
    let mut rest = text;
    while let Some(at) = find(rest.as_bytes()) {
        output.push_str(rest.get(..at).unwrap_or_default());
        let mut behind = rest.get(at + 1..).unwrap_or_default().chars();
        if quote != b'\\' && rest.as_bytes().get(at) == Some(&quote) {
            let quote = char::from(quote);
            output.push(quote);
            rest = behind.as_str().strip_prefix(quote).unwrap_or(behind.as_str());
            continue;
        }
        match behind.next() {
            None => output.push('\\'),
            Some('b') => output.push('\u{8}'),
            Some('f') => output.push('\u{c}'),
            Some('n') => output.push('\n'),
            Some('r') => output.push('\r'),
            Some('t') => output.push('\t'),
            Some('v') => output.push('\u{b}'),
            Some('0') => output.push('\0'),
            Some('Z') => output.push('\u{1a}'),
            Some(other) => output.push(other),
        }
        rest = behind.as_str();
    }
    output.push_str(rest);
}

/// Replaces the escapes of quotes and of backslashes, and doubled quotes.
fn unescape_quotes(text: &str, quote: u8, output: &mut String) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut copied = 0;
    while let Some(found) = memchr2(quote, b'\\', bytes.get(at..).unwrap_or_default()).map(|found| at + found) {
        let next = bytes.get(found + 1).copied();
        // A quote stands before a quote, a backslash before either.
        let drops = next == Some(quote) || (next == Some(b'\\') && bytes.get(found) == Some(&b'\\'));
        if drops {
            output.push_str(text.get(copied..found).unwrap_or_default());
            copied = found + 1;
        }
        at = found + 1 + usize::from(drops);
    }
    output.push_str(text.get(copied..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dialect(escape: Escape) -> Dialect {
        let delimiter = if escape == Escape::Backslash { b'\t' } else { b',' };
        Dialect { delimiter, newline: b'\n', escape, quote: b'"', comment: None }
    }

    /// The records of a text, each with its fields, or with why it is broken.
    fn read(text: &str, escape: Escape) -> Vec<Result<Vec<String>, &'static str>> {
        let dialect = dialect(escape);
        let mut records = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let Cut::Record { end, next, fault } = cut(rest.as_bytes(), true, dialect) else { panic!("{rest:?}") };
            records.push(match fault {
                Some(fault) => Err(fault),
                None => {
                    let mut fields = EscapedFields::default();
                    fields.split(&rest[..end], dialect, 2);
                    Ok(fields.texts(&rest[..end]).map(|(text, _)| text.to_owned()).collect())
                }
            });
            rest = &rest[next..];
        }
        records
    }

    fn fields(text: &str, escape: Escape) -> Vec<Vec<String>> {
        read(text, escape).into_iter().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn text_as_postgresql_and_mysql_write_it_is_read_back() {
        let text = "a\\tb\tc\td\n\"q\"\t\\N\nx\\\ty\\\nz\t\\\\n\r\n";
        let expected = [
            ["a\tb", "c", "d"].map(str::to_owned).to_vec(),
            vec!["\"q\"".into(), "\\N".into()],
            vec!["x\ty\nz".into(), "\\n".into()],
        ];
        assert_eq!(fields(text, Escape::Backslash), expected);
    }

    #[test]
    fn quotes_that_spark_escapes_are_read_back() {
        // What pyspark 4.1.1 writes of these texts.
        let text = r#"1,"{\"a\":\"x\\ny\"}"
2,C:\
3,"C:\\,"
4,"a\\\\b \"q\""
5,"{\"a\":\"say \\\"hi\\\"\"}"
6,a\nb
7,"x
y"
8,"q\\\""
"#;
        let values: Vec<String> = fields(text, Escape::BackslashQuote).into_iter().map(|row| row[1].clone()).collect();
        let expected =
            [r#"{"a":"x\ny"}"#, r"C:\", r"C:\,", r#"a\\b "q""#, r#"{"a":"say \"hi\""}"#, r"a\nb", "x\ny", r#"q\""#];
        assert_eq!(values, expected);
    }

    #[test]
    fn a_backslash_before_a_closing_quote_costs_nothing_where_the_record_is_whole_without_it() {
        let text = "1,\"C:\\\"\n2,\"{\\\"a\\\":1}\"\n\"D:\\\",\"x\"\n";
        let expected = [["1", "C:\\"], ["2", "{\"a\":1}"], ["D:\\", "x"]];
        assert_eq!(fields(text, Escape::BackslashQuote), expected);
        assert_eq!(read("1,\"open\n2,b\n", Escape::BackslashQuote)[0], Err("a quoted field is never closed"));
    }

    #[test]
    fn other_quotes_and_none_at_all_are_read_back() {
        let split = |text: &str, dialect: Dialect| {
            let mut fields = EscapedFields::default();
            let Cut::Record { end, next, fault: None } = cut(text.as_bytes(), true, dialect) else { panic!("{text}") };
            assert_eq!(next, text.len());
            fields.split(&text[..end], dialect, 3);
            fields.texts(&text[..end]).map(|(text, quoted)| (text.to_owned(), quoted)).collect::<Vec<_>>()
        };
        let single = Dialect { quote: b'\'', ..dialect(Escape::Doubled) };
        let read = split("'it''s',\"a\",'x,\ny\\'\n", single);
        assert_eq!(read, [("it's".into(), true), ("\"a\"".into(), false), ("x,\ny\\".into(), true)]);
        let single = Dialect { quote: b'\'', ..dialect(Escape::BackslashQuoted) };
        let read = split(r"'it\'s','''',NULL", single);
        assert_eq!(read, [("it's".into(), true), ("'".into(), true), ("NULL".into(), false)]);
        // What Python's csv writes with an escape character and no doubled quotes.
        let read = split(r#"{\"a\":1},\N,"x\\, y""#, dialect(Escape::BackslashQuoted));
        assert_eq!(read, [("{\"a\":1}".into(), false), ("\\N".into(), false), ("x\\, y".into(), true)]);
        let bare = Dialect { delimiter: b'|', ..dialect(Escape::Nothing) };
        let read = split("\"a|b\\|\r\n", bare);
        assert_eq!(read, [("\"a".into(), false), ("b\\".into(), false), (String::new(), false)]);
    }

    #[test]
    fn bytes_that_stand_as_octal_digits_are_text() {
        // What SQLite's tcl mode writes.
        let text = r#""\303\244 \303\251\ttab\\back \"q\" \001x","\\303 \1 \377 \342\202\254\n"
"#;
        let expected = [["\u{e4} \u{e9}\ttab\\back \"q\" \u{1}x", "\\303 1 \\377 \u{20ac}\n"]];
        assert_eq!(fields(text, Escape::Octal), expected);
    }

    proptest! {
        #[test]
        fn written_tables_are_read_back(rows in prop::collection::vec(("[a\\\\\"\t\n\r,é]{0,8}", "[n\\\\\"\t\n,]{1,8}"), 0..6)) {
            let rows: Vec<Vec<String>> = rows.into_iter().map(|(a, b)| vec![format!("_{a}_"), format!("_{b}_")]).collect();
            for escape in [Escape::Backslash, Escape::BackslashQuote, Escape::BackslashQuoted, Escape::Octal] {
                let write = |field: &String| match escape {
                    Escape::Backslash => {
                        let text = field.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
                        text.replace('\r', "\\r")
                    }
                    Escape::Octal => {
                        let bytes = field.bytes().map(|byte| match byte {
                            b'\\' | b'"' => format!("\\{}", char::from(byte)),
                            0x20..0x7f => char::from(byte).to_string(),
                            byte => format!("\\{byte:03o}"),
                        });
                        format!("\"{}\"", bytes.collect::<String>())
                    }
                    _ => format!("\"{}\"", field.replace('\\', "\\\\").replace('"', "\\\"")),
                };
                let delimiter = if escape == Escape::Backslash { "\t" } else { "," };
                let text: String =
                    rows.iter().map(|row| row.iter().map(write).collect::<Vec<_>>().join(delimiter) + "\n").collect();
                prop_assert_eq!(fields(&text, escape), rows.clone(), "{:?} {:?}", escape, text);
            }
        }

        #[test]
        fn any_text_is_cut_without_losing_a_byte(text in "[a\\\\\"'\t\n\r,]{0,40}") {
            for (escape, quote) in [
                (Escape::Backslash, b'"'),
                (Escape::BackslashQuote, b'"'),
                (Escape::BackslashQuoted, b'"'),
                (Escape::BackslashQuoted, b','),
                (Escape::Octal, b'"'),
                (Escape::Doubled, b'\''),
                (Escape::Nothing, b'"'),
            ] {
                let dialect = Dialect { quote, ..dialect(escape) };
                let mut at = 0;
                while at < text.len() {
                    let Cut::Record { end, next, .. } = cut(&text.as_bytes()[at..], true, dialect) else {
                        panic!("{text:?}")
                    };
                    prop_assert!(next > 0 && end <= next && next <= text.len() - at);
                    let mut fields = EscapedFields::default();
                    fields.split(&text[at..at + end], dialect, 2);
                    at += next;
                }
            }
        }
    }
}

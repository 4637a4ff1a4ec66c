//! What a user declares of delimited text: how it is escaped, what stands for null, how numbers and dates are written.
//!
//! Nothing of this is guessed. A file whose marks speak of another dialect than the declared one is read as declared, and the
//! ledger says so with a count and the flag that reads it otherwise.

use super::dates::DateFormat;
use super::formats::InputFormat;
use super::numbers::Numbers;

/// How a field holds a delimiter, a line end or a quote. Quotes are those of [`Declared::quote`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escape {
    /// In quotes, with quotes doubled: RFC 4180.
    #[default]
    Doubled,
    /// In quotes; a backslash stands before a quote, and before a backslash that stands before a quote. Doubled quotes are
    /// understood too. (Spark.)
    BackslashQuote,
    /// In quotes, where a backslash begins an escape such as `\n`, `\"` and `\\`. (MySQL with `ENCLOSED BY`.)
    BackslashQuoted,
    /// In quotes, where a backslash begins an escape as in C: those of [`Escape::BackslashQuoted`], and three octal digits for a byte.
    /// (SQLite's tcl mode.)
    Octal,
    /// Without quotes: a backslash begins an escape, and a quote is a character like others. (PostgreSQL's text format, MySQL,
    /// ClickHouse's TabSeparated.)
    Backslash,
    /// Not at all: without quotes and escapes a field is what stands between delimiters. (SQLite's list mode, Redshift.)
    Nothing,
}

impl Escape {
    /// Returns whether fields may stand in quotes.
    pub fn has_quotes(self) -> bool {
        !matches!(self, Self::Backslash | Self::Nothing)
    }
}

/// The dialect of delimited text, as far as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Declared {
    /// The byte between fields, or `None` to tell it by the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<u8>,
    /// How fields are escaped.
    pub escape: Escape,
    /// The byte around fields in quotes, where the escape has quotes; ASCII.
    pub quote: u8,
    /// The byte at the start of lines that are comments, if there are such lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<u8>,
    /// Lines before the header, or before the first record of a file without one, that are no part of the table.
    pub skip_lines: u64,
    /// The headers of a file that has no line of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Texts that stand for null where they are a whole field without quotes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
    /// Whether numbers have a decimal comma; points, blanks and apostrophes between thousands are then understood.
    pub decimal_comma: bool,
    /// The character between thousands, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// How dates are written.
    pub dates: DateFormat,
}

impl Default for Declared {
    fn default() -> Self {
        Self {
            delimiter: None,
            escape: Escape::Doubled,
            quote: b'"',
            comment: None,
            skip_lines: 0,
            columns: Vec::new(),
            nulls: Vec::new(),
            decimal_comma: false,
            thousands: None,
            dates: DateFormat::Iso,
        }
    }
}

impl Declared {
    /// Returns whether nothing is declared.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns this dialect with the parts of another where nothing is declared here.
    pub(super) fn over(self, other: Self) -> Self {
        let default = Self::default();
        Self {
            delimiter: self.delimiter.or(other.delimiter),
            escape: if self.escape == default.escape { other.escape } else { self.escape },
            quote: if self.quote == default.quote { other.quote } else { self.quote },
            comment: self.comment.or(other.comment),
            skip_lines: if self.skip_lines == 0 { other.skip_lines } else { self.skip_lines },
            columns: if self.columns.is_empty() { other.columns } else { self.columns },
            nulls: if self.nulls.is_empty() { other.nulls } else { self.nulls },
            decimal_comma: self.decimal_comma || other.decimal_comma,
            thousands: self.thousands.or(other.thousands),
            dates: if self.dates == default.dates { other.dates } else { self.dates },
        }
    }

    /// Returns whether numbers are written otherwise than with a decimal point alone.
    pub(super) fn numbers(&self) -> Numbers {
        Numbers { decimal_comma: self.decimal_comma, thousands: self.thousands }
    }

    /// Returns whether a whole field without quotes stands for null.
    pub(super) fn is_null(&self, field: &str) -> bool {
        self.nulls.iter().any(|mark| mark == field)
    }

    /// Returns whether a field that stands in quotes is declared to be null, by a mark in quotes: `"NULL"`.
    pub(super) fn is_quoted_null(&self, field: &str) -> bool {
        let mut marks = self.nulls.iter().filter_map(|mark| mark.strip_prefix('"')?.strip_suffix('"'));
        marks.any(|mark| mark == field && !mark.is_empty())
    }
}

/// What may stand between fields, as --delimiter takes it.
pub(super) const DELIMITERS: [(&str, u8); 9] = [
    (",", b','),
    (";", b';'),
    ("|", b'|'),
    ("tab", b'\t'),
    (":", b':'),
    ("^", b'^'),
    ("~", b'~'),
    (" ", b' '),
    ("\\x01", 1),
];

/// How fields and lines are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// The byte between fields.
    pub(super) delimiter: u8,
    /// The byte that ends lines: LF (with or without a CR before it) or CR.
    pub(super) newline: u8,
    /// How fields are escaped.
    pub(super) escape: Escape,
    /// The byte around fields in quotes, where the escape has quotes.
    pub(super) quote: u8,
    /// The byte that comments begin with, if there are comments.
    pub(super) comment: Option<u8>,
}

impl Dialect {
    /// Tells the dialect by the header. CSV has commas, but a header without any that has semicolons or tabs is separated by
    /// the more frequent of those; rows never have a say.
    pub(super) fn detect(text: &[u8], format: InputFormat, declared: &Declared) -> Self {
        let mut quoted = false;
        let mut newline = b'\n';
        let has_quotes = declared.escape.has_quotes();
        let [mut commas, mut semicolons, mut tabs] = [0_usize; 3];
        for (index, byte) in text.iter().enumerate() {
            match byte {
                byte if has_quotes && *byte == declared.quote => quoted = !quoted,
                _ if quoted => {}
                b',' => commas += 1,
                b';' => semicolons += 1,
                b'\t' => tabs += 1,
                b'\r' if text.get(index + 1).is_some_and(|next| *next != b'\n') => {
                    newline = b'\r';
                    break;
                }
                b'\n' => break,
                _ => {}
            }
        }
        let delimiter = match format {
            _ if declared.delimiter.is_some() => declared.delimiter.unwrap_or(b','),
            InputFormat::Tsv => b'\t',
            // Without a header the first line is a row.
            _ if !declared.columns.is_empty() => b',',
            _ if commas > 0 || semicolons + tabs == 0 => b',',
            _ if semicolons >= tabs => b';',
            _ => b'\t',
        };
        Self { delimiter, newline, ..Self::of(declared) }
    }

    /// Returns the declared dialect, with commas where no delimiter is declared and LF at the end of lines.
    pub(super) fn of(declared: &Declared) -> Self {
        let delimiter = declared.delimiter.unwrap_or(b',');
        let Declared { escape, quote, comment, .. } = *declared;
        Self { delimiter, newline: b'\n', escape, quote, comment }
    }

    /// Returns whether fields are escaped as RFC 4180 has it.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.escape == Escape::Doubled && self.quote == b'"'
    }
}

/// Texts that some tool writes for null where a value without quotes should stand. The first of them are meant as texts by nobody,
/// and so count in quotes as well: ClickHouse's formats of JSON strings write `ᴺᵁᴸᴸ`, and what made JSON of a CSV file keeps its marks.
const NULL_MARKS: [&str; 21] = [
    "\\N",
    "NULL",
    "null",
    "nan",
    "NaN",
    "NaT",
    "<NA>",
    "<null>",
    "(null)",
    "(NULL)",
    "[NULL]",
    "\u{1d3a}\u{1d41}\u{1d38}\u{1d38}",
    "Null",
    "NA",
    "None",
    "N/A",
    "n/a",
    "#N/A",
    "#NA",
    "#NULL!",
    "nil",
];

/// How many of the marks count in quotes.
const MARKS_IN_QUOTES: usize = 12;

/// What stands for no value where only an instant or a number can.
const NO_VALUES: [&str; 15] = [
    "-",
    "--",
    "?",
    ".",
    "none",
    "NONE",
    "infinity",
    "Infinity",
    "-infinity",
    "-Infinity",
    "inf",
    "-inf",
    "0000-00-00",
    "0000-00-00 00:00:00",
    "0000-00-00 00:00:00.000000",
];

/// Returns whether a whole field without quotes is a text that some tools write for null.
#[inline]
pub(super) fn is_null_mark(field: &str) -> bool {
    null_mark(field).is_some()
}

/// Returns the text that some tools write for null, where a whole field without quotes is one.
#[inline]
pub(super) fn null_mark(field: &str) -> Option<&'static str> {
    if may_be_mark(field) { NULL_MARKS.into_iter().find(|mark| *mark == field) } else { None }
}

/// Returns the text that some tools write for null, where a text of JSON or of a typed column is one.
#[inline]
pub(super) fn quoted_null_mark(text: &str) -> Option<&'static str> {
    if may_be_mark(text) { NULL_MARKS.into_iter().take(MARKS_IN_QUOTES).find(|mark| *mark == text) } else { None }
}

/// Returns whether a text stands for no value, where an instant or a number should.
pub(super) fn is_no_value(text: &str) -> bool {
    is_null_mark(text) || NO_VALUES.contains(&text)
}

/// Few texts begin as a mark of null does.
#[inline]
fn may_be_mark(text: &str) -> bool {
    text.len() <= 12 && matches!(text.as_bytes().first(), Some(b'\\' | b'N' | b'n' | b'<' | b'(' | b'[' | b'#' | 0xe1))
}

/// Returns whether a field without quotes holds an escape by a backslash.
pub(super) fn has_backslash_escape(field: &str) -> bool {
    let bytes = field.as_bytes();
    memchr::memchr_iter(b'\\', bytes)
        .any(|at| matches!(bytes.get(at + 1), Some(b't' | b'n' | b'r' | b'\\' | b'"')) && bytes.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_other_locales_become_usual_ones_and_thousands_must_be_thousands() {
        let comma = Numbers { decimal_comma: true, thousands: None };
        let dotted = Numbers { decimal_comma: true, thousands: Some('.') };
        let blank = Numbers { decimal_comma: true, thousands: Some(' ') };
        let english = Numbers { decimal_comma: false, thousands: Some(',') };
        let swiss = Numbers { decimal_comma: false, thousands: Some('\'') };
        for (text, numbers, number) in [
            ("300,5", comma, Some("300.5")),
            ("1.234,5", comma, Some("1234.5")),
            ("-1.234.567", comma, Some("-1234567")),
            ("1 234,5", comma, Some("1234.5")),
            ("7", comma, Some("7")),
            ("1.5", comma, None),
            ("1234.567", comma, None),
            ("300,5.1", comma, None),
            ("1.234,5", dotted, Some("1234.5")),
            ("1\u{202f}234,5", blank, Some("1234.5")),
            ("1.234,5", blank, Some("1.234.5")),
            ("1,234.5", english, Some("1234.5")),
            ("1,234,567", english, Some("1234567")),
            ("300,5", english, None),
            ("1’234.5", swiss, Some("1234.5")),
            ("1e3", english, Some("1e3")),
        ] {
            assert_eq!(numbers.plain(text).as_deref(), number, "{text}");
        }
        assert!(Numbers::default().are_plain() && !comma.are_plain() && !english.are_plain());
    }

    #[test]
    fn what_is_declared_now_comes_before_what_was_declared_then() {
        let then = Declared { escape: Escape::Backslash, nulls: vec!["\\N".into()], ..Declared::default() };
        let now = Declared { dates: DateFormat::DayFirst, ..Declared::default() };
        let both = now.over(then);
        assert_eq!((both.escape, both.dates, both.nulls.len()), (Escape::Backslash, DateFormat::DayFirst, 1));
    }

    #[test]
    fn marks_of_other_dialects_are_known() {
        assert!(
            is_null_mark("\\N")
                && is_null_mark("NULL")
                && is_null_mark("N/A")
                && !is_null_mark("N")
                && !is_null_mark("")
        );
        assert!(NULL_MARKS.iter().all(|mark| null_mark(mark) == Some(mark)));
        assert_eq!(quoted_null_mark("\u{1d3a}\u{1d41}\u{1d38}\u{1d38}").map(str::len), Some(12));
        // Words that people write.
        for word in ["NA", "None", "N/A", "nil", "none", "Number", "Ne"] {
            assert_eq!(quoted_null_mark(word), None, "{word}");
        }
        assert!(is_no_value("-") && is_no_value("0000-00-00 00:00:00") && !is_no_value("x") && !is_null_mark("-"));
        let declared = Declared {
            nulls: vec!["NULL".to_owned(), "\"none\"".to_owned(), "\"\"".to_owned()],
            ..Declared::default()
        };
        assert!(declared.is_null("NULL") && !declared.is_quoted_null("NULL"));
        assert!(declared.is_quoted_null("none") && !declared.is_null("none") && !declared.is_quoted_null(""));
        assert!(has_backslash_escape("a\\tb") && has_backslash_escape("{\\\"a\\\":1}"));
        assert!(!has_backslash_escape("C:\\") && !has_backslash_escape("\\N") && !has_backslash_escape("a\\d"));
    }
}

//! What a user declares of delimited text: how it is escaped, what stands for null, how numbers and dates are written.
//!
//! Nothing of this is guessed. A file whose marks speak of another dialect than the declared one is read as declared, and the
//! ledger says so with a count and the flag that reads it otherwise.

use super::source::InputFormat;

/// How a field holds a delimiter, a line end or a quote.
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
    /// Without quotes: a backslash begins an escape, and a quote is a character like others. (PostgreSQL's text format, MySQL,
    /// ClickHouse's TabSeparated.)
    Backslash,
}

/// The order of a date's parts where it is not ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// Year, month, day, as ISO 8601 has it.
    #[default]
    Iso,
    /// Day, month, year: `20.11.2026 11:00`, `20/11/2026`.
    DayFirst,
    /// Month, day, year: `11/20/2026 11:00 AM`.
    MonthFirst,
}

/// The dialect of delimited text, as far as it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Declared {
    /// The byte between fields, or `None` to tell it by the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<u8>,
    /// How fields are escaped.
    pub escape: Escape,
    /// Texts that stand for null where they are a whole field without quotes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
    /// Whether numbers have a decimal comma, and points or blanks between thousands.
    pub decimal_comma: bool,
    /// The order of a date's parts.
    pub dates: DateOrder,
}

/// The names of the presets, each with what writes such files.
pub const PRESETS: [(&str, &str); 9] = [
    ("clickhouse-csv", "ClickHouse's CSVWithNames"),
    ("clickhouse-tsv", "ClickHouse's TabSeparatedWithNames"),
    ("excel-de", "spreadsheets with a German locale"),
    ("excel-us", "spreadsheets with an American locale"),
    ("mysql", "MySQL's and MariaDB's tab-separated output"),
    ("mysql-csv", "MySQL's and MariaDB's output with FIELDS TERMINATED BY ',' ENCLOSED BY '\"'"),
    ("postgres-csv", "PostgreSQL's COPY with FORMAT csv"),
    ("postgres-text", "PostgreSQL's COPY with FORMAT text"),
    ("spark", "Spark's CSV"),
];

impl Declared {
    /// Returns the dialect of this name, and the format that it is one of.
    pub fn preset(name: &str) -> Option<(Self, InputFormat)> {
        let backslash_n = || vec!["\\N".to_owned()];
        let tabs = |nulls| Self { delimiter: Some(b'\t'), escape: Escape::Backslash, nulls, ..Self::default() };
        let commas = Self { delimiter: Some(b','), ..Self::default() };
        Some(match name {
            "clickhouse-csv" => (Self { nulls: backslash_n(), ..commas }, InputFormat::Csv),
            "clickhouse-tsv" | "postgres-text" => (tabs(backslash_n()), InputFormat::Tsv),
            // The client's --batch prints NULL where INTO OUTFILE writes \N.
            "mysql" => (tabs(vec!["\\N".to_owned(), "NULL".to_owned()]), InputFormat::Tsv),
            "mysql-csv" => {
                let nulls = vec!["\\N".to_owned(), "NULL".to_owned()];
                (Self { escape: Escape::BackslashQuoted, nulls, ..commas }, InputFormat::Csv)
            }
            "postgres-csv" => (commas, InputFormat::Csv),
            "spark" => (Self { escape: Escape::BackslashQuote, ..commas }, InputFormat::Csv),
            "excel-de" => {
                let dates = DateOrder::DayFirst;
                (Self { delimiter: Some(b';'), decimal_comma: true, dates, ..Self::default() }, InputFormat::Csv)
            }
            "excel-us" => (Self { dates: DateOrder::MonthFirst, ..commas }, InputFormat::Csv),
            _ => return None,
        })
    }

    /// Returns whether nothing is declared.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a whole field without quotes stands for null.
    pub(super) fn is_null(&self, field: &str) -> bool {
        self.nulls.iter().any(|mark| mark == field)
    }
}

/// Returns whether a whole field without quotes is a text that some tools write for null.
pub(super) fn is_null_mark(field: &str) -> bool {
    field.len() <= 4 && matches!(field, "\\N" | "NULL" | "NA" | "nan" | "NaN" | "None")
}

/// Returns whether a field without quotes holds an escape by a backslash.
pub(super) fn has_backslash_escape(field: &str) -> bool {
    let bytes = field.as_bytes();
    memchr::memchr_iter(b'\\', bytes)
        .any(|at| matches!(bytes.get(at + 1), Some(b't' | b'n' | b'r' | b'\\' | b'"')) && bytes.len() > 2)
}

/// Writes a date in another order as ISO 8601, with the time behind it; `None` where it is none of that order.
pub(super) fn iso_of(text: &str, order: DateOrder) -> Option<String> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, time.trim_ascii()),
        None => (text, ""),
    };
    let date = date.trim_end_matches(',');
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '.' | '/' | '-'))?;
    let mut parts = date.split(separator);
    let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || !digits(first, 2) || !digits(second, 2) || !digits(year, 4) || year.len() != 4 {
        return None;
    }
    let (day, month) = match order {
        DateOrder::Iso => return None,
        DateOrder::DayFirst => (first, second),
        DateOrder::MonthFirst => (second, first),
    };
    let mut iso = format!("{year}-{month:0>2}-{day:0>2}");
    if time.is_empty() {
        return Some(iso);
    }
    let lower = time.to_ascii_lowercase();
    let (clock, half) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(clock), _) => (clock.trim_ascii_end(), Some(0)),
        (_, Some(clock)) => (clock.trim_ascii_end(), Some(12)),
        _ => (time, None),
    };
    let (hour, rest) = clock.split_once(':')?;
    if !digits(hour, 2) {
        return None;
    }
    let hour: u32 = hour.parse().ok()?;
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    iso.push_str(&format!(" {hour:02}:{rest}"));
    Some(iso)
}

/// Rewrites a number with a decimal comma as the usual one; `None` where its thousands are not grouped as thousands are.
pub(super) fn with_decimal_point(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let (whole, fraction) = match text.split_once(',') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut groups = whole.split(['.', '\u{a0}', '\u{202f}', '\'', ' ']);
    let mut number = groups.next()?.to_owned();
    let first = number.trim_start_matches(['+', '-']).len();
    for group in groups {
        if group.len() != 3 || !(1..=3).contains(&first) {
            return None;
        }
        number.push_str(group);
    }
    if let Some(fraction) = fraction {
        number.push('.');
        number.push_str(fraction);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_dialect() {
        for (name, _) in PRESETS {
            assert!(Declared::preset(name).is_some(), "{name}");
        }
        assert!(Declared::preset("excel-xx").is_none());
    }

    #[test]
    fn dates_in_another_order_become_iso() {
        use DateOrder::{DayFirst, Iso, MonthFirst};
        for (text, order, iso) in [
            ("20.11.2026 11:00", DayFirst, Some("2026-11-20 11:00")),
            ("20.11.2026 12:00:01", DayFirst, Some("2026-11-20 12:00:01")),
            ("1/2/2026", DayFirst, Some("2026-02-01")),
            ("1/2/2026", MonthFirst, Some("2026-01-02")),
            ("11/20/2026, 1:05:09 PM", MonthFirst, Some("2026-11-20 13:05:09")),
            ("11/20/2026 12:05 am", MonthFirst, Some("2026-11-20 00:05")),
            ("11/20/2026 13:05 pm", MonthFirst, None),
            ("2026-11-20", DayFirst, None),
            ("20.11.26", DayFirst, None),
            ("20.11.2026", Iso, None),
            ("tomorrow", DayFirst, None),
        ] {
            assert_eq!(iso_of(text, order).as_deref(), iso, "{text}");
        }
    }

    #[test]
    fn decimal_commas_become_points_and_thousands_must_be_thousands() {
        for (text, number) in [
            ("300,5", Some("300.5")),
            ("1.234,5", Some("1234.5")),
            ("-1.234.567", Some("-1234567")),
            ("1 234,5", Some("1234.5")),
            ("7", Some("7")),
            ("1.5", None),
            ("1234.567", None),
        ] {
            assert_eq!(with_decimal_point(text).as_deref(), number, "{text}");
        }
    }

    #[test]
    fn marks_of_other_dialects_are_known() {
        assert!(is_null_mark("\\N") && is_null_mark("NULL") && !is_null_mark("null") && !is_null_mark("N"));
        assert!(has_backslash_escape("a\\tb") && has_backslash_escape("{\\\"a\\\":1}"));
        assert!(!has_backslash_escape("C:\\") && !has_backslash_escape("\\N") && !has_backslash_escape("a\\d"));
    }
}

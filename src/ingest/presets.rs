//! Dialects of delimited text by the name of what writes them.

use super::dates::DateFormat;
use super::dialect::{Declared, Escape};
use super::formats::InputFormat;

/// The names of the presets, each with what writes such files. Those of spreadsheets are in [`LOCALES`] as well.
pub const PRESETS: [(&str, &str); 18] = [
    ("clickhouse-csv", "ClickHouse's CSVWithNames"),
    ("clickhouse-tsv", "ClickHouse's TabSeparatedWithNames"),
    ("excel", "spreadsheets, with commas and ISO dates; excel-de, excel-fr, excel-gb, excel-us and others by locale"),
    ("mysql", "MySQL's and MariaDB's tab-separated output"),
    ("mysql-csv", "MySQL's and MariaDB's output with FIELDS TERMINATED BY ',' ENCLOSED BY '\"'"),
    ("postgres-csv", "PostgreSQL's COPY with FORMAT csv"),
    ("postgres-text", "PostgreSQL's COPY with FORMAT text"),
    ("redshift", "Redshift's UNLOAD"),
    ("redshift-csv", "Redshift's UNLOAD with FORMAT CSV"),
    ("redshift-escape", "Redshift's UNLOAD with ESCAPE"),
    ("snowflake", "Snowflake's COPY INTO a location"),
    ("snowflake-csv", "Snowflake's COPY INTO a location with FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"),
    ("spark", "Spark's CSV"),
    ("sqlite", "SQLite's .mode csv"),
    ("sqlite-list", "SQLite's .mode list"),
    ("sqlite-quote", "SQLite's .mode quote"),
    ("sqlite-tabs", "SQLite's .mode tabs"),
    ("sqlite-tcl", "SQLite's .mode tcl"),
];

/// How spreadsheets of a locale write delimited text: the ending of `excel-`, the delimiter, whether numbers have a decimal comma,
/// the character between thousands, and the order of dates. As Windows has them.
pub const LOCALES: [(&str, u8, bool, char, DateFormat); 26] = [
    ("at", b';', true, ' ', DateFormat::DayFirst),
    ("au", b',', false, ',', DateFormat::DayFirst),
    ("be", b';', true, '.', DateFormat::DayFirst),
    ("br", b';', true, '.', DateFormat::DayFirst),
    ("ca", b',', false, ',', DateFormat::Iso),
    ("ch", b';', false, '\'', DateFormat::DayFirst),
    ("cn", b',', false, ',', DateFormat::YearFirst),
    ("cz", b';', true, ' ', DateFormat::DayFirst),
    ("de", b';', true, '.', DateFormat::DayFirst),
    ("dk", b';', true, '.', DateFormat::DayFirst),
    ("es", b';', true, '.', DateFormat::DayFirst),
    ("fr", b';', true, ' ', DateFormat::DayFirst),
    ("gb", b',', false, ',', DateFormat::DayFirst),
    ("ie", b',', false, ',', DateFormat::DayFirst),
    ("in", b',', false, ',', DateFormat::DayFirst),
    ("it", b';', true, '.', DateFormat::DayFirst),
    ("jp", b',', false, ',', DateFormat::YearFirst),
    ("nl", b';', true, '.', DateFormat::DayFirst),
    ("no", b';', true, ' ', DateFormat::DayFirst),
    ("nz", b',', false, ',', DateFormat::DayFirst),
    ("pl", b';', true, ' ', DateFormat::DayFirst),
    ("pt", b';', true, ' ', DateFormat::DayFirst),
    ("ru", b';', true, ' ', DateFormat::DayFirst),
    ("se", b';', true, ' ', DateFormat::Iso),
    ("tr", b';', true, '.', DateFormat::DayFirst),
    ("us", b',', false, ',', DateFormat::MonthFirst),
];

impl Declared {
    /// Returns the dialect of this name, and the format that it is one of.
    pub fn preset(name: &str) -> Option<(Self, InputFormat)> {
        if let Some(locale) = name.strip_prefix("excel-") {
            return Self::of_locale(locale);
        }
        let backslash_n = || vec!["\\N".to_owned()];
        let null_word = || vec!["NULL".to_owned()];
        let tabs = |escape, nulls| Self { delimiter: Some(b'\t'), escape, nulls, ..Self::default() };
        let pipes = |escape| Self { delimiter: Some(b'|'), escape, ..Self::default() };
        let commas = |escape, nulls| Self { delimiter: Some(b','), escape, nulls, ..Self::default() };
        let both = || [backslash_n(), null_word()].concat();
        Some(match name {
            "clickhouse-csv" | "snowflake-csv" => (commas(Escape::Doubled, backslash_n()), InputFormat::Csv),
            "clickhouse-tsv" | "postgres-text" => (tabs(Escape::Backslash, backslash_n()), InputFormat::Tsv),
            // The client's --batch prints NULL where INTO OUTFILE writes \N.
            "mysql" => (tabs(Escape::Backslash, both()), InputFormat::Tsv),
            "mysql-csv" => (commas(Escape::BackslashQuoted, both()), InputFormat::Csv),
            "excel" | "postgres-csv" | "redshift-csv" | "sqlite" => {
                (commas(Escape::Doubled, Vec::new()), InputFormat::Csv)
            }
            "redshift" | "sqlite-list" => (pipes(Escape::Nothing), InputFormat::Csv),
            "redshift-escape" => (pipes(Escape::Backslash), InputFormat::Csv),
            "snowflake" => (commas(Escape::Backslash, backslash_n()), InputFormat::Csv),
            "spark" => (commas(Escape::BackslashQuote, Vec::new()), InputFormat::Csv),
            "sqlite-quote" => (Self { quote: b'\'', ..commas(Escape::Doubled, null_word()) }, InputFormat::Csv),
            "sqlite-tcl" => {
                (Self { delimiter: Some(b' '), escape: Escape::Octal, ..Self::default() }, InputFormat::Csv)
            }
            "sqlite-tabs" => (tabs(Escape::Nothing, Vec::new()), InputFormat::Tsv),
            _ => return None,
        })
    }

    fn of_locale(locale: &str) -> Option<(Self, InputFormat)> {
        let (_, delimiter, decimal_comma, thousands, dates) = LOCALES.into_iter().find(|(name, ..)| *name == locale)?;
        // What stands between thousands is taken as it comes where it cannot be taken for a decimal mark.
        let thousands = (!decimal_comma).then_some(thousands);
        let declared = Self { delimiter: Some(delimiter), decimal_comma, thousands, dates, ..Self::default() };
        Some((declared, InputFormat::Csv))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_dialect() {
        for (name, _) in PRESETS {
            assert!(Declared::preset(name).is_some(), "{name}");
        }
        for (locale, ..) in LOCALES {
            assert!(Declared::preset(&format!("excel-{locale}")).is_some(), "{locale}");
        }
        assert!(Declared::preset("excel-xx").is_none());
    }
}

//! Flags that declare the dialect of delimited text.

use clap::{Args as ClapArgs, ValueEnum};
use sessionlake::ingest::{DateFormat, Declared, Escape, InputFormat, LOCALES, PRESETS};
use sessionlake::{Error, Result};

/// What is declared of delimited text.
#[derive(Debug, Default, ClapArgs)]
pub struct DialectArgs {
    /// The dialect of delimited text, by what wrote it: clickhouse-csv, clickhouse-tsv, excel, excel-de (or -fr, -gb, -us and
    /// others by locale), mysql, mysql-csv, postgres-csv, postgres-text, redshift, redshift-csv, redshift-escape, snowflake,
    /// snowflake-csv, spark, sqlite, sqlite-list, sqlite-quote,
    /// sqlite-tabs or sqlite-tcl
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// The character between fields of delimited text [default: told from the header]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// The character around fields that hold delimiters or line ends, or none [default: \"]
    #[arg(long, value_name = "CHARACTER")]
    quote: Option<String>,
    /// How such characters are escaped [default: doubled]
    #[arg(long, value_enum, value_name = "HOW")]
    escape: Option<EscapeArg>,
    /// Lines that begin with this character are comments and left out
    #[arg(long, value_name = "CHARACTER")]
    comment: Option<String>,
    /// Lines before the header that are left out
    #[arg(long, value_name = "N")]
    skip_lines: Option<u64>,
    /// The columns of delimited text without a header, in their order, as --columns session_id,started_at,ended_at
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// A text that stands for null where it is a whole value, in delimited text without quotes, as --null-mark '\N'; may be given again
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    null_mark: Vec<String>,
    /// The decimal mark of numbers: , or . [default: .]
    #[arg(long, value_name = "MARK")]
    decimal_mark: Option<String>,
    /// The character between the thousands of numbers, as --thousands-mark '.'
    #[arg(long, value_name = "MARK")]
    thousands_mark: Option<String>,
    /// How dates and times are written that are not ISO 8601: iso, de or uk (20.11.2026, 20/11/2026), us (11/20/2026 11:00 AM), jp
    /// (2026/11/20), excel-serial, excel-serial-1904 or julian (numbers of days), or a pattern such as '%d-%b-%Y %H:%M:%S' [default: iso]
    #[arg(long, value_name = "FORMAT")]
    date_format: Option<String>,
}

/// How characters with a meaning are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EscapeArg {
    /// In quotes, with quotes doubled
    Doubled,
    /// By a backslash: \n, \t, \\, \"
    Backslash,
    /// By a backslash before quotes and backslashes alone, as Spark does
    BackslashQuote,
}

impl DialectArgs {
    /// Returns what is declared of delimited text, and the name of the dialect with the format that it is one of.
    ///
    /// # Errors
    /// A dialect that is not known, or a character that cannot be what it is declared to be.
    pub fn declared(&self) -> Result<(Declared, Option<(String, InputFormat)>)> {
        let (mut declared, dialect) = match &self.dialect {
            None => (Declared::default(), None),
            Some(name) => {
                let (declared, format) = Declared::preset(name).ok_or_else(|| unknown(name))?;
                (declared, Some((name.clone(), format)))
            }
        };
        if let Some(text) = &self.delimiter {
            declared.delimiter = Some(character(text).ok_or_else(|| {
                Error::usage(format!("--delimiter {text:?} is no delimiter"))
                    .with_hint("give one character such as ';' or '|', or tab")
            })?);
        }
        self.declare_quotes(&mut declared)?;
        if let Some(text) = &self.comment {
            let byte = character(text).filter(|byte| *byte != b'\t').ok_or_else(|| {
                Error::usage(format!("--comment {text:?} is no single character"))
                    .with_hint("give one character such as '#'")
            })?;
            declared.comment = Some(byte);
        }
        declared.skip_lines = self.skip_lines.unwrap_or(declared.skip_lines);
        declared.columns.extend(self.columns.iter().map(|name| name.trim().to_owned()));
        declared.nulls.extend(self.null_mark.iter().cloned());
        self.declare_numbers(&mut declared)?;
        if let Some(text) = &self.date_format {
            declared.dates = DateFormat::parse(text)?;
        }
        Ok((declared, dialect))
    }

    fn declare_quotes(&self, declared: &mut Declared) -> Result<()> {
        let quote = match self.quote.as_deref() {
            Some("none") => {
                declared.escape = match (self.escape, declared.escape) {
                    (Some(EscapeArg::Doubled), _) => {
                        return Err(Error::usage("--escape doubled needs quotes, and there are none")
                            .with_hint("leave out --escape, or give --escape backslash"));
                    }
                    (None, Escape::Doubled | Escape::Nothing) => Escape::Nothing,
                    _ => Escape::Backslash,
                };
                return Ok(());
            }
            Some(text) => Some(character(text).filter(|byte| *byte != b'\\').ok_or_else(|| {
                Error::usage(format!("--quote {text:?} is no quote"))
                    .with_hint("give one character such as \"'\", or none")
            })?),
            None => None,
        };
        declared.quote = quote.unwrap_or(declared.quote);
        declared.escape = match (self.escape, declared.escape) {
            (Some(EscapeArg::Doubled), _) => Escape::Doubled,
            (Some(EscapeArg::BackslashQuote), _) => Escape::BackslashQuote,
            (Some(EscapeArg::Backslash), Escape::Backslash | Escape::Nothing) if quote.is_none() => Escape::Backslash,
            (Some(EscapeArg::Backslash), _) => Escape::BackslashQuoted,
            (None, Escape::Backslash) if quote.is_some() => Escape::BackslashQuoted,
            (None, Escape::Nothing) if quote.is_some() => Escape::Doubled,
            (None, escape) => escape,
        };
        if declared.escape.has_quotes() && declared.delimiter == Some(declared.quote) {
            return Err(Error::usage(format!("{:?} is delimiter and quote", char::from(declared.quote)))
                .with_hint("give --quote none where fields are not quoted"));
        }
        Ok(())
    }

    fn declare_numbers(&self, declared: &mut Declared) -> Result<()> {
        match self.decimal_mark.as_deref() {
            None => {}
            Some(",") => declared.decimal_comma = true,
            Some(".") => declared.decimal_comma = false,
            Some(text) => {
                return Err(Error::usage(format!("--decimal-mark {text:?} is neither , nor .")));
            }
        }
        if let Some(text) = &self.thousands_mark {
            let mut characters = text.chars();
            let mark = characters.next().filter(|c| !c.is_alphanumeric() && !matches!(c, '+' | '-'));
            let (Some(mark), None) = (mark, characters.next()) else {
                return Err(Error::usage(format!("--thousands-mark {text:?} is no single mark"))
                    .with_hint("give one character such as '.', \"'\" or ' '"));
            };
            declared.thousands = Some(mark);
        }
        let decimal = if declared.decimal_comma { ',' } else { '.' };
        if declared.thousands == Some(decimal) {
            return Err(Error::usage(format!("{decimal:?} cannot be the decimal mark and stand between thousands"))
                .with_hint("--decimal-mark says which mark is the decimal one"));
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Error {
    let known = PRESETS.map(|(name, writer)| format!("{name} ({writer})")).join(", ");
    let locales = LOCALES.map(|(locale, ..)| locale).join(", ");
    Error::usage(format!("unknown --dialect {name:?}"))
        .with_hint(format!("dialects are {known}; the locales of excel- are {locales}"))
}

/// Reads a single character that may stand between, around or before fields.
fn character(text: &str) -> Option<u8> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Some(b'\t'),
        b"\\x01" | b"\\001" | b"^A" => Some(1),
        [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => None,
    }
}

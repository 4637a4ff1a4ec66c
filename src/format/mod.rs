//! Prints results: record batches in, bytes out, in the format that was asked for.
//!
//! Every format is one small file that implements [`ResultWriter`]; all text formats share the value printers of `value`, so a
//! timestamp or a decimal looks the same wherever it is printed. To add a format: a variant of [`OutputFormat`], a line in
//! `FORMATS`, a file, an arm in [`writer`].
//!
//! Writers stream: they hold one batch, or one row group for Parquet, however long the result. Table and Markdown first hold
//! a sample of rows to find their column widths. `docs/formats.md` says what each format looks like and why.

mod aligned;
mod arrow_file;
mod cells;
mod csv;
mod json;
mod markdown;
mod output_file;
mod parquet_file;
mod plain_types;
mod sink;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod value;
mod xlsx;

pub use cells::Cells;
pub use output_file::OutputFile;
pub use sink::{is_broken_pipe, sink_error};

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use crate::zones::Tz;
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::{Error, Result};

/// What a result is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputFormat {
    /// An aligned table for people.
    Table,
    /// Comma-separated values, RFC 4180.
    Csv,
    /// Tab-separated values, quoted as CSV is.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// A Markdown pipe table.
    Markdown,
    /// An Apache Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
    /// An Excel workbook.
    Xlsx,
}

/// A format with the names it goes by: its own name first, then others; all are file endings as well.
struct Names {
    format: OutputFormat,
    names: &'static [&'static str],
}

const FORMATS: [Names; 9] = [
    Names { format: OutputFormat::Table, names: &["table", "txt"] },
    Names { format: OutputFormat::Csv, names: &["csv"] },
    Names { format: OutputFormat::Tsv, names: &["tsv", "tab"] },
    Names { format: OutputFormat::Json, names: &["json"] },
    Names { format: OutputFormat::Ndjson, names: &["ndjson", "jsonl"] },
    Names { format: OutputFormat::Markdown, names: &["markdown", "md"] },
    Names { format: OutputFormat::Parquet, names: &["parquet", "pq"] },
    Names { format: OutputFormat::Arrow, names: &["arrow", "feather", "ipc"] },
    Names { format: OutputFormat::Xlsx, names: &["xlsx"] },
];

impl OutputFormat {
    /// Lists the name of every format, for help texts.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FORMATS.iter().filter_map(|entry| entry.names.first().copied())
    }

    /// Returns the format's name, as `--format` takes it.
    pub fn name(self) -> &'static str {
        FORMATS
            .iter()
            .find(|entry| entry.format == self)
            .and_then(|entry| entry.names.first())
            .copied()
            .unwrap_or("table")
    }

    /// Tells the format from the ending of a file name, whatever its case.
    ///
    /// # Errors
    /// [`Error::Usage`] for no ending, or one that is none of ours.
    pub fn from_path(path: &Path) -> Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
        ending.as_deref().and_then(find).ok_or_else(|| {
            Error::usage(format!("no output format goes with the ending of {:?}", path.display().to_string()))
                .with_hint(format!("name one with ⟨format⟩: {}", list()))
        })
    }

    /// Returns whether the format is binary, and so not for a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow | Self::Xlsx)
    }
}

fn find(name: &str) -> Option<OutputFormat> {
    FORMATS.iter().find(|entry| entry.names.iter().any(|own| own.eq_ignore_ascii_case(name))).map(|entry| entry.format)
}

fn list() -> String {
    OutputFormat::names().collect::<Vec<_>>().join(", ")
}

impl FromStr for OutputFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        find(text).ok_or_else(|| {
            Error::usage(format!("unknown output format {text:?}")).with_hint(format!("one of {}", list()))
        })
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a table may use terminal colours; who decides is the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// Plain text.
    #[default]
    Never,
    /// ANSI sequences: bold headers, dim nulls.
    Always,
}

/// How results are printed.
#[derive(Debug, Clone)]
pub struct FormatOptions {
    /// The text of null in csv, tsv, table and markdown; `None` is an empty field in csv and tsv, `NULL` in the others. JSON
    /// has its own null, Parquet and Arrow keep theirs.
    pub null: Option<String>,
    /// The zone that instants are printed in, by all text formats. UTC prints `Z`, any other zone its offset.
    pub time_zone: Tz,
    /// The width of the terminal in columns: wider tables are cut to it. `None` cuts nothing. Only for table.
    pub table_width: Option<usize>,
    /// Whether a table is coloured.
    pub color: Color,
    /// The number of rows that a table or Markdown table takes its column widths from before it prints the first.
    pub sample_rows: usize,
    /// What the result was made from, as name and value (SQL, parameters, lake version), for formats that have a place for it:
    /// the second sheet of xlsx.
    pub about: Vec<(String, String)>,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            null: None,
            time_zone: Tz::UTC,
            table_width: None,
            color: Color::Never,
            sample_rows: 1_000,
            about: Vec::new(),
        }
    }
}

/// What a writer has written in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows of the result.
    pub rows: u64,
    /// Bytes that the sink took.
    pub bytes: u64,
    /// Texts of which the output holds the beginning only, each with a mark at its end. Only in xlsx, whose cells have a limit.
    pub cut_cells: u64,
}

/// Writes one result to a sink.
///
/// A writer that is dropped without [`finish`](Self::finish) leaves its output incomplete.
pub trait ResultWriter: Send {
    /// Writes the next rows. A batch must have the columns of the schema that the writer was made for.
    ///
    /// # Errors
    /// [`Error::Storage`] when the sink fails; see [`is_broken_pipe`].
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is left, flushes the sink and says how much it was.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn finish(self: Box<Self>) -> Result<Written>;
}

/// Makes the writer of a format for results of this schema.
///
/// # Errors
/// [`Error::Usage`] when the format cannot hold a column's type (Parquet only: it names the column) or so many columns (xlsx),
/// or when the text for null would break csv or tsv.
pub fn writer(
    format: OutputFormat,
    options: &FormatOptions,
    schema: SchemaRef,
    sink: Box<dyn Write + Send>,
) -> Result<Box<dyn ResultWriter>> {
    let sink = sink::Sink::new(sink);
    Ok(match format {
        OutputFormat::Table => Box::new(aligned::Aligned::new(table::Table::new(options), options, schema, sink)),
        OutputFormat::Markdown => Box::new(aligned::Aligned::new(markdown::Markdown, options, schema, sink)),
        OutputFormat::Csv => Box::new(csv::CsvWriter::new(csv::Delimiter::Comma, options, schema, sink)?),
        OutputFormat::Tsv => Box::new(csv::CsvWriter::new(csv::Delimiter::Tab, options, schema, sink)?),
        OutputFormat::Json => Box::new(json::JsonWriter::new(json::Framing::Array, options, schema, sink)),
        OutputFormat::Ndjson => Box::new(json::JsonWriter::new(json::Framing::Lines, options, schema, sink)),
        OutputFormat::Parquet => Box::new(parquet_file::ParquetFileWriter::new(schema, sink)?),
        OutputFormat::Arrow => Box::new(arrow_file::ArrowFileWriter::new(schema, sink)?),
        OutputFormat::Xlsx => Box::new(xlsx::XlsxWriter::new(options, schema, sink)?),
    })
}

/// Makes a writer of JSON that writes each row as a list of its values, in the order of the columns, with commas and line ends between. The
/// brackets around all rows are the caller's, who has more to say in the same object.
pub fn json_rows(options: &FormatOptions, schema: SchemaRef, sink: Box<dyn Write + Send>) -> Box<dyn ResultWriter> {
    Box::new(json::JsonWriter::new(json::Framing::Rows, options, schema, sink::Sink::new(sink)))
}

/// Makes a writer of an Arrow IPC stream, which a reader takes message by message.
///
/// # Errors
/// [`Error::Storage`] when the sink fails.
pub fn arrow_stream(schema: SchemaRef, sink: Box<dyn Write + Send>) -> Result<Box<dyn ResultWriter>> {
    Ok(Box::new(arrow_file::ArrowFileWriter::stream(schema, sink::Sink::new(sink))?))
}

/// Checks that a batch has the columns that the writer was made for.
fn check_columns(schema: &Schema, batch: &RecordBatch) -> Result<()> {
    let expected = schema.fields().iter().map(|field| field.data_type());
    let actual = batch.columns().iter().map(|column| column.data_type());
    if expected.clone().eq(actual.clone()) {
        return Ok(());
    }
    let (expected, actual) = (expected.collect::<Vec<_>>(), actual.collect::<Vec<_>>());
    Err(Error::internal(format!("a batch has the columns {actual:?} where the result's schema says {expected:?}")))
}

/// Makes names unique, for formats that address values by name: a second `id` becomes `id_2`, or the next number that no
/// other column has.
fn unique_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut taken: std::collections::HashSet<String> = names.clone().map(str::to_owned).collect();
    let mut seen = std::collections::HashSet::new();
    names
        .map(|name| {
            if seen.insert(name) {
                return name.to_owned();
            }
            let mut number = 2_usize;
            loop {
                let candidate = format!("{name}_{number}");
                if taken.insert(candidate.clone()) {
                    return candidate;
                }
                number += 1;
            }
        })
        .collect()
}

/// Renames fields so that every name is unique.
fn unique_fields(schema: &Schema) -> Vec<arrow::datatypes::Field> {
    let names = unique_names(schema.fields().iter().map(|field| field.name().as_str()));
    schema.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_ending_finds_its_format() {
        for entry in &FORMATS {
            for name in entry.names {
                assert_eq!(name.parse::<OutputFormat>().unwrap(), entry.format);
                assert_eq!(OutputFormat::from_path(Path::new(&format!("a/b.c.{name}"))).unwrap(), entry.format);
            }
            assert_eq!(entry.format.to_string(), entry.names[0]);
        }
        assert_eq!(OutputFormat::names().count(), FORMATS.len());
        assert_eq!("CSV".parse::<OutputFormat>().unwrap(), OutputFormat::Csv);
    }

    #[test]
    fn an_unknown_name_or_ending_is_a_usage_error_with_a_hint() {
        let error = "excel".parse::<OutputFormat>().unwrap_err();
        assert_eq!(error.to_string(), "unknown output format \"excel\"");
        assert!(error.hint().unwrap().contains("ndjson"));
        for path in ["out", "out.csv.gz", "out.", ".csv"] {
            let error = OutputFormat::from_path(Path::new(path)).unwrap_err();
            assert!(matches!(error, Error::Usage { .. }) && error.to_string().contains(path), "{path}");
        }
    }

    #[test]
    fn repeated_names_get_the_next_free_number() {
        let names = |names: &[&'static str]| unique_names(names.iter().copied());
        assert_eq!(names(&["a", "b"]), ["a", "b"]);
        assert_eq!(names(&["a", "a", "a"]), ["a", "a_2", "a_3"]);
        assert_eq!(names(&["a", "a", "a_2"]), ["a", "a_3", "a_2"]);
        assert_eq!(names(&["", ""]), ["", "_2"]);
    }
}

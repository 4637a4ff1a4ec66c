//! Writes CSV and TSV as RFC 4180 has it, with LF line ends.
//!
//! LF rather than the RFC's CRLF, since that is what `cut`, `sort` and `diff` expect, and every CSV reader takes both. A null is
//! an empty field without quotes, an empty text is `""`, so a reader that looks at the quotes can tell them apart; no other
//! value ever looks like a null. Values are exact: what a spreadsheet may take for a formula is not defused.
//!
//! Limit: in a result of one column a null is an empty line, which some readers skip; give nulls a text there.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::sink::{Sink, TextSink};
use super::value::{DisplayZone, Form, Values, is_plain, values};
use super::{FormatOptions, ResultWriter, Written, check_columns};
use crate::{Error, Result};

/// What stands between fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delimiter {
    Comma,
    Tab,
}

impl Delimiter {
    fn as_char(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Tab => '\t',
        }
    }
}

/// Writes one result as CSV or TSV.
pub(super) struct CsvWriter {
    quoting: Quoting,
    zone: DisplayZone,
    schema: SchemaRef,
    sink: TextSink,
    rows: u64,
}

impl CsvWriter {
    /// Makes the writer and prints the header.
    pub(super) fn new(delimiter: Delimiter, options: &FormatOptions, schema: SchemaRef, sink: Sink) -> Result<Self> {
        let quoting = Quoting { delimiter: delimiter.as_char(), null: options.null.clone().unwrap_or_default() };
        if quoting.must_quote(&quoting.null) {
            let message = format!("the text for null {:?} would have to be quoted", quoting.null);
            return Err(
                Error::usage(message).with_hint("take one without the delimiter, quotes, line ends and outer spaces")
            );
        }
        let mut sink = TextSink::new(sink);
        for (position, field) in schema.fields().iter().enumerate() {
            if position > 0 {
                sink.text.push(quoting.delimiter);
            }
            quoting.push(field.name(), &mut sink.text);
        }
        if !schema.fields().is_empty() {
            sink.text.push('\n');
        }
        Ok(Self { quoting, zone: options.time_zone.into(), schema, sink, rows: 0 })
    }
}

/// A column of a batch, and whether its cells can do without a look at each character.
struct Column<'a> {
    values: Box<dyn Values + 'a>,
    plain: bool,
}

impl ResultWriter for CsvWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.schema, batch)?;
        self.rows += batch.num_rows() as u64;
        if batch.num_columns() == 0 {
            return Ok(());
        }
        let columns: Vec<Column> = batch
            .columns()
            .iter()
            .map(|array| Column {
                values: values(array.as_ref(), Form::Text, self.zone),
                // With a text for null, a number may look like it.
                plain: self.quoting.null.is_empty() && is_plain(array.data_type()),
            })
            .collect();
        let mut cell = String::new();
        for row in 0..batch.num_rows() {
            for (position, column) in columns.iter().enumerate() {
                if position > 0 {
                    self.sink.text.push(self.quoting.delimiter);
                }
                if column.values.is_null(row) {
                    self.sink.text.push_str(&self.quoting.null);
                } else if column.plain {
                    column.values.append(row, &mut self.sink.text);
                } else if let Some(text) = column.values.borrow(row) {
                    self.quoting.push(text, &mut self.sink.text);
                } else {
                    cell.clear();
                    column.values.append(row, &mut cell);
                    self.quoting.push(&cell, &mut self.sink.text);
                }
            }
            self.sink.text.push('\n');
            self.sink.spill()?;
        }
        self.sink.send()
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        self.sink.finish(self.rows)
    }
}

struct Quoting {
    delimiter: char,
    null: String,
}

impl Quoting {
    /// Returns whether text has characters that need quotes: the delimiter, quotes, line ends; spaces at either end, which
    /// some readers drop; a byte order mark, which any reader drops from the start of a file.
    fn must_quote(&self, text: &str) -> bool {
        text.bytes().any(|byte| byte == self.delimiter as u8 || matches!(byte, b'"' | b'\n' | b'\r'))
            || text.starts_with(|first: char| first.is_whitespace() || first == '\u{feff}')
            || text.ends_with(char::is_whitespace)
    }

    fn push(&self, text: &str, out: &mut String) {
        if !text.is_empty() && text != self.null && !self.must_quote(text) {
            out.push_str(text);
            return;
        }
        out.push('"');
        for (position, piece) in text.split('"').enumerate() {
            if position > 0 {
                out.push_str("\"\"");
            }
            out.push_str(piece);
        }
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray, StringViewArray};
    use proptest::prelude::*;

    use super::super::testing::{batch, render, sample_batch, text_strategy};
    use super::super::{OutputFormat, writer};
    use super::*;

    /// Reads CSV by RFC 4180, written apart from the writer: `None` is the null text without quotes.
    fn read(text: &str, delimiter: char, null: &str) -> Vec<Vec<Option<String>>> {
        let mut records = Vec::new();
        let mut characters = text.chars().peekable();
        while characters.peek().is_some() {
            let mut record = Vec::new();
            loop {
                let mut field = String::new();
                let quoted = characters.next_if_eq(&'"').is_some();
                if quoted {
                    loop {
                        match characters.next().expect("an open quote") {
                            '"' if characters.next_if_eq(&'"').is_some() => field.push('"'),
                            '"' => break,
                            other => field.push(other),
                        }
                    }
                } else {
                    while let Some(other) = characters.next_if(|c| *c != delimiter && *c != '\n') {
                        assert!(other != '"' && other != '\r', "bare {other:?}");
                        field.push(other);
                    }
                }
                record.push((quoted || field != null).then_some(field));
                match characters.next() {
                    Some('\n') => break,
                    Some(other) => assert_eq!(other, delimiter),
                    None => panic!("no line end"),
                }
            }
            records.push(record);
        }
        records
    }

    fn texts(options: &FormatOptions, format: OutputFormat, cells: &[Option<&str>]) -> String {
        let array = StringArray::from(cells.to_vec());
        let numbers = Int64Array::from_iter_values(0..cells.len() as i64);
        render(format, options, &[batch([("a", Arc::new(array) as _), ("n", Arc::new(numbers) as _)])])
    }

    #[test]
    fn null_and_empty_text_differ() {
        let shown = texts(&FormatOptions::default(), OutputFormat::Csv, &[None, Some(""), Some("x"), Some("NULL")]);
        assert_eq!(shown, "a,n\n,0\n\"\",1\nx,2\nNULL,3\n");
    }

    #[test]
    fn a_value_that_equals_the_null_text_is_quoted_whatever_its_type() {
        let options = FormatOptions { null: Some("1".to_owned()), ..FormatOptions::default() };
        let shown = texts(&options, OutputFormat::Csv, &[None, Some("1"), Some("")]);
        assert_eq!(shown, "a,n\n1,0\n\"1\",\"1\"\n\"\",2\n");
    }

    #[test]
    fn fields_are_quoted_where_a_reader_needs_it_and_only_there() {
        let cells = [Some("a,b"), Some("a\tb"), Some("say \"hi\""), Some("two\nlines"), Some(" x"), Some("=1+1")];
        let shown = texts(&FormatOptions::default(), OutputFormat::Csv, &cells);
        assert_eq!(shown, "a,n\n\"a,b\",0\na\tb,1\n\"say \"\"hi\"\"\",2\n\"two\nlines\",3\n\" x\",4\n=1+1,5\n");
        let shown = texts(&FormatOptions::default(), OutputFormat::Tsv, &cells[..2]);
        assert_eq!(shown, "a\tn\na,b\t0\n\"a\tb\"\t1\n");
    }

    #[test]
    fn a_null_text_that_needs_quotes_is_refused() {
        for null in ["a,b", "\"", "x\n", " "] {
            let options = FormatOptions { null: Some(null.to_owned()), ..FormatOptions::default() };
            let made = writer(OutputFormat::Csv, &options, sample_batch().schema(), Box::new(std::io::sink()));
            assert!(matches!(made.err(), Some(Error::Usage { .. })), "{null:?}");
        }
    }

    #[test]
    fn an_empty_result_has_its_header() {
        let empty = sample_batch().slice(0, 0);
        assert_eq!(render(OutputFormat::Csv, &FormatOptions::default(), &[empty]).lines().count(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            rows in prop::collection::vec(prop::collection::vec(prop::option::of(text_strategy()), 2), 0..12),
            null in prop::sample::select(vec!["", "NULL", "\\N", "0"]),
            tab in any::<bool>(),
        ) {
            let column = |index: usize| -> Arc<StringViewArray> {
                Arc::new(rows.iter().map(|row| row[index].as_deref()).collect())
            };
            let batch = batch([("first", column(0) as _), ("a \"b\", c", column(1) as _)]);
            let options = FormatOptions { null: Some(null.to_owned()), ..FormatOptions::default() };
            let (format, delimiter) = if tab { (OutputFormat::Tsv, '\t') } else { (OutputFormat::Csv, ',') };
            let middle = batch.num_rows() / 2;
            let parts = [batch.slice(0, middle), batch.slice(middle, batch.num_rows() - middle)];
            let read = read(&render(format, &options, &parts), delimiter, null);
            prop_assert_eq!(&read[0], &[Some("first".to_owned()), Some("a \"b\", c".to_owned())]);
            prop_assert_eq!(&read[1..], &rows[..]);
        }
    }
}

//! Lays results out in columns of equal width, for the table and Markdown formats.
//!
//! Widths come from a sample: the first rows are held until there are enough of them, or enough bytes; then they are fixed and
//! all further rows stream. A later cell that is wider pushes its line out; nothing is cut without a sign of it. Width is what a
//! terminal shows: two columns for wide characters, none for combining ones.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::UnicodeWidthStr;

use super::sink::{Sink, TextSink};
use super::value::{DisplayZone, Form, Values, is_number, values};
use super::{FormatOptions, ResultWriter, Written, check_columns};
use crate::Result;

/// Text of the sample beyond which no more rows are held, in bytes.
const SAMPLE_BYTES: usize = 8 * 1024 * 1024;

/// On which side a column's cells line up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// What a cell is, for styles that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    Header,
    Value,
    Null,
}

/// A cell's text, as it is to be shown.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    /// Columns on a terminal.
    pub(super) width: usize,
    pub(super) kind: CellKind,
}

/// A column of the result with the width that it has got.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) side: Side,
    pub(super) width: usize,
}

/// What tells a table from a Markdown table.
pub(super) trait Style: Send {
    /// Appends a cell's text with what must not be in it made visible.
    fn escape(&self, text: &str, out: &mut String);

    /// Changes the widths that the sample asks for, where the style has limits.
    fn limit(&self, widths: &mut [usize]);

    /// Appends what stands above the rows.
    fn begin(&mut self, header: &[Cell], columns: &[Column], out: &mut String);

    /// Appends a row.
    fn row(&mut self, cells: &[Cell], columns: &[Column], out: &mut String);

    /// Appends what stands below the rows.
    fn end(&mut self, columns: &[Column], rows: u64, out: &mut String);
}

/// Writes one result in aligned columns.
pub(super) struct Aligned<S> {
    style: S,
    null: String,
    zone: DisplayZone,
    schema: SchemaRef,
    header: Vec<Cell>,
    stage: Stage,
    sample_rows: u64,
    sink: TextSink,
    rows: u64,
}

enum Stage {
    /// Rows are held, all their cells one after the other.
    Sampling { cells: Vec<Cell>, bytes: usize },
    /// Widths are fixed and rows go out.
    Streaming { columns: Vec<Column> },
}

impl<S: Style> Aligned<S> {
    /// Makes the writer; nothing is written before the sample is complete.
    pub(super) fn new(style: S, options: &FormatOptions, schema: SchemaRef, sink: Sink) -> Self {
        let header = schema.fields().iter().map(|field| cell(&style, field.name(), CellKind::Header)).collect();
        Self {
            null: options.null.clone().unwrap_or_else(|| "NULL".to_owned()),
            style,
            zone: options.time_zone.into(),
            schema,
            header,
            stage: Stage::Sampling { cells: Vec::new(), bytes: 0 },
            sample_rows: options.sample_rows as u64,
            sink: TextSink::new(sink),
            rows: 0,
        }
    }

    /// Fixes the widths and prints the header and the sample, if that has not been done.
    fn start(&mut self) -> Result<()> {
        let Stage::Sampling { cells, .. } = &mut self.stage else { return Ok(()) };
        let cells = std::mem::take(cells);
        let mut widths: Vec<usize> = self.header.iter().map(|cell| cell.width).collect();
        let rows = || cells.chunks(widths_len(&self.header));
        for row in rows() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width);
            }
        }
        self.style.limit(&mut widths);
        let sides = self.schema.fields().iter().map(|field| side(field.data_type()));
        let columns: Vec<Column> = sides.zip(widths).map(|(side, width)| Column { side, width }).collect();
        self.style.begin(&self.header, &columns, &mut self.sink.text);
        for row in rows() {
            self.style.row(row, &columns, &mut self.sink.text);
            self.sink.spill()?;
        }
        self.stage = Stage::Streaming { columns };
        Ok(())
    }
}

/// The length of a row for `chunks`, which takes no zero; without columns there are no cells either.
fn widths_len(header: &[Cell]) -> usize {
    header.len().max(1)
}

fn side(data_type: &arrow::datatypes::DataType) -> Side {
    if is_number(data_type) { Side::Right } else { Side::Left }
}

fn cell(style: &impl Style, raw: &str, kind: CellKind) -> Cell {
    let mut text = String::with_capacity(raw.len());
    style.escape(raw, &mut text);
    let width = text.width();
    Cell { text, width, kind }
}

impl<S: Style> ResultWriter for Aligned<S> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.schema, batch)?;
        if batch.num_columns() == 0 {
            self.rows += batch.num_rows() as u64;
            return Ok(());
        }
        let columns: Vec<Box<dyn Values>> =
            batch.columns().iter().map(|array| values(array.as_ref(), Form::People, self.zone)).collect();
        let mut raw = String::new();
        for row in 0..batch.num_rows() {
            let mut cells = Vec::with_capacity(columns.len());
            for column in &columns {
                cells.push(if column.is_null(row) {
                    cell(&self.style, &self.null, CellKind::Null)
                } else if let Some(text) = column.borrow(row) {
                    cell(&self.style, text, CellKind::Value)
                } else {
                    raw.clear();
                    column.append(row, &mut raw);
                    cell(&self.style, &raw, CellKind::Value)
                });
            }
            self.rows += 1;
            match &mut self.stage {
                Stage::Sampling { cells: sample, bytes } => {
                    *bytes += cells.iter().map(|cell| cell.text.len()).sum::<usize>();
                    sample.append(&mut cells);
                    if self.rows >= self.sample_rows || *bytes >= SAMPLE_BYTES {
                        self.start()?;
                    }
                }
                Stage::Streaming { columns } => {
                    self.style.row(&cells, columns, &mut self.sink.text);
                    self.sink.spill()?;
                }
            }
        }
        self.sink.send()
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.start()?;
        if let Stage::Streaming { columns } = &self.stage {
            self.style.end(columns, self.rows, &mut self.sink.text);
        }
        self.sink.finish(self.rows)
    }
}

/// Appends text with spaces around it up to a width; text that is wider is appended as it is.
pub(super) fn push_padded(text: &str, text_width: usize, column: Column, out: &mut String) {
    let spaces = std::iter::repeat_n(' ', column.width.saturating_sub(text_width));
    match column.side {
        Side::Left => {
            out.push_str(text);
            out.extend(spaces);
        }
        Side::Right => {
            out.extend(spaces);
            out.push_str(text);
        }
    }
}

/// Appends a character that a terminal would obey rather than show: line ends and tabs as `\n`, `\r`, `\t`, others as
/// `\u{1b}`. Returns false, and appends nothing, for all other characters.
pub(super) fn push_visibly(character: char, out: &mut String) -> bool {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Control characters, line separators, and the marks that reverse text up to the end of the line.
        c if c.is_control() => out.extend(c.escape_unicode()),
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            out.extend(character.escape_unicode())
        }
        _ => return false,
    }
    true
}

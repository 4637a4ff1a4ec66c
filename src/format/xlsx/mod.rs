//! Writes Excel workbooks: typed cells, a frozen bold header, and a last sheet that says what the result was made from.
//!
//! Written by ourselves, front to back and in the memory of one piece: the common writer keeps its sheets in temporary files
//! and panics when their disk is full. No row is ever left out: a result longer than a sheet goes on in further ones. A text
//! longer than a cell holds is cut, says so at its end, and is counted on the last sheet. The bytes depend on the result only.

mod cell;
mod package;
mod style;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::zones::Tz;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;

use self::cell::{Cell, Column, unpacked};
use self::package::Package;
use self::style::{DECLARATION, MAIN, Style};
use super::sink::{Sink, SinkState};
use super::{FormatOptions, ResultWriter, Written, check_columns};
use crate::{Error, Result};

/// Rows of a sheet, header included.
const SHEET_ROWS: u32 = 1_048_576;
/// Bytes of a sheet's XML, after which the next one begins: no part may reach 4 GiB.
const SHEET_BYTES: u64 = 3 << 30;
const COLUMNS: usize = 16_384;
/// UTF-16 units of a cell's text.
const CELL_UNITS: usize = 32_767;
/// XML that is handed to the compressor at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Rows that the widths of the columns are taken from.
const SAMPLE_ROWS: usize = 1_000;

/// Where one sheet ends and the next begins.
#[derive(Debug, Clone, Copy)]
struct SheetLimits {
    rows: u32,
    bytes: u64,
}

/// Writes one result as a workbook.
pub(super) struct XlsxWriter {
    package: Package,
    state: SinkState,
    schema: SchemaRef,
    zone: Tz,
    about: Vec<(String, String)>,
    limits: SheetLimits,
    /// Widths of the columns in characters, once rows were seen.
    widths: Option<Vec<usize>>,
    sheets: usize,
    /// Rows of the open sheet, header included.
    sheet_rows: u32,
    sheet_bytes: u64,
    rows: u64,
    /// Cells that hold the beginning of their text only.
    cut_cells: u64,
    xml: String,
}

impl XlsxWriter {
    /// Makes the writer.
    pub(super) fn new(options: &FormatOptions, schema: SchemaRef, sink: Sink) -> Result<Self> {
        let columns = schema.fields().len();
        if columns > COLUMNS {
            return Err(Error::usage(format!("the result has {columns} columns where xlsx holds {COLUMNS}"))
                .with_hint("leave columns out, or write csv"));
        }
        let state = sink.state();
        let mut package = Package::new(sink);
        // First, so that tools that look at the first bytes of a file know what it is.
        package.part("_rels/.rels", &style::package_relations())?;
        package.part("docProps/core.xml", &style::core_properties())?;
        Ok(Self {
            package,
            state,
            schema,
            zone: options.time_zone,
            about: options.about.clone(),
            limits: SheetLimits { rows: SHEET_ROWS, bytes: SHEET_BYTES },
            widths: None,
            sheets: 0,
            sheet_rows: 0,
            sheet_bytes: 0,
            rows: 0,
            cut_cells: 0,
            xml: String::new(),
        })
    }

    /// Hands the XML on if there is much of it.
    fn spill(&mut self) -> Result<()> {
        if self.xml.len() >= PIECE_BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<()> {
        self.sheet_bytes += self.xml.len() as u64;
        self.package.write(&self.xml)?;
        self.xml.clear();
        Ok(())
    }

    /// Begins the next sheet of rows and writes its header.
    fn begin_sheet(&mut self, columns: &[Column<'_>], rows: usize) -> Result<()> {
        let schema = SchemaRef::clone(&self.schema);
        let widths = self.widths.get_or_insert_with(|| {
            let widest = |index: usize| {
                let texts = columns
                    .get(index)
                    .into_iter()
                    .flat_map(|column| (0..rows.min(SAMPLE_ROWS)).map(|row| column.text(row).chars().take(60).count()));
                texts.max().unwrap_or(0)
            };
            let of_column = |(index, field): (usize, &arrow::datatypes::FieldRef)| {
                // Bold letters and the button of the filter take room.
                let header = field.name().chars().count() + 4;
                header.max(widest(index) + 2).clamp(8, 60)
            };
            schema.fields().iter().enumerate().map(of_column).collect()
        });
        let widths = widths.clone();
        self.sheets += 1;
        self.package.begin(&format!("xl/worksheets/sheet{}.xml", self.sheets))?;
        self.sheet_rows = 0;
        self.sheet_bytes = 0;
        self.open_sheet("<pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>", &widths);
        self.sheet_rows = 1;
        self.xml.push_str("<row r=\"1\">");
        for (index, field) in schema.fields().iter().enumerate() {
            let _ = push_text(&mut self.xml, index, 1, field.name(), Style::Header);
        }
        self.xml.push_str("</row>");
        Ok(())
    }

    fn open_sheet(&mut self, pane: &str, widths: &[usize]) {
        let selected = if self.sheets == 1 { " tabSelected=\"1\"" } else { "" };
        let _ = write!(
            self.xml,
            "{DECLARATION}<worksheet xmlns=\"{MAIN}\"><sheetPr><pageSetUpPr fitToPage=\"1\"/></sheetPr>\
             <sheetViews><sheetView{selected} workbookViewId=\"0\">{pane}</sheetView></sheetViews>\
             <sheetFormatPr defaultRowHeight=\"15\"/>"
        );
        if !widths.is_empty() {
            self.xml.push_str("<cols>");
            for (number, width) in (1..).zip(widths) {
                let _ = write!(self.xml, r#"<col min="{number}" max="{number}" width="{width}" customWidth="1"/>"#);
            }
            self.xml.push_str("</cols>");
        }
        self.xml.push_str("<sheetData>");
    }

    fn close_sheet(&mut self) -> Result<()> {
        self.xml.push_str("</sheetData>");
        if let Some(last) = self.schema.fields().len().checked_sub(1) {
            let _ = write!(self.xml, "<autoFilter ref=\"A1:{}{}\"/>", ColumnName(last), self.sheet_rows);
        }
        self.xml.push_str("<pageSetup orientation=\"landscape\" fitToHeight=\"0\"/></worksheet>");
        self.send()
    }

    fn write_row(&mut self, columns: &[Column<'_>], row: usize) -> Result<()> {
        self.sheet_rows += 1;
        let number = self.sheet_rows;
        let _ = write!(self.xml, "<row r=\"{number}\">");
        for (index, column) in columns.iter().enumerate() {
            match column.cell(row) {
                Cell::Null => {}
                Cell::Boolean(value) => {
                    let _ = write!(
                        self.xml,
                        r#"<c r="{}{number}" t="b"><v>{}</v></c>"#,
                        ColumnName(index),
                        u8::from(value)
                    );
                }
                Cell::Number(text, style) => {
                    let name = ColumnName(index);
                    let _ = write!(self.xml, r#"<c r="{name}{number}" s="{}"><v>{text}</v></c>"#, style.index());
                }
                Cell::Text(text) => {
                    if push_text(&mut self.xml, index, number, &text, Style::Text) == Held::InPart {
                        self.cut_cells += 1;
                    }
                }
            }
        }
        self.xml.push_str("</row>");
        self.rows += 1;
        self.spill()
    }

    fn write_about(&mut self, sheets: usize) -> Result<()> {
        self.sheets += 1;
        self.package.begin(&format!("xl/worksheets/sheet{}.xml", self.sheets))?;
        self.open_sheet("", &[24, 110]);
        let own = [
            ("Rows".to_owned(), self.rows.to_string()),
            ("Sheets of rows".to_owned(), sheets.to_string()),
            ("Time zone of dates with a time".to_owned(), self.zone.name().to_owned()),
            ("Written by".to_owned(), concat!("sessionlake ", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        let mut about = std::mem::take(&mut self.about);
        if self.cut_cells > 0 {
            let says = format!(
                "{}, each longer than the {CELL_UNITS} characters that a cell holds; it ends with {CUT} and its length. csv holds all of it.",
                self.cut_cells
            );
            about.insert(0, ("Texts that are cut".to_owned(), says));
        }
        let mut row = 0;
        for (name, value) in about.iter().chain(&own) {
            let mut label = name.as_str();
            for piece in pieces(value) {
                row += 1;
                let _ = write!(self.xml, "<row r=\"{row}\">");
                if !label.is_empty() {
                    let _ = push_text(&mut self.xml, 0, row, label, Style::Header);
                }
                let _ = push_text(&mut self.xml, 1, row, piece, Style::Wrapped);
                self.xml.push_str("</row>");
                self.spill()?;
                // A value too long for one cell goes on below it.
                label = "";
            }
        }
        self.xml.push_str("</sheetData><pageSetup orientation=\"landscape\" fitToHeight=\"0\"/></worksheet>");
        self.send()
    }
}

impl ResultWriter for XlsxWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.schema, batch)?;
        let arrays: Vec<ArrayRef> = batch.columns().iter().map(unpacked).collect();
        let columns: Vec<Column<'_>> = arrays.iter().map(|array| Column::new(array, self.zone)).collect();
        for row in 0..batch.num_rows() {
            let is_full =
                self.sheet_rows >= self.limits.rows || self.sheet_bytes + self.xml.len() as u64 >= self.limits.bytes;
            if self.sheets == 0 || is_full {
                if self.sheets > 0 {
                    self.close_sheet()?;
                }
                self.begin_sheet(&columns, batch.num_rows())?;
            }
            self.write_row(&columns, row)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        if self.sheets == 0 {
            self.begin_sheet(&[], 0)?;
        }
        self.close_sheet()?;
        let of_rows = self.sheets;
        self.write_about(of_rows)?;
        let mut names = vec!["Result".to_owned()];
        names.extend((2..=of_rows).map(|number| format!("Result {number}")));
        names.push("About".to_owned());
        let Self { mut package, state, rows, cut_cells, .. } = *self;
        package.part("xl/workbook.xml", &style::workbook(&names))?;
        package.part("xl/_rels/workbook.xml.rels", &style::workbook_relations(names.len()))?;
        package.part("xl/styles.xml", &style::styles())?;
        package.part("[Content_Types].xml", &style::content_types(names.len()))?;
        package.finish()?;
        Ok(Written { rows, bytes: state.bytes(), cut_cells })
    }
}

/// The letters of a column: A for 0, AA for 26.
struct ColumnName(usize);

impl std::fmt::Display for ColumnName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(before) = (self.0 / 26).checked_sub(1) {
            Self(before).fmt(f)?;
        }
        f.write_char(char::from(b'A' + (self.0 % 26) as u8))
    }
}

/// How much of a text its cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Whole,
    InPart,
}

/// What the mark at the end of a text that is cut begins with.
const CUT: &str = "[cut:";

/// Appends a cell with a text in it, or with as much of it as a cell holds and a mark behind.
fn push_text(xml: &mut String, column: usize, row: u32, text: &str, style: Style) -> Held {
    let _ = write!(
        xml,
        r#"<c r="{}{row}" s="{}" t="inlineStr"><is><t xml:space="preserve">"#,
        ColumnName(column),
        style.index()
    );
    let held = match cut(text) {
        None => {
            push_escaped(xml, text);
            Held::Whole
        }
        Some((kept, mark)) => {
            push_escaped(xml, kept);
            push_escaped(xml, &mark);
            Held::InPart
        }
    };
    xml.push_str("</t></is></c>");
    held
}

/// Cuts a text that is longer than a cell: what is kept, and the mark behind it. None where all of it fits.
fn cut(text: &str) -> Option<(&str, String)> {
    // A character has at least as many bytes as units, so most texts need no counting.
    if text.len() <= CELL_UNITS {
        return None;
    }
    let units = text.encode_utf16().count();
    if units <= CELL_UNITS {
        return None;
    }
    let mark = format!(" … {CUT} {units} characters]");
    let mut left = CELL_UNITS.saturating_sub(mark.encode_utf16().count());
    let end = text.char_indices().find_map(|(place, character)| match left.checked_sub(character.len_utf16()) {
        Some(less) => {
            left = less;
            None
        }
        None => Some(place),
    });
    let kept = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    Some((kept, mark))
}

/// Appends text as XML. Characters that XML cannot have are written as Excel does, `_x0007_`; text that looks like that has its
/// first `_` written so.
fn push_escaped(xml: &mut String, text: &str) {
    for (place, character) in text.char_indices() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\t' | '\n' => xml.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(xml, "_x{:04X}_", u32::from(character));
            }
            '_' if looks_escaped(text.as_bytes().get(place..).unwrap_or_default()) => xml.push_str("_x005F_"),
            other => xml.push(other),
        }
    }
}

fn looks_escaped(bytes: &[u8]) -> bool {
    matches!(bytes, [b'_', b'x', a, b, c, d, b'_', ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()))
}

/// Cuts a text into pieces that a cell holds; at least one.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        // A character is one or two units, so this many of them always fit.
        let end = text.char_indices().nth(CELL_UNITS / 2).map_or(text.len(), |(place, _)| place);
        let (piece, after) = text.split_at_checked(end)?;
        rest = (!after.is_empty()).then_some(after);
        Some(piece)
    })
}

//! Reads a sheet of a workbook: XLSX, and OpenDocument spreadsheets.
//!
//! Of a workbook one sheet is read: the one that is named, or else the first in which a row names columns; a note tells of the others.
//! The header is the first such row. What a row has becomes a list of values as JSON, and goes the way of JSON from there on, so that
//! a row in quarantine can be read and replayed.
//!
//! The parts of a workbook are read here from zip and XML, and not by a library for workbooks. The one there is turns every number
//! into a float, so that of an id of 17 digits the last are lost although the file has them; it refuses a file for a kind of error that
//! it does not know; and it holds a spreadsheet as a whole in memory, with every row that stands for many. Here rows come one by one;
//! only the texts that the sheets of an XLSX workbook share are in memory.

mod cells;
mod ods;
mod package;
mod xlsx;
mod xml;

#[cfg(test)]
pub(super) mod tests;

use std::fs::File;
use std::sync::Arc;

use self::cells::Odd;
use self::package::{Kind, Package};
use self::xlsx::Workbook;
use super::applies::check;
use super::cut::{BLOCK_BYTES, KEPT_BYTES, Span, TextBlock};
use super::folders::FolderColumns;
use super::formats::InputFormat;
use super::layout::Layout;
use super::lists::{name_columns, name_required};
use super::source::ReadOptions;
use super::values::quoted;
use crate::error::{Error, Place, Result};
use crate::schema::COLUMNS;

/// Columns that a sheet has at most.
const MAX_COLUMNS: u32 = 16_384;

/// Cells of a row at most.
const MAX_CELLS: usize = 16_384;

/// Bytes of text that a row may have: a row is in memory as a whole.
const MAX_ROW_BYTES: usize = 64 << 20;

/// What stands for the value of a formula that no program has computed.
const UNCOMPUTED: &str = "a formula that was not computed";

/// Rows with something in them that are searched for the names of columns.
const SEARCHED_ROWS: usize = 100;

/// Sheets that are searched, and counted for the note that tells of them.
const SEARCHED_SHEETS: usize = 64;

/// A row with cells.
#[derive(Debug, Clone)]
struct SheetRow {
    /// From 1, as the sheet numbers it.
    number: u64,
    /// Columns, from 0, and what stands in them.
    cells: Vec<(u32, Value)>,
}

impl SheetRow {
    fn is_empty(&self) -> bool {
        self.cells.iter().all(|(_, value)| value.is_empty())
    }
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    /// A number, by its digits in the file.
    Number(String),
    /// Days since the origin of dates of 1900, or of a length of time.
    Days {
        days: f64,
        is_elapsed: bool,
    },
    /// A date, with a time or without, in ISO 8601.
    Time(String),
    /// A length of time in ISO 8601.
    Length(String),
    Boolean(bool),
    /// An error of the spreadsheet, as `#NAME?`.
    Error(String),
}

impl Value {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// Counts the bytes of its text, and those that any cell takes.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) | Self::Number(text) | Self::Time(text) | Self::Length(text) | Self::Error(text) => {
                    text.len()
                }
                Self::Days { .. } | Self::Boolean(_) => 0,
            }
    }

    /// Returns the value as the name of a column.
    fn name(&self) -> String {
        match self {
            Self::Text(text) | Self::Time(text) | Self::Length(text) | Self::Error(text) => text.trim().to_owned(),
            Self::Number(digits) => cells::number_of(digits).unwrap_or_else(|| digits.clone()),
            Self::Days { days, .. } => days.to_string(),
            Self::Boolean(value) => value.to_string(),
        }
    }
}

/// The sheets of a workbook.
enum Book {
    Xlsx(Workbook),
    Ods,
}

enum Rows {
    Xlsx(Box<xlsx::Rows>),
    Ods(Box<ods::Rows>),
}

/// Cells that are merged into one: the column and the row of the first, and those of the last.
#[derive(Debug, Clone, Copy)]
struct Merged {
    first: (u32, u64),
    last: (u32, u64),
}

/// Groups of merged cells that are looked at.
const MAX_MERGED: usize = 100_000;

impl Rows {
    /// Lists merged cells; called behind the last row.
    fn merged(&mut self) -> Vec<Merged> {
        match self {
            Self::Xlsx(rows) => rows.merged(),
            Self::Ods(rows) => std::mem::take(&mut rows.merged),
        }
    }

    fn next(&mut self) -> Result<Option<SheetRow>> {
        match self {
            Self::Xlsx(rows) => rows.next(),
            Self::Ods(rows) => rows.next(),
        }
    }
}

/// The columns of a sheet that have names: their numbers, and the names.
type Header = Vec<(u32, String)>;

/// What the first rows of a sheet are.
enum Start {
    /// The header, its row, and whether it names all columns that no session lacks.
    Header(Header, u64, bool),
    /// No row names columns: the first that has something in it.
    None(SheetRow),
    Empty,
}

/// A sheet under way.
pub(super) struct SheetInput {
    package: Package,
    book: Book,
    names: Vec<String>,
    index: usize,
    rows: Rows,
    layout: Arc<Layout>,
    /// The column of the sheet that each name of the layout is of.
    columns: Vec<u32>,
    /// The number of the row with the header, or of the last before the records.
    header_row: u64,
    options: ReadOptions,
    odd: Odd,
    is_at_end: bool,
}

impl SheetInput {
    /// Opens a zip as a workbook and reads the header of its sheet; `None` is a zip of another kind.
    pub(super) fn open(
        file: File,
        name: &str,
        options: &ReadOptions,
        folders: &FolderColumns,
    ) -> Result<Option<(Self, InputFormat)>> {
        let package = Package::open(file, name)?;
        let (book, format) = match package.kind()? {
            None => return Ok(None),
            Some(Kind::Other(what, hint)) => {
                let message = format!("is {what}, which is not read");
                return Err(Error::input(Place::file(name), message).with_hint(hint));
            }
            Some(Kind::Xlsx) => (Book::Xlsx(Workbook::open(&package)?), InputFormat::Xlsx),
            Some(Kind::Ods) => (Book::Ods, InputFormat::Ods),
        };
        if options.format.is_some_and(|declared| declared != format) {
            let what = if format == InputFormat::Ods { "an OpenDocument spreadsheet" } else { "an XLSX workbook" };
            let message = format!("is {what}, which is declared to be something else");
            return Err(Error::input(Place::file(name), message).with_hint("leave out ⟨input-format⟩"));
        }
        check(format, options, name)?;
        let names = match &book {
            Book::Xlsx(book) => book.names(),
            Book::Ods => ods::names(&package)?,
        };
        let index = match &options.sheet {
            Some(wanted) => named(&names, wanted, name)?,
            None => 0,
        };
        let mut chosen = None;
        let mut partial = None;
        let mut fallback = None;
        let last = if options.sheet.is_some() { index + 1 } else { names.len().min(SEARCHED_SHEETS) };
        for index in index..last {
            match start_of(&mut open(&package, &book, index)?, options)? {
                Start::Header(header, number, true) => {
                    chosen = Some((index, header, number));
                    break;
                }
                // A cover sheet may have a word that is also the name of a column.
                Start::Header(header, number, false) => partial = partial.or(Some((index, header, number))),
                Start::None(row) => fallback = fallback.or(Some((index, row))),
                Start::Empty => {}
            }
        }
        let (index, header, number) = match (chosen.or(partial), fallback) {
            (Some(chosen), _) => chosen,
            (None, Some((index, row))) if !options.declared.columns.is_empty() => {
                let columns = (0..).zip(options.declared.columns.iter().cloned()).collect();
                (index, columns, row.number.saturating_sub(1))
            }
            (None, Some((index, row))) if COLUMNS.iter().filter(|it| it.required).all(|it| folders.give(it.name)) => {
                let columns = row.cells.iter().map(|(column, value)| (*column, value.name())).collect();
                (index, columns, row.number)
            }
            (None, Some((index, row))) => return Err(without_header(name, &names, index, &row)),
            (None, None) => {
                let what = match &options.sheet {
                    Some(_) => format!("sheet {:?} has no rows", names.get(index).map_or("", String::as_str)),
                    None => "the workbook has no rows".to_owned(),
                };
                return Err(Error::input(Place::file(name), what));
            }
        };
        let (columns, headers): (Vec<u32>, Vec<String>) = header.into_iter().unzip();
        let place = if number == 0 { Place::file(name) } else { Place::file(name).line(number) };
        let layout = Layout::new(&headers, &options.header_map, folders, place)?;
        let input = Self {
            rows: open(&package, &book, index)?,
            package,
            book,
            names,
            index,
            layout: Arc::new(layout),
            columns,
            header_row: number,
            options: options.clone(),
            odd: Odd::default(),
            is_at_end: false,
        };
        Ok(Some((input, format)))
    }

    /// Lists the names of the sheets that are not read.
    pub(super) fn others(&self) -> Vec<String> {
        let others = self.names.iter().enumerate().filter(|(index, _)| *index != self.index);
        others.map(|(_, name)| name.clone()).collect()
    }

    /// Returns the names of the columns.
    pub(super) fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.layout)
    }

    /// Returns the part of the sheet that has been read, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        match &self.rows {
            _ if self.is_at_end => 1.0,
            Rows::Xlsx(rows) => rows.progress(),
            Rows::Ods(rows) => rows.progress(),
        }
    }

    /// Returns the next records, or `None` at the end.
    pub(super) fn next_block(&mut self) -> Result<Option<TextBlock>> {
        let mut text = String::new();
        let mut spans = Vec::new();
        while text.len() < BLOCK_BYTES && !self.is_at_end {
            let Some(row) = self.rows.next()? else {
                self.is_at_end = true;
                self.see_merged();
                break;
            };
            if row.number <= self.header_row {
                continue;
            }
            let start = text.len();
            if !self.push_record(&mut text, &row) {
                text.truncate(start);
                continue;
            }
            let bytes = text.len() - start;
            let truncated = bytes > self.options.max_record_bytes;
            let fault = truncated.then(|| {
                let kept = (start..=start + KEPT_BYTES.min(bytes)).rev().find(|end| text.is_char_boundary(*end));
                text.truncate(kept.unwrap_or(start));
                format!("the record has {bytes} bytes, more than a record may have")
            });
            spans.push(Span { start, end: text.len(), line: row.number, fault, truncated });
        }
        let block = TextBlock { bytes: text.into_bytes(), spans, offset: 0, layout: Some(self.layout()) };
        Ok(if block.spans.is_empty() { None } else { Some(block) })
    }

    /// Notes cells of records that are merged with others of our columns.
    fn see_merged(&mut self) {
        for Merged { first, last } in self.rows.merged() {
            let columns = self.columns.iter().zip(&self.layout.headers.names);
            let mut named = columns.filter(|(column, _)| (first.0..=last.0).contains(*column)).map(|(_, name)| name);
            let rows = last.1 - first.1.max(self.header_row + 1).min(last.1);
            let Some(header) = named.next() else { continue };
            if last.1 > self.header_row && (rows > 0 || named.next().is_some()) {
                self.odd.see_merged(header, first.1);
            }
        }
    }

    /// Writes a row as a list of values; returns whether it has any.
    fn push_record(&mut self, text: &mut String, row: &SheetRow) -> bool {
        let mut has_values = false;
        let headers = &self.layout.headers;
        let mut left = row.cells.iter().filter(|(_, value)| !value.is_empty()).count() as u64;
        text.push('[');
        for (at, (column, (name, target))) in
            self.columns.iter().zip(headers.names.iter().zip(&headers.matches)).enumerate()
        {
            if at > 0 {
                text.push(',');
            }
            // The cells of a row stand in the order of the header, mostly in the same places.
            let same = row.cells.get(at).filter(|(at, _)| at == column);
            let cell = same.or_else(|| row.cells.iter().rev().find(|(at, _)| at == column));
            match cell.filter(|(_, value)| !value.is_empty()) {
                Some((_, value)) => {
                    left = left.saturating_sub(1);
                    has_values = true;
                    cells::push(text, value, *target, name, &self.options.declared, &mut self.odd);
                }
                None => text.push_str("null"),
            }
        }
        text.push(']');
        self.odd.outside += left;
        has_values
    }

    /// Says what a person should know of the workbook, a sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut others = Vec::new();
        for (index, name) in self.names.iter().enumerate().filter(|(index, _)| *index != self.index) {
            if index >= SEARCHED_SHEETS {
                others.push(format!("and {} more", self.names.len() - index));
                break;
            }
            match open(&self.package, &self.book, index).and_then(|mut rows| count(&mut rows)) {
                Ok(0) => {}
                Ok(1) => others.push(format!("{name:?} (1 row)")),
                Ok(rows) => others.push(format!("{name:?} ({rows} rows)")),
                Err(_) => others.push(format!("{name:?} (damaged)")),
            }
        }
        if !others.is_empty() {
            let name = self.names.get(self.index).map_or("", String::as_str);
            let others = others.join(", ");
            notes.push(format!("sheet {name:?} is read; left out: {others}; ⟨sheet⟩ NAME reads another"));
        }
        notes.extend(self.odd.notes());
        notes
    }
}

fn count(rows: &mut Rows) -> Result<u64> {
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += u64::from(!row.is_empty());
    }
    Ok(count)
}

fn open(package: &Package, book: &Book, index: usize) -> Result<Rows> {
    Ok(match book {
        Book::Xlsx(book) => Rows::Xlsx(Box::new(book.rows(package, index)?)),
        Book::Ods => Rows::Ods(Box::new(ods::Rows::open(package, index)?)),
    })
}

/// Finds a sheet by its name, or by its number from 1.
fn named(names: &[String], wanted: &str, file: &str) -> Result<usize> {
    let by_name = |same: &dyn Fn(&str) -> bool| names.iter().position(|name| same(name));
    by_name(&|name| name == wanted)
        .or_else(|| by_name(&|name| name.trim().to_lowercase() == wanted.trim().to_lowercase()))
        .or_else(|| wanted.trim().parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < names.len()))
        .ok_or_else(|| {
            Error::input(Place::file(file), format!("has no sheet {wanted:?}"))
                .with_hint(format!("its sheets are {}", listed(names)))
        })
}

fn listed(names: &[String]) -> String {
    names.iter().take(SEARCHED_SHEETS).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Looks for the header among the first rows of a sheet.
fn start_of(rows: &mut Rows, options: &ReadOptions) -> Result<Start> {
    let mut first = None;
    let mut partial = None;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        if row.number <= options.declared.skip_lines || row.is_empty() {
            continue;
        }
        if options.declared.columns.is_empty() {
            let named = row.cells.iter().filter(|(_, value)| !value.is_empty());
            let mut header: Header = named.map(|(column, value)| (*column, value.name())).collect();
            header.sort_by_key(|(column, _)| *column);
            let names: Vec<&str> = header.iter().map(|(_, name)| name.as_str()).collect();
            if name_required(&names, &options.header_map) {
                return Ok(Start::Header(header, row.number, true));
            }
            if partial.is_none() && name_columns(&names, &options.header_map) {
                partial = Some(Start::Header(header, row.number, false));
            }
        }
        seen += 1;
        if seen == SEARCHED_ROWS || !options.declared.columns.is_empty() {
            return Ok(partial.unwrap_or(Start::None(first.unwrap_or(row))));
        }
        first = first.or(Some(row));
    }
    Ok(partial.unwrap_or(first.map_or(Start::Empty, Start::None)))
}

fn without_header(file: &str, names: &[String], index: usize, row: &SheetRow) -> Error {
    let cells: Vec<String> = row.cells.iter().take(20).map(|(_, value)| quoted(&value.name())).collect();
    let sheet = names.get(index).map_or("", String::as_str);
    let message = format!("no row of sheet {sheet:?} names columns; its first is {}", cells.join(", "));
    let others =
        if names.len() > 1 { format!("; ⟨sheet⟩ reads another of {}", listed(names)) } else { String::new() };
    Error::input(Place::file(file).line(row.number), message).with_hint(format!(
        "⟨map⟩ \"Their Header=session_id\" says which column one is, and ⟨columns⟩ session_id,started_at,… names those of a \
         sheet without a header{others}"
    ))
}

/// Refuses a workbook with a password.
pub(super) fn with_password(file: &str) -> Error {
    Error::input(Place::file(file), "is a workbook with a password, and none are taken here")
        .with_hint("save it without a password, or as CSV in UTF-8")
}

/// Returns the name of what stands in the container of older office programs, by the names of its streams; `directory` is what follows
/// the start of its list of them.
pub(super) fn told_container(directory: &[u8]) -> Option<&'static str> {
    let has = |name: &str| {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(directory, &units).is_some()
    };
    match () {
        () if has("EncryptedPackage") => Some("password"),
        () if has("Workbook") || has("Book") => Some("an Excel workbook of the old kind (.xls)"),
        () if has("WordDocument") => Some("a Word document of the old kind (.doc)"),
        () => None,
    }
}

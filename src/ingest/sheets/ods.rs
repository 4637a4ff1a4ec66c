//! Sheets of OpenDocument spreadsheets: all in one part, read front to back.

use quick_xml::events::{BytesStart, Event};

use super::package::Package;
use super::xml::{Xml, attribute, attributes, push_text};
use super::{MAX_CELLS, MAX_COLUMNS, MAX_MERGED, MAX_ROW_BYTES, Merged, SheetRow, UNCOMPUTED, Value};
use crate::error::Result;

/// Rows that a sheet has at most.
const MAX_ROWS: u64 = 1_048_576;

/// Sheets that are looked at.
const MAX_SHEETS: usize = 1000;

const CONTENT: &str = "content.xml";

/// Lists the names of the sheets.
pub(super) fn names(package: &Package) -> Result<Vec<String>> {
    // A part that says that others are encrypted leaves those unreadable.
    if let Some(mut manifest) = package.xml("META-INF/manifest.xml")? {
        loop {
            match manifest.next()? {
                Event::Start(start) if start.local_name().as_ref() == b"encryption-data" => {
                    return Err(super::with_password(package.name()));
                }
                Event::Eof => break,
                _ => {}
            }
        }
    }
    let mut names = Vec::new();
    let mut xml = content(package)?;
    while let Some(name) = next_table(&mut xml)? {
        if names.len() == MAX_SHEETS {
            return Err(package.broken(&format!("it has more than {MAX_SHEETS} sheets")));
        }
        names.push(name);
        xml.skip(b"table")?;
    }
    Ok(names)
}

fn content(package: &Package) -> Result<Xml> {
    package.needed(CONTENT, u64::MAX)
}

/// Reads up to the start of the next sheet; returns its name.
fn next_table(xml: &mut Xml) -> Result<Option<String>> {
    loop {
        let found = match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == b"table" => {
                attribute(&start, b"name").unwrap_or_default()
            }
            Event::Eof => return Ok(None),
            _ => continue,
        };
        // What was copied from other files to compute with is no sheet.
        if found.contains("'#$") {
            xml.skip(b"table")?;
            continue;
        }
        return Ok(Some(found));
    }
}

/// The rows of a sheet under way.
pub(super) struct Rows {
    xml: Xml,
    /// The number of the row that came last, from 1.
    number: u64,
    /// A row that stands for several, and how many of them are not handed out.
    repeated: Option<(SheetRow, u64)>,
    /// Merged cells so far.
    pub(super) merged: Vec<Merged>,
}

impl Rows {
    /// Opens a sheet by its number, from 0.
    pub(super) fn open(package: &Package, index: usize) -> Result<Self> {
        let mut xml = content(package)?;
        for _ in 0..index {
            next_table(&mut xml)?;
            xml.skip(b"table")?;
        }
        next_table(&mut xml)?;
        Ok(Self { xml, number: 0, repeated: None, merged: Vec::new() })
    }

    /// Returns the part of the sheet that has been read, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        self.xml.progress()
    }

    /// Reads the next row that has cells.
    pub(super) fn next(&mut self) -> Result<Option<SheetRow>> {
        if let Some((row, left)) = &mut self.repeated {
            *left -= 1;
            self.number += 1;
            let row = SheetRow { number: self.number, cells: row.cells.clone() };
            if *left == 0 {
                self.repeated = None;
            }
            return Ok(Some(row));
        }
        loop {
            let repeats = match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == b"table-row" => {
                    repeats(&start, b"number-rows-repeated").min(MAX_ROWS.saturating_sub(self.number))
                }
                // A table inside of a cell has no rows of the sheet.
                Event::Start(start) if start.local_name().as_ref() == b"table" => {
                    self.xml.skip(b"table")?;
                    continue;
                }
                Event::End(end) if end.local_name().as_ref() == b"table" => return Ok(None),
                Event::Eof => return Err(self.xml.broken(&"a sheet ends early")),
                _ => continue,
            };
            let cells = self.row()?;
            if cells.is_empty() || repeats == 0 {
                self.number = self.number.saturating_add(repeats);
                continue;
            }
            self.number += 1;
            let row = SheetRow { number: self.number, cells };
            if repeats > 1 {
                self.repeated = Some((SheetRow { number: 0, cells: row.cells.clone() }, repeats - 1));
            }
            return Ok(Some(row));
        }
    }

    fn row(&mut self) -> Result<Vec<(u32, Value)>> {
        let mut cells = Vec::new();
        let (mut column, mut bytes) = (0_u32, 0);
        loop {
            let (tag, element) = match self.xml.next()? {
                Event::Start(start) if matches!(start.local_name().as_ref(), b"table-cell" | b"covered-table-cell") => {
                    (Tag::of(&start), start.local_name().as_ref().to_vec())
                }
                Event::End(end) if end.local_name().as_ref() == b"table-row" => return Ok(cells),
                Event::Eof => return Err(self.xml.broken(&"a sheet ends early")),
                _ => continue,
            };
            let text = self.cell_text(&element)?;
            if tag.spans != (1, 1) && self.merged.len() < MAX_MERGED {
                let first = (column, self.number.saturating_add(1));
                let last = (first.0.saturating_add(tag.spans.0 - 1), first.1.saturating_add(tag.spans.1 - 1));
                self.merged.push(Merged { first, last });
            }
            let value = tag.value(text);
            let Some(value) = value else {
                column = column.saturating_add(tag.repeats);
                continue;
            };
            for _ in 0..tag.repeats {
                bytes += value.bytes();
                if column >= MAX_COLUMNS || cells.len() >= MAX_CELLS || bytes > MAX_ROW_BYTES {
                    let number = self.number + 1;
                    return Err(self.xml.broken(&format!("row {number} has more cells or text than a row of a sheet")));
                }
                cells.push((column, value.clone()));
                column += 1;
            }
        }
    }

    /// Reads the paragraphs of a cell; notes and drawings on it are left out.
    fn cell_text(&mut self, element: &[u8]) -> Result<String> {
        let mut text = String::new();
        let (mut paragraphs, mut inside) = (0_u64, 0_u64);
        loop {
            let skipped = match self.xml.next()? {
                Event::Start(start) => match start.name().as_ref() {
                    b"text:p" => {
                        if inside == 0 && paragraphs > 0 {
                            text.push('\n');
                        }
                        paragraphs += 1;
                        inside += 1;
                        continue;
                    }
                    b"text:s" => {
                        let blanks = attribute(&start, b"c").and_then(|count| count.parse().ok()).unwrap_or(1);
                        text.extend(std::iter::repeat_n(' ', std::cmp::min(blanks, 1 << 16)));
                        continue;
                    }
                    b"text:tab" => {
                        text.push('\t');
                        continue;
                    }
                    b"text:line-break" => {
                        text.push('\n');
                        continue;
                    }
                    b"office:annotation" => b"annotation".to_vec(),
                    b"table:table" => b"table".to_vec(),
                    name if name.starts_with(b"draw:") => start.local_name().as_ref().to_vec(),
                    _ => continue,
                },
                Event::End(end) if end.name().as_ref() == b"text:p" => {
                    inside = inside.saturating_sub(1);
                    continue;
                }
                Event::End(end) if end.local_name().as_ref() == element => return Ok(text),
                Event::Eof => return Err(self.xml.broken(&"a sheet ends early")),
                event => {
                    if inside > 0 {
                        push_text(&mut text, &event);
                    }
                    if text.len() > MAX_ROW_BYTES {
                        return Err(self.xml.broken(&"a cell has more text than a row of a sheet"));
                    }
                    continue;
                }
            };
            self.xml.skip(&skipped)?;
        }
    }
}

fn repeats(element: &BytesStart<'_>, name: &[u8]) -> u64 {
    attribute(element, name).and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// A cell as its tag describes it.
#[derive(Default)]
struct Tag {
    kind: String,
    number: Option<String>,
    time: Option<String>,
    text: Option<String>,
    boolean: Option<String>,
    is_error: bool,
    is_formula: bool,
    repeats: u32,
    /// Columns and rows that it is merged over, at least one of each.
    spans: (u32, u64),
}

impl Tag {
    fn of(start: &BytesStart<'_>) -> Self {
        let mut tag = Self { repeats: 1, spans: (1, 1), ..Self::default() };
        for (key, value) in attributes(start) {
            match key.as_slice() {
                // The one of the program that wrote it tells errors, which the standard has not.
                b"value-type" if value == "error" => tag.is_error = true,
                b"value-type" => tag.kind = value,
                b"value" => tag.number = Some(value),
                b"formula" => tag.is_formula = true,
                b"date-value" | b"time-value" => tag.time = Some(value),
                b"string-value" => tag.text = Some(value),
                b"boolean-value" => tag.boolean = Some(value),
                b"number-columns-spanned" => tag.spans.0 = value.parse().unwrap_or(1).clamp(1, MAX_COLUMNS),
                b"number-rows-spanned" => tag.spans.1 = value.parse().unwrap_or(1).clamp(1, MAX_ROWS),
                b"number-columns-repeated" => tag.repeats = value.parse().unwrap_or(1).clamp(1, MAX_COLUMNS),
                _ => {}
            }
        }
        tag
    }

    fn value(&self, shown: String) -> Option<Value> {
        if self.is_error {
            return Some(Value::Error(shown));
        }
        match self.kind.as_str() {
            "float" | "percentage" | "currency" => self.number.clone().map(Value::Number),
            "date" => self.time.clone().map(Value::Time),
            "time" => self.time.clone().map(Value::Length),
            "boolean" => self.boolean.as_deref().map(|value| Value::Boolean(value.eq_ignore_ascii_case("true"))),
            // Blanks and line ends of an attribute come out of XML as blanks.
            "string" => Some(Value::Text(match &self.text {
                Some(text) if !text.split_whitespace().eq(shown.split_whitespace()) => text.clone(),
                _ => shown,
            })),
            _ if shown.is_empty() && self.is_formula => Some(Value::Error(UNCOMPUTED.to_owned())),
            // Without a kind a cell has nothing but its shape.
            _ if shown.is_empty() => None,
            _ => Some(Value::Text(shown)),
        }
    }
}

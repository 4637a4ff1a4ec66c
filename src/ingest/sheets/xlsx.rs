//! Sheets of XLSX workbooks.
//!
//! Texts that sheets share are in memory, and the rows of a sheet are read one by one.

use std::sync::Arc;

use quick_xml::events::Event;

use super::package::Package;
use super::xml::{Xml, attribute, attributes};
use super::{MAX_CELLS, MAX_COLUMNS, MAX_MERGED, MAX_ROW_BYTES, Merged, SheetRow, UNCOMPUTED, Value};
use crate::error::Result;

/// Bytes that the part with shared texts may have: the texts are in memory.
const MAX_STRINGS_BYTES: u64 = 512 << 20;

/// Bytes that the lists of sheets and of styles may have.
const MAX_LIST_BYTES: u64 = 64 << 20;

const DAY_MS: f64 = 86_400_000.0;

/// Days between the origins of the two systems of dates.
const DAYS_OF_1904: f64 = 1462.0;

/// What a number is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Number,
    /// A date, a time or both.
    Time,
    /// A length of time: hours that go on beyond 24.
    Elapsed,
}

/// A workbook: its sheets, and what they share.
pub(super) struct Workbook {
    /// Names of sheets, and the parts that they are in.
    sheets: Vec<(String, String)>,
    strings: Arc<Strings>,
    styles: Arc<Vec<Shown>>,
    is_1904: bool,
}

/// The texts that the sheets share, one behind the other.
#[derive(Default)]
struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Strings {
    fn get(&self, index: usize) -> Option<&str> {
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..*self.ends.get(index)?)
    }
}

impl Workbook {
    /// Reads everything but the sheets.
    pub(super) fn open(package: &Package) -> Result<Self> {
        let main = target(package, "_rels/.rels", "", |kind| kind == "officeDocument")?;
        let main = main.into_iter().next().map_or_else(|| "xl/workbook.xml".to_owned(), |(_, part)| part);
        let (folder, file) = main.rsplit_once('/').unwrap_or(("", &main));
        let links = format!("{folder}/_rels/{file}.rels");
        let of_kind = |wanted: &str| target(package, &links, folder, |kind| kind == wanted);
        let worksheets = of_kind("worksheet")?;
        let mut xml = package.needed(&main, MAX_LIST_BYTES)?;
        let (mut sheets, mut is_1904) = (Vec::new(), false);
        loop {
            match xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == b"sheet" => {
                    let (mut name, mut link) = (String::new(), String::new());
                    for (key, value) in attributes(&start) {
                        match key.as_slice() {
                            b"name" => name = value,
                            b"id" => link = value,
                            _ => {}
                        }
                    }
                    // Sheets of charts are none that has rows.
                    if let Some((_, part)) = worksheets.iter().find(|(id, _)| *id == link) {
                        sheets.push((name, part.clone()));
                    }
                }
                Event::Start(start) if start.local_name().as_ref() == b"workbookPr" => {
                    is_1904 = matches!(attribute(&start, b"date1904").as_deref(), Some("1" | "true"));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let styles = match of_kind("styles")?.into_iter().next() {
            Some((_, part)) => styles(package.needed(&part, MAX_LIST_BYTES)?)?,
            None => Vec::new(),
        };
        let strings = match of_kind("sharedStrings")?.into_iter().next() {
            Some((_, part)) => strings(package.needed(&part, MAX_STRINGS_BYTES)?)?,
            None => Strings::default(),
        };
        Ok(Self { sheets, strings: Arc::new(strings), styles: Arc::new(styles), is_1904 })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.sheets.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Opens a sheet by its number, from 0.
    pub(super) fn rows(&self, package: &Package, index: usize) -> Result<Rows> {
        let (name, part) = self.sheets.get(index).ok_or_else(|| package.broken(&"a sheet is missing"))?;
        let xml = package.xml(part)?.ok_or_else(|| package.broken(&format!("sheet {name:?} has no part {part:?}")))?;
        Ok(Rows {
            xml,
            strings: Arc::clone(&self.strings),
            styles: Arc::clone(&self.styles),
            is_1904: self.is_1904,
            number: 0,
            is_in_data: false,
        })
    }
}

/// Lists the links of a part that are of a kind: their ids and the parts that they lead to.
fn target(
    package: &Package,
    links: &str,
    folder: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, String)>> {
    let Some(mut xml) = package.xml(links)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    loop {
        match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == b"Relationship" => {
                let (mut id, mut kind, mut to) = (String::new(), String::new(), String::new());
                for (key, value) in attributes(&start) {
                    match key.as_slice() {
                        b"Id" => id = value,
                        b"Type" => kind = value,
                        b"Target" => to = value,
                        _ => {}
                    }
                }
                if wanted(kind.rsplit('/').next().unwrap_or_default()) {
                    let part = match to.strip_prefix('/') {
                        Some(from_root) => from_root.to_owned(),
                        None => format!("{folder}/{}", to.trim_start_matches("./")),
                    };
                    found.push((id, part.trim_start_matches('/').to_owned()));
                }
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
    }
}

fn styles(mut xml: Xml) -> Result<Vec<Shown>> {
    let mut codes = std::collections::HashMap::new();
    let mut styles = Vec::new();
    let mut of_cells = false;
    loop {
        match xml.next()? {
            Event::Start(start) => match start.local_name().as_ref() {
                b"numFmt" => {
                    if let (Some(id), Some(code)) = (attribute(&start, b"numFmtId"), attribute(&start, b"formatCode")) {
                        codes.insert(id, shown_by(&code));
                    }
                }
                b"cellXfs" => of_cells = true,
                b"xf" if of_cells => {
                    let id = attribute(&start, b"numFmtId").unwrap_or_default();
                    styles.push(codes.get(&id).copied().unwrap_or_else(|| built_in(&id)));
                }
                _ => {}
            },
            Event::End(end) if end.local_name().as_ref() == b"cellXfs" => of_cells = false,
            Event::Eof => return Ok(styles),
            _ => {}
        }
    }
}

/// Tells what the formats show that every workbook has; some are those of East Asian languages.
fn built_in(id: &str) -> Shown {
    match id.parse::<u32>() {
        Ok(14..=22 | 27..=36 | 45 | 47 | 50..=58) => Shown::Time,
        Ok(46) => Shown::Elapsed,
        _ => Shown::Number,
    }
}

/// Tells what a format shows by the letters of its first section that stand neither in quotes nor behind a backslash.
fn shown_by(code: &str) -> Shown {
    let mut shown = Shown::Number;
    let mut letters = code.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ';' => break,
            '"' => {
                letters.by_ref().find(|letter| *letter == '"');
            }
            '\\' | '_' | '*' => {
                letters.next();
            }
            '[' => {
                let inside: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                let first = inside.chars().next().unwrap_or_default().to_ascii_lowercase();
                if matches!(first, 'h' | 'm' | 's') && inside.chars().all(|letter| letter.to_ascii_lowercase() == first)
                {
                    return Shown::Elapsed;
                }
            }
            'y' | 'm' | 'd' | 'h' | 's' | 'Y' | 'M' | 'D' | 'H' | 'S' => shown = Shown::Time,
            _ => {}
        }
    }
    // `General`, in whatever language, has some of these letters in none.
    if code.eq_ignore_ascii_case("standard") { Shown::Number } else { shown }
}

fn strings(mut xml: Xml) -> Result<Strings> {
    let mut strings = Strings::default();
    loop {
        match xml.next()? {
            Event::Start(start) if start.local_name().as_ref() == b"si" => {
                let text = rich_text(&mut xml, b"si")?;
                strings.text.push_str(&text);
                strings.ends.push(strings.text.len());
            }
            Event::Eof => return Ok(strings),
            _ => {}
        }
    }
}

/// Reads a text that may be in pieces; how it is pronounced is left out.
fn rich_text(xml: &mut Xml, element: &[u8]) -> Result<String> {
    let mut text = String::new();
    loop {
        let (mut is_text, mut is_sound) = (false, false);
        match xml.next()? {
            Event::Start(start) => {
                is_text = start.local_name().as_ref() == b"t";
                is_sound = start.local_name().as_ref() == b"rPh";
            }
            Event::End(end) if end.local_name().as_ref() == element => return Ok(text),
            Event::Eof => return Err(xml.broken(&"it ends early")),
            _ => {}
        }
        if is_text {
            text.push_str(&unescaped(xml.text(b"t")?));
        }
        if is_sound {
            xml.skip(b"rPh")?;
        }
    }
}

/// Reads `_x000D_` and the like: characters that XML has not.
fn unescaped(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("_x") {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let digits = rest.get(2..6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit =
            digits.filter(|_| rest.get(6..7) == Some("_")).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let (character, length) = match unit.and_then(char::from_u32) {
            Some(character) => (character, 7),
            None => ('_', 1),
        };
        out.push(character);
        rest = rest.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The rows of a sheet under way.
pub(super) struct Rows {
    xml: Xml,
    strings: Arc<Strings>,
    styles: Arc<Vec<Shown>>,
    is_1904: bool,
    /// The number of the row that came last, from 1.
    number: u64,
    is_in_data: bool,
}

/// Reads a range such as `A2:B4`.
fn merged_of(range: &str) -> Option<Merged> {
    let place = |cell: &str| {
        let letters = cell.find(|c: char| c.is_ascii_digit())?;
        Some((column_of(cell)?, cell.get(letters..)?.parse().ok()?))
    };
    let (first, last) = range.split_once(':')?;
    let (first, last): ((u32, u64), (u32, u64)) = (place(first)?, place(last)?);
    (first.0 <= last.0 && first.1 <= last.1).then_some(Merged { first, last })
}

/// A cell as its tag describes it.
struct Tag {
    column: Option<u32>,
    style: usize,
    kind: String,
}

impl Rows {
    /// Returns the part of the sheet that has been read, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        self.xml.progress()
    }

    /// Lists merged cells, which stand behind the rows of a sheet.
    pub(super) fn merged(&mut self) -> Vec<Merged> {
        let mut merged = Vec::new();
        // All rows are read: what is damaged behind them costs no more than the list.
        while let Ok(event) = self.xml.next() {
            match event {
                Event::Start(start) if start.local_name().as_ref() == b"mergeCell" => {
                    let range = attribute(&start, b"ref");
                    merged.extend(range.as_deref().and_then(merged_of).filter(|_| merged.len() < MAX_MERGED));
                }
                Event::End(end) if end.local_name().as_ref() == b"mergeCells" => break,
                Event::Eof => break,
                _ => {}
            }
        }
        merged
    }

    /// Reads the next row that has cells.
    pub(super) fn next(&mut self) -> Result<Option<SheetRow>> {
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == b"sheetData" => self.is_in_data = true,
                Event::Start(start) if self.is_in_data && start.local_name().as_ref() == b"row" => {
                    let given = attribute(&start, b"r").and_then(|number| number.parse().ok());
                    self.number = given.unwrap_or(self.number + 1);
                    let row = self.row()?;
                    if !row.cells.is_empty() {
                        return Ok(Some(row));
                    }
                }
                Event::End(end) if end.local_name().as_ref() == b"sheetData" => return Ok(None),
                // A sheet of another kind has no rows.
                Event::Eof if !self.is_in_data => return Ok(None),
                Event::Eof => return Err(self.xml.broken(&"a sheet ends early")),
                _ => {}
            }
        }
    }

    fn row(&mut self) -> Result<SheetRow> {
        let mut row = SheetRow { number: self.number, cells: Vec::new() };
        let (mut next, mut bytes) = (0, 0);
        loop {
            let tag = match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == b"c" => {
                    let mut tag = Tag { column: None, style: 0, kind: String::new() };
                    for (key, value) in attributes(&start) {
                        match key.as_slice() {
                            b"r" => tag.column = column_of(&value),
                            b"s" => tag.style = value.parse().unwrap_or(0),
                            b"t" => tag.kind = value,
                            _ => {}
                        }
                    }
                    tag
                }
                Event::End(end) if end.local_name().as_ref() == b"row" => return Ok(row),
                Event::Eof => return Err(self.xml.broken(&"a sheet ends early")),
                _ => continue,
            };
            let column = tag.column.unwrap_or(next);
            next = column.saturating_add(1);
            if let Some(value) = self.cell(&tag)? {
                bytes += value.bytes();
                if column >= MAX_COLUMNS || row.cells.len() >= MAX_CELLS || bytes > MAX_ROW_BYTES {
                    let number = self.number;
                    return Err(self.xml.broken(&format!("row {number} has more cells or text than a row of a sheet")));
                }
                row.cells.push((column, value));
            }
        }
    }

    fn cell(&mut self, tag: &Tag) -> Result<Option<Value>> {
        let (mut value, mut is_formula) = (None, false);
        loop {
            let (mut plain, mut rich) = (false, false);
            match self.xml.next()? {
                Event::Start(start) => {
                    plain = start.local_name().as_ref() == b"v";
                    rich = start.local_name().as_ref() == b"is";
                    is_formula |= start.local_name().as_ref() == b"f";
                }
                Event::End(end) if end.local_name().as_ref() == b"c" => {
                    return Ok(value.or_else(|| is_formula.then(|| Value::Error(UNCOMPUTED.to_owned()))));
                }
                Event::Eof => return Err(self.xml.broken(&"a sheet ends early")),
                _ => {}
            }
            if plain {
                let text = self.xml.text(b"v")?;
                value = self.value(tag, text)?;
            }
            if rich {
                value = Some(Value::Text(rich_text(&mut self.xml, b"is")?));
            }
        }
    }

    fn value(&self, tag: &Tag, text: String) -> Result<Option<Value>> {
        Ok(Some(match tag.kind.as_str() {
            "s" => {
                let shared = text.trim().parse().ok().and_then(|index| self.strings.get(index));
                Value::Text(
                    shared
                        .ok_or_else(|| self.xml.broken(&format!("no shared text has the number {text:?}")))?
                        .to_owned(),
                )
            }
            "str" | "inlineStr" => Value::Text(unescaped(text)),
            "b" => Value::Boolean(matches!(text.trim(), "1" | "true")),
            "e" => Value::Error(text),
            "d" => Value::Time(text),
            _ if text.trim().is_empty() => return Ok(None),
            _ => match (self.styles.get(tag.style).copied().unwrap_or(Shown::Number), text.trim().parse::<f64>()) {
                (_, Err(_)) => Value::Text(text),
                (Shown::Number, Ok(_)) => Value::Number(text),
                (shown, Ok(days)) => {
                    let is_elapsed = shown == Shown::Elapsed;
                    // A length of time has no origin.
                    let shift = if self.is_1904 && !is_elapsed { DAYS_OF_1904 } else { 0.0 };
                    Value::Days { days: settled(days, text.trim()) + shift, is_elapsed }
                }
            },
        }))
    }
}

/// Returns the days of the whole millisecond that a program meant which writes 15 or 16 digits of them: that is less than a number holds,
/// and up to some microseconds off. What has all 17 digits is as it stands.
fn settled(days: f64, text: &str) -> f64 {
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let digits = text.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count();
    let millis = (days * DAY_MS).round();
    let meant = millis / DAY_MS;
    // Rounded from a number of this width, or from the day itself.
    let same = || format!("{meant:.decimals$}") == text || rounded(millis as i128, decimals).as_deref() == Some(text);
    if digits <= 16 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) && same() {
        return meant;
    }
    days
}

/// Writes milliseconds as days with this many decimals.
fn rounded(millis: i128, decimals: usize) -> Option<String> {
    let unit = 10_i128.checked_pow(u32::try_from(decimals).ok()?)?;
    let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.abs());
    let parts = (millis.checked_mul(unit)? + 43_200_000) / 86_400_000;
    let (whole, part) = (parts / unit, parts % unit);
    Some(if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:0decimals$}") })
}

/// Reads the letters of a place such as `AB12` as a number from 0.
fn column_of(place: &str) -> Option<u32> {
    let mut column: u32 = 0;
    for letter in place.bytes().take_while(u8::is_ascii_alphabetic) {
        column = column.checked_mul(26)?.checked_add(u32::from(letter.to_ascii_uppercase() - b'A') + 1)?;
    }
    column.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_tell_numbers_from_times_and_lengths_of_time() {
        for code in [
            "General",
            "0.00",
            "#,##0\\ \"days\"",
            "[Red]0",
            "0_ ;[Red]\\-0\\ ",
            "\\Y000",
            "[$-409]0",
            "Standard",
            "@",
            "0;yyyy",
        ] {
            assert_eq!(shown_by(code), Shown::Number, "{code}");
        }
        for code in ["yyyy-mm-dd hh:mm:ss", "DD/MM/YY", "[$-407]d. mmmm yyyy", "h:mm AM/PM", "mm:ss.0", "m\"M\"d;@"] {
            assert_eq!(shown_by(code), Shown::Time, "{code}");
        }
        for code in ["[h]:mm:ss", "[HH]:MM", "[Blue]\\+[h]:mm;[Red]\\-[h]:mm", "[ss].000", "[m]"] {
            assert_eq!(shown_by(code), Shown::Elapsed, "{code}");
        }
        assert_eq!((built_in("0"), built_in("22"), built_in("46")), (Shown::Number, Shown::Time, Shown::Elapsed));
    }

    #[test]
    fn escaped_characters_are_read_and_what_looks_like_them_stays() {
        for (text, read) in [
            ("a_x000D_\nb", "a\r\nb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_x000d__x0009_", "\r\t"),
            ("_xD83D_", "_xD83D_"),
            ("_x00_ _x", "_x00_ _x"),
            ("ä_x", "ä_x"),
        ] {
            assert_eq!(unescaped(text.to_owned()), read, "{text}");
        }
    }

    #[test]
    fn a_time_of_few_digits_is_the_millisecond_that_was_meant() {
        let ten = 46_346.0 + 36_000.0 / 86_400.0;
        // As openpyxl and LibreOffice write 10:00:00, 11:00:00 and 12:00:00.120, and what is a microsecond behind.
        for (text, meant) in [
            ("46346.41666666666", ten),
            ("46346.4166666667", ten),
            ("46346.41666666667", ten),
            ("46346.45833333334", 46_346.0 + 39_600.0 / 86_400.0),
            ("46346.50000138889", 46_346.0 + 43_200.12 / 86_400.0),
            ("46346.41666666668", 46_346.416_666_666_68),
            ("46346.416666666679", 46_346.416_666_666_68),
            ("4.634641666666666E4", 46_346.416_666_666_66),
            ("46346", 46_346.0),
        ] {
            let found = settled(text.parse().unwrap(), text);
            assert!((found - meant).abs() < 4e-12, "{text}: {found} and not {meant}");
        }
    }

    #[test]
    fn places_of_cells_have_letters() {
        assert_eq!(
            (column_of("A1"), column_of("Z9"), column_of("AA10"), column_of("xfd1")),
            (Some(0), Some(25), Some(26), Some(16_383))
        );
        assert_eq!((column_of("12"), column_of("AAAAAAAAAAAA")), (None, None));
    }
}

//! What stands before the records of delimited text: lines that are no part of the table, comments, and the header.

use super::converter::Converter;
use super::csv::{self, Fields};
use super::cut::{BLOCK_BYTES, Window};
use super::dialect::DELIMITERS;
use super::dialect::{Declared, Dialect};
use super::ends::Cut;
use super::escaped::EscapedFields;
use super::layout::Layout;
use super::lists::{are_types, name_required};
use super::signs::{Sign, SignKind};
use super::source::SourceFile;
use crate::error::{Error, Place, Result};
use crate::schema::{HeaderMatch, match_headers};

/// What stands before the first record.
pub(super) struct Header {
    pub(super) dialect: Dialect,
    pub(super) layout: Layout,
    /// What a person should know of it.
    pub(super) note: Option<String>,
    /// What of it another dialect would explain.
    pub(super) sign: Option<Sign>,
}

/// Reads up to the first record, and tells how fields are separated and which columns they are.
///
/// # Errors
/// No header, a broken one, or one without the required columns.
pub(super) fn read_header(window: &mut Window, converter: &Converter, file: &SourceFile) -> Result<Header> {
    let (map, folders, max) = (&converter.header_map, &converter.rules.folders, converter.max_record_bytes);
    let mut named = take_separator_line(window);
    // That line is one of those to be skipped.
    let lines = converter.declared.skip_lines.saturating_sub(u64::from(named.is_some()));
    for skipped in 0..lines {
        if window.unread().is_empty() && window.at_end() {
            let message = format!("the file has {skipped} lines, fewer than ⟨skip-lines⟩ leaves out");
            return Err(Error::input(Place::file(&file.name), message));
        }
        skip_line(window)?;
    }
    if lines > 0 {
        named = take_separator_line(window).or(named);
    }
    skip_comments(window, converter.declared.comment)?;
    // A line that is skipped by a declaration contradicts none.
    let is_left_out = lines < converter.declared.skip_lines && converter.declared.skip_lines > 0;
    let contradicting =
        named.filter(|_| !is_left_out).zip(converter.declared.delimiter).filter(|(named, it)| named != it);
    let made = |dialect, layout| {
        let (note, sign) = contradicting.map(|(named, declared)| contradiction(named, declared)).unzip();
        Header { dialect, layout, note, sign }
    };
    let declared = Declared { delimiter: converter.declared.delimiter.or(named), ..converter.declared.clone() };
    let dialect = Dialect::detect(window.unread(), converter.format, &declared);
    let place = |line| Place::file(&file.name).line(line);
    if !declared.columns.is_empty() {
        let layout = Layout::new(&declared.columns, map, folders, Place::file(&file.name)).map_err(|error| {
            error.with_hint("⟨columns⟩ names the columns of a file without a header, in their order")
        })?;
        return Ok(made(dialect, layout));
    }
    loop {
        match csv::cut(window.unread(), window.at_end(), dialect) {
            Cut::Record { end: 0, next: 0, .. } => {
                return Err(Error::input(Place::file(&file.name), "the file is empty: it has no header"));
            }
            Cut::Record { end: 0, next, .. } => {
                window.consume(next);
                skip_comments(window, dialect.comment)?;
            }
            Cut::Record { end, next, fault } => {
                let line = window.line_at(0, dialect.newline);
                if let Some(fault) = fault {
                    let hint = format!("{WITHOUT_HEADER}; where quotes stand for themselves, with ⟨quote⟩ none");
                    return Err(Error::input(place(line), format!("broken header: {fault}")).with_hint(hint));
                }
                let header = window.unread().get(..end).unwrap_or_default();
                let header = std::str::from_utf8(header).map_err(|error| {
                    let message = format!("the header is not UTF-8 at byte {}", error.valid_up_to() + 1);
                    Error::input(place(line), message).with_hint("declare the character set with ⟨encoding⟩")
                })?;
                let names = header_names(header, dialect);
                let other = if name_required(&names, map) { None } else { other_delimiter(header, dialect, map) };
                window.consume(next);
                let layout = Layout::new(&names, map, folders, place(line)).map_err(|error| {
                    match (named, names.as_slice()) {
                        (Some(named), [only]) => misnamed(error, named, dialect.delimiter, only),
                        _ if let Some(other) = other => {
                            let error = if knows_none(&names, map) { no_header(error) } else { error };
                            let hint = error.hint().unwrap_or_default();
                            let hint = format!("⟨delimiter⟩ '{other}' takes them apart; {hint}");
                            error.with_hint(hint)
                        }
                        _ if knows_none(&names, map) => no_header(error),
                        _ => error,
                    }
                })?;
                skip_types(window, dialect, names.len());
                return Ok(made(dialect, layout));
            }
            Cut::More if window.unread().len() > max.max(BLOCK_BYTES) => {
                let message = format!("the header has no end within {} bytes", window.unread().len());
                return Err(Error::input(Place::file(&file.name), message));
            }
            Cut::More => window.fill()?,
        }
    }
}

const WITHOUT_HEADER: &str = "a file without a line of headers is read with ⟨columns⟩ session_id,started_at,…";

/// Finds what takes a header apart into the required columns, as --delimiter takes it.
fn other_delimiter(header: &str, dialect: Dialect, map: &[(String, String)]) -> Option<&'static str> {
    let takes_apart = |(_, delimiter): &&(&str, u8)| {
        // Hive separates by this character, and writes no header.
        (*delimiter == 1 && header.contains('\u{1}'))
            || name_required(&header_names(header, Dialect { delimiter: *delimiter, ..dialect }), map)
    };
    DELIMITERS.iter().filter(|(_, it)| *it != dialect.delimiter).find(takes_apart).map(|(name, _)| *name)
}

/// Returns whether none of these names is that of a column.
fn knows_none(names: &[String], map: &[(String, String)]) -> bool {
    match_headers(names, map).is_ok_and(|headers| headers.matches.iter().all(|found| *found == HeaderMatch::Unknown))
}

fn no_header(error: Error) -> Error {
    let hint = error.hint().unwrap_or_default().to_owned();
    error.with_hint(format!("{hint}; {WITHOUT_HEADER}, and lines before the header are left out with ⟨skip-lines⟩ N"))
}

/// Says that a line `sep=` and the declared delimiter are two.
fn contradiction(named: u8, declared: u8) -> (String, Sign) {
    let (named, declared) = (char::from(named), char::from(declared));
    let note = format!("a line sep= names {named:?} as the delimiter, and the declared {declared:?} was taken");
    (note, Sign { kind: SignKind::Separator, flag: "⟨skip-lines⟩ 1".to_owned() })
}

/// Explains a header of one field by the line `sep=` before it, where the one that was taken is not the one that the header has.
fn misnamed(error: Error, named: u8, taken: u8, header: &str) -> Error {
    let has = |delimiter: u8| header.contains(char::from(delimiter));
    if named != taken && has(named) {
        return error.with_hint(format!(
            "a line sep= names {:?} as the delimiter, and {:?} was declared: leave the declaration out",
            char::from(named),
            char::from(taken)
        ));
    }
    match [b',', b';', b'\t', b'|'].into_iter().find(|delimiter| has(*delimiter)) {
        Some(other) => error.with_hint(format!(
            "a line sep= names {:?} as the delimiter, which the header does not have: declare {:?} with ⟨delimiter⟩",
            char::from(named),
            char::from(other)
        )),
        None => error,
    }
}

/// Takes the line `sep=;` that spreadsheets put first, and returns its delimiter.
fn take_separator_line(window: &mut Window) -> Option<u8> {
    let text = window.unread();
    let end = memchr::memchr(b'\n', text.get(..16.min(text.len()))?)?;
    let named = match text.get(..end)?.trim_ascii_end() {
        // A tab is white space, and so gone.
        b"sep=" => b'\t',
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => *delimiter,
        _ => return None,
    };
    window.consume(end + 1);
    Some(named)
}

/// Skips the lines from here on that are comments.
fn skip_comments(window: &mut Window, comment: Option<u8>) -> Result<()> {
    while comment.is_some() && window.unread().first() == comment.as_ref() {
        skip_line(window)?;
    }
    Ok(())
}

/// Skips a line of any length.
fn skip_line(window: &mut Window) -> Result<()> {
    loop {
        let text = window.unread();
        let end = memchr::memchr2(b'\n', b'\r', text);
        let (end, newline) = match end {
            // A CR at the end of what is in memory may have its LF behind it.
            Some(end) if text.get(end) == Some(&b'\r') && end + 1 == text.len() && !window.at_end() => (None, b'\n'),
            Some(end) if text.get(end) == Some(&b'\r') && text.get(end + 1) == Some(&b'\n') => (Some(end + 2), b'\n'),
            Some(end) => (Some(end + 1), text.get(end).copied().unwrap_or(b'\n')),
            None => (None, b'\n'),
        };
        let found = end.is_some();
        let length = end.unwrap_or(text.len() - usize::from(text.ends_with(b"\r") && !window.at_end()));
        window.consume(length);
        // The line is counted here, where it is known what ends it.
        window.discard(newline);
        if (!found || window.unread().is_empty()) && !window.at_end() {
            window.fill()?;
        }
        if found || window.unread().is_empty() {
            return Ok(());
        }
    }
}

/// Skips the line of types that ClickHouse's formats with names and types have below the header.
fn skip_types(window: &mut Window, dialect: Dialect, count: usize) {
    if let Cut::Record { end, next, fault: None } = csv::cut(window.unread(), window.at_end(), dialect)
        && let Ok(line) = std::str::from_utf8(window.unread().get(..end).unwrap_or_default())
        && are_types(&header_names(line, dialect), count)
    {
        window.consume(next);
    }
}

fn header_names(header: &str, dialect: Dialect) -> Vec<String> {
    if dialect.is_plain() {
        let mut fields = Fields::default();
        fields.split(header, dialect.delimiter);
        return fields.texts(header).map(str::to_owned).collect();
    }
    let mut fields = EscapedFields::default();
    // Zero fields is none that a header has, so that its count has no say.
    fields.split(header, dialect, 0);
    fields.texts(header).map(|(name, _)| name.to_owned()).collect()
}

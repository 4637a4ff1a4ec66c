//! Places in the text of a file, and the errors that point at them.

use datafusion::sql::sqlparser::tokenizer::{Location, Span, TokenWithSpan};

use crate::error::SqlError;

/// A run of characters on one line of a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u64,
    pub(super) column: u64,
    /// Characters to underline; what lies beyond the end of the line is cut when the error is printed.
    pub(super) width: usize,
}

impl Spot {
    /// Names `width` characters at a line and column.
    pub(super) fn new(line: u64, column: u64, width: usize) -> Self {
        Self { line, column, width: width.max(1) }
    }

    /// Names a token.
    pub(super) fn of_token(token: &TokenWithSpan) -> Option<Self> {
        Self::of_span(token.span)
    }

    /// Names a span of the parser, or nothing where the parser knew no place. A span over several lines is underlined to the
    /// end of its first.
    pub(super) fn of_span(span: Span) -> Option<Self> {
        Self::between((span.start.line, span.start.column), (span.end.line, span.end.column))
    }

    /// Names what lies between two (line, column) pairs, or nothing where the first is (0, 0), as in an empty span.
    pub(super) fn between(start: (u64, u64), end: (u64, u64)) -> Option<Self> {
        if start.0 == 0 || start.1 == 0 {
            return None;
        }
        let width = if end.0 == start.0 { end.1.saturating_sub(start.1) as usize } else { usize::MAX };
        Some(Self::new(start.0, start.1, width))
    }
}

/// Returns one line of a text, without its end and with control characters made visible, so that an error cannot carry
/// terminal commands out of a file.
fn source_line(text: &str, line: u64) -> Option<String> {
    let line = text.split('\n').nth(usize::try_from(line.checked_sub(1)?).ok()?)?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    Some(line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect())
}

/// Makes an error at a spot of a file, or about the whole file.
pub(super) fn sql_error(
    file: &str,
    text: &str,
    spot: Option<Spot>,
    message: impl Into<String>,
    hint: Option<String>,
) -> SqlError {
    SqlError {
        file: file.to_owned(),
        position: spot.map(|s| (s.line, s.column)),
        width: spot.map_or(1, |s| s.width),
        source_line: spot.and_then(|s| source_line(text, s.line)),
        message: message.into(),
        hint,
    }
}

/// Walks a text once, from place to place, and tells byte offsets.
///
/// The parser gives lines and columns only; one walk over the whole file keeps the cost linear even where a file of a
/// megabyte is one line.
pub(super) struct Walk<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
    column: u64,
}

impl<'a> Walk<'a> {
    /// Starts at the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, byte: 0, line: 1, column: 1 }
    }

    /// Goes forward to a place and returns its byte offset; the end of the text where the place lies beyond it.
    pub(super) fn to(&mut self, place: Location) -> usize {
        let rest = self.text.get(self.byte..).unwrap_or_default();
        for c in rest.chars() {
            if (self.line, self.column) >= (place.line, place.column) {
                break;
            }
            self.byte += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.byte
    }
}

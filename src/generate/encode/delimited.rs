//! CSV and TSV by RFC 4180 with line feeds: the documented names as headers, nothing for null, JSON as its text.

use crate::generate::row::{Row, Value};
use crate::generate::text::{push_cell, push_instant, push_seconds};
use crate::schema::COLUMNS;

/// Returns the line of headers.
pub(super) fn header(delimiter: char) -> String {
    let mut out = String::new();
    for (index, column) in COLUMNS.iter().enumerate() {
        if index > 0 {
            out.push(delimiter);
        }
        push_cell(&mut out, column.documented, delimiter);
    }
    out.push('\n');
    out
}

/// Appends a row.
pub(super) fn push_row(out: &mut String, row: &Row<'_>, delimiter: char) {
    for (index, value) in row.values().into_iter().enumerate() {
        if index > 0 {
            out.push(delimiter);
        }
        match value {
            Value::Null => {}
            Value::Text(text) | Value::Object(text) => push_cell(out, text, delimiter),
            Value::Instant(instant_us) => push_instant(out, instant_us),
            Value::Milliseconds(milliseconds) => push_seconds(out, milliseconds),
        }
    }
    out.push('\n');
}

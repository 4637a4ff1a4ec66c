//! A row of an input as its format gives it: cells under the columns that its headers fill, before any rule for values.

#![allow(clippy::indexing_slicing, reason = "columns are numbered by the schema")]

use crate::schema::{COLUMNS, HeaderMatch, Kind};

pub(super) const TIME_IN_WORKFLOW: usize = position_of("time_in_workflow");

/// Finds a column at compile time; a name that is none makes an index that does not compile.
pub(super) const fn position_of(name: &str) -> usize {
    let mut index = 0;
    while index < COLUMNS.len() {
        let (a, b) = (COLUMNS[index].name.as_bytes(), name.as_bytes());
        let mut same = a.len() == b.len();
        let mut at = 0;
        while same && at < a.len() {
            same = a[at] == b[at];
            at += 1;
        }
        if same {
            return index;
        }
        index += 1;
    }
    usize::MAX
}

/// One value of an input, before its column's rules.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Cell<'a> {
    /// The input has no such column.
    #[default]
    Absent,
    /// Null.
    Null,
    /// Text. Empty is null.
    Text(&'a str),
    /// A number or truth value of JSON as its text, which means the same in every dialect.
    Literal(&'a str),
    /// A JSON object or array as its text, known to be JSON.
    Nested(&'a str),
    /// Microseconds since the Unix epoch.
    Instant(i64),
    /// Microseconds since 1970-01-01T00:00:00 on a local clock.
    LocalInstant(i64),
    /// A number.
    Number(f64),
}

/// One row of an input.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row<'a> {
    pub(super) cells: [Cell<'a>; COLUMNS.len()],
    pub(super) exported_at: Cell<'a>,
    /// Whether time in workflow is in milliseconds.
    pub(super) milliseconds: bool,
    /// Columns that are none of ours, as a JSON object.
    pub(super) extra: Option<&'a str>,
    /// Whether a field without quotes is a text that some tools write for null, and none is declared to be one.
    pub(super) null_mark: bool,
    /// Whether a field without quotes has escapes by backslashes, and none are declared.
    pub(super) backslash: bool,
    /// Whether a key stood twice in the record, so that a value was left out.
    pub(super) repeated_key: bool,
    /// Whether the record is JSON with half a surrogate pair in it.
    pub(super) lone_surrogate: bool,
}

impl<'a> Row<'a> {
    /// Puts a value where its header says.
    pub(super) fn set(&mut self, target: HeaderMatch, cell: Cell<'a>) {
        self.milliseconds |= target == HeaderMatch::TimeInWorkflowMilliseconds;
        match slot(target) {
            Some(EXPORTED_AT_SLOT) => self.exported_at = cell,
            Some(index) => {
                if let Some(slot) = self.cells.get_mut(index) {
                    *slot = cell;
                }
            }
            None => {}
        }
    }

    /// Returns whether one of the row's texts is what some tools write for null, as `mark` tells it.
    #[inline]
    pub(super) fn has_mark(&self, mark: impl Fn(&str) -> Option<&'static str>) -> bool {
        self.cells.iter().zip(&COLUMNS).any(|(cell, column)| match cell {
            Cell::Text(text) => mark(text).is_some_and(|mark| is_mark_of(column.kind, mark)),
            _ => false,
        })
    }

    /// Returns the text that stands in a column, by its name.
    pub(super) fn text_of(&self, column: Option<&str>) -> Option<&'a str> {
        let index = COLUMNS.iter().position(|known| Some(known.name) == column)?;
        match self.cells.get(index) {
            Some(Cell::Text(text)) => Some(text),
            Some(Cell::Number(number)) => word_of(*number),
            _ => None,
        }
    }

    /// Returns whether the input has no such column.
    pub(super) fn is_absent(&self, target: HeaderMatch) -> bool {
        match slot(target) {
            Some(EXPORTED_AT_SLOT) => self.exported_at == Cell::Absent,
            Some(index) => self.cells.get(index) == Some(&Cell::Absent),
            None => false,
        }
    }
}

const EXPORTED_AT_SLOT: usize = COLUMNS.len();

/// Returns a number for what a header fills, the same for headers that fill the same; below 16.
pub(super) fn slot(target: HeaderMatch) -> Option<usize> {
    match target {
        HeaderMatch::Column(index) => Some(index),
        HeaderMatch::TimeInWorkflowMilliseconds => Some(TIME_IN_WORKFLOW),
        HeaderMatch::ExportedAt => Some(EXPORTED_AT_SLOT),
        HeaderMatch::Unknown | HeaderMatch::LeftOut => None,
    }
}

/// Names a number that is none.
pub(super) fn word_of(number: f64) -> Option<&'static str> {
    match number {
        number if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// Returns whether a mark stands for null in a column of this kind and is not read as null anyway.
pub(super) fn is_mark_of(kind: Kind, mark: &str) -> bool {
    kind != Kind::Json || mark != "null"
}

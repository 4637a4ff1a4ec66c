//! The cells of a column as text, for those who lay out a result themselves, such as a page.

use std::borrow::Cow;

use crate::zones::Tz;
use arrow::array::Array;

use super::value::{DisplayZone, Form, Values, values};

/// The cells of one column of one batch, printed as csv prints them.
pub struct Cells<'a>(Box<dyn Values + 'a>);

impl<'a> Cells<'a> {
    /// Looks at the column's type; instants are printed in the given zone.
    pub fn new(array: &'a dyn Array, time_zone: Tz) -> Self {
        Self(values(array, Form::Text, DisplayZone::from(time_zone)))
    }

    /// Does what [`Cells::new`] does, with lengths of time as tables show them.
    pub fn for_people(array: &'a dyn Array, time_zone: Tz) -> Self {
        Self(values(array, Form::People, DisplayZone::from(time_zone)))
    }

    /// Returns the text of a cell, or `None` for null. The row must be one of the column's.
    pub fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        if self.0.is_null(row) {
            return None;
        }
        Some(match self.0.borrow(row) {
            Some(text) => Cow::Borrowed(text),
            None => {
                let mut text = String::new();
                self.0.append(row, &mut text);
                Cow::Owned(text)
            }
        })
    }
}

//! Prints text and bytes.

use std::marker::PhantomData;

use arrow::array::ArrayAccessor;

use super::{Form, Quotes, Values};
use crate::json::{Escaping, push_json_string_as};

struct Strings<'a, A> {
    array: A,
    form: Form,
    /// Says that texts live as long as the batch.
    texts: PhantomData<&'a str>,
}

impl<'a, A: ArrayAccessor<Item = &'a str>> Values for Strings<'a, A> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn append(&self, row: usize, out: &mut String) {
        match self.form {
            Form::Text | Form::People => out.push_str(self.array.value(row)),
            Form::Json => push_json_string_as(out, self.array.value(row), Escaping::Short),
        }
    }

    fn borrow(&self, row: usize) -> Option<&str> {
        (self.form != Form::Json).then(|| self.array.value(row))
    }
}

/// Makes the printer of a text column.
pub(super) fn strings<'a>(array: impl ArrayAccessor<Item = &'a str> + 'a, form: Form) -> Box<dyn Values + 'a> {
    Box::new(Strings { array, form, texts: PhantomData })
}

struct Bytes<A> {
    array: A,
    quotes: Quotes,
}

impl<'a, A: ArrayAccessor<Item = &'a [u8]>> Values for Bytes<A> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn append(&self, row: usize, out: &mut String) {
        self.quotes.push(out);
        for byte in self.array.value(row) {
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
        self.quotes.push(out);
    }
}

/// Makes the printer of a binary column: lower-case hexadecimal, two digits a byte, as `encode(x, 'hex')` gives it.
pub(super) fn bytes<'a>(array: impl ArrayAccessor<Item = &'a [u8]> + 'a, quotes: Quotes) -> Box<dyn Values + 'a> {
    Box::new(Bytes { array, quotes })
}

const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

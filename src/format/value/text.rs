//! Prints text and bytes.

use std::marker::PhantomData;

use arrow::array::ArrayAccessor;

use super::{Form, Quotes, Values};

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
            Form::Json => push_json_string(self.array.value(row), out),
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

/// Appends text as a JSON string. Only what JSON demands is escaped: quote, backslash and control characters.
pub(in crate::format) fn push_json_string(text: &str, out: &mut String) {
    out.push('"');
    let mut clean_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        // All escaped characters are one byte, so both ends are on character boundaries.
        out.push_str(&text[clean_from..index]);
        clean_from = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            _ => {
                out.push_str("\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.push_str(&text[clean_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_survives_as_a_json_string(text in "(?s)([\\x00-\\x7f]|.){0,40}") {
            let mut out = String::new();
            push_json_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
            prop_assert!(!out.contains('\n'));
        }
    }
}

//! Sorts numbers by whether their value tells their text.

use std::ops::Range;

use jiter::{Jiter, NumberAny, NumberInt};

use super::Taken;

/// Reads an integer of so few digits that it cannot overflow, written in the usual way; the text is known to be a number.
fn short_integer(raw: &str) -> Option<i64> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let is_usual = digits.len() <= 18 && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_usual { raw.parse().ok() } else { None }
}

/// Sorts a number by whether its value tells its text.
pub(super) fn number(text: &str, place: Range<usize>) -> Taken {
    let raw = text.get(place.clone()).unwrap_or_default();
    if let Some(integer) = short_integer(raw) {
        return Taken::Integer(integer);
    }
    let mut jiter = Jiter::new(raw.as_bytes());
    match jiter.peek().and_then(|peek| jiter.known_number(peek)) {
        // Writing and comparing is for numbers alone, and a small part of the walk.
        Ok(NumberAny::Int(NumberInt::Int(integer))) if integer_is(integer, raw) => Taken::Integer(integer),
        Ok(NumberAny::Float(float)) if float.is_finite() && float_is(float, raw) => Taken::Float(float),
        _ => Taken::RawNumber(place.start, place.end),
    }
}

fn integer_is(integer: i64, raw: &str) -> bool {
    // Leading zeros do not parse, so only the sign of zero can differ.
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    digits.bytes().all(|byte| byte.is_ascii_digit()) && (integer != 0 || raw == "0")
}

fn float_is(float: f64, raw: &str) -> bool {
    use std::fmt::Write;
    /// Compares what is written with what is expected, without a buffer.
    struct Matcher<'a>(&'a str);
    impl Write for Matcher<'_> {
        fn write_str(&mut self, written: &str) -> std::fmt::Result {
            self.0 = self.0.strip_prefix(written).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let mut matcher = Matcher(raw);
    write!(matcher, "{float}").is_ok() && matcher.0.is_empty()
}

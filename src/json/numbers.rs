//! Reads numbers as datafusion-functions-json does, and tells those that are written in the usual way.

use jiter::{Jiter, NumberAny, NumberInt, Peek};

/// What a number's text is told by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Told {
    /// By an integer in 64 bits: it is written in no other way.
    Integer(i64),
    /// By a float, of which the text is the shortest that reads back.
    Float(f64),
    /// By nothing but itself: 1.50, 1e5, -0, more digits than 64 bits hold.
    Text,
}

/// Says what tells the text of a number; the text is known to be one.
pub fn told(raw: &str) -> Told {
    if let Some(integer) = short_integer(raw) {
        return Told::Integer(integer);
    }
    match number(raw) {
        // Writing and comparing is for numbers alone, and a small part of the walk.
        Some(NumberAny::Int(NumberInt::Int(integer))) if integer_is(integer, raw) => Told::Integer(integer),
        Some(NumberAny::Float(float)) if float.is_finite() && float_is(float, raw) => Told::Float(float),
        _ => Told::Text,
    }
}

/// Reads an integer of so few digits that it cannot overflow, written in the usual way; the text is known to be a number.
fn short_integer(raw: &str) -> Option<i64> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    let is_usual = digits.len() <= 18 && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_usual { raw.parse().ok() } else { None }
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

/// Reads a number as datafusion-functions-json does.
pub fn number(raw: &str) -> Option<NumberAny> {
    let mut jiter = Jiter::new(raw.as_bytes());
    let peek: Peek = jiter.peek().ok()?;
    jiter.known_number(peek).ok()
}

/// Returns a number that is whole and within 64 bits.
pub fn to_integer(number: NumberAny) -> Option<i64> {
    match number {
        NumberAny::Int(NumberInt::Int(integer)) => Some(integer),
        NumberAny::Int(NumberInt::BigInt(integer)) => i64::try_from(integer).ok(),
        NumberAny::Float(float) => whole(float),
    }
}

/// Returns a number as a float, rounded where it has more digits.
pub fn to_float(number: NumberAny) -> f64 {
    match number {
        NumberAny::Int(integer) => integer.into(),
        NumberAny::Float(float) => float,
    }
}

/// Returns a float that is a whole number within 64 bits.
pub fn whole(float: f64) -> Option<i64> {
    let fits = float.fract() == 0.0 && float >= i64::MIN as f64 && float < -(i64::MIN as f64);
    fits.then_some(float as i64)
}

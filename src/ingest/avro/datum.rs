//! Values of an Avro file, written as JSON.
//!
//! An instant is ISO 8601 with its zone, a time on a local clock without one; a decimal is a number with all its digits; bytes are text
//! where they are UTF-8, and their digits to the base 16 elsewhere.

use chrono::DateTime;

use super::schema::{Schema, Type, TypeId};
use crate::json::push_json_string;

/// How deep values may nest.
const MAX_DEPTH: usize = 200;

/// Bytes of a decimal that is written as a number.
const MAX_DECIMAL_BYTES: usize = 128;

/// Bytes of JSON that a record may have: it is in memory as a whole.
pub(super) const MAX_JSON_BYTES: usize = 64 << 20;

/// Takes values off the front of bytes.
pub(super) struct Datums<'a> {
    pub(super) schema: &'a Schema,
    pub(super) bytes: &'a [u8],
    /// Whether bytes that are no text have been written since this was last reset.
    pub(super) is_binary: bool,
}

type Read<T> = Result<T, &'static str>;

const EARLY: &str = "a value goes on behind the end of its block";

impl<'a> Datums<'a> {
    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(EARLY)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.first_chunk().copied().ok_or(EARLY)
    }

    pub(super) fn long(&mut self) -> Read<i64> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("a number has more than ten bytes")
    }

    fn length(&mut self) -> Read<usize> {
        usize::try_from(self.long()?).map_err(|_| "a length is negative")
    }

    fn sized(&mut self) -> Read<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.sized()?).map_err(|_| "a text is not UTF-8")
    }

    /// Writes the next value, of this type.
    pub(super) fn push(&mut self, out: &mut String, kind: TypeId, depth: usize) -> Read<()> {
        if depth > MAX_DEPTH {
            return Err("values nest more than 200 deep");
        }
        if out.len() > MAX_JSON_BYTES {
            return Err("a record has more than 64 MiB as JSON");
        }
        let schema = self.schema;
        match schema.get(kind) {
            Type::Null => out.push_str("null"),
            Type::Boolean => out.push_str(if self.fixed::<1>()? == [0] { "false" } else { "true" }),
            Type::Integer => out.push_str(&self.long()?.to_string()),
            Type::Float => {
                let number = f32::from_le_bytes(self.fixed()?);
                push_float(out, number.is_finite().then(|| serde_json::to_string(&number)), f64::from(number));
            }
            Type::Double => {
                let number = f64::from_le_bytes(self.fixed()?);
                push_float(out, number.is_finite().then(|| serde_json::to_string(&number)), number);
            }
            Type::Text => push_json_string(out, self.text()?),
            Type::Bytes => {
                let bytes = self.sized()?;
                self.push_bytes(out, bytes);
            }
            Type::Fixed(size) => {
                let bytes = self.take(*size)?;
                self.push_bytes(out, bytes);
            }
            Type::Enum(symbols) => {
                let index = self.length()?;
                push_json_string(out, symbols.get(index).ok_or("an enum has no symbol of this number")?);
            }
            Type::Union(branches) => {
                let index = self.length()?;
                let branch = *branches.get(index).ok_or("a union has no type of this number")?;
                self.push(out, branch, depth + 1)?;
            }
            Type::Record(fields) => {
                out.push('{');
                for (at, (name, kind)) in fields.iter().enumerate() {
                    start_item(out, at > 0);
                    push_json_string(out, name);
                    out.push(':');
                    self.push(out, *kind, depth + 1)?;
                }
                out.push('}');
            }
            Type::Array(items) => {
                out.push('[');
                self.items(|datums, is_later| {
                    start_item(out, is_later);
                    datums.push(out, *items, depth + 1)
                })?;
                out.push(']');
            }
            Type::Map(values) => {
                out.push('{');
                self.items(|datums, is_later| {
                    start_item(out, is_later);
                    push_json_string(out, datums.text()?);
                    out.push(':');
                    datums.push(out, *values, depth + 1)
                })?;
                out.push('}');
            }
            Type::Date => {
                let days = self.long()?;
                let time = days.checked_mul(86_400).and_then(|seconds| DateTime::from_timestamp(seconds, 0));
                let text = time.map_or_else(|| format!("{days} days"), |time| time.format("%Y-%m-%d").to_string());
                push_json_string(out, &text);
            }
            Type::Time(per_second) => {
                let parts = self.long()?;
                let text = time_of(parts, *per_second)
                    .map(|(time, width)| format!("{}{}", time.format("%H:%M:%S"), fraction(parts, *per_second, width)));
                push_json_string(out, &text.unwrap_or_else(|| format!("{parts}")));
            }
            Type::Timestamp { per_second, is_local } => {
                let parts = self.long()?;
                let zone = if *is_local { "" } else { "Z" };
                let text = time_of(parts, *per_second).map(|(time, width)| {
                    format!("{}{}{zone}", time.format("%Y-%m-%dT%H:%M:%S"), fraction(parts, *per_second, width))
                });
                // Beyond all years it is no number either, which would be taken for another time.
                push_json_string(out, &text.unwrap_or_else(|| format!("{parts} of {per_second} a second")));
            }
            Type::Decimal(scale, size) => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                match decimal(bytes, *scale) {
                    Some(number) => out.push_str(&number),
                    None => self.push_bytes(out, bytes),
                }
            }
            Type::Uuid => push_json_string(out, &uuid::Uuid::from_bytes(self.fixed()?).to_string()),
            Type::Duration => {
                let part = |bytes: [u8; 4]| u32::from_le_bytes(bytes);
                let (months, days, millis) = (part(self.fixed()?), part(self.fixed()?), part(self.fixed()?));
                let months = if months == 0 { String::new() } else { format!("{months}M") };
                push_json_string(out, &format!("P{months}{days}DT{}.{:03}S", millis / 1000, millis % 1000));
            }
        }
        Ok(())
    }

    /// Reads the parts of an array or a map, item by item.
    fn items(&mut self, mut item: impl FnMut(&mut Self, bool) -> Read<()>) -> Read<()> {
        let mut is_later = false;
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The bytes of the part follow, for readers that leave it out.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                item(self, std::mem::replace(&mut is_later, true))?;
            }
        }
    }

    fn push_bytes(&mut self, out: &mut String, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => push_json_string(out, text),
            Err(_) => {
                self.is_binary = true;
                out.push('"');
                out.extend(
                    bytes
                        .iter()
                        .flat_map(|byte| [byte >> 4, byte & 15])
                        .filter_map(|digit| char::from_digit(digit.into(), 16)),
                );
                out.push('"');
            }
        }
    }
}

fn start_item(out: &mut String, is_later: bool) {
    if is_later {
        out.push(',');
    }
}

fn push_float(out: &mut String, json: Option<serde_json::Result<String>>, number: f64) {
    match json {
        Some(Ok(json)) => out.push_str(&json),
        _ => push_json_string(out, &number.to_string()),
    }
}

/// Returns the whole seconds of a time, and how many digits its parts of a second have.
fn time_of(parts: i64, per_second: i64) -> Option<(DateTime<chrono::Utc>, usize)> {
    let width = match per_second {
        1_000 => 3,
        1_000_000 => 6,
        _ => 9,
    };
    Some((DateTime::from_timestamp(parts.div_euclid(per_second), 0)?, width))
}

fn fraction(parts: i64, per_second: i64, width: usize) -> String {
    match parts.rem_euclid(per_second) {
        0 => String::new(),
        part => format!(".{part:0width$}"),
    }
}

/// Writes a number in two's complement, the first byte being the highest, with its point.
fn decimal(bytes: &[u8], scale: usize) -> Option<String> {
    if bytes.len() > MAX_DECIMAL_BYTES || scale > MAX_DECIMAL_BYTES * 3 {
        return None;
    }
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut size = bytes.to_vec();
    if is_negative {
        let mut carry = true;
        for byte in size.iter_mut().rev() {
            let (flipped, overflows) = (!*byte).overflowing_add(u8::from(carry));
            *byte = flipped;
            carry = overflows;
        }
    }
    let mut digits = Vec::new();
    while size.iter().any(|byte| *byte != 0) {
        let mut rest: u16 = 0;
        for byte in &mut size {
            let value = rest << 8 | u16::from(*byte);
            *byte = (value / 10) as u8;
            rest = value % 10;
        }
        digits.push(char::from(b'0' + rest as u8));
    }
    while digits.len() <= scale {
        digits.push('0');
    }
    let digits: String = digits.iter().rev().collect();
    let (whole, part) = digits.split_at_checked(digits.len() - scale)?;
    let sign = if is_negative { "-" } else { "" };
    Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_all_digits() {
        for (bytes, scale, text) in [
            (vec![], 0, "0"),
            (vec![0], 2, "0.00"),
            (vec![5], 2, "0.05"),
            (vec![0x30, 0x39], 2, "123.45"),
            (vec![0xff], 1, "-0.1"),
            (vec![0x80, 0], 0, "-32768"),
            ([vec![0x7f], vec![0xff; 15]].concat(), 0, "170141183460469231731687303715884105727"),
            ([vec![1], vec![0; 16]].concat(), 3, "340282366920938463463374607431768211.456"),
        ] {
            assert_eq!(decimal(&bytes, scale).as_deref(), Some(text), "{bytes:?}");
        }
        assert_eq!(decimal(&[1; 200], 0), None);
    }
}

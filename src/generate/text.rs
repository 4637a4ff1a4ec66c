//! Appends values to text: numbers, instants, ids, JSON.
//!
//! Written by hand because an export has some hundred million of them: `write!` costs several times as much.

use chrono::{DateTime, Datelike, Timelike};

use crate::json::{Escaping, push_json_string_as};

/// Appends a number in decimal.
pub(super) fn push_number(out: &mut String, number: u64) {
    push_padded(out, number, 1);
}

/// Appends a number in decimal with at least `width` digits; at most 20.
pub(super) fn push_padded(out: &mut String, number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut at = digits.len();
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    at = at.min(digits.len() - width.clamp(1, digits.len()));
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// Appends `digits` hexadecimal digits in lower case, the lowest bits last; at most 16.
pub(super) fn push_hex(out: &mut String, bits: u64, digits: u32) {
    out.extend((0..digits.min(16)).rev().map(|place| {
        let digit = ((bits >> (place * 4)) & 15) as u8;
        char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
    }));
}

/// Appends an id as the platform makes them: type prefix, `d01`, creation date, 16 hexadecimal digits.
pub(super) fn push_id(out: &mut String, prefix: &str, month_day: u32, bits: u64) {
    out.push_str(prefix);
    out.push_str("d01");
    push_padded(out, u64::from(month_day), 4);
    push_hex(out, bits, 16);
}

/// Appends an instant as ISO 8601 in UTC, with as many of 0, 3 or 6 decimals as its value needs.
pub(super) fn push_instant(out: &mut String, instant_us: i64) {
    let Some(time) = DateTime::from_timestamp_micros(instant_us) else {
        return;
    };
    push_padded(out, time.year().unsigned_abs().into(), 4);
    for (mark, part) in [('-', time.month()), ('-', time.day()), ('T', time.hour()), (':', time.minute())] {
        out.push(mark);
        push_padded(out, part.into(), 2);
    }
    out.push(':');
    push_padded(out, time.second().into(), 2);
    let micros = instant_us.rem_euclid(1_000_000).unsigned_abs();
    if !micros.is_multiple_of(1000) {
        out.push('.');
        push_padded(out, micros, 6);
    } else if micros != 0 {
        out.push('.');
        push_padded(out, micros / 1000, 3);
    }
    out.push('Z');
}

/// Appends the date of an instant.
pub(super) fn push_day(out: &mut String, instant_us: i64) {
    let Some(time) = DateTime::from_timestamp_micros(instant_us) else {
        return;
    };
    push_padded(out, time.year().unsigned_abs().into(), 4);
    out.push('-');
    push_padded(out, time.month().into(), 2);
    out.push('-');
    push_padded(out, time.day().into(), 2);
}

/// Returns month and day of an instant as the number MMDD.
pub(super) fn month_day(instant_us: i64) -> u32 {
    DateTime::from_timestamp_micros(instant_us).map_or(0, |time| time.month() * 100 + time.day())
}

/// Appends milliseconds as seconds, with three decimals where they are not zero.
pub(super) fn push_seconds(out: &mut String, milliseconds: i64) {
    if milliseconds < 0 {
        out.push('-');
    }
    let milliseconds = milliseconds.unsigned_abs();
    push_number(out, milliseconds / 1000);
    if !milliseconds.is_multiple_of(1000) {
        out.push('.');
        push_padded(out, milliseconds % 1000, 3);
    }
}

/// Appends a cell of delimiter-separated text, quoted by RFC 4180 where it must be.
pub(super) fn push_cell(out: &mut String, text: &str, delimiter: char) {
    let outer_space = text.starts_with(' ') || text.ends_with(' ');
    let special = |byte| matches!(byte, b'"' | b'\n' | b'\r') || char::from(byte) == delimiter;
    if !outer_space && !text.bytes().any(special) {
        out.push_str(text);
        return;
    }
    out.push('"');
    let mut from = 0;
    // JSON has a quote every eight bytes or so: a search for the next one costs more than looking at each byte.
    for (place, byte) in text.bytes().enumerate() {
        if byte == b'"' {
            out.push_str(&text[from..=place]);
            from = place;
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Writes JSON objects piece by piece; the caller closes what it opens.
pub(super) struct JsonText<'a> {
    /// Where the text goes.
    pub(super) out: &'a mut String,
    /// How text outside ASCII is written.
    pub(super) escaping: Escaping,
}

impl JsonText<'_> {
    /// Starts a member; a comma goes first unless the object has just been opened. The name must need no escapes.
    pub(super) fn key(&mut self, name: &str) {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    /// Appends a member that holds a string.
    pub(super) fn string(&mut self, name: &str, text: &str) {
        self.key(name);
        push_json_string_as(self.out, text, self.escaping);
    }

    /// Appends a member that holds a whole number.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.key(name);
        push_number(self.out, number);
    }

    /// Appends a member that holds this JSON text.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        self.key(name);
        self.out.push_str(json);
    }

    /// Appends a member that holds an object, left open.
    pub(super) fn open(&mut self, name: &str) {
        self.key(name);
        self.out.push('{');
    }

    /// Closes the innermost object.
    pub(super) fn close(&mut self) {
        self.out.push('}');
    }
}

/// Appends bytes in base64 with padding, as the paging tokens of the platform are.
pub(super) fn push_base64(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte)) << ((3 - group.len()) * 8);
        for place in 0..4 {
            let digit = DIGITS[(bits >> ((3 - place) * 6)) & 63];
            out.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(push: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        push(&mut out);
        out
    }

    #[test]
    fn instants_have_as_many_decimals_as_they_need() {
        let second = 1_790_812_800_000_000;
        assert_eq!(with(|out| push_instant(out, second)), "2026-10-01T00:00:00Z");
        assert_eq!(with(|out| push_instant(out, second + 16_943_000)), "2026-10-01T00:00:16.943Z");
        assert_eq!(with(|out| push_instant(out, second + 58_479_177)), "2026-10-01T00:00:58.479177Z");
        assert_eq!(with(|out| push_day(out, second)), "2026-10-01");
        assert_eq!(month_day(second), 1001);
    }

    #[test]
    fn ids_look_like_those_of_the_platform() {
        assert_eq!(with(|out| push_id(out, "028", 109, 0xab)), "028d01010900000000000000ab");
    }

    #[test]
    fn base64_pads_the_last_group() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(with(|out| push_base64(out, bytes.as_bytes())), text);
        }
    }

    #[test]
    fn cells_are_quoted_only_where_they_must_be() {
        for (cell, written) in [
            ("end", "end"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            (" lead", "\" lead\""),
        ] {
            assert_eq!(with(|out| push_cell(out, cell, ',')), written);
        }
        assert_eq!(with(|out| push_cell(out, "a,b", '\t')), "a,b");
        assert_eq!(with(|out| push_cell(out, "a\tb", '\t')), "\"a\tb\"");
    }

    proptest! {
        #[test]
        fn numbers_and_seconds_come_back(number: u64, milliseconds in -1_000_000_000_000_i64..1_000_000_000_000) {
            prop_assert_eq!(with(|out| push_number(out, number)), number.to_string());
            let seconds: f64 = with(|out| push_seconds(out, milliseconds)).parse().unwrap();
            prop_assert_eq!(seconds, milliseconds as f64 / 1000.0);
        }

        #[test]
        fn instants_come_back(instant in 0_i64..4_000_000_000_000_000) {
            let text = with(|out| push_instant(out, instant));
            let read = chrono::DateTime::parse_from_rfc3339(&text).unwrap();
            prop_assert_eq!(read.timestamp_micros(), instant);
        }
    }
}

//! Values that JSON has no type for, in the words of those who write them: MongoDB's extended JSON and the dates of old .NET.
//!
//! They are read where a column of ours has a type. In columns that hold JSON the text stays as it is.

use crate::json::blanks;

/// A value inside of an object that gives it a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extended<'a> {
    /// Text, or the digits of a number.
    Plain(&'a str),
    /// Digits of milliseconds since the Unix epoch.
    Milliseconds(&'a str),
}

/// Takes the value out of `{"$oid":"…"}`, `{"$date":…}`, `{"$numberLong":"…"}` and their like; `None` where an object is none, or its text has
/// escapes.
pub(super) fn extended(json: &str) -> Option<Extended<'_>> {
    let (key, value) = only_member(json)?;
    match key {
        "$oid" | "$uuid" | "$symbol" => Some(Extended::Plain(text(value)?)),
        "$numberLong" | "$numberInt" | "$numberDouble" | "$numberDecimal" => {
            Some(Extended::Plain(text(value).or_else(|| digits(value))?))
        }
        "$date" => match text(value) {
            Some(text) => Some(Extended::Plain(text)),
            None if value.starts_with('{') => match only_member(value)? {
                ("$numberLong", value) => Some(Extended::Milliseconds(text(value).or_else(|| digits(value))?)),
                _ => None,
            },
            None => Some(Extended::Milliseconds(digits(value)?)),
        },
        _ => None,
    }
}

/// Reads `/Date(1700000000000+0100)/` as milliseconds since the Unix epoch: what stands behind them is the zone to show it in.
pub(super) fn net_date(text: &str) -> Option<i64> {
    let inside = text.trim_ascii().trim_start_matches('\\').strip_prefix("/Date(")?;
    let inside = inside.strip_suffix(")/").or_else(|| inside.strip_suffix(")\\/"))?;
    let sign = usize::from(inside.starts_with('-'));
    let zone_at = inside.get(sign..)?.find(['+', '-']).map_or(inside.len(), |at| at + sign);
    let zone = inside.get(zone_at..)?;
    let is_zone = zone.is_empty() || (zone.len() == 5 && zone.bytes().skip(1).all(|byte| byte.is_ascii_digit()));
    let milliseconds = inside.get(..zone_at)?;
    if is_zone && digits(milliseconds).is_some() { milliseconds.parse().ok() } else { None }
}

/// Returns key and value of an object that has one member.
fn only_member(json: &str) -> Option<(&str, &str)> {
    let inside = json.trim_ascii().strip_prefix('{')?.strip_suffix('}')?.trim_ascii();
    let (key, rest) = inside.strip_prefix('"')?.split_once('"')?;
    let rest = rest.get(blanks(rest.as_bytes(), 0)..)?.strip_prefix(':')?;
    Some((key, rest.trim_ascii()))
}

/// Returns what stands in quotes, where nothing else follows and nothing is escaped.
fn text(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains(['"', '\\']))
}

fn digits(value: &str) -> Option<&str> {
    let is_number =
        !value.is_empty() && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    is_number.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_their_type_are_taken_out() {
        for (json, value) in [
            (r#"{"$oid":"65f0c0ffee0000000000abcd"}"#, Extended::Plain("65f0c0ffee0000000000abcd")),
            (r#"{ "$numberLong" : "5" }"#, Extended::Plain("5")),
            (r#"{"$numberInt":"-7"}"#, Extended::Plain("-7")),
            (r#"{"$numberDouble":"300.5"}"#, Extended::Plain("300.5")),
            (r#"{"$numberLong":5}"#, Extended::Plain("5")),
            (r#"{"$date":"2026-11-20T10:00:00.123Z"}"#, Extended::Plain("2026-11-20T10:00:00.123Z")),
            (r#"{"$date":{"$numberLong":"1700000000123"}}"#, Extended::Milliseconds("1700000000123")),
            (r#"{"$date": 1700000000123}"#, Extended::Milliseconds("1700000000123")),
        ] {
            assert_eq!(extended(json), Some(value), "{json}");
        }
        for json in [
            "{}",
            "[]",
            r#"{"a":"b"}"#,
            r#"{"$oid":"a","$date":"b"}"#,
            r#"{"$oid":"a\"b"}"#,
            r#"{"$oid":{"a":1}}"#,
            r#"{"$date":{"a":1}}"#,
            r#"{"$date":null}"#,
            r#"{"$date":[1]}"#,
        ] {
            assert_eq!(extended(json), None, "{json}");
        }
    }

    #[test]
    fn dates_of_net_are_milliseconds_whatever_the_zone() {
        for text in ["/Date(1700000000000+0100)/", "/Date(1700000000000)/", "\\/Date(1700000000000-0800)\\/"] {
            assert_eq!(net_date(text), Some(1_700_000_000_000), "{text}");
        }
        assert_eq!(net_date("/Date(-62135596800000)/"), Some(-62_135_596_800_000));
        for text in ["/Date()/", "/Date(x)/", "/Date(1+1)/", "Date(1)", "/Date(1)", "/Date(1700000000000+01:00)/"] {
            assert_eq!(net_date(text), None, "{text}");
        }
    }
}

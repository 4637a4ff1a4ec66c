//! Reads lengths of time out of the spellings that exports have, where a column of seconds holds more than numbers.
//!
//! Known are clocks (`04:05:06.7`, `1 day 02:03:04`), ISO 8601 (`PT5M0.5S`, as this program prints them too) and units (`2 days 4 hours
//! 5 mins 6.7 secs`): what DuckDB and PostgreSQL print in every style of theirs, pandas, Python and .NET. A sign belongs to the part
//! that it stands before, as in those. Months and years have no fixed length.

use std::fmt;

/// Longest text that is read, in bytes; a longer one is no length of time.
const MAX_BYTES: usize = 80;

/// Parts of a second that are kept: 10⁻¹².
const SECOND: i128 = 1_000_000_000_000;

/// Why text is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LengthFault {
    /// In none of the spellings.
    Unreadable,
    /// It has months or years.
    Months,
    /// `05:00`, which may be hours and minutes.
    TwoParts,
}

impl fmt::Display for LengthFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "is not a number",
            Self::Months => "has months or years, which have no fixed length",
            Self::TwoParts => "may be hours and minutes or minutes and seconds",
        })
    }
}

/// Reads a length of time in seconds.
pub(super) fn parse_length(text: &str) -> Result<f64, LengthFault> {
    let text = text.trim_ascii();
    if text.is_empty() || text.len() > MAX_BYTES || !text.is_ascii() {
        return Err(LengthFault::Unreadable);
    }
    let lower = text.to_ascii_lowercase();
    let (is_negative, body) = match lower.strip_prefix("-p") {
        Some(iso) => (true, format!("p{iso}")),
        None => match lower.strip_suffix(" ago") {
            Some(before) => (true, before.to_owned()),
            None => (false, lower),
        },
    };
    let parts = match body.strip_prefix('p') {
        Some(iso) => iso_parts(iso)?,
        None => match body.strip_prefix("interval '").and_then(|literal| literal.split_once("' ")) {
            Some((inside, fields)) => literal_parts(inside, fields)?,
            None => worded_parts(body.strip_prefix('@').unwrap_or(&body))?,
        },
    };
    let total = if is_negative { parts.checked_neg() } else { Some(parts) }.ok_or(LengthFault::Unreadable)?;
    // Read as one decimal, the result is the nearest double; a sum of parts might be one off.
    let (whole, fraction) =
        (total.unsigned_abs() / SECOND.unsigned_abs(), total.unsigned_abs() % SECOND.unsigned_abs());
    let sign = if total < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction:012}").parse().map_err(|_| LengthFault::Unreadable)
}

/// Reads what stands behind the `P` of ISO 8601.
fn iso_parts(text: &str) -> Result<i128, LengthFault> {
    let (date, time) = text.split_once('t').map_or((text, None), |(date, time)| (date, Some(time)));
    if (date.is_empty() && time.is_none()) || time == Some("") {
        return Err(LengthFault::Unreadable);
    }
    let mut total = 0;
    for (mut rest, is_time) in [(date, false), (time.unwrap_or_default(), true)] {
        while !rest.is_empty() {
            let (number, after) = number(rest)?;
            let unit = after.chars().next().ok_or(LengthFault::Unreadable)?;
            let seconds = match (unit, is_time) {
                ('y' | 'm', false) if number == 0 => 0,
                ('y' | 'm', false) => return Err(LengthFault::Months),
                ('w', false) => 604_800,
                ('d', false) => 86_400,
                ('h', true) => 3_600,
                ('m', true) => 60,
                ('s', true) => 1,
                _ => return Err(LengthFault::Unreadable),
            };
            total = added(total, number, seconds)?;
            rest = after.get(1..).unwrap_or_default();
        }
    }
    Ok(total)
}

/// Reads an interval as Spark prints it: `INTERVAL '-0 00:05:00.5' DAY TO SECOND`, whose sign is of the whole.
fn literal_parts(inside: &str, fields: &str) -> Result<i128, LengthFault> {
    let (is_negative, inside) = inside.strip_prefix('-').map_or((false, inside), |inside| (true, inside));
    let parts = match fields {
        "day to second" | "hour to second" => worded_parts(inside)?,
        "day" | "hour" | "minute" | "second" => worded_parts(&format!("{inside} {fields}"))?,
        "year to month" | "year" | "month" => return Err(LengthFault::Months),
        _ => return Err(LengthFault::Unreadable),
    };
    Ok(if is_negative { -parts } else { parts })
}

/// Reads numbers with units, and a clock at the end.
fn worded_parts(text: &str) -> Result<i128, LengthFault> {
    let mut rest = text.trim_ascii_start();
    let mut total = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let word_end = rest.find([' ', ',']).unwrap_or(rest.len());
        if rest.get(..word_end).unwrap_or_default().contains(':') {
            if word_end != rest.len() {
                return Err(LengthFault::Unreadable);
            }
            let (days, clock) = with_days(rest);
            total = added(total, clock_of(clock)?, 1)?;
            return match days {
                Some(days) if parts == 0 => added(total, number(days)?.0, 86_400),
                Some(_) => Err(LengthFault::Unreadable),
                None => Ok(total),
            };
        }
        let (number, after) = number(rest)?;
        let after = after.trim_ascii_start();
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let seconds = match unit {
            "w" | "week" | "weeks" => 604_800,
            "d" | "day" | "days" => 86_400,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            // PostgreSQL's style sql_standard has days without a unit before a clock.
            "" if parts == 0 && after.contains(':') => 86_400,
            "y" | "yr" | "yrs" | "year" | "years" | "mon" | "mons" | "month" | "months" if number == 0 => 0,
            "y" | "yr" | "yrs" | "year" | "years" | "mon" | "mons" | "month" | "months" => {
                return Err(LengthFault::Months);
            }
            _ => return Err(LengthFault::Unreadable),
        };
        // In `-5m30s` the sign is of the whole, in `-1 days +02:03:04` of the days.
        if number < 0 && after.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(LengthFault::Unreadable);
        }
        total = added(total, number, seconds)?;
        parts += 1;
        rest = after.trim_ascii_start().trim_start_matches(',').trim_ascii_start();
    }
    if parts == 0 { Err(LengthFault::Unreadable) } else { Ok(total) }
}

/// Takes the days off the front of `1.02:03:04`, as .NET writes them.
fn with_days(text: &str) -> (Option<&str>, &str) {
    match (text.find('.'), text.find(':')) {
        (Some(point), Some(colon)) if point < colon => (text.get(..point), text.get(point + 1..).unwrap_or_default()),
        _ => (None, text),
    }
}

/// Reads `hh:mm:ss` with a fraction, in parts of a second. Hours may have any number of digits.
fn clock_of(text: &str) -> Result<i128, LengthFault> {
    let unsigned = text.trim_start_matches(['-', '+']);
    if text.len() > unsigned.len() + 1 {
        return Err(LengthFault::Unreadable);
    }
    let parts: Vec<&str> = unsigned.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        [_, _] => return Err(LengthFault::TwoParts),
        _ => return Err(LengthFault::Unreadable),
    };
    let (hours, minutes) = (clock_part(hours, None)?, clock_part(minutes, Some(60))?);
    let (seconds, after) = match seconds.as_bytes().first() {
        Some(b'0'..=b'9') => number(seconds)?,
        _ => return Err(LengthFault::Unreadable),
    };
    if !after.is_empty() || seconds >= 60 * SECOND {
        return Err(LengthFault::Unreadable);
    }
    let total = (hours * 60 + minutes) * 60 * SECOND + seconds;
    Ok(if text.starts_with('-') { -total } else { total })
}

fn clock_part(text: &str, below: Option<i128>) -> Result<i128, LengthFault> {
    let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let value: i128 = if is_number { text.parse().map_err(|_| LengthFault::Unreadable)? } else { -1 };
    if value < 0 || below.is_some_and(|below| value >= below) { Err(LengthFault::Unreadable) } else { Ok(value) }
}

/// Reads a number with sign and fraction, in parts of 10⁻¹²; returns what stands behind it too.
fn number(text: &str) -> Result<(i128, &str), LengthFault> {
    let (is_negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let whole_end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let (whole, mut rest) = unsigned.split_at(whole_end);
    let mut fraction = "";
    if let Some(behind) = rest.strip_prefix(['.', ','])
        && behind.starts_with(|c: char| c.is_ascii_digit())
    {
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        (fraction, rest) = behind.split_at(end);
    }
    if whole.is_empty() || whole.len() > 12 || fraction.len() > 12 {
        return Err(LengthFault::Unreadable);
    }
    let digits = format!("{whole}{fraction:0<12}");
    let value: i128 = digits.parse().map_err(|_| LengthFault::Unreadable)?;
    Ok((if is_negative { -value } else { value }, rest))
}

fn added(total: i128, number: i128, seconds: i128) -> Result<i128, LengthFault> {
    number.checked_mul(seconds).and_then(|length| total.checked_add(length)).ok_or(LengthFault::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_in_the_styles_of_databases() {
        for (text, seconds) in [
            ("00:05:00.5", 300.5),
            ("0:00:00", 0.0),
            ("26:03:04", 93_784.0),
            ("123:00:00", 442_800.0),
            ("1 day 02:03:04", 93_784.0),
            ("1 day, 2:03:04.25", 93_784.25),
            ("2 days 04:05:06.7", 187_506.7),
            ("0 days 00:05:00.500000", 300.5),
            ("1.02:03:04.5000000", 93_784.5),
            ("-1 days +02:03:04", -79_016.0),
            ("-00:00:01.5", -1.5),
            ("2 4:05:06.7", 187_506.7),
            ("@ 2 days 4 hours 5 mins 6.7 secs", 187_506.7),
            ("@ 5 mins 0.5 secs ago", -300.5),
            ("2 days 4 hours 5 mins 6.700000000 secs", 187_506.7),
            ("0 years 0 mons 1 days 0 hours 0 mins 0.0 secs", 86_400.0),
            ("5m 30s", 330.0),
            ("5m30s", 330.0),
            ("90 min", 5_400.0),
            ("PT5M0.5S", 300.5),
            ("PT0S", 0.0),
            ("PT26H3M4.5S", 93_784.5),
            ("P2DT4H5M6.7S", 187_506.7),
            ("P1W", 604_800.0),
            ("PT1.5H", 5_400.0),
            ("-PT5M", -300.0),
            ("INTERVAL '0 00:05:00.5' DAY TO SECOND", 300.5),
            ("INTERVAL '-1 02:03:04' DAY TO SECOND", -93_784.0),
            ("INTERVAL '26:03:04' HOUR TO SECOND", 93_784.0),
            ("INTERVAL '12.5' SECOND", 12.5),
            ("PT-5M-0.5S", -300.5),
            ("P0Y0M1D", 86_400.0),
            ("pt0,25s", 0.25),
            ("00:00:00.1", 0.1),
            ("00:00:00.000001", 0.000_001),
        ] {
            assert_eq!(parse_length(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_has_no_fixed_length_or_is_none_is_told() {
        use LengthFault::{Months, TwoParts, Unreadable};
        for (text, fault) in [
            ("1 mon", Months),
            ("INTERVAL '1-2' YEAR TO MONTH", Months),
            ("INTERVAL '05:00' MINUTE TO SECOND", Unreadable),
            ("1 year 2 days", Months),
            ("P1Y2M3DT4H", Months),
            ("@ 1 mon 2 days", Months),
            ("05:00", TwoParts),
            ("1 day 05:00", TwoParts),
            ("", Unreadable),
            ("@", Unreadable),
            ("twelve", Unreadable),
            ("P", Unreadable),
            ("PT", Unreadable),
            ("P1DT", Unreadable),
            ("PT5", Unreadable),
            ("PT1D", Unreadable),
            ("00:60:00", Unreadable),
            ("00:00:60", Unreadable),
            ("00:-5:00", Unreadable),
            ("1:2:3:4", Unreadable),
            ("--00:00:01", Unreadable),
            ("-5m30s", Unreadable),
            ("5 parsecs", Unreadable),
            ("5 5", Unreadable),
            ("00:00:01 x", Unreadable),
            ("é00:00:01", Unreadable),
            ("9999999999999:00:00", Unreadable),
        ] {
            assert_eq!(parse_length(text), Err(fault), "{text}");
        }
    }
}

//! Reads instants out of the many spellings that exports have.
//!
//! One hand-written reader for all spellings, since a general date parser costs more than all other work on a row. It knows
//! ISO 8601 dates and times in any precision (finer than microseconds is cut off), with `T` or a blank between, with `Z`,
//! `UTC`, `GMT`, `±hh:mm`, `±hhmm`, `±hh` or no zone; and Unix times, whose unit follows from their size. Times without a zone
//! are local in the declared one. Instants are kept to the years 1 to 9999, which every tool downstream can print.

use std::fmt;

use super::unix_times::{NumberTime, time_of_digits};
use crate::zones::Tz;
use chrono::{DateTime, MappedLocalTime, Offset, TimeZone};

const DAY_US: i64 = 86_400 * SECOND_US;
const SECOND_US: i64 = 1_000_000;
/// 0001-01-01T00:00:00Z.
const MIN_US: i64 = -719_162 * DAY_US;
/// 9999-12-31T23:59:59.999999Z.
const MAX_US: i64 = 2_932_897 * DAY_US - 1;

/// An instant, and whether its local time left a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    /// Microseconds since the Unix epoch.
    pub(super) micros: i64,
    /// Whether the local time exists twice in its zone (the earlier is taken) or not at all (moved forward by the gap).
    pub(super) ambiguous: bool,
}

impl Instant {
    fn certain(micros: i64) -> Self {
        Self { micros, ambiguous: false }
    }
}

/// Why text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFault {
    /// Not in any of the spellings.
    Unreadable,
    /// A month 13, a 30 February, an hour 25, or a year past 9999.
    OutOfRange,
}

impl fmt::Display for TimeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "is not a date and time",
            Self::OutOfRange => "is out of range",
        })
    }
}

/// Reads an instant; times without a zone are local in `zone`, bare dates are its midnight.
///
/// Digits that are a date of the years 1990 to 2100 (`YYYYMMDD`, with `hhmm` or `hhmmss` behind) are one, and so are ticks of .NET and file times
/// of Windows. Other numeric text is Unix time: up to 10¹¹ in seconds, to 10¹⁴ in milliseconds, to 10¹⁷ in microseconds, above that in
/// nanoseconds. (So milliseconds before March 1973 are read as seconds.)
pub(super) fn parse_instant(text: &str, zone: Tz) -> Result<Instant, TimeFault> {
    let text = text.trim_ascii();
    if let Some(instant) = parse_compact(text.as_bytes(), zone) {
        return instant;
    }
    match time_of_digits(text) {
        Some(NumberTime::Universal(micros)) => universal(micros),
        Some(NumberTime::Local(micros)) => {
            resolve_local(i64::try_from(micros).map_err(|_| TimeFault::OutOfRange)?, zone)
        }
        None => parse_iso(text.as_bytes(), zone).or_else(|fault| match parse_rare(text, zone) {
            Some(instant) => instant,
            None => Err(fault),
        }),
    }
}

/// Reads rarer spellings of ISO 8601: without separators (`20261120T100000Z`) or with those of the time alone, and with the name of a zone behind, in brackets as Java
/// writes it (`2026-11-20T11:00:00+01:00[Europe/Berlin]`) or behind a blank as Trino does. An offset wins over the name beside it.
fn parse_rare(text: &str, zone: Tz) -> Option<Result<Instant, TimeFault>> {
    if let Some((time, name)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        return Some(parse_iso(time.trim_ascii_end().as_bytes(), Tz::named(name)?));
    }
    if let Some((time, name)) = text.rsplit_once(' ') {
        let time = time.trim_ascii_end();
        if name.contains('/') {
            return Some(parse_iso(time.as_bytes(), Tz::named(name)?));
        }
        // An offset beside the abbreviation might be another one.
        if is_abbreviation(name) && !time.get(10..)?.contains(['+', '-', 'Z', 'z']) {
            return Some(
                parse_iso(time.as_bytes(), Tz::UTC).and_then(|local| resolve_abbreviated(local.micros, name, zone)),
            );
        }
    }
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let clock = time.find(|c: char| !c.is_ascii_digit()).unwrap_or(time.len());
    let (clock, rest) = time.split_at(clock);
    // XML-RPC and SQL Server have colons in the time all the same.
    let has_colons = clock.len() == 2 && rest.starts_with(':');
    if date.len() != 8 || !(has_colons || matches!(clock.len(), 4 | 6)) {
        return None;
    }
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    if has_colons {
        return Some(parse_iso(format!("{year}-{month}-{day}T{time}").as_bytes(), zone));
    }
    let (hour, minute, second) = (clock.get(..2)?, clock.get(2..4)?, clock.get(4..)?);
    let second = if second.is_empty() { "00" } else { second };
    Some(parse_iso(format!("{year}-{month}-{day}T{hour}:{minute}:{second}{rest}").as_bytes(), zone))
}

/// Returns whether an instant of a session can be one: from 1990 on, and not more than a day after its export. Both are
/// microseconds since the Unix epoch.
pub(super) fn is_plausible(micros: i64, exported_us: i64) -> bool {
    // 1990-01-01.
    (7_305 * DAY_US..=exported_us.saturating_add(DAY_US)).contains(&micros)
}

/// Returns the local day of an instant, as days since 1970-01-01.
pub(super) fn day_of(micros: i64, zone: Tz) -> i64 {
    let offset = DateTime::from_timestamp_micros(micros)
        .map_or(0, |time| zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc());
    (micros + i64::from(offset) * SECOND_US).div_euclid(DAY_US)
}

/// Returns the day of a date such as `9999-12-31`, as days since 1970-01-01.
pub fn day_of_date(text: &str) -> Option<i64> {
    let midnight = parse_iso(text.as_bytes(), Tz::UTC).ok().filter(|_| text.len() == 10)?;
    Some(midnight.micros.div_euclid(DAY_US))
}

/// Reads `YYYYMMDD`, `YYYYMMDDhhmm` and `YYYYMMDDhhmmss` of the years 1990 to 2100, the last with 3, 6 or 9 more digits or a fraction behind a
/// point, and the longer ones with an offset. As Unix times these digits would be of 1970, of 1976 and of the years after 2600, in which
/// no session was.
fn parse_compact(text: &[u8], zone: Tz) -> Option<Result<Instant, TimeFault>> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !matches!(digits, 8 | 12 | 14 | 17 | 20 | 23) {
        return None;
    }
    let mut rest = text;
    let mut take = |count| take_digits(&mut rest, count).ok();
    let (year, month, day) = (take(4)?, take(2)?, take(2)?);
    if !(1990..=2100).contains(&year) {
        return None;
    }
    let days = days_from_date(year, month, day)?;
    let (hour, minute) = if digits > 8 { (take(2)?, take(2)?) } else { (0, 0) };
    let second = if digits >= 14 { take(2)? } else { 0 };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut fraction_us = 0;
    if digits > 14 || take_byte(&mut rest, b".,").is_some() {
        let is_number = digits < 14;
        if is_number && rest.iter().any(|byte| *byte != b'0') {
            return None;
        }
        fraction_us = take_fraction(&mut rest).ok()?;
    }
    let local_us = days * DAY_US + (hour * 3600 + minute * 60 + second) * SECOND_US + fraction_us;
    if digits == 8 && !rest.is_empty() {
        return None;
    }
    Some(match take_offset(rest).ok()? {
        Some(offset_seconds) => in_range(local_us - offset_seconds * SECOND_US).map(Instant::certain),
        None => resolve_local(local_us, zone),
    })
}

/// Reads the instant that a number is as the text of it would be read.
pub(super) fn instant_of_number(number: f64, zone: Tz) -> Result<Instant, TimeFault> {
    if number.is_finite() { parse_instant(&number.to_string(), zone) } else { Err(TimeFault::OutOfRange) }
}

fn universal(micros: i128) -> Result<Instant, TimeFault> {
    i64::try_from(micros).map_err(|_| TimeFault::OutOfRange).and_then(in_range).map(Instant::certain)
}

/// Finds the instant of a local time, given as microseconds since 1970-01-01T00:00:00 on its own clock.
pub(super) fn resolve_local(local_us: i64, zone: Tz) -> Result<Instant, TimeFault> {
    if zone == Tz::UTC {
        return in_range(local_us).map(Instant::certain);
    }
    let local = DateTime::from_timestamp_micros(local_us).ok_or(TimeFault::OutOfRange)?.naive_utc();
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(time) => in_range(time.timestamp_micros()).map(Instant::certain),
        MappedLocalTime::Ambiguous(earlier, later) => {
            let micros = earlier.timestamp_micros().min(later.timestamp_micros());
            Ok(Instant { micros: in_range(micros)?, ambiguous: true })
        }
        MappedLocalTime::None => {
            // The offset from before the gap moves the time forward by the length of the gap. 26 hours back is before every
            // gap there ever was, the longest being the day that Samoa left out.
            let before =
                DateTime::from_timestamp_micros(local_us - 26 * 3600 * SECOND_US).ok_or(TimeFault::OutOfRange)?;
            let offset = zone.offset_from_utc_datetime(&before.naive_utc()).fix().local_minus_utc();
            Ok(Instant { micros: in_range(local_us - i64::from(offset) * SECOND_US)?, ambiguous: true })
        }
    }
}

/// Returns whether a word may be the abbreviation of a zone's time: `CET`, `EDT`.
pub(super) fn is_abbreviation(word: &str) -> bool {
    (3..=5).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Finds the instant of a local time with the abbreviation of a zone behind it, given as [`resolve_local`] has it. The same letters stand
/// for several zones (`CST`, `IST`), and so they say only which of its times the declared zone shows: where it never shows one of that name
/// then, the text is no instant. `UTC`, `GMT` and `Z` need no zone.
pub(super) fn resolve_abbreviated(local_us: i64, name: &str, zone: Tz) -> Result<Instant, TimeFault> {
    if ["UTC", "GMT", "Z"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return in_range(local_us).map(Instant::certain);
    }
    let local = DateTime::from_timestamp_micros(local_us).ok_or(TimeFault::OutOfRange)?.naive_utc();
    let shown = zone.from_local_datetime(&local);
    let named = [shown.earliest(), shown.latest()].into_iter().flatten();
    let mut named = named.filter(|time| time.offset().abbreviation().eq_ignore_ascii_case(name));
    let time = named.next().ok_or(TimeFault::Unreadable)?;
    in_range(time.timestamp_micros()).map(Instant::certain)
}

/// Checks that an instant is one that can be stored.
pub(super) fn in_range(micros: i64) -> Result<i64, TimeFault> {
    if (MIN_US..=MAX_US).contains(&micros) { Ok(micros) } else { Err(TimeFault::OutOfRange) }
}

/// Takes a fixed number of digits off the front.
fn take_digits(text: &mut &[u8], count: usize) -> Result<i64, TimeFault> {
    let (digits, rest) = text.split_at_checked(count).ok_or(TimeFault::Unreadable)?;
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(TimeFault::Unreadable);
        }
        value = value * 10 + i64::from(digit);
    }
    *text = rest;
    Ok(value)
}

fn take_byte(text: &mut &[u8], accepted: &[u8]) -> Option<u8> {
    let (first, rest) = text.split_first()?;
    accepted.contains(first).then(|| {
        *text = rest;
        *first
    })
}

fn parse_iso(mut text: &[u8], zone: Tz) -> Result<Instant, TimeFault> {
    let year = take_digits(&mut text, 4)?;
    take_byte(&mut text, b"-").ok_or(TimeFault::Unreadable)?;
    let month = take_digits(&mut text, 2)?;
    take_byte(&mut text, b"-").ok_or(TimeFault::Unreadable)?;
    let day = take_digits(&mut text, 2)?;
    let mut local_us = days_from_date(year, month, day).ok_or(TimeFault::OutOfRange)? * DAY_US;
    if text.is_empty() {
        return resolve_local(local_us, zone);
    }
    take_byte(&mut text, b"Tt ").ok_or(TimeFault::Unreadable)?;
    let hour = take_digits(&mut text, 2)?;
    take_byte(&mut text, b":").ok_or(TimeFault::Unreadable)?;
    let minute = take_digits(&mut text, 2)?;
    let mut second = 0;
    let mut fraction_us = 0;
    if take_byte(&mut text, b":").is_some() {
        second = take_digits(&mut text, 2)?;
        if take_byte(&mut text, b".,").is_some() {
            fraction_us = take_fraction(&mut text)?;
        }
    }
    // Second 60 is a leap second; as on Unix it is the first of the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return Err(TimeFault::OutOfRange);
    }
    local_us += (hour * 3600 + minute * 60 + second) * SECOND_US + fraction_us;
    match take_offset(text)? {
        Some(offset_seconds) => in_range(local_us - offset_seconds * SECOND_US).map(Instant::certain),
        None => resolve_local(local_us, zone),
    }
}

/// Takes the digits after the decimal point, as microseconds; digits past the sixth are dropped.
fn take_fraction(text: &mut &[u8]) -> Result<i64, TimeFault> {
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 {
        return Err(TimeFault::Unreadable);
    }
    let micros = (0..6)
        .fold(0, |value, i| value * 10 + text.get(i).filter(|_| i < length).map_or(0, |digit| i64::from(digit - b'0')));
    *text = text.get(length..).unwrap_or_default();
    Ok(micros)
}

/// Reads what follows the time: seconds east of Greenwich, or `None` where nothing follows.
fn take_offset(text: &[u8]) -> Result<Option<i64>, TimeFault> {
    let mut text = match text {
        [] => return Ok(None),
        [b' ', rest @ ..] => rest,
        _ => text,
    };
    if text.eq_ignore_ascii_case(b"Z") {
        return Ok(Some(0));
    }
    // An offset may stand behind the name of what it is one from: `GMT+01:00`.
    if let Some((name, rest)) = text.split_at_checked(3)
        && (name.eq_ignore_ascii_case(b"UTC") || name.eq_ignore_ascii_case(b"GMT"))
    {
        match rest {
            [] => return Ok(Some(0)),
            // Hours of one digit stand behind a name alone.
            [b'+', hour @ b'0'..=b'9'] => return Ok(Some(i64::from(hour - b'0') * 3600)),
            [b'-', hour @ b'0'..=b'9'] => return Ok(Some(i64::from(hour - b'0') * -3600)),
            _ => text = rest,
        }
    }
    let sign = match take_byte(&mut text, b"+-").ok_or(TimeFault::Unreadable)? {
        b'-' => -1,
        _ => 1,
    };
    let hours = take_digits(&mut text, 2)?;
    let mut minutes = 0;
    if !text.is_empty() {
        take_byte(&mut text, b":");
        minutes = take_digits(&mut text, 2)?;
    }
    if !text.is_empty() {
        return Err(TimeFault::Unreadable);
    }
    if hours > 23 || minutes > 59 {
        return Err(TimeFault::OutOfRange);
    }
    Ok(Some(sign * (hours * 3600 + minutes * 60)))
}

/// Counts the days from 1970-01-01, or returns `None` for a date that the calendar does not have.
fn days_from_date(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year < 1 || day < 1 || day > longest {
        return None;
    }
    // Years that start in March put the leap day last, so that the days before a month follow one formula.
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_of_years = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400;
    Some(days_of_years + (march_month * 153 + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;

//! Reads instants out of the many spellings that exports have.
//!
//! One hand-written reader for all spellings, since a general date parser costs more than all other work on a row. It knows
//! ISO 8601 dates and times in any precision (finer than microseconds is cut off), with `T` or a blank between, with `Z`,
//! `UTC`, `GMT`, `±hh:mm`, `±hhmm`, `±hh` or no zone; and Unix times, whose unit follows from their size. Times without a zone
//! are local in the declared one. Instants are kept to the years 1 to 9999, which every tool downstream can print.

use std::fmt;

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
/// Digits that are a date of the years 1990 to 2100 (`YYYYMMDD`, with `hhmm` or `hhmmss` behind) are one. Other numeric text is Unix time: up to 10¹¹ in seconds, to 10¹⁴ in milliseconds, to 10¹⁷ in microseconds, above that in
/// nanoseconds. (So milliseconds before March 1973 are read as seconds.)
pub(super) fn parse_instant(text: &str, zone: Tz) -> Result<Instant, TimeFault> {
    let text = text.trim_ascii();
    if let Some(local_us) = parse_compact(text.as_bytes()) {
        return resolve_local(local_us, zone);
    }
    match parse_unix(text) {
        Some(micros) => in_range(micros?).map(Instant::certain),
        None => parse_iso(text.as_bytes(), zone).or_else(|fault| match parse_rare(text, zone) {
            Some(instant) => instant,
            None => Err(fault),
        }),
    }
}

/// Reads rarer spellings of ISO 8601: without separators (`20261120T100000Z`), and with the name of a zone behind, in brackets as Java
/// writes it (`2026-11-20T11:00:00+01:00[Europe/Berlin]`) or behind a blank as Trino does. An offset wins over the name beside it.
fn parse_rare(text: &str, zone: Tz) -> Option<Result<Instant, TimeFault>> {
    if let Some((time, name)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        return Some(parse_iso(time.trim_ascii_end().as_bytes(), Tz::named(name)?));
    }
    if let Some((time, name)) = text.rsplit_once(' ').filter(|(_, name)| name.contains('/')) {
        return Some(parse_iso(time.trim_ascii_end().as_bytes(), Tz::named(name)?));
    }
    let (date, time) = text.split_once(['T', 't'])?;
    let clock = time.find(|c: char| !c.is_ascii_digit()).unwrap_or(time.len());
    let (clock, rest) = time.split_at(clock);
    if date.len() != 8 || !matches!(clock.len(), 4 | 6) {
        return None;
    }
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
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

/// Reads `YYYYMMDD`, `YYYYMMDDhhmm` and `YYYYMMDDhhmmss` of the years 1990 to 2100 as microseconds on the local clock. As Unix times
/// these digits would be of 1970, of 1976 and of the years after 2600, in which no session was.
fn parse_compact(text: &[u8]) -> Option<i64> {
    if !matches!(text.len(), 8 | 12 | 14) {
        return None;
    }
    let mut rest = text;
    let mut take = |count| take_digits(&mut rest, count).ok();
    let (year, month, day) = (take(4)?, take(2)?, take(2)?);
    if !(1990..=2100).contains(&year) {
        return None;
    }
    let days = days_from_date(year, month, day)?;
    let (hour, minute) = if text.len() > 8 { (take(2)?, take(2)?) } else { (0, 0) };
    let second = if text.len() == 14 { take(2)? } else { 0 };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days * DAY_US + (hour * 3600 + minute * 60 + second) * SECOND_US)
}

/// Reads Unix time out of a number.
pub(super) fn instant_of_number(number: f64) -> Result<Instant, TimeFault> {
    in_range(scale_float(number)?).map(Instant::certain)
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

/// Checks that an instant is one that can be stored.
pub(super) fn in_range(micros: i64) -> Result<i64, TimeFault> {
    if (MIN_US..=MAX_US).contains(&micros) { Ok(micros) } else { Err(TimeFault::OutOfRange) }
}

/// Returns `None` for text that is not purely a number.
fn parse_unix(text: &str) -> Option<Result<i64, TimeFault>> {
    let (negative, unsigned) = match text.as_bytes().split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text.as_bytes()),
    };
    let mut whole: i128 = 0;
    let mut at = 0;
    while let Some(digit) = unsigned.get(at).filter(|b| b.is_ascii_digit()) {
        // Saturating: a number of forty digits is out of range whatever its digits.
        whole = whole.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
        at += 1;
    }
    if at == 0 {
        return None;
    }
    let fraction = match unsigned.get(at) {
        None => &[],
        Some(b'.') => {
            let digits = unsigned.get(at + 1..)?;
            let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            at += 1 + length;
            digits.get(..length)?
        }
        Some(_) => &[],
    };
    match unsigned.get(at) {
        None => {}
        Some(b'e' | b'E') if unsigned.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) => {
            return Some(text.parse::<f64>().map_err(|_| TimeFault::Unreadable).and_then(scale_float));
        }
        Some(_) => return None,
    }
    let digits_of_fraction = |count: usize| {
        (0..count).fold(0_i128, |value, i| value * 10 + fraction.get(i).map_or(0, |digit| i128::from(digit - b'0')))
    };
    let micros = match unit_of(whole) {
        Unit::Seconds => whole * 1_000_000 + digits_of_fraction(6),
        Unit::Milliseconds => whole * 1000 + digits_of_fraction(3),
        Unit::Microseconds => whole,
        Unit::Nanoseconds => whole / 1000,
    };
    let signed = if negative { -micros } else { micros };
    Some(i64::try_from(signed).map_err(|_| TimeFault::OutOfRange))
}

enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

fn unit_of(absolute: i128) -> Unit {
    match absolute.unsigned_abs() {
        0..100_000_000_000 => Unit::Seconds,
        100_000_000_000..100_000_000_000_000 => Unit::Milliseconds,
        100_000_000_000_000..100_000_000_000_000_000 => Unit::Microseconds,
        _ => Unit::Nanoseconds,
    }
}

fn scale_float(number: f64) -> Result<i64, TimeFault> {
    if !number.is_finite() || number.abs() > 1e21 {
        return Err(TimeFault::OutOfRange);
    }
    let micros = match unit_of(number.abs() as i128) {
        Unit::Seconds => number * 1e6,
        Unit::Milliseconds => number * 1e3,
        Unit::Microseconds => number,
        Unit::Nanoseconds => number / 1e3,
    };
    Ok(micros.round() as i64)
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
    if text.eq_ignore_ascii_case(b"Z") || text.eq_ignore_ascii_case(b"UTC") || text.eq_ignore_ascii_case(b"GMT") {
        return Ok(Some(0));
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
mod tests {
    use chrono::{NaiveDate, SecondsFormat};
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> Result<String, TimeFault> {
        in_zone(text, Tz::UTC).map(|(text, _)| text)
    }

    fn in_zone(text: &str, zone: Tz) -> Result<(String, bool), TimeFault> {
        let instant = parse_instant(text, zone)?;
        let time = DateTime::from_timestamp_micros(instant.micros).unwrap();
        Ok((time.to_rfc3339_opts(SecondsFormat::AutoSi, true), instant.ambiguous))
    }

    #[test]
    fn all_spellings_of_one_instant_agree() {
        for text in [
            "2026-02-09T23:56:58Z",
            " 2026-02-09t23:56:58z ",
            "2026-02-09 23:56:58",
            "2026-02-09T23:56:58.000000000Z",
            "2026-02-09 23:56:58 UTC",
            "2026-02-09T23:56:58,0Z",
            "2026-02-10T05:26:58+05:30",
            "2026-02-10T05:26:58 +0530",
            "2026-02-09T18:56:58-05",
            "1770681418",
            "1770681418.0",
            "1770681418000",
            "1770681418000000",
            "1770681418000000000",
            "1.770681418e9",
            "20260209T235658Z",
            "20260210T052658+0530",
            "2026-02-10T00:56:58+01:00[Europe/Berlin]",
            "2026-02-10T00:56:58[Europe/Berlin]",
            "2026-02-10 00:56:58.000 Europe/Berlin",
            "2026-02-09T23:56:58Z[UTC]",
        ] {
            assert_eq!(utc(text).as_deref(), Ok("2026-02-09T23:56:58Z"), "{text}");
        }
    }

    #[test]
    fn rarer_spellings_are_local_without_an_offset_and_nothing_else_is_read_as_one() {
        let berlin = Tz::named("Europe/Berlin").unwrap();
        for (text, instant) in [
            ("20261120T1100", "2026-11-20T10:00:00Z"),
            ("20261120t110000,5", "2026-11-20T10:00:00.500Z"),
            ("2026-11-20 10:00:00 Asia/Kolkata", "2026-11-20T04:30:00Z"),
        ] {
            assert_eq!(in_zone(text, berlin), Ok((instant.to_owned(), false)), "{text}");
        }
        assert_eq!(
            in_zone("2026-10-25 02:30:00 Europe/Berlin", Tz::UTC),
            Ok(("2026-10-25T00:30:00Z".to_owned(), true))
        );
        for text in [
            "20261120T1",
            "2026112T110000",
            "20261120T11:00",
            "2026-11-20 10:00:00 Nowhere/There",
            "2026-11-20T10:00:00Z[]",
            "T",
            "[",
            "]",
        ] {
            assert!(utc(text).is_err(), "{text}");
        }
        assert_eq!(utc("20261320T110000"), Err(TimeFault::OutOfRange));
    }

    #[test]
    fn precision_is_kept_to_microseconds_and_cut_below() {
        assert_eq!(utc("2026-02-09T23:56:16.943Z").unwrap(), "2026-02-09T23:56:16.943Z");
        assert_eq!(utc("2026-02-09T23:56:58.479177Z").unwrap(), "2026-02-09T23:56:58.479177Z");
        assert_eq!(utc("2026-02-09T23:56:58.4791779Z").unwrap(), "2026-02-09T23:56:58.479177Z");
        assert_eq!(utc("1770681418.4791779").unwrap(), "2026-02-09T23:56:58.479177Z");
        assert_eq!(utc("1770681418479.1779").unwrap(), "2026-02-09T23:56:58.479177Z");
        assert_eq!(utc("-1.5").unwrap(), "1969-12-31T23:59:58.500Z");
        assert_eq!(utc("2026-03-01").unwrap(), "2026-03-01T00:00:00Z");
        assert_eq!(utc("2026-03-01T10:30").unwrap(), "2026-03-01T10:30:00Z");
        assert_eq!(utc("2016-12-31T23:59:60Z").unwrap(), "2017-01-01T00:00:00Z");
        assert_eq!(utc("0001-01-01").unwrap(), "0001-01-01T00:00:00Z");
        assert_eq!(utc("9999-12-31T23:59:59.999999Z").unwrap(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn digits_that_are_a_date_are_one_and_others_unix_time() {
        for (text, instant) in [
            ("20261120100000", "2026-11-20T10:00:00Z"),
            ("202611201015", "2026-11-20T10:15:00Z"),
            ("20261120", "2026-11-20T00:00:00Z"),
            // No such month, and years in which nothing was exported.
            ("20261320", "1970-08-23T12:08:40Z"),
            ("18991231", "1970-08-08T19:20:31Z"),
            ("1770681418000", "2026-02-09T23:56:58Z"),
            ("1770681418", "2026-02-09T23:56:58Z"),
        ] {
            assert_eq!(utc(text).as_deref(), Ok(instant), "{text}");
        }
        let berlin = in_zone("20261120100000", Tz::named("Europe/Berlin").unwrap()).unwrap();
        assert_eq!(berlin, ("2026-11-20T09:00:00Z".to_owned(), false));
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let micros = parse_instant("9999-12-31T23:59:59Z", Tz::UTC).unwrap().micros;
        assert_eq!(Some(day_of(micros, Tz::UTC)), day_of_date("9999-12-31"));
        assert_eq!(Some(day_of(micros - DAY_US, Tz::named("Asia/Tokyo").unwrap())), day_of_date("9999-12-31"));
        assert_eq!(day_of_date("9999-12-31T00:00:00Z"), None);
        assert!(!is_plausible(micros, 0) && is_plausible(DAY_US * 8_000, DAY_US * 7_999));
        assert!(!is_plausible(-1, i64::MAX));
    }

    #[test]
    fn what_is_no_instant_is_told_from_what_is_out_of_range() {
        for text in [
            "",
            "now",
            "null",
            "2026-02-09T",
            "2026-2-9",
            "09/02/2026",
            "2026-02-09T23:56:58.Z",
            "2026-02-09X10:00",
            "2026-02-09T23:56:58ZZ",
            "2026-02-09T23:56:58+1",
            "2026-02-09T23:56:58+05:3",
            "12a",
            "1e",
            "1e5x",
            "NaN",
            "inf",
            "+",
            "-",
            "1,770,681,418",
            "２０２６-02-09",
        ] {
            assert_eq!(utc(text), Err(TimeFault::Unreadable), "{text}");
        }
        for text in [
            "2026-13-01",
            "2026-02-29",
            "2026-02-09T24:00:00Z",
            "2026-02-09T23:60:00Z",
            "2026-02-09T23:56:61Z",
            "0000-01-01",
            "2026-02-09T23:56:58+24:00",
            "1e300",
            "99999999999999999999999999999999999999999999",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:60Z",
        ] {
            assert_eq!(utc(text), Err(TimeFault::OutOfRange), "{text}");
        }
    }

    #[test]
    fn local_times_follow_their_zone_and_its_clock_changes() {
        let berlin = Tz::named("Europe/Berlin").unwrap();
        let at = |text| in_zone(text, berlin).unwrap();
        assert_eq!(at("2024-07-01 12:00:00"), ("2024-07-01T10:00:00Z".to_owned(), false));
        assert_eq!(at("2024-07-01"), ("2024-06-30T22:00:00Z".to_owned(), false));
        // 02:30 exists twice: the earlier is the one of summer time.
        assert_eq!(at("2024-10-27 02:30:00"), ("2024-10-27T00:30:00Z".to_owned(), true));
        // 02:30 does not exist: moved forward to 03:30 of summer time.
        assert_eq!(at("2024-03-31 02:30:00"), ("2024-03-31T01:30:00Z".to_owned(), true));
        // A zone of its own wins, and there is no doubt then.
        assert_eq!(at("2024-03-31T02:30:00Z"), ("2024-03-31T02:30:00Z".to_owned(), false));
        // The day that Samoa left out, half an hour of Lord Howe, and a midnight that São Paulo left out.
        let noon = in_zone("2011-12-30 12:00:00", Tz::named("Pacific/Apia").unwrap()).unwrap();
        assert_eq!(noon, ("2011-12-30T22:00:00Z".to_owned(), true));
        let howe = in_zone("2024-10-06 02:15:00", Tz::named("Australia/Lord_Howe").unwrap()).unwrap();
        assert_eq!(howe, ("2024-10-05T15:45:00Z".to_owned(), true));
        let paulo = in_zone("2018-11-04", Tz::named("America/Sao_Paulo").unwrap()).unwrap();
        assert_eq!(paulo, ("2018-11-04T03:00:00Z".to_owned(), true));
    }

    proptest! {
        #[test]
        fn instants_that_chrono_writes_are_read_back(
            micros in MIN_US..=MAX_US, digits in 0..4_usize, offset in -1439..1440_i32, blank in any::<bool>(),
        ) {
            let unit = [SECOND_US, 1000, 1, 1][digits];
            let micros = micros.div_euclid(unit) * unit;
            prop_assume!(micros > MIN_US + 2 * DAY_US && micros < MAX_US - 2 * DAY_US);
            let format = [SecondsFormat::Secs, SecondsFormat::Millis, SecondsFormat::Micros, SecondsFormat::Nanos][digits];
            let zone = chrono::FixedOffset::east_opt(offset * 60).unwrap();
            let time = DateTime::from_timestamp_micros(micros).unwrap().with_timezone(&zone);
            let mut text = time.to_rfc3339_opts(format, offset % 2 == 0);
            if blank {
                text = text.replace('T', " ");
            }
            prop_assert_eq!(parse_instant(&text, Tz::UTC), Ok(Instant::certain(micros)), "{}", text);
        }

        #[test]
        fn dates_are_counted_as_chrono_counts_them(year in 1..=9999_i32, month in 0..14_u32, day in 0..33_u32) {
            let expected = NaiveDate::from_ymd_opt(year, month, day)
                .map(|date| i64::from(date.to_epoch_days()));
            prop_assert_eq!(days_from_date(year.into(), month.into(), day.into()), expected);
        }

        #[test]
        fn unix_seconds_with_any_fraction_are_read_back(micros in 0..100_000_000_000 * SECOND_US) {
            let text = format!("{}.{:06}", micros / SECOND_US, micros % SECOND_US);
            prop_assert_eq!(parse_instant(&text, Tz::UTC), Ok(Instant::certain(micros)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,40}", near in "[0-9TtZz:+\\-., eE]{0,40}") {
            for text in [text, near] {
                for zone in [Tz::UTC, Tz::named("America/New_York").unwrap()] {
                    if let Ok(instant) = parse_instant(&text, zone) {
                        prop_assert!((MIN_US..=MAX_US).contains(&instant.micros));
                    }
                }
            }
        }
    }
}

//! Prints instants, dates, times of day and lengths of time, in RFC 3339 and ISO 8601.
//!
//! The whole range of every type has a text: beyond the years that chrono knows, days are counted in whole cycles of 400
//! years, after which the calendar repeats.

use std::fmt::Write;

use crate::zones::Tz;
use arrow::array::{Array, types};
use arrow::datatypes::TimeUnit;
use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone};

use super::{Quotes, Values, primitive};
use crate::functions::interval::push_postgres;

const DAY_SECONDS: i64 = 86_400;

/// The zone that instants are printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::format) enum DisplayZone {
    /// UTC, printed as `Z`.
    Utc,
    /// Any other zone, printed as an offset.
    Named(Tz),
}

impl From<Tz> for DisplayZone {
    fn from(zone: Tz) -> Self {
        match zone.name() {
            "UTC" | "Etc/UTC" | "UCT" | "Etc/UCT" | "Zulu" | "Etc/Zulu" | "Universal" | "Etc/Universal" => Self::Utc,
            _ => Self::Named(zone),
        }
    }
}

/// Makes the printer of a timestamp column; without a zone its values are local times, printed without an offset.
pub(super) fn timestamps(
    array: &dyn Array,
    unit: TimeUnit,
    zone: Option<DisplayZone>,
    quotes: Quotes,
) -> Box<dyn Values + '_> {
    let per_second = units_per_second(unit);
    let print = move |value: i64, out: &mut String| {
        let (seconds, nanoseconds) = split(value, per_second);
        match zone {
            Some(zone) => push_instant(seconds, nanoseconds, zone, out),
            None => push_local(seconds, nanoseconds, out),
        }
    };
    match unit {
        TimeUnit::Second => primitive::<types::TimestampSecondType>(array, quotes, print),
        TimeUnit::Millisecond => primitive::<types::TimestampMillisecondType>(array, quotes, print),
        TimeUnit::Microsecond => primitive::<types::TimestampMicrosecondType>(array, quotes, print),
        TimeUnit::Nanosecond => primitive::<types::TimestampNanosecondType>(array, quotes, print),
    }
}

/// Makes the printer of a column of times of day: `03:04:05`, with a fraction if there is one.
pub(super) fn times_of_day(array: &dyn Array, unit: TimeUnit, quotes: Quotes) -> Box<dyn Values + '_> {
    let per_second = units_per_second(unit);
    let print = move |value: i64, out: &mut String| {
        // A time outside of the day is no valid value, but Arrow does not keep it out.
        if value < 0 {
            out.push('-');
        }
        let per_second = per_second.unsigned_abs();
        let seconds = value.unsigned_abs() / per_second;
        let nanoseconds = value.unsigned_abs() % per_second * (NANOSECONDS / per_second);
        if seconds < 360_000 {
            push_two(seconds / 3_600, out);
        } else {
            let _ = write!(out, "{}", seconds / 3_600);
        }
        push_minutes_and_seconds(seconds % 3_600, out);
        push_fraction(nanoseconds, out);
    };
    match unit {
        TimeUnit::Second => primitive::<types::Time32SecondType>(array, quotes, move |v, out| print(v.into(), out)),
        TimeUnit::Millisecond => {
            primitive::<types::Time32MillisecondType>(array, quotes, move |v, out| print(v.into(), out))
        }
        TimeUnit::Microsecond => primitive::<types::Time64MicrosecondType>(array, quotes, print),
        TimeUnit::Nanosecond => primitive::<types::Time64NanosecondType>(array, quotes, print),
    }
}

/// Appends a length of time, given in months, days and nanoseconds.
pub(super) type PushLength = fn(i32, i64, i128, &mut String);

/// Makes the printer of a column of durations: in ISO 8601 with hours as the largest unit, as a day is not always 24 of them.
pub(super) fn durations(array: &dyn Array, unit: TimeUnit, quotes: Quotes, push: PushLength) -> Box<dyn Values + '_> {
    let scale = i128::from(1_000_000_000 / units_per_second(unit));
    let print = move |value: i64, out: &mut String| push(0, 0, i128::from(value) * scale, out);
    match unit {
        TimeUnit::Second => primitive::<types::DurationSecondType>(array, quotes, print),
        TimeUnit::Millisecond => primitive::<types::DurationMillisecondType>(array, quotes, print),
        TimeUnit::Microsecond => primitive::<types::DurationMicrosecondType>(array, quotes, print),
        TimeUnit::Nanosecond => primitive::<types::DurationNanosecondType>(array, quotes, print),
    }
}

const NANOSECONDS: u64 = 1_000_000_000;

fn units_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Splits a count of units since the epoch into whole seconds and the nanoseconds after them.
fn split(value: i64, per_second: i64) -> (i64, u64) {
    let nanoseconds = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    (value.div_euclid(per_second), nanoseconds.unsigned_abs())
}

/// Appends an instant as RFC 3339. RFC 3339 knows whole minutes of offset only; where a zone's historical offset has seconds,
/// the time is given at the offset without them, which is the same instant.
fn push_instant(seconds: i64, nanoseconds: u64, zone: DisplayZone, out: &mut String) {
    let offset_minutes = match zone {
        DisplayZone::Utc => None,
        DisplayZone::Named(zone) => DateTime::from_timestamp(seconds, 0)
            .map(|instant| zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc() / 60),
    };
    // Zones have no rules for instants beyond chrono's years: those are printed in UTC.
    let Some(minutes) = offset_minutes else {
        push_local(seconds, nanoseconds, out);
        out.push('Z');
        return;
    };
    push_local(seconds + i64::from(minutes) * 60, nanoseconds, out);
    out.push(if minutes < 0 { '-' } else { '+' });
    let minutes = u64::from(minutes.unsigned_abs());
    push_two(minutes / 60, out);
    out.push(':');
    push_two(minutes % 60, out);
}

fn push_local(seconds: i64, nanoseconds: u64, out: &mut String) {
    push_date(seconds.div_euclid(DAY_SECONDS), out);
    out.push('T');
    let second_of_day = seconds.rem_euclid(DAY_SECONDS).unsigned_abs();
    push_two(second_of_day / 3_600, out);
    push_minutes_and_seconds(second_of_day % 3_600, out);
    push_fraction(nanoseconds, out);
}

fn push_minutes_and_seconds(second_of_hour: u64, out: &mut String) {
    out.push(':');
    push_two(second_of_hour / 60, out);
    out.push(':');
    push_two(second_of_hour % 60, out);
}

/// Appends a date, given in days since the epoch. Years beyond four digits get a sign, as ISO 8601 has it.
pub(super) fn push_date(days: i64, out: &mut String) {
    const CYCLE_DAYS: i64 = 146_097;
    const CYCLE_YEARS: i64 = 400;
    const EPOCH_FROM_CE_DAYS: i32 = 719_163;
    let day_of_cycle = i32::try_from(days.rem_euclid(CYCLE_DAYS)).unwrap_or_default();
    let date = NaiveDate::from_num_days_from_ce_opt(EPOCH_FROM_CE_DAYS + day_of_cycle).unwrap_or_default();
    let year = i64::from(date.year()) + days.div_euclid(CYCLE_DAYS) * CYCLE_YEARS;
    if let Ok(short) = u64::try_from(year)
        && short <= 9_999
    {
        push_two(short / 100, out);
        push_two(short % 100, out);
    } else {
        let _ = write!(out, "{year:+05}");
    }
    out.push('-');
    push_two(u64::from(date.month()), out);
    out.push('-');
    push_two(u64::from(date.day()), out);
}

/// Appends a date given in milliseconds; with its time of day if it has one, which it should not.
pub(super) fn push_date_milliseconds(milliseconds: i64, out: &mut String) {
    let (seconds, nanoseconds) = split(milliseconds, 1_000);
    if nanoseconds == 0 && seconds % DAY_SECONDS == 0 {
        push_date(seconds / DAY_SECONDS, out);
    } else {
        push_local(seconds, nanoseconds, out);
    }
}

/// Appends a length of time as ISO 8601, with a sign on each part that is negative: `P1Y2M3DT4H5M6.5S`, `PT-0.25S`, `PT0S`.
/// Months, days and hours are not converted into each other.
pub(super) fn push_period(months: i32, days: i64, nanoseconds: i128, out: &mut String) {
    out.push('P');
    let mut part = |count: i128, unit: char| {
        if count != 0 {
            let _ = write!(out, "{count}{unit}");
        }
    };
    part(i128::from(months / 12), 'Y');
    part(i128::from(months % 12), 'M');
    part(i128::from(days), 'D');
    if nanoseconds == 0 {
        if months == 0 && days == 0 {
            out.push_str("T0S");
        }
        return;
    }
    out.push('T');
    let seconds = nanoseconds / 1_000_000_000;
    let mut part = |count: i128, unit: char| {
        if count != 0 {
            let _ = write!(out, "{count}{unit}");
        }
    };
    part(seconds / 3_600, 'H');
    part(seconds % 3_600 / 60, 'M');
    let (whole, fraction) = ((seconds % 60).unsigned_abs(), (nanoseconds % 1_000_000_000).unsigned_abs());
    if whole != 0 || fraction != 0 {
        if nanoseconds < 0 {
            out.push('-');
        }
        let _ = write!(out, "{whole}");
        if fraction != 0 {
            let digits = format!(".{fraction:09}");
            out.push_str(digits.trim_end_matches('0'));
        }
        out.push('S');
    }
}

/// Appends a duration as PostgreSQL writes the difference of two instants: whole days and the time that is left.
pub(super) fn push_days_and_time(months: i32, days: i64, nanoseconds: i128, out: &mut String) {
    let day = i128::from(DAY_SECONDS) * i128::from(NANOSECONDS);
    let whole_days = i64::try_from(nanoseconds / day).unwrap_or(i64::MAX);
    push_postgres(months, days.saturating_add(whole_days), nanoseconds % day, out);
}

/// Appends a fraction of a second with 3, 6 or 9 digits, whichever hold it; nothing for zero.
fn push_fraction(nanoseconds: u64, out: &mut String) {
    if nanoseconds == 0 {
        return;
    }
    let (value, digits) = match nanoseconds {
        n if n % 1_000_000 == 0 => (n / 1_000_000, 3),
        n if n % 1_000 == 0 => (n / 1_000, 6),
        n => (n, 9),
    };
    out.push('.');
    let mut power = 10_u64.pow(digits - 1);
    while power > 0 {
        push_digit(value / power % 10, out);
        power /= 10;
    }
}

fn push_two(value: u64, out: &mut String) {
    push_digit(value / 10, out);
    push_digit(value % 10, out);
}

fn push_digit(digit: u64, out: &mut String) {
    out.push(char::from(b'0' + (digit % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(print: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        print(&mut out);
        out
    }

    fn instant(seconds: i64, nanoseconds: u64, zone: &str) -> String {
        let zone: Tz = zone.parse().unwrap();
        text(|out| push_instant(seconds, nanoseconds, zone.into(), out))
    }

    fn period(months: i32, days: i64, nanoseconds: i128) -> String {
        text(|out| push_period(months, days, nanoseconds, out))
    }

    #[test]
    fn a_fraction_has_the_fewest_digits_of_three_six_and_nine() {
        assert_eq!(instant(0, 0, "UTC"), "1970-01-01T00:00:00Z");
        assert_eq!(instant(0, 120_000_000, "UTC"), "1970-01-01T00:00:00.120Z");
        assert_eq!(instant(0, 7_000, "UTC"), "1970-01-01T00:00:00.000007Z");
        assert_eq!(instant(-1, 1, "Etc/UTC"), "1969-12-31T23:59:59.000000001Z");
    }

    #[test]
    fn zones_show_their_offset_at_that_instant() {
        assert_eq!(instant(1_767_225_600, 0, "Europe/Berlin"), "2026-01-01T01:00:00+01:00");
        assert_eq!(instant(1_782_864_000, 0, "Europe/Berlin"), "2026-07-01T02:00:00+02:00");
        assert_eq!(instant(1_767_225_600, 0, "Europe/London"), "2026-01-01T00:00:00+00:00");
        assert_eq!(instant(1_767_225_600, 0, "Asia/Kolkata"), "2026-01-01T05:30:00+05:30");
        assert_eq!(instant(1_767_225_600, 0, "America/New_York"), "2025-12-31T19:00:00-05:00");
        assert_eq!(instant(1_767_225_600, 0, "America/St_Johns"), "2025-12-31T20:30:00-03:30");
        // Both readings of the hour that autumn repeats.
        assert_eq!(instant(1_792_888_200, 0, "Europe/Berlin"), "2026-10-25T02:30:00+02:00");
        assert_eq!(instant(1_792_891_800, 0, "Europe/Berlin"), "2026-10-25T02:30:00+01:00");
    }

    #[test]
    fn an_offset_with_seconds_is_given_in_minutes_at_the_same_instant() {
        // Berlin was at +00:53:28 before 1893.
        let shown = instant(-3_000_000_000, 0, "Europe/Berlin");
        assert_eq!(shown, "1874-12-07T19:33:00+00:53");
        assert_eq!(DateTime::parse_from_rfc3339(&shown).unwrap().timestamp(), -3_000_000_000);
    }

    #[test]
    fn the_ends_of_the_range_have_a_text() {
        assert_eq!(instant(i64::MAX, 0, "Europe/Berlin"), "+292277026596-12-04T15:30:07Z");
        assert_eq!(instant(i64::MIN, 0, "UTC"), "-292277022657-01-27T08:29:52Z");
        assert_eq!(text(|out| push_date(-719_529, out)), "-0001-12-31");
        assert_eq!(text(|out| push_date(-719_528, out)), "0000-01-01");
        assert_eq!(text(|out| push_date(2_932_897, out)), "+10000-01-01");
        assert_eq!(text(|out| push_date_milliseconds(-86_400_000, out)), "1969-12-31");
        assert_eq!(text(|out| push_date_milliseconds(1, out)), "1970-01-01T00:00:00.001");
    }

    #[test]
    fn lengths_of_time_are_iso_8601() {
        assert_eq!(period(0, 0, 0), "PT0S");
        assert_eq!(period(14, 3, 14_706_500_000_000), "P1Y2M3DT4H5M6.5S");
        assert_eq!(period(0, 0, 93_784_000_000_000), "PT26H3M4S");
        assert_eq!(period(-14, 0, 0), "P-1Y-2M");
        assert_eq!(period(0, 1, -90_250_000_000), "P1DT-1M-30.25S");
        assert_eq!(period(0, 0, -250_000_000), "PT-0.25S");
        assert_eq!(period(0, 0, 3_600_000_000_001), "PT1H0.000000001S");
    }

    proptest! {
        #[test]
        fn an_instant_reads_back_the_same(
            microseconds in -60_000_000_000_000_000_i64..250_000_000_000_000_000,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York", "Pacific/Apia"]),
        ) {
            let (seconds, nanoseconds) = split(microseconds, 1_000_000);
            let shown = instant(seconds, nanoseconds, zone);
            let read = DateTime::parse_from_rfc3339(&shown).unwrap();
            prop_assert_eq!(read.timestamp_micros(), microseconds, "{}", shown);
        }

        #[test]
        fn any_number_of_days_has_a_date_with_a_plausible_year(days in any::<i32>()) {
            let shown = text(|out| push_date(days.into(), out));
            let (sign, rest) = match shown.strip_prefix('-') { Some(rest) => (-1, rest), None => (1, &shown[..]) };
            let year: i64 = rest.split('-').next().unwrap().trim_start_matches('+').parse().unwrap();
            prop_assert!((sign * year - (1970 + (f64::from(days) / 365.2425).floor() as i64)).abs() <= 1, "{}", shown);
        }
    }
}

//! Reads the width of a bucket, and says in which bucket a local time lies.
//!
//! Buckets below a day count from local midnight, and the last of a day is shorter where the width does not divide it. Buckets of
//! days count from 1970-01-01, of weeks from Monday 1970-01-05 (so one week is an ISO week), of months from January 1970 (so
//! three months are a quarter and twelve a year).

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{Datelike, NaiveDate};

use super::zone::{DAY_US, SECOND_US};

/// Days from the first day of year 1 (in chrono's count) to 1970-01-01.
const EPOCH_FROM_CE: i64 = 719_163;

/// The first Monday of 1970, as a day number.
const FIRST_MONDAY: i64 = 4;

/// The width of a bucket; every number is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Less than a day, in microseconds.
    Clock(i64),
    /// Days, counted from 1970-01-01.
    Days(i64),
    /// Weeks, from Monday.
    Weeks(i64),
    /// Months, from January 1970.
    Months(i64),
}

impl Width {
    /// Reads a width such as `15 minutes`, `1 hour 30 min`, `1 week` or `3 months`; `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let (mut months, mut days, mut microseconds) = (0_i64, 0_i64, 0_i64);
        if rest.is_empty() || rest.len() > 64 {
            return None;
        }
        while !rest.is_empty() {
            let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, tail) = rest.split_at(digits_end);
            let tail = tail.trim_start();
            let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            // `hour` alone is one hour.
            let count: i64 = if digits.is_empty() { 1 } else { digits.parse().ok()? };
            let (total, size) = match unit.to_ascii_lowercase().as_str() {
                "ms" | "millisecond" | "milliseconds" => (&mut microseconds, SECOND_US / 1_000),
                "s" | "sec" | "secs" | "second" | "seconds" => (&mut microseconds, SECOND_US),
                "m" | "min" | "mins" | "minute" | "minutes" => (&mut microseconds, 60 * SECOND_US),
                "h" | "hr" | "hrs" | "hour" | "hours" => (&mut microseconds, 3_600 * SECOND_US),
                "d" | "day" | "days" => (&mut days, 1),
                "w" | "week" | "weeks" => (&mut days, 7),
                "mon" | "mons" | "month" | "months" => (&mut months, 1),
                "quarter" | "quarters" => (&mut months, 3),
                "y" | "year" | "years" => (&mut months, 12),
                _ => return None,
            };
            *total = total.checked_add(count.checked_mul(size)?)?;
            rest = tail.trim_start();
        }
        Self::from_parts(months, days, microseconds)
    }

    /// Takes an SQL interval as a width; `None` if it mixes months, days and hours, or is not positive.
    pub(crate) fn from_interval(interval: IntervalMonthDayNano) -> Option<Self> {
        if interval.nanoseconds % 1_000 != 0 {
            return None;
        }
        Self::from_parts(interval.months.into(), interval.days.into(), interval.nanoseconds / 1_000)
    }

    fn from_parts(months: i64, days: i64, microseconds: i64) -> Option<Self> {
        // 24 hours are a day, so that both spellings give the same buckets on days of 23 and 25 hours.
        let (days, microseconds) = match microseconds % DAY_US {
            0 => (days.checked_add(microseconds / DAY_US)?, 0),
            _ => (days, microseconds),
        };
        // Months beyond a few thousand years and days beyond the calendar are no bucket.
        match (months, days, microseconds) {
            (1..=120_000, 0, 0) => Some(Self::Months(months)),
            (0, 1..=3_650_000, 0) if days % 7 == 0 => Some(Self::Weeks(days / 7)),
            (0, 1..=3_650_000, 0) => Some(Self::Days(days)),
            (0, 0, 1..DAY_US) => Some(Self::Clock(microseconds)),
            _ => None,
        }
    }

    /// Returns the local time at which the bucket of a local time starts, both in microseconds.
    pub(crate) fn floor(self, local_us: i64) -> Option<i64> {
        let day = local_us.div_euclid(DAY_US);
        let day = match self {
            Self::Clock(width) => {
                let since_midnight = local_us.rem_euclid(DAY_US);
                return local_us.checked_sub(since_midnight.rem_euclid(width));
            }
            Self::Days(count) => day.div_euclid(count) * count,
            Self::Weeks(count) => (day - FIRST_MONDAY).div_euclid(7 * count) * 7 * count + FIRST_MONDAY,
            Self::Months(count) => {
                let date = NaiveDate::from_num_days_from_ce_opt(i32::try_from(day + EPOCH_FROM_CE).ok()?)?;
                let month = (i64::from(date.year()) - 1970) * 12 + i64::from(date.month0());
                let month = month.div_euclid(count) * count;
                let year = i32::try_from(1970 + month.div_euclid(12)).ok()?;
                let first = NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)?;
                i64::from(first.num_days_from_ce()) - EPOCH_FROM_CE
            }
        };
        day.checked_mul(DAY_US)
    }
}

#[cfg(test)]
mod tests {
    use super::super::zone::tests::us;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn widths_are_read() {
        let minutes = |count: i64| Some(Width::Clock(count * 60 * SECOND_US));
        for (text, width) in [
            ("15 minutes", minutes(15)),
            (" 15min ", minutes(15)),
            ("1 hour 30 min", minutes(90)),
            ("hour", minutes(60)),
            ("500 ms", Some(Width::Clock(500_000))),
            ("24 hours", Some(Width::Days(1))),
            ("1 Day", Some(Width::Days(1))),
            ("2 days", Some(Width::Days(2))),
            ("7 days", Some(Width::Weeks(1))),
            ("2 weeks", Some(Width::Weeks(2))),
            ("1 month", Some(Width::Months(1))),
            ("1 quarter", Some(Width::Months(3))),
            ("1 year 6 months", Some(Width::Months(18))),
            ("", None),
            ("0 hours", None),
            ("-1 hour", None),
            ("1.5 hours", None),
            ("25 hours", None),
            ("1 day 1 hour", None),
            ("1 month 1 day", None),
            ("15", None),
            ("fortnight", None),
            ("99999999999999999999 days", None),
            ("9223372036854775807 years", None),
        ] {
            assert_eq!(Width::parse(text), width, "{text}");
        }
    }

    #[test]
    fn sql_intervals_are_widths() {
        let read =
            |months, days, nanoseconds| Width::from_interval(IntervalMonthDayNano::new(months, days, nanoseconds));
        assert_eq!(read(0, 0, 900_000_000_000), Width::parse("15 minutes"));
        assert_eq!(read(0, 7, 0), Some(Width::Weeks(1)));
        assert_eq!(read(3, 0, 0), Some(Width::Months(3)));
        assert_eq!(read(1, 1, 0), None);
        assert_eq!(read(0, -1, 0), None);
        assert_eq!(read(0, 0, 1), None);
    }

    #[test]
    fn buckets_start_on_round_dates() {
        for (width, local, start) in [
            ("15 minutes", "2026-11-21T10:44:59.999Z", "2026-11-21T10:30:00Z"),
            ("7 hours", "2026-11-21T23:00:00Z", "2026-11-21T21:00:00Z"),
            ("1 day", "1969-12-31T23:00:00Z", "1969-12-31T00:00:00Z"),
            ("1 week", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z"),
            ("1 week", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("1 month", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z"),
            ("1 quarter", "2026-11-21T00:00:00Z", "2026-10-01T00:00:00Z"),
            ("1 year", "1969-06-01T00:00:00Z", "1969-01-01T00:00:00Z"),
        ] {
            assert_eq!(Width::parse(width).unwrap().floor(us(local)), Some(us(start)), "{width} {local}");
        }
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_times_and_starts_in_itself(
            local in -100_000_000_000_000_000_i64..100_000_000_000_000_000,
            width in prop_oneof![
                (1..DAY_US).prop_map(Width::Clock),
                (1_i64..400).prop_map(Width::Days),
                (1_i64..60).prop_map(Width::Weeks),
                (1_i64..40).prop_map(Width::Months),
            ],
        ) {
            let start = width.floor(local).unwrap();
            prop_assert!(start <= local);
            prop_assert_eq!(width.floor(start), Some(start));
        }

        #[test]
        fn no_text_or_time_makes_it_panic(text in "[0-9a-z ]{0,30}", local in any::<i64>()) {
            if let Some(width) = Width::parse(&text) {
                width.floor(local);
            }
        }
    }
}

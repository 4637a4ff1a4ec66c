//! `date_trunc(unit, t, zone)`: the start of a unit as the clocks of a zone show it, as PostgreSQL gives it.
//!
//! Hours and what is shorter keep the offset that the instant has; of days and what is longer the local start is taken in the zone
//! anew, the later of two where clocks show it twice.

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use chrono::{DateTime, Datelike, Days, NaiveDate};
use datafusion::common::{Result, plan_err};

use crate::functions::zoned::{map_timestamps, of_local, per_second, to_local};
use crate::zones::Tz;

const DAY_SECONDS: i64 = 86_400;

/// A unit that instants are cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// So many microseconds.
    Microseconds(i64),
    Day,
    Week,
    /// So many months, from January on.
    Months(u32),
    /// So many years.
    Years(i32),
}

impl Unit {
    /// Finds a unit by its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "microsecond" | "microseconds" => Self::Microseconds(1),
            "millisecond" | "milliseconds" => Self::Microseconds(1_000),
            "second" | "seconds" => Self::Microseconds(1_000_000),
            "minute" | "minutes" => Self::Microseconds(60_000_000),
            "hour" | "hours" => Self::Microseconds(3_600_000_000),
            "day" | "days" => Self::Day,
            "week" | "weeks" => Self::Week,
            "month" | "months" => Self::Months(1),
            "quarter" => Self::Months(3),
            "year" | "years" => Self::Months(12),
            "decade" | "decades" => Self::Years(10),
            "century" | "centuries" => Self::Years(100),
            "millennium" | "millenniums" => Self::Years(1_000),
            _ => return None,
        })
    }

    /// Returns the local days that a day's unit has, from the first to the one after the last.
    fn days(self, day: i64) -> Option<Range<i64>> {
        let date = DateTime::from_timestamp(day.checked_mul(DAY_SECONDS)?, 0)?.date_naive();
        let number = |date: NaiveDate| i64::from(date.to_epoch_days());
        let first_of = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1);
        let (first, after) = match self {
            Self::Microseconds(_) | Self::Day => (date, date.succ_opt()?),
            Self::Week => {
                let first = date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))?;
                (first, first.checked_add_days(Days::new(7))?)
            }
            Self::Months(count) => {
                let first = first_of(date.year(), date.month0() / count * count + 1)?;
                (first, first.checked_add_months(chrono::Months::new(count))?)
            }
            // Decades begin with years that end in 0, centuries and millennia with those that end in 1.
            Self::Years(count) => {
                let shift = i32::from(count > 10);
                let year = (date.year() - shift).div_euclid(count) * count + shift;
                (first_of(year, 1)?, first_of(year + count, 1)?)
            }
        };
        Some(number(first)..number(after))
    }
}

/// Cuts instants of any unit to a unit of a zone's calendar.
///
/// # Errors
/// An instant beyond the calendar.
pub(super) fn truncate(array: &ArrayRef, unit: Unit, zone: Tz) -> Result<ArrayRef> {
    let DataType::Timestamp(counted_in, type_zone) = array.data_type() else {
        return plan_err!("date_trunc: argument 2 must be a timestamp with a zone, got {}", array.data_type());
    };
    let units = per_second(*counted_in);
    // The unit that the last instant was in: its local times, and the instant that it begins at.
    let (mut known, mut start) = (0..0, 0);
    let mut is_beyond = false;
    let made = map_timestamps(array, type_zone.as_deref(), |_, instant| {
        let mut cut = || {
            let local = to_local(zone, instant, units)?;
            if let Unit::Microseconds(length) = unit {
                // Finer than the values are: nothing to cut.
                let length = i64::try_from(i128::from(length) * i128::from(units) / 1_000_000).ok()?.max(1);
                return instant.checked_sub(local.rem_euclid(length));
            }
            if !known.contains(&local) {
                let days = unit.days(local.div_euclid(DAY_SECONDS.checked_mul(units)?))?;
                let bound = |day: i64| day.checked_mul(DAY_SECONDS)?.checked_mul(units);
                known = bound(days.start)?..bound(days.end)?;
                start = of_local(zone, known.start, units)?;
            }
            Some(start)
        };
        let made = cut();
        is_beyond |= made.is_none();
        made
    })?;
    if is_beyond {
        return datafusion::common::exec_err!("date_trunc: an instant is beyond the calendar");
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, TimestampMicrosecondArray};
    use arrow::datatypes::TimestampMicrosecondType;

    use super::*;

    #[test]
    fn units_begin_where_the_zones_clocks_say() {
        let us = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_micros();
        for (unit, zone, instant, expected) in [
            ("day", "Europe/Berlin", "2026-11-20T22:32:06Z", "2026-11-19T23:00:00Z"),
            ("day", "Europe/Berlin", "2026-11-20T23:32:06Z", "2026-11-20T23:00:00Z"),
            ("hour", "Asia/Kolkata", "2026-11-20T22:10:06Z", "2026-11-20T21:30:00Z"),
            // The hour that comes twice is two hours.
            ("hour", "Europe/Berlin", "2026-10-25T00:40:00Z", "2026-10-25T00:00:00Z"),
            ("hour", "Europe/Berlin", "2026-10-25T01:40:00Z", "2026-10-25T01:00:00Z"),
            ("week", "Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-22T23:00:00Z"),
            ("month", "America/New_York", "2026-11-30T23:00:00Z", "2026-11-01T04:00:00Z"),
            ("quarter", "America/New_York", "2026-12-30T23:00:00Z", "2026-10-01T04:00:00Z"),
            ("year", "Asia/Tokyo", "2025-12-31T15:00:00Z", "2025-12-31T15:00:00Z"),
            ("decade", "UTC", "2026-11-20T00:00:00Z", "2020-01-01T00:00:00Z"),
            ("century", "UTC", "2000-11-20T00:00:00Z", "1901-01-01T00:00:00Z"),
        ] {
            let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![us(instant)]).with_timezone("UTC"));
            let made = truncate(&array, Unit::named(unit).unwrap(), Tz::named(zone).unwrap()).unwrap();
            let made = made.as_primitive::<TimestampMicrosecondType>().value(0);
            assert_eq!(made, us(expected), "{unit} {zone} {instant}");
        }
    }
}

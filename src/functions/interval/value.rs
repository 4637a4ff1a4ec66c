//! Arithmetic with intervals, as PostgreSQL 15 does it.

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::error::DataFusionError;

/// Nanoseconds of a day.
pub(super) const DAY_NS: i64 = 86_400_000_000_000;
/// Days of a month, where lengths are compared and fractions of months are passed down.
pub(super) const MONTH_DAYS: i32 = 30;

const SECOND_US: f64 = 1e6;
const DAY_SECONDS: f64 = 86_400.0;

/// Returns the length of an interval in nanoseconds, a month taken for 30 days and a day for 24 hours.
pub fn total_ns(interval: IntervalMonthDayNano) -> i128 {
    let days = i128::from(interval.months) * i128::from(MONTH_DAYS) + i128::from(interval.days);
    days * i128::from(DAY_NS) + i128::from(interval.nanoseconds)
}

/// Makes an interval of days and time, which is what PostgreSQL's subtraction of instants gives.
///
/// # Errors
/// More days than an interval holds.
pub(super) fn of_ns(nanoseconds: i128) -> Result<IntervalMonthDayNano> {
    let day = i128::from(DAY_NS);
    of_parts(0, nanoseconds / day, nanoseconds % day)
}

/// Makes an interval; whole days are taken out of a time that is too long to be held.
///
/// # Errors
/// More months or days than an interval holds.
pub(super) fn of_parts(months: i128, days: i128, nanoseconds: i128) -> Result<IntervalMonthDayNano> {
    let (days, nanoseconds) = match i64::try_from(nanoseconds) {
        Ok(nanoseconds) => (days, nanoseconds),
        Err(_) => {
            let day = i128::from(DAY_NS);
            (days + nanoseconds / day, i64::try_from(nanoseconds % day).unwrap_or_default())
        }
    };
    let months = i32::try_from(months).map_err(|_| out_of_range())?;
    let days = i32::try_from(days).map_err(|_| out_of_range())?;
    Ok(IntervalMonthDayNano::new(months, days, nanoseconds))
}

/// The error for an interval that cannot be held, in PostgreSQL's words.
pub(super) fn out_of_range() -> DataFusionError {
    exec_datafusion_err!("interval out of range")
}

/// Multiplies an interval. Fractions of months are passed down as days, those of days as time.
///
/// # Errors
/// The product is out of range, or the factor is no number.
pub(super) fn multiply(interval: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    scale(interval.months.into(), interval.days.into(), interval.nanoseconds.into(), |part| part * factor)
}

/// Divides an interval as [`multiply`] multiplies.
///
/// # Errors
/// The quotient is out of range, or the divisor is zero or no number.
pub(super) fn divide(interval: IntervalMonthDayNano, divisor: f64) -> Result<IntervalMonthDayNano> {
    divide_parts(interval.months.into(), interval.days.into(), interval.nanoseconds.into(), divisor)
}

/// Divides sums of parts, which may be larger than an interval's.
///
/// # Errors
/// As [`divide`].
pub(super) fn divide_parts(months: i64, days: i64, nanoseconds: i128, divisor: f64) -> Result<IntervalMonthDayNano> {
    if divisor == 0.0 {
        return Err(exec_datafusion_err!("division by zero"));
    }
    scale(months, days, nanoseconds, |part| part / divisor)
}

/// Scales parts. Whole microseconds stay whole, as they do in PostgreSQL, which has no finer ones.
fn scale(months: i64, days: i64, nanoseconds: i128, scaled: impl Fn(f64) -> f64) -> Result<IntervalMonthDayNano> {
    let whole = |part: f64| {
        let whole = part.trunc();
        if whole.abs() <= 1e30 { Ok((part - whole, whole as i128)) } else { Err(out_of_range()) }
    };
    let round = |seconds: f64| (seconds * SECOND_US).round_ties_even() / SECOND_US;
    let (month_fraction, months) = whole(scaled(months as f64))?;
    let (day_fraction, mut days) = whole(scaled(days as f64))?;
    let (month_time, month_days) = whole(round(month_fraction * f64::from(MONTH_DAYS)))?;
    let mut seconds = round((day_fraction + month_time) * DAY_SECONDS);
    if seconds.abs() >= DAY_SECONDS {
        let (_, carried) = whole(seconds / DAY_SECONDS)?;
        days += carried;
        seconds -= carried as f64 * DAY_SECONDS;
    }
    days += month_days;
    let per_microsecond = if nanoseconds % 1_000 == 0 { 1_000 } else { 1 };
    let units = scaled((nanoseconds / per_microsecond) as f64) + seconds * SECOND_US * 1e3 / per_microsecond as f64;
    let (_, units) = whole(units.round_ties_even())?;
    of_parts(months, days, units * per_microsecond)
}

/// Takes whole days out of the time, and gives days and time one sign.
///
/// # Errors
/// More days than an interval holds.
pub(super) fn justify_hours(interval: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let days = i128::from(interval.days) + i128::from(interval.nanoseconds / DAY_NS);
    let (days, time) = one_sign(days, (interval.nanoseconds % DAY_NS).into(), DAY_NS.into());
    of_parts(interval.months.into(), days, time)
}

/// Takes whole months of 30 days out of the days, and gives months and days one sign.
///
/// # Errors
/// More months than an interval holds.
pub(super) fn justify_days(interval: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let months = i128::from(interval.months) + i128::from(interval.days / MONTH_DAYS);
    let (months, days) = one_sign(months, (interval.days % MONTH_DAYS).into(), MONTH_DAYS.into());
    of_parts(months, days, interval.nanoseconds.into())
}

/// Does both, so that all parts have one sign.
///
/// # Errors
/// More months than an interval holds.
pub(super) fn justify_interval(interval: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let (day, month) = (i128::from(DAY_NS), i128::from(MONTH_DAYS));
    let days = i128::from(interval.days) + i128::from(interval.nanoseconds) / day;
    let time = i128::from(interval.nanoseconds) % day;
    let mut months = i128::from(interval.months) + days / month;
    let mut days = days % month;
    if months > 0 && (days < 0 || (days == 0 && time < 0)) {
        (months, days) = (months - 1, days + month);
    } else if months < 0 && (days > 0 || (days == 0 && time > 0)) {
        (months, days) = (months + 1, days - month);
    }
    let (days, time) = one_sign(days, time, day);
    of_parts(months, days, time)
}

/// Cuts an interval off below a unit, as `date_trunc` does: towards zero. `None` where the unit is none, or is that of weeks, of which a
/// month has no whole number.
pub fn truncated(interval: IntervalMonthDayNano, unit: &str) -> Option<IntervalMonthDayNano> {
    const SECOND_NS: i64 = 1_000_000_000;
    let months = |count: i32| IntervalMonthDayNano::new(interval.months / count * count, 0, 0);
    let time =
        |count: i64| IntervalMonthDayNano::new(interval.months, interval.days, interval.nanoseconds / count * count);
    Some(match unit.to_ascii_lowercase().as_str() {
        "millennium" | "millennia" => months(12_000),
        "century" | "centuries" => months(1_200),
        "decade" | "decades" => months(120),
        "year" | "years" => months(12),
        "quarter" => months(3),
        "month" | "months" => months(1),
        "day" | "days" => IntervalMonthDayNano::new(interval.months, interval.days, 0),
        "hour" | "hours" => time(3_600 * SECOND_NS),
        "minute" | "minutes" => time(60 * SECOND_NS),
        "second" | "seconds" => time(SECOND_NS),
        "millisecond" | "milliseconds" => time(SECOND_NS / 1_000),
        "microsecond" | "microseconds" => time(SECOND_NS / 1_000_000),
        _ => return None,
    })
}

/// Carries one of the larger unit where the two parts have different signs.
fn one_sign(large: i128, small: i128, large_in_small: i128) -> (i128, i128) {
    match (large.signum(), small.signum()) {
        (1, -1) => (large - 1, small + large_in_small),
        (-1, 1) => (large + 1, small - large_in_small),
        _ => (large, small),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR_NS: i64 = 3_600_000_000_000;

    fn interval(months: i32, days: i32, nanoseconds: i64) -> IntervalMonthDayNano {
        IntervalMonthDayNano::new(months, days, nanoseconds)
    }

    #[test]
    fn fractions_are_passed_down() {
        assert_eq!(multiply(interval(0, 1, 2 * HOUR_NS), 1.5).unwrap(), interval(0, 1, 15 * HOUR_NS));
        assert_eq!(multiply(interval(1, 0, 0), 0.5).unwrap(), interval(0, 15, 0));
        assert_eq!(multiply(interval(1, 15, 0), 0.1).unwrap(), interval(0, 4, 12 * HOUR_NS));
        assert_eq!(divide(interval(0, 1, 0), 3.0).unwrap(), interval(0, 0, 8 * HOUR_NS));
        assert_eq!(divide(interval(0, 0, 4_000_000_000), 3.0).unwrap(), interval(0, 0, 1_333_333_000));
        assert!(divide(interval(0, 1, 0), 0.0).is_err());
        assert!(multiply(interval(i32::MAX, 0, 0), 2.0).is_err());
        assert!(multiply(interval(1, 0, 0), f64::NAN).is_err());
    }

    #[test]
    fn a_time_that_is_too_long_is_counted_in_days() {
        let years = interval(0, 0, i64::MAX);
        let twice = multiply(years, 2.0).unwrap();
        assert_eq!((twice.months, twice.days), (0, 213_503));
        assert!(total_ns(twice) > i128::from(i64::MAX));
    }

    proptest! {
        #[test]
        fn justified_intervals_are_as_long_as_they_were(months: i16, days: i16, nanoseconds: i64) {
            let given = interval(months.into(), days.into(), nanoseconds);
            for justified in [justify_hours(given), justify_days(given), justify_interval(given)] {
                prop_assert_eq!(total_ns(justified.unwrap()), total_ns(given));
            }
            let all = justify_interval(given).unwrap();
            let signs = [i64::from(all.months), i64::from(all.days), all.nanoseconds].map(i64::signum);
            prop_assert!(!(signs.contains(&1) && signs.contains(&-1)), "{all:?}");
        }

        #[test]
        fn a_length_comes_back(nanoseconds in -(1_i128 << 100)..(1_i128 << 100)) {
            if let Ok(made) = of_ns(nanoseconds) {
                prop_assert_eq!(total_ns(made), nanoseconds);
            }
        }
    }
}

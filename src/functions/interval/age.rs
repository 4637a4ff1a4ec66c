//! `age(later, earlier)`: the time between two instants in years, months, days and time, as a calendar counts it.

use std::sync::{Arc, LazyLock};

use arrow::array::IntervalMonthDayNanoBuilder;
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use chrono::{DateTime, Datelike, Months, NaiveDateTime};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::INTERVAL;
use super::value::DAY_NS;
use crate::functions::arguments::{self, Call};
use crate::functions::frame::Function;
use crate::functions::reference::DURATIONS;
use crate::functions::time::ZoneClock;

/// The function.
pub(crate) static AGE: Function =
    Function { documentation: Some(&DOCUMENTATION), ..Function::new("age", returns, run) };

/// Returns the time from one local time to another, field by field. What days lack is taken from the length of the earlier
/// time's month, as PostgreSQL does. `None` beyond the calendar.
fn age(later_us: i64, earlier_us: i64) -> Option<IntervalMonthDayNano> {
    let is_negative = later_us < earlier_us;
    let (high_us, low_us) = if is_negative { (earlier_us, later_us) } else { (later_us, earlier_us) };
    let local = |us: i64| DateTime::from_timestamp_micros(us).map(|instant| instant.naive_utc());
    let (high, low) = (local(high_us)?, local(low_us)?);
    let of_day_ns = |local: NaiveDateTime| {
        local.signed_duration_since(local.date().and_time(chrono::NaiveTime::MIN)).num_nanoseconds()
    };
    let mut nanoseconds = of_day_ns(high)? - of_day_ns(low)?;
    let mut days = i32::try_from(high.day()).ok()? - i32::try_from(low.day()).ok()?;
    let mut months =
        (high.year() - low.year()) * 12 + i32::try_from(high.month()).ok()? - i32::try_from(low.month()).ok()?;
    if nanoseconds < 0 {
        nanoseconds += DAY_NS;
        days -= 1;
    }
    if days < 0 {
        let first = low.date().with_day(1)?;
        let length = first.checked_add_months(Months::new(1))?.signed_duration_since(first).num_days();
        days += i32::try_from(length).ok()?;
        months -= 1;
    }
    let sign = if is_negative { -1 } else { 1 };
    Some(IntervalMonthDayNano::new(sign * months, sign * days, i64::from(sign) * nanoseconds))
}

fn returns(types: &[DataType]) -> Result<DataType> {
    if !matches!(types.len(), 1 | 2) {
        return plan_err!("age takes 1 to 2 arguments (later, earlier), got {}", types.len());
    }
    for (index, given) in types.iter().enumerate() {
        let is_instant =
            matches!(given, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null);
        if !is_instant {
            return plan_err!(
                "age: argument {} must be a timestamp or a date, got {given}; hint: write a text as timestamp '…'",
                index + 1
            );
        }
    }
    Ok(INTERVAL)
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let args = call.args;
    if call.len() != 2 {
        return exec_err!("age of one instant: the engine did not say what day it is");
    }
    let zone = args.config_options.execution.time_zone.as_deref().unwrap_or("UTC");
    let mut clock = ZoneClock::named(zone);
    let mut is_zoned = args.args.iter().map(|arg| matches!(arg.data_type(), DataType::Timestamp(_, Some(_))));
    let (later_is_zoned, earlier_is_zoned) = (is_zoned.next() == Some(true), is_zoned.next() == Some(true));
    let (later, earlier) = (call.instants(0)?, call.instants(1)?);
    let mut local = |instant: i64, is_zoned: bool| match (&mut clock, is_zoned) {
        (Some(clock), true) => clock.local_us(instant),
        _ => Some(instant),
    };
    let mut ages = IntervalMonthDayNanoBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        ages.append_option(match (later.get(row), earlier.get(row)) {
            (Some(later), Some(earlier)) => local(later, later_is_zoned)
                .zip(local(earlier, earlier_is_zoned))
                .and_then(|(later, earlier)| age(later, earlier)),
            _ => None,
        });
    }
    call.result(Arc::new(ages.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        DURATIONS,
        "age(later, earlier)",
        "Returns the time between two instants in years, months, days and time, as a calendar counts it. Instants with a zone are \
         taken as the clocks of the session's zone show them. With one argument it is the time from that instant to the last midnight.",
        &[
            ("later", "A timestamp or a date."),
            ("earlier", "A timestamp or a date; after `later`, the age is negative."),
        ],
        "SELECT age(timestamp '2026-11-21 10:00:00', timestamp '2025-09-30 12:00:00')::text;\n-- 1 year 1 mon 20 days 22:00:00",
    )
});

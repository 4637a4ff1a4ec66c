//! The functions that plans are rewritten with where a session has a zone: texts to instants and back, and months and days added.

use std::sync::Arc;

use arrow::array::{Array, AsArray, StringBuilder, TimestampMicrosecondBuilder};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{DataType, Date32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use chrono::{DateTime, Days, Months, NaiveDateTime, Offset, SecondsFormat, TimeZone};
use datafusion::common::{DataFusionError, Result, exec_err, internal_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::{UTC, map_timestamps, of_local, per_second, read, to_local};
use crate::functions::arguments::{Call, scalar_text};
use crate::functions::frame::Function;
use crate::zones::Tz;

/// The zone of a call, which is a literal.
pub(super) fn zone(args: &ScalarFunctionArgs, index: usize) -> Result<Tz> {
    let zone = match args.args.get(index) {
        Some(ColumnarValue::Scalar(scalar)) => scalar_text(scalar).and_then(Tz::named),
        _ => None,
    };
    match zone {
        Some(zone) => Ok(zone),
        None => internal_err!("the zone of a call is not known"),
    }
}

/// `session_instant(text, zone, formats…)`: the instant that a text says.
pub(super) static READ: Function =
    Function::new("session_instant", |_| Ok(instant_type()), |call| instants(call, false));

/// The same, and null for a text that says none.
pub(super) static TRY_READ: Function =
    Function::new("session_instant_or_null", |_| Ok(instant_type()), |call| instants(call, true));

/// `session_local_time(text)`: the local time that a text says. As in PostgreSQL, what it says of the place of its clock says nothing of that.
pub(super) static READ_LOCAL: Function =
    Function::new("session_local_time", |_| Ok(local_type()), |call| local_times(call, false));

/// The same, and null for a text that says none.
pub(super) static TRY_READ_LOCAL: Function =
    Function::new("session_local_time_or_null", |_| Ok(local_type()), |call| local_times(call, true));

/// Reads an instant by the first of chrono's formats that fits, in microseconds.
fn by_formats(text: &str, formats: &[&str], zone: Tz) -> Option<i64> {
    formats.iter().find_map(|format| {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.timestamp_micros());
        }
        let local = NaiveDateTime::parse_from_str(text, format)
            .ok()
            .or_else(|| chrono::NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0))?;
        of_local(zone, local.and_utc().timestamp_micros(), 1_000_000)
    })
}

fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

fn local_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// The error of a text that says no time.
fn no_time(text: &str) -> DataFusionError {
    ArrowError::ParseError(format!("Error parsing timestamp from '{text}': error parsing date")).into()
}

fn local_times(call: &Call<'_>, is_safe: bool) -> Result<ColumnarValue> {
    let texts = call.text(0)?;
    let mut made = TimestampMicrosecondBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let text = texts.get(row);
        let local = text.and_then(|text| {
            // Of a year before 1 or beyond 9999 Arrow knows more forms.
            let day = || Some(i64::from(Date32Type::parse(text)?) * 86_400_000_000);
            read(text).map(|time| time.local_us).or_else(day)
        });
        if let (Some(text), None, false) = (text, local, is_safe) {
            return Err(no_time(text));
        }
        made.append_option(local);
    }
    call.result(Arc::new(made.finish()))
}

fn instants(call: &Call<'_>, is_safe: bool) -> Result<ColumnarValue> {
    let zone = zone(call.args, 1)?;
    let texts = call.text(0)?;
    let formats: Vec<_> = (2..call.len()).map(|index| call.text(index)).collect::<Result<_>>()?;
    let mut made = TimestampMicrosecondBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let Some(text) = texts.get(row) else {
            made.append_null();
            continue;
        };
        let instant = if formats.is_empty() {
            read(text).and_then(|time| time.instant_us(zone))
        } else {
            let formats: Vec<&str> = formats.iter().filter_map(|format| format.get(row)).collect();
            by_formats(text, &formats, zone)
        };
        if instant.is_none() && !is_safe {
            return Err(no_time(text));
        }
        made.append_option(instant);
    }
    call.result(Arc::new(made.finish().with_timezone(UTC)))
}

/// `session_text(t, zone)`: an instant in RFC 3339 with the zone's offset, as Arrow writes it.
pub(super) static TEXT: Function = Function::new("session_text", |_| Ok(DataType::Utf8), texts);

fn texts(call: &Call<'_>) -> Result<ColumnarValue> {
    let zone = zone(call.args, 1)?;
    let Some(given) = call.args.args.first() else { return internal_err!("session_text without arguments") };
    let array = given.to_array(call.rows)?;
    let DataType::Timestamp(unit, _) = *array.data_type() else {
        return internal_err!("session_text of {}", array.data_type());
    };
    let units = per_second(unit);
    let counts = cast(&array, &DataType::Int64)?;
    let counts = counts.as_primitive::<arrow::datatypes::Int64Type>();
    let mut made = StringBuilder::with_capacity(counts.len(), counts.len() * 25);
    for count in counts {
        let Some(count) = count else {
            made.append_null();
            continue;
        };
        let nanoseconds = count.rem_euclid(units) * (1_000_000_000 / units);
        let Some(instant) = DateTime::from_timestamp(count.div_euclid(units), u32::try_from(nanoseconds).unwrap_or(0))
        else {
            return exec_err!("an instant is beyond the calendar");
        };
        // RFC 3339 has offsets of whole minutes.
        let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc() / 60 * 60;
        let offset = chrono::FixedOffset::east_opt(offset).unwrap_or(chrono::Utc.fix());
        made.append_value(instant.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, true));
    }
    call.result(Arc::new(made.finish()))
}

/// `session_add(t, interval, zone)`: months and days on the zone's calendar, then the time, as PostgreSQL adds.
pub(super) static ADD: Function = Function::new("session_add", first_type, |call| sums(call, false));

/// `session_subtract(t, interval, zone)`: the same, taken away.
pub(super) static SUBTRACT: Function = Function::new("session_subtract", first_type, |call| sums(call, true));

/// Moves a local time, counted in units, by months and days.
fn moved(local: i64, units: i64, months: i64, days: i64) -> Option<i64> {
    let (seconds, rest) = (local.div_euclid(units), local.rem_euclid(units));
    let mut time = DateTime::from_timestamp(seconds, 0)?.naive_utc();
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    time = if months < 0 { time.checked_sub_months(count)? } else { time.checked_add_months(count)? };
    let count = Days::new(days.unsigned_abs());
    time = if days < 0 { time.checked_sub_days(count)? } else { time.checked_add_days(count)? };
    time.and_utc().timestamp().checked_mul(units)?.checked_add(rest)
}

/// Adds an interval to an instant, or takes it away, as PostgreSQL does: months and then days on the zone's calendar, then the time.
/// Instants are counted in units of which a second has so many; `None` beyond the calendar.
pub(super) fn added(
    zone: Tz,
    instant: i64,
    interval: IntervalMonthDayNano,
    is_subtraction: bool,
    units: i64,
) -> Option<i64> {
    let sign = if is_subtraction { -1 } else { 1 };
    let step = |instant: i64, months: i64, days: i64| {
        if months == 0 && days == 0 {
            return Some(instant);
        }
        of_local(zone, moved(to_local(zone, instant, units)?, units, months, days)?, units)
    };
    let instant = step(instant, sign * i64::from(interval.months), 0)?;
    let instant = step(instant, 0, sign * i64::from(interval.days))?;
    instant.checked_add(sign * (interval.nanoseconds / (1_000_000_000 / units)))
}

fn first_type(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(first) => Ok(first.clone()),
        None => internal_err!("a sum without arguments"),
    }
}

fn sums(call: &Call<'_>, is_subtraction: bool) -> Result<ColumnarValue> {
    let zone = zone(call.args, 2)?;
    let [instants, intervals, _] = call.args.args.as_slice() else {
        return internal_err!("a sum takes 3 arguments");
    };
    let (array, intervals) = (instants.to_array(call.rows)?, intervals.to_array(call.rows)?);
    let DataType::Timestamp(unit, type_zone) = array.data_type().clone() else {
        return internal_err!("a sum of {}", array.data_type());
    };
    let intervals = cast(&intervals, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    let units = per_second(unit);
    let mut is_beyond = false;
    let made = map_timestamps(&array, type_zone.as_deref(), |row, instant| {
        if intervals.is_null(row) {
            return None;
        }
        let made = added(zone, instant, intervals.value(row), is_subtraction, units);
        is_beyond |= made.is_none();
        made
    })?;
    if is_beyond {
        return exec_err!("an instant and an interval go beyond the calendar");
    }
    call.result(made)
}

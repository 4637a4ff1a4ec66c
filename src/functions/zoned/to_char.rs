//! `to_char` with PostgreSQL's patterns beside those of DataFusion, which are chrono's.
//!
//! A pattern with a `%` is chrono's, every other is PostgreSQL's ([`Pattern`]). Times, dates, instants, intervals and durations are
//! written; an instant as the clocks of the third argument show it, which the plan puts there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeZone, Timelike};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::functions::datetime::to_char::ToCharFunc;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::pattern::{Fields, Pattern};
use super::per_second;
use crate::functions::arguments::{self, Call, scalar_text};
use crate::functions::interval::intervals;
use crate::zones::Tz;

/// The Julian day of 1970-01-01.
const JULIAN_EPOCH: i64 = 2_440_588;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToChar {
    inner: ToCharFunc,
    signature: Signature,
}

impl Default for ToChar {
    fn default() -> Self {
        Self { inner: ToCharFunc::default(), signature: arguments::signature(Volatility::Immutable) }
    }
}

/// Says whether a pattern is one of chrono's.
fn is_chronos(pattern: &str) -> bool {
    pattern.contains('%')
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

/// Returns the fields of a local time.
fn fields_of(time: NaiveDateTime, microsecond: i64, zone: Option<(i64, &'static str)>) -> Fields {
    let iso = time.iso_week();
    Fields {
        year: time.year().into(),
        month: time.month().into(),
        day: time.day().into(),
        day_of_year: time.ordinal().into(),
        weekday: time.weekday().num_days_from_sunday().into(),
        iso_week: (iso.year().into(), iso.week().into()),
        julian_day: i64::from(time.date().to_epoch_days()) + JULIAN_EPOCH,
        hour: time.hour().into(),
        minute: time.minute().into(),
        second: time.second().into(),
        microsecond,
        zone,
        is_interval: false,
    }
}

/// Returns the fields of an interval.
fn fields_of_interval(interval: IntervalMonthDayNano) -> Fields {
    let (months, days) = (i64::from(interval.months), i64::from(interval.days));
    let microseconds = interval.nanoseconds / 1_000;
    let seconds = microseconds / 1_000_000;
    Fields {
        year: months / 12,
        month: months % 12,
        day: days,
        day_of_year: months * 30 + days,
        hour: seconds / 3_600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        microsecond: microseconds % 1_000_000,
        is_interval: true,
        ..Fields::default()
    }
}

/// The values to be written.
enum Values {
    /// Counts of units since the epoch: local times, or instants in a zone.
    Times {
        counts: ArrayRef,
        units: i64,
        zone: Option<Tz>,
    },
    /// Nanoseconds since midnight.
    TimesOfDay(ArrayRef),
    Intervals(ArrayRef),
}

impl Values {
    fn read(array: &ArrayRef, zone: Option<Tz>) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Timestamp(unit, type_zone) => Self::Times {
                counts: cast(array, &DataType::Int64)?,
                units: per_second(*unit),
                zone: type_zone.is_some().then(|| zone.unwrap_or(Tz::UTC)),
            },
            DataType::Date32 | DataType::Date64 => {
                let days = cast(array, &DataType::Date32)?;
                let seconds: arrow::array::Int64Array =
                    days.as_primitive::<Date32Type>().unary(|day| i64::from(day) * 86_400);
                // Where no zone is given the session is in UTC, and so is the midnight of a date.
                Self::Times { counts: Arc::new(seconds), units: 1, zone: Some(Tz::UTC) }
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                let times = cast(array, &DataType::Time64(TimeUnit::Nanosecond))?;
                Self::TimesOfDay(cast(&times, &DataType::Int64)?)
            }
            DataType::Interval(_) | DataType::Duration(_) => {
                let made = intervals(array)?;
                Self::Intervals(cast(&made, &DataType::Interval(IntervalUnit::MonthDayNano))?)
            }
            other => return exec_err!("to_char of {other}"),
        })
    }

    /// Returns the fields of a row, which is not null; `None` beyond the calendar.
    fn fields(&self, row: usize) -> Option<Fields> {
        match self {
            Self::Times { counts, units, zone } => {
                let count = counts.as_primitive::<Int64Type>().value(row);
                let utc = DateTime::from_timestamp(count.div_euclid(*units), 0)?.naive_utc();
                let nanoseconds = count.rem_euclid(*units) * (1_000_000_000 / units);
                let Some(zone) = zone else { return Some(fields_of(utc, nanoseconds / 1_000, None)) };
                let offset = zone.offset_from_utc_datetime(&utc);
                let seconds = offset.fix().local_minus_utc();
                let local = utc.checked_add_offset(offset.fix())?;
                Some(fields_of(local, nanoseconds / 1_000, Some((seconds.into(), offset.abbreviation()))))
            }
            Self::TimesOfDay(times) => {
                let microseconds = times.as_primitive::<Int64Type>().value(row) / 1_000;
                // PostgreSQL takes a time of day for an interval here.
                Some(fields_of_interval(IntervalMonthDayNano::new(0, 0, microseconds * 1_000)))
            }
            Self::Intervals(values) => {
                Some(fields_of_interval(values.as_primitive::<IntervalMonthDayNanoType>().value(row)))
            }
        }
    }

    /// Writes an instant by a pattern of chrono; `None` where the pattern is none, or the values are not instants.
    fn by_chrono(&self, row: usize, pattern: &str, out: &mut String) -> Option<()> {
        let Self::Times { counts, units, zone: Some(zone) } = self else { return None };
        let count = counts.as_primitive::<Int64Type>().value(row);
        let nanoseconds = u32::try_from(count.rem_euclid(*units) * (1_000_000_000 / units)).ok()?;
        let instant = DateTime::from_timestamp(count.div_euclid(*units), nanoseconds)?;
        std::fmt::Write::write_fmt(out, format_args!("{}", instant.with_timezone(zone).format(pattern))).ok()
    }
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [value, pattern, zone @ ..] = types else {
            return plan_err!("to_char takes 2 arguments (value, pattern), got {}", types.len());
        };
        if zone.len() > 1 {
            return plan_err!("to_char takes 2 arguments (value, pattern), got {}", types.len());
        }
        let is_known = matches!(
            value,
            DataType::Timestamp(..)
                | DataType::Date32
                | DataType::Date64
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Interval(_)
                | DataType::Duration(_)
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Null
        );
        if !is_known {
            return plan_err!(
                "to_char: argument 1 (value) must be a timestamp, a date, a time or an interval, got {value}"
            );
        }
        if !is_text(pattern) {
            return plan_err!("to_char: argument 2 (pattern) must be text, got {pattern}");
        }
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = match args.args.get(2) {
            Some(ColumnarValue::Scalar(zone)) => scalar_text(zone).and_then(Tz::named),
            _ => None,
        };
        let call = Call::new(&args);
        let [value, given, ..] = args.args.as_slice() else { return exec_err!("to_char takes 2 arguments") };
        let patterns = call.text(1)?;
        let mut array = value.to_array(call.rows)?;
        if is_text(array.data_type()) && !array.data_type().is_null() {
            array = cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        }
        // DataFusion writes chrono's patterns of what has no zone, and its two words for durations.
        let is_plain = match given {
            ColumnarValue::Scalar(pattern) => scalar_text(pattern).is_none_or(|pattern| {
                (is_chronos(pattern) && zone.is_none())
                    || (matches!(array.data_type(), DataType::Duration(_))
                        && (pattern.eq_ignore_ascii_case("pretty") || pattern.eq_ignore_ascii_case("iso8601")))
            }),
            ColumnarValue::Array(_) => false,
        };
        if is_plain && !is_text(&value.data_type()) && !matches!(array.data_type(), DataType::Interval(_)) {
            let mut args = args;
            args.args.truncate(2);
            args.arg_fields.truncate(2);
            if let Some(pattern) = args.args.get_mut(1) {
                *pattern = pattern.cast_to(&DataType::Utf8, None)?;
            }
            return self.inner.invoke_with_args(args);
        }
        let mut made = StringBuilder::with_capacity(call.rows, call.rows * 16);
        if array.data_type().is_null() {
            (0..call.rows).for_each(|_| made.append_null());
            return call.result(Arc::new(made.finish()));
        }
        let values = Values::read(&array, zone)?;
        let mut known: Option<(String, Pattern)> = None;
        let mut text = String::new();
        for row in 0..call.rows {
            let pattern = patterns.get(row).filter(|pattern| !pattern.is_empty());
            let Some(pattern) = pattern.filter(|_| array.is_valid(row)) else {
                made.append_null();
                continue;
            };
            text.clear();
            let written = if is_chronos(pattern) {
                match values.by_chrono(row, pattern, &mut text) {
                    Some(()) => Some(()),
                    None => {
                        text.clear();
                        self.by_datafusion(&array.slice(row, 1), pattern, &args, &mut text)?
                    }
                }
            } else {
                if known.as_ref().is_none_or(|(known, _)| known != pattern) {
                    known = Some((pattern.to_owned(), Pattern::parse(pattern)));
                }
                let fields = values.fields(row);
                known.as_ref().zip(fields).and_then(|((_, pattern), fields)| pattern.fill(&fields, &mut text))
            };
            if written.is_none() {
                return exec_err!(
                    "to_char: {pattern:?} does not fit this value: intervals have no names of days and months"
                );
            }
            made.append_value(&text);
        }
        call.result(Arc::new(made.finish()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

impl ToChar {
    /// Writes one value by a pattern of chrono, as DataFusion does.
    fn by_datafusion(
        &self,
        value: &ArrayRef,
        pattern: &str,
        args: &ScalarFunctionArgs,
        out: &mut String,
    ) -> Result<Option<()>> {
        if matches!(value.data_type(), DataType::Interval(_)) {
            return Ok(None);
        }
        let mut one = args.clone();
        one.args = vec![ColumnarValue::Array(Arc::clone(value)), ColumnarValue::Scalar(pattern.into())];
        one.arg_fields.truncate(2);
        one.number_rows = 1;
        let made = self.inner.invoke_with_args(one)?.into_array(1)?;
        out.push_str(made.as_string::<i32>().value(0));
        Ok(Some(()))
    }
}

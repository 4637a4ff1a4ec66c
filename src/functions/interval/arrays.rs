//! Columns of intervals and durations, value by value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, IntervalMonthDayNanoArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, TimeUnit,
};
use datafusion::common::{Result, exec_err};

use super::value::{of_ns, total_ns};

/// What all lengths are counted in where they are compared: nanoseconds.
pub(super) const KEY_TYPE: DataType = DataType::Decimal128(38, 0);

/// Nanoseconds of a unit of durations.
pub(super) fn unit_ns(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Returns the counts of a column of durations.
pub(super) fn counts(array: &ArrayRef, unit: TimeUnit) -> (&[i64], Option<&arrow::buffer::NullBuffer>) {
    fn of<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> (&[i64], Option<&arrow::buffer::NullBuffer>) {
        let array: &PrimitiveArray<T> = array.as_primitive::<T>();
        (array.values(), array.nulls())
    }
    match unit {
        TimeUnit::Second => of::<DurationSecondType>(array),
        TimeUnit::Millisecond => of::<DurationMillisecondType>(array),
        TimeUnit::Microsecond => of::<DurationMicrosecondType>(array),
        TimeUnit::Nanosecond => of::<DurationNanosecondType>(array),
    }
}

/// Returns the lengths of a column in nanoseconds.
///
/// # Errors
/// A column of another type.
pub(super) fn lengths(array: &ArrayRef) -> Result<Decimal128Array> {
    let lengths = match array.data_type() {
        DataType::Duration(unit) => {
            let ((counts, nulls), unit) = (counts(array, *unit), unit_ns(*unit));
            Decimal128Array::new(counts.iter().map(|count| i128::from(*count) * unit).collect(), nulls.cloned())
        }
        _ => intervals(array)?.unary(total_ns),
    };
    Ok(lengths.with_precision_and_scale(38, 0)?)
}

/// Returns a column as intervals of months, days and nanoseconds; of durations whole days and the time that is left.
///
/// # Errors
/// A column of another type, or more days than an interval holds.
pub(crate) fn intervals(array: &ArrayRef) -> Result<IntervalMonthDayNanoArray> {
    Ok(match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => array.as_primitive::<IntervalMonthDayNanoType>().clone(),
        DataType::Interval(IntervalUnit::YearMonth) => {
            array.as_primitive::<IntervalYearMonthType>().unary(|months| IntervalMonthDayNano::new(months, 0, 0))
        }
        DataType::Interval(IntervalUnit::DayTime) => array
            .as_primitive::<IntervalDayTimeType>()
            .unary(|value| IntervalMonthDayNano::new(0, value.days, i64::from(value.milliseconds) * 1_000_000)),
        DataType::Duration(unit) => {
            let ((counts, nulls), unit) = (counts(array, *unit), unit_ns(*unit));
            let made = counts.iter().enumerate().map(|(row, count)| {
                // Whatever stands below a null is no reason for an error.
                if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                    return Ok(IntervalMonthDayNano::ZERO);
                }
                of_ns(i128::from(*count) * unit)
            });
            IntervalMonthDayNanoArray::new(made.collect::<Result<Vec<_>>>()?.into(), nulls.cloned())
        }
        DataType::Null => {
            let nulls = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano));
            match nulls {
                Ok(nulls) => nulls.as_primitive::<IntervalMonthDayNanoType>().clone(),
                Err(_) => IntervalMonthDayNanoArray::new_null(array.len()),
            }
        }
        DataType::Dictionary(_, value) => {
            let plain: ArrayRef = Arc::new(cast(array, value)?);
            return intervals(&plain);
        }
        other => return exec_err!("not an interval but {other}"),
    })
}

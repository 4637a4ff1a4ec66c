//! `date_part` of DataFusion, with PostgreSQL's fields of intervals and durations.
//!
//! A field of an interval is a number that it holds: `hour` of `1 day 25:00:00` is 25, and of a duration what is left after whole
//! days. `epoch`, `second` and `millisecond` keep fractions, of instants and times of day too.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Float64Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, IntervalMonthDayNano};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions::datetime::date_part::DatePartFunc;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::arrays::{intervals, lengths};
use super::is_length;
use crate::functions::arguments::scalar_text;
use crate::functions::zoned::per_second;

const MICROSECOND_NS: i64 = 1_000;
const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;
const HOUR_NS: i64 = 60 * MINUTE_NS;

/// Seconds of a year in `epoch`: 365.25 days, as PostgreSQL takes it there and nowhere else.
const YEAR_SECONDS: i128 = 31_557_600;

/// The function: DataFusion's, but for intervals and durations.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct DatePart {
    inner: DatePartFunc,
}

impl DatePart {
    /// The function.
    pub(super) fn function() -> Arc<ScalarUDF> {
        static FUNCTION: LazyLock<Arc<ScalarUDF>> =
            LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(DatePart::default())));
        Arc::clone(&FUNCTION)
    }
}

/// A field of an interval.
#[derive(Debug, Clone, Copy)]
enum Part {
    Whole(fn(IntervalMonthDayNano) -> i64),
    Fraction(fn(IntervalMonthDayNano) -> f64),
    Epoch,
}

fn years(value: IntervalMonthDayNano) -> i64 {
    i64::from(value.months / 12)
}

fn part_named(name: &str) -> Option<Part> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "millennium" | "millenniums" | "millennia" => Part::Whole(|value| years(value) / 1_000),
        "century" | "centuries" => Part::Whole(|value| years(value) / 100),
        "decade" | "decades" => Part::Whole(|value| years(value) / 10),
        "year" | "years" | "y" | "yr" | "yrs" => Part::Whole(years),
        "quarter" | "qtr" => Part::Whole(|value| i64::from(value.months % 12 / 3) + 1),
        "month" | "months" | "mon" | "mons" => Part::Whole(|value| i64::from(value.months % 12)),
        "day" | "days" | "d" => Part::Whole(|value| i64::from(value.days)),
        "hour" | "hours" | "h" | "hr" | "hrs" => Part::Whole(|value| value.nanoseconds / HOUR_NS),
        "minute" | "minutes" | "m" | "min" | "mins" => Part::Whole(|value| value.nanoseconds % HOUR_NS / MINUTE_NS),
        "second" | "seconds" | "s" | "sec" | "secs" => {
            Part::Fraction(|value| (value.nanoseconds % MINUTE_NS) as f64 / 1e9)
        }
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => {
            Part::Fraction(|value| (value.nanoseconds % MINUTE_NS) as f64 / 1e6)
        }
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => {
            Part::Whole(|value| value.nanoseconds % MINUTE_NS / MICROSECOND_NS)
        }
        "nanosecond" | "nanoseconds" | "ns" => Part::Whole(|value| value.nanoseconds % MINUTE_NS),
        "epoch" => Part::Epoch,
        _ => return None,
    })
}

/// Returns an interval in seconds as `epoch` has it: years of 365.25 days, months of 30.
fn epoch(value: IntervalMonthDayNano) -> f64 {
    let seconds = i128::from(value.months / 12) * YEAR_SECONDS
        + (i128::from(value.months % 12) * 30 + i128::from(value.days)) * 86_400;
    let nanoseconds = i128::from(value.nanoseconds);
    let second = i128::from(SECOND_NS);
    (seconds + nanoseconds / second) as f64 + (nanoseconds % second) as f64 / 1e9
}

impl Part {
    fn of(self, array: &ArrayRef) -> Result<ArrayRef> {
        if let (Self::Epoch, DataType::Duration(_)) = (self, array.data_type()) {
            let second = i128::from(SECOND_NS);
            let seconds: Float64Array =
                lengths(array)?.unary(|length| (length / second) as f64 + (length % second) as f64 / 1e9);
            return Ok(Arc::new(seconds));
        }
        let intervals: IntervalMonthDayNanoArray = intervals(array)?;
        Ok(match self {
            Self::Whole(field) => Arc::new(intervals.unary::<_, arrow::datatypes::Int64Type>(field)),
            Self::Fraction(field) => Arc::new(intervals.unary::<_, arrow::datatypes::Float64Type>(field)),
            Self::Epoch => Arc::new(intervals.unary::<_, arrow::datatypes::Float64Type>(epoch)),
        })
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Whole(_) => DataType::Int64,
            Self::Fraction(_) | Self::Epoch => DataType::Float64,
        }
    }
}

/// Returns what seconds of instants and times of day are multiplied by, where a part is one that has fractions.
fn seconds_times(name: &str, data_type: &DataType) -> Option<f64> {
    if !matches!(data_type, DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_)) {
        return None;
    }
    match name.trim_matches(['\'', '"']).to_ascii_lowercase().as_str() {
        "second" | "seconds" | "s" | "sec" | "secs" => Some(1.0),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => Some(1e3),
        _ => None,
    }
}

/// Returns the seconds of the minute, with fractions. No zone has an offset of less than a minute that its rules are asked for here.
fn seconds(array: &ArrayRef, times: f64) -> Result<ArrayRef> {
    let (DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit)) = *array.data_type() else {
        return exec_err!("date_part: {} has no seconds", array.data_type());
    };
    let units = per_second(unit);
    let counts = match array.data_type() {
        DataType::Time32(_) => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    let of_minute = |count: i64| count.rem_euclid(60 * units) as f64 * times / units as f64;
    let seconds: Float64Array = counts.as_primitive::<Int64Type>().unary(of_minute);
    Ok(Arc::new(seconds))
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        if let ([_, field], [Some(name), _]) = (args.arg_fields, args.scalar_arguments)
            && is_length(field.data_type())
        {
            let name = scalar_text(name).unwrap_or_default();
            let Some(part) = part_named(name) else {
                return plan_err!("date_part: {name:?} is no field of an interval");
            };
            return Ok(Arc::new(Field::new(self.name(), part.data_type(), field.is_nullable())));
        }
        if let ([_, field], [Some(name), _]) = (args.arg_fields, args.scalar_arguments)
            && scalar_text(name).and_then(|name| seconds_times(name, field.data_type())).is_some()
        {
            return Ok(Arc::new(Field::new(self.name(), DataType::Float64, field.is_nullable())));
        }
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(name), value] = args.args.as_slice() else {
            return self.inner.invoke_with_args(args);
        };
        let times = scalar_text(name).and_then(|name| seconds_times(name, &value.data_type()));
        if let Some(times) = times {
            return Ok(match value {
                ColumnarValue::Array(array) => ColumnarValue::Array(seconds(array, times)?),
                ColumnarValue::Scalar(scalar) => {
                    ColumnarValue::Scalar(ScalarValue::try_from_array(&seconds(&scalar.to_array()?, times)?, 0)?)
                }
            });
        }
        if !is_length(&value.data_type()) {
            return self.inner.invoke_with_args(args);
        }
        let Some(part) = scalar_text(name).and_then(part_named) else {
            return exec_err!("date_part: {name} is no field of an interval");
        };
        Ok(match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(part.of(array)?),
            ColumnarValue::Scalar(scalar) => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&part.of(&scalar.to_array()?)?, 0)?)
            }
        })
    }

    fn preimage(&self, args: &[Expr], lit_expr: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        self.inner.preimage(args, lit_expr, info)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn fields_are_those_that_the_interval_holds() {
        let array: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(
            14,
            40,
            25 * HOUR_NS + 3 * MINUTE_NS + 4_500_000_000,
        )]));
        for (name, expected) in [
            ("year", 1),
            ("MONTH", 2),
            ("quarter", 1),
            ("day", 40),
            ("hour", 25),
            ("minute", 3),
            ("microseconds", 4_500_000),
            ("century", 0),
        ] {
            let made = part_named(name).unwrap().of(&array).unwrap();
            assert_eq!(made.as_ref(), &Int64Array::from(vec![expected]) as &dyn arrow::array::Array, "{name}");
        }
        for (name, expected) in [("second", 4.5), ("millisecond", 4_500.0), ("epoch", 40_287_784.5)] {
            let made = part_named(name).unwrap().of(&array).unwrap();
            assert_eq!(made.as_ref(), &Float64Array::from(vec![expected]) as &dyn arrow::array::Array, "{name}");
        }
        assert!(part_named("dow").is_none());
    }
}

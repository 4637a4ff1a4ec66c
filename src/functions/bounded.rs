//! Functions of DataFusion whose results may be a thousand times as long as what they are given: they are refused before they take the memory.
//!
//! Operators ask for the memory that they hold; functions do not, and make the values of some thousand rows at once. `repeat(x, 100000)` of a batch takes
//! 800 MB whatever the memory limit is. [`MOST_BYTES`] is what a function may make of one batch; beyond it the query ends with an error that says so.
//! A result within it is DataFusion's own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::functions::string;
use datafusion::functions::unicode;
use datafusion::functions_nested::range::{gen_series_udf, range_udf};
use datafusion::functions_nested::repeat::array_repeat_udf;
use datafusion::functions_nested::resize::array_resize_udf;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use super::instead::{Instead, function};

/// Bytes that a function may make of the rows of one batch.
const MOST_BYTES: u128 = 256 << 20;

/// Bytes that a value of a list takes at least.
const LEAST_VALUE_BYTES: u128 = 8;

/// How long the results are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Length {
    /// As many times the first argument as the second says.
    Times,
    /// As many characters as the second argument says.
    Padded,
    /// A value for each step from the first argument to the second, or from 0 to the only one.
    Series,
    /// As many values as the second argument says.
    Resized,
}

/// A function of DataFusion with a bound.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    stock: Arc<ScalarUDF>,
    length: Length,
}

/// Lists the functions, which stand in for those of DataFusion under their names.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    bounded().map(function).to_vec()
}

fn bounded() -> [Bounded; 7] {
    [
        (string::repeat(), Length::Times),
        (unicode::lpad(), Length::Padded),
        (unicode::rpad(), Length::Padded),
        (array_repeat_udf(), Length::Times),
        (array_resize_udf(), Length::Resized),
        (gen_series_udf(), Length::Series),
        (range_udf(), Length::Series),
    ]
    .map(|(stock, length)| Bounded { stock, length })
}

impl Instead for Bounded {
    fn stock(&self) -> &Arc<ScalarUDF> {
        &self.stock
    }

    fn invoke(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let (Length::Padded, Some(length)) = (self.length, args.args.get_mut(1)) {
            *length = at_least_zero(length)?;
        }
        let bytes = self.bytes(&args.args, args.number_rows)?;
        if bytes > MOST_BYTES {
            return exec_err!(
                "{} would make {} MB at once, and {} MB are the most; hint: make shorter values, or of fewer rows",
                self.stock.name(),
                bytes >> 20,
                MOST_BYTES >> 20
            );
        }
        self.stock.invoke_with_args(args)
    }
}

/// Makes 0 of lengths below it, as PostgreSQL does. DataFusion's functions make a length beyond all memory of them.
fn at_least_zero(length: &ColumnarValue) -> Result<ColumnarValue> {
    Ok(match length {
        ColumnarValue::Scalar(ScalarValue::Int64(value)) => {
            ColumnarValue::Scalar(ScalarValue::Int64(value.map(|value| value.max(0))))
        }
        ColumnarValue::Array(array) if *array.data_type() == DataType::Int64 => {
            let lengths = array.as_primitive::<Int64Type>();
            ColumnarValue::Array(Arc::new(lengths.unary::<_, Int64Type>(|value| value.max(0))))
        }
        other => other.clone(),
    })
}

/// The numbers of an argument.
enum Numbers {
    One(Option<i64>),
    Each(ArrayRef),
}

impl Numbers {
    /// Reads an argument; `None` where it is no number. Instants, days and steps between them are nanoseconds, as far as these go.
    fn of(value: &ColumnarValue) -> Option<Self> {
        match value {
            ColumnarValue::Scalar(value) if is_moment(&value.data_type()) => match value {
                ScalarValue::IntervalMonthDayNano(step) => Some(Self::One(step.map(nanoseconds))),
                value => {
                    let moment = value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
                    let ScalarValue::TimestampMicrosecond(moment, _) = moment else { return None };
                    Some(Self::One(moment.map(|moment| moment.saturating_mul(1_000))))
                }
            },
            ColumnarValue::Array(array) if is_moment(array.data_type()) => Some(Self::Each(match array.data_type() {
                DataType::Interval(_) => {
                    let steps = array.as_primitive::<IntervalMonthDayNanoType>();
                    Arc::new(steps.iter().map(|step| step.map(nanoseconds)).collect::<Int64Array>()) as ArrayRef
                }
                _ => {
                    let moments = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
                    let moments = moments.as_primitive::<TimestampMicrosecondType>();
                    Arc::new(moments.unary::<_, Int64Type>(|moment| moment.saturating_mul(1_000)))
                }
            })),
            ColumnarValue::Scalar(ScalarValue::Int64(value)) => Some(Self::One(*value)),
            ColumnarValue::Scalar(value) if value.data_type().is_integer() => {
                let ScalarValue::Int64(value) = value.cast_to(&DataType::Int64).ok()? else { return None };
                Some(Self::One(value))
            }
            ColumnarValue::Array(array) if array.data_type().is_integer() => {
                Some(Self::Each(cast(array, &DataType::Int64).ok()?))
            }
            _ => None,
        }
    }

    fn at(&self, row: usize) -> Option<i64> {
        match self {
            Self::One(value) => *value,
            Self::Each(array) => {
                let numbers = array.as_primitive::<Int64Type>();
                (row < numbers.len() && numbers.is_valid(row)).then(|| numbers.value(row))
            }
        }
    }
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Interval(IntervalUnit::MonthDayNano)
    )
}

/// The length of a step, of whose months each is one of the shortest.
fn nanoseconds(step: IntervalMonthDayNano) -> i64 {
    let days = i64::from(step.months).saturating_mul(28).saturating_add(i64::from(step.days));
    days.saturating_mul(86_400_000_000_000).saturating_add(step.nanoseconds)
}

/// Bytes of the values of an argument, on average.
fn width(value: &ColumnarValue, rows: usize) -> u128 {
    match value {
        ColumnarValue::Scalar(value) => match value.try_as_str() {
            Some(text) => text.map_or(0, str::len) as u128,
            None => value.size() as u128,
        },
        ColumnarValue::Array(array) => {
            let bytes = match array.data_type() {
                DataType::Utf8 => {
                    let offsets = array.as_string::<i32>().value_offsets();
                    let first = offsets.first().copied().unwrap_or_default();
                    u128::from(offsets.last().copied().unwrap_or_default().abs_diff(first))
                }
                // The first four bytes of a view are the length of its text.
                DataType::Utf8View => array.as_string_view().views().iter().map(|view| u128::from(*view as u32)).sum(),
                _ => array.to_data().get_slice_memory_size().unwrap_or_default() as u128,
            };
            bytes.div_ceil(rows.max(1) as u128)
        }
    }
}

impl Bounded {
    /// Bytes of the results of a batch, about.
    fn bytes(&self, args: &[ColumnarValue], rows: usize) -> Result<u128> {
        let rows = if args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) { 1 } else { rows };
        let counts = |at: usize| args.get(at).and_then(Numbers::of);
        Ok(match self.length {
            Length::Times | Length::Padded => {
                let (Some(value), Some(counts)) = (args.first(), counts(1)) else { return Ok(0) };
                let each = match (self.length, self.stock.name()) {
                    (Length::Padded, _) => 1,
                    (_, "array_repeat") => width(value, rows).max(LEAST_VALUE_BYTES),
                    _ => width(value, rows),
                };
                let times: u128 = (0..rows).map(|row| counts.at(row).unwrap_or_default().max(0) as u128).sum();
                times.saturating_mul(each)
            }
            Length::Resized => {
                let Some(counts) = counts(1) else { return Ok(0) };
                let each = args.get(2).map_or(0, |filler| width(filler, rows)).max(LEAST_VALUE_BYTES);
                let values: u128 = (0..rows).map(|row| counts.at(row).unwrap_or_default().max(0) as u128).sum();
                values.saturating_mul(each)
            }
            Length::Series => {
                let (start, stop) = match args.len() {
                    1 => (Some(Numbers::One(Some(0))), counts(0)),
                    _ => (counts(0), counts(1)),
                };
                let step = if args.len() > 2 { counts(2) } else { Some(Numbers::One(Some(1))) };
                let (Some(start), Some(stop), Some(step)) = (start, stop, step) else { return Ok(0) };
                let values = (0..rows).map(|row| match (start.at(row), stop.at(row), step.at(row)) {
                    (Some(start), Some(stop), Some(step)) if step != 0 && (stop >= start) == (step > 0) => {
                        u128::from(stop.abs_diff(start) / step.unsigned_abs()) + 1
                    }
                    _ => 0,
                });
                values.sum::<u128>().saturating_mul(LEAST_VALUE_BYTES)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringArray, StringViewArray};

    use super::*;

    #[test]
    fn what_a_call_would_make_is_known_before_it_is_made() {
        let functions = bounded();
        let bytes = |name: &str, args: Vec<ColumnarValue>, rows: usize| {
            let function = functions.iter().find(|function| function.stock.name() == name).unwrap();
            function.bytes(&args, rows).unwrap()
        };
        let number = |value: i64| ColumnarValue::Scalar(ScalarValue::Int64(Some(value)));
        let text = |value: &str| ColumnarValue::Scalar(ScalarValue::from(value));
        let numbers = |values: Vec<Option<i64>>| ColumnarValue::Array(Arc::new(Int64Array::from(values)));
        assert_eq!(bytes("repeat", vec![text("abc"), number(100)], 1), 300);
        assert_eq!(bytes("repeat", vec![text("abc"), numbers(vec![Some(2), None, Some(-5), Some(3)])], 4), 15);
        assert_eq!(bytes("lpad", vec![text("abc"), number(i64::from(i32::MAX))], 1), 2_147_483_647);
        assert_eq!(
            bytes("array_repeat", vec![number(7), number(1000)], 1) / 1000,
            bytes("array_repeat", vec![number(7), number(1)], 1)
        );
        assert_eq!(bytes("generate_series", vec![number(1), number(10)], 1), 80);
        assert_eq!(bytes("generate_series", vec![number(10), number(1)], 1), 0);
        assert_eq!(bytes("generate_series", vec![number(10), number(1), number(-3)], 1), 32);
        assert_eq!(bytes("range", vec![numbers(vec![Some(9), Some(i64::MAX)])], 2), 8 * (10 + i64::MAX as u128 + 1));
        assert_eq!(bytes("array_resize", vec![number(0), number(1_000)], 1), 8_000);
        let day = |day: i32| ColumnarValue::Scalar(ScalarValue::Date32(Some(day)));
        let step = |nanoseconds| {
            let step = IntervalMonthDayNano { months: 0, days: 0, nanoseconds };
            ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(step)))
        };
        assert_eq!(bytes("generate_series", vec![day(0), day(1), step(3_600_000_000_000)], 1), 25 * 8);
        assert_eq!(bytes("range", vec![day(0), day(10_000), step(1)], 1), 8 * 864_000_000_000_000_001);
        for texts in [
            Arc::new(StringArray::from(vec!["ab"; 1000])) as ArrayRef,
            Arc::new(StringViewArray::from(vec!["ab"; 1000])),
        ] {
            assert_eq!(bytes("repeat", vec![ColumnarValue::Array(texts), number(5)], 1000), 10_000);
        }
    }
}

//! Rounding where PostgreSQL's casts round and DataFusion's cut: the nearest whole number, halves to the even one, of a float that becomes an integer
//! ([`to_nearest`]), and the nearest instant with fewer digits of a second ([`to_digits`]).

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type, Int64Type, TimeUnit};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

const NAME: &str = "round_half_even";

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToNearest {
    signature: Signature,
}

/// The function.
pub(super) fn function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let signature = Signature::any(1, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(ToNearest { signature }))
    });
    Arc::clone(&FUNCTION)
}

/// Calls the function.
pub fn to_nearest(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: function(), args: vec![expr] })
}

impl ScalarUDFImpl for ToNearest {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [float @ (DataType::Float64 | DataType::Float32)] => Ok(float.clone()),
            _ => internal_err!("{NAME} takes a float"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields {
            [field] => Ok(Arc::new(arrow::datatypes::Field::new(NAME, field.data_type().clone(), field.is_nullable()))),
            _ => internal_err!("{NAME} takes one argument"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first() else { return internal_err!("{NAME} takes one argument") };
        let array: ArrayRef = match value {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        let rounded: ArrayRef = match array.data_type() {
            DataType::Float32 => {
                let rounded: Float32Array = array.as_primitive::<Float32Type>().unary(f32::round_ties_even);
                Arc::new(rounded)
            }
            DataType::Float64 => {
                let rounded: Float64Array = array.as_primitive::<Float64Type>().unary(f64::round_ties_even);
                Arc::new(rounded)
            }
            other => return internal_err!("{NAME} takes a float, not {other}"),
        };
        Ok(match value {
            ColumnarValue::Array(_) => ColumnarValue::Array(rounded),
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&rounded, 0)?),
        })
    }
}

const TO_DIGITS: &str = "round_instant";

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToDigits {
    signature: Signature,
}

/// The function that rounds instants.
pub(super) fn instants() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let signature = Signature::any(2, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(ToDigits { signature }))
    });
    Arc::clone(&FUNCTION)
}

/// Rounds a timestamp to a unit of time, as a timestamp of its own type.
pub fn to_digits(expr: Expr, unit: TimeUnit) -> Expr {
    let per_second = Expr::Literal(ScalarValue::Int64(Some(per_second(unit))), None);
    Expr::ScalarFunction(ScalarFunction { func: instants(), args: vec![expr, per_second] })
}

const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Seconds from 1970 to 2000, from which PostgreSQL counts.
const TO_2000: i128 = 946_684_800;

/// Rounds a count of a unit to whole steps of it; halves go away from the year 2000, as PostgreSQL's do.
fn rounded(count: i64, step: i64, per_second: i64) -> i64 {
    let epoch = TO_2000 * i128::from(per_second);
    let (step, distance) = (i128::from(step), i128::from(count) - epoch);
    let steps = (distance.abs() + step / 2) / step * step;
    // What does not fit any more is later than any instant that is shown.
    i64::try_from(epoch + distance.signum() * steps).unwrap_or(count)
}

impl ScalarUDFImpl for ToDigits {
    fn name(&self) -> &str {
        TO_DIGITS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [instant @ DataType::Timestamp(..), _] => Ok(instant.clone()),
            _ => internal_err!("{TO_DIGITS} takes a timestamp"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(ScalarValue::Int64(Some(per_second_then)))] = args.args.as_slice() else {
            return internal_err!("{TO_DIGITS} takes a timestamp and a number");
        };
        let data_type = value.data_type();
        let DataType::Timestamp(unit, _) = &data_type else { return internal_err!("{TO_DIGITS} takes a timestamp") };
        let per_second = per_second(*unit);
        let step = per_second / (*per_second_then).max(1);
        if step <= 1 {
            return Ok(value.clone());
        }
        let array = value.to_array(args.number_rows)?;
        let counts = cast(&array, &DataType::Int64)?;
        let counts: Int64Array = counts.as_primitive::<Int64Type>().unary(|count| rounded(count, step, per_second));
        let instants = cast(&counts, &data_type)?;
        Ok(match value {
            ColumnarValue::Array(_) => ColumnarValue::Array(instants),
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&instants, 0)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_seconds_go_away_from_the_year_2000() {
        let millisecond = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        for (given, expected) in [
            ("2026-11-20T12:30:15.500Z", "2026-11-20T12:30:16Z"),
            ("2026-11-20T12:30:15.499Z", "2026-11-20T12:30:15Z"),
            ("1969-12-31T23:59:59.500Z", "1969-12-31T23:59:59Z"),
            ("1969-12-31T23:59:59.501Z", "1970-01-01T00:00:00Z"),
            ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"),
        ] {
            assert_eq!(rounded(millisecond(given), 1_000, 1_000), millisecond(expected), "{given}");
        }
        for count in [i64::MIN, i64::MAX] {
            assert_eq!(rounded(count, 1_000_000_000, 1_000_000_000) / 1_000_000_000, count / 1_000_000_000);
        }
    }
}

//! Rounding where PostgreSQL's casts round and DataFusion's cut: the nearest whole number, halves to the even one, of a float that becomes an integer
//! ([`to_nearest`]), and the nearest instant with fewer digits of a second ([`to_digits`]).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr};
use datafusion::scalar::ScalarValue;

use crate::functions::arguments::Call;
use crate::functions::frame::Function;

/// The function.
pub(super) static ROUND_HALF_EVEN: Function =
    Function { is_strict: true, ..Function::new("round_half_even", returns, run) };

/// Calls the function.
pub fn to_nearest(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: ROUND_HALF_EVEN.udf(), args: vec![expr] })
}

fn returns(types: &[DataType]) -> Result<DataType> {
    match types {
        [float @ (DataType::Float64 | DataType::Float32)] => Ok(float.clone()),
        _ => internal_err!("round_half_even takes a float"),
    }
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let array = call.given(0)?;
    let rounded: ArrayRef = match array.data_type() {
        DataType::Float32 => {
            let rounded: Float32Array = array.as_primitive::<Float32Type>().unary(f32::round_ties_even);
            Arc::new(rounded)
        }
        DataType::Float64 => {
            let rounded: Float64Array = array.as_primitive::<Float64Type>().unary(f64::round_ties_even);
            Arc::new(rounded)
        }
        other => return internal_err!("round_half_even takes a float, not {other}"),
    };
    call.result(rounded)
}

/// The function that rounds instants.
pub(super) static ROUND_INSTANT: Function = Function::new("round_instant", instant, run_instant);

fn instant(types: &[DataType]) -> Result<DataType> {
    match types {
        [instant @ DataType::Timestamp(..), _] => Ok(instant.clone()),
        _ => internal_err!("round_instant takes a timestamp"),
    }
}

/// Rounds a timestamp to a unit of time, as a timestamp of its own type.
pub fn to_digits(expr: Expr, unit: TimeUnit) -> Expr {
    let per_second = Expr::Literal(ScalarValue::Int64(Some(per_second(unit))), None);
    Expr::ScalarFunction(ScalarFunction { func: ROUND_INSTANT.udf(), args: vec![expr, per_second] })
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

fn run_instant(call: &Call<'_>) -> Result<ColumnarValue> {
    let [value, ColumnarValue::Scalar(ScalarValue::Int64(Some(per_second_then)))] = call.args.args.as_slice() else {
        return internal_err!("round_instant takes a timestamp and a number");
    };
    let data_type = value.data_type();
    let DataType::Timestamp(unit, _) = &data_type else { return internal_err!("round_instant takes a timestamp") };
    let per_second = per_second(*unit);
    let step = per_second / (*per_second_then).max(1);
    if step <= 1 {
        return Ok(value.clone());
    }
    let array = value.to_array(call.args.number_rows)?;
    let counts = cast(&array, &DataType::Int64)?;
    let counts: Int64Array = counts.as_primitive::<Int64Type>().unary(|count| rounded(count, step, per_second));
    let instants = cast(&counts, &data_type)?;
    Ok(match value {
        ColumnarValue::Array(_) => ColumnarValue::Array(instants),
        ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&instants, 0)?),
    })
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

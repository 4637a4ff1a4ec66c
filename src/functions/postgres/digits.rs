//! `round` and `trunc` to more digits than a float has, and the seconds that `to_timestamp` takes.
//!
//! DataFusion 55.2 multiplies by a power of ten and divides by it again: NaN, where no float is as great as that. Seconds beyond its nanoseconds
//! it takes for the last of those.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::functions::math;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF};

use crate::functions::frame::Function;
use crate::functions::instead::{self, Instead};

/// A function of a number and digits.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToDigits {
    stock: Arc<ScalarUDF>,
}

/// Lists the functions, which stand in for those of DataFusion under their names.
pub(crate) fn to_digits() -> [Arc<ScalarUDF>; 2] {
    [math::round(), math::trunc()].map(|stock| instead::function(ToDigits { stock }))
}

impl Instead for ToDigits {
    fn stock(&self) -> &Arc<ScalarUDF> {
        &self.stock
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args.clone();
        let made = self.stock.invoke_with_args(args)?;
        let [value, digits] = given.as_slice() else { return Ok(made) };
        let rows = match &made {
            ColumnarValue::Array(array) => array.len(),
            ColumnarValue::Scalar(_) => 1,
        };
        let data_type = made.data_type();
        if !data_type.is_floating() {
            return Ok(made);
        }
        let doubles = |value: &ColumnarValue| {
            Ok::<_, datafusion::error::DataFusionError>(cast(&value.to_array(rows)?, &DataType::Float64)?)
        };
        let results = doubles(&made)?;
        let results = results.as_primitive::<Float64Type>();
        if results.values().iter().all(|result| result.is_finite()) {
            return Ok(made);
        }
        let (values, digits) = (doubles(value)?, cast(&digits.to_array(rows)?, &DataType::Int64)?);
        let (values, digits) = (values.as_primitive::<Float64Type>(), digits.as_primitive::<Int64Type>());
        let rounded =
            results.iter().zip(values).zip(digits).map(|((result, value), digits)| match (result, value, digits) {
                (Some(result), Some(value), Some(digits)) if !result.is_finite() && value.is_finite() => {
                    Some(if digits > 0 { value } else { 0.0 })
                }
                (result, ..) => result,
            });
        let rounded = cast(&(Arc::new(rounded.collect::<Float64Array>()) as ArrayRef), &data_type)?;
        Ok(match made {
            ColumnarValue::Array(_) => ColumnarValue::Array(rounded),
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&rounded, 0)?),
        })
    }
}

/// Seconds before and after 1970 that nanoseconds reach.
const MOST_SECONDS: f64 = 9_223_372_036.0;

/// Gives seconds that are an instant, and refuses others.
pub(super) static SECONDS: Function = Function {
    is_strict: true,
    ..Function::new(
        "seconds_of_instant",
        |_| Ok(DataType::Float64),
        |call| {
            let seconds = cast(&call.given(0)?, &DataType::Float64)?;
            match seconds
                .as_primitive::<Float64Type>()
                .iter()
                .flatten()
                .find(|seconds| seconds.is_nan() || seconds.abs() > MOST_SECONDS)
            {
                Some(seconds) if seconds.is_nan() => exec_err!("timestamp cannot be NaN"),
                Some(seconds) => exec_err!(
                    "timestamp out of range: {seconds:e} seconds; hint: to_timestamp reaches from 1677 to 2262, and \
                 to_timestamp_seconds and to_timestamp_micros reach further"
                ),
                None => call.result(seconds),
            }
        },
    )
};

/// Calls it.
pub fn seconds_of_instant(seconds: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: SECONDS.udf(), args: vec![seconds] })
}

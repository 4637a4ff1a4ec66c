//! The nearest whole number, halves to the even one: what a cast of a float to an integer gives in PostgreSQL.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
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

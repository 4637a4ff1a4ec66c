//! `a # b` of integers, of which DataFusion 55.2 makes 0 where both are the same expression, and leaves out one that stands in it twice, though it may
//! be null.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::kernels::bitwise::bitwise_xor;
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr};

use crate::functions::arguments::Call;
use crate::functions::frame::Function;

/// The function.
pub(super) static INTEGER_XOR: Function = Function { is_strict: true, ..Function::new("integer_xor", returns, run) };

/// Calls it.
pub fn xor(left: Expr, right: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: INTEGER_XOR.udf(), args: vec![left, right] })
}

fn returns(types: &[DataType]) -> Result<DataType> {
    match types {
        [left, right] if left == right && left.is_integer() => Ok(left.clone()),
        _ => internal_err!("integer_xor takes integers of one type"),
    }
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let (left, right) = (call.given(0)?, call.given(1)?);
    macro_rules! of {
        ($($name:ident => $native:ty),*) => {
            match left.data_type() {
                $(DataType::$name => {
                    Arc::new(bitwise_xor(left.as_primitive::<$native>(), right.as_primitive::<$native>())?) as ArrayRef
                })*
                other => return internal_err!("integer_xor of {other}"),
            }
        };
    }
    call.result(of!(
        Int8 => Int8Type, Int16 => Int16Type, Int32 => Int32Type, Int64 => Int64Type,
        UInt8 => UInt8Type, UInt16 => UInt16Type, UInt32 => UInt32Type, UInt64 => UInt64Type
    ))
}

//! `mod(a, b)`: what `a % b` is.

use arrow::compute::kernels::numeric::rem;
use datafusion::common::internal_err;
use datafusion::logical_expr::{Signature, Volatility};
use datafusion::physical_expr_common::datum::apply;

use crate::functions::frame::Function;

/// The function.
pub(super) static MODULO: Function = Function {
    signature: || Signature::numeric(2, Volatility::Immutable),
    ..Function::new(
        "mod",
        |types| match types {
            [first, _] => Ok(first.clone()),
            _ => internal_err!("mod takes two numbers"),
        },
        |call| match call.args.args.as_slice() {
            [left, right] => apply(left, right, rem),
            _ => internal_err!("mod takes two numbers"),
        },
    )
};

//! Turns what is done to a JSON value into a call that reads it from the text at once.
//!
//! `data->'variables'->'n'` is a call within a call, and `(data->'n')::int` a cast of a JSON value that was built only to be
//! cast. Before any other rule they become `json_get(data, 'variables', 'n')` and `json_get_int(data, 'n')`: one call of a
//! column and literals is what the scan can answer from a leaf column.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::calls::{Asked, by_steps, json_call};

/// The rewrite, for [`datafusion::execution::FunctionRegistry::register_function_rewrite`].
#[derive(Debug)]
pub(crate) struct JsonCalls;

impl FunctionRewrite for JsonCalls {
    fn name(&self) -> &str {
        "json_calls"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let rewritten = match &expr {
            Expr::Cast(cast) => typed(&cast.expr, cast.field.data_type()).map(|call| {
                keeps_type(&call, cast.field.data_type(), schema, |call| {
                    Expr::Cast(Cast { expr: Box::new(call), field: Arc::clone(&cast.field) })
                })
            }),
            Expr::TryCast(cast) => typed(&cast.expr, cast.field.data_type()).map(|call| {
                keeps_type(&call, cast.field.data_type(), schema, |call| {
                    Expr::TryCast(TryCast { expr: Box::new(call), field: Arc::clone(&cast.field) })
                })
            }),
            Expr::ScalarFunction(call) => arrow_cast(call).or_else(|| drawn_in(call)),
            _ => None,
        };
        Ok(rewritten.map_or_else(|| Transformed::no(expr), Transformed::yes))
    }
}

/// Returns the call that reads a value of this type, in place of a `json_get` that is to be cast to it.
fn typed(value: &Expr, to: &DataType) -> Option<Expr> {
    let call = json_get(value)?;
    let func = by_steps(Asked::in_place_of_a_cast(to)?);
    Some(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(func), args: call.args.clone() }))
}

/// Puts the cast around a call again, unless the call is of that type already: a narrower type may refuse a value.
fn keeps_type(call: &Expr, to: &DataType, schema: &DFSchema, cast: impl FnOnce(Expr) -> Expr) -> Expr {
    match call.get_type(schema) {
        Ok(returned) if returned == *to => call.clone(),
        _ => cast(call.clone()),
    }
}

/// The same for `arrow_cast(data->'n', 'Int64')`, which becomes a cast only after this rewrite has run.
fn arrow_cast(call: &ScalarFunction) -> Option<Expr> {
    if !matches!(call.func.name(), "arrow_cast" | "arrow_try_cast") {
        return None;
    }
    let [value, to @ Expr::Literal(name, _)] = call.args.as_slice() else { return None };
    let data_type: DataType = name.try_as_str().flatten()?.parse().ok()?;
    let args = vec![typed(value, &data_type)?, to.clone()];
    Some(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&call.func), args }))
}

/// Makes one call of two, where the inner one gets a JSON value by literal keys and so does the outer.
fn drawn_in(call: &ScalarFunction) -> Option<Expr> {
    if !json_call(call.func.name())?.draws_in() {
        return None;
    }
    let (value, keys) = call.args.split_first()?;
    let inner = json_get(value)?;
    let args: Vec<Expr> = inner.args.iter().chain(keys).cloned().collect();
    let all_literal = args.iter().skip(1).all(|key| matches!(key, Expr::Literal(..)));
    all_literal.then(|| Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&call.func), args }))
}

/// Returns the call of `json_get` that an expression is, whatever it is called.
fn json_get(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::ScalarFunction(call) => json_call(call.func.name()).filter(|it| it.asked == Asked::Union).map(|_| call),
        Expr::Alias(alias) => json_get(&alias.expr),
        _ => None,
    }
}

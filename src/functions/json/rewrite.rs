//! Turns what is done to a JSON value into a call that reads it from the text at once.
//!
//! `data->'variables'->'n'` is a call within a call, and `(data->'n')::int` a cast of a JSON value that was built only to be
//! cast. Before any other rule they become `json_get(data, 'variables', 'n')` and `json_get_int(data, 'n')`: one call of a
//! column and literals is what the scan can answer from a leaf column. A JSON value that comes from elsewhere, as out of a subquery or a group, is
//! read from its text, and beside a number, a text or a truth value a JSON value is read as one.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, InList, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};
use datafusion_functions_json::JSON_UNION_DATA_TYPE;
use datafusion_functions_json::udfs::json_union_to_text_udf;

use super::calls::{Asked, Form, by_steps, json_call};

/// The rewrite, for [`datafusion::execution::FunctionRegistry::register_function_rewrite`].
#[derive(Debug)]
pub(crate) struct JsonCalls;

impl FunctionRewrite for JsonCalls {
    fn name(&self) -> &str {
        "json_calls"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        let rewritten = match &expr {
            Expr::Cast(cast) => typed(&cast.expr, cast.field.data_type(), schema).map(|call| {
                keeps_type(&call, cast.field.data_type(), schema, |call| {
                    Expr::Cast(Cast { expr: Box::new(call), field: Arc::clone(&cast.field) })
                })
            }),
            Expr::TryCast(cast) => typed(&cast.expr, cast.field.data_type(), schema).map(|call| {
                keeps_type(&call, cast.field.data_type(), schema, |call| {
                    Expr::TryCast(TryCast { expr: Box::new(call), field: Arc::clone(&cast.field) })
                })
            }),
            Expr::ScalarFunction(call) => arrow_cast(call, schema).or_else(|| drawn_in(call)),
            // Where there is a value there is its text, which may be in a leaf column.
            Expr::IsNull(value) => {
                json_get(value).and_then(|_| read(value, Asked::AnyText, schema)).map(|text| text.is_null())
            }
            Expr::IsNotNull(value) => {
                json_get(value).and_then(|_| read(value, Asked::AnyText, schema)).map(|text| text.is_not_null())
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => beside(left, *op, right, schema),
            Expr::InList(list) if is_value(&list.expr, schema) => read_for(&list.expr, list.list.iter(), schema)
                .map(|read| Expr::InList(InList { expr: Box::new(read), ..list.clone() })),
            Expr::Between(between) if is_value(&between.expr, schema) => {
                read_for(&between.expr, [between.low.as_ref(), between.high.as_ref()], schema)
                    .map(|read| Expr::Between(Between { expr: Box::new(read), ..between.clone() }))
            }
            _ => None,
        };
        Ok(rewritten.map_or_else(|| Transformed::no(expr), Transformed::yes))
    }
}

/// Returns the call that reads a value of this type, in place of a JSON value that is to be cast to it.
fn typed(value: &Expr, to: &DataType, schema: &DFSchema) -> Option<Expr> {
    read(value, Asked::in_place_of_a_cast(to)?, schema)
}

/// Returns the call that reads this of a JSON value: of the document where the value is looked up here, and else of its own text.
fn read(value: &Expr, asked: Asked, schema: &DFSchema) -> Option<Expr> {
    let args = match json_get(value) {
        Some(call) => call.args.clone(),
        None if is_value(value, schema) => {
            let text = ScalarFunction { func: json_union_to_text_udf(), args: vec![value.clone()] };
            vec![Expr::ScalarFunction(text)]
        }
        None => return None,
    };
    Some(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(by_steps(asked)), args }))
}

/// Says whether an expression is a JSON value: Arrow would cast it to a type by the values of that very type, and make null of all others.
fn is_value(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Alias(alias) => is_value(&alias.expr, schema),
        Expr::Column(_) | Expr::ScalarFunction(_) | Expr::AggregateFunction(_) | Expr::Case(_) => {
            expr.get_type(schema).is_ok_and(|data_type| data_type == *JSON_UNION_DATA_TYPE)
        }
        _ => false,
    }
}

/// Reads the JSON value of a comparison or a concatenation as what stands beside it is.
fn beside(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Option<Expr> {
    let read_beside = |value: &Expr, other: &Expr| match op {
        Operator::StringConcat => read(value, Asked::AnyText, schema),
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom
        | Operator::RegexMatch
        | Operator::RegexIMatch
        | Operator::RegexNotMatch
        | Operator::RegexNotIMatch => read_for(value, [other], schema),
        _ => None,
    };
    let (left, right) = match (is_value(left, schema), is_value(right, schema)) {
        (true, false) => (read_beside(left, right)?, right.clone()),
        (false, true) => (left.clone(), read_beside(right, left)?),
        _ => return None,
    };
    Some(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) }))
}

/// Reads a JSON value as the values beside it are, if these are all numbers, texts or truth values.
fn read_for<'a>(value: &Expr, others: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> Option<Expr> {
    let mut asked = None;
    for other in others {
        let of_other = match other.get_type(schema).ok()? {
            _ if is_long(other) => Asked::Integer,
            data_type if data_type.is_numeric() => Asked::Float,
            data_type if data_type.is_string() => Asked::AnyText,
            DataType::Boolean => Asked::Boolean,
            DataType::Null => continue,
            _ => return None,
        };
        if asked.is_some_and(|asked| asked != of_other) {
            return None;
        }
        asked = Some(of_other);
    }
    read(value, asked?, schema)
}

/// Puts the cast around a call again, unless the call is of that type already: a narrower type may refuse a value.
fn keeps_type(call: &Expr, to: &DataType, schema: &DFSchema, cast: impl FnOnce(Expr) -> Expr) -> Expr {
    match call.get_type(schema) {
        Ok(returned) if returned == *to => call.clone(),
        _ => cast(call.clone()),
    }
}

/// The same for `arrow_cast(data->'n', 'Int64')`, which becomes a cast only after this rewrite has run.
fn arrow_cast(call: &ScalarFunction, schema: &DFSchema) -> Option<Expr> {
    if !matches!(call.func.name(), "arrow_cast" | "arrow_try_cast") {
        return None;
    }
    let [value, to @ Expr::Literal(name, _)] = call.args.as_slice() else { return None };
    let data_type: DataType = name.try_as_str().flatten()?.parse().ok()?;
    let args = vec![typed(value, &data_type, schema)?, to.clone()];
    Some(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&call.func), args }))
}

/// Makes one call of two, where the inner one gets a JSON value by literal keys and so does the outer.
fn drawn_in(call: &ScalarFunction) -> Option<Expr> {
    let of_call = json_call(call.func.name())?;
    let (value, keys) = call.args.split_first()?;
    // What a JSON value has is asked of objects alone, where a step that reads as a number would be looked for in arrays too.
    let is_name = |key: &Expr| match key {
        Expr::Literal(name, _) => name.try_as_str().flatten().is_some_and(|name| name.parse::<isize>().is_err()),
        _ => false,
    };
    let is_presence = of_call.asked == Asked::Presence && of_call.form == Form::Steps;
    let draws_in = of_call.draws_in() || is_presence && keys.iter().all(is_name);
    if !draws_in {
        return None;
    }
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

/// Says whether an expression is an integer that no double holds for certain.
fn is_long(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Int64(Some(value)), _) if value.unsigned_abs() > 1 << f64::MANTISSA_DIGITS)
}

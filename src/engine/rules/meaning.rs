//! Gives operators and casts PostgreSQL's meaning where DataFusion's is another, and no error tells.
//!
//! [`Casts`] runs before types are coerced, since casts that the coercion adds round nothing: a cast to an integer rounds, halves of
//! numbers with a point away from zero and those of floats to the even number, and so does one to fewer digits of a second; DataFusion cuts. [`Operators`] runs after it: `+`, `-`
//! and `*` of integers fail where they would wrap, `to_timestamp` where no instant is, lists are compared with their nulls last, `a # a` is null where `a` is, `x is true` is a value that is never null, and the pattern of `similar to`
//! becomes an anchored regular expression.
//!
//! A number with a point is numeric in PostgreSQL and a float here; of an expression of such literals alone the cast rounds as that of a
//! numeric does.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::math::expr_fn::round;
use datafusion::logical_expr::expr::{Case, Like, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, Operator, TryCast, lit};
use datafusion::optimizer::AnalyzerRule;

use super::each_expression;
use crate::functions::known;
use crate::functions::postgres::{Checked, list_order, pattern, seconds_of_instant, to_digits, to_nearest, xor};

/// Rounds what is cast to an integer.
#[derive(Debug, Default)]
pub struct Casts;

/// Checks the arithmetic of integers, and anchors the patterns of `similar to`.
#[derive(Debug, Default)]
pub struct Operators;

impl AnalyzerRule for Casts {
    fn name(&self) -> &str {
        "rounding_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite(plan, rounding)
    }
}

impl AnalyzerRule for Operators {
    fn name(&self) -> &str {
        "checked_operators"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|plan| {
            // A condition is no column that is grouped by, and is left as the optimizer knows it.
            let is_condition =
                matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Join(_) | LogicalPlan::TableScan(_));
            let plan = each_expression(plan, checked)?;
            if is_condition { Ok(plan) } else { plan.transform_data(|plan| each_expression(plan, told)) }
        });
        plan.data()
    }
}

/// Rewrites every expression of a plan and of its subqueries.
fn rewrite(plan: LogicalPlan, each: fn(Expr, &DFSchema) -> Transformed<Expr>) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| each_expression(plan, each)).data()
}

fn rounding(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::Cast(Cast { expr, field }) if field.data_type().is_integer() => {
            let rounded = rounded(*expr, schema);
            rounded.update_data(|expr| Expr::Cast(Cast { expr: Box::new(expr), field }))
        }
        Expr::TryCast(TryCast { expr, field }) if field.data_type().is_integer() => {
            let rounded = rounded(*expr, schema);
            rounded.update_data(|expr| Expr::TryCast(TryCast { expr: Box::new(expr), field }))
        }
        Expr::Cast(Cast { expr, field }) => {
            let rounded = with_digits(*expr, field.data_type(), schema);
            rounded.update_data(|expr| Expr::Cast(Cast { expr: Box::new(expr), field }))
        }
        Expr::TryCast(TryCast { expr, field }) => {
            let rounded = with_digits(*expr, field.data_type(), schema);
            rounded.update_data(|expr| Expr::TryCast(TryCast { expr: Box::new(expr), field }))
        }
        other => Transformed::no(other),
    }
}

/// Rounds an instant that is to become one with fewer digits of a second.
fn with_digits(expr: Expr, to: &DataType, schema: &DFSchema) -> Transformed<Expr> {
    let DataType::Timestamp(unit @ (TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond), zone) = to
    else {
        return Transformed::no(expr);
    };
    match expr.get_type(schema) {
        Ok(DataType::Timestamp(given, _)) if given > *unit => Transformed::yes(to_digits(expr, *unit)),
        Ok(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) if *unit != TimeUnit::Microsecond => {
            let whole = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            Transformed::yes(to_digits(Expr::Cast(Cast::new(Box::new(expr), whole)), *unit))
        }
        _ => Transformed::no(expr),
    }
}

/// Rounds a number that is to become an integer.
fn rounded(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr.get_type(schema) {
        Ok(DataType::Float64) if is_numeric(&expr) => Transformed::yes(round(vec![expr])),
        Ok(DataType::Float64 | DataType::Float32) => Transformed::yes(to_nearest(expr)),
        // A cast to fewer digits rounds, halves away from zero.
        Ok(DataType::Decimal128(precision, scale @ 1..)) => {
            let digits = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1).min(38);
            Transformed::yes(Expr::Cast(Cast::new(Box::new(expr), DataType::Decimal128(digits, 0))))
        }
        Ok(DataType::Decimal256(precision, scale @ 1..)) => {
            let digits = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1).min(76);
            Transformed::yes(Expr::Cast(Cast::new(Box::new(expr), DataType::Decimal256(digits, 0))))
        }
        _ => Transformed::no(expr),
    }
}

/// Says whether an expression is made of literals of numbers alone, which are numeric in PostgreSQL.
fn is_numeric(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(_)) | ScalarValue::Int64(Some(_)), _) => true,
        Expr::Negative(inner) => is_numeric(inner),
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => is_numeric(left) && is_numeric(right),
        _ => false,
    }
}

fn checked(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_integer = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| data_type.is_integer());
    let is_list = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| data_type.is_list());
    let is_float = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| data_type.is_floating());
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::BitwiseXor, right })
            if is_integer(&left) && left.get_type(schema).ok() == right.get_type(schema).ok() =>
        {
            Transformed::yes(xor(*left, *right))
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq),
            right,
        }) if is_list(&left) && left.get_type(schema).ok() == right.get_type(schema).ok() => {
            let (left, right) = (Box::new(list_order(*left, *right)), Box::new(lit(0_i8)));
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match Checked::of(op) {
            Some(operator) if is_integer(&left) && left.get_type(schema).ok() == right.get_type(schema).ok() => {
                Transformed::yes(operator.call(vec![*left, *right]))
            }
            _ => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
        },
        Expr::Negative(inner) if is_integer(&inner) => Transformed::yes(Checked::Negate.call(vec![*inner])),
        // DataFusion makes `a and b` of `case when a then b else false end`, and then computes b where a is false.
        Expr::Case(case) if is_guard(&case) && case.when_then_expr.iter().all(|(_, then)| is_boolean(then, schema)) => {
            let number = |expr: Box<Expr>| Box::new(Expr::Cast(Cast::new(expr, DataType::Int8)));
            let case = Case {
                expr: case.expr,
                when_then_expr: case.when_then_expr.into_iter().map(|(when, then)| (when, number(then))).collect(),
                else_expr: case.else_expr.map(number),
            };
            Transformed::yes(Expr::Cast(Cast::new(Box::new(Expr::Case(case)), DataType::Boolean)))
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if func.name() == "to_timestamp" && args.len() == 1 && args.iter().all(is_float) =>
        {
            let args = args.into_iter().map(seconds_of_instant).collect();
            Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
        }
        Expr::SimilarTo(Like { negated, expr, pattern: text, escape_char, case_insensitive: _ }) => {
            let op = if negated { Operator::RegexNotMatch } else { Operator::RegexMatch };
            let right = Box::new(pattern(*text, escape_char));
            Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: expr, op, right }))
        }
        other => Transformed::no(other),
    }
}

/// Writes `x is true` and its like as calls that have a value for every row by their type. DataFusion's node says so in the logical plan and not in the
/// physical one, and refuses to group by it over a subquery.
fn told(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let may_be_null = |expr: &Expr| {
        expr.nullable(schema).unwrap_or(false) && expr.get_type(schema).is_ok_and(|of| of == DataType::Boolean)
    };
    match expr {
        Expr::IsTrue(value) if may_be_null(&value) => Transformed::yes(known(*value, false)),
        Expr::IsNotTrue(value) if may_be_null(&value) => Transformed::yes(!known(*value, false)),
        Expr::IsFalse(value) if may_be_null(&value) => Transformed::yes(!known(*value, true)),
        Expr::IsNotFalse(value) if may_be_null(&value) => Transformed::yes(known(*value, true)),
        Expr::IsUnknown(value) => Transformed::yes(Expr::IsNull(value)),
        Expr::IsNotUnknown(value) => Transformed::yes(Expr::IsNotNull(value)),
        other => Transformed::no(other),
    }
}

fn is_boolean(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| matches!(data_type, DataType::Boolean | DataType::Null))
}

/// Says whether what a `case` computes may fail where its condition is false.
fn is_guard(case: &Case) -> bool {
    let may_fail = |expr: &Expr| {
        let found = expr.exists(|expr| {
            Ok(match expr {
                Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(op, Operator::Divide | Operator::Modulo),
                Expr::Cast(_) => true,
                Expr::ScalarFunction(call) => Checked::is_one(&call.func),
                _ => false,
            })
        });
        found.unwrap_or(true)
    };
    case.when_then_expr.iter().any(|(_, then)| may_fail(then)) || case.else_expr.as_deref().is_some_and(may_fail)
}

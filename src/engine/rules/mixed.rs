//! What PostgreSQL says of values of two types that DataFusion takes together in another way, and no error tells.
//!
//! The rule runs before types are coerced, while what the user wrote is still there. A date beside a number is refused, for DataFusion counts days since
//! 1970: `started_at::date >= 2026-11-20` compares with 1995. So are casts of numbers to dates and times, which count seconds, days or
//! nanoseconds by the number's type, and of single values to lists. A decimal beside a double is compared as a double. Windows over times of day, whose frames
//! have no lengths, go by groups of equal times, which the same frames of `range` are.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::{InList, WindowFunction};
use datafusion::logical_expr::{
    Between, BinaryExpr, Cast, Expr, ExprSchemable, LogicalPlan, TryCast, WindowFrameBound, WindowFrameUnits,
};
use datafusion::optimizer::AnalyzerRule;

use super::{is_comparison, try_each_expression};
use crate::functions::scalar_text;

/// Refuses or puts right what is of types that do not go together.
#[derive(Debug, Default)]
pub struct MixedTypes;

impl AnalyzerRule for MixedTypes {
    fn name(&self) -> &str {
        "mixed_types"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| try_each_expression(plan, mixed)).data()
    }
}

fn mixed(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let type_of = |expr: &Expr| expr.get_type(schema).unwrap_or(DataType::Null);
    match expr {
        Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if is_comparison(op) => {
            let is_changed = comparable(&op.to_string(), &mut [&mut left, &mut right], schema)?;
            Ok(Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), is_changed))
        }
        Expr::Between(Between { mut expr, negated, mut low, mut high }) => {
            let is_changed = comparable(">=", &mut [&mut expr, &mut low, &mut high], schema)?;
            Ok(Transformed::new_transformed(Expr::Between(Between { expr, negated, low, high }), is_changed))
        }
        Expr::InList(InList { mut expr, mut list, negated }) => {
            let mut all: Vec<&mut Expr> = vec![&mut expr];
            all.extend(&mut list);
            let is_changed = comparable("=", &mut all, schema)?;
            Ok(Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), is_changed))
        }
        Expr::Cast(Cast { expr, field }) => {
            castable(&expr, &type_of(&expr), field.data_type())?;
            Ok(Transformed::no(Expr::Cast(Cast { expr, field })))
        }
        Expr::TryCast(TryCast { expr, field }) => {
            castable(&expr, &type_of(&expr), field.data_type())?;
            Ok(Transformed::no(Expr::TryCast(TryCast { expr, field })))
        }
        Expr::WindowFunction(mut call) => {
            let is_changed = by_groups(&mut call, &type_of);
            Ok(Transformed::new_transformed(Expr::WindowFunction(call), is_changed))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_date(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64)
}

/// Compares decimals as doubles where there is a double among them; says whether there was.
fn comparable(op: &str, all: &mut [&mut Expr], schema: &DFSchema) -> Result<bool> {
    let mut types = Vec::with_capacity(all.len());
    for expr in all.iter() {
        match expr.get_type(schema) {
            Ok(data_type) => types.push(data_type),
            // DataFusion says what there is to say of it.
            Err(_) => return Ok(false),
        }
    }
    if let (Some(date), Some(number)) =
        (types.iter().find(|one| is_date(one)), types.iter().find(|one| one.is_numeric()))
    {
        let (left, right) = if types.first().is_some_and(is_date) { (date, number) } else { (number, date) };
        return plan_err!("Cannot infer common argument type for comparison operation {left} {op} {right}");
    }
    if !types.iter().any(DataType::is_floating) {
        return Ok(false);
    }
    let mut is_changed = false;
    for (expr, data_type) in all.iter_mut().zip(&types) {
        if data_type.is_decimal() {
            **expr = Expr::Cast(Cast::new(Box::new(std::mem::take(*expr)), DataType::Float64));
            is_changed = true;
        }
    }
    Ok(is_changed)
}

/// Refuses casts that PostgreSQL refuses and DataFusion reads in a way of its own.
fn castable(expr: &Expr, from: &DataType, to: &DataType) -> Result<()> {
    let is_time = matches!(to, DataType::Time32(_) | DataType::Time64(_));
    if from.is_numeric() && (is_time || is_date(to) || matches!(to, DataType::Timestamp(..))) {
        return plan_err!(
            "a number is no {to}; hint: to_timestamp(x) is the instant x seconds after 1970, and make_date(year, month, day) a date"
        );
    }
    if is_time
        && let Expr::Literal(value, _) = expr
        && let Some(text) = scalar_text(value)
        && text.trim().bytes().all(|byte| byte.is_ascii_digit())
    {
        return plan_err!("cannot read {text:?} as time; hint: times are written 12:30:15");
    }
    let is_single = !from.is_nested() && !from.is_null();
    if is_single && matches!(to, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) {
        return plan_err!("cannot cast {from} to a list; hint: write array[1, 2, 3], or string_to_array(text, ',')");
    }
    Ok(())
}

/// Makes groups of equal times of day of a frame that is a range of them; says whether it was one.
fn by_groups(call: &mut WindowFunction, type_of: &impl Fn(&Expr) -> DataType) -> bool {
    let params = &mut call.params;
    let is_open = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => true,
        WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => value.is_null(),
    };
    let frame = &mut params.window_frame;
    let is_meant = frame.units == WindowFrameUnits::Range
        && is_open(&frame.start_bound)
        && is_open(&frame.end_bound)
        && params.order_by.first().is_some_and(|key| {
            matches!(
                type_of(&key.expr),
                DataType::Time32(_)
                    | DataType::Time64(_)
                    | DataType::Binary
                    | DataType::LargeBinary
                    | DataType::BinaryView
                    | DataType::FixedSizeBinary(_)
                    | DataType::Struct(_)
            )
        });
    if is_meant {
        frame.units = WindowFrameUnits::Groups;
    }
    is_meant
}

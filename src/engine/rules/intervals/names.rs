//! Reads intervals in texts as PostgreSQL does, before types are coerced.
//!
//! Literals are read by DataFusion in forms of its own, among which those are not that intervals are printed in. Here every literal
//! is brought into a form that both read, and a text literal that stands in `between` or `in` beside an interval is taken for one.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, WindowFunctionParams};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, WindowFrameBound, WindowFrameUnits};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, Interval, Value, VisitorMut};

use super::super::visit;
use crate::functions::interval::{INTERVAL, MAKE_INTERVAL_PARAMETERS, Part, is_length, parse, total_ns};

/// Takes text literals beside intervals for intervals.
#[derive(Debug, Default)]
pub struct IntervalTexts;

impl AnalyzerRule for IntervalTexts {
    fn name(&self) -> &str {
        "interval_texts"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let replaced = expr.transform_up(|expr| Ok(with_interval(expr, &schema)))?;
                if replaced.transformed { Ok(replaced.update_data(|expr| name.restore(expr))) } else { Ok(replaced) }
            })
        })
        .map(|transformed| transformed.data)
    }
}

fn with_interval(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_of_length = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| is_length(&data_type));
    match expr {
        Expr::Between(Between { expr, negated, low, high }) if is_of_length(&expr) => {
            let (low, high) = (Box::new(read(*low)), Box::new(read(*high)));
            Transformed::yes(Expr::Between(Between { expr, negated, low, high }))
        }
        Expr::InList(InList { expr, list, negated }) if is_of_length(&expr) => {
            let list = list.into_iter().map(read).collect();
            Transformed::yes(Expr::InList(InList { expr, list, negated }))
        }
        Expr::ScalarFunction(call) if call.func.name() == Part::Negative.function().name() => {
            let Some(value) = call.args.into_iter().next() else { return Transformed::no(Expr::default()) };
            let is_duration = value.get_type(schema).is_ok_and(|data_type| matches!(data_type, DataType::Duration(_)));
            let value = if is_duration { Part::OfDuration.call(vec![value]) } else { value };
            Transformed::yes(Expr::Negative(Box::new(value)))
        }
        Expr::WindowFunction(mut call) => {
            let is_changed = by_length(&mut call.params, is_of_length);
            Transformed::new_transformed(Expr::WindowFunction(call), is_changed)
        }
        other => Transformed::no(other),
    }
}

/// Orders the rows of a window by the lengths of intervals and durations, and says whether there were any. The coercion of types
/// knows no frames of durations, and none whose distances are intervals of intervals. Rows of all frames are ordered alike, for
/// functions of one order share a node.
fn by_length(params: &mut WindowFunctionParams, is_of_length: impl Fn(&Expr) -> bool) -> bool {
    if !params.order_by.iter().any(|key| is_of_length(&key.expr)) {
        return false;
    }
    if params.window_frame.units == WindowFrameUnits::Range {
        let frame = &mut params.window_frame;
        for bound in [&mut frame.start_bound, &mut frame.end_bound] {
            if let WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by) = bound
                && let Some(distance) = distance(by)
            {
                *by = distance;
            }
        }
    }
    for key in &mut params.order_by {
        if is_of_length(&key.expr) {
            key.expr = Part::Length.call(vec![std::mem::take(&mut key.expr)]);
        }
    }
    true
}

/// The length of the distance of a frame's bound; `None` where it has none, or is no interval.
fn distance(by: &ScalarValue) -> Option<ScalarValue> {
    let interval = match by {
        ScalarValue::IntervalMonthDayNano(interval) => (*interval)?,
        other => parse(other.try_as_str()??)?,
    };
    Some(ScalarValue::Decimal128(Some(total_ns(interval)), 38, 0))
}

fn read(expr: Expr) -> Expr {
    match &expr {
        Expr::Literal(value, _) if value.try_as_str().flatten().is_some() => {
            Expr::Cast(Cast::new(Box::new(expr), INTERVAL))
        }
        _ => expr,
    }
}

/// Brings the interval literals of a statement into a form that DataFusion reads too; what is no interval stays, for the error.
pub fn with_read_intervals(mut statement: Statement) -> Statement {
    visit(&mut statement, &mut Literals);
    statement
}

fn negative(interval: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let nanoseconds = interval.nanoseconds.checked_neg()?;
    Some(IntervalMonthDayNano::new(interval.months.checked_neg()?, interval.days.checked_neg()?, nanoseconds))
}

/// Says whether what a sign stands before may be a difference of instants, or an aggregate of such.
fn may_be_length(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => match inner.as_ref() {
            ast::Expr::BinaryOp { op, .. } => matches!(op, ast::BinaryOperator::Minus | ast::BinaryOperator::Plus),
            inner => may_be_length(inner),
        },
        ast::Expr::Function(_) => true,
        _ => false,
    }
}

fn unnamed(expr: ast::Expr) -> ast::FunctionArg {
    ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr))
}

/// The call of a function.
fn call(name: &str, args: Vec<ast::Expr>) -> ast::Expr {
    let args = args.into_iter().map(unnamed).collect();
    let args = ast::FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Puts the arguments of `make_interval(days => 2)` into their places, with zeros where there are none. What is not known stays, for the
/// error.
fn with_places(function: &mut ast::Function) {
    let ast::FunctionArguments::List(list) = &mut function.args else { return };
    if list.args.iter().all(|arg| matches!(arg, ast::FunctionArg::Unnamed(_))) {
        return;
    }
    let place_of =
        |name: &ast::Ident| MAKE_INTERVAL_PARAMETERS.iter().position(|known| name.value.eq_ignore_ascii_case(known));
    let zero = || unnamed(ast::Expr::value(Value::Number("0".to_owned(), false)));
    let mut placed: Vec<Option<ast::FunctionArg>> = vec![None; MAKE_INTERVAL_PARAMETERS.len()];
    for (index, arg) in list.args.iter().enumerate() {
        let (place, arg) = match arg {
            ast::FunctionArg::Named { name, arg, .. }
            | ast::FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg, .. } => {
                (place_of(name), ast::FunctionArg::Unnamed(arg.clone()))
            }
            arg => (Some(index), arg.clone()),
        };
        match place.and_then(|place| placed.get_mut(place)) {
            Some(free @ None) => *free = Some(arg),
            _ => return,
        }
    }
    list.args = placed.into_iter().map(|arg| arg.unwrap_or_else(zero)).collect();
}

struct Literals;

impl VisitorMut for Literals {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        // DataFusion would put the sign before the text, where it is that of the first part alone.
        let mut sign = 1;
        if let ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: inner } = expr
            && let ast::Expr::Interval(interval) = inner.as_ref()
            && interval.leading_field.is_none()
            && let ast::Expr::Value(value) = interval.value.as_ref()
            && let Value::SingleQuotedString(text) = &value.value
            && parse(text).and_then(negative).is_some()
        {
            sign = -1;
            *expr = ast::Expr::Interval(interval.clone());
        }
        if let ast::Expr::Interval(Interval { value, leading_field: None, .. }) = expr
            && let ast::Expr::Value(value) = value.as_mut()
            && let Value::SingleQuotedString(text) = &mut value.value
            && let Some(read) = parse(text)
            && let Some(read) = if sign < 0 { negative(read) } else { Some(read) }
        {
            *text = format!("{} months {} days {} nanoseconds", read.months, read.days, read.nanoseconds);
        }
        match expr {
            // DataFusion knows no negative of a duration, and no types here. What has one is seen to when they are known.
            ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: inner } if may_be_length(inner) => {
                let argument = std::mem::replace(inner.as_mut(), ast::Expr::value(Value::Null));
                *expr = call(Part::Negative.function().name(), vec![argument]);
            }
            ast::Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("make_interval") => {
                with_places(function);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

//! Gives intervals and durations PostgreSQL's meaning wherever they are compared.
//!
//! DataFusion compares intervals field by field, months first, so that 25 hours are less than a day (apache/datafusion #8468), and
//! casts a duration to an interval of nanoseconds alone. This rule runs after the coercion of types. Where intervals are compared, it puts their lengths
//! (`interval_length`, nanoseconds as a decimal) in their place: in comparisons, `between`, `in`, `case`, `nullif`, join keys, sort
//! keys, window clauses and groups. Casts between durations, intervals and text become PostgreSQL's ([`Part`]). [`aggregates`] does
//! the same for groups, distinct rows and aggregates.
//!
//! Durations of one unit are compared as they are: their counts have the order of their lengths.
//!
//! Lists and structs with intervals in them are compared with the lengths in their places. What would have to keep the intervals that
//! it compares (groups of such lists, `array_distinct` and its kin) is refused.
//!
//! Limits: the rows of a recursive query without `all` are compared field by field.

mod aggregates;
mod names;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{
    AggregateFunction, Case, InList, InSubquery, ScalarFunction, SetComparison, Sort as SortKey, WindowFunction,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, Cast, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Subquery, TryCast, Union, when,
};
use datafusion::optimizer::AnalyzerRule;

use super::is_comparison;
use crate::functions::interval::{INTERVAL, Part, is_interval, is_length};
use crate::functions::{holds, stands_in};

pub use names::{IntervalTexts, with_read_intervals};

/// Rewrites what compares, casts and aggregates intervals.
#[derive(Debug, Default)]
pub struct Intervals;

impl AnalyzerRule for Intervals {
    fn name(&self) -> &str {
        "intervals"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let is_exact = stands_in(config, |settings| settings.exact_sums);
        plan.transform_up_with_subqueries(|plan| rewrite_node(plan, is_exact)).map(|transformed| transformed.data)
    }
}

/// Rewrites one node, whose inputs have been rewritten. `is_exact` says that sums of doubles are.
fn rewrite_node(plan: LogicalPlan, is_exact: bool) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
    }
    let names = NamePreserver::new(&plan);
    let rewritten = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let replaced = expr.transform_up(|expr| rewrite_expression(expr, &schema))?;
        if replaced.transformed { Ok(replaced.update_data(|expr| name.restore(expr))) } else { Ok(replaced) }
    })?;
    let is_changed = rewritten.transformed;
    let node = rewrite_keys(rewritten.data, &schema, is_exact)?;
    let is_changed = is_changed || node.transformed;
    // Also where nothing changed: below, what could not be null may be null now.
    Ok(Transformed::new_transformed(nullable_union(node.data.recompute_schema()?)?, is_changed))
}

/// Lets a union have nulls where one of its inputs may have them now: the schema that it keeps is that of its inputs as they were.
fn nullable_union(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Union(Union { inputs, schema }) = plan else { return Ok(plan) };
    let is_nullable = |index: usize| {
        inputs.iter().any(|input| input.schema().fields().get(index).is_some_and(|field| field.is_nullable()))
    };
    let fields = schema.iter().enumerate().map(|(index, (qualifier, field))| {
        let field = field.as_ref().clone().with_nullable(field.is_nullable() || is_nullable(index));
        (qualifier.cloned(), Arc::new(field))
    });
    let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())?);
    Ok(LogicalPlan::Union(Union { inputs, schema }))
}

/// Rewrites the keys that a node compares by itself.
fn rewrite_keys(plan: LogicalPlan, schema: &DFSchema, is_exact: bool) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Sort(mut sort) => {
            let is_changed = by_length(&mut sort.expr, schema)?;
            Ok(Transformed::new_transformed(LogicalPlan::Sort(sort), is_changed))
        }
        LogicalPlan::Join(mut join) => {
            let mut is_changed = false;
            for (left, right) in &mut join.on {
                is_changed |= compare_by_length(left, join.left.schema())?;
                is_changed |= compare_by_length(right, join.right.schema())?;
            }
            Ok(Transformed::new_transformed(LogicalPlan::Join(join), is_changed))
        }
        LogicalPlan::Distinct(Distinct::On(mut on)) => {
            let mut is_changed = false;
            for expr in &mut on.on_expr {
                is_changed |= compare_by_length(expr, schema)?;
            }
            if let Some(keys) = &mut on.sort_expr {
                is_changed |= by_length(keys, schema)?;
            }
            Ok(Transformed::new_transformed(LogicalPlan::Distinct(Distinct::On(on)), is_changed))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => aggregates::distinct(input, is_exact),
        LogicalPlan::Aggregate(aggregate) => aggregates::aggregate(aggregate, is_exact),
        LogicalPlan::Window(window) => aggregates::window(window),
        other => Ok(Transformed::no(other)),
    }
}

/// Sorts intervals by length; says whether there were any.
fn by_length(keys: &mut [SortKey], schema: &DFSchema) -> Result<bool> {
    let mut is_changed = false;
    for key in keys {
        is_changed |= compare_by_length(&mut key.expr, schema)?;
    }
    Ok(is_changed)
}

/// Puts lengths in the place of intervals, alone or inside of a value; says whether there were any.
fn compare_by_length(expr: &mut Expr, schema: &DFSchema) -> Result<bool> {
    let data_type = expr.get_type(schema)?;
    if is_interval(&data_type) {
        *expr = length(std::mem::take(expr));
    } else if holds_intervals(&data_type) {
        *expr = Part::Lengths.call(vec![std::mem::take(expr)]);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Says whether there are intervals inside of lists or structs of a type.
fn holds_intervals(data_type: &DataType) -> bool {
    holds(data_type, &is_interval)
}

/// The length of an interval or duration.
fn length(expr: Expr) -> Expr {
    // As a duration it may be longer than an interval can be.
    let expr = match Part::OfDuration.arguments_of(&expr) {
        Some([duration]) => duration.clone(),
        _ => expr,
    };
    Part::Length.call(vec![expr])
}

/// Says whether values of these types are to be compared by length.
fn is_by_length(left: &DataType, right: &DataType) -> bool {
    (is_length(left) && is_length(right) && (left != right || is_interval(left)))
        || (is_interval(left) && right.is_null())
        || (is_interval(right) && left.is_null())
}

/// Rewrites one expression, whose parts have been rewritten.
fn rewrite_expression(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if is_comparison(op) => {
            if holds_intervals(&left.get_type(schema)?) || holds_intervals(&right.get_type(schema)?) {
                compare_by_length(&mut left, schema)?;
                compare_by_length(&mut right, schema)?;
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            }
            if is_by_length(&left.get_type(schema)?, &right.get_type(schema)?) {
                let (left, right) = (Box::new(length(*left)), Box::new(length(*right)));
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })));
            }
            Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::Between(mut between) if is_interval(&between.expr.get_type(schema)?) => {
            for expr in [&mut between.expr, &mut between.low, &mut between.high] {
                **expr = length(std::mem::take(expr));
            }
            Ok(Transformed::yes(Expr::Between(between)))
        }
        Expr::InList(InList { expr, list, negated }) if is_interval(&expr.get_type(schema)?) => {
            let list = list.into_iter().map(length).collect();
            Ok(Transformed::yes(Expr::InList(InList { expr: Box::new(length(*expr)), list, negated })))
        }
        Expr::InList(InList { mut expr, mut list, negated }) if holds_intervals(&expr.get_type(schema)?) => {
            compare_by_length(&mut expr, schema)?;
            arguments_by_length(&mut list, schema)?;
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) if is_interval(&expr.get_type(schema)?) => {
            let (expr, subquery) = (Box::new(length(*expr)), lengths(subquery)?);
            Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr, subquery, negated })))
        }
        Expr::SetComparison(SetComparison { expr, subquery, op, quantifier })
            if is_interval(&expr.get_type(schema)?) =>
        {
            let (expr, subquery) = (Box::new(length(*expr)), lengths(subquery)?);
            Ok(Transformed::yes(Expr::SetComparison(SetComparison { expr, subquery, op, quantifier })))
        }
        Expr::Case(Case { expr: Some(expr), when_then_expr, else_expr }) if is_interval(&expr.get_type(schema)?) => {
            let when_then_expr =
                when_then_expr.into_iter().map(|(when, then)| (Box::new(length(*when)), then)).collect();
            let expr = Some(Box::new(length(*expr)));
            Ok(Transformed::yes(Expr::Case(Case { expr, when_then_expr, else_expr })))
        }
        Expr::Negative(expr) if matches!(expr.get_type(schema)?, DataType::Duration(_)) => {
            Ok(Transformed::yes(Expr::Negative(Box::new(Part::OfDuration.call(vec![*expr])))))
        }
        Expr::Cast(cast) => Ok(rewrite_cast(cast, schema)?),
        Expr::TryCast(TryCast { expr, field }) => {
            if *field.data_type() == INTERVAL && is_text(&expr.get_type(schema)?) {
                return Ok(Transformed::yes(Part::TryParse.call(vec![*expr])));
            }
            Ok(Transformed::no(Expr::TryCast(TryCast { expr, field })))
        }
        Expr::ScalarFunction(call) => rewrite_call(call, schema),
        Expr::AggregateFunction(mut call) => {
            let is_changed = rewrite_aggregate(&mut call, schema)?;
            Ok(Transformed::new_transformed(Expr::AggregateFunction(call), is_changed))
        }
        Expr::WindowFunction(mut call) => {
            let is_changed = rewrite_window(&mut call, schema)?;
            Ok(Transformed::new_transformed(Expr::WindowFunction(call), is_changed))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Casts between durations, intervals and text.
fn rewrite_cast(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let from = cast.expr.get_type(schema)?;
    let to = cast.field.data_type().clone();
    if to == INTERVAL {
        let part = match from {
            DataType::Duration(_) => Part::OfDuration,
            _ if is_text(&from) => Part::Parse,
            _ => return Ok(Transformed::no(Expr::Cast(cast))),
        };
        return Ok(Transformed::yes(part.call(vec![*cast.expr])));
    }
    if is_text(&to) && is_length(&from) {
        let expr = Box::new(Part::Text.call(vec![*cast.expr]));
        return Ok(Transformed::yes(if to == DataType::Utf8View {
            *expr
        } else {
            Expr::Cast(Cast { expr, field: cast.field })
        }));
    }
    Ok(Transformed::no(Expr::Cast(cast)))
}

/// Rewrites the functions that compare their arguments.
fn rewrite_call(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if call.func.name() == "array_has"
        && let [Expr::ScalarFunction(list), value] = call.args.as_slice()
        && list.func.name() == "make_array"
        && is_interval(&value.get_type(schema)?)
    {
        let list = list.args.iter().cloned().map(length).collect();
        let expr = Box::new(length(value.clone()));
        return Ok(Transformed::yes(Expr::InList(InList { expr, list, negated: false })));
    }
    if call.args.first().map(|list| list.get_type(schema)).transpose()?.is_some_and(|list| holds_intervals(&list)) {
        return rewrite_list_call(call, schema);
    }
    let compares = matches!(call.func.name(), "nullif" | "greatest" | "least");
    if !compares {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    }
    let types = call.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>>>()?;
    if !types.iter().any(is_interval) {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    }
    let args = std::mem::take(&mut call.args);
    if call.func.name() == "nullif" {
        let [value, other] = args.try_into().unwrap_or_default();
        let is_same = length(value.clone()).eq(length(other));
        let null = Expr::Literal(ScalarValue::try_from(&INTERVAL)?, None);
        return Ok(Transformed::yes(when(is_same, null).otherwise(value)?));
    }
    call.args = args.into_iter().map(|arg| Part::Rank.call(vec![arg])).collect();
    Ok(Transformed::yes(Part::OfRank.call(vec![Expr::ScalarFunction(call)])))
}

/// Rewrites the functions of lists that compare their elements, where these are intervals.
///
/// # Errors
/// One whose result has the elements that it compared.
fn rewrite_list_call(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match call.func.name() {
        "array_has" | "array_has_all" | "array_has_any" | "array_position" | "array_positions" => {
            arguments_by_length(&mut call.args, schema)?;
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        name @ ("array_sort" | "array_min" | "array_max") => {
            let back = if name == "array_sort" { Part::OfRanks } else { Part::OfRank };
            if let Some(list) = call.args.first_mut() {
                *list = Part::Ranks.call(vec![std::mem::take(list)]);
            }
            Ok(Transformed::yes(back.call(vec![Expr::ScalarFunction(call)])))
        }
        name @ ("array_distinct" | "array_union" | "array_intersect" | "array_except" | "array_remove"
        | "array_remove_n" | "array_remove_all" | "array_replace" | "array_replace_n" | "array_replace_all") => {
            plan_err!(
                "{name} of intervals would compare them field by field, as if 24 hours were no day; \
                 hint: unnest the list, and compare the intervals themselves"
            )
        }
        _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
    }
}

/// Rewrites what an aggregate compares, in place; says whether there was anything.
fn rewrite_aggregate(call: &mut AggregateFunction, schema: &DFSchema) -> Result<bool> {
    let mut is_changed = by_length(&mut call.params.order_by, schema)?;
    let counts = matches!(call.func.name(), "count" | "approx_distinct");
    if counts && (call.params.distinct || call.func.name() == "approx_distinct") {
        is_changed |= arguments_by_length(&mut call.params.args, schema)?;
    }
    Ok(is_changed)
}

fn arguments_by_length(args: &mut [Expr], schema: &DFSchema) -> Result<bool> {
    let mut is_changed = false;
    for arg in args {
        is_changed |= compare_by_length(arg, schema)?;
    }
    Ok(is_changed)
}

/// Rewrites what a window function compares, in place; says whether there was anything.
fn rewrite_window(call: &mut WindowFunction, schema: &DFSchema) -> Result<bool> {
    let params = &mut call.params;
    let mut is_changed = arguments_by_length(&mut params.partition_by, schema)?;
    is_changed |= by_length(&mut params.order_by, schema)?;
    if params.distinct && matches!(call.fun.name(), "count") {
        is_changed |= arguments_by_length(&mut params.args, schema)?;
    }
    Ok(is_changed)
}

/// A subquery of the lengths of what the given one finds.
fn lengths(subquery: Subquery) -> Result<Subquery> {
    let Some(column) = subquery.subquery.schema().columns().into_iter().next() else { return Ok(subquery) };
    let name = column.name.clone();
    let lengths = length(Expr::Column(column)).alias(name);
    let plan = LogicalPlanBuilder::from(Arc::unwrap_or_clone(subquery.subquery)).project([lengths])?.build()?;
    Ok(Subquery { subquery: Arc::new(plan), ..subquery })
}

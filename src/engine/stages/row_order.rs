//! Whether an answer tells in which order rows met the operators of its plan.
//!
//! One process reads the files of a report one after the other, so that what SQL leaves open comes out in one way for one version of the lake;
//! several processes read them in any order. A statement whose answer must be the same bytes is cut only where nothing in it can tell: its
//! aggregates are the same in any order, windows and limits take rows of which no two are equal in what orders them, and a total order stands
//! on top. Rows that are equal in all that is left of them are one as good as the other. What is not known here is taken for what can tell.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, DFSchema, JoinType, Result};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Distinct, Expr, ExprSchemable, Join, LogicalPlan, Window, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition,
};

use crate::engine::rules::most_rows;
use crate::functions::row_order::{RowOrder, row_order};

/// Window functions that give equal rows the same.
const OF_RANKS: [&str; 4] = ["cume_dist", "dense_rank", "percent_rank", "rank"];
/// Tables with one row a session.
const OF_SESSIONS: [&str; 2] = ["stored_sessions", "workflow_sessions"];
/// The column that no two rows of them have the same value of.
const SESSION_ID: &str = "session_id";

/// Says by what the answer of a plan tells the order of its rows; `None` where it does not. The plan has gone through the rules of a session, which put
/// exact sums into it.
pub fn tells_row_order(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut found = (!is_in_one_order(plan)).then(|| "its order leaves rows equal that differ".to_owned());
    plan.apply_with_subqueries(|node| {
        if found.is_none() {
            found = of_node(node)?;
        }
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn of_node(node: &LogicalPlan) -> Result<Option<String>> {
    let taken = || "a limit takes some of several rows that are equal in its order".to_owned();
    Ok(match node {
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate)?,
        LogicalPlan::Window(window) => of_window(window)?,
        LogicalPlan::Distinct(Distinct::All(input)) => of_groups(input.schema()),
        LogicalPlan::Sort(sort) => (sort.fetch.is_some() && !is_in_one_order(node)).then(taken),
        LogicalPlan::Limit(limit) => (!is_in_one_order(&limit.input)).then(taken),
        LogicalPlan::TableScan(scan) => scan.fetch.is_some().then(taken),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Unnest(_) => None,
        other => Some(format!("{} may depend on the order of rows", other.display())),
    })
}

/// Says whether values that count as equal are the same: of intervals a month equals thirty days.
fn is_one_with_its_equals(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) | DataType::Union(..) => false,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _)
        | DataType::RunEndEncoded(_, field) => is_one_with_its_equals(field.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_one_with_its_equals(field.data_type())),
        DataType::Dictionary(_, value) => is_one_with_its_equals(value),
        _ => true,
    }
}

fn of_groups(keys: &DFSchema) -> Option<String> {
    let shows = keys.fields().iter().any(|field| !is_one_with_its_equals(field.data_type()));
    shows.then(|| "groups of intervals show the first of those that are equal".to_owned())
}

fn of_aggregate(aggregate: &Aggregate) -> Result<Option<String>> {
    let input = aggregate.input.schema();
    for group in aggregate.group_expr.iter().flat_map(grouped_by) {
        if !is_one_with_its_equals(&group.get_type(input.as_ref())?) {
            return Ok(Some("groups of intervals show the first of those that are equal".to_owned()));
        }
    }
    for call in &aggregate.aggr_expr {
        let Expr::AggregateFunction(call) = call.clone().unalias() else {
            return Ok(Some("an aggregate that is not known".to_owned()));
        };
        if let Some(reason) = of_call(&call, input)? {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// The expressions of a group, those of grouping sets among them.
fn grouped_by(group: &Expr) -> Vec<&Expr> {
    match group {
        Expr::GroupingSet(sets) => sets.distinct_expr(),
        other => vec![other],
    }
}

fn of_call(call: &AggregateFunction, input: &DFSchema) -> Result<Option<String>> {
    let params = &call.params;
    // Rows that are equal in such an order have the same to give.
    let is_in_order = |argument: &Expr| {
        matches!(argument, Expr::Literal(..)) || params.order_by.iter().any(|by| by.expr == *argument)
    };
    let is_ordered = !params.order_by.is_empty() && params.args.iter().all(is_in_order);
    of_function(&call.func, &params.args, input, is_ordered)
}

fn of_function(function: &AggregateUDF, args: &[Expr], input: &DFSchema, is_ordered: bool) -> Result<Option<String>> {
    let name = function.name();
    let types = args.iter().map(|argument| argument.get_type(input)).collect::<Result<Vec<_>>>()?;
    if name != "count" && !types.iter().all(is_one_with_its_equals) {
        return Ok(Some(format!("{name} of intervals may show one of several that are equal")));
    }
    Ok(match row_order(function, &types, is_ordered) {
        RowOrder::Free => None,
        RowOrder::Digits => Some(format!("the last digits of {name} depend on the order of rows")),
        RowOrder::Shown => Some(format!("{name} shows the order of rows")),
    })
}

fn of_window(window: &Window) -> Result<Option<String>> {
    for call in &window.window_expr {
        let Expr::WindowFunction(call) = call.clone().unalias() else {
            return Ok(Some("a window that is not known".to_owned()));
        };
        if let Some(reason) = of_windowed(&call, window)? {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

fn of_windowed(call: &WindowFunction, window: &Window) -> Result<Option<String>> {
    let (params, input) = (&call.params, window.input.schema());
    let keys = || params.partition_by.iter().chain(params.order_by.iter().map(|by| &by.expr));
    if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun
        && let Some(reason) = of_function(function, &params.args, input, false)?
    {
        return Ok(Some(reason));
    }
    let is_of_equals = match &call.fun {
        WindowFunctionDefinition::AggregateUDF(_) => has_equals_together(&params.window_frame),
        WindowFunctionDefinition::WindowUDF(function) => OF_RANKS.contains(&function.name()),
    };
    let is_told = !is_of_equals && !is_total(&window.input, keys());
    Ok(is_told.then(|| format!("{} goes by the order of rows that its window leaves equal", call.fun.name())))
}

/// Says whether a frame has all rows that are equal in its order, or none of them.
fn has_equals_together(frame: &WindowFrame) -> bool {
    let is_open = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => value.is_null(),
        WindowFrameBound::CurrentRow => false,
    };
    frame.units != WindowFrameUnits::Rows || (is_open(&frame.start_bound) && is_open(&frame.end_bound))
}

/// Says whether the rows of a plan come in one order.
fn is_in_one_order(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(sort) => is_total(&sort.input, sort.expr.iter().map(|by| &by.expr)),
        LogicalPlan::Limit(limit) => is_in_one_order(&limit.input),
        LogicalPlan::Projection(projection) => is_in_one_order(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_in_one_order(&alias.input),
        other => has_one_row(other),
    }
}

fn has_one_row(plan: &LogicalPlan) -> bool {
    matches!(most_rows(plan), Ok(Some(0 | 1)))
}

/// Says whether rows that are equal in these expressions are the same in all.
fn is_total<'a>(input: &LogicalPlan, by: impl Iterator<Item = &'a Expr>) -> bool {
    let schema = input.schema();
    let columns: Vec<Column> = by.filter_map(|expression| expression.try_as_col().cloned()).collect();
    let is_known = |(qualifier, field): (_, &FieldRef)| {
        is_one_with_its_equals(field.data_type()) && columns.contains(&Column::from((qualifier, field)))
    };
    has_one_row(input) || schema.iter().all(is_known) || has_key(input, &columns)
}

/// Says whether no two rows of a plan are equal in all of these columns. They may be of another plan, too; those count for nothing.
fn has_key(plan: &LogicalPlan, columns: &[Column]) -> bool {
    let schema = plan.schema();
    let places: Vec<usize> = columns.iter().filter_map(|column| schema.maybe_index_of_column(column)).collect();
    let below = |input: &LogicalPlan| -> Vec<Column> {
        places.iter().map(|place| Column::from(input.schema().qualified_field(*place))).collect()
    };
    match plan {
        LogicalPlan::TableScan(scan) => {
            OF_SESSIONS.contains(&scan.table_name.table())
                && places.iter().any(|place| schema.field(*place).name() == SESSION_ID)
        }
        LogicalPlan::Filter(filter) => has_key(&filter.input, columns),
        LogicalPlan::Sort(sort) => has_key(&sort.input, columns),
        LogicalPlan::Limit(limit) => has_key(&limit.input, columns),
        LogicalPlan::Window(window) => has_key(&window.input, columns),
        LogicalPlan::SubqueryAlias(alias) => has_key(&alias.input, &below(&alias.input)),
        LogicalPlan::Projection(projection) => {
            let plain = |place: &usize| projection.expr.get(*place)?.clone().unalias().try_as_col().cloned();
            has_key(&projection.input, &places.iter().filter_map(plain).collect::<Vec<_>>())
        }
        LogicalPlan::Aggregate(aggregate) => {
            let is_set = aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)));
            !is_set && (0..aggregate.group_expr.len()).all(|place| places.contains(&place))
        }
        LogicalPlan::Join(join) => has_key_of_both(join, columns),
        other => has_one_row(other),
    }
}

fn has_key_of_both(join: &Join, columns: &[Column]) -> bool {
    let has_left = || has_key(&join.left, columns);
    // What a row of the left is joined on is the same in all rows that it meets.
    let met = || join.on.iter().filter_map(|(_, right)| right.try_as_col().cloned());
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => has_left(),
        JoinType::Inner | JoinType::Left => {
            has_left() && has_key(&join.right, &columns.iter().cloned().chain(met()).collect::<Vec<_>>())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::engine::{Engine, EngineOptions, Execution, Leaves};

    async fn told(sql: &str) -> Option<String> {
        let options = EngineOptions {
            as_of: chrono::DateTime::UNIX_EPOCH,
            time_zone: crate::zones::Tz::UTC,
            memory_limit_bytes: 64 << 20,
            spill_limit_bytes: 64 << 20,
            temporary_folder: None,
            threads: NonZeroUsize::new(2).unwrap(),
            leaves: Leaves::Read,
        };
        let engine = Engine::with_execution(options, Execution::InOrder).unwrap();
        engine.attach_nothing().unwrap();
        let state = engine.context().state();
        let plan = state.create_logical_plan(sql).await.unwrap();
        tells_row_order(&state.optimize(&plan).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn what_any_order_gives_does_not_tell() {
        let s = "from workflow_sessions";
        for sql in [
            format!("select count(*), sum(time_in_workflow), avg(time_in_workflow * 0.1) {s}"),
            format!("select workflow_id, max(started_at) as last {s} group by 1 order by 1, 2"),
            format!("select distinct workflow_id {s} order by 1"),
            format!("select session_id, data {s} order by started_at, session_id limit 7"),
            format!(
                "select a.session_id, n from (select session_id, row_number() over (partition by workflow_id order by started_at, session_id) as n {s}) a order by 1, 2"
            ),
            format!("select workflow_id, rank() over (order by started_at) as r {s} order by 1, 2"),
            format!("select workflow_id, count(*) over (order by started_at) as r {s} order by 1, 2"),
            format!(
                "select workflow_id, string_agg(step, ',' order by step) as r from (select workflow_id, session_id as step {s}) group by 1 order by 1, 2"
            ),
            format!("select first_value(session_id order by started_at desc, session_id) {s}"),
            // Rows that are equal in all that is left of them.
            format!("select w, lag(w) over (order by w) as before from (select workflow_id as w {s}) order by 1, 2"),
            format!(
                "select w, n, lead(n) over (order by w) as next from (select workflow_id as w, count(*) as n {s} group by 1) order by 1, 2, 3"
            ),
            format!(
                "select a.session_id, row_number() over (order by a.session_id) as n, b.c from workflow_sessions a left join (select workflow_id, count(*) as c {s} group by 1) b on a.workflow_id = b.workflow_id order by 1, 2, 3"
            ),
            format!("select count(*) from (select * {s} order by started_at, session_id limit 3)"),
            format!("select session_id {s} where time_in_workflow > (select avg(time_in_workflow) {s}) order by 1"),
            format!("select session_id, unnest(['a', 'b']) as u {s} order by 1, 2"),
            format!("select workflow_id {s} union all select session_id {s} order by 1"),
        ] {
            assert_eq!(told(&sql).await, None, "{sql}");
        }
    }

    #[tokio::test]
    async fn what_shows_an_order_tells() {
        let s = "from workflow_sessions";
        for (sql, why) in [
            (format!("select session_id, started_at {s}"), "its order"),
            (format!("select workflow_id, started_at {s} order by 1"), "its order"),
            (format!("select stddev(time_in_workflow) {s}"), "the last digits of stddev"),
            (format!("select approx_percentile_cont(time_in_workflow, 0.9) {s}"), "the last digits"),
            (format!("select array_agg(session_id) {s}"), "array_agg shows"),
            (format!("select first_value(session_id order by started_at) {s}"), "first_value shows"),
            (
                format!(
                    "select workflow_id, session_id, row_number() over (order by started_at) as n {s} order by 1, 2, 3"
                ),
                "row_number goes",
            ),
            (
                format!(
                    "select workflow_id, session_id, lag(session_id) over (partition by workflow_id order by started_at) as n {s} order by 1, 2, 3"
                ),
                "lag goes",
            ),
            (
                format!(
                    "select session_id, count(*) over (order by started_at rows between 1 preceding and current row) as n {s} order by 1, 2"
                ),
                "count goes",
            ),
            (
                format!("select count(session_id) from (select session_id, data {s} order by started_at limit 3)"),
                "a limit",
            ),
            (format!("select count(session_id) from (select session_id {s} limit 3)"), "a limit"),
            (
                format!(
                    "select a, count(*) from (select length(session_id) * interval '1 month' as a {s}) group by a order by 1, 2"
                ),
                "its order",
            ),
            (
                format!(
                    "select session_id {s} where session_id in (select session_id {s} order by started_at limit 3) order by 1"
                ),
                "a limit",
            ),
            (
                format!(
                    "select distinct on (workflow_id) workflow_id, session_id {s} order by workflow_id, started_at"
                ),
                "first_value",
            ),
        ] {
            let told = told(&sql).await;
            assert!(told.as_deref().is_some_and(|told| told.starts_with(why) || told.contains(why)), "{sql}: {told:?}");
        }
    }
}

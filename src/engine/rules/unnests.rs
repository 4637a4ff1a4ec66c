//! `from t, unnest(list of t) as u(x)`: the elements of a list of each row of the tables before it.
//!
//! DataFusion 55.2 plans such an unnesting as a lateral subquery, and has no way to run it. It is the unnesting of one more column of the tables before it:
//! [`Unnests`] puts that in place of the join; `lateral (select t.a * 10 as b) s`, a subquery without a table, is a column more too. In SQL `lateral` says nothing that is not known of a function in `from`, `with ordinality` is a second
//! list that counts, and a series whose ends are of the row is a list too: [`factor`] writes them so.

use std::ops::ControlFlow;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, JoinType, NullHandling, Result, ScalarValue, TableReference};
use datafusion::functions_nested::length::array_length;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, Join, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, Unnest, lit, when,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, Ident, TableAliasColumnDef, TableFactor, TableFunctionArgs, Visit, Visitor,
};

use super::words::{call, number};

/// Writes a function of FROM as one that DataFusion knows.
///
/// # Errors
/// Breaks with why it cannot be done.
pub(super) fn factor(factor: &mut TableFactor) -> ControlFlow<String> {
    let is_unnest = |name: &ast::ObjectName| name.to_string().eq_ignore_ascii_case("unnest");
    let is_series = |name: &ast::ObjectName| {
        ["generate_series", "range"].iter().any(|series| name.to_string().eq_ignore_ascii_case(series))
    };
    let of_lists = |alias: &Option<ast::TableAlias>, array_exprs, with_ordinality| TableFactor::UNNEST {
        alias: alias.clone(),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality,
    };
    let written = match &*factor {
        TableFactor::Function { name, args, with_ordinality, alias, .. } if is_unnest(name) => {
            values(args).map(|lists| of_lists(alias, lists, *with_ordinality))
        }
        TableFactor::Function { name, args, with_ordinality, alias, .. } if is_series(name) && is_of_rows(args) => {
            values(args).map(|ends| of_lists(alias, vec![call(&name.to_string(), ends)], *with_ordinality))
        }
        TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), with_ordinality, alias, .. }
            if is_series(name) && is_of_rows(args) =>
        {
            values(args).map(|ends| of_lists(alias, vec![call(&name.to_string(), ends)], *with_ordinality))
        }
        _ => None,
    };
    if let Some(written) = written {
        *factor = written;
    }
    let TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } = factor else {
        return ControlFlow::Continue(());
    };
    if !*with_ordinality {
        return ControlFlow::Continue(());
    }
    let [list] = array_exprs.as_slice() else {
        return ControlFlow::Break(
            "unnest of several lists with ordinality is not supported: unnest a list of numbers beside them".to_owned(),
        );
    };
    let count = call("cardinality", vec![list.clone()]);
    let ordinality = call("generate_series", vec![number("1"), count]);
    array_exprs.push(ordinality);
    *with_ordinality = false;
    let alias = alias.get_or_insert_with(|| ast::TableAlias {
        explicit: true,
        name: Ident::new("unnest"),
        columns: Vec::new(),
        at: None,
    });
    let column = |name: Ident| TableAliasColumnDef { name, data_type: None };
    if alias.columns.is_empty() {
        alias.columns.push(column(alias.name.clone()));
    }
    if alias.columns.len() == 1 {
        alias.columns.push(column(Ident::new("ordinality")));
    }
    ControlFlow::Continue(())
}

fn values(args: &[FunctionArg]) -> Option<Vec<ast::Expr>> {
    let value = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    };
    args.iter().map(value).collect()
}

/// Says whether arguments name columns, but for those of subqueries.
fn is_of_rows(args: &[FunctionArg]) -> bool {
    struct Names;
    impl Visitor for Names {
        /// Whether a column came first.
        type Break = bool;
        fn pre_visit_query(&mut self, _: &ast::Query) -> ControlFlow<bool> {
            ControlFlow::Break(false)
        }
        fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<bool> {
            match expr {
                ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_) => ControlFlow::Break(true),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    args.iter().any(|arg| arg.visit(&mut Names) == ControlFlow::Break(true))
}

/// The rule.
#[derive(Debug)]
pub struct Unnests;

impl AnalyzerRule for Unnests {
    fn name(&self) -> &str {
        "unnests_of_rows"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let unnested = match &node {
                LogicalPlan::Join(join) => of_join(join)?,
                _ => None,
            };
            Ok(match unnested {
                Some(unnested) => Transformed::yes(unnested),
                None => Transformed::no(node),
            })
        })
        .data()
    }
}

/// What a column of the subquery is, by the columns of the unnesting.
struct Output {
    table: Option<TableReference>,
    name: String,
    value: Expr,
}

fn of_join(join: &Join) -> Result<Option<LogicalPlan>> {
    let is_left = join.join_type == JoinType::Left;
    if !is_left && join.join_type != JoinType::Inner {
        return Ok(None);
    }
    let (lateral, table) = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => (input.as_ref(), Some(alias.clone())),
        other => (other, None),
    };
    let LogicalPlan::Subquery(lateral) = lateral else { return Ok(None) };
    let Some((unnest, mut outputs)) = outputs(&lateral.subquery)? else { return Ok(None) };
    let equal = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let condition = conjunction(equal.chain(join.filter.clone().into_iter().filter(|filter| *filter != lit(true))));
    if is_left && condition.is_some() {
        return Ok(None);
    }
    if let Some(table) = table {
        outputs.iter_mut().for_each(|output| output.table = Some(table.clone()));
    }
    let columns = || join.left.schema().columns().into_iter().map(Expr::Column);
    let mut rows = LogicalPlanBuilder::from(join.left.clone());
    if let Some(unnest) = unnest {
        let LogicalPlan::Projection(lists) = unnest.input.as_ref() else { return Ok(None) };
        if !is_one_row(&lists.input) {
            return Ok(None);
        }
        let lists = lists.expr.iter().map(|list| {
            let list = of_row(list.clone())?;
            if is_left { or_null(list) } else { Ok(list) }
        });
        let lists = lists.collect::<Result<Vec<_>>>()?;
        let mut options = unnest.options.clone();
        options.null_handling = if is_left { NullHandling::Preserve } else { NullHandling::Drop };
        rows = rows.project(columns().chain(lists))?;
        rows = rows.unnest_columns_with_options(unnest.exec_columns.clone(), options)?;
    }
    let made = outputs.into_iter().map(|output| output.value.alias_qualified(output.table, output.name));
    let made = rows.project(columns().chain(made))?;
    let made = match condition {
        Some(condition) => made.filter(condition)?,
        None => made,
    };
    Ok(Some(made.build()?))
}

fn is_one_row(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row)
}

/// Says what the columns of a subquery are that is an unnesting, or one row, with other names.
fn outputs(plan: &LogicalPlan) -> Result<Option<(Option<&Unnest>, Vec<Output>)>> {
    Ok(match plan {
        plan if is_one_row(plan) => Some((None, Vec::new())),
        LogicalPlan::Unnest(unnest) => {
            let columns = unnest.schema.columns().into_iter();
            let outputs = columns.map(|column| Output {
                table: column.relation.clone(),
                name: column.name.clone(),
                value: Expr::Column(column),
            });
            Some((Some(unnest), outputs.collect()))
        }
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
            outputs(input)?.map(|(unnest, mut outputs)| {
                outputs.iter_mut().for_each(|output| output.table = Some(alias.clone()));
                (unnest, outputs)
            })
        }
        LogicalPlan::Projection(projection) => match outputs(&projection.input)? {
            Some((unnest, inner)) => Some((unnest, projected(projection, &projection.schema, &inner)?)),
            None => None,
        },
        _ => None,
    })
}

fn projected(projection: &Projection, schema: &DFSchema, inner: &[Output]) -> Result<Vec<Output>> {
    let value_of = |expr: Expr| match &expr {
        Expr::Column(column) => {
            let is_it = |output: &&Output| {
                output.name == column.name && (column.relation.is_none() || column.relation == output.table)
            };
            match inner.iter().find(is_it) {
                Some(output) => Ok(Transformed::yes(output.value.clone())),
                None => Ok(Transformed::no(expr)),
            }
        }
        _ => of_row_once(expr),
    };
    let outputs = projection.expr.iter().zip(schema.iter()).map(|(expr, (table, field))| {
        let value = expr.clone().unalias().transform_up(value_of).data()?;
        Ok(Output { table: table.cloned(), name: field.name().clone(), value })
    });
    outputs.collect()
}

/// Names the columns of the rows before by themselves.
fn of_row(expr: Expr) -> Result<Expr> {
    expr.transform_up(of_row_once).data()
}

fn of_row_once(expr: Expr) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
        other => Transformed::no(other),
    })
}

/// A list, or null in place of one that is empty: a row of its own has no elements then.
fn or_null(list: Expr) -> Result<Expr> {
    let (name, list) = match list {
        Expr::Alias(alias) => (Some((alias.relation, alias.name)), *alias.expr),
        list => (None, list),
    };
    let name = name.unwrap_or_else(|| (None, list.schema_name().to_string()));
    let has_elements = array_length(list.clone()).gt(lit(ScalarValue::UInt64(Some(0))));
    Ok(when(has_elements, list).end()?.alias_qualified(name.0, name.1))
}

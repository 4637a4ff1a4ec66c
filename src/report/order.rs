//! Gives every report one order of rows.
//!
//! Rows that an ORDER BY leaves equal come in the order in which the files hold them, and a compaction of the lake changes
//! that. So the order on top of a report is made total: what it does not mention of the row is added behind, and a report
//! without any order is sorted by all of its columns. A LIMIT without an order takes any rows at all, and is refused. Columns
//! whose type has no order (lists, structs, JSON unions) cannot take part; rows that differ only in those keep the order in
//! which the files hold them.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Sort, SortExpr};

use crate::engine::most_rows;
use crate::error::{Error, Result};

/// One column of a stated order: `sessions desc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderColumn {
    /// The column of the result.
    pub column: String,
    /// Which way.
    pub direction: Direction,
}

/// Which way to sort. Nulls are last in either, as PostgreSQL has them when ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// Reads an order: column names with `asc` or `desc`, parted by commas.
///
/// # Errors
/// A usage error for a text that is none.
pub fn parse(text: &str) -> Result<Vec<OrderColumn>> {
    let wrong = || Error::usage(format!("no order of columns: {text:?}")).with_hint("write order: day, sessions desc");
    text.split(',')
        .map(|part| {
            let mut words = part.split_whitespace();
            let column = words.next().ok_or_else(wrong)?.trim_matches('"').to_owned();
            let direction = match words.next().map(str::to_lowercase).as_deref() {
                None | Some("asc") => Direction::Ascending,
                Some("desc") => Direction::Descending,
                Some(_) => return Err(wrong()),
            };
            if words.next().is_some() || column.is_empty() {
                Err(wrong())
            } else {
                Ok(OrderColumn { column, direction })
            }
        })
        .collect()
}

/// Why a plan cannot be a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Makes the order on top of a plan total. `stated` is the order that the header gives, and goes before that of the SQL.
///
/// # Errors
/// A [`Refusal`] inside: a LIMIT without an order, a stated column that is not there. A defect of ours outside.
pub fn make_total(plan: LogicalPlan, stated: &[OrderColumn]) -> Result<Result<LogicalPlan, Refusal>> {
    let Some((plan, found)) = total(plan)? else {
        return Ok(Err(Refusal {
            message: "the report has a LIMIT without an ORDER BY, which takes any rows".to_owned(),
            hint: "say with ORDER BY which rows come first".to_owned(),
        }));
    };
    if stated.is_empty() && found == Found::Order {
        return Ok(Ok(plan));
    }
    let mut by = Vec::new();
    for OrderColumn { column, direction } in stated {
        let Some((qualifier, field)) = plan.schema().iter().find(|(_, field)| field.name() == column) else {
            let names: Vec<_> = plan.schema().fields().iter().map(|field| field.name().as_str()).collect();
            return Ok(Err(Refusal {
                message: format!("the order names a column {column:?} that the report does not have"),
                hint: format!("it has {}", names.join(", ")),
            }));
        };
        let column = Expr::Column(Column::from((qualifier, field)));
        by.push(SortExpr::new(column, *direction == Direction::Ascending, false));
    }
    append_rest(&mut by, plan.schema());
    if by.is_empty() {
        return Ok(Ok(plan));
    }
    Ok(Ok(LogicalPlan::Sort(Sort { expr: by, input: Arc::new(plan), fetch: None })))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Order,
    Nothing,
}

/// Completes the order on top of a plan; none where a limit stands on no order.
fn total(plan: LogicalPlan) -> Result<Option<(LogicalPlan, Found)>> {
    Ok(match plan {
        LogicalPlan::Sort(mut sort) => {
            append_rest(&mut sort.expr, sort.input.schema());
            Some((LogicalPlan::Sort(sort), Found::Order))
        }
        LogicalPlan::Limit(limit) => {
            let Some((input, found)) = total(Arc::unwrap_or_clone(limit.input))? else { return Ok(None) };
            if found == Found::Nothing {
                return Ok(None);
            }
            let limit = Limit { skip: limit.skip, fetch: limit.fetch, input: Arc::new(input) };
            Some((LogicalPlan::Limit(limit), found))
        }
        LogicalPlan::Projection(projection) => {
            let Some((input, found)) = total(Arc::unwrap_or_clone(projection.input))? else { return Ok(None) };
            let expr = projection.expr;
            let schema = projection.schema;
            let rebuilt = datafusion::logical_expr::Projection::try_new_with_schema(expr, Arc::new(input), schema)?;
            Some((LogicalPlan::Projection(rebuilt), found))
        }
        // One row has but one order.
        other if matches!(most_rows(&other), Ok(Some(0 | 1))) => Some((other, Found::Order)),
        other => Some((other, Found::Nothing)),
    })
}

/// Adds the columns that an order does not have yet.
fn append_rest(by: &mut Vec<SortExpr>, schema: &DFSchema) {
    for (qualifier, field) in schema.iter() {
        let column = Expr::Column(Column::from((qualifier, field)));
        if has_order(field.data_type()) && !by.iter().any(|sort| sort.expr == column) {
            by.push(SortExpr::new(column, true, false));
        }
    }
}

fn has_order(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => has_order(value),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Boolean => true,
        other => other.is_primitive(),
    }
}

/// Names a function in the plan whose answer changes from run to run.
///
/// # Errors
/// A defect of ours.
pub fn volatile_function(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if expr.is_volatile_node()
                    && let Expr::ScalarFunction(function) = expr
                {
                    found = Some(function.name().to_owned());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    async fn ordered(sql: &str, stated: &str) -> Result<String, Refusal> {
        let context = SessionContext::new();
        context.sql("create table t as values (1, 'a', [1]), (2, 'b', [2])").await.unwrap();
        let plan = context.state().create_logical_plan(sql).await.unwrap();
        let stated = if stated.is_empty() { vec![] } else { parse(stated).unwrap() };
        let plan = make_total(plan, &stated).unwrap()?;
        // The plan must still run, not only print.
        context.execute_logical_plan(plan.clone()).await.unwrap().collect().await.unwrap();
        let lines = plan.display_indent().to_string();
        let sorts: Vec<_> = lines.lines().map(str::trim).filter(|line| line.starts_with("Sort")).collect();
        Ok(sorts.join(" | "))
    }

    #[tokio::test]
    async fn an_order_gets_the_rest_of_the_row_behind_it() {
        let all = "t.column1 ASC NULLS LAST, t.column2 ASC NULLS LAST";
        assert_eq!(ordered("select * from t", "").await.unwrap(), format!("Sort: {all}"));
        assert_eq!(
            ordered("select * from t order by column2 desc", "").await.unwrap(),
            "Sort: t.column2 DESC NULLS FIRST, t.column1 ASC NULLS LAST"
        );
        assert_eq!(
            ordered("select column1 from t order by column2 limit 1", "").await.unwrap(),
            "Sort: t.column2 ASC NULLS LAST, t.column1 ASC NULLS LAST"
        );
    }

    #[tokio::test]
    async fn a_stated_order_goes_first_and_keeps_the_limit() {
        assert_eq!(
            ordered("select * from t order by column1 limit 1", "column2 desc").await.unwrap(),
            "Sort: t.column2 DESC NULLS LAST, t.column1 ASC NULLS LAST | Sort: t.column1 ASC NULLS LAST, t.column2 ASC NULLS LAST"
        );
        let refusal = ordered("select * from t", "nobody").await.unwrap_err();
        assert_eq!(refusal.message, "the order names a column \"nobody\" that the report does not have");
    }

    #[tokio::test]
    async fn a_limit_without_an_order_is_refused_but_one_row_needs_none() {
        assert!(ordered("select * from t limit 1", "").await.is_err());
        assert!(ordered("select * from t limit 1", "column1").await.is_err());
        assert_eq!(ordered("select count(*) from t", "").await.unwrap(), "");
        assert_eq!(ordered("select count(*) from t limit 5", "").await.unwrap(), "");
    }

    #[tokio::test]
    async fn functions_that_change_are_found_also_in_subqueries() {
        let context = SessionContext::new();
        let plan = |sql: &'static str| {
            let state = context.state();
            async move { state.create_logical_plan(sql).await.unwrap() }
        };
        assert_eq!(volatile_function(&plan("select 1").await).unwrap(), None);
        assert_eq!(volatile_function(&plan("select random()").await).unwrap().as_deref(), Some("random"));
        assert_eq!(volatile_function(&plan("select (select max(uuid()))").await).unwrap().as_deref(), Some("uuid"));
    }

    #[test]
    fn orders_are_read() {
        let read = parse("day, sessions DESC").unwrap();
        assert_eq!(read[1], OrderColumn { column: "sessions".to_owned(), direction: Direction::Descending });
        for wrong in ["", "a,", "a up", "a desc desc"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}

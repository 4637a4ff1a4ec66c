//! Makes a scalar subquery null where it finds no row.
//!
//! DataFusion 55.2 takes the nullability of a scalar subquery from its column (apache/datafusion #24513). `(select 'open' from t
//! where …)` then counts as never null: `is null` becomes false while the query is planned, and `coalesce` leaves its other
//! arguments out. The rule puts a function around such a column that says that it may be null. The function counts as volatile,
//! so that nothing computes it while planning; it gives what it is given.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result, exec_err};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Signature, Subquery, Volatility};
use datafusion::optimizer::AnalyzerRule;

use crate::functions::frame::Function;

/// The rule.
#[derive(Debug)]
pub struct AbsentRows;

impl AnalyzerRule for AbsentRows {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| node.map_expressions(|expr| expr.transform_up(may_be_null))).data()
    }

    fn name(&self) -> &str {
        "absent_rows"
    }
}

fn may_be_null(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::ScalarSubquery(subquery) = expr else { return Ok(Transformed::no(expr)) };
    if subquery.subquery.schema().fields().iter().any(|field| field.is_nullable()) || has_a_row(&subquery.subquery) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let plan = Arc::new(nullable_columns(&subquery.subquery)?);
    Ok(Transformed::yes(Expr::ScalarSubquery(Subquery { subquery: plan, ..subquery })))
}

/// Returns a plan for the same rows of which no column says that it has no nulls.
///
/// # Errors
/// Those of DataFusion's builder, which would be a defect.
pub fn nullable_columns(plan: &Arc<LogicalPlan>) -> Result<LogicalPlan> {
    let columns = plan.schema().iter().map(|(qualifier, field)| {
        let column = Column::from((qualifier, field));
        if field.is_nullable() {
            return Expr::Column(column);
        }
        let (relation, name) = (column.relation.clone(), column.name.clone());
        NULLABLE.udf().call(vec![Expr::Column(column)]).alias_qualified(relation, name)
    });
    LogicalPlanBuilder::from(Arc::clone(plan)).project(columns)?.build()
}

/// Says whether a plan gives a row whatever it reads: an aggregate without groups does.
pub(super) fn has_a_row(plan: &LogicalPlan) -> bool {
    match rows_of(plan) {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Values(values) => !values.values.is_empty(),
        source => is_whole_aggregate(source),
    }
}

/// Says whether a plan is an aggregate without groups, which has one row whatever it reads.
pub(super) fn is_whole_aggregate(plan: &LogicalPlan) -> bool {
    matches!(rows_of(plan), LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty())
}

/// What a plan's rows come from, one by one.
fn rows_of(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::Projection(projection) => rows_of(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => rows_of(&alias.input),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => rows_of(&sort.input),
        source => source,
    }
}

/// Gives its argument, of which nobody knows that it is not null.
static NULLABLE: Function = Function {
    signature: || Signature::any(1, Volatility::Volatile),
    ..Function::new(
        "nullable",
        |types| match types {
            [data_type] => Ok(data_type.clone()),
            _ => exec_err!("nullable() takes one argument"),
        },
        |call| match call.args.args.first() {
            Some(value) => Ok(value.clone()),
            None => exec_err!("nullable() takes one argument"),
        },
    )
};

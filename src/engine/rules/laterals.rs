//! HAVING of a lateral subquery without GROUP BY: `left join lateral (select count(*) … having count(*) = 0) s on true`.
//!
//! Such an aggregate has a row whatever it reads, and HAVING says whether it stays. DataFusion 55.2 takes the condition for one on rows, which it cannot name. Here
//! the condition is a column of the subquery, and the join asks for it.

use std::sync::Arc;

use datafusion::common::alias::AliasGenerator;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, JoinType, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, SubqueryAlias, lit};
use datafusion::optimizer::AnalyzerRule;

use super::absent::is_whole_aggregate;

/// The rule.
#[derive(Debug)]
pub struct Laterals;

impl AnalyzerRule for Laterals {
    fn name(&self) -> &str {
        "laterals"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let names = AliasGenerator::new();
        plan.transform_up_with_subqueries(|node| {
            Ok(match of_join(&node, &names)? {
                Some(joined) => Transformed::yes(joined),
                None => Transformed::no(node),
            })
        })
        .data()
    }
}

fn of_join(node: &LogicalPlan, names: &AliasGenerator) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Join(join) = node else { return Ok(None) };
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Ok(None);
    }
    let (lateral, alias) = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => (input.as_ref(), Some(alias.clone())),
        other => (other, None),
    };
    let LogicalPlan::Subquery(lateral) = lateral else { return Ok(None) };
    let name = names.next("__having");
    let Some(rows) = with_condition(&lateral.subquery, &name)? else { return Ok(None) };
    let mut right = LogicalPlan::Subquery(Subquery { subquery: Arc::new(rows), ..lateral.clone() });
    if let Some(alias) = &alias {
        right = LogicalPlanBuilder::from(right).alias(alias.clone())?.build()?;
    }
    let equal = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let asked = join.filter.clone().into_iter().filter(|filter| *filter != lit(true));
    let condition = conjunction(equal.chain(asked).chain([Expr::Column(Column::new(alias, name))]));
    let joined = LogicalPlanBuilder::from(Arc::clone(&join.left)).join_on(right, join.join_type, condition)?;
    Ok(Some(joined.project(node.schema().columns().into_iter().map(Expr::Column))?.build()?))
}

/// Puts the condition of HAVING behind the columns of an aggregate without groups; `None` where there is none.
fn with_condition(plan: &LogicalPlan, name: &str) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Projection(projection) = plan else { return Ok(None) };
    let (rows, condition) = match projection.input.as_ref() {
        LogicalPlan::Filter(having) if is_whole_aggregate(&having.input) && !having.predicate.contains_outer() => {
            (having.input.as_ref().clone(), having.predicate.clone().alias(name))
        }
        inner => match with_condition(inner, name)? {
            Some(rows) => (rows, Expr::Column(Column::new_unqualified(name))),
            None => return Ok(None),
        },
    };
    let columns = projection.expr.iter().cloned().chain([condition]);
    Ok(Some(LogicalPlanBuilder::from(rows).project(columns)?.build()?))
}

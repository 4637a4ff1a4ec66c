//! Joins below a node of a plan what its expressions ask of subqueries.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};

/// The input of a node, and what was joined with it.
pub(super) struct Below {
    plan: LogicalPlan,
    /// Subqueries that were joined, with the columns that have their answers.
    made: Vec<(Subquery, Expr)>,
}

impl Below {
    /// Returns the column that has the answers of a subquery; `join` makes the plan that has it where none does yet, or `None` where that
    /// cannot be done.
    ///
    /// # Errors
    /// Those of `join`.
    pub fn column_of(
        &mut self,
        subquery: &Subquery,
        join: impl FnOnce(&LogicalPlan) -> Result<Option<(LogicalPlan, Expr)>>,
    ) -> Result<Option<Expr>> {
        if let Some((_, column)) = self.made.iter().find(|(known, _)| known == subquery) {
            return Ok(Some(column.clone()));
        }
        let Some((joined, column)) = join(&self.plan)? else { return Ok(None) };
        self.plan = joined;
        self.made.push((subquery.clone(), column.clone()));
        Ok(Some(column))
    }
}

/// Rewrites the expressions of a node with one input, which may join something below it. The node's columns and their names stay.
///
/// # Errors
/// Those of `rewrite`, and of plans that cannot be put together.
pub(super) fn with_joins(
    plan: LogicalPlan,
    mut rewrite: impl FnMut(Expr, &mut Below) -> Result<Expr>,
) -> Result<Transformed<LogicalPlan>> {
    let inputs = plan.inputs();
    let [input] = inputs.as_slice() else { return Ok(Transformed::no(plan)) };
    let mut below = Below { plan: (*input).clone(), made: Vec::new() };
    let names = NamePreserver::new(&plan);
    let rewritten = plan.expressions().into_iter().map(|expr| {
        let name = names.save(&expr);
        Ok(name.restore(rewrite(expr, &mut below)?))
    });
    let exprs = rewritten.collect::<Result<Vec<_>>>()?;
    let columns: Vec<Expr> = plan.schema().iter().map(Expr::from).collect();
    let node = plan.with_new_exprs(exprs, vec![below.plan])?;
    if node.schema().fields().len() == columns.len() {
        return Ok(Transformed::yes(node));
    }
    Ok(Transformed::yes(LogicalPlanBuilder::from(node).project(columns)?.build()?))
}

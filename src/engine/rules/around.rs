//! Rules of DataFusion that are run by one of ours, in their place among the others.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// A rule of an optimizer.
pub(super) type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// Puts a rule of ours around each rule of DataFusion that `with` has something for.
///
/// # Errors
/// One of the names is missing, which other versions of DataFusion may name otherwise.
pub(super) fn around<T: Copy>(
    rules: Vec<Rule>,
    named: &[(&str, T)],
    with: impl Fn(Rule, T) -> Rule,
) -> Result<Vec<Rule>> {
    if let Some((missing, _)) = named.iter().find(|(name, _)| rules.iter().all(|rule| rule.name() != *name)) {
        return plan_err!("the optimizer has no rule {missing}");
    }
    let place = |rule: Rule| match named.iter().find(|(name, _)| *name == rule.name()) {
        Some((_, what)) => with(rule, *what),
        None => rule,
    };
    Ok(rules.into_iter().map(place).collect())
}

/// Runs a rule as the optimizer runs it, over a whole plan.
pub(super) fn run(
    rule: &dyn OptimizerRule,
    plan: LogicalPlan,
    config: &dyn OptimizerConfig,
) -> Result<Transformed<LogicalPlan>> {
    match rule.apply_order() {
        None => rule.rewrite(plan, config),
        Some(order) => plan.rewrite_with_subqueries(&mut Walk { rule, order, config }),
    }
}

/// Runs a rule at every node of a plan.
struct Walk<'a> {
    rule: &'a dyn OptimizerRule,
    order: ApplyOrder,
    config: &'a dyn OptimizerConfig,
}

impl Walk<'_> {
    fn at(&self, order: ApplyOrder, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match self.order == order {
            true => self.rule.rewrite(node, self.config),
            false => Ok(Transformed::no(node)),
        }
    }
}

impl TreeNodeRewriter for Walk<'_> {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        self.at(ApplyOrder::TopDown, node)
    }

    fn f_up(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        self.at(ApplyOrder::BottomUp, node)
    }
}

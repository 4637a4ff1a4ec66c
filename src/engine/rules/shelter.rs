//! Nodes that rules of DataFusion 55.2 take apart wrongly, hidden from these rules.
//!
//! - `push_down_filter` takes a condition without columns, such as `(select count(*) from t) > 0`, below any aggregate. One without keys, and a grouping set without
//!   keys, has a row of no rows, so that the condition leaves a row where it should leave none.
//! - `eliminate_cross_join` puts inner joins together and gives all of them the outermost one's rule for nulls: beside `a is not distinct from b`
//!   then `c = d` holds of two nulls, or the other way round.
//!
//! While such a rule runs, a node without inputs stands for each of these aggregates and joins; what is below them is then rewritten for itself.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, JoinType, NullEquality, Result};
use datafusion::logical_expr::expr::GroupingSet;
use datafusion::logical_expr::logical_plan::{Aggregate, Extension, Join};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::around::{Rule, around, run};

/// Says whether a rule must not see a node.
type Hides = fn(&LogicalPlan) -> bool;

/// The rules, and what each must not see.
const SHELTERS: [(&str, Hides); 2] = [("push_down_filter", has_a_row_of_none), ("eliminate_cross_join", finds_nulls)];

/// Puts rules that do not see what they would take apart wrongly in place of those that do.
///
/// # Errors
/// As [`around`].
pub fn sheltered(rules: Vec<Rule>) -> Result<Vec<Rule>> {
    around(rules, &SHELTERS, |rule, hides| Arc::new(Sheltered { rule, hides }))
}

/// Says whether a node is an aggregate that has a row where its input has none.
fn has_a_row_of_none(node: &LogicalPlan) -> bool {
    let LogicalPlan::Aggregate(Aggregate { group_expr, .. }) = node else { return false };
    match group_expr.as_slice() {
        [] => true,
        [Expr::GroupingSet(GroupingSet::Rollup(_) | GroupingSet::Cube(_))] => true,
        [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => sets.iter().any(Vec::is_empty),
        _ => false,
    }
}

/// Says whether a node is an inner join that takes nulls for equal.
fn finds_nulls(node: &LogicalPlan) -> bool {
    let LogicalPlan::Join(Join { join_type, null_equality, .. }) = node else { return false };
    *join_type == JoinType::Inner && *null_equality == NullEquality::NullEqualsNull
}

/// A rule of DataFusion, from which some nodes are hidden.
#[derive(Debug)]
struct Sheltered {
    rule: Rule,
    hides: Hides,
}

impl OptimizerRule for Sheltered {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found |= (self.hides)(node);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !found {
            return run(self.rule.as_ref(), plan, config);
        }
        let hidden = plan.transform_down_with_subqueries(|node| {
            Ok(if (self.hides)(&node) { Transformed::yes(Hidden::plan(node)) } else { Transformed::no(node) })
        })?;
        let done = run(self.rule.as_ref(), hidden.data, config)?;
        let mut below = false;
        let shown = done.data.transform_up_with_subqueries(|node| {
            let LogicalPlan::Extension(Extension { node: own }) = &node else { return Ok(Transformed::no(node)) };
            let Some(Hidden(node)) = own.as_any().downcast_ref::<Hidden>() else { return Ok(Transformed::no(node)) };
            let inputs = LogicalPlan::clone(node).map_children(|input| self.rewrite(input, config))?;
            let whole = inputs.transform_data(|node| node.map_subqueries(|subquery| self.rewrite(subquery, config)))?;
            below |= whole.transformed;
            Ok(Transformed::yes(whole.data))
        })?;
        Ok(Transformed::new(shown.data, done.transformed || below, TreeNodeRecursion::Continue))
    }
}

/// A node without inputs that stands for another one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Hidden(Arc<LogicalPlan>);

impl Hidden {
    fn plan(node: LogicalPlan) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(Self(Arc::new(node))) })
    }
}

impl PartialOrd for Hidden {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl UserDefinedLogicalNodeCore for Hidden {
    fn name(&self) -> &str {
        "Hidden"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.0.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self(Arc::clone(&self.0)))
    }
}

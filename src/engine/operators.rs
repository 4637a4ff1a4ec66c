//! Puts operators of ours in place of DataFusion's, where they give what those give.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use super::flatten::FlattenExec;
use super::groups::{FewGroupsExec, MOST_GROUPS};
use super::join::IntervalJoinExec;
use super::sort::PrefixSortExec;
use super::window::ShiftWindowExec;

/// A node of a plan.
type Node = Arc<dyn ExecutionPlan>;

/// The rule; to run after all of DataFusion's own rules.
#[derive(Debug)]
pub(super) struct OwnOperators;

impl PhysicalOptimizerRule for OwnOperators {
    fn optimize(&self, plan: Node, _config: &ConfigOptions) -> Result<Node> {
        put(plan, |node| {
            let window = || ShiftWindowExec::in_place_of(node).map(boxed);
            let sort = || PrefixSortExec::in_place_of(node).map(boxed);
            let join = || IntervalJoinExec::in_place_of(node).map(boxed);
            let groups = || FewGroupsExec::in_place_of(node, MOST_GROUPS).map(boxed);
            let flatten = || Ok(boxed(FlattenExec::in_place_of(node)));
            let all: [&dyn Fn() -> Result<Option<Node>>; 5] = [&window, &sort, &join, &groups, &flatten];
            all.iter().find_map(|made| made().transpose()).transpose()
        })
    }

    fn name(&self) -> &str {
        "own_operators"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Puts another operator in the place of each for which there is one, from the leaves up.
pub(super) fn put(plan: Node, in_place_of: impl Fn(&Node) -> Result<Option<Node>>) -> Result<Node> {
    let replaced = plan.transform_up(|node| {
        Ok(match in_place_of(&node)? {
            Some(ours) => Transformed::yes(ours),
            None => Transformed::no(node),
        })
    });
    replaced.data()
}

/// Returns an operator, if there is one, as a node.
pub(super) fn boxed(operator: Option<impl ExecutionPlan + 'static>) -> Option<Node> {
    operator.map(|operator| Arc::new(operator) as Node)
}

//! Puts operators of ours in place of DataFusion's, where they give what those give.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::{ConfigNonZeroUsize, ConfigOptions};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion, TreeNodeRewriter};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};

use super::counted::{BoundedWindowExec, WholeWindowExec};
use super::flatten::FlattenExec;
use super::gathered::gathered;
use super::groups::FewGroupsExec;
use super::join::IntervalJoinExec;
use super::own::Node;
use super::pausing::{PausingCrossExec, PausingHashExec};
use super::sort::PrefixSortExec;
use super::unspilled::UnspilledJoinExec;
use super::window::ShiftWindowExec;
use crate::functions::stands_in;

/// The rule; to run after all of DataFusion's own rules.
#[derive(Debug)]
pub(super) struct OwnOperators;

impl PhysicalOptimizerRule for OwnOperators {
    fn optimize(&self, plan: Node, config: &ConfigOptions) -> Result<Node> {
        put_above(plan, config, &|_| false)
    }

    fn name(&self) -> &str {
        Self::NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl OwnOperators {
    /// The name of the rule.
    pub(super) const NAME: &'static str = "own_operators";
}

/// Puts operators of ours into a plan, down to the nodes of which `ends` says so: those stay as they are, with all that is below them.
pub(super) fn put_above(plan: Node, config: &ConfigOptions, ends: &dyn Fn(&Node) -> bool) -> Result<Node> {
    let in_place_of = |node: &Node| own(node, config);
    plan.rewrite(&mut Above { ends, in_place_of }).data()
}

/// Puts another operator in the place of each for which there is one, from the leaves up.
#[cfg(test)]
pub(super) fn put(plan: Node, in_place_of: impl Fn(&Node) -> Result<Option<Node>>) -> Result<Node> {
    plan.rewrite(&mut Above { ends: &|_| false, in_place_of }).data()
}

/// Goes through the part of a plan that is above its ends, from the leaves up.
struct Above<'a, F> {
    ends: &'a dyn Fn(&Node) -> bool,
    in_place_of: F,
}

impl<F: Fn(&Node) -> Result<Option<Node>>> TreeNodeRewriter for Above<'_, F> {
    type Node = Node;

    fn f_down(&mut self, node: Node) -> Result<Transformed<Node>> {
        let recursion = if (self.ends)(&node) { TreeNodeRecursion::Jump } else { TreeNodeRecursion::Continue };
        Ok(Transformed::new(node, false, recursion))
    }

    fn f_up(&mut self, node: Node) -> Result<Transformed<Node>> {
        if (self.ends)(&node) {
            return Ok(Transformed::no(node));
        }
        Ok(match (self.in_place_of)(&node)? {
            Some(ours) => Transformed::yes(ours),
            None => Transformed::no(node),
        })
    }
}

/// Returns the operator of ours that stands in the place of a node, if there is one.
fn own(node: &Node, config: &ConfigOptions) -> Result<Option<Node>> {
    let on = |which| stands_in(config, which);
    let window = || if on(|s| s.own_window) { ShiftWindowExec::in_place_of(node).map(boxed) } else { Ok(None) };
    let sort = || if on(|s| s.own_sort) { PrefixSortExec::in_place_of(node).map(boxed) } else { Ok(None) };
    let join = || if on(|s| s.own_join) { IntervalJoinExec::in_place_of(node).map(boxed) } else { Ok(None) };
    let groups = || if on(|s| s.own_groups) { FewGroupsExec::in_place_of(node).map(boxed) } else { Ok(None) };
    let flatten = || if on(|s| s.own_flatten) { FlattenExec::in_place_of(node).map(boxed) } else { Ok(None) };
    let unspilled = || UnspilledJoinExec::in_place_of(node).map(boxed);
    let hash = || PausingHashExec::in_place_of(node).map(boxed);
    let cross = || PausingCrossExec::in_place_of(node).map(boxed);
    let whole_window = || WholeWindowExec::in_place_of(node).map(boxed);
    let bounded_window = || BoundedWindowExec::in_place_of(node).map(boxed);
    let small = || gathered(node);
    let exchange = || if spills_apart(config) { Ok(None) } else { fed_by_one(node) };
    let joins: [&dyn Fn() -> Result<Option<Node>>; 4] = [&join, &unspilled, &hash, &cross];
    let others: [&dyn Fn() -> Result<Option<Node>>; 8] =
        [&window, &sort, &groups, &flatten, &whole_window, &bounded_window, &small, &exchange];
    let mut all = joins.iter().chain(&others);
    all.find_map(|made| made().transpose()).transpose()
}

/// Says whether each batch that an exchange spills has a file of its own ([`spill_apart`]).
fn spills_apart(config: &ConfigOptions) -> bool {
    config.execution.max_spill_file_size_bytes.get() == 1
}

/// Gives each batch that an exchange spills a file of its own.
///
/// Tasks that spill into the same partition of DataFusion 55.2 have a file each, of which its reader reads the oldest to the end; once all that was written to
/// it is read, the reader waits for more while the batch that it needs is in another, and all may end waiting for each other (apache/datafusion
/// #24883). A file with one batch has its end as soon as it can be read. Each of them is open until it is read, though, so that this is for
/// exchanges that hardly ever spill.
pub(super) fn spill_apart(config: &mut ConfigOptions) {
    if let Ok(one) = ConfigNonZeroUsize::try_new(1) {
        config.execution.max_spill_file_size_bytes = one;
    }
}

/// Returns an exchange by hash whose rows come from one task, so that there is one file at a time ([`spill_apart`] says why); what comes before it
/// still runs on all threads.
fn fed_by_one(node: &Node) -> Result<Option<Node>> {
    let Some(exchange) = node.downcast_ref::<RepartitionExec>() else { return Ok(None) };
    let inputs = exchange.input().output_partitioning().partition_count();
    if exchange.preserve_order() || inputs < 2 || !matches!(exchange.partitioning(), Partitioning::Hash(..)) {
        return Ok(None);
    }
    let input = Arc::new(CoalescePartitionsExec::new(Arc::clone(exchange.input())));
    Ok(Some(Arc::new(RepartitionExec::try_new(input, exchange.partitioning().clone())?)))
}

/// Returns an operator, if there is one, as a node.
pub(super) fn boxed(operator: Option<impl ExecutionPlan + 'static>) -> Option<Node> {
    operator.map(|operator| Arc::new(operator) as Node)
}

/// Makes the engine by which tests see that a session plans with an operator.
#[cfg(test)]
pub(super) fn engine(execution: super::Execution) -> super::Engine {
    let options = super::EngineOptions {
        as_of: chrono::DateTime::UNIX_EPOCH,
        time_zone: crate::zones::Tz::UTC,
        memory_limit_bytes: 64 << 20,
        spill_limit_bytes: 64 << 20,
        temporary_folder: None,
        threads: std::num::NonZeroUsize::MIN.saturating_add(1),
        leaves: super::Leaves::Read,
    };
    super::Engine::with_execution(options, execution).unwrap()
}

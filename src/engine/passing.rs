//! A node that leaves the rows of its input as they are, and has a hand in how they come.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::statistics::ChildStats;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};

use super::own::Node;

/// What a node does with the batches of its input.
pub(super) type Flow = dyn Fn(SendableRecordBatchStream, &TaskContext) -> SendableRecordBatchStream + Send + Sync;

/// The node.
pub(super) struct PassingExec {
    name: &'static str,
    input: Node,
    flow: Arc<Flow>,
}

impl PassingExec {
    /// Makes the node. The flow must give the same rows in the same order.
    pub(super) fn node(
        name: &'static str,
        input: Node,
        flow: impl Fn(SendableRecordBatchStream, &TaskContext) -> SendableRecordBatchStream + Send + Sync + 'static,
    ) -> Node {
        Arc::new(Self { name, input, flow: Arc::new(flow) })
    }
}

impl fmt::Debug for PassingExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl DisplayAs for PassingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl ExecutionPlan for PassingExec {
    fn name(&self) -> &'static str {
        self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Node> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn replace_children(self: Arc<Self>, children: Vec<Node>, _: ReplaceChildrenOptions) -> Result<Node> {
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name))?;
        Ok(Arc::new(Self { name: self.name, input, flow: Arc::clone(&self.flow) }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Node>) -> Result<Node> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok((self.flow)(self.input.execute(partition, Arc::clone(&context))?, &context))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let input = inputs.first().map(Arc::clone);
        input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name))
    }
}

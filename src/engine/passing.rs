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

/// What a node does with a partition of its input.
type Flow = dyn Fn(&Node, usize, Arc<TaskContext>) -> Result<SendableRecordBatchStream> + Send + Sync;

/// What a node promises of its input, and what it promised last.
type Shape = (fn(&Node) -> PlanProperties, Arc<PlanProperties>);

/// The node.
pub(super) struct PassingExec {
    name: &'static str,
    input: Node,
    /// What it promises where that is not what the input does: the partitions are then brought together.
    shape: Option<Shape>,
    flow: Arc<Flow>,
}

impl PassingExec {
    /// Makes the node. The flow must give the same rows in the same order.
    pub(super) fn node(
        name: &'static str,
        input: Node,
        flow: impl Fn(SendableRecordBatchStream, &TaskContext) -> SendableRecordBatchStream + Send + Sync + 'static,
    ) -> Node {
        let flow: Arc<Flow> = Arc::new(move |input, partition, context| {
            Ok(flow(input.execute(partition, Arc::clone(&context))?, &context))
        });
        Arc::new(Self { name, input, shape: None, flow })
    }

    /// Makes a node of one partition that has the rows of all partitions of its input; `shape` is what it promises of them.
    pub(super) fn of_all(
        name: &'static str,
        input: Node,
        shape: fn(&Node) -> PlanProperties,
        flow: impl Fn(&Node, Arc<TaskContext>) -> SendableRecordBatchStream + Send + Sync + 'static,
    ) -> Node {
        let flow: Arc<Flow> = Arc::new(move |input, _, context| Ok(flow(input, context)));
        let shape = Some((shape, Arc::new(shape(&input))));
        Arc::new(Self { name, input, shape, flow })
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
        self.shape.as_ref().map_or_else(|| self.input.properties(), |(_, properties)| properties)
    }

    fn children(&self) -> Vec<&Node> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![self.shape.is_none()]
    }

    fn replace_children(self: Arc<Self>, children: Vec<Node>, _: ReplaceChildrenOptions) -> Result<Node> {
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name))?;
        let shape = self.shape.as_ref().map(|(shape, _)| (*shape, Arc::new(shape(&input))));
        Ok(Arc::new(Self { name: self.name, input, shape, flow: Arc::clone(&self.flow) }))
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
        (self.flow)(&self.input, partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition.filter(|_| self.shape.is_none()))]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let input = inputs.first().map(Arc::clone);
        input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name))
    }
}

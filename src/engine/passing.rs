//! Nodes of one input whose rows go out as they come: what each has to do with them ([`Passing`]), and the frame that is around all of them.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::filter_pushdown::{ChildFilterDescription, FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::statistics::ChildStats;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};

use super::own::Node;

/// What a node does with the rows of its input. Unless it says otherwise it promises what that does, and keeps filters from it.
pub(super) trait Passing: Send + Sync + 'static {
    /// The name of the node in plans.
    fn name(&self) -> &'static str;

    /// Says more in plans, behind the name.
    fn describe(&self) -> &'static str {
        ""
    }

    /// Says what the node promises of its rows.
    fn properties(&self, input: &Node) -> Arc<PlanProperties> {
        Arc::clone(input.properties())
    }

    /// Says whether rows that are sorted below are so above, and a sort may go below.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Says whether a partition has the rows of one of the input, and not those of all.
    fn keeps_partitions(&self) -> bool {
        true
    }

    /// Says what is known of the rows by what is known of those of the input.
    fn statistics(&self, input: &Arc<Statistics>) -> Arc<Statistics> {
        Arc::clone(input)
    }

    /// Says by which columns filters above may leave out rows below; `None` for no filters at all.
    fn filtered_by(&self, _input: &Node) -> Option<HashSet<usize>> {
        None
    }

    /// Starts a partition.
    ///
    /// # Errors
    /// Inputs that do not start.
    fn execute(&self, input: &Node, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream>;
}

/// The node.
pub(super) struct PassingExec<P> {
    passing: Arc<P>,
    input: Node,
    properties: Arc<PlanProperties>,
}

impl<P: Passing> PassingExec<P> {
    /// Makes the node.
    pub(super) fn node(passing: P, input: Node) -> Node {
        Self::over(Arc::new(passing), input)
    }

    fn over(passing: Arc<P>, input: Node) -> Node {
        let properties = passing.properties(&input);
        Arc::new(Self { passing, input, properties })
    }

    /// What is done with the rows.
    pub(super) fn passing(&self) -> &P {
        &self.passing
    }

    /// Where the rows come from.
    pub(super) fn input(&self) -> &Node {
        &self.input
    }
}

impl<P: Passing> fmt::Debug for PassingExec<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.passing.name())?;
        f.write_str(self.passing.describe())
    }
}

impl<P: Passing> DisplayAs for PassingExec<P> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl<P: Passing> ExecutionPlan for PassingExec<P> {
    fn name(&self) -> &'static str {
        self.passing.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Node> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![self.passing.keeps_order()]
    }

    fn replace_children(self: Arc<Self>, children: Vec<Node>, _: ReplaceChildrenOptions) -> Result<Node> {
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name()))?;
        Ok(Self::over(Arc::clone(&self.passing), input))
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
        self.passing.execute(&self.input, partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition.filter(|_| self.passing.keeps_partitions()))]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let input = inputs.first().map(|input| self.passing.statistics(input));
        input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name()))
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let Some(columns) = self.passing.filtered_by(&self.input) else {
            return Ok(FilterDescription::all_unsupported(&filters, &self.children()));
        };
        let child = ChildFilterDescription::from_child_with_allowed_indices(&filters, columns, &self.input)?;
        Ok(FilterDescription::new().with_child(child))
    }
}

/// Makes a node that has a hand in how rows come: `flow` must give the same rows in the same order.
pub(super) fn flowing(
    name: &'static str,
    input: Node,
    flow: impl Fn(SendableRecordBatchStream, &TaskContext) -> SendableRecordBatchStream + Send + Sync + 'static,
) -> Node {
    PassingExec::node(Flowing { name, flow }, input)
}

struct Flowing<F> {
    name: &'static str,
    flow: F,
}

impl<F> Passing for Flowing<F>
where
    F: Fn(SendableRecordBatchStream, &TaskContext) -> SendableRecordBatchStream + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn execute(&self, input: &Node, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok((self.flow)(input.execute(partition, Arc::clone(&context))?, &context))
    }
}

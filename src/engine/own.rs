//! What operators of ours have in common: each stands in the place of one of DataFusion's.
//!
//! An [`Operator`] computes what a stock node would. [`OwnExec`] is the node around it: it keeps the stock one, whose requirements
//! and promises hold for it too, asks that for a new one when inputs change, and shows what was measured. An operator that finds
//! that it cannot go on hands its rows to a stock node ([`TakenOver`]).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::ChildStats;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
    StatisticsArgs,
};

/// A node of a plan.
pub type Node = Arc<dyn ExecutionPlan>;

/// Computes what a stock node would.
pub trait Operator: fmt::Debug + Send + Sync + Sized + 'static {
    /// The name of the node in plans.
    const NAME: &'static str;

    /// Makes the operator for a stock node; `None` where it does not give what that gives.
    ///
    /// # Errors
    /// Expressions that do not fit their input.
    fn of(stock: &Node) -> Result<Option<Self>>;

    /// Makes the operator anew for a stock node over other inputs.
    ///
    /// # Errors
    /// As [`Operator::of`].
    fn again(&self, stock: &Node) -> Result<Option<Self>> {
        Self::of(stock)
    }

    /// Says what is computed, behind the name.
    ///
    /// # Errors
    /// Those of the formatter.
    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Starts a partition.
    ///
    /// # Errors
    /// Inputs that do not start.
    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream>;
}

/// Where an operator stands.
#[derive(Debug)]
pub struct Place {
    /// The stock node.
    pub stock: Node,
    /// What is measured.
    pub metrics: ExecutionPlanMetricsSet,
    /// The stock nodes that went on where the operator could not.
    pub taken_over: TakenOver,
}

impl Place {
    /// Returns the first input.
    ///
    /// # Errors
    /// A node without inputs, which is a defect.
    pub fn input(&self) -> Result<Node> {
        let input = self.stock.children().first().copied().map(Arc::clone);
        input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.stock.name()))
    }

    /// What every operator measures of a partition.
    pub fn baseline(&self, partition: usize) -> BaselineMetrics {
        BaselineMetrics::new(&self.metrics, partition)
    }
}

/// Returns a stock node as what it is.
///
/// # Errors
/// Another kind of node, which is a defect.
pub fn known<T: ExecutionPlan>(stock: &Node) -> Result<&T> {
    stock.downcast_ref().ok_or_else(|| internal_datafusion_err!("an operator in place of {}", stock.name()))
}

/// Stock nodes that took over; kept for what they measure.
#[derive(Debug, Clone, Default)]
pub struct TakenOver(Arc<Mutex<Vec<Node>>>);

impl TakenOver {
    /// Notes a node.
    pub fn add(&self, stock: &Node) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(stock));
    }

    fn add_to(&self, metrics: &mut MetricsSet) {
        for stock in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            stock.metrics().iter().flat_map(MetricsSet::iter).for_each(|metric| metrics.push(Arc::clone(metric)));
        }
    }
}

/// The node of an operator of ours.
#[derive(Debug)]
pub struct OwnExec<O> {
    operator: O,
    place: Place,
}

impl<O: Operator> OwnExec<O> {
    /// Makes the node in place of a stock one; `None` where the operator is not for that.
    ///
    /// # Errors
    /// As [`Operator::of`].
    pub fn in_place_of(stock: &Node) -> Result<Option<Self>> {
        Ok(O::of(stock)?.map(|operator| Self::new(operator, stock)))
    }

    /// Makes the node of an operator that was made for a stock node.
    pub fn new(operator: O, stock: &Node) -> Self {
        let (metrics, taken_over) = (ExecutionPlanMetricsSet::new(), TakenOver::default());
        Self { operator, place: Place { stock: Arc::clone(stock), metrics, taken_over } }
    }

    /// Returns what is to stand in place of a stock node that changed: it may have become one that the operator is not for.
    fn instead_of(&self, stock: Node) -> Result<Node> {
        Ok(match self.operator.again(&stock)? {
            Some(operator) => Arc::new(Self::new(operator, &stock)),
            None => stock,
        })
    }
}

impl<O: Operator> DisplayAs for OwnExec<O> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(O::NAME)?;
        self.operator.describe(&self.place, f)
    }
}

impl<O: Operator> ExecutionPlan for OwnExec<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.place.stock.properties()
    }

    fn children(&self) -> Vec<&Node> {
        self.place.stock.children()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.place.stock.required_input_ordering()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.place.stock.input_distribution_requirements()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        self.place.stock.benefits_from_input_partitioning()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.place.stock.maintains_input_order()
    }

    fn replace_children(self: Arc<Self>, children: Vec<Node>, options: ReplaceChildrenOptions) -> Result<Node> {
        self.instead_of(Arc::clone(&self.place.stock).replace_children(children, options)?)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Node>) -> Result<Node> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn reset_state(self: Arc<Self>) -> Result<Node> {
        self.instead_of(Arc::clone(&self.place.stock).reset_state()?)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.place.stock.apply_expressions(f)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.place.stock.dynamic_expressions_produced()
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.operator.execute(&self.place, partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.place.metrics.clone_inner();
        self.place.taken_over.add_to(&mut metrics);
        Some(metrics)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.place.stock.child_stats_requests(partition)
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.place.stock.statistics_from_inputs(inputs, args)
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.place.stock.cardinality_effect()
    }
}

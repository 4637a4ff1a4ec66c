//! The operator: see the module.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::ChildStats;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, InputOrderMode, PlanProperties,
    ReplaceChildrenOptions, StatisticsArgs,
};
use futures::{StreamExt, ready, stream};

use super::function::{Function, is_known};
use super::rows::Rows;

/// Computes `lag`, `lead` and `row_number` over rows sorted by the window's partition.
#[derive(Debug)]
pub struct ShiftWindowExec {
    /// The stock operator in whose place this one stands: what it requires and promises holds here too.
    stock: Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
    functions: Arc<[Function]>,
    partition_by: Arc<[Arc<dyn PhysicalExpr>]>,
    metrics: ExecutionPlanMetricsSet,
}

impl ShiftWindowExec {
    /// Makes the operator that gives what a window operator gives; `None` where the node is another one, or has a function that
    /// is not known here.
    ///
    /// # Errors
    /// Expressions that do not fit their input.
    pub fn in_place_of(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() else { return Ok(None) };
        if window.input_order_mode != InputOrderMode::Sorted || window.state_observer().is_some() {
            return Ok(None);
        }
        let mut functions = Vec::with_capacity(window.window_expr().len());
        for expr in window.window_expr() {
            let Some(function) = Function::of(expr)? else { return Ok(None) };
            functions.push(function);
        }
        let input = Arc::clone(window.input());
        let schema = input.schema();
        let partition_by: Vec<_> =
            window.window_expr().first().map(|expr| expr.partition_by().to_vec()).unwrap_or_default();
        for key in &partition_by {
            if !is_known(&key.data_type(&schema)?) {
                return Ok(None);
            }
        }
        for function in &functions {
            if let Function::Neighbour(neighbour) = function
                && neighbour.value.data_type(&schema)? != neighbour.default.data_type()
            {
                return Ok(None);
            }
        }
        Ok(Some(Self {
            stock: Arc::clone(node),
            input,
            functions: functions.into(),
            partition_by: partition_by.into(),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }
}

impl DisplayAs for ShiftWindowExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.stock.downcast_ref::<BoundedWindowAggExec>().map(BoundedWindowAggExec::window_expr);
        let names: Vec<&str> = names.into_iter().flatten().map(|expr| expr.name()).collect();
        write!(f, "ShiftWindowExec: wdw=[{}]", names.join(", "))
    }
}

impl ExecutionPlan for ShiftWindowExec {
    fn name(&self) -> &'static str {
        "ShiftWindowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.stock.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.stock.required_input_ordering()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.stock.input_distribution_requirements()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let stock = Arc::clone(&self.stock).replace_children(children, options)?;
        // Over another input the window may have become one that is not for this operator.
        Ok(match Self::in_place_of(&stock)? {
            Some(shift) => Arc::new(shift),
            None => stock,
        })
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.stock.apply_expressions(f)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut input = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let mut rows = Rows::new(self.schema(), Arc::clone(&self.functions), Arc::clone(&self.partition_by));
        let batches = stream::poll_fn(move |cx| {
            loop {
                let next = {
                    let _timer = metrics.elapsed_compute().timer();
                    rows.next()
                };
                match next {
                    Ok(None) if rows.is_done() => return Poll::Ready(None),
                    Ok(None) => {}
                    given => return metrics.record_poll(Poll::Ready(given.transpose())),
                }
                match ready!(input.poll_next_unpin(cx)) {
                    Some(batch) => {
                        let _timer = metrics.elapsed_compute().timer();
                        if let Err(error) = batch.and_then(|batch| rows.push(batch)) {
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                    None => rows.end(),
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.stock.child_stats_requests(partition)
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.stock.statistics_from_inputs(inputs, args)
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}

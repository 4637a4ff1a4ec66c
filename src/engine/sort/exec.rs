//! The operator: see the module.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::common::{Result, Statistics};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::statistics::ChildStats;
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::prefix::{is_packed, sorted};
use crate::engine::held::{MOST_OFFSET_BYTES, copied_bytes, handed_over, offset_bytes};

/// Bytes that a row takes while its batch is sorted: its key, and its number in the result.
const ROW_BYTES: usize = 24 + 4;

/// Sorts rows by the first bits of their keys.
#[derive(Debug)]
pub struct PrefixSortExec {
    /// The stock operator in whose place this one stands: what it requires and promises holds here too.
    stock: Arc<dyn ExecutionPlan>,
    input: Arc<dyn ExecutionPlan>,
    ordering: LexOrdering,
    metrics: ExecutionPlanMetricsSet,
    /// The stock operators that took over, for what they measure.
    taken_over: Arc<Mutex<Vec<Arc<SortExec>>>>,
}

impl PrefixSortExec {
    /// Makes the operator that sorts as a stock one does; `None` where the node is another one, has a limit, or sorts first by a type
    /// that does not pack.
    ///
    /// # Errors
    /// Expressions that do not fit their input.
    pub fn in_place_of(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        let Some(sort) = node.downcast_ref::<SortExec>() else { return Ok(None) };
        let input = sort.input();
        let is_sorted = input.equivalence_properties().ordering_satisfy(sort.expr().clone())?;
        if sort.fetch().is_some() || is_sorted || !is_packed(&sort.expr().first().expr.data_type(&input.schema())?) {
            return Ok(None);
        }
        Ok(Some(Self {
            stock: Arc::clone(node),
            input: Arc::clone(input),
            ordering: sort.expr().clone(),
            metrics: ExecutionPlanMetricsSet::new(),
            taken_over: Arc::default(),
        }))
    }
}

impl DisplayAs for PrefixSortExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrefixSortExec: expr=[{}]", self.ordering)
    }
}

impl ExecutionPlan for PrefixSortExec {
    fn name(&self) -> &'static str {
        "PrefixSortExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.stock.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.stock.input_distribution_requirements()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        self.stock.benefits_from_input_partitioning()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let stock = Arc::clone(&self.stock).replace_children(children, options)?;
        Ok(match Self::in_place_of(&stock)? {
            Some(sort) => Arc::new(sort),
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
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let reservation = MemoryConsumer::new(format!("PrefixSort[{partition}]"))
            .with_can_spill(true)
            .register(context.memory_pool());
        let sort = Sort {
            schema: self.schema(),
            ordering: self.ordering.clone(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            batches: Vec::new(),
            rows: 0,
            offset_bytes: 0,
            counter: RecordBatchMemoryCounter::new(),
            reservation,
            context,
            taken_over: Arc::clone(&self.taken_over),
        };
        let batches = stream::once(sort.run(input)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.metrics.clone_inner();
        for sort in self.taken_over.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            sort.metrics().iter().flat_map(MetricsSet::iter).for_each(|metric| metrics.push(Arc::clone(metric)));
        }
        Some(metrics)
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

/// A sort of one partition.
struct Sort {
    schema: SchemaRef,
    ordering: LexOrdering,
    metrics: BaselineMetrics,
    /// What came so far.
    batches: Vec<RecordBatch>,
    rows: usize,
    /// Bytes of the columns that have offsets.
    offset_bytes: usize,
    counter: RecordBatchMemoryCounter,
    reservation: MemoryReservation,
    context: Arc<TaskContext>,
    taken_over: Arc<Mutex<Vec<Arc<SortExec>>>>,
}

impl Sort {
    /// Reads the input and returns its rows in order.
    async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        while let Some(batch) = input.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            self.rows += batch.num_rows();
            let bytes = self.counter.count_batch(&batch)
                + batch.columns().iter().map(copied_bytes).sum::<usize>()
                + batch.num_rows() * ROW_BYTES;
            self.offset_bytes += batch.columns().iter().map(offset_bytes).sum::<usize>();
            // Rows are numbered in 32 bits, and all become one batch.
            let is_addressed = u32::try_from(self.rows).is_ok() && self.offset_bytes <= MOST_OFFSET_BYTES;
            let fits = is_addressed && self.reservation.try_grow(bytes).is_ok();
            self.batches.push(batch);
            if !fits {
                return self.spill(input);
            }
        }
        drop(input);
        self.sort()
    }

    /// Sorts all that came.
    fn sort(self) -> Result<SendableRecordBatchStream> {
        let Self { schema, ordering, metrics, batches, reservation, context, .. } = self;
        if batches.is_empty() {
            return Ok(Box::pin(EmptyRecordBatchStream::new(schema)));
        }
        let timer = metrics.elapsed_compute().timer();
        let batch = concat_batches(&schema, &batches)?;
        drop(batches);
        let columns = ordering.iter().map(|key| key.evaluate_to_sort_column(&batch));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let order = UInt32Array::from(sorted(&columns, rows)?);
        drop(columns);
        timer.done();
        let batch_size = context.session_config().batch_size();
        let slices = (0..order.len()).step_by(batch_size.max(1));
        let slices = slices.map(move |from| {
            // Held until the last row is given out.
            let _ = &reservation;
            let _timer = metrics.elapsed_compute().timer();
            let rows = order.slice(from, batch_size.min(order.len() - from));
            Ok(take_record_batch(&batch, &rows)?.record_output(&metrics))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(slices))))
    }

    /// Gives what came and what is to come to the stock operator.
    fn spill(self, input: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        let Self { schema, ordering, batches, reservation, context, taken_over, .. } = self;
        // It takes memory for merging at once. What is held here goes over to it batch by batch, and is counted there.
        drop(reservation);
        let sort = Arc::new(SortExec::new(ordering, handed_over(schema, batches, input)?));
        taken_over.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&sort));
        sort.execute(0, context)
    }
}

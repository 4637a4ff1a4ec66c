//! The operator: see the module.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchStreamAdapter};
use futures::{StreamExt, TryStreamExt, stream};

use super::prefix::{is_packed, sorted};
use crate::engine::held::{MOST_OFFSET_BYTES, copied_bytes, handed_over, lean, offset_bytes, overhead_bytes};
use crate::engine::own::{Node, Operator, OwnExec, Place, TakenOver};

/// The operator's node.
pub type PrefixSortExec = OwnExec<PrefixSort>;

/// Bytes that a row takes while its batch is sorted: its key, and its number in the result.
const ROW_BYTES: usize = 24 + 4;

/// Sorts rows by the first bits of their keys.
#[derive(Debug)]
pub struct PrefixSort {
    ordering: LexOrdering,
}

impl Operator for PrefixSort {
    const NAME: &'static str = "PrefixSortExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        let Some(sort) = stock.downcast_ref::<SortExec>() else { return Ok(None) };
        let input = sort.input();
        let is_sorted = input.equivalence_properties().ordering_satisfy(sort.expr().clone())?;
        if sort.fetch().is_some() || is_sorted || !is_packed(&sort.expr().first().expr.data_type(&input.schema())?) {
            return Ok(None);
        }
        Ok(Some(Self { ordering: sort.expr().clone() }))
    }

    fn describe(&self, _: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ": expr=[{}]", self.ordering)
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = place.input()?.execute(partition, Arc::clone(&context))?;
        let task = Arc::clone(&context);
        let reservation = MemoryConsumer::new(format!("PrefixSort[{partition}]"))
            .with_can_spill(true)
            .register(context.memory_pool());
        let sort = Sort {
            schema: place.stock.schema(),
            ordering: self.ordering.clone(),
            metrics: place.baseline(partition),
            batches: Vec::new(),
            rows: 0,
            offset_bytes: 0,
            counter: RecordBatchMemoryCounter::new(),
            reservation,
            context,
            taken_over: place.taken_over.clone(),
        };
        let batches = stream::once(sort.run(input)).try_flatten();
        let batches = Box::pin(RecordBatchStreamAdapter::new(place.stock.schema(), batches));
        Ok(lean(batches, place.stock.output_partitioning().partition_count(), &task))
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
    taken_over: TakenOver,
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
                + overhead_bytes(&batch)
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
        let sort: Node = Arc::new(SortExec::new(ordering, handed_over(schema, batches, input)?));
        taken_over.add(&sort);
        sort.execute(0, context)
    }
}

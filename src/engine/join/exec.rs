//! The operator: see the module.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;

use datafusion::common::{DataFusionError, JoinType, NullEquality, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, MetricBuilder};
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchStreamAdapter};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryStreamExt, ready, stream};

use super::build::{Build, Collected};
use super::key_filter::KeyFilter;
use super::probe::Probe;
use super::terms::Terms;
use crate::engine::held::handed_over;
use crate::engine::own::{Node, Operator, OwnExec, Place, known};

/// The operator's node.
pub type IntervalJoinExec = OwnExec<IntervalJoin>;

/// Steps of the probe that give no output batch, after which the task yields to others.
const MOST_PIECES: usize = 16;

/// A build side that is collected once, and awaited by every partition that probes it.
type Building = Shared<BoxFuture<'static, Result<Side, Arc<DataFusionError>>>>;

/// Who joins: this operator with a build side that fits into memory, or the stock operator, which took over what was read of it.
#[derive(Debug, Clone)]
enum Side {
    Ready(Arc<Build>),
    TakenOver(Node),
}

/// The range join: see the module.
#[derive(Debug)]
pub struct IntervalJoin {
    left: Node,
    right: Node,
    mode: PartitionMode,
    terms: Arc<Terms>,
    /// The build side, where all partitions share one.
    shared: Mutex<Option<Building>>,
    /// The dynamic filter of the probe side's scan, found by the first partition that runs.
    key_filter: OnceLock<Option<Arc<KeyFilter>>>,
}

impl IntervalJoin {
    /// Makes an operator that sees some bits of each hash alone, so that keys collide.
    #[cfg(test)]
    pub(super) fn with_hash_mask(mut self, hash_mask: u64) -> Self {
        if let Some(terms) = Arc::get_mut(&mut self.terms) {
            terms.hash_mask = hash_mask;
        }
        self
    }

    /// Reads the build side of a partition.
    fn build(&self, place: &Place, partition: usize, context: &Arc<TaskContext>) -> Result<Building> {
        if self.mode != PartitionMode::CollectLeft {
            return self.start_build(place, partition, format!("IntervalJoinInput[{partition}]"), context);
        }
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(building) = &*shared {
            return Ok(building.clone());
        }
        let building = self.start_build(place, 0, "IntervalJoinInput".to_owned(), context)?;
        *shared = Some(building.clone());
        Ok(building)
    }

    fn start_build(
        &self,
        place: &Place,
        partition: usize,
        consumer: String,
        context: &Arc<TaskContext>,
    ) -> Result<Building> {
        let input = self.left.execute(partition, Arc::clone(context))?;
        let reservation = MemoryConsumer::new(consumer).register(context.memory_pool());
        let build_time = MetricBuilder::new(&place.metrics).subset_time("build_time", partition);
        // Not by the stock operator's name, which stands for another kind of metric.
        let sorted_bytes = MetricBuilder::new(&place.metrics).gauge("sorted_bytes", partition);
        let (stock, right) = (Arc::clone(&place.stock), Arc::clone(&self.right));
        let (terms, taken_over) = (Arc::clone(&self.terms), place.taken_over.clone());
        let key_filter = self.key_filter(&place.stock, context)?;
        let build = async move {
            match Build::collect(&terms, input, reservation, &build_time).await? {
                Collected::Ready(build) => {
                    sorted_bytes.set(build.reserved_bytes());
                    if let Some(filter) = key_filter {
                        filter.report(Some(&build));
                    }
                    Ok(Side::Ready(Arc::new(build)))
                }
                Collected::TooLarge { batches, rest } => {
                    if let Some(filter) = key_filter {
                        filter.report(None);
                    }
                    let left = handed_over(rest.schema(), batches, rest)?;
                    let join: Node = Arc::new(stock_join(&stock, left, right)?);
                    taken_over.add(&join);
                    Ok(Side::TakenOver(join))
                }
            }
        };
        Ok(build.map(|side: Result<Side>| side.map_err(Arc::new)).boxed().shared())
    }

    /// Finds the dynamic filter that the build side's keys put on the probe side's scan.
    fn key_filter(&self, stock: &Node, context: &TaskContext) -> Result<Option<Arc<KeyFilter>>> {
        if let Some(known) = self.key_filter.get() {
            return Ok(known.clone());
        }
        let builds = match self.mode {
            PartitionMode::CollectLeft => 1,
            _ => self.left.output_partitioning().partition_count(),
        };
        let most_values = context.session_config().options().optimizer.hash_join_inlist_pushdown_max_distinct_values;
        let found = KeyFilter::of(stock.as_ref(), &self.right, &self.terms, builds, most_values)?.map(Arc::new);
        Ok(self.key_filter.get_or_init(|| found).clone())
    }
}

/// Makes a stock operator over a build side that was read in part. It fills no dynamic filter: it would wait for the other partitions, which
/// this operator runs.
fn stock_join(stock: &Node, left: Node, right: Node) -> Result<HashJoinExec> {
    let stock: &HashJoinExec = known(stock)?;
    HashJoinExec::try_new(
        left,
        right,
        stock.on().to_vec(),
        stock.filter().cloned(),
        &JoinType::Inner,
        stock.projection.as_ref().map(|projection| projection.to_vec()),
        // What was read is one partition, whatever partition of the probe side it is for.
        PartitionMode::CollectLeft,
        NullEquality::NullEqualsNothing,
        false,
    )
}

impl Operator for IntervalJoin {
    const NAME: &'static str = "IntervalJoinExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        let Some(join) = stock.downcast_ref::<HashJoinExec>() else { return Ok(None) };
        let Some(terms) = Terms::of(join)? else { return Ok(None) };
        Ok(Some(Self {
            left: Arc::clone(join.left()),
            right: Arc::clone(join.right()),
            mode: *join.partition_mode(),
            terms: Arc::new(terms),
            shared: Mutex::new(None),
            key_filter: OnceLock::new(),
        }))
    }

    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self.terms.left_keys.iter().zip(&self.terms.right_keys);
        let on: Vec<String> = on.map(|(left, right)| format!("({left}, {right})")).collect();
        let (mode, on, bounds) = (self.mode, on.join(", "), &self.terms.bounds);
        write!(f, ": mode={mode:?}, on=[{on}], between=[{bounds}]")?;
        if !bounds.is_whole {
            write!(f, ", filter={}", self.terms.filter.expression())?;
        }
        if place.stock.downcast_ref::<HashJoinExec>().is_some_and(HashJoinExec::contains_projection) {
            let names: Vec<&str> = self.terms.schema.fields().iter().map(|field| field.name().as_str()).collect();
            write!(f, ", projection=[{}]", names.join(", "))?;
        }
        Ok(())
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let building = self.build(place, partition, &context)?;
        let metrics = place.baseline(partition);
        let (terms, right) = (Arc::clone(&self.terms), Arc::clone(&self.right));
        // The probe side starts when the build side is collected: its scan then sees the filter, and the stock operator may be the one
        // to start it.
        let batches = stream::once(async move {
            match building.await.map_err(DataFusionError::Shared)? {
                Side::TakenOver(join) => join.execute(partition, context),
                Side::Ready(build) if build.is_empty() => {
                    Ok(Box::pin(EmptyRecordBatchStream::new(Arc::clone(&terms.schema))) as SendableRecordBatchStream)
                }
                Side::Ready(build) => {
                    let probe = Probe::new(terms, build, context.session_config().batch_size());
                    Ok(joined(probe, right.execute(partition, context)?, metrics))
                }
            }
        });
        // One batch of each side may make thousands: whoever takes them is to pause between, so that a query can be stopped.
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(place.stock.schema(), batches.try_flatten()))))
    }
}

/// Probes the build side with a partition of the probe side.
fn joined(
    mut probe: Probe,
    mut right: SendableRecordBatchStream,
    metrics: BaselineMetrics,
) -> SendableRecordBatchStream {
    let schema = probe.schema();
    let mut is_ended = false;
    let batches = stream::poll_fn(move |cx| {
        let mut pieces = 0;
        loop {
            if let Some(batch) = probe.next_batch() {
                return metrics.record_poll(Poll::Ready(Some(Ok(batch))));
            }
            if !probe.needs_input() {
                if pieces == MOST_PIECES {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                pieces += 1;
                let _timer = metrics.elapsed_compute().timer();
                if let Err(error) = probe.advance() {
                    return Poll::Ready(Some(Err(error)));
                }
                continue;
            }
            if is_ended {
                return Poll::Ready(None);
            }
            let next = ready!(right.poll_next_unpin(cx));
            let _timer = metrics.elapsed_compute().timer();
            let is_taken = match next {
                Some(batch) => batch.and_then(|batch| probe.push(batch)),
                None => {
                    is_ended = true;
                    probe.end()
                }
            };
            if let Err(error) = is_taken {
                return Poll::Ready(Some(Err(error)));
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

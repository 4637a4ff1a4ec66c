//! The operator: see the module.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, UInt32Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput};
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};
use futures::{StreamExt, TryStreamExt, stream};

use super::MOST_GROUPS;
use super::intern::{Pairs, Values};
use crate::engine::held::handed_over;
use crate::engine::own::{Node, Operator, OwnExec, Place, TakenOver, known};

/// The operator's node.
pub type FewGroupsExec = OwnExec<FewGroups>;

/// Aggregates whose state takes the same bytes however many rows a group has.
const KNOWN_AGGREGATES: [&str; 5] = ["avg", "count", "max", "min", "sum"];

/// Makes the first half of an aggregation where there are few groups.
#[derive(Debug)]
pub struct FewGroups {
    /// Groups of a partition beyond which the stock operator goes on.
    most: usize,
}

impl FewGroups {
    /// Makes the operator that gives what a stock one gives, up to so many groups of a partition; `None` where the node is another
    /// one, or has a key or an aggregate that is not known here.
    ///
    /// # Errors
    /// Expressions that do not fit their input.
    pub fn up_to(most: usize, node: &Node) -> Result<Option<Self>> {
        let Some(stock) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
        let groups = stock.group_expr();
        let is_plain = *stock.mode() == AggregateMode::Partial
            && *stock.input_order_mode() == InputOrderMode::Linear
            && stock.limit_options().is_none()
            && groups.is_single()
            && !groups.expr().is_empty();
        let is_known = stock.aggr_expr().iter().all(|aggregate| {
            KNOWN_AGGREGATES.contains(&aggregate.fun().name())
                && !aggregate.is_distinct()
                && aggregate.order_bys().is_empty()
                && aggregate.groups_accumulator_supported()
        });
        if !is_plain || !is_known {
            return Ok(None);
        }
        for (key, _) in groups.expr() {
            if Values::new(&key.data_type(&stock.input().schema())?).is_none() {
                return Ok(None);
            }
        }
        Ok(Some(Self { most }))
    }
}

impl Operator for FewGroups {
    const NAME: &'static str = "FewGroupsExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        Self::up_to(MOST_GROUPS, stock)
    }

    fn again(&self, stock: &Node) -> Result<Option<Self>> {
        // Over sorted input the stock operator has less to do.
        Self::up_to(self.most, stock)
    }

    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(stock) = known::<AggregateExec>(&place.stock) else { return Ok(()) };
        let keys = stock.group_expr().expr().iter().map(|(key, name)| format!("{key} as {name}"));
        let aggregates: Vec<_> = stock.aggr_expr().iter().map(|aggregate| aggregate.name()).collect();
        let keys: Vec<_> = keys.collect();
        write!(f, ": gby=[{}], aggr=[{}]", keys.join(", "), aggregates.join(", "))
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let stock: &AggregateExec = known(&place.stock)?;
        let input = stock.input().execute(partition, Arc::clone(&context))?;
        let keys: Vec<_> = stock.group_expr().expr().iter().map(|(key, _)| Arc::clone(key)).collect();
        let mut groups = Groups::new(&keys, &stock.input().schema())?;
        for (aggregate, filter) in stock.aggr_expr().iter().zip(stock.filter_expr()) {
            groups.aggregates.push(Aggregate {
                arguments: aggregate.expressions(),
                filter: filter.clone(),
                state: aggregate.create_groups_accumulator()?,
            });
        }
        let run = Run {
            schema: place.stock.schema(),
            keys,
            groups,
            most: self.most,
            metrics: place.baseline(partition),
            reservation: MemoryConsumer::new(format!("FewGroups[{partition}]"))
                .with_can_spill(true)
                .register(context.memory_pool()),
            context,
            stock: Arc::clone(&place.stock),
            taken_over: place.taken_over.clone(),
        };
        let batches = stream::once(run.run(input)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(place.stock.schema(), batches)))
    }
}

struct Aggregate {
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    state: Box<dyn GroupsAccumulator>,
}

/// The groups of one partition.
struct Groups {
    /// The values of each key.
    values: Vec<Values>,
    /// For each key but the first, the pairs of what the keys before it come to and its own codes.
    pairs: Vec<Pairs>,
    aggregates: Vec<Aggregate>,
    /// Of the newest batch: the codes of the keys so far, those of one key, and the groups.
    codes: Vec<u32>,
    of_key: Vec<u32>,
    of_rows: Vec<usize>,
}

impl Groups {
    fn new(keys: &[Arc<dyn PhysicalExpr>], schema: &SchemaRef) -> Result<Self> {
        let values = keys.iter().map(|key| {
            let data_type = key.data_type(schema)?;
            Values::new(&data_type).ok_or_else(|| internal_datafusion_err!("groups of {data_type}"))
        });
        Ok(Self {
            values: values.collect::<Result<_>>()?,
            pairs: keys.iter().skip(1).map(|_| Pairs::default()).collect(),
            aggregates: Vec::new(),
            codes: Vec::new(),
            of_key: Vec::new(),
            of_rows: Vec::new(),
        })
    }

    fn len(&self) -> usize {
        self.pairs.last().map_or_else(|| self.values.first().map_or(0, Values::len), Pairs::len)
    }

    /// Bytes that are held, about.
    fn bytes(&self) -> usize {
        self.values.iter().map(Values::bytes).sum::<usize>()
            + self.pairs.iter().map(Pairs::bytes).sum::<usize>()
            + self.aggregates.iter().map(|aggregate| aggregate.state.size()).sum::<usize>()
            + (self.codes.capacity() + self.of_key.capacity()) * 4
            + self.of_rows.capacity() * 8
    }

    /// Takes the rows of a batch in.
    fn add(&mut self, keys: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        for (number, (key, values)) in keys.iter().zip(&mut self.values).enumerate() {
            let column = key.evaluate(batch)?.into_array(rows)?;
            match number.checked_sub(1).and_then(|before| self.pairs.get_mut(before)) {
                None => values.intern(&column, &mut self.codes)?,
                Some(pairs) => {
                    values.intern(&column, &mut self.of_key)?;
                    pairs.intern(&mut self.codes, &self.of_key);
                }
            }
        }
        self.of_rows.clear();
        self.of_rows.extend(self.codes.iter().map(|code| *code as usize));
        let count = self.len();
        for aggregate in &mut self.aggregates {
            let arguments = aggregate.arguments.iter().map(|argument| argument.evaluate(batch)?.into_array(rows));
            let arguments = arguments.collect::<Result<Vec<_>>>()?;
            let filter = match &aggregate.filter {
                Some(filter) => Some(filter.evaluate(batch)?.into_array(rows)?),
                None => None,
            };
            let filter: Option<&BooleanArray> = filter.as_ref().map(|filter| filter.as_boolean());
            aggregate.state.update_batch(&arguments, &self.of_rows, filter, count)?;
        }
        Ok(())
    }

    /// Returns the keys and states of all groups, in the order in which these were met.
    fn state(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let count = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let mut codes: Vec<u32> = (0..count).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for (number, values) in self.values.iter().enumerate().rev() {
            let of_key: UInt32Array = match number.checked_sub(1).and_then(|before| self.pairs.get(before)) {
                None => codes.iter().copied().collect(),
                Some(pairs) => {
                    let of_key = codes.iter_mut().map(|code| {
                        let (left, right) = pairs.pair(*code)?;
                        *code = left;
                        Some(right)
                    });
                    of_key.collect()
                }
            };
            columns.push(values.column(&of_key)?);
        }
        columns.reverse();
        for aggregate in &mut self.aggregates {
            columns.extend(aggregate.state.state(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

/// The work on one partition.
struct Run {
    schema: SchemaRef,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    groups: Groups,
    most: usize,
    metrics: BaselineMetrics,
    reservation: MemoryReservation,
    context: Arc<TaskContext>,
    stock: Arc<dyn ExecutionPlan>,
    taken_over: TakenOver,
}

impl Run {
    /// Reads the input and returns the states of its groups; what the stock operator makes of the rest comes behind.
    async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let timer = self.metrics.elapsed_compute().timer();
            self.groups.add(&self.keys, &batch)?;
            timer.done();
            let fits = self.groups.len() <= self.most && self.reservation.try_resize(self.groups.bytes()).is_ok();
            if !fits {
                let (schema, rest) = (Arc::clone(&self.schema), self.rest(input)?);
                return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, self.states()?.chain(rest))));
            }
        }
        drop(input);
        self.states()
    }

    /// Returns the states of the groups.
    fn states(self) -> Result<SendableRecordBatchStream> {
        let Self { schema, groups, metrics, reservation, context, .. } = self;
        if groups.len() == 0 {
            return Ok(Box::pin(EmptyRecordBatchStream::new(schema)));
        }
        let timer = metrics.elapsed_compute().timer();
        let states = groups.state(&schema)?;
        timer.done();
        let batch_size = context.session_config().batch_size().max(1);
        let slices = (0..states.num_rows()).step_by(batch_size).map(move |from| {
            // Held until the last group is given out.
            let _ = &reservation;
            Ok(states.slice(from, batch_size.min(states.num_rows() - from)).record_output(&metrics))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(slices))))
    }

    /// Returns what the stock operator makes of the rows that are still to come.
    fn rest(&self, input: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        let stock: &AggregateExec = known(&self.stock)?;
        let stock: Node = Arc::new(AggregateExec::try_new(
            AggregateMode::Partial,
            stock.group_expr().clone(),
            stock.aggr_expr().to_vec(),
            stock.filter_expr().to_vec(),
            handed_over(input.schema(), Vec::new(), input)?,
            stock.input_schema(),
        )?);
        self.taken_over.add(&stock);
        stock.execute(0, Arc::clone(&self.context))
    }
}

//! Lets joins pause, so that a query can be stopped in the midst of one.
//!
//! A thread hears that nobody waits for its work any more where an operator pauses. Scans do, but one batch of each side of a join may make
//! millions of pairs, which whatever adds them up takes without a pause, or of which none passes the filter. So what comes out of a join counts
//! as work, and the batches that it probes with are cut where they would make more pairs than [`PAIRS`]: it asks for the next one, and pauses.
//! Where rows meet few others, as they do as a rule, nothing is cut. Rows and their order are those of the stock operators.
//!
//! What is not parted: the table that a hash join makes of its build side, and the sort of what is in memory.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Poll;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec};
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ReplaceChildrenOptions};
use futures::{StreamExt, ready, stream};

use super::own::{Node, Operator, OwnExec, Place};
use super::passing::flowing;

/// Pairs of rows that a join makes between two pauses, about: some hundredths of a second.
const PAIRS: usize = 1 << 18;
/// Rows of the first piece that a hash join probes with, by which it is seen how many others a row meets.
const FIRST_ROWS: usize = 16;

/// The node of a hash join that pauses.
pub type PausingHashExec = OwnExec<PausingHash>;
/// The node of a cross join that pauses.
pub type PausingCrossExec = OwnExec<PausingCross>;

/// A hash join that pauses.
#[derive(Debug)]
pub struct PausingHash {
    /// The stock join, over a probe side in pieces.
    join: Node,
}

impl Operator for PausingHash {
    const NAME: &'static str = "HashJoinExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        let Some(join) = stock.downcast_ref::<HashJoinExec>() else { return Ok(None) };
        let measured = Arc::<OnceLock<Weak<dyn ExecutionPlan>>>::default();
        let fan_out = {
            let measured = Arc::clone(&measured);
            move || measured.get().and_then(Weak::upgrade).and_then(|join| fan_out(&join))
        };
        let right = in_pieces(Arc::clone(join.right()), move |piece| match (fan_out(), piece) {
            (Some(met), _) => PAIRS / met.max(1),
            (None, Piece::First) => FIRST_ROWS,
            // Of what came none has met any.
            (None, Piece::Later) => PAIRS,
        });
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
        let join = Arc::clone(stock).replace_children(vec![Arc::clone(join.left()), right], options)?;
        let _ = measured.set(Arc::downgrade(&join));
        Ok(Some(Self { join }))
    }

    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_own_words::<HashJoinExec>(place, Self::NAME, f)
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition == 0 {
            place.taken_over.add(&self.join);
        }
        let rows = self.join.execute(partition, context)?;
        // What is executed does not hold the plan, and the plan is dropped behind it: the pieces are as large as the join measured.
        let (schema, join) = (rows.schema(), Arc::clone(&self.join));
        let rows = rows.inspect(move |_| {
            let _kept = &join;
        });
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, rows))))
    }
}

/// The rows that a row of the probe side meets on average, once some have been looked up.
fn fan_out(join: &Node) -> Option<usize> {
    let metrics = join.metrics()?;
    let (mut pairs, mut rows) = (0_usize, 0_usize);
    for metric in metrics.iter() {
        if let MetricValue::Ratio { name, ratio_metrics } = metric.value()
            && name == "avg_fanout"
        {
            pairs += ratio_metrics.part();
            rows += ratio_metrics.total();
        }
    }
    pairs.checked_div(rows)
}

/// A cross join that pauses.
#[derive(Debug)]
pub struct PausingCross;

impl Operator for PausingCross {
    const NAME: &'static str = "CrossJoinExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        Ok(stock.is::<CrossJoinExec>().then_some(Self))
    }

    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_own_words::<CrossJoinExec>(place, Self::NAME, f)
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition == 0 {
            place.taken_over.add(&place.stock);
        }
        Ok(make_cooperative(place.stock.execute(partition, context)?))
    }
}

/// The inputs of a join without keys: one side whose rows are counted, and the other in pieces, each of which makes a bounded number of pairs with all
/// of those.
pub fn sides(left: Node, right: Node) -> [Node; 2] {
    let (counting, counted) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let reading = Arc::clone(&counted);
    let left = flowing("CountedExec", left, move |rows, _| {
        // It may be read again, where memory is short.
        counting.store(0, Ordering::Relaxed);
        let (schema, counting, counted) = (rows.schema(), Arc::clone(&counting), Arc::clone(&counted));
        let rows = rows.inspect(move |batch| {
            let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
            let all = counting.fetch_add(rows, Ordering::Relaxed) + rows;
            counted.fetch_max(all, Ordering::Relaxed);
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    });
    let right = in_pieces(right, move |_| PAIRS / reading.load(Ordering::Relaxed).max(1));
    [left, right]
}

/// Which piece of a partition comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    First,
    Later,
}

/// Gives out the rows of a node in pieces of as many rows as `most` says each time, one at least. Where a batch was cut, the next piece comes after a
/// pause.
fn in_pieces(input: Node, most: impl Fn(Piece) -> usize + Send + Sync + 'static) -> Node {
    let most = Arc::new(most);
    flowing("PiecesExec", input, move |mut rows, _| {
        let (schema, most) = (rows.schema(), Arc::clone(&most));
        let mut rest: Option<RecordBatch> = None;
        let (mut is_to_pause, mut piece) = (false, Piece::First);
        let pieces = stream::poll_fn(move |cx| {
            if std::mem::take(&mut is_to_pause) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let batch = match rest.take() {
                Some(batch) => batch,
                None => match ready!(rows.poll_next_unpin(cx)) {
                    Some(Ok(batch)) => batch,
                    other => return Poll::Ready(other),
                },
            };
            let most = most(std::mem::replace(&mut piece, Piece::Later)).max(1);
            if batch.num_rows() <= most {
                return Poll::Ready(Some(Ok(batch)));
            }
            is_to_pause = true;
            rest = Some(batch.slice(most, batch.num_rows() - most));
            Poll::Ready(Some(Ok(batch.slice(0, most))))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, pieces))
    })
}

/// Says of a stock node what it says of itself behind its name.
pub fn in_own_words<T: ExecutionPlan + DisplayAs>(
    place: &Place,
    name: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let Some(stock) = place.stock.downcast_ref::<T>() else { return Ok(()) };
    let words = Words(stock).to_string();
    f.write_str(words.strip_prefix(name).unwrap_or(&words))
}

/// Writes a node as a line of a plan.
struct Words<'n, T>(&'n T);

impl<T: DisplayAs> fmt::Display for Words<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as(DisplayFormatType::Default, f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datafusion::physical_plan::execute_stream;
    use futures::StreamExt;

    use crate::engine::Engine;
    use crate::engine::limits_tests::engine;

    async fn with_tables() -> Engine {
        let engine = engine(1, 1 << 30).await;
        for table in ["n as select value as v, value % 3 as k from generate_series(1, 20000)", "few as select 1 as one"]
        {
            engine.context().sql(&format!("create table {table}")).await.unwrap().collect().await.unwrap();
        }
        engine
    }

    /// Joins of which each would compute for minutes.
    const LONG: [&str; 6] = [
        "select count(*) from n a join n b on a.k = b.k and a.v + b.v < 0",
        "select count(*), max(a.v + b.v) from n a join n b on a.k = b.k cross join n c",
        "select count(*) from n a join n b on a.v + b.v < 0 cross join n c",
        "select count(*) from n a left join n b on a.v * b.v < 0 where b.v is null or b.v > 0",
        "select max(a.v + b.v) from n a cross join n b cross join few",
        "select count(*) from n a where exists (select 1 from n b where a.k = b.k and a.v + b.v < 0)",
    ];

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn joins_are_stopped_where_they_would_compute_for_long() {
        let engine = with_tables().await;
        for sql in LONG {
            let plan = engine.context().sql(sql).await.unwrap().create_physical_plan().await.unwrap();
            let mut rows = execute_stream(plan, engine.context().task_ctx()).unwrap();
            let task = tokio::spawn(async move { rows.next().await.map(|batch| batch.map(|batch| batch.num_rows())) });
            // Long enough for more than the first pieces, which are small in any case.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(!task.is_finished(), "{sql}");
            task.abort();
            // Much less than it would compute for; without a pause it would never be over.
            let ended = tokio::time::timeout(Duration::from_secs(60), task).await.expect(sql);
            assert!(ended.unwrap_err().is_cancelled(), "{sql}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn joins_in_pieces_have_the_rows_of_the_stock_operators_in_their_order() {
        let engine = with_tables().await;
        let context = engine.context();
        for (sql, rows) in [
            // 200 rows that each meet 6,667: each piece has some 39.
            ("select count(*), sum(a.v) from n a join n b on a.k = b.k where a.v <= 200", "1333334, 134000067"),
            (
                "select count(*), sum(b.v) from n a join n b on a.k = b.k and a.v < b.v where a.v <= 100",
                "664950, 6666941061",
            ),
            (
                "select count(*), count(b.v) from n a left join (select v from n where v > 19900) b on a.v + 19900 < b.v",
                "24851, 4950",
            ),
            (
                "select count(*), sum(a.v) from n a right join (select v from n where v > 19900) b on a.v + 19900 < b.v",
                "4951, 166650",
            ),
            ("select count(*), sum(a.v) from n a cross join (select v from n where v <= 30) b", "600000, 6000300000"),
        ] {
            let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
            let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
            let line = text.lines().nth(3).unwrap_or_default();
            let values: Vec<&str> = line.split('|').map(str::trim).filter(|value| !value.is_empty()).collect();
            assert_eq!(values.join(", "), rows, "{sql}");
        }
        let ordered = "select b.v from n a join n b on a.k = b.k where a.v <= 3 limit 5";
        let plan = context.sql(ordered).await.unwrap().create_physical_plan().await.unwrap();
        let shown = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        assert!(shown.contains("HashJoinExec: mode=") && !shown.contains("PiecesExec"), "{shown}");
    }
}

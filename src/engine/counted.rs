//! Counts what windows hold, which DataFusion does not.
//!
//! `WindowAggExec` of DataFusion 55.2 keeps all rows of its input and makes one batch of them; `BoundedWindowAggExec` keeps rows until their
//! frames are known. Neither asks for memory, so that a limit said nothing of them. [`Counted`] runs the stock node over an input
//! whose rows are counted as they come, and takes those that came out off again; beyond the limit the query ends with the error that names it.
//!
//! Limits: what a bounded window keeps of rows that are out already, for frames that reach back, is not counted.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{DisplayFormatType, ReplaceChildrenOptions};
use futures::StreamExt;

use super::held::{copied_bytes, overhead_bytes};
use super::own::{Node, Operator, OwnExec, Place};
use super::passing::flowing;

/// The node of windows that need all rows.
pub type WholeWindowExec = OwnExec<Counted<false>>;
/// The node of windows that give rows out as their frames end.
pub type BoundedWindowExec = OwnExec<Counted<true>>;

/// Bytes that a value of a window's column takes.
const VALUE_BYTES: usize = 16;

/// Runs a window, and counts its rows.
#[derive(Debug)]
pub struct Counted<const IS_BOUNDED: bool>;

impl<const IS_BOUNDED: bool> Operator for Counted<IS_BOUNDED> {
    const NAME: &'static str = if IS_BOUNDED { "BoundedWindowAggExec" } else { "WindowAggExec" };

    fn of(stock: &Node) -> Result<Option<Self>> {
        let is_meant = if IS_BOUNDED { stock.is::<BoundedWindowAggExec>() } else { stock.is::<WindowAggExec>() };
        Ok(is_meant.then_some(Self))
    }

    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The stock node's own words, but for its name.
        let words = Words(&place.stock).to_string();
        f.write_str(words.strip_prefix(Self::NAME).unwrap_or(&words))
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = place.input()?;
        let reservation = MemoryConsumer::new(format!("{}[{partition}]", Self::NAME)).register(context.memory_pool());
        let added = place.stock.schema().fields().len().saturating_sub(input.schema().fields().len());
        let held = Arc::new(Held { reservation, added, count: Mutex::default() });
        let taking = Arc::clone(&held);
        let counted = flowing("CountedExec", input, move |rows, _| {
            let (schema, taking) = (rows.schema(), Arc::clone(&taking));
            let rows = rows.map(move |batch| {
                let batch = batch?;
                taking.take_in(&batch)?;
                Ok(batch)
            });
            Box::pin(RecordBatchStreamAdapter::new(schema, rows))
        });
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let window = Arc::clone(&place.stock).replace_children(vec![counted], options)?;
        place.taken_over.add(&window);
        let rows = window.execute(partition, context)?.inspect(move |batch| {
            if let Ok(batch) = batch
                && IS_BOUNDED
            {
                held.give_out(batch.num_rows());
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(place.stock.schema(), rows)))
    }
}

/// Writes a node as a line of a plan.
struct Words<'n>(&'n Node);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as(DisplayFormatType::Default, f)
    }
}

/// What a window holds.
struct Held {
    reservation: MemoryReservation,
    /// Columns that the window adds.
    added: usize,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    rows: usize,
    bytes: usize,
}

impl Held {
    fn take_in(&self, batch: &RecordBatch) -> Result<()> {
        let columns: usize = batch.columns().iter().map(bytes_of).sum();
        let bytes = columns + overhead_bytes(batch) + batch.num_rows() * self.added * VALUE_BYTES;
        self.reservation.try_grow(bytes)?;
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.rows += batch.num_rows();
        count.bytes += bytes;
        Ok(())
    }

    /// Takes rows off, each for as much as those that are held have on average.
    fn give_out(&self, rows: usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let left = count.rows.saturating_sub(rows);
        let bytes = count.bytes.checked_div(count.rows).map_or(0, |bytes| bytes * left);
        self.reservation.shrink(count.bytes.saturating_sub(bytes).min(self.reservation.size()));
        *count = Count { rows: left, bytes };
    }
}

/// The bytes of a column that are held twice, as it came and as a part of the whole, or shared.
fn bytes_of(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8View => 2 * copied_bytes(column) + column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => 2 * copied_bytes(column) + column.as_binary_view().total_buffer_bytes_used(),
        _ => 2 * copied_bytes(column),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::error::DataFusionError;

    use crate::engine::limits_tests::engine;

    const WINDOWS: [&str; 3] = [
        "select sum(v) over () as s, v from big",
        "select ntile(4) over (order by v desc) as s, v from big",
        "select sum(v) over (partition by v % 7 order by v rows between 3 following and unbounded following) as s, v from big",
    ];
    const STREAMED: &str = "select sum(v) over (order by v rows between 2 preceding and current row) as s, v from big";

    async fn answer(limit: usize, sql: &str) -> Result<String, DataFusionError> {
        let engine = engine(1, limit).await;
        let context = engine.context();
        let big = "create view big as select value as v, repeat('x', 100) as t from generate_series(1, 20000)";
        context.sql(big).await?.collect().await?;
        let batches = context.sql(&format!("select min(s), max(s), count(*) from ({sql})")).await?.collect().await?;
        let (peak, shown) = (engine.peak_memory_bytes(), pretty_format_batches(&batches)?.to_string());
        assert!(sql == STREAMED || peak > 20_000 * 32 || limit < 1 << 20, "{sql}: {peak} bytes");
        Ok(shown)
    }

    #[tokio::test]
    async fn windows_over_all_rows_are_counted_and_name_the_limit() {
        for sql in WINDOWS {
            answer(1 << 30, sql).await.unwrap();
            let error = answer(200_000, sql).await.unwrap_err();
            assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{sql}: {error}");
            assert!(error.to_string().contains("WindowAggExec") || !sql.contains("over ()"), "{sql}: {error}");
        }
        // What gives rows out again needs little.
        let all = answer(1 << 30, STREAMED).await.unwrap();
        assert_eq!(answer(3 << 20, STREAMED).await.unwrap(), all);
    }
}

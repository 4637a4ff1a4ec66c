//! Makes batches of few rows into larger ones where they come from.
//!
//! A batch takes some hundred bytes for itself and each of its arrays, whatever their rows. DataFusion's operators count values alone, so
//! that sorts and joins of batches of one row held up to seven times what they said, beyond every limit. Such batches come from
//! tables in memory that were filled row by row (each INSERT is one), and from recursive queries, whose every round is one.

use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::own::Node;
use super::passing::flowing;

/// Rows from which on a batch is left as it is.
const LEAST_ROWS: usize = 64;

/// Returns a node that gives out the rows of another in larger batches; `None` where those are large enough.
pub(super) fn gathered(node: &Node) -> Result<Option<Node>> {
    // Without columns a batch is a number of rows.
    let is_meant = !node.schema().fields().is_empty() && (node.is::<RecursiveQueryExec>() || has_small_batches(node));
    Ok(is_meant.then(|| {
        flowing("GatheredExec", node.clone(), |rows, context| {
            gather(rows, context.session_config().batch_size().max(LEAST_ROWS))
        })
    }))
}

/// Says whether a node reads a table in memory that consists of small batches.
fn has_small_batches(node: &Node) -> bool {
    let source = node.downcast_ref::<DataSourceExec>();
    let Some(memory) = source.and_then(|source| source.data_source().downcast_ref::<MemorySourceConfig>()) else {
        return false;
    };
    memory.partitions().iter().any(|batches| {
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        batches.len() > 1 && rows < batches.len() * LEAST_ROWS
    })
}

fn gather(rows: SendableRecordBatchStream, most: usize) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let batches = BatchCoalescer::new(schema.clone(), most).with_biggest_coalesce_batch_size(Some(LEAST_ROWS));
    let gathering = Gathering { rows, batches, is_over: false };
    Box::pin(RecordBatchStreamAdapter::new(schema, stream::try_unfold(gathering, Gathering::next)))
}

/// Rows on their way.
struct Gathering {
    rows: SendableRecordBatchStream,
    batches: BatchCoalescer,
    /// Whether all have come.
    is_over: bool,
}

impl Gathering {
    async fn next(mut self) -> Result<Option<(RecordBatch, Self)>> {
        loop {
            if let Some(batch) = self.batches.next_completed_batch() {
                return Ok(Some((batch, self)));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.rows.next().await {
                Some(batch) => self.batches.push_batch(batch?)?,
                None => {
                    self.batches.finish_buffered_batch()?;
                    self.is_over = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array, Int64Array};
    use datafusion::arrow::record_batch::RecordBatch;
    use datafusion::datasource::MemTable;
    use futures::TryStreamExt;

    use crate::engine::limits_tests::engine;

    #[tokio::test]
    async fn rows_of_small_batches_come_together_in_their_order() {
        let engine = engine(1, 1 << 30).await;
        let context = engine.context();
        let batch = |from: i64, rows: i64| {
            let values = Arc::new(Int64Array::from_iter_values(from..from + rows)) as _;
            RecordBatch::try_from_iter([("v", values)]).unwrap()
        };
        let mut batches: Vec<RecordBatch> = (0..300).map(|v| batch(v, 1)).collect();
        batches.insert(100, batch(1_000, 200));
        let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
        context.register_table("small", Arc::new(table)).unwrap();
        let read: Vec<RecordBatch> = context
            .sql("select v from small")
            .await
            .unwrap()
            .execute_stream()
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert!(read.len() < 10, "{} batches", read.len());
        let values: Vec<i64> = read
            .iter()
            .flat_map(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec())
            .collect();
        let expected: Vec<i64> = (0..100).chain(1_000..1_200).chain(100..300).collect();
        assert_eq!(values, expected);
        let counted = context.sql("select count(*) from small").await.unwrap().collect().await.unwrap();
        assert_eq!(counted[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0), 500);
        let rounds = "with recursive r(n) as (select 1 union all select n + 1 from r where n < 200) select n from r";
        let read = context.sql(rounds).await.unwrap().collect().await.unwrap();
        let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
        assert!(rows == 200 && read.len() < 10, "{} batches of {rows} rows", read.len());
    }
}

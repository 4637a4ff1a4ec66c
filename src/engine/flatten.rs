//! Unnests one column of lists by giving out what the lists are made of.
//!
//! DataFusion's operator copies every element, and repeats the other columns for each. An Arrow list column keeps the elements of all rows one
//! after the other in one values array. Where no other column is needed, that array is the result, and nothing is copied.
//!
//! [`FlattenExec`] takes the place of DataFusion's operator where one list column is unnested by one level, the input has no other column, and a
//! null list gives no row.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::RecordOutput;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use futures::{StreamExt, TryStreamExt, stream};

use super::own::{Node, Operator, OwnExec, Place};

/// The operator's node.
pub type FlattenExec = OwnExec<Flatten>;

/// Gives out the elements of a column of lists.
#[derive(Debug)]
pub struct Flatten;

impl Operator for Flatten {
    const NAME: &'static str = "FlattenExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        let Some(unnest) = stock.downcast_ref::<UnnestExec>() else { return Ok(None) };
        let schema = unnest.input().schema();
        let ([list], [column]) = (unnest.list_column_indices(), schema.fields().as_ref()) else { return Ok(None) };
        let is_list = matches!(column.data_type(), DataType::List(_) | DataType::LargeList(_));
        let is_plain =
            list.depth == 1 && unnest.struct_column_indices().is_empty() && !unnest.options().preserve_nulls();
        Ok((is_list && is_plain).then_some(Self))
    }

    fn describe(&self, _: &Place, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batch_size = context.session_config().batch_size().max(1);
        let input = place.input()?.execute(partition, context)?;
        let (schema, metrics) = (place.stock.schema(), place.baseline(partition));
        let batches = input.map(move |batch| {
            let _timer = metrics.elapsed_compute().timer();
            let batch = batch?;
            let elements = match batch.column(0).data_type() {
                DataType::LargeList(_) => elements(batch.column(0).as_list::<i64>())?,
                _ => elements(batch.column(0).as_list::<i32>())?,
            };
            let all = RecordBatch::try_new(Arc::clone(&schema), vec![elements])?.record_output(&metrics);
            // Lists can be long, and what comes next counts on batches of this size.
            let rows = all.num_rows();
            let pieces =
                (0..rows).step_by(batch_size).map(move |from| Ok(all.slice(from, batch_size.min(rows - from))));
            Ok::<_, DataFusionError>(stream::iter(pieces))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(place.stock.schema(), batches.try_flatten())))
    }
}

/// Returns the elements of all lists that are not null, in order.
fn elements<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Result<ArrayRef> {
    let offsets = lists.value_offsets();
    let bounds = |row: usize| (offsets[row].as_usize(), offsets[row + 1].as_usize());
    let (first, end) = (bounds_of(offsets.first()), bounds_of(offsets.last()));
    // A null list may stand over elements that are not to be seen.
    let is_hiding = |nulls: &datafusion::arrow::buffer::NullBuffer| {
        (0..lists.len()).any(|row| nulls.is_null(row) && bounds(row).0 != bounds(row).1)
    };
    match lists.nulls().filter(|nulls| nulls.null_count() > 0 && is_hiding(nulls)) {
        None => Ok(lists.values().slice(first, end - first)),
        Some(nulls) => {
            let shown = (0..lists.len()).filter(|row| nulls.is_valid(*row)).flat_map(|row| {
                let (from, to) = bounds(row);
                (from as u64)..(to as u64)
            });
            Ok(take(lists.values(), &UInt64Array::from_iter_values(shown), None)?)
        }
    }
}

fn bounds_of<O: OffsetSizeTrait>(offset: Option<&O>) -> usize {
    offset.map_or(0, |offset| offset.as_usize())
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ListArray, StringViewArray, StringViewBuilder};
    use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
    use datafusion::arrow::datatypes::{Field, Int32Type};
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::datasource::MemTable;
    use datafusion::physical_plan::{collect, displayable};
    use datafusion::prelude::{SessionConfig, SessionContext};
    use proptest::prelude::*;

    use super::*;
    use crate::engine::operators::{boxed, put};

    /// Answers by DataFusion's plan and by ours, which is also returned as text.
    async fn answers(sql: &str, batches: Vec<RecordBatch>, batch_size: usize) -> (String, String, String) {
        let config = SessionConfig::new().with_target_partitions(1).with_batch_size(batch_size);
        let context = SessionContext::new_with_config(config);
        let schema = batches[0].schema();
        context.register_table("t", Arc::new(MemTable::try_new(schema, vec![batches]).unwrap())).unwrap();
        let stock = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let ours = put(Arc::clone(&stock), |node| FlattenExec::in_place_of(node).map(boxed)).unwrap();
        let text = displayable(ours.as_ref()).indent(false).to_string();
        assert_eq!(stock.schema(), ours.schema());
        let mut answers = Vec::new();
        for plan in [stock, ours] {
            let batches = collect(plan, context.task_ctx()).await.unwrap();
            assert!(batches.iter().all(|batch| batch.num_rows() <= batch_size));
            answers.push(pretty_format_batches(&batches).unwrap().to_string());
        }
        (answers.remove(0), answers.remove(0), text)
    }

    fn batch(lists: &[Option<Vec<Option<&str>>>]) -> RecordBatch {
        let mut builder = datafusion::arrow::array::ListBuilder::new(StringViewBuilder::new());
        for list in lists {
            builder.append_option(list.clone());
        }
        let lists: ArrayRef = Arc::new(builder.finish());
        let numbers: ArrayRef =
            Arc::new((0..lists.len() as i64).map(Some).collect::<datafusion::arrow::array::Int64Array>());
        RecordBatch::try_from_iter_with_nullable([("l", lists, true), ("n", numbers, true)]).unwrap()
    }

    proptest! {
        #[test]
        fn the_elements_are_those_of_the_stock_operator(
            lists in prop::collection::vec(
                prop::option::of(prop::collection::vec(prop::option::of(prop::sample::select(vec!["", "a", "a text of more than twelve bytes"])), 0..5)),
                1..30,
            ),
            from in 0_usize..30,
            batch_size in 1_usize..9,
        ) {
            let all = batch(&lists);
            let from = from.min(all.num_rows() - 1);
            let pieces = vec![all.slice(0, from), all.slice(from, all.num_rows() - from)];
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (expected, given, text) = runtime.block_on(answers("select unnest(l) as e from t", pieces, batch_size));
            prop_assert!(text.contains("FlattenExec"), "{}", text);
            prop_assert_eq!(given, expected);
        }
    }

    #[tokio::test]
    async fn lists_with_other_columns_are_left_to_the_stock_operator() {
        let lists = [Some(vec![Some("a"), None]), None, Some(vec![]), Some(vec![Some("b")])];
        for sql in ["select n, unnest(l) as e from t", "select unnest([[1, 2], [3]]) as e, unnest(l) as f from t"] {
            let (expected, given, text) = answers(sql, vec![batch(&lists)], 3).await;
            assert!(!text.contains("FlattenExec"), "{text}");
            assert_eq!(given, expected);
        }
    }

    #[test]
    fn what_stands_under_a_null_list_is_not_shown() {
        let values: ArrayRef = Arc::new(StringViewArray::from_iter_values(["a", "hidden", "b"]));
        let field = Arc::new(Field::new_list_field(DataType::Utf8View, true));
        let offsets = OffsetBuffer::new(vec![0, 1, 2, 3].into());
        let lists = ListArray::new(field, offsets, values, Some(NullBuffer::from(vec![true, false, true])));
        let shown = elements(&lists).unwrap();
        assert_eq!(shown.as_string_view().iter().flatten().collect::<Vec<_>>(), ["a", "b"]);
        let none = ListArray::from_iter_primitive::<Int32Type, _, _>(std::iter::empty::<Option<Vec<Option<i32>>>>());
        assert_eq!(elements(&none).unwrap().len(), 0);
    }
}

//! The batches that an operator of ours holds: their bytes, and how another operator takes them over.
//!
//! An operator that stands in for one of DataFusion's may find that its rows do not fit into memory. What it read cannot be read
//! again, so that the stock operator gets an input that gives out what was held and then what is left.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::{ByteViewType, DataType, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, stream};

/// Bytes that a column with offsets of 32 bits may have.
pub(super) const MOST_OFFSET_BYTES: usize = i32::MAX as usize;

/// Returns an input of one partition, to be read once: the batches, then the rest of the stream that they came from.
///
/// # Errors
/// None but those of DataFusion's constructor.
pub(super) fn handed_over(
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rest: SendableRecordBatchStream,
) -> Result<Arc<dyn ExecutionPlan>> {
    let held = stream::iter(batches.into_iter().map(Ok));
    let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), held.chain(rest));
    let rows = Once { schema: Arc::clone(&schema), stream: Mutex::new(Some(Box::pin(rows))) };
    Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(rows)], None, [], false, None)?))
}

/// Bytes that an array takes besides its values: what it is, and where they are.
const ARRAY_BYTES: usize = 200;

/// Returns the bytes that a batch takes besides its values. Of a batch with few rows they are most of it.
pub(super) fn overhead_bytes(batch: &RecordBatch) -> usize {
    (batch.num_columns() + 1) * ARRAY_BYTES
}

/// Returns the bytes of a column that are copied where batches are made into one.
pub(super) fn copied_bytes(column: &ArrayRef) -> usize {
    let rows = column.len();
    match column.data_type() {
        DataType::Boolean => rows / 8 + 1,
        DataType::Utf8View | DataType::BinaryView => rows * 16,
        DataType::Utf8 => {
            let offsets = column.as_string::<i32>().value_offsets();
            rows * 4 + offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last - first) as usize)
        }
        data_type => data_type.primitive_width().map_or_else(|| column.get_array_memory_size(), |width| rows * width),
    }
}

/// Returns the bytes of a column that offsets may lead to.
pub(super) fn offset_bytes(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Boolean | DataType::Utf8View | DataType::BinaryView => 0,
        data_type if data_type.is_primitive() => 0,
        _ => copied_bytes(column),
    }
}

/// Copies the text of a stream's batches where they refer to far more than they hold: the rows of a sorted table refer to the text of the
/// whole table, and who merges such streams counts that for each batch. Nothing is copied where all that counts for little of the
/// limit, or one stream is the only one.
pub(super) fn lean(
    stream: SendableRecordBatchStream,
    streams: usize,
    context: &TaskContext,
) -> SendableRecordBatchStream {
    let MemoryLimit::Finite(limit) = context.memory_pool().memory_limit() else { return stream };
    if streams < 2 {
        return stream;
    }
    // A merge holds two batches of each stream.
    let most = limit / LEAST_SHARE / streams / 2;
    let schema = stream.schema();
    let batches = stream.map(move |batch| {
        let batch = batch?;
        let columns = batch.columns().iter().map(|column| copied_if_loose(column, most)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

/// The part of the limit that shared text may count for, as a divisor.
const LEAST_SHARE: usize = 8;

fn copied_if_loose(column: &ArrayRef, most: usize) -> ArrayRef {
    let copied = match column.data_type() {
        DataType::Utf8View => copy_if_loose(column.as_string_view(), most),
        DataType::BinaryView => copy_if_loose(column.as_binary_view(), most),
        _ => None,
    };
    copied.unwrap_or_else(|| Arc::clone(column))
}

fn copy_if_loose<T: ByteViewType + ?Sized>(views: &GenericByteViewArray<T>, most: usize) -> Option<ArrayRef> {
    let shared = views.data_buffers().iter().map(Buffer::capacity).sum::<usize>();
    let is_loose = shared > most && shared > 2 * views.total_buffer_bytes_used();
    is_loose.then(|| Arc::new(views.gc()) as ArrayRef)
}

/// A stream as the input of a plan that runs once.
struct Once {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.unwrap_or_else(|| Box::pin(EmptyRecordBatchStream::new(Arc::clone(&self.schema))))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, ListArray, StringArray, StringViewArray};
    use datafusion::arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn only_columns_with_offsets_are_limited_by_them() {
        let texts = || (0..100).map(|row| format!("a text of more than twelve bytes {row:03}"));
        let text: ArrayRef = Arc::new(StringArray::from_iter_values(texts()));
        assert_eq!((copied_bytes(&text), offset_bytes(&text)), (100 * 40, 100 * 40));
        let piece: ArrayRef = text.slice(10, 10);
        assert_eq!(offset_bytes(&piece), 10 * 40);
        let view: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts()));
        assert_eq!((copied_bytes(&view), offset_bytes(&view)), (1_600, 0));
        let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        assert_eq!((copied_bytes(&number), offset_bytes(&number)), (800, 0));
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1); 1_000])]));
        assert!(offset_bytes(&list) >= 4_000);
    }
}

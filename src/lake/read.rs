//! Reads data files row by row in file order, for what the lake does to itself: looking up sessions, rewriting files.
//!
//! Queries do not come this way; they go through the engine's scan.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{Float64Type, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use datafusion::datasource::physical_plan::parquet::Int96Coercer;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::deletions::deleted_rows;
use super::footer::{as_read, unless_it_panics};
use super::layout::PAGE_ROWS;
use super::snapshot::DataFile;
use crate::error::{Error, Result};

/// What a value takes beside its bytes, once it is decoded: a view of a text.
const VALUE_BYTES: i64 = 16;

/// Opens a data file as batches of these columns, in file order, leaving out the rows that are deleted, and of those that are left the ones in
/// `without` (sorted). A batch has the rows of one page of our own files: at most [`PAGE_ROWS`], counted from the start of each row group.
///
/// Columns come in the types of `schema`; one that neither the file nor the log has values of is null, as for a file that another engine
/// wrote.
///
/// # Errors
/// Storage errors; a file that is not what the log says.
pub async fn read_rows(
    store: Arc<dyn ObjectStore>,
    file: &DataFile,
    schema: SchemaRef,
    without: &[u32],
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    read_batches(store, file, schema, without, usize::MAX).await
}

/// Opens a data file as [`read_rows`] does, in batches of fewer rows than pages where a page would take more than about so many bytes.
///
/// # Errors
/// As [`read_rows`].
pub async fn read_batches(
    store: Arc<dyn ObjectStore>,
    file: &DataFile,
    schema: SchemaRef,
    without: &[u32],
    bytes: usize,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let context = file.path.clone();
    let failed = move |error: ParquetError| Error::storage(context.clone(), error);
    let mut deleted = LeavesOut { without: deleted_rows(&store, file).await?.into(), row: 0 };
    let mut reader = StoredFile { store, path: file.location(), size_bytes: file.size_bytes };
    let footer = as_read(reader.get_metadata(None).await.map_err(failed.clone())?);
    let described = described(footer).map_err(failed.clone())?;
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, described);
    // By their places: a dot in a name would be one between the parts of a path.
    let columns = builder.parquet_schema().root_schema().get_fields().iter().enumerate();
    let roots = columns.filter(|(_, column)| schema.index_of(column.name()).is_ok()).map(|(place, _)| place);
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let rows = batch_rows(builder.metadata(), &mask, bytes);
    let builder = builder.with_projection(mask).with_batch_size(rows);
    let stream = builder.build().map_err(failed.clone())?;
    // Decoders panic on some damage that they do not look for.
    let stream = AssertUnwindSafe(stream).catch_unwind();
    let constants: BTreeMap<String, ScalarValue> =
        file.columns.constants().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let mut leaves_out = LeavesOut { without: without.to_vec().into(), row: 0 };
    Ok(stream
        .map(move |batch| {
            let batch =
                batch.unwrap_or_else(|_| Err(ParquetError::General("its pages contradict each other".to_owned())));
            adapt(&leaves_out.of(deleted.of(batch.map_err(failed.clone())?)?)?, &schema, &constants)
        })
        .boxed())
}

/// Returns how many rows take about so many bytes, a page's at most. A row of lists has many values.
fn batch_rows(footer: &ParquetMetaData, mask: &ProjectionMask, bytes: usize) -> usize {
    let of_group = |group: &RowGroupMetaData| {
        let columns = group.columns().iter().enumerate().filter(|(place, _)| mask.leaf_included(*place));
        let size = |column: &ColumnChunkMetaData| {
            u64::try_from(column.uncompressed_size() + column.num_values().saturating_mul(VALUE_BYTES))
                .unwrap_or_default()
        };
        let all = columns.map(|(_, column)| size(column)).fold(0, u64::saturating_add);
        all / u64::try_from(group.num_rows()).unwrap_or_default().max(1)
    };
    let row_bytes = footer.row_groups().iter().map(of_group).max().unwrap_or_default();
    usize::try_from(bytes as u64 / row_bytes.max(1)).unwrap_or(usize::MAX).clamp(1, PAGE_ROWS)
}

/// A file of a store, as the Parquet reader wants it.
pub(super) struct StoredFile {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
    pub(super) size_bytes: u64,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let size_bytes = self.size_bytes;
            let read = ParquetMetaDataReader::new().load_and_finish(self, size_bytes);
            Ok(Arc::new(unless_it_panics(read).await??))
        }
        .boxed()
    }
}

/// Leaves rows out of the batches of a file. The reader could skip them, but then its batches would be no pages.
struct LeavesOut {
    /// The rows that are still to come, sorted.
    without: VecDeque<u32>,
    /// The first row of the next batch.
    row: usize,
}

impl LeavesOut {
    fn of(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let first = self.row;
        self.row += batch.num_rows();
        if self.without.front().is_none_or(|next| *next as usize >= self.row) {
            return Ok(batch);
        }
        let mut kept = BooleanBufferBuilder::new(batch.num_rows());
        kept.append_n(batch.num_rows(), true);
        while let Some(next) = self.without.pop_front_if(|next| (*next as usize) < self.row) {
            if let Some(index) = (next as usize).checked_sub(first) {
                kept.set_bit(index, false);
            }
        }
        Ok(filter_record_batch(&batch, &BooleanArray::new(kept.finish(), None))?)
    }
}

/// Says how the columns of a file are read. Instants that Spark writes in its old way come in microseconds: as nanoseconds they would end
/// in 2262 and begin anew in 1677.
fn described(footer: Arc<ParquetMetaData>) -> parquet::errors::Result<ArrowReaderMetadata> {
    let read = ArrowReaderMetadata::try_new(Arc::clone(&footer), ArrowReaderOptions::new())?;
    let coerced = Int96Coercer::new(read.parquet_schema(), read.schema(), &TimeUnit::Microsecond)
        .with_timezone(Some("UTC".into()))
        .coerce();
    match coerced {
        Some(schema) => ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new().with_schema(Arc::new(schema))),
        None => Ok(read),
    }
}

/// Brings a batch into a schema by the names of its columns. A value that the type does not hold is an error: what is read so may be
/// written again.
fn adapt(batch: &RecordBatch, schema: &SchemaRef, constants: &BTreeMap<String, ScalarValue>) -> Result<RecordBatch> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            if let Some(constant) = constants.get(field.name()) {
                return Ok(constant.to_array_of_size(batch.num_rows())?);
            }
            match batch.column_by_name(field.name()) {
                Some(column) if column.data_type() == field.data_type() => Ok(plain(column)),
                Some(column) => Ok(plain(&cast_with_options(column, field.data_type(), &options)?)),
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    // Nullable throughout: a foreign writer may have left a column of ours empty.
    let fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Makes one NaN of all that there are, and 0 of -0; other columns stay as they are.
fn plain(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<Float64Type>() {
        Some(numbers) => Arc::new(numbers.unary::<_, Float64Type>(plain_number)),
        None => Arc::clone(column),
    }
}

/// Returns a number as it is stored: of all NaN the one without a sign, and 0 for -0, which comparisons would tell apart.
pub fn plain_number(number: f64) -> f64 {
    if number.is_nan() { f64::NAN } else { number + 0.0 }
}

#[cfg(test)]
mod tests {
    use arrow::array::UInt32Array;
    use arrow::datatypes::UInt32Type;

    use super::*;

    #[test]
    fn rows_are_left_out_of_the_batches_that_have_them() {
        let kept = |without: &[u32], batches: &[std::ops::Range<u32>]| {
            let mut leaves_out = LeavesOut { without: without.to_vec().into(), row: 0 };
            let batch = |rows: &std::ops::Range<u32>| {
                let rows: ArrayRef = Arc::new(UInt32Array::from_iter_values(rows.clone()));
                let batch = RecordBatch::try_from_iter([("row", rows)]).unwrap();
                leaves_out.of(batch).unwrap().column(0).as_primitive::<UInt32Type>().values().to_vec()
            };
            batches.iter().map(batch).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[], &[0..3, 3..5]), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(kept(&[0, 3, 5], &[0..3, 3..5, 5..7]), [vec![1, 2], vec![4], vec![6]]);
        assert_eq!(kept(&[2, 2], &[0..3, 3..4]), [vec![0, 1], vec![3]]);
        assert_eq!(kept(&[0, 1, 2], &[0..3, 3..4]), [vec![], vec![3]]);
    }
}

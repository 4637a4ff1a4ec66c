//! Reads data files row by row in file order, for what the lake does to itself: looking up sessions, rewriting files.
//!
//! Queries do not come this way; they go through the engine's scan.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::snapshot::DataFile;
use crate::error::{Error, Result};

/// Rows of a batch read back.
const BATCH_ROWS: usize = 8_192;

/// Opens a data file as batches of these columns, in file order, leaving out the rows in `without` (sorted).
///
/// Columns come in the types of `schema`; one that the file does not have is null, as for a file that another engine wrote.
///
/// # Errors
/// Storage errors; a file that is not what the log says.
pub async fn read_rows(
    store: Arc<dyn ObjectStore>,
    file: &DataFile,
    schema: SchemaRef,
    without: &[u32],
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let context = file.path.clone();
    let failed = move |error: ParquetError| Error::storage(context.clone(), error);
    let reader = StoredFile { store, path: Path::from(file.path.as_str()), size_bytes: file.size_bytes };
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(failed.clone())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), schema.fields().iter().map(|f| f.name().as_str()));
    let rows = builder.metadata().file_metadata().num_rows();
    let mut builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
    if !without.is_empty() {
        builder = builder.with_row_selection(all_but(without, usize::try_from(rows).unwrap_or_default()));
    }
    let stream = builder.build().map_err(failed.clone())?;
    // Decoders panic on some damage that they do not look for.
    let stream = AssertUnwindSafe(stream).catch_unwind();
    Ok(stream
        .map(move |batch| {
            let batch =
                batch.unwrap_or_else(|_| Err(ParquetError::General("its pages contradict each other".to_owned())));
            adapt(&batch.map_err(failed.clone())?, &schema)
        })
        .boxed())
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
            Ok(Arc::new(ParquetMetaDataReader::new().load_and_finish(self, size_bytes).await?))
        }
        .boxed()
    }
}

/// Selects all rows of a file but these.
fn all_but(without: &[u32], rows: usize) -> RowSelection {
    let mut selectors = Vec::with_capacity(without.len() * 2 + 1);
    let mut next = 0;
    for row in without.iter().map(|row| *row as usize) {
        if row > next {
            selectors.push(RowSelector::select(row - next));
        }
        if row >= next {
            selectors.push(RowSelector::skip(1));
            next = row + 1;
        }
    }
    if rows > next {
        selectors.push(RowSelector::select(rows - next));
    }
    selectors.into()
}

/// Brings a batch into a schema by the names of its columns.
fn adapt(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            match batch.column_by_name(field.name()) {
                Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
                Some(column) => Ok(cast(column, field.data_type())?),
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    // Nullable throughout: a foreign writer may have left a column of ours empty.
    let fields: Vec<_> = schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_of_all_but_some_rows_skips_just_those() {
        let kept = |without: &[u32], rows| {
            let mut kept = Vec::new();
            let mut at = 0;
            for selector in all_but(without, rows).iter() {
                if !selector.skip {
                    kept.extend(at..at + selector.row_count);
                }
                at += selector.row_count;
            }
            kept
        };
        assert_eq!(kept(&[], 3), [0, 1, 2]);
        assert_eq!(kept(&[0, 1, 4], 6), [2, 3, 5]);
        assert_eq!(kept(&[2, 2], 3), [0, 1]);
        assert_eq!(kept(&[0, 1, 2], 3), Vec::<usize>::new());
    }
}

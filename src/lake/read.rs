//! Reads data files row by row in file order, for what the lake does to itself: looking up sessions, rewriting files.
//!
//! Queries do not come this way; they go through the engine's scan.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

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
    let failed = move |error: parquet::errors::ParquetError| Error::storage(context.clone(), error);
    let reader = ParquetObjectReader::new(store, Path::from(file.path.as_str())).with_file_size(file.size_bytes);
    let options = ArrowReaderOptions::new();
    let builder = ParquetRecordBatchStreamBuilder::new_with_options(reader, options).await.map_err(failed.clone())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), schema.fields().iter().map(|f| f.name().as_str()));
    let rows = builder.metadata().file_metadata().num_rows();
    let mut builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
    if !without.is_empty() {
        builder = builder.with_row_selection(all_but(without, usize::try_from(rows).unwrap_or_default()));
    }
    let stream = builder.build().map_err(failed.clone())?;
    Ok(stream.map(move |batch| adapt(&batch.map_err(failed.clone())?, &schema)).boxed())
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

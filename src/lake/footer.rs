//! Reads what the footers of data files say of their columns: the schema with its manifest, and the bytes of leaf columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;

use super::read::StoredFile;
use super::snapshot::DataFile;
use crate::error::{Error, Result};
use crate::shred::leaf::LEAF_PREFIX;

/// Footers that are read at once.
const AT_ONCE: usize = 16;

/// What a data file's footer says of its columns.
#[derive(Debug, Clone)]
pub struct Footer {
    /// All columns, those of leaves too; the metadata holds the manifest where the file has one.
    pub schema: SchemaRef,
    /// Compressed bytes of each leaf column, by its name.
    pub leaf_bytes: BTreeMap<String, u64>,
}

/// Reads the footers of data files, in their order.
///
/// # Errors
/// Storage errors; a file that is no Parquet file.
pub async fn read_footers(store: &Arc<dyn ObjectStore>, files: &[DataFile]) -> Result<Vec<Footer>> {
    let footers: Vec<BoxFuture<'_, _>> =
        files.iter().map(|file| read_footer(Arc::clone(store), file).boxed()).collect();
    futures::stream::iter(footers).buffered(AT_ONCE).try_collect().await
}

async fn read_footer(store: Arc<dyn ObjectStore>, file: &DataFile) -> Result<Footer> {
    let failed = |error: ParquetError| Error::storage(file.path.clone(), error);
    let mut stored = StoredFile { store, path: file.location(), size_bytes: file.size_bytes };
    let metadata = stored.get_metadata(None).await.map_err(failed)?;
    let described = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(described.schema_descr(), described.key_value_metadata()).map_err(failed)?;
    let mut leaf_bytes: BTreeMap<String, u64> = BTreeMap::new();
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        // A leaf column is one Parquet column, or one inside a list.
        if let Some(name) = column.column_path().parts().first().filter(|name| name.starts_with(LEAF_PREFIX)) {
            *leaf_bytes.entry(name.clone()).or_default() += u64::try_from(column.compressed_size()).unwrap_or_default();
        }
    }
    Ok(Footer { schema: Arc::new(schema), leaf_bytes })
}

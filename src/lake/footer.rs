//! Reads what the footers of data files say of their columns: the schema with its manifest, and the bytes of leaf columns.
//!
//! A footer is believed by who wrote the file ([`as_read`]). Other programs carry the keys of our footers into files of their own, where
//! they speak of other rows, and their Arrow schemas ask for types that are none of the table's. Ours have the types that our
//! readers make, text in views, under a key of our own: many readers refuse a file whose Arrow schema names views.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::SchemaRef;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder};

use super::layout;
use super::read::StoredFile;
use super::snapshot::DataFile;
use crate::error::{Error, Result};
use crate::schema;
use crate::shred::leaf::LEAF_PREFIX;

/// Footers that are read at once.
const AT_ONCE: usize = 16;
/// The key of the types that our readers make of a file's columns, as Arrow encodes a schema; without it, a file with the columns of sessions alone has
/// their types.
pub(super) const TYPES_KEY: &str = "sessionlake.arrow";
/// The key of the tag in the log that says how many leaf columns a file has.
pub(super) const LEAVES_KEY: &str = "sessionlake.leaves";
/// The key of the names, by commas, of the columns of numbers that have a NaN. Statistics leave NaN out; without the key, as in
/// the files of other programs and those of our earlier versions, any column may have one.
pub const NAN_KEY: &str = "sessionlake.nan";

/// What a data file's footer says of its columns.
#[derive(Debug, Clone)]
pub struct Footer {
    /// All columns, those of leaves too; the metadata holds the manifest where the file has one.
    pub schema: SchemaRef,
    /// Compressed bytes of each leaf column, by its name.
    pub leaf_bytes: BTreeMap<String, u64>,
}

/// Returns a footer as it is to be read: of a file of ours with the types of our readers, of another without keys.
pub fn as_read(footer: Arc<ParquetMetaData>) -> Arc<ParquetMetaData> {
    let file = footer.file_metadata();
    let pairs = file.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let is_ours = file.created_by().is_some_and(|program| program.starts_with(layout::PROGRAM));
    let pairs: Option<Vec<KeyValue>> = match is_ours {
        true if pairs.iter().any(|pair| pair.key == TYPES_KEY) => {
            let others = pairs.iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY);
            Some(others.map(|pair| named(pair, TYPES_KEY, ARROW_SCHEMA_META_KEY)).collect())
        }
        true if has_stored_columns(&footer) => {
            let types = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), STORED_TYPES.clone());
            let others = pairs.iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY);
            Some(others.cloned().chain([types]).collect())
        }
        false if !pairs.is_empty() => None,
        _ => return footer,
    };
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        pairs,
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let mut footer = Arc::unwrap_or_clone(footer).into_builder();
    let (columns, offsets) = (footer.take_column_index(), footer.take_offset_index());
    let changed = ParquetMetaDataBuilder::new(file).set_row_groups(footer.take_row_groups());
    Arc::new(changed.set_column_index(columns).set_offset_index(offsets).build())
}

/// The types that our readers make of the columns of sessions. Files that have these alone do not carry them: they would be 1.5 of
/// the 4.5 kB of a footer, and files of an hour are written most.
static STORED_TYPES: LazyLock<String> = LazyLock::new(|| encode_arrow_schema(&schema::stored_schema()));

/// Says whether a file has the columns of sessions, in their order, and no others.
fn has_stored_columns(footer: &ParquetMetaData) -> bool {
    let columns = footer.file_metadata().schema_descr().root_schema().get_fields();
    let stored = schema::stored_schema();
    columns.iter().map(|column| column.name()).eq(stored.fields().iter().map(|field| field.name()))
}

fn named(pair: &KeyValue, from: &str, to: &str) -> KeyValue {
    let key = if pair.key == from { to } else { &pair.key };
    KeyValue::new(key.to_owned(), pair.value.clone())
}

/// Does what reads a footer. Decoders panic on some damage that they do not look for, such as a footer that is longer than its file: that is an error too.
///
/// # Errors
/// A decoder that panicked.
pub async fn unless_it_panics<T>(read: impl Future<Output = T>) -> parquet::errors::Result<T> {
    let told = AssertUnwindSafe(read).catch_unwind().await;
    told.map_err(|_| ParquetError::General("its parts contradict each other".to_owned()))
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
    let metadata = as_read(stored.get_metadata(None).await.map_err(failed)?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::fuzz::{footer, stored};

    #[tokio::test]
    async fn a_file_without_a_footer_is_an_error() {
        for bytes in [&b"PAR1PAR1"[..], b"PAR1", b""] {
            let (store, file) = stored(bytes).await.unwrap();
            assert!(footer(&store, &file).await.is_none(), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_decoder_that_panics_is_an_error() {
        let read = async { [1_u8].get(1).map(|_| ()).unwrap() };
        assert!(unless_it_panics(read).await.is_err());
        assert_eq!(unless_it_panics(async { 1 }).await.unwrap(), 1);
    }
}

//! Reads data files through the session's cache of footers, page indexes included where a file is read again.
//!
//! DataFusion asks for a footer without its page index, keeps that, and reads the index of all columns anew whenever a filter may
//! use it. A session that asks a file question after question should read it once; a process that asks once should not read what it
//! may not need. So the index is kept from the second question on, and so is the file's Arrow schema: to make it of the footer
//! anew, a hundred columns with leaves, is a good part of what a short question takes. What is kept is the footer as it is to be
//! read ([`as_read`]).

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{
    CachedParquetFileReaderFactory, CachedParquetMetaData, apply_file_schema_type_coercions,
};
use datafusion::datasource::physical_plan::{FileGroup, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use crate::error::{Cause, Error};
use crate::lake::DataFile;
use crate::lake::footer::{as_read, unless_it_panics};

/// Names a data file to the readers of DataFusion, whose own constructor would take `%` in a name for one to be escaped.
pub(super) fn partitioned(file: &DataFile) -> PartitionedFile {
    PartitionedFile::new_from_meta(ObjectMeta {
        location: file.location(),
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: file.size_bytes,
        e_tag: None,
        version: None,
    })
}

/// The Arrow schemas of a table's files that were read before: what was learnt and can be learnt again.
#[derive(Debug, Default)]
pub(super) struct KnownSchemas {
    by_file: Mutex<HashMap<Path, SchemaRef>>,
}

impl KnownSchemas {
    /// Tells the schemas that are known to the files of a scan, and what else `told` has of them.
    pub(super) fn told_to(
        &self,
        groups: &[FileGroup],
        told: impl Fn(PartitionedFile) -> PartitionedFile,
    ) -> Vec<FileGroup> {
        let known = self.lock();
        let told = |file: &PartitionedFile| match known.get(file.path()) {
            Some(schema) => told(file.clone()).with_arrow_schema(Arc::clone(schema)),
            None => told(file.clone()),
        };
        groups.iter().map(|group| FileGroup::new(group.iter().map(told).collect())).collect()
    }

    /// Learns the schema of a file, with the types that a scan of the table gives its columns.
    fn learn(&self, file: &Path, footer: &ParquetMetaData, table: &SchemaRef) -> parquet::errors::Result<()> {
        if self.lock().contains_key(file) {
            return Ok(());
        }
        let footer = footer.file_metadata();
        let schema = parquet_to_arrow_schema(footer.schema_descr(), footer.key_value_metadata())?;
        let schema = apply_file_schema_type_coercions(table, &schema).unwrap_or(schema);
        self.lock().insert(file.clone(), Arc::new(schema));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Path, SchemaRef>> {
        // A thread that panicked has left whole entries.
        self.by_file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the readers of a scan.
pub(super) struct SessionReaders {
    inner: CachedParquetFileReaderFactory,
    store: Arc<dyn ObjectStore>,
    footers: Arc<FileMetadataCache>,
    table: SchemaRef,
    known: Arc<KnownSchemas>,
}

impl SessionReaders {
    /// Makes readers of a store's files that keep footers where the session does, and schemas where those of the table are.
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        runtime: &RuntimeEnv,
        table: SchemaRef,
        known: Arc<KnownSchemas>,
    ) -> Self {
        let footers = runtime.cache_manager.get_file_metadata_cache();
        let inner = CachedParquetFileReaderFactory::new(Arc::clone(&store), Arc::clone(&footers));
        Self { inner, store, footers, table, known }
    }
}

impl fmt::Debug for SessionReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionReaders").finish_non_exhaustive()
    }
}

impl ParquetFileReaderFactory for SessionReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta.clone();
        let inner = self.inner.create_reader(partition, file, footer_hint, metrics)?;
        let (store, footers) = (Arc::clone(&self.store), Arc::clone(&self.footers));
        let (table, known) = (Arc::clone(&self.table), Arc::clone(&self.known));
        Ok(Box::new(SessionReader { inner, meta, footer_hint, store, footers, table, known }))
    }
}

struct SessionReader {
    inner: Box<dyn AsyncFileReader + Send>,
    meta: ObjectMeta,
    footer_hint: Option<usize>,
    store: Arc<dyn ObjectStore>,
    footers: Arc<FileMetadataCache>,
    table: SchemaRef,
    known: Arc<KnownSchemas>,
}

impl AsyncFileReader for SessionReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        if !self.footers.contains_key(&self.meta.location) {
            return Box::pin(async move {
                let footer = DFParquetMetadata::new(&self.store, &self.meta)
                    .with_metadata_size_hint(self.footer_hint)
                    .with_page_index_policy(options.map(ArrowReaderOptions::column_index_policy));
                // With its cause: a file that is not there is another matter than one that is damaged.
                let failed = |cause: Cause| {
                    let place = format!("the footer of {}", self.meta.location);
                    ParquetError::External(Box::new(Error::storage(place, cause)))
                };
                let read = unless_it_panics(footer.fetch_metadata()).await.map_err(|e| failed(e.into()))?;
                Ok(self.keep(read.map_err(|e| failed(e.into()))?))
            });
        }
        let options = options.cloned().unwrap_or_default().with_page_index_policy(PageIndexPolicy::Optional);
        Box::pin(async move {
            let footer = self.inner.get_metadata(Some(&options)).await?;
            let footer = self.keep(footer);
            self.known.learn(&self.meta.location, &footer, &self.table)?;
            Ok(footer)
        })
    }
}

impl SessionReader {
    /// Returns a footer as it is to be read, and keeps it so for the next who asks.
    fn keep(&self, footer: Arc<ParquetMetaData>) -> Arc<ParquetMetaData> {
        let read = as_read(Arc::clone(&footer));
        if !Arc::ptr_eq(&read, &footer) || !self.footers.contains_key(&self.meta.location) {
            let kept = Arc::new(CachedParquetMetaData::new(Arc::clone(&read)));
            self.footers.put(&self.meta.location, CachedFileMetadataEntry::new(self.meta.clone(), kept));
        }
        read
    }
}

//! Reads data files through the session's cache of footers, page indexes included where a file is read again.
//!
//! DataFusion asks for a footer without its page index, keeps that, and reads the index of all columns anew whenever a filter may
//! use it. A session that asks a file question after question should read it once; a process that asks once should not read what it
//! may not need. So the index is kept from the second question on.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

/// Makes the readers of a scan.
pub(super) struct SessionReaders {
    inner: CachedParquetFileReaderFactory,
    footers: Arc<FileMetadataCache>,
}

impl SessionReaders {
    /// Makes readers of a store's files that keep footers where the session does.
    pub(super) fn new(store: Arc<dyn ObjectStore>, runtime: &RuntimeEnv) -> Self {
        let footers = runtime.cache_manager.get_file_metadata_cache();
        Self { inner: CachedParquetFileReaderFactory::new(store, Arc::clone(&footers)), footers }
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
        let (path, footers) = (file.object_meta.location.clone(), Arc::clone(&self.footers));
        let inner = self.inner.create_reader(partition, file, footer_hint, metrics)?;
        Ok(Box::new(SessionReader { inner, path, footers }))
    }
}

struct SessionReader {
    inner: Box<dyn AsyncFileReader + Send>,
    path: Path,
    footers: Arc<FileMetadataCache>,
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
        if !self.footers.contains_key(&self.path) {
            return self.inner.get_metadata(options);
        }
        let options = options.cloned().unwrap_or_default().with_page_index_policy(PageIndexPolicy::Optional);
        Box::pin(async move { self.inner.get_metadata(Some(&options)).await })
    }
}

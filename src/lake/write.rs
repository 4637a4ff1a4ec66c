//! Writes sorted rows as data files: row groups are encoded on all cores, and appended in order.
//!
//! Rows come in batches, in the order they are to be stored in. A row group's worth is handed to a thread that encodes and
//! compresses all its columns, while the caller goes on producing the next; finished row groups are appended to their file by
//! the caller's thread. So memory holds at most as many row groups as there are encoders, plus the one being filled.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use serde_json::{Map, Value, json};

use super::layout;
use super::store;
use super::table::Table;
use crate::error::{Error, Result, io_error};
use crate::shred::choice::choose;
use crate::shred::leaf::LEAF_PREFIX;
use crate::shred::{FileShredder, MANIFEST_KEY, Manifest};

/// Where data files go.
#[derive(Debug, Clone)]
pub enum Output {
    /// A table's folder on this machine.
    Folder(PathBuf),
    /// A table's root in an object store: files are made in a temporary folder and uploaded when complete.
    Store {
        /// The store, rooted at the table.
        store: Arc<dyn ObjectStore>,
        /// The runtime that uploads run on.
        runtime: tokio::runtime::Handle,
        /// Where files are made.
        temporary: PathBuf,
    },
}

impl Output {
    /// Returns where new files of a table go. Must be called on a tokio runtime.
    pub fn of(table: &Table, temporary: PathBuf) -> Self {
        match &table.folder {
            Some(folder) => Self::Folder(folder.clone()),
            None => Self::Store { store: table.store(), runtime: tokio::runtime::Handle::current(), temporary },
        }
    }

    fn local_path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Store { temporary, .. } => temporary.join(name),
        }
    }

    /// Makes a finished file durable under its name.
    fn publish(&self, name: &str) -> Result<()> {
        let path = self.local_path(name);
        match self {
            Self::Folder(_) => store::sync_file(&path).map_err(io_error(path)),
            Self::Store { store, runtime, .. } => {
                let location = object_store::path::Path::from(name);
                runtime.block_on(upload(store.as_ref(), &path, &location))?;
                fs::remove_file(&path).map_err(io_error(path))
            }
        }
    }

    fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.local_path(name));
        if let Self::Store { store, runtime, .. } = self {
            let location = object_store::path::Path::from(name);
            let _ = runtime.block_on(store.delete(&location));
        }
    }
}

/// Bytes of one part of an upload.
const UPLOAD_PART_BYTES: usize = 8 << 20;
/// Parts of one upload under way at once.
const UPLOAD_CONCURRENCY: usize = 4;

async fn upload(store: &dyn ObjectStore, path: &PathBuf, location: &object_store::path::Path) -> Result<()> {
    use tokio::io::AsyncReadExt;
    let failed = |e: object_store::Error| Error::storage(location.to_string(), e);
    let mut file = tokio::fs::File::open(path).await.map_err(io_error(path))?;
    let mut upload =
        WriteMultipart::new_with_chunk_size(store.put_multipart(location).await.map_err(failed)?, UPLOAD_PART_BYTES);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).await.map_err(io_error(path))?;
        if read == 0 {
            break;
        }
        upload.wait_for_capacity(UPLOAD_CONCURRENCY).await.map_err(failed)?;
        upload.write(&buffer[..read]);
    }
    upload.finish().await.map_err(failed)?;
    Ok(())
}

/// A data file that is complete and on disk, but in no version yet.
#[derive(Debug, Clone)]
pub struct WrittenFile {
    /// The path from the table's folder.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of rows.
    pub rows: u64,
    /// The statistics for the log, in Delta's form.
    pub statistics: Value,
}

/// How large files become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// Rows of a file at most.
    pub file_rows: usize,
    /// Rows of a row group at most.
    pub row_group_rows: usize,
}

impl Default for FileLimits {
    /// Returns the limits of [`layout`].
    fn default() -> Self {
        Self { file_rows: layout::FILE_ROWS, row_group_rows: layout::ROW_GROUP_ROWS }
    }
}

type Encoded = JoinHandle<Result<(Vec<ArrowColumnChunk>, Option<Manifest>)>>;

enum Job {
    RowGroup(Encoded),
    EndOfFile,
}

struct OpenFile {
    name: String,
    writer: SerializedFileWriter<BufWriter<File>>,
    /// The JSON paths of the row groups so far.
    manifest: Option<Manifest>,
}

/// Writes one stream of rows as data files of bounded size.
pub struct FileWriter {
    schema: SchemaRef,
    output: Output,
    encoders: NonZeroUsize,
    prefix: &'static str,
    limits: FileLimits,
    /// Leaf columns of a file at most; 0 makes none.
    leaf_budget: usize,
    /// Takes the leaves out of the rows of the file that is being filled.
    shredder: Option<FileShredder>,
    /// Rows that do not fill a row group yet.
    buffered: Vec<RecordBatch>,
    buffered_rows: usize,
    /// Rows handed to encoders for the file that is being filled, and its encoders' factory.
    file_rows: usize,
    row_groups: usize,
    factory: Option<ArrowRowGroupWriterFactory>,
    /// Files that are opened and not yet closed, oldest first; jobs are for the oldest until its `EndOfFile`.
    open: VecDeque<OpenFile>,
    jobs: VecDeque<Job>,
    finished: Vec<WrittenFile>,
}

impl FileWriter {
    /// Makes a writer of files whose names start with `prefix`.
    pub fn new(schema: SchemaRef, output: Output, encoders: NonZeroUsize, prefix: &'static str) -> Self {
        Self {
            schema,
            output,
            encoders,
            prefix,
            limits: FileLimits::default(),
            leaf_budget: 0,
            shredder: None,
            buffered: Vec::new(),
            buffered_rows: 0,
            file_rows: 0,
            row_groups: 0,
            factory: None,
            open: VecDeque::new(),
            jobs: VecDeque::new(),
            finished: Vec::new(),
        }
    }

    /// Makes smaller files and row groups than usual. A limit of 0 counts as 1.
    #[must_use]
    pub fn with_limits(mut self, limits: FileLimits) -> Self {
        self.limits = FileLimits { file_rows: limits.file_rows.max(1), row_group_rows: limits.row_group_rows.max(1) };
        self
    }

    /// Adds leaf columns for JSON paths, at most about this many to a file.
    #[must_use]
    pub fn with_leaves(mut self, leaf_budget: usize) -> Self {
        self.leaf_budget = leaf_budget;
        self
    }

    /// Takes rows, which follow those of earlier calls in the order of storage.
    ///
    /// # Errors
    /// Storage errors. The files made so far are then removed when the writer is dropped.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut offset = 0;
        while offset < batch.num_rows() {
            let room = self.limits.row_group_rows.min(self.limits.file_rows - self.file_rows) - self.buffered_rows;
            let take = room.min(batch.num_rows() - offset);
            self.buffered.push(batch.slice(offset, take));
            self.buffered_rows += take;
            offset += take;
            if take == room {
                self.dispatch()?;
            }
        }
        Ok(())
    }

    /// Finishes all files and returns them, on disk and durable.
    ///
    /// # Errors
    /// Storage errors; the files are removed.
    pub fn finish(mut self) -> Result<Vec<WrittenFile>> {
        if self.buffered_rows > 0 {
            self.dispatch()?;
        }
        self.end_file();
        while let Some(job) = self.jobs.pop_front() {
            self.complete(job)?;
        }
        Ok(std::mem::take(&mut self.finished))
    }

    /// Hands the buffered rows to an encoder.
    fn dispatch(&mut self) -> Result<()> {
        let factory = match self.factory.take() {
            Some(factory) => factory,
            None => self.open_file()?,
        };
        let writers = factory.create_column_writers(self.row_groups).map_err(|e| self.failed(e))?;
        self.factory = Some(factory);
        self.row_groups += 1;
        self.file_rows += self.buffered_rows;
        self.buffered_rows = 0;
        let batches = std::mem::take(&mut self.buffered);
        let (schema, shredder) = (Arc::clone(&self.schema), self.shredder.clone());
        let encode = move || encode(&schema, shredder.as_ref(), writers, &batches);
        self.jobs.push_back(Job::RowGroup(std::thread::spawn(encode)));
        if self.file_rows >= self.limits.file_rows {
            self.end_file();
        }
        while self.jobs.iter().filter(|job| matches!(job, Job::RowGroup(_))).count() > self.encoders.get() {
            if let Some(job) = self.jobs.pop_front() {
                self.complete(job)?;
            }
        }
        Ok(())
    }

    fn open_file(&mut self) -> Result<ArrowRowGroupWriterFactory> {
        let name = format!("{}-{}.parquet", self.prefix, uuid::Uuid::new_v4().simple());
        let path = self.output.local_path(&name);
        let file = File::create_new(&path).map_err(io_error(path))?;
        let mut schema = Arc::clone(&self.schema);
        if self.leaf_budget > 0 {
            // The first row group stands for the file: its paths get the columns.
            let leaves = choose(&self.buffered, &layout::SHREDDED_COLUMNS, self.leaf_budget);
            let fields = schema.fields().iter().cloned().chain(leaves.fields().into_iter().map(Arc::new));
            schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            self.shredder = Some(FileShredder::new(layout::SHREDDED_COLUMNS.to_vec(), leaves));
        }
        let options = ArrowWriterOptions::new().with_properties(layout::writer_properties(&schema));
        let file = BufWriter::with_capacity(1 << 20, file);
        let writer = ArrowWriter::try_new_with_options(file, schema, options).map_err(|e| self.failed(e))?;
        let (writer, factory) = writer.into_serialized_writer().map_err(|e| self.failed(e))?;
        self.open.push_back(OpenFile { name, writer, manifest: None });
        Ok(factory)
    }

    fn end_file(&mut self) {
        if self.factory.take().is_some() {
            self.jobs.push_back(Job::EndOfFile);
            self.file_rows = 0;
            self.row_groups = 0;
        }
    }

    fn complete(&mut self, job: Job) -> Result<()> {
        match job {
            Job::RowGroup(encoded) => {
                let (chunks, manifest) =
                    encoded.join().map_err(|_| Error::internal("an encoder of a row group failed"))??;
                let Some(file) = self.open.front_mut() else {
                    return Err(Error::internal("a row group without a file"));
                };
                let name = &file.name;
                let failed = |e| Error::storage(name.clone(), e);
                let mut row_group = file.writer.next_row_group().map_err(failed)?;
                for chunk in chunks {
                    chunk.append_to_row_group(&mut row_group).map_err(failed)?;
                }
                row_group.close().map_err(failed)?;
                match (&mut file.manifest, manifest) {
                    (Some(sum), Some(manifest)) => sum.merge(manifest),
                    (none, manifest) => *none = manifest,
                }
                Ok(())
            }
            Job::EndOfFile => {
                let Some(OpenFile { name, mut writer, manifest }) = self.open.pop_front() else {
                    return Err(Error::internal("the end of a file that is not open"));
                };
                if let Some(manifest) = manifest {
                    writer.append_key_value_metadata(KeyValue::new(MANIFEST_KEY.to_owned(), manifest.to_json()));
                }
                let closed = writer.finish().map_err(|e| Error::storage(name.clone(), e));
                // A drop would flush the buffer too, but hide what the disk says.
                let closed = closed.and_then(|metadata| {
                    writer.inner_mut().flush().map_err(|e| Error::storage(name.clone(), e))?;
                    Ok(metadata)
                });
                let written = closed.and_then(|metadata| {
                    let path = self.output.local_path(&name);
                    let size_bytes = fs::metadata(&path).map_err(io_error(path))?.len();
                    self.output.publish(&name)?;
                    Ok((metadata, size_bytes))
                });
                match written {
                    Ok((metadata, size_bytes)) => {
                        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
                        let statistics = log_statistics(&metadata, rows);
                        self.finished.push(WrittenFile { path: name, size_bytes, rows, statistics });
                        Ok(())
                    }
                    Err(error) => {
                        self.output.remove(&name);
                        Err(error)
                    }
                }
            }
        }
    }

    fn failed(&self, error: impl std::fmt::Display) -> Error {
        Error::storage(format!("{} files", self.prefix), error)
    }
}

impl Drop for FileWriter {
    /// Removes what was made but not returned by [`FileWriter::finish`].
    fn drop(&mut self) {
        for job in self.jobs.drain(..) {
            if let Job::RowGroup(encoded) = job {
                let _ = encoded.join();
            }
        }
        let names: Vec<_> =
            self.open.drain(..).map(|file| file.name).chain(self.finished.drain(..).map(|file| file.path)).collect();
        for name in names {
            self.output.remove(&name);
        }
    }
}

/// Removes files that were written but will be in no version.
pub fn discard(output: &Output, files: &[WrittenFile]) {
    for file in files {
        output.remove(&file.path);
    }
}

fn encode(
    schema: &SchemaRef,
    shredder: Option<&FileShredder>,
    mut writers: Vec<ArrowColumnWriter>,
    batches: &[RecordBatch],
) -> Result<(Vec<ArrowColumnChunk>, Option<Manifest>)> {
    let failed = |e: parquet::errors::ParquetError| Error::storage("encoding a row group", e);
    for batch in batches {
        let mut writers = writers.iter_mut();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, column).map_err(failed)? {
                if let Some(writer) = writers.next() {
                    writer.write(&leaf).map_err(failed)?;
                }
            }
        }
    }
    let mut manifest = None;
    if let Some(shredder) = shredder {
        let shredded = shredder.shred(batches)?;
        let mut writers = writers.iter_mut().skip(schema.fields().len());
        for (field, column) in shredder.leaves().fields().iter().zip(&shredded.arrays) {
            for leaf in compute_leaves(field, column).map_err(failed)? {
                if let Some(writer) = writers.next() {
                    writer.write(&leaf).map_err(failed)?;
                }
            }
        }
        manifest = Some(shredded.manifest);
    }
    let chunks = writers.into_iter().map(|writer| writer.close().map_err(failed)).collect::<Result<_>>()?;
    Ok((chunks, manifest))
}

/// Turns the footer's statistics into the log's: row count, bounds of the columns that have any, null counts.
fn log_statistics(metadata: &ParquetMetaData, rows: u64) -> Value {
    let (mut minimums, mut maximums, mut nulls) = (Map::new(), Map::new(), Map::new());
    let descriptor = metadata.file_metadata().schema_descr();
    for (index, column) in descriptor.columns().iter().enumerate() {
        // A leaf column may be a list, whose values have a name below its own.
        if column.path().parts().first().is_some_and(|name| name.starts_with(LEAF_PREFIX)) {
            continue;
        }
        let name = column.name();
        let groups: Option<Vec<&Statistics>> =
            metadata.row_groups().iter().map(|group| group.column(index).statistics()).collect();
        let Some(groups) = groups else { continue };
        if let Some(count) = groups.iter().map(|s| s.null_count_opt()).sum::<Option<u64>>() {
            nulls.insert(name.to_owned(), json!(count));
        }
        if let Some((minimum, maximum)) = layout::has_range(name).then(|| bounds(&groups)).flatten() {
            minimums.insert(name.to_owned(), minimum);
            maximums.insert(name.to_owned(), maximum);
        }
    }
    json!({ "numRecords": rows, "minValues": minimums, "maxValues": maximums, "nullCount": nulls })
}

fn bounds(groups: &[&Statistics]) -> Option<(Value, Value)> {
    match groups.first()? {
        Statistics::Int64(_) => {
            let all = || groups.iter().filter_map(|s| if let Statistics::Int64(s) = s { Some(s) } else { None });
            let minimum = *all().filter_map(|s| s.min_opt()).min()?;
            let maximum = *all().filter_map(|s| s.max_opt()).max()?;
            let text =
                |us| Some(chrono::DateTime::from_timestamp_micros(us)?.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
            Some((json!(text(minimum)?), json!(text(maximum)?)))
        }
        Statistics::Double(_) => {
            let all = || groups.iter().filter_map(|s| if let Statistics::Double(s) = s { Some(s) } else { None });
            let minimum = all().filter_map(|s| s.min_opt()).copied().reduce(f64::min)?;
            let maximum = all().filter_map(|s| s.max_opt()).copied().reduce(f64::max)?;
            Some((json!(minimum), json!(maximum)))
        }
        Statistics::ByteArray(_) => {
            let all = || groups.iter().filter_map(|s| if let Statistics::ByteArray(s) = s { Some(s) } else { None });
            // A bound that was cut short is still one for the footer, but other engines take the log's as values.
            let exact = all().all(|s| s.min_is_exact() && s.max_is_exact());
            let minimum = all().filter_map(|s| s.min_opt()).min_by(|a, b| a.data().cmp(b.data()))?.as_utf8().ok()?;
            let maximum = all().filter_map(|s| s.max_opt()).max_by(|a, b| a.data().cmp(b.data()))?.as_utf8().ok()?;
            let short =
                minimum.len() <= layout::STATISTICS_TEXT_BYTES && maximum.len() <= layout::STATISTICS_TEXT_BYTES;
            (exact && short).then(|| (json!(minimum), json!(maximum)))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;

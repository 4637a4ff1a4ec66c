//! Writes sorted rows as data files: row groups are encoded on all cores, and appended in order.
//!
//! Rows come in batches, in the order they are to be stored in. The first of a file are kept back until there are enough of them
//! to tell which leaf columns and encodings pay; from then on a batch goes to the encoders (`encode`) as it comes, while
//! the caller goes on producing the next. Encoded row groups are appended to their file by the caller's thread. So memory holds
//! the sample of one file, a few batches a thread, and the compressed columns of a row group or two.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, ArrowWriterOptions};
use parquet::arrow::{ArrowWriter, encode_arrow_schema};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::writer::SerializedFileWriter;
use serde_json::Value;

use super::cluster::cluster_page;
use super::encode::{Encoders, RowGroup};
use super::footer::{NAN_KEY, TYPES_KEY};
use super::ids::{self, IdsPlace};
use super::layout;
pub use super::layout::FileLimits;
use super::looks;
use super::preview::Preview;
use super::seal::{SEAL_KEY, Seal, SealingWriter};
use super::statistics::log_statistics;
use super::store;
use super::table::Table;
use super::upload::upload;
use super::writing::Writing;
use crate::error::{Error, Result, io_error};
use crate::schema;
use crate::shred::choice::choose;
use crate::shred::{FileShredder, LeafLimits, MANIFEST_KEY};

/// Where data files go.
#[derive(Debug, Clone)]
pub enum Output {
    /// A table's folder on this machine.
    Folder(PathBuf),
    /// The same, where the names of files are noted for as long as no version has them.
    Noted {
        /// The folder.
        folder: PathBuf,
        /// The list of names.
        writing: Arc<Writing>,
    },
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
            Some(folder) => {
                let writing = Arc::new(Writing::new(folder.clone(), table.version()));
                Self::Noted { folder: folder.clone(), writing }
            }
            None => Self::Store { store: table.store(), runtime: tokio::runtime::Handle::current(), temporary },
        }
    }

    fn local_path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) | Self::Noted { folder, .. } => folder.join(name),
            Self::Store { temporary, .. } => temporary.join(name),
        }
    }

    /// Makes a finished file durable under its name.
    fn publish(&self, name: &str) -> Result<()> {
        let path = self.local_path(name);
        match self {
            Self::Folder(_) | Self::Noted { .. } => store::sync_file(&path).map_err(io_error(path)),
            Self::Store { store, runtime, .. } => {
                let location = object_store::path::Path::from(name);
                wait(runtime, upload(store.as_ref(), &path, &location))?;
                fs::remove_file(&path).map_err(io_error(path))
            }
        }
    }

    /// The list that the names of files are noted in, if there is one.
    fn writing(&self) -> Option<Arc<Writing>> {
        match self {
            Self::Noted { writing, .. } => Some(Arc::clone(writing)),
            _ => None,
        }
    }

    fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.local_path(name));
        if let Self::Store { store, runtime, .. } = self {
            let location = object_store::path::Path::from(name);
            let _ = wait(runtime, store.delete(&location));
        }
    }
}

/// Waits for a request. A thread of the runtime hands on its other tasks first.
fn wait<T>(runtime: &tokio::runtime::Handle, request: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| runtime.block_on(request))
}

/// A data file that is complete and on disk, but in no version yet.
#[derive(Debug, Clone, Default)]
pub struct WrittenFile {
    /// The path from the table's folder.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Number of rows.
    pub rows: u64,
    /// The statistics for the log, in Delta's form.
    pub statistics: Value,
    /// The columns of numbers that have a NaN, which statistics leave out.
    pub nan: BTreeSet<String>,
    /// The checksums of its bytes.
    pub seal: Option<Seal>,
    /// Where it tells of its session ids.
    pub ids: Option<IdsPlace>,
    /// Its leaf columns; `None` where it is of a table that has none.
    pub leaves: Option<u64>,
    /// The list that has its name until a version has it.
    pub writing: Option<Arc<Writing>>,
}

enum Job {
    RowGroup,
    EndOfFile,
}

struct OpenFile {
    name: String,
    writer: SerializedFileWriter<BufWriter<SealingWriter<File>>>,
    /// Takes the leaves out of the file's rows, and knows their JSON paths in the end.
    shredder: Option<FileShredder>,
    /// The columns of numbers that have a NaN, once all rows came.
    nan: BTreeSet<String>,
    /// The short hashes of the session ids, then.
    ids: Vec<u64>,
}

/// Writes one stream of rows as data files of bounded size.
pub struct FileWriter {
    schema: SchemaRef,
    output: Output,
    threads: NonZeroUsize,
    prefix: &'static str,
    limits: FileLimits,
    /// What leaf columns of a file may take.
    leaves: LeafLimits,
    /// Whether files that are not large are compressed with more work.
    harder: bool,
    /// Some of all rows that come, if they are known.
    preview: Option<Preview>,
    /// The first rows of a file that is not open yet.
    sample: Vec<RecordBatch>,
    /// Rows of the file and of the row group that are being filled.
    file_rows: usize,
    group_rows: usize,
    /// The columns of numbers of the file that is being filled that have a NaN.
    nan: BTreeSet<String>,
    /// The short hashes of its session ids.
    ids: Vec<u64>,
    /// The file that is being filled, once it is open.
    filling: Option<Filling>,
    /// Started with the first file.
    encoders: Option<Encoders>,
    /// Files that are opened and not yet closed, oldest first; jobs are for the oldest until its `EndOfFile`.
    open: VecDeque<OpenFile>,
    jobs: VecDeque<Job>,
    finished: Vec<WrittenFile>,
}

/// What the row groups of a file are made with.
struct Filling {
    factory: ArrowRowGroupWriterFactory,
    /// The columns, leaves included.
    schema: SchemaRef,
    shredder: Option<FileShredder>,
    row_groups: usize,
    /// Whether the last row group takes more rows.
    in_row_group: bool,
}

impl FileWriter {
    /// Makes a writer of files whose names start with `prefix`, encoded by so many threads.
    pub fn new(schema: SchemaRef, output: Output, threads: NonZeroUsize, prefix: &'static str) -> Self {
        Self {
            schema,
            output,
            threads,
            prefix,
            limits: FileLimits::default(),
            leaves: LeafLimits::default(),
            harder: false,
            preview: None,
            sample: Vec::new(),
            file_rows: 0,
            group_rows: 0,
            nan: BTreeSet::new(),
            ids: Vec::new(),
            filling: None,
            encoders: None,
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

    /// Adds leaf columns for JSON paths.
    #[must_use]
    pub fn with_leaves(mut self, leaves: LeafLimits) -> Self {
        self.leaves = leaves;
        self
    }

    /// Compresses files with more work than usual, if they are not large. Files of few rows are always compressed so.
    pub fn compress_harder(&mut self, harder: bool) {
        self.harder = harder;
    }

    /// Chooses leaf columns by some of all rows that come, too, and not by the first of each file alone.
    #[must_use]
    pub fn with_preview(mut self, preview: Option<Preview>) -> Self {
        self.preview = preview;
        self
    }

    /// Takes rows, which follow those of earlier calls in the order of storage. Batches of [`layout::PAGE_ROWS`] are pages, whose
    /// rows are clustered (`lake::cluster`); a page that comes in parts is stored as it comes.
    ///
    /// # Errors
    /// Storage errors. The files made so far are then removed when the writer is dropped.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut offset = 0;
        while offset < batch.num_rows() {
            let room = (self.limits.row_group_rows - self.group_rows).min(self.limits.file_rows - self.file_rows);
            let room = room.min(layout::PAGE_ROWS - self.group_rows % layout::PAGE_ROWS);
            let rows = batch.slice(offset, room.min(batch.num_rows() - offset));
            offset += rows.num_rows();
            let is_page = rows.num_rows() == layout::PAGE_ROWS;
            let rows = if is_page { cluster_page(&rows)? } else { rows };
            self.group_rows += rows.num_rows();
            self.file_rows += rows.num_rows();
            note_nan(&rows, &mut self.nan);
            ids::note(&rows, &mut self.ids);
            match self.filling {
                Some(_) => self.encode(rows)?,
                None => self.sample.push(rows),
            }
            let ends_file = self.file_rows >= self.limits.file_rows;
            let ends_group = ends_file || self.group_rows >= self.limits.row_group_rows;
            if self.filling.is_none() && (ends_group || self.group_rows >= layout::SAMPLE_ROWS) {
                self.open_file()?;
            }
            if ends_group {
                self.end_row_group();
            }
            if ends_file {
                self.end_file();
            }
        }
        Ok(())
    }

    /// Finishes all files and returns them, on disk and durable.
    ///
    /// # Errors
    /// Storage errors; the files are removed.
    pub fn finish(mut self) -> Result<Vec<WrittenFile>> {
        if !self.sample.is_empty() {
            self.open_file()?;
        }
        self.end_row_group();
        self.end_file();
        while let Some(job) = self.jobs.pop_front() {
            match (job, &self.encoders) {
                (Job::RowGroup, Some(encoders)) => {
                    let chunks = encoders.wait_for_encoded()?;
                    self.append(chunks)?;
                }
                (Job::RowGroup, None) => return Err(Error::internal("a row group without encoders")),
                (Job::EndOfFile, _) => self.close_file()?,
            }
        }
        Ok(std::mem::take(&mut self.finished))
    }

    /// Hands rows to the encoders, and appends what they have finished.
    fn encode(&mut self, rows: RecordBatch) -> Result<()> {
        let (Some(filling), Some(encoders)) = (&mut self.filling, &self.encoders) else {
            return Err(Error::internal("rows before the file is open"));
        };
        if !filling.in_row_group {
            let prefix = self.prefix;
            let writers = filling.factory.create_column_writers(filling.row_groups);
            encoders.begin(RowGroup {
                writers: writers.map_err(|e| Error::storage(format!("{prefix} files"), e))?,
                fields: filling.schema.fields().to_vec(),
                plain_columns: self.schema.fields().len(),
                largest_column: self.schema.index_of(layout::LARGEST_COLUMN).ok(),
                shredder: filling.shredder.clone(),
            });
            filling.in_row_group = true;
            filling.row_groups += 1;
            self.jobs.push_back(Job::RowGroup);
        }
        encoders.push(rows)?;
        while let Some(job) = self.jobs.front() {
            match job {
                Job::RowGroup => {
                    let Some(chunks) = self.encoders.as_ref().map(Encoders::encoded).transpose()?.flatten() else {
                        break;
                    };
                    self.append(chunks)?;
                }
                Job::EndOfFile => self.close_file()?,
            }
            self.jobs.pop_front();
        }
        Ok(())
    }

    /// Opens a file for the sample's rows and those that come after them.
    fn open_file(&mut self) -> Result<()> {
        let name = format!("{}-{}.parquet", self.prefix, uuid::Uuid::new_v4().simple());
        let path = self.output.local_path(&name);
        if let Some(writing) = self.output.writing() {
            writing.note(&name)?;
        }
        let file = File::create_new(&path).map_err(io_error(path))?;
        let sample = std::mem::take(&mut self.sample);
        let mut schema = Arc::clone(&self.schema);
        let mut shredder = None;
        let rows = sample.iter().map(RecordBatch::num_rows).sum();
        let is_whole = rows < layout::SAMPLE_ROWS;
        if self.leaves.columns > 0 {
            // The sample stands for the file: its paths get the columns.
            let group_rows = if is_whole { rows } else { self.limits.row_group_rows };
            let spread = match self.preview.as_ref().filter(|_| !is_whole) {
                Some(preview) => preview.of_file(&sample, self.limits.file_rows)?,
                None => Vec::new(),
            };
            let looked_at = if spread.is_empty() { &sample } else { &spread };
            // How many rows a file will have that is larger than the sample is not known yet.
            let lake_rows = if is_whole { self.leaves.lake_rows } else { 0 };
            let limits = LeafLimits { lake_rows, ..self.leaves.clone() };
            let leaves = choose(looked_at, &layout::SHREDDED_COLUMNS, &limits, group_rows);
            let fields = schema.fields().iter().cloned().chain(leaves.fields().into_iter().map(Arc::new));
            schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            shredder = Some(FileShredder::new(layout::SHREDDED_COLUMNS.to_vec(), leaves));
        }
        let mut looks = looks::of_columns(&schema, &sample, shredder.as_ref())?;
        looks.rows = is_whole.then_some(rows);
        looks.harder = is_whole && (self.harder || rows as u64 <= layout::LEAFLESS_ROWS);
        let properties = layout::writer_properties(&schema, &looks);
        // Under Arrow's own key other programs would take the types of our readers for theirs.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let file = BufWriter::with_capacity(1 << 20, SealingWriter::new(file));
        let writer =
            ArrowWriter::try_new_with_options(file, Arc::clone(&schema), options).map_err(|e| self.failed(e))?;
        let (mut writer, factory) = writer.into_serialized_writer().map_err(|e| self.failed(e))?;
        if schema != schema::stored_schema() {
            writer.append_key_value_metadata(KeyValue::new(TYPES_KEY.to_owned(), encode_arrow_schema(&schema)));
        }
        self.open.push_back(OpenFile {
            name,
            writer,
            shredder: shredder.clone(),
            nan: BTreeSet::new(),
            ids: Vec::new(),
        });
        self.filling = Some(Filling { factory, schema, shredder, row_groups: 0, in_row_group: false });
        self.encoders.get_or_insert_with(|| Encoders::start(self.threads));
        sample.into_iter().try_for_each(|rows| self.encode(rows))
    }

    fn end_row_group(&mut self) {
        self.group_rows = 0;
        if let (Some(filling), Some(encoders)) = (&mut self.filling, &self.encoders)
            && std::mem::take(&mut filling.in_row_group)
        {
            encoders.end();
        }
    }

    fn end_file(&mut self) {
        self.file_rows = 0;
        if self.filling.take().is_some() {
            if let Some(file) = self.open.back_mut() {
                file.nan = std::mem::take(&mut self.nan);
                file.ids = std::mem::take(&mut self.ids);
            }
            self.jobs.push_back(Job::EndOfFile);
        }
    }

    /// Appends a row group to the oldest open file.
    fn append(&mut self, chunks: Vec<ArrowColumnChunk>) -> Result<()> {
        let Some(file) = self.open.front_mut() else {
            return Err(Error::internal("a row group without a file"));
        };
        let failed = |e| Error::storage(file.name.clone(), e);
        let mut row_group = file.writer.next_row_group().map_err(failed)?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut row_group).map_err(failed)?;
        }
        row_group.close().map_err(failed)?;
        Ok(())
    }

    /// Closes the oldest open file, which has all its row groups.
    fn close_file(&mut self) -> Result<()> {
        let Some(OpenFile { name, mut writer, shredder, nan, ids }) = self.open.pop_front() else {
            return Err(Error::internal("the end of a file that is not open"));
        };
        let named: Vec<&str> = nan.iter().map(String::as_str).collect();
        writer.append_key_value_metadata(KeyValue::new(NAN_KEY.to_owned(), named.join(",")));
        let columns = writer.schema_descr().root_schema().get_fields().len();
        let leaves = columns.saturating_sub(self.schema.fields().len()) as u64;
        let leaves = self.schema.column_with_name(layout::LARGEST_COLUMN).map(|_| leaves);
        if let Some(shredder) = shredder {
            let manifest = shredder.manifest().to_json();
            writer.append_key_value_metadata(KeyValue::new(MANIFEST_KEY.to_owned(), manifest));
        }
        let closed = finish(writer, ids).map_err(|e| Error::storage(name.clone(), e));
        let written = closed.and_then(|(metadata, seal, ids)| {
            let path = self.output.local_path(&name);
            let size_bytes = fs::metadata(&path).map_err(io_error(path))?.len();
            self.output.publish(&name)?;
            Ok((metadata, size_bytes, seal, ids))
        });
        match written {
            Ok((metadata, size_bytes, seal, ids)) => {
                let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
                let statistics = log_statistics(&metadata, rows, &nan);
                let writing = self.output.writing();
                let file = WrittenFile { path: name, size_bytes, rows, statistics, nan, seal, ids, leaves, writing };
                self.finished.push(file);
                Ok(())
            }
            Err(error) => {
                self.output.remove(&name);
                Err(error)
            }
        }
    }

    fn failed(&self, error: impl Into<crate::error::Cause>) -> Error {
        Error::storage(format!("{} files", self.prefix), error)
    }
}

/// Writes what the file tells of its ids, the sums of the blocks, the page index and the footer.
fn finish(
    mut writer: SerializedFileWriter<BufWriter<SealingWriter<File>>>,
    ids: Vec<u64>,
) -> parquet::errors::Result<(ParquetMetaData, Option<Seal>, Option<IdsPlace>)> {
    let mut place = None;
    if !ids.is_empty() {
        let (offset, rows) = (writer.bytes_written() as u64, ids.len() as u64);
        let encoded = ids::encode(ids);
        place = Some(IdsPlace::of(offset, rows, &encoded));
        writer.write_all(&encoded)?;
    }
    writer.flush()?;
    let (sums, body_bytes) = writer.inner_mut().get_mut().end_blocks();
    writer.write_all(&sums)?;
    writer.append_key_value_metadata(KeyValue::new(SEAL_KEY.to_owned(), SealingWriter::<File>::described(body_bytes)));
    let metadata = writer.finish()?;
    // A drop would flush the buffer too, but hide what the disk says.
    writer.inner_mut().flush()?;
    Ok((metadata, writer.inner().get_ref().seal(), place))
}

impl Drop for FileWriter {
    /// Removes what was made but not returned by [`FileWriter::finish`].
    fn drop(&mut self) {
        self.encoders = None;
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

/// Adds the names of the columns of numbers that have a NaN.
fn note_nan(rows: &RecordBatch, nan: &mut BTreeSet<String>) {
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        let Some(numbers) = column.as_primitive_opt::<Float64Type>() else { continue };
        // What stands where a value is null is no value.
        if numbers.values().iter().any(|number| number.is_nan())
            && numbers.iter().flatten().any(f64::is_nan)
            && !nan.contains(field.name())
        {
            nan.insert(field.name().clone());
        }
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;

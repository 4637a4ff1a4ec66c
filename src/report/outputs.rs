//! The files of one report, written as its rows stream by, and hashed on the way.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use sha2::{Digest, Sha256};

use super::manifest::{Output, hexadecimal};
use super::spec::Report;
use crate::error::{Error, Result, io_error};
use crate::format::{self, FormatOptions, OutputFormat, ResultWriter};

/// The folder of the rows that the page shows.
pub const PAGE_FOLDER: &str = ".page";

/// Returns the ending of a format's files.
fn ending(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Table => "txt",
        OutputFormat::Markdown => "md",
        other => other.name(),
    }
}

/// Names the file of a report in a format.
pub fn file_name(id: &str, format: OutputFormat) -> String {
    format!("{id}.{}", ending(format))
}

/// A file that hashes what is written to it.
pub struct HashedFile {
    name: String,
    state: Arc<Mutex<State>>,
}

struct State {
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl HashedFile {
    /// Makes a file in a folder; `name` is its path from there.
    ///
    /// # Errors
    /// Storage errors.
    pub fn create(folder: &Path, name: String) -> Result<Self> {
        let path = folder.join(&name);
        let file = File::options().write(true).create_new(true).open(&path).map_err(io_error(path))?;
        let state = State { file: BufWriter::new(file), hasher: Sha256::new(), bytes: 0 };
        Ok(Self { name, state: Arc::new(Mutex::new(state)) })
    }

    /// Returns a handle that writes to the file.
    pub fn sink(&self) -> Box<dyn Write + Send> {
        Box::new(HashedSink(Arc::clone(&self.state)))
    }

    /// Brings the bytes to disk, and says what they are.
    ///
    /// # Errors
    /// Storage errors.
    pub fn finish(self) -> Result<Output> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.flush().and_then(|()| state.file.get_ref().sync_all()).map_err(io_error(&self.name))?;
        let sha256 = hexadecimal(&state.hasher.finalize_reset());
        Ok(Output { file: self.name.clone(), bytes: state.bytes, sha256 })
    }
}

struct HashedSink(Arc<Mutex<State>>);

impl Write for HashedSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.file.write(bytes)?;
        state.hasher.update(bytes.get(..count).unwrap_or_default());
        state.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).file.flush()
    }
}

/// The rows that the page shows of a report.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The columns.
    pub schema: SchemaRef,
    /// The first rows.
    pub batches: Vec<RecordBatch>,
}

impl Shown {
    /// Reads rows that an earlier run kept.
    ///
    /// # Errors
    /// A file that is not there or not what it was.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(io_error(path))?;
        let wrong = |e: arrow::error::ArrowError| Error::storage(path.display().to_string(), e);
        let reader = arrow::ipc::reader::FileReader::try_new(file, None).map_err(wrong)?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        Ok(Self { schema, batches })
    }
}

/// All files of one report, being written.
pub struct Outputs {
    writers: Vec<(HashedFile, Box<dyn ResultWriter>)>,
    shown: Shown,
    missing_rows: usize,
    id: String,
}

/// What was written.
pub struct WrittenOutputs {
    /// The files, in the order of the report's formats.
    pub outputs: Vec<Output>,
    /// The file of the rows that the page shows, and the rows.
    pub page_rows: (Output, Shown),
    /// The rows of the result.
    pub rows: u64,
}

impl Outputs {
    /// Makes the files. `html_rows` is how many rows the page shows at most.
    ///
    /// # Errors
    /// Storage errors; a column that a format cannot hold.
    pub fn create(
        folder: &Path,
        report: &Report,
        options: &FormatOptions,
        schema: SchemaRef,
        html_rows: usize,
    ) -> Result<Self> {
        let mut writers = Vec::new();
        for format in &report.formats {
            let file = HashedFile::create(folder, file_name(report.id(), *format))?;
            let writer = format::writer(*format, options, Arc::clone(&schema), file.sink())?;
            writers.push((file, writer));
        }
        let shown = Shown { schema, batches: Vec::new() };
        Ok(Self { writers, shown, missing_rows: html_rows, id: report.id().to_owned() })
    }

    /// Writes the next rows into every file.
    ///
    /// # Errors
    /// Storage errors.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for (_, writer) in &mut self.writers {
            writer.write(batch)?;
        }
        let count = batch.num_rows().min(self.missing_rows);
        if count > 0 {
            self.shown.batches.push(compact(&batch.slice(0, count))?);
            self.missing_rows -= count;
        }
        Ok(())
    }

    /// Finishes every file.
    ///
    /// # Errors
    /// Storage errors.
    pub fn finish(self, folder: &Path, rows: u64) -> Result<WrittenOutputs> {
        let mut outputs = Vec::new();
        for (file, writer) in self.writers {
            writer.finish()?;
            outputs.push(file.finish()?);
        }
        let file = HashedFile::create(folder, format!("{PAGE_FOLDER}/{}.arrow", self.id))?;
        let options = FormatOptions::default();
        let schema = Arc::clone(&self.shown.schema);
        let mut writer = format::writer(OutputFormat::Arrow, &options, schema, file.sink())?;
        for batch in &self.shown.batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        Ok(WrittenOutputs { outputs, page_rows: (file.finish()?, self.shown), rows })
    }
}

/// Lets go of text that a slice of rows does not use: views hold all of what they were cut from.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| -> ArrayRef {
            match column.data_type() {
                DataType::Utf8View => Arc::new(column.as_string_view().gc()),
                DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
                _ => Arc::clone(column),
            }
        })
        .collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

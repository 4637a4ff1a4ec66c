//! The files of one report, written as its rows stream by, and hashed on the way.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use sha2::{Digest, Sha256};

use super::chart::ChartSpec;
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

/// What the page shows of a report.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The columns.
    pub schema: SchemaRef,
    /// The first rows.
    pub batches: Vec<RecordBatch>,
    /// The chart's columns of all rows; none where the first rows are all, or there is no chart.
    pub drawn: Option<Vec<RecordBatch>>,
}

impl Shown {
    /// Reads rows that an earlier run kept, and those of its chart where it kept some.
    ///
    /// # Errors
    /// A file that is not there or not what it was.
    pub fn read(rows: &Path, chart: Option<&Path>) -> Result<Self> {
        let (schema, batches) = read(rows)?;
        let drawn = chart.map(read).transpose()?.map(|(_, batches)| batches);
        Ok(Self { schema, batches, drawn })
    }
}

fn read(path: &Path) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let file = File::open(path).map_err(io_error(path))?;
    let wrong = |e: arrow::error::ArrowError| Error::storage(path.display().to_string(), e);
    let reader = arrow::ipc::reader::FileReader::try_new(file, None).map_err(wrong)?;
    let schema = reader.schema();
    Ok((schema, reader.collect::<Result<Vec<_>, _>>().map_err(wrong)?))
}

/// Rows that a chart is drawn from at most: beyond them an eye sees no more, and the page is held in memory.
const CHART_ROWS: usize = 100_000;
/// Bytes of what a chart is drawn from, for columns of long texts.
const CHART_BYTES: usize = 64 << 20;

/// The columns of a chart, of all rows as far as they are drawn.
struct ChartRows {
    schema: SchemaRef,
    /// Their places in the result.
    places: Vec<usize>,
    batches: Vec<RecordBatch>,
    missing_rows: usize,
    missing_bytes: usize,
}

impl ChartRows {
    fn new(spec: &ChartSpec, schema: &SchemaRef) -> Result<Option<Self>> {
        let mut places = Vec::new();
        for name in spec.columns() {
            let place = schema.index_of(name)?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() {
            return Ok(None);
        }
        let schema = Arc::new(schema.project(&places)?);
        let (missing_rows, missing_bytes) = (CHART_ROWS, CHART_BYTES);
        Ok(Some(Self { schema, places, batches: Vec::new(), missing_rows, missing_bytes }))
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let count = batch.num_rows().min(self.missing_rows);
        if count > 0 {
            let rows = compact(&batch.project(&self.places)?.slice(0, count))?;
            self.missing_rows -= count;
            match self.missing_bytes.checked_sub(rows.get_array_memory_size()) {
                Some(left) => self.missing_bytes = left,
                // What is drawn is the first rows without a gap.
                None => self.missing_rows = 0,
            }
            self.batches.push(rows);
        }
        Ok(())
    }
}

/// All files of one report, being written.
pub struct Outputs {
    writers: Vec<(HashedFile, Box<dyn ResultWriter>)>,
    formats: Vec<OutputFormat>,
    shown: Shown,
    chart: Option<ChartRows>,
    missing_rows: usize,
    id: String,
}

/// What was written.
pub struct WrittenOutputs {
    /// The files, in the order of the report's formats.
    pub outputs: Vec<Output>,
    /// The file of the rows that the page shows.
    pub page_rows: Output,
    /// The file of what its chart is drawn from, where that is more.
    pub chart_rows: Option<Output>,
    /// What the page shows.
    pub shown: Shown,
    /// What the formats could not hold, in whole sentences.
    pub notes: Vec<String>,
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
        let chart = report.chart.as_ref().map(|spec| ChartRows::new(spec, &schema)).transpose()?.flatten();
        let shown = Shown { schema, batches: Vec::new(), drawn: None };
        let (formats, id) = (report.formats.clone(), report.id().to_owned());
        Ok(Self { writers, formats, shown, chart, missing_rows: html_rows, id })
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
        if let Some(chart) = &mut self.chart {
            chart.add(batch)?;
        }
        Ok(())
    }

    /// Finishes every file.
    ///
    /// # Errors
    /// Storage errors.
    pub fn finish(mut self, folder: &Path, rows: u64) -> Result<WrittenOutputs> {
        let (mut outputs, mut notes) = (Vec::new(), Vec::new());
        for (file, writer) in self.writers {
            let written = writer.finish()?;
            let output = file.finish()?;
            if written.cut_cells > 0 {
                notes.push(cut_note(&output.file, written.cut_cells, &self.id, &self.formats));
            }
            outputs.push(output);
        }
        let page_rows = keep(folder, page_file(&self.id), &self.shown.schema, &self.shown.batches)?;
        let all_shown = self.shown.batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>() == rows;
        let mut chart_rows = None;
        if let Some(chart) = self.chart.filter(|_| !all_shown) {
            chart_rows = Some(keep(folder, chart_file(&self.id), &chart.schema, &chart.batches)?);
            self.shown.drawn = Some(chart.batches);
        }
        Ok(WrittenOutputs { outputs, page_rows, chart_rows, shown: self.shown, notes, rows })
    }
}

/// Names every file that a report may write, for one that failed half-way.
pub fn all_files(report: &Report) -> Vec<String> {
    let outputs = report.formats.iter().map(|format| file_name(report.id(), *format));
    outputs.chain([page_file(report.id()), chart_file(report.id())]).collect()
}

fn page_file(id: &str) -> String {
    format!("{PAGE_FOLDER}/{id}.arrow")
}

fn chart_file(id: &str) -> String {
    format!("{PAGE_FOLDER}/{id}.chart")
}

/// Writes rows that the page needs.
fn keep(folder: &Path, name: String, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Output> {
    let file = HashedFile::create(folder, name)?;
    let options = FormatOptions::default();
    let mut writer = format::writer(OutputFormat::Arrow, &options, Arc::clone(schema), file.sink())?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    file.finish()
}

/// Says that texts are cut in a file, and where all of them is.
fn cut_note(file: &str, count: u64, id: &str, formats: &[OutputFormat]) -> String {
    let texts = if count == 1 { "1 text is".to_owned() } else { format!("{count} texts are") };
    let whole = match formats.iter().find(|format| **format != OutputFormat::Xlsx) {
        Some(format) => format!("{} has all", file_name(id, *format)),
        None => "add csv to the formats to have all".to_owned(),
    };
    format!("In {file} {texts} longer than a cell holds, and cut; {whole}.")
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

//! Reads all inputs of a run once: rows go to sorted runs, their keys to the key store, rejects to a temporary file.
//!
//! One thread cuts files into blocks of whole records, workers convert blocks and hash the rows, and the calling thread collects.
//! The channels between them are short, so memory holds a few blocks a worker.

#![allow(clippy::indexing_slicing, reason = "files are numbered by the run")]

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};

use super::Warning;
use super::batch::{Block, FileSummary, ReadBatch, Reject};
use super::converter::Converter;
use super::fingerprint::KeyColumns;
use super::keys::{KeyStore, RowPlace};
use super::quarantine;
use super::reader::Reader;
use super::runs::RunStore;
use super::signs::{Signs, refusal};
use super::source::{ReadOptions, SourceFile};
use super::survey::Survey;
use crate::error::{Error, Result, as_flags};
use crate::lake::contents::content_hashes;
use crate::lake::ledger::{FileLedger, add_warnings};
use crate::schema::{self, COLUMNS};

/// The column that numbers the rows of a run; it never leaves the run.
pub const ORDINAL: &str = "_ordinal";

/// The column with the line of a row in its file, or its number there; it never leaves the run either.
pub const LINE: &str = "_line";

/// Unknown columns that a ledger names at most: JSON whose keys are ids would otherwise name as many as it has records.
const UNKNOWN_COLUMNS: usize = 1_000;

/// Bad records beyond those that stop a run that are still read, so that its ledger counts them.
const COUNTED_BAD: u64 = 100_000;

/// How many notes on the columns of its records a ledger has at most.
const NOTES: usize = 50;

/// Returns the schema of rows in a run: what the lake stores, the row's number in the run and its line in the file.
pub fn run_schema() -> SchemaRef {
    let stored = schema::stored_schema();
    let numbers = [ORDINAL, LINE].map(|name| Arc::new(Field::new(name, DataType::UInt64, true)));
    Arc::new(Schema::new(stored.fields().iter().cloned().chain(numbers).collect::<Vec<_>>()))
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of input read, compressed where the input is.
    pub bytes: u64,
    /// Records read.
    pub rows: u64,
}

/// What a run may use, and who is told of it.
#[derive(Clone)]
pub struct Limits {
    /// Threads that convert and encode.
    pub threads: NonZeroUsize,
    /// Bytes of rows and keys kept in memory before they go to temporary files.
    pub memory_bytes: usize,
    /// Bytes of temporary files at most.
    pub spill_bytes: u64,
    /// Set from outside to stop the run.
    pub cancelled: Arc<AtomicBool>,
    /// Told now and then how far the run has come.
    pub progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

impl Limits {
    /// Fails if the run was stopped from outside.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Everything that was read, waiting for its outcome.
pub struct Staged {
    /// A key for every good row.
    pub keys: KeyStore,
    /// The good rows.
    pub runs: RunStore,
    /// Some of the good rows.
    pub survey: Survey,
    /// Number of good rows.
    pub rows: u64,
    /// First row number and file of each stretch of rows.
    pub stretches: Vec<(u64, u32)>,
    /// One entry a file.
    pub files: Vec<FileLedger>,
    /// The documented columns that the rows of each file have: [`ReadBatch::columns_seen`] of all its blocks.
    columns_seen: Vec<u32>,
    /// What of each file another dialect would explain.
    signs: Vec<Signs>,
    /// Rejects of all files, refused ones included.
    pub rejects: RejectStore,
}

impl Staged {
    /// Names the file that a row came from.
    pub fn file_of(&self, ordinal: u64) -> usize {
        let index = self.stretches.partition_point(|(first, _)| *first <= ordinal);
        self.stretches.get(index.saturating_sub(1)).map_or(0, |(_, file)| *file as usize)
    }
}

/// Rejects on their way to the quarantine table.
pub struct RejectStore {
    writer: Option<StreamWriter<BufWriter<File>>>,
    /// The file of each batch written.
    files: Vec<u32>,
}

fn failed(error: impl Into<crate::error::Cause>) -> Error {
    Error::storage("temporary file of rejected records", error)
}

impl RejectStore {
    fn new() -> Self {
        Self { writer: None, files: Vec::new() }
    }

    /// Returns the bytes on disk so far.
    fn spilled_bytes(&self) -> u64 {
        let file = self.writer.as_ref().map(|writer| writer.get_ref().get_ref());
        file.and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len())
    }

    fn push(&mut self, file: u32, batch: &RecordBatch) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
                // Bad records are often alike: a small file that was packed may have gigabytes of them.
                let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME));
                let options = options.map_err(failed)?;
                let schema = schema::quarantine_schema();
                none.insert(StreamWriter::try_new_with_options(file, &schema, options).map_err(failed)?)
            }
        };
        writer.write(batch).map_err(failed)?;
        self.files.push(file);
        Ok(())
    }

    /// Calls back with the rejects of the files that `wanted` says yes to.
    ///
    /// # Errors
    /// What the callback returns; a temporary file that cannot be read back.
    pub fn for_each(
        &mut self,
        wanted: impl Fn(usize) -> bool,
        mut visit: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.flush().map_err(failed)?;
        let mut file = writer.get_ref().get_ref().try_clone().map_err(failed)?;
        let end = file.stream_position().map_err(failed)?;
        file.rewind().map_err(failed)?;
        let reader = StreamReader::try_new(BufReader::new(file), None).map_err(failed)?;
        for (batch, origin) in reader.zip(&self.files) {
            if wanted(*origin as usize) {
                visit(&batch.map_err(failed)?)?;
            }
        }
        // The clone shares its position with the writer.
        let mut file: &File = writer.get_ref().get_ref();
        file.seek(SeekFrom::Start(end)).map(|_| ()).map_err(failed)
    }
}

/// What the cutting thread and the workers send.
enum Message {
    Converted { file: u32, read: Box<ReadBatch>, content: Int64Array },
    Bytes(u64),
    End { file: u32, outcome: Result<FileSummary> },
}

struct Work {
    file: u32,
    block: Block,
    converter: Arc<Converter>,
}

/// Reads and converts all files; where a run stops at more than `max_bad` bad records, not much further than those.
///
/// A file that cannot be read as what it claims to be is noted in its ledger as refused, and its rows count for nothing.
///
/// # Errors
/// Temporary space that runs out, or a run that is stopped from outside; not the inputs' own faults.
pub fn stage(
    inputs: &[SourceFile],
    skip: &[Option<u64>],
    read: &ReadOptions,
    limits: &Limits,
    max_bad: Option<u64>,
    quarantined_at_us: i64,
) -> Result<Staged> {
    let workers = limits.threads.get();
    let (work_sender, work_receiver) = sync_channel::<Work>(workers);
    let (sender, receiver) = sync_channel::<Message>(workers * 2);
    // Owned by the workers alone: once the last has ended, the cutting thread's next send fails instead of waiting for ever.
    let work_receiver = Arc::new(Mutex::new(work_receiver));
    std::thread::scope(|scope| {
        let cutter_sender = sender.clone();
        scope.spawn(move || cut(inputs, skip, read, &work_sender, &cutter_sender));
        for _ in 0..workers {
            let (sender, work_receiver) = (sender.clone(), Arc::clone(&work_receiver));
            scope.spawn(move || convert(&work_receiver, &sender));
        }
        drop((sender, work_receiver));
        // Dropping the receiver on an error makes all threads end at their next send.
        collect(inputs, skip, receiver, read, limits, max_bad, quarantined_at_us)
    })
}

fn cut(
    inputs: &[SourceFile],
    skip: &[Option<u64>],
    read: &ReadOptions,
    work: &SyncSender<Work>,
    messages: &SyncSender<Message>,
) {
    for (index, input) in inputs.iter().enumerate() {
        if skip.get(index).copied().flatten().is_some() {
            continue;
        }
        let file = index as u32;
        let outcome = cut_file(file, input, read, work, messages);
        if messages.send(Message::End { file, outcome }).is_err() {
            return;
        }
    }
}

fn cut_file(
    file: u32,
    input: &SourceFile,
    read: &ReadOptions,
    work: &SyncSender<Work>,
    messages: &SyncSender<Message>,
) -> Result<FileSummary> {
    let Some(parts) = input.data_files(read)? else { return cut_part(file, input, read, work, messages) };
    let content_hash = input.content_hash()?.unwrap_or_default();
    let mut summary = FileSummary { content_hash, notes: input.table_notes(), ..FileSummary::default() };
    for part in &parts {
        let read = cut_part(file, part, read, work, messages)?;
        summary.bytes += read.bytes;
        summary.signs.extend(read.signs);
        for note in read.notes {
            if !summary.notes.contains(&note) && summary.notes.len() < NOTES {
                summary.notes.push(note);
            }
        }
    }
    Ok(summary)
}

fn cut_part(
    file: u32,
    input: &SourceFile,
    read: &ReadOptions,
    work: &SyncSender<Work>,
    messages: &SyncSender<Message>,
) -> Result<FileSummary> {
    let mut reader = Reader::open(input, read)?;
    let converter = reader.converter();
    let mut reported = 0;
    while let Some(block) = reader.next_block()? {
        if work.send(Work { file, block, converter: Arc::clone(&converter) }).is_err() {
            return Err(Error::Cancelled);
        }
        let bytes = reader.bytes_read();
        if messages.send(Message::Bytes(bytes - reported)).is_err() {
            return Err(Error::Cancelled);
        }
        reported = bytes;
    }
    reader.finish()
}

fn convert(work: &Mutex<Receiver<Work>>, messages: &SyncSender<Message>) {
    loop {
        let item = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { file, block, converter }) = item else { return };
        let message = converter.convert(block).and_then(|read| {
            let content = content_hashes(&read.rows)?;
            Ok(Message::Converted { file, read: Box::new(read), content })
        });
        let message = message.unwrap_or_else(|error| Message::End { file, outcome: Err(error) });
        if messages.send(message).is_err() {
            return;
        }
    }
}

fn collect(
    inputs: &[SourceFile],
    skip: &[Option<u64>],
    messages: Receiver<Message>,
    options: &ReadOptions,
    limits: &Limits,
    max_bad: Option<u64>,
    quarantined_at_us: i64,
) -> Result<Staged> {
    let files = inputs.iter().zip(skip).map(|(input, skip)| FileLedger {
        file: input.name.clone(),
        already_in_version: *skip,
        ..FileLedger::default()
    });
    let mut staged = Staged::empty(files.collect(), limits)?;
    let mut progress = Progress::default();
    let mut bad = 0;
    for message in messages {
        limits.check()?;
        match message {
            Message::Bytes(bytes) => progress.bytes += bytes,
            Message::Converted { file, read, content } => {
                progress.rows += (read.rows.num_rows() + read.rejects.len()) as u64;
                let input = &inputs[file as usize];
                if !read.rejects.is_empty() {
                    let rejects: Vec<&Reject> = read.rejects.iter().collect();
                    let exported_at_us = options.export_time_us(input);
                    let batch =
                        quarantine::batch(&read.source, &rejects, exported_at_us, quarantined_at_us, &read.context)?;
                    staged.rejects.push(file, &batch)?;
                }
                staged.columns_seen[file as usize] |= read.columns_seen;
                bad += read.rejects.len() as u64;
                push_counted(&mut staged, file, &read, content)?;
                staged.check_spilled(limits)?;
                if max_bad.is_some_and(|max_bad| bad > max_bad.saturating_add(COUNTED_BAD)) {
                    staged.files[file as usize].notes.push(format!("was not read on after {bad} bad records"));
                    break;
                }
            }
            Message::End { file, outcome } => {
                let file = file as usize;
                end_file(&mut staged.files[file], &mut staged.signs[file], outcome)?;
            }
        }
        (limits.progress)(progress);
    }
    if options.strict {
        staged.refuse_other_dialects();
    }
    staged.seal();
    Ok(staged)
}

/// Counts a converted block into its file's ledger and takes its good rows.
fn push_counted(staged: &mut Staged, file: u32, read: &ReadBatch, content: Int64Array) -> Result<()> {
    let ledger = &mut staged.files[file as usize];
    let rejects = read.rejects.len() as u64;
    ledger.counts.rows_read += read.rows.num_rows() as u64 + rejects;
    ledger.counts.quarantined += rejects;
    for sign in read.rejects.iter().filter_map(|reject| reject.sign.as_deref()) {
        match staged.signs[file as usize].get_mut(sign) {
            Some(count) => *count += 1,
            None => drop(staged.signs[file as usize].insert(sign.clone(), 1)),
        }
    }
    add_warnings(&mut ledger.warnings, &read.warnings);
    for name in &read.unknown_columns {
        if let Err(place) = ledger.unknown_columns.binary_search(name) {
            ledger.unknown_columns.insert(place, name.clone());
            // The first ones by name, so that it does not matter which block came first.
            ledger.unknown_columns.truncate(UNKNOWN_COLUMNS);
        }
    }
    for note in &read.notes {
        if !ledger.notes.contains(note) && ledger.notes.len() < NOTES {
            ledger.notes.push(note.clone());
        }
    }
    push_rows(staged, file, read, content)
}

/// Takes a converted block of a file.
///
/// # Errors
/// Temporary space that runs out.
pub fn push_read(staged: &mut Staged, file: u32, read: &ReadBatch) -> Result<()> {
    push_counted(staged, file, read, content_hashes(&read.rows)?)
}

impl Staged {
    /// Makes an empty stage for these files.
    ///
    /// # Errors
    /// A defect of the schema.
    pub fn empty(files: Vec<FileLedger>, limits: &Limits) -> Result<Self> {
        // Most of the budget is for rows; a key is a twentieth of a row.
        Ok(Self {
            keys: KeyStore::new(limits.memory_bytes / 4),
            runs: RunStore::new(run_schema(), limits.memory_bytes / 2)?,
            survey: Survey::default(),
            rows: 0,
            stretches: Vec::new(),
            columns_seen: vec![0; files.len()],
            signs: vec![Signs::new(); files.len()],
            files,
            rejects: RejectStore::new(),
        })
    }

    /// Fails where temporary files take more than they may.
    ///
    /// # Errors
    /// The limit by its name.
    fn check_spilled(&self, limits: &Limits) -> Result<()> {
        let bytes = self.keys.spilled_bytes() + self.runs.spilled_bytes() + self.rejects.spilled_bytes();
        if bytes <= limits.spill_bytes {
            return Ok(());
        }
        let message = format!(
            "the rows read take {bytes} bytes of temporary files, and ⟨spill-limit⟩ allows {}",
            limits.spill_bytes
        );
        let hint = "raise ⟨spill-limit⟩, or take the files in one after the other; nothing was committed".to_owned();
        Err(Error::Limit { message, hint: Some(hint) })
    }

    /// Refuses the files that have the marks of another dialect.
    fn refuse_other_dialects(&mut self) {
        for (ledger, signs) in self.files.iter_mut().zip(&self.signs) {
            if ledger.is_taken() {
                let refusal = refusal(&ledger.file, signs, &ledger.warnings);
                ledger.refused = refusal.map(|reason| as_flags(&reason).into_owned());
            }
        }
    }

    /// Ends the taking in: sorts what is in memory, and settles the ledgers.
    pub fn seal(&mut self) {
        self.runs.seal();
        for (ledger, seen) in self.files.iter_mut().zip(&self.columns_seen) {
            if ledger.refused.is_some() {
                ledger.counts = Default::default();
                ledger.warnings = Default::default();
                continue;
            }
            if !ledger.unknown_columns.is_empty() {
                ledger.warnings.insert(Warning::UnknownColumn, ledger.unknown_columns.len() as u64);
            }
            // So that it does not matter which block came first.
            ledger.notes.sort();
            // Nothing is seen of records that come out of quarantine: what they lack was told of their files.
            if *seen != 0 {
                ledger.notes.extend(missing_columns(*seen));
            }
        }
    }
}

/// Says which documented columns no row of a file has; those that are made from others then ([`super::rows`]) are not missed.
pub(super) fn missing_columns(seen: u32) -> Option<String> {
    let has =
        |name: &str| COLUMNS.iter().position(|column| column.name == name).is_some_and(|at| seen & (1 << at) != 0);
    let made = |name: &str| match name {
        "time_in_workflow" => has("ended_at"),
        "source_details_phone_number" => has("source_details"),
        _ => false,
    };
    let missing = COLUMNS.iter().map(|column| column.name).filter(|name| !has(name) && !made(name));
    let missing: Vec<&str> = missing.collect();
    (!missing.is_empty()).then(|| format!("no column for {}", missing.join(", ")))
}

fn end_file(ledger: &mut FileLedger, signs: &mut Signs, outcome: Result<FileSummary>) -> Result<()> {
    match outcome {
        Ok(summary) => {
            signs.extend(summary.signs.into_iter().map(|sign| (sign, 1)));
            ledger.bytes = summary.bytes;
            ledger.content_hash = format!("{:032x}", summary.content_hash);
            ledger.notes.extend(summary.notes.iter().map(|note| as_flags(note).into_owned()));
        }
        Err(Error::Cancelled) => return Err(Error::Cancelled),
        Err(error) => {
            let mut reason = error.to_string();
            if let Some(hint) = error.hint() {
                reason.push_str("\nhint: ");
                reason.push_str(hint);
            }
            // The first fault is the one that explains the others.
            ledger.refused.get_or_insert(as_flags(&reason).into_owned());
        }
    }
    Ok(())
}

fn push_rows(staged: &mut Staged, file: u32, read: &ReadBatch, content: Int64Array) -> Result<()> {
    let batch = &read.rows;
    let rows = batch.num_rows();
    if rows == 0 {
        return Ok(());
    }
    let first = staged.rows;
    if staged.stretches.last().is_none_or(|(_, last)| *last != file) {
        staged.stretches.push((first, file));
    }
    let columns = KeyColumns::of(batch, &content)?;
    for row in 0..rows {
        staged.keys.push(columns.key(row, RowPlace::Incoming(first + row as u64)))?;
    }
    staged.rows += rows as u64;
    let ordinals = UInt64Array::from_iter_values(first..staged.rows);
    let mut arrays: Vec<ArrayRef> = batch.columns().to_vec();
    let stored = arrays.iter().cloned().chain([Arc::new(content.clone()) as ArrayRef]).collect();
    staged.survey.add(&RecordBatch::try_new(schema::stored_schema(), stored)?, &content)?;
    arrays.push(Arc::new(content));
    arrays.push(Arc::new(ordinals));
    arrays.push(Arc::new(UInt64Array::from(read.lines.clone())));
    staged.runs.push(RecordBatch::try_new(Arc::clone(staged.runs.schema()), arrays)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_names_the_same_unknown_columns_whatever_block_comes_first() {
        let limits = Limits {
            threads: NonZeroUsize::MIN,
            memory_bytes: 1 << 20,
            spill_bytes: 1 << 40,
            cancelled: Arc::default(),
            progress: Arc::new(|_| {}),
        };
        let named = |order: &[usize]| {
            let mut staged = Staged::empty(vec![FileLedger::default()], &limits).unwrap();
            for block in order {
                let read = ReadBatch {
                    source: Default::default(),
                    rows: RecordBatch::new_empty(
                        schema::stored_schema().project(&(0..17).collect::<Vec<_>>()).unwrap().into(),
                    ),
                    lines: Vec::new(),
                    rejects: Vec::new(),
                    warnings: Default::default(),
                    columns_seen: 0,
                    notes: Vec::new(),
                    unknown_columns: (0..700).map(|n| format!("{}", block * 500 + n)).collect(),
                    context: Default::default(),
                };
                push_read(&mut staged, 0, &read).unwrap();
            }
            staged.seal();
            staged.files.remove(0)
        };
        let ledger = named(&[0, 1, 2]);
        assert_eq!(ledger.unknown_columns.len(), UNKNOWN_COLUMNS);
        assert_eq!(ledger.warnings[&Warning::UnknownColumn], UNKNOWN_COLUMNS as u64);
        assert_eq!(named(&[2, 0, 1]), ledger);
        assert_eq!(named(&[1, 2, 0]), ledger);
    }
}

//! Writes one export file: chunks made on several threads, written in order beside the target, renamed when whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;
use parquet::arrow::arrow_writer::ArrowWriter;

use super::encode::{
    ARRAY_SEPARATOR, Body, Chunk, Counts, Export, Pager, encode, file_end, file_start, parquet_writer,
};
use super::session::World;
use super::{GenerateCompression, GenerateFormat};
use crate::error::{Error, Result, io_error};

/// Sessions of a chunk: about 2 MB of text.
const CHUNK_SESSIONS: u64 = 2048;
const BUFFER_BYTES: usize = 1 << 20;

/// What one file is to hold.
#[derive(Debug, Clone)]
pub(super) struct FileTask {
    pub(super) path: PathBuf,
    pub(super) export: Export,
    pub(super) sessions: Range<u64>,
    pub(super) format: GenerateFormat,
    pub(super) compression: GenerateCompression,
    pub(super) threads: usize,
}

/// Writes a file and gives it the export's instant as modification time. Calls `progress` with the counts so far and the
/// bytes before compression, and stops where that says no.
///
/// # Errors
/// Storage that does not take the file, and [`Error::Cancelled`]; nothing is left of it then.
pub(super) fn write_file(
    world: &World,
    task: &FileTask,
    progress: &dyn Fn(Counts, u64) -> bool,
) -> Result<(Counts, u64)> {
    let partial = Partial::create(&task.path)?;
    let counts = thread::scope(|scope| {
        let chunks = task.sessions.end.saturating_sub(task.sessions.start).div_ceil(CHUNK_SESSIONS);
        let threads = (task.threads.max(1) as u64).min(chunks);
        // Each thread makes every n-th chunk; reading the channels in turn gives them in order, and two chunks a thread
        // are all that waits.
        let channels: Vec<Receiver<Result<Chunk>>> = (0..threads)
            .map(|thread| {
                let (sender, receiver) = sync_channel(1);
                scope.spawn(move || {
                    for chunk in (thread..chunks).step_by(threads as usize) {
                        let from = task.sessions.start + chunk * CHUNK_SESSIONS;
                        let sessions = from..(from + CHUNK_SESSIONS).min(task.sessions.end);
                        let encoded = encode(world, task.export, sessions, task.format);
                        // The writer has failed and gone.
                        if sender.send(encoded).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        let mut writer = FileWriter::open(task, partial.file()?).map_err(|error| error.at(&task.path))?;
        let mut counts = Counts::default();
        for chunk in 0..chunks {
            let receiver = &channels[(chunk % threads) as usize];
            let chunk = receiver.recv().map_err(|_| Error::internal("a thread of generate has gone"))??;
            counts.add(chunk.counts);
            writer.chunk(chunk.body).map_err(|error| error.at(&task.path))?;
            if !progress(counts, writer.bytes) {
                return Err(Error::Cancelled);
            }
        }
        writer.finish().map_err(|error| error.at(&task.path))?;
        Ok::<_, Error>(counts)
    })?;
    let bytes = partial.finish(task.export.instant_us)?;
    Ok((counts, bytes))
}

/// A file under a temporary name beside its target; removed unless finished.
struct Partial {
    temporary: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Partial {
    fn create(target: &Path) -> Result<Self> {
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(".partial");
        let partial = Self { temporary: target.with_file_name(name), target: target.to_owned(), done: false };
        File::create(&partial.temporary).map_err(io_error(target))?;
        Ok(partial)
    }

    fn file(&self) -> Result<File> {
        File::options().write(true).open(&self.temporary).map_err(io_error(&self.target))
    }

    /// Sets the modification time, renames, and returns the size in bytes. Not synced: the seed makes it again.
    fn finish(mut self, modified_us: i64) -> Result<u64> {
        let file = self.file()?;
        let modified = SystemTime::UNIX_EPOCH + Duration::from_micros(modified_us.unsigned_abs());
        file.set_modified(modified).map_err(io_error(&self.target))?;
        let bytes = file.metadata().map_err(io_error(&self.target))?.len();
        drop(file);
        std::fs::rename(&self.temporary, &self.target).map_err(io_error(&self.target))?;
        self.done = true;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            // Nothing more can be done about a file that cannot be removed.
            drop(std::fs::remove_file(&self.temporary));
        }
    }
}

/// What went wrong while writing, before the file is named.
enum WriteError {
    Io(io::Error),
    Other(Error),
}

impl WriteError {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::Io(error) => io_error(path)(error),
            Self::Other(error) => error,
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<parquet::errors::ParquetError> for WriteError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Other(Error::storage("writing Parquet", error))
    }
}

enum Output {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Output {
    fn open(file: File, compression: GenerateCompression) -> io::Result<Self> {
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(match compression {
            GenerateCompression::None => Self::Plain(out),
            GenerateCompression::Gzip => Self::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            GenerateCompression::Zstd => Self::Zstd(zstd::Encoder::new(out, 3)?),
        })
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.write_all(text.as_bytes()),
            Self::Gzip(out) => out.write_all(text.as_bytes()),
            Self::Zstd(out) => out.write_all(text.as_bytes()),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut out) => out.flush(),
            Self::Gzip(out) => out.finish()?.flush(),
            Self::Zstd(out) => out.finish()?.flush(),
        }
    }
}

enum Shape {
    Text(Output),
    Pages(Output, Pager),
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
}

struct FileWriter {
    shape: Shape,
    format: GenerateFormat,
    /// Bytes so far, before compression; of Parquet those that are written.
    bytes: u64,
    /// Whether a row has been written.
    started: bool,
}

impl FileWriter {
    fn open(task: &FileTask, file: File) -> Result<Self, WriteError> {
        let shape = match task.format {
            GenerateFormat::Parquet => {
                let out = BufWriter::with_capacity(BUFFER_BYTES, file);
                Shape::Parquet(Box::new(parquet_writer(out).map_err(WriteError::Other)?))
            }
            GenerateFormat::Pages => Shape::Pages(Output::open(file, task.compression)?, Pager::default()),
            _ => Shape::Text(Output::open(file, task.compression)?),
        };
        let mut writer = Self { shape, format: task.format, bytes: 0, started: false };
        writer.text(&file_start(task.format))?;
        Ok(writer)
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        match &mut self.shape {
            Shape::Text(out) | Shape::Pages(out, _) => out.write(text)?,
            Shape::Parquet(_) => {}
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn chunk(&mut self, body: Body) -> Result<(), WriteError> {
        match (&mut self.shape, body) {
            (Shape::Text(_), Body::Text(text)) => {
                let first = !self.started && !text.is_empty();
                let lead = if first && self.format == GenerateFormat::JsonArray { ARRAY_SEPARATOR.len() } else { 0 };
                self.started |= first;
                self.text(&text[lead..])
            }
            (Shape::Pages(_, pager), Body::Records(records)) => {
                let text = pager.push(records);
                self.text(&text)
            }
            (Shape::Parquet(writer), Body::Batch(batch)) => {
                writer.write(&batch)?;
                self.bytes = writer.bytes_written() as u64;
                Ok(())
            }
            _ => Err(WriteError::Other(Error::internal("a chunk in another format than its file"))),
        }
    }

    fn finish(mut self) -> Result<(), WriteError> {
        self.text(file_end(self.format))?;
        match self.shape {
            Shape::Text(out) => out.finish()?,
            Shape::Pages(mut out, pager) => {
                out.write(&pager.finish())?;
                out.finish()?;
            }
            Shape::Parquet(writer) => writer.into_inner()?.flush()?,
        }
        Ok(())
    }
}

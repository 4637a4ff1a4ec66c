//! The end of every writer: counts bytes and remembers why a write failed.
//!
//! Parquet's and Arrow's writers wrap errors in their own; what the sink said first is kept here, so that a closed pipe is
//! told from a full disk in every format.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Written;
use crate::{Error, Result};

const CONTEXT: &str = "cannot write the output";

/// Tells whether an error means that the reader of the output went away, as `head` does: no reason for a message.
pub fn is_broken_pipe(error: &Error) -> bool {
    let Error::Storage { context, source: Some(cause), .. } = error else { return false };
    context == CONTEXT && cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

/// Turns a sink's I/O error into ours, so that [`is_broken_pipe`] knows a closed pipe again.
pub fn sink_error(error: io::Error) -> Error {
    Error::storage(CONTEXT, error)
}

/// What is known about a sink that a writer of another crate owns.
#[derive(Debug, Clone, Default)]
pub(super) struct SinkState(Arc<State>);

#[derive(Debug, Default)]
struct State {
    bytes: AtomicU64,
    failure: Mutex<Option<(io::ErrorKind, String)>>,
}

impl SinkState {
    /// Returns the bytes that the sink took so far.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Returns the error of the sink, if it has failed, else what the given function makes.
    pub(super) fn error_or(&self, other: impl FnOnce() -> Error) -> Error {
        let failure = self.0.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*failure {
            Some((kind, message)) => sink_error(io::Error::new(*kind, message.clone())),
            None => other(),
        }
    }
}

/// The sink of a writer.
pub(super) struct Sink {
    inner: Box<dyn Write + Send>,
    state: SinkState,
}

impl Sink {
    /// Wraps what takes the bytes.
    pub(super) fn new(inner: Box<dyn Write + Send>) -> Self {
        Self { inner, state: SinkState::default() }
    }

    /// Returns a view of the sink's state that outlives it.
    pub(super) fn state(&self) -> SinkState {
        self.state.clone()
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            let mut failure = self.state.0.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            failure.get_or_insert_with(|| (error.kind(), error.to_string()));
        }
        result
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        let count = self.note(result)?;
        self.state.0.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.note(result)
    }
}

/// Text on its way to a sink, handed on in large pieces.
pub(super) struct TextSink {
    sink: Sink,
    /// Where rows are printed; the writer appends, and calls [`spill`](Self::spill) between rows.
    pub(super) text: String,
}

/// A piece large enough that a system call costs nothing beside it.
const PIECE_BYTES: usize = 256 * 1024;

impl TextSink {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink, text: String::new() }
    }

    /// Hands the text on if there is much of it.
    pub(super) fn spill(&mut self) -> Result<()> {
        if self.text.len() >= PIECE_BYTES { self.send() } else { Ok(()) }
    }

    /// Hands on all text.
    pub(super) fn send(&mut self) -> Result<()> {
        self.sink.write_all(self.text.as_bytes()).map_err(sink_error)?;
        self.text.clear();
        // One huge value must not hold its memory for the rest of the result.
        self.text.shrink_to(2 * PIECE_BYTES);
        Ok(())
    }

    /// Hands on all text, flushes the sink, and counts.
    pub(super) fn finish(mut self, rows: u64) -> Result<Written> {
        self.send()?;
        self.sink.flush().map_err(sink_error)?;
        Ok(Written { rows, bytes: self.sink.state.bytes(), cut_cells: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FailingSink, sample_batch};
    use super::super::{FormatOptions, OutputFormat, writer};
    use super::*;

    fn failure(format: OutputFormat, kind: io::ErrorKind) -> Error {
        let batch = sample_batch();
        let result = writer(format, &FormatOptions::default(), batch.schema(), Box::new(FailingSink(kind)))
            .and_then(|mut writer| writer.write(&batch).and_then(|()| writer.finish()));
        result.unwrap_err()
    }

    #[test]
    fn a_closed_pipe_is_recognised_in_every_format() {
        for name in OutputFormat::names() {
            let format = name.parse().unwrap();
            assert!(is_broken_pipe(&failure(format, io::ErrorKind::BrokenPipe)), "{name}");
            let full = failure(format, io::ErrorKind::StorageFull);
            assert!(!is_broken_pipe(&full), "{name}");
            assert_eq!(full.to_string(), "cannot write the output: sink failed", "{name}");
        }
        assert!(!is_broken_pipe(&Error::Cancelled));
    }
}

//! The rows of an answer on their way: written by the threads that compute, in pieces, while later rows are computed.
//!
//! No more than a few pieces wait for the client; while they do, nothing is written, and the question itself waits. It gives its turn to others
//! meanwhile, so that clients which read slowly keep nobody from asking; in all it takes no longer than a statement may. An error after the first
//! bytes cannot change the status any more: the object of JSON ends with a member `error`, and in every other format the connection is broken
//! off before the last chunk, which clients take for what it is.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::problem::Problem;
use super::types::type_name;
use crate::error::{Error, Result};
use crate::format::{self, FormatOptions, OutputFormat, ResultWriter};
use crate::serve::{Asked, Hub};

/// Pieces that wait for the client at most.
const WAITING_PIECES: usize = 2;
/// Bytes of rows that are written at once, about.
const PIECE_BYTES: usize = 256 << 10;

/// The formats of files among those of answers.
const FILES: [(&str, OutputFormat); 7] = [
    ("ndjson", OutputFormat::Ndjson),
    ("csv", OutputFormat::Csv),
    ("tsv", OutputFormat::Tsv),
    ("markdown", OutputFormat::Markdown),
    ("parquet", OutputFormat::Parquet),
    ("feather", OutputFormat::Arrow),
    ("xlsx", OutputFormat::Xlsx),
];

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An object with columns and rows, a row a line.
    Json,
    /// Arrow's stream of messages.
    ArrowStream,
    /// A file.
    File(OutputFormat),
    /// The chart.
    Svg,
}

impl Form {
    /// Finds a form by its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "arrow" => Some(Self::ArrowStream),
            "svg" => Some(Self::Svg),
            _ => FILES.iter().find(|(own, _)| *own == name).map(|(_, format)| Self::File(*format)),
        }
    }

    /// Lists the names of all forms.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["json", "arrow", "svg"].into_iter().chain(FILES.iter().map(|(name, _)| *name))
    }

    /// Finds a form by its media type.
    pub fn of_type(name: &str) -> Option<Self> {
        let bare = |form: &Self| form.content_type().split(';').next().unwrap_or_default();
        Self::names().filter_map(Self::named).find(|form| bare(form).eq_ignore_ascii_case(name))
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::ArrowStream => "application/vnd.apache.arrow.stream",
            Self::Svg => "image/svg+xml",
            Self::File(format) => match format {
                OutputFormat::Ndjson => "application/x-ndjson",
                OutputFormat::Csv => "text/csv; charset=utf-8",
                OutputFormat::Tsv => "text/tab-separated-values; charset=utf-8",
                OutputFormat::Markdown => "text/markdown; charset=utf-8",
                OutputFormat::Parquet => "application/vnd.apache.parquet",
                OutputFormat::Arrow => "application/vnd.apache.arrow.file",
                OutputFormat::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                _ => "application/octet-stream",
            },
        }
    }
}

/// Bytes that were written and not sent yet.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to write an answer, of which the first rows are there already; what is returned are its pieces.
///
/// # Errors
/// A format that cannot hold a column.
pub(super) fn begin(
    hub: &Arc<Hub>,
    (asked, first): (Asked, Option<RecordBatch>),
    form: Form,
    options: FormatOptions,
    most: u64,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    let buffer = Buffer::default();
    let sink = Box::new(buffer.clone());
    let schema = SchemaRef::clone(&asked.columns);
    let writer = match form {
        Form::Json => format::json_rows(&options, schema, sink),
        Form::ArrowStream => format::arrow_stream(schema, sink)?,
        Form::File(format) => format::writer(format, &options, schema, sink)?,
        Form::Svg => return Err(Error::internal("a chart has no rows")),
    };
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    let work = Work { asked, first, writer: Some(writer), buffer, sender, is_json: form == Form::Json, most, rows: 0 };
    let task = Stopped(hub.compute().spawn(work.run()));
    Ok(futures::stream::unfold((receiver, task), |(mut receiver, task)| async move {
        let piece = receiver.recv().await?;
        Some((piece, (receiver, task)))
    }))
}

/// Work that stops when nobody takes its pieces any more.
struct Stopped(tokio::task::JoinHandle<()>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Work {
    asked: Asked,
    first: Option<RecordBatch>,
    /// Taken when the last row is written.
    writer: Option<Box<dyn ResultWriter>>,
    buffer: Buffer,
    sender: mpsc::Sender<io::Result<Bytes>>,
    is_json: bool,
    /// Rows that are wanted at most.
    most: u64,
    rows: u64,
}

/// How an answer ended that did not fail.
struct End {
    is_cut: bool,
}

impl Work {
    async fn run(mut self) {
        let whole = async {
            let end = self.rows().await?;
            self.finish(end).await
        };
        let Err(error) = whole.await else { return };
        if matches!(error, Error::Cancelled) {
            return;
        }
        let failed = Problem::from(error);
        if self.is_json {
            let tail = tail(self.rows, &json!({ "error": failed.error }));
            let mut last = self.buffer.take();
            last.extend_from_slice(tail.as_bytes());
            let _ = self.sender.send(Ok(last.into())).await;
        } else {
            let _ = self.sender.send(Err(io::Error::other("the question failed"))).await;
        }
    }

    async fn rows(&mut self) -> Result<End> {
        if self.is_json {
            let head = head(&self.asked);
            self.buffer.write_all(head.as_bytes()).map_err(format::sink_error)?;
        }
        self.send(0).await?;
        let mut next = self.first.take();
        while let Some(batch) = next {
            for piece in pieces(&batch) {
                let left = usize::try_from(self.most - self.rows).unwrap_or(usize::MAX);
                let is_cut = piece.num_rows() > left;
                let piece = if is_cut { piece.slice(0, left) } else { piece };
                if let Some(writer) = &mut self.writer {
                    writer.write(&piece)?;
                }
                self.rows += piece.num_rows() as u64;
                self.send(piece.num_rows()).await?;
                if is_cut {
                    self.asked.enough();
                    return Ok(End { is_cut });
                }
            }
            next = self.asked.next().await?;
        }
        Ok(End { is_cut: false })
    }

    async fn finish(&mut self, end: End) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.finish()?;
        }
        if self.is_json {
            let tail = tail(self.rows, &json!({ "cut": end.is_cut, "row_count": self.rows }));
            self.buffer.write_all(tail.as_bytes()).map_err(format::sink_error)?;
        }
        self.send(0).await
    }

    /// Hands on what was written.
    async fn send(&mut self, rows: usize) -> Result<()> {
        let piece = self.buffer.take();
        if piece.is_empty() {
            return Ok(());
        }
        self.asked.sent(rows as u64, piece.len() as u64)?;
        let room = self.asked.patiently(self.sender.reserve()).await?;
        // Without room nobody takes any more.
        room.map_err(|_| Error::Cancelled)?.send(Ok(piece.into()));
        Ok(())
    }
}

/// Cuts rows into pieces, so that what is written at once is small however long their texts are.
fn pieces(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let rows = batch.num_rows();
    let parts = batch.get_array_memory_size().div_ceil(PIECE_BYTES).max(1);
    let step = rows.div_ceil(parts).max(1);
    (0..rows).step_by(step).map(move |from| batch.slice(from, step.min(rows - from)))
}

/// What an object of JSON begins with, up to its first row.
fn head(asked: &Asked) -> String {
    let columns: Vec<Value> = asked
        .columns
        .fields()
        .iter()
        .map(|field| json!({ "name": field.name(), "type": type_name(field.data_type()) }))
        .collect();
    let as_of = asked.clock.as_of.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    let (version, zone, columns) = (asked.version, json!(asked.clock.time_zone.name()), Value::Array(columns));
    format!(
        "{{\"version\":{version},\"as_of\":{},\"time_zone\":{zone},\"columns\":{columns},\"rows\":[\n",
        json!(as_of)
    )
}

/// What it ends with: the members of an object.
fn tail(rows: u64, members: &Value) -> String {
    let end = members.to_string();
    format!("{}],{}\n", if rows > 0 { "\n" } else { "" }, end.strip_prefix('{').unwrap_or(&end))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn every_form_is_found_by_its_name_and_its_type() {
        for name in Form::names() {
            let form = Form::named(name).unwrap();
            assert_eq!(Form::of_type(form.content_type().split(';').next().unwrap()), Some(form), "{name}");
            assert_ne!(form.content_type(), "application/octet-stream", "{name}");
        }
        assert_eq!(Form::named("table"), None);
    }

    #[test]
    fn rows_with_long_texts_are_cut_into_pieces() {
        let text = "x".repeat(10_000);
        let texts = StringArray::from(vec![text.as_str(); 1_000]);
        let numbers = Int64Array::from_iter_values(0..1_000);
        let batch = RecordBatch::try_from_iter([("n", Arc::new(numbers) as _), ("t", Arc::new(texts) as _)]).unwrap();
        let cut: Vec<RecordBatch> = pieces(&batch).collect();
        assert!(cut.len() >= 30 && cut.iter().all(|piece| piece.num_rows() <= 30));
        assert_eq!(cut.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_000);
        assert_eq!(pieces(&batch.slice(0, 0)).count(), 0);
    }
}

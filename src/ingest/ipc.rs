//! Reads Arrow IPC: streams from their start ([`super::ipc_stream`]), and files, Feather of version 2 among them, by the footer at their
//! end ([`super::ipc_file`]).
//!
//! Messages are looked at here before the library takes them apart: it would otherwise reserve whatever memory a damaged length asks
//! for. The rows go the way of Parquet's.

use std::fs::File;

use arrow::datatypes::SchemaRef;
use arrow::ipc::{Message, MessageHeader};
use arrow::record_batch::RecordBatch;

use super::ipc_file::IpcFile;
use super::ipc_stream::IpcStream;
use super::packed::ByteStream;
use super::parquet_rows::{MAX_TYPE_DEPTH, RowsBlock, shallow};
use super::parquet_types::Leaves;
use super::reader::FileSummary;
use crate::error::{Error, Place, Result};

/// What begins and ends a file.
pub(super) const FILE_MAGIC: &[u8] = b"ARROW1";

/// Bytes of one batch of records at most, unpacked: it is in memory as a whole.
pub(super) const MAX_BATCH_BYTES: u64 = 1 << 30;

/// Bytes of the description of a message, or of the footer of a file, at most.
pub(super) const MAX_METADATA_BYTES: usize = 64 << 20;

/// About how many bytes of rows go into a block.
const BLOCK_BYTES: usize = 4 << 20;

/// An Arrow IPC input under way.
pub(super) struct IpcInput {
    batches: Batches,
    leaves: Leaves,
    /// A batch of which the rows from here on are not handed out.
    batch: Option<(RecordBatch, usize)>,
    rows_read: u64,
}

/// Where the batches come from.
enum Batches {
    Stream(Box<IpcStream>),
    File(Box<IpcFile>, FileSummary),
}

impl IpcInput {
    /// Reads the schema of a stream; returns the headers too.
    pub(super) fn open_stream(stream: ByteStream, name: &str) -> Result<(Self, Vec<String>)> {
        let (stream, schema) = IpcStream::open(stream, name)?;
        Self::new(Batches::Stream(Box::new(stream)), &schema, name)
    }

    /// Reads the footer of a file; returns the headers too. `summary` is what is known of the file as stored.
    pub(super) fn open_file(file: File, summary: FileSummary, name: &str) -> Result<(Self, Vec<String>)> {
        let (file, schema) = IpcFile::open(file, name)?;
        Self::new(Batches::File(Box::new(file), summary), &schema, name)
    }

    fn new(batches: Batches, schema: &SchemaRef, name: &str) -> Result<(Self, Vec<String>)> {
        if schema.fields().iter().any(|field| !shallow(field.data_type(), MAX_TYPE_DEPTH)) {
            return Err(Error::input(Place::file(name), format!("types nest more than {MAX_TYPE_DEPTH} deep")));
        }
        let headers = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok((Self { batches, leaves: Leaves::of_arrow(schema), batch: None, rows_read: 0 }, headers))
    }

    /// Returns the next rows, or `None` at the end.
    pub(super) fn next_block(&mut self) -> Result<Option<RowsBlock>> {
        loop {
            if let Some((batch, at)) = self.batch.take()
                && at < batch.num_rows()
            {
                let row_bytes = (batch.get_array_memory_size() / batch.num_rows()).max(1);
                let rows = (BLOCK_BYTES / row_bytes).clamp(64, 8192).min(batch.num_rows() - at);
                let part = batch.slice(at, rows);
                self.batch = Some((batch, at + rows));
                let first_row = self.rows_read + 1;
                self.rows_read += rows as u64;
                return Ok(Some(RowsBlock { batch: part, first_row, numbers: None, leaves: self.leaves.clone() }));
            }
            let next = match &mut self.batches {
                Batches::Stream(stream) => stream.next_batch()?,
                Batches::File(file, _) => file.next_batch()?,
            };
            match next {
                Some(batch) => self.batch = Some((batch, 0)),
                None => return Ok(None),
            }
        }
    }

    /// Returns how many bytes of the input have been read, as stored; of a file a share by its length.
    pub(super) fn stored_bytes(&self) -> u64 {
        match &self.batches {
            Batches::Stream(stream) => stream.stored_bytes(),
            Batches::File(file, summary) => (summary.bytes as f64 * file.progress()) as u64,
        }
    }

    /// Ends reading; returns what is known of the input as stored.
    pub(super) fn finish(self) -> Result<FileSummary> {
        match self.batches {
            Batches::Stream(stream) => stream.finish(),
            Batches::File(_, summary) => Ok(summary),
        }
    }
}

pub(super) fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::input(Place::file(name), format!("broken Arrow file: {error}"))
        .with_hint("nothing of this file is stored; fetch it again")
}

pub(super) fn too_large(name: &str) -> Error {
    let message = format!("a batch of records has no right length, or more than {} MiB", MAX_BATCH_BYTES >> 20);
    Error::input(Place::file(name), message)
        .with_hint("if the file is whole, write it in smaller batches, or as Parquet")
}

/// Lists the buffers of a message whose content is compressed, as offset and length.
pub(super) fn packed_buffers(message: &Message<'_>) -> Vec<(i64, i64)> {
    let packed = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|batch| batch.data()),
        _ => None,
    };
    packed
        .filter(|batch| batch.compression().is_some())
        .and_then(|batch| batch.buffers())
        .map(|buffers| buffers.iter().map(|buffer| (buffer.offset(), buffer.length())).collect())
        .unwrap_or_default()
}

/// Adds up what the buffers of a compressed batch say of their lengths, or returns `None` where they cannot be right or are too much.
pub(super) fn unpacked_bytes(body: &[u8], buffers: &[(i64, i64)]) -> Option<u64> {
    let mut sum: u64 = 0;
    for (offset, length) in buffers.iter().filter(|(_, length)| *length != 0) {
        let offset = usize::try_from(*offset).ok()?;
        let stored = body.get(offset..offset.checked_add(usize::try_from(*length).ok()?)?)?;
        let unpacked = i64::from_le_bytes(*stored.first_chunk()?);
        // What no compression makes smaller is stored as it is.
        sum = sum.checked_add(if unpacked == -1 { stored.len() as u64 } else { u64::try_from(unpacked).ok()? })?;
    }
    Some(sum).filter(|sum| *sum <= MAX_BATCH_BYTES)
}

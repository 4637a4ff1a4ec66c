//! Reads Arrow IPC: streams, and files, which are a stream between two magic words (Feather of version 2 is one).
//!
//! A file is read front to back as the stream that it holds, so that compressed ones and standard input need no copy. Messages are taken
//! apart here as far as their lengths: the library would otherwise reserve whatever memory a damaged length asks for. The rows go the
//! way of Parquet's.

use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{MessageHeader, root_as_message};
use arrow::record_batch::RecordBatch;

use super::packed::ByteStream;
use super::parquet_rows::{MAX_TYPE_DEPTH, RowsBlock, guarded, shallow};
use super::parquet_types::Leaves;
use crate::error::{Error, Place, Result};

/// What begins and ends a file.
pub(super) const FILE_MAGIC: &[u8] = b"ARROW1";

/// Bytes of one batch of records at most, unpacked: it is in memory as a whole.
const MAX_BATCH_BYTES: u64 = 1 << 30;

/// Bytes of the description of a message at most.
const MAX_METADATA_BYTES: usize = 64 << 20;

/// What ends a stream.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// About how many bytes of rows go into a block.
const BLOCK_BYTES: usize = 4 << 20;

/// An Arrow IPC input under way.
pub(super) struct IpcInput {
    stream: ByteStream,
    decoder: StreamDecoder,
    /// Bytes of a message that the decoder has not taken yet.
    undecoded: Buffer,
    name: String,
    is_file: bool,
    leaves: Leaves,
    /// A batch of which the rows from here on are not handed out.
    batch: Option<(RecordBatch, usize)>,
    rows_read: u64,
    /// Whether the mark of the end has been read.
    has_ended: bool,
    at_end: bool,
}

impl IpcInput {
    /// Reads the schema; returns the headers too.
    pub(super) fn open(mut stream: ByteStream, name: &str) -> Result<(Self, Vec<String>)> {
        let is_file = stream.look_at(FILE_MAGIC.len())? == FILE_MAGIC;
        if is_file {
            // Padding to a multiple of 8 bytes follows the magic word, or of 64.
            stream.read_into(&mut Vec::new(), 8)?;
            for _ in 1..8 {
                if stream.look_at(8)? == [0; 8] {
                    stream.read_into(&mut Vec::new(), 8)?;
                }
            }
        }
        let mut input = Self {
            stream,
            decoder: StreamDecoder::new(),
            undecoded: Buffer::default(),
            name: name.to_owned(),
            is_file,
            leaves: Leaves::default(),
            batch: None,
            rows_read: 0,
            has_ended: false,
            at_end: false,
        };
        while input.decoder.schema().is_none() {
            input.batch = input.next_message()?.map(|batch| (batch, 0));
            if input.at_end && input.decoder.schema().is_none() {
                return Err(input.broken(&"it has no schema"));
            }
        }
        let Some(schema) = input.decoder.schema() else { return Err(input.broken(&"it has no schema")) };
        if schema.fields().iter().any(|field| !shallow(field.data_type(), MAX_TYPE_DEPTH)) {
            return Err(Error::input(Place::file(name), format!("types nest more than {MAX_TYPE_DEPTH} deep")));
        }
        input.leaves = Leaves::of_arrow(&schema);
        Ok((input, schema.fields().iter().map(|field| field.name().clone()).collect()))
    }

    /// Returns what is special of the columns.
    pub(super) fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        Error::input(Place::file(&self.name), format!("broken Arrow file: {error}"))
            .with_hint("nothing of this file is stored; fetch it again")
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
                return Ok(Some(RowsBlock { batch: part, first_row, leaves: self.leaves.clone() }));
            }
            if self.at_end {
                return Ok(None);
            }
            self.batch = self.next_message()?.map(|batch| (batch, 0));
        }
    }

    /// Reads bytes that must be there.
    fn exactly(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<()> {
        if self.stream.read_into(buffer, length)? < length {
            return Err(self.broken(&"it ends early"));
        }
        Ok(())
    }

    /// Reads one message; returns the batch that it is, if it is one.
    fn next_message(&mut self) -> Result<Option<RecordBatch>> {
        // The batch that came last was of an earlier message.
        if !self.undecoded.is_empty() {
            return self.decode_on();
        }
        let mut message = Vec::new();
        let prefix = self.stream.read_into(&mut message, 4)?;
        if prefix == 0 && !self.is_file {
            // A stream may end where its writer stopped.
            self.at_end = true;
            return self.decode(END_OF_STREAM.to_vec());
        }
        if prefix < 4 {
            return Err(self.broken(&"it ends early"));
        }
        // Since version 0.15 a mark stands before the length.
        if message == [0xff; 4] {
            self.exactly(&mut message, 4)?;
        }
        let length = message.last_chunk().map_or(0, |length| i32::from_le_bytes(*length));
        if length == 0 {
            self.end()?;
            return self.decode(END_OF_STREAM.to_vec());
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_METADATA_BYTES);
        let Some(length) = length else { return Err(self.broken(&"a message has no right length")) };
        let start = message.len();
        self.exactly(&mut message, length)?;
        let metadata = message.get(start..).unwrap_or_default();
        let described = root_as_message(metadata).map_err(|error| self.broken(&error))?;
        let body_bytes = u64::try_from(described.bodyLength()).ok().filter(|bytes| *bytes <= MAX_BATCH_BYTES);
        let Some(body_bytes) = body_bytes else { return Err(self.too_large()) };
        let packed = match described.header_type() {
            MessageHeader::RecordBatch => described.header_as_record_batch(),
            MessageHeader::DictionaryBatch => described.header_as_dictionary_batch().and_then(|batch| batch.data()),
            _ => None,
        };
        let buffers: Vec<(i64, i64)> = packed
            .filter(|batch| batch.compression().is_some())
            .and_then(|batch| batch.buffers())
            .map(|buffers| buffers.iter().map(|buffer| (buffer.offset(), buffer.length())).collect())
            .unwrap_or_default();
        let start = message.len();
        self.exactly(&mut message, usize::try_from(body_bytes).unwrap_or(usize::MAX))?;
        let unpacked = unpacked_bytes(message.get(start..).unwrap_or_default(), &buffers);
        if unpacked.is_none_or(|bytes| bytes > MAX_BATCH_BYTES) {
            return Err(self.too_large());
        }
        self.decode(message)
    }

    /// Gives a message to the decoder. One without a body is taken apart only when more bytes come, if need be those of the end.
    fn decode(&mut self, message: Vec<u8>) -> Result<Option<RecordBatch>> {
        self.undecoded = Buffer::from_vec(message);
        self.decode_on()
    }

    fn decode_on(&mut self) -> Result<Option<RecordBatch>> {
        let name = self.name.clone();
        let mut batch = None;
        while !self.undecoded.is_empty() && batch.is_none() {
            let (decoder, bytes) = (&mut self.decoder, &mut self.undecoded);
            let decoded = guarded(&name, "Arrow", || Ok(decoder.decode(bytes)))?;
            batch = decoded.map_err(|error| self.broken(&error))?;
        }
        Ok(batch)
    }

    fn too_large(&self) -> Error {
        let message = format!("a batch of records has no right length, or more than {} MiB", MAX_BATCH_BYTES >> 20);
        Error::input(Place::file(&self.name), message)
            .with_hint("if the file is whole, write it in smaller batches, or as Parquet")
    }

    /// Reads what follows the mark of the end: of a file the footer, whose end says that the file is whole.
    fn end(&mut self) -> Result<()> {
        self.at_end = true;
        self.has_ended = true;
        if !self.is_file {
            return Ok(());
        }
        let mut last = Vec::new();
        loop {
            let read = self.stream.read_into(&mut last, 64 * 1024)?;
            if read == 0 {
                break;
            }
            last.drain(..last.len().saturating_sub(FILE_MAGIC.len()));
        }
        if last == FILE_MAGIC { Ok(()) } else { Err(self.broken(&"it ends early")) }
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stream.stored_bytes()
    }

    /// Ends reading; returns length and hash of the file as stored, and what a person should know.
    pub(super) fn finish(self) -> Result<(u64, u128, Option<String>)> {
        let unsure = self.at_end && !self.has_ended;
        let (bytes, hash) = self.stream.finish()?;
        let note = unsure.then(|| "the stream has no mark at its end, so nothing says whether it is whole".to_owned());
        Ok((bytes, hash, note))
    }
}

/// Adds up what the buffers of a compressed batch say of their lengths, or returns `None` where they cannot be right.
fn unpacked_bytes(body: &[u8], buffers: &[(i64, i64)]) -> Option<u64> {
    let mut sum: u64 = 0;
    for (offset, length) in buffers.iter().filter(|(_, length)| *length != 0) {
        let offset = usize::try_from(*offset).ok()?;
        let stored = body.get(offset..offset.checked_add(usize::try_from(*length).ok()?)?)?;
        let unpacked = i64::from_le_bytes(*stored.first_chunk()?);
        // What no compression makes smaller is stored as it is.
        sum = sum.checked_add(if unpacked == -1 { stored.len() as u64 } else { u64::try_from(unpacked).ok()? })?;
    }
    Some(sum)
}

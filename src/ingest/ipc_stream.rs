//! Reads streams of Arrow IPC front to back: a schema, then dictionaries and batches of records, each with its length before it.

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::root_as_message;
use arrow::record_batch::RecordBatch;

use super::batch::FileSummary;
use super::ipc_parts::{MAX_BATCH_BYTES, MAX_METADATA_BYTES, broken, packed_buffers, too_large, unpacked_bytes};
use super::packed::ByteStream;
use super::parquet_rows::guarded;
use crate::error::{Error, Result};

/// What ends a stream.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// A stream under way.
pub(super) struct IpcStream {
    stream: ByteStream,
    decoder: StreamDecoder,
    /// Bytes of a message that the decoder has not taken yet.
    undecoded: Buffer,
    name: String,
    /// A batch that came while the schema was looked for.
    first: Option<RecordBatch>,
    /// Whether the mark of the end has been read.
    has_ended: bool,
    at_end: bool,
}

impl IpcStream {
    /// Reads the schema.
    pub(super) fn open(stream: ByteStream, name: &str) -> Result<(Self, SchemaRef)> {
        let mut input = Self {
            stream,
            decoder: StreamDecoder::new(),
            undecoded: Buffer::default(),
            name: name.to_owned(),
            first: None,
            has_ended: false,
            at_end: false,
        };
        loop {
            if let Some(schema) = input.decoder.schema() {
                return Ok((input, schema));
            }
            if input.at_end {
                return Err(input.broken(&"it has no schema"));
            }
            input.first = input.next_message()?;
        }
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        broken(&self.name, error)
    }

    /// Returns the next batch, or `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut batch = self.first.take();
        while batch.is_none() && !self.at_end {
            batch = self.next_message()?;
        }
        Ok(batch)
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
        if prefix == 0 {
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
            self.at_end = true;
            self.has_ended = true;
            return self.decode(END_OF_STREAM.to_vec());
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_METADATA_BYTES);
        let Some(length) = length else { return Err(self.broken(&"a message has no right length")) };
        let start = message.len();
        self.exactly(&mut message, length)?;
        let metadata = message.get(start..).unwrap_or_default();
        let described = root_as_message(metadata).map_err(|error| self.broken(&error))?;
        let body_bytes = u64::try_from(described.bodyLength()).ok().filter(|bytes| *bytes <= MAX_BATCH_BYTES);
        let Some(body_bytes) = body_bytes else { return Err(too_large(&self.name)) };
        let buffers = packed_buffers(&described);
        let start = message.len();
        self.exactly(&mut message, usize::try_from(body_bytes).unwrap_or(usize::MAX))?;
        if unpacked_bytes(message.get(start..).unwrap_or_default(), &buffers).is_none() {
            return Err(too_large(&self.name));
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

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stream.stored_bytes()
    }

    /// Ends reading; returns what is known of the input as stored, and what a person should know of it.
    pub(super) fn finish(self) -> Result<FileSummary> {
        let unsure = self.at_end && !self.has_ended;
        let (bytes, content_hash) = self.stream.finish()?;
        let note = unsure.then(|| "the stream has no mark at its end, so nothing says whether it is whole".to_owned());
        Ok(FileSummary { bytes, content_hash, notes: note.into_iter().collect(), ..FileSummary::default() })
    }
}

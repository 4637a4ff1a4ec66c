//! Reads Arrow IPC: streams from their start ([`super::ipc_stream`]), and files, Feather of version 2 among them, by the footer at their
//! end ([`super::ipc_file`]).
//!
//! Messages are looked at here before the library takes them apart: it would otherwise reserve whatever memory a damaged length asks
//! for. The rows go the way of Parquet's.

use std::fs::File;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::batch::FileSummary;
use super::ipc_file::IpcFile;
use super::ipc_stream::IpcStream;
use super::packed::ByteStream;
use super::parquet_rows::{MAX_TYPE_DEPTH, RowsBlock, shallow};
use super::parquet_types::Leaves;
use crate::error::{Error, Place, Result};

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

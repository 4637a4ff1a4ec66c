//! Reads files of Arrow IPC by the footer at their end, which says where the dictionaries and the batches of records are.
//!
//! What stands between the magic word and the first block is not looked at: most writers put a whole stream there, polars does not.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::FileDecoder;
use arrow::ipc::{Block, MetadataVersion, root_as_footer, root_as_message};
use arrow::record_batch::RecordBatch;

use super::ipc_parts::{
    FILE_MAGIC, MAX_BATCH_BYTES, MAX_METADATA_BYTES, broken, packed_buffers, too_large, unpacked_bytes,
};
use super::parquet_rows::guarded;
use crate::error::{Error, Result, io_error};

/// Bytes behind the footer: its length, and the magic word.
const TRAILER_BYTES: u64 = 10;

/// A file under way.
pub(super) struct IpcFile {
    file: File,
    name: String,
    /// Where the footer begins: blocks stand before it.
    footer_start: u64,
    schema: SchemaRef,
    decoder: FileDecoder,
    /// What the decoder takes the blocks for.
    version: MetadataVersion,
    /// Whether no block has been read yet.
    is_untouched: bool,
    /// The batches of records, the next one last.
    blocks: Vec<Block>,
    /// Where the last block ended.
    position: u64,
}

/// What a footer says.
struct Footer {
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
}

impl IpcFile {
    /// Reads the footer and the dictionaries.
    pub(super) fn open(mut file: File, name: &str) -> Result<(Self, SchemaRef)> {
        let length = file.seek(SeekFrom::End(0)).map_err(io_error(name))?;
        let (bytes, footer_start) = read_footer(&mut file, length, name)?;
        let footer = guarded(name, "Arrow", || take_apart(&bytes).map_err(|error| broken(name, &error)))?;
        let Footer { schema, version, dictionaries, mut batches } = footer;
        let sum = dictionaries.iter().chain(&batches).try_fold(0_u64, |sum, block| {
            let (metadata, body) = lengths(block)?;
            sum.checked_add(metadata)?.checked_add(body)
        });
        // No part of a file is in two blocks, so that a small file stands for no endless one.
        if sum.is_none_or(|sum| sum > footer_start) {
            return Err(broken(name, &"its blocks are longer than the file"));
        }
        batches.reverse();
        let decoder = FileDecoder::new(Arc::clone(&schema), version);
        let mut input = Self {
            file,
            name: name.to_owned(),
            footer_start,
            schema: Arc::clone(&schema),
            decoder,
            version,
            is_untouched: true,
            blocks: batches,
            position: 0,
        };
        let mut unpacked: u64 = 0;
        for block in &dictionaries {
            let (bytes, more) = input.read_block(block)?;
            // Dictionaries stay in memory as long as the file is read.
            unpacked = unpacked.saturating_add(more);
            if unpacked > MAX_BATCH_BYTES {
                return Err(too_large(name));
            }
            let decoder = &mut input.decoder;
            guarded(name, "Arrow", || decoder.read_dictionary(block, &bytes).map_err(|error| broken(name, &error)))?;
        }
        Ok((input, schema))
    }

    /// Returns the next batch, or `None` at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(block) = self.blocks.pop() else { return Ok(None) };
        let (bytes, _) = self.read_block(&block)?;
        let batch = guarded(&self.name, "Arrow", || {
            self.decoder.read_record_batch(&block, &bytes).map_err(|error| broken(&self.name, &error))
        })?;
        match batch {
            Some(batch) => Ok(Some(batch)),
            None => Err(broken(&self.name, &"its footer names a batch of records where none is")),
        }
    }

    /// Reads a block, and returns it with its length in bytes once it is unpacked. Fails for one that is longer than a block may be.
    fn read_block(&mut self, block: &Block) -> Result<(Buffer, u64)> {
        let name = &self.name;
        let misplaced = || broken(name, &"its footer names a block outside of the file");
        let (metadata, body) = lengths(block).ok_or_else(misplaced)?;
        if metadata > MAX_METADATA_BYTES as u64 || body > MAX_BATCH_BYTES {
            return Err(too_large(name));
        }
        let start = u64::try_from(block.offset()).map_err(|_| misplaced())?;
        let end = start.checked_add(metadata + body).filter(|end| *end <= self.footer_start);
        let end = end.ok_or_else(misplaced)?;
        // Aligned, so that the library has nothing to copy.
        let mut bytes = MutableBuffer::from_len_zeroed(usize::try_from(end - start).map_err(Error::internal)?);
        self.file.seek(SeekFrom::Start(start)).map_err(io_error(name))?;
        self.file.read_exact(bytes.as_slice_mut()).map_err(io_error(name))?;
        self.position = end;
        let (described, content) =
            bytes.as_slice().split_at_checked(usize::try_from(metadata).unwrap_or(usize::MAX)).ok_or_else(misplaced)?;
        // Since version 0.15 a mark stands before the length.
        let described = match described {
            [0xff, 0xff, 0xff, 0xff, _, _, _, _, rest @ ..] => rest,
            [_, _, _, _, rest @ ..] => rest,
            _ => return Err(misplaced()),
        };
        let message = root_as_message(described).map_err(|error| broken(name, &error))?;
        // Arrow C++ names its newest version in the footer, also where it was told to write messages of an older one.
        if self.is_untouched && message.version() != self.version {
            self.version = message.version();
            self.decoder = FileDecoder::new(Arc::clone(&self.schema), self.version);
        }
        self.is_untouched = false;
        let Some(unpacked) = unpacked_bytes(content, &packed_buffers(&message)) else { return Err(too_large(name)) };
        Ok((bytes.into(), unpacked.max(body)))
    }

    /// Returns the part of the file that has been read, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        self.position as f64 / self.footer_start.max(1) as f64
    }
}

/// Returns the lengths of a block's description and its body, unless they cannot be.
fn lengths(block: &Block) -> Option<(u64, u64)> {
    Some((u64::try_from(block.metaDataLength()).ok()?, u64::try_from(block.bodyLength()).ok()?))
}

/// Reads the bytes of the footer; returns where it begins too.
fn read_footer(file: &mut File, length: u64, name: &str) -> Result<(Vec<u8>, u64)> {
    let early = || broken(name, &"it ends early: a file of Arrow ends with a footer");
    let behind = length.checked_sub(TRAILER_BYTES).filter(|at| *at >= FILE_MAGIC.len() as u64).ok_or_else(early)?;
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.seek(SeekFrom::Start(behind)).map_err(io_error(name))?;
    file.read_exact(&mut trailer).map_err(io_error(name))?;
    let (footer_bytes, magic) = trailer.split_at_checked(4).ok_or_else(early)?;
    if magic != FILE_MAGIC {
        return Err(early());
    }
    let footer_bytes = footer_bytes.first_chunk().map_or(0, |length| i32::from_le_bytes(*length));
    let bytes = usize::try_from(footer_bytes).ok().filter(|bytes| *bytes <= MAX_METADATA_BYTES);
    let start = bytes.and_then(|bytes| behind.checked_sub(bytes as u64));
    let (Some(bytes), Some(start)) = (bytes, start) else {
        return Err(broken(name, &"its footer has no right length"));
    };
    let mut footer = vec![0; bytes];
    file.seek(SeekFrom::Start(start)).map_err(io_error(name))?;
    file.read_exact(&mut footer).map_err(io_error(name))?;
    Ok((footer, start))
}

/// Reads what a footer says. The library panics over schemas that cannot be.
fn take_apart(bytes: &[u8]) -> std::result::Result<Footer, String> {
    let footer = root_as_footer(bytes).map_err(|error| error.to_string())?;
    let Some(schema) = footer.schema() else { return Err("it has no schema".to_owned()) };
    if !schema.endianness().equals_to_target_endianness() {
        return Err("its numbers are big endian".to_owned());
    }
    let schema = Arc::new(fb_to_schema(schema));
    let dictionaries = footer.dictionaries().map(|blocks| blocks.iter().copied().collect()).unwrap_or_default();
    let batches = footer.recordBatches().map(|blocks| blocks.iter().copied().collect()).unwrap_or_default();
    Ok(Footer { schema, version: footer.version(), dictionaries, batches })
}

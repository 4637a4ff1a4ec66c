//! Reads Avro object container files.
//!
//! A record becomes a list of values as JSON, in the order of the schema's fields, and goes the way of JSON from there on, so that one in
//! quarantine can be read and replayed. Blocks are unpacked and taken apart here. The library for Arrow ends without a word where a file
//! is cut, compares no marks between blocks and unpacks without a bound, and none of it would be an export that came in whole.

mod datum;
mod schema;

#[cfg(test)]
pub(super) mod tests;

use std::io::Read;
use std::sync::Arc;

use flate2::Crc;

use self::datum::Datums;
use self::schema::{Schema, TypeId};
use super::cut::{BLOCK_BYTES, KEPT_BYTES, Span, TextBlock};
use super::folders::FolderColumns;
use super::json_rows::Extra;
use super::layout::Layout;
use super::packed::{ByteStream, XZ_MEMORY_KIB, guarded};
use super::row::slot;
use super::source::ReadOptions;
use crate::error::{Error, Place, Result};
use crate::schema::HeaderMatch;

/// What begins a file.
pub(super) const MAGIC: &[u8] = b"Obj\x01";

/// Bytes of a block, as stored and unpacked: it is in memory as a whole.
const MAX_BLOCK_BYTES: usize = 256 << 20;

/// Bytes of the schema and what else stands before the blocks.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// How blocks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
    Bzip2,
    Xz,
}

impl Codec {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"" | b"null" => Self::Null,
            b"deflate" => Self::Deflate,
            b"snappy" => Self::Snappy,
            b"zstandard" => Self::Zstandard,
            b"bzip2" => Self::Bzip2,
            b"xz" => Self::Xz,
            _ => return None,
        })
    }

    fn unpack(self, packed: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Null => Ok(packed),
            Self::Deflate => bounded(flate2::read::DeflateDecoder::new(packed.as_slice())),
            Self::Snappy => unsnapped(&packed),
            Self::Zstandard => bounded(zstd::stream::read::Decoder::with_buffer(packed.as_slice())?),
            Self::Bzip2 => bounded(bzip2::bufread::MultiBzDecoder::new(packed.as_slice())),
            Self::Xz => bounded(lzma_rust2::XzReader::new_mem_limit(packed.as_slice(), true, XZ_MEMORY_KIB)),
        }
    }
}

/// Unpacks at most as much as a block may have.
fn bounded(mut unpacked: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut left = MAX_BLOCK_BYTES as u64 + 1;
    // The decoders for bzip2 and xz may panic over damaged data.
    loop {
        let read = guarded(|| unpacked.by_ref().take(left.min(1 << 20)).read_to_end(&mut bytes))?;
        left = left.saturating_sub(read as u64);
        if read == 0 {
            return Ok(bytes);
        }
        if left == 0 {
            return Err(too_large());
        }
    }
}

fn too_large() -> std::io::Error {
    std::io::Error::other(format!("it has more than {} MiB unpacked", MAX_BLOCK_BYTES >> 20))
}

/// Unpacks snappy, behind which a checksum of what comes out stands.
fn unsnapped(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let early = || std::io::Error::other("it ends early");
    let (packed, sum) = packed.split_last_chunk::<4>().ok_or_else(early)?;
    if snap::raw::decompress_len(packed)? > MAX_BLOCK_BYTES {
        return Err(too_large());
    }
    let bytes = snap::raw::Decoder::new().decompress_vec(packed)?;
    let mut crc = Crc::new();
    crc.update(&bytes);
    if crc.sum() == u32::from_be_bytes(*sum) {
        Ok(bytes)
    } else {
        Err(std::io::Error::other("its checksum is not right"))
    }
}

/// An Avro file under way.
pub(super) struct AvroInput {
    stream: ByteStream,
    name: String,
    codec: Codec,
    schema: Schema,
    /// The types of the fields, and whether their columns are stored.
    fields: Vec<(TypeId, bool)>,
    layout: Arc<Layout>,
    max_record_bytes: usize,
    /// What stands between blocks.
    mark: [u8; 16],
    /// The block that is being read, how much of it has been, and how many of its records have not.
    block: Vec<u8>,
    at: usize,
    left: u64,
    records_read: u64,
}

impl AvroInput {
    /// Reads the schema, and matches its fields.
    pub(super) fn open(
        mut stream: ByteStream,
        name: &str,
        options: &ReadOptions,
        folders: &FolderColumns,
        extra: Extra,
    ) -> Result<Self> {
        let mut header = Header { stream: &mut stream, name, left: MAX_HEADER_BYTES };
        header.bytes(MAGIC.len())?;
        let (mut codec, mut schema) = (Vec::new(), None);
        loop {
            let count = header.long()?;
            if count == 0 {
                break;
            }
            if count < 0 {
                header.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                let key = header.sized()?;
                let value = header.sized()?;
                match key.as_slice() {
                    b"avro.codec" => codec = value,
                    b"avro.schema" => schema = Some(value),
                    _ => {}
                }
            }
        }
        let mark = header.bytes(16)?.first_chunk().copied().unwrap_or_default();
        let schema = schema.ok_or_else(|| broken(name, &"it has no schema"))?;
        let schema = Schema::parse(&schema).map_err(|error| broken(name, &error))?;
        let Some(fields) = schema.fields() else {
            return Err(Error::input(Place::file(name), "holds values that are no records"));
        };
        let headers: Vec<String> = fields.iter().map(|(name, _)| name.clone()).collect();
        let layout = Layout::new(&headers, &options.header_map, folders, Place::file(name))?;
        let is_stored =
            |target: &HeaderMatch| slot(*target).is_some() || (*target == HeaderMatch::Unknown && extra == Extra::Keep);
        let fields =
            fields.iter().zip(&layout.headers.matches).map(|((_, kind), target)| (*kind, is_stored(target))).collect();
        let codec = Codec::named(&codec).ok_or_else(|| {
            let message = format!("its blocks are packed by {:?}, which is not read", String::from_utf8_lossy(&codec));
            Error::input(Place::file(name), message).with_hint("write it with another codec, or as Parquet")
        })?;
        Ok(Self {
            stream,
            name: name.to_owned(),
            codec,
            schema,
            fields,
            layout: Arc::new(layout),
            max_record_bytes: options.max_record_bytes,
            mark,
            block: Vec::new(),
            at: 0,
            left: 0,
            records_read: 0,
        })
    }

    /// Returns the names of the fields.
    pub(super) fn layout(&self) -> Arc<Layout> {
        Arc::clone(&self.layout)
    }

    /// Returns the next records, or `None` at the end.
    pub(super) fn next_block(&mut self) -> Result<Option<TextBlock>> {
        let mut text = String::new();
        let mut spans = Vec::new();
        while text.len() < BLOCK_BYTES {
            if self.left == 0 {
                if self.at < self.block.len() {
                    return Err(broken(&self.name, &"a block has more bytes than its records"));
                }
                if !self.read_block()? {
                    break;
                }
                continue;
            }
            let start = text.len();
            let fault = self.push_record(&mut text)?;
            self.left -= 1;
            self.records_read += 1;
            let bytes = text.len() - start;
            let truncated = bytes > self.max_record_bytes;
            if truncated {
                let kept = (start..=start + KEPT_BYTES.min(bytes)).rev().find(|end| text.is_char_boundary(*end));
                text.truncate(kept.unwrap_or(start));
            }
            let too_long = || format!("the record has {bytes} bytes, more than a record may have");
            let fault = if truncated { Some(too_long()) } else { fault };
            spans.push(Span { start, end: text.len(), line: self.records_read, fault, truncated });
        }
        let block = TextBlock { bytes: text.into_bytes(), spans, offset: 0, layout: Some(self.layout()) };
        Ok(if block.spans.is_empty() { None } else { Some(block) })
    }

    /// Writes the next record as a list of values; returns why it cannot be stored, if that is known.
    fn push_record(&mut self, text: &mut String) -> Result<Option<String>> {
        let start = text.len();
        let unread = self.block.get(self.at..).unwrap_or_default();
        let mut datums = Datums { schema: &self.schema, bytes: unread, is_binary: false };
        let mut record = String::new();
        let mut fault = None;
        record.push('[');
        for (at, ((kind, is_stored), header)) in self.fields.iter().zip(&self.layout.headers.names).enumerate() {
            if at > 0 {
                record.push(',');
            }
            datums.is_binary = false;
            datums.push(&mut record, *kind, 0).map_err(|error| {
                broken(&self.name, &format!("record {}, field {header:?}: {error}", self.records_read + 1))
            })?;
            if datums.is_binary && *is_stored && fault.is_none() {
                fault = Some(format!("{header:?} has bytes that are no text: export it as text"));
            }
        }
        record.push(']');
        self.at += unread.len() - datums.bytes.len();
        text.truncate(start);
        text.push_str(&record);
        Ok(fault)
    }

    /// Reads and unpacks a block; returns whether there is one.
    fn read_block(&mut self) -> Result<bool> {
        if self.stream.look_at(1)?.is_empty() {
            return Ok(false);
        }
        let (name, records) = (self.name.clone(), self.records_read);
        let at = |error: &dyn std::fmt::Display| broken(&name, &format!("the block behind record {records}: {error}"));
        let mut header = Header { stream: &mut self.stream, name: &self.name, left: MAX_BLOCK_BYTES + 64 };
        let count = u64::try_from(header.long()?).map_err(|_| at(&"its count is negative"))?;
        let packed = header.sized()?;
        if header.bytes(16)? != self.mark {
            return Err(at(&"the mark of the file does not stand behind it"));
        }
        self.block = self.codec.unpack(packed).map_err(|error| at(&error))?;
        self.at = 0;
        self.left = count;
        // A record that no byte stands for would be without an id.
        if count > self.block.len() as u64 {
            return Err(at(&"it promises more records than it has bytes"));
        }
        Ok(true)
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stream.stored_bytes()
    }

    /// Ends reading; returns length and hash of the file as stored.
    pub(super) fn finish(self) -> Result<(u64, u128)> {
        self.stream.finish()
    }
}

fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::input(Place::file(name), format!("broken Avro file: {error}"))
        .with_hint("nothing of this file is stored; fetch it again")
}

/// What is read of a stream outside of blocks.
struct Header<'a> {
    stream: &'a mut ByteStream,
    name: &'a str,
    /// Bytes that may still be read.
    left: usize,
}

impl Header<'_> {
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        self.left = self.left.checked_sub(count).ok_or_else(|| {
            Error::input(
                Place::file(self.name),
                format!("its header or a block has more than {} MiB", MAX_BLOCK_BYTES >> 20),
            )
            .with_hint("if the file is whole, write it in smaller blocks, or as Parquet")
        })?;
        let mut bytes = Vec::new();
        if self.stream.read_into(&mut bytes, count)? < count {
            return Err(broken(self.name, &"it ends early"));
        }
        Ok(bytes)
    }

    fn long(&mut self) -> Result<i64> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1)?.first().copied().unwrap_or_default();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(broken(self.name, &"a number has more than ten bytes"))
    }

    fn sized(&mut self) -> Result<Vec<u8>> {
        let length = usize::try_from(self.long()?).map_err(|_| broken(self.name, &"a length is negative"))?;
        self.bytes(length)
    }
}

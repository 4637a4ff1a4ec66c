//! Writes the container of a workbook: a ZIP archive, front to back.
//!
//! Sizes follow each part in a data descriptor, so nothing is held or sought and a pipe will do. All parts carry the same
//! date, the first that ZIP knows: the same content gives the same bytes. No zip64: a part or an archive of 4 GiB is refused,
//! and sheets are split long before.

use std::io::{BufWriter, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::format::sink::{Sink, sink_error};
use crate::{Error, Result};

/// Bytes that one call of the compressor may give.
const CHUNK_BYTES: usize = 64 * 1024;
/// Version 2.0 of the format: deflate and folders.
const VERSION: u16 = 20;
/// Sizes follow the data (bit 3), names are UTF-8 (bit 11).
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATE: u16 = 8;
/// 1980-01-01, 00:00.
const TIME: u16 = 0;
const DATE: u16 = 1 << 5 | 1;

/// An archive that is being written.
pub(super) struct Package {
    sink: BufWriter<Sink>,
    written_bytes: u64,
    parts: Vec<Part>,
    open: Option<Open>,
    chunk: Vec<u8>,
}

/// A complete part, for the directory at the end.
struct Part {
    name: String,
    crc: u32,
    compressed_bytes: u32,
    bytes: u32,
    offset: u32,
}

struct Open {
    name: String,
    offset: u32,
    start: u64,
    compress: Compress,
    crc: Crc,
    bytes: u64,
}

fn too_large() -> Error {
    Error::Limit {
        message: "the workbook grows beyond 4 GiB".to_owned(),
        hint: Some("take fewer rows or columns, or write csv or parquet".to_owned()),
    }
}

fn small(bytes: u64) -> Result<u32> {
    u32::try_from(bytes).map_err(|_| too_large())
}

impl Package {
    pub(super) fn new(sink: Sink) -> Self {
        let sink = BufWriter::with_capacity(CHUNK_BYTES, sink);
        Self { sink, written_bytes: 0, parts: Vec::new(), open: None, chunk: Vec::with_capacity(CHUNK_BYTES) }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.written_bytes += bytes.len() as u64;
        self.sink.write_all(bytes).map_err(sink_error)
    }

    /// Begins a part; the one before is closed.
    pub(super) fn begin(&mut self, name: &str) -> Result<()> {
        self.end()?;
        let offset = small(self.written_bytes)?;
        let mut header = Fields::new(0x0403_4b50);
        header.two(&[VERSION, FLAGS, DEFLATE, TIME, DATE]).four(&[0, 0, 0]).two(&[name.len() as u16, 0]);
        header.0.extend_from_slice(name.as_bytes());
        self.put(&header.0)?;
        self.open = Some(Open {
            name: name.to_owned(),
            offset,
            start: self.written_bytes,
            compress: Compress::new(Compression::new(6), false),
            crc: Crc::new(),
            bytes: 0,
        });
        Ok(())
    }

    /// Writes text into the open part.
    pub(super) fn write(&mut self, text: &str) -> Result<()> {
        if let Some(open) = &mut self.open {
            open.crc.update(text.as_bytes());
            open.bytes += text.len() as u64;
        }
        self.deflate(text.as_bytes(), FlushCompress::None)
    }

    /// Writes a whole part.
    pub(super) fn part(&mut self, name: &str, text: &str) -> Result<()> {
        self.begin(name)?;
        self.write(text)?;
        self.end()
    }

    fn deflate(&mut self, mut input: &[u8], flush: FlushCompress) -> Result<()> {
        loop {
            let Some(open) = &mut self.open else { return Ok(()) };
            let before = open.compress.total_in();
            self.chunk.clear();
            let status = open.compress.compress_vec(input, &mut self.chunk, flush).map_err(Error::internal)?;
            let taken = (open.compress.total_in() - before) as usize;
            input = input.get(taken..).unwrap_or_default();
            self.written_bytes += self.chunk.len() as u64;
            self.sink.write_all(&self.chunk).map_err(sink_error)?;
            let is_full = self.chunk.len() == self.chunk.capacity();
            let is_done = match flush {
                FlushCompress::Finish => status == Status::StreamEnd,
                _ => input.is_empty() && !is_full,
            };
            if is_done {
                return Ok(());
            }
        }
    }

    /// Closes the open part, if there is one.
    fn end(&mut self) -> Result<()> {
        self.deflate(&[], FlushCompress::Finish)?;
        let Some(open) = self.open.take() else { return Ok(()) };
        let compressed_bytes = small(self.written_bytes - open.start)?;
        let (crc, bytes) = (open.crc.sum(), small(open.bytes)?);
        let mut descriptor = Fields::new(0x0807_4b50);
        descriptor.four(&[crc, compressed_bytes, bytes]);
        self.put(&descriptor.0)?;
        self.parts.push(Part { name: open.name, crc, compressed_bytes, bytes, offset: open.offset });
        Ok(())
    }

    /// Writes the directory and flushes the sink.
    pub(super) fn finish(mut self) -> Result<()> {
        self.end()?;
        let start = small(self.written_bytes)?;
        let mut directory = Vec::new();
        for part in &self.parts {
            let mut entry = Fields::new(0x0201_4b50);
            entry
                .two(&[VERSION, VERSION, FLAGS, DEFLATE, TIME, DATE])
                .four(&[part.crc, part.compressed_bytes, part.bytes])
                .two(&[part.name.len() as u16, 0, 0, 0, 0])
                .four(&[0, part.offset]);
            entry.0.extend_from_slice(part.name.as_bytes());
            directory.append(&mut entry.0);
        }
        let count = u16::try_from(self.parts.len()).map_err(|_| too_large())?;
        let mut end = Fields::new(0x0605_4b50);
        end.two(&[0, 0, count, count]).four(&[small(directory.len() as u64)?, start]).two(&[0]);
        directory.append(&mut end.0);
        self.put(&directory)?;
        self.sink.flush().map_err(sink_error)
    }
}

/// A record of the format: a signature and little-endian numbers.
struct Fields(Vec<u8>);

impl Fields {
    fn new(signature: u32) -> Self {
        Self(signature.to_le_bytes().to_vec())
    }

    fn two(&mut self, values: &[u16]) -> &mut Self {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    fn four(&mut self, values: &[u32]) -> &mut Self {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }
}

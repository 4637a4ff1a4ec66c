//! The bytes of one input: counted and hashed as stored, and decompressed.
//!
//! Compression is told by the first bytes, never by the name: a `.gz` that a download tool has unpacked already reads all the
//! same. Frames and members that follow each other are one input.

use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use xxhash_rust::xxh3::Xxh3;

use super::frames::{JUNK, Lz4Frames, Members};
use crate::error::{Error, Place, Result, io_error};

pub(super) const READ_BYTES: usize = 256 * 1024;

/// Memory that a dictionary of xz may take, in KiB: as much as the window of zstd may.
pub(super) const XZ_MEMORY_KIB: u32 = 160 * 1024;

/// The input as stored, counted and hashed on the way through.
struct Stored {
    input: Box<dyn Read + Send>,
    /// Bytes that were looked at to tell the compression, not yet handed on.
    looked_at: Vec<u8>,
    hash: Box<Xxh3>,
    bytes: u64,
}

impl Stored {
    fn read_counted(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        Ok(length)
    }

    /// Appends up to so many bytes, into memory that need not be set to zero first, as it must be where `read` fills it.
    fn read_onto(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> std::io::Result<usize> {
        let known = self.looked_at.len().min(wanted);
        buffer.extend(self.looked_at.drain(..known));
        let from = buffer.len();
        let read = self.input.by_ref().take((wanted - known) as u64).read_to_end(buffer);
        let new = buffer.get(from..).unwrap_or_default();
        self.hash.update(new);
        self.bytes += new.len() as u64;
        read.map(|length| known + length)
    }

    /// Reads the first bytes, up to `length`, without using them up.
    fn look_at(&mut self, length: usize) -> std::io::Result<&[u8]> {
        let mut buffer = vec![0; length];
        while self.looked_at.len() < length {
            let wanted = length - self.looked_at.len();
            match self.read_counted(buffer.get_mut(..wanted).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => self.looked_at.extend_from_slice(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.looked_at)
    }
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.looked_at.is_empty() {
            return self.read_counted(buffer);
        }
        let length = self.looked_at.as_slice().read(buffer)?;
        self.looked_at.drain(..length);
        Ok(length)
    }
}

enum Packed {
    Plain(Stored),
    Gzip(Box<Members<GzDecoder<BufReader<Stored>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Stored>>>),
    Bzip2(Box<Members<BzDecoder<BufReader<Stored>>>>),
    Xz(Box<XzReader<BufReader<Stored>>>),
    Lz4(Box<Lz4Frames<BufReader<Stored>>>),
}

/// The first bytes by which compression is told.
const MAGIC_BYTES: usize = 10;

/// One input, decompressed.
pub(super) struct ByteStream {
    packed: Packed,
    /// Decompressed bytes that were looked at, not yet handed on.
    looked_at: Vec<u8>,
    name: String,
}

impl ByteStream {
    /// Reads from any source of bytes.
    pub(super) fn new(input: Box<dyn Read + Send>, name: &str) -> Result<Self> {
        let mut stored = Stored { input, looked_at: Vec::new(), hash: Box::new(Xxh3::new()), bytes: 0 };
        let magic = stored.look_at(MAGIC_BYTES).map_err(io_error(name))?;
        let buffered = |stored| BufReader::with_capacity(READ_BYTES, stored);
        let packed = match *magic {
            [0x1f, 0x8b, ..] => Packed::Gzip(Box::new(Members::new(buffered(stored)))),
            // The digits of pi begin a block, those of its root the end.
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y']
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90] => {
                Packed::Bzip2(Box::new(Members::new(buffered(stored))))
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
                Packed::Xz(Box::new(XzReader::new_mem_limit(buffered(stored), true, XZ_MEMORY_KIB)))
            }
            [0x04, 0x22, 0x4d, 0x18, ..] => Packed::Lz4(Box::new(Lz4Frames::new(buffered(stored)))),
            // A zstd frame, or one that a zstd reader has to skip.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                let decoder = zstd::stream::read::Decoder::with_buffer(buffered(stored)).map_err(Error::internal)?;
                Packed::Zstd(Box::new(decoder))
            }
            _ => Packed::Plain(stored),
        };
        Ok(Self { packed, looked_at: Vec::new(), name: name.to_owned() })
    }

    /// Reads from a source of bytes that are not compressed, whatever they look like.
    pub(super) fn unpacked(input: Box<dyn Read + Send>, name: &str) -> Result<Self> {
        let stored = Stored { input, looked_at: Vec::new(), hash: Box::new(Xxh3::new()), bytes: 0 };
        Ok(Self { packed: Packed::Plain(stored), looked_at: Vec::new(), name: name.to_owned() })
    }

    /// Names what the bytes are compressed by.
    pub(super) fn packing(&self) -> Option<&'static str> {
        match self.packed {
            Packed::Plain(_) => None,
            Packed::Gzip(_) => Some("gzip"),
            Packed::Zstd(_) => Some("zstd"),
            Packed::Bzip2(_) => Some("bzip2"),
            Packed::Xz(_) => Some("xz"),
            Packed::Lz4(_) => Some("lz4"),
        }
    }

    /// Returns whether the bytes are the file's own.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.packed, Packed::Plain(_))
    }

    fn stored(&self) -> Option<&Stored> {
        Some(match &self.packed {
            Packed::Plain(stored) => stored,
            Packed::Gzip(decoder) => decoder.get_ref()?.get_ref(),
            Packed::Zstd(decoder) => decoder.get_ref().get_ref(),
            Packed::Bzip2(decoder) => decoder.get_ref()?.get_ref(),
            Packed::Xz(decoder) => decoder.inner().get_ref(),
            Packed::Lz4(decoder) => decoder.get_ref().get_ref(),
        })
    }

    fn stored_mut(&mut self) -> Option<&mut Stored> {
        Some(match &mut self.packed {
            Packed::Plain(stored) => stored,
            Packed::Gzip(decoder) => decoder.get_mut()?.get_mut(),
            Packed::Zstd(decoder) => decoder.get_mut().get_mut(),
            Packed::Bzip2(decoder) => decoder.get_mut()?.get_mut(),
            Packed::Xz(decoder) => decoder.inner_mut().get_mut(),
            Packed::Lz4(decoder) => decoder.get_mut().get_mut(),
        })
    }

    /// Returns how many bytes of the file, as stored, have been read.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored().map_or(0, |stored| stored.bytes)
    }

    /// Returns the first decompressed bytes without using them up: `length`, or all there are.
    pub(super) fn look_at(&mut self, length: usize) -> Result<&[u8]> {
        let mut first = std::mem::take(&mut self.looked_at);
        let missing = length.saturating_sub(first.len());
        self.read_on(&mut first, missing)?;
        self.looked_at = first;
        Ok(self.looked_at.get(..length).unwrap_or(&self.looked_at))
    }

    /// Adds up to `wanted` bytes to `buffer`; fewer only at the end of the input.
    pub(super) fn read_into(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<usize> {
        let known = self.looked_at.len().min(wanted);
        buffer.extend(self.looked_at.drain(..known));
        Ok(known + self.read_on(buffer, wanted - known)?)
    }

    fn read_on(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<usize> {
        let result = match &mut self.packed {
            Packed::Plain(stored) => stored.read_onto(buffer, wanted),
            Packed::Gzip(decoder) => decoder.take(wanted as u64).read_to_end(buffer),
            Packed::Zstd(decoder) => decoder.take(wanted as u64).read_to_end(buffer),
            Packed::Bzip2(decoder) => guarded(|| decoder.take(wanted as u64).read_to_end(buffer)),
            Packed::Xz(decoder) => guarded(|| decoder.take(wanted as u64).read_to_end(buffer)),
            Packed::Lz4(decoder) => guarded(|| decoder.take(wanted as u64).read_to_end(buffer)),
        };
        result.map_err(|error| self.read_error(error))
    }

    /// Tells the storage's errors, which have a number of the system, from those of the decompressor.
    fn read_error(&self, error: std::io::Error) -> Error {
        if error.raw_os_error().is_some() {
            return Error::storage(&self.name, error);
        }
        let Some(what) = self.packing() else {
            return match error.kind() {
                // What an archive says of its member.
                std::io::ErrorKind::Other => Error::input(Place::file(&self.name), error.to_string())
                    .with_hint("nothing of this file is stored; fetch it again"),
                _ => Error::storage(&self.name, error),
            };
        };
        let message = match error.kind() {
            _ if error.to_string() == JUNK => format!("behind the {what} data stand bytes that are none of it"),
            std::io::ErrorKind::UnexpectedEof => format!("the {what} data ends early"),
            _ => format!("broken {what} data: {error}"),
        };
        let file = match self.name.as_str() {
            "-" => "FILE",
            name => name,
        };
        // What the library says of frames that are whole, but ask for more than it is given.
        let hint = match error.to_string().as_str() {
            JUNK => {
                let unpacked = [".gz", ".bz2"].iter().find_map(|ending| file.strip_suffix(ending));
                let unpacked = unpacked.map_or_else(|| format!("{file}.unpacked"), str::to_owned);
                format!(
                    "fetch it again; if those bytes may be left out, ingest what {what} -dc {file:?} > {unpacked:?} makes"
                )
            }
            said if said.contains("requires too much memory") => {
                format!("it was packed with a window of more than 128 MiB: unpack it with zstd -d --long=31 {file:?}")
            }
            said if said.contains("mem_limit") => {
                format!("it was packed with a dictionary of more than 128 MiB: unpack it with xz -dk {file:?}")
            }
            said if said.contains("Dictionary mismatch") => {
                format!("it was packed with a dictionary: unpack it with zstd -d -D DICTIONARY {file:?}")
            }
            _ => "nothing of this file is stored; fetch it again".to_owned(),
        };
        Error::input(Place::file(&self.name), message).with_hint(hint)
    }

    /// Reads what is left and returns length and hash of the file as stored.
    pub(super) fn finish(mut self) -> Result<(u64, u128)> {
        let name = self.name.clone();
        let Some(stored) = self.stored_mut() else { return Err(Error::internal("an input without its bytes")) };
        std::io::copy(stored, &mut std::io::sink()).map_err(io_error(&name))?;
        Ok((stored.bytes, stored.hash.digest128()))
    }
}

impl Read for ByteStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.looked_at.is_empty() {
            return match &mut self.packed {
                Packed::Plain(stored) => stored.read(buffer),
                Packed::Gzip(decoder) => decoder.read(buffer),
                Packed::Zstd(decoder) => decoder.read(buffer),
                Packed::Bzip2(decoder) => guarded(|| decoder.read(buffer)),
                Packed::Xz(decoder) => guarded(|| decoder.read(buffer)),
                Packed::Lz4(decoder) => guarded(|| decoder.read(buffer)),
            };
        }
        let length = self.looked_at.as_slice().read(buffer)?;
        self.looked_at.drain(..length);
        Ok(length)
    }
}

/// Turns a panic of a decoder over damaged data into an error. The process's panic hook still runs.
pub(super) fn guarded(read: impl FnOnce() -> std::io::Result<usize>) -> std::io::Result<usize> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(std::io::Error::other("it contradicts itself")))
}

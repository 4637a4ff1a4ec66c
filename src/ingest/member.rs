//! A file inside of an archive, and how it is read from there.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::packed::{ByteStream, READ_BYTES};
use crate::error::{Error, Place, Result, io_error};

/// Where an input stands inside of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub(super) inside: Inside,
    /// What a person should know of the archive; of its first member only.
    pub(super) note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside {
    Zip {
        start: u64,
        packed_bytes: u64,
        bytes: u64,
        crc: u32,
        is_deflated: bool,
    },
    Tar {
        start: u64,
        bytes: u64,
        is_packed: bool,
        /// A compressed archive that is being read, for the next of its members.
        stream: Shared,
    },
    /// What cannot be read: why, and what to do.
    Refused(String, String),
}

/// A compressed archive under way, with its position; all members of an archive share it, so that it is unpacked once and not for
/// each of them from its start.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Option<(u64, ByteStream)>>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl PartialEq for Shared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Shared {}

impl Member {
    /// Opens the member of an archive.
    ///
    /// # Errors
    /// The archive cannot be read, or the member is one that is refused.
    pub(super) fn open(&self, path: &Path, name: &str) -> Result<Box<dyn Read + Send>> {
        let file = |start: u64| -> Result<File> {
            let mut file = File::open(path).map_err(io_error(path))?;
            file.seek(SeekFrom::Start(start)).map_err(io_error(path))?;
            Ok(file)
        };
        Ok(match &self.inside {
            Inside::Refused(message, hint) => {
                return Err(Error::input(Place::file(name), message.clone()).with_hint(hint.clone()));
            }
            Inside::Zip { start, packed_bytes, bytes, crc, is_deflated } => {
                unpacked(file(*start)?.take(*packed_bytes), *bytes, *crc, *is_deflated)
            }
            Inside::Tar { start, bytes, is_packed: false, .. } => {
                Box::new(Whole { content: file(*start)?, left: *bytes, crc: None })
            }
            Inside::Tar { start, bytes, stream: shared, .. } => {
                let kept = shared.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                let (at, mut stream) = match kept {
                    Some((at, stream)) if at <= *start => (at, stream),
                    _ => (0, ByteStream::new(Box::new(file(0)?), name)?),
                };
                std::io::copy(&mut (&mut stream).take(*start - at), &mut std::io::sink())
                    .map_err(|error| Error::input(Place::file(name), format!("broken archive: {error}")))?;
                let content = Lent { stream: Some(stream), at: *start, shared: shared.clone() };
                Box::new(Whole { content, left: *bytes, crc: None })
            }
        })
    }
}

/// Unpacks a file of a zip, which must have as many bytes as the zip says, and the checksum.
pub(super) fn unpacked(
    packed: impl Read + Send + 'static,
    bytes: u64,
    crc: u32,
    is_deflated: bool,
) -> Box<dyn Read + Send> {
    let packed = BufReader::with_capacity(READ_BYTES, packed);
    let content: Box<dyn Read + Send> = match is_deflated {
        true => Box::new(DeflateDecoder::new(packed)),
        false => Box::new(packed),
    };
    Box::new(Whole { content, left: bytes, crc: Some((Crc::new(), crc)) })
}

/// A compressed archive that goes back when it has been read from.
struct Lent {
    stream: Option<ByteStream>,
    at: u64,
    shared: Shared,
}

impl Read for Lent {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let length = stream.read(buffer)?;
        self.at += length as u64;
        Ok(length)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = self.stream.take().map(|stream| (self.at, stream));
    }
}

/// A member's content, which must have as many bytes as the archive says, and the checksum where there is one.
struct Whole<R> {
    content: R,
    left: u64,
    crc: Option<(Crc, u32)>,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let broken = |message: &str| Err(std::io::Error::other(format!("broken archive: {message}")));
        if self.left == 0 {
            let Some((crc, expected)) = self.crc.take() else { return Ok(0) };
            // One byte more than was promised is too many.
            if self.content.read(&mut [0])? > 0 {
                return broken("the file inside is longer than the archive says");
            }
            return if crc.sum() == expected { Ok(0) } else { broken("the checksum of the file inside is not right") };
        }
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let length = self.content.read(part)?;
        if length == 0 {
            return broken("the file inside ends early");
        }
        self.left -= length as u64;
        if let Some((crc, _)) = &mut self.crc {
            crc.update(part.get(..length).unwrap_or_default());
        }
        Ok(length)
    }
}

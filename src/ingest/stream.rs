//! The bytes of one input: counted and hashed as stored, decompressed, and decoded to UTF-8.
//!
//! Compression is told by the first bytes, never by the name: a `.gz` that a download tool has unpacked already reads all the
//! same. Text in another character set becomes UTF-8 here, before records are cut, so that every format needs only one.

use std::fs::File;
use std::io::{BufReader, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16LE, WINDOWS_1252};
use flate2::bufread::MultiGzDecoder;
use xxhash_rust::xxh3::Xxh3;

use super::source::{Encoding, SourceFile};
use crate::error::{Error, Place, Result, io_error};

const READ_BYTES: usize = 256 * 1024;

/// A byte that UTF-8 never has: stands where the declared character set has no meaning for the bytes that came, so that the
/// record it is in is rejected and no other.
pub(super) const BROKEN_BYTE: u8 = 0xff;

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
    Gzip(Box<MultiGzDecoder<BufReader<Stored>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Stored>>>),
}

/// One input, decompressed.
pub(super) struct ByteStream {
    packed: Packed,
    /// Decompressed bytes that were looked at, not yet handed on.
    looked_at: Vec<u8>,
    name: String,
}

impl ByteStream {
    /// Opens an input and tells its compression.
    pub(super) fn open(file: &SourceFile) -> Result<Self> {
        let input: Box<dyn Read + Send> = match &file.path {
            None => Box::new(std::io::stdin()),
            Some(path) => {
                if path.is_dir() {
                    return Err(Error::input(Place::file(&file.name), "is a folder, not a file"));
                }
                Box::new(File::open(path).map_err(io_error(&file.name))?)
            }
        };
        Self::new(input, &file.name)
    }

    /// Reads from any source of bytes.
    pub(super) fn new(input: Box<dyn Read + Send>, name: &str) -> Result<Self> {
        let mut stored = Stored { input, looked_at: Vec::new(), hash: Box::new(Xxh3::new()), bytes: 0 };
        let magic = stored.look_at(4).map_err(io_error(name))?;
        let packed = match *magic {
            [0x1f, 0x8b, ..] => {
                Packed::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, stored))))
            }
            // A zstd frame, or one that a zstd reader has to skip.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                let reader = BufReader::with_capacity(READ_BYTES, stored);
                let decoder = zstd::stream::read::Decoder::with_buffer(reader).map_err(Error::internal)?;
                Packed::Zstd(Box::new(decoder))
            }
            _ => Packed::Plain(stored),
        };
        Ok(Self { packed, looked_at: Vec::new(), name: name.to_owned() })
    }

    /// Returns whether the bytes are the file's own.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.packed, Packed::Plain(_))
    }

    fn stored(&self) -> &Stored {
        match &self.packed {
            Packed::Plain(stored) => stored,
            Packed::Gzip(decoder) => decoder.get_ref().get_ref(),
            Packed::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }

    /// Returns how many bytes of the file, as stored, have been read.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored().bytes
    }

    /// Returns the first decompressed bytes without using them up: `length`, or all there are.
    pub(super) fn look_at(&mut self, length: usize) -> Result<&[u8]> {
        let mut first = Vec::new();
        self.read_into(&mut first, length)?;
        self.looked_at = first;
        Ok(&self.looked_at)
    }

    /// Adds up to `wanted` bytes to `buffer`; fewer only at the end of the input.
    pub(super) fn read_into(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<usize> {
        let known = self.looked_at.len().min(wanted);
        buffer.extend(self.looked_at.drain(..known));
        Ok(known + self.read_on(buffer, wanted - known)?)
    }

    fn read_on(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<usize> {
        let wanted = wanted as u64;
        let result = match &mut self.packed {
            Packed::Plain(stored) => stored.take(wanted).read_to_end(buffer),
            Packed::Gzip(decoder) => decoder.take(wanted).read_to_end(buffer),
            Packed::Zstd(decoder) => decoder.take(wanted).read_to_end(buffer),
        };
        result.map_err(|error| self.read_error(&error))
    }

    /// Tells the storage's errors, which have a number of the system, from those of the decompressor.
    fn read_error(&self, error: &std::io::Error) -> Error {
        let what = match self.packed {
            Packed::Gzip(_) if error.raw_os_error().is_none() => "gzip",
            Packed::Zstd(_) if error.raw_os_error().is_none() => "zstd",
            _ => return Error::storage(&self.name, error),
        };
        let message = match error.kind() {
            std::io::ErrorKind::UnexpectedEof => format!("the {what} data ends early"),
            _ => format!("broken {what} data: {error}"),
        };
        let file = match self.name.as_str() {
            "-" => "FILE",
            name => name,
        };
        // What the library says of frames that are whole, but ask for more than it is given.
        let hint = match error.to_string().as_str() {
            said if said.contains("requires too much memory") => {
                format!("it was packed with a window of more than 128 MiB: unpack it with zstd -d --long=31 {file:?}")
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
        let stored = match &mut self.packed {
            Packed::Plain(stored) => stored,
            Packed::Gzip(decoder) => decoder.get_mut().get_mut(),
            Packed::Zstd(decoder) => decoder.get_mut().get_mut(),
        };
        std::io::copy(stored, &mut std::io::sink()).map_err(io_error(&self.name))?;
        Ok((stored.bytes, stored.hash.digest128()))
    }
}

/// A text input as UTF-8.
pub(super) struct TextStream {
    bytes: ByteStream,
    decoder: Option<Decoder>,
    /// Undecoded bytes.
    pending: Vec<u8>,
    at_end: bool,
}

impl TextStream {
    /// Decodes from the given character set.
    pub(super) fn new(bytes: ByteStream, encoding: Encoding) -> Self {
        // These decoders let a byte order mark win over what they were made for.
        let decoder = match encoding {
            Encoding::Utf8 => None,
            Encoding::Utf16 => Some(UTF_16LE.new_decoder()),
            Encoding::Cp1252 => Some(WINDOWS_1252.new_decoder()),
        };
        Self { bytes, decoder, pending: Vec::new(), at_end: false }
    }

    /// Returns how many bytes of the file, as stored, have been read.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.bytes.stored_bytes()
    }

    /// Adds about `wanted` bytes of text to `buffer`; returns false at the end of the input.
    pub(super) fn read_into(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<bool> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(self.bytes.read_into(buffer, wanted)? == wanted);
        };
        let goal = buffer.len() + wanted;
        while buffer.len() < goal && !self.at_end {
            self.pending.clear();
            self.at_end = self.bytes.read_into(&mut self.pending, READ_BYTES)? < READ_BYTES;
            decode(decoder, &self.pending, self.at_end, buffer);
        }
        Ok(!self.at_end)
    }

    /// Reads what is left and returns length and hash of the file as stored.
    pub(super) fn finish(self) -> Result<(u64, u128)> {
        self.bytes.finish()
    }
}

fn decode(decoder: &mut Decoder, mut input: &[u8], last: bool, output: &mut Vec<u8>) {
    loop {
        let room = decoder.max_utf8_buffer_length_without_replacement(input.len()).unwrap_or(input.len()).max(16);
        let start = output.len();
        output.resize(start + room, 0);
        let target = output.get_mut(start..).unwrap_or_default();
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(input, target, last);
        output.truncate(start + written);
        input = input.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => output.push(BROKEN_BYTE),
        }
    }
}

/// Decodes one record that was read as UTF-8 although it is in another character set.
pub(super) fn decode_record(raw: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut decoder = match encoding {
        Encoding::Utf8 => return raw.to_vec(),
        Encoding::Utf16 => UTF_16LE.new_decoder(),
        Encoding::Cp1252 => WINDOWS_1252.new_decoder(),
    };
    let mut output = Vec::with_capacity(raw.len());
    decode(&mut decoder, raw, true, &mut output);
    output
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(stored: Vec<u8>, encoding: Encoding) -> Result<Vec<u8>> {
        let bytes = ByteStream::new(Box::new(std::io::Cursor::new(stored)), "in")?;
        let mut stream = TextStream::new(bytes, encoding);
        let mut buffer = Vec::new();
        while stream.read_into(&mut buffer, 1000)? {}
        Ok(buffer)
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compression_is_told_by_the_first_bytes_and_members_are_joined() {
        let content = "x".repeat(5000).into_bytes();
        let mut twice = gzip(&content);
        twice.extend(gzip(b"end"));
        let expected = [content.as_slice(), b"end"].concat();
        assert_eq!(text(twice, Encoding::Utf8).unwrap(), expected);
        let mut twice = zstd::encode_all(content.as_slice(), 1).unwrap();
        twice.extend(zstd::encode_all(b"end".as_slice(), 1).unwrap());
        assert_eq!(text(twice, Encoding::Utf8).unwrap(), expected);
        assert_eq!(text(expected.clone(), Encoding::Utf8).unwrap(), expected);
    }

    #[test]
    fn truncated_archives_are_errors_of_the_input() {
        let content: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        for stored in [gzip(&content), zstd::encode_all(content.as_slice(), 1).unwrap()] {
            for cut in [stored.len() - 1, stored.len() / 2, 5] {
                let error = text(stored[..cut].to_vec(), Encoding::Utf8).unwrap_err();
                assert!(matches!(error, Error::Input { .. }), "{error}");
            }
        }
    }

    #[test]
    fn frames_of_zstd_that_ask_for_much_memory_are_told_how_to_be_unpacked() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.window_log(28).unwrap();
        encoder.write_all(&[b'x'; 100]).unwrap();
        let error = text(encoder.finish().unwrap(), Encoding::Utf8).unwrap_err();
        assert!(
            error.hint().unwrap().ends_with("unpack it with zstd -d --long=31 \"in\""),
            "{error} {:?}",
            error.hint()
        );
        let dictionary =
            zstd::dict::from_samples(&(0..2000).map(|n| format!("{n},{n},some text")).collect::<Vec<_>>(), 2000);
        let mut packed = zstd::bulk::Compressor::with_dictionary(1, &dictionary.unwrap()).unwrap();
        let error = text(packed.compress(b"7,7,some text").unwrap(), Encoding::Utf8).unwrap_err();
        assert!(error.hint().unwrap().contains("-D DICTIONARY"), "{error} {:?}", error.hint());
    }

    #[test]
    fn utf_16_reads_in_both_byte_orders_and_broken_pairs_become_a_broken_byte() {
        let words: Vec<u16> = "añ😀\n".encode_utf16().collect();
        let little: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut big = vec![0xfe, 0xff];
        big.extend(words.iter().flat_map(|w| w.to_be_bytes()));
        assert_eq!(text(little, Encoding::Utf16).unwrap(), "añ😀\n".as_bytes());
        assert_eq!(text(big, Encoding::Utf16).unwrap(), "añ😀\n".as_bytes());
        let lone: Vec<u8> = [0x61_u16, 0xd800, 0x62].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(text(lone, Encoding::Utf16).unwrap(), [b'a', BROKEN_BYTE, b'b']);
    }

    #[test]
    fn code_page_1252_becomes_utf_8() {
        assert_eq!(text(vec![0x80, b'-', 0xe9], Encoding::Cp1252).unwrap(), "€-é".as_bytes());
    }

    #[test]
    fn the_hash_is_of_the_bytes_as_stored() {
        let stored = gzip(b"some text");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &stored).unwrap();
        let mut stream = ByteStream::new(Box::new(std::io::Cursor::new(stored.clone())), "in").unwrap();
        stream.read_into(&mut Vec::new(), 4).unwrap();
        let (bytes, hash) = stream.finish().unwrap();
        assert_eq!(bytes, stored.len() as u64);
        assert_eq!(hash, crate::ingest::source::content_hash(file.path()).unwrap());
    }
}

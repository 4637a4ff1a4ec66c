//! The text of one input, decoded to UTF-8.
//!
//! Text in another character set becomes UTF-8 here, before records are cut, so that every format needs only one.

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::formats::Encoding;
use super::packed::{ByteStream, READ_BYTES};
use crate::error::Result;

/// A byte that UTF-8 never has: stands where the declared character set has no meaning for the bytes that came, so that the
/// record it is in is rejected and no other.
pub(super) const BROKEN_BYTE: u8 = 0xff;

/// A text input as UTF-8.
pub(super) struct TextStream {
    bytes: ByteStream,
    decoder: Option<Decoder>,
    /// Whether the byte order is still to be told.
    is_order_open: bool,
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
        Self { bytes, decoder, is_order_open: encoding == Encoding::Utf16, pending: Vec::new(), at_end: false }
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
            // Every format begins with ASCII: a quote, a bracket or the letter of a header.
            if std::mem::take(&mut self.is_order_open) && matches!(*self.pending, [0, ascii, ..] if ascii != 0) {
                *decoder = UTF_16BE.new_decoder();
            }
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

    use lz4_flex::frame::FrameInfo;

    use super::*;
    use crate::error::Error;

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

    /// Thirty sessions as `xz -9` of XZ Utils 5.4.1 packs them.
    const XZ: &str = "\
        fd377a585a000004e6d6b446020021011c00000010cf58cce002f900985d0029994a7869388a2f2502b34b97c9971775e7c2bc52f2370cf6\
        7c20b47b0253cfaa56f665db906236c389efd7d788b154de52b0af08c303c098c6dd7ab06b1331de0996d4846278b3ae6c6d320aa69c6617\
        24c1cbdf2cd4e40c1b80cab900a61ed3795b449ebc29d5e0444fb84188af160e082eba1d6d8894ef9e18472e746aa752fe144a9e6036a097\
        c980f9f1e9d24f29d3c04caf4a5d0000d0031b9a0bf97a830001b401fa05000026987e90b1c467fb020000000004595a";

    fn sessions() -> Vec<u8> {
        let rows = (0..30).map(|n| format!("s{n},2026-11-20T10:{n:02}:00Z\n"));
        std::iter::once("Session Id,Started At\n".to_owned()).chain(rows).collect::<String>().into_bytes()
    }

    /// The same content in every compression.
    fn packed(content: &[u8]) -> Vec<Vec<u8>> {
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(content).unwrap();
        let lz4 = |info: FrameInfo| {
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        };
        let info = || FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
        vec![
            gzip(content),
            zstd::encode_all(content, 1).unwrap(),
            bzip2.finish().unwrap(),
            lz4(info()),
            lz4(info().content_checksum(true).block_checksums(true)),
            lz4(info().block_mode(lz4_flex::frame::BlockMode::Linked).content_size(Some(content.len() as u64))),
        ]
    }

    fn xz() -> Vec<u8> {
        (0..XZ.len() / 2).map(|at| u8::from_str_radix(&XZ[at * 2..at * 2 + 2], 16).unwrap()).collect()
    }

    #[test]
    fn compression_is_told_by_the_first_bytes_and_members_are_joined() {
        let content = "x".repeat(5000).into_bytes();
        let expected = [content.as_slice(), b"end"].concat();
        for (first, second) in packed(&content).into_iter().zip(packed(b"end")) {
            assert_eq!(text([first, second].concat(), Encoding::Utf8).unwrap(), expected);
        }
        assert_eq!(text(expected.clone(), Encoding::Utf8).unwrap(), expected);
        for empty in packed(b"") {
            assert_eq!(text(empty, Encoding::Utf8).unwrap(), b"");
        }
        assert_eq!(text(xz(), Encoding::Utf8).unwrap(), sessions());
        // Streams of xz may have zeros between them.
        let twice = [xz(), vec![0; 8], xz()].concat();
        assert_eq!(text(twice, Encoding::Utf8).unwrap(), [sessions(), sessions()].concat());
    }

    #[test]
    fn truncated_archives_are_errors_of_the_input() {
        let content: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        for (index, stored) in packed(&content).into_iter().chain([xz()]).enumerate() {
            for cut in [stored.len() - 1, stored.len() - 4, stored.len() - 8, stored.len() / 2, 10] {
                let error = text(stored[..cut].to_vec(), Encoding::Utf8).unwrap_err();
                assert!(matches!(error, Error::Input { .. }), "{index} {cut}: {error}");
            }
        }
    }

    #[test]
    fn no_byte_of_lz4_or_xz_can_be_lost_or_changed_without_a_word() {
        let content = sessions();
        let checked = packed(&content).swap_remove(4);
        for stored in [checked, xz(), packed(&content).swap_remove(2)] {
            for at in 0..stored.len() {
                if at >= 10 {
                    text(stored[..at].to_vec(), Encoding::Utf8).unwrap_err();
                }
                let mut changed = stored.clone();
                changed[at] ^= 0x10;
                match text(changed.clone(), Encoding::Utf8) {
                    Ok(read) => assert!(read == content || read == changed, "{at}"),
                    Err(error) => assert!(matches!(error, Error::Input { .. }), "{at}: {error}"),
                }
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
        assert_eq!(text(big[2..].to_vec(), Encoding::Utf16).unwrap(), "añ😀\n".as_bytes());
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

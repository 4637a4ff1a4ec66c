//! Changes what is behind checksums, lengths and compression, and puts those right again: blind changes of such bytes show no more than that they are noticed.
//! And repeats pieces, thousands of times.
//!
//! A part is taken out of the input (a file inside a workbook, the text inside gzip, a footer, the body of a message), libFuzzer changes it, and it is put
//! back. Half of the changes are of the bytes as they are, so that false checksums and lengths are tried too.

use std::io::{Cursor, Read, Write};
use std::ops::Range;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Bytes that something small may unpack to.
const MOST_UNPACKED: u64 = 64 << 10;
/// Bytes that choose, before the file, in the inputs of `sheets` and `columnar`.
const CHOICE: usize = 3;

/// One in so many changes repeats a piece.
const REPEATED: usize = 64;
/// Bytes that it fills.
const MOST_REPEATED: usize = 8_000;
/// Bytes of a piece at most.
const PIECE: usize = 16;

/// What changes bytes: libFuzzer.
pub type Change<'c> = &'c mut dyn FnMut(Vec<u8>) -> Vec<u8>;

/// Changes a part of an input of a target; `None` where there is none, or not this time.
pub fn inside(target: &str, bytes: &[u8], seed: u32, change: Change<'_>) -> Option<Vec<u8>> {
    if seed.is_multiple_of(2) {
        return None;
    }
    let draw = (seed / 2) as usize;
    if draw.is_multiple_of(REPEATED) {
        return repeated(bytes, draw / REPEATED);
    }
    match target {
        "sheets" => {
            let (choice, file) = bytes.split_at_checked(CHOICE)?;
            Some([choice, &zipped(file, draw, change)?].concat())
        }
        "archives" => zipped(bytes, draw, change).or_else(|| tarred(bytes, draw, change)),
        "columnar" => {
            let (choice, file) = bytes.split_at_checked(CHOICE)?;
            Some([choice, &footer(file, change)?].concat())
        }
        "footers" => footer(bytes, change),
        "packed" => gzip(bytes, draw, change),
        "pg_messages" => message(bytes, draw, change),
        _ => None,
    }
}

/// Repeats a piece where it stands as often as there is room: what nests without end, and what takes the square of a length.
fn repeated(bytes: &[u8], draw: usize) -> Option<Vec<u8>> {
    let from = draw.checked_rem(bytes.len())?;
    let length = 1 + draw / 1_000 % PIECE;
    let piece = bytes.get(from..from + length).or_else(|| bytes.get(from..))?;
    let times = MOST_REPEATED.checked_sub(bytes.len())? / piece.len();
    Some([bytes.get(..from)?, &piece.repeat(times), bytes.get(from..)?].concat())
}

/// Changes a file of a zip.
fn zipped(bytes: &[u8], draw: usize, change: Change<'_>) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut files = Vec::new();
    for place in 0..archive.len() {
        let file = archive.by_index(place).ok()?;
        let name = file.name().to_owned();
        let mut unpacked = Vec::new();
        file.take(MOST_UNPACKED).read_to_end(&mut unpacked).ok()?;
        files.push((name, unpacked));
    }
    let chosen = draw.checked_rem(files.len())?;
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (place, (name, unpacked)) in files.into_iter().enumerate() {
        let unpacked = if place == chosen { change(unpacked) } else { unpacked };
        written.start_file(name, options).ok()?;
        written.write_all(&unpacked).ok()?;
    }
    Some(written.finish().ok()?.into_inner())
}

/// Changes a block of a tar, plain or inside gzip, and writes the checksum of the header before it.
fn tarred(bytes: &[u8], draw: usize, change: Change<'_>) -> Option<Vec<u8>> {
    const BLOCK: usize = 512;
    const SUM: Range<usize> = 148..156;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return gzip(bytes, 0, &mut |tar| tarred(&tar, draw, change).unwrap_or(tar));
    }
    let at = draw.checked_rem(bytes.len() / BLOCK)? * BLOCK;
    let mut block = change(bytes.get(at..at + BLOCK)?.to_vec());
    block.resize(BLOCK, 0);
    if block.get(257..262)? == b"ustar" {
        block.get_mut(SUM)?.fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block.get_mut(SUM)?.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    Some([bytes.get(..at)?, &block, bytes.get(at + BLOCK..)?].concat())
}

/// Changes what is inside gzip; bytes that are not packed are packed, now and then.
fn gzip(bytes: &[u8], draw: usize, change: Change<'_>) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(bytes).take(MOST_UNPACKED).read_to_end(&mut unpacked).ok()?;
    } else if draw.is_multiple_of(8) {
        unpacked.extend_from_slice(bytes);
    } else {
        return None;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&change(unpacked)).ok()?;
    packed.finish().ok()
}

/// Changes the footer of a Parquet file, which says how long it is.
fn footer(bytes: &[u8], change: Change<'_>) -> Option<Vec<u8>> {
    const MAGIC: &[u8] = b"PAR1";
    let rest = bytes.strip_suffix(MAGIC)?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let from = rest.len().checked_sub(u32::from_le_bytes(*length) as usize)?;
    let (pages, footer) = rest.split_at(from);
    let footer = change(footer.to_vec());
    let length = u32::try_from(footer.len()).ok()?.to_le_bytes();
    Some([pages, &footer, &length, MAGIC].concat())
}

/// Changes the body of a message of PostgreSQL's protocol, or puts one beside another.
fn message(bytes: &[u8], draw: usize, change: Change<'_>) -> Option<Vec<u8>> {
    let messages = messages(bytes);
    let chosen = messages.get(draw.checked_rem(messages.len())?)?.clone();
    let (before, after) = (bytes.get(..chosen.start)?, bytes.get(chosen.end..)?);
    if (draw / 64).is_multiple_of(8) {
        return Some([before, bytes.get(chosen.clone())?, bytes.get(chosen)?, after].concat());
    }
    // The first message has no kind.
    let head = usize::from(chosen.start > 0);
    let body = change(bytes.get(chosen.start + head + 4..chosen.end)?.to_vec());
    let length = u32::try_from(body.len() + 4).ok()?.to_be_bytes();
    Some([before, bytes.get(chosen.start..chosen.start + head)?, &length, &body, after].concat())
}

/// Where the whole messages of some bytes stand.
fn messages(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let head = usize::from(at > 0);
        let length = bytes.get(at + head..).and_then(|rest| rest.first_chunk::<4>());
        let length = length.map_or(0, |length| u32::from_be_bytes(*length) as usize);
        let end = at + head + length;
        if length < 4 || end > bytes.len() {
            return found;
        }
        found.push(at..end);
        at = end;
    }
}

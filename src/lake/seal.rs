//! Checksums over all bytes of a data file.
//!
//! Parquet's own checksums are of pages only, parquet does not write them, and they leave out the footer, the page index and the bloom
//! filters. Ours are of blocks of the file, whatever is in them. The sums of all blocks before the page index stand right behind those
//! blocks, where no footer points to, so that other readers pass over them; the log has a tag with the sum of all that comes after, which is
//! the sums, the page index and the footer:
//!
//! ```text
//! | row groups, bloom filters | sums of the blocks before | page index | footer |
//! |<------- blocks of 16 KiB ------->|<------------ tail, whose sum is in the log ------------>|
//! ```
//!
//! So a reader that has the log can check any range of bytes by reading the few kilobytes up to the bounds of blocks too
//! ([`super::checked`]). The footer names the end of the blocks and their size under the key of the tag, for a reader that has the file alone.
//!
//! XXH3 takes 0.1 milliseconds a megabyte, and to read that out of the system's cache takes 0.15. A sum of 32 bits overlooks one damage in four billion.

use std::io::{self, Write};
use std::ops::Range;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The key of the seal: of a file's tag in the log, and of what its footer says of it.
pub(super) const SEAL_KEY: &str = "sessionlake.seal";
/// Bytes of a block. What is read of a file is rounded up to blocks on both sides, which matters where a look-up reads 32 bytes of a bloom
/// filter: 16 KiB are read and summed in some microseconds. The sums of a file of 45 MB take 11 kB.
const BLOCK_BYTES: u64 = 16 << 10;
/// Bytes of the sum of one block.
const SUM_BYTES: usize = 4;

/// What the log says of the bytes of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// Bytes of a block.
    block_bytes: u64,
    /// Where the blocks end and the tail begins.
    body_bytes: u64,
    /// The sum of the tail.
    tail_sum: u64,
}

impl Seal {
    /// Writes the seal as the tag of a file.
    pub(super) fn to_tag(self) -> String {
        format!("{}:{}:{:016x}", self.body_bytes, self.block_bytes, self.tail_sum)
    }

    /// Reads the tag of a file of this size; `None` where it is none that we know.
    pub(super) fn from_tag(tag: &str, size_bytes: u64) -> Option<Self> {
        let mut parts = tag.split(':');
        let (body_bytes, block_bytes) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let tail_sum = u64::from_str_radix(parts.next()?, 16).ok()?;
        let is_ours = parts.next().is_none() && block_bytes > 0 && body_bytes < size_bytes;
        is_ours.then_some(Self { block_bytes, body_bytes, tail_sum })
    }

    /// Returns the tail of a file of this size.
    pub(super) fn tail(&self, size_bytes: u64) -> Range<u64> {
        self.body_bytes..size_bytes
    }

    /// Rounds a range of the file up to what can be checked: blocks, and the tail as a whole.
    pub(super) fn covering(&self, range: &Range<u64>, size_bytes: u64) -> Range<u64> {
        let start = match range.start < self.body_bytes {
            true => range.start - range.start % self.block_bytes,
            false => self.body_bytes,
        };
        let end = match range.end <= self.body_bytes {
            true => range.end.next_multiple_of(self.block_bytes).min(self.body_bytes),
            false => size_bytes,
        };
        start..end
    }

    /// Takes the sums of the blocks out of the tail.
    ///
    /// # Errors
    /// Says that the tail is not the one that was written.
    pub(super) fn sums(&self, tail: &[u8]) -> Result<Vec<u32>, Broken> {
        let blocks = usize::try_from(self.body_bytes.div_ceil(self.block_bytes)).unwrap_or(usize::MAX);
        let sums = tail.get(..blocks.saturating_mul(SUM_BYTES)).filter(|_| xxh3_64(tail) == self.tail_sum);
        let sums = sums.ok_or(Broken(self.body_bytes..self.body_bytes + tail.len() as u64))?;
        Ok(sums.as_chunks::<SUM_BYTES>().0.iter().map(|sum| u32::from_le_bytes(*sum)).collect())
    }

    /// Checks bytes of the blocks, which begin with a block and end with one.
    ///
    /// # Errors
    /// The first block that is not the one that was written.
    pub(super) fn check(&self, start: u64, bytes: &[u8], sums: &[u32]) -> Result<(), Broken> {
        let block_bytes = usize::try_from(self.block_bytes).unwrap_or(usize::MAX);
        for (index, block) in bytes.chunks(block_bytes).enumerate() {
            let number = start / self.block_bytes + index as u64;
            let known = usize::try_from(number).ok().and_then(|number| sums.get(number));
            if known != Some(&block_sum(block)) {
                let first = number * self.block_bytes;
                return Err(Broken(first..first + block.len() as u64));
            }
        }
        Ok(())
    }

    /// Checks bytes that begin with a block, or with the tail, and end with a block or the file.
    ///
    /// # Errors
    /// The first block that is not the one that was written, or the tail.
    pub(super) fn check_any(&self, start: u64, bytes: &[u8], sums: &[u32]) -> Result<(), Broken> {
        let body = usize::try_from(self.body_bytes.saturating_sub(start)).unwrap_or(usize::MAX).min(bytes.len());
        let (body, tail) = bytes.split_at(body);
        if !tail.is_empty() {
            self.sums(tail)?;
        }
        self.check(start, body, sums)
    }
}

/// Bytes of a file that are not those that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken(pub(super) Range<u64>);

fn block_sum(block: &[u8]) -> u32 {
    // Half of the bits; all of them are equally good.
    xxh3_64(block) as u32
}

/// Sums what is written, in blocks until the tail begins.
pub(super) struct SealingWriter<W> {
    inner: W,
    /// The sums of the blocks that are whole.
    sums: Vec<u8>,
    /// The block that is being written, or the tail.
    current: Xxh3,
    current_bytes: u64,
    /// Where the blocks ended.
    body_bytes: Option<u64>,
    written: u64,
}

impl<W: Write> SealingWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, sums: Vec::new(), current: Xxh3::new(), current_bytes: 0, body_bytes: None, written: 0 }
    }

    /// Ends the blocks and returns their sums, which are the first that has to be written now, and where they begin. Everything before must
    /// have been flushed.
    pub(super) fn end_blocks(&mut self) -> (Vec<u8>, u64) {
        if self.current_bytes > 0 {
            self.end_block();
        }
        self.body_bytes = Some(self.written);
        (std::mem::take(&mut self.sums), self.written)
    }

    /// Names the end of the blocks and their size, for the footer.
    pub(super) fn described(body_bytes: u64) -> String {
        format!("{body_bytes}:{BLOCK_BYTES}")
    }

    /// Returns the seal of the file, which is written and flushed; `None` where the blocks were never ended.
    pub(super) fn seal(&self) -> Option<Seal> {
        let tail_sum = self.current.digest();
        self.body_bytes.map(|body_bytes| Seal { block_bytes: BLOCK_BYTES, body_bytes, tail_sum })
    }

    fn end_block(&mut self) {
        self.sums.extend_from_slice(&(self.current.digest() as u32).to_le_bytes());
        self.current.reset();
        self.current_bytes = 0;
    }

    fn note(&mut self, mut bytes: &[u8]) {
        self.written += bytes.len() as u64;
        if self.body_bytes.is_some() {
            self.current.update(bytes);
            return;
        }
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK_BYTES - self.current_bytes).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.current.update(now);
            self.current_bytes += now.len() as u64;
            if self.current_bytes == BLOCK_BYTES {
                self.end_block();
            }
            bytes = later;
        }
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.note(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes a file as parts: blocks first, then what stands for the page index and the footer.
    fn sealed(body: &[u8], index: &[u8], part: usize) -> (Vec<u8>, Seal) {
        let mut writer = SealingWriter::new(Vec::new());
        for part in body.chunks(part) {
            writer.write_all(part).unwrap();
        }
        let (sums, start) = writer.end_blocks();
        assert_eq!(start, body.len() as u64);
        writer.write_all(&sums).unwrap();
        writer.write_all(index).unwrap();
        let seal = writer.seal().unwrap();
        (writer.inner, seal)
    }

    #[test]
    fn a_tag_is_read_as_it_was_written_and_no_other_is() {
        let seal = Seal { block_bytes: BLOCK_BYTES, body_bytes: 1_000, tail_sum: 7 };
        assert_eq!(Seal::from_tag(&seal.to_tag(), 2_000), Some(seal));
        assert_eq!(Seal::from_tag(&seal.to_tag(), 1_000), None, "a file without a tail");
        for other in ["", "1:2", "1:0:00", "a:2:00", "1:2:xy", "1:2:00:3"] {
            assert_eq!(Seal::from_tag(other, 2_000), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn whole_files_pass_in_any_range_and_a_flipped_bit_is_found_where_it_is(
            body in 1..200_000_usize, part in 1..50_000_usize, index in 1..5_000_usize,
            place in any::<prop::sample::Index>(), bit in 0..8_u32,
            from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
        ) {
            let bytes = |length: usize| (0..length).map(|n| ((n * n) >> 5) as u8).collect::<Vec<u8>>();
            let (mut file, seal) = sealed(&bytes(body), &bytes(index), part);
            let size = file.len() as u64;
            let (from, to) = (from.index(file.len()) as u64, to.index(file.len()) as u64);
            let asked = from.min(to)..from.max(to) + 1;
            let read = seal.covering(&asked, size);
            prop_assert!(read.start <= asked.start && read.end >= asked.end && read.end <= size);
            let tail = |file: &[u8]| file[body..].to_vec();
            let sums = seal.sums(&tail(&file)).unwrap();
            let part = |file: &[u8]| file[read.start as usize..read.end as usize].to_vec();
            prop_assert_eq!(seal.check_any(read.start, &part(&file), &sums), Ok(()));

            let place = place.index(file.len());
            file[place] ^= 1 << bit;
            let found = seal.check_any(read.start, &part(&file), &sums);
            prop_assert_eq!(found.is_err(), read.contains(&(place as u64)));
            if let Err(Broken(where_it_is)) = found {
                prop_assert!(where_it_is.contains(&(place as u64)));
            }
            prop_assert_eq!(seal.sums(&tail(&file)).is_err(), place >= body);
        }
    }
}

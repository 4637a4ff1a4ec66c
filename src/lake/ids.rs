//! Which session ids a data file has, in two and a half bytes a row: so that an ingest reads only files that have sessions of its export.
//!
//! The hashes of the ids are cut to so many bits that of a thousand other ids and files some four fit by chance, sorted, and their
//! differences are written in the code of Rice, which takes two bits a hash more than the bits that have to be told. They stand in the
//! data file behind its row groups, where no footer points to, and the log has a tag that says where, with a checksum: one read of a file tells,
//! without its footer. Bloom filters, which are there too, say "maybe" to one of a hundred, and so to each file that an export of some
//! thousand sessions asks.
//!
//! What is written here is derived from the rows. Where it is missing or damaged, or the file is of another writer, the ids themselves are
//! read, which is slower.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use object_store::{ObjectStore, ObjectStoreExt};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::snapshot::DataFile;
use super::table::Table;

/// The key of the tag.
pub(super) const IDS_KEY: &str = "sessionlake.ids";
/// Bits of a hash beyond those that number the rows: 2^-18 is the share of other ids that fit by chance. On files of 262,144 rows an
/// id takes 20 bits so; with 22 it would be 24, and an export of 5,000 sessions would read no file in a thousand in vain in place of 19.
const SPARE_BITS: u32 = 18;
/// Bytes of a code that is read as a whole, at most: of some 25 million rows, a hundred times those of a file of ours.
const MAX_CODE_BYTES: u64 = 64 << 20;
/// Bytes behind the code, so that eight can be read at any place of it.
const PADDING: usize = 8;

/// Hashes a session id; at 128 bits two ids of one lake do not collide.
pub fn session_hash(session_id: &str) -> u128 {
    xxh3_128(session_id.as_bytes())
}

/// Returns the part of a hash that files tell of.
pub fn short_hash(session: u128) -> u64 {
    (session >> 64) as u64
}

/// Adds the short hashes of the ids of rows of sessions.
pub(super) fn note(rows: &RecordBatch, hashes: &mut Vec<u64>) {
    if let Some(ids) = rows.column_by_name("session_id").and_then(|column| column.as_string_view_opt()) {
        hashes.extend(ids.iter().flatten().map(|id| short_hash(session_hash(id))));
    }
}

/// Where a file tells of its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdsPlace {
    offset: u64,
    bytes: u64,
    rows: u64,
    sum: u64,
}

impl IdsPlace {
    /// Names the place of what was encoded of so many rows.
    pub(super) fn of(offset: u64, rows: u64, encoded: &[u8]) -> Self {
        Self { offset, bytes: encoded.len() as u64, rows, sum: xxh3_64(encoded) }
    }

    /// Writes the tag of a file.
    pub(super) fn to_tag(self) -> String {
        format!("{}:{}:{}:{:016x}", self.offset, self.bytes, self.rows, self.sum)
    }

    /// Reads the tag of a file of this size; `None` where it is none that we know.
    pub(super) fn from_tag(tag: &str, size_bytes: u64) -> Option<Self> {
        let mut parts = tag.split(':');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (offset, bytes, rows) = (number()?, number()?, number()?);
        let sum = u64::from_str_radix(parts.next()?, 16).ok()?;
        let is_ours = parts.next().is_none() && offset.checked_add(bytes)? < size_bytes && rows < 1 << 40;
        is_ours.then_some(Self { offset, bytes, rows, sum })
    }
}

/// Returns the bits that hashes are cut to in a file of so many rows.
fn kept_bits(rows: u64) -> u32 {
    rows.next_power_of_two().trailing_zeros() + SPARE_BITS
}

/// Encodes the short hashes of a file's ids, in any order.
pub(super) fn encode(mut hashes: Vec<u64>) -> Vec<u8> {
    let bits = kept_bits(hashes.len() as u64).min(u64::BITS);
    hashes.sort_unstable();
    let mut code = Code { bytes: Vec::with_capacity(hashes.len() * 3 + PADDING), current: 0, used: 0 };
    let mut last = 0;
    for hash in hashes {
        let cut = hash >> (u64::BITS - bits);
        let difference = cut - last;
        last = cut;
        for _ in 0..difference >> SPARE_BITS {
            code.push(1, 1);
        }
        // A zero ends the ones.
        code.push((difference & ((1 << SPARE_BITS) - 1)) << 1, SPARE_BITS + 1);
    }
    code.finish()
}

/// Bits, the lowest of a byte first.
struct Code {
    bytes: Vec<u8>,
    current: u64,
    used: u32,
}

impl Code {
    fn push(&mut self, bits: u64, count: u32) {
        self.current |= bits << self.used;
        self.used += count;
        while self.used >= 8 {
            self.bytes.push(self.current as u8);
            self.current >>= 8;
            self.used -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(self.current as u8);
        self.bytes.extend([0; PADDING]);
        self.bytes
    }
}

/// Goes through the cut hashes of a file of so many rows, in order, until it is told to stop; `None` where the code is none.
fn walk(encoded: &[u8], rows: u64, mut each: impl FnMut(u64) -> ControlFlow<()>) -> Option<()> {
    let (mut at, mut last) = (0_usize, 0_u64);
    for _ in 0..rows {
        let mut ones = 0_u64;
        let word = loop {
            let word = encoded.get(at / 8..)?.first_chunk::<8>()?;
            // 57 bits at least.
            let word = u64::from_le_bytes(*word) >> (at % 8);
            let run = word.trailing_ones();
            if run + 1 + SPARE_BITS <= 57 {
                ones += u64::from(run);
                at += (run + 1 + SPARE_BITS) as usize;
                break word >> (run + 1);
            }
            // A long run of ones goes on.
            let step = run.min(32);
            ones += u64::from(step);
            at += step as usize;
        };
        let difference = (ones << SPARE_BITS) | (word & ((1 << SPARE_BITS) - 1));
        last = last.checked_add(difference)?;
        if each(last).is_break() {
            break;
        }
    }
    Some(())
}

/// Says whether one of these short hashes, which are sorted, may be in a file of so many rows; `None` where the code is none.
pub(super) fn has_any(encoded: &[u8], rows: u64, asked: &[u64]) -> Option<bool> {
    let bits = kept_bits(rows);
    if bits > u64::BITS {
        return None;
    }
    let mut asked = asked.iter().map(|hash| hash >> (u64::BITS - bits)).peekable();
    let mut found = false;
    walk(encoded, rows, |cut| {
        while asked.next_if(|hash| *hash < cut).is_some() {}
        found = asked.peek() == Some(&cut);
        match found || asked.peek().is_none() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Some(found)
}

/// Returns the short hashes of a file of so many rows, in order, each as far as it is told; `None` where the code is none.
pub(super) fn decode(encoded: &[u8], rows: u64) -> Option<Vec<u64>> {
    let bits = kept_bits(rows);
    if bits > u64::BITS {
        return None;
    }
    // A hash takes more than two bytes: no count that a tag claims makes this larger than what was read.
    let mut hashes = Vec::with_capacity(usize::try_from(rows).ok()?.min(encoded.len() / 2));
    walk(encoded, rows, |cut| {
        hashes.push(cut << (u64::BITS - bits));
        ControlFlow::Continue(())
    })?;
    Some(hashes)
}

impl DataFile {
    /// Names the file and what it tells of its session ids, in one number; `None` where it does not tell.
    pub(super) fn ids_key(&self) -> Option<u64> {
        self.ids.map(|place| xxh3_64(format!("{}\n{}\n{}", self.path, self.size_bytes, place.to_tag()).as_bytes()))
    }

    /// Returns the number of ids that the file tells of, and the bits of a hash that it tells; `None` where it does not tell.
    pub(super) fn told_ids(&self) -> Option<(u64, u32)> {
        self.ids.map(|place| (place.rows, kept_bits(place.rows)))
    }

    /// Reads the short hashes of the file's session ids, in order, each as far as it is told; `None` where the file does not tell.
    pub(super) async fn told_hashes(&self, store: &dyn ObjectStore) -> Option<Vec<u64>> {
        let place = self.ids.filter(|place| place.bytes <= MAX_CODE_BYTES)?;
        let encoded = store.get_range(&self.location(), place.offset..place.offset + place.bytes).await.ok()?;
        if xxh3_64(&encoded) != place.sum {
            return None;
        }
        decode(&encoded, place.rows)
    }

    /// Returns the bytes that tell of the file's session ids, if it does.
    pub fn ids_bytes(&self) -> Option<u64> {
        self.ids.map(|place| place.bytes)
    }

    /// Says whether the file may have a session with one of these short hashes, which are sorted; the store is that of [`Table::telling_store`]. `None` where
    /// the file does not tell.
    pub async fn may_have_sessions(&self, store: &dyn ObjectStore, asked: &[u64]) -> Option<bool> {
        let place = self.ids?;
        let encoded = store.get_range(&self.location(), place.offset..place.offset + place.bytes).await.ok()?;
        if xxh3_64(&encoded) != place.sum {
            return None;
        }
        has_any(&encoded, place.rows, asked)
    }
}

impl Table {
    /// Returns the store through which files are asked for their session ids: what they tell has a checksum of its own, and those of the file, which
    /// [`Table::store`] compares, are in its footer.
    pub fn telling_store(&self) -> Arc<dyn ObjectStore> {
        self.delta.object_store()
    }

    /// Says whether a file may have a session with one of these short hashes, which are sorted. `None` where the file does not tell.
    pub(crate) async fn may_have_sessions(&self, file: &DataFile, asked: &[u64]) -> Option<bool> {
        file.may_have_sessions(self.telling_store().as_ref(), asked).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashes(numbers: std::ops::Range<u64>) -> Vec<u64> {
        numbers.map(|n| short_hash(session_hash(&format!("session-{n}")))).collect()
    }

    fn sorted(mut hashes: Vec<u64>) -> Vec<u64> {
        hashes.sort_unstable();
        hashes
    }

    #[test]
    fn ids_of_a_file_are_found_and_nearly_no_others_in_few_bytes() {
        for rows in [1, 2, 200, 5_000, 40_000] {
            let stored = hashes(0..rows);
            let encoded = encode(stored.clone());
            assert!(encoded.len() as u64 <= rows * 21 / 8 + 16, "{} bytes for {rows}", encoded.len());
            for hash in stored.iter().step_by(1 + stored.len() / 50) {
                assert_eq!(has_any(&encoded, rows, &[*hash]), Some(true));
            }
            assert_eq!(has_any(&encoded, rows, &sorted(stored)), Some(true));
            assert_eq!(has_any(&encoded, rows, &[]), Some(false));
            let others = hashes(1_000_000..1_004_000);
            let chance = others.iter().filter(|hash| has_any(&encoded, rows, &[**hash]) == Some(true)).count();
            assert!(chance <= 2, "{chance} of 4,000 others");
        }
    }

    #[test]
    fn a_tag_comes_back_and_another_is_none() {
        let place = IdsPlace::of(100, 7, b"code");
        assert_eq!(IdsPlace::from_tag(&place.to_tag(), 105), Some(place));
        for (tag, size) in
            [(place.to_tag().as_str(), 104), ("1:2:3", 100), ("1:2:3:x", 100), ("1:2:3:4:5", 100), ("", 9)]
        {
            assert_eq!(IdsPlace::from_tag(tag, size), None, "{tag}");
        }
        assert_eq!(IdsPlace::from_tag(&format!("{}:{}:1:0", u64::MAX, u64::MAX), 9), None);
    }

    proptest! {
        #[test]
        fn every_hash_is_found(stored in proptest::collection::vec(any::<u64>(), 1..200), at in any::<usize>()) {
            let encoded = encode(stored.clone());
            let hash = stored[at % stored.len()];
            prop_assert_eq!(has_any(&encoded, stored.len() as u64, &[hash]), Some(true));
            let around = sorted(vec![0, hash.wrapping_sub(1 << 50), hash, u64::MAX]);
            prop_assert_eq!(has_any(&encoded, stored.len() as u64, &around), Some(true));
            let cut = u64::BITS - kept_bits(stored.len() as u64);
            let kept: Vec<u64> = sorted(stored.clone()).into_iter().map(|hash| hash >> cut << cut).collect();
            prop_assert_eq!(decode(&encoded, stored.len() as u64), Some(kept));
        }

        #[test]
        fn hashes_that_stand_close_are_found(stored in proptest::collection::vec(0..500_u64, 1..200), at in any::<usize>()) {
            let encoded = encode(stored.clone());
            prop_assert_eq!(has_any(&encoded, stored.len() as u64, &[stored[at % stored.len()]]), Some(true));
            let high: Vec<u64> = stored.iter().map(|hash| u64::MAX - hash).collect();
            let encoded = encode(high.clone());
            prop_assert_eq!(has_any(&encoded, high.len() as u64, &[high[at % high.len()]]), Some(true));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), rows in 0..1_u64 << 40) {
            let _ = has_any(&bytes, rows, &[1 << 40, u64::MAX]);
            let _ = decode(&bytes, rows);
        }
    }
}

//! Which files of a table may have a session, asked of all of them at once: the index of session ids beside the log.
//!
//! Each data file tells of its ids ([`super::ids`]), in a read for each. The index has what all of them tell in one order, so that a look-up takes a
//! few requests, however many files there are:
//!
//! ```text
//! _sessions/newest        the files that it covers, by number; where the blocks of segments begin, with their sums; the newest entries
//! _sessions/segment-…     entries in order, in blocks; never changed
//! ```
//!
//! An entry is the short hash of an id, as far as its file tells it and no more than 40 bits, with the number of the file in place of the 24 bits
//! below. A file is covered under a number that stands for its name and the checksum of what it tells, as the log has them: what the index
//! says is of these very bytes, and all files that it does not cover are asked one by one. So the index may be missing, older than the table, of
//! another version or damaged (everything in it has a checksum): that is slower, and never wrong.
//!
//! [`super::indexing`] writes it, [`super::index_check`] compares it with the files. Limits: the numbers of 16 million files, after which it is made anew.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::OnceCell;
use xxhash_rust::xxh3::xxh3_64;

use super::layout::{INDEX, INDEX_BLOCK};
use super::snapshot::DataFile;
use super::table::Table;

/// What the file at the top begins with: the form of this version.
const MAGIC: &[u8; 8] = b"SLIDS001";
/// Bits of an entry that number the file.
const NUMBER_BITS: u32 = 24;
/// The numbers that there are.
pub(super) const NUMBERS: u32 = 1 << NUMBER_BITS;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
/// Bits of an entry that are of the hash.
const HASH_BITS: u32 = u64::BITS - NUMBER_BITS;
/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 8;
/// Bytes of the file at the top that is read, at most: of an index of four thousand million sessions.
const MAX_NEWEST_BYTES: u64 = 32 << 20;
/// Bytes of a fixed part of the file at the top: magic, next number, and the four counts.
const HEAD_BYTES: usize = 8 + 4 + 4 * 4;

/// Makes an entry.
pub(super) fn entry(hash: u64, number: u32) -> u64 {
    (hash & !NUMBER_MASK) | (u64::from(number) & NUMBER_MASK)
}

/// Returns the number of the file of an entry.
pub(super) fn number_of(entry: u64) -> u32 {
    (entry & NUMBER_MASK) as u32
}

/// The bits of a hash that are the first so many of it, and in an entry.
fn mask(bits: u32) -> u64 {
    u64::MAX << (u64::BITS - bits.clamp(1, HASH_BITS))
}

/// Says whether a file has a name as segments do.
pub(super) fn is_segment(name: &str) -> bool {
    let digits = name.strip_prefix("segment-");
    digits.is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Where the file at the top is, in the table's store.
pub(super) fn newest_path() -> Path {
    Path::from(format!("{INDEX}/newest"))
}

/// What the file at the top says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The number of the next file.
    pub(super) next: u32,
    /// The numbers of the covered files, by [`DataFile::ids_key`].
    pub(super) files: BTreeMap<u64, u32>,
    /// The segments, the largest first.
    pub(super) segments: Vec<Segment>,
    /// Segments that others took the place of, and when, in milliseconds since the Unix epoch.
    pub(super) replaced: Vec<(u128, i64)>,
    /// The entries that no segment has, in order.
    pub(super) recent: Vec<u64>,
}

/// A file of entries in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: u128,
    /// The number of entries; all blocks but the last one are full.
    pub(super) entries: u64,
    pub(super) blocks: Vec<Block>,
}

/// What is known of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// The upper half of its first entry.
    first: u32,
    sum: u32,
}

impl Block {
    /// Describes a block of these entries, whose bytes are these.
    pub(super) fn of(entries: &[u64], bytes: &[u8]) -> Self {
        Self { first: upper(entries.first().copied().unwrap_or_default()), sum: xxh3_64(bytes) as u32 }
    }
}

fn upper(entry: u64) -> u32 {
    (entry >> 32) as u32
}

impl Segment {
    /// Where a segment of this name is, in the table's store.
    pub(super) fn path_of(name: u128) -> Path {
        Path::from(format!("{INDEX}/segment-{name:032x}"))
    }

    /// Returns the bytes of blocks.
    pub(super) fn bytes_of(&self, blocks: &Range<usize>) -> Range<u64> {
        let end = (blocks.end as u64 * INDEX_BLOCK as u64).min(self.entries);
        blocks.start as u64 * (INDEX_BLOCK * ENTRY_BYTES) as u64..end * ENTRY_BYTES as u64
    }

    /// Returns the blocks that may have entries from the first to the last, both included.
    fn blocks_of(&self, first: u64, last: u64) -> Range<usize> {
        // A block may begin in the middle of entries with one upper half.
        let start = self.blocks.partition_point(|block| block.first < upper(first)).saturating_sub(1);
        start..self.blocks.partition_point(|block| block.first <= upper(last))
    }

    /// Takes the entries out of the bytes of blocks; `None` where they are not those that were written.
    pub(super) fn entries_of(&self, blocks: &Range<usize>, bytes: &[u8]) -> Option<Vec<u64>> {
        let range = self.bytes_of(blocks);
        let known = self.blocks.get(blocks.clone())?;
        let is_whole = bytes.len() as u64 == range.end.saturating_sub(range.start);
        let mut parts = bytes.chunks(INDEX_BLOCK * ENTRY_BYTES);
        let is_right = known.iter().all(|block| parts.next().is_some_and(|part| xxh3_64(part) as u32 == block.sum));
        (is_whole && is_right).then(|| entries(bytes))
    }
}

fn entries(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<ENTRY_BYTES>().0.iter().map(|entry| u64::from_le_bytes(*entry)).collect()
}

impl Index {
    /// Writes the file at the top.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
        bytes.extend(self.next.to_le_bytes());
        for number in [self.files.len(), self.segments.len(), self.replaced.len(), self.recent.len()] {
            bytes.extend(count(number));
        }
        for (key, number) in &self.files {
            bytes.extend(key.to_le_bytes());
            bytes.extend(number.to_le_bytes());
        }
        for segment in &self.segments {
            bytes.extend(segment.name.to_le_bytes());
            bytes.extend(segment.entries.to_le_bytes());
            for block in &segment.blocks {
                bytes.extend(block.first.to_le_bytes());
                bytes.extend(block.sum.to_le_bytes());
            }
        }
        for (name, at) in &self.replaced {
            bytes.extend(name.to_le_bytes());
            bytes.extend(at.to_le_bytes());
        }
        self.recent.iter().for_each(|entry| bytes.extend(entry.to_le_bytes()));
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the file at the top; `None` where it is none that was written by this version.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        if u64::from_le_bytes(*sum.first_chunk()?) != xxh3_64(body) || body.len() < HEAD_BYTES {
            return None;
        }
        let mut left = body.strip_prefix(MAGIC)?;
        let next = u32::from_le_bytes(take(&mut left)?);
        let mut count = || take(&mut left).map(|bytes| u32::from_le_bytes(bytes) as usize);
        let (files, segments, replaced, recent) = (count()?, count()?, count()?, count()?);
        // The sum is right, so that the counts are those that were written; none asks for more room than there are bytes, all the same.
        let mut index = Self { next, ..Self::default() };
        for _ in 0..files {
            let key = u64::from_le_bytes(take(&mut left)?);
            index.files.insert(key, u32::from_le_bytes(take(&mut left)?));
        }
        for _ in 0..segments {
            let name = u128::from_le_bytes(take(&mut left)?);
            let entries = u64::from_le_bytes(take(&mut left)?);
            let mut blocks = Vec::new();
            for _ in 0..entries.div_ceil(INDEX_BLOCK as u64) {
                let first = u32::from_le_bytes(take(&mut left)?);
                blocks.push(Block { first, sum: u32::from_le_bytes(take(&mut left)?) });
            }
            index.segments.push(Segment { name, entries, blocks });
        }
        for _ in 0..replaced {
            let name = u128::from_le_bytes(take(&mut left)?);
            index.replaced.push((name, i64::from_le_bytes(take(&mut left)?)));
        }
        index.recent = entries(left);
        (left.len() == recent * ENTRY_BYTES).then_some(index)
    }

    /// Reads the index of a table; `None` where there is none that can be read.
    pub(super) async fn read(store: &dyn ObjectStore) -> Option<Self> {
        let found = store.get(&newest_path()).await.ok()?;
        if found.meta.size > MAX_NEWEST_BYTES {
            return None;
        }
        Self::from_bytes(&found.bytes().await.ok()?)
    }
}

/// Takes so many bytes off the front.
fn take<const N: usize>(left: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = left.split_first_chunk::<N>()?;
    *left = rest;
    Some(*bytes)
}

/// The index of one table, whose top is read once, when it is first asked.
#[derive(Debug)]
pub struct SessionIndex {
    store: Arc<dyn ObjectStore>,
    newest: OnceCell<Option<Index>>,
    /// Files from which on there is one.
    least_files: usize,
}

impl Table {
    /// Returns the index of the table's session ids.
    pub fn session_index(&self) -> SessionIndex {
        SessionIndex { store: self.telling_store(), newest: OnceCell::new(), least_files: self.indexed_files() }
    }
}

/// A covered file, as a look-up sees it.
struct Covered {
    /// Its place among the files that are asked.
    place: usize,
    /// The bits of a hash that its entries have.
    mask: u64,
}

impl SessionIndex {
    /// Says of each file whether it may have a session with one of these short hashes, which are sorted; `None` of files that the index does not
    /// cover, and of all where asking them one by one reads less.
    pub async fn may_have_sessions(&self, files: &[&DataFile], asked: &[u64]) -> Vec<Option<bool>> {
        let mut told = vec![None; files.len()];
        if files.len() < self.least_files {
            return told;
        }
        let read = async || Index::read(self.store.as_ref()).await;
        let Some(index) = self.newest.get_or_init(read).await else { return told };
        let mut covered = HashMap::new();
        let mut bytes_of_files = 0;
        for (place, file) in files.iter().enumerate() {
            let number = file.ids_key().and_then(|key| index.files.get(&key));
            if let (Some(number), Some((_, bits))) = (number, file.told_ids()) {
                covered.insert(*number, Covered { place, mask: mask(bits) });
                bytes_of_files += file.ids_bytes().unwrap_or_default();
            }
        }
        let Some(widest) = covered.values().map(|covered| covered.mask).min() else { return told };
        // All entries of one hash, whatever its file tells of it, and of those around it.
        let wanted: Vec<(u64, u64)> = asked.iter().map(|hash| (hash & widest, hash | NUMBER_MASK)).collect();
        let plans: Vec<Vec<Range<usize>>> = index.segments.iter().map(|segment| plan(segment, &wanted)).collect();
        let bytes: u64 = index.segments.iter().zip(&plans).map(|(segment, plan)| bytes_in(segment, plan)).sum();
        // A look-up of few ids saves requests, whatever it reads.
        if asked.len() > FEW && bytes > bytes_of_files {
            return told;
        }
        let mut hits = vec![false; files.len()];
        let mut note = |entries: &[u64]| find(entries, asked, widest, &covered, &mut hits);
        note(&index.recent);
        let reads = index.segments.iter().zip(&plans).map(|(segment, plan)| self.blocks(segment, plan));
        for found in futures::future::join_all(reads).await {
            let Some(found) = found else { return told };
            found.iter().for_each(|entries| note(entries));
        }
        for Covered { place, .. } in covered.values() {
            if let (Some(told), Some(hit)) = (told.get_mut(*place), hits.get(*place)) {
                *told = Some(*hit);
            }
        }
        told
    }

    /// Reads blocks of a segment; `None` where they are not those that were written.
    async fn blocks(&self, segment: &Segment, plan: &[Range<usize>]) -> Option<Vec<Vec<u64>>> {
        if plan.is_empty() {
            return Some(Vec::new());
        }
        let ranges: Vec<Range<u64>> = plan.iter().map(|blocks| segment.bytes_of(blocks)).collect();
        let read: Vec<Bytes> = self.store.get_ranges(&Segment::path_of(segment.name), &ranges).await.ok()?;
        plan.iter().zip(&read).map(|(blocks, bytes)| segment.entries_of(blocks, bytes)).collect()
    }
}

/// Ids that are looked up by the index however many bytes that takes.
const FEW: usize = 16;

/// Returns the blocks of a segment that may have wanted entries, those that stand side by side as one range. The wanted ones are in order.
fn plan(segment: &Segment, wanted: &[(u64, u64)]) -> Vec<Range<usize>> {
    let mut plan: Vec<Range<usize>> = Vec::new();
    for (first, last) in wanted {
        let blocks = segment.blocks_of(*first, *last);
        match plan.last_mut() {
            Some(before) if blocks.start <= before.end => before.end = before.end.max(blocks.end),
            _ if blocks.is_empty() => {}
            _ => plan.push(blocks),
        }
    }
    plan
}

fn bytes_in(segment: &Segment, plan: &[Range<usize>]) -> u64 {
    plan.iter().map(|blocks| segment.bytes_of(blocks)).map(|bytes| bytes.end.saturating_sub(bytes.start)).sum()
}

/// Notes the covered files with an entry of an asked hash among entries in order.
fn find(entries: &[u64], asked: &[u64], widest: u64, covered: &HashMap<u32, Covered>, hits: &mut [bool]) {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
    let from = asked.partition_point(|hash| hash | NUMBER_MASK < *first);
    let to = asked.partition_point(|hash| hash & widest <= *last);
    for hash in asked.get(from..to).unwrap_or_default() {
        let start = entries.partition_point(|entry| *entry < hash & widest);
        let near = entries.iter().skip(start).take_while(|entry| **entry <= hash | NUMBER_MASK);
        for entry in near {
            if let Some(Covered { place, mask }) = covered.get(&number_of(*entry))
                && (entry ^ hash) & mask == 0
                && let Some(hit) = hits.get_mut(*place)
            {
                *hit = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(files: u32, recent: usize) -> Index {
        let block = Block { first: 3, sum: 4 };
        Index {
            next: files,
            files: (0..files).map(|number| (u64::from(number) << 30, number)).collect(),
            segments: vec![Segment { name: 7, entries: INDEX_BLOCK as u64 + 1, blocks: vec![block, block] }],
            replaced: vec![(8, -1), (9, 1)],
            recent: (0..recent as u64).map(|number| number << 40).collect(),
        }
    }

    #[test]
    fn the_top_comes_back_as_it_was_written_and_no_other_bytes_are_one() {
        let written = index(9, 30);
        let bytes = written.to_bytes();
        assert_eq!(Index::from_bytes(&bytes), Some(written));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Index::from_bytes(&damaged), None, "{at}");
            assert_eq!(Index::from_bytes(&bytes[..at]), None, "{at}");
        }
    }

    #[test]
    fn the_blocks_of_a_look_up_are_those_that_may_have_it() {
        let first = |upper: u32| Block { first: upper, sum: 0 };
        let segment = Segment { name: 1, entries: 3 * INDEX_BLOCK as u64, blocks: [5, 9, 9].map(first).to_vec() };
        let of = |from: u64, to: u64| segment.blocks_of(from << 32, to << 32);
        assert_eq!((of(9, 9), of(6, 8), of(10, 11), of(1, 2)), (0..3, 0..1, 2..3, 0..0));
        assert_eq!(plan(&segment, &[(1 << 32, 2 << 32), (6 << 32, 6 << 32), (10 << 32, 10 << 32)]), [0..1, 2..3]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = [MAGIC.as_slice(), &body].concat();
            bytes.extend(xxh3_64(&bytes).to_le_bytes());
            let _ = Index::from_bytes(&bytes);
        }
    }
}

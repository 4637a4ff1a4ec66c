//! Writes the index of session ids ([`super::index`]): takes in new files, forgets those that are gone, and merges segments.
//!
//! Whoever has committed brings the index up to the version that is loaded then. New entries go into the file at the top, and with all that is there
//! into a segment once they are many; segments that are not [`INDEX_FANOUT`] times as large are merged into it, so that a session is written a bounded number
//! of times. Entries of files that are gone are left out as segments are merged, and all are merged where more than half are of such files.
//!
//! Of two writers at once the later one's file at the top stands. It names all that it is about, segments of its own among them, so that it is whole; what only the
//! other one knew is taken in by the next. Segments that were merged stay for an hour, for readers under way. Memory holds some 16 kB of
//! each segment that is merged and 8 MB of the new one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};

use super::index::{Block, ENTRY_BYTES, Index, NUMBERS, Segment, entry, is_segment, newest_path, number_of};
use super::layout::{INDEX, INDEX_BLOCK, INDEX_FANOUT, INDEX_RECENT};
use super::snapshot::DataFile;
use super::table::Table;
use crate::error::{Error, Result};

/// Sessions that one ingest takes into the index, about: 64 MB. Of a lake that had none the next ingests take in the rest.
const STEP_ENTRIES: usize = 8 << 20;
/// How long a segment stays that others took the place of, in milliseconds.
const REPLACED_MS: i64 = 3_600_000;
/// Bytes that are sent of a segment at once; the least that stores take of a part is 5 MB.
const PART_BYTES: usize = 8 << 20;
/// Blocks of a segment that are read at once when it is merged.
const BLOCKS_AT_ONCE: usize = 64;
/// Files that are asked for their ids at once.
const FILES_AT_ONCE: usize = 16;

/// How far the index was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// It was there already, or is not needed.
    Already,
    /// To all files.
    Whole,
    /// To some of them.
    Part,
}

impl Table {
    /// Brings the index of session ids up to the loaded version, or nearer to it where much is missing. `now_ms` is the present instant in
    /// milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// Storage errors. The index is as it was then, or one that is not used.
    pub async fn index_sessions(&self, now_ms: i64) -> Result<()> {
        self.brought_up(now_ms, None).await.map(drop)
    }

    /// Makes the index anew of the loaded version's files, and removes all that there was of an earlier one.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn index_sessions_anew(&self, now_ms: i64) -> Result<()> {
        let store = self.telling_store();
        let mut brought = self.brought_up(now_ms, Some(Index::default())).await?;
        while brought == Brought::Part {
            brought = self.brought_up(now_ms, None).await?;
        }
        let mut kept = HashSet::new();
        if brought == Brought::Whole {
            kept.insert(newest_path());
            let index = Index::read(store.as_ref()).await.unwrap_or_default();
            kept.extend(index.segments.iter().map(|segment| Segment::path_of(segment.name)));
        }
        let folder = Path::from(INDEX);
        let found: Vec<Path> =
            store.list(Some(&folder)).map_ok(|meta| meta.location).try_collect().await.map_err(|e| self.failed(e))?;
        // What else is there is somebody's.
        let is_ours = |path: &Path| *path == newest_path() || path.filename().is_some_and(is_segment);
        for path in found.iter().filter(|path| is_ours(path) && !kept.contains(*path)) {
            store.delete(path).await.map_err(|e| self.failed(e))?;
        }
        Ok(())
    }

    /// Names the files of the index that is there, by their paths from the table's folder.
    pub(super) async fn index_files(&self) -> HashSet<String> {
        let index = Index::read(self.telling_store().as_ref()).await.unwrap_or_default();
        let segments =
            index.segments.iter().map(|segment| segment.name).chain(index.replaced.iter().map(|(name, _)| *name));
        segments.map(|name| Segment::path_of(name).to_string()).chain([newest_path().to_string()]).collect()
    }

    fn failed(&self, error: object_store::Error) -> Error {
        Error::storage(format!("{}: {}/{INDEX}", self.lake, self.name), error)
    }

    /// Takes the loaded version's files into an index, or into the one that is there.
    async fn brought_up(&self, now_ms: i64, index: Option<Index>) -> Result<Brought> {
        let snapshot = self.snapshot()?;
        let files: HashMap<u64, &DataFile> =
            snapshot.files.iter().filter_map(|file| Some((file.ids_key()?, file))).collect();
        if files.len() < self.indexed_files() {
            return Ok(Brought::Already);
        }
        let store = self.telling_store();
        let is_new = index.is_some();
        let mut index = match index {
            Some(index) => index,
            None => Index::read(store.as_ref()).await.unwrap_or_default(),
        };
        if u32::try_from(files.len()).is_ok_and(|count| index.next.saturating_add(count) > NUMBERS) {
            index = anew(index, now_ms);
        }
        match self.written(index.clone(), &files, is_new, now_ms).await {
            // What cannot be merged is made anew.
            Err(Unreadable::Segment) => match self.written(anew(index, now_ms), &files, true, now_ms).await {
                Err(Unreadable::Segment) => {
                    Err(Error::internal("an index without segments has one that cannot be read"))
                }
                Err(Unreadable::Store(error)) => Err(self.failed(error)),
                Ok(brought) => Ok(brought),
            },
            Err(Unreadable::Store(error)) => Err(self.failed(error)),
            Ok(brought) => Ok(brought),
        }
    }

    async fn written(
        &self,
        mut index: Index,
        files: &HashMap<u64, &DataFile>,
        is_new: bool,
        now_ms: i64,
    ) -> std::result::Result<Brought, Unreadable> {
        let store = self.telling_store();
        let covered = index.files.len();
        index.files.retain(|key, _| files.contains_key(key));
        let has_lost = index.files.len() < covered;
        let mut missing: Vec<(u64, &DataFile)> =
            files.iter().filter(|(key, _)| !index.files.contains_key(key)).map(|(key, file)| (*key, *file)).collect();
        missing.sort_unstable_by_key(|(key, _)| *key);
        let told = missing.iter().map(|(key, file)| {
            let store = store.as_ref();
            async move { (*key, file.told_hashes(store).await) }
        });
        let told: Vec<_> = told.collect();
        let mut told = stream::iter(told).buffered(FILES_AT_ONCE);
        let (mut fresh, mut taken, mut brought) = (Vec::new(), 0, Brought::Whole);
        while let Some((key, hashes)) = told.next().await {
            // A file that does not tell is asked whenever it is looked at, and is no longer than before.
            let Some(hashes) = hashes else { continue };
            let number = index.next;
            if number >= NUMBERS {
                // More files than numbers: the others are asked one by one.
                break;
            }
            index.next += 1;
            index.files.insert(key, number);
            fresh.extend(hashes.into_iter().map(|hash| entry(hash, number)));
            taken += 1;
            if fresh.len() >= STEP_ENTRIES {
                brought = Brought::Part;
                break;
            }
        }
        drop(told);
        if brought == Brought::Part && taken == missing.len() {
            brought = Brought::Whole;
        }
        if !has_lost && taken == 0 && !is_new {
            return Ok(Brought::Already);
        }
        let live: HashSet<u32> = index.files.values().copied().collect();
        let told_ids = |key: &u64| files.get(key).and_then(|file| file.told_ids());
        let live_entries: u64 = index.files.keys().filter_map(told_ids).map(|(rows, _)| rows).sum();
        index.recent.retain(|entry| live.contains(&number_of(*entry)));
        index.recent.append(&mut fresh);
        index.recent.sort_unstable();
        let in_segments: u64 = index.segments.iter().map(|segment| segment.entries).sum();
        let is_stale = in_segments > 2 * live_entries + INDEX_RECENT as u64;
        if index.recent.len() > INDEX_RECENT || is_stale {
            let mut size = index.recent.len() as u64;
            let mut merged = Vec::new();
            while let Some(last) = index.segments.pop() {
                if !is_stale && last.entries >= size * INDEX_FANOUT {
                    index.segments.push(last);
                    break;
                }
                size += last.entries;
                merged.push(last);
            }
            let recent = std::mem::take(&mut index.recent);
            index.segments.extend(merge(store.as_ref(), &merged, recent, &live).await?);
            index.replaced.extend(merged.iter().map(|segment| (segment.name, now_ms)));
        }
        let (stay, gone): (Vec<_>, Vec<_>) =
            index.replaced.iter().partition(|(_, at)| now_ms.saturating_sub(*at) <= REPLACED_MS);
        index.replaced = stay;
        store.put(&newest_path(), index.to_bytes().into()).await.map_err(Unreadable::Store)?;
        for (name, _) in gone {
            // It is gone already, or a vacuum removes it.
            let _ = store.delete(&Segment::path_of(name)).await;
        }
        Ok(brought)
    }
}

/// Why an index was not written.
enum Unreadable {
    /// A segment is not there, or not as it was written.
    Segment,
    /// The store says so.
    Store(object_store::Error),
}

/// Begins an index in the place of one.
fn anew(index: Index, now_ms: i64) -> Index {
    let segments = index.segments.iter().map(|segment| (segment.name, now_ms));
    Index { replaced: index.replaced.iter().copied().chain(segments).collect(), ..Index::default() }
}

/// A segment that is read from its first entry to its last.
struct Source<'a> {
    segment: &'a Segment,
    entries: std::vec::IntoIter<u64>,
    /// The next block that is read.
    next: usize,
}

impl<'a> Source<'a> {
    fn of(segment: &'a Segment) -> Self {
        Self { segment, entries: Vec::new().into_iter(), next: 0 }
    }

    async fn next(&mut self, store: &dyn ObjectStore) -> std::result::Result<Option<u64>, Unreadable> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            let Some(entries) = blocks_from(store, self.segment, self.next).await? else { return Ok(None) };
            self.next += BLOCKS_AT_ONCE;
            self.entries = entries.into_iter();
        }
    }
}

/// Reads some blocks of a segment, from one on; `None` behind the last.
async fn blocks_from(
    store: &dyn ObjectStore,
    segment: &Segment,
    first: usize,
) -> std::result::Result<Option<Vec<u64>>, Unreadable> {
    let blocks = first..segment.blocks.len().min(first + BLOCKS_AT_ONCE);
    if blocks.is_empty() {
        return Ok(None);
    }
    let read = store.get_range(&Segment::path_of(segment.name), segment.bytes_of(&blocks)).await;
    let bytes = read.map_err(|_| Unreadable::Segment)?;
    segment.entries_of(&blocks, &bytes).map(Some).ok_or(Unreadable::Segment)
}

/// Goes through the entries of a segment, some at a time; `false` where it is not as it was written.
pub(super) async fn each_entry(store: &dyn ObjectStore, segment: &Segment, mut each: impl FnMut(u64)) -> bool {
    let mut next = 0;
    loop {
        match blocks_from(store, segment, next).await {
            Ok(Some(entries)) => entries.into_iter().for_each(&mut each),
            Ok(None) => return true,
            Err(_) => return false,
        }
        next += BLOCKS_AT_ONCE;
    }
}

/// Writes the entries of segments and others, which are in order, into one segment, without those of files that are gone; `None` where nothing is left.
async fn merge(
    store: &dyn ObjectStore,
    segments: &[Segment],
    recent: Vec<u64>,
    live: &HashSet<u32>,
) -> std::result::Result<Option<Segment>, Unreadable> {
    let mut sources: Vec<Source> = segments.iter().map(Source::of).collect();
    let mut recent = recent.into_iter();
    let mut heads = BinaryHeap::new();
    for (place, source) in sources.iter_mut().enumerate() {
        heads.extend(source.next(store).await?.map(|entry| Reverse((entry, Some(place)))));
    }
    heads.extend(recent.next().map(|entry| Reverse((entry, None))));
    let mut writer = Writer::new();
    while let Some(Reverse((entry, place))) = heads.pop() {
        if live.contains(&number_of(entry)) {
            writer.push(store, entry).await.map_err(Unreadable::Store)?;
        }
        let next = match place.and_then(|place| sources.get_mut(place)) {
            Some(source) => source.next(store).await?,
            None => recent.next(),
        };
        heads.extend(next.map(|entry| Reverse((entry, place))));
    }
    writer.finish(store).await.map_err(Unreadable::Store)
}

/// Writes a segment.
struct Writer {
    segment: Segment,
    /// The entries of the block that is not full.
    block: Vec<u64>,
    /// What was not sent.
    bytes: Vec<u8>,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Writer {
    fn new() -> Self {
        let segment = Segment { name: uuid::Uuid::new_v4().as_u128(), entries: 0, blocks: Vec::new() };
        Self { segment, block: Vec::with_capacity(INDEX_BLOCK), bytes: Vec::new(), upload: None }
    }

    async fn push(&mut self, store: &dyn ObjectStore, entry: u64) -> object_store::Result<()> {
        self.block.push(entry);
        if self.block.len() < INDEX_BLOCK {
            return Ok(());
        }
        self.end_block();
        if self.bytes.len() < PART_BYTES {
            return Ok(());
        }
        self.send(store).await
    }

    fn end_block(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend(self.block.iter().flat_map(|entry| entry.to_le_bytes()));
        self.segment.blocks.push(Block::of(&self.block, self.bytes.get(start..).unwrap_or_default()));
        self.segment.entries += self.block.len() as u64;
        self.block.clear();
    }

    async fn send(&mut self, store: &dyn ObjectStore) -> object_store::Result<()> {
        let path = Segment::path_of(self.segment.name);
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(store.put_multipart(&path).await?),
        };
        let sent = upload.put_part(std::mem::take(&mut self.bytes).into()).await;
        if sent.is_err() {
            // Stores keep the parts of an upload that nobody ends.
            let _ = upload.abort().await;
        }
        sent
    }

    async fn finish(mut self, store: &dyn ObjectStore) -> object_store::Result<Option<Segment>> {
        self.end_block();
        if self.segment.entries == 0 {
            return Ok(None);
        }
        debug_assert!(self.bytes.len() < PART_BYTES + INDEX_BLOCK * ENTRY_BYTES);
        if self.upload.is_none() {
            store.put(&Segment::path_of(self.segment.name), self.bytes.into()).await?;
            return Ok(Some(self.segment));
        }
        if !self.bytes.is_empty() {
            self.send(store).await?;
        }
        if let Some(mut upload) = self.upload {
            let completed = upload.complete().await;
            if completed.is_err() {
                let _ = upload.abort().await;
            }
            completed?;
        }
        Ok(Some(self.segment))
    }
}

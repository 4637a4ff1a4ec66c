//! The store of a table, whose data files are checked as they are read.
//!
//! Whoever reads a data file comes through here: scans, look-ups in bloom filters, footers, and what an ingest reads to write again. The
//! log's seals ([`super::seal`]) come with the snapshot; a file without one, of an earlier version of ours or another program, is read as it is.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error as StoreError, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};

use super::remote::{Remote, through};
use super::seal::{Broken, Seal};
use crate::error::DamagedFile;

/// Bytes of tails that are remembered, at most.
const TAILS_BYTES: usize = 32 << 20;

/// What the log says of the bytes of a table's files: of all that a snapshot of this process named.
#[derive(Debug, Default)]
pub(super) struct Seals {
    by_file: RwLock<HashMap<Path, Arc<Sealed>>>,
    /// The tails that were read last, the newest behind. A reader asks for the footer, for the page index and for the filters, each
    /// for itself: all of them are in the tail, which can be checked as a whole only.
    tails: Mutex<VecDeque<(Arc<Sealed>, Bytes)>>,
}

/// A data file whose bytes are known.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) seal: Seal,
    size_bytes: u64,
    /// Read with the first range.
    sums: OnceLock<Vec<u32>>,
    /// Held by who reads that: whoever comes meanwhile needs the same tail, and waits for it.
    first: tokio::sync::Mutex<()>,
}

impl Seals {
    /// Takes in what the log says of a file.
    pub(super) fn learn(&self, file: &Path, seal: Seal, size_bytes: u64) {
        let is_known = |known: &Arc<Sealed>| known.seal == seal && known.size_bytes == size_bytes;
        if !self.of(file).as_ref().is_some_and(is_known) {
            let sealed = Arc::new(Sealed { seal, size_bytes, sums: OnceLock::new(), first: Default::default() });
            self.by_file.write().unwrap_or_else(PoisonError::into_inner).insert(file.clone(), sealed);
        }
    }

    /// Says whether the log has checksums of a file's bytes.
    pub(super) fn has(&self, file: &Path) -> bool {
        self.of(file).is_some()
    }

    /// Remembers the tail of a file, which has been checked.
    fn keep(&self, sealed: &Arc<Sealed>, tail: Bytes) {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        tails.retain(|(known, _)| !Arc::ptr_eq(known, sealed));
        tails.push_back((Arc::clone(sealed), tail));
        while tails.iter().map(|(_, tail)| tail.len()).sum::<usize>() > TAILS_BYTES {
            tails.pop_front();
        }
    }

    /// Returns the tail of a file, if it is remembered.
    fn kept(&self, sealed: &Arc<Sealed>) -> Option<Bytes> {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let place = tails.iter().position(|(known, _)| Arc::ptr_eq(known, sealed))?;
        let found = tails.remove(place)?;
        let tail = found.1.clone();
        tails.push_back(found);
        Some(tail)
    }

    /// Returns what the log says of a file's bytes.
    pub(super) fn of(&self, file: &Path) -> Option<Arc<Sealed>> {
        self.by_file.read().unwrap_or_else(PoisonError::into_inner).get(file).cloned()
    }
}

/// The store of one table.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) seals: Arc<Seals>,
    /// The table, as messages name it: `./lake/workflow_sessions`.
    pub(super) table: String,
    /// Where what is read is kept, of a table that is not on this machine.
    pub(super) remote: Option<Arc<Remote>>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl Checked {
    /// Says that a file is damaged.
    fn damaged(&self, file: &Path, Broken(bytes): Broken) -> StoreError {
        let what = format!(
            "the file is damaged: bytes {} to {} are not those that were written; put this one file back from a copy of the lake",
            bytes.start, bytes.end
        );
        let source = Box::new(DamagedFile { file: format!("{}/{file}", self.table), what });
        StoreError::Generic { store: "lake", source }
    }

    /// Checks ranges that were read of a file, which cover blocks or the whole tail, and of which one is the tail if its sums are not known.
    fn check(&self, file: &Path, sealed: &Sealed, read: &[Range<u64>], parts: &[Bytes]) -> Result<()> {
        let seal = &sealed.seal;
        let damaged = |broken| self.damaged(file, broken);
        for (range, bytes) in read.iter().zip(parts) {
            if bytes.len() as u64 != range.end - range.start {
                return Err(damaged(Broken(range.start + bytes.len() as u64..range.end)));
            }
        }
        let sums = match sealed.sums.get() {
            Some(sums) => sums,
            None => {
                let tail = seal.tail(sealed.size_bytes);
                let reads_tail = |(range, _): &(&Range<u64>, &Bytes)| range.end > tail.start;
                match read.iter().zip(parts).find(reads_tail) {
                    Some((range, bytes)) => {
                        let skipped = usize::try_from(tail.start - range.start.min(tail.start)).unwrap_or(usize::MAX);
                        let sums = seal.sums(bytes.get(skipped..).unwrap_or_default()).map_err(damaged)?;
                        sealed.sums.get_or_init(|| sums)
                    }
                    None => return Err(damaged(Broken(tail))),
                }
            }
        };
        let mut checked = read.iter().zip(parts);
        checked.try_for_each(|(range, bytes)| seal.check_any(range.start, bytes, sums)).map_err(damaged)
    }

    async fn read_ranges(&self, file: &Path, sealed: &Arc<Sealed>, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (size_bytes, tail) = (sealed.size_bytes, sealed.seal.tail(sealed.size_bytes));
        let within = |range: &Range<u64>| range.start.min(size_bytes)..range.end.min(size_bytes);
        let _first = match sealed.sums.get() {
            Some(_) => None,
            None => Some(sealed.first.lock().await),
        };
        let kept = self.seals.kept(sealed);
        let is_kept = |range: &Range<u64>| kept.is_some() && range.start >= tail.start;
        let asked = ranges.iter().map(within).filter(|range| !range.is_empty() && !is_kept(range));
        let mut covering: Vec<_> = asked.map(|range| sealed.seal.covering(&range, size_bytes)).collect();
        if sealed.sums.get().is_none() {
            covering.push(tail.clone());
        }
        let mut read = merged(covering);
        let mut parts = self.read(file, sealed, &read).await?;
        match kept {
            Some(bytes) => {
                read.push(tail);
                parts.push(bytes);
            }
            None if read.last().is_some_and(|range| range.end > tail.start) => {
                // A copy, for the part may be much longer.
                self.seals.keep(sealed, Bytes::copy_from_slice(&cut(&read, &parts, &tail)));
            }
            None => {}
        }
        Ok(ranges.iter().map(|range| cut(&read, &parts, &within(range))).collect())
    }

    /// Reads ranges that can be checked, and checks them.
    async fn read(&self, file: &Path, sealed: &Sealed, read: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if read.is_empty() {
            return Ok(Vec::new());
        }
        let named = Path::from(self.table.as_str()).join(file.as_ref());
        let size_bytes = sealed.size_bytes.to_string();
        let cached = self.remote.as_ref().and_then(|remote| remote.cached(&named, &size_bytes));
        let parts = match cached {
            None => self.inner.get_ranges(file, read).await?,
            Some((cache, key)) => {
                let ask = |missing: Vec<Range<u64>>| async move { self.inner.get_ranges(file, &missing).await };
                let (parts, was_kept) = through(cache, &key, read, ask).await?;
                match self.check(file, sealed, read, &parts) {
                    // What the store has says which of the two is damaged.
                    Err(_) if was_kept => {
                        cache.forget(&key);
                        self.inner.get_ranges(file, read).await?
                    }
                    _ => parts,
                }
            }
        };
        self.check(file, sealed, read, &parts)?;
        Ok(parts)
    }
}

/// Returns the bytes of a range that is within one of those that were read, in their order.
fn cut(read: &[Range<u64>], parts: &[Bytes], range: &Range<u64>) -> Bytes {
    let found = read.iter().zip(parts).find(|(read, _)| read.start <= range.start && range.end <= read.end);
    let Some((from, bytes)) = found.filter(|_| !range.is_empty()) else { return Bytes::new() };
    let place = |at: u64| usize::try_from(at.saturating_sub(from.start)).unwrap_or_default().min(bytes.len());
    bytes.slice(place(range.start)..place(range.end))
}

/// Sorts ranges, and makes one of those that overlap or touch.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => merged.push(range),
        }
    }
    merged
}

#[async_trait]
impl ObjectStore for Checked {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let sealed = match options.head {
            true => None,
            false => self.seals.of(location),
        };
        let Some(sealed) = sealed else { return self.inner.get_opts(location, options).await };
        let size = sealed.size_bytes;
        let range = match &options.range {
            None => 0..size,
            Some(GetRange::Bounded(range)) => range.start.min(size)..range.end.min(size),
            Some(GetRange::Offset(start)) => (*start).min(size)..size,
            Some(GetRange::Suffix(bytes)) => size.saturating_sub(*bytes)..size,
        };
        if range.is_empty() {
            return self.inner.get_opts(location, options).await;
        }
        // In one request with the tail, where that is not known yet.
        let parts = self.read_ranges(location, &sealed, std::slice::from_ref(&range)).boxed().await?;
        let bytes = parts.into_iter().next().unwrap_or_default();
        let payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed());
        let (location, last_modified) = (location.clone(), chrono::DateTime::UNIX_EPOCH);
        let meta = ObjectMeta { location, last_modified, size, e_tag: None, version: None };
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.seals.of(location) {
            Some(sealed) => self.read_ranges(location, &sealed, ranges).boxed().await,
            None => self.inner.get_ranges(location, ranges).await,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;
    use proptest::prelude::*;

    use super::super::seal::SealingWriter;
    use super::*;

    /// A store with one sealed file of so many bytes before the page index, and the file's bytes.
    async fn stored(body: usize, flip: Option<usize>) -> (Checked, Vec<u8>) {
        let mut content = Vec::new();
        let mut writer = SealingWriter::new(&mut content);
        let bytes: Vec<u8> = (0..body).map(|n| ((n * n) >> 5) as u8).collect();
        writer.write_all(&bytes).unwrap();
        let (sums, _) = writer.end_blocks();
        writer.write_all(&sums).unwrap();
        writer.write_all(b"page index and footer").unwrap();
        let seal = writer.seal().unwrap();
        let inner = InMemory::new();
        let file = Path::from("a.parquet");
        let seals = Seals::default();
        seals.learn(&file, seal, content.len() as u64);
        let whole = content.clone();
        if let Some(place) = flip {
            let place = place % content.len();
            content[place] ^= 4;
        }
        inner.put(&file, content.into()).await.unwrap();
        (Checked { inner: Arc::new(inner), seals: Arc::new(seals), table: "lake/t".to_owned(), remote: None }, whole)
    }

    #[tokio::test]
    async fn a_file_that_is_shorter_than_the_log_says_is_an_error() {
        let (store, whole) = stored(100_000, None).await;
        let file = Path::from("a.parquet");
        store.put(&file, whole[..50_000].to_vec().into()).await.unwrap();
        for range in [0..10, 40_000..60_000, 0..100_000] {
            assert!(store.get_range(&file, range.clone()).await.is_err(), "{range:?}");
        }
    }

    #[tokio::test]
    async fn a_tail_is_asked_for_once_while_there_is_room() {
        let (store, whole) = stored(100_000, None).await;
        let (file, size) = (Path::from("a.parquet"), whole.len() as u64);
        let footer = store.get_range(&file, size - 8..size).await.unwrap();
        store.inner.delete(&file).await.unwrap();
        assert_eq!(store.get_range(&file, size - 8..size).await.unwrap(), footer);
        assert_eq!(store.get_range(&file, 100_000..100_010).await.unwrap(), whole[100_000..100_010]);
        for range in [0..10, 99_999..100_010] {
            assert!(store.get_range(&file, range.clone()).await.is_err(), "{range:?}");
        }
        // The oldest goes.
        let sealed = store.seals.of(&file).unwrap();
        for _ in 0..3 {
            let other =
                Sealed { seal: sealed.seal, size_bytes: size, sums: OnceLock::new(), first: Default::default() };
            store.seals.keep(&Arc::new(other), Bytes::from(vec![0; TAILS_BYTES / 3]));
        }
        assert!(store.seals.kept(&sealed).is_none());
        assert!(store.get_range(&file, size - 8..size).await.is_err());
    }

    #[tokio::test]
    async fn what_has_no_seal_is_read_as_it_is() {
        let (store, _) = stored(10, None).await;
        let file = Path::from("b.parquet");
        store.put(&file, "some bytes".into()).await.unwrap();
        assert_eq!(store.get_range(&file, 5..10).await.unwrap(), "bytes");
        assert_eq!(store.get_ranges(&file, &[0..4, 5..7]).await.unwrap(), ["some", "by"]);
    }

    proptest! {
        #[test]
        fn ranges_are_those_of_the_file_or_an_error_that_names_it(
            body in 1..150_000_usize, flip in proptest::option::of(any::<usize>()),
            ranges in proptest::collection::vec((any::<prop::sample::Index>(), 0..70_000_usize), 1..6),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (store, whole) = stored(body, flip).await;
                let file = Path::from("a.parquet");
                let ranges: Vec<Range<u64>> = ranges.iter().map(|(from, length)| {
                    let from = from.index(whole.len());
                    from as u64..(from + length).min(whole.len()) as u64
                }).collect();
                let expected: Vec<&[u8]> =
                    ranges.iter().map(|range| &whole[range.start as usize..range.end as usize]).collect();
                let flipped = flip.map(|place| (place % whole.len()) as u64);
                for _ in 0..2 {
                    match store.get_ranges(&file, &ranges).await {
                        Ok(read) => {
                            prop_assert_eq!(read.iter().map(|part| &part[..]).collect::<Vec<_>>(), expected.clone());
                            prop_assert!(!flipped.is_some_and(|at| ranges.iter().any(|range| range.contains(&at))));
                        }
                        Err(error) => {
                            prop_assert!(flipped.is_some(), "{}", error);
                            prop_assert!(error.to_string().contains("lake/t/a.parquet"), "{}", error);
                        }
                    }
                    for (range, expected) in ranges.iter().zip(&expected).filter(|(range, _)| !range.is_empty()) {
                        match store.get_range(&file, range.clone()).await {
                            Ok(read) => prop_assert_eq!(&read[..], *expected),
                            Err(_) => prop_assert!(flipped.is_some()),
                        }
                    }
                }
                if let Ok(read) = store.get(&file).await {
                    prop_assert_eq!(&read.bytes().await.unwrap()[..], &whole[..]);
                    prop_assert_eq!(flip, None);
                }
                Ok(())
            })?;
        }
    }
}

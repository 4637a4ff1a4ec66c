//! Counts what a command costs: requests to the store, bytes, files that are read and left out, rows, bytes that are spilled, and the time
//! of its phases.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use serde::{Deserialize, Serialize};

/// Names in one answer to a listing; with more a store is asked again.
const NAMES_A_LISTING: u64 = 1_000;

/// Counts of a command, shared by all that it opens.
#[derive(Debug, Default)]
pub struct Costs {
    gets: AtomicU64,
    heads: AtomicU64,
    puts: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    fetched: AtomicU64,
    sent: AtomicU64,
    files: AtomicU64,
    left_out_by_log: AtomicU64,
    left_out_by_blooms: AtomicU64,
    rows: AtomicU64,
    spilled: AtomicU64,
    phases: Mutex<Phases>,
}

/// Tells how long ago a command began. It is of who counts: the library reads no clock.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The time of a command, cut where one phase ends and the next begins.
#[derive(Default)]
struct Phases {
    clock: Option<Clock>,
    /// The phase that the command is in, and when that began.
    current: Option<(&'static str, Duration)>,
    /// The time of each in which the command was, in the order in which they began first.
    spent: Vec<(&'static str, Duration)>,
}

impl fmt::Debug for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.spent).finish()
    }
}

impl Phases {
    /// Counts the time up to now for the phase that the command is in.
    fn count(&mut self) {
        let Some(now) = self.clock.as_ref().map(|clock| clock()) else { return };
        let Some((current, began)) = &mut self.current else { return };
        let time = now.saturating_sub(std::mem::replace(began, now));
        match self.spent.iter_mut().find(|(name, _)| name == current) {
            Some((_, spent)) => *spent += time,
            None => self.spent.push((current, time)),
        }
    }
}

/// What a command has cost up to an instant. Of a folder on this machine a request is a call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Files and parts of files that were read.
    pub gets: u64,
    /// Files whose size alone was asked for.
    pub heads: u64,
    /// Files and parts of files that were written, with what begins and ends an upload in parts.
    pub puts: u64,
    /// Listings, of which one answer has a thousand names at most.
    pub lists: u64,
    /// Files that were removed, and uploads that were given up.
    pub deletes: u64,
    /// Bytes that were asked for.
    pub bytes_fetched: u64,
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// Data files of the tables that were scanned, a file once for each scan.
    pub files: u64,
    /// Those that a scan left out by what the log says of them.
    pub files_left_out_by_log: u64,
    /// Those that a scan left out by their bloom filters.
    pub files_left_out_by_blooms: u64,
    /// Rows that scans gave to what comes behind them.
    pub rows_scanned: u64,
    /// Bytes that queries wrote to the disk because memory was short.
    pub bytes_spilled: u64,
}

impl Spent {
    /// Sums all requests.
    pub fn requests(&self) -> u64 {
        self.gets + self.heads + self.puts + self.lists + self.deletes
    }

    /// Returns what was spent since an earlier instant.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            gets: self.gets - earlier.gets,
            heads: self.heads - earlier.heads,
            puts: self.puts - earlier.puts,
            lists: self.lists - earlier.lists,
            deletes: self.deletes - earlier.deletes,
            bytes_fetched: self.bytes_fetched - earlier.bytes_fetched,
            bytes_sent: self.bytes_sent - earlier.bytes_sent,
            files: self.files - earlier.files,
            files_left_out_by_log: self.files_left_out_by_log - earlier.files_left_out_by_log,
            files_left_out_by_blooms: self.files_left_out_by_blooms - earlier.files_left_out_by_blooms,
            rows_scanned: self.rows_scanned - earlier.rows_scanned,
            bytes_spilled: self.bytes_spilled - earlier.bytes_spilled,
        }
    }
}

impl Costs {
    /// Counts the time of phases too, by a clock.
    pub fn timed(clock: Clock) -> Self {
        Self { phases: Mutex::new(Phases { clock: Some(clock), ..Phases::default() }), ..Self::default() }
    }

    /// Begins a phase, and ends the one before.
    pub fn enter(&self, phase: &'static str) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.count();
        let now = phases.clock.as_ref().map_or(Duration::ZERO, |clock| clock());
        phases.current = Some((phase, now));
    }

    /// Returns the time of each phase up to now, in the order in which they began first.
    pub fn phases(&self) -> Vec<(&'static str, Duration)> {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.count();
        phases.spent.clone()
    }

    /// Returns the counts so far.
    pub fn spent(&self) -> Spent {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Spent {
            gets: load(&self.gets),
            heads: load(&self.heads),
            puts: load(&self.puts),
            lists: load(&self.lists),
            deletes: load(&self.deletes),
            bytes_fetched: load(&self.fetched),
            bytes_sent: load(&self.sent),
            files: load(&self.files),
            files_left_out_by_log: load(&self.left_out_by_log),
            files_left_out_by_blooms: load(&self.left_out_by_blooms),
            rows_scanned: load(&self.rows),
            bytes_spilled: load(&self.spilled),
        }
    }

    /// Adds what was spent elsewhere.
    pub fn add(&self, spent: &Spent) {
        add(&self.gets, spent.gets);
        add(&self.heads, spent.heads);
        add(&self.puts, spent.puts);
        add(&self.lists, spent.lists);
        add(&self.deletes, spent.deletes);
        add(&self.fetched, spent.bytes_fetched);
        add(&self.sent, spent.bytes_sent);
        add(&self.files, spent.files);
        add(&self.left_out_by_log, spent.files_left_out_by_log);
        add(&self.left_out_by_blooms, spent.files_left_out_by_blooms);
        add(&self.rows, spent.rows_scanned);
        add(&self.spilled, spent.bytes_spilled);
    }

    /// Notes a scan of a table of so many files, of which the log's statistics left some, and bloom filters some of these.
    pub fn scan(&self, files: usize, left_by_log: usize, left_by_blooms: usize) {
        add(&self.files, files as u64);
        add(&self.left_out_by_log, files.saturating_sub(left_by_log) as u64);
        add(&self.left_out_by_blooms, left_by_log.saturating_sub(left_by_blooms) as u64);
    }

    /// Notes rows that a scan gave.
    pub fn rows(&self, rows: usize) {
        add(&self.rows, rows as u64);
    }

    /// Notes bytes that were spilled.
    pub fn spilled(&self, bytes: usize) {
        add(&self.spilled, bytes as u64);
    }
}

/// Counts the requests to a store. One that is not remote reads several ranges of a file at once.
pub fn counted(inner: Arc<dyn ObjectStore>, costs: &Arc<Costs>, is_remote: bool) -> Arc<dyn ObjectStore> {
    Arc::new(Counted { inner, costs: Arc::clone(costs), reads_ranges_at_once: !is_remote })
}

fn add(count: &AtomicU64, number: u64) {
    count.fetch_add(number, Ordering::Relaxed);
}

/// A store whose requests are counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) costs: Arc<Costs>,
    /// Whether the store reads several ranges of a file with one call, as a file system does.
    pub(super) reads_ranges_at_once: bool,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl Counted {
    fn listing(&self, listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let costs = Arc::clone(&self.costs);
        let counted = move |(number, meta): (usize, Result<ObjectMeta>)| {
            add(&costs.lists, u64::from(number as u64 % NAMES_A_LISTING == NAMES_A_LISTING - 1));
            meta
        };
        add(&self.costs.lists, 1);
        listing.enumerate().map(counted).boxed()
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        add(&self.costs.puts, 1);
        add(&self.costs.sent, payload.content_length() as u64);
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        add(&self.costs.puts, 1);
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(Upload { upload, costs: Arc::clone(&self.costs) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        add(if head { &self.costs.heads } else { &self.costs.gets }, 1);
        let answer = self.inner.get_opts(location, options).await?;
        if !head {
            add(&self.costs.fetched, answer.range.end - answer.range.start);
        }
        Ok(answer)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.reads_ranges_at_once {
            add(&self.costs.gets, 1);
            add(&self.costs.fetched, ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum());
            return self.inner.get_ranges(location, ranges).await;
        }
        let get = |range: Range<u64>| async move {
            let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
            self.get_opts(location, options).await?.bytes().await
        };
        object_store::coalesce_ranges(ranges, get, object_store::OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let costs = Arc::clone(&self.costs);
        self.inner.delete_stream(locations.inspect(move |_| add(&costs.deletes, 1)).boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        add(&self.costs.lists, 1);
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        add(&self.costs.puts, 1);
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        add(&self.costs.puts, 1);
        self.inner.rename_opts(from, to, options).await
    }
}

struct Upload {
    upload: Box<dyn MultipartUpload>,
    costs: Arc<Costs>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        add(&self.costs.puts, 1);
        add(&self.costs.sent, data.content_length() as u64);
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        add(&self.costs.puts, 1);
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        add(&self.costs.deletes, 1);
        self.upload.abort().await
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn what_is_asked_for_is_counted() {
        let costs = Arc::<Costs>::default();
        let (inner, counted) = (Arc::new(InMemory::new()), Arc::clone(&costs));
        let store = Counted { inner, costs: counted, reads_ranges_at_once: false };
        let path = Path::from("a");
        store.put(&path, vec![1_u8; 5 << 20].into()).await.unwrap();
        store.head(&path).await.unwrap();
        // Two ranges that are near each other are one request, one that is far is another.
        store.get_ranges(&path, &[0..10, 20..30, 4 << 20..(4 << 20) + 5]).await.unwrap();
        assert!(store.get(&Path::from("b")).await.is_err());
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("part".into()).await.unwrap();
        upload.complete().await.unwrap();
        let names: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!(names.len(), 1);
        store.delete(&path).await.unwrap();
        let spent = costs.spent();
        let expected = Spent {
            gets: 3,
            heads: 1,
            puts: 4,
            lists: 1,
            deletes: 1,
            bytes_fetched: 30 + 5,
            bytes_sent: (5 << 20) + 4,
            ..Spent::default()
        };
        assert_eq!(spent, expected);
        assert_eq!(spent.requests(), 10);
    }
}

//! The store of a lake that is not on this machine, as commits need it and as messages may tell of it.
//!
//! - A create that the store answers with "taken" may have met itself, where an answer was lost and the client asked again, or another one that is under way
//!   and may yet fail (S3's 409). So what is there is read: the same bytes are ours, for each commit has a token of its own; nothing means that
//!   it is tried again.
//! - Before the first commit the store is asked whether it honours creates at all: one that overwrites would lose commits of other writers, without
//!   an error.
//! - Errors are told without endpoints, and nothing of the client is in any log.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};
use tokio::sync::OnceCell;
use url::Url;

use super::cache::Cache;
use super::hint::{Hints, is_hint};
use super::layout::Version;
use super::recent::{Recent, is_settled};
use super::scrub::scrubbed;
use crate::error::Error;

/// The file beside the tables by which a store was asked.
const PROBE: &str = "_sessionlake_probe";
/// How long to wait before a create that met another one under way is tried again.
const WAITS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(320),
    Duration::from_millis(1_280),
    Duration::from_millis(5_120),
];

/// A store that is reached over a network.
pub(super) struct Remote {
    inner: Arc<dyn ObjectStore>,
    /// The lake, as people name it.
    lake: String,
    /// The lake's folder in the store.
    folder: Path,
    asked: OnceCell<()>,
    recent: Arc<Recent>,
    hints: Arc<Hints>,
    /// Keeps what is read, if asked.
    cache: Option<Arc<Cache>>,
}

/// What a store said, fit to be told.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

impl Remote {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, lake: String, folder: Path, cache: Option<Arc<Cache>>) -> Self {
        Self { inner, lake, folder, asked: OnceCell::new(), recent: Arc::default(), hints: Arc::default(), cache }
    }

    /// The lake's folder in the store.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lists what the listings of this process had of a table's log, from a version on.
    pub(super) fn listed(&self, table: &Url, first: Version) -> BoxStream<'static, Result<ObjectMeta>> {
        let log = Path::from_url_path(table.path()).map(|folder| folder.join("_delta_log"));
        let listed = log.map(|log| self.recent.listed_behind(&log.join(format!("{first:020}"))));
        match listed {
            Ok(listed) => stream::iter(listed).map(Ok).boxed(),
            Err(error) => stream::iter([Err(error.into())]).boxed(),
        }
    }

    /// Returns the cache, and the key of a file in it. `what` tells its content apart from another's under that name.
    pub(super) fn cached(&self, location: &Path, what: &str) -> Option<(&Arc<Cache>, String)> {
        let cache = self.cache.as_ref()?;
        Some((cache, Cache::key(&[&self.lake, location.as_ref(), what])))
    }

    /// The same, of a file of a log that a listing had.
    fn cached_log(&self, location: &Path) -> Option<(&Arc<Cache>, String, ObjectMeta)> {
        let meta = self.recent.meta(location).filter(|meta| is_settled(&meta.location))?;
        let written = meta.last_modified.timestamp_millis();
        let what = format!("{} {written} {}", meta.size, meta.e_tag.as_deref().unwrap_or_default());
        let (cache, key) = self.cached(location, &what)?;
        Some((cache, key, meta))
    }

    /// Forgets which checkpoints are the newest, as the cache had it. Says whether it had any: the log is then to be read again.
    pub(super) fn forgets_hints(&self) -> bool {
        self.hints.forget()
    }

    /// Returns the file that names a log's newest checkpoint: what the cache has, or what the store has, which is then kept.
    async fn hint(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let Some((cache, key)) = self.cached(location, "").filter(|_| is_plain(&options) && options.range.is_none())
        else {
            return self.inner.get_opts(location, options).await.map_err(told);
        };
        if let Some(bytes) = self.hints.kept(location, cache, &key).await {
            let (size, last_modified) = (bytes.len() as u64, chrono::DateTime::UNIX_EPOCH);
            let meta = ObjectMeta { location: location.clone(), last_modified, size, e_tag: None, version: None };
            return match size {
                0 => Err(StoreError::NotFound { path: location.to_string(), source: "as the cache has it".into() }),
                size => Ok(whole(bytes, meta, 0..size)),
            };
        }
        let (answer, bytes) = match self.inner.get_opts(location, options).await {
            Ok(answer) => {
                let (meta, range) = (answer.meta.clone(), answer.range.clone());
                let bytes = answer.bytes().await.map_err(told)?;
                (Ok(whole(bytes.clone(), meta, range)), bytes)
            }
            Err(absent @ StoreError::NotFound { .. }) => (Err(told(absent)), Bytes::new()),
            Err(error) => return Err(told(error)),
        };
        cache.forget(&key);
        cache.put(&key, &(0..bytes.len() as u64), &bytes).await;
        answer
    }

    /// Returns a file of a log, if it is remembered or kept.
    async fn kept(&self, location: &Path, options: &GetOptions) -> Option<GetResult> {
        if !is_settled(location) || !is_plain(options) {
            return None;
        }
        let (meta, bytes, range) = match self.recent.commit(location) {
            Some((meta, bytes)) if options.range.is_none() => (meta.clone(), bytes, 0..meta.size),
            _ => {
                let (cache, key, meta) = self.cached_log(location)?;
                let range = match &options.range {
                    None => 0..meta.size,
                    Some(range) => range.as_range(meta.size).ok()?,
                };
                (meta, cache.get(&key, &range).await?, range)
            }
        };
        Some(whole(bytes, meta, range))
    }

    /// Asks the store, once, whether it keeps a file that is there when it is told to create it.
    ///
    /// # Errors
    /// A store that does not; storage errors.
    pub(super) async fn require_creates(&self) -> crate::Result<()> {
        self.asked.get_or_try_init(|| self.ask()).await.map(|_| ())
    }

    async fn ask(&self) -> crate::Result<()> {
        let probe = self.folder.clone().join(PROBE);
        // The file stays, so that the next process asks with one request.
        for _ in 0..2 {
            let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.inner.put_opts(&probe, "Shows that this store does not overwrite.\n".into(), create).await {
                Ok(_) => {}
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => return Ok(()),
                Err(StoreError::NotImplemented { .. } | StoreError::NotSupported { .. }) => break,
                Err(error) => return Err(Error::storage(self.lake.clone(), told(error))),
            }
        }
        let _ = self.inner.delete(&probe).await;
        Err(Error::storage(
            self.lake.clone(),
            "this store overwrites a file that it is told to create only where there is none (a conditional put, If-None-Match), so that \
             writers would lose each other's commits; nothing was committed; a lake that is written needs a store with conditional puts: \
             docs/stores.md names some",
        ))
    }

    /// Remembers what a listing has of logs.
    fn noted(&self, listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (recent, hints) = (Arc::clone(&self.recent), Arc::clone(&self.hints));
        let note = move |meta: &ObjectMeta| {
            recent.note(meta);
            hints.note(&meta.location);
        };
        listing.map_err(told).inspect_ok(note).boxed()
    }

    /// Says what became of a create that the store answered with "taken": ours, or another's; `None` if nothing is there.
    async fn met(&self, location: &Path, payload: &PutPayload, taken: StoreError) -> Option<Result<PutResult>> {
        let found = match self.inner.get(location).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return None,
            // Whoever commits looks for its token again.
            Err(_) => return Some(Err(told(taken))),
        };
        let result = PutResult { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        if found.meta.size != payload.content_length() as u64 {
            return Some(Err(told(taken)));
        }
        match found.bytes().await {
            Ok(bytes) if Bytes::from(payload.clone()) == bytes => Some(Ok(result)),
            _ => Some(Err(told(taken))),
        }
    }
}

/// Reads ranges of a file through a cache. Says of each whether it came from there.
///
/// # Errors
/// Those of reading what is missing.
pub(super) async fn through<F: Future<Output = Result<Vec<Bytes>>>>(
    cache: &Arc<Cache>,
    key: &str,
    ranges: &[Range<u64>],
    read: impl FnOnce(Vec<Range<u64>>) -> F,
) -> Result<(Vec<Bytes>, bool)> {
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        parts.push(cache.get(key, range).await);
    }
    let came_from_there = parts.iter().any(Option::is_some);
    let is_missing = |(part, range): (&Option<Bytes>, &Range<u64>)| part.is_none().then(|| range.clone());
    let missing: Vec<Range<u64>> = parts.iter().zip(ranges).filter_map(is_missing).collect();
    if !missing.is_empty() {
        let mut fresh = missing.iter().zip(read(missing.clone()).await?);
        for part in parts.iter_mut().filter(|part| part.is_none()) {
            if let Some((range, bytes)) = fresh.next() {
                cache.put(key, range, &bytes).await;
                *part = Some(bytes);
            }
        }
    }
    Ok((parts.into_iter().flatten().collect(), came_from_there))
}

/// Says whether a request is for a file or a range of it, and nothing else.
fn is_plain(options: &GetOptions) -> bool {
    let GetOptions { if_match, if_none_match, if_modified_since, if_unmodified_since, version, head, .. } = options;
    let is_free = if_match.is_none() && if_none_match.is_none() && version.is_none();
    is_free && if_modified_since.is_none() && if_unmodified_since.is_none() && !head
}

/// A tag without the quotes that some answers have around it.
fn unquoted(tag: &Option<String>) -> Option<&str> {
    tag.as_deref().map(|tag| tag.trim_matches('"'))
}

/// Makes an answer of bytes that are at hand.
fn whole(bytes: Bytes, meta: ObjectMeta, range: Range<u64>) -> GetResult {
    let payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed());
    GetResult { payload, meta, range, attributes: Attributes::default() }
}

/// Leaves out of an error what says where the store is and who asks.
fn told(error: StoreError) -> StoreError {
    let said: Box<dyn std::error::Error + Send + Sync> = Box::new(Said(match &error {
        StoreError::Generic { source, .. } => scrubbed(source.as_ref()),
        other => scrubbed(other),
    }));
    match error {
        StoreError::Generic { store, .. } => StoreError::Generic { store, source: said },
        StoreError::NotFound { path, .. } => StoreError::NotFound { path, source: said },
        StoreError::AlreadyExists { path, .. } => StoreError::AlreadyExists { path, source: said },
        StoreError::Precondition { path, .. } => StoreError::Precondition { path, source: said },
        StoreError::NotModified { path, .. } => StoreError::NotModified { path, source: said },
        StoreError::PermissionDenied { path, .. } => StoreError::PermissionDenied { path, source: said },
        StoreError::Unauthenticated { path, .. } => StoreError::Unauthenticated { path, source: said },
        _ => StoreError::Generic { store: "lake", source: said },
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client has credentials and endpoints in it, and deltalake logs its stores.
        write!(f, "Remote({})", self.lake)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lake)
    }
}

#[async_trait]
impl ObjectStore for Remote {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if opts.mode != PutMode::Create {
            return self.inner.put_opts(location, payload, opts).await.map_err(told);
        }
        let mut waits = WAITS.iter();
        loop {
            let taken = match self.inner.put_opts(location, payload.clone(), opts.clone()).await {
                Err(taken @ (StoreError::AlreadyExists { .. } | StoreError::Precondition { .. })) => taken,
                answer => return answer.map_err(told),
            };
            let path = location.to_string();
            let taken = StoreError::AlreadyExists { path, source: Box::new(taken) };
            match (self.met(location, &payload, taken).await, waits.next()) {
                (Some(answer), _) => return answer,
                (None, Some(wait)) => tokio::time::sleep(*wait).await,
                (None, None) => {
                    let source = "the store says that the file is there, and that it is not".into();
                    return Err(StoreError::Generic { store: "lake", source });
                }
            }
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await.map_err(told)?;
        Ok(Box::new(Upload(upload)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if is_hint(location) {
            return self.hint(location, options).await;
        }
        if let Some(kept) = self.kept(location, &options).await {
            return Ok(kept);
        }
        let settles = is_settled(location) && is_plain(&options);
        let answer = self.inner.get_opts(location, options).await.map_err(told)?;
        if settles {
            let (meta, range) = (answer.meta.clone(), answer.range.clone());
            let bytes = answer.bytes().await.map_err(told)?;
            if let Some((cache, key, listed)) = self.cached_log(location)
                && unquoted(&listed.e_tag) == unquoted(&meta.e_tag)
            {
                cache.put(&key, &range, &bytes).await;
            }
            if range == (0..meta.size) {
                self.recent.keep(meta.clone(), bytes.clone());
            }
            return Ok(whole(bytes, meta, range));
        }
        let GetResult { payload, meta, range, attributes } = answer;
        let payload = match payload {
            GetResultPayload::Stream(stream) => GetResultPayload::Stream(stream.map_err(told).boxed()),
            file => file,
        };
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let Some((cache, key, _)) = self.cached_log(location) else {
            return self.inner.get_ranges(location, ranges).await.map_err(told);
        };
        let read = |missing: Vec<Range<u64>>| async move { self.inner.get_ranges(location, &missing).await };
        through(cache, &key, ranges, read).await.map(|(parts, _)| parts).map_err(told)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let deleted = self.inner.delete_stream(locations).map_err(told);
        let recent = Arc::clone(&self.recent);
        deleted.inspect_ok(move |location| recent.forget(location)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.noted(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.noted(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await.map_err(told)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await.map_err(told)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await.map_err(told)
    }
}

/// An upload whose errors are told so, too.
struct Upload(Box<dyn MultipartUpload>);

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.0.put_part(data);
        Box::pin(async move { part.await.map_err(told) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.0.complete().await.map_err(told)
    }

    async fn abort(&mut self) -> Result<()> {
        self.0.abort().await.map_err(told)
    }
}

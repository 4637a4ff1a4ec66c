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
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result, UploadPart,
};
use tokio::sync::OnceCell;

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
}

/// What a store said, fit to be told.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

impl Remote {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, lake: String, folder: Path) -> Self {
        Self { inner, lake, folder, asked: OnceCell::new() }
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
        let answer = self.inner.get_opts(location, options).await.map_err(told)?;
        let GetResult { payload, meta, range, attributes } = answer;
        let payload = match payload {
            GetResultPayload::Stream(stream) => GetResultPayload::Stream(stream.map_err(told).boxed()),
            file => file,
        };
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await.map_err(told)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations).map_err(told).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix).map_err(told).boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset).map_err(told).boxed()
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

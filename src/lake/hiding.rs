//! An object store that hides damaged files of a log from the log's reader, and shows commits that are only in a compacted file.
//!
//! deltalake has no way to read on where a checkpoint is damaged. Without the file in its listings it takes an older checkpoint, or
//! the commits alone, which say the same. Neither does it read compacted files ([`super::compacted`]).

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, future, stream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use super::layout::Version;

/// What one log is shown otherwise than it is.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// The names of the hidden files.
    names: RwLock<BTreeSet<String>>,
    /// The commits that are shown though they are not there, by their names.
    stand_ins: InMemory,
    /// The versions that cannot be told apart, once there are stand-ins.
    blurred: RwLock<Vec<Range<Version>>>,
}

impl Hidden {
    /// Hides a file of the log by its name, and says whether it was not hidden before.
    pub(super) fn hide(&self, name: &str) -> bool {
        self.names.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }

    /// Lists the hidden files.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Says whether no file is hidden.
    pub(super) fn is_empty(&self) -> bool {
        self.names.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Shows a commit that is not there.
    pub(super) async fn stand_in(&self, name: &str, content: Bytes) -> Result<()> {
        self.stand_ins.put(&Path::from(name), content.into()).await.map(drop)
    }

    /// Says that versions cannot be told apart.
    pub(super) fn blur(&self, versions: Range<Version>) {
        self.blurred.write().unwrap_or_else(PoisonError::into_inner).push(versions);
    }

    /// Says whether a version has no actions of its own any more.
    pub(super) fn is_blurred(&self, version: Version) -> bool {
        let blurred = self.blurred.read().unwrap_or_else(PoisonError::into_inner);
        blurred.iter().any(|versions| versions.contains(&version))
    }

    /// Says whether commits are shown that are not there.
    fn has_stand_ins(&self) -> bool {
        !self.blurred.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn has(&self, path: &Path) -> bool {
        let hidden = self.names.read().unwrap_or_else(PoisonError::into_inner);
        !hidden.is_empty() && path.filename().is_some_and(|name| hidden.contains(name))
    }

    /// Shows a file that was written anew.
    fn show(&self, path: &Path) {
        if self.has(path)
            && let Some(name) = path.filename()
        {
            self.names.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
    }
}

/// The store of one table, without what is hidden.
#[derive(Debug)]
pub(super) struct Hiding {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) hidden: Arc<Hidden>,
}

impl fmt::Display for Hiding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl Hiding {
    fn refuse(&self, path: &Path) -> Result<()> {
        match self.hidden.has(path) {
            true => Err(Error::NotFound { path: path.to_string(), source: "the file is damaged".into() }),
            false => Ok(()),
        }
    }

    /// Adds the commits that stand in to a listing of the log behind a path, in order.
    fn with_stand_ins(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
        listing: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let Some(folder) = prefix.filter(|prefix| prefix.filename() == Some("_delta_log")).cloned() else {
            return listing;
        };
        if !self.hidden.has_stand_ins() {
            return listing;
        }
        let (hidden, offset) = (Arc::clone(&self.hidden), offset.cloned());
        let all = async move {
            let mut all: Vec<ObjectMeta> = listing.try_collect().await?;
            let shown: Vec<ObjectMeta> = hidden.stand_ins.list(None).try_collect().await?;
            let placed = shown
                .into_iter()
                .map(|meta| ObjectMeta { location: folder.clone().join(meta.location.as_ref()), ..meta });
            all.extend(placed.filter(|meta| offset.as_ref().is_none_or(|offset| meta.location > *offset)));
            all.sort_unstable_by(|a, b| a.location.cmp(&b.location));
            Ok::<_, Error>(stream::iter(all).map(Ok))
        };
        stream::once(all).try_flatten().boxed()
    }

    fn without(&self, listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.hidden.is_empty() {
            return listing;
        }
        let hidden = Arc::clone(&self.hidden);
        let shown = move |meta: &Result<ObjectMeta>| !meta.as_ref().is_ok_and(|meta| hidden.has(&meta.location));
        listing.filter(move |meta| future::ready(shown(meta))).boxed()
    }
}

#[async_trait]
impl ObjectStore for Hiding {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let answer = self.inner.put_opts(location, payload, opts).await?;
        self.hidden.show(location);
        Ok(answer)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        self.hidden.show(location);
        Ok(upload)
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.refuse(location)?;
        if self.hidden.has_stand_ins()
            && let Some(name) = location.filename()
            && let Ok(shown) = self.hidden.stand_ins.get_opts(&Path::from(name), options.clone()).await
        {
            let meta = ObjectMeta { location: location.clone(), ..shown.meta.clone() };
            return Ok(GetResult { meta, ..shown });
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.refuse(location)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.with_stand_ins(prefix, None, self.without(self.inner.list(prefix)))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.with_stand_ins(prefix, Some(offset), self.without(self.inner.list_with_offset(prefix, offset)))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listing = self.inner.list_with_delimiter(prefix).await?;
        listing.objects.retain(|meta| !self.hidden.has(&meta.location));
        Ok(listing)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.refuse(from)?;
        self.inner.copy_opts(from, to, options).await?;
        self.hidden.show(to);
        Ok(())
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.refuse(from)?;
        self.inner.rename_opts(from, to, options).await?;
        self.hidden.show(to);
        Ok(())
    }
}

//! Object stores: the local file system made power-safe, and clouds where they are built in.
//!
//! object_store's local store renames a finished file into place but never calls fsync, so that a commit that was reported
//! may be gone, or be an empty file, after a power failure. [`DurableLocal`] writes the temporary file, syncs it, links or renames
//! it, and syncs the folder before it answers.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

/// The local file system, with every write on disk before it is reported.
#[derive(Debug)]
pub struct DurableLocal {
    inner: Arc<LocalFileSystem>,
}

impl DurableLocal {
    /// Opens the whole local file system.
    pub fn new() -> Self {
        Self { inner: Arc::new(LocalFileSystem::new()) }
    }
}

impl Default for DurableLocal {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableLocal")
    }
}

fn generic(error: std::io::Error) -> StoreError {
    StoreError::Generic { store: "DurableLocal", source: Box::new(error) }
}

/// Flushes a folder's entries to disk.
pub fn sync_folder(folder: &FsPath) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a folder and its missing parents, each flushed into its parent's entries.
pub fn create_folder(folder: &FsPath) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_folder(parent)?;
        match fs::create_dir(folder) {
            // Another process was faster; but a file of that name is in the way.
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists || !folder.is_dir() => return Err(error),
            _ => {}
        }
        sync_folder(parent)
    } else {
        fs::create_dir_all(folder)
    }
}

/// Names a temporary file beside `target`. The `#` and digits are what object_store's listings leave out.
///
/// The digits are random: in a container every process may have the same id, and one that was killed leaves its file behind.
fn staged_path(target: &FsPath) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(format!("#{}", uuid::Uuid::new_v4().as_u128()));
    PathBuf::from(name)
}

fn put_durably(target: &FsPath, payload: &PutPayload, mode: &PutMode) -> Result<(), (bool, std::io::Error)> {
    let plain = |error| (false, error);
    let folder = target.parent().unwrap_or(FsPath::new("."));
    create_folder(folder).map_err(plain)?;
    let staged = staged_path(target);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&staged)?;
        for chunk in payload.iter() {
            file.write_all(chunk)?;
        }
        file.sync_all()
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&staged);
        return Err((false, error));
    }
    let placed = match mode {
        // A hard link fails where the name exists, which a rename would overwrite.
        PutMode::Create => {
            let linked = fs::hard_link(&staged, target);
            let _ = fs::remove_file(&staged);
            linked
        }
        _ => fs::rename(&staged, target),
    };
    if let Err(error) = placed {
        let _ = fs::remove_file(&staged);
        return Err((error.kind() == std::io::ErrorKind::AlreadyExists, error));
    }
    sync_folder(folder).map_err(plain)
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) {
            return Err(StoreError::NotSupported { source: "conditional update of a local file".into() });
        }
        let target = self.inner.path_to_filesystem(location)?;
        let name = location.to_string();
        let outcome = tokio::task::spawn_blocking(move || put_durably(&target, &payload, &opts.mode)).await?;
        match outcome {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
            Err((true, error)) => Err(StoreError::AlreadyExists { path: name, source: Box::new(error) }),
            Err((false, error)) => Err(generic(error)),
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload { upload, target: self.inner.path_to_filesystem(location)? }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
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
        self.inner.copy_opts(from, to, options).await?;
        self.sync(to)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.sync(to)
    }
}

impl DurableLocal {
    fn sync(&self, location: &Path) -> Result<()> {
        sync_file(&self.inner.path_to_filesystem(location)?).map_err(generic)
    }
}

/// Flushes a file and its folder's entries to disk.
pub fn sync_file(path: &FsPath) -> std::io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_folder(path.parent().unwrap_or(FsPath::new(".")))
}

#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    target: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await?;
        sync_file(&self.target).map_err(generic)?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;

    #[tokio::test]
    async fn a_create_never_overwrites_and_leaves_no_staged_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = DurableLocal::new();
        let path = Path::from_filesystem_path(folder.path()).unwrap().join("log").join("1.json");
        let create = || PutOptions { mode: PutMode::Create, ..Default::default() };
        store.put_opts(&path, "one".into(), create()).await.unwrap();
        let error = store.put_opts(&path, "two".into(), create()).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "one");
        store.put(&path, "three".into()).await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "three");
        let names: Vec<_> = fs::read_dir(folder.path().join("log")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["1.json"]);
    }
}

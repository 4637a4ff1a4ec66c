//! Object stores: the local file system made power-safe, and clouds where they are built in.
//!
//! object_store's local store renames a finished file into place and never calls fsync. After a power failure, a commit that was reported may be
//! gone, or be an empty file. [`DurableLocal`] orders its steps so that this cannot happen: it writes a temporary file and syncs it, links or
//! renames it into place, and syncs the folder. It answers after the last step.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

/// Puts a store around another.
type AroundStore = Arc<dyn Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> + Send + Sync>;

/// What stands between a lake and the store that its files are in.
#[derive(Clone)]
pub(super) struct Layer(pub(super) AroundStore);

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

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

/// How old a file of [`staged_path`] is whose process has ended. It is there for as long as a few kilobytes take to reach the disk.
const STAGED_TIME: Duration = Duration::from_secs(3_600);

/// Says whether a name is one of [`staged_path`]: digits behind a `#`, as many as ours have.
pub(super) fn is_staged(name: &str) -> bool {
    let digits = name.rsplit_once('#').map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.len() > 30 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Removes the temporary files that processes left in a folder of the log when they were killed.
pub(super) fn clear_staged(folder: &FsPath) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // The log of years has many files, of which none is asked for more than its name.
        if !entry.file_name().to_str().is_some_and(is_staged) {
            continue;
        }
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > STAGED_TIME)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Says that a file is under its name, but that the disk did not confirm that it keeps it: after a power failure it may be gone. Nothing
/// heals that: a second fsync may succeed although the first one lost something.
#[derive(Debug, thiserror::Error)]
#[error("the disk did not confirm that it keeps {file}: {source}")]
pub struct NotDurable {
    /// The path in the store.
    pub file: String,
    /// What the system said.
    pub source: std::io::Error,
}

impl NotDurable {
    /// Says whether this is what an error came from.
    pub fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// Why a file was not put.
enum NotPut {
    Exists(std::io::Error),
    Failed(std::io::Error),
    /// It is there.
    NotDurable(std::io::Error),
}

fn put_durably(target: &FsPath, payload: &PutPayload, mode: &PutMode) -> Result<(), NotPut> {
    let folder = target.parent().unwrap_or(FsPath::new("."));
    create_folder(folder).map_err(NotPut::Failed)?;
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
        return Err(NotPut::Failed(error));
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
        return Err(match error.kind() {
            std::io::ErrorKind::AlreadyExists => NotPut::Exists(error),
            _ => NotPut::Failed(error),
        });
    }
    sync_folder(folder).map_err(NotPut::NotDurable)
}

/// Lists the files in a folder, and in those inside of it, whose paths from `prefix` are behind `rest`. `below` is the folder's own path from there, with
/// a slash at its end. object_store's listing makes a URL of each file's path, and asks the system twice for it, before it knows whether that is
/// behind: of a log of years nearly none is.
fn list_behind(
    folder: &FsPath,
    prefix: &Path,
    below: &str,
    rest: &str,
    found: &mut Vec<ObjectMeta>,
) -> std::io::Result<()> {
    let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Err(error) if is_gone(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        // A folder that comes before `rest` has nothing that comes after, unless `rest` is inside of it.
        let path = format!("{below}{name}");
        if (path.as_str() <= rest && !rest.starts_with(&path)) || is_numbered(name) {
            continue;
        }
        let metadata = match fs::metadata(entry.path()) {
            Err(error) if is_gone(&error) => continue,
            metadata => metadata?,
        };
        if metadata.is_dir() {
            list_behind(&entry.path(), prefix, &format!("{path}/"), rest, found)?;
        } else if metadata.is_file() && path.as_str() > rest {
            let Ok(location) = Path::parse(format!("{prefix}/{path}")) else { continue };
            let last_modified = metadata.modified()?.into();
            found.push(ObjectMeta { location, last_modified, size: metadata.len(), e_tag: None, version: None });
        }
    }
    Ok(())
}

/// Says whether a name is one that object_store's listings leave out, since its own uploads are under such: digits behind a `#`.
fn is_numbered(name: &str) -> bool {
    let digits = name.split_once('#').map(|(_, digits)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
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
            Err(NotPut::Exists(error)) => Err(StoreError::AlreadyExists { path: name, source: Box::new(error) }),
            Err(NotPut::Failed(error)) => Err(generic(error)),
            Err(NotPut::NotDurable(source)) => {
                let source = Box::new(NotDurable { file: name, source });
                Err(StoreError::Generic { store: "DurableLocal", source })
            }
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
        let within = prefix.and_then(|prefix| {
            let rest = offset.as_ref().strip_prefix(prefix.as_ref())?.strip_prefix('/')?;
            Some((prefix.clone(), rest.to_owned()))
        });
        let Some((prefix, rest)) = within else { return self.inner.list_with_offset(prefix, offset) };
        let folder = self.inner.path_to_filesystem(&prefix);
        let listed = async move {
            let folder = folder?;
            let listed = tokio::task::spawn_blocking(move || {
                let mut found = Vec::new();
                list_behind(&folder, &prefix, "", &rest, &mut found).map(|()| found).map_err(generic)
            });
            Ok::<_, StoreError>(futures::stream::iter(listed.await??.into_iter().map(Ok)))
        };
        futures::stream::once(listed).try_flatten().boxed()
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

    #[test]
    fn staged_files_of_dead_processes_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, hours: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(hours * 3_600)).unwrap();
        };
        let staged = |name: &str| staged_path(FsPath::new(name)).to_str().unwrap().to_owned();
        file(&staged("1.json"), 2);
        let others = ["1.json".to_owned(), "a#12".to_owned(), staged("2.json")];
        others.iter().zip([9, 9, 0]).for_each(|(name, hours)| file(name, hours));
        clear_staged(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        let mut others = others.map(std::ffi::OsString::from);
        others.sort();
        assert_eq!(left, others);
    }

    #[tokio::test]
    async fn what_is_behind_a_path_is_listed_as_the_library_lists_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("log of%20years");
        fs::create_dir_all(root.join("_sidecars").join("deep")).unwrap();
        fs::create_dir_all(root.join("0001")).unwrap();
        let names = [
            "0000.json",
            "0001.json",
            "0002.checkpoint.parquet",
            "0002.json",
            "0002.json#12",
            "0002.json#x",
            "0002.json#",
            "a b%é.json",
            "0001/0003.json",
            "_last_checkpoint",
            "_sidecars/one.parquet",
            "_sidecars/deep/two.parquet",
        ];
        names.iter().for_each(|name| fs::write(root.join(name), name).unwrap());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("0002.json"), root.join("0004.json")).unwrap();
            std::os::unix::fs::symlink(root.join("gone"), root.join("0005.json")).unwrap();
        }
        let store = DurableLocal::new();
        let prefix = Path::from_filesystem_path(&root).unwrap();
        let listed = async |store: &dyn ObjectStore, offset: &Path| {
            let all = store.list_with_offset(Some(&prefix), offset);
            let mut all: Vec<_> =
                all.map_ok(|meta| (meta.location, meta.size, meta.last_modified)).try_collect().await.unwrap();
            all.sort();
            all
        };
        let mut counts = Vec::new();
        for behind in
            ["0000", "0000.json", "0001/0003", "0001/0003.json", "0002.json", "0003", "_last", "_sidecars/m", "b"]
        {
            let offset = Path::parse(format!("{prefix}/{behind}")).unwrap();
            let found = listed(&store, &offset).await;
            assert_eq!(found, listed(&LocalFileSystem::new(), &offset).await, "behind {behind}");
            counts.push(found.len());
        }
        assert_eq!((counts.first(), counts.last()), (Some(&12), Some(&0)), "{counts:?}");
        let nowhere = prefix.clone().join("nowhere");
        assert!(store.list_with_offset(Some(&nowhere), &nowhere.clone().join("0")).next().await.is_none());
    }

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

//! Parts of files of a store, kept in a folder of this machine, so that the same question asks the store for little.
//!
//! An entry is a range of a file, under a key of the store, the file's name and its size: data files never change, and those of a log are
//! kept by the store's tag of their content too. It ends with a checksum of its bytes, and one that does not fit is no entry. Entries are
//! written beside their names and renamed, so that any number of processes share a folder; one that another has removed is asked of the store.
//! Beyond the limit the oldest go. What cannot be read or written here is as if there were no cache.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::store::create_folder;
use crate::error::{Error, Result};

/// Bytes of the checksum behind an entry.
const SUM_BYTES: usize = 8;
/// What the names of files begin with that are being written.
const UNFINISHED: &str = ".new-";
/// How old an unfinished file is whose process has ended.
const UNFINISHED_TIME: Duration = Duration::from_secs(3_600);

/// A folder that keeps parts of files.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    limit_bytes: u64,
    /// Bytes of all entries, as far as this process knows.
    used: AtomicU64,
}

/// An entry as a listing has it.
struct Entry {
    path: PathBuf,
    bytes: u64,
    age: Duration,
}

impl Cache {
    /// Opens a folder, and makes it where it is not there. Entries take no more than about so many bytes.
    ///
    /// # Errors
    /// A folder that cannot be made or read.
    pub fn open(folder: PathBuf, limit_bytes: u64) -> Result<Self> {
        let failed = |error: io::Error| Error::storage(format!("the cache {}", folder.display()), error);
        create_folder(&folder).map_err(failed)?;
        let used = entries(&folder).map_err(failed)?.iter().map(|entry| entry.bytes).sum();
        Ok(Self { folder, limit_bytes, used: AtomicU64::new(used) })
    }

    /// Returns the key of a file by all that tells its content: store, name, size and what else there is.
    pub(super) fn key(parts: &[&str]) -> String {
        let mut text = String::new();
        for part in parts {
            // With lengths, so that no two lists are the same text.
            text.push_str(&format!("{}:{part}", part.len()));
        }
        format!("{:032x}", xxh3_128(text.as_bytes()))
    }

    /// Returns bytes of a range of a file, if all of them are kept.
    pub(super) async fn get(self: &Arc<Self>, key: &str, range: &Range<u64>) -> Option<Bytes> {
        let (cache, key, range) = (Arc::clone(self), key.to_owned(), range.clone());
        tokio::task::spawn_blocking(move || cache.read(&key, &range)).await.ok().flatten()
    }

    /// Returns the only entry of a file whose length is not known.
    pub(super) async fn only(self: &Arc<Self>, key: &str) -> Option<Bytes> {
        let (cache, key) = (Arc::clone(self), key.to_owned());
        let read = move || {
            let mut names = fs::read_dir(cache.of(&key)).ok()?.flatten().map(|entry| entry.file_name());
            let range = names.next()?.to_str().and_then(range_of)?;
            names.next().is_none().then(|| cache.read(&key, &range)).flatten()
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    /// Keeps a range of a file.
    pub(super) async fn put(self: &Arc<Self>, key: &str, range: &Range<u64>, bytes: &Bytes) {
        let (cache, key, range, bytes) = (Arc::clone(self), key.to_owned(), range.clone(), bytes.clone());
        // What could not be kept is asked again.
        let _ = tokio::task::spawn_blocking(move || cache.write(&key, &range, &bytes)).await;
    }

    /// Forgets all of a file.
    pub(super) fn forget(&self, key: &str) {
        let _ = fs::remove_dir_all(self.of(key));
    }

    fn of(&self, key: &str) -> PathBuf {
        self.folder.join(key.get(..2).unwrap_or("00")).join(key)
    }

    fn read(&self, key: &str, range: &Range<u64>) -> Option<Bytes> {
        let folder = self.of(key);
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let Some(kept) = entry.file_name().to_str().and_then(range_of) else { continue };
            if kept.start > range.start || kept.end < range.end {
                continue;
            }
            let mut content = fs::read(entry.path()).ok()?;
            match sound(&mut content, key, &kept) {
                true => {
                    let at = |place: u64| usize::try_from(place - kept.start).ok();
                    let (start, end) = (at(range.start)?, at(range.end)?);
                    return (end <= content.len()).then(|| Bytes::from(content).slice(start..end));
                }
                false => drop(fs::remove_file(entry.path())),
            }
        }
        None
    }

    fn write(&self, key: &str, range: &Range<u64>, bytes: &Bytes) -> io::Result<()> {
        let size = bytes.len() as u64 + SUM_BYTES as u64;
        if size > self.limit_bytes / 4 {
            return Ok(());
        }
        let folder = self.of(key);
        fs::create_dir_all(&folder)?;
        let unfinished = self.folder.join(format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple()));
        let mut content = Vec::with_capacity(bytes.len() + SUM_BYTES);
        content.extend_from_slice(bytes);
        content.extend_from_slice(&sum(bytes, key, range).to_le_bytes());
        let placed = fs::write(&unfinished, &content)
            .and_then(|()| fs::rename(&unfinished, folder.join(format!("{}-{}", range.start, range.end))));
        if placed.is_err() {
            let _ = fs::remove_file(&unfinished);
            return placed;
        }
        if self.used.fetch_add(size, Ordering::Relaxed) + size > self.limit_bytes {
            self.make_room()?;
        }
        Ok(())
    }

    /// Removes the oldest entries until a fifth of the limit is free.
    fn make_room(&self) -> io::Result<()> {
        let mut entries = entries(&self.folder)?;
        let mut used: u64 = entries.iter().map(|entry| entry.bytes).sum();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.age));
        for entry in entries {
            if used <= self.limit_bytes / 5 * 4 {
                break;
            }
            if fs::remove_file(&entry.path).is_ok() {
                // Folders that are empty go, and others cannot be removed so.
                let _ = entry.path.parent().map(fs::remove_dir);
            }
            used = used.saturating_sub(entry.bytes);
        }
        self.used.store(used, Ordering::Relaxed);
        Ok(())
    }
}

/// Lists the entries of a cache, and removes what processes left that were killed.
fn entries(folder: &FsPath) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for first in fs::read_dir(folder)?.flatten() {
        if first.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            if age(&first).is_some_and(|age| age > UNFINISHED_TIME) {
                let _ = fs::remove_file(first.path());
            }
            continue;
        }
        for second in fs::read_dir(first.path()).into_iter().flatten().flatten() {
            for entry in fs::read_dir(second.path()).into_iter().flatten().flatten() {
                let is_entry = entry.file_name().to_str().and_then(range_of).is_some();
                if let (true, Ok(metadata)) = (is_entry, entry.metadata()) {
                    let age = age(&entry).unwrap_or_default();
                    found.push(Entry { path: entry.path(), bytes: metadata.len(), age });
                }
            }
        }
    }
    Ok(found)
}

fn age(entry: &fs::DirEntry) -> Option<Duration> {
    entry.metadata().ok()?.modified().ok()?.elapsed().ok()
}

/// Reads the range from the name of an entry.
fn range_of(name: &str) -> Option<Range<u64>> {
    let (start, end) = name.split_once('-')?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

/// Computes the checksum of an entry, which says whose bytes they are, too.
fn sum(bytes: &[u8], key: &str, range: &Range<u64>) -> u64 {
    xxh3_64(bytes) ^ xxh3_64(format!("{key} {}-{}", range.start, range.end).as_bytes())
}

/// Takes the checksum off an entry, and says whether it fits.
fn sound(content: &mut Vec<u8>, key: &str, range: &Range<u64>) -> bool {
    let Some((bytes, stored)) = content.split_last_chunk::<SUM_BYTES>() else { return false };
    let fits = bytes.len() as u64 == range.end.saturating_sub(range.start)
        && sum(bytes, key, range) == u64::from_le_bytes(*stored);
    content.truncate(content.len() - SUM_BYTES);
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &FsPath) -> Vec<PathBuf> {
        entries(folder).unwrap().into_iter().map(|entry| entry.path).collect()
    }

    #[tokio::test]
    async fn what_was_put_comes_back_and_parts_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(Cache::open(folder.path().join("deep/cache"), 1 << 20).unwrap());
        let key = Cache::key(&["s3://bucket/lake", "a.parquet", "1000"]);
        assert_eq!(cache.get(&key, &(0..3)).await, None);
        cache.put(&key, &(100..110), &Bytes::from_static(b"0123456789")).await;
        assert_eq!(cache.get(&key, &(100..110)).await.unwrap(), "0123456789");
        assert_eq!(cache.get(&key, &(103..105)).await.unwrap(), "34");
        for absent in [99..103, 105..111, 0..1_000] {
            assert_eq!(cache.get(&key, &absent).await, None, "{absent:?}");
        }
        assert_eq!(cache.get(&Cache::key(&["s3://bucket/lake", "a.parquet", "1001"]), &(100..110)).await, None);
        // Another process sees it.
        let other = Arc::new(Cache::open(folder.path().join("deep/cache"), 1 << 20).unwrap());
        assert_eq!(other.get(&key, &(100..110)).await.unwrap(), "0123456789");
        assert_eq!(cache.only(&key).await.unwrap(), "0123456789");
        other.forget(&key);
        assert_eq!(cache.get(&key, &(100..110)).await, None);
        assert_eq!(cache.only(&key).await, None);
        // Nothing is something, too.
        cache.put(&key, &(0..0), &Bytes::new()).await;
        assert_eq!(other.only(&key).await.unwrap(), "");
        cache.put(&key, &(0..3), &Bytes::from_static(b"012")).await;
        assert_eq!(other.only(&key).await, None);
    }

    #[tokio::test]
    async fn an_entry_that_is_damaged_or_somebody_elses_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(Cache::open(folder.path().to_owned(), 1 << 20).unwrap());
        let (key, other) = (Cache::key(&["a"]), Cache::key(&["b"]));
        cache.put(&key, &(0..4), &Bytes::from_static(b"rows")).await;
        let path = files(folder.path()).remove(0);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(&key, &(0..4)).await, None, "{at}");
        }
        fs::write(&path, &whole[..5]).unwrap();
        assert_eq!(cache.get(&key, &(0..4)).await, None);
        fs::write(&path, &whole).unwrap();
        assert_eq!(cache.get(&key, &(0..4)).await.unwrap(), "rows");
        // Under another name it is not believed.
        let theirs = cache.of(&other);
        fs::create_dir_all(&theirs).unwrap();
        fs::copy(&path, theirs.join("0-4")).unwrap();
        assert_eq!(cache.get(&other, &(0..4)).await, None);
    }

    #[tokio::test]
    async fn the_oldest_go_beyond_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(Cache::open(folder.path().to_owned(), 10_000).unwrap());
        let bytes = Bytes::from(vec![7_u8; 1_000]);
        for n in 0..50_u64 {
            cache.put(&Cache::key(&[&n.to_string()]), &(0..1_000), &bytes).await;
            for path in files(folder.path()) {
                // Each is older than those that come.
                let file = fs::File::options().write(true).open(&path).unwrap();
                let modified = file.metadata().unwrap().modified().unwrap();
                file.set_modified(modified - Duration::from_secs(10)).unwrap();
            }
            let used: u64 = entries(folder.path()).unwrap().iter().map(|entry| entry.bytes).sum();
            assert!(used <= 11_008, "{used}");
        }
        assert!(cache.get(&Cache::key(&["49"]), &(0..1_000)).await.is_some());
        assert!(cache.get(&Cache::key(&["0"]), &(0..1_000)).await.is_none());
        // One that is large beside the limit is not kept.
        cache.put(&Cache::key(&["large"]), &(0..3_000), &Bytes::from(vec![0; 3_000])).await;
        assert!(cache.get(&Cache::key(&["large"]), &(0..3_000)).await.is_none());
        // What a killed process left is cleared in time.
        let left = folder.path().join(format!("{UNFINISHED}x"));
        fs::write(&left, "part").unwrap();
        fs::File::options().write(true).open(&left).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        Cache::open(folder.path().to_owned(), 10_000).unwrap();
        assert!(!left.exists());
    }
}

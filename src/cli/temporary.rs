//! The folder that all temporary files of this process are in, and the removal of those that dead processes left.
//!
//! Spilled rows and temporary lakes hold what the exports hold. A process that is killed cannot remove them; the next one can, since a lock in
//! each folder ends with the process that made it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What the names of the folders begin with.
const PREFIX: &str = "sessionlake-";
/// The name of the file in each that its process has locked.
const LOCK: &str = ".lock";
/// How often the removal of a folder is tried, into which a thread that nobody waits for may still write.
const REMOVAL_TRIES: usize = 10;

/// How often the making of a folder is tried, which another process may remove before it is locked.
const MAKING_TRIES: usize = 10;

/// The folder of this process, once it is made.
static MADE: Mutex<Option<Made>> = Mutex::new(None);

struct Made {
    folder: PathBuf,
    /// Held open: the lock is on it.
    _lock: File,
}

/// Returns the folder of this process below `base`, or below the system's temporary folder, and makes it at the first call. `None` is where none
/// can be made, which is told by whoever needs one.
pub fn folder(base: Option<&Path>) -> Option<PathBuf> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.is_none() {
        let named = base;
        let base = named.map_or_else(std::env::temp_dir, Path::to_owned);
        *made = make(&base).ok();
        // It can be set once only, and this is the one place that does.
        match (made.as_ref(), named) {
            (Some(made), _) => {
                let _ = tempfile::env::override_temp_dir(&made.folder);
                clear(&base, &made.folder);
            }
            // Nothing goes elsewhere than where it was told to go.
            (None, Some(named)) => drop(tempfile::env::override_temp_dir(named)),
            (None, None) => {}
        }
    }
    made.as_ref().map(|made| made.folder.clone())
}

/// Removes the folder of this process with all that is in it.
pub fn remove() {
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Made { folder, _lock }) = made else { return };
    for _ in 0..REMOVAL_TRIES {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {}
            _ => break,
        }
    }
}

fn make(base: &Path) -> std::io::Result<Made> {
    // Absolute, for whoever changes the working folder.
    let base = std::path::absolute(base)?;
    for _ in 0..MAKING_TRIES {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&base)?;
        let lock = File::create_new(folder.path().join(LOCK))?;
        // Before it is locked, another process may take the folder for one of a dead process, lock the file and remove all.
        if lock.try_lock().is_ok() && folder.path().join(LOCK).exists() {
            return Ok(Made { folder: folder.keep(), _lock: lock });
        }
    }
    Err(std::io::Error::other("other processes remove each folder"))
}

/// Removes the folders of processes that have ended. What is not ours, or cannot be told, stays.
fn clear(base: &Path, own: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_named_so = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !is_named_so || path.file_name() == own.file_name() || !is_folder_of_owner(&path, own) {
            continue;
        }
        // A folder without a lock is being made, or is somebody's own.
        let Ok(lock) = File::options().write(true).open(path.join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Says whether a path is a folder, and no link to one, of the user whose folder the other is.
fn is_folder_of_owner(path: &Path, own: &Path) -> bool {
    let (Ok(metadata), Ok(own)) = (fs::symlink_metadata(path), fs::metadata(own)) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        metadata.is_dir() && metadata.uid() == own.uid()
    }
    #[cfg(not(unix))]
    {
        metadata.is_dir() && own.is_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_dead_processes_are_removed_and_no_others() {
        let base = tempfile::tempdir().unwrap();
        let own = make(base.path()).unwrap();
        let living = make(base.path()).unwrap();
        let dead = make(base.path()).unwrap().folder;
        fs::write(dead.join("rows"), "names and numbers").unwrap();
        let unlocked = base.path().join("sessionlake-of-somebody");
        fs::create_dir(&unlocked).unwrap();
        let other = base.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(LOCK), "").unwrap();
        clear(base.path(), &own.folder);
        assert!(!dead.exists());
        for kept in [&own.folder, &living.folder, &unlocked, &other] {
            assert!(kept.is_dir(), "{}", kept.display());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let (base, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own = make(base.path()).unwrap();
        fs::write(elsewhere.path().join(LOCK), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), base.path().join("sessionlake-link")).unwrap();
        clear(base.path(), &own.folder);
        assert!(elsewhere.path().join(LOCK).is_file());
    }
}

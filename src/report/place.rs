//! Puts the folder of a run into place, whole or not at all.
//!
//! A run is written into a hidden folder beside its target. When all is on disk, the two are swapped in one step of the file
//! system (`renameat2` with `RENAME_EXCHANGE`), so there is no instant at which neither is there; the earlier run is then in
//! the hidden folder and is removed. Where the file system cannot swap, the earlier run is renamed aside first; a process
//! that is stopped between the two renames leaves it there, and the next one puts it back.
//!
//! One process at a time may write a target: a lock file beside it says so, and its lock ends with the process. Folders that
//! are not runs, or hold files that no run wrote, are never replaced.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::manifest::{self, Manifest};
use crate::error::{Error, Result, io_error};

/// The folder that a run goes to, locked.
#[derive(Debug)]
pub struct Target {
    /// The folder as the user named it.
    shown: String,
    folder: PathBuf,
    parent: PathBuf,
    name: String,
    lock: PathBuf,
    /// Held open: the lock is on it.
    _locked: File,
}

impl Target {
    /// Locks the target, and clears away what a stopped run left beside it. Missing parents are made.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another process writes it; storage errors.
    pub fn lock(out: &Path) -> Result<Self> {
        let shown = out.display().to_string();
        // A link is followed: the folder that it points to is replaced, not the link.
        let folder = match fs::canonicalize(out) {
            Ok(folder) => folder,
            Err(_) => std::path::absolute(out).map_err(io_error(out))?,
        };
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name().and_then(|name| name.to_str())) else {
            return Err(
                Error::usage(format!("reports cannot be written to {shown:?}")).with_hint("name a folder of its own")
            );
        };
        let (parent, name) = (parent.to_owned(), name.to_owned());
        fs::create_dir_all(&parent).map_err(io_error(&parent))?;
        let lock = parent.join(format!(".{name}.lock"));
        let locked = lock_file(&lock, &shown)?;
        let target = Self { shown, folder, parent, name, lock, _locked: locked };
        target.recover()?;
        Ok(target)
    }

    /// The folder, as an absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn hidden_prefix(&self) -> String {
        format!(".{}.partial-", self.name)
    }

    fn aside(&self) -> PathBuf {
        self.parent.join(format!(".{}.earlier", self.name))
    }

    /// Removes folders of stopped runs, and puts back an earlier run that was renamed aside.
    fn recover(&self) -> Result<()> {
        let aside = self.aside();
        if aside.exists() {
            if self.folder.exists() {
                fs::remove_dir_all(&aside).map_err(io_error(&aside))?;
            } else {
                fs::rename(&aside, &self.folder).map_err(io_error(&self.folder))?;
            }
        }
        let prefix = self.hidden_prefix();
        for entry in fs::read_dir(&self.parent).map_err(io_error(&self.parent))? {
            let entry = entry.map_err(io_error(&self.parent))?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    /// Returns the manifest of the run that is there now; none for a folder that is empty or not there.
    ///
    /// # Errors
    /// [`Error::Usage`] for a folder that is not a run's, or has files that are not.
    pub fn earlier(&self) -> Result<Option<Manifest>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&self.folder)(error)),
        };
        let names: BTreeSet<String> = entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()
            .map_err(io_error(&self.folder))?;
        if names.is_empty() {
            return Ok(None);
        }
        let foreign = |what: String| {
            Err(Error::usage(format!("{:?} {what}", self.shown))
                .with_hint("name a folder of its own for the reports with ⟨out⟩"))
        };
        let Some(manifest) = Manifest::find(&self.folder)? else {
            return foreign("has files, but is not the folder of a run".to_owned());
        };
        let known: BTreeSet<&str> =
            manifest.outputs().map(|output| output.file.as_str()).chain([manifest::FILE]).collect();
        match unknown_file(&self.folder, "", &known)? {
            Some(name) => foreign(format!("has a file {name:?} that no run wrote")),
            None => Ok(Some(manifest)),
        }
    }

    /// Makes the hidden folder that a run is written into; dropped, it is removed.
    ///
    /// # Errors
    /// Storage errors.
    pub fn stage(&self) -> Result<TempDir> {
        let prefix = self.hidden_prefix();
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Readable by whoever the umask lets: reports are for others.
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        builder.tempdir_in(&self.parent).map_err(io_error(&self.parent))
    }

    /// Brings the hidden folder to disk and into the target's place. The earlier run is removed.
    ///
    /// # Errors
    /// Storage errors; the earlier run is then where it was.
    pub fn place(&self, staged: TempDir) -> Result<()> {
        if let Ok(metadata) = fs::metadata(&self.folder) {
            fs::set_permissions(staged.path(), metadata.permissions()).map_err(io_error(staged.path()))?;
        }
        sync_tree(staged.path())?;
        if !self.folder.exists() {
            fs::rename(staged.path(), &self.folder).map_err(io_error(&self.folder))?;
            // Its path now belongs to the target.
            let _ = staged.keep();
        } else if swap(staged.path(), &self.folder).map_err(io_error(&self.folder))? == Swapped::Not {
            let aside = self.aside();
            fs::rename(&self.folder, &aside).map_err(io_error(&self.folder))?;
            if let Err(error) = fs::rename(staged.path(), &self.folder) {
                fs::rename(&aside, &self.folder).map_err(io_error(&self.folder))?;
                return Err(io_error(&self.folder)(error));
            }
            let _ = staged.keep();
            fs::remove_dir_all(&aside).map_err(io_error(&aside))?;
        }
        sync(&self.parent)
    }
}

/// Finds a file below a folder that is none of the known ones, or a folder that has none of them: what is in a run's folder is removed with
/// it. Names are relative, with slashes.
fn unknown_file(folder: &Path, prefix: &str, known: &BTreeSet<&str>) -> Result<Option<String>> {
    let mut entries =
        fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(io_error(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if known.contains(name.as_str()) {
            continue;
        }
        let below = format!("{name}/");
        let is_of_run = known.range(below.as_str()..).next().is_some_and(|file| file.starts_with(&below));
        // Not where a link leads.
        if !is_of_run || !entry.file_type().map_err(io_error(entry.path()))?.is_dir() {
            return Ok(Some(name));
        }
        if let Some(name) = unknown_file(&entry.path(), &below, known)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

impl Drop for Target {
    fn drop(&mut self) {
        // Removed while it is locked, so that whoever opens it next finds that it is no longer the one on the path.
        let _ = fs::remove_file(&self.lock);
    }
}

/// Tries that are enough when lock files come and go.
const LOCK_TRIES: usize = 100;

fn lock_file(path: &Path, shown: &str) -> Result<File> {
    let busy = || Error::Conflict { message: format!("another run is writing to {shown:?}") };
    for _ in 0..LOCK_TRIES {
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(io_error(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(io_error(path)(error)),
        }
        // The one who held the lock may have removed the file between opening and locking.
        if is_on_path(&file, path) {
            return Ok(file);
        }
    }
    Err(busy())
}

#[cfg(unix)]
fn is_on_path(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => identity(open) == identity(there),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_on_path(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[derive(Debug, PartialEq, Eq)]
enum Swapped {
    Done,
    /// The system or the file system has no such operation.
    Not,
}

#[cfg(target_os = "linux")]
fn swap(one: &Path, other: &Path) -> io::Result<Swapped> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(Swapped::Done),
        Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => Ok(Swapped::Not),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn swap(_one: &Path, _other: &Path) -> io::Result<Swapped> {
    Ok(Swapped::Not)
}

/// Brings the entries of a folder and of those in it to disk. Files are synced by who writes them.
fn sync_tree(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        }
    }
    sync(folder)
}

fn sync(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, text: &str) {
        fs::write(folder.join("a.csv"), text).unwrap();
        fs::write(folder.join(manifest::FILE), text).unwrap();
    }

    fn hidden(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with('.')).collect()
    }

    #[test]
    fn a_run_takes_the_place_of_the_earlier_one_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("deep/out");
        for text in ["first", "second"] {
            let target = Target::lock(&out).unwrap();
            let staged = target.stage().unwrap();
            write(staged.path(), text);
            target.place(staged).unwrap();
            drop(target);
            assert_eq!(fs::read_to_string(out.join("a.csv")).unwrap(), text);
            assert_eq!(hidden(&folder.path().join("deep")), Vec::<String>::new());
        }
    }

    #[test]
    fn a_target_that_is_locked_is_a_conflict_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let first = Target::lock(&out).unwrap();
        assert!(matches!(Target::lock(&out), Err(Error::Conflict { .. })));
        drop(first);
        Target::lock(&out).unwrap();
    }

    #[test]
    fn what_stopped_runs_left_is_cleared_and_an_earlier_run_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(folder.path().join(".out.partial-x")).unwrap();
        fs::create_dir(folder.path().join(".out.earlier")).unwrap();
        fs::create_dir(folder.path().join(".other.partial-x")).unwrap();
        write(&folder.path().join(".out.earlier"), "earlier");
        drop(Target::lock(&out).unwrap());
        assert_eq!(fs::read_to_string(out.join("a.csv")).unwrap(), "earlier");
        assert_eq!(hidden(folder.path()), [".other.partial-x"]);
    }

    #[test]
    fn a_file_that_no_run_wrote_is_found_in_every_folder() {
        let folder = tempfile::tempdir().unwrap();
        let known = BTreeSet::from([".page/style.css", "a.csv", "charts/deep/b.svg", "run.json"]);
        for name in &known {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let unknown = || unknown_file(folder.path(), "", &known).unwrap();
        assert_eq!(unknown(), None);
        for name in [".page/mine.txt", "charts/deep/c.svg", "charts/deeper/b.svg", "z", "a.csv2"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "years of work").unwrap();
            assert!(unknown().is_some_and(|found| name.starts_with(&found)), "{name}: {:?}", unknown());
            fs::remove_file(&path).unwrap();
            if name == "charts/deeper/b.svg" {
                // A folder without files of the run is none of its own either.
                assert_eq!(unknown().as_deref(), Some("charts/deeper"));
                fs::remove_dir(folder.path().join("charts/deeper")).unwrap();
            }
            assert_eq!(unknown(), None, "{name}");
        }
    }

    #[test]
    fn folders_that_are_not_runs_are_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        assert_eq!(Target::lock(&out).unwrap().earlier().unwrap(), None);
        fs::write(out.join("thesis.txt"), "years of work").unwrap();
        let error = Target::lock(&out).unwrap().earlier().unwrap_err();
        assert!(error.to_string().ends_with("has files, but is not the folder of a run"));
        assert!(Target::lock(Path::new("/")).is_err());
    }
}

//! A file that appears whole or not at all.
//!
//! The bytes go to a hidden file beside the target; [`OutputFile::commit`] brings them to disk and renames it into place. A
//! reader, or a run that dies half way, sees the old file or the new one. Devices, pipes and sockets (`-o /dev/null`) are
//! written in place, since a rename would replace them by a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::io_error;
use crate::{Error, Result};

/// An output file that is not yet in its place; dropped without [`commit`](Self::commit), it is removed.
#[derive(Debug)]
pub struct OutputFile {
    /// The path as it was given, for messages.
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    Beside { temporary: NamedTempFile, target: PathBuf, permissions: Option<fs::Permissions> },
    InPlace(File),
}

impl OutputFile {
    /// Opens a hidden file beside the path. A link is followed: the file that it points to is replaced, not the link.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a folder that does not exist, [`Error::Usage`] when the path is a folder, [`Error::Storage`]
    /// for a read-only file and when the file system refuses.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let shown = path.display().to_string();
        let (target, permissions) = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(Error::usage(format!("output {shown:?} is a folder")).with_hint("name a file in it"));
            }
            Ok(metadata) if metadata.is_file() => {
                if metadata.permissions().readonly() {
                    return Err(Error::storage(shown, "the file is read-only"));
                }
                let target = fs::canonicalize(&path).map_err(io_error(&path))?;
                (target, Some(metadata.permissions()))
            }
            Ok(_) => {
                let file = fs::OpenOptions::new().write(true).open(&path).map_err(io_error(&path))?;
                return Ok(Self { path, state: State::InPlace(file) });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (path.clone(), None),
            Err(error) => return Err(io_error(&path)(error)),
        };
        let folder = folder_of(&target);
        if !folder.is_dir() {
            let folder = folder.display().to_string();
            let message = format!("folder {folder:?} of the output {shown:?} does not exist");
            return Err(Error::NotFound { message, hint: Some(format!("mkdir -p {folder:?}")) });
        }
        clear(folder);
        let temporary = locked_beside(folder).map_err(io_error(&path))?;
        Ok(Self { path, state: State::Beside { temporary, target, permissions } })
    }

    /// Returns the path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a handle that writes to the file and names it in its errors; to be dropped before [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`Error::Storage`] when the system has no more file handles.
    pub fn sink(&self) -> Result<Box<dyn Write + Send>> {
        let file = match &self.state {
            State::Beside { temporary, .. } => temporary.as_file(),
            State::InPlace(file) => file,
        };
        let file = file.try_clone().map_err(io_error(&self.path))?;
        Ok(Box::new(FileSink { file, path: self.path.clone() }))
    }

    /// Brings the bytes to disk, and the file into its place.
    ///
    /// # Errors
    /// [`Error::Storage`] naming the path. The hidden file is then gone, and the target is as it was, unless it was only the
    /// folder that could not be brought to disk.
    pub fn commit(self) -> Result<()> {
        match self.state {
            // Devices and pipes have nothing to bring to disk, and most refuse to try.
            State::InPlace(_) => Ok(()),
            State::Beside { temporary, target, permissions } => {
                if let Some(permissions) = permissions {
                    temporary.as_file().set_permissions(permissions).map_err(io_error(&self.path))?;
                }
                temporary.as_file().sync_all().map_err(io_error(&self.path))?;
                temporary.persist(&target).map_err(|failed| io_error(&self.path)(failed.error))?;
                // The new name is on disk only when the folder is.
                #[cfg(unix)]
                File::open(folder_of(&target)).and_then(|folder| folder.sync_all()).map_err(io_error(&self.path))?;
                Ok(())
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What the names of hidden files begin and end with.
const HIDDEN: (&str, &str) = (".sessionlake-", ".partial");
/// How often a hidden file is made anew that another process took for one that was left.
const TRIES: usize = 100;

/// Makes a hidden file and locks it for as long as it is open, so that other processes know that it is in use.
fn locked_beside(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(HIDDEN.0).suffix(HIDDEN.1);
    #[cfg(unix)]
    {
        // What any new file gets, the umask applied; a temporary file would be for its owner only.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    for _ in 1..TRIES {
        let made = builder.tempfile_in(folder)?;
        let is_taken = matches!(made.as_file().try_lock(), Err(fs::TryLockError::WouldBlock));
        if !is_taken && made.path().exists() {
            return Ok(made);
        }
    }
    builder.tempfile_in(folder)
}

/// Removes the hidden files of processes that have ended, as far as locks tell. They may hold what nobody else should read.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_hidden = name.to_str().is_some_and(|name| name.starts_with(HIDDEN.0) && name.ends_with(HIDDEN.1));
        if !is_hidden || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

struct FileSink {
    file: File,
    path: PathBuf,
}

impl FileSink {
    fn named<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.file.write(bytes);
        self.named(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.file.flush();
        self.named(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_ended_processes_left_is_removed_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let being_written = OutputFile::create(folder.path().join("a.csv")).unwrap();
        being_written.sink().unwrap().write_all(b"a").unwrap();
        fs::write(folder.path().join(".sessionlake-left.partial"), "names and numbers").unwrap();
        fs::write(folder.path().join(".sessionlake-mine"), "").unwrap();
        let second = OutputFile::create(folder.path().join("b.csv")).unwrap();
        assert!(!folder.path().join(".sessionlake-left.partial").exists());
        second.commit().unwrap();
        being_written.commit().unwrap();
        assert_eq!(names(folder.path()), [".sessionlake-mine", "a.csv", "b.csv"]);
        assert_eq!(fs::read_to_string(folder.path().join("a.csv")).unwrap(), "a");
    }

    #[test]
    fn a_file_appears_on_commit_only_and_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        fs::write(&path, "old").unwrap();
        let output = OutputFile::create(&path).unwrap();
        output.sink().unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        output.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["out.csv"]);
    }

    #[test]
    fn a_file_that_is_not_committed_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let output = OutputFile::create(folder.path().join("out.csv")).unwrap();
        output.sink().unwrap().write_all(b"new").unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(output);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn errors_name_the_path_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = OutputFile::create(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Usage { .. }) && error.to_string().contains("is a folder"));
        let error = OutputFile::create(folder.path().join("missing/out.csv")).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }) && error.to_string().contains("missing/out.csv"), "{error}");
        let path = folder.path().join("locked.csv");
        fs::write(&path, "old").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        let error = OutputFile::create(&path).unwrap_err();
        assert!(error.to_string().ends_with("locked.csv: the file is read-only"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_stay_links_are_followed_and_devices_stay_devices() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("real.csv");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.csv");
        symlink("real.csv", &link).unwrap();
        let output = OutputFile::create(&link).unwrap();
        output.sink().unwrap().write_all(b"new").unwrap();
        output.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

        let fresh = folder.path().join("fresh.csv");
        fs::write(folder.path().join("usual"), "").unwrap();
        OutputFile::create(&fresh).unwrap().commit().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("fresh.csv"), mode("usual"));

        let output = OutputFile::create("/dev/null").unwrap();
        output.sink().unwrap().write_all(b"gone").unwrap();
        output.commit().unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}

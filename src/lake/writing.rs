//! Lists of the data files that processes are writing, so that the next one can remove those of a process that was killed.
//!
//! A data file is in its place before a version has it, and a process that is killed in between leaves it there, in no version and with what
//! the exports hold. So a process notes the name of each file, before it makes it, in a list beside the files, which is locked for as long as
//! the process lives. A list without a lock is one of a process that has ended: its files are removed, but for those that a commit since
//! then names. Tables on this machine only.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::layout;
use super::layout::Version;
use super::table::Table;
use crate::error::{Error, Result, io_error};

/// What the names of lists begin with. Other programs take files whose names begin with a dot for none of the table's.
const PREFIX: &str = ".writing-";

/// The files that are being written for one commit.
#[derive(Debug)]
pub struct Writing {
    folder: PathBuf,
    /// The version that the commit is made on.
    version: Version,
    /// Made with the first file.
    list: Mutex<Option<List>>,
    /// Whether a version has the files.
    settled: AtomicBool,
}

#[derive(Debug)]
struct List {
    path: PathBuf,
    /// Held open: the lock is on it.
    file: File,
    names: Vec<String>,
}

impl Writing {
    pub(super) fn new(folder: PathBuf, version: Version) -> Self {
        Self { folder, version, list: Mutex::new(None), settled: AtomicBool::new(false) }
    }

    /// Notes a file that will be made.
    pub(super) fn note(&self, name: &str) -> Result<()> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let list = match &mut *list {
            Some(list) => list,
            none => {
                let path = self.folder.join(format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
                let mut file = File::create_new(&path).map_err(io_error(&path))?;
                // Without locks nobody else can tell that it has ended, and it stays.
                let _ = file.try_lock();
                writeln!(file, "{}", self.version).map_err(io_error(&path))?;
                none.insert(List { path, file, names: Vec::new() })
            }
        };
        list.names.push(name.to_owned());
        list.file.write_all(format!("{name}\n").as_bytes()).map_err(io_error(&list.path))
    }

    /// Says that a version has the files.
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let list = self.list.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(List { path, names, .. }) = list else { return };
        // A commit that ended with an error may stand: then the next process looks.
        if self.settled.load(Ordering::Relaxed) || !names.iter().any(|name| self.folder.join(name).exists()) {
            let _ = fs::remove_file(path);
        }
    }
}

/// What the lists of a table's folder name.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// The files of processes that are writing.
    pub(super) under_way: HashSet<String>,
    /// The files of processes that have ended, each with the version that their commit was to be made on.
    pub(super) ended: Vec<(Version, Vec<String>)>,
}

/// Reads the version and the names of a list. A name that is cut off is one whose file was not made.
fn read_list(text: &str) -> (Option<Version>, Vec<&str>) {
    let mut lines = text.lines();
    let version = lines.next().and_then(|version| version.parse::<Version>().ok());
    (version, lines.filter(|name| layout::is_named_as_ours(name) && !name.contains(['/', '\\'])).collect())
}

impl Table {
    /// Reads which files processes are writing or were when they ended. Tables on this machine only.
    pub(super) fn lists_of_writers(&self) -> Result<Lists> {
        let mut lists = Lists::default();
        let Some(folder) = &self.folder else { return Ok(lists) };
        for entry in fs::read_dir(folder).map_err(io_error(folder))? {
            let entry = entry.map_err(io_error(folder))?;
            if !entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
                continue;
            }
            let path = entry.path();
            let mut list = match File::options().read(true).write(true).open(&path) {
                Ok(list) => list,
                // Its process ended well meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error(&path)(error)),
            };
            let has_ended = list.try_lock().is_ok();
            let mut text = String::new();
            list.read_to_string(&mut text).map_err(io_error(&path))?;
            match read_list(&text) {
                (Some(version), names) if has_ended => {
                    lists.ended.push((version, names.into_iter().map(str::to_owned).collect()));
                }
                (_, names) if !has_ended => lists.under_way.extend(names.into_iter().map(str::to_owned)),
                _ => {}
            }
        }
        Ok(lists)
    }

    /// Removes the data files that processes wrote and did not commit before they were killed. What cannot be told, or removed, stays.
    pub(super) async fn clear_written(&self) {
        let Some(folder) = &self.folder else { return };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let lists = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)));
        for list in lists {
            if let Err(error) = self.clear_list(list.path()).await {
                tracing::warn!(table = self.name, list = %list.path().display(), %error, "files that were left stay");
            }
        }
    }

    async fn clear_list(&self, path: PathBuf) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let mut list = File::options().read(true).write(true).open(&path).map_err(io_error(&path))?;
        if list.try_lock().is_err() {
            return Ok(());
        }
        let mut text = String::new();
        list.read_to_string(&mut text).map_err(io_error(&path))?;
        let (version, names) = read_list(&text);
        if let Some(version) = version {
            let Some(committed) = self.named_since(version, &names).await? else { return Ok(()) };
            for name in names.into_iter().filter(|name| !committed.contains(name)) {
                match fs::remove_file(folder.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(name)(error)),
                    _ => {}
                }
            }
        }
        fs::remove_file(&path).map_err(io_error(path))
    }

    /// Finds those of the names that commits after a version have; `None` where a commit is not there any more.
    pub(super) async fn named_since<'a>(&self, version: Version, names: &[&'a str]) -> Result<Option<Vec<&'a str>>> {
        let log_store = self.delta.log_store();
        let mut found = Vec::new();
        // Beyond the loaded version too: the process may have been killed right after a commit that nobody has read yet.
        for version in version + 1.. {
            let text = log_store.read_commit_entry(version).await.map_err(|e| Error::storage(self.lake.clone(), e))?;
            let Some(text) = text else {
                if version > self.version() {
                    break;
                }
                return Ok(None);
            };
            found.extend(names.iter().filter(|name| memchr::memmem::find(&text, name.as_bytes()).is_some()));
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Commit, Lake, WrittenFile};

    #[tokio::test(flavor = "multi_thread")]
    async fn files_of_dead_processes_that_no_version_has_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
        let mut table = lake.open_or_create(layout::SIGHTINGS).await.unwrap();
        let tables = folder.path().join(layout::SIGHTINGS);
        let names: Vec<String> = (0..4).map(|n| format!("sightings-{n:032x}.parquet")).collect();
        names.iter().for_each(|name| fs::write(tables.join(name), "rows").unwrap());
        let listed = |names: &[String]| {
            let writing = Writing::new(tables.clone(), table.version());
            names.iter().for_each(|name| writing.note(name).unwrap());
            writing
        };
        // A process that lives, one that was killed before it committed, and one killed right after.
        let living = listed(&names[..1]);
        drop(listed(&names[1..3]));
        drop(listed(&names[3..]));
        let committed = WrittenFile { path: names[3].clone(), ..WrittenFile::default() };
        table.commit(Commit { added: vec![committed], ..Commit::default() }).await.unwrap();
        lake.open_or_create(layout::SIGHTINGS).await.unwrap();
        let left: Vec<bool> = names.iter().map(|name| tables.join(name).exists()).collect();
        assert_eq!(left, [true, false, false, true]);
        let lists = || {
            fs::read_dir(&tables)
                .unwrap()
                .flatten()
                .filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX))
                .count()
        };
        assert_eq!(lists(), 1);
        living.settle();
        drop(living);
        assert_eq!(lists(), 0);
        assert!(tables.join(&names[0]).exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_of_a_process_that_was_killed_right_after_its_commit_stay_for_one_who_has_not_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
        let mut table = lake.open_or_create(layout::SIGHTINGS).await.unwrap();
        let mut behind = table.clone();
        let tables = folder.path().join(layout::SIGHTINGS);
        let name = format!("sightings-{:032x}.parquet", 7);
        fs::write(tables.join(&name), "rows").unwrap();
        let writing = Writing::new(tables.clone(), table.version());
        writing.note(&name).unwrap();
        drop(writing);
        let committed = WrittenFile { path: name.clone(), size_bytes: 4, ..WrittenFile::default() };
        table.commit(Commit { added: vec![committed], ..Commit::default() }).await.unwrap();
        let now = chrono::Utc::now() + chrono::TimeDelta::days(30);
        let found = behind.leavings(now, now).await.unwrap();
        assert!(found.files.iter().all(|file| file.path != name), "{found:?}");
        behind.clear_written().await;
        assert!(tables.join(&name).exists());
    }

    #[test]
    fn a_list_goes_with_its_files_and_stays_where_they_stay() {
        let folder = tempfile::tempdir().unwrap();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let writing = Writing::new(folder.path().to_owned(), 1);
        writing.note("a.parquet").unwrap();
        assert_eq!(count(), 1);
        drop(writing);
        assert_eq!(count(), 0, "the file was removed, or never made");
        let writing = Writing::new(folder.path().to_owned(), 1);
        writing.note("a.parquet").unwrap();
        fs::write(folder.path().join("a.parquet"), "rows").unwrap();
        drop(writing);
        assert_eq!(count(), 2);
    }
}

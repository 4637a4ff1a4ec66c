//! Which files of a table's folder belong to which version, and which to none.
//!
//! A data file leaves the table when a version no longer has it, and stays in the folder for the readers of earlier versions; the files of a run that
//! was killed belong to no version at all. What may go is decided in this order: the folder is listed, then the lists of processes that
//! write ([`super::writing`]), and only then the log is read. So a file that was listed and whose process has ended is in the log that is read, or it
//! is in no version and never will be.
//!
//! A file that no list and no version names may be one that a program of another kind, or on another machine, is about to commit. It counts as
//! left behind only a day after it was written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path as FsPath;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::damage;
use super::history::{CONCURRENT_READS, commit_version};
use super::index;
use super::layout::{self, Version};
use super::store;
use super::table::Table;
use super::travel::version_at;
use super::writing::Lists;
use crate::error::{Error, Result, io_error};

/// How long a file that nothing names may still be one that is about to be committed.
const UNNAMED_TIME: TimeDelta = TimeDelta::hours(24);

/// The name of the application transaction whose version is the oldest one that vacuums kept all files of.
const KEPT_FROM: &str = "sessionlake:kept-from";

/// Why a file may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Versions had it that are not kept any more.
    OldVersions,
    /// A run wrote it and was killed before it committed: no version has it, or will.
    NoVersion,
    /// A part of a file that was being put in its place when its process was killed.
    Unfinished,
}

/// A file that may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// The path from the table's folder.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// Why it may go.
    pub why: Why,
}

/// The files of a table's folder that may go, and what is known of the others that no version has.
#[derive(Debug, Clone, Default)]
pub struct Leavings {
    /// The oldest version that is kept with all of its files.
    pub kept_from: Version,
    /// The files that may go, in the order of their paths.
    pub files: Vec<Leaving>,
    /// Files of runs that are under way.
    pub under_way: u64,
    /// Files that nothing names and that are not a day old.
    pub young: u64,
    /// Files that no program names so that writes Delta tables: somebody's own.
    pub unknown: Vec<String>,
}

/// A file as its folder has it.
struct Found {
    path: String,
    bytes: u64,
    modified: DateTime<Utc>,
}

/// An action of a commit, as far as it names a file.
#[derive(Deserialize)]
struct Named {
    add: Option<Pathed>,
    remove: Option<Pathed>,
}

#[derive(Deserialize)]
struct Pathed {
    path: String,
}

impl Table {
    /// Moves to the newest version and finds the files that may go: those that were in no version since `kept_since`, and those that killed runs
    /// left. `now` is the present instant.
    ///
    /// # Errors
    /// Storage errors; a log that lacks commits since `kept_since`.
    pub async fn leavings(&mut self, kept_since: DateTime<Utc>, now: DateTime<Utc>) -> Result<Leavings> {
        let found = self.list_folder().await?;
        let lists = self.lists_of_writers()?;
        self.refresh().await?;
        let history = self.history().await?;
        let Some(first) = history.first() else {
            return Err(Error::storage(format!("{}: {}/_delta_log", self.lake, self.name), "the log has no commits"));
        };
        let kept_from = version_at(&history, kept_since).unwrap_or(first.version);
        let known: HashSet<Version> = history.iter().map(|entry| entry.version).collect();
        if let Some(missing) = (kept_from + 1..=self.version()).find(|version| !known.contains(version)) {
            return Err(Error::storage(
                format!("{}: {}/_delta_log", self.lake, self.name),
                format!("commit {missing} is not there, so that nobody can tell which files versions since then have"),
            ));
        }
        let live = self.files()?.paths();
        let mut candidates: BTreeMap<String, Found> =
            found.into_iter().filter(|file| !live.contains(&file.path)).map(|file| (file.path.clone(), file)).collect();
        let named = self.named_in_log(&candidates).await?;
        candidates.retain(|path, _| named.get(path).is_none_or(|last| *last <= kept_from));
        let abandoned = self.abandoned(&lists).await?;
        let indexed = match candidates.keys().any(|path| is_of_index(path)) {
            true => self.index_files().await,
            false => HashSet::new(),
        };
        candidates.retain(|path, _| !indexed.contains(path));
        let oldest = now - UNNAMED_TIME;
        let mut leavings = Leavings { kept_from, ..Leavings::default() };
        for (path, file) in candidates {
            let why = match file_name(&path) {
                _ if named.contains_key(&path) => Why::OldVersions,
                _ if lists.under_way.contains(&path) => {
                    leavings.under_way += 1;
                    continue;
                }
                _ if abandoned.contains(&path) => Why::NoVersion,
                name if is_staged(name) => Why::Unfinished,
                name if is_data_file(name) || (is_of_index(&path) && index::is_segment(name)) => Why::NoVersion,
                _ => {
                    leavings.unknown.push(path);
                    continue;
                }
            };
            if why != Why::OldVersions && !abandoned.contains(&path) && file.modified > oldest {
                leavings.young += 1;
                continue;
            }
            leavings.files.push(Leaving { path, bytes: file.bytes, modified: file.modified, why });
        }
        Ok(leavings)
    }

    /// Removes files that may go; those that are gone already count too. Returns which were removed, and the first error with how many others
    /// there were: what cannot be removed stays.
    pub async fn remove_leavings(&self, files: &[Leaving]) -> (Vec<Leaving>, Option<Error>) {
        let (store, mut removed, mut errors) = (self.store(), Vec::new(), Vec::new());
        for file in files {
            let outcome = match &self.folder {
                Some(folder) => match fs::remove_file(folder.join(&file.path)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(&file.path)(error)),
                    _ => Ok(()),
                },
                None => match store.delete(&Path::from(file.path.as_str())).await {
                    Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => {
                        Err(Error::storage(file.path.clone(), error))
                    }
                    _ => Ok(()),
                },
            };
            match outcome {
                Ok(()) => removed.push(file.clone()),
                Err(error) => errors.push(error),
            }
        }
        // The lists of those files.
        self.clear_written().await;
        let count = errors.len();
        let error = errors.into_iter().next().map(|error| match count {
            1 => error,
            _ => {
                Error::storage(format!("{}/{}", self.lake, self.name), format!("{error}, and {} files more", count - 1))
            }
        });
        (removed, error)
    }

    /// Returns the oldest version that vacuums kept all files of: of earlier ones files may be gone.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn kept_from(&self) -> Result<Version> {
        let version = self.transaction_version(KEPT_FROM).await?;
        Ok(version.and_then(|version| Version::try_from(version).ok()).unwrap_or_default())
    }

    /// Returns what a commit has to say before files go that no version from `kept_from` on has: who makes an earlier version the newest again
    /// meets that commit, and computes anew.
    pub fn keeping_from(kept_from: Version) -> (String, i64) {
        (KEPT_FROM.to_owned(), i64::try_from(kept_from).unwrap_or(i64::MAX))
    }

    /// Removes the commits and checkpoints before the newest checkpoint, which has all that the table is: earlier versions are gone then, with their
    /// ledgers and with what their statistics say of values. Returns the number of files that went.
    ///
    /// # Errors
    /// A checkpoint of the loaded version that is not there or cannot be read; storage errors.
    pub async fn forget_log(&self) -> Result<u64> {
        let context = format!("{}: {}/_delta_log", self.lake, self.name);
        let (store, folder) = (self.delta.object_store(), Path::from("_delta_log"));
        let failed = |error: object_store::Error| Error::storage(context.clone(), error);
        let Some(newest) = damage::newest_sound_checkpoint(&store, self.version()).await.map_err(failed)? else {
            return Err(Error::storage(
                context,
                "there is no checkpoint that can be read, so that earlier commits have to stay",
            ));
        };
        let entries: Vec<Path> =
            store.list(Some(&folder)).map_ok(|meta| meta.location).try_collect().await.map_err(failed)?;
        let mut removed = 0;
        for path in entries {
            let digits = path.filename().and_then(|name| name.get(..20));
            let is_earlier = digits.is_some_and(|digits| {
                digits.bytes().all(|byte| byte.is_ascii_digit())
                    && digits.parse::<Version>().is_ok_and(|version| version < newest)
            });
            if is_earlier {
                store.delete(&path).await.map_err(failed)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Lists the files of the table's folder that may be data, and those that were being put into the log.
    async fn list_folder(&self) -> Result<Vec<Found>> {
        if let Some(folder) = &self.folder {
            let mut found = Vec::new();
            list_below(folder, "", &mut found)?;
            list_staged(&folder.join("_delta_log"), &mut found);
            let index = folder.join(layout::INDEX);
            if index.is_dir() {
                list_below(&index, &format!("{}/", layout::INDEX), &mut found)?;
            }
            return Ok(found);
        }
        let store = self.store();
        let context = || format!("{}/{}", self.lake, self.name);
        let mut entries = store.list(None);
        let mut found = Vec::new();
        let mut others = HashSet::new();
        while let Some(entry) = entries.try_next().await.map_err(|e| Error::storage(context(), e))? {
            let path = entry.location.to_string();
            if let Some((table, _)) = path.split_once("/_delta_log/") {
                others.insert(format!("{table}/"));
            }
            if is_of_index(&path) || !path.split('/').any(is_hidden) {
                found.push(Found { path, bytes: entry.size, modified: entry.last_modified });
            }
        }
        found.retain(|file| !others.iter().any(|table| file.path.starts_with(table)));
        Ok(found)
    }

    /// Finds the last version whose commit names each of these files, if one does.
    async fn named_in_log(&self, files: &BTreeMap<String, Found>) -> Result<HashMap<String, Version>> {
        let mut last: HashMap<String, Version> = HashMap::new();
        if files.is_empty() {
            return Ok(last);
        }
        let (store, context) = (self.store(), || format!("{}: {}/_delta_log", self.lake, self.name));
        let folder = Path::from("_delta_log");
        let commits: Vec<Path> = store
            .list(Some(&folder))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(|e| Error::storage(context(), e))?;
        let commits = commits.into_iter().filter_map(|path| Some((commit_version(&path)?, path)));
        let mut texts = futures::stream::iter(commits)
            .map(|(version, path)| {
                let store = &store;
                async move { Ok::<_, object_store::Error>((version, store.get(&path).await?.bytes().await?)) }
            })
            .buffer_unordered(CONCURRENT_READS);
        while let Some(read) = texts.next().await {
            let (version, text) = read.map_err(|e| Error::storage(context(), e))?;
            for line in serde_json::Deserializer::from_slice(&text).into_iter::<Named>() {
                let Named { add, remove } =
                    line.map_err(|e| Error::storage(format!("{}/{version:020}.json", context()), e))?;
                for Pathed { path } in add.into_iter().chain(remove) {
                    // The log escapes what is odd in a name.
                    let plain = Path::from_url_path(&path).map(|path| path.to_string()).unwrap_or_default();
                    for path in [path, plain] {
                        if files.contains_key(&path) {
                            let last = last.entry(path).or_default();
                            *last = version.max(*last);
                        }
                    }
                }
            }
        }
        Ok(last)
    }

    /// Finds the files of processes that have ended which no version has.
    async fn abandoned(&self, lists: &Lists) -> Result<HashSet<String>> {
        let mut abandoned = HashSet::new();
        for (version, names) in &lists.ended {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if let Some(committed) = self.named_since(*version, &names).await? {
                abandoned.extend(names.iter().filter(|name| !committed.contains(name)).map(|name| (*name).to_owned()));
            }
        }
        Ok(abandoned)
    }
}

/// Lists what is in a folder and those below it, but for hidden ones and other tables. Links are followed nowhere.
fn list_below(folder: &FsPath, prefix: &str, found: &mut Vec<Found>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        let entry = entry.map_err(io_error(folder))?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if is_hidden(&name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // It was removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error(entry.path())(error)),
        };
        if metadata.is_dir() && !entry.path().join("_delta_log").exists() {
            list_below(&entry.path(), &format!("{path}/"), found)?;
        } else if metadata.is_file() {
            let modified = metadata.modified().map_err(io_error(entry.path()))?.into();
            found.push(Found { path, bytes: metadata.len(), modified });
        }
    }
    Ok(())
}

/// Lists what was being put into the log.
fn list_staged(log: &FsPath, found: &mut Vec<Found>) {
    for entry in fs::read_dir(log).into_iter().flatten().flatten() {
        let (name, metadata) = (entry.file_name(), entry.metadata());
        let (Some(name), Ok(metadata)) = (name.to_str(), metadata) else { continue };
        if let (true, true, Ok(modified)) = (store::is_staged(name), metadata.is_file(), metadata.modified()) {
            found.push(Found { path: format!("_delta_log/{name}"), bytes: metadata.len(), modified: modified.into() });
        }
    }
}

/// Says whether a name is of what Delta's programs keep for themselves.
fn is_hidden(name: &str) -> bool {
    // Partitions may have names that begin so.
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// Says whether a file is in the folder of the index of session ids.
fn is_of_index(path: &str) -> bool {
    path.strip_prefix(layout::INDEX).is_some_and(|rest| rest.starts_with('/'))
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Says whether a file has a name as the writers of Delta tables make them: ours, or `part-`, a number and more.
fn is_data_file(name: &str) -> bool {
    let numbered =
        |name: &str| name.strip_prefix("part-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    layout::is_named_as_ours(name) || (name.ends_with(".parquet") && numbered(name))
}

/// Says whether a file is part of one that was being written: a data file's name with `#` and a number, or one of the log.
fn is_staged(name: &str) -> bool {
    let cut = name.rsplit_once('#');
    store::is_staged(name)
        || cut.is_some_and(|(whole, number)| is_data_file(whole) && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_as_writers_of_tables_make_them_are_data() {
        let ours = "ended-0123456789abcdef0123456789abcdef.parquet";
        for name in [ours, "part-00000-5c1b8a1e-1f2d-c000.snappy.parquet"] {
            assert!(is_data_file(name) && !is_staged(name), "{name}");
        }
        for name in ["notes.txt", "mine.parquet", "part-time.parquet", "part-00000.csv", "ended-01.parquet"] {
            assert!(!is_data_file(name) && !is_staged(name), "{name}");
        }
        assert!(is_staged(&format!("{ours}#1")) && !is_staged("notes.txt#1") && !is_staged(&format!("{ours}#x")));
        assert!(is_hidden("_index") && is_hidden(".writing-1") && !is_hidden("_day=1") && !is_hidden("day=1"));
    }
}

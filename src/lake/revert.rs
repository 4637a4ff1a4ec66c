//! What makes a version of a table the newest again: the files that come back, those that go, and the exports that are not taken in any more.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use deltalake::kernel::{Add, LogicalFileView};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path as StorePath;
use serde::Deserialize;

use super::history::CONCURRENT_READS;
use super::layout::Version;
use super::log::as_people_write;
use super::snapshot::DataFile;
use super::table::Table;
use super::travel::version_at;
use crate::error::{Error, Result};

/// What the names of application transactions begin with by which files that were taken in are known.
pub const TAKEN_IN: &str = "sessionlake:file:";
/// The version of an application transaction that counts no more.
const VOID: i64 = -1;
/// The name of the application transaction whose version is the newest one that rows were erased in.
const ERASED_IN: &str = "sessionlake:erased";

/// A file of an earlier version, as its log had it.
#[derive(Debug, Clone)]
pub struct Returning(pub(super) Add);

impl Returning {
    /// The path from the table's folder.
    pub fn path(&self) -> &str {
        &self.0.path
    }
}

/// What has to change for an earlier version to be the newest again.
#[derive(Debug, Default)]
pub struct Reversal {
    /// Files that come back.
    pub returning: Vec<Returning>,
    /// Files that go, with their bytes.
    pub removed: Vec<(String, u64)>,
    /// Exports that the earlier version has not taken in: names and versions of application transactions.
    pub marks: Vec<(String, i64)>,
}

impl Reversal {
    /// Says whether the versions have the same files.
    pub fn is_empty(&self) -> bool {
        self.returning.is_empty() && self.removed.is_empty()
    }
}

/// A line of a commit, as far as it says which exports were taken in.
#[derive(Deserialize)]
struct Line {
    txn: Option<Taken>,
}

/// A line of a commit, as far as it says which files came.
#[derive(Deserialize)]
struct AddingLine {
    add: Option<Added>,
}

#[derive(Deserialize)]
struct Added {
    path: String,
    size: u64,
}

#[derive(Deserialize)]
struct Taken {
    #[serde(rename = "appId")]
    name: String,
    version: i64,
}

impl Table {
    /// Computes what makes an earlier version the newest again, on top of the loaded version.
    ///
    /// # Errors
    /// A version that the log does not have, or of which files are gone; storage errors.
    pub async fn reversal_to(&self, version: Version) -> Result<Reversal> {
        let mut earlier = self.clone();
        earlier.travel_to_version(version).await?;
        let (wanted, present) = (earlier.added().await?, self.added().await?);
        let mut reversal = Reversal::default();
        for (path, add) in &wanted {
            if !present.get(path).is_some_and(|now| now.deletion_vector == add.deletion_vector) {
                reversal.returning.push(Returning(add.clone()));
            }
        }
        for (path, add) in &present {
            if !wanted.get(path).is_some_and(|then| then.deletion_vector == add.deletion_vector) {
                reversal.removed.push((path.clone(), u64::try_from(add.size).unwrap_or_default()));
            }
        }
        reversal.returning.sort_by(|a, b| a.path().cmp(b.path()));
        reversal.removed.sort();
        self.require_there(version, &reversal.returning).await?;
        if !reversal.is_empty() {
            reversal.marks = self.taken_in_since(version).await?;
        }
        Ok(reversal)
    }

    /// Returns the newest version that rows were erased in.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn erased_in(&self) -> Result<Option<Version>> {
        let version = self.transaction_version(ERASED_IN).await?;
        Ok(version.and_then(|version| Version::try_from(version).ok()))
    }

    /// Returns what a commit says that erases rows, on top of the loaded version.
    pub fn erasing(&self) -> (String, i64) {
        (ERASED_IN.to_owned(), i64::try_from(self.version() + 1).unwrap_or(i64::MAX))
    }

    /// Returns what the log says of the loaded version's files.
    async fn added(&self) -> Result<HashMap<String, Add>> {
        let state = self.eager().await?;
        #[expect(deprecated, reason = "nothing else has all that the log says of a file")]
        let added = |view: LogicalFileView| {
            let add = view.add_action();
            (add.path.clone(), add)
        };
        Ok(state.log_data().iter().map(added).collect())
    }

    /// Refuses a version that has files which are not there any more.
    async fn require_there(&self, version: Version, files: &[Returning]) -> Result<()> {
        let location = |path: &str| StorePath::parse(path).unwrap_or_else(|_| StorePath::from(path));
        let sized = |add: &Add| (location(&add.path), u64::try_from(add.size).unwrap_or_default());
        let gone = self.gone(files.iter().map(|Returning(add)| sized(add)).collect()).await?;
        match gone.first() {
            None => Ok(()),
            Some(first) => Err(Error::NotFound {
                message: format!(
                    "version {version} of {} cannot come back: {} of the files that it had are gone, {}/{first} among them",
                    self.lake,
                    gone.len(),
                    self.name
                ),
                hint: Some(self.kept_hint().await),
            }),
        }
    }

    /// Refuses to read files of an earlier version that are not there any more: a vacuum of another program says nothing in the log.
    ///
    /// # Errors
    /// Files that are gone; storage errors.
    pub async fn require_kept(&self, version: Version, files: &[DataFile]) -> Result<()> {
        let gone = self.gone(files.iter().map(|file| (file.location(), file.size_bytes)).collect()).await?;
        match gone.first() {
            None => Ok(()),
            Some(first) => Err(Error::NotFound {
                message: format!("version {version} of {} is gone: {}/{first} is not there", self.lake, self.name),
                hint: Some(self.kept_hint().await),
            }),
        }
    }

    /// Names those of these files, given with their sizes, that are not there.
    async fn gone(&self, files: Vec<(StorePath, u64)>) -> Result<Vec<StorePath>> {
        let store = self.store();
        let gone: Vec<Option<StorePath>> = futures::stream::iter(files)
            .map(|(location, size)| {
                let store = &store;
                async move {
                    match store.head(&location).await {
                        Ok(meta) if meta.size == size => Ok(None),
                        Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(Some(location)),
                        Err(error) => Err(Error::storage(location.to_string(), error)),
                    }
                }
            })
            .buffered(CONCURRENT_READS)
            .try_collect()
            .await?;
        Ok(gone.into_iter().flatten().collect())
    }

    async fn kept_hint(&self) -> String {
        match self.kept_from().await {
            Ok(0) | Err(_) => {
                "only a copy of the lake has them; see select * from lake_history for other versions".to_owned()
            }
            Ok(kept_from) => format!("vacuum kept the versions from {kept_from} on"),
        }
    }

    /// Refuses an earlier version, which is loaded, if a vacuum removed files of it. `newest` has the paths of the newest version.
    pub(super) async fn refuse_vacuumed(&self, kept_from: Version, newest: &HashSet<String>) -> Result<()> {
        let version = self.version();
        let mut gone = self.files()?.paths();
        gone.retain(|path| !newest.contains(path));
        if gone.is_empty() {
            return Ok(());
        }
        let mut kept = self.clone();
        if kept.load_at(Some(kept_from)).await.is_ok() {
            let kept = kept.files()?.paths();
            gone.retain(|path| !kept.contains(path));
        }
        match gone.is_empty() {
            true => Ok(()),
            false => Err(Error::NotFound {
                message: format!("version {version} of {} is gone: vacuum removed files of it", self.lake),
                hint: Some(format!("versions from {kept_from} on are kept; see select * from lake_history")),
            }),
        }
    }

    /// Lists the data files that some version had since an instant, the one that was the newest then included, and that the loaded version has not;
    /// those among them that a vacuum removed are left out. Of those that came and went since, path and size alone are known.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn files_gone_since(&self, instant: DateTime<Utc>) -> Result<Vec<DataFile>> {
        let history = self.history().await?;
        let Some(from) = version_at(&history, instant).or_else(|| history.first().map(|entry| entry.version)) else {
            return Ok(Vec::new());
        };
        let mut earlier = self.clone();
        // Some of its files may be gone, and of its part of the log what is not read here; the others tell as much as before.
        let mut files: Vec<DataFile> = match earlier.load_at(Some(from)).await {
            Ok(()) => earlier.snapshot()?.files.to_vec(),
            Err(_) => Vec::new(),
        };
        let log_store = self.delta.log_store();
        for version in from + 1..=self.version() {
            let context = || format!("{}: {}/_delta_log/{version:020}.json", self.lake, self.name);
            let text = log_store.read_commit_entry(version).await.map_err(|e| Error::storage(context(), e))?;
            for line in serde_json::Deserializer::from_slice(&text.unwrap_or_default()).into_iter::<AddingLine>() {
                if let Some(Added { path, size }) = line.map_err(|e| Error::storage(context(), e))?.add {
                    let path = as_people_write(&path).into_owned();
                    files.push(DataFile { path, size_bytes: size, ..DataFile::default() });
                }
            }
        }
        let present = self.files()?.paths();
        files.retain(|file| !present.contains(&file.path));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let store = self.store();
        let mut there = Vec::new();
        for file in files {
            match store.head(&file.location()).await {
                Ok(meta) if meta.size == file.size_bytes => there.push(file),
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::storage(file.path, error)),
            }
        }
        Ok(there)
    }

    /// Lists the exports that were taken in after a version, as a commit says that they are not.
    async fn taken_in_since(&self, version: Version) -> Result<Vec<(String, i64)>> {
        let log_store = self.delta.log_store();
        let mut names = HashSet::new();
        let context = |version: Version| format!("{}: {}/_delta_log/{version:020}.json", self.lake, self.name);
        for version in version + 1..=self.version() {
            let text = log_store.read_commit_entry(version).await.map_err(|e| Error::storage(context(version), e))?;
            let text = text.ok_or_else(|| Error::storage(context(version), "the commit is not there"))?;
            for line in serde_json::Deserializer::from_slice(&text).into_iter::<Line>() {
                match line.map_err(|e| Error::storage(context(version), e))?.txn {
                    Some(Taken { name, version: VOID }) => drop(names.remove(&name)),
                    Some(Taken { name, .. }) if name.starts_with(TAKEN_IN) => drop(names.insert(name)),
                    _ => {}
                }
            }
        }
        let mut marks: Vec<_> = names.into_iter().map(|name| (name, VOID)).collect();
        marks.sort();
        Ok(marks)
    }
}

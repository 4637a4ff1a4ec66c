//! What commits put in the place of files: the rows that a table no longer has are those of the files that went and not of those that came. And which
//! commits led to a version.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::history::{CONCURRENT_READS, HistoryEntry};
use super::layout::Version;
use super::log::as_people_write;
use super::snapshot::DataFile;
use super::table::Table;
use super::travel::version_at;
use crate::error::{Error, Result};

/// The application transaction of a commit that takes records out of the quarantine, whose version is that of the sessions that have them.
const STORED_IN: &str = "sessionlake:stored-in";

/// Files that a commit took out, and those that it put in their place.
#[derive(Debug)]
pub struct Replaced {
    /// The version that the commit made.
    pub version: Version,
    /// When it was committed.
    pub committed_at: Option<DateTime<Utc>>,
    /// The version of the sessions that have what went, if the commit says so.
    pub stored_in: Option<Version>,
    /// Files that went. Their paths and sizes are known, and nothing else.
    pub removed: Vec<DataFile>,
    /// Files that came, known in the same way.
    pub added: Vec<DataFile>,
}

/// The versions that led to one of them: what a restore left out does not count.
#[derive(Debug)]
pub struct Lineage {
    history: Vec<HistoryEntry>,
    versions: HashSet<Version>,
}

impl Lineage {
    fn of(history: Vec<HistoryEntry>, newest: Version) -> Self {
        let restored: HashMap<Version, Version> =
            history.iter().filter_map(|entry| Some((entry.version, entry.restored?))).collect();
        let mut versions = HashSet::new();
        let mut next = Some(newest);
        let first = history.first().map(|entry| entry.version).unwrap_or_default();
        while let Some(version) = next.filter(|version| *version >= first && versions.insert(*version)) {
            next = restored.get(&version).copied().or_else(|| version.checked_sub(1));
        }
        Self { history, versions }
    }

    /// Says whether a version is one of them. Of those before the oldest one in the log nothing is known, and they count as such.
    pub fn has(&self, version: Version) -> bool {
        self.versions.contains(&version) || self.history.first().is_none_or(|first| version < first.version)
    }

    /// Finds the version that was the newest at an instant.
    pub fn newest_at(&self, instant: DateTime<Utc>) -> Option<Version> {
        version_at(&self.history, instant)
    }
}

/// A line of a commit, as far as it says what became of files, and why.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<Mentioned>,
    remove: Option<Mentioned>,
    txn: Option<Mark>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    app_id: String,
    version: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mentioned {
    path: String,
    size: Option<u64>,
    #[serde(default = "changes")]
    data_change: bool,
}

fn changes() -> bool {
    true
}

impl Mentioned {
    fn file(self) -> DataFile {
        let path = as_people_write(&self.path).into_owned();
        DataFile { path, size_bytes: self.size.unwrap_or_default(), ..DataFile::default() }
    }
}

impl Table {
    /// Lists what commits of this name put in the place of files, oldest first. Commits that keep all rows are left out.
    ///
    /// # Errors
    /// A commit that cannot be read; storage errors.
    pub async fn replaced_by(&self, operation: &str) -> Result<Vec<Replaced>> {
        let log_store = self.delta.log_store();
        let entries = self.history().await?.into_iter().filter(|entry| entry.operation == operation);
        let replaced = futures::stream::iter(entries).map(|HistoryEntry { version, committed_at, .. }| {
            let log_store = &log_store;
            async move {
                let context = || format!("{}: {}/_delta_log/{version:020}.json", self.lake, self.name);
                let text = log_store.read_commit_entry(version).await.map_err(|e| Error::storage(context(), e))?;
                let mut replaced =
                    Replaced { version, committed_at, stored_in: None, removed: Vec::new(), added: Vec::new() };
                for line in serde_json::Deserializer::from_slice(&text.unwrap_or_default()).into_iter::<Line>() {
                    let line = line.map_err(|e| Error::storage(context(), e))?;
                    replaced.added.extend(line.add.map(Mentioned::file));
                    replaced.removed.extend(line.remove.filter(|file| file.data_change).map(Mentioned::file));
                    let mark = line.txn.filter(|mark| mark.app_id == STORED_IN);
                    replaced.stored_in = mark.map(|mark| mark.version).or(replaced.stored_in);
                }
                Ok::<_, Error>(replaced)
            }
        });
        let replaced: Vec<Replaced> = replaced.buffered(CONCURRENT_READS).try_collect().await?;
        Ok(replaced.into_iter().filter(|replaced| !replaced.removed.is_empty()).collect())
    }

    /// Returns what a commit says that takes records out which this version of the sessions has.
    pub fn stored_in(sessions: Version) -> (String, i64) {
        (STORED_IN.to_owned(), i64::try_from(sessions).unwrap_or(i64::MAX))
    }

    /// Returns the versions that led to one that is not newer than the loaded one.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn lineage(&self, version: Version) -> Result<Lineage> {
        Ok(Lineage::of(self.history().await?, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_a_restore_left_out_led_to_none_behind_it_until_they_are_restored() {
        // 4 is 1 again, and 7 is 3 again.
        let entry = |version| HistoryEntry {
            version,
            committed_at: None,
            operation: String::new(),
            restored: [(4, 1), (7, 3)].into_iter().find(|(at, _)| *at == version).map(|(_, to)| to),
            ledger: None,
            upkeep: None,
        };
        let led = |newest: Version| {
            let lineage = Lineage::of((1..=8).map(entry).collect(), newest);
            (0..=8).filter(|version| lineage.has(*version)).collect::<Vec<_>>()
        };
        assert_eq!(led(3), [0, 1, 2, 3]);
        assert_eq!(led(6), [0, 1, 4, 5, 6]);
        assert_eq!(led(8), [0, 1, 2, 3, 7, 8]);
    }
}

//! What commits put in the place of files: the rows that a table no longer has are those of the files that went and not of those that came.

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::layout::Version;
use super::snapshot::DataFile;
use super::table::Table;
use super::travel::version_at;
use crate::error::{Error, Result};

/// Files that a commit took out, and those that it put in their place.
#[derive(Debug, Default)]
pub struct Replaced {
    /// Files that went. Their paths and sizes are known, and nothing else.
    pub removed: Vec<DataFile>,
    /// Files that came, known in the same way.
    pub added: Vec<DataFile>,
}

/// A line of a commit, as far as it says what became of files, and why.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    commit_info: Option<Info>,
    add: Option<Mentioned>,
    remove: Option<Mentioned>,
}

#[derive(Deserialize)]
struct Info {
    operation: Option<String>,
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
        let path = percent_decode_str(&self.path).decode_utf8_lossy().into_owned();
        DataFile { path, size_bytes: self.size.unwrap_or_default(), ..DataFile::default() }
    }
}

impl Table {
    /// Lists what the commits after an instant put in the place of files, oldest first. Commits that keep all rows are left out, and so are those
    /// that are not called by this name.
    ///
    /// # Errors
    /// A commit that cannot be read, or is not in the log any more; storage errors.
    pub async fn replaced_since(&self, instant: DateTime<Utc>, operation: &str) -> Result<Vec<Replaced>> {
        let history = self.history().await?;
        let first = match version_at(&history, instant) {
            Some(version) => version + 1,
            None => history.first().map(|entry| entry.version).unwrap_or_default(),
        };
        let log_store = self.delta.log_store();
        let mut found = Vec::new();
        for version in first..=self.version() {
            let context = || format!("{}: {}/_delta_log/{version:020}.json", self.lake, self.name);
            let text = log_store.read_commit_entry(version).await.map_err(|e| Error::storage(context(), e))?;
            let text = text.ok_or_else(|| Error::storage(context(), "the commit is not there"))?;
            let (mut replaced, mut named) = (Replaced::default(), false);
            for line in serde_json::Deserializer::from_slice(&text).into_iter::<Line>() {
                let line = line.map_err(|e| Error::storage(context(), e))?;
                named |= line.commit_info.is_some_and(|info| info.operation.as_deref() == Some(operation));
                replaced.added.extend(line.add.map(Mentioned::file));
                replaced.removed.extend(line.remove.filter(|file| file.data_change).map(Mentioned::file));
            }
            if named && !replaced.removed.is_empty() {
                found.push(replaced);
            }
        }
        Ok(found)
    }

    /// Says whether a commit after a version, up to the loaded one, made an earlier version the newest again.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn was_restored_since(&self, version: Version) -> Result<bool> {
        Ok(self.history().await?.iter().any(|entry| entry.version > version && entry.operation == "RESTORE"))
    }
}

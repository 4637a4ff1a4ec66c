//! What the log's commits say of themselves.
//!
//! Versions come from the names of the log's files, never from counting: the oldest commits may have been cleaned up behind a
//! checkpoint, and other engines may leave out `commitInfo`.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::layout::Version;
use super::table::Table;
use crate::error::{Error, Result};

/// The key under which a commit carries the ledger of its ingest.
pub(super) const LEDGER_KEY: &str = "sessionlake.ledger";
/// The key under which a commit carries what an upkeep did.
pub(super) const UPKEEP_KEY: &str = "sessionlake.upkeep";
/// The key under which a commit carries a random text, by which the writer knows it for its own.
pub(super) const TOKEN_KEY: &str = "sessionlake.commit";
/// Commits read at once.
pub(super) const CONCURRENT_READS: usize = 16;

/// One commit of the log, as it says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The version that the commit made.
    pub version: Version,
    /// When it was made: as it says itself, or else when its file was written.
    pub committed_at: Option<DateTime<Utc>>,
    /// The operation, as Delta names it; empty where another engine did not say.
    pub operation: String,
    /// The version that it made the newest again.
    pub restored: Option<Version>,
    /// The ledger of the ingest that made it, as JSON.
    pub ledger: Option<Value>,
    /// What an upkeep did that made it, as JSON.
    pub upkeep: Option<Value>,
}

/// A line of a commit, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "commitInfo")]
    commit_info: Option<Map<String, Value>>,
}

/// A line of a commit, where the names of application transactions are looked for.
#[derive(Deserialize)]
struct TransactionLine {
    txn: Option<Named>,
}

/// An application transaction, as a commit has it.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "appId")]
    name: String,
}

impl Table {
    /// Lists the commits up to the loaded version that are still in the log, oldest first.
    ///
    /// # Errors
    /// Storage errors, and a commit that cannot be read.
    pub async fn history(&self) -> Result<Vec<HistoryEntry>> {
        let store = self.store();
        let mut commits: Vec<(Version, ObjectMeta)> = Vec::new();
        let mut listing = store.list(Some(&Path::from("_delta_log")));
        while let Some(meta) = listing.try_next().await.map_err(|e| self.log_error(e))? {
            if let Some(version) = commit_version(&meta.location).filter(|version| *version <= self.version()) {
                commits.push((version, meta));
            }
        }
        drop(listing);
        commits.sort_unstable_by_key(|(version, _)| *version);
        futures::stream::iter(commits)
            .map(|(version, meta)| self.entry(&store, version, meta))
            .buffered(CONCURRENT_READS)
            .try_collect()
            .await
    }

    /// Returns the names of application transactions, each with its version, of the versions of this stretch whose commits are in the log.
    ///
    /// # Errors
    /// Storage errors, and a commit that cannot be read.
    pub async fn transactions_between(&self, first: Version, last: Version) -> Result<Vec<(String, Version)>> {
        let log_store = self.delta.log_store();
        let mut found = Vec::new();
        for version in first..=last {
            let text = log_store.read_commit_entry(version).await.map_err(|e| self.log_error(e))?;
            for line in serde_json::Deserializer::from_slice(&text.unwrap_or_default()).into_iter::<TransactionLine>() {
                let named =
                    line.map_err(|e| Error::storage(format!("{}: version {version} of the log", self.lake), e))?;
                found.extend(named.txn.map(|named| (named.name, version)));
            }
        }
        Ok(found)
    }

    pub(super) async fn entry(
        &self,
        store: &std::sync::Arc<dyn ObjectStore>,
        version: Version,
        meta: ObjectMeta,
    ) -> Result<HistoryEntry> {
        let answer = store.get(&meta.location).await.map_err(|e| self.log_error(e))?;
        let info = streamed_info(answer.into_stream()).await.map_err(|e| self.log_error(e))?;
        let info = info
            .map_err(|e| Error::storage(format!("{}: version {version} of the log", self.lake), e))?
            .unwrap_or_default();
        let instant = |key: &str| info.get(key).and_then(Value::as_i64).and_then(DateTime::from_timestamp_millis);
        let operation = info.get("operation").and_then(Value::as_str).unwrap_or_default().to_owned();
        let restored = match operation.as_str() {
            "RESTORE" => info.get("operationParameters").and_then(|parameters| parameters.get("version")),
            _ => None,
        };
        Ok(HistoryEntry {
            version,
            committed_at: instant("inCommitTimestamp").or(instant("timestamp")).or(Some(meta.last_modified)),
            operation,
            // Some writers make texts of all parameters.
            restored: restored.and_then(|version| version.as_u64().or_else(|| version.as_str()?.parse().ok())),
            ledger: info.get(LEDGER_KEY).cloned(),
            upkeep: info.get(UPKEEP_KEY).cloned(),
        })
    }

    /// Finds the version after `base` that carries this token.
    pub(super) async fn version_of_commit(&self, token: &str, base: Version) -> Result<Option<Version>> {
        let log_store = self.delta.log_store();
        for version in base + 1.. {
            let text = log_store.read_commit_entry(version).await;
            let Some(text) = text.map_err(|e| self.log_error(e))? else { break };
            let info = commit_info(&text).map_err(|e| self.log_error(e))?;
            if info.is_some_and(|info| info.get(TOKEN_KEY).and_then(Value::as_str) == Some(token)) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    fn log_error(&self, error: impl Into<crate::error::Cause>) -> Error {
        Error::storage(format!("{}: log of {}", self.lake, self.name), error)
    }
}

/// Reads the version from the name of a commit's file; checkpoints and other files of the log have none.
pub(super) fn commit_version(location: &Path) -> Option<Version> {
    let digits = location.filename()?.strip_suffix(".json")?;
    let is_version = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then(|| digits.parse().ok()).flatten()
}

/// Finds what a commit says of itself, of which no more is read than it takes where that is the first action, as deltalake writes it: a commit
/// of many files is many megabytes.
async fn streamed_info(
    mut parts: BoxStream<'static, object_store::Result<Bytes>>,
) -> object_store::Result<serde_json::Result<Option<Map<String, Value>>>> {
    let (mut text, mut looked_at_first) = (Vec::new(), false);
    while let Some(part) = parts.try_next().await? {
        text.extend_from_slice(&part);
        let first = match looked_at_first {
            true => None,
            false => memchr::memchr(b'\n', &text).and_then(|end| text.get(..end)),
        };
        if let Some(first) = first {
            looked_at_first = true;
            if let Ok(Some(info)) = commit_info(first) {
                return Ok(Ok(Some(info)));
            }
        }
    }
    Ok(commit_info(&text))
}

/// Finds what a commit says of itself among its actions.
pub(super) fn commit_info(text: &[u8]) -> serde_json::Result<Option<Map<String, Value>>> {
    for line in serde_json::Deserializer::from_slice(text).into_iter::<Line>() {
        if let Some(info) = line?.commit_info {
            return Ok(Some(info));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_is_found_by_its_token_and_only_after_its_base() {
        let folder = tempfile::tempdir().unwrap();
        let lake = crate::lake::Lake::at(folder.path().to_str().unwrap()).unwrap();
        let mut table = lake.open_or_create(crate::lake::layout::SIGHTINGS).await.unwrap();
        for _ in 0..2 {
            table.commit(crate::lake::Commit::default()).await.unwrap();
        }
        let text = table.delta.log_store().read_commit_entry(1).await.unwrap().unwrap();
        let token = commit_info(&text).unwrap().unwrap()[TOKEN_KEY].as_str().unwrap().to_owned();
        assert_eq!(table.version_of_commit(&token, 0).await.unwrap(), Some(1));
        assert_eq!(table.version_of_commit(&token, 1).await.unwrap(), None);
        assert_eq!(table.version_of_commit("another", 0).await.unwrap(), None);
    }

    #[tokio::test]
    async fn no_more_of_a_commit_is_read_than_what_it_says_of_itself() {
        let info = "{\"commitInfo\":{\"operation\":\"WRITE\"}}\n";
        let parts = |parts: &[&str]| {
            let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from((*part).to_owned()))).collect();
            let ends = object_store::Error::NotFound { path: "the end".to_owned(), source: "read".into() };
            futures::stream::iter(parts).chain(futures::stream::iter([Err(ends)])).boxed()
        };
        let (first, rest) = info.split_at(12);
        let found = streamed_info(parts(&[first, rest, "{\"add\":"])).await.unwrap().unwrap().unwrap();
        assert_eq!(found["operation"], "WRITE");
        assert!(streamed_info(parts(&["{\"add\":{}}\n", info])).await.is_err(), "what stands behind is looked for");
    }

    #[test]
    fn only_commits_have_a_version() {
        let version = |name: &str| commit_version(&Path::from(format!("_delta_log/{name}")));
        assert_eq!(version("00000000000000000012.json"), Some(12));
        for other in
            ["00000000000000000012.checkpoint.parquet", "_last_checkpoint", "12.json", "0000000000000000001x.json"]
        {
            assert_eq!(version(other), None, "{other}");
        }
        // More than 64 bits hold.
        assert_eq!(version("99999999999999999999.json"), None);
    }

    #[test]
    fn a_commit_without_information_has_none_and_a_torn_one_is_an_error() {
        assert_eq!(commit_info(b"{\"add\":{\"path\":\"x\"}}\n{\"txn\":{}}\n").unwrap(), None);
        let info = commit_info(b"{\"add\":{}}\n{\"commitInfo\":{\"operation\":\"WRITE\"}}").unwrap().unwrap();
        assert_eq!(info["operation"], "WRITE");
        assert!(commit_info(b"{\"add\":{\"pa").is_err());
        assert_eq!(commit_info(b"").unwrap(), None);
    }
}

//! Moves a table to an earlier version, by its number or by time.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::history::HistoryEntry;
use super::layout::Version;
use super::table::{Table, delta_error};
use crate::error::{Error, Result};

impl Table {
    /// Moves to this version.
    ///
    /// # Errors
    /// A version that the log does not have; storage errors.
    pub async fn travel_to_version(&mut self, version: Version) -> Result<()> {
        let newest =
            self.delta.log_store().get_latest_version(self.version()).await.map_err(|e| delta_error(&self.lake, e))?;
        if version > newest {
            return Err(Error::NotFound {
                message: format!("{} has no version {version}", self.lake),
                hint: Some(format!("the newest is {newest}; see select * from lake_history")),
            });
        }
        if self.hidden.is_blurred(version) {
            return Err(Error::NotFound {
                message: format!(
                    "the log of {} has version {version} only together with later ones, in a compacted file",
                    self.lake
                ),
                hint: Some("see select * from lake_history for the others".to_owned()),
            });
        }
        let kept_from = self.kept_from().await?;
        let newest_files = if version < kept_from { self.files()?.paths() } else { HashSet::new() };
        let newest = self.clone();
        if let Err(error) = self.load_at(Some(version)).await {
            let first = newest.history().await?.first().map(|entry| entry.version);
            if let Some(first) = first.filter(|first| version < *first) {
                return Err(Error::NotFound {
                    message: format!("version {version} of {} is gone: its part of the log was removed", self.lake),
                    hint: Some(format!("the oldest is {first}; see select * from lake_history")),
                });
            }
            self.read_on(Some(version), error).await?;
        }
        if version < kept_from {
            self.refuse_vacuumed(kept_from, &newest_files).await?;
        }
        self.refuse_lost_actions().await
    }

    /// Moves to the newest version that was committed at or before this instant. Where the times of commits run backwards, a commit counts as
    /// made a millisecond after the one before it, which is the rule of Delta's own readers.
    ///
    /// # Errors
    /// An instant before the first version; storage errors.
    pub async fn travel_to_time(&mut self, instant: DateTime<Utc>) -> Result<()> {
        let history = self.history().await?;
        let found = version_at(&history, instant);
        match found {
            Some(version) => self.travel_to_version(version).await,
            None => Err(Error::NotFound {
                message: format!("{} has no version of {} or earlier", self.lake, instant.to_rfc3339()),
                hint: Some("see select * from lake_history".to_owned()),
            }),
        }
    }
}

/// Finds the version that was the newest at an instant; the entries are in the order of their versions.
pub(super) fn version_at(history: &[HistoryEntry], instant: DateTime<Utc>) -> Option<Version> {
    let mut last: Option<DateTime<Utc>> = None;
    let mut found = None;
    for entry in history {
        let earliest = last.map(|last| last + TimeDelta::milliseconds(1));
        let Some(made) = entry.committed_at.max(earliest) else { continue };
        if made > instant {
            break;
        }
        (last, found) = (Some(made), Some(entry.version));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_commits_that_run_backwards_are_read_as_delta_does() {
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).unwrap();
        let history: Vec<HistoryEntry> = [Some(100), Some(300), Some(200), None, Some(301)]
            .into_iter()
            .enumerate()
            .map(|(version, seconds)| HistoryEntry {
                version: version as Version,
                committed_at: seconds.map(at),
                operation: String::new(),
                restored: None,
                ledger: None,
                upkeep: None,
            })
            .collect();
        let found = |instant: DateTime<Utc>| version_at(&history, instant);
        assert_eq!([99, 100, 250, 299].map(|seconds| found(at(seconds))), [None, Some(0), Some(0), Some(0)]);
        let after = |ms: i64| found(at(300) + TimeDelta::milliseconds(ms));
        assert_eq!([0, 1, 2, 999, 1_000].map(after), [Some(1), Some(2), Some(3), Some(3), Some(4)]);
    }
}

//! Keeps few of the old checkpoints of a log.
//!
//! A checkpoint is written every twenty versions and has all that the log has: of a lake that is fed every hour they would become larger than its
//! rows. The newest are for opening the lake, the old ones only for opening old versions sooner, which the commits alone give as well. So of
//! the old ones every thirty-second stays, and only where all commits are there: where another program removed some, a checkpoint stands for
//! them, and all stay.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::history::commit_version;
use super::layout::{CHECKPOINT_INTERVAL, Version};
use super::table::Table;

/// Of so many old checkpoints one stays, and so many new ones stay all.
const ONE_IN: Version = 32;

impl Table {
    /// Removes old checkpoints where it is due after a checkpoint of this version. What cannot be removed stays.
    pub(super) async fn thin_checkpoints(&self, version: Version) {
        if !is_kept(version) {
            return;
        }
        if let Err(error) = self.remove_checkpoints(version).await {
            tracing::warn!(table = self.name, version, %error, "old checkpoints stay");
        }
    }

    async fn remove_checkpoints(&self, newest: Version) -> object_store::Result<()> {
        let store = self.delta.object_store();
        let (mut commits, mut checkpoints) = (BTreeSet::new(), Vec::new());
        let mut listing = store.list(Some(&Path::from("_delta_log")));
        while let Some(meta) = listing.try_next().await? {
            if let Some(version) = commit_version(&meta.location) {
                commits.insert(version);
            } else if let Some(version) = meta.location.filename().and_then(whole_checkpoint) {
                checkpoints.push((version, meta.location));
            }
        }
        drop(listing);
        if commits.range(..=newest).count() as Version != newest + 1 {
            return Ok(());
        }
        for (version, location) in checkpoints {
            if version + ONE_IN * CHECKPOINT_INTERVAL < newest && !is_kept(version) {
                store.delete(&location).await?;
            }
        }
        Ok(())
    }
}

/// Says whether the checkpoint of a version stays for ever.
fn is_kept(version: Version) -> bool {
    (version + 1).is_multiple_of(ONE_IN * CHECKPOINT_INTERVAL)
}

/// Reads the version from the name of a checkpoint that is one file, as ours are.
fn whole_checkpoint(name: &str) -> Option<Version> {
    let digits = name.strip_suffix(".checkpoint.parquet")?;
    let is_version = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Lake, layout};

    #[tokio::test(flavor = "multi_thread")]
    async fn old_checkpoints_go_but_for_some_and_none_where_a_commit_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
        let table = lake.open_or_create(layout::SIGHTINGS).await.unwrap();
        let log = folder.path().join(layout::SIGHTINGS).join("_delta_log");
        let name = |version: Version| log.join(format!("{version:020}.checkpoint.parquet"));
        let newest = 3 * ONE_IN * CHECKPOINT_INTERVAL - 1;
        for version in 1..=newest {
            std::fs::write(log.join(format!("{version:020}.json")), "{}").unwrap();
        }
        let all: Vec<Version> = (1..=newest).filter(|v| (v + 1).is_multiple_of(CHECKPOINT_INTERVAL)).collect();
        all.iter().for_each(|version| std::fs::write(name(*version), "").unwrap());
        let left = || -> Vec<Version> { all.iter().copied().filter(|version| name(*version).exists()).collect() };
        table.thin_checkpoints(newest - CHECKPOINT_INTERVAL).await;
        assert_eq!(left(), all, "it is not due");
        std::fs::rename(log.join(format!("{:020}.json", 7)), log.join("aside")).unwrap();
        table.thin_checkpoints(newest).await;
        assert_eq!(left(), all, "a commit is missing");
        std::fs::rename(log.join("aside"), log.join(format!("{:020}.json", 7))).unwrap();
        table.thin_checkpoints(newest).await;
        let kept: Vec<Version> =
            all.iter().copied().filter(|v| is_kept(*v) || v + ONE_IN * CHECKPOINT_INTERVAL >= newest).collect();
        assert_eq!(left(), kept);
        assert_eq!(kept.len() as Version, 2 + ONE_IN);
    }
}

//! What this process has seen of the logs of a lake: the names in its listings, and the commits that it read or wrote.
//!
//! To open a table, its log is listed and its newest commits are read; what is checked then needs the same again. Over a network each is a request, so it is
//! remembered. Commits never change; a listing is remembered for what was read by it, and never in the place of a new one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::layout::Version;

/// The file that names the newest checkpoint.
pub(super) const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// Commits that are remembered, and bytes of one at most.
const COMMITS: usize = 64;
const COMMIT_BYTES: u64 = 1 << 18;

/// What is remembered of the logs of a lake.
#[derive(Debug, Default)]
pub(super) struct Recent {
    listed: Mutex<BTreeMap<Path, ObjectMeta>>,
    commits: Mutex<VecDeque<(ObjectMeta, Bytes)>>,
}

/// Says whether a file is one of a log.
pub(super) fn is_of_log(location: &Path) -> bool {
    location.parts().rev().nth(1).is_some_and(|folder| folder.as_ref() == "_delta_log")
}

/// Says whether a file is a commit, or a checkpoint of one: what never changes.
pub(super) fn is_settled(location: &Path) -> bool {
    is_of_log(location)
        && location.filename().is_some_and(|name| name.starts_with(|first: char| first.is_ascii_digit()))
}

/// Reads the version from the name of a checkpoint's file: whole, in parts, or of the protocol's second kind.
pub(super) fn checkpoint_version(name: &str) -> Option<Version> {
    let (digits, rest) = name.split_once(".checkpoint.")?;
    let ends = rest.ends_with("parquet") || rest.ends_with("json");
    (digits.len() == 20 && ends && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn is_commit(location: &Path) -> bool {
    is_settled(location) && location.filename().is_some_and(|name| name.len() == 25 && name.ends_with(".json"))
}

impl Recent {
    /// Notes what a listing has.
    pub(super) fn note(&self, meta: &ObjectMeta) {
        if is_of_log(&meta.location) {
            self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(meta.location.clone(), meta.clone());
        }
    }

    /// Forgets a file that is removed.
    pub(super) fn forget(&self, location: &Path) {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).remove(location);
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).retain(|(meta, _)| meta.location != *location);
    }

    /// Returns what listings had of a file.
    pub(super) fn meta(&self, location: &Path) -> Option<ObjectMeta> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(location).cloned()
    }

    /// Lists what listings had behind a path of a log.
    pub(super) fn listed_behind(&self, offset: &Path) -> Vec<ObjectMeta> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = offset.parts().count();
        let is_beside = |location: &Path| {
            location.parts().count() == folder
                && location.parts().zip(offset.parts()).take(folder - 1).all(|(a, b)| a == b)
        };
        let behind = listed.range(offset.clone()..).filter(|(location, _)| is_beside(location));
        behind.map(|(_, meta)| meta.clone()).filter(|meta| meta.location != *offset).collect()
    }

    /// Remembers a commit.
    pub(super) fn keep(&self, meta: ObjectMeta, bytes: Bytes) {
        if is_commit(&meta.location) && meta.size <= COMMIT_BYTES {
            let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            commits.retain(|(known, _)| known.location != meta.location);
            commits.push_back((meta, bytes));
            if commits.len() > COMMITS {
                commits.pop_front();
            }
        }
    }

    /// Returns a commit that is remembered.
    pub(super) fn commit(&self, location: &Path) -> Option<(ObjectMeta, Bytes)> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.iter().find(|(meta, _)| meta.location == *location).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(path: &str) -> ObjectMeta {
        let (location, last_modified) = (Path::from(path), chrono::DateTime::UNIX_EPOCH);
        ObjectMeta { location, last_modified, size: 3, e_tag: None, version: None }
    }

    #[test]
    fn listings_are_remembered_by_the_folder_of_the_log() {
        let recent = Recent::default();
        for path in [
            "l/t/_delta_log/00000000000000000001.json",
            "l/t/_delta_log/00000000000000000002.json",
            "l/u/_delta_log/00000000000000000003.json",
            "l/t/x.parquet",
        ] {
            recent.note(&meta(path));
        }
        let behind = |path: &str| -> Vec<String> {
            recent.listed_behind(&Path::from(path)).into_iter().map(|meta| meta.location.to_string()).collect()
        };
        assert_eq!(
            behind("l/t/_delta_log/00000000000000000001"),
            ["l/t/_delta_log/00000000000000000001.json", "l/t/_delta_log/00000000000000000002.json"]
        );
        assert_eq!(behind("l/t/_delta_log/00000000000000000002"), ["l/t/_delta_log/00000000000000000002.json"]);
        assert_eq!(behind("l/u/_delta_log/0"), ["l/u/_delta_log/00000000000000000003.json"]);
        recent.forget(&Path::from("l/u/_delta_log/00000000000000000003.json"));
        assert_eq!(behind("l/u/_delta_log/0"), Vec::<String>::new());
    }

    #[test]
    fn commits_are_remembered_and_nothing_that_changes() {
        let recent = Recent::default();
        let commit = "t/_delta_log/00000000000000000001.json";
        for path in [
            commit,
            "t/_delta_log/_last_checkpoint",
            "t/_delta_log/00000000000000000001.checkpoint.parquet",
            "t/a.json",
        ] {
            recent.keep(meta(path), Bytes::from_static(b"{ }"));
            assert_eq!(recent.commit(&Path::from(path)).is_some(), path == commit, "{path}");
        }
        for n in 0..COMMITS {
            recent.keep(meta(&format!("u/_delta_log/{n:020}.json")), Bytes::new());
        }
        assert!(recent.commit(&Path::from(commit)).is_none());
    }
}

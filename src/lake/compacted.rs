//! Compacted files of a log (`N.M.compacted.json`), where the commits that they were made of are gone.
//!
//! Beside its commits such a file says nothing new, and deltalake passes it over. Without them deltalake takes the log for one that ends
//! before, or that has a gap. So the file stands in for the missing commits in what deltalake sees of the log ([`super::hiding`]): its
//! actions for the last of them, and a commit that changes nothing for each of the others. Versions inside of it cannot be told apart any
//! more.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::hiding::Hidden;
use super::history::commit_version;
use super::layout::Version;

/// What stands in for a commit whose actions are told with those of a later one.
const NOTHING: &str = "{\"commitInfo\":{\"operation\":\"LOG COMPACTION\"}}\n";

/// Reads the first and the last version from the name of a compacted file.
pub(super) fn compacted_versions(name: &str) -> Option<(Version, Version)> {
    let (first, last) = name.strip_suffix(".compacted.json")?.split_once('.')?;
    let version = |digits: &str| {
        let is_version = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_version.then(|| digits.parse::<Version>().ok()).flatten()
    };
    let (first, last) = (version(first)?, version(last)?);
    (first <= last && last - first < 1_000_000).then_some((first, last))
}

/// Puts compacted files of a log in the place of the commits that are missing, and says whether there are such.
pub(super) async fn stand_in(store: &Arc<dyn ObjectStore>, hidden: &Hidden) -> object_store::Result<bool> {
    let folder = Path::from("_delta_log");
    let (mut commits, mut compacted) = (BTreeSet::new(), Vec::new());
    let mut listing = store.list(Some(&folder));
    while let Some(meta) = listing.try_next().await? {
        if let Some(version) = commit_version(&meta.location) {
            commits.insert(version);
        } else if let Some(versions) = meta.location.filename().and_then(compacted_versions) {
            compacted.push((versions, meta.location));
        }
    }
    drop(listing);
    compacted.sort_unstable();
    let mut stands = false;
    for ((first, last), location) in compacted {
        let missing: Vec<Version> = (first..=last).filter(|version| !commits.contains(version)).collect();
        let Some(newest) = missing.last().copied() else { continue };
        let actions = store.get(&location).await?.bytes().await?;
        for version in &missing {
            let content = if *version == newest { actions.clone() } else { Bytes::from_static(NOTHING.as_bytes()) };
            hidden.stand_in(&format!("{version:020}.json"), content).await?;
            commits.insert(*version);
        }
        let oldest = missing.first().copied().unwrap_or(newest);
        hidden.blur(oldest..last);
        stands = true;
    }
    Ok(stands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compacted_files_are_known_by_their_names() {
        let name = |first: &str, last: &str| format!("{first:0>20}.{last:0>20}.compacted.json");
        assert_eq!(compacted_versions(&name("4", "6")), Some((4, 6)));
        assert_eq!(compacted_versions(&name("6", "6")), Some((6, 6)));
        for other in [
            name("6", "4"),
            name("0", "99999999999999999999"),
            name("0", "9999999999"),
            name("x", "4"),
            "0.json".to_owned(),
        ] {
            assert_eq!(compacted_versions(&other), None, "{other}");
        }
    }
}

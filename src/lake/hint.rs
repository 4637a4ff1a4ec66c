//! The file that names the newest checkpoint of a log, kept from one process to the next.
//!
//! A log's readers ask for it first, and for a listing from that checkpoint on. Any checkpoint that was there once may be named in its place:
//! the listing shows newer ones. So what is kept is believed once a process, and forgotten as soon as a listing shows a newer checkpoint, or as the log
//! cannot be read with it: a lake may be made anew or put back from a copy. That a log has no such file is kept likewise, as one of no bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;

use super::cache::Cache;
use super::layout::Version;
use super::recent::{LAST_CHECKPOINT, checkpoint_version, is_of_log};

/// What this process was told of the logs of a lake.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<HashMap<String, Told>>);

/// Whether a log's file came from the cache.
#[derive(Debug)]
enum Told {
    /// It did, and the cache still has it: the version that it names, and where it is kept.
    Kept(Option<Version>, Arc<Cache>, String),
    /// It is asked of the store.
    Asked,
}

/// Says whether a file is one that names a checkpoint.
pub(super) fn is_hint(location: &Path) -> bool {
    is_of_log(location) && location.filename() == Some(LAST_CHECKPOINT)
}

fn folder_of(location: &Path) -> &str {
    location.as_ref().rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Hints {
    /// Returns what the cache has of a file that this process has not asked for yet.
    pub(super) async fn kept(&self, location: &Path, cache: &Arc<Cache>, key: &str) -> Option<Bytes> {
        let folder = folder_of(location).to_owned();
        if self.told().insert(folder.clone(), Told::Asked).is_some() {
            return None;
        }
        let bytes = cache.only(key).await?;
        let version = match bytes.is_empty() {
            true => None,
            false => Some(serde_json::from_slice::<serde_json::Value>(&bytes).ok()?.get("version")?.as_u64()?),
        };
        self.told().insert(folder, Told::Kept(version, Arc::clone(cache), key.to_owned()));
        Some(bytes)
    }

    /// Notes what a listing has.
    pub(super) fn note(&self, location: &Path) {
        let Some(listed) = location.filename().and_then(checkpoint_version) else { return };
        if let Some(told) = self.told().get_mut(folder_of(location))
            && matches!(told, Told::Kept(version, ..) if version.is_none_or(|version| version < listed))
        {
            told.forget();
        }
    }

    /// Forgets what came from the cache. Says whether anything did.
    pub(super) fn forget(&self) -> bool {
        self.told().values_mut().map(Told::forget).fold(false, |any, was_kept| any | was_kept)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, HashMap<String, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn forget(&mut self) -> bool {
        match std::mem::replace(self, Self::Asked) {
            Self::Kept(_, cache, key) => {
                cache.forget(&key);
                true
            }
            Self::Asked => false,
        }
    }
}

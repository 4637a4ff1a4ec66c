//! Finds the damaged files of a log, after it could not be read: checkpoints that are torn, empty or gone, and commits that are.
//!
//! Everything is read in full here, which costs as much as the log is big. A log that can be read is not looked at.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use serde_json::Value;

use super::history::commit_version;
use super::layout::Version;
use super::read::StoredFile;
use super::recent::{LAST_CHECKPOINT, checkpoint_version};

/// A file of a log, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damaged {
    /// Its name in the log's folder.
    pub(super) name: String,
    /// What is wrong, as a message says it.
    pub(super) what: String,
}

/// What is damaged in a log.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Checkpoints, and the file that names the newest. The log may be whole without them.
    pub(super) checkpoints: Vec<Damaged>,
    /// Every name that has to be hidden with them: the other parts of a checkpoint too.
    pub(super) hide: Vec<String>,
    /// The first commit that is needed and is gone or damaged.
    pub(super) commit: Option<Damaged>,
}

/// Reads a log up to a version, newest checkpoint first, until one is sound, and the commits after it.
pub(super) async fn find(store: &Arc<dyn ObjectStore>, up_to: Option<Version>) -> object_store::Result<Damage> {
    let up_to = up_to.unwrap_or(Version::MAX);
    let mut damage = Damage::default();
    let (mut commits, mut checkpoints) = (BTreeMap::new(), BTreeMap::<Version, Vec<ObjectMeta>>::new());
    let mut hint = None;
    let mut listing = store.list(Some(&Path::from("_delta_log")));
    while let Some(meta) = listing.try_next().await? {
        if let Some(version) = commit_version(&meta.location) {
            commits.insert(version, meta);
        } else if let Some(version) = checkpoint_version(name_of(&meta)) {
            checkpoints.entry(version).or_default().push(meta);
        } else if name_of(&meta) == LAST_CHECKPOINT {
            hint = Some(meta);
        }
    }
    drop(listing);
    if let Some(hint) = hint
        && let Some(what) = hint_fault(store, &hint, &checkpoints).await?
    {
        damage.checkpoints.push(Damaged { name: LAST_CHECKPOINT.to_owned(), what });
    }
    let mut sound = None;
    for (version, parts) in checkpoints.range(..=up_to).rev() {
        match checkpoint_fault(store, parts).await? {
            None => {
                sound = Some(*version);
                break;
            }
            Some(damaged) => {
                damage.checkpoints.push(damaged);
                damage.hide.extend(parts.iter().map(|part| name_of(part).to_owned()));
            }
        }
    }
    if !damage.checkpoints.is_empty() {
        // It may name what is hidden, and is but a hint.
        damage.hide.push(LAST_CHECKPOINT.to_owned());
    }
    let first = sound.map_or(0, |version| version + 1);
    let needed = commits.range(first..).take_while(|(version, _)| **version <= up_to);
    for (expected, (version, meta)) in (first..).zip(needed) {
        if *version != expected {
            damage.commit = Some(Damaged { name: format!("{expected:020}.json"), what: "is not there".to_owned() });
            break;
        }
        if let Some(what) = commit_fault(store, meta).await? {
            damage.commit = Some(Damaged { name: name_of(meta).to_owned(), what });
            break;
        }
    }
    Ok(damage)
}

/// Finds the newest checkpoint up to a version that can be read.
pub(super) async fn newest_sound_checkpoint(
    store: &Arc<dyn ObjectStore>,
    up_to: Version,
) -> object_store::Result<Option<Version>> {
    let mut checkpoints = BTreeMap::<Version, Vec<ObjectMeta>>::new();
    let mut listing = store.list(Some(&Path::from("_delta_log")));
    while let Some(meta) = listing.try_next().await? {
        if let Some(version) = checkpoint_version(name_of(&meta)) {
            checkpoints.entry(version).or_default().push(meta);
        }
    }
    for (version, parts) in checkpoints.range(..=up_to).rev() {
        if checkpoint_fault(store, parts).await?.is_none() {
            return Ok(Some(*version));
        }
    }
    Ok(None)
}

fn name_of(meta: &ObjectMeta) -> &str {
    meta.location.filename().unwrap_or_default()
}

/// Returns the number of parts that the name of one part says there are.
fn parts_of(name: &str) -> Option<usize> {
    let mut numbers = name.strip_suffix(".parquet")?.rsplit('.');
    let (total, part) = (numbers.next()?, numbers.next()?);
    let is_number = |text: &str| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(total) && is_number(part)).then(|| total.parse().ok())?
}

async fn hint_fault(
    store: &Arc<dyn ObjectStore>,
    hint: &ObjectMeta,
    checkpoints: &BTreeMap<Version, Vec<ObjectMeta>>,
) -> object_store::Result<Option<String>> {
    let text = store.get(&hint.location).await?.bytes().await?;
    let parsed = serde_json::from_slice::<Value>(&text).ok();
    let version = parsed.and_then(|value| value.get("version").and_then(Value::as_u64));
    Ok(match version {
        _ if text.is_empty() => Some("is empty".to_owned()),
        None => Some("is not the JSON that names a checkpoint".to_owned()),
        Some(version) if !checkpoints.contains_key(&version) => {
            Some(format!("names the checkpoint of version {version}, which is gone"))
        }
        Some(_) => None,
    })
}

async fn checkpoint_fault(store: &Arc<dyn ObjectStore>, parts: &[ObjectMeta]) -> object_store::Result<Option<Damaged>> {
    for part in parts {
        let fault = match name_of(part).ends_with(".json") {
            true => commit_fault(store, part).await?,
            false => parquet_fault(store, part).await,
        };
        if let Some(what) = fault {
            return Ok(Some(Damaged { name: name_of(part).to_owned(), what }));
        }
    }
    let Some(first) = parts.first() else { return Ok(None) };
    let whole = parts.iter().any(|part| parts_of(name_of(part)).is_none());
    Ok(match parts_of(name_of(first)) {
        Some(total) if !whole && parts.len() < total => {
            let what = format!("is one of {total} parts of a checkpoint, of which {} are there", parts.len());
            Some(Damaged { name: name_of(first).to_owned(), what })
        }
        _ => None,
    })
}

/// Reads a Parquet file to its end.
async fn parquet_fault(store: &Arc<dyn ObjectStore>, meta: &ObjectMeta) -> Option<String> {
    if meta.size == 0 {
        return Some("is empty".to_owned());
    }
    let file = StoredFile { store: Arc::clone(store), path: meta.location.clone(), size_bytes: meta.size };
    let read = async {
        let mut rows = ParquetRecordBatchStreamBuilder::new(file).await?.build()?;
        while let Some(batch) = rows.next().await {
            batch?;
        }
        Ok::<_, parquet::errors::ParquetError>(())
    };
    // Decoders panic on some damage that they do not look for.
    match AssertUnwindSafe(read).catch_unwind().await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("is not a sound Parquet file ({error})")),
        Err(_) => Some("is not a sound Parquet file (its pages contradict each other)".to_owned()),
    }
}

/// Reads a file of JSON actions to its end.
async fn commit_fault(store: &Arc<dyn ObjectStore>, meta: &ObjectMeta) -> object_store::Result<Option<String>> {
    let text = store.get(&meta.location).await?.bytes().await?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Some("is empty".to_owned()));
    }
    for action in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
        match action {
            Ok(Value::Object(_)) => {}
            Ok(_) => return Ok(Some("has something else than actions".to_owned())),
            Err(error) if error.is_eof() => return Ok(Some(format!("is cut off ({error})"))),
            Err(error) => return Ok(Some(format!("is not JSON ({error})"))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_known_by_their_names() {
        let version = "00000000000000000012";
        for (name, parts) in [
            ("checkpoint.parquet", None),
            ("checkpoint.0000000002.0000000003.parquet", Some(3)),
            ("checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.parquet", None),
            ("checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json", None),
        ] {
            let name = format!("{version}.{name}");
            assert_eq!((checkpoint_version(&name), parts_of(&name)), (Some(12), parts), "{name}");
        }
        for other in
            ["00000000000000000012.json", "_last_checkpoint", "12.checkpoint.parquet", "00000000000000000012.crc"]
        {
            assert_eq!(checkpoint_version(other), None, "{other}");
        }
    }
}

//! What is asked of anything that stands in a log or a footer. The fuzz targets call it (`crate::fuzz`).

use std::sync::Arc;

use datafusion::common::ScalarValue;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

use super::claims::{Claims, LiveFiles};
use super::columns::ColumnsBuilder;
use super::history::commit_info;
use super::ids::{IdsPlace, encode, has_any, short_hash};
use super::layout::{self, table_schema};
use super::ledger::Ledger;
use super::properties::PROPERTIES;
use super::said::Said;
use super::seal::Seal;
use super::{DataFile, Footer, read_footers};

/// Reads lines as commits of a log, and what they have in it: statistics, tags, ledgers.
pub(crate) fn log(bytes: &[u8]) -> Result<(), String> {
    if let Ok(Some(info)) = commit_info(bytes) {
        let _ = info.get(super::claims::LIVE_KEY).and_then(Value::as_str).and_then(LiveFiles::from_text);
    }
    for line in String::from_utf8_lossy(bytes).lines() {
        let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
        statistics(&value)?;
        if let Ok(ledger) = serde_json::from_value::<Ledger>(value.clone()) {
            let written = serde_json::to_value(&ledger).map_err(|error| error.to_string())?;
            let read: Ledger = serde_json::from_value(written.clone()).map_err(|error| error.to_string())?;
            if serde_json::to_value(&read).ok() != Some(written) {
                return Err(format!("{ledger:?} is read as {read:?}"));
            }
        }
        for text in value.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str()) {
            tags(text)?;
        }
    }
    Ok(())
}

/// The bounds that prune are no narrower than those of the log.
fn statistics(value: &Value) -> Result<(), String> {
    let text = value.to_string();
    let said = Said::of(&text);
    let mut builder = ColumnsBuilder::new(&table_schema(layout::SESSIONS));
    let row = builder.push(&said, &|_| false, Vec::new());
    let columns = Arc::new(builder.finish()).of_file(row);
    for column in said.columns.iter().filter_map(|(name, _)| columns.get(name)) {
        let is_narrow = |bound: &Option<ScalarValue>, said: &Option<ScalarValue>, wrong: std::cmp::Ordering| {
            bound.as_ref().zip(said.as_ref()).and_then(|(bound, said)| bound.partial_cmp(said)) == Some(wrong)
        };
        if is_narrow(&column.lower_bound(), &column.minimum, std::cmp::Ordering::Greater)
            || is_narrow(&column.upper_bound(), &column.maximum, std::cmp::Ordering::Less)
        {
            return Err(format!("the bounds of {column:?} are narrower than it"));
        }
    }
    let claims = Claims { path: "a.parquet", size_bytes: 1, statistics: &said, nan: None, seal: None };
    let check = claims.check();
    let again: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let again = again.to_string();
    match (Claims { statistics: &Said::of(&again), ..claims }).check() == check {
        true => Ok(()),
        false => Err(format!("{text} has another checksum when it is written again")),
    }
}

/// Tags are read as they are written.
fn tags(text: &str) -> Result<(), String> {
    const SIZE: u64 = 1 << 30;
    if let Some(place) = IdsPlace::from_tag(text, SIZE)
        && IdsPlace::from_tag(&place.to_tag(), SIZE) != Some(place)
    {
        return Err(format!("{text:?} is read as {place:?}"));
    }
    if let Some(live) = LiveFiles::from_text(text)
        && LiveFiles::from_text(&live.to_text()) != Some(live)
    {
        return Err(format!("{text:?} is read as {live:?}"));
    }
    if let Some(seal) = Seal::from_tag(text, SIZE) {
        if Seal::from_tag(&seal.to_tag(), SIZE) != Some(seal) {
            return Err(format!("{text:?} is read as {seal:?}"));
        }
        let range = seal.covering(&(5..100), SIZE);
        if range.start > 5 || range.end < 100 || range.end > SIZE {
            return Err(format!("{text:?} covers {range:?}"));
        }
        let _ = seal.check_any(range.start, text.as_bytes(), &seal.sums(text.as_bytes()).unwrap_or_default());
    }
    for property in PROPERTIES {
        property.check(text).map_or_else(drop, drop);
    }
    Ok(())
}

/// Reads bytes as what a file tells of its ids, and takes them for ids themselves: each of these is found.
pub(crate) fn ids(bytes: &[u8]) -> Result<(), String> {
    let (count, code) = bytes.split_first().unwrap_or((&0, &[]));
    for asked in [0, u64::MAX, 1 << 60] {
        let _ = has_any(code, u64::from(*count), &[asked]);
    }
    let hashes: Vec<u64> =
        code.chunks(16).map(|chunk| short_hash(super::session_hash(&format!("{chunk:?}")))).collect();
    let encoded = encode(hashes.clone());
    match hashes.iter().find(|hash| has_any(&encoded, hashes.len() as u64, &[**hash]) != Some(true)) {
        Some(hash) => Err(format!("{hash} is not found in {encoded:?}")),
        None => Ok(()),
    }
}

/// Puts bytes into a store as a data file; returns it with the file.
pub(crate) async fn stored(bytes: &[u8]) -> Result<(Arc<dyn ObjectStore>, DataFile), String> {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let file = DataFile { path: "a.parquet".to_owned(), size_bytes: bytes.len() as u64, ..DataFile::default() };
    store.put(&Path::from("a.parquet"), bytes.to_vec().into()).await.map_err(|error| error.to_string())?;
    Ok((store, file))
}

/// Reads the footer of bytes that a store has as a data file.
pub(crate) async fn footer(store: &Arc<dyn ObjectStore>, file: &DataFile) -> Option<Vec<Footer>> {
    read_footers(store, std::slice::from_ref(file)).await.ok()
}

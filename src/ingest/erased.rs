//! Sessions that were erased and must not come back with a later export.
//!
//! The lake keeps a fingerprint of each: an HMAC of the hash of its id, under a key that every lake draws for itself. Who has a list of ids and the lake
//! can tell which of them were erased; the fingerprints alone say nothing, and nothing in another lake. An ingest that finds none of this table pays
//! nothing for it.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryViewArray, RecordBatch, TimestampMicrosecondArray};
use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::attempts::{Attempts, blocking};
use super::stage::Limits;
use crate::error::{Error, Result};
use crate::lake::read::read_rows;
use crate::lake::{Commit, FileWriter, Lake, Output, Table, Version, layout};
use crate::schema;

/// Bytes of a fingerprint.
const FINGERPRINT_BYTES: usize = 16;
/// Bytes of a block of SHA-256, which a key is filled up to.
const BLOCK_BYTES: usize = 64;
/// Rows of a batch that is written.
const BATCH_ROWS: usize = 65_536;

type Fingerprint = [u8; FINGERPRINT_BYTES];

/// The sessions that were erased.
#[derive(Debug, Clone, Default)]
pub(crate) struct Erased {
    key: Option<Key>,
    fingerprints: Arc<HashSet<Fingerprint>>,
}

/// A key of a lake, as HMAC uses it.
#[derive(Debug, Clone)]
struct Key {
    inner: Sha256,
    outer: Sha256,
}

impl Key {
    fn of(table: &Table) -> Result<Self> {
        let text = table.property(layout::ERASED_KEY)?.ok_or_else(|| {
            let words = "the table has no key, so that nobody can tell which sessions were erased; put its log back from a copy of the lake";
            Error::storage(format!("{}/_delta_log", layout::ERASED), words)
        })?;
        Ok(Self::from_text(&text))
    }

    fn from_text(text: &str) -> Self {
        // RFC 2104: the key is hashed to fit a block.
        let key = Sha256::digest(text.as_bytes());
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            block.iter_mut().zip(&key).for_each(|(byte, key)| *byte ^= key);
            Sha256::new_with_prefix(block)
        };
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    fn fingerprint(&self, session: u128) -> Fingerprint {
        let inner = self.inner.clone().chain_update(session.to_le_bytes()).finalize();
        let whole = self.outer.clone().chain_update(inner).finalize();
        let mut fingerprint = Fingerprint::default();
        fingerprint.iter_mut().zip(&whole).for_each(|(byte, whole)| *byte = *whole);
        fingerprint
    }
}

impl Erased {
    /// Reads which sessions of a lake were erased.
    ///
    /// # Errors
    /// Storage errors.
    pub(crate) async fn of(lake: &Lake) -> Result<Self> {
        match lake.open(layout::ERASED).await? {
            Some(table) => Self::of_table(&table).await,
            None => Ok(Self::default()),
        }
    }

    async fn of_table(table: &Table) -> Result<Self> {
        let mut fingerprints = HashSet::new();
        for file in table.snapshot()?.files.iter() {
            let mut rows = read_rows(table.store(), file, schema::erased_schema(), &[]).await?;
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                let column = batch.column_by_name("fingerprint").ok_or_else(|| Error::internal("no fingerprint"))?;
                let known = column.as_binary_view().iter().flatten();
                fingerprints.extend(known.filter_map(|bytes| Fingerprint::try_from(bytes).ok()));
            }
        }
        Ok(Self { key: Some(Key::of(table)?), fingerprints: Arc::new(fingerprints) })
    }

    /// Says whether no session was erased.
    pub(crate) fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// Says whether the session with this hash of its id was erased.
    pub(crate) fn has(&self, session: u128) -> bool {
        !self.is_empty() && self.key.as_ref().is_some_and(|key| self.fingerprints.contains(&key.fingerprint(session)))
    }

    /// Keeps the fingerprints of sessions, by the hashes of their ids, and returns the version of their table and how many are new.
    ///
    /// # Errors
    /// Storage errors, another writer that is always faster, or a run stopped from outside.
    pub(crate) async fn record(
        lake: &Lake,
        sessions: &[u128],
        now_us: i64,
        limits: &Limits,
    ) -> Result<Option<(Version, u64)>> {
        if sessions.is_empty() {
            return Ok(None);
        }
        let mut table = lake.open_or_create(layout::ERASED).await?;
        let mut attempts = Attempts::new(limits);
        loop {
            attempts.begin()?;
            let known = Self::of_table(&table).await?;
            let Some(key) = known.key else { return Err(Error::internal("a table of fingerprints without a key")) };
            let mut new: Vec<Fingerprint> = sessions.iter().map(|session| key.fingerprint(*session)).collect();
            new.retain(|fingerprint| !known.fingerprints.contains(fingerprint));
            new.sort_unstable();
            new.dedup();
            if new.is_empty() {
                return Ok(None);
            }
            let count = new.len() as u64;
            let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
            let output = Output::of(&table, temporary.path().to_owned());
            let target = output.clone();
            let added = blocking(move || {
                let schema = schema::erased_schema();
                let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, layout::ERASED);
                for chunk in new.chunks(BATCH_ROWS) {
                    let fingerprints = BinaryViewArray::from_iter_values(chunk);
                    let instants = TimestampMicrosecondArray::from_value(now_us, chunk.len()).with_timezone("UTC");
                    let columns: Vec<ArrayRef> = vec![Arc::new(fingerprints), Arc::new(instants)];
                    writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
                }
                writer.finish()
            })
            .await?;
            let commit = Commit { added, modified_ms: now_us / 1_000, ..Commit::default() };
            if let Some(version) = attempts.commit(&mut table, &output, commit).await? {
                return Ok(Some((version, count)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_hmac_of_the_hash_under_the_hash_of_the_key() {
        let key = Key::from_text("a key");
        // HMAC-SHA256 with SHA-256("a key") as its key over sixteen bytes 01 00 … 00, by Python's hmac.
        let expected = "af1a0a8db9de1ebf9ebaa241c59578ad";
        let hex: String = key.fingerprint(1).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
        assert_ne!(key.fingerprint(1), key.fingerprint(2));
        assert_ne!(key.fingerprint(1), Key::from_text("another").fingerprint(1));
    }
}

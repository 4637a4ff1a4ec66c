//! Decides, against one snapshot, which incoming rows are stored and which stored rows give way.
//!
//! The decision reads keys alone. The keys of incoming rows are in the key store; those of stored rows are made of seven columns of the data
//! files, those that tell that they have none of the sessions left out ([`crate::lake::ids`]). A filter over the incoming sessions drops the stored keys of all other sessions as they are read. The keys that pass are partitioned by
//! session hash, and one partition at a time is resolved.
//!
//! Memory: the filter takes at most two bytes an incoming row, the result one bit an incoming row and four bytes a stored row that gives way.
//! Stored keys are read in bounded batches.

#![allow(clippy::indexing_slicing, reason = "rows and files are numbered by the run")]

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use futures::StreamExt;

use super::Warning;
use super::attempts::blocking;
use super::erased::Erased;
use super::fingerprint::KeyColumns;
use super::keys::{Key, KeyStore, PARTITIONS, RowPlace, SessionFilter};
use super::resolve::{Outcome, Resolution, resolve, states_in_doubt};
use super::sightings;
use super::stage::{Limits, Staged};
use crate::error::{Error, Result};
use crate::lake::ids;
use crate::lake::ledger::FileLedger;
use crate::lake::read::read_rows;
use crate::lake::{DataFile, Lake, Snapshot, Table};
use crate::schema::{self, CONTENT_HASH, EXPORTED_AT};

/// Sessions of a run at most that files are asked for: what files tell of theirs has to be read, and of a hundred thousand other sessions four in ten
/// files have one by chance.
const ASKED_SESSIONS: u64 = 1 << 17;

/// What is to be written on top of one snapshot.
#[derive(Default)]
pub struct Decision {
    /// A bit for every incoming row that is stored.
    winners: Vec<u64>,
    /// Rows that give way, by index of their file, in order.
    pub removed: BTreeMap<u32, Vec<u32>>,
    /// Stored states seen again: content hash and instant.
    pub sightings: Vec<(i64, i64)>,
    /// What gives way to another session under its id.
    pub same_id: SameId,
    /// Rows of sessions that were erased, by file.
    erased: BTreeMap<usize, u64>,
    /// The ledgers of the files, with the outcomes counted.
    pub files: Vec<FileLedger>,
}

/// Rows that give way to another session under the same id.
#[derive(Default)]
pub struct SameId {
    /// A bit for every incoming row; empty where there is none.
    incoming: Vec<u64>,
    /// Stored rows, by index of their file, in order.
    pub stored: BTreeMap<u32, Vec<u32>>,
}

impl SameId {
    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.incoming.is_empty() && self.stored.is_empty()
    }

    /// Says whether an incoming row gives way.
    pub fn gives_way(&self, ordinal: u64) -> bool {
        bit(&self.incoming, ordinal)
    }
}

fn bit(bits: &[u64], at: u64) -> bool {
    bits.get((at / 64) as usize).is_some_and(|word| word & 1 << (at % 64) != 0)
}

impl Decision {
    /// Says whether an incoming row is stored.
    pub fn wins(&self, ordinal: u64) -> bool {
        bit(&self.winners, ordinal)
    }

    fn take(&mut self, resolution: Resolution, staged: &Staged) {
        for (ordinal, outcome) in resolution.outcomes {
            let file = staged.file_of(ordinal);
            let counts = &mut self.files[file].counts;
            match outcome {
                Outcome::Inserted => counts.inserted += 1,
                Outcome::Updated => counts.updated += 1,
                Outcome::Unchanged => counts.unchanged += 1,
                Outcome::Superseded => counts.superseded += 1,
                Outcome::Duplicate => counts.duplicate += 1,
                Outcome::OtherSession => counts.quarantined += 1,
            }
            if outcome == Outcome::OtherSession {
                self.warn(file);
                self.same_id.incoming.resize(self.winners.len(), 0);
                self.same_id.incoming[(ordinal / 64) as usize] |= 1 << (ordinal % 64);
            }
            if matches!(outcome, Outcome::Inserted | Outcome::Updated) {
                self.winners[(ordinal / 64) as usize] |= 1 << (ordinal % 64);
            }
        }
        for (file, row) in resolution.removed {
            self.removed.entry(file).or_default().push(row);
        }
        for (file, row, ordinal) in resolution.other_sessions {
            self.warn(staged.file_of(ordinal));
            self.same_id.stored.entry(file).or_default().push(row);
        }
        self.sightings.extend(resolution.sightings);
    }

    /// Leaves out the incoming rows of sessions that were erased: they lost against that.
    fn leave_out(&mut self, erased: &Erased, keys: &mut Vec<Key>, staged: &Staged) {
        if erased.is_empty() {
            return;
        }
        keys.retain(|key| match key.place {
            RowPlace::Incoming(ordinal) if erased.has(key.session) => {
                let file = staged.file_of(ordinal);
                self.files[file].counts.superseded += 1;
                *self.erased.entry(file).or_default() += 1;
                false
            }
            _ => true,
        });
    }

    /// Says of each file how many of its rows are of sessions that were erased.
    fn note_erased(&mut self) {
        for (file, count) in std::mem::take(&mut self.erased) {
            let rows = match count {
                1 => "1 row is of a session that was erased".to_owned(),
                count => format!("{count} rows are of sessions that were erased"),
            };
            self.files[file].notes.push(format!("{rows}: not stored, and counted as superseded"));
        }
    }

    fn warn(&mut self, file: usize) {
        *self.files[file].warnings.entry(Warning::SameId).or_default() += 1;
    }
}

/// Decides for all staged rows of files that are taken in.
///
/// # Errors
/// Storage errors, temporary space that runs out, or a run stopped from outside.
pub async fn decide(
    lake: &Lake,
    table: &Table,
    snapshot: &Snapshot,
    staged: &Arc<Mutex<Staged>>,
    with_erased: bool,
    limits: &Limits,
) -> Result<Decision> {
    // Read anew for each attempt: who erases keeps the fingerprints before the rows go.
    let erased = if with_erased { Erased::default() } else { Erased::of(lake).await? };
    let shared = Arc::clone(staged);
    let sessions = blocking(move || {
        let mut staged = shared.lock().unwrap_or_else(PoisonError::into_inner);
        Sessions::of(&mut staged.keys)
    })
    .await?;
    let mut stored = stored_keys(table, snapshot, Arc::new(sessions), limits).await?;
    let shared = Arc::clone(staged);
    let (mut stored, doubtful) = blocking(move || {
        let mut staged = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut doubtful = HashSet::new();
        for partition in 0..PARTITIONS {
            let mut keys = taken_keys(&mut staged, &mut stored, partition)?;
            states_in_doubt(&mut keys, &mut doubtful);
        }
        Ok((stored, doubtful))
    })
    .await?;
    let sightings = sightings::recorded(lake, doubtful).await?;
    let shared = Arc::clone(staged);
    blocking(move || {
        let mut staged = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut decision = Decision {
            winners: vec![0; staged.rows.div_ceil(64) as usize],
            files: staged.files.clone(),
            ..Decision::default()
        };
        for partition in 0..PARTITIONS {
            let mut keys = taken_keys(&mut staged, &mut stored, partition)?;
            decision.leave_out(&erased, &mut keys, &staged);
            decision.take(resolve(&mut keys, &sightings), &staged);
        }
        decision.note_erased();
        decision.removed.values_mut().for_each(|rows| rows.sort_unstable());
        decision.same_id.stored.values_mut().for_each(|rows| rows.sort_unstable());
        Ok(decision)
    })
    .await
}

/// Returns the keys of a partition: those of files that are taken in, and the stored ones.
fn taken_keys(staged: &mut Staged, stored: &mut KeyStore, partition: usize) -> Result<Vec<Key>> {
    let mut keys = staged.keys.load(partition)?;
    if !staged.files.iter().all(FileLedger::is_taken) {
        keys.retain(|key| match key.place {
            RowPlace::Incoming(ordinal) => staged.files[staged.file_of(ordinal)].is_taken(),
            RowPlace::Stored { .. } => true,
        });
    }
    keys.extend(stored.load(partition)?);
    Ok(keys)
}

/// The sessions of a run.
struct Sessions {
    filter: SessionFilter,
    /// Their short hashes in order, where they are so few that most files have none of them.
    hashes: Option<Vec<u64>>,
}

impl Sessions {
    fn of(keys: &mut KeyStore) -> Result<Self> {
        let mut filter = SessionFilter::for_sessions(keys.len());
        let mut hashes = (keys.len() <= ASKED_SESSIONS).then(Vec::new);
        for partition in 0..PARTITIONS {
            for key in keys.load(partition)? {
                filter.insert(key.session);
                hashes.iter_mut().for_each(|hashes| hashes.push(ids::short_hash(key.session)));
            }
        }
        hashes.iter_mut().for_each(|hashes| hashes.sort_unstable());
        Ok(Self { filter, hashes })
    }
}

/// Reads the keys of stored sessions that may be among the incoming ones, of the files that do not say that they have none of them.
async fn stored_keys(table: &Table, snapshot: &Snapshot, sessions: Arc<Sessions>, limits: &Limits) -> Result<KeyStore> {
    let keys = Arc::new(Mutex::new(KeyStore::new(limits.memory_bytes / 4)));
    let schema = projected(&[
        "session_id",
        "workflow_id",
        "started_at",
        "ended_at",
        EXPORTED_AT,
        "time_in_workflow",
        CONTENT_HASH,
    ])?;
    let indexed = match &sessions.hashes {
        Some(hashes) => {
            let files: Vec<&DataFile> = snapshot.files.iter().collect();
            table.session_index().may_have_sessions(&files, hashes).await
        }
        None => vec![None; snapshot.files.len()],
    };
    let mut lookups = futures::stream::iter(snapshot.files.iter().cloned().enumerate().zip(indexed))
        .filter(|(_, indexed)| futures::future::ready(*indexed != Some(false)))
        .map(|((index, file), indexed)| {
            let (table, schema) = (table.clone(), Arc::clone(&schema));
            let (sessions, keys, limits) = (Arc::clone(&sessions), Arc::clone(&keys), limits.clone());
            async move {
                tokio::spawn(async move {
                    if let Some(hashes) = &sessions.hashes
                        && indexed.is_none()
                        && table.may_have_sessions(&file, hashes).await == Some(false)
                    {
                        return Ok(());
                    }
                    let rows = read_rows(table.store(), &file, schema, &[]).await?;
                    keys_of_file(rows, index as u32, &file, &sessions.filter, &keys, &limits).await
                })
                .await
                .map_err(Error::internal)?
            }
        })
        .buffer_unordered(limits.threads.get());
    while let Some(found) = lookups.next().await {
        found?;
    }
    drop(lookups);
    let keys = Arc::into_inner(keys).ok_or_else(|| Error::internal("keys are still being looked up"))?;
    Ok(keys.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn keys_of_file(
    mut rows: futures::stream::BoxStream<'static, Result<arrow::array::RecordBatch>>,
    index: u32,
    file: &DataFile,
    sessions: &SessionFilter,
    keys: &Mutex<KeyStore>,
    limits: &Limits,
) -> Result<()> {
    let mut first = 0_u32;
    while let Some(batch) = rows.next().await {
        limits.check()?;
        let batch = batch?;
        let content = batch.column_by_name(CONTENT_HASH).map(|c| c.as_primitive::<Int64Type>().clone());
        let content = content.ok_or_else(|| Error::internal("no content hash"))?;
        let columns = KeyColumns::of(&batch, &content)?;
        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        for row in 0..batch.num_rows() {
            if sessions.may_contain(columns.session(row)) {
                keys.push(columns.key(row, RowPlace::Stored { file: index, row: first + row as u32 }))?;
            }
        }
        first += batch.num_rows() as u32;
    }
    // A file with other rows than the log says is not the file that was committed.
    match file.rows {
        Some(rows) if rows != u64::from(first) => {
            Err(Error::storage(file.path.clone(), format!("the file has {first} rows where the log says {rows}")))
        }
        _ => Ok(()),
    }
}

fn projected(names: &[&str]) -> Result<SchemaRef> {
    let stored = schema::stored_schema();
    let fields = names.iter().map(|name| Ok(stored.field_with_name(name)?.clone())).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

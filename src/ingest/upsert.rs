//! Brings exports into the lake: the newest state of each session wins, every record is accounted for, one commit or none.
//!
//! A run reads its inputs once ([`stage`]), then decides from keys alone which rows win ([`resolve`]), writes the winners together
//! with the rows that stay of every file it must rewrite, and commits. If another writer was faster, only the decision and the
//! writing are done again, on the newer version. Sightings and rejects are committed to their own tables first: both are true
//! whatever becomes of the commit of sessions, and neither is written twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, Schema, SchemaRef, TimestampMicrosecondType, UInt64Type};
use futures::StreamExt;

use super::fingerprint::KeyColumns;
use super::keys::{Key, KeyStore, PARTITIONS, RowPlace, SessionFilter};
use super::ledger::{FileLedger, Ledger};
use super::resolve::{Outcome, resolve, states_in_doubt};
use super::runs::{Batches, Liveness, Merge};
use super::source::{ReadOptions, SourceFile, content_hash};
use super::stage::{Limits, ORDINAL, Staged, stage};
use crate::error::{Error, Result};
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, FileWriter, Lake, Output, Snapshot, Table, WrittenFile, discard, layout};
use crate::schema::{self, CONTENT_HASH, EXPORTED_AT};

/// How often a run starts over because another writer committed first.
pub(super) const ATTEMPTS: usize = 20;
/// Rows of sightings of a batch.
const SIGHTING_ROWS: usize = 65_536;

/// What an ingest is to do.
#[derive(Clone)]
pub struct IngestOptions {
    /// How to read the inputs.
    pub read: ReadOptions,
    /// Records that may be quarantined before `all_or_nothing` stops the run.
    pub max_bad: u64,
    /// Whether nothing is committed when a file is refused or more than `max_bad` records are bad.
    pub all_or_nothing: bool,
    /// When the run takes place, in microseconds since the Unix epoch.
    pub now_us: i64,
    /// What the run may use.
    pub limits: Limits,
}

impl IngestOptions {
    pub(super) fn stops(&self, files: &[FileLedger]) -> bool {
        let quarantined: u64 = files.iter().map(|file| file.counts.quarantined).sum();
        self.all_or_nothing && (quarantined > self.max_bad || files.iter().any(|file| file.refused.is_some()))
    }
}

/// Ingests files into a lake, which is made if it is not there.
///
/// The ledger tells what became of every record, also where the run commits nothing (`version` is then `None`): the same files
/// again, only refused files, or too many bad records with `all_or_nothing`.
///
/// # Errors
/// Storage errors, temporary space that runs out, another writer that is always faster, or a run stopped from outside. Faults of
/// the inputs are in the ledger.
pub async fn ingest(lake: &Lake, inputs: &[SourceFile], options: IngestOptions) -> Result<Ledger> {
    let options = &options;
    let mut sessions = lake.open_or_create(layout::SESSIONS).await?;
    let known = known_files(&sessions, inputs, options).await?;
    let (inputs_owned, known_files, task_options) = (inputs.to_vec(), known.clone(), options.clone());
    let staged = blocking(move || {
        let options = task_options;
        stage(&inputs_owned, &known_files, &options.read, &options.limits, options.now_us)
    })
    .await?;
    let run = Run::new(staged, options);
    run.forget_known_inputs(&sessions, inputs).await?;
    let files = run.files();
    if options.stops(&files) {
        return Ok(Ledger::of(files));
    }
    let names: Vec<Option<String>> = files
        .iter()
        .zip(inputs)
        .map(|(file, input)| {
            let taken = file.refused.is_none() && file.already_in_version.is_none();
            taken.then(|| transaction_name(&file.content_hash, options.read.export_time_us(input)))
        })
        .collect();
    if names.iter().all(Option::is_none) {
        return Ok(Ledger::of(files));
    }
    run.quarantine(lake, &names).await?;
    run.commit_sessions(lake, &mut sessions, names.into_iter().flatten().collect()).await
}

/// Names the application transaction by which a file is known again: the same bytes, exported at the same time.
fn transaction_name(content_hash: &str, exported_at_us: i64) -> String {
    format!("sessionlake:file:{content_hash}:{exported_at_us}")
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// Finds the inputs that the lake has already taken in, without reading them as sessions.
async fn known_files(sessions: &Table, inputs: &[SourceFile], options: &IngestOptions) -> Result<Vec<Option<u64>>> {
    let mut known = vec![None; inputs.len()];
    if sessions.version() == 0 {
        return Ok(known);
    }
    for (input, known) in inputs.iter().zip(&mut known) {
        let Some(path) = input.path.clone() else { continue };
        // A file that cannot be read gets its error where it is opened to be read.
        let Ok(hash) = blocking(move || content_hash(&path)).await else { continue };
        let name = transaction_name(&format!("{hash:032x}"), options.read.export_time_us(input));
        *known = sessions.transaction_version(&name).await?.and_then(|version| u64::try_from(version).ok());
    }
    Ok(known)
}

/// Commits what is staged, under the names by which a later run knows that it is done.
///
/// # Errors
/// As [`ingest`].
pub(super) async fn commit_staged(
    lake: &Lake,
    sessions: &mut Table,
    staged: Staged,
    options: &IngestOptions,
    transactions: Vec<String>,
) -> Result<Ledger> {
    Run::new(staged, options).commit_sessions(lake, sessions, transactions).await
}

struct Run {
    staged: Arc<std::sync::Mutex<Staged>>,
    options: IngestOptions,
}

/// What is to be written on top of one snapshot.
#[derive(Default)]
struct Decision {
    /// A bit for every incoming row that is stored.
    winners: Vec<u64>,
    /// Winners that were seen later than their row says.
    seen_later: HashMap<u64, i64>,
    /// Rows that give way, by index of their file.
    removed: BTreeMap<u32, Vec<u32>>,
    /// Stored states seen again.
    sightings: Vec<(i64, i64)>,
    /// Outcomes, counted into the ledgers of the files.
    files: Vec<FileLedger>,
}

impl Run {
    fn new(staged: Staged, options: &IngestOptions) -> Self {
        Self { staged: Arc::new(std::sync::Mutex::new(staged)), options: options.clone() }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn files(&self) -> Vec<FileLedger> {
        self.locked().files.clone()
    }

    /// Standard input can only be known again once it has been read.
    async fn forget_known_inputs(&self, sessions: &Table, inputs: &[SourceFile]) -> Result<()> {
        for (index, input) in inputs.iter().enumerate().filter(|(_, input)| input.path.is_none()) {
            let hash = self.locked().files[index].content_hash.clone();
            let name = transaction_name(&hash, self.options.read.export_time_us(input));
            if let Some(version) = sessions.transaction_version(&name).await? {
                let mut staged = self.locked();
                let file = &mut staged.files[index];
                file.already_in_version = u64::try_from(version).ok();
                file.counts = Default::default();
                file.warnings = Default::default();
            }
        }
        Ok(())
    }

    /// Commits the rejects of the files that are taken in, each file's once.
    async fn quarantine(&self, lake: &Lake, names: &[Option<String>]) -> Result<()> {
        let has_rejects = self.locked().files.iter().any(|file| file.counts.quarantined > 0);
        if !has_rejects {
            return Ok(());
        }
        let mut table = lake.open_or_create(layout::QUARANTINE).await?;
        for _ in 0..ATTEMPTS {
            let mut wanted = vec![false; names.len()];
            let mut transactions = Vec::new();
            for (name, wanted) in names.iter().zip(&mut wanted) {
                if let Some(name) = name
                    && table.transaction_version(name).await?.is_none()
                {
                    *wanted = true;
                    transactions.push(name.clone());
                }
            }
            let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
            let output = Output::of(&table, temporary.path().to_owned());
            let (staged, target) = (Arc::clone(&self.staged), output.clone());
            let added = blocking(move || {
                let mut writer = FileWriter::new(schema::quarantine_schema(), target, NonZeroUsize::MIN, "quarantine");
                let mut staged = staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                staged.rejects.for_each(|file| wanted[file], |batch| writer.write(batch))?;
                writer.finish()
            })
            .await?;
            if added.is_empty() {
                return Ok(());
            }
            let commit = Commit {
                added: added.clone(),
                transactions,
                modified_ms: self.options.now_us / 1_000,
                ..Commit::default()
            };
            match table.commit(commit).await {
                Ok(_) => return Ok(()),
                Err(error) => start_over(&mut table, &output, added, error).await?,
            }
        }
        Err(gave_up())
    }

    /// Decides, writes and commits, again and again until no other writer comes between.
    async fn commit_sessions(&self, lake: &Lake, table: &mut Table, transactions: Vec<String>) -> Result<Ledger> {
        for _ in 0..ATTEMPTS {
            self.options.limits.check()?;
            // The answer to an earlier attempt may have been lost on its way: then the work is done.
            if let Some(version) = table.transaction_version(&transactions[0]).await? {
                return Ok(Ledger { version: u64::try_from(version).ok(), ..Ledger::of(self.files()) });
            }
            let snapshot = table.snapshot()?;
            let decision = self.decide(lake, table, &snapshot).await?;
            let mut ledger = Ledger::of(decision.files.clone());
            if !decision.sightings.is_empty() {
                self.record_sightings(lake, &decision.sightings).await?;
            }
            let removed: Vec<(String, u64)> = decision
                .removed
                .keys()
                .map(|index| &snapshot.files[*index as usize])
                .map(|file| (file.path.clone(), file.size_bytes))
                .collect();
            let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
            let output = Output::of(table, temporary.path().to_owned());
            let added = self.write(table, &snapshot, decision, output.clone()).await?;
            ledger.version = Some(snapshot.version + 1);
            let commit = Commit {
                added: added.clone(),
                removed,
                transactions: transactions.clone(),
                ledger: Some(serde_json::to_value(&ledger).map_err(Error::internal)?),
                modified_ms: self.options.now_us / 1_000,
            };
            match table.commit(commit).await {
                Ok(outcome) => {
                    ledger.version = Some(outcome.version);
                    return Ok(ledger);
                }
                Err(error) => start_over(table, &output, added, error).await?,
            }
        }
        Err(gave_up())
    }

    async fn decide(&self, lake: &Lake, table: &Table, snapshot: &Snapshot) -> Result<Decision> {
        let staged = Arc::clone(&self.staged);
        let sessions = blocking(move || {
            let mut staged = staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut filter = SessionFilter::for_sessions(staged.keys.len());
            for partition in 0..PARTITIONS {
                staged.keys.load(partition)?.iter().for_each(|key| filter.insert(key.session));
            }
            Ok(filter)
        })
        .await?;
        let limits = &self.options.limits;
        let mut stored = stored_keys(table, snapshot, Arc::new(sessions), limits).await?;
        let staged = Arc::clone(&self.staged);
        let (mut stored, doubtful) = blocking(move || {
            let mut staged = staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut doubtful = HashSet::new();
            for partition in 0..PARTITIONS {
                let mut keys = taken_keys(&mut staged, &mut stored, partition)?;
                states_in_doubt(&mut keys, &mut doubtful);
            }
            Ok((stored, doubtful))
        })
        .await?;
        let sightings = if doubtful.is_empty() { HashMap::new() } else { recorded_sightings(lake, doubtful).await? };
        let staged = Arc::clone(&self.staged);
        blocking(move || {
            let mut staged = staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut decision = Decision {
                winners: vec![0; staged.rows.div_ceil(64) as usize],
                files: staged.files.clone(),
                ..Decision::default()
            };
            for partition in 0..PARTITIONS {
                let mut keys = taken_keys(&mut staged, &mut stored, partition)?;
                decision.take(resolve(&mut keys, &sightings), &staged);
            }
            decision.removed.values_mut().for_each(|rows| rows.sort_unstable());
            Ok(decision)
        })
        .await
    }

    async fn record_sightings(&self, lake: &Lake, sightings: &[(i64, i64)]) -> Result<()> {
        let mut sorted = sightings.to_vec();
        sorted.sort_unstable();
        let mut table = lake.open_or_create(layout::SIGHTINGS).await?;
        let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
        let output = Output::of(&table, temporary.path().to_owned());
        let target = output.clone();
        let added = blocking(move || {
            let schema = schema::sightings_schema();
            let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, "sightings");
            for chunk in sorted.chunks(SIGHTING_ROWS) {
                let content = Int64Array::from_iter_values(chunk.iter().map(|s| s.0));
                let seen = TimestampMicrosecondArray::from_iter_values(chunk.iter().map(|s| s.1)).with_timezone("UTC");
                let columns: Vec<ArrayRef> = vec![Arc::new(content), Arc::new(seen)];
                writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
            }
            writer.finish()
        })
        .await?;
        for _ in 0..ATTEMPTS {
            let commit = Commit { added: added.clone(), modified_ms: self.options.now_us / 1_000, ..Commit::default() };
            match table.commit(commit).await {
                // Nothing about a sighting depends on what others committed, so the same files serve again.
                Err(Error::Conflict { .. }) => table.refresh().await?,
                Err(error) => {
                    discard(&output, &added);
                    return Err(error);
                }
                Ok(_) => return Ok(()),
            }
        }
        discard(&output, &added);
        Err(gave_up())
    }

    /// Writes the winners, and the rows that stay of rewritten files, sorted by start.
    async fn write(
        &self,
        table: &Table,
        snapshot: &Snapshot,
        decision: Decision,
        output: Output,
    ) -> Result<Vec<WrittenFile>> {
        let stored_schema = schema::stored_schema();
        let store = table.store();
        let runtime = tokio::runtime::Handle::current();
        let rewritten: Vec<(DataFile, Vec<u32>)> = decision
            .removed
            .iter()
            .map(|(index, rows)| (snapshot.files[*index as usize].clone(), rows.clone()))
            .collect();
        let (staged, limits) = (Arc::clone(&self.staged), self.options.limits.clone());
        blocking(move || {
            let staged = staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut files = Vec::new();
            let outcome = (|| {
                for (liveness, prefix) in [(Liveness::Active, "active"), (Liveness::Ended, "ended")] {
                    let mut sources: Vec<Batches<'_>> = Vec::new();
                    for run in staged.runs.readers(liveness)? {
                        let decision = &decision;
                        sources.push(Box::new(run.map(move |batch| decision.select(&batch?))));
                    }
                    for (file, rows) in &rewritten {
                        if liveness == Liveness::Ended && file.is_active() {
                            continue;
                        }
                        let stream =
                            runtime.block_on(read_rows(Arc::clone(&store), file, Arc::clone(&stored_schema), rows))?;
                        let runtime = runtime.clone();
                        sources.push(Box::new(
                            Blocking { stream, runtime }.map(move |batch| of_liveness(&batch?, liveness)),
                        ));
                    }
                    let key_column = stored_schema.index_of("started_at")?;
                    let mut writer =
                        FileWriter::new(Arc::clone(&stored_schema), output.clone(), limits.threads, prefix);
                    for batch in Merge::new(sources, key_column) {
                        limits.check()?;
                        writer.write(&batch?)?;
                    }
                    files.extend(writer.finish()?);
                }
                Ok(())
            })();
            match outcome {
                Ok(()) => Ok(files),
                Err(error) => {
                    discard(&output, &files);
                    Err(error)
                }
            }
        })
        .await
    }
}

/// Returns the keys of a partition: those of files that are taken in, and the stored ones.
fn taken_keys(staged: &mut Staged, stored: &mut KeyStore, partition: usize) -> Result<Vec<Key>> {
    let mut keys = staged.keys.load(partition)?;
    let left_out = |file: &FileLedger| file.refused.is_some() || file.already_in_version.is_some();
    if staged.files.iter().any(left_out) {
        keys.retain(|key| match key.place {
            RowPlace::Incoming(ordinal) => !left_out(&staged.files[staged.file_of(ordinal)]),
            RowPlace::Stored { .. } => true,
        });
    }
    keys.extend(stored.load(partition)?);
    Ok(keys)
}

pub(super) fn gave_up() -> Error {
    Error::Conflict { message: format!("other writers committed first {ATTEMPTS} times in a row") }
}

/// After a conflict: drops the files and moves to the newest version. Any other error is final.
pub(super) async fn start_over(
    table: &mut Table,
    output: &Output,
    added: Vec<WrittenFile>,
    error: Error,
) -> Result<()> {
    match error {
        Error::Conflict { .. } => {
            let output = output.clone();
            blocking(move || {
                discard(&output, &added);
                Ok(())
            })
            .await?;
            table.refresh().await
        }
        // The commit may stand although the answer is an error, so its files stay; a sweep removes what no version has.
        error => Err(error),
    }
}

impl Decision {
    fn take(&mut self, resolution: super::resolve::Resolution, staged: &Staged) {
        for (ordinal, outcome) in resolution.outcomes {
            let counts = &mut self.files[staged.file_of(ordinal)].counts;
            match outcome {
                Outcome::Inserted => counts.inserted += 1,
                Outcome::Updated => counts.updated += 1,
                Outcome::Unchanged => counts.unchanged += 1,
                Outcome::Superseded => counts.superseded += 1,
                Outcome::Duplicate => counts.duplicate += 1,
            }
            if matches!(outcome, Outcome::Inserted | Outcome::Updated) {
                self.winners[(ordinal / 64) as usize] |= 1 << (ordinal % 64);
            }
        }
        for (file, row) in resolution.removed {
            self.removed.entry(file).or_default().push(row);
        }
        self.seen_later.extend(resolution.seen_later);
        self.sightings.extend(resolution.sightings);
    }

    /// Keeps the winners of a batch of a run, in the columns that the lake stores.
    fn select(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let ordinal_column = batch.schema().index_of(ORDINAL)?;
        let ordinals = batch.column(ordinal_column).as_primitive::<UInt64Type>();
        let wins = |ordinal: u64| self.winners[(ordinal / 64) as usize] & 1 << (ordinal % 64) != 0;
        let mask: BooleanArray = ordinals.values().iter().map(|ordinal| Some(wins(*ordinal))).collect();
        let selected = filter_record_batch(batch, &mask)?;
        let mut columns = selected.columns().to_vec();
        let ordinals = columns.remove(ordinal_column);
        if !self.seen_later.is_empty() {
            let exported_at = batch.schema().index_of(EXPORTED_AT)?;
            let seen = columns[exported_at].as_primitive::<TimestampMicrosecondType>();
            let seen: TimestampMicrosecondArray = ordinals
                .as_primitive::<UInt64Type>()
                .values()
                .iter()
                .zip(seen.values())
                .map(|(ordinal, seen)| Some(self.seen_later.get(ordinal).copied().unwrap_or(*seen)))
                .collect();
            columns[exported_at] = Arc::new(seen.with_timezone("UTC"));
        }
        Ok(RecordBatch::try_new(schema::stored_schema(), columns)?)
    }
}

/// Keeps the rows of a batch that are running, or that have ended.
fn of_liveness(batch: &RecordBatch, liveness: Liveness) -> Result<RecordBatch> {
    let ended_at = batch.column(batch.schema().index_of("ended_at")?);
    let wanted = match liveness {
        Liveness::Active => arrow::compute::is_null(ended_at)?,
        Liveness::Ended => arrow::compute::is_not_null(ended_at)?,
    };
    Ok(filter_record_batch(batch, &wanted)?)
}

/// A stream read from a thread that may block.
struct Blocking {
    stream: futures::stream::BoxStream<'static, Result<RecordBatch>>,
    runtime: tokio::runtime::Handle,
}

impl Iterator for Blocking {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.stream.next())
    }
}

/// Reads the keys of stored sessions that may be among the incoming ones.
async fn stored_keys(
    table: &Table,
    snapshot: &Snapshot,
    sessions: Arc<SessionFilter>,
    limits: &Limits,
) -> Result<KeyStore> {
    let mut keys = KeyStore::new(limits.memory_bytes / 4);
    let schema = projected(&["session_id", "ended_at", EXPORTED_AT, "time_in_workflow", CONTENT_HASH])?;
    let mut lookups = futures::stream::iter(snapshot.files.iter().cloned().enumerate())
        .map(|(index, file)| {
            let (store, schema, sessions) = (table.store(), Arc::clone(&schema), Arc::clone(&sessions));
            async move {
                tokio::spawn(async move { keys_of_file(store, index as u32, &file, schema, &sessions).await })
                    .await
                    .map_err(Error::internal)?
            }
        })
        .buffer_unordered(limits.threads.get());
    while let Some(found) = lookups.next().await {
        limits.check()?;
        for key in found? {
            keys.push(key)?;
        }
    }
    Ok(keys)
}

async fn keys_of_file(
    store: Arc<dyn object_store::ObjectStore>,
    index: u32,
    file: &DataFile,
    schema: SchemaRef,
    sessions: &SessionFilter,
) -> Result<Vec<Key>> {
    let mut rows = read_rows(store, file, schema, &[]).await?;
    let (mut keys, mut first) = (Vec::new(), 0_u32);
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let content = batch.column_by_name(CONTENT_HASH).map(|c| c.as_primitive::<Int64Type>().clone());
        let content = content.ok_or_else(|| Error::internal("no content hash"))?;
        let columns = KeyColumns::of(&batch, &content)?;
        for row in 0..batch.num_rows() {
            if sessions.may_contain(columns.session(row)) {
                keys.push(columns.key(row, RowPlace::Stored { file: index, row: first + row as u32 }));
            }
        }
        first += batch.num_rows() as u32;
    }
    Ok(keys)
}

fn projected(names: &[&str]) -> Result<SchemaRef> {
    let stored = schema::stored_schema();
    let fields = names.iter().map(|name| Ok(stored.field_with_name(name)?.clone())).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// Finds the latest recorded sighting of each of these states.
async fn recorded_sightings(lake: &Lake, states: HashSet<i64>) -> Result<HashMap<i64, i64>> {
    let mut found = HashMap::new();
    let Some(table) = lake.open(layout::SIGHTINGS).await? else { return Ok(found) };
    for file in table.snapshot()?.files.iter() {
        let mut rows = read_rows(table.store(), file, schema::sightings_schema(), &[]).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let content = batch.column(0).as_primitive::<Int64Type>();
            let seen = batch.column(1).as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                if content.is_valid(row) && seen.is_valid(row) && states.contains(&content.value(row)) {
                    let latest = found.entry(content.value(row)).or_insert(i64::MIN);
                    *latest = seen.value(row).max(*latest);
                }
            }
        }
    }
    Ok(found)
}

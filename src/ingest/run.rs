//! One run of an ingest, from its inputs to its commit: the newest state of each session wins, every record is accounted for, one commit or none.
//!
//! A run reads its inputs once ([`stage`]), then decides from keys alone which rows win ([`decide`]), writes the winners together
//! with the rows that stay of every file it must rewrite ([`rewrite`]), and commits. If another writer was faster, only the decision
//! and the writing are done again, on the newer version. Sightings and rejects are committed to their own tables first: both are
//! true whatever becomes of the commit of sessions, and neither is written twice.

#![allow(clippy::indexing_slicing, reason = "files are numbered by the run")]

use std::collections::{BTreeSet, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::attempts::{Attempts, blocking, go_on_after};
use super::decide::decide;
use super::delta::opened_tables;
use super::folders::folder_hash;
use super::options::IngestOptions;
use super::rewrite;
use super::same_id;
use super::sightings;
use super::source::{ReadOptions, SourceFile};
use super::stage::{Staged, stage};
use super::upkeep::taken::{self, FILE_PREFIX};
use super::upkeep::{self, Beside};
use crate::error::{Error, Result, as_flags};
use crate::lake::ledger::{FileLedger, Ledger};
use crate::lake::{Commit, FileWriter, Lake, Output, Table, Version, layout};
use crate::schema;

/// Ingests files into a lake, which is made if it is not there.
///
/// The ledger tells what became of every record, also where the run commits nothing (`version` is then `None`): the same files
/// again, only refused files, or too many bad records with `all_or_nothing`.
///
/// # Errors
/// Storage errors, temporary space that runs out, another writer that is always faster, or a run stopped from outside. Faults of
/// the inputs are in the ledger.
pub async fn ingest(lake: &Lake, inputs: &[SourceFile], options: IngestOptions) -> Result<Ledger> {
    let profile = options.read.profile.clone();
    let ledger = ingest_all(&lake.keeping_tables(), inputs, options).await?;
    Ok(Ledger { profile, ..ledger })
}

async fn ingest_all(lake: &Lake, inputs: &[SourceFile], options: IngestOptions) -> Result<Ledger> {
    lake.enter("opening");
    let inputs = &opened_tables(inputs).await[..];
    // A lake that cannot be made is better known before gigabytes are read; but a run that may yet stop makes none.
    let opened = match options.all_or_nothing {
        true => lake.open(layout::SESSIONS).await?,
        false => Some(lake.open_or_create(layout::SESSIONS).await?),
    };
    if let Some(table) = &opened {
        table.require_writable()?;
    }
    let known = known_files(lake, opened.as_ref(), inputs, &options).await?;
    lake.enter("reading");
    let (read_inputs, skipped, read_options) = (inputs.to_vec(), known.clone(), options.clone());
    let staged = blocking(move || {
        let options = read_options;
        let max_bad = options.all_or_nothing.then_some(options.max_bad);
        stage(&read_inputs, &skipped, &options.read, &options.limits, max_bad, options.now_us)
    })
    .await?;
    let run = Run::new(staged, &options);
    let names = run.transaction_names(inputs);
    if let Some(table) = &opened {
        // What could not be hashed before it was read, such as standard input.
        let unhashed: Vec<bool> =
            inputs.iter().map(|input| input.path.as_deref().is_none_or(|p| !p.is_file())).collect();
        run.leave_out_known(table, &names, |file| unhashed[file]).await?;
    }
    let files = run.files();
    let stopped = options.stops(&files);
    if stopped || !files.iter().any(FileLedger::is_taken) {
        return Ok(Ledger { stopped, ..Ledger::of(files) });
    }
    let mut sessions = match opened {
        Some(table) => table,
        None => lake.open_or_create(layout::SESSIONS).await?,
    };
    run.quarantine(lake, &names).await?;
    run.commit_sessions(lake, &mut sessions, &names).await
}

/// Names the application transaction by which a file is known again: the same bytes, exported at the same time, read in the
/// same way, in folders of the same columns.
fn transaction_name(content_hash: &str, input: &SourceFile, options: &ReadOptions) -> String {
    let (exported_us, fingerprint) = (options.export_time_us(input), options.fingerprint());
    let mut name = format!("{FILE_PREFIX}{content_hash}:{exported_us}:{fingerprint:016x}");
    if let Some(folders) = folder_hash(&input.name) {
        name.push_str(&format!(":{folders:016x}"));
    }
    name
}

/// Finds the inputs that the lake has already taken in, without reading them as sessions.
async fn known_files(
    lake: &Lake,
    sessions: Option<&Table>,
    inputs: &[SourceFile],
    options: &IngestOptions,
) -> Result<Vec<Option<u64>>> {
    let mut known = vec![None; inputs.len()];
    let mut names = Vec::with_capacity(inputs.len());
    let Some(sessions) = sessions.filter(|table| table.version() > 0) else { return Ok(known) };
    for (input, known) in inputs.iter().zip(&mut known) {
        options.limits.check()?;
        let read = input.clone();
        // A file that cannot be read gets its error where it is opened to be read; what can be read only once, a pipe, waits.
        let Ok(Some(hash)) = blocking(move || read.content_hash()).await else {
            names.push(String::new());
            continue;
        };
        let name = transaction_name(&format!("{hash:032x}"), input, &options.read);
        *known = sessions.transaction_version(&name).await?.and_then(|version| u64::try_from(version).ok());
        // What restoring took back is not taken in, whatever was noted before.
        names.push(if sessions.is_taken_back(&name).await? { String::new() } else { name });
    }
    let old = taken::versions(lake, &names).await?;
    for (name, known) in names.iter().zip(&mut known) {
        *known = known.or(old.get(name).and_then(|version| u64::try_from(*version).ok()));
    }
    Ok(known)
}

/// Commits staged rows that are no file's, and so are not known again.
///
/// # Errors
/// As [`ingest`].
pub(super) async fn commit_staged(
    lake: &Lake,
    sessions: &mut Table,
    staged: Staged,
    options: &IngestOptions,
) -> Result<Ledger> {
    Run::new(staged, options).commit_sessions(lake, sessions, &[]).await
}

/// How an attempt of a run ended.
enum Attempt {
    /// There is nothing to commit.
    Ends(Ledger),
    Committed(Ledger),
    /// Another writer was faster.
    Again,
}

/// What the attempts of a run know of those before.
#[derive(Default)]
struct Known {
    /// The version in which it was looked for the run's files last.
    looked_up: Version,
    /// Sightings that are committed.
    recorded: HashSet<(i64, i64)>,
    beside: Beside,
}

struct Run {
    staged: Arc<Mutex<Staged>>,
    options: IngestOptions,
}

impl Run {
    fn new(staged: Staged, options: &IngestOptions) -> Self {
        Self { staged: Arc::new(Mutex::new(staged)), options: options.clone() }
    }

    fn locked(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> Vec<FileLedger> {
        self.locked().files.clone()
    }

    /// Names the transaction of every file, refused ones included.
    fn transaction_names(&self, inputs: &[SourceFile]) -> Vec<String> {
        let name =
            |(file, input): (&FileLedger, &SourceFile)| transaction_name(&file.content_hash, input, &self.options.read);
        self.locked().files.iter().zip(inputs).map(name).collect()
    }

    /// Leaves out the files that a version has taken in by now.
    async fn leave_out_known(&self, table: &Table, names: &[String], asked: impl Fn(usize) -> bool) -> Result<()> {
        for (index, name) in names.iter().enumerate() {
            if !asked(index) || !self.locked().files[index].is_taken() {
                continue;
            }
            if let Some(version) = table.transaction_version(name).await? {
                let mut staged = self.locked();
                let file = &mut staged.files[index];
                file.already_in_version = u64::try_from(version).ok();
                file.counts = Default::default();
                file.warnings = Default::default();
                file.unknown_columns = Vec::new();
                file.notes = Vec::new();
            }
        }
        Ok(())
    }

    /// Commits the rejects of the files that are taken in, each file's once.
    async fn quarantine(&self, lake: &Lake, names: &[String]) -> Result<()> {
        let files = self.files();
        if !files.iter().any(|file| file.is_taken() && file.counts.quarantined > 0) {
            return Ok(());
        }
        let mut table = lake.open_or_create(layout::QUARANTINE).await?;
        let mut attempts = Attempts::new(&self.options.limits);
        loop {
            attempts.begin()?;
            let mut wanted = vec![false; names.len()];
            // A set, for one file may be given under two names.
            let mut transactions = BTreeSet::new();
            for (index, (name, file)) in names.iter().zip(&files).enumerate() {
                if file.is_taken() && file.counts.quarantined > 0 && table.transaction_version(name).await?.is_none() {
                    wanted[index] = transactions.insert(name.clone());
                }
            }
            if transactions.is_empty() {
                return Ok(());
            }
            let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
            let output = Output::of(&table, temporary.path().to_owned());
            let (staged, target) = (Arc::clone(&self.staged), output.clone());
            let added = blocking(move || {
                let mut writer = FileWriter::new(schema::quarantine_schema(), target, NonZeroUsize::MIN, "quarantine");
                let mut staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
                staged.rejects.for_each(|file| wanted[file], |batch| writer.write(batch))?;
                writer.finish()
            })
            .await?;
            let commit = Commit {
                added,
                transactions: transactions.into_iter().collect(),
                modified_ms: self.options.now_us / 1_000,
                ..Commit::default()
            };
            if attempts.commit(&mut table, &output, commit).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Decides, writes and commits, again and again until no other writer comes between.
    async fn commit_sessions(&self, lake: &Lake, table: &mut Table, names: &[String]) -> Result<Ledger> {
        let mut known = Known { looked_up: table.version(), ..Known::default() };
        let mut attempts = Attempts::new(&self.options.limits);
        loop {
            attempts.begin()?;
            match self.attempt(lake, table, names, &attempts, &mut known).await {
                Ok(Attempt::Ends(ledger)) => return Ok(ledger),
                Ok(Attempt::Committed(ledger)) => return Ok(self.keep_up(lake, table, known.beside, ledger).await),
                Ok(Attempt::Again) => {}
                Err(error) => go_on_after(table, error).await?,
            }
        }
    }

    /// Decides, writes and commits on the loaded version.
    async fn attempt(
        &self,
        lake: &Lake,
        table: &mut Table,
        names: &[String],
        attempts: &Attempts<'_>,
        known: &mut Known,
    ) -> Result<Attempt> {
        let limits = &self.options.limits;
        let modified_ms = self.options.now_us / 1_000;
        if table.version() != known.looked_up {
            // Another run may have taken in some of the same files since.
            self.leave_out_known(table, names, |_| true).await?;
            known.looked_up = table.version();
        }
        let files = self.files();
        if !files.iter().any(FileLedger::is_taken) {
            return Ok(Attempt::Ends(Ledger::of(files)));
        }
        let transactions: BTreeSet<String> =
            names.iter().zip(&files).filter(|(_, file)| file.is_taken()).map(|(name, _)| name.clone()).collect();
        lake.enter("comparing");
        let snapshot = table.snapshot()?;
        let mut decision = decide(lake, table, &snapshot, &self.staged, self.options.with_erased, limits).await?;
        let profile = self.options.read.profile.clone();
        let mut ledger = Ledger { profile, ..Ledger::of(decision.files.clone()) };
        if self.options.stops(&decision.files) {
            return Ok(Attempt::Ends(Ledger { stopped: true, ..ledger }));
        }
        let removed: Vec<(String, u64)> = decision
            .removed
            .keys()
            .map(|index| &snapshot.files[*index as usize])
            .map(|file| (file.path.clone(), file.size_bytes))
            .collect();
        table.require_nothing_lost(&removed)?;
        let same_id = std::mem::take(&mut decision.same_id);
        same_id::keep(lake, table, &snapshot, same_id, &self.staged, &self.options).await?;
        let mut sightings = std::mem::take(&mut decision.sightings);
        // An attempt before has recorded nearly all that this one finds.
        sightings.retain(|sighting| !known.recorded.contains(sighting));
        sightings.sort_unstable();
        let sightings = Arc::new(sightings);
        let sighted = sightings::record(lake, &sightings, modified_ms, limits).await?;
        known.beside.sightings = sighted.or(known.beside.sightings.take());
        known.recorded.extend(sightings.iter().copied());
        lake.enter("writing");
        let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
        let output = Output::of(table, temporary.path().to_owned());
        let added = rewrite::write(table, &snapshot, decision, &self.staged, &self.options, output.clone()).await?;
        ledger.version = Some(snapshot.version + 1);
        let commit = Commit {
            added,
            removed,
            transactions: transactions.into_iter().collect(),
            forgets: self.options.upkeep,
            ledger: Some(serde_json::to_value(&ledger).map_err(Error::internal)?),
            modified_ms,
            ..Commit::default()
        };
        Ok(match attempts.commit(table, &output, commit).await? {
            Some(version) => Attempt::Committed(Ledger { version: Some(version), ..ledger }),
            None => Attempt::Again,
        })
    }

    /// Merges small files where there are too many by now. The ingest stands, whatever becomes of that.
    async fn keep_up(&self, lake: &Lake, table: &mut Table, mut beside: Beside, mut ledger: Ledger) -> Ledger {
        if !self.options.upkeep {
            return ledger;
        }
        lake.enter("merging");
        let merged = async {
            if ledger.total.quarantined > 0 {
                beside.quarantine = lake.open(layout::QUARANTINE).await?;
            }
            upkeep::after_ingest(lake, table, beside, &self.options).await
        };
        let merged = merged.await;
        // It serves look-ups, which do without where it could not be written; the next ingest writes what is missing.
        let _ = table.index_sessions(self.options.now_us / 1_000).await;
        match merged {
            Ok(done) => ledger.upkeep = done,
            // The next ingest will do it.
            Err(Error::Conflict { .. } | Error::Cancelled) => {}
            Err(error) => ledger.upkeep_failed = Some(as_flags(&error.to_string()).into_owned()),
        }
        ledger
    }
}

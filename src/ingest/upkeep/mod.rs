//! Keeps a lake fast: writes small and overlapping data files anew as few large ones.
//!
//! [`optimize`] makes all of a lake's files good at once; an ingest does a little of it each time ([`after_ingest`]). What is read and written is
//! bounded in memory, and goes the way of an ingest's own rewriting. A change is one commit of files with the same rows, so that a process that is
//! stopped leaves the table as it was, or better. Where another writer was faster, the files that were written serve on its version too, if it
//! left those that they were made of; else the choice is made anew.
//!
//! Sightings go into the rows that are written anew ([`rearrange`](rearrange::rearrange)), and those that say nothing any more are forgotten
//! ([`beside`]).

mod beside;
mod choice;
mod kept;
mod rearrange;
pub(super) mod taken;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use kept::keep_sightings;

use super::attempts::{Attempts, go_on_after, remove_files};
use super::options::IngestOptions;
use super::stage::{Limits, Progress};
use crate::error::{Error, Result};
use crate::lake::ledger::Upkeep;
use crate::lake::{Commit, DataFile, Lake, Output, Table, Version, WrittenFile, layout, properties};

/// Small files that stay beside those of the last day until an ingest merges some, where the lake does not say otherwise: with 12, every row of hourly
/// exports is written some five times until its file is large, and a year of them is some forty files, more than half of them of the last day.
const SMALL_FILES: usize = 12;
/// Rows that one ingest merges at most, where the lake does not say otherwise: two or three seconds of work.
const MAX_ROWS: u64 = layout::FILE_ROWS as u64;
/// How often an ingest tries to commit what it merged.
const TRIES: usize = 3;

/// How upkeep is done.
#[derive(Clone)]
pub struct UpkeepOptions {
    /// Leaf columns of a data file at most; 0 for none.
    pub leaf_budget: usize,
    /// When the run takes place, in microseconds since the Unix epoch.
    pub now_us: i64,
    /// What the run may use.
    pub limits: Limits,
}

impl Upkeep {
    fn of(table: &Table, files: &[DataFile]) -> Self {
        let (count, bytes) = (files.len() as u64, files.iter().map(|file| file.size_bytes).sum());
        let overlap = (table.name == layout::SESSIONS).then(|| overlap(files));
        Self {
            table: table.name.to_owned(),
            files_before: count,
            files_after: count,
            bytes_before: bytes,
            overlap_before: overlap,
            overlap_after: overlap,
            ..Self::default()
        }
    }

    /// Takes files as written anew.
    fn rewrite(&mut self, files: &[DataFile]) {
        self.rewritten_files += files.len() as u64;
        self.rewritten_rows += files.iter().filter_map(|file| file.rows).sum::<u64>();
        self.rewritten_bytes += files.iter().map(|file| file.size_bytes).sum::<u64>();
    }

    /// Takes what there is after the last commit.
    fn end(&mut self, table: &Table) -> Result<()> {
        let after = Self::of(table, &table.snapshot()?.files);
        (self.files_after, self.bytes_after) = (after.files_before, Some(after.bytes_before));
        self.overlap_after = after.overlap_before;
        Ok(())
    }
}

fn overlap(files: &[DataFile]) -> u64 {
    choice::depth(choice::shapes(files).iter(), 0).0
}

/// Says what [`optimize`] would do.
///
/// # Errors
/// A lake that is not there; storage errors.
pub async fn planned(lake: &Lake) -> Result<Vec<Upkeep>> {
    let sessions = opened(lake).await?;
    let files = sessions.rewritable()?;
    let mut upkeep = Upkeep::of(&sessions, &sessions.snapshot()?.files);
    let shapes = choice::shapes(&files);
    let mut left = shapes.clone();
    for unit in choice::units(&shapes) {
        let picked = pick(&files, &unit);
        upkeep.rewrite(&picked);
        left.retain(|shape| !unit.contains(&shape.index));
        let of_unit = |shape: &&choice::Shape| unit.contains(&shape.index);
        let rows = |active: bool| -> u64 {
            shapes.iter().filter(of_unit).filter(|shape| shape.active == active).map(|shape| shape.rows).sum()
        };
        let after = choice::files_of(rows(true)) + choice::files_of(rows(false));
        upkeep.files_after = (upkeep.files_after + after).saturating_sub(unit.len() as u64);
    }
    if upkeep.rewritten_files > 0 {
        // What is written anew adds at most one file of running sessions, and one of ended ones, to those at an instant.
        upkeep.overlap_after = Some(upkeep.files_after.min(2).max(choice::depth(left.iter(), 0).0));
    }
    let mut all = vec![upkeep];
    all.extend(beside::planned(lake).await?);
    Ok(all)
}

/// Writes all files anew that are small, overlap, or were written by another program, and merges what stands beside the sessions.
///
/// Work that was done before a stop or an error stays done.
///
/// # Errors
/// A lake that is not there; storage errors, temporary space that runs out, another writer that is always faster, or a run stopped from
/// outside.
pub async fn optimize(lake: &Lake, options: &UpkeepOptions) -> Result<Vec<Upkeep>> {
    let lake = &lake.keeping_tables();
    lake.enter("opening");
    opened(lake).await?;
    let mut table = lake.open_or_create(layout::SESSIONS).await?;
    table.require_writable()?;
    lake.enter("rewriting");
    let mut upkeep = Upkeep::of(&table, &table.snapshot()?.files);
    let mut attempts = Attempts::new(&options.limits);
    let told = Told::new(&options.limits);
    // Rows may be written anew twice, where other writers come between; not for ever.
    let most = 2 * upkeep.files_before + 64;
    let sightings = Arc::new(beside::latest_sightings(lake, &options.limits).await?);
    while upkeep.rewritten_files < most {
        let files = table.rewritable()?;
        let Some(unit) = choice::units(&choice::shapes(&files)).into_iter().next() else { break };
        let unit = pick(&files, &unit);
        match rewritten(&mut table, &unit, &sightings, options, &mut attempts, &told).await? {
            Some(version) => {
                upkeep.version = Some(version);
                upkeep.rewrite(&unit);
                attempts = Attempts::new(&options.limits);
            }
            // Another writer took one of the files: what is left is looked at anew.
            None => told.forget(&unit),
        }
    }
    upkeep.end(&table)?;
    // The next ingest writes what could not be written of it.
    let _ = table.index_sessions(options.now_us / 1_000).await;
    let mut all = vec![upkeep];
    all.extend(beside::optimize(lake, &table, options).await?);
    Ok(all)
}

/// The tables beside the sessions that an ingest wrote to, as they are then.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) sightings: Option<Table>,
    pub(super) quarantine: Option<Table>,
}

/// Merges some small files after an ingest, if there are too many.
///
/// # Errors
/// As [`optimize`]; the ingest stands.
pub(super) async fn after_ingest(
    lake: &Lake,
    table: &mut Table,
    beside: Beside,
    options: &IngestOptions,
) -> Result<Vec<Upkeep>> {
    let Bounds { most, max_rows } = Bounds::of(table)?;
    if most == 0 {
        return Ok(Vec::new());
    }
    let limits = Limits { progress: Arc::new(|_| {}), ..options.limits.clone() };
    let options = UpkeepOptions { leaf_budget: options.leaf_budget, now_us: options.now_us, limits };
    let (mut done, mut new) = (Vec::new(), Vec::new());
    let files = table.rewritable()?;
    let merged = pick(&files, &choice::crowded(&choice::shapes(&files), most, max_rows));
    if !merged.is_empty() {
        let mut upkeep = Upkeep::of(table, &table.snapshot()?.files);
        let sightings = Arc::new(beside::latest_sightings(lake, &options.limits).await?);
        let mut attempts = Attempts::at_most(TRIES, &options.limits);
        let told = Told::new(&options.limits);
        if let Some(version) = rewritten(table, &merged, &sightings, &options, &mut attempts, &told).await? {
            upkeep.version = Some(version);
            upkeep.rewrite(&merged);
            upkeep.end(table)?;
            done.push(upkeep);
            if !sightings.is_empty() {
                new = table.rewritable()?;
                new.retain(|file| !files.iter().any(|before| before.path == file.path));
            }
        }
    }
    let sightings = match beside.sightings {
        None if !new.is_empty() => lake.open(layout::SIGHTINGS).await?,
        known => known,
    };
    done.extend(beside::after_ingest(sightings, beside.quarantine, table, new, (most, max_rows), &options).await?);
    taken::note(lake, table, most, &options).await?;
    Ok(done)
}

/// What the lake says of the upkeep that ingests do.
struct Bounds {
    most: usize,
    max_rows: u64,
}

impl Bounds {
    fn of(table: &Table) -> Result<Self> {
        let most = table.number_property(properties::SMALL_FILES)?;
        let most = most.map_or(SMALL_FILES, |number| usize::try_from(number).unwrap_or(usize::MAX));
        Ok(Self { most, max_rows: table.number_property(properties::MAX_ROWS)?.unwrap_or(MAX_ROWS) })
    }
}

/// Opens the sessions of a lake that is there.
async fn opened(lake: &Lake) -> Result<Table> {
    let found = lake.open(layout::SESSIONS).await?;
    found.ok_or_else(|| Error::NotFound {
        message: format!("there is no lake at {:?}", lake.name),
        hint: Some("sessionlake ingest makes one".to_owned()),
    })
}

fn pick(files: &[DataFile], numbers: &[usize]) -> Vec<DataFile> {
    numbers.iter().filter_map(|number| files.get(*number).cloned()).collect()
}

/// Tells how many bytes of files were written anew.
#[derive(Clone)]
struct Told {
    limits: Limits,
    bytes: Arc<AtomicU64>,
    rows: Arc<AtomicU64>,
}

impl Told {
    fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), bytes: Arc::default(), rows: Arc::default() }
    }

    /// Returns what hears of rows of these files.
    fn of(&self, files: &[DataFile]) -> Arc<dyn Fn(u64) + Send + Sync> {
        let (before, all) = (self.bytes.load(Ordering::Relaxed), size(files));
        let rows_before = self.rows.load(Ordering::Relaxed);
        let rows: u64 = files.iter().filter_map(|file| file.rows).sum();
        let told = self.clone();
        Arc::new(move |more| {
            let done = told.rows.fetch_add(more, Ordering::Relaxed) + more;
            let share = (u128::from(done - rows_before) * u128::from(all) / u128::from(rows.max(1))) as u64;
            told.bytes.store(before + share.min(all), Ordering::Relaxed);
            (told.limits.progress)(Progress { bytes: before + share.min(all), rows: done });
        })
    }

    /// Takes back what was told of files that were written in vain.
    fn forget(&self, files: &[DataFile]) {
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_sub(size(files));
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

fn size(files: &[DataFile]) -> u64 {
    files.iter().map(|file| file.size_bytes).sum()
}

/// Writes files of sessions anew and commits that. `None` means that another writer took out one of them: nothing is changed, and the table is at
/// the newest version.
async fn rewritten(
    table: &mut Table,
    files: &[DataFile],
    sightings: &Arc<HashMap<i64, i64>>,
    options: &UpkeepOptions,
    attempts: &mut Attempts<'_>,
    told: &Told,
) -> Result<Option<Version>> {
    attempts.begin()?;
    let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
    let output = Output::of(table, temporary.path().to_owned());
    let added =
        rearrange::rearrange(table, files, Arc::clone(sightings), options, told.of(files), output.clone()).await;
    let added = match added {
        Ok(added) => added,
        Err(error) => return go_on_after(table, error).await.map(|()| None),
    };
    committed(table, files, added, &output, true, options, attempts).await
}

/// Commits files in the place of others, again while another writer is faster and leaves these. `None` as in [`rewritten`].
async fn committed(
    table: &mut Table,
    files: &[DataFile],
    added: Vec<WrittenFile>,
    output: &Output,
    same_rows: bool,
    options: &UpkeepOptions,
    attempts: &mut Attempts<'_>,
) -> Result<Option<Version>> {
    let note = serde_json::json!({
        "files_before": files.len(), "files_after": added.len(), "bytes_before": size(files),
        "bytes_after": added.iter().map(|file| file.size_bytes).sum::<u64>(),
        "rows": added.iter().map(|file| file.rows).sum::<u64>(),
    });
    let ended = loop {
        let commit = Commit {
            added: added.clone(),
            removed: files.iter().map(|file| (file.path.clone(), file.size_bytes)).collect(),
            modified_ms: options.now_us / 1_000,
            upkeep: Some(note.clone()),
            same_rows,
            ..Commit::default()
        };
        if let Some(version) = attempts.commit_kept(table, commit).await? {
            return Ok(Some(version));
        }
        // The rows of these files are the same on the version of the other writer, if they are there with the same rows deleted.
        let now = table.snapshot()?;
        if !files.iter().all(|file| now.files.iter().any(|kept| kept == file)) {
            break Ok(None);
        }
        if let Err(error) = attempts.begin() {
            break Err(error);
        }
    };
    remove_files(output, added).await?;
    ended
}

//! Erases sessions for good: for those who ask to be forgotten, and where nothing may be kept longer.
//!
//! What is erased is found by a query on the newest version. Then, in this order: the fingerprints of the sessions are kept, so that no ingest from
//! then on brings one back; records of them leave the quarantine, and sightings of their states go; last the rows leave the sessions. A run that is
//! killed in between leaves the sessions, so that the same run finds all of it again. Earlier versions keep what was erased until their files go, which
//! `purge` does at once.

mod kept;
mod records;
mod select;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::vacuum::{VacuumOptions, vacuum};
use crate::engine::EngineOptions;
use crate::error::{Error, Result};
use crate::ingest::{Attempts, Erased, Limits, go_on_after, put_back_what_is_left};
use crate::lake::{Commit, DataFile, Lake, Operation, Table, Version, layout};

use kept::Kept;

pub use select::Selection;

/// What an erasure does.
#[derive(Clone)]
pub struct EraseOptions {
    /// Which sessions.
    pub selection: Selection,
    /// Whether rows are erased; otherwise they are only counted.
    pub erases: bool,
    /// Whether earlier versions and their files go at once.
    pub purge: bool,
    /// Whether fingerprints are kept of the sessions, so that no ingest takes them in again.
    pub remembers: bool,
    /// Columns for JSON paths that a file which is written anew has at most.
    pub leaf_budget: usize,
    /// The present instant.
    pub now: DateTime<Utc>,
    /// What finding the sessions may use.
    pub engine: EngineOptions,
}

/// What an erasure did, without anything of a person: the receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseReceipt {
    /// Whether rows were erased; otherwise they were only counted.
    pub erased: bool,
    /// When.
    pub at: DateTime<Utc>,
    /// By what the sessions were found, in numbers: how many ids, phone numbers, addresses and conditions.
    pub by: BTreeMap<String, u64>,
    /// Sessions that go.
    pub sessions: u64,
    /// Records of the quarantine that go.
    pub quarantined: u64,
    /// Sightings that go.
    pub sightings: u64,
    /// Sessions that will not be taken in again.
    pub fingerprints: u64,
    /// Data files that hold them.
    pub files: u64,
    /// The bytes of those files.
    pub bytes: u64,
    /// The versions that have them no more, by table.
    pub versions: BTreeMap<String, Version>,
    /// Whether files of earlier versions are gone.
    pub purged: bool,
    /// Files that were removed with the earlier versions.
    pub purged_files: u64,
}

/// The sessions that are erased, as they were found in one version.
#[derive(Debug, Default)]
struct Chosen {
    /// The hashes of their ids.
    sessions: HashSet<u128>,
    /// The hashes of their states.
    contents: HashSet<i64>,
    /// The earliest and the latest start, in microseconds; `None` where a start is not known.
    starts: Option<(i64, i64)>,
    /// Ids whose characters do not tell where they end in a record.
    odd_ids: Vec<String>,
}

/// Erases sessions, or counts what would go.
///
/// # Errors
/// No lake there; a condition that is no SQL; storage errors; another writer that is always faster; a run stopped from outside.
pub async fn erase(lake: &Lake, options: &EraseOptions, limits: &Limits) -> Result<EraseReceipt> {
    lake.enter("opening");
    let Some(mut table) = lake.open(layout::SESSIONS).await? else {
        return Err(Error::NotFound { message: format!("there is no lake at {:?}", lake.name), hint: None });
    };
    let mut receipt = EraseReceipt {
        erased: options.erases,
        at: options.now,
        by: options.selection.counts(),
        ..EraseReceipt::default()
    };
    if options.erases {
        put_back_what_is_left(lake, options.now.timestamp_millis(), limits).await?;
    }
    let mut kept = Kept::default();
    let erased = through(lake, &mut table, options, limits, &mut kept, &mut receipt).await;
    if !matches!(erased, Ok(true)) {
        kept.discard().await?;
    }
    if !erased? {
        return Ok(receipt);
    }
    if options.purge {
        // Of all versions the newest alone is kept, however late it was committed.
        let newest = VacuumOptions { retention: TimeDelta::days(-1), now: options.now, removes: true };
        receipt.purged_files = vacuum(lake, newest, limits).await?.files;
        receipt.purged_files += table.forget_log().await?;
        table.refresh().await?;
        table.index_sessions_anew(options.now.timestamp_millis()).await?;
        receipt.purged = true;
    }
    Ok(receipt)
}

/// Tries until no other writer comes between; returns whether rows went from the sessions.
async fn through(
    lake: &Lake,
    table: &mut Table,
    options: &EraseOptions,
    limits: &Limits,
    kept: &mut Kept,
    receipt: &mut EraseReceipt,
) -> Result<bool> {
    let mut attempts = Attempts::new(limits);
    loop {
        attempts.begin()?;
        match attempt(lake, table, options, &attempts, kept, receipt).await {
            Ok(Attempt::Ends) => return Ok(false),
            Ok(Attempt::Committed) => return Ok(true),
            Ok(Attempt::Again) => {}
            Err(error) => go_on_after(table, error).await?,
        }
    }
}

/// How an attempt ended.
enum Attempt {
    /// Nothing goes from the sessions.
    Ends,
    Committed,
    /// Another writer was faster.
    Again,
}

/// Finds what is erased in the loaded version, and erases it.
async fn attempt(
    lake: &Lake,
    table: &mut Table,
    options: &EraseOptions,
    attempts: &Attempts<'_>,
    kept: &mut Kept,
    receipt: &mut EraseReceipt,
) -> Result<Attempt> {
    let limits = attempts.limits();
    let now_us = options.now.timestamp_micros();
    table.require_writable()?;
    lake.enter("finding");
    let chosen = Arc::new(select::choose(lake, table, options).await?);
    let held = rows_of(table, &chosen, limits).await?;
    receipt.sessions = held.values().map(|(_, rows)| rows.len() as u64).sum();
    receipt.files = held.len() as u64;
    receipt.bytes = held.values().map(|(file, _)| file.size_bytes).sum();
    if options.erases && options.remembers {
        let sessions: Vec<u128> = chosen.sessions.iter().copied().collect();
        if let Some((version, new)) = Erased::record(lake, &sessions, now_us, limits).await? {
            receipt.versions.insert(layout::ERASED.to_owned(), version);
            receipt.fingerprints += new;
        }
    }
    for name in [layout::QUARANTINE, layout::SIGHTINGS] {
        let Some(mut beside) = lake.open(name).await? else { continue };
        let (rows, version) = records::take_out(&mut beside, &chosen, options, limits).await?;
        match name {
            layout::QUARANTINE => receipt.quarantined += rows,
            _ => receipt.sightings += rows,
        }
        receipt.versions.extend(version.map(|version| (name.to_owned(), version)));
    }
    // Earlier versions may have what the newest has not: whoever goes back behind an erasure that was asked for has to say so. A retention, which
    // is nobody's request, has its turn after a restore as well.
    let is_asked_for = options.selection.before.is_none() && table.erased_in().await? != Some(table.version());
    if !options.erases || (held.is_empty() && !options.purge && !is_asked_for) {
        return Ok(Attempt::Ends);
    }
    let removed: Vec<(String, u64)> = held.values().map(|(file, _)| (file.path.clone(), file.size_bytes)).collect();
    table.require_nothing_lost(&removed)?;
    lake.enter("writing");
    let added = kept.write(table, &held, limits, options.leaf_budget).await?;
    let commit = Commit {
        added,
        removed,
        marks: vec![table.erasing()],
        operation: Operation::Delete,
        writes_checkpoint: options.purge,
        modified_ms: options.now.timestamp_millis(),
        ..Commit::default()
    };
    kept.may_stand(true);
    let version = attempts.commit_kept(table, commit).await?;
    kept.may_stand(version.is_some());
    Ok(match version {
        Some(version) => {
            receipt.versions.insert(layout::SESSIONS.to_owned(), version);
            Attempt::Committed
        }
        None => Attempt::Again,
    })
}

/// Finds the rows of chosen sessions, by their files.
async fn rows_of(table: &Table, chosen: &Chosen, limits: &Limits) -> Result<BTreeMap<String, (DataFile, Vec<u32>)>> {
    let mut held = BTreeMap::new();
    if chosen.sessions.is_empty() {
        return Ok(held);
    }
    for file in table.snapshot()?.files.iter().filter(|file| chosen.may_be_in(file)) {
        limits.check()?;
        let rows = select::rows_in(table, file, chosen, limits).await?;
        if !rows.is_empty() {
            held.insert(file.path.clone(), (file.clone(), rows));
        }
    }
    Ok(held)
}

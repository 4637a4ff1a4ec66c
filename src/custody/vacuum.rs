//! Removes the files of a lake that no kept version has.
//!
//! Before files of earlier versions go, a commit says from which version on all are kept. Who makes an earlier version the newest again at the same
//! time meets that commit, and finds that the files are going; and where such a restore was faster, what may go is decided anew. The files go after
//! the commit, so that a vacuum that is killed has said what it was about to do, and the next one goes on.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::TABLES;
use crate::error::{Error, Result};
use crate::ingest::{Attempts, Limits, put_back_what_is_left};
use crate::lake::{Commit, Lake, Leaving, Leavings, Operation, Table, Version, Why};

/// What a vacuum does.
#[derive(Debug, Clone, Copy)]
pub struct VacuumOptions {
    /// For how long a version is kept after another took its place.
    pub retention: TimeDelta,
    /// The present instant.
    pub now: DateTime<Utc>,
    /// Whether files are removed; otherwise they are only found.
    pub removes: bool,
}

/// What a vacuum found, and removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VacuumReport {
    /// Whether files were removed.
    pub removed: bool,
    /// Versions that were the newest at this instant or later are kept.
    pub kept_since: DateTime<Utc>,
    /// One entry a table that the lake has.
    pub tables: Vec<VacuumedTable>,
    /// The number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a vacuum found in the folder of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VacuumedTable {
    /// The table's name.
    pub table: String,
    /// The oldest version all of whose files are kept.
    pub kept_from: Version,
    /// The files that go.
    pub files: Vec<Leaving>,
    /// Files of runs that are under way, which stay.
    pub under_way: u64,
    /// Files that no version has and that are not a day old, which stay: another program may be about to commit them.
    pub young: u64,
    /// Files that no program names so that writes Delta tables, which stay.
    pub unknown: Vec<String>,
}

/// Finds the files of a lake that no kept version has, and removes them if told.
///
/// # Errors
/// No lake there; storage errors, of a removal after all others were tried; another writer that is always faster; a run stopped from outside.
pub async fn vacuum(lake: &Lake, options: VacuumOptions, limits: &Limits) -> Result<VacuumReport> {
    let kept_since = options.now.checked_sub_signed(options.retention).unwrap_or(DateTime::UNIX_EPOCH);
    let mut report = VacuumReport { removed: options.removes, kept_since, tables: Vec::new(), files: 0, bytes: 0 };
    let mut failed = None;
    if options.removes {
        // Their records may be in files that go now, and nowhere else.
        put_back_what_is_left(lake, options.now.timestamp_millis(), limits).await?;
    }
    for name in TABLES {
        lake.enter("listing");
        let Some(mut table) = lake.open(name).await? else { continue };
        let leavings = match options.removes {
            true => {
                let mut removed = Removed::default();
                let decided = decided(lake, &mut table, kept_since, &options, limits, &mut removed).await;
                let mut leavings = match decided {
                    // A disk that has no room for a commit has some when another table's files are gone.
                    Err(error @ Error::Storage { .. }) => {
                        failed = failed.or(Some(error));
                        Leavings { kept_from: table.kept_from().await.unwrap_or_default(), ..Leavings::default() }
                    }
                    decided => decided?,
                };
                lake.enter("removing");
                removed.remove(&table, &leavings.files).await;
                leavings.files = removed.files;
                failed = failed.or(removed.failed);
                leavings
            }
            false => table.leavings(kept_since, options.now).await?,
        };
        let Leavings { kept_from, files, under_way, young, unknown } = leavings;
        report.files += files.len() as u64;
        report.bytes += files.iter().map(|file| file.bytes).sum::<u64>();
        report.tables.push(VacuumedTable { table: name.to_owned(), kept_from, files, under_way, young, unknown });
    }
    if report.tables.is_empty() {
        return Err(Error::NotFound {
            message: format!("there is no lake at {:?}", lake.name),
            hint: Some("sessionlake ingest makes one".to_owned()),
        });
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(report),
    }
}

/// Files of a table that were removed, and the first error of a removal.
#[derive(Default)]
struct Removed {
    files: Vec<Leaving>,
    failed: Option<Error>,
}

impl Removed {
    async fn remove(&mut self, table: &Table, files: &[Leaving]) {
        let (removed, error) = table.remove_leavings(files).await;
        self.files.extend(removed);
        self.failed = self.failed.take().or(error);
    }
}

/// Decides which files go and says so in the log, where they are of earlier versions. Those that no version had are removed before: a full disk
/// may have no room for the commit.
async fn decided(
    lake: &Lake,
    table: &mut Table,
    kept_since: DateTime<Utc>,
    options: &VacuumOptions,
    limits: &Limits,
    removed: &mut Removed,
) -> Result<Leavings> {
    let mut attempts = Attempts::new(limits);
    loop {
        attempts.begin()?;
        let mut leavings = table.leavings(kept_since, options.now).await?;
        let is_of_versions = leavings.files.iter().any(|file| file.why == Why::OldVersions);
        if !is_of_versions || table.kept_from().await? >= leavings.kept_from {
            return Ok(leavings);
        }
        table.require_writable()?;
        lake.enter("removing");
        let (of_versions, others) = leavings.files.into_iter().partition(|file| file.why == Why::OldVersions);
        leavings.files = of_versions;
        removed.remove(table, &others).await;
        let commit = Commit {
            marks: vec![Table::keeping_from(leavings.kept_from)],
            operation: Operation::Vacuum(options.retention.num_milliseconds().max(0)),
            modified_ms: options.now.timestamp_millis(),
            ..Commit::default()
        };
        if attempts.commit_kept(table, commit).await?.is_some() {
            return Ok(leavings);
        }
    }
}

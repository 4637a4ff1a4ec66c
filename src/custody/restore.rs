//! Makes an earlier version of the sessions the newest again.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ingest::{Attempts, Limits, keep_sightings, put_back};
use crate::lake::{Commit, DataFile, Lake, Operation, Version, layout};

/// Which version comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreTo {
    /// This one.
    Version(Version),
    /// The newest that was committed at or before this instant.
    Time(DateTime<Utc>),
}

/// What a restore does.
#[derive(Debug, Clone, Copy)]
pub struct RestoreOptions {
    /// Which version comes back.
    pub to: RestoreTo,
    /// Whether rows may come back that were erased since.
    pub with_erased: bool,
    /// The present instant.
    pub now: DateTime<Utc>,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The version that came back.
    pub to: Version,
    /// The newest version before.
    pub from: Version,
    /// The version that the restore made; `None` where the newest one had the same files.
    pub version: Option<Version>,
    /// Files that came back.
    pub files_back: u64,
    /// Files that went.
    pub files_gone: u64,
    /// Exports that are not taken in any more, and may be again.
    pub exports_undone: u64,
    /// Records that are in quarantine again, because replays took them in after that version.
    pub records_back: u64,
    /// Sessions in the version, if the log knows.
    pub sessions: Option<u64>,
}

/// Makes an earlier version of the sessions the newest again. Versions in between stay as they are. What sightings said of the rows
/// that come back, and upkeep wrote into rows since, is recorded anew; records that replays took out of the quarantine since are in it again.
///
/// # Errors
/// No lake there; a version that the log does not have, or of which files are gone; one before an erasure, unless told; storage errors; another
/// writer that is always faster.
pub async fn restore(lake: &Lake, options: RestoreOptions, limits: &Limits) -> Result<RestoreReport> {
    lake.enter("opening");
    let Some(mut table) = lake.open(layout::SESSIONS).await? else {
        return Err(Error::NotFound { message: format!("there is no lake at {:?}", lake.name), hint: None });
    };
    let to = match options.to {
        RestoreTo::Version(version) => version,
        RestoreTo::Time(instant) => {
            let mut earlier = table.clone();
            earlier.travel_to_time(instant).await?;
            earlier.version()
        }
    };
    let mut earlier = table.clone();
    earlier.travel_to_version(to).await?;
    let since = earlier.committed_at().await?.unwrap_or(DateTime::UNIX_EPOCH);
    let modified_ms = options.now.timestamp_millis();
    lake.enter("restoring");
    let mut attempts = Attempts::new(limits);
    loop {
        attempts.begin()?;
        table.require_writable()?;
        let reversal = table.reversal_to(to).await?;
        let mut report = RestoreReport {
            to,
            from: table.version(),
            version: None,
            files_back: reversal.returning.len() as u64,
            files_gone: reversal.removed.len() as u64,
            exports_undone: reversal.marks.len() as u64,
            records_back: 0,
            sessions: None,
        };
        if reversal.is_empty() {
            report.sessions = table.snapshot()?.rows();
            return Ok(report);
        }
        if let Some(erased) = table.erased_in().await?.filter(|erased| *erased > to && !options.with_erased) {
            return Err(Error::usage(format!("version {to} may have rows that version {erased} erased"))
                .with_hint("⟨with-erased⟩ brings them back"));
        }
        let returning: HashSet<&str> = reversal.returning.iter().map(|file| file.path()).collect();
        let mut back: Vec<DataFile> = earlier.snapshot()?.files.to_vec();
        back.retain(|file| returning.contains(file.path.as_str()));
        let keep = async || keep_sightings(lake, &earlier, &back, since, modified_ms, limits).await;
        keep().await?;
        // A killed restore leaves records in quarantine that sessions have as well: the next replay finds the sessions unchanged.
        report.records_back = put_back(lake, &table, to, modified_ms, limits).await?;
        let commit = Commit {
            returning: reversal.returning,
            removed: reversal.removed,
            marks: reversal.marks,
            operation: Operation::Restore(to),
            modified_ms,
            ..Commit::default()
        };
        if let Some(version) = attempts.commit_kept(&mut table, commit).await? {
            // An upkeep may have forgotten them before the rows were back, and a replay may have taken records out since.
            keep().await?;
            report.records_back += put_back(lake, &table, version, modified_ms, limits).await?;
            report.version = Some(version);
            report.sessions = table.snapshot()?.rows();
            return Ok(report);
        }
    }
}

//! Makes a run again from its manifest: all of it to compare the bytes, or only what failed to complete it.

use std::collections::BTreeMap;
use std::path::Path;

use chrono_tz::Tz;

use super::manifest::{Manifest, ReportStatus};
use super::place::Target;
use super::run::{Carried, Errors, OnFailure, Outcome, Progress, Request, Stopwatch, plan};
use super::spec::Report;
use crate::engine::{At, EngineOptions, LakeView};
use crate::error::{Error, Result};

/// What comparing a run with itself found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Files that were compared.
    pub files: usize,
    /// What differs, one line each; empty when all bytes are the same.
    pub differences: Vec<String>,
    /// Reports that had failed and so have nothing to compare.
    pub failed: usize,
}

/// Limits of this machine for a run that is made again; what the run was made from comes from its manifest.
#[derive(Clone)]
pub struct Again {
    /// Memory, spilling and threads. The clock and the zone are those of the manifest.
    pub engine: EngineOptions,
    /// The lake, where it has moved since.
    pub lake: Option<String>,
    /// The clock of the seconds in the manifest.
    pub stopwatch: Stopwatch,
}

/// For which reports the memory of the manifest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// For all.
    All,
    /// For those that ran to their end. The others may have failed for the lack of it.
    Ended,
}

impl Again {
    /// Opens the lake of a manifest at its version, and makes the request of the same run.
    async fn request(&self, manifest: &Manifest, taken: Taken) -> Result<Request> {
        let uri = self.lake.as_deref().unwrap_or(&manifest.lake.uri);
        let view =
            LakeView::open_uri(uri, At::Version(manifest.lake.version), manifest.lake.quarantine_version).await?;
        let zone = |name: &str| {
            name.parse::<Tz>().map_err(|_| Error::usage(format!("the manifest has an unknown time zone {name:?}")))
        };
        let reports: Result<Vec<_>> = manifest.reports.iter().map(|r| Report::new(r.definition.clone())).collect();
        Ok(Request {
            name: manifest.job.clone(),
            title: manifest.title.clone(),
            description: manifest.description.clone(),
            reports: reports?,
            view,
            // Stands on the page, also where the lake was found elsewhere.
            lake_uri: manifest.lake.uri.clone(),
            engine: EngineOptions {
                as_of: manifest.as_of,
                time_zone: zone(&manifest.time_zone)?,
                ..self.engine.clone()
            },
            memory_bytes: manifest
                .reports
                .iter()
                .map(|record| {
                    Some(record.memory_limit_bytes)
                        .filter(|_| taken == Taken::All || record.status != ReportStatus::Failed)
                })
                .collect(),
            window: manifest.window,
            privacy: manifest.privacy,
            html_rows: manifest.html_rows,
            on_failure: OnFailure::KeepGoing,
            stopwatch: self.stopwatch.clone(),
        })
    }
}

/// Makes a run again in a temporary folder, and compares every byte with what is in the folder and in its manifest.
///
/// # Errors
/// A folder without a run, a lake that no longer has the version, storage errors.
pub async fn verify(folder: &Path, again: &Again, progress: Progress<'_>) -> Result<Verdict, Errors> {
    let one = |error| vec![error];
    let manifest = Manifest::read(folder).map_err(one)?;
    let mut differences = manifest.damaged(folder).map_err(one)?;
    if manifest.sessionlake != env!("CARGO_PKG_VERSION") {
        differences.push(format!(
            "the run was made by sessionlake {}, this is {}",
            manifest.sessionlake,
            env!("CARGO_PKG_VERSION")
        ));
    }
    let request = again.request(&manifest, Taken::All).await.map_err(one)?;
    let mut carried = BTreeMap::new();
    for (place, (record, report)) in manifest.reports.iter().zip(&request.reports).enumerate() {
        if record.status == ReportStatus::Failed {
            carried.insert(place, Carried { record: record.clone(), report: report.clone(), folder: None });
        }
    }
    let failed = carried.len();
    let planned = plan(request, carried).await?;
    let made = match &again.engine.temporary_folder {
        Some(folder) => tempfile::Builder::new().prefix("sessionlake-").tempdir_in(folder),
        None => tempfile::Builder::new().prefix("sessionlake-").tempdir(),
    };
    let temporary = made.map_err(|e| one(Error::storage("temporary folder", e)))?;
    let (fresh, failure) = planned.execute(temporary.path(), progress).await.map_err(one)?;
    if let Some(error) = failure {
        differences.push(format!("a report that ran then fails now: {error}"));
    }
    let new: BTreeMap<_, _> = fresh.outputs().map(|output| (output.file.as_str(), output)).collect();
    let mut files = 0;
    for output in manifest.outputs() {
        files += 1;
        match new.get(output.file.as_str()) {
            Some(made) if *made == output => {}
            Some(_) => differences.push(format!("{} comes out with other bytes", output.file)),
            None => differences.push(format!("{} does not come out again", output.file)),
        }
    }
    Ok(Verdict { files, differences, failed })
}

/// Runs what failed in a run, from the same lake version and at the same clock, and puts the completed run into place.
///
/// # Errors
/// As [`verify`], and everything that keeps a report from being planned.
pub async fn resume(folder: &Path, again: &Again, progress: Progress<'_>) -> Result<Outcome, Errors> {
    let one = |error| vec![error];
    let target = Target::lock(folder).map_err(one)?;
    let manifest = Manifest::read(target.folder()).map_err(one)?;
    target.earlier().map_err(one)?;
    if manifest.count(ReportStatus::Failed) == 0 {
        return Ok(Outcome::UpToDate(manifest));
    }
    let damaged = manifest.damaged(target.folder()).map_err(one)?;
    if !damaged.is_empty() {
        let error = Error::usage(format!("the run cannot be resumed: {}", damaged.join(", ")))
            .with_hint("make it anew with sessionlake report run");
        return Err(vec![error]);
    }
    let request = again.request(&manifest, Taken::Ended).await.map_err(one)?;
    let mut carried = BTreeMap::new();
    for (place, (record, report)) in manifest.reports.iter().zip(&request.reports).enumerate() {
        if record.status != ReportStatus::Failed {
            let folder = Some(target.folder().to_owned());
            carried.insert(place, Carried { record: record.clone(), report: report.clone(), folder });
        }
    }
    let planned = plan(request, carried).await?;
    let staged = target.stage().map_err(one)?;
    let (manifest, failure) = planned.execute(staged.path(), progress).await.map_err(one)?;
    target.place(staged).map_err(one)?;
    Ok(Outcome::Written(manifest, failure))
}

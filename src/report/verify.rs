//! Makes a run again from its manifest: all of it to compare the bytes, or only what failed to complete it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::zones::{self, Tz};
use serde_json::Value;

use super::manifest::{Manifest, ReportRecord, ReportStatus};
use super::place::Target;
use super::progress::Progress;
use super::request::{Deadline, OnFailure, Request, Stopwatch, in_time};
use super::run::{Carried, Errors, Outcome, PlannedRun, plan};
use super::spec::{Definition, Report};
use super::veil::restored;
use crate::engine::{At, Distribution, EngineOptions, LakeView};
use crate::error::{Error, Result};

/// Checks that the values given for hidden parameters can be those of the run: what is shown of them is the same.
fn check_given(planned: &PlannedRun, manifest: &Manifest) -> Result<()> {
    for (place, record) in manifest.reports.iter().enumerate() {
        let Some(bound) = planned.bound(place) else { continue };
        // A report that could not be planned has bound nothing.
        let differs = record.bound.iter().find(|known| !bound.contains(known));
        if let Some((name, shown)) = differs.filter(|_| !record.hidden_parameters.is_empty()) {
            let id = &record.definition.id;
            return Err(Error::usage(format!("the value given for {name} is not that of {id}, shown as {shown}")));
        }
    }
    Ok(())
}

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
    /// Values of parameters that are hidden in the manifest, by name or by report and name.
    pub given: BTreeMap<String, Value>,
    /// The clock of the seconds in the manifest.
    pub stopwatch: Stopwatch,
    /// The other processes that reports run on where their bytes are the same there.
    pub spread: Option<Arc<dyn Distribution>>,
    /// When the reports must have ended.
    pub deadline: Option<Deadline>,
}

/// For which reports the memory of the manifest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// For all.
    All,
    /// For those that ran to their end. The others may have failed for the lack of it.
    Ended,
}

/// The SQL of a report that is taken over and not run.
const NO_SQL: &str = "select null";

impl Again {
    /// Lists the reports of a manifest, with the values that are hidden in it. Those that are taken over as they are need none.
    fn definitions(&self, manifest: &Manifest, taken: Taken) -> Result<Vec<Definition>> {
        let (mut definitions, mut missing) = (Vec::new(), Vec::new());
        for record in &manifest.reports {
            let runs = (record.status == ReportStatus::Failed) == (taken == Taken::Ended);
            if !runs {
                // Only its page is made again. What is masked in SQL may leave none that can be read.
                definitions.push(Definition { sql: NO_SQL.to_owned(), ..record.definition.clone() });
                continue;
            }
            let hidden = &record.hidden_parameters;
            let (definition, lacks) = restored(record.definition.clone(), hidden, record.hidden_sql, &self.given)?;
            missing.extend(lacks.into_iter().map(|name| (record, name)));
            definitions.push(definition);
        }
        let known = |given: &str| {
            manifest.reports.iter().any(|record| {
                let own = given.strip_prefix(&record.definition.id).and_then(|rest| rest.strip_prefix('.'));
                record.hidden_parameters.iter().any(|name| name == given || Some(name.as_str()) == own)
            })
        };
        if let Some(name) = self.given.keys().find(|name| !known(name)) {
            return Err(Error::usage(format!("the run has no hidden parameter {name:?}"))
                .with_hint("the others are in its manifest, and cannot be given"));
        }
        if missing.is_empty() {
            return Ok(definitions);
        }
        let shown = |record: &ReportRecord, name: &str| {
            record.bound.iter().find(|(bound, _)| bound == name).map(|(_, value)| value.clone())
        };
        let mut flags: Vec<String> = Vec::new();
        for (record, name) in &missing {
            // The report's name goes before where another report has another value.
            let own = shown(record, name);
            let alone = missing.iter().all(|(other, same)| same != name || shown(other, name) == own);
            let id = if alone { String::new() } else { format!("{}.", record.definition.id) };
            flags.push(format!("⟨param⟩ {id}{name}=…"));
        }
        flags.sort();
        flags.dedup();
        let message = "the results are redacted, and so are values of parameters in the manifest";
        Err(Error::usage(message).with_hint(format!("give them again: {}", flags.join(" "))))
    }

    /// Opens the lake of a manifest at its version, and makes the request of the same run.
    async fn request(&self, manifest: &Manifest, taken: Taken) -> Result<Request> {
        let uri = self.lake.as_deref().unwrap_or(&manifest.lake.uri);
        let view =
            LakeView::open_uri(uri, At::Version(manifest.lake.version), manifest.lake.quarantine_version).await?;
        let zone = |name: &str| {
            name.parse::<Tz>().map_err(|_| Error::usage(format!("the manifest has an unknown time zone {name:?}")))
        };
        let reports: Result<Vec<_>> = self.definitions(manifest, taken)?.into_iter().map(Report::new).collect();
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
            spread: self.spread.clone(),
            deadline: self.deadline,
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
    check_given(&planned, &manifest).map_err(one)?;
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
    // Other rules of zones need not have changed anything; where something differs, they may be why.
    let (then, now) = (&manifest.time_zone_release, zones::release());
    if !differences.is_empty() && !then.is_empty() && then != now {
        differences.push(format!("the run was made with time zones of release {then}, these are of {now}"));
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
    let planned = in_time(request.deadline, plan(request, carried)).await.map_err(one)??;
    check_given(&planned, &manifest).map_err(one)?;
    let staged = target.stage().map_err(one)?;
    let (manifest, failure) = planned.execute(staged.path(), progress).await.map_err(one)?;
    target.place(staged).map_err(one)?;
    Ok(Outcome::Written(manifest, failure))
}

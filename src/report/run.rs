//! Runs the reports of a job over one version of a lake.
//!
//! Everything is planned before anything runs. Reports then run side by side, each in a session and a memory budget of its own
//! and in one partition, so that what one does cannot change the bytes of another (docs/decisions/0004); those whose bytes are the same there,
//! on workers if there are some.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use super::job::{Job, Privacy};
use super::make::{Ended, Surroundings, broken};
use super::manifest::{LakeRecord, Manifest, ReportRecord, ReportStatus};
use super::outputs::{PAGE_FOLDER, Shown};
use super::page;
use super::place::Target;
use super::prepare::{Prepared, Recipe, prepare};
use super::progress::{Event, Progress, Reading};
use super::redact::Redaction;
use super::request::{OnFailure, Request, in_time};
use super::spec::Report;
use super::veil::Veil;
use super::window::{self, Window};
use crate::engine::{EngineOptions, Spent};
use crate::error::{Error, Result, io_error};
use crate::script;
use crate::zones;

/// Rows that the page shows of each report unless told otherwise.
pub const HTML_ROWS: usize = 1_000;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing changed since the run that is there; it stays.
    UpToDate(Manifest),
    /// It was written. The first error of a report, if one failed.
    Written(Manifest, Option<Error>),
}

/// All that was found wrong, at least one.
pub type Errors = Vec<Error>;

/// Reads the reports of a job, and gives each the values of its parameters: of the command, else of the window, else of the
/// report in the job, else of the job.
///
/// # Errors
/// Every mistake that can be found without a lake.
pub fn resolve(job: &Job, given: &BTreeMap<String, Value>, window: Option<&Window>) -> Result<Vec<Report>, Errors> {
    let mut errors = Errors::new();
    let mut reports = Vec::new();
    for definition in &job.reports {
        match Report::new(definition.clone()) {
            Ok(report) => reports.push(report),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let knows = |name: &str| reports.iter().any(|report| report.script.knows(name));
    if let Some(name) = job.parameters.keys().find(|name| !knows(name)) {
        return Err(vec![Error::usage(format!("job {:?}: no report has the parameter {name:?}", job.name))]);
    }
    let sets = |report: &Report, window: &Window| -> BTreeMap<String, Value> {
        let names = report.script.header.parameters.iter().map(|parameter| parameter.name.as_str());
        names.filter_map(|name| Some((name.to_owned(), Value::String(window.parameter(name)?)))).collect()
    };
    if let Some(window) = window
        && !reports.iter().any(|report| !sets(report, window).is_empty())
    {
        return Err(vec![
            Error::usage("no report takes a window")
                .with_hint(format!("declare one of the parameters {} in a header", window::PARAMETERS)),
        ]);
    }
    let shared = script::share_out(reports.iter().map(|report| &report.script), given).map_err(|e| vec![e])?;
    for (report, shared) in reports.iter_mut().zip(shared) {
        let mut values: BTreeMap<String, Value> = job.parameters.clone();
        values.retain(|name, _| report.script.knows(name));
        values.append(&mut report.definition.parameters);
        if let Some(window) = window {
            values.extend(sets(report, window));
        }
        values.extend(shared);
        report.definition.parameters = values;
    }
    Ok(reports)
}

/// A report that an earlier run has made, or failed to make, and this one takes over.
pub(super) struct Carried {
    pub(super) record: ReportRecord,
    pub(super) report: Report,
    /// The folder with its files; none for one that failed.
    pub(super) folder: Option<PathBuf>,
}

/// A report that is to be made, or that cannot.
enum Planned {
    Ready(Box<Prepared>),
    Broken(Box<Report>, Error),
    Carried(Box<Carried>),
}

/// A run with all of its reports planned.
pub(super) struct PlannedRun {
    request: Request,
    parallel: NonZeroUsize,
    reports: Vec<Planned>,
    /// What the lake was asked for before.
    before: Spent,
    /// Seconds that planning took.
    planning: f64,
}

/// Plans every report; `carried` holds those that are taken over, by their place.
///
/// # Errors
/// Everything that is wrong with any of them, unless the run keeps going.
pub(super) async fn plan(mut request: Request, mut carried: BTreeMap<usize, Carried>) -> Result<PlannedRun, Errors> {
    for report in &request.reports {
        // The title of a run of one report is the report's, with its names.
        let veil = Veil::of(report, request.privacy);
        request.title = veil.text(&request.title);
        request.description = request.description.map(|text| veil.text(&text));
    }
    let before = request.view.spent().unwrap_or_default();
    let begun = (request.stopwatch)();
    request.view.enter("planning");
    let limit = request.engine.memory_limit_bytes;
    let count = NonZeroUsize::new(request.reports.len()).unwrap_or(NonZeroUsize::MIN);
    let mut parallel = request.engine.threads.min(count);
    let share = limit / parallel;
    // As many at once as the memory that they had is there for.
    let most = request.memory_bytes.iter().flatten().max().copied().unwrap_or(share).max(1);
    parallel = parallel.min(NonZeroUsize::new(limit / most).unwrap_or(NonZeroUsize::MIN));
    let mut reports: Vec<Option<Planned>> = Vec::new();
    let mut running = JoinSet::new();
    for (place, report) in request.reports.iter().enumerate() {
        reports.push(carried.remove(&place).map(|carried| Planned::Carried(Box::new(carried))));
        if let Some(None) = reports.last() {
            let memory = request.memory_bytes.get(place).copied().flatten().unwrap_or(share);
            let recipe = Recipe {
                view: request.view.clone(),
                lake_uri: request.lake_uri.clone(),
                engine: EngineOptions { memory_limit_bytes: memory, ..request.engine.clone() },
                privacy: request.privacy,
                html_rows: request.html_rows,
                spread: request.spread.clone(),
            };
            let report = report.clone();
            let veil = Veil::of(&report, request.privacy);
            running.spawn(async move { (place, prepare(report, &recipe).await.map_err(|error| veil.error(error))) });
        }
    }
    let mut errors: Vec<(usize, Error)> = Vec::new();
    while let Some(joined) = running.join_next().await {
        let (place, prepared) = joined.map_err(|error| vec![Error::internal(format!("planning stopped: {error}"))])?;
        let planned = match prepared {
            Ok(prepared) => Planned::Ready(Box::new(prepared)),
            Err(error) => match request.reports.get(place) {
                Some(report) if request.on_failure == OnFailure::KeepGoing => {
                    Planned::Broken(Box::new(report.clone()), error)
                }
                _ => {
                    errors.push((place, error));
                    continue;
                }
            },
        };
        if let Some(slot) = reports.get_mut(place) {
            *slot = Some(planned);
        }
    }
    if errors.is_empty() {
        let planning = (request.stopwatch)() - begun;
        let reports = reports.into_iter().flatten().collect();
        return Ok(PlannedRun { request, parallel, reports, before, planning });
    }
    errors.sort_by_key(|(place, _)| *place);
    Err(errors.into_iter().map(|(_, error)| error).collect())
}

/// Makes a run into a folder, unless the one that is there is up to date.
///
/// # Errors
/// Everything that planning found, or the error that ended the run. What was there before is then still there.
pub async fn run(request: Request, out: &Path, progress: Progress<'_>) -> Result<Outcome, Errors> {
    let one = |error| vec![error];
    let planned = in_time(request.deadline, plan(request, BTreeMap::new())).await.map_err(one)??;
    let target = Target::lock(out).map_err(one)?;
    if let Some(earlier) = target.earlier().map_err(one)?
        && planned.is_same_as(&earlier)
        && earlier.damaged(target.folder()).map_err(one)?.is_empty()
    {
        return Ok(Outcome::UpToDate(earlier));
    }
    let staged = target.stage().map_err(one)?;
    let (manifest, failure) = planned.execute(staged.path(), progress).await.map_err(one)?;
    target.place(staged).map_err(one)?;
    Ok(Outcome::Written(manifest, failure))
}

impl PlannedRun {
    /// Says whether an earlier run is made of the same, and whole.
    fn is_same_as(&self, earlier: &Manifest) -> bool {
        let request = &self.request;
        earlier.job == request.name
            && earlier.title == request.title
            && earlier.description == request.description
            && earlier.window == request.window
            && earlier.reports.len() == self.reports.len()
            && self.reports.iter().zip(&earlier.reports).all(|(planned, record)| match planned {
                Planned::Ready(prepared) => {
                    // Without a fingerprint there is no telling.
                    record.status != ReportStatus::Failed
                        && !record.fingerprint.is_empty()
                        && record.fingerprint == prepared.fingerprint
                }
                Planned::Broken(..) | Planned::Carried(_) => false,
            })
    }

    /// The value of every parameter of a report that is to run, as the run may tell it.
    pub(super) fn bound(&self, place: usize) -> Option<&[(String, String)]> {
        match self.reports.get(place) {
            Some(Planned::Ready(prepared)) => Some(&prepared.bound),
            _ => None,
        }
    }

    /// Runs the reports into a folder that is empty, and writes page and manifest.
    ///
    /// # Errors
    /// The first error, unless the run keeps going.
    pub(super) async fn execute(self, folder: &Path, progress: Progress<'_>) -> Result<(Manifest, Option<Error>)> {
        let Self { request, parallel, reports: planned, before, planning } = self;
        let begun = (request.stopwatch)();
        request.view.enter("running");
        let pages = folder.join(PAGE_FOLDER);
        fs::create_dir(&pages).map_err(io_error(&pages))?;
        let mut manifest = empty_manifest(&request, request.view.quarantine_version().await?);
        let total = planned.len();
        let mut ended: Vec<Option<Ended>> = Vec::new();
        ended.resize_with(total, || None);
        let mut waiting = Vec::new();
        let mut failure = None;
        for (place, planned) in planned.into_iter().enumerate() {
            let done = match planned {
                Planned::Ready(prepared) => {
                    waiting.push((place, prepared));
                    continue;
                }
                Planned::Carried(carried) => take_over(*carried, folder)?,
                Planned::Broken(report, error) => {
                    let veil = Veil::of(&report, request.privacy);
                    let done = broken(*report, &error, &veil);
                    failure.get_or_insert(error);
                    done
                }
            };
            set(&mut ended, place, done);
        }
        let mut count = ended.iter().flatten().count();
        progress(&Event::Planned { total, ended: count });
        for done in ended.iter().flatten().filter(|done| done.record.status == ReportStatus::Failed) {
            progress(&Event::Finished { record: &done.record, ended: count, total });
        }
        let job = Arc::new(Surroundings {
            folder: folder.to_owned(),
            facts: page::facts(&manifest, request.engine.time_zone),
            request: request.clone(),
        });
        let mut waiting = waiting.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < parallel.get()
                && let Some((place, prepared)) = waiting.next()
            {
                progress(&Event::Started { id: prepared.report.id(), reading: Reading::of(prepared.runs()) });
                let job = Arc::clone(&job);
                running.spawn(async move { (place, job.report(*prepared).await) });
            }
            let Some(joined) = running.join_next().await else { break };
            let (place, (done, error)) =
                joined.map_err(|error| Error::internal(format!("a report stopped: {error}")))?;
            count += 1;
            if let Some(error) = error {
                if request.on_failure == OnFailure::Stop || matches!(error, Error::Cancelled) {
                    // Dropping the set stops the others; the folder is removed by who made it.
                    return Err(error);
                }
                failure.get_or_insert(error);
            }
            progress(&Event::Finished { record: &done.record, ended: count, total });
            set(&mut ended, place, done);
        }
        let ran = (request.stopwatch)();
        request.view.enter("page");
        let ended: Vec<Ended> = ended.into_iter().flatten().collect();
        manifest.reports = ended.iter().map(|done| done.record.clone()).collect();
        let sections: Vec<_> = ended.iter().map(|done| (&done.report, done.shown.as_ref())).collect();
        manifest.page = Some(page::write(folder, &manifest, &sections, request.engine.time_zone)?);
        manifest.seconds = (request.stopwatch)();
        let phases = [("planning", planning), ("running", ran - begun), ("page", manifest.seconds - ran)];
        manifest.phases = phases.into_iter().map(|(phase, seconds)| (phase.to_owned(), seconds)).collect();
        manifest.spent = request.view.spent().map(|spent| spent.since(&before));
        manifest.write(folder)?;
        Ok((manifest, failure))
    }
}

fn set(ended: &mut [Option<Ended>], place: usize, done: Ended) {
    if let Some(slot) = ended.get_mut(place) {
        *slot = Some(done);
    }
}

fn empty_manifest(request: &Request, quarantine_version: Option<u64>) -> Manifest {
    let rules = match request.privacy {
        Privacy::Kept => Vec::new(),
        Privacy::Redacted => Redaction::rules().iter().map(|rule| rule.name.to_owned()).collect(),
    };
    Manifest {
        format: Manifest::format(),
        sessionlake: env!("CARGO_PKG_VERSION").to_owned(),
        job: request.name.clone(),
        title: request.title.clone(),
        description: request.description.clone(),
        lake: LakeRecord { uri: request.lake_uri.clone(), version: request.view.version(), quarantine_version },
        as_of: request.engine.as_of,
        time_zone: request.engine.time_zone.name().to_owned(),
        time_zone_release: zones::release().to_owned(),
        window: request.window,
        privacy: request.privacy,
        redaction_rules: rules,
        html_rows: request.html_rows,
        seconds: 0.0,
        phases: BTreeMap::new(),
        spent: None,
        page: None,
        reports: Vec::new(),
    }
}

/// Takes over a report of an earlier run, its files too.
fn take_over(carried: Carried, folder: &Path) -> Result<Ended> {
    let Carried { record, report, folder: from } = carried;
    let mut shown = None;
    if let Some(from) = from {
        for output in record.files() {
            let (old, new) = (from.join(&output.file), folder.join(&output.file));
            // A second name for the same bytes, where the file system has such; nobody changes a run in place.
            if fs::hard_link(&old, &new).is_err() {
                fs::copy(&old, &new).map_err(io_error(&old))?;
            }
        }
        if let Some(rows) = &record.page_rows {
            let chart = record.chart_rows.as_ref().map(|chart| folder.join(&chart.file));
            shown = Some(Shown::read(&folder.join(&rows.file), chart.as_deref())?);
        }
    }
    Ok(Ended { record, report, shown })
}

//! `sessionlake report`: runs SQL files unattended, and writes folders of reports that can be made again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use chrono::NaiveDate;
use clap::{Args as ClapArgs, Subcommand};
use sessionlake::engine::{Distribution, LakeView};
use sessionlake::report::{
    self, Again, Deadline, HTML_ROWS, Job, MANIFEST_FILE, Manifest, OnFailure, Outcome, Privacy, ReportRecord,
    ReportStatus, Request, Stopwatch, Unit, Window, Windows,
};
use sessionlake::script::Clock;
use sessionlake::{Error, Result};

use super::cluster::ClusterArgs;
use super::exit;
use super::printer::{OutputArgs, Printer, counted};
use super::query::{ParameterArgs, parse_timeout, stopped_after};
use super::report_progress::{Voice, failed_checks};
use super::report_store::{Place, runs_in};
use super::shared::{AtArgs, LogFormat, Settings, Shared};
use super::workers::{Workers, compute};

/// Runs a folder of SQL files or a job, and writes a folder of reports that can be made again.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a job, and puts its reports and their page into a folder, whole or not at all
    Run(Box<RunArgs>),
    /// Makes a run again from its manifest, and compares every byte
    Verify(AgainArgs),
    /// Runs only what failed, from the same lake version and at the same instant
    Resume(AgainArgs),
    /// Lists the runs in a folder
    List(ListArgs),
    /// Shows the reports of a run, or one of them in full
    Show(ShowArgs),
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  sessionlake report run queries/jobs/daily.toml --out out --param day=2026-11-20\n  \
                        sessionlake report run queries/ --out out --format csv,xlsx\n  \
                        sessionlake report run queries/jobs/daily.toml --out days --from 2026-10-01 --to 2026-11-20"
)]
struct RunArgs {
    /// A job file (.toml), or SQL files and folders of them
    #[arg(value_name = "JOB", required = true)]
    job: Vec<PathBuf>,
    /// The folder of the run, here or at s3://BUCKET/FOLDER, gs:// or az://; what an earlier run put there is replaced
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    at: AtArgs,
    /// The length of windows: day, week or month; without --from it is the last one that has ended
    #[arg(long, value_name = "UNIT")]
    window: Option<Unit>,
    /// Runs every window from the one with this day, each into a folder of its own
    #[arg(long, value_name = "DAY")]
    from: Option<NaiveDate>,
    /// The last day, included [default: that of the last window that has ended]
    #[arg(long, value_name = "DAY")]
    to: Option<NaiveDate>,
    /// Formats of the outputs, in place of those of job and headers, such as csv,parquet
    #[arg(long, value_name = "FORMATS")]
    format: Option<String>,
    /// Masks phone numbers, e-mail addresses and names in every output
    #[arg(long)]
    redact: bool,
    /// Rows of each report that the page shows [default: 1000]
    #[arg(long, value_name = "N")]
    html_rows: Option<usize>,
    /// Writes what succeeds when a report fails; the exit code is that of the first failure
    #[arg(long)]
    keep_going: bool,
    /// Stops after this long, such as 30s, 5m or 1h30m; with --keep-going what is done by then is written
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Parameters come from the manifest. Only those that a redacted run has hidden are given again: \
                  --param name=value, or --param report.name=value where two reports have different values."
)]
struct AgainArgs {
    /// The folder of a run, or a folder of such
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// Stops after this long, such as 30s, 5m or 1h30m; what a resumed run has done by then is written
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, ClapArgs)]
struct ListArgs {
    /// The folder of a run, or a folder of such
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
struct ShowArgs {
    /// The folder of a run
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// One report, by the name of its files
    #[arg(value_name = "REPORT")]
    report: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// What ends a run; a check that fails is an exit code.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    match args.command {
        Command::Run(args) => {
            let deadline = deadline(args.timeout.as_deref())?;
            in_time(deadline, run_job(shared, *args, deadline)).await
        }
        Command::Verify(args) => stopped_after(args.timeout.as_deref(), verify(shared, &args)).await,
        Command::Resume(args) => {
            let deadline = deadline(args.timeout.as_deref())?;
            in_time(deadline, resume(shared, &args, deadline)).await
        }
        Command::List(args) => list(shared, &args).await,
        Command::Show(args) => show(shared, &args).await,
    }
}

/// How long after its deadline a run may take to write what it has. Beyond it the run ends as a whole: a report that computes without a pause keeps
/// it from being written.
const WRITING: Duration = Duration::from_secs(10);

/// The instant by which reports must have ended.
fn deadline(timeout: Option<&str>) -> Result<Option<Deadline>> {
    let limit = timeout.map(parse_timeout).transpose()?;
    Ok(limit.map(|limit| Deadline { at: (Instant::now() + limit).into(), limit }))
}

/// Gives a command whose reports end by a deadline the time to write them.
async fn in_time(deadline: Option<Deadline>, work: impl Future<Output = Result<u8>>) -> Result<u8> {
    let Some(deadline) = deadline else { return work.await };
    tokio::time::timeout_at(deadline.at + WRITING, work).await.unwrap_or_else(|_| Err(deadline.error()))
}

async fn run_job(shared: &Shared, args: RunArgs, deadline: Option<Deadline>) -> Result<u8> {
    let mut job = Job::load(&args.job)?;
    if let Some(formats) = &args.format {
        job.set_formats(formats);
    }
    let settings = shared.settings_for(job.time_zone)?;
    let clock = Clock { as_of: settings.engine.as_of, time_zone: settings.engine.time_zone };
    let mut given = args.parameters.values()?;
    let windows = job.windows(args.window, args.from, args.to, &mut given, &clock)?;
    let windows: Vec<(Option<Window>, PathBuf)> = match windows {
        Windows::One(window) => vec![(window, args.out.clone())],
        Windows::Each(windows) => windows.into_iter().map(|w| (Some(w), args.out.join(w.name()))).collect(),
    };
    let lake = settings.lake()?;
    let computing = Workers::start(settings.engine.threads)?;
    let spread = args.cluster.meet(&settings, &lake, &computing.handle()?).await?;
    let view = LakeView::open(&lake, args.at.at(clock.time_zone)?, None).await?;
    let on_failure = if args.keep_going { OnFailure::KeepGoing } else { OnFailure::Stop };
    let ((voice, _clearing), threads) = (Voice::of(shared), settings.engine.threads);
    let mut first = exit::FINE;
    let count = windows.len();
    for (number, (window, out)) in (1..).zip(windows) {
        voice.begin(&window.map(|window| window.name()).unwrap_or_default(), number, count);
        let reports = match report::resolve(&job, &given, window.as_ref()) {
            Ok(reports) => reports,
            Err(errors) => return Ok(voice.errors(&errors)),
        };
        let mut engine = settings.engine.clone();
        if let Some(window) = &window {
            engine.as_of = window.clock(clock.as_of, clock.time_zone)?;
        }
        let privacy = if args.redact { Privacy::Redacted } else { job.privacy };
        let request = Request {
            name: job.name.clone(),
            title: job.title.clone(),
            description: job.description.clone(),
            reports,
            view: view.clone(),
            lake_uri: lake.uri(),
            engine,
            memory_bytes: Vec::new(),
            window,
            privacy,
            html_rows: args.html_rows.or(job.html_rows).unwrap_or(HTML_ROWS),
            on_failure,
            stopwatch: stopwatch(),
            spread: spread.clone(),
            deadline,
        };
        let place = Place::open(&out, &settings).await?;
        let (folder, inner) = (place.folder.clone(), voice.clone());
        let work = async move { report::run(request, &folder, &move |event| inner.event(event)).await };
        let outcome = voice.watching(compute(threads, work)).await?;
        put_if_written(&place, &outcome).await?;
        let code = outcome_code(&voice, &out, outcome);
        if first == exit::FINE {
            first = code;
        }
        if code != exit::FINE && code != exit::CHECK && on_failure == OnFailure::Stop {
            break;
        }
    }
    Ok(first)
}

/// Puts what a run has written where it belongs.
async fn put_if_written(place: &Place, outcome: &Result<Outcome, Vec<Error>>) -> Result<()> {
    match outcome {
        Ok(Outcome::Written(..)) => place.put().await,
        _ => Ok(()),
    }
}

/// Measures the seconds of the manifest: the library reads no clock.
fn stopwatch() -> Stopwatch {
    let begun = Instant::now();
    Arc::new(move || begun.elapsed().as_secs_f64())
}

/// Says on stderr how a run ended, and returns its exit code.
fn outcome_code(voice: &Voice, out: &Path, outcome: Result<Outcome, Vec<Error>>) -> u8 {
    let (manifest, failure, up_to_date) = match outcome {
        Ok(Outcome::UpToDate(manifest)) => (manifest, None, true),
        Ok(Outcome::Written(manifest, failure)) => (manifest, failure, false),
        Err(errors) => return voice.errors(&errors),
    };
    let failed = manifest.count(ReportStatus::Failed);
    let unsound = manifest.count(ReportStatus::CheckFailed);
    let state = if up_to_date { "up to date".to_owned() } else { format!("{:.1} s", manifest.seconds) };
    match voice.log_format() {
        None => {}
        Some(LogFormat::Json) => voice.note(
            &serde_json::json!({
                "event": "run", "folder": out, "up_to_date": up_to_date, "reports": manifest.reports.len(),
                "failed": failed, "checks_failed": unsound, "lake_version": manifest.lake.version,
                "seconds": manifest.seconds,
            })
            .to_string(),
        ),
        Some(LogFormat::Text) => {
            let count = counted(manifest.reports.len() as u64, "report", "reports");
            let mut line = format!("{}: {count} of lake version {}", out.display(), manifest.lake.version);
            if failed > 0 {
                line.push_str(&format!(", {failed} failed"));
            }
            if unsound > 0 {
                line.push_str(&format!(", {unsound} with a failed check"));
            }
            voice.note(&format!("{line}, {state}"));
        }
    }
    match failure {
        Some(error) => exit::code(&error),
        // Carried over from an earlier run: what the error was is only known as text.
        None if failed > 0 => exit::SQL,
        None if unsound > 0 => exit::CHECK,
        None => exit::FINE,
    }
}

/// Lists the folders of runs: the one named, or those in it. Those in a store are fetched.
async fn runs(folder: &Path, settings: &Settings) -> Result<Vec<Place>> {
    let found = match runs_in(folder, settings).await? {
        Some(found) => found,
        None => runs_here(folder)?,
    };
    if found.is_empty() {
        return Err(Error::NotFound {
            message: format!("there is no run in {:?}", folder.display().to_string()),
            hint: Some("sessionlake report run makes one".to_owned()),
        });
    }
    let mut places = Vec::with_capacity(found.len());
    for folder in found {
        places.push(Place::open(&folder, settings).await?);
    }
    Ok(places)
}

/// The same, on this machine.
fn runs_here(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join(MANIFEST_FILE).is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let failed = |e: std::io::Error| Error::usage(format!("{}: {e}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Hidden ones are runs on their way.
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.join(MANIFEST_FILE).is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The workers of runs that are made again: those of the lake of each.
struct Spreading<'a> {
    args: &'a ClusterArgs,
    settings: &'a Settings,
    computing: Workers,
    met: Option<(String, Option<Arc<dyn Distribution>>)>,
}

impl<'a> Spreading<'a> {
    fn of_command(args: &'a ClusterArgs, settings: &'a Settings) -> Result<Self> {
        Ok(Self { args, settings, computing: Workers::start(settings.engine.threads)?, met: None })
    }

    /// Finds the workers of the lake of a run. What is wrong with its manifest is said by whoever reads it next.
    async fn of(&mut self, again: &Again, folder: &Path) -> Result<Option<Arc<dyn Distribution>>> {
        let name = match (&again.lake, Manifest::read(folder)) {
            (Some(name), _) => name.clone(),
            (None, Ok(manifest)) => manifest.lake.uri,
            (None, Err(_)) => return Ok(None),
        };
        match &self.met {
            Some((met, spread)) if *met == name => Ok(spread.clone()),
            _ => {
                let lake = self.settings.place(&name)?;
                let spread = self.args.meet(self.settings, &lake, &self.computing.handle()?).await?;
                self.met = Some((name, spread.clone()));
                Ok(spread)
            }
        }
    }
}

fn again(shared: &Shared, settings: &Settings, args: &AgainArgs) -> Result<Again> {
    Ok(Again {
        engine: settings.engine.clone(),
        lake: shared.named_lake().map(str::to_owned),
        given: args.parameters.values()?,
        stopwatch: stopwatch(),
        spread: None,
        deadline: None,
    })
}

fn last_part(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

async fn verify(shared: &Shared, args: &AgainArgs) -> Result<u8> {
    let settings = shared.settings()?;
    let again = again(shared, &settings, args)?;
    let ((voice, _clearing), threads) = (Voice::of(shared), again.engine.threads);
    let mut code = exit::FINE;
    let runs = runs(&args.folder, &settings).await?;
    let count = runs.len();
    let mut spreading = Spreading::of_command(&args.cluster, &settings)?;
    for (number, place) in (1..).zip(runs) {
        voice.begin(&last_part(&place.shown), number, count);
        let spread = spreading.of(&again, &place.folder).await?;
        let again = Again { spread, ..again.clone() };
        let (made, inner) = (place.folder.clone(), voice.clone());
        // A report that ends has made nothing yet: only the live line follows it.
        let work = async move { report::verify(&made, &again, &move |event| inner.follow(event)).await };
        let verdict = match voice.watching(compute(threads, work)).await? {
            Ok(verdict) => verdict,
            Err(errors) => {
                code = code.max(voice.errors(&errors));
                continue;
            }
        };
        let shown = place.shown.display();
        for difference in &verdict.differences {
            voice.note(&format!("{shown}: {difference}"));
        }
        if !verdict.differences.is_empty() {
            let found = counted(verdict.differences.len() as u64, "difference", "differences");
            code = code.max(voice.errors(&[Error::Check { message: format!("{shown}: {found}") }]));
        } else if !shared.quiet {
            let failed = match verdict.failed {
                0 => String::new(),
                failed => format!("; {} had failed", counted(failed as u64, "report", "reports")),
            };
            voice.note(&format!("{shown}: {} files come out the same, byte for byte{failed}", verdict.files));
        }
    }
    Ok(code)
}

async fn resume(shared: &Shared, args: &AgainArgs, deadline: Option<Deadline>) -> Result<u8> {
    let settings = shared.settings()?;
    let again = Again { deadline, ..again(shared, &settings, args)? };
    let ((voice, _clearing), threads) = (Voice::of(shared), again.engine.threads);
    let mut first = exit::FINE;
    let runs = runs(&args.folder, &settings).await?;
    let count = runs.len();
    let mut spreading = Spreading::of_command(&args.cluster, &settings)?;
    for (number, place) in (1..).zip(runs) {
        voice.begin(&last_part(&place.shown), number, count);
        let spread = spreading.of(&again, &place.folder).await?;
        let again = Again { spread, ..again.clone() };
        let (out, inner) = (place.folder.clone(), voice.clone());
        let work = async move { report::resume(&out, &again, &move |event| inner.event(event)).await };
        let outcome = voice.watching(compute(threads, work)).await?;
        put_if_written(&place, &outcome).await?;
        let code = outcome_code(&voice, &place.shown, outcome);
        if first == exit::FINE {
            first = code;
        }
    }
    Ok(first)
}

async fn list(shared: &Shared, args: &ListArgs) -> Result<u8> {
    let mut manifests = Vec::new();
    for place in runs(&args.folder, &shared.settings()?).await? {
        manifests.push((place.shown.display().to_string(), Manifest::read(&place.folder)?));
    }
    let text = |of: &dyn Fn(&(String, Manifest)) -> Option<String>| -> ArrayRef {
        Arc::new(manifests.iter().map(of).collect::<StringViewArray>())
    };
    let number = |of: &dyn Fn(&Manifest) -> usize| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(manifests.iter().map(|(_, manifest)| of(manifest) as i64)))
    };
    let seconds = Float64Array::from_iter_values(manifests.iter().map(|(_, m)| milliseconds(m.seconds)));
    let batch = RecordBatch::try_from_iter([
        ("folder", text(&|(folder, _)| Some(folder.clone()))),
        ("job", text(&|(_, manifest)| Some(manifest.job.clone()))),
        ("window", text(&|(_, manifest)| manifest.window.map(|window| window.name()))),
        ("as_of", text(&|(_, manifest)| Some(manifest.as_of.to_rfc3339()))),
        ("lake_version", number(&|manifest| manifest.lake.version as usize)),
        ("reports", number(&|manifest| manifest.reports.len())),
        ("failed", number(&|manifest| manifest.count(ReportStatus::Failed))),
        ("checks_failed", number(&|manifest| manifest.count(ReportStatus::CheckFailed))),
        ("seconds", Arc::new(seconds)),
    ])?;
    print(shared, &args.output, &batch).await
}

fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

async fn print(shared: &Shared, output: &OutputArgs, batch: &RecordBatch) -> Result<u8> {
    let mut printer = Printer::new(output, shared, &shared.settings()?).await?;
    printer.print(batch)?;
    printer.commit().await?;
    Ok(exit::FINE)
}

async fn show(shared: &Shared, args: &ShowArgs) -> Result<u8> {
    let place = Place::open(&args.folder, &shared.settings()?).await?;
    if !place.folder.exists() {
        let hint = Some("sessionlake report run makes one".to_owned());
        let message = format!("there is no run in {:?}", args.folder.display().to_string());
        return Err(Error::NotFound { message, hint });
    }
    let manifest = Manifest::read(&place.folder)?;
    let batch = match &args.report {
        None => overview(&manifest.reports)?,
        Some(id) => match manifest.reports.iter().find(|record| record.definition.id == *id) {
            Some(record) => details(&manifest, record)?,
            None => {
                let ids: Vec<_> = manifest.reports.iter().map(|record| record.definition.id.as_str()).collect();
                return Err(Error::usage(format!("the run has no report {id:?}"))
                    .with_hint(format!("it has {}", ids.join(", "))));
            }
        },
    };
    print(shared, &args.output, &batch).await
}

fn overview(records: &[ReportRecord]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&ReportRecord) -> Option<String>| -> ArrayRef {
        Arc::new(records.iter().map(of).collect::<StringViewArray>())
    };
    let number = |of: &dyn Fn(&ReportRecord) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(records.iter().map(|record| of(record) as i64)))
    };
    let seconds = Float64Array::from_iter_values(records.iter().map(|record| milliseconds(record.seconds)));
    Ok(RecordBatch::try_from_iter([
        ("report", text(&|record| Some(record.definition.id.clone()))),
        ("status", text(&|record| Some(record.status.name().to_owned()))),
        ("rows", number(&|record| record.rows)),
        ("bytes", number(&|record| record.outputs.iter().map(|output| output.bytes).sum())),
        ("seconds", Arc::new(seconds)),
        ("peak_memory_bytes", number(&|record| record.peak_memory_bytes as u64)),
        ("failed_checks", text(&|record| Some(failed_checks(record).join("; ")).filter(|text| !text.is_empty()))),
        ("error", text(&|record| record.error.clone())),
    ])?)
}

fn details(manifest: &Manifest, record: &ReportRecord) -> Result<RecordBatch> {
    let definition = &record.definition;
    let mut rows = vec![
        ("title".to_owned(), definition.title.clone()),
        ("status".to_owned(), record.status.name().to_owned()),
        ("lake".to_owned(), manifest.lake.uri.clone()),
        ("lake version".to_owned(), manifest.lake.version.to_string()),
        ("as of".to_owned(), manifest.as_of.to_rfc3339()),
        ("time zone".to_owned(), manifest.time_zone.clone()),
        ("release of time zones".to_owned(), manifest.time_zone_release.clone()),
        ("rows".to_owned(), record.rows.to_string()),
    ];
    if !record.hidden_parameters.is_empty() {
        rows.push(("hidden parameters".to_owned(), record.hidden_parameters.join(", ")));
    }
    rows.extend(record.notes.iter().map(|note| ("note".to_owned(), note.clone())));
    rows.extend(record.error.clone().map(|error| ("error".to_owned(), error)));
    rows.extend(record.bound.iter().map(|(name, value)| (format!("${name}"), value.clone())));
    rows.extend(record.checks.iter().map(|check| {
        let found = check.found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
        (format!("check {}", check.text), format!("{}, found {found}", if check.passed { "holds" } else { "fails" }))
    }));
    rows.extend(record.outputs.iter().map(|output| (output.file.clone(), format!("sha256 {}", output.sha256))));
    rows.push(("file".to_owned(), definition.file.clone()));
    rows.push(("sql".to_owned(), definition.sql.clone()));
    let column = |of: fn(&(String, String)) -> &str| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(of)))
    };
    Ok(RecordBatch::try_from_iter([("what", column(|row| &row.0)), ("value", column(|row| &row.1))])?)
}

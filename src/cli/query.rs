//! `sessionlake query`: runs SQL files or statements and prints their results.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use clap::Args as ClapArgs;
use datafusion::logical_expr::LogicalPlan;
use serde_json::Value;
use sessionlake::engine::{Answer, Engine};
use sessionlake::format::OutputFormat;
use sessionlake::functions::parse_duration;
use sessionlake::lake::Lake;
use sessionlake::report::located;
use sessionlake::script::{self, Access, Clock, Script, Statement};
use sessionlake::{Error, Result};

use super::cluster::ClusterArgs;
use super::exit;
use super::ingest::{self, ReadArgs};
use super::printer::{OutputArgs, Printer};
use super::shared::{AtArgs, Settings, Shared};
use super::workers::Workers;

/// How often a temporary folder that cannot be removed is tried again.
const REMOVAL_TRIES: usize = 10;

/// Runs SQL files or statements over the lake, or over exports without one.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  sessionlake query queries/stuck_sessions.sql --param longer_than=4h\n  \
                        sessionlake query -c \"select count(*) from active_sessions\" --json\n  \
                        sessionlake query --from export.csv queries/")]
pub struct Args {
    /// SQL files, folders of them (in the order of their names), or - for standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Runs this SQL; may be given again, and runs after the files
    #[arg(short, long = "command", value_name = "SQL")]
    commands: Vec<String>,
    /// Runs over these exports instead of a lake; a temporary lake is made and removed; may be given again
    #[arg(long, value_name = "EXPORT", num_args = 1, conflicts_with_all = ["at_version", "at_time"])]
    from: Vec<String>,
    #[command(flatten)]
    parameters: ParameterArgs,
    #[command(flatten)]
    at: AtArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Lets statements write: COPY, CREATE EXTERNAL TABLE, INSERT
    #[arg(long)]
    write: bool,
    /// Goes on after an error; the exit code is that of the first
    #[arg(long)]
    keep_going: bool,
    /// Stops after this long, such as 30s, 5m or 1h30m
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Fails when a result has more rows than this
    #[arg(long, value_name = "N")]
    max_rows: Option<u64>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    read: ReadArgs,
}

impl Args {
    /// Returns how exports are read.
    pub fn read_args(&mut self) -> &mut ReadArgs {
        &mut self.read
    }
}

/// Values for the parameters of SQL files.
#[derive(Debug, Default, ClapArgs)]
pub struct ParameterArgs {
    /// A value for a parameter of the SQL; may be given again
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// A JSON file with an object of parameter values
    #[arg(long = "params", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ParameterArgs {
    /// Reads the values; those of the command line win over those of the file.
    ///
    /// # Errors
    /// A flag without `=`, a name given twice, a file that is not a JSON object.
    pub fn values(&self) -> Result<BTreeMap<String, Value>> {
        let mut values = BTreeMap::new();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|e| Error::usage(format!("{}: {e}", path.display())))?;
            let parsed: BTreeMap<String, Value> = serde_json::from_str(&text)
                .map_err(|e| Error::usage(format!("{}: not an object of parameters: {e}", path.display())))?;
            values = parsed;
        }
        let mut given = std::collections::BTreeSet::new();
        for param in &self.params {
            let (name, value) = param.split_once('=').ok_or_else(|| {
                Error::usage(format!("--param {param:?} has no value")).with_hint("write it as --param name=value")
            })?;
            if !given.insert(name) {
                return Err(Error::usage(format!("--param {name} is given twice")));
            }
            values.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        Ok(values)
    }
}

/// Runs the command.
///
/// # Errors
/// The first error, unless it goes on after errors.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let mut settings = shared.settings()?;
    // Temporary lakes and what spills go here. It belongs to this future and not to the threads that compute: dropped, and so
    // removed, when the command ends however it ends.
    let temporary = TemporaryFolder::make(&settings)?;
    settings.engine.temporary_folder = Some(temporary.path().to_owned());
    let timeout = args.timeout.clone();
    stopped_after(timeout.as_deref(), run_within(shared, &settings, args, temporary.path())).await
}

/// Stops a command after as long as `--timeout` says.
///
/// # Errors
/// A text that is no time; that the time is over; what the command returns.
pub async fn stopped_after(timeout: Option<&str>, work: impl Future<Output = Result<u8>>) -> Result<u8> {
    let Some(limit) = timeout.map(parse_timeout).transpose()? else { return work.await };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let message = format!("stopped after --timeout {}", humantime(limit));
        Err(Error::Limit { message, hint: Some("give it longer, or let it read less".to_owned()) })
    })
}

async fn run_within(shared: &Shared, settings: &Settings, args: Args, temporary: &Path) -> Result<u8> {
    let scripts = read_scripts(args.files, args.commands).await?;
    let given = args.parameters.values()?;
    let mut parsed = Vec::new();
    let mut failures = Failures { keep_going: args.keep_going, first: None };
    for (file, text) in &scripts {
        match script::parse(file, text) {
            Ok(script) => parsed.push(script),
            Err(error) => failures.meet(error)?,
        }
    }
    let given = script::share_out(&parsed, &given)?;
    let workers = Workers::start(settings.engine.threads)?;
    shared.spending.costs.enter("opening");
    let engine = if args.from.is_empty() {
        let lake = settings.lake()?;
        let engine = Engine::new(settings.engine.clone())?;
        let engine = match args.cluster.meet(settings, &lake, &workers.handle()?).await? {
            Some(spread) => engine.spread_over(spread),
            None => engine,
        };
        engine.attach(&lake, args.at.at(settings.engine.time_zone)?).await?;
        engine
    } else {
        let lake = Lake::at(&temporary.join("lake").display().to_string())?;
        ingest::into_temporary(shared, settings, &lake, &args.from, &args.read).await?;
        let engine = Engine::new(settings.engine.clone())?;
        engine.attach(&lake, sessionlake::engine::At::Newest).await?;
        engine
    };
    let mut printer = Printer::new(&args.output, shared, settings).await?;
    let clock = clock(settings);
    let run = Run { shared, engine, workers, clock, write: args.write, max_rows: args.max_rows };
    for (script, given) in parsed.iter().zip(&given) {
        if parsed.len() > 1 && !shared.quiet {
            exit::note(&format!("-- {}: {}", script.file, script.header.title.as_deref().unwrap_or("(no title)")));
        }
        if let Err(error) = run.script(script, given, &mut printer).await {
            failures.meet(error)?;
        }
    }
    printer.commit().await?;
    Ok(failures.first.unwrap_or(exit::FINE))
}

/// What becomes of errors: the first ends the run, or they are printed and counted.
struct Failures {
    keep_going: bool,
    first: Option<u8>,
}

impl Failures {
    fn meet(&mut self, error: Error) -> Result<()> {
        let going_on =
            self.keep_going && !matches!(error, Error::Cancelled) && !sessionlake::format::is_broken_pipe(&error);
        if !going_on {
            return Err(error);
        }
        exit::print(&error);
        self.first.get_or_insert(exit::code(&error));
        Ok(())
    }
}

/// Returns the clock that parameters count from.
pub fn clock(settings: &Settings) -> Clock {
    Clock { as_of: settings.engine.as_of, time_zone: settings.engine.time_zone }
}

/// What statements run in.
pub struct Run<'a> {
    pub shared: &'a Shared,
    pub engine: Engine,
    pub workers: Workers,
    pub clock: Clock,
    /// Whether statements may write.
    pub write: bool,
    /// Rows of a result at most.
    pub max_rows: Option<u64>,
}

impl Run<'_> {
    /// Runs the statements of a script, one after the other.
    ///
    /// # Errors
    /// That of the first statement which has one, with its place.
    pub async fn script(&self, script: &Script, given: &BTreeMap<String, Value>, printer: &mut Printer) -> Result<()> {
        let values = script::bind(script, given, &self.clock)?;
        for statement in &script.statements {
            self.statement(script, statement, values.clone(), printer).await?;
        }
        Ok(())
    }

    /// Runs a statement of a script and prints its result.
    ///
    /// # Errors
    /// That of the statement, with its place; a sink that fails.
    pub async fn statement(
        &self,
        script: &Script,
        statement: &Statement,
        values: datafusion::common::ParamValues,
        printer: &mut Printer,
    ) -> Result<()> {
        if let (Access::Writes(what), false) = (statement.access(), self.write) {
            return Err(refused(script, statement, &what));
        }
        let located = |error| located(error, script, statement);
        let costs = &self.shared.spending.costs;
        costs.enter("planning");
        // A long statement may take seconds to plan: a signal or the timeout must be heard meanwhile.
        let (engine, parsed) = (self.engine.clone(), statement.parsed.clone());
        let planning = self.workers.handle()?.spawn(async move { engine.plan(parsed, &values).await });
        let plan = planning.await.map_err(Error::internal)?.map_err(located)?;
        // SET may have changed it.
        printer.set_time_zone(self.engine.time_zone());
        let by_line = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_))
            && printer.format() == OutputFormat::Table;
        let mut answer = self.workers.execute(self.engine.context().clone(), plan)?;
        let mut writer = None;
        let mut rows = 0;
        while let Some(part) = answer.next().await.map_err(located)? {
            if matches!(part, Answer::Columns(_)) {
                costs.enter("running");
            }
            let batch = match part {
                // A statement without columns, such as CREATE VIEW, has no result to print.
                Answer::Columns(schema) if schema.fields().is_empty() => continue,
                Answer::Columns(schema) => {
                    writer = Some(printer.begin(schema)?);
                    continue;
                }
                Answer::Rows(batch) if by_line => lines_of_plans(&batch)?,
                Answer::Rows(batch) => batch,
            };
            let Some(writer) = &mut writer else { continue };
            rows += batch.num_rows() as u64;
            if let Some(limit) = self.max_rows.filter(|limit| rows > *limit) {
                let message = format!("the result has more rows than --max-rows {limit}");
                let hint = Some("raise --max-rows, or let the query return less".to_owned());
                return Err(script.placed(statement, Error::Limit { message, hint }));
            }
            writer.write(&batch)?;
            // A reader that is slow must not keep a signal or the timeout from being heard.
            tokio::task::yield_now().await;
        }
        if let Some(writer) = writer {
            printer.end(writer)?;
        }
        Ok(())
    }
}

/// Cuts the plans of an EXPLAIN into lines, a row each, for people to read.
fn lines_of_plans(batch: &RecordBatch) -> Result<RecordBatch> {
    let [kinds, plans] = batch.columns() else { return Ok(batch.clone()) };
    let (Some(kinds), Some(plans)) = (kinds.as_string_opt::<i32>(), plans.as_string_opt::<i32>()) else {
        return Ok(batch.clone());
    };
    let rows = kinds.iter().zip(plans).flat_map(|(kind, plan)| {
        let lines = plan.unwrap_or_default().trim_end().split('\n').enumerate();
        lines.map(move |(index, line)| (if index == 0 { kind.unwrap_or_default() } else { "" }, line))
    });
    let (kinds, lines): (Vec<_>, Vec<_>) = rows.unzip();
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(kinds)), Arc::new(StringArray::from(lines))];
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Makes the error of a statement that may not write.
pub fn refused(script: &Script, statement: &Statement, what: &str) -> Error {
    script.error_at(statement, format!("the statement is {what}"), "SQL only reads here; --write lets it write")
}

/// Reads SQL from files, folders, standard input and the command line, in this order, each with the name errors call it by.
///
/// It waits on a thread of its own: standard input may never end, and a signal must be heard all the same.
///
/// # Errors
/// A file that cannot be read, a folder without SQL, nothing to run.
pub async fn read_scripts(files: Vec<PathBuf>, commands: Vec<String>) -> Result<Vec<(String, String)>> {
    let read = tokio::task::spawn_blocking(move || read_all_scripts(&files, &commands));
    read.await.map_err(Error::internal)?
}

fn read_all_scripts(files: &[PathBuf], commands: &[String]) -> Result<Vec<(String, String)>> {
    let mut scripts = Vec::new();
    for path in files {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|e| Error::usage(format!("standard input is not SQL text: {e}")))?;
            scripts.push(("-".to_owned(), text));
        } else if path.is_dir() {
            for file in script::sql_files(path)? {
                scripts.push(read_script(&file)?);
            }
        } else {
            scripts.push(read_script(path)?);
        }
    }
    for (index, command) in commands.iter().enumerate() {
        let name = if commands.len() == 1 { "-c".to_owned() } else { format!("-c[{}]", index + 1) };
        scripts.push((name, command.clone()));
    }
    if scripts.is_empty() {
        return Err(Error::usage("nothing to run").with_hint("name a SQL file, or give SQL with -c"));
    }
    Ok(scripts)
}

fn read_script(path: &Path) -> Result<(String, String)> {
    Ok((path.display().to_string(), script::read_file(path)?))
}

/// A folder that is removed when it is dropped, even where a thread that nobody waits for still writes into it.
struct TemporaryFolder(tempfile::TempDir);

impl TemporaryFolder {
    fn make(settings: &Settings) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("sessionlake-");
        let (made, place) = match &settings.engine.temporary_folder {
            Some(folder) => (builder.tempdir_in(folder), folder.display().to_string()),
            None => (builder.tempdir(), "temporary folder".to_owned()),
        };
        made.map(Self).map_err(|e| Error::storage(place, e))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A file that is made while the folder is being emptied keeps it from being removed; the next try takes that, too.
        for _ in 0..REMOVAL_TRIES {
            match std::fs::remove_dir_all(self.0.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
    }
}

/// Reads a length of time, in the forms that parameters may have.
///
/// # Errors
/// A text that is none.
pub fn parse_timeout(text: &str) -> Result<Duration> {
    match parse_duration(text) {
        Some(seconds) if seconds > 0.0 && seconds < 1e9 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(Error::usage(format!("--timeout is not a time: {text:?}")).with_hint("write it as 30s, 5m or 1h30m")),
    }
}

fn humantime(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

//! What a shell is at: the lake's version, the instant that is now, what is set, and how a statement or command changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use serde_json::Value;
use sessionlake::engine::{At, Engine, TABLES};
use sessionlake::format::OutputFormat;
use sessionlake::script::{self, Clock, Script};
use sessionlake::zones::{read_instant, read_zone};
use sessionlake::{Error, Result, functions};

use super::commands::{self, Command};
use super::complete::{Offers, quoted};
use super::{Args, lex, pager, pause};
use crate::cli::describe;
use crate::cli::exit;
use crate::cli::printer::{Look, Printer, listing, print_text};
use crate::cli::query::{Run, parse_timeout};
use crate::cli::shared::{Settings, Shared};
use crate::cli::workers::Workers;

/// The paths of the lake that Tab offers, without those inside the elements of arrays.
const PATHS: &str = "select distinct json_column, json_path from lake_json_paths where json_path not like '%[%' order by 1, 2 limit 20000";
/// What the text of a shell is called in errors.
const NAME: &str = "shell";

/// What comes after a statement or command.
pub enum Next {
    /// The next.
    Go,
    /// A line that begins with this text.
    Edit(String),
    /// The end.
    Quit,
}

/// The state of a shell.
pub struct Session<'a> {
    shared: &'a Shared,
    settings: Settings,
    /// As the command line had it.
    first: First,
    at: At,
    version: u64,
    run: Run<'a>,
    printer: Printer,
    output: Option<PathBuf>,
    look: Look,
    timing: bool,
    timeout: Option<Duration>,
    parameters: BTreeMap<String, Value>,
    /// The statements that changed the session and no table (SET, CREATE VIEW, PREPARE …), which a new version needs again.
    kept: Vec<String>,
    last: Option<String>,
    offers: Offers,
    failed: Option<u8>,
    is_terminal: bool,
}

/// What settings go back to.
struct First {
    settings: Settings,
    at: At,
    look: Look,
    timeout: Option<Duration>,
    names_instant: bool,
}

impl<'a> Session<'a> {
    /// Opens the lake.
    ///
    /// # Errors
    /// A lake that is not there, flags that cannot be read.
    pub async fn open(shared: &'a Shared, args: &Args, is_terminal: bool) -> Result<Self> {
        let settings = shared.settings()?;
        let at = args.at.at(settings.engine.time_zone)?;
        let timeout = args.timeout.as_deref().map(parse_timeout).transpose()?;
        let format = settings.format.as_deref().map_or(Ok(OutputFormat::Table), str::parse)?;
        let pager = if is_terminal { pager::usual() } else { None };
        let look = Look { format, null: None, by_value: false, pager };
        let mut printer = Printer::of_shell(None, shared, &settings).await?;
        printer.set_look(&look);
        let (engine, version) = attached(&settings, at).await?;
        let workers = Workers::start(settings.engine.threads)?;
        let clock = Clock { as_of: settings.engine.as_of, time_zone: settings.engine.time_zone };
        let run = Run { shared, engine, workers, clock, write: args.write, max_rows: None };
        let first = First {
            settings: settings.clone(),
            at,
            look: look.clone(),
            timeout,
            names_instant: shared.names_instant(),
        };
        let mut session = Self {
            shared,
            settings,
            first,
            at,
            version,
            run,
            printer,
            output: None,
            look,
            timing: false,
            timeout,
            parameters: args.parameters.values()?,
            kept: Vec::new(),
            last: None,
            offers: Offers::default(),
            failed: None,
            is_terminal,
        };
        if is_terminal {
            session.learn_names().await;
        }
        Ok(session)
    }

    /// Says what the shell is at.
    pub fn greeting(&self) -> String {
        let as_of = self.settings.engine.as_of.with_timezone(&self.settings.engine.time_zone);
        format!(
            "sessionlake {}: {} at version {}, now is {}\nStatements end with ; and \\? lists the commands.",
            env!("CARGO_PKG_VERSION"),
            self.settings.lake,
            self.version,
            as_of.format("%Y-%m-%d %H:%M:%S %:z")
        )
    }

    /// What stands before the line.
    pub fn prompt(&self) -> String {
        format!("v{}> ", self.version)
    }

    /// What Tab offers.
    pub fn offers(&self) -> Offers {
        self.offers.clone()
    }

    /// Ends what is still open; returns the exit code.
    ///
    /// # Errors
    /// A file of results that cannot be put in its place.
    pub async fn close(self, is_terminal: bool) -> Result<u8> {
        self.printer.commit().await?;
        // A person has seen the errors.
        Ok(if is_terminal { exit::FINE } else { self.failed.unwrap_or(exit::FINE) })
    }

    /// Runs a statement or a command and prints what comes of it, errors too.
    ///
    /// # Errors
    /// A signal that ends the process, a reader that went away.
    pub async fn take(&mut self, text: &str) -> Result<Next> {
        let outcome = match commands::is_command(text) {
            true => self.command(text.trim()).await,
            false => self.sql(NAME, text).await.map(|()| Next::Go),
        };
        self.met(outcome)
    }

    /// Prints an error, and goes on.
    fn met(&mut self, outcome: Result<Next>) -> Result<Next> {
        match outcome {
            Ok(next) => Ok(next),
            Err(Error::Cancelled) if self.is_terminal && exit::forget_interrupt() => {
                exit::note("stopped");
                Ok(Next::Go)
            }
            Err(Error::Cancelled) => Err(Error::Cancelled),
            // Who leaves a pager has seen enough.
            Err(error) if sessionlake::format::is_broken_pipe(&error) && self.is_terminal => Ok(Next::Go),
            Err(error) if sessionlake::format::is_broken_pipe(&error) => Err(error),
            Err(error) => {
                exit::print(&error);
                self.failed.get_or_insert(exit::code(&error));
                Ok(Next::Go)
            }
        }
    }

    /// Runs the statements of a text.
    async fn sql(&mut self, name: &str, text: &str) -> Result<()> {
        if lex::has_nothing_to_run(text) {
            return Ok(());
        }
        let script = script::parse(name, text)?;
        self.last = Some(text.trim().to_owned());
        let given = self.given(&script);
        let values = script::bind(&script, &given, &self.run.clock)?;
        for statement in &script.statements {
            let started = Instant::now();
            let work = self.run.statement(&script, statement, values.clone(), &mut self.printer);
            let work = exit::or_signal(work);
            match self.timeout {
                None => work.await?,
                Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                    let message = format!("stopped after {} s", limit.as_secs_f64());
                    Err(Error::Limit { message, hint: Some("\\set timeout takes a longer time".to_owned()) })
                })?,
            }
            if changes_session(&statement.parsed) {
                self.kept.push(statement.text().to_owned());
                self.learn_names().await;
            }
            if self.timing {
                exit::note(&format!("time: {:.1} ms", started.elapsed().as_secs_f64() * 1e3));
            }
        }
        Ok(())
    }

    /// The parameters that a script knows.
    fn given(&self, script: &Script) -> BTreeMap<String, Value> {
        let known = self.parameters.iter().filter(|(name, _)| script.knows(name));
        known.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    async fn command(&mut self, line: &str) -> Result<Next> {
        match commands::read(line)? {
            Command::Quit => return Ok(Next::Quit),
            Command::Help => print_text(&commands::help())?,
            Command::Describe(None) => self.printer.print(&describe::tables()?)?,
            Command::Describe(Some(name)) => self.describe(&name).await?,
            Command::Functions(text) => self.functions(text.as_deref())?,
            Command::Read(file) => return self.read(&file).await,
            Command::Output(file) => self.output(file.map(PathBuf::from)).await?,
            Command::Edit(file) => return self.edit(file.as_deref()).await.map(Next::Edit),
            Command::Watch(seconds) => self.watch(seconds).await?,
            Command::Set(None) => print_text(&self.settings_text())?,
            Command::Set(Some((name, value))) => self.set(&name, &value).await?,
            Command::Unset(name) => self.unset(&name).await?,
            Command::Parameter(None) => {
                let lines = self.parameters.iter().map(|(name, value)| match value {
                    Value::String(text) => format!("{name}={text}\n"),
                    value => format!("{name}={value}\n"),
                });
                print_text(&lines.collect::<String>())?;
            }
            Command::Parameter(Some((name, value))) => {
                if name.is_empty() {
                    return Err(Error::usage("a parameter has a name").with_hint("write \\param name=value"));
                }
                self.parameters.insert(name, Value::String(value));
                self.offers.set_parameters(self.parameters.keys().cloned().collect());
            }
            Command::Refresh => {
                self.refresh().await?;
                if self.is_terminal {
                    exit::note(&format!("version {}", self.version));
                }
            }
        }
        Ok(Next::Go)
    }

    async fn describe(&mut self, name: &str) -> Result<()> {
        let bare = name.trim_matches('"');
        let known = TABLES.iter().find(|table| table.name.trim_matches('"').eq_ignore_ascii_case(bare));
        if let Some(table) = known {
            let columns = describe::columns(&self.run.engine, Some(table.name)).await?;
            return self.printer.print(&columns);
        }
        let context = self.run.engine.context();
        let Ok(table) = context.table_provider(bare.to_owned()).await else {
            let names = self.tables();
            let nearest = script::did_you_mean(bare, names.iter().map(String::as_str));
            let hint = nearest.unwrap_or_else(|| "\\dt lists the tables, \\df the functions".to_owned());
            return Err(Error::usage(format!("there is no table {bare:?}")).with_hint(hint));
        };
        let schema = table.schema();
        let rows = schema.fields().iter().map(|field| vec![field.name().clone(), field.data_type().to_string()]);
        self.printer.print(&listing(&["column", "type"], rows)?)
    }

    fn functions(&mut self, text: Option<&str>) -> Result<()> {
        let listed = functions::reference::list().into_iter();
        let wanted = text.map(str::to_lowercase);
        let rows = listed
            .filter(|function| wanted.as_ref().is_none_or(|wanted| function.name.contains(wanted.as_str())))
            .map(|function| vec![function.name, function.syntax, function.meaning]);
        self.printer.print(&listing(&["function", "syntax", "meaning"], rows)?)
    }

    /// Runs a file: as a whole where it is SQL, or line by line where it has commands.
    async fn read(&mut self, file: &str) -> Result<Next> {
        let text = script::read_file(Path::new(file))?;
        if !text.lines().any(commands::is_command) {
            self.sql(file, &text).await?;
            return Ok(Next::Go);
        }
        let mut statement = String::new();
        for line in text.lines() {
            if statement.trim().is_empty() && commands::is_command(line) {
                let next = Box::pin(self.command(line)).await?;
                if matches!(next, Next::Quit) {
                    return Ok(next);
                }
                continue;
            }
            statement.push_str(line);
            statement.push('\n');
            if lex::is_whole(&statement) {
                self.sql(file, &std::mem::take(&mut statement)).await?;
            }
        }
        self.sql(file, &statement).await?;
        Ok(Next::Go)
    }

    /// Has results go into a file, or to stdout again; the file before is whole then.
    async fn output(&mut self, file: Option<PathBuf>) -> Result<()> {
        let mut next = Printer::of_shell(file.as_deref(), self.shared, &self.settings).await?;
        next.set_look(&self.look);
        next.set_time_zone(self.run.engine.time_zone());
        std::mem::replace(&mut self.printer, next).commit().await?;
        self.output = file;
        Ok(())
    }

    /// Has a person edit the last statement, or a file; returns the text.
    async fn edit(&self, file: Option<&str>) -> Result<String> {
        if !self.is_terminal {
            return Err(Error::usage("\\e needs a terminal"));
        }
        let named = |name| std::env::var(name).ok().filter(|command: &String| !command.trim().is_empty());
        let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
        let begun = self.last.clone().unwrap_or_default();
        let file = file.map(PathBuf::from);
        let edited = tokio::task::spawn_blocking(move || -> Result<String> {
            let failed = |error: std::io::Error| Error::storage("editing a statement", error);
            let (path, _folder) = match file {
                Some(file) => (file, None),
                None => {
                    let folder = tempfile::tempdir().map_err(failed)?;
                    let path = folder.path().join("statement.sql");
                    std::fs::write(&path, begun + "\n").map_err(failed)?;
                    (path, Some(folder))
                }
            };
            // The name is an argument of the shell and no part of its program.
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&path);
            let status = command.status().map_err(failed)?;
            if !status.success() {
                return Err(Error::usage(format!("{editor} ended with {status}"))
                    .with_hint("$VISUAL and $EDITOR name another editor"));
            }
            script::read_file(&path)
        });
        Ok(edited.await.map_err(Error::internal)??.trim_end().to_owned())
    }

    /// Runs the last statement again and again on the newest version, until it is interrupted.
    async fn watch(&mut self, seconds: f64) -> Result<()> {
        let Some(last) = self.last.clone() else {
            return Err(Error::usage("there is no statement to watch").with_hint("run one, then \\watch 5"));
        };
        loop {
            self.refresh().await?;
            let now = self.settings.engine.as_of.with_timezone(&self.settings.engine.time_zone);
            exit::note(&format!("-- {} version {}", now.format("%H:%M:%S"), self.version));
            self.sql(NAME, &last).await?;
            if !pause(seconds).await {
                return Err(Error::Cancelled);
            }
        }
    }

    /// Goes on with the newest version and the present instant, as far as none is named.
    async fn refresh(&mut self) -> Result<()> {
        if !self.first.names_instant {
            self.settings.engine.as_of = self.shared.settings()?.engine.as_of;
        }
        self.reopen().await
    }

    /// Opens the lake anew with what is set, and makes again what statements made.
    async fn reopen(&mut self) -> Result<()> {
        let (engine, version) = attached(&self.settings, self.at).await?;
        let clock = Clock { as_of: self.settings.engine.as_of, time_zone: self.settings.engine.time_zone };
        (self.run.engine, self.version, self.run.clock) = (engine, version, clock);
        self.printer.set_time_zone(self.run.engine.time_zone());
        let kept = std::mem::take(&mut self.kept);
        for text in kept {
            let script = script::parse(NAME, &text)?;
            let values = script::bind(&script, &self.given(&script), &self.run.clock)?;
            for statement in &script.statements {
                self.run.statement(&script, statement, values.clone(), &mut self.printer).await?;
            }
            self.kept.push(text);
        }
        Ok(())
    }

    fn settings_text(&self) -> String {
        let switch = |on: bool| if on { "on" } else { "off" };
        let at = match self.at {
            At::Newest => format!("{} (the newest when it was opened)", self.version),
            At::Version(_) | At::Time(_) => self.version.to_string(),
        };
        let lines = [
            ("as_of", self.settings.engine.as_of.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            ("at_version", at),
            ("time_zone", self.run.engine.time_zone().to_string()),
            ("format", self.look.format.to_string()),
            ("null", self.look.null.clone().unwrap_or_default()),
            ("timing", switch(self.timing).to_owned()),
            ("expanded", switch(self.look.by_value).to_owned()),
            ("pager", self.look.pager.clone().unwrap_or_else(|| "off".to_owned())),
            ("timeout", self.timeout.map_or_else(|| "none".to_owned(), |limit| format!("{} s", limit.as_secs_f64()))),
            ("max_rows", self.run.max_rows.map_or_else(|| "none".to_owned(), |rows| rows.to_string())),
            ("output", self.output.as_ref().map_or_else(|| "stdout".to_owned(), |file| file.display().to_string())),
        ];
        lines.iter().map(|(name, value)| format!("{name:<11} {value}\n")).collect()
    }

    async fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let switched = |now: bool| match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "1" | "yes" => Ok(true),
            "off" | "false" | "0" | "no" => Ok(false),
            "toggle" => Ok(!now),
            _ => Err(Error::usage(format!("{name} is on or off, not {value:?}"))),
        };
        let zone = self.settings.engine.time_zone;
        let (engine, at) = (self.settings.engine.clone(), self.at);
        match name {
            "as_of" => self.settings.engine.as_of = read_instant("as_of", value, zone)?,
            "at_time" => self.at = At::Time(read_instant("at_time", value, zone)?),
            "at_version" if value == "newest" => self.at = At::Newest,
            "at_version" => {
                let version = value.parse().map_err(|_| {
                    Error::usage(format!("at_version is no number: {value:?}"))
                        .with_hint("sessionlake history lists the versions")
                })?;
                self.at = At::Version(version);
            }
            "time_zone" => self.settings.engine.time_zone = read_zone(value)?,
            "format" => {
                let format: OutputFormat = value.parse()?;
                if format.is_binary() {
                    return Err(Error::usage(format!("{format} is binary"))
                        .with_hint(format!("\\o result.{format} writes a file of it")));
                }
                self.look.format = format;
            }
            "null" => self.look.null = Some(value.to_owned()),
            "timing" => self.timing = switched(self.timing)?,
            "expanded" => self.look.by_value = switched(self.look.by_value)?,
            "pager" => {
                let on = switched(self.look.pager.is_some())?;
                self.look.pager = if on { pager::usual() } else { None };
                if on && self.look.pager.is_none() {
                    return Err(Error::usage("there is no pager").with_hint("$PAGER names one"));
                }
            }
            "timeout" => self.timeout = if value == "none" { None } else { Some(parse_timeout(value)?) },
            "max_rows" if value == "none" => self.run.max_rows = None,
            "max_rows" => {
                let rows = value.parse().map_err(|_| Error::usage(format!("max_rows is no number: {value:?}")))?;
                self.run.max_rows = Some(rows);
            }
            _ => {
                let hint = format!("\\set lists what there is; \\param {name}={value} gives a parameter its value");
                return Err(Error::usage(format!("there is no setting {name:?}")).with_hint(hint));
            }
        }
        if self.is_terminal && matches!(name, "timing" | "expanded" | "pager") {
            let on = match name {
                "timing" => self.timing,
                "expanded" => self.look.by_value,
                _ => self.look.pager.is_some(),
            };
            exit::note(&format!("{name} is {}", if on { "on" } else { "off" }));
        }
        if matches!(name, "as_of" | "at_time" | "at_version" | "time_zone")
            && let Err(error) = self.reopen().await
        {
            // What was before is still open.
            (self.settings.engine, self.at) = (engine, at);
            return Err(error);
        }
        self.printer.set_look(&self.look);
        Ok(())
    }

    async fn unset(&mut self, name: &str) -> Result<()> {
        let bare = name.trim_start_matches('$');
        if self.parameters.remove(bare).is_some() {
            self.offers.set_parameters(self.parameters.keys().cloned().collect());
            return Ok(());
        }
        let first = &self.first;
        match name {
            "as_of" => self.settings.engine.as_of = first.settings.engine.as_of,
            "at_version" | "at_time" => self.at = first.at,
            "time_zone" => self.settings.engine.time_zone = first.settings.engine.time_zone,
            "format" => self.look.format = first.look.format,
            "null" => self.look.null = None,
            "timing" => self.timing = false,
            "expanded" => self.look.by_value = false,
            "pager" => self.look.pager.clone_from(&first.look.pager),
            "timeout" => self.timeout = first.timeout,
            "max_rows" => self.run.max_rows = None,
            _ => {
                return Err(Error::usage(format!("there is no setting or parameter {name:?}"))
                    .with_hint("\\set and \\param list them"));
            }
        }
        self.printer.set_look(&self.look);
        if matches!(name, "as_of" | "at_time" | "at_version" | "time_zone") {
            self.reopen().await?;
        }
        Ok(())
    }

    /// Names the tables that there are.
    fn tables(&self) -> Vec<String> {
        let context = self.run.engine.context();
        let schemas =
            context.catalog_names().into_iter().filter_map(|name| context.catalog(&name)).flat_map(|catalog| {
                let names = catalog.schema_names().into_iter().filter(|name| name != "information_schema");
                names.filter_map(|name| catalog.schema(&name)).collect::<Vec<_>>()
            });
        schemas.flat_map(|schema| schema.table_names()).collect()
    }

    /// Has Tab offer what there is.
    async fn learn_names(&mut self) {
        let mut names = BTreeSet::new();
        for table in self.tables() {
            if let Ok(provider) = self.run.engine.context().table_provider(format!("\"{table}\"")).await {
                let columns = provider.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
                names.extend(columns.into_iter().map(quoted));
            }
            names.insert(quoted(table));
        }
        let functions = functions::reference::list().into_iter().map(|function| function.name).collect();
        self.offers.set_names(names, functions);
        self.offers.set_parameters(self.parameters.keys().cloned().collect());
    }

    /// Has Tab offer the JSON paths of the lake, once they are read.
    pub fn learn_paths(&self) {
        let (context, offers) = (self.run.engine.context().clone(), self.offers.clone());
        tokio::spawn(async move {
            let Ok(rows) = context.sql(PATHS).await else { return };
            let Ok(batches) = rows.collect().await else { return };
            let mut paths = Vec::new();
            for batch in batches {
                let text = |index: usize| arrow::compute::cast(batch.columns().get(index)?, &DataType::Utf8View).ok();
                let (Some(columns), Some(keys)) = (text(0), text(1)) else { return };
                for (column, path) in columns.as_string_view().iter().zip(keys.as_string_view()) {
                    let (Some(column), Some(path)) = (column, path) else { continue };
                    paths.push((column.to_owned(), path.split('.').skip(1).map(str::to_owned).collect()));
                }
            }
            offers.set_paths(paths);
        });
    }
}

/// Opens an engine on the lake; returns the version too.
async fn attached(settings: &Settings, at: At) -> Result<(Engine, u64)> {
    let engine = Engine::new(settings.engine.clone())?;
    let version = engine.attach(&settings.lake()?, at).await?;
    Ok((engine, version))
}

/// Says whether a statement changed what later ones see, and no file.
fn changes_session(statement: &Parsed) -> bool {
    match statement {
        Parsed::Statement(ast) => matches!(
            **ast,
            Ast::Set(_)
                | Ast::CreateView { .. }
                | Ast::CreateTable(_)
                | Ast::CreateSchema { .. }
                | Ast::Drop { .. }
                | Ast::Prepare { .. }
                | Ast::Deallocate { .. }
        ),
        Parsed::CreateExternalTable(_) | Parsed::Reset(_) => true,
        _ => false,
    }
}

//! The command line: the only place that knows clap, stdout and exit codes.
//!
//! One file a command, each with its arguments and a `run`. What they share: [`shared`] turns global flags, environment and
//! configuration files into options of the library, [`printer`] puts results out, [`exit`] maps errors to exit codes.

mod allocator;
mod check;
mod cluster;
mod config;
mod describe;
mod describe_lake;
mod dialect;
mod diff;
mod erase;
mod exit;
mod generate;
mod history;
mod ingest;
mod inputs;
mod inspect;
mod man;
mod optimize;
mod printer;
mod private;
mod profile;
mod properties;
mod query;
mod report;
mod report_progress;
mod report_store;
mod restore;
mod serve;
mod shared;
mod shell;
mod spending;
mod temporary;
mod user;
mod vacuum;
mod verify;
mod worker;
mod workers;

use std::any::Any;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use futures::FutureExt;

use sessionlake::zones;
use shared::Shared;

/// Keeps histories of workflow sessions in a lake, and runs SQL files over them.
#[derive(Debug, Parser)]
#[command(name = "sessionlake", version, max_term_width = 110, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 fine, 1 SQL or runtime error, 2 usage or configuration, 3 data check failed or rows \
                        quarantined over the limit, 4 storage, 5 conflict, 6 limit reached, 129/130/143 stopped by a signal."
)]
struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes exports into the lake: the newest state of each session wins, every record is accounted for
    Ingest(Box<ingest::Args>),
    /// Shows what an ingest would make of files: format, columns, times, what is odd, and the command that takes them in
    Inspect(Box<inspect::Args>),
    /// Runs SQL files or statements over the lake, or over exports without one
    Query(Box<query::Args>),
    /// Asks the lake one statement after another, with history and completion
    Shell(Box<shell::Args>),
    /// Lets others ask the lake from the tools they have: over PostgreSQL's protocol
    Serve(Box<serve::Args>),
    /// Runs parts of what others ask of a lake, so that a query runs on several machines
    Worker(worker::Args),
    /// Lists, adds and removes those who may ask a server
    User(user::Args),
    /// Runs a folder of SQL files or a job, and writes a folder of reports that can be made again
    Report(report::Args),
    /// Plans SQL files and runs nothing
    Check(check::Args),
    /// Prints tables, columns, types, meanings and functions
    Describe(describe::Args),
    /// Lists the versions of the lake with their ledgers
    History(history::Args),
    /// Writes small and overlapping data files anew as few large ones, which queries read faster
    Optimize(optimize::Args),
    /// Shows what the lake says of how it is kept, or sets it for all who write the lake
    Properties(properties::Args),
    /// Lists the sessions that came, changed or went between two versions
    Diff(diff::Args),
    /// Makes an earlier version of the sessions the newest again
    Restore(restore::Args),
    /// Removes the files of the lake that no kept version has
    Vacuum(vacuum::Args),
    /// Compares the lake's log with its files, and all that files say twice
    Verify(verify::Args),
    /// Takes sessions out of the lake for good
    Erase(erase::Args),
    /// Makes synthetic exports from a seed
    Generate(generate::Args),
    /// Prints the completion script of a shell
    Completions(man::CompletionsArgs),
    /// Prints the manual page
    Man(man::ManArgs),
}

impl Cli {
    /// Adds what a profile says of how exports are read, if one is named.
    fn read_profile(&mut self, matches: &ArgMatches) -> sessionlake::Result<()> {
        let read = match &mut self.command {
            Command::Ingest(args) => args.read_args(),
            Command::Inspect(args) => args.read_args(),
            Command::Query(args) => args.read_args(),
            _ => return Ok(()),
        };
        match matches.subcommand() {
            Some((_, given)) => profile::complete(read, given, &mut self.shared),
            None => Ok(()),
        }
    }
}

/// Runs the command line and returns its exit code.
///
/// It runs on a thread whose stack is as deep as those of the others: the main thread's is the system's to say, and the trees of long statements
/// are copied and dropped level by level.
pub fn main() -> ExitCode {
    match std::thread::Builder::new().name("main".to_owned()).stack_size(workers::STACK_BYTES).spawn(command_line) {
        Ok(running) => running.join().unwrap_or(ExitCode::FAILURE),
        Err(_) => command_line(),
    }
}

fn command_line() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))?;
        Ok((cli, matches))
    });
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayVersion => return version(),
        Err(error) => {
            // clap prints help and version to stdout, everything else to stderr; both may meet a closed pipe.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::FINE });
        }
    };
    if let Err(error) = private::set_umask(cli.shared.umask()) {
        return exit::report(&error);
    }
    allocator::set_up(&cli.command);
    shared::start_log(&cli.shared);
    // Decoders of damaged files may panic; what comes of it is told as an error, here or where they are called.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    // Where the system has no file handles left, what listens for signals panics.
    let built = std::panic::catch_unwind(|| {
        tokio::runtime::Builder::new_multi_thread().thread_stack_size(workers::STACK_BYTES).enable_all().build()
    });
    let no_handles = |_| Err(std::io::Error::other("the system has no more file handles for this process"));
    let runtime = match built.unwrap_or_else(no_handles) {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&crate::cli::exit::runtime_error(error)),
    };
    {
        let _entered = runtime.enter();
        exit::fail_large_writes();
        exit::listen();
    }
    let outcome = runtime
        .block_on(AssertUnwindSafe(run(cli, matches)).catch_unwind())
        .unwrap_or_else(|panic| Err(defect(panic.as_ref())));
    // A query that was stopped may still have threads at work; nobody waits for them.
    runtime.shutdown_background();
    temporary::remove();
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => exit::report(&error),
    }
}

/// Prints the version, and the releases of the rules of time zones and of the plans of phone numbers. The folder that a flag names counts: clap has stopped at
/// `--version`, and has not read it.
fn version() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let mut folder = std::env::var_os("SESSIONLAKE_ZONEINFO");
    while let Some(arg) = args.next() {
        if arg == "--zoneinfo" {
            folder = args.next();
        } else if let Some(given) = arg.to_str().and_then(|arg| arg.strip_prefix("--zoneinfo=")) {
            folder = Some(given.into());
        }
    }
    let folder = folder.map(std::path::PathBuf::from).or_else(|| config::Config::load().ok()?.zoneinfo);
    if let Some(Err(error)) = folder.map(|folder| zones::use_folder(&folder)) {
        return exit::report(&error);
    }
    let mut out = std::io::stdout().lock();
    // The pipe may be closed.
    let _ = writeln!(
        out,
        "sessionlake {}\ntime zones {}, {}\nphone numbers {}, of libphonenumber",
        env!("CARGO_PKG_VERSION"),
        zones::release(),
        zones::origin(),
        sessionlake::functions::PHONE_METADATA_RELEASE
    );
    ExitCode::from(exit::FINE)
}

/// Describes a panic, which is a defect of ours or a stored file whose content contradicts itself.
fn defect(panic: &(dyn Any + Send)) -> sessionlake::Error {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    sessionlake::Error::internal(format!(
        "{}; a file of the lake may be damaged, or this is a defect: SESSIONLAKE_LOG=error shows where",
        text.unwrap_or("unknown")
    ))
}

async fn run(mut cli: Cli, given: ArgMatches) -> sessionlake::Result<u8> {
    if !matches!(cli.command, Command::Completions(_) | Command::Man(_)) {
        cli.shared.use_zoneinfo()?;
    }
    cli.read_profile(&given)?;
    let Cli { shared, command } = cli;
    let outcome = dispatch(&shared, command).await;
    shared.tell_costs();
    outcome
}

async fn dispatch(shared: &Shared, command: Command) -> sessionlake::Result<u8> {
    match command {
        Command::Ingest(args) => ingest::run(shared, *args).await,
        Command::Inspect(args) => exit::or_signal(inspect::run(shared, *args)).await,
        Command::Query(args) => exit::or_signal(query::run(shared, *args)).await,
        // It stops statements by itself.
        Command::Shell(args) => shell::run(shared, *args).await,
        // It lets statements end.
        Command::Serve(args) => serve::run(shared, *args).await,
        Command::Worker(args) => worker::run(shared, args).await,
        Command::User(args) => user::run(shared, args).await,
        Command::Report(args) => exit::or_signal(report::run(shared, args)).await,
        Command::Check(args) => exit::or_signal(check::run(shared, args)).await,
        Command::Describe(args) => exit::or_signal(describe::run(shared, args)).await,
        Command::History(args) => exit::or_signal(history::run(shared, args)).await,
        Command::Optimize(args) => optimize::run(shared, args).await,
        Command::Properties(args) => exit::or_signal(properties::run(shared, args)).await,
        Command::Diff(args) => exit::or_signal(diff::run(shared, args)).await,
        Command::Restore(args) => exit::or_signal(restore::run(shared, args)).await,
        Command::Vacuum(args) => exit::or_signal(vacuum::run(shared, args)).await,
        Command::Verify(args) => verify::run(shared, args).await,
        Command::Erase(args) => erase::run(shared, args).await,
        Command::Generate(args) => generate::run(shared, args).await,
        Command::Completions(args) => man::completions(&mut Cli::command(), &args),
        Command::Man(args) => man::page(Cli::command(), &args),
    }
}

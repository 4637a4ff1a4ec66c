//! `sessionlake check`: plans SQL files and runs nothing.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use datafusion::common::ParamValues;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use sessionlake::engine::{At, Distribution, Engine, RowsAs};
use sessionlake::lake::layout;
use sessionlake::report::located;
use sessionlake::script::{self, Access, Script, Statement};
use sessionlake::{Error, Result};

use super::cluster::ClusterArgs;
use super::exit;
use super::printer::counted;
use super::query::{ParameterArgs, clock, read_scripts, refused, stopped_after};
use super::shared::{Settings, Shared};
use super::workers::Workers;

/// Plans SQL files and runs nothing.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// SQL files, folders of them, or - for standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Checks this SQL; may be given again
    #[arg(short, long = "command", value_name = "SQL")]
    commands: Vec<String>,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// Accepts statements that write
    #[arg(long)]
    write: bool,
    /// Stops after this long, such as 30s, 5m or 1h30m
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs the command: prints every error, and fails if there was one.
///
/// # Errors
/// Files that cannot be read; SQL errors are printed and counted.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let timeout = args.timeout.clone();
    stopped_after(timeout.as_deref(), check(shared, args)).await
}

async fn check(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let texts = read_scripts(args.files, args.commands).await?;
    let mut worst = exit::FINE;
    let mut scripts = Vec::new();
    let mut fail = |error: &Error| {
        exit::print(error);
        worst = worst.max(exit::SQL);
    };
    for (file, text) in &texts {
        match script::parse(file, text) {
            Ok(script) => scripts.push(script),
            Err(error) => fail(&error),
        }
    }
    let given = script::share_out(&scripts, &args.parameters.values()?)?;
    let computing = Workers::start(settings.engine.threads)?;
    let spread = args.cluster.meet(&settings, &settings.lake()?, &computing.handle()?).await?;
    let mut statements = 0;
    for (script, given) in scripts.iter().zip(&given) {
        // A session each: a view that one file makes is not there for the next.
        let engine = open(&settings).await?;
        let values = match script::bind_for_plan(script, given, &clock(&settings)) {
            Ok(values) => values,
            Err(error) => {
                fail(&error);
                continue;
            }
        };
        for unused in script.unused_parameters() {
            exit::note(&format!("{}:{}: parameter {:?} is not used", script.file, unused.line, unused.name));
        }
        for statement in &script.statements {
            statements += 1;
            // A long statement may take seconds to plan: a signal or the timeout must be heard meanwhile.
            let (engine_too, script_too, statement_too, values) =
                (engine.clone(), script.clone(), statement.clone(), values.clone());
            let planning = async move { plan(&engine_too, &script_too, &statement_too, values, args.write).await };
            match computing.handle()?.spawn(planning).await.map_err(Error::internal)? {
                Err(error) => fail(&error),
                Ok(Some(plan)) => tell_place(&engine, spread.as_ref(), script, statement, &plan, shared.quiet).await,
                Ok(None) => {}
            }
        }
    }
    if !shared.quiet && worst == exit::FINE {
        let statements = counted(statements, "statement", "statements");
        exit::note(&format!("fine: {statements} in {}", counted(texts.len() as u64, "file", "files")));
    }
    Ok(worst)
}

/// Opens a session on the lake, or on tables without rows where there is none.
async fn open(settings: &Settings) -> Result<Engine> {
    let engine = Engine::new(settings.engine.clone())?;
    let lake = settings.lake()?;
    if lake.open(layout::SESSIONS).await?.is_some() {
        engine.attach(&lake, At::Newest).await?;
    } else {
        engine.attach_nothing()?;
    }
    Ok(engine)
}

/// Plans a statement, and returns its plan where it is a query.
async fn plan(
    engine: &Engine,
    script: &Script,
    statement: &Statement,
    values: ParamValues,
    write: bool,
) -> Result<Option<LogicalPlan>> {
    if let (Access::Writes(what), false) = (statement.access(), write) {
        return Err(refused(script, statement, &what));
    }
    let located = |error| located(error, script, statement);
    let plan = engine.plan(statement.parsed.clone(), &values).await.map_err(located)?;
    if let LogicalPlan::Ddl(DdlStatement::CreateView(_)) = &plan {
        // Later statements may use the view; making it runs nothing.
        engine.context().execute_logical_plan(plan).await.map_err(located)?;
        return Ok(None);
    }
    if matches!(plan, LogicalPlan::Ddl(_) | LogicalPlan::Statement(_)) {
        return Ok(None);
    }
    engine.context().state().create_physical_plan(&plan).await.map_err(located)?;
    Ok(Some(plan))
}

/// Says of a query that would run in this process although there are workers why it would. A statement that is fine stays so whatever comes of it.
async fn tell_place(
    engine: &Engine,
    spread: Option<&Arc<dyn Distribution>>,
    script: &Script,
    statement: &Statement,
    plan: &LogicalPlan,
    quiet: bool,
) {
    let (Some(spread), false) = (spread, quiet) else { return };
    let Ok(optimized) = engine.context().state().optimize(plan) else { return };
    let reason = match engine.there(spread, &optimized, RowsAs::Sql).await {
        Ok(Ok(_)) => return,
        Ok(Err(reason)) => reason,
        Err(error) => error.strip_backtrace(),
    };
    exit::note(&format!("{}:{}: runs in this process: {reason}", script.file, statement.line));
}

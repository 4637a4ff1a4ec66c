//! `sessionlake diff`: lists the sessions that came, changed or went between two versions of the lake.

use clap::Args as ClapArgs;
use sessionlake::Result;
use sessionlake::engine::{At, Engine};
use sessionlake::schema::{COLUMNS, EXTRA};
use sessionlake::zones::read_instant;

use super::exit;
use super::printer::{OutputArgs, print_query};
use super::shared::{Settings, Shared};

/// Lists the sessions that came, changed or went between two versions of the lake, with the columns that changed.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  sessionlake diff 3\n  sessionlake diff 3 5 --format csv\n  sessionlake diff 2026-11-20 2026-11-21"
)]
pub struct Args {
    /// The earlier version: its number, or an instant at which it was the newest
    #[arg(value_name = "VERSION")]
    from: String,
    /// The later version [default: the newest]
    #[arg(value_name = "VERSION")]
    to: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; versions that it does not have; storage errors.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let from = at(&args.from, &settings)?;
    let to = args.to.as_deref().map_or(Ok(At::Newest), |text| at(text, &settings))?;
    let engine = Engine::new(settings.engine.clone())?;
    engine.attach_difference(&settings.lake()?, from, to).await?;
    print_query(shared, &settings, &engine, &sql(), &args.output).await?;
    Ok(exit::FINE)
}

fn at(text: &str, settings: &Settings) -> Result<At> {
    match text.parse() {
        Ok(version) => Ok(At::Version(version)),
        Err(_) => Ok(At::Time(read_instant("VERSION", text, settings.engine.time_zone)?)),
    }
}

/// Compares the rows of both versions column by column: the hash of their content may be that of before, where another program changed a row.
fn sql() -> String {
    let names = COLUMNS.iter().map(|column| column.name).chain([EXTRA]);
    let changed: Vec<String> =
        names.map(|name| format!("case when e.{name} is distinct from l.{name} then '{name}' end")).collect();
    format!(
        "with compared as (
           select coalesce(l.session_id, e.session_id) as session_id,
                  case when e.session_id is null then 'came' when l.session_id is null then 'went' else 'changed' end as change,
                  case when e.session_id is not null and l.session_id is not null then concat_ws(', ', {}) end as columns,
                  coalesce(l.started_at, e.started_at) as started_at, coalesce(l.ended_at, e.ended_at) as ended_at,
                  coalesce(l.current_workflow_item_id, e.current_workflow_item_id) as current_workflow_item_id
           from earlier e full join later l on e.session_id = l.session_id)
         select * from compared where columns is null or columns <> '' order by started_at, session_id",
        changed.join(", ")
    )
}

//! `sessionlake history`: lists the versions of the lake with their ledgers.

use clap::Args as ClapArgs;
use sessionlake::Result;
use sessionlake::engine::Engine;

use super::exit;
use super::printer::{OutputArgs, print_query};
use super::shared::Shared;

/// The columns of people's interest; the whole ledger is in the table.
const SQL: &str = "select version, committed_at, operation, rows_read, inserted, updated, unchanged, superseded, duplicate, \
                   quarantined, \
                   (upkeep ->> 'files_before') || ' files to ' || (upkeep ->> 'files_after') as upkeep from lake_history order by version desc";

/// Lists the versions of the lake with their ledgers.
#[derive(Debug, ClapArgs)]
#[command(after_help = "The same and more is in the table lake_history.")]
pub struct Args {
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; storage errors.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let engine = Engine::new(settings.engine.clone())?;
    engine.attach_history(&settings.lake()?).await?;
    print_query(shared, &settings, &engine, SQL, &args.output).await?;
    Ok(exit::FINE)
}

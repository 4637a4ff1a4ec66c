//! `sessionlake restore`: makes an earlier version of the lake the newest again.

use chrono::Utc;
use clap::Args as ClapArgs;
use sessionlake::custody::{RestoreOptions, RestoreReport, RestoreTo, restore};
use sessionlake::zones::read_instant;
use sessionlake::{Error, Result};

use super::exit;
use super::ingest::limits;
use super::printer::{TellingArgs, counted};
use super::shared::Shared;

/// Makes an earlier version of the sessions the newest again; the versions in between stay readable.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exports that were taken in after that version may be taken in again, and records that a replay took out of the quarantine since are in it again.\n\n\
                        Examples:\n  sessionlake restore --to 12\n  sessionlake restore --at-time 2026-11-20T00:00:00Z"
)]
pub struct Args {
    /// The version that comes back
    #[arg(long, value_name = "N", conflicts_with = "at_time")]
    to: Option<u64>,
    /// Takes the newest version that was committed by this instant
    #[arg(long, value_name = "INSTANT", required_unless_present = "to")]
    at_time: Option<String>,
    /// Goes back behind an erasure too: rows that were erased since may come back
    #[arg(long)]
    with_erased: bool,
    #[command(flatten)]
    telling: TellingArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; a version that is not there or not whole any more; storage errors, conflicts.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let to = match (args.to, &args.at_time) {
        (Some(version), _) => RestoreTo::Version(version),
        (None, Some(text)) => RestoreTo::Time(read_instant("--at-time", text, settings.engine.time_zone)?),
        (None, None) => return Err(Error::usage("restore needs --to or --at-time")),
    };
    let options = RestoreOptions { to, with_erased: args.with_erased, now: Utc::now() };
    let report = restore(&settings.lake()?, options, &limits(&settings)).await?;
    args.telling.tell(shared.quiet, &report, describe)?;
    Ok(exit::FINE)
}

fn describe(report: &RestoreReport) -> String {
    let RestoreReport { to, from, .. } = report;
    let sessions = match report.sessions {
        Some(sessions) => format!(", with {}", counted(sessions, "session", "sessions")),
        None => String::new(),
    };
    let Some(version) = report.version else {
        return format!("version {from} has the files of version {to}{sessions}: nothing to do\n");
    };
    let exports = match report.exports_undone {
        0 => String::new(),
        count => format!("; {} taken in again", counted(count, "export may be", "exports may be")),
    };
    let records = match report.records_back {
        0 => String::new(),
        count => format!("; {} in quarantine again", counted(count, "record is", "records are")),
    };
    format!(
        "the lake is at version {version}, which is as version {to} was{sessions}: {} back, {} gone{exports}{records}\n\
         sessionlake restore --to {from} undoes it\n",
        counted(report.files_back, "file came", "files came"),
        counted(report.files_gone, "file is", "files are"),
    )
}

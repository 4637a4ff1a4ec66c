//! `sessionlake verify`: compares the lake's log with its files, and what files say twice.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use chrono::Utc;
use clap::Args as ClapArgs;
use sessionlake::Result;
use sessionlake::custody::{Fault, VerifyOptions, VerifyReport, verify};
use sessionlake::lake::layout::LEAF_BUDGET;

use super::exit;
use super::ingest::{limits, watched};
use super::printer::{TellingArgs, counted};
use super::shared::{Shared, size, state_folder};

/// Faults that are named one by one where the result is for people.
const NAMED_FAULTS: usize = 50;

/// Compares the lake's log with its files: all there, their sizes, rows, statistics and order, every session once.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit code 3 says that something is wrong, and the list what and where. Values of sessions are never printed.\n\n\
                        Examples:\n  sessionlake verify\n  sessionlake verify --deep --format json\n  sessionlake verify --deep --repair"
)]
pub struct Args {
    /// Reads all bytes too: their checksums, content hashes, and that columns beside the JSON text give what the text gives
    #[arg(long)]
    deep: bool,
    /// Puts right what can be without loss, by writing files anew from their rows: statistics, leaf columns, order, content hashes,
    /// checkpoints
    #[arg(long)]
    repair: bool,
    /// Reads all files, also those that a deep verification had read before it was stopped; a stopped one otherwise goes on where it was
    #[arg(long, requires = "deep")]
    anew: bool,
    #[command(flatten)]
    telling: TellingArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; temporary space that runs out; of a repair storage errors and conflicts. What is wrong with the lake is in the exit code.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let options = VerifyOptions {
        deep: args.deep,
        repair: args.repair,
        leaf_budget: LEAF_BUDGET,
        now: Utc::now(),
        memory: args.deep.then(|| memory_file(&settings.lake, args.anew)).flatten(),
    };
    // What is odd is in the report.
    let lake = settings.place(&settings.lake)?;
    let report = watched(shared, None, &limits(&settings), |limits| {
        let (lake, options) = (&lake, &options);
        async move { verify(lake, options, &limits).await }
    })
    .await?;
    args.telling.tell(shared.quiet && report.faults.is_empty(), &report, describe)?;
    if report.faults.is_empty() {
        return Ok(exit::FINE);
    }
    let count = report.faults.len() as u64 + report.more_faults;
    exit::note(&format!("error: {}", counted(count, "fault was found", "faults were found")));
    if report.faults.iter().any(|fault| fault.repairable) && !args.repair {
        exit::note("hint: verify --repair puts right what is marked so");
    }
    Ok(exit::CHECK)
}

/// Returns the file that remembers what a verification of this lake has read; `None` where there is no home.
fn memory_file(lake: &str, anew: bool) -> Option<PathBuf> {
    // A folder is the same by whatever way it is named.
    let place = std::fs::canonicalize(lake).map_or_else(|_| lake.to_owned(), |path| path.display().to_string());
    let mut hash = DefaultHasher::new();
    place.hash(&mut hash);
    let file = state_folder()?.join(format!("verify-{:016x}", hash.finish()));
    if anew {
        // What cannot be removed is not believed in a week.
        let _ = std::fs::remove_file(&file);
    }
    Some(file)
}

fn describe(report: &VerifyReport) -> String {
    let mut text = String::new();
    for table in &report.tables {
        let _ = write!(
            text,
            "{}: version {}, {}, {}, {}",
            table.table,
            table.version,
            counted(table.files, "file", "files"),
            size(table.bytes),
            counted(table.rows, "row", "rows")
        );
        if table.without_checksums > 0 {
            let _ = write!(text, "; {} no checksums", counted(table.without_checksums, "file has", "files have"));
        }
        if table.left_behind > 0 {
            let left = counted(table.left_behind, "file of no version is", "files of no version are");
            let _ = write!(text, "; {left} left behind, which vacuum removes");
        }
        if table.read_before > 0 {
            let _ = write!(
                text,
                "; {} not read again after a run that was stopped, --anew does",
                counted(table.read_before, "file was", "files were")
            );
        }
        text.push('\n');
    }
    for fault in &report.repaired {
        let _ = writeln!(text, "put right: {}", described(fault));
    }
    for (table, version) in &report.versions {
        let _ = writeln!(text, "{table} is at version {version}");
    }
    for fault in report.faults.iter().take(NAMED_FAULTS) {
        let mark = if fault.repairable { " (--repair puts it right)" } else { "" };
        let _ = writeln!(text, "{}{mark}", described(fault));
    }
    if let Some(more) = report.faults.len().checked_sub(NAMED_FAULTS).filter(|more| *more > 0) {
        let _ = writeln!(text, "and {more} more, which --format json lists");
    }
    if report.faults.is_empty() {
        let read = if report.deep { "all bytes were read" } else { "--deep reads all bytes" };
        let _ = writeln!(text, "nothing is wrong; {read}");
    }
    text
}

fn described(Fault { table, file, what, .. }: &Fault) -> String {
    match file {
        Some(file) => format!("{table}/{file}: {what}"),
        None => format!("{table}: {what}"),
    }
}

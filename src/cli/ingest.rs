//! `sessionlake ingest`: takes exports into the lake.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::Utc;
use clap::{Args as ClapArgs, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sessionlake::custody::{EraseReceipt, retain};
use sessionlake::error::as_flags;
use sessionlake::ingest::{
    self, Encoding, IngestOptions, InputFormat, Ledger, Limits, Progress, ReadOptions, RecordsPath, SourceFile,
};
use sessionlake::lake::Lake;
use sessionlake::lake::layout::{self, LEAF_BUDGET};
use sessionlake::{Error, Result};

use super::dialect::DialectArgs;
use super::exit;
use super::inputs::Inputs;
use super::printer::{LedgerFormat, counted, print_text};
use super::shared::{Settings, Shared, parse_size};

/// Memory of rows and keys at most, whatever the machine has: beyond it more memory makes an ingest no faster. Half of it is for
/// rows, so a million sessions (1.2 GB) spill some twenty-five times; what else an ingest holds is about 450 MB, what the allocator
/// keeps for the next time included. With 192 MB the peak of a million sessions is above 0.6 GB.
const MEMORY_BYTES: usize = 96 << 20;

/// Takes exports into the lake: the newest state of each session wins, every record is accounted for.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  sessionlake ingest --lake ./lake exports/\n  \
                        sessionlake ingest --map \"Call Ref=session_id\" export.csv\n  \
                        zcat export.ndjson.gz | sessionlake ingest - --exported-at 2026-11-21T00:00:00Z")]
pub struct Args {
    /// Files, folders, patterns such as 'exports/*.csv.gz', or - for standard input
    #[arg(value_name = "INPUT", required_unless_present = "replay_quarantine")]
    inputs: Vec<String>,
    /// Tries the records again that are in quarantine; those that can be stored now leave it
    #[arg(long, conflicts_with = "inputs")]
    replay_quarantine: bool,
    #[command(flatten)]
    read: ReadArgs,
    /// Records that may be quarantined before the exit code is 3
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_bad: u64,
    /// Commits nothing when a file is refused or more than --max-bad records are bad
    #[arg(long)]
    all_or_nothing: bool,
    /// Columns for JSON paths that a data file has at most, beside the text; 0 for none
    #[arg(long, value_name = "N", default_value_t = LEAF_BUDGET)]
    leaf_budget: usize,
    /// Leaves small files as they are, where there are too many of them
    #[arg(long)]
    no_upkeep: bool,
    /// Stores rows of sessions that were erased too; without it they are left out and counted as superseded
    #[arg(long)]
    with_erased: bool,
    /// How the ledger is printed
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    format: LedgerFormat,
}

impl Args {
    /// Returns how exports are read.
    pub fn read_args(&mut self) -> &mut ReadArgs {
        &mut self.read
    }
}

/// How exports are read.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Reading exports")]
pub struct ReadArgs {
    /// Takes the flags of this section that are not given, and --time-zone, from [profile.NAME] of sessionlake.toml
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The flags that were given on the command line, as words.
    #[arg(skip)]
    pub given: Vec<String>,
    /// The flags that come from the profile, each with its place.
    #[arg(skip)]
    pub places: Vec<(String, String)>,
    /// The format of the inputs [default: told from names and first bytes]
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<InputFormatArg>,
    /// The character set of text inputs
    #[arg(long, value_enum, default_value = "utf8")]
    encoding: EncodingArg,
    #[command(flatten)]
    dialect: DialectArgs,
    /// A day that stands for no end, as --no-end 9999-12-31: sessions that end on it are running; may be given again
    #[arg(long, value_name = "DATE")]
    no_end: Vec<String>,
    /// Where in a JSON document the list of its records is, as --records '$.data'
    #[arg(long, value_name = "PATH")]
    records: Option<String>,
    /// The sheet of a workbook that is read, by its name or number [default: the first that names columns]
    #[arg(long, value_name = "NAME|NUMBER")]
    sheet: Option<String>,
    /// Says which column a header means, as --map "Their Header=session_id", or that it is left out, as --map "Their Header="; may be
    /// given again
    #[arg(long, value_name = "HEADER=COLUMN")]
    map: Vec<String>,
    /// Keeps columns that are none of ours, as JSON in the column _extra
    #[arg(long)]
    keep_extra: bool,
    /// Refuses a file whole that has the marks of another dialect than it is read in: marks of null and escapes that are not declared,
    /// dates and numbers that another flag reads
    #[arg(long)]
    strict: bool,
    /// Longest record; a longer one is quarantined [default: 16MiB]
    #[arg(long, value_name = "SIZE")]
    max_record_bytes: Option<String>,
    /// When the inputs were exported [default: a commit-time column, else the file's modification time]
    #[arg(long, value_name = "INSTANT")]
    exported_at: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InputFormatArg {
    Csv,
    Tsv,
    Ndjson,
    /// An array of objects
    Json,
    /// {columnHeaders, records}
    Pages,
    Parquet,
    /// Arrow IPC, Feather
    Arrow,
    /// A sheet of an Excel workbook
    Xlsx,
    /// A sheet of an OpenDocument spreadsheet
    Ods,
    /// The folder of a Delta table: its newest version
    Delta,
    /// Avro, as a file of blocks
    Avro,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum EncodingArg {
    #[default]
    #[value(alias = "utf-8")]
    Utf8,
    #[value(alias = "utf-16")]
    Utf16,
    #[value(alias = "windows-1252")]
    Cp1252,
}

impl ReadArgs {
    /// Makes options of the flags.
    ///
    /// # Errors
    /// A flag whose value cannot be read.
    pub fn options(&self, settings: &Settings) -> Result<ReadOptions> {
        self.options_of_flags(settings).map_err(|error| match error {
            Error::Usage { message, hint } => {
                let message = as_flags(&message).into_owned();
                let place = self.places.iter().find(|(flag, _)| message.starts_with(&format!("{flag} ")));
                let message = place.map_or(message.clone(), |(_, place)| format!("{place}: {message}"));
                Error::Usage { message, hint }
            }
            error => error,
        })
    }

    fn options_of_flags(&self, settings: &Settings) -> Result<ReadOptions> {
        let header_map = self
            .map
            .iter()
            .map(|entry| match entry.rsplit_once('=') {
                Some((theirs, ours)) => Ok((theirs.trim().to_owned(), ours.trim().to_owned())),
                None => Err(Error::usage(format!("--map {entry:?} names no column"))
                    .with_hint("write it as --map \"Their Header=session_id\"")),
            })
            .collect::<Result<Vec<_>>>()?;
        // A column that no table has is found before a file is opened: it is no fault of the files.
        sessionlake::schema::match_headers::<&str>(&[], &header_map)?;
        let max_record_bytes = match &self.max_record_bytes {
            Some(text) => usize::try_from(parse_size("--max-record-bytes", text)?).unwrap_or(usize::MAX),
            None => 16 << 20,
        };
        let exported_at_us = match &self.exported_at {
            Some(text) => Some(
                sessionlake::zones::read_instant("--exported-at", text, settings.engine.time_zone)?.timestamp_micros(),
            ),
            None => None,
        };
        let (declared, dialect) = self.dialect.declared()?;
        let no_end_days = self.no_end.iter().map(|text| {
            ingest::day_of_date(text).ok_or_else(|| {
                Error::usage(format!("--no-end {text:?} is not a date")).with_hint("write it as 9999-12-31")
            })
        });
        Ok(ReadOptions {
            format: self.input_format.map(|format| match format {
                InputFormatArg::Csv => InputFormat::Csv,
                InputFormatArg::Tsv => InputFormat::Tsv,
                InputFormatArg::Ndjson => InputFormat::Ndjson,
                InputFormatArg::Json => InputFormat::JsonArray,
                InputFormatArg::Pages => InputFormat::Pages,
                InputFormatArg::Parquet => InputFormat::Parquet,
                InputFormatArg::Arrow => InputFormat::Arrow,
                InputFormatArg::Xlsx => InputFormat::Xlsx,
                InputFormatArg::Ods => InputFormat::Ods,
                InputFormatArg::Delta => InputFormat::Delta,
                InputFormatArg::Avro => InputFormat::Avro,
            }),
            encoding: match self.encoding {
                EncodingArg::Utf8 => Encoding::Utf8,
                EncodingArg::Utf16 => Encoding::Utf16,
                EncodingArg::Cp1252 => Encoding::Cp1252,
            },
            time_zone: settings.engine.time_zone,
            zone_is_declared: settings.zone_is_declared,
            header_map,
            keep_extra: self.keep_extra,
            max_record_bytes,
            exported_at_us,
            fallback_exported_at_us: settings.engine.as_of.timestamp_micros(),
            declared,
            dialect,
            no_end_days: no_end_days.collect::<Result<_>>()?,
            records: self.records.as_deref().map(RecordsPath::parse).transpose()?,
            sheet: self.sheet.clone(),
            strict: self.strict,
            profile: self.profile.clone(),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// Inputs that are not there, storage errors, conflicts; faults inside inputs are in the ledger and in the exit code.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let lake = settings.lake()?.keeping_tables();
    let Inputs { files: inputs, copies: _copies } = Inputs::find(&args.inputs, &settings).await?;
    let options = IngestOptions {
        read: args.read.options(&settings)?,
        max_bad: args.max_bad,
        all_or_nothing: args.all_or_nothing,
        leaf_budget: args.leaf_budget,
        upkeep: !args.no_upkeep,
        with_erased: args.with_erased,
        now_us: Utc::now().timestamp_micros(),
        limits: limits(&settings),
    };
    let ledger = if args.replay_quarantine {
        watched(shared, None, &options.limits, |limits| {
            ingest::replay_quarantine(&lake, IngestOptions { limits, ..options.clone() })
        })
        .await?
    } else {
        let total = total_bytes(&inputs);
        watched(shared, total, &options.limits, |limits| {
            ingest::ingest(&lake, &inputs, IngestOptions { limits, ..options.clone() })
        })
        .await?
    };
    // What the lake keeps no longer goes with the upkeep. The ingest stands, whatever becomes of it.
    let retained = match options.upkeep && ledger.version.is_some() {
        true => retain(&lake, true, options.leaf_budget, Utc::now(), &settings.engine, &options.limits).await,
        false => Ok(None),
    };
    let mut retention_failed = None;
    let retained = retained.unwrap_or_else(|error| {
        retention_failed = Some(error);
        None
    });
    match args.format {
        LedgerFormat::Json => {
            let mut ledger = serde_json::to_value(&ledger).map_err(Error::internal)?;
            if let (Some(receipt), Some(held)) = (&retained, ledger.as_object_mut()) {
                held.insert("retention".to_owned(), serde_json::to_value(receipt).map_err(Error::internal)?);
            }
            let text = serde_json::to_string_pretty(&ledger).map_err(Error::internal)?;
            print_text(&format!("{text}\n"))?;
        }
        LedgerFormat::Text if shared.quiet => {}
        LedgerFormat::Text => {
            let told = retained.as_ref().map(kept_no_longer).unwrap_or_default();
            print_text(&(as_flags(&describe(&ledger)).into_owned() + &told))?;
        }
    }
    if let Some(error) = retention_failed {
        exit::note(&format!(
            "warning: sessions that the lake keeps no longer were not erased, and the ingest stands: {}",
            as_flags(&error.to_string())
        ));
    }
    if let Some(reason) = &ledger.upkeep_failed {
        exit::note(&format!("warning: small files were not merged, and the ingest stands: {reason}"));
    }
    let mut code = exit::FINE;
    for (_, reason) in ledger.refused() {
        exit::note(&format!("error: {reason}"));
        code = exit::CHECK;
    }
    if ledger.total.quarantined > args.max_bad {
        let bad = ledger.total.quarantined;
        let (verb, stopped) = match (ledger.version, args.all_or_nothing) {
            (None, true) => (counted(bad, "record is bad", "records are bad"), "; nothing was committed"),
            _ => (counted(bad, "record was quarantined", "records were quarantined"), ""),
        };
        exit::note(&format!("error: {verb}, more than --max-bad {}{stopped}", args.max_bad));
        if stopped.is_empty() {
            exit::note("hint: see select file, line, \"column\", reason from quarantine");
        }
        code = exit::CHECK;
    }
    // A stop that came when all was committed.
    if options.limits.cancelled.load(Ordering::Relaxed) {
        return Err(Error::Cancelled);
    }
    Ok(code)
}

/// Ingests exports into a lake that only one query will see; what is odd is said on stderr.
///
/// # Errors
/// Inputs that are not there or refused, storage errors.
pub async fn into_temporary(
    shared: &Shared,
    settings: &Settings,
    lake: &Lake,
    from: &[String],
    read: &ReadArgs,
) -> Result<()> {
    let Inputs { files: inputs, copies: _copies } = Inputs::find(from, settings).await?;
    let options = IngestOptions {
        read: read.options(settings)?,
        max_bad: 0,
        all_or_nothing: false,
        leaf_budget: LEAF_BUDGET,
        upkeep: false,
        with_erased: false,
        now_us: Utc::now().timestamp_micros(),
        limits: limits(settings),
    };
    let total = total_bytes(&inputs);
    let ledger = watched(shared, total, &options.limits, |limits| {
        ingest::ingest(lake, &inputs, IngestOptions { limits, ..options.clone() })
    })
    .await?;
    if let Some((_, reason)) = ledger.refused().next() {
        return Err(Error::Check { message: reason.to_owned() });
    }
    if ledger.total.quarantined > 0 && !shared.quiet {
        exit::note(&format!(
            "warning: {} of {} records could not be read; see select * from quarantine",
            ledger.total.quarantined, ledger.total.rows_read
        ));
    }
    Ok(())
}

/// Returns what an ingest may use, and what else writes data files.
pub fn limits(settings: &Settings) -> Limits {
    Limits {
        threads: settings.engine.threads,
        memory_bytes: settings.engine.memory_limit_bytes.min(MEMORY_BYTES),
        spill_bytes: settings.engine.spill_limit_bytes,
        cancelled: Arc::new(AtomicBool::new(false)),
        progress: Arc::new(|_| {}),
    }
}

fn total_bytes(inputs: &[SourceFile]) -> Option<u64> {
    inputs.iter().map(|input| input.size_bytes).sum()
}

/// Runs an ingest, or what else writes data files, with a progress bar; a signal asks it to stop, and waits until it has cleaned up.
///
/// # Errors
/// Those of the work.
pub async fn watched<F, T>(
    shared: &Shared,
    total: Option<u64>,
    limits: &Limits,
    work: impl FnOnce(Limits) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let bar = shared.shows_progress().then(|| progress_bar(total));
    let shown = bar.clone();
    let progress = Arc::new(move |progress: Progress| {
        if let Some(bar) = &shown {
            bar.set_position(progress.bytes);
            bar.set_message(format!("{} rows", progress.rows));
        }
    });
    let cancelled = Arc::clone(&limits.cancelled);
    let work = work(Limits { progress, ..limits.clone() });
    let outcome = exit::or_stopped(work, || cancelled.store(true, Ordering::Relaxed)).await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    outcome
}

/// Makes a progress bar on stderr: bytes of the total where it is known, rows, and the rate.
pub fn progress_bar(total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{bar:30} {bytes} of {total_bytes}, {msg}, {binary_bytes_per_sec}, {eta} left",
        None => "{spinner} {bytes}, {msg}, {binary_bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
    bar.with_style(style)
}

/// Says what was erased, or would be, because the lake keeps it no longer.
pub fn kept_no_longer(receipt: &EraseReceipt) -> String {
    let sessions = counted(receipt.sessions, "session", "sessions");
    let records = counted(receipt.quarantined, "record of the quarantine", "records of the quarantine");
    let version = receipt.versions.get(layout::SESSIONS).map(|version| format!(": version {version}"));
    let were = if receipt.erased { "were" } else { "would be" };
    format!("{sessions} and {records} that are kept no longer {were} erased{}\n", version.unwrap_or_default())
}

/// Writes the ledger for people.
fn describe(ledger: &Ledger) -> String {
    let mut text = String::new();
    for file in &ledger.files {
        let _ = match (&file.already_in_version, &file.refused) {
            (Some(version), _) => writeln!(text, "{}: already in version {version}, nothing to do", file.file),
            (_, Some(_)) => writeln!(text, "{}: refused, nothing of it was stored", file.file),
            _ if ledger.stopped => {
                let read = counted(file.counts.rows_read, "row", "rows");
                writeln!(
                    text,
                    "{}: {read} read, {} of them bad; nothing was stored",
                    file.file, file.counts.quarantined
                )
            }
            _ => writeln!(text, "{}: {}", file.file, file.counts),
        };
        for note in &file.notes {
            let _ = writeln!(text, "  {note}");
        }
        for (warning, count) in &file.warnings {
            let names = file.unknown_columns.join(", ");
            let _ = match warning {
                ingest::Warning::UnknownColumn => {
                    writeln!(text, "  {}: {names}", counted(*count, "unknown column", "unknown columns"))
                }
                _ => writeln!(text, "  {}: {warning}", counted(*count, "row", "rows")),
            };
        }
    }
    if ledger.files.len() > 1 && ledger.total.balances() {
        let _ = writeln!(text, "in all: {}", ledger.total);
    }
    let _ = match ledger.version {
        Some(version) => writeln!(text, "the lake is at version {version}"),
        None => writeln!(text, "nothing was committed"),
    };
    for upkeep in ledger.upkeep.iter().filter(|upkeep| upkeep.table == layout::SESSIONS) {
        let merged = counted(upkeep.rewritten_files, "small file", "small files");
        let left = counted(upkeep.files_after, "data file", "data files");
        let _ = writeln!(text, "{merged} merged: {left}, version {}", upkeep.version.unwrap_or_default());
    }
    text
}

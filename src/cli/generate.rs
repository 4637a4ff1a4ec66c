//! `sessionlake generate`: makes synthetic exports from a seed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;
use clap::Args as ClapArgs;
use sessionlake::generate::{GenerateCompression, GenerateFormat, GenerateOptions, Shape, generate_while};
use sessionlake::{Error, Result};

use super::exit;
use super::ingest::progress_bar;
use super::printer::print_text;
use super::shared::Shared;

/// Makes synthetic exports from a seed; the same options give the same bytes.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Sessions of the whole history
    #[arg(long, value_name = "N")]
    sessions: u64,
    /// What decides everything that is random
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// csv, tsv, ndjson, json, pages or parquet
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: GenerateFormat,
    /// none, gzip or zstd
    #[arg(long, value_name = "KIND", default_value = "none")]
    compression: GenerateCompression,
    /// The folder that the files go to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Successive exports of the same history
    #[arg(long, value_name = "K", default_value_t = 1)]
    snapshots: u32,
    /// Hours from one snapshot to the next
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    snapshot_interval: u32,
    /// Days back that an export reaches [default: all]
    #[arg(long, value_name = "DAYS")]
    window: Option<u32>,
    /// First day of the history
    #[arg(long, value_name = "DATE", default_value = "2026-10-01")]
    first_day: NaiveDate,
    /// Days of the history
    #[arg(long, value_name = "N", default_value_t = 51)]
    days: u32,
    /// Odd rows in a million
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    odd: u32,
    /// Splits each export into files of this many sessions
    #[arg(long, value_name = "N")]
    sessions_per_file: Option<u64>,
    /// JSON documents of another shape: arrays, broken, deep, ids, large, late, tenants, wide, or a file that describes one
    #[arg(long, value_name = "NAME|FILE")]
    shape: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Options that do not go together; storage errors.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let mut options = GenerateOptions::new(args.out, args.sessions);
    options.seed = args.seed;
    options.format = args.format;
    options.compression = args.compression;
    options.first_day = args.first_day;
    options.days = args.days;
    options.snapshots = args.snapshots;
    options.snapshot_interval_hours = args.snapshot_interval;
    options.window_days = args.window;
    options.odd_per_million = args.odd;
    options.sessions_per_file = args.sessions_per_file;
    options.shape = args.shape.as_deref().map(shape).transpose()?;
    options.threads = settings.engine.threads.get();
    let bar = shared.shows_progress().then(|| progress_bar(None));
    let making = bar.clone();
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    let work = async move {
        let made = tokio::task::spawn_blocking(move || {
            generate_while(&options, &|rows, bytes| {
                if let Some(bar) = &making {
                    bar.set_message(format!("{rows} rows"));
                    bar.set_position(bytes);
                }
                !stopped.load(Ordering::Relaxed)
            })
        });
        made.await.map_err(Error::internal)?
    };
    let mut work = std::pin::pin!(work);
    let summary = tokio::select! {
        outcome = &mut work => outcome?,
        () = exit::signal() => {
            stop.store(true, Ordering::Relaxed);
            // It waits for nobody, and looks after every two thousand sessions.
            work.await?
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let mut text = String::new();
    for file in &summary.files {
        text.push_str(&format!(
            "{}: {} rows, {} running, {} odd, {} bytes, exported at {}\n",
            file.path.display(),
            file.rows,
            file.active,
            file.odd,
            file.bytes,
            file.exported_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        ));
    }
    if !shared.quiet {
        print_text(&text)?;
    }
    Ok(exit::FINE)
}

/// Finds a shape by its name, or reads it from a file: what has a dot or a slash is one.
fn shape(named: &str) -> Result<Shape> {
    if !named.contains(['.', '/', '\\']) {
        return Shape::named(named);
    }
    let text = std::fs::read_to_string(named).map_err(|e| Error::usage(format!("{named}: {e}")))?;
    text.parse().map_err(|error: Error| {
        let told = Error::usage(format!("{named}: {error}"));
        match error.hint() {
            Some(hint) => told.with_hint(hint),
            None => told,
        }
    })
}

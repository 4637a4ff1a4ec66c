//! `sessionlake optimize`: writes small and overlapping data files anew as few large ones.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::Utc;
use clap::Args as ClapArgs;
use sessionlake::Result;
use sessionlake::custody::retain;
use sessionlake::ingest::{self, Upkeep, UpkeepOptions};
use sessionlake::lake::layout::LEAF_BUDGET;

use super::exit;
use super::ingest::{kept_no_longer, limits, watched};
use super::printer::{OutputArgs, Printer};
use super::shared::Shared;

/// Writes small and overlapping data files anew as few large ones, which queries read faster; no answer changes.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Ingests do a part of this by themselves. Stopped at any time it leaves the lake as it was, or better.\n\n\
                        Examples:\n  sessionlake optimize --dry-run\n  sessionlake optimize --lake ./lake --format json"
)]
pub struct Args {
    /// Says what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
    /// Columns for JSON paths that a data file has at most, beside the text; 0 for none
    #[arg(long, value_name = "N", default_value_t = LEAF_BUDGET)]
    leaf_budget: usize,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
///
/// # Errors
/// No lake there; storage errors; another writer that is always faster.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let lake = settings.lake()?;
    let mut printer = Printer::new(&args.output, shared, &settings).await?;
    let within = limits(&settings);
    let retained = retain(&lake, !args.dry_run, args.leaf_budget, Utc::now(), &settings.engine, &within);
    if let Some(receipt) = exit::or_signal(retained).await?.filter(|_| !shared.quiet) {
        exit::note(kept_no_longer(&receipt).trim_end());
    }
    let planned = exit::or_signal(ingest::planned(&lake)).await?;
    let done = if args.dry_run {
        planned
    } else {
        let now_us = Utc::now().timestamp_micros();
        let options = UpkeepOptions { leaf_budget: args.leaf_budget, now_us, limits: limits(&settings) };
        let total = planned.iter().map(|upkeep| upkeep.rewritten_bytes).sum();
        watched(shared, Some(total), &options.limits, |limits| {
            let options = UpkeepOptions { limits, ..options.clone() };
            async move { ingest::optimize(&lake, &options).await }
        })
        .await?
    };
    printer.print(&table(&done)?)?;
    printer.commit().await?;
    Ok(exit::FINE)
}

fn table(done: &[Upkeep]) -> Result<RecordBatch> {
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let names = [
        "files",
        "files_after",
        "bytes",
        "bytes_after",
        "overlap",
        "overlap_after",
        "rewritten_files",
        "rewritten_rows",
        "rewritten_bytes",
        "version",
    ];
    let numbers = |of: &dyn Fn(&Upkeep) -> Option<u64>| -> ArrayRef {
        Arc::new(done.iter().map(|upkeep| of(upkeep).and_then(|n| i64::try_from(n).ok())).collect::<Int64Array>())
    };
    let tables: StringViewArray = done.iter().map(|upkeep| Some(upkeep.table.as_str())).collect();
    let columns = vec![
        Arc::new(tables) as ArrayRef,
        numbers(&|upkeep| Some(upkeep.files_before)),
        numbers(&|upkeep| Some(upkeep.files_after)),
        numbers(&|upkeep| Some(upkeep.bytes_before)),
        numbers(&|upkeep| upkeep.bytes_after),
        numbers(&|upkeep| upkeep.overlap_before),
        numbers(&|upkeep| upkeep.overlap_after),
        numbers(&|upkeep| Some(upkeep.rewritten_files)),
        numbers(&|upkeep| Some(upkeep.rewritten_rows)),
        numbers(&|upkeep| Some(upkeep.rewritten_bytes)),
        numbers(&|upkeep| upkeep.version),
    ];
    let fields = std::iter::once(Field::new("table", DataType::Utf8View, true)).chain(names.map(number));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)?)
}

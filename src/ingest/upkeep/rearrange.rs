//! Writes data files of sessions anew: merged by their starts, with leaves chosen from all rows, and with what sightings say.
//!
//! Files are opened when the merge comes to their first start, so that only those that share time are open at once. Where these are so many that
//! what is held of them does not fit the memory, the rows go through sorted runs on disk first, as those of an ingest do.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use futures::StreamExt;
use object_store::ObjectStore;
use tokio::runtime::Handle;

use super::UpkeepOptions;
use super::choice::{Shape, depth, shapes};
use crate::error::{Error, Result};
use crate::ingest::attempts::blocking;
use crate::ingest::parts::{Rewritten, may_hold};
use crate::ingest::rewrite::{Manner, first_started_at, merged, preview, staying_rows, write_sorted};
use crate::ingest::runs::{Liveness, RunStore, Source};
use crate::ingest::stage::Limits;
use crate::lake::read::read_rows;
use crate::lake::{DataFile, FileLimits, Output, Table, WrittenFile, discard, layout};
use crate::schema::{self, CONTENT_HASH, EXPORTED_AT};

/// How many times as large rows are in memory as in a file.
const EXPANSION: u64 = 8;
/// Writes the rows of these files anew; `told` hears of how many rows. On an error no file is left behind.
///
/// # Errors
/// Storage errors, temporary space that runs out, or a run stopped from outside.
pub(super) async fn rearrange(
    table: &Table,
    files: &[DataFile],
    sightings: Arc<HashMap<i64, i64>>,
    options: &UpkeepOptions,
    told: Arc<dyn Fn(u64) + Send + Sync>,
    output: Output,
) -> Result<Vec<WrittenFile>> {
    let stored: Vec<Rewritten> =
        files.iter().map(|file| Rewritten { file: file.clone(), without: Vec::new() }).collect();
    let (store, options, runtime) = (table.store(), options.clone(), Handle::current());
    let policy = table.leaf_policy(options.leaf_budget)?;
    blocking(move || {
        let shapes: Vec<Shape> = shapes(&stored.iter().map(|stored| stored.file.clone()).collect::<Vec<_>>());
        let runs = match fits(&shapes, &options.limits) {
            true => None,
            false => Some(sorted_runs(&stored, &store, &runtime, &options.limits)?),
        };
        let mut written: Vec<WrittenFile> = Vec::new();
        for liveness in [Liveness::Active, Liveness::Ended] {
            let holders: Vec<&Rewritten> = stored.iter().filter(|stored| may_hold(&stored.file, liveness)).collect();
            let sources: Vec<Source<'_>> = match &runs {
                Some(runs) => runs.readers(liveness)?.into_iter().map(Source::from).collect(),
                None => holders
                    .iter()
                    .map(|stored| Source {
                        not_before: first_started_at(&stored.file),
                        batches: staying_rows(&store, &runtime, stored, liveness),
                    })
                    .collect(),
            };
            let rows: u64 = holders.iter().map(|stored| rows_of(&stored.file, liveness)).sum();
            let leaves = policy.limits(rows);
            let preview = match leaves.columns > 0 {
                true => preview(&holders, &store, &runtime, liveness, rows)?,
                false => None,
            };
            let files = FileLimits::even(rows);
            let manner = Manner { limits: &options.limits, leaves, files, preview, thorough: true };
            let (told, sightings) = (&told, &sightings);
            let merged = merged(sources)?.map(move |batch| {
                let batch = with_sightings(batch?, sightings)?;
                told(batch.num_rows() as u64);
                Ok(batch)
            });
            match write_sorted(Box::new(merged), liveness, manner, output.clone()) {
                Ok(files) => written.extend(files),
                Err(error) => {
                    discard(&output, &written);
                    return Err(error);
                }
            }
        }
        // Whatever happens to be wrong above: no row is lost, and none is there twice.
        let before: Option<u64> = stored.iter().map(|stored| stored.file.rows).sum();
        let after: u64 = written.iter().map(|file| file.rows).sum();
        if before.is_some_and(|before| before != after) {
            discard(&output, &written);
            return Err(Error::internal(format!("{before:?} rows were written anew as {after}")));
        }
        if let Err(stopped) = options.limits.check() {
            discard(&output, &written);
            return Err(stopped);
        }
        Ok(written)
    })
    .await
}

/// Returns how many rows of a liveness a file has, at most where the log does not know.
fn rows_of(file: &DataFile, liveness: Liveness) -> u64 {
    let rows = file.rows.unwrap_or_default();
    match (file.columns.get("ended_at").and_then(|column| column.null_count), liveness) {
        (Some(running), Liveness::Active) => running,
        (Some(running), Liveness::Ended) => rows.saturating_sub(running),
        (None, _) => rows,
    }
}

/// Says whether what a merge holds of these files fits the memory.
fn fits(shapes: &[Shape], limits: &Limits) -> bool {
    let (rows, bytes) = shapes.iter().fold((0, 0), |sum, shape| (sum.0 + shape.rows, sum.1 + shape.bytes));
    let (_, held_rows) = depth(shapes.iter(), layout::PAGE_ROWS as u64);
    let row_bytes = (bytes / rows.max(1) + 1) * EXPANSION;
    held_rows.saturating_mul(row_bytes) <= limits.memory_bytes as u64
}

/// Reads files one after the other into sorted runs.
fn sorted_runs(
    stored: &[Rewritten],
    store: &Arc<dyn ObjectStore>,
    runtime: &Handle,
    limits: &Limits,
) -> Result<RunStore> {
    let mut runs = RunStore::new(schema::stored_schema(), limits.memory_bytes / 2)?;
    for Rewritten { file, .. } in stored {
        let mut rows = runtime.block_on(read_rows(Arc::clone(store), file, schema::stored_schema(), &[]))?;
        while let Some(batch) = runtime.block_on(rows.next()) {
            limits.check()?;
            runs.push(batch?)?;
            if runs.spilled_bytes() > limits.spill_bytes {
                let message = format!(
                    "files that share much of their time take {} bytes of temporary files to be merged, and ⟨spill-limit⟩ allows {}",
                    runs.spilled_bytes(),
                    limits.spill_bytes
                );
                let hint = "raise ⟨spill-limit⟩, or ⟨memory-limit⟩; nothing was lost".to_owned();
                return Err(Error::Limit { message, hint: Some(hint) });
            }
        }
    }
    runs.seal();
    Ok(runs)
}

/// Moves `_exported_at` forward to where a state was seen last.
fn with_sightings(batch: RecordBatch, sightings: &HashMap<i64, i64>) -> Result<RecordBatch> {
    if sightings.is_empty() {
        return Ok(batch);
    }
    let schema = batch.schema();
    let at = schema.index_of(EXPORTED_AT)?;
    let content = batch.column(schema.index_of(CONTENT_HASH)?).as_primitive::<Int64Type>();
    let exported = batch.column(at).as_primitive::<TimestampMicrosecondType>();
    let seen = |row: usize| content.is_valid(row).then(|| sightings.get(&content.value(row))).flatten().copied();
    let latest = |row: usize| exported.is_valid(row).then(|| exported.value(row)).max(seen(row));
    let moved: TimestampMicrosecondArray = (0..batch.num_rows()).map(latest).collect();
    let moved: ArrayRef = Arc::new(moved.with_timezone("UTC"));
    let columns = batch.columns().iter().enumerate().map(|(index, column)| match index == at {
        true => Arc::clone(&moved),
        false => Arc::clone(column),
    });
    Ok(RecordBatch::try_new(Arc::clone(&schema), columns.collect())?)
}

//! Writes the winners of a run, merged with the rows that stay of every file that must be rewritten, sorted by start.

#![allow(clippy::indexing_slicing, reason = "files are numbered by the snapshot")]

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::UInt64Type;
use datafusion::common::ScalarValue;
use futures::StreamExt;
use object_store::ObjectStore;
use tokio::runtime::Handle;

use super::attempts::blocking;
use super::decide::Decision;
use super::options::IngestOptions;
use super::runs::{Batches, Liveness, Merge, Source, compact, compact_if_sparse, of_liveness};
use super::stage::{Limits, ORDINAL, Staged};
use crate::error::Result;
use crate::lake::cluster::by_time;
use crate::lake::preview::Preview;
use crate::lake::read::read_rows;
use crate::lake::{DataFile, FileLimits, FileWriter, LeafLimits, Output, Snapshot, Table, WrittenFile, discard};
use crate::schema;

/// A stored file that is written anew, without some rows.
pub(super) struct Rewritten {
    pub(super) file: DataFile,
    /// The rows that give way, in order.
    pub(super) without: Vec<u32>,
}

/// How rows are written.
pub(super) struct Manner<'a> {
    pub(super) limits: &'a Limits,
    /// Leaf columns of a data file at most.
    pub(super) leaves: LeafLimits,
    /// How large files become.
    pub(super) files: FileLimits,
    /// Rows spread over all that come, if there are such.
    pub(super) preview: Option<Preview>,
}

/// Writes the files of the next version, running and ended sessions apart. On an error none is left behind.
///
/// # Errors
/// Storage errors, or a run stopped from outside.
pub async fn write(
    table: &Table,
    snapshot: &Snapshot,
    mut decision: Decision,
    staged: &Arc<Mutex<Staged>>,
    options: &IngestOptions,
    output: Output,
) -> Result<Vec<WrittenFile>> {
    let rewritten: Vec<Rewritten> = std::mem::take(&mut decision.removed)
        .into_iter()
        .map(|(index, without)| Rewritten { file: snapshot.files[index as usize].clone(), without })
        .collect();
    let (staged, options, store, runtime) = (Arc::clone(staged), options.clone(), table.store(), Handle::current());
    let owner = table.clone();
    blocking(move || {
        let staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = staged.rows + rewritten.iter().filter_map(|rewritten| rewritten.file.rows).sum::<u64>();
        let leaves = owner.leaf_limits(options.leaf_budget, rows)?;
        let mut files = Vec::new();
        for liveness in [Liveness::Active, Liveness::Ended] {
            let mut sources = Vec::new();
            for run in staged.runs.readers(liveness)? {
                let decision = &decision;
                sources.push(Source::from(Box::new(run.map(move |batch| select(decision, &batch?))) as Batches<'_>));
            }
            for rewritten in rewritten.iter().filter(|rewritten| may_hold(&rewritten.file, liveness)) {
                sources.push(Source {
                    not_before: first_started_at(&rewritten.file),
                    batches: staying_rows(&store, &runtime, rewritten, liveness),
                });
            }
            let preview = staged.survey.preview(liveness, !rewritten.is_empty())?;
            let (leaves, size) = (leaves.clone(), FileLimits::default());
            let manner = Manner { limits: &options.limits, leaves, files: size, preview };
            match write_sorted(merged(sources)?, liveness, manner, output.clone()) {
                Ok(written) => files.extend(written),
                Err(error) => {
                    discard(&output, &files);
                    return Err(error);
                }
            }
        }
        Ok(files)
    })
    .await
}

/// Merges rows of several sources by their starts.
///
/// # Errors
/// A defect of the schema.
pub(super) fn merged(sources: Vec<Source<'_>>) -> Result<Batches<'_>> {
    Ok(Box::new(Merge::new(sources, schema::stored_schema().index_of("started_at")?)))
}

/// Writes rows that come in the order of their starts, all running or all ended. On an error no file is left behind.
///
/// # Errors
/// Those of the rows; storage errors, or a run stopped from outside.
pub(super) fn write_sorted(
    rows: Batches<'_>,
    liveness: Liveness,
    manner: Manner<'_>,
    output: Output,
) -> Result<Vec<WrittenFile>> {
    let prefix = match liveness {
        Liveness::Active => "active",
        Liveness::Ended => "ended",
    };
    let writer = FileWriter::new(schema::stored_schema(), output, manner.limits.threads, prefix);
    let mut writer = writer.with_limits(manner.files).with_leaves(manner.leaves).with_preview(manner.preview);
    for batch in rows {
        manner.limits.check()?;
        writer.write(&batch?)?;
    }
    writer.finish()
}

/// Says whether a file may hold sessions of this liveness, by what the log knows.
pub(super) fn may_hold(file: &DataFile, liveness: Liveness) -> bool {
    match liveness {
        Liveness::Active => file.columns.get("ended_at").and_then(|c| c.null_count) != Some(0),
        Liveness::Ended => !file.is_active(),
    }
}

/// Returns an instant that no start in a file is before, in microseconds, if the log knows it.
pub(super) fn first_started_at(file: &DataFile) -> Option<i64> {
    match file.columns.get("started_at")?.lower_bound()? {
        ScalarValue::TimestampMicrosecond(instant, _) => instant,
        _ => None,
    }
}

/// Reads the rows that stay of a file, which is opened when the first of them is asked for: so only files whose time ranges overlap
/// are open at once.
pub(super) fn staying_rows<'a>(
    store: &Arc<dyn ObjectStore>,
    runtime: &Handle,
    rewritten: &'a Rewritten,
    liveness: Liveness,
) -> Batches<'a> {
    let (store, runtime) = (Arc::clone(store), runtime.clone());
    Box::new(std::iter::once(()).flat_map(move |()| -> Batches<'a> {
        let opened = runtime.block_on(read_rows(
            Arc::clone(&store),
            &rewritten.file,
            schema::stored_schema(),
            &rewritten.without,
        ));
        match opened {
            Ok(mut stream) => {
                let runtime = runtime.clone();
                let batches = std::iter::from_fn(move || runtime.block_on(stream.next()));
                // The merge wants the order of time, and a batch is a page.
                Box::new(batches.map(move |batch| compact_if_sparse(by_time(&of_liveness(&batch?, liveness)?)?)))
            }
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }))
}

/// Keeps the winners of a batch of a run, in the columns that the lake stores.
fn select(decision: &Decision, batch: &RecordBatch) -> Result<RecordBatch> {
    let stored = schema::stored_schema();
    let ordinals = batch.column(batch.schema().index_of(ORDINAL)?).as_primitive::<UInt64Type>();
    let mask: BooleanArray = ordinals.values().iter().map(|ordinal| Some(decision.wins(*ordinal))).collect();
    let selected = filter_record_batch(batch, &mask)?;
    // A few rows would keep the text of all rows in memory for as long as a row group is being filled.
    let selected = if selected.num_rows() * 2 < batch.num_rows() { compact(&selected)? } else { selected };
    let mut columns = selected.columns().to_vec();
    // The numbers of a run stand behind what the lake stores.
    columns.truncate(stored.fields().len());
    Ok(RecordBatch::try_new(stored, columns)?)
}

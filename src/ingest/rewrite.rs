//! Writes the winners of a run, merged with the rows that stay of every file that must be rewritten, sorted by start.

#![allow(clippy::indexing_slicing, reason = "files are numbered by the snapshot")]

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::{Schema, TimestampMicrosecondType, UInt64Type};
use datafusion::common::ScalarValue;
use futures::StreamExt;
use object_store::ObjectStore;
use tokio::runtime::Handle;

use super::attempts::blocking;
use super::decide::Decision;
use super::options::IngestOptions;
use super::parts::{Part, Rewritten, Span, part_of, parts, span_of};
use super::runs::{Batches, Liveness, Merge, Source, compact, compact_if_sparse, of_liveness};
use super::stage::{Limits, ORDINAL, Staged};
use crate::error::Result;
use crate::lake::cluster::by_time;
use crate::lake::contents::with_content_hashes;
use crate::lake::preview::Preview;
use crate::lake::read::read_rows;
use crate::lake::{
    DataFile, FileLimits, FileWriter, LeafLimits, Output, Snapshot, Table, WrittenFile, discard, layout,
};
use crate::schema;

/// Files that rows are looked at of before their leaves are chosen, and rows of them in all.
const PREVIEWED_FILES: usize = 8;
const PREVIEWED_ROWS: usize = 16_384;

/// How rows are written.
pub(super) struct Manner<'a> {
    pub(super) limits: &'a Limits,
    /// What leaf columns of a data file may take.
    pub(super) leaves: LeafLimits,
    /// How large files become.
    pub(super) files: FileLimits,
    /// Rows spread over all that come, if there are such.
    pub(super) preview: Option<Preview>,
    /// Whether a file that is not large is compressed with more work than usual.
    pub(super) thorough: bool,
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
    let policy = table.leaf_policy(options.leaf_budget)?;
    let newest = snapshot.files.iter().filter_map(span_of).map(|span| span.last).max();
    blocking(move || {
        let staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = policy.beside(staged.rows);
        let mut files = Vec::new();
        for liveness in [Liveness::Active, Liveness::Ended] {
            let parts = parts(&rewritten, liveness, staged.rows, newest);
            let coming = coming_rows(&parts, &decision, &staged, liveness)?;
            for (number, part) in parts.iter().enumerate() {
                let incoming = coming[number];
                let rows = incoming + part.stored_rows();
                if rows == 0 && part.stored.is_empty() {
                    continue;
                }
                let mut sources = Vec::new();
                for run in staged.runs.readers(liveness)?.into_iter().filter(|_| incoming > 0) {
                    let (decision, parts) = (&decision, &parts);
                    let selected =
                        run.map(move |batch| select(decision, &batch?, |start| part_of(parts, start) == number));
                    sources.push(Source::from(Box::new(selected) as Batches<'_>));
                }
                for rewritten in &part.stored {
                    let staying = staying_rows(&store, &runtime, rewritten, liveness);
                    let batches = match part.keeps == Span::ALL {
                        true => staying,
                        false => Box::new(staying.map(|batch| within(&batch?, part.keeps))),
                    };
                    sources.push(Source { not_before: first_started_at(&rewritten.file), batches });
                }
                // Of what stays in a file the rows that come tell little.
                let preview = match number + 1 == parts.len() {
                    true => staged.survey.preview(liveness, !part.stored.is_empty())?,
                    false => None,
                };
                let manner = Manner {
                    limits: &options.limits,
                    leaves: policy.limits(rows),
                    files: if part.stored.is_empty() { FileLimits::default() } else { FileLimits::even(rows) },
                    preview,
                    thorough: false,
                };
                match write_sorted(merged(sources)?, liveness, manner, output.clone()) {
                    Ok(written) => files.extend(written),
                    Err(error) => {
                        discard(&output, &files);
                        return Err(error);
                    }
                }
            }
        }
        Ok(files)
    })
    .await
}

/// Counts the incoming rows of a liveness that are stored, for each part.
fn coming_rows(parts: &[Part<'_>], decision: &Decision, staged: &Staged, liveness: Liveness) -> Result<Vec<u64>> {
    let mut counts = vec![0; parts.len()];
    if let [_] = parts {
        // All that may be there.
        counts[0] = staged.rows;
        return Ok(counts);
    }
    for run in staged.runs.readers(liveness)? {
        for batch in run {
            let batch = batch?;
            let (ordinals, starts) = (ordinals(&batch)?, starts(&batch)?);
            for (ordinal, start) in ordinals.iter().zip(starts) {
                if decision.wins(*ordinal) {
                    counts[part_of(parts, *start)] += 1;
                }
            }
        }
    }
    Ok(counts)
}

/// Keeps the rows that start in a time.
fn within(batch: &RecordBatch, span: Span) -> Result<RecordBatch> {
    let mask: BooleanArray = starts(batch)?.iter().map(|start| Some(span.has(*start))).collect();
    compact_if_sparse(filter_record_batch(batch, &mask)?)
}

fn starts(batch: &RecordBatch) -> Result<&[i64]> {
    Ok(batch.column(batch.schema().index_of("started_at")?).as_primitive::<TimestampMicrosecondType>().values())
}

fn ordinals(batch: &RecordBatch) -> Result<&[u64]> {
    Ok(batch.column(batch.schema().index_of(ORDINAL)?).as_primitive::<UInt64Type>().values())
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
    writer.compress_harder(manner.thorough);
    for batch in rows {
        manner.limits.check()?;
        writer.write(&with_content_hashes(batch?)?)?;
    }
    writer.finish()
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

/// Returns rows spread over all that will come: some of the first page of some of the files. Inside a page rows stand by their workflows, so that
/// every so many of all its rows are taken. `None` where the first rows of a file are all of them.
///
/// # Errors
/// Storage errors.
pub(super) fn preview(
    holders: &[&Rewritten],
    store: &Arc<dyn ObjectStore>,
    runtime: &Handle,
    liveness: Liveness,
    rows: u64,
) -> Result<Option<Preview>> {
    if rows <= layout::SAMPLE_ROWS as u64 {
        return Ok(None);
    }
    let mut in_time: Vec<&DataFile> = holders.iter().map(|stored| &stored.file).collect();
    in_time.sort_unstable_by_key(|file| first_started_at(file));
    let step = in_time.len().div_ceil(PREVIEWED_FILES).max(1);
    let looked_at: Vec<&DataFile> = in_time.into_iter().step_by(step).collect();
    let names = ["started_at", "ended_at"].into_iter().chain(layout::SHREDDED_COLUMNS);
    let fields = names.map(|name| Ok(schema::stored_schema().field_with_name(name)?.clone()));
    let looked_for = Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?));
    let mut found = Vec::new();
    for file in &looked_at {
        let mut pages = runtime.block_on(read_rows(Arc::clone(store), file, Arc::clone(&looked_for), &[]))?;
        let Some(page) = runtime.block_on(pages.next()) else { continue };
        let page = by_time(&of_liveness(&page?, liveness)?)?;
        let step = (page.num_rows() * looked_at.len()).div_ceil(PREVIEWED_ROWS).max(1);
        let taken = UInt32Array::from_iter_values((0..page.num_rows() as u32).step_by(step));
        found.push(take_record_batch(&page, &taken)?);
    }
    let Some(first) = found.first() else { return Ok(None) };
    let rows_found = by_time(&concat_batches(&first.schema(), &found)?)?;
    let count = rows_found.num_rows() as u64;
    let one_in = usize::try_from(rows / count.max(1)).unwrap_or(usize::MAX).max(1);
    Ok((count > 0).then_some(Preview { rows: rows_found, one_in, has_others: true }))
}

/// Keeps the winners of a batch of a run that start at chosen instants, in the columns that the lake stores.
fn select(decision: &Decision, batch: &RecordBatch, is_chosen: impl Fn(i64) -> bool) -> Result<RecordBatch> {
    let stored = schema::stored_schema();
    let rows = ordinals(batch)?.iter().zip(starts(batch)?);
    let mask: BooleanArray = rows.map(|(ordinal, start)| Some(decision.wins(*ordinal) && is_chosen(*start))).collect();
    let selected = filter_record_batch(batch, &mask)?;
    // A few rows would keep the text of all rows in memory for as long as a row group is being filled.
    let selected = if selected.num_rows() * 2 < batch.num_rows() { compact(&selected)? } else { selected };
    let mut columns = selected.columns().to_vec();
    // The numbers of a run stand behind what the lake stores.
    columns.truncate(stored.fields().len());
    Ok(RecordBatch::try_new(stored, columns)?)
}

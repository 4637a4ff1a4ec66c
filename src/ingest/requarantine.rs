//! Tries quarantined records again under the options of now; those that can be stored leave the quarantine.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use futures::StreamExt;

use super::attempts::{Attempts, blocking};
use super::options::IngestOptions;
use super::put_back::put_back_what_is_left;
use super::replay::replay;
use super::run::commit_staged;
use super::stage::{Staged, push_read};
use crate::error::{Error, Result};
use crate::lake::ledger::{FileLedger, Ledger};
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, FileWriter, Lake, Output, Table, Version, layout};
use crate::schema;

/// The name of the ledger's entry.
const SOURCE_NAME: &str = "quarantine";

/// Reads every quarantined record again and stores those that can be stored now.
///
/// Sessions are committed first, then the records are removed from the quarantine: a run that is killed in between finds them
/// again, and the lake already knows their states. Records of earlier replays that a restore undid are put back before.
///
/// # Errors
/// Storage errors, another writer that is always faster, or a run stopped from outside.
pub async fn replay_quarantine(lake: &Lake, options: IngestOptions) -> Result<Ledger> {
    put_back_what_is_left(lake, options.now_us / 1_000, &options.limits).await?;
    let Some(mut quarantine) = lake.open(layout::QUARANTINE).await? else { return Ok(Ledger::default()) };
    let mut staged =
        Staged::empty(vec![FileLedger { file: SOURCE_NAME.to_owned(), ..FileLedger::default() }], &options.limits)?;
    let snapshot = quarantine.snapshot()?;
    let mut stored: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for file in snapshot.files.iter() {
        let mut rows = read_rows(quarantine.store(), file, schema::quarantine_schema(), &[]).await?;
        let mut first = 0;
        while let Some(batch) = rows.next().await {
            options.limits.check()?;
            let batch = batch?;
            let good = replay_batch(&mut staged, &batch, &options)?;
            if !good.is_empty() {
                stored.entry(file.path.clone()).or_default().extend(good.into_iter().map(|row| first + row));
            }
            first += batch.num_rows() as u32;
        }
    }
    staged.seal();
    let files = staged.files.clone();
    let stopped = options.stops(&files);
    if stored.is_empty() || stopped {
        return Ok(Ledger { stopped, profile: options.read.profile.clone(), ..Ledger::of(files) });
    }
    let mut sessions = lake.open_or_create(layout::SESSIONS).await?;
    let ledger = commit_staged(lake, &mut sessions, staged, &options).await?;
    remove(&mut quarantine, stored, ledger.version.unwrap_or(sessions.version()), &options).await?;
    // A restore in between looked for records that were taken out before they were.
    put_back_what_is_left(lake, options.now_us / 1_000, &options.limits).await?;
    Ok(ledger)
}

/// Replays the records of a batch and returns those that could be stored, by row.
fn replay_batch(staged: &mut Staged, batch: &RecordBatch, options: &IngestOptions) -> Result<Vec<u32>> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")));
    let (raw, raw_bytes) = (column("raw")?.as_string_view(), column("raw_bytes")?.as_binary_view());
    let context = column("context")?.as_string_view();
    let exported_at = column("exported_at")?.as_primitive::<TimestampMicrosecondType>();
    let mut good = Vec::new();
    for row in 0..batch.num_rows() {
        let bytes = if raw_bytes.is_valid(row) { raw_bytes.value(row) } else { raw.value(row).as_bytes() };
        let mut read_options = options.read.clone();
        if exported_at.is_valid(row) {
            read_options.fallback_exported_at_us = exported_at.value(row);
        }
        // A context that another program wrote is no reason to stop: the record stays where it is.
        let read = context.is_valid(row).then(|| replay(context.value(row), bytes, &read_options)).and_then(Result::ok);
        match read {
            Some(read) if read.rows.num_rows() > 0 && read.rejects.is_empty() => {
                push_read(staged, 0, &read)?;
                good.push(row as u32);
            }
            _ => {
                if let Some(file) = staged.files.first_mut() {
                    file.counts.rows_read += 1;
                    file.counts.quarantined += 1;
                }
            }
        }
    }
    Ok(good)
}

/// Rewrites the quarantine's files without the records that were stored, which this version of the sessions has.
async fn remove(
    table: &mut Table,
    stored: BTreeMap<String, Vec<u32>>,
    sessions: Version,
    options: &IngestOptions,
) -> Result<()> {
    let stored = Arc::new(stored);
    let mut attempts = Attempts::new(&options.limits);
    loop {
        attempts.begin()?;
        let snapshot = table.snapshot()?;
        // A file that is gone was rewritten by another run, which removed the same records or will find them stored.
        let touched: Vec<DataFile> =
            snapshot.files.iter().filter(|file| stored.contains_key(&file.path)).cloned().collect();
        if touched.is_empty() {
            return Ok(());
        }
        let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
        let output = Output::of(table, temporary.path().to_owned());
        let removed = touched.iter().map(|file| (file.path.clone(), file.size_bytes)).collect();
        let (stored, store, target) = (Arc::clone(&stored), table.store(), output.clone());
        let runtime = tokio::runtime::Handle::current();
        let added = blocking(move || {
            let schema = schema::quarantine_schema();
            let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, SOURCE_NAME);
            for file in &touched {
                let rows = stored.get(&file.path).map(Vec::as_slice).unwrap_or_default();
                let mut kept = runtime.block_on(read_rows(Arc::clone(&store), file, Arc::clone(&schema), rows))?;
                while let Some(batch) = runtime.block_on(kept.next()) {
                    writer.write(&batch?)?;
                }
            }
            writer.finish()
        })
        .await?;
        let (marks, modified_ms) = (vec![Table::stored_in(sessions)], options.now_us / 1_000);
        let commit = Commit { added, removed, marks, modified_ms, ..Commit::default() };
        if attempts.commit(table, &output, commit).await?.is_some() {
            return Ok(());
        }
    }
}

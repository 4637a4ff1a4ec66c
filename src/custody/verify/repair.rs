//! Puts right what can be without loss: a file is written anew from its rows, with statistics, leaf columns, order and content hashes as they ought to
//! be; a checkpoint that cannot be read is written again. One commit a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, sort_to_indices, take_record_batch};
use futures::StreamExt;

use super::{Fault, FaultKind, VerifyOptions};
use crate::error::{Error, Result};
use crate::ingest::attempts::blocking;
use crate::ingest::{Attempts, Limits};
use crate::lake::contents::with_new_content_hashes;
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, FileWriter, Output, Table, Version, layout, table_schema};

/// Says whether a fault was put right: its kind can be, and nothing else keeps its file from being read.
pub(super) fn is_put_right(fault: &Fault, all: &[Fault]) -> bool {
    let is_lost = |other: &Fault| {
        other.file == fault.file
            && matches!(other.kind, FaultKind::Missing | FaultKind::Size | FaultKind::Damaged | FaultKind::Outside)
    };
    fault.repairable && (fault.file.is_none() || !all.iter().any(is_lost))
}

/// Writes the files anew whose faults can be put right, and returns the version.
///
/// # Errors
/// Storage errors; another writer that is always faster; a run stopped from outside.
pub(super) async fn repair(
    table: &mut Table,
    faults: &[Fault],
    options: &VerifyOptions,
    limits: &Limits,
) -> Result<Version> {
    let wrong: BTreeSet<&str> = faults
        .iter()
        .filter(|fault| !matches!(fault.kind, FaultKind::Checkpoint | FaultKind::Index) && is_put_right(fault, faults))
        .filter_map(|fault| fault.file.as_deref())
        .collect();
    let heals = faults.iter().any(|fault| fault.kind == FaultKind::Checkpoint);
    let mut attempts = Attempts::new(limits);
    loop {
        attempts.begin()?;
        table.require_writable()?;
        let snapshot = table.snapshot()?;
        // What another run has written anew meanwhile is not wrong any more.
        let files: Vec<DataFile> =
            snapshot.files.iter().filter(|file| wrong.contains(file.path.as_str())).cloned().collect();
        if files.is_empty() && !heals {
            return Ok(table.version());
        }
        let removed: Vec<(String, u64)> = files.iter().map(|file| (file.path.clone(), file.size_bytes)).collect();
        table.require_nothing_lost(&removed)?;
        let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
        let output = Output::of(table, temporary.path().to_owned());
        let (rewritten, target) = (table.clone(), output.clone());
        let (leaf_budget, checks) = (options.leaf_budget, limits.clone());
        let runtime = tokio::runtime::Handle::current();
        let added = blocking(move || {
            let mut added = Vec::new();
            for file in &files {
                match runtime.block_on(written_anew(&rewritten, file, target.clone(), leaf_budget, &checks)) {
                    Ok(files) => added.extend(files),
                    Err(error) => {
                        crate::lake::discard(&target, &added);
                        return Err(error);
                    }
                }
            }
            Ok(added)
        })
        .await?;
        let modified_ms = options.now.timestamp_millis();
        let commit = Commit { added, removed, modified_ms, writes_checkpoint: heals, ..Commit::default() };
        if let Some(version) = attempts.commit(table, &output, commit).await? {
            return Ok(version);
        }
    }
}

/// Writes the rows of a file into new ones.
async fn written_anew(
    table: &Table,
    file: &DataFile,
    output: Output,
    leaf_budget: usize,
    limits: &Limits,
) -> Result<Vec<crate::lake::WrittenFile>> {
    let schema = table_schema(table.name);
    let is_sessions = table.name == layout::SESSIONS;
    let prefix = match table.name {
        layout::SESSIONS if file.is_active() => "active",
        layout::SESSIONS => "ended",
        name => name,
    };
    let mut rows = read_rows(table.store(), file, Arc::clone(&schema), &[]).await?;
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        limits.check()?;
        let batch = batch?;
        batches.push(if is_sessions { with_new_content_hashes(&batch)? } else { batch });
    }
    drop(rows);
    let mut all = concat_batches(batches.first().map_or(&schema, RecordBatch::schema_ref), &batches)?;
    drop(batches);
    if is_sessions {
        let starts = all.column_by_name("started_at").ok_or_else(|| Error::internal("no started_at"))?;
        let order = sort_to_indices(starts, None, None)?;
        all = take_record_batch(&all, &order)?;
    }
    let leaves = table.leaf_policy(leaf_budget)?.limits(all.num_rows() as u64);
    let mut writer = FileWriter::new(schema, output, limits.threads, prefix);
    if is_sessions {
        writer = writer.with_leaves(leaves);
    }
    let mut offset = 0;
    while offset < all.num_rows() {
        let page = all.slice(offset, layout::PAGE_ROWS.min(all.num_rows() - offset));
        offset += page.num_rows();
        writer.write(&page)?;
    }
    writer.finish()
}

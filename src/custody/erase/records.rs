//! Takes the records of erased sessions out of the quarantine, and the sightings of their states.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use futures::StreamExt;
use regex::Regex;

use super::{Chosen, EraseOptions, select};
use crate::error::{Error, Result};
use crate::ingest::attempts::blocking;
use crate::ingest::{Attempts, Limits};
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, FileWriter, Operation, Output, Table, Version, layout, table_schema};

/// How the rows are known that go.
struct Sought {
    chosen: Arc<Chosen>,
    patterns: Vec<Regex>,
    /// Records that were exported before this instant, in microseconds, started before.
    before_us: Option<i64>,
}

/// Takes the rows out that are of erased sessions; returns how many there are, and the version that has them no more.
///
/// # Errors
/// Storage errors; another writer that is always faster; a run stopped from outside.
pub(super) async fn take_out(
    table: &mut Table,
    chosen: &Arc<Chosen>,
    options: &EraseOptions,
    limits: &Limits,
) -> Result<(u64, Option<Version>)> {
    let sought = Sought {
        chosen: Arc::clone(chosen),
        patterns: options.selection.record_patterns(&select::numbers(options).await?)?,
        before_us: options.selection.before.map(|before| before.timestamp_micros()),
    };
    let mut attempts = Attempts::new(limits);
    loop {
        attempts.begin()?;
        let mut held: BTreeMap<String, (DataFile, Vec<u32>)> = BTreeMap::new();
        for file in table.snapshot()?.files.iter() {
            let rows = sought.rows_in(table, file, limits).await?;
            if !rows.is_empty() {
                held.insert(file.path.clone(), (file.clone(), rows));
            }
        }
        let count = held.values().map(|(_, rows)| rows.len() as u64).sum();
        if held.is_empty() || !options.erases {
            return Ok((count, None));
        }
        table.require_writable()?;
        let removed = held.values().map(|(file, _)| (file.path.clone(), file.size_bytes)).collect();
        let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
        let output = Output::of(table, temporary.path().to_owned());
        let (store, target, name, runtime) =
            (table.store(), output.clone(), table.name, tokio::runtime::Handle::current());
        let added = blocking(move || {
            let schema = table_schema(name);
            let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, name);
            for (file, without) in held.values() {
                let mut kept = runtime.block_on(read_rows(Arc::clone(&store), file, Arc::clone(&schema), without))?;
                while let Some(batch) = runtime.block_on(kept.next()) {
                    writer.write(&batch?)?;
                }
            }
            writer.finish()
        })
        .await?;
        let modified_ms = options.now.timestamp_millis();
        let commit = Commit { added, removed, modified_ms, operation: Operation::Delete, ..Commit::default() };
        if let Some(version) = attempts.commit(table, &output, commit).await? {
            return Ok((count, Some(version)));
        }
    }
}

impl Sought {
    async fn rows_in(&self, table: &Table, file: &DataFile, limits: &Limits) -> Result<Vec<u32>> {
        let mut batches = read_rows(table.store(), file, table_schema(table.name), &[]).await?;
        let (mut rows, mut first) = (Vec::new(), 0_u32);
        while let Some(batch) = batches.next().await {
            limits.check()?;
            let batch = batch?;
            let found = match table.name {
                layout::QUARANTINE => self.records(&batch)?,
                _ => self.sightings(&batch)?,
            };
            rows.extend(found.into_iter().map(|row| first + row));
            first += batch.num_rows() as u32;
        }
        Ok(rows)
    }

    fn records(&self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")));
        let (raw, bytes) = (column("raw")?.as_string_view(), column("raw_bytes")?.as_binary_view());
        let exported = column("exported_at")?.as_primitive::<TimestampMicrosecondType>();
        let is_sought = |row: &usize| {
            let text = if raw.is_valid(*row) { raw.value(*row) } else { "" };
            let bytes = if bytes.is_valid(*row) { bytes.value(*row) } else { text.as_bytes() };
            self.chosen.is_named_in(bytes)
                || self.chosen.is_named_in(text.as_bytes())
                || self.patterns.iter().any(|pattern| pattern.is_match(text))
                || (exported.is_valid(*row) && self.before_us.is_some_and(|before| exported.value(*row) < before))
        };
        Ok((0..batch.num_rows()).filter(is_sought).map(|row| row as u32).collect())
    }

    fn sightings(&self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let column = batch.column_by_name("content_hash").ok_or_else(|| Error::internal("no content hash"))?;
        let hashes = column.as_primitive::<Int64Type>();
        let is_sought = |row: &usize| hashes.is_valid(*row) && self.chosen.contents.contains(&hashes.value(*row));
        Ok((0..batch.num_rows()).filter(is_sought).map(|row| row as u32).collect())
    }
}

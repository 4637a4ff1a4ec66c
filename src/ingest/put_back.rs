//! Puts records back into the quarantine that replays took out of it.
//!
//! A replay stores sessions first and takes their records out of the quarantine then. Where a restore undoes the first, the records have nowhere
//! to be but in the quarantine, so the second is undone as well. Both writers look again after their own commit: of a restore and a replay at the
//! same time, the one that commits last sees what the other did.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::row::{RowConverter, SortField};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use xxhash_rust::xxh3::xxh3_128;

use super::attempts::{Attempts, blocking};
use super::stage::Limits;
use crate::error::{Error, Result};
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, FileWriter, Lake, Output, Table, layout};
use crate::schema;

/// What replays call their commit in the log of the quarantine.
const REPLAYS: &str = "WRITE";
/// When a record was put aside does not tell it from another: the same record of the same place may be put aside twice.
const NOT_TELLING: &str = "quarantined_at";

/// Puts the records back that replays took out of the quarantine after an instant, but for those that it has; returns how many these are.
///
/// # Errors
/// Files of earlier versions that are gone; storage errors; another writer that is always faster; a run stopped from outside.
pub(crate) async fn put_back(lake: &Lake, since: DateTime<Utc>, modified_ms: i64, limits: &Limits) -> Result<u64> {
    let Some(mut table) = lake.open(layout::QUARANTINE).await? else { return Ok(0) };
    let mut attempts = Attempts::new(limits);
    loop {
        attempts.begin()?;
        let records = missing(&table, since, limits).await?;
        let count = records.iter().map(|batch| batch.num_rows() as u64).sum();
        if count == 0 {
            return Ok(0);
        }
        table.require_writable()?;
        let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
        let output = Output::of(&table, temporary.path().to_owned());
        let target = output.clone();
        let added = blocking(move || {
            let mut writer =
                FileWriter::new(schema::quarantine_schema(), target, NonZeroUsize::MIN, layout::QUARANTINE);
            for batch in &records {
                writer.write(batch)?;
            }
            writer.finish()
        })
        .await?;
        let commit = Commit { added, modified_ms, ..Commit::default() };
        if attempts.commit(&mut table, &output, commit).await?.is_some() {
            return Ok(count);
        }
    }
}

/// Returns the records that replays took out of the quarantine after an instant and that it has not.
async fn missing(table: &Table, since: DateTime<Utc>, limits: &Limits) -> Result<Vec<RecordBatch>> {
    let replaced = table.replaced_since(since, REPLAYS).await?;
    if replaced.is_empty() {
        return Ok(Vec::new());
    }
    let mut seen = Seen::new()?;
    for file in table.snapshot()?.files.iter() {
        records(table, file, limits, |batch| seen.add(&batch)).await?;
    }
    let mut missing = Vec::new();
    for change in &replaced {
        // A replay writes the records anew that stay. They may have gone later, by an erasure.
        let mut stayed = Seen::new()?;
        for file in &change.added {
            records(table, file, limits, |batch| stayed.add(&batch)).await.map_err(|e| or_gone(table, file, e))?;
        }
        for file in &change.removed {
            let keep = |batch: RecordBatch| {
                let went = seen.new_ones(&batch, &stayed)?;
                if went.true_count() > 0 {
                    missing.push(filter_record_batch(&batch, &went)?);
                }
                Ok(())
            };
            records(table, file, limits, keep).await.map_err(|e| or_gone(table, file, e))?;
        }
    }
    Ok(missing)
}

/// Says what a file that a vacuum removed is missed for.
fn or_gone(table: &Table, file: &DataFile, error: Error) -> Error {
    if !error.is_of_missing_file() {
        return error;
    }
    Error::NotFound {
        message: format!(
            "records that were taken in out of the quarantine since cannot come back: {}/{} is gone",
            table.name, file.path
        ),
        hint: Some("restore the version that took them in, or a later one".to_owned()),
    }
}

/// Reads a file of the quarantine batch by batch.
async fn records(
    table: &Table,
    file: &DataFile,
    limits: &Limits,
    mut each: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let mut batches = read_rows(table.store(), file, schema::quarantine_schema(), &[]).await?;
    while let Some(batch) = batches.next().await {
        limits.check()?;
        each(batch?)?;
    }
    Ok(())
}

/// Records by a hash of all that tells them from each other.
struct Seen {
    converter: RowConverter,
    hashes: HashSet<u128>,
}

impl Seen {
    fn new() -> Result<Self> {
        let fields = schema::quarantine_schema();
        let telling = fields.fields().iter().filter(|field| field.name() != NOT_TELLING);
        let converter = RowConverter::new(telling.map(|field| SortField::new(field.data_type().clone())).collect())?;
        Ok(Self { converter, hashes: HashSet::new() })
    }

    fn hashes(&self, batch: &RecordBatch) -> Result<Vec<u128>> {
        let schema = batch.schema();
        let telling = schema.fields().iter().zip(batch.columns()).filter(|(field, _)| field.name() != NOT_TELLING);
        let columns: Vec<_> = telling.map(|(_, column)| column.clone()).collect();
        let rows = self.converter.convert_columns(&columns)?;
        Ok(rows.iter().map(|row| xxh3_128(row.as_ref())).collect())
    }

    /// Adds the records of a batch.
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.hashes.extend(self.hashes(batch)?);
        Ok(())
    }

    /// Adds the records of a batch that are in neither set, and says which these are.
    fn new_ones(&mut self, batch: &RecordBatch, others: &Self) -> Result<BooleanArray> {
        let hashes = self.hashes(batch)?;
        Ok(hashes.into_iter().map(|hash| Some(!others.hashes.contains(&hash) && self.hashes.insert(hash))).collect())
    }
}

//! Puts records back into the quarantine that replays took out of it.
//!
//! A replay stores sessions first and takes their records out of the quarantine then, in a commit that says which version of the sessions has them. Where
//! a restore undoes that version, the records have nowhere to be but in the quarantine. Versions are compared and no clocks: those of the two tables'
//! writers may differ. Whoever restores or replays looks after its own commit, so that of two at the same time the one that commits last sees what
//! the other did; and where that one is killed, the next replay, restore or vacuum looks again before it does anything else.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::row::{RowConverter, SortField};
use futures::StreamExt;
use xxhash_rust::xxh3::xxh3_128;

use super::attempts::{Attempts, blocking};
use super::stage::Limits;
use crate::error::{Error, Result};
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, FileWriter, Lake, Output, Replaced, Table, Version, layout};
use crate::schema;

/// What replays call their commit in the log of the quarantine.
const REPLAYS: &str = "WRITE";
/// When a record was put aside does not tell it from another: the same record of the same place may be put aside twice.
const NOT_TELLING: &str = "quarantined_at";

/// Names the application transaction of a commit that undoes this version of the quarantine.
fn undoing(version: Version) -> String {
    format!("sessionlake:put-back:{version}")
}

/// Puts the records back that replays took out of the quarantine and that no version of the sessions has which led to `newest`; returns how many.
///
/// # Errors
/// Files of earlier versions that are gone; storage errors; another writer that is always faster; a run stopped from outside.
pub(crate) async fn put_back(
    lake: &Lake,
    sessions: &Table,
    newest: Version,
    modified_ms: i64,
    limits: &Limits,
) -> Result<u64> {
    let Some(mut table) = lake.open(layout::QUARANTINE).await? else { return Ok(0) };
    let replaced = table.replaced_by(REPLAYS).await?;
    if replaced.is_empty() {
        return Ok(0);
    }
    let lineage = sessions.lineage(newest).await?;
    let mut count = 0;
    for change in replaced {
        // Replays before there was such a mark: by the clock, as well as it tells.
        let by_the_clock = || change.committed_at.and_then(|instant| lineage.newest_at(instant));
        if change.stored_in.or_else(by_the_clock).is_none_or(|version| lineage.has(version)) {
            continue;
        }
        let transaction = undoing(change.version);
        let mut attempts = Attempts::new(limits);
        // Once put back, records are in the quarantine, or another replay took them out since.
        while table.transaction_version(&transaction).await?.is_none() {
            attempts.begin()?;
            let records = taken_out(&table, &change, limits).await?;
            let rows = records.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
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
            let commit = Commit { added, transactions: vec![transaction.clone()], modified_ms, ..Commit::default() };
            if attempts.commit(&mut table, &output, commit).await?.is_some() {
                count += rows;
            }
        }
    }
    Ok(count)
}

/// Puts back what a restore or a replay that was killed left undone. Records whose files are gone are no error here: nobody can bring them back.
///
/// # Errors
/// As [`put_back`].
pub(crate) async fn put_back_what_is_left(lake: &Lake, modified_ms: i64, limits: &Limits) -> Result<()> {
    let Some(sessions) = lake.open(layout::SESSIONS).await? else { return Ok(()) };
    match put_back(lake, &sessions, sessions.version(), modified_ms, limits).await {
        Err(Error::NotFound { .. }) => Ok(()),
        left => left.map(drop),
    }
}

/// Returns the records that a replay took out: those of the files that went, without those that it wrote anew.
async fn taken_out(table: &Table, change: &Replaced, limits: &Limits) -> Result<Vec<RecordBatch>> {
    let mut stayed = Seen::new()?;
    for file in &change.added {
        records(table, file, limits, |batch| stayed.add(&batch)).await.map_err(|e| or_gone(table, file, e))?;
    }
    let mut taken_out = Vec::new();
    for file in &change.removed {
        let keep = |batch: RecordBatch| {
            let went = stayed.lacks(&batch)?;
            if went.true_count() > 0 {
                taken_out.push(filter_record_batch(&batch, &went)?);
            }
            Ok(())
        };
        records(table, file, limits, keep).await.map_err(|e| or_gone(table, file, e))?;
    }
    Ok(taken_out)
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

    /// Says of each record of a batch whether it is not there.
    fn lacks(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        Ok(self.hashes(batch)?.into_iter().map(|hash| Some(!self.hashes.contains(&hash))).collect())
    }
}

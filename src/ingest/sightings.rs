//! Facts "the state with this content hash was seen at this instant", in a table of their own.
//!
//! The latest instant at which a state was seen ranks it, so it must be known; but moving `_exported_at` forward in a file of
//! ended sessions would rewrite the lake at every export. So a state that is seen again leaves a sighting beside the data:
//! twelve bytes or so, true whatever becomes of the run that found it, and therefore committed before it. Sightings are read only
//! where a stored state is about to give way to one that was seen later.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use futures::StreamExt;

use super::attempts::{Attempts, blocking, remove_files};
use super::stage::Limits;
use crate::error::{Error, Result};
use crate::lake::read::read_rows;
use crate::lake::{Commit, FileWriter, Lake, Output, Table, layout};
use crate::schema;

/// Rows of a batch.
const BATCH_ROWS: usize = 65_536;

/// Commits sightings: content hash and instant in microseconds. Returns the table as it is then, if there were any.
///
/// # Errors
/// Storage errors, another writer that is always faster, or a run stopped from outside.
pub async fn record(
    lake: &Lake,
    sightings: &Arc<Vec<(i64, i64)>>,
    modified_ms: i64,
    limits: &Limits,
) -> Result<Option<Table>> {
    if sightings.is_empty() {
        return Ok(None);
    }
    let mut table = lake.open_or_create(layout::SIGHTINGS).await?;
    let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
    let output = Output::of(&table, temporary.path().to_owned());
    let (sightings, target) = (Arc::clone(sightings), output.clone());
    let added = blocking(move || {
        let schema = schema::sightings_schema();
        let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, "sightings");
        for chunk in sightings.chunks(BATCH_ROWS) {
            let content = Int64Array::from_iter_values(chunk.iter().map(|s| s.0));
            let seen = TimestampMicrosecondArray::from_iter_values(chunk.iter().map(|s| s.1)).with_timezone("UTC");
            let columns: Vec<ArrayRef> = vec![Arc::new(content), Arc::new(seen)];
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
        }
        writer.finish()
    })
    .await?;
    let mut attempts = Attempts::new(limits);
    let ended = loop {
        if let Err(error) = attempts.begin() {
            break error;
        }
        // Nothing about a sighting depends on what others committed, so the same files serve again.
        let commit = Commit { added: added.clone(), modified_ms, ..Commit::default() };
        if attempts.commit_kept(&mut table, commit).await?.is_some() {
            return Ok(Some(table));
        }
    };
    remove_files(&output, added).await?;
    Err(ended)
}

/// Finds the latest recorded sighting of each of these states.
///
/// # Errors
/// Storage errors.
pub async fn recorded(lake: &Lake, states: HashSet<i64>) -> Result<HashMap<i64, i64>> {
    let mut found = HashMap::new();
    if states.is_empty() {
        return Ok(found);
    }
    let Some(table) = lake.open(layout::SIGHTINGS).await? else { return Ok(found) };
    for file in table.snapshot()?.files.iter() {
        let mut rows = read_rows(table.store(), file, schema::sightings_schema(), &[]).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let content = batch.column(0).as_primitive::<Int64Type>();
            let seen = batch.column(1).as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                if content.is_valid(row) && seen.is_valid(row) && states.contains(&content.value(row)) {
                    let latest = found.entry(content.value(row)).or_insert(i64::MIN);
                    *latest = seen.value(row).max(*latest);
                }
            }
        }
    }
    Ok(found)
}

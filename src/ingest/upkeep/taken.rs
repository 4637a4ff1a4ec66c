//! Remembers the files that were taken in long ago, in a small table beside the log.
//!
//! A version of sessions names each file that it took in, so that it is known when it comes again, also to a run that takes it in at the same
//! time. The log keeps such names for as long as the lake's property says, 400 days unless told otherwise: every checkpoint has all of them.
//! So an ingest notes now and then the names of the last versions in the table `taken`, as hashes of eight bytes. A file whose name is found in
//! neither is read again, and its sessions are unchanged.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use xxhash_rust::xxh3::xxh3_64;

use super::beside::concatenated;
use super::{TRIES, UpkeepOptions, choice, pick};
use crate::error::{Error, Result};
use crate::ingest::attempts::{Attempts, blocking, remove_files};
use crate::lake::read::read_rows;
use crate::lake::{Commit, FileWriter, Lake, Output, Table, Version, layout};
use crate::schema;

/// What the names of transactions begin with that stand for files.
pub(in crate::ingest) const FILE_PREFIX: &str = "sessionlake:file:";
/// Versions after which their names are noted.
const DUE: Version = 8;
/// Commits that are read for that at most.
const AT_ONCE: Version = 1_000;

/// Hashes a name; 0 stands for none.
fn hashed(name: &str) -> i64 {
    (xxh3_64(name.as_bytes()) as i64) | 1
}

/// Finds the versions that took in the files of these names, of those that are noted.
///
/// # Errors
/// Storage errors.
pub(in crate::ingest) async fn versions(lake: &Lake, names: &[String]) -> Result<HashMap<String, i64>> {
    let mut found = HashMap::new();
    if names.is_empty() {
        return Ok(found);
    }
    let Some(table) = lake.open(layout::TAKEN).await? else { return Ok(found) };
    let by_hash: HashMap<i64, &String> = names.iter().map(|name| (hashed(name), name)).collect();
    visit(&table, |hash, version| {
        if let Some(name) = by_hash.get(&hash) {
            found.insert((*name).clone(), version);
        }
    })
    .await?;
    Ok(found)
}

async fn visit(table: &Table, mut each: impl FnMut(i64, i64)) -> Result<()> {
    for file in table.snapshot()?.files.iter() {
        let mut rows = read_rows(table.store(), file, schema::taken_schema(), &[]).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let (hashes, versions) =
                (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
            for row in (0..batch.num_rows()).filter(|row| hashes.is_valid(*row) && versions.is_valid(*row)) {
                each(hashes.value(row), versions.value(row));
            }
        }
    }
    Ok(())
}

/// Notes the names of files that versions took in since the last time, if these are enough.
///
/// # Errors
/// Storage errors.
pub(super) async fn note(lake: &Lake, sessions: &Table, most: usize, options: &UpkeepOptions) -> Result<()> {
    let newest = sessions.version();
    // Without this the log keeps all names.
    if newest < DUE || sessions.property("delta.setTransactionRetentionDuration")?.is_none() {
        return Ok(());
    }
    let mut through: i64 = -1;
    if let Some(table) = lake.open(layout::TAKEN).await? {
        visit(&table, |_, version| through = version.max(through)).await?;
    }
    let first = Version::try_from(through + 1).unwrap_or_default();
    if newest < first + DUE {
        return Ok(());
    }
    let last = newest.min(first + AT_ONCE);
    let mut rows: Vec<(i64, i64)> = Vec::new();
    for (name, version) in sessions.transactions_between(first, last).await? {
        if name.starts_with(FILE_PREFIX) {
            rows.push((hashed(&name), version as i64));
        }
    }
    // Up to here all is noted, whether or not the last version took in a file.
    rows.push((0, last as i64));
    rows.sort_unstable();
    let mut table = lake.open_or_create(layout::TAKEN).await?;
    let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
    let output = Output::of(&table, temporary.path().to_owned());
    let target = output.clone();
    let added = blocking(move || {
        let schema = schema::taken_schema();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        ];
        let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, "taken");
        writer.write(&RecordBatch::try_new(schema, columns)?)?;
        writer.finish()
    })
    .await?;
    let mut attempts = Attempts::at_most(TRIES, &options.limits);
    let commit = || Commit { added: added.clone(), modified_ms: options.now_us / 1_000, ..Commit::default() };
    let ended = loop {
        if let Err(error) = attempts.begin() {
            break Err(error);
        }
        if attempts.commit_kept(&mut table, commit()).await?.is_some() {
            break Ok(());
        }
    };
    if let Err(error) = ended {
        remove_files(&output, added).await?;
        return Err(error);
    }
    let files = table.rewritable()?;
    let merged = pick(&files, &choice::crowded(&choice::shapes(&files), most, layout::FILE_ROWS as u64));
    if !merged.is_empty() {
        let mut attempts = Attempts::at_most(TRIES, &options.limits);
        concatenated(&mut table, &merged, schema::taken_schema(), "taken", options, &mut attempts).await?;
    }
    Ok(())
}

//! Merges the files of the tables beside the sessions, and forgets sightings that say nothing any more.
//!
//! A sighting says that a stored state was seen later than its row tells. It says nothing once the row was written anew and tells it itself, nor
//! once the state is no longer stored: what took its place ranks higher, and if the state comes again it comes with an instant of its own. Of
//! several sightings of one state the latest counts.
//!
//! Sightings are read before the sessions that they are compared with: a state that is sighted is stored then, or gave way since.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use futures::StreamExt;
use tokio::runtime::Handle;

use super::{TRIES, UpkeepOptions, choice, committed, pick};
use crate::error::{Error, Result};
use crate::ingest::attempts::{Attempts, blocking};
use crate::ingest::stage::Limits;
use crate::lake::ledger::Upkeep;
use crate::lake::read::read_rows;
use crate::lake::{DataFile, FileWriter, Lake, Output, Table, WrittenFile, layout};
use crate::schema::{self, CONTENT_HASH, EXPORTED_AT};

/// Sightings that are held at once, some 70 MB. Of a table with more, the smallest files are merged first.
pub(super) const HELD_SIGHTINGS: u64 = 2 << 20;
/// What the names of files of quarantine begin with.
const QUARANTINED: &str = "quarantine";
/// Rows of a batch.
const BATCH_ROWS: usize = 65_536;

/// Says what [`optimize`] would do.
pub(super) async fn planned(lake: &Lake) -> Result<Vec<Upkeep>> {
    let mut all = Vec::new();
    for name in [layout::SIGHTINGS, layout::QUARANTINE] {
        if let Some(table) = lake.open(name).await? {
            let files = table.rewritable()?;
            let mut upkeep = Upkeep::of(&table, &files);
            let merged = pick(&files, &small(&files));
            upkeep.rewrite(&merged);
            let after = choice::files_of(upkeep.rewritten_rows);
            upkeep.files_after = (upkeep.files_after + after).saturating_sub(merged.len() as u64);
            all.push(upkeep);
        }
    }
    Ok(all)
}

/// Merges all small files, and forgets what the stored rows say themselves.
pub(super) async fn optimize(lake: &Lake, sessions: &Table, options: &UpkeepOptions) -> Result<Vec<Upkeep>> {
    let mut all = Vec::new();
    if let Some(table) = lake.open(layout::SIGHTINGS).await? {
        all.push(sightings(table, sessions.clone(), options).await?);
    }
    if let Some(mut table) = lake.open(layout::QUARANTINE).await? {
        let mut upkeep = Upkeep::of(&table, &table.snapshot()?.files);
        let mut attempts = Attempts::new(&options.limits);
        loop {
            let files = table.rewritable()?;
            let merged = pick(&files, &small(&files));
            if merged.is_empty() {
                break;
            }
            if let Some(version) =
                concatenated(&mut table, &merged, schema::quarantine_schema(), QUARANTINED, options, &mut attempts)
                    .await?
            {
                upkeep.version = Some(version);
                upkeep.rewrite(&merged);
                attempts = Attempts::new(&options.limits);
            }
        }
        upkeep.end(&table)?;
        all.push(upkeep);
    }
    Ok(all)
}

/// Merges some small files of the tables that an ingest wrote to; `new` are files of sessions that were just written anew with what sightings
/// say.
pub(super) async fn after_ingest(
    sightings: Option<Table>,
    quarantine: Option<Table>,
    sessions: &Table,
    new: Vec<DataFile>,
    bounds: (usize, u64),
    options: &UpkeepOptions,
) -> Result<Vec<Upkeep>> {
    let mut all = Vec::new();
    let (most, max_rows) = bounds;
    if let Some(mut table) = sightings {
        let files = table.rewritable()?;
        let chosen = match new.is_empty() {
            true => choice::crowded(&choice::shapes(&files), most, HELD_SIGHTINGS),
            false => held(&files),
        };
        let merged = pick(&files, &chosen);
        if !merged.is_empty() {
            let latest = latest_of(&table, &merged, &options.limits).await?;
            let told = compared(sessions, &new, &latest, &options.limits).await?.told;
            let kept = latest.into_iter().filter(|(content, _)| !told.contains(content)).collect();
            let mut attempts = Attempts::at_most(TRIES, &options.limits);
            let mut upkeep = Upkeep::of(&table, &table.snapshot()?.files);
            let is_less = merged.len() > 1 || !told.is_empty();
            if is_less && let Some(version) = replaced(&mut table, &merged, kept, options, &mut attempts).await? {
                upkeep.version = Some(version);
                upkeep.rewrite(&merged);
                upkeep.end(&table)?;
                all.push(upkeep);
            }
        }
    }
    if let Some(mut table) = quarantine {
        let files = table.rewritable()?;
        let merged = pick(&files, &choice::crowded(&choice::shapes(&files), most, max_rows));
        let mut attempts = Attempts::at_most(TRIES, &options.limits);
        let mut upkeep = Upkeep::of(&table, &table.snapshot()?.files);
        if !merged.is_empty()
            && let Some(version) =
                concatenated(&mut table, &merged, schema::quarantine_schema(), QUARANTINED, options, &mut attempts)
                    .await?
        {
            upkeep.version = Some(version);
            upkeep.rewrite(&merged);
            upkeep.end(&table)?;
            all.push(upkeep);
        }
    }
    Ok(all)
}

/// Returns the small files that are merged next, if there are several.
fn small(files: &[DataFile]) -> Vec<usize> {
    let shapes = choice::shapes(files);
    let mut rows = 0;
    let small = shapes.iter().filter(|shape| shape.rows < choice::ENOUGH_ROWS).take_while(|shape| {
        rows += shape.rows;
        rows <= choice::ENOUGH_ROWS + layout::FILE_ROWS as u64
    });
    let small: Vec<usize> = small.map(|shape| shape.index).collect();
    if small.len() > 1 { small } else { Vec::new() }
}

/// Returns the files whose sightings can be held at once, smallest first.
fn held(files: &[DataFile]) -> Vec<usize> {
    let mut shapes = choice::shapes(files);
    shapes.sort_by_key(|shape| shape.rows);
    let mut rows = 0;
    let held = shapes.iter().take_while(|shape| {
        rows += shape.rows;
        rows <= HELD_SIGHTINGS
    });
    held.map(|shape| shape.index).collect()
}

/// Returns the latest sighting of each state, as far as they can be held.
///
/// # Errors
/// Storage errors.
pub(super) async fn latest_sightings(lake: &Lake, limits: &Limits) -> Result<HashMap<i64, i64>> {
    let Some(table) = lake.open(layout::SIGHTINGS).await? else { return Ok(HashMap::new()) };
    let files = table.snapshot()?.files;
    latest_of(&table, &pick(&files, &held(&files)), limits).await
}

pub(super) async fn latest_of(table: &Table, files: &[DataFile], limits: &Limits) -> Result<HashMap<i64, i64>> {
    let mut latest: HashMap<i64, i64> = HashMap::new();
    for file in files {
        let mut rows = read_rows(table.store(), file, schema::sightings_schema(), &[]).await?;
        while let Some(batch) = rows.next().await {
            limits.check()?;
            for (content, seen) in pairs(&batch?) {
                let known = latest.entry(content).or_insert(seen);
                *known = seen.max(*known);
            }
        }
    }
    Ok(latest)
}

/// Returns the hashes and the instants of a batch of two such columns; rows without one of them say nothing.
fn pairs(batch: &RecordBatch) -> Vec<(i64, i64)> {
    let content = batch.column(0).as_primitive::<Int64Type>();
    let instants = batch.column(1).as_primitive::<TimestampMicrosecondType>();
    let is_whole = |row: &usize| content.is_valid(*row) && instants.is_valid(*row);
    (0..batch.num_rows()).filter(is_whole).map(|row| (content.value(row), instants.value(row))).collect()
}

/// How sightings compare with stored rows.
#[derive(Default)]
pub(super) struct Compared {
    /// States whose rows were seen before.
    pub(super) news: HashSet<i64>,
    /// States whose rows say as much themselves.
    told: HashSet<i64>,
}

pub(super) async fn compared(
    sessions: &Table,
    files: &[DataFile],
    latest: &HashMap<i64, i64>,
    limits: &Limits,
) -> Result<Compared> {
    let stored = schema::stored_schema();
    let fields = [CONTENT_HASH, EXPORTED_AT].map(|name| stored.index_of(name));
    let wanted: SchemaRef = Arc::new(stored.project(&fields.into_iter().collect::<Result<Vec<_>, _>>()?)?);
    let mut compared = Compared::default();
    for file in files {
        let mut rows = read_rows(sessions.store(), file, Arc::clone(&wanted), &[]).await?;
        while let Some(batch) = rows.next().await {
            limits.check()?;
            let batch = in_order(&batch?)?;
            for (content, exported) in pairs(&batch) {
                if let Some(seen) = latest.get(&content) {
                    let set = if exported < *seen { &mut compared.news } else { &mut compared.told };
                    set.insert(content);
                }
            }
        }
    }
    Ok(compared)
}

/// Puts the hash before the instant.
fn in_order(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    Ok(batch.project(&[schema.index_of(CONTENT_HASH)?, schema.index_of(EXPORTED_AT)?])?)
}

/// Keeps of the sightings those that say more than the stored rows.
async fn sightings(mut table: Table, mut sessions: Table, options: &UpkeepOptions) -> Result<Upkeep> {
    let mut upkeep = Upkeep::of(&table, &table.snapshot()?.files);
    let mut attempts = Attempts::new(&options.limits);
    loop {
        let files = table.rewritable()?;
        let merged = pick(&files, &held(&files));
        if merged.is_empty() {
            break;
        }
        let latest = latest_of(&table, &merged, &options.limits).await?;
        sessions.refresh().await?;
        let news = compared(&sessions, &sessions.snapshot()?.files, &latest, &options.limits).await?.news;
        let kept: Vec<(i64, i64)> = latest.into_iter().filter(|(content, _)| news.contains(content)).collect();
        let rows = merged.iter().filter_map(|file| file.rows).sum::<u64>();
        let is_small = |file: &&DataFile| file.rows.is_none_or(|rows| rows < choice::ENOUGH_ROWS);
        if kept.len() as u64 == rows && merged.iter().filter(is_small).count() < 2 {
            break;
        }
        if let Some(version) = replaced(&mut table, &merged, kept, options, &mut attempts).await? {
            upkeep.version = Some(version);
            upkeep.rewrite(&merged);
            break;
        }
    }
    upkeep.end(&table)?;
    Ok(upkeep)
}

/// Commits sightings in the place of those of some files.
async fn replaced(
    table: &mut Table,
    files: &[DataFile],
    mut sightings: Vec<(i64, i64)>,
    options: &UpkeepOptions,
    attempts: &mut Attempts<'_>,
) -> Result<Option<u64>> {
    attempts.begin()?;
    sightings.sort_unstable();
    let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
    let output = Output::of(table, temporary.path().to_owned());
    let target = output.clone();
    let added: Vec<WrittenFile> = blocking(move || {
        let schema = schema::sightings_schema();
        let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, "sightings");
        for chunk in sightings.chunks(BATCH_ROWS) {
            let content: ArrayRef = Arc::new(Int64Array::from_iter_values(chunk.iter().map(|s| s.0)));
            let seen = TimestampMicrosecondArray::from_iter_values(chunk.iter().map(|s| s.1)).with_timezone("UTC");
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![content, Arc::new(seen)])?)?;
        }
        writer.finish()
    })
    .await?;
    // Fewer rows may say the same, but they are not the same rows.
    committed(table, files, added, &output, false, options, attempts).await
}

/// Commits the rows of some files of a table in one file, or as few as there may be.
pub(super) async fn concatenated(
    table: &mut Table,
    files: &[DataFile],
    schema: SchemaRef,
    prefix: &'static str,
    options: &UpkeepOptions,
    attempts: &mut Attempts<'_>,
) -> Result<Option<u64>> {
    attempts.begin()?;
    let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
    let output = Output::of(table, temporary.path().to_owned());
    let (target, store, limits, runtime) = (output.clone(), table.store(), options.limits.clone(), Handle::current());
    let read = files.to_vec();
    let added = blocking(move || {
        let mut writer = FileWriter::new(Arc::clone(&schema), target, NonZeroUsize::MIN, prefix);
        for file in &read {
            let mut rows = runtime.block_on(read_rows(Arc::clone(&store), file, Arc::clone(&schema), &[]))?;
            while let Some(batch) = runtime.block_on(rows.next()) {
                limits.check()?;
                writer.write(&batch?)?;
            }
        }
        writer.finish()
    })
    .await?;
    committed(table, files, added, &output, true, options, attempts).await
}

//! `sessionlake describe --lake`: what a person needs to know to trust a lake, and whether it should be tended.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sessionlake::engine::{At, Engine};
use sessionlake::lake::{Lake, Upkeep, properties::PROPERTIES};
use sessionlake::{Error, Result, custody, ingest};

use super::exit;
use super::printer::{counted, listing};
use super::shared::{Settings, size};

/// What is counted of the files of sessions.
const FILES: &str = "\
select coalesce(sum(rows), 0) as sessions, coalesce(sum(running), 0) as running, count(*) as files, coalesce(sum(bytes), 0) as bytes,
       cast(coalesce(median(rows), 0) as bigint) as median_rows, coalesce(max(overlap) + 1, 0) as overlap,
       coalesce(round(100.0 * sum(case when leaf_columns > 0 then rows else 0 end) / nullif(sum(rows), 0), 1), 0) as with_leaves,
       coalesce(round(100.0 * sum(case when tells_ids then rows else 0 end) / nullif(sum(rows), 0), 1), 0) as with_ids,
       coalesce(sum(case when not is_ours then 1 else 0 end), 0) as of_others,
       min(first_started_at) as first_started_at, max(last_started_at) as last_started_at
from lake_files";
/// What is counted beside them.
const BESIDE: &str = "\
select (select count(*) from quarantine) as quarantined,
       (select count(*) from lake_history) as versions,
       (select max(version) from lake_history) as version,
       (select max(committed_at) from lake_history) as committed_at";
/// The last upkeep.
const UPKEEP: &str = "\
select version, committed_at, upkeep ->> 'files_before' as before, upkeep ->> 'files_after' as after, upkeep ->> 'rows' as rows
from lake_history where upkeep is not null order by version desc limit 1";

/// Reads the values of the first row of an answer, as texts.
async fn first_row(engine: &Engine, sql: &str) -> Result<Option<Vec<String>>> {
    let batches: Vec<RecordBatch> = engine.context().sql(sql).await?.collect().await?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    let format = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%SZ"));
    let value = |column| -> Result<String> {
        Ok(ArrayFormatter::try_new(column, &format).map_err(Error::internal)?.value(0).to_string())
    };
    batch.columns().iter().map(|column| value(column.as_ref())).collect::<Result<Vec<_>>>().map(Some)
}

/// Describes a lake, a fact a row.
///
/// # Errors
/// No lake there; storage errors.
pub async fn described(settings: &Settings, lake: &Lake) -> Result<RecordBatch> {
    let engine = settings.open(At::Newest).await?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut tell = |fact: &str, value: String| rows.push(vec![fact.to_owned(), value]);
    let beside = first_row(&engine, BESIDE).await?.unwrap_or_default();
    let files = first_row(&engine, FILES).await?.unwrap_or_default();
    let [sessions, running, count, bytes, median, overlap, leaves, ids, others, first, last] = &files[..] else {
        return Err(Error::internal("files that are not described"));
    };
    let [quarantined, versions, version, committed_at] = &beside[..] else {
        return Err(Error::internal("a history that is not described"));
    };
    tell("lake", lake.uri());
    tell("version", format!("{version}, of {committed_at}; {versions} versions in the log"));
    tell("sessions", format!("{sessions}, {running} of them running"));
    if sessions != "0" {
        tell("started", format!("{first} to {last}"));
    }
    let size_of = |bytes: &str| size(bytes.parse().unwrap_or_default());
    tell("data files", format!("{count} of {}, half of them with {median} sessions or fewer", size_of(bytes)));
    tell("overlap", format!("{overlap} files at most have sessions of one instant"));
    tell("JSON columns", format!("{leaves} % of the sessions are in files with columns for JSON paths"));
    tell("session ids", format!("{ids} % of the sessions are in files that tell their ids"));
    if others != "0" {
        tell("other programs", format!("{others} data files were written by other programs"));
    }
    tell("quarantine", format!("{quarantined} records"));
    let upkeep = match first_row(&engine, UPKEEP).await?.as_deref() {
        Some([version, at, before, after, rows]) => {
            format!("version {version}, {at}: {before} files with {rows} sessions became {after}")
        }
        _ => "none in the log".to_owned(),
    };
    tell("last upkeep", upkeep);
    tell("optimize would", gain(&exit::or_signal(ingest::planned(lake)).await?));
    let held = custody::properties(lake).await?;
    for property in PROPERTIES {
        let value = held.iter().find(|(name, _)| *name == property.name).and_then(|(_, value)| value.clone());
        tell(property.name, value.unwrap_or_else(|| format!("not set: {}", property.unless_set)));
    }
    listing(&["fact", "value"], rows)
}

/// Says what optimize would do to the sessions.
fn gain(planned: &[Upkeep]) -> String {
    match planned.first() {
        Some(upkeep) if upkeep.rewritten_files > 0 => format!(
            "write {} of {} anew: {} become {}",
            counted(upkeep.rewritten_files, "file", "files"),
            size(upkeep.rewritten_bytes),
            upkeep.files_before,
            upkeep.files_after
        ),
        _ => "do nothing: all files are as they should be".to_owned(),
    }
}

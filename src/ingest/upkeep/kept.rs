//! Keeps what sightings said of rows that a restore brings back.
//!
//! Upkeep writes what sightings say into the rows, and forgets them. A restore to a version from before has rows again that do not say it. The files
//! with the sightings are still there, for as long as those of the sessions: what they say of rows that come back is recorded anew.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::beside::{HELD_SIGHTINGS, compared, latest_of};
use crate::error::Result;
use crate::ingest::sightings::record;
use crate::ingest::stage::Limits;
use crate::lake::{DataFile, Lake, Table, layout};

/// How far the clocks of two machines may be apart that wrote the versions of two tables.
const CLOCKS_APART: TimeDelta = TimeDelta::hours(1);
/// A sighting takes no fewer bytes.
const LEAST_BYTES: u64 = 4;

/// Records anew what sightings of a version and later ones said of rows that come back, if the rows do not say it, and no sighting of now.
///
/// `back` are the files with the rows, of `sessions`, which is loaded at the version that comes back; it was committed at `since`.
///
/// # Errors
/// Storage errors; another writer that is always faster; a run that was stopped from outside.
pub(crate) async fn keep_sightings(
    lake: &Lake,
    sessions: &Table,
    back: &[DataFile],
    since: DateTime<Utc>,
    modified_ms: i64,
    limits: &Limits,
) -> Result<()> {
    let Some(table) = lake.open(layout::SIGHTINGS).await?.filter(|_| !back.is_empty()) else { return Ok(()) };
    let gone = table.files_gone_since(since - CLOCKS_APART).await?;
    let mut rest = gone.as_slice();
    while !rest.is_empty() {
        let mut held = 0;
        let fits = |file: &&DataFile| {
            held += file.rows.unwrap_or(file.size_bytes / LEAST_BYTES);
            held <= HELD_SIGHTINGS
        };
        let (files, others) = rest.split_at(rest.iter().take_while(fits).count().max(1));
        rest = others;
        let mut latest = latest_of(&table, files, limits).await?;
        let news = compared(sessions, back, &latest, limits).await?.news;
        latest.retain(|content, _| news.contains(content));
        let known = crate::ingest::sightings::recorded(lake, news).await?;
        latest.retain(|content, seen| known.get(content).is_none_or(|known| known < seen));
        let mut lost: Vec<(i64, i64)> = latest.into_iter().collect();
        lost.sort_unstable();
        record(lake, &Arc::new(lost), modified_ms, limits).await?;
    }
    Ok(())
}

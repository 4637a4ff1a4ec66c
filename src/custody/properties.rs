//! What a lake says of how it is kept: setting that, and erasing what it keeps no longer.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Schema, TimestampMicrosecondType};
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::common::ScalarValue;
use futures::StreamExt;

use super::erase::{EraseOptions, EraseReceipt, Selection, erase};
use crate::engine::EngineOptions;
use crate::error::{Error, Result};
use crate::ingest::{Attempts, Limits};
use crate::lake::properties::PROPERTIES;
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, Lake, Version, layout};
use crate::schema;

/// How long sessions stay at most after their time: a file of the oldest sessions is written anew once for each such time.
fn slack() -> TimeDelta {
    TimeDelta::days(1)
}

/// Sets properties of a lake, or takes them away; returns the version that has them, `None` where nothing changes.
///
/// # Errors
/// No lake there; storage errors; another writer that is always faster.
pub async fn set_properties(
    lake: &Lake,
    changes: &[(String, Option<String>)],
    now: DateTime<Utc>,
    limits: &Limits,
) -> Result<Option<Version>> {
    let Some(mut table) = lake.open(layout::SESSIONS).await? else {
        return Err(Error::NotFound {
            message: format!("there is no lake at {:?}", lake.name),
            hint: Some("sessionlake ingest makes one".to_owned()),
        });
    };
    let mut attempts = Attempts::new(limits);
    loop {
        attempts.begin()?;
        let mut left = Vec::new();
        for (name, value) in changes {
            if table.property(name)? != *value {
                left.push((name.clone(), value.clone()));
            }
        }
        if left.is_empty() {
            return Ok(None);
        }
        let commit = Commit { properties: left, modified_ms: now.timestamp_millis(), ..Commit::default() };
        if let Some(version) = attempts.commit_kept(&mut table, commit).await? {
            return Ok(Some(version));
        }
    }
}

/// Lists the properties that a lake may have, each with the value that it has.
///
/// # Errors
/// No lake there; storage errors.
pub async fn properties(lake: &Lake) -> Result<Vec<(&'static str, Option<String>)>> {
    let Some(table) = lake.open(layout::SESSIONS).await? else {
        return Err(Error::NotFound { message: format!("there is no lake at {:?}", lake.name), hint: None });
    };
    PROPERTIES.iter().map(|property| Ok((property.name, table.property(property.name)?))).collect()
}

/// Erases the sessions that the lake keeps no longer, or counts them, if it says how long it keeps them, and if some are older than that by a day.
///
/// No fingerprints are kept of them: an export that still has them brings them back until the next time.
///
/// # Errors
/// As [`erase`].
pub async fn retain(
    lake: &Lake,
    erases: bool,
    leaf_budget: usize,
    now: DateTime<Utc>,
    engine: &EngineOptions,
    limits: &Limits,
) -> Result<Option<EraseReceipt>> {
    let Some(table) = lake.open(layout::SESSIONS).await? else { return Ok(None) };
    let Some(before) = table.retention()?.and_then(|retention| now.checked_sub_signed(retention)) else {
        return Ok(None);
    };
    let due = before.checked_sub_signed(slack()).unwrap_or(before);
    if !table.snapshot()?.files.iter().any(|file| may_be_older(file, due)) && !has_older_records(lake, due).await? {
        return Ok(None);
    }
    let options = EraseOptions {
        selection: Selection { before: Some(before), ..Selection::default() },
        erases,
        purge: false,
        remembers: false,
        leaf_budget,
        now,
        engine: engine.clone(),
    };
    let receipt = erase(lake, &options, limits).await?;
    Ok((receipt.sessions + receipt.quarantined > 0).then_some(receipt))
}

/// Says whether a record of the quarantine was exported before an instant, of which the log says nothing.
async fn has_older_records(lake: &Lake, instant: DateTime<Utc>) -> Result<bool> {
    let Some(table) = lake.open(layout::QUARANTINE).await? else { return Ok(false) };
    let column = schema::quarantine_schema().field_with_name("exported_at")?.clone();
    let columns = Arc::new(Schema::new(vec![column]));
    for file in table.snapshot()?.files.iter() {
        let mut batches = read_rows(table.store(), file, Arc::clone(&columns), &[]).await?;
        while let Some(batch) = batches.next().await.transpose()? {
            let exported = batch.column(0).as_primitive::<TimestampMicrosecondType>();
            if exported.iter().flatten().any(|us| us < instant.timestamp_micros()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Says whether a session of a file may have started before an instant.
fn may_be_older(file: &DataFile, instant: DateTime<Utc>) -> bool {
    let least = file.columns.get("started_at").and_then(|column| column.lower_bound());
    match least {
        Some(ScalarValue::TimestampMicrosecond(Some(us), _)) => us < instant.timestamp_micros(),
        _ => file.rows != Some(0),
    }
}

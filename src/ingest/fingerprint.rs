//! Hashes of sessions, and the columns that keys are made of.

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use xxhash_rust::xxh3::xxh3_64;

use super::keys::{Key, RowPlace, sortable_seconds};
use crate::error::{Error, Result};
use crate::lake::ids;
use crate::schema::EXPORTED_AT;

/// Hashes a session id; at 128 bits two ids of one lake do not collide.
pub fn session_hash(session_id: &str) -> u128 {
    ids::session_hash(session_id)
}

/// Returns a column of a batch by its name.
///
/// # Errors
/// A batch that lacks it.
pub(super) fn named<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")))
}

/// The columns that keys are made of.
pub struct KeyColumns<'a> {
    session_id: &'a StringViewArray,
    workflow_id: &'a StringViewArray,
    started_at: &'a TimestampMicrosecondArray,
    ended_at: &'a TimestampMicrosecondArray,
    exported_at: &'a TimestampMicrosecondArray,
    time_in_workflow: &'a Float64Array,
    content: &'a Int64Array,
}

impl<'a> KeyColumns<'a> {
    /// Finds the columns in a batch; the content hashes may be a column of it or computed apart.
    ///
    /// # Errors
    /// A batch that lacks a column.
    pub fn of(batch: &'a RecordBatch, content: &'a Int64Array) -> Result<Self> {
        Ok(Self {
            session_id: named(batch, "session_id")?.as_string_view(),
            workflow_id: named(batch, "workflow_id")?.as_string_view(),
            started_at: named(batch, "started_at")?.as_primitive(),
            ended_at: named(batch, "ended_at")?.as_primitive(),
            exported_at: named(batch, EXPORTED_AT)?.as_primitive(),
            time_in_workflow: named(batch, "time_in_workflow")?.as_primitive(),
            content,
        })
    }

    /// Hashes the session id of a row.
    pub fn session(&self, row: usize) -> u128 {
        session_hash(self.session_id.value(row))
    }

    /// Returns the key of a row.
    pub fn key(&self, row: usize, place: RowPlace) -> Key {
        Key {
            session: self.session(row),
            content: self.content.value(row),
            // A row of a foreign writer may lack it: such a row was never seen by us and gives way.
            seen_us: if self.exported_at.is_null(row) { i64::MIN } else { self.exported_at.value(row) },
            time_in_workflow: sortable_seconds(
                self.time_in_workflow.is_valid(row).then(|| self.time_in_workflow.value(row)),
            ),
            started_s: if self.started_at.is_valid(row) {
                self.started_at.value(row).div_euclid(1_000_000) as u32
            } else {
                0
            },
            // The hash of a workflow must not be that of none.
            workflow: match self.workflow_id.is_valid(row) {
                true => (xxh3_64(self.workflow_id.value(row).as_bytes()) as u16).max(1),
                false => 0,
            },
            ended: self.ended_at.is_valid(row),
            place,
        }
    }
}

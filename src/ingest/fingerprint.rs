//! Hashes of sessions and of the content of rows.

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::keys::{Key, RowPlace, sortable_seconds};
use crate::error::{Error, Result};
use crate::lake::ids;
use crate::schema::{COLUMNS, EXPORTED_AT, EXTRA};

/// Hashes a session id; at 128 bits two ids of one lake do not collide.
pub fn session_hash(session_id: &str) -> u128 {
    ids::session_hash(session_id)
}

/// Folds a column's hash into the row's. The multiplier is the golden ratio's 64-bit fraction, odd and well mixed.
fn fold(row: &mut u64, column: u64) {
    *row = (row.rotate_left(23) ^ column).wrapping_mul(0x9E37_79B9_7F4A_7C15);
}

/// The hash of a missing value.
const NULL_HASH: u64 = 0x6E75_6C6C;

/// Hashes the content of every row: the documented columns and `_extra`, but not where or when the row came from.
///
/// # Errors
/// A batch that lacks a column.
pub fn content_hashes(batch: &RecordBatch) -> Result<Int64Array> {
    let mut hashes = vec![0_u64; batch.num_rows()];
    for (seed, name) in COLUMNS.iter().map(|c| c.name).chain([EXTRA]).enumerate() {
        let column = named(batch, name)?;
        let seed = seed as u64;
        match column.data_type() {
            DataType::Utf8View => {
                let values = column.as_string_view();
                for (row, hash) in hashes.iter_mut().enumerate() {
                    let value = values.is_valid(row).then(|| values.value(row).as_bytes());
                    fold(hash, value.map_or(NULL_HASH, |bytes| xxh3_64_with_seed(bytes, seed)));
                }
            }
            DataType::Timestamp(..) => {
                let values = column.as_primitive::<TimestampMicrosecondType>();
                for (row, hash) in hashes.iter_mut().enumerate() {
                    fold(hash, if values.is_null(row) { NULL_HASH } else { mixed(values.value(row) as u64, seed) });
                }
            }
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>();
                for (row, hash) in hashes.iter_mut().enumerate() {
                    // Adding zero makes -0 and 0 one value.
                    let bits = (values.value(row) + 0.0).to_bits();
                    fold(hash, if values.is_null(row) { NULL_HASH } else { mixed(bits, seed) });
                }
            }
            other => return Err(Error::internal(format!("column {name} has type {other}"))),
        }
    }
    Ok(hashes.into_iter().map(|hash| mixed(hash, 0) as i64).collect::<Vec<_>>().into())
}

fn mixed(value: u64, seed: u64) -> u64 {
    xxh3_64_with_seed(&value.to_le_bytes(), seed)
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

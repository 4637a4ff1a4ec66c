//! Hashes of the content of rows, by which an ingest tells an unchanged row from a changed one.
//!
//! Other programs leave the hash out of rows of theirs, or leave that of before in rows that they change. Whoever asks what rows hold computes
//! it; what an export says is compared with the hash that is stored.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::{Error, Result};
use crate::schema::{COLUMNS, CONTENT_HASH, EXTRA};

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
        let column = batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")))?;
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

/// Gives rows a content hash that have none, as rows of other programs have not.
///
/// # Errors
/// A batch that lacks a column.
pub fn with_content_hashes(batch: RecordBatch) -> Result<RecordBatch> {
    let place = batch.schema().index_of(CONTENT_HASH)?;
    let stored = batch.column(place).as_primitive::<Int64Type>();
    if stored.null_count() == 0 {
        return Ok(batch);
    }
    let computed = content_hashes(&batch)?;
    let hashes = stored.iter().zip(computed.values()).map(|(stored, computed)| stored.or(Some(*computed))).collect();
    with_hashes(&batch, place, hashes)
}

/// Gives all rows the content hash that is that of their columns.
///
/// # Errors
/// A batch that lacks a column.
pub fn with_new_content_hashes(batch: &RecordBatch) -> Result<RecordBatch> {
    with_hashes(batch, batch.schema().index_of(CONTENT_HASH)?, content_hashes(batch)?)
}

fn with_hashes(batch: &RecordBatch, place: usize, hashes: Int64Array) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    if let Some(column) = columns.get_mut(place) {
        *column = Arc::new(hashes) as ArrayRef;
    }
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

//! A hash join as this operator takes it: its keys, bounds, filter and columns, worked out once for all partitions.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::{JoinSide, JoinType, NullEquality, Result, exec_err, internal_datafusion_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};

use super::bounds::Bounds;

/// The seed of hashes. It is not the one by which rows are partitioned: the hashes of a partition are alike in their low bits, by which the
/// table finds its slots.
const SEED: u64 = 0x1A7E;

/// A join in the terms of the operator.
#[derive(Debug)]
pub(super) struct Terms {
    /// The schema of what comes out.
    pub(super) schema: SchemaRef,
    pub(super) left_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) right_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) bounds: Bounds,
    pub(super) filter: JoinFilter,
    /// The columns of the build side that are kept.
    pub(super) left_columns: Vec<usize>,
    /// The columns of the filter: those of the build side by their places among the kept ones, those of the probe side by their own.
    pub(super) filter_columns: Vec<ColumnIndex>,
    /// The columns that come out, likewise.
    pub(super) output_columns: Vec<ColumnIndex>,
    /// Bits of hashes that are looked at: all, but for tests of rows whose hashes are equal and keys are not.
    pub(super) hash_mask: u64,
}

impl Terms {
    /// Takes a hash join apart; `None` where it is none that the operator can take the place of.
    ///
    /// # Errors
    /// Expressions that do not fit their input.
    pub(super) fn of(join: &HashJoinExec) -> Result<Option<Self>> {
        let Some(filter) = join.filter() else { return Ok(None) };
        let is_known = *join.join_type() == JoinType::Inner
            && join.null_equality() == NullEquality::NullEqualsNothing
            && !join.null_aware
            && join.fetch().is_none()
            && *join.partition_mode() != PartitionMode::Auto
            && !is_volatile(filter.expression());
        let (left, right) = (join.left().schema(), join.right().schema());
        if !is_known || !are_known_keys(join, &left, &right)? {
            return Ok(None);
        }
        let Some(bounds) = Bounds::of(filter, &left, &right)? else { return Ok(None) };
        let width = left.fields().len();
        let joined = |index: usize| match index.checked_sub(width) {
            None => ColumnIndex { index, side: JoinSide::Left },
            Some(index) => ColumnIndex { index, side: JoinSide::Right },
        };
        let output: Vec<_> = match &join.projection {
            Some(projection) => projection.iter().map(|index| joined(*index)).collect(),
            None => (0..width + right.fields().len()).map(joined).collect(),
        };
        if output.iter().chain(filter.column_indices()).any(|column| column.side == JoinSide::None) {
            return Ok(None);
        }
        let mut left_columns = Vec::new();
        let mut kept = |column: &ColumnIndex| {
            if column.side == JoinSide::Right {
                return column.clone();
            }
            let index = left_columns.iter().position(|kept| *kept == column.index).unwrap_or_else(|| {
                left_columns.push(column.index);
                left_columns.len() - 1
            });
            ColumnIndex { index, side: JoinSide::Left }
        };
        let output_columns = output.iter().map(&mut kept).collect();
        let filter_columns = filter.column_indices().iter().map(&mut kept).collect();
        let (left_keys, right_keys) = join.on().iter().cloned().unzip();
        Ok(Some(Self {
            schema: join.schema(),
            left_keys,
            right_keys,
            bounds,
            filter: filter.clone(),
            left_columns,
            filter_columns,
            output_columns,
            hash_mask: u64::MAX,
        }))
    }

    /// Computes the hashes of rows by their keys.
    ///
    /// # Errors
    /// Keys of types that are not hashed.
    pub(super) fn hash(&self, keys: &[ArrayRef], rows: usize, hashes: &mut Vec<u64>) -> Result<()> {
        hash_keys(keys, rows, self.hash_mask, hashes)
    }

    /// Evaluates the filter on rows that are given as its columns; nulls say no.
    ///
    /// # Errors
    /// Filters that fail.
    pub(super) fn filter(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<BooleanArray> {
        let batch = batch(self.filter.schema(), columns, rows)?;
        let passed = self.filter.expression().evaluate(&batch)?.into_array(rows)?;
        let Some(passed) = passed.as_any().downcast_ref::<BooleanArray>() else {
            return exec_err!("a join's filter gives {} in place of a truth", passed.data_type());
        };
        Ok(passed.clone())
    }
}

/// Computes the hashes of rows by their keys, of which the given bits count.
///
/// # Errors
/// Keys of types that are not hashed.
pub(super) fn hash_keys(keys: &[ArrayRef], rows: usize, mask: u64, hashes: &mut Vec<u64>) -> Result<()> {
    hashes.clear();
    hashes.resize(rows, 0);
    create_hashes(keys, &RandomState::with_seed(SEED), hashes)?;
    hashes.iter_mut().for_each(|hash| *hash &= mask);
    Ok(())
}

/// Evaluates keys, and finds the rows in which one is null.
///
/// # Errors
/// Expressions that fail.
pub(super) fn keys_of(
    keys: &[Arc<dyn PhysicalExpr>],
    batch: &RecordBatch,
) -> Result<(Vec<ArrayRef>, Option<NullBuffer>)> {
    let keys = keys.iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows()));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let nulls: Vec<_> = keys.iter().map(|key| key.logical_nulls()).collect();
    let nulls = NullBuffer::union_many(nulls.iter().map(Option::as_ref)).filter(|nulls| nulls.null_count() > 0);
    Ok((keys, nulls))
}

/// Makes a batch of columns, of which there may be none.
///
/// # Errors
/// Columns that do not fit the schema.
pub(super) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Returns a column of a batch.
///
/// # Errors
/// Columns that are not there.
pub(super) fn column(columns: &[ArrayRef], index: usize) -> Result<&ArrayRef> {
    columns.get(index).ok_or_else(|| internal_datafusion_err!("column {index} of a join is not there"))
}

/// Says whether all keys are of types that are hashed and compared, those of a pair of one type.
fn are_known_keys(join: &HashJoinExec, left: &Schema, right: &Schema) -> Result<bool> {
    for (one, other) in join.on() {
        let data_type = one.data_type(left)?;
        if data_type != other.data_type(right)? || !is_known(&data_type) {
            return Ok(false);
        }
    }
    Ok(!join.on().is_empty())
}

fn is_known(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Boolean | Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => true,
        // Zero equals negative zero in a join, and in no kernel.
        Float16 | Float32 | Float64 | Interval(_) => false,
        _ => data_type.is_primitive(),
    }
}

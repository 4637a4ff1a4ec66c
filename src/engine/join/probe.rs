//! The probe side: each of its rows finds the build rows that it meets.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use datafusion::arrow::buffer::{NullBuffer, ScalarBuffer};
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::compute::{BatchCoalescer, and, filter, prep_null_mask_filter, take};
use datafusion::arrow::datatypes::{SchemaRef, UInt32Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{JoinSide, Result};
use datafusion::physical_plan::joins::utils::ColumnIndex;

use super::bounds::Ordered;
use super::build::Build;
use super::terms::{Terms, batch as batch_of, column, keys_of};

/// A probe row, and the range of places in the sorted build side whose rows it may meet.
#[derive(Debug, Clone, Copy)]
struct Range {
    row: u32,
    from: u32,
    to: u32,
}

/// A probe batch of which not all pairs are made.
#[derive(Debug)]
struct Current {
    batch: RecordBatch,
    keys: Vec<ArrayRef>,
    /// The probe rows that may meet build rows, each with its range.
    ranges: Vec<Range>,
    /// The first range of which not all pairs are made. The places of its pairs that were made are cut off its front.
    next: usize,
    /// Whether the ranges are all that the filter checks, so that it need not be evaluated.
    is_exact: bool,
}

/// Joins a partition of the probe side with the build side, a batch of pairs at a time.
pub(super) struct Probe {
    terms: Arc<Terms>,
    build: Arc<Build>,
    batch_size: usize,
    hashes: Vec<u64>,
    current: Option<Current>,
    output: BatchCoalescer,
}

impl Probe {
    pub(super) fn new(terms: Arc<Terms>, build: Arc<Build>, batch_size: usize) -> Self {
        let batch_size = batch_size.max(1);
        let output = BatchCoalescer::new(Arc::clone(&terms.schema), batch_size);
        let output = output.with_biggest_coalesce_batch_size(Some(batch_size / 2));
        Self { terms, build, batch_size, hashes: Vec::new(), current: None, output }
    }

    /// The schema of what comes out.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.terms.schema)
    }

    /// Says whether all pairs of the rows that came are made.
    pub(super) fn needs_input(&self) -> bool {
        self.current.is_none()
    }

    /// Returns a batch that is full, if there is one.
    pub(super) fn next_batch(&mut self) -> Option<RecordBatch> {
        self.output.next_completed_batch()
    }

    /// Says that no more rows come.
    ///
    /// # Errors
    /// Those of the kernels.
    pub(super) fn end(&mut self) -> Result<()> {
        Ok(self.output.finish_buffered_batch()?)
    }

    /// Takes the next batch, and finds what its rows may meet; to be called when input is needed.
    ///
    /// # Errors
    /// Keys that fail.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let (keys, mut nulls) = keys_of(&self.terms.right_keys, &batch)?;
        let mut is_exact = self.build.is_exact;
        let mut values: Vec<Option<ScalarBuffer<i64>>> = Vec::with_capacity(self.terms.bounds.rights.len());
        for expr in &self.terms.bounds.rights {
            match Ordered::evaluate(expr, &batch) {
                Ok(one) => {
                    nulls = NullBuffer::union(nulls.as_ref(), one.nulls.as_ref());
                    values.push(Some(one.values));
                }
                // The expression may have failed for a probe row without any pair. The filter has the expression too, and is
                // evaluated on pairs alone: it fails if one of them has such a row.
                Err(_) => {
                    is_exact = false;
                    values.push(None);
                }
            }
        }
        self.terms.hash(&keys, batch.num_rows(), &mut self.hashes)?;
        let bounds = self.terms.bounds.bounds.iter().enumerate();
        let bounds: Vec<_> = bounds.filter_map(|(index, bound)| Some((index, values[bound.right].as_ref()?))).collect();
        let mut ranges = Vec::with_capacity(batch.num_rows());
        for (row, hash) in self.hashes.iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            // All build rows with this hash; each bound can only narrow their range.
            let Some(mut places) = self.build.find(*hash) else { continue };
            for (bound, values) in &bounds {
                if places.0 >= places.1 {
                    break;
                }
                places = self.build.narrow(places, *bound, values[row]);
            }
            if places.0 < places.1 {
                ranges.push(Range { row: row as u32, from: places.0, to: places.1 });
            }
        }
        if !self.build.has_collisions {
            self.keep_equal(&keys, &mut ranges)?;
        }
        if !ranges.is_empty() {
            self.current = Some(Current { batch, keys, ranges, next: 0, is_exact });
        }
        Ok(())
    }

    /// Keeps the probe rows whose key is that of the build rows with the same hash. Where no two keys share a hash, the build rows of a
    /// hash have one key, so that the key of the first row of a range is that of all its rows.
    fn keep_equal(&self, keys: &[ArrayRef], ranges: &mut Vec<Range>) -> Result<()> {
        let order = self.build.order();
        let left = ranges.iter().map(|range| order[range.from as usize]).collect::<Vec<_>>();
        let right = ranges.iter().map(|range| range.row).collect::<Vec<_>>();
        let is_equal = self.are_equal(keys, &UInt32Array::from(left), &UInt32Array::from(right))?;
        if let Some(is_equal) = is_equal
            && is_equal.true_count() < ranges.len()
        {
            let mut is_equal = is_equal.values().iter();
            ranges.retain(|_| is_equal.next().unwrap_or(false));
        }
        Ok(())
    }

    /// Compares the keys of pairs of a build row and a probe row; no key is null. `None` where there are no key columns.
    fn are_equal(&self, keys: &[ArrayRef], left: &UInt32Array, right: &UInt32Array) -> Result<Option<BooleanArray>> {
        let mut all: Option<BooleanArray> = None;
        for (one, other) in self.build.keys().iter().zip(keys) {
            let one = eq(&take(one, left, None)?, &take(other, right, None)?)?;
            all = Some(match all {
                None => one,
                Some(all) => and(&all, &one)?,
            });
        }
        Ok(all)
    }

    /// Makes the next pairs, as many as a batch has rows; to be called when no input is needed.
    ///
    /// # Errors
    /// Filters that fail.
    pub(super) fn advance(&mut self) -> Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let (left, right) = current.pairs(self.build.order(), self.batch_size);
        let (left, right) = self.passed(&current, left, right)?;
        if !left.is_empty() {
            let columns = self.columns(&self.terms.output_columns, &current.batch, &left, &right)?;
            self.output.push_batch(batch_of(&self.terms.schema, columns, left.len())?)?;
        }
        if current.next < current.ranges.len() {
            self.current = Some(current);
        }
        Ok(())
    }

    /// Leaves out pairs with other keys, and those that do not pass the filter.
    fn passed(&self, current: &Current, left: UInt32Array, right: UInt32Array) -> Result<(UInt32Array, UInt32Array)> {
        let (mut left, mut right) = (left, right);
        if self.build.has_collisions
            && let Some(is_equal) = self.are_equal(&current.keys, &left, &right)?
        {
            (left, right) = kept(&left, &right, &is_equal)?;
        }
        // As the stock operator does, the filter is not evaluated on no rows.
        if current.is_exact || left.is_empty() {
            return Ok((left, right));
        }
        let columns = self.columns(&self.terms.filter_columns, &current.batch, &left, &right)?;
        let passes = self.terms.filter(columns, left.len())?;
        let passes = if passes.null_count() > 0 { prep_null_mask_filter(&passes) } else { passes };
        kept(&left, &right, &passes)
    }

    /// Takes the columns of pairs.
    fn columns(
        &self,
        columns: &[ColumnIndex],
        batch: &RecordBatch,
        left: &UInt32Array,
        right: &UInt32Array,
    ) -> Result<Vec<ArrayRef>> {
        let columns = columns.iter().map(|one| match one.side {
            JoinSide::Left => self.build.take(one.index, left),
            _ => Ok(take(column(batch.columns(), one.index)?, right, None)?),
        });
        columns.collect()
    }
}

impl Current {
    /// Returns the next pairs, at most so many, as a selection of build rows and one of probe rows.
    fn pairs(&mut self, order: &[u32], most: usize) -> (UInt32Array, UInt32Array) {
        let (mut left, mut right) = (Vec::with_capacity(most), Vec::with_capacity(most));
        while let Some(range) = self.ranges.get_mut(self.next)
            && left.len() < most
        {
            let to = range.to.min(range.from.saturating_add((most - left.len()) as u32));
            left.extend_from_slice(&order[range.from as usize..to as usize]);
            right.resize(left.len(), range.row);
            range.from = to;
            if range.from == range.to {
                self.next += 1;
            }
        }
        (UInt32Array::from(left), UInt32Array::from(right))
    }
}

fn kept(left: &UInt32Array, right: &UInt32Array, mask: &BooleanArray) -> Result<(UInt32Array, UInt32Array)> {
    if mask.true_count() == mask.len() {
        return Ok((left.clone(), right.clone()));
    }
    let (left, right) = (filter(left, mask)?, filter(right, mask)?);
    Ok((left.as_primitive::<UInt32Type>().clone(), right.as_primitive::<UInt32Type>().clone()))
}

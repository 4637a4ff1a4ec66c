//! The sliding buffer of a window: the batches that the current batch's neighbours may be in.
//!
//! Let `b` be the farthest `lag` and `a` the farthest `lead`. A batch can be given out as soon as `a` rows behind it have come, or the input
//! has ended. A batch that was given out is kept until `b` rows behind it have been given out too.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array, new_null_array};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{concat, nullif, partition};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;

use super::function::{Function, Neighbour};

/// A batch with what was computed of it.
#[derive(Debug)]
struct Piece {
    /// The batch, until it is given out.
    batch: Option<RecordBatch>,
    /// Rows of the batch.
    len: usize,
    /// The values of each function's rows; none for `row_number`.
    values: Vec<Option<ArrayRef>>,
    /// For each row, the number of the first row of its partition, counted over all batches. Two rows are of one partition if and only if
    /// these numbers are equal.
    begins: Vec<u64>,
    /// The number of the first row, counted over all batches.
    first: u64,
}

/// The batches around the current one.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    functions: Arc<[Function]>,
    partition_by: Arc<[Arc<dyn PhysicalExpr>]>,
    farthest_before: usize,
    farthest_after: usize,
    pieces: VecDeque<Piece>,
    /// How many pieces at the front were given out already. They stay as long as rows to come may ask for theirs.
    given: usize,
    given_rows: usize,
    kept_rows: usize,
    /// The partition's values of the last row that came.
    last_keys: Option<Vec<ArrayRef>>,
    /// Where the last row's partition began.
    begin: u64,
    next_row: u64,
    ended: bool,
}

impl Rows {
    /// Starts with no rows; `schema` is that of the batches that come out.
    pub(super) fn new(
        schema: SchemaRef,
        functions: Arc<[Function]>,
        partition_by: Arc<[Arc<dyn PhysicalExpr>]>,
    ) -> Self {
        let neighbours = || {
            functions.iter().filter_map(|function| match function {
                Function::Neighbour(neighbour) => Some(neighbour),
                Function::RowNumber => None,
            })
        };
        let farthest_before = neighbours().map(|neighbour| neighbour.before).max().unwrap_or(0);
        let farthest_after = neighbours().map(|neighbour| neighbour.after).max().unwrap_or(0);
        Self {
            schema,
            functions,
            partition_by,
            farthest_before,
            farthest_after,
            pieces: VecDeque::new(),
            given: 0,
            given_rows: 0,
            kept_rows: 0,
            last_keys: None,
            begin: 0,
            next_row: 0,
            ended: false,
        }
    }

    /// Takes the next batch of the input.
    ///
    /// # Errors
    /// Expressions that fail.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let len = batch.num_rows();
        if len == 0 {
            return Ok(());
        }
        let begins = self.partitions(&batch)?;
        let values = self.functions.iter().map(|function| match function {
            Function::RowNumber => Ok(None),
            Function::Neighbour(neighbour) => neighbour.value.evaluate(&batch)?.into_array(len).map(Some),
        });
        let values = values.collect::<Result<_>>()?;
        self.pieces.push_back(Piece { batch: Some(batch), len, values, begins, first: self.next_row });
        self.next_row += len as u64;
        self.kept_rows += len;
        Ok(())
    }

    /// Says that no more rows come.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Says whether all rows came and were given out.
    pub(super) fn is_done(&self) -> bool {
        self.ended && self.given == self.pieces.len()
    }

    /// Returns the next batch whose neighbours have all come, with the columns of the functions; `None` where more input is needed,
    /// or all is given out.
    ///
    /// # Errors
    /// Columns that do not fit the schema.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(piece) = self.pieces.get_mut(self.given) else { return Ok(None) };
        let following = self.kept_rows - self.given_rows - piece.len;
        if following < self.farthest_after && !self.ended {
            return Ok(None);
        }
        let Some(batch) = piece.batch.take() else { return internal_err!("a batch of a window given out twice") };
        let piece = &self.pieces[self.given];
        let mut columns = batch.columns().to_vec();
        for (index, function) in self.functions.iter().enumerate() {
            columns.push(match function {
                Function::RowNumber => {
                    let numbers = piece.begins.iter().enumerate();
                    Arc::new(UInt64Array::from_iter_values(
                        numbers.map(|(row, begin)| piece.first + row as u64 - begin + 1),
                    ))
                }
                Function::Neighbour(neighbour) => self.neighbours(index, neighbour, piece)?,
            });
        }
        self.given += 1;
        self.given_rows += piece.len;
        while let Some(oldest) = self.pieces.front()
            && self.given > 0
            && self.given_rows - oldest.len >= self.farthest_before
        {
            self.given -= 1;
            self.given_rows -= oldest.len;
            self.kept_rows -= oldest.len;
            self.pieces.pop_front();
        }
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }

    /// Finds where the partition of each row of a batch begins.
    fn partitions(&mut self, batch: &RecordBatch) -> Result<Vec<u64>> {
        let len = batch.num_rows();
        if self.partition_by.is_empty() {
            return Ok(vec![0; len]);
        }
        let keys = self.partition_by.iter().map(|key| key.evaluate(batch)?.into_array(len));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let mut continues = self.last_keys.is_some();
        for (last, key) in self.last_keys.iter().flatten().zip(&keys) {
            continues &= !distinct(last, &key.slice(0, 1))?.value(0);
        }
        let mut begins = Vec::with_capacity(len);
        for range in partition(&keys)?.ranges() {
            if range.start > 0 || !continues {
                self.begin = self.next_row + range.start as u64;
            }
            begins.resize(range.end, self.begin);
        }
        self.last_keys = Some(keys.iter().map(|key| key.slice(len - 1, 1)).collect());
        Ok(begins)
    }

    /// Computes the column of a function: its values, moved, with the default outside of a row's partition.
    fn neighbours(&self, index: usize, neighbour: &Neighbour, piece: &Piece) -> Result<ArrayRef> {
        // Each row's neighbour is looked up by its place among the rows that are kept. The neighbours of the first `missing` rows would stand
        // before the first row that is kept, and are in no partition.
        let (from, missing) = match self.given_rows.checked_add(neighbour.after) {
            Some(from) if from >= neighbour.before => (from - neighbour.before, 0),
            _ => (0, neighbour.before - self.given_rows),
        };
        let missing = missing.min(piece.len);
        let until = from + piece.len - missing;
        let data_type = neighbour.default.data_type();
        let (mut values, mut is_inside) = (Vec::new(), Vec::with_capacity(piece.len));
        is_inside.resize(missing, false);
        if missing > 0 {
            values.push(new_null_array(&data_type, missing));
        }
        let mut place = 0;
        for other in &self.pieces {
            let (start, end) = (from.max(place), until.min(place + other.len));
            if start < end {
                let inside = start - place..end - place;
                let Some(Some(column)) = other.values.get(index) else {
                    return internal_err!("a column of a window is missing");
                };
                values.push(column.slice(inside.start, inside.len()));
                let (others, own) = (&other.begins[inside], &piece.begins[is_inside.len()..]);
                is_inside.extend(others.iter().zip(own).map(|(other, own)| other == own));
            }
            place += other.len;
            if place >= until {
                break;
            }
        }
        let missing = piece.len - is_inside.len();
        if missing > 0 {
            values.push(new_null_array(&data_type, missing));
            is_inside.resize(piece.len, false);
        }
        let moved = match &values[..] {
            [one] => Arc::clone(one),
            several => concat(&several.iter().map(|values| values.as_ref()).collect::<Vec<_>>())?,
        };
        let is_inside = BooleanBuffer::from(is_inside);
        if is_inside.count_set_bits() == piece.len {
            return Ok(moved);
        }
        if neighbour.default.is_null() {
            return Ok(nullif(&moved, &BooleanArray::from(!&is_inside))?);
        }
        Ok(zip(&BooleanArray::from(is_inside), &moved, &neighbour.default.to_scalar()?)?)
    }
}

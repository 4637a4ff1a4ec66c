//! `sum` and `avg` of doubles that are the same in whatever order the rows come.
//!
//! The sum is kept in all its bits ([`sums`], [`wide`]) and rounded once, where it is given out; a mean is the exact sum divided by the count,
//! rounded once. So threads, partitions, workers, spilling and frames that slide cannot change a digit, and what leaves a frame leaves nothing
//! behind. A sum that no double can hold is an infinity, of which the parts on the way are none; a mean is one only if a value is.
//!
//! Between partial and final aggregates a sum travels as doubles whose exact sum it is: the rounded one, what the rounding left, and as bytes what
//! is left then, which is hardly ever there.

mod sums;
#[cfg(test)]
mod tests;
mod wide;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Float64Array, UInt64Array};
use arrow::array::{Float64Builder, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, UInt64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDF, EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::nulls::{filtered_null_mask, set_nulls};

use super::instead::{InsteadOfAggregate, aggregate, stands_in_by};
use sums::{Parts, Sums};
use wide::Wide;

/// Rows whose nulls are looked at together.
const MASKED: usize = 64;

/// `sum` or `avg` of doubles.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    stock: Arc<AggregateUDF>,
    is_mean: bool,
}

/// Returns the exact aggregate that stands in for `sum` or `avg` of DataFusion's; `None` for other aggregates and types.
pub fn exact(stock: &AggregateUDF, data_type: &DataType) -> Option<Arc<AggregateUDF>> {
    static SUM: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| aggregate(Exact { stock: sum_udaf(), is_mean: false }));
    static MEAN: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| aggregate(Exact { stock: avg_udaf(), is_mean: true }));
    match (stock.name(), data_type) {
        ("sum", DataType::Float64) => Some(Arc::clone(&SUM)),
        ("avg", DataType::Float64) => Some(Arc::clone(&MEAN)),
        _ => None,
    }
}

/// Says whether an aggregate of a plan is one of these.
pub fn is_exact(function: &AggregateUDF) -> bool {
    stands_in_by::<Exact>(function)
}

impl InsteadOfAggregate for Exact {
    fn stock(&self) -> &Arc<AggregateUDF> {
        &self.stock
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Ok(Box::new(Distinct { is_mean: self.is_mean, values: HashSet::new() }));
        }
        Ok(Box::new(One::new(self.is_mean)))
    }

    fn sliding(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            // A row that leaves the frame may not be the last of its value: DataFusion says that it cannot.
            return self.stock.inner().create_sliding_accumulator(args);
        }
        Ok(Box::new(One::new(self.is_mean)))
    }

    fn has_groups(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn groups(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups { counts: self.is_mean.then(Vec::new), ..Groups::default() }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |name, data_type| Arc::new(Field::new(format_state_name(args.name, name), data_type, true));
        if args.is_distinct {
            let item = Field::new_list_field(DataType::Float64, true);
            return Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "distinct"), item, false))]);
        }
        let count = self.is_mean.then(|| field("count", DataType::UInt64));
        let parts = [("sum", DataType::Float64), ("rest", DataType::Float64), ("more", DataType::Binary)];
        Ok(count.into_iter().chain(parts.map(|(name, data_type)| field(name, data_type))).collect())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

fn doubles(values: &[ArrayRef]) -> Result<&Float64Array> {
    match values.first().and_then(|values| values.as_primitive_opt::<Float64Type>()) {
        Some(values) => Ok(values),
        None => internal_err!("a sum of doubles is one of something else"),
    }
}

/// The columns of a state: counts for a mean, sums, rests, and what is left then.
struct State<'a> {
    counts: Option<&'a UInt64Array>,
    sums: &'a Float64Array,
    rests: &'a Float64Array,
    more: &'a BinaryArray,
}

impl<'a> State<'a> {
    fn of(columns: &'a [ArrayRef], is_mean: bool) -> Result<Self> {
        let unknown = || internal_datafusion_err!("the state of a sum of doubles has other columns");
        let (counts, columns) = if is_mean {
            let (counts, columns) = columns.split_first().ok_or_else(unknown)?;
            (Some(counts.as_primitive_opt::<UInt64Type>().ok_or_else(unknown)?), columns)
        } else {
            (None, columns)
        };
        let [sums, rests, more] = columns else { return Err(unknown()) };
        Ok(Self {
            counts,
            sums: sums.as_primitive_opt().ok_or_else(unknown)?,
            rests: rests.as_primitive_opt().ok_or_else(unknown)?,
            more: more.as_binary_opt().ok_or_else(unknown)?,
        })
    }

    /// What goes beyond the sums, with the rows that it is of.
    fn rests(&self) -> impl Iterator<Item = (usize, f64)> {
        let rows = if self.rests.null_count() == self.rests.len() { 0 } else { self.rests.len() };
        (0..rows).filter(|row| self.rests.is_valid(*row)).map(|row| (row, self.rests.value(row)))
    }

    fn more(&self) -> impl Iterator<Item = (usize, Result<Wide>)> {
        let rows = if self.more.null_count() == self.more.len() { 0 } else { self.more.len() };
        (0..rows).filter(|row| self.more.is_valid(*row)).map(|row| {
            let wide = Wide::read(self.more.value(row));
            (row, wide.ok_or_else(|| internal_datafusion_err!("the state of a sum of doubles cannot be read")))
        })
    }
}

/// The sum or mean of all rows, or of a frame that slides.
#[derive(Debug)]
struct One {
    is_mean: bool,
    sums: Sums,
    count: u64,
}

impl One {
    fn new(is_mean: bool) -> Self {
        let mut sums = Sums::default();
        sums.resize(1);
        Self { is_mean, sums, count: 0 }
    }

    fn add(&mut self, values: &Float64Array, is_taken: bool) {
        match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.sums.add_block(0, values.values(), is_taken),
            Some(nulls) => {
                // A 0 in the place of a null changes no sum.
                let masks = nulls.inner().bit_chunks();
                for (values, mask) in values.values().chunks(MASKED).zip(masks.iter_padded()) {
                    let mut valid = [0.0; MASKED];
                    for (index, (valid, value)) in valid.iter_mut().zip(values).enumerate() {
                        *valid = f64::from_bits(value.to_bits() & 0_u64.wrapping_sub(mask >> index & 1));
                    }
                    self.sums.add_block(0, valid.get(..values.len()).unwrap_or_default(), is_taken);
                }
            }
        }
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = doubles(values)?;
        self.count += (values.len() - values.null_count()) as u64;
        self.add(values, false);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = doubles(values)?;
        self.count = self.count.saturating_sub((values.len() - values.null_count()) as u64);
        self.add(values, true);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let state = State::of(states, self.is_mean)?;
        self.count += match state.counts {
            Some(counts) => arrow::compute::sum(counts).unwrap_or(0),
            None => (state.sums.len() - state.sums.null_count()) as u64,
        };
        self.add(state.sums, false);
        self.add(state.rests, false);
        for (_, wide) in state.more() {
            self.sums.add_wide(0, &wide?);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let count = self.is_mean.then(|| ScalarValue::UInt64(Some(self.count)));
        let parts = (self.count > 0).then(|| self.sums.parts(0));
        let sum = ScalarValue::Float64(parts.as_ref().map(|parts| parts.sum));
        let rest = ScalarValue::Float64(parts.as_ref().map(|parts| parts.rest).filter(|rest| *rest != 0.0));
        let more = ScalarValue::Binary(parts.and_then(|parts| parts.more).map(|more| more.written()));
        Ok(count.into_iter().chain([sum, rest, more]).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(
            (self.count > 0).then(|| if self.is_mean { self.sums.mean(0, self.count) } else { self.sums.sum(0) }),
        ))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.bytes()
    }
}

/// The sum or mean of the distinct values of one group; distinct are other bits, as where rows are grouped.
#[derive(Debug)]
struct Distinct {
    is_mean: bool,
    values: HashSet<u64>,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(doubles(values)?.iter().flatten().map(f64::to_bits));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first().and_then(|lists| lists.as_list_opt::<i32>()) else {
            return internal_err!("the state of a sum of distinct doubles has other columns");
        };
        lists.iter().flatten().try_for_each(|list| self.update_batch(&[list]))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Float64Array = self.values.iter().map(|bits| Some(f64::from_bits(*bits))).collect();
        Ok(vec![SingleRowListArrayBuilder::new(Arc::new(values)).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = One::new(self.is_mean);
        sum.count = self.values.len() as u64;
        self.values.iter().for_each(|bits| sum.sums.add_block(0, &[f64::from_bits(*bits)], false));
        sum.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * (size_of::<u64>() + 1)
    }
}

/// The sums or means of many groups.
#[derive(Debug, Default)]
struct Groups {
    sums: Sums,
    /// Of means.
    counts: Option<Vec<u64>>,
    /// Which groups have a value; `None` where all have, for a group comes with its first row.
    valued: Option<Vec<bool>>,
}

impl Groups {
    /// Adds doubles to their groups. For what is merged the counts come from elsewhere.
    fn add(
        &mut self,
        values: &Float64Array,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
        is_counted: bool,
    ) {
        let before = self.sums.len();
        self.sums.resize(total);
        if let Some(counts) = &mut self.counts {
            counts.resize(total, 0);
        }
        if values.null_count() == 0 && filter.is_none() && self.valued.is_none() {
            return self.add_all(values.values(), groups, is_counted);
        }
        let valued = self.valued.get_or_insert_with(|| vec![true; before]);
        valued.resize(total, false);
        let mut mark = |group: usize| valued.get_mut(group).into_iter().for_each(|valued| *valued = true);
        match filtered_null_mask(filter, values) {
            None => {
                groups.iter().for_each(|group| mark(*group));
                self.add_all(values.values(), groups, is_counted);
            }
            Some(nulls) => {
                let count = nulls.len() - nulls.null_count();
                let (mut kept, mut of_kept) = (Vec::with_capacity(count), Vec::with_capacity(count));
                for (row, group) in nulls.valid_indices().filter_map(|row| Some((row, *groups.get(row)?))) {
                    mark(group);
                    kept.push(values.value(row));
                    of_kept.push(group);
                }
                self.add_all(&kept, &of_kept, is_counted);
            }
        }
    }

    fn add_all(&mut self, values: &[f64], groups: &[usize], is_counted: bool) {
        self.sums.add(values, groups);
        if let Some(counts) = self.counts.as_mut().filter(|_| is_counted) {
            for group in groups {
                if let Some(count) = counts.get_mut(*group) {
                    *count += 1;
                }
            }
        }
    }

    /// The groups among those that are given out that have a value.
    fn nulls(&mut self, emit_to: EmitTo) -> Option<NullBuffer> {
        match emit_to {
            EmitTo::All => self.valued.take().map(NullBuffer::from),
            EmitTo::First(_) => self.valued.as_mut().map(|valued| NullBuffer::from(emit_to.take_needed(valued))),
        }
    }

    /// The number of groups that are to be given out.
    fn count(&self, emit_to: EmitTo) -> usize {
        match emit_to {
            EmitTo::All => self.sums.len(),
            EmitTo::First(count) => count.min(self.sums.len()),
        }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.add(doubles(values)?, group_indices, opt_filter, total_num_groups, true);
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        let state = State::of(values, self.counts.is_some())?;
        self.add(state.sums, group_indices, None, total_num_groups, false);
        if let (Some(counts), Some(added)) = (&mut self.counts, state.counts) {
            for (row, group) in group_indices.iter().enumerate() {
                if let Some(count) = counts.get_mut(*group).filter(|_| added.is_valid(row)) {
                    *count += added.value(row);
                }
            }
        }
        let (rows, rests): (Vec<usize>, Vec<f64>) = state.rests().unzip();
        let groups: Vec<usize> = rows.iter().filter_map(|row| group_indices.get(*row).copied()).collect();
        self.sums.add(&rests, &groups);
        for (row, wide) in state.more() {
            let group = group_indices.get(row).copied().unwrap_or(usize::MAX);
            self.sums.add_wide(group, &wide?);
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let nulls = self.nulls(emit_to);
        let count = self.count(emit_to);
        let found: Vec<f64> = match &mut self.counts {
            Some(counts) => {
                let counts = emit_to.take_needed(counts);
                counts.into_iter().enumerate().map(|(group, count)| self.sums.mean(group, count)).collect()
            }
            None => (0..count).map(|group| self.sums.sum(group)).collect(),
        };
        self.sums.forget(count);
        Ok(Arc::new(Float64Array::new(found.into(), nulls)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let nulls = self.nulls(emit_to);
        let count = self.count(emit_to);
        let (mut sums, mut rests, mut more) = (Vec::with_capacity(count), Rests::default(), More::default());
        for group in 0..count {
            let Parts { sum, rest, more: wide } = self.sums.parts(group);
            sums.push(sum);
            rests.push(group, rest);
            more.push(group, wide);
        }
        self.sums.forget(count);
        let counts = self.counts.as_mut().map(|counts| {
            let counts = emit_to.take_needed(counts);
            Arc::new(UInt64Array::new(counts.into(), nulls.clone())) as ArrayRef
        });
        let sums: ArrayRef = Arc::new(Float64Array::new(sums.into(), nulls));
        Ok(counts.into_iter().chain([sums, rests.finish(count), more.finish(count)]).collect())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = doubles(values)?;
        let rows = values.len();
        let nulls = filtered_null_mask(opt_filter, values);
        let counts = self.counts.is_some().then(|| {
            let counts = UInt64Array::from_value(1, rows);
            Arc::new(set_nulls(counts, nulls.clone())) as ArrayRef
        });
        let sums: ArrayRef = Arc::new(set_nulls(values.clone(), nulls));
        Ok(counts.into_iter().chain([sums, Rests::default().finish(rows), More::default().finish(rows)]).collect())
    }

    fn size(&self) -> usize {
        let counts = self.counts.as_ref().map_or(0, |counts| counts.capacity() * size_of::<u64>());
        size_of_val(self) + self.sums.bytes() + counts + self.valued.as_ref().map_or(0, Vec::capacity)
    }
}

/// A column of rests, which is begun with the first.
#[derive(Default)]
struct Rests(Option<Float64Builder>);

impl Rests {
    fn push(&mut self, row: usize, rest: f64) {
        if rest == 0.0 && self.0.is_none() {
            return;
        }
        let builder = self.0.get_or_insert_with(|| {
            let mut builder = Float64Builder::new();
            builder.append_nulls(row);
            builder
        });
        builder.append_option((rest != 0.0).then_some(rest));
    }

    fn finish(self, rows: usize) -> ArrayRef {
        match self.0 {
            Some(mut builder) => Arc::new(builder.finish()),
            None => new_null_array(&DataType::Float64, rows),
        }
    }
}

/// A column of what is left of sums in the end, which is begun with the first.
#[derive(Default)]
struct More(Option<BinaryBuilder>);

impl More {
    fn push(&mut self, row: usize, wide: Option<Wide>) {
        if wide.is_none() && self.0.is_none() {
            return;
        }
        let builder = self.0.get_or_insert_with(|| {
            let mut builder = BinaryBuilder::new();
            builder.append_nulls(row);
            builder
        });
        builder.append_option(wide.map(|wide| wide.written()));
    }

    fn finish(self, rows: usize) -> ArrayRef {
        match self.0 {
            Some(mut builder) => Arc::new(builder.finish()),
            None => new_null_array(&DataType::Binary, rows),
        }
    }
}

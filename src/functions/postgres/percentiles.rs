//! `percentile_cont`, exactly, and `percentile_disc` and `mode`, which DataFusion does not have.
//!
//! DataFusion 55 weighs the two values beside a percentile with six digits: a percentile of large numbers then differs from PostgreSQL's in
//! the seventh. All three hold every value of a group, as DataFusion's does: the first as doubles, the others as the columns that they
//! came in.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, ListArray, RecordBatch, UInt32Array, new_empty_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{SortOptions, cast, concat, filter, is_not_null, partition, prep_null_mask_filter, sort, take};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::functions_aggregate::percentile_cont::percentile_cont_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    Signature, TypeSignature, Volatility,
};

use crate::functions::instead::{InsteadOfAggregate, aggregate};
use crate::functions::interval::is_interval;

/// Lists the aggregates.
pub(super) fn ordered_sets() -> Vec<Arc<AggregateUDF>> {
    let continuous = Continuous { stock: percentile_cont_udaf() };
    let discrete = Signature::any(2, Volatility::Immutable);
    let mode = Signature::one_of(vec![TypeSignature::Any(1)], Volatility::Immutable);
    vec![
        aggregate(continuous),
        Arc::new(AggregateUDF::new_from_impl(Chosen { choice: Choice::Percentile, signature: discrete })),
        Arc::new(AggregateUDF::new_from_impl(Chosen { choice: Choice::Mode, signature: mode })),
    ]
}

/// How the values of a group are ordered.
fn is_descending(args: &AccumulatorArgs<'_>) -> bool {
    args.order_bys.first().is_some_and(|key| key.options.descending)
}

/// Reads the percentile, which is the same for all rows; null is none.
fn percentile(args: &AccumulatorArgs<'_>) -> Result<Option<f64>> {
    let Some(expr) = args.exprs.get(1) else { return internal_err!("{} without a percentile", args.name) };
    let no_rows = RecordBatch::new_empty(Arc::new(Schema::empty()));
    let Ok(ColumnarValue::Scalar(value)) = expr.evaluate(&no_rows) else {
        return plan_err!("the percentile of {} is a number, not a column", args.name);
    };
    match value.cast_to(&DataType::Float64)? {
        ScalarValue::Float64(Some(value)) if !(0.0..=1.0).contains(&value) => {
            plan_err!("the percentile of {} is between 0 and 1, not {value}", args.name)
        }
        ScalarValue::Float64(value) => Ok(value),
        other => internal_err!("a percentile of type {}", other.data_type()),
    }
}

/// `percentile_cont`
#[derive(Debug, PartialEq, Eq, Hash)]
struct Continuous {
    stock: Arc<AggregateUDF>,
}

impl InsteadOfAggregate for Continuous {
    fn stock(&self) -> &Arc<AggregateUDF> {
        &self.stock
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Group { values: Vec::new(), place: Place::of(&args)? }))
    }

    fn sliding(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.accumulator(args)
    }

    fn has_groups(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn groups(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups { groups: Vec::new(), bytes: 0, place: Place::of(&args)? }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let item = Field::new_list_field(DataType::Float64, true);
        Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "values"), item, true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reversed(&self) -> ReversedUDAF {
        ReversedUDAF::NotSupported
    }
}

/// Where among its values the percentile of a group is.
#[derive(Debug)]
struct Place {
    percentile: Option<f64>,
    descending: bool,
    is_distinct: bool,
    data_type: DataType,
}

impl Place {
    fn of(args: &AccumulatorArgs<'_>) -> Result<Self> {
        Ok(Self {
            percentile: percentile(args)?,
            descending: is_descending(args),
            is_distinct: args.is_distinct,
            data_type: args.return_field.data_type().clone(),
        })
    }

    /// The percentile of a group, whose values are put into another order.
    fn among(&self, values: &mut [f64]) -> Option<f64> {
        self.percentile.and_then(|percentile| continuous(values, percentile, self.descending))
    }

    fn result(&self, found: Vec<Option<f64>>) -> Result<ArrayRef> {
        let found: ArrayRef = Arc::new(Float64Array::from(found));
        Ok(if self.data_type == DataType::Float64 { found } else { cast(&found, &self.data_type)? })
    }
}

/// A block of values as doubles.
fn doubles(values: &[ArrayRef]) -> Result<ArrayRef> {
    let Some(values) = values.first() else { return internal_err!("a percentile of nothing") };
    Ok(cast(values, &DataType::Float64)?)
}

/// NaN is greater than every number, whatever its sign.
fn ascending(a: &f64, b: &f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

/// The percentile of some values; `None` where there are none.
fn continuous(values: &mut [f64], percentile: f64, descending: bool) -> Option<f64> {
    let order = |a: &f64, b: &f64| if descending { ascending(b, a) } else { ascending(a, b) };
    let last = values.len().checked_sub(1)?;
    let index = percentile * last as f64;
    let below = (index.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(below, order);
    let low = *low;
    let weight = index - index.floor();
    match above.iter().copied().min_by(order) {
        Some(high) if weight > 0.0 => Some(low + weight * (high - low)),
        _ => Some(low),
    }
}

/// The values of one group, or of a frame of a window.
#[derive(Debug)]
struct Group {
    values: Vec<f64>,
    place: Place,
}

impl Accumulator for Group {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = doubles(values)?;
        let values = values.as_primitive::<Float64Type>();
        match values.null_count() {
            0 => self.values.extend_from_slice(values.values()),
            _ => self.values.extend(values.iter().flatten()),
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first() else { return internal_err!("values without state") };
        lists.as_list::<i32>().iter().flatten().try_for_each(|list| self.update_batch(&[list]))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = doubles(values)?;
        let mut left: Vec<f64> = values.as_primitive::<Float64Type>().iter().flatten().collect();
        left.sort_by(ascending);
        let mut taken = vec![false; left.len()];
        // Each value that leaves takes one of its equals along.
        self.values.retain(|value| {
            let first = left.partition_point(|other| ascending(other, value).is_lt());
            let equal =
                left.iter().zip(&mut taken).skip(first).take_while(|(other, _)| ascending(other, value).is_eq());
            match equal.map(|(_, taken)| taken).find(|taken| !**taken) {
                Some(taken) => {
                    *taken = true;
                    false
                }
                None => true,
            }
        });
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: ArrayRef = Arc::new(Float64Array::from(std::mem::take(&mut self.values)));
        Ok(vec![SingleRowListArrayBuilder::new(values).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let found = if self.place.is_distinct {
            let mut values = self.values.clone();
            values.sort_by(ascending);
            values.dedup_by(|a, b| ascending(a, b).is_eq());
            self.place.among(&mut values)
        } else {
            self.place.among(&mut self.values)
        };
        ScalarValue::try_from_array(&self.place.result(vec![found])?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<f64>()
    }
}

/// The values of many groups.
#[derive(Debug)]
struct Groups {
    groups: Vec<Vec<f64>>,
    /// Bytes that the values of all groups take.
    bytes: usize,
    place: Place,
}

impl Groups {
    fn push(&mut self, group: usize, values: &[f64]) {
        if let Some(group) = self.groups.get_mut(group) {
            let before = group.capacity();
            group.extend_from_slice(values);
            self.bytes += (group.capacity() - before) * size_of::<f64>();
        }
    }

    fn emit(&mut self, emit_to: EmitTo) -> Vec<Vec<f64>> {
        let groups = emit_to.take_needed(&mut self.groups);
        let bytes: usize = groups.iter().map(|group| group.capacity() * size_of::<f64>()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        groups
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
        self.groups.resize(total_num_groups, Vec::new());
        let values = doubles(values)?;
        for (row, (value, group)) in values.as_primitive::<Float64Type>().iter().zip(group_indices).enumerate() {
            let is_counted = opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if let Some(value) = value.filter(|_| is_counted) {
                self.push(*group, &[value]);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.groups.resize(total_num_groups, Vec::new());
        let Some(lists) = states.first() else { return internal_err!("values without state") };
        for (list, group) in lists.as_list::<i32>().iter().zip(group_indices) {
            if let Some(list) = list {
                self.push(*group, list.as_primitive::<Float64Type>().values());
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut groups = self.emit(emit_to);
        let found = groups.iter_mut().map(|group| self.place.among(group)).collect();
        self.place.result(found)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.emit(emit_to);
        let total: usize = groups.iter().map(Vec::len).sum();
        if i32::try_from(total).is_err() {
            return plan_err!("percentile_cont of {total} values at once");
        }
        let offsets = OffsetBuffer::<i32>::from_lengths(groups.iter().map(Vec::len));
        let values = Float64Array::new(ScalarBuffer::from(groups.concat()), None);
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        Ok(vec![Arc::new(ListArray::try_new(item, offsets, Arc::new(values), None)?)])
    }

    /// Makes a list of one value of each row; of a row that does not count, null.
    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = doubles(values)?;
        let values = values.as_primitive::<Float64Type>();
        let kept = opt_filter.map(|filter| NullBuffer::new(prep_null_mask_filter(filter).values().clone()));
        let nulls = NullBuffer::union(values.nulls(), kept.as_ref());
        let offsets = OffsetBuffer::<i32>::from_repeated_length(1, values.len());
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        let values = Float64Array::new(values.values().clone(), None);
        Ok(vec![Arc::new(ListArray::try_new(item, offsets, Arc::new(values), nulls)?)])
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Vec<f64>>()
    }
}

/// Which of its values stands for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Choice {
    /// The first with at least a share of them before it, or at its place.
    Percentile,
    /// The most frequent one; of several the first.
    Mode,
}

/// `percentile_disc` and `mode`
#[derive(Debug, PartialEq, Eq, Hash)]
struct Chosen {
    choice: Choice,
    signature: Signature,
}

impl AggregateUDFImpl for Chosen {
    fn name(&self) -> &str {
        match self.choice {
            Choice::Percentile => "percentile_disc",
            Choice::Mode => "mode",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(first) if is_interval(first) => {
                plan_err!("{} takes no intervals: take their lengths with extract(epoch from …)", self.name())
            }
            Some(first) => Ok(first.clone()),
            None => plan_err!("{} takes an order", self.name()),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let item = Field::new_list_field(args.return_type().clone(), true);
        Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "values"), item, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return plan_err!("{} of distinct values is not there", self.name());
        }
        let percentile = match self.choice {
            Choice::Percentile => percentile(&args)?,
            Choice::Mode => None,
        };
        Ok(Box::new(Values {
            choice: self.choice,
            percentile,
            descending: is_descending(&args),
            data_type: args.return_field.data_type().clone(),
            blocks: Vec::new(),
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_within_group_clause(&self) -> bool {
        true
    }

    fn documentation(&self) -> Option<&Documentation> {
        None
    }
}

/// The values of one group.
#[derive(Debug)]
struct Values {
    choice: Choice,
    percentile: Option<f64>,
    descending: bool,
    data_type: DataType,
    /// Without nulls.
    blocks: Vec<ArrayRef>,
}

impl Values {
    fn push(&mut self, block: &ArrayRef) -> Result<()> {
        if block.len() > block.null_count() {
            // A copy, for a slice would keep the whole block that it is of.
            self.blocks.push(filter(block, &is_not_null(block)?)?);
        }
        Ok(())
    }

    fn all(&self) -> Result<ArrayRef> {
        let blocks: Vec<&dyn Array> = self.blocks.iter().map(AsRef::as_ref).collect();
        Ok(if blocks.is_empty() { new_empty_array(&self.data_type) } else { concat(&blocks)? })
    }

    /// The index of the chosen one of sorted values.
    fn index(&self, sorted: &ArrayRef) -> Result<Option<usize>> {
        Ok(match self.choice {
            Choice::Percentile => self.percentile.and_then(|percentile| {
                let index = (percentile * sorted.len() as f64).ceil() as usize;
                sorted.len().checked_sub(1).map(|last| index.saturating_sub(1).min(last))
            }),
            Choice::Mode => {
                let runs = if sorted.is_empty() { Vec::new() } else { partition(&[Arc::clone(sorted)])?.ranges() };
                // Of equally frequent ones the last is kept: so the first comes last.
                runs.into_iter().rev().max_by_key(std::ops::Range::len).map(|run| run.start)
            }
        })
    }
}

impl Accumulator for Values {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values.first().map_or(Ok(()), |block| self.push(block))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first() else { return internal_err!("values without state") };
        lists.as_list::<i32>().iter().flatten().try_for_each(|list| self.push(&list))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![SingleRowListArrayBuilder::new(self.all()?).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let options = SortOptions { descending: self.descending, nulls_first: false };
        let sorted = sort(&self.all()?, Some(options))?;
        match self.index(&sorted)? {
            Some(index) => {
                let index = UInt32Array::from(vec![u32::try_from(index).unwrap_or(u32::MAX)]);
                ScalarValue::try_from_array(&take(&sorted, &index, None)?, 0)
            }
            None => ScalarValue::try_from(&self.data_type),
        }
    }

    fn size(&self) -> usize {
        let blocks = self.blocks.iter().map(|block| block.get_array_memory_size()).sum::<usize>();
        size_of_val(self) + blocks + self.blocks.capacity() * size_of::<ArrayRef>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_between_two_values_has_all_digits() {
        let found = |values: &[f64], percentile, descending| continuous(&mut values.to_vec(), percentile, descending);
        assert_eq!(found(&[1.0, 0.0], 0.123_456_789, false), Some(0.123_456_789));
        assert_eq!(found(&[1.0, 0.0], 0.25, true), Some(0.75));
        assert_eq!(found(&[3.0, 1.0, 2.0], 0.5, false), Some(2.0));
        assert_eq!(found(&[3.0], 0.9, false), Some(3.0));
        assert_eq!(found(&[1.0, f64::NAN, 2.0], 0.5, false), Some(2.0));
        assert_eq!(found(&[1.0, f64::INFINITY], 0.0, false), Some(1.0));
        assert_eq!(found(&[], 0.5, false), None);
    }
}

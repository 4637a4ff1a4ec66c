//! The sum of integers, which fails where it does not fit, whatever the order of the rows.
//!
//! DataFusion's sum wraps. A sum modulo 2⁶⁴ is right as long as the sum itself fits, so groups are added by DataFusion's own
//! accumulator while the absolute values of all rows together are too small for any group to overflow; from then on in 128 bits. Only
//! what comes out is checked, never what lies between, and so an answer does not depend on how rows were divided among threads. What
//! goes from one step to the next is a decimal.
//!
//! PostgreSQL's sum of bigint is numeric. Ours stays bigint, for programs that read it as a number would be given a decimal.

use std::collections::HashSet;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

/// The message of a sum that does not fit; `script` knows it.
const SUM_OVERFLOW: &str = "sum out of range";

const WIDE: DataType = DataType::Decimal128(38, 0);

/// The integers that are summed.
trait Summed: ArrowPrimitiveType<Native: Into<i128> + TryFrom<i128> + std::hash::Hash + Eq> + Debug + Send + Sync {
    /// The largest sum of absolute values with which no sum overflows.
    const MOST: u128;

    /// Returns a number that the absolute value of no sum of some of these values exceeds.
    fn magnitude(values: &[Self::Native]) -> u128;

    /// Returns the sum of some values in one pass; `None` where it may not fit.
    fn sum(values: &[Self::Native]) -> Option<Self::Native>;
}

/// Bits, with the sign, of values whose absolute values are not added one by one to bound a sum: as small as ten thousand million of them fit.
const SMALL_BITS: u32 = 30;

/// Bits, with the sign, of values of which [`ADDED_VALUES`] fit 64 bits.
const ADDED_BITS: u32 = 47;

const ADDED_VALUES: usize = 1 << 16;

impl Summed for Int64Type {
    const MOST: u128 = i64::MAX as u128;

    fn magnitude(values: &[i64]) -> u128 {
        // Mostly no value is large, or none is negative, which one pass tells.
        let (window, bits, sum) = values.iter().fold((0_u64, 0_u64, 0_u64), |(window, bits, sum), value| {
            let value = *value as u64;
            (window | value.wrapping_add(1 << (SMALL_BITS - 1)), bits | value, sum.wrapping_add(value))
        });
        if window >> SMALL_BITS == 0 {
            return (values.len() as u128) << (SMALL_BITS - 1);
        }
        if bits >> 63 == 0 {
            return at_most(bits, sum, values.len());
        }
        // Of a negative number one less than the absolute value, which takes fewer instructions.
        let (bits, sum) = values.iter().fold((0_u64, 0_u64), |(bits, sum), value| {
            let least = (value ^ (value >> 63)) as u64;
            (bits | least, sum.wrapping_add(least))
        });
        at_most(bits, sum, values.len()) + values.len() as u128
    }

    fn sum(values: &[i64]) -> Option<i64> {
        // Values within a window of bits, as many as cannot leave those of a sum.
        let (window, sum) = values.iter().fold((0_u64, 0_i64), |(window, sum), value| {
            (window | (*value as u64).wrapping_add(1 << (ADDED_BITS - 1)), sum.wrapping_add(*value))
        });
        (window >> ADDED_BITS == 0 && values.len() <= ADDED_VALUES).then_some(sum)
    }
}

impl Summed for UInt64Type {
    const MOST: u128 = u64::MAX as u128;

    fn magnitude(values: &[u64]) -> u128 {
        let (bits, sum) =
            values.iter().fold((0_u64, 0_u64), |(bits, sum), value| (bits | value, sum.wrapping_add(*value)));
        at_most(bits, sum, values.len())
    }

    fn sum(values: &[u64]) -> Option<u64> {
        let (bits, sum) =
            values.iter().fold((0_u64, 0_u64), |(bits, sum), value| (bits | value, sum.wrapping_add(*value)));
        (bits >> ADDED_BITS == 0 && values.len() <= ADDED_VALUES).then_some(sum)
    }
}

/// The sum, if it cannot have wrapped; else as much as so many values of these bits can make.
fn at_most(bits: u64, sum: u64, count: usize) -> u128 {
    let most = (u128::from(bits) + 1).saturating_mul(count as u128);
    if most <= u128::from(u64::MAX) { sum.into() } else { most }
}

fn out_of_range() -> ArrowError {
    ArrowError::ArithmeticOverflow(SUM_OVERFLOW.to_owned())
}

fn widened<T: Summed>(array: &dyn Array) -> Result<Decimal128Array> {
    let wide: Decimal128Array = array.as_primitive::<T>().unary(|value| value.into());
    Ok(wide.with_precision_and_scale(38, 0)?)
}

fn narrowed<T: Summed>(array: &dyn Array) -> Result<PrimitiveArray<T>> {
    let narrow = |value: i128| T::Native::try_from(value).map_err(|_| out_of_range());
    Ok(array.as_primitive::<Decimal128Type>().try_unary::<_, T, ArrowError>(narrow)?)
}

/// The aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedSum {
    signature: Signature,
}

/// Returns the sum of integers of a type; `None` where DataFusion's does not wrap.
pub fn checked_sum(data_type: &DataType) -> Option<Arc<AggregateUDF>> {
    static SUM: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| {
        let signature = sum_udaf().signature().clone();
        Arc::new(AggregateUDF::new_from_impl(CheckedSum { signature }))
    });
    matches!(data_type, DataType::Int64 | DataType::UInt64).then(|| Arc::clone(&SUM))
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [data_type @ (DataType::Int64 | DataType::UInt64)] => Ok(data_type.clone()),
            _ => internal_err!("a checked sum is one of integers of 64 bits"),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = if args.is_distinct {
            let item = Field::new_list_field(args.return_type().clone(), true);
            Field::new_list(format_state_name(args.name, "sum distinct"), item, false)
        } else {
            Field::new(format_state_name(args.name, "sum"), WIDE, true)
        };
        Ok(vec![Arc::new(field)])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match (args.return_field.data_type(), args.is_distinct) {
            (DataType::Int64, false) => Ok(Box::new(Sum::<Int64Type>::default())),
            (DataType::UInt64, false) => Ok(Box::new(Sum::<UInt64Type>::default())),
            (DataType::Int64, true) => Ok(Box::new(DistinctSum::<Int64Type> { values: HashSet::new() })),
            (DataType::UInt64, true) => Ok(Box::new(DistinctSum::<UInt64Type> { values: HashSet::new() })),
            (other, _) => internal_err!("a checked sum of {other}"),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            // A row that leaves the frame may not be the last of its value.
            return sum_udaf().create_sliding_accumulator(args);
        }
        self.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_field.data_type().clone();
        let stock = sum_udaf();
        let wide = AccumulatorArgs {
            return_field: Arc::new(Field::new(args.name, WIDE, true)),
            schema: args.schema,
            ignore_nulls: args.ignore_nulls,
            order_bys: args.order_bys,
            is_reversed: args.is_reversed,
            name: args.name,
            is_distinct: false,
            exprs: args.exprs,
            expr_fields: args.expr_fields,
        };
        let wide = stock.create_groups_accumulator(wide)?;
        let narrow = stock.create_groups_accumulator(args)?;
        match data_type {
            DataType::Int64 => Ok(Box::new(Sums::<Int64Type>::new(narrow, wide))),
            DataType::UInt64 => Ok(Box::new(Sums::<UInt64Type>::new(narrow, wide))),
            other => internal_err!("a checked sum of {other}"),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        None
    }
}

/// The sum of one group, or of a frame of a window.
#[derive(Debug)]
struct Sum<T> {
    sum: i128,
    count: u64,
    of: PhantomData<T>,
}

impl<T> Default for Sum<T> {
    fn default() -> Self {
        Self { sum: 0, count: 0, of: PhantomData }
    }
}

impl<T: Summed> Sum<T> {
    /// The sum of a block and the number of its values.
    fn of(array: &ArrayRef) -> (i128, u64) {
        let values = array.as_primitive::<T>();
        let count = (values.len() - values.null_count()) as u64;
        if values.null_count() == 0
            && let Some(sum) = T::sum(values.values())
        {
            return (sum.into(), count);
        }
        if T::magnitude(values.values()) <= T::MOST {
            return (arrow::compute::sum(values).map_or(0, Into::into), count);
        }
        (values.iter().flatten().map(Into::into).sum(), count)
    }
}

impl<T: Summed> Accumulator for Sum<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return internal_err!("a sum of nothing") };
        let (sum, count) = Self::of(values);
        self.sum += sum;
        self.count += count;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return internal_err!("a sum of nothing") };
        let (sum, count) = Self::of(values);
        self.sum -= sum;
        self.count = self.count.saturating_sub(count);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(sums) = states.first() else { return internal_err!("a sum of nothing") };
        for sum in sums.as_primitive::<Decimal128Type>().iter().flatten() {
            self.sum += sum;
            self.count += 1;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128((self.count > 0).then_some(self.sum), 38, 0)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        result::<T>((self.count > 0).then_some(self.sum))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

fn result<T: Summed>(sum: Option<i128>) -> Result<ScalarValue> {
    let sum = sum.map(|sum| T::Native::try_from(sum).map_err(|_| out_of_range())).transpose()?;
    ScalarValue::new_primitive::<T>(sum, &T::DATA_TYPE)
}

/// The sum of the distinct values of one group.
#[derive(Debug)]
struct DistinctSum<T: Summed> {
    values: HashSet<T::Native>,
}

impl<T: Summed> Accumulator for DistinctSum<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return internal_err!("a sum of nothing") };
        self.values.extend(values.as_primitive::<T>().iter().flatten());
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first() else { return internal_err!("a sum of nothing") };
        for list in lists.as_list::<i32>().iter().flatten() {
            self.values.extend(list.as_primitive::<T>().iter().flatten());
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: PrimitiveArray<T> = self.values.iter().copied().collect::<Vec<_>>().into_iter().map(Some).collect();
        Ok(vec![SingleRowListArrayBuilder::new(Arc::new(values)).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        result::<T>((!self.values.is_empty()).then(|| self.values.iter().map(|value| (*value).into()).sum()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * (size_of::<T::Native>() + 1)
    }
}

/// The sums of many groups.
struct Sums<T> {
    /// DataFusion's sum, which wraps, as long as no group can have overflowed.
    narrow: Box<dyn GroupsAccumulator>,
    /// DataFusion's sum of decimals, from then on.
    wide: Box<dyn GroupsAccumulator>,
    is_wide: bool,
    /// What no group's sum exceeds.
    bound: u128,
    of: PhantomData<T>,
}

impl<T: Summed> Sums<T> {
    fn new(narrow: Box<dyn GroupsAccumulator>, wide: Box<dyn GroupsAccumulator>) -> Self {
        Self { narrow, wide, is_wide: false, bound: 0, of: PhantomData }
    }

    /// Counts what a block adds at most, and goes on in 128 bits where a group may overflow.
    fn add(&mut self, magnitude: u128) -> Result<()> {
        self.bound = self.bound.saturating_add(magnitude);
        if self.is_wide || self.bound <= T::MOST {
            return Ok(());
        }
        self.is_wide = true;
        let sums = widened::<T>(&self.narrow.evaluate(EmitTo::All)?)?;
        let indices: Vec<usize> = (0..sums.len()).collect();
        // Groups that come with this block have no sum yet, and must not count as seen.
        self.wide.merge_batch(&[Arc::new(sums)], &indices, indices.len())
    }

    fn emitted(&mut self, emit_to: EmitTo) {
        if matches!(emit_to, EmitTo::All) {
            self.bound = 0;
            self.is_wide = false;
        }
    }
}

impl<T: Summed> GroupsAccumulator for Sums<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let Some(array) = values.first() else { return internal_err!("a sum of nothing") };
        if !self.is_wide {
            self.add(T::magnitude(array.as_primitive::<T>().values()))?;
        }
        if self.is_wide {
            let values: ArrayRef = Arc::new(widened::<T>(array)?);
            return self.wide.update_batch(&[values], group_indices, opt_filter, total_num_groups);
        }
        self.narrow.update_batch(values, group_indices, opt_filter, total_num_groups)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        let Some(array) = values.first() else { return internal_err!("a sum of nothing") };
        if !self.is_wide {
            let sums = array.as_primitive::<Decimal128Type>().values();
            let magnitude = sums.iter().fold(0_u128, |all, sum| all.saturating_add(sum.unsigned_abs()));
            self.add(magnitude)?;
        }
        if self.is_wide {
            return self.wide.merge_batch(values, group_indices, total_num_groups);
        }
        let values: ArrayRef = Arc::new(narrowed::<T>(array)?);
        self.narrow.merge_batch(&[values], group_indices, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = if self.is_wide {
            Arc::new(narrowed::<T>(&self.wide.evaluate(emit_to)?)?)
        } else {
            self.narrow.evaluate(emit_to)?
        };
        self.emitted(emit_to);
        Ok(sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = if self.is_wide {
            self.wide.evaluate(emit_to)?
        } else {
            Arc::new(widened::<T>(&self.narrow.evaluate(emit_to)?)?)
        };
        self.emitted(emit_to);
        Ok(vec![sums])
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let states = self.narrow.convert_to_state(values, opt_filter)?;
        states.iter().map(|state| Ok(Arc::new(widened::<T>(state)?) as ArrayRef)).collect()
    }

    fn size(&self) -> usize {
        self.narrow.size() + self.wide.size()
    }
}

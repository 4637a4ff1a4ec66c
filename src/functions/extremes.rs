//! `min` and `max` of numbers in groups: NaN is greater than every number, as in PostgreSQL, in whatever order the rows come.
//!
//! DataFusion's own take the row after a NaN for the extreme, and begin with the greatest finite number, so that a group of infinities has
//! that one. Without groups, and for other types, they are right, and are called here.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// `min` or `max` of DataFusion, but for numbers in groups.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    stock: Arc<AggregateUDF>,
    is_greatest: bool,
}

/// Lists the aggregates, which stand in for those of DataFusion under their names.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let made = |stock, is_greatest| Arc::new(AggregateUDF::new_from_impl(Extreme { stock, is_greatest }));
    vec![made(min_udaf(), false), made(max_udaf(), true)]
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.stock.coerce_types(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.stock.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.stock.inner().state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.stock.inner().groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_field.data_type().clone();
        match (&data_type, self.is_greatest) {
            (DataType::Float64, true) => Ok(Box::new(
                PrimitiveGroupsAccumulator::<Float64Type, _>::new(&data_type, take_greater)
                    .with_starting_value(f64::NEG_INFINITY),
            )),
            (DataType::Float64, false) => Ok(Box::new(
                PrimitiveGroupsAccumulator::<Float64Type, _>::new(&data_type, take_less).with_starting_value(f64::NAN),
            )),
            _ => self.stock.inner().create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.stock.inner().create_sliding_accumulator(args)
    }

    fn is_descending(&self) -> Option<bool> {
        self.stock.inner().is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.stock.inner().value_from_stats(args)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.stock.inner().set_monotonicity(data_type)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }
}

fn take_greater(greatest: &mut f64, number: f64) {
    if number.is_nan() || number > *greatest {
        *greatest = number;
    }
}

fn take_less(least: &mut f64, number: f64) {
    if least.is_nan() || number < *least {
        *least = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_the_greatest_wherever_it_comes_and_infinities_are_what_they_are() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        for (numbers, least, greatest) in [
            (&[1.0, nan, 2.0][..], 1.0, nan),
            (&[nan, 1.0, 2.0], 1.0, nan),
            (&[1.0, 2.0, nan], 1.0, nan),
            (&[nan, nan], nan, nan),
            (&[-infinity], -infinity, -infinity),
            (&[infinity, infinity], infinity, infinity),
            (&[3.0, -infinity, 4.0], -infinity, 4.0),
        ] {
            let (mut less, mut greater) = (nan, -infinity);
            for number in numbers {
                take_less(&mut less, *number);
                take_greater(&mut greater, *number);
            }
            assert_eq!([less.to_bits(), greater.to_bits()], [least.to_bits(), greatest.to_bits()], "{numbers:?}");
        }
    }
}

//! `min` and `max` of numbers in groups: NaN is greater than every number, as in PostgreSQL, in whatever order the rows come.
//!
//! DataFusion's own take the row after a NaN for the extreme, and begin with the greatest finite number, so that a group of infinities has
//! that one. Without groups, and for other types, they are right, and are called here.

use std::sync::Arc;

use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{AggregateUDF, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

use super::instead::{InsteadOfAggregate, aggregate};

/// `min` or `max` of DataFusion, but for numbers in groups.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    stock: Arc<AggregateUDF>,
    is_greatest: bool,
}

/// Lists the aggregates, which stand in for those of DataFusion under their names.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let made = |stock, is_greatest| aggregate(Extreme { stock, is_greatest });
    vec![made(min_udaf(), false), made(max_udaf(), true)]
}

impl InsteadOfAggregate for Extreme {
    fn stock(&self) -> &Arc<AggregateUDF> {
        &self.stock
    }

    fn groups(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
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

//! The aggregates of a stage, which are found by their names.
//!
//! Where a statement is planned, a name such as `sum` becomes one of several aggregates by the type of its argument: of integers one that is checked,
//! of doubles one that is exact, of decimals a mean that is rounded. A plan that goes to another process names them all `sum`. There one aggregate of
//! that name chooses again, by the same types.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_aggregate::stddev::{stddev_pop_udaf, stddev_udaf};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::functions_aggregate::variance::{var_pop_udaf, var_samp_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, GroupsAccumulator};

use super::exact::exact;
use super::instead::{InsteadOfAggregate, aggregate};
use super::means::rounded;
use super::postgres::{checked_sum, of_frames};

/// Returns the aggregates that the session of a stage has in the place of those that statements are planned with.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    stocks().into_iter().map(|stock| aggregate(ByType { stock })).collect()
}

fn stocks() -> [Arc<AggregateUDF>; 6] {
    [sum_udaf(), avg_udaf(), var_samp_udaf(), var_pop_udaf(), stddev_udaf(), stddev_pop_udaf()]
}

/// Says whether the session of a stage computes what an aggregate of a plan does. `known` is what the session that plans has under its name.
pub fn is_found_by_name(call: &AggregateUDF, known: Option<&AggregateUDF>, argument: Option<&DataType>) -> bool {
    let stock = stocks().into_iter().find(|stock| stock.name() == call.name());
    match (stock, argument) {
        (Some(stock), Some(argument)) => {
            let over_windows = of_frames(&stock, argument);
            *call == *chosen(&stock, argument) || over_windows.is_some_and(|frames| *call == *frames)
        }
        // Ours differ from DataFusion's for doubles alone.
        (None, Some(argument)) if *argument != DataType::Float64 => {
            known == Some(call) || *call == *min_udaf() || *call == *max_udaf()
        }
        _ => known == Some(call),
    }
}

/// Returns the aggregate that a plan has for a type.
fn chosen(stock: &Arc<AggregateUDF>, argument: &DataType) -> Arc<AggregateUDF> {
    let checked = if stock.name() == "sum" { checked_sum(argument) } else { None };
    checked.or_else(|| exact(stock, argument)).or_else(|| rounded(stock, argument)).unwrap_or_else(|| Arc::clone(stock))
}

/// The aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ByType {
    stock: Arc<AggregateUDF>,
}

impl ByType {
    fn of(&self, fields: &[FieldRef]) -> Arc<AggregateUDF> {
        match fields.first() {
            Some(field) => chosen(&self.stock, field.data_type()),
            None => Arc::clone(&self.stock),
        }
    }
}

impl InsteadOfAggregate for ByType {
    fn stock(&self) -> &Arc<AggregateUDF> {
        &self.stock
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.of(args.expr_fields).accumulator(args)
    }

    fn sliding(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let over_windows = args.expr_fields.first().and_then(|field| of_frames(&self.stock, field.data_type()));
        let chosen = over_windows.unwrap_or_else(|| self.of(args.expr_fields));
        chosen.inner().create_sliding_accumulator(args)
    }

    fn has_groups(&self, args: AccumulatorArgs<'_>) -> bool {
        self.of(args.expr_fields).inner().groups_accumulator_supported(args)
    }

    fn groups(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.of(args.expr_fields).inner().create_groups_accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.of(args.input_fields).inner().state_fields(args)
    }
}

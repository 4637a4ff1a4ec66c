//! The frames of what stands in for a function or an aggregate of DataFusion's under its name, and computes a part of the calls otherwise.
//!
//! What one of ours does not say itself is the answer of the one that it stands in for, so that it is found, typed, documented and planned
//! as that one is. [`frame`](super::frame) is the frame of functions that are wholly ours.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Documentation, Expr, GroupsAccumulator,
    ReturnFieldArgs, ReversedUDAF, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, SetMonotonicity, Signature,
    StatisticsArgs,
};

/// A function that stands in for one of DataFusion's.
pub(crate) trait Instead: Debug + Eq + Hash + Send + Sync + 'static {
    /// The one that it stands in for.
    fn stock(&self) -> &Arc<ScalarUDF>;

    /// Computes a call.
    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue>;
}

/// An aggregate that stands in for one of DataFusion's.
pub(crate) trait InsteadOfAggregate: Debug + Eq + Hash + Send + Sync + 'static {
    /// The one that it stands in for.
    fn stock(&self) -> &Arc<AggregateUDF>;

    /// Makes what holds the state of all rows.
    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.stock().accumulator(args)
    }

    /// Makes what holds the state of a frame that slides.
    fn sliding(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.stock().inner().create_sliding_accumulator(args)
    }

    /// Says whether there is something that holds the states of many groups.
    fn has_groups(&self, args: AccumulatorArgs<'_>) -> bool {
        self.stock().inner().groups_accumulator_supported(args)
    }

    /// Makes what holds the states of many groups.
    fn groups(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.stock().inner().create_groups_accumulator(args)
    }

    /// Lists the columns of a partial state.
    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.stock().inner().state_fields(args)
    }

    /// Says whether the order of the rows changes the answer.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock().order_sensitivity()
    }

    /// Returns the aggregate that gives the same of rows in the opposite order.
    fn reversed(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// Makes a function as DataFusion knows it.
pub(crate) fn function(function: impl Instead) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Framed(function)))
}

/// Makes an aggregate as DataFusion knows it.
pub(crate) fn aggregate(aggregate: impl InsteadOfAggregate) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Framed(aggregate)))
}

/// Says whether an aggregate is one that was made of this kind.
pub(crate) fn stands_in_by<F: InsteadOfAggregate>(function: &AggregateUDF) -> bool {
    function.inner().downcast_ref::<Framed<F>>().is_some()
}

/// The node around a function or an aggregate.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Framed<F>(F);

impl<F: Instead> ScalarUDFImpl for Framed<F> {
    fn name(&self) -> &str {
        self.0.stock().name()
    }

    fn aliases(&self) -> &[String] {
        self.0.stock().aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.stock().signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.stock().return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.0.stock().return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.0.stock().coerce_types(types)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.0.stock().simplify(args, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.0.invoke(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.stock().documentation()
    }
}

impl<F: InsteadOfAggregate> AggregateUDFImpl for Framed<F> {
    fn name(&self) -> &str {
        self.0.stock().name()
    }

    fn aliases(&self) -> &[String] {
        self.0.stock().aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.stock().signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.stock().return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.0.stock().coerce_types(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.0.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.0.sliding(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.0.has_groups(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.0.groups(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.0.state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    /// None of ours gains by rows that come in order.
    fn with_beneficial_ordering(self: Arc<Self>, _is_ordered: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.0.reversed()
    }

    fn is_descending(&self) -> Option<bool> {
        self.0.stock().inner().is_descending()
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.0.stock().inner().value_from_stats(args)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.0.stock().inner().set_monotonicity(data_type)
    }

    fn supports_within_group_clause(&self) -> bool {
        self.0.stock().inner().supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.stock().documentation()
    }
}

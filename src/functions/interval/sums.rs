//! `sum` and `avg` that take intervals too.
//!
//! They compute nothing: `engine/rules/intervals` puts DataFusion's own in their place, for intervals those of months, days and
//! times apart.

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::datatypes::FieldRef;
use datafusion::common::{Result, internal_err};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Coercion, Documentation, Signature, TypeSignature, TypeSignatureClass,
    Volatility,
};

use super::{INTERVAL, is_interval};

/// An aggregate of DataFusion that takes intervals too.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfIntervals {
    stock: Arc<AggregateUDF>,
    signature: Signature,
}

/// Lists the aggregates. They belong to sessions with the rule that replaces them.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let made = |stock: Arc<AggregateUDF>| {
        let interval = TypeSignature::Coercible(vec![Coercion::new_exact(TypeSignatureClass::Interval)]);
        let signatures = vec![stock.signature().type_signature.clone(), interval];
        let signature = Signature::one_of(signatures, Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(OfIntervals { stock, signature }))
    };
    vec![made(sum_udaf()), made(avg_udaf())]
}

/// Returns DataFusion's aggregate where one of ours stands; `None` where it is no such one.
pub fn stock(function: &AggregateUDF) -> Option<Arc<AggregateUDF>> {
    function.inner().downcast_ref::<OfIntervals>().map(|ours| Arc::clone(&ours.stock))
}

impl AggregateUDFImpl for OfIntervals {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(first) if is_interval(first) => Ok(INTERVAL),
            _ => self.stock.return_type(types),
        }
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        internal_err!("{} was not replaced by DataFusion's own", self.name())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.stock.inner().state_fields(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }
}

//! `lag` and `lead`, which are DataFusion's but for two things.
//!
//! With IGNORE NULLS and rows behind the current one, DataFusion 55.2 evaluates row by row and forgets the nulls between the values that it knows of, so
//! that from the second value on it takes the wrong row, and looks through all rows behind each row of a tail of nulls. Such a call is computed of
//! whole partitions here, by a way of DataFusion's that has neither fault.
//!
//! A limit above a window is made the limit of the window's input by what a function says of the rows that it looks at. DataFusion's `lag` says
//! that those are behind it, also with a negative offset, and its `lead` does not think of nulls that are left out. Ours say nothing.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::logical_expr::function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Documentation, LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;

/// The functions, in the order of their names.
static NEIGHBOURS: LazyLock<[Arc<WindowUDF>; 2]> =
    LazyLock::new(|| [lag_udwf(), lead_udwf()].map(|stock| Arc::new(WindowUDF::new_from_impl(Neighbour { stock }))));

/// Lists `lag` and `lead`.
pub fn neighbours() -> &'static [Arc<WindowUDF>] {
    NEIGHBOURS.as_slice()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Neighbour {
    /// The one that it stands in for.
    stock: Arc<WindowUDF>,
}

impl WindowUDFImpl for Neighbour {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn expressions(&self, args: ExpressionArgs<'_>) -> Vec<Arc<dyn PhysicalExpr>> {
        self.stock.expressions(args)
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        let ignores_nulls = args.ignore_nulls();
        let stock = self.stock.inner().partition_evaluator(args)?;
        let is_whole = ignores_nulls && !stock.is_causal();
        Ok(if is_whole { Box::new(OfWholePartitions(stock)) } else { stock })
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        self.stock.field(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.stock.coerce_types(types)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        match self.stock.reverse_expr() {
            // The same function, told that the rows come in the opposite order.
            ReversedUDWF::Reversed(stock) => ReversedUDWF::Reversed(Arc::new(WindowUDF::new_from_impl(Self { stock }))),
            other => other,
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn limit_effect(&self, _: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        LimitEffect::Unknown
    }
}

/// Evaluates all rows of a partition at once.
#[derive(Debug)]
struct OfWholePartitions(Box<dyn PartitionEvaluator>);

impl PartitionEvaluator for OfWholePartitions {
    fn get_range(&self, row: usize, rows: usize) -> Result<Range<usize>> {
        self.0.get_range(row, rows)
    }

    fn is_causal(&self) -> bool {
        self.0.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.0.evaluate_all(values, rows)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        self.0.evaluate(values, range)
    }

    fn supports_bounded_execution(&self) -> bool {
        false
    }
}

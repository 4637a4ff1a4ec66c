//! The window functions that are known here, and what each asks for.

use std::sync::Arc;

use datafusion::arrow::array::new_empty_array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_plan::windows::WindowUDFExpr;

use crate::functions::postgres::neighbours;

/// The farthest row that is looked for: rows between are kept.
const FARTHEST: usize = 1_024;
/// A row that is asked for in trial: an offset shows, since it is far from the first row and, with [`ROWS`], from the last.
const ROW: usize = 1 << 40;
/// See [`ROW`].
const ROWS: usize = 1 << 41;

/// A function of a window.
#[derive(Debug, Clone)]
pub(super) enum Function {
    /// The number of the row in its partition, from one.
    RowNumber,
    /// The value of a row of the same partition, or a default where there is no such row.
    Neighbour(Neighbour),
}

/// What a `lag` or `lead` asks for.
#[derive(Debug, Clone)]
pub(super) struct Neighbour {
    /// What is computed of each row.
    pub value: Arc<dyn PhysicalExpr>,
    /// How many rows before the current one.
    pub before: usize,
    /// How many rows after the current one; one of the two is zero.
    pub after: usize,
    /// The value where there is no such row.
    pub default: ScalarValue,
}

impl Function {
    /// Reads a window expression over rows of a schema; `None` for one that is not known here.
    ///
    /// # Errors
    /// Expressions that do not fit the schema.
    pub(super) fn of(expr: &Arc<dyn WindowExpr>) -> Result<Option<Self>> {
        let Some(standard) = expr.as_any().downcast_ref::<StandardWindowExpr>() else { return Ok(None) };
        let function = standard.get_standard_func_expr();
        let Some(udwf) = function.as_any().downcast_ref::<WindowUDFExpr>() else { return Ok(None) };
        if *udwf.fun() == row_number_udwf() {
            return Ok(Some(Self::RowNumber));
        }
        if !neighbours().contains(udwf.fun()) && *udwf.fun() != lag_udwf() && *udwf.fun() != lead_udwf() {
            return Ok(None);
        }
        // The row itself: its evaluator asks for as much as that of the next row.
        let offset = udwf.args().get(1).and_then(|offset| offset.downcast_ref::<Literal>()).map(Literal::value);
        if offset.is_some_and(|offset| offset.cast_to(&DataType::Int64).ok() == Some(ScalarValue::Int64(Some(0)))) {
            return Ok(None);
        }
        let field = expr.field()?;
        let [value] = &expr.expressions()[..] else { return Ok(None) };
        if !is_known(field.data_type()) {
            return Ok(None);
        }
        // The expression shows neither its null treatment nor whether it was turned round, but its evaluator does: with IGNORE
        // NULLS it asks for all rows before or after, else for those up to its offset.
        let mut evaluator = function.create_evaluator()?;
        let range = evaluator.get_range(ROW, ROWS)?;
        let (before, after) = match evaluator.is_causal() {
            true => (ROW.saturating_sub(range.start), 0),
            false => (0, range.end.saturating_sub(ROW)),
        };
        if !(1..=FARTHEST).contains(&before.max(after)) {
            return Ok(None);
        }
        // Among no rows there is no neighbour.
        let default = evaluator.evaluate(&[new_empty_array(field.data_type())], &(0..0))?;
        if default.data_type() != *field.data_type() {
            return Ok(None);
        }
        Ok(Some(Self::Neighbour(Neighbour { value: Arc::clone(value), before, after, default })))
    }
}

/// Says whether the kernels that compare and mask columns know a type.
pub(super) fn is_known(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, Boolean, LargeBinary, LargeUtf8, Utf8, Utf8View};
    data_type.is_primitive()
        || matches!(data_type, Boolean | Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView)
}

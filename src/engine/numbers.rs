//! Gives columns of numbers one meaning in the files of every writer: NaN is one value, greater than every number, as in PostgreSQL, and
//! so is zero.
//!
//! Comparisons, sorts and hashes tell NaN with a sign, which many processors make of 0/0, from NaN without, and -0 from 0. And the
//! statistics in footers leave NaN out, so that a bound says nothing of it. Files of ours that say that a column has none
//! ([`NAN_KEY`]) have neither. In all others the column is read through a function, which no statistics are asked about.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, Float64Type, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

use crate::functions::frame::Function;
use crate::lake::footer::NAN_KEY;
use crate::lake::read;

/// Makes the rewriters of a scan's files, over others.
#[derive(Debug)]
pub(super) struct NumberAdapterFactory<F> {
    inner: F,
}

impl<F: PhysicalExprAdapterFactory> NumberAdapterFactory<F> {
    /// Makes the factory over one that does the rest.
    pub(super) fn over(inner: F) -> Self {
        Self { inner }
    }
}

impl<F: PhysicalExprAdapterFactory> PhysicalExprAdapterFactory for NumberAdapterFactory<F> {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let nan = physical.metadata().get(NAN_KEY);
        let may_be_nan = |name: &str| nan.is_none_or(|names| names.split(',').any(|named| named == name));
        let odd: Vec<String> = logical
            .fields()
            .iter()
            .filter(|field| *field.data_type() == DataType::Float64 && may_be_nan(field.name()))
            // What is stored in other types has no NaN.
            .filter(|field| physical.field_with_name(field.name()).is_ok_and(|stored| stored.data_type().is_floating()))
            .map(|field| field.name().clone())
            .collect();
        let inner = self.inner.create(logical, physical)?;
        Ok(if odd.is_empty() { inner } else { Arc::new(NumberAdapter { inner, odd }) })
    }
}

#[derive(Debug)]
struct NumberAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    /// Names of columns that may hold NaN.
    odd: Vec<String>,
}

impl PhysicalExprAdapter for NumberAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let plain = |expr: Arc<dyn PhysicalExpr>| {
            let is_odd =
                expr.downcast_ref::<Column>().is_some_and(|column| self.odd.iter().any(|n| n == column.name()));
            Ok(match is_odd {
                true => Transformed::new(read_plainly(expr), true, TreeNodeRecursion::Jump),
                false => Transformed::no(expr),
            })
        };
        self.inner.rewrite(expr.transform_down(plain).data()?)
    }
}

/// Reads a column of numbers through [`PLAIN_NUMBER`].
fn read_plainly(column: Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    let function = PLAIN_NUMBER.udf();
    let name = function.name().to_owned();
    let field = Arc::new(Field::new(&name, DataType::Float64, true));
    Arc::new(ScalarFunctionExpr::new(&name, function, vec![column], field, Arc::new(ConfigOptions::default())))
}

/// A private function of a number: the same, but of all NaN the one without a sign, and 0 for -0.
static PLAIN_NUMBER: Function = Function::new(
    "plain_number",
    |_| Ok(DataType::Float64),
    |call| match call.args.args.first().map(|number| number.to_array(call.args.number_rows)).transpose()? {
        Some(numbers) if *numbers.data_type() == DataType::Float64 => {
            Ok(ColumnarValue::Array(plain(numbers.as_primitive())))
        }
        _ => exec_err!("numbers expected"),
    },
);

fn plain(numbers: &Float64Array) -> ArrayRef {
    Arc::new(numbers.unary::<_, Float64Type>(read::plain_number))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use datafusion::physical_expr_adapter::DefaultPhysicalExprAdapterFactory;

    use super::*;

    #[test]
    fn there_is_one_nan_and_one_zero() {
        let numbers = Float64Array::from(vec![Some(-f64::NAN), Some(f64::NAN), Some(-0.0), Some(1.5), None]);
        let plain = plain(&numbers);
        let bits: Vec<_> = plain.as_primitive::<Float64Type>().iter().map(|number| number.map(f64::to_bits)).collect();
        let expected = [Some(f64::NAN), Some(f64::NAN), Some(0.0), Some(1.5), None];
        assert_eq!(bits, expected.map(|number| number.map(f64::to_bits)));
    }

    #[test]
    fn a_column_is_read_as_it_is_where_the_file_says_that_it_has_no_nan() {
        let column = |data_type| Field::new("seconds", data_type, true);
        let logical = Arc::new(Schema::new(vec![column(DataType::Float64)]));
        for (stored, said, is_read_through_a_function) in [
            (DataType::Float64, None, true),
            (DataType::Float32, None, true),
            (DataType::Int64, None, false),
            (DataType::Float64, Some(""), false),
            (DataType::Float64, Some("other"), false),
            (DataType::Float64, Some("other,seconds"), true),
        ] {
            let metadata = said.map(|names| (NAN_KEY.to_owned(), names.to_owned()));
            let physical = Schema::new(vec![column(stored)]).with_metadata(metadata.into_iter().collect());
            let factory = NumberAdapterFactory::over(DefaultPhysicalExprAdapterFactory);
            let adapter = factory.create(Arc::clone(&logical), Arc::new(physical)).unwrap();
            let rewritten = adapter.rewrite(Arc::new(Column::new("seconds", 0))).unwrap();
            assert_eq!(rewritten.to_string().contains("plain_number"), is_read_through_a_function, "{said:?}");
        }
    }
}

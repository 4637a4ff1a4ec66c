//! Conditions over lists, in a form that the Parquet reader's row filter takes.
//!
//! A scan promises a pushed condition by the columns of the table, where JSON is text. In a file some of its calls become lists, the leaves inside
//! arrays. DataFusion 55.2 (`datafusion-datasource-parquet`, `row_filter.rs`) takes a condition with a list column only if there is a test for null or
//! one of the `array_has` functions somewhere in it, and leaves out any other without a word, so that every row would pass. Such a condition gets a
//! test for null that changes nothing.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::datasource::physical_plan::parquet::can_expr_be_pushed_down_with_schemas;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNotNullExpr, IsNullExpr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};

/// Returns an expression of a file with the same values of which no condition is left out where it is a row filter.
///
/// # Errors
/// An expression over columns that the file does not have.
pub(super) fn filterable(expr: Arc<dyn PhysicalExpr>, file: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    let lists = |expr: &Arc<dyn PhysicalExpr>| -> Option<Column> {
        let mut lists: Vec<Column> = collect_columns(expr)
            .into_iter()
            .filter(|column| {
                file.fields().get(column.index()).is_some_and(|field| matches!(field.data_type(), DataType::List(_)))
            })
            .collect();
        lists.sort_by_key(Column::index);
        lists.into_iter().next()
    };
    // Most expressions have no list.
    if lists(&expr).is_none() || expr.data_type(file)? != DataType::Boolean {
        return Ok(expr);
    }
    let conditions = split_conjunction(&expr).into_iter().map(|condition| match lists(condition) {
        Some(list) if !can_expr_be_pushed_down_with_schemas(condition, file) => with_null_test(condition, list),
        _ => Arc::clone(condition),
    });
    Ok(conjunction(conditions))
}

/// Returns `condition OR (list IS NULL AND list IS NOT NULL)`, which is the condition.
fn with_null_test(condition: &Arc<dyn PhysicalExpr>, list: Column) -> Arc<dyn PhysicalExpr> {
    let list: Arc<dyn PhysicalExpr> = Arc::new(list);
    let never = BinaryExpr::new(
        Arc::new(IsNullExpr::new(Arc::clone(&list))),
        Operator::And,
        Arc::new(IsNotNullExpr::new(list)),
    );
    Arc::new(BinaryExpr::new(Arc::clone(condition), Operator::Or, Arc::new(never)))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};
    use datafusion::physical_expr::expressions::{binary, col, lit};

    use super::*;
    use crate::shred::leaf::list_type;

    #[test]
    fn every_condition_over_a_list_is_one_that_a_row_filter_takes() {
        let list = Field::new("list", list_type(DataType::Utf8View), true);
        let file: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true), list]));
        let column = |name: &str| col(name, &file).unwrap();
        let of_list = binary(column("list"), Operator::Eq, column("list"), &file).unwrap();
        let of_number = binary(column("n"), Operator::Gt, lit(1_i64), &file).unwrap();
        assert!(!can_expr_be_pushed_down_with_schemas(&of_list, &file), "the reader takes such conditions by now");
        let both = conjunction([Arc::clone(&of_number), Arc::clone(&of_list)]);
        let either = Arc::new(BinaryExpr::new(Arc::clone(&of_number), Operator::Or, Arc::clone(&of_list))) as _;
        for condition in [of_list, both, either] {
            let filterable = filterable(condition, &file).unwrap();
            for condition in split_conjunction(&filterable) {
                assert!(can_expr_be_pushed_down_with_schemas(condition, &file), "{condition}");
            }
        }
        // What is no condition over a list is as it was.
        for other in [of_number, column("list")] {
            let same = super::filterable(Arc::clone(&other), &file).unwrap();
            assert!(Arc::ptr_eq(&same, &other));
        }
    }
}

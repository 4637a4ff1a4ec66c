//! Leaves out files that cannot hold a row of the answer, by what the log says of them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use crate::lake::{DataFile, End, bounds};

/// The log's statistics as columns, a value a file: of those columns that a predicate names.
struct FileStatistics<'a> {
    files: &'a [DataFile],
    schema: SchemaRef,
}

impl FileStatistics<'_> {
    fn bounds(&self, column: &Column, end: End) -> Option<ArrayRef> {
        let field = self.schema.field_with_name(&column.name).ok()?;
        bounds(self.files.iter().map(|file| &file.columns), &column.name, field.data_type(), end)
    }
}

impl PruningStatistics for FileStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, End::Lower)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, End::Upper)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self.files.iter().map(|file| file.columns.null_count(&column.name));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| file.rows).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Returns the files that may hold rows for which the predicate is true.
///
/// # Errors
/// A predicate that cannot be evaluated.
pub fn prune<'a>(
    files: &'a [DataFile],
    schema: &SchemaRef,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
) -> Result<Vec<&'a DataFile>> {
    let Some(predicate) = predicate else { return Ok(files.iter().collect()) };
    let pruning = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).build(Arc::clone(predicate));
    let Some(pruning) = pruning else { return Ok(files.iter().collect()) };
    let kept = pruning.prune(&FileStatistics { files, schema: Arc::clone(schema) })?;
    Ok(files.iter().zip(kept).filter(|(_, kept)| *kept).map(|(file, _)| file).collect())
}

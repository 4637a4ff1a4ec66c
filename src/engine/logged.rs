//! What the log says of the files of a scan that runs.
//!
//! While a plan is made the log's statistics are asked as columns ([`super::prune`]). DataFusion asks those of single files when it opens one: bounds that
//! a filter which came up meanwhile may prune by, such as that of the newest ten rows; and what all rows of a file have, which it puts in the place
//! of the column. A file with the statistics of all columns is some kilobytes: so files are told them when the scan begins, those of the
//! columns that it names, and only where there is a filter, or a column that is in the log alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use object_store::path::Path;

use crate::lake::DataFile;

/// The files of a table, as the log knows them, for a scan of some columns.
pub(super) struct LoggedFiles<'a> {
    /// In the order of their paths.
    files: &'a [DataFile],
    /// The table's columns.
    schema: &'a SchemaRef,
    /// The numbers of the columns that the scan names.
    named: BTreeSet<usize>,
    filters: bool,
    /// Files by where they are, if some are elsewhere than their names in the log say.
    placed: OnceLock<HashMap<Path, &'a DataFile>>,
}

impl<'a> LoggedFiles<'a> {
    /// Begins a scan with this projection and predicate.
    pub(super) fn of(
        (files, schema): (&'a [DataFile], &'a SchemaRef),
        projection: &ProjectionExprs,
        predicate: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Self {
        let expressions = projection.iter().map(|projected| &projected.expr).chain(predicate);
        let named = expressions.flat_map(collect_columns).map(|column| column.index()).collect();
        Self { files, schema, named, filters: predicate.is_some(), placed: OnceLock::new() }
    }

    /// Tells a file what the log says of it, where that may be asked.
    pub(super) fn told_to(&self, file: PartitionedFile) -> PartitionedFile {
        match self.find(file.path()).filter(|logged| self.filters || logged.columns.has_constants()) {
            Some(logged) => file.with_statistics(Arc::new(self.statistics(logged))),
            None => file,
        }
    }

    fn find(&self, location: &Path) -> Option<&'a DataFile> {
        if let Ok(at) = self.files.binary_search_by(|file| file.path.as_str().cmp(location.as_ref())) {
            return self.files.get(at);
        }
        if self.files.is_empty() {
            return None;
        }
        let placed = || self.files.iter().map(|file| (file.location(), file)).collect::<HashMap<_, _>>();
        self.placed.get_or_init(placed).get(location).copied()
    }

    fn statistics(&self, file: &DataFile) -> Statistics {
        let fields = self.schema.fields().iter().enumerate();
        let column_statistics = fields.map(|(at, field)| {
            let known = self.named.contains(&at).then(|| file.columns.get(field.name())).flatten();
            let mut statistics = ColumnStatistics::new_unknown();
            let Some(known) = known else { return statistics };
            // Bounds may be cut or rounded by a foreign writer: they prune, but are no answers.
            let bound = |value: Option<ScalarValue>| match value {
                Some(value) if value.data_type() == *field.data_type() => Precision::Inexact(value),
                _ => Precision::Absent,
            };
            // DataFusion puts what all rows of a file have in the place of the column.
            (statistics.min_value, statistics.max_value) = match known.constant.clone() {
                Some(constant) if constant.is_null() => (Precision::Absent, Precision::Absent),
                Some(constant) => (Precision::Exact(constant.clone()), Precision::Exact(constant)),
                None => (bound(known.lower_bound()), bound(known.upper_bound())),
            };
            if let Some(nulls) = known.null_count {
                statistics.null_count = Precision::Exact(nulls as usize);
            }
            statistics
        });
        Statistics {
            num_rows: file.rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize)),
            total_byte_size: Precision::Inexact(file.size_bytes as usize),
            column_statistics: column_statistics.collect(),
        }
    }
}

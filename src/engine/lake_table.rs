//! A table of a lake at one version, as the planner sees it: it finds the files that a scan reads, and tells what the log knows of them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, Statistics, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::conjunction_opt;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::bloom;
use super::json_sources::FileSchemas;
use super::options::AlreadyCounted;
use super::prune::prune;
use super::readers::partitioned;
use super::scan::{Leaves, ScanParts, ScannedTable, SessionScanExec};
use crate::lake::deletions::live_rows;
use crate::lake::{Costs, DataFile, SessionIndex, Table, Version};

/// A table of a lake at one version, as the planner sees it.
#[derive(Debug)]
pub struct LakeTable {
    scanned: Arc<ScannedTable>,
    files: Arc<Vec<DataFile>>,
    /// What the files hold, where a statement is explained.
    explained: Option<Arc<FileSchemas>>,
}

impl LakeTable {
    /// Makes a table of data files whose paths are in the store registered under `store`.
    pub fn new(
        name: &str,
        version: Version,
        store: ObjectStoreUrl,
        schema: SchemaRef,
        files: Arc<Vec<DataFile>>,
        leaves: Leaves,
    ) -> Self {
        let scanned = Arc::new(ScannedTable::new(name, version, store, schema, leaves));
        Self { scanned, files, explained: None }
    }

    /// Counts what scans of the table cost.
    pub(super) fn counting(mut self, costs: Option<&Arc<Costs>>) -> Self {
        if let Some(scanned) = Arc::get_mut(&mut self.scanned) {
            scanned.costs = costs.cloned();
        }
        self
    }

    /// Asks an index which files may have the sessions that scans look up.
    pub(super) fn indexed(mut self, index: &Arc<SessionIndex>) -> Self {
        if let Some(scanned) = Arc::get_mut(&mut self.scanned) {
            scanned.index = Some(Arc::clone(index));
        }
        self
    }

    /// Lets other processes read some of the files for this one. Columns that folders stand for are in the log alone, which others do not read.
    pub(super) fn told(mut self, table: &Table) -> Self {
        let in_log_alone = |file: &DataFile| file.columns.values().any(|column| column.constant.is_some());
        if let Some(scanned) = Arc::get_mut(&mut self.scanned)
            && !self.files.iter().any(in_log_alone)
        {
            scanned.origin = Some(table.origin());
        }
        self
    }

    /// The same table, whose scans say where JSON paths come from.
    pub(super) fn explained(&self, schemas: Arc<FileSchemas>) -> Self {
        Self { scanned: Arc::clone(&self.scanned), files: Arc::clone(&self.files), explained: Some(schemas) }
    }

    /// The data files.
    pub(super) fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// Where the files are.
    pub(super) fn store(&self) -> &ObjectStoreUrl {
        &self.scanned.store
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.scanned.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The filter stays in the logical plan; the physical optimizer moves it into the scan, which then evaluates it fully.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(table_statistics(&self.files, &self.scanned.schema))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = &self.scanned.schema;
        let qualified = datafusion::common::DFSchema::try_from(Arc::clone(schema))?;
        let predicates: Vec<_> =
            filters.iter().map(|f| state.create_physical_expr(f.clone(), &qualified)).collect::<Result<_>>()?;
        let predicate = conjunction_opt(predicates);
        let files = prune(&self.files, schema, predicate.as_ref())?;
        let left_by_log = files.len();
        let index = self.scanned.index.as_deref();
        let files = bloom::prune(files, predicate.as_ref(), &self.scanned.store, index, state).await?;
        if let Some(costs) = &self.scanned.costs
            && state.config().get_extension::<AlreadyCounted>().is_none()
        {
            costs.scan(self.files.len(), left_by_log, files.len());
        }
        if files.is_empty() {
            // A scan without files would have no partition, which operators that need one refuse.
            return Ok(Arc::new(EmptyExec::new(project_schema(schema, projection)?)));
        }
        let indices: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let partitions = state.config().target_partitions();
        let mut files_of_scan = Vec::with_capacity(files.len());
        for file in &files {
            let mut scanned = partitioned_file(file, schema);
            if file.deletion.is_some() {
                let store = state.runtime_env().object_store(&self.scanned.store)?;
                if let Some(rows) = live_rows(&store, file).await? {
                    scanned = scanned.with_extension(ParquetRowSelection::new(rows));
                }
            }
            files_of_scan.push(scanned);
        }
        let files_of_scan = FileGroup::new(files_of_scan);
        let mut groups = files_of_scan.split_files(partitions);
        if groups.is_empty() {
            // A scan of no file still has one partition: a node with none satisfies no distribution that others ask for.
            groups.push(FileGroup::default());
        }
        let parts = ScanParts {
            table: Arc::clone(&self.scanned),
            total_files: self.files.len(),
            statistics: table_statistics(&files, schema),
            groups,
            projection: ProjectionExprs::from_indices(&indices, schema),
            // Not yet: the physical optimizer pushes the filter that stays above, and a second copy would be evaluated twice.
            predicate: None,
            limit,
            explained: self.explained.clone(),
        };
        Ok(Arc::new(SessionScanExec::new(parts)?))
    }
}

fn partitioned_file(file: &DataFile, schema: &SchemaRef) -> PartitionedFile {
    partitioned(file).with_statistics(Arc::new(file_statistics(file, schema)))
}

fn file_statistics(file: &DataFile, schema: &SchemaRef) -> Statistics {
    let column_statistics = schema
        .fields()
        .iter()
        .map(|field| {
            let mut statistics = ColumnStatistics::new_unknown();
            if let Some(known) = file.columns.get(field.name()) {
                // Bounds may be cut or rounded by a foreign writer: they prune, but are no answers.
                let bound = |value: Option<datafusion::common::ScalarValue>| match value {
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
            }
            statistics
        })
        .collect();
    Statistics {
        num_rows: file.rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize)),
        total_byte_size: Precision::Inexact(file.size_bytes as usize),
        column_statistics,
    }
}

fn table_statistics(files: &[DataFile], schema: &SchemaRef) -> Statistics {
    let mut sum = Statistics {
        num_rows: Precision::Exact(0),
        total_byte_size: Precision::Inexact(0),
        column_statistics: vec![
            ColumnStatistics { null_count: Precision::Exact(0), ..ColumnStatistics::new_unknown() };
            schema.fields().len()
        ],
    };
    for (index, file) in files.iter().enumerate() {
        let one = file_statistics(file, schema);
        sum.num_rows = sum.num_rows.add(&one.num_rows);
        sum.total_byte_size = sum.total_byte_size.add(&one.total_byte_size);
        for (sum, one) in sum.column_statistics.iter_mut().zip(one.column_statistics) {
            sum.null_count = sum.null_count.add(&one.null_count);
            sum.min_value = if index == 0 { one.min_value } else { sum.min_value.min(&one.min_value) };
            sum.max_value = if index == 0 { one.max_value } else { sum.max_value.max(&one.max_value) };
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use datafusion::datasource::physical_plan::FileSource;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::schema::stored_schema;

    /// A file without leaves may have the very columns of the table.
    #[tokio::test]
    async fn a_running_scan_has_the_schema_of_no_file() {
        let store = ObjectStoreUrl::parse("lake://test").unwrap();
        let file = DataFile { path: "a.parquet".to_owned(), size_bytes: 9, rows: Some(1), ..DataFile::default() };
        let table = LakeTable::new("t", 1, store, stored_schema(), Arc::new(vec![file]), Leaves::Read);
        let scan = table.scan(&SessionContext::new().state(), None, &[], None).await.unwrap();
        let parts = scan.downcast_ref::<SessionScanExec>().unwrap().parts();
        assert_ne!(parts.running_source().table_schema().file_schema(), &table.schema());
        assert_eq!(scan.schema(), table.schema());
    }
}

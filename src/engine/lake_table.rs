//! A table of a lake at one version, as the planner sees it: it finds the files that a scan reads, and tells what the log knows of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::{FieldRef, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics, project_schema};
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::{collect_columns, conjunction_opt};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::bloom;
use super::json_sources::FileSchemas;
use super::options::AlreadyCounted;
use super::prune::prune;
use super::readers::partitioned;
use super::scan::{Leaves, ScanParts, ScannedTable, SessionScanExec};
use crate::lake::deletions::live_rows;
use crate::lake::{Costs, DataFile, SessionIndex, Table, Version, range, read_footers};

/// A table of a lake at one version, as the planner sees it.
#[derive(Debug)]
pub struct LakeTable {
    scanned: Arc<ScannedTable>,
    /// What the log says of all files together, once that was asked.
    statistics: OnceLock<Statistics>,
    /// The footers that are read, where a statement is explained.
    explained: Option<Arc<Footers>>,
}

/// The footers that an explained statement has read.
pub(super) type Footers = Mutex<FileSchemas>;

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
        let scanned = ScannedTable { files, ..ScannedTable::new(name, version, store, schema, leaves) };
        Self { scanned: Arc::new(scanned), statistics: OnceLock::new(), explained: None }
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
        if let Some(scanned) = Arc::get_mut(&mut self.scanned)
            && !scanned.files.iter().any(|file| file.columns.has_constants())
        {
            scanned.origin = Some(table.origin());
        }
        self
    }

    /// The same table, whose scans say where JSON paths come from, by the footers of the files that they read.
    pub(super) fn explained(&self, footers: &Arc<Footers>) -> Self {
        Self { scanned: Arc::clone(&self.scanned), statistics: OnceLock::new(), explained: Some(Arc::clone(footers)) }
    }

    /// Reads the footers of files that are left, unless they are read.
    async fn footers(&self, files: &[&DataFile], state: &dyn Session) -> Result<Option<Arc<FileSchemas>>> {
        let Some(known) = &self.explained else { return Ok(None) };
        let known = || known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |file: &DataFile| format!("{}{}", self.scanned.store.as_str(), file.location());
        let missing: Vec<DataFile> = {
            let known = known();
            files.iter().filter(|file| !known.contains_key(&name(file))).map(|file| (*file).clone()).collect()
        };
        let store = state.runtime_env().object_store(&self.scanned.store)?;
        let footers = read_footers(&store, &missing).await?;
        let mut known = known();
        known.extend(missing.iter().zip(footers).map(|(file, footer)| (name(file), footer.schema)));
        let of_file = |file: &&DataFile| Some((file.location().to_string(), Arc::clone(known.get(&name(file))?)));
        Ok(Some(Arc::new(files.iter().filter_map(of_file).collect())))
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
        let all = || {
            let files: Vec<&DataFile> = self.scanned.files.iter().collect();
            table_statistics(&files, &self.scanned.schema, |_| true)
        };
        Some(self.statistics.get_or_init(all).clone())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (schema, all) = (&self.scanned.schema, self.scanned.files.as_slice());
        let qualified = datafusion::common::DFSchema::try_from(Arc::clone(schema))?;
        let predicates: Vec<_> =
            filters.iter().map(|f| state.create_physical_expr(f.clone(), &qualified)).collect::<Result<_>>()?;
        let predicate = conjunction_opt(predicates);
        let files = prune(all, schema, predicate.as_ref())?;
        let left_by_log = files.len();
        let index = self.scanned.index.as_deref();
        let files = bloom::prune(files, predicate.as_ref(), &self.scanned.store, index, state).await?;
        if let Some(costs) = &self.scanned.costs
            && state.config().get_extension::<AlreadyCounted>().is_none()
        {
            costs.scan(all.len(), left_by_log, files.len());
        }
        if files.is_empty() {
            // A scan without files would have no partition, which operators that need one refuse.
            return Ok(Arc::new(EmptyExec::new(project_schema(schema, projection)?)));
        }
        let explained = self.footers(&files, state).await?;
        let indices: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let partitions = state.config().target_partitions();
        let mut files_of_scan = Vec::with_capacity(files.len());
        for file in &files {
            let mut scanned = partitioned(file);
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
        let asked: BTreeSet<usize> = predicate.iter().flat_map(collect_columns).map(|column| column.index()).collect();
        let parts = ScanParts {
            table: Arc::clone(&self.scanned),
            total_files: all.len(),
            statistics: table_statistics(&files, schema, |at| indices.contains(&at) || asked.contains(&at)),
            groups: groups.into(),
            projection: ProjectionExprs::from_indices(&indices, schema),
            // Not yet: the physical optimizer pushes the filter that stays above, and a second copy would be evaluated twice.
            predicate: None,
            limit,
            explained,
        };
        Ok(Arc::new(SessionScanExec::new(parts)?))
    }
}

/// Sums what the log says of files, of the columns that are wanted.
fn table_statistics(files: &[&DataFile], schema: &SchemaRef, wanted: impl Fn(usize) -> bool) -> Statistics {
    let rows: Option<u64> = files.iter().map(|file| file.rows).sum();
    let bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
    let exact = |count: Option<u64>| count.map_or(Precision::Absent, |count| Precision::Exact(count as usize));
    let column = |(at, field): (usize, &FieldRef)| {
        let mut statistics = ColumnStatistics::new_unknown();
        if wanted(at) {
            let name = field.name();
            statistics.null_count = exact(files.iter().map(|file| file.columns.null_count(name)).sum());
            // Bounds may be cut or rounded by a foreign writer: they prune, but are no answers.
            let range = range(files.iter().map(|file| &file.columns), name, field.data_type());
            if let Some((least, greatest)) = range {
                let inexact = |bound: Option<ScalarValue>| bound.map_or(Precision::Absent, Precision::Inexact);
                (statistics.min_value, statistics.max_value) = (inexact(least), inexact(greatest));
            }
        }
        statistics
    };
    Statistics {
        num_rows: exact(rows),
        total_byte_size: Precision::Inexact(bytes as usize),
        column_statistics: schema.fields().iter().enumerate().map(column).collect(),
    }
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

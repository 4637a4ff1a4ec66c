//! Scans the data files of a lake's table.
//!
//! [`SessionScanExec`] is plain data: which table at which version, which files, which expressions over its columns, which filter,
//! how many rows. The Parquet source, with its readers and caches, is built from that in `execute`, so the node can cross
//! a wire and do the same scan on another machine. While a plan is made, a source is built for the length of a question (can this
//! projection be merged, this filter be pushed down?) and its answer is taken back into plain data.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::{ConfigOptions, TableParquetOptions};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Result, Statistics, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::conjunction_opt;
use datafusion::physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapterFactory};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use futures::StreamExt;

use super::bloom;
use super::json_sources::{FileSchemas, json_sources};
use super::leaves::ShredAdapterFactory;
use super::numbers::NumberAdapterFactory;
use super::prune::prune;
use super::readers::{KnownSchemas, SessionReaders, partitioned};
use crate::lake::deletions::live_rows;
use crate::lake::{Costs, DataFile, SessionIndex, Version};

/// A table of a lake at one version, as the planner sees it.
#[derive(Debug)]
pub struct LakeTable {
    scanned: Arc<ScannedTable>,
    files: Arc<Vec<DataFile>>,
    /// What the files hold, where a statement is explained.
    explained: Option<Arc<FileSchemas>>,
}

/// What a scan knows of its table.
#[derive(Debug)]
struct ScannedTable {
    name: String,
    version: Version,
    store: ObjectStoreUrl,
    schema: SchemaRef,
    leaves: Leaves,
    /// What the session has learnt of the files. A scan that is sent elsewhere begins with nothing.
    known: Arc<KnownSchemas>,
    /// What scans are counted in, if they are.
    costs: Option<Arc<Costs>>,
    /// The index of session ids, of a table that may have one. A scan that is sent elsewhere needs none.
    index: Option<Arc<SessionIndex>>,
}

/// Whether scans read leaf columns in place of JSON text. Every answer is the same; support and tests look at the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leaves {
    /// Leaves where a file has them.
    #[default]
    Read,
    /// The text, always.
    Ignore,
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
        let (name, known) = (name.to_owned(), Arc::default());
        let scanned = ScannedTable { name, version, store, schema, leaves, known, costs: None, index: None };
        Self { scanned: Arc::new(scanned), files, explained: None }
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
        if let Some(costs) = &self.scanned.costs {
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

/// The plain data of a scan.
#[derive(Debug, Clone)]
struct ScanParts {
    table: Arc<ScannedTable>,
    /// Files of the version, before any were left out.
    total_files: usize,
    groups: Vec<FileGroup>,
    statistics: Statistics,
    /// What the scan puts out, as expressions over the table's columns.
    projection: ProjectionExprs,
    /// Which rows it puts out, as an expression over the table's columns.
    predicate: Option<Arc<dyn PhysicalExpr>>,
    limit: Option<usize>,
    /// What the files hold, where the scan is explained and not only run.
    explained: Option<Arc<FileSchemas>>,
}

impl ScanParts {
    /// How expressions are rewritten for a file.
    fn adapters(&self) -> Arc<dyn PhysicalExprAdapterFactory> {
        match self.table.leaves {
            Leaves::Read => Arc::new(NumberAdapterFactory::over(ShredAdapterFactory)),
            Leaves::Ignore => Arc::new(NumberAdapterFactory::over(DefaultPhysicalExprAdapterFactory)),
        }
    }

    /// Says where JSON paths come from; `None` where the scan is not explained, or reads no path.
    fn json_sources(&self) -> Option<String> {
        let schemas = self.explained.as_ref()?;
        let files: HashMap<_, _> = self.groups.iter().flat_map(FileGroup::iter).map(|f| (f.path(), f)).collect();
        let files: Vec<&SchemaRef> = files.keys().filter_map(|path| schemas.get(path.as_ref())).collect();
        let expressions = self.projection.iter().map(|projected| &projected.expr).chain(&self.predicate);
        let told = json_sources(expressions, &self.table.schema, &files, self.adapters().as_ref()).ok()?;
        (!told.is_empty()).then_some(told)
    }

    fn config(&self, source: ParquetSource) -> Result<FileScanConfig> {
        use datafusion::datasource::physical_plan::FileSource;
        let source = match &self.predicate {
            Some(predicate) => source.with_predicate(Arc::clone(predicate)),
            None => source,
        };
        let source = source
            .try_pushdown_projection(&self.projection)?
            .ok_or_else(|| datafusion::common::internal_datafusion_err!("a projection the scan cannot take"))?;
        Ok(FileScanConfigBuilder::new(self.table.store.clone(), source)
            .with_file_groups(self.groups.clone())
            .with_statistics(self.statistics.clone())
            .with_limit(self.limit)
            .with_expr_adapter(Some(self.adapters()))
            .build())
    }

    fn source(&self) -> ParquetSource {
        ParquetSource::new(TableSchema::from(Arc::clone(&self.table.schema)))
    }

    /// The source of a scan that runs. DataFusion leaves a projection as it is where a file's schema is that of the table, though
    /// the JSON calls in it are to be rewritten: metadata that no file has keeps the two apart.
    fn running_source(&self) -> ParquetSource {
        let schema = self.table.schema.as_ref().clone();
        let metadata = [("sessionlake.scan".to_owned(), self.table.name.clone())];
        ParquetSource::new(TableSchema::from(Arc::new(schema.with_metadata(metadata.into()))))
    }

    /// Builds a source that answers the planner's questions but reads nothing.
    fn planned(&self) -> Result<FileScanConfig> {
        self.config(self.source())
    }

    /// Takes the answer of a planning source back into plain data.
    fn taken_from(&self, answer: &Arc<dyn DataSource>) -> Result<Self> {
        let config = answer
            .downcast_ref::<FileScanConfig>()
            .ok_or_else(|| datafusion::common::internal_datafusion_err!("a scan that reads no files"))?;
        let source = config.file_source();
        Ok(Self {
            groups: config.file_groups.clone(),
            projection: source.projection().cloned().unwrap_or_else(|| self.projection.clone()),
            predicate: source.filter(),
            limit: config.limit,
            ..self.clone()
        })
    }
}

/// Reads the data files of one table at one version.
#[derive(Debug)]
pub struct SessionScanExec {
    parts: ScanParts,
    properties: Arc<PlanProperties>,
    /// The scan under way, shared by its partitions.
    running: OnceLock<Arc<DataSourceExec>>,
}

impl SessionScanExec {
    fn new(parts: ScanParts) -> Result<Self> {
        let planned = DataSourceExec::new(Arc::new(parts.planned()?));
        let properties = Arc::clone(planned.properties());
        Ok(Self { parts, properties, running: OnceLock::new() })
    }

    /// The table that the scan reads, and its version.
    pub fn table(&self) -> (&str, Version) {
        (&self.parts.table.name, self.parts.table.version)
    }

    /// Lists the files that the scan reads, those left out by the log's statistics not among them: sorted paths from the
    /// table's folder.
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<_> =
            self.parts.groups.iter().flat_map(|group| group.iter().map(|file| file.path().to_string())).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    fn with_answer(&self, answer: &Arc<dyn DataSource>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.parts.taken_from(answer)?)?))
    }

    fn start(&self, context: &TaskContext) -> Result<Arc<DataSourceExec>> {
        if let Some(running) = self.running.get() {
            return Ok(Arc::clone(running));
        }
        let (runtime, table) = (context.runtime_env(), &self.parts.table);
        let store = runtime.object_store(&table.store)?;
        let readers = SessionReaders::new(store, &runtime, Arc::clone(&table.schema), Arc::clone(&table.known));
        let options = TableParquetOptions {
            global: context.session_config().options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = self
            .parts
            .running_source()
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let parts = ScanParts { groups: table.known.told_to(&self.parts.groups), ..self.parts.clone() };
        let scan = Arc::new(DataSourceExec::new(Arc::new(parts.config(source)?)));
        Ok(Arc::clone(self.running.get_or_init(|| scan)))
    }
}

impl DisplayAs for SessionScanExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScanParts { table, total_files, groups, projection, predicate, limit, .. } = &self.parts;
        let mut files: Vec<_> = groups.iter().flat_map(|g| g.iter().map(|file| file.path())).collect();
        files.sort_unstable();
        files.dedup();
        if matches!(kind, DisplayFormatType::TreeRender) {
            writeln!(f, "table={}", table.name)?;
            writeln!(f, "files={} of {total_files}", files.len())?;
            return match self.parts.json_sources() {
                Some(told) => writeln!(f, "json_files={told}"),
                None => Ok(()),
            };
        }
        write!(f, "SessionScanExec: table={}, version={}", table.name, table.version)?;
        write!(f, ", files={} of {total_files}, groups={}", files.len(), groups.len())?;
        write!(f, ", projection=[{projection}]")?;
        if let Some(predicate) = predicate {
            write!(f, ", predicate={predicate}")?;
        }
        if let Some(limit) = limit {
            write!(f, ", limit={limit}")?;
        }
        if let Some(told) = self.parts.json_sources() {
            write!(f, ", json_files=[{told}]")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for SessionScanExec {
    fn name(&self) -> &'static str {
        "SessionScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parts.planned()?.apply_expressions(f)
    }

    fn repartitioned(&self, partitions: usize, config: &ConfigOptions) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let answer = self.parts.planned()?.repartitioned(
            partitions,
            config.optimizer.repartition_file_min_size,
            self.properties.eq_properties.output_ordering(),
        )?;
        answer.map(|answer| self.with_answer(&answer)).transpose()
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let ours = Arc::clone(&schema);
        let costs = self.parts.table.costs.clone();
        // Without the metadata of the running source.
        let batches = self.start(&context)?.execute(partition, context)?.map(move |batch| {
            let batch = batch?;
            if let Some(costs) = &costs {
                costs.rows(batch.num_rows());
            }
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&ours), batch.columns().to_vec(), &options)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.running.get()?.metrics()
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.parts.planned()?.partition_statistics(args.partition())
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let parts = ScanParts { limit, ..self.parts.clone() };
        Some(Arc::new(Self::new(parts).ok()?))
    }

    fn fetch(&self) -> Option<usize> {
        self.parts.limit
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let answer = self.parts.planned()?.try_swapping_with_projection(projection.projection_expr())?;
        answer.map(|answer| self.with_answer(&answer)).transpose()
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let filters = result.parent_filters.into_iter().map(|filter| filter.filter).collect();
        let answer = self.parts.planned()?.try_pushdown_filters(filters, config)?;
        let updated_node = answer.updated_node.map(|source| self.with_answer(&source)).transpose()?;
        Ok(FilterPushdownPropagation { filters: answer.filters, updated_node })
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.parts.clone())?))
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
        let parts = &scan.downcast_ref::<SessionScanExec>().unwrap().parts;
        assert_ne!(parts.running_source().table_schema().file_schema(), &table.schema());
        assert_eq!(scan.schema(), table.schema());
    }
}

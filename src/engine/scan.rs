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
use datafusion::common::config::{ConfigOptions, TableParquetOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::physical_plan::{
    FileGroup, FileGroupPartitioner, FileScanConfig, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapterFactory};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};
use futures::StreamExt;

use super::json_sources::{FileSchemas, json_sources};
use super::leaves::ShredAdapterFactory;
use super::logged::LoggedFiles;
use super::numbers::NumberAdapterFactory;
use super::readers::{KnownSchemas, SessionReaders};
use crate::lake::{Costs, DataFile, Origin, SessionIndex, Version, counted};

/// What a scan knows of its table.
#[derive(Debug)]
pub(super) struct ScannedTable {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) store: ObjectStoreUrl,
    pub(super) schema: SchemaRef,
    pub(super) leaves: Leaves,
    /// What the session has learnt of the files. A scan that is sent elsewhere begins with nothing.
    pub(super) known: Arc<KnownSchemas>,
    /// What scans are counted in, if they are.
    pub(super) costs: Option<Arc<Costs>>,
    /// The index of session ids, of a table that may have one. A scan that is sent elsewhere needs none.
    pub(super) index: Option<Arc<SessionIndex>>,
    /// Where the files are, for other processes that read some of them.
    pub(super) origin: Option<Origin>,
    /// The files, in the order of their paths, with what the log says of each. A scan that is sent elsewhere does without.
    pub(super) files: Arc<Vec<DataFile>>,
    /// Whether requests are counted by the scan, and not by its store; and whether that store is beyond this machine.
    pub(super) counts_requests: Option<bool>,
}

impl ScannedTable {
    /// Makes a table whose scans are counted nowhere, look into no index, and are for this process.
    pub(super) fn new(name: &str, version: Version, store: ObjectStoreUrl, schema: SchemaRef, leaves: Leaves) -> Self {
        let (name, known) = (name.to_owned(), Arc::default());
        Self {
            name,
            version,
            store,
            schema,
            leaves,
            known,
            costs: None,
            index: None,
            origin: None,
            files: Arc::default(),
            counts_requests: None,
        }
    }
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

/// The plain data of a scan.
#[derive(Debug, Clone)]
pub(super) struct ScanParts {
    pub(super) table: Arc<ScannedTable>,
    /// Files of the version, before any were left out.
    pub(super) total_files: usize,
    /// The files that are left, or slices of them; what the log says of them is put to them when the scan runs.
    pub(super) groups: Arc<[FileGroup]>,
    pub(super) statistics: Statistics,
    /// What the scan puts out, as expressions over the table's columns.
    pub(super) projection: ProjectionExprs,
    /// Which rows it puts out, as an expression over the table's columns.
    pub(super) predicate: Option<Arc<dyn PhysicalExpr>>,
    pub(super) limit: Option<usize>,
    /// What the files hold, where the scan is explained and not only run.
    pub(super) explained: Option<Arc<FileSchemas>>,
}

impl ScanParts {
    /// Begins a scan that another process planned: of no file and no column yet.
    pub(super) fn sent(
        store: ObjectStoreUrl,
        (name, version): (&str, Version),
        schema: &SchemaRef,
        leaves: Leaves,
        total_files: usize,
    ) -> Self {
        Self {
            table: Arc::new(ScannedTable::new(name, version, store, Arc::clone(schema), leaves)),
            total_files,
            groups: Arc::default(),
            statistics: Statistics::new_unknown(schema),
            projection: ProjectionExprs::new([]),
            predicate: None,
            limit: None,
            explained: None,
        }
    }

    /// Counts the requests of the scan and its rows: the store is that of other queries, too.
    pub(super) fn counting_requests(mut self, costs: &Arc<Costs>, is_remote: bool) -> Self {
        let known = &self.table;
        let (version, store, schema) = (known.version, known.store.clone(), Arc::clone(&known.schema));
        let mut table = ScannedTable::new(&known.name, version, store, schema, known.leaves);
        (table.costs, table.counts_requests) = (Some(Arc::clone(costs)), Some(is_remote));
        self.table = Arc::new(table);
        self
    }

    /// Where the files are, if other processes may read them.
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.table.origin.as_ref()
    }

    /// Whether leaf columns are read.
    pub(super) fn leaves(&self) -> Leaves {
        self.table.leaves
    }

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

    fn config(&self, source: ParquetSource, groups: Vec<FileGroup>) -> Result<FileScanConfig> {
        use datafusion::datasource::physical_plan::FileSource;
        let source = match &self.predicate {
            Some(predicate) => source.with_predicate(Arc::clone(predicate)),
            None => source,
        };
        let source = source
            .try_pushdown_projection(&self.projection)?
            .ok_or_else(|| datafusion::common::internal_datafusion_err!("a projection the scan cannot take"))?;
        Ok(FileScanConfigBuilder::new(self.table.store.clone(), source)
            .with_file_groups(groups)
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
    pub(super) fn running_source(&self) -> ParquetSource {
        let schema = self.table.schema.as_ref().clone();
        let metadata = [("sessionlake.scan".to_owned(), self.table.name.clone())];
        ParquetSource::new(TableSchema::from(Arc::new(schema.with_metadata(metadata.into()))))
    }

    /// Builds a source that answers the planner's questions but reads nothing. The answers do not depend on which files are read, of which
    /// there may be many: it has as many partitions as the scan, of no file.
    fn planned(&self) -> Result<FileScanConfig> {
        self.config(self.source(), vec![FileGroup::default(); self.groups.len()])
    }

    /// Takes the answer of a planning source back into plain data, but for the files.
    fn taken_from(&self, answer: &Arc<dyn DataSource>) -> Result<Self> {
        let config = answer
            .downcast_ref::<FileScanConfig>()
            .ok_or_else(|| datafusion::common::internal_datafusion_err!("a scan that reads no files"))?;
        let source = config.file_source();
        Ok(Self {
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
    /// Makes the node.
    ///
    /// # Errors
    /// A projection that no scan can take, which is a defect.
    pub(super) fn new(parts: ScanParts) -> Result<Self> {
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

    /// What the scan is counted in, if it is.
    pub fn costs(&self) -> Option<Arc<Costs>> {
        self.parts.table.costs.clone()
    }

    /// The plain data of the scan.
    pub(super) fn parts(&self) -> &ScanParts {
        &self.parts
    }

    /// Bytes of the slices of files that the scan reads, by the log.
    pub fn bytes(&self) -> u64 {
        self.parts.groups.iter().flat_map(FileGroup::iter).map(|file| file.effective_size()).sum()
    }

    /// Deals the slices out to scans that together read what this one does: `tasks` of them, with as many partitions each as this one has.
    ///
    /// # Errors
    /// A defect.
    pub fn dealt(&self, tasks: usize) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
        let (tasks, partitions) = (tasks.max(1), self.parts.groups.len());
        let slices = FileGroupPartitioner::new()
            .with_target_partitions(partitions * tasks)
            .with_repartition_file_min_size(0)
            .repartition_file_groups(&self.parts.groups)
            .unwrap_or_else(|| self.parts.groups.to_vec());
        let mut dealt = vec![Vec::with_capacity(partitions); tasks];
        for (task, slice) in (0..tasks).cycle().zip(slices) {
            if let Some(groups) = dealt.get_mut(task) {
                groups.push(slice);
            }
        }
        let scan = |mut groups: Vec<FileGroup>| -> Result<Arc<dyn ExecutionPlan>> {
            groups.resize_with(partitions.max(groups.len()), FileGroup::default);
            let statistics = Statistics::new_unknown(&self.parts.table.schema);
            Ok(Arc::new(Self::new(ScanParts { groups: groups.into(), statistics, ..self.parts.clone() })?))
        };
        dealt.into_iter().map(scan).collect()
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
        let store = match (&table.costs, table.counts_requests) {
            (Some(costs), Some(is_remote)) => counted(store, costs, is_remote),
            _ => store,
        };
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
        let logged =
            LoggedFiles::of((&table.files, &table.schema), &self.parts.projection, self.parts.predicate.as_ref());
        let groups = table.known.told_to(&self.parts.groups, |file| logged.told_to(file));
        let scan = Arc::new(DataSourceExec::new(Arc::new(self.parts.config(source, groups)?)));
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
        // What DataFusion's own scan of these files says, which has no order either.
        let groups = FileGroupPartitioner::new()
            .with_target_partitions(partitions)
            .with_repartition_file_min_size(config.optimizer.repartition_file_min_size)
            .repartition_file_groups(&self.parts.groups);
        let scan = |groups: Vec<FileGroup>| Self::new(ScanParts { groups: groups.into(), ..self.parts.clone() });
        Ok(match groups {
            Some(groups) => Some(Arc::new(scan(groups)?) as Arc<dyn ExecutionPlan>),
            None => None,
        })
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

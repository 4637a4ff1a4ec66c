//! The one builder of sessions: dialect, limits, clock, rules, functions.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use crate::zones::Tz;
use arrow::datatypes::{DataType, SchemaRef};
use chrono::{DateTime, Utc};
use datafusion::common::config::Dialect;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;

use super::explain;
use super::in_order::InOrder;
use super::memory::PeakPool;
use super::operators::{OwnOperators, spill_apart};
use super::rules::{
    AbsentRows, AsOfClock, Bounds, Casts, Durations, IntervalTexts, Intervals, LeavesOfElements, LeavesOfWindows,
    Membership, MixedTypes, Operators, Scalars, ZonedCasts, ZonedTypes, with_postgres_syntax, with_read_intervals,
    with_zone_calls,
};
use super::scan::Leaves;
use super::{series, spill, statement};
use crate::error::{Error, Result};
use crate::functions::interval::{self, IntervalPlanner};
use crate::functions::{self, StandIns, extremes, lists, postgres};
use crate::lake::Costs;

/// Operators named in the message when memory runs out.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(5).unwrap();

/// Memory that a partition of a plan has at least: with less, more threads only take from each other.
const PARTITION_BYTES: usize = 32 << 20;

/// Memory of a partition from which on rows on their way between partitions hardly ever go to disk.
const ROOMY_PARTITION_BYTES: usize = 512 << 20;

/// Numbered parameters of a statement at most: PostgreSQL's messages count them in 16 bits.
const MOST_PARAMETERS: usize = 65_535;

/// The part of a partition's memory that a sort keeps for merging, as a divisor.
const SORT_SHARE: usize = 8;

/// What a session may use, and what it sees as now.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The instant that is now for every query, and up to which running sessions have run.
    pub as_of: DateTime<Utc>,
    /// The zone of local days.
    pub time_zone: Tz,
    /// Bytes of memory that operators may hold; beyond it they spill to disk.
    pub memory_limit_bytes: usize,
    /// Bytes of disk that spilling may take.
    pub spill_limit_bytes: u64,
    /// Where to spill; `None` is the system's temporary folder.
    pub temporary_folder: Option<PathBuf>,
    /// Threads that a query runs on.
    pub threads: NonZeroUsize,
    /// Whether scans read leaf columns in place of JSON text.
    pub leaves: Leaves,
}

/// The memory and disk that sessions share: those of one process that asks many questions at once.
#[derive(Clone)]
pub struct Resources {
    runtime: Arc<RuntimeEnv>,
    pool: Arc<PeakPool>,
    spills: spill::Counted,
}

impl Resources {
    /// Sets memory and disk aside, as much as the options allow. Operators that can spill get equal parts of the memory, whichever
    /// session they are of.
    ///
    /// # Errors
    /// A temporary folder that cannot be used.
    pub fn new(options: &EngineOptions) -> Result<Self> {
        let spills = spill::Counted::default();
        let disk = spill::disk(options.temporary_folder.as_ref(), options.spill_limit_bytes, &spills)?;
        let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_limit_bytes), NAMED_CONSUMERS);
        let pool = Arc::new(PeakPool::new(Arc::new(pool)));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&pool) as Arc<dyn MemoryPool>)
            .with_disk_manager_builder(disk)
            .build_arc()?;
        Ok(Self { runtime, pool, spills })
    }

    /// Bytes that operators hold now.
    pub fn held_bytes(&self) -> usize {
        self.pool.reserved()
    }
}

/// A session: its tables, functions, limits and clock.
#[derive(Clone)]
pub struct Engine {
    context: SessionContext,
    options: EngineOptions,
    resources: Resources,
}

/// How the parts of a plan run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Execution {
    /// In partitions on several threads: the fastest. Rows meet operators in any order. Sums and means are the same all the same, but the last
    /// digits of variances and correlations may differ between runs.
    #[default]
    Parallel,
    /// In one partition, files in the order of their paths: rows meet every operator in one order, whatever the machine.
    InOrder,
}

impl Engine {
    /// Builds a session without tables.
    ///
    /// # Errors
    /// A temporary folder that cannot be used.
    pub fn new(options: EngineOptions) -> Result<Self> {
        Self::with_execution(options, Execution::Parallel)
    }

    /// Builds a session without tables whose plans run in the given way.
    ///
    /// # Errors
    /// A temporary folder that cannot be used.
    pub fn with_execution(options: EngineOptions, execution: Execution) -> Result<Self> {
        let resources = Resources::new(&options)?;
        Self::within(&resources, options, execution)
    }

    /// Builds a session without tables that shares memory and disk with others. The limits of the options should be those that the resources
    /// were made with.
    ///
    /// # Errors
    /// A defect of ours.
    pub fn within(resources: &Resources, options: EngineOptions, execution: Execution) -> Result<Self> {
        let partitions = match execution {
            Execution::Parallel => options.threads.get().min(options.memory_limit_bytes / PARTITION_BYTES).max(1),
            Execution::InOrder => 1,
        };
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema("sessionlake", "public")
            .with_information_schema(true)
            .with_target_partitions(partitions)
            .with_option_extension(StandIns::default());
        let settings = config.options_mut();
        // In the generic dialect `data->>'q' = 'x'` means `data ->> ('q' = 'x')`.
        settings.sql_parser.dialect = Dialect::PostgreSQL;
        settings.sql_parser.collect_spans = true;
        // Filters run inside the scan: other columns are decoded only for rows that pass.
        settings.execution.parquet.pushdown_filters = true;
        settings.execution.parquet.reorder_filters = true;
        // As nanoseconds, instants that Spark writes so would end in 2262 and begin anew in 1677.
        settings.execution.parquet.coerce_int96 = Some("us".to_owned());
        settings.execution.parquet.coerce_int96_tz = Some("UTC".to_owned());
        if execution == Execution::InOrder {
            // Sorting the branches of a union apart and merging them takes equal rows in any order.
            settings.optimizer.repartition_sorts = false;
            settings.optimizer.repartition_aggregations = false;
            settings.optimizer.repartition_joins = false;
            settings.optimizer.repartition_windows = false;
            settings.optimizer.enable_round_robin_repartition = false;
        }
        settings.execution.time_zone = Some(options.time_zone.name().to_owned());
        // Each sort takes it at once, to be sure that it can merge what it spills.
        let settings = config.options_mut();
        let share = options.memory_limit_bytes / partitions / SORT_SHARE;
        settings.execution.sort_spill_reservation_bytes = settings.execution.sort_spill_reservation_bytes.min(share);
        if options.memory_limit_bytes / partitions >= ROOMY_PARTITION_BYTES {
            spill_apart(settings);
        }
        let mut builder = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&resources.runtime))
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(OwnOperators));
        if execution == Execution::InOrder {
            builder = builder.with_physical_optimizer_rule(Arc::new(InOrder));
        }
        let mut state = builder.build();
        // First of all rules: the others then see an instant where the clock was asked for.
        let mut analyzer_rules = vec![];
        analyzer_rules.extend(state.analyzer().rules.iter().cloned());
        analyzer_rules.insert(0, Arc::new(AsOfClock::new(options.as_of)));
        analyzer_rules.insert(1, Arc::new(IntervalTexts));
        analyzer_rules.insert(2, Arc::new(ZonedTypes));
        analyzer_rules.insert(3, Arc::new(MixedTypes));
        analyzer_rules.insert(4, Arc::new(Casts));
        analyzer_rules.insert(5, Arc::new(AbsentRows));
        // Last: where types meet, they have been coerced.
        analyzer_rules.push(Arc::new(Membership));
        analyzer_rules.push(Arc::new(Scalars));
        analyzer_rules.push(Arc::new(ZonedCasts));
        analyzer_rules.push(Arc::new(Intervals));
        analyzer_rules.push(Arc::new(Operators));
        let optimizer_rules = Bounds::among(state.optimizer().rules.clone());
        let mut optimizer_rules = LeavesOfElements::among(LeavesOfWindows::among(optimizer_rules));
        optimizer_rules.push(Arc::new(Durations));
        state = SessionStateBuilder::new_from_existing(state)
            .with_analyzer_rules(analyzer_rules)
            .with_optimizer_rules(optimizer_rules)
            .build();
        functions::register_all(&mut state)?;
        // Rows of files have no numbers in our scans.
        state.deregister_udf("file_row_index")?;
        for function in postgres::synonyms() {
            state.register_udf(function)?;
        }
        let aggregates = interval::aggregates().into_iter().chain(postgres::aggregates());
        let aggregates = aggregates.chain(extremes::aggregates()).chain(lists::aggregates());
        for aggregate in aggregates {
            state.register_udaf(aggregate)?;
        }
        for (name, function) in series::functions() {
            state.register_udtf(name, function);
        }
        let mut planners = state.expr_planners().to_vec();
        planners.insert(0, Arc::new(IntervalPlanner));
        state = SessionStateBuilder::new_from_existing(state).with_expr_planners(planners).build();
        let context = SessionContext::new_with_state(state);
        Ok(Self { context, options, resources: resources.clone() })
    }

    /// The DataFusion session.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The options that the session was built with.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Returns the zone of the session as it is now: the one that it was built with, or that of the last SET.
    pub fn time_zone(&self) -> Tz {
        let config = self.context.copied_config();
        let name = config.options().execution.time_zone.as_deref();
        name.and_then(Tz::named).unwrap_or(self.options.time_zone)
    }

    /// The most bytes that operators held at once, since the session was built.
    pub fn peak_memory_bytes(&self) -> usize {
        self.resources.pool.peak_bytes()
    }

    /// Counts what the session spills.
    pub(super) fn count_spills(&self, costs: &Arc<Costs>) {
        let _ = self.resources.spills.set(Arc::clone(costs));
    }

    /// Plans a statement, with the values of its parameters.
    ///
    /// # Errors
    /// What DataFusion says of the statement; `script` gives it a place.
    pub async fn plan(&self, statement: Statement, values: &ParamValues) -> datafusion::error::Result<LogicalPlan> {
        let statement = series::with_values(self, with_postgres_syntax(statement)?, values).await?;
        let plan = self.context.state().statement_to_plan(with_zone_calls(with_read_intervals(statement))).await?;
        statement::ready(explain::with_footers(&self.context, plan).await?, values, self.options.time_zone)
    }

    /// Plans a statement whose numbered parameters have no values yet. `types` are those that are known beforehand.
    ///
    /// # Errors
    /// What DataFusion says of the statement.
    pub async fn outline(
        &self,
        statement: Statement,
        values: &ParamValues,
        types: &[Option<DataType>],
    ) -> datafusion::error::Result<Outline> {
        let statement = series::with_values(self, with_postgres_syntax(statement)?, values).await?;
        let state = self.context.state();
        let plan = state.statement_to_plan(with_zone_calls(with_read_intervals(statement))).await?;
        let found = plan.get_parameter_types()?;
        let count = found.keys().filter_map(|name| number_of(name)).max().unwrap_or(0);
        let parameters: Vec<Option<DataType>> = (1..=count)
            .map(|number| {
                types.get(number - 1).cloned().flatten().or_else(|| found.get(&format!("${number}")).cloned().flatten())
            })
            .collect();
        // Nulls of these types stand for the values: what the answer's columns are depends on types alone.
        let nulls = parameters.iter().enumerate().map(|(index, kind)| {
            let null = kind.as_ref().map_or(Ok(ScalarValue::Utf8(None)), ScalarValue::try_from)?;
            Ok(((index + 1).to_string(), ScalarAndMetadata::from(null)))
        });
        let mut all = match values {
            ParamValues::Map(named) => named.clone(),
            ParamValues::List(_) => HashMap::new(),
        };
        all.extend(nulls.collect::<datafusion::error::Result<Vec<_>>>()?);
        let plan = statement::ready(plan, &ParamValues::Map(all), self.options.time_zone)?;
        let plan = state.optimize(&plan)?;
        Ok(Outline { columns: Arc::clone(plan.schema().inner()), parameters })
    }
}

/// A statement that is planned and not run: what it asks for, and what it would answer.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The columns of the answer.
    pub columns: SchemaRef,
    /// The types of the numbered parameters `$1`, `$2` …, as far as their places tell.
    pub parameters: Vec<Option<DataType>>,
}

/// Returns 70 % of the memory that this process may use: the least of the machine's and the control group's.
pub fn default_memory_limit() -> usize {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?.to_owned();
        Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
    });
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok());
    let available = [machine, group].into_iter().flatten().min().unwrap_or(4 << 30);
    available / 10 * 7
}

/// Reads the number of a parameter such as `$2`.
fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok().filter(|number| (1..=MOST_PARAMETERS).contains(number))
}

impl From<Error> for datafusion::error::DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

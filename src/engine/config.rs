//! Sessions: what they may use, what they share, and how their statements are planned. `blank` has what all of them are made from.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::{DataFusionError, ParamValues, ScalarValue, SchemaError};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;

use super::blank::{Blank, settings};
use super::explain;
use super::fixed::Fixed;
use super::memory::PeakPool;
use super::options::{EngineOptions, Execution};
use super::own::Node;
use super::rules::{Places, name_table, with_parameters, with_postgres_syntax, with_read_intervals, with_zone_calls};
use super::stages::{Distribution, RowsAs, StagePlanner};
use super::{series, spill, statement};
use crate::error::{Error, Result};
use crate::lake::Costs;
use crate::zones::Tz;

/// Operators named in the message when memory runs out.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(5).unwrap();

/// Numbered parameters of a statement at most: PostgreSQL's messages count them in 16 bits.
const MOST_PARAMETERS: usize = 65_535;

/// The memory and disk that sessions share: those of one process that asks many questions at once.
#[derive(Clone)]
pub struct Resources {
    runtime: Arc<RuntimeEnv>,
    pool: Arc<PeakPool>,
    spills: spill::Counted,
    disk: spill::Limited,
    /// What sessions are made from, once the first was asked for: in parallel, and in order.
    blanks: Arc<[OnceLock<Arc<Blank>>; 2]>,
}

impl Resources {
    /// Sets memory and disk aside, as much as the options allow. Operators that can spill get equal parts of the memory, whichever
    /// session they are of.
    ///
    /// # Errors
    /// A temporary folder that cannot be used.
    pub fn new(options: &EngineOptions) -> Result<Self> {
        let spills = spill::Counted::default();
        let disk = spill::Limited::within(options.temporary_folder.as_ref(), options.spill_limit_bytes, &spills)?;
        let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_limit_bytes), NAMED_CONSUMERS);
        let pool = Arc::new(PeakPool::new(Arc::new(pool)));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&pool) as Arc<dyn MemoryPool>)
            .with_disk_manager_builder(disk.builder())
            .build_arc()?;
        Ok(Self { runtime, pool, spills, disk, blanks: Arc::default() })
    }

    /// What sessions that run so are made from.
    fn blank(&self, options: &EngineOptions, execution: Execution) -> Result<Arc<Blank>> {
        let [parallel, in_order] = self.blanks.as_ref();
        let kept = if execution == Execution::Parallel { parallel } else { in_order };
        if let Some(blank) = kept.get().filter(|blank| blank.suits(options)) {
            return Ok(Arc::clone(blank));
        }
        let made = Arc::new(Blank::of(Arc::clone(&self.runtime), options, execution)?);
        let _ = kept.set(Arc::clone(&made));
        Ok(made)
    }

    /// The memory and disk, as DataFusion has them.
    pub fn runtime(&self) -> Arc<RuntimeEnv> {
        Arc::clone(&self.runtime)
    }

    /// Builds the session in which a stage runs that another process planned, with the settings that came with it. Nothing is planned in it; what it
    /// spills is counted in `costs`.
    ///
    /// # Errors
    /// Settings that are none.
    pub fn stage_session(
        &self,
        options: &EngineOptions,
        base: SessionConfig,
        sent: &str,
        costs: &Arc<Costs>,
    ) -> Result<SessionState> {
        let runtime = RuntimeEnvBuilder::from_runtime_env(&self.runtime)
            .with_disk_manager_builder(self.disk.counting(costs).builder())
            .build_arc()?;
        self.blank(options, Execution::Parallel)?.stage(options, base, sent, runtime)
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
        let mut state = resources.blank(&options, execution)?.session(&options)?;
        for (name, function) in series::functions() {
            state.register_udtf(name, function);
        }
        Ok(Self { context: SessionContext::new_with_state(state), options, resources: resources.clone() })
    }

    /// Runs what can be run there on other processes.
    #[must_use]
    pub fn spread_over(self, distribution: Arc<dyn Distribution>) -> Self {
        let planner = Arc::new(self.stages_over(distribution));
        let state = SessionStateBuilder::new_from_existing(self.context.state()).with_query_planner(planner).build();
        Self { context: SessionContext::new_with_state(state), ..self }
    }

    fn stages_over(&self, distribution: Arc<dyn Distribution>) -> StagePlanner {
        let began = settings(SessionConfig::new(), &self.options, Execution::Parallel).options().as_ref().clone();
        StagePlanner { distribution, began }
    }

    /// Plans a statement that the session has optimized for other processes, or says why it stays in this one.
    ///
    /// # Errors
    /// A defect, or other processes that are all gone.
    pub async fn there(
        &self,
        distribution: &Arc<dyn Distribution>,
        optimized: &LogicalPlan,
        rows: RowsAs,
    ) -> datafusion::error::Result<std::result::Result<Node, String>> {
        self.stages_over(Arc::clone(distribution)).there(optimized, &self.context.state(), rows).await
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
        let plan = self.as_written(statement, values).await?;
        statement::ready(explain::with_footers(plan)?, values, self.options.time_zone)
    }

    /// Plans a statement without the values of its parameters, which say of what types these are.
    async fn as_written(
        &self,
        mut statement: Statement,
        values: &ParamValues,
    ) -> datafusion::error::Result<LogicalPlan> {
        loop {
            let given = with_parameters(with_postgres_syntax(statement.clone())?, values);
            let given = series::with_values(self, given, values).await?;
            match self.planner()?.statement_to_plan(with_zone_calls(with_read_intervals(given))).await {
                Err(error) if unknown_name(&error).is_some_and(|place| name_table(&mut statement, place)) => {}
                planned => return planned,
            }
        }
    }

    /// Returns the session as it makes plans of statements: instants that DataFusion would type with the session's zone are of UTC, as those of tables
    /// are, since it knows no difference of two zones. The rules of the session then put its zone where it matters.
    ///
    /// # Errors
    /// A defect of ours.
    pub(super) fn planner(&self) -> datafusion::error::Result<SessionState> {
        let mut state = self.context.state();
        let zone = self.time_zone();
        if zone == Tz::UTC {
            return Ok(state);
        }
        let options = state.config_mut().options_mut();
        options.execution.time_zone = Some(Tz::UTC.name().to_owned());
        options.extensions.insert(Fixed(series::SessionZone(zone)));
        let settings = Arc::clone(state.config_options());
        let of_instants = |name: &str| name == "now" || name.starts_with("to_timestamp");
        let functions = state.scalar_functions().iter().filter(|(name, _)| of_instants(name));
        let in_utc: Vec<_> = functions.filter_map(|(_, udf)| udf.inner().with_updated_config(&settings)).collect();
        for function in in_utc {
            state.register_udf(Arc::new(function))?;
        }
        Ok(state)
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
        let places = Places::of(&statement);
        let known = |number: usize| {
            let given = number.checked_sub(1).and_then(|index| types.get(index).cloned().flatten());
            given.or_else(|| places.types.get(&number).cloned())
        };
        let mut beside = named(values);
        for number in 1..=places.count.min(MOST_PARAMETERS) {
            let stand_in = match known(number) {
                // The frame of a window wants a number.
                Some(integer) if integer.is_integer() => ScalarValue::new_one(&integer)?,
                known => ScalarValue::try_from(&known.unwrap_or(DataType::Null))?,
            };
            beside.insert(number.to_string(), ScalarAndMetadata::from(stand_in));
        }
        let plan = self.as_written(statement, &ParamValues::Map(beside)).await?;
        let found = plan.get_parameter_types()?;
        let count = found.keys().filter_map(|name| number_of(name)).max().unwrap_or(0).max(places.count);
        let count = count.min(MOST_PARAMETERS);
        let parameters: Vec<Option<DataType>> = (1..=count)
            .map(|number| known(number).or_else(|| found.get(&format!("${number}")).cloned().flatten()))
            .collect();
        // Nulls of these types stand for the values: what the answer's columns are depends on types alone.
        let nulls = parameters.iter().enumerate().map(|(index, kind)| {
            let null = match kind {
                // Where a text is wanted by its place, functions of JSON take no null for one.
                Some(DataType::Utf8 | DataType::Utf8View) if places.types.contains_key(&(index + 1)) => {
                    ScalarValue::from("")
                }
                kind => kind.as_ref().map_or(Ok(ScalarValue::Utf8(None)), ScalarValue::try_from)?,
            };
            Ok(((index + 1).to_string(), ScalarAndMetadata::from(null)))
        });
        let mut all = named(values);
        all.extend(nulls.collect::<datafusion::error::Result<Vec<_>>>()?);
        let plan = statement::ready(plan, &ParamValues::Map(all), self.options.time_zone)?;
        let plan = self.context.state().optimize(&plan)?;
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

/// The values that have names.
fn named(values: &ParamValues) -> HashMap<String, ScalarAndMetadata> {
    match values {
        ParamValues::Map(named) => named.clone(),
        ParamValues::List(_) => HashMap::new(),
    }
}

/// Where a column without a table is named that DataFusion does not find: line and column.
fn unknown_name(error: &DataFusionError) -> Option<(u64, u64)> {
    let DataFusionError::SchemaError(inner, _) = error.find_root() else { return None };
    let SchemaError::FieldNotFound { field, .. } = inner.as_ref() else { return None };
    let known = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let span = known.or_else(|| field.spans.first()).filter(|_| field.relation.is_none())?;
    Some((span.start.line, span.start.column))
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

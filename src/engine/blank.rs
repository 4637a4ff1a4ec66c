//! What sessions are made from: the functions, the rules and the settings that all sessions of the same limits share, built once.
//!
//! To build them takes longer than to plan a small question, and a server asks many. A [`Blank`] holds them; a session is a copy of it with a
//! clock, a zone and tables of its own. What is shared can be changed by no session: functions and rules have no state, and a session that sets
//! something, or registers a function, does so in its own copy.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, CatalogProviderList};
use datafusion::catalog::{MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider};
use datafusion::common::config::Dialect;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;

use super::estimates::Planner;
use super::fixed::Fixed;
use super::in_order::InOrder;
use super::operators::{OwnOperators, spill_apart};
use super::options::{EngineOptions, Execution};
use super::rules::{
    AbsentRows, AsOf, AsOfClock, Bounds, Casts, Durations, IntervalTexts, Intervals, JoinKeys, Laterals,
    LeavesOfElements, LeavesOfWindows, Membership, MixedTypes, Operators, Relations, Scalars, SortedOnce, Unnests,
    ZonedCasts, ZonedTypes, lists_apart, mended, sheltered,
};
use super::stages::from_sent;
use super::veil::veiled;
use crate::error::Result;
use crate::functions::interval::{self, IntervalPlanner};
use crate::functions::{self, StandIns, by_type, extremes, lists, postgres};

/// The catalogue and the schema of all tables.
const CATALOG: &str = "sessionlake";
const SCHEMA: &str = "public";

/// Memory that a partition of a plan has at least: with less, more threads only take from each other.
const PARTITION_BYTES: usize = 32 << 20;

/// Memory of a partition from which on rows on their way between partitions hardly ever go to disk.
const ROOMY_PARTITION_BYTES: usize = 512 << 20;

/// The part of a partition's memory that a sort keeps for merging, as a divisor.
const SORT_SHARE: usize = 8;

/// What sessions are made from.
pub(super) struct Blank {
    state: SessionState,
    /// The functions that are made anew for the settings of each session, by their names.
    of_settings: Vec<String>,
    /// The limits that it was built for.
    limits: (usize, usize),
}

fn limits_of(options: &EngineOptions) -> (usize, usize) {
    (options.memory_limit_bytes, options.threads.get())
}

/// Gives a session the settings that all have at their beginning.
pub(super) fn settings(base: SessionConfig, options: &EngineOptions, execution: Execution) -> SessionConfig {
    let partitions = match execution {
        Execution::Parallel => options.threads.get().min(options.memory_limit_bytes / PARTITION_BYTES).max(1),
        Execution::InOrder => 1,
    };
    let mut config = base
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(true)
        .with_target_partitions(partitions)
        .with_option_extension(StandIns::default())
        .with_option_extension(Fixed(AsOf(options.as_of)));
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
    config
}

impl Blank {
    /// Says whether sessions with these options can be made from it.
    pub fn suits(&self, options: &EngineOptions) -> bool {
        self.limits == limits_of(options)
    }

    /// Builds what sessions have in common.
    ///
    /// # Errors
    /// A defect of ours.
    pub fn of(runtime: Arc<RuntimeEnv>, options: &EngineOptions, execution: Execution) -> Result<Self> {
        // Each session has tables of its own.
        let config = settings(SessionConfig::new(), options, execution).with_create_default_catalog_and_schema(false);
        let mut builder = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_query_planner(Arc::new(Planner))
            .with_physical_optimizer_rule(Arc::new(OwnOperators));
        if execution == Execution::InOrder {
            builder = builder.with_physical_optimizer_rule(Arc::new(InOrder));
        }
        let mut state = builder.build();
        // First of all rules: the others then see an instant where the clock was asked for.
        let mut analyzer_rules = vec![];
        analyzer_rules.extend(state.analyzer().rules.iter().cloned());
        analyzer_rules.insert(0, Arc::new(AsOfClock));
        analyzer_rules.insert(1, Arc::new(IntervalTexts));
        analyzer_rules.insert(2, Arc::new(ZonedTypes));
        analyzer_rules.insert(3, Arc::new(MixedTypes));
        analyzer_rules.insert(4, Arc::new(Casts));
        analyzer_rules.insert(5, Arc::new(AbsentRows));
        analyzer_rules.insert(0, Arc::new(Unnests));
        // Last: where types meet, they have been coerced.
        analyzer_rules.push(Arc::new(Laterals));
        analyzer_rules.push(Arc::new(Membership));
        analyzer_rules.push(Arc::new(Scalars));
        analyzer_rules.push(Arc::new(ZonedCasts));
        analyzer_rules.push(Arc::new(Intervals));
        analyzer_rules.push(Arc::new(Operators));
        let optimizer_rules = lists_apart(sheltered(mended(state.optimizer().rules.clone())?)?)?;
        let optimizer_rules = Bounds::among(optimizer_rules);
        let mut optimizer_rules = LeavesOfElements::among(LeavesOfWindows::among(optimizer_rules));
        optimizer_rules.push(Arc::new(Durations));
        optimizer_rules.push(Arc::new(JoinKeys));
        optimizer_rules.push(Arc::new(SortedOnce));
        let physical_rules = veiled(state.physical_optimizers())?;
        state = SessionStateBuilder::new_from_existing(state)
            .with_analyzer_rules(analyzer_rules)
            .with_optimizer_rules(optimizer_rules)
            .with_physical_optimizer_rules(physical_rules)
            .with_relation_planners(vec![Arc::new(Relations)])
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
        for function in postgres::neighbours() {
            state.register_udwf(Arc::clone(function))?;
        }
        let mut planners = state.expr_planners().to_vec();
        planners.insert(0, Arc::new(IntervalPlanner));
        state = SessionStateBuilder::new_from_existing(state).with_expr_planners(planners).build();
        state.config_mut().options_mut().catalog.create_default_catalog_and_schema = true;
        let config = Arc::clone(state.config_options());
        let changes = |name: &&String| {
            state.scalar_functions().get(*name).is_some_and(|udf| udf.inner().with_updated_config(&config).is_some())
        };
        let of_settings = state.scalar_functions().keys().filter(changes).cloned().collect();
        Ok(Self { state, of_settings, limits: limits_of(options) })
    }

    /// Makes a session without tables.
    ///
    /// # Errors
    /// A defect of ours.
    pub fn session(&self, options: &EngineOptions) -> Result<SessionState> {
        let mut state = self.state.clone();
        let settings = state.config_mut().options_mut();
        settings.execution.time_zone = Some(options.time_zone.name().to_owned());
        settings.extensions.insert(Fixed(AsOf(options.as_of)));
        self.renew(&mut state)?;
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(MemorySchemaProvider::new()))?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        state.register_catalog_list(Arc::new(catalogs));
        Ok(state)
    }

    /// Makes the session of a stage that another process planned, on what that process' library put into `base`, with the settings that were sent.
    ///
    /// # Errors
    /// Settings that are none.
    pub fn stage(
        &self,
        options: &EngineOptions,
        base: SessionConfig,
        sent: &str,
        runtime: Arc<RuntimeEnv>,
    ) -> Result<SessionState> {
        let mut config = settings(base, options, Execution::Parallel).with_create_default_catalog_and_schema(false);
        from_sent(sent, config.options_mut())?;
        config.options_mut().execution.enable_file_stream_work_stealing = false;
        let mut state = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_config(config)
            .with_runtime_env(runtime)
            .build();
        self.renew(&mut state)?;
        for aggregate in by_type::aggregates() {
            state.register_udaf(aggregate)?;
        }
        Ok(state)
    }

    /// Makes the functions anew that depend on the settings of the session.
    fn renew(&self, state: &mut SessionState) -> Result<()> {
        let settings = Arc::clone(state.config_options());
        let functions = self.of_settings.iter().filter_map(|name| state.scalar_functions().get(name));
        let anew: Vec<_> = functions.filter_map(|udf| udf.inner().with_updated_config(&settings)).collect();
        for function in anew {
            state.register_udf(Arc::new(function))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use arrow::array::AsArray;
    use chrono::DateTime;

    use crate::engine::{Engine, EngineOptions, Execution, Leaves, Resources};
    use crate::functions::stands_in;
    use crate::zones::Tz;

    fn options(day: i64, zone: &str) -> EngineOptions {
        EngineOptions {
            as_of: DateTime::from_timestamp(day * 86_400, 0).unwrap(),
            time_zone: Tz::named(zone).unwrap(),
            memory_limit_bytes: 1 << 28,
            spill_limit_bytes: 1 << 28,
            temporary_folder: None,
            threads: NonZeroUsize::new(2).unwrap(),
            leaves: Leaves::Read,
        }
    }

    async fn ask(engine: &Engine, sql: &str) -> Result<String, String> {
        let script = crate::script::parse("q", sql).map_err(|error| error.to_string())?;
        let none: Vec<(String, datafusion::common::ScalarValue)> = Vec::new();
        let plan = engine.plan(script.statements[0].parsed.clone(), &none.into()).await;
        let frame = engine.context().execute_logical_plan(plan.map_err(|error| error.to_string())?).await;
        let batches = frame.map_err(|error| error.to_string())?.collect().await.map_err(|error| error.to_string())?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(String::new()) };
        let texts = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).unwrap();
        Ok(texts.as_string::<i32>().value(0).to_owned())
    }

    #[tokio::test]
    async fn sessions_of_one_blank_share_no_clock_no_zone_no_setting_and_no_table() {
        let resources = Resources::new(&options(0, "UTC")).unwrap();
        let session = |day, zone| Engine::within(&resources, options(day, zone), Execution::Parallel).unwrap();
        let (one, other) = (session(10, "Europe/Berlin"), session(20, "America/New_York"));
        let today = "select cast(current_date as text)";
        assert_eq!(ask(&one, today).await.unwrap(), "1970-01-11");
        assert_eq!(ask(&other, today).await.unwrap(), "1970-01-20");
        let local = "select cast(to_timestamp('1970-07-01 12:00:00') as text)";
        let (of_one, of_other) = (ask(&one, local).await.unwrap(), ask(&other, local).await.unwrap());
        let fresh = async |day, zone| {
            let fresh = Engine::new(options(day, zone)).unwrap();
            ask(&fresh, local).await.unwrap()
        };
        assert_eq!((of_one, of_other), (fresh(10, "Europe/Berlin").await, fresh(20, "America/New_York").await));
        ask(&one, "set time zone 'Asia/Tokyo'").await.unwrap();
        ask(&one, "set sessionlake.own_sort = false").await.unwrap();
        ask(&one, "create table t as select 1 as a").await.unwrap();
        assert_eq!(ask(&one, "select a from t").await.unwrap(), "1");
        for session in [&other, &session(10, "UTC")] {
            assert!(ask(session, "select a from t").await.is_err());
            assert!(stands_in(session.context().copied_config().options(), |own| own.own_sort));
            assert_ne!(session.time_zone().name(), "Asia/Tokyo");
        }
        assert!(!stands_in(one.context().copied_config().options(), |own| own.own_sort));
        ask(&one, "reset sessionlake.own_sort").await.unwrap();
        assert!(stands_in(one.context().copied_config().options(), |own| own.own_sort));
        let unknown = ask(&one, "reset sessionlake.own_sorts").await.unwrap_err();
        assert!(unknown.contains("unknown setting \"sessionlake.own_sorts\""), "{unknown}");
        assert_eq!(one.time_zone().name(), "Asia/Tokyo");
        assert!(ask(&one, "set sessionlake_clock.as_of = '2020-01-01'").await.is_err());
        // Another amount of memory is another blank.
        let mut small = options(0, "UTC");
        small.memory_limit_bytes = 1 << 26;
        let alone = Engine::within(&resources, small, Execution::Parallel).unwrap();
        assert_eq!(alone.context().state().config().target_partitions(), 2);
    }
}

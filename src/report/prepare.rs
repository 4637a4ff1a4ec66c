//! Plans a report before anything runs, and finds out what its result depends on.
//!
//! A report is one query. Views may be made before it; anything else that a SQL file can do (settings, tables, EXPLAIN) could make
//! its result depend on more than the manifest says, and is refused. So are functions whose answer changes from run to run.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ParamValues;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{DdlStatement, LogicalPlan};

use super::job::Privacy;
use super::manifest::hash_text;
use super::order::{make_total, volatile_function};
use super::rows::is_flat;
use super::spec::{Report, prefixed};
use super::veil::{Masked, Veil, Veiled};
use crate::engine::{
    Distribution, Engine, EngineOptions, Execution, LakeView, Node, RowsAs, SessionScanExec, TABLES, reads_clock,
    series_read_clock,
};
use crate::error::{Error, Result};
use crate::script::{self, Access, Clock, Script, Statement};
use crate::zones;

/// What all reports of a run share.
#[derive(Clone)]
pub struct Recipe {
    /// The tables.
    pub view: LakeView,
    /// The lake's absolute path or URL.
    pub lake_uri: String,
    /// Clock, zone and limits; the memory is that of one report.
    pub engine: EngineOptions,
    /// Whether personal data is masked.
    pub privacy: Privacy,
    /// Rows that the page shows of each report.
    pub html_rows: usize,
    /// The other processes that reports run on where their bytes are the same there.
    pub spread: Option<Arc<dyn Distribution>>,
}

/// A report, ready to run.
pub struct Prepared {
    /// The report.
    pub report: Report,
    /// The session that it runs in.
    pub engine: Engine,
    /// What masks what the run says of it.
    pub veil: Veil,
    /// The report's definition as the run may tell it.
    pub veiled: Veiled,
    /// Every parameter with its value, as SQL shows it and the run may tell it.
    pub bound: Vec<(String, String)>,
    /// SHA-256 of all that the result depends on; empty where some of it is hidden.
    pub fingerprint: String,
    plan: Node,
    there: Option<Node>,
}

impl Prepared {
    /// The columns of the result.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The plan of this process alone.
    pub fn plan(&self) -> Node {
        Arc::clone(&self.plan)
    }

    /// The plan that runs on other processes, if the report may.
    pub fn there(&self) -> Option<Node> {
        self.there.clone()
    }

    /// The plan that runs first.
    pub fn runs(&self) -> Node {
        self.there().unwrap_or_else(|| self.plan())
    }

    /// Gives an error that the plan met while it ran its place in the SQL file.
    pub fn located(&self, error: datafusion::error::DataFusionError) -> Error {
        let script = &self.report.script;
        match script.statements.last() {
            Some(statement) => located(error, script, statement),
            None => error.into(),
        }
    }
}

/// Plans a report.
///
/// # Errors
/// What is wrong with its SQL, parameters, order, checks or chart, with the place.
pub async fn prepare(report: Report, recipe: &Recipe) -> Result<Prepared> {
    let script = &report.script;
    let in_file = |error| prefixed(error, &script.file);
    let clock = Clock { as_of: recipe.engine.as_of, time_zone: recipe.engine.time_zone };
    let values = script::bind(script, &report.definition.parameters, &clock).map_err(in_file)?;
    let engine = Engine::with_execution(recipe.engine.clone(), Execution::InOrder)?;
    engine.attach_view(&recipe.view)?;
    let Some((query, before)) = script.statements.split_last() else {
        return Err(Error::internal("a script without a statement"));
    };
    let mut reads_the_clock = false;
    for statement in before {
        let plan = plan(&engine, script, statement, values.clone()).await?;
        let LogicalPlan::Ddl(DdlStatement::CreateView(_)) = &plan else {
            return Err(script.error_at(
                statement,
                "only views may be made before the query of a report",
                "write CREATE VIEW, or a WITH clause in the query; settings belong on the command line",
            ));
        };
        reads_the_clock |= reads_clock(&plan)? || series_read_clock(&statement.parsed);
        let located = |error| located(error, script, statement);
        engine.context().execute_logical_plan(plan).await.map_err(located)?;
    }
    let plan = plan(&engine, script, query, values.clone()).await?;
    if matches!(
        plan,
        LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::DescribeTable(_)
    ) || plan.schema().fields().is_empty()
    {
        return Err(script.error_at(
            query,
            "the last statement of a report must be a query",
            "end the file with a SELECT",
        ));
    }
    if let Some(name) = volatile_function(&plan)? {
        let message = format!("{name}() gives another answer each time, so the report could not be made again");
        return Err(script.error_at(query, message, "leave it out; now() is the as-of instant and may stay"));
    }
    reads_the_clock |= reads_clock(&plan)? || series_read_clock(&query.parsed);
    let plan =
        make_total(plan, &report.order)?.map_err(|refusal| script.error_at(query, refusal.message, refusal.hint))?;
    let located = |error| located(error, script, query);
    let state = engine.context().state();
    let optimized = state.optimize(&plan).map_err(located)?;
    let physical = state.query_planner().create_physical_plan(&optimized, &state).await.map_err(located)?;
    let schema = physical.schema();
    for check in &report.checks {
        check.check(&schema).map_err(in_file)?;
    }
    if let Some(chart) = &report.chart {
        chart.check(&schema).map_err(in_file)?;
    }
    let veil = Veil::of(&report, recipe.privacy);
    let (veiled, bound) = (veil.definition(&report.definition), veil.bound(&report, &values));
    let versions = (recipe.view.version(), recipe.view.quarantine_version().await?);
    let fingerprint = match veiled.parameters.is_empty() && veiled.sql == Masked::No {
        true => fingerprint(&report, recipe, versions, &bound, reads_the_clock, &optimized, &physical)?,
        false => String::new(),
    };
    let there = match &recipe.spread {
        Some(spread) => there(&engine, spread, &optimized, &schema, report.id()).await,
        None => None,
    };
    Ok(Prepared { report, engine, veil, veiled, bound, fingerprint, plan: physical, there })
}

/// Plans a report for other processes, where its bytes will be the same there; else says in the log why it stays.
async fn there(
    engine: &Engine,
    spread: &Arc<dyn Distribution>,
    optimized: &LogicalPlan,
    schema: &SchemaRef,
    id: &str,
) -> Option<Node> {
    let types = |schema: &SchemaRef| -> Vec<DataType> {
        schema.fields().iter().map(|field| field.data_type().clone()).collect()
    };
    let nested = schema.fields().iter().find(|field| !is_flat(field.data_type()));
    let reason = match (nested, engine.there(spread, optimized, RowsAs::Bytes).await) {
        (Some(field), _) => format!("column {:?} has values of several parts", field.name()),
        (None, Ok(Ok(plan))) if types(&plan.schema()) == types(schema) => return Some(plan),
        (None, Ok(Ok(_))) => "its columns have other types there".to_owned(),
        (None, Ok(Err(reason))) => reason,
        (None, Err(error)) => {
            tracing::warn!(report = id, "the report cannot be planned for workers: {}", error.strip_backtrace());
            return None;
        }
    };
    tracing::info!(report = id, "the report runs in this process: {reason}");
    None
}

async fn plan(engine: &Engine, script: &Script, statement: &Statement, values: ParamValues) -> Result<LogicalPlan> {
    if let Access::Writes(what) = statement.access() {
        return Err(script.error_at(statement, format!("the statement is {what}"), "reports only read"));
    }
    let located = |error| located(error, script, statement);
    engine.plan(statement.parsed.clone(), &values).await.map_err(located)
}

/// Gives an engine's error its place in the text of its statement, with the tables' names for a hint.
pub fn located(error: datafusion::error::DataFusionError, script: &Script, statement: &Statement) -> Error {
    script::locate_among(error, script, Some(statement), &TABLES.map(|table| table.name.trim_matches('"')))
}

/// Hashes all that the outputs of a report depend on. Of the lake these are the data files that are left after pruning, and
/// the version only where the result depends on more than them.
fn fingerprint(
    report: &Report,
    recipe: &Recipe,
    versions: (u64, Option<u64>),
    bound: &[(String, String)],
    reads_the_clock: bool,
    logical: &LogicalPlan,
    physical: &Node,
) -> Result<String> {
    let mut files = Vec::new();
    let mut scans = 0;
    physical.apply(|node| {
        if let Some(scan) = node.downcast_ref::<SessionScanExec>() {
            scans += 1;
            files.push((scan.table().0.to_owned(), scan.files()));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut tables = 0;
    let mut about_the_lake = false;
    logical.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables += 1;
            about_the_lake |= matches!(scan.table_name.table(), "lake_history" | "lake_files" | "lake_json_paths");
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // A scan that the optimizer answered from the log's statistics, such as count(*), has left the plan with its files.
    let by_version = about_the_lake || scans < tables;
    let versions = by_version.then_some(versions);
    let clock = reads_the_clock.then(|| recipe.engine.as_of.to_rfc3339());
    let parts = serde_json::json!({
        "sessionlake": env!("CARGO_PKG_VERSION"),
        "report": report.definition,
        "bound": bound,
        "lake": recipe.lake_uri,
        "versions": versions,
        "files": files,
        "as-of": clock,
        "time-zone": recipe.engine.time_zone.name(),
        "time-zone-release": zones::release(),
        "privacy": recipe.privacy,
        "html-rows": recipe.html_rows,
    });
    Ok(hash_text(&parts.to_string()))
}

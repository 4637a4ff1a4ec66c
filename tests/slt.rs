//! Runs the SQL logic tests: every `tests/slt/**/*.slt`, each in a session of its own.
//!
//! Values are printed as Arrow formats them: `NULL`, `(empty)` for empty text, timestamps in RFC 3339, floats in the shortest form
//! that reads back. Runs of blanks compare as one. `EXPLAIN` prints its plans a line a row. The as-of instant is 2026-11-21T00:00:00Z.
//!
//! One test runs the files one after the other and reports every one that fails. `SESSIONLAKE_SLT=part-of-a-path` runs only
//! the files whose path holds it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, Utc};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::prelude::SessionContext;
use sessionlake::cluster::{Cluster, ClusterOptions, Keys, Workers};
use sessionlake::engine::{At, Engine, EngineOptions, Leaves};
use sessionlake::ingest::{Encoding, IngestOptions, Limits, ReadOptions, expand, ingest};
use sessionlake::lake::Lake;
use sessionlake::zones::Tz;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tokio::sync::OnceCell;

/// The instant that `now()` and running sessions see.
const AS_OF: &str = "2026-11-21T00:00:00Z";

/// A lake with the export that the shipped queries are tested on, made once.
static LAKE: OnceCell<(tempfile::TempDir, Lake)> = OnceCell::const_new();

async fn lake() -> &'static Lake {
    let made = LAKE.get_or_init(|| async {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().join("lake").to_str().unwrap()).unwrap();
        let exports = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries/sessions.csv");
        let inputs = expand(&[exports.display().to_string()]).unwrap();
        let as_of: DateTime<Utc> = AS_OF.parse().unwrap();
        let options = IngestOptions {
            read: ReadOptions {
                format: None,
                encoding: Encoding::Utf8,
                time_zone: Tz::UTC,
                header_map: Vec::new(),
                keep_extra: false,
                max_record_bytes: 1 << 20,
                exported_at_us: Some(as_of.timestamp_micros()),
                fallback_exported_at_us: as_of.timestamp_micros(),
                dialect: None,
                declared: Default::default(),
                no_end_days: Vec::new(),
                records: None,
                sheet: None,
                zone_is_declared: false,
                strict: false,
                profile: None,
            },
            max_bad: 0,
            all_or_nothing: false,
            leaf_budget: sessionlake::lake::layout::LEAF_BUDGET,
            upkeep: false,
            with_erased: false,
            now_us: as_of.timestamp_micros(),
            limits: Limits {
                threads: NonZeroUsize::MIN,
                memory_bytes: 64 << 20,
                spill_bytes: 1 << 40,
                cancelled: Arc::default(),
                progress: Arc::new(|_| {}),
            },
        };
        ingest(&lake, &inputs, options).await.unwrap();
        (folder, lake)
    });
    &made.await.1
}

/// Where the statements of a file run.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// In this process, on so many threads.
    Here(usize),
    /// On so many workers in this process, in tasks of so many partitions.
    Workers(usize, usize),
}

/// The ways in which every file runs: the answers are the same.
const WAYS: [Way; 5] = [Way::Here(2), Way::Here(1), Way::Workers(1, 3), Way::Workers(2, 1), Way::Workers(3, 2)];

/// Makes the session in which a file runs: the engine's own, over the lake.
async fn session(way: Way) -> SessionContext {
    let threads = match way {
        Way::Here(threads) | Way::Workers(_, threads) => NonZeroUsize::new(threads).unwrap(),
    };
    let options = EngineOptions {
        as_of: AS_OF.parse().unwrap(),
        time_zone: Tz::UTC,
        memory_limit_bytes: 256 << 20,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads,
        leaves: Leaves::Read,
    };
    let mut engine = Engine::new(options.clone()).unwrap();
    if let Way::Workers(count, _) = way {
        let workers = Workers::Local(NonZeroUsize::new(count).unwrap());
        // However little there is to read, it is cut.
        let computing = tokio::runtime::Handle::current();
        let cluster = ClusterOptions { task_bytes: 1, keys: Keys::default(), computing };
        let cluster = Cluster::meet(&workers, &cluster, &options, lake().await, &|_| {}).await.unwrap();
        engine = engine.spread_over(cluster.spread());
    }
    engine.attach(lake().await, At::Newest).await.unwrap();
    engine.context().clone()
}

/// Plans and runs one statement.
async fn run_statement(context: &SessionContext, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
    let plan = context.state().create_logical_plan(sql).await?;
    if matches!(plan, LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_) | DdlStatement::CreateView(_)))
        || matches!(plan, LogicalPlan::Statement(_))
    {
        context.execute_logical_plan(plan).await?;
        return Ok(DBOutput::StatementComplete(0));
    }
    let is_explain = matches!(plan, LogicalPlan::Explain(_));
    let frame = DataFrame::new(context.state(), plan);
    let types = frame.schema().fields().iter().map(|field| column_type(field.data_type())).collect();
    let batches = frame.collect().await?;
    let mut rows = Vec::new();
    for batch in &batches {
        rows.extend(format_rows(batch)?);
    }
    if is_explain {
        rows = rows.iter().flat_map(|row| plan_lines(row)).collect();
    }
    Ok(DBOutput::Rows { types, rows })
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_floating() => DefaultColumnType::FloatingPoint,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    }
}

fn format_rows(batch: &RecordBatch) -> Result<Vec<Vec<String>>, DataFusionError> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter<'_>> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<_, _>>()?;
    let show = |text: String| if text.is_empty() { "(empty)".to_owned() } else { text };
    Ok((0..batch.num_rows())
        .map(|row| columns.iter().map(|column| show(column.value(row).to_string())).collect())
        .collect())
}

/// Writes a plan a line a row, with numbers, and dashes for the blanks that comparing would squeeze.
fn plan_lines(row: &[String]) -> Vec<Vec<String>> {
    let [kind, plan] = row else { return vec![row.to_vec()] };
    let lines = plan.lines().filter(|line| !line.trim().is_empty()).enumerate().map(|(index, line)| {
        let text = line.trim_start();
        vec![format!("{:02}){}{text}", index + 1, "-".repeat(line.len() - text.len()))]
    });
    std::iter::once(vec![kind.clone()]).chain(lines).collect()
}

/// A session as sqllogictest wants it.
struct Session {
    context: SessionContext,
    /// What explains statements: a session that cuts no plan.
    explains: SessionContext,
}

#[async_trait::async_trait]
impl AsyncDB for Session {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
        let is_explained = sql.trim_start().to_ascii_lowercase().starts_with("explain");
        if !is_explained && changes_session(sql) && !Arc::ptr_eq(&self.context.state_ref(), &self.explains.state_ref())
        {
            // What is set or made is there for both.
            run_statement(&self.explains, sql).await.ok();
        }
        run_statement(if is_explained { &self.explains } else { &self.context }, sql).await
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "sessionlake"
    }
}

/// Says whether a statement changes the session that it runs in.
fn changes_session(sql: &str) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    matches!(first.as_str(), "set" | "reset" | "create" | "drop")
}

/// Lists the test files below a folder, in name order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    entries
        .into_iter()
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|ending| ending == "slt"))
        .collect()
}

#[test]
fn every_logic_test_passes() {
    let wanted = std::env::var("SESSIONLAKE_SLT").unwrap_or_default();
    let all = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt"));
    let chosen: Vec<&PathBuf> = all.iter().filter(|path| path.to_string_lossy().contains(&wanted)).collect();
    assert!(!chosen.is_empty(), "no .slt file found");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ways = WAYS.iter().flat_map(|way| chosen.iter().map(move |path| (*way, path)));
    let failures: Vec<String> = ways
        .filter_map(|(way, path)| {
            let mut runner = Runner::new(|| async move {
                let context = session(way).await;
                let explains = match way {
                    Way::Here(2) => context.clone(),
                    _ => session(Way::Here(2)).await,
                };
                Ok(Session { context, explains })
            });
            runner.with_column_validator(sqllogictest::strict_column_validator);
            let failed = runtime.block_on(runner.run_file_async(path)).err();
            failed.map(|error| format!("{way:?}: {error}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} files failed:\n\n{}", failures.len(), chosen.len(), failures.join("\n\n"));
}

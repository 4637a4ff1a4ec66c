//! The queries that ship: each gives the expected answer over a small export that holds every border of its definition, says what
//! it is, is planned without a lake, and answers over the sample export.
//!
//! `tests/queries/sessions.csv` is the export, `tests/queries/NAME.csv` the answer of `queries/NAME.sql` with its defaults, and
//! `NAME.VARIANT.csv` that with the zone and parameters of [`variants`]. `tests/queries/README.md` says where they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};

use chrono::{DateTime, Utc};
use datafusion::physical_plan::common::collect;
use serde_json::{Value, json};
use sessionlake::engine::{At, Engine, EngineOptions};
use sessionlake::format::{self, FormatOptions, OutputFormat};
use sessionlake::ingest::{self, Encoding, IngestOptions, Limits, ReadOptions};
use sessionlake::lake::Lake;
use sessionlake::script::{self, Access, Clock, Script};
use sessionlake::zones::Tz;
use tempfile::TempDir;

const AS_OF: &str = "2026-11-21T00:00:00Z";
static NEW_YORK: LazyLock<Tz> = LazyLock::new(|| Tz::named("America/New_York").unwrap());

/// A query with parameters of its own: query, name of the variant, time zone, parameters.
type Variant = (&'static str, &'static str, Tz, Value);

/// The variants with an expected answer.
fn variants() -> Vec<Variant> {
    let utc = Tz::UTC;
    vec![
        ("active_sessions", "in_the_past", utc, json!({ "at": "2026-11-20T10:10:00Z" })),
        (
            "concurrency_by_interval",
            "quarters",
            utc,
            json!({
                "since": "2026-11-20T10:05:00Z", "until": "2026-11-20T10:20:00Z", "interval": "15 minutes",
                "session_limit": "10",
            }),
        ),
        ("containment_rate", "without_short", utc, json!({ "exclude_under": "30s" })),
        ("drop_off_items", "all_ends", utc, json!({ "include_terminal": "true" })),
        ("duration_percentiles", "days_in_new_york", *NEW_YORK, json!({ "by": "day" })),
        ("duration_percentiles", "wrong_by", utc, json!({ "by": "colour" })),
        ("ivr_abandonment", "without_short", utc, json!({ "exclude_under": "10s", "workflow": "wf_billing" })),
        ("new_vs_returning", "weeks", utc, json!({ "interval": "1 week" })),
        ("repeat_callers", "in_full", utc, json!({ "within": "8 days", "min_repeats": "2", "show_numbers": "yes" })),
        ("repeat_rate_by_outcome", "a_week", utc, json!({ "within": "1 week" })),
        ("stuck_sessions", "an_hour", utc, json!({ "longer_than": "1h" })),
        ("transfer_rate", "weeks_in_new_york", *NEW_YORK, json!({ "interval": "1 week" })),
        ("true_containment", "eight_days", utc, json!({ "within": "8 days", "workflow": "wf_billing" })),
        ("variable_breakdown", "tier_name", utc, json!({ "path": "$.variables.customer_tier.name" })),
        (
            "version_comparison",
            "named",
            utc,
            json!({ "workflow": "wf_billing", "baseline": "ver_b1", "candidate": "ver_b2" }),
        ),
        // The day on which New York's clocks go back: 25 hours.
        ("volume_by_interval", "clocks_go_back", *NEW_YORK, json!({ "since": "2026-11-01", "until": "2026-11-02" })),
        ("volume_heat_map", "new_york", *NEW_YORK, json!({})),
        ("volume_trend", "new_york", *NEW_YORK, json!({})),
    ]
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Lists the names, without their ending, of the files in a folder that have it.
fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository(folder)).unwrap();
    let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = files.filter_map(|file| file.strip_suffix(ending).map(str::to_owned)).collect();
    assert!(!found.is_empty(), "no {ending} file in {folder}");
    found
}

fn query(name: &str) -> Script {
    let file = format!("queries/{name}.sql");
    let text = std::fs::read_to_string(repository(&file)).unwrap();
    script::parse(&file, &text).unwrap_or_else(|error| panic!("{error}"))
}

fn expected(name: &str) -> String {
    std::fs::read_to_string(repository(&format!("tests/queries/{name}.csv"))).unwrap_or_default()
}

fn as_of() -> DateTime<Utc> {
    AS_OF.parse().unwrap()
}

fn engine(time_zone: Tz, threads: usize) -> Engine {
    Engine::new(EngineOptions {
        as_of: as_of(),
        time_zone,
        memory_limit_bytes: 512 << 20,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads: NonZeroUsize::new(threads).unwrap(),
        leaves: sessionlake::engine::Leaves::Read,
    })
    .unwrap()
}

/// A lake in a folder of its own.
struct TestLake {
    lake: Lake,
    _folder: TempDir,
}

impl TestLake {
    async fn of(export: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(&folder.path().join("lake").display().to_string()).unwrap();
        let options = IngestOptions {
            read: ReadOptions {
                format: None,
                encoding: Encoding::Utf8,
                time_zone: Tz::UTC,
                header_map: Vec::new(),
                keep_extra: false,
                max_record_bytes: 1 << 20,
                exported_at_us: Some(as_of().timestamp_micros()),
                fallback_exported_at_us: as_of().timestamp_micros(),
                dialect: None,
                declared: Default::default(),
                no_end_days: Vec::new(),
                records: None,
                sheet: None,
                zone_is_declared: false,
                strict: false,
                profile: None,
            },
            max_bad: 1,
            all_or_nothing: true,
            leaf_budget: sessionlake::lake::layout::LEAF_BUDGET,
            upkeep: false,
            with_erased: false,
            now_us: as_of().timestamp_micros(),
            limits: Limits {
                threads: NonZeroUsize::MIN,
                memory_bytes: 64 << 20,
                spill_bytes: 1 << 40,
                cancelled: Arc::new(AtomicBool::new(false)),
                progress: Arc::new(|_| {}),
            },
        };
        let inputs = ingest::expand(&[repository(export).display().to_string()]).unwrap();
        let ledger = ingest::ingest(&lake, &inputs, options).await.unwrap();
        assert!(ledger.version.is_some(), "{export} was not stored");
        Self { lake, _folder: folder }
    }

    async fn engine(&self, time_zone: Tz, threads: usize) -> Engine {
        let engine = engine(time_zone, threads);
        engine.attach(&self.lake, At::Newest).await.unwrap();
        engine
    }
}

/// Bytes that a writer has put out.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a query's one statement as the command line does, and returns its answer as CSV.
async fn answer(engine: &Engine, script: &Script, given: &Value) -> Result<String, String> {
    let failed = |error: datafusion::error::DataFusionError| error.to_string();
    let clock = Clock { as_of: engine.options().as_of, time_zone: engine.options().time_zone };
    let given: BTreeMap<String, Value> = serde_json::from_value(given.clone()).unwrap();
    let values = script::bind(script, &given, &clock).map_err(|error| error.to_string())?;
    let plan = engine.plan(script.statements[0].parsed.clone(), &values).await.map_err(failed)?;
    let frame = engine.context().execute_logical_plan(plan).await.map_err(failed)?;
    let stream = frame.execute_stream().await.map_err(failed)?;
    let written = Written::default();
    let options = FormatOptions { time_zone: clock.time_zone, ..FormatOptions::default() };
    let mut writer = format::writer(OutputFormat::Csv, &options, stream.schema(), Box::new(written.clone())).unwrap();
    for batch in collect(stream).await.map_err(failed)? {
        writer.write(&batch).unwrap();
    }
    writer.finish().unwrap();
    let bytes = written.0.lock().unwrap().clone();
    Ok(String::from_utf8(bytes).unwrap())
}

fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// Shows the first line in which an answer is not what was expected.
fn difference(name: &str, answer: &str, expected: &str) -> Option<String> {
    if answer == expected {
        return None;
    }
    let mut answer = answer.lines();
    let mut expected = expected.lines();
    for line in 1.. {
        match (answer.next(), expected.next()) {
            (None, None) => break,
            (found, wanted) if found == wanted => {}
            (found, wanted) => {
                return Some(format!("{name}, line {line}:\n  found    {found:?}\n  expected {wanted:?}"));
            }
        }
    }
    Some(format!("{name}: line ends differ"))
}

#[test]
fn every_query_gives_the_expected_answer() {
    let failures = run(async {
        let lake = TestLake::of("tests/queries/sessions.csv").await;
        let mut cases: Vec<(String, String, Tz, Value)> =
            names("queries", ".sql").into_iter().map(|name| (name.clone(), name, Tz::UTC, json!({}))).collect();
        for (name, variant, time_zone, given) in variants() {
            cases.push((name.to_owned(), format!("{name}.{variant}"), time_zone, given));
        }
        let mut failures = Vec::new();
        for (name, case, time_zone, given) in &cases {
            let engine = lake.engine(*time_zone, 2).await;
            match answer(&engine, &query(name), given).await {
                Ok(answer) => failures.extend(difference(case, &answer, &expected(case))),
                Err(error) => failures.push(format!("{case}: {error}")),
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{} answers differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_query_and_variant_has_an_expected_answer_and_no_answer_is_left_over() {
    let mut wanted = names("queries", ".sql");
    wanted.extend(variants().iter().map(|(name, variant, ..)| format!("{name}.{variant}")));
    let mut found = names("tests/queries", ".csv");
    assert!(found.remove("sessions"), "the export is missing");
    let missing: Vec<_> = wanted.difference(&found).collect();
    let left_over: Vec<_> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && left_over.is_empty(), "missing: {missing:?}, left over: {left_over:?}");
}

#[test]
fn every_query_says_what_it_is_and_can_run_as_it_is() {
    let mut titles = BTreeSet::new();
    for name in names("queries", ".sql") {
        let script = query(&name);
        let title = script.header.title.clone().unwrap_or_else(|| panic!("{name} has no title"));
        assert!(titles.insert(title.clone()), "{title:?} is the title of two queries");
        let description = script.header.description.as_deref().unwrap_or_default();
        assert!(description.len() > 80 && description.ends_with('.'), "{name} does not say what it counts");
        assert_eq!(script.statements.len(), 1, "{name} answers more than one question");
        assert_eq!(script.statements[0].access(), Access::Reads, "{name}");
        let unused: Vec<_> = script.unused_parameters().map(|parameter| &parameter.name).collect();
        assert!(unused.is_empty(), "{name} does not use {unused:?}");
        for parameter in &script.header.parameters {
            assert!(parameter.default.is_some(), "{name}: {} has no default", parameter.name);
            assert!(parameter.description.is_some(), "{name}: {} is not described", parameter.name);
        }
        assert!(script.text.to_lowercase().contains("order by"), "{name} leaves the order open");
    }
}

#[test]
fn every_query_is_in_the_page_with_its_parameters() {
    let page = std::fs::read_to_string(repository("docs/queries.md")).unwrap();
    let rows: BTreeMap<&str, &str> =
        page.lines().filter_map(|line| Some((line.strip_prefix("| [`")?.split_once(".sql`]")?.0, line))).collect();
    let named: BTreeSet<String> = rows.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(named, names("queries", ".sql"));
    for (name, row) in rows {
        let script = query(name);
        let parameters = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let listed: Vec<&str> = parameters.split('`').skip(1).step_by(2).collect();
        let declared: Vec<&str> = script.header.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(listed, declared, "docs/queries.md on {name}");
    }
}

#[test]
fn every_query_is_planned_and_runs_without_a_lake() {
    run(async {
        let engine = engine(Tz::UTC, 2);
        engine.attach_nothing().unwrap();
        let clock = Clock { as_of: as_of(), time_zone: Tz::UTC };
        for name in names("queries", ".sql") {
            let script = query(&name);
            let values = script::bind_for_plan(&script, &BTreeMap::new(), &clock).unwrap();
            let plan = engine.plan(script.statements[0].parsed.clone(), &values).await.unwrap();
            if let Err(error) = engine.context().state().create_physical_plan(&plan).await {
                panic!("{name} cannot be planned: {error}");
            }
            if let Err(error) = answer(&engine, &script, &json!({})).await {
                panic!("{name} fails over empty tables: {error}");
            }
        }
    });
}

#[test]
fn every_query_answers_over_the_sample_alike_on_any_number_of_threads() {
    run(async {
        let lake = TestLake::of("data/workflow_sessions.csv").await;
        for name in names("queries", ".sql") {
            let script = query(&name);
            let one = answer(&lake.engine(*NEW_YORK, 1).await, &script, &json!({})).await.unwrap();
            let three = answer(&lake.engine(*NEW_YORK, 3).await, &script, &json!({})).await.unwrap();
            assert!(one.lines().count() > 1, "{name} has no row");
            assert_eq!(difference(&name, &one, &three), None);
        }
    });
}

/// Small exports, each at one border of a definition: a query, its parameters, and what its answer has.
const BORDERS: [(&str, &str, &str, &[&str]); 8] = [
    // A session that ended before it started is a session that ended.
    (ENDED_BEFORE, "containment_rate", "{}", &["(all),2,0,1,1,0,2,1.0,0.5"]),
    (ENDED_BEFORE, "containment_rate", r#"{"exclude_under": "1 second"}"#, &["(all),1,0,1,0,0,1,1.0,1.0"]),
    (ENDED_BEFORE, "ivr_abandonment", "{}", &["2,1,"]),
    (ENDED_BEFORE, "transfer_rate", "{}", &[",2,0,"]),
    // One number, spelt twice, and two that are withheld.
    (
        "session_id,communication_type,started_at,ended_at,source_details_phone_number\n\
         a,Phone,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,+12025550145\n\
         b,Phone,2026-11-20T12:00:00Z,2026-11-20T12:05:00Z,(202) 555-0145\n\
         c,Phone,2026-11-20T13:00:00Z,2026-11-20T13:05:00Z,anonymous\n\
         d,Phone,2026-11-20T14:00:00Z,2026-11-20T14:05:00Z,anonymous\n",
        "jobs/key_figures",
        "{}",
        &["\"callers who came more than once, %\",100.0,"],
    ),
    // Sessions of one instant come back to neither.
    (AT_ONCE, "true_containment", r#"{"within": "1 hour"}"#, &["(all),2,2,0,1.0,1.0,0"]),
    (AT_ONCE, "repeat_rate_by_outcome", r#"{"within": "1 hour"}"#, &["completed,2,0,0.0,\n"]),
    // Versions of two workflows that have the same names.
    (
        "session_id,workflow_id,version_id,started_at,ended_at,action_data\n\
         a,A,1,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,end\n\
         b,A,2,2026-11-20T11:00:00Z,2026-11-20T11:05:00Z,end\n\
         c,A,2,2026-11-20T12:00:00Z,2026-11-20T12:05:00Z,end\n\
         d,B,1,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,createInteraction\n\
         e,B,2,2026-11-20T11:00:00Z,2026-11-20T11:05:00Z,createInteraction\n",
        "version_comparison",
        "{}",
        &["sessions,1.0,2.0,1.0,1.0,1,2", "containment_rate,1.0,1.0,0.0,0.0,1,2"],
    ),
];

const ENDED_BEFORE: &str = "session_id,workflow_id,communication_type,started_at,ended_at,action_data\n\
                            a,w,Phone,2026-11-20T11:00:00Z,2026-11-20T10:55:00Z,say\n\
                            b,w,Phone,2026-11-20T11:00:00Z,2026-11-20T11:05:00Z,end\n";
const AT_ONCE: &str = "session_id,workflow_id,communication_type,started_at,ended_at,action_data,source_details_phone_number\n\
                       a,w,Phone,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,end,+12025550143\n\
                       b,v,Phone,2026-11-20T10:00:00Z,2026-11-20T10:06:00Z,end,+12025550143\n";

#[test]
fn figures_are_right_at_the_borders_of_their_definitions() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        for (number, (export, name, given, wanted)) in BORDERS.into_iter().enumerate() {
            let path = folder.path().join(format!("{number}.csv"));
            std::fs::write(&path, export).unwrap();
            let lake = TestLake::of(path.to_str().unwrap()).await;
            let mut given: Value = serde_json::from_str(given).unwrap();
            given["since"] = json!("2026-11-20");
            given["until"] = json!("2026-11-21");
            let answer = answer(&lake.engine(Tz::UTC, 2).await, &query(name), &given).await.unwrap();
            for line in wanted {
                assert!(answer.contains(line), "{name} {given}: {line:?} is not in\n{answer}");
            }
        }
    });
}

//! Small states of sessions, exports of them, and lakes in temporary folders.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::DateTime;
use sessionlake::custody::set_properties;
use sessionlake::engine::{At, Engine, EngineOptions, Leaves};
use sessionlake::generate::{GenerateFormat, GenerateOptions, generate};
use sessionlake::ingest::{Encoding, IngestOptions, Ledger, Limits, ReadOptions, SourceFile, ingest};
use sessionlake::lake::{Lake, layout};

/// 2026-11-21T00:00:00Z in microseconds: when everything takes place that does not say otherwise.
pub const NOW_US: i64 = 1_795_219_200_000_000;
/// Microseconds of an hour.
pub const HOUR_US: i64 = 3_600_000_000;

/// A state of a session, as an export has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    pub session: u32,
    pub ended: bool,
    pub seconds: u32,
    pub data: u32,
}

/// Returns a state that is still running.
pub fn running(session: u32, data: u32) -> State {
    State { session, ended: false, seconds: 60, data }
}

/// Returns a state that has ended.
pub fn ended(session: u32, data: u32) -> State {
    State { session, ended: true, seconds: 60, data }
}

/// Writes states as CSV. Sessions start in an order that is not that of their ids.
pub fn write_csv(path: &Path, states: &[State]) {
    let mut text = String::from("Session Id,Started At,Ended At,Time in Workflow,Workflow Id,Data\n");
    for state in states {
        let start_us = NOW_US - i64::from(1 + state.session * 7 % 5) * 24 * HOUR_US;
        let start = DateTime::from_timestamp_micros(start_us).unwrap().to_rfc3339();
        let end_us = start_us + i64::from(state.seconds) * 1_000_000;
        let end =
            if state.ended { DateTime::from_timestamp_micros(end_us).unwrap().to_rfc3339() } else { String::new() };
        text += &format!(
            "session-{},{start},{end},{},workflow-{},\"{{\"\"step\"\":{}}}\"\n",
            state.session,
            state.seconds,
            state.session % 2,
            state.data
        );
    }
    std::fs::write(path, text).unwrap();
}

/// Writes states as a CSV file that was exported at hour `hour` of the day.
pub fn export(folder: &Path, name: &str, hour: i64, states: &[State]) -> SourceFile {
    let path = folder.join(name);
    write_csv(&path, states);
    source(&path, hour)
}

/// Names a file as exported at this hour.
pub fn source(path: &Path, hour: i64) -> SourceFile {
    SourceFile {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        path: Some(path.to_owned()),
        size_bytes: None,
        modified_us: Some(NOW_US + hour * HOUR_US),
        member: None,
        delta: None,
    }
}

/// Returns the usual options.
pub fn options() -> IngestOptions {
    IngestOptions {
        read: ReadOptions {
            format: None,
            encoding: Encoding::Utf8,
            time_zone: sessionlake::zones::Tz::UTC,
            header_map: Vec::new(),
            keep_extra: false,
            max_record_bytes: 1 << 20,
            exported_at_us: None,
            fallback_exported_at_us: NOW_US,
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
        now_us: NOW_US,
        limits: Limits {
            threads: NonZeroUsize::new(2).unwrap(),
            memory_bytes: 64 << 20,
            spill_bytes: 1 << 40,
            cancelled: Arc::new(AtomicBool::new(false)),
            progress: Arc::new(|_| {}),
        },
    }
}

/// Names the lake in a folder.
pub fn lake_in(folder: &Path) -> Lake {
    Lake::at(folder.join("lake").to_str().unwrap()).unwrap()
}

/// Sets a property of a lake, which is made if it is not there.
pub async fn set_property(lake: &Lake, name: &str, value: &str) {
    lake.open_or_create(layout::SESSIONS).await.unwrap();
    let change = [(name.to_owned(), Some(value.to_owned()))];
    let now = DateTime::from_timestamp_micros(NOW_US).unwrap();
    assert!(set_properties(lake, &change, now, &options().limits).await.unwrap().is_some());
}

/// Ingests files and checks that the ledger balances, for each file and in all.
pub async fn take(lake: &Lake, files: &[SourceFile]) -> Ledger {
    let ledger = try_take(lake, files).await.unwrap();
    assert_balanced(&ledger);
    ledger
}

/// As [`take`], where it may fail.
pub async fn try_take(lake: &Lake, files: &[SourceFile]) -> sessionlake::Result<Ledger> {
    ingest(lake, files, options()).await
}

/// Checks that every record has one outcome, for each file and in all.
pub fn assert_balanced(ledger: &Ledger) {
    assert!(ledger.files.iter().all(|file| file.counts.balances()), "{ledger:#?}");
    assert!(ledger.total.balances(), "{ledger:#?}");
}

/// Opens an engine on a lake.
pub async fn open(lake: &Lake, at: At) -> sessionlake::Result<Engine> {
    open_with(lake, at, Leaves::Read).await
}

/// Opens an engine on a lake that reads leaf columns or does not.
pub async fn open_with(lake: &Lake, at: At, leaves: Leaves) -> sessionlake::Result<Engine> {
    let engine = Engine::new(EngineOptions {
        as_of: DateTime::from_timestamp_micros(NOW_US).unwrap(),
        time_zone: sessionlake::zones::Tz::UTC,
        memory_limit_bytes: 256 << 20,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads: NonZeroUsize::new(2).unwrap(),
        leaves,
    })?;
    engine.attach(lake, at).await?;
    Ok(engine)
}

/// Runs a query on the newest version and returns its rows, values joined by `|`.
pub async fn query(lake: &Lake, sql: &str) -> Vec<String> {
    let engine = open(lake, At::Newest).await.unwrap();
    rows_of(&engine.context().sql(sql).await.unwrap().collect().await.unwrap())
}

/// Runs queries in one session on the newest version and returns the rows of each.
pub async fn answers(lake: &Lake, statements: &[&str]) -> Vec<Vec<String>> {
    let engine = open(lake, At::Newest).await.unwrap();
    let mut answers = Vec::new();
    for sql in statements {
        answers.push(rows_of(&engine.context().sql(sql).await.unwrap().collect().await.unwrap()));
    }
    answers
}

/// Writes the rows of batches as text.
pub fn rows_of(batches: &[RecordBatch]) -> Vec<String> {
    let format = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &format).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

/// Returns the 14 columns of all sessions, in the order of their ids.
pub async fn table(lake: &Lake) -> Vec<String> {
    query(lake, "select * from workflow_sessions order by session_id").await
}

/// Generates an export and returns its file.
pub fn generated(folder: &Path, sessions: u64, format: GenerateFormat) -> PathBuf {
    let mut options = GenerateOptions::new(folder, sessions);
    options.format = format;
    generate(&options, &|_, _| {}).unwrap().files[0].path.clone()
}

/// Returns the command line, with nothing of this process's settings.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessionlake"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SESSIONLAKE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command and returns its exit code, stdout and stderr.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Lists the files of a folder that end so, in name order.
pub fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.is_file() && p.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    files
}

//! Criterion benches: ourselves over time.
//!
//! `cargo bench --bench engine` measures, `cargo test --bench engine` runs each once. Inputs are generated from seed 1, small enough
//! that a bench is about the code and not about the disk. Names are `area/what`; throughput is in rows or bytes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot be set up has nothing to say")]
#![allow(missing_docs, reason = "criterion's macros make public functions without any")]

use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{AsArray, RecordBatch};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datafusion::prelude::SessionContext;
use sessionlake::engine::{At, Engine, EngineOptions};
use sessionlake::generate::{GenerateFormat, GenerateOptions, generate};
use sessionlake::ingest::{
    Encoding, IngestOptions, Key, Limits, ReadOptions, Reader, RowPlace, SourceFile, content_hashes, ingest, resolve,
    session_hash,
};
use sessionlake::lake::{FileWriter, Lake, Output};
use sessionlake::{functions, schema, script};

/// Rows of the batch that functions and conversion run on.
const ROWS: u64 = 8_192;
/// 2026-11-21T00:00:00Z in microseconds.
const NOW_US: i64 = 1_795_219_200_000_000;

fn read_options() -> ReadOptions {
    ReadOptions {
        format: None,
        encoding: Encoding::Utf8,
        time_zone: sessionlake::zones::Tz::UTC,
        zone_is_declared: false,
        header_map: Vec::new(),
        keep_extra: false,
        max_record_bytes: 1 << 24,
        exported_at_us: Some(NOW_US),
        fallback_exported_at_us: NOW_US,
        dialect: None,
        declared: Default::default(),
        no_end_days: Vec::new(),
        records: None,
        sheet: None,
        strict: false,
        profile: None,
    }
}

fn export(folder: &Path, format: GenerateFormat, sessions: u64) -> SourceFile {
    let mut options = GenerateOptions::new(folder, sessions);
    options.format = format;
    let path: PathBuf = generate(&options, &|_, _| {}).unwrap().files[0].path.clone();
    let size_bytes = std::fs::metadata(&path).unwrap().len();
    SourceFile {
        name: "export".to_owned(),
        path: Some(path),
        size_bytes: Some(size_bytes),
        modified_us: None,
        member: None,
        delta: None,
    }
}

/// Reads and converts a whole export.
fn batches_of(file: &SourceFile) -> Vec<RecordBatch> {
    let mut reader = Reader::open(file, &read_options()).unwrap();
    let converter = reader.converter();
    let mut batches = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        batches.push(converter.convert(block).unwrap().rows);
    }
    batches
}

/// Generates one batch of [`ROWS`] rows and a few more, for an export has duplicates.
fn one_batch(folder: &Path) -> RecordBatch {
    let batches = batches_of(&export(folder, GenerateFormat::Ndjson, ROWS));
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("read");
    for format in [GenerateFormat::Csv, GenerateFormat::Ndjson] {
        let file = export(folder.path(), format, ROWS);
        group.throughput(Throughput::Bytes(file.size_bytes.unwrap()));
        group.bench_with_input(BenchmarkId::new("cut", format.name()), &file, |bencher, file| {
            bencher.iter(|| {
                let mut reader = Reader::open(file, &read_options()).unwrap();
                let mut records = 0;
                while let Some(block) = reader.next_block().unwrap() {
                    records += block.record_count();
                }
                records
            });
        });
        group.bench_with_input(BenchmarkId::new("cut_and_convert", format.name()), &file, |bencher, file| {
            bencher.iter(|| batches_of(file).len());
        });
    }
    group.finish();
}

fn deciding(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let batch = one_batch(folder.path());
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(batch.num_rows() as u64));
    group.bench_function("content_hash", |bencher| bencher.iter(|| content_hashes(&batch).unwrap()));
    let hashes = content_hashes(&batch).unwrap();
    let sessions = batch["session_id"].as_string_view();
    // Half of the sessions are stored, in the same state or in another.
    let mut keys = Vec::new();
    for row in 0..batch.num_rows() {
        let key = Key {
            session: session_hash(sessions.value(row)),
            content: hashes.value(row),
            seen_us: 2,
            time_in_workflow: 1,
            started_s: 0,
            workflow: 0,
            ended: row % 10 != 0,
            place: RowPlace::Incoming(row as u64),
        };
        keys.push(key);
        if row % 2 == 0 {
            let place = RowPlace::Stored { file: 0, row: row as u32 };
            keys.push(Key { place, seen_us: 1, content: key.content + (row % 4) as i64, ..key });
        }
    }
    group.bench_function("resolve", |bencher| {
        bencher.iter_batched(|| keys.clone(), |mut keys| resolve(&mut keys, &HashMap::new()), BatchSize::LargeInput);
    });
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let batch = stored_batch(&one_batch(folder.path()));
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(batch.num_rows() as u64));
    group.bench_function("parquet", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().unwrap(),
            |target| {
                let output = Output::Folder(target.path().to_owned());
                let mut writer = FileWriter::new(schema::stored_schema(), output, NonZeroUsize::MIN, "bench");
                writer.write(&batch).unwrap();
                (writer.finish().unwrap(), target)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Adds what the lake stores beside what was read.
fn stored_batch(batch: &RecordBatch) -> RecordBatch {
    let schema = schema::stored_schema();
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => Arc::new(content_hashes(batch).unwrap()) as _,
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

/// Makes a lake of sessions, and a session over it.
fn engine_over(folder: &Path, runtime: &tokio::runtime::Runtime, sessions: u64) -> Engine {
    let file = export(folder, GenerateFormat::Csv, sessions);
    let lake = Lake::at(folder.join("lake").to_str().unwrap()).unwrap();
    let two = NonZeroUsize::new(2).unwrap();
    let options = IngestOptions {
        read: read_options(),
        max_bad: 0,
        all_or_nothing: false,
        leaf_budget: sessionlake::lake::layout::LEAF_BUDGET,
        upkeep: false,
        with_erased: false,
        now_us: NOW_US,
        limits: Limits {
            threads: two,
            memory_bytes: 256 << 20,
            spill_bytes: 1 << 40,
            cancelled: Arc::new(AtomicBool::new(false)),
            progress: Arc::new(|_| {}),
        },
    };
    runtime.block_on(async {
        ingest(&lake, std::slice::from_ref(&file), options).await.unwrap();
        let engine = Engine::new(EngineOptions {
            as_of: chrono::DateTime::from_timestamp_micros(NOW_US).unwrap(),
            time_zone: sessionlake::zones::Tz::UTC,
            memory_limit_bytes: 1 << 30,
            spill_limit_bytes: 1 << 30,
            temporary_folder: None,
            threads: two,
            leaves: sessionlake::engine::Leaves::Read,
        })
        .unwrap();
        engine.attach(&lake, At::Newest).await.unwrap();
        engine
    })
}

fn scanning(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = engine_over(folder.path(), &runtime, 4 * ROWS);
    let looked_up = runtime.block_on(async {
        let sql = "select session_id from workflow_sessions where ended_at is not null limit 1";
        let batches = engine.context().sql(sql).await.unwrap().collect().await.unwrap();
        batches[0].column(0).as_string_view().value(0).to_owned()
    });
    let queries = [
        ("count", "select count(*) from workflow_sessions".to_owned()),
        (
            "group_by",
            "select workflow_id, count(*), avg(time_in_workflow) from workflow_sessions group by 1".to_owned(),
        ),
        (
            "filter",
            "select count(*), max(length(data)) from workflow_sessions where started_at >= '2026-11-14' and \
             communication_type = 'Phone'"
                .to_owned(),
        ),
        ("json_group_by", "select data->>'queue', count(*) from workflow_sessions group by 1".to_owned()),
        ("point_lookup", format!("select * from workflow_sessions where session_id = '{looked_up}'")),
    ];
    let mut group = criterion.benchmark_group("scan");
    for (name, sql) in &queries {
        group.bench_function(*name, |bencher| {
            bencher
                .to_async(&runtime)
                .iter(|| async { engine.context().sql(sql).await.unwrap().collect().await.unwrap().len() });
        });
    }
    group.finish();
}

/// Each operator and function that stands in for one of DataFusion's, by the setting that turns it off, with a query that meets it.
const STAND_INS: [(&str, &str); 7] = [
    (
        "own_window",
        "select count(before), max(place) from (select lag(started_at) over w as before, row_number() over w as place from \
         workflow_sessions window w as (partition by source_details_phone_number order by started_at, session_id))",
    ),
    (
        "own_sort",
        "select session_id from workflow_sessions order by source_details_phone_number, started_at, session_id",
    ),
    (
        "own_groups",
        "select workflow_id, communication_type, count(*), avg(time_in_workflow) from workflow_sessions group by 1, 2",
    ),
    (
        "own_flatten",
        "select json_get_str(event, 'type') as type, count(*) from \
         (select unnest(json_get_array(data, 'variables', 'events')) as event from workflow_sessions) group by 1",
    ),
    (
        "own_join",
        "select count(*) from workflow_sessions a join workflow_sessions b on a.source_details_phone_number = \
         b.source_details_phone_number and b.started_at > a.started_at and b.started_at <= a.started_at + interval '1 day'",
    ),
    ("own_date_trunc", "select date_trunc('week', started_at), count(*) from workflow_sessions group by 1"),
    (
        "own_coalesce",
        "select coalesce(data->'variables'->>'customer_tier', 'none') as tier, count(*) from workflow_sessions group by 1",
    ),
];

/// Measures each query with the stand-in and without.
fn standing_in(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = engine_over(folder.path(), &runtime, 16 * ROWS);
    let mut group = criterion.benchmark_group("stand_in");
    for (setting, sql) in STAND_INS {
        for is_on in [true, false] {
            let set = format!("set sessionlake.{setting} = {is_on}");
            runtime.block_on(async { engine.context().sql(&set).await.unwrap().collect().await.unwrap() });
            let way = if is_on { "ours" } else { "datafusion" };
            group.bench_function(BenchmarkId::new(setting, way), |bencher| {
                bencher
                    .to_async(&runtime)
                    .iter(|| async { engine.context().sql(sql).await.unwrap().collect().await.unwrap().len() });
            });
        }
        let set = format!("set sessionlake.{setting} = true");
        runtime.block_on(async { engine.context().sql(&set).await.unwrap().collect().await.unwrap() });
    }
    group.finish();
}

/// A call of every function of ours, on columns of sessions.
const CALLS: [(&str, &str); 16] = [
    ("session_duration", "session_duration(started_at, ended_at)"),
    ("action_name", "action_name(action_data)"),
    ("format_duration", "format_duration(time_in_workflow)"),
    ("parse_duration", "parse_duration(cast(time_in_workflow as varchar) || ' s')"),
    ("local_day", "local_day(started_at, 'Europe/Berlin')"),
    ("local_hour", "local_hour(started_at, 'Europe/Berlin')"),
    ("local_weekday", "local_weekday(started_at, 'Europe/Berlin')"),
    ("local_bucket", "local_bucket(started_at, '15 minutes', 'Asia/Kolkata')"),
    ("phone_e164", "phone_e164(source_details_phone_number, 'US')"),
    ("mask_phone", "mask_phone(source_details_phone_number)"),
    ("mask_email", "mask_email(session_id || '@example.com')"),
    ("email_domain", "email_domain(session_id || '@example.com')"),
    ("json_value", "json_value(data, '$.queue')"),
    ("json_query", "json_query(data, '$..id')"),
    ("json_exists", "json_exists(data, '$.queue')"),
    ("json_valid", "json_valid(data)"),
];

fn calling(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let batch = one_batch(folder.path()).slice(0, ROWS as usize);
    let mut context = SessionContext::new();
    functions::register_all(&mut context).unwrap();
    context.register_batch("t", batch).unwrap();
    let mut group = criterion.benchmark_group("function");
    group.throughput(Throughput::Elements(ROWS));
    for function in functions::ours() {
        let Some((name, call)) = CALLS.iter().find(|(name, _)| *name == function.name()) else {
            panic!("no bench calls {}", function.name());
        };
        let sql = format!("select count({call}) from t");
        let frame = runtime.block_on(context.sql(&sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let plan = runtime.block_on(frame.create_physical_plan()).unwrap();
        let task = context.task_ctx();
        group.bench_function(*name, |bencher| {
            bencher.to_async(&runtime).iter(|| {
                // A plan keeps what it has computed, so each run has its own.
                let plan = Arc::clone(&plan).reset_state().unwrap();
                let task = Arc::clone(&task);
                async move { datafusion::physical_plan::collect(plan, task).await.unwrap() }
            });
        });
    }
    group.finish();
}

fn parsing(criterion: &mut Criterion) {
    let statement = "select workflow_id, count(*) filter (where ended_at is null) as running, data->>'queue' as queue\n\
                     from workflow_sessions -- a comment; with a semicolon\nwhere started_at >= $since and \
                     action_data <> 'it''s; over'\ngroup by 1, 3 order by 2 desc limit 10;\n";
    let header =
        "-- title: Running sessions\n-- description: by workflow and queue\n-- param: since timestamp = -7 days\n";
    let mut group = criterion.benchmark_group("script");
    for statements in [1, 50] {
        let text = format!("{header}{}", statement.repeat(statements));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new("parse", statements), |bencher| {
            bencher.iter(|| script::parse("bench.sql", black_box(&text)).unwrap().statements.len());
        });
    }
    group.finish();
}

criterion_group!(benches, reading, deciding, writing, scanning, standing_in, calling, parsing);
criterion_main!(benches);

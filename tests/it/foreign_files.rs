//! Data files as other writers make them, added to a lake's log by hand: NaN, partitions, odd types, and our keys in their footers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, Int96};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use serde_json::{Value, json};
use sessionlake::lake::Lake;

use crate::lakes::{HOUR_US, NOW_US, answers, files_in, lake_in, query, source, take, try_take};

/// The folder of the table of sessions.
fn table_of(folder: &Path) -> PathBuf {
    folder.join("lake/workflow_sessions")
}

/// Writes a data file of another program into the table, and a commit that adds it with these statistics.
fn append(folder: &Path, name: &str, rows: &RecordBatch, properties: WriterPropertiesBuilder, statistics: &Value) {
    let path = table_of(folder).join(name);
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), Some(properties.build())).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    let size = path.metadata().unwrap().len();
    commit(
        folder,
        &[json!({ "add": {
        "path": name, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true, "stats": statistics.to_string(),
    } })],
    );
}

/// Adds a version to the log of the sessions.
pub fn commit(folder: &Path, actions: &[Value]) {
    let log = table_of(folder).join("_delta_log");
    let next = files_in(&log, ".json").len();
    let info =
        json!({ "commitInfo": { "timestamp": NOW_US / 1_000, "operation": "WRITE", "engineInfo": "another program" } });
    let lines: String = std::iter::once(&info).chain(actions).map(|action| format!("{action}\n")).collect();
    std::fs::write(log.join(format!("{next:020}.json")), lines).unwrap();
}

/// Makes a lake of sessions `s0` to `s5`, of 10, 20, … seconds.
async fn lake_of_six(folder: &Path) -> Lake {
    let lake = lake_in(folder);
    let path = folder.join("six.csv");
    let rows: String = (0..6)
        .map(|n| format!("s{n},2026-11-20T10:0{n}:00Z,2026-11-20T11:00:00Z,{},w-{}\n", n * 10 + 10, n % 2))
        .collect();
    std::fs::write(&path, format!("Session Id,Started At,Ended At,Time in Workflow,Workflow Id\n{rows}")).unwrap();
    take(&lake, &[source(&path, 1)]).await;
    lake
}

/// Rows as another program writes them, of so many seconds in the workflow each.
fn seconds(values: &[Option<f64>]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..values.len()).map(|n| format!("x{n}"))));
    let starts = (0..values.len() as i64).map(|n| NOW_US - (n + 1) * HOUR_US);
    let starts: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(starts).with_timezone("UTC"));
    let values: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("session_id", ids), ("started_at", starts), ("time_in_workflow", values)]).unwrap()
}

/// A lake with NaN in the second of two row groups, in pages of one row; statistics and log leave it out.
async fn lake_with_nan(folder: &Path, nan: f64) -> Lake {
    let lake = lake_of_six(folder).await;
    let rows = seconds(&[Some(1.0), None, Some(-0.0), Some(5.0), Some(nan), Some(7.0), None, Some(f64::INFINITY)]);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(4))
        .set_data_page_row_count_limit(1)
        .set_write_batch_size(1)
        .set_statistics_enabled(EnabledStatistics::Page);
    let statistics = json!({
        "numRecords": 8,
        "minValues": { "time_in_workflow": 0.0 }, "maxValues": { "time_in_workflow": 7.0 },
        "nullCount": { "session_id": 0, "time_in_workflow": 2 },
    });
    append(folder, "part-0.parquet", &rows, properties, &statistics);
    let footer = SerializedFileReader::new(File::open(table_of(folder).join("part-0.parquet")).unwrap()).unwrap();
    let groups = footer.metadata().row_groups();
    let column = groups[1].columns().iter().position(|c| c.column_path().string() == "time_in_workflow").unwrap();
    let bounds = groups[1].column(column).statistics().unwrap();
    assert!(groups.len() == 2 && bounds.max_bytes_opt() == Some(&f64::INFINITY.to_le_bytes()[..]), "{bounds:?}");
    lake
}

/// Questions about NaN, with PostgreSQL's answers for the lakes of `lake_with_nan`.
const NAN_QUESTIONS: [(&str, &str); 24] = [
    ("select count(*), count(time_in_workflow) from {t}", "14|12"),
    ("select count(*) from {t} where time_in_workflow > 1e9", "2"),
    ("select count(*) from {t} where time_in_workflow + 0 > 1e9", "2"),
    ("select count(*) from {t} where time_in_workflow > 'Infinity'::float8", "1"),
    ("select count(*) from {t} where time_in_workflow >= 'NaN'::float8", "1"),
    ("select count(*) from {t} where time_in_workflow = 'NaN'::float8", "1"),
    ("select count(*) from {t} where time_in_workflow <> 'NaN'::float8", "11"),
    ("select count(*) from {t} where time_in_workflow < 'NaN'::float8", "11"),
    ("select count(*) from {t} where time_in_workflow <= 60", "10"),
    ("select count(*) from {t} where not time_in_workflow <= 60", "2"),
    ("select count(*) from {t} where time_in_workflow not between 0 and 60", "2"),
    ("select count(*) from {t} where time_in_workflow in (7, 'NaN'::float8)", "2"),
    ("select count(*) from {t} where time_in_workflow = 0", "1"),
    ("select count(*) from {t} where time_in_workflow is null", "2"),
    ("select max(time_in_workflow) from {t}", "NaN"),
    ("select min(time_in_workflow) from {t}", "0.0"),
    ("select max(time_in_workflow) from {t} where time_in_workflow <> 'NaN'::float8", "inf"),
    (
        "select max(time_in_workflow), min(time_in_workflow) from {t} where session_id like 'x%' group by session_id like 'x%'",
        "NaN|0.0",
    ),
    ("select session_id from {t} order by time_in_workflow desc nulls last limit 1", "x4"),
    ("select session_id from {t} where time_in_workflow is not null order by time_in_workflow desc limit 1", "x4"),
    ("select session_id from {t} order by time_in_workflow limit 1", "x2"),
    ("select string_agg(session_id, ',' order by time_in_workflow) from {t} where time_in_workflow > 50", "s5,x7,x4"),
    ("select count(*) from {t} a join {t} b on a.time_in_workflow = b.time_in_workflow where a.session_id = 'x4'", "1"),
    ("select count(distinct time_in_workflow), count(*) from {t} where time_in_workflow > 55", "3|3"),
];

async fn assert_nan_is_the_greatest(lake: &Lake, what: &str) {
    let asked = NAN_QUESTIONS.map(|(question, _)| question.replace("{t}", "workflow_sessions"));
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    for (have, (question, answer)) in answers(lake, &asked).await.into_iter().zip(NAN_QUESTIONS) {
        assert_eq!(have, [answer], "{what}: {question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nan_of_another_writer_is_greater_than_every_number_whatever_statistics_say() {
    for nan in [f64::NAN, f64::from_bits(0xFFF8_0000_0000_0000)] {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_with_nan(folder.path(), nan).await;
        assert_nan_is_the_greatest(&lake, "as it came").await;

        // An update of another session in the file: the NaN is written into a file of ours, whose log says so.
        let later = folder.path().join("later.csv");
        let start = chrono::DateTime::from_timestamp_micros(NOW_US - HOUR_US).unwrap().to_rfc3339();
        std::fs::write(&later, format!("Session Id,Started At,Time in Workflow\nx0,{start},2\n")).unwrap();
        let ledger = take(&lake, &[source(&later, 2)]).await;
        assert_eq!(ledger.total.updated, 1, "{}", ledger.total);
        assert!(query(&lake, "select path from lake_files where path like 'part-%'").await.is_empty());
        assert_nan_is_the_greatest(&lake, "rewritten").await;
        let newest = files_in(&table_of(folder.path()).join("_delta_log"), ".json").pop().unwrap();
        let log = std::fs::read_to_string(newest).unwrap();
        assert!(log.contains(r#""sessionlake.nan":"time_in_workflow""#), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_row_group_of_numbers_is_not_taken_for_one_without_nan() {
    // All values are NaN: there are no bounds at all, and the log's are those of another column.
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_six(folder.path()).await;
    let rows = seconds(&[Some(f64::NAN), Some(f64::NAN)]);
    append(folder.path(), "part-0.parquet", &rows, WriterProperties::builder(), &json!({ "numRecords": 2 }));
    for (filter, rows) in [("> 1e9", "2"), ("= 'NaN'::float8", "2"), ("< 1e9", "6"), ("is not null", "8")] {
        let sql = format!("select count(*) from workflow_sessions where time_in_workflow {filter}");
        assert_eq!(query(&lake, &sql).await, [rows], "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_keys_in_the_footers_of_others_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let path = folder.path().join("a.csv");
    let rows: String = (0..40)
        .map(|n| {
            format!(
                "s{n},2026-11-20T10:00:{n:02}Z,2026-11-20T11:00:00Z,\"{{\"\"tier\"\":\"\"gold\"\",\"\"n\"\":{n}}}\"\n"
            )
        })
        .collect();
    std::fs::write(&path, format!("Session Id,Started At,Ended At,Data\n{rows}")).unwrap();
    take(&lake, &[source(&path, 1)]).await;
    let ours = files_in(&table_of(folder.path()), ".parquet").pop().unwrap();
    let reader = SerializedFileReader::new(File::open(&ours).unwrap()).unwrap();
    let pairs: Vec<KeyValue> = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    assert!(pairs.iter().any(|pair| pair.key == "sessionlake.shred"), "{pairs:?}");
    let schema_metadata = pairs.iter().filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect();

    let data: ArrayRef = Arc::new(StringArray::from(vec![Some(r#"{"tier":"silver","only":"here"}"#)]));
    let mut columns = vec![("data".to_owned(), data)];
    let others = seconds(&[Some(f64::NAN)]);
    columns.extend(others.schema_ref().fields().iter().map(|f| f.name().clone()).zip(others.columns().iter().cloned()));
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    // As pairs of the footer, and in the Arrow schema, as different writers put them.
    let in_footer = WriterProperties::builder().set_key_value_metadata(Some(pairs));
    append(folder.path(), "part-0.parquet", &rows, in_footer, &json!({ "numRecords": 1 }));
    let with_metadata = Arc::new(rows.schema().as_ref().clone().with_metadata(schema_metadata));
    let rows = RecordBatch::try_new(with_metadata, rows.columns().to_vec()).unwrap();
    append(folder.path(), "part-1.parquet", &rows, WriterProperties::builder(), &json!({ "numRecords": 1 }));
    for (sql, answer) in [
        ("select count(*) from workflow_sessions where data->>'only' = 'here'", "2"),
        ("select count(*) from workflow_sessions where json_get_str(data, 'tier') = 'silver'", "2"),
        ("select count(*) from workflow_sessions where json_contains(data, 'n')", "40"),
        ("select count(*) from workflow_sessions where time_in_workflow = 'NaN'::float8", "2"),
        ("select sum(files) from lake_json_paths where json_path = '$.tier'", "1"),
    ] {
        assert_eq!(query(&lake, sql).await, [answer], "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_other_writers_are_those_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_six(folder.path()).await;
    let start = NOW_US - HOUR_US;
    let ids = |name: &str| -> ArrayRef { Arc::new(StringArray::from(vec![name])) };
    let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![start]).with_timezone("UTC"));
    let far: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![253_402_300_799_000_000]).with_timezone("UTC"));
    let cases: Vec<(&str, Vec<(&str, ArrayRef)>)> = vec![
        ("bytes", vec![("session_id", cast(&ids("bytes"), &DataType::Binary).unwrap())]),
        ("large", vec![("session_id", cast(&ids("large"), &DataType::LargeUtf8).unwrap())]),
        (
            "dictionary",
            vec![(
                "session_id",
                cast(&ids("dictionary"), &DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into())).unwrap(),
            )],
        ),
        ("whole", vec![("session_id", ids("whole")), ("time_in_workflow", Arc::new(Int64Array::from(vec![300])))]),
        (
            "single",
            vec![
                ("session_id", ids("single")),
                ("time_in_workflow", Arc::new(arrow::array::Float32Array::from(vec![300.0]))),
            ],
        ),
        (
            "no zone",
            vec![
                ("session_id", ids("no zone")),
                ("started_at", Arc::new(TimestampMicrosecondArray::from(vec![start]))),
            ],
        ),
        (
            "nanoseconds",
            vec![
                ("session_id", ids("nanoseconds")),
                (
                    "started_at",
                    Arc::new(TimestampNanosecondArray::from(vec![start * 1_000 + 999]).with_timezone("UTC")),
                ),
            ],
        ),
        ("far", vec![("session_id", ids("far")), ("ended_at", far)]),
    ];
    for (name, mut columns) in cases {
        if !columns.iter().any(|(column, _)| *column == "started_at") {
            columns.push(("started_at", Arc::clone(&micros)));
        }
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        append(
            folder.path(),
            &format!("{}.parquet", name.replace(' ', "")),
            &rows,
            WriterProperties::builder(),
            &Value::Null,
        );
        let sql = format!("select session_id, started_at from workflow_sessions where session_id = '{name}'");
        assert_eq!(query(&lake, &sql).await, [format!("{name}|2026-11-20T23:00:00Z")]);
    }
    let sql = "select count(*) from workflow_sessions where time_in_workflow between 299 and 301 and started_at = '2026-11-20T23:00:00Z'";
    assert_eq!(query(&lake, sql).await, ["2"]);
    assert_eq!(
        query(&lake, "select ended_at from workflow_sessions where session_id = 'far'").await,
        ["9999-12-31T23:59:59Z"]
    );
    // All of them are rewritten, and nothing of them changes.
    let all = "select session_id, started_at, ended_at, time_in_workflow from workflow_sessions order by 1";
    let before = query(&lake, all).await;
    let later = folder.path().join("later.csv");
    let rows = ["bytes", "large", "dictionary", "whole", "single", "no zone", "nanoseconds", "far"]
        .map(|name| format!("{name},2026-11-20T23:00:00Z,w-new\n"))
        .concat();
    std::fs::write(&later, format!("Session Id,Started At,Workflow Id\n{rows}")).unwrap();
    let ledger = take(&lake, &[source(&later, 2)]).await;
    // What has ended stays so.
    assert_eq!((ledger.total.updated, ledger.total.superseded), (7, 1), "{}", ledger.total);
    let kept = |rows: &[String]| {
        rows.iter().map(|row| row.split('|').take(2).collect::<Vec<_>>().join("|")).collect::<Vec<_>>()
    };
    assert_eq!(kept(&query(&lake, all).await), kept(&before));
}

/// Deletes rows of the lake's only file as another program does: the file stays, and a vector says which rows are gone.
fn delete_by_vector(folder: &Path, rows: &[u64]) {
    let log = table_of(folder).join("_delta_log");
    let mut protocol = Value::Null;
    let mut add = Value::Null;
    for path in files_in(&log, ".json") {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            for (kind, last) in [("protocol", &mut protocol), ("add", &mut add)] {
                if action.get(kind).is_some() {
                    *last = action.clone();
                }
            }
        }
    }
    protocol["protocol"] = json!({ "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors", "appendOnly", "invariants"] });
    let remove = json!({ "remove": { "path": add["add"]["path"], "deletionTimestamp": 1, "dataChange": true } });
    let mut bits = 1_681_511_377_u32.to_le_bytes().to_vec();
    rows.iter().copied().collect::<roaring::RoaringTreemap>().serialize_into(&mut bits).unwrap();
    let size = bits.len();
    bits.resize(size.next_multiple_of(4), 0);
    let mut statistics: Value = serde_json::from_str(add["add"]["stats"].as_str().unwrap()).unwrap();
    statistics["tightBounds"] = json!(false);
    add["add"]["stats"] = json!(statistics.to_string());
    add["add"]["deletionVector"] = json!({ "storageType": "i", "pathOrInlineDv": z85::encode(&bits),
        "sizeInBytes": size, "cardinality": rows.len() });
    commit(folder, &[protocol, remove, add]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_another_program_deleted_by_a_vector_are_gone_and_come_back_with_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_six(folder.path()).await;
    delete_by_vector(folder.path(), &[1, 3, 4]);
    let questions = [
        ("select string_agg(session_id, ',' order by session_id) from workflow_sessions", "s0,s2,s5"),
        ("select count(*), count(ended_at), count(time_in_workflow), count(data) from workflow_sessions", "3|3|3|0"),
        (
            "select min(session_id), max(session_id), min(time_in_workflow), max(time_in_workflow) from workflow_sessions",
            "s0|s5|10.0|60.0",
        ),
        ("select count(*) from workflow_sessions where session_id = 's3'", "0"),
        ("select count(*) from workflow_sessions where time_in_workflow > 30", "1"),
        ("select count(*) from workflow_sessions where started_at >= '2026-11-20T10:02:00Z'", "2"),
        ("select session_id from workflow_sessions order by started_at desc limit 1", "s5"),
        ("select session_id from workflow_sessions where workflow_id = 'w-1' limit 5", "s5"),
        ("select sum(rows) from lake_files", "3"),
        ("select count(*) from (select * from workflow_sessions limit 3)", "3"),
    ];
    let asked = questions.map(|(question, _)| question);
    for (have, (question, answer)) in answers(&lake, &asked).await.into_iter().zip(questions) {
        assert_eq!(have, [answer], "{question}");
    }
    // The file is rewritten without what is deleted; one of the deleted sessions is in the export.
    let later = folder.path().join("later.csv");
    let rows =
        "s0,2026-11-20T10:00:00Z,2026-11-20T11:00:00Z,5000,w-0\ns1,2026-11-20T10:01:00Z,2026-11-20T11:00:00Z,20,w-1\n";
    std::fs::write(&later, format!("Session Id,Started At,Ended At,Time in Workflow,Workflow Id\n{rows}")).unwrap();
    let ledger = take(&lake, &[source(&later, 2)]).await;
    assert_eq!((ledger.total.updated, ledger.total.inserted), (1, 1), "{}", ledger.total);
    let all = "select string_agg(session_id, ',' order by session_id), max(time_in_workflow) from workflow_sessions";
    assert_eq!(query(&lake, all).await, ["s0,s1,s2,s5|5000.0"]);
    let files = lake.open(sessionlake::lake::layout::SESSIONS).await.unwrap().unwrap().snapshot().unwrap();
    assert!(files.files.iter().all(|file| file.deletion.is_none()) && files.rows() == Some(4), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_deletion_vector_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_six(folder.path()).await;
    delete_by_vector(folder.path(), &[1]);
    let newest = files_in(&table_of(folder.path()).join("_delta_log"), ".json").pop().unwrap();
    let text = std::fs::read_to_string(&newest).unwrap();
    std::fs::write(&newest, text.replace("\"cardinality\":1", "\"cardinality\":2")).unwrap();
    let engine = crate::lakes::open(&lake, Default::default()).await.unwrap();
    let frame = engine.context().sql("select session_id from workflow_sessions").await.unwrap();
    let error = frame.collect().await.unwrap_err().to_string();
    assert!(
        error.contains("ended-") && error.contains("deletion vector") && error.contains("1 rows where the log says 2"),
        "{error}"
    );
}

/// Makes another program's table of a lake's: partitioned by these columns, which its files do not have any more.
fn partition(folder: &Path, by: &[&str]) {
    let table = table_of(folder);
    let log = table.join("_delta_log");
    let mut metadata = Value::Null;
    let mut live: Vec<String> = Vec::new();
    for path in files_in(&log, ".json") {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            if action.get("metaData").is_some() {
                metadata = action.clone();
            }
            if let Some(path) = action.pointer("/add/path").and_then(Value::as_str) {
                live.push(path.to_owned());
            }
        }
    }
    metadata["metaData"]["partitionColumns"] = json!(by);
    let mut actions = vec![metadata];
    for (index, path) in live.iter().enumerate() {
        actions.push(json!({ "remove": { "path": path, "deletionTimestamp": 1, "dataChange": true } }));
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(table.join(path)).unwrap()).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let row_of = batch.slice(row, 1);
                let value = |name: &str| {
                    let column = row_of.column_by_name(name).unwrap();
                    let text = cast(column, &DataType::Utf8).unwrap();
                    text.is_valid(0).then(|| text.as_string::<i32>().value(0).to_owned())
                };
                let values: serde_json::Map<String, Value> =
                    by.iter().map(|name| ((*name).to_owned(), json!(value(name)))).collect();
                let kept = row_of
                    .schema()
                    .fields()
                    .iter()
                    .enumerate()
                    .filter(|(_, field)| !by.contains(&field.name().as_str()) && !field.name().contains('~'))
                    .map(|(index, _)| index)
                    .collect::<Vec<_>>();
                let rows = row_of.project(&kept).unwrap();
                let name = format!("part-{index}-{row}.parquet");
                let mut writer =
                    ArrowWriter::try_new(File::create(table.join(&name)).unwrap(), rows.schema(), None).unwrap();
                writer.write(&rows).unwrap();
                writer.close().unwrap();
                let size = table.join(&name).metadata().unwrap().len();
                actions.push(json!({ "add": {
                    "path": name, "partitionValues": values, "size": size, "modificationTime": 1, "dataChange": true,
                    "stats": json!({ "numRecords": 1, "nullCount": {}, "minValues": {}, "maxValues": {} }).to_string(),
                } }));
            }
        }
    }
    commit(folder, &actions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_another_program_partitioned_answers_as_before() {
    let questions = [
        "select * from workflow_sessions order by session_id",
        "select workflow_id, count(*), sum(time_in_workflow) from workflow_sessions group by 1 order by 1",
        "select session_id, workflow_id from workflow_sessions where workflow_id = 'w-1' order by 1",
        "select session_id from workflow_sessions where workflow_id <> 'w-1' order by 1",
        "select session_id from workflow_sessions where workflow_id in ('w-0', 'w-9') and time_in_workflow > 20 order by 1",
        "select session_id from workflow_sessions where workflow_id is null order by 1",
        "select session_id from workflow_sessions where started_at >= '2026-11-20T10:02:00Z' and started_at < '2026-11-20T10:04:00Z' order by 1",
        "select session_id from workflow_sessions where time_in_workflow = 30 or ended_at is null order by 1",
        "select count(workflow_id), count(ended_at), count(time_in_workflow), count(session_id) from workflow_sessions",
        "select min(workflow_id), max(workflow_id), min(started_at), max(started_at), max(time_in_workflow) from workflow_sessions",
        "select session_id from workflow_sessions order by workflow_id desc nulls last, session_id limit 2",
        "select session_id from workflow_sessions order by started_at desc limit 2",
        "select session_id from workflow_sessions order by time_in_workflow desc nulls last limit 2",
        "select upper(workflow_id) || session_id from workflow_sessions where lower(workflow_id) like 'w-0' order by 1",
        "select count(*) from active_sessions",
        "select data->>'tier', count(*) from workflow_sessions group by 1 order by 1",
        "select _source, count(*) from stored_sessions group by 1 order by 1",
        "select count(*) from workflow_sessions a join workflow_sessions b on a.workflow_id = b.workflow_id and a.started_at <= b.started_at",
        "select sum(rows), min(first_started_at), max(last_started_at) from lake_files",
    ];
    for by in [
        &["workflow_id"][..],
        &["started_at"],
        &["time_in_workflow"],
        &["session_id"],
        &["ended_at", "workflow_id"],
        &["data"],
        &["_source", "_content_hash", "_exported_at"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_of_six(folder.path()).await;
        let more = folder.path().join("more.csv");
        let rows = "n0,2026-11-20T10:07:00.000001Z,,,,\"{\"\"tier\"\":\"\"gold\"\"}\"\nn1,2026-11-20T10:08:00Z,,0.5,\"a b/50%=é\",\n";
        std::fs::write(&more, format!("Session Id,Started At,Ended At,Time in Workflow,Workflow Id,Data\n{rows}"))
            .unwrap();
        take(&lake, &[source(&more, 1)]).await;
        let before = answers(&lake, &questions).await;
        partition(folder.path(), by);
        let after = answers(&lake, &questions).await;
        for (question, (before, after)) in questions.iter().zip(before.iter().zip(after)) {
            // The log has bounds of the columns that folders stand for, and these files were written without others.
            if question.contains("lake_files") && by != ["started_at"] {
                assert!(after[0].starts_with("8|"), "{after:?}");
                continue;
            }
            assert_eq!(&after, before, "by {by:?}: {question}");
        }
        // What cannot be in a file is not read.
        if by == ["workflow_id"] {
            let plan = query(&lake, "explain select session_id from workflow_sessions where workflow_id = 'w-1'")
                .await
                .concat();
            assert!(plan.contains("files=3 of 8"), "{plan}");
        }
        // Writing stays refused, by the names of the columns, and nothing changes.
        let error = try_take(&lake, &[source(&folder.path().join("six.csv"), 9)]).await.unwrap_err().to_string();
        assert!(error.contains(&format!("partition columns ({})", by.join(", "))), "{error}");
        assert_eq!(query(&lake, questions[0]).await, before[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_value_that_is_none_of_its_type_is_an_error_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_six(folder.path()).await;
    partition(folder.path(), &["started_at"]);
    let newest = files_in(&table_of(folder.path()).join("_delta_log"), ".json").pop().unwrap();
    let text = std::fs::read_to_string(&newest).unwrap();
    std::fs::write(&newest, text.replacen("2026-11-20T10:03:00Z", "some day", 1)).unwrap();
    let Err(error) = crate::lakes::open(&lake, Default::default()).await else { panic!("the value was read") };
    let error = error.to_string();
    assert!(error.contains("some day"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_files_name_no_type_that_other_readers_do_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_six(folder.path()).await;
    let file = files_in(&table_of(folder.path()), ".parquet").pop().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    assert!(!format!("{:?}", reader.schema()).contains("View"), "{:?}", reader.schema());
    let starts = reader.schema().field_with_name("started_at").unwrap();
    assert_eq!(starts.data_type(), &sessionlake::schema::timestamp_type());
    // Inside they are views all the same.
    let engine = crate::lakes::open(&lake, Default::default()).await.unwrap();
    let rows = engine
        .context()
        .sql("select session_id, time_in_workflow from workflow_sessions")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    assert_eq!(rows[0].column(0).data_type(), &DataType::Utf8View);
    assert_eq!(rows[0].column(1).as_primitive::<Float64Type>().null_count(), 0);
}

/// Writes sessions whose starts are INT96, as Spark writes them by default; a row group each.
fn write_int96(path: &Path, sessions: &[(&str, &str)]) {
    let schema = "message spark { required binary session_id (UTF8); optional int96 started_at; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::default()).unwrap();
    for (id, start) in sessions {
        let micros = start.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros();
        let (day, nanos) = (micros.div_euclid(24 * HOUR_US) + 2_440_588, micros.rem_euclid(24 * HOUR_US) * 1_000);
        let mut instant = Int96::new();
        instant.set_data(nanos as u32, (nanos >> 32) as u32, u32::try_from(day).unwrap());
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(ids) => ids.write_batch(&[ByteArray::from(*id)], None, None),
                ColumnWriter::Int96ColumnWriter(starts) => starts.write_batch(&[instant], Some(&[1]), None),
                _ => unreachable!("two columns"),
            }
            .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn instants_of_96_bits_in_a_data_file_are_instants() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of_six(folder.path()).await;
    let path = table_of(folder.path()).join("part-spark.parquet");
    let sessions = [
        ("n1", "2026-11-20T10:00:00.000001Z"),
        ("n2", "0001-01-01T00:00:00Z"),
        ("n3", "9999-12-31T23:59:59.999999Z"),
        ("n4", "1969-12-31T23:59:59.999999Z"),
    ];
    write_int96(&path, &sessions);
    let size = path.metadata().unwrap().len();
    let add = json!({ "path": "part-spark.parquet", "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true });
    commit(folder.path(), &[json!({ "add": add })]);
    let asked = [
        "select session_id from workflow_sessions where session_id like 'n%' order by started_at",
        "select session_id from workflow_sessions where started_at = '2026-11-20T10:00:00.000001Z'",
        "select session_id from workflow_sessions where started_at < '1969-12-31T23:59:59.9999995Z' order by session_id",
        "select session_id from workflow_sessions where started_at > '2200-01-01'",
        "select session_id from workflow_sessions where started_at::date = date '1969-12-31'",
        "select to_char(started_at, 'YYYY-MM-DD HH24:MI:SS.US') from workflow_sessions where session_id = 'n3'",
        "select count(*) from workflow_sessions",
    ];
    let expected: [&[&str]; 7] =
        [&["n2", "n4", "n1", "n3"], &["n1"], &["n2", "n4"], &["n3"], &["n4"], &["9999-12-31 23:59:59.999999"], &["10"]];
    assert_eq!(answers(&lake, &asked).await, expected);
    // An update writes the file again.
    let export = folder.path().join("update.csv");
    std::fs::write(&export, "Session Id,Started At,Category\nn1,2026-11-20T10:00:00.000001Z,x\n").unwrap();
    take(&lake, &[source(&export, 2)]).await;
    assert_eq!(answers(&lake, &asked).await, expected);
}

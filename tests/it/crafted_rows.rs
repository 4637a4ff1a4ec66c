//! Rows that no ingest of ours writes, added to a lake through the library: `verify` finds what is wrong with them.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::DataType;
use chrono::Utc;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter};
use parquet::file::properties::WriterProperties;
use sessionlake::custody::{FaultKind, VerifyOptions, VerifyReport, set_properties, verify};
use sessionlake::engine::At;
use sessionlake::lake::{Commit, FileLimits, FileWriter, Lake, Output, layout, properties};
use sessionlake::shred::LeafLimits;

use crate::lakes::{ended, export, files_in, lake_in, open, source, table, take};

async fn verified(lake: &Lake, repair: bool) -> VerifyReport {
    let options = VerifyOptions { deep: true, repair, leaf_budget: 32, now: Utc::now(), memory: None };
    verify(lake, &options, &crate::lakes::options().limits).await.unwrap()
}

/// The rows of a lake with all columns that are stored, in the order of their ids.
async fn stored(lake: &Lake) -> RecordBatch {
    let engine = open(lake, At::Newest).await.unwrap();
    let rows = engine.context().sql("select * from stored_sessions order by session_id").await.unwrap();
    let batches = rows.collect().await.unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// Writes rows as they are into a file of the lake.
async fn add(lake: &Lake, rows: RecordBatch) {
    let mut table = lake.open(layout::SESSIONS).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = Output::of(&table, folder.path().to_owned());
    let written = tokio::task::spawn_blocking(move || {
        let schema = sessionlake::schema::stored_schema();
        let rows = RecordBatch::try_new(Arc::clone(&schema), rows.columns().to_vec()).unwrap();
        let limits = FileLimits { file_rows: 100, row_group_rows: 2 };
        let mut writer = FileWriter::new(schema, output, NonZeroUsize::MIN, "ended")
            .with_limits(limits)
            .with_leaves(LeafLimits::of_columns(32));
        writer.write(&rows).unwrap();
        writer.finish().unwrap()
    });
    let added = written.await.unwrap();
    table.commit(Commit { added, modified_ms: 1, ..Commit::default() }).await.unwrap();
}

/// Makes a lake of sessions 0 to 5, and returns their rows.
async fn lake_and_rows(folder: &std::path::Path) -> (Lake, RecordBatch) {
    let lake = lake_in(folder);
    let states: Vec<_> = (0..6).map(|session| ended(session, 1)).collect();
    take(&lake, &[export(folder, "a.csv", 1, &states)]).await;
    let rows = stored(&lake).await;
    (lake, rows)
}

fn kinds(report: &VerifyReport) -> Vec<FaultKind> {
    report.faults.iter().map(|fault| fault.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_there_twice_is_found_in_whatever_files() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, rows) = lake_and_rows(folder.path()).await;
    assert!(verified(&lake, false).await.faults.is_empty());
    add(&lake, rows.slice(2, 1)).await;
    let report = verified(&lake, true).await;
    assert_eq!(kinds(&report), [FaultKind::TwiceStored]);
    assert!(report.faults[0].what.contains("has the session id of row"), "{report:?}");
    assert!(report.repaired.is_empty(), "which of the two is right is not for a repair to say");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_out_of_order_and_hashes_of_other_rows_are_found_and_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, rows) = lake_and_rows(folder.path()).await;
    let before = table(&lake).await;
    // The same sessions in another lake, in the wrong order and with the hash of another row.
    let other = tempfile::tempdir().unwrap();
    let lake = lake_in(other.path());
    lake.open_or_create(layout::SESSIONS).await.unwrap();
    let starts = rows.column_by_name("started_at").unwrap();
    let descending = arrow::compute::SortOptions { descending: true, nulls_first: false };
    let order = arrow::compute::sort_to_indices(starts, Some(descending), None).unwrap();
    let mut columns = take_record_batch(&rows, &order).unwrap().columns().to_vec();
    let place = rows.schema().index_of("_content_hash").unwrap();
    let hashes: ArrayRef = Arc::new(Int64Array::from_iter_values(0..6));
    columns[place] = hashes;
    add(&lake, RecordBatch::try_new(rows.schema(), columns).unwrap()).await;
    let report = verified(&lake, false).await;
    assert_eq!(kinds(&report), [FaultKind::Order, FaultKind::ContentHash]);
    assert!(report.faults[1].what.ends_with("in 6 rows: 0, 1, 2 and others"), "{report:?}");
    let report = verified(&lake, true).await;
    assert!(report.faults.is_empty() && report.repaired.len() == 2, "{report:?}");
    assert!(verified(&lake, false).await.faults.is_empty());
    assert_eq!(table(&lake).await, before);
    assert_eq!(stored(&lake).await.column(place), rows.column(place));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_verification_walks_each_document_once_whatever_its_paths() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, rows) = lake_and_rows(folder.path()).await;
    let documents = ["data", "source_details", "action_data"].map(|name| {
        let column = rows.column_by_name(name).unwrap();
        (column.len() - column.null_count()) as u64
    });
    let report = verified(&lake, false).await;
    assert!(report.faults.is_empty() && documents[0] == 6, "{report:#?}");
    assert_eq!(report.tables[0].documents, documents.iter().sum::<u64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_verification_that_was_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, rows) = lake_and_rows(folder.path()).await;
    add(&lake, rows.slice(0, 1)).await;
    let memory = folder.path().join("memory");
    let deep =
        || VerifyOptions { deep: true, repair: false, leaf_budget: 32, now: Utc::now(), memory: Some(memory.clone()) };
    // A run that is stopped when the first file is read.
    let mut limits = crate::lakes::options().limits;
    limits.threads = NonZeroUsize::MIN;
    let cancelled = Arc::clone(&limits.cancelled);
    limits.progress = Arc::new(move |_| cancelled.store(true, Ordering::Relaxed));
    let stopped = verify(&lake, &deep(), &limits).await.unwrap_err();
    assert!(matches!(stopped, sessionlake::Error::Cancelled), "{stopped:?}");
    let noted = std::fs::read_to_string(&memory).unwrap();
    assert_eq!(noted.lines().filter(|line| line.starts_with("Rows ")).count(), 1, "{noted}");
    // Its ids are compared with those of the other file all the same.
    let limits = crate::lakes::options().limits;
    for read_before in [1, 0] {
        let report = verify(&lake, &deep(), &limits).await.unwrap();
        assert_eq!(kinds(&report), [FaultKind::TwiceStored], "{report:?}");
        assert_eq!((report.tables[0].files, report.tables[0].read_before), (2, read_before), "{report:?}");
        assert!(!memory.exists());
    }
}

/// Writes a data file anew under another name of ours, with the same leaf columns and keys in its footer and with another text, and commits that as a program
/// does that knows nothing of ours.
async fn with_other_text(lake: &Lake, folder: &std::path::Path, text: &str, other: &str) {
    let tables = folder.join("lake").join(layout::SESSIONS);
    let [path] = &files_in(&tables, ".parquet")[..] else { panic!("one file") };
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let described = reader.metadata().file_metadata().clone();
    let pairs = described.key_value_metadata().cloned().unwrap_or_default();
    let pairs = pairs.into_iter().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY).collect();
    let properties = WriterProperties::builder()
        .set_created_by(described.created_by().unwrap().to_owned())
        .set_key_value_metadata(Some(pairs))
        .build();
    let name = "ended-0123456789abcdef0123456789abcdef.parquet";
    let target = std::fs::File::create(tables.join(name)).unwrap();
    let mut writer = ArrowWriter::try_new(target, Arc::clone(reader.schema()), Some(properties)).unwrap();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let place = batch.schema().index_of("data").unwrap();
        let mut columns = batch.columns().to_vec();
        let texts = cast(&columns[place], &DataType::Utf8).unwrap();
        let texts: StringArray =
            texts.as_string::<i32>().iter().map(|data| data.map(|data| data.replace(text, other))).collect();
        columns[place] = cast(&texts, columns[place].data_type()).unwrap();
        writer.write(&RecordBatch::try_new(batch.schema(), columns).unwrap()).unwrap();
    }
    writer.close().unwrap();
    let old = path.file_name().unwrap().to_str().unwrap();
    let size = std::fs::metadata(tables.join(name)).unwrap().len();
    let remove = serde_json::json!({ "remove": { "path": old, "deletionTimestamp": 0, "dataChange": true } });
    let add = serde_json::json!({ "add": { "path": name, "size": size, "partitionValues": {}, "modificationTime": 0, "dataChange": true } });
    let next = lake.open(layout::SESSIONS).await.unwrap().unwrap().version() + 1;
    std::fs::write(tables.join("_delta_log").join(format!("{next:020}.json")), format!("{remove}\n{add}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_inside_the_elements_of_an_array_that_the_text_does_not_have_is_found_and_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    lake.open_or_create(layout::SESSIONS).await.unwrap();
    let included = [(format!("{}.include", properties::LEAVES), Some("data.events[*].t".to_owned()))];
    set_properties(&lake, &included, Utc::now(), &crate::lakes::options().limits).await.unwrap();
    let rows: String = (0..4)
        .map(|session| format!("s{session},2026-11-20T0{session}:00:00Z,2026-11-20T10:00:00Z,\"{{\"\"events\"\":[{{\"\"t\"\":\"\"a\"\"}},{{\"\"t\"\":\"\"b{session}\"\"}}]}}\"\n"))
        .collect();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, format!("Session Id,Started At,Ended At,Data\n{rows}")).unwrap();
    take(&lake, &[source(&path, 1)]).await;
    assert!(verified(&lake, false).await.faults.is_empty());
    with_other_text(&lake, folder.path(), "b2", "c2").await;
    let report = verified(&lake, false).await;
    assert_eq!(kinds(&report), [FaultKind::ContentHash, FaultKind::Leaves], "{report:#?}");
    let words = "data: $.events[*].t is stored otherwise than the text has it in element 5";
    assert_eq!(report.faults[1].what, words);
    let report = verified(&lake, true).await;
    assert!(report.faults.is_empty() && report.repaired.len() == 2, "{report:#?}");
    assert!(verified(&lake, false).await.faults.is_empty());
}

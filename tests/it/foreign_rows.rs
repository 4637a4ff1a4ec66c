//! Rows that other programs changed, or wrote without the columns that are ours.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use sessionlake::ingest::{IngestOptions, UpkeepOptions, optimize};
use sessionlake::schema::stored_schema;

use crate::foreign_files::commit;
use crate::lakes::{HOUR_US, NOW_US, binary, ended, export, files_in, lake_in, options, query, run, take};

/// Writes rows as a data file of another program; returns what the log says of it.
fn add(table: &Path, name: &str, rows: &RecordBatch) -> Value {
    let path = table.join(name);
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    let size = path.metadata().unwrap().len();
    json!({ "add": { "path": name, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true } })
}

/// Has another program set `data` of all rows of a data file; what it does not know, such as the content hash, stays.
fn set_data(folder: &Path, data: &str) {
    let table = &folder.join("lake/workflow_sessions");
    let old = files_in(table, ".parquet").pop().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&old).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    // Leaf columns are none of the table's, and a column of one value may be in the log alone.
    let stored = stored_schema();
    let columns = stored.fields().iter().filter_map(|field| {
        let column = rows.column_by_name(field.name())?;
        let column: ArrayRef = match (field.name().as_str(), column.data_type()) {
            ("data", _) => Arc::new(StringArray::from_iter_values(vec![data; rows.num_rows()])),
            (_, DataType::Utf8View) => cast(column, &DataType::Utf8).unwrap(),
            _ => Arc::clone(column),
        };
        Some((field.name().clone(), column))
    });
    let changed = RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap();
    let (name, size) = (old.file_name().unwrap().to_str().unwrap(), old.metadata().unwrap().len());
    let remove =
        json!({ "remove": { "path": name, "size": size, "deletionTimestamp": NOW_US / 1_000, "dataChange": true } });
    commit(folder, &[remove, add(table, "part-0.parquet", &changed)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_program_changed_in_a_row_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "a.csv", 1, &[ended(1, 1), ended(2, 2)])]).await;
    let table = folder.path().join("lake/workflow_sessions");
    set_data(folder.path(), "{\"step\":2}");
    assert_eq!(query(&lake, "select count(*) from workflow_sessions where data->>'step' = '2'").await, ["2"]);
    let changes = "select version, session_id, change, data from session_changes() order by version, session_id";
    let mut told =
        vec!["1|session-1|came|{\"step\":1}", "1|session-2|came|{\"step\":2}", "2|session-1|changed|{\"step\":2}"];
    assert_eq!(query(&lake, changes).await, told);
    let (code, out, _) = run(binary().args(["diff", "1", "2", "--csv", "--lake"]).arg(folder.path().join("lake")));
    assert_eq!((code, out.lines().count()), (0, 2), "{out}");
    assert!(out.lines().nth(1).unwrap().starts_with("session-1,changed,data,"), "{out}");
    // A version of which a file is gone, by a vacuum that nothing tells of, tells nothing, and the others tell what they did.
    let ours = files_in(&table, ".parquet").into_iter().find(|path| !path.ends_with("part-0.parquet")).unwrap();
    std::fs::remove_file(ours).unwrap();
    told = vec!["2|session-1|came|{\"step\":2}", "2|session-2|came|{\"step\":2}"];
    assert_eq!(query(&lake, changes).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_programs_have_the_hash_of_their_content_when_an_optimize_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "a.csv", 1, &[ended(1, 1), ended(2, 2)])]).await;
    let table = folder.path().join("lake/workflow_sessions");
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["x1", "x2"]));
    let starts = TimestampMicrosecondArray::from(vec![NOW_US - 2 * HOUR_US, NOW_US - HOUR_US]).with_timezone("UTC");
    let rows = RecordBatch::try_from_iter([("session_id", ids), ("started_at", Arc::new(starts) as ArrayRef)]).unwrap();
    commit(folder.path(), &[add(&table, "part-1.parquet", &rows)]);
    let hashes = "select count(*), count(_content_hash) from stored_sessions";
    assert_eq!(query(&lake, hashes).await, ["4|2"]);
    let IngestOptions { leaf_budget, now_us, limits, .. } = options();
    optimize(&lake, &UpkeepOptions { leaf_budget, now_us, limits }).await.unwrap();
    assert_eq!(query(&lake, hashes).await, ["4|4"]);
    let (code, out, error) = run(binary().args(["verify", "--deep", "--lake"]).arg(folder.path().join("lake")));
    assert_eq!(code, 0, "{out}{error}");
}

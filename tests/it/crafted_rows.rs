//! Rows that no ingest of ours writes, added to a lake through the library: `verify` finds what is wrong with them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, take_record_batch};
use chrono::Utc;
use sessionlake::custody::{FaultKind, VerifyOptions, VerifyReport, verify};
use sessionlake::engine::At;
use sessionlake::lake::{Commit, FileLimits, FileWriter, Lake, Output, layout};
use sessionlake::shred::LeafLimits;

use crate::lakes::{ended, export, lake_in, open, table, take};
use crate::model::engine;

async fn verified(lake: &Lake, repair: bool) -> VerifyReport {
    let options = VerifyOptions { deep: true, repair, leaf_budget: 32, now: Utc::now(), engine: engine() };
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

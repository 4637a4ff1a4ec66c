//! What a scan reads: leaf columns in place of text, also for windows.

use std::sync::Arc;

use arrow::array::AsArray;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use sessionlake::engine::{Engine, Leaves};
use sessionlake::lake::write::FileLimits;

use super::documents::documents;
use super::{engine, write};

const ONE_FILE: FileLimits = FileLimits { file_rows: 10_000, row_group_rows: 10_000 };

/// Runs a question and returns how many bytes its scans read.
pub async fn bytes_scanned(engine: &Engine, question: &str) -> usize {
    let plan = engine.context().sql(question).await.unwrap().create_physical_plan().await.unwrap();
    datafusion::physical_plan::collect(Arc::clone(&plan), engine.context().task_ctx()).await.unwrap();
    let mut bytes = 0;
    plan.apply(|node| {
        let metric = node.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
        bytes += metric.map_or(0, |metric| metric.as_usize());
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    bytes
}

/// Without this, the comparison of answers could compare text with text.
#[tokio::test]
async fn a_plan_reads_leaves_in_place_of_text() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents(1), 200, ONE_FILE);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    for question in [
        "select count(*) from t where json_get_str(data, 'e') = 'yes' or json_get_str(data, 'nowhere') = 'x'",
        "select count(*) from t where data ? 'nowhere' or (data->'d')::int = 7",
        "select row_number() over (partition by json_get_bool(data, 'e') order by json_get_int(data, 'd')) from t",
        "select lag(json_get_bool(data, 'e')) over (order by json_get_bool(data, 'e')) from t",
    ] {
        let read = [bytes_scanned(&with, question).await, bytes_scanned(&without, question).await];
        assert!(read[0] * 3 < read[1], "{read:?} bytes read with leaves and without: {question}");
    }
}

/// The names of a window's columns stay, though what they are made of is computed elsewhere.
#[tokio::test]
async fn a_window_over_json_is_computed_at_the_scan() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents(1), 200, ONE_FILE);
    let engine = engine(folder.path(), &files, Leaves::Read);
    let question =
        "select session_id, lag(data->>'a') over (partition by data->>'e' order by session_id), data->>'a' from t";
    let frame = engine.context().sql(question).await.unwrap();
    let titles: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert!(titles[1].starts_with("lag(data ->> 'a')") || titles[1].starts_with("lag(json_as_text("), "{titles:?}");
    let batches = frame.collect().await.unwrap();
    let shown: Vec<String> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(shown, titles);
    let plan = engine.context().sql(&format!("explain {question}")).await.unwrap().collect().await.unwrap();
    let physical = plan[0].column(1).as_string::<i32>().value(1).to_owned();
    let scan = physical.lines().find(|line| line.contains("SessionScanExec")).unwrap();
    assert!(scan.contains("json_as_text(data") && scan.matches("json_as_text").count() == 2, "{physical}");
    let window = physical.lines().find(|line| line.contains("ShiftWindowExec")).unwrap();
    assert!(!window.contains("(data@"), "{window}");
}

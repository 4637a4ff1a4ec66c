//! What a scan reads: leaf columns in place of text, also for windows.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringViewArray};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use sessionlake::engine::{Engine, Leaves};
use sessionlake::lake::write::FileLimits;
use sessionlake::lake::{DataFile, Footer, read_footers};

use super::documents::documents;
use super::{answer, batch, engine, write, write_batches};

const ONE_FILE: FileLimits = FileLimits { file_rows: 10_000, row_group_rows: 10_000 };

/// A text that hardly compresses.
pub fn words(row: usize) -> String {
    let words = (1..13).map(|word| format!("{:x}", (row * 13 + word).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    words.collect::<Vec<_>>().join(" ")
}

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

/// Asks with leaves and without, which must answer the same; returns how many bytes the scans of each read.
async fn bytes_of_same_answers(with: &Engine, without: &Engine, question: &str) -> [usize; 2] {
    let asked = [question.to_owned()];
    assert_eq!(answer(with, &asked).await, answer(without, &asked).await, "{question}");
    [bytes_scanned(with, question).await, bytes_scanned(without, question).await]
}

async fn first_footer(folder: &Path, files: &[DataFile]) -> Footer {
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap());
    read_footers(&store, files).await.unwrap().remove(0)
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

/// Rare paths share pools: a question on them reads none of the text.
#[tokio::test]
async fn rare_paths_are_read_from_pools() {
    let filler = |row: usize| format!(r#"{{"note":"{}"}}"#, words(row));
    let long = format!(r#"{{"longer":"{}"}}"#, "x".repeat(5_000));
    let rare = |row: usize| match row {
        // Before a sample could end, and behind it.
        70 | 9_001 => r#"{"late":"1.50","both":{"inner":[1,{"x":2}]},"quote\\\"~/":"q"}"#,
        80 => r#"{"longer":"short"}"#,
        9_200 => &long,
        2_000 => r#"{"late":1.50,"both":{"inner":null},"often":"x"}"#,
        9_100 => r#"{"late":{"an":"object"},"once":7,"0":"index"}"#,
        row if row % 151 == 0 => r#"{"often":"y","both":{"inner":true}}"#,
        _ => "",
    };
    let documents: Vec<Option<String>> = (0..10_000)
        .map(|row| Some(rare(row)).filter(|text| !text.is_empty()).map_or_else(|| filler(row), str::to_owned))
        .map(Some)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents, 4, ONE_FILE);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    for (is_pooled, expression) in [
        (true, "json_get_str(data, 'late')"),
        (true, "json_get_float(data, 'late')"),
        // Where an object stands, its text is asked for too.
        (false, "data->>'late'"),
        (true, "data->>'often'"),
        (true, "data ? 'once'"),
        (true, "json_get_int(data, 'once')"),
        (true, "(data->'both'->'inner')::text"),
        (true, "json_get_json(data, 'both', 'inner')"),
        (true, "json_length(data, 'both', 'inner')"),
        (true, "json_exists(data, '$.both.inner')"),
        (false, "json_get_int(data, 'both', 'inner', 1, 'x')"),
        (false, "data->>'both'"),
        (true, r#"json_get_str(data, 'quote\"~/')"#),
        (false, "json_get_str(data, '0')"),
        // A value that no pool holds.
        (false, "length(json_get_str(data, 'longer'))"),
    ] {
        let question = format!("select {expression} as v, count(*) from t group by 1 order by 1 nulls first");
        let asked = [question];
        let (left, right) = (answer(&with, &asked).await, answer(&without, &asked).await);
        assert_eq!(left, right, "{expression}");
        assert!(right.lines().count() > 5, "{expression} finds nothing: {right}");
        let read = [bytes_scanned(&with, &asked[0]).await, bytes_scanned(&without, &asked[0]).await];
        assert_eq!(read[0] < read[1] / 4, is_pooled, "{read:?} bytes read with pools and without: {expression}");
    }
}

/// What stands in a column of the table already is not stored again: only where the two differ.
#[tokio::test]
async fn a_path_that_copies_a_column_is_read_from_it() {
    let phone = |row: usize| format!("+{}", (row + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % 100_000_000_000);
    let documents: Vec<Option<String>> = (0..3_000)
        .map(|row| match row {
            100 | 2_500 => Some(r#"{"from":{"number":"anonymous"}}"#.to_owned()),
            200 | 2_600 => Some(r#"{"from":{"number":491234}}"#.to_owned()),
            // A text of its own kind, which is no copy.
            250 | 2_650 => Some(r#"{"from":{"number":4912345678901234567890}}"#.to_owned()),
            300 | 2_700 => Some(r#"{"from":null}"#.to_owned()),
            400 => Some(r#"{"from":{"number":"+1"#.to_owned()),
            500 => None,
            _ => Some(format!(r#"{{"from":{{"number":"{}"}},"note":"{}"}}"#, phone(row), words(row))),
        })
        .collect();
    let with_phones = |(index, documents): (usize, &[Option<String>])| {
        let plain = batch(documents);
        let position = plain.schema().index_of("source_details_phone_number").unwrap();
        let mut columns = plain.columns().to_vec();
        // Of one session the column has nothing.
        let numbers = (0..documents.len()).map(|row| index * 500 + row).map(|row| (row != 600).then(|| phone(row)));
        columns[position] = Arc::new(numbers.collect::<StringViewArray>());
        RecordBatch::try_new(plain.schema(), columns).unwrap()
    };
    let batches: Vec<RecordBatch> = documents.chunks(500).enumerate().map(with_phones).collect();
    let folder = tempfile::tempdir().unwrap();
    let files = write_batches(folder.path(), &batches, 4, ONE_FILE);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    for question in [
        "select json_get_str(data, 'from', 'number') as v, count(*) from t group by 1 order by 1 nulls first",
        "select data->'from'->>'number' as v, count(*) from t group by 1 order by 1 nulls first",
        "select json_get_int(data, 'from', 'number') as v, count(*) from t group by 1 order by 1 nulls first",
        "select count(*) from t where json_get_str(data, 'from', 'number') <> source_details_phone_number",
        "select count(*) from t where json_get_str(data, 'from', 'number') is null",
        "select count(*) from t where json_contains(data, 'from', 'number')",
        "select count(*), min(data->'from'->>'number') from t where data->'from'->>'number' < '+5'",
    ] {
        let read = bytes_of_same_answers(&with, &without, question).await;
        let is_text = question.contains("json_contains");
        assert_eq!(read[0] * 5 < read[1] * 4, !is_text, "{read:?} bytes read with leaves and without: {question}");
    }
    let footer = first_footer(folder.path(), &files).await;
    let bytes: u64 = footer.leaf_bytes.iter().filter(|(name, _)| name.contains("number#")).map(|(_, b)| b).sum();
    assert!(bytes > 0 && bytes < 1_500, "{bytes} bytes beside the column: {:?}", footer.leaf_bytes);
}

/// Without this, the comparison of answers might say nothing of copies and of what is computed.
#[tokio::test]
async fn the_documents_compared_have_copies_and_what_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents(6), 200, ONE_FILE);
    let footer = first_footer(folder.path(), &files).await;
    for name in ["data/copy#x", "data/copy#r", "data/mail#=email_domain.1", "action_data#=action_name.1"] {
        let name = format!("~shred/{name}");
        assert!(footer.schema.field_with_name(&name).is_ok(), "{name}: {:?}", footer.leaf_bytes);
    }
}

/// Names of actions and domains of addresses have columns of their own, far smaller than the texts that they are found in.
#[tokio::test]
async fn what_functions_give_is_read_from_columns_of_its_own() {
    let documents: Vec<Option<String>> = (0..3_000)
        .map(|row| match row {
            100 => None,
            200 | 2_600 => Some(r#"{"mail":491234}"#.to_owned()),
            300 | 2_700 => Some(r#"{"mail":["a@b.de"]}"#.to_owned()),
            400 => Some(r#"{"mail":"none"}"#.to_owned()),
            500 => Some(r#"{"mail":"a@b.de"#.to_owned()),
            _ => Some(format!(r#"{{"mail":"{:x}@mail{}.example.com","note":"{}"}}"#, row * 7_919, row % 5, words(row))),
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents, 8, ONE_FILE);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    for question in [
        "select email_domain(json_get_str(data, 'mail')) as v, count(*) from t group by 1 order by 1 nulls first",
        "select count(distinct email_domain(data->>'mail')) from t",
        "select count(*) from t where email_domain(json_value(data, '$.mail')) in ('mail1.example.com', 'b.de')",
        "select row_number() over (partition by email_domain(data->>'mail') order by 1) from t order by 1",
        "select action_name(action_data) as v, count(*) from t group by 1 order by 1 nulls first",
        "select count(*) from t where coalesce(action_name(action_data), '') not in ('end', 'createInteraction')",
    ] {
        let read = bytes_of_same_answers(&with, &without, question).await;
        // A domain is far smaller than the address, too, which has a leaf.
        let times = if question.contains("action_name") { 1 } else { 100 };
        assert!(read[0] * times < read[1], "{read:?} bytes read with leaves and without: {question}");
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

//! What a scan reads: leaf columns in place of text, also for windows.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringViewArray};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use sessionlake::engine::{Engine, Leaves};
use sessionlake::lake::preview::Preview;
use sessionlake::lake::{DataFile, FileLimits, FileWriter, Footer, Output, read_footers};
use sessionlake::schema;
use sessionlake::shred::{LeafLimits, PathRules};

use super::documents::{COPIED, documents};
use super::{answer, batch, data_files, engine, write, write_batches};

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
        // Where an object stands among scalars, the pool has its text.
        (true, "data->>'late'"),
        (true, "data ? 'late'"),
        (true, "json_length(data, 'late')"),
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

/// Kinds that the sample did not have are read from the pool of exceptions, and all else from the leaf.
#[tokio::test]
async fn kinds_that_the_sample_did_not_have_are_read_from_a_pool() {
    let long = format!(r#""{}""#, "x".repeat(5_000));
    let flag = |row: usize| match row {
        // Of ten thousand rows the sample has each third, from the first on.
        1_000 => r#""true""#.to_owned(),
        4_000 => r#""no\u0074 a\\\"b""#.to_owned(),
        4_003 => "17".to_owned(),
        7_000 => "1.50".to_owned(),
        7_003 => "123456789012345678901234567890".to_owned(),
        row => (row % 2 == 0).to_string(),
    };
    let document = |row: usize| {
        let whole = match row {
            4_000 => long.clone(),
            row => row.to_string(),
        };
        let text = if row == 1_000 { "5".to_owned() } else { format!("\"t{}\"", row % 7) };
        let copy = if row == 4_003 { "18".to_owned() } else { format!("\"{COPIED}{}\"", row % 40) };
        let both = match row {
            7_000 => r#"{"deep":[1,{"er":"x\ud83d"}]}"#,
            7_001 => r#" [ 1 , "b" ] "#,
            _ => "\"b\"",
        };
        // As PHP writes an object without members.
        let none = if row.is_multiple_of(10) { "[]" } else { "7" };
        let large = if row == 4_000 { format!("[{long}]") } else { "true".to_owned() };
        format!(
            r#"{{"flag":{},"whole":{whole},"text":{text},"copy":{copy},"both":{both},"none":{none},"large":{large},"note":"{}"}}"#,
            flag(row),
            words(row)
        )
    };
    let documents: Vec<Option<String>> = (0..10_000).map(document).map(Some).collect();
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents, 20, ONE_FILE);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    for (is_pooled, expression) in [
        (true, "json_get_bool(data, 'flag')"),
        (true, "json_get_str(data, 'flag')"),
        (true, "data->>'flag'"),
        (true, "json_value(data, '$.flag')"),
        (true, "json_get_int(data, 'flag')"),
        (true, "json_get_float(data, 'flag')"),
        (true, "(data->'flag')::boolean"),
        (true, "data ? 'flag'"),
        (true, "json_exists(data, '$.flag')"),
        (true, "json_get_str(data, 'text')"),
        (true, "json_get_int(data, 'text')"),
        (true, "data->>'text'"),
        (true, "data->>'copy'"),
        (true, "json_get_int(data, 'copy')"),
        (true, "json_get_float(data, 'flag') > 2 or json_get_bool(data, 'flag')"),
        (true, "data->>'both'"),
        (true, "json_as_text(data, 'both')"),
        (true, "data #>> '{both}'"),
        (true, "json_get_json(data, 'none')"),
        (true, "data ? 'both'"),
        (true, "json_length(data, 'both')"),
        (true, "json_get_str(data, 'both')"),
        (true, "data->>'none'"),
        (true, "json_length(data, 'none')"),
        // What asks for the text of one that no pool holds reads the document.
        (false, "data->>'large'"),
        (true, "json_get_bool(data, 'large')"),
        // A value that no pool holds.
        (false, "length(json_get_str(data, 'whole'))"),
        (true, "json_get_int(data, 'flag', 'below')"),
    ] {
        let question = format!("select {expression} as v, count(*) from t group by 1 order by 1 nulls first");
        let read = bytes_of_same_answers(&with, &without, &question).await;
        assert_eq!(read[0] < read[1] / 4, is_pooled, "{read:?} bytes read with pools and without: {expression}");
    }
}

/// Paths and kinds that begin behind the first rows of a file have columns, where the writer was shown some of all rows.
#[tokio::test]
async fn paths_that_begin_late_have_leaves_where_the_writer_has_a_preview() {
    let document = |row: usize| {
        let late =
            if row > 34_000 { format!(r#","late":{row},"kind":"now a text""#) } else { r#","kind":1"#.to_owned() };
        format!(r#"{{"note":"{}"{late}}}"#, &words(row)[..40])
    };
    let documents: Vec<Option<String>> = (0..36_000).map(document).map(Some).collect();
    let rows = batch(&documents);
    let every = arrow::array::UInt32Array::from_iter_values((0..36_000).step_by(16));
    let preview = arrow::compute::take_record_batch(&rows, &every).unwrap();
    let question = "select sum(json_get_int(data, 'late')), count(json_get_str(data, 'kind')) from t";
    for preview in [None, Some(Preview { rows: preview, one_in: 16, has_others: false })] {
        let has_preview = preview.is_some();
        let folder = tempfile::tempdir().unwrap();
        let output = Output::Folder(folder.path().to_owned());
        let writer = FileWriter::new(rows.schema(), output, NonZeroUsize::MIN, "ended");
        let mut writer = writer.with_leaves(LeafLimits::of_columns(64)).with_preview(preview);
        writer.write(&rows).unwrap();
        let files = data_files(writer.finish().unwrap());
        let engine = engine(folder.path(), &files, Leaves::Read);
        assert!(answer(&engine, &[question.to_owned()]).await.contains("69965000"), "the sum of 34,001 to 35,999");
        let schema = first_footer(folder.path(), &files).await.schema;
        for name in ["~shred/data/late#i", "~shred/data/kind#s"] {
            assert_eq!(schema.field_with_name(name).is_ok(), has_preview, "{name} {schema:?}");
        }
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

/// What stands at another path already is stored as the rows in which the two differ, though the other is in more of them.
#[tokio::test]
async fn a_path_that_copies_another_is_read_from_it() {
    let mail = |row: usize| format!("p{}@example.org", (row + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) % 100_000_000_000);
    let documents: Vec<Option<String>> = (0..3_000)
        .map(|row| match row {
            100 => Some(format!(r#"{{"user":"someone else","mail":"{}"}}"#, mail(row))),
            200 => Some(r#"{"user":"a user without an address"}"#.to_owned()),
            300 => Some(r#"{"mail":17,"user":18}"#.to_owned()),
            400 => Some(format!(r#"{{"mail":"{}","user":null}}"#, mail(row))),
            500 => Some(format!(r#"{{"user":"{0}","mail":"{0}"#, mail(row))),
            600 => None,
            _ if row % 3 == 0 => Some(format!(r#"{{"user":"{0}","mail":"{0}","note":"{1}"}}"#, mail(row), words(row))),
            _ => Some(format!(r#"{{"mail":"{}","note":"{}"}}"#, mail(row), words(row))),
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents, 8, ONE_FILE);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    for question in [
        "select data->>'user' as v, count(*) from t group by 1 order by 1 nulls first",
        "select json_get_int(data, 'user') as v, count(*) from t group by 1 order by 1 nulls first",
        "select count(*) from t where data->>'user' <> data->>'mail'",
        "select count(*) from t where data->>'user' is null and data->>'mail' is not null",
        "select min(data->>'user'), max(data->>'mail') from t where data->>'user' > 'p5'",
    ] {
        let read = bytes_of_same_answers(&with, &without, question).await;
        assert!(read[0] * 3 < read[1] * 2, "{read:?} bytes read with leaves and without: {question}");
    }
    let footer = first_footer(folder.path(), &files).await;
    let bytes = |part: &str| footer.leaf_bytes.iter().filter(|(n, _)| n.contains(part)).map(|(_, b)| b).sum::<u64>();
    assert!(bytes("user#") * 8 < bytes("mail#"), "{:?}", footer.leaf_bytes);
}

/// A lake's properties name paths that are stored beside the text whatever they cost, and paths that are not whatever they would save.
#[tokio::test]
async fn what_the_lake_says_of_paths_is_kept_to() {
    let half = |row: usize| (row + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let id = |row: usize| format!("{:016x}{:016x}", half(row), half(row + 10_000));
    let documents: Vec<Option<String>> = (0..3_000)
        .map(|row| Some(format!(r#"{{"id":"{}","kind":"k{}","few":{{"a":1}}}}"#, id(row), row % 7)))
        .collect();
    let names = |include: &str, exclude: &str| {
        let rules = PathRules::parse(include, exclude, &["data"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let output = Output::Folder(folder.path().to_owned());
        let limits = LeafLimits { rules: Arc::new(rules), ..LeafLimits::of_columns(64) };
        let mut writer =
            FileWriter::new(schema::stored_schema(), output, NonZeroUsize::MIN, "ended").with_leaves(limits);
        writer.write(&batch(&documents)).unwrap();
        (data_files(writer.finish().unwrap()), folder)
    };
    for (include, exclude, there) in [
        ("", "", ["~shred/data/kind#s", "~shred/data/few/a#i"].as_slice()),
        ("data.id", "", &["~shred/data/id#s", "~shred/data/kind#s", "~shred/data/few/a#i"]),
        ("data.*", "data.few.*, data.kind", &["~shred/data/id#s"]),
    ] {
        let (files, folder) = names(include, exclude);
        let footer = first_footer(folder.path(), &files).await;
        let leaves = footer.schema.fields().iter().map(|field| field.name().as_str());
        let mut leaves: Vec<&str> = leaves.filter(|name| name.starts_with("~shred/data/")).collect();
        leaves.sort_unstable_by_key(|name| there.iter().position(|known| known == name));
        assert_eq!(leaves, there, "{include}; {exclude}");
        let (with, without) =
            (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
        let question = "select data->>'id' as i, data->>'kind' as k, data->'few'->>'a' as f from t order by i";
        bytes_of_same_answers(&with, &without, question).await;
    }
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

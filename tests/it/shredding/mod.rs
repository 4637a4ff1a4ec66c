//! The proof that leaf columns are invisible: every question gets the same answer with them and without.
//!
//! Files of nasty and random documents are written with leaves, and asked the same questions twice: once reading leaves, once
//! parsing the text by datafusion-functions-json alone. `documents` has the files, `questions` what they are asked; `extraction`
//! tries the look-ups in text by themselves, `arrays` asks of the elements of arrays, `shapes` of documents of many shapes, `versions` of a lake as it was, and `plans` looks
//! at what is read.
//!
//! The seeds are the same every time; `SESSIONLAKE_SHRED_SEEDS=100..200` runs others, with more questions to each.

mod arrays;
mod documents;
mod extraction;
mod plans;
mod questions;
mod shapes;
pub mod versions;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, new_null_array};
use arrow::util::pretty::pretty_format_batches;
use chrono::DateTime;
use datafusion::execution::object_store::ObjectStoreUrl;
use object_store::local::LocalFileSystem;
use sessionlake::engine::{Engine, EngineOptions, LakeTable, Leaves};
use sessionlake::lake::{DataFile, FileLimits, FileWriter, Output, WrittenFile};
use sessionlake::schema;
use sessionlake::shred::LeafLimits;
use sessionlake::zones::Tz;
use url::Url;

use documents::{ACTIONS, Random, copied, documents, rare_documents};
use questions::question;

/// The seeds of this run, which a variable of the environment names, else the first few.
fn seeds(usual: u64) -> Range<u64> {
    match wanted_seeds() {
        Some((from, to)) => from..to,
        None => 1..usual + 1,
    }
}

fn wanted_seeds() -> Option<(u64, u64)> {
    let text = std::env::var("SESSIONLAKE_SHRED_SEEDS").ok()?;
    let (from, to) = text.split_once("..").unwrap_or(("1", &text));
    Some((from.parse().unwrap(), to.parse().unwrap()))
}

fn batch(documents: &[Option<String>]) -> RecordBatch {
    let schema = schema::stored_schema();
    let rows = documents.len();
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| -> ArrayRef {
            match field.name().as_str() {
                "session_id" => Arc::new(StringViewArray::from_iter_values((0..rows).map(|row| format!("{row:05}")))),
                "started_at" => {
                    Arc::new(TimestampMicrosecondArray::from_iter_values(0..rows as i64).with_timezone("UTC"))
                }
                "data" => Arc::new(documents.iter().map(|d| d.as_deref()).collect::<StringViewArray>()),
                "action_data" => {
                    Arc::new((0..rows).map(|row| ACTIONS[row * 5 % 11 % ACTIONS.len()]).collect::<StringViewArray>())
                }
                "source_details_phone_number" => {
                    Arc::new(documents.iter().map(|d| copied(d.as_deref())).collect::<StringViewArray>())
                }
                schema::CONTENT_HASH => Arc::new(Int64Array::from_iter_values(0..rows as i64)),
                _ => new_null_array(field.data_type(), rows),
            }
        })
        .collect();
    RecordBatch::try_new(schema, columns).unwrap()
}

/// Writes the documents as data files, with several row groups to a file.
fn write(folder: &Path, documents: &[Option<String>], budget: usize, limits: FileLimits) -> Vec<DataFile> {
    let batches: Vec<RecordBatch> = documents.chunks(37).map(batch).collect();
    write_batches(folder, &batches, budget, limits)
}

fn write_batches(folder: &Path, batches: &[RecordBatch], budget: usize, limits: FileLimits) -> Vec<DataFile> {
    let mut writer =
        FileWriter::new(schema::stored_schema(), Output::Folder(folder.to_owned()), NonZeroUsize::MIN, "ended")
            .with_limits(limits)
            .with_leaves(LeafLimits::of_columns(budget));
    for batch in batches {
        writer.write(batch).unwrap();
    }
    data_files(writer.finish().unwrap())
}

fn data_files(written: Vec<WrittenFile>) -> Vec<DataFile> {
    let file = |written: WrittenFile| DataFile {
        path: written.path,
        size_bytes: written.size_bytes,
        rows: Some(written.rows),
        ..DataFile::default()
    };
    written.into_iter().map(file).collect()
}

fn engine(folder: &Path, files: &[DataFile], leaves: Leaves) -> Engine {
    let options = EngineOptions {
        as_of: DateTime::UNIX_EPOCH,
        time_zone: Tz::UTC,
        memory_limit_bytes: 1 << 30,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads: NonZeroUsize::MIN,
        leaves,
    };
    let engine = Engine::new(options).unwrap();
    let url = Url::parse("lake://test").unwrap();
    let store = LocalFileSystem::new_with_prefix(folder).unwrap();
    engine.context().runtime_env().register_object_store(&url, Arc::new(store));
    let store = ObjectStoreUrl::parse("lake://test").unwrap();
    let table = LakeTable::new("t", 1, store, schema::stored_schema(), Arc::new(files.to_vec()), leaves);
    engine.context().register_table("t", Arc::new(table)).unwrap();
    engine
}

async fn answer(engine: &Engine, statements: &[String]) -> String {
    let mut answer = String::new();
    for statement in statements {
        let batches = match engine.context().sql(statement).await {
            Ok(frame) => frame.collect().await,
            Err(error) => Err(error),
        };
        answer = match batches {
            Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
            Err(error) => format!("error: {}", error.strip_backtrace()),
        };
    }
    answer
}

/// What came of the questions of a seed.
#[derive(Default)]
struct Compared {
    questions: usize,
    errors: usize,
    differences: Vec<String>,
}

/// Asks questions of files that are made by the seed: with many leaves or few, in one row group or many, or of another engine.
async fn compare(seed: u64, questions: usize) -> Compared {
    let one_file = FileLimits { file_rows: 100_000, row_group_rows: 100_000 };
    let many_groups = FileLimits { file_rows: 150, row_group_rows: 20 };
    let (budget, limits, documents) = match seed % 5 {
        0 => (2, one_file, rare_documents(seed)),
        1 => (200, one_file, documents(seed)),
        2 => (12, many_groups, documents(seed)),
        // Without leaves there is no manifest either, as in a file of another engine.
        3 => (0, many_groups, documents(seed)),
        _ => (3, one_file, documents(seed)),
    };
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), &documents, budget, limits);
    let (with, without) = (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
    let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1);
    let mut compared = Compared::default();
    // Many rows take their time.
    for index in 0..questions * 300 / documents.len().max(300) {
        let question = match index {
            0 => vec!["select session_id, data from t order by 1".to_owned()],
            _ => question(&mut random),
        };
        let (left, right) = (answer(&with, &question).await, answer(&without, &question).await);
        compared.questions += 1;
        compared.errors += usize::from(right.starts_with("error"));
        if left != right {
            let question = question.join(";\n");
            compared.differences.push(format!("seed {seed}: {question}\nwith leaves:\n{left}\nwithout:\n{right}"));
        }
    }
    compared
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_same_with_leaves_and_without() {
    let questions = if wanted_seeds().is_some() { 400 } else { 100 };
    let seeds: Vec<u64> = seeds(5).collect();
    let mut total = Compared::default();
    for pair in seeds.chunks(2) {
        let tasks: Vec<_> = pair.iter().map(|seed| tokio::spawn(compare(*seed, questions))).collect();
        for task in tasks {
            let compared = task.await.unwrap();
            total.questions += compared.questions;
            total.errors += compared.errors;
            total.differences.extend(compared.differences);
        }
    }
    let Compared { questions, errors, differences } = total;
    assert!(differences.is_empty(), "{} of {questions} differ, the first:\n{}", differences.len(), differences[0]);
    assert!(questions > 250 && errors * 10 < questions, "{errors} of {questions} questions are errors");
}

/// Most documents begin with a value that is asked for, so that from the second batch on each call looks for it itself.
#[tokio::test]
async fn calls_of_near_values_answer_the_same() {
    let limits = FileLimits { file_rows: 100_000, row_group_rows: 100 };
    for seed in seeds(3) {
        let wrapped = |(row, document): (usize, Option<String>)| match row % 16 {
            7 => document,
            _ => document.map(|document| format!(r#"{{"near":{document},"a":{{"b":[{row}]}}}}"#)),
        };
        let documents: Vec<Option<String>> = documents(seed).into_iter().enumerate().map(wrapped).collect();
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), &documents, 0, limits);
        let (with, without) =
            (engine(folder.path(), &files, Leaves::Read), engine(folder.path(), &files, Leaves::Ignore));
        for question in [
            "select session_id, json_length(data, 'near') from t order by 1",
            "select session_id, json_object_keys(data, 'near') from t order by 1",
            "select session_id, json_get_json(data, 'near') from t order by 1",
            "select session_id, json_get_array(data, 'near', 'b') from t order by 1",
            "select session_id, data->'near' as v from t order by 1",
            "select session_id from t where json_length(data, 'near') > 1 order by 1",
            "select session_id, json_length(data, 'near'), data->'near'->>'a' from t order by 1",
            "select session_id, json_length(data, 'a') from t where json_length(data, 'near') > 1 order by 1",
            "select json_length(data, 'near') as v, count(*) from t where json_length(data, 'near') < 4 group by 1 order by 1",
        ] {
            let question = [question.to_owned()];
            assert_eq!(answer(&with, &question).await, answer(&without, &question).await, "{seed}: {}", question[0]);
        }
    }
}

//! What is asked of JSON in a lake of several versions, and in files that an earlier program wrote: each answers the same with leaf
//! columns and without.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use sessionlake::engine::{At, Leaves};
use sessionlake::lake::FileLimits;
use sessionlake::lake::as_read;
use sessionlake::lake::{DataFile, Lake, Version};
use sessionlake::shred::MANIFEST_KEY;

use super::plans::words;
use super::{answer, engine, write};
use crate::lakes::{lake_in, open_with, rows_of, source, take};
use crate::support::repository;

/// Questions about paths of the generated sessions: common, mixed, rare, absent, in arrays, and whole documents.
const QUESTIONS: [&str; 9] = [
    "select session_id, data, source_details, action_data from workflow_sessions order by 1",
    "select json_get_str(data, 'variables', 'customer_tier') as tier, count(*) from workflow_sessions group by 1 order by 1",
    "select session_id, data->'variables'->>'amount', json_get_float(data, 'variables', 'amount') from workflow_sessions order by 1",
    "select session_id, json_as_text(data, 'details', 'customerNumber'), data->>'source' from workflow_sessions order by 1",
    "select session_id from workflow_sessions where json_get_bool(data, 'variables', 'authenticated') order by 1",
    "select json_get_str(data, 'variables', 'no_such_key'), count(*), count(json_get_str(data, 'variables', 'promo_code')) \
     from workflow_sessions group by 1",
    "select json_get_str(event, 'type') as type, count(*) from \
     (select unnest(json_get_array(data, 'variables', 'events')) as event from workflow_sessions) group by 1 order by 1",
    "select session_id, lag(json_get_str(data, 'routing', 'skill')) over (order by started_at, session_id) \
     from active_sessions order by 1",
    "select source_details->>'phoneNumber', json_get_str(data, 'source', 'phoneNumber'), count(*) from workflow_sessions \
     group by 1, 2 order by 1, 2",
];

/// Takes snapshots of the sample exports into a lake, one version each.
pub async fn take_snapshots(lake: &Lake, numbers: &[i64]) {
    for number in numbers {
        let path = repository(&format!("data/snapshots/workflow_sessions.{number}.csv"));
        take(lake, &[source(&path, *number)]).await;
    }
}

/// Asks all questions of all versions from the first on, with leaves and without.
pub async fn assert_every_version_agrees(lake: &Lake, last: Version) {
    let mut earlier = Vec::new();
    for version in 1..=last {
        let with = open_with(lake, At::Version(version), Leaves::Read).await.unwrap();
        let without = open_with(lake, At::Version(version), Leaves::Ignore).await.unwrap();
        let mut answers = Vec::new();
        for question in QUESTIONS {
            let [left, right] = [&with, &without].map(|engine| engine.context().sql(question));
            let left = rows_of(&left.await.unwrap().collect().await.unwrap());
            let right = rows_of(&right.await.unwrap().collect().await.unwrap());
            assert_eq!(left, right, "version {version}: {question}");
            answers.push(left);
        }
        assert!(answers.iter().all(|rows| !rows.is_empty()), "version {version}");
        // Each version is another state: one that was read in place of another would show.
        assert!(!earlier.contains(&answers), "version {version}");
        earlier.push(answers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_a_lake_answers_the_same_with_leaves_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take_snapshots(&lake, &[1, 2, 3]).await;
    assert_every_version_agrees(&lake, 3).await;
}

/// Writes a file anew, under a name with this in front, with another manifest and other columns.
fn rewritten(
    folder: &Path,
    file: &DataFile,
    name: &str,
    manifest: impl Fn(&str) -> String,
    column: impl Fn(&str, &ArrayRef) -> (String, ArrayRef),
) -> DataFile {
    let opened = File::open(folder.join(&file.path)).unwrap();
    let footer = ParquetMetaDataReader::new().parse_and_finish(&opened).unwrap();
    let read = ArrowReaderMetadata::try_new(as_read(Arc::new(footer)), ArrowReaderOptions::new()).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(opened, read);
    let manifest = manifest(&reader.schema().metadata()[MANIFEST_KEY]);
    let path = format!("{name}-{}", file.path);
    let properties = WriterProperties::builder()
        .set_created_by("sessionlake 0.1.0".to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(MANIFEST_KEY.to_owned(), manifest)]))
        .build();
    let output = File::create(folder.join(&path)).unwrap();
    let mut writer = None;
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, values)| {
            let (name, values) = column(field.name(), values);
            (field.as_ref().clone().with_name(name), values)
        });
        let (fields, columns): (Vec<_>, Vec<_>) = columns.unzip();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let writer = writer.get_or_insert_with(|| {
            ArrowWriter::try_new(output.try_clone().unwrap(), batch.schema(), Some(properties.clone())).unwrap()
        });
        writer.write(&batch).unwrap();
    }
    writer.unwrap().close().unwrap();
    DataFile { size_bytes: folder.join(&path).metadata().unwrap().len(), path, ..file.clone() }
}

/// Writes a file anew: as a program wrote it to which a text with half a surrogate pair was as broken as one with the escape `\q`, under a
/// manifest of that number.
fn as_written_before(folder: &Path, file: &DataFile, number: u32) -> DataFile {
    let manifest = |text: &str| text.replacen("\"v\":4", &format!("\"v\":{number}"), 1);
    rewritten(folder, file, &number.to_string(), manifest, |name, column| {
        if !["data", "action_data"].contains(&name) {
            return (name.to_owned(), Arc::clone(column));
        }
        let texts = column.as_string_view().iter();
        let texts = texts.map(|text| text.map(|text| text.replace(r"\q", r"\u"))).collect::<StringViewArray>();
        (name.to_owned(), Arc::new(texts))
    })
}

#[tokio::test]
async fn files_of_an_earlier_program_answer_as_their_texts_do() {
    let document = |row: usize| match row % 10 {
        3 => format!(r#"{{"tier":"gold","lone":"x\qd83dy","after":"still here","n":{row},"e":[{{"t":"a"}}]}}"#),
        7 => format!(
            r#"{{"k\qde00":1,"tier":"silver","after":"still here","e":[{{"t":"b"}},{{"t":"\qd83d"}}],"n":{row}}}"#
        ),
        _ => format!(r#"{{"tier":"gold","after":"here","n":{row},"e":[{{"t":"a"}}]}}"#),
    };
    let documents: Vec<Option<String>> = (0..200).map(|row| Some(document(row))).collect();
    let folder = tempfile::tempdir().unwrap();
    let limits = FileLimits { file_rows: 1_000, row_group_rows: 1_000 };
    let [file] = write(folder.path(), &documents, 50, limits).try_into().unwrap();
    let questions = [
        "select session_id, data from t order by 1",
        "select data->>'after' as v, count(*) from t group by 1 order by 1",
        "select session_id, json_get_int(data, 'n'), json_get_str(data, 'tier'), data->>'lone' from t order by 1",
        "select session_id from t where data->>'after' = 'still here' order by 1",
        "select session_id from t where json_contains(data, 'lone') or json_exists(data, '$.k\u{fffd}') order by 1",
        "select json_get_str(e, 't') as v, count(*) from (select unnest(json_get_array(data, 'e')) as e from t) group by 1 order by 1",
        "select action_name(action_data) as v, count(*) from t group by 1 order by 1",
    ]
    .map(|question| vec![question.to_owned()]);
    for number in [3, 2] {
        let files = [as_written_before(folder.path(), &file, number)];
        let with = engine(folder.path(), &files, Leaves::Read);
        let without = engine(folder.path(), &files, Leaves::Ignore);
        let mut differ = 0;
        for question in &questions {
            let (left, right) = (answer(&with, question).await, answer(&without, question).await);
            assert!(!left.contains("error"), "{left}");
            assert!(number == 3 || left == right, "{}\nwith leaves:\n{left}\nwithout:\n{right}", question[0]);
            differ += usize::from(left != right);
        }
        // Under today's number the leaves are read, and lack what an earlier program did not read.
        assert_eq!(differ > 3, number == 3, "{differ} answers differ");
        let found = answer(&with, &["select count(*) from t where data->>'after' = 'still here'".to_owned()]).await;
        assert_eq!(found.contains("| 40 "), number == 2, "{found}");
    }
}

#[tokio::test]
async fn what_functions_of_another_version_gave_is_computed_from_the_text() {
    let document =
        |row: usize| format!(r#"{{"mail":"{:x}@mail{}.example.com","note":"{}"}}"#, row * 7_919, row % 5, words(row));
    let documents: Vec<Option<String>> = (0..3_000).map(|row| Some(document(row))).collect();
    let folder = tempfile::tempdir().unwrap();
    let limits = FileLimits { file_rows: 10_000, row_group_rows: 10_000 };
    let [file] = write(folder.path(), &documents, 8, limits).try_into().unwrap();
    let questions = [
        "select email_domain(json_get_str(data, 'mail')) as v, count(*) from t group by 1 order by 1",
        "select action_name(action_data) as v, count(*) from t group by 1 order by 1 nulls first",
    ]
    .map(|question| vec![question.to_owned()]);
    for version in ["1", "0", "2"] {
        let file = rewritten(folder.path(), &file, version, str::to_owned, |name, column| {
            let Some(function) = name.strip_suffix(".1").filter(|_| name.contains("#=")) else {
                return (name.to_owned(), Arc::clone(column));
            };
            let wrong = StringViewArray::from_iter_values(vec!["wrong"; column.len()]);
            (format!("{function}.{version}"), Arc::new(wrong))
        });
        let with = engine(folder.path(), std::slice::from_ref(&file), Leaves::Read);
        let without = engine(folder.path(), std::slice::from_ref(&file), Leaves::Ignore);
        for question in &questions {
            let (left, right) = (answer(&with, question).await, answer(&without, question).await);
            assert!(!right.contains("error") && !right.contains("wrong"), "{right}");
            assert_eq!(left.contains("wrong"), version == "1", "version {version}: {left}");
            assert!(version == "1" || left == right, "version {version}: {left} is not {right}");
        }
    }
}

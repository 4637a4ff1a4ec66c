//! Tests of the writer of data files: how rows are split, and what is left when it fails.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::schema::sightings_schema;
use crate::shred::PathRules;

fn batch(from: i64, rows: usize) -> RecordBatch {
    let content = Int64Array::from_iter_values(from..from + rows as i64);
    let seen = TimestampMicrosecondArray::from_iter_values(from..from + rows as i64).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![Arc::new(content), Arc::new(seen)];
    RecordBatch::try_new(sightings_schema(), columns).unwrap()
}

fn writer(folder: &Path, limits: FileLimits, encoders: usize) -> FileWriter {
    let encoders = NonZeroUsize::new(encoders).unwrap();
    FileWriter::new(sightings_schema(), Output::Folder(folder.to_owned()), encoders, "test").with_limits(limits)
}

/// Returns the rows of each row group of a file, and the values of its first column.
fn content(path: &Path) -> (Vec<i64>, Vec<i64>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let groups = builder.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
    let values = builder
        .build()
        .unwrap()
        .flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    (groups, values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn rows_keep_their_order_and_files_and_row_groups_their_limits(
        sizes in proptest::collection::vec(0..40usize, 0..8),
        file_rows in 1..50usize,
        row_group_rows in 1..30usize,
        encoders in 1..4usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = writer(folder.path(), FileLimits { file_rows, row_group_rows }, encoders);
        let mut next = 0;
        for size in &sizes {
            writer.write(&batch(next, *size)).unwrap();
            next += *size as i64;
        }
        let files = writer.finish().unwrap();
        let mut all = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let path = folder.path().join(&file.path);
            let (groups, values) = content(&path);
            prop_assert!(groups.iter().all(|rows| *rows as usize <= row_group_rows));
            prop_assert!(values.len() == file_rows || index + 1 == files.len() && values.len() < file_rows);
            prop_assert_eq!(file.rows as usize, values.len());
            prop_assert_eq!(file.statistics["numRecords"].as_u64(), Some(file.rows));
            prop_assert_eq!(file.size_bytes, fs::metadata(&path).unwrap().len());
            all.extend(values);
        }
        prop_assert_eq!(all, (0..next).collect::<Vec<_>>());
        prop_assert_eq!(fs::read_dir(folder.path()).unwrap().count(), files.len());
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), FileLimits { file_rows: 20, row_group_rows: 10 }, 1);
    for from in 0..10 {
        writer.write(&batch(from * 7, 7)).unwrap();
    }
    assert!(fs::read_dir(folder.path()).unwrap().count() > 1, "it was in the middle of its work");
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_gone_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(&folder.path().join("gone"), FileLimits { file_rows: 5, row_group_rows: 5 }, 1);
    assert!(matches!(writer.write(&batch(0, 7)), Err(Error::Storage { .. })));
}

/// A schema of JSON columns alone.
fn json_schema() -> SchemaRef {
    let field = |name: &&str| Field::new(*name, DataType::Utf8View, true);
    Arc::new(Schema::new(layout::SHREDDED_COLUMNS.iter().map(field).collect::<Vec<_>>()))
}

fn json_rows(from: usize, rows: usize) -> RecordBatch {
    let data = (from..from + rows).map(|n| {
        // Text of which the leaves are a small part.
        let noise: String =
            (1..6).map(|k| format!("{:016x}", (n * 8 + k).wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
        let list: Vec<String> = (0..n % 9).map(|k| format!(r#"{{"k":"{}"}}"#, (n + k) % 5)).collect();
        Some(format!(r#"{{"n":{n},"word":"w{}","noise":"{noise}","list":[{}]}}"#, n % 3, list.join(",")))
    });
    let none: ArrayRef = Arc::new(StringViewArray::from(vec![None::<&str>; rows]));
    let columns: Vec<ArrayRef> = vec![Arc::clone(&none), Arc::new(data.collect::<StringViewArray>()), none];
    RecordBatch::try_new(json_schema(), columns).unwrap()
}

#[test]
fn leaves_stand_in_the_rows_of_their_documents_whatever_thread_took_them() {
    let folder = tempfile::tempdir().unwrap();
    let threads = NonZeroUsize::new(4).unwrap();
    let rules = PathRules::parse("data.list[*].k", "", &["data"]).unwrap();
    let limits = FileLimits { file_rows: 7_000, row_group_rows: 3_000 };
    let mut writer = FileWriter::new(json_schema(), Output::Folder(folder.path().to_owned()), threads, "test")
        .with_limits(limits)
        .with_leaves(LeafLimits { rules: Arc::new(rules), ..LeafLimits::of_columns(10) });
    let mut next = 0;
    // Batches of many sizes: a small one is shredded before a large one that came earlier, and the lists of a large one come in pieces.
    for rows in [900, 3, 2_000, 1, 1, 5_000, 40, 2, 3_000, 7, 8_000] {
        writer.write(&json_rows(next, rows)).unwrap();
        next += rows;
    }
    let mut row = 0_usize;
    let files = writer.finish().unwrap();
    assert_eq!(files.len(), next.div_ceil(7_000));
    for file in files {
        let file = File::open(folder.path().join(&file.path)).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let numbers = batch.column_by_name("~shred/data/n#i").unwrap().as_primitive::<Int64Type>();
            let words = batch.column_by_name("~shred/data/word#s").unwrap().as_string::<i32>();
            let texts = batch.column_by_name("data").unwrap().as_string::<i32>();
            let lists = batch.column_by_name("~shred/data/list[]/k#s").unwrap().as_list::<i32>();
            for index in 0..batch.num_rows() {
                let list = lists.value(index);
                let list: Vec<Option<String>> = list.as_string::<i32>().iter().map(|k| k.map(str::to_owned)).collect();
                let expected: Vec<Option<String>> = (0..row % 9).map(|k| Some(((row + k) % 5).to_string())).collect();
                assert_eq!(list, expected);
                assert_eq!(numbers.value(index), row as i64);
                assert_eq!(words.value(index), format!("w{}", row % 3));
                assert!(texts.value(index).starts_with(&format!(r#"{{"n":{row},"#)));
                row += 1;
            }
        }
    }
    assert_eq!(row, next);
}

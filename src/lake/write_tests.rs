//! Tests of the writer of data files: how rows are split, and what is left when it fails.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::schema::sightings_schema;

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

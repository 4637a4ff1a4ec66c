//! Writes small Arrow IPC files and streams, and reads them back.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use crate::zones::Tz;
use arrow::array::{
    ArrayRef, DictionaryArray, FixedSizeBinaryArray, StringArray, StringViewArray, TimestampSecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};
use arrow::record_batch::RecordBatch;

use super::format_tests::{options, read_with};
use super::parquet_tests::parquet_sample;
use super::*;
use crate::error::Error;

pub(super) fn file_bytes(batch: &RecordBatch, compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn stream_bytes(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

const COMPRESSIONS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::ZSTD), Some(CompressionType::LZ4_FRAME)];

#[test]
fn files_and_streams_of_arrow_go_by_the_rules_of_parquet() {
    let berlin = ReadOptions { time_zone: Tz::named("Europe/Berlin").unwrap(), keep_extra: true, ..options() };
    let batch = parquet_sample();
    let mut inputs: Vec<Vec<u8>> = COMPRESSIONS.iter().map(|compression| file_bytes(&batch, *compression)).collect();
    inputs.extend(COMPRESSIONS.map(|compression| stream_bytes(std::slice::from_ref(&batch), compression)));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&inputs[0]).unwrap();
    inputs.push(packed.finish().unwrap());
    for stored in inputs {
        for name in ["x.arrow", "-", "x.parquet"] {
            let read = read_with(name, &stored, &berlin).unwrap();
            assert_eq!(read.texts("session_id"), [Some("a")]);
            // 2026-07-09T12:00:00 without a zone, which is 10:00 UTC in Berlin's summer.
            assert_eq!(read.times("started_at"), [Some(1_783_591_200_000_000)]);
            assert_eq!(read.times("ended_at"), [Some(1_783_598_401_500_000)]);
            assert_eq!(read.seconds(), [Some(1.5)]);
            assert_eq!(read.texts("data"), [Some("{\"k\":1}")]);
            assert_eq!(read.texts("_extra"), [Some("{\"Colour\":\"red\"}")]);
            assert_eq!(
                read.faults(),
                [
                    (Some(2), None, Some("session_id"), "no session id"),
                    (Some(3), None, Some("time_in_workflow"), "\"NaN\" is not a number; ⟨null-mark⟩ 'NaN' reads it"),
                ]
            );
            assert_eq!(read.summary.bytes, stored.len() as u64);
            assert!(read.summary.notes.is_empty());
            // JSON has no NaN, so that the row comes back without the number.
            let again = replay(&read.contexts[1], &read.rejects[1].raw, &options()).unwrap();
            assert_eq!(again.rows.num_rows(), 1);
        }
    }
}

#[test]
fn messages_of_an_older_version_than_the_footer_names_are_read() {
    let batch = parquet_sample();
    let written = |version| {
        let options = IpcWriteOptions::try_new(8, false, version).unwrap();
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    };
    let (old, new) = (written(MetadataVersion::V4), written(MetadataVersion::V5));
    let footer_start = |bytes: &[u8]| {
        let trailer = bytes.len() - 10;
        trailer - u32::from_le_bytes(bytes[trailer..trailer + 4].try_into().unwrap()) as usize
    };
    // As Arrow C++ writes them.
    assert_eq!(footer_start(&old), footer_start(&new));
    let mixed = [&old[..footer_start(&old)], &new[footer_start(&new)..]].concat();
    for stored in [old, mixed] {
        assert_eq!(read_with("x.arrow", &stored, &options()).unwrap().texts("session_id"), [Some("a")]);
    }
}

fn typed(ids: &[&str]) -> RecordBatch {
    let bytes: Vec<[u8; 16]> = ids.iter().map(|id| uuid::Uuid::parse_str(id).unwrap().into_bytes()).collect();
    let starts = TimestampSecondArray::from(vec![1_770_681_418; ids.len()]).with_timezone("UTC");
    let kinds: DictionaryArray<Int32Type> = vec!["Phone"; ids.len()].into_iter().collect();
    let texts = StringViewArray::from_iter_values(ids.iter().map(|id| format!("a text of some length with {id}")));
    let extension = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())]);
    let schema = Schema::new(vec![
        Field::new("Session Id", DataType::FixedSizeBinary(16), true).with_metadata(extension),
        Field::new("Started At", DataType::Timestamp(TimeUnit::Second, Some("UTC".into())), true),
        Field::new_dictionary("Communication Type", DataType::Int32, DataType::Utf8, true),
        Field::new("Data", DataType::Utf8View, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes.into_iter().map(Some), 16).unwrap()),
        Arc::new(starts),
        Arc::new(kinds),
        Arc::new(texts),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

const IDS: [&str; 3] = [
    "028a0000-0000-4000-8000-000000000001",
    "028a0000-0000-4000-8000-000000000002",
    "028a0000-0000-4000-8000-000000000003",
];

#[test]
fn batches_follow_each_other_with_dictionaries_views_and_uuids() {
    let batches = [typed(&IDS[..2]), typed(&[]), typed(&IDS[2..])];
    for compression in COMPRESSIONS {
        let read = read_with("x", &stream_bytes(&batches, compression), &options()).unwrap();
        assert_eq!(read.texts("session_id"), IDS.map(Some));
        assert_eq!(read.texts("communication_type"), [Some("Phone"); 3]);
        assert_eq!(read.texts("data")[2], Some(format!("a text of some length with {}", IDS[2]).as_str()));
        assert_eq!(read.times("started_at"), [Some(1_770_681_418_000_000); 3]);
    }
}

#[test]
fn a_part_of_a_file_is_refused_and_a_stream_that_may_be_one_is_noted() {
    let batches = [typed(&IDS[..2]), typed(&IDS[2..])];
    let file = file_bytes(&batches[0], None);
    for cut in 8..file.len() {
        let error = read_with("x", &file[..cut], &options()).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{cut}: {error}");
    }
    let stream = stream_bytes(&batches, None);
    let mut noted = Vec::new();
    for cut in 8..stream.len() {
        match read_with("x", &stream[..cut], &options()) {
            Ok(read) => {
                assert_eq!(
                    read.summary.notes,
                    ["the stream has no mark at its end, so nothing says whether it is whole"]
                );
                noted.push(read.rows.num_rows());
            }
            Err(error) => assert!(matches!(error, Error::Input { .. }), "{cut}: {error}"),
        }
    }
    // Behind the schema, the dictionary, either batch.
    assert_eq!(noted, [0, 0, 2, 3]);
}

/// Writes a file of several batches.
fn file_of(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// Returns the bytes in a file's footer that say where its batches are, and where they stand.
fn blocks(file: &[u8]) -> Vec<([u8; 24], usize)> {
    let behind = file.len() - 10;
    let length = i32::from_le_bytes(file[behind..behind + 4].try_into().unwrap()) as usize;
    let footer = arrow::ipc::root_as_footer(&file[behind - length..behind]).unwrap();
    let place =
        |block: &arrow::ipc::Block| behind - length + memchr::memmem::find(&file[behind - length..], &block.0).unwrap();
    footer.recordBatches().unwrap().iter().map(|block| (block.0, place(block))).collect()
}

#[test]
fn a_file_is_read_by_its_footer_whatever_stands_before_its_batches() {
    // A file has one dictionary a column.
    let whole = typed(&IDS);
    let mut file = file_of(&[whole.slice(0, 2), whole.slice(0, 0), whole.slice(2, 1)]);
    assert_eq!(read_with("x", &file, &options()).unwrap().texts("session_id"), IDS.map(Some));
    // The mark and the length of the schema, which polars leaves out.
    file[8..16].fill(0);
    for name in ["x.arrow", "-"] {
        let read = read_with(name, &file, &options()).unwrap();
        assert_eq!(read.texts("session_id"), IDS.map(Some));
        assert_eq!(read.texts("communication_type"), [Some("Phone"); 3]);
        assert_eq!((read.summary.bytes, read.summary.notes.len()), (file.len() as u64, 0));
    }
    // The batches in the order of the footer.
    let [(first, at), _, (last, behind)] = blocks(&file)[..] else { panic!() };
    file[at..at + 24].copy_from_slice(&last);
    file[behind..behind + 24].copy_from_slice(&first);
    assert_eq!(read_with("x", &file, &options()).unwrap().texts("session_id"), [IDS[2], IDS[0], IDS[1]].map(Some));
}

#[test]
fn footers_that_cannot_be_are_refused_before_memory_is_taken() {
    let whole = typed(&IDS);
    let file = file_of(&[whole.slice(0, 2), whole.slice(2, 1)]);
    let [(first, at), (_, behind)] = blocks(&file)[..] else { panic!() };
    let refusal = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = file.clone();
        edit(&mut bytes);
        let error = read_with("x.arrow", &bytes, &options()).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{error}");
        error.to_string()
    };
    let far = refusal(&|bytes| bytes[at..at + 8].copy_from_slice(&(1_i64 << 50).to_le_bytes()));
    assert_eq!(far, "x.arrow: broken Arrow file: its footer names a block outside of the file");
    let before = refusal(&|bytes| bytes[at..at + 8].copy_from_slice(&(-8_i64).to_le_bytes()));
    assert_eq!(before, far);
    for length in [1 << 50, -1, i64::MAX] {
        let long = refusal(&|bytes| bytes[at + 16..at + 24].copy_from_slice(&i64::to_le_bytes(length)));
        assert_eq!(long, "x.arrow: broken Arrow file: its blocks are longer than the file");
    }
    // A block in place of another, so that one would be read twice.
    assert!(
        refusal(&|bytes| {
            bytes[at + 16..at + 24].copy_from_slice(&(file.len() as i64 / 2).to_le_bytes());
            bytes[behind..behind + 24].copy_from_slice(&first);
        })
        .contains("its blocks are longer than the file")
    );
    let end = file.len() - 10;
    for length in [i32::MAX, -1, 0x7fff] {
        let wrong = refusal(&|bytes| bytes[end..end + 4].copy_from_slice(&length.to_le_bytes()));
        assert_eq!(wrong, "x.arrow: broken Arrow file: its footer has no right length");
    }
    let early = refusal(&|bytes| bytes.truncate(end));
    assert_eq!(early, "x.arrow: broken Arrow file: it ends early: a file of Arrow ends with a footer");
}

#[test]
fn an_export_without_rows_is_read_as_such() {
    let empty = typed(&[]);
    for stored in [file_bytes(&empty, None), stream_bytes(std::slice::from_ref(&empty), None)] {
        let read = read_with("x", &stored, &options()).unwrap();
        assert_eq!((read.rows.num_rows(), read.rejects.len(), read.summary.notes.len()), (0, 0, 0));
    }
    let writer = StreamWriter::try_new(Vec::new(), &empty.schema()).unwrap().into_inner().unwrap();
    assert_eq!(read_with("x", &writer, &options()).unwrap().rows.num_rows(), 0);
}

#[test]
fn lengths_that_cannot_be_are_refused_before_memory_is_taken() {
    let batch = RecordBatch::try_from_iter([
        ("Session Id", Arc::new(StringArray::from(vec!["a".repeat(1000)])) as ArrayRef),
        ("Started At", Arc::new(StringArray::from(vec!["2026-01-01T00:00:00Z"])) as ArrayRef),
    ])
    .unwrap();
    let mut bytes = stream_bytes(&[batch], Some(CompressionType::ZSTD));
    // The length that stands before the packed thousand letters.
    let at = memchr::memmem::find(&bytes, &[&1000_i64.to_le_bytes()[..], &[0x28, 0xb5, 0x2f, 0xfd]].concat()).unwrap();
    bytes[at..at + 8].copy_from_slice(&(1_i64 << 45).to_le_bytes());
    let error = read_with("x", &bytes, &options()).unwrap_err();
    assert!(error.to_string().contains("has no right length, or more than 1024 MiB"), "{error}");
    let lengths = [b"\xff\xff\xff\xff\x00\x00\x00\x7f".as_slice(), b"ARROW1\0\0\xff\xff\xff\xff\xff\xff\xff\x7f"];
    for start in lengths {
        let error = read_with("x.arrow", &[start, &[0; 600]].concat(), &options()).unwrap_err();
        assert!(matches!(error, Error::Input { .. }), "{error}");
    }
}

#[test]
fn a_name_that_promises_arrow_is_told_wrong() {
    let error = read_with("x.feather", b"Session Id,Started At\n", &options()).unwrap_err();
    assert_eq!(error.to_string(), "x.feather: not an Arrow file: it starts as text does");
    assert_eq!(error.hint(), Some("if it is text, read it with ⟨input-format⟩ csv"));
    let csv = ReadOptions { format: Some(InputFormat::Csv), ..options() };
    let error = read_with("x", &file_bytes(&parquet_sample(), None), &csv).unwrap_err();
    assert!(error.to_string().contains("an Arrow IPC file"), "{error}");
}

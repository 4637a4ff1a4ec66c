//! Writes small Parquet files of many types and reads them back.

use std::sync::Arc;

use crate::zones::Tz;
use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Date32Array, Decimal128Array, DictionaryArray, DurationMillisecondArray,
    Float64Array, Int64Array, LargeStringArray, ListArray, StringArray, TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;

use super::format_tests::{options, read_with};
use super::*;

pub(super) fn parquet_bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

pub(super) fn parquet_sample() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("Session Id", DataType::Utf8, true),
        Field::new("started_at", DataType::Timestamp(arrow::datatypes::TimeUnit::Second, None), true),
        Field::new("Time in Workflow", DataType::Float64, true),
        Field::new("Ended At", DataType::Int64, true),
        Field::new("Data", DataType::Struct(vec![Field::new("k", DataType::Int64, true)].into()), true),
        Field::new("Colour", DataType::Utf8, true),
    ]);
    let data = arrow::array::StructArray::from(vec![(
        Arc::new(Field::new("k", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef,
    )]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("a"), None, Some("c")])),
        Arc::new(TimestampSecondArray::from(vec![1_783_598_400, 0, 1_783_598_400])),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN)])),
        Arc::new(Int64Array::from(vec![Some(1_783_598_401_500), None, None])),
        Arc::new(data),
        Arc::new(StringArray::from(vec!["red", "blue", "green"])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[test]
fn parquet_goes_by_the_same_rules_as_text() {
    let berlin = ReadOptions { time_zone: Tz::named("Europe/Berlin").unwrap(), keep_extra: true, ..options() };
    let bytes = parquet_bytes(&parquet_sample());
    for stored in [bytes.clone(), zstd::encode_all(bytes.as_slice(), 1).unwrap()] {
        let read = read_with("x.parquet", &stored, &berlin).unwrap();
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
        let raw = r#"{"Session Id":"c","started_at":"2026-07-09T12:00:00","Time in Workflow":null,"Ended At":null,"Data":{"k":3},"Colour":"green"}"#;
        assert_eq!(String::from_utf8_lossy(&read.rejects[1].raw), raw);
        // JSON has no NaN, so that the row comes back without the number, and in its zone.
        let again = replay(&read.contexts[1], &read.rejects[1].raw, &options()).unwrap();
        assert_eq!(
            again.rows.column_by_name("started_at").unwrap().as_primitive::<TimestampMicrosecondType>().value(0),
            1_783_591_200_000_000
        );
        assert_eq!(read.summary.bytes, stored.len() as u64);
    }
}

#[test]
fn parquet_columns_may_have_any_reasonable_type() {
    let ids: DictionaryArray<Int32Type> = vec!["a", "b"].into_iter().collect();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None]), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("session_id", Arc::new(ids)),
        (
            "started_at",
            Arc::new(TimestampNanosecondArray::from(vec![1_770_681_418_123_456_789, i64::MAX]).with_timezone("+02:00")),
        ),
        ("ended_at", Arc::new(Date32Array::from(vec![Some(20_494), None]))),
        (
            "time_in_workflow",
            Arc::new(Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(10, 2).unwrap()),
        ),
        ("data", Arc::new(LargeStringArray::from(vec![Some("{}"), Some("null")]))),
        ("source_details", Arc::new(lists)),
        ("version_id", Arc::new(Int64Array::from(vec![Some(17), None]))),
        ("workflow_id", Arc::new(BinaryArray::from(vec![b"w".as_slice(), b"\xff"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let read = read_with("x", &parquet_bytes(&batch), &options()).unwrap();
    assert_eq!(read.texts("session_id"), [Some("a")]);
    assert_eq!(read.times("started_at"), [Some(1_770_681_418_123_456)]);
    assert_eq!(read.times("ended_at"), [Some(20_494 * 86_400_000_000)]);
    assert_eq!(read.seconds(), [Some(123.45)]);
    assert_eq!(read.texts("data"), [Some("{}")]);
    assert_eq!(read.texts("source_details"), [Some("[1,null]")]);
    assert_eq!(read.texts("version_id"), [Some("17")]);
    assert_eq!(read.texts("workflow_id"), [Some("w")]);
    assert_eq!(read.faults(), [(Some(2), None, Some("workflow_id"), "not UTF-8 at byte 0")]);

    let late: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    let span: ArrayRef = Arc::new(DurationMillisecondArray::from(vec![1500]));
    let id: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let now: ArrayRef = Arc::new(Float64Array::from(vec![1_770_681_418.25]));
    let of = |columns: Vec<(&str, &ArrayRef)>| {
        RecordBatch::try_from_iter(columns.into_iter().map(|(name, array)| (name, Arc::clone(array)))).unwrap()
    };
    let far = read_with("x", &parquet_bytes(&of(vec![("id", &id), ("Started At", &late)])), &options()).unwrap();
    assert!(far.faults()[0].3.ends_with("is out of range"), "{:?}", far.faults());
    // Lengths of time have no Parquet type of their own, but Arrow keeps theirs beside the file's.
    let columns = vec![("id", &id), ("Started At", &now), ("Time in Workflow", &span)];
    let read = read_with("x", &parquet_bytes(&of(columns)), &options()).unwrap();
    assert_eq!(read.seconds(), [Some(1.5)]);
    assert_eq!(read.times("started_at"), [Some(1_770_681_418_250_000)]);
    let strange = read_with("x", &parquet_bytes(&of(vec![("id", &id), ("Started At", &span)])), &options()).unwrap();
    assert_eq!(strange.faults()[0].2, Some("started_at"));
}

//! Writes Parquet files of types that Arrow has no writer for, and reads them back.

use std::sync::Arc;

use crate::zones::Tz;
use ::parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type, Int96, Int96Type,
};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::format_tests::{options, read_with};
use super::*;

/// The Julian day of 1970-01-01.
const EPOCH_DAY: u32 = 2_440_588;

#[derive(Clone)]
enum Leaf {
    Text(&'static str),
    None,
    Bytes(Vec<u8>),
    Long(i64),
    Int(i32),
    /// Days since 1970-01-01, nanoseconds of the day.
    Instant(u32, u64),
}

/// Writes one row: leaves in order, each defined to this level.
fn one_row(message: &str, leaves: Vec<(Leaf, i16)>) -> Vec<u8> {
    one_row_with(message, leaves, WriterProperties::default())
}

fn one_row_with(message: &str, leaves: Vec<(Leaf, i16)>, properties: WriterProperties) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    for (leaf, level) in leaves {
        let mut column = group.next_column().unwrap().unwrap();
        let level = [level];
        let levels = Some(level.as_slice());
        match leaf {
            Leaf::None => column.typed::<ByteArrayType>().write_batch(&[], levels, None),
            Leaf::Text(text) => column.typed::<ByteArrayType>().write_batch(&[ByteArray::from(text)], levels, None),
            Leaf::Bytes(bytes) => {
                let value = FixedLenByteArray::from(bytes);
                column.typed::<FixedLenByteArrayType>().write_batch(&[value], levels, None)
            }
            Leaf::Long(value) => column.typed::<Int64Type>().write_batch(&[value], levels, None),
            Leaf::Int(value) => column.typed::<Int32Type>().write_batch(&[value], levels, None),
            Leaf::Instant(day, nanos) => {
                let mut value = Int96::new();
                value.set_data(nanos as u32, (nanos >> 32) as u32, EPOCH_DAY.wrapping_add(day));
                column.typed::<Int96Type>().write_batch(&[value], levels, None)
            }
        }
        .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
    bytes
}

#[test]
fn instants_of_96_bits_are_instants_in_any_zone_and_do_not_wrap_round() {
    let message = "message m { optional binary session_id (STRING); optional int96 started_at; optional int96 ended_at;
        optional group data { optional int96 at; } optional int96 seen; }";
    // 9999-12-31, the last day that most tools know, and 0001-01-01.
    let (last, first) = (2_932_896, (-719_162_i32) as u32);
    let bytes = one_row(
        message,
        vec![
            (Leaf::Text("s1"), 1),
            (Leaf::Instant(20_777, 36_000_000_001_000), 1),
            (Leaf::Instant(last, 0), 1),
            (Leaf::Instant(first, 0), 2),
            (Leaf::Instant(last, 86_399_999_999_000), 1),
        ],
    );
    for time_zone in [Tz::UTC, Tz::named("Europe/Berlin").unwrap()] {
        let read = read_with("x", &bytes, &ReadOptions { time_zone, keep_extra: true, ..options() }).unwrap();
        assert!(read.faults().is_empty(), "{:?}", read.faults());
        // 2026-11-20T10:00:00.000001Z
        assert_eq!(read.times("started_at"), [Some(20_777 * 86_400_000_000 + 36_000_000_001)]);
        assert_eq!(read.times("ended_at"), [Some(i64::from(last) * 86_400_000_000)]);
        assert_eq!(read.texts("data"), [Some(r#"{"at":"0001-01-01T00:00:00Z"}"#)]);
        assert_eq!(read.texts("_extra"), [Some(r#"{"seen":"9999-12-31T23:59:59.999999Z"}"#)]);
    }
}

#[test]
fn types_that_a_program_gives_a_meaning_of_its_own_are_told() {
    use std::sync::Arc;

    use ::parquet::arrow::ArrowWriter;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    let extension = |name: &str| [("ARROW:extension:name".to_owned(), name.to_owned())].into();
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let fields = vec![
        Field::new("session_id", DataType::Utf8, true),
        Field::new("started_at", DataType::Utf8, true),
        Field::new("variables_category", DataType::Int64, true).with_metadata(extension("pandas.period")),
        Field::new("data", DataType::Utf8, true).with_metadata(extension("arrow.json")),
        Field::new("other", DataType::Int64, true).with_metadata(extension("pandas.period")),
    ];
    let number: ArrayRef = Arc::new(Int64Array::from(vec![682]));
    let columns = vec![text("s1"), text("2026-11-20T10:00:00Z"), number.clone(), text("{}"), number];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let read = read_with("x", &bytes, &options()).unwrap();
    let told =
        "column \"variables_category\" is of the type \"pandas.period\", and its values were taken as they are stored";
    assert_eq!(read.notes, [told]);
    assert_eq!(read.texts("variables_category"), [Some("682")]);
}

#[test]
fn uuids_are_their_text_wherever_they_stand() {
    let id: Vec<u8> = (0..16).map(|n| n * 16 + 10).collect();
    let text = "0a1a2a3a-4a5a-6a7a-8a9a-aabacadaeafa";
    let message =
        "message m { optional fixed_len_byte_array(16) session_id (UUID); optional binary started_at (STRING);
        optional group data { optional fixed_len_byte_array(16) ref (UUID); }
        optional fixed_len_byte_array(16) call (UUID); }";
    let row = |start| {
        let leaves = vec![
            (Leaf::Bytes(id.clone()), 1),
            (Leaf::Text(start), 1),
            (Leaf::Bytes(id.clone()), 2),
            (Leaf::Bytes(id.clone()), 1),
        ];
        one_row(message, leaves)
    };
    let kept = ReadOptions { keep_extra: true, ..options() };
    let read = read_with("x", &row("2026-11-20T10:00:00Z"), &kept).unwrap();
    assert_eq!(read.texts("session_id"), [Some(text)]);
    assert_eq!(read.texts("data"), [Some(format!(r#"{{"ref":"{text}"}}"#).as_str())]);
    assert_eq!(read.texts("_extra"), [Some(format!(r#"{{"call":"{text}"}}"#).as_str())]);
    // In quarantine too, so that a replay finds the same session.
    let read = read_with("x", &row("someday"), &kept).unwrap();
    let raw = format!(r#"{{"session_id":"{text}","started_at":"someday","data":{{"ref":"{text}"}},"call":"{text}"}}"#);
    assert_eq!(String::from_utf8_lossy(&read.rejects[0].raw), raw);
    let again = replay(&read.contexts[0], raw.replace("someday", "2026-11-20").as_bytes(), &kept).unwrap();
    assert_eq!(again.rows.num_rows(), 1);
}

#[test]
fn other_bytes_of_one_length_are_told_as_what_they_are() {
    let message = "message m { optional fixed_len_byte_array(2) session_id; optional binary started_at (STRING); }";
    let row = |id: &[u8]| one_row(message, vec![(Leaf::Bytes(id.to_vec()), 1), (Leaf::Text("2026-11-20"), 1)]);
    assert_eq!(read_with("x", &row(b"s1"), &options()).unwrap().texts("session_id"), [Some("s1")]);
    let read = read_with("x", &row(b"\xff1"), &options()).unwrap();
    let reason = "2 bytes of binary and no text (not UTF-8 at byte 0): export it as text";
    assert_eq!(read.faults(), [(Some(1), None, Some("session_id"), reason)]);
}

fn with_variant(name: &str, inside: &str, leaves: &[&'static str]) -> Vec<u8> {
    let message = format!(
        "message m {{ optional binary session_id (STRING); optional binary started_at (STRING); optional group {name} {{ {inside} }} }}"
    );
    let level = if inside.contains("group") { 3 } else { 2 };
    let leaves = leaves.iter().map(|text| (Leaf::Text(text), level));
    one_row(&message, [(Leaf::Text("s1"), 1), (Leaf::Text("2026-11-20"), 1)].into_iter().chain(leaves).collect())
}

const VARIANT: &str = "optional binary metadata; optional binary value;";

#[test]
fn variant_is_the_json_of_its_value() {
    let kept = ReadOptions { keep_extra: true, ..options() };
    // A name, and an object with the number 7 under it.
    let (metadata, value) = ("\u{1}\u{1}\0\u{1}a", "\u{2}\u{1}\0\0\u{2}\u{c}\u{7}");
    let read = read_with("x", &with_variant("data", VARIANT, &[metadata, value]), &options()).unwrap();
    assert_eq!(read.texts("data"), [Some(r#"{"a":7}"#)]);
    let read = read_with("x", &with_variant("other", VARIANT, &[metadata, value]), &kept).unwrap();
    assert_eq!(read.texts("_extra"), [Some(r#"{"other":{"a":7}}"#)]);
    // A text is itself, in quotes where it is a part of JSON.
    let (metadata, value) = ("\u{1}\0\0", "\u{d}a\"b");
    let read = read_with("x", &with_variant("category", VARIANT, &[metadata, value]), &options()).unwrap();
    assert_eq!(read.texts("variables_category"), [Some("a\"b")]);
    let read = read_with("x", &with_variant("other", VARIANT, &[metadata, value]), &kept).unwrap();
    assert_eq!(read.texts("_extra"), [Some(r#"{"other":"a\"b"}"#)]);
    // What stands in a column of its own counts.
    let typed = "optional binary metadata; optional binary value; optional binary typed_value (STRING);";
    let message = format!(
        "message m {{ optional binary session_id (STRING); optional binary started_at (STRING); optional group data {{ {typed} }} }}"
    );
    let leaves = [("s1", 1), ("2026-11-20", 1), ("\u{1}\0\0", 2)].map(|(text, level)| (Leaf::Text(text), level));
    let leaves = leaves.into_iter().chain([(Leaf::None, 1), (Leaf::Text("{\"b\":1}"), 2)]).collect();
    assert_eq!(read_with("x", &one_row(&message, leaves), &options()).unwrap().texts("data"), [Some("{\"b\":1}")]);
}

#[test]
fn damaged_variant_costs_its_row_where_it_would_be_stored() {
    let bytes = |name| with_variant(name, VARIANT, &["\u{1}\0\0", "\u{3}\u{9}"]);
    let read = read_with("x", &bytes("data"), &options()).unwrap();
    let reason = "damaged VARIANT: it nests more than 200 deep, or is no VARIANT";
    assert_eq!(read.faults(), [(Some(1), None, Some("data"), reason)]);
    let raw = String::from_utf8_lossy(&read.rejects[0].raw).into_owned();
    let codes = r#"{"metadata":"\u0001\u0000\u0000","value":"\u0003\t"}"#;
    assert_eq!(raw, format!(r#"{{"session_id":"s1","started_at":"2026-11-20","data":{codes}}}"#));
    assert_eq!(read_with("x", &bytes("other"), &options()).unwrap().texts("session_id"), [Some("s1")]);
}

#[test]
fn variant_inside_of_other_columns_is_json_and_a_damaged_one_costs_its_row() {
    let inside = format!("optional group deeper {{ {VARIANT} }}");
    let (metadata, value) = ("\u{1}\u{1}\0\u{1}a", "\u{2}\u{1}\0\0\u{2}\u{c}\u{7}");
    let read = read_with("x", &with_variant("data", &inside, &[metadata, value]), &options()).unwrap();
    assert_eq!(read.texts("data"), [Some(r#"{"deeper":{"a":7}}"#)]);
    let kept = ReadOptions { keep_extra: true, ..options() };
    let read = read_with("x", &with_variant("other", &inside, &["\u{1}\0\0", "\u{d}a\"b"]), &kept).unwrap();
    assert_eq!(read.texts("_extra"), [Some(r#"{"other":{"deeper":"a\"b"}}"#)]);
    let damaged = |name: &str| with_variant(name, &inside, &["\u{1}\0\0", "\u{3}"]);
    for (name, options, column) in [("data", &options(), Some("data")), ("other", &kept, None)] {
        let read = read_with("x", &damaged(name), options).unwrap();
        let [(_, found, raw, reason)] = read.faults()[..] else { panic!("{:?}", read.rejects) };
        assert!(found.is_none() && raw == column && reason.starts_with("damaged VARIANT"), "{raw:?} {reason}");
        let raw: serde_json::Value = serde_json::from_slice(&read.rejects[0].raw).unwrap();
        assert_eq!(raw[name], serde_json::json!({ "deeper": null }));
    }
    assert_eq!(read_with("x", &damaged("other"), &options()).unwrap().texts("session_id"), [Some("s1")]);
}

#[test]
fn intervals_of_spark_are_lengths_of_time_by_its_own_schema() {
    let message = "message m { optional binary session_id (STRING); optional binary started_at (STRING);
        optional int64 time_in_workflow; optional group data { optional int64 wait; optional int64 n; optional int32 age; } }";
    let spark = r#"{"type":"struct","fields":[{"name":"session_id","type":"string"},
        {"name":"time_in_workflow","type":"interval day to second"},
        {"name":"data","type":{"type":"struct","fields":[{"name":"wait","type":"interval minute to second"},
        {"name":"n","type":"long"},{"name":"age","type":"interval year to month"}]}}]}"#;
    let read = |spark: Option<&str>| {
        let value = spark
            .map(|spark| vec![KeyValue::new("org.apache.spark.sql.parquet.row.metadata".into(), spark.to_owned())]);
        let properties = WriterProperties::builder().set_key_value_metadata(value).build();
        let leaves = vec![(Leaf::Text("s1"), 1), (Leaf::Text("2026-11-20"), 1), (Leaf::Long(300_500_000), 1)];
        let inside = vec![(Leaf::Long(1_500_000), 2), (Leaf::Long(7), 2), (Leaf::Int(14), 2)];
        let bytes = one_row_with(message, [leaves, inside].concat(), properties);
        let read = read_with("x", &bytes, &options()).unwrap();
        assert!(read.faults().is_empty(), "{:?}", read.faults());
        (read.seconds()[0], read.texts("data")[0].map(str::to_owned))
    };
    let (seconds, data) = read(Some(spark));
    assert_eq!((seconds, data.as_deref()), (Some(300.5), Some(r#"{"wait":1.5,"n":7,"age":"1 years 2 mons"}"#)));
    for other in [None, Some("no JSON"), Some("{}"), Some(r#"{"type":"struct","fields":[{}]}"#)] {
        assert_eq!(read(other).0, Some(300_500_000.0), "{other:?}");
    }
}

fn with_interval(interval: [u32; 3]) -> Vec<u8> {
    let message = "message m { optional binary session_id (STRING); optional binary started_at (STRING);
        optional fixed_len_byte_array(12) time_in_workflow (INTERVAL);
        optional group data { optional fixed_len_byte_array(12) wait (INTERVAL); } }";
    let bytes = interval.map(u32::to_le_bytes).concat();
    one_row(
        message,
        vec![
            (Leaf::Text("s1"), 1),
            (Leaf::Text("2026-11-20"), 1),
            (Leaf::Bytes(bytes.clone()), 1),
            (Leaf::Bytes(bytes), 2),
        ],
    )
}

#[test]
fn intervals_have_months_days_and_milliseconds() {
    let read = read_with("x", &with_interval([0, 1, 7_200_500]), &options()).unwrap();
    assert_eq!(read.seconds(), [Some(93_600.5)]);
    assert_eq!(read.texts("data"), [Some(r#"{"wait":"1 days 2 hours 0.500000000 secs"}"#)]);
    let read = read_with("x", &with_interval([2, 3, 4000]), &options()).unwrap();
    let fault = read.faults()[0];
    assert_eq!((fault.0, fault.2), (Some(1), Some("time_in_workflow")));
    assert!(fault.3.contains("month"), "{}", fault.3);
    let raw = String::from_utf8_lossy(&read.rejects[0].raw).into_owned();
    assert!(raw.ends_with(r#""data":{"wait":"2 mons 3 days 4.000000000 secs"}}"#), "{raw}");
}

#[test]
fn a_file_with_encrypted_columns_and_a_plain_footer_is_told() {
    let mut bytes = with_interval([0, 0, 0]);
    let behind = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[behind..behind + 4].try_into().unwrap());
    // Behind the last field of the footer, the seventh, one that names AES_GCM_V1.
    let field = [0x1c, 0x1c, 0x00, 0x00];
    bytes.splice(behind - 1..behind - 1, field);
    let behind = bytes.len() - 8;
    bytes[behind..behind + 4].copy_from_slice(&(length + field.len() as u32).to_le_bytes());
    let error = read_with("x.parquet", &bytes, &options()).unwrap_err();
    assert_eq!(error.to_string(), "x.parquet: is an encrypted Parquet file, which is not read");
    assert!(error.hint().unwrap().contains("read_parquet('x.parquet', encryption_config = {footer_key: 'k'})"));
}

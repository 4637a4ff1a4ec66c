//! Tests of values on their way to a client.

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, DurationMicrosecondArray, Float32Array,
    Float64Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, StringViewArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{Int32Type, IntervalMonthDayNano};

use super::*;

fn written(array: ArrayRef, form: Form, zone: &str) -> Vec<Option<Vec<u8>>> {
    let pg_type = PgType::of_values(array.data_type());
    let cells = Cells::of_column(&array, pg_type, form, Tz::named(zone).unwrap()).unwrap();
    let value = |row| {
        let mut out = Vec::new();
        cells.put(row, &mut out);
        out
    };
    (0..array.len()).map(|row| (!cells.is_null(row)).then(|| value(row))).collect()
}

fn texts(array: impl Array + 'static) -> Vec<Option<String>> {
    let written = written(Arc::new(array), Form::Text, "Europe/Berlin");
    written.into_iter().map(|value| value.map(|value| String::from_utf8(value).unwrap())).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

#[test]
fn texts_are_as_postgresql_writes_them() {
    // As PostgreSQL 15 printed them.
    let floats =
        [0.0, -0.0, 1.5, 0.1, 1e14, 1e15, 1.5e20, 0.0001, 0.000012, -2.5e-7, f64::NAN, f64::INFINITY, 123456.789];
    let expected = [
        "0",
        "-0",
        "1.5",
        "0.1",
        "100000000000000",
        "1e+15",
        "1.5e+20",
        "0.0001",
        "1.2e-05",
        "-2.5e-07",
        "NaN",
        "Infinity",
        "123456.789",
    ];
    assert_eq!(texts(Float64Array::from(floats.to_vec())), some(&expected));
    assert_eq!(texts(Float32Array::from(vec![1e6, 100000.0, 0.1])), some(&["1e+06", "100000", "0.1"]));
    assert_eq!(texts(BooleanArray::from(vec![Some(true), None])), [Some("t".to_owned()), None]);
    assert_eq!(texts(UInt64Array::from(vec![u64::MAX])), some(&["18446744073709551615"]));
    let decimals = Decimal128Array::from(vec![-12345, 5]).with_precision_and_scale(10, 2).unwrap();
    assert_eq!(texts(decimals), some(&["-123.45", "0.05"]));
    assert_eq!(
        texts(Date32Array::from(vec![0, -719_163, 2_932_897])),
        some(&["1970-01-01", "0001-12-31 BC", "10000-01-01"])
    );
    let instants = vec![1_783_000_800_000_000, 1_767_225_600_500_000, -3_786_825_600_000_000];
    let zoned = TimestampMicrosecondArray::from(instants.clone()).with_timezone("UTC");
    let expected = ["2026-07-02 16:00:00+02", "2026-01-01 01:00:00.5+01", "1850-01-01 00:53:28+00:53:28"];
    assert_eq!(texts(zoned), some(&expected));
    let local = TimestampMicrosecondArray::from(instants);
    assert_eq!(texts(local), some(&["2026-07-02 14:00:00", "2026-01-01 00:00:00.5", "1850-01-01 00:00:00"]));
    let intervals = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(14, 3, 14_706_700_000_000)]);
    assert_eq!(texts(intervals), some(&["1 year 2 mons 3 days 04:05:06.7"]));
    assert_eq!(texts(DurationMicrosecondArray::from(vec![90_000_000_000])), some(&["1 day 01:00:00"]));
    assert_eq!(texts(BinaryArray::from(vec![&b"\x00\xff"[..]])), some(&["\\x00ff"]));
    let words: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
    assert_eq!(texts(words), [Some("a".to_owned()), None, Some("a".to_owned())]);
}

#[test]
fn arrays_are_quoted_where_they_must_be() {
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let values =
        StringArray::from(vec![Some("a"), None, Some("null"), Some(""), Some("x,y"), Some("q\"\\"), Some("b c")]);
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([7, 0]);
    let lists = ListArray::new(item, offsets, Arc::new(values), None);
    assert_eq!(texts(lists.clone()), some(&["{a,NULL,\"null\",\"\",\"x,y\",\"q\\\"\\\\\",\"b c\"}", "{}"]));
    let binary = written(Arc::new(lists), Form::Binary, "UTC");
    assert_eq!(binary[1].as_deref(), Some(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25][..]));
    let first = binary[0].as_deref().unwrap();
    assert_eq!(&first[..20], [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 7, 0, 0, 0, 1]);
    assert_eq!(&first[20..29], [0, 0, 0, 1, b'a', 0xff, 0xff, 0xff, 0xff]);
}

#[test]
fn binary_values_count_from_2000_and_have_the_size_of_their_type() {
    let one = |array: ArrayRef| written(array, Form::Binary, "UTC").remove(0).unwrap();
    assert_eq!(one(Arc::new(Int64Array::from(vec![-2]))), (-2_i64).to_be_bytes());
    assert_eq!(one(Arc::new(Date32Array::from(vec![DAYS_TO_2000 + 1]))), 1_i32.to_be_bytes());
    let instant = TimestampMicrosecondArray::from(vec![US_TO_2000 - 1]).with_timezone("UTC");
    assert_eq!(one(Arc::new(instant)), (-1_i64).to_be_bytes());
    assert_eq!(one(Arc::new(StringViewArray::from(vec!["ä"]))), "ä".as_bytes());
    let interval = IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 3_000)]);
    assert_eq!(
        one(Arc::new(interval)),
        [&3_i64.to_be_bytes()[..], &2_i32.to_be_bytes(), &1_i32.to_be_bytes()].concat()
    );
    let mut out = Vec::new();
    put_sized_integer(70_000, super::super::types::OID, &mut out);
    assert_eq!(out, 70_000_i32.to_be_bytes());
}

#[test]
fn decimals_in_binary_are_groups_of_four_digits() {
    let numeric = |value, scale| {
        let mut out = Vec::new();
        put_numeric(value, scale, &mut out);
        out.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect::<Vec<_>>()
    };
    // Groups, weight, sign, places, then the groups: as PostgreSQL 15's numeric_send gives them.
    assert_eq!(numeric(1_234_567, 2), [3, 1, 0, 2, 1, 2345, 6700]);
    assert_eq!(numeric(-5, 3), [1, -1, 0x4000, 3, 50]);
    assert_eq!(numeric(0, 2), [0, 0, 0, 2]);
    assert_eq!(numeric(100_000_000, 0), [1, 2, 0, 0, 1]);
    assert_eq!(numeric(5, 8), [1, -2, 0, 8, 5]);
    assert_eq!(numeric(12, -3), [2, 1, 0, 0, 1, 2000]);
}

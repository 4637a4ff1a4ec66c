//! Batches and sinks for the tests of the formats.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arrow::array::*;
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use proptest::prelude::*;

use super::{FormatOptions, OutputFormat, writer};

/// Makes a batch of nullable columns.
pub(super) fn batch<'a>(columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<_>) =
        columns.into_iter().map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array)).unzip();
    let rows = arrays.first().map_or(0, |array: &ArrayRef| array.len());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

/// Two rows with text, a number and an instant.
pub(super) fn sample_batch() -> RecordBatch {
    let times = TimestampMicrosecondArray::from(vec![Some(1_767_225_600_000_000), None]).with_timezone("UTC");
    batch([
        ("text", Arc::new(StringViewArray::from(vec!["one", "two"])) as _),
        ("number", Arc::new(Int64Array::from(vec![Some(1), None])) as _),
        ("time", Arc::new(times) as _),
    ])
}

#[derive(Clone, Default)]
pub(super) struct SharedSink(Arc<Mutex<Vec<u8>>>);

impl SharedSink {
    /// What was written.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for SharedSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that fails at once.
pub(super) struct FailingSink(pub(super) io::ErrorKind);

impl Write for FailingSink {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(self.0, "sink failed"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes batches, at least one, and checks the counts.
pub(super) fn render_bytes(format: OutputFormat, options: &FormatOptions, batches: &[RecordBatch]) -> Vec<u8> {
    let sink = SharedSink::default();
    let mut writer = writer(format, options, batches[0].schema(), Box::new(sink.clone())).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let written = writer.finish().unwrap();
    let bytes = std::mem::take(&mut *sink.0.lock().unwrap());
    assert_eq!(written.bytes, bytes.len() as u64);
    assert_eq!(written.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    bytes
}

/// As [`render_bytes`], for text formats.
pub(super) fn render(format: OutputFormat, options: &FormatOptions, batches: &[RecordBatch]) -> String {
    String::from_utf8(render_bytes(format, options, batches)).unwrap()
}

/// Any text, with what formats treat specially more often than chance would have it.
pub(super) fn text_strategy() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ,;|\"'\\\\\\t\\r\\n\u{feff}-]{0,6}".boxed(),
        2 => "\\PC{0,6}".boxed(),
        1 => any::<String>().boxed(),
        1 => prop::sample::select(vec![
            "日本語", "👩‍👩‍👧", "e\u{301}", "\u{202e}abc", "\0", "\u{1b}[31m", "NULL", "\\N", "0", "", "\\|", "<b>", "🇩🇪", "\u{200d}",
            "❤\u{fe0f}", "1\u{fe0f}\u{20e3}", "\u{2028}", "لا", "각",
        ]).prop_map(str::to_owned).boxed(),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// A few batches of one schema whose types Parquet and Arrow both keep.
pub(super) fn any_batches() -> impl Strategy<Value = Vec<RecordBatch>> {
    let row = (
        prop::option::of(text_strategy()),
        prop::option::of(any::<i64>()),
        prop::option::of(prop::num::f64::NORMAL),
        prop::option::of(any::<bool>()),
        prop::option::of(-100_000_i128..100_000),
        prop::option::of(prop::collection::vec(prop::option::of(any::<i32>()), 0..4)),
    );
    let one = prop::collection::vec(row, 0..8).prop_map(|rows| {
        let whole: Int64Array = rows.iter().map(|row| row.1).collect();
        let decimal: Decimal128Array = rows.iter().map(|row| row.4).collect();
        batch([
            ("view", Arc::new(rows.iter().map(|row| row.0.as_deref()).collect::<StringViewArray>()) as ArrayRef),
            ("text", Arc::new(rows.iter().map(|row| row.0.as_deref()).collect::<StringArray>()) as _),
            (
                "bytes",
                Arc::new(rows.iter().map(|row| row.0.as_deref().map(str::as_bytes)).collect::<BinaryArray>()) as _,
            ),
            ("time", Arc::new(whole.reinterpret_cast::<TimestampMicrosecondType>().with_timezone("UTC")) as _),
            ("local", Arc::new(whole.reinterpret_cast::<TimestampMicrosecondType>()) as _),
            ("whole", Arc::new(whole) as _),
            ("real", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()) as _),
            ("flag", Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>()) as _),
            ("decimal", Arc::new(decimal.with_precision_and_scale(10, 2).unwrap()) as _),
            (
                "list",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.into_iter().map(|row| row.5))) as _,
            ),
        ])
    });
    prop::collection::vec(one, 1..4)
}

fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("item", data_type, true))
}

/// One column of three rows for every Arrow type, with extreme values and nulls.
pub(crate) fn all_types() -> Vec<(String, ArrayRef)> {
    fn primitive<T: ArrowPrimitiveType>(values: [T::Native; 2]) -> PrimitiveArray<T> {
        [Some(values[0]), None, Some(values[1])].into_iter().collect()
    }
    let times = [i64::MIN, i64::MAX];
    let mut all: Vec<(&str, ArrayRef)> = vec![
        ("null", Arc::new(NullArray::new(3))),
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("i8", Arc::new(primitive::<Int8Type>([i8::MIN, i8::MAX]))),
        ("i16", Arc::new(primitive::<Int16Type>([i16::MIN, i16::MAX]))),
        ("i32", Arc::new(primitive::<Int32Type>([i32::MIN, i32::MAX]))),
        ("i64", Arc::new(primitive::<Int64Type>(times))),
        ("u8", Arc::new(primitive::<UInt8Type>([0, u8::MAX]))),
        ("u16", Arc::new(primitive::<UInt16Type>([0, u16::MAX]))),
        ("u32", Arc::new(primitive::<UInt32Type>([0, u32::MAX]))),
        ("u64", Arc::new(primitive::<UInt64Type>([0, u64::MAX]))),
        (
            "f16",
            arrow::compute::cast(&Float32Array::from(vec![Some(0.1), None, Some(-2.0)]), &DataType::Float16).unwrap(),
        ),
        ("f32", Arc::new(primitive::<Float32Type>([0.1, f32::MAX]))),
        ("f64", Arc::new(primitive::<Float64Type>([f64::MIN_POSITIVE, f64::MAX]))),
        ("decimal32", Arc::new(primitive::<Decimal32Type>([-1, 999_999_999]).with_precision_and_scale(9, 3).unwrap())),
        ("decimal64", Arc::new(primitive::<Decimal64Type>([-1, 5]).with_precision_and_scale(18, 18).unwrap())),
        ("decimal128", Arc::new(primitive::<Decimal128Type>([-1, 5]).with_precision_and_scale(38, 0).unwrap())),
        (
            "decimal256",
            Arc::new(
                primitive::<Decimal256Type>([i256::MINUS_ONE, i256::from_i128(i128::MAX)])
                    .with_precision_and_scale(76, 4)
                    .unwrap(),
            ),
        ),
        ("timestamp s", Arc::new(primitive::<TimestampSecondType>(times).with_timezone("UTC"))),
        ("timestamp ms", Arc::new(primitive::<TimestampMillisecondType>(times).with_timezone("+02:00"))),
        ("timestamp us", Arc::new(primitive::<TimestampMicrosecondType>(times).with_timezone("Europe/Berlin"))),
        ("timestamp ns", Arc::new(primitive::<TimestampNanosecondType>(times))),
        ("date32", Arc::new(primitive::<Date32Type>([i32::MIN, i32::MAX]))),
        ("date64", Arc::new(primitive::<Date64Type>([-86_400_000, 86_400_000]))),
        ("time s", Arc::new(primitive::<Time32SecondType>([0, 86_399]))),
        ("time ms", Arc::new(primitive::<Time32MillisecondType>([1, 86_399_999]))),
        ("time us", Arc::new(primitive::<Time64MicrosecondType>([1, 86_399_999_999]))),
        ("time ns", Arc::new(primitive::<Time64NanosecondType>(times))),
        ("duration s", Arc::new(primitive::<DurationSecondType>(times))),
        ("duration ms", Arc::new(primitive::<DurationMillisecondType>(times))),
        ("duration us", Arc::new(primitive::<DurationMicrosecondType>(times))),
        ("duration ns", Arc::new(primitive::<DurationNanosecondType>(times))),
        ("interval of months", Arc::new(primitive::<IntervalYearMonthType>([i32::MIN, 14]))),
        (
            "interval of days",
            Arc::new(primitive::<IntervalDayTimeType>([
                IntervalDayTimeType::make_value(i32::MIN, i32::MAX),
                IntervalDayTimeType::make_value(1, 0),
            ])),
        ),
        (
            "interval of nanoseconds",
            Arc::new(primitive::<IntervalMonthDayNanoType>([
                IntervalMonthDayNanoType::make_value(i32::MIN, i32::MIN, i64::MIN),
                IntervalMonthDayNanoType::make_value(0, 0, 0),
            ])),
        ),
        ("utf8", Arc::new(StringArray::from(vec![Some("a\"b"), None, Some("")]))),
        ("large utf8", Arc::new(LargeStringArray::from(vec![Some("a\nb"), None, Some("")]))),
        ("utf8 view", Arc::new(StringViewArray::from(vec![Some("日本 is longer than twelve"), None, Some("")]))),
        ("binary", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\xff\0"), None, Some(b"")]))),
        ("large binary", Arc::new(LargeBinaryArray::from_opt_vec(vec![Some(b"\xff\0"), None, Some(b"")]))),
        ("binary view", Arc::new(BinaryViewArray::from(vec![Some(&b"\xff\0"[..]), None, Some(b"")]))),
        (
            "fixed binary",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [Some([1, 255]), None, Some([0, 0])].into_iter(),
                    2,
                )
                .unwrap(),
            ),
        ),
        (
            "dictionary of text",
            Arc::new(vec![Some("x"), None, Some("y")].into_iter().collect::<DictionaryArray<Int8Type>>()),
        ),
    ];
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("k"), Some("l"), Some("m")]));
    let lists = || [Some(vec![Some(1), None]), None, Some(vec![])].into_iter();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(lists());
    all.push(("list view", Arc::new(ListViewArray::from(list.clone()))));
    all.push((
        "large list view",
        Arc::new(LargeListViewArray::from(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists()))),
    ));
    all.push(("list", Arc::new(list)));
    all.push(("large list", Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists()))));
    let pairs: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4), Some(5), Some(6)]));
    let nulls = Some(vec![true, false, true].into());
    all.push(("fixed list", Arc::new(FixedSizeListArray::new(item(DataType::Int32), 2, pairs, nulls.clone()))));
    let fields: Fields = vec![Field::new("n", DataType::Int32, true), Field::new("t", DataType::Utf8, true)].into();
    let structs = StructArray::new(fields, vec![Arc::clone(&numbers), Arc::clone(&texts)], nulls.clone());
    all.push(("struct", Arc::new(structs)));
    let entry_fields: Fields =
        vec![Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::Int32, true)].into();
    let entries = StructArray::new(entry_fields.clone(), vec![Arc::clone(&texts), Arc::clone(&numbers)], None);
    let entry = Arc::new(Field::new("entries", DataType::Struct(entry_fields), false));
    all.push(("map", Arc::new(MapArray::new(entry, OffsetBuffer::from_lengths([2, 0, 1]), entries, nulls, false))));
    let members: UnionFields =
        [(0_i8, item(DataType::Int32)), (5, Arc::new(Field::new("t", DataType::Utf8, true)))].into_iter().collect();
    let ids = ScalarBuffer::from(vec![5_i8, 0, 0]);
    let children = vec![Arc::clone(&numbers), Arc::clone(&texts)];
    let sparse = UnionArray::try_new(members.clone(), ids.clone(), None, children.clone()).unwrap();
    let dense = UnionArray::try_new(members, ids, Some(ScalarBuffer::from(vec![2, 1, 0])), children).unwrap();
    let keys = UInt16Array::from(vec![Some(2), None, Some(0)]);
    all.push(("dictionary of numbers", Arc::new(DictionaryArray::new(keys, numbers))));
    all.push(("sparse union", Arc::new(sparse)));
    all.push(("dense union", Arc::new(dense)));
    let run_ends = Int32Array::from(vec![2, 3]);
    let runs = RunArray::try_new(&run_ends, &StringArray::from(vec![Some("r"), None])).unwrap();
    all.push(("runs", Arc::new(runs)));
    all.into_iter().map(|(name, array)| (name.to_owned(), array)).collect()
}

mod tests {
    use super::*;

    /// What each type looks like in CSV; the JSON form is in `json.rs` checked to be valid.
    const EXPECTED: &[(&str, [&str; 3])] = &[
        ("null", ["", "", ""]),
        ("boolean", ["true", "", "false"]),
        ("u64", ["0", "", "18446744073709551615"]),
        ("f16", ["0.099975586", "", "-2.0"]),
        ("f32", ["0.1", "", "3.4028235e38"]),
        ("decimal32", ["-0.001", "", "999999.999"]),
        ("decimal256", ["-0.0001", "", "17014118346046923173168730371588410.5727"]),
        ("timestamp ms", ["-292275055-05-16T16:47:04.192Z", "", "+292278994-08-17T07:12:55.807Z"]),
        ("timestamp ns", ["1677-09-21T00:12:43.145224192", "", "2262-04-11T23:47:16.854775807"]),
        ("date32", ["-5877641-06-23", "", "+5881580-07-11"]),
        ("date64", ["1969-12-31", "", "1970-01-02"]),
        ("time ms", ["00:00:00.001", "", "23:59:59.999"]),
        ("time ns", ["-2562047:47:16.854775808", "", "2562047:47:16.854775807"]),
        ("duration us", ["PT-2562047788H-54.775808S", "", "PT2562047788H54.775807S"]),
        ("interval of months", ["P-178956970Y-8M", "", "P1Y2M"]),
        ("interval of days", ["P-2147483648DT596H31M23.647S", "", "P1D"]),
        ("interval of nanoseconds", ["P-178956970Y-8M-2147483648DT-2562047H-47M-16.854775808S", "", "PT0S"]),
        ("binary view", ["ff00", "", "\"\""]),
        ("fixed binary", ["01ff", "", "0000"]),
        ("dictionary of text", ["x", "", "y"]),
        ("dictionary of numbers", ["3", "", "1"]),
        ("list", ["\"[1,null]\"", "", "[]"]),
        ("large list view", ["\"[1,null]\"", "", "[]"]),
        ("fixed list", ["\"[1,null]\"", "", "\"[5,6]\""]),
        ("struct", ["\"{\"\"n\"\":1,\"\"t\"\":\"\"k\"\"}\"", "", "\"{\"\"n\"\":3,\"\"t\"\":\"\"m\"\"}\""]),
        ("map", ["\"{\"\"k\"\":1,\"\"l\"\":null}\"", "", "\"{\"\"m\"\":3}\""]),
        ("sparse union", ["k", "", "3"]),
        ("dense union", ["m", "", "1"]),
        ("runs", ["r", "r", ""]),
    ];

    #[test]
    fn every_type_has_its_text() {
        let all = all_types();
        for (name, expected) in EXPECTED {
            let (_, array) = all.iter().find(|(own, _)| own == name).unwrap();
            let shown = render(OutputFormat::Csv, &FormatOptions::default(), &[batch([("x", Arc::clone(array))])]);
            assert_eq!(shown.lines().skip(1).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn every_type_is_printed_by_every_text_format_also_from_a_slice() {
        for (name, array) in all_types() {
            for format in [OutputFormat::Csv, OutputFormat::Table, OutputFormat::Markdown, OutputFormat::Ndjson] {
                let rows = batch([(name.as_str(), array.clone())]);
                let whole = render(format, &FormatOptions::default(), std::slice::from_ref(&rows));
                let parts = [rows.slice(0, 1), rows.slice(1, 2)];
                assert_eq!(render(format, &FormatOptions::default(), &parts), whole, "{name}");
            }
        }
    }

    #[test]
    fn a_zone_changes_instants_and_leaves_local_times() {
        let options =
            FormatOptions { time_zone: crate::zones::Tz::named("Europe/Berlin").unwrap(), ..FormatOptions::default() };
        let times = TimestampMicrosecondArray::from(vec![1_782_864_000_500_000]);
        let rows =
            batch([("local", Arc::new(times.clone()) as _), ("instant", Arc::new(times.with_timezone("UTC")) as _)]);
        let shown = render(OutputFormat::Csv, &options, &[rows]);
        assert_eq!(shown, "local,instant\n2026-07-01T00:00:00.500,2026-07-01T02:00:00.500+02:00\n");
    }

    #[test]
    fn a_result_without_columns_is_counted() {
        let rows = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            vec![],
            &RecordBatchOptions::new().with_row_count(Some(2)),
        )
        .unwrap();
        let shown = |format| render(format, &FormatOptions::default(), std::slice::from_ref(&rows));
        assert_eq!(shown(OutputFormat::Table), "(2 rows)\n");
        assert_eq!(shown(OutputFormat::Csv), "");
        assert_eq!(shown(OutputFormat::Ndjson), "{}\n{}\n");
        assert_eq!(shown(OutputFormat::Markdown), "");
    }

    #[test]
    fn a_batch_of_other_columns_is_an_internal_error() {
        let rows = sample_batch();
        for name in OutputFormat::names() {
            let made = writer(name.parse().unwrap(), &FormatOptions::default(), rows.schema(), Box::new(io::sink()));
            let other = rows.project(&[1, 0, 2]).unwrap();
            assert!(matches!(made.unwrap().write(&other), Err(crate::Error::Internal(_))), "{name}");
        }
    }
}

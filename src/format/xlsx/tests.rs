//! Workbooks are read back with calamine.

use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;
use calamine::{Data, Range, Reader, Xlsx};
use proptest::prelude::*;

use super::super::testing::{all_types, any_batches, batch, render_bytes, sample_batch};
use super::super::{FormatOptions, OutputFormat, writer};
use super::*;

fn open(bytes: &[u8]) -> Xlsx<Cursor<&[u8]>> {
    Xlsx::new(Cursor::new(bytes)).unwrap()
}

fn sheet(bytes: &[u8], name: &str) -> Range<Data> {
    open(bytes).worksheet_range(name).unwrap()
}

fn render(options: &FormatOptions, batches: &[RecordBatch]) -> Vec<u8> {
    render_bytes(OutputFormat::Xlsx, options, batches)
}

/// Renders with small sheets.
fn render_limited(limits: SheetLimits, batches: &[RecordBatch]) -> Vec<u8> {
    #[derive(Clone, Default)]
    struct Shared(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let shared = Shared::default();
    let sink = Sink::new(Box::new(shared.clone()));
    let mut writer = XlsxWriter::new(&FormatOptions::default(), batches[0].schema(), sink).unwrap();
    writer.limits = limits;
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let written = Box::new(writer).finish().unwrap();
    let bytes = shared.0.lock().unwrap().clone();
    assert_eq!(written.bytes, bytes.len() as u64);
    bytes
}

/// The XML of one part of the package.
fn part(bytes: &[u8], name: &str) -> String {
    // The signature, the name and its data are found by looking for the local header; the data inflates to its end.
    let needle = name.as_bytes();
    let place = bytes.windows(needle.len()).position(|window| window == needle).unwrap() + needle.len();
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(&bytes[place..]).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn values_come_back_in_their_types() {
    let instant = 1_782_864_000_500_000; // 2026-07-01T00:00:00.5Z
    let rows = batch([
        ("id", Arc::new(StringArray::from(vec!["00123456789012345678", "=1+1"])) as ArrayRef),
        ("phone", Arc::new(StringViewArray::from(vec![Some("+12025550143"), None])) as _),
        ("whole", Arc::new(Int64Array::from(vec![Some(999_999_999_999_999), Some(-1_000_000_000_000_000)])) as _),
        ("real", Arc::new(Float64Array::from(vec![Some(0.1), Some(f64::NAN)])) as _),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None])) as _),
        ("day", Arc::new(Date32Array::from(vec![Some(20_635), Some(-40_000)])) as _),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(instant), None]).with_timezone("UTC")) as _),
        ("amount", Arc::new(Decimal128Array::from(vec![150, -5]).with_precision_and_scale(12, 2).unwrap()) as _),
        ("took", Arc::new(DurationSecondArray::from(vec![90_061, -1])) as _),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None])) as _),
        ("channel", Arc::new(vec![Some("Phone"), None].into_iter().collect::<DictionaryArray<Int8Type>>()) as _),
        (
            "length",
            Arc::new(IntervalMonthDayNanoArray::from(vec![
                IntervalMonthDayNano::new(0, 2, 3_600_000_000_000),
                IntervalMonthDayNano::new(1, 2, 0),
            ])) as _,
        ),
    ]);
    let options =
        FormatOptions { time_zone: crate::zones::Tz::named("Europe/Berlin").unwrap(), ..FormatOptions::default() };
    let bytes = render(&options, &[rows]);
    let range = sheet(&bytes, "Result");
    let cell = |row: u32, column: u32| range.get_value((row, column)).cloned().unwrap_or(Data::Empty);
    let text = |row, column| match cell(row, column) {
        Data::String(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text(0, 0), "id");
    assert_eq!(text(1, 0), "00123456789012345678");
    assert_eq!(text(2, 0), "=1+1");
    assert_eq!(text(1, 1), "+12025550143");
    assert_eq!(cell(2, 1), Data::Empty);
    assert_eq!(cell(1, 2), Data::Float(999_999_999_999_999.0));
    assert_eq!(text(2, 2), "-1000000000000000", "sixteen digits are more than Excel keeps");
    assert_eq!(cell(1, 3), Data::Float(0.1));
    assert_eq!(text(2, 3), "NaN");
    assert_eq!(cell(1, 4), Data::Bool(true));
    let date = |row, column| match cell(row, column) {
        Data::DateTime(date) => date,
        other => panic!("{other:?}"),
    };
    assert_eq!(date(1, 5).as_f64(), 20_635.0 + 25_569.0);
    assert_eq!(text(2, 5), "1860-06-26", "Excel has no days before 1900");
    // Two in the morning in Berlin.
    let at = date(1, 6).as_f64();
    assert!((at - (46_204.0 + (7_200.5 / 86_400.0))).abs() < 1e-9, "{at}");
    assert_eq!(cell(1, 7), Data::Float(1.5));
    assert!((date(1, 8).as_f64() - 90_061.0 / 86_400.0).abs() < 1e-12 && date(1, 8).is_duration());
    assert_eq!(text(2, 8), "-00:00:01");
    assert!((date(1, 11).as_f64() - 49.0 / 24.0).abs() < 1e-12 && date(1, 11).is_duration());
    assert_eq!(text(2, 11), "1 mon 2 days");
    assert_eq!(text(1, 9), "[1]");
    assert_eq!(text(1, 10), "Phone");

    let xml = part(&bytes, "xl/worksheets/sheet1.xml");
    assert!(xml.contains(r#"<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>"#));
    assert!(xml.contains(r#"<c r="A1" s="1" t="inlineStr">"#), "the header has the bold style");
    assert!(xml.contains(r#"<autoFilter ref="A1:L3"/>"#));
    let styles = part(&bytes, "xl/styles.xml");
    let second = styles.split("<cellXfs").nth(1).unwrap().split("<xf ").nth(2).unwrap();
    assert!(second.contains("fontId=\"1\"") && styles.contains("<font><b/>"), "{second}");
}

#[test]
fn the_last_sheet_says_what_the_result_was_made_from() {
    let long = "select 1;\n".repeat(5_000);
    let options = FormatOptions {
        about: vec![("SQL".to_owned(), long.clone()), ("Lake version".to_owned(), "7".to_owned())],
        ..FormatOptions::default()
    };
    let bytes = render(&options, &[sample_batch()]);
    assert_eq!(open(&bytes).sheet_names(), ["Result", "About"]);
    let rows: Vec<(String, String)> =
        sheet(&bytes, "About").rows().map(|row| (row[0].to_string(), row[1].to_string())).collect();
    let sql: String = rows.iter().take_while(|row| row.0 != "Lake version").map(|row| row.1.as_str()).collect();
    assert_eq!(sql, long);
    let value = |name: &str| rows.iter().find(|row| row.0 == name).unwrap().1.clone();
    assert_eq!(value("Lake version"), "7");
    assert_eq!(value("Rows"), "2");
    assert_eq!(value("Time zone of dates with a time"), "UTC");
}

#[test]
fn a_result_longer_than_a_sheet_goes_on_in_further_sheets() {
    let numbers = |from: i64, to: i64| batch([("n", Arc::new(Int64Array::from_iter_values(from..to)) as ArrayRef)]);
    let batches = [numbers(0, 4), numbers(4, 7)];
    for limits in [SheetLimits { rows: 4, bytes: u64::MAX }, SheetLimits { rows: SHEET_ROWS, bytes: 1 }] {
        let bytes = render_limited(limits, &batches);
        let names = open(&bytes).sheet_names();
        assert!(names.len() >= 4, "{names:?}");
        let mut found = Vec::new();
        for name in &names[..names.len() - 1] {
            let range = sheet(&bytes, name);
            assert_eq!(range.get_value((0, 0)), Some(&Data::String("n".to_owned())));
            found.extend(range.rows().skip(1).map(|row| row[0].to_string()));
        }
        assert_eq!(found, ["0", "1", "2", "3", "4", "5", "6"]);
    }
}

#[test]
fn a_text_that_no_cell_holds_is_cut_and_says_so() {
    let rows = batch([(
        "data",
        Arc::new(StringArray::from(vec![
            "é".repeat(CELL_UNITS),
            "x".repeat(CELL_UNITS + 1),
            // Of two units each: a pair is never split.
            "😀".repeat(20_000),
            "_x0041_".repeat(5_000),
        ])) as ArrayRef,
    )]);
    let bytes = render(&FormatOptions::default(), std::slice::from_ref(&rows));
    let range = sheet(&bytes, "Result");
    let text = |row: u32| range.get_value((row, 0)).unwrap().to_string();
    assert_eq!(text(1), "é".repeat(CELL_UNITS));
    for (row, letter, units) in [(2, "x", 32_768), (3, "😀", 40_000)] {
        let mark = format!(" … [cut: {units} characters]");
        let (found, left) = (text(row), CELL_UNITS - mark.encode_utf16().count());
        assert!(found.ends_with(&mark) && found.encode_utf16().count() <= CELL_UNITS, "{row}");
        assert_eq!(found, format!("{}{mark}", letter.repeat(left / letter.encode_utf16().count())));
    }
    assert!(text(4).ends_with(" … [cut: 35000 characters]"));
    let about: Vec<(String, String)> =
        sheet(&bytes, "About").rows().map(|row| (row[0].to_string(), row[1].to_string())).collect();
    assert_eq!(about[0].0, "Texts that are cut");
    assert!(about[0].1.starts_with("3, each longer than the 32767 characters"), "{:?}", about[0]);
    let mut made =
        writer(OutputFormat::Xlsx, &FormatOptions::default(), rows.schema(), Box::new(std::io::sink())).unwrap();
    made.write(&rows).unwrap();
    assert_eq!(made.finish().unwrap().cut_cells, 3);
    let whole = render(&FormatOptions::default(), &[rows.slice(0, 1)]);
    assert!(!sheet(&whole, "About").rows().any(|row| row[0].to_string().contains("cut")));
}

#[test]
fn a_result_with_too_many_columns_is_refused() {
    let fields: Vec<Field> = (0..=COLUMNS).map(|n| Field::new(n.to_string(), DataType::Int64, true)).collect();
    let made =
        writer(OutputFormat::Xlsx, &FormatOptions::default(), Arc::new(Schema::new(fields)), Box::new(std::io::sink()));
    assert!(made.err().unwrap().to_string().contains("16385 columns"));
}

#[test]
fn an_empty_result_has_its_header() {
    let bytes = render(&FormatOptions::default(), &[sample_batch().slice(0, 0)]);
    let range = sheet(&bytes, "Result");
    assert_eq!(range.height(), 1);
    assert_eq!(range.get_value((0, 1)), Some(&Data::String("number".to_owned())));
}

#[test]
fn every_type_is_written_and_the_bytes_are_the_same_each_time() {
    let all = all_types();
    let rows = batch(all.iter().map(|(name, array)| (name.as_str(), ArrayRef::clone(array))));
    let bytes = render(&FormatOptions::default(), std::slice::from_ref(&rows));
    assert_eq!(sheet(&bytes, "Result").height(), 4);
    assert_eq!(bytes, render(&FormatOptions::default(), std::slice::from_ref(&rows)));
    let parts = [rows.slice(0, 3), rows.slice(3, 0)];
    assert_eq!(bytes, render(&FormatOptions::default(), &parts));
}

#[test]
fn columns_have_their_letters() {
    let names = [0, 25, 26, 701, 702, 16_383].map(|index| ColumnName(index).to_string());
    assert_eq!(names, ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
}

#[test]
fn characters_that_xml_cannot_have_are_written_as_excel_does() {
    let mut xml = String::new();
    push_escaped(&mut xml, "a\u{7}\r_x0041__x00_<&>\u{ffff}");
    assert_eq!(xml, "a_x0007__x000D__x005F_x0041__x00_&lt;&amp;&gt;_xFFFF_");
}

/// Reverses Excel's own escapes.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(place) = rest.find('_') {
        let (before, from) = rest.split_at(place);
        out.push_str(before);
        if looks_escaped(from.as_bytes()) {
            let code = u32::from_str_radix(&from[2..6], 16).unwrap();
            out.push(char::from_u32(code).unwrap());
            rest = &from[7..];
        } else {
            out.push('_');
            rest = &from[1..];
        }
    }
    out + rest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_and_number_comes_back(batches in any_batches()) {
        let bytes = render(&FormatOptions::default(), &batches);
        let range = sheet(&bytes, "Result");
        let mut row = 0;
        for rows in &batches {
            let texts = rows.column(1).as_string::<i32>();
            let reals = rows.column(6).as_primitive::<Float64Type>();
            for index in 0..rows.num_rows() {
                row += 1;
                let cell = |column: u32| range.get_value((row, column)).cloned().unwrap_or(Data::Empty);
                match cell(1) {
                    Data::String(text) => {
                        let expected = texts.is_valid(index).then(|| texts.value(index)).unwrap();
                        // The reader knows some of Excel's escapes itself.
                        let mut xml = String::new();
                        push_escaped(&mut xml, expected);
                        prop_assert!(text == expected || unescaped(&text) == expected, "{text:?} {expected:?}");
                    }
                    Data::Empty => prop_assert!(texts.is_null(index) || texts.value(index).is_empty()),
                    other => prop_assert!(false, "{:?}", other),
                }
                match cell(6) {
                    Data::Float(value) => prop_assert_eq!(value, reals.value(index)),
                    other => prop_assert!(reals.is_null(index), "{:?}", other),
                }
            }
        }
    }
}

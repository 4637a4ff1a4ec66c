//! Reads small inputs of every format and checks each row, reject and place.

use std::io::{Cursor, Write};
use std::sync::Arc;

use crate::zones::Tz;
use arrow::array::{ArrayRef, AsArray, StringArray, TimestampSecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;

use super::packed::ByteStream;
use super::parquet_tests::parquet_bytes;
use super::rows::read_schema;
use super::*;
use crate::error::{Error, Result};

/// Everything that came out of one input.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) rows: RecordBatch,
    pub(super) rejects: Vec<Reject>,
    pub(super) warnings: Warnings,
    pub(super) unknown_columns: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) contexts: Vec<Arc<str>>,
    pub(super) summary: FileSummary,
}

/// When the inputs of these tests were exported: 2030-01-01T00:00:00.000007Z.
const EXPORTED_US: i64 = 1_893_456_000_000_007;

/// All formats.
pub(super) const FORMATS: [InputFormat; 11] = [
    InputFormat::Csv,
    InputFormat::Tsv,
    InputFormat::Ndjson,
    InputFormat::JsonArray,
    InputFormat::Pages,
    InputFormat::Parquet,
    InputFormat::Arrow,
    InputFormat::Xlsx,
    InputFormat::Ods,
    InputFormat::Delta,
    InputFormat::Avro,
];

pub(super) fn options() -> ReadOptions {
    ReadOptions { fallback_exported_at_us: EXPORTED_US, ..super::fuzz::options() }
}

pub(super) fn read_with(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Outcome> {
    let file = SourceFile {
        name: name.to_owned(),
        path: None,
        size_bytes: None,
        modified_us: None,
        member: None,
        delta: None,
    };
    let stream = ByteStream::new(Box::new(Cursor::new(bytes.to_vec())), name)?;
    let mut reader = Reader::from_stream(stream, &file, options)?;
    let converter = reader.converter();
    let mut outcome = Outcome {
        rows: RecordBatch::new_empty(read_schema()),
        rejects: Vec::new(),
        warnings: Warnings::new(),
        unknown_columns: Vec::new(),
        notes: Vec::new(),
        contexts: Vec::new(),
        summary: FileSummary { bytes: 0, content_hash: 0, ..FileSummary::default() },
    };
    let mut batches = Vec::new();
    while let Some(block) = reader.next_block()? {
        let records = block.record_count();
        let batch = converter.convert(block)?;
        assert_eq!(batch.rows.num_rows() + batch.rejects.len(), records, "the records of a block balance");
        assert!((1..=32_768).contains(&records), "no block is empty, and none is large");
        batches.push(batch.rows);
        outcome.contexts.extend(batch.rejects.iter().map(|_| Arc::clone(&batch.context)));
        outcome.rejects.extend(batch.rejects);
        outcome.unknown_columns.extend(batch.unknown_columns);
        outcome.notes.extend(batch.notes);
        for (warning, count) in batch.warnings {
            *outcome.warnings.entry(warning).or_default() += count;
        }
    }
    outcome.unknown_columns.sort();
    outcome.unknown_columns.dedup();
    outcome.rows = concat_batches(&read_schema(), &batches)?;
    outcome.summary = reader.finish()?;
    Ok(outcome)
}

fn read(name: &str, text: &str) -> Outcome {
    read_with(name, text.as_bytes(), &options()).unwrap()
}

/// Line, offset, column and reason of a reject.
pub(super) type Placed<'a> = (Option<u64>, Option<u64>, Option<&'a str>, &'a str);

impl Outcome {
    pub(super) fn texts(&self, column: &str) -> Vec<Option<&str>> {
        self.rows.column_by_name(column).unwrap().as_string_view().iter().collect()
    }

    pub(super) fn times(&self, column: &str) -> Vec<Option<i64>> {
        self.rows.column_by_name(column).unwrap().as_primitive::<TimestampMicrosecondType>().iter().collect()
    }

    pub(super) fn seconds(&self) -> Vec<Option<f64>> {
        self.rows.column_by_name("time_in_workflow").unwrap().as_primitive::<Float64Type>().iter().collect()
    }

    pub(super) fn faults(&self) -> Vec<Placed<'_>> {
        self.rejects.iter().map(|r| (r.line, r.byte_offset, r.column.as_deref(), r.reason.as_str())).collect()
    }
}

const CSV: &str = "Session Id,Started At,Ended At,Communication Type,Source Details,Data,Action Data,Colour\r\n\
    028a,2026-02-09T10:00:00Z,2026-02-09T10:01:30.5Z,voice,\"{\"\"phoneNumber\"\":\"\"+1202\"\"}\",\"{\"\"a\"\":\r\n1}\",end,red\r\n\
    \r\n\
    028b,2026-02-09 11:00:00,,Fax,null,oops,\"{\"\"x\"\":\",\r\n\
    ,2026-02-09T10:00:00Z,,,,,,\r\n\
    028c,soon,,,,,,\r\n\
    028d,2026-02-09,too,few\r\n\
    028e,1770681418,,,,,,last";

#[test]
fn csv_rows_warnings_and_rejects_are_exact() {
    let read = read("-", CSV);
    assert_eq!(read.texts("session_id"), [Some("028a"), Some("028b"), Some("028e")]);
    assert_eq!(read.times("started_at")[0], Some(1_770_631_200_000_000));
    assert_eq!(read.times("ended_at"), [Some(1_770_631_290_500_000), None, None]);
    assert_eq!(read.seconds(), [Some(90.5), None, None], "derived where the export lacks the column");
    assert_eq!(read.texts("communication_type"), [Some("Phone"), Some("Fax"), None]);
    assert_eq!(read.texts("source_details_phone_number"), [Some("+1202"), None, None]);
    assert_eq!(read.texts("source_details"), [Some("{\"phoneNumber\":\"+1202\"}"), None, None]);
    assert_eq!(read.texts("data"), [Some("{\"a\":\r\n1}"), Some("oops"), None]);
    assert_eq!(read.texts("action_data"), [Some("end"), Some("{\"x\":"), None]);
    assert_eq!(read.texts("_source"), [Some("-"); 3]);
    assert_eq!(read.texts("_extra"), [None; 3]);
    assert_eq!(read.times("_exported_at"), [Some(EXPORTED_US); 3]);
    assert_eq!(read.unknown_columns, ["Colour"]);
    assert_eq!(read.summary.unknown_columns, ["Colour"]);
    assert_eq!(read.warnings, Warnings::from([(Warning::InvalidJson, 1), (Warning::UnknownCommunicationType, 1)]));
    let place = |needle: &str| Some(CSV.find(needle).unwrap() as u64);
    assert_eq!(
        read.faults(),
        [
            (Some(6), place(",2026-02-09T10:00:00Z,,,,"), Some("session_id"), "no session id"),
            (Some(7), place("028c"), Some("started_at"), "\"soon\" is not a date and time"),
            (Some(8), place("028d"), None, "4 fields where the header has 8"),
        ]
    );
    assert_eq!(read.rejects[1].raw, b"028c,soon,,,,,,");
    assert_eq!(read.summary.bytes, CSV.len() as u64);
}

#[test]
fn byte_order_mark_tabs_and_lone_carriage_returns_are_read() {
    let marked = read("x.csv", "\u{feff}Session Id;Started At\n1;2026-02-09\n2\n");
    assert_eq!(marked.texts("session_id"), [Some("1")]);
    assert_eq!(marked.faults()[0].1, Some(38), "offsets count the mark");
    let tabs = read("x.tsv", "id\tStarted At\n\"a\tb\"\t2026-02-09\n");
    assert_eq!(tabs.texts("session_id"), [Some("a\tb")]);
    let mac = read("x.csv", "id,Started At\r\"a\nb\",2026-02-09\rc,x\r");
    assert_eq!(mac.texts("session_id"), [Some("a\nb")]);
    assert_eq!(mac.faults()[0].0, Some(3));
}

#[test]
fn bytes_that_are_not_utf_8_cost_their_record_and_are_placed() {
    let bytes = b"id,Started At,Data\na,2026-02-09,\"x,\xe9\"\nb,2026-02-09,\xc3\xa9\n";
    let read = read_with("x.csv", bytes, &options()).unwrap();
    assert_eq!(read.texts("data"), [Some("é")]);
    assert_eq!(read.faults(), [(Some(2), Some(19), Some("data"), "not UTF-8: byte 0xe9 at byte offset 35")]);
    let cp1252 = ReadOptions { encoding: Encoding::Cp1252, ..options() };
    assert_eq!(read_with("x.csv", bytes, &cp1252).unwrap().texts("data"), [Some("x,é"), Some("Ã©")]);
    // And the record comes back once its character set is known.
    let again = replay(&read.contexts[0], &read.rejects[0].raw, &cp1252).unwrap();
    assert_eq!(again.rows.column_by_name("data").unwrap().as_string_view().value(0), "x,é");
}

#[test]
fn utf_16_is_read_where_declared_and_refused_where_not() {
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend("id,Started At\nñ,2026-02-09\n".encode_utf16().flat_map(u16::to_le_bytes));
    let utf16 = ReadOptions { encoding: Encoding::Utf16, ..options() };
    assert_eq!(read_with("x.csv", &bytes, &utf16).unwrap().texts("session_id"), [Some("ñ")]);
    let error = read_with("x.csv", &bytes, &options()).unwrap_err();
    assert!(error.hint().unwrap().contains("⟨encoding⟩ utf-16"), "{error}");
}

#[test]
fn files_that_are_not_what_they_claim_are_refused_whole() {
    for (name, text, expected) in [
        ("x.csv", "", "x.csv: the file is empty: it has no header"),
        ("x.csv", "\na,b\n", "x.csv:2: no column for session_id (\"Session Id\")"),
        ("x.csv", "id,\"Started At\n", "x.csv:1: broken header: a quoted field is never closed"),
        (
            "x.csv",
            "Session Id,sessionId,Started At\n",
            "x.csv:1: headers \"Session Id\" and \"sessionId\" both mean session_id",
        ),
        ("x.parquet", "id", "x.parquet: not a Parquet file: it starts as text does"),
        ("x.json", "[{\"id\":1}\n,", "x.json:2: the JSON array ends early"),
        ("x.json", "{\"records\":[[1]]}", "x.json:1: page 1: a page without columnHeaders"),
        ("x.json", "hello", "x.json: not JSON: it starts as text does"),
    ] {
        let error = read_with(name, text.as_bytes(), &options()).unwrap_err();
        assert!(matches!(error, Error::Input { .. }));
        assert_eq!(error.to_string(), expected);
    }
    let error = read_with("x.parquet", b"PAR1 and then nothing", &options()).unwrap_err();
    assert!(error.to_string().starts_with("x.parquet: broken Parquet file: "), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let file = SourceFile {
        name: "d".into(),
        path: Some(folder.path().into()),
        size_bytes: None,
        modified_us: None,
        member: None,
        delta: None,
    };
    assert_eq!(Reader::open(&file, &options()).unwrap_err().to_string(), "d: is a folder, not a file");
}

#[test]
fn records_that_are_no_objects_are_told_for_what_they_are() {
    for (text, words) in [
        ("[[{\"id\":\"a\",\"startTime\":1}]]", "a list of them, of which jq -c 'flatten[]'"),
        ("[[{\"id\":\"a\"}],[]]", "a list of them, of which jq -c 'flatten[]'"),
    ] {
        let read = read("x.json", text);
        assert!(read.rejects[0].reason.contains(words), "{:?}", read.rejects);
    }
}

#[test]
fn json_lines_take_values_as_they_stand() {
    let text = concat!(
        r#"{"sessionId":"a\u0000\n","startTime":1770681418,"data":{"k": [1.50, "é"]},"actionData":"end","durationMs":"1500","timeInWorkflowX":null,"sessionId":"again"}"#,
        "\n\n",
        r#"{"startTime":"2026-02-09","id":17,"data":"{\"k\":1}","workflowId":true,"source":{"phone":12},"colour":{"x":[1]},"commType":null}"#,
        "\n[1]\n",
        r#"{"session_id":"c","sessionId":"d","startTime":"2026-02-09"}"#,
        "\n",
        r#"{"id":"c","startTime":"2026-02-09""#,
        "\n",
        r#"{"id":"c","startTime":"2026-02-09","data":nul}"#,
    );
    let keep = ReadOptions { keep_extra: true, ..options() };
    let read = read_with("x.ndjson", text.as_bytes(), &keep).unwrap();
    assert_eq!(read.texts("session_id"), [Some("a\0\n"), Some("17")]);
    assert_eq!(read.texts("data"), [Some("{\"k\": [1.50, \"é\"]}"), Some("{\"k\":1}")]);
    assert_eq!(read.texts("workflow_id"), [None, Some("true")]);
    assert_eq!(read.texts("source_details_phone_number"), [None, Some("12")]);
    assert_eq!(read.texts("_extra"), [None, Some("{\"colour\":{\"x\":[1]}}")]);
    assert_eq!(read.seconds(), [Some(1.5), None]);
    assert_eq!(read.unknown_columns, ["colour", "timeInWorkflowX"]);
    assert_eq!(read.warnings, Warnings::from([(Warning::RepeatedKey, 1)]));
    let lines: Vec<_> =
        read.faults().iter().map(|(line, _, column, reason)| (line.unwrap(), *column, *reason)).collect();
    assert_eq!(
        lines,
        [
            (4, None, "not a JSON object"),
            (5, Some("session_id"), "keys \"session_id\" and \"sessionId\" both mean session_id"),
            (6, None, "broken JSON at column 34: EOF while parsing an object"),
            (7, Some("data"), "broken JSON at column 46: expected ident"),
        ]
    );
    let offset = read.rejects[0].byte_offset.unwrap() as usize;
    assert_eq!(&text[offset..offset + 3], "[1]");
}

#[test]
fn a_json_array_reads_as_its_lines_would() {
    let lines =
        "{\"id\":\"a\",\"Started At\":\"2026-02-09\"}\n{\"id\":\"b\"}\n{\"id\":\"c\",\"Started At\":\"2026-02-10\"}\n";
    let array = format!("[\n{}\n]", lines.trim_end().replace('\n', ",\n"));
    let (lines, array) = (read("x.jsonl", lines), read("x.json", &array));
    assert_eq!(lines.texts("session_id"), array.texts("session_id"));
    assert_eq!(lines.faults(), [(Some(2), Some(37), Some("started_at"), "no started at")]);
    assert_eq!(array.faults(), [(Some(3), Some(40), Some("started_at"), "no started at")]);
    let pretty = read("x.json", "{\n\"id\":\"a\",\n\"Started At\":\"2026-02-09\"\n}\n{\n\"id\": }\n");
    assert_eq!(pretty.texts("session_id"), [Some("a")]);
    assert_eq!(pretty.faults()[0].3, "broken JSON at line 6 column 7: expected value");
}

#[test]
fn pages_have_headers_of_their_own_in_any_order() {
    let first = r#"{"columnHeaders":[{"name":"WORKFLOWSESSION_ID","type":"string"},{"name":"WORKFLOWSESSION_STARTTIME","type":"datetime"},{"name":"WORKFLOWSESSION_DURATION_MS"},{"name":"COMMIT_TS"},{"name":"X"}],
        "records":[["a","2026-02-09T10:00:00Z","5000","2026-02-10",""],["b","2026-02-09T10:00:00Z"],7],"pagination":{"x":"]}"},"links":{"next":""}}"#;
    let second = r#"{"links":null,"records":[["2026-02-09","c","null","{}"]],"columnHeaders":["Started At","id","Data","Source Details"]}"#;
    let third = r#"{"columnHeaders":["Started At","id"],"records":[]}"#;
    let keep = ReadOptions { keep_extra: true, ..options() };
    for text in [format!("{first}\n{second}{third}"), format!("[{first},{second} , {third}]\n")] {
        let read = read_with("x.json", text.as_bytes(), &keep).unwrap();
        assert_eq!(read.texts("session_id"), [Some("a"), Some("c")]);
        assert_eq!(read.seconds(), [Some(5.0), None]);
        assert_eq!(read.times("_exported_at"), [Some(1_770_681_600_000_000), Some(EXPORTED_US)]);
        assert_eq!(read.texts("data"), [None, None]);
        assert_eq!(read.texts("source_details"), [None, Some("{}")]);
        assert_eq!(read.unknown_columns, ["X"]);
        let reasons: Vec<_> = read.rejects.iter().map(|reject| reject.reason.as_str()).collect();
        assert_eq!(reasons, ["2 values where 5 have names", "not a JSON array of values"]);
        assert_eq!(read.rejects[0].raw, br#"["b","2026-02-09T10:00:00Z"]"#);
        assert_eq!(read.rejects[0].line, Some(2));
    }
    // Headers without records are an answer of the platform: nothing yet.
    assert_eq!(read("x.json", third).rows.num_rows(), 0);
    for broken in [
        "{\"columnHeaders\":[\"id\"],\"records\":[]}",
        "{\"columnHeaders\":7}",
        "[{\"columnHeaders\":[",
        "{\"records\":[[1]",
    ] {
        assert!(matches!(read_with("x.json", broken.as_bytes(), &options()), Err(Error::Input { .. })), "{broken}");
    }
}

#[test]
fn compressed_text_is_read_and_a_truncated_archive_is_refused() {
    let text: String = std::iter::once("id,Started At\n".to_owned())
        .chain((0..5000).map(|i| format!("{i:x},{}\n", 1_770_000_000 + i * 7919)))
        .collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let read = read_with("x.csv.gz", &packed, &options()).unwrap();
    assert_eq!(read.rows.num_rows(), 5000);
    assert_eq!(read.summary.bytes, packed.len() as u64);
    let error = read_with("x.csv.gz", &packed[..packed.len() - 20], &options()).unwrap_err();
    assert_eq!(error.to_string(), "x.csv.gz: the gzip data ends early");
}

#[test]
fn blocks_join_without_a_seam() {
    let mut text = "id,Started At,Data\n".to_owned();
    for i in 0..30_000 {
        text.push_str(&format!("s{i},2026-02-09,\"{{\"\"i\"\":\"\"{}\n\"\"}}\"\n", "x".repeat(i % 150)));
    }
    let read = read("x.csv", &text);
    assert!(text.len() > 3 << 20);
    assert_eq!(read.rows.num_rows(), 30_000);
    assert!(read.texts("session_id").iter().enumerate().all(|(i, id)| *id == Some(format!("s{i}").as_str())));
    let late = read_with("x.csv", format!("{text}late,x,\n").as_bytes(), &options()).unwrap();
    assert_eq!(late.faults()[0].0, Some(60_002));
    assert_eq!(late.faults()[0].1, Some(text.len() as u64));
}

#[test]
fn records_of_a_few_bytes_join_without_a_seam() {
    let read = read("x.csv", &format!("id,Started At\n{}c,2026-02-09\n", "a,b\n".repeat(100_000)));
    assert_eq!((read.rejects.len(), read.texts("session_id")), (100_000, vec![Some("c")]));
    let faults = read.faults();
    assert!((2..).zip(&faults).all(|(line, fault)| (fault.0, fault.1) == (Some(line), Some(line * 4 + 6))));
}

#[test]
fn records_over_the_limit_are_cut_and_the_next_are_read() {
    let small = ReadOptions { max_record_bytes: 100_000, ..options() };
    let long = "x".repeat(3 << 20);
    let csv = format!("id,Started At\n1,2026-02-09\n2,{long}\n3,2026-02-09\n");
    let json = format!(
        "[{{\"id\":1,\"Started At\":\"2026-02-09\"}},{{\"id\":\"{long}\"}},\n{{\"id\":3,\"Started At\":\"2026-02-09\"}}]"
    );
    for (name, text, length) in [("x.csv", csv, long.len() + 3), ("x.json", json, long.len() + 9)] {
        let read = read_with(name, text.as_bytes(), &small).unwrap();
        assert_eq!(read.texts("session_id"), [Some("1"), Some("3")], "{name}");
        assert_eq!(read.rejects[0].reason, format!("the record has {length} bytes, more than a record may have"));
        assert_eq!(read.rejects[0].raw.len(), 64 * 1024);
        assert!(read.rejects[0].truncated);
        let again = replay(&read.contexts[0], &read.rejects[0].raw, &options()).unwrap();
        assert_eq!(again.rows.num_rows(), 0);
    }
}

#[test]
fn a_record_is_read_again_under_the_options_of_now() {
    let text = "Ref,Started At,Started,Session Id\nr1,,2026-02-09,a\n";
    let first = read("x.csv", text);
    assert_eq!(first.faults()[0].3, "no started at");
    let raw = &first.rejects[0].raw;
    let same = replay(&first.contexts[0], raw, &options()).unwrap();
    assert_eq!((same.rows.num_rows(), same.rejects.len()), (0, 1));
    let filled = replay(&first.contexts[0], b"r1,2026-02-09,,a", &options()).unwrap();
    assert_eq!(filled.rows.num_rows(), 1);
    assert_eq!(filled.rows.column_by_name("_source").unwrap().as_string_view().value(0), "x.csv");
    let mapped = ReadOptions { header_map: vec![("Ref".into(), "workflow_id".into())], ..options() };
    let mapped = replay(&first.contexts[0], b"r1,2026-02-09,,a", &mapped).unwrap();
    assert_eq!(mapped.rows.column_by_name("workflow_id").unwrap().as_string_view().value(0), "r1");
    let two = replay(&first.contexts[0], b"r1,2026-02-09,,a\nr2,2026-02-09,,b", &options()).unwrap();
    assert_eq!(two.rejects[0].reason, "more than one record");
    assert!(replay("{}", b"", &options()).is_err());
}

#[test]
fn oddities_are_counted_once_a_row() {
    let text = "id,Started At,Ended At,Time in Workflow,Phone Number,Source Details,Data\n\
        1,2024-10-27 02:30:00,2024-10-27 02:30:10,11.0,+1 202,\"{\"\"phone\"\":\"\"+1202\"\"}\",\n\
        2,2024-07-01,2024-06-30,-86400,+1203,\"{\"\"phone\"\":\"\"+1202\"\"}\",\n\
        3,2024-07-01,2024-07-02,86398.9,,\"{\"\"phone\"\":\"\"+1202\"\"}\",{\n\
        4,2024-07-01,,1e3, ,{,{\n";
    let berlin = ReadOptions { time_zone: Tz::named("Europe/Berlin").unwrap(), ..options() };
    let read = read_with("x.csv", text.as_bytes(), &berlin).unwrap();
    assert_eq!(read.rows.num_rows(), 4);
    assert_eq!(read.texts("source_details_phone_number")[2], None, "the export has the column, and it is empty");
    assert_eq!(
        read.warnings,
        Warnings::from([
            (Warning::AmbiguousLocalTime, 1),
            (Warning::PhoneDiffers, 1),
            (Warning::EndedBeforeStarted, 1),
            (Warning::TimeInWorkflowOff, 1),
            (Warning::InvalidJson, 2),
        ])
    );
}

#[test]
fn the_export_time_is_the_users_then_the_rows_then_the_files() {
    let text = "id,Started At,COMMIT_TS\n1,2026-02-09,1970-01-01T00:00:01Z\n2,2026-02-09,\n3,2026-02-09,never\n";
    let plain = read("x.csv", text);
    assert_eq!(plain.times("_exported_at"), [Some(1_000_000), Some(EXPORTED_US)]);
    assert_eq!(plain.faults()[0].2, Some("_exported_at"));
    let given = ReadOptions { exported_at_us: Some(5), ..options() };
    assert_eq!(read_with("x.csv", text.as_bytes(), &given).unwrap().times("_exported_at"), [Some(5); 3]);
}

#[test]
fn readers_and_blocks_may_go_to_other_threads_and_converters_may_be_shared() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    sent::<Reader>();
    sent::<Block>();
    sent::<ReadBatch>();
    shared::<Converter>();
}

#[test]
fn files_are_read_from_disk_with_their_time_and_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "id,Started At\na,2026-02-09\n").unwrap();
    let file = expand(&[path.to_str().unwrap().to_owned()]).unwrap().remove(0);
    let mut reader = Reader::open(&file, &options()).unwrap();
    assert_eq!(reader.format(), InputFormat::Csv);
    let converter = reader.converter();
    assert_eq!(Some(converter.exported_at_us()), file.modified_us);
    let batch = converter.convert(reader.next_block().unwrap().unwrap()).unwrap();
    assert_eq!(batch.context.as_ref(), converter.context());
    assert!(reader.next_block().unwrap().is_none());
    assert_eq!(Some(reader.bytes_read()), file.size_bytes);
    assert_eq!(Some(reader.finish().unwrap().content_hash), file.content_hash().unwrap());
    let exported = batch.rows.column_by_name("_exported_at").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!(Some(exported.value(0)), file.modified_us);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn every_format_gives_the_same_rows(
        sessions in proptest::collection::vec(("[a-z0-9]{1,30}", 0..4_000_000_000_i64, proptest::prelude::any::<String>()), 1..20),
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let mut csv = "id,Started At,Data\n".to_owned();
        let mut tsv = "id\tStarted At\tData\r\n".to_owned();
        let mut objects = Vec::new();
        let mut records = Vec::new();
        for (id, started, data) in &sessions {
            csv.push_str(&format!("{id},{started},{}\n", quoted(data)));
            tsv.push_str(&format!("{}\t{started}\t{}\r\n", quoted(id), quoted(data)));
            objects.push(serde_json::json!({"id": id, "Started At": started, "Data": data}).to_string());
            records.push(serde_json::json!([id, started, data]).to_string());
        }
        let (ids, rest): (Vec<_>, Vec<_>) = sessions.iter().map(|(id, started, data)| (id.as_str(), (*started, data.as_str()))).unzip();
        let (times, data): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
        let columns: [(&str, ArrayRef); 3] = [
            ("session_id", Arc::new(StringArray::from(ids))),
            ("Started At", Arc::new(TimestampSecondArray::from(times).with_timezone("UTC"))),
            ("Data", Arc::new(StringArray::from(data))),
        ];
        let parquet = parquet_bytes(&RecordBatch::try_from_iter(columns).unwrap());
        let headers = r#"{"columnHeaders":["id","Started At","Data"],"records":"#;
        let expected = read_with("x", csv.as_bytes(), &options()).unwrap();
        proptest::prop_assert_eq!(expected.rows.num_rows(), sessions.len());
        for (format, bytes) in [
            (InputFormat::Tsv, tsv.into_bytes()),
            (InputFormat::Ndjson, objects.join("\n").into_bytes()),
            (InputFormat::JsonArray, format!("[{}]", objects.join(", ")).into_bytes()),
            (InputFormat::Pages, format!("{headers}[{}]}}", records.join(",\n")).into_bytes()),
            (InputFormat::Parquet, parquet),
        ] {
            let read = read_with("x", &bytes, &ReadOptions { format: Some(format), ..options() }).unwrap();
            proptest::prop_assert_eq!(&read.rows, &expected.rows, "{:?}", format);
            proptest::prop_assert_eq!(&read.warnings, &expected.warnings, "{:?}", format);
        }
    }
}

fn refused(name: &str, bytes: &[u8], options: &ReadOptions) -> (String, String) {
    let error = read_with(name, bytes, options).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn other_kinds_of_file_are_named_inside_of_compressed_data_and_under_a_declared_format_too() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"X\n\0\0\0\x03\0\x04\x02\0").unwrap();
    let packed = packed.finish().unwrap();
    let csv = ReadOptions { format: Some(InputFormat::Csv), ..options() };
    for options in [&options(), &csv] {
        let (message, hint) = refused("a.rds", &packed, options);
        assert_eq!(message, "a.rds: is an R object (.rds), which is not read");
        assert!(hint.contains("readRDS('a.rds')"), "{hint}");
    }
    let (message, _) = refused("a.parquet", b"SQLite format 3\0", &options());
    assert_eq!(message, "a.parquet: is a SQLite database, which is not read");
}

#[test]
fn what_a_name_or_flag_promises_wrongly_is_told_with_what_it_seems_to_be() {
    let json = "{\"sessionId\":\"a\",\"startedAt\":\"2026-01-01T00:00:00Z\"}\n";
    let parquet = ReadOptions { format: Some(InputFormat::Parquet), ..options() };
    for (message, hint) in [refused("a.parquet", CSV.as_bytes(), &options()), refused("-", CSV.as_bytes(), &parquet)] {
        assert!(message.ends_with("not a Parquet file: it starts as text does"), "{message}");
        assert_eq!(hint, "if it is text, read it with ⟨input-format⟩ csv");
    }
    let (_, hint) = refused("a.parquet", json.as_bytes(), &options());
    assert_eq!(hint, "if it is JSON, read it with ⟨input-format⟩ ndjson");
    let (message, hint) = refused("a.csv", json.as_bytes(), &options());
    assert_eq!(message, "a.csv: not delimited text: it starts as JSON does");
    assert_eq!(hint, "if it is JSON, read it with ⟨input-format⟩ ndjson");
    assert_eq!(refused("a.parquet", b"", &options()).0, "a.parquet: not a Parquet file: the file is empty");
    let little: Vec<u8> = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (message, hint) = refused("a.csv", &little, &options());
    assert_eq!(message, "a.csv: is text in UTF-16 without a byte order mark, which is not read");
    assert_eq!(hint, "declare the character set with ⟨encoding⟩ utf-16");
    let utf_16 = ReadOptions { encoding: Encoding::Utf16, ..options() };
    assert_eq!(read_with("a.csv", &little, &utf_16).unwrap().rows.num_rows(), 3);
    let (message, hint) = refused("a.csv", CSV.as_bytes(), &utf_16);
    assert!(message.starts_with("a.csv: is not UTF-16"), "{message}");
    assert!(hint.starts_with("leave out ⟨encoding⟩"), "{hint}");
    let (message, hint) = refused("a.csv", b"a,\x01\x02\x03\x04\n", &options());
    assert!(message.contains("binary data of a kind that is not known"), "{message}");
    assert!(!hint.contains("⟨map⟩"), "{hint}");
}

#[test]
fn a_page_that_cannot_be_read_is_named_by_its_number() {
    let good = "{\"columnHeaders\":[\"Session Id\",\"Started At\"],\"records\":[]}";
    let error = |text: String| read_with("a.json", text.as_bytes(), &options()).unwrap_err().to_string();
    let said =
        error(format!("{good}{{\"columnHeaders\":[\"Session Id\",\"Started At\"],\"records\":{{\"error\":1}}}}"));
    assert!(said.contains("page 2: the records of a page are"), "{said}");
    let said = error(format!("[{good},{good},{{\"columnHeaders\":[\"x\"],\"records\":[]}}]"));
    assert!(said.contains("page 3: no column for"), "{said}");
}

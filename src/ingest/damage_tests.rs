//! Damages good inputs of every format, and feeds noise: nothing panics, and the records balance whatever comes.

use std::io::Write;

use proptest::prelude::*;

use super::avro::tests::avro_sample;
use super::format_tests::{FORMATS, options, read_with};
use super::ipc_tests::file_bytes;
use super::parquet_tests::{parquet_bytes, parquet_sample};
use super::sheets::tests::{ods_sample, xlsx_sample};
use super::*;

/// Lists the formats of files.
fn formats() -> impl Iterator<Item = InputFormat> {
    FORMATS.into_iter().filter(|format| *format != InputFormat::Delta)
}

const HEADER: &[u8] = b"Session Id,Started At,Data\n";

fn good(format: InputFormat) -> Vec<u8> {
    let row = r#"{"id":"028a","Started At":"2026-02-09T10:00:00Z","Ended At":1770681418,"Data":{"a":["}\"",1]}}"#;
    match format {
        InputFormat::Csv => [HEADER, b"028a,2026-02-09,\"{\"\"a\"\":\n1}\"\n028b,1770681418,\n028c,2026-02-09,x\n"].concat(),
        InputFormat::Tsv => b"id\tStarted At\n028a\t2026-02-09\n\"028b\"\t1770681418\n".to_vec(),
        InputFormat::Ndjson => format!("{row}\n{row}\n\n{row}\n").into_bytes(),
        InputFormat::JsonArray => format!("[{row},\n{row} , {row}]").into_bytes(),
        InputFormat::Pages => br#"{"columnHeaders":[{"name":"id","type":"string"},{"name":"Started At"}],"records":[["a","2026-02-09"],["b",5]],"x":{}}
            {"records":[["2026-02-09","c"]],"columnHeaders":["Started At","id"]}"#
            .to_vec(),
        InputFormat::Parquet => parquet_bytes(&parquet_sample()),
        InputFormat::Delta => Vec::new(),
        InputFormat::Arrow => file_bytes(&parquet_sample(), Some(arrow::ipc::CompressionType::LZ4_FRAME)),
        InputFormat::Xlsx => xlsx_sample(),
        InputFormat::Ods => ods_sample(),
        InputFormat::Avro => avro_sample(),
    }
}

/// Reads, and checks what [`read_with`] checks of every block; errors of the file are fine.
fn survive(bytes: &[u8], options: &ReadOptions) -> usize {
    match read_with("damaged", bytes, options) {
        Ok(read) => {
            for (reject, context) in read.rejects.iter().zip(&read.contexts) {
                let again = replay(context, &reject.raw, options).unwrap();
                assert_eq!(again.rows.num_rows() + again.rejects.len(), 1);
            }
            read.rows.num_rows() + read.rejects.len()
        }
        Err(error) => {
            assert!(!matches!(error, crate::Error::Internal(_)), "{error}");
            0
        }
    }
}

fn damaged(mut bytes: Vec<u8>, edits: &[(usize, u8, u8)]) -> Vec<u8> {
    for (place, kind, byte) in edits {
        let at = place % (bytes.len() + 1);
        match kind {
            0 => bytes.insert(at, *byte),
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            2 if at < bytes.len() => bytes[at] = *byte,
            3 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

fn edits() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    let structural = prop::sample::select(b"\"\\,{}[]:\n\r\t\xff\x00e".to_vec());
    let byte = prop_oneof![structural, any::<u8>()];
    prop::collection::vec((any::<usize>(), 0..4_u8, byte), 1..4)
}

#[test]
fn undamaged_samples_are_read_whole() {
    for (format, records) in formats().zip([3, 2, 3, 3, 3, 3, 3, 3, 3, 3]) {
        let options = ReadOptions { format: Some(format), ..options() };
        assert_eq!(survive(&good(format), &options), records, "{format:?}");
    }
}

#[test]
fn bombs_of_brackets_are_rejects_and_no_overflow() {
    let deep = "[".repeat(300_000);
    for (format, text) in [
        (InputFormat::Ndjson, format!("{{\"id\":{deep}\n{deep}\n")),
        (InputFormat::JsonArray, format!("[{{\"id\":{deep}{}}}]", "]".repeat(300_000))),
        (InputFormat::Pages, format!("{{\"columnHeaders\":{deep}{}}}", "]".repeat(300_000))),
    ] {
        survive(text.as_bytes(), &ReadOptions { format: Some(format), ..options() });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn noise_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), max in 1..200_usize) {
        for format in formats() {
            let options = ReadOptions { format: Some(format), max_record_bytes: max, keep_extra: true, ..options() };
            survive(&bytes, &options);
            survive(&[HEADER, &bytes].concat(), &options);
        }
        for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Cp1252] {
            survive(&bytes, &ReadOptions { encoding, ..options() });
        }
    }

    #[test]
    fn damaged_files_are_survived(edits in edits(), max in prop_oneof![Just(1_usize << 20), 1..100_usize]) {
        for format in formats() {
            let options = ReadOptions { format: Some(format), max_record_bytes: max, ..options() };
            survive(&damaged(good(format), &edits), &options);
        }
    }

    #[test]
    fn damaged_archives_are_survived(edits in edits()) {
        let text = good(InputFormat::Ndjson);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        for packed in [encoder.finish().unwrap(), zstd::encode_all(text.as_slice(), 1).unwrap()] {
            survive(&damaged(packed, &edits), &options());
        }
    }

    #[test]
    fn damage_to_one_line_costs_no_other(line in 0..20_usize, text in "[a-z,\\[\\]{}: ]{1,20}") {
        // Without quotes in it a line can only be broken by itself.
        let good = "{\"id\":\"a\",\"Started At\":\"2026-02-09\"}";
        let lines: Vec<&str> = (0..20).map(|i| if i == line { text.as_str() } else { good }).collect();
        let options = ReadOptions { format: Some(InputFormat::Ndjson), ..options() };
        let read = read_with("x", lines.join("\n").as_bytes(), &options).unwrap();
        prop_assert_eq!(read.rows.num_rows(), 19);
    }

    #[test]
    fn an_open_quote_in_one_line_costs_no_other(line in 0..20_usize, quoted in any::<bool>()) {
        let good = if quoted { "a,2026-02-09,\"{\"\"k\"\":\"\"v\"\"}\"" } else { "a,2026-02-09,x" };
        let lines: Vec<&str> = (0..20).map(|i| if i == line { "b,2026-02-09,\"{\"\"k\"\"" } else { good }).collect();
        let text = [HEADER, lines.join("\n").as_bytes()].concat();
        let read = read_with("x.csv", &text, &options()).unwrap();
        prop_assert_eq!((read.rows.num_rows(), read.rejects.len()), (19, 1));
        prop_assert_eq!(read.rejects[0].line, Some(line as u64 + 2));
    }
}

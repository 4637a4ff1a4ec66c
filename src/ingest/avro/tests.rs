//! Avro files: what each type becomes, every codec, and files that are not whole.

use std::io::Write;

use super::super::format_tests::{Outcome, options, read_with};
use super::super::{InputFormat, ReadOptions, replay};
use super::*;

fn long(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [long(text.len() as i64), text.as_bytes().to_vec()].concat()
}

const MARK: [u8; 16] = *b"0123456789abcdef";

/// A file of these blocks, each a count of records and their bytes, packed.
fn file(schema: &str, codec: &str, blocks: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes =
        [MAGIC, &long(2), &text("avro.schema"), &text(schema), &text("avro.codec"), &text(codec), &long(0), &MARK]
            .concat();
    for (count, records) in blocks {
        bytes.extend([long(*count), long(records.len() as i64), records.clone(), MARK.to_vec()].concat());
    }
    bytes
}

const SCHEMA: &str = r#"{"type":"record","name":"a.b.Session","fields":[
    {"name":"session_id","type":"string"},
    {"name":"started_at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"data","type":["null","string"]}]}"#;

fn session(id: &str) -> Vec<u8> {
    [text(id), long(1_795_168_800_000_001), long(1), text("{\"a\":1}")].concat()
}

/// A small file with three sessions in two blocks.
pub(in crate::ingest) fn avro_sample() -> Vec<u8> {
    let packed = |records: &[u8]| {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(records).unwrap();
        encoder.finish().unwrap()
    };
    file(SCHEMA, "deflate", &[(2, packed(&[session("a"), session("b")].concat())), (1, packed(&session("c")))])
}

fn read(bytes: &[u8]) -> Outcome {
    read_with("a.avro", bytes, &ReadOptions { keep_extra: true, ..options() }).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(bytes: &[u8]) -> String {
    read_with("a", bytes, &options()).unwrap_err().to_string()
}

#[test]
fn blocks_of_every_codec_are_read() {
    let records = [session("a"), session("b")].concat();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&records).unwrap();
    let mut snappy = snap::raw::Encoder::new().compress_vec(&records).unwrap();
    let mut crc = Crc::new();
    crc.update(&records);
    snappy.extend(crc.sum().to_be_bytes());
    for (codec, packed) in [
        ("null", records.clone()),
        ("snappy", snappy.clone()),
        ("zstandard", zstd::encode_all(records.as_slice(), 1).unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
    ] {
        let outcome = read(&file(SCHEMA, codec, &[(2, packed)]));
        assert_eq!(outcome.texts("session_id"), [Some("a"), Some("b")], "{codec}");
        assert_eq!(outcome.times("started_at"), [Some(1_795_168_800_000_001); 2]);
        assert_eq!(outcome.texts("data"), [Some("{\"a\":1}"); 2]);
    }
    assert_eq!(read(&avro_sample()).texts("session_id"), [Some("a"), Some("b"), Some("c")]);
    *snappy.last_mut().unwrap() ^= 1;
    assert!(refused(&file(SCHEMA, "snappy", &[(2, snappy)])).contains("checksum"));
    assert!(refused(&file(SCHEMA, "lzo", &[])).contains("packed by \"lzo\", which is not read"));
}

#[test]
fn every_type_becomes_a_value() {
    let schema = r#"{"type":"record","name":"S","namespace":"n","fields":[
        {"name":"session_id","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}},
        {"name":"started_at","type":["null",{"type":"long","logicalType":"local-timestamp-millis"}]},
        {"name":"time_in_workflow","type":["int",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}]},
        {"name":"workflow_id","type":"U"},
        {"name":"data","type":{"type":"record","name":"D","fields":[{"name":"n","type":["null","n.D"]},{"name":"m","type":{"type":"map","values":"double"}}]}},
        {"name":"action_data","type":{"type":"array","items":{"type":"enum","name":"E","symbols":["x","y"]}}},
        {"name":"date","type":{"type":"int","logicalType":"date"}},
        {"name":"time","type":{"type":"long","logicalType":"time-micros"}},
        {"name":"length","type":{"type":"fixed","name":"L","size":12,"logicalType":"duration"}},
        {"name":"flag","type":"boolean"},{"name":"float","type":"float"},{"name":"nothing","type":"null"},
        {"name":"bytes","type":"bytes"}]}"#;
    let record = [
        (1..=16).collect(),
        [long(1), long(1_795_168_800_080)].concat(),
        [long(1), long(2), vec![0x30, 0x39]].concat(),
        vec![0xff; 16],
        // A record in itself, and a map in two parts, the second with its length.
        [
            long(1),
            long(0),
            long(0),
            long(1),
            text("k\""),
            0.5_f64.to_le_bytes().to_vec(),
            long(-1),
            long(9),
            text("l"),
            f64::NAN.to_le_bytes().to_vec(),
            long(0),
        ]
        .concat(),
        [long(2), long(1), long(0), long(0)].concat(),
        long(20_777),
        long(36_000_500_000),
        [1_u32.to_le_bytes(), 2_u32.to_le_bytes(), 3500_u32.to_le_bytes()].concat(),
        vec![1],
        0.1_f32.to_le_bytes().to_vec(),
        Vec::new(),
        [long(2), vec![0xff, 0x0a]].concat(),
    ];
    let bytes = file(schema, "null", &[(1, record.concat())]);
    let outcome = read_with("a.avro", &bytes, &options()).unwrap();
    assert_eq!(outcome.faults(), []);
    assert_eq!(outcome.texts("session_id"), [Some("01020304-0506-0708-090a-0b0c0d0e0f10")]);
    assert_eq!(outcome.times("started_at"), [Some(1_795_168_800_080_000)]);
    assert_eq!(outcome.seconds(), [Some(123.45)]);
    assert_eq!(outcome.texts("workflow_id"), [Some("ffffffff-ffff-ffff-ffff-ffffffffffff")]);
    assert_eq!(outcome.texts("data"), [Some(r#"{"n":{"n":null,"m":{}},"m":{"k\"":0.5,"l":"NaN"}}"#)]);
    assert_eq!(outcome.texts("action_data"), [Some(r#"["y","x"]"#)]);
    // Bytes that are no text cost the record only where their column is kept.
    let kept = read(&bytes);
    assert_eq!(kept.rejects[0].reason, "\"bytes\" has bytes that are no text: export it as text");
    assert!(
        String::from_utf8_lossy(&kept.rejects[0].raw)
            .ends_with(r#","2026-11-20","10:00:00.500000","P1M2DT3.500S",true,0.1,null,"ff0a"]"#)
    );
    assert_eq!(replay(&kept.contexts[0], &kept.rejects[0].raw, &options()).unwrap().rows.num_rows(), 1);
}

#[test]
fn a_file_that_is_not_whole_is_refused() {
    let whole = avro_sample();
    for (length, said) in
        [(whole.len() - 1, "it ends early"), (whole.len() - 30, "it ends early"), (60, "it ends early")]
    {
        let message = refused(&whole[..length]);
        assert!(message.contains(said), "{message}");
    }
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(
        refused(&other),
        "a: broken Avro file: the block behind record 2: the mark of the file does not stand behind it"
    );
    for (blocks, said) in [
        ((1, [session("a"), session("b")].concat()), "a block has more bytes than its records"),
        ((3, [session("a"), session("b")].concat()), "record 3, field \"session_id\": a value goes on behind the end"),
        ((1_000_000, session("a")), "it promises more records than it has bytes"),
        ((-1, Vec::new()), "its count is negative"),
    ] {
        let message = refused(&file(SCHEMA, "null", &[blocks]));
        assert!(message.contains(said), "{message}");
    }
    assert!(refused(&file("{", "null", &[])).contains("its schema is no JSON"));
    assert!(refused(&file("\"string\"", "null", &[])).contains("values that are no records"));
    assert!(
        refused(&file(r#"{"type":"record","name":"x","fields":[{"name":"id","type":"y"}]}"#, "null", &[]))
            .contains("no type \"y\"")
    );
    let declared = ReadOptions { format: Some(InputFormat::Avro), ..options() };
    assert_eq!(
        read_with("a", b"id\n", &declared).unwrap_err().to_string(),
        "a: not an Avro file: it starts as text does"
    );
}

#[test]
fn lists_of_nothing_and_records_in_records_without_end_are_refused() {
    let bomb = r#"{"type":"record","name":"S","fields":[{"name":"id","type":{"type":"array","items":"null"}},{"name":"started_at","type":"long"}]}"#;
    assert!(refused(&file(bomb, "null", &[(1, [long(1 << 50), long(0)].concat())])).contains("more than 64 MiB"));
    let endless = r#"{"type":"record","name":"S","fields":[{"name":"id","type":["null","S"]},{"name":"started_at","type":"null"}]}"#;
    assert!(refused(&file(endless, "null", &[(1, [2; 5000].to_vec())])).contains("more than 200 deep"));
}

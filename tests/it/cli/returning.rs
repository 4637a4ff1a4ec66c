//! What comes in from other programs' typed JSON, and what this program wrote and takes in again.

use serde_json::Value;

use crate::support::{Desk, EXPORTED};

fn ingest(desk: &Desk, name: &str, flags: &[&str]) -> (Value, i32) {
    let ran = desk.run(&[&["ingest", "--format", "json", "--exported-at", EXPORTED, name], flags].concat());
    (serde_json::from_str(&ran.out).unwrap(), ran.code)
}

#[test]
fn records_inside_a_document_are_read_where_they_are_said_to_be() {
    let desk = Desk::new();
    let text = r#"{"meta":{"total":2},"data":[{"session_id":"w1","started_at":"2026-11-20T10:00:00Z"},{"session_id":"w2","started_at":"2026-11-20T11:00:00Z"}],"next":""}"#;
    desk.write("a.json", text);
    let (ledger, code) = ingest(&desk, "a.json", &[]);
    assert_eq!((code, &ledger["total"]["rows_read"]), (3, &Value::from(0)), "{ledger}");
    let refused = ledger["files"][0]["refused"].as_str().unwrap();
    assert!(refused.contains("in a list at $.data\nhint: read them with --records '$.data'"), "{refused}");
    let (ledger, code) = ingest(&desk, "a.json", &["--records", "$.data"]);
    assert_eq!((code, &ledger["total"]["inserted"]), (0, &Value::from(2)), "{ledger}");
}

#[test]
fn typed_values_of_mongoexport_are_read_and_its_id_is_an_extra_column() {
    let desk = Desk::new();
    desk.write(
        "m.ndjson",
        r#"{"_id":{"$oid":"65f0c0ffee0000000000abcd"},"session_id":"m1","started_at":{"$date":"2026-11-20T10:00:00.123Z"},"data":{"n":{"$numberLong":"9007199254740993"}}}
{"_id":{"$oid":"65f0c0ffee0000000000abce"},"session_id":{"$oid":"65f0c0ffee0000000000abcf"},"started_at":{"$date":{"$numberLong":"1795169600123"}},"time_in_workflow":{"$numberDouble":"2.5"},"ended_at":"\/Date(1795169603000+0100)\/"}
{"session_id":"m3","started_at":{"$date":86400000},"time_in_workflow":"00:05:00.5"}
{"session_id":"m4","started_at":"2026-11-20","time_in_workflow":"P1M"}
"#,
    );
    let (ledger, code) = ingest(&desk, "m.ndjson", &["--keep-extra"]);
    assert_eq!((code, &ledger["total"]["quarantined"]), (3, &Value::from(1)), "{ledger}");
    assert_eq!(ledger["files"][0]["unknown_columns"], serde_json::json!(["_id"]));
    let note = ledger["files"][0]["notes"][0].as_str().unwrap();
    assert_eq!(note, "column \"_id\" is taken for an extra column, since \"session_id\" is there");
    let sql =
        "select session_id, started_at, ended_at, time_in_workflow, data, _extra from stored_sessions order by 2 desc";
    let out = desk.query(sql, &["--csv"]).fine();
    let expected = "session_id,started_at,ended_at,time_in_workflow,data,_extra\n\
        65f0c0ffee0000000000abcf,2026-11-20T10:13:20.123Z,2026-11-20T10:13:23Z,2.5,,\"{\"\"_id\"\":{\"\"$oid\"\":\"\"65f0c0ffee0000000000abce\"\"}}\"\n\
        m1,2026-11-20T10:00:00.123Z,,,\"{\"\"n\"\":{\"\"$numberLong\"\":\"\"9007199254740993\"\"}}\",\"{\"\"_id\"\":{\"\"$oid\"\":\"\"65f0c0ffee0000000000abcd\"\"}}\"\n\
        m3,1970-01-02T00:00:00Z,,300.5,,\n";
    assert_eq!(out, expected);
    let reason = desk.value("select \"column\" || ': ' || reason from quarantine", &[]);
    assert_eq!(reason, "\"time_in_workflow: \"\"P1M\"\" has months or years, which have no fixed length\"");
}

#[test]
fn what_was_written_comes_back_equal_in_every_format() {
    let desk = Desk::with_lake();
    let rows = "select * from workflow_sessions order by session_id";
    let was = desk.query(rows, &["--csv"]).fine();
    for (number, file) in ["a.csv", "a.tsv", "a.json", "a.ndjson", "a.parquet"].iter().enumerate() {
        for zone in ["UTC", "Europe/Berlin"] {
            desk.query(rows, &["-o", file, "--time-zone", zone]).fine();
            let lake = format!("back-{number}-{}", zone.len());
            let ran = desk.run(&["ingest", "--lake", &lake, "--exported-at", EXPORTED, file]);
            assert_eq!(ran.code, 0, "{file} {zone}: {ran:#?}");
            assert!(desk.query(rows, &["--csv", "--lake", &lake]).fine() == was, "{file} {zone}");
        }
    }
}

#[test]
fn the_columns_that_the_lake_adds_are_known_again() {
    let desk = Desk::with_lake();
    let sql = "select session_id, started_at, source_details, _source, _exported_at from stored_sessions";
    desk.query(sql, &["-o", "a.ndjson"]).fine();
    let ran = desk.run(&["ingest", "--format", "json", "--lake", "other", "a.ndjson"]);
    let ledger: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &ledger["files"][0]["unknown_columns"]), (0, &serde_json::json!(["_source"])), "{ledger}");
    let seen = "select cast(min(_exported_at) as varchar) || count(source_details) from stored_sessions";
    assert_eq!(desk.value(&format!("{seen} "), &["--lake", "other"]), desk.value(seen, &[]));
}

#[test]
fn a_column_that_is_left_out_is_neither_stored_nor_kept_beside() {
    let desk = Desk::new();
    desk.write("a.csv", "session_id,started_at,data,colour\nx,2026-11-20,{},red\n");
    let flags = ["--map", "data=", "--map", "Colour=", "--keep-extra"];
    let (ledger, code) = ingest(&desk, "a.csv", &flags);
    assert_eq!((code, &ledger["warnings"]), (0, &serde_json::json!({})), "{ledger}");
    let sql = "select coalesce(data, 'none') || coalesce(_extra, 'none') from stored_sessions";
    assert_eq!(desk.value(sql, &[]), "nonenone");
}

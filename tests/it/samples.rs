//! What data/README.md says of the samples, as a table: every file of `data/broken` and `data/unusual` stands in it.

use serde_json::Value;

use crate::support::{Desk, EXPORTED, files_below, repository};

/// What becomes of a file.
enum Becomes {
    /// Rows stored, superseded and put aside; warnings by kind.
    Taken(u64, u64, u64, &'static [(&'static str, u64)]),
    /// The whole file is refused, for a reason that holds these words.
    Refused(&'static str),
}

use Becomes::{Refused, Taken};

#[rustfmt::skip]
const SAMPLES: &[(&str, &[&str], Becomes)] = &[
    ("workflow_sessions.csv", &[], Taken(2000, 2, 0, &[
        ("ended_before_started", 1), ("invalid_json", 2), ("phone_differs", 2), ("time_in_workflow_off", 3), ("unknown_communication_type", 1),
    ])),
    ("unusual/headers_pascal.csv", &[], Taken(2, 0, 0, &[])),
    ("unusual/headers_upper.csv", &[], Taken(2, 1, 0, &[("unknown_column", 1)])),
    ("unusual/extra_columns.csv", &[], Taken(2, 0, 0, &[("unknown_column", 2)])),
    ("unusual/bom_crlf.csv", &[], Taken(3, 0, 0, &[])),
    ("unusual/newlines_in_quotes.csv", &[], Taken(2, 0, 0, &[])),
    ("unusual/utf16.csv", &["--encoding", "utf-16"], Taken(4, 0, 0, &[])),
    ("unusual/utf16.csv", &[], Refused("byte order mark of UTF-16")),
    ("unusual/cp1252.csv", &["--encoding", "cp1252"], Taken(4, 0, 0, &[])),
    ("unusual/cp1252.csv", &[], Taken(3, 0, 1, &[])),
    ("unusual/local_times.csv", &["--time-zone", "America/New_York"], Taken(5, 0, 0, &[
        ("ambiguous_local_time", 2), ("ended_before_started", 1),
    ])),
    ("unusual/local_times.csv", &[], Taken(5, 0, 0, &[])),
    ("unusual/dates_and_numbers.csv", &[], Taken(3, 0, 0, &[])),
    ("unusual/unix_times.ndjson", &[], Taken(3, 0, 0, &[])),
    ("broken/missing_session_id.csv", &[], Taken(3, 0, 2, &[])),
    ("broken/unreadable_values.csv", &[], Taken(3, 0, 5, &[])),
    ("broken/wrong_field_count.csv", &[], Taken(3, 0, 2, &[])),
    ("broken/unclosed_quote.csv", &[], Taken(3, 0, 1, &[])),
    ("broken/invalid_utf8.csv", &[], Taken(3, 0, 1, &[])),
    ("broken/oversized_record.csv", &[], Taken(4, 0, 0, &[])),
    ("broken/oversized_record.csv", &["--max-record-bytes", "4096"], Taken(3, 0, 1, &[])),
    ("broken/broken_lines.ndjson", &[], Taken(3, 0, 6, &[("invalid_json", 1), ("lone_surrogate", 1)])),
    ("broken/deep_nesting.ndjson", &[], Taken(1, 0, 1, &[])),
    ("broken/bad_records.pages.json", &[], Taken(2, 0, 4, &[])),
    ("broken/not_gzip.csv.gz", &[], Taken(3, 0, 0, &[])),
    ("broken/no_session_id_column.csv", &[], Refused("no column for session_id")),
    ("broken/no_session_id_column.csv", &["--map", "Call=session_id"], Taken(1, 0, 0, &[])),
    ("broken/duplicate_headers.csv", &[], Refused("both mean session_id")),
    ("broken/truncated.csv.gz", &[], Refused("ends early")),
    ("broken/bad_footer.parquet", &[], Refused("broken Parquet file")),
    ("broken/no_footer.parquet", &[], Refused("broken Parquet file")),
    ("broken/cut_off.json", &[], Refused("the JSON ends early")),
    ("broken/binary.csv", &[], Refused("is binary data")),
];

#[test]
fn every_sample_becomes_what_its_table_says() {
    let desk = Desk::new();
    let mut wrong = Vec::new();
    for (index, (file, flags, becomes)) in SAMPLES.iter().enumerate() {
        let (path, lake) = (format!("data/{file}"), format!("lake{index}"));
        let fixed = ["ingest", &path, "--lake", &lake, "--exported-at", EXPORTED, "--format", "json"];
        let ran = desk.run(&[&fixed, *flags].concat());
        let ledger: Value = serde_json::from_str(&ran.out).unwrap();
        let count = |name: &str| ledger["total"][name].as_u64().unwrap();
        let outcomes = ["inserted", "updated", "unchanged", "superseded", "duplicate", "quarantined"];
        if count("rows_read") != outcomes.map(count).iter().sum::<u64>() {
            wrong.push(format!("{file}: the ledger does not balance: {ledger}"));
        }
        let right = match becomes {
            Taken(stored, superseded, aside, warnings) => {
                let expected: serde_json::Map<_, _> =
                    warnings.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect();
                (count("inserted"), count("superseded"), count("quarantined")) == (*stored, *superseded, *aside)
                    && ledger["warnings"] == Value::Object(expected)
                    && ran.code == if *aside > 0 { 3 } else { 0 }
            }
            Refused(words) => {
                let place = format!("error: data/{file}");
                ran.code == 3
                    && ran.err.starts_with(&place)
                    && ran.err.contains(words)
                    && ledger["files"][0]["refused"].is_string()
                    && ledger["version"].is_null()
            }
        };
        if !right {
            wrong.push(format!("{file} {flags:?}: exit code {}, {ledger}\n{}", ran.code, ran.err));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_broken_or_unusual_file_is_in_the_table_and_in_the_page() {
    let page = std::fs::read_to_string(repository("data/README.md")).unwrap();
    for folder in ["broken", "unusual"] {
        let files = files_below(&repository("data").join(folder));
        assert!(!files.is_empty());
        for file in files {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(SAMPLES.iter().any(|sample| sample.0 == format!("{folder}/{name}")), "{name} is in no table");
            assert!(page.contains(&format!("| `{name}` |")), "{name} is not in data/README.md");
        }
    }
}

#[test]
fn the_same_sessions_in_another_format_change_nothing() {
    let desk = Desk::new();
    for (index, file) in files_below(&repository("data/formats")).iter().enumerate() {
        let path = format!("data/formats/{}", file.file_name().unwrap().to_str().unwrap());
        let out = desk.run(&["ingest", &path, "--exported-at", EXPORTED, "--format", "json"]).fine();
        let ledger: Value = serde_json::from_str(&out).unwrap();
        let (first, other) = if index == 0 { ("inserted", "unchanged") } else { ("unchanged", "inserted") };
        assert_eq!((ledger["total"][first].as_u64(), ledger["total"][other].as_u64()), (Some(200), Some(0)), "{path}");
    }
}

#[test]
fn snapshots_in_any_order_end_as_the_last_one() {
    let table = "select session_id, data, ended_at, variables_category from workflow_sessions order by session_id";
    let mut tables = Vec::new();
    for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let desk = Desk::new();
        for snapshot in order {
            let path = format!("data/snapshots/workflow_sessions.{snapshot}.csv");
            let exported = format!("2026-11-{}T00:00:00Z", 18 + snapshot);
            desk.run(&["ingest", &path, "--exported-at", &exported]).fine();
        }
        tables.push(desk.query(table, &["--csv"]).fine());
    }
    let last = ["query", "--from", "data/snapshots/workflow_sessions.3.csv", "--csv", "-c", table];
    let expected = Desk::new().run(&last).fine();
    assert_eq!(expected.lines().count(), 241);
    assert!(tables.iter().all(|table| *table == expected));
}

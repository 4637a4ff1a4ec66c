//! Delta tables of other programs, and lakes, as inputs of an ingest.

use serde_json::{Value, json};

use crate::support::{Desk, EXPORTED};

/// Writes a data file of a table.
fn part(desk: &Desk, path: &str, sql: &str) {
    std::fs::create_dir_all(desk.path(path).parent().unwrap()).unwrap();
    desk.query(sql, &["-o", path]).fine();
}

/// Commits a version of the table `t`.
fn commit(desk: &Desk, version: u64, actions: &[Value]) {
    let info = json!({ "commitInfo": { "timestamp": 1_795_168_800_000 + version, "operation": "WRITE" } });
    let lines: String = std::iter::once(&info).chain(actions).map(|action| format!("{action}\n")).collect();
    desk.write(&format!("t/_delta_log/{version:020}.json"), &lines);
}

fn protocol() -> Value {
    json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } })
}

fn metadata(columns: &[(&str, &str)], partitions: &[&str]) -> Value {
    let fields: Vec<Value> = columns
        .iter()
        .map(|(name, kind)| json!({ "name": name, "type": kind, "nullable": true, "metadata": {} }))
        .collect();
    let schema = json!({ "type": "struct", "fields": fields }).to_string();
    json!({ "metaData": {
        "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": { "provider": "parquet", "options": {} }, "schemaString": schema,
        "partitionColumns": partitions, "configuration": {}, "createdTime": 0,
    } })
}

fn add(path: &str, values: Value) -> Value {
    json!({ "add": { "path": path, "partitionValues": values, "size": 1, "modificationTime": 1, "dataChange": true } })
}

fn ingest(desk: &Desk, flags: &[&str]) -> (Value, i32) {
    let ran = desk.run(&[&["ingest", "--lake", "other", "--format", "json"], flags].concat());
    (serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:#?}")), ran.code)
}

fn rows(desk: &Desk, columns: &str, table: &str) -> Vec<Value> {
    let sql = format!("select {columns} from {table} order by 1");
    let out = desk.query(&sql, &["--lake", "other", "--format", "ndjson"]).fine();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_lake_comes_in_equal() {
    let desk = Desk::with_lake();
    desk.write("more.csv", "Session Id,Started At,Colour\nx1,2026-11-20T10:00:00Z,red\nx2,2026-11-20T10:00:00Z,\n");
    desk.run(&["ingest", "more.csv", "--keep-extra", "--exported-at", EXPORTED]).fine();
    let all = "select action_data, communication_type, current_workflow_item_id, data, ended_at, session_id, source_details_phone_number, \
               source_details, started_at, time_in_workflow, variables_category, variables_sub_category, version_id, workflow_id, \
               _exported_at, _extra, _content_hash from stored_sessions order by session_id";
    let expected = desk.query(all, &["--csv"]).fine();
    for input in ["lake", "lake/workflow_sessions"] {
        let other = format!("of_{}", input.len());
        desk.run(&["ingest", "--lake", &other, input, "--keep-extra", "--input-format", "delta"]).fine();
        assert_eq!(desk.query(all, &["--csv", "--lake", &other]).fine(), expected);
    }
    let (ledger, _) = ingest(&desk, &["lake"]);
    assert_eq!(ledger["files"][0]["file"], "lake/workflow_sessions");
    assert_eq!(ledger["files"][0]["notes"], json!(["version 2 of the Delta table, 3 data files"]));
    // Without the flag what is none of ours is left out, and told.
    assert_eq!(ledger["files"][0]["unknown_columns"], json!(["_extra"]));
    let sources = rows(&desk, "distinct _source like 'lake/workflow_sessions/%.parquet' as s", "stored_sessions");
    assert_eq!(sources, [json!({ "s": true })]);
}

#[test]
fn the_newest_version_of_a_table_is_taken_in_once() {
    let desk = Desk::with_lake();
    let row = |id: &str, category: &str| {
        format!(
            "select '{id}' as session_id, timestamp '2026-11-20T10:00:00Z' as started_at, '{category}' as variables_category"
        )
    };
    part(&desk, "t/a.parquet", &format!("{} union all {}", row("s1", "old"), row("s2", "old")));
    let columns = [("session_id", "string"), ("started_at", "timestamp"), ("variables_category", "string")];
    commit(&desk, 0, &[protocol(), metadata(&columns, &[]), add("a.parquet", json!({}))]);
    let (ledger, code) = ingest(&desk, &["t"]);
    assert_eq!((code, &ledger["total"]["inserted"]), (0, &json!(2)), "{ledger}");
    assert_eq!(ingest(&desk, &["t"]).0["files"][0]["already_in_version"], 1);
    // A table is known by what it is, not by where it lies.
    std::fs::rename(desk.path("t"), desk.path("moved")).unwrap();
    assert_eq!(ingest(&desk, &["moved", "--input-format", "delta"]).0["files"][0]["already_in_version"], 1);
    std::fs::rename(desk.path("moved"), desk.path("t")).unwrap();
    part(&desk, "t/b.parquet", &row("s1", "new"));
    let remove = json!({ "remove": { "path": "a.parquet", "deletionTimestamp": 1, "dataChange": true } });
    commit(&desk, 1, &[remove, add("b.parquet", json!({}))]);
    let (ledger, _) = ingest(&desk, &["t"]);
    assert_eq!((&ledger["total"]["rows_read"], &ledger["total"]["updated"]), (&json!(1), &json!(1)), "{ledger}");
    assert_eq!(
        rows(&desk, "session_id, variables_category as c, _exported_at as e", "stored_sessions"),
        [
            json!({ "session_id": "s1", "c": "new", "e": "2026-11-20T10:00:00.001Z" }),
            json!({ "session_id": "s2", "c": "old", "e": "2026-11-20T10:00:00Z" }),
        ]
    );
    let only = desk.run(&["query", "--from", "t", "-c", "select session_id from workflow_sessions", "--csv"]).fine();
    assert_eq!(only, "session_id\ns1\n");
}

#[test]
fn the_log_says_which_columns_a_table_has_and_what_folders_stand_for() {
    let desk = Desk::with_lake();
    part(
        &desk,
        "t/kind=a%20b/p q.parquet",
        "select 's1' as session_id, timestamp '2026-11-20T10:00:00Z' as started_at, timestamp '2026-11-20T10:00:09Z' as ended_at, 'x' as not_of_the_table \
         union all select null, timestamp '2026-11-20T10:00:00Z', null, 'x'",
    );
    part(&desk, "t/c.parquet", "select 's2' as session_id, 7.0 as time_in_workflow, null::timestamptz as ended_at");
    let columns = [
        ("session_id", "string"),
        ("started_at", "timestamp"),
        ("ended_at", "timestamp"),
        ("time_in_workflow", "double"),
        ("communication_type", "string"),
        ("workflow_id", "string"),
        ("day", "integer"),
    ];
    let partitions = ["communication_type", "workflow_id", "day"];
    let first = json!({ "communication_type": "Phone", "workflow_id": "", "day": "20261120" });
    let second = json!({ "communication_type": "Email", "workflow_id": "w", "day": null });
    commit(
        &desk,
        0,
        &[
            protocol(),
            metadata(&columns, &partitions),
            add("kind=a%2520b/p%20q.parquet", first),
            add("c.parquet", second),
        ],
    );
    let (ledger, code) = ingest(&desk, &["t/", "--keep-extra", "--max-bad", "9"]);
    // The file without a start is one of the table, where the column is null.
    assert_eq!((code, &ledger["total"]["quarantined"]), (0, &json!(2)), "{ledger}");
    assert_eq!(ledger["files"][0]["unknown_columns"], json!(["day"]));
    assert_eq!(
        rows(
            &desk,
            "session_id, communication_type as k, workflow_id as w, time_in_workflow as t, _extra as x",
            "stored_sessions"
        ),
        [json!({ "session_id": "s1", "k": "Phone", "w": null, "t": null, "x": "{\"day\":20261120}" })]
    );
    assert_eq!(
        rows(&desk, "file, line, reason", "quarantine"),
        [
            json!({ "file": "t/c.parquet", "line": 1, "reason": "no started at" }),
            json!({ "file": "t/kind=a%20b/p q.parquet", "line": 2, "reason": "no session id" }),
        ]
    );
}

#[test]
fn a_record_out_of_quarantine_has_what_the_log_said_of_its_file() {
    let desk = Desk::with_lake();
    let sql = "select 's1' as session_id, timestamp '2026-11-20T10:00:00Z' as started_at, 'a long text' as data";
    part(&desk, "t/x=1/a.parquet", sql);
    let columns =
        [("session_id", "string"), ("started_at", "timestamp"), ("data", "string"), ("workflow_id", "string")];
    let commits =
        [protocol(), metadata(&columns, &["workflow_id"]), add("x=1/a.parquet", json!({ "workflow_id": "w" }))];
    commit(&desk, 0, &commits);
    let (ledger, code) = ingest(&desk, &["t", "--max-record-bytes", "5"]);
    assert_eq!((code, &ledger["total"]["quarantined"]), (3, &json!(1)), "{ledger}");
    desk.run(&["ingest", "--lake", "other", "--replay-quarantine", "--keep-extra"]).fine();
    assert_eq!(
        rows(&desk, "session_id, workflow_id, _extra", "stored_sessions"),
        [json!({ "session_id": "s1", "workflow_id": "w", "_extra": null })]
    );
}

#[test]
fn what_cannot_be_read_of_a_table_is_named() {
    let desk = Desk::with_lake();
    let columns = [("session_id", "string"), ("started_at", "timestamp")];
    let new = json!({ "protocol": { "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["somethingNew"], "writerFeatures": ["somethingNew"] } });
    commit(&desk, 0, &[new, metadata(&columns, &[])]);
    let refused = |flags: &[&str]| {
        let ran = desk.run(&[&["ingest", "--lake", "other"], flags].concat());
        assert_eq!(ran.code, 3, "{ran:#?}");
        ran.err
    };
    let said = refused(&["t"]);
    assert!(
        said.starts_with(
            "error: t: is a Delta table with the feature \"somethingNew\", which is not read\nhint: write its rows"
        ),
        "{said}"
    );
    commit(&desk, 0, &[protocol(), metadata(&columns, &[]), add("gone.parquet", json!({}))]);
    let said = refused(&["t"]);
    assert!(
        said.starts_with("error: t/gone.parquet: is not there, but version 0 of the Delta table names it\nhint: "),
        "{said}"
    );
    let said = refused(&["t", "--input-format", "parquet"]);
    assert!(
        said.contains("t: is a Delta table, and is declared to be something else\nhint: leave out --input-format"),
        "{said}"
    );
    desk.write("a.csv", "Session Id,Started At\n");
    let said = refused(&["a.csv", "--input-format", "delta"]);
    assert!(said.contains("a.csv: is no Delta table, as is declared\nhint: name the folder"), "{said}");
    std::fs::write(desk.path("t/_delta_log/00000000000000000000.json"), "{\"add\":").unwrap();
    let said = refused(&["t"]);
    assert!(said.contains("00000000000000000000.json is cut off"), "{said}");
}

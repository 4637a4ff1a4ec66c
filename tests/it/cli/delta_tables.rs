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
         union all select null, timestamp '2026-11-20T10:00:00Z', null, 'x' order by session_id nulls last",
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

/// The bytes of a deletion vector of these rows.
fn bitmap(rows: &[u64]) -> Vec<u8> {
    let mut bytes = 1_681_511_377_u32.to_le_bytes().to_vec();
    rows.iter().copied().collect::<roaring::RoaringTreemap>().serialize_into(&mut bytes).unwrap();
    bytes
}

fn with_vector(path: &str, storage: &str, text: &str, offset: Option<u32>, (bytes, rows): (usize, usize)) -> Value {
    let mut action = add(path, json!({}));
    action["add"]["deletionVector"] =
        json!({ "storageType": storage, "pathOrInlineDv": text, "sizeInBytes": bytes, "cardinality": rows });
    if let Some(offset) = offset {
        action["add"]["deletionVector"]["offset"] = json!(offset);
    }
    action
}

#[test]
fn rows_that_a_deletion_vector_deletes_are_left_out() {
    let desk = Desk::with_lake();
    let rows_of = |from: u32, to: u32| {
        let row = |n: u32| {
            let start = if n == 13 { "'soon'".to_owned() } else { format!("'2026-11-20T10:{n:02}:00Z'") };
            format!("select 's{n:02}' as session_id, {start} as started_at")
        };
        (from..to).map(row).collect::<Vec<_>>().join(" union all ") + " order by session_id"
    };
    part(&desk, "t/a.parquet", &rows_of(0, 10));
    part(&desk, "t/b.parquet", &rows_of(10, 20));
    part(&desk, "t/c.parquet", &rows_of(20, 22));
    let columns = [("session_id", "string"), ("started_at", "string")];
    let features = ["deletionVectors"];
    let protocol = json!({ "protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features,
    } });
    let (first, second) = (bitmap(&[0, 3, 9]), bitmap(&[1, 2]));
    let mut inline = first.clone();
    inline.resize(first.len().next_multiple_of(4), 0);
    // Two in one file, each behind its length and before its checksum.
    let mut file = vec![1_u8];
    let mut offsets = Vec::new();
    for bitmap in [&first, &second] {
        offsets.push(file.len() as u32);
        let mut sum = flate2::Crc::new();
        sum.update(bitmap);
        file.extend([&(bitmap.len() as u32).to_be_bytes()[..], bitmap, &sum.sum().to_be_bytes()].concat());
    }
    let id = uuid::Uuid::parse_str("d2c639aa-8816-431a-aaf6-d3fe2512ff61").unwrap();
    std::fs::create_dir_all(desk.path("t/ab")).unwrap();
    std::fs::write(desk.path(&format!("t/ab/deletion_vector_{id}.bin")), &file).unwrap();
    let name = format!("ab{}", z85::encode(id.as_bytes()));
    let actions = [
        protocol,
        metadata(&columns, &[]),
        with_vector("a.parquet", "i", &z85::encode(&inline), None, (first.len(), 3)),
        with_vector("b.parquet", "u", &name, Some(offsets[1]), (second.len(), 2)),
        add("c.parquet", json!({})),
    ];
    commit(&desk, 0, &actions);
    let (ledger, code) = ingest(&desk, &["t"]);
    // The row that cannot be read is the fourth of its file.
    assert_eq!(
        (code, &ledger["total"]["rows_read"], &ledger["total"]["inserted"]),
        (3, &json!(17), &json!(16)),
        "{ledger}"
    );
    let stored = rows(&desk, "session_id as s", "workflow_sessions");
    let expected: Vec<Value> =
        (0..22).filter(|n| ![0, 3, 9, 11, 12, 13].contains(n)).map(|n| json!({ "s": format!("s{n:02}") })).collect();
    assert_eq!(stored, expected);
    assert_eq!(rows(&desk, "line as l, file as f", "quarantine"), [json!({ "l": 4, "f": "t/b.parquet" })]);
    assert_eq!(ingest(&desk, &["t"]).0["files"][0]["already_in_version"], 1);
    // More is deleted: another version of the table.
    let gone = json!({ "remove": { "path": "c.parquet", "dataChange": true, "deletionTimestamp": 1 } });
    let third = bitmap(&[0, 1]);
    let mut inline = third.clone();
    inline.resize(third.len().next_multiple_of(4), 0);
    commit(&desk, 1, &[gone, with_vector("c.parquet", "i", &z85::encode(&inline), None, (third.len(), 2))]);
    assert_eq!(ingest(&desk, &["t"]).0["total"]["rows_read"], 15);
    // One that is damaged, or deletes what is not there, costs the table.
    for (vector, words) in [
        (
            with_vector("c.parquet", "u", &name, Some(offsets[1]), (second.len(), 1)),
            "deletes 2 rows where the log says 1",
        ),
        (
            with_vector("c.parquet", "u", &name, Some(offsets[0]), (first.len(), 3)),
            "deletes rows behind the 2 of the file",
        ),
        (with_vector("c.parquet", "u", &name, Some(7), (first.len(), 3)), "has another size than the log says"),
        (with_vector("c.parquet", "u", &z85::encode(uuid::Uuid::nil().as_bytes()), Some(1), (9, 3)), "cannot be read"),
    ] {
        let other = Desk::with_lake();
        part(&other, "t/c.parquet", &rows_of(20, 22));
        std::fs::create_dir_all(other.path("t/ab")).unwrap();
        std::fs::write(other.path(&format!("t/ab/deletion_vector_{id}.bin")), &file).unwrap();
        commit(&other, 0, &[actions[0].clone(), actions[1].clone(), vector]);
        let (ledger, code) = ingest(&other, &["t"]);
        let refused = ledger["files"][0]["refused"].as_str().unwrap_or_else(|| panic!("{ledger}"));
        assert!(code == 3 && refused.contains(words), "{refused}");
    }
}

#[test]
fn columns_that_are_mapped_by_numbers_are_found_by_them() {
    use parquet::arrow::ArrowWriter;

    let desk = Desk::new();
    let field = |name: &str, id: i32| {
        let metadata = [("PARQUET:field_id".to_owned(), id.to_string())].into();
        arrow::datatypes::Field::new(name, arrow::datatypes::DataType::Utf8, true).with_metadata(metadata)
    };
    let text = |text: &str| std::sync::Arc::new(arrow::array::StringArray::from(vec![text])) as arrow::array::ArrayRef;
    let schema = arrow::datatypes::Schema::new(vec![field("started_at", 7), field("was_start", 2), field("x", 9)]);
    let columns = vec![text("s1"), text("2026-11-20T10:00:00Z"), text("gone")];
    let batch = arrow::record_batch::RecordBatch::try_new(std::sync::Arc::new(schema), columns).unwrap();
    std::fs::create_dir(desk.path("t")).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(desk.path("t/a.parquet")).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mapped = |name: &str, id: i32| {
        let numbers = json!({ "delta.columnMapping.id": id, "delta.columnMapping.physicalName": format!("col-{id}") });
        json!({ "name": name, "type": "string", "nullable": true, "metadata": numbers })
    };
    let fields = [mapped("session_id", 7), mapped("started_at", 2), mapped("variables_category", 3)];
    let schema = json!({ "type": "struct", "fields": fields }).to_string();
    let metadata = json!({ "metaData": {
        "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": { "provider": "parquet", "options": {} }, "schemaString": schema,
        "partitionColumns": [], "configuration": { "delta.columnMapping.mode": "id", "delta.columnMapping.maxColumnId": "9" }, "createdTime": 0,
    } });
    let protocol = json!({ "protocol": { "minReaderVersion": 2, "minWriterVersion": 5 } });
    commit(&desk, 0, &[protocol, metadata, add("a.parquet", json!({}))]);
    let (ledger, code) = ingest(&desk, &["t"]);
    assert_eq!((code, &ledger["total"]["inserted"]), (0, &json!(1)), "{ledger}");
    let stored = rows(&desk, "session_id, started_at, variables_category", "workflow_sessions");
    let expected = json!({ "session_id": "s1", "started_at": "2026-11-20T10:00:00Z", "variables_category": null });
    assert_eq!(stored, [expected]);
}

#[test]
fn members_of_nested_columns_that_are_mapped_have_the_names_of_the_table() {
    let desk = Desk::with_lake();
    let parts = "select 's1' as \"col-1\", timestamp '2026-11-20T10:00:00Z' as \"col-2\", \
                 named_struct('col-4', 'gold', 'col-9', 'gone', 'col-5', make_array(named_struct('col-6', 7))) as \"col-3\"";
    part(&desk, "t/a.parquet", parts);
    let mapped = |name: &str, id: i32, kind: Value| {
        let numbers = json!({ "delta.columnMapping.id": id, "delta.columnMapping.physicalName": format!("col-{id}") });
        json!({ "name": name, "type": kind, "nullable": true, "metadata": numbers })
    };
    let count = json!({ "type": "struct", "fields": [mapped("n", 6, json!("integer"))] });
    let data = json!({ "type": "struct", "fields": [
        mapped("items", 5, json!({ "type": "array", "elementType": count, "containsNull": true })),
        mapped("tier", 4, json!("string")),
        mapped("later", 8, json!("string")),
    ] });
    let fields = [
        mapped("session_id", 1, json!("string")),
        mapped("started_at", 2, json!("timestamp")),
        mapped("data", 3, data),
    ];
    let schema = json!({ "type": "struct", "fields": fields }).to_string();
    let metadata = json!({ "metaData": {
        "id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": { "provider": "parquet", "options": {} }, "schemaString": schema,
        "partitionColumns": [], "configuration": { "delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "9" },
        "createdTime": 0,
    } });
    let protocol = json!({ "protocol": { "minReaderVersion": 2, "minWriterVersion": 5 } });
    commit(&desk, 0, &[protocol, metadata, add("a.parquet", json!({}))]);
    let (ledger, code) = ingest(&desk, &["t"]);
    assert_eq!((code, &ledger["total"]["inserted"]), (0, &json!(1)), "{ledger}");
    let stored = rows(&desk, "session_id, data", "workflow_sessions");
    assert_eq!(stored, [json!({ "session_id": "s1", "data": r#"{"items":[{"n":7}],"tier":"gold","later":null}"# })]);
}

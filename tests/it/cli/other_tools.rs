//! Exports as other tools write them: read right where its dialect is declared, told where it is not.

use serde_json::Value;

use crate::support::{Desk, EXPORTED};

const COLUMNS: &str = "select session_id, cast(started_at as varchar) as s, cast(ended_at as varchar) as e, time_in_workflow as t, \
                       data, variables_category as c from workflow_sessions order by 1";

/// Takes a file in, and returns its ledger and the exit code.
fn ingest(desk: &Desk, text: &str, name: &str, flags: &[&str]) -> (Value, i32) {
    desk.write(name, text);
    let ran = desk.run(&[&["ingest", "--format", "json", "--exported-at", EXPORTED, name], flags].concat());
    (serde_json::from_str(&ran.out).unwrap(), ran.code)
}

/// The rows of the lake as JSON, one a line.
fn rows(desk: &Desk) -> Vec<Value> {
    let out = desk.query(COLUMNS, &["--format", "ndjson"]).fine();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const POSTGRES: &str = "session_id\tstarted_at\tended_at\tdata\tvariables_category\n\
    t1\t2026-11-20 11:00:00.000001+01\t2026-11-20 11:05:00+01\t{\"t\":\"a\\\\nb\",\"q\":\"say \\\\\"hi\\\\\"\"}\ttab\\there, backslash \\\\ and\\nline\n\
    t2\t2026-11-20 12:00:00+01\t\\N\t{}\t\\N\n";

#[test]
fn text_of_postgresql_is_read_with_its_escapes_and_nulls() {
    for dialect in ["postgres-text", "clickhouse-tsv", "mysql"] {
        let desk = Desk::new();
        let (ledger, code) = ingest(&desk, POSTGRES, "a.tsv", &["--dialect", dialect]);
        assert_eq!((code, &ledger["total"]["inserted"]), (0, &Value::from(2)), "{ledger}");
        assert_eq!(ledger["warnings"], serde_json::json!({}));
        let rows = rows(&desk);
        assert_eq!(rows[0]["data"], r#"{"t":"a\nb","q":"say \"hi\""}"#);
        assert_eq!(rows[0]["c"], "tab\there, backslash \\ and\nline");
        assert_eq!((&rows[1]["e"], &rows[1]["c"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn text_of_postgresql_that_is_not_declared_is_told() {
    let desk = Desk::new();
    let (ledger, _) = ingest(&desk, &POSTGRES.replace("\t\\N\t{}", "\t\t{}"), "a.tsv", &[]);
    assert_eq!(ledger["warnings"]["null_mark"], 1, "{ledger}");
    assert_eq!(ledger["warnings"]["backslash_escape"], 1);
}

#[test]
fn nulls_of_clickhouse_are_those_without_quotes() {
    let text = "\"session_id\",\"started_at\",\"ended_at\",\"source_details_phone_number\",\"variables_category\",\"data\"\n\
                \"n1\",\"2026-11-20 10:00:00.000001\",\"2026-11-20 10:05:00.000000\",\\N,\\N,\"{\"\"a\"\":\"\"\\\\N\"\"}\"\n\
                \"n2\",\"2026-11-20 11:00:00.000000\",\\N,\"+12025550143\",\"\\N\",\"{}\"\n";
    for flags in [["--dialect", "clickhouse-csv"], ["--null-mark", "\\N"]] {
        let desk = Desk::new();
        assert_eq!(ingest(&desk, text, "a.csv", &flags).1, 0);
        let rows = rows(&desk);
        assert_eq!((&rows[0]["c"], &rows[0]["data"]), (&Value::Null, &Value::from(r#"{"a":"\\N"}"#)));
        assert_eq!((&rows[1]["e"], &rows[1]["c"]), (&Value::Null, &Value::from("\\N")));
    }
}

#[test]
fn a_file_of_ours_with_marks_of_null_is_read_back() {
    let desk = Desk::with_lake();
    let sql = "select * from workflow_sessions where variables_category is null or communication_type is null";
    let text = desk.query(sql, &["--csv", "--null", "\\N"]).fine();
    let other = Desk::new();
    assert_eq!(ingest(&other, &text, "a.csv", &["--null-mark", "\\N"]).1, 0);
    let back = "select * from workflow_sessions order by session_id";
    let was = format!("{sql} order by session_id");
    assert_eq!(other.query(back, &["--csv"]).fine(), desk.query(&was, &["--csv"]).fine());
}

#[test]
fn quotes_escaped_by_backslashes_are_read_where_declared_and_named_where_not() {
    let text = "Session Id,Started At,Ended At,Data,Variables - Category\n\
                b1,2026-11-20T10:00:00Z,,\"{\\\"a\\\":1}\",ok\n\
                b2,2026-11-20T10:00:00Z,,\"{\\\"a\\\":1,\\\"b\\\":\\\"x,y\\\"}\",ok\n\
                b3,2026-11-20T10:00:00Z,,\"{\"\"a\"\":1}\",ok\n\
                b4,2026-11-20T10:00:00Z,,\"[\\\"home\\\",\\\"work\\\"]\",ok\n\
                b5,2026-11-20T10:00:00Z,,\"C:\\\",ok\n";
    for dialect in ["spark", "mysql-csv"] {
        let desk = Desk::new();
        assert_eq!(ingest(&desk, text, "a.csv", &["--dialect", dialect]).1, 0);
        let data: Vec<Value> = rows(&desk).into_iter().map(|row| row["data"].clone()).collect();
        let expected = [r#"{"a":1}"#, r#"{"a":1,"b":"x,y"}"#, r#"{"a":1}"#, r#"["home","work"]"#, r"C:\"];
        assert_eq!(data, expected);
    }
    let desk = Desk::new();
    let (ledger, code) = ingest(&desk, text, "a.csv", &[]);
    assert_eq!(code, 3, "{ledger}");
    let reason = desk.value("select reason from quarantine where line = 2", &[]);
    assert!(reason.contains("escaped by backslashes") && reason.contains("--dialect spark"), "{reason}");
    // What was put aside is read under the dialect that is declared now.
    let again = desk.run(&["ingest", "--replay-quarantine", "--dialect", "spark"]).fine();
    assert!(again.contains("+ 0 quarantined"), "{again}");
    assert_eq!(desk.value("select count(*) from workflow_sessions", &[]), "5");
}

#[test]
fn a_german_spreadsheet_has_its_delimiter_dates_and_commas() {
    let text = "\u{feff}sep=;\r\nSession Id;Started At;Ended At;Time in Workflow\r\n\
                e1;20.11.2026 11:00;20.11.2026 11:05;300,5\r\ne2;20.11.2026 12:00:01;;1.234,5\r\n";
    let desk = Desk::new();
    let flags = ["--dialect", "excel-de", "--time-zone", "Europe/Berlin"];
    assert_eq!(ingest(&desk, text, "a.csv", &flags).1, 0);
    let rows = rows(&desk);
    assert_eq!((&rows[0]["s"], &rows[0]["t"]), (&Value::from("2026-11-20T10:00:00Z"), &Value::from(300.5)));
    assert_eq!((&rows[1]["s"], &rows[1]["t"]), (&Value::from("2026-11-20T11:00:01Z"), &Value::from(1234.5)));
    assert_eq!(rows[1]["e"], Value::Null);
    // The line that names the delimiter is no header without the dialect either.
    let desk = Desk::new();
    let text = "sep=|\nSession Id|Started At\nx|2026-11-20T10:00:00Z\n";
    assert_eq!(ingest(&desk, text, "a.csv", &[]).0["total"]["inserted"], 1);
}

#[test]
fn compact_dates_are_dates_and_what_no_session_can_have_is_told() {
    let text = "Session Id,Started At,Ended At\nc1,20261120100000,20261120100500\nc2,20261120,\n\
                c3,1970-01-02T00:00:00Z,\nc4,2026-11-20T10:00:00Z,9999-12-31T00:00:00Z\nc5,2026-11-20T10:00:00Z,9999-12-31 23:59:59\n";
    let desk = Desk::new();
    let (ledger, code) = ingest(&desk, text, "a.csv", &[]);
    assert_eq!((code, &ledger["warnings"]["implausible_time"]), (0, &Value::from(3)), "{ledger}");
    let read = rows(&desk);
    assert_eq!((&read[0]["s"], &read[0]["e"]), (&"2026-11-20T10:00:00Z".into(), &"2026-11-20T10:05:00Z".into()));
    assert_eq!(read[1]["s"], "2026-11-20T00:00:00Z");
    let desk = Desk::new();
    let (ledger, _) = ingest(&desk, text, "a.csv", &["--no-end", "9999-12-31"]);
    assert_eq!(ledger["warnings"]["implausible_time"], 1);
    assert_eq!(desk.value("select count(*) from workflow_sessions where ended_at is null", &[]), "4");
}

#[test]
fn what_is_declared_wrongly_is_refused_by_name() {
    let desk = Desk::new();
    for (flags, words) in [
        (["--dialect", "orakel"], "unknown --dialect \"orakel\""),
        (["--delimiter", "ab"], "--delimiter \"ab\" is no delimiter"),
        (["--no-end", "never"], "--no-end \"never\" is not a date"),
    ] {
        let told = desk.run(&[&["ingest", "data/workflow_sessions.csv"], &flags[..]].concat()).fails(2);
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn json_objects_with_nothing_between_them_are_records_of_their_own() {
    let text = r#"{"session_id":"f1","started_at":"2026-11-20T10:00:00Z"}{"session_id":"f2","started_at":"2026-11-20T10:01:00Z","data":{"a":"}{"}}{"session_id":"f3","started_at":"2026-11-20T10:02:00Z"}"#;
    for name in ["a.json", "a.ndjson", "a.txt"] {
        let desk = Desk::new();
        let (ledger, code) = ingest(&desk, &format!("{text}\n{}", text.replace("\"f", "\"g")), name, &[]);
        assert_eq!((code, &ledger["total"]["inserted"]), (0, &Value::from(6)), "{name} {ledger}");
        assert_eq!(desk.value("select data ->> 'a' from workflow_sessions where session_id = 'f2'", &[]), "}{");
    }
}

#[test]
fn a_key_that_stands_twice_is_told() {
    let text = "{\"session_id\":\"k1\",\"started_at\":\"2026-11-20T10:00:00Z\",\"version_id\":\"a\",\"version_id\":\"b\"}\n\
                {\"session_id\":\"k2\",\"started_at\":\"2026-11-20T10:00:00Z\",\"x\":1,\"x\":2}\n\
                {\"session_id\":\"k3\",\"started_at\":\"2026-11-20T10:00:00Z\"}\n";
    let desk = Desk::new();
    let (ledger, _) = ingest(&desk, text, "a.ndjson", &[]);
    assert_eq!(ledger["warnings"]["repeated_key"], 2, "{ledger}");
    assert_eq!(desk.value("select version_id from workflow_sessions where session_id = 'k1'", &[]), "a");
}

/// Two texts that end within a character, each in its own way, and one with a whole pair; what is behind them is to be found.
const HALVED: [(&str, &str); 4] = [
    ("l1", r#"{"first":"ok","lone":"x\ud83dy","after":"still here","n":5}"#),
    ("l2", r#"{"first":"ok","low":"\ude00","after":"still here","n":5}"#),
    ("l3", r#"{"first":"ok","pair":"\ud83d\ude00","after":"still here","n":5}"#),
    ("l8", r#"{"first":"ok","k\ud83d":[{"t":"\ude00"}],"after":"still here"}"#),
];

/// Asks a lake of the texts whose halves are read as U+FFFD.
fn assert_halves_are_read(desk: &Desk) {
    let all =
        "select session_id s, data->>'after' a, json_get_int(data, 'n') n, data as d from workflow_sessions order by 1";
    let rows: Vec<Value> = serde_json::from_str(&desk.query(all, &["--format", "json"]).fine()).unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row["s"].as_str().unwrap(), row["d"].as_str().unwrap())).collect();
    assert_eq!(found, HALVED, "the texts are as they came");
    assert!(rows.iter().all(|row| row["a"] == "still here"), "{rows:?}");
    let numbers: Vec<_> = rows.iter().map(|row| row["n"].as_i64()).collect();
    assert_eq!(numbers, [Some(5), Some(5), Some(5), None]);
    for (question, answer) in [
        ("select data->>'lone' from workflow_sessions where session_id = 'l1'", "x\u{fffd}y"),
        ("select data->>'low' from workflow_sessions where session_id = 'l2'", "\u{fffd}"),
        ("select data->>'pair' from workflow_sessions where session_id = 'l3'", "\u{1f600}"),
        ("select count(*) from workflow_sessions where data->>'after' = 'still here'", "4"),
        ("select count(*) from workflow_sessions where json_get_str(data, 'low') = chr(65533)", "1"),
        (
            "select data #>> array['k' || chr(65533), '0', 't'] from workflow_sessions where session_id = 'l8'",
            "\u{fffd}",
        ),
        ("select count(*) from workflow_sessions where json_valid(data)", "4"),
    ] {
        assert_eq!(desk.value(question, &[]), answer, "{question}");
    }
}

#[test]
fn half_a_surrogate_pair_is_stored_as_it_came_and_read_as_the_replacement_character() {
    let lines: String = HALVED
        .iter()
        .map(|(id, data)| {
            format!("{{\"session_id\":\"{id}\",\"started_at\":\"2026-11-20T10:00:00Z\",\"data\":{data}}}\n")
        })
        .collect();
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    let cells: String = HALVED
        .iter()
        .map(|(id, data)| format!("{id},2026-11-20T10:00:00Z,\"{}\"\n", data.replace('"', "\"\"")))
        .collect();
    let csv = format!("session_id,started_at,data\n{cells}");
    let records: Vec<_> =
        HALVED.iter().map(|(id, data)| format!("[\"{id}\",\"2026-11-20T10:00:00Z\",{data}]")).collect();
    let page = format!(
        "{{\"columnHeaders\":[{{\"name\":\"Session Id\"}},{{\"name\":\"Started At\"}},{{\"name\":\"Data\",\"note\":\"\\ud83d\"}}],\"records\":[{}]}}",
        records.join(",")
    );
    for (name, text) in [("a.ndjson", &lines), ("a.json", &array), ("a.csv", &csv), ("page.json", &page)] {
        let desk = Desk::new();
        let (ledger, code) = ingest(&desk, text, name, &[]);
        assert_eq!((code, &ledger["total"]["inserted"]), (0, &Value::from(4)), "{name} {ledger}");
        assert_eq!(ledger["warnings"], serde_json::json!({ "lone_surrogate": 3 }), "{name} {ledger}");
        assert_halves_are_read(&desk);
    }
}

#[test]
fn half_a_surrogate_pair_in_other_columns_is_read_too() {
    let text = concat!(
        r#"{"session_id":"a","started_at":"2026-11-20T10:00:00Z","variables_category":"x\ud83d","source_details":{"name":"\ude00","phone":"+1202"},"other":["\ud83d"]}"#,
        "\n",
        r#"{"session_id":"b","started_at":"2026-11-20T10:00:00Z","data":{"a":"\ud83d"},"version_id":tru}"#,
        "\n",
    );
    let desk = Desk::new();
    let (ledger, code) = ingest(&desk, text, "a.ndjson", &["--keep-extra"]);
    assert_eq!((code, &ledger["total"]["quarantined"]), (3, &Value::from(1)), "{ledger}");
    for (question, answer) in [
        ("select variables_category from workflow_sessions", "x\u{fffd}"),
        (r#"select source_details = '{"name":"\ude00","phone":"+1202"}' from workflow_sessions"#, "true"),
        ("select source_details_phone_number from workflow_sessions", "+1202"),
        (r#"select _extra = '{"other":["\ud83d"]}' from stored_sessions"#, "true"),
        ("select _extra #>> '{other,0}' from stored_sessions", "\u{fffd}"),
        ("select reason from quarantine", "broken JSON at column 93: expected ident"),
    ] {
        assert_eq!(desk.value(question, &[]), answer, "{question}");
    }
}

#[test]
fn a_page_without_a_list_of_records_is_refused_and_not_taken_for_empty() {
    let headers = r#""columnHeaders":[{"name":"Session Id","type":"string"},{"name":"Started At","type":"datetime"}]"#;
    for (rest, words) in [
        (r#","records":{"error":"try again"}"#, "the records of a page are"),
        (r#","records":null"#, "the records of a page are \"null\" and no list"),
        ("", "a page without records"),
        (r#","record":[["a","2026-11-20T10:00:00Z"]]"#, "a page without records"),
    ] {
        let desk = Desk::new();
        let (ledger, code) = ingest(&desk, &format!("{{{headers}{rest}}}"), "a.json", &[]);
        let refused = ledger["files"][0]["refused"].as_str().unwrap();
        assert!(code == 3 && refused.contains(words), "{refused}");
    }
    let desk = Desk::new();
    assert_eq!(ingest(&desk, &format!("{{{headers},\"records\":[]}}"), "a.json", &[]).1, 0, "an empty page is one");
}

#[test]
fn columns_in_the_names_of_folders_are_columns_of_their_files() {
    let desk = Desk::new();
    let phone = "t/communication_type=phone/day=2026-11-20";
    desk.write(&format!("{phone}/a.csv"), "session_id,started_at\np1,2026-11-20T10:00:00Z\n");
    desk.write(
        "t/communication_type=Email/b.ndjson",
        "{\"session_id\":\"e1\",\"started_at\":\"2026-11-20T10:00:00Z\",\"colour\":\"red\"}\n\
         {\"session_id\":\"e2\",\"started_at\":\"2026-11-20T10:00:00Z\",\"communication_type\":\"Task\"}\n",
    );
    desk.write("t/started_at=2026-11-20 10%3A00%3A00/c.csv", "session_id\ns1\n");
    desk.write(
        "t/variables_category=__HIVE_DEFAULT_PARTITION__/c.csv",
        "session_id,started_at\nn1,2026-11-20T10:00:00Z\n",
    );
    let ran = desk.run(&["ingest", "--keep-extra", "--format", "json", "--exported-at", EXPORTED, "t"]);
    let ledger: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &ledger["total"]["inserted"]), (0, &Value::from(5)), "{ledger}");
    let unknown: Vec<&Value> =
        ledger["files"].as_array().unwrap().iter().map(|file| &file["unknown_columns"]).collect();
    assert_eq!(unknown, [&serde_json::json!(["colour"]), &serde_json::json!(["day"]), &Value::Null, &Value::Null]);
    // A record of quarantine is read with the columns of its folders too.
    desk.write(
        "communication_type=Video/d.csv",
        &format!("session_id,started_at\nv1,2026-11-20T10:00:00Z{}\n", " ".repeat(3000)),
    );
    let ran = desk.run(&["ingest", "--max-record-bytes", "2KB", "--exported-at", EXPORTED, "communication_type=Video"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    assert_eq!(desk.run(&["ingest", "--replay-quarantine"]).code, 0);
    let out = desk.query(
        "select session_id, communication_type as t, cast(started_at as varchar) as s, variables_category as c, _extra as x \
         from stored_sessions order by 1",
        &["--format", "csv"],
    );
    assert_eq!(
        out.fine(),
        "session_id,t,s,c,x\n\
         e1,Email,2026-11-20T10:00:00Z,,\"{\"\"colour\"\":\"\"red\"\"}\"\n\
         e2,Task,2026-11-20T10:00:00Z,,\n\
         n1,,2026-11-20T10:00:00Z,,\n\
         p1,Phone,2026-11-20T10:00:00Z,,\"{\"\"day\"\":\"\"2026-11-20\"\"}\"\n\
         s1,,2026-11-20T10:00:00Z,,\n\
         v1,Video,2026-11-20T10:00:00Z,,\n"
    );
}

#[test]
fn the_same_file_in_two_folders_of_other_columns_is_two_files() {
    let desk = Desk::new();
    for kind in ["Phone", "Email"] {
        desk.write(&format!("{kind}/session_id={kind}/a.csv"), "started_at\n2026-11-20T10:00:00Z\n");
        let ran = desk.run(&["ingest", "--format", "json", "--exported-at", EXPORTED, kind]);
        assert!(ran.out.contains("\"inserted\": 1"), "{}", ran.out);
    }
    let again = desk.run(&["ingest", "--exported-at", EXPORTED, "Email"]);
    assert!(again.out.contains("already in version"), "{}", again.out);
}

#[test]
fn missing_columns_are_told_and_those_made_from_others_are_not() {
    let desk = Desk::new();
    let (ledger, _) = ingest(
        &desk,
        "session_id,started_at,ended_at,action_data,action_type,communication_type,source_details,data\ns,2026-11-20T10:00:00Z,,,,,,\n",
        "a.csv",
        &[],
    );
    let note = ledger["files"][0]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("no column for ") && note.contains("variables_category"), "{note}");
    assert!(
        !note.contains("time_in_workflow") && !note.contains("phone_number") && !note.contains("action_type"),
        "{note}"
    );
}

#[test]
fn of_sessions_under_one_id_one_stays_and_the_others_are_kept_aside_with_their_lines() {
    let desk = Desk::new();
    let text = "Session Id,Started At,Ended At,Workflow Id\n\
                3.91E+16,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,w\n\
                3.91E+16,2026-11-20T12:00:00Z,2026-11-20T12:07:00Z,w\n\
                3.91E+16,2026-11-20T12:00:00.4Z,2026-11-20T12:09:00Z,other\n\
                028d0101,2026-11-20T10:00:00Z,2026-11-20T10:05:00Z,w\n\
                028d0101,2026-11-20T10:00:00.5Z,2026-11-20T10:06:00Z,\n";
    let (ledger, code) = ingest(&desk, text, "a.csv", &["--all-or-nothing"]);
    assert_eq!((code, &ledger["version"], &ledger["stopped"]), (3, &Value::Null, &Value::from(true)), "{ledger}");
    let (ledger, code) = ingest(&desk, text, "a.csv", &[]);
    let total = &ledger["total"];
    assert_eq!((code, &total["inserted"], &total["superseded"]), (3, &Value::from(2), &Value::from(1)), "{ledger}");
    assert_eq!((&total["quarantined"], &ledger["warnings"]["same_id"]), (&Value::from(2), &Value::from(2)), "{ledger}");
    let aside = "select file, line, \"column\", raw ->> 'session_id' as id, raw ->> 'ended_at' as ended, reason like 'another session%' as told \
                 from quarantine order by line nulls last, ended";
    let aside = |desk: &Desk| desk.query(aside, &["--format", "csv"]).fine().split_once("\n").unwrap().1.to_owned();
    assert_eq!(
        aside(&desk),
        "a.csv,2,session_id,3.91E+16,2026-11-20T10:05:00Z,true\n\
         a.csv,3,session_id,3.91E+16,2026-11-20T12:07:00Z,true\n"
    );
    // A later export of another session takes the place of the stored one, which is kept aside too, and once.
    let later = "Session Id,Started At,Ended At\n3.91E+16,2026-11-20T15:00:00Z,2026-11-20T15:05:00Z\n";
    desk.write("b.csv", later);
    let ran = desk.run(&["ingest", "--format", "json", "--exported-at", "2026-11-22T00:00:00Z", "b.csv"]);
    let ledger: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &ledger["total"]["updated"], &ledger["warnings"]["same_id"]),
        (0, &Value::from(1), &Value::from(1))
    );
    let with_stored = aside(&desk);
    assert!(with_stored.ends_with("\na.csv,,session_id,3.91E+16,2026-11-20T12:09:00Z,true\n"), "{with_stored}");
    // The first ones again, in a file of other bytes: what lost is known.
    let (ledger, code) = ingest(&desk, &format!("{text}\n"), "a.csv", &[]);
    assert_eq!(
        (code, &ledger["total"]["quarantined"], &ledger["total"]["inserted"]),
        (3, &Value::from(3), &Value::from(0))
    );
    assert_eq!(desk.run(&["ingest", "--replay-quarantine"]).code, 3);
    assert_eq!(aside(&desk).lines().count(), 6);
}

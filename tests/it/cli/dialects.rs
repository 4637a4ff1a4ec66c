//! What may be declared of delimited text, part by part and by name.

use serde_json::{Value, json};

use crate::support::{Desk, EXPORTED};

/// Takes a text in under these flags, and returns its ledger and the exit code.
fn ingest(desk: &Desk, text: &str, flags: &[&str]) -> (Value, i32) {
    desk.write("a.csv", text);
    let ran = desk.run(&[&["ingest", "--format", "json", "--exported-at", EXPORTED, "a.csv"], flags].concat());
    (serde_json::from_str(&ran.out).unwrap(), ran.code)
}

/// Takes a text in that is to be fine, and returns what is stored: id, start, end, time in workflow, data and category.
fn stored(text: &str, flags: &[&str]) -> Vec<Value> {
    let desk = Desk::new();
    let (ledger, code) = ingest(&desk, text, flags);
    assert_eq!((code, &ledger["warnings"]), (0, &json!({})), "{flags:?} {ledger}");
    rows(&desk)
}

fn rows(desk: &Desk) -> Vec<Value> {
    let sql = "select session_id as a, cast(started_at as varchar) as b, cast(ended_at as varchar) as c, time_in_workflow as d, \
               data as e, variables_category as f from workflow_sessions order by 1";
    let out = desk.query(sql, &["--format", "ndjson"]).fine();
    let line = |line| serde_json::from_str::<Value>(line).unwrap().as_object().unwrap().values().cloned().collect();
    out.lines().map(line).map(Value::Array).collect()
}

#[test]
fn what_sqlite_prints_is_read_in_each_of_its_modes() {
    // Written by sqlite3 3.40 and later with .headers on.
    let expected = |category: Value| {
        [
            json!([
                "q1",
                "2026-11-20T10:00:00.000001Z",
                "2026-11-20T10:05:00Z",
                300.0 - 1e-6,
                r#"{"a":"it's, \"b\""}"#,
                category
            ]),
            json!(["q2", "2026-11-20T11:00:00Z", null, null, "{}", null]),
        ]
    };
    let csv = "session_id,started_at,ended_at,data,variables_category\r\n\
               q1,\"2026-11-20 10:00:00.000001\",\"2026-11-20 10:05:00\",\"{\"\"a\"\":\"\"it's, \\\"\"b\\\"\"\"\"}\",x|y\r\n\
               q2,\"2026-11-20 11:00:00\",,{},\"\"\r\n";
    assert_eq!(stored(csv, &["--dialect", "sqlite"]), expected("x|y".into()));
    let quote = "'session_id','started_at','ended_at','data','variables_category'\n\
                 'q1','2026-11-20 10:00:00.000001','2026-11-20 10:05:00','{\"a\":\"it''s, \\\"b\\\"\"}','x|y'\n\
                 'q2','2026-11-20 11:00:00',NULL,'{}',''\n";
    assert_eq!(stored(quote, &["--dialect", "sqlite-quote"]), expected("x|y".into()));
    assert_eq!(stored(quote, &["--quote", "'", "--null-mark", "NULL"]), expected("x|y".into()));
    let tcl = "\"session_id\" \"started_at\" \"ended_at\" \"data\" \"variables_category\"\n\
               \"q1\" \"2026-11-20 10:00:00.000001\" \"2026-11-20 10:05:00\" \"{\\\"a\\\":\\\"it's, \\\\\\\"b\\\\\\\"\\\"}\" \"\\303\\244\\n\"\n\
               \"q2\" \"2026-11-20 11:00:00\" \"\" \"{}\" \"\"\n";
    assert_eq!(stored(tcl, &["--dialect", "sqlite-tcl"]), expected("\u{e4}\n".into()));
    let list = "session_id|started_at|ended_at|data|variables_category\n\
                q1|2026-11-20 10:00:00.000001|2026-11-20 10:05:00|{\"a\":\"it's, \\\"b\\\"\"}|\"x\n\
                q2|2026-11-20 11:00:00||{}|\n";
    for dialect in ["sqlite-list", "redshift"] {
        assert_eq!(stored(list, &["--dialect", dialect]), expected("\"x".into()));
    }
    assert_eq!(stored(list, &["--delimiter", "|", "--quote", "none"]), expected("\"x".into()));
    assert_eq!(stored(&list.replace('|', "\t"), &["--dialect", "sqlite-tabs"]), expected("\"x".into()));
}

#[test]
fn what_snowflake_and_redshift_unload_is_read() {
    let expected = [
        json!(["w1", "2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z", 300.0, r#"{"a":"x,y|z\"q\""}"#, "line\nend \\ "]),
        json!(["w2", "2026-11-20T11:00:00Z", null, null, null, "\"in quotes\""]),
    ];
    let header = "SESSION_ID,STARTED_AT,ENDED_AT,DATA,VARIABLES_CATEGORY\n";
    let unenclosed = "w1,2026-11-20 10:00:00.000,2026-11-20 10:05:00.000,{\"a\":\"x\\,y|z\\\\\"q\\\\\"\"},line\\\nend \\\\ \n\
                      w2,2026-11-20 11:00:00.000,\\N,\\N,\"in quotes\"\n";
    assert_eq!(stored(&format!("{header}{unenclosed}"), &["--dialect", "snowflake"]), expected);
    // Without HEADER = TRUE, which is what is written if nothing is said.
    let columns = ["--dialect", "snowflake", "--columns", "session_id,started_at,ended_at,data,variables_category"];
    assert_eq!(stored(unenclosed, &columns), expected);
    let enclosed = "\"w1\",\"2026-11-20 10:00:00.000\",\"2026-11-20 10:05:00.000\",\"{\"\"a\"\":\"\"x,y|z\\\"\"q\\\"\"\"\"}\",\"line\nend \\ \"\n\
                    \"w2\",\"2026-11-20 11:00:00.000\",\\N,\\N,\"\"\"in quotes\"\"\"\n";
    assert_eq!(stored(&format!("{header}{enclosed}"), &["--dialect", "snowflake-csv"]), expected);
    let escaped = "w1|2026-11-20 10:00:00|2026-11-20 10:05:00|{\"a\":\"x,y\\|z\\\\\"q\\\\\"\"}|line\\\nend \\\\ \n\
                   w2|2026-11-20 11:00:00|||\"in quotes\"\n";
    let columns =
        ["--columns", "session_id,started_at,ended_at,data,variables_category", "--dialect", "redshift-escape"];
    assert_eq!(stored(escaped, &columns), expected);
}

#[test]
fn spreadsheets_of_each_locale_have_their_delimiter_dates_and_numbers() {
    let expected = json!(["x1", "2026-11-05T10:00:00Z", "2026-11-05T10:20:34Z", 1234.5, null, null]);
    for (locale, delimiter, start, end, number) in [
        ("at", ";", "05.11.2026 10:00", "05.11.2026 10:20:34", "1\u{a0}234,5"),
        ("ch", ";", "05.11.2026 10:00", "05.11.2026 10:20:34", "1'234.5"),
        ("fr", ";", "05/11/2026 10:00", "05/11/2026 10:20:34", "1\u{202f}234,5"),
        ("gb", ",", "05/11/2026 10:00", "05/11/2026 10:20:34", "\"1,234.5\""),
        ("jp", ",", "2026/11/5 10:00", "2026/11/5 10:20:34", "1234.5"),
        ("nl", ";", "5-11-2026 10:00", "5-11-2026 10:20:34", "1.234,5"),
        ("se", ";", "2026-11-05 10:00", "2026-11-05 10:20:34", "1234,5"),
        ("us", ",", "11/5/2026 10:00 AM", "11/5/2026 10:20:34 AM", "\"1,234.5\""),
    ] {
        let text = format!("Session Id,Started At,Ended At,Time in Workflow\r\nx1,{start},{end},NUMBER\r\n");
        let text = text.replace(',', delimiter).replace("NUMBER", number);
        assert_eq!(
            stored(&text, &["--dialect", &format!("excel-{locale}")]),
            std::slice::from_ref(&expected),
            "{locale}"
        );
    }
    // The same parts alone.
    let text = "Session Id;Started At;Ended At;Time in Workflow\nx1;05.11.2026 10:00;05.11.2026 10:20:34;1.234,5\n";
    let parts = ["--decimal-mark", ",", "--thousands-mark", ".", "--date-format", "de"];
    assert_eq!(stored(text, &parts), std::slice::from_ref(&expected));
    let text = "Session Id;Started At;Ended At;Time in Workflow\nx1;2026/11/05 10:00;2026/11/05 10:20:34;1 234.5\n";
    assert_eq!(stored(text, &["--thousands-mark", " ", "--date-format", "jp"]), [expected]);
}

#[test]
fn lines_before_the_header_and_comments_are_left_out_and_places_stay_right() {
    let text = "Export of sessions; 20.11.2026\n\"never closed\n\n# made by hand\nSession Id,Started At,Ended At\n\
                # the first day\nk1,2026-11-20T10:00:00Z,\n\n#k0,never,\nk2,soon,\n# the \"end\nk3,2026-11-20T11:00:00Z,# no comment\n\
                k4,2026-11-20T12:00:00Z,\n# last";
    let desk = Desk::new();
    let (ledger, code) = ingest(&desk, text, &["--skip-lines", "3", "--comment", "#"]);
    let counts = (&ledger["total"]["rows_read"], &ledger["total"]["inserted"], &ledger["total"]["quarantined"]);
    assert_eq!((code, counts), (3, (&json!(4), &json!(2), &json!(2))), "{ledger}");
    let bad = desk.query("select line, byte_offset, raw from quarantine order by line", &["--csv"]).fine();
    let offset = |part: &str| text.find(part).unwrap();
    let expected = format!(
        "line,byte_offset,raw\n10,{},\"k2,soon,\"\n12,{},\"k3,2026-11-20T11:00:00Z,# no comment\"\n",
        offset("k2,"),
        offset("k3,")
    );
    assert_eq!(bad, expected);
    // CRLF, a byte order mark and the line that names the delimiter, which is one of those skipped.
    let text = "\u{feff}sep=;\r\nReport\r\nSession Id;Started At\r\nk1;2026-11-20T10:00:00Z\r\n";
    assert_eq!(stored(text, &["--skip-lines", "2"]).len(), 1);
    let text = "Report\rSession Id,Started At\r#x\rk1,2026-11-20T10:00:00Z\r";
    assert_eq!(stored(text, &["--skip-lines", "1", "--comment", "#"]).len(), 1);
    // A comment and a line before the header that are longer than what is in memory at once.
    let long = "x,\"".repeat(1 << 20);
    let text = format!("{long}\nSession Id,Started At\n#{long}\nk1,2026-11-20T10:00:00Z\n#{long}");
    assert_eq!(stored(&text, &["--skip-lines", "1", "--comment", "#", "--max-record-bytes", "1KB"]).len(), 1);
    let (ledger, code) = ingest(&Desk::new(), "a\nb\n", &["--skip-lines", "3"]);
    let refused = ledger["files"][0]["refused"].as_str().unwrap();
    assert!(code == 3 && refused.contains("the file has 2 lines, fewer than --skip-lines"), "{refused}");
}

#[test]
fn a_file_without_a_header_is_read_with_the_columns_named_and_told_of_without() {
    let text = "h1|2026-11-20T10:00:00Z|x\nh2|2026-11-20T11:00:00Z\n";
    let columns = ["--columns", "session_id,Started At,variables_category", "--delimiter", "|"];
    let desk = Desk::new();
    let (ledger, code) = ingest(&desk, text, &columns);
    assert_eq!((code, &ledger["total"]["inserted"], &ledger["total"]["quarantined"]), (3, &json!(1), &json!(1)));
    let reason = desk.query("select line, reason from quarantine", &["--csv"]).fine();
    assert_eq!(reason, "line,reason\n2,2 fields where --columns names 3\n");
    assert_eq!(rows(&desk)[0][5], "x");
    // The record is read again with the columns that fit it.
    let again = ["ingest", "--replay-quarantine", "--columns", "session_id,started_at"];
    assert!(desk.run(&again).fine().contains("1 inserted"));
    let (ledger, _) = ingest(&Desk::new(), text, &[]);
    let refused = ledger["files"][0]["refused"].as_str().unwrap();
    assert!(refused.contains("without a line of headers is read with --columns"), "{refused}");
    let (ledger, _) = ingest(&Desk::new(), text, &["--columns", "session_id,begin"]);
    let refused = ledger["files"][0]["refused"].as_str().unwrap();
    assert!(refused.contains("no column for started_at") && refused.contains("--columns names"), "{refused}");
}

#[test]
fn a_header_that_another_delimiter_takes_apart_names_it() {
    for (delimiter, given) in [("|", "|"), ("~", "~"), (" ", " "), (":", ":"), ("\u{1}", "\\x01")] {
        let text = format!("session_id{delimiter}started_at{delimiter}data\nd1{delimiter}1795168800{delimiter}{{}}\n");
        let (ledger, code) = ingest(&Desk::new(), &text, &[]);
        let refused = ledger["files"][0]["refused"].as_str().unwrap();
        assert_eq!(code, 3);
        assert!(refused.contains(&format!("--delimiter '{given}' takes them apart")), "{refused}");
        assert_eq!(stored(&text, &["--delimiter", given])[0][0], "d1");
    }
    // Hive writes no header.
    let text = "d1\u{1}2026-11-20 10:00:00\u{1}\\N\n";
    let (ledger, _) = ingest(&Desk::new(), text, &[]);
    let refused = ledger["files"][0]["refused"].as_str().unwrap();
    assert!(refused.contains("--delimiter '\\x01'") && refused.contains("--columns"), "{refused}");
    let flags = ["--delimiter", "\\x01", "--columns", "session_id,started_at,variables_category", "--null-mark", "\\N"];
    assert_eq!(stored(text, &flags)[0][5], Value::Null);
}

#[test]
fn a_mark_of_null_in_quotes_is_declared_with_them() {
    let text = "\"session_id\",\"started_at\",\"ended_at\",\"variables_category\"\n\
                \"q1\",\"2026-11-20T10:00:00Z\",\"NULL\",\"a\"\n\"q2\",\"2026-11-20T10:00:00Z\",\"\",\"NULL\"\n";
    let desk = Desk::new();
    let (ledger, code) = ingest(&desk, text, &[]);
    assert_eq!((code, &ledger["warnings"]["null_mark"]), (3, &json!(1)), "{ledger}");
    let reason = desk.query("select reason from quarantine", &["--format", "ndjson"]).fine();
    assert!(reason.contains(r#"--null-mark '\"NULL\"' reads it"#), "{reason}");
    let rows = stored(text, &["--null-mark", "\"NULL\""]);
    assert_eq!((&rows[0][2], &rows[1][5]), (&Value::Null, &Value::Null));
    // Without quotes it stands for what has none.
    let (ledger, code) = ingest(&Desk::new(), text, &["--null-mark", "NULL"]);
    assert_eq!((code, &ledger["warnings"]), (3, &json!({})), "{ledger}");
}

#[test]
fn escapes_are_told_whatever_stands_between_fields_but_commas() {
    let text =
        "session_id|started_at|variables_category\ne1|2026-11-20T10:00:00Z|C:\\\\new\ne2|2026-11-20T10:00:00Z|b\n";
    let (ledger, code) = ingest(&Desk::new(), text, &["--delimiter", "|"]);
    assert_eq!((code, &ledger["warnings"]["backslash_escape"]), (0, &json!(1)), "{ledger}");
    let flags = ["--delimiter", "|", "--escape", "backslash", "--quote", "none"];
    assert_eq!(stored(text, &flags)[0][5], "C:\\new");
    let commas = text.replace('|', ",");
    assert_eq!(stored(&commas, &[])[0][5], "C:\\\\new");
}

#[test]
fn what_is_put_aside_is_read_again_under_the_dialect_it_was_read_with() {
    let text = "'session_id'|'started_at'|'ended_at'|'time_in_workflow'\n'r1'|'20.11.2026 10:00'|~|'1.234,5'\n";
    let desk = Desk::new();
    let flags = ["--quote", "'", "--delimiter", "|", "--null-mark", "~", "--decimal-mark", ",", "--comment", "#"];
    assert_eq!(ingest(&desk, text, &flags).1, 3);
    assert!(desk.run(&["ingest", "--replay-quarantine", "--date-format", "de"]).fine().contains("1 inserted"));
    assert_eq!(rows(&desk), [json!(["r1", "2026-11-20T10:00:00Z", null, 1234.5, null, null])]);
}

#[test]
fn what_is_put_aside_is_read_again_in_its_zone_unless_another_is_given() {
    let text = "session_id,started_at,ended_at\nz1,2026-11-20 10:00:00,soon\n";
    for (flags, environment, started) in [
        (&[][..], None, "2026-11-20T09:00:00Z"),
        (&[], Some("Asia/Tokyo"), "2026-11-20T09:00:00Z"),
        (&["--time-zone", "Asia/Tokyo"], None, "2026-11-20T01:00:00Z"),
        (&["--time-zone=Asia/Tokyo"], None, "2026-11-20T01:00:00Z"),
        (&["--profile", "tokyo"], None, "2026-11-20T01:00:00Z"),
    ] {
        let desk = Desk::new();
        desk.write("sessionlake.toml", "[profile.tokyo]\ntime-zone = \"Asia/Tokyo\"\n");
        assert_eq!(ingest(&desk, text, &["--time-zone", "Europe/Berlin"]).1, 3);
        let mut again = desk.command(&[&["ingest", "--replay-quarantine", "--null-mark", "soon"], flags].concat());
        again.envs(environment.map(|zone| ("SESSIONLAKE_TIME_ZONE", zone)));
        assert!(again.output().unwrap().status.success(), "{flags:?}");
        assert_eq!(rows(&desk), [json!(["z1", started, null, null, null, null])], "{flags:?} {environment:?}");
    }
}

#[test]
fn a_hint_for_a_time_with_its_zone_is_right_in_every_zone() {
    let text = "session_id,started_at\ng1,\"Fri, 20 Nov 2026 10:00:00 GMT\"\n";
    let desk = Desk::new();
    assert_eq!(ingest(&desk, text, &["--time-zone", "Europe/Berlin"]).1, 3);
    let reason = desk.query("select reason from quarantine", &["--format", "ndjson"]).fine();
    assert!(reason.contains("--date-format '%a, %d %b %Y %H:%M:%S %Z' reads it"), "{reason}");
    for pattern in ["%a, %d %b %Y %H:%M:%S %Z", "%a, %d %b %Y %H:%M:%S GMT"] {
        let rows = stored(text, &["--time-zone", "Europe/Berlin", "--date-format", pattern]);
        assert_eq!(rows[0][1], "2026-11-20T10:00:00Z", "{pattern}");
    }
}

#[test]
fn what_another_dialect_breaks_is_told_only_where_that_dialect_reads_it() {
    for (record, words) in [
        (r#""{\"a\":1}",2026-11-20T10:00:00Z"#, "quotes are escaped by backslashes here"),
        (
            r#"a\,b,2026-11-20T10:00:00Z"#,
            "delimiters are escaped by backslashes here, which --escape backslash --quote none reads",
        ),
    ] {
        let desk = Desk::new();
        assert_eq!(ingest(&desk, &format!("session_id,started_at\n{record}\n"), &[]).1, 3);
        let reason = desk.query("select reason from quarantine", &["--format", "csv"]).fine();
        assert!(reason.contains(words), "{reason}");
    }
    for record in [r#"{"a":"b \"c\"","d":1},2026-11-20T10:00:00Z"#, r#"a,b,2026-11-20T10:00:00Z"#] {
        let desk = Desk::new();
        assert_eq!(ingest(&desk, &format!("session_id,started_at\n{record}\n"), &[]).1, 3);
        let reason = desk.query("select reason from quarantine", &["--format", "csv"]).fine();
        assert!(!reason.contains("backslash"), "{reason}");
    }
}

#[test]
fn a_day_of_the_week_that_is_not_that_of_the_date_is_told() {
    let text = "session_id,started_at\nw1,Thu Nov 20 12:00:00 2026\n";
    for flags in [&[][..], &["--date-format", "%a %b %d %H:%M:%S %Y"]] {
        let desk = Desk::new();
        assert_eq!(ingest(&desk, text, flags).1, 3);
        let reason = desk.query("select reason from quarantine", &["--format", "csv"]).fine();
        assert!(reason.contains("the day of that date is Fri, not Thu"), "{reason}");
    }
}

#[test]
fn numbers_of_json_mean_the_same_in_every_dialect() {
    let desk = Desk::new();
    desk.write(
        "a.ndjson",
        "{\"session_id\":\"n1\",\"started_at\":\"2026-11-20T10:00:00Z\",\"time_in_workflow\":1.234}\n\
         {\"session_id\":\"n2\",\"started_at\":1795168800.5,\"time_in_workflow\":\"1.234,5\"}\n",
    );
    desk.run(&["ingest", "--exported-at", EXPORTED, "--decimal-mark", ",", "a.ndjson"]).fine();
    let expected = [("n1", "2026-11-20T10:00:00Z", 1.234), ("n2", "2026-11-20T10:00:00.500Z", 1234.5)];
    assert_eq!(rows(&desk), expected.map(|(id, start, seconds)| json!([id, start, null, seconds, null, null])));
}

#[test]
fn a_part_that_cannot_be_is_refused_by_name() {
    let desk = Desk::new();
    for (flags, words) in [
        (["--quote", "ab"], "--quote \"ab\" is no quote"),
        (["--comment", "//"], "--comment \"//\" is no single character"),
        (["--decimal-mark", ";"], "--decimal-mark \";\" is neither , nor ."),
        (["--thousands-mark", "."], "'.' cannot be the decimal mark and stand between thousands"),
        (["--delimiter", "\""], "'\"' is delimiter and quote"),
        (["--quote=none", "--escape=doubled"], "--escape doubled needs quotes"),
    ] {
        let told = desk.run(&[&["ingest", "data/workflow_sessions.csv"], &flags[..]].concat()).fails(2);
        assert!(told.contains(words), "{told}");
    }
}

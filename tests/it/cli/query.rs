//! Which SQL runs, with which parameters, and what it may do.

use insta::assert_snapshot;

use crate::support::{Desk, EXPORTED, finish};

const SINCE: &str = "-- title: Since\n-- param: since timestamp = -7 days\n\
                     select count(*) as n from workflow_sessions where started_at >= $since\n";

#[test]
fn an_error_of_a_value_in_a_filter_of_the_scan_has_its_place_and_hint() {
    let desk = Desk::new();
    desk.write("s.csv", "session_id,started_at,data\nab\"1,2026-11-20T10:00:00Z,{}\n");
    desk.run(&["ingest", "--exported-at", EXPORTED, "s.csv"]).fine();
    let filter = "select count(*) from workflow_sessions\nwhere session_id::bigint > 0";
    let ran = desk.query(filter, &[]);
    let selected = desk.query("select session_id::bigint from workflow_sessions", &[]);
    assert_eq!((ran.code, selected.code), (1, 1), "{}", ran.err);
    assert!(ran.err.contains("cannot read \"ab\\\"1\" as integer"), "{}", ran.err);
    assert_eq!(ran.err.lines().last(), selected.err.lines().last());
    assert!(ran.err.starts_with("error: -c:1:1: ") || ran.err.starts_with("error: -c:2:"), "{}", ran.err);
    let zero = desk.query("select count(*) from workflow_sessions where 1 / (length(session_id) - 4) > 0", &[]);
    assert_eq!(zero.code, 1);
    assert!(zero.err.contains("division by zero") && zero.err.contains("nullif"), "{}", zero.err);
    // In a report, too.
    desk.write("q.sql", filter);
    let report = desk.run(&["report", "run", "q.sql", "--out", "out"]);
    assert!(report.err.contains("cannot read") && report.err.contains("q.sql:"), "{}", report.err);
}

#[test]
fn a_condition_on_the_day_is_one_whenever_the_data_begin() {
    let desk = Desk::new();
    desk.write(
        "s.csv",
        "session_id,started_at\na,2026-10-01T12:20:00Z\nb,2026-10-02T12:00:00Z\nc,2026-10-03T03:55:00Z\n",
    );
    desk.run(&["ingest", "--exported-at", EXPORTED, "s.csv"]).fine();
    for (condition, count) in [
        ("started_at::date > date '2026-10-01'", "2"),
        ("started_at::date < date '2026-10-03'", "2"),
        ("started_at::date::timestamp > timestamp '2026-10-01'", "2"),
        ("started_at::date - date '2026-10-01' > 0", "2"),
        ("started_at::date > (select min(started_at)::date from workflow_sessions)", "2"),
    ] {
        assert_eq!(desk.value(&format!("select count(*) from workflow_sessions where {condition}"), &[]), count);
        let joined = "select count(*) from workflow_sessions a join workflow_sessions using (session_id) where a.";
        assert_eq!(desk.value(&format!("{joined}{condition}"), &[]), count, "{condition}");
    }
}

#[test]
fn a_sign_may_stand_behind_an_operator_without_a_blank() {
    let desk = Desk::new();
    desk.write("s.csv", "session_id,started_at\na,2026-11-20T10:00:00Z\n");
    desk.run(&["ingest", "--exported-at", EXPORTED, "s.csv"]).fine();
    let out = desk.query("select '[1,2,3]'->>-1 as a, '[1,2,3]'->-2 as b, 3>-1 as c", &["--format", "csv"]).fine();
    assert_eq!(out, "a,b,c\n3,2,true\n");
}

#[test]
fn files_come_before_commands_and_folders_in_the_order_of_names() {
    let desk = Desk::with_lake();
    desk.write("reports/b.sql", "-- title: Second\nselect 'b' as x");
    desk.write("reports/a.SQL", "select 'a' as x");
    desk.write("reports/notes.txt", "not SQL");
    desk.write("last.sql", "select 'last' as x; select 'of all' as x");
    let ran = desk.run(&["query", "-c", "select '1' as x", "-c", "select '2' as x", "--csv", "reports", "last.sql"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.out, "x\na\n\nx\nb\n\nx\nlast\n\nx\nof all\n\nx\n1\n\nx\n2\n");
    assert_snapshot!(ran.err, @r"
    -- reports/a.SQL: (no title)
    -- reports/b.sql: Second
    -- last.sql: (no title)
    -- -c[1]: (no title)
    -- -c[2]: (no title)
    ");
}

#[test]
fn standard_input_is_a_file_named_by_a_dash() {
    let desk = Desk::with_lake();
    let given = |sql: &str| finish(desk.command(&["query", "-", "--csv"]).write_stdin(sql));
    assert_eq!(given("select 1 as x").fine(), "x\n1\n");
    let error = given("select 1;\nselekt 2").fails(1);
    assert!(error.starts_with("error: -:2:1:"), "{error}");
}

#[test]
fn parameters_are_typed_and_counted_from_the_as_of_instant() {
    let desk = Desk::with_lake();
    desk.write("since.sql", SINCE);
    let count = |flags: &[&str]| {
        desk.run(&[&["query", "since.sql", "--csv", "-q", "--as-of", EXPORTED], flags].concat()).fine()
    };
    assert_eq!(count(&[]), count(&["--param", "since=2026-11-14T00:00:00Z"]));
    assert_eq!(count(&["--param", "since=2026-01-01"]), "n\n2000\n");
    let error = desk.run(&["query", "since.sql", "--param", "since=' or 1=1 --"]).fails(2);
    assert_snapshot!(error, @r#"
    error: parameter "since" is "' or 1=1 --", which is no timestamp
    hint: write 2026-03-01, 2026-03-01T09:00:00Z, today, -7 days, start of month or start of month -1 month
    "#);
}

#[test]
fn a_parameter_is_of_its_type_in_every_place() {
    let desk = Desk::with_lake();
    let document = r#"(values ('{"a": 5}')) t(data)"#;
    for (sql, given, answer) in [
        (format!("select data->>$key as v from {document}"), "key=a", "v\n5\n"),
        (format!("select json_get_int(data, $key) + 1 as v from {document}"), "key=a", "v\n6\n"),
        (format!("select data ? $key as v, data #>> array[$key] as w from {document}"), "key=a", "v,w\ntrue,5\n"),
        (format!("select data->$key as v, upper($key) as w from {document}"), "key=a", "v,w\n5,A\n"),
        (
            "-- param: at int\nselect json_get_str(data, $at) as v from (values ('[\"p\", \"q\"]')) t(data)".to_owned(),
            "at=1",
            "v\nq\n",
        ),
        ("-- param: list text[]\nselect unnest($list) as v".to_owned(), "list=x,y", "v\nx\ny\n"),
    ] {
        desk.write("typed.sql", &sql);
        assert_eq!(desk.run(&["query", "typed.sql", "--csv", "--param", given]).fine(), answer, "{sql}");
    }
}

#[test]
fn the_text_of_a_parameter_is_a_value_and_nothing_else() {
    let desk = Desk::with_lake();
    for text in
        ["'; drop table workflow_sessions; --", "x' or '1'='1", "$other", "${HOME}", "a\\'b", "../../etc/passwd", ""]
    {
        let out = desk.query(
            "select $a as a, count(*) as n from workflow_sessions where session_id = $a group by $a",
            &["--json", "--param", &format!("a={text}")],
        );
        assert_eq!(out.fine().replace(char::is_whitespace, ""), "[]", "{text}");
        let out = desk.query("select $a as a", &["--json", "--param", &format!("a={text}")]).fine();
        let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(rows[0]["a"], text);
    }
}

#[test]
fn a_parameter_that_is_not_known_is_an_error_with_the_name_that_is_near() {
    let desk = Desk::with_lake();
    desk.write("since.sql", SINCE);
    assert_snapshot!(desk.run(&["query", "since.sql", "--param", "sinse=today"]).fails(2), @r#"
    error: since.sql has no parameter "sinse"
    hint: did you mean "since"?
    "#);
    let error = desk.run(&["query", "since.sql", "-c", "select 1", "--param", "until=today"]).fails(2);
    assert!(error.contains("none of these scripts has a parameter \"until\""), "{error}");
    assert_snapshot!(desk.query("select 1 where $x = 'a'", &[]).fails(1), @r#"
    error: -c:1:16: parameter $x has no value
      |
    1 | select 1 where $x = 'a'
      |                ^^
    hint: give it with --param x=…
    "#);
}

#[test]
fn parameters_may_come_from_a_file_and_those_of_the_command_line_win() {
    let desk = Desk::with_lake();
    desk.write("values.json", r#"{"a": 7, "b": "text", "c": ["x", "y"], "d": null}"#);
    let sql = "select $a + 1 as a, $b as b, 'y' = any($c) as c, $d is null as d";
    let given = ["--params", "values.json", "--csv"];
    assert_eq!(desk.query(sql, &given).fine(), "a,b,c,d\n8,text,true,true\n");
    assert_eq!(desk.query("select $b as b", &["--params", "one.json", "--csv"]).fails(2).lines().count(), 1);
    desk.write("one.json", r#"{"b": "file"}"#);
    assert_eq!(
        desk.query("select $b as b", &["--params", "one.json", "--csv", "--param", "b=flag"]).fine(),
        "b\nflag\n"
    );
    desk.write("one.json", "[1]");
    let error = desk.query("select 1", &["--params", "one.json"]).fails(2);
    assert!(error.starts_with("error: one.json: not an object of parameters"), "{error}");
}

#[test]
fn the_first_error_ends_the_run_unless_told_to_keep_going() {
    let desk = Desk::with_lake();
    desk.write("1.sql", "select 'one' as x");
    desk.write("2.sql", "select nothing from workflow_sessions");
    desk.write("3.sql", "select 'three' as x");
    let files = ["query", "--csv", "-q", "1.sql", "2.sql", "3.sql"];
    let stopped = desk.run(&files);
    assert_eq!((stopped.code, stopped.out.as_str()), (1, "x\none\n"));
    let went_on = desk.run(&[&files[..], &["--keep-going"]].concat());
    assert_eq!((went_on.code, went_on.out.as_str()), (1, "x\none\n\nx\nthree\n"));
    assert_eq!(went_on.err, stopped.err);
}

#[test]
fn sql_only_reads_unless_it_may_write() {
    let desk = Desk::with_lake();
    let copy = "copy (select 1 as x) to 'copied.csv'";
    assert_snapshot!(desk.query(copy, &[]).fails(1), @r"
    error: -c:1:1: the statement is a COPY TO a file
      |
    1 | copy (select 1 as x) to 'copied.csv'
      | ^^^^
    hint: SQL only reads here; --write lets it write
    ");
    assert!(!desk.path("copied.csv").exists());
    assert_eq!(desk.query(copy, &["--write"]).code, 0);
    assert_eq!(desk.read("copied.csv"), "x\n1\n");
    for sql in [
        "create external table t stored as csv location 'data/workflow_sessions.csv'",
        "select * from 'data/workflow_sessions.csv'",
        "insert into workflow_sessions select * from workflow_sessions",
        "drop table workflow_sessions",
        "explain analyze copy (select 1) to 'copied2.csv'",
    ] {
        let error = desk.query(sql, &[]).fails(1);
        assert!(error.contains("--write") || error.contains("no table"), "{sql}: {error}");
    }
    assert!(!desk.path("copied2.csv").exists());
}

#[test]
fn views_last_from_one_statement_to_the_next() {
    let sql = "create view running as select * from active_sessions; select count(*) as n from running";
    assert_eq!(Desk::with_lake().query(sql, &["--csv"]).fine(), "n\n11\n");
}

#[test]
fn exports_are_queried_without_a_lake_and_leave_nothing() {
    let desk = Desk::new();
    let sql = "select count(*) as n from \"Workflow Sessions\" where \"Ended At\" is null";
    assert_eq!(desk.run(&["query", "--from", "data/workflow_sessions.csv", "--csv", "-c", sql]).fine(), "n\n11\n");
    let flags = ["query", "--csv", "-c", "select count(*) as n from workflow_sessions"];
    let two = ["--from", "data/snapshots/workflow_sessions.1.csv", "--from", "data/formats/*.ndjson"];
    assert_eq!(desk.run(&[&flags[..], &two].concat()).fine(), "n\n397\n");
    assert!(desk.left_over().is_empty() && !desk.path("lake").exists());
    let ran = desk.run(&[&flags[..], &["--from", "data/broken/missing_session_id.csv"]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (0, "n\n3\n"));
    assert_eq!(ran.err, "warning: 2 of 5 records could not be read; see select * from quarantine\n");
}

#[test]
fn the_as_of_instant_is_now() {
    let desk = Desk::with_lake();
    let sql = "select now() = timestamp '2026-11-21T00:00:00Z' and current_date = date '2026-11-21'";
    assert_eq!(desk.value(sql, &[]), "true");
    // The same instant is the evening before in New York.
    assert_eq!(desk.value("select current_date", &["--time-zone", "America/New_York"]), "2026-11-20");
}

#[test]
fn threads_and_memory_change_no_answer() {
    let desk = Desk::with_lake();
    for sql in [
        "select workflow_id, count(*) as n, sum(time_in_workflow / 3) as s, avg(time_in_workflow / 7) as a, max(data) as d \
         from workflow_sessions group by workflow_id order by workflow_id",
        "select date_trunc('hour', started_at) as h, sum(time_in_workflow / 3) as s, avg(time_in_workflow / 7) as a \
         from workflow_sessions group by h order by h",
        "select sum(time_in_workflow / 3) as s, avg(time_in_workflow / 7) as a from workflow_sessions",
    ] {
        let one = desk.query(sql, &["--threads", "1", "--csv"]).fine();
        assert!(one.lines().count() > 1 && one.contains('.'), "{one}");
        for (threads, limit) in [("2", "1GB"), ("4", "64MB")] {
            // The digits of sums too, for they are exact.
            let other = desk.query(sql, &["--threads", threads, "--memory-limit", limit, "--csv"]).fine();
            assert_eq!(one, other, "{sql}");
        }
    }
}

#[test]
fn explain_says_in_how_many_files_a_json_path_comes_from_where() {
    let desk = Desk::new();
    let row = |id: &str, data: &str, ended: &str| {
        format!(r#"{{"Session Id":"{id}","Started At":"2026-11-01T00:00:00Z","Ended At":{ended},"Data":{data}}}"#)
            + "\n"
    };
    let ended = r#""2026-11-01T00:01:00Z""#;
    let running = row("1", r#"{"tier":"gold","list":[1],"object":{"x":1}}"#, "null");
    desk.write("a.ndjson", &(running + &row("2", r#"{"tier":"blue","other":1}"#, ended)));
    desk.run(&["ingest", "a.ndjson"]).fine();
    let sql = "explain select data->>'tier', json_length(data, 'list'), json_length(data, 'object') \
               from workflow_sessions where data->>'nope' is null";
    let plan = desk.query(sql, &[]).fine();
    let told = "json_files=[data $.list: pool 1, NULL 1; data $.nope: NULL 2; data $.object: NULL 1, text 1; \
                data $.tier: leaf 2]";
    assert!(plan.contains(told), "{plan}");
    assert!(!plan.contains("\\n"), "a plan is printed line by line: {plan}");
    let through_view = desk.query("explain select data->>'tier' from active_sessions", &["--json"]).fine();
    assert!(through_view.contains("json_files=[data $.tier: leaf 1]"), "{through_view}");
    let analyzed =
        desk.query("explain analyze select count(*) from workflow_sessions where data->>'tier' = 'gold'", &[]).fine();
    assert!(analyzed.contains("json_files=[data $.tier: leaf 2]"), "{analyzed}");
    let unnested = "explain select e->>'n', json_get_str(e, 't', 'u') from \
                    (select unnest(json_get_array(data, 'list')) as e from workflow_sessions)";
    let plan = desk.query(unnested, &[]).fine();
    let told = "json_files=[data $.list[*].n: pool 1, NULL 1; data $.list[*].t.u: pool 1, NULL 1]";
    assert!(plan.contains(told), "{plan}");
}

#[test]
fn explain_tells_of_calls_whose_values_are_in_the_files() {
    let desk = Desk::new();
    let row = |id: usize, action: &str| {
        format!(
            r#"{{"Session Id":"{id}","Started At":"2026-11-01T00:00:00Z","Ended At":"2026-11-01T00:01:00Z",
            "Action Data":"{action}","Data":{{"mail":"a{id}@b{}.de"}}}}"#,
            id % 2
        )
        .replace('\n', "")
            + "\n"
    };
    let rows: String = (0..8).map(|id| row(id, ["end", "transfer"][id % 2])).collect();
    desk.write("a.ndjson", &rows);
    desk.run(&["ingest", "a.ndjson"]).fine();
    let sql = "explain select email_domain(data->>'mail') as d, count(*), max(email_domain(data->>'other')) \
               from workflow_sessions where action_name(action_data) = 'end' group by 1";
    let plan = desk.query(sql, &[]).fine();
    let told = "json_files=[action_name(action_data): leaf 1; email_domain(data $.mail): leaf 1; \
                email_domain(data $.other): NULL 1]";
    assert!(plan.contains(told), "{plan}");
    let sql = sql.replace("explain ", "");
    assert_eq!(desk.query(&sql, &["--csv"]).fine().lines().nth(1), Some("b0.de,4,"));
}

#[test]
fn statements_are_prepared_and_executed_with_values_of_their_own() {
    let desk = Desk::with_lake();
    let sql = "prepare p(int, text) as select $1 + 1 as x, $2 as y;\nexecute p(3, 'a'); execute p($n, null)";
    assert_eq!(desk.query(sql, &["--csv", "--param", "n=4"]).fine(), "x,y\n4,a\n\nx,y\n5,\n",);
    assert_eq!(desk.query("prepare p as select 1 as x; execute p; deallocate p", &["--csv"]).fine(), "x\n1\n");
    let ran = desk.query("prepare p(int) as select $1 as x; execute p", &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("-c:1:") && ran.err.contains("1 parameters, but 0 provided"), "{}", ran.err);
    desk.write("q.sql", sql);
    assert_eq!(desk.run(&["check", "q.sql"]).code, 0);
}

#[test]
fn a_table_that_is_made_from_a_query_takes_nulls() {
    let desk = Desk::with_lake();
    for made in
        ["e(v int) as values (1)", "e as select count(*) as v from workflow_sessions", "e(v int) as values ($n)"]
    {
        let sql = format!("create table {made}; insert into e values (null); select count(*) - count(v) as n from e");
        let out = desk.query(&sql, &["--write", "--csv", "--param", "n=1"]);
        let out = if made.contains('$') { out } else { desk.query(&sql, &["--write", "--csv"]) };
        assert_eq!(out.fine(), "count\n1\n\nn\n1\n", "{made}");
    }
}

#[test]
fn a_setting_of_the_parser_is_refused_since_it_comes_too_late() {
    let ran = Desk::with_lake().query("set datafusion.sql_parser.dialect = 'mysql'; select 1", &["--write"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("has no effect: a file is parsed, as PostgreSQL's SQL"), "{}", ran.err);
}

#[test]
fn the_longest_chain_of_queries_is_answered_and_a_longer_one_is_refused() {
    let desk = Desk::new();
    desk.write("s.csv", "session_id,started_at,data\na,2026-11-20T10:00:00Z,{}\n");
    desk.run(&["ingest", "--exported-at", EXPORTED, "s.csv"]).fine();
    let chain = |queries: usize| {
        let chain = vec!["select 1 as a, 2 as b"; queries].join(" union all ");
        desk.query(&format!("select count(*) as n from ({chain}) t"), &[])
    };
    let longest = chain(501);
    assert_eq!((longest.code, longest.out.contains("501")), (0, true), "{}", longest.err);
    let longer = chain(502);
    assert!(longer.code == 1 && longer.err.contains("chains more than 500 queries"), "{}", longer.err);
}

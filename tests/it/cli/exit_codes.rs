//! The exit code tells who must act; stderr tells what to do; stdout has data or nothing.

use insta::assert_snapshot;

use crate::support::Desk;

#[test]
fn a_query_that_works_exits_with_0() {
    assert_snapshot!(Desk::with_lake().query("select count(*) as n from workflow_sessions", &[]).fine(), @r"
    +------+
    |    n |
    +------+
    | 2000 |
    +------+
    (1 row)
    ");
}

#[test]
fn a_misspelt_column_exits_with_1_and_shows_where_and_what_was_meant() {
    let desk = Desk::with_lake();
    desk.write("stuck.sql", "-- title: Stuck\n\nselect count(*)\nfrom workflow_sessions\nwhere sesion_id is null;\n");
    let expected = r#"error: stuck.sql:5:7: no column "sesion_id"
  |
5 | where sesion_id is null;
  |       ^^^^^^^^^
hint: did you mean "session_id"?
"#;
    assert_eq!(desk.run(&["query", "stuck.sql"]).fails(1), expected);
    assert_eq!(desk.run(&["check", "stuck.sql"]).fails(1), expected);
}

#[test]
fn an_error_met_in_the_data_exits_with_1() {
    let error = Desk::with_lake().query("select cast(session_id as bigint) from workflow_sessions", &[]).fails(1);
    assert!(error.contains("-c:1:") && error.contains("hint: use try_cast"), "{error}");
}

#[test]
fn broken_syntax_at_the_end_of_a_file_is_found_before_anything_runs() {
    let error = Desk::with_lake().query("select 1;\nselect 2;\nselect 3 +", &[]).fails(1);
    assert!(error.starts_with("error: -c:3:"), "{error}");
}

#[test]
fn wrong_usage_exits_with_2() {
    let desk = Desk::with_lake();
    let cases: &[(&[&str], &str)] = &[
        (&["query"], "nothing to run"),
        (&["query", "nowhere.sql"], "nowhere.sql"),
        (&["query", "tmp"], "no .sql file"),
        (&["query", "-c", ""], "the file is empty"),
        (&["query", "-c", "select 1", "--timeout", "soon"], "write it as 30s"),
        (&["query", "-c", "select 1", "--as-of", "soon"], "not an instant"),
        (&["query", "-c", "select 1", "--time-zone", "Mars/Olympus"], "unknown time zone"),
        (&["query", "-c", "select 1", "--memory-limit", "lots"], "not a size"),
        (&["query", "-c", "select 1", "--format", "xls"], "unknown output format"),
        (&["query", "-c", "select 1", "-o", "result.doc"], "no output format goes with the ending"),
        (&["query", "-c", "select 1", "-o", "nowhere/result.csv"], "does not exist"),
        (&["query", "-c", "select 1", "--csv", "-o", "tmp"], "is a folder"),
        (&["query", "-c", "select $a", "--param", "a"], "has no value"),
        (&["query", "-c", "select $a", "--param", "a=1", "--param", "a=2"], "given twice"),
        (&["query", "-c", "select 1", "--at-version", "1", "--at-time", "2026-11-21"], "cannot be used with"),
        (
            &["query", "-c", "select 1", "--from", "data/workflow_sessions.csv", "--at-version", "1"],
            "cannot be used with",
        ),
        (&["query", "-c", "select 1", "--from", "nowhere.csv"], "nowhere.csv"),
        (&["query", "-c", "select 1", "--lake", "nowhere"], "there is no lake at"),
        (&["query", "-c", "select 1", "--lake", "ftp://host/lake"], "a lake cannot be at"),
        (&["query", "-c", "select 1", "--lake", "s3://key:secret@bucket/lake"], "says more than where it is"),
        (&["query", "-c", "select 1", "--nonsense"], "unexpected argument"),
        (&["ingest"], "required"),
        (&["ingest", "nowhere.csv"], "nowhere.csv"),
        (&["ingest", "data/workflow_sessions.csv", "--map", "Call"], "--map"),
        (&["ingest", "data/workflow_sessions.csv", "--map", "Call=nonsense"], "nonsense"),
        (&["describe", "nonsense"], "no table or function"),
        (&["nonsense"], "unrecognized subcommand"),
    ];
    for (arguments, words) in cases {
        let error = desk.run(arguments).fails(2);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    assert_eq!(desk.run(&[]).code, 2);
}

#[test]
fn more_bad_records_than_allowed_exit_with_3() {
    let desk = Desk::new();
    let ran = desk.run(&["ingest", "data/broken/missing_session_id.csv"]);
    assert_eq!(ran.code, 3);
    assert_snapshot!(ran.err, @r#"
    error: 2 records were quarantined, more than --max-bad 0
    hint: see select file, line, "column", reason from quarantine
    "#);
}

#[test]
fn exports_that_are_not_what_they_claim_exit_with_3_in_a_query_too() {
    let desk = Desk::new();
    let error = desk.run(&["query", "-c", "select 1", "--from", "data/broken/truncated.csv.gz"]).fails(3);
    assert!(error.contains("truncated.csv.gz: the gzip data ends early"), "{error}");
    assert!(desk.left_over().is_empty());
}

#[test]
fn storage_that_refuses_exits_with_4() {
    let desk = Desk::new();
    desk.write("lake", "a file where the folder should be");
    let error = desk.run(&["ingest", "data/workflow_sessions.csv"]).fails(4);
    assert!(error.contains("lake"), "{error}");
    assert_eq!(desk.read("lake"), "a file where the folder should be");
}

#[test]
fn limits_exit_with_6_and_name_the_flag_that_moves_them() {
    let desk = Desk::with_lake();
    // Texts of their own: copies of one text would share its bytes and fit.
    let sort = "select concat(a.data, b.value) as d from workflow_sessions a, generate_series(1, 20) b order by d";
    let cases: &[(&str, &[&str], &str)] = &[
        (sort, &["--threads", "1", "--memory-limit", "1MB"], "--memory-limit"),
        (sort, &["--threads", "1", "--memory-limit", "24MB", "--spill-limit", "1MB"], "--spill-limit"),
        ("select session_id from workflow_sessions", &["--max-rows", "1999"], "--max-rows"),
        (super::signals::ENDLESS, &["--timeout", "500ms"], "--timeout"),
    ];
    for (sql, flags, flag) in cases {
        let error = desk.query(sql, &[&["-o", "result.csv"], *flags].concat()).fails(6);
        assert!(error.contains(flag), "{flags:?}: {error}");
        assert!(error.contains("-c:1: ") || *flag == "--timeout", "{flags:?}: {error}");
        assert!(!desk.path("result.csv").exists() && desk.left_over().is_empty(), "{flags:?}");
    }
    desk.query("select session_id from workflow_sessions", &["--max-rows", "2000"]).fine();
}

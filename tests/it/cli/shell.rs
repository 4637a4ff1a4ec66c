//! shell, as scripts meet it: statements and commands from a pipe. What needs a terminal is in tests/shell.

use crate::support::Desk;

fn ran(desk: &Desk, flags: &[&str], input: &str) -> crate::support::Ran {
    desk.run_with_input(&[&["shell"], flags].concat(), input)
}

#[test]
fn statements_of_several_lines_and_commands_of_one_run_in_their_order() {
    let desk = Desk::with_lake();
    let input = ".mode csv\nselect count(*) as n,\n  ';' as s -- all\nfrom workflow_sessions;\n\\set null none\nselect null as x; select 2 as y;\nselect 3 as z";
    let told = ran(&desk, &[], input);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let sessions = desk.run(&["query", "--csv", "-c", "select count(*) from workflow_sessions"]).fine();
    let sessions = sessions.lines().nth(1).unwrap();
    assert_eq!(told.out, format!("n,s\n{sessions},;\n\nx\nnone\n\ny\n2\n\nz\n3\n"));
}

#[test]
fn an_error_is_told_with_its_place_and_the_next_statement_runs() {
    let desk = Desk::with_lake();
    let told = ran(
        &desk,
        &[],
        ".mode csv\nselect sesion_id\nfrom workflow_sessions;\n\\frobnicate\nselect 1 as a;\n\\q\nselect 2;",
    );
    assert_eq!((told.code, told.out.as_str()), (1, "a\n1\n"));
    assert!(told.err.starts_with("error: shell:1:8: "), "{}", told.err);
    assert!(told.err.contains("hint: did you mean \"session_id\""), "{}", told.err);
    assert!(
        told.err.contains("error: there is no command \\frobnicate\nhint: \\? lists the commands\n"),
        "{}",
        told.err
    );
}

#[test]
fn settings_last_and_can_be_put_back() {
    let desk = Desk::with_lake();
    let input = ".mode csv\n\\set as_of 2026-11-21T12:00:00Z\nselect now() as t;\n\\set time_zone Europe/Berlin\nselect now() as t;\n\
                 \\unset time_zone\nselect now() as t;\n\\set at_version 0\nselect count(*) as n from workflow_sessions;\n\
                 \\set at_version 99\nselect count(*) as n from workflow_sessions;\n\\unset at_version\n\
                 select count(*) > 0 as n from workflow_sessions;\n\\set max_rows 1\nvalues (1), (2);\n\\set volume 11\n\\set\n";
    let told = ran(&desk, &["--as-of", "2026-11-20T00:00:00Z"], input);
    let lines: Vec<&str> = told.out.lines().filter(|line| !line.is_empty()).collect();
    let expected = [
        "t",
        "2026-11-21T12:00:00Z",
        "t",
        "2026-11-21T13:00:00+01:00",
        "t",
        "2026-11-21T12:00:00Z",
        "n",
        "0",
        "n",
        "0",
        "n",
        "true",
    ];
    assert_eq!(lines[..expected.len()], expected, "{}", told.out);
    for text in
        ["as_of       2026-11-21T12:00:00Z", "time_zone   UTC", "format      csv", "max_rows    1", "pager       off"]
    {
        assert!(lines.contains(&text), "{text:?} in {}", told.out);
    }
    assert_eq!(told.code, 2, "of the first error: {}", told.err);
    for text in ["version 99", "more rows than --max-rows 1", "there is no setting \"volume\""] {
        assert!(told.err.contains(text), "{text:?} in {}", told.err);
    }
}

#[test]
fn what_statements_make_is_there_after_the_lake_was_opened_anew() {
    let desk = Desk::with_lake();
    let input = ".mode csv\ncreate view long as select session_id from ended_sessions where time_in_workflow > 60;\n\
                 prepare one as select $1 + 1 as n;\nselect count(*) > 0 as n from long;\n\\refresh\nselect count(*) > 0 as n from long;\n\
                 execute one(41);\ndrop view long;\n\\refresh\nselect * from long;\n\\d long\n";
    let told = ran(&desk, &["--write"], input);
    assert_eq!(told.out, "n\ntrue\n\nn\ntrue\n\nn\n42\n", "{}", told.err);
    assert!(told.err.contains("no table \"long\"") && told.err.contains("there is no table \"long\""), "{}", told.err);
}

#[test]
fn parameters_files_and_outputs_are_those_of_query() {
    let desk = Desk::with_lake();
    desk.write("top.sql", "-- param: top integer = 1\nselect session_id from workflow_sessions order by 1 limit $top;");
    desk.write("both.sql", "\\param who=you\nselect $who as who;\n.mode json\nselect $who\n  as who;\n");
    let input = "\\i top.sql\n\\param top=2\n\\i top.sql\n.read both.sql\n\\param\n\\unset top\n\\o out.csv\nselect 1 as a;\nselect 2 as b;\n\\o\nselect 3 as c;\n\\o no/where.csv\n";
    let told = ran(&desk, &["--param", "who=me"], input);
    let rows: Vec<&str> = told.out.lines().filter(|line| line.starts_with("| 0")).collect();
    assert_eq!(rows.len(), 3, "{}", told.out);
    assert!(told.out.contains("| you |") && told.out.contains("{\"who\":\"you\"}"), "{}", told.out);
    assert!(told.out.contains("top=2\nwho=you\n") && told.out.contains("{\"c\":3}"), "{}", told.out);
    assert_eq!(desk.read("out.csv"), "a\n1\n\nb\n2\n");
    assert!(told.err.contains("no/where.csv") && told.code == 2, "{} {}", told.code, told.err);
}

#[test]
fn a_row_may_take_a_line_for_each_value() {
    let desk = Desk::with_lake();
    let told = ran(
        &desk,
        &[],
        "\\x\nselect 1 as a, 'two\nlines' as \"much longer\", null as n union all select 2, 'é\u{7}', 'x' order by 1;",
    );
    let expected = format!(
        "-[ 1 ]{0}\na           | 1\nmuch longer | two\nlines\nn           | NULL\n-[ 2 ]{0}\na           | 2\nmuch longer | é\\u{{7}}\nn           | x\n(2 rows)\n",
        "-".repeat(34)
    );
    assert_eq!(told.out, expected, "{}", told.err);
}

#[test]
fn statements_do_not_write_unless_told() {
    let desk = Desk::with_lake();
    let told = ran(&desk, &[], "copy (select 1 as a) to 'x.csv';");
    assert!(told.err.contains("--write lets it write") && !desk.path("x.csv").exists(), "{}", told.err);
    let told = ran(&desk, &["--write"], "copy (select 1 as a) to 'x.csv';");
    assert!(told.code == 0 && desk.path("x.csv").exists(), "{}", told.err);
}

#[test]
fn a_shell_without_a_lake_says_so() {
    let desk = Desk::new();
    let told = ran(&desk, &[], "select 1;");
    assert!(told.code == 2 && told.err.contains("no lake"), "{} {}", told.code, told.err);
}

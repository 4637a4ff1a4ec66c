//! Results: where they go, in which format, whole or not at all.

use crate::support::Desk;

const SQL: &str = "select 1 as number, 'a,b' as text, cast(null as varchar) as nothing, '' as empty";

#[test]
fn formats_are_named_shortened_or_told_by_the_file() {
    let desk = Desk::with_lake();
    for (format, expected) in [
        ("csv", "number,text,nothing,empty\n1,\"a,b\",,\"\"\n"),
        ("tsv", "number\ttext\tnothing\tempty\n1\ta,b\t\t\"\"\n"),
        ("ndjson", "{\"number\":1,\"text\":\"a,b\",\"nothing\":null,\"empty\":\"\"}\n"),
    ] {
        assert_eq!(desk.query(SQL, &["--format", format]).fine(), expected);
        let file = format!("result.{format}");
        assert_eq!(desk.query(SQL, &["-o", &file]).fine(), "");
        assert_eq!(desk.read(&file), expected);
    }
    assert_eq!(desk.query(SQL, &["--csv"]).fine(), desk.query(SQL, &["--format", "csv"]).fine());
    assert_eq!(desk.query(SQL, &["--json"]).fine(), desk.query(SQL, &["--format", "json"]).fine());
    let rows: serde_json::Value = serde_json::from_str(&desk.query(SQL, &["--json"]).fine()).unwrap();
    assert_eq!(rows[0]["text"], "a,b");
    assert!(desk.query(SQL, &["--format", "markdown"]).fine().starts_with("| number |"));
    for (file, magic) in [("result.parquet", "PAR1"), ("result.arrow", "ARROW1")] {
        desk.query(SQL, &["-o", file]).fine();
        assert!(std::fs::read(desk.path(file)).unwrap().starts_with(magic.as_bytes()));
    }
}

#[test]
fn null_is_printed_as_asked() {
    let desk = Desk::with_lake();
    assert_eq!(desk.query(SQL, &["--csv", "--null", "NA"]).fine(), "number,text,nothing,empty\n1,\"a,b\",NA,\"\"\n");
}

#[test]
fn an_error_leaves_the_old_file_and_no_new_one() {
    let desk = Desk::with_lake();
    desk.write("old.csv", "old");
    let late = "select cast(case when session_id > '0' then session_id else '1' end as bigint) from workflow_sessions";
    for file in ["old.csv", "new.csv"] {
        desk.query(late, &["-o", file]).fails(1);
        desk.query("select 1; select nothing", &["-o", file]).fails(1);
        desk.query("select session_id from workflow_sessions", &["-o", file, "--max-rows", "10"]).fails(6);
    }
    assert_eq!(desk.read("old.csv"), "old");
    let mut names: Vec<String> =
        std::fs::read_dir(desk.path("")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| name != "queries");
    assert_eq!(names, ["data", "lake", "old.csv", "tmp"]);
    desk.query("select 1 as x", &["-o", "old.csv"]).fine();
    assert_eq!(desk.read("old.csv"), "x\n1\n");
}

#[test]
fn a_binary_file_holds_one_result() {
    let error = Desk::with_lake().query("select 1; select 2", &["-o", "two.parquet"]).fails(2);
    assert!(error.contains("parquet holds one result"), "{error}");
}

#[test]
fn errors_and_notes_never_stand_among_the_data() {
    let desk = Desk::with_lake();
    let ran = desk.query("select 'x' as a; select nothing", &["--csv"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "a\nx\n"));
    assert!(ran.err.starts_with("error: -c:1:25:"), "{}", ran.err);
}

#[test]
fn colours_are_only_where_they_are_asked_for() {
    let desk = Desk::with_lake();
    assert!(!desk.query(SQL, &[]).fine().contains('\u{1b}'));
    assert!(!desk.query(SQL, &["--color", "never"]).fine().contains('\u{1b}'));
    let always = desk.query(SQL, &["--color", "always"]).fine();
    assert!(always.contains('\u{1b}'), "{always}");
    // A file is no terminal, whatever is asked for.
    desk.query(SQL, &["--color", "always", "-o", "result.txt"]).fine();
    assert!(!desk.read("result.txt").contains('\u{1b}'));
}

#[test]
fn times_are_shown_in_the_time_zone() {
    let sql = "select max(started_at) as t from workflow_sessions where session_id = 'none' or started_at < now()";
    let desk = Desk::with_lake();
    let (utc, berlin) = (desk.value(sql, &[]), desk.value(sql, &["--time-zone", "Europe/Berlin"]));
    assert!(utc.ends_with('Z') && berlin.ends_with("+01:00"), "{utc} {berlin}");
}

//! Where lakes are, and their past.

use crate::support::{Desk, EXPORTED};

#[test]
fn a_lake_is_named_by_a_path_with_blanks_or_an_absolute_one_or_a_url() {
    let desk = Desk::new();
    let file = "data/workflow_sessions.csv";
    desk.run(&["ingest", "--lake", "my lakes/the first", file, "--exported-at", EXPORTED]).fine();
    let absolute = desk.path("my lakes/the first").display().to_string();
    let url = format!("file://{}", absolute.replace(' ', "%20"));
    for lake in ["my lakes/the first", "./my lakes/../my lakes/the first/", &absolute, &url] {
        assert_eq!(desk.value("select count(*) from workflow_sessions", &["--lake", lake]), "2000", "{lake}");
    }
}

#[test]
fn a_lake_that_is_not_there_is_named_and_not_made() {
    let desk = Desk::new();
    desk.write("file", "");
    for lake in ["nowhere", "data", "file"] {
        let error = desk.query("select 1", &["--lake", lake]).fails(2);
        assert!(error.starts_with(&format!("error: there is no lake at {lake:?}\nhint: sessionlake ingest makes one")));
        desk.run(&["history", "--lake", lake]).fails(2);
    }
    assert!(!desk.path("nowhere").exists());
}

#[test]
fn the_past_is_there_by_version_and_by_time() {
    let desk = Desk::new();
    for snapshot in 1..=3 {
        let file = format!("data/snapshots/workflow_sessions.{snapshot}.csv");
        desk.run(&["ingest", &file, "--exported-at", &format!("2026-11-{}T00:00:00Z", 18 + snapshot)]).fine();
    }
    let count = "select count(*) from workflow_sessions";
    let counted: Vec<String> =
        (0..=3).map(|version| desk.value(count, &["--at-version", &version.to_string()])).collect();
    assert_eq!(counted, ["0", "197", "220", "240"]);
    let committed = desk.value("select committed_at from lake_history where version = 2", &[]);
    assert_eq!(desk.value(count, &["--at-time", &committed]), "220");
    assert_eq!(desk.value(count, &[]), "240");
    let error = desk.query(count, &["--at-version", "9"]).fails(2);
    assert!(error.contains("lake has no version 9\nhint: the newest is 3"), "{error}");
    let error = desk.query(count, &["--at-time", "2020-01-01"]).fails(2);
    assert!(error.contains("no version of 2020-01-01"), "{error}");
}

#[test]
fn history_lists_versions_the_newest_first() {
    let out = Desk::with_lake().run(&["history", "--csv"]).fine();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("version,committed_at,operation,rows_read,inserted,"), "{out}");
    assert!(lines[1].starts_with("1,") && lines[1].ends_with(",WRITE,2004,2000,0,0,2,2,0,"), "{out}");
    assert!(lines[2].starts_with("0,") && lines[2].ends_with(",CREATE TABLE,,,,,,,,"), "{out}");
}

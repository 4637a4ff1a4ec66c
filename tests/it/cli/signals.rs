//! Stopping a run from outside.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::support::{Desk, finish};

/// A query that computes for hours without a pause.
pub const ENDLESS: &str = "select count(*) from workflow_sessions a, workflow_sessions b, workflow_sessions c \
                           where a.data || b.data > c.data";

/// Starts the endless query, sends a signal once it runs, and returns the exit code and what was said.
#[cfg(unix)]
fn stopped_by(signal: &str, desk: &Desk) -> (Option<i32>, String) {
    desk.write("endless.sql", ENDLESS);
    desk.write("1.sql", "select 1");
    let mut process = desk.process(&["query", "1.sql", "endless.sql", "-o", "result.csv"]);
    let mut child = process.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("-- endless.sql") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "the query ended by itself");
    }
    let killed = std::process::Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(killed.unwrap().success());
    let code = child.wait().unwrap().code();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    (code, rest)
}

#[cfg(unix)]
#[test]
fn an_interrupted_query_exits_with_130_and_leaves_no_file() {
    let desk = Desk::with_lake();
    desk.write("result.csv", "old");
    let (code, rest) = stopped_by("INT", &desk);
    assert_eq!((code, rest.as_str()), (Some(130), "error: cancelled\n"));
    assert_eq!(desk.read("result.csv"), "old");
    assert!(desk.left_over().is_empty(), "{:?}", desk.left_over());
    let names: Vec<_> = std::fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("partial")), "{names:?}");
}

#[cfg(unix)]
#[test]
fn a_terminated_query_exits_with_143() {
    assert_eq!(stopped_by("TERM", &Desk::with_lake()).0, Some(143));
}

#[cfg(unix)]
#[test]
fn a_query_whose_terminal_has_gone_exits_with_129_and_leaves_no_file() {
    let desk = Desk::with_lake();
    assert_eq!(stopped_by("HUP", &desk).0, Some(129));
    assert!(desk.left_over().is_empty(), "{:?}", desk.left_over());
    assert!(!desk.path("result.csv").exists());
}

#[test]
fn a_reader_that_goes_away_ends_a_query_quietly() {
    let desk = Desk::with_lake();
    let sql = "select a.data from workflow_sessions a, generate_series(1, 100) b";
    let mut child =
        desk.process(&["query", "--csv", "-c", sql]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((line.as_str(), output.status.code()), ("data\n", Some(0)));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn what_is_spilled_is_gone_after_the_query() {
    let desk = Desk::with_lake();
    // Texts of their own: copies of one text would share its bytes and fit.
    let sql = "select concat(a.data, b.value) as d from workflow_sessions a, generate_series(1, 20) b order by d";
    let flags = ["query", "--csv", "--threads", "1", "-c", sql];
    let roomy = desk.run(&flags).fine();
    let tight = finish(desk.command(&flags).args(["--memory-limit", "24MB"])).fine();
    assert!(roomy == tight && roomy.len() > 30_000_000);
    let plan = format!("explain analyze {sql}");
    let plan = desk.query(&plan, &["--threads", "1", "--memory-limit", "24MB"]).fine();
    let spills = plan.split("spill_count=").nth(1).and_then(|rest| rest.split([',', ' ']).next()).unwrap();
    assert!(spills.parse::<u32>().unwrap() > 0, "{plan}");
    assert!(desk.left_over().is_empty());
}

/// Starts an ingest, sends an interrupt once it reads, and returns the exit code and what was said.
#[cfg(unix)]
fn interrupted_ingest(desk: &Desk, endless: bool) -> (Option<i32>, String) {
    let mut process = desk.process(&["ingest", "-", "--exported-at", crate::support::EXPORTED, "--threads", "2"]);
    let mut child = process.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = std::fs::read(desk.path("data/workflow_sessions.csv")).unwrap();
    // More than pipe and buffers hold: when the last byte is taken, records are being read.
    for _ in 0..4 {
        std::io::Write::write_all(&mut stdin, &text).unwrap();
    }
    let killed = std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(killed.unwrap().success());
    if !endless {
        // Goes on until the reader is gone.
        while std::io::Write::write_all(&mut stdin, &text).is_ok() {}
    }
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[cfg(unix)]
#[test]
fn an_interrupted_ingest_exits_with_130_and_commits_nothing() {
    for endless in [true, false] {
        let desk = Desk::new();
        let (code, said) = interrupted_ingest(&desk, endless);
        assert_eq!((code, said.as_str()), (Some(130), "error: cancelled\n"));
        let data = crate::support::files_below(&desk.path("lake"));
        assert!(!data.iter().any(|file| file.extension().is_some_and(|ending| ending == "parquet")), "{data:?}");
        assert!(desk.left_over().is_empty(), "{:?}", desk.left_over());
    }
}

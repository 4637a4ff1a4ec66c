//! `sessionlake verify`: what is wrong with a lake is found, and put right where nothing is lost.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Desk, EXPORTED};

const ALL: &str = "select * from workflow_sessions order by session_id";

fn table_of(desk: &Desk) -> PathBuf {
    desk.path("lake/workflow_sessions")
}

/// Makes a lake of six small sessions, in one file.
fn small_lake() -> Desk {
    let desk = Desk::new();
    let row = |n: u32| format!("s{n},2026-11-{n:02}T00:00:00Z,2026-11-{n:02}T00:01:00Z,60,\"{{\"\"step\"\":{n}}}\"\n");
    let rows: String = (1..7).map(row).collect();
    desk.write("a.csv", &format!("Session Id,Started At,Ended At,Time in Workflow,Data\n{rows}"));
    let ran = desk.run(&["ingest", "a.csv", "--exported-at", EXPORTED]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    desk
}

/// Lists the data files of the newest version, the largest first.
fn files(desk: &Desk) -> Vec<String> {
    let out = desk.query("select path from lake_files order by bytes desc", &["--csv"]).fine();
    out.lines().skip(1).map(str::to_owned).collect()
}

fn verify(desk: &Desk, more: &[&str]) -> (i32, Value) {
    let ran = desk.run(&[&["verify", "--format", "json"], more].concat());
    let report = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:#?}"));
    (ran.code, report)
}

/// The kinds of what is wrong, each once.
fn kinds(report: &Value) -> Vec<&str> {
    let mut kinds: Vec<&str> =
        report["faults"].as_array().unwrap().iter().map(|fault| fault["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn nothing_is_wrong_with_a_lake_as_ingests_leave_it() {
    let desk = Desk::new();
    for snapshot in [1, 3] {
        let file = format!("data/snapshots/workflow_sessions.{snapshot}.csv");
        desk.run(&["ingest", &file, "--exported-at", &format!("2026-11-{}T00:00:00Z", 18 + snapshot)]).fine();
    }
    let text = desk.run(&["verify"]).fine();
    assert!(text.starts_with("workflow_sessions: version 2, 4 files, ") && text.contains(", 240 rows\n"), "{text}");
    assert!(text.ends_with("nothing is wrong; --deep reads all bytes\n"), "{text}");
    desk.run(&["ingest", "data/unusual/cp1252.csv", "--exported-at", EXPORTED]);
    let (code, report) = verify(&desk, &["--deep"]);
    assert_eq!((code, &report["faults"]), (0, &json!([])), "{report:#}");
    let tables: Vec<&str> =
        report["tables"].as_array().unwrap().iter().map(|table| table["table"].as_str().unwrap()).collect();
    assert_eq!(tables, ["workflow_sessions", "quarantine", "sightings"]);
    assert_eq!(report["tables"][1]["rows"], 1, "{report:#}");
    // What a killed run left does no harm, and is told.
    let stray = table_of(&desk).join("ended-0123456789abcdef0123456789abcdef.parquet");
    fs::write(&stray, "rows").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&stray).unwrap().set_modified(old).unwrap();
    let text = desk.run(&["verify"]).fine();
    assert!(text.contains("1 file of no version is left behind, which vacuum removes"), "{text}");
}

#[test]
fn files_that_are_gone_cut_or_changed_are_named() {
    let named = |desk: &Desk, file: &str, kind: &str, more: &[&str]| {
        let (code, report) = verify(desk, more);
        assert_eq!((code, kinds(&report)), (3, vec![kind]), "{report:#}");
        assert_eq!(report["faults"][0]["file"], file, "{report:#}");
        assert_eq!(report["faults"][0]["repairable"], false, "{report:#}");
    };
    let desk = small_lake();
    let file = files(&desk).remove(0);
    let path = table_of(&desk).join(&file);
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..content.len() / 2]).unwrap();
    named(&desk, &file, "size", &[]);
    fs::remove_file(&path).unwrap();
    named(&desk, &file, "missing", &[]);
    let ran = desk.run(&["verify", "--deep", "--repair"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.out.contains(&format!("workflow_sessions/{file}: the file is not there; put it back")), "{ran:#?}");
    assert!(ran.err.starts_with("error: 1 fault was found"), "{ran:#?}");
    // A bit anywhere.
    for place in (0..10).map(|part| part * (content.len() - 1) / 9) {
        let mut flipped = content.clone();
        flipped[place] ^= 16;
        fs::write(&path, &flipped).unwrap();
        named(&desk, &file, "damaged", &["--deep"]);
    }
    fs::write(&path, &content).unwrap();
    assert_eq!(verify(&desk, &["--deep"]).0, 0);
}

/// Changes the log's lines.
fn rewrite_log(desk: &Desk, version: u32, mut change: impl FnMut(&mut Value)) {
    let path = table_of(desk).join(format!("_delta_log/{version:020}.json"));
    let mut lines: Vec<Value> =
        fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter_mut().for_each(&mut change);
    fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn statistics_that_are_not_so_are_found_and_put_right() {
    let desk = small_lake();
    let all = desk.query(ALL, &["--csv"]).fine();
    // With its checksum the change is found by that, and without it by the rows.
    for keeps_check in [true, false] {
        rewrite_log(&desk, 1, |line| {
            if line["add"].is_object() {
                let mut statistics: Value = serde_json::from_str(line["add"]["stats"].as_str().unwrap()).unwrap();
                statistics["maxValues"]["started_at"] = json!("2026-11-01T00:00:00.000000Z");
                line["add"]["stats"] = statistics.to_string().into();
                if !keeps_check {
                    line["add"]["tags"].as_object_mut().unwrap().retain(|key, _| key != "sessionlake.check");
                }
            }
        });
        let (code, report) = verify(&desk, &[]);
        assert_eq!((code, kinds(&report)), (3, vec!["statistics"]), "{report:#}");
        assert_eq!(report["faults"][0]["repairable"], true);
    }
    let ran = desk.run(&["verify"]);
    assert!(
        ran.out.contains("a value is greater than the greatest that the log says (--repair puts it right)"),
        "{ran:#?}"
    );
    let text = desk.run(&["verify", "--repair"]).fine();
    assert!(
        text.contains("put right: workflow_sessions/") && text.contains("workflow_sessions is at version 2\n"),
        "{text}"
    );
    assert_eq!(verify(&desk, &["--deep"]).1["faults"], json!([]));
    assert_eq!(desk.query(ALL, &["--csv"]).fine(), all);
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_written_anew() {
    let desk = Desk::new();
    for hour in 0..21 {
        desk.write("a.csv", &format!("Session Id,Started At\ns{hour},2026-11-20T00:00:00Z\n"));
        desk.run(&["ingest", "a.csv", "--exported-at", &format!("2026-11-21T{hour:02}:00:00Z")]);
    }
    let log = table_of(&desk).join("_delta_log");
    let checkpoint = log.join(format!("{:020}.checkpoint.parquet", 19));
    assert!(checkpoint.exists());
    fs::write(&checkpoint, "torn").unwrap();
    let (code, report) = verify(&desk, &[]);
    assert_eq!((code, kinds(&report)), (3, vec!["checkpoint"]), "{report:#}");
    desk.run(&["verify", "--repair"]);
    assert!(fs::read_dir(&log).unwrap().any(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.ends_with(".checkpoint.parquet") && name > format!("{:020}", 20)
    }));
    let out = desk.value("select count(*) from workflow_sessions", &[]);
    assert_eq!(out, "21");
}

#[test]
fn a_log_that_cannot_be_read_is_told_and_the_other_tables_are_verified() {
    let desk = small_lake();
    desk.run(&["ingest", "data/unusual/cp1252.csv", "--exported-at", EXPORTED]);
    fs::write(table_of(&desk).join(format!("_delta_log/{:020}.json", 1)), "{\"add\":").unwrap();
    let (code, report) = verify(&desk, &[]);
    assert_eq!((code, kinds(&report)), (3, vec!["log"]), "{report:#}");
    assert_eq!(report["tables"][0]["table"], "quarantine");
    let error = desk.run(&["verify", "--lake", "nowhere"]).fails(2);
    assert!(error.contains("there is no lake at \"nowhere\""), "{error}");
}

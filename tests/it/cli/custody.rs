//! What keeps a lake in order: vacuum and restore.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::Desk;

const COUNT: &str = "select count(*) from workflow_sessions";
/// A name as our writer makes them.
const STRAY: &str = "ended-0123456789abcdef0123456789abcdef.parquet";

/// Makes a lake of the three snapshots, which are versions 1 to 3.
fn three_versions() -> Desk {
    let desk = Desk::new();
    for snapshot in 1..=3 {
        take(&desk, snapshot).fine();
    }
    desk
}

fn take(desk: &Desk, snapshot: u32) -> crate::support::Ran {
    let file = format!("data/snapshots/workflow_sessions.{snapshot}.csv");
    desk.run(&["ingest", &file, "--exported-at", &format!("2026-11-{}T00:00:00Z", 18 + snapshot)])
}

/// Makes a file that was written so many hours ago.
fn aged(path: &Path, hours: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "rows").unwrap();
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(hours * 3_600))
        .unwrap();
}

/// Has the log say that a version was committed so many days ago.
fn date_back(desk: &Desk, version: u32, days: i64) {
    let path = desk.path(&format!("lake/workflow_sessions/_delta_log/{version:020}.json"));
    let mut lines: Vec<Value> = fs::read_to_string(&path).unwrap().lines().map(json).collect();
    let at = chrono::Utc::now() - chrono::TimeDelta::days(days);
    for line in lines.iter_mut().filter(|line| line["commitInfo"].is_object()) {
        line["commitInfo"]["timestamp"] = at.timestamp_millis().into();
    }
    fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

fn json(out: &str) -> Value {
    serde_json::from_str(out).unwrap()
}

fn names(table: &Value) -> Vec<(&str, &str)> {
    let files = table["files"].as_array().unwrap();
    files.iter().map(|file| (file["path"].as_str().unwrap(), file["why"].as_str().unwrap())).collect()
}

#[test]
fn vacuum_shows_what_would_go_and_removes_it_when_told() {
    let desk = three_versions();
    let tables = desk.path("lake/workflow_sessions");
    aged(&tables.join(STRAY), 200);
    aged(&tables.join("ended-00000000000000000000000000000000.parquet"), 1);
    aged(&tables.join(format!("{STRAY}#1")), 200);
    aged(&tables.join("_delta_log/00000000000000000004.json#123456789012345678901234567890123"), 200);
    // None of these is the table's.
    let others = ["notes.txt", "mine.parquet", "_index/ended-0123456789abcdef0123456789abcdef.parquet", "other/x.txt"];
    others.iter().for_each(|name| aged(&tables.join(name), 200));
    let other_table = tables.join("another").join(STRAY);
    aged(&other_table, 200);
    fs::create_dir(tables.join("another/_delta_log")).unwrap();
    aged(&desk.path("lake/theirs").join(STRAY), 200);

    let before: Vec<_> = crate::support::files_below(&desk.path("lake"));
    let shown = json(&desk.run(&["vacuum", "--format", "json"]).fine());
    assert_eq!(before, crate::support::files_below(&desk.path("lake")), "nothing was removed or made");
    let sessions = &shown["tables"][0];
    assert_eq!((&sessions["table"], &sessions["kept_from"]), (&"workflow_sessions".into(), &0.into()));
    let staged = format!("{STRAY}#1");
    let left = [
        ("_delta_log/00000000000000000004.json#123456789012345678901234567890123", "unfinished"),
        (STRAY, "no_version"),
        (staged.as_str(), "unfinished"),
    ];
    assert_eq!(names(sessions), left);
    assert_eq!(
        (&sessions["young"], &sessions["unknown"]),
        (&1.into(), &serde_json::json!(["mine.parquet", "notes.txt", "other/x.txt"]))
    );

    let text = desk.run(&["vacuum", "--retention", "0"]).fine();
    assert!(text.contains("files of earlier versions"), "{text}");
    assert!(text.contains("nothing was removed, --yes does it"), "{text}");
    let removed = json(&desk.run(&["vacuum", "--retention", "0", "--yes", "--format", "json"]).fine());
    assert_eq!(removed["removed"], true);
    let sessions = &removed["tables"][0];
    assert_eq!(sessions["kept_from"], 3);
    let old = names(sessions).iter().filter(|(_, why)| *why == "old_versions").count();
    assert!(old > 0 && names(sessions).len() == old + 3, "{sessions:#}");
    for name in others.iter().map(|name| tables.join(name)).chain([other_table, desk.path("lake/theirs").join(STRAY)]) {
        assert!(name.exists(), "{}", name.display());
    }
    assert!(!tables.join(STRAY).exists());
    assert_eq!(desk.value(COUNT, &[]), "240");
    let error = desk.query(COUNT, &["--at-version", "2"]).fails(2);
    assert!(
        error.contains("version 2 of ./lake is gone: vacuum removed files of it\nhint: versions from 3 on are kept"),
        "{error}"
    );
    let again = desk.run(&["vacuum", "--retention", "0", "--yes"]).fine();
    assert!(again.contains("nothing to remove"), "{again}");
    // Its own commit changes nothing, and the lake goes on.
    assert_eq!(desk.value("select operation from lake_history order by version desc limit 1", &[]), "VACUUM START");
    assert_eq!(desk.value(COUNT, &["--at-version", "3"]), "240");
    take(&desk, 3).fine();
}

#[test]
fn versions_within_the_retention_stay_and_those_before_go() {
    let desk = three_versions();
    assert!(desk.run(&["vacuum", "--yes"]).fine().contains("nothing to remove"));
    for (version, count) in [("1", "197"), ("2", "220"), ("3", "240")] {
        assert_eq!(desk.value(COUNT, &["--at-version", version]), count);
    }
    // Seven days ago version 2 was the newest.
    for (version, days) in [(0, 30), (1, 20), (2, 10), (3, 5)] {
        date_back(&desk, version, days);
    }
    let report = json(&desk.run(&["vacuum", "--yes", "--format", "json"]).fine());
    assert_eq!(report["tables"][0]["kept_from"], 2, "{report:#}");
    assert!(!names(&report["tables"][0]).is_empty(), "{report:#}");
    for (version, count) in [("2", "220"), ("3", "240"), ("4", "240")] {
        assert_eq!(desk.value(COUNT, &["--at-version", version]), count);
    }
    desk.query(COUNT, &["--at-version", "1"]).fails(2);
    let text = desk.run(&["restore", "--to", "2"]).fine();
    assert!(text.contains("as version 2 was, with 220 sessions"), "{text}");
    for wrong in ["30", "soon"] {
        let error = desk.run(&["vacuum", "--retention", wrong]).fails(2);
        assert!(
            error.contains(&format!("--retention is not a time: {wrong:?}\nhint: write it as 7d, 12h or 0")),
            "{error}"
        );
    }
    let error = desk.run(&["vacuum", "--lake", "nowhere"]).fails(2);
    assert!(error.contains("there is no lake at \"nowhere\""), "{error}");
}

#[test]
fn what_a_run_under_way_has_written_stays_and_what_a_killed_one_wrote_goes() {
    let desk = three_versions();
    let tables = desk.path("lake/workflow_sessions");
    let dead = "ended-11111111111111111111111111111111.parquet";
    for name in [STRAY, dead] {
        fs::write(tables.join(name), "rows").unwrap();
        fs::write(tables.join(format!(".writing-{name}")), format!("3\n{name}\n")).unwrap();
    }
    let living = File::options().write(true).open(tables.join(format!(".writing-{STRAY}"))).unwrap();
    living.try_lock().unwrap();
    let report = json(&desk.run(&["vacuum", "--yes", "--format", "json"]).fine());
    assert_eq!(names(&report["tables"][0]), [(dead, "no_version")]);
    assert_eq!(report["tables"][0]["under_way"], 1);
    assert!(tables.join(STRAY).exists() && !tables.join(dead).exists());
    assert!(!tables.join(format!(".writing-{dead}")).exists());
}

#[test]
fn an_earlier_version_comes_back_and_its_exports_may_be_taken_in_again() {
    let desk = three_versions();
    let all = "select * from workflow_sessions order by session_id";
    let of = |version: &str| desk.query(all, &["--at-version", version, "--csv"]).fine();
    let text = desk.run(&["restore", "--to", "1"]).fine();
    assert!(text.starts_with("the lake is at version 4, which is as version 1 was, with 197 sessions: "), "{text}");
    assert!(text.contains("2 exports may be taken in again\nsessionlake restore --to 3 undoes it\n"), "{text}");
    assert_eq!(desk.query(all, &["--csv"]).fine(), of("1"));
    let again = desk.run(&["restore", "--to", "1"]).fine();
    assert!(again.contains("nothing to do"), "{again}");
    assert_eq!(desk.value("select operation from lake_history order by version desc limit 1", &[]), "RESTORE");
    let known = take(&desk, 1).fine();
    assert!(known.contains("already in version 1"), "{known}");
    for snapshot in [2, 3] {
        let taken = take(&desk, snapshot).fine();
        assert!(taken.contains("rows read"), "{taken}");
    }
    assert_eq!(desk.query(all, &["--csv"]).fine(), of("3"));
    // By time, and back again.
    let committed = desk.value("select committed_at from lake_history where version = 2", &[]);
    let report = json(&desk.run(&["restore", "--at-time", &committed, "--format", "json"]).fine());
    assert_eq!((&report["to"], &report["from"], &report["sessions"]), (&2.into(), &6.into(), &220.into()));
    desk.run(&["restore", "--to", "6"]).fine();
    assert_eq!(desk.query(all, &["--csv"]).fine(), of("3"));
    let error = desk.run(&["restore", "--to", "99"]).fails(2);
    assert!(error.contains("has no version 99"), "{error}");
    assert_eq!(desk.run(&["restore"]).code, 2);
}

#[test]
fn records_that_a_replay_took_in_are_in_quarantine_again_when_it_is_undone() {
    let desk = Desk::new();
    let rows =
        "s1,2026-11-20T00:00:00Z,60\ns2,2026-11-20T01:00:00Z,\"1,5\"\ns3,2026-11-20T02:00:00Z,\"2,5\"\ns4,soon,1\n";
    desk.write("a.csv", &format!("Session Id,Started At,Time in Workflow\n{rows}"));
    assert_eq!(desk.run(&["ingest", "a.csv", "--exported-at", "2026-11-21T00:00:00Z"]).code, 3);
    let (sessions, records) = (
        "select session_id, time_in_workflow from workflow_sessions order by 1",
        "select raw from quarantine order by raw",
    );
    let all = |sql: &str| desk.query(sql, &["--csv"]).fine().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let before = (all(sessions), all(records));
    assert_eq!((before.0.len(), before.1.len()), (1, 3), "{before:?}");
    let replays = ["ingest", "--replay-quarantine", "--decimal-mark", ","];
    assert_eq!(desk.run(&replays).code, 3, "one record stays");
    let after = (all(sessions), all(records));
    assert_eq!((after.0.len(), after.1.len()), (3, 1), "{after:?}");
    let told = desk.run(&["restore", "--to", "1"]).fine();
    assert!(told.contains("2 records are in quarantine again"), "{told}");
    assert_eq!((all(sessions), all(records)), before);
    // Once more the same: nothing is there twice.
    assert_eq!(desk.run(&replays).code, 3);
    assert_eq!((all(sessions), all(records)), after);
    let report = json(&desk.run(&["restore", "--to", "1", "--format", "json"]).fine());
    assert_eq!(report["records_back"], 2, "{report}");
    assert_eq!((all(sessions), all(records)), before);
    // A restore that undoes the restore has the sessions, and the records wait for a replay that finds them known.
    desk.run(&["restore", "--to", "2"]).fine();
    assert_eq!(all(sessions), after.0);
    assert_eq!(desk.run(&replays).code, 3);
    assert_eq!((all(sessions), all(records)), after);
    // Where a vacuum took the records, there is no way back behind the replay, and an error says so.
    desk.run(&["vacuum", "--retention", "0", "--yes"]).fine();
    let error = desk.run(&["restore", "--to", "1"]).fails(2);
    assert!(error.contains("version 1 of ./lake is gone") || error.contains("records that were taken in"), "{error}");
    assert_eq!((all(sessions), all(records)), after);
}

/// Makes a lake of one session and a record in quarantine, which a replay reads that is told of decimal commas.
fn one_and_a_record(desk: &Desk) {
    let rows = "s1,2026-11-20T00:00:00Z,60\ns2,2026-11-20T01:00:00Z,\"1,5\"\n";
    desk.write("a.csv", &format!("Session Id,Started At,Time in Workflow\n{rows}"));
    assert_eq!(desk.run(&["ingest", "a.csv", "--exported-at", "2026-11-21T00:00:00Z"]).code, 3);
}

const REPLAY: [&str; 4] = ["ingest", "--replay-quarantine", "--decimal-mark", ","];
const RECORDS: &str = "select count(*) from quarantine";

#[test]
fn which_records_come_back_is_told_by_versions_and_not_by_clocks() {
    // The first version was committed by a clock that was fast.
    let desk = Desk::new();
    one_and_a_record(&desk);
    date_back(&desk, 1, -2);
    desk.run(&REPLAY).fine();
    assert!(desk.run(&["restore", "--to", "1"]).fine().contains("1 record is in quarantine again"));
    assert_eq!((desk.value(COUNT, &[]), desk.value(RECORDS, &[])), ("1".to_owned(), "1".to_owned()));
    // Nothing of the replay is undone by a way back to it.
    let desk = Desk::new();
    one_and_a_record(&desk);
    desk.run(&REPLAY).fine();
    take(&desk, 1).fine();
    assert!(!desk.run(&["restore", "--to", "2"]).fine().contains("quarantine"));
    assert_eq!((desk.value(COUNT, &[]), desk.value(RECORDS, &[])), ("2".to_owned(), "0".to_owned()));
    // What is in quarantine again needs no file of before.
    desk.run(&["restore", "--to", "1"]).fine();
    desk.run(&["vacuum", "--retention", "0", "--yes"]).fine();
    take(&desk, 2).fine();
    let report = json(&desk.run(&["restore", "--to", "6", "--format", "json"]).fine());
    assert_eq!((&report["records_back"], desk.value(RECORDS, &[])), (&0.into(), "1".to_owned()));
}

#[test]
fn a_restore_that_was_killed_is_made_good_by_the_next_replay() {
    let desk = Desk::new();
    one_and_a_record(&desk);
    desk.run(&REPLAY).fine();
    // The restore of sessions alone, as another program does it, stands for one that died before it looked at the quarantine.
    let quarantine = desk.path("lake/quarantine");
    fs::rename(&quarantine, desk.path("aside")).unwrap();
    desk.run(&["restore", "--to", "1"]).fine();
    fs::rename(desk.path("aside"), &quarantine).unwrap();
    assert_eq!((desk.value(COUNT, &[]), desk.value(RECORDS, &[])), ("1".to_owned(), "0".to_owned()));
    assert!(desk.run(&REPLAY).fine().contains("1 inserted"));
    assert_eq!((desk.value(COUNT, &[]), desk.value(RECORDS, &[])), ("2".to_owned(), "0".to_owned()));
}

#[test]
fn what_an_erasure_took_out_of_the_quarantine_is_not_brought_back_by_a_restore() {
    let desk = Desk::new();
    one_and_a_record(&desk);
    desk.run(&REPLAY).fine();
    desk.run(&["restore", "--to", "1"]).fine();
    // The newest version does not have the session, and version 2 does.
    let told = desk.run(&["erase", "--session-id", "s2", "--yes"]).fine();
    assert!(told.contains("1 record"), "{told}");
    let error = desk.run(&["restore", "--to", "2"]).fails(2);
    assert!(error.contains("version 2 may have rows that version 4 erased"), "{error}");
    assert_eq!((desk.value(COUNT, &[]), desk.value(RECORDS, &[])), ("1".to_owned(), "0".to_owned()));
    let again = json(&desk.run(&["erase", "--session-id", "s2", "--yes", "--format", "json"]).fine());
    assert_eq!(again["sessions"], 0);
    assert_eq!(desk.value("select max(version) from lake_history", &[]), "4", "once is enough");
}

#[test]
fn a_version_of_which_files_are_gone_does_not_come_back() {
    let desk = three_versions();
    desk.run(&["vacuum", "--retention", "0", "--yes"]).fine();
    let error = desk.run(&["restore", "--to", "1"]).fails(2);
    assert!(error.contains("version 1 of ./lake is gone: vacuum removed files of it"), "{error}");
    assert_eq!(desk.value(COUNT, &[]), "240");
    // A file that somebody else removed.
    let desk = three_versions();
    desk.run(&["restore", "--to", "2"]).fine();
    let paths = |version: &str| {
        let out = desk.query("select path from lake_files", &["--csv", "--at-version", version]).fine();
        out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let now = paths("4");
    let gone = paths("3").into_iter().find(|path| !now.contains(path)).unwrap();
    fs::remove_file(desk.path("lake/workflow_sessions").join(&gone)).unwrap();
    let error = desk.run(&["restore", "--to", "3"]).fails(2);
    let words = "version 3 of ./lake cannot come back: 1 of the files that it had are gone, workflow_sessions/";
    assert!(error.contains(words), "{error}");
    let error = desk.run(&["diff", "3", "4"]).fails(2);
    assert!(error.contains("version 3 of ./lake is gone: workflow_sessions/"), "{error}");
}

#[test]
fn the_difference_of_versions_is_the_sessions_that_came_changed_and_went() {
    let desk = three_versions();
    let changes = |arguments: &[&str]| -> Vec<(String, String, String)> {
        let out = desk.run(&[&["diff", "--csv"], arguments].concat()).fine();
        let mut rows = out.lines();
        assert_eq!(rows.next().unwrap(), "session_id,change,columns,started_at,ended_at,current_workflow_item_id");
        let rows = rows.map(|row| {
            let mut cells = csv_cells(row).into_iter();
            (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap())
        });
        rows.collect()
    };
    let count = |rows: &[(String, String, String)], change: &str| rows.iter().filter(|row| row.1 == change).count();
    // As the ledgers of versions 2 and 3 say.
    let sums = desk.query("select sum(inserted), sum(updated) from lake_history where version > 1", &["--csv"]).fine();
    let forward = changes(&["1", "3"]);
    assert_eq!(count(&forward, "came"), 43);
    let changed = count(&forward, "changed");
    assert!(changed > 0 && sums.contains("43,"), "{sums}");
    assert!(forward.iter().any(|row| row.1 == "changed" && row.2.contains("ended_at")), "{forward:?}");
    let back = changes(&["3", "1"]);
    assert_eq!((count(&back, "went"), count(&back, "changed"), count(&back, "came")), (43, changed, 0));
    assert_eq!(changes(&["2"]), changes(&["2", "3"]));
    assert!(changes(&["3", "3"]).is_empty());
    let committed = desk.value("select committed_at from lake_history where version = 1", &[]);
    assert_eq!(changes(&[&committed]), forward);
    let error = desk.run(&["diff", "1", "9"]).fails(2);
    assert!(error.contains("has no version 9"), "{error}");
    let error = desk.run(&["diff", "soon"]).fails(2);
    assert!(error.contains("VERSION is not an instant: \"soon\""), "{error}");
}

/// Cuts a line of CSV.
fn csv_cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

#[test]
fn the_states_that_a_session_went_through_are_told_as_far_as_versions_are_kept() {
    let desk = Desk::new();
    let take = |hour: u32, rows: &str| {
        desk.write("a.csv", &format!("Session Id,Started At,Ended At,Current Workflow Item Id\n{rows}"));
        desk.run(&["ingest", "a.csv", "--exported-at", &format!("2026-11-21T{hour:02}:00:00Z")]);
    };
    take(1, "s1,2026-11-20T00:00:00Z,,menu\ns2,2026-11-20T01:00:00Z,,menu\n");
    take(2, "s1,2026-11-20T00:00:00Z,,queue\ns2,2026-11-20T01:00:00Z,,menu\n");
    take(3, "s1,2026-11-20T00:00:00Z,2026-11-20T00:10:00Z,end\ns3,2026-11-20T02:00:00Z,,menu\n");
    desk.run(&["erase", "--session-id", "s3", "--yes"]).fine();
    let told = |call: &str| {
        let sql = format!("select version, session_id, change, current_workflow_item_id from {call} order by 1, 2");
        desk.query(&sql, &["--csv"]).fine().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(told("session_changes('s1')"), ["1,s1,came,menu", "2,s1,changed,queue", "3,s1,changed,end"]);
    let all =
        ["1,s1,came,menu", "1,s2,came,menu", "2,s1,changed,queue", "3,s1,changed,end", "3,s3,came,menu", "4,s3,went,"];
    assert_eq!(told("session_changes()"), all);
    assert!(told("session_changes('nobody')").is_empty());
    desk.run(&["vacuum", "--retention", "0", "--yes"]).fine();
    assert_eq!(told("session_changes('s1')"), ["4,s1,came,end"]);
    let error = desk.query("select * from session_changes(1)", &[]).fails(1);
    assert!(error.contains("session_changes takes a session id as text, or nothing for all sessions"), "{error}");
}

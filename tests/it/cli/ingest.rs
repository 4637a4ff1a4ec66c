//! Taking exports in: the ledger, the quarantine, and what is committed.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Desk, EXPORTED, finish};

const AT: [&str; 2] = ["--exported-at", EXPORTED];

fn ledger(desk: &Desk, arguments: &[&str]) -> Value {
    let ran = desk.run(&[&["ingest", "--format", "json"], &AT[..], arguments].concat());
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn the_ledger_is_printed_for_people_and_for_machines() {
    let desk = Desk::new();
    let out = desk.run(&[&["ingest", "data/workflow_sessions.csv"], &AT[..]].concat()).fine();
    assert_snapshot!(out, @r"
    data/workflow_sessions.csv: 2004 rows read = 2000 inserted + 0 updated + 0 unchanged + 2 superseded + 2 duplicate + 0 quarantined
      1 row: unknown communication type, kept as it came
      2 rows: invalid JSON, kept as text
      1 row: ended before started
      2 rows: phone number differs from Source Details
      3 rows: time in workflow more than a second off from ended − started
    the lake is at version 1
    ");
    let ledger = ledger(&desk, &["data/snapshots/workflow_sessions.1.csv", "data/snapshots/workflow_sessions.2.csv"]);
    assert_eq!(ledger["version"], 2);
    assert_eq!(ledger["total"]["rows_read"], 417);
    assert_eq!(ledger["files"][1]["file"], "data/snapshots/workflow_sessions.2.csv");
    let stored = desk.value("select ledger ->> 'total' ->> 'rows_read' from lake_history where version = 2", &[]);
    assert_eq!(stored, "417");
    let sum = "select count(*) from lake_history where rows_read is not null \
               and rows_read <> inserted + updated + unchanged + superseded + duplicate + quarantined";
    assert_eq!(desk.value(sum, &[]), "0");
}

#[test]
fn quiet_says_nothing() {
    let desk = Desk::new();
    assert_eq!(desk.run(&[&["ingest", "-q", "data/workflow_sessions.csv"], &AT[..]].concat()).fine(), "");
}

#[test]
fn the_same_file_again_does_nothing() {
    let desk = Desk::with_lake();
    let again = desk.run(&[&["ingest", "data/workflow_sessions.csv"], &AT[..]].concat()).fine();
    assert_eq!(again, "data/workflow_sessions.csv: already in version 1, nothing to do\nnothing was committed\n");
    let copy = std::fs::read(desk.path("data/workflow_sessions.csv")).unwrap();
    std::fs::write(desk.path("copy.csv"), copy).unwrap();
    let by_content = desk.run(&[&["ingest", "copy.csv"], &AT[..]].concat()).fine();
    assert!(by_content.contains("already in version 1"), "{by_content}");
    assert_eq!(desk.value("select max(version) from lake_history", &[]), "1");
}

#[test]
fn the_same_rows_in_another_file_are_unchanged() {
    let desk = Desk::with_lake();
    let text = desk.read("data/workflow_sessions.csv");
    desk.write("more.csv", &format!("{text}\n"));
    let out = desk.run(&[&["ingest", "more.csv"], &AT[..]].concat()).fine();
    assert!(
        out.contains("2004 rows read = 0 inserted + 0 updated + 2000 unchanged + 2 superseded + 2 duplicate"),
        "{out}"
    );
}

#[test]
fn bad_records_are_put_aside_with_their_place_and_the_good_ones_stored() {
    let desk = Desk::new();
    let ran = desk.run(&[&["ingest", "data/broken/missing_session_id.csv"], &AT[..]].concat());
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("5 rows read = 3 inserted") && ran.out.contains("2 quarantined"), "{}", ran.out);
    let sql = "select file, line, \"column\", reason, raw is not null as kept from quarantine order by line";
    assert_snapshot!(desk.query(sql, &["--csv"]).fine(), @r"
    file,line,column,reason,kept
    data/broken/missing_session_id.csv,4,session_id,no session id,true
    data/broken/missing_session_id.csv,5,session_id,no session id,true
    ");
    assert_eq!(desk.value("select count(*) from workflow_sessions", &[]), "3");
}

#[test]
fn as_many_bad_records_as_allowed_are_fine() {
    let desk = Desk::new();
    let out = desk.run(&["ingest", "data/broken/missing_session_id.csv", "--max-bad", "2"]).fine();
    assert!(out.contains("2 quarantined"), "{out}");
    assert_eq!(desk.run(&["ingest", "data/broken/unreadable_values.csv", "--max-bad", "4"]).code, 3);
}

#[test]
fn all_or_nothing_commits_nothing_where_a_record_is_bad() {
    let desk = Desk::new();
    let files = ["ingest", "--all-or-nothing", "data/workflow_sessions.csv", "data/broken/missing_session_id.csv"];
    let ran = desk.run(&[&files[..], &AT[..]].concat());
    assert_eq!(ran.code, 3);
    assert_snapshot!(ran.out, @r"
    data/workflow_sessions.csv: 2004 rows read, 0 of them bad; nothing was stored
      1 row: unknown communication type, kept as it came
      2 rows: invalid JSON, kept as text
      1 row: ended before started
      2 rows: phone number differs from Source Details
      3 rows: time in workflow more than a second off from ended − started
    data/broken/missing_session_id.csv: 5 rows read, 2 of them bad; nothing was stored
      no column for action_data, current_workflow_item_id, source_details_phone_number, source_details, variables_category, variables_sub_category, version_id, workflow_id
    nothing was committed
    ");
    assert_eq!(ran.err, "error: 2 records are bad, more than --max-bad 0; nothing was committed\n");
    let ran = desk.run(&[&files[..], &["--format", "json"], &AT[..]].concat());
    let ledger: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&ledger["stopped"], &ledger["version"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(desk.run(&["history"]).code, 2, "no lake was made");
}

#[test]
fn a_refused_file_is_named_and_the_others_are_stored() {
    let desk = Desk::new();
    let files = ["data/broken/truncated.csv.gz", "data/workflow_sessions.csv"];
    let ran = desk.run(&[&["ingest"], &files[..], &AT[..]].concat());
    assert_eq!(ran.code, 3);
    assert!(ran.out.starts_with("data/broken/truncated.csv.gz: refused, nothing of it was stored\n"), "{}", ran.out);
    assert!(
        ran.err.starts_with("error: data/broken/truncated.csv.gz: the gzip data ends early\nhint: "),
        "{}",
        ran.err
    );
    assert_eq!(desk.value("select count(*) from workflow_sessions", &[]), "2000");
    let alone = Desk::new();
    let ran = alone.run(&[&["ingest", "--all-or-nothing"], &files[..], &AT[..]].concat());
    assert_eq!(ran.code, 3);
    assert_eq!(alone.run(&["history"]).code, 2, "no lake was made");
}

#[test]
fn quarantined_records_are_replayed_once_the_fault_is_understood() {
    let desk = Desk::new();
    assert_eq!(desk.run(&[&["ingest", "data/unusual/cp1252.csv"], &AT[..]].concat()).code, 3);
    assert_eq!(desk.run(&["ingest", "--replay-quarantine"]).code, 3);
    assert_eq!(desk.value("select count(*) from quarantine", &[]), "1");
    let out = desk.run(&["ingest", "--replay-quarantine", "--encoding", "cp1252"]).fine();
    assert!(out.starts_with("quarantine: 1 rows read = 1 inserted"), "{out}");
    assert_eq!(desk.value("select count(*) from quarantine", &[]), "0");
    let declared = ["query", "--from", "data/unusual/cp1252.csv", "--encoding", "cp1252", "--csv", "-c"];
    let table = "select * from workflow_sessions order by session_id";
    assert_eq!(desk.query(table, &["--csv"]).fine(), desk.run(&[&declared[..], &[table]].concat()).fine());
    assert_eq!(desk.run(&["ingest", "--replay-quarantine"]).fine().lines().last(), Some("nothing was committed"));
}

#[test]
fn headers_can_be_mapped_and_other_columns_kept() {
    let desk = Desk::new();
    let mapped = ["ingest", "data/broken/no_session_id_column.csv", "--map", "Call=session_id"];
    assert!(desk.run(&mapped).fine().contains("1 inserted"));
    let out = desk.run(&["ingest", "data/unusual/extra_columns.csv", "--keep-extra"]).fine();
    assert!(
        out.contains("  2 unknown columns: Queue Name, Agent\n")
            || out.contains("  2 unknown columns: Agent, Queue Name\n")
    );
    let sql = "select _extra ->> 'Agent' as agent from stored_sessions where _extra is not null order by agent";
    assert_eq!(desk.query(sql, &["--csv"]).fine(), "agent\nAna\n\"Jo, senior\"\n");
}

#[test]
fn folders_patterns_and_standard_input_are_inputs() {
    let desk = Desk::new();
    let read = |desk: &Desk, arguments: &[&str]| ledger(desk, arguments)["total"]["rows_read"].as_u64().unwrap();
    assert_eq!(read(&desk, &["data/snapshots"]), 657);
    assert_eq!(read(&desk, &["data/formats/*.ndjson"]), 202);
    let text = std::fs::read(desk.path("data/workflow_sessions.csv")).unwrap();
    let arguments = [&["ingest", "-"], &AT[..]].concat();
    let out = finish(desk.command(&arguments).write_stdin(text)).fine();
    assert!(out.starts_with("-: 2004 rows read = 2000 inserted"), "{out}");
}

#[test]
fn a_later_export_wins_in_whatever_order_the_files_come() {
    let row = |text: &str| format!("Session Id,Started At,Data\ns1,2026-11-19T14:00:00Z,\"{{\"\"v\"\":{text}}}\"\n");
    for order in [["old", "new"], ["new", "old"]] {
        let desk = Desk::new();
        desk.write("old.csv", &row("1"));
        desk.write("new.csv", &row("2"));
        for name in order {
            let exported = if name == "old" { "2026-11-20" } else { "2026-11-21" };
            desk.run(&["ingest", &format!("{name}.csv"), "--exported-at", exported]).fine();
        }
        assert_eq!(desk.value("select data ->> 'v' from workflow_sessions", &[]), "2", "{order:?}");
    }
}

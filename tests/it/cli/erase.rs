//! `sessionlake erase`: who asks to be forgotten is, and does not come back with the next export.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Desk, EXPORTED, files_below};

const HEADER: &str = "Session Id,Started At,Ended At,Time in Workflow,Workflow Id,Source Details - Phone Number,Data\n";
const IDS: &str = "select session_id from workflow_sessions order by 1";

/// Makes a lake of five sessions: two have Ann's number in their column, one in its JSON, one another number.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("a.csv", &export());
    desk.run(&["ingest", "a.csv", "--exported-at", EXPORTED]);
    desk
}

fn export() -> String {
    let row = |id: &str, day: u32, phone: &str, data: &str| {
        let data = data.replace('"', "\"\"");
        format!("{id},2026-11-{day:02}T10:00:00Z,2026-11-{day:02}T10:05:00Z,300,w,{phone},\"{data}\"\n")
    };
    let rows = [
        row("s1", 1, "+1 202-555-0143", "{}"),
        row("s2", 2, "+12025550143", "{}"),
        row("s3", 3, "", "{\"callback\":\"+1 (202) 555-0143\",\"mail\":\"Ann@Example.org\"}"),
        row("s4", 4, "+12025550144", "{\"order\":\"912025550143\"}"),
        row("s5", 5, "", "{\"mail\":\"joann@example.org\"}"),
    ];
    let bad = "s1,no date,,,w,,\nx9,no date,,,w,+1 202 555 0143,\nx8,no date,,,w,,\n";
    format!("{HEADER}{}{bad}", rows.concat())
}

fn ids(desk: &Desk) -> Vec<String> {
    desk.query(IDS, &["--csv"]).fine().lines().skip(1).map(str::to_owned).collect()
}

fn erase(desk: &Desk, more: &[&str]) -> Value {
    let out = desk.run(&[&["erase", "--format", "json"], more].concat()).fine();
    serde_json::from_str(&out).unwrap()
}

fn left_in_quarantine(desk: &Desk) -> String {
    desk.value("select string_agg(substr(raw, 1, 2), ',' order by raw) from quarantine", &[])
}

#[test]
fn what_would_go_is_counted_and_goes_when_told() {
    let desk = desk();
    let text = desk.run(&["erase", "--phone", "+12025550143"]).fine();
    assert!(text.starts_with("2 sessions, 2 records in quarantine, 0 sightings would go"), "{text}");
    assert!(text.contains("nothing was erased, --yes does it"), "{text}");
    assert_eq!(ids(&desk).len(), 5);
    let receipt = erase(&desk, &["--phone", "(202) 555-0143", "--phone", "+1 202 555 0143", "--yes"]);
    assert_eq!(
        (&receipt["sessions"], &receipt["quarantined"], &receipt["fingerprints"]),
        (&json!(2), &json!(2), &json!(2))
    );
    assert_eq!(receipt["by"], json!({ "phones": 2 }));
    assert!(!receipt.to_string().contains("555"), "{receipt}");
    assert_eq!(ids(&desk), ["s3", "s4", "s5"]);
    assert_eq!(desk.value("select operation from lake_history order by version desc limit 1", &[]), "DELETE");
    // Another erasure finds nothing.
    let again = erase(&desk, &["--phone", "+12025550143", "--yes"]);
    assert_eq!((&again["sessions"], &again["versions"]), (&json!(0), &json!({})));
}

#[test]
fn numbers_and_addresses_inside_of_json_are_found_however_they_are_written() {
    let desk = desk();
    let found = |more: &[&str]| erase(&desk, more)["sessions"].clone();
    assert_eq!(found(&["--phone", "+12025550143", "--anywhere"]), 3);
    assert_eq!(found(&["--email", "ann@example.org"]), 1);
    assert_eq!(found(&["--email", "ann@example.org", "--session-id", "s5"]), 2);
    assert_eq!(found(&["--where", "data ->> 'mail' like '%@example.org' -- all of them"]), 1);
    assert_eq!(found(&["--where", "started_at > '2026-11-03' and ended_at is not null"]), 3);
    assert_eq!(found(&["--where", "session_id in (select session_id from ended_sessions where session_id < 's3')"]), 2);
    assert_eq!(found(&["--before", "2026-11-03T10:00:00Z"]), 2);
    erase(&desk, &["--phone", "+12025550143", "--anywhere", "--yes"]);
    assert_eq!(ids(&desk), ["s4", "s5"]);
    for (wrong, words) in [
        (&["--where", "colour = 'red'"][..], "error: --where: Schema error: No field named colour"),
        (&["--where", " "], "--where is empty"),
        (&[], "erase needs to know which sessions"),
        (&["--before", "soon"], "--before is not an instant"),
    ] {
        let ran = desk.run(&[&["erase"], wrong].concat());
        assert!(ran.code != 0 && ran.err.contains(words), "{ran:#?}");
    }
}

#[test]
fn an_erased_session_does_not_come_back_unless_told() {
    let desk = desk();
    erase(&desk, &["--session-id", "s1", "--session-id", "s2", "--session-id", "s77", "--yes"]);
    // The record in quarantine that begins with the id went too.
    assert_eq!(left_in_quarantine(&desk), "\"x8,x9\"");
    // A later export has them in other states, and one that was never there.
    let later = export().replace(",300,", ",301,") + "s77,2026-11-06T10:00:00Z,,5,w,,{}\n";
    desk.write("b.csv", &later);
    let ran = desk.run(&["ingest", "b.csv", "--exported-at", "2026-11-22T00:00:00Z"]);
    let ledger = "9 rows read = 0 inserted + 3 updated + 0 unchanged + 3 superseded + 0 duplicate + 3 quarantined";
    assert!(ran.out.contains(ledger), "{ran:#?}");
    assert!(
        ran.out.contains("\n  3 rows are of sessions that were erased: not stored, and counted as superseded\n"),
        "{ran:#?}"
    );
    assert_eq!(ids(&desk), ["s3", "s4", "s5"]);
    desk.write("c.csv", &later.replace(",301,", ",302,"));
    desk.run(&["ingest", "c.csv", "--exported-at", "2026-11-23T00:00:00Z", "--with-erased"]);
    assert_eq!(ids(&desk), ["s1", "s2", "s3", "s4", "s5", "s77"]);
}

#[test]
fn going_back_behind_an_erasure_has_to_be_told() {
    let desk = desk();
    erase(&desk, &["--session-id", "s1", "--yes"]);
    let error = desk.run(&["restore", "--to", "1"]).fails(2);
    assert!(
        error.contains("version 1 may have rows that version 2 erased\nhint: --with-erased brings them back"),
        "{error}"
    );
    desk.run(&["restore", "--to", "1", "--with-erased"]).fine();
    assert_eq!(ids(&desk).len(), 5);
}

/// Lists the files of the lake whose bytes, as they are stored, have a text.
fn holding(desk: &Desk, text: &str) -> Vec<String> {
    let has = |path: &std::path::PathBuf| memchr::memmem::find(&fs::read(path).unwrap(), text.as_bytes()).is_some();
    files_below(&desk.path("lake")).iter().filter(|path| has(path)).map(|path| path.display().to_string()).collect()
}

#[test]
fn purging_leaves_no_file_that_holds_what_was_erased() {
    let desk = desk();
    // The least and the greatest number stand in the log's statistics.
    assert!(!holding(&desk, "+12025550144").is_empty());
    let text = desk.run(&["erase", "--session-id", "s4", "--purge", "--yes"]).fine();
    assert!(
        text.contains("earlier versions are gone, with ") && text.contains("not the lake's to erase: exports"),
        "{text}"
    );
    assert_eq!(holding(&desk, "+12025550144"), [] as [String; 0]);
    assert_eq!(holding(&desk, "912025550143"), [] as [String; 0]);
    assert_eq!(ids(&desk), ["s1", "s2", "s3", "s5"]);
    let (code, report) = {
        let ran = desk.run(&["verify", "--deep", "--format", "json"]);
        (ran.code, ran.out)
    };
    assert_eq!(code, 0, "{report}");
    let error = desk.query(IDS, &["--at-version", "1"]).fails(2);
    assert!(
        error.contains("version 1 of ./lake is gone: its part of the log was removed\nhint: the oldest is 2"),
        "{error}"
    );
    // The lake goes on: a file that was taken in is known still, and another is taken in.
    let known = desk.run(&["ingest", "a.csv", "--exported-at", EXPORTED]).fine();
    assert!(known.contains("already in version 1"), "{known}");
    desk.write("b.csv", &format!("{HEADER}s6,2026-11-06T10:00:00Z,,5,w,,{{}}\n"));
    desk.run(&["ingest", "b.csv", "--exported-at", "2026-11-22T00:00:00Z"]);
    assert_eq!(ids(&desk), ["s1", "s2", "s3", "s5", "s6"]);
}

#[test]
fn a_condition_on_an_array_is_met_by_those_that_meet_it() {
    let desk = Desk::new();
    desk.write(
        "arrays.csv",
        "session_id,started_at,ended_at,data\n\
         a,2026-11-01T00:00:00Z,2026-11-01T00:01:00Z,\"{\"\"f\"\":[{\"\"v\"\":1},{\"\"v\"\":2}]}\"\n\
         b,2026-11-01T00:00:00Z,2026-11-01T00:01:00Z,\"{\"\"f\"\":[{\"\"v\"\":1}]}\"\n\
         c,2026-11-01T00:00:00Z,2026-11-01T00:01:00Z,\"{\"\"f\"\":[]}\"\n\
         d,2026-11-01T00:00:00Z,2026-11-01T00:01:00Z,\"{\"\"g\"\":1}\"\n",
    );
    desk.run(&["ingest", "arrays.csv", "--exported-at", "2026-11-25T00:00:00Z"]).fine();
    let erased = |condition: &str| erase(&desk, &["--where", condition])["sessions"].clone();
    assert_eq!(erased("json_length(data, 'f') = 2"), 1);
    assert_eq!(erased("data->'f'->0->>'v' = '1'"), 2);
    assert_eq!(erased("json_length(data, 'f') = 7"), 0);
    desk.run(&["erase", "--where", "json_length(data, 'f') = 2", "--yes"]).fine();
    assert_eq!(desk.value("select string_agg(session_id, '' order by session_id) from workflow_sessions", &[]), "bcd");
}

//! `sessionlake properties`, what a retention erases, and `describe --state`.

use serde_json::{Value, json};

use crate::support::Desk;

const HEADER: &str = "Session Id,Started At,Ended At,Workflow Id,Data\n";

/// Takes in an export of one session that started so many days ago, by the clock.
fn take(desk: &Desk, name: &str, days: i64, more: &[&str]) -> String {
    let start = chrono::Utc::now() - chrono::TimeDelta::days(days);
    let (start, end) = (start.to_rfc3339(), (start + chrono::TimeDelta::minutes(5)).to_rfc3339());
    desk.write(&format!("{name}.csv"), &format!("{HEADER}{name},{start},{end},w,{{}}\nbad-{name},no date,,w,\n"));
    let file = format!("{name}.csv");
    let given = ["ingest", &file, "--max-bad", "1"];
    desk.run(&[&given[..], more].concat()).fine()
}

fn ids(desk: &Desk) -> String {
    desk.value("select string_agg(session_id, '+' order by session_id) from workflow_sessions", &[])
}

#[test]
fn properties_are_shown_set_and_taken_away() {
    let desk = Desk::new();
    assert!(desk.run(&["properties"]).fails(2).contains("there is no lake at"));
    let desk = Desk::with_lake();
    let shown = desk.run(&["properties", "--format", "json"]).fine();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown[0]["property"], &shown[0]["value"]), (&json!("sessionlake.upkeep.files"), &json!("")));
    let ran = desk.run(&["properties", "retention=400d", "sessionlake.leaves=7", "--csv"]);
    assert_eq!((ran.code, ran.err.trim()), (0, "the lake is at version 2"), "{ran:#?}");
    assert!(ran.out.contains("\nsessionlake.leaves,7,512,"), "{}", ran.out);
    assert!(ran.out.contains("\nsessionlake.retention,400d,for ever,"), "{}", ran.out);
    assert_eq!(
        desk.value("select operation from lake_history order by version desc limit 1", &[]),
        "SET TBLPROPERTIES"
    );
    let again = desk.run(&["properties", "leaves=7", "--csv"]);
    assert!(again.err.contains("nothing to do"), "{again:#?}");
    desk.run(&["properties", "--unset", "leaves", "--quiet"]).fine();
    assert!(desk.run(&["properties", "--csv"]).fine().contains("\nsessionlake.leaves,\"\",512,"));
    for (given, said) in [
        (&["leaves"][..], "is no NAME=VALUE"),
        (&["leafs=3"], "no property \"leafs\""),
        (&["leaves=many"], "a number of at least 0, and not \"many\""),
        (&["retention=1y"], "a time of at least a day"),
        (&["retention=400d", "--unset", "retention"], "given twice"),
    ] {
        let error = desk.run(&[&["properties"], given].concat()).fails(2);
        assert!(error.contains(said), "{given:?}: {error}");
    }
}

#[test]
fn files_have_no_more_leaf_columns_than_the_lake_says() {
    let desk = Desk::with_lake();
    desk.run(&["properties", "leaves=0", "--quiet"]).fine();
    let columns = "select max(leaf_columns) from lake_files";
    assert_ne!(desk.value(columns, &[]), "0");
    desk.run(&["optimize", "--quiet"]);
    take(&desk, "s1", 1, &[]);
    assert_eq!(desk.value("select min(leaf_columns) from lake_files", &[]), "0");
}

#[test]
fn what_a_lake_keeps_no_longer_is_erased_by_ingests_and_optimize() {
    let desk = Desk::new();
    for (name, days) in [("old", 50), ("young", 10), ("edge", 30)] {
        take(&desk, name, days, &[]);
    }
    desk.run(&["properties", "retention=30d", "--quiet"]).fine();
    // What is older by less than a day may stay for that long.
    assert_eq!(ids(&desk), "edge+old+young");
    let told = take(&desk, "new", 1, &[]);
    assert!(
        told.contains("2 sessions and 0 records of the quarantine that are kept no longer were erased: version"),
        "{told}"
    );
    assert_eq!(ids(&desk), "new+young");
    assert_eq!(desk.value("select operation from lake_history order by version desc limit 1", &[]), "DELETE");
    assert!(!take(&desk, "newer", 1, &[]).contains("kept no longer"));
    // An export that still has one brings it back until the next time.
    let told = take(&desk, "older", 90, &["--no-upkeep"]);
    assert!(!told.contains("kept no longer"), "{told}");
    assert_eq!(ids(&desk), "new+newer+older+young");
    let ran = desk.run(&["optimize", "--dry-run"]);
    let words = "1 session and 0 records of the quarantine that are kept no longer would be erased";
    assert!(ran.code == 0 && ran.err.contains(words), "{ran:#?}");
    assert_eq!(ids(&desk), "new+newer+older+young");
    let ran = desk.run(&["optimize"]);
    assert!(ran.code == 0 && ran.err.contains("1 session and"), "{ran:#?}");
    assert_eq!(ids(&desk), "new+newer+young");
    let told = take(&desk, "oldest", 99, &["--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["retention"]["sessions"], &told["retention"]["fingerprints"]), (&json!(1), &json!(0)), "{told}");
}

#[test]
fn records_of_the_quarantine_are_kept_no_longer_than_sessions() {
    let desk = Desk::new();
    take(&desk, "young", 10, &[]);
    desk.write("bad.csv", "Session Id,Started At\nbad,soon\n");
    let exported = (chrono::Utc::now() - chrono::TimeDelta::days(50)).to_rfc3339();
    assert_eq!(desk.run(&["ingest", "bad.csv", "--exported-at", &exported]).code, 3);
    let records = || desk.value("select count(*) from quarantine", &[]);
    desk.run(&["properties", "retention=30d", "--quiet"]).fine();
    let words = "0 sessions and 1 record of the quarantine that are kept no longer";
    assert!(desk.run(&["optimize", "--dry-run"]).err.contains(words));
    assert_eq!(records(), "2", "one of them came with the session");
    assert!(desk.run(&["optimize"]).err.contains(words));
    assert_eq!((records(), ids(&desk)), ("1".to_owned(), "young".to_owned()));
}

#[test]
fn the_state_of_a_lake_is_told_fact_by_fact() {
    let desk = Desk::new();
    assert!(desk.run(&["describe", "--state"]).fails(2).contains("there is no lake at"));
    let desk = Desk::with_lake();
    let told = desk.run(&["describe", "--state", "--csv"]).fine();
    let fact = |name: &str| {
        let line = told.lines().find(|line| line.starts_with(&format!("{name},"))).unwrap_or_default();
        line.split_once(',').map(|(_, value)| value.trim_matches('"').to_owned()).unwrap_or_default()
    };
    let sessions = desk.value("select count(*) from workflow_sessions", &[]);
    let running = desk.value("select count(*) from active_sessions", &[]);
    assert_eq!(fact("sessions"), format!("{sessions}, {running} of them running"), "{told}");
    assert!(fact("version").starts_with("1, of 20"), "{told}");
    assert!(fact("data files").starts_with("2 of ") && fact("session ids").starts_with("100"), "{told}");
    assert_eq!(fact("last upkeep"), "none in the log");
    assert!(fact("optimize would").starts_with("do nothing"), "{told}");
    assert_eq!(fact("sessionlake.retention"), "not set: for ever");
}

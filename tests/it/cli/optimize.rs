//! `sessionlake optimize`, and what ingests merge by themselves.

use crate::support::Desk;

/// Takes in so many exports of the sample's sessions, each of its own.
fn take(desk: &Desk, numbers: std::ops::Range<u32>, more: &[&str]) -> Vec<String> {
    let lines = std::fs::read_to_string(desk.path("data/workflow_sessions.csv")).unwrap();
    let header = lines.lines().next().unwrap();
    let mut printed = Vec::new();
    for number in numbers {
        let name = format!("{number}.csv");
        let day = format!("2026-10-{:02}T10:00:00Z", number % 28 + 1);
        let row: Vec<String> = header
            .split(',')
            .map(|column| match column {
                "Session Id" => format!("session-{number}"),
                "Started At" => day.clone(),
                "Ended At" => day.replace("T10:00", "T10:05"),
                _ => String::new(),
            })
            .collect();
        std::fs::write(desk.path(&name), format!("{header}\n{}\n", row.join(","))).unwrap();
        let ran = desk.run(&[&["ingest", &name, "--exported-at", "2026-11-21T00:00:00Z"], more].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:#?}");
        printed.push(ran.out);
    }
    printed
}

const TABLE: [&str; 4] = ["query", "--csv", "-c", "select * from workflow_sessions order by session_id"];

#[test]
fn optimize_says_what_it_would_do_and_what_it_did() {
    let desk = Desk::new();
    assert!(desk.run(&["optimize"]).fails(2).contains("there is no lake at"));
    take(&desk, 0..5, &[]);
    let rows = desk.run(&TABLE).fine();
    let plan = desk.run(&["optimize", "--dry-run", "--csv"]).fine();
    let plan: Vec<&str> = plan.lines().collect();
    assert!(
        plan[0].starts_with("table,files,files_after,bytes,bytes_after,overlap,overlap_after,rewritten_files,"),
        "{plan:?}"
    );
    assert!(plan[1].starts_with("workflow_sessions,5,1,"), "{plan:?}");
    let done = desk.run(&["optimize", "--format", "json"]).fine();
    let done: serde_json::Value = serde_json::from_str(&done).unwrap();
    assert_eq!(
        (&done[0]["files"], &done[0]["files_after"], &done[0]["rewritten_rows"]),
        (&5.into(), &1.into(), &5.into())
    );
    assert_eq!(done[0]["version"], 6);
    assert_eq!(desk.run(&TABLE).fine(), rows);
    let again = desk.run(&["optimize", "--csv"]).fine();
    assert!(again.lines().nth(1).unwrap().starts_with("workflow_sessions,1,1,"), "{again}");
    assert!(desk.run(&["history", "--csv"]).fine().contains("OPTIMIZE"));
}

#[test]
fn an_ingest_says_what_it_merged_and_merges_nothing_where_it_may_not() {
    let desk = Desk::new();
    let printed = take(&desk, 0..15, &["--no-upkeep"]);
    assert!(printed.iter().all(|text| !text.contains("merged")), "{printed:?}");
    // The files of the last two days stay.
    let printed = take(&desk, 15..16, &[]);
    assert!(
        printed[0].ends_with("the lake is at version 16\n14 small files merged: 3 data files, version 17\n"),
        "{printed:?}"
    );
    let ledger = desk.run(&["ingest", "data/workflow_sessions.csv", "--format", "json"]).out;
    let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    assert!(ledger.get("upkeep").is_none() && ledger["version"] == 18, "{ledger}");
}

//! Logs as other writers leave them: statistics cut to milliseconds, in part, or not at all.

use std::path::Path;

use serde_json::{Value, json};
use sessionlake::engine::{At, LakeView};
use sessionlake::lake::Lake;

use crate::lakes::{files_in, lake_in, query, source, take, try_take};

/// Makes a lake of three sessions, a file each, and changes the `add` actions of its log.
async fn lake_with(folder: &Path, change: impl Fn(&mut Value)) -> Lake {
    let lake = lake_in(folder);
    let rows = [
        "a,2026-11-20T10:00:00.000001Z,2026-11-20T10:05:00.123456Z,workflow-1",
        "b,2026-11-20T10:04:53.080758Z,2026-11-20T10:09:00.999999Z,workflow-2",
        "old,1969-12-31T23:59:58.000500Z,1969-12-31T23:59:59.000500Z,workflow-3",
    ];
    for (index, row) in rows.iter().enumerate() {
        let path = folder.join(format!("{index}.csv"));
        std::fs::write(&path, format!("Session Id,Started At,Ended At,Workflow Id\n{row}\n")).unwrap();
        take(&lake, &[source(&path, 1)]).await;
    }
    for commit in files_in(&folder.join("lake/workflow_sessions/_delta_log"), ".json") {
        let actions = std::fs::read_to_string(&commit).unwrap();
        let changed = actions.lines().map(|line| {
            let mut action: Value = serde_json::from_str(line).unwrap();
            if let Some(add) = action.get_mut("add") {
                // Our checksum would say that they are another writer's.
                add["tags"].as_object_mut().unwrap().remove("sessionlake.check").unwrap();
                let mut statistics = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
                change(&mut statistics);
                add["stats"] = if statistics.is_null() { Value::Null } else { json!(statistics.to_string()) };
            }
            action.to_string() + "\n"
        });
        let changed: String = changed.collect();
        std::fs::write(&commit, changed).unwrap();
    }
    lake
}

/// Cuts statistics as Spark does: instants to milliseconds, texts to so many characters.
fn cut(statistics: &mut Value) {
    for bounds in ["minValues", "maxValues"] {
        for (name, value) in statistics[bounds].as_object_mut().unwrap() {
            let Some(text) = value.as_str() else { continue };
            *value = match name.as_str() {
                "started_at" | "ended_at" | "_exported_at" => json!(format!("{}Z", &text[..23])),
                _ => json!(text.chars().take(9).collect::<String>()),
            };
        }
    }
}

async fn count(lake: &Lake, filter: &str) -> String {
    query(lake, &format!("select count(*) from workflow_sessions where {filter}")).await.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_where_another_writer_cut_or_left_out_statistics() {
    let changes: [fn(&mut Value); 5] = [
        cut,
        |statistics| drop(statistics.as_object_mut().unwrap().remove("numRecords")),
        |statistics| drop(statistics.as_object_mut().unwrap().remove("nullCount")),
        |statistics| *statistics = json!({}),
        |statistics| *statistics = Value::Null,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_with(folder.path(), change).await;
        for (filter, rows) in [
            ("started_at = '2026-11-20T10:04:53.080758Z'", "1"),
            ("started_at > '2026-11-20T10:04:53.080Z'", "1"),
            ("started_at >= '2026-11-20T10:04:53.080500Z'", "1"),
            ("started_at between '2026-11-20T10:04:53.080500Z' and '2026-11-20T10:04:53.080900Z'", "1"),
            ("not started_at <= '2026-11-20T10:04:53.080Z'", "1"),
            ("started_at >= '2026-11-20T10:04:53.081Z'", "0"),
            ("ended_at >= '2026-11-20T10:09:00.999500Z'", "1"),
            ("started_at = '1969-12-31T23:59:58.000500Z'", "1"),
            ("started_at < '1969-12-31T23:59:58.000501Z'", "1"),
            ("workflow_id = 'workflow-2'", "1"),
            ("workflow_id > 'workflow-2'", "1"),
            ("ended_at is null", "0"),
            ("true", "3"),
        ] {
            assert_eq!(count(&lake, filter).await, rows, "change {index}: {filter}");
        }
        let all = "select max(started_at), min(started_at), count(ended_at) from workflow_sessions";
        assert_eq!(query(&lake, all).await, ["2026-11-20T10:04:53.080758Z|1969-12-31T23:59:58.000500Z|3"]);
        for (order, id) in [("desc", "b"), ("asc", "old")] {
            let sql = format!("select session_id from workflow_sessions order by started_at {order} limit 1");
            assert_eq!(query(&lake, &sql).await, [id], "change {index}");
        }

        // An export that corrects one of the sessions meets it, and the others stay.
        let later = folder.path().join("later.csv");
        let row = "b,2026-11-20T10:04:53.080758Z,2026-11-20T10:10:00.000001Z,workflow-9";
        std::fs::write(&later, format!("Session Id,Started At,Ended At,Workflow Id\n{row}\n")).unwrap();
        let ledger = take(&lake, &[source(&later, 2)]).await;
        assert_eq!((ledger.total.updated, ledger.total.inserted), (1, 0), "change {index}");
        let rows = "select session_id, workflow_id from workflow_sessions order by started_at";
        assert_eq!(query(&lake, rows).await, ["old|workflow-3", "a|workflow-1", "b|workflow-9"], "change {index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_files_may_hold_any_sign_and_are_rewritten_like_others() {
    // As they are on the disk, and as the log of different writers escapes them.
    for (name, logged, is_rewritten) in [
        ("a%41 b%.parquet", "a%2541%20b%25.parquet", true),
        ("tier=a%20b/x.parquet", "tier=a%2520b/x.parquet", true),
        ("tier=50%/é+&x.parquet", "tier=50%25/%C3%A9+&x.parquet", true),
        // deltalake escapes these otherwise, and would not find them in the log again.
        ("tier=50%/é+&x.parquet", "tier=50%25/é+&x.parquet", false),
        ("tier=50%/é+&x.parquet", "tier%3D50%25/%C3%A9%2B%26x.parquet", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_with(folder.path(), |_| ()).await;
        let table = folder.path().join("lake/workflow_sessions");
        let file = files_in(&table, ".parquet").into_iter().next().unwrap();
        let old = file.file_name().unwrap().to_str().unwrap().to_owned();
        std::fs::create_dir_all(table.join(name).parent().unwrap()).unwrap();
        std::fs::rename(&file, table.join(name)).unwrap();
        for commit in files_in(&table.join("_delta_log"), ".json") {
            let text = std::fs::read_to_string(&commit).unwrap();
            // What a commit of ours says of its files is not said by others.
            let text = text.replace(&old, logged).replace("sessionlake.files", "others.files");
            std::fs::write(&commit, text).unwrap();
        }
        assert_eq!(count(&lake, "true").await, "3", "{logged}");
        assert_eq!(count(&lake, "workflow_id like 'workflow-%'").await, "3", "{logged}");
        let later = folder.path().join("later.csv");
        let rows = "a,2026-11-20T10:00:00.000001Z,2026-11-20T11:00:00Z,workflow-9\n\
                    b,2026-11-20T10:04:53.080758Z,2026-11-20T11:00:00Z,workflow-9\n\
                    old,1969-12-31T23:59:58.000500Z,2026-11-20T11:00:00Z,workflow-9";
        std::fs::write(&later, format!("Session Id,Started At,Ended At,Workflow Id\n{rows}\n")).unwrap();
        if !is_rewritten {
            let error = try_take(&lake, &[source(&later, 2)]).await.unwrap_err().to_string();
            assert!(error.contains("cannot take out again") && error.contains("é+&x.parquet"), "{error}");
            assert_eq!(count(&lake, "workflow_id <> 'workflow-9'").await, "3", "{logged}");
            continue;
        }
        let ledger = take(&lake, &[source(&later, 2)]).await;
        assert_eq!(ledger.total.updated, 3, "{logged}");
        assert_eq!(count(&lake, "true").await, "3", "{logged}");
        assert_eq!(count(&lake, "workflow_id = 'workflow-9'").await, "3", "{logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_file_is_read_in_the_place_of_commits_that_are_gone() {
    for gone in [&[][..], &[1, 2, 3], &[2, 3], &[3], &[1, 2], &[2]] {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_with(folder.path(), |_| ()).await;
        let log = folder.path().join("lake/workflow_sessions/_delta_log");
        let commit = |version: u32| log.join(format!("{version:020}.json"));
        let actions: String = (1..=3)
            .flat_map(|version| {
                let text = std::fs::read_to_string(commit(version)).unwrap();
                let kept = |line: &&str| !line.contains("\"commitInfo\"");
                text.lines().filter(kept).map(|line| format!("{line}\n")).collect::<Vec<_>>()
            })
            .collect();
        std::fs::write(log.join(format!("{:020}.{:020}.compacted.json", 1, 3)), actions).unwrap();
        gone.iter().for_each(|version| std::fs::remove_file(commit(*version)).unwrap());
        assert_eq!(count(&lake, "true").await, "3", "{gone:?}");
        assert_eq!(count(&lake, "workflow_id = 'workflow-2'").await, "1", "{gone:?}");
        let at = |version| LakeView::open(&lake, At::Version(version), None);
        assert!(at(0).await.is_ok() && at(3).await.is_ok(), "{gone:?}");
        // A version whose actions are told with those of a later one is not to be had any more.
        if let Some(oldest) = gone.first().filter(|oldest| **oldest < 3) {
            let error = at(u64::from(*oldest)).await.unwrap_err().to_string();
            assert!(error.contains("compacted"), "{gone:?}: {error}");
        }
        let later = folder.path().join("later.csv");
        let rows = "a,2026-11-20T10:00:00.000001Z,2026-11-20T11:00:00Z,workflow-9\nnew,2026-11-20T10:00:00Z,,";
        std::fs::write(&later, format!("Session Id,Started At,Ended At,Workflow Id\n{rows}\n")).unwrap();
        let ledger = take(&lake, &[source(&later, 2)]).await;
        assert_eq!((ledger.total.updated, ledger.total.inserted), (1, 1), "{gone:?}");
        assert!(commit(4).is_file(), "{gone:?}");
        assert_eq!(count(&lake, "true").await, "4", "{gone:?}");
    }
}

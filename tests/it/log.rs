//! What is read of a log, and of data files while a plan is made: no more than the statement asks for.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use datafusion::common::ParamValues;
use serde_json::{Value, json};
use sessionlake::engine::{At, Engine};
use sessionlake::lake::{Lake, layout};

use crate::counting::counting;
use crate::lakes::{ended, export, files_in, lake_in, open, query, rows_of, take};

/// Makes a lake of so many files, each of one workflow and one day of the five that sessions start in.
async fn lake_of(folder: &Path, files: u32) -> Lake {
    let lake = lake_in(folder);
    for number in 0..files {
        let states: Vec<_> = (0..20).map(|n| ended(number + n * 10, 1)).collect();
        take(&lake, &[export(folder, &format!("{number}.csv"), 1, &states)]).await;
    }
    lake
}

/// Explains a statement, and returns what is said.
async fn explained(engine: &Engine, sql: &str) -> String {
    let state = engine.context().state();
    let statement = state.sql_to_statement(sql, &datafusion::config::Dialect::PostgreSQL).unwrap();
    let plan = engine.plan(statement, &ParamValues::List(Vec::new())).await.unwrap();
    let batches = engine.context().execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
    rows_of(&batches).join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_reads_the_footers_of_files_that_are_left_and_of_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of(folder.path(), 5).await;
    let starts = query(&lake, "select distinct started_at from workflow_sessions order by 1").await;
    assert_eq!(starts.len(), 5, "{starts:?}");
    let (counted, read) = counting(&lake);
    let explain = async |from: &str| {
        // Each for itself, for an engine remembers the ends of files that it has read.
        let engine = open(&counted, At::Newest).await.unwrap();
        let sql = format!(
            "explain select data ->> 'step' as step from workflow_sessions where started_at >= timestamptz '{from}'"
        );
        read.store(0, Ordering::Relaxed);
        let said = explained(&engine, &sql).await;
        (said, read.load(Ordering::Relaxed))
    };
    let (all, bytes_of_all) = explain(&starts[0]).await;
    assert!(all.contains("files=5 of 5") && all.contains("data $.step: leaf 5"), "{all}");
    let (one, bytes_of_one) = explain(&starts[4]).await;
    assert!(one.contains("files=1 of 5") && one.contains("data $.step: leaf 1"), "{one}");
    // Footers are of some kilobytes, and not of the same size.
    assert!(bytes_of_one > 0 && bytes_of_one * 4 < bytes_of_all, "{bytes_of_one} bytes, and {bytes_of_all} of all");
    let (none, bytes_of_none) = explain("2222-01-01").await;
    assert!(none.contains("EmptyExec"), "{none}");
    assert_eq!(bytes_of_none, 0);
}

/// Changes a digit in the statistics of all files.
fn damage_statistics(lake: &Path) {
    for commit in files_in(&lake.join("workflow_sessions/_delta_log"), ".json") {
        let actions = std::fs::read_to_string(&commit).unwrap();
        let changed = actions.lines().map(|line| {
            let mut action: Value = serde_json::from_str(line).unwrap();
            if let Some(add) = action.get_mut("add") {
                let mut statistics: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
                statistics["numRecords"] = json!(7);
                add["stats"] = json!(statistics.to_string());
            }
            action.to_string() + "\n"
        });
        let changed: String = changed.collect();
        std::fs::write(&commit, changed).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_told_without_the_files_and_their_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_of(folder.path(), 3).await;
    let versions = "select version, operation, rows_read from lake_history order by 1";
    let expected = query(&lake, versions).await;
    damage_statistics(&folder.path().join("lake"));

    let heard = Arc::<Mutex<Vec<String>>>::default();
    let hears = Arc::clone(&heard);
    let lake = lake.telling(move |sentence| hears.lock().unwrap().push(sentence.to_owned()));
    let engine = Engine::new(open(&lake_in(folder.path()), At::Newest).await.unwrap().options().clone()).unwrap();
    engine.attach_history(&lake).await.unwrap();
    let told = rows_of(&engine.context().sql(versions).await.unwrap().collect().await.unwrap());
    assert_eq!(told, expected);
    assert!(heard.lock().unwrap().is_empty(), "{heard:?}");
    // Whoever asks for files reads what is said of them.
    let table = lake.open(layout::SESSIONS).await.unwrap().unwrap();
    assert!(table.snapshot().unwrap().files.iter().all(|file| file.is_doubted));
    assert_eq!(heard.lock().unwrap().len(), 3);
    let table = lake.open_log(layout::SESSIONS).await.unwrap().unwrap();
    assert!(table.snapshot().is_err(), "a table without its files has no list of them");
}

//! Upkeep: files merged by ingests and by `optimize`, beside other writers and faults; the table stays the same.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sessionlake::custody::{RestoreOptions, RestoreTo, restore};
use sessionlake::ingest::{IngestOptions, Ledger, SourceFile, Upkeep, UpkeepOptions, ingest, optimize, planned};
use sessionlake::lake::{Lake, layout, properties};

use crate::counting::counting;
use crate::lakes::{
    State, ended, export, files_in, lake_in, options, query, running, set_property, source, table, take,
};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn how() -> UpkeepOptions {
    let IngestOptions { leaf_budget, now_us, limits, .. } = options();
    UpkeepOptions { leaf_budget, now_us, limits }
}

async fn tended(lake: &Lake) -> Vec<Upkeep> {
    optimize(lake, &how()).await.unwrap()
}

/// Takes files in, and lets the ingest merge small files.
async fn take_and_tend(lake: &Lake, files: &[SourceFile]) -> Ledger {
    let ledger = ingest(lake, files, IngestOptions { upkeep: true, ..options() }).await.unwrap();
    assert_eq!(ledger.upkeep_failed, None);
    ledger
}

/// Lets ingests merge small files where there are more than two, beside four of the last days.
async fn merge_soon(lake: &Lake) {
    set_property(lake, properties::SMALL_FILES, "2").await;
}

/// All that is stored.
async fn stored(lake: &Lake) -> Vec<String> {
    query(lake, "select * from stored_sessions order by session_id").await
}

async fn files_of(lake: &Lake, name: &'static str) -> usize {
    lake.open(name).await.unwrap().map_or(0, |table| table.snapshot().unwrap().files.len())
}

/// Sessions of an hour: new ones, and one that ends which was running before.
fn hour(number: u32) -> Vec<State> {
    let mut states = vec![running(number * 10, 1), ended(number * 10 + 1, 1), ended(number * 10 + 2, 2)];
    if number > 0 {
        states.push(ended(number * 10 - 10, 3));
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn optimize_makes_few_files_of_many_and_does_nothing_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    for number in 0..12 {
        take(&lake, &[export(folder.path(), &format!("{number}.csv"), i64::from(number), &hour(number))]).await;
    }
    let (rows, before) = (stored(&lake).await, query(&lake, "select path from lake_files").await);
    let plan = planned(&lake).await.unwrap();
    assert_eq!(query(&lake, "select path from lake_files").await, before, "a plan changes nothing");
    let done = tended(&lake).await;
    assert_eq!(stored(&lake).await, rows);
    let [sessions] = &done[..] else { panic!("{done:#?}") };
    assert_eq!((sessions.table.as_str(), sessions.files_before), (layout::SESSIONS, before.len() as u64));
    assert_eq!((sessions.files_after, plan[0].files_after), (2, 2), "running and ended sessions");
    // The running session is in a file of its own already.
    assert_eq!((sessions.overlap_after, sessions.rewritten_rows), (Some(1), rows.len() as u64 - 1));
    assert_eq!(
        (plan[0].rewritten_files, plan[0].rewritten_bytes),
        (sessions.rewritten_files, sessions.rewritten_bytes)
    );
    assert!(sessions.bytes_after.unwrap() < sessions.bytes_before);
    let history = "select operation from lake_history order by version desc limit 2";
    // One commit for the ended sessions; the running one was in a file of its own already.
    assert_eq!(query(&lake, history).await, ["OPTIMIZE", "WRITE"]);
    let again = tended(&lake).await;
    assert_eq!((again[0].version, again[0].rewritten_files, again[0].files_after), (None, 0, 2));
    assert_eq!(query(&lake, "select count(*) from lake_history where operation = 'OPTIMIZE'").await, ["1"]);
    // The commit says that no row changed, and every version before is there as it was.
    let log = std::fs::read_to_string(
        folder.path().join(format!("lake/workflow_sessions/_delta_log/{:020}.json", sessions.version.unwrap())),
    )
    .unwrap();
    assert!(log.contains("\"dataChange\":false") && !log.contains("\"dataChange\":true"), "{log}");
    assert_eq!(
        take(&lake, &[export(folder.path(), "11.csv", 11, &hour(11))]).await.files[0].already_in_version,
        Some(12)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_merges_small_files_where_there_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, other) = (lake_in(folder.path()), lake_in(&folder.path().join("other")));
    std::fs::create_dir(folder.path().join("other")).unwrap();
    merge_soon(&lake).await;
    let mut merged = 0;
    for number in 0..20 {
        let file = [export(folder.path(), &format!("{number}.csv"), i64::from(number), &hour(number))];
        merged += take_and_tend(&lake, &file).await.upkeep.len();
        take(&other, &file).await;
    }
    assert_eq!(stored(&lake).await, stored(&other).await);
    assert!(files_of(&lake, layout::SESSIONS).await <= 12 && merged >= 2, "{merged}");
    assert!(files_of(&other, layout::SESSIONS).await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_writes_its_own_file_anew_and_no_other_rows_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let large: Vec<State> = (0..1_200).map(|session| ended(session * 5, 1)).collect();
    take(&lake, &[export(folder.path(), "large.csv", 1, &large)]).await;
    let small: Vec<State> = (0..30).map(|session| ended(session * 5 + 1, 1)).collect();
    take(&lake, &[export(folder.path(), "small.csv", 2, &small)]).await;
    take(&lake, &[export(folder.path(), "more.csv", 3, &[ended(8_002, 1), running(8_003, 1)])]).await;
    let sizes = "select rows from lake_files order by rows desc, liveness";
    assert_eq!(query(&lake, sizes).await, ["1200", "30", "1", "1"]);
    let files = query(&lake, "select path from lake_files where rows >= 30 order by rows desc").await;
    // One session of the large file, one of the small one, and a new one that starts at the time of the large one.
    let late = [ended(5, 2), ended(1, 2), ended(9_000, 1), ended(9_003, 1)];
    let ledger = take(&lake, &[export(folder.path(), "late.csv", 4, &late)]).await;
    assert_eq!((ledger.total.updated, ledger.total.inserted), (2, 2));
    // The correction of the small file is with the new sessions, and what has the time of the large one is in it.
    assert_eq!(query(&lake, sizes).await, ["1201", "29", "2", "1", "1"]);
    let left = query(&lake, "select path from lake_files").await;
    assert!(files.iter().all(|path| !left.contains(path)), "{left:?}");
    let held = "select overlap from lake_files where rows = 1201";
    assert_eq!(query(&lake, held).await, ["0"]);
    let others = folder.path().join("other");
    std::fs::create_dir(&others).unwrap();
    let at_once = lake_in(&others);
    let all = ["large.csv", "small.csv", "more.csv", "late.csv"];
    let all: Vec<SourceFile> =
        all.iter().enumerate().map(|(hour, name)| source(&folder.path().join(name), 1 + hour as i64)).collect();
    take(&at_once, &all).await;
    assert_eq!(stored(&lake).await, stored(&at_once).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_of_the_lake_leaves_the_merging_out() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "0.csv", 0, &hour(0))]).await;
    // As ALTER TABLE … SET TBLPROPERTIES writes it.
    let log = folder.path().join("lake/workflow_sessions/_delta_log");
    let first = std::fs::read_to_string(log.join(format!("{:020}.json", 0))).unwrap();
    let metadata = first.lines().find(|line| line.contains("\"metaData\"")).unwrap();
    let mut metadata: serde_json::Value = serde_json::from_str(metadata).unwrap();
    metadata["metaData"]["configuration"][properties::SMALL_FILES] = "0".into();
    std::fs::write(log.join(format!("{:020}.json", 2)), metadata.to_string()).unwrap();
    for number in 1..12 {
        let file = [export(folder.path(), &format!("{number}.csv"), i64::from(number), &hour(number))];
        assert!(take_and_tend(&lake, &file).await.upkeep.is_empty());
    }
    assert!(files_of(&lake, layout::SESSIONS).await > 10);
    assert_eq!(tended(&lake).await[0].files_after, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sightings_go_into_rows_that_are_written_anew_and_are_then_forgotten() {
    for make in [running as fn(u32, u32) -> State, ended] {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_in(folder.path());
        let (x, y) = (make(1, 1), make(1, 2));
        take(&lake, &[export(folder.path(), "1.csv", 1, &[x.clone(), make(2, 1)])]).await;
        take(&lake, &[export(folder.path(), "2.csv", 1, &[make(3, 1)])]).await;
        take(&lake, &[export(folder.path(), "3.csv", 3, std::slice::from_ref(&x))]).await;
        assert_eq!(files_of(&lake, layout::SIGHTINGS).await, 1);
        let done = tended(&lake).await;
        let sightings = done.iter().find(|upkeep| upkeep.table == layout::SIGHTINGS).unwrap();
        assert_eq!((sightings.files_before, sightings.files_after), (1, 0), "{done:#?}");
        let seen = "select extract(hour from _exported_at) from stored_sessions order by session_id";
        assert_eq!(query(&lake, seen).await, ["3", "1", "1"]);
        // What was seen between the two sightings still gives way.
        let rows = table(&lake).await;
        let ledger = take(&lake, &[export(folder.path(), "4.csv", 2, &[y])]).await;
        assert_eq!((ledger.total.superseded, table(&lake).await), (1, rows));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_to_before_an_optimize_keeps_what_sightings_said_of_the_rows_that_come_back() {
    for make in [running as fn(u32, u32) -> State, ended] {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_in(folder.path());
        let (x, y) = (make(1, 1), make(1, 2));
        take(&lake, &[export(folder.path(), "1.csv", 1, &[x.clone(), make(2, 1)])]).await;
        let before = take(&lake, &[export(folder.path(), "2.csv", 1, &[make(3, 1)])]).await.version.unwrap();
        take(&lake, &[export(folder.path(), "3.csv", 3, std::slice::from_ref(&x))]).await;
        let rows = table(&lake).await;
        tended(&lake).await;
        assert_eq!(files_of(&lake, layout::SIGHTINGS).await, 0);
        let restoring = RestoreOptions { to: RestoreTo::Version(before), with_erased: false, now: chrono::Utc::now() };
        restore(&lake, restoring, &options().limits).await.unwrap();
        let seen = "select extract(hour from _exported_at) from stored_sessions order by session_id";
        assert_eq!(query(&lake, seen).await, ["1", "1", "1"]);
        assert_eq!(files_of(&lake, layout::SIGHTINGS).await, 1);
        let ledger = take(&lake, &[export(folder.path(), "4.csv", 2, &[y])]).await;
        assert_eq!((ledger.total.superseded, table(&lake).await), (1, rows));
        // Once more they go into the rows, and a second restore has nothing to add to the first.
        restore(&lake, restoring, &options().limits).await.unwrap();
        assert_eq!(files_of(&lake, layout::SIGHTINGS).await, 1);
        tended(&lake).await;
        assert_eq!(query(&lake, seen).await, ["3", "1", "1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sightings_of_files_that_are_left_alone_stay_and_those_of_states_that_are_gone_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "1.csv", 1, &[ended(1, 1), running(2, 1)])]).await;
    take(&lake, &[export(folder.path(), "2.csv", 2, &[ended(1, 1), running(2, 1)])]).await;
    take(&lake, &[export(folder.path(), "3.csv", 3, &[ended(1, 1), ended(2, 1)])]).await;
    // The state of session 2 that was running is gone; the file of session 1 is the only one of ended sessions.
    take(&lake, &[export(folder.path(), "4.csv", 4, &[ended(1, 1)])]).await;
    tended(&lake).await;
    let table = lake.open(layout::SIGHTINGS).await.unwrap().unwrap();
    let left: u64 = table.snapshot().unwrap().files.iter().filter_map(|file| file.rows).sum();
    let sessions = query(&lake, "select count(*), count(distinct _exported_at) from stored_sessions").await;
    assert!(left <= 1, "{left} {sessions:?}");
    let ledger = take(&lake, &[export(folder.path(), "5.csv", 3, &[ended(1, 2)])]).await;
    assert_eq!(ledger.total.superseded, 1, "what was seen at 4 wins over what was seen at 3");
}

#[test]
fn ingests_upkeep_and_optimize_in_any_order_give_the_table_of_one_ingest_of_all() {
    let state = (0..9u32, any::<bool>(), prop_oneof![Just(60u32), Just(90)], 0..3u32)
        .prop_map(|(session, ended, seconds, data)| State { session, ended, seconds, data });
    let exports = proptest::collection::vec((0..6i64, proptest::collection::vec(state, 1..6)), 2..9);
    // What is done after each export: nothing, what an ingest does by itself, or all.
    let tending = proptest::collection::vec(0..4u8, 14);
    let config = Config { cases: 8, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(exports, tending), |(exports, tending)| {
            block_on(async {
                let folder = tempfile::tempdir().unwrap();
                std::fs::create_dir(folder.path().join("at_once")).unwrap();
                let (lake, at_once) = (lake_in(folder.path()), lake_in(&folder.path().join("at_once")));
                let files: Vec<SourceFile> = (exports.iter().enumerate())
                    .map(|(index, (hour, states))| export(folder.path(), &format!("{index}.csv"), *hour, states))
                    .collect();
                merge_soon(&lake).await;
                for (file, tending) in files.iter().zip(&tending) {
                    match tending {
                        0 => drop(take(&lake, std::slice::from_ref(file)).await),
                        _ => drop(take_and_tend(&lake, std::slice::from_ref(file)).await),
                    }
                    if *tending == 3 {
                        tended(&lake).await;
                    }
                }
                take(&at_once, &files).await;
                prop_assert_eq!(table(&lake).await, table(&at_once).await);
                tended(&lake).await;
                prop_assert_eq!(table(&lake).await, table(&at_once).await);
                prop_assert!(files_of(&lake, layout::SESSIONS).await <= 2);
                // Nothing changes, and nothing new is seen.
                for file in &files {
                    prop_assert!(take(&lake, std::slice::from_ref(file)).await.version.is_none());
                }
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_two_optimizes_at_once_lose_no_row_and_double_none() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let mut files = Vec::new();
    for number in 0..16 {
        files.push(export(folder.path(), &format!("{number}.csv"), i64::from(number), &hour(number)));
    }
    merge_soon(&lake).await;
    for file in &files[..8] {
        take(&lake, std::slice::from_ref(file)).await;
    }
    let writer = {
        let (lake, files) = (lake.clone(), files[8..].to_vec());
        tokio::spawn(async move {
            for file in files {
                take_and_tend(&lake, &[file]).await;
            }
        })
    };
    let optimizing = || {
        let lake = lake.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                tended(&lake).await;
            }
        })
    };
    let (one, other) = (optimizing(), optimizing());
    writer.await.unwrap();
    one.await.unwrap();
    other.await.unwrap();
    let at_once = tempfile::tempdir().unwrap();
    let whole = lake_in(at_once.path());
    take(&whole, &files).await;
    assert_eq!(table(&lake).await, table(&whole).await);
    tended(&lake).await;
    assert_eq!(table(&lake).await, table(&whole).await);
    // Every data file that is on disk is in a version.
    let log: String = files_in(&folder.path().join("lake/workflow_sessions/_delta_log"), ".json")
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for path in files_in(&folder.path().join("lake/workflow_sessions"), ".parquet") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(log.contains(&name), "{name} is in no version");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_share_much_of_their_time_are_merged_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    for number in 0..6 {
        let states: Vec<State> =
            (0..400).map(|session| State { seconds: 60 + session, ..ended(session * 6 + number, number) }).collect();
        take(&lake, &[export(folder.path(), &format!("{number}.csv"), 1, &states)]).await;
    }
    let rows = stored(&lake).await;
    let mut tight = how();
    tight.limits.memory_bytes = 1;
    optimize(&lake, &tight).await.unwrap();
    assert_eq!((stored(&lake).await, files_of(&lake, layout::SESSIONS).await), (rows, 1));
    let sorted = "select started_at from workflow_sessions";
    let starts = query(&lake, sorted).await;
    assert!(starts.is_sorted());
    // A disk that has no room for that is told of.
    for number in 0..2 {
        let states: Vec<State> = (0..400).map(|session| ended(10_000 + session * 2 + number, number)).collect();
        take(&lake, &[export(folder.path(), &format!("more{number}.csv"), 1, &states)]).await;
    }
    tight.limits.spill_bytes = 1_000;
    let error = optimize(&lake, &tight).await.unwrap_err();
    assert!(matches!(error, sessionlake::Error::Limit { .. }), "{error:?}");
    assert_eq!(files_of(&lake, layout::SESSIONS).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_optimize_leaves_no_file_and_the_table_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    for number in 0..5 {
        take(&lake, &[export(folder.path(), &format!("{number}.csv"), i64::from(number), &hour(number))]).await;
    }
    let data = || files_in(&folder.path().join("lake/workflow_sessions"), ".parquet");
    let (rows, before) = (stored(&lake).await, data());
    let mut stopped = how();
    let flag = stopped.limits.cancelled.clone();
    stopped.limits.progress = std::sync::Arc::new(move |_| flag.store(true, Ordering::Relaxed));
    let error = optimize(&lake, &stopped).await.unwrap_err();
    assert!(matches!(error, sessionlake::Error::Cancelled), "{error:?}");
    assert_eq!((stored(&lake).await, data()), (rows, before));
}

/// Changes the log's tag on what files tell of their session ids.
fn change_tags(lake: &std::path::Path, change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    for path in files_in(&lake.join("workflow_sessions/_delta_log"), ".json") {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| {
            let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(tags) = action.pointer_mut("/add/tags").and_then(serde_json::Value::as_object_mut) {
                assert!(tags.contains_key("sessionlake.ids"), "{tags:?}");
                change(tags);
            }
            action.to_string() + "\n"
        });
        std::fs::write(&path, lines.collect::<String>()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_missing_or_damaged_change_no_answer() {
    let states = |from: u32, data: u32| -> Vec<State> { (from..from + 4).map(|n| ended(n, data)).collect() };
    let take_all = async |change: &dyn Fn(&std::path::Path)| {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_in(folder.path());
        for number in 0..4 {
            take(&lake, &[export(folder.path(), &format!("{number}.csv"), 1, &states(number * 4, 1))]).await;
        }
        change(&folder.path().join("lake"));
        // Sessions of two of the files, and new ones.
        let ledger = take(&lake, &[export(folder.path(), "9.csv", 2, &[states(2, 2), states(40, 1)].concat())]).await;
        assert_eq!((ledger.total.updated, ledger.total.inserted), (4, 4));
        table(&lake).await
    };
    let rows = take_all(&|_| {}).await;
    assert_eq!(rows.len(), 20);
    let gone = |lake: &std::path::Path| change_tags(lake, |tags| drop(tags.remove("sessionlake.ids")));
    assert_eq!(take_all(&gone).await, rows);
    let another = |lake: &std::path::Path| {
        change_tags(lake, |tags| {
            let tag = tags["sessionlake.ids"].as_str().unwrap().to_owned();
            let (offset, rest) = tag.split_once(':').unwrap();
            let offset: u64 = offset.parse().unwrap();
            tags.insert("sessionlake.ids".to_owned(), format!("{}:{rest}", offset + 1).into());
        });
    };
    assert_eq!(take_all(&another).await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_reads_little_of_files_that_have_none_of_its_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let states = |from: u32| -> Vec<State> { (from..from + 3_000).map(|n| ended(n, 1)).collect() };
    for number in 0..4 {
        take(&lake, &[export(folder.path(), &format!("{number}.csv"), 1, &states(number * 3_000))]).await;
    }
    let (counted, read) = counting(&lake);
    take(&counted, &[export(folder.path(), "new.csv", 1, &states(20_000)[..50])]).await;
    let new = read.swap(0, Ordering::Relaxed);
    assert!(new > 4 * 3_000 && new < 4 * 3_000 * 3, "{new} bytes read");
    // A session of one of them, and one of another.
    let known = [&states(0)[..1], &states(9_000)[..1]].concat();
    let ledger = take(&counted, &[export(folder.path(), "known.csv", 1, &known)]).await;
    assert_eq!(ledger.total.unchanged, 2);
    assert!(read.load(Ordering::Relaxed) > new, "the files that have them are read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_looked_up_by_id_without_the_footers_of_files_that_have_it_not() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let states = |from: u32| -> Vec<State> { (from..from + 1_100).map(|n| ended(n, 1)).collect() };
    for number in 0..8 {
        take(&lake, &[export(folder.path(), &format!("{number}.csv"), 1, &states(number * 2_000))]).await;
    }
    let (counted, read) = counting(&lake);
    let found = query(&counted, "select data from workflow_sessions where session_id = 'session-4007'").await;
    assert_eq!(found, ["{\"step\":1}"]);
    let by_id = read.swap(0, Ordering::Relaxed);
    assert!(
        query(&counted, "select data from workflow_sessions where session_id = 'session-4007-none'").await.is_empty()
    );
    let none = read.swap(0, Ordering::Relaxed);
    // Two and a half bytes a session of each file that may have it by the range of its ids, and no footer.
    assert!(none > 2_200 && none < 8 * 3_600, "{none} bytes");
    let size: u64 = query(&lake, "select max(bytes) from lake_files").await[0].parse().unwrap();
    // The one that has it is read some three times, so small as it is: for its ids, its bloom filter and its rows; the others' ends would be as much again each.
    assert!(by_id < none + 4 * size, "{by_id} bytes, of files of {size}");
    // Files that do not tell are asked otherwise.
    change_tags(&folder.path().join("lake"), |tags| drop(tags.remove("sessionlake.ids")));
    assert_eq!(query(&lake, "select data from workflow_sessions where session_id = 'session-4007'").await, found);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_log_has_forgotten_is_known_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let now_us = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
    // Long ago.
    let then = IngestOptions { upkeep: true, now_us: now_us - 800 * 24 * crate::lakes::HOUR_US, ..options() };
    let mut files = Vec::new();
    for number in 0..24 {
        files.push(export(folder.path(), &format!("{number}.csv"), i64::from(number), &hour(number)));
        let ledger = ingest(&lake, &files[number as usize..], then.clone()).await.unwrap();
        assert_eq!((ledger.upkeep_failed, ledger.files[0].already_in_version), (None, None));
    }
    let now = IngestOptions { upkeep: true, now_us, ..options() };
    let ledger = ingest(&lake, &files, now.clone()).await.unwrap();
    // The log forgets names in a checkpoint. Between those that were noted beside it and those of the commits behind it are some that nobody knows any
    // more: they are read again, and nothing changes.
    let known: String =
        ledger.files.iter().map(|file| if file.already_in_version.is_some() { '+' } else { '-' }).collect();
    assert_eq!(known, "+++++++++++++++++--+++++");
    assert_eq!((ledger.total.inserted, ledger.total.updated), (0, 0));
    let rows = table(&lake).await;
    let again = ingest(&lake, &files, now).await.unwrap();
    assert!(again.files.iter().all(|file| file.already_in_version.is_some()), "{again:#?}");
    assert_eq!(table(&lake).await, rows);
}

/// Takes files in, and says how many requests that took, and listings among them.
async fn asked(lake: &Lake, files: &[SourceFile]) -> (u64, u64) {
    let costs = std::sync::Arc::new(sessionlake::lake::Costs::default());
    take_and_tend(&lake.clone().counting(&costs), files).await;
    (costs.spent().requests(), costs.spent().lists)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_reads_each_log_once_and_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    merge_soon(&lake).await;
    let files: Vec<SourceFile> = (0..17)
        .map(|number| export(folder.path(), &format!("{number}.csv"), i64::from(number), &hour(number)))
        .collect();
    // Opened before all commits, and read on from there.
    let kept = lake.keeping_tables();
    for file in &files {
        take_and_tend(&lake, std::slice::from_ref(file)).await;
        for name in [layout::SESSIONS, layout::SIGHTINGS] {
            let (anew, on) = (lake.open(name).await.unwrap(), kept.open(name).await.unwrap());
            let [anew, on] =
                [anew, on].map(|table| table.map(|table| (table.version(), table.snapshot().unwrap().files)));
            assert_eq!(anew, on, "{name}");
        }
    }
    // The log of sessions has some twenty commits since its checkpoint, which are read for the newest version's columns and files, and for the names of
    // files that were taken in.
    let (one, lists) = asked(&lake, &files[..1]).await;
    assert!(one < 150 && lists <= 6, "{one} requests, {lists} listings");
    let (all, _) = asked(&lake, &files).await;
    assert_eq!(all, one, "files that are known are looked for at once");
    let next = export(folder.path(), "next.csv", 17, &hour(17));
    let (new, lists) = asked(&lake, &[next]).await;
    assert!(new < 300 && lists <= 20, "{new} requests, {lists} listings");
}

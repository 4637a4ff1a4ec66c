//! The index of session ids: it says what the files say, saves requests, and changes no answer whatever becomes of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use sessionlake::custody::{FaultKind, VacuumOptions, VerifyOptions, VerifyReport, vacuum, verify};
use sessionlake::ingest::{IngestOptions, UpkeepOptions, ingest, optimize};
use sessionlake::lake::{Costs, Lake, layout, properties};

use crate::lakes::{NOW_US, State, ended, export, lake_in, options, query, running, set_property, table};

/// Gives a lake an index from eight files on.
async fn index_soon(lake: &Lake) {
    set_property(lake, properties::INDEX_FILES, "8").await;
}

/// Takes in an export with upkeep, as the command does.
async fn take(lake: &Lake, folder: &Path, hour: i64, states: &[State]) {
    let name = format!("{hour}.csv");
    let options = IngestOptions { upkeep: true, ..options() };
    ingest(lake, &[export(folder, &name, hour, states)], options).await.unwrap();
}

/// The sessions of an hour, all of them ended.
fn hour_of(hour: u32, sessions: u32) -> Vec<State> {
    (0..sessions).map(|session| ended(hour * sessions + session, hour)).collect()
}

/// Asks for sessions that are there and one that is not.
async fn looked_up(lake: &Lake, sessions: &[u32]) -> Vec<String> {
    let ids: Vec<String> = sessions.iter().map(|session| format!("'session-{session}'")).collect();
    let sql = format!(
        "select session_id, data from workflow_sessions where session_id in ({}, 'nowhere') order by 1",
        ids.join(", ")
    );
    query(lake, &sql).await
}

async fn faults(lake: &Lake) -> Vec<(String, String)> {
    lake.open(layout::SESSIONS).await.unwrap().unwrap().index_faults().await.unwrap()
}

fn index_files(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.join("lake").join(layout::SESSIONS).join(layout::INDEX);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn verified(lake: &Lake, repair: bool) -> VerifyReport {
    let now = DateTime::from_timestamp_micros(NOW_US).unwrap();
    let options = VerifyOptions { deep: false, repair, leaf_budget: 32, now, memory: None };
    verify(lake, &options, &crate::lakes::options().limits).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_found_with_few_requests_however_many_files_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let behind = Arc::new(InMemory::new());
    let inner = Arc::clone(&behind);
    let lake = Lake::at("s3://bucket/lake").unwrap().layered(move |_| Arc::clone(&inner) as _);
    let requests = async |sql: &str| {
        let costs = Arc::<Costs>::default();
        let rows = query(&lake.clone().counting(&costs), sql).await;
        (costs.spent().requests(), rows)
    };
    index_soon(&lake).await;
    let mut taken = Vec::new();
    let absent = "select * from workflow_sessions where session_id = 'session-5x'";
    for hour in 0..24 {
        // The ids of a file are among those of all others, so that the log's statistics leave out none.
        let states: Vec<State> = (0..500).map(|session| ended(session * 24 + hour, hour)).collect();
        take(&lake, folder.path(), i64::from(hour), &states).await;
        if hour % 8 != 7 {
            continue;
        }
        let (opening, _) = requests("select count(*) from workflow_sessions").await;
        let (with, found) = requests("select * from workflow_sessions where session_id = 'session-1203'").await;
        assert_eq!(found.len(), 1);
        let (without, none) = requests(absent).await;
        assert_eq!(none.len(), 0);
        taken.push((with - opening, without - opening));
    }
    // The top of the index, a segment or two where there are some, and the file, which is read as any other.
    assert!(taken.iter().all(|(found, absent)| *found <= 11 && (1..=3).contains(absent)), "{taken:?}");
    assert_eq!(faults(&lake).await, []);
    let (opening, _) = requests("select count(*) from workflow_sessions").await;
    let listed: Vec<_> = behind.list(None).try_collect().await.unwrap();
    for meta in listed.iter().filter(|meta| meta.location.as_ref().contains("/_sessions/")) {
        behind.delete(&meta.location).await.unwrap();
    }
    let (one_by_one, _) = requests(absent).await;
    eprintln!(
        "beside opening, at 8, 16 and 24 files: found and not there {taken:?}; without an index {}",
        one_by_one - opening
    );
    assert!(one_by_one - opening >= 24, "{taken:?}, and one by one {}", one_by_one - opening);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_index_no_answer_changes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    index_soon(&lake).await;
    for hour in 0..12 {
        take(&lake, folder.path(), i64::from(hour), &hour_of(hour, 500)).await;
    }
    let sessions = [3, 1_203, 5_998];
    let expected = looked_up(&lake, &sessions).await;
    assert_eq!(expected.len(), sessions.len());
    let files = index_files(folder.path());
    assert!(files.len() >= 2, "{files:?}");
    let whole: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for (file, whole) in files.iter().zip(&whole) {
        let is_top = file.ends_with("newest");
        let (step, check) = (whole.len() / if is_top { 40 } else { 8 }, async |bytes: &[u8]| {
            std::fs::write(file, bytes).unwrap();
            assert_eq!(looked_up(&lake, &sessions).await, expected);
        });
        for at in (0..whole.len()).step_by(step.max(1)).chain(0..if is_top { 28 } else { 0 }) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            check(&damaged).await;
        }
        for length in [0, 7, whole.len() / 2, whole.len() - 1] {
            check(&whole[..length]).await;
        }
        std::fs::remove_file(file).unwrap();
        assert_eq!(looked_up(&lake, &sessions).await, expected);
        std::fs::write(file, whole).unwrap();
    }
    // The index of another lake, whose sessions have the same ids and files other names.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = lake_in(elsewhere.path());
    index_soon(&other).await;
    for hour in 0..9 {
        take(&other, elsewhere.path(), i64::from(hour), &hour_of(20 + hour, 500)).await;
    }
    let own = folder.path().join("lake").join(layout::SESSIONS).join(layout::INDEX);
    for file in index_files(elsewhere.path()) {
        std::fs::copy(&file, own.join(file.file_name().unwrap())).unwrap();
    }
    assert_eq!(looked_up(&lake, &sessions).await, expected);
    // With it and with a damaged one an ingest finds what is stored, and leaves one that is whole.
    let before = table(&lake).await.len();
    take(&lake, folder.path(), 30, &[ended(1_203, 77), ended(9_999, 1)]).await;
    assert_eq!(looked_up(&lake, &[1_203, 9_999]).await.len(), 2);
    assert_eq!(table(&lake).await.len(), before + 1);
    assert_eq!(faults(&lake).await, []);
    let top = own.join("newest");
    let mut damaged = std::fs::read(&top).unwrap();
    damaged[20] ^= 4;
    std::fs::write(&top, damaged).unwrap();
    take(&lake, folder.path(), 31, &[ended(1_204, 78), ended(9_999, 2)]).await;
    assert_eq!(table(&lake).await.len(), before + 1);
    assert_eq!(faults(&lake).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_index_is_found_and_put_right_and_what_it_lost_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    index_soon(&lake).await;
    for hour in 0..10 {
        take(&lake, folder.path(), i64::from(hour), &hour_of(hour, 500)).await;
    }
    let own = folder.path().join("lake").join(layout::SESSIONS).join(layout::INDEX);
    std::fs::write(own.join("mine.txt"), "somebody's").unwrap();
    assert!(verified(&lake, false).await.faults.is_empty());
    for file in index_files(folder.path()).iter().filter(|file| !file.ends_with("mine.txt")) {
        // Putting right what was before has removed it.
        let Ok(mut bytes) = std::fs::read(file) else { continue };
        let middle = bytes.len() / 2;
        bytes[middle] ^= 16;
        std::fs::write(file, bytes).unwrap();
        let report = verified(&lake, false).await;
        // A segment that merges took the place of is nobody's.
        if report.faults.is_empty() {
            continue;
        }
        assert!(report.faults.iter().all(|fault| fault.kind == FaultKind::Index && fault.repairable), "{report:?}");
        let repaired = verified(&lake, true).await;
        assert!(repaired.faults.is_empty() && !repaired.repaired.is_empty(), "{repaired:?}");
        assert!(repaired.versions.is_empty(), "{repaired:?}");
        assert!(verified(&lake, false).await.faults.is_empty());
    }
    let now = DateTime::from_timestamp_micros(NOW_US).unwrap();
    let later = VacuumOptions { retention: TimeDelta::days(30), now: now + TimeDelta::days(400), removes: true };
    let left = own.join(format!("segment-{:032x}", 7));
    std::fs::write(&left, "what a killed run left").unwrap();
    let kept = index_files(folder.path()).len() - 1;
    vacuum(&lake, later, &options().limits).await.unwrap();
    assert!(!left.exists());
    assert_eq!(index_files(folder.path()).len(), kept);
    assert_eq!(faults(&lake).await, []);
    assert_eq!(looked_up(&lake, &[3, 1_203]).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_says_what_the_files_say_whatever_comes() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    index_soon(&lake).await;
    let mut draw = 7_u64;
    let mut below = |limit: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 33) % limit
    };
    for hour in 0..40 {
        let states: Vec<State> = (0..300)
            .map(|_| {
                let session = below(6_000) as u32;
                if below(4) == 0 { running(session, hour) } else { ended(session, hour) }
            })
            .collect();
        take(&lake, folder.path(), i64::from(hour), &states).await;
        if below(20) == 0 {
            let upkeep = UpkeepOptions { leaf_budget: 8, now_us: NOW_US, limits: options().limits };
            optimize(&lake, &upkeep).await.unwrap();
        }
        assert_eq!(faults(&lake).await, [], "hour {hour}");
        let some: Vec<u32> = (0..6).map(|_| below(6_000) as u32).collect();
        let ids: Vec<String> = some.iter().map(|session| format!("'session-{session}'")).collect();
        // The same question in a form that no index answers.
        let sql = format!(
            "select session_id, data from workflow_sessions where session_id || '' in ({}) order by 1",
            ids.join(", ")
        );
        assert_eq!(looked_up(&lake, &some).await, query(&lake, &sql).await, "hour {hour}");
    }
}

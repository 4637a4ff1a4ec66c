//! Several writers and readers at once: no update is lost, no session is there twice, a reader sees one version.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path as StorePath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use sessionlake::Error;
use sessionlake::custody::{EraseOptions, Selection, erase};
use sessionlake::engine::At;
use sessionlake::ingest::{Ledger, SourceFile, ingest};
use sessionlake::lake::{Commit, Lake, layout};

use crate::lakes::{
    State, assert_balanced, binary, ended, export, files_in, lake_in, open, options, query, rows_of, run, running,
    table, take,
};

/// Ingests groups of files at once, each in a task of its own, and returns the ledgers.
pub async fn at_once(lake: &Lake, groups: Vec<Vec<SourceFile>>) -> Vec<Ledger> {
    let tasks: Vec<_> = groups
        .into_iter()
        .map(|files| {
            let lake = lake.clone();
            tokio::spawn(async move { ingest(&lake, &files, options()).await.unwrap() })
        })
        .collect();
    let mut ledgers = Vec::new();
    for task in tasks {
        ledgers.push(task.await.unwrap());
    }
    ledgers.iter().for_each(assert_balanced);
    ledgers
}

/// States of which every writer has some of its own and some that all have.
fn states_of(writer: u32) -> Vec<State> {
    let own = (0..20)
        .map(|n| if n % 2 == 0 { ended(1_000 + writer * 20 + n, 1) } else { running(1_000 + writer * 20 + n, 1) });
    let shared = (0..10).map(|n| if n == writer { ended(n, writer) } else { running(n, writer) });
    own.chain(shared).collect()
}

/// Checks a lake that all writers wrote to against one that was written by one run.
async fn assert_all_there(folder: &Path, lake: &Lake, files: &[SourceFile], writers: u32) {
    let alone = folder.join("alone");
    std::fs::create_dir_all(&alone).unwrap();
    let alone = lake_in(&alone);
    take(&alone, files).await;
    assert_eq!(table(lake).await, table(&alone).await);
    let counts = query(lake, "select count(*), count(distinct session_id) from workflow_sessions").await;
    let sessions = writers * 20 + 10;
    assert_eq!(counts, [format!("{sessions}|{sessions}")]);
    // Every run has its version and its ledger: none was lost, none came twice.
    let sums = query(lake, "select count(ledger), sum(rows_read), sum(inserted), max(version) from lake_history").await;
    assert_eq!(sums, [format!("{writers}|{}|{sessions}|{writers}", writers * 30)]);
}

pub fn exports(folder: &Path, writers: u32) -> Vec<SourceFile> {
    (0..writers).map(|w| export(folder, &format!("{w}.csv"), i64::from(w), &states_of(w))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_process_do_not_lose_each_others_updates() {
    for writers in [2, 8] {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_in(folder.path());
        let files = exports(folder.path(), writers);
        at_once(&lake, files.iter().map(|file| vec![file.clone()]).collect()).await;
        assert_all_there(folder.path(), &lake, &files, writers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_separate_processes_do_not_lose_each_others_updates() {
    for writers in [2, 8] {
        let folder = tempfile::tempdir().unwrap();
        let files = exports(folder.path(), writers);
        let children: Vec<_> = files
            .iter()
            .map(|file| {
                let at = chrono::DateTime::from_timestamp_micros(file.modified_us.unwrap()).unwrap().to_rfc3339();
                let mut command = binary();
                command.args(["ingest", "--no-upkeep", "--format", "json", "--exported-at", &at, "--lake"]);
                command.arg(folder.path().join("lake")).arg(file.path.as_ref().unwrap());
                command.stdout(std::process::Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut versions = Vec::new();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let ledger: Ledger = serde_json::from_slice(&output.stdout).unwrap();
            assert_balanced(&ledger);
            versions.push(ledger.version.unwrap());
        }
        versions.sort_unstable();
        assert_eq!(versions, (1..=u64::from(writers)).collect::<Vec<_>>());
        assert_all_there(folder.path(), &lake_in(folder.path()), &files, writers).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_share_files_take_each_file_once_and_lose_none() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let files = exports(folder.path(), 5);
    // Every file is in two runs, and the first file of a run is the last of another.
    let groups: Vec<Vec<SourceFile>> = (0..5).map(|n| vec![files[n].clone(), files[(n + 1) % 5].clone()]).collect();
    let ledgers = at_once(&lake, groups).await;
    let read: u64 = ledgers.iter().map(|ledger| ledger.total.rows_read).sum();
    assert_eq!(read, 5 * 30, "each file counts once: {ledgers:#?}");
    let known =
        ledgers.iter().flat_map(|ledger| &ledger.files).filter(|file| file.already_in_version.is_some()).count();
    assert_eq!(known, 5);
    assert_eq!(query(&lake, "select sum(rows_read) from lake_history").await, ["150"]);
    assert_eq!(query(&lake, "select count(*), count(distinct session_id) from workflow_sessions").await, ["110|110"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_of_runs_at_once_are_all_kept_and_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let files: Vec<SourceFile> = (0..4)
        .map(|n| {
            let path = folder.path().join(format!("{n}.csv"));
            std::fs::write(&path, format!("Session Id,Started At\ngood-{n},2026-11-01T00:00:00Z\nbad-{n},never\n"))
                .unwrap();
            crate::lakes::source(&path, n)
        })
        .collect();
    let groups = (0..4).map(|n| vec![files[n].clone(), files[(n + 1) % 4].clone()]).collect();
    at_once(&lake, groups).await;
    let mut raw = query(&lake, "select raw from quarantine").await;
    raw.sort();
    assert_eq!(raw, ["bad-0,never", "bad-1,never", "bad-2,never", "bad-3,never"]);
    assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_one_version_while_writers_commit() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    // Every export moves all sessions to its own step, so a mix of versions would show two steps.
    let states = |step: u32| (0..50).map(|n| running(n, step)).collect::<Vec<_>>();
    take(&lake, &[export(folder.path(), "0.csv", 0, &states(0))]).await;
    let done = Arc::new(AtomicBool::new(false));
    let (reader_lake, reader_done) = (lake.clone(), Arc::clone(&done));
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            let last = reader_done.load(Ordering::SeqCst);
            let engine = open(&reader_lake, At::Newest).await.unwrap();
            // The same session again: whatever was committed since, it sees what it saw.
            for _ in 0..2 {
                let sql = "select count(*), min(data), max(data) from workflow_sessions";
                let rows = rows_of(&engine.context().sql(sql).await.unwrap().collect().await.unwrap());
                let values: Vec<&str> = rows[0].split('|').collect();
                assert_eq!((values[0], values[1]), ("50", values[2]), "{rows:?}");
                seen.push(values[1].to_owned());
            }
            assert_eq!(seen[seen.len() - 1], seen[seen.len() - 2]);
            if last {
                return seen;
            }
        }
    });
    for step in 1..=10 {
        take(&lake, &[export(folder.path(), &format!("{step}.csv"), i64::from(step), &states(step))]).await;
    }
    done.store(true, Ordering::SeqCst);
    let seen = reader.await.unwrap();
    assert_eq!(seen.last().unwrap(), "{\"step\":10}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rewrites_of_the_same_files_from_one_version_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "a.csv", 1, &[ended(1, 1), ended(2, 1)])]).await;
    let mut first = lake.open(layout::SESSIONS).await.unwrap().unwrap();
    let mut second = lake.open(layout::SESSIONS).await.unwrap().unwrap();
    let snapshot = first.snapshot().unwrap();
    let removed: Vec<(String, u64)> = snapshot.files.iter().map(|f| (f.path.clone(), f.size_bytes)).collect();
    let rewrite = || Commit { removed: removed.clone(), ..Commit::default() };
    assert_eq!(first.commit(rewrite()).await.unwrap().version, 2);
    let error = second.commit(rewrite()).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    // An append that was computed from the old version conflicts too: what it was computed from has changed.
    let error = second.commit(Commit::default()).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    second.refresh().await.unwrap();
    assert_eq!(second.commit(Commit::default()).await.unwrap().version, 3);
    assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["0"]);
}

#[test]
fn a_lake_that_several_processes_make_at_once_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake: PathBuf = folder.path().join("lake");
    let nothing = folder.path().join("not-a-session-export.csv");
    std::fs::write(&nothing, "a,b\n1,2\n").unwrap();
    let children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = binary();
            command.args(["ingest", "--lake"]).arg(&lake).arg(&nothing);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(3), "the file is refused, the lake is there");
    }
    let (code, out, err) = run(binary().args(["history", "--csv", "--lake"]).arg(&lake));
    assert_eq!(code, 0, "{err}");
    assert_eq!(out.lines().count(), 2, "a heading and one version: {out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_and_a_restore_at_once_leave_a_table_that_is_whole() {
    for round in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_in(folder.path());
        for n in 0..4 {
            let states: Vec<State> = (0..5).map(|session| running(session, n)).collect();
            take(&lake, &[export(folder.path(), &format!("{n}.csv"), i64::from(n), &states)]).await;
        }
        let command = |arguments: &[&str]| {
            let mut command = binary();
            command.args(arguments).arg("--lake").arg(folder.path().join("lake"));
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
        };
        let restores = ["restore", "--to", "2"];
        let vacuums = ["vacuum", "--retention", "0", "--yes"];
        let [first, second]: [&[&str]; 2] = if round % 2 == 0 { [&restores, &vacuums] } else { [&vacuums, &restores] };
        let children = [command(first), command(second), command(&vacuums), command(&restores)];
        let codes = children.map(|mut child| child.wait().unwrap().code().unwrap());
        assert!(codes.iter().all(|code| [0, 2].contains(code)), "{codes:?}");
        // Version 2 is the state of the second export, version 4 that of the last.
        let rows = query(&lake, "select distinct data ->> 'step' from workflow_sessions").await;
        assert!(rows == ["1"] || rows == ["3"], "{codes:?}: {rows:?}");
        assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["5"]);
        assert_eq!(command(&["verify", "--deep"]).wait().unwrap().code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_killed_at_any_time_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let states: Vec<State> = (0..40).map(|session| running(session, 0)).collect();
    take(&lake, &[export(folder.path(), "0.csv", 0, &states)]).await;
    let command = |arguments: &[&str]| {
        let mut command = binary();
        command.args(arguments).arg("--lake").arg(folder.path().join("lake"));
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    for round in 1..=6_u32 {
        let states: Vec<State> = (0..40).map(|session| running(session, round)).collect();
        let file = export(folder.path(), "next.csv", i64::from(round), &states);
        let at = chrono::DateTime::from_timestamp_micros(file.modified_us.unwrap()).unwrap().to_rfc3339();
        let path = file.path.unwrap();
        let ingests = ["ingest", path.to_str().unwrap(), "--exported-at", &at];
        let gone = format!("session-{}", round - 1);
        let mut children = vec![
            command(&ingests),
            command(&["vacuum", "--retention", "0", "--yes"]),
            command(&["erase", "--session-id", &gone, "--yes"]),
            command(&["verify", "--repair"]),
        ];
        // One is killed after some turns of the processor that differ from round to round.
        let victim = round as usize % children.len();
        (0..u64::from(round) * 40_000).for_each(|turn| {
            std::hint::black_box(turn);
        });
        let _ = children[victim].kill();
        for child in &mut children {
            child.wait().unwrap();
        }
        for arguments in [&ingests[..], &["erase", "--session-id", &gone, "--yes"]] {
            assert_eq!(command(arguments).wait().unwrap().code(), Some(0), "round {round}: {arguments:?}");
        }
        let found =
            query(&lake, "select count(*), min(data ->> 'step'), max(data ->> 'step') from workflow_sessions").await;
        assert_eq!(found, [format!("{}|{round}|{round}", 40 - round)], "round {round}");
    }
    assert_eq!(command(&["vacuum", "--retention", "0", "--yes"]).wait().unwrap().code(), Some(0));
    assert_eq!(command(&["verify", "--deep"]).wait().unwrap().code(), Some(0));
}

/// A store in which an ingest of another process commits just before each of the first commits of ours.
#[derive(Debug)]
struct Busy {
    inner: Arc<dyn ObjectStore>,
    folder: PathBuf,
    /// The data files that were there at each commit and are of no version.
    waiting: Arc<Mutex<Vec<BTreeSet<PathBuf>>>>,
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Busy")
    }
}

const OTHERS: usize = 5;

impl Busy {
    fn meets_others(&self, location: &StorePath) {
        let version = location.filename().and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
        // The tables beside the sessions have few versions.
        if version.is_none_or(|version| version < 4) || self.waiting.lock().unwrap().len() >= OTHERS {
            return;
        }
        let lake = lake_in(&self.folder);
        let known = sessions_files(&lake);
        let there = files_in(&self.folder.join("lake/workflow_sessions"), ".parquet");
        let number = {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.push(
                there.into_iter().filter(|path| !known.contains(path.file_name().unwrap().to_str().unwrap())).collect(),
            );
            waiting.len() as u32
        };
        let other = export(&self.folder, &format!("other-{number}.csv"), 9, &[ended(500 + number, 1)]);
        block_in_place(take(&lake, &[other]));
    }
}

fn block_in_place<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

fn sessions_files(lake: &Lake) -> BTreeSet<String> {
    let table = block_in_place(lake.open(layout::SESSIONS)).unwrap().unwrap();
    table.snapshot().unwrap().files.iter().map(|file| file.path.clone()).collect()
}

#[async_trait]
impl ObjectStore for Busy {
    async fn put_opts(
        &self,
        location: &StorePath,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.meets_others(location);
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &StorePath,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &StorePath, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<StorePath>>,
    ) -> BoxStream<'static, object_store::Result<StorePath>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &StorePath, to: &StorePath, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_erasure_has_written_serves_until_it_gets_through_beside_others() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    for number in 1..=3 {
        let states = [ended(number, 1), ended(number + 10, 1)];
        take(&lake, &[export(folder.path(), &format!("{number}.csv"), i64::from(number), &states)]).await;
    }
    let waiting: Arc<Mutex<Vec<BTreeSet<PathBuf>>>> = Arc::default();
    let (seen, place) = (Arc::clone(&waiting), folder.path().to_owned());
    let busy =
        lake.clone().layered(move |inner| Arc::new(Busy { inner, folder: place.clone(), waiting: Arc::clone(&seen) }));
    let selection =
        Selection { session_ids: vec!["session-1".to_owned(), "session-12".to_owned()], ..Selection::default() };
    let (now, engine) = (chrono::Utc::now(), crate::model::engine());
    let how = EraseOptions { selection, erases: true, purge: false, remembers: true, leaf_budget: 32, now, engine };
    let receipt = erase(&busy, &how, &options().limits).await.unwrap();
    assert_eq!((receipt.sessions, receipt.files), (2, 2));
    let waiting = waiting.lock().unwrap().clone();
    assert_eq!(waiting.len(), OTHERS);
    assert!(waiting[0].len() == 2 && waiting.iter().all(|files| *files == waiting[0]), "{waiting:?}");
    let ids = query(&lake, "select session_id from workflow_sessions order by session_id").await;
    let left = ["11", "13", "2", "3", "501", "502", "503", "504", "505"].map(|id| format!("session-{id}"));
    assert_eq!(ids, left);
    let known = sessions_files(&lake);
    assert!(waiting[0].iter().all(|path| known.contains(path.file_name().unwrap().to_str().unwrap())));
}

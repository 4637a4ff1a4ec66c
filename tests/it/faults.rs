//! Storage that fails: every call of a command once, an fsync that the disk refuses, temporary space that runs out.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sessionlake::custody::{
    EraseOptions, FaultKind, RestoreOptions, RestoreTo, Selection, VacuumOptions, VerifyOptions, erase, restore,
    vacuum, verify,
};
use sessionlake::engine::{At, LakeView};
use sessionlake::ingest::{IngestOptions, Limits, UpkeepOptions, ingest, optimize};
use sessionlake::lake::Lake;
use sessionlake::lake::{NotDurable, layout};
use sessionlake::report::{self, Job, Manifest, OnFailure, Privacy, Request, resolve};
use sessionlake::schema;

use crate::lakes::{ended, export, lake_in, options, query, rows_of, running, source, take, try_take};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing is done.
    Undone,
    /// It is done, and the answer is lost.
    Unanswered,
    /// It is done, but the disk does not confirm it: writes of the log only.
    Unconfirmed,
}

/// Which call fails, and how; the first has the number 1.
#[derive(Debug)]
pub struct Plan {
    calls: AtomicUsize,
    fails: usize,
    fault: Fault,
}

impl Plan {
    /// Plans that a call fails, by its number from 1: before it is done, or after.
    pub fn failing(fails: usize, undone: bool) -> Arc<Self> {
        let fault = if undone { Fault::Undone } else { Fault::Unanswered };
        Arc::new(Self { calls: AtomicUsize::new(0), fails, fault })
    }
}

/// A store whose n-th call fails.
#[derive(Debug)]
pub struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<Plan>,
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore")
    }
}

fn failed() -> Error {
    Error::Generic { store: "FaultStore", source: "a fault of the test".into() }
}

impl FaultStore {
    /// Puts a store that fails as planned around that of a lake.
    pub fn around(lake: Lake, plan: &Arc<Plan>) -> Lake {
        let plan = Arc::clone(plan);
        lake.layered(move |inner| Arc::new(Self { inner, plan: Arc::clone(&plan) }))
    }

    /// Counts a call, and says how it fails.
    fn next(&self) -> Option<Fault> {
        let number = 1 + self.plan.calls.fetch_add(1, Ordering::Relaxed);
        (number == self.plan.fails && self.plan.fault != Fault::Unconfirmed).then_some(self.plan.fault)
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next() {
            None => work.await,
            Some(Fault::Undone) => Err(failed()),
            Some(_) => {
                work.await?;
                Err(failed())
            }
        }
    }

    fn listing(&self, listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            None => listing,
            Some(_) => stream::iter([Err(failed())]).boxed(),
        }
    }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let put = self.call(self.inner.put_opts(location, payload, opts)).await?;
        if self.plan.fault == Fault::Unconfirmed && location.as_ref().ends_with("00000000000000000002.json") {
            let source = std::io::Error::other("Input/output error");
            let source = Box::new(NotDurable { file: location.to_string(), source });
            return Err(Error::Generic { store: "FaultStore", source });
        }
        Ok(put)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.call(self.inner.put_multipart_opts(location, opts)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.inner.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.call(self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.call(self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.call(self.inner.rename_opts(from, to, options)).await
    }
}

/// The sessions of a lake's newest version as their files have them, each as a text; a query would take ten times as long.
async fn sessions_of(lake: &Lake, folder: &FsPath) -> Vec<String> {
    let table = lake.open(layout::SESSIONS).await.unwrap();
    let files = table.map(|table| table.snapshot().unwrap().files.to_vec()).unwrap_or_default();
    let mut rows = Vec::new();
    for file in files {
        let path = folder.join("lake").join(layout::SESSIONS).join(&file.path);
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
        let columns = reader.parquet_schema().columns().iter().map(|column| column.name().to_owned());
        let is_stored = |name: &String| schema::COLUMNS.iter().any(|column| column.name == name);
        let names: Vec<String> = columns.filter(is_stored).collect();
        let mask = ProjectionMask::columns(reader.parquet_schema(), names.iter().map(String::as_str));
        let batches: Vec<RecordBatch> =
            reader.with_projection(mask).build().unwrap().collect::<Result<_, _>>().unwrap();
        rows.extend(rows_of(&batches));
    }
    rows.sort();
    rows
}

fn copy(from: &FsPath, to: &FsPath) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// Which of the calls of a command fail in a test: those whose number leaves this rest. Several tests share the calls, and run side by side.
#[derive(Clone, Copy)]
struct Share {
    rest: usize,
    of: usize,
}

impl Share {
    fn of(self, calls: usize) -> impl Iterator<Item = usize> {
        (1..=calls).filter(move |number| number % self.of == self.rest)
    }
}

async fn ingests_fail(share: Share) {
    let made = tempfile::tempdir().unwrap();
    let lake = lake_in(made.path());
    take(&lake, &[export(made.path(), "first.csv", 1, &[running(1, 1), ended(2, 1), running(3, 1)])]).await;
    let before = sessions_of(&lake, made.path()).await;
    export(made.path(), "second.csv", 2, &[ended(1, 5), ended(2, 1), running(4, 1)]);
    let path = made.path().join("second.csv");
    // A record that goes to quarantine, and a state that is seen again, so that all tables are written.
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "session-9,not a date,,1,w,\n").unwrap();
    let second = source(&path, 2);

    let run = async |fails: usize, fault: Fault| {
        let folder = tempfile::tempdir().unwrap();
        copy(&made.path().join("lake"), &folder.path().join("lake"));
        let plan = Arc::new(Plan { calls: AtomicUsize::new(0), fails, fault });
        let outcome = try_take(&FaultStore::around(lake_in(folder.path()), &plan), std::slice::from_ref(&second)).await;
        (folder, outcome, plan.calls.load(Ordering::Relaxed))
    };
    let (folder, outcome, calls) = run(0, Fault::Undone).await;
    outcome.unwrap();
    let after = sessions_of(&lake_in(folder.path()), folder.path()).await;
    assert!(before != after && calls > 10, "{calls}");
    let mut errors = 0;
    for number in share.of(calls) {
        let fault = if (number / share.of).is_multiple_of(2) { Fault::Undone } else { Fault::Unanswered };
        let (folder, outcome, _) = run(number, fault).await;
        let lake = lake_in(folder.path());
        let found = sessions_of(&lake, folder.path()).await;
        match &outcome {
            Ok(_) => assert_eq!(found, after, "call {number}, {fault:?}"),
            Err(_) => assert!(found == before || found == after, "call {number}, {fault:?}: {found:?}"),
        }
        errors += u32::from(outcome.is_err());
        take(&lake, std::slice::from_ref(&second)).await;
        assert_eq!(sessions_of(&lake, folder.path()).await, after, "call {number}, {fault:?}, and again");
        let quarantine = lake.open(layout::QUARANTINE).await.unwrap().unwrap().snapshot().unwrap();
        assert_eq!(quarantine.rows(), Some(1), "call {number}, {fault:?}");
    }
    assert!(errors > 2, "{errors} of {calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_an_ingest_that_fails_or_loses_its_answer_leaves_the_old_table_or_the_new_one() {
    ingests_fail(Share { rest: 0, of: 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_call_of_an_ingest_that_fails_or_loses_its_answer_leaves_the_old_table_or_the_new_one() {
    ingests_fail(Share { rest: 1, of: 2 }).await;
}

/// Gives a command to copies of a lake, each with another call of the store that fails, and then again: the table is as before or as after, and in the end as
/// after, where a query gives 0. Returns how many calls there are, and how many of them were errors.
async fn every_call(
    share: Share,
    made: &FsPath,
    none: &str,
    command: impl AsyncFn(&Lake) -> sessionlake::Result<()>,
) -> (usize, usize) {
    let fresh = || {
        let folder = tempfile::tempdir().unwrap();
        copy(&made.join("lake"), &folder.path().join("lake"));
        folder
    };
    let before = sessions_of(&lake_in(made), made).await;
    let (folder, plan) = (fresh(), Plan::failing(0, true));
    command(&FaultStore::around(lake_in(folder.path()), &plan)).await.unwrap();
    let after = sessions_of(&lake_in(folder.path()), folder.path()).await;
    let calls = plan.calls.load(Ordering::Relaxed);
    let mut errors = 0;
    for number in share.of(calls) {
        let (folder, plan) = (fresh(), Plan::failing(number, (number / share.of).is_multiple_of(2)));
        let lake = lake_in(folder.path());
        let outcome = command(&FaultStore::around(lake.clone(), &plan)).await;
        if outcome.is_err() {
            let found = sessions_of(&lake, folder.path()).await;
            assert!(found == before || found == after, "call {number}: {found:?}");
            errors += 1;
            command(&lake).await.unwrap();
        }
        assert_eq!(sessions_of(&lake, folder.path()).await, after, "call {number}, and again");
        if !none.is_empty() && outcome.is_err() {
            assert_eq!(query(&lake, none).await, ["0"], "call {number}, and again");
        }
    }
    (calls, errors)
}

/// Makes a lake with two versions of sessions, one of them in quarantine too.
async fn kept() -> tempfile::TempDir {
    let made = tempfile::tempdir().unwrap();
    let lake = lake_in(made.path());
    take(&lake, &[export(made.path(), "first.csv", 1, &[running(1, 1), ended(2, 1), running(3, 1)])]).await;
    export(made.path(), "second.csv", 2, &[ended(1, 5), ended(2, 1), running(4, 1)]);
    let path = made.path().join("second.csv");
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "session-2,not a date,,1,w,\n").unwrap();
    take(&lake, &[source(&path, 2)]).await;
    made
}

const ALL: Share = Share { rest: 0, of: 1 };

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_vacuum_that_fails_leaves_the_table_as_it_was() {
    let (made, limits) = (kept().await, options().limits);
    let vacuuming = VacuumOptions { retention: chrono::TimeDelta::zero(), now: chrono::Utc::now(), removes: true };
    let (calls, errors) =
        every_call(ALL, made.path(), "", async |lake| vacuum(lake, vacuuming, &limits).await.map(drop)).await;
    assert!(calls > 10 && errors > 5, "{errors} of {calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_restore_that_fails_leaves_the_old_table_or_the_new_one() {
    let (made, limits) = (kept().await, options().limits);
    let restoring = RestoreOptions { to: RestoreTo::Version(1), with_erased: false, now: chrono::Utc::now() };
    let (calls, errors) =
        every_call(ALL, made.path(), "", async |lake| restore(lake, restoring, &limits).await.map(drop)).await;
    assert!(calls > 5 && errors > 3, "{errors} of {calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_repair_that_fails_leaves_the_rows_as_they_were_and_the_next_puts_all_right() {
    let made = kept().await;
    // A greatest value that is none, in what the log says of the newest file, and without its checksum.
    let log = made.path().join("lake").join(layout::SESSIONS).join("_delta_log").join(format!("{:020}.json", 2));
    let wrong = |line: &str| -> String {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["add"].is_object() {
            let mut statistics: serde_json::Value =
                serde_json::from_str(line["add"]["stats"].as_str().unwrap()).unwrap();
            statistics["maxValues"]["session_id"] = "a".into();
            line["add"]["stats"] = statistics.to_string().into();
            line["add"]["tags"].as_object_mut().unwrap().remove("sessionlake.check");
        }
        format!("{line}\n")
    };
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.lines().map(wrong).collect::<String>()).unwrap();
    let limits = options().limits;
    let repairing = |repair| {
        let now = chrono::Utc::now();
        VerifyOptions { deep: false, repair, leaf_budget: 32, now, memory: None }
    };
    let found = verify(&lake_in(made.path()), &repairing(false), &limits).await.unwrap();
    assert!(found.faults.iter().any(|fault| fault.kind == FaultKind::Statistics), "{:#?}", found.faults);
    let (calls, errors) = every_call(ALL, made.path(), "", async |lake| {
        let report = verify(lake, &repairing(true), &limits).await?;
        // A store that fails is told as what is wrong.
        match report.faults.first() {
            Some(fault) => Err(sessionlake::Error::usage(format!("{fault:?} is left"))),
            None => Ok(()),
        }
    })
    .await;
    assert!(calls > 15 && errors > 5, "{errors} of {calls}");
}

/// The bytes of all files of a folder.
fn contents(folder: &FsPath) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    crate::support::files_below(folder).into_iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_run_of_reports_that_fails_leaves_the_run_before_it_or_makes_a_whole_one() {
    let (made, folder) = (kept().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("a.sql");
    std::fs::write(&file, "-- title: A\nselect session_id, data ->> 'step' as s from workflow_sessions order by 1")
        .unwrap();
    let job = Job::load(&[file]).unwrap();
    let out = folder.path().join("out");
    let run = async |lake: &Lake, title: &str| {
        let view = LakeView::open(lake, At::Newest, None).await.map_err(|error| vec![error])?;
        let request = Request {
            name: job.name.clone(),
            title: title.to_owned(),
            description: None,
            reports: resolve(&job, &BTreeMap::new(), None)?,
            view,
            lake_uri: "lake".to_owned(),
            engine: crate::model::engine(),
            memory_bytes: Vec::new(),
            window: None,
            privacy: Privacy::Kept,
            html_rows: 10,
            on_failure: OnFailure::Stop,
            stopwatch: Arc::new(|| 0.0),
            spread: None,
            deadline: None,
        };
        report::run(request, &out, &|_| ()).await
    };
    let plan = Plan::failing(0, true);
    run(&FaultStore::around(lake_in(made.path()), &plan), "first").await.unwrap();
    let (calls, mut errors) = (plan.calls.load(Ordering::Relaxed), 0);
    let rows = std::fs::read(out.join("a.csv")).unwrap();
    assert_eq!(rows.iter().filter(|byte| **byte == b'\n').count(), 5, "{}", rows.escape_ascii());
    for number in 1..=calls {
        let before = contents(&out);
        let plan = Plan::failing(number, number.is_multiple_of(2));
        let title = format!("run {number}");
        match run(&FaultStore::around(lake_in(made.path()), &plan), &title).await {
            Ok(report::Outcome::Written(manifest, None)) => {
                assert_eq!((manifest.title, std::fs::read(out.join("a.csv")).unwrap()), (title, rows.clone()));
                assert!(Manifest::read(&out).unwrap().damaged(&out).unwrap().is_empty(), "call {number}");
            }
            Ok(other) => panic!("call {number}: {other:?}"),
            Err(_) => {
                assert_eq!(contents(&out), before, "call {number}");
                errors += 1;
            }
        }
    }
    assert!(calls > 5 && errors > 3, "{errors} of {calls}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
}

async fn erasures_fail(share: Share) {
    let (made, limits) = (kept().await, options().limits);
    let selection = Selection { session_ids: vec!["session-2".to_owned()], ..Selection::default() };
    let (now, engine) = (chrono::Utc::now(), crate::model::engine());
    let erasing = EraseOptions { selection, erases: true, purge: false, remembers: true, leaf_budget: 32, now, engine };
    let left = "select count(*) from quarantine where raw like 'session-2,%'";
    let (calls, errors) =
        every_call(share, made.path(), left, async |lake| erase(lake, &erasing, &limits).await.map(drop)).await;
    assert!(calls > 20 && errors > 3, "{errors} of {calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_third_call_of_an_erasure_that_fails_leaves_the_old_table_or_the_new_one() {
    erasures_fail(Share { rest: 0, of: 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_an_erasure_after_each_third_that_fails_leaves_the_old_table_or_the_new_one() {
    erasures_fail(Share { rest: 1, of: 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_an_erasure_before_each_third_that_fails_leaves_the_old_table_or_the_new_one() {
    erasures_fail(Share { rest: 2, of: 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_disk_does_not_confirm_is_an_error_although_it_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "first.csv", 1, &[running(1, 1)])]).await;
    let second = export(folder.path(), "second.csv", 2, &[ended(1, 1)]);
    let plan = Arc::new(Plan { calls: AtomicUsize::new(0), fails: 0, fault: Fault::Unconfirmed });
    let error = try_take(&FaultStore::around(lake.clone(), &plan), std::slice::from_ref(&second)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, sessionlake::Error::Storage { .. }), "{error:?}");
    assert!(text.contains("version 2 is in the log, but the disk may not keep it"), "{text}");
    assert!(text.contains("Input/output error"), "{text}");
    // Its files stay, for the version has them.
    assert_eq!(query(&lake, "select count(*) from ended_sessions").await, ["1"]);
    assert_eq!(take(&lake, &[second]).await.files[0].already_in_version, Some(2));
}

fn limited(change: impl FnOnce(&mut Limits)) -> IngestOptions {
    let mut options = options();
    change(&mut options.limits);
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_needs_more_temporary_space_than_it_may_take_names_the_limit_and_commits_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let states: Vec<_> = (0..3_000).map(|session| ended(session, 1)).collect();
    let file = export(folder.path(), "a.csv", 1, &states);
    let spilling = |spill_bytes| {
        limited(|limits| {
            limits.memory_bytes = 1 << 16;
            limits.spill_bytes = spill_bytes;
        })
    };
    let error = ingest(&lake, std::slice::from_ref(&file), spilling(100_000)).await.unwrap_err();
    assert!(matches!(error, sessionlake::Error::Limit { .. }), "{error:?}");
    assert!(error.to_string().contains("⟨spill-limit⟩ allows 100000"), "{error}");
    assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["0"]);
    ingest(&lake, &[file], spilling(1 << 30)).await.unwrap();
    assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["3000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_bad_records_is_not_read_to_its_end_where_they_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.csv");
    let lines = 400_000;
    let line = "s,no date,and some more text than nothing\n";
    std::fs::write(&path, format!("Session Id,Started At,Data\n{}", line.repeat(lines))).unwrap();
    let file = source(&path, 1);
    let lake = lake_in(folder.path());
    let stopping = IngestOptions { all_or_nothing: true, ..options() };
    let ledger = ingest(&lake, std::slice::from_ref(&file), stopping).await.unwrap();
    assert!(ledger.stopped && ledger.version.is_none());
    let read = ledger.files[0].counts.rows_read;
    assert!(read > 100_000 && read < lines as u64, "{read}");
    let note = format!("was not read on after {read} bad records");
    assert!(ledger.files[0].notes.contains(&note), "{:?}", ledger.files[0].notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_an_optimize_that_fails_or_loses_its_answer_leaves_the_same_table() {
    let made = tempfile::tempdir().unwrap();
    let lake = lake_in(made.path());
    for number in 0..3 {
        let states = [running(number, 1), ended(10 + number, 1), ended(20, number)];
        take(&lake, &[export(made.path(), &format!("{number}.csv"), i64::from(number), &states)]).await;
    }
    let rows = sessions_of(&lake, made.path()).await;
    let IngestOptions { leaf_budget, now_us, limits, .. } = options();
    let how = UpkeepOptions { leaf_budget, now_us, limits };
    let run = async |fails: usize, fault: Fault| {
        let folder = tempfile::tempdir().unwrap();
        copy(&made.path().join("lake"), &folder.path().join("lake"));
        let plan = Arc::new(Plan { calls: AtomicUsize::new(0), fails, fault });
        let outcome = optimize(&FaultStore::around(lake_in(folder.path()), &plan), &how).await;
        (folder, outcome, plan.calls.load(Ordering::Relaxed))
    };
    let (_, outcome, calls) = run(0, Fault::Undone).await;
    assert!(outcome.unwrap()[0].version.is_some() && calls > 10, "{calls}");
    let mut errors = 0;
    for number in 1..=calls {
        let fault = if number % 2 == 0 { Fault::Undone } else { Fault::Unanswered };
        let (folder, outcome, _) = run(number, fault).await;
        let lake = lake_in(folder.path());
        assert_eq!(sessions_of(&lake, folder.path()).await, rows, "call {number}, {fault:?}");
        errors += u32::from(outcome.is_err());
        optimize(&lake, &how).await.unwrap();
        assert_eq!(sessions_of(&lake, folder.path()).await, rows, "call {number}, {fault:?}, and again");
        let files = lake.open(layout::SESSIONS).await.unwrap().unwrap().snapshot().unwrap().files;
        assert!(files.len() <= 2, "call {number}, {fault:?}");
    }
    assert!(errors > 5, "{errors} of {calls}");
}

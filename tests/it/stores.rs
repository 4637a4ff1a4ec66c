//! Lakes in object stores, of which some do what they should not: the store is one in memory, in the place of the one of the URL.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use futures::TryStreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use sessionlake::custody::{VacuumOptions, vacuum};
use sessionlake::ingest::{UpkeepOptions, optimize};
use sessionlake::lake::{Cache, Costs, Lake, StoreFolder};

use crate::concurrency::{at_once, exports};
use crate::lakes::{NOW_US, ended, export, lake_in, options, query, running, table, take, try_take};

/// What a store does that it should not, to the first creates of commits that come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Nothing.
    None,
    /// It puts a file that it is told to create over one that is there.
    Overwrites,
    /// It does nothing and says that the file is taken, as S3 does of two creates under way.
    Refuses,
    /// It creates the file and says that it is taken, as a client is told that asks again after an answer was lost.
    MeetsItself,
    /// It creates the file and fails.
    LosesAnswers,
    /// It refuses with an answer that names the key and the place.
    Chatters,
}

/// A store with a habit.
#[derive(Debug)]
struct Odd {
    inner: Arc<InMemory>,
    habit: Habit,
    left: Arc<AtomicUsize>,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Odd")
    }
}

impl Odd {
    /// Says whether the habit shows now.
    fn shows(&self, location: &Path) -> bool {
        let is_commit = location.as_ref().contains("_delta_log") && location.as_ref().ends_with(".json");
        is_commit && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

#[async_trait]
impl ObjectStore for Odd {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let taken = || Error::AlreadyExists { path: location.to_string(), source: "taken".into() };
        if opts.mode != PutMode::Create {
            return self.inner.put_opts(location, payload, opts).await;
        }
        match self.habit {
            Habit::Overwrites => self.inner.put_opts(location, payload, PutOptions::default()).await,
            Habit::Refuses if self.shows(location) => Err(taken()),
            Habit::MeetsItself if self.shows(location) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(taken())
            }
            Habit::LosesAnswers if self.shows(location) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(Error::Generic { store: "Odd", source: "the connection was closed".into() })
            }
            Habit::Chatters => {
                let source = "PUT http://there.example:9/lake - 403: <Error><Code>AccessDenied</Code>\
                              <AWSAccessKeyId>KEY</AWSAccessKeyId></Error>";
                Err(Error::Generic { store: "Odd", source: source.into() })
            }
            _ => self.inner.put_opts(location, payload, opts).await,
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

/// A lake in a store with a habit that shows so often, and what is behind the store.
fn lake_with(habit: Habit, times: usize) -> (Lake, Arc<InMemory>) {
    let (behind, left) = (Arc::new(InMemory::new()), Arc::new(AtomicUsize::new(times)));
    let inner = Arc::clone(&behind);
    let lake = Lake::at("s3://bucket/deep/lake").unwrap().layered(move |_| {
        let (inner, left) = (Arc::clone(&inner), Arc::clone(&left));
        Arc::new(Odd { inner, habit, left })
    });
    (lake, behind)
}

async fn names(store: &InMemory) -> Vec<String> {
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
    listed.into_iter().map(|meta| meta.location.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_in_a_store_is_that_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (remote, behind) = lake_with(Habit::None, 0);
    let costs = Arc::<Costs>::default();
    let remote = remote.counting(&costs);
    let local = lake_in(folder.path());
    let first = export(folder.path(), "first.csv", 1, &[running(1, 1), ended(2, 1), running(3, 1)]);
    let second = export(folder.path(), "second.csv", 2, &[ended(1, 5), ended(2, 1), running(4, 1)]);
    for lake in [&remote, &local] {
        take(lake, std::slice::from_ref(&first)).await;
        take(lake, std::slice::from_ref(&second)).await;
        // A second time changes nothing.
        take(lake, std::slice::from_ref(&second)).await;
    }
    assert_eq!(table(&remote).await, table(&local).await);
    let upkeep = UpkeepOptions { leaf_budget: 8, now_us: NOW_US, limits: options().limits };
    assert_eq!(optimize(&remote, &upkeep).await.unwrap().len(), optimize(&local, &upkeep).await.unwrap().len());
    let later = DateTime::from_timestamp_micros(NOW_US).unwrap() + TimeDelta::days(400);
    for lake in [&remote, &local] {
        let options = VacuumOptions { retention: TimeDelta::days(30), now: later, removes: true };
        let removed = vacuum(lake, options, &crate::lakes::options().limits).await.unwrap();
        assert!(removed.files > 0 && removed.removed, "{removed:?}");
    }
    assert_eq!(table(&remote).await, table(&local).await);
    let history = "select version, operation, rows_read, inserted from lake_history where version < 3 order by version";
    assert_eq!(query(&remote, history).await, query(&local, history).await);
    let names = names(&behind).await;
    assert!(names.iter().all(|name| name.starts_with("deep/lake/")), "{names:?}");
    assert!(names.contains(&"deep/lake/_sessionlake_probe".to_owned()), "{names:?}");
    assert!(costs.spent().requests() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_once_in_a_store_lose_nothing() {
    const WRITERS: u32 = 8;
    let folder = tempfile::tempdir().unwrap();
    let (lake, _) = lake_with(Habit::None, 0);
    let files = exports(folder.path(), WRITERS);
    at_once(&lake, files.iter().map(|file| vec![file.clone()]).collect()).await;
    let alone = lake_in(folder.path());
    take(&alone, &files).await;
    assert_eq!(table(&lake).await, table(&alone).await);
    let counts = query(&lake, "select count(ledger), max(version) from lake_history").await;
    assert_eq!(counts, [format!("{WRITERS}|{WRITERS}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_is_refused_and_nothing_is_left_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let export = export(folder.path(), "first.csv", 1, &[running(1, 1)]);
    let (lake, behind) = lake_with(Habit::Overwrites, 0);
    let error = try_take(&lake, std::slice::from_ref(&export)).await.unwrap_err().to_string();
    assert!(error.starts_with("s3://bucket/deep/lake: this store overwrites a file"), "{error}");
    assert_eq!(names(&behind).await, Vec::<String>::new());
    // A lake that was made elsewhere and copied there is read, and not written.
    let (honest, copied) = lake_with(Habit::None, 0);
    take(&honest, std::slice::from_ref(&export)).await;
    let over = Arc::clone(&copied);
    let lake = Lake::at("s3://bucket/deep/lake").unwrap().layered(move |_| {
        let (inner, left) = (Arc::clone(&over), Arc::default());
        Arc::new(Odd { inner, habit: Habit::Overwrites, left })
    });
    assert_eq!(table(&lake).await, table(&honest).await);
    let before = table(&honest).await;
    let second = crate::lakes::export(folder.path(), "second.csv", 2, &[running(2, 1)]);
    let error = try_take(&lake, &[second]).await.unwrap_err().to_string();
    assert!(error.contains("this store overwrites a file"), "{error}");
    assert_eq!(table(&honest).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_says_of_a_create_is_looked_at() {
    for (habit, times) in
        [(Habit::Refuses, 1), (Habit::Refuses, 3), (Habit::MeetsItself, 99), (Habit::LosesAnswers, 99)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (lake, _) = lake_with(habit, times);
        let first = export(folder.path(), "first.csv", 1, &[running(1, 1), ended(2, 1)]);
        let second = export(folder.path(), "second.csv", 2, &[ended(1, 5), running(4, 1)]);
        let local = lake_in(folder.path());
        for lake in [&lake, &local] {
            take(lake, std::slice::from_ref(&first)).await;
            take(lake, std::slice::from_ref(&second)).await;
        }
        assert_eq!(table(&lake).await, table(&local).await, "{habit:?}");
        let versions = "select count(*), max(version) from lake_history";
        assert_eq!(query(&lake, versions).await, query(&local, versions).await, "{habit:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_store_name_no_place_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let export = export(folder.path(), "first.csv", 1, &[running(1, 1)]);
    let (lake, _) = lake_with(Habit::Chatters, 0);
    let error = try_take(&lake, &[export]).await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(told.contains("AccessDenied"), "{told}");
    assert!(!told.contains("there.example") && !told.contains("KEY"), "{told}");
    assert!(!format!("{lake:?}").contains("Odd"), "{lake:?}");
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_saves_requests_and_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, _) = lake_with(Habit::None, 0);
    for hour in 1..4 {
        let states: Vec<_> = (0..40).map(|n| ended(n + 40 * hour, n)).collect();
        take(&lake, &[export(folder.path(), &format!("{hour}.csv"), i64::from(hour), &states)]).await;
    }
    let question = "select data->>'step', count(*) from workflow_sessions group by 1 order by 1";
    let expected = query(&lake, question).await;
    let kept = folder.path().join("cache");
    let ask = async || {
        let (costs, cache) = (Arc::<Costs>::default(), Arc::new(Cache::open(kept.clone(), 1 << 24).unwrap()));
        assert_eq!(query(&lake.clone().counting(&costs).caching(&cache), question).await, expected);
        costs.spent()
    };
    let (cold, warm) = (ask().await, ask().await);
    // Of each file its tail, which has the footer and the page index, and one range of its row group; and four commits.
    assert!(cold.gets <= 5 + 2 * cold.files, "{cold:?}");
    assert!(warm.gets * 2 < cold.gets && warm.bytes_fetched * 4 < cold.bytes_fetched, "{cold:?} {warm:?}");
    // A listing of the sessions' log: there was no checkpoint, and a newer one would be in it. That of the quarantine is not opened for them.
    assert_eq!((warm.gets, warm.lists), (0, 1), "{warm:?}");
    // A commit of another writer is seen.
    let third = export(folder.path(), "last.csv", 5, &[ended(1_000, 1)]);
    take(&lake, &[third]).await;
    let count = "select count(*) from workflow_sessions";
    let cached = lake.clone().caching(&Arc::new(Cache::open(kept.clone(), 1 << 24).unwrap()));
    assert_eq!(query(&cached, count).await, ["121"]);
    // What is damaged in the cache is asked of the store.
    let expected = query(&lake, question).await;
    let ask = async || {
        let (costs, cache) = (Arc::<Costs>::default(), Arc::new(Cache::open(kept.clone(), 1 << 24).unwrap()));
        assert_eq!(query(&lake.clone().counting(&costs).caching(&cache), question).await, expected);
        costs.spent()
    };
    ask().await;
    for path in files_below(&kept) {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let damaged = ask().await;
    assert!(damaged.gets > warm.gets, "{damaged:?}");
    assert!(ask().await.gets <= warm.gets + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_a_cache_remembers_is_believed_while_the_log_fits_it() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, store) = lake_with(Habit::None, 0);
    let kept = folder.path().join("cache");
    let count = async || {
        let (costs, cache) = (Arc::<Costs>::default(), Arc::new(Cache::open(kept.clone(), 1 << 24).unwrap()));
        let rows =
            query(&lake.clone().counting(&costs).caching(&cache), "select count(*) from workflow_sessions").await;
        (rows.join(""), costs.spent().gets, costs.spent().lists)
    };
    let newest = async || {
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        let names = listed.iter().filter_map(|meta| meta.location.filename());
        names.filter(|name| name.contains(".checkpoint.")).max().map(str::to_owned)
    };
    let grow = async |from: u32, to: u32| {
        for n in from..to {
            take(&lake, &[export(folder.path(), &format!("{n}.csv"), i64::from(n), &[ended(n, 1)])]).await;
        }
    };
    grow(1, 4).await;
    assert_eq!((newest().await, count().await.0.as_str()), (None, "3"));
    assert_eq!(count().await, ("3".to_owned(), 0, 1));
    // A checkpoint that another process wrote is seen, and asked for by the one after it.
    grow(4, 22).await;
    let first = newest().await.unwrap();
    for _ in 0..2 {
        assert_eq!(count().await.0, "21");
    }
    assert_eq!(count().await, ("21".to_owned(), 0, 1));
    grow(22, 43).await;
    assert!(newest().await.unwrap() > first);
    for _ in 0..3 {
        assert_eq!(count().await.0, "42");
    }
    assert_eq!(count().await, ("42".to_owned(), 0, 1));
    // A lake that is made anew in its place has no checkpoint, and no commit of that version.
    let all: Vec<_> = store.list(None).try_collect().await.unwrap();
    for meta in all {
        store.delete(&meta.location).await.unwrap();
    }
    let anew = Lake::at(&lake.uri()).unwrap();
    let behind = Arc::clone(&store);
    let again = anew.layered(move |_| Arc::clone(&behind) as _);
    take(&again, &[export(folder.path(), "anew.csv", 100, &[ended(100, 1), ended(101, 1)])]).await;
    assert_eq!(count().await.0, "2");
    assert_eq!(count().await, ("2".to_owned(), 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_wrote_meanwhile_is_not_replaced() {
    let (place, _) = lake_with(Habit::None, 0);
    let folder = StoreFolder::of(&place).unwrap();
    folder.replace("run.json", b"one".to_vec(), None).await.unwrap();
    assert!(matches!(
        folder.replace("run.json", b"two".to_vec(), None).await,
        Err(sessionlake::Error::Conflict { .. })
    ));
    let (text, state) = folder.read("run.json").await.unwrap().unwrap();
    assert_eq!(text, "one");
    folder.replace("run.json", b"two".to_vec(), Some(&state)).await.unwrap();
    assert!(matches!(
        folder.replace("run.json", b"three".to_vec(), Some(&state)).await,
        Err(sessionlake::Error::Conflict { .. })
    ));
    assert_eq!(folder.list().await.unwrap(), ["run.json"]);
    let here = tempfile::tempdir().unwrap();
    std::fs::write(here.path().join("a.csv"), "a,b").unwrap();
    folder.put("run-1/deep/a.csv", &here.path().join("a.csv")).await.unwrap();
    folder.fetch(&folder.list().await.unwrap(), "run-1/", &here.path().join("got")).await.unwrap();
    assert_eq!(std::fs::read_to_string(here.path().join("got/deep/a.csv")).unwrap(), "a,b");
    folder.remove(&folder.list().await.unwrap()).await;
    assert_eq!(folder.list().await.unwrap(), Vec::<String>::new());
    assert!(folder.read("run.json").await.unwrap().is_none());
}

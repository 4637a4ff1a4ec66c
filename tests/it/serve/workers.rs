//! Servers that ask workers: for whom they do, and that nobody sees more for it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use datafusion::execution::SessionState;
use sessionlake::cluster::{Cluster, ClusterOptions, Keys, TASKS, WorkerOptions, Workers, work};
use sessionlake::engine::{Distribution, Node, Staged};
use sessionlake::generate::GenerateFormat;
use sessionlake::serve::Limits;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{ask, hub, hub_over};
use crate::lakes::{generated, lake_in, source, take};
use crate::model::engine;

/// Workers that count the plans which they are given.
#[derive(Debug)]
struct Noted {
    inner: Arc<dyn Distribution>,
    plans: AtomicUsize,
}

#[async_trait]
impl Distribution for Noted {
    async fn in_stages(&self, plan: &Staged, session: &SessionState) -> datafusion::error::Result<Option<Node>> {
        self.plans.fetch_add(1, Ordering::Relaxed);
        self.inner.in_stages(plan, session).await
    }

    fn shown(&self, plan: &Node) -> String {
        self.inner.shown(plan)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_asks_workers_for_those_who_see_everything() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 60, GenerateFormat::Csv), 0)]).await;
    let options = ClusterOptions { task_bytes: 1, keys: Keys::default(), computing: Handle::current() };
    let two = Workers::Local(NonZeroUsize::new(2).unwrap());
    let cluster = Cluster::meet(&two, &options, &engine(), &lake, &|_| ()).await.unwrap();
    let noted = Arc::new(Noted { inner: cluster.spread_for_long(), plans: AtomicUsize::new(0) });
    let spread = Some(Arc::clone(&noted) as Arc<dyn Distribution>);
    let there = hub_over(&lake, folder.path(), "none", Limits::default(), spread).await;
    let here = hub(&lake, folder.path(), "none").await;
    let questions = [
        "select workflow_id, count(*), sum(time_in_workflow) from workflow_sessions group by 1 order by 1",
        "select session_id, source_details_phone_number, data from workflow_sessions order by 1",
        "select max(source_details_phone_number) from workflow_sessions",
    ];
    for name in ["all", "masked", "part"] {
        let (ours, theirs) = (there.log_in(name, name).await.unwrap(), here.log_in(name, name).await.unwrap());
        let before = noted.plans.load(Ordering::Relaxed);
        for sql in questions {
            assert_eq!(
                ask(&there, &ours, sql).await.unwrap(),
                ask(&here, &theirs, sql).await.unwrap(),
                "{name}: {sql}"
            );
        }
        let plans = noted.plans.load(Ordering::Relaxed) - before;
        assert_eq!(plans, if name == "all" { questions.len() } else { 0 }, "{name}");
    }
    let all = there.log_in("all", "all").await.unwrap();
    let told = ask(&there, &all, &format!("explain {}", questions[0])).await.unwrap().join("\n");
    assert!(told.contains("runs on 2 workers"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_begins_without_workers_and_takes_them_as_they_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 60, GenerateFormat::Csv), 0)]).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let named = Workers::At(vec![free.to_string(), "no-such-worker.invalid:1".to_owned()]);
    let options = ClusterOptions { task_bytes: 1, keys: Keys::default(), computing: Handle::current() };
    let said = Mutex::new(Vec::new());
    let tell = |sentence: &str| said.lock().unwrap().push(sentence.to_owned());
    let cluster = Cluster::meet_for_long(&named, &options, &engine(), &lake, &tell).await.unwrap();
    let said = said.into_inner().unwrap();
    assert!(said.iter().any(|said| said.contains(&free.to_string())), "{said:?}");
    assert!(said.iter().any(|said| said.contains("no-such-worker.invalid")), "{said:?}");
    assert!(said.last().unwrap().contains("run in this process until one does"), "{said:?}");

    let hub = hub_over(&lake, folder.path(), "none", Limits::default(), Some(cluster.spread_for_long())).await;
    let all = hub.log_in("all", "all").await.unwrap();
    let sql = "select workflow_id, count(*), sum(time_in_workflow) from workflow_sessions group by 1 order by 1";
    let explained = format!("explain {sql}");
    let here = ask(&hub, &all, sql).await.unwrap();
    let told = ask(&hub, &all, &explained).await.unwrap().join("\n");
    assert!(told.contains("no worker is there"), "{told}");
    for _ in 0..2 {
        let (stop, stopped) = watch::channel(false);
        let worker = WorkerOptions {
            lake: lake.clone(),
            engine: engine(),
            tasks: TASKS,
            keys: Keys::default(),
            computing: Handle::current(),
        };
        let listener = TcpListener::bind(free).await.unwrap();
        let working = tokio::spawn(work(worker, listener, None, stopped));
        cluster.find().await;
        let told = ask(&hub, &all, &explained).await.unwrap().join("\n");
        assert!(told.contains("runs on 1 workers"), "{told}");
        assert_eq!(ask(&hub, &all, sql).await.unwrap(), here);
        // The only worker goes: what is asked then runs here, once it is missed.
        stop.send(true).unwrap();
        working.await.unwrap().unwrap();
        assert_eq!(ask(&hub, &all, sql).await.unwrap(), here);
        let told = ask(&hub, &all, &explained).await.unwrap().join("\n");
        assert!(told.contains("no worker is there"), "{told}");
    }
}

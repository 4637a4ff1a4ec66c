//! What a question may hold, and what is told of the server.

use std::collections::BTreeMap;
use std::time::Duration;

use sessionlake::Error;
use sessionlake::generate::GenerateFormat;
use sessionlake::serve::{Limits, Protocol};

use super::{ask, hub_with};
use crate::lakes::{generated, lake_in, source, take};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_whose_client_is_slow_gives_its_turn_and_keeps_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 20, GenerateFormat::Csv), 0)]).await;
    let limits = Limits { queries: 1, statement: Duration::from_secs(2), ..Limits::default() };
    let hub = hub_with(&lake, folder.path(), "none", limits).await;
    let all = hub.log_in("all", "all").await.unwrap();
    let (settings, none) = (hub.settings(), BTreeMap::new());
    let sql = ("q", "select * from workflow_sessions");
    let mut asked = hub.ask(Protocol::Flight, &all, &settings, sql, &none).await.unwrap();
    let other = async {
        assert_eq!(ask(&hub, &all, "select 1").await.unwrap().len(), 1);
    };
    asked.patiently(other).await.unwrap();
    assert!(asked.next().await.unwrap().is_some());
    // Who never takes anything is stopped by the limit.
    let stopped = asked.patiently(std::future::pending::<()>()).await;
    assert!(matches!(stopped, Err(Error::Limit { .. })));

    // One that has all that its client wants is answered; one that is dropped is stopped.
    let mut enough = hub.ask(Protocol::Http, &all, &settings, sql, &none).await.unwrap();
    enough.enough();
    drop(hub.ask(Protocol::Postgres, &all, &settings, sql, &none).await.unwrap());
    let text = hub.metrics_text();
    for line in ["{protocol=\"pg\",ending=\"stopped\"} 1", "{protocol=\"http\",ending=\"answered\"} 2"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_described_takes_no_longer_than_a_session_allows() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 20, GenerateFormat::Csv), 0)]).await;
    let hub = hub_with(&lake, folder.path(), "none", Limits::default()).await;
    let all = hub.log_in("all", "all").await.unwrap();
    let script = sessionlake::script::parse("q", "select * from workflow_sessions").unwrap();
    let mut settings = hub.settings();
    let described = hub.outline(&all, &settings, (&script, &script.statements[0]), vec![]).await;
    assert!(described.unwrap().columns.fields().len() > 10);
    // One that takes longer to plan than a clock takes to tick.
    let columns: Vec<String> = (0..500).map(|n| format!("upper(workflow_id || '{n}') as c{n}")).collect();
    let long =
        sessionlake::script::parse("q", &format!("select {} from workflow_sessions", columns.join(", "))).unwrap();
    settings.timeout = Some(Duration::from_nanos(1));
    let stopped = hub.outline(&all, &settings, (&long, &long.statements[0]), vec![]).await;
    assert!(matches!(stopped, Err(Error::Limit { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_file_that_is_broken_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 20, GenerateFormat::Csv), 0)]).await;
    let hub = hub_with(&lake, folder.path(), "none", Limits::default()).await;
    assert!(hub.log_in("all", "all").await.is_ok());
    let file = folder.path().join("users.toml");
    let whole = std::fs::read(&file).unwrap();
    for broken in [Some(&b"[[user]]\nname = 1"[..]), Some(&whole[..whole.len() / 2]), None] {
        match broken {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        // What is wrong with it is the storage's, of which clients are told nothing.
        assert!(matches!(hub.log_in("all", "all").await, Err(Error::Storage { .. })));
    }
    std::fs::write(&file, whole).unwrap();
    assert!(hub.log_in("all", "all").await.is_ok());
}

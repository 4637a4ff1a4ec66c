//! Logs with damaged files, and logs that ask for more than we write: read on where that is sound, else refused by name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sessionlake::engine::{At, LakeView};
use sessionlake::ingest::ingest;
use sessionlake::lake::{Commit, Lake, layout};

use crate::lakes::{export, files_in, lake_in, options, query, running, take};

const CHECKPOINT: &str = "00000000000000000019.checkpoint.parquet";

fn log_of(folder: &Path) -> PathBuf {
    folder.join("lake/workflow_sessions/_delta_log")
}

/// Makes a lake of eleven sessions whose log has versions 0 to 21, and a checkpoint of version 19.
async fn lake_of_many_versions(folder: &Path) {
    let lake = lake_in(folder);
    let states: Vec<_> = (0..11).map(|session| running(session, 1)).collect();
    take(&lake, &[export(folder, "first.csv", 1, &states)]).await;
    let mut table = lake.open(layout::SESSIONS).await.unwrap().unwrap();
    while table.version() < 21 {
        table.commit(Commit::default()).await.unwrap();
    }
    assert!(log_of(folder).join(CHECKPOINT).is_file() && log_of(folder).join("_last_checkpoint").is_file());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// What is done to the folder of a log.
type Damage = fn(&Path);

/// What is done to an action of a log.
type Change = fn(&mut Value);

/// Names the lake in a folder, with a list of what is told about it.
fn heard(folder: &Path) -> (Lake, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    (lake_in(folder).telling(move |sentence| list.lock().unwrap().push(sentence.to_owned())), told)
}

async fn open(lake: &Lake) -> Result<LakeView, String> {
    LakeView::open(lake, At::Newest, None).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_a_damaged_checkpoint_is_read_without_it_and_the_next_commit_heals_it() {
    let made = tempfile::tempdir().unwrap();
    lake_of_many_versions(made.path()).await;
    let changes: [(&str, Damage, Option<&str>); 8] = [
        ("torn", |log| cut(&log.join(CHECKPOINT), 2), Some(CHECKPOINT)),
        ("empty", |log| std::fs::write(log.join(CHECKPOINT), "").unwrap(), Some(CHECKPOINT)),
        ("gone", |log| std::fs::remove_file(log.join(CHECKPOINT)).unwrap(), Some("_last_checkpoint")),
        ("another file", |log| std::fs::write(log.join(CHECKPOINT), "no Parquet at all").unwrap(), Some(CHECKPOINT)),
        (
            "a footer that is none",
            |log| {
                let mut bytes = std::fs::read(log.join(CHECKPOINT)).unwrap();
                let end = bytes.len() - 8;
                bytes[end - 200..end].fill(0xff);
                std::fs::write(log.join(CHECKPOINT), bytes).unwrap();
            },
            Some(CHECKPOINT),
        ),
        (
            "a part missing",
            |log| {
                let part = log.join("00000000000000000019.checkpoint.0000000001.0000000002.parquet");
                std::fs::rename(log.join(CHECKPOINT), part).unwrap();
                std::fs::write(log.join("_last_checkpoint"), r#"{"version":19,"size":20,"parts":2}"#).unwrap();
            },
            Some("is one of 2 parts"),
        ),
        // The name of the newest checkpoint is but a hint: without it the log is listed.
        ("an empty hint", |log| std::fs::write(log.join("_last_checkpoint"), "").unwrap(), None),
        ("a torn hint", |log| cut(&log.join("_last_checkpoint"), 2), None),
    ];
    for (what, change, words) in changes {
        let folder = tempfile::tempdir().unwrap();
        copy(&made.path().join("lake"), &folder.path().join("lake"));
        change(&log_of(folder.path()));
        let (lake, told) = heard(folder.path());
        assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["11"], "{what}");
        query(&lake, "select 1 from workflow_sessions").await;
        let sentences = told.lock().unwrap().clone();
        assert_eq!(sentences.len(), usize::from(words.is_some()), "{what}: {sentences:?}");
        if let Some(words) = words {
            assert!(sentences[0].contains(words), "{what}: {sentences:?}");
            assert!(sentences[0].contains("workflow_sessions/_delta_log/"), "{sentences:?}");
        }
        // Earlier versions are read too.
        LakeView::open(&lake, At::Version(20), None).await.unwrap();

        take(&lake, &[export(folder.path(), "more.csv", 1, &[running(50, 1)])]).await;
        let (lake, told) = heard(folder.path());
        assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["12"], "{what}");
        assert!(told.lock().unwrap().is_empty(), "{what}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_whole_is_refused_and_the_file_is_named() {
    let made = tempfile::tempdir().unwrap();
    lake_of_many_versions(made.path()).await;
    let commit = |version: u32| format!("{version:020}.json");
    for (bad, torn) in [(3, false), (3, true), (21, true), (20, false)] {
        let folder = tempfile::tempdir().unwrap();
        copy(&made.path().join("lake"), &folder.path().join("lake"));
        let log = log_of(folder.path());
        if bad == 3 {
            cut(&log.join(CHECKPOINT), 2);
        }
        match torn {
            true => cut(&log.join(commit(bad)), 2),
            false => std::fs::write(log.join(commit(bad)), "").unwrap(),
        }
        let error = open(&lake_in(folder.path())).await.unwrap_err();
        assert!(error.contains(&commit(bad)), "{bad} {torn}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&made.path().join("lake"), &folder.path().join("lake"));
    let log = log_of(folder.path());
    cut(&log.join(CHECKPOINT), 2);
    std::fs::remove_file(log.join(commit(3))).unwrap();
    let error = open(&lake_in(folder.path())).await.unwrap_err();
    assert!(error.contains(CHECKPOINT) && error.contains(&commit(3)), "{error}");
}

/// Leaves the first part of a file.
fn cut(path: &Path, parts: usize) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / parts]).unwrap();
}

/// Makes a lake of one session and changes the metadata in its log.
async fn lake_with_metadata(folder: &Path, change: fn(&mut Value)) -> Lake {
    let lake = lake_in(folder);
    take(&lake, &[export(folder, "a.csv", 1, &[running(1, 1)])]).await;
    let first = files_in(&log_of(folder), ".json").into_iter().min().unwrap();
    let text = std::fs::read_to_string(&first).unwrap();
    let changed: String = text
        .lines()
        .map(|line| {
            let mut action: Value = serde_json::from_str(line).unwrap();
            if let Some(metadata) = action.get_mut("metaData") {
                change(metadata);
            }
            action.to_string() + "\n"
        })
        .collect();
    std::fs::write(&first, changed).unwrap();
    lake
}

/// Changes the columns in the metadata of a log.
fn rename(metadata: &mut Value, from: &str, to: &str) {
    metadata["schemaString"] = json!(metadata["schemaString"].as_str().unwrap().replace(from, to));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_commit_of_ours_would_lose_is_refused_before_anything_is_written() {
    let changes: [(Change, bool, &str); 6] = [
        (|m| m["partitionColumns"] = json!(["workflow_id"]), true, "partition columns (workflow_id)"),
        (|m| rename(m, "\"double\"", "\"long\""), true, "the type \"long\" where ours is \"double\""),
        (|m| rename(m, "\"data\"", "\"payload\""), true, "Field(\"data\", PrimitiveType(\"string\"))"),
        (|m| m["configuration"]["delta.appendOnly"] = json!("true"), true, "delta.appendOnly = false"),
        (|m| m["configuration"]["delta.enableChangeDataFeed"] = json!("true"), true, "a change data feed"),
        (|m| m["configuration"]["delta.constraints.c"] = json!("time_in_workflow > 0"), true, "drop_constraint"),
    ];
    for (change, reads, words) in changes {
        let folder = tempfile::tempdir().unwrap();
        let lake = lake_with_metadata(folder.path(), change).await;
        match open(&lake).await {
            Ok(_) => assert!(reads, "{words}"),
            Err(error) => assert!(!reads && error.contains(words), "{error}"),
        }
        let count = |folder: &Path| {
            ["workflow_sessions", "sightings", "quarantine"]
                .map(|table| files_in(&folder.join("lake").join(table), "").len())
                .to_vec()
        };
        let before = count(folder.path());
        let more = export(folder.path(), "b.csv", 2, &[running(1, 2), running(2, 2)]);
        let error = ingest(&lake, &[more], options()).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(count(folder.path()), before, "{words}");
    }
}

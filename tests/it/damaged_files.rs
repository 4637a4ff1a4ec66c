//! Flipped bits in data files and in the log: the answer is right, or an error names the file; nothing damaged is written on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sessionlake::engine::At;
use sessionlake::generate::GenerateFormat;
use sessionlake::lake::Lake;

use crate::lakes::{
    ended, export, files_in, generated, lake_in, open, query, rows_of, running, source, take, try_take,
};

const QUESTIONS: [&str; 5] = [
    "select * from stored_sessions order by session_id",
    "select workflow_id, count(*), count(ended_at), max(time_in_workflow) from workflow_sessions group by 1 order by 1",
    "select data->'variables'->>'customer_tier' as tier, count(*) from workflow_sessions group by 1 order by 1",
    "select count(*) from workflow_sessions where started_at >= '2026-11-01'",
    "select started_at, data from workflow_sessions where session_id = (select max(session_id) from workflow_sessions)",
];

/// Asks one question; an error is its text.
async fn try_ask(lake: &Lake, sql: &str) -> Result<Vec<String>, String> {
    let engine = open(lake, At::Newest).await.map_err(|error| error.to_string())?;
    let answer = async { engine.context().sql(sql).await?.collect().await }.await;
    answer.map(|batches| rows_of(&batches)).map_err(|error| sessionlake::Error::from(error).to_string())
}

fn flip(path: &Path, bytes: &[u8], place: usize) {
    let mut changed = bytes.to_vec();
    changed[place] ^= 1 << (place % 8);
    std::fs::write(path, changed).unwrap();
}

/// Makes a lake of a few hundred sessions, some of which run, in two files.
async fn made(folder: &Path) -> (Lake, Vec<PathBuf>) {
    let lake = lake_in(folder);
    take(&lake, &[source(&generated(folder, 400, GenerateFormat::Csv), 1)]).await;
    let files = files_in(&folder.join("lake/workflow_sessions"), ".parquet");
    assert_eq!(files.len(), 2);
    (lake, files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_in_a_data_file_is_an_error_that_names_it_or_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, files) = made(folder.path()).await;
    let mut right = Vec::new();
    for sql in QUESTIONS {
        right.push(try_ask(&lake, sql).await.unwrap());
    }
    let (mut flips, mut errors) = (0, 0);
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        // Every part of the file, and its last bytes one by one.
        let places = (3..bytes.len()).step_by(bytes.len() / 40).chain(bytes.len() - 8..bytes.len());
        for (number, place) in places.enumerate() {
            flip(file, &bytes, place);
            flips += 1;
            // All columns each time, and one of the others in turn.
            let other = 1 + number % (QUESTIONS.len() - 1);
            let mut failed = false;
            for index in [0, other] {
                match try_ask(&lake, QUESTIONS[index]).await {
                    Ok(rows) => assert!(rows == right[index], "byte {place} of {name}: {}", QUESTIONS[index]),
                    Err(error) => {
                        assert!(error.contains(name), "byte {place} of {name}: {error}");
                        assert!(error.contains("put this one file back"), "byte {place} of {name}: {error}");
                        failed = true;
                    }
                }
            }
            errors += u32::from(failed);
        }
        std::fs::write(file, &bytes).unwrap();
    }
    assert!(errors > 10, "{errors} of {flips}");
    assert_eq!(try_ask(&lake, QUESTIONS[0]).await.unwrap(), right[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_flipped_bit_is_not_written_on_by_an_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, files) = made(folder.path()).await;
    // New states of sessions that run, so that their file is written anew.
    let mut update = "Session Id,Started At,Ended At\n".to_owned();
    for row in query(&lake, "select session_id, started_at from active_sessions order by 1 limit 3").await {
        update += &format!("{},2026-11-21T00:00:00Z\n", row.replace('|', ","));
    }
    std::fs::write(folder.path().join("update.csv"), update).unwrap();
    let update = source(&folder.path().join("update.csv"), 2);
    let before = try_ask(&lake, QUESTIONS[0]).await.unwrap();
    let run = async |flipped: Option<(&str, usize)>| {
        let copied = tempfile::tempdir().unwrap();
        copy(&folder.path().join("lake"), &copied.path().join("lake"));
        let lake = lake_in(copied.path());
        let Some((name, place)) = flipped else {
            assert!(take(&lake, std::slice::from_ref(&update)).await.total.updated > 0);
            return (None, try_ask(&lake, QUESTIONS[0]).await.unwrap());
        };
        let file = copied.path().join("lake/workflow_sessions").join(name);
        let bytes = std::fs::read(&file).unwrap();
        flip(&file, &bytes, place);
        let error = try_take(&lake, std::slice::from_ref(&update)).await.err();
        std::fs::write(&file, &bytes).unwrap();
        (error, try_ask(&lake, QUESTIONS[0]).await.unwrap())
    };
    let (_, after) = run(None).await;
    let mut stopped = 0;
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let length = std::fs::metadata(file).unwrap().len() as usize;
        for place in (5..length / 2).step_by(length / 10) {
            match run(Some((name, place))).await {
                (Some(error), rows) => {
                    assert!(error.to_string().contains(name), "byte {place} of {name}: {error}");
                    assert!(rows == before, "byte {place} of {name}");
                    stopped += 1;
                }
                // What is damaged was not read.
                (None, rows) => assert!(rows == after, "byte {place} of {name}"),
            }
        }
    }
    assert!(stopped > 2, "{stopped}");
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

/// Names the lake in a folder, with a list of what is told about it.
fn heard(folder: &Path) -> (Lake, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    (lake_in(folder).telling(move |sentence| list.lock().unwrap().push(sentence.to_owned())), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_that_changed_in_the_log_are_not_believed_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "a.csv", 1, &[ended(1, 1), ended(2, 2), ended(3, 3)])]).await;
    let log = folder.path().join("lake/workflow_sessions/_delta_log/00000000000000000001.json");
    let text = std::fs::read_to_string(&log).unwrap();
    let questions = [
        ("select count(*) from workflow_sessions", vec!["3"]),
        ("select count(*) from workflow_sessions where started_at > '2026-11-15'", vec!["3"]),
        ("select count(*) from workflow_sessions where session_id >= 'session-3'", vec!["1"]),
        ("select count(*), count(ended_at) from workflow_sessions where ended_at is not null", vec!["3|3"]),
    ];
    let quoted = |name: &str, value: &str| format!(r#"\"{name}\":{value}"#);
    for (from, to) in [
        (quoted("numRecords", "3"), quoted("numRecords", "2")),
        (quoted("numRecords", "3"), quoted("numRecords", "4")),
        (quoted("session_id", r#"\"session-3\""#), quoted("session_id", r#"\"session-2\""#)),
        (quoted("ended_at", "0"), quoted("ended_at", "3")),
        (quoted("started_at", r#"\"2026-"#), quoted("started_at", r#"\"2016-"#)),
    ] {
        assert!(text.contains(&from), "{from}: {text}");
        std::fs::write(&log, text.replace(&from, &to)).unwrap();
        let (lake, told) = heard(folder.path());
        for (sql, rows) in &questions {
            assert_eq!(query(&lake, sql).await, *rows, "{to}: {sql}");
        }
        let told = told.lock().unwrap();
        assert!(told.len() == 1 && told[0].contains("is not what was written"), "{to}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_in_the_log_is_an_error_that_names_it_or_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "a.csv", 1, &[ended(1, 1), running(2, 2), running(3, 3)])]).await;
    take(&lake, &[export(folder.path(), "b.csv", 2, &[ended(2, 5), running(4, 1)])]).await;
    let right = query(&lake, QUESTIONS[0]).await;
    let count = query(&lake, "select count(*) from active_sessions").await;
    for version in 1..=2 {
        let log = folder.path().join(format!("lake/workflow_sessions/_delta_log/{version:020}.json"));
        let bytes = std::fs::read(&log).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        // The names of actions and of what they have, and every part of the log.
        let names = ["\"add\"", "\"remove\"", "\"path\"", "\"size\"", "\"stats\"", "\"commitInfo\"", "numRecords"];
        let named = names.iter().filter_map(|name| Some(text.find(name)? + 2));
        for place in named.chain((0..bytes.len()).step_by(bytes.len() / 60)) {
            flip(&log, &bytes, place);
            for (sql, rows) in [(QUESTIONS[0], &right), ("select count(*) from active_sessions", &count)] {
                match try_ask(&lake_in(folder.path()), sql).await {
                    Ok(found) => assert_eq!(found, *rows, "byte {place} of version {version}: {sql}"),
                    Err(error) => assert!(
                        error.contains("_delta_log") || error.contains(".parquet"),
                        "byte {place} of version {version}: {error}"
                    ),
                }
            }
        }
        std::fs::write(&log, &bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_checkpoint_has_of_files_is_what_their_commits_said() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, _) = made(folder.path()).await;
    let right = query(&lake, QUESTIONS[0]).await;
    let mut table = lake.open(sessionlake::lake::layout::SESSIONS).await.unwrap().unwrap();
    while table.version() < 21 {
        table.commit(sessionlake::lake::Commit::default()).await.unwrap();
    }
    let log = folder.path().join("lake/workflow_sessions/_delta_log");
    for version in 0..19 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let (lake, told) = heard(folder.path());
    assert!(query(&lake, QUESTIONS[0]).await == right);
    assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, [right.len().to_string()]);
    assert!(told.lock().unwrap().is_empty(), "{told:?}");
}

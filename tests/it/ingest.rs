//! What becomes of records: order, repetition, quarantine and replay, through real lakes.

use std::path::Path;
use std::process::Stdio;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sessionlake::generate::GenerateFormat;
use sessionlake::ingest::{Encoding, IngestOptions, SourceFile, ingest, replay_quarantine};

use crate::lakes::{
    State, assert_balanced, binary, ended, export, files_in, generated, lake_in, options, query, run, running, source,
    table, take,
};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// One export: the hour it was made at, and its rows.
fn an_export() -> impl Strategy<Value = (i64, Vec<State>)> {
    let state = (0..5u32, any::<bool>(), prop_oneof![Just(60u32), Just(90)], 0..3u32)
        .prop_map(|(session, ended, seconds, data)| State { session, ended, seconds, data });
    (0..4i64, proptest::collection::vec(state, 1..9))
}

/// Says which state of a session is to win, straight from the rule.
fn expected(exports: &[(i64, Vec<State>)]) -> Vec<(u32, Vec<State>)> {
    let mut sessions: Vec<u32> = exports.iter().flat_map(|(_, states)| states.iter().map(|s| s.session)).collect();
    sessions.sort_unstable();
    sessions.dedup();
    let rank = |state: &State| {
        let seen = exports.iter().filter(|(_, states)| states.contains(state)).map(|(hour, _)| *hour).max();
        (state.ended, seen, state.seconds)
    };
    sessions
        .into_iter()
        .map(|session| {
            let states: Vec<&State> = exports.iter().flat_map(|(_, s)| s).filter(|s| s.session == session).collect();
            let best = states.iter().map(|s| rank(s)).max().unwrap();
            // Several where only the tie-break on content decides.
            (session, states.into_iter().filter(|s| rank(s) == best).cloned().collect())
        })
        .collect()
}

fn is_row_of(row: &str, state: &State) -> bool {
    let columns: Vec<&str> = row.split('|').collect();
    columns[5] == format!("session-{}", state.session)
        && columns[3] == format!("{{\"step\":{}}}", state.data)
        && (columns[4] != "NULL") == state.ended
        && columns[9] == format!("{}.0", state.seconds)
}

#[test]
fn files_in_any_order_at_once_or_one_by_one_twice_or_once_give_the_same_table() {
    let exports = proptest::collection::vec(an_export(), 3);
    let order = (Just(vec![0usize, 1, 2]).prop_shuffle(), proptest::collection::vec(0..3usize, 0..3), any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() });
    runner
        .run(&(exports, order), |(exports, (order, again, in_pairs))| {
            block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let files: Vec<SourceFile> = exports
                    .iter()
                    .enumerate()
                    .map(|(index, (hour, states))| export(folder.path(), &format!("{index}.csv"), *hour, states))
                    .collect();
                std::fs::create_dir_all(folder.path().join("at_once")).unwrap();
                std::fs::create_dir_all(folder.path().join("one_by_one")).unwrap();
                let at_once = lake_in(&folder.path().join("at_once"));
                let first = take(&at_once, &files).await;
                let rows = table(&at_once).await;
                let wanted = expected(&exports);
                prop_assert_eq!(rows.len(), wanted.len());
                prop_assert_eq!(first.total.inserted as usize, wanted.len());
                for (row, (_, states)) in rows.iter().zip(&wanted) {
                    prop_assert!(states.iter().any(|s| is_row_of(row, s)), "{} is none of {:?}", row, states);
                }
                let one_by_one = lake_in(&folder.path().join("one_by_one"));
                let sequence: Vec<usize> = order.iter().chain(&again).copied().collect();
                let mut inserted = 0;
                for group in sequence.chunks(if in_pairs { 2 } else { 1 }) {
                    let group: Vec<SourceFile> = group.iter().map(|index| files[*index].clone()).collect();
                    inserted += take(&one_by_one, &group).await.total.inserted;
                }
                prop_assert_eq!(&table(&one_by_one).await, &rows, "in the order {:?}", sequence);
                prop_assert_eq!(inserted as usize, wanted.len());
                Ok(())
            })
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_seen_before_and_after_another_wins_in_every_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for make in [running as fn(u32, u32) -> State, ended] {
            let folder = tempfile::tempdir().unwrap();
            let lake = lake_in(folder.path());
            let (x, y) = (make(1, 1), make(1, 2));
            let files = [
                export(folder.path(), "1.csv", 1, std::slice::from_ref(&x)),
                export(folder.path(), "2.csv", 2, std::slice::from_ref(&y)),
                export(folder.path(), "3.csv", 3, std::slice::from_ref(&x)),
            ];
            for index in order {
                take(&lake, std::slice::from_ref(&files[index])).await;
            }
            let rows = table(&lake).await;
            assert!(rows.len() == 1 && is_row_of(&rows[0], &x), "{order:?}: {rows:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_again_makes_no_version_and_a_later_export_of_it_changes_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let file = export(folder.path(), "a.csv", 1, &[running(1, 1), ended(2, 1), ended(2, 1)]);
    let first = take(&lake, std::slice::from_ref(&file)).await;
    assert_eq!((first.version, first.total.inserted, first.total.duplicate), (Some(1), 2, 1));
    let rows = table(&lake).await;
    let again = take(&lake, std::slice::from_ref(&file)).await;
    assert_eq!((again.version, again.files[0].already_in_version, again.total.rows_read), (None, Some(1), 0));
    let files_before = query(&lake, "select path from lake_files order by 1").await;
    let later = take(&lake, &[source(file.path.as_ref().unwrap(), 2)]).await;
    assert_eq!((later.version, later.total.unchanged, later.total.duplicate), (Some(2), 2, 1));
    assert_eq!(table(&lake).await, rows);
    assert_eq!(query(&lake, "select path from lake_files order by 1").await, files_before, "nothing is rewritten");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_under_two_names_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let a = export(folder.path(), "a.csv", 1, &[running(1, 1), ended(2, 1)]);
    let b = export(folder.path(), "b.csv", 1, &[running(1, 1), ended(2, 1)]);
    let ledger = take(&lake, &[a.clone(), b.clone()]).await;
    assert_eq!((ledger.total.inserted, ledger.total.duplicate), (2, 2));
    let again = take(&lake, &[b, a]).await;
    assert_eq!(again.version, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_sessions_in_another_format_are_all_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let csv = source(&generated(folder.path(), 300, GenerateFormat::Csv), 1);
    let first = take(&lake, &[csv]).await;
    let rows = table(&lake).await;
    for format in [GenerateFormat::Ndjson, GenerateFormat::Parquet, GenerateFormat::Pages, GenerateFormat::Tsv] {
        let ledger = take(&lake, &[source(&generated(folder.path(), 300, format), 1)]).await;
        assert_eq!(ledger.total.unchanged, first.total.inserted, "{format}: {}", ledger.total);
        assert_eq!(ledger.total.rows_read, ledger.total.unchanged + ledger.total.duplicate, "{format}");
    }
    assert_eq!(table(&lake).await, rows);
}

/// Ingests through the command line from standard input, or from a pipe that a shell makes.
#[cfg(unix)]
#[test]
fn standard_input_and_pipes_are_known_again_once_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = export(folder.path(), "a.csv", 1, &[running(1, 1), ended(2, 1)]).path.unwrap();
    let lake = folder.path().join("lake");
    let at = "2026-11-21T01:00:00Z";
    let from_stdin = || {
        let mut command = binary();
        command.args(["ingest", "-", "--format", "json", "--exported-at", at, "--lake"]).arg(&lake);
        let (code, out, err) = run(command.stdin(Stdio::from(std::fs::File::open(&file).unwrap())));
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()
    };
    assert_eq!(from_stdin()["total"]["inserted"], 2);
    let again = from_stdin();
    assert_eq!((&again["version"], &again["files"][0]["already_in_version"]), (&serde_json::Value::Null, &1.into()));
    let pipe = folder.path().join("pipe");
    let mut shell = std::process::Command::new("sh");
    let script = "mkfifo \"$1\" && { cat \"$2\" > \"$1\" & } && \"$3\" ingest --input-format csv --format json \
                  --exported-at \"$5\" --lake \"$4\" \"$1\"";
    shell.args(["-c", script, "sh"]).arg(&pipe).arg(&file).arg(env!("CARGO_BIN_EXE_sessionlake")).arg(&lake).arg(at);
    let (code, out, err) = run(&mut shell);
    assert_eq!(code, 0, "{err}{out}");
    let ledger: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(ledger["files"][0]["already_in_version"], 1, "{out}");
}

/// A CSV with one good row and one of every kind of reject. Line numbers in comments.
fn broken_csv(folder: &Path) -> SourceFile {
    let mut text = b"Session Id,Started At,Ended At,Time in Workflow,Data\n".to_vec();
    text.extend(b"good,2026-11-01T00:00:00Z,,5,{}\n"); // 2
    text.extend(b",2026-11-01T00:00:00Z,,5,{}\n"); // 3: no session id
    text.extend(b"no-start,,,5,{}\n"); // 4
    text.extend(b"bad-start,yesterday,,5,{}\n"); // 5
    text.extend(b"bad-end,2026-11-01T00:00:00Z,soon,5,{}\n"); // 6
    text.extend(b"bad-number,2026-11-01T00:00:00Z,,five,{}\n"); // 7
    text.extend(b"few,2026-11-01T00:00:00Z\n"); // 8
    text.extend(b"latin,2026-11-01T00:00:00Z,,5,caf\xe9\n"); // 9
    text.extend(format!("long,2026-11-01T00:00:00Z,,5,{}\n", "x".repeat(300)).bytes()); // 10
    text.extend(b"open,2026-11-01T00:00:00Z,,5,\"never closed\n"); // 11
    let path = folder.join("broken.csv");
    std::fs::write(&path, text).unwrap();
    source(&path, 1)
}

fn short_records() -> IngestOptions {
    let mut options = options();
    options.read.max_record_bytes = 200;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_reject_is_kept_with_its_place_and_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let file = broken_csv(folder.path());
    let bytes = std::fs::read(file.path.as_ref().unwrap()).unwrap();
    let ledger = ingest(&lake, std::slice::from_ref(&file), short_records()).await.unwrap();
    assert_balanced(&ledger);
    assert_eq!((ledger.total.inserted, ledger.total.quarantined), (1, 9), "{ledger:#?}");
    let places = query(
        &lake,
        "select file, line, coalesce(\"column\", '-'), length(reason) > 0, length(raw) > 0 from quarantine order by line",
    )
    .await;
    let line_and_column: Vec<String> =
        places.iter().map(|p| p.split('|').skip(1).take(2).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(
        line_and_column,
        [
            "3:session_id",
            "4:started_at",
            "5:started_at",
            "6:ended_at",
            "7:time_in_workflow",
            "8:-",
            "9:data",
            "10:-",
            "11:-"
        ]
    );
    assert!(places.iter().all(|p| p.starts_with("broken.csv|") && p.ends_with("|true|true")), "{places:?}");
    for row in query(&lake, "select line, byte_offset from quarantine").await {
        let (line, offset) = row.split_once('|').unwrap();
        let (line, offset): (usize, usize) = (line.parse().unwrap(), offset.parse().unwrap());
        assert_eq!(bytes[..offset].iter().filter(|byte| **byte == b'\n').count(), line - 1, "offset of line {line}");
        assert_eq!(bytes[offset - 1], b'\n');
    }

    // The same file again puts nothing aside a second time.
    assert_eq!(ingest(&lake, std::slice::from_ref(&file), short_records()).await.unwrap().version, None);
    assert_eq!(query(&lake, "select count(*) from quarantine").await, ["9"]);

    // With nothing changed nothing moves; with longer records and another character set two records do.
    let unchanged = replay_quarantine(&lake, short_records()).await.unwrap();
    assert_balanced(&unchanged);
    assert_eq!((unchanged.version, unchanged.total.quarantined), (None, 9));
    let mut better = options();
    better.read.encoding = Encoding::Cp1252;
    let moved = replay_quarantine(&lake, better.clone()).await.unwrap();
    assert_balanced(&moved);
    assert_eq!((moved.total.inserted, moved.total.quarantined), (2, 7), "{moved:#?}");
    assert_eq!(query(&lake, "select count(*) from quarantine").await, ["7"]);
    let rows =
        query(&lake, "select session_id, data from workflow_sessions where session_id <> 'long' order by 1").await;
    assert_eq!(rows, ["good|{}", "latin|café"]);
    let twice = replay_quarantine(&lake, better).await.unwrap();
    assert_eq!((twice.version, twice.total.quarantined), (None, 7));
    assert_eq!(query(&lake, "select count(*) from workflow_sessions").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_commits_nothing_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let good = export(folder.path(), "good.csv", 1, &[running(1, 1)]);
    let bad = broken_csv(folder.path());
    let mut strict = short_records();
    strict.all_or_nothing = true;
    let ledger = ingest(&lake, &[good.clone(), bad.clone()], strict.clone()).await.unwrap();
    assert_eq!((ledger.version, ledger.total.quarantined), (None, 9));
    assert!(!folder.path().join("lake").exists(), "not even an empty lake");

    strict.max_bad = 9;
    assert_eq!(ingest(&lake, std::slice::from_ref(&good), strict.clone()).await.unwrap().version, Some(1));
    strict.max_bad = 8;
    assert_eq!(ingest(&lake, std::slice::from_ref(&bad), strict.clone()).await.unwrap().version, None);
    assert_eq!(query(&lake, "select count(*) from quarantine").await, ["0"]);
    assert_eq!(query(&lake, "select max(version) from lake_history").await, ["1"]);
    strict.max_bad = 9;
    assert_eq!(ingest(&lake, &[bad], strict).await.unwrap().version, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_leaves_nothing_behind_and_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let states: Vec<State> = (0..2_000).map(|n| running(n, n)).collect();
    let whole = export(folder.path(), "whole.csv", 1, &states);
    let packed = {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&std::fs::read(whole.path.as_ref().unwrap()).unwrap()).unwrap();
        packer.finish().unwrap()
    };
    let torn = folder.path().join("torn.csv.gz");
    std::fs::write(&torn, &packed[..packed.len() - 100]).unwrap();
    let good = export(folder.path(), "good.csv", 1, &[ended(9_999, 1)]);
    let ledger = take(&lake, &[source(&torn, 1), good]).await;
    assert_eq!(ledger.refused().map(|(file, _)| file).collect::<Vec<_>>(), ["torn.csv.gz"]);
    assert_eq!(ledger.total.rows_read, 1);
    assert_eq!(query(&lake, "select session_id from workflow_sessions").await, ["session-9999"]);
    assert_eq!(query(&lake, "select count(*) from quarantine").await, ["0"]);
    assert_eq!(files_in(&folder.path().join("lake/workflow_sessions"), ".parquet").len(), 1);
}

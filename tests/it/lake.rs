//! What is on disk: files, statistics, log and checkpoints; and what is left of them after damage and kills.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use arrow::array::{Array, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::DateTime;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::PageIndexPolicy;
use sessionlake::engine::At;
use sessionlake::generate::GenerateFormat;
use sessionlake::lake::{Lake, layout};

use crate::lakes::{
    HOUR_US, NOW_US, State, binary, ended, export, files_in, generated, lake_in, open, query, rows_of, run, running,
    source, table, take,
};

fn sessions_folder(folder: &Path) -> PathBuf {
    folder.join("lake/workflow_sessions")
}

/// Returns the paths of data files by liveness.
async fn files_by_liveness(lake: &Lake) -> BTreeMap<String, Vec<String>> {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in query(lake, "select liveness, path from lake_files order by 2").await {
        let (liveness, path) = row.split_once('|').unwrap();
        files.entry(liveness.to_owned()).or_default().push(path.to_owned());
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_rewrites_only_the_files_it_touches() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[export(folder.path(), "1.csv", 1, &[running(1, 1), running(2, 1), ended(3, 1), ended(4, 1)])]).await;
    take(&lake, &[export(folder.path(), "2.csv", 2, &[ended(5, 1), ended(6, 1)])]).await;
    let before = files_by_liveness(&lake).await;
    assert_eq!((before["active"].len(), before["ended"].len()), (1, 2));

    // A running session goes on: the files of ended ones stay as they are.
    take(&lake, &[export(folder.path(), "3.csv", 3, &[running(1, 2)])]).await;
    let after = files_by_liveness(&lake).await;
    assert_eq!(after["ended"], before["ended"]);
    assert_ne!(after["active"], before["active"]);

    // It ends: its row moves to a new file of ended sessions, and the old ones still stay.
    take(&lake, &[export(folder.path(), "4.csv", 4, &[ended(1, 3)])]).await;
    let moved = files_by_liveness(&lake).await;
    assert_eq!((moved["active"].len(), moved["ended"].len()), (1, 3));
    assert!(before["ended"].iter().all(|path| moved["ended"].contains(path)));
    assert_eq!(query(&lake, "select session_id from active_sessions").await, ["session-2"]);

    // An ended session is corrected: the one file that has it is rewritten, and no other.
    take(&lake, &[export(folder.path(), "5.csv", 5, &[ended(5, 9)])]).await;
    let corrected = files_by_liveness(&lake).await;
    assert_eq!(corrected["active"], moved["active"]);
    let kept = moved["ended"].iter().filter(|path| corrected["ended"].contains(path)).count();
    assert_eq!(kept, moved["ended"].len() - 1);
    assert_eq!(query(&lake, "select count(*), count(distinct session_id) from workflow_sessions").await, ["6|6"]);

    // The last running session ends: no file of running ones is left.
    take(&lake, &[export(folder.path(), "6.csv", 6, &[ended(2, 1)])]).await;
    assert!(!files_by_liveness(&lake).await.contains_key("active"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_workflows_together_and_stay_in_the_order_of_time_when_they_are_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let page = layout::PAGE_ROWS as u32;
    let first: Vec<_> = (0..page + 500).map(|session| ended(session, 1)).collect();
    take(&lake, &[export(folder.path(), "1.csv", 1, &first)]).await;
    // A correction rewrites the file together with as many new sessions of the same days.
    let mut second: Vec<_> = (page + 500..2 * page + 1_000).map(|session| ended(session, 1)).collect();
    second.push(ended(7, 2));
    take(&lake, &[export(folder.path(), "2.csv", 2, &second)]).await;
    let sessions = lake.open(layout::SESSIONS).await.unwrap().unwrap();
    let snapshot = sessions.snapshot().unwrap();
    let [file] = snapshot.files.as_slice() else { panic!("{:?}", snapshot.files) };
    let file = File::open(sessions_folder(folder.path()).join(&file.path)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_batch_size(layout::PAGE_ROWS);
    let (mut end, mut rows) = (i64::MIN, Vec::new());
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let starts = batch["started_at"].as_primitive::<TimestampMicrosecondType>().values();
        assert!(end <= *starts.iter().min().unwrap(), "after {} rows", rows.iter().sum::<usize>());
        end = *starts.iter().max().unwrap();
        rows.push(batch.num_rows());
        if batch.num_rows() == layout::PAGE_ROWS {
            assert!(!starts.is_sorted());
            let workflows = batch["workflow_id"].as_string::<i32>().iter().collect::<Vec<_>>();
            assert!(workflows.is_sorted());
            for workflow in starts.chunk_by(|a, b| a <= b) {
                assert!(workflow.len() > 1_000);
            }
        }
    }
    assert_eq!(rows, [layout::PAGE_ROWS, layout::PAGE_ROWS, 1_000]);
    let corrected = query(&lake, "select session_id from workflow_sessions where data->>'step' = '2'").await;
    assert_eq!(corrected, ["session-7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sorted_compressed_and_indexed_and_the_log_says_what_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 2_000, GenerateFormat::Csv), 1)]).await;
    let sessions = lake.open(layout::SESSIONS).await.unwrap().unwrap();
    let snapshot = sessions.snapshot().unwrap();
    assert_eq!(snapshot.files.len(), 2);
    for file in snapshot.files.iter() {
        let path = sessions_folder(folder.path()).join(&file.path);
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(&path).unwrap(), options).unwrap();
        let metadata = builder.metadata().clone();
        assert!(metadata.column_index().is_some() && metadata.offset_index().is_some(), "page index");
        for group in metadata.row_groups() {
            for column in group.columns() {
                // Leaf columns of few bits are as they are.
                let is_packed = matches!(column.compression(), Compression::ZSTD(_));
                assert!(is_packed || column.column_path().string().starts_with("~shred/"), "{}", column.column_path());
                let is_looked_up = layout::BLOOM_COLUMNS.contains(&column.column_path().string().as_str());
                assert_eq!(column.bloom_filter_offset().is_some(), is_looked_up, "{}", column.column_path());
            }
        }
        let mut starts = Vec::new();
        let mut nulls: BTreeMap<String, u64> = BTreeMap::new();
        let (mut bounds, mut rows) = (BTreeMap::<String, (String, String)>::new(), 0);
        for batch in builder.build().unwrap() {
            let batch = batch.unwrap();
            rows += batch.num_rows() as u64;
            starts.extend_from_slice(batch["started_at"].as_primitive::<TimestampMicrosecondType>().values());
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                *nulls.entry(field.name().clone()).or_default() += column.null_count() as u64;
                if let Some(texts) = column.as_string_opt::<i32>() {
                    for text in texts.iter().flatten() {
                        let (least, most) =
                            bounds.entry(field.name().clone()).or_insert_with(|| (text.to_owned(), text.to_owned()));
                        *least = least.as_str().min(text).to_owned();
                        *most = most.as_str().max(text).to_owned();
                    }
                }
            }
        }
        assert!(starts.is_sorted(), "{}", file.path);
        assert_eq!(file.rows, Some(rows));
        for (name, column) in file.columns.iter() {
            assert_eq!(column.null_count, Some(nulls[name]), "nulls of {name} in {}", file.path);
        }
        let of = |name: &str| file.columns.get(name).unwrap();
        assert!(of("data").minimum.is_none(), "no bounds of JSON text");
        assert_eq!(of("started_at").minimum.unwrap().to_string(), starts[0].to_string());
        assert_eq!(of("started_at").maximum.unwrap().to_string(), starts.last().unwrap().to_string());
        let texts: Vec<&str> = vec!["session_id", "workflow_id", "communication_type"];
        for name in texts {
            let (least, most) = &bounds[name];
            assert_eq!(&of(name).minimum.unwrap().to_string(), least, "{name}");
            assert_eq!(&of(name).maximum.unwrap().to_string(), most, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_has_no_bounds_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let path = folder.path().join("a.csv");
    let long = "w".repeat(200);
    fs::write(&path, format!("Session Id,Started At,Workflow Id\na,2026-11-01T00:00:00Z,{long}\n")).unwrap();
    take(&lake, &[source(&path, 1)]).await;
    let snapshot = lake.open(layout::SESSIONS).await.unwrap().unwrap().snapshot().unwrap();
    let column = snapshot.files[0].columns.get("workflow_id").unwrap();
    assert_eq!((&column.minimum, &column.maximum, column.null_count), (&None, &None, Some(0)));
    let sql = format!("select count(*) from workflow_sessions where workflow_id = '{long}'");
    assert_eq!(query(&lake, &sql).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_opens_from_a_checkpoint_and_history_stays_right_without_the_older_log() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let versions = layout::CHECKPOINT_INTERVAL + 2;
    for version in 1..=versions as u32 {
        take(&lake, &[export(folder.path(), &format!("{version}.csv"), 1, &[ended(version, 1), running(0, version)])])
            .await;
    }
    let log = sessions_folder(folder.path()).join("_delta_log");
    let checkpoint = layout::CHECKPOINT_INTERVAL - 1;
    assert_eq!(files_in(&log, ".checkpoint.parquet"), [log.join(format!("{checkpoint:020}.checkpoint.parquet"))]);
    let rows = table(&lake).await;
    let history = query(&lake, "select version, inserted + updated, operation from lake_history order by 1").await;
    assert_eq!(history.len() as u64, versions + 1);

    // The past shows its own history, not the newest entries under old numbers.
    let past = open(&lake, At::Version(5)).await.unwrap();
    let batches =
        past.context().sql("select version, inserted + updated, operation from lake_history order by 1").await;
    assert_eq!(rows_of(&batches.unwrap().collect().await.unwrap()), history[..=5]);

    for version in 0..checkpoint {
        fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    assert_eq!(table(&lake).await, rows);
    let left = query(&lake, "select version, inserted + updated, operation from lake_history order by 1").await;
    assert_eq!(left, history[checkpoint as usize..]);

    // A commit of another engine that says nothing of itself.
    fs::write(log.join(format!("{:020}.json", versions + 1)), "{\"txn\":{\"appId\":\"other\",\"version\":1}}\n")
        .unwrap();
    let next = take(&lake, &[export(folder.path(), "last.csv", 2, &[ended(999, 1)])]).await;
    assert_eq!(next.version, Some(versions + 2));
    let history =
        query(&lake, "select version, inserted, operation from lake_history where version > 20 order by 1").await;
    assert_eq!(history, ["21|1|WRITE", "22|1|WRITE", "23|NULL|", "24|1|WRITE"]);

    // Files that were taken in before the checkpoint are still known.
    let known = take(&lake, &[source(&folder.path().join("1.csv"), 1)]).await;
    assert_eq!(known.files[0].already_in_version, Some(1));
    let error = open(&lake, At::Version(3)).await.err().expect("the log of version 3 is gone");
    assert!(!error.to_string().is_empty());
    let first = DateTime::from_timestamp_micros(NOW_US - 40 * 365 * 24 * HOUR_US).unwrap();
    let error = open(&lake, At::Time(first)).await.err().expect("before the first version");
    assert!(error.to_string().contains("has no version of"), "{error}");
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            drop(fs::copy(entry.path(), target))
        }
    }
}

#[test]
fn a_killed_ingest_leaves_the_old_version_or_the_new_one_and_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let small = export(folder.path(), "small.csv", 1, &[running(1, 1), ended(2, 1)]).path.unwrap();
    let large = generated(&folder.path().join("large"), 40_000, GenerateFormat::Ndjson);
    let ingest = |lake: &Path, file: &Path| {
        let mut command = binary();
        command.args(["ingest", "-q", "--exported-at", "2026-11-21T02:00:00Z", "--lake"]).arg(lake).arg(file);
        command.stdout(Stdio::null());
        command
    };
    let contents = |lake: &Path| {
        let sql = "select count(*), count(distinct session_id), sum(length(data)), sum(round(time_in_workflow)::bigint), count(ended_at) \
                   from workflow_sessions";
        let (code, out, err) = run(binary().args(["query", "--csv", "-c", sql, "--lake"]).arg(lake));
        assert_eq!(code, 0, "{err}");
        out
    };
    let base = folder.path().join("base");
    assert_eq!(run(&mut ingest(&base, &small)).0, 0);
    let reference = folder.path().join("reference");
    copy(&base, &reference);
    assert_eq!(run(&mut ingest(&reference, &large)).0, 0);
    let (old, new) = (contents(&base), contents(&reference));
    assert_ne!(old, new);

    let sessions = |lake: &Path| lake.join("workflow_sessions");
    let data_files = |lake: &Path| files_in(&sessions(lake), ".parquet").len();
    let before = data_files(&base);
    let second_version = |lake: &Path| sessions(lake).join("_delta_log").join(format!("{:020}.json", 2));
    // Whether the process has come to this point.
    type Reached<'a> = Box<dyn Fn(&Path) -> bool + 'a>;
    let points: Vec<(&str, Reached<'_>)> = vec![
        ("at once", Box::new(|_: &Path| true)),
        ("first data file", Box::new(|lake: &Path| data_files(lake) > before)),
        ("second data file", Box::new(|lake: &Path| data_files(lake) > before + 1)),
        ("commit", Box::new(|lake: &Path| second_version(lake).exists())),
        (
            "first bytes of a data file",
            Box::new(|lake: &Path| {
                let known = files_in(&sessions(&base), ".parquet");
                let is_new = |path: &&PathBuf| !known.iter().any(|k| k.file_name() == path.file_name());
                files_in(&sessions(lake), ".parquet")
                    .iter()
                    .find(is_new)
                    .is_some_and(|path| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0))
            }),
        ),
    ];
    let (mut killed_before, mut strays) = (0, 0);
    for (index, (name, reached)) in points.iter().enumerate() {
        let lake = folder.path().join(format!("killed-{index}"));
        copy(&base, &lake);
        let mut child = ingest(&lake, &large).spawn().unwrap();
        while !reached(&lake) && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // SIGKILL; a process that has ended already is one that was killed after its last deed.
        let _ = child.kill();
        child.wait().unwrap();
        let found = contents(&lake);
        assert!(found == old || found == new, "{name}: {found}");
        assert_eq!(found == new, second_version(&lake).exists(), "{name}");
        killed_before += usize::from(found == old);
        strays += usize::from(found == old && data_files(&lake) > before);
        let (code, _, err) = run(&mut ingest(&lake, &large));
        assert_eq!(code, 0, "{name}: {err}");
        assert_eq!(contents(&lake), new, "{name}: run again");
    }
    assert!(killed_before > 0 && strays > 0, "no run was killed while it wrote");
}

#[cfg(unix)]
#[test]
fn storage_that_cannot_be_written_is_a_clear_error_and_damages_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = export(folder.path(), "a.csv", 1, &[running(1, 1)]).path.unwrap();
    let large = generated(&folder.path().join("large"), 3_000, GenerateFormat::Csv);
    let at = |lake: &Path, file: &Path| run(binary().args(["ingest", "--lake"]).arg(lake).arg(file));

    // A file where the lake should be, or one of its folders.
    let in_the_way = folder.path().join("in_the_way");
    fs::write(&in_the_way, "text").unwrap();
    for lake in [in_the_way.clone(), in_the_way.join("lake")] {
        let (code, _, err) = at(&lake, &file);
        assert_eq!(code, 4, "{err}");
        assert!(err.starts_with("error: ") && err.contains("in_the_way"), "{err}");
    }
    assert_eq!(fs::read_to_string(&in_the_way).unwrap(), "text");

    // A file system that takes no new folders.
    if Path::new("/proc/self").exists() {
        let (code, _, err) = at(Path::new("/proc/no/lake"), &file);
        assert_eq!(code, 4, "{err}");
    }

    // A disk that is full: no file may become larger than 32 KiB.
    let lake = folder.path().join("full");
    assert_eq!(at(&lake, &file).0, 0);
    let names_before = files_in(&lake.join("workflow_sessions"), "");
    let mut shell = std::process::Command::new("bash");
    let script = "trap '' XFSZ; ulimit -f 32; exec \"$1\" ingest --lake \"$2\" \"$3\"";
    shell.args(["-c", script, "bash"]).arg(env!("CARGO_BIN_EXE_sessionlake")).arg(&lake).arg(&large);
    let (code, out, err) = run(&mut shell);
    assert_eq!(code, 4, "{out}{err}");
    assert!(err.to_lowercase().contains("too large"), "{err}");
    assert_eq!(files_in(&lake.join("workflow_sessions"), ""), names_before, "no half-written file stays");
    let count = || {
        run(binary().args(["query", "--csv", "-c", "select count(*) n from workflow_sessions", "--lake"]).arg(&lake)).1
    };
    assert_eq!(count(), "n\n1\n");
    assert_eq!(at(&lake, &large).0, 0);
    assert_eq!(count(), "n\n3001\n");
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_only_be_read_is_an_error_and_can_still_be_queried() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let first = export(folder.path(), "a.csv", 1, &[running(1, 1)]).path.unwrap();
    let second = export(folder.path(), "b.csv", 1, &[running(2, 1)]).path.unwrap();
    let lake = folder.path().join("lake");
    assert_eq!(run(binary().args(["ingest", "--lake"]).arg(&lake).arg(first)).0, 0);
    let sessions = lake.join("workflow_sessions");
    let permit = |mode| fs::set_permissions(&sessions, fs::Permissions::from_mode(mode)).unwrap();
    permit(0o555);
    if File::create(sessions.join("probe")).is_ok() {
        permit(0o755);
        eprintln!("skipped: this user may write into a folder without write permission");
        return;
    }
    let (code, _, err) = run(binary().args(["ingest", "--lake"]).arg(&lake).arg(second));
    let (query_code, out, _) =
        run(binary().args(["query", "--csv", "-c", "select count(*) n from workflow_sessions", "--lake"]).arg(&lake));
    permit(0o755);
    assert_eq!(code, 4, "{err}");
    assert_eq!((query_code, out.as_str()), (0, "n\n1\n"));
}

/// Damages a file in one of several ways, all decided by `seed`.
fn damage(path: &Path, seed: usize) {
    let mut bytes = fs::read(path).unwrap();
    let place = seed.wrapping_mul(0x9E37_79B9) % bytes.len();
    match seed % 4 {
        0 => bytes.truncate(place),
        1 => bytes[place] ^= 1 << (seed % 8),
        2 => bytes.iter_mut().skip(place).take(64).for_each(|byte| *byte = 0),
        _ => bytes.clear(),
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_files_give_an_error_or_an_answer_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let states: Vec<State> = (0..400).map(|n| if n % 3 == 0 { running(n, n) } else { ended(n, n) }).collect();
    let file = export(folder.path(), "a.csv", 1, &states).path.unwrap();
    let later = export(
        folder.path(),
        "b.csv",
        2,
        &states.iter().map(|s| State { data: s.data + 1, ..s.clone() }).collect::<Vec<_>>(),
    );
    assert_eq!(run(binary().args(["ingest", "--lake"]).arg(&base).arg(file)).0, 0);
    let sql = "select count(*) n, sum(length(data)) d, count(ended_at) e, max(workflow_id) w from workflow_sessions";
    let ask = |lake: &Path| run(binary().args(["query", "--csv", "-c", sql, "--lake"]).arg(lake));
    let right = ask(&base).1;
    let targets = ["workflow_sessions", "workflow_sessions/_delta_log"];
    for seed in 64..88 {
        let lake = folder.path().join(format!("damaged-{seed}"));
        copy(&base, &lake);
        let candidates = files_in(&lake.join(targets[seed / 4 % 2]), "");
        let target = &candidates[seed % candidates.len()];
        damage(target, seed);
        for (what, (code, out, err)) in [
            ("query", ask(&lake)),
            ("ingest", run(binary().args(["ingest", "--lake"]).arg(&lake).arg(later.path.as_ref().unwrap()))),
        ] {
            let told = format!("{what} after damage {seed} to {}: {code}\n{out}{err}", target.display());
            assert!(!err.contains("panicked") && code != 101 && code >= 0, "{told}");
            if code != 0 {
                assert!(err.starts_with("error: "), "{told}");
            } else if what == "query" {
                assert_eq!(out, right, "{told}");
            }
        }
    }
}

//! The lake read and changed by other engines: Python `deltalake`, and DuckDB's `read_parquet`.
//!
//! `SESSIONLAKE_PYTHON` names the interpreter, else `python3`. Where it lacks a package, the test says so and passes.

use std::process::Command;

use sessionlake::generate::GenerateFormat;
use sessionlake::ingest::{ingest, replay_quarantine};

use crate::lakes::{
    State, assert_balanced, ended, export, generated, lake_in, options, query, running, source, table, take,
};
use crate::shredding::versions::{assert_every_version_agrees, take_snapshots};

fn python() -> Command {
    Command::new(std::env::var("SESSIONLAKE_PYTHON").unwrap_or_else(|_| "python3".to_owned()))
}

/// Says whether a package is there, and on stderr if it is not.
fn has(package: &str) -> bool {
    let found = python().args(["-c", &format!("import {package}")]).output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: Python has no {package}");
    }
    found
}

/// Runs a script whose first argument is the table's folder, and returns what it prints.
fn run_python(script: &str, folder: &std::path::Path) -> Vec<String> {
    // Python's own end is left out: with these packages it aborts now and then, when all has been done.
    let script = format!("{script}\nimport os\nsys.stdout.flush()\nos._exit(0)\n");
    let output = python().args(["-c", &script]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn python_deltalake_reads_what_we_wrote_and_the_past_of_it() {
    if !has("deltalake") || !has("pyarrow") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 500, GenerateFormat::Csv), 1)]).await;
    take(&lake, &[export(folder.path(), "b.csv", 2, &[running(1, 1), ended(2, 7)])]).await;
    let script = r#"
import sys, deltalake
t = deltalake.DeltaTable(sys.argv[1])
a = t.to_pyarrow_table()
print(t.version(), a.num_rows, len(a.column_names), a.schema.field("started_at").type)
print([c for c in a.column_names if c.startswith("_")])
row = a.filter([[v == "session-2" for v in chunk.to_pylist()] for chunk in [a["session_id"].combine_chunks()]][0]).to_pylist()[0]
print(row["session_id"], row["started_at"].isoformat(), row["ended_at"].isoformat(), row["time_in_workflow"], row["data"], row["_source"])
print(deltalake.DeltaTable(sys.argv[1], version=1).to_pyarrow_table().num_rows)
print(sum(1 for v in a["ended_at"].to_pylist() if v is None))
"#;
    let printed = run_python(script, &folder.path().join("lake/workflow_sessions"));
    assert_eq!(printed[0], "2 502 18 timestamp[us, tz=UTC]");
    assert_eq!(printed[1], "['_exported_at', '_source', '_extra', '_content_hash']");
    let ours =
        query(&lake, "select session_id, started_at, ended_at from workflow_sessions where session_id = 'session-2'")
            .await[0]
            .replace('Z', "+00:00")
            .replace('|', " ");
    assert_eq!(printed[2], format!("{ours} 60.0 {{\"step\":7}} b.csv"));
    assert_eq!(printed[3], "500");
    assert_eq!([printed[4].clone()], query(&lake, "select count(*) from active_sessions").await.as_slice());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_python_deltalake_rewrites_is_still_read_and_ingested_right() {
    if !has("deltalake") || !has("pyarrow") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let states = |step: u32| -> Vec<State> {
        (0..40).map(|n| if n % 2 == 0 { running(n, step) } else { ended(n, 1) }).collect()
    };
    for (hour, part) in states(1).chunks(10).enumerate() {
        take(&lake, &[export(folder.path(), &format!("part-{hour}.csv"), hour as i64, part)]).await;
    }
    let script = r#"
import sys, deltalake
t = deltalake.DeltaTable(sys.argv[1])
t.delete("session_id in ('session-1', 'session-2', 'session-3')")
print(deltalake.DeltaTable(sys.argv[1]).optimize.compact()["numFilesRemoved"])
t = deltalake.DeltaTable(sys.argv[1])
t.create_checkpoint()
print(t.version(), t.to_pyarrow_table().num_rows)
"#;
    let printed = run_python(script, &folder.path().join("lake/workflow_sessions"));
    assert_eq!(printed[1], "6 37", "{printed:?}");
    let counts = "select count(*), count(distinct session_id), count(ended_at) from workflow_sessions";
    assert_eq!(query(&lake, counts).await, ["37|37|18"]);
    assert_eq!(query(&lake, "select count(*) from active_sessions where data like '%1}'").await, ["19"]);
    let versions = query(&lake, "select version, operation, rows_read from lake_history order by 1 desc limit 3").await;
    assert!(versions[0].starts_with("6|OPTIMIZE|NULL") && versions[1].starts_with("5|DELETE|NULL"), "{versions:?}");

    // What was deleted comes back with an export that has it; the rest is updated or known, in the compacted file too.
    let ledger = take(&lake, &[export(folder.path(), "all.csv", 9, &states(2))]).await;
    assert_eq!((ledger.total.inserted, ledger.total.updated, ledger.total.unchanged), (3, 19, 18), "{}", ledger.total);
    assert_eq!(query(&lake, counts).await, ["40|40|20"]);
    let alone = tempfile::tempdir().unwrap();
    let reference = lake_in(alone.path());
    take(&reference, &[export(folder.path(), "all.csv", 9, &states(2))]).await;
    assert_eq!(table(&lake).await, table(&reference).await);
    // And none of ours is in the way of theirs.
    let again = run_python(
        "import sys, deltalake\nprint(deltalake.DeltaTable(sys.argv[1]).to_pyarrow_table().num_rows)",
        &folder.path().join("lake/workflow_sessions"),
    );
    assert_eq!(again, ["40"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_answered_the_same_before_and_after_a_rewrite_of_python_deltalake() {
    if !has("deltalake") || !has("pyarrow") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take_snapshots(&lake, &[1, 2]).await;
    let script = r#"
import sys, deltalake
t = deltalake.DeltaTable(sys.argv[1])
t.delete("communication_type = 'Email'")
print(t.version(), sum("~" in c for c in t.to_pyarrow_table().column_names))
"#;
    let printed = run_python(script, &folder.path().join("lake/workflow_sessions"));
    assert_eq!(printed, ["3 0"]);
    take_snapshots(&lake, &[3]).await;
    assert_every_version_agrees(&lake, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_answered_as_duckdb_answers_it_where_the_two_mean_the_same() {
    if !has("duckdb") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 4_000, GenerateFormat::Csv), 1)]).await;
    // What each function finds, in both tongues. Text that spells a number or a truth value counts as one.
    let text = |path: &str| {
        let keys = path.replace('.', "', '");
        (
            format!("json_get_str(data, '{keys}')"),
            format!("case when json_type(data, '$.{path}') = 'VARCHAR' then data->>'$.{path}' end"),
        )
    };
    let boolean = |path: &str| {
        let keys = path.replace('.', "', '");
        (
            format!("json_get_bool(data, '{keys}')"),
            format!("case when data->>'$.{path}' in ('true', 'false') then data->>'$.{path}' end"),
        )
    };
    let mut asked: Vec<(String, String)> = [
        "details.email",
        "details.language",
        "details.customerNumber",
        "variables.customer_tier",
        "variables.intent",
        "variables.court_date",
        "variables.promo_code",
        "variables.no_such_key",
        "source.channel",
        "source.phoneNumber",
        "routing.skill",
    ]
    .map(text)
    .into();
    asked.extend(["variables.authenticated", "variables.intent"].map(boolean));
    let pair = |ours: &str, theirs: &str| (ours.to_owned(), theirs.to_owned());
    asked.extend([
        pair("json_get_int(data, 'routing', 'estimatedWaitSeconds')", "data->>'$.routing.estimatedWaitSeconds'"),
        pair(
            "round(json_get_float(data, 'variables', 'confidence') * 1000)::bigint",
            "round(try_cast(data->>'$.variables.confidence' as double) * 1000)::bigint",
        ),
        pair("json_length(data, 'linkedIds')", "json_array_length(data, '$.linkedIds')"),
        pair("json_exists(data, '$.variables.events')", "json_exists(data, '$.variables.events')"),
        pair(
            "array_length(json_get_array(data, 'variables', 'events'))",
            "nullif(json_array_length(data, '$.variables.events'), 0)",
        ),
    ]);
    let script = r#"
import sys, duckdb
files = f"read_parquet('{sys.argv[1]}/*.parquet')"
c = duckdb.connect()
c.sql(f"create table t as select session_id, data from {files} where json_valid(data)")
print(c.sql("select count(*) from t").fetchall()[0][0])
for asked in sys.argv[2:]:
    rows = c.sql(f"select session_id, coalesce(({asked})::varchar, 'NULL') from t order by 1").fetchall()
    print(repr([f"{row[0]}|{row[1]}" for row in rows]))
"#;
    let output = python()
        .args(["-c", script])
        .arg(folder.path().join("lake/workflow_sessions"))
        .args(asked.iter().map(|(_, theirs)| theirs))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut lines = printed.lines();
    let valid: usize = lines.next().unwrap().parse().unwrap();
    assert!(valid > 3_900, "{valid}");
    let mut found = 0;
    for ((ours, _), theirs) in asked.iter().zip(lines) {
        let sql = format!("select session_id, {ours} from workflow_sessions order by session_id");
        let all = query(&lake, &sql).await;
        let known: Vec<&String> = all.iter().filter(|row| theirs.contains(row.split('|').next().unwrap())).collect();
        let told = format!("[{}]", known.iter().map(|row| format!("'{row}'")).collect::<Vec<_>>().join(", "));
        assert_eq!(known.len(), valid, "{ours}");
        assert!(told == theirs, "{ours}: {}", first_difference(&told, theirs));
        found += known.iter().filter(|row| !row.ends_with("|NULL")).count();
    }
    assert!(found > 3 * valid, "{found} values");
}

/// Returns where two texts begin to differ.
fn first_difference(left: &str, right: &str) -> String {
    let at = left.bytes().zip(right.bytes()).position(|(left, right)| left != right).unwrap_or_default();
    let near = |text: &str| text.chars().skip(at.saturating_sub(60)).take(120).collect::<String>();
    format!("{} | {}", near(left), near(right))
}

#[tokio::test(flavor = "multi_thread")]
async fn python_deltalake_reads_the_quarantine() {
    if !has("deltalake") || !has("pyarrow") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    let path = folder.path().join("bad.csv");
    std::fs::write(&path, b"Session Id,Started At\na,never\nb\xff,2026-11-01T00:00:00Z\n").unwrap();
    assert_balanced(&ingest(&lake, &[source(&path, 1)], options()).await.unwrap());
    let script = r#"
import sys, deltalake
for row in sorted(deltalake.DeltaTable(sys.argv[1]).to_pyarrow_table().to_pylist(), key=lambda r: r["line"]):
    print(row["file"], row["line"], row["raw_bytes"])
"#;
    let printed = run_python(script, &folder.path().join("lake/quarantine"));
    assert_eq!(printed, ["bad.csv 2 None", "bad.csv 3 b'b\\xff,2026-11-01T00:00:00Z'"]);
    let replayed = replay_quarantine(&lake, options()).await.unwrap();
    assert_eq!(replayed.total.quarantined, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_the_data_files() {
    if !has("duckdb") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 500, GenerateFormat::Csv), 1)]).await;
    let script = r#"
import sys, duckdb
c = duckdb.connect()
c.sql("set TimeZone = 'UTC'")
files = f"read_parquet('{sys.argv[1]}/*.parquet')"
for r in c.sql(f"select count(*), count(ended_at), count(distinct workflow_id), sum(length(data)), epoch_us(min(started_at)) from {files}").fetchall():
    print("|".join(map(str, r)))
print(c.sql(f"select count(*) from {files} where session_id = (select max(session_id) from {files})").fetchall()[0][0])
"#;
    let printed = run_python(script, &folder.path().join("lake/workflow_sessions"));
    let ours = "select count(*), count(ended_at), count(distinct workflow_id), sum(length(data)), \
                (extract(epoch from min(started_at)) * 1000000)::bigint from workflow_sessions";
    assert_eq!(printed[..1], query(&lake, ours).await);
    assert_eq!(printed[1], "1");
}

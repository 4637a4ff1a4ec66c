//! `report`: folders of reports that appear whole or not at all, and come out the same again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::{Desk, EXPORTED, Ran, files_below};

/// A query that ends no sooner than the process does.
const ENDLESS: &str = "select count(*) as n from generate_series(1, 10000000) a, generate_series(1, 10000000) b";

/// Sessions of two days, ingested one after the other, so that each day has a data file of its own.
fn lake_of_two_days() -> Desk {
    let desk = Desk::new();
    for day in ["01", "02"] {
        let mut csv = String::from("session_id,started_at,ended_at,time_in_workflow,workflow_id\n");
        for number in 0..40 {
            csv.push_str(&format!(
                "s{day}-{number},2026-11-{day}T{:02}:00:00Z,2026-11-{day}T{:02}:00:00.{number:02}Z,{}.{number:02},w{}\n",
                number % 24,
                number % 24,
                0,
                number % 3
            ));
        }
        desk.write(&format!("day{day}.csv"), &csv);
        let ran = desk.run(&["ingest", &format!("day{day}.csv"), "--exported-at", EXPORTED]);
        assert_eq!(ran.code, 0, "{ran:#?}");
    }
    desk.write(
        "daily/volume.sql",
        "-- title: Volume\n-- description: Sessions a workflow.\n-- unit: sessions\n-- expect: rows > 0\n\
         -- param: since timestamp = yesterday\n-- param: until timestamp = today\n\
         select workflow_id, count(*) as sessions, sum(time_in_workflow) as seconds from workflow_sessions\n\
         where started_at >= $since and started_at < $until group by workflow_id order by sessions desc\n",
    );
    desk
}

pub(crate) fn report(desk: &Desk, arguments: &[&str]) -> Ran {
    desk.run(&[&["report"], arguments].concat())
}

pub(crate) fn manifest(desk: &Desk, folder: &str) -> Value {
    serde_json::from_str(&desk.read(&format!("{folder}/run.json"))).unwrap()
}

/// Every file of a run but the manifest, with its bytes.
pub(crate) fn outputs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    files_below(folder)
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name != "run.json"))
        .map(|file| (file.strip_prefix(folder).unwrap().display().to_string(), std::fs::read(&file).unwrap()))
        .collect()
}

/// Lists what hidden files and folders lie on the desk.
pub(crate) fn hidden(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[track_caller]
pub(crate) fn ended(ran: &Ran, code: i32) -> &str {
    assert_eq!(ran.code, code, "{ran:#?}");
    assert!(ran.out.is_empty(), "{ran:#?}");
    &ran.err
}

#[test]
fn a_folder_of_sql_becomes_a_folder_of_reports() {
    let desk = Desk::with_lake();
    desk.write("jobs/a.sql", "-- title: Channels\n-- format: csv, xlsx, ndjson, markdown, parquet\nselect communication_type, count(*) as n\nfrom workflow_sessions group by 1 order by n desc");
    desk.write("jobs/b.sql", "select 1 as one");
    let ran = report(&desk, &["run", "jobs", "--out", "deep/out", "--as-of", EXPORTED]);
    let said = ended(&ran, 0);
    assert!(
        said.contains("/2] a: ") && said.ends_with(" s\n") && said.contains("deep/out: 2 reports of lake version 1,")
    );
    let names: Vec<String> = outputs(&desk.path("deep/out")).into_iter().map(|(name, _)| name).collect();
    for name in ["a.csv", "a.md", "a.ndjson", "a.parquet", "a.xlsx", "b.csv", ".page/a.arrow", "index.html"] {
        assert!(names.iter().any(|known| known == name), "{name} of {names:?}");
    }
    let direct = desk.query(
        "select communication_type, count(*) as n from workflow_sessions group by 1 order by n desc, 1",
        &["--csv"],
    );
    assert_eq!(desk.read("deep/out/a.csv"), direct.fine());
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(desk.path("deep/out/a.xlsx")).unwrap();
    let sheets = calamine::Reader::sheet_names(&book);
    let rows = calamine::Reader::worksheet_range(&mut book, &sheets[0]).unwrap();
    assert_eq!(rows.get_value((0, 1)).unwrap().to_string(), "n");
    assert!(matches!(rows.get_value((1, 1)).unwrap(), calamine::Data::Float(_) | calamine::Data::Int(_)));
    let about = calamine::Reader::worksheet_range(&mut book, &sheets[1]).unwrap();
    let about: Vec<String> = about.rows().map(|row| format!("{}={}", row[0], row[1])).collect();
    assert!(about.iter().any(|line| line == "Version=1"), "{about:?}");
    assert!(about.iter().any(|line| line.starts_with("SQL=-- title: Channels")), "{about:?}");
    let manifest = manifest(&desk, "deep/out");
    assert_eq!(manifest["lake"]["uri"], desk.path("lake").canonicalize().unwrap().to_str().unwrap());
    assert_eq!((&manifest["lake"]["version"], &manifest["as_of"]), (&Value::from(1), &Value::from(EXPORTED)));
    assert_eq!(manifest["reports"][0]["outputs"].as_array().unwrap().len(), 5);
    let phases: Vec<&String> = manifest["phases"].as_object().unwrap().keys().collect();
    assert_eq!(phases, ["page", "planning", "running"]);
    let spent = |what: &str| manifest["spent"][what].as_u64().unwrap();
    assert!(spent("gets") > 0 && spent("bytes_fetched") > 0 && spent("files") > 0 && spent("rows_scanned") > 0);
    assert_eq!((spent("puts"), spent("bytes_spilled")), (0, 0));
    let listed = report(&desk, &["list", "deep", "--csv"]).fine();
    assert!(
        listed.lines().nth(1).unwrap().starts_with("deep/out,jobs,,2026-11-21T00:00:00+00:00,1,2,0,0,"),
        "{listed}"
    );
    let shown = report(&desk, &["show", "deep/out", "--csv"]).fine();
    assert!(shown.lines().nth(2).unwrap().starts_with("b,done,1,6,"), "{shown}");
    assert!(report(&desk, &["show", "deep/out", "b", "--csv"]).fine().contains("select 1 as one"));
    assert!(report(&desk, &["show", "deep/out", "c"]).fails(2).contains("it has a, b"));
    assert!(desk.left_over().is_empty());
}

#[test]
fn a_run_comes_out_the_same_on_any_threads_zone_and_locale() {
    let desk = Desk::with_lake();
    let union = "(select time_in_workflow * 0.1 as t from workflow_sessions union all select time_in_workflow / 3 from workflow_sessions)";
    desk.write("jobs/sums.sql", &format!("select sum(t) as total, avg(t) as mean, stddev(t) as spread from {union}"));
    desk.write("jobs/groups.sql", "-- format: csv, xlsx, parquet\nselect workflow_id, sum(time_in_workflow * 0.1) as t, approx_percentile_cont(time_in_workflow, 0.9) as p from workflow_sessions group by workflow_id");
    desk.write("jobs/now.sql", "select now() as instant, current_date as day, $time_zone as zone, sum(session_duration(started_at, ended_at)) as s from workflow_sessions");
    let run = |out: &str, threads: &str| {
        let arguments =
            ["run", "jobs", "--out", out, "--as-of", EXPORTED, "--time-zone", "Asia/Kolkata", "--threads", threads];
        ended(&report(&desk, &arguments), 0);
        outputs(&desk.path(out))
    };
    let (one, many) = (run("one", "1"), run("many", "8"));
    assert!(one == many, "the bytes differ");
    assert!(desk.read("one/now.csv").contains("2026-11-21T05:30:00+05:30,2026-11-21,Asia/Kolkata,"));
    for (threads, zone, locale) in [("1", "Pacific/Apia", "C"), ("8", "UTC", "de_DE.UTF-8")] {
        let mut command = desk.command(&["report", "verify", "one", "--threads", threads, "--time-zone", zone]);
        command.env("TZ", zone).env("LC_ALL", locale).env("LANG", locale);
        let ran = crate::support::finish(&mut command);
        assert!(ended(&ran, 0).contains("files come out the same, byte for byte"), "{ran:#?}");
    }
}

#[test]
fn verification_finds_what_was_changed_and_what_comes_out_otherwise() {
    let desk = Desk::with_lake();
    desk.write("a.sql", "select count(*) as n from workflow_sessions");
    ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 0);
    // A lake that went on does not matter: the run stands on its version.
    desk.write("more.csv", "session_id,started_at\nnew,2026-11-20T00:00:00Z\n");
    assert_eq!(desk.run(&["ingest", "more.csv", "--exported-at", EXPORTED]).code, 0);
    ended(&report(&desk, &["verify", "out"]), 0);
    desk.write("out/a.csv", "n\n7\n");
    let ran = report(&desk, &["verify", "out"]);
    assert!(ended(&ran, 3).contains("out: a.csv was changed"), "{ran:#?}");
    std::fs::remove_file(desk.path("out/a.csv")).unwrap();
    assert!(ended(&report(&desk, &["verify", "out"]), 3).contains("a.csv is missing"));
    // A run that was damaged is not up to date.
    ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 0);
    assert!(desk.read("out/a.csv").starts_with("n\n"));
}

#[test]
fn windows_that_nothing_changed_in_are_left_alone() {
    let desk = lake_of_two_days();
    let run = || {
        let arguments = [
            "run",
            "daily",
            "--out",
            "days",
            "--window",
            "day",
            "--from",
            "2026-11-01",
            "--to",
            "2026-11-02",
            "--as-of",
            EXPORTED,
        ];
        ended(&report(&desk, &arguments), 0).to_owned()
    };
    run();
    assert!(desk.read("days/2026-11-01/volume.csv").starts_with("workflow_id,sessions,seconds\nw0,14,"));
    let first = desk.read("days/2026-11-01/run.json");
    assert!(first.contains("\"as_of\": \"2026-11-02T00:00:00Z\""), "the clock is the end of the window: {first}");
    assert_eq!(run().matches("up to date").count(), 2);
    // A row of the second day changes only the files that the second day reads.
    desk.write(
        "late.csv",
        "session_id,started_at,ended_at,workflow_id\nlate,2026-11-02T05:00:00Z,2026-11-02T05:00:01Z,w1\n",
    );
    assert_eq!(desk.run(&["ingest", "late.csv", "--exported-at", EXPORTED]).code, 0);
    let said = run();
    assert!(said.contains("days/2026-11-01: 1 report of lake version 2, up to date"), "{said}");
    assert_eq!(said.matches("up to date").count(), 1, "{said}");
    assert!(
        desk.read("days/2026-11-02/volume.csv").contains("w0,14,")
            && desk.read("days/2026-11-02/volume.csv").contains("w1,14,")
    );
    // Another text of the SQL is another report.
    let sql = desk.read("daily/volume.sql").replace("Volume", "How many");
    desk.write("daily/volume.sql", &sql);
    assert_eq!(run().matches("up to date").count(), 0);
    let listed = report(&desk, &["list", "days", "--csv"]).fine();
    assert_eq!(listed.lines().count(), 3);
    ended(&report(&desk, &["verify", "days"]), 0);
}

#[test]
fn a_job_file_says_it_all() {
    let desk = lake_of_two_days();
    desk.write(
        "jobs/daily.toml",
        "title = \"Daily\"\nwindow = \"day\"\ntime-zone = \"Europe/Berlin\"\nformats = [\"ndjson\"]\n\n\
         [[report]]\nquery = \"../daily/volume.sql\"\nexpect = [\"max(sessions) < 14\"]\n",
    );
    let arguments = ["run", "jobs/daily.toml", "--out", "out", "--param", "day=2026-11-02", "--as-of", EXPORTED];
    let ran = report(&desk, &arguments);
    assert!(ended(&ran, 3).contains("volume: check failed: max(sessions) < 14, found 14"), "{ran:#?}");
    let manifest = manifest(&desk, "out");
    assert_eq!(manifest["time_zone"], "Europe/Berlin");
    assert_eq!(manifest["as_of"], "2026-11-02T23:00:00Z");
    assert_eq!(manifest["reports"][0]["status"], "check-failed");
    assert_eq!(manifest["reports"][0]["bound"][0][1], "2026-11-01T23:00:00Z");
    assert!(desk.read("out/volume.ndjson").starts_with("{\"workflow_id\":"), "outputs are written all the same");
    let again = report(&desk, &arguments);
    assert!(ended(&again, 3).contains("up to date"), "{again:#?}");
    assert!(
        report(&desk, &["run", "jobs/daily.toml", "--out", "x", "--param", "day=never"]).fails(2).contains("no date")
    );
}

#[test]
fn everything_is_checked_before_anything_runs() {
    let desk = Desk::with_lake();
    for (name, sql, complaint) in [
        ("a", "select sesion_id from workflow_sessions", "jobs/a.sql:1:8: no column \"sesion_id\""),
        ("b", "-- param: n integer\nselect $n", "jobs/b.sql: parameter \"n\" (integer) has no value"),
        ("c", "select * from workflow_sessions limit 3", "jobs/c.sql:1:1: the report has a LIMIT without an ORDER BY"),
        ("d", "select random() as r", "jobs/d.sql:1:1: random() gives another answer each time"),
        ("e", "-- expect: max(n) < 1\nselect 1 as m", "jobs/e.sql: the check \"max(n) < 1\" is on a column \"n\""),
        ("f", "-- chart: bar x=day y=n\nselect 1 as n", "jobs/f.sql: the chart's column \"day\" is not in the result"),
        ("g", "copy (select 1) to 'x.csv'", "jobs/g.sql:1:1: the statement is a COPY"),
        ("h", "create table t as select 1; select * from t", "jobs/h.sql:1:1: only views may be made before the query"),
        ("i", "set datafusion.execution.target_partitions = 8; select 1", "jobs/i.sql:1:1: only views may be made"),
        ("j", "explain select 1", "jobs/j.sql:1:1: the last statement of a report must be a query"),
        ("k", "-- order: nobody\nselect 1 as n", "jobs/k.sql:2:1: the order names a column \"nobody\""),
    ] {
        desk.write(&format!("jobs/{name}.sql"), sql);
        let ran = report(&desk, &["run", &format!("jobs/{name}.sql"), "--out", "out"]);
        assert!(ran.err.contains(complaint), "{complaint}: {ran:#?}");
        assert!(matches!(ran.code, 1 | 2), "{ran:#?}");
    }
    let all = report(&desk, &["run", "jobs", "--out", "out"]);
    assert_eq!(all.err.matches("error: ").count(), 11, "{all:#?}");
    assert!(!desk.path("out").exists() && !desk.path("x.csv").exists());
    // Going on, the broken ones are said, and what is sound is written.
    desk.write("jobs/z.sql", "create view one as select 1 as n; select * from one");
    let ran = report(&desk, &["run", "jobs", "--out", "out", "--keep-going"]);
    assert!(ran.code != 0 && ran.err.contains("11 failed"), "{ran:#?}");
    assert_eq!(desk.read("out/z.csv"), "n\n1\n");
}

#[test]
fn a_report_that_fails_between_two_that_do_not() {
    let desk = Desk::with_lake();
    desk.write("jobs/a.sql", "select count(*) as n from workflow_sessions");
    desk.write("jobs/b.sql", "select count(*) as n from workflow_sessions");
    desk.write("jobs/c.sql", "select count(*) as n from workflow_sessions");
    ended(&report(&desk, &["run", "jobs", "--out", "out"]), 0);
    let before = outputs(&desk.path("out"));
    desk.write(
        "jobs/b.sql",
        "select session_id,\n  1 / (length(session_id) - length(session_id)) as x\nfrom workflow_sessions",
    );
    let ran = report(&desk, &["run", "jobs", "--out", "out"]);
    assert!(ended(&ran, 1).contains("error: jobs/b.sql:"), "{ran:#?}");
    assert_eq!(ran.err.matches("jobs/b.sql:").count(), 1, "said once: {ran:#?}");
    assert!(outputs(&desk.path("out")) == before, "the earlier run is as it was");
    let ran = report(&desk, &["run", "jobs", "--out", "out", "--keep-going"]);
    assert!(ended(&ran, 1).contains("out: 3 reports of lake version 1, 1 failed"), "{ran:#?}");
    let manifest = manifest(&desk, "out");
    let status: Vec<_> =
        manifest["reports"].as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["done", "failed", "done"]);
    assert!(manifest["reports"][1]["error"].as_str().unwrap().contains("jobs/b.sql:"));
    assert!(desk.path("out/a.csv").exists() && !desk.path("out/b.csv").exists() && desk.path("out/c.csv").exists());
    assert!(ended(&report(&desk, &["verify", "out"]), 0).contains("1 report had failed"));
    assert_eq!(hidden(&desk), Vec::<String>::new());
}

#[test]
fn a_run_whose_time_is_over_leaves_the_earlier_one_or_writes_what_is_done() {
    let desk = Desk::with_lake();
    desk.write("jobs/a.sql", "select count(*) as n from workflow_sessions");
    desk.write("jobs/b.sql", "select count(*) as n from workflow_sessions");
    ended(&report(&desk, &["run", "jobs", "--out", "out"]), 0);
    let before = outputs(&desk.path("out"));
    let long = "from generate_series(1, 200000) a join generate_series(1, 200000) b on a.value + b.value < 0";
    desk.write("jobs/b.sql", &format!("select count(*) as n {long}"));
    let ran = report(&desk, &["run", "jobs", "--out", "out", "--timeout", "3s"]);
    assert!(ended(&ran, 6).contains("stopped after --timeout 3 s"), "{ran:#?}");
    assert!(outputs(&desk.path("out")) == before, "the earlier run is as it was");
    let ran = report(&desk, &["run", "jobs", "--out", "out", "--timeout", "3s", "--keep-going"]);
    assert!(ended(&ran, 6).contains("1 failed"), "{ran:#?}");
    let manifest = manifest(&desk, "out");
    assert!(manifest["reports"][1]["error"].as_str().unwrap().contains("stopped after --timeout 3 s"));
    assert!(desk.path("out/a.csv").exists() && !desk.path("out/b.csv").exists());
    assert_eq!(ended(&report(&desk, &["resume", "out", "--timeout", "1s"]), 6).matches("stopped after").count(), 1);
    // What has no time at all is not begun.
    for command in [&["report", "run", "jobs", "--out", "out"][..], &["report", "verify", "out"], &["check", "jobs"]] {
        let ran = desk.run(&[command, &["--timeout", "0.000001s"]].concat());
        assert!(ran.fails(6).contains("stopped after --timeout"), "{command:?}");
        assert_eq!(desk.run(&[command, &["--timeout", "soon"]].concat()).code, 2);
    }
    assert_eq!(hidden(&desk), Vec::<String>::new());
}

#[test]
fn resume_runs_only_what_failed() {
    let desk = lake_of_two_days();
    desk.write(
        "jobs/first.sql",
        "select sum(time_in_workflow) as s from workflow_sessions where started_at < '2026-11-02T00:00:00Z'",
    );
    desk.write(
        "jobs/second.sql",
        "select sum(time_in_workflow) as s from workflow_sessions where started_at >= '2026-11-02T00:00:00Z'",
    );
    // The data file of the second day is away for a while.
    let files = desk.query("select path from lake_files order by first_started_at desc limit 1", &["--csv"]).fine();
    let file = desk.path("lake/workflow_sessions").join(files.lines().nth(1).unwrap());
    std::fs::rename(&file, desk.path("away")).unwrap();
    let ran = report(&desk, &["run", "jobs", "--out", "out", "--keep-going"]);
    assert!(ended(&ran, 4).contains("1 failed"), "{ran:#?}");
    assert_eq!(report(&desk, &["resume", "out"]).code, 4);
    std::fs::rename(desk.path("away"), &file).unwrap();
    let first = manifest(&desk, "out")["reports"][0].clone();
    let ran = report(&desk, &["resume", "out"]);
    let said = ended(&ran, 0);
    assert!(said.contains("second: 1 row,") && !said.contains("first: "), "{said}");
    let now = manifest(&desk, "out");
    assert_eq!((&now["reports"][0], &now["reports"][1]["status"]), (&first, &Value::from("done")));
    ended(&report(&desk, &["verify", "out"]), 0);
    assert!(ended(&report(&desk, &["resume", "out"]), 0).contains("up to date"));
}

#[test]
fn the_shipped_jobs_and_queries_make_sound_reports() {
    let desk = Desk::with_lake();
    for (job, out, count) in
        [("queries/jobs/daily.toml", "daily", 13), ("queries/jobs/weekly.toml", "weekly", 17), ("queries", "all", 27)]
    {
        let ran = report(&desk, &["run", job, "--out", out, "--as-of", EXPORTED, "--time-zone", "Europe/Berlin"]);
        assert!(ended(&ran, 0).contains(&format!("{count} reports of lake version 1")), "{ran:#?}");
        let page = desk.read(&format!("{out}/index.html"));
        assert!(
            page.matches("<svg").count() >= 8 && !page.contains("<script src") && !page.contains("src=\"http"),
            "{job}"
        );
    }
    let figures = desk.read("daily/key_figures.csv");
    assert!(
        figures.starts_with("place,figure,value,week_before\n1,sessions,") && figures.lines().count() == 6,
        "{figures}"
    );
    ended(&report(&desk, &["verify", "daily", "--threads", "1"]), 0);
}

#[test]
fn a_log_for_schedulers_is_json_a_line() {
    let desk = Desk::with_lake();
    desk.write("a.sql", "-- expect: rows = 0\nselect 1 as n");
    let ran = report(&desk, &["run", "a.sql", "--out", "out", "--log-format", "json"]);
    let lines: Vec<Value> = ended(&ran, 3).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["event"], &lines[0]["status"]), (&Value::from("report"), &Value::from("check-failed")));
    assert_eq!((&lines[1]["event"], &lines[1]["checks_failed"]), (&Value::from("run"), &Value::from(1)));
    assert_eq!(ended(&report(&desk, &["run", "a.sql", "--out", "out", "--quiet"]), 3), "");
}

#[test]
fn parameters_full_of_tricks_are_only_text() {
    let desk = Desk::with_lake();
    desk.write(
        "jobs/<b>x & y.sql",
        "-- title: <script>alert('t')</script>\n-- description: \"><img src=x onerror=alert(1)>\n-- format: csv, xlsx, markdown\n\
         -- param: who text\nselect $who as who, count(*) as n from workflow_sessions where session_id = $who",
    );
    for trick in [
        "'; drop table workflow_sessions; --",
        "</script><script>alert(1)</script>",
        "../../../etc/passwd",
        "=cmd|' /C calc'!A0",
        "$who' or '1'='1",
        "{{constructor}} ${7*7} %00 \u{202e}",
    ] {
        let arguments = ["run", "jobs", "--out", "out", "--param", &format!("who={trick}")];
        ended(&report(&desk, &arguments), 0);
        let csv = desk.read("out/_b_x___y.csv");
        assert!(csv.contains(&trick.replace('"', "\"\"")) && csv.trim_end().ends_with(",0"), "{csv}");
        let page = desk.read("out/index.html").to_lowercase();
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{trick}");
        assert_eq!(manifest(&desk, "out")["reports"][0]["parameters"]["who"], trick);
    }
    assert_eq!(report(&desk, &["show", "out", "../../etc/passwd"]).code, 2);
}

#[test]
fn folders_that_are_no_runs_are_left_alone() {
    let desk = Desk::with_lake();
    desk.write("a.sql", "select 1 as n");
    desk.write("mine/notes.txt", "years of work");
    let ran = report(&desk, &["run", "a.sql", "--out", "mine"]);
    assert!(ended(&ran, 2).contains("\"mine\" has files, but is not the folder of a run"), "{ran:#?}");
    ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 0);
    desk.write("out/notes.txt", "mine");
    desk.write("a.sql", "select 2 as n");
    assert!(ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 2).contains("\"notes.txt\" that no run wrote"));
    assert_eq!(desk.read("out/a.csv"), "n\n1\n");
    std::fs::remove_file(desk.path("out/notes.txt")).unwrap();
    desk.write("out/.page/mine.txt", "years of work");
    let ran = report(&desk, &["run", "a.sql", "--out", "out"]);
    assert!(ended(&ran, 2).contains("\".page/mine.txt\" that no run wrote"), "{ran:#?}");
    assert_eq!(desk.read("out/.page/mine.txt"), "years of work");
    assert_eq!(hidden(&desk), Vec::<String>::new());
}

/// Starts a run with a report that ends at once and one that never does, and waits for the first.
fn start_endless(desk: &Desk) -> Child {
    desk.write("slow/a.sql", "select 2 as n");
    desk.write("slow/b.sql", ENDLESS);
    let mut process = desk.process(&["report", "run", "slow", "--out", "out", "--threads", "2"]);
    let mut child = process.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("[1/2] a: 1 row,"), "{line}");
    child
}

#[test]
fn a_run_that_is_killed_leaves_the_earlier_one_and_the_next_clears_up() {
    let desk = Desk::with_lake();
    desk.write("a.sql", "select 1 as n");
    ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 0);
    let before = outputs(&desk.path("out"));
    let mut child = start_endless(&desk);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(outputs(&desk.path("out")) == before, "the earlier run is as it was");
    assert!(hidden(&desk).iter().any(|name| name.starts_with(".out.partial-")), "it was under way");
    ended(&report(&desk, &["verify", "out"]), 0);
    desk.write("a.sql", "select 3 as n");
    ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 0);
    assert_eq!(desk.read("out/a.csv"), "n\n3\n");
    assert_eq!(hidden(&desk), Vec::<String>::new());
}

#[test]
fn of_two_runs_into_one_folder_the_second_is_told() {
    let desk = Desk::with_lake();
    desk.write("a.sql", "select 1 as n");
    let mut child = start_endless(&desk);
    let ran = report(&desk, &["run", "a.sql", "--out", "out"]);
    assert!(ended(&ran, 5).contains("another run is writing to \"out\""), "{ran:#?}");
    child.kill().unwrap();
    child.wait().unwrap();
    ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 0);
}

#[cfg(unix)]
#[test]
fn a_run_that_is_stopped_takes_its_files_with_it() {
    let desk = Desk::with_lake();
    let mut child = start_endless(&desk);
    let stopped = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!desk.path("out").exists());
    assert_eq!(hidden(&desk), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_the_earlier_run() {
    let desk = Desk::with_lake();
    desk.write("a.sql", "select 1 as n");
    ended(&report(&desk, &["run", "a.sql", "--out", "out"]), 0);
    let before = outputs(&desk.path("out"));
    desk.write("a.sql", "select session_id, data from workflow_sessions");
    // A file may not grow over a few blocks: to the writer the same as a full disk, and the same error for all users.
    let plain = desk.process(&["report", "run", "a.sql", "--out", "out"]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -f 8; trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(plain.get_program())
        .args(plain.get_args());
    limited.current_dir(desk.path("")).env_clear();
    limited.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = crate::support::finish(&mut assert_cmd::Command::from_std(limited));
    assert!(ended(&ran, 4).contains("File too large"), "{ran:#?}");
    assert!(outputs(&desk.path("out")) == before, "the earlier run is as it was");
    assert_eq!(hidden(&desk), Vec::<String>::new());
}

#[test]
fn a_chart_is_of_all_rows_and_not_of_those_shown() {
    let desk = Desk::with_lake();
    desk.write(
        "a.sql",
        "-- chart: line x=value y=square\n-- format: ndjson\nselect value, value * value as square from generate_series(1, 3000)",
    );
    let arguments = ["run", "a.sql", "--out", "out", "--html-rows", "7"];
    ended(&report(&desk, &arguments), 0);
    let page = desk.read("out/index.html");
    assert!(
        page.contains("Lines of square by value, from 1 to 3,000. Highest 9,000,000 (3,000), lowest 1 (1)."),
        "{page}"
    );
    assert!(
        page.contains("This page shows the first 7 of 3,000 rows. All rows: <a href=\"a.ndjson\">ndjson</a>."),
        "{page}"
    );
    assert!(!page.contains("Drawn from"));
    assert_eq!(manifest(&desk, "out")["reports"][0]["chart_rows"]["file"], ".page/a.chart");
    ended(&report(&desk, &["verify", "out"]), 0);
    assert!(ended(&report(&desk, &arguments), 0).contains("up to date"));
    // Beyond what a chart holds it says so, and the run is verified all the same.
    desk.write("b.sql", "-- chart: histogram x=value\nselect value from generate_series(1, 100500) order by value");
    desk.write("c.sql", "select cast(session_id as integer) as n from workflow_sessions");
    let ran = report(&desk, &["run", "b.sql", "c.sql", "--out", "both", "--keep-going"]);
    ended(&ran, 1);
    let says = "Drawn from the first 100,000 of 100,500 rows.</figcaption>";
    assert!(desk.read("both/index.html").contains(says));
    // What was taken over is drawn again.
    ended(&report(&desk, &["resume", "both"]), 1);
    assert!(desk.read("both/index.html").contains(says));
    ended(&report(&desk, &["verify", "both"]), 0);
}

#[test]
fn a_text_that_a_cell_cannot_hold_is_said_everywhere() {
    let desk = Desk::with_lake();
    desk.write("a.sql", "-- format: csv, xlsx\nselect repeat('x', 40000) as text union all select 'short'");
    let note = "In a.xlsx 1 text is longer than a cell holds, and cut; a.csv has all.";
    let ran = report(&desk, &["run", "a.sql", "--out", "out"]);
    assert!(ended(&ran, 0).contains(&format!("a: {note}")), "{ran:#?}");
    assert_eq!(manifest(&desk, "out")["reports"][0]["notes"][0], note);
    assert!(desk.read("out/index.html").contains(note));
    assert!(desk.read("out/a.csv").contains(&"x".repeat(40_000)));
    let ran = report(&desk, &["run", "a.sql", "--out", "alone", "--format", "xlsx"]);
    assert!(ended(&ran, 0).contains("add csv to the formats to have all"), "{ran:#?}");
    let ran = desk.query("select repeat('x', 40000) as text", &["-o", "q.xlsx"]);
    assert!(ran.code == 0 && ran.err.contains("note: 1 text is longer than a cell of xlsx holds, and cut"), "{ran:#?}");
}

#[test]
fn weeks_months_and_spans_have_folders_of_their_own() {
    let desk = lake_of_two_days();
    // October has no sessions, and is no failure here.
    let sql = desk.read("daily/volume.sql").replace("-- expect: rows > 0\n", "");
    desk.write("daily/volume.sql", &sql);
    let run = |more: &[&str]| {
        let arguments = [&["run", "daily", "--out", "out", "--as-of", EXPORTED], more].concat();
        ended(&report(&desk, &arguments), 0).to_owned()
    };
    run(&["--window", "week", "--from", "2026-10-30", "--to", "2026-11-02"]);
    run(&["--window", "month", "--from", "2026-10-01"]);
    for folder in ["2026-W44", "2026-W45", "2026-10"] {
        assert!(desk.path(&format!("out/{folder}/index.html")).exists(), "{folder}");
    }
    assert!(!desk.path("out/2026-11").exists(), "that month has not ended");
    // The first of November is a Sunday, the second a Monday.
    assert!(
        desk.read("out/2026-W44/volume.csv").contains("w0,14,")
            && desk.read("out/2026-W45/index.html").contains("Week 45, 2 to 8")
    );
    let ran = report(&desk, &["run", "daily", "--out", "span", "--from", "2026-11-01", "--to", "2026-11-02"]);
    ended(&ran, 0);
    assert!(desk.read("span/volume.csv").contains("w0,28,"), "one window, into the folder itself");
    let ran = report(&desk, &["run", "daily", "--out", "x", "--from", "2026-11-01"]);
    assert!(ended(&ran, 2).contains("--from has no end"));
}

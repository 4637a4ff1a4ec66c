//! Workers as people meet them: the shipped queries give the same bytes, a lost worker costs nothing but time, and what does not fit is refused.

use crate::report::outputs;
use crate::support::{Desk, EXPORTED, Listener, Ran, finish, repository};

/// However little there is to read, it is cut.
const CUT: [&str; 2] = ["--task-bytes", "1B"];

/// Starts a worker.
fn worker(desk: &Desk, more: &[&str]) -> Listener {
    Listener::start(desk, &[&["worker", "--bind", "127.0.0.1:0"], more].concat(), ("a worker at ", ' '))
}

/// A desk whose lake has the export that the shipped queries are tested on.
fn desk() -> Desk {
    let desk = Desk::new();
    let export = repository("tests/queries/sessions.csv").display().to_string();
    let ran = desk.run(&["ingest", "--exported-at", EXPORTED, "--max-bad", "9", &export]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    desk
}

#[test]
fn shipped_queries_give_the_same_bytes_on_workers() {
    let desk = desk();
    let queries = repository("queries").display().to_string();
    let ask = |more: &[&str]| {
        let arguments =
            [&["--as-of", "2026-11-21T00:00:00Z", "--threads", "2", "--quiet", "query", "--csv", &queries], more];
        desk.run(&arguments.concat()).fine()
    };
    let here = ask(&[]);
    for workers in ["local:1", "local:2", "local:3"] {
        assert_eq!(ask(&[&["--workers", workers], &CUT[..]].concat()), here, "{workers}");
    }
    // And they do run there.
    let explained = desk.path("explained");
    std::fs::create_dir(&explained).unwrap();
    let mut files = Vec::new();
    for path in std::fs::read_dir(repository("queries")).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(sql) = std::fs::read_to_string(&path) else { continue };
        let is_statement = |line: &&str| ["select", "with"].iter().any(|word| line.to_lowercase().starts_with(word));
        let Some(begins) = sql.lines().find(is_statement) else { panic!("{}: no statement", path.display()) };
        let sql = sql.replacen(&format!("\n{begins}"), &format!("\nexplain {begins}"), 1);
        std::fs::write(explained.join(path.file_name().unwrap()), sql).unwrap();
        files.push(path);
    }
    let folder = explained.display().to_string();
    let arguments = ["--as-of", "2026-11-21T00:00:00Z", "--quiet", "query", "--workers", "local:2", &folder];
    let told = desk.run(&[&arguments[..], &CUT[..]].concat()).fine();
    assert_eq!(told.matches("-- runs on 2 workers").count(), files.len(), "{told}");
}

#[test]
fn statements_of_every_kind_give_the_same_bytes_on_workers() {
    let desk = desk();
    let statements = repository("tests/queries/workers.sql").display().to_string();
    let ask = |threads: &str, more: &[&str]| {
        let arguments =
            ["--as-of", "2026-11-21T00:00:00Z", "--quiet", "--threads", threads, "query", "--csv", &statements];
        desk.run(&[&arguments[..], more].concat()).fine()
    };
    let here = ask("2", &[]);
    for (threads, workers) in [("1", "local:1"), ("2", "local:2"), ("1", "local:3"), ("3", "local:2")] {
        let there = ask(threads, &[&["--workers", workers], &CUT[..]].concat());
        let first = here.lines().zip(there.lines()).position(|(here, there)| here != there);
        assert!(here == there, "{threads} threads, {workers}: the first line that differs is {first:?}");
    }
}

#[test]
fn a_worker_that_is_lost_costs_no_answer() {
    let desk = desk();
    let [mut first, second] = [(); 2].map(|()| worker(&desk, &[]));
    let both = format!("{},{}", first.address, second.address);
    let sql = "select count(*), sum(a.time_in_workflow::int) from workflow_sessions a join workflow_sessions b \
               on a.communication_type = b.communication_type and a.started_at <= b.started_at";
    let here = desk.run(&["query", "--csv", "-c", sql]).fine();
    let ask = |workers: &str| {
        desk.process(&[&["query", "--csv", "--workers", workers, "-c", sql], &CUT[..]].concat()).output().unwrap()
    };
    assert_eq!(String::from_utf8(ask(&both).stdout).unwrap(), here);
    // Killed while a query may run.
    let killing = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&both));
        std::thread::sleep(std::time::Duration::from_millis(300));
        first.child.kill().unwrap();
        first.child.wait().unwrap();
        asking.join().unwrap()
    });
    assert_eq!(String::from_utf8(killing.stdout).unwrap(), here, "{}", String::from_utf8_lossy(&killing.stderr));
    // And one that is not there from the beginning.
    let left = ask(&both);
    assert_eq!(String::from_utf8(left.stdout).unwrap(), here);
    let said = String::from_utf8(left.stderr).unwrap();
    assert!(said.contains("a worker does not answer and is left out") && said.contains(&first.address), "{said}");
    drop(second);
    let none = desk.run(&[&["query", "--workers", both.as_str(), "-c", sql], &CUT[..]].concat());
    assert!(none.fails(4).contains("no worker answers"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let desk = desk();
    let token = desk.path("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").unwrap();
    let other = desk.path("other");
    std::fs::write(&other, "another0123456789another").unwrap();
    let (token, other) = (token.display().to_string(), other.display().to_string());
    let started = worker(&desk, &["--worker-token", &token]);
    let ask = |more: &[&str]| {
        let arguments =
            ["query", "--csv", "--workers", &started.address, "-c", "select count(*) from workflow_sessions"];
        desk.run(&[&arguments[..], &CUT[..], more].concat())
    };
    ask(&["--worker-token", &token]).fine();
    assert!(ask(&[]).fails(4).contains("the worker wants another token"));
    assert!(ask(&["--worker-token", &other]).fails(4).contains("the worker wants another token"));
    let elsewhere = desk.path("elsewhere").display().to_string();
    let message = ask(&["--worker-token", &token, "--lake", &elsewhere]).fails(2);
    assert!(message.contains("reads the lake at"), "{message}");
    for (arguments, said) in [
        (&["--bind", "0.0.0.0:0"][..], "there is no TLS"),
        (&["--bind", "0.0.0.0:0", "--worker-token", token.as_str()][..], "there is no TLS"),
        (&["--worker-cert", token.as_str()][..], "go together"),
        (&["--tls-cert", token.as_str(), "--tls-key", token.as_str()][..], "PEM"),
    ] {
        let message = desk.run(&[&["worker"], arguments].concat()).fails(2);
        assert!(message.contains(said), "{arguments:?}: {message}");
    }
    for workers in ["local:0", "nowhere", "a:b"] {
        desk.run(&["query", "--workers", workers, "-c", "select 1"]).fails(2);
    }
}

#[test]
fn errors_of_values_are_told_as_in_one_process() {
    let desk = desk();
    // One row alone fails, whatever comes first.
    let one = "case when session_id = 's30' then 1 else 0 end";
    let statements = [
        "select 1 / (length(session_id) * 0) from workflow_sessions".to_owned(),
        "select (select session_id from workflow_sessions) as x".to_owned(),
        "select ('x' || length(session_id) * 0)::bigint from workflow_sessions".to_owned(),
        format!(
            "select started_at,\n  (case when {one} = 1 then 'yesterday' else '1' end)::int from workflow_sessions"
        ),
        format!("select count(*) from workflow_sessions where 1 / (1 - {one}) > 0"),
        format!(
            "select session_id from workflow_sessions order by (case when {one} = 1 then 'x' else '1' end)::double"
        ),
        format!("select workflow_id, sum((case when {one} = 1 then 'y' end)::int) from workflow_sessions group by 1"),
        "select (case when session_id = 's30' then session_id else '2026-01-01' end)::date from workflow_sessions"
            .to_owned(),
        "select regexp_like(session_id, '(') from workflow_sessions".to_owned(),
        "select date_trunc(left(workflow_id, 0), started_at) from workflow_sessions".to_owned(),
        "select 9223372036854775807 + length(session_id) from workflow_sessions".to_owned(),
        "select (length(session_id) * 100000)::smallint from workflow_sessions where session_id = 's30'".to_owned(),
        "select repeat(session_id, 2000000000) from workflow_sessions where session_id = 's30'".to_owned(),
        "select make_date(2026, 45, length(session_id)) from workflow_sessions".to_owned(),
        "select decode(session_id, 'hex') from workflow_sessions where session_id = 's30'".to_owned(),
        "select a.session_id from workflow_sessions a join workflow_sessions b on a.session_id = b.session_id and 1 / (1 - (case when a.session_id || b.session_id = 's30s30' then 1 else 0 end)) > 0"
            .to_owned(),
        "select nosuch from workflow_sessions".to_owned(),
        "select * from nosuch".to_owned(),
    ];
    let mut arguments = vec!["query", "--csv", "--keep-going", "--quiet"];
    statements.iter().for_each(|sql| arguments.extend(["-c", sql]));
    let here = desk.run(&arguments);
    let there = desk.run(&[&arguments[..], &["--workers", "local:2"], &CUT[..]].concat());
    assert_eq!((here.code, there.code), (1, 1));
    assert_eq!(there.err, here.err);
    for number in 1..=statements.len() {
        assert!(here.err.contains(&format!("error: -c[{number}]:")), "{number}: {}", here.err);
    }
}

#[test]
fn damage_and_limits_are_told_as_in_one_process() {
    let desk = Desk::new();
    desk.run(&["generate", "--sessions", "4000", "--out", "made"]).fine();
    assert_eq!(desk.run(&["ingest", "--quiet", "made/workflow_sessions.csv"]).code, 0);
    let files = std::fs::read_dir(desk.path("lake/workflow_sessions")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.display().to_string().contains("/ended-")).unwrap();
    let sound = std::fs::read(&file).unwrap();
    let ask = |sql: &str, more: &[&str], wrap: &str| {
        let run = |workers: &[&str]| {
            let plain = desk.process(&[&["query", "--csv", "-c", sql], more, workers].concat());
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &format!("{wrap} exec \"$@\""), "sh"]).arg(plain.get_program()).args(plain.get_args());
            shell.current_dir(desk.path("")).env_clear();
            shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
            finish(&mut assert_cmd::Command::from_std(shell))
        };
        let (here, there) = (run(&[]), run(&[&["--workers", "local:2"], &CUT[..]].concat()));
        assert_eq!((there.code, &there.err), (here.code, &here.err), "{sql}");
        (here.code, here.err)
    };
    let spilling = "select session_id, max(data) from workflow_sessions group by 1";
    let little = ["--memory-limit", "2MB", "--threads", "1"];
    let (code, said) = ask(spilling, &[&little[..], &["--spill-limit", "100KB"]].concat(), "");
    assert!(code == 6 && said.contains("hint: raise --spill-limit"), "{said}");
    // A file may not grow over a few blocks: to the writer the same as a full disk, and the same error for all users.
    let (code, said) = ask(spilling, &little, "ulimit -f 8; trap '' XFSZ;");
    assert!(code == 4 && said.contains("temporary files: File too large"), "{said}");
    let (code, said) = ask("select session_id from workflow_sessions", &["--max-rows", "5"], "");
    assert!(code == 6 && said.contains("--max-rows 5"), "{said}");
    let all = "select count(distinct data), count(distinct source_details) from workflow_sessions";
    let mut damaged = sound.clone();
    damaged[sound.len() / 4] ^= 8;
    for (bytes, words) in [
        (Some(damaged), "the file is damaged"),
        (Some(sound[..sound.len() / 2].to_vec()), "ended-"),
        (Some(vec![b'x'; sound.len()]), "the file is damaged"),
        (None, "not found"),
    ] {
        match bytes {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let (code, said) = ask(all, &[], "");
        assert!(code == 4 && said.contains(words), "{said}");
    }
}

/// Runs a command that may be cut however little it reads, and says in its log what stays in the process.
fn logged(desk: &Desk, arguments: &[&str], workers: &[&str]) -> Ran {
    let cut: &[&str] = if workers.is_empty() { &[] } else { &CUT };
    let mut command = desk.command(&[arguments, workers, cut].concat());
    finish(command.env("SESSIONLAKE_LOG", "sessionlake=info"))
}

/// The reports that stayed in the process, as the log says it.
fn stayed(ran: &Ran) -> Vec<String> {
    let named =
        |line: &str| Some(line.split_once("the report runs in this process")?.1.rsplit_once("report=\"")?.1.to_owned());
    let mut stayed: Vec<String> = ran.err.lines().filter_map(named).collect();
    stayed.iter_mut().for_each(|name| name.truncate(name.find('"').unwrap_or(0)));
    stayed.sort();
    stayed
}

#[test]
fn the_daily_job_gives_the_same_bytes_on_workers() {
    let desk = desk();
    let job = repository("queries/jobs/daily.toml").display().to_string();
    let run = |out: &str, threads: &str, workers: &[&str]| {
        let arguments = ["report", "run", &job, "--out", out, "--as-of", "2026-11-21T00:00:00Z", "--threads", threads];
        let ran = logged(&desk, &[&arguments[..], &["--param", "day=2026-11-20"]].concat(), workers);
        assert!(matches!(ran.code, 0 | 3) && ran.out.is_empty(), "{ran:#?}");
        (ran.code, outputs(&desk.path(out)), stayed(&ran))
    };
    let here = run("here", "2", &[]);
    assert_eq!(here.2, [""; 0]);
    for (threads, workers) in [("1", "local:1"), ("3", "local:2"), ("2", "local:3")] {
        let there = run(workers, threads, &["--workers", workers]);
        assert_eq!(there.0, here.0);
        let differs = here.1.iter().zip(&there.1).find(|(here, there)| here != there).map(|(here, _)| &here.0);
        assert!(here.1 == there.1, "{workers}: {differs:?}");
        assert_eq!(there.2, [""; 0], "{workers}");
        let manifest = desk.read(&format!("{workers}/run.json"));
        assert!(!manifest.contains("local-1") && !manifest.contains("worker"), "{manifest}");
    }
}

/// A job of reports that go, and of some that stay for what their names say.
fn job_of_many_kinds(desk: &Desk) {
    let all = "-- format: csv, parquet, arrow, xlsx\n";
    for (name, sql) in [
        (
            "goes_sums",
            "select workflow_id, sum(time_in_workflow * 0.1) as t, avg(time_in_workflow) as m, count(*) as n from workflow_sessions group by 1 order by n desc",
        ),
        (
            "goes_rows",
            "select session_id, started_at, ended_at, communication_type, source_details_phone_number, data from workflow_sessions",
        ),
        (
            "goes_windows",
            "select session_id, lag(started_at) over (partition by workflow_id order by started_at, session_id) as b, rank() over (order by started_at) as r from workflow_sessions",
        ),
        (
            "goes_nulls",
            "select session_id, time_in_workflow, ended_at is null as runs, case when ended_at is null then null else length(session_id) end as l from workflow_sessions",
        ),
        ("stays_digits", "select workflow_id, stddev(time_in_workflow) as s from workflow_sessions group by 1"),
        ("stays_list", "select workflow_id, array_agg(session_id) as l from workflow_sessions group by 1"),
        ("stays_ties", "select session_id, row_number() over (order by workflow_id) as n from workflow_sessions"),
        (
            "stays_limit",
            "select count(session_id) as n, min(session_id) as l from (select session_id, workflow_id from workflow_sessions order by workflow_id limit 3)",
        ),
        ("stays_nothing_read", "select 1 as one"),
    ] {
        let formats = if name == "stays_list" { "-- format: csv, arrow\n" } else { all };
        desk.write(&format!("kinds/{name}.sql"), &format!("{formats}{sql}\n"));
    }
}

#[test]
fn reports_of_every_kind_are_verified_with_workers_and_without() {
    let desk = desk();
    job_of_many_kinds(&desk);
    let run = |out: &str, more: &[&str], workers: &[&str]| {
        let arguments = ["report", "run", "kinds", "--out", out, "--as-of", "2026-11-21T00:00:00Z"];
        let ran = logged(&desk, &[&arguments[..], more].concat(), workers);
        assert_eq!(ran.code, 0, "{ran:#?}");
        (outputs(&desk.path(out)), stayed(&ran))
    };
    let two = ["--workers", "local:2"];
    let (here, there) = (run("here", &[], &[]), run("there", &[], &two));
    assert!(here.0 == there.0, "the bytes differ");
    assert_eq!(there.1, ["stays_digits", "stays_limit", "stays_list", "stays_nothing_read", "stays_ties"]);
    // The other way round, each.
    for (folder, workers) in [("here", &two[..]), ("there", &[][..])] {
        let ran = logged(&desk, &["report", "verify", folder], workers);
        assert!(ran.code == 0 && ran.err.contains("come out the same, byte for byte"), "{ran:#?}");
    }
    assert!(run("masked-here", &["--redact"], &[]).0 == run("masked-there", &["--redact"], &two).0, "the bytes differ");
    // And nothing is run again for it.
    let again = logged(&desk, &["report", "run", "kinds", "--out", "here", "--as-of", "2026-11-21T00:00:00Z"], &two);
    assert!(again.err.contains("up to date"), "{again:#?}");
}

#[test]
fn a_report_that_fails_says_on_workers_what_it_says_without() {
    let desk = desk();
    desk.write("jobs/a.sql", "select session_id, 1 / (length(session_id) * 0) as x from workflow_sessions");
    desk.write("jobs/b.sql", "select count(*) as n from workflow_sessions");
    let run = |out: &str, workers: &[&str]| {
        let cut: &[&str] = if workers.is_empty() { &[] } else { &CUT };
        let arguments = ["report", "run", "jobs", "--keep-going", "--out", out, "--as-of", "2026-11-21T00:00:00Z"];
        let ran = desk.run(&[&arguments[..], workers, cut].concat());
        let said = ran.err.lines().find_map(|line| Some(line.split_once("] a: failed: ")?.1.to_owned()));
        (ran.code, said, outputs(&desk.path(out)))
    };
    let (here, there) = (run("here", &[]), run("there", &["--workers", "local:2"]));
    assert_eq!((here.0, &here.1), (1, &there.1));
    assert!(here.1.is_some() && here.2 == there.2, "{here:?}");
}

#[test]
fn a_run_of_reports_goes_on_when_workers_are_lost() {
    let desk = desk();
    desk.write(
        "jobs/long.sql",
        "select a.communication_type, count(*) as n, sum(a.time_in_workflow::int) as t from workflow_sessions a \
         join workflow_sessions b on a.communication_type = b.communication_type and a.started_at <= b.started_at group by 1",
    );
    desk.write("jobs/other.sql", "select workflow_id, avg(time_in_workflow) as t from workflow_sessions group by 1");
    let arguments = |out: &'static str| ["report", "run", "jobs", "--out", out, "--as-of", "2026-11-21T00:00:00Z"];
    assert_eq!(desk.run(&arguments("here")).code, 0);
    let here = outputs(&desk.path("here"));
    // One of two, and then the only one.
    for (out, count) in [("one", 2), ("all", 1)] {
        let mut workers: Vec<Listener> = (0..count).map(|_| worker(&desk, &[])).collect();
        let places: Vec<&str> = workers.iter().map(|worker| worker.address.as_str()).collect();
        let places = places.join(",");
        let running = desk.process(&[&arguments(out)[..], &["--workers", &places], &CUT[..]].concat());
        let ran = std::thread::scope(|scope| {
            let mut running = running;
            let running = scope.spawn(move || running.output().unwrap());
            std::thread::sleep(std::time::Duration::from_millis(250));
            workers[0].child.kill().unwrap();
            running.join().unwrap()
        });
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        // A worker that is gone before it is met is the only thing that ends a run.
        let met = !said.contains("no worker answers");
        assert!(!met || (ran.status.code() == Some(0) && outputs(&desk.path(out)) == here), "{out}: {said}");
        assert!(!said.contains(&places) || said.contains("is left out") || !met, "{said}");
    }
}

#[test]
fn checks_say_what_would_stay_in_the_process() {
    let desk = desk();
    desk.write(
        "a.sql",
        "select workflow_id, count(*) from workflow_sessions group by 1;\nselect 1;\nselect x from workflow_sessions",
    );
    let ran = desk.run(&[&["check", "a.sql", "--workers", "local:2"], &CUT[..]].concat());
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("a.sql:2: runs in this process: it reads no data file of the lake"), "{ran:#?}");
    assert!(!ran.err.contains("a.sql:1: runs in this process") && ran.err.contains("a.sql:3:8"), "{ran:#?}");
    let there = worker(&desk, &[]);
    let fine = desk.run(&["check", "--workers", &there.address, "-c", "select 2"]);
    assert!(fine.code == 0 && fine.err.contains("fine: 1 statement"), "{fine:#?}");
    // From the environment, too.
    let mut none = desk.command(&["check", "-c", "select 1"]);
    assert_eq!(finish(none.env("SESSIONLAKE_WORKERS", "127.0.0.1:1")).code, 4);
    desk.write("sessionlake.toml", "workers = \"local:1\"\n");
    assert!(desk.run(&["check", "-c", "select 1"]).err.contains("runs in this process"));
}

#[test]
fn what_workers_read_is_counted_with_what_is_read_here() {
    let desk = desk();
    let one = worker(&desk, &[]);
    let sql = "select workflow_id, count(*), max(data ->> 'step') from workflow_sessions group by 1 order by 1";
    let figures = |workers: &[&str]| {
        let ran = desk.run(&[&["query", "--stats", "--csv", "-c", sql], workers, &CUT[..]].concat());
        assert_eq!(ran.code, 0, "{ran:#?}");
        let line = |begin: &str| {
            let line = ran.err.lines().find_map(|line| line.strip_prefix(begin).map(str::to_owned));
            line.unwrap_or_else(|| panic!("{}", ran.err))
        };
        let gets = line("stats: requests ").split(' ').nth(1).unwrap().trim_start_matches('(').parse::<u64>().unwrap();
        (gets, line("stats: files "))
    };
    let here = figures(&[]);
    for workers in ["local:2", one.address.as_str()] {
        let there = figures(&["--workers", workers]);
        assert_eq!(there.1, here.1, "{workers}");
        assert!(there.0 >= here.0, "{workers}: {there:?}, and {here:?}");
    }
}

#[test]
fn what_workers_spill_is_counted_for_the_query_that_they_work_for() {
    let desk = Desk::new();
    desk.run(&["generate", "--sessions", "4000", "--out", "made"]).fine();
    assert_eq!(desk.run(&["ingest", "--quiet", "made/workflow_sessions.csv"]).code, 0);
    let one = worker(&desk, &["--memory-limit", "2MB", "--threads", "1"]);
    let spilled = |sql: &str, workers: &[&str]| {
        let ran = desk.run(&[&["query", "--stats", "--csv", "-c", sql], workers, &CUT[..]].concat());
        // So little memory may also be too little: what was spilled until then is told all the same.
        assert!(matches!(ran.code, 0 | 6), "{ran:#?}");
        let line = ran.err.lines().find_map(|line| line.strip_prefix("stats: files ").map(str::to_owned)).unwrap();
        line.rsplit("; ").next().unwrap().to_owned()
    };
    let there = ["--workers", one.address.as_str()];
    let sql = "select workflow_id, max(length(d)) from (select session_id, max(workflow_id) as workflow_id, max(data) as d from workflow_sessions group by 1) group by 1";
    assert_ne!(spilled(sql, &there), "0 bytes spilled");
    assert_eq!(spilled("select count(*) from workflow_sessions", &there), "0 bytes spilled");
    desk.write("jobs/a.sql", &format!("{sql} order by 1"));
    let arguments = ["report", "run", "jobs", "--out", "out", "--as-of", "2026-11-21T00:00:00Z"];
    let ran = desk.run(&[&arguments[..], &there, &CUT[..]].concat());
    assert_eq!(ran.code, 0, "{ran:#?}");
    let manifest: serde_json::Value = serde_json::from_str(&desk.read("out/run.json")).unwrap();
    assert!(manifest["spent"]["bytes_spilled"].as_u64().unwrap() > 0, "{manifest}");
}

#[test]
fn logs_tell_who_was_refused_and_no_value_of_a_query() {
    let desk = desk();
    desk.write("token", "0123456789abcdef0123456789abcdef\n");
    let mut process = desk.process(&["worker", "--bind", "127.0.0.1:0", "--worker-token", "token"]);
    let mut child = process.env("SESSIONLAKE_LOG", "warn").stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    let address = line.split("a worker at ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    for _ in 0..3 {
        desk.run(&["query", "--workers", &address, "-c", "select 1"]).fails(4);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert_eq!(rest.matches("refused: a token that is not the worker's").count(), 1, "{rest}");
    assert!(rest.contains("127.0.0.1") && !rest.contains("0123456789abcdef"), "{rest}");

    let number = "+4915112345678";
    let sql = format!("select count(*) as n from workflow_sessions where source_details_phone_number = '{number}'");
    for level in ["debug", "trace"] {
        let arguments = [&["query", "--csv", "--workers", "local:2", "-c", &sql], &CUT[..]].concat();
        let ran = finish(desk.command(&arguments).env("SESSIONLAKE_LOG", level));
        assert!(ran.code == 0 && !ran.err.contains(number), "{ran:#?}");
    }
}

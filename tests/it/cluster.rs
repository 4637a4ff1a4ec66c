//! Workers as people meet them: the shipped queries give the same bytes, a lost worker costs nothing but time, and what does not fit is refused.

use crate::support::{Desk, EXPORTED, Listener, repository};

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
fn damage_and_limits_are_told_as_in_one_process() {
    let desk = desk();
    let files = std::fs::read_dir(desk.path("lake/workflow_sessions")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "parquet")).unwrap();
    let sound = std::fs::read(&file).unwrap();
    let ask = |sql: &str, more: &[&str]| {
        let there = desk.run(&[&["query", "--workers", "local:2", "-c", sql], &CUT[..], more].concat());
        let here = desk.run(&[&["query", "-c", sql], more].concat());
        assert_eq!((there.code, &there.err), (here.code, &here.err), "{sql}");
        there.code
    };
    assert_eq!(ask("select 1 / (length(session_id) * 0) from workflow_sessions", &[]), 1);
    assert_eq!(ask("select (select session_id from workflow_sessions) as x", &[]), 1);
    assert_eq!(ask("select ('x' || length(session_id) * 0)::bigint from workflow_sessions", &[]), 1);
    let mut damaged = sound.clone();
    damaged[sound.len() / 4] ^= 8;
    std::fs::write(&file, &damaged).unwrap();
    assert_eq!(ask("select count(distinct data), count(distinct source_details) from workflow_sessions", &[]), 4);
}

//! Flags before the environment, that before the project's file, that before the user's, all before the defaults.

use crate::support::{Desk, EXPORTED, finish};

const LAKE: &str =
    "select source from (select split_part(_source, '/', 2) as source from stored_sessions) group by source";

/// Makes four lakes that tell which one was read.
fn desk() -> Desk {
    let desk = Desk::new();
    for name in ["flag", "environment", "project", "user", "lake"] {
        desk.write(&format!("in/{name}.csv"), "Session Id,Started At\ns1,2026-11-19T14:00:00Z\n");
        desk.run(&["ingest", &format!("in/{name}.csv"), "--lake", name, "--exported-at", EXPORTED]).fine();
    }
    desk
}

fn read(desk: &Desk, flags: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = desk.command(&[&["query", "--csv", "-c", LAKE], flags].concat());
    command.envs(environment.iter().copied());
    finish(&mut command).fine().lines().nth(1).unwrap().trim_end_matches(".csv").to_owned()
}

#[test]
fn the_nearer_setting_wins() {
    let desk = desk();
    assert_eq!(read(&desk, &[], &[]), "lake");
    desk.write("config/sessionlake/config.toml", "lake = \"user\"\n");
    let config = desk.path("config").display().to_string();
    let user = ("XDG_CONFIG_HOME", config.as_str());
    assert_eq!(read(&desk, &[], &[user]), "user");
    desk.write("sessionlake.toml", "lake = \"project\"\n");
    assert_eq!(read(&desk, &[], &[user]), "project");
    let environment = ("SESSIONLAKE_LAKE", "environment");
    assert_eq!(read(&desk, &[], &[user, environment]), "environment");
    assert_eq!(read(&desk, &["--lake", "flag"], &[user, environment]), "flag");
}

#[test]
fn without_the_variable_the_users_file_is_in_the_home_folder() {
    let desk = desk();
    desk.write("home/.config/sessionlake/config.toml", "lake = \"user\"\n");
    assert_eq!(read(&desk, &[], &[]), "user");
}

#[test]
fn a_file_sets_zone_format_threads_and_limits() {
    let desk = desk();
    desk.write(
        "sessionlake.toml",
        "time-zone = \"Asia/Kolkata\"\nformat = \"ndjson\"\nthreads = 2\nmemory-limit = \"64MB\"\nspill-limit = \"1GB\"\n",
    );
    let out = desk.run(&["query", "-c", "select started_at as t from workflow_sessions"]).fine();
    assert_eq!(out, "{\"t\":\"2026-11-19T19:30:00+05:30\"}\n");
}

#[test]
fn a_wrong_file_is_an_error_with_its_line() {
    let desk = desk();
    for (text, place, words) in [
        ("lake = \"lake\"\nlaek = 1\n", "sessionlake.toml:2:", "unknown field `laek`"),
        ("\n\nthreads = \"many\"\n", "sessionlake.toml:3:", "invalid type"),
        ("lake =\n", "sessionlake.toml:1:", ""),
    ] {
        desk.write("sessionlake.toml", text);
        let error = desk.query("select 1", &[]).fails(2);
        assert!(error.starts_with(&format!("error: {place}")) && error.contains(words), "{error}");
    }
}

#[test]
fn wrong_environment_is_wrong_usage() {
    let desk = desk();
    for (name, value) in
        [("SESSIONLAKE_TIME_ZONE", "Mars"), ("SESSIONLAKE_THREADS", "0"), ("SESSIONLAKE_AS_OF", "soon")]
    {
        let mut command = desk.command(&["query", "-c", "select 1"]);
        let error = finish(command.env(name, value)).fails(2);
        assert!(error.contains(value), "{error}");
    }
}

#[test]
fn the_log_is_off_goes_to_stderr_and_can_be_json() {
    let desk = desk();
    assert_eq!(desk.query("select 1 as x", &["--csv"]).fine(), "x\n1\n");
    let mut command = desk.command(&["query", "--csv", "-c", "select 1 as x", "--log-format", "json"]);
    let ran = finish(command.env("SESSIONLAKE_LOG", "debug"));
    assert_eq!((ran.code, ran.out.as_str()), (0, "x\n1\n"));
    let lines: Vec<serde_json::Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["level"].is_string()));
}

//! What runs leave: permissions, temporary files of those that were killed, secrets in what they say.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use crate::support::{Desk, finish};

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Lists all files and folders below a folder.
#[cfg(unix)]
fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found
}

#[cfg(unix)]
#[test]
fn what_is_made_is_for_its_owner_alone_unless_told_otherwise() {
    let desk = Desk::with_lake();
    let result = |name: &str, more: &[&str]| {
        let arguments = [&["query", "-c", "select session_id from workflow_sessions", "-o", name], more].concat();
        assert_eq!(desk.run(&arguments).code, 0);
        mode(&desk.path(name))
    };
    for path in below(&desk.path("lake")) {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    assert_eq!(result("a.csv", &[]), 0o600);
    assert_eq!(result("b.csv", &["--umask", "022"]), 0o644);
    assert_eq!(result("c.csv", &["--umask", "27"]), 0o640);
    // A file that is there keeps its permissions.
    assert_eq!(result("b.csv", &[]), 0o644);
    let error = desk.run(&["query", "-c", "select 1", "--umask", "u=rw"]).fails(2);
    assert!(error.contains("--umask is not an octal number of file permissions: \"u=rw\""), "{error}");
}

#[test]
fn temporary_folders_of_killed_runs_are_removed_by_the_next_and_those_in_use_are_not() {
    let desk = Desk::with_lake();
    let made = |name: &str| {
        fs::create_dir(desk.path("tmp").join(name)).unwrap();
        fs::write(desk.path("tmp").join(name).join("rows"), "names and numbers").unwrap();
        File::create(desk.path("tmp").join(name).join(".lock")).unwrap()
    };
    drop(made("sessionlake-killed"));
    let in_use = made("sessionlake-in-use");
    in_use.try_lock().unwrap();
    fs::write(desk.path(".sessionlake-killed.partial"), "names and numbers").unwrap();
    desk.run(&["query", "-c", "select 1", "-o", "a.csv"]);
    assert_eq!(desk.left_over(), [desk.path("tmp/sessionlake-in-use")]);
    assert!(!desk.path(".sessionlake-killed.partial").exists());
}

#[cfg(unix)]
#[test]
fn a_generate_that_is_stopped_leaves_nothing() {
    let desk = Desk::new();
    let mut child = desk
        .process(&["generate", "--sessions", "50000000", "--out", "out"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let names =
        || -> Vec<_> { fs::read_dir(desk.path("out")).into_iter().flatten().map(|e| e.unwrap().file_name()).collect() };
    while names().is_empty() {
        std::thread::yield_now();
    }
    let killed = std::process::Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(names().is_empty(), "{:?}", names());
}

#[test]
fn secrets_in_urls_are_not_shown() {
    let desk = Desk::new();
    let lake = "s3://me:secret@bucket/lake?X-Amz-Signature=signed";
    let help = finish(desk.command(&["query", "--help"]).env("SESSIONLAKE_LAKE", lake));
    assert!(!help.out.contains("secret") && help.out.contains("SESSIONLAKE_LAKE"), "{help:#?}");
    for arguments in [
        &["query", "-c", "select 1 from workflow_sessions"][..],
        &["ingest", "data/workflow_sessions.csv"],
        &["history"],
    ] {
        let ran = finish(desk.command(arguments).env("SESSIONLAKE_LAKE", lake));
        assert!(ran.code != 0 && !ran.err.contains("secret") && !ran.err.contains("signed"), "{ran:#?}");
    }
    // Also where it is no URL that can be read.
    let ran = desk.run(&["history", "--lake", "s3://me:secret@[bucket/lake"]);
    assert!(ran.code != 0 && !ran.err.contains("secret"), "{ran:#?}");
}

#[test]
fn settings_beyond_what_a_machine_can_do_are_refused() {
    let desk = Desk::with_lake();
    for (setting, value) in [
        ("datafusion.execution.batch_size", "18446744073709551615"),
        ("datafusion.execution.batch_size", "99999999999999999999999"),
        ("datafusion.execution.target_partitions", "100000"),
        ("datafusion.execution.planning_concurrency", "100000"),
    ] {
        let sql =
            format!("set {setting} = {value}; select count(*), max(data) from workflow_sessions group by workflow_id");
        let error = desk.run(&["query", "-c", &sql]).err;
        assert!(error.contains(setting) && error.contains(value), "{error}");
    }
    let error = desk.run(&["query", "-c", "select 1", "--threads", "100000"]).fails(2);
    assert!(error.contains("--threads is 100000, and 1024 at most"), "{error}");
    let sql =
        "set datafusion.execution.batch_size = 1048576; set datafusion.execution.target_partitions = 64; select 1";
    assert_eq!(desk.run(&["query", "--csv", "-c", sql]).code, 0);
}

#[test]
fn temporary_files_go_nowhere_else_than_where_they_were_told_to() {
    let desk = Desk::with_lake();
    let ran = desk.run(&["query", "--temp-dir", "nowhere", "--from", "data/workflow_sessions.csv", "-c", "select 1"]);
    assert!(ran.code == 4 && ran.err.contains("nowhere"), "{ran:#?}");
}

#[cfg(unix)]
#[test]
fn a_lake_that_cannot_be_looked_at_is_not_one_that_is_not_there() {
    let desk = Desk::new();
    std::os::unix::fs::symlink("loop", desk.path("loop")).unwrap();
    let error = desk.run(&["query", "--lake", "loop", "-c", "select * from workflow_sessions"]).fails(4);
    assert!(error.contains("loop") && !error.contains("ingest makes one"), "{error}");
}

#[cfg(unix)]
#[test]
fn few_file_handles_are_an_error_and_no_panic() {
    let desk = Desk::with_lake();
    for handles in 4..12 {
        let script = format!(
            "ulimit -n {handles}; exec {} query -c 'select count(*), max(data) from workflow_sessions'",
            env!("CARGO_BIN_EXE_sessionlake")
        );
        let ran = std::process::Command::new("sh").args(["-c", &script]).current_dir(desk.path("")).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(!said.contains("panicked") && !said.contains("internal error"), "{handles}: {said}");
        let code = ran.status.code();
        assert!(
            code.is_some_and(|code| code < 100) && (code == Some(0) || !said.is_empty()),
            "{handles}: {code:?}: {said}"
        );
    }
}

//! check, describe, generate, completions, man.

use crate::support::{Desk, files_below, finish};

#[test]
fn check_plans_everything_and_runs_nothing() {
    let desk = Desk::with_lake();
    desk.write("q/1.sql", "select 1/0 from workflow_sessions");
    desk.write("q/2.sql", "-- param: p text\nselect * from active_sessions where workflow_id = $p; select 2");
    let ran = desk.run(&["check", "q"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert_eq!(ran.err, "fine: 3 statements in 2 files\n");
    assert_eq!(desk.run(&["check", "-q", "q"]).fine(), "");
}

#[test]
fn check_needs_no_lake_and_tells_every_error() {
    let desk = Desk::new();
    desk.write("1.sql", "select sesion_id from workflow_sessions;\nselect nothing from active_sessions;");
    desk.write("2.sql", "select from where");
    desk.write("3.sql", "copy (select 1) to 'x.csv'");
    desk.write("4.sql", "select started_at + 'x' from workflow_session");
    let error = desk.run(&["check", "1.sql", "2.sql", "3.sql", "4.sql"]).fails(1);
    let places: Vec<&str> = error.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(places.len(), 5, "{error}");
    for place in ["1.sql:1:8:", "1.sql:2:8:", "2.sql:1:", "3.sql:1:1:", "4.sql:1:"] {
        assert!(places.iter().any(|line| line.contains(place)), "{place} in {error}");
    }
    assert!(!desk.path("lake").exists() && !desk.path("x.csv").exists());
}

#[test]
fn check_says_which_parameters_are_not_used() {
    let desk = Desk::new();
    desk.write("1.sql", "-- param: used text\n-- param: unused text\nselect $used");
    let ran = desk.run(&["check", "1.sql"]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.starts_with("1.sql:2: parameter \"unused\" is not used\n"), "{}", ran.err);
}

#[test]
fn describe_knows_every_table_and_column_and_function() {
    let desk = Desk::new();
    let tables = desk.run(&["describe", "tables", "--csv"]).fine();
    for table in sessionlake::engine::TABLES {
        let name = table.name.trim_matches('"');
        assert!(tables.contains(name), "{name}");
        let columns = desk.run(&["describe", name, "--json"]).fine();
        let columns: Vec<serde_json::Value> = serde_json::from_str(&columns).unwrap();
        assert!(!columns.is_empty(), "{name}");
        for column in columns {
            assert_ne!(column["meaning"], "", "{name}: {column}");
        }
    }
    let columns = desk.run(&["describe", "workflow_sessions", "--csv"]).fine();
    for column in sessionlake::schema::COLUMNS {
        assert!(
            columns.contains(&format!("workflow_sessions,{},{},", column.name, column.documented)),
            "{}",
            column.name
        );
    }
    assert!(desk.run(&["describe", "functions", "--csv"]).fine().contains("json_value,"));
    assert!(desk.run(&["describe", "LOCAL_DAY"]).fine().contains("local_day(ts, zone)"));
    assert!(desk.run(&["describe"]).fine().len() > 10_000);
}

#[test]
fn describe_lists_the_json_paths_of_a_lake() {
    let desk = Desk::new();
    desk.write("a.ndjson", concat!(
        r#"{"Session Id":"1","Started At":"2026-11-01T00:00:00Z","Data":{"tier":"gold","n":1,"list":[1],"deep":{"a.b":null}}}"#, "\n",
        r#"{"Session Id":"2","Started At":"2026-11-01T00:00:00Z","Data":{"tier":true,"n":1.5,"ev":[{"t":"x"},{"t":"x"},{"t":"y"},{"t":"y"}]}}"#, "\n",
        r#"{"Session Id":"3","Started At":"2026-11-01T00:00:00Z","Data":"{\"tier\":\"cut"}"#, "\n",
    ));
    desk.run(&["ingest", "a.ndjson"]).fine();
    let listed = desk.run(&["describe", "--json-paths", "--csv"]).fine();
    let last_columns = |line: &str| line.rsplitn(3, ',').map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = listed.lines().skip(1).map(last_columns).collect();
    assert_eq!(
        rows.iter().map(|row| row[2].as_str()).collect::<Vec<_>>(),
        [
            r#"data,$.tier,"string, boolean",3,100.0,yes"#,
            r#"data,$.n,"integer, number",2,66.67,yes"#,
            "data,$.deep,object,1,33.33,no",
            "data,$.deep['a.b'],null,1,33.33,no",
            "data,$.ev,array,1,33.33,no",
            "data,$.list,array,1,33.33,no",
            // How many sessions have a path inside elements is not noted.
            "data,$.ev[*].t,string,,,yes",
        ]
    );
    assert!(rows[0][1].parse::<u64>().unwrap() > 0, "{listed}");
    assert!(rows.iter().all(|row| row[0].is_empty()), "no text is read: {listed}");
    let long = format!(
        r#"{{"Session Id":"4","Started At":"2026-11-02T00:00:00Z","Data":{{"note":"{}"}}}}"#,
        "x".repeat(3_000)
    );
    desk.write("b.ndjson", &long);
    desk.run(&["ingest", "b.ndjson", "--no-upkeep"]).fine();
    let listed = desk.run(&["describe", "--json-paths", "--csv"]).fine();
    assert!(listed.contains("data,$.note,string,1,25.0,no,0,values are too long"), "{listed}");
    for call in ["data->>'note'", "json_value(data, '$.note')"] {
        let sql = format!("explain select {call} from workflow_sessions where session_id = '4'");
        let told = desk.query(&sql, &["--json"]).fine();
        assert!(told.contains("data $.note: text 1 (values are too long)"), "{told}");
    }
    assert_eq!(desk.run(&["describe", "--json-paths", "data"]).code, 2);
    assert_eq!(desk.run(&["--lake", "nowhere", "describe", "--json-paths"]).code, 2);
}

#[test]
fn a_seed_gives_the_same_bytes_whatever_the_threads() {
    let desk = Desk::new();
    for (folder, threads) in [("a", "1"), ("b", "4")] {
        let flags = ["generate", "--sessions", "300", "--seed", "7", "--snapshots", "2", "--threads", threads, "--out"];
        let out = desk.run(&[&flags[..], &[folder]].concat()).fine();
        assert_eq!(out.lines().count(), 2);
    }
    let files = |folder: &str| -> Vec<Vec<u8>> {
        files_below(&desk.path(folder)).iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    assert_eq!(files("a").len(), 2);
    assert!(files("a") == files("b") && files("a")[0] != files("a")[1]);
    desk.run(&["generate", "--sessions", "300", "--seed", "8", "--snapshots", "2", "--out", "c"]).fine();
    assert!(files("a") != files("c"));
}

#[test]
fn what_is_generated_can_be_taken_in() {
    let desk = Desk::new();
    for format in ["csv", "tsv", "ndjson", "json", "pages", "parquet"] {
        desk.run(&["generate", "--sessions", "50", "--format", format, "--compression", "none", "--out", format])
            .fine();
        desk.run(&["ingest", "--lake", &format!("lake-{format}"), format]).fine();
        assert_eq!(desk.value("select count(*) from workflow_sessions", &["--lake", &format!("lake-{format}")]), "50");
    }
}

#[test]
fn completions_know_every_command() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.run(&["completions", shell]).fine();
        for command in ["ingest", "query", "check", "describe", "history", "generate", "completions", "man"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    let script = desk.run(&["completions", "bash"]).fine();
    desk.write("completions.bash", &script);
    // Not every machine has bash.
    if let Ok(output) = std::process::Command::new("bash").arg("-n").arg(desk.path("completions.bash")).output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    desk.run(&["completions", "nonsense"]).fails(2);
}

#[test]
fn the_manual_page_and_the_version_are_printed() {
    let desk = Desk::new();
    let page = desk.run(&["man"]).fine();
    assert!(page.contains(".TH sessionlake 1") && page.contains("sessionlake\\-ingest(1)"), "{page}");
    for command in ["ingest", "query", "check", "describe", "history", "generate", "completions", "man"] {
        let page = desk.run(&["man", command]).fine();
        assert!(page.contains(&format!(".TH sessionlake-{command} 1")), "{page}");
    }
    desk.run(&["man", "nonsense"]).fails(2);
    let version = desk.run(&["--version"]).fine();
    assert!(version.starts_with(&format!("sessionlake {}\ntime zones ", env!("CARGO_PKG_VERSION"))), "{version}");
    let numbers = format!("\nphone numbers {}, of libphonenumber\n", sessionlake::functions::PHONE_METADATA_RELEASE);
    assert!(version.ends_with(&numbers), "{version}");
    assert_eq!(desk.run(&["-V"]).fine(), version);
}

#[test]
fn help_goes_to_stdout_and_is_kept_narrow() {
    let desk = Desk::new();
    for command in ["ingest", "query", "check", "describe", "history", "generate"] {
        let help = finish(&mut desk.command(&[command, "--help"])).fine();
        assert!(help.lines().all(|line| line.chars().count() <= 110), "{command}");
    }
}

//! What cannot be read names the flag that reads it, and `--strict` refuses files with the marks of another dialect.

use serde_json::{Value, json};

use crate::support::{Desk, EXPORTED};

const HEADER: &str = "Session Id,Started At,Ended At,Time in Workflow,Variables - Category\n";

fn ingest(desk: &Desk, name: &str, flags: &[&str]) -> (Value, i32) {
    let ran = desk.run(&[&["ingest", "--format", "json", "--exported-at", EXPORTED, name], flags].concat());
    (serde_json::from_str(&ran.out).unwrap(), ran.code)
}

/// Refuses a file under `--strict`, checks that nothing of it is stored, and returns why.
fn refused(name: &str, text: &str, flags: &[&str]) -> String {
    let desk = Desk::new();
    desk.write(name, text);
    let (ledger, code) = ingest(&desk, name, &[&["--strict"], flags].concat());
    let file = &ledger["files"][0];
    assert_eq!((code, &file["rows_read"], &file["warnings"]), (3, &json!(0), &json!({})), "{ledger}");
    assert_eq!(
        desk.value("select (select count(*) from workflow_sessions) + (select count(*) from quarantine)", &[]),
        "0"
    );
    file["refused"].as_str().unwrap().to_owned()
}

#[test]
fn what_cannot_be_read_names_the_flag_that_does() {
    let text = format!(
        "{HEADER}a1,20.11.2026 10:00,,,\na2,05/11/2026 10:00,,,\na3,11/20/2026 10:00 AM,,,\na4,2026/11/20 10:00,,,\n\
         a5,2026-11-20T10:00:00Z,20-Nov-2026 10:05:00,,\na6,2026-11-20T10:00:00Z,,\"12,5\",\na7,2026-11-20T10:00:00Z,,\"1,234.5\",\n\
         a8,2026-11-20T10:00:00Z,,\"1,234\",\na9,soon,,,\nb1,2026-11-20T10:00:00Z,,a minute,\nb2,\"46346,416666\",,,\nb3,2026-11-20T10:00:00Z,\\N,,\n\
         b4,2026-11-20T10:00:00Z,,NULL,\nb5,2026-11-20T10:00:00Z,,\"NULL\",\nb6,20-Nov-2026 10:05,,,\n"
    );
    let desk = Desk::new();
    desk.write("a.csv", &text);
    let (ledger, code) = ingest(&desk, "a.csv", &[]);
    assert_eq!((code, &ledger["total"]["quarantined"]), (3, &json!(15)));
    let reasons = desk.query("select reason from quarantine order by line", &["--format", "ndjson"]).fine();
    let told: Vec<String> = reasons
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        told,
        [
            "\"20.11.2026 10:00\" is not a date and time; --date-format de reads it",
            "\"05/11/2026 10:00\" is not a date and time; --date-format de or us reads it",
            "\"11/20/2026 10:00 AM\" is not a date and time; --date-format us reads it",
            "\"2026/11/20 10:00\" is not a date and time; --date-format jp reads it",
            "\"20-Nov-2026 10:05:00\" is not a date and time; --date-format '%d-%b-%Y %H:%M:%S%.f' reads it",
            "\"12,5\" is not a number; --decimal-mark , reads it",
            "\"1,234.5\" is not a number; --thousands-mark , reads it",
            "\"1,234\" is not a number; --decimal-mark , or --thousands-mark , reads it",
            "\"soon\" is not a date and time",
            "\"a minute\" is not a number",
            "\"46346,416666\" is not a date and time; --date-format excel-serial --decimal-mark , reads it",
            "\"\\\\N\" is not a date and time; --null-mark '\\N' reads it",
            "\"NULL\" is not a number; --null-mark 'NULL' reads it",
            "\"NULL\" is not a number; --null-mark '\"NULL\"' reads it",
            "\"20-Nov-2026 10:05\" is not a date and time; --date-format '%d-%b-%Y %H:%M' reads it",
        ]
    );
    // The flag named does read it, out of quarantine too.
    let again = ["ingest", "--replay-quarantine", "--date-format", "de", "--decimal-mark", ",", "--format", "json"];
    let ledger: Value = serde_json::from_str(&desk.run(&again).out).unwrap();
    assert_eq!(ledger["total"]["inserted"], 4, "{ledger}");
    let (ledger, _) = ingest(&desk, "a.csv", &["--date-format", "de", "--null-mark", "\\N", "--null-mark", "NULL"]);
    assert_eq!(ledger["total"]["quarantined"], 11, "{ledger}");
}

#[test]
fn a_strict_run_refuses_files_with_marks_of_another_dialect_and_takes_the_others() {
    let desk = Desk::new();
    desk.write(
        "in/a.csv",
        &format!("{HEADER}a1,2026-11-20T10:00:00Z,,,x\na2,20.11.2026 10:00,,,\na3,21.11.2026 10:00,,\"1,5\",\n"),
    );
    desk.write("in/b.csv", &format!("{HEADER}b1,2026-11-20T10:00:00Z,,,x\n"));
    let (ledger, code) = ingest(&desk, "in/", &["--strict"]);
    assert_eq!(
        (code, &ledger["total"]["rows_read"], &ledger["total"]["inserted"]),
        (3, &json!(1), &json!(1)),
        "{ledger}"
    );
    assert_eq!(
        ledger["files"][0]["refused"],
        "in/a.csv: has the marks of another dialect, which --strict refuses: 2 records with a date in another format (--date-format de \
         reads them)\nhint: declare what it is written in; without --strict it is read as it is declared, and what does not fit is told"
    );
    assert_eq!(desk.value("select count(*) from quarantine", &[]), "0");
    let (ledger, code) = ingest(&desk, "in/", &["--strict", "--date-format", "de", "--decimal-mark", ","]);
    assert_eq!((code, &ledger["total"]["inserted"]), (0, &json!(3)), "{ledger}");
}

#[test]
fn each_mark_is_told_with_its_count_and_flag() {
    let rows = |rows: &str| format!("{HEADER}{rows}");
    for (name, text, flags, words) in [
        (
            "a.csv",
            rows("a1,2026-11-20T10:00:00Z,,,NULL\na2,2026-11-20T10:00:00Z,,,\\N\n"),
            &[][..],
            "2 records with \\N, NULL, NaN or another mark of null as a text (--null-mark TEXT, or the --dialect reads them)",
        ),
        (
            "a.tsv",
            rows("a1,2026-11-20T10:00:00Z,,,a\\tb\n").replace(',', "\t"),
            &[],
            "1 record with escapes by backslashes (--dialect postgres-text, mysql or clickhouse-tsv reads it)",
        ),
        (
            "a.csv",
            "Session Id,Started At,Data\na1,2026-11-20T10:00:00Z,\"{\\\"a\\\":1}\"\n".to_owned(),
            &[],
            "1 record with escapes by backslashes (--dialect spark or mysql-csv reads it)",
        ),
        (
            "a.csv",
            rows("a1,46346.5,,,\n"),
            &[],
            "1 record with a number of days for an instant (--date-format excel-serial",
        ),
        (
            "a.csv",
            rows("a1,2461365,,,\n"),
            &[],
            "1 record with a number of days for an instant (--date-format excel-serial",
        ),
        (
            "a.ndjson",
            "{\"id\":\"a1\",\"startTime\":\"20.11.2026 10:00\"}\n".to_owned(),
            &[],
            "1 record with a date in another format (--date-format de reads it)",
        ),
        ("a.csv", rows("a1,11/20/2026 10:00,,,\n"), &["--date-format", "de"], "(--date-format us reads it)"),
        (
            "a.csv",
            format!("sep=;\n{}", rows("a1,2026-11-20T10:00:00Z,,,x\n")),
            &["--delimiter", ","],
            "a line sep= that names another delimiter than is declared (--skip-lines 1 leaves it out)",
        ),
    ] {
        let told = refused(name, &text, flags);
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn what_is_odd_in_any_dialect_is_no_mark_of_another() {
    let desk = Desk::new();
    let text = "Session Id,Started At,Ended At,Action Data\na1,2026-11-20T10:00:00Z,9999-12-31T00:00:00Z,{\na2,soon,,x\na3,\"\n";
    desk.write("a.csv", text);
    let (ledger, code) = ingest(&desk, "a.csv", &["--strict"]);
    assert_eq!(
        (code, &ledger["total"]["inserted"], &ledger["total"]["quarantined"]),
        (3, &json!(1), &json!(2)),
        "{ledger}"
    );
    // In quotes a mark is a text, and one that is declared is none.
    for (text, flags) in [
        ("a1,2026-11-20T10:00:00Z,,,\"NULL\"\n", &[][..]),
        ("a1,2026-11-20T10:00:00Z,\\N,,\n", &["--null-mark", "\\N"]),
        ("a1,46346.5,,,\n", &["--date-format", "excel-serial"]),
    ] {
        let desk = Desk::new();
        desk.write("b.csv", &format!("{HEADER}{text}"));
        assert_eq!(ingest(&desk, "b.csv", &[&["--strict"], flags].concat()).1, 0, "{text}");
    }
    let desk = Desk::new();
    desk.write("sep.csv", "sep=;\nSession Id;Started At\ns1;2026-11-20T10:00:00Z\n");
    assert_eq!(ingest(&desk, "sep.csv", &["--strict"]).1, 0);
    assert_eq!(ingest(&desk, "data/workflow_sessions.csv", &["--strict"]).1, 0);
}

#[test]
fn a_line_sep_that_is_wrong_is_told() {
    let desk = Desk::new();
    let comma = "sep=;\nSession Id,Started At\ns1,2026-11-20T10:00:00Z\n";
    desk.write("a.csv", comma);
    let (ledger, code) = ingest(&desk, "a.csv", &["--delimiter", ","]);
    let notes = ledger["files"][0]["notes"].to_string();
    assert!(
        code == 0 && notes.contains("a line sep= names ';' as the delimiter, and the declared ',' was taken"),
        "{ledger}"
    );
    let (ledger, _) = ingest(&desk, "a.csv", &[]);
    let told = ledger["files"][0]["refused"].as_str().unwrap();
    assert!(
        told.contains("names ';' as the delimiter, which the header does not have: declare ',' with --delimiter"),
        "{told}"
    );
    desk.write("b.csv", &comma.replace(',', ";"));
    let (ledger, _) = ingest(&desk, "b.csv", &["--dialect", "excel-us"]);
    let told = ledger["files"][0]["refused"].as_str().unwrap();
    assert!(told.contains("and ',' was declared: leave the declaration out"), "{told}");
}

#[test]
fn dates_are_read_by_patterns_and_as_numbers_of_days_in_every_text_format() {
    let berlin = ["--time-zone", "Europe/Berlin"];
    for (format, text) in [
        ("%d-%b-%Y %H.%M.%S", "20-Nov-2026 11.00.00"),
        ("excel-serial", "46346.4583333333"),
        ("excel-serial-1904", "44884.4583333333"),
        ("julian", "2461364.95833333"),
    ] {
        let quoted = if format.contains('%') { format!("\"{text}\"") } else { text.to_owned() };
        for (name, content) in [
            ("a.csv", format!("Session Id,Started At\na1,{text}\n")),
            ("a.tsv", format!("Session Id\tStarted At\na1\t{text}\n")),
            ("a.ndjson", format!("{{\"id\":\"a1\",\"startTime\":{quoted}}}\n")),
            ("a.json", format!("[{{\"id\":\"a1\",\"startTime\":\"{text}\"}}]")),
            ("pages.json", format!("{{\"columnHeaders\":[\"id\",\"startTime\"],\"records\":[[\"a1\",{quoted}]]}}")),
        ] {
            let desk = Desk::new();
            desk.write(name, &content);
            let (ledger, code) = ingest(&desk, name, &[&["--date-format", format], &berlin[..]].concat());
            assert_eq!((code, &ledger["warnings"]), (0, &json!({})), "{name} {format} {ledger}");
            assert_eq!(
                desk.value("select started_at from workflow_sessions", &[]),
                "2026-11-20T10:00:00Z",
                "{name} {format}"
            );
        }
    }
    // What was put aside is read again in the format it was declared with.
    let desk = Desk::new();
    desk.write("a.csv", "Session Id,Started At,Time in Workflow\na1,46346.5,\"1,5\"\n");
    assert_eq!(ingest(&desk, "a.csv", &["--date-format", "excel-serial"]).1, 3);
    assert!(desk.run(&["ingest", "--replay-quarantine", "--decimal-mark", ","]).fine().contains("1 inserted"));
    assert_eq!(desk.value("select started_at from workflow_sessions", &[]), "2026-11-20T12:00:00Z");
}

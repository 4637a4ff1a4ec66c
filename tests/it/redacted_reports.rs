//! `report --redact`: what a run says of itself has no phone number, address or name either.

use std::path::Path;

use crate::report::{ended, manifest, report};
use crate::support::{Desk, Ran, files_below};

/// Values of parameters that are secrets, and what of them must be found nowhere.
const SECRETS: [(&str, &str, &[&str]); 9] = [
    ("caller", "+1 (202) 555-0143", &["555-0143", "(202)"]),
    ("customer_name", "Máry O'Whitfield", &["Whitfield", "whitfield", "Máry"]),
    ("contact_email", "mary.w", &["mary.w"]),
    ("note", "call back mary.whitfield@example.org", &["mary.whitfield", "example.org"]),
    ("callers", "+12025550144,+12025550145", &["5550144", "5550145"]),
    ("phone", "12345678", &["12345678"]),
    ("document", r#"{"firstName": "Zebulon", "phone": 12025550146}"#, &["Zebulon", "5550146"]),
    ("wide", "２０２-５５５-０１４７", &["５５５", "０１４７"]),
    ("markup", "<b>\"+12025550148\"</b>", &["5550148"]),
];

const SQL: &str = "-- title: Calls of +12025550149
-- description: What Zebulon Quimby asked, who is reached at zq@example.net.
-- format: csv, xlsx, ndjson, markdown, parquet
-- param: caller text
-- param: customer_name text
-- param: contact_email text
-- param: note text
-- param: callers text[]
-- param: phone text
-- param: document text
-- param: wide text
-- param: markup text
-- param: agent_name text = Quimby
select $caller as a, $customer_name as b, $contact_email as c, $note as d, array_to_string($callers, ' ') as e, $phone as phone,
  $document as f, $wide as g, $markup as h, $agent_name as i, count(*) as n
from workflow_sessions where source_details_phone_number = '+12025550150'";

fn given() -> Vec<String> {
    SECRETS.iter().flat_map(|(name, value, _)| ["--param".to_owned(), format!("{name}={value}")]).collect()
}

fn run(desk: &Desk, before: &[&str], more: &[&str]) -> Ran {
    let given = given();
    let mut arguments = before.to_vec();
    arguments.extend(given.iter().map(String::as_str));
    arguments.extend(more);
    report(desk, &arguments)
}

/// All texts of a file: as it is, and of a workbook those of its cells.
fn texts(file: &Path) -> String {
    if file.extension().is_none_or(|ending| ending != "xlsx") {
        return String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    }
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(file).unwrap();
    let mut all = String::new();
    for name in calamine::Reader::sheet_names(&book) {
        for row in calamine::Reader::worksheet_range(&mut book, &name).unwrap().rows() {
            row.iter().for_each(|cell| all.push_str(&format!("{cell}\n")));
        }
    }
    all
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let literals: &[&str] = &["5550149", "5550150", "Quimby", "zq@", "example.net"];
    for secret in SECRETS.iter().flat_map(|(_, _, parts)| *parts).chain(literals) {
        assert!(!text.contains(secret), "{secret:?} stands in {what}: {text}");
    }
}

#[track_caller]
fn assert_folder_is_clean(desk: &Desk, folder: &str) {
    let files = files_below(&desk.path(folder));
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_clean(&file.display().to_string(), &texts(&file));
        assert_clean("a name", &file.file_name().unwrap().to_string_lossy());
    }
}

#[test]
fn parameters_of_a_redacted_run_stand_nowhere() {
    let desk = Desk::with_lake();
    desk.write("jobs/calls.sql", SQL);
    let ran = run(&desk, &["run", "jobs", "--out", "out", "--redact"], &[]);
    assert_clean("stderr", ended(&ran, 0));
    assert_folder_is_clean(&desk, "out");
    let made = manifest(&desk, "out");
    let record = &made["reports"][0];
    let hidden: Vec<&str> =
        record["hidden_parameters"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut all: Vec<&str> = SECRETS.iter().map(|(name, ..)| *name).collect();
    all.sort_unstable();
    assert_eq!(hidden, all);
    assert_eq!((&record["hidden_sql"], &record["fingerprint"]), (&"yes".into(), &"".into()));
    assert_eq!(record["parameters"]["caller"], "[phone ··43]");
    assert_clean("show", &report(&desk, &["show", "out", "calls"]).fine());
    // Without the mask the values are there: the search above finds what it looks for.
    ended(&run(&desk, &["run", "jobs", "--out", "open"], &[]), 0);
    let open = desk.read("open/run.json");
    assert!(open.contains("555-0143") && !open.contains("hidden"), "{open}");
}

#[test]
fn a_redacted_run_is_made_again_with_the_values_that_it_hides() {
    let desk = Desk::with_lake();
    desk.write("jobs/calls.sql", SQL);
    ended(&run(&desk, &["run", "jobs", "--out", "out", "--redact"], &[]), 0);
    let ran = report(&desk, &["verify", "out"]);
    let said = ended(&ran, 2);
    assert!(
        said.contains("hint: give them again: --param caller=… --param callers=… --param contact_email=…"),
        "{said}"
    );
    let ran = report(&desk, &["verify", "out", "--param", "caller=+12025550143"]);
    assert!(!ended(&ran, 2).contains("--param caller=") && ran.err.contains("--param phone=…"), "{ran:#?}");
    assert!(ended(&run(&desk, &["verify", "out"], &[]), 0).contains("byte for byte"));
    let ran = run(&desk, &["verify", "out"], &["--param", "nobody=1"]);
    assert!(ended(&ran, 2).contains("the run has no hidden parameter \"nobody\""), "{ran:#?}");
    let mut wrong = given();
    wrong[1] = "caller=+12025550142".to_owned();
    let wrong: Vec<&str> = ["verify", "out"].into_iter().chain(wrong.iter().map(String::as_str)).collect();
    let ran = report(&desk, &wrong);
    assert!(
        ended(&ran, 2).contains("the value given for caller is not that of calls, shown as [phone ··43]"),
        "{ran:#?}"
    );
    // Another text in the SQL is another report, and the manifest does not have the one that was.
    desk.write("jobs/calls.sql", &SQL.replace("count(*)", "count(1)"));
    assert!(
        ended(&run(&desk, &["verify", "out"], &[]), 2).contains("jobs/calls.sql: the SQL is masked in the manifest")
    );
    // With something hidden there is no telling whether it is the same: it runs again.
    desk.write("jobs/calls.sql", SQL);
    assert!(!ended(&run(&desk, &["run", "jobs", "--out", "out", "--redact"], &[]), 0).contains("up to date"));
}

#[test]
fn errors_of_a_redacted_run_are_masked_and_it_can_be_resumed() {
    let desk = Desk::with_lake();
    desk.write("jobs/a.sql", "select 1 as n");
    let fails = "-- param: caller text\n-- param: customer_name text\n\
                 select cast($caller || ' of ' || $customer_name || session_id as integer) as n from workflow_sessions\n\
                 where session_id <> '+12025550150'";
    desk.write("jobs/b.sql", fails);
    let secrets = ["--param", "caller=+1 (202) 555-0143", "--param", "customer_name=Máry O'Whitfield"];
    let arguments = |command: &[&'static str]| [command, &secrets].concat();
    // At once, while it runs, and while it is planned.
    let ran = report(&desk, &arguments(&["run", "jobs", "--out", "out", "--redact"]));
    assert!(ended(&ran, 1).contains("[phone ··43]"), "{ran:#?}");
    assert_clean("stderr", &ran.err);
    let ran = report(&desk, &arguments(&["run", "jobs", "--out", "out", "--redact", "--keep-going"]));
    assert_clean("stderr", ended(&ran, 1));
    assert_folder_is_clean(&desk, "out");
    desk.write(
        "jobs/c.sql",
        "-- param: caller integer\n-- param: customer_name text\nselect $caller as n, $customer_name as m",
    );
    let ran = report(&desk, &arguments(&["run", "jobs/c.sql", "--out", "c", "--redact"]));
    assert_clean("stderr", ended(&ran, 2));
    desk.write(
        "jobs/c.sql",
        "-- param: caller text\n-- param: customer_name text\nselect $caller, '+12025550150' = nobody, $customer_name",
    );
    assert_clean("stderr", ended(&report(&desk, &arguments(&["run", "jobs/c.sql", "--out", "c", "--redact"])), 1));

    let ran = report(&desk, &["resume", "out"]);
    assert!(ended(&ran, 2).contains("give them again: --param caller=… --param customer_name=…"), "{ran:#?}");
    let ran = report(&desk, &arguments(&["resume", "out"]));
    assert!(ended(&ran, 1).contains("b: failed: ") && !ran.err.contains("a: "), "it is tried again: {ran:#?}");
    assert_clean("stderr", &ran.err);
    assert_folder_is_clean(&desk, "out");
    // What ran needs no value: it is taken over.
    assert!(ended(&report(&desk, &["verify", "out"]), 0).contains("1 report had failed"));
}

#[test]
fn two_reports_may_hide_different_values_of_one_name() {
    let desk = Desk::with_lake();
    desk.write("q.sql", "-- param: caller text\nselect $caller as caller, length($caller) as n");
    desk.write(
        "job.toml",
        "redact = true\n[[report]]\nquery = \"q.sql\"\nparameters = { caller = \"+12025550143\" }\n\
         [[report]]\nquery = \"q.sql\"\nid = \"second\"\nparameters = { caller = \"+442071838750\" }\n",
    );
    ended(&report(&desk, &["run", "job.toml", "--out", "out"]), 0);
    assert_folder_is_clean(&desk, "out");
    let ran = report(&desk, &["verify", "out"]);
    assert!(ended(&ran, 2).contains("--param q.caller=… --param second.caller=…"), "{ran:#?}");
    let both = ["verify", "out", "--param", "q.caller=+12025550143", "--param", "second.caller=+442071838750"];
    ended(&report(&desk, &both), 0);
}

//! Flags of reading that are kept in `sessionlake.toml` by name.

use serde_json::{Value, json};

use crate::support::{Desk, EXPORTED};

const TOML: &str = "lake = \"kept\"\n\n[profile.acme]\ndate-format = \"de\"\ndecimal-mark = \",\"\nnull-mark = [\"-\", \"n/a\"]\n\
                    no-end = 9999-12-31\nkeep-extra = true\ntime-zone = \"Europe/Berlin\"\nexported-at = 2026-11-21T00:00:00Z\n\
                    max-record-bytes = 100000\n\n[profile.acme.map]\n\"Call Ref\" = \"session_id\"\nSecret = \"\"\n\n\
                    [profile.plain]\nstrict = false\n";

const TEXT: &str = "Call Ref;Started At;Ended At;Time in Workflow;Variables - Category;Secret;Colour\n\
                    p1;20.11.2026 11:00;31.12.9999;300,5;-;x;red\np2;20.11.2026 12:00;;;n/a;x;\n";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("sessionlake.toml", TOML);
    desk.write("a.csv", TEXT);
    desk
}

fn ingest(desk: &Desk, flags: &[&str]) -> (Value, i32) {
    let ran = desk.run(&[&["ingest", "--format", "json"], flags].concat());
    (serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}")), ran.code)
}

const ROWS: &str = "select session_id, cast(started_at as varchar) as s, ended_at, time_in_workflow, variables_category, _extra, \
                    cast(_exported_at as varchar) as x from stored_sessions order by 1";

#[test]
fn a_profile_is_all_the_flags_that_it_names() {
    let desk = desk();
    let (ledger, code) = ingest(&desk, &["--profile", "acme", "a.csv"]);
    assert_eq!((code, &ledger["total"]["inserted"], &ledger["profile"]), (0, &json!(2), &json!("acme")), "{ledger}");
    assert_eq!(ledger["warnings"], json!({"unknown_column": 1}));
    let out = desk.query(ROWS, &["--format", "ndjson"]).fine();
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(
        first,
        json!({
            "session_id": "p1", "s": "2026-11-20T10:00:00Z", "ended_at": null, "time_in_workflow": 300.5, "variables_category": null,
            "_extra": "{\"Colour\":\"red\"}", "x": "2026-11-21T00:00:00Z"
        })
    );
    // The ledger that is kept names it, too.
    let kept = desk.query("select ledger from lake_history where ledger is not null", &["--format", "ndjson"]).fine();
    assert!(kept.contains("\\\"profile\\\":\\\"acme\\\""), "{kept}");
    let count =
        "select count(*) from workflow_sessions where session_id = 'p1' and started_at = '2026-11-20T10:00:00Z'";
    let out = desk.run(&["query", "--from", "a.csv", "--profile", "acme", "--csv", "-c", count]).fine();
    assert_eq!(out.lines().nth(1), Some("1"));
}

#[test]
fn flags_that_are_given_win_over_the_profile_each_as_a_whole() {
    let desk = desk();
    let given = ["--profile", "acme", "--time-zone", "UTC", "--null-mark", "x", "--exported-at", EXPORTED, "a.csv"];
    assert_eq!(ingest(&desk, &given).1, 0);
    let out = desk.query(ROWS, &["--format", "ndjson"]).fine();
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!((&first["s"], &first["variables_category"]), (&json!("2026-11-20T11:00:00Z"), &json!("-")));
    // The environment's zone wins as well, since it says more of this run than a file does.
    let desk = Desk::new();
    desk.write("sessionlake.toml", "[profile.z]\ntime-zone = \"Asia/Kolkata\"\n");
    desk.write("b.csv", "Session Id,Started At\ns1,2026-11-20 10:00:00\n");
    assert_eq!(ingest(&desk, &["--profile", "z", "b.csv", "--exported-at", EXPORTED]).1, 0);
    assert_eq!(desk.value("select started_at from workflow_sessions", &[]), "2026-11-20T04:30:00Z");
}

#[test]
fn inspect_and_the_replay_of_quarantine_take_a_profile() {
    let desk = desk();
    let out = desk.run(&["inspect", "--profile", "acme", "a.csv"]).fine();
    assert_eq!(out.lines().last(), Some("sessionlake ingest --profile acme a.csv"), "{out}");
    assert!(out.contains("2026-11-20T11:00:00+01:00"), "{out}");
    // Read with flags of its own, and put aside for what the profile says.
    let flags =
        ["--map", "Call Ref=session_id", "--null-mark", "-", "--no-end", "9999-12-31", "--exported-at", EXPORTED];
    let (ledger, code) = ingest(&desk, &[&flags[..], &["a.csv"]].concat());
    assert_eq!((code, &ledger["total"]["quarantined"]), (3, &json!(2)));
    let (ledger, _) = ingest(&desk, &["--replay-quarantine", "--profile", "acme"]);
    assert_eq!((&ledger["total"]["inserted"], &ledger["profile"]), (&json!(2), &json!("acme")), "{ledger}");
    // The other way round: what was declared when a record was read is known when it is read again.
    let desk = self::desk();
    desk.write("b.csv", &TEXT.replace("300,5", "a while"));
    let (ledger, code) = ingest(&desk, &["--profile", "acme", "b.csv"]);
    assert_eq!((code, &ledger["total"]["quarantined"]), (3, &json!(1)));
    let (ledger, code) = ingest(&desk, &["--replay-quarantine", "--map", "Time in Workflow="]);
    assert_eq!((code, &ledger["total"]["inserted"]), (0, &json!(1)), "{ledger}");
    let out = desk.query(ROWS, &["--format", "ndjson"]).fine();
    assert!(out.starts_with("{\"session_id\":\"p1\",\"s\":\"2026-11-20T10:00:00Z\",\"ended_at\":null"), "{out}");
    assert!(out.contains("Colour"), "{out}");
}

#[test]
fn what_is_wrong_in_a_profile_has_its_place_and_the_nearest_name() {
    let desk = desk();
    let error = |text: Option<&str>, name: &str| {
        desk.write("sessionlake.toml", text.unwrap_or(TOML));
        desk.run(&["ingest", "--profile", name, "a.csv"]).fails(2)
    };
    let told = error(None, "acne");
    assert!(
        told.starts_with("error: sessionlake.toml:3: there is no profile \"acne\"")
            && told.contains("did you mean \"acme\"?"),
        "{told}"
    );
    let told = error(None, "zzz");
    assert!(told.contains("the profiles are acme, plain"), "{told}");
    let told = error(Some("lake = \"x\"\n"), "acme");
    assert!(told.contains("sessionlake.toml: there is no profile") && told.contains("[profile.acme]"), "{told}");
    for (body, words) in [
        (
            "dat-format = \"de\"",
            "sessionlake.toml:2: unknown key \"dat-format\" in profile \"a\"\nhint: did you mean \"date-format\"?",
        ),
        (
            "colour = 1",
            "sessionlake.toml:2: unknown key \"colour\" in profile \"a\"\nhint: the keys are input-format, ",
        ),
        ("profile = \"b\"", "sessionlake.toml:2: unknown key \"profile\""),
        ("\nencoding = \"latin\"", "sessionlake.toml:3: invalid value 'latin' for '--encoding"),
        ("skip-lines = \"many\"", "sessionlake.toml:2: invalid value 'many' for '--skip-lines"),
        ("strict = \"yes\"", "sessionlake.toml:2: strict is true or false"),
        ("delimiter = [\";\"]", "sessionlake.toml:2: delimiter is a text or a number"),
        ("null-mark = [[1]]", "sessionlake.toml:2: null-mark is a list of texts"),
        ("time-zone = \"Mars\"", "sessionlake.toml:2: time-zone names an unknown time zone \"Mars\""),
        ("date-format = \"dd.mm.yyyy\"", "sessionlake.toml:2: --date-format \"dd.mm.yyyy\" is neither"),
        ("delimiter = \"xx\"", "sessionlake.toml:2: --delimiter \"xx\" is no delimiter"),
    ] {
        let told = error(Some(&format!("[profile.a]\n{body}\n")), "a");
        assert!(told.contains(words), "{body}: {told}");
    }
    assert!(error(Some("profile = 3\n"), "a").contains("sessionlake.toml:1: invalid type"));
    assert!(error(Some("[profile]\na = 3\n"), "a").contains("sessionlake.toml:2: profile \"a\" is no table"));
    // A profile that is not asked for keeps nobody from anything.
    desk.write("sessionlake.toml", "[profile.a]\ncolour = 1\n");
    desk.run(&["ingest", "data/workflow_sessions.csv", "--exported-at", EXPORTED]).fine();
}

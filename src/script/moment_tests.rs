//! Tests of dates and instants.

use proptest::prelude::*;

use super::*;

fn clock(as_of: &str, zone: &str) -> Clock {
    Clock { as_of: as_of.parse().unwrap(), time_zone: zone.parse().unwrap() }
}

/// A Wednesday, 14:30 in Berlin.
fn berlin() -> Clock {
    clock("2026-05-13T12:30:15.250Z", "Europe/Berlin")
}

fn date(text: &str, clock: &Clock) -> String {
    Moment::parse(text).unwrap().date(clock).unwrap().to_string()
}

fn instant(text: &str, clock: &Clock) -> String {
    let at = Moment::parse(text).unwrap().instant(clock).unwrap();
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

#[test]
fn dates_are_counted_from_the_local_day() {
    for (text, day) in [
        ("today", "2026-05-13"),
        ("Yesterday", "2026-05-12"),
        ("tomorrow", "2026-05-14"),
        ("now", "2026-05-13"),
        ("-7 days", "2026-05-06"),
        ("7 days ago", "2026-05-06"),
        ("+ 2 weeks", "2026-05-27"),
        ("-7d", "2026-05-06"),
        ("today-1w", "2026-05-06"),
        ("start of week", "2026-05-11"),
        ("end of week", "2026-05-17"),
        ("start of month", "2026-05-01"),
        ("end of month", "2026-05-31"),
        ("start of quarter", "2026-04-01"),
        ("end of quarter", "2026-06-30"),
        ("start of year", "2026-01-01"),
        ("end of year", "2026-12-31"),
        ("start of month -1 month", "2026-04-01"),
        ("-1 month end of month", "2026-04-30"),
        ("2026-03-31 +1 month", "2026-04-30"),
        ("2024-02-29 -1 year", "2023-02-28"),
        ("2026-03-01", "2026-03-01"),
        ("+12 hours", "2026-05-14"),
        ("2026-05-12T23:30:00Z", "2026-05-13"),
    ] {
        assert_eq!(date(text, &berlin()), day, "{text}");
    }
}

#[test]
fn the_local_day_is_that_of_the_zone() {
    assert_eq!(date("today", &clock("2026-05-13T23:30:00Z", "Asia/Kolkata")), "2026-05-14");
    assert_eq!(date("today", &clock("2026-05-13T03:00:00Z", "America/New_York")), "2026-05-12");
    assert_eq!(instant("today", &clock("2026-05-13T23:30:00Z", "Asia/Kolkata")), "2026-05-13T18:30:00Z");
}

#[test]
fn instants_are_counted_from_now_or_local_midnight() {
    for (text, at) in [
        ("now", "2026-05-13T12:30:15.250Z"),
        ("today", "2026-05-12T22:00:00Z"),
        ("-7 days", "2026-05-06T12:30:15.250Z"),
        ("+3 hours", "2026-05-13T15:30:15.250Z"),
        ("today +9 hours", "2026-05-13T07:00:00Z"),
        ("start of hour", "2026-05-13T12:00:00Z"),
        ("end of minute", "2026-05-13T12:30:59.999999Z"),
        ("start of second", "2026-05-13T12:30:15Z"),
        ("end of day", "2026-05-13T21:59:59.999999Z"),
        ("start of month -1 month", "2026-03-31T22:00:00Z"),
        ("start of year", "2025-12-31T23:00:00Z"),
        ("2026-03-01", "2026-02-28T23:00:00Z"),
        ("2026-03-01T09:00", "2026-03-01T08:00:00Z"),
        ("2026-03-01 09:00:00.5", "2026-03-01T08:00:00.500Z"),
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"),
        ("2026-03-01 09:00 +05:30", "2026-03-01T03:30:00Z"),
        ("2026-03-01T09:00-0800 -1 day", "2026-02-28T17:00:00Z"),
        ("2026-03-01 09:00 -1 hour", "2026-03-01T07:00:00Z"),
    ] {
        assert_eq!(instant(text, &berlin()), at, "{text}");
    }
}

#[test]
fn days_keep_the_time_of_day_and_hours_are_elapsed_time_across_a_change_of_the_clocks() {
    // Berlin went from +01:00 to +02:00 at 02:00 on 29 March 2026.
    let after = clock("2026-03-29T10:00:00Z", "Europe/Berlin");
    assert_eq!(instant("-1 day", &after), "2026-03-28T11:00:00Z");
    assert_eq!(instant("-24 hours", &after), "2026-03-28T10:00:00Z");
    assert_eq!(instant("today", &after), "2026-03-28T23:00:00Z");
    assert_eq!(instant("end of day", &after), "2026-03-29T21:59:59.999999Z");
    // The 25-hour day.
    let autumn = clock("2026-10-25T10:00:00Z", "Europe/Berlin");
    assert_eq!(instant("start of day", &autumn), "2026-10-24T22:00:00Z");
    assert_eq!(instant("end of day", &autumn), "2026-10-25T22:59:59.999999Z");
}

#[test]
fn a_skipped_local_time_becomes_the_first_after_it() {
    // 02:30 on the day before is followed by a day without 02:30.
    let before = clock("2026-03-28T01:30:00Z", "Europe/Berlin");
    assert_eq!(instant("+1 day", &before), "2026-03-29T01:00:00Z");
    // Beirut's clocks skip midnight itself.
    let beirut = clock("2026-03-29T09:00:00Z", "Asia/Beirut");
    assert_eq!(instant("today", &beirut), "2026-03-28T22:00:00Z");
}

#[test]
fn of_two_equal_local_times_the_offset_before_the_step_decides() {
    // 02:30 with the winter offset on 26 October; the day before has 02:30 twice.
    let winter = clock("2026-10-26T01:30:00Z", "Europe/Berlin");
    assert_eq!(instant("-1 day", &winter), "2026-10-25T01:30:00Z");
    let summer = clock("2026-10-24T00:30:00Z", "Europe/Berlin");
    assert_eq!(instant("+1 day", &summer), "2026-10-25T00:30:00Z");
}

#[test]
fn a_written_local_time_must_exist_once() {
    let refused = |text: &str| Moment::parse(text).unwrap().instant(&berlin()).unwrap_err();
    assert_eq!(refused("2026-03-29T02:30"), "this time does not exist in Europe/Berlin, whose clocks skip it");
    assert_eq!(refused("2026-10-25T02:30"), "this time exists twice in Europe/Berlin: add +02:00 or +01:00");
}

#[test]
fn a_day_that_a_zone_skipped_is_still_a_date() {
    assert_eq!(date("2011-12-30", &clock("2026-05-13T12:00:00Z", "Pacific/Apia")), "2011-12-30");
    assert_eq!(instant("2011-12-30", &clock("2026-05-13T12:00:00Z", "Pacific/Apia")), "2011-12-30T10:00:00Z");
}

#[test]
fn what_is_no_moment_is_refused() {
    for text in [
        "",
        " ",
        "soon",
        "7 days",
        "-7",
        "- days",
        "-7 m",
        "start",
        "start of",
        "start of decade",
        "2026-02-30",
        "2026-3-1",
        "2026-03-01T25:00",
        "2026-03-01T09",
        "2026-03-01x",
        "todayish",
        "-99999999999999999999 days",
        "2026-03-01+9 moons",
        "2026-03-01T09:00+99:00",
        "20260301",
    ] {
        assert!(Moment::parse(text).is_err(), "{text}");
    }
    for text in ["+99999 years", "-9223372036854775807 days", "+999999999999 hours", "0000-01-01", "-2026 years"] {
        let moment = Moment::parse(text).unwrap();
        assert_eq!(moment.instant(&berlin()), Err(RANGE.to_owned()), "{text}");
        assert_eq!(moment.date(&berlin()), Err(RANGE.to_owned()), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,30}") {
        if let Ok(moment) = Moment::parse(&text) {
            let _ = (moment.date(&berlin()), moment.instant(&berlin()));
        }
    }

    #[test]
    fn an_instant_comes_back_from_its_text(seconds in -60_000_000_000_i64..200_000_000_000, micros in 0_u32..1_000_000) {
        let at = DateTime::from_timestamp(seconds, micros * 1_000).unwrap();
        let text = at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        prop_assert_eq!(Moment::parse(&text).unwrap().instant(&berlin()), Ok(at));
    }

    #[test]
    fn a_local_day_begins_before_it_ends_and_holds_now(seconds in 0_i64..4_000_000_000, zone in prop::sample::select(Tz::all())) {
        let as_of = DateTime::from_timestamp(seconds, 0).unwrap();
        let clock = Clock { as_of, time_zone: zone };
        for unit in ["day", "week", "month", "quarter", "year"] {
            let start = Moment::parse(&format!("start of {unit}")).unwrap().instant(&clock).unwrap();
            let end = Moment::parse(&format!("end of {unit}")).unwrap().instant(&clock).unwrap();
            prop_assert!(start <= as_of && as_of <= end, "{} {} {:?}", unit, as_of, clock.time_zone);
        }
    }
}

//! Instants in all spellings, each with its right value.

use chrono::{NaiveDate, SecondsFormat};
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> Result<String, TimeFault> {
    in_zone(text, Tz::UTC).map(|(text, _)| text)
}

fn in_zone(text: &str, zone: Tz) -> Result<(String, bool), TimeFault> {
    let instant = parse_instant(text, zone)?;
    let time = DateTime::from_timestamp_micros(instant.micros).unwrap();
    Ok((time.to_rfc3339_opts(SecondsFormat::AutoSi, true), instant.ambiguous))
}

#[test]
fn all_spellings_of_one_instant_agree() {
    for text in [
        "2026-02-09T23:56:58Z",
        " 2026-02-09t23:56:58z ",
        "2026-02-09 23:56:58",
        "2026-02-09T23:56:58.000000000Z",
        "2026-02-09 23:56:58 UTC",
        "2026-02-09T23:56:58,0Z",
        "2026-02-10T05:26:58+05:30",
        "2026-02-10T05:26:58 +0530",
        "2026-02-10T05:26:58 GMT+05:30",
        "2026-02-09 22:56:58 utc-01",
        "2026-02-10 04:56:58 UTC+5",
        "2026-02-09 18:56:58GMT-5",
        "2026-02-09T18:56:58-05",
        "1770681418",
        "1770681418.0",
        "1770681418000",
        "1770681418000000",
        "1770681418000000000",
        "1.770681418e9",
        "20260209T235658Z",
        "20260210T052658+0530",
        "2026-02-10T00:56:58+01:00[Europe/Berlin]",
        "2026-02-10T00:56:58[Europe/Berlin]",
        "2026-02-10 00:56:58.000 Europe/Berlin",
        "2026-02-09T23:56:58Z[UTC]",
    ] {
        assert_eq!(utc(text).as_deref(), Ok("2026-02-09T23:56:58Z"), "{text}");
    }
}

#[test]
fn rarer_spellings_are_local_without_an_offset_and_nothing_else_is_read_as_one() {
    let berlin = Tz::named("Europe/Berlin").unwrap();
    for (text, instant) in [
        ("20261120T1100", "2026-11-20T10:00:00Z"),
        ("20261120t110000,5", "2026-11-20T10:00:00.500Z"),
        ("2026-11-20 10:00:00 Asia/Kolkata", "2026-11-20T04:30:00Z"),
    ] {
        assert_eq!(in_zone(text, berlin), Ok((instant.to_owned(), false)), "{text}");
    }
    for (text, instant) in [
        ("2026-11-20 11:00:00 CET", Some("2026-11-20T10:00:00Z")),
        ("2026-07-20 12:00:00.5 CEST", Some("2026-07-20T10:00:00.500Z")),
        ("2026-10-25 02:30:00 CEST", Some("2026-10-25T00:30:00Z")),
        ("2026-10-25 02:30:00 CET", Some("2026-10-25T01:30:00Z")),
        ("2026-07-20 12:00:00 CET", None),
        ("2026-03-29 02:30:00 CET", None),
        ("2026-11-20 11:00:00 EST", None),
        ("2026-11-20 11:00:00+01:00 CET", None),
        ("2026-11-20 11:00:00 CET CET", None),
    ] {
        assert_eq!(in_zone(text, berlin).ok(), instant.map(|instant| (instant.to_owned(), false)), "{text}");
    }
    assert_eq!(in_zone("2026-10-25 02:30:00 Europe/Berlin", Tz::UTC), Ok(("2026-10-25T00:30:00Z".to_owned(), true)));
    for text in [
        "20261120T1",
        "2026112T110000",
        "20261120T11:0",
        "2026-11-20 10:00:00 Nowhere/There",
        "2026-11-20T10:00:00Z[]",
        "T",
        "[",
        "]",
    ] {
        assert!(utc(text).is_err(), "{text}");
    }
    assert_eq!(utc("20261320T110000"), Err(TimeFault::OutOfRange));
}

#[test]
fn precision_is_kept_to_microseconds_and_cut_below() {
    assert_eq!(utc("2026-02-09T23:56:16.943Z").unwrap(), "2026-02-09T23:56:16.943Z");
    assert_eq!(utc("2026-02-09T23:56:58.479177Z").unwrap(), "2026-02-09T23:56:58.479177Z");
    assert_eq!(utc("2026-02-09T23:56:58.4791779Z").unwrap(), "2026-02-09T23:56:58.479177Z");
    assert_eq!(utc("1770681418.4791779").unwrap(), "2026-02-09T23:56:58.479177Z");
    assert_eq!(utc("1770681418479.1779").unwrap(), "2026-02-09T23:56:58.479177Z");
    assert_eq!(utc("-1.5").unwrap(), "1969-12-31T23:59:58.500Z");
    assert_eq!(utc("2026-03-01").unwrap(), "2026-03-01T00:00:00Z");
    assert_eq!(utc("2026-03-01T10:30").unwrap(), "2026-03-01T10:30:00Z");
    assert_eq!(utc("2016-12-31T23:59:60Z").unwrap(), "2017-01-01T00:00:00Z");
    assert_eq!(utc("0001-01-01").unwrap(), "0001-01-01T00:00:00Z");
    assert_eq!(utc("9999-12-31T23:59:59.999999Z").unwrap(), "9999-12-31T23:59:59.999999Z");
}

#[test]
fn digits_that_are_a_date_are_one_and_others_unix_time() {
    for (text, instant) in [
        ("20261120100000", "2026-11-20T10:00:00Z"),
        ("202611201015", "2026-11-20T10:15:00Z"),
        ("20261120", "2026-11-20T00:00:00Z"),
        ("20261120.0", "2026-11-20T00:00:00Z"),
        ("20261120100000.0", "2026-11-20T10:00:00Z"),
        ("20261120100000.123", "2026-11-20T10:00:00.123Z"),
        ("20261120100000,1234567", "2026-11-20T10:00:00.123456Z"),
        ("20261120100000Z", "2026-11-20T10:00:00Z"),
        ("202611201000Z", "2026-11-20T10:00:00Z"),
        ("20261120100000.5+0100", "2026-11-20T09:00:00.500Z"),
        ("20261120T100000.5+0100", "2026-11-20T09:00:00.500Z"),
        ("20261120100000-05:00", "2026-11-20T15:00:00Z"),
        ("20261120100000123", "2026-11-20T10:00:00.123Z"),
        ("20261120100000123456", "2026-11-20T10:00:00.123456Z"),
        ("20261120100000123456789Z", "2026-11-20T10:00:00.123456Z"),
        ("20261120 100000", "2026-11-20T10:00:00Z"),
        ("20261120 10:00:00.5", "2026-11-20T10:00:00.500Z"),
        ("20261120T10:00:00", "2026-11-20T10:00:00Z"),
        // Ticks of .NET and file times of Windows.
        ("639307656001234567", "2026-11-20T10:00:00.123456Z"),
        ("134396424001234567", "2026-11-20T10:00:00.123456Z"),
        ("20261120.5", "1970-08-23T12:05:20.500Z"),
        // No such month, and years in which nothing was exported.
        ("20261320", "1970-08-23T12:08:40Z"),
        ("18991231", "1970-08-08T19:20:31Z"),
        ("1770681418000", "2026-02-09T23:56:58Z"),
        ("1770681418", "2026-02-09T23:56:58Z"),
    ] {
        assert_eq!(utc(text).as_deref(), Ok(instant), "{text}");
    }
    for (text, instant) in [
        ("20261120100000", "2026-11-20T09:00:00Z"),
        ("20261120100000.0Z", "2026-11-20T10:00:00Z"),
        ("639307656000000000", "2026-11-20T09:00:00Z"),
        ("134396424000000000", "2026-11-20T10:00:00Z"),
    ] {
        let berlin = in_zone(text, Tz::named("Europe/Berlin").unwrap()).unwrap();
        assert_eq!(berlin, (instant.to_owned(), false), "{text}");
    }
    for number in [20_261_120_100_000.0, 1_795_168_800.0, 1_795_168_800_000.0] {
        assert_eq!(instant_of_number(number, Tz::UTC), Ok(Instant::certain(1_795_168_800_000_000)), "{number}");
    }
    assert_eq!(instant_of_number(1_763_632_800.123_457, Tz::UTC), Ok(Instant::certain(1_763_632_800_123_457)));
    assert_eq!(instant_of_number(f64::NAN, Tz::UTC), Err(TimeFault::OutOfRange));
}

#[test]
fn days_are_those_of_the_zone() {
    let micros = parse_instant("9999-12-31T23:59:59Z", Tz::UTC).unwrap().micros;
    assert_eq!(Some(day_of(micros, Tz::UTC)), day_of_date("9999-12-31"));
    assert_eq!(Some(day_of(micros - DAY_US, Tz::named("Asia/Tokyo").unwrap())), day_of_date("9999-12-31"));
    assert_eq!(day_of_date("9999-12-31T00:00:00Z"), None);
    assert!(!is_plausible(micros, 0) && is_plausible(DAY_US * 8_000, DAY_US * 7_999));
    assert!(!is_plausible(-1, i64::MAX));
}

#[test]
fn what_is_no_instant_is_told_from_what_is_out_of_range() {
    for text in [
        "",
        "now",
        "null",
        "2026-02-09T",
        "2026-2-9",
        "09/02/2026",
        "2026-02-09T23:56:58.Z",
        "2026-02-09X10:00",
        "2026-02-09T23:56:58ZZ",
        "2026-02-09T23:56:58+1",
        "2026-02-09T23:56:58+05:3",
        "12a",
        "1e",
        "1e5x",
        "NaN",
        "inf",
        "+",
        "-",
        "1,770,681,418",
        "２０２６-02-09",
    ] {
        assert_eq!(utc(text), Err(TimeFault::Unreadable), "{text}");
    }
    for text in [
        "2026-13-01",
        "2026-02-29",
        "2026-02-09T24:00:00Z",
        "2026-02-09T23:60:00Z",
        "2026-02-09T23:56:61Z",
        "0000-01-01",
        "2026-02-09T23:56:58+24:00",
        "1e300",
        "99999999999999999999999999999999999999999999",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
    ] {
        assert_eq!(utc(text), Err(TimeFault::OutOfRange), "{text}");
    }
}

#[test]
fn local_times_follow_their_zone_and_its_clock_changes() {
    let berlin = Tz::named("Europe/Berlin").unwrap();
    let at = |text| in_zone(text, berlin).unwrap();
    assert_eq!(at("2024-07-01 12:00:00"), ("2024-07-01T10:00:00Z".to_owned(), false));
    assert_eq!(at("2024-07-01"), ("2024-06-30T22:00:00Z".to_owned(), false));
    // 02:30 exists twice: the earlier is the one of summer time.
    assert_eq!(at("2024-10-27 02:30:00"), ("2024-10-27T00:30:00Z".to_owned(), true));
    // 02:30 does not exist: moved forward to 03:30 of summer time.
    assert_eq!(at("2024-03-31 02:30:00"), ("2024-03-31T01:30:00Z".to_owned(), true));
    // A zone of its own wins, and there is no doubt then.
    assert_eq!(at("2024-03-31T02:30:00Z"), ("2024-03-31T02:30:00Z".to_owned(), false));
    // The day that Samoa left out, half an hour of Lord Howe, and a midnight that São Paulo left out.
    let noon = in_zone("2011-12-30 12:00:00", Tz::named("Pacific/Apia").unwrap()).unwrap();
    assert_eq!(noon, ("2011-12-30T22:00:00Z".to_owned(), true));
    let howe = in_zone("2024-10-06 02:15:00", Tz::named("Australia/Lord_Howe").unwrap()).unwrap();
    assert_eq!(howe, ("2024-10-05T15:45:00Z".to_owned(), true));
    let paulo = in_zone("2018-11-04", Tz::named("America/Sao_Paulo").unwrap()).unwrap();
    assert_eq!(paulo, ("2018-11-04T03:00:00Z".to_owned(), true));
}

proptest! {
    #[test]
    fn instants_that_chrono_writes_are_read_back(
        micros in MIN_US..=MAX_US, digits in 0..4_usize, offset in -1439..1440_i32, blank in any::<bool>(),
    ) {
        let unit = [SECOND_US, 1000, 1, 1][digits];
        let micros = micros.div_euclid(unit) * unit;
        prop_assume!(micros > MIN_US + 2 * DAY_US && micros < MAX_US - 2 * DAY_US);
        let format = [SecondsFormat::Secs, SecondsFormat::Millis, SecondsFormat::Micros, SecondsFormat::Nanos][digits];
        let zone = chrono::FixedOffset::east_opt(offset * 60).unwrap();
        let time = DateTime::from_timestamp_micros(micros).unwrap().with_timezone(&zone);
        let mut text = time.to_rfc3339_opts(format, offset % 2 == 0);
        if blank {
            text = text.replace('T', " ");
        }
        prop_assert_eq!(parse_instant(&text, Tz::UTC), Ok(Instant::certain(micros)), "{}", text);
    }

    #[test]
    fn dates_are_counted_as_chrono_counts_them(year in 1..=9999_i32, month in 0..14_u32, day in 0..33_u32) {
        let expected = NaiveDate::from_ymd_opt(year, month, day)
            .map(|date| i64::from(date.to_epoch_days()));
        prop_assert_eq!(days_from_date(year.into(), month.into(), day.into()), expected);
    }

    #[test]
    fn unix_seconds_with_any_fraction_are_read_back(micros in 0..100_000_000_000 * SECOND_US) {
        let text = format!("{}.{:06}", micros / SECOND_US, micros % SECOND_US);
        prop_assert_eq!(parse_instant(&text, Tz::UTC), Ok(Instant::certain(micros)));
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,40}", near in "[0-9TtZz:+\\-., eE]{0,40}") {
        for text in [text, near] {
            for zone in [Tz::UTC, Tz::named("America/New_York").unwrap()] {
                if let Ok(instant) = parse_instant(&text, zone) {
                    prop_assert!((MIN_US..=MAX_US).contains(&instant.micros));
                }
            }
        }
    }
}

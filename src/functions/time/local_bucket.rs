//! `local_bucket(ts, interval, zone)`: the start of the local time bucket that holds an instant, as an instant.
//!
//! The result is an instant, not a local time: on the day that clocks fall back, the two hours from 02:00 to 03:00 are two
//! buckets with two starts, where their local times would be one.

use std::sync::{Arc, LazyLock};

use arrow::array::{PrimitiveBuilder, StringViewArray};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs};

use super::interval::Width;
use super::zone::ZoneClock;
use super::{INSTANT_MEANING, ZONE_MEANING, check_zone};
use crate::functions::arguments::{self, Argument, Call, Kind, Parameters, Parsed};
use crate::functions::frame::Function;
use crate::functions::reference::TIME;

const PARAMETERS: Parameters =
    Parameters::required(&[("ts", Kind::Instant), ("interval", Kind::Interval), ("zone", Kind::Text)]);

/// The function.
pub(crate) static LOCAL_BUCKET: Function = Function {
    parameters: Some(PARAMETERS),
    check,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("local_bucket", returns, run)
};

/// Returns the start of the bucket that holds an instant, both in microseconds; `None` beyond the calendar.
///
/// Below a day, a bucket starts when the local clock first shows its start, or jumps over it. Where clocks fall back, a bucket
/// that they show twice in whole (an hour, if they fall back by one) is two, and one that they show twice in part is one, and
/// longer. From a day up a bucket starts with the first instant of its first local day.
fn local_bucket(clock: &mut ZoneClock, width: Width, instant_us: i64) -> Option<i64> {
    let local = clock.local_us(instant_us)?;
    let start = width.floor(local)?;
    let Width::Clock(width_us) = width else {
        return Some(clock.first_instant_from(start));
    };
    let offset = local - instant_us;
    let same = start - offset;
    let earlier_offset = clock.offset_us(same);
    if earlier_offset == offset {
        let fall_back = clock.offset_us(same - width_us) - offset;
        let is_second_showing = fall_back > 0 && fall_back < width_us && clock.offset_us(same - fall_back) > offset;
        return Some(if is_second_showing { same - fall_back } else { same });
    }
    // The clocks changed since the bucket's start, so that start was shown under the offset before.
    let earlier = start - earlier_offset;
    if earlier <= instant_us && clock.offset_us(earlier) == earlier_offset {
        return Some(earlier);
    }
    // They jumped over the start.
    Some(clock.change_within(same.min(earlier), instant_us))
}

/// Where the widths of a call come from.
enum Widths<'a> {
    Texts(Parsed<'a, Width>),
    Intervals(Argument<arrow::array::PrimitiveArray<IntervalMonthDayNanoType>>),
}

impl Widths<'_> {
    fn get(&mut self, row: usize) -> Option<Width> {
        match self {
            Self::Texts(parsed) => parsed.get(row).copied(),
            Self::Intervals(intervals) => intervals.get(row).and_then(Width::from_interval),
        }
    }
}

/// Checks a literal width while planning.
fn check_width(function: &str, scalar: &ScalarValue) -> Result<()> {
    let is_width = match scalar {
        _ if scalar.is_null() => true,
        ScalarValue::IntervalMonthDayNano(Some(interval)) => Width::from_interval(*interval).is_some(),
        _ => arguments::scalar_text(scalar).is_none_or(|text| Width::parse(text).is_some()),
    };
    if is_width {
        return Ok(());
    }
    let shown = arguments::scalar_text(scalar).map_or_else(|| scalar.to_string(), |text| format!("{text:?}"));
    plan_err!(
        "{function}: {shown} is no bucket width; hint: give a positive number of minutes, hours, days, weeks or months, \
         such as '15 minutes'"
    )
}

/// Checks what is literal of a call.
fn check(args: &ReturnFieldArgs<'_>) -> Result<()> {
    if let Some(Some(width)) = args.scalar_arguments.get(1) {
        check_width("local_bucket", width)?;
    }
    check_zone("local_bucket", args, 2)?;
    Ok(())
}

fn returns(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let (instants, zones) = (call.instants(0)?, call.text(2)?);
    let mut clocks = Parsed::new(&zones, ZoneClock::named);
    let texts: Argument<StringViewArray>;
    let mut widths = match call.intervals(1)? {
        Some(intervals) => Widths::Intervals(intervals),
        None => {
            texts = call.text(1)?;
            Widths::Texts(Parsed::new(&texts, Width::parse))
        }
    };
    let mut starts = PrimitiveBuilder::<TimestampMicrosecondType>::with_capacity(call.rows).with_timezone("UTC");
    for row in 0..call.rows {
        starts.append_option(match (instants.get(row), widths.get(row), clocks.get(row)) {
            (Some(instant), Some(width), Some(clock)) => local_bucket(clock, width, instant),
            _ => None,
        });
    }
    call.result(Arc::new(starts.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        TIME,
        "local_bucket(ts, interval, zone)",
        "Returns the instant at which the local time bucket starts that holds `ts`. Buckets below a day count from local \
         midnight; days start at local midnight (or when clocks skip it, at the skip), weeks on Monday, months on the first; \
         several days count from 1970-01-01, several weeks from Monday 1970-01-05, several months from January 1970, so \
         `3 months` is a quarter. Because the result is an instant (a timestamp in UTC), the hour that clocks show twice in \
         autumn is two buckets, and a day has 23 or 25 hour buckets where the clocks change; wider buckets last \
         longer or shorter that day. \
         `start AT TIME ZONE 'Europe/Berlin'` is it as local time.",
        &[
            ("ts", INSTANT_MEANING),
            (
                "interval",
                "Width of the buckets: text such as `15 minutes`, `1 hour`, `1 day`, `1 week`, `1 month`, `1 quarter` or \
                 `1 year`, or an SQL interval. Below a day, or whole days, weeks or months; a literal that is none is a \
                 planning error.",
            ),
            ("zone", ZONE_MEANING),
        ],
        "SELECT local_bucket('2026-10-25T01:40:00Z', '15 minutes', 'Europe/Berlin');\n-- 2026-10-25T01:30:00Z\n\
         SELECT local_bucket('2026-10-25T12:00:00Z', '1 day', 'Europe/Berlin');\n-- 2026-10-24T22:00:00Z",
    )
});

#[cfg(test)]
mod tests {
    use super::super::zone::SECOND_US;
    use super::super::zone::tests::{ODD_ZONES, us};
    use super::*;
    use crate::functions::arguments::tests::run;
    use arrow::array::AsArray;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn bucket(zone: &str, width: &str, instant: &str) -> i64 {
        let mut clock = ZoneClock::named(zone).unwrap();
        local_bucket(&mut clock, Width::parse(width).unwrap(), us(instant)).unwrap()
    }

    /// Counts the buckets of a local day, looking every minute.
    fn buckets_of_day(zone: &str, width: &str, date: &str) -> usize {
        let mut clock = ZoneClock::named(zone).unwrap();
        let width = Width::parse(width).unwrap();
        let midnight = us(&format!("{date}T00:00:00Z"));
        let (start, end) =
            (clock.first_instant_from(midnight), clock.first_instant_from(midnight + 86_400 * SECOND_US));
        let minutes = (start..end).step_by(60_000_000);
        minutes.map(|instant| local_bucket(&mut clock, width, instant)).collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn days_of_23_and_25_hours_have_as_many_hour_buckets() {
        assert_eq!(buckets_of_day("Europe/Berlin", "1 hour", "2026-03-29"), 23);
        assert_eq!(buckets_of_day("Europe/Berlin", "1 hour", "2026-10-25"), 25);
        assert_eq!(buckets_of_day("Europe/Berlin", "1 hour", "2026-10-26"), 24);
        assert_eq!(buckets_of_day("Europe/Berlin", "15 minutes", "2026-10-25"), 100);
        assert_eq!(buckets_of_day("America/Santiago", "1 hour", "2026-09-06"), 23);
        assert_eq!(buckets_of_day("America/Havana", "1 hour", "2025-11-02"), 25);
        assert_eq!(buckets_of_day("Asia/Kolkata", "1 hour", "2026-11-21"), 24);
        // Half an hour is skipped, and half an hour comes twice.
        assert_eq!(buckets_of_day("Australia/Lord_Howe", "30 minutes", "2026-10-04"), 47);
        assert_eq!(buckets_of_day("Australia/Lord_Howe", "30 minutes", "2026-04-05"), 49);
        assert_eq!(buckets_of_day("Australia/Lord_Howe", "1 hour", "2026-04-05"), 24);
        assert_eq!(buckets_of_day("Europe/Berlin", "2 hours", "2026-10-25"), 12);
        assert_eq!(buckets_of_day("Europe/Berlin", "90 minutes", "2026-10-25"), 16);
        for zone in ODD_ZONES {
            for date in ["2026-03-29", "2026-04-05", "2026-09-06", "2026-10-04", "2026-10-25", "2026-11-01"] {
                assert_eq!(buckets_of_day(zone, "1 day", date), 1, "{zone} {date}");
                assert_eq!(buckets_of_day(zone, "6 hours", date), 4, "{zone} {date}");
            }
        }
    }

    #[test]
    fn the_hour_that_comes_twice_is_two_buckets() {
        assert_eq!(bucket("Europe/Berlin", "1 hour", "2026-10-25T00:30:00Z"), us("2026-10-25T00:00:00Z"));
        assert_eq!(bucket("Europe/Berlin", "1 hour", "2026-10-25T01:30:00Z"), us("2026-10-25T01:00:00Z"));
        assert_eq!(bucket("America/New_York", "1 hour", "2026-11-01T05:30:00Z"), us("2026-11-01T05:00:00Z"));
        assert_eq!(bucket("America/New_York", "1 hour", "2026-11-01T06:30:00Z"), us("2026-11-01T06:00:00Z"));
    }

    #[test]
    fn a_bucket_that_spans_a_change_starts_before_it() {
        assert_eq!(bucket("Europe/Berlin", "6 hours", "2026-10-25T03:00:00Z"), us("2026-10-24T22:00:00Z"));
        assert_eq!(bucket("Europe/Berlin", "6 hours", "2026-03-29T02:00:00Z"), us("2026-03-28T23:00:00Z"));
        // Lord Howe jumps from 02:00 to 02:30: the bucket of 02:00 starts with the jump.
        assert_eq!(bucket("Australia/Lord_Howe", "1 hour", "2026-10-03T15:40:00Z"), us("2026-10-03T15:30:00Z"));
        // And falls back from 02:00 to 01:30: the hour of 01:00 lasts 90 minutes.
        assert_eq!(bucket("Australia/Lord_Howe", "1 hour", "2026-04-04T15:10:00Z"), us("2026-04-04T14:00:00Z"));
    }

    #[test]
    fn calendar_buckets_start_at_local_midnight() {
        assert_eq!(bucket("Europe/Berlin", "1 day", "2026-10-25T23:00:00Z"), us("2026-10-25T23:00:00Z"));
        assert_eq!(bucket("Europe/Berlin", "1 week", "2026-10-25T22:59:59Z"), us("2026-10-18T22:00:00Z"));
        assert_eq!(bucket("Europe/Berlin", "1 month", "2026-04-15T00:00:00Z"), us("2026-03-31T22:00:00Z"));
        assert_eq!(bucket("Europe/Berlin", "1 quarter", "2026-11-21T00:00:00Z"), us("2026-09-30T22:00:00Z"));
        assert_eq!(bucket("Asia/Kolkata", "1 day", "2026-11-21T12:00:00Z"), us("2026-11-20T18:30:00Z"));
    }

    #[test]
    fn intervals_may_be_sql_intervals() {
        let args = vec![
            ColumnarValue::Scalar(ScalarValue::from("2026-11-21T10:44:00Z")),
            ColumnarValue::Scalar(ScalarValue::new_interval_dt(0, 900_000)),
            ColumnarValue::Scalar(ScalarValue::from("Asia/Kathmandu")),
        ];
        let starts = run(&LOCAL_BUCKET.framed(), args);
        assert_eq!(starts.as_primitive::<TimestampMicrosecondType>().value(0), us("2026-11-21T10:30:00Z"));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_instants_and_starts_in_itself(
            zone in prop::sample::select(ODD_ZONES.to_vec()),
            width in prop::sample::select(vec![
                "1 minute", "15 minutes", "30 minutes", "1 hour", "2 hours", "6 hours", "1 day", "3 days", "1 week", "1 month",
            ]),
            seconds in 600_000_000_i64..2_200_000_000,
        ) {
            let mut clock = ZoneClock::named(zone).unwrap();
            let width = Width::parse(width).unwrap();
            let instant = seconds * SECOND_US;
            let start = local_bucket(&mut clock, width, instant).unwrap();
            prop_assert!(start <= instant);
            prop_assert_eq!(local_bucket(&mut clock, width, start), Some(start));
            // Both lie in the bucket of the same local label.
            let labels = [start, instant].map(|t| clock.local_us(t).and_then(|local| width.floor(local)));
            prop_assert_eq!(labels[0], labels[1]);
        }

        #[test]
        fn no_instant_makes_it_panic(
            zone in prop::sample::select(ODD_ZONES.to_vec()),
            width in prop::sample::select(vec!["1 ms", "23 hours", "1 day", "9999 years", "3650000 days"]),
            instant in any::<i64>(),
        ) {
            let mut clock = ZoneClock::named(zone).unwrap();
            local_bucket(&mut clock, Width::parse(width).unwrap(), instant);
        }
    }
}

//! `local_day(ts, zone)`: the calendar day that the zone's clocks show.

use std::sync::{Arc, LazyLock};

use arrow::array::Date32Builder;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::zone::{DAY_US, ZoneClock};
use super::{INSTANT_MEANING, PARAMETERS, ZONE_MEANING, check_zone};
use crate::functions::arguments::{self, Call, Parsed};
use crate::functions::frame::Function;
use crate::functions::reference::TIME;

/// The function.
pub(crate) static LOCAL_DAY: Function = Function {
    parameters: Some(PARAMETERS),
    check: |args| check_zone("local_day", args, 1),
    preimage,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("local_day", |_| Ok(DataType::Date32), run)
};

/// Returns the local day of an instant, in days since 1970-01-01; `None` beyond the calendar.
fn local_day(clock: &mut ZoneClock, instant_us: i64) -> Option<i32> {
    i32::try_from(clock.local_us(instant_us)?.div_euclid(DAY_US)).ok()
}

/// Returns the instants of a local day, from the first to the one after the last, in microseconds.
///
/// `None` if they are not one range: a zone that falls back over midnight shows the end of a day twice.
fn instants_of_day(clock: &mut ZoneClock, day: i32) -> Option<(i64, i64)> {
    let (start, end) = (i64::from(day).checked_mul(DAY_US)?, (i64::from(day) + 1).checked_mul(DAY_US)?);
    // A year's room to the end of the calendar keeps all the sums below in range.
    clock.local_us(start.checked_sub(365 * DAY_US)?)?;
    clock.local_us(end.checked_add(365 * DAY_US)?)?;
    if !clock.never_repeats(start) || !clock.never_repeats(end) {
        return None;
    }
    let (first, after) = (clock.first_instant_from(start), clock.first_instant_from(end));
    (first < after).then_some((first, after))
}

/// Writes an instant in the unit of a column; `None` if it does not fit in the unit exactly.
fn bound(instant_us: i64, unit: TimeUnit, zone: &Option<Arc<str>>) -> Option<ScalarValue> {
    let whole = |divisor: i64| (instant_us % divisor == 0).then_some(instant_us / divisor);
    let zone = zone.clone();
    Some(match unit {
        TimeUnit::Second => ScalarValue::TimestampSecond(Some(whole(1_000_000)?), zone),
        TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(Some(whole(1_000)?), zone),
        TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(instant_us), zone),
        TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(Some(instant_us.checked_mul(1_000)?), zone),
    })
}

fn preimage(args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
    let [instant, Expr::Literal(zone, _)] = args else {
        return Ok(PreimageResult::None);
    };
    let Expr::Literal(ScalarValue::Date32(Some(day)), _) = literal else {
        return Ok(PreimageResult::None);
    };
    let data_type = info.get_data_type(instant)?;
    let DataType::Timestamp(unit, time_zone) = data_type else {
        return Ok(PreimageResult::None);
    };
    let range =
        arguments::scalar_text(zone).and_then(ZoneClock::named).and_then(|mut clock| instants_of_day(&mut clock, *day));
    Ok(match range {
        Some((first, after)) => match (bound(first, unit, &time_zone), bound(after, unit, &time_zone)) {
            (Some(first), Some(after)) => {
                let interval = Box::new(Interval::try_new(first, after)?);
                PreimageResult::Range { expr: instant.clone(), interval }
            }
            _ => PreimageResult::None,
        },
        None => PreimageResult::None,
    })
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let (instants, zones) = (call.instants(0)?, call.text(1)?);
    let mut clocks = Parsed::new(&zones, ZoneClock::named);
    let mut values = Date32Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        values.append_option(match (instants.get(row), clocks.get(row)) {
            (Some(instant), Some(clock)) => local_day(clock, instant),
            _ => None,
        });
    }
    call.result(Arc::new(values.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        TIME,
        "local_day(ts, zone)",
        "Returns the local calendar day of an instant, as a date. Group by it for daily figures: a day has 23 or 25 hours where the clocks change. A comparison with a literal date is turned into a range of instants, so it skips files as a comparison of the timestamp itself does.",
        &[("ts", INSTANT_MEANING), ("zone", ZONE_MEANING)],
        "SELECT local_day('2026-11-21T23:30:00Z', 'Europe/Berlin');\n-- 2026-11-22",
    )
});

#[cfg(test)]
mod tests {
    use super::super::zone::tests::{ODD_ZONES, us};
    use super::*;
    use crate::functions::arguments::tests::run;
    use arrow::array::{AsArray, StringArray, TimestampNanosecondArray};
    use arrow::datatypes::Date32Type;
    use chrono::{NaiveDate, TimeZone};
    use proptest::prelude::*;

    fn day(date: &str) -> i32 {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        i32::try_from(date.parse::<NaiveDate>().unwrap().signed_duration_since(epoch).num_days()).unwrap()
    }

    #[test]
    fn days_change_at_local_midnight() {
        for (zone, instant, date) in [
            ("Europe/Berlin", "2026-03-28T22:59:59Z", "2026-03-28"),
            ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29"),
            ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30"),
            ("Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-25"),
            ("Asia/Kolkata", "2026-11-21T18:30:00Z", "2026-11-22"),
            ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
        ] {
            let mut clock = ZoneClock::named(zone).unwrap();
            assert_eq!(local_day(&mut clock, us(instant)), Some(day(date)), "{zone} {instant}");
        }
    }

    #[test]
    fn zones_may_differ_by_row() {
        let instant = us("2026-11-21T23:30:00Z") * 1_000;
        let args = vec![
            ColumnarValue::Array(Arc::new(TimestampNanosecondArray::from(vec![
                Some(instant),
                Some(instant),
                Some(instant),
                None,
            ]))),
            ColumnarValue::Array(Arc::new(StringArray::from(vec![
                Some("UTC"),
                Some("Asia/Tokyo"),
                Some("Mars"),
                Some("UTC"),
            ]))),
        ];
        let days = run(&LOCAL_DAY.framed(), args);
        let days: Vec<Option<i32>> = days.as_primitive::<Date32Type>().iter().collect();
        assert_eq!(days, [Some(day("2026-11-21")), Some(day("2026-11-22")), None, None]);
    }

    #[test]
    fn a_day_shown_twice_is_no_range() {
        let mut clock = ZoneClock::named("America/St_Johns").unwrap();
        assert_eq!(instants_of_day(&mut clock, day("2005-10-30")), None);
        assert!(instants_of_day(&mut clock, day("2026-10-30")).is_some());
        assert_eq!(instants_of_day(&mut clock, i32::MAX), None);
        assert_eq!(instants_of_day(&mut clock, i32::MIN), None);
        let mut apia = ZoneClock::named("Pacific/Apia").unwrap();
        assert_eq!(instants_of_day(&mut apia, day("2011-12-30")), None, "a day that never was");
    }

    proptest! {
        #[test]
        fn days_agree_with_the_zone(zone in prop::sample::select(ODD_ZONES.to_vec()), seconds in 0_i64..2_500_000_000) {
            let tz: crate::zones::Tz = zone.parse().unwrap();
            let date = tz.timestamp_opt(seconds, 0).unwrap().date_naive().to_string();
            let mut clock = ZoneClock::named(zone).unwrap();
            prop_assert_eq!(local_day(&mut clock, seconds * 1_000_000), Some(day(&date)));
        }

        #[test]
        fn a_range_holds_exactly_the_instants_of_its_day(
            zone in prop::sample::select(ODD_ZONES.to_vec()),
            date in 3_650_i32..24_000,
            seconds in prop::collection::vec(-200_000_i64..200_000, 1..20),
        ) {
            let mut clock = ZoneClock::named(zone).unwrap();
            if let Some((first, after)) = instants_of_day(&mut clock, date) {
                let near = seconds.iter().map(|s| i64::from(date) * DAY_US + s * 1_000_000);
                for instant in near.chain([first, first - 1, after, after - 1]) {
                    let is_inside = local_day(&mut clock, instant) == Some(date);
                    prop_assert_eq!(is_inside, (first..after).contains(&instant), "{} {} {}", zone, date, instant);
                }
            }
        }
    }
}

//! `local_hour(ts, zone)`: the hour of the day that the zone's clocks show.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::logical_expr::Documentation;

use super::zone::{DAY_US, ZoneClock};
use super::{INSTANT_MEANING, PARAMETERS, ZONE_MEANING, check_zone, number_of_clocks};
use crate::functions::arguments;
use crate::functions::frame::Function;
use crate::functions::reference::TIME;

/// The function.
pub(crate) static LOCAL_HOUR: Function = Function {
    parameters: Some(PARAMETERS),
    check: |args| check_zone("local_hour", args, 1),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("local_hour", |_| Ok(DataType::Int64), |call| number_of_clocks(call, local_hour))
};

/// Returns the local hour of an instant, 0 to 23; `None` beyond the calendar.
fn local_hour(clock: &mut ZoneClock, instant_us: i64) -> Option<i64> {
    clock.local_us(instant_us).map(|local| local.rem_euclid(DAY_US) / (DAY_US / 24))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        TIME,
        "local_hour(ts, zone)",
        "Returns the local hour of an instant, 0 to 23.",
        &[("ts", INSTANT_MEANING), ("zone", ZONE_MEANING)],
        "SELECT local_hour('2026-03-29T01:30:00Z', 'Europe/Berlin');\n-- 3",
    )
});

#[cfg(test)]
mod tests {
    use super::super::zone::tests::us;
    use super::*;

    #[test]
    fn hours_follow_the_local_clock() {
        for (zone, instant, hour) in [
            ("Europe/Berlin", "2026-03-29T00:59:59Z", 1),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", 3),
            ("Europe/Berlin", "2026-10-25T00:30:00Z", 2),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", 2),
            ("Asia/Kolkata", "2026-11-21T18:29:59Z", 23),
            ("Asia/Kolkata", "2026-11-21T18:30:00Z", 0),
            ("Australia/Lord_Howe", "2026-10-03T15:29:59Z", 1),
            ("Australia/Lord_Howe", "2026-10-03T15:30:00Z", 2),
            ("UTC", "1969-12-31T23:59:59Z", 23),
        ] {
            let mut clock = ZoneClock::named(zone).unwrap();
            assert_eq!(local_hour(&mut clock, us(instant)), Some(hour), "{zone} {instant}");
        }
        assert_eq!(local_hour(&mut ZoneClock::named("UTC").unwrap(), i64::MAX), None);
    }
}

//! `local_weekday(ts, zone)`: the ISO weekday in a zone.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::logical_expr::Documentation;

use super::zone::{DAY_US, ZoneClock};
use super::{INSTANT_MEANING, PARAMETERS, ZONE_MEANING, check_zone, number_of_clocks};
use crate::functions::arguments;
use crate::functions::frame::Function;
use crate::functions::reference::TIME;

/// The function.
pub(crate) static LOCAL_WEEKDAY: Function = Function {
    parameters: Some(PARAMETERS),
    check: |args| check_zone("local_weekday", args, 1),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("local_weekday", |_| Ok(DataType::Int64), |call| number_of_clocks(call, local_weekday))
};

/// Returns the local ISO weekday of an instant, 1 to 7; `None` beyond the calendar.
fn local_weekday(clock: &mut ZoneClock, instant_us: i64) -> Option<i64> {
    // 1970-01-01 was a Thursday.
    clock.local_us(instant_us).map(|local| (local.div_euclid(DAY_US) + 3).rem_euclid(7) + 1)
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        TIME,
        "local_weekday(ts, zone)",
        "Returns the local weekday of an instant, 1 (Monday) to 7 (Sunday). With `local_hour` it makes the hour-by-weekday heat map.",
        &[("ts", INSTANT_MEANING), ("zone", ZONE_MEANING)],
        "SELECT local_weekday('2026-11-22T23:30:00Z', 'Europe/Berlin');\n-- 1",
    )
});

#[cfg(test)]
mod tests {
    use super::super::zone::tests::us;
    use super::*;
    use chrono::{DateTime, Datelike, Utc};
    use proptest::prelude::*;

    #[test]
    fn weekdays_change_at_local_midnight() {
        let mut berlin = ZoneClock::named("Europe/Berlin").unwrap();
        assert_eq!(local_weekday(&mut berlin, us("2026-11-22T22:59:59Z")), Some(7));
        assert_eq!(local_weekday(&mut berlin, us("2026-11-22T23:00:00Z")), Some(1));
    }

    proptest! {
        #[test]
        fn weekdays_agree_with_chrono(seconds in -60_000_000_000_i64..60_000_000_000) {
            let expected = DateTime::<Utc>::from_timestamp(seconds, 0).unwrap().weekday().number_from_monday();
            let mut utc = ZoneClock::named("UTC").unwrap();
            prop_assert_eq!(local_weekday(&mut utc, seconds * 1_000_000), Some(i64::from(expected)));
        }
    }
}

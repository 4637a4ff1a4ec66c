//! `local_weekday(ts, zone)`: the ISO weekday in a zone.

use std::sync::{Arc, LazyLock};

use arrow::array::Int64Builder;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::zone::{DAY_US, ZoneClock};
use super::{INSTANT_MEANING, PARAMETERS, ZONE_MEANING, check_zone};
use crate::functions::arguments::{self, Call, Parsed};
use crate::functions::reference::TIME;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct LocalWeekday {
    signature: Signature,
}

impl Default for LocalWeekday {
    fn default() -> Self {
        Self { signature: arguments::signature(Volatility::Immutable) }
    }
}

/// Returns the local ISO weekday of an instant, 1 to 7; `None` beyond the calendar.
fn local_weekday(clock: &mut ZoneClock, instant_us: i64) -> Option<i64> {
    // 1970-01-01 was a Thursday.
    clock.local_us(instant_us).map(|local| (local.div_euclid(DAY_US) + 3).rem_euclid(7) + 1)
}

impl ScalarUDFImpl for LocalWeekday {
    fn name(&self) -> &'static str {
        "local_weekday"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(self.name(), types).map(|()| DataType::Int64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = self.return_type(&arguments::types(&args))?;
        check_zone(self.name(), &args, 1)?;
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(&args);
        let (instants, zones) = (call.instants(0)?, call.text(1)?);
        let mut clocks = Parsed::new(&zones, ZoneClock::named);
        let mut values = Int64Builder::with_capacity(call.rows);
        for row in 0..call.rows {
            values.append_option(match (instants.get(row), clocks.get(row)) {
                (Some(instant), Some(clock)) => local_weekday(clock, instant),
                _ => None,
            });
        }
        call.result(Arc::new(values.finish()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
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

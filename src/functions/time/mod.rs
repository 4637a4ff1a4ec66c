//! Local calendar time: days, hours, weekdays and buckets of instants as a zone's clocks show them.
//!
//! `zone` answers what a zone's offset is at an instant, fast; `interval` reads bucket widths. The functions are right on days
//! with 23 and 25 hours, and in zones whose clocks stand or shift by half hours.

mod date_trunc;
mod interval;
mod local_bucket;
mod local_day;
mod local_hour;
mod local_weekday;
mod trunc_in_zone;
mod zone;

pub(crate) use date_trunc::DateTrunc;
pub(crate) use local_bucket::LOCAL_BUCKET;
pub(crate) use local_day::LOCAL_DAY;
pub(crate) use local_hour::LOCAL_HOUR;
pub(crate) use local_weekday::LOCAL_WEEKDAY;
pub(crate) use zone::ZoneClock;

use std::sync::Arc;

use arrow::array::Int64Builder;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs};

use super::arguments::{self, Call, Kind, Parameters, Parsed};
use crate::zones::{self, Tz};

/// The parameters of the functions of an instant and a zone.
const PARAMETERS: Parameters = Parameters::required(&[("ts", Kind::Instant), ("zone", Kind::Text)]);

/// The description of the instant argument.
const INSTANT_MEANING: &str = "The instant: a timestamp of any unit (UTC if it has no zone), a date, or text such as `2026-03-29T01:30:00Z`; text \
     that is not an instant gives null.";

/// The description of the zone argument.
pub(super) const ZONE_MEANING: &str = "IANA time zone, such as `Europe/Berlin`. An unknown zone is a planning error if it is a literal, and \
     gives null if it comes from a column.";

/// Computes a number of what the clocks of a zone show at an instant; null where either is, or beyond the calendar.
fn number_of_clocks(call: &Call<'_>, of: impl Fn(&mut ZoneClock, i64) -> Option<i64>) -> Result<ColumnarValue> {
    let (instants, zones) = (call.instants(0)?, call.text(1)?);
    let mut clocks = Parsed::new(&zones, ZoneClock::named);
    let mut values = Int64Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        values.append_option(match (instants.get(row), clocks.get(row)) {
            (Some(instant), Some(clock)) => of(clock, instant),
            _ => None,
        });
    }
    call.result(Arc::new(values.finish()))
}

/// Checks a literal zone while planning.
pub(super) fn check_zone(function: &str, args: &ReturnFieldArgs<'_>, index: usize) -> Result<()> {
    match arguments::literal_text(args, index) {
        Some(text) if Tz::named(text).is_none() => match zones::nearest(text) {
            Some(name) => plan_err!("{function}: unknown time zone {text:?}; hint: did you mean {name:?}?"),
            None => plan_err!("{function}: unknown time zone {text:?}; hint: zones are named like \"Europe/Berlin\""),
        },
        _ => Ok(()),
    }
}

//! `timezone(zone, t)`, which is what `t at time zone zone` calls: an instant as local time, a local time as an instant.

use std::sync::LazyLock;

use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::{UTC, map_timestamps, of_local, per_second, to_local};
use crate::functions::arguments::{self, Call, Kind, Parameters, Parsed};
use crate::functions::frame::Function;
use crate::functions::reference::TIME;
use crate::functions::time::check_zone;
use crate::zones::Tz;

const PARAMETERS: Parameters = Parameters::required(&[("zone", Kind::Text), ("t", Kind::Instant)]);

/// The function.
pub(crate) static TIMEZONE: Function = Function {
    parameters: Some(PARAMETERS),
    check: |args| check_zone("timezone", args, 0),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("timezone", returns, run)
};

fn result_type(given: &DataType) -> DataType {
    match given {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        DataType::Timestamp(unit, None) => DataType::Timestamp(*unit, Some(UTC.into())),
        _ => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

fn returns(types: &[DataType]) -> Result<DataType> {
    match types.get(1) {
        // The engine makes instants of texts and dates, as PostgreSQL does.
        Some(given) => Ok(result_type(given)),
        None => Ok(DataType::Null),
    }
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let args = call.args;
    let zones = call.text(0)?;
    let mut parsed: Parsed<'_, Tz> = Parsed::new(&zones, Tz::named);
    let Some(given) = args.args.get(1) else { return plan_err!("timezone takes 2 arguments (zone, t)") };
    let mut array = given.to_array(call.rows)?;
    if !matches!(array.data_type(), DataType::Timestamp(..)) {
        array = cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())))?;
    }
    let is_instant = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
    let DataType::Timestamp(unit, _) = *array.data_type() else {
        return plan_err!("timezone: argument 2 (t) must be a timestamp, got {}", array.data_type());
    };
    let units = per_second(unit);
    let made = if is_instant {
        map_timestamps(&array, None, |row, instant| to_local(*parsed.get(row)?, instant, units))?
    } else {
        map_timestamps(&array, Some(UTC), |row, local| of_local(*parsed.get(row)?, local, units))?
    };
    call.result(made)
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        TIME,
        "timezone(zone, t)",
        "Returns what the clocks of a zone show at an instant (a timestamp with a zone), as a timestamp without one; or the instant at \
         which they show a local time (a timestamp without a zone). `t at time zone 'Europe/Berlin'` is the same. As in \
         PostgreSQL, a local time that clocks show twice is the later of the two instants, and one that they skip lies as far behind \
         the gap as it is inside.",
        &[
            ("zone", super::super::time::ZONE_MEANING),
            ("t", "A timestamp with a zone or without; a date or a text is an instant of the session's zone."),
        ],
        "SELECT timezone('Europe/Berlin', timestamp '2026-10-25 02:30:00');\n-- 2026-10-25T01:30:00Z",
    )
});

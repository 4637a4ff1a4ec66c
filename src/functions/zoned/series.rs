//! Series of instants that step on a zone's calendar: `generate_series` and `range` where a session has a zone.
//!
//! DataFusion steps in the zone of the type, which is UTC, so that `interval '1 day'` drifts by an hour where clocks change.

use std::sync::Arc;

use arrow::array::{Array, AsArray, ListArray, TimestampNanosecondArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, Field, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampNanosecondType,
};
use arrow::util::display::FormatOptions;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};
use datafusion::logical_expr::ColumnarValue;

use super::session::{added, zone};
use crate::functions::arguments::Call;
use crate::functions::frame::Function;
use crate::functions::interval::total_ns;
use crate::zones::Tz;

/// A cast that fails where a value does not fit.
const STRICT_CAST: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// The instants from one to another, step by step; PostgreSQL's `generate_series`.
#[derive(Debug, Clone)]
pub struct Steps {
    zone: Tz,
    /// Units of the instants in a second.
    units: i64,
    next: Option<i64>,
    stop: i64,
    includes_stop: bool,
    step: IntervalMonthDayNano,
}

impl Steps {
    /// Makes a series of instants that are counted in units of which a second has so many.
    ///
    /// # Errors
    /// A step of no length, or one that is finer than the unit.
    pub fn new(
        zone: Tz,
        units: i64,
        start: i64,
        stop: i64,
        includes_stop: bool,
        step: IntervalMonthDayNano,
    ) -> Result<Self> {
        if total_ns(step) == 0 {
            return exec_err!("step size cannot equal zero");
        }
        if step.nanoseconds % (1_000_000_000 / units) != 0 {
            return exec_err!("a step of {} ns is finer than the instants that it leads to", step.nanoseconds);
        }
        Ok(Self { zone, units, next: Some(start), stop, includes_stop, step })
    }

    /// Returns the next instant; `None` at the end.
    ///
    /// # Errors
    /// A step that leads beyond the calendar, or nowhere.
    pub fn step_on(&mut self) -> Result<Option<i64>> {
        let Some(at) = self.next else { return Ok(None) };
        let is_down = total_ns(self.step) < 0;
        let is_beyond = if is_down { at < self.stop } else { at > self.stop };
        if is_beyond || (at == self.stop && !self.includes_stop) {
            self.next = None;
            return Ok(None);
        }
        if at == self.stop {
            self.next = None;
            return Ok(Some(at));
        }
        let next = added(self.zone, at, self.step, false, self.units)
            .ok_or_else(|| exec_datafusion_err!("a series goes beyond the calendar"))?;
        // Such as a month less 29 days, which a February takes back.
        if (next <= at) != is_down || next == at {
            return exec_err!("a step of a series leads back to where it came from");
        }
        self.next = Some(next);
        Ok(Some(at))
    }
}

/// `session_series(start, stop, step, zone)`: a list of instants.
pub(super) static SERIES: Function = Function::new("session_series", list_type, |call| series(call, true));

/// `session_range(start, stop, step, zone)`: the same without the stop.
pub(super) static RANGE: Function = Function::new("session_range", list_type, |call| series(call, false));

fn list_type(types: &[DataType]) -> Result<DataType> {
    let Some(DataType::Timestamp(_, zone)) = types.first() else { return internal_err!("a series takes instants") };
    // The type that DataFusion's function has.
    let instant = DataType::Timestamp(TimeUnit::Nanosecond, zone.clone());
    Ok(DataType::List(Arc::new(Field::new_list_field(instant, true))))
}

fn series(call: &Call<'_>, includes_stop: bool) -> Result<ColumnarValue> {
    let zone = zone(call.args, 3)?;
    let [start, stop, step, _] = call.args.args.as_slice() else {
        return internal_err!("a series takes 4 arguments");
    };
    let DataType::Timestamp(_, type_zone) = start.data_type() else {
        return internal_err!("a series of {}", start.data_type());
    };
    let instants = |value: &ColumnarValue| {
        let array = value.to_array(call.rows)?;
        let DataType::Timestamp(_, own) = array.data_type() else {
            return internal_err!("a series of {}", array.data_type());
        };
        let fine = DataType::Timestamp(TimeUnit::Nanosecond, own.clone());
        Ok(cast_with_options(&array, &fine, &STRICT_CAST)?)
    };
    let (start, stop) = (instants(start)?, instants(stop)?);
    let start = start.as_primitive::<TimestampNanosecondType>();
    let stop = stop.as_primitive::<TimestampNanosecondType>();
    let step = cast(&step.to_array(call.rows)?, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let step = step.as_primitive::<IntervalMonthDayNanoType>();
    let (mut values, mut offsets) = (Vec::new(), vec![0_i32]);
    let mut valid = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let is_valid = start.is_valid(row) && stop.is_valid(row) && step.is_valid(row);
        valid.push(is_valid);
        if is_valid {
            let (from, to) = (start.value(row), stop.value(row));
            let mut steps = Steps::new(zone, 1_000_000_000, from, to, includes_stop, step.value(row))?;
            while let Some(instant) = steps.step_on()? {
                values.push(instant);
            }
        }
        match i32::try_from(values.len()) {
            Ok(offset) => offsets.push(offset),
            Err(_) => return exec_err!("series of more instants than a list holds"),
        }
    }
    let values = TimestampNanosecondArray::from(values).with_timezone_opt(type_zone.clone());
    let item = Arc::new(Field::new_list_field(DataType::Timestamp(TimeUnit::Nanosecond, type_zone), true));
    let list =
        ListArray::try_new(item, OffsetBuffer::new(offsets.into()), Arc::new(values), Some(NullBuffer::from(valid)))?;
    call.result(Arc::new(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(zone: &str, start: &str, stop: &str, step: (i32, i32, i64), includes_stop: bool) -> Result<Vec<String>> {
        let seconds = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp();
        let step = IntervalMonthDayNano::new(step.0, step.1, step.2 * 1_000_000_000);
        let mut steps = Steps::new(Tz::named(zone).unwrap(), 1, seconds(start), seconds(stop), includes_stop, step)?;
        let mut found = Vec::new();
        while let Some(instant) = steps.step_on()? {
            found.push(chrono::DateTime::from_timestamp(instant, 0).unwrap().format("%d %H:%M").to_string());
        }
        Ok(found)
    }

    #[test]
    fn days_are_those_of_the_clocks() {
        let (start, stop) = ("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z");
        let local = series("Europe/Berlin", start, stop, (0, 1, 0), true).unwrap();
        assert_eq!(local, ["23 22:00", "24 22:00", "25 23:00", "26 23:00"]);
        assert_eq!(series("Europe/Berlin", start, stop, (0, 1, 0), false).unwrap(), local[..3]);
        let back = series("Europe/Berlin", stop, start, (0, -1, 0), true).unwrap();
        assert_eq!(back, ["26 23:00", "25 23:00", "24 22:00", "23 22:00"]);
        let utc = series("UTC", start, stop, (0, 1, 0), true).unwrap();
        assert_eq!(utc, ["23 22:00", "24 22:00", "25 22:00", "26 22:00"]);
        let hours = series("Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", (0, 0, 3600), true);
        assert_eq!(hours.unwrap(), ["25 00:00", "25 01:00", "25 02:00"]);
        assert!(series("UTC", stop, start, (0, 1, 0), true).unwrap().is_empty());
    }

    #[test]
    fn a_step_that_leads_nowhere_is_an_error() {
        let (start, stop) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        assert!(series("UTC", start, stop, (0, 0, 0), true).is_err());
        assert!(series("UTC", start, stop, (1, -30, 0), true).is_err());
        assert!(series("UTC", start, stop, (1, -29, 0), true).is_err());
        let far = "+262000-01-01T00:00:00Z";
        assert!(series("UTC", far, "+262100-01-01T00:00:00Z", (12_000, 0, 0), true).is_err());
    }
}

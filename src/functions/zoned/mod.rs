//! Instants as the clocks of a zone show them: what PostgreSQL does by the time zone of the session.
//!
//! `timezone` is `at time zone`; `to_char` writes times by a pattern. The others have no documentation, as no query needs to call
//! them: `engine/rules/zones` puts them, with the zone as an argument, where a plan casts instants to and from texts, dates and local
//! times, or adds days to them. Arrow's own casts take a zone by the name in a type, and its rules of zones are old.

mod nested;
mod pattern;
mod read;
mod series;
mod session;
mod timezone;
mod to_char;

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF};

use crate::functions::frame::Function;
use crate::functions::time;
use crate::zones::Tz;

pub use nested::has_zoned_parts;
pub use read::read;
pub use series::Steps;
pub(crate) use timezone::TIMEZONE;
pub(crate) use to_char::ToChar;

/// The zone in the type of instants that we make.
pub const UTC: &str = "UTC";

/// Returns how many units of a timestamp a second has.
pub fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Maps the values of timestamps of any unit, in that unit; the result has the zone given. Where nothing comes out, null is.
pub(super) fn map_timestamps(
    array: &dyn Array,
    zone: Option<&str>,
    map: impl FnMut(usize, i64) -> Option<i64>,
) -> Result<ArrayRef> {
    macro_rules! mapped {
        ($kind:ty) => {{
            let mut map = map;
            let values = array.as_primitive::<$kind>().iter().enumerate();
            let made: PrimitiveArray<$kind> = values.map(|(row, value)| map(row, value?)).collect();
            Arc::new(made.with_timezone_opt(zone)) as ArrayRef
        }};
    }
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => mapped!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => mapped!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => mapped!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => mapped!(TimestampNanosecondType),
        other => return internal_err!("{other} is no timestamp"),
    })
}

/// Returns the local time of an instant, both counted in units of which a second has so many; `None` where it does not fit.
pub(super) fn to_local(zone: Tz, instant: i64, per_second: i64) -> Option<i64> {
    let offset = i64::from(zone.offset_at(instant.div_euclid(per_second)));
    instant.checked_add(offset.checked_mul(per_second)?)
}

/// Returns the instant of a local time as PostgreSQL does: the later of two, and behind a gap what is inside of it.
pub fn of_local(zone: Tz, local: i64, per_second: i64) -> Option<i64> {
    let seconds = local.div_euclid(per_second);
    let offset = seconds.checked_sub(zone.latest_of_local(seconds))?;
    local.checked_sub(offset.checked_mul(per_second)?)
}

/// What plans are rewritten with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zoned {
    /// `timezone(zone, t)`: an instant as local time, or the instant of a local time.
    Timezone,
    /// The local day of an instant: `(t, zone)`.
    Day,
    /// The instant that a text says, an error if none: `(text, zone, formats…)`.
    Read,
    /// The instant that a text says, null if none: `(text, zone, formats…)`.
    TryRead,
    /// The local time that a text says, wherever it says that the clock is, an error if none: `(text)`.
    ReadLocal,
    /// The same, and null if none.
    TryReadLocal,
    /// The text of an instant: `(t, zone)`.
    Text,
    /// An instant and an interval of months, days and time: `(t, interval, zone)`.
    Add,
    /// An instant less an interval: `(t, interval, zone)`.
    Subtract,
    /// The list of instants from one to another, both included, by a step: `(start, stop, step, zone)`.
    Series,
    /// The same without the last one.
    Range,
    /// A list or a struct with instants in it as another type: `(value, zone, null of that type)`.
    Cast,
    /// The same, with null for texts that say no instant.
    TryCast,
}

impl Zoned {
    const ALL: [Self; 13] = [
        Self::Timezone,
        Self::Day,
        Self::Read,
        Self::TryRead,
        Self::ReadLocal,
        Self::TryReadLocal,
        Self::Text,
        Self::Add,
        Self::Subtract,
        Self::Series,
        Self::Range,
        Self::Cast,
        Self::TryCast,
    ];

    fn framed(self) -> &'static Function {
        match self {
            Self::Timezone => &TIMEZONE,
            Self::Day => &time::LOCAL_DAY,
            Self::Read => &session::READ,
            Self::TryRead => &session::TRY_READ,
            Self::ReadLocal => &session::READ_LOCAL,
            Self::TryReadLocal => &session::TRY_READ_LOCAL,
            Self::Text => &session::TEXT,
            Self::Add => &session::ADD,
            Self::Subtract => &session::SUBTRACT,
            Self::Series => &series::SERIES,
            Self::Range => &series::RANGE,
            Self::Cast => &nested::CAST,
            Self::TryCast => &nested::TRY_CAST,
        }
    }

    /// The function.
    pub fn function(self) -> Arc<ScalarUDF> {
        static ALL: LazyLock<Vec<Arc<ScalarUDF>>> =
            LazyLock::new(|| Zoned::ALL.into_iter().map(|function| function.framed().udf()).collect());
        let index = Self::ALL.iter().position(|function| *function == self).unwrap_or_default();
        Arc::clone(&ALL[index])
    }

    /// Calls the function.
    pub fn call(self, args: Vec<Expr>) -> Expr {
        Expr::ScalarFunction(ScalarFunction { func: self.function(), args })
    }
}

/// A zone as an argument.
pub fn zone_literal(zone: Tz) -> Expr {
    Expr::Literal(ScalarValue::Utf8(Some(zone.name().to_owned())), None)
}

/// Lists the functions that are in no reference.
pub(crate) fn parts() -> Vec<Arc<ScalarUDF>> {
    // `timezone` and `local_day` are for queries too.
    Zoned::ALL
        .into_iter()
        .filter(|function| !matches!(function, Zoned::Timezone | Zoned::Day))
        .map(Zoned::function)
        .collect()
}

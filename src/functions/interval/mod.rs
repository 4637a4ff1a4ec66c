//! Intervals and durations as PostgreSQL has them: how long they are, how they are written, and arithmetic with them.
//!
//! `a - b` of instants is an Arrow duration, a literal is an interval of months, days and nanoseconds; PostgreSQL knows intervals
//! only. Where the two meet, a duration is the interval that PostgreSQL's subtraction gives: whole days, and the time that is left.
//! Compared are lengths, a month taken for 30 days and a day for 24 hours. `engine/rules/intervals` puts the functions of
//! [`Part`] into plans; what users call has a file of its own.
//!
//! Limits: an interval's time is held in nanoseconds, of which there are 292 years. Where a sum or a product has a longer time,
//! whole days of it are counted as days, which PostgreSQL does not do.

mod age;
mod arrays;
mod date_part;
mod justify;
mod make_interval;
mod parts;
mod planner;
mod sums;
mod text;
mod value;

pub use make_interval::PARAMETERS as MAKE_INTERVAL_PARAMETERS;
pub use parts::Part;
pub use planner::IntervalPlanner;
pub use sums::{aggregates, stock};
pub use text::{parse, push_postgres};
pub use value::{total_ns, truncated};

pub(crate) use age::AGE;
pub(crate) use arrays::intervals;
pub(crate) use date_part::DatePart;
pub(crate) use justify::{JUSTIFY_DAYS, JUSTIFY_HOURS, JUSTIFY_INTERVAL};
pub(crate) use make_interval::MAKE_INTERVAL;
pub(crate) use parts::all as parts;

use arrow::datatypes::{DataType, IntervalUnit};

/// The type of intervals in SQL.
pub const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Says whether values of a type are intervals, of any unit.
pub fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_))
}

/// Says whether values of a type are intervals or durations.
pub fn is_length(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

//! `justify_hours`, `justify_days` and `justify_interval`: larger units in place of many small ones.

use std::sync::{Arc, LazyLock};

use arrow::array::IntervalMonthDayNanoArray;
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::arrays::intervals;
use super::{INTERVAL, is_length, value};
use crate::functions::arguments::{self, Call};
use crate::functions::frame::Function;
use crate::functions::reference::DURATIONS;

/// 24 hours become a day.
pub(crate) static JUSTIFY_HOURS: Function = Function {
    documentation: Some(&HOURS),
    ..Function::new(
        "justify_hours",
        |types| returns("justify_hours", types),
        |call| justified(call, value::justify_hours),
    )
};

/// 30 days become a month.
pub(crate) static JUSTIFY_DAYS: Function = Function {
    documentation: Some(&DAYS),
    ..Function::new("justify_days", |types| returns("justify_days", types), |call| justified(call, value::justify_days))
};

/// Both, and all parts get one sign.
pub(crate) static JUSTIFY_INTERVAL: Function = Function {
    documentation: Some(&BOTH),
    ..Function::new(
        "justify_interval",
        |types| returns("justify_interval", types),
        |call| justified(call, value::justify_interval),
    )
};

fn returns(name: &str, types: &[DataType]) -> Result<DataType> {
    match types {
        [given] if is_length(given) || given.is_null() => Ok(INTERVAL),
        [given] => plan_err!("{name}: argument 1 (interval) must be an interval, got {given}"),
        _ => plan_err!("{name} takes 1 arguments (interval), got {}", types.len()),
    }
}

fn justified(
    call: &Call<'_>,
    justify: fn(IntervalMonthDayNano) -> Result<IntervalMonthDayNano>,
) -> Result<ColumnarValue> {
    let given = intervals(&call.given(0)?)?;
    let justified: Result<IntervalMonthDayNanoArray> =
        given.iter().map(|interval| interval.map(justify).transpose()).collect();
    call.result(Arc::new(justified?))
}

const MEANING: &str =
    "An interval, or a difference of instants. One whose months or days are too many to be held is an error.";

static HOURS: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        DURATIONS,
        "justify_hours(interval)",
        "Returns an interval with whole days in place of 24 hours each.",
        &[("interval", MEANING)],
        "SELECT justify_hours(interval '50 hours 10 minutes')::text;\n-- 2 days 02:10:00",
    )
});

static DAYS: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        DURATIONS,
        "justify_days(interval)",
        "Returns an interval with whole months in place of 30 days each.",
        &[("interval", MEANING)],
        "SELECT justify_days(interval '65 days')::text;\n-- 2 mons 5 days",
    )
});

static BOTH: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        DURATIONS,
        "justify_interval(interval)",
        "Returns an interval with whole months and days in place of 30 days and 24 hours each, and one sign for all of its parts.",
        &[("interval", MEANING)],
        "SELECT justify_interval(interval '1 month -1 hour')::text;\n-- 29 days 23:00:00",
    )
});

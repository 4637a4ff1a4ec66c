//! `justify_hours`, `justify_days` and `justify_interval`: larger units in place of many small ones.

use std::sync::{Arc, LazyLock};

use arrow::array::IntervalMonthDayNanoArray;
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arrays::intervals;
use super::{INTERVAL, is_length, value};
use crate::functions::arguments::{self, Call};
use crate::functions::reference::DURATIONS;

/// Which units are filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    /// 24 hours become a day.
    Hours,
    /// 30 days become a month.
    Days,
    /// Both, and all parts get one sign.
    Both,
}

impl Unit {
    fn justify(self, interval: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
        match self {
            Self::Hours => value::justify_hours(interval),
            Self::Days => value::justify_days(interval),
            Self::Both => value::justify_interval(interval),
        }
    }
}

/// The three functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Justify {
    unit: Unit,
    signature: Signature,
}

impl Justify {
    /// Makes the function of a unit.
    pub(crate) fn new(unit: Unit) -> Self {
        Self { unit, signature: arguments::signature(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Justify {
    fn name(&self) -> &'static str {
        match self.unit {
            Unit::Hours => "justify_hours",
            Unit::Days => "justify_days",
            Unit::Both => "justify_interval",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let name = self.name();
        match types {
            [given] if is_length(given) || given.is_null() => Ok(INTERVAL),
            [given] => plan_err!("{name}: argument 1 (interval) must be an interval, got {given}"),
            _ => plan_err!("{name} takes 1 arguments (interval), got {}", types.len()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(&args);
        let given = args.args.first().map(|arg| arg.to_array(call.rows)).transpose()?;
        let given =
            given.as_ref().map(intervals).transpose()?.unwrap_or_else(|| IntervalMonthDayNanoArray::new_null(0));
        let justified: Result<IntervalMonthDayNanoArray> =
            given.iter().map(|interval| interval.map(|interval| self.unit.justify(interval)).transpose()).collect();
        call.result(Arc::new(justified?))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(match self.unit {
            Unit::Hours => &HOURS,
            Unit::Days => &DAYS,
            Unit::Both => &BOTH,
        })
    }
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

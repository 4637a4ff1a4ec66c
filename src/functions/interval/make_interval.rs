//! `make_interval(years, months, weeks, days, hours, mins, secs)`: an interval out of numbers.

use std::sync::{Arc, LazyLock};

use arrow::array::IntervalMonthDayNanoBuilder;
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, Signature, Volatility};

use super::INTERVAL;
use super::value::{of_parts, out_of_range};
use crate::functions::arguments::{self, Call};
use crate::functions::frame::Function;
use crate::functions::reference::DURATIONS;

/// The names of the arguments, by which `make_interval(days => 2)` gives some of them.
pub const PARAMETERS: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];

/// The function.
pub(crate) static MAKE_INTERVAL: Function = Function {
    signature: || Signature::one_of(signatures(), Volatility::Immutable),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("make_interval", returns, run)
};

fn signatures() -> Vec<datafusion::logical_expr::TypeSignature> {
    use datafusion::logical_expr::TypeSignature::{Nullary, VariadicAny};
    vec![VariadicAny, Nullary]
}

/// Makes an interval of numbers in the order of the parameters. All but the seconds are taken as whole.
fn interval(numbers: [f64; 7]) -> Result<IntervalMonthDayNano> {
    let whole = |number: f64| {
        let number = number.round_ties_even();
        if number.abs() <= f64::from(i32::MAX) { Ok(number as i128) } else { Err(out_of_range()) }
    };
    let [years, months, weeks, days, hours, minutes, seconds] = numbers;
    if seconds.is_nan() || seconds.abs() >= 1e12 {
        return Err(out_of_range());
    }
    // PostgreSQL has microseconds.
    let microseconds = (seconds * 1e6).round_ties_even() as i128;
    let time = (whole(hours)? * 3_600 + whole(minutes)? * 60) * 1_000_000 + microseconds;
    of_parts(whole(years)? * 12 + whole(months)?, whole(weeks)? * 7 + whole(days)?, time * 1_000)
}

fn returns(types: &[DataType]) -> Result<DataType> {
    if types.len() > PARAMETERS.len() {
        return plan_err!("make_interval takes up to 7 arguments ({}), got {}", PARAMETERS.join(", "), types.len());
    }
    for (index, (given, name)) in types.iter().zip(PARAMETERS).enumerate() {
        if !given.is_numeric() && !given.is_null() {
            return plan_err!("make_interval: argument {} ({name}) must be a number, got {given}", index + 1);
        }
    }
    Ok(INTERVAL)
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let numbers = (0..call.len()).map(|index| call.numbers(index)).collect::<Result<Vec<_>>>()?;
    let mut made = IntervalMonthDayNanoBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let mut parts = Some([0.0; 7]);
        for (index, numbers) in numbers.iter().enumerate() {
            match (numbers.get(row), parts.as_mut().and_then(|parts| parts.get_mut(index))) {
                (Some(number), Some(part)) => *part = number,
                _ => parts = None,
            }
        }
        made.append_option(parts.map(interval).transpose()?);
    }
    call.result(Arc::new(made.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        DURATIONS,
        "make_interval(years, months, weeks, days, hours, mins, secs)",
        "Returns an interval of so many years, months, weeks, days, hours, minutes and seconds. What is left out is 0; arguments may be \
         given by name: `make_interval(days => 2)`. An interval that is too long to be held is an error.",
        &[
            ("years", "A whole number, as are those up to `mins`."),
            ("secs", "A number, with fractions down to microseconds."),
        ],
        "SELECT make_interval(0, 0, 0, 2, 4, 5, 6.7)::text;\n-- 2 days 04:05:06.7",
    )
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parts_and_what_cannot_be_held_is_an_error() {
        let made = interval([1.0, 2.0, 1.0, 3.0, -4.0, 5.0, 6.5]).unwrap();
        assert_eq!(made, IntervalMonthDayNano::new(14, 10, (-4 * 3_600 + 5 * 60) * 1_000_000_000 + 6_500_000_000));
        for beyond in [
            [3e8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1e9, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f64::NAN],
            [0.0, 0.0, 0.0, 0.0, 1e300, 0.0, 0.0],
        ] {
            assert!(interval(beyond).is_err(), "{beyond:?}");
        }
    }
}

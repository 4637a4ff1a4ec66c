//! The functions that plans are rewritten with: lengths, ranks and parts of intervals, and what puts them together again.
//!
//! They are no part of the reference, as no query needs to call them. They take intervals and durations of any unit.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, Int64Array, IntervalMonthDayNanoArray, StringViewArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float64Type, Int64Type, IntervalMonthDayNano, IntervalUnit, i256,
};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::arrays::{KEY_TYPE, intervals, lengths};
use super::value::{self, DAY_NS, MONTH_DAYS};
use super::{is_interval, is_length, text};
use crate::functions::nested::{convert, with_types};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const RANK_TYPE: DataType = DataType::Decimal256(76, 0);

/// What one of the functions computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The length in nanoseconds, a month taken for 30 days: by it intervals are compared.
    Length,
    /// A number that has the order of lengths and holds the interval: the least of them is the least interval.
    Rank,
    /// The interval of a rank.
    OfRank,
    /// The months.
    Months,
    /// The days.
    Days,
    /// The time in nanoseconds.
    Time,
    /// The interval of sums of months, days and times; days that are null are taken out of the time.
    OfSums,
    /// The average of as many intervals as the fourth argument says, of whose months, days and times the others are the sums.
    OfAverage,
    /// A sum of counts divided by a number of them, rounded to the nearest count, halves to the even one. The third argument is
    /// what to count in where the sum is a multiple of it.
    Quotient,
    /// A duration as an interval of days and time.
    OfDuration,
    /// The text, in PostgreSQL's style.
    Text,
    /// The interval that a text says; an error if it says none.
    Parse,
    /// The interval that a text says; null if it says none.
    TryParse,
    /// The interval times a number.
    Multiply,
    /// The interval divided by a number.
    Divide,
    /// A list or struct with the lengths of its intervals in their places.
    Lengths,
    /// A list or struct with the ranks of its intervals in their places.
    Ranks,
    /// A list or struct with the intervals of ranks in their places.
    OfRanks,
    /// The negative of a difference of instants, or of a number. The rule on texts takes it out of plans.
    Negative,
}

impl Part {
    const ALL: [Self; 19] = [
        Self::Length,
        Self::Rank,
        Self::OfRank,
        Self::Months,
        Self::Days,
        Self::Time,
        Self::OfSums,
        Self::OfAverage,
        Self::Quotient,
        Self::OfDuration,
        Self::Text,
        Self::Parse,
        Self::TryParse,
        Self::Multiply,
        Self::Divide,
        Self::Lengths,
        Self::Ranks,
        Self::OfRanks,
        Self::Negative,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Length => "interval_length",
            Self::Rank => "interval_rank",
            Self::OfRank => "interval_of_rank",
            Self::Months => "interval_months",
            Self::Days => "interval_days",
            Self::Time => "interval_time",
            Self::OfSums => "interval_of_sums",
            Self::OfAverage => "interval_of_average",
            Self::Quotient => "interval_quotient",
            Self::OfDuration => "interval_of_duration",
            Self::Text => "interval_text",
            Self::Parse => "interval_parse",
            Self::TryParse => "interval_try_parse",
            Self::Multiply => "interval_multiply",
            Self::Divide => "interval_divide",
            Self::Lengths => "interval_lengths",
            Self::Ranks => "interval_ranks",
            Self::OfRanks => "interval_of_ranks",
            Self::Negative => "interval_negative",
        }
    }

    fn arguments(self) -> usize {
        match self {
            Self::OfSums | Self::Quotient => 3,
            Self::OfAverage => 4,
            Self::Multiply | Self::Divide => 2,
            _ => 1,
        }
    }

    fn returns(self, given: &DataType) -> DataType {
        let inside = |replace: &dyn Fn(&DataType) -> Option<DataType>| {
            with_types(given, replace).unwrap_or_else(|| given.clone())
        };
        match self {
            Self::Lengths => inside(&|data_type| is_length(data_type).then_some(KEY_TYPE)),
            Self::Ranks => inside(&|data_type| is_interval(data_type).then_some(RANK_TYPE)),
            Self::OfRanks => inside(&|data_type| (*data_type == RANK_TYPE).then_some(INTERVAL)),
            Self::Negative if !matches!(given, DataType::Duration(_)) => given.clone(),
            Self::Length | Self::Time => KEY_TYPE,
            Self::Rank => RANK_TYPE,
            Self::Months | Self::Days | Self::Quotient => DataType::Int64,
            Self::Text => DataType::Utf8View,
            _ => INTERVAL,
        }
    }

    /// Computes values inside of lists and structs.
    fn compute_inside(self, array: &ArrayRef) -> Result<ArrayRef> {
        let single = match self {
            Self::Lengths => Self::Length,
            Self::Ranks => Self::Rank,
            _ => Self::OfRank,
        };
        convert(array, &self.returns(array.data_type()), &|array, _| single.compute(&[Arc::clone(array)]))
    }

    /// The function.
    pub fn function(self) -> Arc<ScalarUDF> {
        static ALL: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
            let made = |part: Part| {
                let signature = Signature::any(part.arguments(), Volatility::Immutable);
                Arc::new(ScalarUDF::new_from_impl(PartFunction { part, signature }))
            };
            Part::ALL.into_iter().map(made).collect()
        });
        let index = Self::ALL.iter().position(|part| *part == self).unwrap_or_default();
        Arc::clone(&ALL[index])
    }

    /// Calls the function.
    pub fn call(self, args: Vec<Expr>) -> Expr {
        Expr::ScalarFunction(ScalarFunction { func: self.function(), args })
    }

    /// Returns the arguments of an expression that is a call of this function.
    pub fn arguments_of(self, expr: &Expr) -> Option<&[Expr]> {
        match expr {
            Expr::ScalarFunction(call) if call.func.name() == self.name() => Some(&call.args),
            _ => None,
        }
    }

    fn compute(self, args: &[ArrayRef]) -> Result<ArrayRef> {
        let Some(first) = args.first() else { return internal_err!("{} without arguments", self.name()) };
        Ok(match self {
            Self::Length => Arc::new(lengths(first)?),
            Self::Rank => {
                let ranks: Decimal256Array = intervals(first)?.unary(rank);
                Arc::new(ranks.with_precision_and_scale(76, 0)?)
            }
            Self::OfRank => {
                let made: IntervalMonthDayNanoArray = first.as_primitive::<Decimal256Type>().unary(of_rank);
                Arc::new(made)
            }
            Self::Months => {
                let months: Int64Array = intervals(first)?.unary(|interval| i64::from(interval.months));
                Arc::new(months)
            }
            Self::Days => {
                let days: Int64Array = intervals(first)?.unary(|interval| i64::from(interval.days));
                Arc::new(days)
            }
            Self::Time => {
                let times: Decimal128Array = intervals(first)?.unary(|interval| i128::from(interval.nanoseconds));
                Arc::new(times.with_precision_and_scale(38, 0)?)
            }
            Self::OfSums | Self::OfAverage => {
                let [months, days, times, counts @ ..] = args else {
                    return internal_err!("{} takes sums", self.name());
                };
                let (months, days) = (months.as_primitive::<Int64Type>(), days.as_primitive::<Int64Type>());
                let times = cast(times, &KEY_TYPE)?;
                let times = times.as_primitive::<Decimal128Type>();
                let counts = counts.first().map(|counts| counts.as_primitive::<Int64Type>());
                let made = (0..times.len()).map(|row| {
                    if times.is_null(row) {
                        return Ok(None);
                    }
                    let (month, mut time) = (months.value(row), times.value(row));
                    let day = if days.is_null(row) {
                        let (days, rest) = (time / i128::from(DAY_NS), time % i128::from(DAY_NS));
                        time = rest;
                        i64::try_from(days).map_err(|_| value::out_of_range())?
                    } else {
                        days.value(row)
                    };
                    match counts {
                        Some(counts) if counts.value(row) == 0 => Ok(None),
                        Some(counts) => value::divide_parts(month, day, time, counts.value(row) as f64).map(Some),
                        None => value::of_parts(month.into(), day.into(), time).map(Some),
                    }
                });
                Arc::new(made.collect::<Result<IntervalMonthDayNanoArray>>()?)
            }
            Self::Quotient => {
                let [_, numbers, steps] = args else { return internal_err!("{} takes three arguments", self.name()) };
                let steps = steps.as_primitive::<Int64Type>();
                let sums = cast(first, &KEY_TYPE)?;
                let sums = sums.as_primitive::<Decimal128Type>();
                let rows = sums.iter().zip(numbers.as_primitive::<Int64Type>()).zip(steps);
                let quotients = rows.map(|row| match row {
                    ((Some(sum), Some(number)), Some(step)) if number > 0 => {
                        let step = if sum % i128::from(step.max(1)) == 0 { i128::from(step.max(1)) } else { 1 };
                        let quotient = nearest(sum / step, number.into()) * step;
                        i64::try_from(quotient).map(Some).map_err(|_| value::out_of_range())
                    }
                    _ => Ok(None),
                });
                Arc::new(quotients.collect::<Result<Int64Array>>()?)
            }
            Self::OfDuration => Arc::new(intervals(first)?),
            Self::Lengths | Self::Ranks | Self::OfRanks => self.compute_inside(first)?,
            Self::Negative => return internal_err!("{} was not taken out of the plan", self.name()),
            Self::Text => {
                let mut written = String::new();
                let intervals = intervals(first)?;
                let texts = intervals.iter().map(|interval| {
                    interval.map(|interval| {
                        written.clear();
                        text::push_postgres(
                            interval.months,
                            interval.days.into(),
                            interval.nanoseconds.into(),
                            &mut written,
                        );
                        written.clone()
                    })
                });
                Arc::new(texts.collect::<StringViewArray>())
            }
            Self::Parse | Self::TryParse => {
                let texts = cast(first, &DataType::Utf8View)?;
                let read = texts.as_string_view().iter().map(|text| match text {
                    None => Ok(None),
                    Some(text) => match text::parse(text) {
                        None if self == Self::Parse => {
                            Err(exec_datafusion_err!("invalid input syntax for type interval: {text:?}"))
                        }
                        read => Ok(read),
                    },
                });
                Arc::new(read.collect::<Result<IntervalMonthDayNanoArray>>()?)
            }
            Self::Multiply | Self::Divide => {
                let [_, numbers] = args else { return internal_err!("{} takes two arguments", self.name()) };
                let numbers = cast(numbers, &DataType::Float64)?;
                let numbers = numbers.as_primitive::<Float64Type>();
                let scale = if self == Self::Multiply { value::multiply } else { value::divide };
                let scaled = intervals(first)?
                    .iter()
                    .zip(numbers)
                    .map(|pair| match pair {
                        (Some(interval), Some(number)) => scale(interval, number).map(Some),
                        _ => Ok(None),
                    })
                    .collect::<Result<IntervalMonthDayNanoArray>>()?;
                Arc::new(scaled)
            }
        })
    }
}

/// Divides by a number above zero; halves go to the even quotient, as PostgreSQL rounds.
fn nearest(sum: i128, number: i128) -> i128 {
    let (floor, rest) = (sum.div_euclid(number), sum.rem_euclid(number));
    match (rest * 2).cmp(&number) {
        Ordering::Less => floor,
        Ordering::Equal => floor + floor.rem_euclid(2),
        Ordering::Greater => floor + 1,
    }
}

/// Lists the functions.
pub(crate) fn all() -> impl Iterator<Item = Arc<ScalarUDF>> {
    Part::ALL.into_iter().map(Part::function)
}

/// The length above, months and days below, so that equal lengths have an order too.
fn rank(interval: IntervalMonthDayNano) -> i256 {
    let above = |part: i32| u128::from(part.cast_unsigned() ^ 0x8000_0000);
    let length = value::total_ns(interval);
    let low = (length.cast_unsigned() << 64) | (above(interval.months) << 32) | above(interval.days);
    i256::from_parts(low, length >> 64)
}

fn of_rank(rank: i256) -> IntervalMonthDayNano {
    let (low, high) = rank.to_parts();
    let part = |shift: u32| ((low >> shift) as u32 ^ 0x8000_0000).cast_signed();
    let (months, days) = (part(32), part(0));
    let length = (high << 64) | (low >> 64).cast_signed();
    let whole_days = i128::from(months) * i128::from(MONTH_DAYS) + i128::from(days);
    let time = length - whole_days * i128::from(DAY_NS);
    IntervalMonthDayNano::new(months, days, i64::try_from(time).unwrap_or_default())
}

/// One of the functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PartFunction {
    part: Part,
    signature: Signature,
}

impl ScalarUDFImpl for PartFunction {
    fn name(&self) -> &str {
        self.part.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.part.returns(types.first().unwrap_or(&DataType::Null)))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        match (self.part, args) {
            // As the operator is named.
            (Part::Negative, [arg]) => Ok(format!("(- {})", arg.schema_name())),
            _ => {
                let args: Vec<String> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
                Ok(format!("{}({})", self.name(), args.join(",")))
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let arrays = args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let computed = self.part.compute(&arrays)?;
        Ok(if is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&computed, 0)?)
        } else {
            ColumnarValue::Array(computed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_has_its_function() {
        for part in Part::ALL {
            assert_eq!(part.function().name(), part.name());
        }
    }

    #[test]
    fn quotients_are_rounded_to_the_even_one() {
        for (sum, number, quotient) in
            [(3, 2, 2), (5, 2, 2), (-3, 2, -2), (-1, 2, 0), (4, 3, 1), (-4, 3, -1), (5, 3, 2), (7, 1, 7)]
        {
            assert_eq!(nearest(sum, number), quotient, "{sum} / {number}");
        }
    }

    proptest! {
        #[test]
        fn ranks_hold_their_interval_in_the_order_of_lengths(a: (i32, i32, i64), b: (i32, i32, i64)) {
            let [a, b] = [a, b].map(|(m, d, n)| IntervalMonthDayNano::new(m, d, n));
            prop_assert_eq!(of_rank(rank(a)), a);
            let by_length = value::total_ns(a).cmp(&value::total_ns(b));
            if by_length.is_ne() {
                prop_assert_eq!(rank(a).cmp(&rank(b)), by_length);
            }
        }
    }
}

//! `avg` of decimals whose last digit is rounded.
//!
//! DataFusion 55.2 cuts what is behind the last digit: of 1, 2 and 2 it makes 1.66666. What it holds of the rows is its own here, sum and count; the mean is made
//! of those, halves away from zero.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal256Array, UInt64Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Decimal256Type, i256};
use arrow::util::display::FormatOptions;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF, EmitTo, GroupsAccumulator};

use super::instead::{InsteadOfAggregate, aggregate};

/// A value that does not fit is an error.
const CHECKED: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// `avg` of decimals.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounded {
    stock: Arc<AggregateUDF>,
}

/// Returns the aggregate that stands in for `avg` of DataFusion's; `None` for other aggregates and types.
pub fn rounded(stock: &AggregateUDF, data_type: &DataType) -> Option<Arc<AggregateUDF>> {
    static MEAN: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| aggregate(Rounded { stock: avg_udaf() }));
    (stock.name() == "avg" && data_type.is_decimal()).then(|| Arc::clone(&MEAN))
}

impl InsteadOfAggregate for Rounded {
    fn stock(&self) -> &Arc<AggregateUDF> {
        &self.stock
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let returns = args.return_type().clone();
        Ok(Box::new(Rounding { returns, inner: self.stock.accumulator(args)? }))
    }

    fn sliding(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let returns = args.return_type().clone();
        Ok(Box::new(Rounding { returns, inner: self.stock.inner().create_sliding_accumulator(args)? }))
    }

    fn groups(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let returns = args.return_type().clone();
        Ok(Box::new(Rounding { returns, inner: self.stock.inner().create_groups_accumulator(args)? }))
    }
}

/// An accumulator of DataFusion's, and the type of the means that are made of its states.
#[derive(Debug)]
struct Rounding<A> {
    returns: DataType,
    inner: A,
}

impl<A> Rounding<A> {
    fn mean(&self, state: &[ArrayRef]) -> Result<ArrayRef> {
        match state {
            [counts, sums] => means(counts.as_primitive(), sums, &self.returns),
            // Of distinct values it holds the values.
            [values] => {
                let values = values.as_list::<i32>().values();
                let wide = wide(values)?;
                let sum = wide.iter().flatten().try_fold(i256::ZERO, i256::checked_add);
                let sum = Decimal256Array::from(vec![sum]).with_data_type(wide.data_type().clone());
                let count = (values.len() - values.null_count()) as u64;
                means(&UInt64Array::from(vec![count]), &sum, &self.returns)
            }
            _ => internal_err!("a mean of decimals with another state"),
        }
    }
}

/// Decimals of the greatest width.
fn wide(decimals: &dyn Array) -> Result<Decimal256Array> {
    let wide = DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale(decimals.data_type())?);
    Ok(cast_with_options(decimals, &wide, &CHECKED)?.as_primitive::<Decimal256Type>().clone())
}

fn scale(data_type: &DataType) -> Result<i8> {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Ok(*scale),
        other => internal_err!("a mean of decimals has {other}"),
    }
}

/// Divides sums by counts, and rounds to the digits of the type.
fn means(counts: &UInt64Array, sums: &dyn Array, returns: &DataType) -> Result<ArrayRef> {
    let more_digits = scale(returns)? - scale(sums.data_type())?;
    let factor = u32::try_from(more_digits).ok().and_then(|digits| i256::from_i128(10).checked_pow(digits));
    let mut means = Vec::with_capacity(sums.len());
    for (sum, count) in wide(sums)?.iter().zip(counts) {
        let (Some(sum), Some(count @ 1..)) = (sum, count) else {
            means.push(None);
            continue;
        };
        let Some(mean) = factor.and_then(|factor| quotient(sum.checked_mul(factor)?, i256::from_i128(count.into())))
        else {
            return exec_err!("the mean of decimals is out of range");
        };
        means.push(Some(mean));
    }
    let means = Decimal256Array::from(means).with_precision_and_scale(DECIMAL256_MAX_PRECISION, scale(returns)?)?;
    Ok(cast_with_options(&means, returns, &CHECKED)?)
}

/// The nearest whole number of a division, halves away from zero.
fn quotient(dividend: i256, divisor: i256) -> Option<i256> {
    let (whole, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let is_half = rest.wrapping_abs().checked_mul(i256::from_i128(2))? >= divisor;
    if is_half { whole.checked_add(dividend.signum()) } else { Some(whole) }
}

impl Accumulator for Rounding<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let state = self.inner.state()?.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>()?;
        ScalarValue::try_from_array(&self.mean(&state)?, 0)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

impl GroupsAccumulator for Rounding<Box<dyn GroupsAccumulator>> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        count: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, count)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], count: usize) -> Result<()> {
        self.inner.merge_batch(states, groups, count)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let state = self.inner.state(emit_to)?;
        self.mean(&state)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        let whole = |dividend: i128, divisor: i128| quotient(i256::from_i128(dividend), i256::from_i128(divisor));
        for (dividend, divisor, expected) in
            [(5, 2, 3), (-5, 2, -3), (4, 3, 1), (5, 3, 2), (-4, 3, -1), (-5, 3, -2), (0, 7, 0), (1, 2, 1)]
        {
            assert_eq!(whole(dividend, divisor), Some(i256::from_i128(expected)), "{dividend} / {divisor}");
        }
        assert_eq!(quotient(i256::MAX, i256::ONE), Some(i256::MAX));
        assert_eq!(whole(1, 0), None);
    }
}

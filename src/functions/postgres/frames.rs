//! Variances of doubles over frames that slide.
//!
//! DataFusion takes off again what leaves a frame. Of doubles that leaves something behind: after 1e20 has passed, the variance of 1 and 2 is 0,
//! and after a NaN or an infinity every later frame is NaN. Sums and means are exact and take off what they added ([`exact`](super::super::exact));
//! of squares there is no such number. Here what leaves is forgotten: the values of a frame are held in two stacks, each with the
//! states of all that is above, so that a row takes the same time however long its frame is, and nothing is ever subtracted.
//!
//! A state of a frame's value takes 24 bytes, where DataFusion holds none; the rows themselves are counted by the window.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF};

use crate::functions::instead::{InsteadOfAggregate, aggregate};

/// What is computed of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Measure {
    Variance,
    PopulationVariance,
    Deviation,
    PopulationDeviation,
}

/// An aggregate of DataFusion whose frames slide without subtraction.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfFrames {
    stock: Arc<AggregateUDF>,
    measure: Measure,
}

/// Returns an aggregate of doubles for windows; `None` where DataFusion's own is right.
pub fn of_frames(stock: &Arc<AggregateUDF>, data_type: &DataType) -> Option<Arc<AggregateUDF>> {
    if *data_type != DataType::Float64 {
        return None;
    }
    let measure = match stock.name() {
        "var" => Measure::Variance,
        "var_pop" => Measure::PopulationVariance,
        "stddev" => Measure::Deviation,
        "stddev_pop" => Measure::PopulationDeviation,
        _ => return None,
    };
    Some(aggregate(OfFrames { stock: Arc::clone(stock), measure }))
}

impl InsteadOfAggregate for OfFrames {
    fn stock(&self) -> &Arc<AggregateUDF> {
        &self.stock
    }

    fn sliding(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct || *args.return_field.data_type() != DataType::Float64 {
            return self.stock.inner().create_sliding_accumulator(args);
        }
        Ok(Box::new(Frame::new(self.measure)))
    }
}

/// The sum of values, and of the squares of their distances to the mean (Chan, Golub and LeVeque, 1979).
#[derive(Debug, Clone, Copy, Default)]
struct Spread {
    count: u64,
    sum: f64,
    squares: f64,
}

impl Spread {
    fn of(value: f64) -> Self {
        // Of NaN and infinities the distance to their mean is no number.
        Self { count: 1, sum: value, squares: if value.is_finite() { 0.0 } else { f64::NAN } }
    }

    /// The state of the values of both.
    fn with(self, other: Self) -> Self {
        if self.count == 0 {
            return other;
        }
        if other.count == 0 {
            return self;
        }
        let (here, there) = (self.count as f64, other.count as f64);
        let apart = other.sum / there - self.sum / here;
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares + apart * apart * (here * there / (here + there)),
        }
    }

    /// What is asked of them; `None` is null.
    fn answer(self, measure: Measure) -> Option<f64> {
        let count = self.count as f64;
        let least = if matches!(measure, Measure::Variance | Measure::Deviation) { 2 } else { 1 };
        (self.count >= least).then(|| match measure {
            Measure::Variance => self.squares / (count - 1.0),
            Measure::PopulationVariance => self.squares / count,
            Measure::Deviation => (self.squares / (count - 1.0)).sqrt(),
            Measure::PopulationDeviation => (self.squares / count).sqrt(),
        })
    }
}

/// The values of a frame: those that came last as they are, those before as states, the oldest on top.
#[derive(Debug)]
struct Frame {
    measure: Measure,
    /// The states of each value and of those older ones' successors; the last is that of all in here.
    old: Vec<Spread>,
    new: Vec<f64>,
    /// The state of the new ones.
    of_new: Spread,
}

impl Frame {
    fn new(measure: Measure) -> Self {
        Self { measure, old: Vec::new(), new: Vec::new(), of_new: Spread::default() }
    }

    fn push(&mut self, value: f64) {
        self.new.push(value);
        self.of_new = self.of_new.with(Spread::of(value));
    }

    /// Takes the oldest value out.
    fn pop(&mut self) {
        if self.old.is_empty() {
            let mut state = Spread::default();
            for value in self.new.drain(..).rev() {
                state = Spread::of(value).with(state);
                self.old.push(state);
            }
            self.of_new = Spread::default();
        }
        self.old.pop();
    }

    fn whole(&self) -> Spread {
        self.old.last().copied().unwrap_or_default().with(self.of_new)
    }
}

fn doubles(values: &[ArrayRef]) -> Result<&arrow::array::Float64Array> {
    match values.first().and_then(|values| values.as_primitive_opt::<Float64Type>()) {
        Some(values) => Ok(values),
        None => internal_err!("a frame of doubles holds something else"),
    }
}

impl Accumulator for Frame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in doubles(values)?.iter().flatten() {
            self.push(value);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // What leaves a frame is what came first.
        let values = doubles(values)?;
        for _ in 0..values.len() - values.null_count() {
            self.pop();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.whole().answer(self.measure)))
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("frames are not merged")
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a frame has no state to go elsewhere")
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.old.capacity() * size_of::<Spread>() + self.new.capacity() * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of frames of some length over values, one for each value.
    fn answers(measure: Measure, length: usize, values: &[f64]) -> Vec<Option<f64>> {
        let mut frame = Frame::new(measure);
        let mut answers = Vec::new();
        for (index, value) in values.iter().enumerate() {
            frame.push(*value);
            if index >= length {
                frame.pop();
            }
            answers.push(frame.whole().answer(measure));
        }
        answers
    }

    #[test]
    fn what_has_left_a_frame_leaves_nothing_behind() {
        let spread = answers(Measure::Variance, 3, &[1e9, 300.5, 301.5, 299.5, 300.5]);
        assert_eq!(spread[0], None);
        assert_eq!(spread[3], Some(1.0));
        assert_eq!(spread[4], Some(1.0));
        let same = answers(Measure::PopulationDeviation, 2, &[1e15, 1e15, f64::NAN, 7.0, 7.0]);
        assert_eq!([same[0], same[1], same[4]], [Some(0.0); 3]);
        assert!(same[2].is_some_and(f64::is_nan) && same[3].is_some_and(f64::is_nan));
    }

    #[test]
    fn frames_of_every_length_are_what_their_values_are() {
        let values: Vec<f64> = (0..60).map(|index| f64::from(index * index % 37) / 4.0).collect();
        for length in 1..20 {
            let spreads = answers(Measure::PopulationVariance, length, &values);
            for index in 0..values.len() {
                let frame = &values[(index + 1).saturating_sub(length)..=index];
                let mean = frame.iter().sum::<f64>() / frame.len() as f64;
                let squares: f64 = frame.iter().map(|value| (value - mean) * (value - mean)).sum();
                let spread = spreads[index].unwrap();
                assert!((spread - squares / frame.len() as f64).abs() < 1e-9, "{length} {index}");
            }
        }
    }
}

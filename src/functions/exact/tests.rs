//! The sums and means are those of big integers, whatever the order and the way of the rows.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::col;
use proptest::prelude::*;

use super::exact;
use super::sums::Sums;
use super::wide::Wide;

/// Bits of the sums, from the least double on, and of the fractions of means below them.
const BITS: usize = 2_200;
const FRACTION: usize = 70;

/// How often each power of two was added: slow, and with nothing to get wrong.
#[derive(Clone)]
struct Slow {
    bits: Vec<i64>,
    special: Vec<f64>,
    count: u64,
}

impl Slow {
    fn of(values: &[f64]) -> Self {
        let mut slow = Self { bits: vec![0; BITS], special: Vec::new(), count: values.len() as u64 };
        for value in values {
            if !value.is_finite() {
                slow.special.push(*value);
                continue;
            }
            let (exponent, fraction) = (value.to_bits() >> 52 & 0x7ff, value.to_bits() & ((1 << 52) - 1));
            let number = if exponent == 0 { fraction } else { fraction | 1 << 52 };
            for bit in 0..53 {
                if number >> bit & 1 == 1 {
                    slow.bits[exponent.max(1) as usize - 1 + bit] += if *value < 0.0 { -1 } else { 1 };
                }
            }
        }
        slow
    }

    /// The sum divided by a number, rounded to the even double.
    fn divided(&self, divisor: u64) -> f64 {
        if !self.special.is_empty() {
            return self.special.iter().sum();
        }
        let carried = |sign: i64| {
            let mut carry = 0;
            let bits: Vec<bool> = self
                .bits
                .iter()
                .map(|count| {
                    carry += sign * count;
                    let bit = carry & 1;
                    carry >>= 1;
                    bit == 1
                })
                .collect();
            (bits, carry)
        };
        let (mut bits, carry) = carried(1);
        let is_negative = carry < 0;
        if is_negative {
            bits = carried(-1).0;
        }
        // By hand, a bit at a time, with some bits behind the point.
        let mut rest = 0_u128;
        let mut quotient = vec![false; BITS + FRACTION];
        for place in (0..BITS + FRACTION).rev() {
            rest = rest * 2 + u128::from(place >= FRACTION && bits[place - FRACTION]);
            if rest >= u128::from(divisor) {
                quotient[place] = true;
                rest -= u128::from(divisor);
            }
        }
        let Some(top) = quotient.iter().rposition(|bit| *bit) else { return 0.0 };
        let floor = (top.max(52) - 52).max(FRACTION);
        let mut number =
            (floor..=top.max(floor)).rev().fold(0_u64, |number, place| number * 2 + u64::from(quotient[place]));
        let half = quotient[floor - 1];
        let more = rest > 0 || quotient[..floor - 1].contains(&true);
        if half && (more || number % 2 == 1) {
            number += 1;
        }
        // Twice 2^-1074 as often as it stands above the least double.
        let mut value = number as f64;
        let mut exponent = floor as i32 - FRACTION as i32 - 1074;
        while exponent > 0 {
            value *= 2.0;
            exponent -= 1;
        }
        // Before the last steps nothing is below the least double, so that no step rounds.
        if exponent == -1074 {
            value = f64::from_bits(number);
        } else {
            while exponent < 0 {
                value /= 2.0;
                exponent += 1;
            }
        }
        if is_negative { -value } else { value }
    }

    fn sum(&self) -> Option<f64> {
        (self.count > 0).then(|| self.divided(1))
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.divided(self.count))
    }

    fn answer(&self, is_mean: bool) -> Option<u64> {
        if is_mean { self.mean() } else { self.sum() }.map(bits)
    }
}

/// The bits of a double; NaN are one.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn aggregates() -> [(Arc<AggregateUDF>, bool); 2] {
    [(sum_udaf(), false), (avg_udaf(), true)]
        .map(|(stock, is_mean)| (exact(&stock, &DataType::Float64).unwrap(), is_mean))
}

fn with_args<R>(call: impl FnOnce(AccumulatorArgs<'_>) -> R, is_distinct: bool) -> R {
    let schema = Schema::new(vec![Field::new("x", DataType::Float64, true)]);
    let exprs: [Arc<dyn PhysicalExpr>; 1] = [col("x", &schema).unwrap()];
    let fields: [FieldRef; 1] = [Arc::new(schema.field(0).clone())];
    call(AccumulatorArgs {
        return_field: Arc::new(Field::new("y", DataType::Float64, true)),
        schema: &schema,
        ignore_nulls: false,
        order_bys: &[],
        is_reversed: false,
        name: "y",
        is_distinct,
        exprs: &exprs,
        expr_fields: &fields,
    })
}

fn one(aggregate: &AggregateUDF) -> Box<dyn Accumulator> {
    with_args(|args| aggregate.accumulator(args), false).unwrap()
}

fn sliding(aggregate: &AggregateUDF) -> Box<dyn Accumulator> {
    with_args(|args| aggregate.create_sliding_accumulator(args), false).unwrap()
}

fn groups(aggregate: &AggregateUDF) -> Box<dyn GroupsAccumulator> {
    with_args(|args| aggregate.create_groups_accumulator(args), false).unwrap()
}

fn state_schema(aggregate: &AggregateUDF) -> SchemaRef {
    let return_field: FieldRef = Arc::new(Field::new("y", DataType::Float64, true));
    let input: FieldRef = Arc::new(Field::new("x", DataType::Float64, true));
    let args =
        StateFieldsArgs { name: "y", input_fields: &[input], return_field, ordering_fields: &[], is_distinct: false };
    Arc::new(Schema::new(aggregate.state_fields(args).unwrap()))
}

/// A state as it comes back from a file or from another machine.
fn travelled(aggregate: &AggregateUDF, state: Vec<ArrayRef>) -> Vec<ArrayRef> {
    let batch = RecordBatch::try_new(state_schema(aggregate), state).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    StreamReader::try_new(Cursor::new(bytes), None).unwrap().next().unwrap().unwrap().columns().to_vec()
}

fn column(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn answers(array: &ArrayRef) -> Vec<Option<u64>> {
    array.as_primitive::<Float64Type>().iter().map(|value| value.map(bits)).collect()
}

/// Doubles of a kind that columns are of.
fn kinds() -> impl Strategy<Value = Vec<f64>> {
    let every = proptest::num::f64::ANY;
    let finite = every.prop_filter("finite", |value| value.is_finite());
    let near = (-40_i32..40, any::<i64>()).prop_map(|(exponent, number)| number as f64 * 2_f64.powi(exponent - 60));
    let least = (0_u64..1 << 54, any::<bool>()).prop_map(|(bits, is_negative)| {
        let value = f64::from_bits(bits);
        if is_negative { -value } else { value }
    });
    let greatest = (0_u64..1 << 53, any::<bool>()).prop_map(|(bits, is_negative)| {
        let value = f64::from_bits(f64::MAX.to_bits() - bits);
        if is_negative { -value } else { value }
    });
    let thousandths = any::<i32>().prop_map(|number| f64::from(number) / 1000.0);
    let whole = (-1000_i32..1000).prop_map(f64::from);
    let halves = (0_i32..1 << 20, 0_i32..120).prop_map(|(number, exponent)| f64::from(number) + 0.5_f64.powi(exponent));
    prop_oneof![
        2 => proptest::collection::vec(finite, 0..80),
        1 => proptest::collection::vec(every, 0..20),
        3 => proptest::collection::vec(near, 0..600),
        1 => proptest::collection::vec(least, 0..80),
        1 => proptest::collection::vec(greatest, 0..80),
        1 => proptest::collection::vec(thousandths, 0..600),
        1 => proptest::collection::vec(whole, 0..600),
        2 => proptest::collection::vec(halves, 0..600),
    ]
}

/// Doubles of several kinds one after the other, some with the opposite of each behind them, so that hardly anything is left.
fn doubles() -> impl Strategy<Value = Vec<f64>> {
    (proptest::collection::vec(kinds(), 1..4), any::<bool>(), any::<bool>()).prop_map(|(kinds, cancels, has_zeros)| {
        let mut values = kinds.concat();
        if cancels {
            let opposite: Vec<f64> = values.iter().skip(1).map(|value| -value).collect();
            values.extend(opposite);
        }
        if has_zeros {
            values.extend([-0.0, 0.0, -0.0]);
        }
        values
    })
}

/// The groups of rows, numbered as they are met.
fn numbered(of_rows: &[usize], known: &mut Vec<usize>) -> Vec<usize> {
    let mut number = |group: &usize| {
        known.iter().position(|known| known == group).unwrap_or_else(|| {
            known.push(*group);
            known.len() - 1
        })
    };
    of_rows.iter().map(&mut number).collect()
}

/// Numbers to choose from a test case by.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most.max(1)
    }

    fn shuffle<T>(&mut self, values: &mut [T]) {
        (1..values.len()).rev().for_each(|index| values.swap(index, self.below(index + 1)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn one_sum_is_that_of_big_integers_in_any_order_and_parts(values in doubles(), seed in 1_u64..) {
        let mut dice = Dice(seed);
        let slow = Slow::of(&values);
        let mut values = values;
        for (aggregate, is_mean) in aggregates() {
            dice.shuffle(&mut values);
            // Parts, each with nulls among the rows, and one of no rows.
            let mut whole = one(&aggregate);
            let mut rest = values.as_slice();
            while !rest.is_empty() || dice.below(4) > 0 {
                let (part, others) = rest.split_at(dice.below(rest.len() + 1));
                rest = others;
                let with_nulls: Vec<Option<f64>> =
                    part.iter().flat_map(|value| [Some(*value), None].into_iter().take(1 + dice.below(2))).collect();
                let mut partial = one(&aggregate);
                partial.update_batch(&[column(&with_nulls)]).unwrap();
                let own = partial.evaluate().unwrap();
                prop_assert_eq!(answers(&own.to_array().unwrap())[0], Slow::of(part).answer(is_mean));
                let state = partial.state().unwrap().iter().map(|value| value.to_array().unwrap()).collect();
                whole.merge_batch(&travelled(&aggregate, state)).unwrap();
            }
            let found = answers(&whole.evaluate().unwrap().to_array().unwrap())[0];
            prop_assert_eq!(found, slow.answer(is_mean), "{:?}", values);
        }
    }

    #[test]
    fn groups_are_those_of_big_integers_in_any_order_and_parts(values in doubles(), seed in 1_u64.., most in 1_usize..40) {
        let mut dice = Dice(seed);
        // A row: a group, a value or null, and whether it passes a filter.
        let mut rows: Vec<(usize, Option<f64>, bool)> = values
            .iter()
            .map(|value| (dice.below(most), Some(*value).filter(|_| dice.below(5) > 0), dice.below(5) > 0))
            .collect();
        for (aggregate, is_mean) in aggregates() {
            dice.shuffle(&mut rows);
            let is_filtered = dice.below(2) == 0;
            let expected: Vec<Option<u64>> = (0..most)
                .map(|group| {
                    let of_group = rows.iter().filter(|row| row.0 == group && (row.2 || !is_filtered));
                    let of_group: Vec<f64> = of_group.filter_map(|row| row.1).collect();
                    Slow::of(&of_group).answer(is_mean)
                })
                .collect();
            let (mut whole, mut known) = (groups(&aggregate), Vec::new());
            let mut rest = rows.as_slice();
            while !rest.is_empty() {
                let (part, others) = rest.split_at(1 + dice.below(rest.len()));
                rest = others;
                let passes = |row: &(usize, Option<f64>, bool)| if row.2 { Some(true) } else { [None, Some(false)][row.0 % 2] };
                let filter: BooleanArray = part.iter().map(passes).collect();
                let filter = is_filtered.then_some(&filter);
                let of_part: Vec<Option<f64>> = part.iter().map(|row| row.1).collect();
                let of_part = [column(&of_part)];
                let of_rows: Vec<usize> = part.iter().map(|row| row.0).collect();
                let mut partial = groups(&aggregate);
                match dice.below(3) {
                    // Without an aggregation before the last.
                    0 => {
                        let state = travelled(&aggregate, partial.convert_to_state(&of_part, filter).unwrap());
                        let numbers = numbered(&of_rows, &mut known);
                        whole.merge_batch(&state, &numbers, known.len()).unwrap();
                    }
                    // In two batches of states.
                    1 => {
                        let mut of_partial = Vec::new();
                        let numbers = numbered(&of_rows, &mut of_partial);
                        partial.update_batch(&of_part, &numbers, filter, of_partial.len()).unwrap();
                        let first = dice.below(of_partial.len() + 1);
                        for (emit_to, of_states) in [
                            (EmitTo::First(first), &of_partial[..first]),
                            (EmitTo::All, &of_partial[first..]),
                        ] {
                            let state = travelled(&aggregate, partial.state(emit_to).unwrap());
                            let numbers = numbered(of_states, &mut known);
                            whole.merge_batch(&state, &numbers, known.len()).unwrap();
                        }
                    }
                    _ => {
                        let numbers = numbered(&of_rows, &mut known);
                        whole.update_batch(&of_part, &numbers, filter, known.len()).unwrap();
                    }
                }
            }
            let first = dice.below(known.len() + 1);
            let mut found = answers(&whole.evaluate(EmitTo::First(first)).unwrap());
            found.extend(answers(&whole.evaluate(EmitTo::All).unwrap()));
            let expected: Vec<Option<u64>> = known.iter().map(|group| expected[*group]).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn frames_that_slide_have_the_sums_of_their_rows(values in doubles(), length in 1_usize..50) {
        let values = &values[..values.len().min(300)];
        for (aggregate, is_mean) in aggregates() {
            let mut frame = sliding(&aggregate);
            for index in 0..values.len() {
                frame.update_batch(&[column(&[Some(values[index]), None])]).unwrap();
                if index >= length {
                    frame.retract_batch(&[column(&[None, Some(values[index - length])])]).unwrap();
                }
                let expected = Slow::of(&values[(index + 1).saturating_sub(length)..=index]).answer(is_mean);
                prop_assert_eq!(answers(&frame.evaluate().unwrap().to_array().unwrap())[0], expected);
            }
        }
    }

    #[test]
    fn wide_sums_are_read_as_they_were_written_and_any_bytes_are_read(values in doubles(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut wide = Wide::default();
        values.iter().for_each(|value| wide.add(*value, false));
        let written = wide.written();
        prop_assert_eq!(Wide::read(&written), Some(wide.clone()));
        for value in &values {
            wide.add(*value, true);
        }
        prop_assert!(wide.is_zero());
        if let Some(read) = Wide::read(&bytes) {
            prop_assert_eq!(Wide::read(&read.written()), Some(read));
        }
    }
}

#[test]
fn the_edges_are_those_of_ieee_754() {
    let (infinity, nan, max, least) = (f64::INFINITY, f64::NAN, f64::MAX, f64::from_bits(1));
    for (values, sum, mean) in [
        (&[-0.0, -0.0][..], 0.0, 0.0),
        (&[1.0, 1e100, 1.0, -1e100], 2.0, 0.5),
        (&[0.1; 10], 1.0, 0.1),
        (&[0.1; 3], 0.300_000_000_000_000_04, 0.1),
        (&[max, max], infinity, max),
        (&[max, max, -max], max, max / 3.0),
        (&[-max, -max, -max], -infinity, -max),
        (&[infinity, -1e300], infinity, infinity),
        (&[infinity, -infinity], nan, nan),
        (&[nan, 1.0], nan, nan),
        (&[least, least, least], f64::from_bits(3), least),
        (&[least, 0.0], least, 0.0),
        (&[least, least, least, 0.0], f64::from_bits(3), least),
        (&[-least, 0.0, 0.0], -least, -0.0),
        (&[max, 2_f64.powi(969)], max, max / 2.0),
        (&[max, 2_f64.powi(970)], infinity, 2_f64.powi(1023)),
        (&[9_007_199_254_740_992.0, 1.0], 9_007_199_254_740_992.0, 4_503_599_627_370_496.5),
        (&[9_007_199_254_740_992.0, 1.0, least], 9_007_199_254_740_994.0, 3_002_399_751_580_331.0),
    ] {
        for (aggregate, is_mean) in aggregates() {
            let mut whole = one(&aggregate);
            let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
            whole.update_batch(&[column(&values)]).unwrap();
            let found = answers(&whole.evaluate().unwrap().to_array().unwrap());
            assert_eq!(found, [Some(bits(if is_mean { mean } else { sum }))], "{values:?} {is_mean}");
        }
    }
}

#[test]
fn groups_of_like_numbers_take_sixteen_bytes_and_hot_ones_overflow_to_more() {
    let mut sums = Sums::default();
    sums.resize(1000);
    // Of 2^39 times 2^24 no grid holds the sum.
    let values: Vec<f64> = (0..1000).map(|row| if row < 900 { 549_755_813_887.999 } else { 1.0 }).collect();
    let groups: Vec<usize> = (0..1000).map(|row| if row < 900 { 7 } else { row }).collect();
    for _ in 0..1 << 14 {
        sums.add(&values, &groups);
    }
    assert!(sums.bytes() < 1000 * 16 + 1_000, "{}", sums.bytes());
    let mut slow = Slow::of(&[549_755_813_887.999]);
    slow.bits.iter_mut().for_each(|bit| *bit *= 900 << 14);
    assert_eq!(sums.sum(7), slow.divided(1));
    assert_eq!(sums.mean(7, 900 << 14), 549_755_813_887.999);
}

#[test]
fn a_grid_moves_to_where_the_numbers_are() {
    let mut sums = Sums::default();
    for exponent in [-1000, 0, 900, -300, 60] {
        let values: Vec<f64> = (1..4096).map(|number| f64::from(number) * 2_f64.powi(exponent) / 3.0).collect();
        let groups: Vec<usize> = (0..values.len()).map(|row| row % 2000).collect();
        sums.resize(2000);
        for _ in 0..10 {
            sums.add(&values, &groups);
        }
        let expected: Vec<f64> =
            [0, 2000, 4000].iter().filter_map(|row| values.get(*row)).flat_map(|value| [*value; 10]).collect();
        assert_eq!(sums.sum(0), Slow::of(&expected).divided(1), "2^{exponent}");
        // Numbers far from each other have a number with all bits for each group, and no more.
        assert!(sums.bytes() < 2000 * 450, "{}", sums.bytes());
        sums.forget(2000);
    }
}

#[test]
fn distinct_doubles_are_added_once_whatever_their_order() {
    for (aggregate, is_mean) in aggregates() {
        let accumulator = || with_args(|args| aggregate.accumulator(args), true).unwrap();
        assert!(!with_args(|args| aggregate.groups_accumulator_supported(args), true));
        let values = [1e100, 0.1, 0.1, -1e100, 0.2, 1e100];
        let mut whole = accumulator();
        for value in values {
            let mut partial = accumulator();
            partial.update_batch(&[column(&[Some(value), None])]).unwrap();
            let state: Vec<ArrayRef> = partial.state().unwrap().iter().map(|value| value.to_array().unwrap()).collect();
            whole.merge_batch(&state).unwrap();
        }
        let expected = Slow::of(&[0.1, 0.2, 1e100, -1e100]).answer(is_mean);
        assert_eq!(answers(&whole.evaluate().unwrap().to_array().unwrap()), [expected]);
    }
}

#[test]
fn a_state_of_other_columns_is_an_error() {
    for (aggregate, _) in aggregates() {
        let wrong: ArrayRef = Arc::new(UInt64Array::from(vec![1]));
        assert!(one(&aggregate).merge_batch(&[Arc::clone(&wrong)]).is_err());
        assert!(groups(&aggregate).merge_batch(&[wrong.clone(), wrong.clone(), wrong], &[0], 1).is_err());
        assert!(one(&aggregate).update_batch(&[]).is_err());
    }
}

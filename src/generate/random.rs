//! Numbers from a seed: the same on every platform, and for every session without those before it.
//!
//! A stream is named by the seed, what it is for and an index, so that session 70,000,000 can be made without its
//! predecessors and a chunk on any thread. Only integer arithmetic and the four exact operations on `f64` are used:
//! `exp` and `ln` of the platform's maths library may differ in the last bit, and with it the bytes of an export.
//! Not for secrets.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles 64 bits one to one: different inputs stay different.
pub(super) fn mix(value: u64) -> u64 {
    let mut bits = value;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// What a stream of numbers is for; streams of different purpose are independent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Start = 1,
    Identity = 2,
    Course = 3,
    Caller = 4,
    Customer = 5,
    Odd = 6,
    Catalogue = 7,
    Rhythm = 8,
}

/// A splitmix64 stream.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// Starts the stream of this seed, purpose and index.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self { state: mix(unique(seed, purpose, index)) }
    }

    /// Starts a stream from bits that are already random.
    pub(super) fn from_bits(bits: u64) -> Self {
        Self { state: bits }
    }

    /// Returns 64 random bits.
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Returns a number from 0 to `bound` − 1; 0 where the bound is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        scale(self.next(), bound)
    }

    /// Returns a number from 0 to `bound` − 1 that favours small ones: half of them lie in the first eighth.
    pub(super) fn skewed_below(&mut self, bound: u64) -> u64 {
        let first = scale(self.next(), bound);
        let second = self.next();
        let third = self.next();
        scale(third, scale(second, first + 1) + 1)
    }

    /// Answers yes with this probability in a million.
    pub(super) fn chance(&mut self, per_million: u64) -> bool {
        self.below(1_000_000) < per_million
    }

    /// Picks an element. The list must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// Returns a number that is nearly normal with mean 0 and deviation 1: a sum of twelve uniform ones, so within ±6.
    pub(super) fn normal(&mut self) -> f64 {
        let mut sum = 0_i64;
        for _ in 0..3 {
            let bits = self.next();
            sum += (0..4).map(|lane| ((bits >> (lane * 16)) & 0xffff) as i64).sum::<i64>();
        }
        (sum * 2 - 12 * 65_535) as f64 / 131_072.0
    }
}

/// Returns bits that differ between all indexes of one seed and purpose.
pub(super) fn unique(seed: u64, purpose: Purpose, index: u64) -> u64 {
    let key = mix(seed ^ mix(purpose as u64));
    mix(key.wrapping_add(index.wrapping_mul(GOLDEN)))
}

fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Returns e to the power of `x`, for |x| up to 100, by exact operations only; relative error under 1e-12.
pub(super) fn exponential(x: f64) -> f64 {
    let x = x.clamp(-100.0, 100.0);
    let halvings = (x / std::f64::consts::LN_2).round();
    let rest = x - halvings * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for term in (1..=14).rev() {
        sum = 1.0 + sum * rest / f64::from(term);
    }
    let power = f64::from_bits(((halvings as i64 + 1023) as u64) << 52);
    sum * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut random = Random::new(1, Purpose::Course, 7);
        let numbers = [random.next(), random.below(1000), random.skewed_below(1000)];
        assert_eq!(numbers, [8_936_342_217_589_807_392, 191, 252]);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::new(3, Purpose::Course, 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    }

    proptest! {
        #[test]
        fn the_exponential_is_that_of_the_platform(x in -60.0_f64..60.0) {
            let ratio = exponential(x) / x.exp();
            prop_assert!((ratio - 1.0).abs() < 1e-12);
        }

        #[test]
        fn below_stays_below(seed: u64, bound in 1_u64..) {
            let mut random = Random::from_bits(seed);
            prop_assert!(random.below(bound) < bound);
            prop_assert!(random.skewed_below(bound) < bound);
        }

        #[test]
        fn unique_bits_differ_between_indexes(seed: u64, first: u64, second: u64) {
            prop_assume!(first != second);
            prop_assert_ne!(unique(seed, Purpose::Identity, first), unique(seed, Purpose::Identity, second));
        }
    }
}

//! A sum of doubles in all its bits, as a whole number of the least double, and what is rounded of it.
//!
//! Of 2,176 bits the doubles take 2,098; the rest is room for 2⁷⁷ of the largest. A number of the form `value · 2^exponent` is added with
//! a carry, which mostly ends after three limbs. NaN and infinities are counted beside the number, so that one that leaves a frame is gone.

/// The exponent of the least double: what a bit 0 stands for.
pub const LEAST: i32 = -1074;

/// The largest exponent of a double's last bit.
const GREATEST: i32 = 971;

const LIMBS: usize = 34;

/// Bytes of a number that has no bits, and of what stands before the bits of others.
const HEAD: usize = 25;

/// The sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wide {
    /// In the complement of two, the least first.
    limbs: [u64; LIMBS],
    nans: u64,
    infinities: u64,
    negative_infinities: u64,
}

impl Default for Wide {
    fn default() -> Self {
        Self { limbs: [0; LIMBS], nans: 0, infinities: 0, negative_infinities: 0 }
    }
}

/// Takes a finite double apart: a whole number, and the exponent of its last bit.
pub fn taken_apart(value: f64) -> (i64, i32) {
    let bits = value.to_bits();
    let (field, fraction) = ((bits >> 52 & 0x7ff) as i32, (bits & ((1 << 52) - 1)) as i64);
    let (number, exponent) = if field == 0 { (fraction, LEAST) } else { (fraction | 1 << 52, field + LEAST - 1) };
    (if value.is_sign_negative() { -number } else { number }, exponent)
}

/// Returns a power of two between the least double and the greatest.
pub fn power_of_two(exponent: i32) -> f64 {
    match exponent {
        LEAST..-1022 => f64::from_bits(1 << (exponent - LEAST)),
        _ => f64::from_bits(((exponent + 1023).clamp(1, 2046) as u64) << 52),
    }
}

impl Wide {
    /// Adds a double, or takes one away that was added.
    pub fn add(&mut self, value: f64, is_taken: bool) {
        if value.is_finite() {
            let (number, exponent) = taken_apart(value);
            return self.add_shifted(i128::from(if is_taken { -number } else { number }), exponent);
        }
        let count = if value.is_nan() {
            &mut self.nans
        } else if value > 0.0 {
            &mut self.infinities
        } else {
            &mut self.negative_infinities
        };
        *count = if is_taken { count.saturating_sub(1) } else { count.saturating_add(1) };
    }

    /// Adds `value · 2^exponent`, which is a multiple of the least double.
    pub fn add_shifted(&mut self, value: i128, exponent: i32) {
        let place = (exponent - LEAST).max(0) as usize;
        let (first, shift) = (place / 64, place % 64);
        let fill = (value >> 127) as u64;
        let low = (value as u128) << shift;
        let high = if shift == 0 { fill } else { (value >> (128 - shift)) as u64 };
        let mut carry = false;
        for (index, limb) in self.limbs.iter_mut().skip(first).enumerate() {
            let part = match index {
                0 => low as u64,
                1 => (low >> 64) as u64,
                2 => high,
                // A carry out of nothing but ones is nothing.
                _ if carry == (fill != 0) => break,
                _ => fill,
            };
            (*limb, carry) = plus(*limb, part, carry);
        }
    }

    /// Adds another sum.
    pub fn add_all(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, part) in self.limbs.iter_mut().zip(other.limbs) {
            (*limb, carry) = plus(*limb, part, carry);
        }
        self.nans = self.nans.saturating_add(other.nans);
        self.infinities = self.infinities.saturating_add(other.infinities);
        self.negative_infinities = self.negative_infinities.saturating_add(other.negative_infinities);
    }

    /// Returns the sum as a double, halves to the even one; beyond all doubles it is an infinity.
    pub fn rounded(&self) -> f64 {
        self.special().unwrap_or_else(|| {
            let (limbs, is_negative) = self.magnitude();
            let rounded = rounded(&limbs, LEAST, false);
            if is_negative { -rounded } else { rounded }
        })
    }

    /// Returns the sum divided by a count as a double, rounded once.
    pub fn mean(&self, count: u64) -> f64 {
        self.special().unwrap_or_else(|| {
            let (limbs, is_negative) = self.magnitude();
            // One limb more holds the fraction of the least double.
            let mut quotient = [0; LIMBS + 1];
            let mut rest = 0_u128;
            let divisor = u128::from(count.max(1));
            for index in (0..=LIMBS).rev() {
                let limb = index.checked_sub(1).map_or(0, |index| limbs[index]);
                let dividend = rest << 64 | u128::from(limb);
                quotient[index] = (dividend / divisor) as u64;
                rest = dividend % divisor;
            }
            let mean = rounded(&quotient, LEAST - 64, rest != 0);
            if is_negative { -mean } else { mean }
        })
    }

    /// The sum where something in it is no number or infinite.
    pub fn special(&self) -> Option<f64> {
        match (self.nans > 0, self.infinities > 0, self.negative_infinities > 0) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    fn magnitude(&self) -> ([u64; LIMBS], bool) {
        let mut limbs = self.limbs;
        let is_negative = limbs[LIMBS - 1] >> 63 == 1;
        if is_negative {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = plus(!*limb, 0, carry);
            }
        }
        (limbs, is_negative)
    }

    /// Writes the sum in as many bytes as it takes; [`Wide::read`] reads them.
    pub fn written(&self) -> Vec<u8> {
        let fill = (self.limbs[LIMBS - 1] as i64 >> 63) as u64;
        let first = self.limbs.iter().position(|limb| *limb != 0).unwrap_or(LIMBS);
        // One limb of the sign stays, if there is any, so that it can be read.
        let end = self.limbs.iter().rposition(|limb| *limb != fill).map_or(first, |last| (last + 2).min(LIMBS));
        let mut bytes = Vec::with_capacity(HEAD + 8 * LIMBS);
        for count in [self.nans, self.infinities, self.negative_infinities] {
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        bytes.push(first as u8);
        let end = if fill != 0 { end.max(first + 1) } else { end };
        for limb in self.limbs.get(first..end).unwrap_or_default() {
            bytes.extend_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// Reads what was written; `None` of other bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(HEAD)?;
        let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let first = usize::from(*head.last()?);
        let body = body.chunks(8).map(number).collect::<Option<Vec<u64>>>()?;
        let mut wide = Self {
            limbs: [0; LIMBS],
            nans: number(head.get(0..8)?)?,
            infinities: number(head.get(8..16)?)?,
            negative_infinities: number(head.get(16..24)?)?,
        };
        wide.limbs.get_mut(first..first + body.len())?.copy_from_slice(&body);
        let fill = (body.last().map_or(0, |limb| *limb as i64) >> 63) as u64;
        wide.limbs.get_mut(first + body.len()..)?.fill(fill);
        Some(wide)
    }
}

fn plus(limb: u64, part: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = limb.overflowing_add(part);
    let (sum, second) = sum.overflowing_add(u64::from(carry));
    (sum, first || second)
}

/// Rounds a number of multiples of `2^least` to the nearest double. `is_more` says that there is something below its bits.
fn rounded(limbs: &[u64], least: i32, is_more: bool) -> f64 {
    let Some(last) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
    let top = last as i32 * 64 + 63 - limbs[last].leading_zeros() as i32;
    // The bit that is the last of the double: the 53rd, or that of the least double.
    let floor = (top - 52).max(LEAST - least).max(0);
    let kept = bits_from(limbs, floor);
    let half = floor > 0 && bits_from(limbs, floor - 1) & 1 == 1;
    let is_more = is_more || (floor > 1 && has_bits_below(limbs, floor - 1));
    let number = kept + u64::from(half && (is_more || kept & 1 == 1));
    let exponent = floor + least;
    if exponent > GREATEST {
        return f64::INFINITY;
    }
    // The first bit of a double is not written, but adds one to the exponent.
    f64::from_bits((((exponent - LEAST) as u64) << 52) + number)
}

/// The 64 bits from a place on.
fn bits_from(limbs: &[u64], place: i32) -> u64 {
    let (limb, shift) = (place as usize / 64, place as usize % 64);
    let above = if shift == 0 { 0 } else { limbs.get(limb + 1).map_or(0, |next| next << (64 - shift)) };
    limbs.get(limb).map_or(0, |limb| limb >> shift) | above
}

fn has_bits_below(limbs: &[u64], place: i32) -> bool {
    let (limb, shift) = (place as usize / 64, place as usize % 64);
    limbs.iter().take(limb).any(|limb| *limb != 0) || limbs.get(limb).is_some_and(|limb| limb & ((1 << shift) - 1) != 0)
}

//! The exact sums of doubles in many groups, in any order the same.
//!
//! A double is split by two additions, as in Rump's summation: added to `1.5 · 2^k` it is rounded to a multiple of that number's last bit, and
//! what the rounding left is rounded once more, 52 bits below. The bits of the two rounded numbers are whole numbers, which are added as such:
//! 16 bytes a group, no branch for a double that fits, and lanes for many doubles of one group. A [`Grid`] says where the 103 bits of the two
//! lie. Doubles that do not fit it, NaN, infinities and what overflows go to a [`Wide`] of their group. Where many do not fit, the grid moves
//! to where they are.

use std::collections::HashMap;

use super::wide::{LEAST, Wide, power_of_two, taken_apart};

/// Bits from the first number's last to the second's.
const STEP: i32 = 52;

/// Bits of a grid: of the first number without its sign, and of the second.
const GRID_BITS: i32 = 51 + STEP;

/// Below this power of two lie the doubles of the first grid: beside whole numbers up to 10¹², thousandths have all their bits there.
const FIRST_TOP: i32 = 40;

/// Bits above the greatest double that a grid has where it is moved, if it can.
const SPARE_BITS: i32 = 10;

/// Of so many doubles one may not fit before the grid moves.
const MISFITS: usize = 256;

/// Where one of so many does not fit, the grid moves even if groups are left behind.
const MANY_MISFITS: usize = 8;

/// Doubles that lanes add before they are checked: 2⁸ of 51 bits.
const BLOCK: usize = 256;

const LANES: usize = 8;

/// Doubles that are split before they are added to their groups.
const SPLIT: usize = 64;

/// The bits of a double's sign and exponent.
const EXPONENT: u64 = 0xfff << 52;

/// Where the bits of the two numbers of a group lie.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Grid {
    /// Doubles that are added to it lose what is below its last bit.
    upper: f64,
    lower: f64,
    /// The exponent of the last bit of all.
    unit: i32,
}

/// The two numbers of a group: multiples of the last bits of the grid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cell {
    upper: i64,
    lower: i64,
}

impl Cell {
    /// Adds what a double was split into; `None` where it overflows.
    #[inline(always)]
    fn plus(self, other: Self) -> Option<Self> {
        let (upper, first) = self.upper.overflowing_add(other.upper);
        let (lower, second) = self.lower.overflowing_add(other.lower);
        (!(first | second)).then_some(Self { upper, lower })
    }

    /// As one number of multiples of the last bit of all.
    fn whole(self) -> i128 {
        (i128::from(self.upper) << STEP) + i128::from(self.lower)
    }

    fn of(whole: i128) -> Self {
        Self { upper: (whole >> STEP) as i64, lower: (whole & ((1 << STEP) - 1)) as i64 }
    }
}

impl Grid {
    /// The grid of doubles below a power of two, as far as there are such grids.
    fn below(top: i32) -> Self {
        let last_of_upper = (top - 51).clamp(LEAST + STEP, 971);
        Self {
            upper: 1.5 * power_of_two(last_of_upper + STEP),
            lower: 1.5 * power_of_two(last_of_upper),
            unit: last_of_upper - STEP,
        }
    }

    /// Splits a double. The bits of the second answer are 0 where it fits.
    #[inline(always)]
    fn split(self, value: f64) -> (Cell, u64) {
        let upper = self.upper + value;
        let rest = value - (upper - self.upper);
        let lower = self.lower + rest;
        let lost = rest - (lower - self.lower);
        let cell = Cell {
            upper: upper.to_bits().wrapping_sub(self.upper.to_bits()) as i64,
            lower: lower.to_bits().wrapping_sub(self.lower.to_bits()) as i64,
        };
        // A sum with another exponent has lost more than was meant; 0 - 0 is 0 with all its bits.
        (cell, (upper.to_bits() ^ self.upper.to_bits()) & EXPONENT | lost.to_bits())
    }

    /// Splits a block of doubles. The bits of the answer are 0 where all fit.
    #[inline(always)]
    fn split_all(self, values: &[f64], parts: &mut [Cell; SPLIT]) -> u64 {
        let mut misfits = [0_u64; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for (chunk, parts) in chunks.iter().zip(parts.as_chunks_mut::<LANES>().0) {
            for lane in 0..LANES {
                let (part, misfit) = self.split(chunk[lane]);
                parts[lane] = part;
                misfits[lane] |= misfit;
            }
        }
        for (value, part) in rest.iter().zip(parts.iter_mut().skip(values.len() - rest.len())) {
            let misfit;
            (*part, misfit) = self.split(*value);
            misfits[0] |= misfit;
        }
        misfits.iter().fold(0, |all, misfit| all | misfit)
    }

    /// Adds a block of doubles; `None` where one does not fit.
    #[inline(always)]
    fn add(self, values: &[f64]) -> Option<Cell> {
        let (mut uppers, mut lowers, mut misfits) = ([0_i64; LANES], [0_i64; LANES], [0_u64; LANES]);
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                let (cell, misfit) = self.split(chunk[lane]);
                uppers[lane] = uppers[lane].wrapping_add(cell.upper);
                lowers[lane] = lowers[lane].wrapping_add(cell.lower);
                misfits[lane] |= misfit;
            }
        }
        for (lane, value) in rest.iter().enumerate() {
            let (cell, misfit) = self.split(*value);
            uppers[lane] = uppers[lane].wrapping_add(cell.upper);
            lowers[lane] = lowers[lane].wrapping_add(cell.lower);
            misfits[lane] |= misfit;
        }
        let misfit = misfits.iter().fold(0, |all, misfit| all | misfit);
        (misfit == 0).then(|| Cell { upper: uppers.iter().sum(), lower: lowers.iter().sum() })
    }
}

/// The bits that some numbers have: from the exponent of the last to one above the first.
#[derive(Debug, Clone, Copy)]
struct Span {
    low: i32,
    high: i32,
}

impl Span {
    const NONE: Self = Self { low: i32::MAX, high: i32::MIN };

    fn add(&mut self, magnitude: u128, exponent: i32) {
        if magnitude != 0 {
            self.low = self.low.min(exponent + magnitude.trailing_zeros() as i32);
            self.high = self.high.max(exponent + 128 - magnitude.leading_zeros() as i32);
        }
    }
}

/// A group's sum in plain doubles, for the way to another accumulator: their exact sum is the sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// The sum, rounded.
    pub sum: f64,
    /// What the rounding left, rounded; 0 mostly.
    pub rest: f64,
    /// What is left then.
    pub more: Option<Wide>,
}

/// The sums of the groups.
#[derive(Debug)]
pub struct Sums {
    grid: Grid,
    cells: Vec<Cell>,
    /// By the number of the group among all that there were.
    wide: HashMap<usize, Box<Wide>>,
    /// Groups that were given out.
    before: usize,
    /// Rows that there were, and groups that were looked at to move the grid: no more than rows.
    rows: usize,
    looked_at: usize,
    /// Doubles of the newest batch that do not fit the grid, with their groups.
    misfits: Vec<(usize, f64)>,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            grid: Grid::below(FIRST_TOP),
            cells: Vec::new(),
            wide: HashMap::new(),
            before: 0,
            rows: 0,
            looked_at: 0,
            misfits: Vec::new(),
        }
    }
}

impl Sums {
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    pub fn resize(&mut self, groups: usize) {
        self.cells.resize(groups, Cell::default());
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>()
            + self.wide.capacity() * size_of::<(usize, Box<Wide>)>()
            + self.wide.len() * size_of::<Wide>()
            + self.misfits.capacity() * size_of::<(usize, f64)>()
    }

    /// Adds doubles to their groups.
    pub fn add(&mut self, values: &[f64], groups: &[usize]) {
        let (grid, cells) = (self.grid, self.cells.as_mut_slice());
        let mut parts = [Cell::default(); SPLIT];
        for (values, groups) in values.chunks(SPLIT).zip(groups.chunks(SPLIT)) {
            // Apart from the memory of the groups, all of them are split in lanes.
            let misfit = grid.split_all(values, &mut parts);
            for ((group, value), part) in groups.iter().zip(values).zip(&parts) {
                let Some(cell) = cells.get_mut(*group) else { continue };
                match cell.plus(*part) {
                    Some(sum) if misfit == 0 || grid.split(*value).1 == 0 => *cell = sum,
                    _ => self.misfits.push((*group, *value)),
                }
            }
        }
        self.settle(values.len());
    }

    /// Adds the doubles that the newest batch, of so many rows, left over.
    fn settle(&mut self, rows: usize) {
        self.rows = self.rows.saturating_add(rows);
        if !self.misfits.is_empty() {
            self.settle_misfits(rows);
        }
    }

    #[cold]
    fn settle_misfits(&mut self, rows: usize) {
        let misfits = std::mem::take(&mut self.misfits);
        let looked_at = self.looked_at.saturating_add(self.cells.len());
        let count = misfits.iter().filter(|(_, value)| self.is_misfit(*value)).count();
        if count > rows / MISFITS && looked_at <= self.rows {
            self.looked_at = looked_at;
            self.move_grid(misfits.iter().map(|(_, value)| *value), count > rows / MANY_MISFITS);
        }
        for (group, value) in &misfits {
            self.add_one(*group, *value, false);
        }
    }

    /// Says whether a grid could be where a double fits, and this one is not.
    fn is_misfit(&self, value: f64) -> bool {
        value.is_finite() && self.grid.split(value).1 != 0
    }

    /// Adds doubles to one group, or takes them away.
    pub fn add_block(&mut self, group: usize, values: &[f64], is_taken: bool) {
        for block in values.chunks(BLOCK) {
            if let Some(mut part) = self.grid.add(block)
                && let Some(cell) = self.cells.get_mut(group)
            {
                if is_taken {
                    part = Cell { upper: -part.upper, lower: -part.lower };
                }
                if let Some(sum) = cell.plus(part) {
                    *cell = sum;
                    continue;
                }
            }
            self.add_each(group, block, is_taken);
        }
    }

    #[cold]
    fn add_each(&mut self, group: usize, values: &[f64], is_taken: bool) {
        let count = values.iter().filter(|value| self.is_misfit(**value)).count();
        if count > 0 && self.cells.len() <= values.len() {
            self.move_grid(values.iter().copied(), count > values.len() / MANY_MISFITS);
        }
        values.iter().for_each(|value| self.add_one(group, *value, is_taken));
    }

    fn add_one(&mut self, group: usize, value: f64, is_taken: bool) {
        let Some(cell) = self.cells.get_mut(group) else { return };
        let number = self.before + group;
        let (part, misfit) = self.grid.split(value);
        if misfit != 0 {
            let wide = self.wide.entry(number).or_default();
            wide.add(value, is_taken);
            if is_taken && wide.is_zero() {
                self.wide.remove(&number);
            }
            return;
        }
        let part = if is_taken { Cell { upper: -part.upper, lower: -part.lower } } else { part };
        *cell = match cell.plus(part) {
            Some(sum) => sum,
            None => {
                self.wide.entry(number).or_default().add_shifted(cell.whole(), self.grid.unit);
                part
            }
        };
    }

    /// Adds a sum that came from elsewhere.
    pub fn add_wide(&mut self, group: usize, wide: &Wide) {
        if group < self.cells.len() {
            self.wide.entry(self.before + group).or_default().add_all(wide);
        }
    }

    /// Moves the grid to where some doubles fit, and all groups too; to these doubles alone where they are many.
    fn move_grid(&mut self, values: impl Iterator<Item = f64>, are_many: bool) {
        let mut of_values = Span::NONE;
        for value in values.filter(|value| value.is_finite()) {
            let (number, exponent) = taken_apart(value);
            of_values.add(number.unsigned_abs().into(), exponent);
        }
        if of_values.low > of_values.high {
            return;
        }
        let mut span = of_values;
        for cell in &self.cells {
            span.add(cell.whole().unsigned_abs(), self.grid.unit);
        }
        // Sums have room above the doubles.
        span.high = of_values.high.max(span.high.saturating_sub(SPARE_BITS));
        if span.high - span.low > GRID_BITS {
            if !are_many {
                return;
            }
            span = of_values;
        }
        let spare = (GRID_BITS - (span.high - span.low)).max(0);
        let grid = Grid::below(span.high + SPARE_BITS.min(spare / 2));
        for (group, cell) in self.cells.iter_mut().enumerate() {
            let whole = cell.whole();
            let shift = self.grid.unit - grid.unit;
            let bits = 128 - whole.unsigned_abs().leading_zeros() as i32;
            let moved = match shift {
                _ if whole == 0 => Some(0),
                0.. if bits + shift < 63 + STEP => Some(whole << shift),
                ..0 if whole.trailing_zeros() as i32 >= -shift => Some(whole >> -shift),
                _ => None,
            };
            if moved.is_none() {
                self.wide.entry(self.before + group).or_default().add_shifted(whole, self.grid.unit);
            }
            *cell = Cell::of(moved.unwrap_or(0));
        }
        self.grid = grid;
    }

    /// The sum of a group as multiples of the last bit of the grid, and what does not fit there.
    fn whole(&self, group: usize) -> (i128, Option<&Wide>) {
        let whole = self.cells.get(group).map_or(0, |cell| cell.whole());
        let wide = if self.wide.is_empty() { None } else { self.wide.get(&(self.before + group)) };
        (whole, wide.map(AsRef::as_ref))
    }

    fn widened(&self, whole: i128, wide: Option<&Wide>) -> Wide {
        let mut all = wide.cloned().unwrap_or_default();
        all.add_shifted(whole, self.grid.unit);
        all
    }

    /// Returns the sum of a group, rounded to a double.
    pub fn sum(&self, group: usize) -> f64 {
        match self.whole(group) {
            // A number of 53 bits that is moved to its place loses none: nothing is below the least double.
            (whole, None) => whole as f64 * power_of_two(self.grid.unit),
            (whole, wide) => self.widened(whole, wide).rounded(),
        }
    }

    /// Returns the sum of a group divided by a count, rounded to a double once.
    pub fn mean(&self, group: usize, count: u64) -> f64 {
        let (whole, wide) = self.whole(group);
        if wide.is_none() {
            let rounded = whole as f64;
            let sum = rounded * power_of_two(self.grid.unit);
            if rounded as i128 == whole && count < 1 << 53 && sum.is_finite() {
                return sum / count as f64;
            }
            let magnitude = whole.unsigned_abs();
            let shift = magnitude.leading_zeros();
            let exponent = self.grid.unit - shift as i32;
            if whole != 0 && exponent >= LEAST {
                let (dividend, divisor) = (magnitude << shift, u128::from(count.max(1)));
                let quotient = dividend / divisor;
                // At least 64 bits: the last only has to say that there is more.
                let is_more = quotient * divisor != dividend;
                let mean = (quotient | u128::from(is_more)) as f64 * power_of_two(exponent);
                return if whole < 0 { -mean } else { mean };
            }
        }
        self.widened(whole, wide).mean(count)
    }

    /// Returns the sum of a group in parts.
    pub fn parts(&self, group: usize) -> Parts {
        let (whole, wide) = self.whole(group);
        if wide.is_none() {
            let (rounded, power) = (whole as f64, power_of_two(self.grid.unit));
            let left = whole - rounded as i128;
            let rest = left as f64;
            if left == rest as i128 && (rounded * power).is_finite() {
                return Parts { sum: rounded * power, rest: rest * power, more: None };
            }
        }
        let mut wide = self.widened(whole, wide);
        let sum = wide.rounded();
        if let Some(special) = wide.special() {
            return Parts { sum: special, rest: 0.0, more: None };
        }
        if sum.is_infinite() {
            return Parts { sum: 0.0, rest: 0.0, more: Some(wide) };
        }
        wide.add(sum, true);
        let rest = wide.rounded();
        wide.add(rest, true);
        Parts { sum, rest, more: (!wide.is_zero()).then_some(wide) }
    }

    /// Forgets the first groups; those behind take their numbers.
    pub fn forget(&mut self, groups: usize) {
        if groups >= self.cells.len() {
            self.cells = Vec::new();
            self.wide = HashMap::new();
            return;
        }
        self.cells.drain(..groups);
        if !self.wide.is_empty() {
            (self.before..self.before + groups).for_each(|group| drop(self.wide.remove(&group)));
        }
        self.before += groups;
    }
}

//! The values that a sample has at one path: how many, of which kinds, how often they repeat, and what a column of them takes.
//!
//! Inside the elements of arrays a column has an entry for each element, whether or not it has a value: levels that say where each list
//! begins, and which elements have one. They count as the values do, and all of it is for as many elements as the arrays have, of which
//! only some are sampled. Without the levels a key of one element in four hundred looked like nothing, and four hundred
//! such keys took three times of all other leaves.

use std::cell::OnceCell;

use xxhash_rust::xxh3::xxh3_64;

use super::candidates::{COSTLY_BITS, compressed_bytes};
use super::computed::OF_STRINGS;
use super::document::Seen;
use super::elements::SampledArrays;
use super::leaf::Kind;
use crate::texts::TextFunction;

/// A path of fewer values than one in this many rows, or elements, is not worth a column of its own.
pub(super) const RAREST: usize = 100;
/// Strings longer than this on average are notes and payloads: as large as the text they come from.
const LONG_TEXT_BYTES: usize = 64;
/// Long strings that repeat so often have a leaf all the same, up to this length on average.
const LONG_REPEATS: usize = 8;
const LONGEST_TEXT_BYTES: usize = 1_024;
/// Rows of a row group for each that is sampled, or less.
const DICTIONARY_SHARE: usize = 16;

/// The values of one path.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub rows: usize,
    pub kinds: u8,
    pub text_rows: usize,
    text_bytes: usize,
    /// The values one after another, as they would stand in a column.
    bytes: Vec<u8>,
    /// How many values have each length in characters or digits; the last is for all that are longer.
    lengths: [usize; 32],
    /// Sampled row and hash of each text.
    pub hashes: Vec<(usize, u64)>,
    /// Inside of arrays, the bits of each number.
    numbers: Vec<u64>,
    /// Inside of arrays, a bit for each sampled element: whether it has a value.
    present: Vec<u8>,
    /// How many of the texts are different, once that was asked for; then no more are added.
    distinct: OnceCell<usize>,
    /// What a function gives of the texts.
    computed: Option<Box<Values>>,
}

impl Values {
    /// Adds the value of a row.
    pub fn add(&mut self, row: usize, seen: Seen<'_>) {
        self.rows += 1;
        self.kinds |= seen.kind.bit();
        match seen.kind {
            Kind::Text => {
                self.add_text(row, seen.text);
                self.compute(OF_STRINGS, row, seen.text);
            }
            Kind::RawNumber => self.add_text(row, seen.text),
            Kind::Integer => {
                self.lengths[seen.bits.checked_ilog10().unwrap_or_default() as usize + 1] += 1;
                // Small numbers are packed into few bits.
                let width = 8 - seen.bits.leading_zeros() as usize / 8;
                self.bytes.extend_from_slice(&seen.bits.to_le_bytes()[..width.max(1)]);
            }
            Kind::Float => self.bytes.extend_from_slice(&seen.bits.to_le_bytes()),
            Kind::Boolean => {}
        }
    }

    /// Adds the value of an element, which has this number among all that are sampled of the arrays at its path.
    pub fn add_element(&mut self, row: usize, number: usize, seen: Seen<'_>) {
        if matches!(seen.kind, Kind::Integer | Kind::Float) {
            self.numbers.push(seen.bits);
        }
        if self.present.len() <= number / 8 {
            self.present.resize(number / 8 + 1, 0);
        }
        self.present[number / 8] |= 1 << (number % 8);
        self.add(row, seen);
    }

    /// Adds what a function gives of a text to what is computed.
    pub fn compute(&mut self, function: &TextFunction, row: usize, text: &str) {
        if let Some(value) = function.value(text) {
            let computed = self.computed.get_or_insert_default();
            computed.rows += 1;
            computed.add_text(row, &value);
        }
    }

    fn add_text(&mut self, row: usize, text: &str) {
        self.text_rows += 1;
        self.text_bytes += text.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.lengths[text.len().min(31)] += 1;
        self.hashes.push((row, xxh3_64(text.as_bytes())));
    }

    /// Counts the different texts.
    fn distinct(&self) -> usize {
        *self.distinct.get_or_init(|| count_distinct(self.hashes.iter().map(|(_, hash)| *hash).collect()))
    }

    /// Returns what the values compress to.
    pub fn cost(&self) -> usize {
        compressed_bytes(&self.bytes).min(self.dictionary_bytes())
    }

    /// Returns what lists of the values take in these arrays.
    pub fn cost_in(&self, arrays: &SampledArrays) -> usize {
        arrays.scaled(self.cost() + compressed_bytes(&self.present)) + arrays.list_bytes(compressed_bytes)
    }

    /// Returns what a column of the computed values takes; `None` where it is not worth it, for few texts have one, or few repeat.
    pub fn cost_of_computed(&self) -> Option<usize> {
        let computed = self.computed.as_ref()?;
        (computed.rows * 2 > self.text_rows && computed.distinct() * 2 <= computed.text_rows).then(|| computed.cost())
    }

    /// Says whether the values are worth a column, where nobody asks for it.
    pub fn is_worth_it(&self, sampled: usize) -> bool {
        let is_long = self.text_bytes > LONG_TEXT_BYTES * self.text_rows;
        self.rows * RAREST >= sampled && (!is_long || self.is_long_and_repeats())
    }

    /// Says whether the values are worth lists in these arrays. Of the things in a list one counts the types and states, and adds up the lengths and
    /// amounts, while ids and instants, which hardly repeat, would cost several values a row.
    pub fn is_worth_lists(&self, arrays: &SampledArrays) -> bool {
        let (numbers, texts) = (self.numbers.len(), self.text_rows);
        let different_numbers = count_distinct(self.numbers.clone());
        let repeat = (self.distinct() + different_numbers) * 2 <= texts + numbers;
        let are_small = || texts == 0 && self.cost() * 8 < self.rows * COSTLY_BITS;
        self.rows * RAREST >= arrays.sampled && (repeat || are_small())
    }

    /// Says whether long texts are so few that a dictionary holds them all: addresses of pages, sentences of prompts.
    fn is_long_and_repeats(&self) -> bool {
        self.distinct() * LONG_REPEATS <= self.text_rows && self.text_bytes <= LONGEST_TEXT_BYTES * self.text_rows
    }

    /// Estimates the bytes of texts with a dictionary; its own share is small, for it serves a whole row group.
    fn dictionary_bytes(&self) -> usize {
        let distinct = self.distinct();
        if self.text_rows < self.rows || distinct * 2 > self.rows {
            return usize::MAX;
        }
        let bits = usize::BITS - distinct.leading_zeros();
        self.rows * bits as usize / 8 + self.text_bytes / self.rows.max(1) * distinct / DICTIONARY_SHARE
    }

    /// Says whether most values are of one length. Floats have none that tells anything.
    pub fn is_of_one_length(&self) -> bool {
        let most = self.lengths.iter().max().copied().unwrap_or_default();
        self.kinds & (Kind::Float.bit() | Kind::RawNumber.bit()) == 0 && most * 2 > self.rows
    }
}

/// Counts the different ones of some hashes; sorted, since a table of the standard library would hash each of them again.
fn count_distinct(mut hashes: Vec<u64>) -> usize {
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len()
}

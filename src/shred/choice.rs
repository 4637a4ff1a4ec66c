//! Chooses the leaves of a file from a sample of its rows, by what they are worth.

use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};

use super::document::Walker;
use super::leaf::{Kind, Leaf, LeafSet, is_index};

/// Rows of the sample at most, spread evenly.
const SAMPLE_ROWS: usize = 8_192;
/// A path of fewer rows than one in this many is not worth a column: it is rare, and its text is parsed where it is asked for.
const RAREST: usize = 100;
/// Strings longer than this on average are notes and payloads: as large as the text they come from.
const LONG_TEXT_BYTES: usize = 64;
/// Strings of this length on average that hardly repeat are ids and tokens: they compress no better apart.
const UNIQUE_TEXT_BYTES: usize = 24;

#[derive(Debug, Default)]
struct Worth {
    rows: usize,
    kinds: u8,
    text_rows: usize,
    text_bytes: usize,
    distinct: HashSet<u64>,
}

impl Worth {
    fn is_worth_it(&self, sampled: usize) -> bool {
        if self.rows * RAREST < sampled || self.rows == 0 {
            return false;
        }
        if self.text_rows == 0 {
            return true;
        }
        let average = self.text_bytes / self.text_rows;
        average <= LONG_TEXT_BYTES && (average < UNIQUE_TEXT_BYTES || self.distinct.len() * 2 <= self.text_rows)
    }
}

/// Chooses at most about `budget` leaf columns for rows like these.
pub fn choose(batches: &[RecordBatch], columns: &[&'static str], budget: usize) -> LeafSet {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let step = rows.div_ceil(SAMPLE_ROWS).max(1);
    let mut candidates: Vec<(usize, Leaf)> = Vec::new();
    for name in columns {
        let mut walker = Walker::for_sample();
        let mut worth: BTreeMap<usize, Worth> = BTreeMap::new();
        let mut sampled = 0;
        let mut skipped = 0;
        for batch in batches {
            let Some(texts) = batch.column_by_name(name).and_then(|column| column.as_string_view_opt().cloned()) else {
                continue;
            };
            let mut row = skipped;
            while row < texts.len() {
                sampled += 1;
                if texts.is_valid(row) {
                    walker.walk(texts.value(row));
                    for seen in walker.values() {
                        let worth = worth.entry(seen.node).or_default();
                        worth.rows += 1;
                        worth.kinds |= seen.kind.bit();
                        if matches!(seen.kind, Kind::Text | Kind::RawNumber) {
                            worth.text_rows += 1;
                            worth.text_bytes += seen.text.len();
                            worth.distinct.insert(xxhash_rust::xxh3::xxh3_64(seen.text.as_bytes()));
                        }
                    }
                }
                row += step;
            }
            skipped = row - texts.len();
        }
        for (node, path) in walker.paths() {
            if let Some(worth) = worth.get(&node)
                && worth.is_worth_it(sampled)
                && !path.iter().any(|key| is_index(key))
            {
                candidates.push((worth.rows, Leaf { column: (*name).to_owned(), path, kinds: worth.kinds }));
            }
        }
    }
    // The most frequent first; paths break ties, so that the same rows give the same leaves.
    candidates.sort_by(|a, b| (b.0, &a.1.column, &a.1.path).cmp(&(a.0, &b.1.column, &b.1.path)));
    let mut left = budget;
    let mut leaves = Vec::new();
    for (_, leaf) in candidates {
        let columns = leaf.kinds.count_ones() as usize;
        if columns <= left {
            left -= columns;
            leaves.push(leaf);
        }
    }
    leaves.sort_by(|a, b| (&a.column, &a.path).cmp(&(&b.column, &b.path)));
    LeafSet { leaves }
}

//! Chooses the leaves of a file from a sample of its rows, by what they are worth.

use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};

use super::document::{Seen, Walker};
use super::leaf::{Kind, Leaf, LeafSet, is_index};

/// Rows of the sample at most, spread evenly.
const SAMPLE_ROWS: usize = 8_192;
/// A path of fewer values than one in this many rows is not worth a column: it is rare, and its text is parsed where it is asked for.
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
    fn add(&mut self, seen: Seen<'_>) {
        self.rows += 1;
        self.kinds |= seen.kind.bit();
        if matches!(seen.kind, Kind::Text | Kind::RawNumber) {
            self.text_rows += 1;
            self.text_bytes += seen.text.len();
            self.distinct.insert(xxhash_rust::xxh3::xxh3_64(seen.text.as_bytes()));
        }
    }

    /// Says whether texts stand in several rows. Inside arrays only such are worth a column: of the things in a list one counts
    /// the types and states, while their ids and instants would cost several values a row.
    fn repeats(&self) -> bool {
        self.distinct.len() * 2 <= self.text_rows
    }

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
        // By path, and path inside the elements of an array.
        let mut worth: BTreeMap<(usize, Option<usize>), Worth> = BTreeMap::new();
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
                    let document = texts.value(row);
                    walker.walk(document);
                    for seen in walker.values() {
                        worth.entry((seen.node, None)).or_default().add(seen);
                    }
                    walker.arrays.sample(document, |array, element| {
                        for seen in element.values() {
                            worth.entry((array, Some(seen.node))).or_default().add(seen);
                        }
                    });
                }
                row += step;
            }
            skipped = row - texts.len();
        }
        for (node, path) in walker.paths() {
            let inside = walker.arrays.paths(node).into_iter().map(|(inside, path)| (Some(inside), Some(path)));
            for (inside_node, inside) in std::iter::once((None, None)).chain(inside) {
                let mut keys = path.iter().chain(inside.iter().flatten());
                if let Some(worth) = worth.get(&(node, inside_node))
                    && worth.is_worth_it(sampled)
                    && (inside.is_none() || worth.repeats())
                    && !keys.any(|key| is_index(key))
                {
                    let column = (*name).to_owned();
                    candidates.push((worth.rows, Leaf { column, path: path.clone(), inside, kinds: worth.kinds }));
                }
            }
        }
    }
    // The most frequent first; paths break ties, so that the same rows give the same leaves.
    candidates.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| place(&a.1).cmp(&place(&b.1))));
    let mut left = budget;
    let mut leaves = Vec::new();
    for (_, leaf) in candidates {
        let columns = leaf.kinds.count_ones() as usize;
        if columns <= left {
            left -= columns;
            leaves.push(leaf);
        }
    }
    leaves.sort_by(|a, b| place(a).cmp(&place(b)));
    LeafSet { leaves }
}

fn place(leaf: &Leaf) -> (&String, &Vec<String>, &Option<Vec<String>>) {
    (&leaf.column, &leaf.path, &leaf.inside)
}

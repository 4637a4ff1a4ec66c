//! What the leaf columns of the files of one run may take.

use std::sync::Arc;

use super::layout;
use crate::shred::{LeafLimits, PathRules};

/// What leaf columns may take in the files of a run, by the properties of the lake and by its size.
#[derive(Debug, Clone)]
pub struct LeafPolicy {
    /// Leaf columns of a file at most.
    pub(super) columns: usize,
    /// Rows of the lake that the files become part of.
    pub(super) lake_rows: u64,
    pub(super) rules: Arc<PathRules>,
}

impl LeafPolicy {
    /// Counts the rows that a run brings as rows of the lake: the files of a first load are parts of what it makes.
    pub fn beside(self, rows: u64) -> Self {
        Self { lake_rows: self.lake_rows.max(rows), ..self }
    }

    /// Returns the limits of files that have so many rows in all.
    pub fn limits(&self, rows: u64) -> LeafLimits {
        LeafLimits {
            columns: if layout::has_leaves(rows, self.lake_rows) { self.columns } else { 0 },
            lake_rows: self.lake_rows.max(rows),
            rules: Arc::clone(&self.rules),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lake(rows: u64) -> LeafPolicy {
        LeafPolicy { columns: 100, lake_rows: rows, rules: Arc::default() }
    }

    #[test]
    fn the_files_of_a_first_load_are_small_beside_what_it_brings() {
        let limits = |rows| of_lake(0).beside(1_000_000).limits(rows);
        assert_eq!((limits(500).columns, limits(500).lake_rows), (0, 1_000_000));
        assert_eq!((limits(5_000).columns, limits(5_000).lake_rows), (100, 1_000_000));
    }

    #[test]
    fn a_run_that_brings_little_is_measured_by_the_lake() {
        let limits = of_lake(1_000_000).beside(200).limits(2_000);
        assert_eq!((limits.columns, limits.lake_rows), (100, 1_000_000));
        // A file that has more rows than the lake is told of counts as all of it.
        assert_eq!(of_lake(0).limits(10).lake_rows, 10);
    }
}

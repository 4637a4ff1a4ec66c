//! Rows spread over all that a writer of data files will be given, so that what is chosen for a file fits all of its rows and not the first ones.

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::TimestampMicrosecondType;

use crate::error::Result;

/// Rows of a file that stand for all of it.
const ENOUGH: usize = 2_048;
/// Rows that a choice is made from, where a preview has fewer.
const WANTED: usize = 4_096;

/// Some of the rows that come, in the order of their starts.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The rows.
    pub rows: RecordBatch,
    /// The part of all rows that these are: one in so many.
    pub one_in: usize,
    /// Whether other rows come too, of which the preview has none.
    pub has_others: bool,
}

impl Preview {
    /// Returns rows for a file of at most so many that begins with these.
    ///
    /// # Errors
    /// A column that cannot be taken from.
    pub(super) fn of_file(&self, first: &[RecordBatch], file_rows: usize) -> Result<Vec<RecordBatch>> {
        let begins = first.iter().find_map(|batch| starts(batch).and_then(|starts| starts.first().copied()));
        let (Some(begins), Some(starts)) = (begins, starts(&self.rows)) else { return Ok(first.to_vec()) };
        let from = starts.partition_point(|start| *start < begins);
        let count = (file_rows / self.one_in.max(1)).min(starts.len() - from);
        let spread = self.rows.slice(from, count);
        if count >= ENOUGH && !self.has_others {
            return Ok(vec![spread]);
        }
        // The first rows are thinned out, so that they do not hide the others.
        let all: usize = first.iter().map(RecordBatch::num_rows).sum();
        let step = all.div_ceil(WANTED.saturating_sub(count).max(WANTED / 2)).max(1);
        let mut thinned = Vec::with_capacity(first.len() + 1);
        let mut next = 0;
        for batch in first {
            let rows = batch.num_rows();
            let taken: UInt32Array = (next..rows).step_by(step).filter_map(|row| u32::try_from(row).ok()).collect();
            next = (next + taken.len() * step).saturating_sub(rows);
            thinned.push(take_record_batch(batch, &taken)?);
        }
        thinned.push(spread);
        Ok(thinned)
    }
}

fn starts(batch: &RecordBatch) -> Option<&[i64]> {
    let column = batch.column_by_name("started_at")?;
    Some(column.as_primitive_opt::<TimestampMicrosecondType>()?.values())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, TimestampMicrosecondArray};

    use super::*;

    fn batch(starts: impl Iterator<Item = i64>) -> RecordBatch {
        let starts: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(starts));
        RecordBatch::try_from_iter([("started_at", starts)]).unwrap()
    }

    fn chosen(preview: &Preview, first: &[RecordBatch], file_rows: usize) -> Vec<i64> {
        let batches = preview.of_file(first, file_rows).unwrap();
        batches.iter().flat_map(|batch| starts(batch).unwrap().to_vec()).collect()
    }

    #[test]
    fn a_file_is_seen_to_its_end_and_not_beyond() {
        let all = 1_000_000;
        let preview = Preview { rows: batch((0..all).step_by(64)), one_in: 64, has_others: false };
        let first = [batch(300_000..310_000), batch(310_000..332_768)];
        let rows = chosen(&preview, &first, 262_144);
        assert_eq!((rows.len(), rows[0], rows[4_095]), (4_096, 300_032, 300_032 + 4_095 * 64));
        // The last file has fewer rows than there may be.
        let rows = chosen(&preview, &[batch(800_000..832_768)], 262_144);
        assert_eq!((rows.len(), rows[rows.len() - 1]), (3_125, 999_936));
    }

    #[test]
    fn first_rows_are_among_those_of_a_preview_that_is_not_enough() {
        for (has_others, one_in) in [(true, 64), (false, 1_024)] {
            let preview = Preview { rows: batch((0..1_000_000).step_by(one_in)), one_in, has_others };
            let first = [batch(0..10_000), batch(10_000..10_001), batch(10_001..32_768)];
            let rows = chosen(&preview, &first, 262_144);
            let early: Vec<i64> = rows.iter().copied().take_while(|start| *start < 32_768).collect();
            assert!(rows.len() <= WANTED * 2 && early.len() >= WANTED / 2, "{} {}", rows.len(), early.len());
            assert!(early.windows(2).take(1_000).all(|pair| pair[1] - pair[0] == early[1]), "{early:?}");
            assert!(rows.iter().any(|start| *start > 250_000));
        }
        assert_eq!(chosen(&Preview { rows: batch(0..0), one_in: 16, has_others: false }, &[batch(0..9)], 9).len(), 9);
    }
}

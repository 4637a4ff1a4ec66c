//! A survey of the rows of a run, gathered while they are staged: the columns of a file are fixed when its first rows are written, and later
//! ones may have other JSON paths, and other kinds of values at them.

use arrow::array::{BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch};

use super::runs::{Liveness, compact, of_liveness};
use crate::error::Result;
use crate::lake::preview::Preview;
use crate::schema;

/// Of an input that is smaller than what the writer looks at before it chooses, a survey would have nothing to add.
const AT_LEAST_ONE_IN: u64 = 16;
/// Rows and bytes kept at most.
const MAX_ROWS: usize = 24_576;
const MAX_BYTES: usize = 48 << 20;

/// Some rows of a run, chosen by their content, so that the same rows are chosen in whatever order they come.
#[derive(Debug)]
pub struct Survey {
    one_in: u64,
    /// The rows as the lake stores them.
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Default for Survey {
    fn default() -> Self {
        Self { one_in: AT_LEAST_ONE_IN, batches: Vec::new(), rows: 0, bytes: 0 }
    }
}

impl Survey {
    /// Takes rows in.
    ///
    /// # Errors
    /// A defect of the rows' columns.
    pub fn add(&mut self, rows: &RecordBatch, content: &Int64Array) -> Result<()> {
        self.push(&filter_record_batch(rows, &chosen(content, self.one_in))?)?;
        while self.rows > MAX_ROWS || self.bytes > MAX_BYTES {
            self.one_in *= 2;
            let batches = std::mem::take(&mut self.batches);
            (self.rows, self.bytes) = (0, 0);
            for batch in batches {
                let content = batch.column(batch.schema().index_of(schema::CONTENT_HASH)?);
                let Some(content) = content.as_any().downcast_ref::<Int64Array>() else { continue };
                self.push(&filter_record_batch(&batch, &chosen(content, self.one_in))?)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() > 0 {
            // A view of a text would keep all of the block in memory.
            let rows = compact(rows)?;
            self.rows += rows.num_rows();
            self.bytes += rows.get_array_memory_size();
            self.batches.push(rows);
        }
        Ok(())
    }

    /// Returns what the running or the ended sessions look like; `has_others` says that stored rows are written with them.
    ///
    /// # Errors
    /// A defect of the rows' columns.
    pub fn preview(&self, liveness: Liveness, has_others: bool) -> Result<Option<Preview>> {
        let Some(first) = self.batches.first() else { return Ok(None) };
        let all = concat_batches(&first.schema(), &self.batches)?;
        let rows = of_liveness(&all, liveness)?;
        // Rows of one instant come in the order of their content, whatever block came first.
        let by = ["started_at", schema::CONTENT_HASH].map(|name| rows.column_by_name(name).cloned());
        let by = by.into_iter().flatten().map(|values| SortColumn { values, options: None }).collect::<Vec<_>>();
        let rows = take_record_batch(&rows, &lexsort_to_indices(&by, None)?)?;
        let one_in = usize::try_from(self.one_in).unwrap_or(usize::MAX);
        Ok((rows.num_rows() > 0).then_some(Preview { rows, one_in, has_others }))
    }
}

/// Says which rows are chosen: by other bits than those that tables of hashes go by.
fn chosen(content: &Int64Array, one_in: u64) -> BooleanArray {
    content.values().iter().map(|hash| Some(((*hash as u64) >> 20).is_multiple_of(one_in))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, StringViewArray, TimestampMicrosecondArray, new_null_array};

    use super::*;

    /// Rows of these numbers, of which each third is running; two rows start at each instant.
    fn rows(numbers: std::ops::Range<i64>) -> (RecordBatch, Int64Array) {
        let count = (numbers.end - numbers.start) as usize;
        let content =
            Int64Array::from_iter_values(numbers.clone().map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)));
        let instants = |values: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
        };
        let stored = schema::stored_schema();
        let columns = stored.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "session_id" => Arc::new(numbers.clone().map(|n| Some(n.to_string())).collect::<StringViewArray>()),
                "started_at" => instants(numbers.clone().map(|n| Some(n / 2)).collect()),
                "ended_at" => instants(numbers.clone().map(|n| (n % 3 > 0).then_some(n)).collect()),
                schema::CONTENT_HASH => Arc::new(content.clone()),
                _ => new_null_array(field.data_type(), count),
            }
        });
        (RecordBatch::try_new(Arc::clone(&stored), columns.collect()).unwrap(), content)
    }

    fn surveyed(blocks: &[std::ops::Range<i64>]) -> Survey {
        let mut survey = Survey::default();
        for block in blocks {
            let (rows, content) = rows(block.clone());
            survey.add(&rows, &content).unwrap();
        }
        survey
    }

    fn ids(survey: &Survey, liveness: Liveness) -> (usize, Vec<String>) {
        let preview = survey.preview(liveness, false).unwrap().unwrap();
        let ids = preview.rows.column_by_name("session_id").unwrap().as_string_view();
        (preview.one_in, ids.iter().flatten().map(str::to_owned).collect())
    }

    #[test]
    fn a_survey_is_bounded_and_the_same_in_whatever_order_rows_come() {
        let blocks: Vec<_> = (0..60).map(|block| block * 10_000..(block + 1) * 10_000).collect();
        let backwards: Vec<_> = blocks.iter().rev().cloned().collect();
        let (one, other) = (surveyed(&blocks), surveyed(&backwards));
        assert!(one.rows <= MAX_ROWS && one.rows > MAX_ROWS / 3, "{}", one.rows);
        for liveness in [Liveness::Active, Liveness::Ended] {
            let (one_in, ids) = ids(&one, liveness);
            assert_eq!((one_in, ids.clone()), super::tests::ids(&other, liveness));
            assert_eq!(one_in, 32);
            let numbers: Vec<i64> = ids.iter().map(|id| id.parse().unwrap()).collect();
            assert!(
                numbers.is_sorted_by_key(|n| n / 2)
                    && numbers.iter().all(|n| (n % 3 == 0) == (liveness == Liveness::Active))
            );
            assert!(numbers.first().unwrap() < &3_000 && numbers.last().unwrap() > &597_000);
        }
        assert!(Survey::default().preview(Liveness::Ended, true).unwrap().is_none());
    }
}

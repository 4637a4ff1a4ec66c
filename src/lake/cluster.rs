//! The order of rows inside a page: like beside like, while pages stay in the order of time.
//!
//! The rows of a file come sorted by `started_at`. Documents of one workflow at one step share keys and values, and zstd finds a repetition
//! only within its window. Each full page is therefore sorted by workflow and step. Sorting inside of a page changes neither which rows the page
//! holds nor its bounds, so that the page index prunes by time as well as before. The rows at the end of a file that do not fill a page stay in
//! the order of time.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray, UInt32Array};
use arrow::compute::{sort_to_indices, take_record_batch};

use super::layout::CLUSTER_COLUMNS;
use crate::error::Result;

/// Puts the rows of a page in the order of [`CLUSTER_COLUMNS`], and of time among rows that are alike. Rows without these columns
/// stay as they are.
///
/// # Errors
/// A defect of ours.
pub fn cluster_page(page: &RecordBatch) -> Result<RecordBatch> {
    let columns = CLUSTER_COLUMNS.iter().map(|name| page.column_by_name(name)?.as_string_view_opt());
    let Some(columns) = columns.collect::<Option<Vec<&StringViewArray>>>() else { return Ok(page.clone()) };
    // There are few workflows and steps: numbering them is several times faster than to sort the rows by their texts.
    let mut numbers: HashMap<[Option<&str>; CLUSTER_COLUMNS.len()], usize> = HashMap::new();
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for row in 0..page.num_rows() {
        let mut key = [None; CLUSTER_COLUMNS.len()];
        for (text, column) in key.iter_mut().zip(&columns) {
            *text = column.is_valid(row).then(|| column.value(row));
        }
        let number = *numbers.entry(key).or_insert(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(row as u32),
            None => groups.push(vec![row as u32]),
        }
    }
    let mut keys: Vec<_> = numbers.into_iter().collect();
    keys.sort_unstable();
    let rows = keys.into_iter().filter_map(|(_, number)| groups.get(number)).flatten().copied();
    Ok(take_record_batch(page, &UInt32Array::from_iter_values(rows))?)
}

/// Puts the rows of a page back in the order of time.
///
/// # Errors
/// Rows without `started_at`.
pub fn by_time(page: &RecordBatch) -> Result<RecordBatch> {
    let started_at = page.column(page.schema().index_of("started_at")?);
    Ok(take_record_batch(page, &sort_to_indices(started_at, None, None)?)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn page(rows: &[(Option<&str>, Option<&str>)]) -> RecordBatch {
        let workflow: StringViewArray = rows.iter().map(|row| row.0).collect();
        let step: StringViewArray = rows.iter().map(|row| row.1).collect();
        let started_at = Int64Array::from_iter_values(0..rows.len() as i64);
        RecordBatch::try_from_iter_with_nullable([
            ("workflow_id", Arc::new(workflow) as ArrayRef, true),
            ("current_workflow_item_id", Arc::new(step) as ArrayRef, true),
            ("started_at", Arc::new(started_at) as ArrayRef, true),
        ])
        .unwrap()
    }

    fn times(page: &RecordBatch) -> Vec<i64> {
        page.column(page.num_columns() - 1).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_of_one_workflow_and_step_stand_together_in_the_order_of_time() {
        let page = page(&[
            (Some("b"), Some("1")),
            (Some("a"), Some("2")),
            (None, Some("1")),
            (Some("a"), None),
            (Some("b"), Some("1")),
            (Some("a"), Some("2")),
        ]);
        let clustered = cluster_page(&page).unwrap();
        assert_eq!(times(&clustered), [2, 3, 1, 5, 0, 4]);
        assert_eq!(by_time(&clustered).unwrap(), page);
    }

    #[test]
    fn rows_of_another_table_stay_as_they_are() {
        let page = page(&[(Some("b"), None), (Some("a"), None)]).project(&[0, 2]).unwrap();
        assert_eq!(times(&cluster_page(&page).unwrap()), [0, 1]);
    }
}

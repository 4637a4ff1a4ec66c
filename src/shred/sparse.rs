//! Columns of text in which most rows may have nothing.

use std::sync::Arc;

use arrow::array::{Array, ArrayBuilder, ArrayRef, NullBufferBuilder, StringViewBuilder, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// Grows a column of texts; rows for which none comes are NULL.
///
/// Arrow's builder takes NULLs one by one, which was a quarter of reading a rare path, where nearly every row is one. Here they
/// are counted, and the rows are laid out at the end.
#[derive(Debug)]
pub(crate) struct SparseTexts {
    values: StringViewBuilder,
    /// For each row up to the last that has a text, which it is; anything for other rows.
    places: Vec<u32>,
    nulls: NullBufferBuilder,
}

impl SparseTexts {
    /// Makes one for about so many rows.
    pub fn new(rows: usize) -> Self {
        Self { values: StringViewBuilder::new(), places: Vec::new(), nulls: NullBufferBuilder::new(rows) }
    }

    /// Appends the text of a row. Rows come in order, each once at most.
    pub fn append(&mut self, row: usize, text: &str) {
        let missing = row.saturating_sub(self.places.len());
        if missing > 0 {
            self.nulls.append_n_nulls(missing);
            self.places.resize(row, 0);
        }
        self.nulls.append_non_null();
        // A batch has far fewer rows.
        self.places.push(u32::try_from(self.values.len()).unwrap_or(u32::MAX));
        self.values.append_value(text);
    }

    /// Returns the column of so many rows.
    ///
    /// # Errors
    /// As Arrow's `take`.
    pub fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let values = self.values.finish();
        if values.len() == rows {
            return Ok(Arc::new(values));
        }
        if values.is_empty() {
            return Ok(new_null_array(&DataType::Utf8View, rows));
        }
        self.nulls.append_n_nulls(rows.saturating_sub(self.places.len()));
        self.places.resize(rows, 0);
        take(&values, &UInt32Array::new(self.places.into(), self.nulls.finish()), None)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_have_their_texts(texts in proptest::collection::vec(proptest::option::weighted(0.3, "[a-z]{0,30}"), 0..50)) {
            let mut sparse = SparseTexts::new(0);
            for (row, text) in texts.iter().enumerate() {
                text.iter().for_each(|text| sparse.append(row, text));
            }
            let column = sparse.finish(texts.len()).unwrap();
            let expected: StringViewArray = texts.iter().map(Option::as_deref).collect();
            prop_assert_eq!(column.as_string_view(), &expected);
        }
    }
}

//! Columns of text in which most rows may have nothing.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray, builder::make_view, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::DataType;

/// Bytes of text that are in the view itself.
const INLINED: usize = 12;
/// Bytes of the first block of texts, and of the largest: each has twice as many as the one before.
const FIRST_BLOCK: usize = 8 << 10;
const LARGEST_BLOCK: usize = 1 << 20;

/// Grows a column of texts; rows for which none comes are NULL.
///
/// Views go to their rows at once. Arrow's builder takes NULLs one by one, which was a quarter of reading a rare path, where nearly every row is
/// one; texts in a row with their places beside them, taken apart at the end, were a twentieth of a load.
#[derive(Debug)]
pub(crate) struct SparseTexts {
    /// Of the rows up to the last that has a text; 0 where a row has none.
    views: Vec<u128>,
    /// A bit for each of these rows: whether it has a text.
    valid: Vec<u64>,
    /// What the views point into, but for the last block.
    blocks: Vec<Buffer>,
    /// The block that is being filled. It never grows beyond its capacity.
    block: Vec<u8>,
    /// The rows that will be.
    rows: usize,
}

impl SparseTexts {
    /// Makes one for about so many rows.
    pub fn new(rows: usize) -> Self {
        Self { views: Vec::new(), valid: Vec::new(), blocks: Vec::new(), block: Vec::new(), rows }
    }

    /// Appends the text of a row. Rows come in order, each once at most.
    pub fn append(&mut self, row: usize, text: &str) {
        if self.views.is_empty() {
            self.views.reserve_exact(self.rows.max(row + 1));
            self.valid.reserve_exact(self.rows.max(row + 1).div_ceil(64));
        }
        self.views.resize(row, 0);
        let view = match text.len() {
            ..=INLINED => make_view(text.as_bytes(), 0, 0),
            _ => self.keep(text),
        };
        self.views.push(view);
        if row / 64 >= self.valid.len() {
            self.valid.resize(row / 64 + 1, 0);
        }
        if let Some(word) = self.valid.last_mut() {
            *word |= 1 << (row % 64);
        }
    }

    /// Copies a text to the block that is being filled, or to a new one, and returns its view.
    fn keep(&mut self, text: &str) -> u128 {
        if self.block.capacity() - self.block.len() < text.len() {
            let next = (self.block.capacity() * 2).clamp(FIRST_BLOCK, LARGEST_BLOCK);
            let full = std::mem::replace(&mut self.block, Vec::with_capacity(next.max(text.len())));
            if !full.is_empty() {
                self.blocks.push(full.into());
            }
        }
        // A block is as large as the largest text at most, which is of a view and so below 4 GiB. There are fewer blocks than texts.
        let (number, offset) = (self.blocks.len() as u32, self.block.len() as u32);
        self.block.extend_from_slice(text.as_bytes());
        make_view(text.as_bytes(), number, offset)
    }

    /// Returns the column of so many rows, which are no fewer than those that came.
    pub fn finish(mut self, rows: usize) -> ArrayRef {
        if self.views.is_empty() {
            return new_null_array(&DataType::Utf8View, rows);
        }
        self.views.resize(rows.max(self.views.len()), 0);
        self.valid.resize(self.views.len().div_ceil(64), 0);
        if !self.block.is_empty() {
            self.blocks.push(self.block.into());
        }
        let nulls = NullBuffer::new(BooleanBuffer::new(self.valid.into(), 0, self.views.len()));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        Arc::new(of_views(self.views, self.blocks, nulls))
    }
}

/// Makes a column of views that are empty or were made of a `&str` and the place where all of it stands.
#[expect(unsafe_code, reason = "the check of all texts again would be a sixtieth of a load")]
fn of_views(views: Vec<u128>, blocks: Vec<Buffer>, nulls: Option<NullBuffer>) -> StringViewArray {
    // SAFETY: `append` makes views of valid UTF-8 alone, those of longer texts with the block and the offset at which `keep` has just put all
    // of the text; blocks do not change and keep their numbers. The mask has a bit for each view.
    unsafe { StringViewArray::new_unchecked(views.into(), blocks, nulls) }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_have_their_texts(
            mut texts in proptest::collection::vec(proptest::option::weighted(0.3, "[a-zé😀]{0,30}"), 0..150),
            long in proptest::collection::vec((0..150_usize, 1..300_000_usize), 0..3),
            expected_rows in 0..150_usize,
        ) {
            for (row, characters) in long {
                texts.get_mut(row).into_iter().for_each(|text| *text = Some("é".repeat(characters)));
            }
            let mut sparse = SparseTexts::new(expected_rows);
            for (row, text) in texts.iter().enumerate() {
                text.iter().for_each(|text| sparse.append(row, text));
            }
            let column = sparse.finish(texts.len());
            prop_assert!(column.to_data().validate_full().is_ok());
            prop_assert_eq!(column.null_count(), texts.iter().filter(|text| text.is_none()).count());
            let expected: StringViewArray = texts.iter().map(Option::as_deref).collect();
            prop_assert_eq!(column.as_string_view(), &expected);
        }
    }
}

//! Makes a column of texts out of a column of texts, at the cost of its distinct values where values repeat.
//!
//! A column read from a Parquet dictionary repeats its views bit for bit: what was made of a view is remembered in a small table
//! that the view's bits lead to, and repeated for the next row that has it. Distinct texts may give the same result, as addresses of
//! one domain do: results are remembered too, so that few are made into texts. A result that is a piece of its input shares the input's
//! bytes.

use std::borrow::Cow;

use arrow::array::{Array, AsArray, ByteView, MAX_INLINE_VIEW_LEN, StringViewArray, UInt32Array, make_view};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::error::ArrowError;

/// Views that are remembered: a power of two.
const REMEMBERED: usize = 1_024;
/// Rows after which views are no longer looked for, where none was met again: a column of distinct values.
const TRIAL_ROWS: usize = 256;
/// Results that are remembered: a power of two.
const RESULTS: usize = 256;
/// The result of a text that gives null.
const NULL: u32 = u32::MAX;
/// What stands in for a view that is not remembered.
const UNKNOWN: u32 = u32::MAX - 1;
/// Bytes of new texts in one buffer; offsets in a view have 32 bits.
const BUFFER_BYTES: usize = 1 << 28;

/// Maps each text; `None` and null give null. `read` may be called once for several rows of the same text.
///
/// # Errors
/// Results of more bytes than views can address.
pub fn map(
    texts: &StringViewArray,
    mut read: impl for<'a> FnMut(&'a str) -> Option<Cow<'a, str>>,
) -> Result<StringViewArray, ArrowError> {
    // The rows' results by number, so that each is checked for UTF-8 once and not for every row.
    let mut remembered: Vec<(u128, u32)> = vec![(0, UNKNOWN); REMEMBERED];
    let mut repeats = 0_usize;
    let mut same: Vec<Option<(Cow<'_, str>, u32)>> = vec![None; RESULTS];
    let mut rows: Vec<u32> = Vec::with_capacity(texts.len());
    let mut results: Vec<u128> = Vec::new();
    let mut buffers: Vec<Buffer> = texts.data_buffers().to_vec();
    let mut made: Vec<u8> = Vec::new();
    for (row, &input) in texts.views().iter().enumerate() {
        if texts.is_null(row) {
            rows.push(NULL);
            continue;
        }
        let place = (repeats > 0 || row < TRIAL_ROWS).then(|| place(input));
        if let Some((view, known)) = place.and_then(|place| remembered.get(place))
            && *view == input
            && *known != UNKNOWN
        {
            repeats += 1;
            rows.push(*known);
            continue;
        }
        let text = texts.value(row);
        let number = match read(text) {
            None => NULL,
            Some(result) => match same.get_mut(place_of_result(&result)) {
                Some(Some((known, number))) if *known == result => *number,
                slot => {
                    let view = if result.len() <= MAX_INLINE_VIEW_LEN as usize {
                        make_view(result.as_bytes(), 0, 0)
                    } else if let Some(view) = piece(input, text, &result) {
                        view
                    } else {
                        if made.len() + result.len() > BUFFER_BYTES && !made.is_empty() {
                            buffers.push(std::mem::take(&mut made).into());
                        }
                        let address = u32::try_from(buffers.len()).ok().zip(u32::try_from(made.len()).ok());
                        let (buffer, offset) =
                            address.ok_or_else(|| ArrowError::ComputeError("texts of more than 4 GB".to_owned()))?;
                        made.extend_from_slice(result.as_bytes());
                        make_view(result.as_bytes(), buffer, offset)
                    };
                    results.push(view);
                    // A batch has fewer rows than this.
                    let number = u32::try_from(results.len() - 1).unwrap_or(NULL);
                    if let Some(slot) = slot {
                        *slot = Some((result, number));
                    }
                    number
                }
            },
        };
        if let Some(slot) = place.and_then(|place| remembered.get_mut(place)) {
            *slot = (input, number);
        }
        rows.push(number);
    }
    if !made.is_empty() {
        buffers.push(made.into());
    }
    let results = StringViewArray::try_new(ScalarBuffer::from(results), buffers, None)?;
    let valid = BooleanBuffer::collect_bool(rows.len(), |row| rows[row] != NULL);
    let rows = UInt32Array::new(rows.into(), Some(NullBuffer::new(valid)));
    Ok(take(&results, &rows, None)?.as_string_view().clone())
}

/// Where a view is remembered.
fn place(view: u128) -> usize {
    let folded = (view as u64) ^ ((view >> 64) as u64).rotate_left(29);
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize % REMEMBERED
}

/// Where a result is remembered: by its length, its two ends and its middle.
fn place_of_result(result: &str) -> usize {
    let bytes = result.as_bytes();
    let middle = bytes.get(bytes.len() / 2..).unwrap_or_default();
    let middle = middle.first_chunk().map_or(0, |middle| u64::from_le_bytes(*middle));
    let folded = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29) ^ middle.rotate_left(13)
        }
        _ => bytes.iter().fold(0, |folded, byte| folded << 8 | u64::from(*byte)),
    };
    ((folded ^ bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % RESULTS
}

/// Makes the view of a result that is a piece of its long input, over the input's bytes.
fn piece(input: u128, text: &str, result: &str) -> Option<u128> {
    let from = (result.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    if text.len() <= MAX_INLINE_VIEW_LEN as usize || from + result.len() > text.len() {
        return None;
    }
    let whole = ByteView::from(input);
    let from = u32::try_from(from).ok()?;
    Some(make_view(result.as_bytes(), whole.buffer_index, whole.offset.checked_add(from)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mapped(texts: &StringViewArray) -> (StringViewArray, usize) {
        let mut calls = 0;
        let result = map(texts, |text| {
            calls += 1;
            match text.len() % 4 {
                0 => None,
                1 => Some(Cow::Borrowed(text.trim())),
                2 => Some(Cow::Owned(text.to_uppercase())),
                _ => Some(Cow::Borrowed("a text of none of the inputs")),
            }
        });
        (result.unwrap(), calls)
    }

    #[test]
    fn a_repeated_view_is_read_once() {
        let distinct = StringViewArray::from_iter_values(["one", "a text that is longer", "another that is longer"]);
        let indices = UInt32Array::from_iter_values((0..3_000).map(|row| row % 3));
        let repeated = take(&distinct, &indices, None).unwrap();
        let (result, calls) = mapped(repeated.as_string_view());
        assert_eq!((result.len(), calls), (3_000, 3));
    }

    #[test]
    fn distinct_texts_are_read_one_by_one_and_some_again() {
        let distinct = (0..1_000).map(|row| format!("{row}"));
        let texts = StringViewArray::from_iter_values(distinct.chain((0..1_000).map(|row| format!("{row}"))));
        let (result, calls) = mapped(&texts);
        assert_eq!((result.len(), calls), (2_000, 2_000));
        let one = StringViewArray::from_iter_values((0..1_000).map(|row| format!("{}", row.max(100))));
        assert_eq!(mapped(&one).1, 900);
    }

    #[test]
    fn pieces_share_the_bytes_of_their_input() {
        let texts = StringViewArray::from_iter_values(["  somebody@somewhere.example.org  "]);
        let result = map(&texts, |text| text.trim().split_once('@').map(|(_, domain)| Cow::Borrowed(domain))).unwrap();
        assert_eq!(result.value(0), "somewhere.example.org");
        assert_eq!(result.data_buffers().len(), 1);
        assert_eq!(result.data_buffers()[0].as_ptr(), texts.data_buffers()[0].as_ptr());
    }

    #[test]
    fn a_repeated_result_is_made_once() {
        let texts: Vec<String> =
            (0..100).map(|row| format!("somebody.{row}@somewhere.example{}.org", row % 2)).collect();
        let texts = StringViewArray::from_iter_values(texts);
        let result = map(&texts, |text| text.split_once('@').map(|(_, domain)| Cow::Owned(domain.to_owned()))).unwrap();
        assert_eq!((result.value(2), result.value(3)), ("somewhere.example0.org", "somewhere.example1.org"));
        let made = result.data_buffers().last().unwrap();
        assert_eq!(made.len(), 2 * "somewhere.example0.org".len());
    }

    proptest! {
        #[test]
        fn every_row_is_what_its_text_gives(
            texts in prop::collection::vec(prop::option::of("\\PC{0,3}|[a-c ]{0,30}"), 0..60), from in 0_usize..60,
        ) {
            let array = StringViewArray::from_iter(texts.iter().map(Option::as_deref));
            let array = array.slice(from.min(array.len()), array.len().saturating_sub(from));
            let expected: Vec<Option<String>> = array.iter().map(|text| {
                let text = text?;
                match text.len() % 4 {
                    0 => None,
                    1 => Some(text.trim().to_owned()),
                    2 => Some(text.to_uppercase()),
                    _ => Some("a text of none of the inputs".to_owned()),
                }
            }).collect();
            let (result, _) = mapped(&array);
            prop_assert_eq!(result.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>(), expected);
        }
    }
}

//! Cuts an array into its elements, each a piece of the array's text.

use std::ops::Range;

use jiter::{Jiter, JiterResult};

use super::plain::{blanks, skip_value};
use super::surrogates::without_lone_surrogates;

/// Finds the elements of the array that a text begins with, as `json_get_array` does.
pub fn cut(array: &str, ranges: &mut Vec<Range<usize>>) -> JiterResult<()> {
    ranges.clear();
    if cut_plain(array.as_bytes(), ranges).is_some() {
        return Ok(());
    }
    let Err(error) = cut_parsed(array, ranges) else { return Ok(()) };
    match without_lone_surrogates(array) {
        Some(mended) => cut_parsed(&mended, ranges),
        None => Err(error),
    }
}

/// Finds the elements of an array by the parser of the functions.
fn cut_parsed(array: &str, ranges: &mut Vec<Range<usize>>) -> JiterResult<()> {
    ranges.clear();
    let mut jiter = Jiter::new(array.as_bytes());
    let mut element = jiter.next_array()?;
    while let Some(peek) = element {
        let start = jiter.current_index();
        jiter.known_skip(peek)?;
        ranges.push(start..jiter.current_index());
        element = jiter.array_step()?;
    }
    Ok(())
}

/// Finds the elements of an array in which nothing is unusual.
fn cut_plain(array: &[u8], ranges: &mut Vec<Range<usize>>) -> Option<()> {
    let mut at = blanks(array, 0);
    if *array.get(at)? != b'[' {
        return None;
    }
    at = blanks(array, at + 1);
    if *array.get(at)? == b']' {
        return Some(());
    }
    loop {
        let end = skip_value(array, at)?;
        ranges.push(at..end);
        at = blanks(array, end);
        match *array.get(at)? {
            b',' => at = blanks(array, at + 1),
            b']' => return Some(()),
            _ => return None,
        }
    }
}

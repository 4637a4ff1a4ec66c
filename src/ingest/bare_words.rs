//! `NaN`, `Infinity` and `-Infinity` outside of strings, which some writers of JSON put for numbers that JSON does not have.
//!
//! Python's library is one. Such a record is no JSON and is not read, unless the word is declared to stand for null.

use memchr::memchr2;

/// The words.
const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

/// Returns whether one of the declared marks of null is such a word.
pub(super) fn are_declared(nulls: &[String]) -> bool {
    nulls.iter().any(|mark| WORDS.contains(&mark.as_str()))
}

/// Returns the first such word of a record.
pub(super) fn first_of(record: &str) -> Option<&'static str> {
    find(record, 0).map(|(_, word)| word)
}

/// Writes null in the place of those that are declared; `None` where there are none.
pub(super) fn without(record: &str, nulls: &[String]) -> Option<String> {
    let mut written = String::new();
    let mut from = 0;
    let mut at = 0;
    while let Some((start, word)) = find(record, at) {
        at = start + word.len();
        if nulls.iter().any(|mark| mark == word) {
            written.push_str(record.get(from..start).unwrap_or_default());
            written.push_str("null");
            from = at;
        }
    }
    if from == 0 {
        return None;
    }
    written.push_str(record.get(from..).unwrap_or_default());
    Some(written)
}

/// Finds the next word from a place outside of a string on.
fn find(record: &str, from: usize) -> Option<(usize, &'static str)> {
    let bytes = record.as_bytes();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = behind_string(bytes, at)?,
            b'N' | b'I' | b'-' => {
                let rest = record.get(at..)?;
                match WORDS.iter().find(|word| rest.starts_with(**word)) {
                    Some(word) => return Some((at, word)),
                    None => at += 1,
                }
            }
            _ => at += 1,
        }
    }
    None
}

fn behind_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at) {
            Some(b'"') => return Some(at + 1),
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_outside_of_strings_become_null_where_they_are_declared() {
        let nulls = ["NaN".to_owned(), "-Infinity".to_owned()];
        for (record, without_them, first) in [
            (r#"{"a":NaN}"#, Some(r#"{"a":null}"#), Some("NaN")),
            (r#"{"a":[ -Infinity,NaN ,1]}"#, Some(r#"{"a":[ null,null ,1]}"#), Some("-Infinity")),
            (r#"{"NaN":"NaN \" NaN","b":-1}"#, None, None),
            (r#"{"a":Infinity}"#, None, Some("Infinity")),
            (r#"{"a":Infinity,"b":NaN}"#, Some(r#"{"a":Infinity,"b":null}"#), Some("Infinity")),
            (r#"{"a":"NaN"#, None, None),
            ("", None, None),
        ] {
            assert_eq!(without(record, &nulls).as_deref(), without_them, "{record}");
            assert_eq!(first_of(record), first, "{record}");
        }
        assert!(are_declared(&nulls) && !are_declared(&["\\N".to_owned()]));
    }
}

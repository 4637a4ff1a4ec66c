//! Tells in one quick pass that text is JSON, where nothing about it is unusual.
//!
//! A million sessions are 800 MB of documents, which are checked as they come and walked once more when they are stored. Neither
//! need build anything, and what is not taken here is left to the parser that the SQL functions use: exponents, long numbers, deep
//! nesting, and all that is no JSON.

use wide::u8x16;

/// Levels of nesting that are followed, one a bit.
const DEPTH: u32 = 60;
/// Digits of a number's parts that are followed.
const DIGITS: usize = 15;

/// Returns true only for JSON; false says nothing.
pub fn is_plain_json(text: &[u8]) -> bool {
    skip_value(text, 0).is_some_and(|end| blanks(text, end) == text.len())
}

/// Returns where the value ends that begins here, behind blanks at most; `None` says nothing.
pub fn skip_value(text: &[u8], start: usize) -> Option<usize> {
    // One bit for each open level, the innermost lowest: whether it is an object.
    let mut objects: u64 = 0;
    let mut depth = 0;
    let mut at = start;
    loop {
        at = blanks(text, at);
        match *text.get(at)? {
            b'"' => at = string(text, at + 1)?.end,
            open @ (b'{' | b'[') => {
                let is_object = open == b'{';
                at = blanks(text, at + 1);
                if *text.get(at)? == if is_object { b'}' } else { b']' } {
                    at += 1;
                } else {
                    depth += 1;
                    if depth > DEPTH {
                        return None;
                    }
                    objects = objects << 1 | u64::from(is_object);
                    if is_object {
                        at = key(text, at)?;
                    }
                    continue;
                }
            }
            b't' => at = literal(text, at, b"true")?,
            b'f' => at = literal(text, at, b"false")?,
            b'n' => at = literal(text, at, b"null")?,
            _ => at = number(text, at)?,
        }
        // Behind a value.
        loop {
            if depth == 0 {
                return Some(at);
            }
            at = blanks(text, at);
            match (*text.get(at)?, objects & 1 == 1) {
                (b',', true) => {
                    at = key(text, blanks(text, at + 1))?;
                    break;
                }
                (b',', false) => {
                    at += 1;
                    break;
                }
                (b'}', true) | (b']', false) => {
                    at += 1;
                    depth -= 1;
                    objects >>= 1;
                }
                _ => return None,
            }
        }
    }
}

/// Goes past white space.
#[inline]
pub fn blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Goes past a key and its colon.
fn key(text: &[u8], at: usize) -> Option<usize> {
    if *text.get(at)? != b'"' {
        return None;
    }
    let at = blanks(text, string(text, at + 1)?.end);
    (*text.get(at)? == b':').then_some(at + 1)
}

/// Where a string ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StringEnd {
    /// The first byte behind the closing quote.
    pub end: usize,
    /// Whether there are escapes in it.
    is_escaped: bool,
}

impl StringEnd {
    /// Returns the place of the closing quote, if what is before it need not be unescaped.
    pub fn plain(self) -> Option<usize> {
        (!self.is_escaped).then(|| self.end - 1)
    }
}

/// Goes past a string whose quote is behind.
#[inline]
pub fn string(text: &[u8], mut at: usize) -> Option<StringEnd> {
    let mut is_escaped = false;
    loop {
        if let Some(part) = text.get(at..)?.first_chunk() {
            let bytes = u8x16::new(*part);
            let marks = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'));
            // The least of a byte and the last control character is the byte itself for those alone.
            let found = (marks | bytes.min(u8x16::splat(0x1f)).simd_eq(bytes)).to_bitmask();
            if found == 0 {
                at += part.len();
                continue;
            }
            at += found.trailing_zeros() as usize;
        }
        match *text.get(at)? {
            b'"' => return Some(StringEnd { end: at + 1, is_escaped }),
            b'\\' => match *text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => (at, is_escaped) = (at + 2, true),
                b'u' => {
                    let second = unicode(text, at + 1)?;
                    (at, is_escaped) = (if second == 0 { at + 6 } else { second + 5 }, true);
                }
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// Reads the `u` of an escape; returns where the `u` of its second half is, or 0 where it is whole.
#[cold]
pub fn unicode(document: &[u8], at: usize) -> Option<usize> {
    let unit = |at: usize| {
        let digits = document.get(at + 1..at + 5)?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    };
    match unit(at)? {
        0xD800..=0xDBFF if document.get(at + 5..at + 7) == Some(b"\\u") => {
            matches!(unit(at + 6)?, 0xDC00..=0xDFFF).then_some(at + 6)
        }
        0xD800..=0xDFFF => None,
        _ => Some(0),
    }
}

/// Goes past a word.
pub fn literal(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// Goes past a number.
pub fn number(text: &[u8], mut at: usize) -> Option<usize> {
    if *text.get(at)? == b'-' {
        at += 1;
    }
    let whole = digits(text, at);
    if whole == 0 || whole > DIGITS || (whole > 1 && *text.get(at)? == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(text, at + 1);
        if fraction == 0 || fraction > DIGITS {
            return None;
        }
        at += 1 + fraction;
    }
    // What makes the number longer makes it unusual.
    (!matches!(text.get(at), Some(b'e' | b'E' | b'.'))).then_some(at)
}

fn digits(text: &[u8], at: usize) -> usize {
    text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use jiter::Jiter;
    use proptest::prelude::*;

    use super::*;
    use crate::json::parses;

    #[test]
    fn usual_documents_are_told() {
        for text in [
            r#"{"a":"b","c":[1,-2.5,true,false,null,{}],"d":{"e":[]},"f":"a longer text with \"quotes\" and \\ é"}"#,
            " [ 1 , { \"a\" : 0 } ]\r\n\t",
            "\"text\"",
            r#""\u00e9 and \ud83d\udd8c in a longer text""#,
            "-0",
            "0.5",
            "{}",
        ] {
            assert!(is_plain_json(text.as_bytes()), "{text}");
            assert!(parses(text), "{text}");
            for cut in 1..text.len() {
                let cut = text.get(..cut).unwrap_or("{");
                assert!(!is_plain_json(cut.as_bytes()) || parses(cut), "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_json_or_unusual_is_not_taken() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "[1}",
            "{\"a\":1]",
            "1 2",
            "01",
            "1.",
            "-",
            "+1",
            ".5",
            "1e5",
            "nul",
            "truex",
            "NaN",
            "\"\\ud83d\"",
            "\"\\ud83d\\u00e9\"",
            "\"\\udd8c\"",
            "\"\\u00g9\"",
            "\"\\u00e",
            "\"\\x\"",
            "\"a\nb\"",
            "\"a\0\"",
            "\"abcdefgh",
            "1234567890123456",
            "[1,2]]",
            "{\"a\":}",
        ] {
            assert!(!is_plain_json(text.as_bytes()), "{text}");
        }
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_plain_json(nested(60).as_bytes()));
        assert!(!is_plain_json(nested(62).as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_taken_is_json(text in r#"([\[\]{}:, \n"\\\\0-9.eEtn-]|"[a-z]{0,9}"|true|null|"a":|\{"b":|é|\x01|\x7f){0,12}"#) {
            prop_assert!(!is_plain_json(text.as_bytes()) || parses(&text), "{text:?}");
        }

        #[test]
        fn strings_end_where_the_parser_ends_them(text in r#""(([a-zé"\\\\/nu\x00-\x20\x7f0-9]|\\\\u[dD0][89a-e][0-9a-f]{2}|[a-z]{9}){0,20}")"#) {
            prop_assert!(!is_plain_json(text.as_bytes()) || parses(&text), "{text:?}");
        }

        #[test]
        fn a_value_ends_where_the_parser_ends_it(text in r#"([\[\]{}:, "0-9.eE-]|"[a-z]{0,9}"|true|"a":|\{"b":){0,8}"#) {
            if let Some(end) = skip_value(text.as_bytes(), 0) {
                let mut parser = Jiter::new(text.as_bytes());
                prop_assert!(parser.next_skip().is_ok(), "{text:?}");
                prop_assert_eq!(parser.current_index(), end, "{:?}", text);
            }
        }

        #[test]
        fn whatever_a_writer_writes_without_odd_numbers_is_taken(
            texts in proptest::collection::vec("[^\\x00-\\x1f]{0,30}", 0..6),
            numbers in proptest::collection::vec(-1_000_000_i64..1_000_000, 0..6),
        ) {
            let json = serde_json::json!({ "texts": texts, "numbers": numbers, "nested": [{ "texts": texts }, null, true] });
            prop_assert!(is_plain_json(json.to_string().as_bytes()), "{json}");
        }
    }
}

//! Finds where values of JSON end in bytes that come piece by piece.
//!
//! Strings, their escapes and brackets are followed and nothing else, so that a value that is no JSON has an end too.

use memchr::memchr2;

use super::plain::blanks;

/// Finds the end of one JSON value without reading it: strings, escapes and brackets are followed, nothing else. It may be
/// fed piece by piece, and its depth is a number, so that no nesting overflows anything.
#[derive(Debug, Default, Clone)]
pub struct Scanner {
    depth: u64,
    in_string: bool,
    escaped: bool,
    started: bool,
    scalar: bool,
}

impl Scanner {
    /// Returns the length of the value's last piece, or `None` if it goes on. A bare word or number ends before a comma, a
    /// bracket or a blank.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if !self.started {
            self.scalar = !matches!(bytes.first()?, b'{' | b'[' | b'"');
            self.started = true;
            at = usize::from(self.scalar);
        }
        if self.scalar {
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
            return bytes.get(at..)?.iter().position(ends).map(|length| at + length);
        }
        while let Some(byte) = bytes.get(at) {
            if self.in_string {
                if std::mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
                self.escaped = bytes.get(at) == Some(&b'\\');
                self.in_string = self.escaped;
                at += 1;
                if !self.in_string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Returns the length of the value that begins at a byte; `None` if it goes on behind the window.
pub fn value_length(window: &[u8], at: usize) -> Option<usize> {
    Scanner::default().feed(window.get(at..)?)
}

/// Reads a key; returns it without its quotes, and where its value starts.
pub fn key_at(window: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let end = at + value_length(window, at)?;
    let key = window.get(at + 1..end - 1)?;
    let mut value_at = blanks(window, end);
    // What is no colon is left for the value to be, and is refused as such.
    value_at += usize::from(*window.get(value_at)? == b':');
    Some((key, blanks(window, value_at)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(text: &str) -> Option<&str> {
        Scanner::default().feed(text.as_bytes()).map(|length| &text[..length])
    }

    #[test]
    fn a_value_ends_where_its_brackets_and_quotes_pair_up() {
        assert_eq!(scan(r#"{"a":"}\\\"}","b":[{}]} x"#), Some(r#"{"a":"}\\\"}","b":[{}]}"#));
        assert_eq!(scan(r#""a\"b",1"#), Some(r#""a\"b""#));
        assert_eq!(scan("12.5,"), Some("12.5"));
        assert_eq!(scan("12.5"), None);
        assert_eq!(scan("{\"a\":\"}"), None);
        assert_eq!(scan(""), None);
    }

    proptest! {
        #[test]
        fn a_scanner_fed_in_pieces_says_the_same(text in "[\\[\\]{}\",\\\\a1 ]{0,40}", cut in 0..40_usize) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let mut pieces = Scanner::default();
            let found = pieces.feed(&bytes[..cut]).or_else(|| pieces.feed(&bytes[cut..]).map(|length| cut + length));
            prop_assert_eq!(found, Scanner::default().feed(bytes));
        }
    }
}

//! Reads single values, as the functions of datafusion-functions-json do.

use jiter::{Jiter, NumberAny, Peek};

use super::follow::Place;
use super::numbers::{to_float, to_integer};
use super::surrogates::without_lone_surrogates;

/// A value in its document.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    /// The value, or the rest of a document from where it begins.
    pub text: &'a str,
    /// Whether the text is the value and nothing else.
    is_whole: bool,
}

impl<'a> Value<'a> {
    /// Takes the value at a place of its document.
    pub fn at(document: &'a str, place: Place) -> Option<Self> {
        let text = document.get(place.start..place.end.unwrap_or(document.len()))?;
        Some(Self { text, is_whole: place.end.is_some() })
    }

    /// Says whether it is a string.
    pub fn is_string(self) -> bool {
        self.text.starts_with('"')
    }

    /// Returns the text of a string without escapes, which need not be decoded.
    fn plain(self) -> Option<&'a str> {
        plain_string(self.text).filter(|_| self.is_whole)
    }

    /// Hands out the value as text: a string decoded, anything else as it is written, but null and what breaks off.
    pub fn with_text(self, take: impl FnOnce(Option<&str>)) {
        if self.is_string() {
            match self.plain() {
                Some(text) => take(Some(text)),
                None => take(Jiter::new(self.text.as_bytes()).known_str().ok()),
            }
        } else if self.text.starts_with('n') {
            take(None);
        } else if self.is_whole {
            take(Some(self.text));
        } else {
            let mut jiter = Jiter::new(self.text.as_bytes());
            let is_read = jiter.next_skip().is_ok();
            take(self.text.get(..jiter.current_index()).filter(|_| is_read));
        }
    }

    /// Parses the text of a string.
    fn parsed<T: std::str::FromStr>(self) -> Option<T> {
        match self.plain() {
            Some(text) => text.parse().ok(),
            None => Jiter::new(self.text.as_bytes()).known_str().ok()?.parse().ok(),
        }
    }

    fn number(self) -> Option<NumberAny> {
        let mut jiter = Jiter::new(self.text.as_bytes());
        match jiter.peek().ok()? {
            Peek::Null | Peek::True | Peek::False | Peek::Infinity | Peek::NaN | Peek::Array | Peek::Object => None,
            peek => jiter.known_number(peek).ok(),
        }
    }

    /// Reads a number, or a string that spells one, that is whole and within 64 bits.
    pub fn integer(self) -> Option<i64> {
        if self.is_string() { self.parsed() } else { to_integer(self.number()?) }
    }

    /// Reads a number, or a string that spells one.
    pub fn float(self) -> Option<f64> {
        if self.is_string() { self.parsed() } else { Some(to_float(self.number()?)) }
    }

    /// Reads true or false, or a string that spells it.
    pub fn boolean(self) -> Option<bool> {
        if self.is_string() {
            return self.parsed();
        }
        let mut jiter = Jiter::new(self.text.as_bytes());
        match jiter.peek().ok()? {
            peek @ (Peek::True | Peek::False) => jiter.known_bool(peek).ok(),
            _ => None,
        }
    }
}

/// Returns the text of a whole string without escapes, which need not be decoded.
fn plain_string(raw: &str) -> Option<&str> {
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    // The parser skips over control characters that it does not read.
    let is_plain = inside.bytes().fold(true, |plain, byte| plain & (byte != b'\\') & (byte >= 0x20));
    is_plain.then_some(inside)
}

/// Reads the text of a scalar: a string decoded, a number or bool as it stands; `None` for null, objects and arrays.
///
/// Strings are decoded into `buffer` only if they have escapes.
pub fn scalar_text<'a>(raw: &'a str, buffer: &'a mut String) -> Option<&'a str> {
    match raw.as_bytes().first()? {
        b'"' => {
            if let Some(inside) = plain_string(raw) {
                return Some(inside);
            }
            buffer.clear();
            match Jiter::new(raw.as_bytes()).next_str() {
                Ok(text) => buffer.push_str(text),
                Err(_) => buffer.push_str(Jiter::new(without_lone_surrogates(raw)?.as_bytes()).next_str().ok()?),
            }
            Some(buffer)
        }
        b'n' | b'{' | b'[' => None,
        _ => Some(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_decoded() {
        let mut buffer = String::new();
        for (raw, text) in [
            (r#""a b""#, Some("a b")),
            (r#""a\n\u00e9\ud83d\ude00\"""#, Some("a\né😀\"")),
            (r#""""#, Some("")),
            ("-0", Some("-0")),
            ("1.50", Some("1.50")),
            ("true", Some("true")),
            ("null", None),
            ("{}", None),
            ("[1]", None),
            (r#""\ud800""#, Some("\u{fffd}")),
            (r#""\ud800\q""#, None),
        ] {
            assert_eq!(scalar_text(raw, &mut buffer), text, "{raw}");
        }
    }
}

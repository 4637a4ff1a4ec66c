//! Strings of JSON: written, and read where the document around them may be broken.

use std::borrow::Cow;
use std::ops::Range;

/// Which characters of a string are escaped, and how. Quotes, backslashes and control characters are in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// Backspace and form feed as `\u0008` and `\u000c`. Text that ingest makes is stored so, and rows are told from each other by it.
    Plain,
    /// The same, and all that is not ASCII as `\u` escapes, which is what some systems send.
    Ascii,
    /// Backspace and form feed as `\b` and `\f`, as serde_json writes them.
    Short,
}

impl Escaping {
    /// Says whether the character that begins with this byte is escaped.
    #[inline]
    fn has(self, byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\' || (byte >= 0x80 && self == Self::Ascii)
    }
}

/// Writes text as a JSON string, with [`Escaping::Plain`].
pub fn push_json_string(out: &mut String, text: &str) {
    push_json_string_as(out, text, Escaping::Plain);
}

/// Writes text as a JSON string with its quotes.
#[inline]
pub fn push_json_string_as(out: &mut String, text: &str, escaping: Escaping) {
    out.push('"');
    let mut rest = text;
    // A byte that is escaped is ASCII or the first of its character, so that the text is cut between characters.
    while let Some((clean, escaped)) =
        rest.bytes().position(|byte| escaping.has(byte)).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(clean);
        let mut characters = escaped.chars();
        let Some(character) = characters.next() else { break };
        push_escape(out, character, escaping);
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn push_escape(out: &mut String, character: char, escaping: Escaping) {
    let short = match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{8}' if escaping == Escaping::Short => "\\b",
        '\u{c}' if escaping == Escaping::Short => "\\f",
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str("\\u");
                out.extend([12, 8, 4, 0].map(|bits| hex_digit(*unit >> bits)));
            }
            return;
        }
    };
    out.push_str(short);
}

/// Returns the lowest four bits as a digit, in lower case.
fn hex_digit(bits: u16) -> char {
    char::from_digit(u32::from(bits & 15), 16).unwrap_or_default()
}

/// Returns text as a JSON string, with [`Escaping::Short`].
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_json_string_as(&mut out, text, Escaping::Short);
    out
}

/// Returns where a part of a text lies in it; `None` for a copy. The parser gives a piece of the document for a string without escapes, and
/// a copy for any other.
#[inline]
pub fn place_in(document: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(document.as_ptr() as usize)?;
    let end = start + part.len();
    (end <= document.len()).then_some(start..end)
}

/// Returns where the string ends that begins here: at its quote, or at the end of the text.
pub fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut place = from;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'"' => return place,
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
    bytes.len()
}

/// Decodes the escapes of a string without its quotes; what is no escape stays as it is.
pub fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(place) = rest.find('\\') {
        let (before, from) = rest.split_at(place);
        out.push_str(before);
        let (character, length) = escape(from);
        match character {
            Some(character) => out.push(character),
            None => out.push_str(from.get(..length).unwrap_or(from)),
        }
        rest = from.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Reads one escape at the start of a text: its character and its length; none where it is broken, with the length to keep.
fn escape(text: &str) -> (Option<char>, usize) {
    let unit = |from: usize| text.get(from..from + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let plain = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(&other @ (b'"' | b'\\' | b'/')) => char::from(other),
        Some(b'u') => {
            let Some(high) = unit(2) else { return (None, 1) };
            if let Some(character) = char::from_u32(high) {
                return (Some(character), 6);
            }
            let low = (text.get(6..8) == Some("\\u")).then(|| unit(8)).flatten();
            let pair = low.filter(|low| (0xdc00..0xe000).contains(low) && (0xd800..0xdc00).contains(&high));
            let code = pair.and_then(|low| char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)));
            return code.map_or((None, 6), |character| (Some(character), 12));
        }
        _ => return (None, 1),
    };
    (Some(plain), 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_way_escapes_what_it_says() {
        let written = |escaping| {
            let mut out = String::new();
            push_json_string_as(&mut out, "a\"\\\n\r\t\u{8}\u{c}\u{1f}\u{7f}é\u{1f600}", escaping);
            out
        };
        assert_eq!(written(Escaping::Plain), "\"a\\\"\\\\\\n\\r\\t\\u0008\\u000c\\u001f\u{7f}é\u{1f600}\"");
        assert_eq!(written(Escaping::Ascii), "\"a\\\"\\\\\\n\\r\\t\\u0008\\u000c\\u001f\u{7f}\\u00e9\\ud83d\\ude00\"");
        assert_eq!(written(Escaping::Short), "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u001f\u{7f}é\u{1f600}\"");
    }

    proptest! {
        #[test]
        fn strings_are_read_back(text in "(?s)([\\x00-\\x7f]|.){0,40}") {
            for escaping in [Escaping::Plain, Escaping::Ascii, Escaping::Short] {
                let mut json = String::new();
                push_json_string_as(&mut json, &text, escaping);
                prop_assert_eq!(&serde_json::from_str::<String>(&json).unwrap(), &text);
                prop_assert!(!json.contains('\n') && (escaping != Escaping::Ascii || json.is_ascii()));
                let inside = &json[1..json.len() - 1];
                prop_assert_eq!(decoded(inside), text.as_str());
                prop_assert_eq!(string_end(json.as_bytes(), 1), json.len() - 1);
            }
            prop_assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn a_part_is_told_from_a_copy(text in ".{1,20}", from in 0_usize..20) {
            let from = (0..=from.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            prop_assert_eq!(place_in(&text, &text[from..]), Some(from..text.len()));
            prop_assert_eq!(place_in(&text, &text.clone()), None);
        }
    }
}

//! Goes through the strings of JSON without taking it apart, so that all else stays byte for byte: order, spacing, repeated
//! keys, numbers of any length. Broken JSON is gone through as far as it can be.

use std::borrow::Cow;

use super::key::Key;
use super::{by_form, phone, text};
use crate::json::{decoded, quoted, string_end};

/// A piece of JSON that may hold what is to be hidden.
pub(super) enum Piece<'a> {
    /// The name of a value.
    Name(&'a str),
    /// A string, under its key.
    Text(&'a str, Key),
    /// A number, under its key.
    Number(&'a str, Key),
}

struct Frame {
    is_object: bool,
    /// What the object or array itself stands under.
    key: Key,
    /// What the next value stands under.
    current: Key,
}

/// Goes through all pieces; what the visitor returns takes their place, a text as a string.
pub(super) fn walk<'a>(json: &'a str, key: Key, visit: &mut dyn FnMut(Piece<'_>) -> Option<String>) -> Cow<'a, str> {
    let bytes = json.as_bytes();
    let piece = |from: usize, to: usize| json.get(from..to).unwrap_or_default();
    let mut out = String::new();
    let mut copied = 0;
    let mut frames: Vec<Frame> = Vec::new();
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let current = frames.last().map_or(key, |frame| frame.current);
        let mut next = place + 1;
        let mut shown = None;
        match byte {
            b'{' => frames.push(Frame { is_object: true, key: current, current: Key::Other }),
            b'[' => frames.push(Frame { is_object: false, key: current, current }),
            b'}' | b']' => {
                frames.pop();
            }
            b',' => {
                if let Some(frame) = frames.last_mut().filter(|frame| frame.is_object) {
                    frame.current = Key::Other;
                }
            }
            b'"' => {
                let end = string_end(bytes, next);
                let raw = piece(next, end);
                next = (end + 1).min(bytes.len());
                let decoded = decoded(raw);
                let after = bytes.get(next..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace());
                if after == Some(&b':') {
                    shown = visit(Piece::Name(&decoded));
                    // What is shown of the key tells, so that it tells the same when it is looked at again: what stands under somebody's
                    // address is hidden with it.
                    if let Some(frame) = frames.last_mut() {
                        frame.current = frame.key.inside(shown.as_deref().unwrap_or(&decoded));
                    }
                } else {
                    shown = visit(Piece::Text(&decoded, current));
                }
                shown = shown.map(|text| quoted(&text));
            }
            b'0'..=b'9' | b'-' => {
                let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                next = place + bytes.get(place..).unwrap_or_default().iter().take_while(is_part).count();
                shown = visit(Piece::Number(piece(place, next), current)).map(|text| quoted(&text));
            }
            _ => {}
        }
        if let Some(shown) = shown {
            out.push_str(piece(copied, place));
            out.push_str(&shown);
            copied = next;
        }
        place = next;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(piece(copied, json.len()));
    Cow::Owned(out)
}

/// Hides in every string of a JSON text.
pub(super) fn redact<'a>(json: &'a str, key: Key, names: &[String], depth: usize) -> Cow<'a, str> {
    walk(json, key, &mut |piece| {
        let (before, after) = match piece {
            Piece::Name(name) => (name, by_form(name, Key::Other, names)),
            Piece::Text(value, key) => (value, text(value, key, names, depth + 1)),
            Piece::Number(number, Key::Phone) if phone::digits(number) >= phone::FEWEST_DIGITS => {
                return Some(phone::token(number));
            }
            Piece::Number(_, _) => return None,
        };
        (after != before).then(|| after.into_owned())
    })
}

/// Decodes `\u` escapes in a text that is no JSON; none where there are none.
pub(super) fn decoded_escapes(text: &str) -> Option<String> {
    if !text.contains("\\u") {
        return None;
    }
    match decoded(text) {
        Cow::Owned(decoded) if decoded != text => Some(decoded),
        _ => None,
    }
}

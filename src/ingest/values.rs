//! The rules for single values: numbers, communication types, phone numbers, JSON.

use jiter::{Jiter, JiterError, Peek};

use crate::json::{each_member, is_json, place_in, without_lone_surrogates};

/// Longest part of a bad value that a message quotes, in characters.
const QUOTED_CHARS: usize = 100;

/// Quotes a value for a message, cut to 100 characters.
pub(super) fn quoted(value: &str) -> String {
    match value.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}

/// Reads a decimal number with optional sign, fraction and exponent; blanks around it do not matter. Minus zero is zero.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    // The standard parser also takes `inf`, `NaN` and `infinity`.
    if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number + 0.0)
}

/// Returns the documented spelling of a communication type, matched without case and through aliases.
pub(super) fn communication_type(text: &str) -> Option<&'static str> {
    const SPELLINGS: [(&str, &str); 10] = [
        ("phone", "Phone"),
        ("messaging", "Messaging"),
        ("email", "Email"),
        ("task", "Task"),
        ("video", "Video"),
        ("voice", "Phone"),
        ("call", "Phone"),
        ("chat", "Messaging"),
        ("text", "Messaging"),
        ("sms", "Messaging"),
    ];
    let text = text.trim_ascii();
    SPELLINGS.iter().find(|(spelling, _)| text.eq_ignore_ascii_case(spelling)).map(|(_, documented)| *documented)
}

/// Returns whether two phone numbers are the same once everything but digits and plus signs is dropped.
pub(super) fn same_phone(a: &str, b: &str) -> bool {
    let digits = |byte: &u8| byte.is_ascii_digit() || *byte == b'+';
    a == b || a.bytes().filter(digits).eq(b.bytes().filter(digits))
}

/// What a text is to the parser that the SQL functions use, which nests to a depth of 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Json {
    /// JSON.
    Sound,
    /// JSON with half a surrogate pair, for which the functions read U+FFFD.
    Halved,
    /// No JSON.
    Broken,
}

impl Json {
    /// Tells whether a text is JSON.
    pub(super) fn of(text: &str) -> Self {
        match is_json(text) {
            true => Self::Sound,
            false if without_lone_surrogates(text).is_some_and(|text| is_json(&text)) => Self::Halved,
            false => Self::Broken,
        }
    }
}

/// What Source Details say about the phone number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SourcePhone<'a> {
    /// None, or the text is not JSON.
    None,
    /// The number, as it stands there.
    Number(&'a str),
}

/// Finds the phone number in Source Details: a text or number under `phoneNumber`, else `phone_number`, else `phone`, at the
/// top of the object. Of a key that stands there twice the first counts. `scratch` takes a text that had to be unescaped. Says too what
/// the text is.
pub(super) fn source_phone<'a>(json: &'a str, scratch: &'a mut String) -> (SourcePhone<'a>, Json) {
    const KEYS: [&str; 3] = ["phoneNumber", "phone_number", "phone"];
    let mut best: Option<(usize, Found)> = None;
    let mut is_walked = |json: &str| {
        best = None;
        let walked = walk(json, &mut |rank, found, text| {
            if best.as_ref().is_none_or(|(known, _)| rank < *known) {
                if matches!(found, Found::Unescaped) {
                    scratch.clear();
                    scratch.push_str(text);
                }
                best = Some((rank, found));
            }
        });
        walked.is_some()
    };
    let kind = match is_walked(json) {
        true => Json::Sound,
        // What is a slice of the mended text is the same of the text itself.
        false if without_lone_surrogates(json).is_some_and(|json| is_walked(&json)) => Json::Halved,
        false => return (SourcePhone::None, Json::Broken),
    };
    let number = match best {
        None => return (SourcePhone::None, kind),
        Some((_, Found::Slice(start, end))) => json.get(start..end).unwrap_or_default(),
        Some((_, Found::Unescaped)) => scratch.as_str(),
    };
    let phone = if number.trim_ascii().is_empty() { SourcePhone::None } else { SourcePhone::Number(number) };
    return (phone, kind);

    enum Found {
        Slice(usize, usize),
        Unescaped,
    }

    fn walk(json: &str, see: &mut dyn FnMut(usize, Found, &str)) -> Option<()> {
        let mut parser = Jiter::new(json.as_bytes());
        let first = parser.peek().ok()?;
        if first != Peek::Object {
            parser.known_skip(first).ok()?;
            return parser.finish().ok();
        }
        let rank = |name: &str| KEYS.iter().position(|known| *known == name);
        let walked = each_member(&mut parser, rank, |parser, rank, value| {
            let start = parser.current_index();
            match rank {
                Some(rank) if value == Peek::String => {
                    let text = parser.known_str()?;
                    match place_in(json, text) {
                        Some(place) => see(rank, Found::Slice(place.start, place.end), text),
                        None => see(rank, Found::Unescaped, text),
                    }
                }
                Some(rank) if value.is_num() => {
                    parser.known_skip(value)?;
                    see(rank, Found::Slice(start, parser.current_index()), "");
                }
                _ => parser.known_skip(value)?,
            }
            Ok::<(), JiterError>(())
        });
        walked.and_then(|()| parser.finish()).ok()
    }
}

/// Starts a member of a JSON object that is being written; `key` is `"name":`. The object is empty text before the first.
pub(super) fn start_member(object: &mut String, key: &str) {
    object.push(if object.is_empty() { '{' } else { ',' });
    object.push_str(key);
}

/// Ends a JSON object that was written member by member; without any there is none.
pub(super) fn end_members(object: &mut String) -> Option<&str> {
    if object.is_empty() {
        return None;
    }
    object.push('}');
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_have_exponents_and_blanks_and_nothing_else() {
        assert_eq!(parse_number(" 1.6e-6 "), Some(1.6e-6));
        assert_eq!(parse_number("-12"), Some(-12.0));
        assert_eq!(parse_number("+.5"), Some(0.5));
        assert!(parse_number("-0").unwrap().is_sign_positive());
        for text in ["", "1,000", "NaN", "inf", "1e999", "0x10", "1 2", "twelve", "1_000", "--1"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }

    #[test]
    fn communication_types_are_matched_without_case_and_through_aliases() {
        assert_eq!(communication_type(" PHONE "), Some("Phone"));
        assert_eq!(communication_type("voice"), Some("Phone"));
        assert_eq!(communication_type("Sms"), Some("Messaging"));
        assert_eq!(communication_type("video"), Some("Video"));
        assert_eq!(communication_type("fax"), None);
    }

    #[test]
    fn phone_numbers_are_found_at_the_top_of_source_details_only() {
        let scratch = &mut String::new();
        let number = (SourcePhone::Number("+1202"), Json::Sound);
        assert_eq!(source_phone(r#"{"channel":"phone","phoneNumber":"+1202"}"#, scratch), number);
        assert_eq!(source_phone(r#"{"phone":"1","phone_number":"\u002b1202"}"#, scratch), number);
        assert_eq!(source_phone(r#"{"phoneNumber":12025550143}"#, scratch).0, SourcePhone::Number("12025550143"));
        assert_eq!(source_phone(r#"{"phone":"+1202","phone":"other"}"#, scratch), number);
        for none in [
            r#"{"a":{"phone":"1"}}"#,
            "[]",
            "\"api\"",
            "{}",
            r#"{"phone":null}"#,
            r#"{"phone":""}"#,
            r#"{"phone":[1]}"#,
        ] {
            assert_eq!(source_phone(none, scratch), (SourcePhone::None, Json::Sound), "{none}");
        }
        for broken in ["api", "{", r#"{"phone":"1"} x"#, r#"{"phone":"1",}"#, ""] {
            assert_eq!(source_phone(broken, scratch), (SourcePhone::None, Json::Broken), "{broken}");
        }
        for (halved, number) in [
            (r#"{"note":"\ud83d","phone":"+1202"}"#, "+1202"),
            (r#"{"phone":"\u002b1202","note":"\ude00"}"#, "+1202"),
            (r#"{"phone":"12\ud83d"}"#, "12\u{fffd}"),
        ] {
            assert_eq!(source_phone(halved, scratch), (SourcePhone::Number(number), Json::Halved), "{halved}");
        }
    }

    #[test]
    fn phone_numbers_are_compared_by_digits_and_plus() {
        assert!(same_phone("+1 (202) 555-0143", "+12025550143"));
        assert!(!same_phone("12025550143", "+12025550143"));
    }

    #[test]
    fn quoted_values_are_cut_at_a_hundred_characters() {
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
        assert_eq!(quoted(&"é".repeat(101)), format!("\"{}\"…", "é".repeat(100)));
        assert_eq!(quoted(&"é".repeat(100)), format!("\"{}\"", "é".repeat(100)));
    }

    #[test]
    fn deep_nesting_is_no_json_and_no_overflow() {
        assert_eq!(Json::of(&format!("{}{}", "[".repeat(150), "]".repeat(150))), Json::Sound);
        assert_eq!(Json::of(&"[".repeat(1_000_000)), Json::Broken);
    }

    #[test]
    fn half_a_surrogate_pair_is_json() {
        assert_eq!(Json::of(r#"{"a":"\ud83d\ude00","b":1e400}"#), Json::Sound);
        assert_eq!(Json::of(r#"{"a":"\ud83d","b":1}"#), Json::Halved);
        assert_eq!(Json::of(r#"{"a":"\ud83d","b":1"#), Json::Broken);
    }
}

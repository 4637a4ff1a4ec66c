//! Halves of surrogate pairs in JSON text.
//!
//! RFC 8259's grammar allows `"\ud83d"` without the other half, and what cuts texts by UTF-16 units writes it: a text of 160 units that ends
//! within an emoji. No Unicode text can hold it, so the parser refuses such a document, with all that stands in it. All that
//! reads JSON here reads U+FFFD in place of the half, as if the document said so: where the parser refuses a text, it is asked
//! again of [`without_lone_surrogates`]. A text that is sound costs nothing.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

/// Bytes of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

static ESCAPES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u"));

/// Returns JSON text with `\ufffd` in place of each escape that is half a surrogate pair, so that every byte else stays where it is;
/// `None` where there is none. Of what is no JSON too, all is the same up to the first byte that is wrong.
pub fn without_lone_surrogates(json: &str) -> Option<String> {
    let bytes = json.as_bytes();
    // Escapes are rare, and those of surrogates rarer.
    let first = ESCAPES.find_iter(bytes).find(|at| is_surrogate(unit(bytes, *at)))?;
    // The backslash may itself be escaped, so that the pairs are told from the first of its row.
    let mut at = first - bytes.get(..first)?.iter().rev().take_while(|byte| **byte == b'\\').count();
    let (mut mended, mut copied) = (String::new(), 0);
    while let Some(found) = memchr(b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        let high = unit(bytes, at);
        if matches!(high, Some(0xD800..=0xDBFF)) && matches!(unit(bytes, at + ESCAPE), Some(0xDC00..=0xDFFF)) {
            at += 2 * ESCAPE;
        } else if is_surrogate(high) {
            mended.push_str(json.get(copied..at)?);
            mended.push_str("\\ufffd");
            at += ESCAPE;
            copied = at;
        } else {
            at += 2;
        }
    }
    if copied == 0 {
        return None;
    }
    mended.push_str(json.get(copied..)?);
    Some(mended)
}

fn is_surrogate(unit: Option<u32>) -> bool {
    matches!(unit, Some(0xD800..=0xDFFF))
}

/// Reads the UTF-16 unit of the escape that begins at a byte.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use jiter::Jiter;
    use proptest::prelude::*;

    use super::*;
    use crate::json::parses;

    #[test]
    fn halves_become_the_replacement_character_and_pairs_stay() {
        for (json, mended) in [
            (r#""x\ud83dy""#, r#""x\ufffdy""#),
            (r#""\uDE00""#, r#""\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00\ude00""#, r#""\ufffd\ud83d\ude00\ufffd""#),
            (r#""\ud83d\u0041\n""#, r#""\ufffd\u0041\n""#),
            (r#""\\\ud83d\\""#, r#""\\\ufffd\\""#),
            (r#""é\ud83dé\ude00\ud83d\ude00""#, r#""é\ufffdé\ufffd\ud83d\ude00""#),
            (r#"{"k\ud83d":1}"#, r#"{"k\ufffd":1}"#),
        ] {
            assert_eq!(without_lone_surrogates(json).as_deref(), Some(mended), "{json}");
            assert!(!parses(json) && parses(mended), "{json}");
        }
        // The last are no JSON, and stay none.
        for json in [
            "",
            "{}",
            r#""\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""\\\\ud83d \u00e9 ud83d""#,
            r#"{"inner":"{\"a\":\"\\ud83d\"}"}"#,
            r#""\ud8"#,
            r#""\ud8g0""#,
            "\\",
        ] {
            assert_eq!(without_lone_surrogates(json), None, "{json}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn only_halves_are_changed_and_nothing_moves(json in r#"([\[\]{}:,"\\é ]|"a":|\\u[dD][89a-fA-F][0-9a-f]{2}|\\[nu"\\]|ud83d){0,10}"#) {
            match without_lone_surrogates(&json) {
                None => {}
                Some(mended) => {
                    prop_assert!(!parses(&json), "{json:?}");
                    prop_assert_eq!(json.len(), mended.len());
                    prop_assert_eq!(without_lone_surrogates(&mended), None, "{:?}", json);
                }
            }
        }

        #[test]
        fn a_text_of_any_units_is_json_once_mended(units in prop::collection::vec(prop_oneof![0xD7F0_u16..0xE010, any::<u16>()], 0..8)) {
            let json = format!("\"{}\"", units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>());
            let mended = without_lone_surrogates(&json).unwrap_or_else(|| json.clone());
            let text = Jiter::new(mended.as_bytes()).next_str().map(str::to_owned);
            prop_assert_eq!(text.ok(), Some(String::from_utf16_lossy(&units)), "{}", json);
        }
    }
}

//! The gist of what is shown of a file: a reason without the value that it quotes, and the keys of a record.

use jiter::Jiter;

/// Leaves out the value that a reason begins with, in quotes.
pub(super) fn without_value(reason: &str) -> &str {
    let Some(rest) = reason.strip_prefix('"') else { return reason };
    let mut is_escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return rest.get(at + 1..).unwrap_or_default().trim_start_matches(['\u{2026}', ' ']),
            _ => {}
        }
    }
    reason
}

/// Lists the keys at the top of an object, as far as it can be read.
pub(super) fn keys(record: &str) -> Vec<String> {
    let mut parser = Jiter::new(record.as_bytes());
    let mut keys = Vec::new();
    let mut next = parser.next_object().map(|key| key.map(str::to_owned));
    while let Ok(Some(key)) = next {
        keys.push(key);
        if parser.next_skip().is_err() {
            break;
        }
        next = parser.next_key().map(|key| key.map(str::to_owned));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_without_the_values_that_they_quote() {
        for (reason, what) in [
            (r#""soon" is not a date and time"#, "is not a date and time"),
            (
                r#""a\"b\\" is not a number; ⟨thousands-mark⟩ "'" reads it"#,
                r#"is not a number; ⟨thousands-mark⟩ "'" reads it"#,
            ),
            ("\"long\"\u{2026} is not a number", "is not a number"),
            ("3 fields where the header has 2", "3 fields where the header has 2"),
            ("\"never closed", "\"never closed"),
        ] {
            assert_eq!(without_value(reason), what);
        }
    }

    #[test]
    fn keys_are_those_at_the_top_in_their_order() {
        assert_eq!(keys(r#"{"b":1,"a":{"c":2},"a":3}"#), ["b", "a", "a"]);
        assert_eq!(keys(r#"{"b":1,"#), ["b"]);
        assert!(keys("[1]").is_empty() && keys("").is_empty());
    }
}

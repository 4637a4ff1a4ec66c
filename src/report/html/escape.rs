//! Makes any text fit for a page: as text, as an address, as the name of a place.

use std::fmt::{Display, Formatter, Result, Write};

/// A text that is written into HTML or SVG, inside an element or a quoted attribute.
pub(in crate::report) struct Escaped<'a>(pub(in crate::report) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(character)?,
                // Control characters are shown as their pictures; a page may not hold them.
                '\0'..='\u{1f}' => f.write_char(char::from_u32(0x2400 + u32::from(character)).unwrap_or(' '))?,
                '\u{7f}' => f.write_char('\u{2421}')?,
                // Nor these; marks that turn the direction of text would reach beyond the value.
                '\u{80}'..='\u{9f}' | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => write!(f, "\\u{{{:x}}}", u32::from(character))?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Cuts a text to so many characters, the last of them an ellipsis.
pub(in crate::report) fn shortened(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Returns whether a page may link to an address: https, or relative to the page and below or beside it.
pub(super) fn is_safe_link(address: &str) -> bool {
    let clean = !address.is_empty() && !address.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    if !clean {
        return false;
    }
    let lower = address.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix("https://") {
        return rest.starts_with(|c: char| c.is_alphanumeric() || c == '[');
    }
    // A colon before the first slash would make a scheme of what is before it.
    let first = address.split(['/', '?', '#']).next().unwrap_or_default();
    !address.starts_with('/') && !first.contains(':')
}

/// Writes the name of a file beside the page as an address: everything but letters, digits and `-_.~/` in percent form.
pub fn file_address(path: &str) -> String {
    let mut address = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                address.push(char::from(byte))
            }
            other => {
                let _ = write!(address, "%{other:02X}");
            }
        }
    }
    address
}

/// Makes the name of a place in a page: letters, digits and `-`, never empty, and other than those taken.
pub(super) fn place_name(text: &str, taken: &mut std::collections::HashSet<String>) -> String {
    let mut name = String::new();
    for character in text.chars().take(80) {
        let kept =
            if character.is_ascii_alphanumeric() || character == '_' { character.to_ascii_lowercase() } else { '-' };
        if !(kept == '-' && name.ends_with('-')) {
            name.push(kept);
        }
    }
    let base = match name.trim_matches('-') {
        "" => "report".to_owned(),
        name => name.to_owned(),
    };
    let mut candidate = format!("r-{base}");
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        candidate = format!("r-{base}-{number}");
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            Escaped("<script>alert(\"1\")</script> & 'x'\0\u{1b}\u{202e}").to_string(),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;␀␛\\u{202e}"
        );
    }

    #[test]
    fn only_relative_and_https_addresses_are_linked() {
        for good in [
            "https://example.org/a?b=c",
            "HTTPS://example.org",
            "a.csv",
            "sub/a%20b.csv",
            "#place",
            "../x/index.html",
            "a/b:c",
        ] {
            assert!(is_safe_link(good), "{good}");
        }
        for bad in [
            "",
            "http://example.org",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "java\nscript:alert(1)",
            " https://a.b",
            "//example.org/x",
            "/etc/passwd",
            "data:text/html,x",
            "file:///etc/passwd",
            "\\\\host\\share",
            "https://",
            "https:///x",
            "x:y",
        ] {
            assert!(!is_safe_link(bad), "{bad:?}");
        }
    }

    #[test]
    fn names_of_places_are_unique_and_plain() {
        let mut taken = std::collections::HashSet::new();
        let names = ["Stuck sessions", "stuck_sessions", "stuck  sessions", "\"><b>", "日本"]
            .map(|text| place_name(text, &mut taken));
        assert_eq!(names, ["r-stuck-sessions", "r-stuck_sessions", "r-stuck-sessions-2", "r-b", "r-report"]);
    }

    #[test]
    fn long_labels_end_in_an_ellipsis() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(shortened("abcd efg", 6), "abcd…");
    }

    proptest! {
        #[test]
        fn no_text_leaves_an_element_or_attribute(text in "\\PC{0,40}|[<>&\"'a-z]{0,40}") {
            let escaped = Escaped(&text).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            if !text.contains(|c: char| c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c) || ('\u{fdd0}'..='\u{fdef}').contains(&c)) {
                prop_assert_eq!(back, text);
            }
        }

        #[test]
        fn any_file_name_is_an_address_that_may_be_linked(name in "[^/\\x00]{1,20}") {
            prop_assert!(is_safe_link(&file_address(&name)));
        }
    }
}

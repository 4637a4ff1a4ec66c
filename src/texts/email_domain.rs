//! The domain of an e-mail address.

use std::borrow::Cow;

/// Finds the domain of an address, in lower case; `None` if the text is none.
pub fn email_domain(text: &str) -> Option<Cow<'_, str>> {
    let (_, domain) = split_address(text)?;
    let is_lower = domain.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(domain) } else { Cow::Owned(domain.to_lowercase()) })
}

/// Splits an address into local part and domain; `None` unless it has the plain shape `local@domain`.
///
/// Quoted local parts, which may hold blanks and more at signs, are not taken for addresses.
pub fn split_address(text: &str) -> Option<(&str, &str)> {
    // Most texts have no blanks to look for.
    let is_bare = [text.as_bytes().first(), text.as_bytes().last()].iter().flatten().all(|end| end.is_ascii_graphic());
    let text = if is_bare { text } else { text.trim() };
    split_ascii(text).or_else(|| split_any(text))
}

fn split_any(text: &str) -> Option<(&str, &str)> {
    let (local, domain) = text.split_once('@')?;
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control());
    let is_domain = domain.split('.').all(|label| {
        !label.is_empty() && label.chars().all(|character| character.is_alphanumeric() || character == '-')
    });
    (is_plain(local) && is_plain(domain) && is_domain).then_some((local, domain))
}

/// Splits the usual address, of few ASCII characters, in one go over its bytes; `None` says nothing.
fn split_ascii(text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr(b'@', text.as_bytes())?;
    let (local, domain) = (text.get(..at)?, text.get(at + 1..)?);
    // Without early ends, so that the compiler can look at many bytes at once.
    let is_local = !local.is_empty() && local.bytes().fold(true, |fits, byte| fits & byte.is_ascii_graphic());
    let is_domain =
        domain.bytes().fold(true, |fits, byte| fits & (byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.')));
    let (bytes, rest) = (domain.as_bytes(), domain.as_bytes().get(1..)?);
    let is_dotted_twice = bytes.iter().zip(rest).fold(false, |twice, pair| twice | (pair == (&b'.', &b'.')));
    let is_dotted = bytes.first() == Some(&b'.') || bytes.last() == Some(&b'.') || is_dotted_twice;
    (is_local && is_domain && !is_dotted).then_some((local, domain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_gives_what_the_long_one_gives(text in "[a-zA-Z0-9.@é -]{0,20}|[a-z]{1,3}@([a-z-]{0,2}[.]?){1,3}") {
            if let Some(parts) = split_ascii(&text) {
                prop_assert_eq!(Some(parts), split_any(&text));
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}", like in "[a@. é]{0,10}") {
            split_address(&text);
            split_address(&like);
        }
    }
}

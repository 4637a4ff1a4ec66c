//! The name of the last action, in any of the shapes that Action Data takes.

use std::borrow::Cow;

use jiter::{Jiter, JiterError, Peek};

use crate::json::{each_member, without_lone_surrogates};

/// Members that may hold the name, the first that does wins.
const NAME_MEMBERS: [&str; 3] = ["action", "type", "name"];

/// Finds the action's name; `None` if the text has none.
pub fn action_name(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    match text.as_bytes().first()? {
        b'{' => of_json(text, object_name).map(Cow::Owned),
        b'"' => of_json(text, string_name).map(Cow::Owned),
        _ => bare_word(text).then_some(Cow::Borrowed(text)),
    }
}

/// Tells whether a text is one word that starts with a letter and is not a JSON literal.
fn bare_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
        && !matches!(text, "null" | "true" | "false")
}

/// What is kept of a member's name.
enum Member {
    /// One of those that may hold the name of the action.
    Naming(usize),
    /// Another; its name is kept where the member may be the only one.
    Other(Option<String>),
}

impl Member {
    fn named(name: &str, is_first: bool) -> Self {
        match NAME_MEMBERS.iter().position(|member| *member == name) {
            Some(index) => Self::Naming(index),
            None => Self::Other(is_first.then(|| name.to_owned())),
        }
    }
}

/// Finds the name in a JSON text, in which half a surrogate pair is read as U+FFFD.
fn of_json(text: &str, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    read(text).or_else(|| read(&without_lone_surrogates(text)?))
}

/// Finds the name in a string.
fn string_name(text: &str) -> Option<String> {
    let mut jiter = Jiter::new(text.as_bytes());
    let name = jiter.next_str().ok()?.trim().to_owned();
    jiter.finish().ok()?;
    (!name.is_empty()).then_some(name)
}

/// Finds the name in an object: the text of a naming member, else the only member's own name.
fn object_name(text: &str) -> Option<String> {
    let mut jiter = Jiter::new(text.as_bytes());
    let mut found: [Option<String>; NAME_MEMBERS.len()] = Default::default();
    let mut seen = [false; NAME_MEMBERS.len()];
    let (mut members, mut names) = (0_usize, 0_usize);
    let mut only = None;
    if jiter.peek().ok()? != Peek::Object {
        return None;
    }
    let name_of = |name: &str| {
        names += 1;
        Member::named(name, names == 1)
    };
    let walked = each_member(&mut jiter, name_of, |jiter, member, peek| {
        members += 1;
        match member {
            // As everywhere, the first of several equal names counts.
            Member::Naming(index) if !seen[index] && peek == Peek::String => {
                let value = jiter.known_str()?.trim();
                found[index] = (!value.is_empty()).then(|| value.to_owned());
                seen[index] = true;
            }
            Member::Naming(index) => {
                jiter.known_skip(peek)?;
                seen[index] = true;
            }
            Member::Other(name) => {
                jiter.known_skip(peek)?;
                only = name;
            }
        }
        Ok::<(), JiterError>(())
    });
    walked.and_then(|()| jiter.finish()).ok()?;
    match found.into_iter().flatten().next() {
        Some(name) => Some(name),
        None if members == 1 => only.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_shape_of_action_data_gives_its_name() {
        for (text, name) in [
            ("end", Some("end")),
            (" createInteraction\n", Some("createInteraction")),
            ("\"end\"", Some("end")),
            (r#""sayGather""#, Some("sayGather")),
            (r#"{"action": "end", "type": "x"}"#, Some("end")),
            (r#"{"name": "z", "type": "y"}"#, Some("y")),
            (r#"{"name": "z", "id": 7}"#, Some("z")),
            (r#"{"action": null, "type": "y"}"#, Some("y")),
            (r#"{"action": "", "name": "z"}"#, Some("z")),
            (r#"{"action": "a", "action": "b"}"#, Some("a")),
            (r#"{"createInteraction": {"queue": "billing"}}"#, Some("createInteraction")),
            (r#"{"action": {"id": 1}}"#, None),
            (r#"{"id": 7, "queue": "x"}"#, None),
            ("{}", None),
            ("", None),
            ("null", None),
            ("true", None),
            ("17", None),
            ("[\"end\"]", None),
            ("\"\"", None),
            ("\"end", None),
            ("two words", None),
            (r#"{"action": "end""#, None),
            (r#"{"action": "end"} x"#, None),
            (r#""say\ud83d""#, Some("say\u{fffd}")),
            (r#"{"note": "\ude00", "action": "end"}"#, Some("end")),
            (r#"{"say\ud83d": {}}"#, Some("say\u{fffd}")),
            (r#"{"note": "\ude00", "action": "end""#, None),
        ] {
            assert_eq!(action_name(text).as_deref(), name, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_found_in_each_shape(name in "[a-zA-Z][a-zA-Z0-9_]{0,12}x", index in 0_usize..3) {
            let key = NAME_MEMBERS[index];
            for text in [
                name.clone(),
                format!("\"{name}\""),
                format!("{{\"{key}\": \"{name}\", \"other\": 1}}"),
                format!("{{\"{name}\": null}}"),
            ] {
                prop_assert_eq!(action_name(&text), Some(Cow::Borrowed(name.as_str())), "{}", text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[{}":,a \\u]{0,20}"#) {
            action_name(&text);
        }
    }
}

//! Compiles a JSONPath (RFC 9535).
//!
//! The usual path, names and non-negative indexes only, is also kept as a list of steps: `lookup` follows those through the text
//! without building a tree. Everything else is left to serde_json_path.
//!
//! Limits: brackets and parentheses nest at most [`MAX_NESTING`] deep, and a path has at most [`MAX_BYTES`] bytes: the parser
//! behind is recursive and tries several readings at each level, so that a hostile path could take forever or the stack.

use serde_json_path::JsonPath;

/// Deepest nesting of brackets and parentheses in a path.
pub(crate) const MAX_NESTING: usize = 8;

/// Longest path in bytes.
pub(crate) const MAX_BYTES: usize = 4096;

/// One step of a simple path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member of an object.
    Name(String),
    /// The element of an array, from 0.
    Index(usize),
}

/// A compiled path.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// The path for any document.
    pub(crate) general: JsonPath,
    /// The same as steps, if it has nothing but names and non-negative indexes.
    pub(crate) steps: Option<Vec<Step>>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathError {
    /// The character at which reading failed, from 1.
    pub(crate) position: usize,
    /// What is wrong there.
    pub(crate) message: String,
}

impl Path {
    /// Compiles a path.
    ///
    /// # Errors
    /// The text is no path, or is too long or too deeply nested.
    pub(crate) fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_BYTES {
            return Err(PathError { position: 1, message: format!("longer than {MAX_BYTES} bytes") });
        }
        check_nesting(text)?;
        let general = JsonPath::parse(text).map_err(|error| {
            let before = text.get(..error.position()).unwrap_or(text);
            PathError { position: before.chars().count() + 1, message: error.message().to_owned() }
        })?;
        Ok(Self { general, steps: simple_steps(text) })
    }
}

/// Refuses brackets that nest too deep. Quoted names may hold brackets; a backslash in them hides the next character.
fn check_nesting(text: &str) -> Result<(), PathError> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut characters = text.chars().enumerate();
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[' | '(') => {
                depth += 1;
                if depth > MAX_NESTING {
                    let message = format!("brackets nest more than {MAX_NESTING} deep");
                    return Err(PathError { position: index + 1, message });
                }
            }
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    Ok(())
}

/// Reads a valid path as steps; `None` if it has anything but names without escapes and non-negative indexes.
fn simple_steps(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[', ' ', '\t', '\n', '\r', '*']).unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            if name.is_empty() {
                return None;
            }
            steps.push(Step::Name(name.to_owned()));
            rest = tail;
        } else {
            let inside = rest.strip_prefix('[')?;
            let (step, tail) = match inside.chars().next()? {
                quote @ ('\'' | '"') => {
                    let (name, tail) = inside[1..].split_once(quote)?;
                    if name.contains('\\') {
                        return None;
                    }
                    (Step::Name(name.to_owned()), tail)
                }
                _ => {
                    let end = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(inside.len());
                    let (digits, tail) = inside.split_at(end);
                    (Step::Index(digits.parse().ok()?), tail)
                }
            };
            steps.push(step);
            rest = tail.strip_prefix(']')?;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Step {
        Step::Name(text.to_owned())
    }

    #[test]
    fn names_and_indexes_are_steps() {
        let steps = |text: &str| Path::parse(text).unwrap().steps;
        assert_eq!(steps("$"), Some(vec![]));
        assert_eq!(
            steps("$.a.b[0]['c d'][\"e\"].é"),
            Some(vec![name("a"), name("b"), Step::Index(0), name("c d"), name("e"), name("é")])
        );
        assert_eq!(steps("$['a.b[0]']"), Some(vec![name("a.b[0]")]));
        for general in ["$.*", "$..a", "$[-1]", "$[0:2]", "$['a','b']", "$[?@.a]", r"$['a\'b']", "$ .a", "$[ 0 ]"] {
            assert_eq!(steps(general), None, "{general}");
        }
    }

    #[test]
    fn an_invalid_path_says_where() {
        for (text, position) in [("", 1), ("a", 1), ("$.a[", 4), ("$.", 2), ("$.é[", 4), ("$.a b", 4)] {
            let error = Path::parse(text).unwrap_err();
            assert_eq!(error.position, position, "{text}: {}", error.message);
            assert!(!error.message.is_empty());
        }
    }

    #[test]
    fn hostile_paths_are_refused_at_once() {
        for open in ["[?", "[?(", "[?!(", "[?length(", "[?@["] {
            let deep = format!("${}", open.repeat(5_000));
            assert!(Path::parse(&deep).is_err());
            let nested = format!("${}", open.repeat(MAX_NESTING + 1));
            assert!(Path::parse(&nested).unwrap_err().message.contains("deep"), "{open}");
        }
        assert!(Path::parse("$['[[[[[[[[[[[[[[[[[[[[']").is_ok(), "brackets in a name do not nest");
    }

    #[test]
    fn the_deepest_allowed_path_is_parsed_quickly() {
        let started = std::time::Instant::now();
        for inside in ["@[?", "length(value(", "(!("] {
            let path = format!("$[?{}", inside.repeat(MAX_NESTING / 2 + 1));
            let _ = Path::parse(&path);
        }
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}", path in r"\$(\.[a-z*]|\[[0-9'a:?@(!,\]-]{0,6}\]){0,6}") {
            let _ = Path::parse(&text);
            let _ = Path::parse(&path);
        }
    }
}

//! Compiles a JSONPath (RFC 9535).
//!
//! The usual path, names and non-negative indexes only, is also kept as a list of steps: `pick` follows those through the text
//! without building a tree. Everything else is left to serde_json_path.
//!
//! Limits: brackets and parentheses nest at most [`MAX_NESTING`] deep and a path has at most [`MAX_BYTES`] bytes, because the
//! parser behind is recursive and tries several readings at each level; it has at most [`MAX_DESCENTS`] descents and
//! [`MAX_ALTERNATIVES`] alternatives, because what it picks grows with their powers. A hostile path could take forever otherwise.

use serde_json_path::JsonPath;

use super::follow::Step;

/// Deepest nesting of brackets and parentheses in a path.
pub const MAX_NESTING: usize = 8;

/// Most descents (`..`) in a path: each multiplies the nodes by the depth of the document.
pub const MAX_DESCENTS: usize = 3;

/// Most alternatives (`[0,1]`) in a path, multiplied over its brackets: so many copies of a node it can pick.
pub const MAX_ALTERNATIVES: usize = 1024;

/// Longest path in bytes.
pub const MAX_BYTES: usize = 4096;

/// A compiled path.
#[derive(Debug, Clone)]
pub struct Path {
    /// The path for any document.
    pub general: JsonPath,
    /// The same as steps, if it has nothing but names and non-negative indexes.
    pub steps: Option<Vec<Step>>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// The character at which reading failed, from 1.
    pub position: usize,
    /// What is wrong there.
    pub message: String,
}

impl Path {
    /// Compiles a path.
    ///
    /// # Errors
    /// The text is no path, or is too long or too deeply nested.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > MAX_BYTES {
            return Err(PathError { position: 1, message: format!("longer than {MAX_BYTES} bytes") });
        }
        check_cost(text)?;
        check_escapes(text)?;
        let written = with_large_digits(text);
        let text = written.as_str();
        let general = JsonPath::parse(text).map_err(|error| {
            let before = text.get(..error.position()).unwrap_or(text);
            PathError { position: before.chars().count() + 1, message: error.message().to_owned() }
        })?;
        Ok(Self { general, steps: simple_steps(text) })
    }
}

/// Refuses paths that could cost too much: brackets too deep, too many descents, too many alternatives one behind the other.
///
/// Quoted names may hold any of these characters; a backslash in them hides the next one.
fn check_cost(text: &str) -> Result<(), PathError> {
    let refuse = |index: usize, message: String| Err(PathError { position: index + 1, message });
    // Open brackets, each with the selectors in it so far.
    let mut open: Vec<usize> = Vec::new();
    let mut descents = 0_usize;
    let mut alternatives = 1_usize;
    let mut quote = None;
    let mut before = ' ';
    let mut characters = text.chars().enumerate();
    while let Some((index, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(end), _) if end == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[' | '(') if open.len() == MAX_NESTING => {
                return refuse(index, format!("brackets nest more than {MAX_NESTING} deep"));
            }
            (None, '[' | '(') => open.push(1),
            (None, ',') => {
                if let Some(selectors) = open.last_mut() {
                    *selectors += 1;
                }
            }
            (None, ']' | ')') => {
                alternatives = alternatives.saturating_mul(open.pop().unwrap_or(1));
                if alternatives > MAX_ALTERNATIVES {
                    return refuse(index, format!("more than {MAX_ALTERNATIVES} alternatives in all"));
                }
            }
            (None, '.') if before == '.' => {
                descents += 1;
                if descents > MAX_DESCENTS {
                    return refuse(index, format!("more than {MAX_DESCENTS} descents `..`"));
                }
            }
            (None, _) => {}
        }
        before = if quote.is_some() { ' ' } else { character };
    }
    Ok(())
}

/// Refuses escapes that are not whole: serde_json_path 0.7.2 panics where the path ends inside of one.
fn check_escapes(text: &str) -> Result<(), PathError> {
    let characters: Vec<char> = text.chars().collect();
    let unit = |at: usize| -> Option<u32> {
        let digits = characters.get(at..at + 4)?;
        digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + digit.to_digit(16)?))
    };
    let mut at = 0;
    while let Some(character) = characters.get(at) {
        let start = at;
        at += match (character, characters.get(at + 1)) {
            ('\\', Some('u')) => match unit(at + 2) {
                // The first half of a pair has the other half behind it.
                Some(0xD800..=0xDBFF) if characters.get(at + 6..at + 8) != Some(&['\\', 'u'][..]) => 0,
                Some(0xD800..=0xDBFF) => unit(at + 8).map_or(0, |_| 12),
                Some(_) => 6,
                None => 0,
            },
            ('\\', Some(_)) => 2,
            ('\\', None) => 0,
            _ => 1,
        };
        if at == start {
            return Err(PathError { position: start + 1, message: "the escape is not whole".to_owned() });
        }
    }
    Ok(())
}

/// Writes the hexadecimal digits of escapes in capitals: serde_json_path 0.7.2 refuses a surrogate pair in small ones, which RFC 9535
/// allows.
fn with_large_digits(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        written.push(character);
        if character != '\\' {
            continue;
        }
        let Some(escaped) = characters.next() else { break };
        written.push(escaped);
        if escaped == 'u' {
            written.extend(characters.by_ref().take(4).map(|digit| digit.to_ascii_uppercase()));
        }
    }
    written
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
    fn escapes_are_read_in_small_digits_too() {
        for path in [r#"$["\ud83d\ude00"]"#, r#"$["\uD83D\uDE00"]"#, r"$['\ud83d\uDE00']"] {
            let path = Path::parse(path).unwrap();
            let document = serde_json::json!({ "😀": 1 });
            assert_eq!(path.general.query(&document).all().len(), 1);
        }
        assert_eq!(with_large_digits(r"\\ud83d \ua"), r"\\ud83d \uA");
        let error = Path::parse(r#"$["\ud83d"]["#).unwrap_err();
        assert!(error.position > 1, "{error:?}");
    }

    #[test]
    fn an_escape_that_is_not_whole_is_refused() {
        for (path, position) in [
            (r"$['k\u']", 5),
            (r"$['k\u00']", 5),
            (r"$['k\ud83d']", 5),
            (r"$['k\ud83d\ude']", 5),
            (r#"$["\\\u12"]"#, 6),
        ] {
            let error = Path::parse(path).unwrap_err();
            assert_eq!((error.position, error.message.as_str()), (position, "the escape is not whole"), "{path}");
        }
        assert!(Path::parse(r"$['\\u1']").is_ok(), "a backslash, and u1");
    }

    #[test]
    fn an_invalid_path_says_where() {
        for (text, position) in [("", 1), ("a", 1), ("$.a[", 4), ("$.", 3), ("$.é[", 4), ("$.a b", 4)] {
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
    fn the_deepest_allowed_path_ends() {
        for inside in ["@[?", "length(value(", "(!("] {
            let path = format!("$[?{}", inside.repeat(MAX_NESTING / 2));
            assert!(Path::parse(&path).is_err());
        }
    }

    #[test]
    fn a_path_that_would_pick_without_end_is_refused() {
        let message = |path: &str| Path::parse(path).map(|_| ()).unwrap_err().message;
        assert!(message("$..*..*..*..*").contains("descents"));
        assert!(message(&format!("${}", "[0,0]".repeat(11))).contains("alternatives"));
        assert!(message(&format!("$[?@{}]", "[0,0]".repeat(11))).contains("alternatives"));
        for fine in ["$..*..*..*", "$['a..b..c..d..e']", "$['a','b'][0,1,2]", "$[?match(@.a, 'x,,y')]", "$.a.b.c.d.e.f"]
        {
            assert!(Path::parse(fine).is_ok(), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}", path in r"\$(\.[a-z*]|\[[0-9'a:?@(!,\]-]{0,6}\]){0,6}") {
            let _ = Path::parse(&text);
            let _ = Path::parse(&path);
        }
    }
}

//! What Tab offers: commands, words of SQL, tables, columns, functions, and the JSON paths that the lake holds.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::Regex;

use super::commands;

/// Words that a query begins its parts with; the others are names.
const WORDS: &[&str] = &[
    "all",
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "create",
    "cross",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "analyze",
    "false",
    "filter",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "intersect",
    "interval",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "ilike",
    "limit",
    "not",
    "null",
    "nulls",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "right",
    "select",
    "set",
    "show",
    "then",
    "timestamptz",
    "true",
    "union",
    "unnest",
    "using",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
];

/// A place after arrows: `data->'variables'->>'cu`.
static ARROWS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(\w+)((?:\s*->>?\s*'[^']*')*)\s*->>?\s*'([^']*)$").ok());
/// A place among the steps of a JSON function: `json_get_str(data, 'variables', 'cu`.
static STEPS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)json_\w+\(\s*(?:\w+\.)?(\w+)((?:\s*,\s*'[^']*')*)\s*,\s*'([^'$]*)$").ok());
/// A place in a JSONPath: `json_value(data, '$.variables.cu`.
static JSON_PATH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)json_\w+\(\s*(?:\w+\.)?(\w+)\s*,\s*'\$((?:\.\w+)*)\.(\w*)$").ok());
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"'([^']*)'").ok());

/// What there is to offer; a copy sees what is learnt later.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    inner: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    names: BTreeSet<String>,
    /// Functions, which a parenthesis follows.
    functions: BTreeSet<String>,
    parameters: BTreeSet<String>,
    /// The JSON column and the keys of each path.
    paths: Vec<(String, Vec<String>)>,
}

impl Offers {
    /// Takes the names of tables, columns and functions in.
    pub fn set_names(&self, names: BTreeSet<String>, functions: BTreeSet<String>) {
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (known.names, known.functions) = (names, functions);
    }

    /// Takes the JSON paths of the lake in.
    pub fn set_paths(&self, paths: Vec<(String, Vec<String>)>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).paths = paths;
    }

    /// Takes the names of parameters in.
    pub fn set_parameters(&self, parameters: BTreeSet<String>) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).parameters = parameters;
    }

    /// Returns where the word before the cursor begins, in bytes, and what it may become.
    pub fn complete(&self, before: &str) -> (usize, Vec<String>) {
        let known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if commands::is_command(before) && !before.contains(char::is_whitespace) {
            let names = commands::names().filter(|name| name.starts_with(before));
            return (0, names.map(|name| format!("{name} ")).collect());
        }
        for (place, quote) in [(&ARROWS, "'"), (&STEPS, "'"), (&JSON_PATH, "")] {
            let Some(found) = place.as_ref().and_then(|place| place.captures(before)) else { continue };
            let (Some(column), Some(above), Some(begun)) = (found.get(1), found.get(2), found.get(3)) else { continue };
            let above: Vec<String> = match quote {
                "" => above.as_str().split('.').skip(1).map(str::to_owned).collect(),
                _ => {
                    KEY.iter().flat_map(|key| key.captures_iter(above.as_str())).map(|key| key[1].to_owned()).collect()
                }
            };
            let keys: BTreeSet<&String> = known
                .paths
                .iter()
                .filter(|(of, path)| of == column.as_str() && path.starts_with(&above))
                .filter_map(|(_, path)| path.get(above.len()))
                .filter(|key| key.starts_with(begun.as_str()) && !key.contains('\''))
                .collect();
            return (begun.start(), keys.into_iter().map(|key| format!("{key}{quote}")).collect());
        }
        let begin = before
            .rfind(|c: char| !(c == '_' || c == '$' || c.is_alphanumeric()))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[begin..];
        // After a dot stands a column of whatever is before it.
        let is_member = before[..begin].ends_with('.');
        if word.is_empty() && !is_member {
            return (begin, Vec::new());
        }
        let lower = word.to_lowercase();
        let begins = |name: &&String| name.to_lowercase().starts_with(&lower);
        let mut offers: Vec<String> = known.names.iter().filter(begins).cloned().collect();
        if !is_member {
            offers.extend(known.parameters.iter().map(|name| format!("${name}")).filter(|name| name.starts_with(word)));
            offers.extend(known.functions.iter().filter(begins).map(|name| format!("{name}(")));
            let is_upper = word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase);
            let words = WORDS.iter().filter(|known| known.starts_with(&lower));
            offers.extend(words.map(|known| if is_upper { known.to_uppercase() } else { (*known).to_owned() }));
        }
        offers.dedup();
        (begin, offers)
    }
}

/// Writes a name as SQL needs it.
pub fn quoted(name: String) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit());
    if is_plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers() -> Offers {
        let offers = Offers::default();
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        offers.set_names(set(&["session_id", "started_at", "workflow_sessions"]), set(&["session_duration"]));
        offers.set_parameters(set(&["since"]));
        let paths = [
            ("data", ["variables", "customer_tier"]),
            ("data", ["variables", "currentStep"]),
            ("data", ["details", "email"]),
            ("source_details", ["channel", "x"]),
        ];
        let owned = |(column, path): (&str, [&str; 2])| (column.to_owned(), path.map(str::to_owned).to_vec());
        offers.set_paths(paths.map(owned).to_vec());
        offers
    }

    #[test]
    fn names_words_and_json_paths_are_offered() {
        let all = offers();
        for (before, from, offered) in [
            ("sel", 0, vec!["select"]),
            ("SEL", 0, vec!["SELECT"]),
            ("select ses", 7, vec!["session_id", "session_duration("]),
            ("select s.st", 9, vec!["started_at"]),
            ("where started_at > $si", 19, vec!["$since"]),
            ("select data->'", 14, vec!["details'", "variables'"]),
            ("select data->'variables'->>'cu", 28, vec!["currentStep'", "customer_tier'"]),
            ("select s.data -> 'variables' ->> 'cus", 34, vec!["customer_tier'"]),
            ("json_get_str(s.data, 'variables', 'cus", 35, vec!["customer_tier'"]),
            ("json_value(data, '$.variables.cus", 30, vec!["customer_tier"]),
            ("json_value(data, '$.d", 20, vec!["details"]),
            ("where source_details->>'c", 24, vec!["channel'"]),
            ("\\ti", 0, vec!["\\timing "]),
            ("select ", 7, vec![]),
        ] {
            let (at, found) = all.complete(before);
            assert_eq!((at, found.iter().map(String::as_str).collect::<Vec<_>>()), (from, offered), "{before}");
        }
    }
}

//! The place of records inside a JSON document.

use crate::error::{Error, Result};

/// Where in a JSON document its records are: a list below some keys, as `$.data` or `$.groups[*].items`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsPath {
    pub(super) keys: Vec<Key>,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    /// Whether a list stands under it, each of whose objects is gone into.
    pub(super) each: bool,
}

impl Key {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), each: false }
    }
}

impl RecordsPath {
    /// Reads a path: `$.data`, `$.result.items`, `$["a key"]`, `$.groups[*].items`; the dollar may be left out, and so may `[*]` at the
    /// end, since the list itself is meant.
    ///
    /// # Errors
    /// What is none, or names one place in a list.
    pub fn parse(text: &str) -> Result<Self> {
        let none = || {
            Error::usage(format!("⟨records⟩ {text:?} is not the place of a list")).with_hint(
                "write the keys that lead to it, as ⟨records⟩ '$.data' or ⟨records⟩ '$.result[\"my items\"]'",
            )
        };
        let trimmed = text.trim();
        let mut rest = trimmed.strip_prefix('$').unwrap_or(trimmed);
        let mut first = rest.len() == trimmed.len();
        let mut keys = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]") {
                // Documents may stand in an array anyway.
                if let Some(key) = keys.last_mut() {
                    let key: &mut Key = key;
                    if std::mem::replace(&mut key.each, true) {
                        return Err(none());
                    }
                }
                rest = after;
            } else if let Some(quoted) = rest.strip_prefix('[') {
                let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(none)?;
                let (key, after) = quoted.get(1..).and_then(|rest| rest.split_once(quote)).ok_or_else(none)?;
                keys.push(Key::new(key));
                rest = after.strip_prefix(']').ok_or_else(none)?;
            } else {
                let plain = match rest.strip_prefix('.') {
                    Some(plain) => plain,
                    None if first => rest,
                    None => return Err(none()),
                };
                let (key, after) = plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()));
                if key.is_empty() || key.contains(['*', '?', '@', '(', ']']) {
                    return Err(none());
                }
                keys.push(Key::new(key));
                rest = after;
            }
            first = false;
        }
        match keys.last_mut() {
            Some(last) => last.each = false,
            None => return Err(none()),
        }
        Ok(Self { keys })
    }

    /// Writes the first keys as a path, without the sign that each object of a list is meant at its end.
    pub(super) fn upto(&self, count: usize) -> String {
        let path = path_of(self.keys.iter().take(count));
        path.strip_suffix("[*]").map_or(path.clone(), str::to_owned)
    }
}

impl std::fmt::Display for RecordsPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.upto(self.keys.len()))
    }
}

/// Writes keys as a path that [`RecordsPath::parse`] reads.
pub(super) fn path_of<'a>(keys: impl Iterator<Item = &'a Key>) -> String {
    let mut path = "$".to_owned();
    for Key { name: key, each } in keys {
        let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        match (plain, key.contains('"')) {
            (true, _) => path.push_str(&format!(".{key}")),
            (false, false) => path.push_str(&format!("[\"{key}\"]")),
            (false, true) => path.push_str(&format!("['{key}']")),
        }
        path.push_str(if *each { "[*]" } else { "" });
    }
    path
}

//! Finds where in a JSON document the records are, where nobody said so, for the error that names the flag.

use super::lists;
use super::wrapped::{Key, NAME_KEYS, path_of, unescaped};
use crate::error::{Error, Place};
use crate::json::{blanks, key_at, value_length};
use crate::schema::{COLUMNS, HeaderMatch, match_headers};

/// How deep a list of records is looked for where nobody said where it is.
const SEARCHED_DEPTH: usize = 4;

/// What a document is that holds its records inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A list of records at a path.
    List(String),
    /// Columns, each a list or an object of the values of all records (true for lists), at a path.
    Columns(String, bool),
    /// Objects, each a record, under keys that number or name them, at a path.
    Keyed(String),
}

impl Shape {
    /// Says what the input is, and what reads it.
    pub(super) fn refuse(&self, name: &str) -> Error {
        let error = |message: String| Error::input(Place::file(name), message);
        let jq = |path: &str| match path.trim_start_matches('$') {
            "" => ".".to_owned(),
            below => below.replace("[*]", "[]"),
        };
        match self {
            Self::List(path) => {
                error(format!("the records are not at the top of the document, but in a list at {path}"))
                    .with_hint(format!("read them with --records '{path}'"))
            }
            Self::Columns(path, lists) => {
                let rows = if *lists { "range(first(.[]) | length)" } else { "(first(.[]) | keys_unsorted[])" };
                let what = if path == "$" { "the document holds" } else { "the document holds, at its place," };
                error(format!("{what} columns with the values of all sessions, not records ({path})")).with_hint(format!(
                    "jq -c '{} | . as $all | {rows} as $row | $all | map_values(.[$row])' FILE > FILE.ndjson makes records of them",
                    jq(path)
                ))
            }
            Self::Keyed(path) => {
                error(format!("the records are not in a list, but each under a key of its own ({path})"))
                    .with_hint(format!("jq -c '{} | .[]' FILE > FILE.ndjson makes records of them", jq(path)))
            }
        }
    }
}

/// Finds the records in a document that was not said to hold them inside. Nothing is found where the document's first object may
/// be a record itself: where it has a session id or a start.
pub(super) fn find(text: &[u8], map: &[(String, String)]) -> Option<Shape> {
    let mut at = blanks(text, 0);
    if text.get(at) == Some(&b'[') {
        at = blanks(text, at + 1);
    }
    if text.get(at) != Some(&b'{') {
        return None;
    }
    search(text, at, map, &mut Vec::new())
}

fn search(text: &[u8], at: usize, map: &[(String, String)], path: &mut Vec<Key>) -> Option<Shape> {
    let members = members_of(text, at);
    let place = path_of(path.iter());
    let of_required = |member: &&(String, usize)| is_required(&member.0, map);
    let required: Vec<Option<&u8>> = members.iter().filter(of_required).map(|(_, at)| text.get(*at)).collect();
    if !required.is_empty() {
        return match required.as_slice() {
            [Some(b'['), Some(b'[')] => Some(Shape::Columns(place, true)),
            [Some(b'{'), Some(b'{')] if !members.iter().filter(of_required).any(|(_, at)| is_extended(text, *at)) => {
                Some(Shape::Columns(place, false))
            }
            _ => None,
        };
    }
    // A page says where its records are, and may say so behind them.
    if path.is_empty() && members.iter().any(|(key, _)| key.eq_ignore_ascii_case("columnHeaders")) {
        return None;
    }
    let has_names = members.iter().any(|(key, _)| NAME_KEYS.contains(&key.as_str()));
    for (key, value_at) in &members {
        let first_at = blanks(text, value_at + 1);
        path.push(Key::new(key));
        let found = match (text.get(*value_at), text.get(first_at)) {
            (Some(b'['), Some(b'{')) if has_required(text, first_at, map) => Some(Shape::List(path_of(path.iter()))),
            (Some(b'['), Some(b'{')) if path.len() < SEARCHED_DEPTH => {
                path.iter_mut().rev().take(1).for_each(|key| key.each = true);
                // What is found beside the records of a list, as in a session without a start, is no list of them.
                search(text, first_at, map, path).filter(|shape| matches!(shape, Shape::List(_)))
            }
            (Some(b'['), Some(b'['))
                if names_stand(text, first_at, has_names, map) && !NAME_KEYS.contains(&key.as_str()) =>
            {
                Some(Shape::List(path_of(path.iter())))
            }
            (Some(b'{'), Some(b'"')) if has_required(text, *value_at, map) && !is_columns(text, *value_at, map) => {
                Some(Shape::Keyed(place.clone()))
            }
            (Some(b'{'), Some(b'"')) if path.len() < SEARCHED_DEPTH => search(text, *value_at, map, path),
            _ => None,
        };
        path.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Returns whether the names of the values of lists stand before the first list, or in it.
fn names_stand(text: &[u8], first_at: usize, before: bool, map: &[(String, String)]) -> bool {
    let first = || text.get(first_at..first_at + value_length(text, first_at)?);
    before || first().is_some_and(|first| lists::names_of(first, map).is_some())
}

fn is_required(key: &str, map: &[(String, String)]) -> bool {
    let headers = match_headers(&[key], map).ok();
    let found = headers.and_then(|headers| headers.matches.first().copied());
    matches!(found, Some(HeaderMatch::Column(index)) if COLUMNS.get(index).is_some_and(|column| column.required))
}

/// Returns whether an object has both columns that a session cannot lack.
fn has_required(text: &[u8], at: usize, map: &[(String, String)]) -> bool {
    members_of(text, at).iter().filter(|(key, _)| is_required(key, map)).count() >= 2
}

fn is_columns(text: &[u8], at: usize, map: &[(String, String)]) -> bool {
    matches!(search(text, at, map, &mut Vec::new()), Some(Shape::Columns(..)))
}

/// Returns whether a value is an object with one key that begins with a dollar: a value with its type, and no column.
fn is_extended(text: &[u8], at: usize) -> bool {
    members_of(text, at).first().is_some_and(|(key, _)| key.starts_with('$'))
}

/// Lists the members of an object, as far as they are in the text: keys and where the values start.
fn members_of(text: &[u8], at: usize) -> Vec<(String, usize)> {
    let mut members = Vec::new();
    let mut at = at;
    loop {
        at = blanks(text, at + 1);
        if text.get(at) != Some(&b'"') {
            return members;
        }
        let Some((key, value_at)) = key_at(text, at) else { return members };
        members.push((unescaped(key), value_at));
        let Some(length) = value_length(text, value_at) else { return members };
        at = blanks(text, value_at + length);
        if text.get(at) != Some(&b',') {
            return members;
        }
    }
}

//! Finds the documented columns under any spelling of their names.
//!
//! Exports spell headers in at least four styles (`Session Id`, `SessionId`, `sessionId`, `SESSION_ID`). Dropping all but
//! letters and digits and lower-casing makes them one; aliases cover the names that differ in words.

use std::collections::BTreeMap;

use super::columns::{COLUMNS, column};
use crate::error::{Error, Result};

/// What a header turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderMatch {
    /// Index of a documented column in [`COLUMNS`].
    Column(usize),
    /// Time in workflow in milliseconds instead of seconds; converted on the way in.
    TimeInWorkflowMilliseconds,
    /// When the export says that it was made or committed, which orders states of one session.
    ExportedAt,
    /// None of ours.
    Unknown,
}

/// The headers of one input, matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// The headers as the input spells them.
    pub names: Vec<String>,
    /// What each is; same length as `names`.
    pub matches: Vec<HeaderMatch>,
}

impl Headers {
    /// Returns the position of the header that holds this documented column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.matches.iter().position(|m| matches!(m, HeaderMatch::Column(i) if COLUMNS[*i].name == name))
    }

    /// Lists the headers that are none of ours, in input order.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.names.iter().zip(&self.matches).filter(|(_, m)| **m == HeaderMatch::Unknown).map(|(n, _)| n.as_str())
    }
}

/// Drops all but letters and digits, and lower-cases.
pub fn normalise(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn lookup(normalised: &str) -> HeaderMatch {
    match normalised {
        "workflowsessiondurationms" | "durationms" | "timeinworkflowms" => {
            return HeaderMatch::TimeInWorkflowMilliseconds;
        }
        "committs" | "exportedat" => return HeaderMatch::ExportedAt,
        _ => {}
    }
    COLUMNS
        .iter()
        .position(|c| normalise(c.name) == normalised || c.aliases.contains(&normalised))
        .map_or(HeaderMatch::Unknown, HeaderMatch::Column)
}

/// Matches the headers of an input against the documented columns.
///
/// `map` holds what the user said with `--map "Their Header=session_id"`: the header (compared after normalising) and the
/// SQL name of a column, or `exported_at`.
///
/// # Errors
/// Two headers that mean the same column, or a map entry that names no column of ours. The documented spelling does not win
/// over an alias: which of two was meant is not ours to guess. The message has no file name; the caller adds the place.
pub fn match_headers<S: AsRef<str>>(headers: &[S], map: &[(String, String)]) -> Result<Headers> {
    let mut mapped = BTreeMap::new();
    for (theirs, ours) in map {
        let target = match column(ours) {
            Some(_) => lookup(&normalise(ours)),
            None if matches!(ours.as_str(), "exported_at" | "_exported_at") => HeaderMatch::ExportedAt,
            None => {
                return Err(Error::usage(format!("--map names an unknown column {ours:?}"))
                    .with_hint(format!("the columns are {}", COLUMNS.map(|c| c.name).join(", "))));
            }
        };
        mapped.insert(normalise(theirs), target);
    }
    let names: Vec<String> = headers.iter().map(|h| h.as_ref().to_owned()).collect();
    let mut matches = Vec::with_capacity(names.len());
    let mut taken: Vec<(HeaderMatch, &str)> = Vec::new();
    for name in &names {
        let normalised = normalise(name);
        let found = mapped.get(&normalised).copied().unwrap_or_else(|| lookup(&normalised));
        if found != HeaderMatch::Unknown {
            if let Some((_, other)) = taken.iter().find(|(m, _)| same_target(*m, found)) {
                return Err(Error::usage(format!("headers {other:?} and {name:?} both mean {}", target_name(found)))
                    .with_hint("give one of them another meaning with --map, or remove it from the export"));
            }
            taken.push((found, name));
        }
        matches.push(found);
    }
    Ok(Headers { names, matches })
}

fn same_target(a: HeaderMatch, b: HeaderMatch) -> bool {
    target_name(a) == target_name(b)
}

fn target_name(found: HeaderMatch) -> &'static str {
    match found {
        HeaderMatch::Column(index) => COLUMNS[index].name,
        HeaderMatch::TimeInWorkflowMilliseconds => "time_in_workflow",
        HeaderMatch::ExportedAt => "the export time",
        HeaderMatch::Unknown => "nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_name_in_four_styles_finds_its_column() {
        for (index, column) in COLUMNS.iter().enumerate() {
            let pascal: String = column.documented.split([' ', '-']).collect();
            let upper = column.name.to_uppercase();
            let mut camel = pascal.clone();
            camel[..1].make_ascii_lowercase();
            for spelling in [column.documented.to_owned(), pascal, camel, upper] {
                let headers = match_headers(&[&spelling], &[]).unwrap();
                assert_eq!(headers.matches, [HeaderMatch::Column(index)], "{spelling}");
            }
        }
    }

    #[test]
    fn no_alias_means_two_columns() {
        let mut seen = std::collections::BTreeMap::new();
        for column in &COLUMNS {
            for alias in column.aliases.iter().map(|a| (*a).to_owned()).chain([normalise(column.name)]) {
                assert_eq!(alias, normalise(&alias), "alias {alias} is not normalised");
                assert!(seen.insert(alias.clone(), column.name).is_none(), "alias {alias} twice");
            }
        }
    }

    #[test]
    fn two_headers_for_one_column_are_an_error() {
        let error = match_headers(&["Session Id", "sessionId"], &[]).unwrap_err();
        assert_eq!(error.to_string(), "headers \"Session Id\" and \"sessionId\" both mean session_id");
        let error = match_headers(&["Time in Workflow", "WORKFLOWSESSION_DURATION_MS"], &[]).unwrap_err();
        assert!(error.to_string().ends_with("both mean time_in_workflow"));
    }

    #[test]
    fn a_map_entry_wins_over_the_aliases() {
        let map = [("Call Ref".to_owned(), "session_id".to_owned()), ("id".to_owned(), "workflow_id".to_owned())];
        let headers = match_headers(&["call ref", "ID", "colour"], &map).unwrap();
        assert_eq!(headers.position("session_id"), Some(0));
        assert_eq!(headers.position("workflow_id"), Some(1));
        assert_eq!(headers.unknown().collect::<Vec<_>>(), ["colour"]);
        assert!(match_headers(&["x"], &[("x".to_owned(), "nope".to_owned())]).is_err());
    }
}

//! Finds the documented columns under any spelling of their names.
//!
//! Exports spell headers in at least four styles (`Session Id`, `SessionId`, `sessionId`, `SESSION_ID`). Dropping all but
//! letters and digits and lower-casing makes them one; aliases cover the names that differ in words.

use std::collections::BTreeMap;

use super::columns::{COLUMNS, column};
use super::tables::{EXPORTED_AT, SOURCE};
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
    /// Left out by the user: neither ours nor kept beside.
    LeftOut,
}

/// The headers of one input, matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headers {
    /// The headers as the input spells them.
    pub names: Vec<String>,
    /// What each is; same length as `names`.
    pub matches: Vec<HeaderMatch>,
    /// Headers that would mean a column by an alias, if another did not bear its name: the positions of both.
    pub beaten: Vec<(usize, usize)>,
}

impl Headers {
    /// Returns the position of the header that holds this documented column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.matches.iter().position(|m| matches!(m, HeaderMatch::Column(i) if COLUMNS[*i].name == name))
    }

    /// Says which headers are taken for extra columns since another bears the name of what they would mean, a sentence each.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let name = |at: &usize| self.names.get(*at).map_or("", String::as_str);
        self.beaten.iter().map(move |(loser, winner)| beaten_note(name(loser), name(winner)))
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

/// Says that a column is taken for an extra one.
pub fn beaten_note(loser: &str, winner: &str) -> String {
    format!("column {loser:?} is taken for an extra column, since {winner:?} is there")
}

/// Returns what a header means, and whether it bears the name of it: as documented, as in SQL, or as the user mapped it.
fn found(name: &str, mapped: &BTreeMap<String, HeaderMatch>) -> (HeaderMatch, bool) {
    let normalised = normalise(name);
    if let Some(target) = mapped.get(&normalised) {
        return (*target, true);
    }
    // The lake's own column says what file a row came from.
    if name.trim() == SOURCE {
        return (HeaderMatch::Unknown, false);
    }
    let target = lookup(&normalised);
    let exact = match target {
        HeaderMatch::Column(index) => normalise(COLUMNS[index].name) == normalised,
        HeaderMatch::ExportedAt => normalise(EXPORTED_AT) == normalised,
        HeaderMatch::TimeInWorkflowMilliseconds | HeaderMatch::Unknown | HeaderMatch::LeftOut => false,
    };
    (target, exact)
}

fn mapped_targets(map: &[(String, String)]) -> Result<BTreeMap<String, HeaderMatch>> {
    let mut mapped = BTreeMap::new();
    for (theirs, ours) in map {
        let target = match column(ours) {
            Some(_) => lookup(&normalise(ours)),
            None if matches!(ours.as_str(), "exported_at" | "_exported_at") => HeaderMatch::ExportedAt,
            None if ours.is_empty() => HeaderMatch::LeftOut,
            None => {
                return Err(Error::usage(format!("⟨map⟩ names an unknown column {ours:?}"))
                    .with_hint(format!("the columns are {}", COLUMNS.map(|c| c.name).join(", "))));
            }
        };
        mapped.insert(normalise(theirs), target);
    }
    Ok(mapped)
}

/// Matches one header; returns too whether it bears the name of what it means, and so wins over an alias.
///
/// # Errors
/// A map entry that names no column of ours.
pub fn match_header(name: &str, map: &[(String, String)]) -> Result<(HeaderMatch, bool)> {
    Ok(found(name, &mapped_targets(map)?))
}

/// Matches the headers of an input against the documented columns.
///
/// `map` holds what the user said with `--map "Their Header=session_id"`: the header (compared after normalising) and the
/// SQL name of a column, or `exported_at`, or nothing to leave the column out. The documented name, that of SQL and what the user
/// mapped win over an alias; what lost is an extra column, and in `beaten`.
///
/// # Errors
/// Two headers that mean the same column by name, or by aliases alone, or a map entry that names no column of ours. Which of two
/// was meant is not ours to guess. The message has no file name; the caller adds the place.
pub fn match_headers<S: AsRef<str>>(headers: &[S], map: &[(String, String)]) -> Result<Headers> {
    let mapped = mapped_targets(map)?;
    let names: Vec<String> = headers.iter().map(|h| h.as_ref().to_owned()).collect();
    let founds: Vec<(HeaderMatch, bool)> = names.iter().map(|name| found(name, &mapped)).collect();
    let is_ours = |target: HeaderMatch| !matches!(target, HeaderMatch::Unknown | HeaderMatch::LeftOut);
    // The header that fills each column, whether by name, and another that means it as much.
    let mut winners: BTreeMap<&str, (usize, bool, Option<usize>)> = BTreeMap::new();
    for (index, (target, exact)) in founds.iter().enumerate().filter(|(_, (target, _))| is_ours(*target)) {
        let winner = winners.entry(target_name(*target)).or_insert((index, *exact, None));
        match (winner.1, *exact) {
            _ if winner.0 == index => {}
            (false, true) => *winner = (index, true, None),
            (true, false) => {}
            (true, true) | (false, false) => winner.2 = winner.2.or(Some(index)),
        }
    }
    if let Some((column, (first, _, Some(second)))) = winners.iter().find(|(_, (_, _, other))| other.is_some()) {
        return Err(Error::usage(format!("headers {:?} and {:?} both mean {column}", names[*first], names[*second]))
            .with_hint("give one of them another meaning with ⟨map⟩, or leave it out with ⟨map⟩ \"Their Header=\""));
    }
    let mut matches = Vec::with_capacity(names.len());
    let mut beaten = Vec::new();
    for (index, (target, _)) in founds.iter().enumerate() {
        match winners.get(target_name(*target)) {
            Some((winner, ..)) if is_ours(*target) && *winner != index => {
                beaten.push((index, *winner));
                matches.push(HeaderMatch::Unknown);
            }
            _ => matches.push(*target),
        }
    }
    Ok(Headers { names, matches, beaten })
}

fn target_name(found: HeaderMatch) -> &'static str {
    match found {
        HeaderMatch::Column(index) => COLUMNS[index].name,
        HeaderMatch::TimeInWorkflowMilliseconds => "time_in_workflow",
        HeaderMatch::ExportedAt => "the export time",
        HeaderMatch::Unknown | HeaderMatch::LeftOut => "nothing",
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
        let error = match_headers(&["durationSeconds", "WORKFLOWSESSION_DURATION_MS"], &[]).unwrap_err();
        assert!(error.to_string().ends_with("both mean time_in_workflow"));
    }

    #[test]
    fn the_name_of_a_column_wins_over_an_alias() {
        let headers = match_headers(&["_id", "id", "Session Id", "started_at"], &[]).unwrap();
        assert_eq!(headers.position("session_id"), Some(2));
        assert_eq!(headers.unknown().collect::<Vec<_>>(), ["_id", "id"]);
        let notes: Vec<String> = headers.notes().collect();
        assert_eq!(notes[1], "column \"id\" is taken for an extra column, since \"Session Id\" is there");
        let headers = match_headers(&["duration_ms", "time_in_workflow", "committs", "_exported_at"], &[]).unwrap();
        assert_eq!(headers.position("time_in_workflow"), Some(1));
        assert_eq!(headers.matches[3], HeaderMatch::ExportedAt);
        // What the user mapped is as good as a name, and two aliases leave a choice.
        let map = [("Ref".to_owned(), "session_id".to_owned())];
        assert_eq!(match_headers(&["id", "ref"], &map).unwrap().position("session_id"), Some(1));
        assert!(match_headers(&["session_id", "ref"], &map).is_err());
        assert!(match_headers(&["id", "_id"], &[]).is_err());
        let headers = match_headers(&["_source", "source_details", "source"], &[]).unwrap();
        assert_eq!(headers.position("source_details"), Some(1));
        assert_eq!(match_headers(&["_source"], &[]).unwrap().matches, [HeaderMatch::Unknown]);
    }

    #[test]
    fn a_column_may_be_left_out() {
        let map = [("Data".to_owned(), String::new()), ("id".to_owned(), String::new())];
        let headers = match_headers(&["DATA", "session_id", "id", "x"], &map).unwrap();
        assert_eq!(headers.matches[0], HeaderMatch::LeftOut);
        assert_eq!(headers.unknown().collect::<Vec<_>>(), ["x"]);
        assert!(headers.beaten.is_empty());
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

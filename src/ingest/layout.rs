//! The headers of one input, matched and checked.

use super::folders::FolderColumns;
use super::row::slot;
use crate::error::{Error, Place, Result};
use crate::json::push_json_string;
use crate::schema::{COLUMNS, HeaderMatch, Headers, match_headers};

/// The headers that the records of an input share, ready for converting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The headers and what each is.
    pub(super) headers: Headers,
    /// For each header the start of its member in `_extra`: `"name":`. Of headers with one name the later get a number.
    pub(super) extra_keys: Vec<String>,
    /// The column whose members go into `_extra` as they are.
    pub(super) spliced: Option<usize>,
}

impl Layout {
    /// Matches the headers of an input.
    ///
    /// # Errors
    /// Two headers for one column, or none for a required one that no folder gives either: the input is not an export of workflow sessions.
    pub(super) fn new(
        names: &[String],
        map: &[(String, String)],
        folders: &FolderColumns,
        place: Place,
    ) -> Result<Self> {
        // A broken map is the caller's fault whatever the input looks like.
        match_headers::<&str>(&[], map)?;
        let headers = match_headers(names, map).map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            Error::Input { place: place.clone(), message: error.to_string(), hint }
        })?;
        for column in COLUMNS.iter().filter(|column| column.required) {
            if headers.position(column.name).is_none() && !folders.give(column.name) {
                let listed = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
                return Err(Error::input(place, format!("no column for {} ({:?})", column.name, column.documented))
                    .with_hint(format!(
                        "the headers are {listed}; ⟨map⟩ \"Their Header={}\" says which one it is",
                        column.name
                    )));
            }
        }
        let extra_keys = extra_keys(&headers.names);
        Ok(Self { headers, extra_keys, spliced: None })
    }

    /// Makes the members of a column that is none of ours those of `_extra`.
    pub(super) fn splice(&mut self, name: &str) {
        self.spliced = self.headers.names.iter().position(|known| known == name);
        if let Some(target) = self.spliced.and_then(|at| self.headers.matches.get_mut(at)) {
            *target = HeaderMatch::LeftOut;
        }
    }

    /// Lists what the headers fill, as [`slot`] numbers it.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.headers.matches.iter().filter_map(|target| slot(*target))
    }

    /// Names the column at a position: ours by its SQL name, others by their header.
    pub(super) fn column_name(&self, position: usize) -> Option<String> {
        match self.headers.matches.get(position)? {
            HeaderMatch::Unknown | HeaderMatch::LeftOut => self.headers.names.get(position).cloned(),
            known => target_name(*known).map(str::to_owned),
        }
    }
}

/// Returns the name of the stored column that a header fills.
pub(super) fn target_name(found: HeaderMatch) -> Option<&'static str> {
    match found {
        HeaderMatch::Column(index) => COLUMNS.get(index).map(|column| column.name),
        HeaderMatch::TimeInWorkflowMilliseconds => Some("time_in_workflow"),
        HeaderMatch::ExportedAt => Some(crate::schema::EXPORTED_AT),
        HeaderMatch::Unknown | HeaderMatch::LeftOut => None,
    }
}

fn extra_keys(names: &[String]) -> Vec<String> {
    let mut keys = Vec::with_capacity(names.len());
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let mut unique = name.clone();
        let mut number = 2;
        while !seen.insert(unique.clone()) {
            unique = format!("{name} ({number})");
            number += 1;
        }
        let mut key = String::with_capacity(unique.len() + 3);
        push_json_string(&mut key, &unique);
        key.push(':');
        keys.push(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(names: &[&str]) -> Result<Layout> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Layout::new(&names, &[], &FolderColumns::default(), Place::file("x.csv"))
    }

    #[test]
    fn a_missing_required_column_names_the_headers_that_are_there() {
        let error = layout(&["Session Id", "colour"]).unwrap_err();
        assert_eq!(error.to_string(), "x.csv: no column for started_at (\"Started At\")");
        assert!(error.hint().unwrap().starts_with("the headers are \"Session Id\", \"colour\";"));
        assert!(matches!(layout(&["id", "_id", "Started At"]), Err(Error::Input { .. })));
    }

    #[test]
    fn unknown_headers_of_one_name_get_keys_of_their_own() {
        let layout = layout(&["id", "Started At", "a\"", "a\"", "a\""]).unwrap();
        assert_eq!(layout.extra_keys[2..], ["\"a\\\"\":", "\"a\\\" (2)\":", "\"a\\\" (3)\":"]);
        assert_eq!(layout.column_name(0).as_deref(), Some("session_id"));
        assert_eq!(layout.column_name(2).as_deref(), Some("a\""));
        assert_eq!(layout.column_name(9), None);
    }
}

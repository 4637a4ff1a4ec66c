//! Columns that stand in the names of a file's folders, as Hive, Spark and others lay out partitioned tables:
//! `communication_type=Phone/part-0.parquet`.
//!
//! The name of a file, as the user gave it, is all that they are read from, so that a replay of quarantine finds them again. What stands
//! in the file itself counts more than the name of a folder.

use std::path::{Component, Path};

use percent_encoding::percent_decode_str;

use super::row::{Cell, Row, slot};
use super::values::{end_members, start_member};
use crate::error::{Error, Place, Result};
use crate::json::push_json_string;
use crate::lake::foreign::PartitionValue;
use crate::schema::{COLUMNS, HeaderMatch, match_headers};

/// The value that Hive and those after it write for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns in the names of a file's folders, or those that the log of a Delta table has in their place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FolderColumns {
    columns: Vec<FolderColumn>,
    /// Whether something else than the file's name has told of them.
    is_told: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FolderColumn {
    target: HeaderMatch,
    value: PartitionValue,
}

/// Lists the `key=value` among the folders of a file's name, outermost first, with escapes such as `%3A` decoded.
fn pairs(file: &str) -> Vec<(String, Option<String>)> {
    let folders = Path::new(file).parent().into_iter().flat_map(Path::components);
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = |folder: Component<'_>| {
        let Component::Normal(folder) = folder else { return None };
        let (key, value) = folder.to_str()?.split_once('=')?;
        (!key.is_empty()).then(|| (decoded(key), (value != NULL).then(|| decoded(value))))
    };
    folders.filter_map(pair).collect()
}

/// Lists the columns in the names of folders; `path` ends with one.
pub(super) fn folder_values(path: &str) -> Vec<PartitionValue> {
    let value = |(name, value)| PartitionValue { name, value, bare: false };
    pairs(&format!("{path}/-")).into_iter().map(value).collect()
}

/// Returns what tells two files of the same bytes apart that lie in folders of different columns; `None` for most, whose folders have none.
pub(super) fn folder_hash(file: &str) -> Option<u64> {
    let pairs = pairs(file);
    (!pairs.is_empty()).then(|| xxhash_rust::xxh3::xxh3_64(format!("{pairs:?}").as_bytes()))
}

impl FolderColumns {
    /// Reads the columns in a file's name; `map` is what the user said with `--map`.
    ///
    /// # Errors
    /// Two folders that mean one column, or a map that names no column of ours.
    pub(super) fn of(file: &str, map: &[(String, String)]) -> Result<Self> {
        let folder = Path::new(file).parent().and_then(Path::to_str).unwrap_or_default();
        Ok(Self { is_told: false, ..Self::of_values(file, folder_values(folder), map)? })
    }

    /// Takes columns that something else than the file's name has told of.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(super) fn of_values(file: &str, values: Vec<PartitionValue>, map: &[(String, String)]) -> Result<Self> {
        let names: Vec<&str> = values.iter().map(|value| value.name.as_str()).collect();
        let headers = match_headers(&names, map)
            .map_err(|error| Error::input(Place::file(file), format!("of the names of folders: {error}")))?;
        let columns = values.into_iter().zip(headers.matches).map(|(value, target)| FolderColumn { target, value });
        Ok(Self { columns: columns.collect(), is_told: true })
    }

    /// Adds the required columns, without values: a file that lacks them is then opened all the same, for the sake of its headers.
    pub(super) fn with_required(mut self) -> Self {
        for (index, column) in COLUMNS.iter().enumerate().filter(|(_, column)| column.required) {
            if !self.give(column.name) {
                let value = PartitionValue { name: column.name.to_owned(), value: None, bare: false };
                self.columns.push(FolderColumn { target: HeaderMatch::Column(index), value });
            }
        }
        self
    }

    /// Lists the columns, unless the file's name alone tells of them.
    pub(super) fn told(&self) -> Option<Vec<PartitionValue>> {
        self.is_told.then(|| self.columns.iter().map(|column| column.value.clone()).collect())
    }

    /// Returns whether there are none, as for most files.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Returns whether they give a value to a column of ours.
    pub(super) fn give(&self, column: &str) -> bool {
        self.columns.iter().any(|folder| match folder.target {
            HeaderMatch::Column(index) => COLUMNS.get(index).is_some_and(|known| known.name == column),
            _ => false,
        })
    }

    /// Lists what they fill, as [`slot`] numbers it.
    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().filter_map(|folder| slot(folder.target))
    }

    /// Lists those that are none of ours.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        let unknown = self.columns.iter().filter(|folder| folder.target == HeaderMatch::Unknown);
        unknown.map(|folder| folder.value.name.as_str())
    }

    /// Gives a row the columns that it does not have itself; `keep_extra` says whether those that are none of ours are kept too.
    pub(super) fn fill<'a>(&'a self, row: &Row<'a>, keep_extra: bool, extra: &'a mut String) -> Row<'a> {
        let mut filled = *row;
        extra.clear();
        if keep_extra && self.unknown().next().is_some() {
            let own = row.extra.unwrap_or_default();
            extra.push_str(own.strip_suffix('}').unwrap_or_default());
            for folder in self.columns.iter().filter(|folder| folder.target == HeaderMatch::Unknown) {
                let PartitionValue { name, value: Some(value), bare } = &folder.value else { continue };
                let mut key = String::new();
                push_json_string(&mut key, name);
                key.push(':');
                if !has_member(own, name) {
                    start_member(extra, &key);
                    match bare {
                        true => extra.push_str(value),
                        false => push_json_string(extra, value),
                    }
                }
            }
            filled.extra = end_members(extra);
        }
        for folder in &self.columns {
            if filled.is_absent(folder.target) {
                filled.set(folder.target, folder.value.value.as_deref().map_or(Cell::Null, Cell::Text));
            }
        }
        filled
    }
}

/// Returns whether an object has a member of this name at its top; empty text has none.
fn has_member(object: &str, name: &str) -> bool {
    let mut parser = jiter::Jiter::new(object.as_bytes());
    let mut next = parser.next_object();
    while let Ok(Some(key)) = next {
        if key == name {
            return true;
        }
        if parser.next_skip().is_err() {
            return false;
        }
        next = parser.next_key();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_an_equals_sign_are_columns_and_files_are_none() {
        let named = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        assert_eq!(
            pairs("a/communication_type=Phone/b/day=2026-11-20/x=1.csv"),
            [named("communication_type", "Phone"), named("day", "2026-11-20")]
        );
        assert_eq!(
            pairs("t/started_at=2026-11-20 10%3A00%3A00/a%20b=c=d/x.csv"),
            [named("started_at", "2026-11-20 10:00:00"), named("a b", "c=d")]
        );
        assert_eq!(pairs("category=__HIVE_DEFAULT_PARTITION__/x.csv"), [("category".to_owned(), None)]);
        assert_eq!(pairs("category=/x.csv"), [named("category", "")]);
        for none in ["-", "x.csv", "k=v", "=v/x.csv", "../a/x.csv"] {
            assert_eq!(pairs(none), [], "{none}");
            assert_eq!(folder_hash(none), None);
        }
        assert_ne!(folder_hash("a=1/x"), folder_hash("a=2/x"));
        assert_eq!(folder_hash("a=1/x"), folder_hash("elsewhere/a=1/y"));
    }

    #[test]
    fn two_folders_of_one_column_are_an_error_that_names_them() {
        let error = FolderColumns::of("category=a/Category=b/x.csv", &[]).unwrap_err();
        assert!(error.to_string().contains("both mean"), "{error}");
    }

    #[test]
    fn a_rows_own_members_stand_before_those_of_folders() {
        let folders = FolderColumns::of("day=1/hour=\"2/x.csv", &[]).unwrap();
        let filled = |own| {
            let mut extra = String::new();
            let row = Row { extra: own, ..Row::default() };
            folders.fill(&row, true, &mut extra).extra.map(str::to_owned)
        };
        assert_eq!(filled(None).unwrap(), r#"{"day":"1","hour":"\"2"}"#);
        assert_eq!(filled(Some(r#"{"a":{"hour":3},"day":0}"#)).unwrap(), r#"{"a":{"hour":3},"day":0,"hour":"\"2"}"#);
    }
}

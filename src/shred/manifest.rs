//! What a file's footer says of its JSON paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The key of the manifest among the footer's key/value pairs.
pub const MANIFEST_KEY: &str = "sessionlake.shred";

/// The paths of a file's JSON columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The root of each column's paths, by the column's name.
    pub columns: BTreeMap<String, PathNode>,
}

/// A path: what values it has in this file, and which keys are below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathNode {
    /// Documents that have the path.
    #[serde(rename = "n", default)]
    pub documents: u64,
    /// Kinds of values met at the path, as bits (see [`super::leaf`]).
    #[serde(rename = "k", default, skip_serializing_if = "is_zero")]
    pub kinds: u8,
    /// Whether arrays are among the containers met at the path.
    #[serde(rename = "a", default, skip_serializing_if = "is_false")]
    pub has_arrays: bool,
    /// Whether the path has leaf columns: one for each kind met, but for those missed.
    #[serde(rename = "l", default, skip_serializing_if = "is_false")]
    pub leaf: bool,
    /// Kinds met that have no column, since they came after the columns were chosen.
    #[serde(rename = "m", default, skip_serializing_if = "is_zero")]
    pub missed: u8,
    /// Whether `children` has every key that any document of the file has here.
    #[serde(rename = "c", default = "yes", skip_serializing_if = "is_true")]
    pub is_complete: bool,
    /// Where elements of arrays have leaves: the paths inside the elements, whose documents are the elements.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<Box<PathNode>>,
    /// The keys below.
    #[serde(rename = "p", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub children: BTreeMap<String, PathNode>,
}

fn is_zero(bits: &u8) -> bool {
    *bits == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_true(flag: &bool) -> bool {
    *flag
}

fn yes() -> bool {
    true
}

/// What a file knows of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState<'a> {
    /// No document has it.
    Absent,
    /// Some document has it.
    Present(&'a PathNode),
    /// The manifest does not say.
    Unknown,
}

impl Manifest {
    /// Reads a manifest; one that cannot be read is none, and the file's text is parsed.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Writes the manifest.
    pub fn to_json(&self) -> String {
        // Maps of strings and numbers only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Looks a path up.
    pub fn find(&self, column: &str, path: &[String]) -> PathState<'_> {
        self.columns.get(column).map_or(PathState::Unknown, |root| root.find(path))
    }

    /// Adds what other rows of the same file have.
    pub fn merge(&mut self, other: Self) {
        for (column, node) in other.columns {
            match self.columns.get_mut(&column) {
                Some(mine) => mine.merge(node),
                None => {
                    self.columns.insert(column, node);
                }
            }
        }
    }
}

impl PathNode {
    /// Looks up a path below this one.
    pub fn find(&self, path: &[String]) -> PathState<'_> {
        let mut node = self;
        for key in path {
            match node.children.get(key) {
                Some(child) => node = child,
                None if node.is_complete => return PathState::Absent,
                None => return PathState::Unknown,
            }
        }
        PathState::Present(node)
    }

    fn merge(&mut self, other: Self) {
        self.documents += other.documents;
        self.kinds |= other.kinds;
        self.has_arrays |= other.has_arrays;
        self.leaf |= other.leaf;
        self.missed |= other.missed;
        self.is_complete &= other.is_complete;
        match (&mut self.elements, other.elements) {
            (Some(mine), Some(elements)) => mine.merge(*elements),
            (none @ None, elements) => *none = elements,
            (Some(_), None) => {}
        }
        for (key, node) in other.children {
            match self.children.get_mut(&key) {
                Some(mine) => mine.merge(node),
                None => {
                    self.children.insert(key, node);
                }
            }
        }
    }
}

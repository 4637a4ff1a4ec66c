//! What a file's footer says of its JSON paths.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::leaf::{BROKEN, CONTAINER, NULL, coded_pool_key, pool_key};
use super::pools::{InText, Pools};

/// The key of the manifest among the footer's key/value pairs.
pub const MANIFEST_KEY: &str = "sessionlake.shred";
/// What manifests mean changes with this number; one of a higher number is not read.
const VERSION: u32 = 4;
/// The first version whose files were written from documents in which U+FFFD is read for half a surrogate pair. Before, such documents
/// counted as broken.
const READS_LONE_SURROGATES: u32 = 3;

/// The first version that notes of every path with arrays whether it has objects too, which have a length as arrays have.
const NOTES_OBJECTS_BESIDE_ARRAYS: u32 = 4;

/// The paths of a file's JSON columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Columns of an older file mean the same today; a newer file may have columns that this version would take for something else.
    #[serde(rename = "v", default)]
    pub(super) version: u32,
    /// The root of each column's paths, by the column's name.
    pub columns: BTreeMap<String, PathNode>,
    /// The leaf columns of text that hold only what is not in a column of the table, by their names, and that column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub copies: BTreeMap<String, String>,
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
    /// Whether the values of those kinds are in the pool of exceptions, under the path's name.
    #[serde(rename = "z", default, skip_serializing_if = "is_false")]
    pub has_exceptions: bool,
    /// Whether objects are among the containers met at the path; noted of paths with a pool or with arrays.
    #[serde(rename = "o", default, skip_serializing_if = "is_false")]
    pub has_objects: bool,
    /// Whether the texts of all objects and arrays at the path are where its other values are: in its pool, or in that of exceptions where it has a
    /// leaf. Earlier programs did not write them, and do not ask.
    #[serde(rename = "t", default, skip_serializing_if = "is_false")]
    pub has_containers: bool,
    /// The pool that holds what is neither an object nor in a leaf; objects where `has_containers` says so.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<u8>,
    /// The number that stands for the path in the pool's documents; a path without one stands there by its name.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub pool_code: Option<u32>,
    /// Whether a value is not in the pool, since it is too long.
    #[serde(rename = "u", default, skip_serializing_if = "is_false")]
    pub unpooled: bool,
    /// Why the values are in the text alone, where that was decided before the first row was written.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub in_text: Option<InText>,
    /// Of a column's root: the pools, as bits, that do not have all their values.
    #[serde(rename = "x", default, skip_serializing_if = "is_no_pool")]
    pub lost_pools: u32,
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

fn is_no_pool(bits: &u32) -> bool {
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
    /// Reads a manifest; one that cannot be read, or is of a later version, is none, and the file's text is parsed.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|manifest: &Self| manifest.version <= VERSION)
    }

    /// Leaves out the columns of an older file whose documents may be read in another way today, so that their text is parsed, and supposes what it does
    /// not note.
    #[must_use]
    pub fn without_misread(mut self) -> Self {
        if self.version < READS_LONE_SURROGATES {
            self.columns.retain(|_, root| root.kinds & BROKEN == 0);
        }
        if self.version < NOTES_OBJECTS_BESIDE_ARRAYS {
            self.columns.values_mut().for_each(PathNode::may_have_objects);
        }
        self
    }

    /// Writes the manifest, as of this version.
    pub fn to_json(&self) -> String {
        // Maps of strings and numbers only: this cannot fail.
        serde_json::to_string(&Self { version: VERSION, ..self.clone() }).unwrap_or_default()
    }

    /// Looks a path up.
    pub fn find(&self, column: &str, path: &[String]) -> PathState<'_> {
        self.columns.get(column).map_or(PathState::Unknown, |root| root.find(path))
    }

    /// Returns the pool that has every value met at a path, if one has, and the path's key in its documents. What also asks of
    /// objects finds all there only where none were met.
    pub fn pool(&self, column: &str, path: &[String], of_objects: bool) -> Option<(u8, String)> {
        let root = self.columns.get(column)?;
        let PathState::Present(node) = root.find(path) else { return None };
        let pool = node.pool.filter(|pool| root.lost_pools >> pool & 1 == 0)?;
        let lacks_objects = node.has_objects && !node.has_containers;
        let is_whole = !node.unpooled && !(of_objects && (lacks_objects || node.kinds & BROKEN != 0));
        is_whole.then(|| (pool, node.pool_code.map_or_else(|| pool_key(path), coded_pool_key)))
    }

    /// Returns the pool that has all values at the path of a leaf which the leaf has no column for, of these kinds: missed scalars, or
    /// objects and arrays, or both; and the path's key in its documents.
    pub fn exceptions(&self, column: &str, path: &[String], kinds: u8) -> Option<(u8, String)> {
        let root = self.columns.get(column)?;
        let PathState::Present(node) = root.find(path) else { return None };
        let has_scalars = kinds & !CONTAINER == 0 || node.has_exceptions && !node.unpooled;
        let has_containers = kinds & CONTAINER == 0 || node.has_containers;
        let is_whole = node.leaf && has_scalars && has_containers && root.lost_pools >> Pools::EXCEPTIONS & 1 == 0;
        is_whole.then(|| (Pools::EXCEPTIONS, pool_key(path)))
    }

    /// Says why values at a path are read from the text by what depends on these kinds beside those of leaves; `None` where nothing tells it.
    pub fn reason(&self, column: &str, path: &[String], kinds: u8) -> Option<&'static str> {
        let root = self.columns.get(column)?;
        match root.find(path) {
            PathState::Present(node) => {
                node.reason(root.lost_pools).or_else(|| node.reason_beside_scalars(root.lost_pools, kinds))
            }
            PathState::Absent | PathState::Unknown => None,
        }
    }

    /// Adds what other rows of the same file have.
    pub fn merge(&mut self, other: Self) {
        self.copies.extend(other.copies);
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
    /// Supposes objects where none are noted of arrays, here and below.
    fn may_have_objects(&mut self) {
        self.has_objects |= self.has_arrays;
        self.children.values_mut().for_each(Self::may_have_objects);
    }

    /// Says whether some document may have an array at the path. A file that does not count its documents does not note arrays.
    pub fn may_have_arrays(&self) -> bool {
        self.kinds & CONTAINER != 0 && (self.has_arrays || self.documents == 0)
    }

    /// Says why scalars at the path are read from the text; `None` where they are not, or there are none. `lost_pools` are those of the column.
    pub fn reason(&self, lost_pools: u32) -> Option<&'static str> {
        let pool = self.pool.or((self.leaf && self.has_exceptions).then_some(Pools::EXCEPTIONS));
        let is_lost = |pool: u8| lost_pools >> pool & 1 == 1;
        let no_scalars = self.kinds & !(CONTAINER | NULL | BROKEN) == 0;
        match (self.leaf, pool) {
            _ if no_scalars => None,
            (true, _) if self.missed == 0 => None,
            (_, Some(_)) if self.unpooled => Some("a value is too long"),
            (_, Some(pool)) if is_lost(pool) => Some("its pool became too large"),
            (_, Some(_)) => None,
            (true, None) => Some("a type was not foreseen"),
            (false, None) => Some(match self.in_text {
                Some(InText::Long) => "values are too long",
                Some(InText::Containers) => "most values are arrays or objects",
                Some(InText::Costly) => "a column would cost too much",
                Some(InText::Excluded) => "the lake's leaves.exclude names it",
                None => "keys are never the same",
            }),
        }
    }

    /// Says why what depends on these kinds, which are no scalars, is read from the text, though the scalars at the path are not.
    pub fn reason_beside_scalars(&self, lost_pools: u32, kinds: u8) -> Option<&'static str> {
        let there = self.kinds & kinds;
        let has_scalars = self.kinds & !(CONTAINER | NULL | BROKEN) != 0;
        let is_lost = || self.leaf && lost_pools >> Pools::EXCEPTIONS & 1 == 1;
        match self.leaf || self.has_objects && self.pool.is_some() {
            _ if !has_scalars => None,
            true if there & CONTAINER != 0 && (!self.has_containers || is_lost()) => {
                Some("objects or arrays are among the values")
            }
            _ if there & BROKEN != 0 => Some("broken values are among them"),
            _ if self.leaf && there & NULL != 0 => Some("null is among the values"),
            _ => None,
        }
    }

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
        // Where only one has objects or arrays, the other has none to lack.
        self.has_containers = match [self.kinds, other.kinds].map(|kinds| kinds & CONTAINER != 0) {
            [true, true] => self.has_containers && other.has_containers,
            _ => self.has_containers || other.has_containers,
        };
        self.kinds |= other.kinds;
        self.has_arrays |= other.has_arrays;
        self.leaf |= other.leaf;
        self.missed |= other.missed;
        self.has_exceptions |= other.has_exceptions;
        self.has_objects |= other.has_objects;
        self.pool = self.pool.or(other.pool);
        self.pool_code = self.pool_code.or(other.pool_code);
        self.unpooled |= other.unpooled;
        self.in_text = self.in_text.or(other.in_text);
        self.lost_pools |= other.lost_pools;
        // What one part does not know of, and does not know all keys, may be there under a key that it did not note: then neither columns nor pools have it all.
        if !other.is_complete {
            self.children.retain(|key, _| other.children.contains_key(key));
        }
        let takes_more = self.is_complete;
        self.is_complete &= other.is_complete;
        match (&mut self.elements, other.elements) {
            (Some(mine), Some(elements)) => mine.merge(*elements),
            (none @ None, elements) => *none = elements,
            (Some(_), None) => {}
        }
        for (key, node) in other.children {
            match self.children.get_mut(&key) {
                Some(mine) => mine.merge(node),
                None if takes_more => {
                    self.children.insert(key, node);
                }
                None => {}
            }
        }
    }

    /// Notes objects where they tell anything: beside arrays, and in pools.
    pub(super) fn note_objects(&mut self) {
        self.has_objects &= self.pool.is_some() || self.has_arrays;
        self.elements.iter_mut().for_each(|elements| elements.note_objects());
        self.children.values_mut().for_each(Self::note_objects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_ruled_out_only_where_they_would_have_been_noted() {
        let node = |text: &str| serde_json::from_str::<PathNode>(text).unwrap();
        assert!(node(r#"{"n":3,"k":32,"a":true}"#).may_have_arrays());
        assert!(node(r#"{"k":32}"#).may_have_arrays());
        assert!(!node(r#"{"n":3,"k":33}"#).may_have_arrays());
        assert!(!node(r#"{"n":3,"k":1}"#).may_have_arrays());
        assert!(!node("{}").may_have_arrays());
    }

    #[test]
    fn a_manifest_of_a_later_version_is_not_read() {
        let text = Manifest::default().to_json();
        assert!(Manifest::parse(&text).is_some() && Manifest::parse(r#"{"columns":{}}"#).is_some());
        let later = text.replace(&format!("\"v\":{VERSION}"), &format!("\"v\":{}", VERSION + 1));
        assert!(later != text && Manifest::parse(&later).is_none());
    }

    #[test]
    fn columns_of_an_older_file_with_broken_documents_are_left_to_the_text() {
        let columns =
            r#""columns":{"data":{"n":0,"k":128,"p":{"a":{"n":1,"k":1,"l":true}}},"source_details":{"n":0,"k":64}}"#;
        let read = |version: &str| Manifest::parse(&format!("{{{version}{columns}}}")).unwrap().without_misread();
        for version in ["", "\"v\":2,"] {
            let older = read(version);
            assert_eq!(older.find("data", &["a".into()]), PathState::Unknown);
            assert_eq!(older.find("source_details", &["a".into()]), PathState::Absent);
        }
        assert!(matches!(read("\"v\":4,").find("data", &["a".into()]), PathState::Present(_)));
    }

    #[test]
    fn an_older_file_may_have_objects_wherever_it_has_arrays() {
        let columns = r#""columns":{"data":{"n":0,"p":{"a":{"n":1,"k":32,"a":true},"b":{"n":1,"k":1}}}}"#;
        for (version, has_objects) in [(3, true), (4, false)] {
            let read = Manifest::parse(&format!(r#"{{"v":{version},{columns}}}"#)).unwrap().without_misread();
            let PathState::Present(array) = read.find("data", &["a".into()]) else { panic!("{version}") };
            let PathState::Present(text) = read.find("data", &["b".into()]) else { panic!("{version}") };
            assert_eq!((array.has_objects, text.has_objects), (has_objects, false));
        }
    }

    #[test]
    fn a_path_that_one_part_may_not_have_noted_is_unknown() {
        let part = |text: &str| Manifest::parse(&format!(r#"{{"v":4,"columns":{{"data":{text}}}}}"#)).unwrap();
        let whole = r#"{"n":0,"p":{"a":{"n":1,"k":1,"q":0},"b":{"n":1,"k":1,"q":0}}}"#;
        // It met keys that it had no room for.
        let full = r#"{"n":0,"c":false,"p":{"a":{"n":2,"k":1,"q":0},"c":{"n":1,"k":1,"q":0}}}"#;
        for (one, other) in [(whole, full), (full, whole)] {
            let mut sum = part(one);
            sum.merge(part(other));
            let of = |key: &str| sum.find("data", &[key.to_owned()]);
            assert!(matches!(of("a"), PathState::Present(node) if node.documents == 3));
            assert_eq!([of("b"), of("d")], [PathState::Unknown; 2]);
            // Of `c` the whole part has nothing, as it says.
            assert!(matches!(of("c"), PathState::Present(_)));
        }
    }

    #[test]
    fn paths_inside_elements_are_merged_and_written() {
        let read = |text: &str| Manifest::parse(text).unwrap();
        let mut sum = read(
            r#"{"columns":{"data":{"n":0,"p":{"e":{"n":1,"k":32,"a":true,"e":{"n":0,"p":{"t":{"n":2,"k":1,"l":true}}}}}}}}"#,
        );
        sum.merge(read(r#"{"columns":{"data":{"n":0,"p":{"e":{"n":1,"k":32,"a":true,"e":{"n":0,"p":{"t":{"n":3,"k":2,"l":true,"m":2}}}}}}}}"#));
        sum.merge(read(r#"{"columns":{"data":{"n":0,"p":{"e":{"n":4,"k":1}}}}}"#));
        let elements = sum.columns["data"].children["e"].elements.as_ref().unwrap();
        let inside = &elements.children["t"];
        assert_eq!((inside.documents, inside.kinds, inside.missed, inside.leaf), (5, 3, 2, true));
        assert_eq!(read(&sum.to_json()).columns, sum.columns);
    }
}

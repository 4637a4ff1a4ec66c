//! The table `lake_json_paths`: which JSON paths the data files hold, how often, of which types, and as leaf columns or not.
//!
//! All of it stands in the footers of the data files, which are read when the table is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray};

use crate::lake::Footer;
use crate::shred::computed::{OF_STRINGS, computed_name};
use crate::shred::leaf::{CONTAINER, KINDS, NULL, element_json_path, element_leaf_name, json_path, leaf_name};
use crate::shred::manifest::PathNode;
use crate::shred::{Kind, MANIFEST_KEY, Manifest};

/// What the files together have at one path.
#[derive(Debug, Default)]
struct PathSum {
    kinds: u8,
    has_arrays: bool,
    has_keys: bool,
    rows: u64,
    /// Of paths inside the elements of arrays: not rows are known, but elements.
    elements: u64,
    files: u64,
    leaf_files: u64,
    leaf_bytes: u64,
    pool_files: u64,
    /// Files whose scalars only the text has, by the reason.
    text_files: BTreeMap<&'static str, u64>,
    /// Why what asks for more than scalars reads the text.
    beside_scalars: BTreeSet<&'static str>,
}

/// The paths of some files.
#[derive(Debug, Default)]
struct Paths<'a> {
    /// By JSON column and path.
    sums: BTreeMap<(String, String), PathSum>,
    leaf_bytes: BTreeMap<&'a str, u64>,
}

impl<'a> Paths<'a> {
    fn add(&mut self, footer: &'a Footer) {
        let manifest = footer.schema.metadata().get(MANIFEST_KEY).and_then(|text| Manifest::parse(text));
        let Some(manifest) = manifest else {
            // Of a file that another engine wrote only this is known.
            self.sums.entry((String::new(), String::new())).or_default().files += 1;
            return;
        };
        self.leaf_bytes = footer.leaf_bytes.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        for (column, root) in &manifest.columns {
            let place = Place { column, array: None, lost_pools: root.lost_pools };
            self.add_below(&place, &mut Vec::new(), root);
        }
    }

    fn add_below(&mut self, place: &Place<'_>, path: &mut Vec<String>, node: &PathNode) {
        if !node.is_complete {
            let more = self.sums.entry((place.column.to_owned(), format!("{}.*", place.json_path(path)))).or_default();
            more.files += 1;
        }
        for (key, child) in &node.children {
            path.push(key.clone());
            let computed = place.array.is_none().then(|| computed_name(place.column, path, OF_STRINGS));
            let names = KINDS.iter().map(|kind| place.leaf_name(path, *kind)).chain(computed);
            let bytes = names.filter_map(|name| self.leaf_bytes.get(name.as_str())).sum::<u64>();
            let sum = self.sums.entry((place.column.to_owned(), place.json_path(path))).or_default();
            // A path that only leads to others in this file, or was chosen for a leaf and then not met.
            if child.documents > 0 {
                sum.kinds |= child.kinds;
                sum.has_arrays |= child.has_arrays;
                sum.has_keys |= !child.children.is_empty();
                match place.array {
                    Some(_) => sum.elements += child.documents,
                    None => sum.rows += child.documents,
                }
                sum.files += 1;
                sum.leaf_files += u64::from(child.leaf);
                sum.leaf_bytes += bytes;
                sum.pool_files += u64::from(place.has_pool_of(child));
                if place.array.is_none() {
                    match child.reason(place.lost_pools) {
                        Some(reason) => *sum.text_files.entry(reason).or_default() += 1,
                        None => sum.beside_scalars.extend(child.reason_beside_scalars(place.lost_pools, CONTAINER)),
                    }
                }
            }
            self.add_below(place, path, child);
            if let (Some(elements), None) = (&child.elements, place.array) {
                self.add_below(&Place { array: Some(path), ..*place }, &mut Vec::new(), elements);
            }
            path.pop();
        }
    }
}

/// What paths are in: the documents of a column, or the elements of its arrays at a path.
struct Place<'a> {
    column: &'a str,
    array: Option<&'a [String]>,
    /// The column's pools that do not have all values, as bits.
    lost_pools: u32,
}

impl Place<'_> {
    fn json_path(&self, path: &[String]) -> String {
        match self.array {
            Some(array) => element_json_path(array, path),
            None => json_path(path),
        }
    }

    /// Says whether all values at a path are in a pool, but for objects.
    fn has_pool_of(&self, node: &PathNode) -> bool {
        let is_any = node.has_arrays || node.kinds & !CONTAINER != 0;
        is_any && !node.unpooled && node.pool.is_some_and(|pool| self.lost_pools >> pool & 1 == 0)
    }

    fn leaf_name(&self, path: &[String], kind: Kind) -> String {
        match self.array {
            Some(array) => element_leaf_name(self.column, array, path, kind),
            None => leaf_name(self.column, path, kind),
        }
    }
}

impl PathSum {
    /// Says why scalars are read from the text, the most frequent reason first, and then what keeps other questions from the columns.
    fn text_reason(&self) -> Option<String> {
        let mut reasons: Vec<(&str, u64)> = self.text_files.iter().map(|(reason, files)| (*reason, *files)).collect();
        reasons.sort_by_key(|(_, files)| std::cmp::Reverse(*files));
        let reasons = reasons.into_iter().map(|(reason, _)| reason).chain(self.beside_scalars.iter().copied());
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        Some(reasons).filter(|reasons| !reasons.is_empty())
    }

    /// Names the types of the values.
    fn types(&self) -> String {
        let is_any = |kinds: &[Kind]| kinds.iter().any(|kind| self.kinds & kind.bit() != 0);
        let is_container = self.kinds & CONTAINER != 0;
        let named = [
            (is_any(&[Kind::Text]), "string"),
            (is_any(&[Kind::Integer]), "integer"),
            (is_any(&[Kind::Float, Kind::RawNumber]), "number"),
            (is_any(&[Kind::Boolean]), "boolean"),
            (self.has_arrays, "array"),
            // Keys below a path with arrays say that objects are there too.
            (is_container && (self.has_keys || !self.has_arrays), "object"),
            (self.kinds & NULL != 0, "null"),
        ];
        named.iter().filter(|(is_met, _)| *is_met).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// Lists the paths of files by their footers: JSON column, path, types, rows, files, files with leaves, bytes of leaves, files with the path in a pool,
/// files whose text is read, and why.
pub(super) fn columns(footers: &[Footer]) -> Vec<ArrayRef> {
    let mut paths = Paths::default();
    footers.iter().for_each(|footer| paths.add(footer));
    paths.sums.retain(|_, sum| sum.files > 0);
    let text = |of: fn(&(String, String)) -> &String| -> ArrayRef {
        let texts = paths.sums.keys().map(|key| Some(of(key)).filter(|text| !text.is_empty()));
        Arc::new(texts.collect::<StringViewArray>())
    };
    // Of paths that the files do not list, nothing else is known.
    let known = |sum: &PathSum| sum.rows + sum.elements > 0;
    let number = |of: fn(&PathSum) -> Option<u64>| -> ArrayRef {
        let number = |sum| i64::try_from(of(sum)?).ok();
        let numbers = paths.sums.values().map(|sum| number(sum).filter(|_| known(sum)));
        Arc::new(numbers.collect::<Int64Array>())
    };
    vec![
        text(|key| &key.0),
        text(|key| &key.1),
        Arc::new(paths.sums.values().map(|sum| known(sum).then(|| sum.types())).collect::<StringViewArray>()),
        number(|sum| Some(sum.rows).filter(|rows| *rows > 0)),
        Arc::new(paths.sums.values().map(|sum| i64::try_from(sum.files).ok()).collect::<Int64Array>()),
        number(|sum| Some(sum.leaf_files)),
        number(|sum| Some(sum.leaf_bytes)),
        number(|sum| Some(sum.pool_files)),
        number(|sum| Some(sum.text_files.values().sum())),
        Arc::new(paths.sums.values().map(PathSum::text_reason).collect::<StringViewArray>()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_named_as_json_names_its_types() {
        let types = |kinds, has_arrays, has_keys| PathSum { kinds, has_arrays, has_keys, ..PathSum::default() }.types();
        assert_eq!(types(Kind::Text.bit() | Kind::Boolean.bit(), false, false), "string, boolean");
        assert_eq!(types(Kind::Float.bit() | Kind::RawNumber.bit() | NULL, false, false), "number, null");
        assert_eq!(types(CONTAINER, false, false), "object");
        assert_eq!(types(CONTAINER, true, false), "array");
        assert_eq!(types(CONTAINER, true, true), "array, object");
        assert_eq!(types(0, false, false), "");
    }
}

//! Objects whose keys are ids: each document has others, and all of them together would take the place of every other path.
//!
//! A file notes so many paths ([`MAX_PATHS`]). When they are all taken, the objects are looked for of which nearly all keys were met in one document alone
//! though many documents have the object. They count as one path from then on: no more of their keys are noted, those met once give their places to others and are
//! left out of what is told, and the object is one of which the manifest does not know every key. Keys that came again stay: beside ids there may be a
//! count or a name. Nothing is looked for as long as there is room, since an object of a few hundred rare keys looks just so in its first documents.

use super::{MAX_PATHS, Node, Walker};

/// Documents that have an object, and keys below it, from which on the keys may be ids.
const DOCUMENTS: u64 = 16;
const KEYS: usize = 32;
/// Of a hundred keys, those that were met once.
const ONCE_PERCENT: usize = 90;
/// Paths in memory at most, those too that do not count any more.
const MOST_PATHS: usize = 16 * MAX_PATHS;

impl Walker {
    /// Says whether one more path may be noted, after ids gave way to it where they had to.
    pub(super) fn has_room(&mut self) -> bool {
        self.counted < MAX_PATHS || self.make_room()
    }

    #[cold]
    fn make_room(&mut self) -> bool {
        // In vain, until the documents have doubled.
        if self.nodes.len() >= MOST_PATHS || self.document < self.searched * 2 {
            return false;
        }
        let keyed: Vec<usize> = (0..self.nodes.len()).filter(|node| self.has_ids(*node)).collect();
        for node in keyed {
            let freed: usize = self.once(node).map(|(_, child)| self.size(*child)).sum();
            self.counted = self.counted.saturating_sub(freed);
            (self.nodes[node].is_keyed, self.nodes[node].is_complete) = (true, false);
        }
        let has_room = self.counted < MAX_PATHS;
        if !has_room {
            self.searched = self.document;
        }
        has_room
    }

    /// Says whether the keys below a path are ids.
    fn has_ids(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        let documents = if number == 0 { self.document } else { node.documents };
        !node.is_keyed
            && node.children.len() >= KEYS
            && documents >= DOCUMENTS
            && self.once(number).count() * 100 >= node.children.len() * ONCE_PERCENT
    }

    /// Lists the keys below a path that one document had, and that nobody thought of before.
    fn once(&self, node: usize) -> impl Iterator<Item = (&Box<str>, &usize)> {
        self.nodes[node].children.iter().filter(|(_, child)| self.was_once(**child))
    }

    fn was_once(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        node.documents <= 1 && !self.is_foreseen(node)
    }

    /// Says whether a path, or one below it, has a place that was chosen for it.
    fn is_foreseen(&self, node: &Node) -> bool {
        node.leaf.is_some()
            || node.pool_code.is_some()
            || node.in_text.is_some()
            || node.children.values().any(|child| self.is_foreseen(&self.nodes[*child]))
    }

    /// Counts a path and those below it.
    fn size(&self, number: usize) -> usize {
        1 + self.nodes[number].children.values().map(|child| self.size(*child)).sum::<usize>()
    }

    /// Lists the keys below a path that are told of.
    pub(super) fn kept_children(&self, number: usize) -> impl Iterator<Item = (&Box<str>, &usize)> {
        let node = &self.nodes[number];
        node.children.iter().filter(|(_, child)| !node.is_keyed || !self.was_once(**child))
    }

    /// Lists the paths of objects whose keys are ids.
    pub fn keyed(&self) -> Vec<Vec<String>> {
        let keyed = self.paths().into_iter().filter(|(node, _)| self.nodes[*node].is_keyed).map(|(_, path)| path);
        let root = self.nodes.first().filter(|root| root.is_keyed).map(|_| Vec::new());
        root.into_iter().chain(keyed).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use crate::shred::FileShredder;
    use crate::shred::choice::choose;
    use crate::shred::limits::LeafLimits;
    use crate::shred::manifest::{Manifest, PathState};

    fn shredded(documents: &[String], sampled: std::ops::Range<usize>) -> Manifest {
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(documents));
        let schema = Arc::new(Schema::new(vec![Field::new("data", DataType::Utf8View, true)]));
        let batch = RecordBatch::try_new(schema, vec![texts]).unwrap();
        let sample = batch.slice(sampled.start, sampled.len());
        let set = choose(&[sample], &["data"], &LeafLimits::of_columns(100), documents.len());
        let shredder = FileShredder::new(vec!["data"], set);
        let mut at = 0;
        while at < batch.num_rows() {
            at += shredder.shred(&batch.slice(at, batch.num_rows() - at)).unwrap().rows;
        }
        shredder.manifest()
    }

    /// Documents without ids, then those with an id of their own each, and then with fifty paths that begin there.
    fn documents(members: &str) -> Vec<String> {
        let id = |row: usize| format!("{:08x}", row.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF);
        let document = |row: usize| {
            let ids = format!(r#""by_id":{{"version":2,"{}":{members}}}"#, id(row));
            let later = (0..50)
                .filter(|key| (row + key).is_multiple_of(100))
                .map(|key| format!(r#","k{key:02}":"v{}""#, row % 7));
            match row {
                0..1_000 => r#"{"plain":1,"by_id":{"version":2}}"#.to_owned(),
                1_000..6_000 => format!(r#"{{"plain":1,{ids}}}"#),
                _ => format!(r#"{{"plain":1,{ids}{}}}"#, later.collect::<String>()),
            }
        };
        (0..8_000).map(document).collect()
    }

    #[test]
    fn ids_do_not_displace_the_paths_that_begin_after_them() {
        for members in [r#"{"v":1}"#, r#"{"a":1,"b":{"c":2,"d":3,"e":4,"f":5},"g":6,"h":7,"i":8}"#, "7"] {
            let documents = documents(members);
            // A sample of all, one of ids alone, and one before there are any.
            for sampled in [0..8_000, 1_000..6_000, 0..1_000] {
                let manifest = shredded(&documents, sampled.clone());
                for key in 0..50 {
                    let path = [format!("k{key:02}")];
                    let PathState::Present(node) = manifest.find("data", &path) else { panic!("{path:?} {sampled:?}") };
                    assert_eq!(node.documents, 20);
                    let is_beside = node.leaf && node.missed == 0 || manifest.pool("data", &path, false).is_some();
                    assert!(
                        is_beside,
                        "{path:?} of {sampled:?}: {:?}",
                        node.reason(manifest.columns["data"].lost_pools)
                    );
                }
                assert_eq!(manifest.find("data", &["other".to_owned()]), PathState::Absent);
                let by_id = ["by_id", "00000000"].map(str::to_owned);
                assert_eq!(manifest.find("data", &by_id), PathState::Unknown);
                let PathState::Present(ids) = manifest.find("data", &by_id[..1]) else { panic!("no object of ids") };
                assert!(
                    ids.children.len() < 40 && ids.children["version"].documents == 8_000,
                    "{}",
                    ids.children.len()
                );
            }
        }
    }

    #[test]
    fn keys_that_are_many_and_come_again_are_no_ids() {
        let document = |row: usize| {
            let keys =
                (0..600).filter(|key| (row + key * 7).is_multiple_of(200)).map(|key| format!(r#""k{key}":{row}"#));
            format!(r#"{{"fields":{{{}}}}}"#, keys.collect::<Vec<_>>().join(","))
        };
        let documents: Vec<String> = (0..2_000).map(document).collect();
        let manifest = shredded(&documents, 0..2_000);
        let PathState::Present(fields) = manifest.find("data", &["fields".to_owned()]) else { panic!("no object") };
        assert!(fields.is_complete && fields.children.len() == 600);
    }
}

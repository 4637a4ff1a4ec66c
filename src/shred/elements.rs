//! Leaves inside arrays: the elements of an array are documents of their own.
//!
//! `json_get_str(e, 'type')` for each element `e` of `json_get_array(data, 'variables', 'events')` is what a walk over the text
//! of the element takes. So arrays with leaves have a `Walker` of their own, which walks the elements of the first array at the
//! path one after the other, and a leaf is a list a row with an entry for each element. Where `json_get_array` gives NULL, because there
//! is no array or it breaks off, the list is null.
//!
//! A walk over a document notes only where its arrays begin. They are cut into elements after it, since a walk over a broken
//! document may be thrown away and done again; what is cut is cut as `json_get_array` does it.
//!
//! Limits: arrays of arrays are not looked into; an array of more than [`MAX_ELEMENTS`] elements makes its file parse the text.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, NullBufferBuilder};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Field;

use super::document::Walker;
use super::manifest::PathNode;
use crate::error::{Error, Result};
use crate::json::elements::cut;

/// Elements of an array at most: so few that the numbers of all elements of a row group fit into the offsets of a list.
pub const MAX_ELEMENTS: usize = 10_000;
/// Elements of one array that the sampling looks at, spread over it.
const SAMPLED_ELEMENTS: usize = 16;

/// The arrays of documents, as far as their elements are looked into.
#[derive(Debug, Default)]
pub(super) struct Arrays {
    elements: Vec<Elements>,
    /// By the number of a path of the documents, the number among `elements`.
    by_node: Vec<Option<usize>>,
    /// The arrays of the last document: the number among `elements`, and the first byte.
    met: Vec<(usize, usize)>,
    /// Where the elements of the last array are in it.
    ranges: Vec<Range<usize>>,
    /// Whether the elements of all arrays are looked into, to learn from.
    takes_all: bool,
}

/// The elements of the arrays at one path.
#[derive(Debug)]
struct Elements {
    /// The path of the arrays in the documents.
    node: usize,
    walker: Walker,
    leaves: Vec<usize>,
    /// Whether some array was too long for its elements to be taken.
    has_too_long: bool,
    /// What the sampling has seen.
    sampled: SampledArrays,
}

/// How many elements the arrays at a path have in a sample.
#[derive(Debug, Default)]
pub(super) struct SampledArrays {
    /// Elements that were looked at.
    pub sampled: usize,
    /// All elements of the same arrays.
    all: usize,
    /// A bit for each of them: whether it is the first of its array.
    starts: Vec<u8>,
    list_bytes: OnceCell<usize>,
}

impl SampledArrays {
    /// Adds an array of so many elements.
    fn begin(&mut self, elements: usize) {
        let first = self.all;
        self.all += elements;
        self.starts.resize(self.all.div_ceil(8), 0);
        if elements > 0 {
            self.starts[first / 8] |= 1 << (first % 8);
        }
    }

    /// Returns what all elements have of what so much is of those that were looked at.
    pub fn scaled(&self, of_sampled: usize) -> usize {
        (of_sampled as u64 * self.all as u64).div_ceil(self.sampled.max(1) as u64) as usize
    }

    /// Returns what it takes to say where each list begins.
    pub fn list_bytes(&self, compressed: impl Fn(&[u8]) -> usize) -> usize {
        *self.list_bytes.get_or_init(|| compressed(&self.starts))
    }
}

impl Arrays {
    /// Looks into the elements of all arrays.
    pub fn for_sample() -> Self {
        Self { takes_all: true, ..Self::default() }
    }

    /// Takes the values at a path inside the elements for a leaf.
    pub fn add_leaf(&mut self, node: usize, inside: &[String], leaf: usize) {
        let number = match self.at(node) {
            Some(number) => number,
            None => self.add(node, Walker::for_leaves(std::iter::empty(), None)),
        };
        let elements = &mut self.elements[number];
        elements.walker.add_leaf(inside, leaf, 0);
        elements.leaves.push(leaf);
    }

    fn add(&mut self, node: usize, walker: Walker) -> usize {
        let number = self.elements.len();
        self.elements.push(Elements {
            node,
            walker,
            leaves: Vec::new(),
            has_too_long: false,
            sampled: SampledArrays::default(),
        });
        if self.by_node.len() <= node {
            self.by_node.resize(node + 1, None);
        }
        self.by_node[node] = Some(number);
        number
    }

    fn at(&self, node: usize) -> Option<usize> {
        self.by_node.get(node).copied().flatten()
    }

    /// Begins a document.
    pub fn begin(&mut self) {
        self.met.clear();
    }

    /// Notes that an array begins at a byte of the document.
    pub fn meet(&mut self, node: usize, start: usize) {
        if let Some(number) = self.at(node) {
            self.met.push((number, start));
        } else if self.takes_all {
            let number = self.add(node, Walker::for_sampled_elements());
            self.met.push((number, start));
        }
    }

    /// Walks the elements of the last document's arrays as far as the sampling looks; `see` gets the path of each array, and of each
    /// element its number among all that were looked at there, its text, and the walker after it.
    pub fn sample(&mut self, document: &str, mut see: impl FnMut(usize, usize, &str, &Walker)) {
        for (number, start) in &self.met {
            let elements = &mut self.elements[*number];
            let Some(array) = document.get(*start..) else { continue };
            if cut(array, &mut self.ranges).is_err() {
                continue;
            }
            let all = self.ranges.len();
            // What is too long has no leaves.
            if all > MAX_ELEMENTS {
                continue;
            }
            elements.sampled.begin(all);
            for range in self.ranges.iter().step_by(all.div_ceil(SAMPLED_ELEMENTS).max(1)) {
                let element = &array[range.clone()];
                elements.walker.walk(element);
                see(elements.node, elements.sampled.sampled, element, &elements.walker);
                elements.sampled.sampled += 1;
            }
        }
    }

    /// Lists the paths inside the elements of the arrays at a path, by number.
    pub fn paths(&self, node: usize) -> Vec<(usize, Vec<String>)> {
        self.at(node).map(|number| self.elements[number].walker.paths()).unwrap_or_default()
    }

    /// Returns what the sampling has seen of the arrays at a path.
    pub fn sampled(&self, node: usize) -> Option<&SampledArrays> {
        self.at(node).map(|number| &self.elements[number].sampled)
    }

    /// Counts the entries of all leaves in these lists.
    pub fn entries(&self, lists: &[ListsBuilder]) -> usize {
        self.elements.iter().zip(lists).map(|(elements, lists)| elements.leaves.len() * lists.items).sum()
    }

    /// Makes the lists of some rows, one for each path of arrays.
    pub fn lists(&self) -> Vec<ListsBuilder> {
        self.elements.iter().map(|_| ListsBuilder::new()).collect()
    }

    /// Walks the elements of the last document's arrays; `take` gets the number of each element among all in the lists, its text,
    /// and the walker after it.
    pub fn walk(
        &mut self,
        document: &str,
        row: usize,
        lists: &mut [ListsBuilder],
        mut take: impl FnMut(usize, &str, &Walker),
    ) {
        for (number, start) in &self.met {
            let (elements, lists) = (&mut self.elements[*number], &mut lists[*number]);
            let Some(array) = document.get(*start..) else { continue };
            if cut(array, &mut self.ranges).is_err() {
                continue;
            }
            if self.ranges.len() > MAX_ELEMENTS {
                elements.has_too_long = true;
                continue;
            }
            for (index, range) in self.ranges.iter().enumerate() {
                let element = &array[range.clone()];
                elements.walker.walk(element);
                take(lists.items + index, element, &elements.walker);
            }
            lists.append(row, self.ranges.len());
        }
    }

    /// Finishes the lists of so many rows: each leaf gets the lists that its values are the items of. Of arrays that were too long,
    /// every kind is missed.
    pub fn finish(&self, lists: Vec<ListsBuilder>, rows: usize, of_leaves: &mut [Option<Lists>], missed: &mut [u8]) {
        for (elements, lists) in self.elements.iter().zip(lists) {
            let lists = lists.finish(rows);
            for leaf in &elements.leaves {
                of_leaves[*leaf] = Some(lists.clone());
                missed[*leaf] |= if elements.has_too_long { u8::MAX } else { 0 };
            }
        }
    }

    /// Returns the tree of paths inside the elements of the arrays at a path; `None` where no leaf is inside them.
    pub fn tree(&self, node: usize, missed: &[u8]) -> Option<PathNode> {
        self.at(node).map(|number| self.elements[number].walker.tree(0, missed))
    }
}

/// Grows the lists of the arrays at one path, a list a row; rows without an array are filled in when the next one comes.
#[derive(Debug)]
pub(crate) struct ListsBuilder {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    items: usize,
}

impl ListsBuilder {
    pub fn new() -> Self {
        Self { offsets: vec![0], nulls: NullBufferBuilder::new(0), items: 0 }
    }

    /// Appends a list of so many items, the next ones.
    pub fn append(&mut self, row: usize, items: usize) {
        self.pad(row);
        self.items += items;
        self.offsets.push(self.end());
        self.nulls.append_non_null();
    }

    fn pad(&mut self, rows: usize) {
        self.nulls.append_n_nulls(rows - self.nulls.len());
        self.offsets.resize(rows + 1, self.end());
    }

    fn end(&self) -> i32 {
        // The limit of elements keeps a row group far below.
        i32::try_from(self.items).unwrap_or(i32::MAX)
    }

    /// Fills in what is missing of so many rows.
    pub fn finish(mut self, rows: usize) -> Lists {
        self.pad(rows);
        Lists {
            offsets: OffsetBuffer::new(ScalarBuffer::from(self.offsets)),
            nulls: self.nulls.finish(),
            items: self.items,
        }
    }
}

/// The lists of the arrays at one path, without their items.
#[derive(Debug, Clone)]
pub(crate) struct Lists {
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
    items: usize,
}

impl Lists {
    /// How many items all lists have together.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Returns the lists of these items.
    ///
    /// # Errors
    /// Another number of items.
    pub fn of(&self, items: ArrayRef) -> Result<ArrayRef> {
        let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
        let lists = ListArray::try_new(field, self.offsets.clone(), items, self.nulls.clone());
        Ok(Arc::new(lists.map_err(|error| Error::internal(format!("lists of a leaf: {error}")))?))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};
    use arrow::datatypes::{Int64Type, Schema};

    use super::*;
    use crate::shred::FileShredder;
    use crate::shred::leaf::{Kind, Leaf, LeafSet};

    fn leaf(inside: &[&str], kind: Kind) -> Leaf {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        Leaf {
            column: "data".into(),
            path: owned(&["e"]),
            inside: Some(owned(inside)),
            kinds: kind.bit(),
            copy_of: None,
        }
    }

    #[test]
    fn a_leaf_inside_an_array_is_a_list_with_an_entry_for_each_element() {
        let documents = [
            Some(r#"{"e":[{"n":1,"o":{"k":"x"}},{"n":"two"},3,[{"n":4}]]}"#),
            Some(r#"{"e":[]}"#),
            None,
            Some(r#"{"e":{"n":5}}"#),
            Some(r#"{"e":[{"n":6},{"n":"#),
            Some(r#"{"e":[{"n":7,"n":8}],"e":[{"n":9}]} and behind"#),
            Some(r#"{"e":[{"n":10}],"#),
        ];
        let texts: ArrayRef = Arc::new(StringViewArray::from_iter(documents));
        let schema = Arc::new(Schema::new(vec![Field::new("data", texts.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(schema, vec![texts]).unwrap();
        let leaves = vec![leaf(&["n"], Kind::Integer), leaf(&["o", "k"], Kind::Text)];
        let leaves = LeafSet { leaves, ..LeafSet::default() };
        let shredder = FileShredder::new(vec!["data"], leaves);
        let arrays = shredder.shred(&batch).unwrap().arrays;
        let numbers = arrays[0].as_list::<i32>();
        let shown = |row: usize| {
            let items = numbers.is_valid(row).then(|| numbers.value(row));
            items.map(|items| items.as_primitive::<Int64Type>().iter().collect::<Vec<_>>())
        };
        assert_eq!(shown(0), Some(vec![Some(1), None, None, None]));
        assert_eq!(shown(1), Some(vec![]));
        assert_eq!([shown(2), shown(3), shown(4)], [None, None, None]);
        assert_eq!([shown(5), shown(6)], [Some(vec![Some(7)]), Some(vec![Some(10)])]);
        let texts = arrays[1].as_list::<i32>();
        assert_eq!(texts.offsets(), numbers.offsets());
        assert_eq!(texts.value(0).as_string_view().iter().collect::<Vec<_>>(), [Some("x"), None, None, None]);
        let manifest = shredder.manifest();
        let elements = manifest.columns["data"].children["e"].elements.as_ref().unwrap();
        let number = &elements.children["n"];
        assert_eq!((number.kinds, number.missed), (Kind::Integer.bit() | Kind::Text.bit(), Kind::Text.bit()));
        assert!(number.leaf && elements.is_complete);
    }
}

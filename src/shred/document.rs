//! Walks documents once and takes all leaves out of them.
//!
//! The walk gives what the look-ups of datafusion-functions-json give: the first of several equal keys counts, there is no
//! going back, and a look-up reads a document only as far as it must. On a sound document one pass in order does the same as
//! many look-ups. On one that breaks off, or nests deeper than the parser skips, the pass is thrown away and `Walker::exact`
//! looks every key up by skipping over its elder siblings, as the functions do.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch,
    StringViewBuilder,
};
use jiter::{Jiter, JiterResult, NumberAny, NumberInt, Peek};

use super::elements::{Arrays, Lists};
use super::leaf::{BROKEN, CONTAINER, Kind, Leaf, LeafSet, NULL};
use super::manifest::{Manifest, PathNode};
use crate::error::{Error, Result};

/// Objects deeper than this are skipped: their paths are unknown to the manifest, and have no leaves.
pub const MAX_DEPTH: usize = 8;
/// Paths of a column that a file notes at most.
pub const MAX_PATHS: usize = 2_000;
/// Brackets in a document from which on it may nest deeper than jiter skips (200 levels).
const MANY_BRACKETS: usize = 150;

/// A path met so far; the tree grows while documents are walked.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, usize>,
    /// Whether every key met below is among the children.
    is_complete: bool,
    /// Kinds met at this path.
    kinds: u8,
    /// Whether arrays are among the containers met.
    has_arrays: bool,
    /// The leaf of this path, if it has one.
    leaf: Option<usize>,
    /// The last document in which the path was met; a second time in one document is a second equal key.
    met_in: u64,
    /// Documents in which the path was met.
    documents: u64,
}

/// A value taken from a document that is not finished yet; text is a range of the scratch buffer.
#[derive(Debug, Clone, Copy)]
enum Taken {
    Text(usize, usize),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    RawNumber(usize, usize),
}

impl Taken {
    fn kind(self) -> Kind {
        match self {
            Self::Text(..) => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Boolean(_) => Kind::Boolean,
            Self::RawNumber(..) => Kind::RawNumber,
        }
    }
}

/// Walks the documents of one JSON column.
#[derive(Debug)]
pub(super) struct Walker {
    nodes: Vec<Node>,
    document: u64,
    taken: Vec<(usize, Taken)>,
    scratch: String,
    /// Whether values are taken at every path, to learn from, or only where there are leaves.
    takes_all: bool,
    /// The arrays whose elements are looked into.
    pub(super) arrays: Arrays,
}

/// One value of a document, as the sampling sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// Number of the path.
    pub node: usize,
    /// Kind of the value.
    pub kind: Kind,
    /// The text of strings and of odd numbers.
    pub text: &'a str,
}

impl Walker {
    /// Makes a walker that takes values at every path, those inside the elements of arrays too.
    pub fn for_sample() -> Self {
        Self { takes_all: true, arrays: Arrays::for_sample(), ..Self::for_leaves(std::iter::empty()) }
    }

    /// Makes a walker that takes values at every path, for documents that are elements of an array.
    pub fn for_sampled_elements() -> Self {
        Self { takes_all: true, ..Self::for_leaves(std::iter::empty()) }
    }

    /// Makes a walker that takes the values of these leaves, each with its number.
    pub fn for_leaves<'a>(leaves: impl Iterator<Item = (usize, &'a Leaf)>) -> Self {
        let root = Node { is_complete: true, ..Node::default() };
        let mut walker = Self {
            nodes: vec![root],
            document: 0,
            taken: Vec::new(),
            scratch: String::new(),
            takes_all: false,
            arrays: Arrays::default(),
        };
        for (number, leaf) in leaves {
            match &leaf.inside {
                Some(inside) => {
                    let node = walker.reach(&leaf.path);
                    walker.arrays.add_leaf(node, inside, number);
                }
                None => walker.add_leaf(&leaf.path, number),
            }
        }
        walker
    }

    /// Takes the values at a path for a leaf from now on.
    pub fn add_leaf(&mut self, path: &[String], leaf: usize) {
        let node = self.reach(path);
        self.nodes[node].leaf = Some(leaf);
    }

    fn reach(&mut self, path: &[String]) -> usize {
        path.iter().fold(0, |node, key| match self.nodes[node].children.get(key.as_str()) {
            Some(child) => *child,
            None => self.grow(node, key),
        })
    }

    fn grow(&mut self, parent: usize, key: &str) -> usize {
        let child = self.nodes.len();
        self.nodes.push(Node { is_complete: true, ..Node::default() });
        self.nodes[parent].children.insert(key.into(), child);
        child
    }

    /// Finds the path of a key below another, noting it if it is new; `None` where no more are noted.
    fn child(&mut self, parent: usize, key: &str) -> Option<usize> {
        if let Some(child) = self.nodes[parent].children.get(key) {
            return Some(*child);
        }
        if self.nodes.len() >= MAX_PATHS {
            self.nodes[parent].is_complete = false;
            return None;
        }
        Some(self.grow(parent, key))
    }

    /// Notes that the document has a path; false where it was met before in the same document.
    fn meet(&mut self, node: usize) -> bool {
        let node = &mut self.nodes[node];
        let is_first = node.met_in != self.document;
        if is_first {
            node.met_in = self.document;
            node.documents += 1;
        }
        is_first
    }

    /// Walks one document; [`Walker::values`] then has what was taken.
    pub fn walk(&mut self, text: &str) {
        self.begin();
        let brackets = text.as_bytes().iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
        if brackets < MANY_BRACKETS {
            if self.fast(text).is_ok() {
                return;
            }
            for node in self.nodes.iter_mut().filter(|node| node.met_in == self.document) {
                node.documents -= 1;
            }
        }
        self.begin();
        self.nodes[0].kinds |= BROKEN;
        let mut jiter = Jiter::new(text.as_bytes());
        if let Ok(Peek::Object) = jiter.peek() {
            self.exact(text, &mut jiter, 0, 0);
        }
    }

    fn begin(&mut self) {
        self.document += 1;
        self.taken.clear();
        self.scratch.clear();
        self.arrays.begin();
    }

    fn fast(&mut self, text: &str) -> JiterResult<()> {
        let mut jiter = Jiter::new(text.as_bytes());
        match jiter.peek()? {
            Peek::Object => self.object(text, &mut jiter, 0, 0),
            // No key looks into anything else, and an index is never a leaf.
            peek => jiter.known_skip(peek),
        }
    }

    fn object(&mut self, text: &str, jiter: &mut Jiter<'_>, node: usize, depth: usize) -> JiterResult<()> {
        let mut key = jiter.known_object()?;
        while let Some(name) = key {
            let child = self.child(node, name);
            let peek = jiter.peek()?;
            match child {
                Some(child) if self.meet(child) => {
                    if matches!(peek, Peek::Object) && depth + 1 < MAX_DEPTH {
                        self.nodes[child].kinds |= CONTAINER;
                        self.object(text, jiter, child, depth + 1)?;
                    } else {
                        self.value(text, jiter, child, peek)?;
                    }
                }
                _ => jiter.known_skip(peek)?,
            }
            key = jiter.next_key()?;
        }
        Ok(())
    }

    /// Takes a value that is not an object to go into, and moves behind it.
    fn value(&mut self, text: &str, jiter: &mut Jiter<'_>, node: usize, peek: Peek) -> JiterResult<()> {
        let wanted = self.takes_all || self.nodes[node].leaf.is_some();
        let taken = match peek {
            Peek::String if wanted => {
                let start = self.scratch.len();
                self.scratch.push_str(jiter.known_str()?);
                Some(Taken::Text(start, self.scratch.len()))
            }
            Peek::String => {
                jiter.known_skip(peek)?;
                self.nodes[node].kinds |= Kind::Text.bit();
                None
            }
            Peek::Object => {
                // Deeper than the walk goes: what is inside is unknown.
                self.nodes[node].kinds |= CONTAINER;
                self.nodes[node].is_complete = false;
                jiter.known_skip(peek)?;
                None
            }
            Peek::Array => {
                self.nodes[node].kinds |= CONTAINER;
                self.nodes[node].has_arrays = true;
                self.arrays.meet(node, jiter.current_index());
                jiter.known_skip(peek)?;
                None
            }
            Peek::Null => {
                self.nodes[node].kinds |= NULL;
                jiter.known_skip(peek)?;
                None
            }
            Peek::True | Peek::False => {
                jiter.known_skip(peek)?;
                Some(Taken::Boolean(matches!(peek, Peek::True)))
            }
            _ => {
                let start = jiter.current_index();
                let mut again = jiter.clone();
                jiter.known_skip(peek)?;
                let raw = text.get(start..jiter.current_index()).unwrap_or_default();
                Some(self.number(raw, again.known_number(peek).ok()))
            }
        };
        if let Some(taken) = taken {
            self.nodes[node].kinds |= taken.kind().bit();
            if wanted {
                self.taken.push((node, taken));
            }
        }
        Ok(())
    }

    /// Sorts a number by whether its value tells its text.
    fn number(&mut self, raw: &str, value: Option<NumberAny>) -> Taken {
        match value {
            // Writing and comparing is for numbers alone, and a small part of the walk.
            Some(NumberAny::Int(NumberInt::Int(integer))) if integer_is(integer, raw) => Taken::Integer(integer),
            Some(NumberAny::Float(float)) if float.is_finite() && float_is(float, raw) => Taken::Float(float),
            _ => {
                let start = self.scratch.len();
                self.scratch.push_str(raw);
                Taken::RawNumber(start, self.scratch.len())
            }
        }
    }

    /// Looks up every key as the functions do: the value by a parser of its own, its younger siblings by skipping over it.
    fn exact(&mut self, text: &str, jiter: &mut Jiter<'_>, node: usize, depth: usize) {
        let mut key = jiter.known_object().ok().flatten();
        while let Some(name) = key {
            let child = self.child(node, name);
            let Ok(peek) = jiter.peek() else { return };
            if let Some(child) = child.filter(|child| self.meet(*child)) {
                let mut inside = jiter.clone();
                if matches!(peek, Peek::Object) && depth + 1 < MAX_DEPTH {
                    self.nodes[child].kinds |= CONTAINER;
                    self.exact(text, &mut inside, child, depth + 1);
                } else {
                    let before = self.scratch.len();
                    if self.value(text, &mut inside, child, peek).is_err() {
                        self.scratch.truncate(before);
                        self.nodes[child].kinds |= BROKEN;
                    }
                }
            }
            if jiter.known_skip(peek).is_err() {
                return;
            }
            key = jiter.next_key().ok().flatten();
        }
    }

    /// Lists what was taken from the last document, in its order.
    pub fn values(&self) -> impl Iterator<Item = Seen<'_>> {
        self.taken.iter().map(|(node, taken)| {
            let text = match taken {
                Taken::Text(start, end) | Taken::RawNumber(start, end) => &self.scratch[*start..*end],
                _ => "",
            };
            Seen { node: *node, kind: taken.kind(), text }
        })
    }

    /// Lists all paths met, by number; the root is left out.
    pub fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut paths = Vec::with_capacity(self.nodes.len());
        let mut stack = vec![(0, Vec::new())];
        while let Some((node, path)) = stack.pop() {
            for (key, child) in &self.nodes[node].children {
                let mut below: Vec<String> = path.clone();
                below.push(key.to_string());
                stack.push((*child, below.clone()));
                paths.push((*child, below));
            }
        }
        paths.sort_by(|a, b| a.1.cmp(&b.1));
        paths
    }

    /// Returns the tree of paths for the manifest.
    pub(super) fn tree(&self, node: usize, missed: &[u8]) -> PathNode {
        let this = &self.nodes[node];
        PathNode {
            documents: this.documents,
            kinds: this.kinds,
            has_arrays: this.has_arrays,
            leaf: this.leaf.is_some(),
            missed: this.leaf.and_then(|leaf| missed.get(leaf).copied()).unwrap_or_default(),
            is_complete: this.is_complete,
            elements: self.arrays.tree(node, missed).map(Box::new),
            children: this.children.iter().map(|(key, child)| (key.to_string(), self.tree(*child, missed))).collect(),
        }
    }
}

fn integer_is(integer: i64, raw: &str) -> bool {
    // Leading zeros do not parse, so only the sign of zero can differ.
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    digits.bytes().all(|byte| byte.is_ascii_digit()) && (integer != 0 || raw == "0")
}

fn float_is(float: f64, raw: &str) -> bool {
    use std::fmt::Write;
    /// Compares what is written with what is expected, without a buffer.
    struct Matcher<'a>(&'a str);
    impl Write for Matcher<'_> {
        fn write_str(&mut self, written: &str) -> std::fmt::Result {
            self.0 = self.0.strip_prefix(written).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let mut matcher = Matcher(raw);
    write!(matcher, "{float}").is_ok() && matcher.0.is_empty()
}

/// Builds one leaf column; rows without a value are filled in when the next one comes.
#[derive(Debug)]
enum LeafBuilder {
    Text(StringViewBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
}

macro_rules! pad {
    ($builder:expr, $rows:expr) => {{
        let missing = $rows - $builder.len();
        if missing > 0 {
            $builder.append_nulls(missing);
        }
    }};
}

impl LeafBuilder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::RawNumber => Self::Text(StringViewBuilder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Float => Self::Float(Float64Builder::new()),
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
        }
    }

    fn append(&mut self, row: usize, taken: Taken, scratch: &str) {
        match (self, taken) {
            (Self::Text(builder), Taken::Text(start, end) | Taken::RawNumber(start, end)) => {
                for _ in builder.len()..row {
                    builder.append_null();
                }
                builder.append_value(&scratch[start..end]);
            }
            (Self::Integer(builder), Taken::Integer(value)) => {
                pad!(builder, row);
                builder.append_value(value);
            }
            (Self::Float(builder), Taken::Float(value)) => {
                pad!(builder, row);
                builder.append_value(value);
            }
            (Self::Boolean(builder), Taken::Boolean(value)) => {
                pad!(builder, row);
                builder.append_value(value);
            }
            // The kind of a value chooses its builder.
            _ => {}
        }
    }

    fn finish(mut self, rows: usize) -> ArrayRef {
        match &mut self {
            Self::Text(builder) => {
                for _ in builder.len()..rows {
                    builder.append_null();
                }
                Arc::new(builder.finish())
            }
            Self::Integer(builder) => {
                pad!(builder, rows);
                Arc::new(builder.finish())
            }
            Self::Float(builder) => {
                pad!(builder, rows);
                Arc::new(builder.finish())
            }
            Self::Boolean(builder) => {
                pad!(builder, rows);
                Arc::new(builder.finish())
            }
        }
    }
}

/// The leaf columns of some rows, and what was learnt of their paths.
#[derive(Debug)]
pub struct ShreddedRows {
    /// One array a leaf column, in the order of [`LeafSet::columns`].
    pub arrays: Vec<ArrayRef>,
    /// The paths of these rows.
    pub manifest: Manifest,
}

/// Takes the leaves of a file out of its rows; several row groups may be shredded at once.
#[derive(Debug, Clone)]
pub struct FileShredder {
    leaves: Arc<LeafSet>,
    columns: Vec<&'static str>,
}

impl FileShredder {
    /// Makes a shredder of these JSON columns into these leaves.
    pub fn new(columns: Vec<&'static str>, leaves: LeafSet) -> Self {
        Self { leaves: Arc::new(leaves), columns }
    }

    /// The leaves.
    pub fn leaves(&self) -> &LeafSet {
        &self.leaves
    }

    /// Shreds rows; the batches follow each other.
    ///
    /// # Errors
    /// A batch without one of the JSON columns, or with another type than Utf8View.
    pub fn shred(&self, batches: &[RecordBatch]) -> Result<ShreddedRows> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        // Builders by leaf and kind.
        let mut builders: Vec<[Option<LeafBuilder>; 5]> =
            self.leaves.leaves.iter().map(|_| Default::default()).collect();
        for (index, leaf) in self.leaves.leaves.iter().enumerate() {
            for (slot, kind) in super::leaf::KINDS.iter().enumerate().filter(|(_, kind)| leaf.kinds & kind.bit() != 0) {
                builders[index][slot] = Some(LeafBuilder::new(*kind));
            }
        }
        let mut missed = vec![0_u8; self.leaves.leaves.len()];
        // Of leaves inside arrays, the lists that the values are the items of.
        let mut lists: Vec<Option<Lists>> = self.leaves.leaves.iter().map(|_| None).collect();
        let mut manifest = Manifest::default();
        let by_column = self.leaves.by_column();
        for name in &self.columns {
            let none = Vec::new();
            let leaves = by_column.get(name).unwrap_or(&none);
            let mut walker = Walker::for_leaves(leaves.iter().copied());
            let mut row_lists = walker.arrays.lists();
            let mut row = 0;
            for batch in batches {
                let column = batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")))?;
                let texts = column
                    .as_string_view_opt()
                    .ok_or_else(|| Error::internal(format!("column {name} is {}", column.data_type())))?;
                for index in 0..texts.len() {
                    if texts.is_valid(index) {
                        let document = texts.value(index);
                        walker.walk(document);
                        append_taken(&walker, row, &mut builders, &mut missed);
                        walker.arrays.walk(document, row, &mut row_lists, |element, walker| {
                            append_taken(walker, element, &mut builders, &mut missed);
                        });
                    } else {
                        walker.nodes[0].kinds |= NULL;
                    }
                    row += 1;
                }
            }
            walker.arrays.finish(row_lists, row, &mut lists, &mut missed);
            manifest.columns.insert((*name).to_owned(), walker.tree(0, &missed));
        }
        let mut arrays = Vec::new();
        for (builders, lists) in builders.into_iter().zip(&lists) {
            for builder in builders.into_iter().flatten() {
                arrays.push(match lists {
                    Some(lists) => lists.of(builder.finish(lists.items()))?,
                    None => builder.finish(rows),
                });
            }
        }
        Ok(ShreddedRows { arrays, manifest })
    }
}

/// Appends what was taken from the last document of a walker to the columns of its leaves.
fn append_taken(walker: &Walker, row: usize, builders: &mut [[Option<LeafBuilder>; 5]], missed: &mut [u8]) {
    for (node, taken) in &walker.taken {
        let Some(leaf) = walker.nodes[*node].leaf else { continue };
        match &mut builders[leaf][taken.kind().bit().trailing_zeros() as usize] {
            Some(builder) => builder.append(row, *taken, &walker.scratch),
            None => missed[leaf] |= taken.kind().bit(),
        }
    }
}

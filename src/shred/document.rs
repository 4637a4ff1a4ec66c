//! Walks documents once and takes all leaves out of them.
//!
//! The walk gives what the look-ups of datafusion-functions-json give: the first of several equal keys counts, there is no
//! going back, and a look-up reads a document only as far as it must. There are two walks. The quick one (`plain`) takes documents in
//! which nothing is unusual. Where it meets something else, what it took is thrown away, and the document is walked by the parser of
//! the functions (`Walker::parsed`), through what is broken too: each value is read, and if that fails it is skipped, as a look-up
//! of the next key skips over it. For half a surrogate pair both walks read U+FFFD, as the functions do.
//!
//! `data` mostly holds the very text of `source_details` once more (in every one of 131,072 sound generated rows). It is walked there
//! again all the same: it is a tenth of `data`, so going round it would save a fiftieth of an ingest at most, against a
//! comparison, and answers taken from another document.

pub(crate) mod fuzz;
mod keyed;
mod parsed;
mod plain;

use std::collections::HashMap;
use std::ops::Range;

use super::elements::Arrays;
use super::leaf::{ALL_KINDS, BROKEN, CONTAINER, Kind, Leaf, NULL, below, coded_pool_key, is_index};
use super::manifest::PathNode;
use super::pools::{Home, InText, MAX_POOLED_BYTES, Pools};
use crate::json::numbers::{Told, told};
use crate::json::{quoted, without_lone_surrogates};

/// Objects deeper than this are skipped: their paths are unknown to the manifest, and have no leaves.
pub const MAX_DEPTH: usize = 8;
/// Paths of a column that a file notes at most.
pub const MAX_PATHS: usize = 2_000;
/// Levels of a text from which on it counts as deeper than jiter skips (200 levels).
const DEEP: usize = 150;

/// Bytes of objects and arrays at the paths of scalars that pools take in any case.
const CONTAINER_ROOM: usize = 32 << 10;
/// Of so many bytes of text, one that they may take beyond that. With the other exceptions they must stay below what a pool may take in a batch.
const CONTAINER_SHARE: usize = 32;

/// A path met so far; the tree grows while documents are walked.
#[derive(Debug, Default)]
struct Node {
    key: Box<str>,
    /// The key as JSON writes it, quotes and all.
    quoted: Box<str>,
    children: HashMap<Box<str>, usize>,
    /// Which children are likely to come first in an object: the first child of the last object, and the first child of the last object that
    /// began with another one; 0 for none.
    first: [usize; 2],
    /// Which siblings are likely to follow this path in an object, kept in the same way. Documents of one workflow have their keys in one
    /// order, so that nine of ten keys of generated sessions are found by a comparison with one of the two.
    next: [usize; 2],
    /// Whether every key met below is among the children.
    is_complete: bool,
    /// Whether the keys below are ids that hardly repeat, of which no more are noted (see `keyed`).
    is_keyed: bool,
    /// Kinds met at this path.
    kinds: u8,
    /// Whether arrays are among the containers met.
    has_arrays: bool,
    /// Whether objects are among the containers met.
    has_objects: bool,
    /// The leaf of this path, if it has one.
    leaf: Option<usize>,
    /// The kinds of scalars that have no column of that leaf, and go to the pool of exceptions.
    exceptions: u8,
    /// The pool of this path, if it has one.
    pool: Option<u8>,
    /// Why the values are in the text alone, where the sample had them.
    in_text: Option<InText>,
    /// The pool of paths below that were not thought of.
    pool_below: Option<u8>,
    /// The key of this path in the documents of its pool, where the manifest has no number for the path: the path's name, escaped as JSON
    /// writes it between quotes.
    pool_key: Box<str>,
    /// The number that the manifest has for the path, and the key made of that number.
    pool_code: Option<(u32, Box<str>)>,
    /// Whether some value is missing in the pool, since it was too long or too deep.
    unpooled: bool,
    /// Whether the texts of objects, and those of arrays where there is a leaf, go to a pool too: as long as scalars are expected here.
    notes_containers: bool,
    /// What they take.
    container_bytes: usize,
    /// The number of the last document that has the path. A path that is met again in the same document has a repeated key, of which
    /// the first value counts.
    met_in: u64,
    /// Documents in which the path was met.
    documents: u64,
}

/// A value taken from a document; text is a range of the document, or of the scratch buffer where it had to be unescaped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Taken {
    Text(usize, usize),
    Unescaped(usize, usize),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    RawNumber(usize, usize),
}

impl Taken {
    pub fn kind(self) -> Kind {
        match self {
            Self::Text(..) | Self::Unescaped(..) => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Boolean(_) => Kind::Boolean,
            Self::RawNumber(..) => Kind::RawNumber,
        }
    }
}

/// Takes a number that stands in this place of the document.
fn number(text: &str, place: Range<usize>) -> Taken {
    match told(text.get(place.clone()).unwrap_or_default()) {
        Told::Integer(integer) => Taken::Integer(integer),
        Told::Float(float) => Taken::Float(float),
        Told::Text => Taken::RawNumber(place.start, place.end),
    }
}

/// A value of a document that goes to a pool, or may go to one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pooled<'a> {
    /// Number of the path.
    pub node: usize,
    /// The pool; none while the sample is taken.
    pub pool: Option<u8>,
    /// The path as a key of the pool's documents, as JSON writes it between quotes.
    pub key: &'a str,
    /// The value as the document writes it.
    pub value: &'a str,
}

/// Walks the documents of one JSON column.
#[derive(Debug)]
pub(super) struct Walker {
    nodes: Vec<Node>,
    /// How many of them count among the paths that there may be.
    counted: usize,
    /// The document at which room was looked for and not found.
    searched: u64,
    document: u64,
    /// The paths met in the document.
    met: Vec<usize>,
    taken: Vec<(usize, Taken)>,
    /// Path and range of what goes to pools.
    pooled: Vec<(usize, usize, usize)>,
    scratch: String,
    /// Bytes of all documents so far.
    text_bytes: usize,
    /// Bytes that objects and arrays at the paths of scalars may still take in pools.
    container_room: usize,
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
    /// The value of other numbers.
    pub bits: u64,
}

impl Walker {
    /// Makes a walker that takes values at every path, those inside the elements of arrays too.
    pub fn for_sample() -> Self {
        Self { takes_all: true, arrays: Arrays::for_sample(), ..Self::for_leaves(std::iter::empty(), None) }
    }

    /// Makes a walker that takes values at every path, for documents that are elements of an array.
    pub fn for_sampled_elements() -> Self {
        Self { takes_all: true, ..Self::for_leaves(std::iter::empty(), None) }
    }

    /// Makes a walker that takes the values of these leaves, each with its number, and those of pools.
    pub fn for_leaves<'a>(leaves: impl Iterator<Item = (usize, &'a Leaf)>, pools: Option<&Pools>) -> Self {
        let root = Node { is_complete: true, ..Node::default() };
        let mut walker = Self {
            nodes: vec![root],
            counted: 1,
            searched: 0,
            document: 0,
            met: Vec::new(),
            taken: Vec::new(),
            pooled: Vec::new(),
            scratch: String::new(),
            text_bytes: 0,
            container_room: CONTAINER_ROOM,
            takes_all: false,
            arrays: Arrays::default(),
        };
        if let Some(pools) = pools.filter(|pools| pools.count > 0) {
            walker.nodes[0].pool_below = Some(Pools::UNFORESEEN);
            // What is closed comes from the top down, so that nothing below it is foreseen before.
            for path in &pools.closed {
                let node = walker.reach(path);
                walker.nodes[node].pool_below = None;
            }
            for path in &pools.keyed {
                let node = walker.reach(path);
                (walker.nodes[node].is_keyed, walker.nodes[node].is_complete) = (true, false);
            }
            for ((path, home), code) in pools.paths.iter().zip(0..) {
                let node = walker.reach(path);
                let node = &mut walker.nodes[node];
                match home {
                    Home::Pool(pool) => {
                        (node.pool, node.pool_code) = (Some(*pool), Some((code, coded_pool_key(code).into())));
                    }
                    Home::Text(reason) => (node.pool, node.in_text) = (None, Some(*reason)),
                }
                node.notes_containers = node.pool.is_some();
            }
        }
        for (number, leaf) in leaves {
            match &leaf.inside {
                Some(inside) => {
                    let node = walker.reach(&leaf.path);
                    walker.arrays.add_leaf(node, inside, number);
                }
                None => {
                    let is_kept = pools.is_some_and(|pools| pools.count > Pools::EXCEPTIONS);
                    let node = walker.add_leaf(&leaf.path, number, if is_kept { ALL_KINDS & !leaf.kinds } else { 0 });
                    walker.nodes[node].notes_containers = is_kept;
                }
            }
        }
        walker
    }

    /// Takes the values at a path for a leaf from now on, but for those of kinds that are exceptions; returns the path's number.
    pub fn add_leaf(&mut self, path: &[String], leaf: usize, exceptions: u8) -> usize {
        let number = self.reach(path);
        let node = &mut self.nodes[number];
        (node.leaf, node.exceptions, node.pool) = (Some(leaf), exceptions, None);
        number
    }

    fn reach(&mut self, path: &[String]) -> usize {
        path.iter().fold(0, |node, key| match self.nodes[node].children.get(key.as_str()) {
            Some(child) => *child,
            None => self.grow(node, key),
        })
    }

    fn grow(&mut self, parent: usize, key: &str) -> usize {
        let child = self.nodes.len();
        // A look-up by a key that spells a number goes into arrays too, of which pools know nothing.
        let pool = self.nodes[parent].pool_below.filter(|_| !is_index(key));
        let quoted = quoted(key);
        let escaped = quoted.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or_default();
        let pool_key = below(&self.nodes[parent].pool_key, escaped).into();
        let quoted = quoted.into();
        self.nodes.push(Node {
            key: key.into(),
            quoted,
            is_complete: true,
            pool,
            pool_below: pool,
            pool_key,
            notes_containers: pool.is_some(),
            ..Node::default()
        });
        self.nodes[parent].children.insert(key.into(), child);
        self.counted += 1;
        child
    }

    /// Finds the path of a key below another, noting it if it is new; `None` where no more are noted. `before` is the key that
    /// came before it in the object.
    fn child(&mut self, parent: usize, before: Option<usize>, key: &str) -> Option<usize> {
        let [likely, other] = self.expected(parent, before);
        // The root's key is empty, and a key of a document may be: but the root comes after none.
        if likely != 0 && *self.nodes[likely].key == *key {
            return Some(likely);
        }
        let found = if other != 0 && *self.nodes[other].key == *key {
            other
        } else if let Some(child) = self.nodes[parent].children.get(key) {
            *child
        } else if !self.takes_more(parent) {
            self.nodes[parent].is_complete = false;
            return None;
        } else {
            self.grow(parent, key)
        };
        self.expect(parent, before, [found, likely]);
        Some(found)
    }

    /// Says whether a path that is new is noted below another.
    fn takes_more(&mut self, parent: usize) -> bool {
        // Making room may find that the keys below this very path are ids.
        if self.nodes[parent].is_keyed || !self.has_room() {
            return false;
        }
        !self.nodes[parent].is_keyed
    }

    /// Returns the keys that came next before, or first in the object; 0 for none.
    fn expected(&self, parent: usize, before: Option<usize>) -> [usize; 2] {
        match before {
            Some(before) => self.nodes[before].next,
            None => self.nodes[parent].first,
        }
    }

    fn expect(&mut self, parent: usize, before: Option<usize>, children: [usize; 2]) {
        match before {
            Some(before) => self.nodes[before].next = children,
            None => self.nodes[parent].first = children,
        }
    }

    /// Notes that the document has a path; false where it was met before in the same document.
    fn meet(&mut self, number: usize) -> bool {
        let node = &mut self.nodes[number];
        let is_first = node.met_in != self.document;
        if is_first {
            node.met_in = self.document;
            node.documents += 1;
            self.met.push(number);
        }
        is_first
    }

    /// Walks one document; [`Walker::values`] then has what was taken.
    pub fn walk(&mut self, text: &str) {
        self.begin();
        self.text_bytes += text.len();
        self.container_room = CONTAINER_ROOM.min(self.container_room + text.len() / CONTAINER_SHARE);
        // The quick walk goes through nothing deep.
        if self.plain(text).is_some() {
            return;
        }
        self.begin_again();
        // The mended document has every byte in its place but the escapes that were mended, and those are never taken by their place.
        let mended = without_lone_surrogates(text);
        if let Some(mended) = mended.as_deref() {
            if self.plain(mended).is_some() {
                return;
            }
            self.begin_again();
        }
        let text = mended.as_deref().unwrap_or(text);
        let may_be_deep = is_deep(text);
        if !self.parsed(text, may_be_deep) || may_be_deep {
            self.nodes[0].kinds |= BROKEN;
        }
    }

    fn begin(&mut self) {
        self.document += 1;
        self.met.clear();
        self.taken.clear();
        self.pooled.clear();
        self.scratch.clear();
        self.arrays.begin();
    }

    /// Throws a pass over the document away.
    fn begin_again(&mut self) {
        // A file may be full of documents that are unusual, and has far more paths than one of them.
        for number in &self.met {
            self.nodes[*number].documents -= 1;
        }
        self.begin();
    }

    fn is_wanted(&self, node: usize) -> bool {
        self.takes_all || self.nodes[node].leaf.is_some()
    }

    fn unescaped(&mut self, text: &str) -> Taken {
        let start = self.scratch.len();
        self.scratch.push_str(text);
        Taken::Unescaped(start, self.scratch.len())
    }

    fn meet_object(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        let expects_scalars = node.leaf.is_some() || node.pool_code.is_some() || node.kinds & ALL_KINDS != 0;
        node.notes_containers &= expects_scalars;
        node.kinds |= CONTAINER;
        node.has_objects = true;
    }

    /// Notes an object that the walk does not go into: what is inside is unknown.
    fn skip_deep(&mut self, node: usize) {
        self.meet_object(node);
        self.nodes[node].is_complete = false;
    }

    /// Notes the text of an object, or of an array at the path of a leaf, where scalars are expected. Where a path has many of them, or
    /// long ones, its pool would be for them, and they stay in the text from then on.
    fn note_container(&mut self, text: &str, node: usize, value: Range<usize>) {
        let this = &mut self.nodes[node];
        if !this.notes_containers {
            return;
        }
        let bytes = value.len() + this.pool_key.len();
        this.container_bytes += bytes;
        if bytes <= self.container_room.min(MAX_POOLED_BYTES)
            && this.container_bytes <= CONTAINER_ROOM / 2 + self.text_bytes / CONTAINER_SHARE / 2
            && !is_deep(text.get(value.clone()).unwrap_or_default())
        {
            self.container_room -= bytes;
            self.pooled.push((node, value.start, value.end));
        } else {
            this.notes_containers = false;
        }
    }

    fn meet_array(&mut self, node: usize, start: usize) {
        self.nodes[node].kinds |= CONTAINER;
        self.nodes[node].has_arrays = true;
        self.arrays.meet(node, start);
    }

    /// Notes a value that is no object: what kind it is, what is taken of it, and where it is.
    fn note(&mut self, text: &str, node: usize, kind: u8, taken: Option<Taken>, value: Range<usize>) {
        let takes_all = self.takes_all;
        let this = &mut self.nodes[node];
        this.kinds |= kind;
        if let Some(taken) = taken.filter(|_| takes_all || this.leaf.is_some()) {
            self.taken.push((node, taken));
        }
        if kind == CONTAINER && this.leaf.is_some() {
            self.note_container(text, node, value);
        } else if takes_all || this.pool.is_some() || this.exceptions & kind != 0 {
            let is_deep = || kind == CONTAINER && is_deep(text.get(value.clone()).unwrap_or_default());
            if takes_all || value.len() <= MAX_POOLED_BYTES && !is_deep() {
                self.pooled.push((node, value.start, value.end));
            } else {
                this.unpooled = true;
            }
        }
    }

    /// Notes that a document is NULL.
    pub fn note_null(&mut self) {
        self.nodes[0].kinds |= NULL;
    }

    /// Lists what was taken from the last document for leaves, each with the leaf's number.
    pub fn taken(&self) -> impl Iterator<Item = (usize, Taken)> {
        self.taken.iter().filter_map(|(node, taken)| Some((self.nodes[*node].leaf?, *taken)))
    }

    /// Lists what goes to pools from the last document, in its order.
    pub fn pooled<'a>(&'a self, document: &'a str) -> impl Iterator<Item = Pooled<'a>> {
        self.pooled.iter().filter_map(move |(number, start, end)| {
            let node = &self.nodes[*number];
            let key = node.pool_code.as_ref().map_or(&node.pool_key, |(_, key)| key);
            let exceptions = node.leaf.map(|_| Pools::EXCEPTIONS);
            Some(Pooled { node: *number, pool: node.pool.or(exceptions), key, value: document.get(*start..*end)? })
        })
    }

    /// Returns the documents that have a path.
    pub fn documents(&self, node: usize) -> u64 {
        self.nodes[node].documents
    }

    /// Where the texts of the last document are that had to be unescaped.
    pub fn scratch(&self) -> &str {
        &self.scratch
    }

    /// Lists what was taken from the last document, in its order.
    pub fn values<'a>(&'a self, document: &'a str) -> impl Iterator<Item = Seen<'a>> {
        self.taken.iter().map(move |(node, taken)| {
            let text = match taken {
                Taken::Text(start, end) | Taken::RawNumber(start, end) => &document[*start..*end],
                Taken::Unescaped(start, end) => &self.scratch[*start..*end],
                _ => "",
            };
            let bits = match taken {
                Taken::Integer(integer) => integer.unsigned_abs(),
                Taken::Float(float) => float.to_bits(),
                _ => 0,
            };
            Seen { node: *node, kind: taken.kind(), text, bits }
        })
    }

    /// Lists all paths met, by number; the root is left out, and so is what stands below ids.
    pub fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut paths = Vec::with_capacity(self.nodes.len());
        let mut stack = vec![(0, Vec::new())];
        while let Some((node, path)) = stack.pop() {
            for (key, child) in self.kept_children(node) {
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
            has_exceptions: this.exceptions & this.kinds != 0,
            has_objects: this.has_objects,
            has_containers: this.kinds & CONTAINER != 0 && this.notes_containers,
            pool: this.pool,
            pool_code: this.pool.and(this.pool_code.as_ref()).map(|(code, _)| *code),
            unpooled: this.unpooled,
            in_text: this.in_text.filter(|_| this.leaf.is_none()),
            lost_pools: 0,
            is_complete: this.is_complete,
            elements: self.arrays.tree(node, missed).map(Box::new),
            children: self
                .kept_children(node)
                .map(|(key, child)| (key.to_string(), self.tree(*child, missed)))
                .collect(),
        }
    }
}

/// Says whether a text nests deep, as far as a parser goes that reads it from its beginning: what stands in strings is no level.
fn is_deep(text: &str) -> bool {
    let mut bytes = text.bytes();
    let (mut depth, mut is_string) = (0_usize, false);
    brackets(text.as_bytes()) >= DEEP
        && std::iter::from_fn(|| {
            match bytes.next()? {
                b'"' => is_string = !is_string,
                // What is escaped is no quote.
                b'\\' if is_string => drop(bytes.next()),
                b'{' | b'[' if !is_string => depth += 1,
                b'}' | b']' if !is_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            Some(depth)
        })
        .any(|depth| depth >= DEEP)
}

/// Counts opening brackets: in pieces of so few bytes that a count fits a byte, which is what the compiler makes vectors of.
fn brackets(text: &[u8]) -> usize {
    // The bit in which `[` and `{` differ is set in both.
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    text.chunks(128).map(|piece| usize::from(count(piece))).sum()
}

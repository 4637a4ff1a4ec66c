//! Finds the values at several paths in one walk over a document.
//!
//! What is found is what each look-up of datafusion-functions-json finds by itself: the first of several equal keys counts, there
//! is no going back, a key that spells a number is an index in an array, and a look-up reads no further than it must. On a sound
//! document one walk in order finds the same. Where the walk meets an error, or a value that nests deeper than the parser skips, it is
//! thrown away, and every path is looked up alone, as the functions do.

use std::fmt;

use jiter::{Jiter, JiterError, JiterResult, Peek};
use memchr::memmem::Finder;

/// Brackets in a value from which on it may nest deeper than jiter skips (200 levels).
const MANY_BRACKETS: usize = 150;
/// Documents on which a search for the keys' own text is tried first.
const TRIED_DOCUMENTS: usize = 64;
/// Paths at most for which the keys' own text is searched: each search costs a part of a walk.
const MAX_SEARCHES: usize = 3;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// The member of an object; in an array, the element whose number the key spells.
    Key(String),
    /// The element of an array, counted from its end if negative.
    Index(isize),
}

impl Step {
    /// The key, if it is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }

    fn index(&self) -> Option<isize> {
        match self {
            Self::Key(key) => key.parse().ok(),
            Self::Index(index) => Some(*index),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Where a value is in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its first byte.
    pub start: usize,
    /// The byte behind it; `None` where it was not read to its end, or breaks off.
    pub end: Option<usize>,
}

/// Several paths, merged where they begin alike.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    paths: Vec<Vec<Step>>,
}

#[derive(Debug, Default)]
struct Node {
    /// The number of the path that ends here.
    path: Option<usize>,
    /// Children that are members of an object: the key's [`tag`], the key and the child.
    keys: Vec<(u64, Box<str>, usize)>,
    /// Children that are elements of an array.
    indexes: Vec<(isize, usize)>,
    children: Vec<(Step, usize)>,
}

/// The walk is not to be trusted: an error in the text, or nesting beyond the parser.
#[derive(Debug)]
struct Odd;

impl From<JiterError> for Odd {
    fn from(_: JiterError) -> Self {
        Self
    }
}

impl Trie {
    /// Merges different paths, each of one step at least; they are numbered as they come.
    pub fn of(paths: Vec<Vec<Step>>) -> Self {
        let mut trie = Self { nodes: vec![Node::default()], paths };
        for (number, path) in trie.paths.iter().enumerate() {
            let mut node = 0;
            for step in path {
                let known = trie.nodes[node].children.iter().find(|(other, _)| other == step).map(|(_, child)| *child);
                node = known.unwrap_or_else(|| {
                    let child = trie.nodes.len();
                    trie.nodes.push(Node::default());
                    let parent = &mut trie.nodes[node];
                    parent.children.push((step.clone(), child));
                    parent.keys.extend(step.key().map(|key| (tag(key.as_bytes()), key.into(), child)));
                    parent.indexes.extend(step.index().map(|index| (index, child)));
                    child
                });
            }
            trie.nodes[node].path = Some(number);
        }
        trie
    }

    /// The number of paths.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Finds the values at all paths; `places`, one for each path, comes in empty.
    pub fn find(&self, document: &str, places: &mut [Option<Place>]) {
        let mut jiter = Jiter::new(document.as_bytes());
        let walked = match jiter.peek() {
            Ok(peek) => self.value(document, &mut jiter, peek, 0, true, places).is_ok(),
            Err(_) => false,
        };
        if !walked {
            for (place, path) in places.iter_mut().zip(&self.paths) {
                *place = look_up(document, path);
            }
        }
    }

    /// Takes the value that the parser stands before, and what is wanted below it. If it is the last that is wanted, the parser
    /// may stay anywhere; else it moves behind the value.
    fn value(
        &self,
        document: &str,
        jiter: &mut Jiter<'_>,
        peek: Peek,
        node: usize,
        is_last: bool,
        places: &mut [Option<Place>],
    ) -> Result<(), Odd> {
        let this = &self.nodes[node];
        let start = jiter.current_index();
        let is_read = match peek {
            Peek::Object if !this.keys.is_empty() => {
                let is_read = self.object(document, jiter, this, is_last, places)?;
                let inside = &document.as_bytes()[start..jiter.current_index()];
                // What a look-up behind this value skips must be what the parser can skip.
                if !is_last && inside.len() > MANY_BRACKETS && brackets(inside) > MANY_BRACKETS {
                    return Err(Odd);
                }
                is_read
            }
            Peek::Array if !this.indexes.is_empty() => {
                for (index, child) in &this.indexes {
                    let mut inside = jiter.clone();
                    if let Some(peek) = element(&mut inside, *index)? {
                        self.value(document, &mut inside, peek, *child, false, places)?;
                    }
                }
                jiter.known_skip(peek)?;
                true
            }
            _ if !is_last => {
                jiter.known_skip(peek)?;
                true
            }
            // A value that breaks off has a beginning all the same.
            _ => this.path.is_some() && jiter.known_skip(peek).is_ok(),
        };
        if let Some(path) = this.path {
            places[path] = Some(Place { start, end: is_read.then(|| jiter.current_index()) });
        }
        Ok(())
    }

    /// Takes what is wanted of an object; returns whether it was read to its end.
    fn object(
        &self,
        document: &str,
        jiter: &mut Jiter<'_>,
        node: &Node,
        is_last: bool,
        places: &mut [Option<Place>],
    ) -> Result<bool, Odd> {
        let mut left = node.keys.len();
        let mut met = 0_u64;
        // Keys are compared as they are written, which is faster; one that may be written otherwise makes the document odd.
        let mut name = jiter.next_object_bytes()?;
        while let Some(key) = name {
            if !key.iter().fold(true, |plain, byte| plain & (*byte != b'\\') & (*byte >= 0x20)) {
                return Err(Odd);
            }
            let child = if left == 0 {
                None
            } else {
                let tag = tag(key);
                let is_met = |(bit, known): &(usize, &(u64, Box<str>, usize))| {
                    known.0 == tag && known.1.as_bytes() == key && met & 1 << bit == 0
                };
                node.keys.iter().enumerate().find(is_met).map(|(bit, known)| (bit, known.2))
            };
            match child {
                Some((bit, child)) => {
                    met |= 1 << bit;
                    left -= 1;
                    let peek = jiter.peek()?;
                    let is_last = is_last && left == 0;
                    self.value(document, jiter, peek, child, is_last, places)?;
                    if is_last {
                        return Ok(false);
                    }
                }
                None => jiter.next_skip()?,
            }
            name = jiter.next_key_bytes()?;
        }
        Ok(true)
    }

    /// Makes a filter for the documents of one batch.
    pub fn filter(&self) -> Filter<'_> {
        let searched = if self.paths.len() <= MAX_SEARCHES {
            let keys = self.paths.iter().map(|path| path.last().and_then(Step::key).filter(|key| is_plain(key)));
            keys.map(|key| key.map(|key| Finder::new(&format!("\"{key}\"")).into_owned())).collect()
        } else {
            None
        };
        Filter { searched, escape: Finder::new(b"\\u"), tried: 0, kept_out: 0 }
    }
}

/// Keeps documents from being walked that have none of the keys anywhere in their text.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    /// The last key of each path, quoted; none where there is nothing to be searched for.
    searched: Option<Vec<Finder<'a>>>,
    escape: Finder<'a>,
    tried: usize,
    kept_out: usize,
}

impl Filter<'_> {
    /// Says whether a document must be walked.
    pub fn passes(&mut self, document: &str) -> bool {
        let Some(keys) = &self.searched else { return true };
        let text = document.as_bytes();
        // A key can be written in other letters only with an escape of this kind.
        let passes = keys.iter().any(|key| key.find(text).is_some()) || self.escape.find(text).is_some();
        self.tried += 1;
        self.kept_out += usize::from(!passes);
        if self.tried == TRIED_DOCUMENTS && self.kept_out * 2 < self.tried {
            self.searched = None;
        }
        passes
    }
}

/// Says whether a key is written as it is, or else by `\u` escapes; a key that spells a number may be no key at all.
fn is_plain(key: &str) -> bool {
    key.parse::<isize>().is_err() && key.chars().all(|c| !c.is_control() && !matches!(c, '"' | '\\' | '/'))
}

/// Sums a key up in its length and first bytes, so that most keys are told apart by one comparison.
fn tag(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let (length, beginning) = (key.len(), &key[..key.len().min(7)]);
    first[..beginning.len()].copy_from_slice(beginning);
    first[7] = length as u8;
    u64::from_le_bytes(first)
}

fn brackets(text: &[u8]) -> usize {
    text.iter().filter(|byte| matches!(byte, b'{' | b'[')).count()
}

/// Looks one path up, as datafusion-functions-json does.
fn look_up(document: &str, path: &[Step]) -> Option<Place> {
    let mut jiter = Jiter::new(document.as_bytes());
    let mut peek = jiter.peek().ok()?;
    for step in path {
        match peek {
            Peek::Object => {
                let wanted = step.key()?;
                let mut is_found = jiter.known_object().ok()?? == wanted;
                while !is_found {
                    jiter.next_skip().ok()?;
                    is_found = jiter.next_key().ok()?? == wanted;
                }
                peek = jiter.peek().ok()?;
            }
            Peek::Array => peek = element(&mut jiter, step.index()?).ok()??,
            _ => return None,
        }
    }
    let start = jiter.current_index();
    let end = jiter.known_skip(peek).ok().map(|()| jiter.current_index());
    Some(Place { start, end })
}

/// Moves to an element of the array that the parser stands before.
fn element(jiter: &mut Jiter<'_>, index: isize) -> JiterResult<Option<Peek>> {
    let index = match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => {
            let mut counted = jiter.clone();
            let mut length = 0_usize;
            let mut item = counted.known_array()?;
            while let Some(peek) = item {
                counted.known_skip(peek)?;
                length += 1;
                item = counted.array_step()?;
            }
            match length.checked_add_signed(index) {
                Some(index) => index,
                None => return Ok(None),
            }
        }
    };
    let mut item = jiter.known_array()?;
    for _ in 0..index {
        match item {
            Some(peek) => jiter.known_skip(peek)?,
            None => return Ok(None),
        }
        item = jiter.array_step()?;
    }
    Ok(item)
}

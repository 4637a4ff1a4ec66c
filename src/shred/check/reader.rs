//! Reads documents for the comparison: plainly, by the parser of the SQL functions, and without the shredder's walks.
//!
//! What a look-up of a path gives is defined by three rules, and this follows them and nothing else: the first of several equal keys counts; a look-up of a
//! later key skips over the values before it, from where they begin; what cannot be read is not there. A value that was read to its end need not be skipped
//! over as well, but in a document that may nest deeper than the parser skips, where the depth counts from where skipping begins.

use std::collections::HashMap;

use jiter::Peek;

use crate::json::numbers::{Told, told};
use crate::json::{Reader, place_in, without_lone_surrogates};
use crate::shred::leaf::{CONTAINER, Kind, NULL};
use crate::shred::manifest::PathNode;

/// Levels of nesting from which on every value is skipped over too; the parser skips over 200.
const DEEP: usize = 150;
/// Keys that the manifest does not have, of which so many are told.
const TOLD_UNKNOWN: usize = 16;

/// A path that the manifest has.
#[derive(Debug, Default)]
struct Place {
    key: Box<str>,
    children: HashMap<Box<str>, usize>,
    /// The key that came first in the last object here, and the one that followed this one in its object; 0 for none.
    first: usize,
    next: usize,
    /// Whether the manifest says that no document has other keys here.
    is_complete: bool,
    /// Whether values here are compared with anything, and strings decoded for that.
    is_wanted: bool,
    wants_text: bool,
    /// The number of the last pass that met it.
    met_in: u64,
}

/// A value of the document that was read last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    /// The number of its path.
    pub place: usize,
    pub value: Value,
    pub start: usize,
    /// The byte behind it; `None` of an array that breaks off.
    pub end: Option<usize>,
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// A string, decoded: its place in the document, or in the buffer where it had escapes.
    Text {
        start: usize,
        end: usize,
        is_unescaped: bool,
    },
    /// A string that nobody wants decoded.
    Unread,
    Integer(i64),
    Float(f64),
    Boolean(bool),
    RawNumber,
    Null,
    Array,
    Object,
}

impl Value {
    /// The kind, as a bit of a mask.
    pub fn kind(self) -> u8 {
        match self {
            Self::Text { .. } | Self::Unread => Kind::Text.bit(),
            Self::Integer(_) => Kind::Integer.bit(),
            Self::Float(_) => Kind::Float.bit(),
            Self::Boolean(_) => Kind::Boolean.bit(),
            Self::RawNumber => Kind::RawNumber.bit(),
            Self::Null => NULL,
            Self::Array | Self::Object => CONTAINER,
        }
    }
}

/// Reads the documents of one column, or the elements of its arrays at a path.
#[derive(Debug)]
pub(super) struct Documents {
    places: Vec<Place>,
    count: u64,
    /// The number of the pass over a document: of one with half a surrogate pair there are two.
    pass: u64,
    met: Vec<Met>,
    buffer: String,
    /// Keys of the last document that the manifest does not have, each with the path above it.
    unknown: Vec<(usize, String)>,
}

impl Documents {
    /// Makes a reader of documents that have the paths of a manifest; `see` is told each path's number and node, the root's first, and
    /// says whether values there are wanted, and whether strings are.
    pub fn new<'m>(root: &'m PathNode, mut see: impl FnMut(usize, &[String], &'m PathNode) -> [bool; 2]) -> Self {
        let mut documents =
            Self { places: Vec::new(), count: 0, pass: 0, met: Vec::new(), buffer: String::new(), unknown: Vec::new() };
        documents.add("", &mut Vec::new(), root, &mut see);
        documents
    }

    fn add<'m>(
        &mut self,
        key: &str,
        path: &mut Vec<String>,
        node: &'m PathNode,
        see: &mut impl FnMut(usize, &[String], &'m PathNode) -> [bool; 2],
    ) -> usize {
        let number = self.places.len();
        let [is_wanted, wants_text] = see(number, path, node);
        let is_complete = node.is_complete;
        self.places.push(Place { key: key.into(), is_complete, is_wanted, wants_text, ..Place::default() });
        for (key, child) in &node.children {
            path.push(key.clone());
            let child = self.add(key, path, child, see);
            path.pop();
            self.places[number].children.insert(key.as_str().into(), child);
        }
        number
    }

    /// How many documents were read.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The values of the last document that are wanted.
    pub fn met(&self) -> &[Met] {
        &self.met
    }

    /// Takes the keys of the last document that the manifest ought to have and does not have.
    pub fn unknown(&mut self) -> Vec<(usize, String)> {
        std::mem::take(&mut self.unknown)
    }

    /// Returns the text of a string of the last document.
    pub fn text<'t>(&'t self, document: &'t str, value: Value) -> Option<&'t str> {
        let Value::Text { start, end, is_unescaped } = value else { return None };
        if is_unescaped { self.buffer.get(start..end) } else { document.get(start..end) }
    }

    /// Reads a document, once where it is sound. Half a surrogate pair is read as U+FFFD; what has one has everything else in its place.
    pub fn read(&mut self, text: &str) {
        self.count += 1;
        if !self.root(text)
            && let Some(mended) = without_lone_surrogates(text)
        {
            self.root(&mended);
        }
    }

    /// Reads a document once; says whether it is sound.
    fn root(&mut self, text: &str) -> bool {
        self.pass += 1;
        self.met.clear();
        self.buffer.clear();
        self.unknown.clear();
        let mut reader = Reader::new(text);
        match reader.parser.peek() {
            Ok(Peek::Object) => self.object(&mut reader, 0, nests_deep(text)),
            Ok(peek) => reader.parser.known_skip(peek).is_ok(),
            Err(_) => false,
        }
    }

    /// Reads the object that the parser stands before; says whether it is sound, and the parser behind it.
    fn object(&mut self, reader: &mut Reader<'_>, place: usize, is_deep: bool) -> bool {
        let (mut is_sound, mut before) = (true, None);
        let mut key = reader.parser.known_object();
        loop {
            let Ok(name) = key else { return false };
            let Some(name) = name else { return is_sound };
            let child = self.child(place, before, name);
            before = child.or(before);
            let Ok(peek) = reader.parser.peek() else { return false };
            let start = reader.index();
            let mut is_behind = false;
            let mut object = None;
            if let Some(child) = child
                && self.places[child].met_in != self.pass
            {
                self.places[child].met_in = self.pass;
                let is_read = match peek {
                    Peek::Object => {
                        object = Some(child);
                        self.object(reader, child, is_deep)
                    }
                    peek => self.value(reader, child, peek, start),
                };
                is_sound &= is_read;
                is_behind = is_read && !is_deep;
                if !is_behind {
                    reader.go_to(start);
                }
            }
            if !is_behind && reader.parser.known_skip(peek).is_err() {
                return false;
            }
            // An object that can be skipped over has its text, whatever is inside.
            if let Some(object) = object {
                self.meet(object, Value::Object, start, Some(reader.index()));
            }
            key = reader.parser.next_key();
        }
    }

    fn child(&mut self, parent: usize, before: Option<usize>, key: &str) -> Option<usize> {
        let expected = match before {
            Some(before) => self.places[before].next,
            None => self.places[parent].first,
        };
        if expected != 0 && *self.places[expected].key == *key {
            return Some(expected);
        }
        let parent_place = &self.places[parent];
        let Some(child) = parent_place.children.get(key).copied() else {
            if parent_place.is_complete && self.unknown.len() < TOLD_UNKNOWN {
                self.unknown.push((parent, key.to_owned()));
            }
            return None;
        };
        match before {
            Some(before) => self.places[before].next = child,
            None => self.places[parent].first = child,
        }
        Some(child)
    }

    /// Reads a value that is no object; says whether it can be read, and the parser stands behind it.
    fn value(&mut self, reader: &mut Reader<'_>, place: usize, peek: Peek, start: usize) -> bool {
        let value = match peek {
            Peek::String if self.places[place].wants_text => {
                let Ok(decoded) = reader.parser.known_str() else { return false };
                match place_in(reader.text, decoded) {
                    Some(place) => Value::Text { start: place.start, end: place.end, is_unescaped: false },
                    None => {
                        let start = self.buffer.len();
                        self.buffer.push_str(decoded);
                        Value::Text { start, end: self.buffer.len(), is_unescaped: true }
                    }
                }
            }
            peek => {
                let is_read = reader.parser.known_skip(peek).is_ok();
                let raw = || reader.text.get(start..reader.index()).unwrap_or_default();
                match peek {
                    // The elements of one that breaks off are not cut, which is for who cuts them to say.
                    Peek::Array if !is_read => {
                        self.meet(place, Value::Array, start, None);
                        return false;
                    }
                    _ if !is_read => return false,
                    Peek::String => Value::Unread,
                    Peek::Array => Value::Array,
                    Peek::Null => Value::Null,
                    Peek::True => Value::Boolean(true),
                    Peek::False => Value::Boolean(false),
                    _ => match told(raw()) {
                        Told::Integer(integer) => Value::Integer(integer),
                        Told::Float(float) => Value::Float(float),
                        Told::Text => Value::RawNumber,
                    },
                }
            }
        };
        self.meet(place, value, start, Some(reader.index()));
        true
    }

    fn meet(&mut self, place: usize, value: Value, start: usize, end: Option<usize>) {
        if self.places[place].is_wanted {
            self.met.push(Met { place, value, start, end });
        }
    }
}

/// Says whether a document may nest deep: brackets inside of strings do not count.
fn nests_deep(text: &str) -> bool {
    let opens = |bytes: &[u8]| bytes.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if opens(text.as_bytes()) < DEEP {
        return false;
    }
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' | b'[' if !is_string => depth += 1,
            b'}' | b']' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth >= DEEP {
            return true;
        }
    }
    false
}

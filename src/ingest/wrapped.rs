//! Cuts JSON documents that hold their records in a list somewhere inside, as `{"meta":{…},"data":[{…},{…}]}`.
//!
//! Where the list is must be said (`--records '$.data'`); what a document without that looks like is told by [`super::places`]. An input
//! holds one such document, or many: after each other, one a line, or in an array. The documents are read from front to back and
//! nothing but the record at hand is held in memory; what stands beside the list is got past piece by piece. A path may lead through
//! lists (`$.data[*].rows`): each object of them must then have the rest of it. Where an object stands in the place of the list
//! (`$.hits.hits[*]._source`), it is a record. Records are objects, or lists of values whose names
//! stand before them in the document (ClickHouse's `meta`, pandas' `columns`, `columnHeaders`), in the first list, or in `--columns`.

use std::sync::Arc;

use super::cut::{Splitter, Step};
use super::folders::FolderColumns;
use super::json::element;
use super::layout::Layout;
use super::lists;
use super::places::{self, NAME_KEYS, is_event, unescaped};
use super::records_path::{Key, RecordsPath, path_of};
use super::source::ReadOptions;
use super::values::quoted;
use crate::error::{Place, Result};
use crate::json::{Scanner, blanks, key_at, value_length};

/// Longest list of names that is looked at, in bytes; a longer one is taken for something else.
const NAMES_BYTES: usize = 1024 * 1024;

/// Longest key of a document, in bytes.
const KEY_BYTES: usize = 64 * 1024;

/// What a place is that has no records.
const LIST: &str = "no list";

/// How many members of a document an error names.
const NAMED_MEMBERS: usize = 12;

/// The key of a record among the events of ClickHouse's `…WithProgress` formats, and those of events that hold none.
const EVENT_KEY: &str = "row";
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between documents.
    Outside,
    /// In an array of documents, before an element.
    ArrayFirst,
    ArrayNext,
    /// In an array of documents, behind an element.
    ArrayAfter,
    /// In a list of objects that are gone into, before one of them.
    EachFirst,
    EachNext,
    /// In such a list, behind an object.
    EachAfter,
    /// In an object, before a member.
    MemberFirst,
    MemberNext,
    /// In the value of a member that is none of ours.
    Passing,
    /// Before an object that is a record itself.
    Single,
    /// In an object, behind a member.
    MemberAfter,
    /// In the list, before a record.
    RecordFirst,
    RecordNext,
    /// In the list, behind a record.
    RecordAfter,
}

/// Cuts the records out of documents.
pub(super) struct WrappedSplitter {
    state: State,
    in_array: bool,
    path: RecordsPath,
    /// How many keys of the path lead to the object that is being read.
    depth: usize,
    /// How many keys of the path the document was found to have, and the other keys beside the first that is missing.
    reached: usize,
    beside: Vec<String>,
    /// Whether the document had the list, or a list of objects that are gone into.
    found: bool,
    /// Whether the list is still looked for, in the document or in the object of a list that is being read.
    open: bool,
    /// What `--columns` says of values without names.
    columns: Vec<String>,
    /// The names that stood in the document so far, and the headers made of them.
    names: Option<Vec<String>>,
    layout: Option<Arc<Layout>>,
    last_layout: Option<Arc<Layout>>,
    scanner: Scanner,
    name: String,
    map: Vec<(String, String)>,
    folders: FolderColumns,
    max_record_bytes: usize,
}

impl WrappedSplitter {
    pub(super) fn new(path: &RecordsPath, file: &str, options: &ReadOptions, folders: &FolderColumns) -> Self {
        Self {
            state: State::Outside,
            in_array: false,
            path: path.clone(),
            depth: 0,
            reached: 0,
            beside: Vec::new(),
            found: false,
            open: true,
            columns: options.declared.columns.clone(),
            names: None,
            layout: None,
            last_layout: None,
            scanner: Scanner::default(),
            name: file.to_owned(),
            map: options.header_map.clone(),
            folders: folders.clone(),
            max_record_bytes: options.max_record_bytes,
        }
    }

    fn start_document(&mut self) {
        self.depth = 0;
        self.reached = 0;
        self.beside.clear();
        self.found = false;
        self.open = true;
        self.names = None;
        self.layout = None;
        self.state = State::MemberFirst;
    }

    /// Goes into an object of a list on the path.
    fn start_each(&mut self) {
        self.depth += 1;
        self.reached = self.depth;
        self.beside.clear();
        self.open = true;
        self.state = State::MemberFirst;
    }

    /// Leaves an object; says what is missing where it was a document without the list.
    fn end_object(&mut self, at: usize) -> Option<Step> {
        if self.depth == 0 && !self.found && self.is_event() {
            self.state = if self.in_array { State::ArrayAfter } else { State::Outside };
            return None;
        }
        let of_list = self.depth > 0 && self.path.keys.get(self.depth - 1).is_some_and(|key| key.each);
        if if of_list { self.open } else { self.depth == 0 && !self.found } {
            let beside = match self.beside.as_slice() {
                [] => "nothing".to_owned(),
                keys => {
                    let above = self.path.keys.iter().take(self.reached);
                    let all = keys.iter().map(|key| path_of(above.clone().chain([&Key::new(key)])));
                    all.collect::<Vec<_>>().join(", ")
                }
            };
            let missing = self.path.upto(self.reached + 1);
            return Some(Step::Broken { at, message: format!("nothing stands at {missing}; there is {beside}") });
        }
        self.state = match (self.depth, of_list) {
            (0, _) if self.in_array => State::ArrayAfter,
            (0, _) => State::Outside,
            (_, true) => State::EachAfter,
            (_, false) => State::MemberAfter,
        };
        self.depth = self.depth.saturating_sub(1);
        None
    }

    /// Returns whether the document at hand tells how a query gets on, among others that have a row each.
    fn is_event(&self) -> bool {
        let [key] = self.path.keys.as_slice() else { return false };
        key.name == EVENT_KEY && matches!(self.beside.as_slice(), [only] if is_event(only))
    }

    /// Reads the key of a member that starts at `at`, and what is needed of its value.
    fn member(&mut self, window: &[u8], at: usize, at_end: bool) -> Step {
        let unfinished = || match () {
            () if at_end => Step::Broken { at, message: "the document ends early".to_owned() },
            () if window.len() - at > KEY_BYTES => Step::Broken { at, message: "a key has no end".to_owned() },
            () if at > 0 => Step::Skip(at),
            () => Step::More,
        };
        let Some((key, value_at)) = key_at(window, at) else { return unfinished() };
        let Some(first) = window.get(value_at) else { return unfinished() };
        let key = unescaped(key);
        let is_last = self.depth + 1 == self.path.keys.len();
        if let Some(step) = self.path.keys.get(self.depth).filter(|step| self.open && step.name == key) {
            match (is_last, step.each, first) {
                (true, _, b'[') => {
                    self.found = true;
                    self.open = false;
                    self.state = State::RecordFirst;
                    return Step::Skip(value_at + 1);
                }
                (false, true, b'[') => {
                    self.found = true;
                    self.open = false;
                    self.state = State::EachFirst;
                    return Step::Skip(value_at + 1);
                }
                (true, _, b'{') => {
                    self.found = true;
                    self.open = false;
                    self.state = State::Single;
                    return Step::Skip(value_at);
                }
                (false, false, b'{') => {
                    self.depth += 1;
                    self.reached = self.reached.max(self.depth);
                    self.beside.clear();
                    self.state = State::MemberFirst;
                    return Step::Skip(value_at + 1);
                }
                _ => {
                    let place = self.path.upto(self.depth + 1);
                    let wanted = if is_last || step.each { LIST } else { "no object" };
                    let what = described(window, value_at);
                    return Step::Broken { at: value_at, message: format!("{place} is {what} and {wanted}") };
                }
            }
        }
        if self.depth == self.reached && self.beside.len() < NAMED_MEMBERS {
            self.beside.push(key.clone());
        }
        if self.names.is_none() && NAME_KEYS.contains(&key.as_str()) && *first == b'[' {
            let end = (value_at + NAMES_BYTES).min(window.len());
            match value_length(window.get(..end).unwrap_or_default(), value_at) {
                Some(length) => {
                    self.names = names_of(window.get(value_at..value_at + length).unwrap_or_default());
                    self.state = State::MemberAfter;
                    return Step::Skip(value_at + length);
                }
                None if end < value_at + NAMES_BYTES => {
                    return match () {
                        () if at_end => Step::Broken { at, message: "the document ends early".to_owned() },
                        () if at > 0 => Step::Skip(at),
                        () => Step::More,
                    };
                }
                None => {}
            }
        }
        self.state = State::Passing;
        self.scanner = Scanner::default();
        Step::Skip(value_at)
    }

    /// Cuts an object that stands in the place of the list. Where documents have one each, an answer that tells of an error has one, too: it
    /// must have a column that no session lacks.
    fn single(&mut self, window: &[u8], at: usize, at_end: bool) -> Step {
        let step = element(window, at, at_end, self.max_record_bytes);
        let in_list = self.path.keys.iter().any(|key| key.each);
        match &step {
            Step::Record { start, end, .. } => {
                let object = window.get(*start..*end).unwrap_or_default();
                if !in_list && !places::may_be_record(object, &self.map) {
                    let message = format!("{} is an object without a session id or a start and {LIST}", self.path);
                    return Step::Broken { at, message };
                }
                self.state = State::MemberAfter;
            }
            Step::TooLong { .. } => {
                self.state = State::MemberAfter;
                self.scanner = Scanner::default();
            }
            _ => {}
        }
        step
    }

    /// Reads the record that starts at `at`.
    fn record(&mut self, window: &[u8], at: usize, at_end: bool) -> Result<Step> {
        // Values without names are read by the names that the document has, and objects by their keys.
        if window.get(at) == Some(&b'[') && self.layout.is_none() {
            let first = element(window, at, at_end, self.max_record_bytes);
            let in_first = match first {
                Step::Record { end, .. } => {
                    lists::names_of(window.get(at..end).unwrap_or_default(), &self.map).map(|names| (names, end))
                }
                _ if self.names.is_some() || !self.columns.is_empty() => None,
                other => return Ok(other),
            };
            let (names, next) = match (self.names.take(), in_first) {
                (Some(names), _) => (names, at),
                (None, _) if !self.columns.is_empty() => (self.columns.clone(), at),
                (None, Some((names, end))) => {
                    self.state = State::RecordAfter;
                    (names, end)
                }
                (None, None) => {
                    let message = format!(
                        "the records at {} are lists, and no list of their names (meta, columns, columnHeaders, headers or fields) \
                         stands before them, nor does the first of them hold their names; ⟨columns⟩ can name them",
                        self.path
                    );
                    return Ok(Step::Broken { at, message });
                }
            };
            let layout = match &self.last_layout {
                Some(last) if last.headers.names == names => Arc::clone(last),
                _ => Arc::new(Layout::new(&names, &self.map, &self.folders, Place::file(&self.name))?),
            };
            self.last_layout = Some(Arc::clone(&layout));
            self.layout = Some(Arc::clone(&layout));
            return Ok(Step::Layout(layout, next));
        }
        let step = element(window, at, at_end, self.max_record_bytes);
        if matches!(step, Step::Record { .. } | Step::TooLong { .. }) {
            self.state = State::RecordAfter;
            self.scanner = Scanner::default();
        }
        Ok(step)
    }
}

impl Splitter for WrappedSplitter {
    fn step(&mut self, window: &[u8], at_end: bool) -> Result<Step> {
        let mut at = 0;
        loop {
            if self.state == State::Passing && at < window.len() {
                let rest = window.get(at..).unwrap_or_default();
                return Ok(match self.scanner.feed(rest) {
                    Some(length) => {
                        self.state = State::MemberAfter;
                        Step::Skip(at + length)
                    }
                    None => Step::Skip(window.len()),
                });
            }
            at = blanks(window, at);
            let broken = |message: &str| Ok(Step::Broken { at, message: message.to_owned() });
            let Some(byte) = window.get(at) else {
                return match self.state {
                    _ if at > 0 => Ok(Step::Skip(at)),
                    _ if !at_end => Ok(Step::More),
                    State::Outside => Ok(Step::End),
                    _ => broken("the document ends early"),
                };
            };
            match (self.state, byte) {
                (State::Outside, b'[') => {
                    self.in_array = true;
                    self.state = State::ArrayFirst;
                }
                (State::Outside | State::ArrayFirst | State::ArrayNext, b'{') => self.start_document(),
                (State::ArrayAfter, b',') => self.state = State::ArrayNext,
                (State::ArrayFirst | State::ArrayAfter, b']') => {
                    self.in_array = false;
                    self.state = State::Outside;
                }
                (State::EachFirst | State::EachNext, b'{') => self.start_each(),
                (State::EachAfter, b',') => self.state = State::EachNext,
                (State::EachFirst | State::EachAfter, b']') => self.state = State::MemberAfter,
                (State::EachFirst | State::EachNext, _) => {
                    let list = self.path.upto(self.depth + 1);
                    return Ok(Step::Broken {
                        at,
                        message: format!("{} stands in the list {list}, which is of objects", described(window, at)),
                    });
                }
                (State::Single, _) => return Ok(self.single(window, at, at_end)),
                (State::MemberFirst | State::MemberNext, b'"') => return Ok(self.member(window, at, at_end)),
                (State::MemberAfter, b',') => self.state = State::MemberNext,
                (State::MemberFirst | State::MemberAfter, b'}') => {
                    if let Some(missing) = self.end_object(at) {
                        return Ok(missing);
                    }
                }
                (State::RecordAfter, b',') => self.state = State::RecordNext,
                (State::RecordFirst | State::RecordAfter, b']') => self.state = State::MemberAfter,
                (State::RecordFirst | State::RecordNext, byte) if !matches!(byte, b',' | b']' | b'}') => {
                    return self.record(window, at, at_end);
                }
                (State::Outside | State::ArrayFirst | State::ArrayNext, _) => {
                    return Ok(Step::Broken {
                        at,
                        message: format!("no JSON object with {} in it starts here", self.path),
                    });
                }
                _ => return broken("the document is not JSON here"),
            }
            at += 1;
        }
    }

    fn skip(&mut self, bytes: &[u8]) -> Option<usize> {
        self.scanner.feed(bytes)
    }
}

/// Says what a value is, in a few words.
fn described(window: &[u8], at: usize) -> String {
    match window.get(at) {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "a list".to_owned(),
        _ => {
            let end = (at + 4096).min(window.len());
            let seen = window.get(..end).unwrap_or_default();
            let length = value_length(seen, at).unwrap_or(end - at);
            quoted(&String::from_utf8_lossy(seen.get(at..at + length).unwrap_or_default()))
        }
    }
}

/// Reads a list of names: texts, or objects with a `name`.
fn names_of(json: &[u8]) -> Option<Vec<String>> {
    let list: Vec<serde_json::Value> = serde_json::from_slice(json).ok()?;
    let name = |value: &serde_json::Value| value.as_str().or_else(|| value.get("name")?.as_str()).map(str::to_owned);
    list.iter().map(name).collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
}

//! Cuts the pages of the platform's analytics API: `{columnHeaders:[{name,type}], records:[[…]], …}`.
//!
//! An input holds one page, or many: after each other, one a line, or in an array. Each page has headers of its own; its keys
//! may stand in any order, and other keys are ignored. The records of a page are cut one by one, so that a page may have any
//! size; only where `records` stand before `columnHeaders` the page must fit into [`PAGE_BYTES`], since its rows cannot be
//! read before their headers are known.

use std::sync::Arc;

use super::cut::{Splitter, Step};
use super::folders::FolderColumns;
use super::json::element;
use super::layout::Layout;
use super::values::quoted;
use crate::error::{Error, Place, Result};
use crate::json::{Scanner, blanks, key_at, value_length, without_lone_surrogates};

/// Longest part of a page that is held in memory to find its headers or the end of a value that is none of ours.
pub(super) const PAGE_BYTES: usize = 256 * 1024 * 1024;

const HEADERS_KEY: &str = "columnHeaders";
const RECORDS_KEY: &str = "records";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between pages.
    Outside,
    /// In an array of pages, before an element.
    ArrayFirst,
    ArrayNext,
    /// In an array of pages, behind an element.
    ArrayAfter,
    /// In a page, before a member.
    MemberFirst,
    MemberNext,
    /// In a page, behind a member.
    MemberAfter,
    /// In the records of a page, before a record.
    RecordFirst,
    RecordNext,
    /// In the records of a page, behind a record.
    RecordAfter,
}

/// Cuts pages into records.
pub(super) struct PageSplitter {
    state: State,
    in_array: bool,
    /// Whether the page that is being read had a list of records.
    has_records: bool,
    /// Number of the page that is being read, from 1.
    page: u64,
    /// The headers of the page that is being read.
    layout: Option<Arc<Layout>>,
    /// Those of the page before; mostly the same.
    last_layout: Option<Arc<Layout>>,
    scanner: Scanner,
    name: String,
    map: Vec<(String, String)>,
    folders: FolderColumns,
    max_record_bytes: usize,
}

impl PageSplitter {
    pub(super) fn new(name: &str, map: &[(String, String)], folders: &FolderColumns, max_record_bytes: usize) -> Self {
        Self {
            state: State::Outside,
            in_array: false,
            has_records: false,
            page: 0,
            layout: None,
            last_layout: None,
            scanner: Scanner::default(),
            name: name.to_owned(),
            map: map.to_vec(),
            folders: folders.clone(),
            max_record_bytes,
        }
    }

    fn start_page(&mut self) {
        self.layout = None;
        self.has_records = false;
        self.page += 1;
        self.state = State::MemberFirst;
    }

    fn end_page(&mut self) {
        self.state = if self.in_array { State::ArrayAfter } else { State::Outside };
    }

    /// Reads the member of a page that starts at `at`: its key, and as much of its value as is needed.
    fn member(&mut self, window: &[u8], at: usize, at_end: bool) -> Result<Step> {
        let more = || unfinished(window, at, at_end);
        let Some((key, value_at)) = key_at(window, at) else { return Ok(more()) };
        let Some(first) = window.get(value_at) else { return Ok(more()) };
        if is_key(key, RECORDS_KEY) && *first == b'[' {
            if self.layout.is_none() {
                return match headers_behind(window, value_at) {
                    Behind::Found(range) => {
                        let layout = self.read_headers(window.get(range).unwrap_or_default())?;
                        Ok(Step::Layout(layout, at))
                    }
                    Behind::Unfinished => Ok(more()),
                    Behind::None => Ok(no_headers(at)),
                };
            }
            self.state = State::RecordFirst;
            self.has_records = true;
            return Ok(Step::Skip(value_at + 1));
        }
        if is_key(key, RECORDS_KEY) {
            let Some(length) = value_length(window, value_at) else { return Ok(more()) };
            let value = String::from_utf8_lossy(window.get(value_at..value_at + length).unwrap_or_default());
            let message = format!("the records of a page are {} and no list", quoted(&value));
            return Ok(Step::Broken { at, message });
        }
        let Some(length) = value_length(window, value_at) else { return Ok(more()) };
        self.state = State::MemberAfter;
        let end = value_at + length;
        if is_key(key, HEADERS_KEY) && self.layout.is_none() {
            let layout = self.read_headers(window.get(value_at..end).unwrap_or_default())?;
            return Ok(Step::Layout(layout, end));
        }
        Ok(Step::Skip(end))
    }

    fn read_headers(&mut self, json: &[u8]) -> Result<Arc<Layout>> {
        let names = header_names(json).ok_or_else(|| {
            Error::input(Place::file(&self.name), "columnHeaders is not a list of {name, type} objects or of names")
                .with_hint("nothing of this file is stored")
        })?;
        let layout = match &self.last_layout {
            Some(last) if last.headers.names == names => Arc::clone(last),
            _ => Arc::new(Layout::new(&names, &self.map, &self.folders, Place::file(&self.name))?),
        };
        self.last_layout = Some(Arc::clone(&layout));
        self.layout = Some(Arc::clone(&layout));
        Ok(layout)
    }
}

impl Splitter for PageSplitter {
    fn step(&mut self, window: &[u8], at_end: bool) -> Result<Step> {
        let between = [State::Outside, State::ArrayFirst, State::ArrayNext, State::ArrayAfter];
        match self.step_of_page(window, at_end) {
            Ok(Step::Broken { at, message }) if !between.contains(&self.state) => {
                Ok(Step::Broken { at, message: format!("page {}: {message}", self.page) })
            }
            Err(Error::Input { place, message, hint }) => {
                Err(Error::Input { place, message: format!("page {}: {message}", self.page), hint })
            }
            other => other,
        }
    }

    fn skip(&mut self, bytes: &[u8]) -> Option<usize> {
        self.scanner.feed(bytes)
    }
}

impl PageSplitter {
    fn step_of_page(&mut self, window: &[u8], at_end: bool) -> Result<Step> {
        let mut at = 0;
        loop {
            at = blanks(window, at);
            let broken = |message: &str| Ok(Step::Broken { at, message: message.to_owned() });
            let Some(byte) = window.get(at) else {
                return match self.state {
                    _ if at > 0 => Ok(Step::Skip(at)),
                    _ if !at_end => Ok(Step::More),
                    State::Outside => Ok(Step::End),
                    _ => broken("the page ends early"),
                };
            };
            match (self.state, byte) {
                (State::Outside, b'[') => {
                    self.in_array = true;
                    self.state = State::ArrayFirst;
                }
                (State::Outside | State::ArrayFirst | State::ArrayNext, b'{') => self.start_page(),
                (State::ArrayAfter, b',') => self.state = State::ArrayNext,
                (State::ArrayFirst | State::ArrayAfter, b']') => {
                    self.in_array = false;
                    self.state = State::Outside;
                }
                (State::MemberFirst | State::MemberNext, b'"') => return self.member(window, at, at_end),
                (State::MemberAfter, b',') => self.state = State::MemberNext,
                (State::MemberFirst | State::MemberAfter, b'}') => {
                    if self.layout.is_none() {
                        return Ok(no_headers(at));
                    }
                    if !self.has_records {
                        return broken("a page without records");
                    }
                    self.end_page();
                }
                (State::RecordAfter, b',') => self.state = State::RecordNext,
                (State::RecordFirst | State::RecordAfter, b']') => self.state = State::MemberAfter,
                (State::RecordFirst | State::RecordNext, byte) if !matches!(byte, b',' | b']' | b'}') => {
                    let step = element(window, at, at_end, self.max_record_bytes);
                    if matches!(step, Step::Record { .. } | Step::TooLong { .. }) {
                        self.state = State::RecordAfter;
                        self.scanner = Scanner::default();
                    }
                    return Ok(step);
                }
                (State::Outside | State::ArrayFirst | State::ArrayNext, _) => return broken("no page starts here"),
                _ => return broken("the page is not JSON here"),
            }
            at += 1;
        }
    }
}

fn no_headers(at: usize) -> Step {
    Step::Broken { at, message: "a page without columnHeaders".to_owned() }
}

/// The step for a page whose next member is not wholly in the window.
fn unfinished(window: &[u8], at: usize, at_end: bool) -> Step {
    if at_end {
        return Step::Broken { at, message: "the page ends early".to_owned() };
    }
    if window.len() - at > PAGE_BYTES {
        let message = format!("a page has more than {PAGE_BYTES} bytes before its columnHeaders or in one member");
        return Step::Broken { at, message };
    }
    if at > 0 { Step::Skip(at) } else { Step::More }
}

fn is_key(key: &[u8], name: &str) -> bool {
    key.eq_ignore_ascii_case(name.as_bytes())
}

enum Behind {
    Found(std::ops::Range<usize>),
    Unfinished,
    None,
}

/// Looks for the headers behind the value at `at` in a page.
fn headers_behind(window: &[u8], mut at: usize) -> Behind {
    loop {
        let Some(length) = value_length(window, at) else { return Behind::Unfinished };
        at = blanks(window, at + length);
        match window.get(at) {
            None => return Behind::Unfinished,
            Some(b',') => at += 1,
            Some(_) => return Behind::None,
        }
        at = blanks(window, at);
        match window.get(at) {
            None => return Behind::Unfinished,
            Some(b'"') => {}
            Some(_) => return Behind::None,
        }
        let Some((key, value_at)) = key_at(window, at) else { return Behind::Unfinished };
        if is_key(key, HEADERS_KEY) {
            return match value_length(window, value_at) {
                Some(length) => Behind::Found(value_at..value_at + length),
                None => Behind::Unfinished,
            };
        }
        at = value_at;
    }
}

fn header_names(json: &[u8]) -> Option<Vec<String>> {
    let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).ok();
    let mended = || without_lone_surrogates(std::str::from_utf8(json).ok()?);
    let value = read(json).or_else(|| read(mended()?.as_bytes()))?;
    value
        .as_array()?
        .iter()
        .map(|header| header.as_str().or_else(|| header.get("name")?.as_str()).map(str::to_owned))
        .collect()
}

/// Returns whether text starts with a page: an object, perhaps in an array, with `columnHeaders` or a list of `records` among
/// the first of its members.
pub(super) fn looks_like_pages(text: &[u8]) -> bool {
    let mut at = blanks(text, 0);
    if text.get(at) == Some(&b'[') {
        at = blanks(text, at + 1);
    }
    if text.get(at) != Some(&b'{') {
        return false;
    }
    loop {
        at = blanks(text, at + 1);
        if text.get(at) != Some(&b'"') {
            return false;
        }
        let Some((key, value_at)) = key_at(text, at) else { return false };
        if is_key(key, HEADERS_KEY) || (is_key(key, RECORDS_KEY) && text.get(value_at) == Some(&b'[')) {
            return true;
        }
        let Some(length) = value_length(text, value_at) else { return false };
        at = blanks(text, value_at + length);
        if text.get(at) != Some(&b',') {
            return false;
        }
    }
}

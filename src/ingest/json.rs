//! Cuts JSON into records: objects one a line, or in an array.
//!
//! Where a value ends is found by its strings and brackets alone; whether it is JSON is told when it is read. So a broken
//! object costs itself only, as long as its brackets and quotes pair up. An array that does not end, or that has something
//! other than commas between its elements, is refused whole: where its records are cannot be told.

use memchr::{memchr, memmem};

use super::cut::{Splitter, Step};
use crate::error::Result;
use crate::json::{Scanner, blanks};

/// Cuts JSON lines. Lines of blanks are skipped. A line may hold several objects, one after the other (`}{`): some delivery
/// services write nothing between records.
pub(super) struct LineSplitter {
    max_record_bytes: usize,
    /// Bytes at the start of the window that are known to hold no line end.
    without_newline: usize,
    /// What stands between two objects on one line. Made once: making a searcher takes as long as searching a line.
    seams: [memmem::Finder<'static>; 2],
}

impl LineSplitter {
    pub(super) fn new(max_record_bytes: usize) -> Self {
        let seams = ["}{", "} {"].map(memmem::Finder::new);
        Self { max_record_bytes, without_newline: 0, seams }
    }

    /// Returns where the first of several objects on a line ends, and where the next one starts.
    fn first_of_several(&self, line: &[u8]) -> Option<(usize, usize)> {
        // Most lines hold one object, and looking for the seam is a tenth of looking for the end. The seam may also stand in a text.
        let looked_at = line.get(..self.max_record_bytes.saturating_add(2)).unwrap_or(line);
        self.seams.iter().find_map(|seam| seam.find(looked_at))?;
        let end = Scanner::default().feed(looked_at)?;
        let next = blanks(line, end);
        (line.first() == Some(&b'{') && line.get(next) == Some(&b'{')).then_some((end, next))
    }
}

impl Splitter for LineSplitter {
    fn step(&mut self, window: &[u8], at_end: bool) -> Result<Step> {
        if window.is_empty() {
            return Ok(if at_end { Step::End } else { Step::More });
        }
        let known = std::mem::take(&mut self.without_newline).min(window.len());
        let newline = memchr(b'\n', window.get(known..).unwrap_or_default()).map(|at| known + at);
        let line_end = newline.unwrap_or(window.len());
        if let Some((end, next)) = self.first_of_several(window.get(..line_end).unwrap_or_default())
            && end <= self.max_record_bytes
        {
            self.without_newline = line_end - next;
            return Ok(Step::Record { start: 0, end, next, fault: None });
        }
        let (mut end, next) = match newline {
            Some(at) => (at, at + 1),
            None if at_end => (window.len(), window.len()),
            None if window.len() > self.max_record_bytes.saturating_add(1) => return Ok(Step::TooLong { start: 0 }),
            None => return Ok(Step::More),
        };
        let line = window.get(..end).unwrap_or_default();
        if blanks(line, 0) == line.len() {
            return Ok(Step::Skip(next));
        }
        end -= usize::from(line.last() == Some(&b'\r'));
        if end > self.max_record_bytes {
            return Ok(Step::TooLong { start: 0 });
        }
        Ok(Step::Record { start: 0, end, next, fault: None })
    }

    fn skip(&mut self, bytes: &[u8]) -> Option<usize> {
        memchr(b'\n', bytes).map(|at| at + 1)
    }
}

/// Where in an array the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArrayState {
    Outside,
    First,
    Next,
    After,
}

/// Cuts an array of objects, or objects one after the other.
pub(super) struct ArraySplitter {
    state: ArrayState,
    scanner: Scanner,
    max_record_bytes: usize,
}

impl ArraySplitter {
    pub(super) fn new(max_record_bytes: usize) -> Self {
        Self { state: ArrayState::Outside, scanner: Scanner::default(), max_record_bytes }
    }

    /// Goes on behind an element of an array.
    pub(super) fn behind_element(max_record_bytes: usize) -> Self {
        Self { state: ArrayState::After, ..Self::new(max_record_bytes) }
    }
}

impl Splitter for ArraySplitter {
    fn step(&mut self, window: &[u8], at_end: bool) -> Result<Step> {
        use ArrayState::{After, First, Next, Outside};
        let mut at = 0;
        loop {
            at = blanks(window, at);
            let broken = |message: &str| Ok(Step::Broken { at, message: message.to_owned() });
            let Some(byte) = window.get(at) else {
                return match self.state {
                    _ if at > 0 => Ok(Step::Skip(at)),
                    _ if !at_end => Ok(Step::More),
                    Outside => Ok(Step::End),
                    _ => broken("the JSON array ends early"),
                };
            };
            match (self.state, byte) {
                (Outside, b'[') => self.state = First,
                (After, b',') => self.state = Next,
                (First | After, b']') => self.state = Outside,
                (Outside, b'{') => return Ok(self.element(window, at, at_end, Outside)),
                (Outside, _) => return broken("neither a JSON array nor an object starts here"),
                (After, _) => return broken("no comma between the elements of a JSON array"),
                (First | Next, b',' | b']' | b'}') => return broken("an element of the JSON array is missing"),
                (First | Next, _) => return Ok(self.element(window, at, at_end, After)),
            }
            at += 1;
        }
    }

    fn skip(&mut self, bytes: &[u8]) -> Option<usize> {
        self.scanner.feed(bytes)
    }
}

impl ArraySplitter {
    fn element(&mut self, window: &[u8], at: usize, at_end: bool, then: ArrayState) -> Step {
        let step = element(window, at, at_end, self.max_record_bytes);
        match step {
            Step::Record { .. } => self.state = then,
            Step::TooLong { .. } => {
                self.state = then;
                self.scanner = Scanner::default();
            }
            _ => {}
        }
        step
    }
}

/// Cuts the value that starts at `at`.
pub(super) fn element(window: &[u8], at: usize, at_end: bool, max_record_bytes: usize) -> Step {
    let rest = window.get(at..).unwrap_or_default();
    let limit = max_record_bytes.saturating_add(1).min(rest.len());
    match Scanner::default().feed(rest.get(..limit).unwrap_or_default()) {
        Some(length) if length <= max_record_bytes => {
            Step::Record { start: at, end: at + length, next: at + length, fault: None }
        }
        Some(_) => Step::TooLong { start: at },
        None if rest.len() > max_record_bytes => Step::TooLong { start: at },
        None if at_end => Step::Broken { at, message: "the JSON ends early".to_owned() },
        // What stands before the value is done with; the next step starts with the value.
        None if at > 0 => Step::Skip(at),
        None => Step::More,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut_all(mut splitter: impl Splitter, text: &str) -> Result<Vec<String>, String> {
        let mut at = 0;
        let mut records = Vec::new();
        loop {
            match splitter.step(&text.as_bytes()[at..], true).unwrap() {
                Step::Record { start, end, next, .. } => {
                    records.push(text[at + start..at + end].to_owned());
                    at += next;
                }
                Step::Skip(next) => at += next,
                Step::End => return Ok(records),
                Step::TooLong { start } => {
                    at += start;
                    let length = splitter.skip(&text.as_bytes()[at..]).unwrap_or(text.len() - at);
                    records.push("too long".to_owned());
                    at += length;
                }
                Step::Broken { message, .. } => return Err(message),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_array_may_be_printed_in_any_way() {
        let expected = Ok(vec!["{\"a\":\n1}".to_owned(), "2".to_owned(), "{}".to_owned()]);
        assert_eq!(cut_all(ArraySplitter::new(100), " [ {\"a\":\n1} ,2,\n{}]\n"), expected);
        assert_eq!(cut_all(ArraySplitter::new(100), "[{\"a\":\n1},2][] [{}]"), expected);
        assert_eq!(cut_all(ArraySplitter::new(100), "{\"a\":\n1}\n{}"), Ok(vec!["{\"a\":\n1}".into(), "{}".into()]));
        assert_eq!(cut_all(ArraySplitter::new(100), "[]"), Ok(vec![]));
    }

    #[test]
    fn an_array_that_is_none_is_refused() {
        for (text, message) in [
            ("[{}", "the JSON array ends early"),
            ("[{},", "the JSON array ends early"),
            ("[{\"a\":1", "the JSON ends early"),
            ("[{} {}]", "no comma between the elements of a JSON array"),
            ("[{},]", "an element of the JSON array is missing"),
            ("[{}] x", "neither a JSON array nor an object starts here"),
        ] {
            assert_eq!(cut_all(ArraySplitter::new(100), text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn records_over_the_limit_are_got_past() {
        let long = format!("{{\"a\":\"{}\"}}", "]}".repeat(20));
        let text = format!("[{long},{{}},{long}]");
        assert_eq!(cut_all(ArraySplitter::new(20), &text).unwrap(), ["too long", "{}", "too long"]);
        let text = format!("{long}\n{{}}\n{long}");
        assert_eq!(cut_all(LineSplitter::new(20), &text).unwrap(), ["too long", "{}", "too long"]);
    }

    #[test]
    fn a_line_may_hold_several_objects() {
        let text = "{\"a\":1}{\"b\":\"}{\"} {\"c\":{}}\n{\"d\":\"}{\"}\n\n{\"e\":1}{\"f\":1}";
        let expected = ["{\"a\":1}", "{\"b\":\"}{\"}", "{\"c\":{}}", "{\"d\":\"}{\"}", "{\"e\":1}", "{\"f\":1}"];
        assert_eq!(cut_all(LineSplitter::new(100), text).unwrap(), expected);
        // What is broken costs its line and not the next.
        assert_eq!(cut_all(LineSplitter::new(100), "{\"a\":\"}{\n{}").unwrap(), ["{\"a\":\"}{", "{}"]);
        assert_eq!(cut_all(LineSplitter::new(8), "{\"a\":1}{\"b\":1}{}").unwrap(), ["{\"a\":1}", "{\"b\":1}", "{}"]);
    }

    #[test]
    fn lines_of_blanks_are_no_records() {
        assert_eq!(cut_all(LineSplitter::new(20), "\n{}\r\n \t\r\n{\"a\":1}").unwrap(), ["{}", "{\"a\":1}"]);
    }

    proptest! {
        #[test]
        fn elements_that_are_written_are_cut_again(
            texts in prop::collection::vec(any::<String>(), 0..6), blank in "[ \n]{0,2}",
        ) {
            let elements: Vec<String> = texts.iter().map(|text| serde_json::json!({ "k\"": [text] }).to_string()).collect();
            let array = format!("{blank}[{blank}{}{blank}]{blank}", elements.join(&format!("{blank},{blank}")));
            prop_assert_eq!(cut_all(ArraySplitter::new(10_000), &array), Ok(elements));
        }
    }
}

//! The quick walk, over documents in which nothing is unusual.
//!
//! Documents of one workflow have their keys in one order. The walk therefore guesses the next key: it is the one that followed the
//! current key in the document before. One comparison of bytes confirms the guess, and the end of the key need not be searched for.
//!
//! The walk gives up on whatever `json::plain` does not accept, and the parser then walks the document from its beginning. On all documents
//! that the walk accepts, the two agree on every value and on where it ends.

use jiter::Jiter;

use super::{CONTAINER, Kind, MAX_DEPTH, NULL, Taken, Walker, number};
use crate::json::plain::{blanks, literal, number as number_end, skip_value, string};

impl Walker {
    /// Walks a document; `None` where it is unusual, and what was taken of it is to be thrown away.
    pub(super) fn plain(&mut self, text: &str) -> Option<()> {
        let start = blanks(text.as_bytes(), 0);
        match text.as_bytes().get(start)? {
            b'{' => self.plain_object(text, start, 0, 0).map(|_| ()),
            _ => None,
        }
    }

    /// Walks the object that begins at a byte; returns where it ends.
    fn plain_object(&mut self, text: &str, start: usize, node: usize, depth: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut at = blanks(bytes, start + 1);
        if *bytes.get(at)? == b'}' {
            return Some(at + 1);
        }
        let mut before = None;
        loop {
            let (child, behind) = self.plain_key(text, at, node, before)?;
            before = child.or(before);
            at = blanks(bytes, behind);
            if *bytes.get(at)? != b':' {
                return None;
            }
            at = blanks(bytes, at + 1);
            at = match child {
                Some(child) if self.meet(child) => {
                    if *bytes.get(at)? == b'{' && depth + 1 < MAX_DEPTH {
                        self.meet_object(child);
                        let end = self.plain_object(text, at, child, depth + 1)?;
                        self.note_container(text, child, at..end);
                        end
                    } else {
                        self.plain_value(text, at, child)?
                    }
                }
                _ => skip_value(bytes, at)?,
            };
            at = blanks(bytes, at);
            match *bytes.get(at)? {
                b',' => at = blanks(bytes, at + 1),
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// Reads the key that begins at a byte; returns its path, if that is noted, and where the key ends.
    fn plain_key(
        &mut self,
        text: &str,
        at: usize,
        parent: usize,
        before: Option<usize>,
    ) -> Option<(Option<usize>, usize)> {
        let rest = text.as_bytes().get(at..)?;
        let [likely, other] = self.expected(parent, before);
        for child in [likely, other].into_iter().filter(|child| *child != 0) {
            let quoted = self.nodes[child].quoted.as_bytes();
            if rest.starts_with(quoted) {
                let end = at + quoted.len();
                if child == other {
                    self.expect(parent, before, [other, likely]);
                }
                return Some((Some(child), end));
            }
        }
        if *rest.first()? != b'"' {
            return None;
        }
        let end = string(rest, 1)?;
        let child = match end.plain() {
            Some(quote) => self.child(parent, before, text.get(at + 1..at + quote)?),
            None => self.child(parent, before, Jiter::new(rest).known_str().ok()?),
        };
        Some((child, at + end.end))
    }

    /// Takes the value that begins at a byte and is not an object to go into; returns where it ends.
    fn plain_value(&mut self, text: &str, start: usize, node: usize) -> Option<usize> {
        let bytes = text.as_bytes();
        let (kind, taken, end) = match *bytes.get(start)? {
            b'"' => {
                let found = string(bytes, start + 1)?;
                let taken = match found.plain() {
                    Some(quote) => Some(Taken::Text(start + 1, quote)),
                    None if self.is_wanted(node) => {
                        let mut jiter = Jiter::new(bytes.get(start..)?);
                        Some(self.unescaped(jiter.known_str().ok()?))
                    }
                    None => None,
                };
                (Kind::Text.bit(), taken, found.end)
            }
            b'{' => {
                self.skip_deep(node);
                let end = skip_value(bytes, start)?;
                self.note_container(text, node, start..end);
                return Some(end);
            }
            b'[' => {
                self.meet_array(node, start);
                (CONTAINER, None, skip_value(bytes, start)?)
            }
            b'n' => (NULL, None, literal(bytes, start, b"null")?),
            b't' => (Kind::Boolean.bit(), Some(Taken::Boolean(true)), literal(bytes, start, b"true")?),
            b'f' => (Kind::Boolean.bit(), Some(Taken::Boolean(false)), literal(bytes, start, b"false")?),
            _ => {
                let end = number_end(bytes, start)?;
                let taken = number(text, start..end);
                (taken.kind().bit(), Some(taken), end)
            }
        };
        self.note(text, node, kind, taken, start..end);
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fuzz::taken;
    use super::*;

    #[test]
    fn usual_documents_are_walked_quickly() {
        let mut walker = Walker::for_sample();
        for text in [
            "{}",
            r#"{"a":"b","c":{"d":1.5,"e":[{"f":null}]},"":true, "g" : -3 , "a\"":"\u00e9\\" } and behind"#,
            r#"{"a":"b","c":{"e":[],"d":{}},"g":0}"#,
        ] {
            walker.begin();
            assert!(walker.plain(text).is_some(), "{text}");
        }
        for text in [
            "",
            "[]",
            "null",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1e5}"#,
            r#"{"a":tru}"#,
            r#"{"a":"b}"#,
        ] {
            walker.begin();
            assert!(walker.plain(text).is_none(), "{text}");
        }
    }

    #[test]
    fn depth_is_not_the_number_of_brackets() {
        let of = |nested: &str| format!(r#"{{"ev":[{nested}{{"t":"x"}}],"k":"[[{{\\\"[["}}"#);
        let is_broken = |text: &str| {
            let mut walker = Walker::for_sample();
            walker.walk(text);
            walker.tree(0, &[]).kinds & super::super::BROKEN != 0
        };
        // Long numbers are left to the parser.
        for many in [r#"{"t":[{}]},"#, r#"{"t":1e400},"#, r#""[{\\\"[{","#] {
            assert!(!is_broken(&of(&many.repeat(400))), "{many}");
        }
        let nested = |levels: usize| of(&format!("{}{},", "[".repeat(levels), "]".repeat(levels)));
        assert!(!is_broken(&nested(100)) && is_broken(&nested(150)) && is_broken(&nested(250)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn the_parser_takes_the_same(
            texts in proptest::collection::vec(
                r#" ?\{("[abc]": ?(-?[0-9]{1,3}(\.[0-9]{1,3})?|"([a-é"]|\\[nu"]|\\u00e9){0,3}"|"[a-z]{20}"|null|true|\[1,\{"a":2\}\]|\{("[ab]":0)?\}),? ?){0,5}\}?"#,
                1..6,
            ),
        ) {
            let (mut quick, mut parser) = (Walker::for_sample(), Walker::for_sample());
            for text in &texts {
                quick.begin();
                parser.begin();
                if quick.plain(text).is_none() {
                    // What is thrown away may have grown the tree.
                    (quick, parser) = (Walker::for_sample(), Walker::for_sample());
                    continue;
                }
                prop_assert!(parser.parsed(text, false), "{text:?}");
                prop_assert_eq!(taken(&quick, text), taken(&parser, text), "{:?}", text);
            }
        }
    }
}

//! Goes through the members of a JSON record, one after the other.
//!
//! There are two ways, as everywhere in `json`: [`Plain`] takes records in which nothing is unusual, and [`Parsed`] all others, by the parser of the
//! SQL functions. What [`Plain`] accepts is read as [`Parsed`] reads it, and what it does not accept says nothing of the record.

use std::ops::Range;

use jiter::{Jiter, JiterError, Peek};

use super::fault::Fault;
use crate::json::plain::{blanks, literal, number, skip_value, string};
use crate::json::{Reader, place_in};

/// A value, by where its text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Null,
    /// A number or a truth value.
    Literal(Range<usize>),
    Text(Range<usize>),
    /// A text that had to be unescaped; the place is one of [`Texts::unescaped`].
    Unescaped(Range<usize>),
    Nested(Range<usize>),
}

impl Piece {
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(range) => range.is_empty(),
            Self::Literal(_) | Self::Unescaped(_) | Self::Nested(_) => false,
        }
    }
}

/// What the texts of a record are read with.
#[derive(Debug, Default)]
pub(super) struct Texts<'m> {
    /// Texts that stand for null.
    pub(super) nulls: &'m [String],
    /// The texts of the record that had to be unescaped.
    pub(super) unescaped: String,
}

impl Texts<'_> {
    fn is_null(&self, text: &str) -> bool {
        self.nulls.iter().any(|mark| mark == text)
    }

    fn keep(&mut self, text: &str) -> Piece {
        let before = self.unescaped.len();
        self.unescaped.push_str(text);
        Piece::Unescaped(before..self.unescaped.len())
    }
}

/// The members of a record. Behind each key its value is taken or skipped.
pub(super) trait Members {
    /// Why the record is not read to its end.
    type Stop: From<Fault>;

    /// Goes behind the next key and its colon; `None` at the end of the record.
    fn key(&mut self) -> Result<Option<&str>, Self::Stop>;

    /// Goes past the value.
    fn skip(&mut self) -> Result<(), Self::Stop>;

    /// Takes the value, and says where it is.
    fn take(&mut self, texts: &mut Texts<'_>) -> Result<(Piece, Range<usize>), Self::Stop>;
}

/// Why the parser stopped.
pub(super) enum Misread {
    Json(JiterError),
    Fault(Fault),
}

impl From<JiterError> for Misread {
    fn from(error: JiterError) -> Self {
        Self::Json(error)
    }
}

impl From<Fault> for Misread {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Members by the parser, which stands before an object.
pub(super) struct Parsed<'p, 'r> {
    reader: &'p mut Reader<'r>,
    is_inside: bool,
}

impl<'p, 'r> Parsed<'p, 'r> {
    pub(super) fn new(reader: &'p mut Reader<'r>) -> Self {
        Self { reader, is_inside: false }
    }
}

impl Members for Parsed<'_, '_> {
    type Stop = Misread;

    fn key(&mut self) -> Result<Option<&str>, Misread> {
        let parser = &mut self.reader.parser;
        Ok(match std::mem::replace(&mut self.is_inside, true) {
            false => parser.known_object()?,
            true => parser.next_key()?,
        })
    }

    fn skip(&mut self) -> Result<(), Misread> {
        let peek = self.reader.parser.peek()?;
        Ok(self.reader.parser.known_skip(peek)?)
    }

    fn take(&mut self, texts: &mut Texts<'_>) -> Result<(Piece, Range<usize>), Misread> {
        let peek = self.reader.parser.peek()?;
        let start = self.reader.index();
        let piece = parsed_value(self.reader, peek, texts)?;
        Ok((piece, start..self.reader.index()))
    }
}

/// Takes the value that the parser stands before.
///
/// # Errors
/// Those of the parser.
pub(super) fn parsed_value(reader: &mut Reader<'_>, peek: Peek, texts: &mut Texts<'_>) -> Result<Piece, JiterError> {
    let start = reader.index();
    match peek {
        Peek::Null => {
            reader.parser.known_null()?;
            Ok(Piece::Null)
        }
        Peek::String => {
            let text = reader.parser.known_str()?;
            if texts.is_null(text) {
                return Ok(Piece::Null);
            }
            Ok(match place_in(reader.text, text) {
                Some(place) => Piece::Text(place),
                None => texts.keep(text),
            })
        }
        Peek::Object | Peek::Array => {
            reader.skip_nested(peek)?;
            Ok(Piece::Nested(start..reader.index()))
        }
        _ => {
            reader.parser.known_skip(peek)?;
            Ok(Piece::Literal(start..reader.index()))
        }
    }
}

/// Says that something about a record is unusual, or wrong.
#[derive(Debug)]
pub(super) struct Unusual;

impl From<Fault> for Unusual {
    fn from(_: Fault) -> Self {
        Self
    }
}

/// Members of a record in which nothing is unusual: no key is escaped, and `json::plain` accepts every value.
pub(super) struct Plain<'r> {
    record: &'r str,
    /// Where the next key or the end is, or behind a key its value.
    at: usize,
    is_inside: bool,
}

impl<'r> Plain<'r> {
    pub(super) fn new(record: &'r str) -> Self {
        Self { record, at: 0, is_inside: false }
    }

    fn bytes(&self) -> &'r [u8] {
        self.record.as_bytes()
    }

    fn next_key(&mut self) -> Option<Option<&'r str>> {
        let (bytes, is_first) = (self.bytes(), !self.is_inside);
        let mut at = blanks(bytes, self.at);
        if is_first {
            self.is_inside = true;
            (*bytes.get(at)? == b'{').then_some(())?;
            at = blanks(bytes, at + 1);
        }
        match (*bytes.get(at)?, is_first) {
            (b'}', _) => return (blanks(bytes, at + 1) == bytes.len()).then_some(None),
            (b',', false) => at = blanks(bytes, at + 1),
            (_, true) => {}
            (_, false) => return None,
        }
        (*bytes.get(at)? == b'"').then_some(())?;
        let found = string(bytes, at + 1)?;
        let key = self.record.get(at + 1..found.plain()?)?;
        let colon = blanks(bytes, found.end);
        (*bytes.get(colon)? == b':').then_some(())?;
        self.at = blanks(bytes, colon + 1);
        Some(Some(key))
    }

    fn value(&mut self, texts: &mut Texts<'_>) -> Option<Piece> {
        let (bytes, start) = (self.bytes(), self.at);
        let (piece, end) = match *bytes.get(start)? {
            b'"' => {
                let found = string(bytes, start + 1)?;
                let piece = match found.plain() {
                    Some(quote) if texts.is_null(self.record.get(start + 1..quote)?) => Piece::Null,
                    Some(quote) => Piece::Text(start + 1..quote),
                    None => {
                        let mut parser = Jiter::new(bytes.get(start..)?);
                        let text = parser.known_str().ok()?;
                        if texts.is_null(text) { Piece::Null } else { texts.keep(text) }
                    }
                };
                (piece, found.end)
            }
            b'{' | b'[' => {
                let end = skip_value(bytes, start)?;
                (Piece::Nested(start..end), end)
            }
            b'n' => (Piece::Null, literal(bytes, start, b"null")?),
            first => {
                let end = match first {
                    b't' => literal(bytes, start, b"true")?,
                    b'f' => literal(bytes, start, b"false")?,
                    _ => number(bytes, start)?,
                };
                (Piece::Literal(start..end), end)
            }
        };
        self.at = end;
        Some(piece)
    }
}

impl Members for Plain<'_> {
    type Stop = Unusual;

    fn key(&mut self) -> Result<Option<&str>, Unusual> {
        self.next_key().ok_or(Unusual)
    }

    fn skip(&mut self) -> Result<(), Unusual> {
        self.at = skip_value(self.bytes(), self.at).ok_or(Unusual)?;
        Ok(())
    }

    fn take(&mut self, texts: &mut Texts<'_>) -> Result<(Piece, Range<usize>), Unusual> {
        let start = self.at;
        let piece = self.value(texts).ok_or(Unusual)?;
        Ok((piece, start..self.at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All members of a record, every third skipped; `None` where reading stops.
    fn all<M: Members>(mut members: M) -> Option<String> {
        let nulls = ["NA".to_owned()];
        let mut texts = Texts { nulls: &nulls, unescaped: String::new() };
        let mut read = Vec::new();
        loop {
            let key = members.key().ok()?.map(str::to_owned);
            let Some(key) = key else { return Some(format!("{read:?} {}", texts.unescaped)) };
            match read.len() % 3 {
                2 => members.skip().ok().map(|()| read.push((key, None)))?,
                _ => read.push((key, Some(members.take(&mut texts).ok()?))),
            }
        }
    }

    fn parsed(record: &str) -> Option<String> {
        let mut reader = Reader::new(record);
        (reader.parser.peek().ok()? == Peek::Object).then_some(())?;
        let read = all(Parsed::new(&mut reader))?;
        reader.parser.finish().ok().map(|()| read)
    }

    #[test]
    fn usual_records_are_read_quickly() {
        for record in [
            "{}",
            " { } \n",
            r#"{"a":"NA","b":"\u004eA","c":"x\ty","d":{"e":[1,"}"]},"f":[ ],"g":-1.5,"h":true,"i":null}"#,
            "{ \"a\" : \"b\" , \"c\" : false }",
        ] {
            assert!(all(Plain::new(record)).is_some(), "{record}");
            assert_eq!(all(Plain::new(record)), parsed(record), "{record}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_parser() {
        for record in [
            "",
            "[]",
            "{",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1}}"#,
            r#"{"a":1} {"b":2}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":1e5}"#,
            r#"{"a":"\ud83d"}"#,
            r#"{"a":tru}"#,
        ] {
            assert_eq!(all(Plain::new(record)), None, "{record}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_read_quickly_is_read_as_the_parser_reads_it(
            record in r#" ?\{?( ?"[a-c]{1,2}" ?: ?(-?[0-9]{1,2}(\.5|e1)?|"([a-é"]|\\[nu"]|\\u00e9|NA){0,2}"|null|true|\[1,\{"a":2\}\]|\{("b":0)?\}),?){0,5} ?\}? ?"#,
        ) {
            if let Some(read) = all(Plain::new(&record)) {
                prop_assert_eq!(Some(read), parsed(&record), "{:?}", record);
            }
        }
    }
}

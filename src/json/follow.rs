//! Looks a path up in a document, as datafusion-functions-json does.
//!
//! The first of several equal keys counts, there is no going back, and nothing is read behind the value that is looked for. A key that
//! spells a number is an index where it meets an array; the names of a JSONPath are not.

use std::fmt;

use jiter::{Jiter, JiterResult, Peek};

use super::members::each_element;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// The member of an object; in an array, the element whose number the key spells.
    Key(String),
    /// The member of an object and nothing else.
    Name(String),
    /// The element of an array, counted from its end if negative.
    Index(isize),
}

impl Step {
    /// The key, if it is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) | Self::Name(key) => Some(key),
            Self::Index(_) => None,
        }
    }

    /// The index, if it can be one.
    pub fn index(&self) -> Option<isize> {
        match self {
            Self::Key(key) => key.parse().ok(),
            Self::Name(_) => None,
            Self::Index(index) => Some(*index),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) | Self::Name(key) => write!(f, "{key}"),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Where a value is in its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its first byte.
    pub start: usize,
    /// The byte behind it; `None` where it was not read to its end, or breaks off.
    pub end: Option<usize>,
}

/// Where following a path has led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Led {
    /// To a value, which the parser stands before.
    To(Peek),
    /// To a value without such members or elements, which the parser stands before.
    Against(Peek),
    /// To the end of an object or array that does not have the step.
    Nowhere,
}

/// Follows a path through the document that the parser is at the start of.
///
/// # Errors
/// The document is broken before the path's end.
pub fn follow(jiter: &mut Jiter<'_>, path: &[Step]) -> JiterResult<Led> {
    let mut peek = jiter.peek()?;
    for step in path {
        let next = match peek {
            Peek::Object => step.key().map(|key| member(jiter, key)),
            Peek::Array => step.index().map(|index| element(jiter, index)),
            _ => None,
        };
        peek = match next.transpose()? {
            Some(Some(found)) => found,
            Some(None) => return Ok(Led::Nowhere),
            None => return Ok(Led::Against(peek)),
        };
    }
    Ok(Led::To(peek))
}

/// Looks one path up.
pub fn look_up(document: &str, path: &[Step]) -> Option<Place> {
    let mut jiter = Jiter::new(document.as_bytes());
    let Led::To(peek) = follow(&mut jiter, path).ok()? else { return None };
    let start = jiter.current_index();
    let end = jiter.known_skip(peek).ok().map(|()| jiter.current_index());
    Some(Place { start, end })
}

/// Moves to the first member of that name in the object that the parser stands before.
fn member(jiter: &mut Jiter<'_>, name: &str) -> JiterResult<Option<Peek>> {
    let mut is_found = match jiter.known_object()? {
        Some(key) => key == name,
        None => return Ok(None),
    };
    while !is_found {
        jiter.next_skip()?;
        is_found = match jiter.next_key()? {
            Some(key) => key == name,
            None => return Ok(None),
        };
    }
    jiter.peek().map(Some)
}

/// Moves to an element of the array that the parser stands before.
fn element(jiter: &mut Jiter<'_>, index: isize) -> JiterResult<Option<Peek>> {
    let index = match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => {
            // Counted from the end, which is looked for by another parser.
            let mut length = 0_usize;
            each_element(&mut jiter.clone(), |counted, peek| {
                length += 1;
                counted.known_skip(peek)
            })?;
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

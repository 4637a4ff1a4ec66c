//! The parser of a document, which can be put to another place of it.

use jiter::{Jiter, JiterError, JiterResult, Peek};

use super::plain::skip_value;

/// A parser that knows where in its document it is.
#[derive(Debug)]
pub struct Reader<'r> {
    /// What is read.
    pub text: &'r str,
    /// The parser of what is left of it.
    pub parser: Jiter<'r>,
    /// Where in the document the parser began.
    base: usize,
}

impl<'r> Reader<'r> {
    /// Makes one that stands at the start of a document.
    pub fn new(text: &'r str) -> Self {
        Self { text, parser: Jiter::new(text.as_bytes()), base: 0 }
    }

    /// Returns where in the document the parser is.
    #[inline]
    pub fn index(&self) -> usize {
        self.base + self.parser.current_index()
    }

    /// Says where in the document an error of the parser is.
    pub fn placed(&self, error: JiterError) -> JiterError {
        JiterError { index: error.index + self.base, error_type: error.error_type }
    }

    /// Puts the parser to a place between two tokens.
    pub fn go_to(&mut self, place: usize) {
        self.parser = Jiter::new(self.text.as_bytes().get(place..).unwrap_or_default());
        self.base = place;
    }

    /// Goes past an object or an array.
    ///
    /// # Errors
    /// Those of the parser.
    pub fn skip_nested(&mut self, peek: Peek) -> JiterResult<()> {
        match skip_value(self.text.as_bytes(), self.index()) {
            Some(end) => {
                self.go_to(end);
                Ok(())
            }
            None => self.parser.known_skip(peek),
        }
    }
}

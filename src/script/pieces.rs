//! Takes a text apart where statements end, before any of them is parsed: for those who speak a language with statements that the parser does
//! not know.

use std::sync::Arc;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::source::Walk;
use super::syntax;
use crate::error::Result;

/// A word of a statement: a name, a keyword, a number, a text or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The token.
    pub token: Token,
    /// The bytes of the whole text before it.
    pub start: usize,
    /// Those up to its end.
    pub end: usize,
}

/// A statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its words, without comments; at least one.
    pub words: Vec<Word>,
}

impl Piece {
    /// Returns the statement's text, from its first word to its last.
    pub fn text<'t>(&self, whole: &'t str) -> &'t str {
        let (start, end) =
            (self.words.first().map_or(0, |word| word.start), self.words.last().map_or(0, |word| word.end));
        whole.get(start..end).unwrap_or_default()
    }
}

/// Takes a text apart; statements of nothing are left out.
///
/// # Errors
/// A text or comment that is not closed, with its place.
pub fn pieces(name: &str, text: &str) -> Result<Vec<Piece>> {
    let text: Arc<str> = Arc::from(text);
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, &text)
        .tokenize_with_location()
        .map_err(|error| syntax::tokenizer_error(name, &text, &error))?;
    let (mut pieces, mut words) = (Vec::new(), Vec::new());
    let mut walk = Walk::new(&text);
    for token in tokens {
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon if words.is_empty() => {}
            Token::SemiColon => pieces.push(Piece { words: std::mem::take(&mut words) }),
            other => {
                let start = walk.to(token.span.start);
                let end = walk.to(token.span.end);
                words.push(Word { token: other, start, end });
            }
        }
    }
    if !words.is_empty() {
        pieces.push(Piece { words });
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_that_stand_in_no_text() {
        let text = "select 'a;b' -- c;\n, \"d;e\" ;; /* ; */ begin;\ncopy (select $$;$$) to stdout";
        let found: Vec<_> = pieces("t", text).unwrap().iter().map(|piece| piece.text(text).to_owned()).collect();
        assert_eq!(found, ["select 'a;b' -- c;\n, \"d;e\"", "begin", "copy (select $$;$$) to stdout"]);
        assert_eq!(pieces("t", " ; -- nothing").unwrap(), []);
        assert!(pieces("t", "select 'a").is_err());
    }
}

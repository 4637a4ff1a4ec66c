//! Counts the words of a text without holding them all: what a text is made into takes a hundred times its bytes.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;

use super::source::Walk;

/// Bytes that are looked at together.
const PIECE_BYTES: usize = 64 << 10;

/// Says whether a text has more words, signs and blanks than so many. A text that is not understood has as many as come before that.
pub fn has_more_words(text: &str, most: usize) -> bool {
    let (mut rest, mut found, mut bytes) = (text, 0, PIECE_BYTES);
    // There are no more words than bytes.
    while found + rest.len() > most {
        let piece = rest.get(..rest.floor_char_boundary(bytes)).unwrap_or(rest);
        let mut words = Vec::new();
        let _ = Tokenizer::new(&PostgreSqlDialect {}, piece).tokenize_with_location_into_buf(&mut words);
        match words.last() {
            _ if piece.len() == rest.len() => return found + words.len() > most,
            // The last word may go on behind the piece.
            Some(last) if words.len() > 1 => {
                found += words.len() - 1;
                let start = Walk::new(piece).to(last.span.start);
                (rest, bytes) = (rest.get(start..).unwrap_or_default(), PIECE_BYTES);
            }
            _ => bytes *= 2,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_whatever_stands_in_them() {
        for (text, words) in [
            (format!("select {}1", "1,".repeat(100_000)), 200_003),
            (format!("select '{}', ä", "it''s, (long) ä ".repeat(10_000)), 6),
            (format!("select 1 -- {}\n, 2", "a, b ".repeat(50_000)), 8),
            (format!("select /* {} */ $x${}$x$", "a /* b */ ".repeat(20_000), "c; ".repeat(50_000)), 5),
            (format!("{}'never closed {}", "a ".repeat(40_000), "b ".repeat(60_000)), 80_000),
        ] {
            assert!(text.len() > 100_000);
            assert!(has_more_words(&text, words - 1), "{words}");
            assert!(!has_more_words(&text, words), "{words}");
        }
        assert!(!has_more_words("select 1", 100));
    }
}

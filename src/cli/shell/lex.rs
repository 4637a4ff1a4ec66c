//! Takes SQL apart as far as typing it needs: where texts and comments are, and whether a statement is over.

use std::ops::Range;

/// What a piece of SQL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Letters, digits and underscores.
    Word,
    /// A text in single quotes, or between dollars.
    Text,
    /// A name in double quotes.
    Name,
    /// A number.
    Number,
    /// A comment of either form.
    Comment,
    /// The end of a statement.
    End,
    /// Any other character.
    Sign,
}

/// A piece of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub range: Range<usize>,
    /// Whether it has its end; a text may have none yet.
    pub is_closed: bool,
}

/// Takes a text apart; blanks are between the pieces.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = match first {
            '\'' => (Kind::Text, quoted(rest, '\'')),
            '"' => (Kind::Name, quoted(rest, '"')),
            ';' => (Kind::End, Some(1)),
            '-' if rest.starts_with("--") => (Kind::Comment, Some(rest.find('\n').unwrap_or(rest.len()))),
            '/' if rest.starts_with("/*") => (Kind::Comment, block_comment(rest)),
            '$' => match dollar_quoted(rest) {
                Some(length) => (Kind::Text, length),
                // A parameter.
                None => (Kind::Word, Some(1 + word(&rest[1..]))),
            },
            _ if first.is_ascii_digit() => (Kind::Number, Some(number(rest))),
            _ if is_of_word(first) => (Kind::Word, Some(word(rest))),
            _ => (Kind::Sign, Some(first.len_utf8())),
        };
        let end = length.map_or(text.len(), |length| at + length);
        pieces.push(Piece { kind, range: at..end, is_closed: length.is_some() });
        at = end;
    }
    pieces
}

/// Says whether what was typed may run: it ends with a semicolon that is in no text and no comment, or has nothing to run at all.
pub fn is_whole(text: &str) -> bool {
    let pieces = pieces(text);
    let mut told = pieces.iter().rev().filter(|piece| piece.kind != Kind::Comment);
    let last = told.next();
    pieces.iter().all(|piece| piece.is_closed) && last.is_none_or(|piece| piece.kind == Kind::End)
}

/// Says whether a text has comments and semicolons at most.
pub fn has_nothing_to_run(text: &str) -> bool {
    pieces(text).iter().all(|piece| matches!(piece.kind, Kind::Comment | Kind::End))
}

fn is_of_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn word(text: &str) -> usize {
    text.find(|c: char| !is_of_word(c)).unwrap_or(text.len())
}

fn number(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_')).unwrap_or(text.len())
}

/// Returns the length of what is in quotes, which are doubled inside; `None` where the end is missing.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(index + 1);
        }
    }
    None
}

/// Returns the length of a comment, in which others may be nested.
fn block_comment(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// Returns the length of a text between dollars (`$$…$$`, `$tag$…$tag$`), `Some(None)` where its end is missing; `None` where no such text begins.
fn dollar_quoted(text: &str) -> Option<Option<usize>> {
    let tag = 1 + word(&text[1..]);
    if !text[tag..].starts_with('$') || text[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mark = &text[..=tag];
    Some(text[mark.len()..].find(mark).map(|end| end + 2 * mark.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_over_at_a_semicolon_outside_of_texts_and_comments() {
        for whole in [
            "",
            "  \n",
            "-- nothing to run",
            "select 1;",
            "select 1; -- done",
            "select ';' ;\n",
            "select $$;'$$;",
            "select $a$ $$ ; $a$ /* ; */;",
            "/* one /* two */ */ select \"a;\"\"b\";",
            "select 'it''s';",
        ] {
            assert!(is_whole(whole), "{whole}");
        }
        for part in [
            "select 1",
            "select ';",
            "select 1 -- ;",
            "select /* ;",
            "select /* /* */ ;",
            "select $$;",
            "select $a$;$$;",
            "select 1; select 2",
            "select \";",
            "select 'it'';",
        ] {
            assert!(!is_whole(part), "{part}");
        }
    }

    #[test]
    fn pieces_have_their_kinds() {
        let text = "select $since, 'é''s' as \"Ü\", 1.5e3 -- é\n/*x*/;";
        let shown: Vec<_> = pieces(text).into_iter().map(|piece| (piece.kind, &text[piece.range])).collect();
        assert_eq!(
            shown,
            [
                (Kind::Word, "select"),
                (Kind::Word, "$since"),
                (Kind::Sign, ","),
                (Kind::Text, "'é''s'"),
                (Kind::Word, "as"),
                (Kind::Name, "\"Ü\""),
                (Kind::Sign, ","),
                (Kind::Number, "1.5e3"),
                (Kind::Comment, "-- é"),
                (Kind::Comment, "/*x*/"),
                (Kind::End, ";"),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn pieces_of_any_text_stand_one_behind_the_other(text in "[-a$'\"/*; é\n1]{0,40}") {
            let mut end = 0;
            for piece in pieces(&text) {
                proptest::prop_assert!(piece.range.start >= end && piece.range.end > piece.range.start);
                end = piece.range.end;
            }
            proptest::prop_assert!(end <= text.len());
        }
    }
}

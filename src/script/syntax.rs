//! Says what the tokenizer and the parser did not understand, and where.

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, TokenizerError};

use super::names;
use super::source::{Spot, sql_error};
use crate::error::SqlError;

/// The words that statements begin with.
const STATEMENT_WORDS: [&str; 16] = [
    "select", "with", "values", "explain", "describe", "show", "set", "reset", "create", "insert", "update", "delete",
    "drop", "copy", "prepare", "execute",
];

/// The words that go on where an expression or a clause has ended.
const CLAUSE_WORDS: [&str; 22] = [
    "from",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "union",
    "except",
    "intersect",
    "join",
    "left",
    "right",
    "full",
    "inner",
    "cross",
    "on",
    "using",
    "window",
    "as",
    "and",
    "or",
];

/// Turns an error of the tokenizer into ours.
pub(super) fn tokenizer_error(file: &str, text: &str, error: &TokenizerError) -> SqlError {
    let place = error.location;
    let spot = Spot::between((place.line, place.column), (place.line, place.column));
    let hint = if error.message.contains("dollar-quoted") {
        Some("close the text with the same $tag$ that opens it")
    } else if error.message.contains("string literal") || error.message.contains("encoded string") {
        Some("close the text with ', and write a quote inside it as ''")
    } else if error.message.contains("comment") {
        Some("close the comment with */; comments nest")
    } else if error.message.contains("delimiter") {
        Some("close the name with \"")
    } else {
        None
    };
    sql_error(file, text, spot, sentence(&error.message), hint.map(str::to_owned))
}

/// Says that a statement nests too deep.
pub(super) fn too_deep(file: &str, text: &str, spot: Option<Spot>, limit: usize) -> SqlError {
    let hint = Some("name the inner parts with WITH".to_owned());
    sql_error(file, text, spot, format!("the statement nests deeper than {limit} levels"), hint)
}

/// Turns an error of the parser into ours. `at` is the token where it stopped, for errors that name no place.
pub(super) fn parser_error(
    file: &str,
    text: &str,
    tokens: &[TokenWithSpan],
    error: &DataFusionError,
    at: &TokenWithSpan,
    nesting_limit: usize,
) -> SqlError {
    let message = match error.find_root() {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::RecursionLimitExceeded => {
                return too_deep(file, text, spot_of(tokens, at), nesting_limit);
            }
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message.clone(),
        },
        other => other.message().into_owned(),
    };
    let (message, place) = without_place(&message);
    let found = match place {
        Some(place) => tokens.iter().find(|token| (token.span.start.line, token.span.start.column) == place),
        // The parser names no place only at the end of the file.
        None if message.ends_with("found: EOF") => None,
        None => Some(at),
    };
    let wanted = message.strip_prefix("Expected: ").or_else(|| message.strip_prefix("Expected "));
    if let Some((wanted, shown)) = wanted.and_then(|m| m.split_once(", found: ")) {
        let eof = TokenWithSpan::new_eof();
        let found = found.unwrap_or(&eof);
        // For a reserved word the parser names the word and the place of what follows it.
        let before = before(tokens, found)
            .filter(|before| found.token.to_string() != shown && before.token.to_string().eq_ignore_ascii_case(shown));
        return expected(file, text, tokens, wanted, before.unwrap_or(found));
    }
    let spot = match (found, place) {
        (Some(token), _) => spot_of(tokens, token),
        (None, Some(place)) => Spot::between(place, place),
        (None, None) => end_of(tokens),
    };
    sql_error(file, text, spot, sentence(message), None)
}

/// Makes the error that something else was expected where `found` stands.
pub(super) fn expected(
    file: &str,
    text: &str,
    tokens: &[TokenWithSpan],
    wanted: &str,
    found: &TokenWithSpan,
) -> SqlError {
    let shown = match &found.token {
        Token::EOF => "the end of the file".to_owned(),
        Token::SemiColon => "the end of the statement".to_owned(),
        token => format!("{:?}", token.to_string()),
    };
    let wanted = match wanted {
        "end of statement" => "the end of the statement",
        wanted => wanted,
    };
    let hint = match &found.token {
        Token::Word(word) if word.value.eq_ignore_ascii_case("from") && wanted == "an expression" => {
            Some("is there a comma too many before it?".to_owned())
        }
        Token::Word(_) if wanted == "an SQL statement" => keyword_meant(&found.token, &STATEMENT_WORDS),
        Token::Word(word)
            if wanted == "the end of the statement"
                && STATEMENT_WORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(&word.value)) =>
        {
            Some("is there a ; missing before it?".to_owned())
        }
        // A misspelt FROM is taken for an alias, and the error is about what follows it.
        Token::Word(_) => keyword_meant(&found.token, &CLAUSE_WORDS)
            .or_else(|| keyword_meant(&before(tokens, found)?.token, &CLAUSE_WORDS)),
        Token::Backslash => Some("commands such as \\d belong to the shell, not to a file".to_owned()),
        _ => None,
    };
    sql_error(file, text, spot_of(tokens, found), format!("expected {wanted}, found {shown}"), hint)
}

/// Says which keyword a word was probably meant to be.
fn keyword_meant(token: &Token, known: &[&str]) -> Option<String> {
    let Token::Word(word) = token else { return None };
    if word.quote_style.is_some() || known.iter().any(|keyword| keyword.eq_ignore_ascii_case(&word.value)) {
        return None;
    }
    let meant = names::nearest(&word.value, known.iter().copied());
    meant.first().map(|meant| format!("did you mean {} instead of {:?}?", meant.to_uppercase(), word.value))
}

/// The token before another one.
fn before<'a>(tokens: &'a [TokenWithSpan], token: &TokenWithSpan) -> Option<&'a TokenWithSpan> {
    let at = match token.token {
        Token::EOF => tokens.len(),
        _ => tokens.partition_point(|other| other.span.start < token.span.start),
    };
    tokens.get(at.checked_sub(1)?)
}

/// The place of a token; of the end of the last one for the end of the file, which has no place.
fn spot_of(tokens: &[TokenWithSpan], token: &TokenWithSpan) -> Option<Spot> {
    Spot::of_token(token).or_else(|| end_of(tokens))
}

fn end_of(tokens: &[TokenWithSpan]) -> Option<Spot> {
    tokens.last().and_then(|last| {
        let end = (last.span.end.line, last.span.end.column);
        Spot::between(end, end)
    })
}

/// Takes ` at Line: 1, Column: 8` from the end of a message of the parser.
fn without_place(message: &str) -> (&str, Option<(u64, u64)>) {
    let parts = message.rfind(" at Line: ").and_then(|at| {
        let (head, tail) = message.split_at_checked(at)?;
        let (line, column) = tail.strip_prefix(" at Line: ")?.split_once(", Column: ")?;
        Some((head, (line.parse().ok()?, column.trim_end().parse().ok()?)))
    });
    match parts {
        Some((head, place)) => (head, Some(place)),
        None => (message, None),
    }
}

/// Gives a message the form of ours: one line, lower case, no full stop. Words in capitals stay, since they are SQL.
pub(super) fn sentence(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default().trim_end_matches(['.', ' ']);
    let mut chars = line.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(line.chars().skip(1)).collect()
        }
        _ => line.to_owned(),
    }
}

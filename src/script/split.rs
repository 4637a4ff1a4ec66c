//! Splits a file into statements by the parser, never by line or semicolon.
//!
//! The file is tokenized once and parsed as a whole, so every span is in file coordinates, and a syntax error in the last
//! statement is found before the first one runs.

use std::ops::Range;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement as ParsedStatement};
use datafusion::sql::sqlparser::ast::Statement as Ast;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::dialect::BoundedPostgres;
use super::operators::split_signs;
use super::source::{Spot, Walk, sql_error};
use super::syntax;
use crate::error::{Result, SqlError};

/// How deep parentheses, subqueries and the like may nest; DataFusion's own default.
const NESTING_LIMIT: usize = 50;

/// How many brackets may be open. What the parser goes into, it counts itself, up to [`NESTING_LIMIT`]; it tries some brackets for several things.
const BRACKET_LIMIT: usize = 4 * NESTING_LIMIT;

/// How many operators one expression may chain without a comma or parenthesis between them. `1 + 1 + …` parses to a tree as
/// deep as the chain is long, and dropping that tree takes stack for every level: tens of thousands would end the process.
const CHAIN_LIMIT: usize = 2_000;

/// How many queries one statement may chain by UNION, EXCEPT and INTERSECT without a parenthesis between them. A level of such a tree takes more of
/// the stack, some nine kilobytes of a debug build, and the main thread has eight megabytes.
const SET_LIMIT: usize = 500;

/// One statement of a file.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The parsed statement. Its spans count lines and columns of the file.
    pub parsed: ParsedStatement,
    /// The line that it begins on, from 1.
    pub line: u64,
    /// The column that it begins at, from 1, in characters.
    pub column: u64,
    source: Arc<str>,
    range: Range<usize>,
    tokens: Vec<TokenWithSpan>,
}

impl Statement {
    /// Returns the text of the statement as it stands in the file, without the semicolon and the comments around it.
    pub fn text(&self) -> &str {
        self.source.get(self.range.clone()).unwrap_or_default()
    }

    /// Lists the parameters that the statement uses, each as often as it does, without the `$`.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.placeholder_tokens().map(|(name, _)| name)
    }

    /// Lists the parameters with their places, without the numbered ones of a statement that is prepared: EXECUTE gives those.
    pub(super) fn placeholder_tokens(&self) -> impl Iterator<Item = (&str, &TokenWithSpan)> {
        let is_prepared =
            matches!(&self.parsed, ParsedStatement::Statement(ast) if matches!(**ast, Ast::Prepare { .. }));
        let is_own = move |name: &str| is_prepared && !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        self.tokens.iter().filter_map(move |token| match &token.token {
            Token::Placeholder(name) => name.strip_prefix('$').filter(|name| !is_own(name)).map(|name| (name, token)),
            _ => None,
        })
    }

    /// The tokens of the statement, without whitespace and comments.
    pub(super) fn tokens(&self) -> &[TokenWithSpan] {
        &self.tokens
    }
}

/// Parses a text into its statements, in order; none for a text of comments only.
pub(super) fn split(file: &str, text: &Arc<str>) -> Result<Vec<Statement>> {
    let dialect = BoundedPostgres::new();
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|error| syntax::tokenizer_error(file, text, &error))?;
    let tokens = split_signs(tokens, &dialect);
    let words: Vec<TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).cloned().collect();
    check_chains(file, text, &words)?;
    check_nesting(file, text, &words)?;

    dialect.allow(words.len());
    let failed = |error: &DataFusionError, at: &TokenWithSpan| -> SqlError {
        if dialect.is_exhausted() {
            let hint =
                Some("name the inner parts with WITH, and look for a parenthesis too many or too few".to_owned());
            return sql_error(file, text, Spot::of_token(at), "the statement is too deeply nested to be parsed", hint);
        }
        syntax::parser_error(file, text, &words, error, at, NESTING_LIMIT)
    };
    let eof = TokenWithSpan::new_eof();
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(&dialect)
        .with_recursion_limit(NESTING_LIMIT)
        .build()
        .map_err(|error| failed(&error, &eof))?;

    let mut statements = Vec::new();
    let mut walk = Walk::new(text);
    loop {
        while parser.parser.consume_token(&Token::SemiColon) {}
        let first = parser.parser.peek_token();
        if first.token == Token::EOF {
            return Ok(statements);
        }
        let parsed = match parser.parse_statement() {
            Ok(parsed) => parsed,
            Err(error) => return Err(failed(&error, parser.parser.get_current_token()).into()),
        };
        let next = parser.parser.peek_token();
        if !matches!(next.token, Token::EOF | Token::SemiColon) {
            return Err(syntax::expected(file, text, &words, "the end of the statement", &next).into());
        }
        let start = words.partition_point(|token| token.span.start < first.span.start);
        let end = match next.token {
            Token::EOF => words.len(),
            _ => words.partition_point(|token| token.span.start < next.span.start),
        };
        let tokens = words.get(start..end).unwrap_or_default().to_vec();
        let from = walk.to(first.span.start);
        let to = tokens.last().map_or(from, |last| walk.to(last.span.end));
        statements.push(Statement {
            parsed,
            line: first.span.start.line,
            column: first.span.start.column,
            source: Arc::clone(text),
            range: from..to,
            tokens,
        });
    }
}

/// Refuses what the parser would go into without counting its levels, each of which takes stack, so that thousands would end the process: brackets
/// anywhere, types inside of types, and words that may stand behind themselves, such as EXPLAIN and INTERVAL.
fn check_nesting(file: &str, text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    let (mut brackets, mut types, mut repeated, mut explained) = (0_usize, 0_usize, 0, 0);
    let mut before: Option<&Token> = None;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => brackets += 1,
            Token::RParen | Token::RBracket | Token::RBrace => brackets = brackets.saturating_sub(1),
            Token::Lt if matches!(before, Some(Token::Word(word)) if is_of_types(word.keyword)) => types += 1,
            Token::Gt => types = types.saturating_sub(1),
            Token::ShiftRight => types = types.saturating_sub(2),
            Token::SemiColon => (brackets, types, explained) = (0, 0, 0),
            Token::Word(word) => {
                let is_same =
                    matches!(before, Some(Token::Word(other)) if other.value.eq_ignore_ascii_case(&word.value));
                repeated = if is_same { repeated + 1 } else { 0 };
                explained += usize::from(word.keyword == Keyword::EXPLAIN);
            }
            _ => {}
        }
        // Elsewhere the parser counts, and says so with its own limit; a type's angles may be comparisons.
        if brackets > BRACKET_LIMIT || [types, repeated, explained].into_iter().any(|count| count > NESTING_LIMIT) {
            return Err(syntax::too_deep(file, text, Spot::of_token(token), NESTING_LIMIT).into());
        }
        before = Some(&token.token);
    }
    Ok(())
}

/// Returns whether types stand in angles behind a word.
fn is_of_types(word: Keyword) -> bool {
    matches!(word, Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP)
}

/// Refuses expressions whose tree would be too deep to drop.
fn check_chains(file: &str, text: &str, tokens: &[TokenWithSpan]) -> Result<()> {
    // One count for each open parenthesis or bracket, the innermost last.
    let mut open: Vec<(usize, usize)> = Vec::new();
    // The operators of an expression, and the queries of a statement: commas end the first alone.
    let (mut count, mut sets) = (0, 0);
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                open.push((count + 1, sets));
                (count, sets) = (0, 0);
            }
            Token::RParen | Token::RBracket | Token::RBrace => (count, sets) = open.pop().unwrap_or((0, 0)),
            Token::Comma => count = 0,
            Token::SemiColon => {
                (count, sets) = (0, 0);
                open.clear();
            }
            Token::Word(word) => match word.keyword {
                Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::IS | Keyword::COLLATE | Keyword::AT => count += 1,
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
                    count += 1;
                    sets += 1;
                }
                _ => {}
            },
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
            | Token::Period => {}
            _ => count += 1,
        }
        if sets > SET_LIMIT {
            let message = format!("the statement chains more than {SET_LIMIT} queries");
            let hint = Some("use values (…), (…), or put parts into parentheses".to_owned());
            return Err(sql_error(file, text, Spot::of_token(token), message, hint).into());
        }
        if count > CHAIN_LIMIT {
            let message = format!("the expression chains more than {CHAIN_LIMIT} operators");
            let hint = Some("use in (…) with a list, or a table of values to join with".to_owned());
            return Err(sql_error(file, text, Spot::of_token(token), message, hint).into());
        }
    }
    Ok(())
}

//! Points at the place in a SQL file that an error of the engine is about.
//!
//! The engine knows a place for some errors only, mostly for columns. For the others the name, literal or operator that it
//! complains about is looked for among the tokens of the statement, so never inside a comment or a text; where nothing is
//! found, the error points at the first word of the statement.

use std::error::Error as StdError;
use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::common::Diagnostic;
use datafusion::common::diagnostic::DiagnosticKind;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::explain::explain;
use super::explanation::Target;
use super::scanned::error_of_value;
use super::source::{Spot, sql_error};
use super::{Script, Statement};
use crate::error::{Error, SpillLimit, SqlError};

/// Turns an error of the engine into one that shows where in the file it is, with a hint.
///
/// `statement` is the one that was planned or run; without it the only statement of the script is meant. Errors that are not
/// about the SQL (memory, storage, defects) keep their kind and begin with file and line of the statement, and errors of ours that
/// went through the engine come out again.
pub fn locate(error: DataFusionError, script: &Script, statement: Option<&Statement>) -> Error {
    locate_among(error, script, statement, &[])
}

/// Does what [`locate`] does, and takes hints on misspelt tables from `tables`.
pub fn locate_among(error: DataFusionError, script: &Script, statement: Option<&Statement>, tables: &[&str]) -> Error {
    let statement = statement.or(match script.statements.as_slice() {
        [only] => Some(only),
        _ => None,
    });
    let error = match recover(error) {
        Recovered::Ours(Error::Sql(inner)) if inner.position.is_none() && inner.file.is_empty() => {
            let spot =
                statement.and_then(|s| spot_of(s, &Target::Mentioned(inner.message.clone())).or_else(|| first(s)));
            return sql_error(&script.file, &script.text, spot, inner.message, inner.hint).into();
        }
        Recovered::Ours(Error::Usage { message, hint }) => {
            let spot = statement.and_then(|s| spot_of(s, &Target::Mentioned(message.clone())).or_else(|| first(s)));
            return sql_error(&script.file, &script.text, spot, message, hint).into();
        }
        Recovered::Ours(error) => return placed(error, script, statement),
        Recovered::Engine(error) => error,
    };
    if SpillLimit::is_behind(&error) {
        return placed(Error::from(error), script, statement);
    }
    let (root, diagnostic) = unwrap(&error);
    let of_value = match root {
        DataFusionError::ParquetError(inner) => error_of_value(&inner.to_string()),
        _ => None,
    };
    let root = match &of_value {
        Some(DataFusionError::ResourcesExhausted(message)) => {
            let error = Error::from(DataFusionError::ResourcesExhausted(message.clone()));
            return placed(error, script, statement);
        }
        Some(of_value) => of_value,
        None => root,
    };
    match root {
        DataFusionError::ResourcesExhausted(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ExecutionJoin(_) => return placed(Error::from(error), script, statement),
        DataFusionError::ArrowError(inner, _) if matches!(inner.as_ref(), ArrowError::IoError(..)) => {
            return placed(Error::from(error), script, statement);
        }
        DataFusionError::ParquetError(error) => {
            return placed(Error::storage("parquet", error.to_string()), script, statement);
        }
        DataFusionError::Internal(message) if !is_about_types(message) => {
            return placed(Error::from(error), script, statement);
        }
        _ => {}
    }
    describe(root, diagnostic, script, statement, tables).into()
}

/// Says whether an error that the engine calls internal is about what types a query puts together.
fn is_about_types(message: &str) -> bool {
    [
        "coerce",
        "failed to match any signature",
        "failed to convert size",
        "Cannot run range queries on",
        "Min/Max accumulator not implemented",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Says of an error that is not about the SQL in which statement it was met: file and line.
pub(super) fn placed(error: Error, script: &Script, statement: Option<&Statement>) -> Error {
    let place = match statement.and_then(first) {
        Some(spot) => format!("{}:{}", script.file, spot.line),
        None => script.file.clone(),
    };
    let before = |message: String| format!("{place}: {message}");
    match error {
        Error::NotFound { message, hint } => Error::NotFound { message: before(message), hint },
        Error::Check { message } => Error::Check { message: before(message) },
        Error::Storage { context, message, source } => Error::Storage { context: before(context), message, source },
        Error::Conflict { message } => Error::Conflict { message: before(message) },
        Error::Limit { message, hint } => Error::Limit { message: before(message), hint },
        Error::NotBuilt { message } => Error::NotBuilt { message: before(message) },
        Error::Internal(message) => Error::Internal(before(message)),
        other => other,
    }
}

fn describe(
    root: &DataFusionError,
    diagnostic: Option<&Diagnostic>,
    script: &Script,
    statement: Option<&Statement>,
    tables: &[&str],
) -> SqlError {
    let mut known: Vec<&str> = tables.to_vec();
    known.extend(statement.into_iter().flat_map(common_tables));
    let explanation = explain(root, diagnostic, &known);
    let found = explanation.targets.iter().find_map(|target| match target {
        Target::Spot(spot) => Some((target, *spot)),
        target => Some((target, statement.and_then(|statement| spot_of(statement, target))?)),
    });
    let hint = match found {
        Some((Target::Star(_), _)) => Some("name the columns in the place of *, each once".to_owned()),
        _ => explanation.hint.clone(),
    };
    let spot = found.map(|(_, spot)| spot).or_else(|| statement.and_then(first));
    sql_error(&script.file, &script.text, spot, explanation.message, hint)
}

/// An error of the engine, or one of ours that it carried.
enum Recovered {
    Ours(Error),
    Engine(DataFusionError),
}

/// Takes an error of ours out of the wrappers that the engine put around it.
fn recover(error: DataFusionError) -> Recovered {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => Recovered::Ours(*ours),
            Err(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => recover(*inner),
                Err(inner) => Recovered::Engine(DataFusionError::External(inner)),
            },
        },
        DataFusionError::Context(context, inner) => match recover(*inner) {
            Recovered::Engine(inner) => Recovered::Engine(DataFusionError::Context(context, Box::new(inner))),
            ours => ours,
        },
        DataFusionError::Diagnostic(diagnostic, inner) => match recover(*inner) {
            Recovered::Engine(inner) => Recovered::Engine(DataFusionError::Diagnostic(diagnostic, Box::new(inner))),
            ours => ours,
        },
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(inner) => recover(inner),
            Err(inner) => Recovered::Engine(DataFusionError::Shared(inner)),
        },
        DataFusionError::ArrowError(inner, backtrace) => match *inner {
            ArrowError::ExternalError(inner) => recover(DataFusionError::External(inner)),
            inner => Recovered::Engine(DataFusionError::ArrowError(Box::new(inner), backtrace)),
        },
        error => Recovered::Engine(error),
    }
}

/// Finds the innermost error of the engine and the outermost of its diagnostics that is an error.
fn unwrap(error: &DataFusionError) -> (&DataFusionError, Option<&Diagnostic>) {
    let mut diagnostic = None;
    let mut error = error;
    loop {
        error = match error {
            DataFusionError::Diagnostic(found, inner) => {
                if found.kind == DiagnosticKind::Error {
                    diagnostic = diagnostic.or(Some(found.as_ref()));
                }
                inner
            }
            DataFusionError::Context(_, inner) => inner,
            DataFusionError::Shared(inner) => inner,
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => first,
                None => return (error, diagnostic),
            },
            DataFusionError::External(inner) => match carried(inner.as_ref()) {
                Some(inner) => inner,
                None => return (error, diagnostic),
            },
            DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
                ArrowError::ExternalError(inner) => match carried(inner.as_ref()) {
                    Some(inner) => inner,
                    None => return (error, diagnostic),
                },
                _ => return (error, diagnostic),
            },
            error => return (error, diagnostic),
        };
    }
}

fn carried<'a>(error: &'a (dyn StdError + Send + Sync + 'static)) -> Option<&'a DataFusionError> {
    error.downcast_ref::<DataFusionError>().or_else(|| error.downcast_ref::<Arc<DataFusionError>>().map(AsRef::as_ref))
}

/// The names that WITH gives in a statement: words before `as (`.
fn common_tables(statement: &Statement) -> impl Iterator<Item = &str> {
    statement.tokens().windows(3).filter_map(|window| match window {
        [name, keyword, paren] if paren.token == Token::LParen && is_word(&keyword.token, "AS") => match &name.token {
            Token::Word(word) => Some(word.value.as_str()),
            _ => None,
        },
        _ => None,
    })
}

fn first(statement: &Statement) -> Option<Spot> {
    statement.tokens().first().and_then(Spot::of_token)
}

/// Looks for what an error is about among the tokens of a statement.
fn spot_of(statement: &Statement, target: &Target) -> Option<Spot> {
    let tokens = statement.tokens();
    let token = match target {
        Target::Spot(spot) => return Some(*spot),
        Target::Name(relation, name) => return named(tokens, relation.as_deref(), name),
        Target::SecondName(name) => {
            let mut all = tokens.iter().filter(|token| is_name(&token.token, name));
            let once = all.next();
            all.next().or(once)
        }
        Target::Call(name) => tokens.windows(2).find_map(|pair| match pair {
            [word, paren] if paren.token == Token::LParen && is_name(&word.token, name) => Some(word),
            _ => None,
        }),
        Target::Star(name) if is_given_twice(tokens, name) => None,
        Target::Star(_) => tokens.windows(2).find_map(|pair| match pair {
            [before, star] if star.token == Token::Mul && begins_item(&before.token) => Some(star),
            _ => None,
        }),
        Target::Literal(value) => tokens.iter().find(|token| literal(&token.token) == Some(value)),
        Target::LiteralAfter(keyword, value) => tokens
            .iter()
            .skip_while(|token| !is_word(&token.token, keyword))
            .find(|token| literal(&token.token) == Some(value)),
        Target::Placeholder(name) => {
            tokens.iter().find(|token| matches!(&token.token, Token::Placeholder(found) if found == name))
        }
        Target::OnlyOperator(operator) => {
            let mut all = tokens.iter().filter(|token| is_operator(&token.token, operator));
            let found = all.next();
            if all.next().is_some() { None } else { found }
        }
        Target::Keyword(keyword) => tokens.iter().find(|token| is_word(&token.token, keyword)),
        Target::SecondKeyword(keyword) => tokens.iter().filter(|token| is_word(&token.token, keyword)).nth(1),
        Target::After(keyword) => tokens.iter().skip_while(|token| !is_word(&token.token, keyword)).nth(1),
        Target::AggregateAfter(keyword) => aggregate_after(tokens, keyword),
        Target::Mentioned(message) => mentioned(tokens, message),
    };
    token.and_then(Spot::of_token)
}

/// Finds `relation.name`, else `name` alone, and covers all of it.
fn named(tokens: &[TokenWithSpan], relation: Option<&str>, name: &str) -> Option<Spot> {
    let qualified = relation.and_then(|relation| {
        tokens.windows(3).find_map(|window| match window {
            [first, dot, last]
                if dot.token == Token::Period && is_name(&first.token, relation) && is_name(&last.token, name) =>
            {
                Some(first.span.union(&last.span))
            }
            _ => None,
        })
    });
    qualified
        .or_else(|| tokens.iter().find(|token| is_name(&token.token, name)).map(|token| token.span))
        .and_then(Spot::of_span)
}

/// Finds the literal or name of a statement that a message quotes: the longest, since a short one is in many messages by
/// chance.
fn mentioned<'a>(tokens: &'a [TokenWithSpan], message: &str) -> Option<&'a TokenWithSpan> {
    let mut best: Option<(usize, &TokenWithSpan)> = None;
    for token in tokens {
        let value = match &token.token {
            Token::Word(word) => word.value.as_str(),
            other => match literal(other) {
                Some(value) => value,
                None => continue,
            },
        };
        let length = value.len();
        if length == 0 || best.is_some_and(|(longest, _)| longest >= length) {
            continue;
        }
        let quoted = [format!("'{value}'"), format!("{value:?}"), format!("`{value}`")];
        if quoted.iter().any(|quoted| message.contains(quoted.as_str())) {
            best = Some((length, token));
        }
    }
    best.map(|(_, token)| token)
}

/// The usual aggregates; an error about another one points at the clause.
const AGGREGATES: [&str; 14] = [
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "median",
    "stddev",
    "var",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "approx_percentile_cont",
];

fn aggregate_after<'a>(tokens: &'a [TokenWithSpan], keyword: &str) -> Option<&'a TokenWithSpan> {
    let start = tokens.iter().position(|token| is_word(&token.token, keyword))?;
    tokens.get(start..)?.windows(2).find_map(|pair| match pair {
        [word, paren] if paren.token == Token::LParen => {
            AGGREGATES.iter().any(|name| is_name(&word.token, name)).then_some(word)
        }
        _ => None,
    })
}

/// Says whether a statement gives a name with AS more than once.
fn is_given_twice(tokens: &[TokenWithSpan], name: &str) -> bool {
    let given = tokens.windows(2).filter(|pair| match pair {
        [before, word] => is_word(&before.token, "AS") && is_name(&word.token, name),
        _ => false,
    });
    given.count() > 1
}

/// Says whether an item of a select list begins behind a token, or behind the name of its table.
fn begins_item(token: &Token) -> bool {
    matches!(token, Token::Comma | Token::Period)
        || ["SELECT", "DISTINCT", "ALL"].iter().any(|word| is_word(token, word))
}

fn is_word(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
}

/// Tells whether a token is a name as the engine folds it: unquoted names are lower case.
fn is_name(token: &Token, name: &str) -> bool {
    match token {
        Token::Word(word) if word.quote_style.is_none() => {
            word.value == name || word.value.to_lowercase() == name.to_lowercase()
        }
        Token::Word(word) => word.value == name,
        _ => false,
    }
}

fn is_operator(token: &Token, operator: &str) -> bool {
    let comparable = !matches!(token, Token::Word(_)) && literal(token).is_none();
    // The engine prints <> as !=.
    comparable && (token.to_string() == operator || (operator == "!=" && *token == Token::Neq))
}

fn literal(token: &Token) -> Option<&String> {
    match token {
        Token::SingleQuotedString(value)
        | Token::EscapedStringLiteral(value)
        | Token::UnicodeStringLiteral(value)
        | Token::NationalStringLiteral(value)
        | Token::Number(value, _) => Some(value),
        Token::DollarQuotedString(value) => Some(&value.value),
        _ => None,
    }
}

#[cfg(test)]
#[path = "diagnostics_tests.rs"]
mod tests;

//! Ends operators where PostgreSQL ends them.
//!
//! PostgreSQL's lexer (its documentation, "Lexical Structure", Operators) lets an operator of several characters end in `+` or `-` only if it
//! has one of ``~ ! @ # % ^ & | ` ?`` too, so that `data->>-1` is `->>` and `-1`. The tokenizer of sqlparser 0.6x takes `->>-` for one.

use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

/// Characters that let an operator end in a sign.
const LETS_END_IN_SIGN: [char; 10] = ['~', '!', '@', '#', '%', '^', '&', '|', '`', '?'];

/// Splits signs off the operators that must not end in one.
pub(super) fn split_signs(tokens: Vec<TokenWithSpan>, dialect: &dyn Dialect) -> Vec<TokenWithSpan> {
    let mut split = Vec::with_capacity(tokens.len());
    for token in tokens {
        match &token.token {
            Token::CustomBinaryOperator(operator) => match parts(operator, dialect) {
                Some(parts) => {
                    let mut at = token.span.start;
                    for (part, width) in parts {
                        let end = Location::new(at.line, at.column + width);
                        split.push(TokenWithSpan::new(part, Span::new(at, end)));
                        at = end;
                    }
                }
                None => split.push(token),
            },
            _ => split.push(token),
        }
    }
    split
}

/// Returns the operator and the signs behind it, each with its width; `None` where it stands as it is.
fn parts(operator: &str, dialect: &dyn Dialect) -> Option<Vec<(Token, u64)>> {
    let rest = operator.trim_end_matches(['+', '-']);
    if rest.is_empty() || rest.len() == operator.len() || operator.contains(LETS_END_IN_SIGN) {
        return None;
    }
    let known = Tokenizer::new(dialect, rest).tokenize().ok()?;
    let [known] = known.as_slice() else { return None };
    let signs =
        operator.get(rest.len()..)?.chars().map(|sign| (if sign == '-' { Token::Minus } else { Token::Plus }, 1));
    Some(std::iter::once((known.clone(), rest.len() as u64)).chain(signs).collect())
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;

    use super::*;

    fn tokens(sql: &str) -> Vec<String> {
        let dialect = PostgreSqlDialect {};
        let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().unwrap();
        let split = split_signs(tokens, &dialect);
        split.iter().map(|token| format!("{}@{}", token.token, token.span.start.column)).collect()
    }

    #[test]
    fn a_sign_behind_an_operator_is_one_of_its_own() {
        assert_eq!(tokens("a->>-1"), ["a@1", "->>@2", "-@5", "1@6"]);
        assert_eq!(tokens("a->-1"), ["a@1", "->@2", "-@4", "1@5"]);
        assert_eq!(tokens("a->>+-1"), ["a@1", "->>@2", "+@5", "-@6", "1@7"]);
        assert_eq!(tokens("a>=-1"), ["a@1", ">=@2", "-@4", "1@5"]);
        // PostgreSQL takes this one whole.
        assert_eq!(tokens("a||-1"), ["a@1", "||-@2", "1@5"]);
    }
}

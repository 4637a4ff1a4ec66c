//! PostgreSQL's dialect with a bound on the parser's work.
//!
//! The parser tries alternatives and goes back, and some of them nest: `f(f(f(…)))` doubles its time with every level, and
//! broken text such as `cast(cast(…` does worse, so a few hundred bytes could keep it busy for hours. Each expression it
//! begins is counted here; a text that takes many times more than it has tokens is refused. Labels of arguments that are
//! expressions, as in `json_object('a': 1)`, are off: they alone cause the doubling, and no function of ours takes them.
//!
//! `x isnull`, of which the parser makes a column named so, and `between symmetric` are read here too.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Expressions that the parser may begin for each token; usual SQL takes fewer than two.
const WORK_PER_TOKEN: usize = 50;

/// Expressions that the parser may begin in any text.
const WORK_ANYWAY: usize = 10_000;

/// PostgreSQL's dialect for one text.
#[derive(Debug)]
pub(super) struct BoundedPostgres {
    postgres: PostgreSqlDialect,
    work_left: Cell<usize>,
}

impl BoundedPostgres {
    /// Makes the dialect for tokenizing; [`Self::allow`] sets the bound once the tokens are known.
    pub(super) fn new() -> Self {
        Self { postgres: PostgreSqlDialect {}, work_left: Cell::new(WORK_ANYWAY) }
    }

    /// Allows the work for a number of tokens.
    pub(super) fn allow(&self, tokens: usize) {
        self.work_left.set(tokens.saturating_mul(WORK_PER_TOKEN).saturating_add(WORK_ANYWAY));
    }

    /// Tells whether the parser has used up its work, in which case its error means nothing.
    pub(super) fn is_exhausted(&self) -> bool {
        self.work_left.get() == 0
    }
}

impl BoundedPostgres {
    /// Reads the bounds of `between symmetric`, which may come in either order.
    fn between(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        negated: bool,
        is_symmetric: bool,
    ) -> Result<Expr, ParserError> {
        let low = parser.parse_subexpr(self.prec_value(Precedence::Between))?;
        parser.expect_keyword_is(Keyword::AND)?;
        let high = parser.parse_subexpr(self.prec_value(Precedence::Between))?;
        // Each stands twice in what is made, and may itself be made so.
        let copied = [expr, &low, &high].map(|expr| expr.to_string().len()).iter().sum();
        let left = self.work_left.get().saturating_sub(copied);
        self.work_left.set(left);
        if left == 0 {
            return Err(ParserError::RecursionLimitExceeded);
        }
        let one = |low: &Expr, high: &Expr| {
            let (expr, low, high) = (Box::new(expr.clone()), Box::new(low.clone()), Box::new(high.clone()));
            Expr::Between { expr, negated, low, high }
        };
        if !is_symmetric {
            return Ok(one(&low, &high));
        }
        let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
        let (left, right) = (Box::new(one(&low, &high)), Box::new(one(&high, &low)));
        Ok(Expr::Nested(Box::new(Expr::BinaryOp { left, op, right })))
    }
}

/// Says whether a token is a word, without quotes.
fn is_word(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// Forwards what PostgreSQL's dialect supports.
macro_rules! forward {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            self.postgres.$name()
        })*
    };
}

impl Dialect for BoundedPostgres {
    /// The parser asks for PostgreSQL by type in places.
    fn dialect(&self) -> TypeId {
        self.postgres.dialect()
    }

    fn parse_prefix(&self, _parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let left = self.work_left.get().saturating_sub(1);
        self.work_left.set(left);
        // The one error that the parser does not answer with another try.
        (left == 0).then_some(Err(ParserError::RecursionLimitExceeded))
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.postgres.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.postgres.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.postgres.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.postgres.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.postgres.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.postgres.is_custom_operator_part(ch)
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        if is_word(&parser.peek_token_ref().token, "isnull") {
            parser.next_token();
            return Some(Ok(Expr::IsNull(Box::new(expr.clone()))));
        }
        let is_negated = is_word(&parser.peek_token_ref().token, "not");
        let between = usize::from(is_negated);
        let follows = |at: usize, word: &str| is_word(&parser.peek_nth_token_ref(at).token, word);
        let is_symmetric = follows(between + 1, "symmetric");
        if !follows(between, "between") || !(is_symmetric || follows(between + 1, "asymmetric")) {
            return None;
        }
        for _ in 0..between + 2 {
            parser.next_token();
        }
        Some(self.between(parser, expr, is_negated, is_symmetric))
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        if is_word(&parser.peek_token_ref().token, "isnull") {
            return Some(Ok(self.prec_value(Precedence::Is)));
        }
        self.postgres.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.postgres.prec_value(precedence)
    }

    fn allow_extract_custom(&self) -> bool {
        self.postgres.allow_extract_custom()
    }

    fn allow_extract_single_quotes(&self) -> bool {
        self.postgres.allow_extract_single_quotes()
    }

    forward!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    );
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    #[test]
    fn it_parses_as_postgresql_does() {
        for sql in [
            "select a->>'b' = 'c', a #>> '{x}' || 'y', a ? 'k', 2 ^ 3, 5 !, !! 5, ~ 1, a @> b, a !~* b, 1 << 2 from t",
            "select count(*) filter (where a notnull) from t group by rollup (a), (b)",
            "select E'\\n' || U&'\\0061' || N'x' || X'ff' || $q$z$q$, 1_000, interval '1' day, interval '1 day'",
            "select a[1:2], array[1, 2]::int[], b collate \"C\", c at time zone 'UTC' from \"T\" as t(a, b, c)",
            "explain (analyze, verbose) select extract('day' from a), extract(foo from a), trim(both ' ' from b)",
            "select f(a => 1, 2), substring(a from 1 for 2), position('a' in b), cast(a as int), a is distinct from b",
            "insert into t as x (a) values (1) on conflict do nothing returning a; comment on table t is 'x'",
            "create table t (like u); create index i on t(a) with (x = 1); set names 'utf8'; listen a; load 'x'",
            "select from t; select * a from t; select point '1,2', é from t; /* a /* b */ c */ select not 1 = 2",
        ] {
            let ours = DFParser::parse_sql_with_dialect(sql, &BoundedPostgres::new());
            let theirs = DFParser::parse_sql_with_dialect(sql, &PostgreSqlDialect {});
            let shown = |parsed: Result<std::collections::VecDeque<_>, datafusion::error::DataFusionError>| {
                parsed.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()).map_err(|e| e.to_string())
            };
            let (ours, theirs) = (shown(ours), shown(theirs));
            assert!(theirs.is_ok(), "{sql}: {theirs:?}");
            assert_eq!(ours, theirs, "{sql}");
        }
    }

    #[test]
    fn what_it_reads_beyond_that_is_postgresqls_too() {
        let parsed = |sql: &str| {
            let dialect = BoundedPostgres::new();
            let parsed = DFParser::parse_sql_with_dialect(sql, &dialect);
            parsed
                .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
                .map_err(|e| e.to_string())
        };
        for (sql, expected) in [
            ("select 1 isnull, a isnull = b", "SELECT 1 IS NULL, a IS NULL = b"),
            (
                "select isnull, a as isnull, isnull(a), a \"isnull\" from t",
                "SELECT isnull, a AS isnull, isnull(a), a AS \"isnull\" FROM t",
            ),
            ("select not a isnull and b", "SELECT NOT a IS NULL AND b"),
            ("select a between symmetric 1 and 2", "SELECT (a BETWEEN 1 AND 2 OR a BETWEEN 2 AND 1)"),
            (
                "select a not between symmetric 1 + 1 and 2 and b",
                "SELECT (a NOT BETWEEN 1 + 1 AND 2 AND a NOT BETWEEN 2 AND 1 + 1) AND b",
            ),
            ("select a between asymmetric 1 and 2", "SELECT a BETWEEN 1 AND 2"),
        ] {
            assert_eq!(parsed(sql).unwrap(), expected, "{sql}");
        }
        let nested = (0..40).fold("1".to_owned(), |inner, _| format!("(a between symmetric {inner} and 2)"));
        assert!(parsed(&format!("select {nested}")).is_err());
    }
}

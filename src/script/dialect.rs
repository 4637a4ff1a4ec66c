//! PostgreSQL's dialect with a bound on the parser's work.
//!
//! The parser tries alternatives and goes back, and some of them nest: `f(f(f(…)))` doubles its time with every level, and
//! broken text such as `cast(cast(…` does worse, so a few hundred bytes could keep it busy for hours. Each expression it
//! begins is counted here; a text that takes many times more than it has tokens is refused. Labels of arguments that are
//! expressions, as in `json_object('a': 1)`, are off: they alone cause the doubling, and no function of ours takes them.

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

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

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
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
}

//! Names the columns of a select list that have no name, before a statement is planned.
//!
//! DataFusion names them after its own expressions (`Int64(1)`, `count(*)`, `workflow_sessions.queue` for a cast of it), and refuses two that are
//! alike. Here they have the names that PostgreSQL gives: a call is named after its function (`count`), a cast after what is cast or its type
//! (`started_at`, `int4`), `case` and `exists` are `case` and `exists`. What PostgreSQL calls `?column?` is named after its text, as it would be
//! written (`1`, `ended_at - started_at`), since outputs have keys and people read them. Where two would be alike, the second gets a number
//! (`count_2`): an output's columns have names of their own. Names that a query gives itself stay, and two of those are an error.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Ident, Query, Select, SelectItem, SetExpr, TimezoneInfo, TrimWhereField, Value, Visit, Visitor,
};

use super::words::folded;

/// The bytes that an identifier of PostgreSQL has at most.
const LONGEST_BYTES: usize = 63;

/// Names the columns of one select list.
pub(super) fn name(select: &mut Select) {
    let mut taken: HashSet<String> = select.projection.iter().filter_map(given).collect();
    let has_wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    // DataFusion puts the expression of an alias into HAVING, where PostgreSQL sees columns of the tables only.
    let mut elsewhere = Mentioned(HashSet::new());
    let _ = select.having.visit(&mut elsewhere);
    let _ = select.qualify.visit(&mut elsewhere);
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if is_column(expr) || is_spread(expr) {
            continue;
        }
        let found =
            figured(expr).filter(|found| !(has_wildcard && found.of_column || elsewhere.0.contains(&found.name)));
        let name = cut(found.map_or_else(|| expr.to_string(), |found| found.name));
        let name = match taken.contains(&name) {
            false => name,
            true => (2_usize..).map(|n| format!("{name}_{n}")).find(|name| !taken.contains(name)).unwrap_or(name),
        };
        taken.insert(name.clone());
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
    }
}

/// The name that a query gives to a column itself.
fn given(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expr) if is_column(expr) => figured(expr).map(|found| found.name),
        _ => None,
    }
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_column(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => true,
        _ => false,
    }
}

/// Says whether an expression may be several columns, which DataFusion names.
fn is_spread(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_spread(inner),
        Expr::Function(call) => call.name.to_string().eq_ignore_ascii_case("unnest"),
        _ => false,
    }
}

fn cut(mut name: String) -> String {
    while name.len() > LONGEST_BYTES {
        name.pop();
    }
    name
}

/// A name that PostgreSQL gives.
struct Figured {
    name: String,
    /// Whether it gives way to that of a type.
    is_weak: bool,
    /// Whether it is that of a column.
    of_column: bool,
}

impl Figured {
    fn of(name: impl Into<String>) -> Option<Self> {
        Some(Self { name: name.into(), is_weak: false, of_column: false })
    }
}

/// The name that PostgreSQL gives to an expression; `None` is its `?column?`.
fn figured(expr: &Expr) -> Option<Figured> {
    match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figured(inner),
        Expr::Identifier(ident) => Some(Figured { name: folded(ident), is_weak: false, of_column: true }),
        Expr::CompoundIdentifier(idents) => {
            idents.last().map(|ident| Figured { name: folded(ident), is_weak: false, of_column: true })
        }
        Expr::CompoundFieldAccess { root, .. } => figured(root),
        Expr::Function(call) => {
            let ident = call.name.0.last()?.as_ident()?;
            Figured::of(folded(ident))
        }
        Expr::Cast { expr, data_type, .. } | Expr::Convert { expr, data_type: Some(data_type), .. } => {
            figured(expr).filter(|inner| !inner.is_weak).or_else(|| of_type(data_type))
        }
        Expr::TypedString(typed) => of_type(&typed.data_type),
        Expr::Interval(_) => of_type(&DataType::Interval { fields: None, precision: None }),
        Expr::Value(value) => match value.value {
            Value::Boolean(_) => of_type(&DataType::Bool),
            _ => None,
        },
        Expr::Case { else_result, .. } => else_result
            .as_ref()
            .and_then(|otherwise| figured(otherwise))
            .filter(|found| !found.is_weak)
            .or_else(|| Some(Figured { name: "case".to_owned(), is_weak: true, of_column: false })),
        Expr::Exists { negated: false, .. } => Figured::of("exists"),
        Expr::Subquery(query) => of_query(query),
        Expr::Array(array) if array.named => Figured::of("array"),
        Expr::Extract { .. } => Figured::of("extract"),
        Expr::AtTimeZone { .. } => Figured::of("timezone"),
        Expr::Ceil { .. } => Figured::of("ceil"),
        Expr::Floor { .. } => Figured::of("floor"),
        Expr::Position { .. } => Figured::of("position"),
        Expr::Substring { shorthand, .. } => Figured::of(if *shorthand { "substr" } else { "substring" }),
        Expr::Overlay { .. } => Figured::of("overlay"),
        Expr::Trim { trim_where, .. } => Figured::of(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Tuple(_) => Figured::of("row"),
        _ => None,
    }
}

/// The name of the first column of a query.
fn of_query(query: &Query) -> Option<Figured> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    match select.projection.first()? {
        SelectItem::ExprWithAlias { alias, .. } => Figured::of(folded(alias)),
        SelectItem::UnnamedExpr(expr) => figured(expr),
        _ => None,
    }
}

/// What PostgreSQL calls a type inside.
fn of_type(data_type: &DataType) -> Option<Figured> {
    let name = match data_type {
        DataType::Bool | DataType::Boolean => "bool",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::Float(_) | DataType::Float8 | DataType::Double(_) | DataType::DoublePrecision => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => "varchar",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Text => "text",
        DataType::Date => "date",
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => "timestamptz",
        DataType::Timestamp(..) => "timestamp",
        DataType::Time(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => "timetz",
        DataType::Time(..) => "time",
        DataType::Interval { .. } => "interval",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Bytea => "bytea",
        DataType::Uuid => "uuid",
        other => &other.to_string().to_lowercase(),
    };
    Some(Figured { name: name.to_owned(), is_weak: true, of_column: false })
}

/// The names that stand in an expression without that of a table.
struct Mentioned(HashSet<String>);

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            self.0.insert(folded(ident));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// The names of the columns of a query; those that it does not give to them.
    fn names(list: &str) -> String {
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &format!("select {list}")).unwrap().remove(0);
        let Statement::Query(query) = parsed else { panic!("{list} is no query") };
        let SetExpr::Select(mut select) = *query.body else { panic!("{list} is no select") };
        name(&mut select);
        select
            .projection
            .iter()
            .map(|item| given(item).unwrap_or_else(|| item.to_string()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn columns_have_the_names_that_postgresql_gives_or_their_text() {
        for (list, expected) in [
            ("1, 'x', null, a + 1, not b", "1, 'x', NULL, a + 1, NOT b"),
            ("1, 1, 1", "1, 1_2, 1_3"),
            ("count(*), Count(a), count_2, sum(a) as count_3", "count, count_4, count_2, count_3"),
            ("a::int, a::bigint, t.a, \"A\"::text", "a_2, a_3, a, A"),
            ("'1'::int, '1'::int8, cast('x' as varchar(3)), 1.5::double precision", "int4, int8, varchar, float8"),
            (
                "true, date '2026-01-01', timestamptz '2026-01-01', interval '1 day'",
                "bool, date, timestamptz, interval",
            ),
            (
                "case when a then 1 end, case when a then 1 else b end, case when a then 1 else 2 end::int",
                "case, b, int4",
            ),
            (
                "exists (select 1), not exists (select 1), (select max(a) from t), (select 1 as one)",
                "exists, NOT EXISTS (SELECT 1), max, one",
            ),
            (
                "extract(hour from a), a at time zone 'UTC', substring(a from 2), trim(leading 'x' from a)",
                "extract, timezone, substring, ltrim",
            ),
            ("count(*) over (), array[1, 2], array[1, 2][1], (a)", "count, array, array_2, a"),
            ("*, a::int, count(*)", "*, a::INT, count"),
            ("data->>'queue'", "data ->> 'queue'"),
        ] {
            assert_eq!(names(list), expected, "{list}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let name = names(&format!("'{}'", "ä".repeat(50)));
        assert_eq!(name, format!("'{}", "ä".repeat(31)));
    }

    #[test]
    fn a_name_that_having_mentions_is_not_given() {
        assert_eq!(names("a::int, count(*) from t group by a having a > 1"), "a::INT, count");
    }
}

//! `array(subquery)`: the values of a subquery as a list, in words that DataFusion knows.
//!
//! It is `coalesce(array_agg(x), array[])`, and where the subquery is ordered `array_agg(x order by …)`, since the order of rows alone promises an
//! aggregate nothing. A plain subquery gets that in the place of its column, so that it may depend on the row around it. One that has
//! groups, aggregates, windows, `distinct` or a limit stands in `from`; where such a one has a limit and an order, its rows are numbered behind
//! both. What is ordered after groups or `distinct` and has no limit is left to DataFusion, which refuses it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident, LimitClause, OrderByExpr,
    OrderByKind, OrderByOptions, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Value, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::words::{call, is_named};

/// What has the values of a subquery in `from`, and their order.
const UNORDERED: &str = "select 1 from (select 1) as rows_of_subquery(value_1)";
const NUMBERED: &str = "select 1 from (select value_1, row_number() over () from (select 1) as rows_of_limit(value_1)) as \
     rows_of_subquery(value_1, place)";

/// Aggregates that a plain select may have in its list: such a one has a row of its own.
const AGGREGATES: [&str; 22] = [
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "every",
    "first_value",
    "last_value",
    "max",
    "median",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "stddev",
    "string_agg",
    "sum",
    "variance",
];

/// Returns the subquery whose values a call of `array` gathers; `None` for other expressions.
pub(super) fn rows(expr: &Expr) -> Option<Box<Query>> {
    match expr {
        Expr::Nested(inner) => rows(inner),
        Expr::Function(function) if is_named(function, "array") => match &function.args {
            FunctionArguments::Subquery(query) => Some(query.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Returns what stands for a call of `array` on a subquery; `None` for other expressions, and for subqueries that are left alone.
pub(super) fn value(expr: &Expr) -> Option<Expr> {
    let Expr::Function(Function { args: FunctionArguments::Subquery(query), .. }) = expr else { return None };
    let Expr::Function(function) = expr else { return None };
    if !is_named(function, "array") {
        return None;
    }
    let order = match &query.order_by {
        None => Vec::new(),
        Some(order) => match &order.kind {
            OrderByKind::Expressions(keys) => keys.clone(),
            OrderByKind::All(_) => return None,
        },
    };
    let has_limit = query.limit_clause.as_ref().is_some_and(has_limit) || query.fetch.is_some();
    let gathered = match (column_of_plain(query), has_limit, order.is_empty()) {
        (Some((column, alias)), false, _) => {
            let keys = order.into_iter().map(|key| OrderByExpr { expr: meant(key.expr, &column, alias), ..key });
            let mut plain = (**query).clone();
            plain.order_by = None;
            let item = SelectItem::UnnamedExpr(list_of(column.clone(), keys.collect()));
            if let SetExpr::Select(select) = plain.body.as_mut() {
                select.projection = vec![item];
            }
            plain
        }
        (_, _, true) => around(query, UNORDERED, Vec::new())?,
        (_, true, false) => {
            let options = OrderByOptions { asc: None, nulls_first: None };
            let key = OrderByExpr { expr: Expr::Identifier(Ident::new("place")), options, with_fill: None };
            around(query, NUMBERED, vec![key])?
        }
        _ => return None,
    };
    Some(Expr::Subquery(Box::new(gathered)))
}

fn has_limit(clause: &LimitClause) -> bool {
    !matches!(clause, LimitClause::LimitOffset { limit: None, offset: None, .. })
}

/// Puts a query into the `from` of another that gathers its column.
fn around(query: &Query, outer: &str, order: Vec<OrderByExpr>) -> Option<Query> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, outer).ok()?;
    let Statement::Query(mut gathered) = statements.pop()? else { return None };
    let select = select_of(&mut gathered)?;
    let column = Expr::Identifier(Ident::new("value_1"));
    select.projection = vec![SelectItem::UnnamedExpr(list_of(column, order))];
    let mut place = rows_of(select)?;
    if outer == NUMBERED {
        place = rows_of(select_of(place)?)?;
    }
    *place = query.clone();
    Some(*gathered)
}

fn select_of(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

/// Returns the subquery in the `from` of a select.
fn rows_of(select: &mut Select) -> Option<&mut Query> {
    match &mut select.from.first_mut()?.relation {
        TableFactor::Derived { subquery, .. } => Some(subquery),
        _ => None,
    }
}

/// Returns the column of a select without groups, aggregates, windows and `distinct`, with its name; `None` for other queries.
fn column_of_plain(query: &Query) -> Option<(Expr, Option<&Ident>)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if is_grouped || select.distinct.is_some() || select.having.is_some() || select.qualify.is_some() {
        return None;
    }
    let (column, alias) = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(column)] => (column, None),
        [SelectItem::ExprWithAlias { expr, alias }] => (expr, Some(alias)),
        _ => return None,
    };
    let of_rows = |expr: &Expr| match expr {
        Expr::Function(function)
            if function.over.is_some() || AGGREGATES.iter().any(|name| is_named(function, name)) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(column, of_rows).is_continue().then(|| (column.clone(), alias))
}

/// Returns what a key of an order means: the column by its number or its name, or itself.
fn meant(key: Expr, column: &Expr, alias: Option<&Ident>) -> Expr {
    match &key {
        Expr::Value(value) if matches!(&value.value, Value::Number(text, _) if text == "1") => column.clone(),
        Expr::Identifier(name) if alias.is_some_and(|alias| alias.value.eq_ignore_ascii_case(&name.value)) => {
            column.clone()
        }
        _ => key,
    }
}

/// The values of an expression in an order, none of which are a list, too.
fn list_of(value: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut gathered = call("array_agg", vec![value]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut gathered
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    call("coalesce", vec![gathered, Expr::Array(ast::Array { elem: Vec::new(), named: true })])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_subquery_gathers_its_column_and_others_stand_in_from() {
        let rewritten = |text: &str| {
            let expr = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).unwrap().parse_expr().unwrap();
            value(&expr).map(|value| value.to_string())
        };
        let list = |values: &str| format!("coalesce(array_agg({values}), ARRAY[])");
        for (text, expected) in [
            ("array(select v from t where k = a)", format!("(SELECT {} FROM t WHERE k = a)", list("v"))),
            (
                "array(select lower(v) as x from t order by x desc, k)",
                format!("(SELECT {} FROM t)", list("lower(v) ORDER BY lower(v) DESC, k")),
            ),
            ("array(select v from t order by 1)", format!("(SELECT {} FROM t)", list("v ORDER BY v"))),
            (
                "array(select count(*) from t)",
                format!("(SELECT {} FROM (SELECT count(*) FROM t) AS rows_of_subquery (value_1))", list("value_1")),
            ),
            (
                "array(select v from t order by v limit 2)",
                format!(
                    "(SELECT {} FROM (SELECT value_1, row_number() OVER () FROM (SELECT v FROM t ORDER BY v LIMIT 2) \
                     AS rows_of_limit (value_1)) AS rows_of_subquery (value_1, place))",
                    list("value_1 ORDER BY place")
                ),
            ),
        ] {
            assert_eq!(rewritten(text), Some(expected), "{text}");
        }
        assert_eq!(rewritten("array(select distinct v from t order by v)"), None);
        assert_eq!(rewritten("lower((select v from t))"), None);
    }
}

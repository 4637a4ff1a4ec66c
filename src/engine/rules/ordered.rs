//! What an expression of ORDER BY names: columns of FROM, as in every other clause.
//!
//! A name alone in ORDER BY is a column of the answer before it is one of FROM. In an expression it is one of FROM only; DataFusion 55.2 looks into the
//! answer first there too, so that `select -a as a … order by a + 0` came in the opposite order. Where an answer's column is made of one of its own name,
//! the expression is computed as another column of the select list, which is left out when all is sorted.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Expr, Ident, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr, TableFactor, TableWithJoins,
    Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::words::folded;

/// What the columns are called that a query is sorted by, with a number behind.
const HIDDEN: &str = "__sorted_by_";

/// Lets the expressions of a query's ORDER BY see the columns of FROM.
pub(super) fn see_inputs(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let Some(order_by) = &mut query.order_by else { return };
    let OrderByKind::Expressions(keys) = &mut order_by.kind else { return };
    let is_named = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { .. } | SelectItem::UnnamedExpr(_));
    if select.distinct.is_some() || !select.projection.iter().all(is_named) {
        return;
    }
    // Columns of the answer that are not those of FROM of the same name, and of these the ones that are made of such a column.
    let (mut others, mut hiding) = (HashSet::new(), HashSet::new());
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { expr, alias } = item
            && !is_column(expr, &folded(alias))
        {
            let name = folded(alias);
            if names_of(expr).plain.contains(&name) {
                hiding.insert(name.clone());
            }
            others.insert(name);
        }
    }
    let is_hidden = |key: &OrderByExpr| {
        let names = names_of(&key.expr);
        let is_alone = matches!(key.expr, Expr::Identifier(_));
        (!is_alone && !names.plain.is_disjoint(&hiding)) || !names.of_tables.is_disjoint(&others)
    };
    if !keys.iter().any(is_hidden) {
        return;
    }
    let outputs: HashSet<String> = select.projection.iter().filter_map(output).collect();
    let Some(mut sorted) = shell() else { return };
    let SetExpr::Select(outer) = sorted.body.as_mut() else { return };
    let [SelectItem::Wildcard(options)] = outer.projection.as_mut_slice() else { return };
    let [TableWithJoins { relation: TableFactor::Derived { subquery, .. }, .. }] = outer.from.as_mut_slice() else {
        return;
    };
    std::mem::swap(&mut subquery.body, &mut query.body);
    let SetExpr::Select(inner) = subquery.body.as_mut() else { return };
    let mut hidden: Vec<Ident> = Vec::new();
    for key in keys.iter_mut() {
        let stays = match &key.expr {
            Expr::Identifier(name) => outputs.contains(&folded(name)),
            Expr::Value(value) => matches!(value.value, Value::Number(..)),
            _ => false,
        };
        if !stays {
            let name = Ident::with_quote('"', format!("{HIDDEN}{}", hidden.len() + 1));
            let expr = std::mem::replace(&mut key.expr, Expr::Identifier(name.clone()));
            inner.projection.push(SelectItem::ExprWithAlias { expr, alias: name.clone() });
            hidden.push(name);
        }
    }
    let mut hidden = hidden.into_iter();
    options.opt_except =
        hidden.next().map(|first_element| ExceptSelectItem { first_element, additional_elements: hidden.collect() });
    query.body = sorted.body;
}

/// A query for all of a subquery, which is to be put in.
fn shell() -> Option<Box<Query>> {
    let text = format!("select * from (select 1) as \"{HIDDEN}\"");
    Parser::new(&GenericDialect {}).try_with_sql(&text).ok()?.parse_query().ok()
}

/// Names in an expression, but for those in its subqueries.
#[derive(Default)]
struct Names {
    /// Those that stand alone.
    plain: HashSet<String>,
    /// Those of columns behind a table's.
    of_tables: HashSet<String>,
    depth: usize,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) if self.depth == 0 => drop(self.plain.insert(folded(name))),
            Expr::CompoundIdentifier(parts) if self.depth == 0 => self.of_tables.extend(parts.last().map(folded)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn names_of(expr: &Expr) -> Names {
    let mut names = Names::default();
    let _ = expr.visit(&mut names);
    names
}

/// Says whether an expression is a column of this name, whichever table's.
fn is_column(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Identifier(column) => folded(column) == name,
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|column| folded(column) == name),
        _ => false,
    }
}

/// The name of a column of the answer, if the query says it.
fn output(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(folded(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        _ => None,
    }
}

//! The column of a function in `from`: PostgreSQL names it after the function's alias.
//!
//! `select g + 1 from generate_series(1, 3) g` names a column that DataFusion calls `value`. Where a query names a column so, and no `value`, the alias gets
//! a list of that one name.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, visit_expressions,
};

use super::words::folded;

/// DataFusion's name of the column of a series.
const STOCK: &str = "value";

/// Names the columns of functions in the `from` of a query, but for those of its subqueries.
pub(super) fn name_columns(query: &mut Query) {
    if !has_function(&query.body) {
        return;
    }
    let mut names = HashSet::new();
    let _ = visit_expressions(query, |expr| {
        match expr {
            Expr::Identifier(name) => {
                names.insert(folded(name));
            }
            Expr::CompoundIdentifier(parts) => names.extend(parts.last().map(folded)),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    if !names.contains(STOCK) {
        name_in(&mut query.body, &names);
    }
}

fn name_in(body: &mut SetExpr, names: &HashSet<String>) {
    match body {
        SetExpr::Select(select) => {
            for table in &mut select.from {
                let joined = table.joins.iter_mut().map(|join| &mut join.relation);
                for factor in std::iter::once(&mut table.relation).chain(joined) {
                    if let Some(alias) = alias_of(factor)
                        && names.contains(&folded(&alias.name))
                    {
                        alias.columns = vec![TableAliasColumnDef { name: alias.name.clone(), data_type: None }];
                    }
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            name_in(left, names);
            name_in(right, names);
        }
        _ => {}
    }
}

/// Says whether there is a function in `from`, so that queries without one are not gone through.
fn has_function(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.from.iter().any(|table| {
            let mut factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
            factors.any(|factor| {
                matches!(
                    factor,
                    TableFactor::Table { args: Some(_), .. }
                        | TableFactor::UNNEST { .. }
                        | TableFactor::Function { .. }
                )
            })
        }),
        SetExpr::SetOperation { left, right, .. } => has_function(left) || has_function(right),
        _ => false,
    }
}

/// The alias of a function that makes one column, if it names no columns.
fn alias_of(factor: &mut TableFactor) -> Option<&mut TableAlias> {
    let alias = match factor {
        TableFactor::Table { args: Some(_), name, alias, .. }
            if ["generate_series", "range"].iter().any(|series| name.to_string().eq_ignore_ascii_case(series)) =>
        {
            alias.as_mut()
        }
        // Behind LATERAL.
        TableFactor::Function { name, args, alias, .. }
            if ["generate_series", "range"].iter().any(|series| name.to_string().eq_ignore_ascii_case(series))
                || args.len() == 1 && name.to_string().eq_ignore_ascii_case("unnest") =>
        {
            alias.as_mut()
        }
        TableFactor::UNNEST { alias, array_exprs, with_offset: false, .. } if array_exprs.len() == 1 => alias.as_mut(),
        _ => None,
    };
    alias.filter(|alias| alias.columns.is_empty())
}

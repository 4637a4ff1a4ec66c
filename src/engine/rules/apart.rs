//! Tells calls apart of which DataFusion makes one name.
//!
//! DataFusion 55 leaves casts out of the names of expressions, so that `sum(x::int)` and `sum(x::double precision)` are two columns of one
//! name below the select list, which it refuses. The second gets a `coalesce` of one argument around its cast, which is in its
//! name and gives what it is given.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Select, VisitMut, VisitorMut,
};

use super::words::call;

/// Rewrites the calls of a select list and of HAVING.
pub(super) fn tell(select: &mut Select) {
    let mut calls = Calls(HashMap::new());
    let _ = select.projection.visit(&mut calls);
    let _ = select.having.visit(&mut calls);
}

/// The calls of each name without casts.
struct Calls(HashMap<String, Vec<String>>);

impl VisitorMut for Calls {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let whole = expr.to_string();
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let mut bare = Expr::Function(function.clone());
        let _ = bare.visit(&mut WithoutCasts);
        let known = self.0.entry(bare.to_string()).or_default();
        let place = known.iter().position(|other| *other == whole).unwrap_or_else(|| {
            known.push(whole);
            known.len() - 1
        });
        if let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
        {
            for _ in 0..place {
                *first = call("coalesce", vec![first.clone()]);
            }
        }
        ControlFlow::Continue(())
    }
}

struct WithoutCasts;

impl VisitorMut for WithoutCasts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr: inner, .. } = expr {
            *expr = (**inner).clone();
        }
        ControlFlow::Continue(())
    }
}

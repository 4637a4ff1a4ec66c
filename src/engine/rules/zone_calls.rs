//! Brings what PostgreSQL's grammar says of time zones into a form that DataFusion plans: `at time zone` as a call of `timezone`, and
//! `set time zone` as the setting.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, VisitorMut};

use super::visit;

/// Makes `t at time zone zone` the call of `timezone(zone, t)`, as PostgreSQL's grammar does.
pub fn with_zone_calls(mut statement: Statement) -> Statement {
    if let Statement::Statement(statement) = &mut statement
        && let ast::Statement::Set(set) = statement.as_mut()
        && let ast::Set::SetTimeZone { local: false, value } = set
    {
        let variable = ast::ObjectName::from(vec![ast::Ident::new("timezone")]);
        *set = ast::Set::SingleAssignment { scope: None, hivevar: false, variable, values: vec![value.clone()] };
    }
    visit(&mut statement, &mut Calls);
    statement
}

struct Calls;

impl VisitorMut for Calls {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::AtTimeZone { timestamp, time_zone } = expr {
            let argument = |expr: &ast::Expr| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr.clone()));
            let args = vec![argument(time_zone), argument(timestamp)];
            *expr = ast::Expr::Function(ast::Function {
                name: ast::ObjectName::from(vec![ast::Ident::new("timezone")]),
                uses_odbc_syntax: false,
                parameters: ast::FunctionArguments::None,
                args: ast::FunctionArguments::List(ast::FunctionArgumentList {
                    duplicate_treatment: None,
                    args,
                    clauses: Vec::new(),
                }),
                filter: None,
                null_treatment: None,
                over: None,
                within_group: Vec::new(),
            });
        }
        ControlFlow::Continue(())
    }
}

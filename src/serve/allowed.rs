//! The statements that a server lets through: those that read, and nothing else.
//!
//! Looked at twice: as it was written, and as it was planned. What is not known is refused, so a statement that a later parser learns is
//! refused until someone has thought about it.

use std::ops::ControlFlow;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{LogicalPlan, Statement as Planned};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Query, Select, SetExpr, Statement as Ast, Visit, Visitor};

use super::users::Caller;
use crate::error::{Error, Result};
use crate::script::{Access, Script, Statement};

const HINT: &str = "a server only reads: ask with SELECT, WITH, VALUES, SHOW, DESCRIBE or EXPLAIN";

/// Columns that a SELECT may write out, as many as PostgreSQL takes: the time that planning takes grows with their square, and nothing stops it.
const MOST_COLUMNS: usize = 1_664;

/// Refuses a statement that does more than to read.
///
/// # Errors
/// The statement's kind, with its place.
pub fn require_reading(caller: &Caller, script: &Script, statement: &Statement) -> Result<()> {
    if let Access::Writes(what) = statement.access() {
        return Err(script.error_at(statement, format!("the statement is {what}"), HINT));
    }
    require_columns(script, statement)?;
    match &statement.parsed {
        Parsed::Statement(ast) => match ast.as_ref() {
            Ast::Query(_)
            | Ast::ShowVariable { .. }
            | Ast::ShowVariables { .. }
            | Ast::ShowFunctions { .. }
            | Ast::ShowColumns { .. }
            | Ast::ShowTables { .. }
            | Ast::ExplainTable { .. } => Ok(()),
            Ast::Explain { .. } => require_open(caller, script, statement),
            _ => Err(refused(script, statement)),
        },
        Parsed::Explain(explain) => {
            // What it explains must be a question itself; that it writes nothing was seen above.
            match explain.statement.as_ref() {
                Parsed::Statement(ast) if matches!(ast.as_ref(), Ast::Query(_)) => {}
                _ => return Err(refused(script, statement)),
            }
            require_open(caller, script, statement)
        }
        _ => Err(refused(script, statement)),
    }
}

/// Refuses statements that write out more columns than there may be, also within.
fn require_columns(script: &Script, statement: &Statement) -> Result<()> {
    let mut parsed = &statement.parsed;
    while let Parsed::Explain(explain) = parsed {
        parsed = &explain.statement;
    }
    let Parsed::Statement(ast) = parsed else { return Ok(()) };
    match ast.visit(&mut Columns) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(columns) => {
            let message = format!("a SELECT asks for {columns} columns, and {MOST_COLUMNS} columns are the most");
            Err(script.error_at(
                statement,
                message,
                "ask for some of them at a time, or for rows in the place of columns",
            ))
        }
    }
}

/// Looks for more columns than there may be.
struct Columns;

impl Visitor for Columns {
    type Break = usize;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<usize> {
        match query.body.as_ref() {
            SetExpr::Values(values) => few(values.rows.iter().map(|row| row.content.len()).max().unwrap_or(0)),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<usize> {
        few(select.projection.len())
    }
}

fn few(columns: usize) -> ControlFlow<usize> {
    if columns > MOST_COLUMNS { ControlFlow::Break(columns) } else { ControlFlow::Continue(()) }
}

/// A plan tells of files and rows as they are.
fn require_open(caller: &Caller, script: &Script, statement: &Statement) -> Result<()> {
    if caller.guard.is_open() {
        return Ok(());
    }
    let message = "EXPLAIN tells of more than this user may see";
    Err(script.error_at(statement, message, "ask without EXPLAIN, or as a user who may see everything"))
}

fn refused(script: &Script, statement: &Statement) -> Error {
    let first = statement.text().split_whitespace().next().unwrap_or("statement").to_uppercase();
    script.error_at(statement, format!("{first} is not for a server"), HINT)
}

/// Refuses a plan that does more than to read, wherever in it.
///
/// # Errors
/// A usage error that names the kind of the node.
pub(super) fn require_reading_plan(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        let what = match node {
            LogicalPlan::Dml(_) => "a change of rows",
            LogicalPlan::Ddl(_) => "a definition",
            LogicalPlan::Copy(_) => "a COPY",
            LogicalPlan::Statement(Planned::SetVariable(_) | Planned::ResetVariable(_)) => "a change of a setting",
            LogicalPlan::Statement(_) => "a statement of sessions",
            LogicalPlan::Extension(_) => "a node that no question has",
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        found = Some(what);
        Ok(TreeNodeRecursion::Stop)
    })?;
    match found {
        Some(what) => Err(Error::usage(format!("the plan has {what}")).with_hint(HINT)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::parse;

    fn allowed(sql: &str, caller: &Caller) -> bool {
        let script = parse("sql", sql).unwrap();
        script.statements.iter().all(|statement| require_reading(caller, &script, statement).is_ok())
    }

    #[test]
    fn questions_are_let_through_and_nothing_else() {
        let everything = Caller::everything("test");
        for sql in [
            "select 1",
            "with a as (select 1) select * from a",
            "values (1)",
            "explain select 1",
            "explain analyze select 1",
            "explain (analyze, verbose) select 1",
            "show tables",
            "show datafusion.execution.batch_size",
            "describe workflow_sessions",
            "select * from generate_series(1, 3)",
        ] {
            assert!(allowed(sql, &everything), "{sql}");
        }
        for sql in [
            "insert into t values (1)",
            "explain insert into t values (1)",
            "explain analyze insert into t values (1)",
            "explain copy workflow_sessions to 'x.csv'",
            "copy workflow_sessions to 'x.csv'",
            "copy (select 1) to 'x.csv'",
            "create table t as select 1",
            "create temporary table t as select 1",
            "create view v as select 1",
            "create external table t stored as csv location 'x.csv'",
            "drop table t",
            "select 1 into t",
            "update workflow_sessions set data = null",
            "delete from workflow_sessions",
            "truncate workflow_sessions",
            "with a as (select 1) insert into t select * from a",
            "set datafusion.execution.batch_size = 1",
            "set time zone 'UTC'",
            "reset datafusion.optimizer.max_passes",
            "prepare p as select 1",
            "execute p",
            "deallocate p",
            "begin",
            "grant select on t to u",
            "select * from 'x.parquet'",
            "select * from read_csv('x.csv')",
            "call f()",
            "vacuum",
            "explain explain select 1",
        ] {
            // What the parser does not know is refused as well.
            assert!(parse("sql", sql).is_err() || !allowed(sql, &everything), "{sql}");
        }
    }

    #[test]
    fn columns_are_as_many_as_postgresql_takes() {
        let everything = Caller::everything("test");
        let columns = |count: usize| (0..count).map(|n| format!("{n} as c{n}")).collect::<Vec<_>>().join(", ");
        for (count, expected) in [(MOST_COLUMNS, true), (MOST_COLUMNS + 1, false), (100_000, false)] {
            let list = columns(count);
            for sql in [
                format!("select {list}"),
                format!("explain select {list}"),
                format!("select 1 from (select {list}) s"),
                format!("with s as (select {list}) select 1 from s"),
                format!("select 1 union all select c1 from (select {list}) s"),
                format!("select exists (select {list})"),
                format!("values ({})", vec!["1"; count].join(", ")),
            ] {
                assert_eq!(allowed(&sql, &everything), expected, "{count}: {}", sql.get(..40).unwrap_or(&sql));
            }
        }
    }

    #[test]
    fn plans_are_shown_to_those_alone_who_may_see_everything() {
        let mut caller = Caller::everything("test");
        caller.guard = std::sync::Arc::new(crate::engine::Guard { veil: None, workflows: Some(Default::default()) });
        assert!(allowed("select 1", &caller));
        for sql in [
            "explain select 1",
            "explain analyze select 1",
            "explain (format tree) select 1",
            "explain verbose select 1",
        ] {
            assert!(!allowed(sql, &caller), "{sql}");
        }
    }
}

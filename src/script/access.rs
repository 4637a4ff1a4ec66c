//! Tells the statements that only read from those that write.
//!
//! A file is read-only unless the user says otherwise. What is not known to be harmless counts as a write, so a statement
//! that a later parser learns is refused until someone has thought about it. Reading files by name or through table functions
//! counts too: the lake is what a file may read.

use std::ops::ControlFlow;

use datafusion::sql::parser::{ResetStatement, Statement as ParsedStatement};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Select, Set, SetExpr, Statement as Ast, TableFactor, Visit, Visitor,
};

use super::split::Statement;

/// What a statement does to the world outside its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Nothing. Views and tables that it makes live in memory and end with the session.
    Reads,
    /// Something: writes, reads files by name, or changes a setting that is not the query's business.
    Writes(
        /// What it does, to finish the sentence "the statement is …"; for example `a COPY TO a file`.
        String,
    ),
}

/// Settings that change how a query runs but not what it may touch.
const HARMLESS_SETTINGS: [&str; 4] =
    ["datafusion.execution.", "datafusion.optimizer.", "datafusion.explain.", "sessionlake."];

/// Table functions of this or another build that open files or stores.
const FILE_FUNCTIONS: [&str; 4] = ["read_", "scan_", "parquet_", "glob"];
const FILE_FUNCTION_ENDS: [&str; 2] = ["_scan", "_metadata"];

impl Statement {
    /// Tells whether the statement only reads.
    pub fn access(&self) -> Access {
        match access(&self.parsed) {
            ControlFlow::Continue(()) => Access::Reads,
            ControlFlow::Break(Breach::Effect(what) | Breach::OpensFile(what)) => Access::Writes(what),
        }
    }
}

/// What makes a statement more than a read.
enum Breach {
    /// It does something when it runs.
    Effect(String),
    /// It opens a file, already when it is planned.
    OpensFile(String),
}

type Verdict = ControlFlow<Breach>;

fn writes(what: impl Into<String>) -> Verdict {
    ControlFlow::Break(Breach::Effect(what.into()))
}

fn opens_file(what: String) -> Verdict {
    ControlFlow::Break(Breach::OpensFile(what))
}

fn access(statement: &ParsedStatement) -> Verdict {
    match statement {
        ParsedStatement::Statement(statement) => statement.visit(&mut Watch),
        ParsedStatement::CreateExternalTable(_) => writes("a CREATE EXTERNAL TABLE, which opens files"),
        ParsedStatement::CopyTo(_) => writes("a COPY TO a file"),
        ParsedStatement::Explain(explain) => match access(&explain.statement) {
            // Only EXPLAIN ANALYZE runs what it explains; a plan alone may still open files to learn their columns.
            ControlFlow::Break(Breach::Effect(_)) if !explain.options.analyze => ControlFlow::Continue(()),
            verdict => verdict,
        },
        ParsedStatement::Reset(ResetStatement::Variable(name)) => setting(name),
    }
}

/// Looks into every part of a statement.
struct Watch;

impl Visitor for Watch {
    type Break = Breach;

    fn pre_visit_statement(&mut self, statement: &Ast) -> Verdict {
        match statement {
            Ast::Query(_)
            | Ast::ExplainTable { .. }
            | Ast::ShowFunctions { .. }
            | Ast::ShowVariable { .. }
            | Ast::ShowVariables { .. }
            | Ast::ShowCreate { .. }
            | Ast::ShowColumns { .. }
            | Ast::ShowCatalogs { .. }
            | Ast::ShowDatabases { .. }
            | Ast::ShowSchemas { .. }
            | Ast::ShowTables { .. }
            | Ast::ShowViews { .. }
            | Ast::Deallocate { .. }
            // What it prepares is a statement of its own, which the visitor comes to.
            | Ast::Prepare { .. }
            | Ast::Execute { immediate: false, .. } => ControlFlow::Continue(()),
            Ast::Explain { .. } => ControlFlow::Continue(()),
            Ast::CreateView(view) if !view.materialized && view.to.is_none() => ControlFlow::Continue(()),
            Ast::CreateTable(table) if !table.external && table.location.is_none() => ControlFlow::Continue(()),
            Ast::Set(Set::SingleAssignment { variable, .. }) => setting(variable),
            Ast::Set(Set::SetTimeZone { .. }) => ControlFlow::Continue(()),
            other => writes(kind(other)),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> Verdict {
        match query.body.as_ref() {
            SetExpr::Insert(_) => writes("an INSERT"),
            SetExpr::Update(_) => writes("an UPDATE"),
            SetExpr::Delete(_) => writes("a DELETE"),
            SetExpr::Merge(_) => writes("a MERGE"),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> Verdict {
        if select.into.is_some() { writes("a SELECT INTO") } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Verdict {
        let quoted = |part: &ObjectNamePart| part.as_ident().is_some_and(|name| name.quote_style == Some('\''));
        if relation.0.iter().any(quoted) {
            return opens_file(format!("a query of the file {relation}"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> Verdict {
        let name = match table {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => name,
            TableFactor::TableFunction { expr: Expr::Function(function), .. } => &function.name,
            _ => return ControlFlow::Continue(()),
        };
        let last = name.0.last().and_then(ObjectNamePart::as_ident).map(folded).unwrap_or_default();
        let opens = FILE_FUNCTIONS.iter().any(|start| last.starts_with(start))
            || FILE_FUNCTION_ENDS.iter().any(|end| last.ends_with(end));
        if opens { opens_file(format!("a query of files through {last}()")) } else { ControlFlow::Continue(()) }
    }
}

fn folded(name: &Ident) -> String {
    if name.quote_style.is_none() { name.value.to_lowercase() } else { name.value.clone() }
}

fn setting(name: &ObjectName) -> Verdict {
    let parts: Vec<String> = name.0.iter().filter_map(ObjectNamePart::as_ident).map(folded).collect();
    let name = parts.join(".").to_lowercase();
    let zone = matches!(name.as_str(), "timezone" | "time.zone");
    if zone || HARMLESS_SETTINGS.iter().any(|start| name.starts_with(start)) {
        ControlFlow::Continue(())
    } else {
        writes(format!("a change of the setting {name:?}"))
    }
}

/// Names the kind of a statement by its first words in capitals, with an article.
fn kind(statement: &Ast) -> String {
    let text = match statement {
        Ast::Insert(_) => "INSERT".to_owned(),
        Ast::Update(_) => "UPDATE".to_owned(),
        Ast::Delete(_) => "DELETE".to_owned(),
        Ast::Merge(_) => "MERGE".to_owned(),
        Ast::Truncate(_) => "TRUNCATE".to_owned(),
        Ast::Copy { .. } | Ast::CopyIntoSnowflake { .. } => "COPY".to_owned(),
        Ast::Drop { object_type, .. } => format!("DROP {object_type}"),
        Ast::CreateView(_) => "CREATE MATERIALIZED VIEW".to_owned(),
        Ast::CreateTable(_) => "CREATE EXTERNAL TABLE".to_owned(),
        Ast::CreateFunction(_) => "CREATE FUNCTION".to_owned(),
        Ast::CreateSchema { .. } => "CREATE SCHEMA".to_owned(),
        Ast::CreateDatabase { .. } => "CREATE DATABASE".to_owned(),
        Ast::Execute { .. } => "EXECUTE IMMEDIATE".to_owned(),
        Ast::Set(_) => "SET".to_owned(),
        other => {
            // Only the leading keyword: the rest of the statement may hold data.
            let shown = other.to_string();
            shown.split_whitespace().next().unwrap_or("statement").to_uppercase()
        }
    };
    let article = if text.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
    format!("{article} {text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::parse;

    fn of(sql: &str) -> Access {
        parse("-c", sql).unwrap().statements[0].access()
    }

    #[test]
    fn queries_and_session_local_objects_read() {
        for sql in [
            "select 1",
            "with a as (select 1) select * from a",
            "values (1), (2)",
            "explain select 1",
            "explain analyze select 1",
            "explain (analyze, verbose) select 1",
            "explain insert into t values (1)",
            "explain copy t to 'x.csv'",
            "describe workflow_sessions",
            "show tables",
            "show datafusion.execution.batch_size",
            "create view v as select 1",
            "create or replace view v as select 1",
            "create table t as select 1",
            "create temporary table t as select 1",
            "prepare p as select $1",
            "execute p(1)",
            "set datafusion.execution.batch_size = 100",
            "set time zone 'UTC'",
            "reset datafusion.optimizer.max_passes",
            "select * from generate_series(1, 3)",
            "select * from unnest(array[1, 2])",
            "select 'copy x to y', \"drop\" from t",
        ] {
            assert_eq!(of(sql), Access::Reads, "{sql}");
        }
    }

    #[test]
    fn what_leaves_the_session_writes_and_says_how() {
        for (sql, what) in [
            ("copy workflow_sessions to 'x.csv'", "a COPY TO a file"),
            ("copy (select 1) to 'x.csv'", "a COPY TO a file"),
            ("create external table t stored as csv location 'x.csv'", "a CREATE EXTERNAL TABLE, which opens files"),
            ("insert into t values (1)", "an INSERT"),
            ("with a as (select 1) insert into t select * from a", "an INSERT"),
            ("update t set a = 1", "an UPDATE"),
            ("delete from t", "a DELETE"),
            ("drop table t", "a DROP TABLE"),
            ("drop view v", "a DROP VIEW"),
            ("truncate t", "a TRUNCATE"),
            ("select 1 into t", "a SELECT INTO"),
            ("create materialized view v as select 1", "a CREATE MATERIALIZED VIEW"),
            ("create schema s", "a CREATE SCHEMA"),
            ("alter table t add column a int", "an ALTER"),
            ("grant select on t to u", "a GRANT"),
            ("begin", "a BEGIN"),
            ("explain analyze insert into t values (1)", "an INSERT"),
            ("explain (analyze) insert into t values (1)", "an INSERT"),
            ("explain analyze copy t to 'x'", "a COPY TO a file"),
            ("prepare p as insert into t values ($1)", "an INSERT"),
            (
                "set datafusion.runtime.memory_limit = '1G'",
                "a change of the setting \"datafusion.runtime.memory_limit\"",
            ),
            ("set datafusion.catalog.location = '/'", "a change of the setting \"datafusion.catalog.location\""),
            (
                "reset datafusion.runtime.temp_directory",
                "a change of the setting \"datafusion.runtime.temp_directory\"",
            ),
            ("select * from 'x.parquet'", "a query of the file 'x.parquet'"),
            ("explain select * from 'x.parquet'", "a query of the file 'x.parquet'"),
            ("select * from (select * from 'x.csv') t", "a query of the file 'x.csv'"),
            ("select * from READ_csv('x.csv')", "a query of files through read_csv()"),
            ("select * from parquet_metadata('x')", "a query of files through parquet_metadata()"),
            ("create view v as select * from delta_scan('x')", "a query of files through delta_scan()"),
        ] {
            assert_eq!(of(sql), Access::Writes(what.to_owned()), "{sql}");
        }
    }
}

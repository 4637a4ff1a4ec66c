//! What a connection knows of its catalog: which statements are about it, the catalog itself, and what questions ask of the session.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Expr, Query, Statement as Ast, Value, visit_expressions};
use tokio::sync::OnceCell;

use super::errors::{Fault, Outcome, code};
use super::settings::SessionSettings;
use super::{Cancels, Shared};
use crate::error::{Error, Result};
use crate::script::{Clock, Statement};
use crate::serve::Caller;
use crate::serve::catalog::{self, Catalog, Signal};

/// The catalog of a connection, made when it is first asked.
#[derive(Default)]
pub struct Beside {
    catalog: OnceCell<Arc<Catalog>>,
}

/// What a question may ask of its connection, and what it set there.
pub struct Talk {
    pub process: i32,
    pub user: String,
    pub cancels: Arc<Cancels>,
    pub clock: Clock,
    pub settings: SessionSettings,
    pub told: Vec<(&'static str, String)>,
}

impl catalog::Session for Talk {
    fn process(&self) -> i32 {
        self.process
    }

    fn now(&self) -> i64 {
        self.clock.as_of.timestamp_micros()
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.show(name).ok().map(|(_, value)| value)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), catalog::Fault> {
        match self.settings.set(name, Some(value)) {
            Ok(told) => self.told.extend(told),
            Err(error) => return Err(catalog::Fault::new("22023", error.to_string())),
        }
        Ok(())
    }

    fn sessions(&self) -> Vec<catalog::Present> {
        self.cancels.sessions(&self.user)
    }

    fn signal(&self, process: i64, signal: Signal) -> Result<bool, catalog::Fault> {
        let Ok(process) = i32::try_from(process) else { return Ok(false) };
        self.cancels.signal(process, &self.user, signal).ok_or_else(|| {
            let what = match signal {
                Signal::Cancel => "role whose query is being canceled",
                Signal::Terminate => "role whose process is being terminated",
            };
            catalog::Fault::new(code::PRIVILEGE, format!("must be a member of the {what}"))
        })
    }
}

/// Returns the query of a statement that is about the catalog.
pub fn query_of(statement: &Statement) -> Option<&Query> {
    match &statement.parsed {
        Parsed::Statement(ast) => match ast.as_ref() {
            Ast::Query(query) if catalog::concerns(query) => Some(query),
            _ => None,
        },
        _ => None,
    }
}

impl Beside {
    /// The catalog of the caller.
    ///
    /// # Errors
    /// A lake that cannot be opened.
    pub async fn catalog(
        &self,
        shared: &Shared,
        caller: &Caller,
        settings: &SessionSettings,
        database: &str,
    ) -> Result<Arc<Catalog>> {
        let make = async {
            let hub = &shared.hub;
            let engine = hub.session(caller, &settings.now).await?;
            let clocks = hub.clocks();
            let started = (clocks.now)() - (clocks.passed)();
            let made = catalog::catalog_of(&engine, database, &caller.name, started.timestamp_micros()).await?;
            Ok::<_, Error>(Arc::new(made))
        };
        Ok(Arc::clone(self.catalog.get_or_try_init(|| make).await?))
    }
}

/// Writes what a question of the lake asks of its session into it; `None` where it asks nothing.
///
/// # Errors
/// What is wrong with a call.
pub fn with_values(statement: &Statement, catalog: &Catalog, talk: &mut Talk) -> Outcome<Option<Statement>> {
    let Parsed::Statement(ast) = &statement.parsed else { return Ok(None) };
    let Ast::Query(query) = ast.as_ref() else { return Ok(None) };
    let mut query = query.clone();
    if !catalog::with_values(&mut query, catalog, talk)? {
        return Ok(None);
    }
    let mut statement = statement.clone();
    statement.parsed = Parsed::Statement(Box::new(Ast::Query(query)));
    Ok(Some(statement))
}

/// Whether a statement asks something of its session.
pub fn asks_session(statement: &Statement) -> bool {
    match &statement.parsed {
        Parsed::Statement(ast) => match ast.as_ref() {
            Ast::Query(query) => catalog::asks(query),
            _ => false,
        },
        _ => false,
    }
}

/// Which parameters, from 0, stand where an array must: `any($1)`. Nothing else says so of them.
pub fn arrays_of(statement: &Statement) -> Vec<usize> {
    let mut found = Vec::new();
    let Parsed::Statement(ast) = &statement.parsed else { return found };
    let _ = visit_expressions(ast.as_ref(), |expr| {
        if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = expr {
            let mut inner = right.as_ref();
            while let Expr::Nested(nested) = inner {
                inner = nested;
            }
            if let Expr::Value(value) = inner
                && let Value::Placeholder(name) = &value.value
                && let Ok(number) = name.trim_start_matches('$').parse::<usize>()
            {
                found.extend(number.checked_sub(1));
            }
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

impl From<catalog::Fault> for Fault {
    fn from(fault: catalog::Fault) -> Self {
        Self::Catalog(fault)
    }
}

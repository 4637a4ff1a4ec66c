//! Questions about the catalog, and what questions of the lake ask of the session: how a connection has them answered.
//!
//! They are computed on threads of their own with a deep stack, few at a time, so that nobody's questions about tables stand in the way of questions of rows,
//! and those that wait hold nothing.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Expr, Query, Statement as Ast, Value, visit_expressions};
use tokio::sync::OnceCell;

use super::Shared;
use super::encode::Form;
use super::errors::{Fault, Outcome};
use super::portal::Running;
use super::settings::SessionSettings;
use super::statements::Prepared;
use crate::engine::Outline;
use crate::error::{Error, Result};
use crate::script::{Clock, Statement};
use crate::serve::Caller;
use crate::serve::catalog::{self, Catalog, Question};

/// The catalog of a connection, made when it is first asked.
#[derive(Default)]
pub struct Beside {
    catalog: OnceCell<Arc<Catalog>>,
}

/// What a question may ask of its connection, and what it set there.
pub struct Talk {
    pub process: i32,
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
        match self.settings.set(name, Some(value), &self.clock) {
            Ok(told) => self.told.extend(told),
            Err(error) => return Err(catalog::Fault::new("22023", error.to_string())),
        }
        Ok(())
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

/// Bytes of the stack that a question is computed on: statements may be deep.
const STACK: usize = 256 << 20;

/// Does what may go deep on a thread of its own.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
    let (sender, done) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("catalog".to_owned()).stack_size(STACK);
    // Nobody may wait any more for what is done.
    thread.spawn(move || drop(sender.send(work()))).map_err(Error::internal)?;
    Ok(done.await.map_err(Error::internal)?)
}

fn bound(catalog: &Catalog, prepared: &Prepared) -> Result<Question, catalog::Fault> {
    match prepared.statement().and_then(query_of) {
        Some(query) => Question::of(catalog, query, &prepared.declared),
        None => Err(catalog::Fault::new("XX000", "a question without a query")),
    }
}

/// Says what a question about the catalog asks for and would answer.
///
/// # Errors
/// What is wrong with it.
pub async fn outline(shared: &Shared, catalog: Arc<Catalog>, prepared: Arc<Prepared>) -> Outcome<Outline> {
    let turn = Arc::clone(&shared.beside).acquire_owned().await.map_err(Error::internal)?;
    let outline = move || {
        let _turn = turn;
        let question = bound(&catalog, &prepared)?;
        let parameters = question.parameters().into_iter().map(Some).collect();
        Ok::<_, catalog::Fault>(Outline { columns: question.columns(|_| false), parameters })
    };
    Ok(apart(outline).await??)
}

/// Answers a question about the catalog.
///
/// # Errors
/// What is wrong with it; a limit.
pub async fn answer(
    shared: &Shared,
    catalog: Arc<Catalog>,
    (prepared, results): (Arc<Prepared>, Vec<Form>),
    values: Vec<ScalarValue>,
    mut talk: Talk,
) -> Outcome<(Running, Talk)> {
    let turn = Arc::clone(&shared.beside).acquire_owned().await.map_err(Error::internal)?;
    let computed = apart(move || {
        let _turn = turn;
        let binary = |at: usize| {
            let form = if results.len() == 1 { results.first() } else { results.get(at) };
            form == Some(&Form::Binary)
        };
        let answer =
            bound(&catalog, &prepared).and_then(|question| question.answer(&catalog, &mut talk, &values, binary));
        (answer, talk)
    });
    let (batch, talk) = computed.await?;
    Ok((Running::known(batch?), talk))
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

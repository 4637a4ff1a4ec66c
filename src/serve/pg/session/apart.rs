//! Questions about the catalog are computed apart from those of the lake, on threads of their own with a deep stack, few at a time, so that
//! nobody's questions about tables stand in the way of questions of rows, and those that wait hold nothing.

use std::sync::Arc;

use datafusion::common::ScalarValue;

use crate::engine::Outline;
use crate::error::Error;
use crate::serve::catalog::{self, Catalog, Question};
use crate::serve::pg::Shared;
use crate::serve::pg::beside::{Talk, query_of};
use crate::serve::pg::encode::Form;
use crate::serve::pg::errors::Outcome;
use crate::serve::pg::portal::Running;
use crate::serve::pg::statements::Prepared;

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

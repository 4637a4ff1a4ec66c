//! Threads that compute answers, apart from those that listen.
//!
//! An operator may compute for minutes without a pause. A signal, a timeout or a reader that went away must be heard all the
//! same, so queries run on a runtime of their own and hand their batches over; whoever waits for batches can stop waiting at any
//! time. Threads in the middle of a computation end with the process.

use std::num::NonZeroUsize;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use sessionlake::{Error, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// Parts of an answer that wait to be written; beyond them the query waits.
const WAITING_PARTS: usize = 2;

type Outcome<T> = std::result::Result<T, DataFusionError>;

/// A part of an answer: its columns, once, then its rows.
pub enum Answer {
    /// The columns, before any row is computed.
    Columns(SchemaRef),
    /// Some of the rows.
    Rows(RecordBatch),
}

/// A runtime that only computes.
pub struct Workers(Option<Runtime>);

impl Workers {
    /// Starts threads.
    ///
    /// # Errors
    /// A system that has no more threads.
    pub fn start(threads: NonZeroUsize) -> Result<Self> {
        let made = Builder::new_multi_thread().worker_threads(threads.get()).thread_name("query").enable_all().build();
        made.map(|runtime| Self(Some(runtime))).map_err(super::exit::runtime_error)
    }

    /// Runs a plan. Dropping the answer stops the query where it next pauses.
    pub fn execute(&self, context: SessionContext, plan: LogicalPlan) -> Answers {
        let (sender, receiver) = channel(WAITING_PARTS);
        let task = self.0.as_ref().map(|runtime| {
            runtime.spawn(async move {
                if let Err(error) = answer(&context, plan, &sender).await {
                    let _ = sender.send(Err(error)).await;
                }
            })
        });
        Answers { receiver, task }
    }
}

/// An answer on its way.
pub struct Answers {
    receiver: Receiver<Outcome<Answer>>,
    task: Option<JoinHandle<()>>,
}

impl Answers {
    /// Waits for the next part; `None` is the end of a whole answer.
    ///
    /// # Errors
    /// What the query ended with. A computation that panicked is an error, too: its rows so far are no answer.
    pub async fn next(&mut self) -> Outcome<Option<Answer>> {
        if let Some(part) = self.receiver.recv().await {
            return part.map(Some);
        }
        match self.task.take() {
            Some(task) => task.await.map(|()| None).map_err(|e| DataFusionError::Internal(e.to_string())),
            None => Ok(None),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Waiting for the threads, as dropping a runtime does, is what this type is there to avoid.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Seconds that work which was stopped gets to remove its temporary files.
const CLEANING_UP: Duration = Duration::from_secs(1);

/// A runtime whose work is stopped, and cleans up, when it is dropped.
struct Stopping(Option<Runtime>);

impl Drop for Stopping {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // On a thread of its own: waiting is not allowed on those that listen.
            let stopping = std::thread::spawn(move || runtime.shutdown_timeout(CLEANING_UP));
            let _ = stopping.join();
        }
    }
}

/// Does work on threads of its own. Dropping the future stops the work where it next pauses.
///
/// # Errors
/// A system that has no more threads; a panic of the work.
pub async fn compute<T: Send + 'static>(
    threads: NonZeroUsize,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T> {
    let made = Builder::new_multi_thread().worker_threads(threads.get()).thread_name("report").enable_all().build();
    let runtime = Stopping(Some(made.map_err(super::exit::runtime_error)?));
    let Some(task) = runtime.0.as_ref().map(|runtime| runtime.spawn(work)) else {
        return Err(Error::internal("a runtime that is not there"));
    };
    task.await.map_err(Error::internal)
}

async fn answer(context: &SessionContext, plan: LogicalPlan, sender: &Sender<Outcome<Answer>>) -> Outcome<()> {
    let mut stream = context.execute_logical_plan(plan).await?.execute_stream().await?;
    if sender.send(Ok(Answer::Columns(stream.schema()))).await.is_err() {
        return Ok(());
    }
    while let Some(batch) = stream.next().await {
        if sender.send(Ok(Answer::Rows(batch?))).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

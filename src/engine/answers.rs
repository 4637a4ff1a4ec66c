//! Answers on their way: a plan runs on threads that compute, and whoever asked takes its rows one batch after the other.
//!
//! An operator may compute for minutes without a pause. A signal, a deadline or a reader that went away must be heard all the same, so plans
//! run on a runtime of their own and hand their batches over; whoever waits for batches can stop waiting at any time.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// Parts of an answer that wait to be taken; beyond them the query waits.
const WAITING_PARTS: usize = 2;

/// A part of an answer: its columns, once, then its rows.
pub enum Answer {
    /// The columns, before any row is computed.
    Columns(SchemaRef),
    /// Some of the rows.
    Rows(RecordBatch),
}

/// An answer on its way. Dropping it stops the query where it next pauses.
pub struct Answers {
    receiver: Receiver<Result<Answer>>,
    task: Option<JoinHandle<()>>,
}

impl Answers {
    /// Runs a plan on the threads of a runtime.
    pub fn of(runtime: &Handle, context: SessionContext, plan: LogicalPlan) -> Self {
        let (sender, receiver) = channel(WAITING_PARTS);
        let task = runtime.spawn(async move {
            if let Err(error) = answer(&context, plan, &sender).await {
                let _ = sender.send(Err(error)).await;
            }
        });
        Self { receiver, task: Some(task) }
    }

    /// Waits for the next part; `None` is the end of a whole answer.
    ///
    /// # Errors
    /// What the query ended with. A computation that panicked is an error, too: its rows so far are no answer.
    pub async fn next(&mut self) -> Result<Option<Answer>> {
        if let Some(part) = self.receiver.recv().await {
            return part.map(Some);
        }
        match &mut self.task {
            Some(task) => {
                let ended = task.await;
                self.task = None;
                ended.map(|()| None).map_err(|e| DataFusionError::Internal(e.to_string()))
            }
            None => Ok(None),
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn answer(context: &SessionContext, plan: LogicalPlan, sender: &Sender<Result<Answer>>) -> Result<()> {
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

//! Runs a plan on workers, and once more on those that are left where one of them is lost; for a server that has none left, in this process.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

use super::Cluster;
use super::plan::{Cut, cut};
use crate::engine::{Node, Staged, settled};
use crate::error::Error;

/// How often the workers are asked whether they are there while a plan runs.
const LOOK: Duration = Duration::from_secs(5);

/// What becomes of statements when no worker is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAlone {
    /// They fail.
    Fail,
    /// They run in the process that asks.
    Run,
}

/// Runs a plan that is cut into stages.
pub struct OnWorkersExec {
    cluster: Arc<Cluster>,
    staged: Staged,
    session: SessionState,
    cut: Cut,
    when_alone: WhenAlone,
}

impl OnWorkersExec {
    /// Makes the node. `session` is the one that the plan was made in.
    pub fn of(cluster: Arc<Cluster>, staged: Staged, session: SessionState, cut: Cut, when_alone: WhenAlone) -> Self {
        Self { cluster, staged, session, cut, when_alone }
    }

    /// The plan in its stages.
    pub fn cut(&self) -> &Node {
        &self.cut.plan
    }
}

impl fmt::Debug for OnWorkersExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnWorkersExec").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl DisplayAs for OnWorkersExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnWorkersExec: workers={}", self.cluster.urls().len())
    }
}

impl ExecutionPlan for OnWorkersExec {
    fn name(&self) -> &'static str {
        "OnWorkersExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.cut.plan.properties()
    }

    fn children(&self) -> Vec<&Node> {
        // The stages run in another session than what asks for their rows.
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Node>) -> Result<Node> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.cut.plan.metrics()
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut builder = RecordBatchReceiverStreamBuilder::new(self.schema(), 1);
        let sender = builder.tx();
        let (cluster, staged) = (Arc::clone(&self.cluster), self.staged.clone());
        let (session, first, when_alone) = (self.session.clone(), self.cut.clone(), self.when_alone);
        builder.spawn(async move {
            let mut rows = Passed::None;
            let costs = staged.costs();
            let mut ran = async |cut: &Cut| {
                let ended = run(&cluster, cut, partition, &sender, &mut rows).await;
                if let Some(costs) = &costs {
                    cluster.count(&cut.query, costs).await;
                }
                (ended, rows)
            };
            let (Err(error), passed) = ran(&first).await else { return Ok(()) };
            let lost = cluster.lost().await;
            if lost.is_empty() {
                return Err(error);
            }
            let is_alone = cluster.urls().is_empty();
            let again = match (passed, is_alone, when_alone) {
                (Passed::None, false, _) => cut(&cluster, &staged, &session).await?,
                (Passed::None, true, WhenAlone::Run) => alone(&staged, &session, &first.plan)?,
                _ => None,
            };
            let Some(again) = again else { return Err(named(&lost, error)) };
            let others = if is_alone { "in this process" } else { "on the others" };
            tracing::warn!(lost = lost.join(", "), "a worker is lost; the query runs once more {others}");
            let (Err(error), _) = ran(&again).await else { return Ok(()) };
            let lost = cluster.lost().await;
            if lost.is_empty() { Err(error) } else { Err(named(&lost, error)) }
        });
        Ok(builder.build())
    }
}

/// Makes a plan of stages one that this process runs whole; `None` where its rows would come in other parts than those of the stages.
fn alone(staged: &Staged, session: &SessionState, cut: &Node) -> Result<Option<Cut>> {
    let plan = settled(Arc::clone(&staged.plan), session.config_options(), &|_| false)?;
    let parts = [&plan, cut].map(|plan| plan.output_partitioning().partition_count());
    let query = String::new();
    Ok((parts[0] == parts[1]).then(|| Cut { plan, session: session.clone(), query }))
}

/// Whether rows went to whoever asked; what was given cannot be taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    None,
    Some,
}

/// Runs the stages, and looks after the workers meanwhile.
async fn run(
    cluster: &Arc<Cluster>,
    cut: &Cut,
    partition: usize,
    sender: &Sender<Result<datafusion::arrow::record_batch::RecordBatch>>,
    passed: &mut Passed,
) -> Result<()> {
    let mut rows = cut.plan.execute(partition, cut.session.task_ctx())?;
    // Among those who hear: threads that compute may be late.
    let mut looking = Looking(cluster.hearing().spawn(gone(Arc::clone(cluster))));
    loop {
        let batch = tokio::select! {
            biased;
            batch = rows.next() => batch,
            error = &mut looking.0 => return Err(error.unwrap_or_else(|e| exec_datafusion_err!("{e}"))),
        };
        match batch {
            None => return Ok(()),
            Some(batch) => {
                let batch = batch?;
                *passed = Passed::Some;
                if sender.send(Ok(batch)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// A look at the workers that ends with what it is for.
struct Looking(JoinHandle<DataFusionError>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until a worker is gone. A line between two workers may wait for what never comes although none of this process does.
async fn gone(cluster: Arc<Cluster>) -> DataFusionError {
    loop {
        tokio::time::sleep(LOOK).await;
        let missing = cluster.missing().await;
        if !missing.is_empty() {
            return of_lost(&missing, "it does not answer any more");
        }
    }
}

/// Names the workers that were lost in an error, unless it is one that does.
fn named(lost: &[String], error: DataFusionError) -> DataFusionError {
    match &error {
        DataFusionError::External(inner) if inner.is::<Error>() => error,
        _ => of_lost(lost, &error),
    }
}

fn of_lost(lost: &[String], error: &(impl fmt::Display + ?Sized)) -> DataFusionError {
    let message = format!("a worker was lost while it ran: {error}");
    Error::storage(lost.join(", "), message).into()
}

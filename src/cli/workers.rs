//! Threads that compute answers, apart from those that listen.
//!
//! An operator may compute for minutes without a pause. A signal, a timeout or a reader that went away must be heard all the
//! same, so queries run on a runtime of their own and hand their batches over; whoever waits for batches can stop waiting at any
//! time. Threads in the middle of a computation end with the process.

use std::num::NonZeroUsize;
use std::time::Duration;

use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use sessionlake::engine::Answers;
use sessionlake::{Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// Bytes of the stack of a thread: the trees of statements that chain 2,000 operators or 500 queries are copied and dropped level by level.
pub const STACK_BYTES: usize = 64 << 20;

/// A runtime that only computes.
pub struct Workers(Option<Runtime>);

impl Workers {
    /// Starts threads.
    ///
    /// # Errors
    /// A system that has no more threads.
    pub fn start(threads: NonZeroUsize) -> Result<Self> {
        let made = Builder::new_multi_thread()
            .worker_threads(threads.get())
            .thread_stack_size(STACK_BYTES)
            .thread_name("query")
            .enable_all()
            .build();
        made.map(|runtime| Self(Some(runtime))).map_err(super::exit::runtime_error)
    }

    /// Runs a plan. Dropping the answer stops the query where it next pauses.
    ///
    /// # Errors
    /// Workers that were stopped.
    pub fn execute(&self, context: SessionContext, plan: LogicalPlan) -> Result<Answers> {
        Ok(Answers::of(&self.handle()?, context, plan))
    }

    /// Where the threads take work.
    ///
    /// # Errors
    /// Workers that were stopped.
    pub fn handle(&self) -> Result<Handle> {
        let runtime = self.0.as_ref().ok_or_else(|| Error::internal("a runtime that is not there"))?;
        Ok(runtime.handle().clone())
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

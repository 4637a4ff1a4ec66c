//! A run of reports as it is asked for: what to make of which tables, and with what.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::job::Privacy;
use super::spec::Report;
use super::window::Window;
use crate::engine::{Distribution, EngineOptions, LakeView};
use crate::error::{Error, Result};

/// What becomes of a run when a report fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The run ends, and the earlier one stays.
    #[default]
    Stop,
    /// The others are written, and the page says what failed.
    KeepGoing,
}

/// Tells the seconds since the run began; who calls owns the clock.
pub type Stopwatch = Arc<dyn Fn() -> f64 + Send + Sync>;

/// When the reports of a run must have ended; who calls owns the clock.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// The instant.
    pub at: Instant,
    /// How long that was from the beginning, for those who are told of it.
    pub limit: Duration,
}

impl Deadline {
    /// The error of what did not end in time.
    pub fn error(&self) -> Error {
        Error::Limit {
            message: format!("stopped after ⟨timeout⟩ {} s", self.limit.as_secs_f64()),
            hint: Some("give it longer, or let it read less".to_owned()),
        }
    }
}

/// Does work until it ends or its time is over; what begins too late is not begun.
///
/// # Errors
/// That of the deadline.
pub(super) async fn in_time<T>(deadline: Option<Deadline>, work: impl Future<Output = T>) -> Result<T> {
    let Some(deadline) = deadline else { return Ok(work.await) };
    tokio::select! {
        biased;
        () = sleep_until(deadline.at) => Err(deadline.error()),
        done = work => Ok(done),
    }
}

/// A run to be made.
#[derive(Clone)]
pub struct Request {
    /// The name of the job.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: Option<String>,
    /// The reports, with the values of their parameters.
    pub reports: Vec<Report>,
    /// The tables.
    pub view: LakeView,
    /// The lake's absolute path or URL.
    pub lake_uri: String,
    /// Clock, zone, and the limits that all reports share.
    pub engine: EngineOptions,
    /// The memory of each report, where it is known already; else the limit is shared out among as many as run at once.
    pub memory_bytes: Vec<Option<usize>>,
    /// The stretch of time.
    pub window: Option<Window>,
    /// Whether personal data is masked.
    pub privacy: Privacy,
    /// Rows that the page shows of each report.
    pub html_rows: usize,
    /// What becomes of the run when a report fails.
    pub on_failure: OnFailure,
    /// The clock of the seconds in the manifest.
    pub stopwatch: Stopwatch,
    /// The other processes that reports run on where their bytes are the same there.
    pub spread: Option<Arc<dyn Distribution>>,
    /// When its reports must have ended. One that has not fails; with [`OnFailure::KeepGoing`] those that have are written.
    pub deadline: Option<Deadline>,
}

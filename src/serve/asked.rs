//! A question on its way to its answer, under the limits of time, rows and bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use tokio::time::Sleep;

use super::hub::{Hub, located};
use super::limits::Turn;
use super::metrics::{Ending, Protocol};
use crate::engine::{Answer, Answers};
use crate::error::{Error, Result};
use crate::lake::Version;
use crate::script::{Clock, Script, Statement};

/// A question that is counted once, however it ends.
pub(super) struct Counted {
    hub: Arc<Hub>,
    protocol: Protocol,
    since: Duration,
    is_over: bool,
}

impl Counted {
    pub fn begin(hub: &Arc<Hub>, protocol: Protocol) -> Self {
        Self { hub: Arc::clone(hub), protocol, since: (hub.clocks().passed)(), is_over: false }
    }

    pub fn end(&mut self, ending: Ending) {
        if !std::mem::replace(&mut self.is_over, true) {
            let took = (self.hub.clocks().passed)().saturating_sub(self.since);
            self.hub.metrics().ended(self.protocol, ending, took);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end(Ending::Stopped);
    }
}

/// A question that was planned and runs. Dropping it stops it.
pub struct Asked {
    /// The columns of the answer.
    pub columns: SchemaRef,
    /// The version of the lake that was asked.
    pub version: Version,
    /// The instant that was now, and the zone of local days.
    pub clock: Clock,
    answers: Option<Answers>,
    place: (Script, Statement),
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    rows: u64,
    bytes: u64,
    counted: Counted,
    /// Given back when the last row was taken, or nobody takes any more.
    turn: Option<Turn>,
}

impl Asked {
    pub(super) async fn begin(
        answers: Answers,
        place: (Script, Statement),
        (version, clock): (Version, Clock),
        (counted, turn): (Counted, Turn),
        (limit, deadline): (Duration, Pin<Box<Sleep>>),
    ) -> Result<Self> {
        let (columns, answers, turn) = (Arc::new(Schema::empty()), Some(answers), Some(turn));
        let mut asked =
            Self { columns, version, clock, answers, place, limit, deadline, rows: 0, bytes: 0, counted, turn };
        if let Some(Answer::Columns(columns)) = asked.part().await? {
            asked.columns = columns;
        }
        Ok(asked)
    }

    /// Waits for the next rows; `None` is the end of a whole answer.
    ///
    /// # Errors
    /// What the question ended with, with its place; a limit of time or rows.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match self.part().await? {
                Some(Answer::Rows(batch)) => {
                    self.rows += batch.num_rows() as u64;
                    let limit = self.counted.hub.limits().rows;
                    if self.rows > limit {
                        return Err(self.ended(Error::Limit {
                            message: format!("the answer has more than {limit} rows"),
                            hint: Some("let the question return less, or raise ⟨max-rows⟩".to_owned()),
                        }));
                    }
                    return Ok(Some(batch));
                }
                Some(Answer::Columns(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Counts bytes that are to be sent.
    ///
    /// # Errors
    /// More than an answer may have.
    pub fn sent(&mut self, rows: u64, bytes: u64) -> Result<()> {
        self.bytes += bytes;
        let limit = self.counted.hub.limits().bytes;
        if self.bytes > limit {
            return Err(self.ended(Error::Limit {
                message: format!("the answer takes more than {limit} bytes"),
                hint: Some("let the question return less, or raise ⟨max-bytes⟩".to_owned()),
            }));
        }
        self.counted.hub.metrics().sent(rows, bytes);
        Ok(())
    }

    /// Waits for something else, such as a client that takes what was sent, as long as the question may still take.
    ///
    /// # Errors
    /// The limit of time.
    pub async fn within<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let deadline = self.deadline.as_mut();
        let done = tokio::select! {
            done = work => Some(done),
            () = deadline => None,
        };
        done.ok_or_else(|| self.ended(too_long(self.limit)))
    }

    /// Lets others have the turn while a client thinks: between two fetches from a cursor. The limit of time is that of each fetch.
    pub fn pause(&mut self) {
        self.turn = None;
    }

    async fn part(&mut self) -> Result<Option<Answer>> {
        let Some(answers) = &mut self.answers else { return Ok(None) };
        if self.turn.is_none() {
            self.deadline = Box::pin(tokio::time::sleep(self.limit));
            let turn = tokio::select! {
                turn = self.counted.hub.turn() => turn?,
                () = self.deadline.as_mut() => return Err(too_long(self.limit)),
            };
            self.turn = Some(turn);
        }
        let deadline = self.deadline.as_mut();
        let part = tokio::select! {
            part = answers.next() => part.map_err(|error| located(error, &self.place.0, &self.place.1)),
            () = deadline => Err(too_long(self.limit)),
        };
        match part {
            Ok(Some(part)) => Ok(Some(part)),
            Ok(None) => {
                self.counted.end(Ending::Answered);
                self.answers = None;
                self.turn = None;
                Ok(None)
            }
            Err(error) => Err(self.ended(error)),
        }
    }

    /// Stops the question by an error.
    fn ended(&mut self, error: Error) -> Error {
        self.counted.end(Ending::of(&error));
        self.answers = None;
        self.turn = None;
        error
    }
}

/// The error of a question that took too long.
pub(super) fn too_long(limit: Duration) -> Error {
    Error::Limit {
        message: format!("stopped after {} s", limit.as_secs_f64()),
        hint: Some("let the question read less, or raise ⟨timeout⟩".to_owned()),
    }
}

//! The one way that a question goes: it is looked at, waits for its turn, is planned over the version that it asks, and has its answer taken under the
//! limits of time, rows and bytes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ParamValues;
use serde_json::Value;
use tokio::time::Sleep;

use super::allowed::{require_reading, require_reading_plan};
use super::hub::{Hub, Settings, Stopping, located_for};
use super::limits::{Turn, too_long};
use super::metrics::{Ending, Protocol};
use super::users::Caller;
use crate::engine::{Answer, Answers};
use crate::error::{Error, Result};
use crate::lake::Version;
use crate::report::located;
use crate::script::{self, Clock, Script, Statement};

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
    /// Whether the limit of time begins anew with the next part.
    is_resting: bool,
}

/// How long a client may take for what is sent before others have the turn.
const PATIENCE: Duration = Duration::from_millis(50);

impl Asked {
    pub(super) async fn begin(
        answers: Answers,
        place: (Script, Statement),
        (version, clock): (Version, Clock),
        (counted, turn): (Counted, Turn),
        (limit, deadline): (Duration, Pin<Box<Sleep>>),
    ) -> Result<Self> {
        let (columns, answers, turn) = (Arc::new(Schema::empty()), Some(answers), Some(turn));
        let mut asked = Self {
            columns,
            version,
            clock,
            answers,
            place,
            limit,
            deadline,
            rows: 0,
            bytes: 0,
            counted,
            turn,
            is_resting: false,
        };
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

    /// Waits for a client that takes what is sent. One that is slow gives its turn to others meanwhile; the limit of time stays.
    ///
    /// # Errors
    /// The limit of time.
    pub async fn patiently<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = self.within(tokio::time::timeout(PATIENCE, work.as_mut())).await? {
            return Ok(done);
        }
        self.turn = None;
        self.within(work).await
    }

    /// Lets others have the turn while a client thinks: between two fetches from a cursor. The limit of time is that of each fetch.
    pub fn pause(&mut self) {
        self.turn = None;
        self.is_resting = true;
    }

    /// Ends a question whose client has all that it wants.
    pub fn enough(&mut self) {
        self.counted.end(Ending::Answered);
        self.answers = None;
        self.turn = None;
    }

    async fn part(&mut self) -> Result<Option<Answer>> {
        let Some(answers) = &mut self.answers else { return Ok(None) };
        if std::mem::take(&mut self.is_resting) {
            self.deadline = Box::pin(tokio::time::sleep(self.limit));
        }
        if self.turn.is_none() {
            let turn = tokio::select! {
                turn = self.counted.hub.turn() => turn,
                () = self.deadline.as_mut() => Err(too_long(self.limit)),
            };
            match turn {
                Ok(turn) => self.turn = Some(turn),
                Err(error) => return Err(self.ended(error)),
            }
        }
        let deadline = self.deadline.as_mut();
        let part = tokio::select! {
            part = answers.next() => part.map_err(|error| located(error, &self.place.0, &self.place.1)),
            () = deadline => Err(too_long(self.limit)),
        };
        match part {
            Ok(Some(part)) => Ok(Some(part)),
            Ok(None) => {
                self.enough();
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

impl Hub {
    /// Asks the only statement of a text. `name` is what errors call the text by; `given` are parameters, typed as on the command line.
    ///
    /// # Errors
    /// A statement that is wrong or does more than to read, with its place; a limit; storage errors.
    pub async fn ask(
        self: &Arc<Self>,
        protocol: Protocol,
        caller: &Caller,
        settings: &Settings,
        (name, sql): (&'static str, &str),
        given: &BTreeMap<String, Value>,
    ) -> Result<Asked> {
        let script = self.script(self.limit_of(settings), name, sql).await?;
        let [statement] = script.statements.as_slice() else {
            return Err(Error::usage("there is more than one statement").with_hint("ask one statement at a time"));
        };
        let bind = |clock: &Clock| script::bind(&script, given, clock);
        self.ask_statement(protocol, caller, settings, (&script, statement), bind).await
    }

    /// Asks a statement of a text that was taken apart already. `bind` gives the parameters their values, by the statement's instant.
    ///
    /// # Errors
    /// As [`Hub::ask`].
    pub async fn ask_statement(
        self: &Arc<Self>,
        protocol: Protocol,
        caller: &Caller,
        settings: &Settings,
        (script, statement): (&Script, &Statement),
        bind: impl FnOnce(&Clock) -> Result<ParamValues>,
    ) -> Result<Asked> {
        let mut counted = Counted::begin(self, protocol);
        let limit = self.limit_of(settings);
        // The limit begins here and holds for waiting and planning, too.
        let mut deadline = Box::pin(tokio::time::sleep(limit));
        let work = async {
            require_reading(caller, script, statement)?;
            let long = self.long_turn(statement.text()).await?;
            let turn = self.turn().await?;
            let opened = self.open_for(caller, settings).await?;
            let values = bind(&opened.clock)?;
            let located = |error| located_for(caller, error, script, statement);
            let (engine, parsed) = (opened.engine.clone(), statement.parsed.clone());
            // Planning may compute for a while: it, too, is work of the threads that compute, and it keeps its turns when nobody waits for it.
            let planning = self.compute().spawn(async move {
                let _long = long;
                (engine.plan(parsed, &values).await, turn)
            });
            let (plan, turn) = Stopping(planning).outcome().await?;
            let plan = plan.map_err(located)?;
            require_reading_plan(&plan)?;
            let answers = Answers::of(self.compute(), opened.engine.context().clone(), plan);
            Ok((turn, opened, answers))
        };
        let begun = tokio::select! {
            begun = work => begun,
            () = &mut deadline => Err(too_long(limit)),
        };
        let (turn, opened, answers) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                counted.end(Ending::of(&error));
                return Err(error);
            }
        };
        let place = (script.clone(), statement.clone());
        Asked::begin(answers, place, (opened.version, opened.clock), (counted, turn), (limit, deadline)).await
    }
}

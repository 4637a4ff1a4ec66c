//! What all protocols of a server share: the lake, the users, the limits. `asked` has the way that a question goes.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use datafusion::error::DataFusionError;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::allowed::require_reading;
use super::guests::Guests;
use super::limits::{Doors, Limits, Seat, too_long};
use super::metrics::{Metrics, Protocol};
use super::users::{Caller, Users};
use crate::engine::{At, Distribution, Engine, EngineOptions, Execution, GUARDED_TABLES, LakeView, Outline, Resources};
use crate::error::{Error, Result};
use crate::lake::{Lake, Version};
use crate::report::located;
use crate::script::{self, Clock, Script, Statement};
use crate::zones::Tz;

/// Where a server's time comes from.
#[derive(Clone)]
pub struct Clocks {
    /// The instant that is now.
    pub now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Time that has passed since some moment; it never goes back.
    pub passed: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// What a hub is made of.
pub struct HubOptions {
    /// The lake that is asked.
    pub lake: Lake,
    /// What all questions together may use. The instant that is now is that of each question.
    pub engine: EngineOptions,
    /// The limits.
    pub limits: Limits,
    /// Who may ask; without users everyone may, and sees everything.
    pub users: Option<Users>,
    /// The clocks.
    pub clocks: Clocks,
    /// The threads that compute answers.
    pub compute: Handle,
    /// The workers that questions run on, of callers who see everything.
    pub spread: Option<Arc<dyn Distribution>>,
}

/// What one session of a client has set.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The version that is asked.
    pub at: At,
    /// The instant that is now; without it, the one at which a statement begins.
    pub as_of: Option<DateTime<Utc>>,
    /// The zone of local days.
    pub time_zone: Tz,
    /// The longest that a statement may take, where that is less than the server's limit.
    pub timeout: Option<Duration>,
}

/// A server's middle.
pub struct Hub {
    options: HubOptions,
    resources: Resources,
    doors: Doors,
    guests: Arc<Guests>,
    metrics: Metrics,
    /// The newest version that was seen.
    newest: Mutex<Option<LakeView>>,
}

/// A session that one statement runs in, with what it sees.
pub(super) struct Opened {
    pub engine: Engine,
    pub version: u64,
    pub clock: Clock,
}

impl Hub {
    /// Makes a hub, and looks whether the lake is there.
    ///
    /// # Errors
    /// A lake that is not there; a temporary folder that cannot be used.
    pub async fn open(options: HubOptions) -> Result<Arc<Self>> {
        let resources = Resources::new(&options.engine)?;
        let newest = LakeView::open(&options.lake, At::Newest, None).await?;
        let (doors, guests) =
            (Doors::new(options.limits.clone()), Arc::new(Guests::beside(options.limits.connections)));
        let (metrics, newest) = (Metrics::default(), Mutex::new(Some(newest)));
        Ok(Arc::new(Self { options, resources, doors, guests, metrics, newest }))
    }

    /// The settings that a session begins with.
    pub fn settings(&self) -> Settings {
        Settings { at: At::Newest, as_of: None, time_zone: self.options.engine.time_zone, timeout: None }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        self.doors.limits()
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Writes the counters as OpenMetrics text.
    pub fn metrics_text(&self) -> String {
        self.metrics.text(&self.doors, self.resources.held_bytes())
    }

    /// The clocks.
    pub fn clocks(&self) -> &Clocks {
        &self.options.clocks
    }

    /// Where answers are computed.
    pub fn compute(&self) -> &Handle {
        &self.options.compute
    }

    /// Says whether callers must say who they are.
    pub fn has_users(&self) -> bool {
        self.options.users.is_some()
    }

    /// The users, where there are any.
    pub(super) fn users(&self) -> Option<&Users> {
        self.options.users.as_ref()
    }

    /// The caller where nobody needs to say who it is.
    pub fn caller_without_login(&self) -> Option<Caller> {
        (!self.has_users()).then(|| Caller::everything("anyone"))
    }

    /// Compares a password that was sent.
    ///
    /// # Errors
    /// A usage error that says nothing of what was wrong; a users file that cannot be read.
    pub async fn log_in(self: &Arc<Self>, user: &str, password: &str) -> Result<Caller> {
        let Some(users) = self.users() else { return Ok(Caller::everything(user)) };
        let (caller, verifier) = users.find(user, (self.options.clocks.now)())?;
        let password = password.to_owned();
        // Hashing takes milliseconds, which those that listen do not have.
        let fits = self.options.compute.spawn_blocking(move || verifier.fits(&password));
        match (fits.await.map_err(Error::internal)?, caller) {
            (true, Some(caller)) => Ok(caller),
            _ => {
                self.metrics.login_refused();
                Err(Error::usage("the user or the password is wrong"))
            }
        }
    }

    /// Counts a connection.
    ///
    /// # Errors
    /// As many as there may be.
    pub fn admit(&self, protocol: Protocol) -> Result<Seat> {
        let seat = self.doors.seat()?;
        self.metrics.connected(protocol);
        Ok(seat)
    }

    /// The connections that have not said yet who it is.
    pub(super) fn guests(&self) -> &Arc<Guests> {
        &self.guests
    }

    /// Waits for the turn of a question.
    pub(super) async fn turn(&self) -> Result<super::limits::Turn> {
        self.doors.turn().await
    }

    /// Waits for the turn of a text, if it is long.
    pub(super) async fn long_turn(&self, text: &str) -> Result<Option<super::limits::Turn>> {
        self.doors.long(text).await
    }

    /// The longest that a statement of a session may take.
    pub(super) fn limit_of(&self, settings: &Settings) -> Duration {
        settings.timeout.map_or(self.limits().statement, |timeout| timeout.min(self.limits().statement))
    }

    /// Opens the version that is asked.
    async fn view(&self, at: At) -> Result<LakeView> {
        let mut newest = self.newest.lock().await;
        // Taken out: where looking fails, or is given up, the next question opens the lake anew.
        let view = match newest.take() {
            Some(view) => view.refreshed(&self.options.lake).await?,
            None => LakeView::open(&self.options.lake, At::Newest, None).await?,
        };
        *newest = Some(view.clone());
        drop(newest);
        match at {
            At::Newest => Ok(view),
            At::Version(version) if version == view.version() => Ok(view),
            at => LakeView::open(&self.options.lake, at, None).await,
        }
    }

    /// Tells which version and instant a statement would see now, for one that is described first and asked later.
    ///
    /// # Errors
    /// A version that is not there; storage errors.
    pub async fn pinned(&self, settings: &Settings) -> Result<(Version, DateTime<Utc>)> {
        let version = self.view(settings.at).await?.version();
        Ok((version, settings.as_of.unwrap_or_else(|| (self.options.clocks.now)())))
    }

    pub(super) async fn open_for(&self, caller: &Caller, settings: &Settings) -> Result<Opened> {
        let view = self.view(settings.at).await?;
        let as_of = settings.as_of.unwrap_or_else(|| (self.options.clocks.now)());
        let options = EngineOptions { as_of, time_zone: settings.time_zone, ..self.options.engine.clone() };
        let mut engine = Engine::within(&self.resources, options, Execution::Parallel)?;
        match caller.guard.is_open() {
            true => {
                if let Some(spread) = &self.options.spread {
                    engine = engine.spread_over(Arc::clone(spread));
                }
                engine.attach_view(&view)?;
            }
            // What masks has no form on the wire: rows as they are never leave this process for those who may not see them.
            false => engine.attach_guarded(&view, &caller.guard)?,
        }
        let clock = Clock { as_of, time_zone: settings.time_zone };
        Ok(Opened { engine, version: view.version(), clock })
    }

    /// Makes a session as a statement of the caller would see it, for what is asked of the tables and not of their rows.
    ///
    /// # Errors
    /// A version that is not there; storage errors.
    pub async fn session(&self, caller: &Caller, settings: &Settings) -> Result<Engine> {
        Ok(self.open_for(caller, settings).await?.engine)
    }

    /// Plans a statement whose numbered parameters have no values yet: what it asks for and would answer.
    ///
    /// # Errors
    /// As [`Hub::ask`].
    pub async fn outline(
        &self,
        caller: &Caller,
        settings: &Settings,
        (script, statement): (&Script, &Statement),
        types: Vec<Option<arrow::datatypes::DataType>>,
    ) -> Result<Outline> {
        require_reading(caller, script, statement)?;
        let limit = self.limit_of(settings);
        let outlined = async {
            let long = self.long_turn(statement.text()).await?;
            let turn = self.turn().await?;
            let opened = self.open_for(caller, settings).await?;
            let values = script::bind_session(statement, &opened.clock);
            let (engine, parsed) = (opened.engine, statement.parsed.clone());
            // The turns are given back by who computes: a plan may take its time after nobody waits for it any more.
            let planning = self.options.compute.spawn(async move {
                let _turns = (turn, long);
                engine.outline(parsed, &values, &types).await
            });
            let outline = Stopping(planning).outcome().await?;
            outline.map_err(|error| located_for(caller, error, script, statement))
        };
        tokio::time::timeout(limit, outlined).await.unwrap_or_else(|_| Err(too_long(limit)))
    }
}

/// Gives an error its place, and hints that name nothing which the caller may not see.
pub(super) fn located_for(caller: &Caller, error: DataFusionError, script: &Script, statement: &Statement) -> Error {
    match caller.guard.is_open() {
        true => located(error, script, statement),
        false => script::locate_among(error, script, Some(statement), &GUARDED_TABLES),
    }
}

/// Work on other threads that is stopped when nobody waits for it any more.
pub(super) struct Stopping<T>(pub tokio::task::JoinHandle<T>);

impl<T> Stopping<T> {
    pub async fn outcome(mut self) -> Result<T> {
        (&mut self.0).await.map_err(Error::internal)
    }
}

impl<T> Drop for Stopping<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

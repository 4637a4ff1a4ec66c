//! What a connection is at: its settings, its statements and cursors, its transaction, and how messages change them.
//!
//! Transactions are kept in name alone: every statement sees the newest version of the lake, in a transaction too, unless `SET
//! sessionlake.at_version` names one. An error within one makes the others fail until it ends, as clients expect.

mod apart;
mod running;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::{PROTOCOL, Registered, Shared};
use crate::engine::Outline;
use crate::error::Result;
use crate::net::listening::stopping;
use crate::script::{self, Clock, Piece};
use crate::serve::Caller;
use crate::serve::catalog::Catalog;
use crate::serve::pg::beside::{self, Beside, Talk};
use crate::serve::pg::commands::Command;
use crate::serve::pg::encode::Form;
use crate::serve::pg::errors::{Fault, Outcome, Place, code, coded, put_fault};
use crate::serve::pg::portal::{Running, put_columns, put_parameters};
use crate::serve::pg::settings::SessionSettings;
use crate::serve::pg::statements::{NAME, Portal, Prepared, forms_of, text_columns};
use crate::serve::pg::types::{PgType, TEXT, UNKNOWN};
use crate::serve::pg::wire::{From as Reader, Front, Target, To as Writer, broken};

/// Prepared statements, portals and cursors of a connection at most, each.
const MOST_KEPT: usize = 1_000;
/// Bytes of statements and values that a connection may keep, or a message if that is more. A long statement takes more memory than it has bytes.
const MOST_KEPT_BYTES: usize = 4 << 20;

/// Whether a transaction goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    Failed,
}

/// The end of a connection that another session of the user has asked for.
fn terminated<T>() -> Outcome<T> {
    coded(code::STOPPING, "terminating connection due to administrator command")
}

/// A connection after its log-in.
pub(super) struct Session {
    shared: Arc<Shared>,
    caller: Caller,
    database: String,
    registered: Registered,
    settings: SessionSettings,
    beside: Beside,
    /// What questions have set, of which the client is still to be told.
    told: Vec<(&'static str, String)>,
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
    cursors: HashMap<String, Portal>,
    transaction: Transaction,
    /// Where the statement that is looked at stands, for errors.
    at: Option<(Arc<str>, usize)>,
}

impl Session {
    pub fn of(shared: Arc<Shared>, caller: Caller, database: String) -> Result<Self> {
        let registered = shared.cancels.register(&caller.name)?;
        let settings = SessionSettings::of(shared.hub.settings(), &caller.name);
        Ok(Self {
            shared,
            caller,
            database,
            registered,
            settings,
            beside: Beside::default(),
            told: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            cursors: HashMap::new(),
            transaction: Transaction::None,
            at: None,
        })
    }

    pub fn with(self, settings: SessionSettings) -> Self {
        Self { settings, ..self }
    }

    pub fn registered(&self) -> &Registered {
        &self.registered
    }

    /// The clock that texts of instants are read by.
    pub fn clock(&self, settings: &SessionSettings) -> Clock {
        let now = settings.now;
        Clock { as_of: now.as_of.unwrap_or_else(|| (self.shared.hub.clocks().now)()), time_zone: now.time_zone }
    }

    /// Serves the connection to its end.
    pub async fn run(mut self, reader: Reader, mut writer: Writer) {
        let (gone, most) = (Arc::new(Notify::new()), self.shared.hub.limits().message_bytes);
        let (sender, inbox) = mpsc::channel(1);
        let reading = Reading(tokio::spawn(read_ahead(reader, most, sender, Arc::clone(&gone))));
        self.ready(&mut writer);
        let ended = self.serve(inbox, &mut writer, &gone).await;
        drop(reading);
        let handshake = self.shared.hub.limits().handshake;
        if let Err(fault) = ended
            && !matches!(fault, Fault::Closed)
        {
            writer.message(b'E', |out| put_fault(out, "FATAL", &fault, Place::default()));
            let _ = tokio::time::timeout(handshake, writer.flush()).await;
        }
        tracing::info!(target: "serve", protocol = PROTOCOL.name(), "disconnected");
    }

    async fn serve(
        &mut self,
        mut inbox: mpsc::Receiver<Result<Front>>,
        writer: &mut Writer,
        gone: &Notify,
    ) -> Outcome<()> {
        let limits = self.shared.hub.limits().clone();
        let mut stop = self.shared.stop.clone();
        // After an error of the extended protocol, what comes up to the next Sync is left out.
        let mut is_skipping = false;
        let (cancel, leave) = (Arc::clone(&self.registered.cancel), Arc::clone(&self.registered.leave));
        loop {
            if inbox.is_empty() {
                self.rest();
                match tokio::time::timeout(limits.handshake, writer.flush()).await {
                    Ok(flushed) => flushed.map_err(|_| Fault::Closed)?,
                    Err(_) => return Err(Fault::Closed),
                }
            }
            let message = tokio::select! {
                message = inbox.recv() => message,
                () = tokio::time::sleep(limits.idle) => return coded(code::IDLE, "the connection did nothing for too long"),
                () = stopping(&mut stop) => return coded(code::STOPPING, "the server is stopping"),
                () = leave.notified() => return terminated(),
            };
            let message = match message {
                None | Some(Ok(Front::Terminate)) => return Ok(()),
                Some(message) => message?,
            };
            if is_skipping && message != Front::Sync {
                continue;
            }
            let is_extended = !matches!(message, Front::Query(_) | Front::Call);
            self.registered.is_active.store(true, Ordering::Relaxed);
            let handled = tokio::select! {
                handled = self.handle(message, writer) => handled,
                () = cancel.notified() => coded(code::CANCELLED, "canceling statement due to user request"),
                () = gone.notified() => return Err(Fault::Closed),
                () = leave.notified() => return terminated(),
            };
            self.registered.is_active.store(false, Ordering::Relaxed);
            match handled {
                Ok(()) => is_skipping = false,
                Err(Fault::Closed) => return Err(Fault::Closed),
                Err(fault) => {
                    self.failed(&fault, writer);
                    if is_extended {
                        is_skipping = true;
                    } else {
                        self.ready(writer);
                    }
                }
            }
        }
    }

    /// Lets others have the turns of answers that have begun, while the client thinks.
    fn rest(&mut self) {
        let begun = self.portals.values_mut().chain(self.cursors.values_mut());
        begun.filter_map(|portal| portal.running.as_mut()).for_each(Running::pause);
    }

    /// Tells of an error, and gives up what was open.
    fn failed(&mut self, fault: &Fault, writer: &mut Writer) {
        let (whole, start) = self.at.take().unwrap_or_default();
        writer.message(b'E', |out| put_fault(out, "ERROR", fault, Place { whole: &whole, start }));
        // As a transaction's end does. What was sent of an answer in part could not go on.
        self.portals.clear();
        self.cursors.clear();
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
    }

    fn ready(&self, writer: &mut Writer) {
        let status = match self.transaction {
            Transaction::None => b'I',
            Transaction::Open => b'T',
            Transaction::Failed => b'E',
        };
        writer.message(b'Z', |out| out.push(status));
    }

    async fn handle(&mut self, message: Front, writer: &mut Writer) -> Outcome<()> {
        self.at = None;
        match message {
            Front::Query(sql) => {
                self.simple(&sql, writer).await?;
                self.ready(writer);
            }
            Front::Parse { name, sql, types } => {
                let prepared = self.parse(&sql, types).await?;
                // One without a name takes the place of the one before it.
                if name.is_empty() {
                    self.statements.remove("");
                } else if self.statements.contains_key(&name) {
                    return coded(code::EXISTS, format!("prepared statement {name:?} already exists"));
                }
                require_room(self.statements.len(), "prepared statements")?;
                self.require_bytes(prepared.whole.len())?;
                self.statements.insert(name, Arc::new(prepared));
                writer.message(b'1', |_| {});
            }
            Front::Bind { portal, statement, formats, values, results } => {
                if portal.is_empty() {
                    self.portals.remove("");
                }
                let bound = self.bind(&statement, &formats, values, &results)?;
                if !portal.is_empty() && self.portals.contains_key(&portal) {
                    return coded(code::CURSOR_EXISTS, format!("cursor {portal:?} already exists"));
                }
                require_room(self.portals.len(), "portals")?;
                self.require_bytes(bound.bytes())?;
                self.portals.insert(portal, bound);
                writer.message(b'2', |_| {});
            }
            Front::Describe(Target::Statement, name) => self.describe_statement(&name, writer).await?,
            Front::Describe(Target::Portal, name) => self.describe_portal(&name, writer).await?,
            Front::Execute { portal, rows } => self.execute(&portal, rows, writer).await?,
            Front::Close(target, name) => {
                match target {
                    Target::Statement => drop(self.statements.remove(&name)),
                    Target::Portal => drop(self.portals.remove(&name)),
                }
                writer.message(b'3', |_| {});
            }
            Front::Flush => writer.flush().await?,
            Front::Sync => {
                if self.transaction == Transaction::None {
                    self.portals.clear();
                }
                self.ready(writer);
            }
            // What is left of a COPY that was refused.
            Front::Copy => {}
            Front::Call => return coded(code::FEATURE, "functions are called in questions alone"),
            Front::Password(_) => return Err(broken("a password after the log-in").into()),
            Front::Terminate => {}
        }
        Ok(())
    }

    /// Runs the statements of a text, one after the other.
    async fn simple(&mut self, sql: &str, writer: &mut Writer) -> Outcome<()> {
        let whole: Arc<str> = Arc::from(sql);
        self.at = Some((Arc::clone(&whole), 0));
        self.portals.remove("");
        let pieces = Arc::new(self.apart(&whole, |whole| script::pieces(NAME, whole)).await??);
        if pieces.is_empty() {
            writer.message(b'I', |_| {});
        }
        for at in 0..pieces.len() {
            let prepared = Arc::new(self.prepare(&whole, &pieces, at, Vec::new()).await?);
            let mut portal = Portal::of(prepared, Vec::new(), Vec::new());
            self.start(&mut portal).await?;
            if let Some(running) = portal.running.as_ref().filter(|_| !portal.is_copy()) {
                writer.message(b'T', |out| put_columns(&running.columns, &[], out));
            }
            self.pump(&mut portal, 0, writer).await?;
        }
        Ok(())
    }

    async fn parse(&mut self, sql: &str, types: Vec<u32>) -> Outcome<Prepared> {
        let whole: Arc<str> = Arc::from(sql);
        self.at = Some((Arc::clone(&whole), 0));
        let pieces = Arc::new(self.apart(&whole, |whole| script::pieces(NAME, whole)).await??);
        match pieces.len() {
            0 | 1 => self.prepare(&whole, &pieces, 0, types).await,
            _ => coded(code::SYNTAX, "cannot insert multiple commands into a prepared statement"),
        }
    }

    /// Takes one of the statements of a text apart.
    async fn prepare(
        &mut self,
        whole: &Arc<str>,
        pieces: &Arc<Vec<Piece>>,
        at: usize,
        types: Vec<u32>,
    ) -> Outcome<Prepared> {
        let (caller, pieces) = (self.caller.clone(), Arc::clone(pieces));
        let prepare = move |whole: &Arc<str>| {
            let mut place = None;
            (Prepared::of(&caller, whole, pieces.get(at), types, &mut place), place)
        };
        let (prepared, place) = self.apart(whole, prepare).await?;
        self.at = place.or(self.at.take());
        prepared
    }

    async fn apart<T: Send + 'static>(
        &self,
        whole: &Arc<str>,
        work: impl FnOnce(&Arc<str>) -> T + Send + 'static,
    ) -> Result<T> {
        let hub = &self.shared.hub;
        hub.apart(hub.limit_of(&self.settings.now), whole, work).await
    }

    /// Refuses to keep more than a connection may: a few megabytes, or one message.
    pub(super) fn require_bytes(&self, more: usize) -> Outcome<()> {
        let statements: usize = self.statements.values().map(|prepared| prepared.whole.len()).sum();
        let portals: usize = self.portals.values().chain(self.cursors.values()).map(Portal::bytes).sum();
        match statements + portals {
            kept if kept > 0 && kept + more > MOST_KEPT_BYTES => coded(
                code::LIMIT,
                format!("a connection keeps {MOST_KEPT_BYTES} bytes of prepared statements and values at most"),
            ),
            _ => Ok(()),
        }
    }

    fn statement(&self, name: &str) -> Outcome<Arc<Prepared>> {
        match self.statements.get(name) {
            Some(prepared) => Ok(Arc::clone(prepared)),
            None => coded(code::STATEMENT, format!("prepared statement {name:?} does not exist")),
        }
    }

    fn bind(
        &mut self,
        statement: &str,
        formats: &[i16],
        values: Vec<Option<Bytes>>,
        results: &[i16],
    ) -> Outcome<Portal> {
        let prepared = self.statement(statement)?;
        let form = |code: i16| match Form::of(code) {
            Some(form) => Ok(form),
            None => coded(code::PROTOCOL, format!("there is no form {code} of values")),
        };
        let wanted = prepared.parameters().max(prepared.declared.len());
        if values.len() != wanted {
            return coded(code::PROTOCOL, format!("{} values for {wanted} parameters", values.len()));
        }
        if formats.len() > 1 && formats.len() != values.len() {
            return coded(code::PROTOCOL, format!("{} forms for {} values", formats.len(), values.len()));
        }
        let code_of = |index: usize| if formats.len() == 1 { formats.first() } else { formats.get(index) };
        // Copied: as a part of what was read a small value would keep all of that.
        let values = values.into_iter().enumerate().map(|(index, value)| {
            let value = value.map(|value| Bytes::copy_from_slice(&value));
            Ok((value, form(code_of(index).copied().unwrap_or(0))?))
        });
        let values = values.collect::<Outcome<Vec<_>>>()?;
        let results = results.iter().map(|code| form(*code)).collect::<Outcome<Vec<_>>>()?;
        Ok(Portal::of(prepared, values, results))
    }

    /// Asks what a question's parameters are and what it would answer.
    async fn outline<'p>(&self, prepared: &'p Arc<Prepared>) -> Outcome<Option<&'p Outline>> {
        let Some((script, statement)) =
            prepared.question.as_ref().and_then(|script| Some((script, script.statements.first()?)))
        else {
            return Ok(None);
        };
        let types = prepared.declared.iter().map(|oid| PgType::known(*oid).and_then(PgType::values)).collect();
        let outline = async {
            if prepared.is_beside {
                return apart::outline(&self.shared, self.catalog().await?, Arc::clone(prepared)).await;
            }
            let folded = if prepared.asks_session { self.folded(statement).await? } else { None };
            let statement = folded.as_ref().map_or(statement, |(statement, _)| statement);
            Ok(self.shared.hub.outline(&self.caller, &self.settings.now, (script, statement), types).await?)
        };
        Ok(Some(prepared.outline.get_or_try_init(|| outline).await?))
    }

    async fn catalog(&self) -> Result<Arc<Catalog>> {
        self.beside.catalog(&self.shared, &self.caller, &self.settings, &self.database).await
    }

    fn talk(&self) -> Talk {
        let (settings, clock) = (self.settings.clone(), self.clock(&self.settings));
        let (user, cancels) = (self.caller.name.clone(), Arc::clone(&self.shared.cancels));
        Talk { process: self.registered.process, user, cancels, clock, settings, told: Vec::new() }
    }

    /// Writes what a question of the lake asks of the session into it.
    async fn folded(&self, statement: &script::Statement) -> Outcome<Option<(script::Statement, Talk)>> {
        let (catalog, mut talk) = (self.catalog().await?, self.talk());
        Ok(beside::with_values(statement, &catalog, &mut talk)?.map(|statement| (statement, talk)))
    }

    fn heard(&mut self, talk: Talk) {
        self.settings = talk.settings;
        self.told.extend(talk.told);
    }

    async fn describe_statement(&mut self, name: &str, writer: &mut Writer) -> Outcome<()> {
        let prepared = self.statement(name)?;
        self.at = Some((Arc::clone(&prepared.whole), prepared.start));
        let outline = self.outline(&prepared).await?;
        let told = outline.map_or(&[][..], |outline| &outline.parameters);
        let count = prepared.parameters().max(prepared.declared.len());
        let types: Vec<u32> = (0..count)
            .map(|index| match prepared.declared.get(index) {
                Some(oid) if *oid != 0 && *oid != UNKNOWN.oid => *oid,
                _ => told.get(index).cloned().flatten().map_or(TEXT.oid, |kind| PgType::of_values(&kind).oid),
            })
            .collect();
        writer.message(b't', |out| put_parameters(&types, out));
        match (&prepared.command, outline) {
            (Some(Command::Question), Some(outline)) => {
                writer.message(b'T', |out| put_columns(&outline.columns, &[], out))
            }
            (Some(command), _) => match self.known_columns(command)? {
                Some(columns) => writer.message(b'T', |out| put_columns(&columns, &[], out)),
                None => writer.message(b'n', |_| {}),
            },
            (None, _) => writer.message(b'n', |_| {}),
        }
        Ok(())
    }

    async fn describe_portal(&mut self, name: &str, writer: &mut Writer) -> Outcome<()> {
        let Some(mut portal) = self.portals.remove(name) else {
            // Clients describe the cursors that they have declared as portals, which they are in PostgreSQL.
            let Some(running) = self.cursors.get(name).and_then(|cursor| cursor.running.as_ref()) else {
                return coded(code::CURSOR, format!("portal {name:?} does not exist"));
            };
            let forms = forms_of(&[], running.columns.fields().len())?;
            writer.message(b'T', |out| put_columns(&running.columns, &forms, out));
            return Ok(());
        };
        // It begins here, so that what is described is what comes. A command begins when it is executed.
        if portal.is_question() {
            self.start(&mut portal).await?;
        }
        let columns = match (&portal.running, &portal.prepared.command) {
            (Some(running), Some(Command::Question)) => Some(SchemaRef::clone(&running.columns)),
            (_, Some(command)) => self.known_columns(command)?,
            _ => None,
        };
        match columns {
            Some(columns) => {
                let forms = portal.forms(columns.fields().len())?;
                writer.message(b'T', |out| put_columns(&columns, &forms, out));
            }
            None => writer.message(b'n', |_| {}),
        }
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// The columns of a command that has some.
    fn known_columns(&self, command: &Command) -> Outcome<Option<SchemaRef>> {
        Ok(match command {
            Command::Show(name) => Some(text_columns(&[self.settings.show(name)?.0])),
            Command::ShowAll => Some(text_columns(&SHOWN)),
            Command::Fetch { name, .. } => match self.cursors.get(name).and_then(|cursor| cursor.running.as_ref()) {
                Some(running) => Some(SchemaRef::clone(&running.columns)),
                None => return coded(code::CURSOR, format!("cursor {name:?} does not exist")),
            },
            _ => None,
        })
    }

    async fn execute(&mut self, name: &str, rows: usize, writer: &mut Writer) -> Outcome<()> {
        let Some(mut portal) = self.portals.remove(name) else {
            return coded(code::CURSOR, format!("portal {name:?} does not exist"));
        };
        self.start(&mut portal).await?;
        portal.is_described = true;
        self.pump(&mut portal, rows, writer).await?;
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }
}

const SHOWN: [&str; 3] = ["name", "setting", "description"];

fn require_room(kept: usize, what: &str) -> Outcome<()> {
    if kept < MOST_KEPT { Ok(()) } else { coded(code::LIMIT, format!("a connection has {MOST_KEPT} {what} at most")) }
}

/// What reads ahead, for as long as the connection is served: it holds the connection open.
struct Reading(tokio::task::JoinHandle<()>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads what a client sends while an answer is computed; says when the client is gone.
async fn read_ahead(mut reader: Reader, most: usize, sender: mpsc::Sender<Result<Front>>, gone: Arc<Notify>) {
    loop {
        let read = reader.next(most).await;
        let is_over = !matches!(read, Ok(Some(_)));
        match read {
            Ok(Some(message)) => {
                if sender.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => drop(sender.send(Err(error)).await),
        }
        if is_over {
            // After what was sent before: a client may send a statement and end at once.
            gone.notify_one();
            return;
        }
    }
}

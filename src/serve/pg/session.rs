//! What a connection is at: its settings, its statements and cursors, its transaction, and how messages change them.
//!
//! Transactions are kept in name alone: every statement sees the newest version of the lake, in a transaction too, unless `SET
//! sessionlake.at_version` names one. An error within one makes the others fail until it ends, as clients expect.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::{ParamValues, ScalarValue};
use tokio::sync::{Notify, mpsc};

use super::beside::{self, Beside, Talk};
use super::commands::Command;
use super::encode::Form;
use super::errors::{Fault, Outcome, Place, code, coded, put_fault};
use super::login::{From as Reader, To as Writer};
use super::params;
use super::portal::{Running, put_columns, put_complete, put_parameters};
use super::settings::SessionSettings;
use super::statements::{NAME, Portal, Prepared, forms_of, text_columns, texts};
use super::types::{PgType, TEXT, UNKNOWN};
use super::wire::{Front, Target, broken, put_text};
use super::{PROTOCOL, Registered, Shared, stopping};
use crate::engine::Outline;
use crate::error::{Error, Result};
use crate::script::{self, Clock};
use crate::serve::Caller;
use crate::serve::catalog::Catalog;
use crate::serve::limits::Seat;

/// Prepared statements, and portals with cursors, of a connection at most.
const MOST_KEPT: usize = 1_000;
/// Whether a transaction goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    Failed,
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
        let registered = shared.cancels.register()?;
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
    pub async fn run(mut self, reader: Reader, mut writer: Writer, seat: Option<Seat>) {
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
        drop(seat);
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
        loop {
            if inbox.is_empty() {
                match tokio::time::timeout(limits.handshake, writer.flush()).await {
                    Ok(flushed) => flushed.map_err(|_| Fault::Closed)?,
                    Err(_) => return Err(Fault::Closed),
                }
            }
            let message = tokio::select! {
                message = inbox.recv() => message,
                () = tokio::time::sleep(limits.idle) => return coded(code::IDLE, "the connection did nothing for too long"),
                () = stopping(&mut stop) => return coded(code::STOPPING, "the server is stopping"),
            };
            let message = match message {
                None | Some(Ok(Front::Terminate)) => return Ok(()),
                Some(message) => message?,
            };
            if is_skipping && message != Front::Sync {
                continue;
            }
            let is_extended = !matches!(message, Front::Query(_) | Front::Call);
            let cancel = Arc::clone(&self.registered.cancel);
            let handled = tokio::select! {
                handled = self.handle(message, writer) => handled,
                () = cancel.notified() => coded(code::CANCELLED, "canceling statement due to user request"),
                () = gone.notified() => return Err(Fault::Closed),
            };
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
                let prepared = self.parse(&sql, types)?;
                if !name.is_empty() && self.statements.contains_key(&name) {
                    return coded(code::EXISTS, format!("prepared statement {name:?} already exists"));
                }
                require_room(self.statements.len(), "prepared statements")?;
                self.statements.insert(name, Arc::new(prepared));
                writer.message(b'1', |_| {});
            }
            Front::Bind { portal, statement, formats, values, results } => {
                let bound = self.bind(&statement, &formats, values, &results)?;
                if !portal.is_empty() && self.portals.contains_key(&portal) {
                    return coded(code::CURSOR_EXISTS, format!("cursor {portal:?} already exists"));
                }
                require_room(self.portals.len(), "portals")?;
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
        self.at = Some((Arc::from(sql), 0));
        self.portals.remove("");
        let whole: Arc<str> = Arc::from(sql);
        let pieces = script::pieces(NAME, sql)?;
        if pieces.is_empty() {
            writer.message(b'I', |_| {});
        }
        for piece in &pieces {
            let prepared = Arc::new(Prepared::of(&self.caller, &whole, Some(piece), Vec::new(), &mut self.at)?);
            let mut portal = Portal::of(prepared, Vec::new(), Vec::new());
            self.start(&mut portal).await?;
            if let Some(running) = portal.running.as_ref().filter(|_| !portal.is_copy()) {
                writer.message(b'T', |out| put_columns(&running.columns, &[], out));
            }
            self.pump(&mut portal, 0, writer).await?;
        }
        Ok(())
    }

    fn parse(&mut self, sql: &str, types: Vec<u32>) -> Outcome<Prepared> {
        let whole: Arc<str> = Arc::from(sql);
        self.at = Some((Arc::clone(&whole), 0));
        match script::pieces(NAME, sql)?.as_slice() {
            [] => Prepared::of(&self.caller, &whole, None, types, &mut self.at),
            [piece] => Prepared::of(&self.caller, &whole, Some(piece), types, &mut self.at),
            _ => coded(code::SYNTAX, "cannot insert multiple commands into a prepared statement"),
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
        let values = values
            .into_iter()
            .enumerate()
            .map(|(index, value)| Ok((value, form(code_of(index).copied().unwrap_or(0))?)));
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
                return beside::outline(&self.shared, self.catalog().await?, Arc::clone(prepared)).await;
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
        Talk { process: self.registered.process, clock, settings, told: Vec::new() }
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

    /// Begins what a portal asks, if that has not begun.
    async fn start(&mut self, portal: &mut Portal) -> Outcome<()> {
        let prepared = Arc::clone(&portal.prepared);
        self.at = Some((Arc::clone(&prepared.whole), prepared.start));
        if portal.running.is_some() || portal.is_done {
            return Ok(());
        }
        if self.transaction == Transaction::Failed
            && !matches!(prepared.command, Some(Command::End(_) | Command::Savepoint("ROLLBACK")))
        {
            return coded(
                code::FAILED_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            );
        }
        match &prepared.command {
            Some(Command::Question | Command::CopyOut { .. } | Command::Declare { .. }) => {
                portal.running = Some(self.ask(&prepared, &portal.values, &portal.results).await?);
            }
            Some(Command::Show(name)) => {
                let (name, value) = self.settings.show(name)?;
                portal.running = Some(Running::known(texts(&[name], &[vec![value]])?));
            }
            Some(Command::ShowAll) => {
                let rows: Vec<Vec<String>> = self
                    .settings
                    .list()
                    .into_iter()
                    .map(|(name, value)| vec![name.to_owned(), value, String::new()])
                    .collect();
                portal.running = Some(Running::known(texts(&SHOWN, &rows)?));
            }
            _ => {}
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        prepared: &Arc<Prepared>,
        values: &[(Option<Bytes>, Form)],
        results: &[Form],
    ) -> Outcome<Running> {
        let Some((script, statement)) =
            prepared.question.as_ref().and_then(|script| Some((script, script.statements.first()?)))
        else {
            return coded(code::INTERNAL, "a question without a statement");
        };
        let mut types = Vec::new();
        if !values.is_empty() {
            let outline = self.outline(prepared).await?;
            for index in 0..values.len() {
                let declared =
                    prepared.declared.get(index).and_then(|oid| PgType::known(*oid)).filter(|known| *known != UNKNOWN);
                let told = outline.and_then(|outline| outline.parameters.get(index).cloned().flatten());
                let kind =
                    declared.and_then(PgType::values).or(told).map_or(DataType::Utf8, |kind| params::stored(&kind));
                types.push((declared.unwrap_or_else(|| PgType::of_values(&kind)), kind));
            }
        }
        let given = |clock: &Clock| -> Result<Vec<ScalarValue>> {
            let values = values.iter().zip(&types).enumerate();
            let read = values.map(|(index, ((bytes, form), (pg_type, kind)))| {
                let value = params::value(bytes.as_deref(), *form, *pg_type, kind, clock);
                value.map_err(|error| of_parameter(error, index + 1))
            });
            read.collect()
        };
        if prepared.is_beside {
            let (catalog, talk) = (self.catalog().await?, self.talk());
            let copied = match &prepared.command {
                Some(Command::CopyOut { options, .. }) => vec![options.form()],
                _ => results.to_vec(),
            };
            let question = (Arc::clone(prepared), copied);
            let values = given(&talk.clock)?;
            let (running, talk) = beside::answer(&self.shared, catalog, question, values, talk).await?;
            self.heard(talk);
            return Ok(running);
        }
        let folded = if prepared.asks_session { self.folded(statement).await? } else { None };
        let (folded, talk) = folded.unzip();
        let statement = folded.as_ref().unwrap_or(statement);
        let bind = |clock: &Clock| -> Result<ParamValues> {
            let ParamValues::Map(mut named) = script::bind_session(statement, clock) else {
                return Err(Error::internal("parameters without names"));
            };
            for (index, value) in given(clock)?.into_iter().enumerate() {
                named.insert((index + 1).to_string(), ScalarAndMetadata::from(value));
            }
            Ok(ParamValues::Map(named))
        };
        let hub = Arc::clone(&self.shared.hub);
        let asked = hub.ask_statement(PROTOCOL, &self.caller, &self.settings.now, (script, statement), bind).await?;
        if let Some(talk) = talk {
            self.heard(talk);
        }
        Running::asked(asked)
    }

    /// Sends what a portal answers, up to a number of rows, or does what its command says.
    async fn pump(&mut self, portal: &mut Portal, most: usize, writer: &mut Writer) -> Outcome<()> {
        let prepared = Arc::clone(&portal.prepared);
        let Some(command) = &prepared.command else {
            writer.message(b'I', |_| {});
            return Ok(());
        };
        tell(writer, std::mem::take(&mut self.told));
        let tag = match command {
            Command::Question | Command::Show(_) | Command::ShowAll => {
                let Some(running) = &mut portal.running else {
                    return coded(code::INTERNAL, "an answer that did not begin");
                };
                let forms = forms_of(&portal.results, running.columns.fields().len())?;
                portal.sent += running.send(&forms, most, writer).await?;
                if !running.is_over {
                    writer.message(b's', |_| {});
                    return Ok(());
                }
                // The whole number, as PostgreSQL counts what this execution sent.
                match command {
                    Command::Question => format!("SELECT {}", std::mem::take(&mut portal.sent)),
                    _ => "SHOW".to_owned(),
                }
            }
            Command::CopyOut { options, .. } => {
                let Some(running) = &mut portal.running else {
                    return coded(code::INTERNAL, "an answer that did not begin");
                };
                format!("COPY {}", running.copy(options, writer).await?)
            }
            Command::Declare { name, .. } => {
                if self.cursors.contains_key(name) {
                    return coded(code::CURSOR_EXISTS, format!("cursor {name:?} already exists"));
                }
                require_room(self.cursors.len(), "cursors")?;
                let mut cursor = Portal::of(Arc::clone(&prepared), Vec::new(), Vec::new());
                cursor.running = portal.running.take();
                if let Some(running) = &mut cursor.running {
                    running.pause();
                }
                self.cursors.insert(name.clone(), cursor);
                "DECLARE CURSOR".to_owned()
            }
            Command::Fetch { name, rows } => self.fetch(name, *rows, portal, writer).await?,
            command => self.run_command(command, writer)?,
        };
        portal.is_done = true;
        put_complete(writer, &tag);
        Ok(())
    }

    async fn fetch(
        &mut self,
        name: &str,
        rows: Option<usize>,
        portal: &Portal,
        writer: &mut Writer,
    ) -> Outcome<String> {
        let Some(running) = self.cursors.get_mut(name).and_then(|cursor| cursor.running.as_mut()) else {
            return coded(code::CURSOR, format!("cursor {name:?} does not exist"));
        };
        let forms = forms_of(&portal.results, running.columns.fields().len())?;
        if !portal.is_described {
            writer.message(b'T', |out| put_columns(&running.columns, &forms, out));
        }
        let sent = match rows {
            Some(0) => 0,
            rows => running.send(&forms, rows.unwrap_or(0), writer).await?,
        };
        Ok(format!("FETCH {sent}"))
    }

    /// Does what a command without an answer says; returns its tag.
    fn run_command(&mut self, command: &Command, writer: &mut Writer) -> Outcome<String> {
        Ok(match command {
            Command::Set { name, value } => {
                let clock = self.clock(&self.settings);
                let told = self.settings.set(name, value.as_deref(), &clock)?;
                tell(writer, told.into_iter().collect());
                "SET".to_owned()
            }
            Command::SetTransaction => "SET".to_owned(),
            Command::ResetAll => {
                let told = self.settings.reset();
                tell(writer, told);
                "RESET".to_owned()
            }
            Command::DiscardAll => {
                if self.transaction != Transaction::None {
                    return coded("25001", "DISCARD ALL cannot run inside a transaction block");
                }
                let told = self.settings.reset();
                tell(writer, told);
                self.statements.clear();
                self.portals.clear();
                self.cursors.clear();
                "DISCARD ALL".to_owned()
            }
            Command::Begin => {
                if self.transaction == Transaction::None {
                    self.transaction = Transaction::Open;
                }
                "BEGIN".to_owned()
            }
            Command::End(tag) => {
                let tag = if self.transaction == Transaction::Failed { "ROLLBACK" } else { tag };
                self.transaction = Transaction::None;
                self.cursors.clear();
                tag.to_owned()
            }
            Command::Savepoint(tag) => {
                if *tag == "ROLLBACK" && self.transaction == Transaction::Failed {
                    self.transaction = Transaction::Open;
                }
                (*tag).to_owned()
            }
            Command::CloseCursor(name) => {
                match name {
                    None => self.cursors.clear(),
                    Some(name) => {
                        if self.cursors.remove(name).is_none() {
                            return coded(code::CURSOR, format!("cursor {name:?} does not exist"));
                        }
                    }
                }
                "CLOSE CURSOR".to_owned()
            }
            Command::Deallocate(name) => {
                match name {
                    None => self.statements.clear(),
                    Some(name) => drop(self.statements.remove(name)),
                }
                "DEALLOCATE".to_owned()
            }
            Command::Unlisten => "UNLISTEN".to_owned(),
            other => return coded(code::INTERNAL, format!("{other:?} is no command without an answer")),
        })
    }
}

/// Tells a client of settings.
fn tell(writer: &mut Writer, told: Vec<(&'static str, String)>) {
    for (name, value) in told {
        writer.message(b'S', |out| {
            put_text(out, name);
            put_text(out, &value);
        });
    }
}

const SHOWN: [&str; 3] = ["name", "setting", "description"];

fn require_room(kept: usize, what: &str) -> Outcome<()> {
    if kept < MOST_KEPT { Ok(()) } else { coded(code::LIMIT, format!("a connection has {MOST_KEPT} {what} at most")) }
}

fn of_parameter(error: Error, number: usize) -> Error {
    match error {
        Error::Usage { message, hint } => Error::Usage { message: format!("parameter ${number}: {message}"), hint },
        other => other,
    }
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

//! How a statement of a session runs: it begins, its rows are sent, or its command is done.

use super::PROTOCOL;
use crate::error::{Error, Result};
use crate::script::{self, Clock};
use crate::serve::pg::commands::Command;
use crate::serve::pg::encode::Form;
use crate::serve::pg::errors::{Outcome, code, coded};
use crate::serve::pg::params;
use crate::serve::pg::portal::{Running, put_columns, put_complete};
use crate::serve::pg::statements::{Portal, Prepared, forms_of, texts};
use crate::serve::pg::types::{PgType, UNKNOWN};
use crate::serve::pg::wire::{To as Writer, put_text};
use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::common::metadata::ScalarAndMetadata;
use datafusion::common::{ParamValues, ScalarValue};
use std::sync::Arc;

use super::{SHOWN, Session, Transaction, apart, require_room};

impl Session {
    /// Begins what a portal asks, if that has not begun.
    pub(super) async fn start(&mut self, portal: &mut Portal) -> Outcome<()> {
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
            let (running, talk) = apart::answer(&self.shared, catalog, question, values, talk).await?;
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
    pub(super) async fn pump(&mut self, portal: &mut Portal, most: usize, writer: &mut Writer) -> Outcome<()> {
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
                self.require_bytes(prepared.whole.len())?;
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
                let told = self.settings.set(name, value.as_deref())?;
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

fn of_parameter(error: Error, number: usize) -> Error {
    match error {
        Error::Usage { message, hint } => Error::Usage { message: format!("parameter ${number}: {message}"), hint },
        other => other,
    }
}

//! Statements that are prepared, and portals: statements with their values.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use super::beside;
use super::commands::{Command, CopySource, command};
use super::encode::Form;
use super::errors::{Outcome, code, coded};
use super::portal::Running;
use crate::engine::Outline;
use crate::error::Result;
use crate::script::{self, Piece, Script};
use crate::serve::{Caller, require_reading};

/// What the text of a client is called in errors.
pub const NAME: &str = "statement";

/// The type of arrays of texts.
const TEXTS: u32 = 1009;
/// Parameters of a statement at most: messages count them in 16 bits.
const MOST_PARAMETERS: usize = 65_535;

/// A statement that can be run.
pub struct Prepared {
    /// The text that the client sent, and the bytes before the statement in it.
    pub whole: Arc<str>,
    pub start: usize,
    /// None where there is nothing to run.
    pub command: Option<Command>,
    /// The question, where it is one or has one inside.
    pub question: Option<Script>,
    /// The numbers of the parameters' types, as the client declared them; 0 where it did not.
    pub declared: Vec<u32>,
    /// Whether it is about the catalog, or asks something of the session.
    pub is_beside: bool,
    pub asks_session: bool,
    /// What a question asks for and would answer, once that was asked.
    pub outline: tokio::sync::OnceCell<Outline>,
}

impl Prepared {
    /// Takes a statement apart. What is wrong with its syntax, or does more than to read, is said here.
    ///
    /// `at` becomes where the statement stands, for errors.
    pub fn of(
        caller: &Caller,
        whole: &Arc<str>,
        piece: Option<&Piece>,
        declared: Vec<u32>,
        at: &mut Option<(Arc<str>, usize)>,
    ) -> Outcome<Self> {
        let prepared = |command, start, question: Option<Script>| Self {
            whole: Arc::clone(whole),
            start,
            command,
            is_beside: statement_of(&question).is_some_and(|statement| beside::query_of(statement).is_some()),
            asks_session: statement_of(&question).is_some_and(beside::asks_session),
            question,
            declared: declared.clone(),
            outline: tokio::sync::OnceCell::new(),
        };
        let Some(piece) = piece else { return Ok(prepared(None, 0, None)) };
        let start = piece.words.first().map_or(0, |word| word.start);
        *at = Some((Arc::clone(whole), start));
        let command = command(whole, piece)?;
        let (text, start) = match &command {
            Command::Question => (piece.text(whole).to_owned(), start),
            Command::Declare { question: (from, to), .. }
            | Command::CopyOut { question: CopySource::Question(from, to), .. } => {
                (whole.get(*from..*to).unwrap_or_default().to_owned(), *from)
            }
            Command::CopyOut { question: CopySource::Table(table), .. } => {
                let (table, columns) = match table.split_once('(') {
                    Some((table, columns)) => (table, columns.trim_end().trim_end_matches(')')),
                    None => (table.as_str(), "*"),
                };
                (format!("select {columns} from {table}"), start)
            }
            _ => return Ok(prepared(Some(command), start, None)),
        };
        *at = Some((Arc::clone(whole), start));
        let script = script::parse(NAME, &text)?;
        match script.statements.as_slice() {
            [statement] => require_reading(caller, &script, statement)?,
            _ => return coded(code::SYNTAX, "a question is one statement"),
        }
        let mut made = prepared(Some(command), start, Some(script));
        if !made.is_beside {
            for number in statement_of(&made.question).map(beside::arrays_of).unwrap_or_default() {
                if made.declared.len() <= number && number < MOST_PARAMETERS {
                    made.declared.resize(number + 1, 0);
                }
                if let Some(declared) = made.declared.get_mut(number).filter(|oid| matches!(oid, 0 | 705)) {
                    *declared = TEXTS;
                }
            }
        }
        Ok(made)
    }

    /// The statement of a question.
    pub fn statement(&self) -> Option<&script::Statement> {
        statement_of(&self.question)
    }

    /// How many parameters a question has.
    pub fn parameters(&self) -> usize {
        let names =
            self.question.iter().flat_map(|script| &script.statements).flat_map(script::Statement::placeholders);
        names.filter_map(|name| name.parse::<usize>().ok()).max().unwrap_or(0)
    }
}

fn statement_of(question: &Option<Script>) -> Option<&script::Statement> {
    question.as_ref().and_then(|script| script.statements.first())
}

/// A statement with its values, or a cursor.
pub struct Portal {
    pub prepared: Arc<Prepared>,
    pub values: Vec<(Option<Bytes>, Form)>,
    pub results: Vec<Form>,
    pub running: Option<Running>,
    /// Rows that were sent up to now.
    pub sent: usize,
    /// Whether the client knows the columns.
    pub is_described: bool,
    pub is_done: bool,
}

impl Portal {
    pub fn of(prepared: Arc<Prepared>, values: Vec<(Option<Bytes>, Form)>, results: Vec<Form>) -> Self {
        Self { prepared, values, results, running: None, sent: 0, is_described: false, is_done: false }
    }

    /// Bytes of its statement and its values.
    pub fn bytes(&self) -> usize {
        let values: usize = self.values.iter().filter_map(|(value, _)| value.as_ref()).map(Bytes::len).sum();
        self.prepared.whole.len() + values
    }

    pub fn is_question(&self) -> bool {
        matches!(self.prepared.command, Some(Command::Question))
    }

    pub fn is_copy(&self) -> bool {
        matches!(self.prepared.command, Some(Command::CopyOut { .. } | Command::Declare { .. }))
    }

    /// The forms of so many columns.
    pub fn forms(&self, columns: usize) -> Outcome<Vec<Form>> {
        forms_of(&self.results, columns)
    }
}

pub fn forms_of(results: &[Form], columns: usize) -> Outcome<Vec<Form>> {
    match results {
        [] => Ok(vec![Form::Text; columns]),
        [all] => Ok(vec![*all; columns]),
        each if each.len() == columns => Ok(each.to_vec()),
        each => coded(code::PROTOCOL, format!("{} forms for {columns} columns", each.len())),
    }
}

pub fn text_columns(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect::<Vec<_>>()))
}

pub fn texts(names: &[&str], rows: &[Vec<String>]) -> Result<RecordBatch> {
    let columns = (0..names.len()).map(|index| {
        let values = rows.iter().map(|row| row.get(index).map(String::as_str).unwrap_or_default());
        Arc::new(StringArray::from_iter_values(values)) as _
    });
    Ok(RecordBatch::try_new(text_columns(names), columns.collect())?)
}

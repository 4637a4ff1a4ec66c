//! Errors as PostgreSQL's clients read them: a code, a message, a hint, and the place in the statement.

use super::wire::put_text;
use crate::error::{Error, as_flags};
use crate::serve::told;

/// What ends a statement or a connection.
#[derive(Debug)]
pub enum Fault {
    /// An error of the engine or the hub.
    Error(Error),
    /// An error with the code that clients know it by.
    Coded(&'static str, String),
    /// What is wrong with a question about the catalog.
    Catalog(crate::serve::catalog::Fault),
    /// The client is gone.
    Closed,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Fault {
    /// A connection that cannot be written to.
    fn from(_: std::io::Error) -> Self {
        Self::Closed
    }
}

pub type Outcome<T> = Result<T, Fault>;

/// Makes an error with a code.
pub fn coded<T>(code: &'static str, message: impl Into<String>) -> Outcome<T> {
    Err(Fault::Coded(code, message.into()))
}

/// Codes of SQLSTATE that are given here.
pub mod code {
    pub const PROTOCOL: &str = "08P01";
    pub const FEATURE: &str = "0A000";
    pub const READ_ONLY: &str = "25006";
    pub const FAILED_TRANSACTION: &str = "25P02";
    pub const STATEMENT: &str = "26000";
    pub const PASSWORD: &str = "28P01";
    pub const AUTHORIZATION: &str = "28000";
    pub const CURSOR: &str = "34000";
    pub const PRIVILEGE: &str = "42501";
    pub const SYNTAX: &str = "42601";
    pub const TABLE: &str = "42P01";
    pub const COLUMN: &str = "42703";
    pub const FUNCTION: &str = "42883";
    pub const SETTING: &str = "42704";
    pub const EXISTS: &str = "42P05";
    pub const CURSOR_EXISTS: &str = "42P03";
    pub const VALUE: &str = "22023";
    pub const MEMORY: &str = "53200";
    pub const CONNECTIONS: &str = "53300";
    pub const LIMIT: &str = "53400";
    pub const TOO_MUCH: &str = "54000";
    pub const COMPLEX: &str = "54001";
    pub const COLUMNS: &str = "54011";
    pub const CANCELLED: &str = "57014";
    pub const STOPPING: &str = "57P01";
    pub const IDLE: &str = "57P05";
    pub const STORAGE: &str = "58030";
    pub const CONFLICT: &str = "40001";
    pub const INTERNAL: &str = "XX000";
}

/// Tells the code of an error, by what it is and, among those of SQL, by the words that our diagnostics have for it.
fn code_of(error: &Error) -> &'static str {
    let message = error.to_string();
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    match error {
        Error::Sql(error) => match error.message.as_str() {
            message
                if ["too deeply nested", "nests deeper than", "chains more than"]
                    .iter()
                    .any(|words| message.contains(words)) =>
            {
                code::COMPLEX
            }
            message if message.starts_with("the statement is ") || message.ends_with(" is not for a server") => {
                code::READ_ONLY
            }
            message if message.contains("EXPLAIN tells of more") => "42501",
            message if message.ends_with("columns are the most") => code::COLUMNS,
            message if message.contains("table") && message.contains("no ") => code::TABLE,
            message if message.contains("column") && message.contains("no ") => code::COLUMN,
            message if message.contains("function") => code::FUNCTION,
            message if message.contains("divi") && message.contains("zero") => "22012",
            message if message.contains("overflow") || message.contains("out of range") => "22003",
            message if message.contains("cast") || message.contains("parse") => "22P02",
            _ => code::SYNTAX,
        },
        Error::Usage { .. } if says(&["writes"]) => code::READ_ONLY,
        Error::Usage { .. } if says(&["unrecognized configuration parameter"]) => code::SETTING,
        Error::Usage { .. } if says(&["expected ", "more than one statement"]) => code::SYNTAX,
        Error::Usage { .. } | Error::NotFound { .. } | Error::Check { .. } => code::VALUE,
        Error::Input { .. } => code::PROTOCOL,
        Error::Limit { .. } if says(&["stopped after"]) => code::CANCELLED,
        Error::Limit { .. } if says(&["connections already"]) => code::CONNECTIONS,
        Error::Limit { .. } if says(&["rows", "bytes"]) && says(&["the answer", "a message"]) => code::TOO_MUCH,
        Error::Limit { .. } if says(&["words"]) => code::COMPLEX,
        Error::Limit { .. } if says(&["wait already"]) => code::LIMIT,
        Error::Limit { .. } => code::MEMORY,
        Error::NotBuilt { .. } => code::FEATURE,
        Error::Cancelled => code::CANCELLED,
        Error::Storage { .. } => code::STORAGE,
        Error::Conflict { .. } => code::CONFLICT,
        Error::Internal(_) => code::INTERNAL,
    }
}

/// Where a statement stands: the whole text that the client sent, and the bytes before the statement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'t> {
    pub whole: &'t str,
    pub start: usize,
}

impl Place<'_> {
    /// Counts the characters of the whole text up to a line and column of the statement, from 1, as PostgreSQL's clients do.
    fn position(&self, line: u64, column: u64) -> Option<usize> {
        let before = self.whole.get(..self.start)?.chars().count();
        let mut at = 0;
        for (number, text) in self.whole.get(self.start..)?.split_inclusive('\n').enumerate() {
            if number as u64 + 1 == line {
                return Some(before + at + usize::try_from(column).ok()?);
            }
            at += text.chars().count();
        }
        None
    }
}

/// Writes the fields of an error; `severity` is ERROR or FATAL.
pub fn put_fault(out: &mut Vec<u8>, severity: &str, fault: &Fault, place: Place<'_>) {
    let mut field = |kind: u8, text: &str| {
        out.push(kind);
        put_text(out, text);
    };
    field(b'S', severity);
    field(b'V', severity);
    match fault {
        Fault::Error(error) => {
            field(b'C', code_of(error));
            let message = match error {
                Error::Sql(error) => error.message.clone(),
                error => told::message(error),
            };
            field(b'M', &as_flags(&message));
            if let Some(hint) = error.hint() {
                field(b'H', &as_flags(hint));
            }
            if let Error::Sql(error) = error
                && let Some((line, column)) = error.position
                && let Some(position) = place.position(line, column)
            {
                field(b'P', &position.to_string());
            }
        }
        Fault::Coded(code, message) => {
            field(b'C', code);
            field(b'M', message);
        }
        Fault::Catalog(fault) => {
            field(b'C', fault.code);
            field(b'M', &fault.message);
            if let Some(hint) = &fault.hint {
                field(b'H', hint);
            }
            if let Some(position) = fault.place.and_then(|(line, column)| place.position(line, column)) {
                field(b'P', &position.to_string());
            }
        }
        Fault::Closed => {
            field(b'C', code::STOPPING);
            field(b'M', "the connection is closed");
        }
    }
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlError;

    #[test]
    fn places_count_characters_of_the_whole_text() {
        let whole = "select 'ä';\n select\n 1 + x";
        let place = Place { whole, start: 14 };
        assert_eq!(&whole[14..20], "select");
        assert_eq!(place.position(1, 1), Some(14));
        let found = place.position(2, 6).unwrap();
        assert_eq!(whole.chars().nth(found - 1), Some('x'));
        assert_eq!(place.position(9, 1), None);
    }

    #[test]
    fn errors_have_code_message_hint_and_position() {
        let error = SqlError {
            file: "q".to_owned(),
            position: Some((1, 8)),
            width: 1,
            source_line: None,
            message: "there is no table \"t\"".to_owned(),
            hint: Some("raise ⟨max-rows⟩".to_owned()),
        };
        let mut out = Vec::new();
        put_fault(&mut out, "ERROR", &Fault::Error(error.into()), Place { whole: "select t", start: 0 });
        let text = String::from_utf8(out).unwrap();
        let fields: Vec<&str> = text.split('\0').collect();
        assert_eq!(fields[..6], ["SERROR", "VERROR", "C42P01", "Mthere is no table \"t\"", "Hraise --max-rows", "P8"]);
    }
}

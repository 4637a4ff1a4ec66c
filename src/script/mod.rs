//! A SQL file: statements, the header above them, typed parameters, and errors that point into the file.
//!
//! [`parse`] takes a whole file apart once. Every statement is parsed before any runs, so a syntax error at the end is found
//! before the first row is read, and every place is one of the file. [`bind`] gives the parameters their values, counted from
//! a [`Clock`]. [`Statement::access`] tells what only reads. [`locate`] turns an error of the engine into one that shows the
//! file, line and column, with a hint.
//!
//! The dialect is PostgreSQL's, as everywhere in this crate. A statement may nest 50 levels deep, and chain 2,000 operators or 500 queries.
//!
//! ```
//! use std::collections::BTreeMap;
//! use sessionlake::script::{Clock, bind, parse};
//!
//! let text = "-- title: Recent\n-- param: since timestamp = start of month\nselect $since; select 'a;b';";
//! let script = parse("recent.sql", text)?;
//! assert_eq!(script.header.title.as_deref(), Some("Recent"));
//! assert_eq!(script.statements[1].text(), "select 'a;b'");
//! let clock = Clock { as_of: chrono::DateTime::UNIX_EPOCH, time_zone: sessionlake::zones::Tz::UTC };
//! let values = bind(&script, &BTreeMap::new(), &clock)?;
//! # Ok::<(), sessionlake::Error>(())
//! ```

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use std::sync::Arc;

use crate::error::{Error, Result};

mod access;
mod diagnostics;
mod dialect;
mod explain;
mod explanation;
mod files;
pub(crate) mod fuzz;
mod header;
mod instead;
mod marks;
mod moment;
mod names;
mod operators;
mod parameters;
mod pieces;
mod plainly;
mod scanned;
mod source;
mod split;
mod syntax;
mod types;
mod value;
mod words;

pub use access::Access;
pub use diagnostics::{locate, locate_among};
pub use files::{read_file, share_out, sql_files};
pub use header::{Entry, Header};
pub use marks::with_numbers;
pub use moment::Clock;
pub use names::did_you_mean;
pub use parameters::{DefaultText, Parameter, bind, bind_for_plan, bind_session};
pub use pieces::{Piece, Word, pieces};
pub use split::Statement;
pub use value::{ParameterType, from_text as read_value};
pub use words::has_more_words;

/// A SQL file, taken apart.
#[derive(Debug, Clone)]
pub struct Script {
    /// The file as the user named it, or a name such as `-c` for SQL from the command line. Errors begin with it.
    pub file: String,
    /// The text, without a byte order mark.
    pub text: Arc<str>,
    /// What the comment block at the top says.
    pub header: Header,
    /// The statements in file order; at least one.
    pub statements: Vec<Statement>,
}

impl Script {
    /// Puts file and line of a statement before an error that was met while it ran, and is not about its SQL.
    pub fn placed(&self, statement: &Statement, error: Error) -> Error {
        diagnostics::placed(error, self, Some(statement))
    }

    /// Lists the declared parameters that no statement uses: most likely a mistake, but a harmless one.
    pub fn unused_parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.header
            .parameters
            .iter()
            .filter(|parameter| !self.statements.iter().any(|s| s.placeholders().any(|name| name == parameter.name)))
    }
}

/// Takes a SQL file apart: its header, and all of its statements parsed.
///
/// `file` only names the text in errors. A byte order mark and Windows line ends are fine.
///
/// # Errors
/// A SQL error with its place for broken syntax, a malformed header, or a `$name` that the header does not declare although it
/// declares others; a usage error for a text without a statement.
pub fn parse(file: &str, text: &str) -> Result<Script> {
    let text: Arc<str> = Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text));
    let header = header::read(file, &text)?;
    let statements = split::split(file, &text)?;
    if statements.is_empty() {
        let message =
            if text.trim().is_empty() { "the file is empty" } else { "the file has comments but no statement" };
        let hint = Some("write a query, for example select count(*) from workflow_sessions".to_owned());
        return Err(Error::Usage { message: format!("{file}: {message}"), hint });
    }
    let script = Script { file: file.to_owned(), text, header, statements };
    parameters::check_declared(&script)?;
    Ok(script)
}

#[cfg(test)]
mod tests;

//! One error type, by who must act.
//!
//! A caller of the library matches on the kind to decide what to do; the command line maps it to an exit code. Messages are
//! lower case without a full stop, quote the bad value, and carry a hint where one helps.

use std::fmt;
use std::path::PathBuf;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error came from, as a library or the system said it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, by who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for something that makes no sense: flags, configuration, parameters.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// An input file cannot be read as what it claims to be.
    #[error("{place}: {message}")]
    Input {
        /// Where in the input.
        place: Place,
        /// What is wrong there.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A SQL file or statement is wrong, at a place.
    #[error("{0}")]
    Sql(Box<SqlError>),
    /// Something that was named does not exist.
    #[error("{message}")]
    NotFound {
        /// What was not found.
        message: String,
        /// What to look at instead.
        hint: Option<String>,
    },
    /// A data check failed, or more rows were quarantined than allowed.
    #[error("{message}")]
    Check {
        /// Which check, and by how much.
        message: String,
    },
    /// Storage did not do what was asked.
    #[error("{context}: {message}")]
    Storage {
        /// What was being done, to what.
        context: String,
        /// What the storage said.
        message: String,
        /// The error that says it, for who asks for its kind. Its text is `message` already.
        source: Option<Cause>,
    },
    /// Another writer was faster, and trying again did not help.
    #[error("{message}")]
    Conflict {
        /// What collided.
        message: String,
    },
    /// A limit was reached: memory, spill space, time, rows.
    #[error("{message}")]
    Limit {
        /// Which limit, where.
        message: String,
        /// The setting that moves it.
        hint: Option<String>,
    },
    /// A feature that this build does not have.
    #[error("{message}")]
    NotBuilt {
        /// What is missing, and which feature brings it.
        message: String,
    },
    /// The run was stopped from outside.
    #[error("cancelled")]
    Cancelled,
    /// A defect of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Makes a usage error without a hint.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// Makes an input error without a hint.
    pub fn input(place: Place, message: impl Into<String>) -> Self {
        Self::Input { place, message: message.into(), hint: None }
    }

    /// Makes a storage error from what was being done and what the storage said.
    pub fn storage(context: impl Into<String>, error: impl Into<Cause>) -> Self {
        let cause = error.into();
        Self::Storage { context: context.into(), message: cause.to_string(), source: Some(cause) }
    }

    /// Makes an internal error: a state that should not be.
    pub fn internal(error: impl fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }

    /// Adds or replaces the hint, where the kind has one.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            Self::Usage { hint, .. }
            | Self::Input { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::Limit { hint, .. } => *hint = Some(text.into()),
            Self::Sql(error) => error.hint = Some(text.into()),
            _ => {}
        }
        self
    }

    /// Returns the hint, if there is one.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Usage { hint, .. }
            | Self::Input { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::Limit { hint, .. } => hint.as_deref(),
            Self::Sql(error) => error.hint.as_deref(),
            _ => None,
        }
    }
}

/// A place in an input: the file, and as much of line, column and byte offset as is known. Lines and columns count from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it; `-` is standard input.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// Column name or number.
    pub column: Option<String>,
    /// Byte offset from the start of the (decompressed) file.
    pub byte_offset: Option<u64>,
}

impl Place {
    /// Names a whole file.
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    /// Adds a line, counted from 1.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ":{column}")?;
        }
        Ok(())
    }
}

/// An error in SQL, with its place in the file and the source line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// The file, or a name such as `-c` for SQL from the command line.
    pub file: String,
    /// Line and column from 1, if known.
    pub position: Option<(u64, u64)>,
    /// Number of characters that the caret line underlines; at least 1.
    pub width: usize,
    /// The text of the source line.
    pub source_line: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let (Some((line, column)), Some(source)) = (self.position, &self.source_line) {
            let number = line.to_string();
            let indent = " ".repeat(number.len());
            // Tabs keep their width under the caret only if the caret line has the same tabs.
            let lead: String = source
                .chars()
                .take(column.saturating_sub(1) as usize)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let left = source.chars().count().saturating_sub(column.saturating_sub(1) as usize).max(1);
            let carets = "^".repeat(self.width.clamp(1, left));
            write!(f, "\n{indent} |\n{number} | {source}\n{indent} | {lead}{carets}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        Self::Sql(Box::new(error))
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    /// Sorts an engine error by who must act; a place is added by `script`, which knows the source.
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use datafusion::error::DataFusionError as E;
        let (context, message) = match error.find_root() {
            E::ResourcesExhausted(message) => {
                let hint = Some("raise --memory-limit, or let the query read less".to_owned());
                return Self::Limit { message: message.clone(), hint };
            }
            E::ObjectStore(error) => ("object store", error.to_string()),
            E::IoError(error) => ("input/output", error.to_string()),
            E::Internal(message) => return Self::Internal(message.clone()),
            // An error of ours that went through the engine, such as storage met while a table was read.
            E::External(error) if error.is::<Self>() => ("reading the lake", error.to_string()),
            root => {
                let message = root.strip_backtrace();
                let (file, hint) = (String::new(), None);
                return SqlError { file, position: None, width: 1, source_line: None, message, hint }.into();
            }
        };
        Self::Storage { context: context.to_owned(), message, source: Some(Box::new(error)) }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Turns an I/O error on a named file into a storage error that names it.
pub fn io_error(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |error| Error::storage(path.display().to_string(), error)
}

//! What is wrong with a statement about the catalog: words, the SQLSTATE that clients look at, and the place.

use std::fmt;

/// The result of everything that looks at the catalog.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// What is wrong with a statement about the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The SQLSTATE, five characters.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Line and column of the statement, from 1, where the fault has a place.
    pub place: Option<(u64, u64)>,
}

/// A table that is not there.
pub const NO_TABLE: &str = "42P01";
/// A column that is not there.
pub const NO_COLUMN: &str = "42703";
/// A name that several columns have.
pub const AMBIGUOUS: &str = "42702";
/// A function or an operator that is not there.
pub const NO_FUNCTION: &str = "42883";
/// A type or another object that is not there.
pub const NO_OBJECT: &str = "42704";
/// Types that do not go together.
pub const MISMATCH: &str = "42804";
/// What is not supported.
pub const NOT_SUPPORTED: &str = "0A000";
/// A text that is none of its type.
pub const NOT_OF_TYPE: &str = "22P02";
/// A number beyond its type.
pub const OUT_OF_RANGE: &str = "22003";
/// A division by zero.
pub const BY_ZERO: &str = "22012";
/// A pattern that is none.
pub const NO_PATTERN: &str = "2201B";
/// More rows where one was asked for.
pub const MANY_ROWS: &str = "21000";
/// A limit that was reached.
pub const LIMIT: &str = "54000";

impl Fault {
    /// Makes a fault without place and hint.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, place: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// How many bytes a text may have that is put together.
pub const MOST_BYTES: usize = 1 << 20;

/// Refuses a text that is put together and too long.
///
/// # Errors
/// Just that.
pub fn fitting_text(bytes: usize) -> Result<()> {
    if bytes > MOST_BYTES {
        return Err(Fault::new(LIMIT, format!("a text of more than {MOST_BYTES} bytes")));
    }
    Ok(())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

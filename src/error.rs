//! One error type, by who must act.
//!
//! A caller of the library matches on the kind to decide what to do; the command line maps it to an exit code. Messages are
//! lower case without a full stop, quote the bad value, and carry a hint where one helps.
//!
//! An option that a message or a hint is about stands in angle brackets, as in "raise ⟨memory-limit⟩": the command line, a job and code
//! each write it in another way, and [`spelt`] does so. The names are those of the flags, without dashes.

use std::borrow::Cow;
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

    /// Makes a storage error from what was being done and what the storage said. A damaged file is named, whatever it was read for.
    pub fn storage(context: impl Into<String>, error: impl Into<Cause>) -> Self {
        let cause = error.into();
        if let Some(DamagedFile { file, what }) = DamagedFile::behind(cause.as_ref()).cloned() {
            return Self::Storage { context: file, message: what, source: Some(cause) };
        }
        Self::Storage { context: context.into(), message: cause.to_string(), source: Some(cause) }
    }

    /// Says whether the storage error came of a file that is not there.
    pub fn is_of_missing_file(&self) -> bool {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if matches!(error.downcast_ref(), Some(object_store::Error::NotFound { .. })) {
                return true;
            }
            next = error.source();
        }
        false
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

/// A file of the lake whose bytes are not those that were written. It goes through readers that do not know it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct DamagedFile {
    /// The file, as people find it.
    pub file: String,
    /// What is wrong with it, and what to do.
    pub what: String,
}

impl DamagedFile {
    /// Finds the damaged file behind an error of those that read it.
    pub fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// Writes the options that a text names, each as `spell` has it.
///
/// Every other character stays as it is, brackets around what is no name of an option too.
pub fn spelt(text: &str, spell: impl Fn(&str) -> String) -> Cow<'_, str> {
    let Some((before, mut rest)) = text.split_once('⟨') else { return Cow::Borrowed(text) };
    let mut written = before.to_owned();
    loop {
        match rest.split_once('⟩') {
            Some((name, behind)) if is_option(name) => {
                written.push_str(&spell(name));
                rest = behind;
            }
            _ => written.push('⟨'),
        }
        let Some((before, behind)) = rest.split_once('⟨') else {
            written.push_str(rest);
            return Cow::Owned(written);
        };
        written.push_str(before);
        rest = behind;
    }
}

/// Writes the options that a text names as flags: for the command line, and for what is stored, which is read with it.
pub fn as_flags(text: &str) -> Cow<'_, str> {
    spelt(text, |name| format!("--{name}"))
}

/// Tells whether a text names an option.
pub(crate) fn names_option(text: &str, name: &str) -> bool {
    text.split('⟨').skip(1).any(|rest| rest.split_once('⟩').is_some_and(|(found, _)| found == name))
}

fn is_option(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// What has been spilled takes more disk than the session may use. It comes as the cause of an engine's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("spilling takes more disk than ⟨spill-limit⟩ allows")]
pub struct SpillLimit;

impl SpillLimit {
    /// Tells whether an error, or any that it came from, is this one. On its way from another process it keeps no more than its text.
    pub fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            let of_system = error.downcast_ref::<std::io::Error>();
            // An I/O error shows the source of what it carries, and not that itself.
            let carried = of_system.and_then(std::io::Error::get_ref);
            let is_carried =
                carried.is_some_and(|carried| carried.is::<Self>() || carried.to_string() == Self.to_string());
            if error.is::<Self>() || is_carried {
                return true;
            }
            next = error.source();
        }
        false
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
        if DamagedFile::behind(&error).is_some() {
            return Self::storage("reading the lake", error);
        }
        if SpillLimit::is_behind(&error) {
            let hint = Some("raise ⟨spill-limit⟩, or let the query read less".to_owned());
            return Self::Limit { message: SpillLimit.to_string(), hint };
        }
        let (context, message) = match error.find_root() {
            E::ResourcesExhausted(message) => {
                let hint = match message.contains("⟨max-tasks⟩") {
                    true => "let workers run more tasks, or ask again later",
                    false => "raise ⟨memory-limit⟩, or let the query read less",
                };
                return Self::Limit { message: message.clone(), hint: Some(hint.to_owned()) };
            }
            E::ObjectStore(error) => ("object store", error.to_string()),
            E::IoError(error) => ("input/output", error.to_string()),
            E::ParquetError(error) => ("reading the lake", error.to_string()),
            E::ArrowError(error, _) if of_temporary_files(error).is_some() => {
                ("temporary files", of_temporary_files(error).unwrap_or_default())
            }
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

/// Says what is wrong with temporary files, where an error is of them: their errors come so, and a disk that is full is nothing that SQL could do better.
fn of_temporary_files(error: &arrow::error::ArrowError) -> Option<String> {
    let arrow::error::ArrowError::IoError(_, error) = error else { return None };
    // The kind is lost in the engine's errors that stand around it, and on the way from another process.
    let text = error.to_string();
    let text = text.strip_prefix("IO error: ").unwrap_or(&text);
    let is_full = error.kind() == std::io::ErrorKind::StorageFull || text.contains("No space left on device");
    Some(match is_full {
        true => format!("{text}; make room, or name another folder with ⟨temp-dir⟩"),
        false => text.to_owned(),
    })
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Hides what stands before the @ of a URL, or behind its question mark: passwords and signatures.
pub fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        shown.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>()`".contains(c)).unwrap_or(after.len());
        let (url, behind) = after.split_at(end);
        let authority = url.find('/').unwrap_or(url.len());
        let url = match url.get(..authority).and_then(|authority| authority.rfind('@')) {
            Some(at) => {
                shown.push_str("***");
                url.get(at..).unwrap_or_default()
            }
            None => url,
        };
        match url.split_once('?') {
            Some((path, _)) => {
                shown.push_str(path);
                shown.push_str("?***");
            }
            None => shown.push_str(url),
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

/// Turns an I/O error on a named file into a storage error that names it.
pub fn io_error(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |error| Error::storage(path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::error::ArrowError;
    use datafusion::error::DataFusionError;

    use super::*;

    #[test]
    fn passwords_and_signatures_of_urls_are_hidden_and_nothing_else() {
        for (text, shown) in [
            ("s3://bucket/lake: not there", "s3://bucket/lake: not there"),
            ("no lake at \"s3://me:secret@bucket/lake\"", "no lake at \"s3://***@bucket/lake\""),
            ("az://a@b@c/x?sig=abc%20&se=1 and https://u:p@h", "az://***@c/x?*** and https://***@h"),
            ("https://host/a@b.csv, me@example.com: 1://2", "https://host/a@b.csv, me@example.com: 1://2"),
            ("a:// b@c", "a:// b@c"),
            ("", ""),
        ] {
            assert_eq!(without_passwords(text), shown, "{text}");
        }
    }

    #[test]
    fn a_disk_that_is_full_of_temporary_files_is_a_fault_of_the_storage() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let spilled = arrow::error::ArrowError::from(full);
        let error = Error::from(datafusion::error::DataFusionError::from(spilled));
        assert!(matches!(error, Error::Storage { .. }), "{error:?}");
        assert!(error.to_string().starts_with("temporary files: "), "{error}");
        assert!(error.to_string().ends_with("name another folder with ⟨temp-dir⟩"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_named_whatever_read_it() {
        let damaged = DamagedFile { file: "lake/a.parquet".to_owned(), what: "is damaged".to_owned() };
        let store = object_store::Error::Generic { store: "lake", source: Box::new(damaged) };
        let read = parquet::errors::ParquetError::External(Box::new(store));
        let error = Error::from(datafusion::error::DataFusionError::from(read).context("a scan"));
        assert_eq!(error.to_string(), "lake/a.parquet: is damaged");
        assert!(matches!(error, Error::Storage { .. }));
    }

    #[test]
    fn options_are_written_as_flags_and_all_else_stays() {
        for (text, flags) in [
            ("nothing", "nothing"),
            ("raise ⟨memory-limit⟩, or wait", "raise --memory-limit, or wait"),
            ("⟨null-mark⟩ 'NaN' or ⟨dialect⟩", "--null-mark 'NaN' or --dialect"),
            ("⟨Their Header⟩ ⟨map⟩", "⟨Their Header⟩ --map"),
            ("⟨⟨map⟩ ⟩ ⟨", "⟨--map ⟩ ⟨"),
            ("⟨-x⟩⟨⟩", "⟨-x⟩⟨⟩"),
        ] {
            assert_eq!(as_flags(text), flags, "{text}");
        }
        assert_eq!(spelt("set ⟨time-zone⟩", |name| name.replace('-', "_")), "set time_zone");
        assert!(names_option("with ⟨columns⟩", "columns") && !names_option("with columns", "columns"));
    }

    #[test]
    fn the_limit_on_spilling_is_known_behind_the_errors_of_the_engine() {
        let io = || std::io::Error::other(SpillLimit);
        let arrow = || ArrowError::IoError("it says something".to_owned(), io());
        for error in [
            DataFusionError::IoError(io()),
            DataFusionError::ArrowError(Box::new(arrow()), None),
            // As it comes from another process.
            DataFusionError::IoError(std::io::Error::other(SpillLimit.to_string())),
            DataFusionError::Shared(Arc::new(DataFusionError::External(Box::new(arrow())))),
        ] {
            let error = Error::from(error);
            assert!(matches!(error, Error::Limit { .. }), "{error}");
            assert_eq!(error.to_string(), "spilling takes more disk than ⟨spill-limit⟩ allows");
        }
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(matches!(Error::from(DataFusionError::IoError(full)), Error::Storage { .. }));
    }
}

//! Configuration files: `sessionlake.toml` in the working folder, and the user's own.
//!
//! Flags come before the environment, the environment before the project's file, that before the user's, and all before the
//! defaults. clap does the first two.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sessionlake::{Error, Result};

/// What a configuration file may say; names are those of the flags.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    pub lake: Option<String>,
    pub time_zone: Option<String>,
    pub zoneinfo: Option<PathBuf>,
    pub memory_limit: Option<String>,
    pub spill_limit: Option<String>,
    pub temp_dir: Option<PathBuf>,
    pub cache_dir: Option<PathBuf>,
    pub cache_limit: Option<String>,
    pub threads: Option<usize>,
    pub format: Option<String>,
    pub workers: Option<String>,
    pub task_bytes: Option<String>,
    pub worker_token: Option<PathBuf>,
    pub worker_ca: Option<PathBuf>,
    pub worker_cert: Option<PathBuf>,
    pub worker_key: Option<PathBuf>,
    /// Flags of reading by name, which [`super::profile`] takes apart.
    profile: Option<toml::Table>,
}

/// The file in the working folder.
pub const PROJECT_FILE: &str = "sessionlake.toml";

impl Config {
    /// Reads the files that are there.
    ///
    /// # Errors
    /// A file that is not TOML, or has a key that means nothing, with its place.
    pub fn load() -> Result<Self> {
        let project = Self::read(Path::new(PROJECT_FILE))?;
        let user = match user_file() {
            Some(path) => Self::read(&path)?,
            None => Self::default(),
        };
        Ok(project.over(user))
    }

    fn read(path: &Path) -> Result<Self> {
        let Some(text) = read_text(path)? else { return Ok(Self::default()) };
        toml::from_str(&text).map_err(|error| broken(path, &text, &error))
    }

    fn over(self, other: Self) -> Self {
        Self {
            lake: self.lake.or(other.lake),
            time_zone: self.time_zone.or(other.time_zone),
            zoneinfo: self.zoneinfo.or(other.zoneinfo),
            memory_limit: self.memory_limit.or(other.memory_limit),
            spill_limit: self.spill_limit.or(other.spill_limit),
            temp_dir: self.temp_dir.or(other.temp_dir),
            cache_dir: self.cache_dir.or(other.cache_dir),
            cache_limit: self.cache_limit.or(other.cache_limit),
            threads: self.threads.or(other.threads),
            format: self.format.or(other.format),
            workers: self.workers.or(other.workers),
            task_bytes: self.task_bytes.or(other.task_bytes),
            worker_token: self.worker_token.or(other.worker_token),
            worker_ca: self.worker_ca.or(other.worker_ca),
            worker_cert: self.worker_cert.or(other.worker_cert),
            worker_key: self.worker_key.or(other.worker_key),
            profile: self.profile.or(other.profile),
        }
    }
}

/// Reads a configuration file, if it is there.
///
/// # Errors
/// A file that cannot be read.
pub fn read_text(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::usage(format!("{}: {error}", path.display()))),
    }
}

/// Says where a file is wrong.
pub fn broken(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    Error::usage(format!("{}:{line}: {}", path.display(), error.message()))
}

/// Returns the line of a place in a text, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Names the user's own file.
pub fn user_file() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(folder.join("sessionlake").join("config.toml"))
}

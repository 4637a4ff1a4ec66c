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
    pub threads: Option<usize>,
    pub format: Option<String>,
}

impl Config {
    /// Reads the files that are there.
    ///
    /// # Errors
    /// A file that is not TOML, or has a key that means nothing, with its place.
    pub fn load() -> Result<Self> {
        let project = Self::read(Path::new("sessionlake.toml"))?;
        let user = match user_file() {
            Some(path) => Self::read(&path)?,
            None => Self::default(),
        };
        Ok(project.over(user))
    }

    fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::usage(format!("{}: {error}", path.display()))),
        };
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Error::usage(format!("{}:{line}: {}", path.display(), error.message()))
        })
    }

    fn over(self, other: Self) -> Self {
        Self {
            lake: self.lake.or(other.lake),
            time_zone: self.time_zone.or(other.time_zone),
            zoneinfo: self.zoneinfo.or(other.zoneinfo),
            memory_limit: self.memory_limit.or(other.memory_limit),
            spill_limit: self.spill_limit.or(other.spill_limit),
            temp_dir: self.temp_dir.or(other.temp_dir),
            threads: self.threads.or(other.threads),
            format: self.format.or(other.format),
        }
    }
}

fn user_file() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(folder.join("sessionlake").join("config.toml"))
}

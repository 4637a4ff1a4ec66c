//! The flags by which plans run on workers, and how workers are told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use sessionlake::cluster::{Cluster, ClusterOptions, Keys, TASK_BYTES, Workers};
use sessionlake::engine::Distribution;
use sessionlake::lake::Lake;
use sessionlake::{Error, Result};
use tokio::runtime::Handle;

use super::config::Config;
use super::exit;
use super::shared::{Settings, parse_size};

/// Flags of commands whose plans may run on workers.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Workers")]
pub struct ClusterArgs {
    /// Runs on these workers, as host:port,host:port; local:2 are two in this process
    #[arg(long, value_name = "WORKERS", env = "SESSIONLAKE_WORKERS")]
    workers: Option<String>,
    /// Bytes of data files from which another task is worth its while [default: 8MB]
    #[arg(long, value_name = "SIZE", env = "SESSIONLAKE_TASK_BYTES")]
    task_bytes: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Flags by which workers and those who ask them know each other.
#[derive(Debug, Default, Args)]
pub struct KeyArgs {
    /// A file with the token that workers want to hear
    #[arg(long, value_name = "FILE", env = "SESSIONLAKE_WORKER_TOKEN")]
    worker_token: Option<PathBuf>,
    /// The certificates that those of workers are signed by, in PEM; lines to workers are encrypted with it
    #[arg(long, value_name = "FILE", env = "SESSIONLAKE_WORKER_CA")]
    worker_ca: Option<PathBuf>,
    /// A certificate for those who ask for one, in PEM
    #[arg(long, value_name = "FILE", env = "SESSIONLAKE_WORKER_CERT")]
    worker_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE", env = "SESSIONLAKE_WORKER_KEY")]
    worker_key: Option<PathBuf>,
}

/// The files that flags, or else a configuration file, name.
pub struct KeyFiles {
    pub token: Option<PathBuf>,
    pub authority: Option<PathBuf>,
    pub own: Option<(PathBuf, PathBuf)>,
}

impl KeyArgs {
    /// Finds the files.
    ///
    /// # Errors
    /// A certificate without its key, or the other way round; a configuration file that is wrong.
    pub fn files(&self) -> Result<KeyFiles> {
        let config = Config::load()?;
        let or = |flag: &Option<PathBuf>, kept: Option<PathBuf>| flag.clone().or(kept);
        let own = match (or(&self.worker_cert, config.worker_cert), or(&self.worker_key, config.worker_key)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Error::usage("--worker-cert and --worker-key go together")),
        };
        let (token, authority) = (or(&self.worker_token, config.worker_token), or(&self.worker_ca, config.worker_ca));
        Ok(KeyFiles { token, authority, own })
    }
}

impl KeyFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be read, or hold something else.
    pub fn read(&self) -> Result<Keys> {
        let own = self.own.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        Keys::read(self.token.as_deref().map(read_token).transpose()?, self.authority.as_deref(), own)
    }
}

/// Reads the one line of a file with a token.
fn read_token(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::usage(format!("{}: {e}", path.display())))?;
    let token = text.trim();
    match token.len() {
        0..16 => Err(Error::usage(format!("{}: a token has 16 characters at least", path.display()))
            .with_hint("make one by: openssl rand -hex 32")),
        _ => Ok(token.to_owned()),
    }
}

impl ClusterArgs {
    /// Finds the workers that are named, if any are. To be called among those who hear; `computing` is where workers of this process compute.
    ///
    /// # Errors
    /// Workers of which none is there; those of another build, or of another lake.
    pub async fn meet(
        &self,
        settings: &Settings,
        lake: &Lake,
        computing: &Handle,
    ) -> Result<Option<Arc<dyn Distribution>>> {
        let Some((workers, options)) = self.named(computing)? else { return Ok(None) };
        Ok(Some(Cluster::meet(&workers, &options, &settings.engine, lake, &warn).await?.spread()))
    }

    /// Finds the workers of a server, which may come later.
    ///
    /// # Errors
    /// Workers of another build, or of another lake.
    pub async fn meet_for_long(
        &self,
        settings: &Settings,
        lake: &Lake,
        computing: &Handle,
    ) -> Result<Option<Arc<dyn Distribution>>> {
        let Some((workers, options)) = self.named(computing)? else { return Ok(None) };
        Ok(Some(Cluster::meet_for_long(&workers, &options, &settings.engine, lake, &warn).await?.spread_for_long()))
    }

    fn named(&self, computing: &Handle) -> Result<Option<(Workers, ClusterOptions)>> {
        let config = Config::load()?;
        let Some(named) = self.workers.clone().or(config.workers) else { return Ok(None) };
        let task_bytes = match self.task_bytes.as_deref().or(config.task_bytes.as_deref()) {
            Some(text) => parse_size("--task-bytes", text)?,
            None => TASK_BYTES,
        };
        let options = ClusterOptions { task_bytes, keys: self.keys.files()?.read()?, computing: computing.clone() };
        Ok(Some((Workers::named(&named)?, options)))
    }
}

fn warn(sentence: &str) {
    exit::note(&format!("warning: {sentence}"));
}

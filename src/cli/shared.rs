//! Flags that every command takes, and what becomes of them.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use clap::{Args, ValueEnum};
use sessionlake::engine::{At, Engine, EngineOptions, Leaves, default_memory_limit};
use sessionlake::lake::{Cache, Costs, Lake, is_cloud};
use sessionlake::zones::{self, Tz, read_instant, read_zone};
use sessionlake::{Error, Result};
use tempfile::TempDir;

use super::config::Config;
use super::spending::Spending;
use super::temporary;

/// The lake where none is named.
const DEFAULT_LAKE: &str = "./lake";
/// Bytes that spilling may take where nothing else is said.
const DEFAULT_SPILL_BYTES: u64 = 100 << 30;

/// Bytes that the cache may take where nothing else is said.
const DEFAULT_CACHE_BYTES: u64 = 10 << 30;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Shared {
    /// The lake: a folder, or s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER [default: ./lake]
    #[arg(long, global = true, value_name = "URI", env = "SESSIONLAKE_LAKE", hide_env_values = true)]
    lake: Option<String>,
    /// The instant that is now for queries, such as 2026-11-21T00:00:00Z [default: when the command starts]
    #[arg(long, global = true, value_name = "INSTANT", env = "SESSIONLAKE_AS_OF")]
    as_of: Option<String>,
    /// The zone of local days, of display, and of times in exports that have none, such as Europe/Berlin [default: UTC]
    #[arg(long, global = true, value_name = "ZONE", env = "SESSIONLAKE_TIME_ZONE")]
    time_zone: Option<String>,
    /// Takes the rules of time zones from this folder, made as /usr/share/zoneinfo is [default: the newest at hand]
    #[arg(long, global = true, value_name = "FOLDER", env = "SESSIONLAKE_ZONEINFO")]
    zoneinfo: Option<PathBuf>,
    /// Memory that a run may hold before it spills, such as 2GB or 50% [default: 70%]
    #[arg(long, global = true, value_name = "SIZE", env = "SESSIONLAKE_MEMORY_LIMIT")]
    memory_limit: Option<String>,
    /// Disk that spilling may take [default: 100GB]
    #[arg(long, global = true, value_name = "SIZE", env = "SESSIONLAKE_SPILL_LIMIT")]
    spill_limit: Option<String>,
    /// Where to spill [default: the system's temporary folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "SESSIONLAKE_TEMP_DIR")]
    temp_dir: Option<PathBuf>,
    /// Keeps what is read of a lake in an object store in this folder; off without it
    #[arg(long, global = true, value_name = "FOLDER", env = "SESSIONLAKE_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Disk that the cache may take [default: 10GB]
    #[arg(long, global = true, value_name = "SIZE", env = "SESSIONLAKE_CACHE_LIMIT")]
    cache_limit: Option<String>,
    /// Permissions that files and folders do not get, as chmod writes them [default: 077 and those of the system: only their owner reads
    /// them]
    #[arg(long, global = true, value_name = "OCTAL", env = "SESSIONLAKE_UMASK")]
    umask: Option<String>,
    /// Threads [default: the number of cores]
    #[arg(long, global = true, value_name = "N", env = "SESSIONLAKE_THREADS")]
    threads: Option<NonZeroUsize>,
    /// Says nothing but results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Says on stderr what the command cost: requests, bytes, files, rows, time
    #[arg(long, global = true)]
    stats: bool,
    /// What the command costs.
    #[arg(skip)]
    pub spending: Spending,
    /// The flags of lake and zone that were given on the command line, as words.
    #[arg(skip)]
    pub given: Vec<String>,
    /// The zone that a profile names.
    #[arg(skip)]
    pub profile_zone: Option<String>,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: ColorChoice,
    /// How log lines look; SESSIONLAKE_LOG=debug turns them on
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// Which version of the lake to look at.
#[derive(Debug, Default, Args)]
pub struct AtArgs {
    /// Looks at this version of the lake
    #[arg(long, value_name = "N", conflicts_with = "at_time")]
    at_version: Option<u64>,
    /// Looks at the newest version that was committed by this instant
    #[arg(long, value_name = "INSTANT")]
    at_time: Option<String>,
}

/// The flags, made into what the library takes.
#[derive(Clone)]
pub struct Settings {
    pub lake: String,
    pub engine: EngineOptions,
    /// Whether a flag or a profile names the zone, and not the environment or a configuration file.
    pub zone_is_declared: bool,
    /// The output format that a configuration file names.
    pub format: Option<String>,
    /// What the lake is counted in, if asked.
    costs: Arc<Costs>,
    /// Where what is read of a lake in an object store is kept, and how much.
    cache: Option<(PathBuf, u64)>,
}

impl Shared {
    /// Combines flags, environment and configuration files.
    ///
    /// # Errors
    /// A value that cannot be read, or a configuration file that is wrong.
    pub fn settings(&self) -> Result<Settings> {
        self.settings_for(None)
    }

    /// Combines flags, environment and configuration files, for a job that names a time zone: flag and environment go before it.
    ///
    /// # Errors
    /// As [`Shared::settings`].
    pub fn settings_for(&self, job_zone: Option<Tz>) -> Result<Settings> {
        let config = Config::load()?;
        let kept_zone = self.profile_zone.as_deref().or(config.time_zone.as_deref());
        let time_zone = match (self.time_zone.as_deref(), job_zone, kept_zone) {
            (Some(name), ..) | (None, None, Some(name)) => read_zone(name)?,
            (None, Some(zone), _) => zone,
            (None, None, None) => Tz::UTC,
        };
        let as_of = match &self.as_of {
            Some(text) => read_instant("--as-of", text, time_zone)?,
            // The only place where the machine's clock becomes the clock of queries.
            None => Utc::now(),
        };
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let memory_limit_bytes = match self.memory_limit.as_deref().or(config.memory_limit.as_deref()) {
            Some(text) => usize::try_from(parse_size("--memory-limit", text)?).unwrap_or(usize::MAX),
            None => default_memory_limit(),
        };
        let spill_limit_bytes = match self.spill_limit.as_deref().or(config.spill_limit.as_deref()) {
            Some(text) => parse_size("--spill-limit", text)?,
            None => DEFAULT_SPILL_BYTES,
        };
        let lake = self.lake.clone().or(config.lake).unwrap_or_else(|| DEFAULT_LAKE.to_owned());
        refuse_unsafe_rename(&lake)?;
        let cache_limit = match self.cache_limit.as_deref().or(config.cache_limit.as_deref()) {
            Some(text) => parse_size("--cache-limit", text)?,
            None => DEFAULT_CACHE_BYTES,
        };
        let temporary_folder = self.temp_dir.clone().or(config.temp_dir);
        let temporary_folder = temporary::folder(temporary_folder.as_deref()).or(temporary_folder);
        Ok(Settings {
            lake,
            engine: EngineOptions {
                as_of,
                time_zone,
                memory_limit_bytes,
                spill_limit_bytes,
                temporary_folder,
                threads: possible_threads(
                    self.threads.or(config.threads.and_then(NonZeroUsize::new)).unwrap_or(cores),
                )?,
                leaves: Leaves::Read,
            },
            zone_is_declared: self.profile_zone.is_some()
                || self.given.iter().any(|word| word.split('=').next() == Some("--time-zone")),
            format: config.format,
            costs: Arc::clone(&self.spending.costs),
            cache: self.cache_dir.clone().or(config.cache_dir).map(|folder| (folder, cache_limit)),
        })
    }

    /// Says what the command cost, if asked.
    pub fn tell_costs(&self) {
        if self.stats {
            self.spending.tell(size);
        }
    }

    /// Takes the rules of time zones from the folder that a flag, the environment or a configuration file names. To be called before
    /// any zone is looked up.
    ///
    /// # Errors
    /// A folder without zone data, or a configuration file that is wrong.
    pub fn use_zoneinfo(&self) -> Result<()> {
        match self.zoneinfo.clone().or(Config::load()?.zoneinfo) {
            Some(folder) => zones::use_folder(&folder),
            None => Ok(()),
        }
    }

    /// The permissions that files do not get, if told.
    pub fn umask(&self) -> Option<&str> {
        self.umask.as_deref()
    }

    /// The lake that a flag or the environment names.
    pub fn named_lake(&self) -> Option<&str> {
        self.lake.as_deref()
    }

    /// Returns the flags of the lake and of the zone that were given, as words.
    pub fn given_words(&self) -> Vec<String> {
        self.given.clone()
    }

    /// Says whether the instant that is now for queries is named.
    pub fn names_instant(&self) -> bool {
        self.as_of.is_some()
    }

    /// How log lines look.
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// Says whether stdout gets colours.
    pub fn colors_stdout(&self) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                std::io::stdout().is_terminal() && !unwanted && !dumb
            }
        }
    }

    /// Says whether progress is shown: on a terminal, unless told to be quiet.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

/// Threads at most: with more a run only waits, or the system refuses them.
const MOST_THREADS: usize = 1_024;

fn possible_threads(threads: NonZeroUsize) -> Result<NonZeroUsize> {
    match threads.get() > MOST_THREADS {
        true => Err(Error::usage(format!("--threads is {threads}, and {MOST_THREADS} at most"))
            .with_hint("the number of cores, which is the default, is right for most runs")),
        false => Ok(threads),
    }
}

impl AtArgs {
    /// Returns the version to look at.
    ///
    /// # Errors
    /// An instant that cannot be read.
    pub fn at(&self, time_zone: Tz) -> Result<At> {
        Ok(match (self.at_version, &self.at_time) {
            (Some(version), _) => At::Version(version),
            (None, Some(text)) => At::Time(read_instant("--at-time", text, time_zone)?),
            (None, None) => At::Newest,
        })
    }
}

impl Settings {
    /// Names the lake, and warns of what is odd about it on stderr.
    ///
    /// # Errors
    /// A URL that names no place of a lake; a cache that cannot be opened.
    pub fn lake(&self) -> Result<Lake> {
        self.costs.enter("opening");
        Ok(self.place(&self.lake)?.telling(|sentence| super::exit::note(&format!("warning: {sentence}"))))
    }

    /// Makes a folder for temporary files, whose name begins so.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn temporary(&self, prefix: &str) -> Result<TempDir> {
        let mut named = tempfile::Builder::new();
        named.prefix(prefix);
        let made = match &self.engine.temporary_folder {
            Some(folder) => named.tempdir_in(folder),
            None => named.tempdir(),
        };
        made.map_err(|e| Error::storage("temporary folder", e))
    }

    /// Names a lake or a folder in an object store, which is counted and kept as was asked.
    ///
    /// # Errors
    /// As [`Settings::lake`].
    pub fn place(&self, name: &str) -> Result<Lake> {
        let mut lake = Lake::at(name)?.counting(&self.costs);
        if let Some((folder, limit)) = self.cache.as_ref().filter(|_| lake.is_remote()) {
            lake = lake.caching(&Arc::new(Cache::open(folder.clone(), *limit)?));
        }
        Ok(lake)
    }

    /// Opens an engine on the lake.
    ///
    /// # Errors
    /// No lake there; storage errors.
    pub async fn open(&self, at: At) -> Result<Engine> {
        let engine = Engine::new(self.engine.clone())?;
        engine.attach(&self.lake()?, at).await?;
        Ok(engine)
    }
}

/// Refuses a setting of other programs by which writers of a lake in S3 overwrite each other's commits.
fn refuse_unsafe_rename(lake: &str) -> Result<()> {
    const NAME: &str = "AWS_S3_ALLOW_UNSAFE_RENAME";
    let value = std::env::var(NAME).unwrap_or_default().to_ascii_lowercase();
    let is_set = !matches!(value.as_str(), "" | "0" | "false" | "no" | "off" | "n");
    match is_set && is_cloud(lake) {
        true => Err(Error::usage(format!("{NAME} is set, and commits of a lake are never made by overwriting"))
            .with_hint(format!(
                "unset {NAME}: the lake's store has to honour conditional puts, which makes it needless"
            ))),
        false => Ok(()),
    }
}

/// Reads a number of bytes: plain, with a unit (kB, MB, GB, TB, KiB, MiB, GiB, TiB), or a share of the memory available.
pub fn parse_size(flag: &str, text: &str) -> Result<u64> {
    let failed = || {
        Error::usage(format!("{flag} is not a size: {text:?}")).with_hint("write it as 2GB, 512MiB or, for memory, 50%")
    };
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let number: f64 = trimmed[..split].parse().map_err(|_| failed())?;
    let factor = match trimmed[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        // The default limit is 70 % of what may be used.
        "%" => default_memory_limit() as f64 / 70.0,
        _ => return Err(failed()),
    };
    let bytes = number * factor;
    if (1.0..=1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(failed()) }
}

/// Writes a number of bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} bytes");
    }
    let mut size = bytes as f64 / 1e3;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while size >= 999.95 {
        let Some(larger) = units.next() else { break };
        (size, unit) = (size / 1e3, Some(larger));
    }
    format!("{size:.1} {}", unit.unwrap_or(&""))
}

/// Starts logging to stderr, as SESSIONLAKE_LOG or RUST_LOG asks; without them nothing is logged.
pub fn start_log(shared: &Shared) {
    let wanted = std::env::var("SESSIONLAKE_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let Ok(wanted) = wanted else { return };
    let mut filter = tracing_subscriber::EnvFilter::builder().parse_lossy(of_program(&wanted));
    // These log where requests go, and some of what is in them.
    for client in ["object_store", "reqwest", "hyper", "hyper_util", "h2", "rustls"] {
        if let Ok(directive) = format!("{client}=off").parse() {
            filter = filter.add_directive(directive);
        }
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match shared.log_format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// The targets of this program's own lines.
const OWN_TARGETS: [&str; 3] = ["sessionlake", "serve", "worker"];

/// Reads a level that stands alone as one of this program: libraries write plans and predicates down, with the values in them, and of those only warnings
/// are logged unless they are named.
fn of_program(wanted: &str) -> String {
    let directives = wanted.split(',').map(|directive| match directive.trim().to_ascii_lowercase().as_str() {
        level @ ("info" | "debug" | "trace" | "3" | "4" | "5") => {
            let own = OWN_TARGETS.map(|target| format!("{target}={level}"));
            format!("warn,{}", own.join(","))
        }
        _ => directive.to_owned(),
    });
    directives.collect::<Vec<_>>().join(",")
}

/// Returns the folder for what is kept between runs of the same user, and makes it if need be; `None` where there is no home.
pub fn state_folder() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder =
        state.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".local/state")))?.join("sessionlake");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(parse_size("--x", "2GB").unwrap(), 2_000_000_000);
        assert_eq!(parse_size("--x", "1.5 MiB").unwrap(), 1_572_864);
        assert_eq!(parse_size("--x", "4096").unwrap(), 4_096);
        for wrong in ["", "GB", "-1", "2 parsecs", "0", "1e40"] {
            assert!(parse_size("--x", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_level_alone_is_that_of_the_program() {
        assert_eq!(of_program("debug"), "warn,sessionlake=debug,serve=debug,worker=debug");
        assert_eq!(of_program("error"), "error");
        assert_eq!(
            of_program("datafusion=debug, INFO"),
            "datafusion=debug,warn,sessionlake=info,serve=info,worker=info"
        );
    }

    #[test]
    fn bytes_are_written_in_the_unit_that_fits() {
        let written = [0, 999, 1_000, 999_949, 999_950, 1_234_567, 5_000_000_000_000_000].map(size);
        assert_eq!(written, ["0 bytes", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "1.2 MB", "5000.0 TB"]);
    }
}

//! Makes synthetic exports of workflow sessions from a seed.
//!
//! Real histories cannot be published, and tests, benches and first steps need some. What comes out resembles them: a few
//! workflows have most sessions, customers come back, days and weeks have their rhythm, Data differs by workflow, and about
//! one row in a thousand is odd. All of it can be stored; exports that cannot are in `data/broken`.
//!
//! The same options give the same bytes, on every platform and any number of threads, and in every format the same 14 values
//! of each session. (Compressed files: the same bytes after decompression.) Successive snapshots agree with each other:
//! running sessions grow, ended ones stay but for rare corrections.
//!
//! Entry points: [`GenerateOptions::new`] and [`generate`]. Limits: 2^40 sessions, 36,525 days, the years 1970 to 9999.
//!
//! ```
//! use sessionlake::generate::{GenerateFormat, GenerateOptions, generate};
//!
//! let folder = tempfile::tempdir()?;
//! let mut options = GenerateOptions::new(folder.path(), 100);
//! options.format = GenerateFormat::Ndjson;
//! let summary = generate(&options, &|_rows, _bytes| {})?;
//! assert_eq!(summary.files[0].path.file_name().unwrap(), "workflow_sessions.ndjson");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calendar;
mod catalogue;
mod content;
mod encode;
mod file;
mod odd;
mod people;
mod random;
mod row;
#[cfg(test)]
mod samples;
mod session;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{Error, Result, io_error};
use calendar::DAY_US;
use encode::{Counts, Export};
use file::{FileTask, write_file};
use session::World;

pub use shape::Shape;

/// The format of generated files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GenerateFormat {
    /// Comma-separated, the documented names as headers.
    #[default]
    Csv,
    /// Tab-separated, quoted as CSV is.
    Tsv,
    /// One JSON object a line, names in camel case, JSON cells nested.
    Ndjson,
    /// An array of the same objects.
    JsonArray,
    /// Apache Parquet with our names.
    Parquet,
    /// Pages of `{columnHeaders:[…], records:[[…]]}`, one a line.
    Pages,
}

impl GenerateFormat {
    /// All formats.
    pub const ALL: [Self; 6] = [Self::Csv, Self::Tsv, Self::Ndjson, Self::JsonArray, Self::Parquet, Self::Pages];

    /// Returns the name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
            Self::JsonArray => "json",
            Self::Parquet => "parquet",
            Self::Pages => "pages",
        }
    }

    /// Returns the ending of file names, without the first dot and without that of a compression.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Pages => "pages.json",
            other => other.name(),
        }
    }
}

impl fmt::Display for GenerateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for GenerateFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            Error::usage(format!("unknown format {text:?}"))
                .with_hint(format!("the formats are {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

/// How generated text files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GenerateCompression {
    /// Not at all.
    #[default]
    None,
    /// By gzip; `.gz` is added to file names.
    Gzip,
    /// By zstd; `.zst` is added to file names.
    Zstd,
}

impl GenerateCompression {
    /// All kinds of compression.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// Returns the name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

impl fmt::Display for GenerateCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for GenerateCompression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|compression| compression.name() == text).ok_or_else(|| {
            Error::usage(format!("unknown compression {text:?}"))
                .with_hint(format!("the kinds are {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GenerateOptions {
    /// Folder for the files; made if it is not there. Files of the same names are replaced.
    pub out: PathBuf,
    /// Sessions of the whole history. An export has a few rows more, for duplicates are among the odd rows.
    pub sessions: u64,
    /// What decides everything that is random.
    pub seed: u64,
    /// The format of the files.
    pub format: GenerateFormat,
    /// The compression of the files; Parquet has its own and takes none.
    pub compression: GenerateCompression,
    /// First day of the history, from midnight UTC.
    pub first_day: NaiveDate,
    /// Days of the history; the last export is made at the midnight UTC that ends them.
    pub days: u32,
    /// Number of exports of the same history, each later than the one before; at least 1.
    pub snapshots: u32,
    /// Hours from one snapshot to the next.
    pub snapshot_interval_hours: u32,
    /// How many days back an export reaches: sessions that ended or changed before are left out. `None` is all. An interval
    /// longer than this loses states between two snapshots.
    pub window_days: Option<u32>,
    /// Odd sessions in a million.
    pub odd_per_million: u32,
    /// Splits each export into files of this many sessions; `None` is one file.
    pub sessions_per_file: Option<u64>,
    /// Other JSON documents than the usual ones, in the columns that the shape describes. They do not grow while a session runs.
    pub shape: Option<Shape>,
    /// Threads that make rows; one more writes. It does not change what comes out.
    pub threads: usize,
}

impl GenerateOptions {
    /// Starts from the defaults: seed 1, CSV, the 51 days from 2026-10-01 (so that the export is made at
    /// 2026-11-21T00:00:00Z), one snapshot, one odd session in a thousand, one thread.
    pub fn new(out: impl Into<PathBuf>, sessions: u64) -> Self {
        Self {
            out: out.into(),
            sessions,
            seed: 1,
            format: GenerateFormat::Csv,
            compression: GenerateCompression::None,
            first_day: NaiveDate::from_ymd_opt(2026, 10, 1).unwrap_or_default(),
            days: 51,
            snapshots: 1,
            snapshot_interval_hours: 24,
            window_days: None,
            odd_per_million: 1000,
            sessions_per_file: None,
            shape: None,
            threads: 1,
        }
    }

    fn check(&self) -> Result<()> {
        if self.sessions > 1 << 40 {
            return Err(Error::usage(format!("sessions must be at most 2^40, not {}", self.sessions)));
        }
        if self.snapshots == 0 {
            return Err(Error::usage("snapshots must be at least 1"));
        }
        if self.odd_per_million > 1_000_000 {
            return Err(Error::usage(format!("odd per million must be at most 1000000, not {}", self.odd_per_million)));
        }
        if self.sessions_per_file == Some(0) {
            return Err(Error::usage("sessions per file must be at least 1"));
        }
        if self.format == GenerateFormat::Parquet && self.compression != GenerateCompression::None {
            return Err(Error::usage("Parquet files have a compression of their own")
                .with_hint("leave the compression at none"));
        }
        let span_hours = u64::from(self.snapshots - 1) * u64::from(self.snapshot_interval_hours);
        if span_hours >= u64::from(self.days) * 24 {
            return Err(Error::usage(format!(
                "{} snapshots every {} hours reach back before the first of {} days",
                self.snapshots, self.snapshot_interval_hours, self.days
            ))
            .with_hint("take fewer snapshots, a shorter interval or more days"));
        }
        Ok(())
    }

    /// Lists the files that [`generate`] writes, with what each holds.
    fn tasks(&self, end_us: i64) -> Vec<FileTask> {
        let mut tasks = Vec::new();
        for snapshot in 1..=self.snapshots {
            let hours = i64::from(self.snapshots - snapshot) * i64::from(self.snapshot_interval_hours);
            let instant_us = end_us - hours * (DAY_US / 24);
            let changed_from_us = self.window_days.map_or(i64::MIN, |days| instant_us - i64::from(days) * DAY_US);
            let per_file = self.sessions_per_file.unwrap_or(self.sessions).max(1);
            for part in 0..self.sessions.div_ceil(per_file).max(1) {
                let mut name = "workflow_sessions".to_owned();
                if self.snapshots > 1 {
                    name.push_str(&format!(".{snapshot}"));
                }
                if self.sessions_per_file.is_some() {
                    name.push_str(&format!(".part-{:05}", part + 1));
                }
                name.push_str(&format!(".{}{}", self.format.ending(), self.compression.ending()));
                let from = part * per_file;
                tasks.push(FileTask {
                    path: self.out.join(name),
                    export: Export { instant_us, changed_from_us },
                    sessions: from..(from + per_file).min(self.sessions),
                    format: self.format,
                    compression: self.compression,
                    threads: self.threads,
                });
            }
        }
        tasks
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GeneratedFile {
    /// Where it is.
    pub path: PathBuf,
    /// When its export was made; also its modification time, by which ingest orders snapshots.
    pub exported_at: DateTime<Utc>,
    /// Rows, duplicates among them.
    pub rows: u64,
    /// Different sessions.
    pub sessions: u64,
    /// Sessions that run at the instant of the export.
    pub active: u64,
    /// Sessions with something odd.
    pub odd: u64,
    /// Size in bytes.
    pub bytes: u64,
}

/// What was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GenerateSummary {
    /// The files in the order of snapshots and parts.
    pub files: Vec<GeneratedFile>,
    /// Rows of all files.
    pub rows: u64,
    /// Size of all files, in bytes.
    pub bytes: u64,
}

/// Writes the files that the options ask for. Each is written beside its place and renamed when it is whole. Calls
/// `progress` after every two thousand sessions with the rows and the (uncompressed) bytes so far.
///
/// # Errors
/// Options that make no sense (usage), and storage that does not take a file; files that were whole before stay.
pub fn generate(options: &GenerateOptions, progress: &dyn Fn(u64, u64)) -> Result<GenerateSummary> {
    generate_while(options, &|rows, bytes| {
        progress(rows, bytes);
        true
    })
}

/// Does what [`generate`] does for as long as `progress` says yes.
///
/// # Errors
/// As there, and [`Error::Cancelled`] where it said no; nothing is left of the file that was being written.
pub fn generate_while(options: &GenerateOptions, progress: &dyn Fn(u64, u64) -> bool) -> Result<GenerateSummary> {
    options.check()?;
    let world = World::new(options.seed, options.sessions, options.first_day, options.days, options.odd_per_million)?
        .with_shape(options.shape.clone());
    std::fs::create_dir_all(&options.out).map_err(io_error(&options.out))?;
    let mut files: Vec<GeneratedFile> = Vec::new();
    let (mut rows, mut bytes, mut progress_bytes) = (0, 0, 0);
    for task in options.tasks(world.calendar.end_us()) {
        let last_bytes = std::cell::Cell::new(0);
        let (counts, file_bytes) = write_file(&world, &task, &|counts: Counts, so_far| {
            last_bytes.set(so_far);
            progress(rows + counts.rows, progress_bytes + so_far)
        })?;
        rows += counts.rows;
        bytes += file_bytes;
        progress_bytes += last_bytes.get();
        files.push(GeneratedFile {
            path: task.path,
            exported_at: DateTime::from_timestamp_micros(task.export.instant_us).unwrap_or_default(),
            rows: counts.rows,
            sessions: counts.sessions,
            active: counts.active,
            odd: counts.odd,
            bytes: file_bytes,
        });
    }
    Ok(GenerateSummary { files, rows, bytes })
}

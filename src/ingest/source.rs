//! Names the input files and says how to read them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::zones::Tz;
use xxhash_rust::xxh3::Xxh3;

use super::dialect::Declared;
use super::formats::{Encoding, InputFormat};
use super::member::Member;
use super::packed::ByteStream;
use super::records_path::RecordsPath;
use crate::error::{Error, Place, Result, io_error};
use crate::lake::foreign::LiveTable;

/// One input, not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name for ledgers and messages: the path as the user gave it, or `-` for standard input.
    pub name: String,
    /// Where it is; `None` is standard input.
    pub path: Option<PathBuf>,
    /// Size in bytes, if known before reading.
    pub size_bytes: Option<u64>,
    /// Modification time in microseconds since the Unix epoch, if known.
    pub modified_us: Option<i64>,
    /// Where it stands inside of an archive, if it does; `path` is then the archive's.
    pub member: Option<Member>,
    /// What it is of a Delta table, if it is anything of one; `path` is a table's folder then, or a data file.
    pub delta: Option<Delta>,
}

/// A Delta table among the inputs, or one of its data files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// A folder whose log is not read yet.
    Folder,
    /// A table that cannot be read: why, and what helps.
    Refused(String, Option<String>),
    /// The newest version of a table.
    Table(Arc<LiveTable>),
    /// The data file at this position.
    File(Arc<LiveTable>, usize),
}

impl SourceFile {
    /// Opens an input and tells its compression.
    pub(super) fn open(&self) -> Result<ByteStream> {
        let input: Box<dyn Read + Send> = match (&self.path, &self.member) {
            (None, _) => Box::new(std::io::stdin()),
            (Some(path), Some(member)) => member.open(path, &self.name)?,
            (Some(path), None) => {
                if path.is_dir() {
                    return Err(Error::input(Place::file(&self.name), "is a folder, not a file"));
                }
                Box::new(File::open(path).map_err(io_error(&self.name))?)
            }
        };
        ByteStream::new(input, &self.name)
    }

    /// Hashes the file as [`content_hash`] does, a member of an archive by what comes out of it, a Delta table by what makes it this version
    /// of it, or returns `None` where reading it would use it up (standard input, pipes).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn content_hash(&self) -> Result<Option<u128>> {
        if let Some(Delta::Table(table)) = &self.delta {
            return Ok(Some(table.identity));
        }
        match (&self.path, &self.member) {
            (Some(path), Some(member)) => hash_all(member.open(path, &self.name)?, &self.name).map(Some),
            (Some(path), None) if path.is_file() => content_hash(path).map(Some),
            _ => Ok(None),
        }
    }
}

/// Hashes the bytes of a file as stored, compression included: 128-bit XXH3. Reads it in blocks of 256 KiB.
///
/// # Errors
/// The file cannot be read.
pub fn content_hash(path: &Path) -> Result<u128> {
    hash_all(File::open(path).map_err(io_error(path))?, path)
}

fn hash_all(mut input: impl Read, name: impl AsRef<Path>) -> Result<u128> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(hash.digest128()),
            Ok(length) => hash.update(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error(name.as_ref())(error)),
        }
    }
}

/// How to read inputs; the same for every file of a run.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The format, or `None` to tell it from the file's name and first bytes.
    pub format: Option<InputFormat>,
    /// The character set of text formats.
    pub encoding: Encoding,
    /// The zone of times that have none of their own.
    pub time_zone: Tz,
    /// Whether that zone was declared for this run alone, so that a replay of quarantine goes by it.
    pub zone_is_declared: bool,
    /// Headers that the user mapped: their spelling, our column name.
    pub header_map: Vec<(String, String)>,
    /// Whether columns that are none of ours are kept in `_extra`.
    pub keep_extra: bool,
    /// Longest record in bytes; a longer one is quarantined.
    pub max_record_bytes: usize,
    /// When the export was made, in microseconds since the Unix epoch; `None` takes a commit-time column of the input, else
    /// the file's modification time.
    pub exported_at_us: Option<i64>,
    /// The export time for inputs with neither of those (standard input): the as-of instant of the run.
    pub fallback_exported_at_us: i64,
    /// What is declared of delimited text.
    pub declared: Declared,
    /// The name of the dialect that it is declared by, if it is, and the format that this is one of.
    pub dialect: Option<(String, InputFormat)>,
    /// Days, since the Unix epoch in the declared zone, that stand for no end: a session that ends on one of them is running.
    pub no_end_days: Vec<i64>,
    /// Where in a JSON document its records are, where they are not at its top.
    pub records: Option<RecordsPath>,
    /// The sheet of a workbook, by name or by number from 1; `None` is the first that names columns.
    pub sheet: Option<String>,
    /// Whether a file with the marks of another dialect is refused whole.
    pub strict: bool,
    /// The name under which these options are kept, for the ledger.
    pub profile: Option<String>,
}

impl ReadOptions {
    /// Hashes the options that decide what a file's bytes mean: read in another way, a file is another input. A format that is
    /// named is mostly the one that is told from the bytes, and a wrong one is refused; it does not count.
    pub fn fingerprint(&self) -> u64 {
        let Self {
            encoding,
            time_zone,
            header_map,
            keep_extra,
            max_record_bytes,
            declared,
            no_end_days,
            records,
            sheet,
            ..
        } = self;
        let mut text = format!("{encoding:?} {time_zone} {header_map:?} {keep_extra} {max_record_bytes}");
        // Where nothing is declared the hash is what it was before anything could be, so that a file is known again.
        if !declared.is_default() || !no_end_days.is_empty() {
            text.push_str(&format!(" {declared:?} {no_end_days:?}"));
        }
        if let Some(records) = records {
            text.push_str(&format!(" {records}"));
        }
        if let Some(sheet) = sheet {
            text.push_str(&format!(" sheet {sheet:?}"));
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    /// Returns when an input was exported, in microseconds since the Unix epoch, where its rows do not say so themselves.
    pub fn export_time_us(&self, input: &SourceFile) -> i64 {
        self.exported_at_us.or(input.modified_us).unwrap_or(self.fallback_exported_at_us)
    }
}

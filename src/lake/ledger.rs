//! Accounts for every record of an ingest: what was read is what was stored, found known, or put aside.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What became of the records of one file, or of all.
///
/// `rows_read` is the sum of the six outcomes; [`Counts::balances`] says whether it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records in the input.
    pub rows_read: u64,
    /// Sessions that the lake did not know.
    pub inserted: u64,
    /// Sessions whose stored state gave way to this one.
    pub updated: u64,
    /// Sessions that the lake holds in exactly this state.
    pub unchanged: u64,
    /// States that lost against a newer one, of the lake or of this run.
    pub superseded: u64,
    /// Copies of a state that is in this run already.
    pub duplicate: u64,
    /// Records that could not be stored, now in `quarantine`.
    pub quarantined: u64,
}

impl Counts {
    /// Says whether every record read has one outcome.
    pub fn balances(&self) -> bool {
        self.rows_read
            == self.inserted + self.updated + self.unchanged + self.superseded + self.duplicate + self.quarantined
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.rows_read += other.rows_read;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.superseded += other.superseded;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows read = {} inserted + {} updated + {} unchanged + {} superseded + {} duplicate + {} quarantined",
            self.rows_read,
            self.inserted,
            self.updated,
            self.unchanged,
            self.superseded,
            self.duplicate,
            self.quarantined
        )
    }
}

/// What became of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLedger {
    /// The file as the user named it.
    pub file: String,
    /// Bytes read, as stored (compressed where it is).
    pub bytes: u64,
    /// XXH3-128 of those bytes, in hexadecimal; empty where nothing was read.
    pub content_hash: String,
    /// The outcomes.
    #[serde(flatten)]
    pub counts: Counts,
    /// Oddities of stored rows, by kind.
    pub warnings: Warnings,
    /// Columns that are none of ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_columns: Vec<String>,
    /// What a person should know of the file as a whole, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The version that already holds this very file; nothing was read then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub already_in_version: Option<u64>,
    /// Why the file was refused whole; nothing of it was stored then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl FileLedger {
    /// Says whether the rows of the file count: it was neither refused nor known already.
    pub fn is_taken(&self) -> bool {
        self.refused.is_none() && self.already_in_version.is_none()
    }
}

/// What one ingest did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The version that holds the outcome; `None` where nothing was to be committed.
    pub version: Option<u64>,
    /// Whether the run was to store all or nothing and stored nothing: the outcomes of the rows were then not looked for, so that
    /// the counts have what was read and what was bad alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// The name under which the options of reading are kept, if it was by a name that they were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// One entry a file, in the order given.
    pub files: Vec<FileLedger>,
    /// The sums over all files.
    pub total: Counts,
    /// Sums of warnings over all files.
    pub warnings: Warnings,
    /// What was merged after the commit, a table each; the ledger in the log has nothing of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upkeep: Vec<Upkeep>,
    /// Why nothing was merged, or not all: the ingest stands all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upkeep_failed: Option<String>,
}

impl Ledger {
    /// Sums up the entries of the files.
    pub fn of(files: Vec<FileLedger>) -> Self {
        let mut ledger = Self::default();
        for file in &files {
            ledger.total += file.counts;
            add_warnings(&mut ledger.warnings, &file.warnings);
        }
        ledger.files = files;
        ledger
    }

    /// Lists the files that were refused whole.
    pub fn refused(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|file| Some((file.file.as_str(), file.refused.as_deref()?)))
    }
}

/// What an upkeep did to a table, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// The table.
    pub table: String,
    /// The version that it made last; `None` where nothing was to be done, or was done.
    pub version: Option<u64>,
    /// Data files before.
    pub files_before: u64,
    /// Data files after, or about so many.
    pub files_after: u64,
    /// Bytes before.
    pub bytes_before: u64,
    /// Bytes after; `None` where nothing was done yet.
    pub bytes_after: Option<u64>,
    /// Files that were written anew.
    pub rewritten_files: u64,
    /// Their rows.
    pub rewritten_rows: u64,
    /// Their bytes.
    pub rewritten_bytes: u64,
    /// Files that share an instant of `started_at` at most, before: what a question on one instant opens.
    pub overlap_before: Option<u64>,
    /// The same after.
    pub overlap_after: Option<u64>,
}

/// Something odd about rows that were stored all the same; counted per file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// A communication type that neither is documented nor has an alias; kept as it came.
    UnknownCommunicationType,
    /// A JSON cell that is not JSON; kept as text.
    InvalidJson,
    /// Ended before it started.
    EndedBeforeStarted,
    /// The phone number differs from the one in Source Details.
    PhoneDiffers,
    /// Time in workflow is more than a second off from ended − started.
    TimeInWorkflowOff,
    /// A local time that does not exist or exists twice in the declared zone.
    AmbiguousLocalTime,
    /// A start or an end before 1990, or more than a day after the export.
    ImplausibleTime,
    /// A start or an end that is a number of days, as spreadsheets and Julian days count them, and was read as seconds.
    DayNumber,
    /// A field outside quotes that is what some tools write for null, where nothing is declared to stand for it.
    NullMark,
    /// A field outside quotes with escapes by backslashes, where none are declared.
    BackslashEscape,
    /// A JSON record with a key twice, of which the first value counts.
    RepeatedKey,
    /// Another session has the session id, and what gave way is in quarantine.
    SameId,
    /// JSON with half a surrogate pair, which is read as U+FFFD; kept as it came.
    LoneSurrogate,
    /// A column that is none of ours.
    UnknownColumn,
}

/// Warnings of a batch or file, counted by kind. `UnknownColumn` counts columns, all others count rows.
pub type Warnings = BTreeMap<Warning, u64>;

/// Adds counts of warnings up by kind.
pub fn add_warnings(sum: &mut Warnings, more: &Warnings) {
    for (warning, count) in more {
        *sum.entry(*warning).or_default() += count;
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownCommunicationType => "unknown communication type, kept as it came",
            Self::InvalidJson => "invalid JSON, kept as text",
            Self::EndedBeforeStarted => "ended before started",
            Self::PhoneDiffers => "phone number differs from Source Details",
            Self::TimeInWorkflowOff => "time in workflow more than a second off from ended \u{2212} started",
            Self::AmbiguousLocalTime => "local time in a clock change",
            Self::ImplausibleTime => "start or end before 1990 or more than a day after the export (⟨no-end⟩ DATE reads an end as none)",
            Self::DayNumber => "a number of days as a start or end, read as seconds since 1970 (⟨date-format⟩ excel-serial or julian reads it)",
            Self::NullMark => "\\N, NULL, NaN or another mark of null, kept as text (⟨null-mark⟩ TEXT reads it as null)",
            Self::BackslashEscape => "escapes by backslashes, kept as they came (⟨dialect⟩ postgres-text, mysql or clickhouse-tsv reads them, and so does ⟨escape⟩ backslash ⟨quote⟩ none)",
            Self::RepeatedKey => "a key twice in one record, of which the first value was taken",
            Self::SameId => "a session id that another session has, too; what gave way is in quarantine",
            Self::LoneSurrogate => "half a surrogate pair in JSON, kept as it came and read as U+FFFD",
            Self::UnknownColumn => "unknown columns",
        })
    }
}

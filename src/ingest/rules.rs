//! What the rules for values depend on, the same for all rows of a file.

use super::dates::DateFormat;
use super::folders::FolderColumns;
use super::numbers::Numbers;
use crate::zones::Tz;

/// What the rules for values depend on.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The zone of times that have none.
    pub(super) time_zone: Tz,
    /// The export time that the user gave; wins over the rows' own.
    pub(super) exported_at_us: Option<i64>,
    /// The export time of rows with none of their own.
    pub(super) default_exported_at_us: i64,
    /// The file's name for `_source`.
    pub(super) source: String,
    /// The columns in the names of the file's folders.
    pub(super) folders: FolderColumns,
    /// Whether folders' columns that are none of ours are kept.
    pub(super) keep_extra: bool,
    /// How numbers are written.
    pub(super) numbers: Numbers,
    /// How dates are written.
    pub(super) dates: DateFormat,
    /// Whether instants may be ISO 8601 beside a pattern: in sheets, whose cells have types, and in rows of typed columns that come back
    /// out of the quarantine as JSON.
    pub(super) iso_beside: bool,
    /// Days, since the Unix epoch, that stand for no end.
    pub(super) no_end_days: Vec<i64>,
}

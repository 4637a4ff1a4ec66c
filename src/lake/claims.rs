//! Checksums over what the log says of data files of ours.
//!
//! Scans leave files out, and count rows, by the log's statistics alone, so that one changed digit in them would be a wrong answer. The
//! checksum is of their meaning, not of their text: checkpoints may write them otherwise. Where it does not fit, be it that a disk lost
//! a bit or that another program computed the statistics anew, they are not used: answers then come from the file, which is slower.
//!
//! A line of the log that is damaged may say nothing at all: the log's readers pass over actions that they do not know. So each
//! commit of ours says which files the table has after it ([`LiveFiles`]).

use xxhash_rust::xxh3::Xxh3;

use super::history::commit_info;
use super::said::{Bound, Said};
use super::table::Table;
use crate::error::{Error, Result};

/// The key of the checksum among a file's tags in the log.
pub(super) const CHECK_KEY: &str = "sessionlake.check";

/// What the log says of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims<'a> {
    /// The path from the table's folder.
    pub(super) path: &'a str,
    pub(super) size_bytes: u64,
    /// What the statistics say.
    pub(super) statistics: &'a Said<'a>,
    /// The tag that names the columns that have a NaN.
    pub(super) nan: Option<&'a str>,
    /// The tag that has the checksums of the bytes.
    pub(super) seal: Option<&'a str>,
}

impl Claims<'_> {
    /// Returns the checksum, as its tag has it.
    pub(super) fn check(&self) -> String {
        let mut sum = Xxh3::new();
        text(&mut sum, Some(self.path));
        sum.update(&self.size_bytes.to_le_bytes());
        number(&mut sum, self.statistics.rows);
        for (name, column) in &self.statistics.columns {
            let (minimum, maximum) = (column.minimum.as_ref(), column.maximum.as_ref());
            if minimum.is_some() || maximum.is_some() || column.null_count.is_some() {
                text(&mut sum, Some(name));
                bound(&mut sum, minimum);
                bound(&mut sum, maximum);
                number(&mut sum, column.null_count);
            }
        }
        text(&mut sum, self.nan);
        text(&mut sum, self.seal);
        format!("{:016x}", sum.digest())
    }
}

/// The key under which a commit says which files the table has after it.
pub(super) const LIVE_KEY: &str = "sessionlake.files";

/// Which files a table has: their number, and a sum of hashes of their paths and sizes, in which their order does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LiveFiles {
    pub(super) files: u64,
    sum: u64,
}

impl LiveFiles {
    /// Adds a file.
    pub(super) fn add(&mut self, path: &str, size_bytes: u64) {
        let mut sum = Xxh3::new();
        text(&mut sum, Some(path));
        sum.update(&size_bytes.to_le_bytes());
        self.files += 1;
        self.sum = self.sum.wrapping_add(sum.digest());
    }

    /// Takes a file out.
    pub(super) fn remove(&mut self, path: &str, size_bytes: u64) {
        let mut one = Self::default();
        one.add(path, size_bytes);
        self.files = self.files.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(one.sum);
    }

    /// Writes what a commit says.
    pub(super) fn to_text(self) -> String {
        format!("{}:{:016x}", self.files, self.sum)
    }

    /// Reads what a commit says; `None` where it is nothing that we know.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (files, sum) = text.split_once(':')?;
        Some(Self { files: files.parse().ok()?, sum: u64::from_str_radix(sum, 16).ok()? })
    }
}

impl Table {
    /// Refuses a version that has other files than its commit says, where one of ours made it: a line of the log that is damaged may be one that
    /// its readers pass over.
    pub(super) async fn refuse_lost_actions(&self) -> Result<()> {
        let version = self.version();
        // What stands in for commits is of several versions.
        if self.hidden.is_blurred(version) {
            return Ok(());
        }
        let place = || format!("{}: {}/_delta_log", self.lake, self.name);
        let text = self.delta.log_store().read_commit_entry(version).await;
        let Some(text) = text.map_err(|e| Error::storage(place(), e))? else { return Ok(()) };
        let info = commit_info(&text).map_err(|e| Error::storage(format!("{}/{version:020}.json", place()), e))?;
        let said = info.and_then(|info| LiveFiles::from_text(info.get(LIVE_KEY)?.as_str()?));
        let Some(said) = said else { return Ok(()) };
        let found = self.files()?.live;
        if found == said {
            return Ok(());
        }
        let files = match found.files == said.files {
            true => format!("{} data files, but not the same", said.files),
            false => format!("{} data files, and the log lists {}", said.files, found.files),
        };
        let words = format!(
            "version {version} was committed with {files}: a file of the log is damaged; put the folder back from a copy of the lake"
        );
        Err(Error::storage(place(), words))
    }
}

/// Adds a text so that none runs into the next.
fn text(sum: &mut Xxh3, text: Option<&str>) {
    number(sum, text.map(|text| text.len() as u64));
    sum.update(text.unwrap_or_default().as_bytes());
}

fn number(sum: &mut Xxh3, number: Option<u64>) {
    sum.update(&[u8::from(number.is_some())]);
    sum.update(&number.unwrap_or_default().to_le_bytes());
}

fn bound(sum: &mut Xxh3, value: Option<&Bound<'_>>) {
    match value {
        Some(Bound::Text(value)) => text(sum, Some(value)),
        Some(Bound::Number(value)) => number(sum, Some(value.to_bits())),
        Some(Bound::Instant(us)) => number(sum, Some(us.cast_unsigned())),
        None => number(sum, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_order_of_files_does_not_matter_and_all_else_does() {
        let of = |files: &[(&str, u64)]| {
            let mut live = LiveFiles::default();
            files.iter().for_each(|(path, size)| live.add(path, *size));
            live
        };
        let live = of(&[("a", 1), ("b", 2)]);
        assert_eq!(live, of(&[("b", 2), ("a", 1)]));
        for other in [&[("a", 1)][..], &[("a", 2), ("b", 1)], &[("a", 1), ("b", 3)], &[("a", 1), ("b", 2), ("b", 2)]] {
            assert_ne!(of(other), live, "{other:?}");
        }
        assert_eq!(LiveFiles::from_text(&live.to_text()), Some(live));
        assert_eq!(LiveFiles::from_text("2"), None);
    }

    #[test]
    fn everything_that_is_believed_is_in_the_checksum_and_how_it_is_written_is_not() {
        let statistics = json!({
            "numRecords": 5,
            "minValues": { "started_at": "2026-11-20T10:00:00.000000Z", "session_id": "a", "time_in_workflow": 1.5 },
            "maxValues": { "started_at": "2026-11-20T11:00:00.000000Z", "session_id": "b", "time_in_workflow": 2.5 },
            "nullCount": { "started_at": 0, "data": 3 },
        });
        let text = statistics.to_string();
        let said = Said::of(&text);
        let claims =
            Claims { path: "ended-1.parquet", size_bytes: 10, statistics: &said, nan: Some(""), seal: Some("1") };
        let check = claims.check();
        let changed = |pointer: &str, value: Value| {
            let mut changed = statistics.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            Claims { statistics: &Said::of(&changed.to_string()), ..claims }.check()
        };
        for (pointer, value) in [
            ("/numRecords", json!(6)),
            ("/numRecords", json!("5")),
            ("/minValues/started_at", json!("2026-11-20T10:00:00.000001Z")),
            ("/minValues/session_id", json!("b")),
            ("/minValues/time_in_workflow", json!(1.25)),
            ("/maxValues/session_id", json!("c")),
            ("/nullCount/data", json!(4)),
            ("/nullCount", json!({ "started_at": 0, "date": 3 })),
            ("/maxValues", Value::Null),
        ] {
            assert_ne!(changed(pointer, value), check, "{pointer}");
        }
        assert_eq!(changed("/minValues/started_at", json!("2026-11-20T11:00:00+01:00")), check);
        for other in [
            Claims { path: "ended-2.parquet", ..claims },
            Claims { size_bytes: 11, ..claims },
            Claims { nan: Some("time_in_workflow"), ..claims },
            Claims { nan: None, ..claims },
            Claims { seal: None, ..claims },
        ] {
            assert_ne!(other.check(), check, "{other:?}");
        }
    }
}

//! Remembers which files a deep verification has read, so that one that is stopped goes on where it was.
//!
//! A line names a file that had no fault, by table, path and size: data files are written once and never changed, and a name is never given again. The
//! list is there while a verification runs, and goes with its end, so that a run begins anew unless the one before it was stopped. One that is
//! older than a week is not believed: a disk may have lost bits since. A list that cannot be written costs nothing but time.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::lake::DataFile;

/// How long a list counts.
const COUNTS: TimeDelta = TimeDelta::days(7);
/// What the first line begins with; when the list was begun comes behind, in milliseconds.
const BEGUN: &str = "sessionlake verify 1 ";

/// Ends a line that may be half of one, so that it names no file.
const TORN: &[u8] = b" \n";

/// What was checked of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its bytes and rows.
    Rows,
    /// What stands beside the text.
    Leaves,
}

/// The files that were read.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: HashSet<String>,
    path: Option<PathBuf>,
    file: Mutex<Option<File>>,
}

impl Memory {
    /// Opens the list at a path, or begins it.
    pub(super) fn open(path: &Path, now: DateTime<Utc>) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let begun = text.lines().next().and_then(|line| line.strip_prefix(BEGUN)?.parse().ok());
        let begun = begun.and_then(DateTime::from_timestamp_millis);
        let counts = begun.is_some_and(|begun| begun <= now && now - begun <= COUNTS);
        // The last line may be half of one.
        let whole = text.rfind('\n').and_then(|end| text.get(..end)).filter(|_| counts).unwrap_or_default();
        let known: HashSet<String> = whole.lines().skip(1).map(str::to_owned).collect();
        let file = match counts {
            true => OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(TORN).map(|()| file)),
            false => File::create(path)
                .and_then(|mut file| writeln!(file, "{BEGUN}{}", now.timestamp_millis()).map(|()| file)),
        };
        Self { known, path: Some(path.to_owned()), file: Mutex::new(file.ok()) }
    }

    /// Says whether a file was checked, and nothing was wrong with it.
    pub(super) fn has(&self, table: &str, file: &DataFile, stage: Stage) -> bool {
        self.known.contains(&line(table, file, stage))
    }

    /// Notes that nothing is wrong with a file.
    pub(super) fn note(&self, table: &str, file: &DataFile, stage: Stage) {
        let mut target = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let text = line(table, file, stage) + "\n";
        if target.as_mut().is_some_and(|target| target.write_all(text.as_bytes()).is_err()) {
            *target = None;
        }
    }

    /// Ends the list of a verification that was not stopped.
    pub(super) fn end(self) {
        if let Some(path) = self.path {
            // What is left of it is not believed in a week.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn line(table: &str, file: &DataFile, stage: Stage) -> String {
    format!("{stage:?} {} {table}/{}", file.size_bytes, file.path.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> DataFile {
        DataFile { path: path.to_owned(), size_bytes: 7, ..DataFile::default() }
    }

    #[test]
    fn a_list_that_was_not_ended_counts_for_a_week_and_its_last_line_only_if_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let memory = Memory::open(&path, now);
        for name in ["a", "b\nc"] {
            assert!(!memory.has("t", &file(name), Stage::Rows));
            memory.note("t", &file(name), Stage::Rows);
        }
        drop(memory);
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "Rows 7 t/d").unwrap();
        let known = |now| {
            let memory = Memory::open(&path, now);
            let has = ["a", "b\nc", "d", "d2"].map(|name| memory.has("t", &file(name), Stage::Rows));
            memory.note("t", &file("d2"), Stage::Leaves);
            has
        };
        let all = [true, true, false, false];
        assert_eq!(known(now + TimeDelta::days(6)), all);
        assert_eq!(known(now), all);
        let memory = Memory::open(&path, now);
        assert!(memory.has("t", &file("d2"), Stage::Leaves) && !memory.has("t", &file("a"), Stage::Leaves));
        let other = DataFile { size_bytes: 8, ..file("a") };
        assert!(!memory.has("t", &other, Stage::Rows) && !memory.has("u", &file("a"), Stage::Rows));
        drop(memory);
        assert_eq!(known(now - TimeDelta::days(1)), [false; 4]);
        assert_eq!(known(now + TimeDelta::days(8)), [false; 4]);
        Memory::open(&path, now).end();
        assert!(!path.exists());
    }
}

//! Tries to commit until no other writer comes between.
//!
//! A change is computed from the version that a table is loaded at, and the commit succeeds on that version only. After a conflict the
//! table is at the newest version, and the caller computes its change anew. Files that were written for a change that no version has are
//! removed; after any other error than a conflict they stay, for the commit may stand although the answer is an error.
//!
//! A writer that removes files of earlier versions meanwhile, as an erasure does that purges, takes them away from whoever computes a change: that too is
//! no more than another writer that was faster.

use super::stage::Limits;
use crate::error::{Error, Result};
use crate::lake::{Commit, Output, Table, Version, WrittenFile, discard};

/// How often a change is tried because another writer committed first.
///
/// Some writer gets through at every turn, so this many can be at it at once; one that loses more often has met writers that never
/// stop.
const ATTEMPTS: usize = 100;

/// The attempts of one change.
pub(crate) struct Attempts<'a> {
    begun: usize,
    most: usize,
    limits: &'a Limits,
}

impl<'a> Attempts<'a> {
    /// Makes attempts that end when the run is stopped from outside.
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self::at_most(ATTEMPTS, limits)
    }

    /// Makes fewer attempts than usual, of a change that may as well be made another time.
    pub(crate) fn at_most(most: usize, limits: &'a Limits) -> Self {
        Self { begun: 0, most, limits }
    }

    /// Returns what the run may use, and what stops it.
    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Begins the next attempt.
    ///
    /// # Errors
    /// [`Error::Conflict`] where none is left; a run that was stopped from outside.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.limits.check()?;
        if self.begun >= self.most {
            let message = format!("other writers committed first {} times in a row", self.most);
            return Err(Error::Conflict { message });
        }
        self.begun += 1;
        Ok(())
    }

    /// Commits a change whose files were written for the loaded version, and returns the new version. `None` means that another writer
    /// was faster: the files are gone, and the table is at the newest version.
    ///
    /// # Errors
    /// Storage errors; the files stay.
    pub(crate) async fn commit(&self, table: &mut Table, output: &Output, commit: Commit) -> Result<Option<Version>> {
        let added = commit.added.clone();
        let version = self.commit_kept(table, commit).await?;
        if version.is_none() {
            remove_files(output, added).await?;
        }
        Ok(version)
    }

    /// Commits a change whose files serve on any version, and returns the new version. `None` means that another writer was faster: the
    /// table is at the newest version, and the files are there for the next attempt.
    ///
    /// # Errors
    /// Storage errors.
    pub(crate) async fn commit_kept(&self, table: &mut Table, commit: Commit) -> Result<Option<Version>> {
        match table.commit(commit).await {
            Ok(outcome) => Ok(Some(outcome.version)),
            Err(Error::Conflict { .. }) => table.refresh().await.map(|()| None),
            Err(error) => Err(error),
        }
    }
}

/// Goes on after an error that came of another writer: a file of the loaded version is not there any more, and the table has a newer one, at which it
/// is then.
///
/// # Errors
/// The error, where it has another reason.
pub(crate) async fn go_on_after(table: &mut Table, error: Error) -> Result<()> {
    let before = table.version();
    match error.is_of_missing_file() && table.refresh().await.is_ok() && table.version() > before {
        true => Ok(()),
        false => Err(error),
    }
}

/// Removes files that no version has.
///
/// # Errors
/// A thread that could not be had; files that cannot be removed are left.
pub(crate) async fn remove_files(output: &Output, files: Vec<WrittenFile>) -> Result<()> {
    let output = output.clone();
    blocking(move || {
        discard(&output, &files);
        Ok(())
    })
    .await
}

/// Does work that computes or waits for disks on a thread that may be blocked.
///
/// # Errors
/// Those of the work; a defect of ours where it panicked.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{Lake, layout};

    #[tokio::test(flavor = "multi_thread")]
    async fn after_a_conflict_files_go_and_after_any_other_error_they_stay() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
        let mut table = lake.open_or_create(layout::SIGHTINGS).await.unwrap();
        let mut other = table.clone();
        other.commit(Commit::default()).await.unwrap();
        let output = Output::of(&table, folder.path().to_owned());
        let path = folder.path().join(layout::SIGHTINGS).join("x.parquet");
        let change = || {
            std::fs::write(&path, "rows").unwrap();
            let (path, statistics, nan) = ("x.parquet".to_owned(), Default::default(), Default::default());
            let file = WrittenFile { path, size_bytes: 4, rows: 1, statistics, nan, ..WrittenFile::default() };
            Commit { added: vec![file], ..Commit::default() }
        };
        let limits = Limits {
            threads: std::num::NonZeroUsize::MIN,
            memory_bytes: 1 << 20,
            spill_bytes: 1 << 40,
            cancelled: Default::default(),
            progress: std::sync::Arc::new(|_| {}),
        };
        let mut attempts = Attempts::new(&limits);
        attempts.begin().unwrap();
        // The table is a version behind.
        assert!(attempts.commit_kept(&mut table.clone(), change()).await.unwrap().is_none());
        assert!(path.exists(), "it serves again");
        assert!(attempts.commit(&mut table, &output, change()).await.unwrap().is_none());
        assert!(!path.exists());
        assert_eq!(table.version(), other.version());
        // A log that cannot be written: a file stands where the folder is.
        let log = folder.path().join(layout::SIGHTINGS).join("_delta_log");
        std::fs::rename(&log, folder.path().join("aside")).unwrap();
        std::fs::write(&log, "").unwrap();
        let error = attempts.commit(&mut table, &output, change()).await.unwrap_err();
        assert!(!matches!(error, Error::Conflict { .. }), "{error:?}");
        assert!(path.exists(), "it may be in a version");
        while attempts.begun < ATTEMPTS {
            attempts.begin().unwrap();
        }
        assert!(matches!(attempts.begin().unwrap_err(), Error::Conflict { .. }));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_another_writer_took_away_is_no_error_of_ours_and_one_that_is_lost_is() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
        let mut table = lake.open_or_create(layout::SIGHTINGS).await.unwrap();
        let path = format!("sightings-{:032x}.parquet", 1);
        let file = WrittenFile { path: path.clone(), size_bytes: 700, ..WrittenFile::default() };
        table.commit(Commit { added: vec![file], ..Commit::default() }).await.unwrap();
        let read = async |table: &Table| {
            let file = table.snapshot().unwrap().files[0].clone();
            let schema = crate::schema::sightings_schema();
            crate::lake::read::read_rows(table.store(), &file, schema, &[]).await.err().unwrap()
        };
        let error = read(&table).await;
        assert!(error.is_of_missing_file(), "{error:?}");
        assert!(
            matches!(go_on_after(&mut table, error).await, Err(Error::Storage { .. })),
            "the version is the newest"
        );
        let mut other = table.clone();
        other.commit(Commit { removed: vec![(path, 700)], ..Commit::default() }).await.unwrap();
        let error = read(&table).await;
        go_on_after(&mut table, error).await.unwrap();
        assert!(table.version() == other.version() && table.snapshot().unwrap().files.is_empty());
        let damaged = Error::storage("a file", "is damaged");
        assert!(go_on_after(&mut table, damaged).await.is_err());
    }
}

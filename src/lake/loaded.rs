//! What a table holds of its log: a version, and the files of it.

use std::sync::Arc;

use deltalake::DeltaTableError;
use deltalake::kernel::EagerSnapshot;

use super::layout::Version;
use super::log::Log;
use super::snapshot::{Files, FilesReader, Snapshot};
use super::table::{Table, delta_error};
use crate::error::{Error, Result};

impl Table {
    /// Reads the log of a version, or of the newest.
    pub(super) async fn load_at(&mut self, version: Option<Version>) -> std::result::Result<(), DeltaTableError> {
        let log = Log::read(&self.delta.log_store(), self.delta.table_url(), version).await?;
        self.take(log).await
    }

    async fn take(&mut self, log: Log) -> std::result::Result<(), DeltaTableError> {
        if self.lists_files {
            let mut files = log.files(FilesReader::new(&self.lake, self.name), FilesReader::take).await?.finish();
            files.teach(&self.seals);
            files.told.drain(..).for_each(|sentence| self.tell(sentence));
            self.files = Some(Arc::new(files));
        }
        self.log = Some(log);
        Ok(())
    }

    /// What the log says.
    pub(super) fn log(&self) -> Result<&Log> {
        self.log.as_ref().ok_or_else(|| Error::internal("a table whose log is not read"))
    }

    /// The files of the loaded version.
    pub(super) fn files(&self) -> Result<&Files> {
        self.files.as_deref().ok_or_else(|| Error::internal("a table that was opened without its files"))
    }

    /// Reads the log of the loaded version once more, as deltalake's commits need it.
    pub(super) async fn eager(&self) -> Result<EagerSnapshot> {
        let read = EagerSnapshot::try_new(self.delta.log_store().as_ref(), Some(self.version())).await;
        read.map_err(|e| delta_error(&self.lake, e))
    }

    /// Moves to the newest version.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn refresh(&mut self) -> Result<()> {
        let newest = self.log()?.newest().await;
        let read = match newest {
            Ok(log) if log.version() == self.version() => Ok(()),
            Ok(log) => self.take(log).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(()) => Ok(()),
            Err(error) => self.read_on(None, error).await,
        }
    }

    /// Lists the data files of the loaded version, with their statistics.
    ///
    /// # Errors
    /// A log whose statistics cannot be read; a feature of Delta that is not read, by its name, with what undoes it.
    pub fn snapshot(&self) -> Result<Snapshot> {
        if let Some(words) = self.facts()?.unreadable() {
            return Err(Error::storage(format!("{}: {}", self.lake, self.name), words));
        }
        self.files()?.snapshot(self.version())
    }

    /// Returns the version that an application transaction of this name left, if it is in the log.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn transaction_version(&self, name: &str) -> Result<Option<i64>> {
        // Restoring an earlier version takes back what later ones took in, and the log keeps names for long.
        Ok(self.logged_transaction(name).await?.filter(|version| *version >= 0))
    }

    /// Says whether restoring an earlier version took back what an application transaction of this name left.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn is_taken_back(&self, name: &str) -> Result<bool> {
        Ok(self.logged_transaction(name).await?.is_some_and(|version| version < 0))
    }

    async fn logged_transaction(&self, name: &str) -> Result<Option<i64>> {
        self.log()?.transaction_version(name).await.map_err(|e| delta_error(&self.lake, e))
    }
}

//! What a table holds of its log: a version, and the files of it. A run that opens a table again reads on where it was.

use std::sync::{Arc, PoisonError};

use deltalake::DeltaTableError;
use deltalake::kernel::EagerSnapshot;

use super::layout::Version;
use super::log::Log;
use super::snapshot::{Files, FilesReader, Snapshot};
use super::table::{Lake, Table, delta_error};
use crate::error::{Error, Result};

impl Lake {
    /// Returns the newest version of a table that the run opened before, if it did and the log can be read on.
    pub(super) async fn read_on_kept(&self, table: &'static str) -> Result<Option<Table>> {
        let kept = self.kept.as_ref();
        let kept = kept.and_then(|all| all.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned());
        let Some(kept) = kept else { return Ok(None) };
        let before = kept.version();
        let mut table = Table { kept: self.kept.clone(), ..kept };
        // The log may be another one by now.
        if table.refresh().await.is_err() || table.version() < before {
            return Ok(None);
        }
        if table.version() > before {
            table.refuse_empty_commits().await?;
            table.refuse_lost_actions().await?;
        }
        Ok(Some(table))
    }
}

impl Table {
    /// Keeps what is loaded for the next opening of the run. Where a damaged checkpoint is hidden, or files are not listed, it is read anew.
    fn keep(&self) {
        if let Some(all) = self.kept.as_ref().filter(|_| self.lists_files && self.hidden.is_empty()) {
            // Without what it is kept in, which would else never be freed.
            let table = Self { kept: None, ..self.clone() };
            all.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name, table);
        }
    }

    /// Reads the log of a version, or of the newest.
    pub(super) async fn load_at(&mut self, version: Option<Version>) -> std::result::Result<(), DeltaTableError> {
        let log = Log::read(&self.delta.log_store(), self.delta.table_url(), version).await?;
        let files = if self.lists_files { Some(self.all_files(&log).await?) } else { None };
        self.take(log, files);
        Ok(())
    }

    /// Moves on to a later version of the log that is loaded.
    async fn move_to(&mut self, log: Log) -> std::result::Result<(), DeltaTableError> {
        let files = match self.lists_files {
            true => match self.files_since(&log).await? {
                Some(files) => Some(files),
                None => Some(self.all_files(&log).await?),
            },
            false => None,
        };
        self.take(log, files);
        Ok(())
    }

    fn reader(&self) -> FilesReader {
        FilesReader::new(&self.lake, self.name)
    }

    async fn all_files(&self, log: &Log) -> std::result::Result<Files, DeltaTableError> {
        Ok(log.files(self.reader(), FilesReader::take).await?.finish())
    }

    /// Returns the files of a later version by what came and went since the loaded one, if these are known and sound.
    async fn files_since(&self, log: &Log) -> std::result::Result<Option<Files>, DeltaTableError> {
        let known = self.files.as_ref().filter(|files| files.fault.is_none()).zip(self.log.as_ref());
        let Some((files, before)) = known.filter(|(_, before)| before.version() < log.version()) else {
            return Ok(None);
        };
        let changes = log.files_since(before.version(), self.reader(), FilesReader::take).await?;
        Ok(changes.map(|(came, gone)| files.changed(came.finish(), &gone)))
    }

    fn take(&mut self, log: Log, files: Option<Files>) {
        if let Some(mut files) = files {
            files.teach(&self.seals);
            files.told.drain(..).for_each(|sentence| self.tell(sentence));
            self.files = Some(Arc::new(files));
        }
        self.log = Some(log);
        self.keep();
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
            Ok(log) => self.move_to(log).await,
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

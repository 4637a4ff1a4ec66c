//! Delta tables as inputs: the rows of the newest version, read from the data files that its log names.
//!
//! A table is one input with one line in the ledger, and is taken in or refused as a whole. Its rows bear the names of their data files, in
//! `_source` and in quarantine.

use std::path::Path;
use std::sync::Arc;

use super::applies::check;
use super::folders::{FolderColumns, folder_values};
use super::formats::InputFormat;
use super::mapped::{Members, id_of};
use super::parquet_rows::StoredColumn;
use super::source::{Delta, ReadOptions, SourceFile};
use crate::error::{Error, Place, Result};
use crate::lake::deletions::{DeletedRows, DeletionVector};
use crate::lake::foreign::{LiveColumn, LiveFile, LiveTable, live_table};
use crate::schema::{CONTENT_HASH, EXTRA, SOURCE, stored_schema};

/// What a data file of a table is read by.
#[derive(Debug, Clone, Copy)]
pub(super) struct LiveSource<'a> {
    pub(super) file: &'a LiveFile,
    table: &'a LiveTable,
}

/// Reads the logs of the tables among the inputs.
pub(super) async fn opened_tables(inputs: &[SourceFile]) -> Vec<SourceFile> {
    let mut opened = Vec::with_capacity(inputs.len());
    for input in inputs {
        opened.push(match (&input.delta, &input.path) {
            (Some(Delta::Folder), Some(folder)) => open(input, folder).await,
            _ => input.clone(),
        });
    }
    opened
}

async fn open(input: &SourceFile, folder: &Path) -> SourceFile {
    match live_table(folder).await {
        Ok(mut table) => {
            leave_out_own_columns(&mut table);
            SourceFile {
                size_bytes: Some(table.files.iter().map(|file| file.size_bytes).sum()),
                modified_us: table.committed_at.map(|instant| instant.timestamp_micros()),
                delta: Some(Delta::Table(Arc::new(table))),
                ..input.clone()
            }
        }
        Err(error) => {
            let hint = error.hint().map(str::to_owned);
            SourceFile { delta: Some(Delta::Refused(error.to_string(), hint)), ..input.clone() }
        }
    }
}

/// Leaves out what a lake's own table says of its rows beside them: where they came from, and their hashes.
fn leave_out_own_columns(table: &mut LiveTable) {
    let has = |name: &str| table.columns.iter().any(|column| column.name == name);
    if stored_schema().fields().iter().all(|field| has(field.name())) {
        table.columns.retain(|column| column.name != SOURCE && column.name != CONTENT_HASH);
    }
}

impl SourceFile {
    /// Lists the data files of a Delta table as inputs of their own; `None` for an input that is none.
    ///
    /// # Errors
    /// A table that cannot be read, or that is declared to be something else.
    pub(super) fn data_files(&self, options: &ReadOptions) -> Result<Option<Vec<Self>>> {
        if self.delta.is_some() && !matches!(options.format, None | Some(InputFormat::Delta)) {
            return Err(Error::input(
                Place::file(&self.name),
                "is a Delta table, and is declared to be something else",
            )
            .with_hint("leave out ⟨input-format⟩"));
        }
        if self.delta.is_some() {
            check(InputFormat::Delta, options, &self.name)?;
        }
        let table = match &self.delta {
            Some(Delta::Table(table)) => table,
            Some(Delta::Refused(message, hint)) => {
                let error = Error::input(Place::file(&self.name), message.clone());
                return Err(match hint {
                    Some(hint) => error.with_hint(hint.clone()),
                    None => error,
                });
            }
            Some(Delta::Folder) => return Err(Error::internal("a Delta table whose log was not read")),
            Some(Delta::File(..)) | None => return Ok(None),
        };
        let file = |(index, file): (usize, &LiveFile)| Self {
            name: format!("{}/{}", self.name.trim_end_matches('/'), file.name),
            path: Some(file.path.clone()),
            size_bytes: Some(file.size_bytes),
            modified_us: self.modified_us,
            member: None,
            delta: Some(Delta::File(Arc::clone(table), index)),
        };
        Ok(Some(table.files.iter().enumerate().map(file).collect()))
    }

    /// Returns what a data file of a Delta table is read by; `None` for other inputs.
    pub(super) fn live(&self) -> Option<LiveSource<'_>> {
        match &self.delta {
            Some(Delta::File(table, index)) => Some(LiveSource { file: table.files.get(*index)?, table }),
            _ => None,
        }
    }

    /// Says what a person should know of a table, a sentence each.
    pub(super) fn table_notes(&self) -> Vec<String> {
        let Some(Delta::Table(table)) = &self.delta else { return Vec::new() };
        let files = table.files.len();
        let read = format!(
            "version {} of the Delta table, {files} data {}",
            table.version,
            if files == 1 { "file" } else { "files" }
        );
        std::iter::once(read).chain(table.notes.iter().cloned()).collect()
    }
}

impl LiveSource<'_> {
    fn live_column(&self, stored: &StoredColumn) -> Option<&LiveColumn> {
        let id = stored.node.as_deref().and_then(id_of);
        self.table.columns.iter().find(|column| column.is_stored_as(&stored.name, id))
    }

    /// Returns the table's name of a column of its data file, or `None` for one that the table does not have.
    pub(super) fn column(&self, stored: &StoredColumn) -> Option<&str> {
        self.live_column(stored).map(|column| column.name.as_str())
    }

    /// Finds the members of a column of its data file.
    pub(super) fn members(&self, stored: &StoredColumn) -> Members {
        match (self.live_column(stored), &stored.node) {
            (Some(column), Some(node)) => Members::find(&column.members, node),
            _ => Members::Same,
        }
    }

    /// Lists the columns of the table that are not among these: they are null in the data file.
    pub(super) fn missing(&self, found: &[String]) -> Vec<String> {
        let names = self.table.columns.iter().map(|column| &column.name);
        names.filter(|name| !found.contains(name)).cloned().collect()
    }

    /// Reads which rows of the data file are deleted, if any are.
    ///
    /// # Errors
    /// A deletion vector that is not there or damaged.
    pub(super) fn deleted(&self, name: &str) -> Result<Option<DeletedRows>> {
        let read = self.file.deleted.as_ref().map(DeletionVector::read).transpose();
        read.map_err(|what| {
            Error::input(Place::file(name), format!("its deletion vector {what}"))
                .with_hint("the table is not whole: copy its folder again, or look for what removed the file")
        })
    }

    /// Returns the columns that the log has the values of, and those in the names of the folders that the table is in.
    pub(super) fn constants(&self, name: &str, map: &[(String, String)]) -> Result<FolderColumns> {
        let mut values = folder_values(name.strip_suffix(self.file.name.as_str()).unwrap_or_default());
        values.extend(self.file.values.iter().cloned());
        FolderColumns::of_values(name, values, map)
    }

    /// Refuses a data file that is not there.
    ///
    /// # Errors
    /// The file by its name, and why it may be gone.
    pub(super) fn require(&self, name: &str) -> Result<()> {
        if self.file.path.is_file() {
            return Ok(());
        }
        let message = format!("is not there, but version {} of the Delta table names it", self.table.version);
        Err(Error::input(Place::file(name), message)
            .with_hint("the table is not whole: copy its folder again, or look for what removed the file"))
    }

    /// Returns the name of the column whose members stand in `_extra` already, if the table is that of a lake.
    pub(super) fn spliced(&self) -> Option<&'static str> {
        let is_own = stored_schema().fields().iter().all(|field| {
            let name = field.name();
            name == SOURCE || name == CONTENT_HASH || self.table.columns.iter().any(|column| column.name == *name)
        });
        is_own.then_some(EXTRA)
    }
}

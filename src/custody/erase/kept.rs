//! Files that an erasure has written without the rows that go.
//!
//! Writing them takes the most time of a large erasure, and hourly ingests commit meanwhile. Each file is written from one file of the lake, so that
//! it serves the next attempt as long as that file is in the newest version and the same rows of it go: an erasure gets through however long it
//! takes.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::ingest::attempts::remove_files;
use crate::ingest::{Limits, without_rows};
use crate::lake::{DataFile, Output, Table, WrittenFile};

/// What stands in the place of files, by their paths.
#[derive(Default)]
pub(super) struct Kept {
    target: Option<Target>,
    instead: BTreeMap<String, Instead>,
    /// Whether a version may have the files.
    may_stand: bool,
}

/// Where files are written.
struct Target {
    output: Output,
    _temporary: TempDir,
}

/// What is written in the place of a file without these rows.
struct Instead {
    file: DataFile,
    without: Vec<u32>,
    written: Vec<WrittenFile>,
}

impl Kept {
    /// Writes what is not there yet, and returns all files that stand in the place of those that hold rows that go.
    ///
    /// # Errors
    /// Storage errors, or a run stopped from outside.
    pub(super) async fn write(
        &mut self,
        table: &Table,
        held: &BTreeMap<String, (DataFile, Vec<u32>)>,
        limits: &Limits,
        leaf_budget: usize,
    ) -> Result<Vec<WrittenFile>> {
        let output = self.output(table)?;
        let serves = |path: &String, instead: &mut Instead| {
            held.get(path).is_some_and(|(file, without)| *file == instead.file && *without == instead.without)
        };
        let stale: Vec<Instead> =
            self.instead.extract_if(.., |path, instead| !serves(path, instead)).map(|(_, instead)| instead).collect();
        remove_files(&output, stale.into_iter().flat_map(|instead| instead.written).collect()).await?;
        for (path, (file, without)) in held {
            if self.instead.contains_key(path) {
                continue;
            }
            let holds = vec![(file.clone(), without.clone())];
            let written = without_rows(table, holds, limits, leaf_budget, output.clone()).await?;
            let instead = Instead { file: file.clone(), without: without.clone(), written };
            self.instead.insert(path.clone(), instead);
        }
        Ok(self.instead.values().flat_map(|instead| instead.written.iter().cloned()).collect())
    }

    /// Notes that a commit of the files begins, after whose failure they may be in a version, or that they are in none.
    pub(super) fn may_stand(&mut self, may_stand: bool) {
        self.may_stand = may_stand;
    }

    /// Removes the files that no version has.
    ///
    /// # Errors
    /// A thread that could not be had.
    pub(super) async fn discard(&mut self) -> Result<()> {
        let instead = std::mem::take(&mut self.instead);
        match &self.target {
            Some(target) if !self.may_stand => {
                remove_files(&target.output, instead.into_values().flat_map(|instead| instead.written).collect()).await
            }
            _ => Ok(()),
        }
    }

    fn output(&mut self, table: &Table) -> Result<Output> {
        if let Some(target) = &self.target {
            return Ok(target.output.clone());
        }
        let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
        let output = Output::of(table, temporary.path().to_owned());
        self.target = Some(Target { output: output.clone(), _temporary: temporary });
        Ok(output)
    }
}

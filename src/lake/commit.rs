//! Commits new and removed files as one version of the log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, DeletionVectorDescriptor, EagerSnapshot, LogicalFileView, Remove, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use serde_json::Value;

use super::claims::{CHECK_KEY, Claims, LIVE_KEY, LiveFiles};
use super::footer::{LEAVES_KEY, NAN_KEY};
use super::history::{LEDGER_KEY, TOKEN_KEY, UPKEEP_KEY};
use super::ids::IDS_KEY;
use super::layout::{self, Version};
use super::revert::Returning;
use super::said::Said;
use super::seal::{SEAL_KEY, Seal};
use super::snapshot::DataFile;
use super::store::NotDurable;
use super::table::{Table, delta_error};
use super::write::WrittenFile;
use crate::error::{Error, Result};

/// What a version is called in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Operation {
    /// Rows came, or took the place of others.
    #[default]
    Write,
    /// Files of earlier versions go, when this commit stands; retention in milliseconds.
    Vacuum(i64),
    /// The table is as it was at a version.
    Restore(Version),
    /// Rows went.
    Delete,
}

impl Operation {
    /// Returns the operation as deltalake names it. Conditions are left out: they may name persons.
    fn of_delta(self) -> DeltaOperation {
        match self {
            Self::Write => DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None },
            Self::Vacuum(retention_ms) => DeltaOperation::VacuumStart {
                retention_check_enabled: true,
                specified_retention_millis: Some(retention_ms),
                default_retention_millis: retention_ms,
            },
            Self::Restore(version) => DeltaOperation::Restore { version: Some(version), datetime: None },
            Self::Delete => DeltaOperation::Delete { predicate: None },
        }
    }
}

/// What one version changes.
#[derive(Debug, Default)]
pub struct Commit {
    /// New files, already on disk.
    pub added: Vec<WrittenFile>,
    /// Files of earlier versions that the table has again.
    pub returning: Vec<Returning>,
    /// Paths of files of the snapshot that the version no longer has.
    pub removed: Vec<(String, u64)>,
    /// Application transactions: names by which a later run knows that its work is done.
    pub transactions: Vec<String>,
    /// Whether the log may forget these names in time ([`layout::KNOWN_FOR`]), because they are kept elsewhere.
    pub forgets: bool,
    /// Application transactions with another version than the one that the commit makes.
    pub marks: Vec<(String, i64)>,
    /// What the version is called in the log.
    pub operation: Operation,
    /// The ledger of the ingest, kept with the version.
    pub ledger: Option<serde_json::Value>,
    /// Whether a checkpoint is written behind the version, due or not.
    pub writes_checkpoint: bool,
    /// Milliseconds since the Unix epoch that the new files carry as their modification time.
    pub modified_ms: i64,
    /// What an upkeep did, kept with the version, which history then names `OPTIMIZE`.
    pub upkeep: Option<serde_json::Value>,
    /// Properties of the table that are set, or taken away.
    pub properties: Vec<(String, Option<String>)>,
    /// Whether the new files have exactly the rows of those that are removed, so that readers of changes have nothing to do.
    pub same_rows: bool,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The version that holds the change.
    pub version: Version,
}

/// Names the columns of numbers of a file that have a NaN, as its tag in the log does.
fn nan(file: &WrittenFile) -> String {
    file.nan.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// What the log says of a file of ours beside its statistics.
fn tags(file: &WrittenFile) -> HashMap<String, Option<String>> {
    let (nan, seal) = (nan(file), file.seal.map(Seal::to_tag));
    let statistics = file.statistics.to_string();
    let claims = Claims {
        path: &file.path,
        size_bytes: file.size_bytes,
        statistics: &Said::of(&statistics),
        nan: Some(&nan),
        seal: seal.as_deref(),
    };
    let check = claims.check();
    let seal = seal.map(|seal| (SEAL_KEY.to_owned(), Some(seal)));
    let seal = seal.into_iter().chain(file.ids.map(|ids| (IDS_KEY.to_owned(), Some(ids.to_tag()))));
    let seal = seal.chain(file.leaves.map(|leaves| (LEAVES_KEY.to_owned(), Some(leaves.to_string()))));
    [(NAN_KEY.to_owned(), Some(nan)), (CHECK_KEY.to_owned(), Some(check))].into_iter().chain(seal).collect()
}

fn remove(path: &str, size_bytes: u64, modified_ms: i64) -> Remove {
    Remove {
        path: path.to_owned(),
        data_change: true,
        deletion_timestamp: Some(modified_ms),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(size_bytes as i64),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}

/// Names a column of other programs that a file has values in, or may have.
fn lost_column<'a>(file: &DataFile, foreign: &'a [String]) -> Option<&'a String> {
    // Files of ours have no column that the log could count.
    let has_none = |name: &&String| match file.columns.null_count(name) {
        Some(nulls) => file.rows == Some(nulls),
        None => file.is_ours,
    };
    foreign.iter().find(|name| !has_none(name))
}

/// Says whether all writers write a path into the log in one way.
fn is_plain(path: &str) -> bool {
    path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
}

impl Table {
    /// Refuses to take out files with values in columns of other programs: what is written of their rows has the columns of ours only.
    ///
    /// # Errors
    /// The column by its name, with what undoes it; storage errors.
    pub fn require_nothing_lost(&self, removed: &[(String, u64)]) -> Result<()> {
        let foreign = self.foreign_columns()?;
        if removed.is_empty() || foreign.is_empty() {
            return Ok(());
        }
        let snapshot = self.snapshot()?;
        let removed: HashSet<&str> = removed.iter().map(|(path, _)| path.as_str()).collect();
        for file in snapshot.files.iter().filter(|file| removed.contains(file.path.as_str())) {
            if let Some(name) = lost_column(file, &foreign) {
                let words = format!(
                    "another program gave the table the column {name:?}, and an update of sessions in this file would lose what it holds; \
                     nothing was changed; what undoes it: write_deltalake(…, mode=\"overwrite\", schema_mode=\"overwrite\") of Python's \
                     deltalake with all rows and without the column"
                );
                return Err(Error::storage(format!("{}: {}/{}", self.lake, self.name, file.path), words));
            }
        }
        Ok(())
    }

    /// Returns the data files of the loaded version whose rows can be written anew with nothing lost, and which a commit of ours can take out.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub fn rewritable(&self) -> Result<Vec<DataFile>> {
        let foreign = self.foreign_columns()?;
        let snapshot = self.snapshot()?;
        let is_free = |file: &&DataFile| lost_column(file, &foreign).is_none() && is_plain(&file.path);
        Ok(snapshot.files.iter().filter(is_free).cloned().collect())
    }

    /// Refuses to take out files whose names another writer escaped in another way than deltalake does: names are compared as they stand
    /// in the log, so that such a file would stay, and its rows would be there twice.
    fn require_removable(&self, commit: &Commit, state: &EagerSnapshot) -> Result<()> {
        let odd: Vec<_> = commit.removed.iter().filter(|(path, _)| !is_plain(path)).collect();
        if odd.is_empty() {
            return Ok(());
        }
        let state = DeltaTableState::new(state.clone());
        let batches = state.add_actions_batches(false).map_err(|e| delta_error(&self.lake, e))?;
        let mut logged = HashSet::new();
        for column in batches.iter().filter_map(|batch| batch.column_by_name("path")) {
            let texts = cast(column, &DataType::Utf8View)?;
            logged.extend(texts.as_string_view().iter().flatten().map(str::to_owned));
        }
        for (path, size_bytes) in odd {
            let written =
                serde_json::to_value(remove(path, *size_bytes, commit.modified_ms)).map_err(Error::internal)?;
            if !written.get("path").and_then(Value::as_str).is_some_and(|name| logged.contains(name)) {
                let words = "another program wrote the file's name into the log in a way that a commit of ours cannot take out again; \
                             nothing was changed; what undoes it: OPTIMIZE of the program that wrote it, which names files anew";
                return Err(Error::storage(path.clone(), words));
            }
        }
        Ok(())
    }

    /// Finds the deletion vectors of the files that a commit takes out, of which other programs have written some: in the log a file is known by its name
    /// and its vector together. What the log says of both is read once more, as deltalake has it; of files of ours all is known.
    ///
    /// # Errors
    /// As [`Self::require_removable`]; storage errors.
    async fn deletions(&self, commit: &Commit) -> Result<HashMap<String, DeletionVectorDescriptor>> {
        let removed: HashSet<&str> = commit.removed.iter().map(|(path, _)| path.as_str()).collect();
        let is_known = |file: &DataFile| file.deletion.is_none() && is_plain(&file.path);
        if self.files()?.all.iter().filter(|file| removed.contains(file.path.as_str())).all(is_known) {
            return Ok(HashMap::new());
        }
        let state = self.eager().await?;
        self.require_removable(commit, &state)?;
        let of_file = |view: LogicalFileView| {
            let vector = view.deletion_vector_descriptor()?;
            let path = view.path();
            removed.contains(path.as_ref()).then(|| (path.into_owned(), vector))
        };
        Ok(state.log_data().iter().filter_map(of_file).collect())
    }

    /// Returns which files the table will have after a commit on top of the loaded version.
    fn live_files_after(&self, commit: &Commit) -> Result<LiveFiles> {
        let removed: HashSet<&str> = commit.removed.iter().map(|(path, _)| path.as_str()).collect();
        let files = self.files()?;
        let mut live = files.live;
        for file in files.all.iter().filter(|file| removed.contains(file.path.as_str())) {
            live.remove(&file.path, file.size_bytes);
        }
        commit.added.iter().for_each(|file| live.add(&file.path, file.size_bytes));
        for Returning(add) in &commit.returning {
            live.add(&add.path, u64::try_from(add.size).unwrap_or_default());
        }
        Ok(live)
    }

    /// Commits on top of the loaded version, and moves to the new one where it can be read back.
    ///
    /// Nothing is tried again here: the change was computed from the loaded version, so if the table moved on it is wrong, be
    /// it by our own hand or another engine's. The caller refreshes, computes the change anew and comes back.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] where another writer was faster; a table that we do not write ([`Table::require_writable`]); storage errors.
    pub async fn commit(&mut self, commit: Commit) -> Result<CommitOutcome> {
        self.require_writable()?;
        self.require_nothing_lost(&commit.removed)?;
        let deletions = self.deletions(&commit).await?;
        if let Some(remote) = &self.remote {
            remote.require_creates().await?;
        }
        let mut actions = Vec::with_capacity(commit.added.len() + commit.removed.len());
        for file in &commit.added {
            actions.push(Action::Add(Add {
                path: file.path.clone(),
                partition_values: HashMap::new(),
                size: file.size_bytes as i64,
                modification_time: commit.modified_ms,
                data_change: !commit.same_rows,
                stats: Some(file.statistics.to_string()),
                tags: Some(tags(file)),
                deletion_vector: None,
                base_row_id: None,
                default_row_commit_version: None,
                clustering_provider: None,
            }));
        }
        actions.extend(commit.returning.iter().map(|Returning(add)| Action::Add(add.clone())));
        for (path, size_bytes) in &commit.removed {
            let deletion_vector = deletions.get(path).cloned();
            let removed = remove(path, *size_bytes, commit.modified_ms);
            actions.push(Action::Remove(Remove { deletion_vector, data_change: !commit.same_rows, ..removed }));
        }
        if !commit.properties.is_empty() {
            actions.push(self.with_properties(&commit.properties)?);
        }
        let base = self.version();
        let next = base as i64 + 1;
        let named_at = commit.forgets.then_some(commit.modified_ms);
        let mut transactions: Vec<_> =
            commit.transactions.iter().map(|name| Transaction::new_with_last_update(name, next, named_at)).collect();
        transactions.extend(commit.marks.iter().map(|(name, version)| Transaction::new(name, *version)));
        transactions.push(self.next_rewrite());
        let token = uuid::Uuid::new_v4().to_string();
        let mut metadata = vec![(TOKEN_KEY.to_owned(), serde_json::Value::from(token.as_str()))];
        let live = self.live_files_after(&commit)?.to_text();
        metadata.push((LIVE_KEY.to_owned(), serde_json::Value::from(live)));
        let operation = match &commit.upkeep {
            Some(_) => {
                let largest = commit.added.iter().map(|file| file.size_bytes).max().unwrap_or_default();
                DeltaOperation::Optimize { predicate: None, target_size: largest as i64 }
            }
            None if !commit.properties.is_empty() => {
                let set =
                    commit.properties.iter().map(|(name, value)| (name.clone(), value.clone().unwrap_or_default()));
                DeltaOperation::SetTableProperties { properties: set.collect() }
            }
            None => commit.operation.of_delta(),
        };
        metadata.extend(commit.ledger.map(|ledger| (LEDGER_KEY.to_owned(), ledger)));
        metadata.extend(commit.upkeep.map(|upkeep| (UPKEEP_KEY.to_owned(), upkeep)));
        let properties =
            CommitProperties::default().with_application_transactions(transactions).with_metadata(metadata);
        let version = base + 1;
        let version = match self.write_entry(version, properties, actions, operation).await {
            Ok(()) => version,
            // An answer may be lost after the deed, and a store that tries again by itself then meets its own file.
            Err(error) => match self.version_of_commit(&token, base).await? {
                Some(version) if NotDurable::is_behind(&error) => {
                    let words = format!(
                        "version {version} is in the log, but the disk may not keep it ({error}); check the disk and its file system, \
                         then run the same again: nothing is taken in twice"
                    );
                    return Err(Error::storage(format!("{}: {}", self.lake, self.name), words));
                }
                Some(version) => version,
                None => return Err(self.not_committed(version, error)),
            },
        };
        commit.added.iter().filter_map(|file| file.writing.as_ref()).for_each(|writing| writing.settle());
        // The version stands whether or not its files can be listed just now.
        match self.refresh().await {
            Ok(()) => self.checkpoint_if_due(version, commit.writes_checkpoint).await,
            Err(error) => tracing::warn!(table = self.name, version, %error, "the new version could not be read back"),
        }
        Ok(CommitOutcome { version })
    }

    /// Says why a version was not committed.
    fn not_committed(&self, version: Version, error: DeltaTableError) -> Error {
        match error {
            DeltaTableError::ObjectStore { source } => {
                let entry = format!("{}: {}/_delta_log/{version:020}.json", self.lake, self.name);
                Error::storage(format!("{entry} cannot be written"), source)
            }
            error => delta_error(&self.lake, error),
        }
    }

    fn next_rewrite(&self) -> Transaction {
        // One name for all commits of ours that may remove files: a second one from the same snapshot is then a conflict
        // that deltalake sees, although it overlooks two compactions of the same files.
        Transaction::new("sessionlake:rewrite", self.version() as i64 + 1)
    }

    /// Writes a version's entry of the log, where there is none.
    ///
    /// deltalake makes its text and names its place. What else its commits do is left out: they hold all of the log for it, look for conflicts that could be
    /// solved, and refuse whatever features the protocol lists, in use or not, so that a table could never be written again after another program
    /// added a constraint and dropped it. A commit of ours was computed from the version below, and what is in use is for
    /// [`Self::require_writable`] to refuse.
    async fn write_entry(
        &self,
        version: Version,
        properties: CommitProperties,
        actions: Vec<Action>,
        operation: DeltaOperation,
    ) -> std::result::Result<(), DeltaTableError> {
        let (log, id) = (self.delta.log_store(), uuid::Uuid::new_v4());
        let entry = CommitBuilder::from(properties).with_actions(actions).with_operation_id(id);
        let entry = entry.build(None, Arc::clone(&log), operation).into_prepared_commit_future().await?;
        Ok(log.write_commit_entry(version, entry.commit_or_bytes().clone(), id).await?)
    }

    /// Writes a checkpoint where the interval says so. One that fails is missed by nobody: the log is whole without it.
    async fn checkpoint_if_due(&self, version: Version, is_due: bool) {
        // A damaged one is replaced at once: other engines may not be able to read without it.
        if !is_due && !(version + 1).is_multiple_of(layout::CHECKPOINT_INTERVAL) && self.hidden.is_empty() {
            return;
        }
        let written = match self.log() {
            Ok(log) => log.write_checkpoint().await.map_err(|e| delta_error(&self.lake, e)),
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => self.thin_checkpoints(version).await,
            Err(error) => tracing::warn!(table = self.name, version, %error, "no checkpoint was written"),
        }
    }
}

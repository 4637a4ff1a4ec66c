//! Commits new and removed files as one version of the log.

use std::collections::HashMap;

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, Remove, Transaction};
use deltalake::protocol::checkpoints::create_checkpoint;
use deltalake::protocol::{DeltaOperation, SaveMode};

use super::history::{LEDGER_KEY, TOKEN_KEY};
use super::layout;
use super::table::{Table, Version, delta_error};
use super::write::WrittenFile;
use crate::error::Result;

/// What one version changes.
#[derive(Debug, Default)]
pub struct Commit {
    /// New files, already on disk.
    pub added: Vec<WrittenFile>,
    /// Paths of files of the snapshot that the version no longer has.
    pub removed: Vec<(String, u64)>,
    /// Application transactions: names by which a later run knows that its work is done.
    pub transactions: Vec<String>,
    /// The ledger of the ingest, kept with the version.
    pub ledger: Option<serde_json::Value>,
    /// Milliseconds since the Unix epoch that the new files carry as their modification time.
    pub modified_ms: i64,
}

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitOutcome {
    /// The version that holds the change.
    pub version: Version,
}

impl Table {
    /// Commits on top of the loaded version, and moves to the new one where it can be read back.
    ///
    /// Nothing is tried again here: the change was computed from the loaded version, so if the table moved on it is wrong, be
    /// it by our own hand or another engine's. The caller refreshes, computes the change anew and comes back.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] where another writer was faster; a table that we do not write ([`Table::require_writable`]); storage errors.
    pub async fn commit(&mut self, commit: Commit) -> Result<CommitOutcome> {
        self.require_writable()?;
        let mut actions = Vec::with_capacity(commit.added.len() + commit.removed.len());
        for file in &commit.added {
            actions.push(Action::Add(Add {
                path: file.path.clone(),
                partition_values: HashMap::new(),
                size: file.size_bytes as i64,
                modification_time: commit.modified_ms,
                data_change: true,
                stats: Some(file.statistics.to_string()),
                tags: None,
                deletion_vector: None,
                base_row_id: None,
                default_row_commit_version: None,
                clustering_provider: None,
            }));
        }
        for (path, size_bytes) in &commit.removed {
            actions.push(Action::Remove(Remove {
                path: path.clone(),
                data_change: true,
                deletion_timestamp: Some(commit.modified_ms),
                extended_file_metadata: Some(true),
                partition_values: Some(HashMap::new()),
                size: Some(*size_bytes as i64),
                tags: None,
                deletion_vector: None,
                base_row_id: None,
                default_row_commit_version: None,
            }));
        }
        let base = self.version();
        let next = base as i64 + 1;
        let mut transactions: Vec<_> = commit.transactions.iter().map(|name| Transaction::new(name, next)).collect();
        transactions.push(self.next_rewrite());
        let token = uuid::Uuid::new_v4().to_string();
        let mut metadata = vec![(TOKEN_KEY.to_owned(), serde_json::Value::from(token.as_str()))];
        metadata.extend(commit.ledger.map(|ledger| (LEDGER_KEY.to_owned(), ledger)));
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            .with_max_retries(0)
            // Not in the commit's own hook, where a failure would be told as one of the commit.
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false))
            .with_metadata(metadata);
        let context = self.lake.clone();
        let state = self.delta.snapshot().map_err(|e| delta_error(&context, e))?.snapshot().clone();
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        let outcome = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(&state), self.delta.log_store(), operation)
            .await;
        let version = match outcome {
            Ok(finalized) => finalized.version(),
            // An answer may be lost after the deed, and a store that tries again by itself then meets its own file.
            Err(error) => match self.version_of_commit(&token, base).await? {
                Some(version) => version,
                None => return Err(delta_error(&context, error)),
            },
        };
        // The version stands whether or not its files can be listed just now.
        match self.refresh().await {
            Ok(()) => self.checkpoint_if_due(version).await,
            Err(error) => tracing::warn!(table = self.name, version, %error, "the new version could not be read back"),
        }
        Ok(CommitOutcome { version })
    }

    /// Writes a checkpoint where the interval says so. One that fails is missed by nobody: the log is whole without it.
    async fn checkpoint_if_due(&self, version: Version) {
        // A damaged one is replaced at once: other engines may not be able to read without it.
        if !(version + 1).is_multiple_of(layout::CHECKPOINT_INTERVAL) && self.hidden.is_empty() {
            return;
        }
        if let Err(error) = create_checkpoint(&self.delta, None).await {
            tracing::warn!(table = self.name, version, %error, "no checkpoint was written");
        }
    }
}

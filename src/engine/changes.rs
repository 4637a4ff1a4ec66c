//! `session_changes(id)` and `session_changes()` as a table: the states that a session, or all of them, went through from one kept version of the lake to the
//! next.
//!
//! Versions are read one after the other, of each only the files that the one before it did not have. A row comes out where the content of a session is not that
//! of the version before. Memory holds a hash of each session that is asked for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt32Array,
    new_null_array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, stream};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{self, Error};
use crate::lake::contents::content_hashes;
use crate::lake::read::read_rows;
use crate::lake::{DataFile, HistoryEntry, Table, Version};
use crate::schema::{self, COLUMNS, timestamp_type};

/// The name of the function.
pub(super) const SESSION_CHANGES: &str = "session_changes";

/// The function, over the sessions of a lake, or over none.
#[derive(Debug)]
pub(super) struct SessionChanges {
    pub(super) sessions: Option<Table>,
}

impl TableFunctionImpl for SessionChanges {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let only = match args.exprs() {
            [] => None,
            [Expr::Literal(value, _)] if value.try_as_str().is_some() => {
                Some(value.try_as_str().flatten().unwrap_or_default().to_owned())
            }
            _ => return plan_err!("{SESSION_CHANGES} takes a session id as text, or nothing for all sessions"),
        };
        let rows = Changes { schema: changes_schema(), sessions: self.sessions.clone(), only };
        Ok(Arc::new(StreamingTable::try_new(Arc::clone(&rows.schema), vec![Arc::new(rows)])?))
    }
}

/// The columns: which version, what happened, and the session's columns as they were from then on.
fn changes_schema() -> SchemaRef {
    let ours = [
        Field::new("version", DataType::Int64, true),
        Field::new("committed_at", timestamp_type(), true),
        Field::new("change", DataType::Utf8View, true),
    ];
    let documented = COLUMNS.iter().map(|column| Field::new(column.name, column.kind.arrow_type(), true));
    Arc::new(Schema::new(ours.into_iter().chain(documented).collect::<Vec<_>>()))
}

/// The rows of a call.
#[derive(Debug)]
struct Changes {
    schema: SchemaRef,
    sessions: Option<Table>,
    only: Option<String>,
}

impl PartitionStream for Changes {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let walk = Walk {
            schema: Arc::clone(&self.schema),
            sessions: self.sessions.clone(),
            only: self.only.clone(),
            versions: None,
            files: Vec::new(),
            contents: HashMap::new(),
            batches: VecDeque::new(),
            new: New::default(),
        };
        let batches = stream::try_unfold(walk, |mut walk| async move {
            let batch = walk.next().await.map_err(|error| DataFusionError::External(Box::new(error)))?;
            Ok(batch.map(|batch| (batch, walk)))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

/// A walk through the versions, the oldest first.
struct Walk {
    schema: SchemaRef,
    sessions: Option<Table>,
    only: Option<String>,
    /// The versions to come, once they are known.
    versions: Option<VecDeque<HistoryEntry>>,
    /// The files of the version before.
    files: Vec<DataFile>,
    /// The content of each session in the version before, by the hash of its id.
    contents: HashMap<u128, i64>,
    batches: VecDeque<RecordBatch>,
    /// What the files say that the version has and the one before has not.
    new: New,
}

/// What new files of a version say. It counts when all of them were read: one that is gone tells nothing of the version.
#[derive(Default)]
struct New {
    contents: HashMap<u128, i64>,
    batches: Vec<RecordBatch>,
}

/// A version, as its rows have it.
struct At {
    version: Version,
    committed_us: Option<i64>,
}

impl Walk {
    async fn next(&mut self) -> error::Result<Option<RecordBatch>> {
        let Some(sessions) = self.sessions.clone() else { return Ok(None) };
        if self.versions.is_none() {
            self.versions = Some(sessions.history().await?.into());
        }
        loop {
            if let Some(batch) = self.batches.pop_front() {
                return Ok(Some(batch));
            }
            let Some(entry) = self.versions.as_mut().and_then(VecDeque::pop_front) else { return Ok(None) };
            self.take_version(&sessions, &entry).await?;
        }
    }

    async fn take_version(&mut self, sessions: &Table, entry: &HistoryEntry) -> error::Result<()> {
        let mut table = sessions.clone();
        match table.travel_to_version(entry.version).await {
            Ok(()) => {}
            // A version of which files are gone tells nothing.
            Err(Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let files: Vec<DataFile> = table.snapshot()?.files.to_vec();
        let committed_us = entry.committed_at.map(|instant| instant.timestamp_micros());
        let at = At { version: entry.version, committed_us };
        let known: HashSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        let is_known = |file: &DataFile| known.contains(file.path.as_str()) && self.files.contains(file);
        let new: Vec<DataFile> = files.iter().filter(|file| !is_known(file)).cloned().collect();
        self.new = New::default();
        for file in &new {
            match self.take_file(&table, file, &at).await {
                // Another program's vacuum says in no commit which versions it takes files from.
                Err(error) if error.is_of_missing_file() && entry.version < sessions.version() => return Ok(()),
                taken => taken?,
            }
        }
        let New { contents, batches } = std::mem::take(&mut self.new);
        self.batches.extend(batches);
        let gone: Vec<DataFile> = self.files.iter().filter(|file| !files.contains(file)).cloned().collect();
        for file in &gone {
            self.take_gone(&table, file, &at, &contents).await?;
        }
        self.contents.extend(contents);
        self.files = files;
        Ok(())
    }

    /// Takes the rows of a file that the version before did not have.
    async fn take_file(&mut self, table: &Table, file: &DataFile, at: &At) -> error::Result<()> {
        if self.only.is_some() && !self.has_only(table, file).await? {
            return Ok(());
        }
        let mut rows = read_rows(table.store(), file, schema::stored_schema(), &[]).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            let column =
                |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")));
            let (ids, hashes) = (column("session_id")?.as_string_view(), content_hashes(&batch)?);
            let (mut picked, mut changes) = (Vec::new(), Vec::new());
            for (row, id) in ids.iter().enumerate() {
                let Some(id) = id.filter(|id| self.only.as_ref().is_none_or(|only| only == id)) else { continue };
                let (session, content) = (xxh3_128(id.as_bytes()), hashes.value(row));
                let known = self.new.contents.insert(session, content);
                match known.or_else(|| self.contents.get(&session).copied()) {
                    Some(known) if known == content => continue,
                    Some(_) => changes.push("changed"),
                    None => changes.push("came"),
                }
                picked.push(row as u32);
            }
            if picked.is_empty() {
                continue;
            }
            let picked = UInt32Array::from(picked);
            let documented = COLUMNS.iter().map(|known| Ok(take(column(known.name)?, &picked, None)?));
            let documented = documented.collect::<error::Result<Vec<ArrayRef>>>()?;
            let batch = self.rows(at, StringViewArray::from_iter_values(changes), documented)?;
            self.new.batches.push(batch);
        }
        Ok(())
    }

    /// Takes the sessions of a file that the version does not have any more, if no new file has them.
    async fn take_gone(
        &mut self,
        table: &Table,
        file: &DataFile,
        at: &At,
        present: &HashMap<u128, i64>,
    ) -> error::Result<()> {
        let mut rows = read_rows(table.store(), file, ids_schema()?, &[]).await?;
        let mut ids = Vec::new();
        while let Some(batch) = rows.next().await {
            for id in batch?.column(0).as_string_view().iter().flatten() {
                let is_asked = self.only.as_ref().is_none_or(|only| only == id);
                let session = xxh3_128(id.as_bytes());
                if is_asked && !present.contains_key(&session) && self.contents.remove(&session).is_some() {
                    ids.push(id.to_owned());
                }
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let count = ids.len();
        let ids: ArrayRef = Arc::new(StringViewArray::from_iter_values(ids));
        let documented = COLUMNS.iter().map(|known| match known.name {
            "session_id" => Arc::clone(&ids),
            _ => new_null_array(&known.kind.arrow_type(), count),
        });
        let batch = self.rows(at, StringViewArray::from_iter_values(vec!["went"; count]), documented.collect())?;
        self.batches.push_back(batch);
        Ok(())
    }

    /// Says whether a file has the session that is asked for.
    async fn has_only(&self, table: &Table, file: &DataFile) -> error::Result<bool> {
        let mut rows = read_rows(table.store(), file, ids_schema()?, &[]).await?;
        while let Some(batch) = rows.next().await {
            if batch?.column(0).as_string_view().iter().flatten().any(|id| self.only.as_deref() == Some(id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn rows(&self, at: &At, changes: StringViewArray, documented: Vec<ArrayRef>) -> error::Result<RecordBatch> {
        let rows = changes.len();
        let version = i64::try_from(at.version).unwrap_or(i64::MAX);
        let instants: TimestampMicrosecondArray = vec![at.committed_us; rows].into();
        let ours: [ArrayRef; 3] = [
            Arc::new(Int64Array::from_value(version, rows)),
            Arc::new(instants.with_timezone("UTC")),
            Arc::new(changes),
        ];
        let columns = ours.into_iter().chain(documented).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

fn ids_schema() -> error::Result<SchemaRef> {
    Ok(Arc::new(Schema::new(vec![schema::stored_schema().field_with_name("session_id")?.clone()])))
}

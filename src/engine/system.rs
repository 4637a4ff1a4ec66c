//! Tables about the lake itself, read when they are asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::json_paths;
use crate::lake::{Counts, DataFile, HistoryEntry, Snapshot, Table, read_footers};
use crate::schema::timestamp_type;

/// Which table about the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemTable {
    /// Versions with their ledgers.
    History,
    /// Data files with rows, bytes and time range.
    Files,
    /// JSON paths that the data files hold.
    JsonPaths,
}

impl SystemTable {
    /// Returns the columns.
    pub fn schema(self) -> SchemaRef {
        let integer = |name: &str| Field::new(name, DataType::Int64, true);
        let text = |name: &str| Field::new(name, DataType::Utf8View, true);
        let truth = |name: &str| Field::new(name, DataType::Boolean, true);
        let instant = |name: &str| Field::new(name, timestamp_type(), true);
        Arc::new(Schema::new(match self {
            Self::History => vec![
                integer("version"),
                instant("committed_at"),
                text("operation"),
                integer("rows_read"),
                integer("inserted"),
                integer("updated"),
                integer("unchanged"),
                integer("superseded"),
                integer("duplicate"),
                integer("quarantined"),
                text("ledger"),
                text("upkeep"),
            ],
            Self::Files => vec![
                text("path"),
                text("liveness"),
                integer("rows"),
                integer("bytes"),
                instant("first_started_at"),
                instant("last_started_at"),
                integer("running"),
                integer("overlap"),
                integer("leaf_columns"),
                truth("tells_ids"),
                truth("is_ours"),
            ],
            Self::JsonPaths => vec![
                text("json_column"),
                text("json_path"),
                text("types"),
                integer("sessions"),
                integer("files"),
                integer("leaf_files"),
                integer("leaf_bytes"),
                integer("pool_files"),
                integer("text_files"),
                text("text_reason"),
            ],
        }))
    }
}

/// A table about the lake, at the version that the session sees.
#[derive(Debug)]
pub struct System {
    kind: SystemTable,
    table: Option<Table>,
    snapshot: Option<Snapshot>,
}

impl System {
    /// Makes the table; without a lake it is empty.
    pub fn new(kind: SystemTable, table: Option<Table>, snapshot: Option<Snapshot>) -> Self {
        Self { kind, table, snapshot }
    }

    async fn load(&self) -> Result<Option<RecordBatch>> {
        let columns = match (self.kind, &self.table, &self.snapshot) {
            (SystemTable::History, Some(table), _) => history_columns(&table.history().await?),
            (SystemTable::Files, _, Some(snapshot)) => file_columns(snapshot),
            (SystemTable::JsonPaths, Some(table), Some(snapshot)) => {
                json_paths::columns(&read_footers(&table.store(), &snapshot.files).await?)
            }
            _ => return Ok(None),
        };
        Ok(Some(RecordBatch::try_new(self.kind.schema(), columns)?))
    }
}

fn history_columns(history: &[HistoryEntry]) -> Vec<ArrayRef> {
    let counts: Vec<Option<Counts>> =
        history.iter().map(|entry| serde_json::from_value(entry.ledger.as_ref()?.get("total")?.clone()).ok()).collect();
    let count = |of: fn(&Counts) -> u64| -> ArrayRef {
        Arc::new(counts.iter().map(|c| c.as_ref().map(|c| of(c) as i64)).collect::<Int64Array>())
    };
    let committed: TimestampMicrosecondArray =
        history.iter().map(|entry| entry.committed_at.map(|t| t.timestamp_micros())).collect();
    vec![
        Arc::new(history.iter().map(|entry| Some(entry.version as i64)).collect::<Int64Array>()),
        Arc::new(committed.with_timezone("UTC")),
        Arc::new(StringViewArray::from_iter_values(history.iter().map(|entry| &entry.operation))),
        count(|c| c.rows_read),
        count(|c| c.inserted),
        count(|c| c.updated),
        count(|c| c.unchanged),
        count(|c| c.superseded),
        count(|c| c.duplicate),
        count(|c| c.quarantined),
        Arc::new(history.iter().map(|e| e.ledger.as_ref().map(ToString::to_string)).collect::<StringViewArray>()),
        Arc::new(history.iter().map(|e| e.upkeep.as_ref().map(ToString::to_string)).collect::<StringViewArray>()),
    ]
}

/// Counts for each file how many others of its liveness share time with it; `None` where a file's starts are not known.
fn overlaps(files: &[DataFile]) -> Vec<Option<u64>> {
    let instant = |value: &Option<ScalarValue>| match value {
        Some(ScalarValue::TimestampMicrosecond(instant, _)) => *instant,
        _ => None,
    };
    let span = |file: &DataFile| {
        let column = file.columns.get("started_at")?;
        Some((instant(&column.minimum)?, instant(&column.maximum)?))
    };
    let mut counts = vec![None; files.len()];
    for active in [true, false] {
        let of_liveness = || files.iter().enumerate().filter(move |(_, file)| file.is_active() == active);
        let mut firsts: Vec<i64> = of_liveness().filter_map(|(_, file)| span(file)).map(|span| span.0).collect();
        let mut lasts: Vec<i64> = of_liveness().filter_map(|(_, file)| span(file)).map(|span| span.1).collect();
        firsts.sort_unstable();
        lasts.sort_unstable();
        for (index, file) in of_liveness() {
            let Some((first, last)) = span(file) else { continue };
            // All but those that begin after its end or end before its begin, and itself.
            let begun = firsts.partition_point(|other| *other <= last);
            let over = lasts.partition_point(|other| *other < first);
            if let Some(count) = counts.get_mut(index) {
                *count = Some((begun - over).saturating_sub(1) as u64);
            }
        }
    }
    counts
}

fn file_columns(snapshot: &Snapshot) -> Vec<ArrayRef> {
    let files = &snapshot.files;
    let bound = |maximum: bool| -> ArrayRef {
        let instants: TimestampMicrosecondArray = files
            .iter()
            .map(|file| {
                let column = file.columns.get("started_at")?;
                match if maximum { &column.maximum } else { &column.minimum } {
                    Some(ScalarValue::TimestampMicrosecond(instant, _)) => *instant,
                    _ => None,
                }
            })
            .collect();
        Arc::new(instants.with_timezone("UTC"))
    };
    let running = files.iter().map(|file| file.columns.null_count("ended_at").map(|n| n as i64));
    vec![
        Arc::new(StringViewArray::from_iter_values(files.iter().map(|file| &file.path))),
        Arc::new(StringViewArray::from_iter_values(
            files.iter().map(|file| if file.is_active() { "active" } else { "ended" }),
        )),
        Arc::new(files.iter().map(|file| file.rows.map(|n| n as i64)).collect::<Int64Array>()),
        Arc::new(files.iter().map(|file| Some(file.size_bytes as i64)).collect::<Int64Array>()),
        bound(false),
        bound(true),
        Arc::new(running.collect::<Int64Array>()),
        Arc::new(overlaps(files).into_iter().map(|n| n.map(|n| n as i64)).collect::<Int64Array>()),
        Arc::new(files.iter().map(|file| file.leaves.map(|n| n as i64)).collect::<Int64Array>()),
        Arc::new(files.iter().map(|file| Some(file.ids.is_some())).collect::<BooleanArray>()),
        Arc::new(files.iter().map(|file| Some(file.is_ours)).collect::<BooleanArray>()),
    ]
}

#[async_trait]
impl TableProvider for System {
    fn schema(&self) -> SchemaRef {
        self.kind.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batches = self.load().await?.into_iter().collect();
        MemTable::try_new(self.schema(), vec![batches])?.scan(state, projection, filters, limit).await
    }
}

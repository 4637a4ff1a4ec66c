//! Compares one data file with what the log says of it, and with itself.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_string_view, min, min_string_view};
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use futures::StreamExt;
use object_store::ObjectStoreExt;

use super::FaultKind;
use crate::error::{Error, Result};
use crate::ingest::{KeyColumns, KeyStore, Limits, RowPlace, content_hashes};
use crate::lake::read::read_rows;
use crate::lake::{DataFile, Table, layout, table_schema};
use crate::schema::{COLUMNS, CONTENT_HASH, EXTRA, Kind};

/// Bytes that are read at once to be compared with their checksums.
const CHUNK_BYTES: u64 = 8 << 20;
/// Faults of one kind in one file that are told one by one.
const TOLD_ROWS: u64 = 3;

/// What checking a file needs.
pub(super) struct Check {
    pub(super) table: Table,
    /// The file's place in the snapshot.
    pub(super) index: u32,
    pub(super) deep: bool,
    pub(super) keys: Arc<Mutex<KeyStore>>,
    pub(super) limits: Limits,
}

/// What was found in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Whether the file's bytes have checksums.
    pub(super) is_sealed: bool,
    pub(super) faults: Vec<(String, FaultKind, String)>,
}

impl Check {
    /// Checks a file.
    ///
    /// # Errors
    /// A run stopped from outside; temporary space that runs out. What is wrong with the file is no error.
    pub(super) async fn file(&self, file: &DataFile) -> Result<Found> {
        let mut found = Found { bytes: file.size_bytes, is_sealed: self.table.has_seal(file), ..Found::default() };
        let mut fault = |kind, what: String| found.faults.push((file.path.clone(), kind, what));
        if file.path.contains("://") || file.path.starts_with('/') || file.path.split('/').any(|part| part == "..") {
            fault(FaultKind::Outside, "the file is not in the folder of its table".to_owned());
            return Ok(found);
        }
        match self.table.store().head(&file.location()).await {
            Err(object_store::Error::NotFound { .. }) => {
                fault(FaultKind::Missing, "the file is not there; put it back from a copy of the lake".to_owned());
                return Ok(found);
            }
            Err(error) => {
                fault(FaultKind::Damaged, error.to_string());
                return Ok(found);
            }
            Ok(meta) if meta.size != file.size_bytes => {
                let words = format!("the file has {} bytes where the log says {}", meta.size, file.size_bytes);
                fault(FaultKind::Size, format!("{words}; put it back from a copy of the lake"));
                return Ok(found);
            }
            Ok(_) => {}
        }
        if file.is_doubted {
            let words = "what the log says of the file is not what was written when it was added";
            fault(FaultKind::Statistics, words.to_owned());
        }
        if self.deep
            && found.is_sealed
            && let Err(error) = self.read_bytes(file).await
        {
            fault(FaultKind::Damaged, told(error, &self.table, file)?);
            return Ok(found);
        }
        match self.read_rows(file, &mut found).await {
            Ok(()) => {}
            Err(error) => {
                let what = told(error, &self.table, file)?;
                found.faults.push((file.path.clone(), FaultKind::Damaged, what));
            }
        }
        Ok(found)
    }

    /// Reads all bytes, which compares them with their checksums.
    async fn read_bytes(&self, file: &DataFile) -> Result<()> {
        let (store, path) = (self.table.store(), file.location());
        let mut start = 0;
        while start < file.size_bytes {
            self.limits.check()?;
            let range: Range<u64> = start..(start + CHUNK_BYTES).min(file.size_bytes);
            start = range.end;
            store.get_range(&path, range).await.map_err(|e| Error::storage(file.path.clone(), e))?;
        }
        Ok(())
    }

    async fn read_rows(&self, file: &DataFile, found: &mut Found) -> Result<()> {
        let is_sessions = self.table.name == layout::SESSIONS;
        let schema = if self.deep { table_schema(self.table.name) } else { values_schema(self.table.name) };
        let mut rows = read_rows(self.table.store(), file, Arc::clone(&schema), &[]).await?;
        let mut sums: Vec<Sum> = schema.fields().iter().map(|_| Sum::default()).collect();
        let (mut last_start, mut wrong_hashes, mut without_values) = (None, Counted::default(), Counted::default());
        let mut is_ordered = true;
        while let Some(batch) = rows.next().await {
            self.limits.check()?;
            let batch = batch?;
            for (column, sum) in batch.columns().iter().zip(&mut sums) {
                sum.add(column)?;
            }
            if is_sessions {
                is_ordered &= follows(&batch, &mut last_start)?;
                self.take_keys(&batch, found.rows)?;
                let lacks = ["session_id", "started_at"].map(|name| batch.column_by_name(name));
                for row in 0..batch.num_rows() {
                    if lacks.iter().flatten().any(|column| column.is_null(row)) {
                        without_values.add(found.rows + row as u64);
                    }
                }
            }
            if is_sessions && self.deep {
                let hashes = content_hashes(&batch)?;
                let stored =
                    batch.column_by_name(CONTENT_HASH).map(|column| column.as_primitive::<Int64Type>().clone());
                let stored = stored.ok_or_else(|| Error::internal("no content hash"))?;
                for row in 0..batch.num_rows() {
                    if stored.is_null(row) || stored.value(row) != hashes.value(row) {
                        wrong_hashes.add(found.rows + row as u64);
                    }
                }
            }
            found.rows += batch.num_rows() as u64;
        }
        let mut fault = |kind, what: String| found.faults.push((file.path.clone(), kind, what));
        if let Some(rows) = file.rows.filter(|rows| *rows != found.rows) {
            fault(FaultKind::Rows, format!("the file has {} rows where the log says {rows}", found.rows));
        }
        for (field, sum) in schema.fields().iter().zip(&sums) {
            if let Some(what) = sum.contradicts(file, field.name()) {
                fault(FaultKind::Statistics, format!("column {:?}: {what}", field.name()));
            }
        }
        // Other programs order rows as they like.
        if !is_ordered && file.is_ours && self.table.has_seal(file) {
            fault(FaultKind::Order, "its pages are not in the order of started_at".to_owned());
        }
        if let Some(rows) = without_values.told() {
            fault(FaultKind::Value, format!("no session id or start in {rows}"));
        }
        if let Some(rows) = wrong_hashes.told() {
            fault(FaultKind::ContentHash, format!("the content hash is not that of the columns in {rows}"));
        }
        Ok(())
    }

    fn take_keys(&self, batch: &RecordBatch, first: u64) -> Result<()> {
        let content = batch.column_by_name(CONTENT_HASH).map(|column| column.as_primitive::<Int64Type>().clone());
        let content = content.ok_or_else(|| Error::internal("no content hash"))?;
        let columns = KeyColumns::of(batch, &content)?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for row in 0..batch.num_rows() {
            let number = u32::try_from(first + row as u64).unwrap_or(u32::MAX);
            keys.push(columns.key(row, RowPlace::Stored { file: self.index, row: number }))?;
        }
        let spilled = keys.spilled_bytes();
        match spilled > self.limits.spill_bytes {
            true => Err(Error::Limit {
                message: format!("temporary files take {spilled} bytes, more than ⟨spill-limit⟩ allows"),
                hint: Some("raise ⟨spill-limit⟩".to_owned()),
            }),
            false => Ok(()),
        }
    }
}

/// Says of an error what is wrong with a file, and hands on what is not the file's.
pub(super) fn told(error: Error, table: &Table, file: &DataFile) -> Result<String> {
    match error {
        Error::Storage { message, .. } => Ok(message),
        Error::Cancelled | Error::Limit { .. } | Error::Internal(_) => Err(error),
        // What Arrow and DataFusion say of pages that contradict each other.
        error => Ok(format!("{}/{}: {error}", table.name, file.path)),
    }
}

/// The columns of a table without its large texts.
fn values_schema(table: &str) -> SchemaRef {
    let schema = table_schema(table);
    let is_large = |name: &str| {
        name == EXTRA
            || matches!(name, "raw" | "raw_bytes" | "context")
            || COLUMNS.iter().any(|column| column.name == name && column.kind == Kind::Json)
    };
    Arc::new(Schema::new(schema.fields().iter().filter(|field| !is_large(field.name())).cloned().collect::<Vec<_>>()))
}

/// Says whether a page starts where the page before it ended or later.
fn follows(batch: &RecordBatch, last: &mut Option<i64>) -> Result<bool> {
    let starts = batch.column_by_name("started_at").ok_or_else(|| Error::internal("no started_at"))?;
    let starts = starts.as_primitive::<TimestampMicrosecondType>();
    let follows = last.is_none_or(|last| min(starts).is_none_or(|first| first >= last));
    *last = max(starts).max(*last);
    Ok(follows)
}

/// Rows that are counted, of which some are named.
#[derive(Debug, Default)]
struct Counted {
    count: u64,
    rows: Vec<u64>,
}

impl Counted {
    fn add(&mut self, row: u64) {
        self.count += 1;
        if self.count <= TOLD_ROWS {
            self.rows.push(row);
        }
    }

    /// Names the rows, from 0.
    fn told(&self) -> Option<String> {
        let named = self.rows.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        match self.count {
            0 => None,
            1 => Some(format!("row {named}")),
            count if count <= TOLD_ROWS => Some(format!("rows {named}")),
            count => Some(format!("{count} rows: {named} and others")),
        }
    }
}

/// What a column's values are.
#[derive(Debug, Default)]
struct Sum {
    nulls: u64,
    least: Option<ScalarValue>,
    greatest: Option<ScalarValue>,
    has_nan: bool,
}

impl Sum {
    fn add(&mut self, column: &ArrayRef) -> Result<()> {
        self.nulls += column.null_count() as u64;
        let (least, greatest) = match column.data_type() {
            DataType::Utf8View => {
                let texts = column.as_string_view();
                let scalar = |text: &str| ScalarValue::Utf8View(Some(text.to_owned()));
                (min_string_view(texts).map(scalar), max_string_view(texts).map(scalar))
            }
            DataType::Timestamp(..) => {
                let instants = column.as_primitive::<TimestampMicrosecondType>();
                let scalar = |us| ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into()));
                (min(instants).map(scalar), max(instants).map(scalar))
            }
            DataType::Float64 => {
                let numbers = || column.as_primitive::<Float64Type>().iter().flatten();
                self.has_nan |= numbers().any(f64::is_nan);
                let of_numbers = |least: fn(f64, f64) -> f64| numbers().filter(|number| !number.is_nan()).reduce(least);
                let scalar = |number| ScalarValue::Float64(Some(number));
                (of_numbers(f64::min).map(scalar), of_numbers(f64::max).map(scalar))
            }
            _ => (None, None),
        };
        if least.as_ref().is_some_and(|least| self.least.as_ref().is_none_or(|known| least < known)) {
            self.least = least;
        }
        if greatest.as_ref().is_some_and(|greatest| self.greatest.as_ref().is_none_or(|known| greatest > known)) {
            self.greatest = greatest;
        }
        Ok(())
    }

    /// Says in what the log contradicts the rows, without naming values.
    fn contradicts(&self, file: &DataFile, name: &str) -> Option<String> {
        let said = file.columns.get(name)?;
        if let Some(nulls) = said.null_count.filter(|nulls| *nulls != self.nulls) {
            return Some(format!("{} rows have no value where the log says {nulls}", self.nulls));
        }
        if self.has_nan && !said.may_be_nan {
            return Some("a row is NaN where the log says that none is".to_owned());
        }
        // A column of another type than ours has bounds that cannot be compared.
        let is_below = |value: &Option<ScalarValue>, bound: &Option<ScalarValue>| {
            value.as_ref().zip(bound.as_ref()).is_some_and(|(value, bound)| value < bound)
        };
        if is_below(&self.least, &said.lower_bound()) {
            return Some("a value is less than the least that the log says".to_owned());
        }
        is_below(&said.upper_bound(), &self.greatest)
            .then(|| "a value is greater than the greatest that the log says".to_owned())
    }
}

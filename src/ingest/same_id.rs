//! Keeps what gives way to another session under the same id.
//!
//! Ids get lost on the way: a spreadsheet writes `3.91E+16` for all of them, a tool `0` or `#NAME?`. The lake holds one row a session id, so
//! of two sessions under one id one gives way. It is no earlier state of the other, and goes to quarantine with its place instead of being
//! forgotten: a record of this run with its file and line, a stored row with its file.

#![allow(clippy::indexing_slicing, reason = "files are numbered by the snapshot")]

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Int64Array, RecordBatch, StringViewArray, new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use futures::StreamExt;
use tokio::runtime::Handle;
use xxhash_rust::xxh3::Xxh3;

use super::arrow_json::push_row;
use super::attempts::{Attempts, blocking, remove_files};
use super::decide::SameId;
use super::fingerprint::named;
use super::options::IngestOptions;
use super::runs::Liveness;
use super::stage::{LINE, ORDINAL, Staged};
use crate::error::{Error, Result};
use crate::lake::read::read_rows;
use crate::lake::{Commit, DataFile, FileWriter, Lake, Output, Snapshot, Table, WrittenFile, layout};
use crate::schema::{self, COLUMNS, CONTENT_HASH, EXPORTED_AT};

const REASON: &str =
    "another session has this session id, too: it started at another time or belongs to another workflow";

/// Commits to quarantine what gives way, once: the same rows of the same files again are known by their hash.
///
/// # Errors
/// Storage errors, another writer that is always faster, or a run stopped from outside.
pub async fn keep(
    lake: &Lake,
    sessions: &Table,
    snapshot: &Snapshot,
    same_id: SameId,
    staged: &Arc<Mutex<Staged>>,
    options: &IngestOptions,
) -> Result<()> {
    if same_id.is_empty() {
        return Ok(());
    }
    let mut table = lake.open_or_create(layout::QUARANTINE).await?;
    let temporary = tempfile::tempdir().map_err(|e| Error::storage("temporary folder", e))?;
    let output = Output::of(&table, temporary.path().to_owned());
    let stored: Vec<(DataFile, Vec<u32>)> =
        same_id.stored.iter().map(|(file, rows)| (snapshot.files[*file as usize].clone(), rows.clone())).collect();
    let (staged, target, store) = (Arc::clone(staged), output.clone(), sessions.store());
    let (read_options, limits) = (options.clone(), &options.limits);
    let (modified_ms, runtime) = (options.now_us / 1_000, Handle::current());
    let (added, transaction) = blocking(move || {
        let options = read_options;
        let staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Rows::new(target, options.now_us);
        for liveness in [Liveness::Active, Liveness::Ended] {
            for batch in staged.runs.readers(liveness)?.into_iter().flatten() {
                options.limits.check()?;
                let batch = batch?;
                let ordinals = named(&batch, ORDINAL)?.as_primitive::<UInt64Type>();
                let mask = ordinals.values().iter().map(|ordinal| Some(same_id.gives_way(*ordinal))).collect();
                rows.push(&batch, &mask)?;
            }
        }
        for (file, wanted) in &stored {
            let mut batches = runtime.block_on(read_rows(Arc::clone(&store), file, schema::stored_schema(), &[]))?;
            let mut first = 0;
            while let Some(batch) = runtime.block_on(batches.next()) {
                options.limits.check()?;
                let batch = batch?;
                let next = first + batch.num_rows() as u32;
                rows.push(&batch, &(first..next).map(|row| Some(wanted.binary_search(&row).is_ok())).collect())?;
                first = next;
            }
        }
        rows.finish()
    })
    .await?;
    let mut attempts = Attempts::new(limits);
    let ended = loop {
        if table.transaction_version(&transaction).await?.is_some() {
            break Ok(());
        }
        if let Err(error) = attempts.begin() {
            break Err(error);
        }
        // What gives way is the same rows whatever others committed, so the same files serve again.
        let transactions = vec![transaction.clone()];
        let commit = Commit { added: added.clone(), transactions, modified_ms, ..Commit::default() };
        if attempts.commit_kept(&mut table, commit).await?.is_some() {
            return Ok(());
        }
    };
    remove_files(&output, added).await?;
    ended
}

/// Writes rows of sessions as rows of quarantine, and hashes them.
struct Rows {
    writer: FileWriter,
    hash: Xxh3,
    quarantined_at_us: i64,
}

impl Rows {
    fn new(target: Output, quarantined_at_us: i64) -> Self {
        let writer = FileWriter::new(schema::quarantine_schema(), target, NonZeroUsize::MIN, "quarantine");
        Self { writer, hash: Xxh3::new(), quarantined_at_us }
    }

    fn push(&mut self, batch: &RecordBatch, mask: &BooleanArray) -> Result<()> {
        if mask.true_count() == 0 {
            return Ok(());
        }
        let batch = filter_record_batch(batch, mask)?;
        let rows = batch.num_rows();
        let source = named(&batch, schema::SOURCE)?;
        // Rows of the lake do not know their lines any more.
        let lines: ArrayRef = match batch.column_by_name(LINE) {
            Some(lines) => arrow::compute::cast(lines, &DataType::Int64)?,
            None => new_null_array(&DataType::Int64, rows),
        };
        let content = named(&batch, CONTENT_HASH)?.as_primitive::<Int64Type>();
        let names: Vec<String> = COLUMNS.iter().map(|column| column.name.to_owned()).collect();
        let columns = names.iter().map(|name| named(&batch, name).cloned()).collect::<Result<Vec<_>>>()?;
        let mut raw = Vec::with_capacity(rows);
        for row in 0..rows {
            let mut json = String::new();
            push_row(&mut json, &names, &columns, row)?;
            raw.push(json);
            let sources = source.as_string_view();
            if sources.is_valid(row) {
                self.hash.update(sources.value(row).as_bytes());
            }
            self.hash.update(&lines.as_primitive::<Int64Type>().value(row).to_le_bytes());
            self.hash.update(&content.value(row).to_le_bytes());
        }
        let text =
            |text: &str| -> ArrayRef { Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, rows))) };
        let now =
            arrow::array::TimestampMicrosecondArray::from_value(self.quarantined_at_us, rows).with_timezone("UTC");
        let columns: Vec<ArrayRef> = vec![
            Arc::clone(source),
            lines,
            Arc::new(Int64Array::new_null(rows)),
            text("session_id"),
            text(REASON),
            Arc::new(StringViewArray::from_iter_values(raw)),
            Arc::new(BinaryViewArray::new_null(rows)),
            Arc::clone(named(&batch, EXPORTED_AT)?),
            Arc::new(now),
            // Read again such a record would give way again, so that a replay has nothing to read it with.
            Arc::new(StringViewArray::new_null(rows)),
        ];
        self.writer.write(&RecordBatch::try_new(schema::quarantine_schema(), columns)?)
    }

    fn finish(self) -> Result<(Vec<WrittenFile>, String)> {
        Ok((self.writer.finish()?, format!("sessionlake:same-id:{:032x}", self.hash.digest128())))
    }
}

//! The wide side of an upsert: rows wait in sorted runs until it is known which of them win.
//!
//! This is an external merge sort by `started_at`, one for running and one for ended sessions, since these go to files of their own. Rows are
//! buffered until the budget is full, then sorted and written as one run to a temporary file. Rows that fit the budget stay in memory. The
//! files are not compressed: with LZ4, compressing and decompressing took 3 of the 20 CPU seconds of a million sessions. A [`Merge`] reads all
//! runs at once and holds one batch of each, so that memory is bounded by the number of runs.

#![allow(clippy::indexing_slicing, reason = "sources and rows are numbered by the merge")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, RecordBatch, StringViewArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{filter_record_batch, interleave_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::{Error, Result};

/// Rows of a batch in a run: small, because a merge holds one batch of every run, and ten million sessions make a hundred runs.
const RUN_BATCH_ROWS: usize = 512;
/// Rows of a batch that a merge puts out.
const MERGED_BATCH_ROWS: usize = 8_192;

/// Sorted batches that come one after another.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<RecordBatch>> + Send + 'a>;

/// Whether sessions of a run are still running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Without an end.
    Active,
    /// With an end.
    Ended,
}

/// Rows in sorted order: batch, and row in it.
type Order = Vec<(u32, u32)>;

#[derive(Debug)]
enum Run {
    /// Batches and the sorted order of their rows.
    Memory { batches: Vec<RecordBatch>, order: Order },
    /// A temporary file in Arrow's stream format, already sorted.
    Spilled(File),
}

/// Collects rows into sorted runs.
#[derive(Debug)]
pub struct RunStore {
    schema: SchemaRef,
    started_at: usize,
    ended_at: usize,
    budget_bytes: usize,
    batches: Vec<RecordBatch>,
    bytes: usize,
    spilled_bytes: u64,
    active: Vec<Run>,
    ended: Vec<Run>,
}

fn failed(error: impl Into<crate::error::Cause>) -> Error {
    Error::storage("temporary file of sorted rows", error)
}

impl RunStore {
    /// Makes an empty store for rows of this schema that keeps at most about `budget_bytes` in memory.
    ///
    /// # Errors
    /// A schema without `started_at` and `ended_at`.
    pub fn new(schema: SchemaRef, budget_bytes: usize) -> Result<Self> {
        let started_at = schema.index_of("started_at")?;
        let ended_at = schema.index_of("ended_at")?;
        Ok(Self {
            schema,
            started_at,
            ended_at,
            budget_bytes,
            batches: Vec::new(),
            bytes: 0,
            spilled_bytes: 0,
            active: Vec::new(),
            ended: Vec::new(),
        })
    }

    /// Returns the bytes on disk so far.
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds rows, in any order.
    ///
    /// # Errors
    /// The temporary folder cannot take more.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        if self.bytes >= self.budget_bytes { self.spill() } else { Ok(()) }
    }

    /// Sorts what is in memory, so that the runs can be read.
    pub fn seal(&mut self) {
        let batches = std::mem::take(&mut self.batches);
        self.bytes = 0;
        let [active, ended] = self.sorted(&batches);
        if !active.is_empty() {
            self.active.push(Run::Memory { batches: batches.clone(), order: active });
        }
        if !ended.is_empty() {
            self.ended.push(Run::Memory { batches, order: ended });
        }
    }

    /// Returns the order of the rows by start: batch and row, of running and of ended sessions.
    fn sorted(&self, batches: &[RecordBatch]) -> [Order; 2] {
        let (mut active, mut ended) = (Vec::new(), Vec::new());
        for (index, batch) in batches.iter().enumerate() {
            let started = batch.column(self.started_at).as_primitive::<TimestampMicrosecondType>();
            let end = batch.column(self.ended_at);
            for row in 0..batch.num_rows() {
                let list = if end.is_null(row) { &mut active } else { &mut ended };
                list.push((started.value(row), index as u32, row as u32));
            }
        }
        let places = |mut list: Vec<(i64, u32, u32)>| {
            list.sort_unstable();
            list.into_iter().map(|(_, batch, row)| (batch, row)).collect()
        };
        [places(active), places(ended)]
    }

    fn spill(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.batches);
        self.bytes = 0;
        let [active, ended] = self.sorted(&batches);
        for (order, liveness) in [(active, Liveness::Active), (ended, Liveness::Ended)] {
            if order.is_empty() {
                continue;
            }
            let file = tempfile::tempfile().map_err(failed)?;
            let file = BufWriter::with_capacity(1 << 20, file);
            let mut writer = StreamWriter::try_new(file, &self.schema).map_err(failed)?;
            for batch in in_order(&batches, &order) {
                writer.write(&compact(&batch?)?).map_err(failed)?;
            }
            writer.finish().map_err(failed)?;
            let file = writer.into_inner().map_err(failed)?.into_inner().map_err(failed)?;
            self.spilled_bytes += file.metadata().map_err(failed)?.len();
            match liveness {
                Liveness::Active => self.active.push(Run::Spilled(file)),
                Liveness::Ended => self.ended.push(Run::Spilled(file)),
            }
        }
        Ok(())
    }

    /// Returns a reader of every sealed run of this liveness, from its start; may be called again.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    pub fn readers(&self, liveness: Liveness) -> Result<Vec<Batches<'_>>> {
        let runs = match liveness {
            Liveness::Active => &self.active,
            Liveness::Ended => &self.ended,
        };
        runs.iter()
            .map(|run| -> Result<Batches<'_>> {
                match run {
                    Run::Memory { batches, order } => Ok(Box::new(in_order(batches, order))),
                    Run::Spilled(file) => {
                        let mut file = file.try_clone().map_err(failed)?;
                        file.rewind().map_err(failed)?;
                        let reader =
                            StreamReader::try_new(BufReader::with_capacity(1 << 18, file), None).map_err(failed)?;
                        Ok(Box::new(reader.map(|batch| batch.map_err(failed))))
                    }
                }
            })
            .collect()
    }
}

fn in_order<'a>(
    batches: &'a [RecordBatch],
    order: &'a [(u32, u32)],
) -> impl Iterator<Item = Result<RecordBatch>> + Send + 'a {
    order.chunks(RUN_BATCH_ROWS).map(move |chunk| {
        // Only the batches that the chunk draws from: interleaving takes note of the buffers of every batch it is shown.
        let mut used: Vec<u32> = chunk.iter().map(|(batch, _)| *batch).collect();
        used.sort_unstable();
        used.dedup();
        let sources: Vec<&RecordBatch> = used.iter().map(|batch| &batches[*batch as usize]).collect();
        let indices: Vec<(usize, usize)> =
            chunk.iter().map(|(batch, row)| (used.binary_search(batch).unwrap_or_default(), *row as usize)).collect();
        Ok(interleave_record_batch(&sources, &indices)?)
    })
}

/// Keeps the rows of a batch that are running, or that have ended.
///
/// # Errors
/// A defect of ours.
pub fn of_liveness(batch: &RecordBatch, liveness: Liveness) -> Result<RecordBatch> {
    let ended_at = batch.column(batch.schema().index_of("ended_at")?);
    let wanted = match liveness {
        Liveness::Active => arrow::compute::is_null(ended_at)?,
        Liveness::Ended => arrow::compute::is_not_null(ended_at)?,
    };
    Ok(filter_record_batch(batch, &wanted)?)
}

/// Copies text out of buffers that it shares with rows of other batches.
///
/// # Errors
/// A defect of ours.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| -> ArrayRef {
            match column.data_type() {
                DataType::Utf8View => {
                    let compacted: StringViewArray = column.as_string_view().gc();
                    Arc::new(compacted)
                }
                DataType::BinaryView => {
                    let compacted: BinaryViewArray = column.as_binary_view().gc();
                    Arc::new(compacted)
                }
                _ => Arc::clone(column),
            }
        })
        .collect();
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Compacts a batch whose text is less than half of the buffers that it holds on to, as after most rows were left out.
///
/// # Errors
/// A defect of ours.
pub fn compact_if_sparse(batch: RecordBatch) -> Result<RecordBatch> {
    let (mut held, mut used) = (0, 0);
    for column in batch.columns() {
        match column.data_type() {
            DataType::Utf8View => {
                let column = column.as_string_view();
                held += column.data_buffers().iter().map(|buffer| buffer.len()).sum::<usize>();
                used += column.total_buffer_bytes_used();
            }
            DataType::BinaryView => {
                let column = column.as_binary_view();
                held += column.data_buffers().iter().map(|buffer| buffer.len()).sum::<usize>();
                used += column.total_buffer_bytes_used();
            }
            _ => {}
        }
    }
    if held > used * 2 { compact(&batch) } else { Ok(batch) }
}

/// One of the inputs of a merge.
pub struct Source<'a> {
    /// An instant that no row is before, if known: the source is not asked for rows until the merge has come that far.
    pub not_before: Option<i64>,
    /// The rows, sorted.
    pub batches: Batches<'a>,
}

impl<'a> From<Batches<'a>> for Source<'a> {
    fn from(batches: Batches<'a>) -> Self {
        Self { not_before: None, batches }
    }
}

struct Cursor {
    slot: usize,
    keys: ScalarBuffer<i64>,
    row: usize,
}

/// Merges sorted batches of several sources into one sorted stream, by `started_at`.
pub struct Merge<'a> {
    sources: Vec<Source<'a>>,
    key_column: usize,
    cursors: Vec<Option<Cursor>>,
    heap: BinaryHeap<Reverse<(i64, usize)>>,
    /// Batches that the rows of the next output come from; a cursor's `slot` points here.
    held: Vec<RecordBatch>,
    started: bool,
}

impl<'a> Merge<'a> {
    /// Makes a merge of sources whose batches share a schema; `key_column` is the index of `started_at` in it.
    pub fn new(sources: Vec<Source<'a>>, key_column: usize) -> Self {
        let cursors = sources.iter().map(|_| None).collect();
        Self { sources, key_column, cursors, heap: BinaryHeap::new(), held: Vec::new(), started: false }
    }

    fn advance(&mut self, source: usize) -> Result<()> {
        self.cursors[source] = None;
        for batch in self.sources[source].batches.by_ref() {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let keys = batch.column(self.key_column).as_primitive::<TimestampMicrosecondType>().values().clone();
            self.heap.push(Reverse((keys[0], source)));
            self.cursors[source] = Some(Cursor { slot: self.held.len(), keys, row: 0 });
            self.held.push(batch);
            return Ok(());
        }
        // What it was read from is not needed any more.
        self.sources[source].batches = Box::new(std::iter::empty());
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if !self.started {
            self.started = true;
            for source in 0..self.sources.len() {
                match self.sources[source].not_before {
                    Some(bound) => self.heap.push(Reverse((bound, source))),
                    None => self.advance(source)?,
                }
            }
        }
        // Drop batches that were used up by the last output, and renumber the slots of the cursors.
        let mut kept = Vec::with_capacity(self.cursors.len());
        for cursor in self.cursors.iter_mut().flatten() {
            kept.push(self.held[cursor.slot].clone());
            cursor.slot = kept.len() - 1;
        }
        self.held = kept;
        let mut indices: Vec<(usize, usize)> = Vec::with_capacity(MERGED_BATCH_ROWS);
        while indices.len() < MERGED_BATCH_ROWS {
            let Some(Reverse((_, source))) = self.heap.pop() else { break };
            let bound = self.heap.peek().map(|Reverse(next)| *next);
            let Some(cursor) = &mut self.cursors[source] else {
                // The merge has come to where a source may begin.
                self.advance(source)?;
                continue;
            };
            // Take rows of this source for as long as no other has a smaller one.
            while cursor.row < cursor.keys.len()
                && indices.len() < MERGED_BATCH_ROWS
                && bound.is_none_or(|bound| (cursor.keys[cursor.row], source) <= bound)
            {
                indices.push((cursor.slot, cursor.row));
                cursor.row += 1;
            }
            if cursor.row < cursor.keys.len() {
                self.heap.push(Reverse((cursor.keys[cursor.row], source)));
            } else {
                self.advance(source)?;
            }
        }
        if indices.is_empty() {
            return Ok(None);
        }
        let sources: Vec<&RecordBatch> = self.held.iter().collect();
        Ok(Some(interleave_record_batch(&sources, &indices)?))
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};
    use proptest::prelude::*;

    fn schema() -> SchemaRef {
        let instant = crate::schema::timestamp_type();
        Arc::new(Schema::new(vec![
            Field::new("started_at", instant.clone(), false),
            Field::new("ended_at", instant, true),
            Field::new("text", DataType::Utf8View, true),
            Field::new("n", DataType::Int64, false),
        ]))
    }

    fn batch(rows: &[(i64, bool, String, i64)]) -> RecordBatch {
        let started = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.0)).with_timezone("UTC");
        let ended: TimestampMicrosecondArray = rows.iter().map(|r| r.1.then_some(r.0 + 1)).collect();
        let text: StringViewArray = rows.iter().map(|r| (!r.2.is_empty()).then_some(r.2.as_str())).collect();
        let n = Int64Array::from_iter_values(rows.iter().map(|r| r.3));
        let columns: Vec<ArrayRef> =
            vec![Arc::new(started), Arc::new(ended.with_timezone("UTC")), Arc::new(text), Arc::new(n)];
        RecordBatch::try_new(schema(), columns).unwrap()
    }

    fn rows_of(batch: &RecordBatch) -> Vec<(i64, bool, String, i64)> {
        let started = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let text = batch.column(2).as_string_view();
        let n = batch.column(3).as_primitive::<arrow::datatypes::Int64Type>();
        (0..batch.num_rows())
            .map(|i| {
                let text = if text.is_null(i) { String::new() } else { text.value(i).to_owned() };
                (started.value(i), batch.column(1).is_valid(i), text, n.value(i))
            })
            .collect()
    }

    #[test]
    fn few_rows_of_a_large_batch_let_go_of_the_text_of_the_others() {
        let rows: Vec<_> =
            (0..1_000).map(|n| (n, false, format!("a text of row {n} that is not inlined"), n)).collect();
        let all = batch(&rows);
        let few = all.slice(500, 3);
        let held = |batch: &RecordBatch| -> usize {
            batch.column(2).as_string_view().data_buffers().iter().map(|buffer| buffer.len()).sum()
        };
        assert_eq!(held(&few), held(&all));
        let compacted = compact_if_sparse(few.clone()).unwrap();
        assert!(held(&compacted) < 200, "{}", held(&compacted));
        assert_eq!(rows_of(&compacted), rows_of(&few));
        assert_eq!(held(&compact_if_sparse(all.clone()).unwrap()), held(&all), "nothing to gain, nothing copied");
    }

    #[test]
    fn a_source_is_not_asked_before_the_merge_has_come_to_it() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let asked = AtomicBool::new(false);
        let rows = |from: i64| -> Vec<_> { (from..from + 9_000).map(|n| (n, false, String::new(), n)).collect() };
        let early: Batches<'_> = Box::new(std::iter::once(Ok(batch(&rows(0)))));
        let late: Batches<'_> = Box::new(std::iter::once(()).map(|()| {
            asked.store(true, Ordering::Relaxed);
            Ok(batch(&rows(8_999)))
        }));
        let mut merge = Merge::new(vec![Source { not_before: Some(8_500), batches: late }, Source::from(early)], 0);
        let first = merge.next().unwrap().unwrap();
        assert_eq!((first.num_rows(), asked.load(Ordering::Relaxed)), (MERGED_BATCH_ROWS, false));
        let rest: Vec<_> = merge.flat_map(|b| rows_of(&b.unwrap())).map(|row| row.0).collect();
        assert!(asked.load(Ordering::Relaxed) && rest.is_sorted());
        assert_eq!(rest.len(), 18_000 - MERGED_BATCH_ROWS);
    }

    proptest! {
        #[test]
        fn every_row_comes_back_once_in_order_with_or_without_spilling(
            batches in proptest::collection::vec(
                proptest::collection::vec((0..50i64, any::<bool>(), "[a-zé]{0,30}"), 0..40), 0..8),
            budget in prop_oneof![Just(1usize), Just(4_000), Just(1 << 30)],
        ) {
            let mut store = RunStore::new(schema(), budget).unwrap();
            let mut all = Vec::new();
            for rows in &batches {
                let rows: Vec<_> = rows.iter().map(|(s, e, t)| (*s, *e, t.clone(), all.len() as i64)).collect();
                all.extend(rows.iter().cloned());
                store.push(batch(&rows)).unwrap();
            }
            store.seal();
            for (liveness, has_end) in [(Liveness::Active, false), (Liveness::Ended, true)] {
                for _ in 0..2 {
                    let mut sources: Vec<Source<'_>> =
                        store.readers(liveness).unwrap().into_iter().map(Source::from).collect();
                    for source in sources.iter_mut().step_by(2) {
                        source.not_before = Some(0);
                    }
                    let merge = Merge::new(sources, 0);
                    let merged: Vec<_> = merge.flat_map(|b| rows_of(&b.unwrap())).collect();
                    prop_assert!(merged.is_sorted_by_key(|r| r.0));
                    let sort = |mut rows: Vec<(i64, bool, String, i64)>| { rows.sort(); rows };
                    let expected: Vec<_> = all.iter().filter(|r| r.1 == has_end).cloned().collect();
                    prop_assert_eq!(sort(merged), sort(expected));
                }
            }
        }
    }
}

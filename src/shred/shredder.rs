//! Makes the leaf columns of a file out of its rows.
//!
//! A `Walker` takes the values out of each document, a builder for each path and kind of value makes a column of them.
//! Batches may be shredded on several threads at once; each learns which paths it met, and the file's manifest is the sum.
//!
//! A leaf inside of arrays has an entry for each element, so that the leaves of a batch may take many times what its text takes: those of 8,192 traces
//! of a hundred elements with 400 keys took 5 GB. A batch is therefore shredded up to the row where its lists are
//! large, and the rest of it apart.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch,
    StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{not, nullif};

use super::document::{Taken, Walker};
use super::elements::{Lists, ListsBuilder};
use super::leaf::{KINDS, Kind, LeafSet};
use super::manifest::{Manifest, PathNode};
use super::pools::PoolBuilders;
use super::sparse::SparseTexts;
use crate::error::{Error, Result};

/// Entries of all leaves inside of arrays from which on a piece has no more rows: 16 MB of texts, of which each thread has a few pieces. Tests have
/// small arrays.
const PIECE_ENTRIES: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };
/// Bytes of text of the rows after which that is looked at. The rows of so much text go through one column after the other.
const STRETCH_BYTES: usize = if cfg!(test) { 4 << 10 } else { 256 << 10 };

/// The leaves of the first rows of a batch.
#[derive(Debug)]
pub struct Piece {
    /// One array for each of [`LeafSet::columns`].
    pub arrays: Vec<ArrayRef>,
    /// How many rows; at least one, of a batch that has rows.
    pub rows: usize,
}

/// Builds one leaf column; rows without a value are filled in when the next one comes.
#[derive(Debug)]
enum LeafBuilder {
    Text(SparseTexts),
    Integer(Int64Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
}

macro_rules! pad {
    ($builder:expr, $rows:expr) => {{
        let missing = $rows - $builder.len();
        if missing > 0 {
            $builder.append_nulls(missing);
        }
    }};
}

impl LeafBuilder {
    fn new(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Text | Kind::RawNumber => Self::Text(SparseTexts::new(rows)),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Float => Self::Float(Float64Builder::new()),
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
        }
    }

    fn append(&mut self, row: usize, taken: Taken, document: &str, scratch: &str) {
        match (self, taken) {
            (Self::Text(builder), Taken::Text(start, end) | Taken::RawNumber(start, end)) => {
                builder.append(row, &document[start..end]);
            }
            (Self::Text(builder), Taken::Unescaped(start, end)) => builder.append(row, &scratch[start..end]),
            (Self::Integer(builder), Taken::Integer(value)) => {
                pad!(builder, row);
                builder.append_value(value);
            }
            (Self::Float(builder), Taken::Float(value)) => {
                pad!(builder, row);
                builder.append_value(value);
            }
            (Self::Boolean(builder), Taken::Boolean(value)) => {
                pad!(builder, row);
                builder.append_value(value);
            }
            // The kind of a value chooses its builder.
            _ => {}
        }
    }

    fn finish(self, rows: usize) -> ArrayRef {
        match self {
            Self::Text(builder) => builder.finish(rows),
            Self::Integer(mut builder) => {
                pad!(builder, rows);
                Arc::new(builder.finish())
            }
            Self::Float(mut builder) => {
                pad!(builder, rows);
                Arc::new(builder.finish())
            }
            Self::Boolean(mut builder) => {
                pad!(builder, rows);
                Arc::new(builder.finish())
            }
        }
    }
}

/// Takes the leaves of a file out of its rows; several threads may each shred a batch at once.
#[derive(Debug, Clone)]
pub struct FileShredder {
    leaves: Arc<LeafSet>,
    columns: Arc<[&'static str]>,
    /// What was learnt of the paths, by each of the threads; taken out while one shreds.
    idle: Arc<Mutex<Vec<Learnt>>>,
}

/// What is learnt of the paths while rows are shredded.
#[derive(Debug)]
struct Learnt {
    /// One for each JSON column.
    walkers: Vec<Walker>,
    /// Kinds of each leaf that have no column.
    missed: Vec<u8>,
    /// By JSON column, the pools that do not have all their values, as bits.
    lost_pools: Vec<u32>,
}

impl FileShredder {
    /// Makes a shredder of these JSON columns into these leaves.
    pub fn new(columns: Vec<&'static str>, leaves: LeafSet) -> Self {
        Self { leaves: Arc::new(leaves), columns: columns.into(), idle: Arc::default() }
    }

    /// Takes the leaves out of a batch, or of as many of its first rows as make one piece, and notes which paths they have.
    ///
    /// # Errors
    /// A batch without one of the JSON columns, or with another type than Utf8View.
    pub fn shred(&self, batch: &RecordBatch) -> Result<Piece> {
        let idle = self.idle().pop();
        let mut learnt = idle.unwrap_or_else(|| self.nothing_learnt());
        let piece = self.take_leaves(batch, &mut learnt);
        self.idle().push(learnt);
        piece
    }

    /// Takes the leaves out of rows that are not of the file, or will be shredded again.
    ///
    /// # Errors
    /// As [`FileShredder::shred`].
    pub fn try_out(&self, batch: &RecordBatch) -> Result<Piece> {
        self.take_leaves(batch, &mut self.nothing_learnt())
    }

    /// Says which paths the rows shredded so far have.
    pub fn manifest(&self) -> Manifest {
        let copies = self.leaves.leaves.iter().filter_map(|leaf| Some((leaf.name(Kind::Text), leaf.copy_of.clone()?)));
        let mut manifest = Manifest { copies: copies.collect(), ..Manifest::default() };
        for learnt in self.idle().iter() {
            let columns = self.columns.iter().zip(&learnt.walkers).zip(&learnt.lost_pools);
            let roots = columns.map(|((name, walker), lost_pools)| {
                let root = PathNode { lost_pools: *lost_pools, ..walker.tree(0, &learnt.missed) };
                ((*name).to_owned(), root)
            });
            manifest.merge(Manifest { columns: roots.collect(), ..Manifest::default() });
        }
        // One part may have the objects at a path, and another the arrays.
        manifest.columns.values_mut().for_each(PathNode::note_objects);
        manifest
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Learnt>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nothing_learnt(&self) -> Learnt {
        let by_column = self.leaves.by_column();
        let walker = |name: &&'static str| {
            let leaves = by_column.get(*name).map(Vec::as_slice).unwrap_or_default();
            Walker::for_leaves(leaves.iter().copied(), self.leaves.pools.get(*name))
        };
        Learnt {
            walkers: self.columns.iter().map(walker).collect(),
            missed: vec![0; self.leaves.leaves.len()],
            lost_pools: vec![0; self.columns.len()],
        }
    }

    fn take_leaves(&self, batch: &RecordBatch, learnt: &mut Learnt) -> Result<Piece> {
        let rows = batch.num_rows();
        // Builders by leaf and kind.
        let mut builders: Vec<[Option<LeafBuilder>; 5]> =
            self.leaves.leaves.iter().map(|_| Default::default()).collect();
        for (index, leaf) in self.leaves.leaves.iter().enumerate() {
            for (slot, kind) in KINDS.iter().enumerate().filter(|(_, kind)| leaf.kinds & kind.bit() != 0) {
                builders[index][slot] = Some(LeafBuilder::new(*kind, rows));
            }
        }
        // Of leaves inside arrays, the lists that the values are the items of.
        let mut lists: Vec<Option<Lists>> = self.leaves.leaves.iter().map(|_| None).collect();
        let Learnt { walkers, missed, lost_pools } = learnt;
        let columns = self.columns.iter().zip(walkers).map(|(name, walker)| -> Result<Shredding<'_>> {
            let column = batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")))?;
            let texts = column.as_string_view_opt();
            let texts = texts.ok_or_else(|| Error::internal(format!("column {name} is {}", column.data_type())))?;
            let pools = PoolBuilders::new(self.leaves.pools.get(*name).map_or(0, |pools| pools.count), rows);
            let lists = walker.arrays.lists();
            Ok(Shredding { name, texts, walker, pools, lists })
        });
        let mut columns = columns.collect::<Result<Vec<_>>>()?;
        let mut done = 0;
        let entries = |columns: &[Shredding<'_>]| columns.iter().map(Shredding::entries).sum::<usize>();
        while done < rows && entries(&columns) < PIECE_ENTRIES {
            let end = stretch(&columns, done, rows);
            for column in &mut columns {
                column.take(done..end, &mut builders, missed);
            }
            done = end;
        }
        let (rows, batch) = (done, batch.slice(0, done));
        // By the name of the JSON column, as the columns of pools are ordered.
        let mut pooled: BTreeMap<&str, Vec<ArrayRef>> = BTreeMap::new();
        for (column, lost) in columns.into_iter().zip(lost_pools) {
            column.walker.arrays.finish(column.lists, rows, &mut lists, missed);
            pooled.insert(column.name, column.pools.finish(rows, lost));
        }
        let mut arrays: Vec<ArrayRef> = Vec::new();
        // The texts of leaves, which others may copy, and of which more is computed.
        let mut texts: BTreeMap<(&str, &[String]), ArrayRef> = BTreeMap::new();
        // Places among the arrays of what is to be compared with what it copies.
        let mut copies: Vec<(usize, &str)> = Vec::new();
        for ((builders, lists), leaf) in builders.into_iter().zip(&lists).zip(&self.leaves.leaves) {
            for (kind, builder) in KINDS.into_iter().zip(builders).filter_map(|(kind, builder)| Some((kind, builder?)))
            {
                // Raw numbers are texts too, but no copies.
                let is_text = kind == Kind::Text;
                let array = match lists {
                    Some(lists) => lists.of(builder.finish(lists.items()))?,
                    None => builder.finish(rows),
                };
                if is_text && leaf.inside.is_none() {
                    texts.insert((&leaf.column, &leaf.path), Arc::clone(&array));
                }
                if let Some(name) = leaf.copy_of.as_ref().filter(|_| is_text) {
                    copies.push((arrays.len(), name));
                    arrays.push(Arc::clone(&array));
                }
                arrays.push(array);
            }
        }
        for (place, name) in copies {
            let copied = batch.column_by_name(name).or_else(|| {
                let leaf = self.leaves.leaves.iter().find(|leaf| leaf.name(Kind::Text) == name)?;
                texts.get(&(leaf.column.as_str(), leaf.path.as_slice()))
            });
            let differing = what_differs(&arrays[place], copied)?;
            arrays.splice(place..place + 2, differing);
        }
        arrays.extend(pooled.into_values().flatten());
        for computed in &self.leaves.computed {
            arrays.push(computed.values(match computed.path.as_slice() {
                [] => batch.column_by_name(&computed.column),
                path => texts.get(&(computed.column.as_str(), path)),
            })?);
        }
        Ok(Piece { arrays, rows })
    }
}

/// A JSON column while the leaves of a piece are taken.
struct Shredding<'a> {
    name: &'a str,
    texts: &'a StringViewArray,
    walker: &'a mut Walker,
    pools: PoolBuilders,
    lists: Vec<ListsBuilder>,
}

impl Shredding<'_> {
    /// Counts the entries of all lists so far.
    fn entries(&self) -> usize {
        self.walker.arrays.entries(&self.lists)
    }

    /// Takes the leaves of some rows.
    fn take(&mut self, rows: Range<usize>, builders: &mut [[Option<LeafBuilder>; 5]], missed: &mut [u8]) {
        let Self { texts, walker, pools, lists, .. } = self;
        for row in rows {
            if texts.is_null(row) {
                walker.note_null();
                continue;
            }
            let document = texts.value(row);
            walker.walk(document);
            append_taken(walker, row, document, builders, missed);
            pools.append(row, document.len(), walker.pooled(document));
            walker.arrays.walk(document, row, lists, |number, element, walker| {
                append_taken(walker, number, element, builders, missed);
            });
        }
    }
}

/// Returns the row before which the next rows have enough text.
fn stretch(columns: &[Shredding<'_>], first: usize, rows: usize) -> usize {
    let mut bytes = 0;
    let bytes_of = |row: usize| columns.iter().map(|column| column.texts.views()[row] as u32 as usize).sum::<usize>();
    let behind = (first..rows).find(|row| {
        bytes += bytes_of(*row);
        bytes >= STRETCH_BYTES
    });
    behind.map_or(rows, |row| row + 1)
}

/// Keeps of a leaf's texts those that differ from the column that it copies; returns them, and in which rows they do.
fn what_differs(texts: &ArrayRef, copied: Option<&ArrayRef>) -> Result<[ArrayRef; 2]> {
    let copied = copied.ok_or_else(|| Error::internal("no column to copy"))?;
    let failed = |error| Error::internal(format!("comparing texts: {error}"));
    let differs = distinct(texts, copied).map_err(failed)?;
    let texts = nullif(texts, &not(&differs).map_err(failed)?).map_err(failed)?;
    let rows = BooleanArray::new(differs.values().clone(), Some(NullBuffer::new(differs.values().clone())));
    Ok([texts, Arc::new(rows)])
}

/// Appends what was taken from the last document of a walker to the columns of its leaves.
fn append_taken(
    walker: &Walker,
    row: usize,
    document: &str,
    builders: &mut [[Option<LeafBuilder>; 5]],
    missed: &mut [u8],
) {
    for (leaf, taken) in walker.taken() {
        match &mut builders[leaf][taken.kind().bit().trailing_zeros() as usize] {
            Some(builder) => builder.append(row, taken, document, walker.scratch()),
            None => missed[leaf] |= taken.kind().bit(),
        }
    }
}

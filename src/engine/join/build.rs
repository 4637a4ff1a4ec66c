//! The build side: a hash table from the hash of a key to a range of rows, which are sorted within the range.
//!
//! Collecting it takes three steps. Each batch is appended as it comes, and each of its rows gets the number of its hash ([`Rows::push`]); rows
//! with a null in a key or in a bounded expression meet no probe row and are left out. When the input ends, a counting sort by these numbers
//! lays the rows of a hash side by side, and a stable sort orders those of each hash by the first bounded expression ([`Rows::sorted`]).
//! At last each condition of the filter gets an array of numbers parallel to that order, which never fall within a hash, so that a binary
//! search finds the rows that can pass the condition ([`searches`]).

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, UInt32Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::kernels::cmp::eq;
use datafusion::arrow::compute::{concat, take};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::Time;
use futures::StreamExt;

use super::bounds::{Comparison, Ordered};
use super::groups::{Groups, NumberedGroups};
use super::terms::{Terms, column, keys_of};
use crate::engine::held::{MOST_OFFSET_BYTES, copied_bytes, offset_bytes, overhead_bytes};

/// Bytes that a row takes beside its values: its hash while its batch is taken in, its number, that of its hash and the count of
/// those, its place, and its key while those of neighbours are compared.
const ROW_BYTES: usize = 8 + 4 + 4 + 4 + 4 + 16;

/// Bytes of a value of a bounded expression. It is held once as it came, and once in order for each condition.
const VALUE_BYTES: usize = 8;

/// The build side, or what was read of it when memory did not suffice, with the rest.
pub(super) enum Collected {
    Ready(Build),
    TooLarge { batches: Vec<RecordBatch>, rest: SendableRecordBatchStream },
}

/// The rows of the build side, sorted.
#[derive(Debug)]
pub(super) struct Build {
    groups: Groups,
    /// The numbers of the rows in their sorted order: the rows of a hash are side by side, sorted by the first bounded expression.
    order: Vec<u32>,
    /// What each condition of the filter is searched by; `None` where its expression failed, so that it narrows nothing.
    searches: Vec<Option<Search>>,
    /// The keys of all rows.
    keys: Vec<ArrayRef>,
    /// The columns that are kept, of all rows.
    columns: Vec<ArrayRef>,
    /// Whether every row that is left by all searches passes the filter, so that the filter need not be evaluated.
    pub(super) is_exact: bool,
    /// Whether two keys share a hash. Keys then have to be compared pair by pair.
    pub(super) has_collisions: bool,
    /// The memory that the rows take.
    reservation: MemoryReservation,
}

/// What a condition is searched by: a number for each place of the sorted order. Within a hash the numbers never fall. The range that a binary
/// search leaves has all rows that pass the condition; it has others too where the numbers are not the values themselves.
#[derive(Debug, Clone)]
struct Search {
    comparison: Comparison,
    values: Arc<[i64]>,
}

impl Search {
    fn narrow(&self, (from, to): (u32, u32), value: i64) -> (u32, u32) {
        let values = &self.values[from as usize..to as usize];
        let less = |or_equal: bool| {
            let place = match or_equal {
                false => values.partition_point(|other| *other < value),
                true => values.partition_point(|other| *other <= value),
            };
            from + place as u32
        };
        match self.comparison {
            Comparison::Less => (from, less(false)),
            Comparison::LessOrEqual => (from, less(true)),
            Comparison::Greater => (less(true), to),
            Comparison::GreaterOrEqual => (less(false), to),
        }
    }
}

impl Build {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn reserved_bytes(&self) -> usize {
        self.reservation.size()
    }

    /// Finds the places of the rows that have a hash.
    pub(super) fn find(&self, hash: u64) -> Option<(u32, u32)> {
        self.groups.find(hash)
    }

    /// Narrows a range of places to those whose rows may pass a condition, for a value of the probe side.
    pub(super) fn narrow(&self, places: (u32, u32), bound: usize, value: i64) -> (u32, u32) {
        match self.searches.get(bound) {
            Some(Some(search)) => search.narrow(places, value),
            _ => places,
        }
    }

    /// The rows in order.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    pub(super) fn keys(&self) -> &[ArrayRef] {
        &self.keys
    }

    /// The hashes of the rows, each once.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.groups.hashes()
    }

    /// How many hashes there are.
    pub(super) fn hash_count(&self) -> usize {
        self.groups.len()
    }

    /// Returns each key once; `None` where there are more than some.
    ///
    /// # Errors
    /// Those of the kernels.
    pub(super) fn distinct_keys(&self, most: usize) -> Result<Option<Vec<ArrayRef>>> {
        if self.groups.len() > most || self.has_collisions {
            return Ok(None);
        }
        let rows = UInt32Array::from_iter_values(self.groups.firsts().map(|place| self.order[place as usize]));
        let keys = self.keys.iter().map(|key| Ok(take(key, &rows, None)?));
        keys.collect::<Result<_>>().map(Some)
    }

    /// Takes rows of a column that is kept.
    ///
    /// # Errors
    /// Columns that are not there.
    pub(super) fn take(&self, index: usize, rows: &UInt32Array) -> Result<ArrayRef> {
        Ok(take(column(&self.columns, index)?, rows, None)?)
    }

    /// Reads all of the build side; what memory does not suffice for is given back.
    ///
    /// # Errors
    /// Input and keys that fail.
    pub(super) async fn collect(
        terms: &Terms,
        mut input: SendableRecordBatchStream,
        reservation: MemoryReservation,
        time: &Time,
    ) -> Result<Collected> {
        let mut rows = Rows::new(terms, reservation);
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let _timer = time.timer();
            if let Err(error) = rows.push(batch) {
                return rows.given_back(error, input);
            }
        }
        let _timer = time.timer();
        match rows.reserve_copies() {
            Ok(()) => Ok(Collected::Ready(rows.sorted()?)),
            Err(error) => rows.given_back(error, input),
        }
    }
}

/// The rows of the build side as they come.
struct Rows<'a> {
    terms: &'a Terms,
    batches: Vec<RecordBatch>,
    /// The keys of each batch.
    keys: Vec<Vec<ArrayRef>>,
    /// Rows of all batches.
    len: usize,
    hashes: Vec<u64>,
    groups: NumberedGroups,
    /// The rows that can match, none of whose keys and bounded values is null, with the number of their hash.
    rows: Vec<u32>,
    numbers: Vec<u32>,
    /// The values of those rows, for each expression that is bounded; `None` where it failed.
    values: Vec<Option<Vec<i64>>>,
    counter: RecordBatchMemoryCounter,
    reservation: MemoryReservation,
}

impl<'a> Rows<'a> {
    fn new(terms: &'a Terms, reservation: MemoryReservation) -> Self {
        Self {
            terms,
            batches: Vec::new(),
            keys: Vec::new(),
            len: 0,
            hashes: Vec::new(),
            groups: NumberedGroups::new(),
            rows: Vec::new(),
            numbers: Vec::new(),
            values: vec![Some(Vec::new()); terms.bounds.lefts.len()],
            counter: RecordBatchMemoryCounter::new(),
            reservation,
        }
    }

    /// Takes in a batch, which is kept even where memory does not suffice.
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let len = batch.num_rows();
        if len == 0 {
            return Ok(());
        }
        let first = self.len;
        self.len += len;
        let values = self.values.len() + self.terms.bounds.bounds.len();
        let bytes =
            self.counter.count_batch(&batch) + overhead_bytes(&batch) + len * (ROW_BYTES + VALUE_BYTES * values);
        self.batches.push(batch.clone());
        self.reservation.try_grow(bytes)?;
        // Rows are numbered in 32 bits.
        if u32::try_from(self.len).is_err() {
            return too_large();
        }
        self.groups.reserve(len, &self.reservation)?;
        let (keys, mut nulls) = keys_of(&self.terms.left_keys, &batch)?;
        let mut ordered = Vec::with_capacity(self.values.len());
        for (values, expr) in self.values.iter_mut().zip(&self.terms.bounds.lefts) {
            // The expression may have failed for a row without any pair. The filter has the expression too, and is evaluated on pairs
            // alone: it fails if one of them has such a row.
            let evaluated = if values.is_some() { Ordered::evaluate(expr, &batch).ok() } else { None };
            match evaluated {
                Some(one) => {
                    nulls = NullBuffer::union(nulls.as_ref(), one.nulls.as_ref());
                    ordered.push(Some(one.values));
                }
                None => {
                    *values = None;
                    ordered.push(None);
                }
            }
        }
        self.terms.hash(&keys, len, &mut self.hashes)?;
        let is_valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        for (row, hash) in self.hashes.iter().enumerate().filter(|(row, _)| is_valid(*row)) {
            self.rows.push((first + row) as u32);
            self.numbers.push(self.groups.add(*hash));
        }
        for (values, ordered) in self.values.iter_mut().zip(ordered) {
            if let (Some(values), Some(ordered)) = (values, ordered) {
                match &nulls {
                    None => values.extend_from_slice(&ordered),
                    Some(nulls) => values.extend(nulls.valid_indices().map(|row| ordered[row])),
                }
            }
        }
        self.keys.push(keys);
        Ok(())
    }

    /// Counts what the columns take when all batches become one.
    fn reserve_copies(&self) -> Result<()> {
        let kept =
            self.batches.iter().flat_map(|batch| self.terms.left_columns.iter().map(|index| batch.column(*index)));
        let columns = || kept.clone().chain(self.keys.iter().flatten());
        if columns().map(offset_bytes).sum::<usize>() > MOST_OFFSET_BYTES {
            return too_large();
        }
        self.reservation.try_grow(columns().map(copied_bytes).sum())
    }

    /// Gives back what was read, where memory is all that failed.
    fn given_back(self, error: DataFusionError, rest: SendableRecordBatchStream) -> Result<Collected> {
        if !matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) {
            return Err(error);
        }
        let Self { batches, reservation, .. } = self;
        drop(reservation);
        Ok(Collected::TooLarge { batches, rest })
    }

    /// Sorts all rows.
    fn sorted(self) -> Result<Build> {
        let Self { terms, batches, keys, groups, rows, numbers, values, reservation, .. } = self;
        let columns = terms.left_columns.iter().map(|index| one_of(batches.iter().map(|batch| batch.column(*index))));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let keys = (0..terms.left_keys.len()).map(|key| one_of(keys.iter().filter_map(|keys| keys.get(key))));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        drop(batches);
        let (groups, begins) = groups.placed();
        let mut next = begins.clone();
        // A counting sort: `next` is the place of the next row of each hash. For now `order` has indices into `rows`. The rows of a hash stay
        // in the order in which they came.
        let mut order = vec![0_u32; rows.len()];
        for (row, number) in numbers.iter().enumerate() {
            let place = &mut next[*number as usize];
            order[*place as usize] = row as u32;
            *place += 1;
        }
        if let Some(Some(first)) = values.first() {
            for group in runs(&begins) {
                let places = &mut order[group];
                if !places.is_sorted_by_key(|row| first[*row as usize]) {
                    // The sort is stable: rows of equal values stay in the order in which they came.
                    places.sort_by_key(|row| first[*row as usize]);
                }
            }
        }
        let (searches, is_exact) = searches(terms, &values, &order, &begins);
        for place in &mut order {
            *place = rows[*place as usize];
        }
        let has_collisions = has_collisions(&keys, &order, &begins)?;
        let held = columns.iter().chain(&keys).map(|column| column.get_array_memory_size()).sum::<usize>()
            + size_of_val(order.as_slice()) * (1 + 2 * searches.len())
            + groups.bytes();
        // The batches are gone; a column that is a key too is counted twice.
        reservation.shrink(reservation.size().saturating_sub(held));
        Ok(Build { groups, order, searches, keys, columns, is_exact, has_collisions, reservation })
    }
}

/// Returns the ranges between places.
fn runs(begins: &[u32]) -> impl Iterator<Item = std::ops::Range<usize>> {
    begins.windows(2).map(|ends| ends[0] as usize..ends[1] as usize)
}

/// Makes one column of the pieces of it.
fn one_of<'a>(pieces: impl Iterator<Item = &'a ArrayRef>) -> Result<ArrayRef> {
    let pieces: Vec<&dyn Array> = pieces.map(AsRef::as_ref).collect();
    Ok(match pieces[..] {
        // No batch, no rows: the column is never read.
        [] => Arc::new(UInt32Array::from(Vec::<u32>::new())),
        _ => concat(&pieces)?,
    })
}

/// Prepares the search for each condition, and says whether together they find just what passes the filter.
fn searches(terms: &Terms, values: &[Option<Vec<i64>>], order: &[u32], begins: &[u32]) -> (Vec<Option<Search>>, bool) {
    let mut is_exact = terms.bounds.is_whole;
    // The arrays of each expression: one for conditions from above and one for conditions from below, the same where its values rise.
    let mut made: Vec<[Option<Arc<[i64]>>; 2]> = vec![[None, None]; values.len()];
    let mut searches = Vec::with_capacity(terms.bounds.bounds.len());
    for bound in &terms.bounds.bounds {
        let comparison = bound.comparison;
        let Some(Some(values)) = values.get(bound.left) else {
            is_exact = false;
            searches.push(None);
            continue;
        };
        let direction = usize::from(comparison.is_from_below());
        if made[bound.left][direction].is_none() {
            let mut sorted: Vec<i64> = order.iter().map(|row| values[*row as usize]).collect();
            if runs(begins).all(|group| sorted[group].is_sorted()) {
                let sorted: Arc<[i64]> = sorted.into();
                made[bound.left] = [Some(Arc::clone(&sorted)), Some(sorted)];
            } else {
                is_exact = false;
                for group in runs(begins) {
                    make_rise(&mut sorted[group], comparison);
                }
                made[bound.left][direction] = Some(sorted.into());
            }
        }
        searches.push(made[bound.left][direction].clone().map(|values| Search { comparison, values }));
    }
    (searches, is_exact)
}

/// Replaces values that do not rise by numbers that do. For a condition from below (`value > x`) these are the running maximum: no row before
/// the first place whose maximum passes can pass. For one from above (`value < x`) they are the running minimum from the end: no row
/// behind the last place whose minimum passes can.
fn make_rise(values: &mut [i64], comparison: Comparison) {
    if comparison.is_from_below() {
        let mut greatest = i64::MIN;
        for value in values {
            greatest = greatest.max(*value);
            *value = greatest;
        }
    } else {
        let mut least = i64::MAX;
        for value in values.iter_mut().rev() {
            least = least.min(*value);
            *value = least;
        }
    }
}

/// Says whether rows of one hash have different keys.
fn has_collisions(keys: &[ArrayRef], order: &[u32], begins: &[u32]) -> Result<bool> {
    let Some(pairs) = order.len().checked_sub(1) else { return Ok(false) };
    let rows = UInt32Array::from(order.to_vec());
    for key in keys {
        let sorted = take(key, &rows, None)?;
        let same = eq(&sorted.slice(0, pairs), &sorted.slice(1, pairs))?;
        if same.true_count() == pairs {
            continue;
        }
        let same = same.values();
        if runs(begins).any(|group| (group.start + 1..group.end).any(|place| !same.value(place - 1))) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn too_large() -> Result<()> {
    Err(DataFusionError::ResourcesExhausted("a join's build side has too many rows for its operator".to_owned()))
}

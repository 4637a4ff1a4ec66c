//! Several look-ups in one column of JSON text, answered by one pass over each document.
//!
//! A call such as `json_get_int(data, 'a', 'b')` finds a value and then reads it. In a file that has no leaf for the path, the
//! adapter splits the two. All calls on one column of one file range share an [`Extractions`], which finds the values of all
//! paths in one walk over each document (`json::paths`), reads them (`read`), and keeps the columns until the next batch comes. Each call
//! becomes an [`Extract`] that takes its column, and some an [`Either`] of that and the call itself.
//!
//! Which columns are read together is learnt. A filter and a projection see different batches, since a filter leaves few rows to the
//! expressions behind it. Of the first batch all columns are read. Of each later batch those are read that were asked for the last time that a
//! batch began with the same column (late materialisation of the others).
//!
//! Limits: an extraction holds one batch of documents; [`MAX_COLUMNS`] are made together at most, further calls parse alone.

mod either;
mod read;

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::CastExpr;

pub use either::Either;
use either::are_near;
pub use read::Reading;
use read::{Column, Document};

use super::derive::valid_rows;
use crate::functions::Asked;
use crate::json::Skimmer;
pub use crate::json::Step;
use crate::json::paths::Trie;

/// Columns that are made together at most: one for each bit of a set.
pub const MAX_COLUMNS: usize = 64;
/// Sets of columns whose plans are kept.
const MAX_PLANS: usize = 16;

/// What is asked of one column of a file range, and what was read of its newest batch.
#[derive(Debug, Default)]
pub struct Extractions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    columns: Vec<(Vec<Step>, Reading)>,
    /// For each column, the set of those that were asked of the last batch of which it was the first.
    together: Vec<Option<u64>>,
    /// The set of those whose values were found near the beginning of the documents ([`Reading::Begun`] alone).
    near: u64,
    plans: HashMap<u64, Arc<Plan>>,
    newest: Option<Batch>,
}

/// The documents that were read last. They are held, so that no other array can have their address.
#[derive(Debug)]
struct Batch {
    documents: ArrayRef,
    first: usize,
    asked: u64,
    columns: Vec<Option<ArrayRef>>,
}

/// How some columns are made together: where their values are, and for each column the path and the reading.
#[derive(Debug)]
struct Plan {
    trie: Trie,
    columns: Vec<(usize, Reading)>,
}

impl Extractions {
    /// Notes a path and how its values are read; returns the column's number, or `None` where there are too many.
    pub fn add(&self, path: Vec<Step>, reading: Reading) -> Option<usize> {
        let mut state = self.lock();
        let column = (path, reading);
        if let Some(known) = state.columns.iter().position(|other| *other == column) {
            return Some(known);
        }
        let number = state.columns.len();
        (number < MAX_COLUMNS).then(|| {
            state.columns.push(column);
            state.together.push(None);
            number
        })
    }

    /// Returns a column for these documents; the same documents are read once for several columns.
    ///
    /// # Errors
    /// Documents that are not text.
    pub fn column(&self, documents: &ArrayRef, number: usize) -> Result<ArrayRef> {
        self.lock().column(documents, number)
    }

    /// Says whether a call that can look for its value itself had better do so: where it is near, and nothing else is known to be
    /// asked of these documents. It is known from the first batch that was read.
    pub fn is_better_alone(&self, documents: &ArrayRef, number: usize) -> bool {
        self.lock().is_better_alone(documents, number)
    }

    fn noted(&self, number: usize) -> Option<(Vec<Step>, Reading)> {
        self.lock().columns.get(number).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked has left whole columns or none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what is known of these documents, of which a column is asked.
    fn batch(&mut self, documents: &ArrayRef, number: usize) -> Batch {
        let mut batch = match self.newest.take() {
            Some(batch) if is_same(&batch.documents, documents) => batch,
            earlier => {
                if let Some(batch) = earlier {
                    self.together[batch.first] = Some(batch.asked);
                }
                Batch { documents: Arc::clone(documents), first: number, asked: 0, columns: Vec::new() }
            }
        };
        batch.columns.resize(self.columns.len(), None);
        batch.asked |= 1 << number;
        batch
    }

    /// Returns the columns that are to be made with one that is not there.
    fn wanted(&self, batch: &Batch, number: usize) -> Vec<usize> {
        let guess = self.together[number].unwrap_or(u64::MAX) | 1 << number;
        let is_wanted = |number: &usize| guess & 1 << number != 0 && batch.columns[*number].is_none();
        (0..self.columns.len()).filter(is_wanted).collect()
    }

    fn column(&mut self, documents: &ArrayRef, number: usize) -> Result<ArrayRef> {
        let mut batch = self.batch(documents, number);
        if batch.columns[number].is_none() {
            let wanted = self.wanted(&batch, number);
            let plan = self.plan(&wanted);
            for (number, column) in wanted.into_iter().zip(plan.read(documents)?) {
                self.note(documents, number, &column);
                batch.columns[number] = Some(column);
            }
        }
        let column = batch.columns[number].clone();
        self.newest = Some(batch);
        column.ok_or_else(|| internal_datafusion_err!("column {number} was not read"))
    }

    /// Learns from values whether they are near.
    fn note(&mut self, documents: &ArrayRef, number: usize, values: &ArrayRef) {
        let documents = documents.as_string_view_opt().filter(|_| self.columns[number].1 == Reading::Begun);
        if let (Some(documents), Some(values)) = (documents, values.as_string_view_opt()) {
            self.near = self.near & !(1 << number) | u64::from(are_near(documents, values)) << number;
        }
    }

    fn is_better_alone(&mut self, documents: &ArrayRef, number: usize) -> bool {
        if self.near & 1 << number == 0 {
            return false;
        }
        let batch = self.batch(documents, number);
        let is_alone = self.wanted(&batch, number) == [number];
        self.newest = Some(batch);
        is_alone
    }

    /// Returns the plan for a set of columns.
    fn plan(&mut self, wanted: &[usize]) -> Arc<Plan> {
        let set = wanted.iter().fold(0_u64, |set, number| set | 1 << number);
        if let Some(plan) = self.plans.get(&set) {
            return Arc::clone(plan);
        }
        let mut paths: Vec<Vec<Step>> = Vec::new();
        let mut columns = Vec::with_capacity(wanted.len());
        for (path, reading) in wanted.iter().map(|number| &self.columns[*number]) {
            let known = paths.iter().position(|known| known == path);
            columns.push((known.unwrap_or(paths.len()), *reading));
            if known.is_none() {
                paths.push(path.clone());
            }
        }
        let is_read = |path| columns.iter().any(|(of, reading)| *of == path && reading.takes_containers());
        let plan = Arc::new(Plan { trie: Trie::of(paths, is_read), columns });
        if self.plans.len() >= MAX_PLANS {
            self.plans.clear();
        }
        self.plans.insert(set, Arc::clone(&plan));
        plan
    }
}

impl Plan {
    /// Reads all columns of a batch.
    fn read(&self, documents: &ArrayRef) -> Result<Vec<ArrayRef>> {
        let documents = match documents.data_type() {
            DataType::Utf8View => Arc::clone(documents),
            _ => cast(documents, &DataType::Utf8View)?,
        };
        let documents: &StringViewArray = documents.as_string_view();
        let mut columns: Vec<Column> =
            self.columns.iter().map(|(_, reading)| Column::new(*reading, documents.len())).collect();
        let mut places = vec![None; self.trie.len()];
        let (mut skimmer, mut filter) = (Skimmer::default(), self.trie.filter());
        // A pool is NULL in nearly all rows.
        for row in valid_rows(documents) {
            let text = documents.value(row);
            if !filter.passes(text) {
                continue;
            }
            places.fill(None);
            let mended = self.trie.find(&mut skimmer, text, &mut places);
            let document = Document { text, read: mended.as_deref().unwrap_or(text), view: documents.views()[row] };
            for (column, (path, _)) in columns.iter_mut().zip(&self.columns) {
                if let Some(place) = places[*path] {
                    column.append(row, document, place);
                }
            }
        }
        columns.into_iter().map(|column| column.finish(documents)).collect()
    }
}

/// Says whether two arrays are the same memory.
fn is_same(left: &ArrayRef, right: &ArrayRef) -> bool {
    Arc::ptr_eq(left, right) || (left.len() == right.len() && left.to_data().ptr_eq(&right.to_data()))
}

/// What is read of the documents in a column.
#[derive(Debug, Clone)]
pub struct Extract {
    documents: Arc<dyn PhysicalExpr>,
    extractions: Arc<Extractions>,
    column: usize,
    reading: Reading,
}

impl Extract {
    /// Makes the expression that reads values at a path; `None` where the column is full.
    pub fn new(
        documents: Arc<dyn PhysicalExpr>,
        extractions: &Arc<Extractions>,
        path: Vec<Step>,
        reading: Reading,
    ) -> Option<Self> {
        let column = extractions.add(path, reading)?;
        Some(Self { documents, extractions: Arc::clone(extractions), column, reading })
    }

    fn documents(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        // A cast makes a new array each time; only what it is made of is known again.
        let documents = match self.documents.downcast_ref::<CastExpr>() {
            Some(cast) => match cast.expr().data_type(batch.schema_ref())? {
                DataType::Utf8 | DataType::LargeUtf8 => cast.expr(),
                _ => &self.documents,
            },
            None => &self.documents,
        };
        documents.evaluate(batch)?.into_array(batch.num_rows())
    }

    fn is_better_alone(&self, batch: &RecordBatch) -> Result<bool> {
        Ok(self.extractions.is_better_alone(&self.documents(batch)?, self.column))
    }
}

impl PartialEq for Extract {
    fn eq(&self, other: &Self) -> bool {
        self.column == other.column
            && Arc::ptr_eq(&self.extractions, &other.extractions)
            && self.documents.eq(&other.documents)
    }
}

impl Eq for Extract {}

impl Hash for Extract {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.documents.hash(state);
        Arc::as_ptr(&self.extractions).hash(state);
        self.column.hash(state);
    }
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "extract({}", self.documents)?;
        if let Some((path, reading)) = self.extractions.noted(self.column) {
            path.iter().try_for_each(|step| write!(f, ", {step}"))?;
            write!(f, " as {reading:?}")?;
        }
        write!(f, ")")
    }
}

impl PhysicalExpr for Extract {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.reading.data_type())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(self.reading != Reading::Answer(Asked::Presence))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Array(self.extractions.column(&self.documents(batch)?, self.column)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.documents]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(match children.pop() {
            Some(documents) => Arc::new(Self { documents, ..self.as_ref().clone() }),
            None => self,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

//! Several look-ups in one column of JSON text, answered by one pass over each document.
//!
//! A call such as `json_get_int(data, 'a', 'b')` finds a value and then reads it. In a file that has no leaf for the path, the
//! adapter splits the two: [`Extract`] finds the text of the value, `{"a": {"b": 12}}` to `12`, and the very same function reads that
//! text with no keys left. All extractions from one column of one file range share an [`Extractions`], which finds the values of
//! all paths at once and keeps them until the next batch comes. The values are views into the documents: no text is copied.
//!
//! Which paths are found together is learnt. Filters and projections see different batches, and a filter leaves few rows to the
//! next one: the first batch is searched for every path, each later one for those that were asked for together with its first.
//!
//! Limits: an extraction holds one batch of documents; a column has [`MAX_PATHS`] paths at most, further calls parse alone.

mod walk;

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, ByteView, RecordBatch, StringViewArray, make_view};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::CastExpr;

pub use walk::{Step, Trie};

/// Paths of a column that are found together at most: one for each bit of a set.
pub const MAX_PATHS: usize = 64;
/// Combinations of paths whose tries are kept.
const MAX_TRIES: usize = 16;

/// The paths that are asked of one column of a file range, and the values found in its newest batch.
#[derive(Debug, Default)]
pub struct Extractions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    paths: Vec<Vec<Step>>,
    /// For each path, the set of paths that were asked of the last batch of which it was the first.
    together: Vec<Option<u64>>,
    tries: HashMap<u64, Arc<Trie>>,
    newest: Option<Batch>,
}

/// The documents that were searched last. They are held, so that no other array can have their address.
#[derive(Debug)]
struct Batch {
    documents: ArrayRef,
    first: usize,
    asked: u64,
    values: Vec<Option<ArrayRef>>,
}

impl Extractions {
    /// Notes a path and returns its number; `None` where there are too many.
    pub fn add(&self, path: Vec<Step>) -> Option<usize> {
        let mut state = self.lock();
        if let Some(known) = state.paths.iter().position(|other| *other == path) {
            return Some(known);
        }
        let number = state.paths.len();
        (number < MAX_PATHS).then(|| {
            state.paths.push(path);
            state.together.push(None);
            number
        })
    }

    /// Finds the values at a path, each as its text in the document; null where there is none.
    ///
    /// # Errors
    /// Documents that are not text.
    pub fn values(&self, documents: &ArrayRef, path: usize) -> Result<ArrayRef> {
        self.lock().values(documents, path)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked has left whole batches or none.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn values(&mut self, documents: &ArrayRef, path: usize) -> Result<ArrayRef> {
        if !self.newest.as_ref().is_some_and(|batch| is_same(&batch.documents, documents)) {
            if let Some(batch) = self.newest.take() {
                self.together[batch.first] = Some(batch.asked);
            }
            let values = vec![None; self.paths.len()];
            self.newest = Some(Batch { documents: Arc::clone(documents), first: path, asked: 0, values });
        }
        let all = u64::MAX >> (u64::BITS as usize - self.paths.len());
        let Some(batch) = &mut self.newest else { return Ok(Arc::clone(documents)) };
        batch.values.resize(self.paths.len(), None);
        batch.asked |= 1 << path;
        if let Some(values) = &batch.values[path] {
            return Ok(Arc::clone(values));
        }
        let missing = (0..self.paths.len()).filter(|number| batch.values[*number].is_none());
        let missing = missing.fold(0, |set, number| set | 1 << number);
        let wanted = (self.together[path].unwrap_or(all) & missing) | 1 << path;
        let trie = match self.tries.get(&wanted) {
            Some(trie) => Arc::clone(trie),
            None => {
                let paths = self.paths.iter().enumerate().filter(|(number, _)| wanted & 1 << number != 0);
                let trie = Arc::new(Trie::of(paths.map(|(_, path)| path.clone())));
                if self.tries.len() >= MAX_TRIES {
                    self.tries.clear();
                }
                self.tries.insert(wanted, Arc::clone(&trie));
                trie
            }
        };
        let numbers = (0..self.paths.len()).filter(|number| wanted & 1 << number != 0);
        for (number, values) in numbers.zip(find_values(documents, &trie)?) {
            batch.values[number] = Some(values);
        }
        Ok(batch.values[path].as_ref().map_or_else(|| Arc::clone(documents), Arc::clone))
    }
}

/// Finds the values at all paths of a trie, one array a path.
fn find_values(documents: &ArrayRef, trie: &Trie) -> Result<Vec<ArrayRef>> {
    let documents = match documents.data_type() {
        DataType::Utf8View => Arc::clone(documents),
        _ => cast(documents, &DataType::Utf8View)?,
    };
    let documents: &StringViewArray = documents.as_string_view();
    let mut views: Vec<Vec<u128>> = vec![Vec::with_capacity(documents.len()); trie.len()];
    let mut is_there: Vec<Vec<bool>> = vec![Vec::with_capacity(documents.len()); trie.len()];
    let mut places = vec![None; trie.len()];
    let mut filter = trie.filter();
    for row in 0..documents.len() {
        places.fill(None);
        if documents.is_valid(row) {
            let text = documents.value(row);
            if filter.passes(text) {
                trie.find(text, &mut places);
            }
        }
        for (number, place) in places.iter().enumerate() {
            let view = place.as_ref().and_then(|(start, end): &(usize, usize)| {
                let document = ByteView::from(documents.views()[row]);
                let value = documents.value(row).as_bytes().get(*start..*end)?;
                let offset = document.offset + u32::try_from(*start).ok()?;
                Some(make_view(value, document.buffer_index, offset))
            });
            is_there[number].push(view.is_some());
            views[number].push(view.unwrap_or_default());
        }
    }
    let arrays = views.into_iter().zip(is_there).map(|(views, is_there)| -> Result<ArrayRef> {
        let buffers = documents.data_buffers().to_vec();
        let nulls = NullBuffer::from(is_there);
        Ok(Arc::new(StringViewArray::try_new(ScalarBuffer::from(views), buffers, Some(nulls))?))
    });
    arrays.collect()
}

/// Says whether two arrays are the same memory.
fn is_same(left: &ArrayRef, right: &ArrayRef) -> bool {
    Arc::ptr_eq(left, right) || (left.len() == right.len() && left.to_data().ptr_eq(&right.to_data()))
}

/// The text of the value at one path of the documents in a column.
#[derive(Debug, Clone)]
pub struct Extract {
    documents: Arc<dyn PhysicalExpr>,
    extractions: Arc<Extractions>,
    path: usize,
}

impl Extract {
    /// Makes the expression for a path that was [added](Extractions::add).
    pub fn new(documents: Arc<dyn PhysicalExpr>, extractions: Arc<Extractions>, path: usize) -> Self {
        Self { documents, extractions, path }
    }
}

impl PartialEq for Extract {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
            && Arc::ptr_eq(&self.extractions, &other.extractions)
            && self.documents.eq(&other.documents)
    }
}

impl Eq for Extract {}

impl Hash for Extract {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.documents.hash(state);
        Arc::as_ptr(&self.extractions).hash(state);
        self.path.hash(state);
    }
}

impl fmt::Display for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.extractions.lock().paths[self.path].clone();
        write!(f, "value({}", self.documents)?;
        path.iter().try_for_each(|step| write!(f, ", {step}"))?;
        write!(f, ")")
    }
}

impl PhysicalExpr for Extract {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        // A cast makes a new array each time; only what it is made of is known again.
        let documents = match self.documents.downcast_ref::<CastExpr>() {
            Some(cast) => match cast.expr().data_type(batch.schema_ref())? {
                DataType::Utf8 | DataType::LargeUtf8 => cast.expr(),
                _ => &self.documents,
            },
            None => &self.documents,
        };
        let documents = documents.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(self.extractions.values(&documents, self.path)?))
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

//! The columns that values are compared with, as one batch of rows has them.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringViewArray,
};
use arrow::datatypes::{ArrowNativeType, Float64Type, Int64Type};

use super::reader::Value;
use crate::error::{Error, Result};
use crate::shred::leaf::Kind;

/// A column, by the places of its parts in a batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// The values themselves.
    Own(Kind, usize),
    /// Texts that are another column's but in some rows: which rows, their texts, and that column.
    Copy([usize; 3]),
    /// What a function gives of texts.
    Computed(usize),
    /// A list of values a row.
    List(Kind, usize),
}

/// One column that is compared.
#[derive(Debug)]
pub(super) struct Column {
    source: Source,
    stored: Stored,
    /// Of lists, where each begins and ends among the values.
    lists: Option<ListArray>,
    /// A bit for each row, or value of a list, that the text has a value for.
    seen: Vec<u64>,
    count: usize,
}

/// The values of a batch.
#[derive(Debug)]
enum Stored {
    None,
    Text(StringViewArray),
    Copy { differs: BooleanArray, texts: StringViewArray, copied: StringViewArray },
    Integer(Int64Array),
    Float(Float64Array),
    Boolean(BooleanArray),
}

impl Column {
    pub fn new(source: Source) -> Self {
        Self { source, stored: Stored::None, lists: None, seen: Vec::new(), count: 0 }
    }

    /// Takes the values of a batch.
    ///
    /// # Errors
    /// A batch of other columns.
    pub fn begin(&mut self, batch: &RecordBatch) -> Result<()> {
        let column =
            |place: usize| batch.columns().get(place).ok_or_else(|| Error::internal("a column to compare is missing"));
        self.lists = None;
        self.stored = match self.source {
            Source::Own(kind, place) => Stored::of(kind, column(place)?)?,
            Source::Computed(place) => Stored::of(Kind::Text, column(place)?)?,
            Source::Copy([differs, texts, copied]) => Stored::Copy {
                differs: column(differs)?.as_boolean_opt().ok_or_else(other_type)?.clone(),
                texts: texts_of(column(texts)?)?,
                copied: texts_of(column(copied)?)?,
            },
            Source::List(kind, place) => {
                let lists = column(place)?.as_list_opt::<i32>().ok_or_else(other_type)?.clone();
                let ends = [0, lists.len()].map(|row| lists.value_offsets()[row].as_usize());
                let stored = Stored::of(kind, &lists.values().slice(ends[0], ends[1] - ends[0]))?;
                self.lists = Some(lists);
                stored
            }
        };
        self.seen.clear();
        self.seen.resize(self.len().div_ceil(64), 0);
        self.count = 0;
        Ok(())
    }

    /// How many rows there are, or values of lists.
    fn len(&self) -> usize {
        match &self.stored {
            Stored::None => 0,
            Stored::Text(array) => array.len(),
            Stored::Copy { copied, .. } => copied.len(),
            Stored::Integer(array) => array.len(),
            Stored::Float(array) => array.len(),
            Stored::Boolean(array) => array.len(),
        }
    }

    /// Where the list of a row is among the values; `None` where the row has none.
    pub fn list(&self, row: usize) -> Option<std::ops::Range<usize>> {
        let lists = self.lists.as_ref().filter(|lists| row < lists.len() && lists.is_valid(row))?;
        let place = |row: usize| (lists.value_offsets()[row] - lists.value_offsets()[0]).as_usize();
        Some(place(row)..place(row + 1))
    }

    /// Takes note that the text has a value in a row; says whether the column has the same.
    pub fn has(&mut self, row: usize, value: Value, text: &str) -> bool {
        if !self.stored.has(row, value, text) {
            return false;
        }
        self.seen[row / 64] |= 1 << (row % 64);
        self.count += 1;
        true
    }

    /// Finds the first row in which the column has a value that was not seen in the text.
    pub fn more(&self) -> Option<usize> {
        let rows = self.len();
        let unseen = |row: &usize| self.stored.is_valid(*row) && self.seen[row / 64] >> (row % 64) & 1 == 0;
        (self.stored.count(rows) != self.count).then(|| (0..rows).find(unseen)).flatten()
    }
}

impl Stored {
    fn of(kind: Kind, array: &ArrayRef) -> Result<Self> {
        Ok(match kind {
            Kind::Text | Kind::RawNumber => Self::Text(texts_of(array)?),
            Kind::Integer => Self::Integer(array.as_primitive_opt::<Int64Type>().ok_or_else(other_type)?.clone()),
            Kind::Float => Self::Float(array.as_primitive_opt::<Float64Type>().ok_or_else(other_type)?.clone()),
            Kind::Boolean => Self::Boolean(array.as_boolean_opt().ok_or_else(other_type)?.clone()),
        })
    }

    fn has(&self, row: usize, value: Value, text: &str) -> bool {
        if !self.is_valid(row) {
            return false;
        }
        match (self, value) {
            (Self::Text(array), _) => array.value(row) == text,
            (Self::Copy { differs, texts, copied }, _) => match is_set(differs, row) {
                true => texts.value(row) == text,
                false => copied.value(row) == text,
            },
            (Self::Integer(array), Value::Integer(integer)) => array.value(row) == integer,
            (Self::Float(array), Value::Float(float)) => array.value(row) == float,
            (Self::Boolean(array), Value::Boolean(boolean)) => array.value(row) == boolean,
            _ => false,
        }
    }

    fn is_valid(&self, row: usize) -> bool {
        match self {
            Self::None => false,
            Self::Text(array) => row < array.len() && array.is_valid(row),
            Self::Copy { differs, texts, copied } => {
                row < copied.len() && if is_set(differs, row) { texts.is_valid(row) } else { copied.is_valid(row) }
            }
            Self::Integer(array) => row < array.len() && array.is_valid(row),
            Self::Float(array) => row < array.len() && array.is_valid(row),
            Self::Boolean(array) => row < array.len() && array.is_valid(row),
        }
    }

    /// Counts the rows that have a value.
    fn count(&self, rows: usize) -> usize {
        let valid = |array: &dyn Array| array.len() - array.null_count();
        match self {
            Self::None => 0,
            Self::Text(array) => valid(array),
            Self::Copy { .. } => (0..rows).filter(|row| self.is_valid(*row)).count(),
            Self::Integer(array) => valid(array),
            Self::Float(array) => valid(array),
            Self::Boolean(array) => valid(array),
        }
    }
}

/// Says whether a row is marked; NULL is no mark.
fn is_set(differs: &BooleanArray, row: usize) -> bool {
    differs.is_valid(row) && differs.value(row)
}

pub(super) fn texts_of(array: &ArrayRef) -> Result<StringViewArray> {
    Ok(array.as_string_view_opt().ok_or_else(other_type)?.clone())
}

fn other_type() -> Error {
    Error::internal("a column to compare has another type")
}

//! Reads values whose places in their documents are known, as the functions of datafusion-functions-json do.
//!
//! For the functions that most queries call, this module parses the value and appends it to the column that the function returns. For every
//! other function the column holds the text of the value, as a view into its document, and the function itself parses that text.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, ByteView, Float64Builder, Int64Builder, NullBufferBuilder, StringViewArray,
    make_view,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};

use crate::functions::Asked;
use crate::json::Place;
use crate::json::elements::cut;
use crate::json::value::Value;
use crate::shred::elements::ListsBuilder;
use crate::shred::leaf::list_type;
use crate::shred::sparse::SparseTexts;

/// How a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// The text of the value as it stands, up to the end of a document that breaks off within it.
    Written,
    /// The same, but an object or array with all that stands behind it: what a function reads that goes no further than its end, and
    /// that would otherwise be gone over twice.
    Begun,
    /// `json_get_array`: the elements as they stand.
    Elements,
    /// The answer itself, where that is a text, a number, a truth value, or whether there is a value.
    Answer(Asked),
}

impl Reading {
    /// The type of the column.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Written | Self::Begun => DataType::Utf8View,
            Self::Elements => list_type(DataType::Utf8View),
            Self::Answer(asked) => asked.data_type(),
        }
    }

    /// Says whether the end of an object or array is to be found.
    pub(super) fn takes_containers(self) -> bool {
        matches!(self, Self::Written | Self::Elements | Self::Answer(Asked::AnyText))
    }
}

/// A column that grows by what is found; rows without a place cost nothing until the next one or the end.
pub(super) struct Column {
    reading: Reading,
    values: Values,
    /// Rows that the column has, null ones filled in.
    rows: usize,
}

enum Values {
    Views { views: Vec<u128>, nulls: NullBufferBuilder },
    Elements { views: Vec<u128>, lists: ListsBuilder, ranges: Vec<Range<usize>> },
    Text(SparseTexts),
    Integer(Int64Builder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
}

impl Column {
    pub(super) fn new(reading: Reading, rows: usize) -> Self {
        let values = match reading {
            Reading::Elements => Values::Elements { views: Vec::new(), lists: ListsBuilder::new(), ranges: Vec::new() },
            Reading::Answer(Asked::Text | Asked::AnyText) => Values::Text(SparseTexts::new(rows)),
            Reading::Answer(Asked::Integer) => Values::Integer(Int64Builder::with_capacity(rows)),
            Reading::Answer(Asked::Float) => Values::Float(Float64Builder::with_capacity(rows)),
            Reading::Answer(Asked::Presence | Asked::Boolean) => Values::Boolean(BooleanBuilder::with_capacity(rows)),
            Reading::Written | Reading::Begun | Reading::Answer(_) => {
                Values::Views { views: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
            }
        };
        Self { reading, values, rows: 0 }
    }

    /// Fills in rows for which there was no place.
    fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.rows);
        match &mut self.values {
            Values::Views { views, nulls } => {
                nulls.append_n_nulls(missing);
                views.resize(rows, 0);
            }
            // Lists and texts know their rows.
            Values::Elements { .. } | Values::Text(_) => {}
            Values::Integer(builder) => builder.append_nulls(missing),
            Values::Float(builder) => builder.append_nulls(missing),
            Values::Boolean(builder) if self.reading == Reading::Answer(Asked::Presence) => {
                builder.append_n(missing, false)
            }
            Values::Boolean(builder) => builder.append_nulls(missing),
        }
        self.rows = rows;
    }

    /// Appends what is read at a place of the document of a row. Rows come in order, each once at most.
    pub(super) fn append(&mut self, row: usize, document: Document<'_>, place: Place) {
        self.pad(row);
        self.rows = row + 1;
        let value = Value::at(document.read, place);
        match &mut self.values {
            Values::Views { views, nulls } => {
                let shown = value.and_then(|value| document.show(place.start..place.start + value.text.len()));
                nulls.append(shown.is_some());
                views.push(shown.unwrap_or_default());
            }
            Values::Elements { views, lists, ranges } => {
                let is_cut = value.is_some_and(|it| it.text.starts_with('[') && cut(it.text, ranges).is_ok());
                let element = |range: &Range<usize>| document.show(place.start + range.start..place.start + range.end);
                let shown = is_cut.then(|| ranges.iter().map(element).collect::<Option<Vec<u128>>>()).flatten();
                if let Some(shown) = shown {
                    lists.append(row, shown.len());
                    views.extend(shown);
                }
            }
            Values::Text(texts) => {
                if let Some(value) =
                    value.filter(|value| self.reading == Reading::Answer(Asked::AnyText) || value.is_string())
                {
                    value.with_text(|text| text.into_iter().for_each(|text| texts.append(row, text)));
                }
            }
            Values::Integer(builder) => builder.append_option(value.and_then(Value::integer)),
            Values::Float(builder) => builder.append_option(value.and_then(Value::float)),
            Values::Boolean(builder) => match self.reading {
                Reading::Answer(Asked::Presence) => builder.append_value(value.is_some()),
                _ => builder.append_option(value.and_then(Value::boolean)),
            },
        }
    }

    /// Returns the column; the views of [`Reading::Written`] and [`Reading::Begun`] point into the documents.
    pub(super) fn finish(mut self, documents: &StringViewArray) -> Result<ArrayRef> {
        self.pad(documents.len());
        Ok(match self.values {
            Values::Views { views, mut nulls } => {
                let buffers = documents.data_buffers().to_vec();
                Arc::new(StringViewArray::try_new(ScalarBuffer::from(views), buffers, nulls.finish())?)
            }
            Values::Elements { views, lists, .. } => {
                let buffers = documents.data_buffers().to_vec();
                let elements = StringViewArray::try_new(ScalarBuffer::from(views), buffers, None)?;
                lists.finish(documents.len()).of(Arc::new(elements)).map_err(DataFusionError::from)?
            }
            Values::Text(texts) => texts.finish(documents.len()),
            Values::Integer(mut builder) => Arc::new(builder.finish()),
            Values::Float(mut builder) => Arc::new(builder.finish()),
            Values::Boolean(mut builder) => Arc::new(builder.finish()),
        })
    }
}

/// A document of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    /// Its text.
    pub text: &'a str,
    /// What is read of it: the same, but for halves of surrogate pairs.
    pub read: &'a str,
    /// The view of the text.
    pub view: u128,
}

impl Document<'_> {
    /// Returns a view of a part; `None` beyond what views can show.
    fn show(self, part: Range<usize>) -> Option<u128> {
        let document = ByteView::from(self.view);
        let offset = document.offset.checked_add(u32::try_from(part.start).ok()?)?;
        Some(make_view(self.text.get(part)?.as_bytes(), document.buffer_index, offset))
    }
}

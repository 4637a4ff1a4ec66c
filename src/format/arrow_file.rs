//! Writes Arrow IPC files, the format that readers of `.arrow` and `.feather` expect (`pyarrow.ipc.open_file`).
//!
//! The file format rather than the stream: it starts with the same stream, and a reader of files can seek in it; it is written
//! front to back, so a pipe will do. Not compressed, so that it can be mapped into memory. Dictionaries are unpacked, because a
//! file can hold one dictionary a column only and a result may come with many; all other types stay, views included. Equal
//! column names are numbered as in JSON.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;

use super::sink::{Sink, SinkState, sink_error};
use super::{ResultWriter, Written, check_columns, unique_fields};
use crate::{Error, Result};

/// Writes one result as an Arrow IPC file.
pub(super) struct ArrowFileWriter {
    writer: FileWriter<BufWriter<Sink>>,
    /// The schema of the result.
    result: SchemaRef,
    /// The schema of the file.
    schema: SchemaRef,
    state: SinkState,
    rows: u64,
}

impl ArrowFileWriter {
    /// Makes the writer and writes the file's schema.
    pub(super) fn new(result: SchemaRef, sink: Sink) -> Result<Self> {
        let fields: Vec<Field> = unique_fields(&result).into_iter().map(unpacked_field).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, result.metadata().clone()));
        let state = sink.state();
        let writer = FileWriter::try_new_buffered(sink, &schema).map_err(|error| failed(&state, &error))?;
        Ok(Self { writer, result, schema, state, rows: 0 })
    }
}

fn failed(state: &SinkState, error: &ArrowError) -> Error {
    state.error_or(|| Error::internal(format!("cannot write arrow: {error}")))
}

/// Returns a field whose type holds no dictionaries, as far as Arrow can unpack them.
fn unpacked_field(field: Field) -> Field {
    let unpacked = unpacked(field.data_type());
    if unpacked != *field.data_type() && can_cast_types(field.data_type(), &unpacked) {
        field.with_data_type(unpacked)
    } else {
        field
    }
}

fn unpacked(data_type: &DataType) -> DataType {
    let item = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(unpacked(field.data_type())));
    match data_type {
        DataType::Dictionary(_, value) => unpacked(value),
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(item(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        DataType::Map(field, sorted) => DataType::Map(item(field), *sorted),
        other => other.clone(),
    }
}

/// Copies the bytes that views refer to where they are the lesser part of the buffers behind them: a filtered batch still
/// holds the text of all rows, and IPC would write it.
fn compacted(array: ArrayRef) -> ArrayRef {
    const SLACK_BYTES: usize = 64 * 1024;
    let is_loose = |buffers: &[arrow::buffer::Buffer], used: usize| {
        buffers.iter().map(|buffer| buffer.len()).sum::<usize>() > 2 * used + SLACK_BYTES
    };
    match array.data_type() {
        DataType::Utf8View => {
            let views = array.as_string_view();
            if is_loose(views.data_buffers(), views.total_buffer_bytes_used()) { Arc::new(views.gc()) } else { array }
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            if is_loose(views.data_buffers(), views.total_buffer_bytes_used()) { Arc::new(views.gc()) } else { array }
        }
        _ => array,
    }
}

impl ResultWriter for ArrowFileWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.result, batch)?;
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (column, field) in batch.columns().iter().zip(self.schema.fields()) {
            let same = column.data_type() == field.data_type();
            columns.push(compacted(if same { Arc::clone(column) } else { cast(column, field.data_type())? }));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        self.writer.write(&batch).map_err(|error| failed(&self.state, &error))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        let Self { mut writer, state, rows, .. } = *self;
        writer.finish().map_err(|error| failed(&state, &error))?;
        writer.get_mut().flush().map_err(sink_error)?;
        Ok(Written { rows, bytes: state.bytes(), cut_cells: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::array::{DictionaryArray, StringArray, StringViewArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int8Type;
    use arrow::ipc::reader::FileReader;
    use proptest::prelude::*;

    use super::super::testing::{all_types, any_batches, batch, render_bytes};
    use super::super::{FormatOptions, OutputFormat};
    use super::*;

    fn round_trip(batches: &[RecordBatch]) -> RecordBatch {
        let bytes = render_bytes(OutputFormat::Arrow, &FormatOptions::default(), batches);
        let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
        let schema = reader.schema();
        let batches: Vec<RecordBatch> = reader.map(std::result::Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    #[test]
    fn every_type_comes_back() {
        for (name, array) in all_types() {
            let rows = batch([(name.as_str(), array)]);
            let read = round_trip(std::slice::from_ref(&rows));
            assert_eq!(read.num_rows(), rows.num_rows(), "{name}");
            if !name.starts_with("dictionary") {
                assert_eq!(read, rows, "{name}");
            }
        }
    }

    #[test]
    fn dictionaries_that_differ_from_batch_to_batch_are_unpacked() {
        let part = |texts: [&str; 2]| {
            let array: DictionaryArray<Int8Type> = texts.into_iter().collect();
            batch([("d", Arc::new(array) as _)])
        };
        let read = round_trip(&[part(["a", "b"]), part(["c", "a"])]);
        assert_eq!(read.column(0).as_ref(), &StringArray::from(vec!["a", "b", "c", "a"]) as &dyn Array);
    }

    #[test]
    fn a_few_rows_of_a_large_batch_do_not_carry_all_of_its_text() {
        let texts: StringViewArray = (0..10_000).map(|n| Some(format!("a text too long to be inlined {n}"))).collect();
        let few = batch([("t", Arc::new(texts) as _)]).slice(17, 2);
        let bytes = render_bytes(OutputFormat::Arrow, &FormatOptions::default(), std::slice::from_ref(&few));
        assert!(bytes.len() < 2_000, "{}", bytes.len());
        assert_eq!(round_trip(std::slice::from_ref(&few)), few);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn batches_come_back_as_they_were(batches in any_batches()) {
            let expected = concat_batches(&batches[0].schema(), &batches).unwrap();
            prop_assert_eq!(round_trip(&batches), expected);
        }
    }
}

//! Writes Arrow IPC files, the format that readers of `.arrow` and `.feather` expect (`pyarrow.ipc.open_file`), and streams of the same
//! messages for readers that take rows as they come (`pyarrow.ipc.open_stream`).
//!
//! The file format rather than the stream: it starts with the same stream, and a reader of files can seek in it; it is written
//! front to back, so a pipe will do. Not compressed, so that it can be mapped into memory. Dictionaries are unpacked, because a
//! file can hold one dictionary a column only and a result may come with many; other types are plain (`plain_types`). Equal
//! column names are numbered as in JSON.

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};

use super::plain_types::{Target, plain_batches, plain_field};
use super::sink::{Sink, SinkState, sink_error};
use super::{ResultWriter, Written, check_columns, unique_fields};
use crate::{Error, Result};

/// What messages are written into.
enum Frame {
    File(FileWriter<BufWriter<Sink>>),
    /// Without a buffer: what a message has must not wait for the next one.
    Stream(StreamWriter<Sink>),
}

impl Frame {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match self {
            Self::File(writer) => writer.write(batch),
            Self::Stream(writer) => writer.write(batch),
        }
    }

    fn finish(&mut self) -> Result<(), ArrowError> {
        match self {
            Self::File(writer) => writer.finish(),
            Self::Stream(writer) => writer.finish(),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(writer) => writer.get_mut().flush(),
            Self::Stream(writer) => writer.get_mut().flush(),
        }
    }
}

/// Writes one result as an Arrow IPC file or stream.
pub(super) struct ArrowFileWriter {
    writer: Frame,
    /// The schema of the result.
    result: SchemaRef,
    /// The schema of the file.
    schema: SchemaRef,
    state: SinkState,
    rows: u64,
}

impl ArrowFileWriter {
    /// Makes the writer of a file and writes its schema.
    pub(super) fn new(result: SchemaRef, sink: Sink) -> Result<Self> {
        let file = |sink, schema: &Schema| FileWriter::try_new_buffered(sink, schema).map(Frame::File);
        Self::within(result, sink, file)
    }

    /// Makes the writer of a stream and writes its schema.
    pub(super) fn stream(result: SchemaRef, sink: Sink) -> Result<Self> {
        let stream = |sink, schema: &Schema| StreamWriter::try_new(sink, schema).map(Frame::Stream);
        Self::within(result, sink, stream)
    }

    fn within(
        result: SchemaRef,
        sink: Sink,
        frame: impl FnOnce(Sink, &Schema) -> Result<Frame, ArrowError>,
    ) -> Result<Self> {
        let fields: Vec<Field> =
            unique_fields(&result).into_iter().map(|field| plain_field(field, Target::Arrow)).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, result.metadata().clone()));
        let state = sink.state();
        let writer = frame(sink, &schema).map_err(|error| failed(&state, &error))?;
        Ok(Self { writer, result, schema, state, rows: 0 })
    }
}

fn failed(state: &SinkState, error: &ArrowError) -> Error {
    state.error_or(|| Error::internal(format!("cannot write arrow: {error}")))
}

impl ResultWriter for ArrowFileWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.result, batch)?;
        for batch in plain_batches(batch, &self.schema)? {
            self.writer.write(&batch).map_err(|error| failed(&self.state, &error))?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Written> {
        let Self { mut writer, state, rows, .. } = *self;
        writer.finish().map_err(|error| failed(&state, &error))?;
        writer.flush().map_err(sink_error)?;
        Ok(Written { rows, bytes: state.bytes(), cut_cells: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::array::{Array, DictionaryArray, StringArray, StringViewArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int8Type;
    use arrow::ipc::reader::{FileReader, StreamReader};
    use proptest::prelude::*;

    use super::super::testing::{SharedSink, all_types, any_batches, batch, render_bytes, sample_batch};
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
                assert_eq!(read, plain_batches(&rows, &read.schema()).unwrap().remove(0), "{name}");
            }
        }
    }

    #[test]
    fn a_stream_has_the_rows_as_they_come() {
        let rows = sample_batch();
        let sink = SharedSink::default();
        let mut writer = super::super::arrow_stream(rows.schema(), Box::new(sink.clone())).unwrap();
        writer.write(&rows).unwrap();
        let before = sink.bytes();
        let first = StreamReader::try_new(Cursor::new(before), None).unwrap().next().unwrap().unwrap();
        assert_eq!(first.num_rows(), rows.num_rows());
        writer.write(&rows).unwrap();
        assert_eq!(writer.finish().unwrap().rows, 2 * rows.num_rows() as u64);
        let read = StreamReader::try_new(Cursor::new(sink.bytes()), None).unwrap();
        assert_eq!(read.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2 * rows.num_rows());
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
        let read = round_trip(std::slice::from_ref(&few));
        assert_eq!(read, plain_batches(&few, &read.schema()).unwrap().remove(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn batches_come_back_as_they_were(batches in any_batches()) {
            let expected = concat_batches(&batches[0].schema(), &batches).unwrap();
            let read = round_trip(&batches);
            let expected = plain_batches(&expected, &read.schema()).unwrap().remove(0);
            prop_assert_eq!(read, expected);
        }
    }
}

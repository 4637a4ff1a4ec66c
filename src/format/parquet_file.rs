//! Writes Parquet files: zstd, row groups bounded in rows and bytes.
//!
//! The file carries the Arrow schema, of plain types (`plain_types`) and dictionaries. Equal column names are numbered
//! as in JSON, since most readers address columns by name. Parquet has no unions, no empty structs and, inside of lists and structs, no
//! intervals finer than milliseconds: those columns are refused by name rather than changed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::plain_types::{Target, plain_batches, plain_field};
use super::sink::{Sink, SinkState};
use super::{ResultWriter, Written, check_columns, unique_fields};
use crate::{Error, Result};

/// Encoded bytes of a row group, all of which are held until it is complete.
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;
const ROW_GROUP_ROWS: usize = 1_048_576;

/// Writes one result as a Parquet file.
pub(super) struct ParquetFileWriter {
    writer: ArrowWriter<Sink>,
    /// The schema of the result.
    result: SchemaRef,
    /// The schema of the file.
    schema: SchemaRef,
    state: SinkState,
    rows: u64,
}

impl ParquetFileWriter {
    /// Makes the writer, after a look at every column's type.
    pub(super) fn new(schema: SchemaRef, sink: Sink) -> Result<Self> {
        let fields: Vec<Field> =
            unique_fields(&schema).into_iter().map(|field| plain_field(field, Target::Parquet)).collect();
        let result = schema;
        let schema = Arc::new(Schema::new_with_metadata(fields, result.metadata().clone()));
        if schema.fields().is_empty() {
            return Err(Error::usage("a result without columns cannot be written as parquet"));
        }
        for field in schema.fields() {
            if let Some((part, instead)) = unsupported(field.data_type()) {
                let message = format!(
                    "column {:?} of type {} cannot be written as parquet: it has no {part}",
                    field.name(),
                    field.data_type()
                );
                return Err(Error::usage(message).with_hint(instead));
            }
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_created_by(concat!("sessionlake ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let state = sink.state();
        let writer = ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))
            .map_err(|error| failed(&state, &error))?;
        Ok(Self { writer, result, schema, state, rows: 0 })
    }
}

/// Returns the first part of a type that Parquet cannot hold, and what to do instead.
fn unsupported(data_type: &DataType) -> Option<(&'static str, &'static str)> {
    match data_type {
        DataType::Union(_, _) => Some(("unions", "take the value as text, with ->> or a cast, or write arrow")),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Some(("intervals of nanoseconds", "cast the interval to text, or write arrow"))
        }
        DataType::Struct(fields) if fields.is_empty() => Some(("structs without fields", "leave the column out")),
        DataType::Struct(fields) => fields.iter().find_map(|field| unsupported(field.data_type())),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _)
        | DataType::RunEndEncoded(_, item) => unsupported(item.data_type()),
        DataType::Dictionary(_, value) => unsupported(value),
        _ => None,
    }
}

fn failed(state: &SinkState, error: &ParquetError) -> Error {
    state.error_or(|| match error {
        ParquetError::NYI(message) => Error::usage(format!("the result cannot be written as parquet: {message}"))
            .with_hint("cast the column to text, or write arrow"),
        other => Error::internal(format!("cannot write parquet: {other}")),
    })
}

impl ResultWriter for ParquetFileWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // Names and metadata of the batch may differ from the schema's; types and nulls may not.
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
        std::io::Write::flush(writer.inner_mut()).map_err(super::sink::sink_error)?;
        Ok(Written { rows, bytes: state.bytes(), cut_cells: 0 })
    }
}

#[cfg(test)]
mod tests {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::testing::{all_types, any_batches, batch, render_bytes, sample_batch};
    use super::super::{FormatOptions, OutputFormat, writer};
    use super::*;
    use arrow::compute::concat_batches;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> RecordBatch {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = Arc::clone(builder.schema());
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    fn round_trip(batches: &[RecordBatch]) -> RecordBatch {
        read(&render_bytes(OutputFormat::Parquet, &FormatOptions::default(), batches))
    }

    #[test]
    fn every_type_is_written_or_refused_by_name() {
        let mut refused = Vec::new();
        for (name, array) in all_types() {
            // Of seconds it holds those of microseconds; the sample has the first and the last of all.
            if name == "timestamp s" {
                continue;
            }
            let rows = batch([(name.as_str(), array)]);
            match writer(OutputFormat::Parquet, &FormatOptions::default(), rows.schema(), Box::new(std::io::sink())) {
                Ok(_) => assert_eq!(round_trip(std::slice::from_ref(&rows)).num_rows(), rows.num_rows(), "{name}"),
                Err(error) => {
                    assert!(matches!(error, Error::Usage { .. }) && error.to_string().contains(&name), "{error}");
                    assert!(error.hint().is_some());
                    refused.push(name);
                }
            }
        }
        assert_eq!(refused, ["sparse union", "dense union"]);
    }

    #[test]
    fn equal_names_are_numbered_and_an_empty_result_is_a_file() {
        let column = sample_batch().column(0).clone();
        let read = round_trip(&[batch([("x", column.clone()), ("x", column)]).slice(0, 0)]);
        assert_eq!(read.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["x", "x_2"]);
        assert_eq!(read.num_rows(), 0);
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

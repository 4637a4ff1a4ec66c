//! The types that columns have in files of Arrow and Parquet: plain ones, which every reader knows.
//!
//! Inside, text is in views. Outside, readers refuse them in places (daft 0.7 whole files, pandas 3 lists of them), and an Arrow type
//! in a Parquet file's footer is an order to them to make that type. Seconds since 1970 have no unit in Parquet. Intervals of months, days
//! and times are text as in JSON: of the readers tried pyarrow, pandas and DuckDB know them, while polars and ClickHouse refuse a file of
//! Arrow that has one, and Parquet has no type for them. Durations are numbers of a unit, which all of them read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef, TimeUnit};

use super::value::{DisplayZone, Form, values};
use crate::{Error, Result};

/// Bytes of text that one column of a batch may have: plain text counts them in 31 bits.
const MOST_TEXT_BYTES: usize = 1 << 30;

/// The kind of file that types are made plain for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A file holds one dictionary a column, and a result may have many.
    Arrow,
    /// There is no instant in seconds.
    Parquet,
}

/// Returns a field whose type is plain, as far as Arrow can make it so.
pub(super) fn plain_field(field: Field, target: Target) -> Field {
    if let DataType::Interval(_) = field.data_type() {
        return field.with_data_type(DataType::Utf8);
    }
    let made = plain(field.data_type(), target);
    if made != *field.data_type() && can_cast_types(field.data_type(), &made) {
        field.with_data_type(made)
    } else {
        field
    }
}

fn plain(data_type: &DataType, target: Target) -> DataType {
    let inner = |data_type: &DataType| plain(data_type, target);
    let item = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(inner(field.data_type())));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Timestamp(TimeUnit::Second, zone) if target == Target::Parquet => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        DataType::Dictionary(_, value) if target == Target::Arrow => inner(value),
        DataType::Dictionary(key, value) => DataType::Dictionary(key.clone(), Box::new(inner(value))),
        DataType::List(field) | DataType::ListView(field) => DataType::List(item(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(item(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        DataType::Map(field, sorted) => DataType::Map(item(field), *sorted),
        other => other.clone(),
    }
}

/// Returns the rows of a batch with the types of a schema of plain fields, in as many batches as plain text needs.
///
/// # Errors
/// A value that its plain type cannot hold, such as an instant in seconds beyond the years of microseconds.
pub(super) fn plain_batches(batch: &RecordBatch, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
    in_pieces(batch, schema, MOST_TEXT_BYTES)
}

fn in_pieces(batch: &RecordBatch, schema: &SchemaRef, most_text_bytes: usize) -> Result<Vec<RecordBatch>> {
    let mut made = Vec::new();
    let mut waiting = vec![batch.clone()];
    while let Some(batch) = waiting.pop() {
        let rows = batch.num_rows();
        if rows > 1 && batch.columns().iter().any(|column| text_bytes(column) > most_text_bytes) {
            waiting.push(batch.slice(rows / 2, rows - rows / 2));
            waiting.push(batch.slice(0, rows / 2));
            continue;
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns: Vec<ArrayRef> = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| match column.data_type() {
                DataType::Interval(_) if *field.data_type() == DataType::Utf8 => Ok(interval_texts(column)),
                data_type if data_type == field.data_type() => Ok(Arc::clone(column)),
                _ => cast_with_options(column, field.data_type(), &options).map_err(|error| {
                    Error::usage(format!(
                        "column {:?} cannot be written as {}: {error}",
                        field.name(),
                        field.data_type()
                    ))
                    .with_hint("cast the column to text")
                }),
            })
            .collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        made.push(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?);
    }
    Ok(made)
}

/// Writes intervals as ISO 8601 does: `P1M2DT3H4M5.5S`.
fn interval_texts(column: &ArrayRef) -> ArrayRef {
    let values = values(column.as_ref(), Form::Text, DisplayZone::Utc);
    let text = |row| {
        let mut text = String::new();
        (!values.is_null(row)).then(|| {
            values.append(row, &mut text);
            text
        })
    };
    Arc::new((0..column.len()).map(text).collect::<StringArray>())
}

/// Sums the bytes of a column of views; the lower half of the lower 64 bits of a view is its length.
fn text_bytes(column: &ArrayRef) -> usize {
    let sum = |views: &[u128]| views.iter().map(|view| (view & 0xFFFF_FFFF) as usize).sum();
    match column.data_type() {
        DataType::Utf8View => sum(column.as_string_view().views()),
        DataType::BinaryView => sum(column.as_binary_view().views()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DurationMicrosecondArray, IntervalMonthDayNanoArray, StringViewArray, TimestampSecondArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{IntervalMonthDayNano, Schema, TimestampMicrosecondType};

    use super::super::testing::{all_types, batch};
    use super::*;

    fn plain_schema(batch: &RecordBatch, target: Target) -> SchemaRef {
        let fields =
            batch.schema().fields().iter().map(|field| plain_field(field.as_ref().clone(), target)).collect::<Vec<_>>();
        Arc::new(Schema::new(fields))
    }

    #[test]
    fn no_view_is_left() {
        for (name, array) in all_types() {
            let rows = batch([(name.as_str(), array)]);
            for target in [Target::Arrow, Target::Parquet] {
                let schema = plain_schema(&rows, target);
                let written = format!("{:?}", schema.field(0).data_type());
                let is_kept = written.contains("Union") || written.contains("RunEndEncoded");
                assert!(is_kept || !written.contains("View"), "{name}: {written}");
                if name != "timestamp s" {
                    let made = plain_batches(&rows, &schema).unwrap();
                    assert_eq!(made.iter().map(RecordBatch::num_rows).sum::<usize>(), rows.num_rows(), "{name}");
                }
            }
        }
    }

    #[test]
    fn seconds_get_a_unit_in_parquet_and_one_that_does_not_fit_is_an_error() {
        let rows = |second| batch([("t", Arc::new(TimestampSecondArray::from(vec![second])) as ArrayRef)]);
        let schema = plain_schema(&rows(1), Target::Parquet);
        let made = plain_batches(&rows(1), &schema).unwrap().remove(0);
        assert_eq!(made.column(0).as_primitive::<TimestampMicrosecondType>().value(0), 1_000_000);
        let error = plain_batches(&rows(i64::MAX), &schema).unwrap_err();
        assert!(matches!(error, Error::Usage { .. }) && error.to_string().contains("column \"t\""), "{error}");
        assert_eq!(plain_schema(&rows(1), Target::Arrow), rows(1).schema());
    }

    #[test]
    fn intervals_are_texts_and_durations_stay_numbers_of_a_unit() {
        let interval = IntervalMonthDayNanoArray::from(vec![
            Some(IntervalMonthDayNano::new(14, 3, 3_600_000_500_000_000)),
            None,
            Some(IntervalMonthDayNano::new(0, -1, 1_000)),
        ]);
        let duration = DurationMicrosecondArray::from(vec![Some(1_500_000), None, Some(-1)]);
        let rows = batch([("i", Arc::new(interval) as ArrayRef), ("d", Arc::new(duration) as ArrayRef)]);
        for target in [Target::Arrow, Target::Parquet] {
            let schema = plain_schema(&rows, target);
            let made = plain_batches(&rows, &schema).unwrap().remove(0);
            let texts: Vec<_> = made.column(0).as_string::<i32>().iter().collect();
            assert_eq!(texts, [Some("P1Y2M3DT1000H0.5S"), None, Some("P-1DT0.000001S")]);
            assert_eq!(made.column(1), rows.column(1));
        }
    }

    #[test]
    fn text_that_plain_columns_cannot_count_is_written_in_pieces() {
        let texts: StringViewArray = (0..100).map(|n| Some(format!("a text too long to be inlined {n:2}"))).collect();
        let rows = batch([("t", Arc::new(texts) as ArrayRef)]);
        let schema = plain_schema(&rows, Target::Parquet);
        let pieces = in_pieces(&rows, &schema, 1_000).unwrap();
        assert_eq!(pieces.len(), 4);
        assert_eq!(concat_batches(&schema, &pieces).unwrap(), plain_batches(&rows, &schema).unwrap().remove(0));
        assert_eq!(in_pieces(&rows, &schema, 0).unwrap().len(), 100, "a row is never cut");
    }
}

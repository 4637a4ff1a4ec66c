//! The rows of a report in batches that depend on nothing but the rows.
//!
//! Files of Arrow and Parquet show where batches end, and those of Arrow what stands under a null. An operator that is spread over threads or machines
//! gives batches as they come; here they are cut anew, so that the same rows are the same bytes wherever they were computed.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MutableArrayData, RecordBatch, make_array};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use crate::error::Result;

/// Rows of a batch.
const ROWS: usize = 8_192;

/// Says whether the bytes of a column depend on its values alone once it is cut anew: nested columns are not looked into.
pub fn is_flat(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Boolean => true,
        other => other.is_primitive(),
    }
}

/// Cuts the rows of a report anew.
pub enum Recut {
    /// They are.
    Cut(Box<BatchCoalescer>, SchemaRef),
    /// Rows with lists or structures stay as they come; they are computed in one order.
    AsTheyCome,
}

impl Recut {
    /// Begins to cut the rows of a result.
    pub fn of(schema: &SchemaRef) -> Self {
        match schema.fields().iter().all(|field| is_flat(field.data_type())) {
            true => Self::Cut(Box::new(BatchCoalescer::new(Arc::clone(schema), ROWS)), Arc::clone(schema)),
            false => Self::AsTheyCome,
        }
    }

    /// Takes rows, and returns those whose batches are full.
    ///
    /// # Errors
    /// Columns that are others than those of the result.
    pub fn add(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let Self::Cut(cutter, schema) = self else { return Ok(vec![batch]) };
        // Two plans of one query may differ in what they know of nulls.
        cutter.push_batch(RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())?)?;
        full(cutter)
    }

    /// Returns what is left.
    ///
    /// # Errors
    /// A defect.
    pub fn finish(self) -> Result<Vec<RecordBatch>> {
        let Self::Cut(mut cutter, _) = self else { return Ok(Vec::new()) };
        cutter.finish_buffered_batch()?;
        full(&mut cutter)
    }
}

fn full(cutter: &mut BatchCoalescer) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = cutter.next_completed_batch() {
        let columns = batch.columns().iter().map(with_nothing_under_nulls).collect::<Result<_, ArrowError>>()?;
        batches.push(RecordBatch::try_new(batch.schema(), columns)?);
    }
    Ok(batches)
}

/// Puts zeros where a column has no value, and leaves out a mask that hides nothing.
fn with_nothing_under_nulls(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let is_clean = column.nulls().is_none() && *column.data_type() != DataType::Boolean;
    if is_clean {
        return Ok(Arc::clone(column));
    }
    let data = column.to_data();
    let mut made = MutableArrayData::new(vec![&data], column.null_count() > 0, column.len());
    let mut at = 0;
    match column.nulls().filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => {
            for (begin, end) in nulls.valid_slices() {
                made.try_extend_nulls(begin - at)?;
                made.try_extend(0, begin, end)?;
                at = end;
            }
            made.try_extend_nulls(column.len() - at)?;
        }
        None => made.try_extend(0, 0, column.len())?,
    }
    Ok(make_array(made.freeze()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Int64Array, StringViewArray};
    use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::format::{FormatOptions, OutputFormat, writer};

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("t", DataType::Utf8View, true),
            Field::new("b", DataType::Boolean, true),
        ]))
    }

    /// Rows of which each third has nulls over `under`; where none has, the mask is there or not.
    fn rows(from: usize, to: usize, under: i64, masked: bool) -> RecordBatch {
        let count = to - from;
        let mask: Vec<bool> = (from..to).map(|row| row % 3 != 0 || row > 20_000).collect();
        let has_null = mask.contains(&false);
        let nulls = (has_null || masked).then(|| NullBuffer::from(mask.clone()));
        let numbers = (from..to).zip(&mask).map(|(row, valid)| if *valid { row as i64 } else { under });
        let numbers = Int64Array::new(ScalarBuffer::from_iter(numbers), nulls.clone());
        let texts: StringViewArray = (from..to)
            .zip(&mask)
            .map(|(row, valid)| valid.then(|| format!("a text that is long enough: {row}")))
            .collect();
        let flags = BooleanArray::new(BooleanBuffer::collect_bool(count, |row| (from + row).is_multiple_of(2)), nulls);
        RecordBatch::try_new(schema(), vec![Arc::new(numbers), Arc::new(texts), Arc::new(flags)]).unwrap()
    }

    fn written(batches: Vec<RecordBatch>, format: OutputFormat) -> Vec<u8> {
        let path = tempfile::NamedTempFile::new().unwrap();
        let sink = Box::new(path.reopen().unwrap());
        let mut writer = writer(format, &FormatOptions::default(), schema(), sink).unwrap();
        let mut recut = Recut::of(&schema());
        for batch in batches {
            for batch in recut.add(batch).unwrap() {
                writer.write(&batch).unwrap();
            }
        }
        for batch in recut.finish().unwrap() {
            writer.write(&batch).unwrap();
        }
        writer.finish().unwrap();
        std::fs::read(path.path()).unwrap()
    }

    #[test]
    fn the_same_rows_are_the_same_bytes_however_they_come() {
        for format in [OutputFormat::Arrow, OutputFormat::Parquet] {
            let whole = written(vec![rows(0, 30_001, 0, false)], format);
            let cuts = [0, 1, 700, 8_192, 8_193, 20_000, 29_999, 30_001];
            let parts = |under, masked| cuts.windows(2).map(|cut| rows(cut[0], cut[1], under, masked)).collect();
            assert!(written(parts(0, false), format) == whole, "{format:?}");
            assert!(written(parts(77, true), format) == whole, "{format:?}");
            let sliced = rows(0, 30_001, -1, true);
            let slices = cuts.windows(2).map(|cut| sliced.slice(cut[0], cut[1] - cut[0])).collect();
            assert!(written(slices, format) == whole, "{format:?}");
        }
    }

    #[test]
    fn nothing_is_written_of_no_rows() {
        let mut recut = Recut::of(&schema());
        assert!(recut.add(RecordBatch::new_empty(schema())).unwrap().is_empty());
        assert!(recut.finish().unwrap().is_empty());
        let nested = Schema::new(vec![Field::new_list("l", Field::new_list_field(DataType::Int64, true), true)]);
        assert!(matches!(Recut::of(&Arc::new(nested)), Recut::AsTheyCome));
    }
}

//! Looks at a part of a file's first rows, to tell how its columns are best encoded.
//!
//! What a column takes in a row group is told from what a sample of it has. The texts of its dictionary count with their lengths, and those that
//! the sample has once stand for as many others as the row group has rows for each of the sample: a pool of payloads, of which
//! 4,096 rows had 256, took 1.6 MB in each row group that zstd makes 0.3 of.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema};
use arrow::record_batch::RecordBatch;
use xxhash_rust::xxh3::xxh3_64;

use super::layout::{self, Looks, Variety};
use crate::error::Result;
use crate::shred::FileShredder;
use crate::shred::leaf::LEAF_PREFIX;

/// What is seen of a column.
#[derive(Default)]
struct Seen {
    values: usize,
    /// Of each value, where dictionaries are made of its type.
    hashes: Vec<u64>,
    /// What these take.
    bytes: usize,
}

/// Looks at some rows of the sample, and at the leaves that they will have.
pub(super) fn of_columns(schema: &Schema, sample: &[RecordBatch], shredder: Option<&FileShredder>) -> Result<Looks> {
    let rows: usize = sample.iter().map(RecordBatch::num_rows).sum();
    let step = rows.div_ceil(layout::VARIETY_ROWS).max(1);
    let mut columns: Vec<Seen> = schema.fields().iter().map(|_| Seen::default()).collect();
    let mut picked_rows = 0;
    for batch in sample {
        let picked = UInt32Array::from_iter_values((0..batch.num_rows() as u32).step_by(step));
        picked_rows += picked.len();
        let mut rest = take_record_batch(batch, &picked)?;
        while rest.num_rows() > 0 {
            let tried = shredder.map(|shredder| shredder.try_out(&rest)).transpose()?;
            let (leaves, rows) = tried.map_or((Vec::new(), rest.num_rows()), |piece| (piece.arrays, piece.rows));
            let batch = rest.slice(0, rows);
            rest = rest.slice(rows, rest.num_rows() - rows);
            for (array, seen) in batch.columns().iter().chain(&leaves).zip(&mut columns) {
                seen.add(array);
            }
        }
    }
    let mut looks = Looks::default();
    for (field, seen) in schema.fields().iter().zip(columns) {
        // Truth values are not hashed.
        let variety = match field.data_type() {
            DataType::Boolean => Variety { values: seen.values, distinct: 2, once: 0, bytes: 0 },
            _ => seen.variety(),
        };
        if variety.distinct * 4 > variety.values * 3 {
            looks.varied.insert(field.name().clone());
        } else if variety.distinct > 0
            && field.name().starts_with(LEAF_PREFIX)
            && layout::is_small(picked_rows, &variety)
        {
            looks.small.insert(field.name().clone());
        }
    }
    Ok(looks)
}

impl Seen {
    /// Adds an array's values.
    fn add(&mut self, array: &ArrayRef) {
        let values = array.len() - array.null_count();
        self.values += values;
        let hashes = &mut self.hashes;
        match array.data_type() {
            DataType::Utf8View => {
                for text in array.as_string_view().iter().flatten() {
                    hashes.push(xxh3_64(text.as_bytes()));
                    self.bytes += text.len();
                }
            }
            DataType::Float64 => {
                hashes.extend(array.as_primitive::<Float64Type>().iter().flatten().map(f64::to_bits));
                self.bytes += size_of::<f64>() * values;
            }
            DataType::Int64 => {
                hashes.extend(array.as_primitive::<Int64Type>().iter().flatten().map(|number| number as u64));
                self.bytes += size_of::<i64>() * values;
            }
            _ => {}
        }
    }

    fn variety(mut self) -> Variety {
        self.hashes.sort_unstable();
        let (mut distinct, mut once) = (0, 0);
        for same in self.hashes.chunk_by(|a, b| a == b) {
            distinct += 1;
            once += usize::from(same.len() == 1);
        }
        Variety { values: self.values, distinct, once, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringViewArray;
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn a_dictionary_is_made_where_values_repeat_and_for_nothing_else() {
        let schema = Schema::new(vec![
            Field::new("same", DataType::Utf8View, true),
            Field::new("unlike", DataType::Utf8View, true),
            Field::new("missing", DataType::Utf8View, true),
        ]);
        let unlike = (0..20_000).map(|n| Some(format!("value {n}"))).collect::<StringViewArray>();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from(vec![Some("x"); 20_000])),
            Arc::new(unlike),
            Arc::new(StringViewArray::from(vec![None::<&str>; 20_000])),
        ];
        let sample = RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap();
        let looks = of_columns(&schema, &[sample.slice(0, 7_000), sample.slice(7_000, 13_000)], None).unwrap();
        assert_eq!(looks.varied.into_iter().collect::<Vec<_>>(), ["unlike"]);
        assert!(looks.small.is_empty(), "columns of the table are compressed: {:?}", looks.small);
    }

    #[test]
    fn leaf_columns_of_few_bits_are_not_compressed() {
        let rows = 20_000;
        let column = |distinct: usize, one_in: usize| -> ArrayRef {
            let text = |row: usize| row.is_multiple_of(one_in).then(|| format!("value {}", row / one_in % distinct));
            Arc::new((0..rows).map(text).collect::<StringViewArray>())
        };
        let columns = [("a", column(4, 1)), ("b", column(2, 1)), ("c", column(100, 21)), ("d", column(300, 1))];
        let fields =
            columns.iter().map(|(name, _)| Field::new(format!("{LEAF_PREFIX}data/{name}#s"), DataType::Utf8View, true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let sample = RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap();
        let looks = of_columns(&schema, &[sample], None).unwrap();
        // Two bits and a part of one for each row are more than 32 KiB of a row group.
        let small: Vec<&str> = looks.small.iter().map(|name| &name[LEAF_PREFIX.len()..]).collect();
        assert_eq!(small, ["data/b#s", "data/c#s"]);
        let properties = layout::writer_properties(&Arc::new(schema), &looks);
        let compression = |name: &str| properties.compression(&format!("{LEAF_PREFIX}data/{name}#s").as_str().into());
        assert_eq!(compression("b"), parquet::basic::Compression::UNCOMPRESSED);
        assert!(matches!(compression("a"), parquet::basic::Compression::ZSTD(_)));
    }

    #[test]
    fn the_lengths_of_texts_count_and_those_that_the_sample_has_once_stand_for_others() {
        let rows = 40_000;
        // In one row of seventeen: three words, texts of 900 bytes, and words that are others each time.
        let column = |text: fn(usize) -> String| -> ArrayRef {
            let text = |row: usize| row.is_multiple_of(17).then(|| text(row / 17));
            Arc::new((0..rows).map(text).collect::<StringViewArray>())
        };
        let columns = [
            ("words", column(|n| format!("word {}", n % 3))),
            ("long", column(|n| format!("{:0900}", n % 41))),
            ("others", column(|n| if n % 20 == 0 { "a word".to_owned() } else { format!("another word {n}") })),
        ];
        let fields =
            columns.iter().map(|(name, _)| Field::new(format!("{LEAF_PREFIX}{name}"), DataType::Utf8View, true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let sample = RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap();
        let looks = of_columns(&schema, &[sample], None).unwrap();
        assert_eq!(looks.small.into_iter().collect::<Vec<_>>(), [format!("{LEAF_PREFIX}words")]);
    }
}

//! The bounds that the log has of a column, as arrays with a value a file: what files are pruned by.

use std::sync::Arc;

use arrow::array::builder::StringViewBuilder;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, TimestampMicrosecondArray};
use arrow::compute::{max, max_string_view, min, min_string_view};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::ScalarValue;

use super::columns::{BoundsOf, FileColumns, LAST, Value, instant, lowered, raised};

/// Which end of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A value that no row is below.
    Lower,
    /// A value that no row is above.
    Upper,
}

/// Returns the bounds of a column of this type in some files, null where none is known; `None` where columns of the type have no bounds.
pub fn bounds<'a>(
    files: impl ExactSizeIterator<Item = &'a FileColumns>,
    name: &str,
    data_type: &DataType,
    end: End,
) -> Option<ArrayRef> {
    let mut bounds = BoundsOf::new(name, end == End::Upper);
    Some(match data_type {
        DataType::Utf8View => {
            let mut texts = StringViewBuilder::with_capacity(files.len());
            let mut last = String::new();
            for file in files {
                match bounds.of(file) {
                    Some(Value::Text(text)) if end == End::Lower => texts.append_value(text),
                    Some(Value::Text(text)) => {
                        last.clear();
                        last.push_str(text);
                        last.push(LAST);
                        texts.append_value(&last);
                    }
                    Some(Value::Constant(ScalarValue::Utf8View(text))) => texts.append_option(text.as_ref()),
                    _ => texts.append_null(),
                }
            }
            Arc::new(texts.finish())
        }
        DataType::Float64 => Arc::new(
            files
                .map(|file| match bounds.of(file) {
                    Some(Value::Number(number)) => Some(number),
                    Some(Value::Constant(ScalarValue::Float64(number))) => *number,
                    _ => None,
                })
                .collect::<Float64Array>(),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            let instants: TimestampMicrosecondArray = files
                .map(|file| match bounds.of(file) {
                    Some(Value::Instant(us)) if end == End::Lower => Some(lowered(us)),
                    Some(Value::Instant(us)) => Some(raised(us)),
                    Some(Value::Constant(ScalarValue::TimestampMicrosecond(us, _))) => *us,
                    _ => None,
                })
                .collect();
            Arc::new(instants.with_timezone("UTC"))
        }
        _ => return None,
    })
}

/// Returns the least and the greatest of the bounds of a column in some files, each where it is known of all; `None` where columns of the type have
/// no bounds.
pub fn range<'a>(
    files: impl ExactSizeIterator<Item = &'a FileColumns> + Clone,
    name: &str,
    data_type: &DataType,
) -> Option<(Option<ScalarValue>, Option<ScalarValue>)> {
    let least = |all: ArrayRef| match all.data_type() {
        DataType::Utf8View => {
            min_string_view(all.as_string_view()).map(|text| ScalarValue::Utf8View(Some(text.to_owned())))
        }
        DataType::Float64 => min(all.as_primitive::<Float64Type>()).map(ScalarValue::from),
        _ => min(all.as_primitive::<TimestampMicrosecondType>()).map(instant),
    };
    let greatest = |all: ArrayRef| match all.data_type() {
        DataType::Utf8View => {
            max_string_view(all.as_string_view()).map(|text| ScalarValue::Utf8View(Some(text.to_owned())))
        }
        DataType::Float64 => max(all.as_primitive::<Float64Type>()).map(ScalarValue::from),
        _ => max(all.as_primitive::<TimestampMicrosecondType>()).map(instant),
    };
    let whole = |all: &ArrayRef| all.null_count() == 0;
    let lower = bounds(files.clone(), name, data_type, End::Lower)?;
    let upper = bounds(files, name, data_type, End::Upper)?;
    Some((Some(lower).filter(whole).and_then(least), Some(upper).filter(whole).and_then(greatest)))
}

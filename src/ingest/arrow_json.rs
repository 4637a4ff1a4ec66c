//! Writes Arrow values as JSON text: nested Parquet columns, and whole rows that cannot be stored.

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StructArray};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{
    DataType, Fields, Int64Type, IntervalDayTime, IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType, TimeUnit,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::Result;
use crate::json::push_json_string;

/// The name of the text in place of a value.
pub(super) const JSON_TEXT: &str = "\0json";

/// Returns whether a struct stands in the place of a VARIANT, its text being JSON.
pub(super) fn is_json_text(fields: &Fields) -> bool {
    matches!(fields.iter().as_slice(), [only] if only.name() == JSON_TEXT && *only.data_type() == DataType::Utf8View)
}

/// Writes the value of a row as JSON.
///
/// Structs become objects, lists arrays, maps objects; numbers and decimals keep their digits, what JSON has no number for
/// (NaN, infinities) is null, lengths of time are seconds, and everything else is its text. Nesting is bounded by that of the
/// array's type, which was read with a bound.
pub(super) fn push_json(output: &mut String, array: &dyn Array, row: usize) -> Result<()> {
    if row >= array.len() || array.is_null(row) {
        output.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => output.push_str("null"),
        // A VARIANT was in its place.
        DataType::Struct(fields) if is_json_text(fields) => {
            output.push_str(array.as_struct().column(0).as_string_view().value(row));
        }
        DataType::Struct(fields) => push_struct(output, array.as_struct(), fields, row)?,
        DataType::List(_) => push_list(output, &array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => push_list(output, &array.as_list::<i64>().value(row))?,
        DataType::ListView(_) => push_list(output, &array.as_list_view::<i32>().value(row))?,
        DataType::LargeListView(_) => push_list(output, &array.as_list_view::<i64>().value(row))?,
        DataType::FixedSizeList(..) => push_list(output, &array.as_fixed_size_list().value(row))?,
        DataType::Map(..) => push_map(output, &array.as_map().value(row))?,
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            match dictionary.normalized_keys().get(row) {
                Some(key) => push_json(output, dictionary.values().as_ref(), *key)?,
                None => output.push_str("null"),
            }
        }
        DataType::RunEndEncoded(_, values) => match cast(&array.slice(row, 1), values.data_type()) {
            Ok(value) => push_json(output, value.as_ref(), 0)?,
            Err(_) => push_json_string(output, &display(array, row)?),
        },
        DataType::Union(..) => push_json(output, array.as_union().value(row).as_ref(), 0)?,
        DataType::Boolean => output.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Utf8 => push_json_string(output, array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => push_json_string(output, array.as_string::<i64>().value(row)),
        DataType::Utf8View => push_json_string(output, array.as_string_view().value(row)),
        // Bytes that are text are stored as text, and must come back as the same from quarantine.
        DataType::Binary => push_bytes(output, array, row, array.as_binary::<i32>().value(row))?,
        DataType::LargeBinary => push_bytes(output, array, row, array.as_binary::<i64>().value(row))?,
        DataType::BinaryView => push_bytes(output, array, row, array.as_binary_view().value(row))?,
        DataType::FixedSizeBinary(_) => push_bytes(output, array, row, array.as_fixed_size_binary().value(row))?,
        DataType::Duration(unit) => push_number(output, &(ticks(array, row)? as f64 / per_second(*unit)).to_string()),
        kind if kind.is_numeric() => push_number(output, &display(array, row)?),
        _ => push_json_string(output, &display(array, row)?),
    }
    Ok(())
}

/// Writes a row of named columns as a JSON object.
pub(super) fn push_row(output: &mut String, names: &[String], columns: &[ArrayRef], row: usize) -> Result<()> {
    let mut separator = '{';
    for (name, column) in names.iter().zip(columns) {
        output.push(separator);
        separator = ',';
        push_json_string(output, name);
        output.push(':');
        push_json(output, column.as_ref(), row)?;
    }
    output.push_str(if separator == '{' { "{}" } else { "}" });
    Ok(())
}

/// Returns the ticks of a second.
pub(super) fn per_second(unit: TimeUnit) -> f64 {
    match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    }
}

/// Writes intervals as ISO 8601, so that those with months are told as such.
pub(super) fn interval_texts(column: &ArrayRef, unit: IntervalUnit) -> Result<StringViewArray> {
    let text = |months: i32, days: i32, nanoseconds: i128| {
        let months = if months == 0 { String::new() } else { format!("{months}M") };
        let (sign, nanoseconds) = (if nanoseconds < 0 { "-" } else { "" }, nanoseconds.unsigned_abs());
        let (seconds, fraction) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        format!("P{months}{days}DT{sign}{seconds}.{fraction:09}S")
    };
    Ok(match unit {
        IntervalUnit::YearMonth => {
            let months = column.as_primitive::<IntervalYearMonthType>();
            months.iter().map(|months| Some(text(months?, 0, 0))).collect()
        }
        IntervalUnit::DayTime => {
            let intervals = column.as_primitive::<IntervalDayTimeType>();
            let of = |it: IntervalDayTime| text(0, it.days, i128::from(it.milliseconds) * 1_000_000);
            intervals.iter().map(|interval| interval.map(of)).collect()
        }
        IntervalUnit::MonthDayNano => {
            let intervals = column.as_primitive::<IntervalMonthDayNanoType>();
            let of = |it: IntervalMonthDayNano| text(it.months, it.days, i128::from(it.nanoseconds));
            intervals.iter().map(|interval| interval.map(of)).collect()
        }
    })
}

/// Returns the text of a value; of one that has none (an instant past the calendar's end) its ticks and its type, which
/// nothing takes for a value.
pub(super) fn display(array: &dyn Array, row: usize) -> Result<String> {
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
    match formatter.value(row).try_to_string() {
        Ok(text) => Ok(text),
        Err(_) if can_cast_types(array.data_type(), &DataType::Int64) => {
            Ok(format!("{} {}", ticks(array, row)?, array.data_type()))
        }
        Err(error) => Err(error.into()),
    }
}

fn ticks(array: &dyn Array, row: usize) -> Result<i64> {
    let ticks = cast(&array.slice(row, 1), &DataType::Int64)?;
    Ok(ticks.as_primitive::<Int64Type>().value(0))
}

fn push_bytes(output: &mut String, array: &dyn Array, row: usize, bytes: &[u8]) -> Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => push_json_string(output, text),
        Err(_) => push_json_string(output, &display(array, row)?),
    }
    Ok(())
}

fn push_number(output: &mut String, text: &str) {
    let is_number = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    output.push_str(if is_number { text } else { "null" });
}

fn push_struct(output: &mut String, array: &StructArray, fields: &Fields, row: usize) -> Result<()> {
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    push_row(output, &names, array.columns(), row)
}

fn push_list(output: &mut String, values: &ArrayRef) -> Result<()> {
    output.push('[');
    for index in 0..values.len() {
        if index > 0 {
            output.push(',');
        }
        push_json(output, values.as_ref(), index)?;
    }
    output.push(']');
    Ok(())
}

fn push_map(output: &mut String, entries: &StructArray) -> Result<()> {
    output.push('{');
    for index in 0..entries.len() {
        if index > 0 {
            output.push(',');
        }
        let keys = entries.column(0).as_ref();
        let key = match keys.data_type() {
            DataType::Utf8 => keys.as_string::<i32>().value(index).to_owned(),
            DataType::LargeUtf8 => keys.as_string::<i64>().value(index).to_owned(),
            DataType::Utf8View => keys.as_string_view().value(index).to_owned(),
            _ => display(keys, index)?,
        };
        push_json_string(output, &key);
        output.push(':');
        push_json(output, entries.column(1).as_ref(), index)?;
    }
    output.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, DictionaryArray, Float64Array, Int64Array, ListArray, MapBuilder, StringArray, StringBuilder,
        TimestampMillisecondArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn json(array: &dyn Array, row: usize) -> String {
        let mut output = String::new();
        push_json(&mut output, array, row).unwrap();
        output
    }

    #[test]
    fn scalars_and_dictionaries_are_written_by_their_type() {
        assert_eq!(json(&Float64Array::from(vec![1.5, f64::NAN]), 0), "1.5");
        assert_eq!(json(&Float64Array::from(vec![1.5, f64::NAN]), 1), "null");
        assert_eq!(json(&Int64Array::from(vec![None, Some(-7)]), 0), "null");
        assert_eq!(json(&Int64Array::from(vec![None, Some(-7)]), 1), "-7");
        assert_eq!(json(&BooleanArray::from(vec![true]), 0), "true");
        let words: DictionaryArray<Int32Type> = vec![Some("a\"b"), None].into_iter().collect();
        assert_eq!(json(&words, 0), r#""a\"b""#);
        assert_eq!(json(&words, 1), "null");
        let times = TimestampMillisecondArray::from(vec![1_770_681_418_123]).with_timezone("UTC");
        assert_eq!(json(&times, 0), r#""2026-02-09T23:56:58.123Z""#);
    }

    #[test]
    fn nested_values_become_objects_and_arrays() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let record = StructArray::from(vec![
            (Arc::new(Field::new("ids", list.data_type().clone(), true)), Arc::new(list) as ArrayRef),
            (Arc::new(Field::new("name", DataType::Utf8, true)), text),
        ]);
        assert_eq!(json(&record, 0), r#"{"ids":[1,null],"name":"x"}"#);
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        map.keys().append_value("a");
        map.values().append_null();
        map.append(true).unwrap();
        assert_eq!(json(&map.finish(), 0), r#"{"a":null}"#);
    }
}

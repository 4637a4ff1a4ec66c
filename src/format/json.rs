//! Writes JSON: one array of objects, or one object a line.
//!
//! Numbers are numbers, also 64-bit integers beyond 2^53 and decimals: the text is exact, and a reader that keeps doubles only
//! rounds them itself. Text is a string, also where it holds JSON, so that it comes through unchanged. Nulls are written. A
//! column name that comes twice gets a number (`id`, `id_2`), since readers keep one of two equal keys.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::sink::{Sink, TextSink};
use super::value::nested::json_keys;
use super::value::{DisplayZone, Form, Values, values};
use super::{FormatOptions, ResultWriter, Written, check_columns};
use crate::Result;

/// What stands around the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Brackets, and commas between; still one object a line.
    Array,
    /// Nothing: NDJSON.
    Lines,
    /// Commas between, and lists of values in place of objects: what stands inside of the brackets of a list of rows.
    Rows,
}

/// Writes one result as JSON.
pub(super) struct JsonWriter {
    framing: Framing,
    zone: DisplayZone,
    schema: SchemaRef,
    /// Each column's key with what stands before it.
    keys: Vec<String>,
    sink: TextSink,
    rows: u64,
}

impl JsonWriter {
    /// Makes the writer; nothing is written before the first row.
    pub(super) fn new(framing: Framing, options: &FormatOptions, schema: SchemaRef, sink: Sink) -> Self {
        let mut keys = match framing {
            Framing::Rows => vec![String::new(); schema.fields().len()],
            _ => json_keys(schema.fields().iter().map(|field| field.name().as_str())),
        };
        for key in keys.iter_mut().skip(1) {
            key.insert(0, ',');
        }
        Self { framing, zone: options.time_zone.into(), schema, keys, sink: TextSink::new(sink), rows: 0 }
    }
}

impl ResultWriter for JsonWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        check_columns(&self.schema, batch)?;
        let columns: Vec<Box<dyn Values>> =
            batch.columns().iter().map(|array| values(array.as_ref(), Form::Json, self.zone)).collect();
        for row in 0..batch.num_rows() {
            let text = &mut self.sink.text;
            match self.framing {
                Framing::Array if self.rows == 0 => text.push_str("[\n"),
                Framing::Rows if self.rows == 0 => {}
                Framing::Array | Framing::Rows => text.push_str(",\n"),
                Framing::Lines => {}
            }
            let (open, close) = if self.framing == Framing::Rows { ('[', ']') } else { ('{', '}') };
            text.push(open);
            for (key, column) in self.keys.iter().zip(&columns) {
                text.push_str(key);
                if column.is_null(row) {
                    text.push_str("null");
                } else {
                    column.append(row, text);
                }
            }
            text.push(close);
            if self.framing == Framing::Lines {
                text.push('\n');
            }
            self.rows += 1;
            self.sink.spill()?;
        }
        self.sink.send()
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        if self.framing == Framing::Array {
            self.sink.text.push_str(if self.rows == 0 { "[]\n" } else { "\n]\n" });
        }
        self.sink.finish(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, StringViewArray,
        TimestampMicrosecondArray, UInt64Array,
    };
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::OutputFormat;
    use super::super::testing::{all_types, batch, render, text_strategy};
    use super::*;

    fn options() -> FormatOptions {
        FormatOptions::default()
    }

    #[test]
    fn an_array_is_streamed_with_one_object_a_line() {
        let rows = batch([("a", Arc::new(Int64Array::from(vec![Some(1), None])) as _)]);
        assert_eq!(
            render(OutputFormat::Json, &options(), &[rows.clone(), rows.clone()]),
            "[\n{\"a\":1},\n{\"a\":null},\n{\"a\":1},\n{\"a\":null}\n]\n"
        );
        assert_eq!(render(OutputFormat::Ndjson, &options(), std::slice::from_ref(&rows)), "{\"a\":1}\n{\"a\":null}\n");
        assert_eq!(render(OutputFormat::Json, &options(), &[rows.slice(0, 0)]), "[]\n");
        assert_eq!(render(OutputFormat::Ndjson, &options(), &[rows.slice(0, 0)]), "");
    }

    #[test]
    fn rows_are_lists_of_their_values() {
        let rows = batch([
            ("a", Arc::new(Int64Array::from(vec![Some(1), None])) as _),
            ("a", Arc::new(StringArray::from(vec!["x\ny", "z"])) as _),
        ]);
        let sink = super::super::testing::SharedSink::default();
        let mut writer = super::super::json_rows(&options(), rows.schema(), Box::new(sink.clone()));
        writer.write(&rows).unwrap();
        writer.finish().unwrap();
        assert_eq!(String::from_utf8(sink.bytes()).unwrap(), "[1,\"x\\ny\"],\n[null,\"z\"]");
    }

    #[test]
    fn numbers_are_exact_and_what_is_no_number_is_null() {
        let batch = batch([
            ("i", Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])) as _),
            ("u", Arc::new(UInt64Array::from(vec![0, u64::MAX])) as _),
            ("f", Arc::new(Float64Array::from(vec![f64::NAN, f64::NEG_INFINITY])) as _),
            ("d", Arc::new(Decimal128Array::from(vec![150, -5]).with_precision_and_scale(5, 2).unwrap()) as _),
        ]);
        assert_eq!(
            render(OutputFormat::Ndjson, &options(), &[batch]),
            "{\"i\":-9223372036854775808,\"u\":0,\"f\":null,\"d\":1.50}\n\
             {\"i\":9223372036854775807,\"u\":18446744073709551615,\"f\":null,\"d\":-0.05}\n"
        );
    }

    #[test]
    fn equal_column_names_are_numbered_and_json_text_stays_a_string() {
        let array = || Arc::new(StringArray::from(vec!["{\"a\": 1}"])) as _;
        let shown = render(OutputFormat::Ndjson, &options(), &[batch([("x", array()), ("x", array())])]);
        assert_eq!(shown, "{\"x\":\"{\\\"a\\\": 1}\",\"x_2\":\"{\\\"a\\\": 1}\"}\n");
    }

    #[test]
    fn every_type_is_valid_json() {
        for (name, array) in all_types() {
            let rows = batch([(name.as_str(), array)]);
            let read: Vec<Value> =
                serde_json::from_str(&render(OutputFormat::Json, &options(), std::slice::from_ref(&rows)))
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(read.len(), rows.num_rows(), "{name}");
        }
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        text: Option<String>,
        whole: Option<i64>,
        #[serde(deserialize_with = "exact_float")]
        real: Option<f64>,
        flag: Option<bool>,
        time: Option<String>,
    }

    /// Reads a float from its text: without a feature of its own, serde_json is off in the last digit.
    fn exact_float<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<f64>, D::Error> {
        let text: Option<Box<serde_json::value::RawValue>> = serde::Deserialize::deserialize(deserializer)?;
        Ok(text.map(|text| text.get().parse().unwrap()))
    }

    proptest! {
        #[test]
        fn both_framings_read_back_the_same_values(
            rows in prop::collection::vec((
                prop::option::of(text_strategy()),
                prop::option::of(any::<i64>()),
                prop::option::of(prop::num::f64::NORMAL),
                prop::option::of(any::<bool>()),
                prop::option::of(0..4_000_000_000_000_000_i64),
            ), 0..12),
        ) {
            let text: StringViewArray = rows.iter().map(|row| row.0.as_deref()).collect();
            let time: TimestampMicrosecondArray = rows.iter().map(|row| row.4).collect();
            let batch = batch([
                ("text", Arc::new(text) as _),
                ("whole", Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()) as _),
                ("real", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()) as _),
                ("flag", Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>()) as _),
                ("time", Arc::new(time.with_timezone("UTC")) as _),
            ]);
            let expected: Vec<Row> = rows.iter().map(|row| Row {
                text: row.0.clone(),
                whole: row.1,
                real: row.2,
                flag: row.3,
                time: row.4.map(|value| {
                    let time = chrono::DateTime::from_timestamp_micros(value).unwrap();
                    time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
                }),
            }).collect();
            let array: Vec<Row> = serde_json::from_str(&render(OutputFormat::Json, &options(), std::slice::from_ref(&batch))).unwrap();
            prop_assert_eq!(&array, &expected);
            let lines = render(OutputFormat::Ndjson, &options(), &[batch]);
            let lines: Vec<Row> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            prop_assert_eq!(&lines, &expected);
        }
    }
}

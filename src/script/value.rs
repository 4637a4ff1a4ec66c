//! Turns text and JSON into typed values of parameters.
//!
//! Every reason is a sentence for a hint: what to write instead.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::common::ScalarValue;
use serde_json::Value;

use super::moment::{Clock, Moment};
use crate::functions::parse_duration;

/// The time zone of the lake's timestamps.
const UTC: &str = "UTC";

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// Any text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A finite number of 64 bits.
    Float,
    /// True or false.
    Boolean,
    /// A calendar day; relative dates are counted in the clock's time zone.
    Date,
    /// An instant, in microseconds UTC as the lake's timestamps are; local times are read in the clock's time zone.
    Timestamp,
    /// A length of time in seconds, a float as time_in_workflow is.
    Duration,
    /// A list of texts, for `= any($name)`.
    TextList,
}

impl ParameterType {
    /// Every type.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::Integer,
        Self::Float,
        Self::Boolean,
        Self::Date,
        Self::Timestamp,
        Self::Duration,
        Self::TextList,
    ];

    /// Returns the name that headers and messages use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::TextList => "text[]",
        }
    }

    /// Finds a type by its name or a usual SQL name of it, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "text" | "string" | "varchar" => Self::Text,
            "integer" | "int" | "bigint" => Self::Integer,
            "float" | "double" | "real" | "number" | "numeric" => Self::Float,
            "boolean" | "bool" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" | "timestamptz" | "datetime" => Self::Timestamp,
            "duration" | "interval" => Self::Duration,
            "text[]" | "texts" | "list" => Self::TextList,
            _ => return None,
        })
    }

    /// Returns a value to show in hints.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Text => "…",
            Self::Integer => "20",
            Self::Float => "0.5",
            Self::Boolean => "true",
            Self::Date => "2026-03-01",
            Self::Timestamp => "2026-03-01T09:00:00Z",
            Self::Duration => "90s",
            Self::TextList => "a,b",
        }
    }
}

/// Makes the null of a type.
pub(super) fn null(kind: ParameterType) -> ScalarValue {
    match kind {
        ParameterType::Text => ScalarValue::Utf8(None),
        ParameterType::Integer => ScalarValue::Int64(None),
        ParameterType::Float | ParameterType::Duration => ScalarValue::Float64(None),
        ParameterType::Boolean => ScalarValue::Boolean(None),
        ParameterType::Date => ScalarValue::Date32(None),
        ParameterType::Timestamp => ScalarValue::TimestampMicrosecond(None, Some(UTC.into())),
        ParameterType::TextList => {
            let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
            ScalarValue::List(Arc::new(arrow::array::ListArray::new_null(item, 1)))
        }
    }
}

/// Checks that a text can be read as a type, as far as that can be told without a clock.
pub(super) fn check(kind: ParameterType, text: &str) -> Result<(), String> {
    match kind {
        ParameterType::Date | ParameterType::Timestamp => Moment::parse(text).map(|_| ()),
        other => plain(other, text).map(|_| ()),
    }
}

/// Reads a text as a value of a type: as `--param` does.
///
/// # Errors
/// What to write instead.
pub fn from_text(kind: ParameterType, text: &str, clock: &Clock) -> Result<ScalarValue, String> {
    match kind {
        ParameterType::Date => Moment::parse(text)?.date(clock).map(date),
        ParameterType::Timestamp => Moment::parse(text)?.instant(clock).map(timestamp),
        other => plain(other, text),
    }
}

/// Reads a JSON value as a type; strings are read as text is.
pub(super) fn from_json(kind: ParameterType, json: &Value, clock: &Clock) -> Result<ScalarValue, String> {
    match (json, kind) {
        (Value::Null, kind) => Ok(null(kind)),
        (Value::String(text), kind) => from_text(kind, text, clock),
        (Value::Bool(value), ParameterType::Boolean) => Ok(ScalarValue::Boolean(Some(*value))),
        (Value::Number(number), ParameterType::Integer) => match number.as_i64() {
            Some(value) => Ok(ScalarValue::Int64(Some(value))),
            None => Err(WHOLE_NUMBER.to_owned()),
        },
        (Value::Number(number), ParameterType::Float) => finite(number.as_f64()).ok_or_else(|| NUMBER.to_owned()),
        (Value::Number(number), ParameterType::Duration) => finite(number.as_f64()).ok_or_else(|| NUMBER.to_owned()),
        (Value::Array(items), ParameterType::TextList) => texts(items),
        (_, kind) => Err(format!("write a JSON {}", json_form(kind))),
    }
}

/// Makes a value of a parameter that nothing declares, by its JSON type.
pub(super) fn by_json_type(json: &Value) -> Result<ScalarValue, String> {
    Ok(match json {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(value) => ScalarValue::Int64(Some(value)),
            None => finite(number.as_f64()).ok_or_else(|| NUMBER.to_owned())?,
        },
        Value::Array(items) => texts(items)?,
        Value::Object(_) => return Err("give an object as the text of its JSON".to_owned()),
    })
}

const WHOLE_NUMBER: &str = "write a whole number, for example 20";
const NUMBER: &str = "write a number, for example 0.5";

fn json_form(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::Text | ParameterType::Date | ParameterType::Timestamp => "string",
        ParameterType::Integer | ParameterType::Float => "number",
        ParameterType::Boolean => "true or false",
        ParameterType::Duration => "number of seconds or a string such as \"90s\"",
        ParameterType::TextList => "array of strings",
    }
}

fn finite(value: Option<f64>) -> Option<ScalarValue> {
    value.filter(|value| value.is_finite()).map(|value| ScalarValue::Float64(Some(value)))
}

fn texts(items: &[Value]) -> Result<ScalarValue, String> {
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    texts.map(|texts| list(&texts)).ok_or_else(|| "write a JSON array of strings".to_owned())
}

fn list(texts: &[&str]) -> ScalarValue {
    let values: Vec<ScalarValue> = texts.iter().map(|text| ScalarValue::Utf8(Some((*text).to_owned()))).collect();
    ScalarValue::List(ScalarValue::new_list(&values, &DataType::Utf8, true))
}

/// Reads a text as a type that needs no clock.
fn plain(kind: ParameterType, text: &str) -> Result<ScalarValue, String> {
    let trimmed = text.trim();
    match kind {
        ParameterType::Text => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
        ParameterType::Integer => {
            trimmed.parse().map(|value| ScalarValue::Int64(Some(value))).map_err(|_| WHOLE_NUMBER.to_owned())
        }
        ParameterType::Float => finite(trimmed.parse().ok()).ok_or_else(|| NUMBER.to_owned()),
        ParameterType::Boolean => match trimmed.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(ScalarValue::Boolean(Some(true))),
            "false" | "no" | "off" | "0" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err("write true or false".to_owned()),
        },
        ParameterType::Duration => match parse_duration(text) {
            Some(seconds) => Ok(ScalarValue::Float64(Some(seconds))),
            None => Err("write seconds, 1h30m, 2 days 3 hours, 01:30:00 or PT1H30M".to_owned()),
        },
        ParameterType::TextList if trimmed.is_empty() => Ok(list(&[])),
        ParameterType::TextList => Ok(list(&trimmed.split(',').map(str::trim).collect::<Vec<_>>())),
        ParameterType::Date | ParameterType::Timestamp => Err("it depends on the clock".to_owned()),
    }
}

fn date(value: NaiveDate) -> ScalarValue {
    let days = value.signed_duration_since(DateTime::<Utc>::UNIX_EPOCH.date_naive()).num_days();
    ScalarValue::Date32(i32::try_from(days).ok())
}

fn timestamp(value: DateTime<Utc>) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(value.timestamp_micros()), Some(UTC.into()))
}

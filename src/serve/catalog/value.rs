//! Values of the catalog: how they are compared, read from text and written as text.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::fault::{Fault, NOT_OF_TYPE, OUT_OF_RANGE, Result};
use super::types::{Held, Type};

/// A value. What type it is of is known where a statement is bound.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number, an oid, or the number of an object.
    Int(i64),
    /// A number with fractions.
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// Microseconds since 1970.
    Instant(i64),
    /// An array; its first element has the index of the list's type (see [`List`]).
    List(Arc<List>),
    /// A row.
    Row(Arc<[Value]>),
}

/// An array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct List {
    /// The index of the first element: 1, or 0 for `int2vector` and `oidvector`.
    pub first: i64,
    /// The elements.
    pub items: Vec<Value>,
}

impl Value {
    /// Makes a text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    /// Makes an array whose first element is 1.
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Arc::new(List { first: 1, items }))
    }

    /// Makes a value of one that may be missing.
    pub fn of(value: Option<impl Into<Value>>) -> Self {
        value.map_or(Self::Null, Into::into)
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Whether it is the truth value true.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// About how many bytes its text takes. Texts that are held once count as often as they would be written.
    pub fn weight(&self) -> usize {
        let all = |items: &[Value]| items.iter().fold(0_usize, |sum, item| sum.saturating_add(item.weight()));
        match self {
            Self::Text(text) => text.len(),
            Self::List(list) => all(&list.items).saturating_add(list.items.len()),
            Self::Row(row) => all(row),
            _ => 8,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float(_) => 1,
            Self::Text(_) => 2,
            Self::Instant(_) => 3,
            Self::List(_) => 4,
            Self::Row(_) => 5,
            Self::Null => 6,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

/// The order of values: that of an index, in which nulls are last and equal to each other.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) | (Self::Instant(a), Self::Instant(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Int(a), Self::Float(b)) => (*a as f64).total_cmp(b),
            (Self::Float(a), Self::Int(b)) => a.total_cmp(&(*b as f64)),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.items.cmp(&b.items),
            (Self::Row(a), Self::Row(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Null => {}
            Self::Bool(truth) => truth.hash(state),
            // Equal numbers are equal whichever way they are held.
            Self::Int(number) => (*number as f64).to_bits().hash(state),
            Self::Float(number) => number.to_bits().hash(state),
            Self::Text(text) => text.hash(state),
            Self::Instant(instant) => instant.hash(state),
            Self::List(list) => list.items.hash(state),
            Self::Row(row) => row.hash(state),
        }
    }
}

fn not_of(kind: Type, text: &str) -> Fault {
    Fault::new(NOT_OF_TYPE, format!("invalid input for type {}: {text:?}", super::types::sql_name(kind.0, None)))
}

/// Reads a text as a value of a type that names no object.
///
/// # Errors
/// A text that is none of the type.
pub fn read(text: &str, kind: Type) -> Result<Value> {
    let trimmed = text.trim();
    match kind.held() {
        Held::Text => Ok(Value::text(match kind {
            Type::CHAR => text.chars().next().map(String::from).unwrap_or_default(),
            _ => text.to_owned(),
        })),
        Held::Bool => {
            let lower = trimmed.to_lowercase();
            match lower.as_str() {
                "t" | "true" | "yes" | "y" | "on" | "1" => Ok(Value::Bool(true)),
                "f" | "false" | "no" | "n" | "off" | "0" => Ok(Value::Bool(false)),
                _ => Err(not_of(kind, text)),
            }
        }
        Held::Int => trimmed.parse().map_err(|_| not_of(kind, text)).and_then(|number| fitting(number, kind)),
        Held::Float => trimmed.parse().map(Value::Float).map_err(|_| not_of(kind, text)),
        Held::Instant => read_instant(trimmed).map(Value::Instant).ok_or_else(|| not_of(kind, text)),
        Held::List => {
            let element = kind.element().unwrap_or(Type::TEXT);
            if matches!(kind, Type::INT2VECTOR | Type::OIDVECTOR) {
                let items = trimmed.split_whitespace().map(|item| read(item, element)).collect::<Result<_>>()?;
                return Ok(Value::List(Arc::new(List { first: 0, items })));
            }
            let items = split_array(trimmed).ok_or_else(|| not_of(kind, text))?;
            let items = items.into_iter().map(|item| item.map_or(Ok(Value::Null), |item| read(&item, element)));
            Ok(Value::list(items.collect::<Result<_>>()?))
        }
        Held::Row => Err(not_of(kind, text)),
    }
}

/// Refuses a number that is beyond its type.
///
/// # Errors
/// Just that.
pub fn fitting(number: i64, kind: Type) -> Result<Value> {
    let range = match kind {
        Type::INT2 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        Type::INT4 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        Type::INT8 => i64::MIN..=i64::MAX,
        _ => i64::from(i32::MIN)..=i64::from(u32::MAX),
    };
    if range.contains(&number) {
        Ok(Value::Int(number))
    } else {
        Err(Fault::new(OUT_OF_RANGE, format!("{number} is out of range for type {}", kind.name())))
    }
}

fn read_instant(text: &str) -> Option<i64> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        return Some(instant.timestamp_micros());
    }
    let text = text.trim_end_matches("+00").trim_end_matches('Z');
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some(naive.and_utc().timestamp_micros())
}

/// Takes the text of an array apart; `None` stands for null. Arrays of one dimension only.
fn split_array(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Some(items);
    }
    let (mut item, mut is_quoted, mut characters) = (String::new(), false, inner.chars());
    loop {
        match characters.next() {
            Some('"') => {
                is_quoted = true;
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => item.push(characters.next()?),
                        other => item.push(other),
                    }
                }
            }
            Some('\\') => item.push(characters.next()?),
            Some('{') => return None,
            end @ (Some(',') | None) => {
                let text = std::mem::take(&mut item);
                let text = if is_quoted { text } else { text.trim().to_owned() };
                items.push((is_quoted || !text.eq_ignore_ascii_case("null")).then_some(text));
                is_quoted = false;
                if end.is_none() {
                    return Some(items);
                }
            }
            Some(other) if is_quoted && other.is_whitespace() => {}
            Some(other) => item.push(other),
        }
    }
}

/// Writes a value of a type as text; what names an object is written by `reference`.
pub fn write(value: &Value, kind: Type, reference: &dyn Fn(u32, Type) -> String) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(truth) => if *truth { "t" } else { "f" }.to_owned(),
        Value::Int(number) if kind.is_reference() => match u32::try_from(*number) {
            Ok(oid) => reference(oid, kind),
            Err(_) => number.to_string(),
        },
        Value::Int(number) => number.to_string(),
        Value::Float(number) => float_text(*number),
        Value::Text(text) => text.to_string(),
        Value::Instant(micros) => instant_text(*micros, kind == Type::TIMESTAMPTZ),
        Value::List(list) => {
            let element = kind.element().unwrap_or(Type::TEXT);
            let items = list.items.iter().map(|item| match item {
                Value::Null => "NULL".to_owned(),
                item => write(item, element, reference),
            });
            if matches!(kind, Type::INT2VECTOR | Type::OIDVECTOR) {
                return items.collect::<Vec<_>>().join(" ");
            }
            let quoted = items.zip(&list.items).map(|(text, item)| quoted_item(text, item.is_null()));
            format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
        }
        Value::Row(row) => {
            let cells = row.iter().map(|cell| match cell {
                Value::Null => String::new(),
                cell => {
                    let text = write(cell, Type::TEXT, reference);
                    let is_plain = !text.is_empty() && !text.contains(['(', ')', ',', '"', '\\', ' ']);
                    if is_plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\"")) }
                }
            });
            format!("({})", cells.collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted_item(text: String, is_null: bool) -> String {
    let is_plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\'));
    if is_null || is_plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// Writes a floating-point number as PostgreSQL does: the shortest that reads back, large ones with an exponent.
pub fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |exponent| ("-", exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}

fn instant_text(micros: i64, is_zoned: bool) -> String {
    let Some(instant) = DateTime::<Utc>::from_timestamp_micros(micros) else { return micros.to_string() };
    let text = instant.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if is_zoned { format!("{text}+00") } else { text }
}

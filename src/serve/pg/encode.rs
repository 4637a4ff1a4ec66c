//! Values on their way to a client: as PostgreSQL's text, or in its binary form.
//!
//! A batch is looked at once a column ([`Cells::of`]); then each value is written into the buffer of what is to be sent, with nothing made for
//! it on the way.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, Offset, TimeZone};

use super::types::{DAYS_TO_2000, PgType, US_TO_2000};
use super::wire::sized;
use crate::error::Result;
use crate::format;
use crate::functions::interval::{INTERVAL, push_postgres};
use crate::zones::Tz;

const DAY_US: i64 = 86_400_000_000;
const DAY_NS: i64 = DAY_US * 1_000;

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Binary,
}

impl Form {
    /// Reads the number of a form.
    pub fn of(code: i16) -> Option<Self> {
        match code {
            0 => Some(Self::Text),
            1 => Some(Self::Binary),
            _ => None,
        }
    }
}

/// Writes the value of a row, which is not null.
type Put = Box<dyn Fn(usize, &mut Vec<u8>) + Send>;

/// The values of one column of one batch.
pub struct Cells {
    nulls: ArrayRef,
    put: Put,
}

impl Cells {
    /// Looks at the columns of a batch.
    ///
    /// # Errors
    /// A defect of ours.
    pub fn of(batch: &RecordBatch, forms: &[Form], zone: Tz) -> Result<Vec<Self>> {
        let schema = batch.schema();
        let form = |index: usize| forms.get(index).copied().unwrap_or(Form::Text);
        let columns = batch.columns().iter().zip(schema.fields()).enumerate();
        columns.map(|(index, (array, field))| Self::of_column(array, PgType::of(field), form(index), zone)).collect()
    }

    fn of_column(array: &ArrayRef, pg_type: PgType, form: Form, zone: Tz) -> Result<Self> {
        let array = plain(array)?;
        let put = put(&array, pg_type, form, zone)?;
        Ok(Self { nulls: array, put })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }

    /// Writes a value that is not null, without its length.
    pub fn put(&self, row: usize, out: &mut Vec<u8>) {
        (self.put)(row, out);
    }

    /// Writes a value with its length, or that it is null.
    pub fn put_sized(&self, row: usize, out: &mut Vec<u8>) {
        match self.is_null(row) {
            true => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            false => sized(out, false, |out| self.put(row, out)),
        }
    }
}

/// Brings an array to one of the types that are written.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let to = match array.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Float16 => DataType::Float32,
        // An array of nothing knows no nulls.
        DataType::Null | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        DataType::LargeBinary | DataType::FixedSizeBinary(_) | DataType::BinaryView => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Interval(_) => INTERVAL,
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => DataType::List(Arc::clone(item)),
        _ => return Ok(Arc::clone(array)),
    };
    if to == *array.data_type() {
        return Ok(Arc::clone(array));
    }
    let array = cast(array, &to)?;
    match array.data_type() {
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) | DataType::LargeList(_) => plain(&array),
        _ => Ok(array),
    }
}

fn put(array: &ArrayRef, pg_type: PgType, form: Form, zone: Tz) -> Result<Put> {
    use Form::{Binary, Text};
    let array = Arc::clone(array);
    macro_rules! values {
        ($kind:ty, |$value:ident, $out:ident| $body:expr) => {{
            let values = array.as_primitive::<$kind>().clone();
            Box::new(move |row, $out: &mut Vec<u8>| {
                let $value = values.value(row);
                $body
            }) as Put
        }};
    }
    macro_rules! lengths {
        ($kind:ty, $nanoseconds:literal) => {{
            let values = array.as_primitive::<$kind>().clone();
            Box::new(move |row, out: &mut Vec<u8>| {
                // As PostgreSQL's subtraction: whole days, and the time that is left.
                let all = i128::from(values.value(row)) * $nanoseconds;
                let (days, rest) = (all / i128::from(DAY_NS), all % i128::from(DAY_NS));
                put_interval(0, i64::try_from(days).unwrap_or(i64::MAX), rest, form, out);
            }) as Put
        }};
    }
    Ok(match (array.data_type(), form) {
        (DataType::Boolean, Text) => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| out.push(if values.value(row) { b't' } else { b'f' }))
        }
        (DataType::Boolean, Binary) => {
            let values = array.as_boolean().clone();
            Box::new(move |row, out| out.push(u8::from(values.value(row))))
        }
        (DataType::Int16, Text) => values!(Int16Type, |value, out| put_integer(value, out)),
        (DataType::Int32, Text) => values!(Int32Type, |value, out| put_integer(value, out)),
        (DataType::Int64, Text) => values!(Int64Type, |value, out| put_integer(value, out)),
        (DataType::Int16, Binary) => values!(Int16Type, |value, out| put_sized_integer(value.into(), pg_type, out)),
        (DataType::Int32, Binary) => values!(Int32Type, |value, out| put_sized_integer(value.into(), pg_type, out)),
        (DataType::Int64, Binary) => values!(Int64Type, |value, out| put_sized_integer(value, pg_type, out)),
        (DataType::Float32, Text) => values!(Float32Type, |value, out| {
            put_float(value.into(), format_args!("{value:e}"), 6, out);
        }),
        (DataType::Float64, Text) => {
            values!(Float64Type, |value, out| put_float(value, format_args!("{value:e}"), 15, out))
        }
        (DataType::Float32, Binary) => values!(Float32Type, |value, out| out.extend(value.to_be_bytes())),
        (DataType::Float64, Binary) => values!(Float64Type, |value, out| out.extend(value.to_be_bytes())),
        (DataType::Decimal128(_, scale), Binary) => {
            let scale = *scale;
            values!(Decimal128Type, |value, out| put_numeric(value, scale, out))
        }
        (DataType::Date32, Text) => {
            values!(Date32Type, |value, out| put_text(out, |text| push_date(value.into(), text)))
        }
        (DataType::Date32, Binary) => {
            values!(Date32Type, |value, out| out.extend(value.saturating_sub(DAYS_TO_2000).to_be_bytes()))
        }
        (DataType::Time64(_), Text) => {
            values!(Time64MicrosecondType, |value, out| put_text(out, |text| push_time(value, text)))
        }
        (DataType::Time64(_), Binary) => values!(Time64MicrosecondType, |value, out| out.extend(value.to_be_bytes())),
        (DataType::Timestamp(_, None), Text) => {
            values!(TimestampMicrosecondType, |value, out| put_text(out, |text| push_instant(value, None, text)))
        }
        (DataType::Timestamp(_, Some(_)), Text) => {
            values!(TimestampMicrosecondType, |value, out| put_text(out, |text| push_instant(value, Some(zone), text)))
        }
        (DataType::Timestamp(..), Binary) => {
            values!(TimestampMicrosecondType, |value, out| out.extend(value.saturating_sub(US_TO_2000).to_be_bytes()))
        }
        (DataType::Interval(_), _) => values!(IntervalMonthDayNanoType, |value, out| {
            put_interval(value.months, value.days.into(), value.nanoseconds.into(), form, out);
        }),
        (DataType::Duration(TimeUnit::Second), _) => lengths!(DurationSecondType, 1_000_000_000),
        (DataType::Duration(TimeUnit::Millisecond), _) => lengths!(DurationMillisecondType, 1_000_000),
        (DataType::Duration(TimeUnit::Microsecond), _) => lengths!(DurationMicrosecondType, 1_000),
        (DataType::Duration(TimeUnit::Nanosecond), _) => lengths!(DurationNanosecondType, 1),
        (DataType::Utf8, _) => {
            let values = array.as_string::<i32>().clone();
            Box::new(move |row, out| out.extend_from_slice(values.value(row).as_bytes()))
        }
        (DataType::Utf8View, _) => {
            let values = array.as_string_view().clone();
            Box::new(move |row, out| out.extend_from_slice(values.value(row).as_bytes()))
        }
        (DataType::Binary, Text) => {
            let values = array.as_binary::<i32>().clone();
            Box::new(move |row, out| {
                out.extend_from_slice(b"\\x");
                put_text(out, |text| {
                    for byte in values.value(row) {
                        let _ = write!(text, "{byte:02x}");
                    }
                });
            })
        }
        (DataType::Binary, Binary) => {
            let values = array.as_binary::<i32>().clone();
            Box::new(move |row, out| out.extend_from_slice(values.value(row)))
        }
        (DataType::List(item), _) if pg_type.element().is_some() => put_list(&array, item, form, zone)?,
        // Decimals as text, and what PostgreSQL has no type for: as all other text of ours.
        _ => Box::new(move |row, out| {
            if let Some(text) = format::Cells::new(&array, zone).text(row) {
                out.extend_from_slice(text.as_bytes());
            }
        }),
    })
}

fn put_list(array: &ArrayRef, item: &Field, form: Form, zone: Tz) -> Result<Put> {
    let lists = array.as_list::<i32>().clone();
    let element = PgType::of(item);
    let cells = Cells::of_column(lists.values(), element, form, zone)?;
    let range = move |row: usize| {
        let offsets = lists.value_offsets();
        let at = |index: usize| offsets.get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
        at(row)..at(row + 1)
    };
    Ok(match form {
        Form::Binary => Box::new(move |row, out| {
            let range = range(row);
            let has_nulls = range.clone().any(|row| cells.is_null(row));
            let dimensions = i32::from(!range.is_empty());
            out.extend(dimensions.to_be_bytes());
            out.extend(i32::from(has_nulls).to_be_bytes());
            out.extend(element.oid.to_be_bytes());
            if dimensions > 0 {
                out.extend(i32::try_from(range.len()).unwrap_or(i32::MAX).to_be_bytes());
                out.extend(1_i32.to_be_bytes());
            }
            range.for_each(|row| cells.put_sized(row, out));
        }),
        Form::Text => Box::new(move |row, out| {
            out.push(b'{');
            let mut value = Vec::new();
            for (index, row) in range(row).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if cells.is_null(row) {
                    out.extend_from_slice(b"NULL");
                    continue;
                }
                value.clear();
                cells.put(row, &mut value);
                put_element(&value, out);
            }
            out.push(b'}');
        }),
    })
}

/// Writes an element of an array, in quotes where it would be read otherwise without.
fn put_element(value: &[u8], out: &mut Vec<u8>) {
    let is_special =
        |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !value.is_empty() && !value.eq_ignore_ascii_case(b"null") && !value.iter().any(is_special) {
        return out.extend_from_slice(value);
    }
    out.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn put_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes a number in as many bytes as its type has.
fn put_sized_integer(value: i64, pg_type: PgType, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let size = usize::try_from(pg_type.size).unwrap_or(bytes.len()).min(bytes.len());
    out.extend_from_slice(bytes.get(bytes.len() - size..).unwrap_or(&bytes));
}

/// Writes through a text.
fn put_text(out: &mut Vec<u8>, write: impl FnOnce(&mut String)) {
    let mut text = String::new();
    write(&mut text);
    out.extend_from_slice(text.as_bytes());
}

/// Writes a float in the shortest digits that read back as the same value, with an exponent where PostgreSQL has one: below 0.0001, and from
/// `digits` digits before the point. `scientific` is the value with an exponent.
fn put_float(value: f64, scientific: std::fmt::Arguments<'_>, digits: i32, out: &mut Vec<u8>) {
    if !value.is_finite() {
        let text = if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        return out.extend_from_slice(text.as_bytes());
    }
    let text = scientific.to_string();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    put_text(out, |out| {
        out.push_str(sign);
        if !(-4..digits).contains(&exponent) {
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
            return;
        }
        let all: String = mantissa.chars().filter(|c| *c != '.').collect();
        let count = all.len();
        match usize::try_from(exponent) {
            Err(_) => {
                out.push_str("0.");
                out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
                out.push_str(&all);
            }
            Ok(exponent) if count <= exponent + 1 => {
                out.push_str(&all);
                out.extend(std::iter::repeat_n('0', exponent + 1 - count));
            }
            Ok(exponent) => {
                let (whole, part) = all.split_at(exponent + 1);
                let _ = write!(out, "{whole}.{part}");
            }
        }
    });
}

/// Writes a decimal in PostgreSQL's binary form: digits of four decimal places each, from the highest on.
fn put_numeric(value: i128, scale: i8, out: &mut Vec<u8>) {
    let digits = value.unsigned_abs().to_string();
    // The decimal digits before and behind the point.
    let (mut whole, mut part) = match usize::try_from(scale) {
        Ok(places) if digits.len() > places => {
            let (whole, part) = digits.split_at(digits.len() - places);
            (whole.to_owned(), part.to_owned())
        }
        Ok(places) => (String::new(), format!("{digits:0>places$}")),
        Err(_) => (digits + &"0".repeat(scale.unsigned_abs().into()), String::new()),
    };
    let shown = part.len();
    while !whole.len().is_multiple_of(4) {
        whole.insert(0, '0');
    }
    while !part.len().is_multiple_of(4) {
        part.push('0');
    }
    let mut groups: Vec<i16> = whole
        .as_bytes()
        .chunks(4)
        .chain(part.as_bytes().chunks(4))
        .map(|digits| digits.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
        .collect();
    let mut weight = (whole.len() / 4) as i16 - 1;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= leading as i16;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign: u16 = if value < 0 { 0x4000 } else { 0 };
    out.extend((groups.len() as i16).to_be_bytes());
    out.extend(weight.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend((shown as i16).to_be_bytes());
    groups.iter().for_each(|group| out.extend(group.to_be_bytes()));
}

fn put_interval(months: i32, days: i64, nanoseconds: i128, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Text => put_text(out, |text| push_postgres(months, days, nanoseconds, text)),
        Form::Binary => {
            let microseconds = i64::try_from(nanoseconds / 1_000).unwrap_or(i64::MAX);
            out.extend(microseconds.to_be_bytes());
            out.extend(i32::try_from(days).unwrap_or(i32::MAX).to_be_bytes());
            out.extend(months.to_be_bytes());
        }
    }
}

fn push_date(days: i64, text: &mut String) {
    push_day(days, text, "");
}

/// Appends a day, with what stands between it and the era of years before the first.
fn push_day(days: i64, text: &mut String, rest: &str) {
    match DateTime::from_timestamp(days.saturating_mul(86_400), 0) {
        Some(at) => {
            let (year, era) = if at.year() > 0 { (at.year(), "") } else { (1 - at.year(), " BC") };
            let _ = write!(text, "{year:04}-{:02}-{:02}{rest}{era}", at.month(), at.day());
        }
        // Beyond the years that a calendar is kept for.
        None => {
            let _ = write!(text, "{}", if days > 0 { "infinity" } else { "-infinity" });
        }
    }
}

fn push_time(microseconds: i64, text: &mut String) {
    let (seconds, part) = (microseconds.div_euclid(1_000_000), microseconds.rem_euclid(1_000_000));
    let _ = write!(text, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if part != 0 {
        let digits = format!("{part:06}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
}

/// Appends an instant, in a zone where it has one.
fn push_instant(microseconds: i64, zone: Option<Tz>, text: &mut String) {
    let offset = zone.and_then(|zone| {
        let at = DateTime::from_timestamp_micros(microseconds)?;
        Some(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
    });
    let local = microseconds.saturating_add(i64::from(offset.unwrap_or(0)) * 1_000_000);
    let mut rest = String::from(" ");
    push_time(local.rem_euclid(DAY_US), &mut rest);
    if zone.is_some() {
        let offset = offset.unwrap_or(0);
        let (sign, seconds) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        let _ = write!(rest, "{sign}{:02}", seconds / 3_600);
        if !seconds.is_multiple_of(3_600) {
            let _ = write!(rest, ":{:02}", seconds / 60 % 60);
        }
        if !seconds.is_multiple_of(60) {
            let _ = write!(rest, ":{:02}", seconds % 60);
        }
    }
    push_day(local.div_euclid(DAY_US), text, &rest);
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;

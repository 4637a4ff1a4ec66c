//! Columns of VARIANT as JSON text, shredded or not.
//!
//! Parquet's specification of VARIANT says how its values are written as JSON: decimals with the digits of their scale, floats with a
//! fraction or an exponent, times in ISO 8601, instants with the offset `+00:00`, binary in base64. Numbers that JSON does not have are
//! null. A text at the top is taken for itself, as a string of JSON is.
//!
//! The library that knows the codes checks them, but takes a value apart by calling itself, and a value may be made to nest as deep as it is
//! long, or to have one part in many places, and for a UUID whose bytes end early it panics (parquet-variant 59.3.2). Such values are found
//! here first.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, StringViewArray, StringViewBuilder, StructArray,
};
use arrow::datatypes::DataType;
use base64::prelude::{BASE64_STANDARD, Engine};
use parquet_variant::Variant;
use parquet_variant_compute::{VariantArray, unshred_variant};

use super::arrow_json::push_json;
use crate::error::Result;
use crate::json::push_json_string;

/// Arrays and objects may nest this deep, as for the JSON functions.
const MAX_DEPTH: usize = 200;

/// A column of VARIANT, read.
pub(super) struct VariantTexts {
    /// The values: JSON, or a text at the top as it is.
    pub(super) texts: StringViewArray,
    /// Whether each value is a text, or something that JSON has as one.
    pub(super) are_strings: Vec<bool>,
    /// Rows whose value is damaged, and why.
    pub(super) faults: Vec<(usize, String)>,
    /// The column as it came.
    codes: ArrayRef,
}

impl VariantTexts {
    /// Reads a column.
    ///
    /// # Errors
    /// A type inside that VARIANT does not have.
    pub(super) fn new(column: &ArrayRef) -> Result<Self> {
        let array = VariantArray::try_new(column.as_ref())?;
        let mut texts = StringViewBuilder::with_capacity(array.len());
        let (mut are_strings, mut faults) = (Vec::with_capacity(array.len()), Vec::new());
        // Where a row is damaged each is looked at for itself.
        let whole = is_sound(array.inner()).then(|| unshredded(&array)).and_then(std::result::Result::ok);
        let mut text = String::new();
        for row in 0..array.len() {
            text.clear();
            if array.is_null(row) {
                texts.append_null();
                are_strings.push(false);
                continue;
            }
            let pushed = match &whole {
                Some(whole) => push_row(&mut text, whole, row),
                None => push_alone(&mut text, &array.slice(row, 1)),
            };
            let is_string = match pushed {
                Ok(is_string) => is_string,
                Err(reason) => {
                    faults.push((row, reason));
                    texts.append_null();
                    are_strings.push(false);
                    continue;
                }
            };
            texts.try_append_value(&text)?;
            are_strings.push(is_string);
        }
        Ok(Self { texts: texts.finish(), are_strings, faults, codes: Arc::clone(column) })
    }

    /// Returns why the value of a row is damaged, if it is.
    pub(super) fn fault(&self, row: usize) -> Option<&str> {
        let at = self.faults.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        self.faults.get(at).map(|(_, reason)| reason.as_str())
    }

    /// Writes a value as a member of JSON; a damaged one as its codes.
    pub(super) fn push_json(&self, output: &mut String, row: usize) -> Result<()> {
        match self.texts.is_valid(row) {
            false if self.fault(row).is_some() => push_json(output, self.codes.as_ref(), row)?,
            false => output.push_str("null"),
            true if self.are_strings.get(row) == Some(&true) => push_json_string(output, self.texts.value(row)),
            true => output.push_str(self.texts.value(row)),
        }
        Ok(())
    }

    /// Returns the values as a column of texts.
    pub(super) fn column(&self) -> ArrayRef {
        Arc::new(self.texts.clone())
    }
}

fn damaged(what: impl std::fmt::Display) -> String {
    format!("damaged VARIANT: {what}")
}

/// Brings what stands in columns of its own back into the values. The library panics over some parts that contradict each other.
fn unshredded(array: &VariantArray) -> std::result::Result<VariantArray, String> {
    match catch_unwind(AssertUnwindSafe(|| unshred_variant(array))) {
        Ok(unshredded) => unshredded.map_err(damaged),
        Err(_) => Err(damaged("its parts contradict each other")),
    }
}

fn push_alone(output: &mut String, array: &VariantArray) -> std::result::Result<bool, String> {
    if !is_sound(array.inner()) {
        return Err(damaged(format!("it nests more than {MAX_DEPTH} deep, or is no VARIANT")));
    }
    push_row(output, &unshredded(array)?, 0)
}

/// Writes the value of a row; returns whether it is a text.
fn push_row(output: &mut String, array: &VariantArray, row: usize) -> std::result::Result<bool, String> {
    let metadata = bytes(array.metadata_column(), row).unwrap_or_default();
    let Some(value) = bytes(array.value_column(), row) else {
        output.push_str("null");
        return Ok(false);
    };
    match catch_unwind(AssertUnwindSafe(|| {
        Variant::try_new(metadata, value).map(|variant| push(output, &variant, false))
    })) {
        Ok(pushed) => pushed.map_err(damaged),
        Err(_) => Err(damaged("its parts contradict each other")),
    }
}

fn bytes(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        DataType::Dictionary(_, value) if **value == DataType::Binary => {
            let dictionary = array.as_any_dictionary();
            let key = *dictionary.normalized_keys().get(row)?;
            dictionary.values().as_binary::<i32>().value(key)
        }
        _ => return None,
    })
}

/// Writes a value, and says whether JSON has it as a string; `is_inside` puts such a one into quotes.
fn push(output: &mut String, variant: &Variant<'_, '_>, is_inside: bool) -> bool {
    let text = match variant {
        Variant::Null => return push_bare(output, "null"),
        Variant::BooleanTrue => return push_bare(output, "true"),
        Variant::BooleanFalse => return push_bare(output, "false"),
        Variant::Int8(number) => return push_bare(output, &number.to_string()),
        Variant::Int16(number) => return push_bare(output, &number.to_string()),
        Variant::Int32(number) => return push_bare(output, &number.to_string()),
        Variant::Int64(number) => return push_bare(output, &number.to_string()),
        Variant::Float(number) => return push_float(output, format!("{number:?}"), number.is_finite()),
        Variant::Double(number) => return push_float(output, format!("{number:?}"), number.is_finite()),
        Variant::Decimal4(decimal) => return push_decimal(output, decimal.integer().into(), decimal.scale()),
        Variant::Decimal8(decimal) => return push_decimal(output, decimal.integer().into(), decimal.scale()),
        Variant::Decimal16(decimal) => return push_decimal(output, decimal.integer(), decimal.scale()),
        Variant::Object(object) => {
            output.push('{');
            for (index, (key, value)) in object.iter().enumerate() {
                if index > 0 {
                    output.push(',');
                }
                push_json_string(output, key);
                output.push(':');
                push(output, &value, true);
            }
            output.push('}');
            return false;
        }
        Variant::List(list) => {
            output.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    output.push(',');
                }
                push(output, &value, true);
            }
            output.push(']');
            return false;
        }
        Variant::String(text) => return push_text(output, text, is_inside),
        Variant::ShortString(text) => return push_text(output, text.as_str(), is_inside),
        Variant::Date(date) => date.to_string(),
        Variant::TimestampMicros(instant) | Variant::TimestampNanos(instant) => instant.to_rfc3339(),
        Variant::TimestampNtzMicros(time) | Variant::TimestampNtzNanos(time) => {
            time.and_utc().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).trim_end_matches('Z').to_owned()
        }
        Variant::Time(time) => time.to_string(),
        Variant::Binary(bytes) => BASE64_STANDARD.encode(bytes),
        Variant::Uuid(uuid) => uuid.to_string(),
    };
    push_text(output, &text, is_inside)
}

fn push_bare(output: &mut String, text: &str) -> bool {
    output.push_str(text);
    false
}

fn push_text(output: &mut String, text: &str, is_inside: bool) -> bool {
    match is_inside {
        true => push_json_string(output, text),
        false => output.push_str(text),
    }
    true
}

fn push_float(output: &mut String, text: String, is_finite: bool) -> bool {
    push_bare(output, if is_finite { &text } else { "null" })
}

/// Writes every digit of a decimal's scale.
fn push_decimal(output: &mut String, integer: i128, scale: u8) -> bool {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", integer.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - scale).unwrap_or((&digits, ""));
    let sign = if integer < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    // Writing to a text cannot fail.
    let _ = write!(output, "{sign}{whole}{point}{fraction}");
    false
}

/// Whether all values in codes, in whatever column of a shredded one, nest no deeper than they may.
fn is_sound(array: &StructArray) -> bool {
    let is_sound_column = |(name, column): (&str, &ArrayRef)| match column.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView if name == "value" => {
            (0..column.len()).all(|row| bytes(column, row).is_none_or(is_sound_value))
        }
        DataType::Struct(_) => is_sound(column.as_struct()),
        DataType::List(_) => is_sound_list(column.as_list::<i32>()),
        DataType::LargeList(_) => is_sound_list(column.as_list::<i64>()),
        DataType::ListView(_) => column.as_list_view::<i32>().values().as_struct_opt().is_none_or(is_sound),
        DataType::LargeListView(_) => column.as_list_view::<i64>().values().as_struct_opt().is_none_or(is_sound),
        _ => true,
    };
    array.column_names().into_iter().zip(array.columns()).all(is_sound_column)
}

fn is_sound_list<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> bool {
    let offsets = list.value_offsets();
    let (first, last) = (offsets.first().map_or(0, |at| at.as_usize()), offsets.last().map_or(0, |at| at.as_usize()));
    list.values().slice(first, last - first).as_struct_opt().is_none_or(is_sound)
}

/// Whether the parts of a value nest no deeper than they may, and no part is in two places.
fn is_sound_value(value: &[u8]) -> bool {
    // A part has a byte of its own at least.
    let mut left = value.len();
    let mut parts = vec![(0, 0)];
    while let Some((at, depth)) = parts.pop() {
        let Some(less) = left.checked_sub(1) else { return false };
        left = less;
        if depth > MAX_DEPTH || !push_parts(&mut parts, value, at, depth + 1) || parts.len() > value.len() {
            return false;
        }
    }
    true
}

/// The kind of a value that is a UUID, and its bytes.
const UUID: usize = 20;
const UUID_BYTES: usize = 16;

/// Adds where the parts of an object or array begin; returns whether there is one at all.
fn push_parts(parts: &mut Vec<(usize, usize)>, value: &[u8], at: usize, depth: usize) -> bool {
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = value.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
    };
    let Some(header) = value.get(at) else { return false };
    let kind = usize::from(header >> 2);
    let offset_size = (kind & 3) + 1;
    let (is_large, id_size) = match header & 3 {
        2 => (kind >> 4 & 1 == 1, (kind >> 2 & 3) + 1),
        3 => (kind >> 2 & 1 == 1, 0),
        0 if kind == UUID => return number(at + 1, UUID_BYTES).is_some(),
        _ => return true,
    };
    let count_size = if is_large { 4 } else { 1 };
    let Some(count) = number(at + 1, count_size).filter(|count| *count <= value.len()) else { return false };
    let offsets = at + 1 + count_size + count * id_size;
    let values = offsets + (count + 1) * offset_size;
    for index in 0..count {
        let Some(offset) = number(offsets + index * offset_size, offset_size) else { return false };
        parts.push((values.saturating_add(offset), depth));
    }
    true
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, BinaryViewArray};
    use arrow::datatypes::Field;
    use parquet_variant::{VariantBuilder, VariantDecimal4, VariantDecimal16};
    use proptest::prelude::*;

    use super::*;

    fn column(values: &[(Vec<u8>, Vec<u8>)]) -> ArrayRef {
        let metadata: ArrayRef = Arc::new(BinaryArray::from_iter_values(values.iter().map(|(metadata, _)| metadata)));
        let value: ArrayRef = Arc::new(BinaryViewArray::from_iter_values(values.iter().map(|(_, value)| value)));
        let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
        Arc::new(StructArray::from(vec![(field("metadata", &metadata), metadata), (field("value", &value), value)]))
    }

    fn of(variant: impl Into<Variant<'static, 'static>>) -> (Vec<u8>, Vec<u8>) {
        let mut builder = VariantBuilder::new();
        builder.append_value(variant);
        builder.finish()
    }

    #[test]
    fn values_are_written_as_the_specification_says() {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let time = day.and_hms_micro_opt(10, 0, 0, 1).unwrap();
        let id = uuid::Uuid::parse_str("028a0000-0000-4000-8000-000000000001").unwrap();
        for (value, json, is_string) in [
            (of(Variant::Null), "null", false),
            (of(true), "true", false),
            (of(-7_i8), "-7", false),
            (of(i64::MAX), "9223372036854775807", false),
            (of(1.0_f64), "1.0", false),
            (of(0.1_f32), "0.1", false),
            (of(1e300_f64), "1e300", false),
            (of(f64::NAN), "null", false),
            (of(VariantDecimal4::try_new(-5, 2).unwrap()), "-0.05", false),
            (of(VariantDecimal4::try_new(150, 2).unwrap()), "1.50", false),
            (of(VariantDecimal16::try_new(10_i128.pow(30), 0).unwrap()), "1000000000000000000000000000000", false),
            (of(day), "2026-11-20", true),
            (of(time.and_utc()), "2026-11-20T10:00:00.000001+00:00", true),
            (of(time), "2026-11-20T10:00:00.000001", true),
            (of(day.and_hms_opt(10, 0, 0).unwrap()), "2026-11-20T10:00:00", true),
            (of(chrono::NaiveTime::from_hms_milli_opt(1, 2, 3, 400).unwrap()), "01:02:03.400", true),
            (of(id), "028a0000-0000-4000-8000-000000000001", true),
            (of(&b"\x00\xff\x10\x20"[..]), "AP8QIA==", true),
            (of(&b"abc"[..]), "YWJj", true),
            (of("say \"hi\""), "say \"hi\"", true),
        ] {
            let read = VariantTexts::new(&column(&[value])).unwrap();
            assert_eq!((read.texts.value(0), read.are_strings[0]), (json, is_string));
        }
        let mut builder = VariantBuilder::new();
        let mut object = builder.new_object();
        object.insert("t", "a\nb");
        object.insert("n", VariantDecimal4::try_new(250, 2).unwrap());
        let mut list = object.new_list("l");
        list.append_value(Variant::Null);
        list.append_value(day);
        list.finish();
        object.finish();
        let read = VariantTexts::new(&column(&[builder.finish()])).unwrap();
        assert_eq!(read.texts.value(0), r#"{"l":[null,"2026-11-20"],"n":2.50,"t":"a\nb"}"#);
    }

    /// An array in an array, and so on.
    fn deep(levels: usize) -> Vec<u8> {
        let mut value = vec![0];
        for _ in 0..levels {
            let length = value.len() as u32;
            let mut outer = vec![0b1111, 1, 0, 0, 0, 0];
            outer.extend(length.to_le_bytes());
            outer.extend(&value);
            value = outer;
        }
        value
    }

    #[test]
    fn what_nests_too_deep_or_is_no_variant_costs_its_own_row() {
        let empty = vec![1, 0, 0];
        // An object all of whose members are one object, and so on: as many values as no memory holds.
        let mut shared = vec![0];
        for _ in 0..12 {
            let mut outer = vec![0b0010, 200];
            outer.extend([0; 200]);
            outer.extend([0; 200]);
            outer.push(1);
            outer.extend(&shared);
            shared = outer;
        }
        let values = [
            (empty.clone(), vec![0b1100, 7]),
            (empty.clone(), deep(100)),
            (empty.clone(), deep(1000)),
            (empty.clone(), shared),
            (empty.clone(), vec![0b0011, 9]),
            (vec![9, 9], vec![0]),
            (empty, vec![]),
        ];
        let read = VariantTexts::new(&column(&values)).unwrap();
        assert_eq!(read.texts.value(0), "7");
        assert!(read.texts.value(1).ends_with(&"]".repeat(100)), "{}", read.texts.value(1));
        let faults: Vec<usize> = read.faults.iter().map(|(row, _)| *row).collect();
        assert_eq!(faults, [2, 3, 4, 5, 6]);
        assert!(read.faults.iter().all(|(_, reason)| reason.starts_with("damaged VARIANT: ")), "{:?}", read.faults);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(metadata in prop::collection::vec(any::<u8>(), 0..12), value in prop::collection::vec(any::<u8>(), 0..40)) {
            for metadata in [metadata, vec![1, 1, 0, 1, b'a']] {
                let read = VariantTexts::new(&column(&[(metadata, value.clone())])).unwrap();
                prop_assert_eq!(read.texts.len(), 1);
            }
        }
    }
}

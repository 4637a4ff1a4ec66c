//! Hides phone numbers, e-mail addresses and names in results, before anything is written.
//!
//! A value is found by the name of its column or JSON key, and by its form wherever it stands: in plain text, inside JSON, inside
//! JSON that is a string of other JSON. Names are also hidden in the other texts of their row. All rules are one table,
//! [`Redaction::rules`]. What is hidden is replaced by `[phone ··43]` (the last two digits stay, so that callers can be told
//! apart in a report), `[email]` or `[name]`; doing it again changes nothing.
//!
//! Limits: a name that stands under no key that says so, in a row that does not name it elsewhere, is text like any other; so is
//! an address spelled out ("mary at example dot com"). Under keys of ids only numbers with a plus are phone numbers: ids stay.

mod email;
mod json;
mod key;
mod known;
mod names;
mod phone;
mod rules;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BinaryViewBuilder, DictionaryArray, GenericListArray, LargeBinaryBuilder,
    LargeStringBuilder, MapArray, RecordBatch, RecordBatchOptions, StringBuilder, StringViewBuilder, StructArray,
    make_array,
};
use arrow::compute::{cast, nullif};
use arrow::datatypes::{DataType, FieldRef};

pub use rules::Rule;

use self::key::Key;
use self::names::RowNames;
use crate::Result;

/// Hides what identifies a person.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    /// Names that are known beforehand, lower case, the longest first.
    names: Vec<String>,
    /// Other values that are known, with what stands in their place, the longest first.
    values: Vec<(String, String)>,
}

/// Depth of JSON inside strings of JSON that is taken apart; deeper ones are looked at as text.
const DEPTH: usize = 12;

impl Redaction {
    /// Returns the standard rules.
    pub fn standard() -> Self {
        Self::default()
    }

    /// Hides what identifies a person in one text by its form, such as an error that quotes a value.
    pub fn text(&self, value: &str) -> String {
        text(&known::hide(value, &self.values), Key::Other, &self.names, 0).into_owned()
    }

    /// Hides what identifies a person in one text that stands under a name, such as the value of a parameter.
    pub fn named(&self, name: &str, value: &str) -> String {
        let key = Key::of(name);
        let mut names = self.names.clone();
        names::add(value, key, &mut names);
        text(&known::hide(value, &self.values), key, &names, 0).into_owned()
    }

    /// Takes a value that stands under a name to be known, if it is one to hide: it is hidden in all that comes, wherever it
    /// stands, and names also word by word.
    #[must_use]
    pub fn knowing(mut self, name: &str, value: &str) -> Self {
        let shown = Self::standard().named(name, value);
        if shown != value {
            let key = match Key::of(name) {
                // Alone, and not in a row of a table of things, it is a person's.
                Key::Name => Key::PersonName,
                key => key,
            };
            names::add(value, key, &mut self.names);
            known::add(value, &shown, &mut self.values);
        }
        self
    }

    /// Lists the rules, each with examples that a test runs.
    pub fn rules() -> &'static [Rule] {
        rules::RULES
    }

    /// Hides what identifies a person in every text of a batch; the schema stays. Numbers are only hidden (as null, or 0 where
    /// null is not allowed) in columns whose name says that they hold phone numbers.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] for an array that Arrow cannot rebuild; no value of text or bytes is an error.
    pub fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = batch.schema();
        let keys: Vec<Key> = schema.fields().iter().map(|field| Key::of(field.name())).collect();
        let names = RowNames::collect(batch, &keys, &self.names);
        let mut columns = Vec::with_capacity(batch.num_columns());
        for ((array, field), key) in batch.columns().iter().zip(schema.fields()).zip(&keys) {
            let array = known::hide_in_column(array, &self.values)?;
            columns.push(redacted(&array, *key, field, Some(&names))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }
}

/// Hides in one text. The names are those of the row.
fn text<'a>(text: &'a str, key: Key, names: &[String], depth: usize) -> Cow<'a, str> {
    if text.is_empty() {
        return Cow::Borrowed(text);
    }
    if depth < DEPTH && looks_like_json(text) {
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            return json::redact(text, key, names, depth);
        }
        return broken(text, key, names, depth);
    }
    plain(text, key, names)
}

/// Hides in broken JSON: in its strings by their keys as far as they can be told, then in all of it as text. Where escapes were decoded to see
/// more, other strings may begin, so it is looked at again.
fn broken<'a>(text: &'a str, key: Key, names: &[String], depth: usize) -> Cow<'a, str> {
    let mut shown = Cow::Borrowed(text);
    for _ in 0..LOOKS {
        let strings = json::redact(&shown, key, names, depth);
        let next = plain(&strings, key, names);
        if next == shown {
            break;
        }
        shown = Cow::Owned(next.into_owned());
    }
    shown
}

/// Returns whether a text is gone through as JSON, broken or not. What was hidden begins with a bracket, and is none.
fn looks_like_json(text: &str) -> bool {
    let trimmed = text.trim_start();
    trimmed.starts_with(['{', '[', '"']) && !key::begins_with_token(trimmed)
}

/// Hides in a text that is no JSON.
fn plain<'a>(text: &'a str, key: Key, names: &[String]) -> Cow<'a, str> {
    if let Some(shown) = key.hide(text) {
        return if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) };
    }
    if let Some(decoded) = json::decoded_escapes(text) {
        // Escapes outside of JSON hide a value from a reader of text, not from one who decodes them.
        let found = by_form(&decoded, key, names);
        if found != decoded {
            return Cow::Owned(found.into_owned());
        }
    }
    by_form(text, key, names)
}

/// Times that a text is looked at again. What is hidden in it may show where something beside it begins; each time there is
/// less left, and more than three were not seen.
const LOOKS: usize = 16;

/// Hides what is told by its form. Addresses come first, as a name or a number may be part of one.
fn by_form<'a>(text: &'a str, key: Key, names: &[String]) -> Cow<'a, str> {
    let mut shown = Cow::Borrowed(text);
    for _ in 0..LOOKS {
        let mut found = false;
        for step in 0..3 {
            let next = match step {
                0 => email::hide(&shown),
                1 => names::hide(&shown, names),
                _ => phone::hide(&shown, key),
            };
            if let Some(next) = next.filter(|next| *next != shown) {
                shown = Cow::Owned(next);
                found = true;
            }
        }
        if !found {
            break;
        }
    }
    shown
}

/// Hides in a column of any type.
fn redacted(array: &ArrayRef, key: Key, field: &FieldRef, names: Option<&RowNames>) -> Result<ArrayRef> {
    let row_names = |row: usize| names.map_or(&[][..], |names| names.of(row));
    macro_rules! texts {
        ($values:expr, $builder:ty) => {{
            let values = $values;
            let mut builder = <$builder>::new();
            for row in 0..values.len() {
                match values.is_valid(row) {
                    true => builder.append_value(text(values.value(row), key, row_names(row), 0).as_ref()),
                    false => builder.append_null(),
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    macro_rules! bytes {
        ($values:expr, $builder:ty) => {{
            let values = $values;
            let mut builder = <$builder>::new();
            for row in 0..values.len() {
                match (values.is_valid(row), std::str::from_utf8(values.value(row))) {
                    (true, Ok(valid)) => builder.append_value(text(valid, key, row_names(row), 0).as_bytes()),
                    (true, Err(_)) => {
                        // Text with broken bytes is looked at with the breaks replaced, and changed only if something is found.
                        let lossy = String::from_utf8_lossy(values.value(row));
                        match text(&lossy, key, row_names(row), 0) {
                            shown if shown == lossy => builder.append_value(values.value(row)),
                            shown => builder.append_value(shown.as_bytes()),
                        }
                    }
                    (false, _) => builder.append_null(),
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    Ok(match array.data_type() {
        DataType::Utf8 => texts!(array.as_string::<i32>(), StringBuilder),
        DataType::LargeUtf8 => texts!(array.as_string::<i64>(), LargeStringBuilder),
        DataType::Utf8View => texts!(array.as_string_view(), StringViewBuilder),
        DataType::Binary => bytes!(array.as_binary::<i32>(), BinaryBuilder),
        DataType::LargeBinary => bytes!(array.as_binary::<i64>(), LargeBinaryBuilder),
        DataType::BinaryView => bytes!(array.as_binary_view(), BinaryViewBuilder),
        DataType::Dictionary(_, value) => dictionary(array, value, key, field, names)?,
        DataType::RunEndEncoded(_, value) => {
            // As a plain column, then back: equal values may have become different and the other way round.
            let plain = cast(array, value.data_type())?;
            cast(&redacted(&plain, key, field, names)?, array.data_type())?
        }
        other if other.is_numeric() => numbers(array, key, field)?,
        _ => nested(array, key)?,
    })
}

fn dictionary(
    array: &ArrayRef,
    value: &DataType,
    key: Key,
    field: &FieldRef,
    names: Option<&RowNames>,
) -> Result<ArrayRef> {
    let plain = cast(array, value)?;
    let shown = redacted(&plain, key, field, names)?;
    if let Ok(packed) = cast(&shown, array.data_type()) {
        return Ok(packed);
    }
    // What cannot be packed again has its values changed where they are, without the names of rows.
    let any = array.as_any_dictionary();
    let values = redacted(any.values(), key, field, None)?;
    macro_rules! with_values {
        ($($key:ty),*) => {
            $(if let Some(typed) = array.as_any().downcast_ref::<DictionaryArray<$key>>() {
                return Ok(Arc::new(typed.with_values(values)));
            })*
        };
    }
    use arrow::datatypes::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
    with_values!(Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type);
    Err(crate::Error::internal("a dictionary of unknown keys"))
}

/// Hides numbers that a column's name says are phone numbers; a count of calls has fewer digits.
fn numbers(array: &ArrayRef, key: Key, field: &FieldRef) -> Result<ArrayRef> {
    if key != Key::Phone {
        return Ok(ArrayRef::clone(array));
    }
    let floats = cast(array, &DataType::Float64)?;
    let floats = floats.as_primitive::<arrow::datatypes::Float64Type>();
    let hidden: arrow::array::BooleanArray =
        floats.iter().map(|value| Some(value.is_some_and(|value| value.abs() >= phone::SMALLEST_NUMBER))).collect();
    if hidden.true_count() == 0 {
        return Ok(ArrayRef::clone(array));
    }
    if field.is_nullable() {
        return Ok(nullif(array, &hidden)?);
    }
    let zero = cast(&arrow::array::Int8Array::new_scalar(0).into_inner(), array.data_type())?;
    Ok(arrow::compute::kernels::zip::zip(&hidden, &arrow::array::Scalar::new(zero), array)?)
}

/// Hides in what lies inside a list, a struct, a map or a union; other types have no text.
fn nested(array: &ArrayRef, key: Key) -> Result<ArrayRef> {
    fn list<O: arrow::array::OffsetSizeTrait>(
        list: &GenericListArray<O>,
        key: Key,
        item: &FieldRef,
    ) -> Result<ArrayRef> {
        let values = redacted(list.values(), key, item, None)?;
        Ok(Arc::new(GenericListArray::<O>::try_new(
            Arc::clone(item),
            list.offsets().clone(),
            values,
            list.nulls().cloned(),
        )?))
    }
    Ok(match array.data_type() {
        DataType::List(item) => list(array.as_list::<i32>(), key, item)?,
        DataType::LargeList(item) => list(array.as_list::<i64>(), key, item)?,
        DataType::Struct(fields) if !fields.is_empty() => {
            let structs = array.as_struct();
            let inside =
                |(column, field): (&ArrayRef, &FieldRef)| redacted(column, key.inside(field.name()), field, None);
            let columns = structs.columns().iter().zip(fields).map(inside).collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, structs.nulls().cloned())?)
        }
        DataType::Map(entries, sorted) => {
            let map = array.as_map();
            let columns = map_entries(map, key)?;
            let shown = StructArray::try_new(map.entries().fields().clone(), columns, map.entries().nulls().cloned())?;
            let (entries, offsets, nulls) = (Arc::clone(entries), map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(entries, offsets, shown, nulls, *sorted)?)
        }
        DataType::ListView(_) | DataType::LargeListView(_) | DataType::FixedSizeList(_, _) | DataType::Union(_, _) => {
            // One shape for all: their children are arrays of their own, and nothing else refers to text.
            let data = array.to_data();
            let fields: Vec<(FieldRef, Key)> = match array.data_type() {
                DataType::ListView(item) | DataType::LargeListView(item) | DataType::FixedSizeList(item, _) => {
                    vec![(Arc::clone(item), key)]
                }
                DataType::Union(fields, _) => fields.iter().map(|(_, field)| (Arc::clone(field), key)).collect(),
                _ => Vec::new(),
            };
            let mut children = Vec::new();
            for (child, (field, key)) in data.child_data().iter().zip(fields) {
                children.push(redacted(&make_array(child.clone()), key, &field, None)?.to_data());
            }
            make_array(data.into_builder().child_data(children).build()?)
        }
        _ => ArrayRef::clone(array),
    })
}

/// Hides in the keys and the values of a map, the values by their keys.
fn map_entries(map: &MapArray, key: Key) -> Result<Vec<ArrayRef>> {
    let entries = map.entries();
    let mut columns = Vec::new();
    for (index, (column, field)) in entries.columns().iter().zip(entries.fields()).enumerate() {
        if index == 0 {
            columns.push(redacted(column, Key::Other, field, None)?);
            continue;
        }
        let keys = cast(map.keys(), &DataType::Utf8);
        let by_key = match (&keys, column.data_type()) {
            (Ok(keys), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
                let keys = keys.as_string::<i32>();
                let values = cast(column, &DataType::Utf8)?;
                let values = values.as_string::<i32>();
                let mut builder = StringBuilder::new();
                for row in 0..values.len() {
                    let name = if keys.is_valid(row) { keys.value(row) } else { "" };
                    match values.is_valid(row) {
                        true => builder.append_value(text(values.value(row), key.inside(name), &[], 0)),
                        false => builder.append_null(),
                    }
                }
                cast(&(Arc::new(builder.finish()) as ArrayRef), column.data_type())?
            }
            _ => redacted(column, key, field, None)?,
        };
        columns.push(by_key);
    }
    Ok(columns)
}

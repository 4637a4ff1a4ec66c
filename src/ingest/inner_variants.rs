//! VARIANT inside of nested columns: structs, lists and maps that hold values of it.
//!
//! Such a value is put into its column as JSON that is written out as it is: a struct of one text under a name that no file gives. A value that is
//! damaged is written as why it is, between two characters that JSON never has bare, so that its row can be found.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, GenericListViewArray, MapArray, OffsetSizeTrait,
    StringViewBuilder, StructArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::arrow_json::JSON_TEXT;
use super::variant::VariantTexts;
use crate::error::Result;

/// What stands around why a value is damaged.
const DAMAGED: char = '\0';

/// Takes out of JSON why a value inside is damaged, if one is: a null is left in its place.
pub(super) fn take_damage(json: &mut String) -> Option<String> {
    let start = json.find(DAMAGED)?;
    let length = json.get(start + 1..)?.find(DAMAGED)?;
    let reason = json.get(start + 1..start + 1 + length)?.to_owned();
    json.replace_range(start..start + length + 2, "null");
    while take_damage(json).is_some() {}
    Some(reason)
}

/// Puts JSON into the place of each VARIANT inside of a column.
///
/// # Errors
/// A type inside that VARIANT does not have.
pub(super) fn readable(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if is_variant(field) {
        return texts(array);
    }
    Ok(match array.data_type() {
        DataType::Struct(_) => members(array.as_struct())?,
        DataType::List(item) => list(array.as_list::<i32>(), item)?,
        DataType::LargeList(item) => list(array.as_list::<i64>(), item)?,
        DataType::ListView(item) => list_view(array.as_list_view::<i32>(), item)?,
        DataType::LargeListView(item) => list_view(array.as_list_view::<i64>(), item)?,
        DataType::FixedSizeList(item, length) => {
            let list = array.as_fixed_size_list();
            let values = readable(list.values(), item)?;
            let (field, nulls) = (retyped(item, &values), list.nulls().cloned());
            Arc::new(FixedSizeListArray::try_new(field, *length, values, nulls)?)
        }
        DataType::Map(entries, sorted) => {
            let map = array.as_map();
            let values = members(map.entries())?;
            let (field, nulls) = (retyped(entries, &values), map.nulls().cloned());
            let values = values.as_struct().clone();
            Arc::new(MapArray::try_new(field, map.offsets().clone(), values, nulls, *sorted)?)
        }
        _ => Arc::clone(array),
    })
}

/// Tells a VARIANT by its name as an extension, or by the struct that it is stored as, which some writers do not mark.
pub(super) fn is_variant(field: &Field) -> bool {
    if field.extension_type_name() == Some("arrow.parquet.variant") {
        return true;
    }
    let DataType::Struct(fields) = field.data_type() else { return false };
    let kind = |name: &str| fields.iter().find(|field| field.name() == name).map(|field| field.data_type());
    let is_binary =
        |kind: Option<&DataType>| matches!(kind, Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView));
    let has_value = is_binary(kind("value")) || kind("typed_value").is_some();
    let has_others = fields.iter().any(|field| !matches!(field.name().as_str(), "metadata" | "value" | "typed_value"));
    is_binary(kind("metadata")) && has_value && !has_others
}

fn texts(array: &ArrayRef) -> Result<ArrayRef> {
    let read = VariantTexts::new(array)?;
    let mut texts = StringViewBuilder::with_capacity(array.len());
    let mut json = String::new();
    for row in 0..array.len() {
        json.clear();
        match read.fault(row) {
            Some(reason) => json = format!("{DAMAGED}{}{DAMAGED}", reason.replace(DAMAGED, " ")),
            None => read.push_json(&mut json, row)?,
        }
        texts.try_append_value(&json)?;
    }
    let texts: ArrayRef = Arc::new(texts.finish());
    let field = Field::new(JSON_TEXT, DataType::Utf8View, false);
    Ok(Arc::new(StructArray::try_new(Fields::from(vec![field]), vec![texts], array.nulls().cloned())?))
}

fn members(array: &StructArray) -> Result<ArrayRef> {
    if array.num_columns() == 0 {
        return Ok(Arc::new(array.clone()));
    }
    let columns = array.columns().iter().zip(array.fields()).map(|(column, field)| readable(column, field));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let fields = array.fields().iter().zip(&columns).map(|(field, column)| retyped(field, column)).collect();
    Ok(Arc::new(StructArray::try_new(fields, columns, array.nulls().cloned())?))
}

fn list<O: OffsetSizeTrait>(list: &GenericListArray<O>, item: &FieldRef) -> Result<ArrayRef> {
    let values = readable(list.values(), item)?;
    let (field, offsets) = (retyped(item, &values), list.offsets().clone());
    Ok(Arc::new(GenericListArray::try_new(field, offsets, values, list.nulls().cloned())?))
}

fn list_view<O: OffsetSizeTrait>(list: &GenericListViewArray<O>, item: &FieldRef) -> Result<ArrayRef> {
    let values = readable(list.values(), item)?;
    let (field, offsets, sizes) = (retyped(item, &values), list.offsets().clone(), list.sizes().clone());
    Ok(Arc::new(GenericListViewArray::try_new(field, offsets, sizes, values, list.nulls().cloned())?))
}

/// Gives a field the type that its values have now, of which no name of an extension speaks any more.
fn retyped(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    match field.data_type() == array.data_type() {
        true => Arc::clone(field),
        false => Arc::new(Field::new(field.name(), array.data_type().clone(), field.is_nullable())),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, Int32Array, ListArray};
    use arrow::buffer::OffsetBuffer;
    use parquet_variant::VariantBuilder;

    use super::super::arrow_json::push_json;
    use super::*;

    /// A column of VARIANT: an object, a text, a null and a damaged value.
    fn variants() -> ArrayRef {
        let mut object = VariantBuilder::new();
        object.new_object().with_field("a", 1_i8).finish();
        let mut text = VariantBuilder::new();
        text.append_value("x\"");
        let mut nothing = VariantBuilder::new();
        nothing.append_value(parquet_variant::Variant::Null);
        let mut values: Vec<(Vec<u8>, Vec<u8>)> = [object, text, nothing].map(VariantBuilder::finish).to_vec();
        values.push((values[0].0.clone(), vec![0xff]));
        let metadata: ArrayRef = Arc::new(BinaryArray::from_iter_values(values.iter().map(|(metadata, _)| metadata)));
        let value: ArrayRef = Arc::new(BinaryArray::from_iter_values(values.iter().map(|(_, value)| value)));
        let field = |name: &str| Arc::new(Field::new(name, DataType::Binary, true));
        Arc::new(StructArray::from(vec![(field("metadata"), metadata), (field("value"), value)]))
    }

    fn json(array: &ArrayRef, row: usize) -> (String, Option<String>) {
        let mut text = String::new();
        push_json(&mut text, array.as_ref(), row).unwrap();
        let damage = take_damage(&mut text);
        (text, damage)
    }

    #[test]
    fn values_inside_of_structs_and_lists_are_json() {
        let inner = variants();
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
        let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
        let record: ArrayRef =
            Arc::new(StructArray::from(vec![(field("v", &inner), Arc::clone(&inner)), (field("n", &number), number)]));
        let read = readable(&record, &field("r", &record)).unwrap();
        assert_eq!(json(&read, 0), (r#"{"v":{"a":1},"n":1}"#.to_owned(), None));
        assert_eq!(json(&read, 1), (r#"{"v":"x\"","n":2}"#.to_owned(), None));
        assert_eq!(json(&read, 2), (r#"{"v":null,"n":3}"#.to_owned(), None));
        let (text, damage) = json(&read, 3);
        assert_eq!(text, r#"{"v":null,"n":4}"#);
        assert!(damage.unwrap().starts_with("damaged VARIANT"));
        let offsets = OffsetBuffer::new(vec![0, 3, 3, 4].into());
        let list: ArrayRef = Arc::new(ListArray::new(field("item", &inner), offsets, inner, None));
        let read = readable(&list, &field("l", &list)).unwrap();
        assert_eq!(json(&read, 0).0, r#"[{"a":1},"x\"",null]"#);
        assert_eq!(json(&read, 1).0, "[]");
        assert!(json(&read, 2).1.is_some());
    }

    #[test]
    fn a_struct_with_more_in_it_is_none() {
        let fields = |names: &[&str]| {
            let fields = names.iter().map(|name| Field::new(*name, DataType::Binary, true));
            Field::new("x", DataType::Struct(fields.collect()), true)
        };
        assert!(
            is_variant(&fields(&["metadata", "value"])) && is_variant(&fields(&["value", "metadata", "typed_value"]))
        );
        assert!(!is_variant(&fields(&["metadata"])) && !is_variant(&fields(&["metadata", "value", "note"])));
    }
}

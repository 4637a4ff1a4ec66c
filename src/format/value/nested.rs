//! Prints lists, structs and maps as JSON, and looks through the encodings that wrap other types.

use std::ops::Range;

use arrow::array::{
    Array, AsArray, DictionaryArray, FixedSizeListArray, GenericListArray, GenericListViewArray, MapArray,
    OffsetSizeTrait, RunArray, StructArray, UnionArray,
};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, DataType, Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type, UnionFields,
};

use super::{AllNull, DisplayZone, Form, Values, append_json, values};
use crate::format::unique_names;
use crate::json::{Escaping, push_json_string_as};

/// A list of any layout: each row is a range of its items.
struct List<'a, A, F> {
    array: &'a A,
    range: F,
    items: Box<dyn Values + 'a>,
}

impl<A: Array, F: Fn(usize) -> Range<usize>> Values for List<'_, A, F> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn append(&self, row: usize, out: &mut String) {
        out.push('[');
        for (position, item) in (self.range)(row).enumerate() {
            if position > 0 {
                out.push(',');
            }
            append_json(self.items.as_ref(), item, out);
        }
        out.push(']');
    }
}

pub(super) fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>, zone: DisplayZone) -> Box<dyn Values + '_> {
    let offsets = array.value_offsets();
    let range = move |row: usize| offsets[row].as_usize()..offsets[row + 1].as_usize();
    Box::new(List { array, range, items: values(array.values(), Form::Json, zone) })
}

pub(super) fn list_view<O: OffsetSizeTrait>(
    array: &GenericListViewArray<O>,
    zone: DisplayZone,
) -> Box<dyn Values + '_> {
    let (offsets, sizes) = (array.value_offsets(), array.value_sizes());
    let range = move |row: usize| offsets[row].as_usize()..(offsets[row] + sizes[row]).as_usize();
    Box::new(List { array, range, items: values(array.values(), Form::Json, zone) })
}

pub(super) fn fixed_size_list(array: &FixedSizeListArray, length: i32, zone: DisplayZone) -> Box<dyn Values + '_> {
    let length = usize::try_from(length).unwrap_or_default();
    let range = move |row: usize| {
        let start = usize::try_from(array.value_offset(row)).unwrap_or_default();
        start..start + length
    };
    Box::new(List { array, range, items: values(array.values(), Form::Json, zone) })
}

struct Structs<'a> {
    array: &'a StructArray,
    /// Each field's key with quotes and colon, and its values.
    fields: Vec<(String, Box<dyn Values + 'a>)>,
}

impl Values for Structs<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn append(&self, row: usize, out: &mut String) {
        out.push('{');
        for (position, (key, values)) in self.fields.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            out.push_str(key);
            append_json(values.as_ref(), row, out);
        }
        out.push('}');
    }
}

pub(super) fn structs(array: &StructArray, zone: DisplayZone) -> Box<dyn Values + '_> {
    let keys = json_keys(array.fields().iter().map(|field| field.name().as_str()));
    let columns = array.columns().iter().map(|column| values(column.as_ref(), Form::Json, zone));
    Box::new(Structs { array, fields: keys.into_iter().zip(columns).collect() })
}

/// Makes the keys of JSON objects, unique, each with quotes and colon.
pub(in crate::format) fn json_keys<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    unique_names(names)
        .iter()
        .map(|name| {
            let mut key = String::new();
            push_json_string_as(&mut key, name, Escaping::Short);
            key.push(':');
            key
        })
        .collect()
}

struct Map<'a> {
    array: &'a MapArray,
    keys: Box<dyn Values + 'a>,
    values: Box<dyn Values + 'a>,
}

impl Values for Map<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn append(&self, row: usize, out: &mut String) {
        let offsets = self.array.value_offsets();
        let mut key = String::new();
        out.push('{');
        for (position, entry) in (offsets[row].as_usize()..offsets[row + 1].as_usize()).enumerate() {
            if position > 0 {
                out.push(',');
            }
            key.clear();
            if self.keys.is_null(entry) {
                key.push_str("null");
            } else {
                self.keys.append(entry, &mut key);
            }
            push_json_string_as(out, &key, Escaping::Short);
            out.push(':');
            append_json(self.values.as_ref(), entry, out);
        }
        out.push('}');
    }
}

pub(super) fn map(array: &MapArray, zone: DisplayZone) -> Box<dyn Values + '_> {
    let keys = values(array.keys().as_ref(), Form::Text, zone);
    Box::new(Map { array, keys, values: values(array.values().as_ref(), Form::Json, zone) })
}

/// A union prints as the value that the row holds, whichever type that has.
struct Union<'a> {
    array: &'a UnionArray,
    /// By type id.
    children: Vec<Option<Box<dyn Values + 'a>>>,
}

impl Union<'_> {
    fn child(&self, row: usize) -> Option<(&dyn Values, usize)> {
        let id = usize::try_from(self.array.type_id(row)).ok()?;
        let child = self.children.get(id)?.as_ref()?;
        Some((child.as_ref(), self.array.value_offset(row)))
    }
}

impl Values for Union<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.child(row).is_none_or(|(child, row)| child.is_null(row))
    }

    fn append(&self, row: usize, out: &mut String) {
        if let Some((child, row)) = self.child(row) {
            child.append(row, out);
        }
    }

    fn borrow(&self, row: usize) -> Option<&str> {
        self.child(row).and_then(|(child, row)| child.borrow(row))
    }
}

pub(super) fn union<'a>(
    array: &'a UnionArray,
    fields: &UnionFields,
    form: Form,
    zone: DisplayZone,
) -> Box<dyn Values + 'a> {
    let mut children: Vec<Option<Box<dyn Values + 'a>>> = Vec::new();
    for (id, _) in fields.iter() {
        let position = usize::try_from(id).unwrap_or_default();
        children.resize_with(children.len().max(position + 1), || None);
        children[position] = Some(values(array.child(id).as_ref(), form, zone));
    }
    Box::new(Union { array, children })
}

/// Cells that stand for cells of another array, at another row; `None` is null.
struct Indirect<'a, F> {
    index: F,
    values: Box<dyn Values + 'a>,
}

impl<F: Fn(usize) -> Option<usize>> Values for Indirect<'_, F> {
    fn is_null(&self, row: usize) -> bool {
        (self.index)(row).is_none_or(|row| self.values.is_null(row))
    }

    fn append(&self, row: usize, out: &mut String) {
        if let Some(row) = (self.index)(row) {
            self.values.append(row, out);
        }
    }

    fn borrow(&self, row: usize) -> Option<&str> {
        (self.index)(row).and_then(|row| self.values.borrow(row))
    }
}

pub(super) fn dictionary<'a>(
    array: &'a dyn Array,
    key: &DataType,
    form: Form,
    zone: DisplayZone,
) -> Box<dyn Values + 'a> {
    fn of<'a, K: ArrowDictionaryKeyType>(
        array: &'a DictionaryArray<K>,
        form: Form,
        zone: DisplayZone,
    ) -> Box<dyn Values + 'a> {
        Box::new(Indirect { index: |row| array.key(row), values: values(array.values().as_ref(), form, zone) })
    }
    match key {
        DataType::Int8 => of(array.as_dictionary::<Int8Type>(), form, zone),
        DataType::Int16 => of(array.as_dictionary::<Int16Type>(), form, zone),
        DataType::Int32 => of(array.as_dictionary::<Int32Type>(), form, zone),
        DataType::Int64 => of(array.as_dictionary::<Int64Type>(), form, zone),
        DataType::UInt8 => of(array.as_dictionary::<UInt8Type>(), form, zone),
        DataType::UInt16 => of(array.as_dictionary::<UInt16Type>(), form, zone),
        DataType::UInt32 => of(array.as_dictionary::<UInt32Type>(), form, zone),
        DataType::UInt64 => of(array.as_dictionary::<UInt64Type>(), form, zone),
        // Arrow makes no dictionary with other keys.
        _ => Box::new(AllNull),
    }
}

pub(super) fn runs<'a>(
    array: &'a dyn Array,
    run_ends: &DataType,
    form: Form,
    zone: DisplayZone,
) -> Box<dyn Values + 'a> {
    fn of<'a, R: RunEndIndexType>(array: &'a RunArray<R>, form: Form, zone: DisplayZone) -> Box<dyn Values + 'a> {
        let index = |row| Some(array.get_physical_index(row));
        Box::new(Indirect { index, values: values(array.values().as_ref(), form, zone) })
    }
    match run_ends {
        DataType::Int16 => of(array.as_run::<Int16Type>(), form, zone),
        DataType::Int32 => of(array.as_run::<Int32Type>(), form, zone),
        DataType::Int64 => of(array.as_run::<Int64Type>(), form, zone),
        // Arrow makes no run array with other run ends.
        _ => Box::new(AllNull),
    }
}

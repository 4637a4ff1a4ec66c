//! Members of nested columns of Delta tables whose columns are mapped: data files have them under other names, or by numbers alone.
//!
//! Where the members stand is told once a file from its types. Each batch then has them under the table's names and in its order; a member
//! that the file does not have is null, and one that the table has no more is left out.

use std::sync::Arc;

use ::parquet::schema::types::Type;
use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, NullArray, OffsetSizeTrait, StructArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use crate::error::Result;
use crate::lake::foreign::{LiveColumn, LiveMembers};

/// Where the members of a type stand in a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Members {
    /// It has none, or they are as the table has them.
    Same,
    /// Those of a struct.
    Struct(Vec<Member>),
    /// Those of the items of a list.
    List(Box<Self>),
    /// Those of the keys and values of a map.
    Map(Box<Self>, Box<Self>),
}

/// A member of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    name: String,
    /// Its position in the file, if the file has it.
    at: Option<usize>,
    inside: Members,
}

/// Returns the number that a file gives a field, if it gives one.
pub(super) fn id_of(node: &Type) -> Option<i32> {
    Some(node.get_basic_info()).filter(|info| info.has_id()).map(|info| info.id())
}

impl Members {
    /// Finds the members of a column of the table in the type that a file has of it.
    pub(super) fn find(live: &LiveMembers, node: &Type) -> Self {
        match (live, node.is_group()) {
            (LiveMembers::Struct(columns), true) => {
                let member = |column: &LiveColumn| {
                    let fields = node.get_fields();
                    let at = fields.iter().position(|field| column.is_stored_as(field.name(), id_of(field)));
                    let inside = at.and_then(|at| fields.get(at)).map(|field| Self::find(&column.members, field));
                    Member { name: column.name.clone(), at, inside: inside.unwrap_or(Self::Same) }
                };
                Self::Struct(columns.iter().map(member).collect())
            }
            (LiveMembers::List(item), true) => match node.get_fields() {
                [repeated] => Self::List(Box::new(Self::find(item, element(repeated, node.name())))),
                _ => Self::Same,
            },
            (LiveMembers::Map(key, value), true) => match node.get_fields() {
                [entries] if entries.is_group() => match entries.get_fields() {
                    [stored_key, stored_value] => {
                        Self::Map(Box::new(Self::find(key, stored_key)), Box::new(Self::find(value, stored_value)))
                    }
                    _ => Self::Same,
                },
                _ => Self::Same,
            },
            _ => Self::Same,
        }
    }

    /// Gives the members of a column of a batch their places and names.
    ///
    /// # Errors
    /// Arrays that contradict each other.
    pub(super) fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        Ok(match (self, array.data_type()) {
            (Self::Struct(members), DataType::Struct(_)) => {
                let stored = array.as_struct();
                let column = |member: &Member| match member.at.and_then(|at| stored.columns().get(at)) {
                    Some(column) => member.inside.apply(column),
                    None => Ok(Arc::new(NullArray::new(stored.len())) as ArrayRef),
                };
                let columns = members.iter().map(column).collect::<Result<Vec<_>>>()?;
                let field = |(member, column): (&Member, &ArrayRef)| {
                    Arc::new(Field::new(&member.name, column.data_type().clone(), true))
                };
                let fields: Fields = members.iter().zip(&columns).map(field).collect();
                let nulls = stored.nulls().cloned();
                Arc::new(StructArray::try_new_with_length(fields, columns, nulls, stored.len())?)
            }
            (Self::List(item), DataType::List(field)) => list(item, array.as_list::<i32>(), field)?,
            (Self::List(item), DataType::LargeList(field)) => list(item, array.as_list::<i64>(), field)?,
            (Self::List(item), DataType::FixedSizeList(field, length)) => {
                let list = array.as_fixed_size_list();
                let values = item.apply(list.values())?;
                let (field, nulls) = (retyped(field, &values), list.nulls().cloned());
                Arc::new(FixedSizeListArray::try_new(field, *length, values, nulls)?)
            }
            (Self::Map(key, value), DataType::Map(field, sorted)) => {
                let map = array.as_map();
                let columns = vec![key.apply(map.keys())?, value.apply(map.values())?];
                let fields: Fields =
                    map.entries().fields().iter().zip(&columns).map(|(field, column)| retyped(field, column)).collect();
                let entries = StructArray::try_new(fields, columns, map.entries().nulls().cloned())?;
                let field = Arc::new(field.as_ref().clone().with_data_type(entries.data_type().clone()));
                Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, map.nulls().cloned(), *sorted)?)
            }
            _ => Arc::clone(array),
        })
    }
}

/// Returns the type of a list's items, as Parquet's rules for lists of older writers have it.
fn element<'t>(repeated: &'t Type, list: &str) -> &'t Type {
    match repeated.is_group().then(|| repeated.get_fields()) {
        Some([only]) if repeated.name() != "array" && repeated.name() != format!("{list}_tuple") => only,
        _ => repeated,
    }
}

fn list<O: OffsetSizeTrait>(item: &Members, list: &GenericListArray<O>, field: &FieldRef) -> Result<ArrayRef> {
    let values = item.apply(list.values())?;
    let (field, offsets) = (retyped(field, &values), list.offsets().clone());
    Ok(Arc::new(GenericListArray::try_new(field, offsets, values, list.nulls().cloned())?))
}

fn retyped(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    match field.data_type() == array.data_type() {
        true => Arc::clone(field),
        false => Arc::new(field.as_ref().clone().with_data_type(array.data_type().clone())),
    }
}

#[cfg(test)]
mod tests {
    use ::parquet::schema::parser::parse_message_type;
    use arrow::array::{Int32Array, ListArray, StringArray};
    use arrow::buffer::{NullBuffer, OffsetBuffer};

    use super::super::arrow_json::push_json;
    use super::*;

    fn live(name: &str, stored_as: &str, stored_id: Option<i32>, members: LiveMembers) -> LiveColumn {
        LiveColumn { name: name.to_owned(), stored_as: stored_as.to_owned(), stored_id, members }
    }

    fn json(array: &ArrayRef, row: usize) -> String {
        let mut text = String::new();
        push_json(&mut text, array.as_ref(), row).unwrap();
        text
    }

    /// A list of structs whose members are `c-2` (1, null) and `c-9`, a text; and the type of it.
    fn stored() -> (ArrayRef, Type) {
        let field = |name: &str, kind| Arc::new(Field::new(name, kind, true));
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["gone", "gone"]));
        let items: ArrayRef = Arc::new(StructArray::from(vec![
            (field("c-2", DataType::Int32), numbers),
            (field("c-9", DataType::Utf8), texts),
        ]));
        let offsets = OffsetBuffer::new(vec![0, 2, 2, 2].into());
        let nulls = NullBuffer::from(vec![true, true, false]);
        let list = ListArray::new(field("element", items.data_type().clone()), offsets, items, Some(nulls));
        let text = "message t { optional group c-1 (LIST) = 1 { repeated group list { optional group element {
            optional int32 c-2 = 2; optional binary c-9 (UTF8) = 9; } } } }";
        let node = parse_message_type(text).unwrap();
        (Arc::new(list), node.get_fields()[0].as_ref().clone())
    }

    #[test]
    fn members_get_the_names_and_the_order_of_the_table() {
        let (array, node) = stored();
        for by_id in [false, true] {
            let id = |id: i32| by_id.then_some(id);
            let names = if by_id { ["x", "y", "z"] } else { ["c-3", "c-2", "c-4"] };
            let columns = vec![
                live("later", names[0], id(3), LiveMembers::None),
                live("c-9", names[1], id(2), LiveMembers::None),
                live("none", names[2], id(4), LiveMembers::Struct(Vec::new())),
            ];
            let members = Members::find(&LiveMembers::List(Box::new(LiveMembers::Struct(columns))), &node);
            let named = members.apply(&array).unwrap();
            let expected = r#"[{"later":null,"c-9":1,"none":null},{"later":null,"c-9":null,"none":null}]"#;
            assert_eq!(json(&named, 0), expected, "{by_id}");
            assert_eq!(json(&named, 1), "[]");
            assert!(named.is_null(2));
        }
    }

    #[test]
    fn a_struct_without_members_of_the_table_is_empty_and_other_types_stay() {
        let (array, node) = stored();
        let empty = LiveMembers::List(Box::new(LiveMembers::Struct(Vec::new())));
        assert_eq!(json(&Members::find(&empty, &node).apply(&array).unwrap(), 0), "[{},{}]");
        // The log says one type, and the file another.
        for other in [LiveMembers::None, LiveMembers::Map(Box::new(LiveMembers::None), Box::new(LiveMembers::None))] {
            let same = Members::find(&other, &node).apply(&array).unwrap();
            assert_eq!(same.data_type(), array.data_type());
        }
    }

    #[test]
    fn keys_and_values_of_maps_have_members() {
        let field = |name: &str, kind: DataType, nullable| Arc::new(Field::new(name, kind, nullable));
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["k"]));
        let inner: ArrayRef = Arc::new(Int32Array::from(vec![7]));
        let values: ArrayRef = Arc::new(StructArray::from(vec![(field("c-5", DataType::Int32, true), inner)]));
        let entries = StructArray::from(vec![
            (field("key", DataType::Utf8, false), keys),
            (field("value", values.data_type().clone(), true), values),
        ]);
        let entries_field = field("key_value", entries.data_type().clone(), false);
        let map: ArrayRef =
            Arc::new(MapArray::new(entries_field, OffsetBuffer::new(vec![0, 1].into()), entries, None, false));
        let text = "message t { optional group m (MAP) { repeated group key_value { required binary key (UTF8);
            optional group value { optional int32 c-5; } } } }";
        let node = parse_message_type(text).unwrap();
        let of_value = LiveMembers::Struct(vec![live("n", "c-5", None, LiveMembers::None)]);
        let members =
            Members::find(&LiveMembers::Map(Box::new(LiveMembers::None), Box::new(of_value)), &node.get_fields()[0]);
        assert_eq!(json(&members.apply(&map).unwrap(), 0), r#"{"k":{"n":7}}"#);
    }
}

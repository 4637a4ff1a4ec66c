//! Lists, maps and structs, taken apart to the values inside and put together again.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, GenericListArray, MapArray, OffsetSizeTrait, StructArray,
    new_null_array,
};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err};

/// Returns the fields inside of a type that holds others; `None` where it holds none.
pub(crate) fn children(data_type: &DataType) -> Option<Vec<&FieldRef>> {
    Some(match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => vec![field],
        DataType::Struct(fields) => fields.iter().collect(),
        _ => return None,
    })
}

/// Says whether a type holds others, somewhere inside, of which something is true.
pub(crate) fn holds(data_type: &DataType, is_meant: &dyn Fn(&DataType) -> bool) -> bool {
    let inside = children(data_type).unwrap_or_default();
    inside.iter().any(|field| is_meant(field.data_type()) || holds(field.data_type(), is_meant))
}

/// Returns a type of lists with another field inside.
pub(crate) fn with_child(data_type: &DataType, inside: FieldRef) -> DataType {
    match data_type {
        DataType::LargeList(_) => DataType::LargeList(inside),
        DataType::ListView(_) => DataType::ListView(inside),
        DataType::LargeListView(_) => DataType::LargeListView(inside),
        DataType::FixedSizeList(_, size) => DataType::FixedSizeList(inside, *size),
        _ => DataType::List(inside),
    }
}

/// Replaces a type, or types inside of it; `None` where nothing changes.
pub(crate) fn with_types(data_type: &DataType, replace: &dyn Fn(&DataType) -> Option<DataType>) -> Option<DataType> {
    if let Some(replaced) = replace(data_type) {
        return Some(replaced);
    }
    let field = |field: &FieldRef| {
        Some(Arc::new(field.as_ref().clone().with_data_type(with_types(field.data_type(), replace)?)))
    };
    match data_type {
        DataType::Struct(fields) => {
            let made: Vec<_> = fields.iter().map(field).collect();
            made.iter().any(Option::is_some).then(|| {
                let kept = made.into_iter().zip(fields);
                DataType::Struct(kept.map(|(made, kept)| made.unwrap_or_else(|| Arc::clone(kept))).collect())
            })
        }
        DataType::Map(inside, is_sorted) => Some(DataType::Map(field(inside)?, *is_sorted)),
        other => match children(other).as_deref() {
            Some([inside]) => Some(with_child(other, field(inside)?)),
            _ => None,
        },
    }
}

/// Makes an array of another type, value by value: those inside of lists, maps and structs of the same kind by `leaf`, and so
/// everything else. Fields of structs are found by their names, or by their places where none has the same name.
///
/// # Errors
/// Those of `leaf`; structs that have no fields in common.
pub(crate) fn convert(
    array: &ArrayRef,
    to: &DataType,
    leaf: &dyn Fn(&ArrayRef, &DataType) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), to) {
        (DataType::Null, _) => Ok(new_null_array(to, array.len())),
        (DataType::List(_), DataType::List(field)) => list::<i32>(array, field, leaf),
        (DataType::LargeList(_), DataType::LargeList(field)) => list::<i64>(array, field, leaf),
        (DataType::FixedSizeList(_, size), DataType::FixedSizeList(field, wanted)) if size == wanted => {
            let list = array.as_fixed_size_list();
            let values = convert(list.values(), field.data_type(), leaf)?;
            Ok(Arc::new(FixedSizeListArray::try_new(Arc::clone(field), *size, values, list.nulls().cloned())?))
        }
        (DataType::Map(..), DataType::Map(field, is_sorted)) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = convert(&entries, field.data_type(), leaf)?.as_struct().clone();
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *is_sorted)?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let given = array.as_struct();
            let is_named = fields.iter().any(|field| given.column_by_name(field.name()).is_some());
            if !is_named && given.num_columns() != fields.len() {
                return exec_err!("a struct cannot be cast to one with none of its fields");
            }
            let columns = fields.iter().enumerate().map(|(index, field)| {
                let column = if is_named { given.column_by_name(field.name()) } else { given.columns().get(index) };
                match column {
                    Some(column) => convert(column, field.data_type(), leaf),
                    None => Ok(new_null_array(field.data_type(), given.len())),
                }
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let nulls = given.nulls().cloned();
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, given.len())?))
        }
        _ => leaf(array, to),
    }
}

fn list<O: OffsetSizeTrait>(
    array: &ArrayRef,
    field: &FieldRef,
    leaf: &dyn Fn(&ArrayRef, &DataType) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let list = array.as_list::<O>();
    let values = convert(list.values(), field.data_type(), leaf)?;
    let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
    Ok(Arc::new(GenericListArray::<O>::try_new(Arc::clone(field), offsets, values, nulls)?))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray, StringArray};
    use arrow::compute::cast;
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    #[test]
    fn values_inside_are_converted_and_all_else_stays() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
        let names = StringArray::from(vec!["a", "b", "c"]);
        let given: ArrayRef = Arc::new(StructArray::from(vec![
            (Arc::new(Field::new("n", DataType::Utf8, true)), Arc::new(names.clone()) as ArrayRef),
            (Arc::new(Field::new("l", lists.data_type().clone(), true)), Arc::new(lists) as ArrayRef),
        ]));
        let wide = |data_type: &DataType| (*data_type == DataType::Int32).then_some(DataType::Int64);
        let to = with_types(given.data_type(), &wide).unwrap();
        assert!(holds(given.data_type(), &|data_type| *data_type == DataType::Int32));
        assert!(!holds(&to, &|data_type| *data_type == DataType::Int32));
        assert_eq!(with_types(&to, &wide), None);
        let made = convert(&given, &to, &|array, to| Ok(cast(array, to)?)).unwrap();
        assert_eq!(made.data_type(), &to);
        assert_eq!(made.as_struct().column(0).as_string::<i32>(), &names);
        let lists = made.as_struct().column(1).as_list::<i32>();
        assert_eq!(lists.values().as_ref(), &Int64Array::from(vec![Some(1), None]) as &dyn Array);
        assert!(lists.is_null(1) && lists.value_length(0) == 2 && lists.value_length(2) == 0);
        let back = convert(&made, given.data_type(), &|array, to| Ok(cast(array, to)?)).unwrap();
        assert_eq!(back.as_ref(), given.as_ref());
    }
}

//! What calls on one element of an array (`json_get_str(data, 'events', 0, 'type')`), and on how many it has, come to in one file.
//!
//! A leaf inside an array is a list a row, with an entry for each element. The list has what is asked at an index, and its length is the
//! array's. Where an array breaks off its list is null, while a look-up finds what stands before the break: so files with broken
//! documents are left to the text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{ArrowNativeType, DataType, SchemaRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::derive::{call_of, returned};
use super::element_calls::lists_of;
use super::extract::Step;
use crate::functions::frame::{Call, Function};
use crate::functions::{Asked, Form, JsonCall};
use crate::shred::leaf::{BROKEN, KINDS, element_leaf_name, is_index};
use crate::shred::manifest::{Manifest, PathNode, PathState};

/// A call on a value inside one element of an array: the keys to the array, the element's number and the keys inside it.
struct IndexedCall {
    path: Vec<String>,
    index: usize,
    inside: Vec<String>,
}

impl IndexedCall {
    /// Takes steps apart; `None` where they have no index or several, or one that counts from the end.
    fn of(steps: &[Step]) -> Option<Self> {
        let place = steps.iter().position(|step| step.index().is_some())?;
        let index = steps[place].index().and_then(|index| usize::try_from(index).ok())?;
        // A key that spells a number is an index in arrays alone; in an object it is a member.
        if !matches!(steps[place], Step::Index(_)) {
            return None;
        }
        let keys = |steps: &[Step]| -> Option<Vec<String>> {
            let keys = steps.iter().map(|step| step.key().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
            (!keys.is_empty() && !keys.iter().any(|key| is_index(key))).then_some(keys)
        };
        Some(Self { path: keys(&steps[..place])?, index, inside: keys(&steps[place + 1..])? })
    }
}

/// Returns what a call on one element comes to by the file's manifest; `None` for any other call, and where the text must be parsed.
pub(super) fn of_one_element(
    known: &JsonCall,
    column: &str,
    steps: &[Step],
    manifest: &Manifest,
    file: &SchemaRef,
    call: &ScalarFunctionExpr,
) -> Option<Arc<dyn PhysicalExpr>> {
    let is_of_values = known.asked.usual_kind().is_some() && !known.is_null_without_json;
    let wanted = IndexedCall::of(steps).filter(|_| is_of_values && known.form != Form::None)?;
    if manifest.columns.get(column)?.kinds & BROKEN != 0 {
        return None;
    }
    let nothing = || Some(Arc::new(Literal::new(ScalarValue::try_from(call.return_type()).ok()?)) as _);
    let array = match manifest.find(column, &wanted.path) {
        PathState::Unknown => return None,
        PathState::Present(array) if array.may_have_arrays() => array,
        PathState::Present(_) | PathState::Absent => return nothing(),
    };
    let node = match array.elements.as_ref()?.find(&wanted.inside) {
        PathState::Present(node) => node,
        PathState::Unknown | PathState::Absent => return None,
    };
    let lists = lists_of(known.asked, column, &wanted.path, &wanted.inside, node, file)?;
    let DataType::List(item) = lists.data_type(file).ok()? else { return None };
    let index: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::UInt64(Some(wanted.index as u64))));
    let found = call_of(SHREDDED_ELEMENT.udf(), vec![lists, index], item.data_type().clone());
    Some(returned(found, item.data_type(), call))
}

/// Returns how long an array is by the file's manifest; `None` for any other call, and where the text must be parsed.
pub(super) fn of_length(
    known: &JsonCall,
    column: &str,
    path: &[String],
    manifest: &Manifest,
    file: &SchemaRef,
    call: &ScalarFunctionExpr,
) -> Option<Arc<dyn PhysicalExpr>> {
    if known.asked != Asked::Container || *call.return_type() != DataType::UInt64 {
        return None;
    }
    if manifest.columns.get(column)?.kinds & BROKEN != 0 {
        return None;
    }
    let PathState::Present(array) = manifest.find(column, path) else { return None };
    if array.has_objects || !array.may_have_arrays() {
        return None;
    }
    let name = any_list(array.elements.as_ref()?, &mut Vec::new(), &|inside, kind| {
        let name = element_leaf_name(column, path, inside, kind);
        Some(Column::new(&name, file.index_of(&name).ok()?))
    })?;
    Some(returned(call_of(SHREDDED_LENGTH.udf(), vec![Arc::new(name)], DataType::UInt64), &DataType::UInt64, call))
}

/// Finds the list column of some path inside the elements of an array; all have equally long lists, but where an array was too long.
fn any_list(
    node: &PathNode,
    inside: &mut Vec<String>,
    column: &impl Fn(&[String], crate::shred::Kind) -> Option<Column>,
) -> Option<Column> {
    if node.leaf && node.missed != u8::MAX {
        let found = KINDS.iter().find_map(|kind| column(inside, *kind));
        if found.is_some() {
            return found;
        }
    }
    node.children.iter().find_map(|(key, child)| {
        inside.push(key.clone());
        let found = any_list(child, inside, column);
        inside.pop();
        found
    })
}

/// A private function of lists and an index: the element there, or null.
static SHREDDED_ELEMENT: Function = Function::new(
    "shredded_element",
    |types| match types.first() {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        _ => exec_err!("lists expected"),
    },
    element,
);

fn element(call: &Call<'_>) -> Result<ColumnarValue> {
    let [lists, ColumnarValue::Scalar(ScalarValue::UInt64(Some(index)))] = call.args.args.as_slice() else {
        return exec_err!("lists and an index expected");
    };
    let lists = lists.to_array(call.args.number_rows)?;
    let lists: &ListArray = lists.as_list();
    let place = |row: usize| {
        let (start, end) =
            (lists.value_offsets()[row].as_usize() as u64, lists.value_offsets()[row + 1].as_usize() as u64);
        start.checked_add(*index).filter(|place| lists.is_valid(row) && *place < end)
    };
    let places: UInt64Array = (0..lists.len()).map(place).collect();
    Ok(ColumnarValue::Array(take(lists.values(), &places, None)?))
}

/// A private function of lists: how many elements each has.
static SHREDDED_LENGTH: Function = Function::new("shredded_length", |_| Ok(DataType::UInt64), length);

fn length(call: &Call<'_>) -> Result<ColumnarValue> {
    let [lists] = call.args.args.as_slice() else { return exec_err!("lists expected") };
    let lists = lists.to_array(call.args.number_rows)?;
    let lists: &ListArray = lists.as_list();
    let lengths: ArrayRef = Arc::new(UInt64Array::new(
        lists.offsets().lengths().map(|length| length as u64).collect(),
        lists.nulls().cloned(),
    ));
    Ok(ColumnarValue::Array(lengths))
}

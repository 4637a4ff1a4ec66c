//! What nulls are to the operators of lists: PostgreSQL takes one for greater than any value where lists are compared, and for equal to nothing, another null included,
//! where `@>` and `&&` look for values. `array_remove(list, null)` takes the nulls out.
//!
//! DataFusion 55.2 takes a null for the least value and for equal to another, and gives null for what is removed by one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, GenericListArray, Int8Array, Int64Array, OffsetSizeTrait, make_comparator,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{SortOptions, cast, filter, is_null};
use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::functions_nested::remove::array_remove_all_udf;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF};

use crate::functions::arguments::Call;
use crate::functions::frame::Function;
use crate::functions::instead::{self, Instead};

/// The lists without their nulls. What is no list stays as it is.
pub(super) static WITHOUT_NULLS: Function = Function {
    is_strict: true,
    ..Function::new(
        "list_without_nulls",
        |types| one(types).map(as_list),
        |call| {
            let lists = call.given(0)?;
            call.result(without_nulls(&cast(&lists, &as_list(lists.data_type()))?)?)
        },
    )
};

/// How many nulls a list has; 0 for what is no list.
pub(super) static NULLS: Function = Function {
    is_strict: true,
    ..Function::new(
        "list_nulls",
        |types| one(types).map(|_| DataType::Int64),
        |call| {
            let lists = call.given(0)?;
            let lists = cast(&lists, &as_list(lists.data_type()))?;
            let counts = match lists.data_type() {
                DataType::List(_) => nulls(lists.as_list::<i32>()),
                DataType::LargeList(_) => nulls(lists.as_list::<i64>()),
                _ => Int64Array::from(vec![0; lists.len()]),
            };
            call.result(Arc::new(counts))
        },
    )
};

/// Which of two lists is the greater: below 0, 0 or above.
pub(super) static ORDER: Function =
    Function { is_strict: true, ..Function::new("list_order", |types| one(types).map(|_| DataType::Int8), order) };

/// Calls it.
pub fn list_order(left: Expr, right: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction { func: ORDER.udf(), args: vec![left, right] })
}

fn one(types: &[DataType]) -> Result<&DataType> {
    match types.first() {
        Some(data_type) => Ok(data_type),
        None => internal_err!("a function of lists without one"),
    }
}

/// The type of a list that has any number of values.
fn as_list(data_type: &DataType) -> DataType {
    match data_type {
        DataType::FixedSizeList(item, _) => DataType::List(Arc::clone(item)),
        other => other.clone(),
    }
}

fn without_nulls(lists: &ArrayRef) -> Result<ArrayRef> {
    Ok(match lists.data_type() {
        DataType::List(_) => Arc::new(compact(lists.as_list::<i32>())?),
        DataType::LargeList(_) => Arc::new(compact(lists.as_list::<i64>())?),
        _ => Arc::clone(lists),
    })
}

/// Which values of lists are there, if some are not.
fn present<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Option<NullBuffer> {
    lists.values().logical_nulls().filter(|nulls| nulls.null_count() > 0)
}

/// Where each list begins, and how many values it has.
fn ranges<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> impl Iterator<Item = (usize, usize)> {
    lists.offsets().windows(2).map(|ends| (ends[0].as_usize(), (ends[1] - ends[0]).as_usize()))
}

fn nulls<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Int64Array {
    let counts: Vec<i64> = match present(lists) {
        Some(present) => ranges(lists).map(|(at, len)| present.slice(at, len).null_count() as i64).collect(),
        None => vec![0; lists.len()],
    };
    Int64Array::new(counts.into(), lists.nulls().cloned())
}

fn compact<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> Result<GenericListArray<O>> {
    let Some(present) = present(lists) else { return Ok(lists.clone()) };
    let (DataType::List(item) | DataType::LargeList(item)) = lists.data_type() else {
        return internal_err!("a list that is none");
    };
    let lengths = ranges(lists).map(|(at, len)| len - present.slice(at, len).null_count());
    let offsets = OffsetBuffer::from_lengths(lengths);
    // Of a slice the values before and behind it are there too.
    let (first, all) = match (lists.offsets().first(), lists.offsets().last()) {
        (Some(first), Some(last)) => (first.as_usize(), (*last - *first).as_usize()),
        _ => (0, 0),
    };
    let is_kept = BooleanArray::new(present.inner().slice(first, all), None);
    let values = filter(&lists.values().slice(first, all), &is_kept)?;
    Ok(GenericListArray::try_new(Arc::clone(item), offsets, values, lists.nulls().cloned())?)
}

fn order(call: &Call<'_>) -> Result<ColumnarValue> {
    let (left, right) = (call.given(0)?, call.given(1)?);
    let compare = make_comparator(&left, &right, SortOptions { descending: false, nulls_first: false })?;
    let orders: Vec<i8> = (0..left.len()).map(|row| compare(row, row) as i8).collect();
    call.result(Arc::new(Int8Array::new(orders.into(), NullBuffer::union(left.nulls(), right.nulls()))))
}

/// `array_remove_all`, which is what `array_remove` is in PostgreSQL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Removed {
    stock: Arc<ScalarUDF>,
}

/// Makes the function, which stands in for the one of DataFusion under its name.
pub(crate) fn array_remove() -> Arc<ScalarUDF> {
    instead::function(Removed { stock: array_remove_all_udf() })
}

impl Instead for Removed {
    fn stock(&self) -> &Arc<ScalarUDF> {
        &self.stock
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [lists, values] = args.args.as_slice() else { return self.stock.invoke_with_args(args) };
        let rows = args.number_rows;
        let is_of_nulls = is_null(&values.to_array(rows)?)?;
        if is_of_nulls.true_count() == 0 {
            return self.stock.invoke_with_args(args);
        }
        let bare = without_nulls(&lists.to_array(rows)?)?;
        let removed = self.stock.invoke_with_args(args)?.to_array(rows)?;
        let bare = cast(&bare, removed.data_type())?;
        Ok(ColumnarValue::Array(zip(&is_of_nulls, &bare, &removed)?))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::ListArray;
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn slices_of_lists_lose_their_nulls_and_no_others() {
        let lists =
            [Some(vec![None, Some(9)]), Some(vec![Some(1), None, Some(2)]), None, Some(vec![]), Some(vec![None])];
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists).slice(1, 4);
        assert_eq!(nulls(&lists), Int64Array::from(vec![Some(1), None, Some(0), Some(1)]));
        let expected = [Some(vec![Some(1), Some(2)]), None, Some(vec![]), Some(vec![])];
        let expected = ListArray::from_iter_primitive::<Int64Type, _, _>(expected);
        assert_eq!(compact(&lists).unwrap(), expected);
    }
}

//! `json_object_only`: what `->` and `->>` put around a document when a key that spells a number is looked for in it.
//!
//! datafusion-functions-json takes such a key for an index where it meets an array, as PostgreSQL's `#>` does. PostgreSQL's `->` with
//! a text looks at objects only: `'[1,2]' -> '0'` is null. Users do not call the function.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Signature, Volatility};

use crate::functions::frame::{Call, Function};

/// The child of a JSON union that holds objects.
const OBJECT: &str = "object";

/// The function.
pub(crate) static OBJECT_ONLY: Function = Function {
    signature: || Signature::any(1, Volatility::Immutable),
    ..Function::new("json_object_only", |_| Ok(DataType::Utf8View), run)
};

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let documents = call.given(0)?;
    let found: ArrayRef = Arc::new(match documents.data_type() {
        DataType::Union(..) => objects_of_union(&documents),
        _ => {
            let texts = cast(&documents, &DataType::Utf8View)?;
            let is_object = |text: &&str| text.trim_start().starts_with('{');
            texts.as_string_view().iter().map(|text| text.filter(is_object)).collect::<StringViewArray>()
        }
    });
    call.result(found)
}

fn objects_of_union(documents: &ArrayRef) -> StringViewArray {
    let union = documents.as_union();
    let object = union.fields().iter().find(|(_, field)| field.name() == OBJECT).map(|(id, _)| id);
    let mut found = StringViewBuilder::with_capacity(union.len());
    for row in 0..union.len() {
        let value = (Some(union.type_id(row)) == object).then(|| union.value(row));
        match value.as_ref().and_then(|value| value.as_string_opt::<i32>()).filter(|text| text.is_valid(0)) {
            Some(text) => found.append_value(text.value(0)),
            None => found.append_null(),
        }
    }
    found.finish()
}

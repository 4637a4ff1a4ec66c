//! `json_object_only`: what `->` and `->>` put around a document when a key that spells a number is looked for in it.
//!
//! datafusion-functions-json takes such a key for an index where it meets an array, as PostgreSQL's `#>` does. PostgreSQL's `->` with
//! a text looks at objects only: `'[1,2]' -> '0'` is null. Users do not call the function.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The function.
pub(super) static OBJECT_ONLY: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(ObjectOnly::default())));

/// The child of a JSON union that holds objects.
const OBJECT: &str = "object";

/// Returns a document that is an object, as text, and null for any other.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectOnly {
    signature: Signature,
}

impl Default for ObjectOnly {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ObjectOnly {
    fn name(&self) -> &str {
        "json_object_only"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let [documents] = <[_; 1]>::try_from(ColumnarValue::values_to_arrays(&args.args)?)
            .map_err(|_| datafusion::common::exec_datafusion_err!("json_object_only takes one argument"))?;
        let found: ArrayRef = Arc::new(match documents.data_type() {
            DataType::Union(..) => objects_of_union(&documents),
            _ => {
                let texts = cast(&documents, &DataType::Utf8View)?;
                let is_object = |text: &&str| text.trim_start().starts_with('{');
                texts.as_string_view().iter().map(|text| text.filter(is_object)).collect::<StringViewArray>()
            }
        });
        debug_assert_eq!(found.len(), rows);
        Ok(if is_scalar {
            ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&found, 0)?)
        } else {
            ColumnarValue::Array(found)
        })
    }
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

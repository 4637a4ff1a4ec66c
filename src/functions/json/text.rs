//! The functions of datafusion-functions-json that return text, with their results as string views.
//!
//! Theirs return Utf8. All text of a session's tables is Utf8View, leaf columns too: Utf8 would cost a copy of every value, and
//! grouping by it takes three times as long. What a call answers is theirs; only the type of the text is ours.

use std::hash::Hash;
use std::sync::{Arc, LazyLock};

use arrow::array::Array;
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion_functions_json::udfs;

/// `json_get_str`
pub(super) static GET_STR: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| viewed(udfs::json_get_str_udf()));
/// `json_as_text`
pub(super) static AS_TEXT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| viewed(udfs::json_as_text_udf()));
/// `json_get_json`
pub(super) static GET_JSON: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| viewed(udfs::json_get_json_udf()));

fn viewed(inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(TextFunction { inner }))
}

/// A function of datafusion-functions-json whose Utf8 becomes Utf8View; of dictionaries it returns dictionaries, as theirs does.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TextFunction {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for TextFunction {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.inner.return_type(types)? {
            DataType::Utf8 => DataType::Utf8View,
            other => other,
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.inner.return_field_from_args(args)?;
        Ok(match field.data_type() {
            DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
            _ => field,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match self.inner.inner().invoke_with_args(args)? {
            // The views point into the array's own bytes: no text is copied but the short ones, which views hold themselves.
            ColumnarValue::Array(array) if *array.data_type() == DataType::Utf8 => {
                ColumnarValue::Array(cast(&array, &DataType::Utf8View)?)
            }
            ColumnarValue::Scalar(ScalarValue::Utf8(text)) => ColumnarValue::Scalar(ScalarValue::Utf8View(text)),
            other => other,
        })
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.inner.inner().placement(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::run;
    use arrow::array::{AsArray, DictionaryArray, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;

    const DOCUMENTS: [Option<&str>; 4] =
        [Some(r#"{"a":"a text that no view holds itself"}"#), Some(r#"{"a":1.50}"#), Some("oops"), None];

    #[test]
    fn texts_are_views_whatever_the_documents_are() {
        let views = ColumnarValue::Array(Arc::new(StringViewArray::from_iter(DOCUMENTS)));
        let strings = ColumnarValue::Array(Arc::new(StringArray::from_iter(DOCUMENTS)));
        for documents in [views, strings] {
            let args = vec![documents, ColumnarValue::Scalar(ScalarValue::from("a"))];
            let values = run(AS_TEXT.inner().as_ref(), args);
            let values: Vec<Option<&str>> = values.as_string_view().iter().collect();
            assert_eq!(values, [Some("a text that no view holds itself"), Some("1.50"), None, None]);
        }
        let literal = vec![ColumnarValue::Scalar(ScalarValue::from(r#"["x"]"#)), ColumnarValue::Scalar(0_i64.into())];
        assert_eq!(run(GET_STR.inner().as_ref(), literal).as_string_view().value(0), "x");
    }

    #[test]
    fn of_dictionaries_they_return_dictionaries() {
        let documents: DictionaryArray<Int32Type> = DOCUMENTS.into_iter().collect();
        let args = vec![ColumnarValue::Array(Arc::new(documents)), ColumnarValue::Scalar(ScalarValue::from("a"))];
        let values = run(GET_JSON.inner().as_ref(), args);
        let values = cast(&values, &DataType::Utf8View).unwrap();
        let values: Vec<Option<&str>> = values.as_string_view().iter().collect();
        assert_eq!(values, [Some(r#""a text that no view holds itself""#), Some("1.50"), None, None]);
    }
}

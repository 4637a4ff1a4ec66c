//! `json_exists(json, path)`: whether a path picks anything.

use std::sync::{Arc, LazyLock};

use arrow::array::BooleanBuilder;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};

use super::{PARAMETERS, PATH_MEANING, check_path_call};
use crate::functions::arguments::{self, Call, Parsed};
use crate::functions::reference::JSON;
use crate::json::{Path, Picked, pick};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct JsonExists {
    signature: Signature,
}

impl Default for JsonExists {
    fn default() -> Self {
        Self { signature: arguments::signature(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonExists {
    fn name(&self) -> &'static str {
        "json_exists"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(self.name(), types).map(|()| DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_path_call(self.name(), &args)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(&args);
        let (documents, paths) = (call.text(0)?, call.text(1)?);
        let mut paths = Parsed::new(&paths, |text| Path::parse(text).ok());
        let mut values = BooleanBuilder::with_capacity(call.rows);
        let mut mended = String::new();
        for row in 0..call.rows {
            values.append_option(match (documents.get(row), paths.get(row)) {
                (Some(json), Some(path)) => match pick(path, json, &mut mended) {
                    Picked::Broken => None,
                    Picked::Nothing => Some(false),
                    Picked::One(_) | Picked::Many(_) => Some(true),
                },
                _ => None,
            });
        }
        call.result(Arc::new(values.finish()))
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        arguments::leaf_placement(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        JSON,
        "json_exists(json, path)",
        "Tells whether a path picks at least one node; a JSON null is a node. Null where the text is not JSON.",
        &[("json", "JSON text."), ("path", PATH_MEANING)],
        "SELECT json_exists('{\"linkedIds\": [{\"type\": \"interaction\"}]}', '$.linkedIds[?@.type == ''interaction'']');\n-- true",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::run;
    use arrow::array::{AsArray, StringViewArray};
    use datafusion::common::ScalarValue;

    #[test]
    fn a_null_member_exists_and_broken_text_is_null() {
        let rows = [Some(r#"{"a": null}"#), Some("{}"), Some("[]"), Some("7"), Some("{"), Some(""), None];
        for path in ["$.a", "$['a', 'a']"] {
            let rows = ColumnarValue::Array(Arc::new(StringViewArray::from_iter(rows)));
            let values = run(&JsonExists::default(), vec![rows, ColumnarValue::Scalar(ScalarValue::from(path))]);
            let values: Vec<Option<bool>> = values.as_boolean().iter().collect();
            assert_eq!(values, [Some(true), Some(false), Some(false), Some(false), None, None, None], "{path}");
        }
    }
}

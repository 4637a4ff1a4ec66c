//! `json_exists(json, path)`: whether a path picks anything.

use std::sync::{Arc, LazyLock};

use arrow::array::BooleanBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::{PARAMETERS, PATH_MEANING, check_path_call};
use crate::functions::arguments::{self, Call, Parsed};
use crate::functions::frame::Function;
use crate::functions::reference::JSON;
use crate::json::{Path, Picked, pick};

/// The function.
pub(crate) static JSON_EXISTS: Function = Function {
    parameters: Some(PARAMETERS),
    check: |args| check_path_call("json_exists", args),
    placement: arguments::leaf_placement,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("json_exists", |_| Ok(DataType::Boolean), run)
};

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
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
            let values = run(&JSON_EXISTS.framed(), vec![rows, ColumnarValue::Scalar(ScalarValue::from(path))]);
            let values: Vec<Option<bool>> = values.as_boolean().iter().collect();
            assert_eq!(values, [Some(true), Some(false), Some(false), Some(false), None, None, None], "{path}");
        }
    }
}

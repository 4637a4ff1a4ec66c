//! `json_value(json, path)`: the scalar at a path, as text.

use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::{PARAMETERS, PATH_MEANING, check_path_call};
use crate::functions::arguments::{self, Call, Parsed};
use crate::functions::frame::Function;
use crate::functions::reference::JSON;
use crate::json::{Path, Picked, pick, scalar_text};

/// The function.
pub(crate) static JSON_VALUE: Function = Function {
    parameters: Some(PARAMETERS),
    check: |args| check_path_call("json_value", args),
    placement: arguments::leaf_placement,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("json_value", |_| Ok(DataType::Utf8View), run)
};

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let (documents, paths) = (call.text(0)?, call.text(1)?);
    let mut paths = Parsed::new(&paths, |text| Path::parse(text).ok());
    let mut buffer = String::new();
    let mut values = StringViewBuilder::with_capacity(call.rows);
    let mut mended = String::new();
    for row in 0..call.rows {
        let raw = match (documents.get(row), paths.get(row)) {
            (Some(json), Some(path)) => match pick(path, json, &mut mended) {
                Picked::One(raw) => Some(raw),
                _ => None,
            },
            _ => None,
        };
        values.append_option(raw.and_then(|raw| scalar_text(raw, &mut buffer)));
    }
    call.result(Arc::new(values.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        JSON,
        "json_value(json, path)",
        "Returns the scalar at a path as text: a string without its quotes, a number as the document writes it, `true` or \
         `false`. Null where the path picks nothing, a JSON null, an object, an array or several nodes, and where the text \
         is not JSON. A path of names and non-negative indexes reads only as far as it must, so a document that is broken \
         further on still answers.",
        &[("json", "JSON text."), ("path", PATH_MEANING)],
        "SELECT json_value('{\"variables\": {\"amount\": 1.50}}', '$.variables.amount');\n-- 1.50",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::{run, run_text};
    use arrow::array::{AsArray, LargeStringArray, StringArray};
    use datafusion::common::ScalarValue;

    #[test]
    fn scalars_are_text_and_all_else_is_null() {
        let rows = [
            Some(r#"{"a": "x\ty"}"#),
            Some(r#"{"a": 1.50}"#),
            Some(r#"{"a": true}"#),
            Some(r#"{"a": null}"#),
            Some(r#"{"a": {}}"#),
            Some(r#"{"b": 1}"#),
            Some("oops"),
            None,
        ];
        let values = run_text(&JSON_VALUE.framed(), &rows, &["$.a"]);
        let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        assert_eq!(values, [Some("x\ty"), Some("1.50"), Some("true"), None, None, None, None, None]);
    }

    #[test]
    fn every_string_type_and_a_path_per_row() {
        let documents: ColumnarValue =
            ColumnarValue::Array(Arc::new(LargeStringArray::from(vec![r#"{"a":1,"b":2}"#; 3])));
        let paths = ColumnarValue::Array(Arc::new(StringArray::from(vec![Some("$.a"), Some("$.["), Some("$['b']")])));
        let values = run(&JSON_VALUE.framed(), vec![documents, paths]);
        let values: Vec<Option<&str>> = values.as_string_view().iter().collect();
        assert_eq!(values, [Some("1"), None, Some("2")]);
    }

    #[test]
    fn a_literal_document_is_a_scalar() {
        let args =
            vec![ColumnarValue::Scalar(ScalarValue::from("[7]")), ColumnarValue::Scalar(ScalarValue::from("$[0]"))];
        assert_eq!(run(&JSON_VALUE.framed(), args).as_string_view().value(0), "7");
    }
}

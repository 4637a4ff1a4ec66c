//! `json_query(json, path)`: the JSON text that a path picks.

use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::{PARAMETERS, PATH_MEANING, check_path_call};
use crate::functions::arguments::{self, Call, Parsed};
use crate::functions::frame::Function;
use crate::functions::reference::JSON;
use crate::json::{Path, Picked, pick};

/// The function.
pub(crate) static JSON_QUERY: Function = Function {
    parameters: Some(PARAMETERS),
    check: |args| check_path_call("json_query", args),
    placement: arguments::leaf_placement,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("json_query", |_| Ok(DataType::Utf8View), run)
};

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let (documents, paths) = (call.text(0)?, call.text(1)?);
    let mut paths = Parsed::new(&paths, |text| Path::parse(text).ok());
    let mut values = StringViewBuilder::with_capacity(call.rows);
    let mut mended = String::new();
    for row in 0..call.rows {
        let picked = match (documents.get(row), paths.get(row)) {
            (Some(json), Some(path)) => pick(path, json, &mut mended),
            _ => Picked::Nothing,
        };
        match picked {
            Picked::One(raw) => values.append_value(raw),
            Picked::Many(raws) => values.append_value(format!("[{}]", raws.join(","))),
            Picked::Broken | Picked::Nothing => values.append_null(),
        }
    }
    call.result(Arc::new(values.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        JSON,
        "json_query(json, path)",
        "Returns the JSON text of the node at a path, exactly as the document writes it; several nodes become an array. \
         Null where the path picks nothing, and where the text is not JSON.",
        &[("json", "JSON text."), ("path", PATH_MEANING)],
        "SELECT json_query('{\"linkedIds\": [{\"id\": \"a\"}, {\"id\": \"b\"}]}', '$.linkedIds[*].id');\n-- [\"a\",\"b\"]",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::run_text;

    #[test]
    fn nodes_keep_their_text_and_several_make_an_array() {
        let rows =
            [Some(r#"{"a": {"b" : 1.0}}"#), Some(r#"{"a": "x"}"#), Some(r#"{"a": null}"#), Some("{}"), Some("{"), None];
        let query = |path: &str| run_text(&JSON_QUERY.framed(), &rows, &[path]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(query("$.a"), [some(r#"{"b" : 1.0}"#), some("\"x\""), some("null"), None, None, None]);
        let rows = [Some(r#"[{"id": 1.0}, {"id": "x"}]"#), Some("[]"), Some(r#"[{"id": [2]}]"#)];
        let query = run_text(&JSON_QUERY.framed(), &rows, &["$[*].id"]);
        assert_eq!(query, [some(r#"[1.0,"x"]"#), None, some("[2]")]);
    }
}

//! `json_query(json, path)`: the JSON text that a path picks.

use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
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
pub(crate) struct JsonQuery {
    signature: Signature,
}

impl Default for JsonQuery {
    fn default() -> Self {
        Self { signature: arguments::signature(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonQuery {
    fn name(&self) -> &'static str {
        "json_query"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(self.name(), types).map(|()| DataType::Utf8View)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        check_path_call(self.name(), &args)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8View, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(&args);
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
        let query = |path: &str| run_text(&JsonQuery::default(), &rows, &[path]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(query("$.a"), [some(r#"{"b" : 1.0}"#), some("\"x\""), some("null"), None, None, None]);
        let rows = [Some(r#"[{"id": 1.0}, {"id": "x"}]"#), Some("[]"), Some(r#"[{"id": [2]}]"#)];
        let query = run_text(&JsonQuery::default(), &rows, &["$[*].id"]);
        assert_eq!(query, [some(r#"[1.0,"x"]"#), None, some("[2]")]);
    }
}

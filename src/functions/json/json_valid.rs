//! `json_valid(json)`: whether a text is JSON.

use std::sync::{Arc, LazyLock};

use arrow::array::BooleanBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use crate::functions::arguments::{self, Call, Kind, Parameters};
use crate::functions::frame::Function;
use crate::functions::reference::JSON;
use crate::json::{is_json, without_lone_surrogates};

const PARAMETERS: Parameters = Parameters::required(&[("json", Kind::Text)]);

/// The function.
pub(crate) static JSON_VALID: Function = Function {
    parameters: Some(PARAMETERS),
    placement: arguments::leaf_placement,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("json_valid", |_| Ok(DataType::Boolean), run)
};

/// Tells whether a text is JSON by its grammar, which half a surrogate pair satisfies.
fn is_valid(json: &str) -> bool {
    is_json(json) || without_lone_surrogates(json).is_some_and(|json| is_json(&json))
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let documents = call.text(0)?;
    let mut values = BooleanBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        values.append_option(documents.get(row).map(is_valid));
    }
    call.result(Arc::new(values.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        JSON,
        "json_valid(json)",
        "Tells whether a text is one JSON value and nothing else. `NaN` and `Infinity` are not JSON, nor is the empty text; \
         values nested more than 200 deep count as not valid. Half a surrogate pair (`\"\\ud83d\"`) is valid by the grammar.",
        &[("json", "Any text.")],
        "SELECT json_valid('{\"a\": 1}'), json_valid('{\"a\": 1'), json_valid('end');\n-- true, false, false",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_told_apart() {
        for json in
            ["{}", " [1, 2.5e3] ", "null", "\"x\"", "-0", r#"{"a": {"b": [null]}}"#, r#"["\ud83d", {"\ude00": 1}]"#]
        {
            assert!(is_valid(json), "{json}");
        }
        for text in [
            "",
            " ",
            "end",
            "{",
            "[1,]",
            "NaN",
            "Infinity",
            "01",
            "{}{}",
            "{'a':1}",
            "\"a\nb\"",
            "\u{feff}{}",
            r#"["\ud83d",]"#,
            r#""\ud83d\q""#,
        ] {
            assert!(!is_valid(text), "{text:?}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_valid(&nested(150)));
        assert!(!is_valid(&nested(1_000_000)));
    }

    proptest! {
        #[test]
        fn what_serde_writes_is_valid(keys in prop::collection::vec(".{0,5}", 0..4), number in any::<f64>()) {
            let json = serde_json::json!({ "keys": keys, "number": number });
            prop_assert!(is_valid(&json.to_string()));
        }
    }
}

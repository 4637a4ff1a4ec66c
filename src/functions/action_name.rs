//! `action_name(action_data)`: the name of the last action, in any of the shapes that Action Data takes.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::arguments::{self, Call, Kind, Parameters};
use super::reference::SESSIONS;
use crate::functions::frame::Function;
use crate::texts::action_name;

const PARAMETERS: Parameters = Parameters::required(&[("action_data", Kind::Text)]);

/// The function.
pub(crate) static ACTION_NAME: Function = Function {
    parameters: Some(PARAMETERS),
    placement: arguments::leaf_placement,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("action_name", |_| Ok(DataType::Utf8View), run)
};

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    call.map_text(action_name)
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        SESSIONS,
        "action_name(action_data)",
        "Returns the name of the action in an Action Data value: a bare word (`end`), a JSON string (`\"end\"`), the text \
         under `action`, `type` or `name` of an object, in this order, or the only key of an object. Null for anything else.",
        &[("action_data", "The Action Data column, or any text.")],
        "SELECT action_name('end'), action_name('{\"type\": \"createInteraction\"}'), action_name('{\"webhook\": {}}');\n\
         -- end, createInteraction, webhook",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::run_text;

    #[test]
    fn null_stays_null() {
        let names = run_text(&ACTION_NAME.framed(), &[Some("end"), None], &[]);
        assert_eq!(names, [Some("end".to_owned()), None]);
    }
}

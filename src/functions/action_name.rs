//! `action_name(action_data)`: the name of the last action, in any of the shapes that Action Data takes.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ExpressionPlacement, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arguments::{self, Call, Kind, Parameters};
use super::reference::SESSIONS;
use crate::texts::action_name;

const PARAMETERS: Parameters = Parameters::required(&[("action_data", Kind::Text)]);

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ActionName {
    signature: Signature,
}

impl Default for ActionName {
    fn default() -> Self {
        Self { signature: arguments::signature(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ActionName {
    fn name(&self) -> &'static str {
        "action_name"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(self.name(), types).map(|()| DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Call::new(&args).map_text(action_name)
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
        let names = run_text(&ActionName::default(), &[Some("end"), None], &[]);
        assert_eq!(names, [Some("end".to_owned()), None]);
    }
}

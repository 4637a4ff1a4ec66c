//! `email_domain(text)`: the domain of an e-mail address.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ExpressionPlacement, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arguments::{self, Call, Kind, Parameters};
use super::reference::CONTACTS;
use crate::texts::email_domain;

const PARAMETERS: Parameters = Parameters::required(&[("text", Kind::Text)]);

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct EmailDomain {
    signature: Signature,
}

impl Default for EmailDomain {
    fn default() -> Self {
        Self { signature: arguments::signature(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for EmailDomain {
    fn name(&self) -> &'static str {
        "email_domain"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(self.name(), types).map(|()| DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Call::new(&args).map_text(email_domain)
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        arguments::outer_placement(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        CONTACTS,
        "email_domain(text)",
        "Returns the domain of an e-mail address in lower case; null if the text is not of the shape `local@domain`.",
        &[("text", "The address as it came.")],
        "SELECT email_domain('Alice@Example.com');\n-- example.com",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::run_text;

    #[test]
    fn domains_are_lower_case_and_anything_else_is_null() {
        let rows = [Some("Alice@Example.com"), Some("x@localhost"), Some("x@a..b"), Some("x"), Some("a@b@c"), None];
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            run_text(&EmailDomain::default(), &rows, &[]),
            [some("example.com"), some("localhost"), None, None, None, None]
        );
    }
}

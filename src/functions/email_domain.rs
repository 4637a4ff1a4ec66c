//! `email_domain(text)`: the domain of an e-mail address.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::arguments::{self, Call, Kind, Parameters};
use super::reference::CONTACTS;
use crate::functions::frame::Function;
use crate::texts::email_domain;

const PARAMETERS: Parameters = Parameters::required(&[("text", Kind::Text)]);

/// The function.
pub(crate) static EMAIL_DOMAIN: Function = Function {
    parameters: Some(PARAMETERS),
    placement: arguments::outer_placement,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("email_domain", |_| Ok(DataType::Utf8View), run)
};

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    call.map_text(email_domain)
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
            run_text(&EMAIL_DOMAIN.framed(), &rows, &[]),
            [some("example.com"), some("localhost"), None, None, None, None]
        );
    }
}

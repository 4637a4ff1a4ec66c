//! `email_domain(text)`: the domain of an e-mail address.

use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::arguments::{self, Call, Kind, Parameters};
use super::reference::CONTACTS;

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

/// Splits an address into local part and domain; `None` unless it has the plain shape `local@domain`.
///
/// Quoted local parts, which may hold blanks and more at signs, are not taken for addresses.
pub(crate) fn split_address(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control());
    let is_domain = domain.split('.').all(|label| {
        !label.is_empty() && label.chars().all(|character| character.is_alphanumeric() || character == '-')
    });
    (is_plain(local) && is_plain(domain) && is_domain).then_some((local, domain))
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
        let call = Call::new(&args);
        let texts = call.text(0)?;
        let mut domains = StringViewBuilder::with_capacity(call.rows);
        for row in 0..call.rows {
            domains.append_option(texts.get(row).and_then(split_address).map(|(_, domain)| domain.to_lowercase()));
        }
        call.result(Arc::new(domains.finish()))
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
    use proptest::prelude::*;

    #[test]
    fn domains_are_lower_case_and_anything_else_is_null() {
        let rows = [Some("Alice@Example.com"), Some("x@localhost"), Some("x@a..b"), Some("x"), Some("a@b@c"), None];
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            run_text(&EmailDomain::default(), &rows, &[]),
            [some("example.com"), some("localhost"), None, None, None, None]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}", like in "[a@. é]{0,10}") {
            split_address(&text);
            split_address(&like);
        }
    }
}

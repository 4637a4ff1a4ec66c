//! `mask_email(text)`: an e-mail address that shows its first character and its domain only.

use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::arguments::{self, Call, Kind, Parameters};
use super::reference::CONTACTS;
use crate::functions::frame::Function;
use crate::texts::split_address;

const PARAMETERS: Parameters = Parameters::required(&[("text", Kind::Text)]);

/// Stands for what is hidden, whatever its length: a length is a hint too.
const HIDDEN: &str = "***";

/// The function.
pub(crate) static MASK_EMAIL: Function = Function {
    parameters: Some(PARAMETERS),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("mask_email", |_| Ok(DataType::Utf8View), run)
};

/// Masks an address; text that is none is hidden whole.
fn mask_email(text: &str) -> String {
    match split_address(text) {
        Some((local, domain)) => {
            let mut characters = local.chars();
            // The first of one character would be all of it.
            match (characters.next(), characters.next()) {
                (Some(first), Some(_)) => format!("{first}{HIDDEN}@{domain}"),
                _ => format!("{HIDDEN}@{domain}"),
            }
        }
        None if text.trim().is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    }
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let texts = call.text(0)?;
    let mut masked = StringViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        masked.append_option(texts.get(row).map(mask_email));
    }
    call.result(Arc::new(masked.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        CONTACTS,
        "mask_email(text)",
        "Hides an e-mail address but for its first character and its domain; a local part of one character is hidden whole. \
         Text that is no address becomes `***`, blank text stays empty.",
        &[("text", "The address as it came.")],
        "SELECT mask_email('alice.smith@example.com'), mask_email('not an address');\n-- a***@example.com, ***",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn first_character_and_domain_stay() {
        for (text, masked) in [
            ("alice.smith@example.com", "a***@example.com"),
            (" alice@Example.COM ", "a***@Example.COM"),
            ("a@example.com", "***@example.com"),
            ("élan@example.com", "é***@example.com"),
            ("\"a b@c\"@example.com", "***"),
            ("a@b@example.com", "***"),
            ("alice", "***"),
            ("alice@", "***"),
            ("@example.com", "***"),
            ("alice smith@example.com", "***"),
            ("  ", ""),
        ] {
            assert_eq!(mask_email(text), masked, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_of_the_name_but_its_first_letter_is_left(local in "[a-z]{2}[a-z0-9.+_-]{0,20}") {
            let masked = mask_email(&format!("{local}@example.com"));
            prop_assert_eq!(masked, format!("{}***@example.com", &local[..1]));
        }
    }
}

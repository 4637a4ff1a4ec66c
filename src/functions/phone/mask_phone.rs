//! `mask_phone(text)`: a phone number that shows its country and last two digits only.

use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, Documentation};

use super::numbering;
use crate::functions::arguments::{self, Call, Kind, Parameters};
use crate::functions::frame::Function;
use crate::functions::reference::CONTACTS;

const PARAMETERS: Parameters = Parameters::required(&[("text", Kind::Text)]);

/// Digits that stay readable at the end.
const SHOWN_DIGITS: usize = 2;

/// Fewest digits of which the last two are shown; of less they would be too much.
const FEWEST_DIGITS: usize = 6;

/// The function.
pub(crate) static MASK_PHONE: Function = Function {
    parameters: Some(PARAMETERS),
    documentation: Some(&DOCUMENTATION),
    ..Function::new("mask_phone", |_| Ok(DataType::Utf8View), run)
};

/// Masks a phone number; text that is none loses every letter and digit but the last two digits.
fn mask_phone(text: &str) -> String {
    if let Some(number) = numbering::read(text, None) {
        let national = number.national();
        if national.len() >= FEWEST_DIGITS {
            let hidden = national.len() - SHOWN_DIGITS;
            let shown = national.get(hidden..).unwrap_or_default();
            return format!("+{}{}{shown}", number.country_code, "*".repeat(hidden));
        }
    }
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let mut left = digits;
    text.chars()
        .map(|character| {
            let is_shown = character.is_ascii_digit() && {
                left -= 1;
                left < SHOWN_DIGITS && digits >= FEWEST_DIGITS
            };
            if is_shown || character.is_ascii_punctuation() || character.is_whitespace() { character } else { '*' }
        })
        .collect()
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let texts = call.text(0)?;
    let mut masked = StringViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        masked.append_option(texts.get(row).map(mask_phone));
    }
    call.result(Arc::new(masked.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        CONTACTS,
        "mask_phone(text)",
        "Hides a phone number but for its country code and its last two digits. The number of digits stays visible, and two \
         numbers may look alike. Text that is no number with a country code has every letter and digit replaced by `*`, but \
         for the last two digits if it has at least six; punctuation stays.",
        &[("text", "The number as it came.")],
        "SELECT mask_phone('+1 (202) 555-0143'), mask_phone('202-555-0143'), mask_phone('anonymous');\n\
         -- +1********43, ***-***-**43, *********",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn country_and_last_two_digits_stay() {
        for (text, masked) in [
            ("+12025550143", "+1********43"),
            ("+49 (0)30 901820", "+49******20"),
            ("+49 30 901820 ext. 1234", "+49******20"),
            ("tel:+39-06-698-83145", "+39********45"),
            ("202-555-0143", "***-***-**43"),
            ("anonymous", "*********"),
            ("sip:alice@example.com", "***:*****@*******.***"),
            ("112", "***"),
            ("12345", "*****"),
            ("", ""),
            ("Zoë 7", "*** *"),
        ] {
            assert_eq!(mask_phone(text), masked, "{text}");
        }
    }

    proptest! {
        #[test]
        fn at_most_the_last_two_national_digits_are_left(national in "[2-9][0-9]{9}") {
            for text in [format!("+1{national}"), national.clone(), format!("({}) {}", &national[..3], &national[3..])] {
                let masked = mask_phone(&text);
                let shown = masked.strip_prefix("+1").unwrap_or(&masked);
                let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
                prop_assert_eq!(&digits, &national[8..], "{} {}", text, masked);
            }
        }

        #[test]
        fn no_letter_survives(text in ".{0,20}") {
            prop_assert!(!mask_phone(&text).chars().any(char::is_alphabetic));
        }
    }
}

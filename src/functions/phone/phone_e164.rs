//! `phone_e164(text [, region])`: a phone number in E.164.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, Documentation, ReturnFieldArgs};

use super::numbering::{self, Region};
use crate::functions::arguments::{self, Call, Kind, Parameters, Parsed};
use crate::functions::frame::Function;
use crate::functions::reference::CONTACTS;

const PARAMETERS: Parameters = Parameters { all: &[("text", Kind::Text), ("region", Kind::Text)], required: 1 };

/// The function.
pub(crate) static PHONE_E164: Function = Function {
    parameters: Some(PARAMETERS),
    check,
    documentation: Some(&DOCUMENTATION),
    ..Function::new("phone_e164", |_| Ok(DataType::Utf8View), run)
};

/// Checks what is literal of a call.
fn check(args: &ReturnFieldArgs<'_>) -> Result<()> {
    if let Some(code) = arguments::literal_text(args, 1)
        && !code.is_empty()
        && Region::parse(code).is_none()
    {
        return plan_err!("phone_e164: unknown region {code:?}; hint: give a two-letter country code such as 'US'");
    }
    Ok(())
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let texts = call.text(0)?;
    let codes = if call.len() > 1 { Some(call.text(1)?) } else { None };
    let mut regions = codes.as_ref().map(|codes| Parsed::new(codes, Region::parse));
    let mut numbers = StringViewBuilder::with_capacity(call.rows);
    let mut written = String::new();
    for row in 0..call.rows {
        let region = match (&mut regions, codes.as_ref().and_then(|codes| codes.get(row))) {
            // No region is named: numbers with a country code are read, and of others nothing is guessed.
            (None, _) | (_, None | Some("")) => Some(None),
            // An unknown region makes the result null: without it another number could be read than is meant.
            (Some(regions), Some(_)) => regions.get(row).map(|region| Some(*region)),
        };
        let number = match (texts.get(row), region) {
            (Some(text), Some(region)) => numbering::read(text, region),
            _ => None,
        };
        match number {
            None => numbers.append_null(),
            Some(number) => {
                written.clear();
                // Writing to a text does not fail.
                let _ = write!(written, "{number}");
                numbers.append_value(&written);
            }
        }
    }
    call.result(Arc::new(numbers.finish()))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    arguments::document(
        CONTACTS,
        "phone_e164(text [, region])",
        "Returns a phone number in E.164, `+` and digits, as libphonenumber reads it. It may be written in any way: national or \
         international, with spaces and punctuation, a trunk 0 in brackets, an international prefix of the region (`00`, `011`), \
         letters (`1-800-FLOWERS`), digits of other scripts, or as a `tel:` URI. An extension is left out, since E.164 has none: \
         the result is that of the number without it. Without a region only numbers with a country code are read; with one, \
         national numbers too. The trunk prefix is taken off by the rules of the number's own country. The number need not be \
         in service, nor of a length that its country has. Null for anything else, such as `anonymous` or a SIP address.",
        &[
            ("text", "The number as it came."),
            (
                "region",
                "Two-letter ISO 3166 code of the country whose national numbers are meant, such as `US`. Null and an empty \
                 text name none. An unknown code is a planning error if it is a literal, and gives null if it comes from a column.",
            ),
        ],
        "SELECT phone_e164('+1 (202) 555-0143 ext. 12'), phone_e164('030 901820', 'DE'), phone_e164('+49 151 23456789', 'US');\n\
         -- +12025550143, +4930901820, +4915123456789",
    )
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::arguments::tests::{run, run_text};
    use arrow::array::{AsArray, StringArray};

    #[test]
    fn numbers_come_out_in_e164() {
        let rows = [Some("+1 202 555 0143"), Some("202 555 0143"), Some("anonymous"), None];
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(run_text(&PHONE_E164.framed(), &rows, &[]), [some("+12025550143"), None, None, None]);
        assert_eq!(
            run_text(&PHONE_E164.framed(), &rows, &["US"]),
            [some("+12025550143"), some("+12025550143"), None, None]
        );
    }

    #[test]
    fn a_region_per_row_that_is_unknown_gives_null_and_one_that_is_null_is_none() {
        let column = |texts: Vec<Option<&str>>| ColumnarValue::Array(Arc::new(StringArray::from(texts)));
        let codes = || column(vec![Some("DE"), Some("??"), None, Some("")]);
        for (number, expected) in [
            ("030 901820", [Some("+4930901820"), None, None, None]),
            ("+39 06 698 83145", [Some("+390669883145"), None, Some("+390669883145"), Some("+390669883145")]),
        ] {
            let numbers = run(&PHONE_E164.framed(), vec![column(vec![Some(number); 4]), codes()]);
            let numbers: Vec<Option<&str>> = numbers.as_string_view().iter().collect();
            assert_eq!(numbers, expected, "{number}");
        }
    }
}

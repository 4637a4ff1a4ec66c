//! Values that are known to be hidden before any row is seen, such as the parameters of a run.
//!
//! They are looked for as they are, as SQL and as a JSON string write them. In results they are looked for in columns of text,
//! not inside of lists and structs.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::Result;

/// Characters of a value that is looked for; one alone would be found everywhere.
const SHORTEST: usize = 2;
/// Characters of a value that is looked for inside of words too.
const LONG: usize = 5;

/// Adds a value in all its forms.
pub(super) fn add(value: &str, shown: &str, values: &mut Vec<(String, String)>) {
    let quoted = serde_json::Value::from(value).to_string();
    let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
    for form in [value.replace('\'', "''"), escaped, value.to_owned()] {
        if form.chars().count() >= SHORTEST && !values.iter().any(|(known, _)| *known == form) {
            values.push((form, shown.to_owned()));
        }
    }
    values.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
}

/// Hides the values in a text.
pub(super) fn hide<'a>(text: &'a str, values: &[(String, String)]) -> Cow<'a, str> {
    let mut shown = Cow::Borrowed(text);
    for (value, mask) in values {
        if shown.contains(value.as_str()) {
            shown = Cow::Owned(replaced(&shown, value, mask));
        }
    }
    shown
}

/// Hides the values in a column of text; other columns stay.
pub(super) fn hide_in_column(array: &ArrayRef, values: &[(String, String)]) -> Result<ArrayRef> {
    let is_text = match array.data_type() {
        DataType::Dictionary(_, value) => value.is_string(),
        DataType::RunEndEncoded(_, value) => value.data_type().is_string(),
        other => other.is_string(),
    };
    if values.is_empty() || !is_text {
        return Ok(ArrayRef::clone(array));
    }
    let plain = match array.data_type() {
        DataType::RunEndEncoded(_, value) => cast(array, value.data_type())?,
        _ => ArrayRef::clone(array),
    };
    let texts = cast(&plain, &DataType::Utf8View)?;
    let hidden: StringViewArray =
        texts.as_string_view().iter().map(|text| text.map(|text| hide(text, values))).collect();
    Ok(cast(&(Arc::new(hidden) as ArrayRef), array.data_type())?)
}

/// Replaces a value, a short one only where it stands as a word of its own.
fn replaced(text: &str, value: &str, mask: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let joins =
        |inside: Option<char>, outside: Option<char>| inside.is_some_and(is_word) && outside.is_some_and(is_word);
    let is_long = value.chars().count() >= LONG;
    let (mut out, mut copied, mut from) = (String::new(), 0, 0);
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(value)) {
        let (start, end) = (from + found, from + found + value.len());
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text.get(end..).and_then(|text| text.chars().next());
        if is_long || !joins(value.chars().next(), before) && !joins(value.chars().next_back(), after) {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str(mask);
            copied = end;
        }
        from = end;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, DictionaryArray};
    use arrow::datatypes::Int8Type;

    use super::*;

    fn values(known: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut values = Vec::new();
        known.iter().for_each(|(value, shown)| add(value, shown, &mut values));
        values
    }

    #[test]
    fn values_are_found_in_all_their_forms() {
        let values = values(&[("O'Hara \"Z\"", "[name]"), ("mary.w", "[email]"), ("Al", "[name]"), ("x", "[name]")]);
        for (text, shown) in [
            ("a O'Hara \"Z\"b", "a [name]b"),
            ("where n = 'O''Hara \"Z\"'", "where n = '[name]'"),
            (r#"{"n":"O'Hara \"Z\""}"#, r#"{"n":"[name]"}"#),
            ("mary.wmary.w", "[email][email]"),
            ("Al, Ali and Al", "[name], Ali and [name]"),
            ("x", "x"),
        ] {
            assert_eq!(hide(text, &values), shown);
        }
    }

    #[test]
    fn columns_of_text_keep_their_types() {
        let known = values(&[("mary.w", "[email]")]);
        let texts: DictionaryArray<Int8Type> = [Some("to mary.w"), None, Some("b")].into_iter().collect();
        let packed: ArrayRef = Arc::new(texts);
        let hidden = hide_in_column(&packed, &known).unwrap();
        assert_eq!(hidden.data_type(), packed.data_type());
        let plain = cast(&hidden, &DataType::Utf8).unwrap();
        assert_eq!(plain.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("to [email]"), None, Some("b")]);
    }
}

//! JSON objects with names in camel case: nested JSON as it is, anything else in a JSON cell as a string of its text.

use std::sync::LazyLock;

use crate::generate::row::{Row, Value};
use crate::generate::text::{push_instant, push_seconds};
use crate::json::{Escaping, push_json_string_as};
use crate::schema::COLUMNS;

/// The documented names in camel case, with quotes and colon.
static KEYS: LazyLock<[String; 14]> = LazyLock::new(|| COLUMNS.each_ref().map(|column| key(column.name)));

fn key(name: &str) -> String {
    let mut out = String::from("\"");
    for (index, word) in name.split('_').enumerate() {
        let (first, rest) = word.split_at(word.len().min(1));
        out.push_str(&if index == 0 { first.to_owned() } else { first.to_ascii_uppercase() });
        out.push_str(rest);
    }
    out.push_str("\":");
    out
}

/// Appends a row as one object on one line.
pub(super) fn push_row(out: &mut String, row: &Row<'_>) {
    for (index, (key, value)) in KEYS.iter().zip(row.values()).enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        out.push_str(key);
        match value {
            Value::Null => out.push_str("null"),
            Value::Text(text) => push_json_string_as(out, text, Escaping::Plain),
            Value::Object(text) => out.push_str(text),
            Value::Instant(instant_us) => {
                out.push('"');
                push_instant(out, instant_us);
                out.push('"');
            }
            Value::Milliseconds(milliseconds) => push_seconds(out, milliseconds),
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_names_in_camel_case() {
        assert_eq!(KEYS[6], "\"sourceDetailsPhoneNumber\":");
        assert_eq!(KEYS[3], "\"data\":");
    }
}

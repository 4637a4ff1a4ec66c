//! What is read of one text: the name of an action, the domain of an e-mail address. SQL functions give it, and data files may hold it in
//! columns of their own.
//!
//! None of them depends on data that comes with a library and is renewed with it, as the numbering plans of `phone_e164` are: what
//! such a function gives is always computed from the text.

mod action_name;
mod email_domain;
mod map;

use std::borrow::Cow;

use arrow::array::StringViewArray;
use arrow::error::ArrowError;

pub use action_name::action_name;
pub use email_domain::{email_domain, split_address};
pub use map::map;

/// A function of one text.
#[derive(Debug)]
pub struct TextFunction {
    /// Its name in SQL.
    pub name: &'static str,
    /// What it gives for some text changes with this number: values stored by another version are not read.
    pub version: u32,
    read: for<'t> fn(&'t str) -> Option<Cow<'t, str>>,
}

impl TextFunction {
    /// Computes the value of a text; `None` is null.
    pub fn value<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        (self.read)(text)
    }

    /// Computes the value of each text; null gives null.
    ///
    /// # Errors
    /// Values of more bytes than views can address.
    pub fn values(&self, texts: &StringViewArray) -> Result<StringViewArray, ArrowError> {
        map(texts, self.read)
    }
}

impl PartialEq for TextFunction {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.version) == (other.name, other.version)
    }
}

impl Eq for TextFunction {}

/// `action_name`. Its version was not raised when half a surrogate pair came to be read: of files written before, the columns of broken
/// documents are left out by their manifests.
pub static ACTION_NAME: TextFunction = TextFunction { name: "action_name", version: 1, read: action_name };
/// `email_domain`
pub static EMAIL_DOMAIN: TextFunction = TextFunction { name: "email_domain", version: 1, read: email_domain };

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of every shape that the functions tell apart.
    const TEXTS: [&str; 34] = [
        "",
        " ",
        "end",
        " end\n",
        "\"end\"",
        "\"end",
        "\" end \"",
        "\"\"",
        "two words",
        "a.b-c:d_e",
        "é",
        "9a",
        "_a",
        "null",
        "true",
        "17",
        "[\"end\"]",
        "{}",
        r#"{"action":"end","type":"x"}"#,
        r#"{"name":"z","type":"y"}"#,
        r#"{"name":"z","id":7}"#,
        r#"{"action":null,"type":"y"}"#,
        r#"{"action":"","name":"z"}"#,
        r#"{"action":"a","action":"b"}"#,
        r#"{"webhook":{}}"#,
        r#"{"action":{"id":1}}"#,
        r#"{"action":"end""#,
        r#"{"action":"\u0065nd"} "#,
        "Alice@Example.com",
        " x@localhost ",
        "x@a..b",
        "a@b@c",
        "\"a b\"@c.de",
        "é@Müller.DE",
    ];

    /// A change of what a function gives must change its version, else the columns of older files would give other answers than
    /// their texts.
    #[test]
    fn the_values_in_files_are_those_of_this_version() {
        let told = |function: &TextFunction| {
            let values = TEXTS.iter().map(|text| function.value(text).unwrap_or(Cow::Borrowed("-")).into_owned());
            format!("{} {}: {}", function.name, function.version, values.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            told(&ACTION_NAME),
            "action_name 1: - - end end end - end - - a.b-c:d_e é - _a - - - - - end y z y z a webhook - - end - - - - - -"
        );
        assert_eq!(
            told(&EMAIL_DOMAIN),
            "email_domain 1: - - - - - - - - - - - - - - - - - - - - - - - - - - - - example.com localhost - - - müller.de"
        );
    }
}

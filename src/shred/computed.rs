//! Columns of what functions of ours give of texts: the name of each action, the domain of each e-mail address.
//!
//! Both are asked for in standard reports, and are a few bits where the text is long or hardly repeats: on a million generated
//! sessions the two columns take 0.28 of 178 MB, where the addresses take 5.99.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};

use super::leaf::place_name;
use crate::error::{Error, Result};
use crate::texts::{ACTION_NAME, EMAIL_DOMAIN, TextFunction};

/// The functions of whole columns, with the columns whose values may be stored.
const OF_COLUMNS: [(&str, &TextFunction); 1] = [("action_data", &ACTION_NAME)];
/// The function of the strings at JSON paths whose values may be stored. It gives null for the text of all that is no string, so
/// that it does not matter whether that is asked for too.
pub const OF_STRINGS: &TextFunction = &EMAIL_DOMAIN;

/// A column of the values of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    /// The JSON column.
    pub column: String,
    /// The keys down to the strings that the function is of; none where it is of the column's own text.
    pub path: Vec<String>,
    /// The function.
    pub function: &'static TextFunction,
}

impl Computed {
    /// Names the column: `~shred/<column>/<path>#=<function>.<version>`.
    pub fn name(&self) -> String {
        computed_name(&self.column, &self.path, self.function)
    }

    /// Computes the column from the texts that it is of.
    ///
    /// # Errors
    /// There are no such texts, or they give more bytes than views can address.
    pub fn values(&self, texts: Option<&ArrayRef>) -> Result<ArrayRef> {
        let texts = texts.and_then(|texts| texts.as_string_view_opt());
        let texts = texts.ok_or_else(|| Error::internal(format!("no texts for {}", self.name())))?;
        let values = self.function.values(texts);
        Ok(Arc::new(values.map_err(|error| Error::internal(format!("{}: {error}", self.name())))?))
    }
}

/// Names the column of a function's values.
pub fn computed_name(column: &str, path: &[impl AsRef<str>], function: &TextFunction) -> String {
    format!("{}#={}.{}", place_name(column, path), function.name, function.version)
}

/// Returns the function of a JSON column's own text whose values may be stored.
pub fn of_column(column: &str) -> Option<&'static TextFunction> {
    OF_COLUMNS.iter().find(|(name, _)| *name == column).map(|(_, function)| *function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn names_tell_path_function_and_version() {
        assert_eq!(computed_name("action_data", &[] as &[&str], &ACTION_NAME), "~shred/action_data#=action_name.1");
        assert_eq!(computed_name("data", &["a/b", "mail"], &EMAIL_DOMAIN), "~shred/data/a~1b/mail#=email_domain.1");
    }

    fn no_string() -> impl Strategy<Value = Value> {
        let text = prop_oneof![Just("a@b.de".to_owned()), Just("@".to_owned()), "[a@.]{0,6}"];
        let scalar = prop_oneof![
            any::<f64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from)
        ];
        let value = prop_oneof![text.clone().prop_map(Value::from), scalar.clone()];
        let list = prop::collection::vec(value.clone(), 0..3).prop_map(Value::from);
        let object =
            prop::collection::btree_map(text, value, 0..3).prop_map(|map| Value::Object(map.into_iter().collect()));
        prop_oneof![scalar, list, object]
    }

    proptest! {
        #[test]
        fn what_is_no_string_gives_null(value in no_string()) {
            let text = value.to_string();
            prop_assert_eq!(OF_STRINGS.value(&text), None, "{}", text);
        }
    }
}

//! The regular expression of a pattern of `similar to`.
//!
//! In such a pattern `%` stands for any text and `_` for any character; `|`, `*`, `+`, `?`, `{m,n}`, parentheses and brackets are those
//! of regular expressions, and every other character stands for itself. The whole text must be like the pattern. DataFusion 55 takes
//! the pattern for a regular expression as it is.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

const NAME: &str = "similar_to_regex";

#[derive(Debug, PartialEq, Eq, Hash)]
struct SimilarPattern {
    signature: Signature,
}

/// The function.
pub(super) fn function() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let signature = Signature::any(2, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(SimilarPattern { signature }))
    });
    Arc::clone(&FUNCTION)
}

/// Makes a regular expression of a pattern of `similar to`.
pub fn pattern(pattern: Expr, escape: Option<char>) -> Expr {
    let escape = Expr::Literal(ScalarValue::from(escape.unwrap_or('\\').to_string()), None);
    Expr::ScalarFunction(ScalarFunction { func: function(), args: vec![pattern, escape] })
}

/// Returns the regular expression of a pattern.
///
/// # Errors
/// An escape character at the end.
fn regex(pattern: &str, escape: char) -> Result<String> {
    // A text may have several lines, and `.` any character.
    let mut regex = String::from("^(?s:");
    let mut characters = pattern.chars().peekable();
    // Characters since the bracket that opened a class; `None` outside of one.
    let mut in_class: Option<usize> = None;
    while let Some(character) = characters.next() {
        if character == escape {
            match characters.next() {
                Some(escaped) => push_literal(&mut regex, escaped, in_class.is_some()),
                None => return exec_err!("the pattern {pattern:?} of SIMILAR TO ends with its escape character"),
            }
            in_class = in_class.map(|count| count + 1);
            continue;
        }
        match (in_class, character) {
            (Some(0), '^') => regex.push('^'),
            (Some(1..), ']') => {
                regex.push(']');
                in_class = None;
            }
            (Some(count), '[') if characters.peek() == Some(&':') => {
                regex.push('[');
                for named in characters.by_ref() {
                    regex.push(named);
                    if named == ']' {
                        break;
                    }
                }
                in_class = Some(count + 1);
            }
            (Some(count), '-') => {
                regex.push('-');
                in_class = Some(count + 1);
            }
            (Some(count), other) => {
                push_literal(&mut regex, other, true);
                in_class = Some(count + 1);
            }
            (None, '[') => {
                regex.push('[');
                in_class = Some(0);
            }
            (None, '%') => regex.push_str(".*"),
            (None, '_') => regex.push('.'),
            (None, '(') => regex.push_str("(?:"),
            (None, '|' | '*' | '+' | '?' | '{' | '}' | ')') => regex.push(character),
            (None, other) => push_literal(&mut regex, other, false),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

/// Adds a character that stands for itself.
fn push_literal(regex: &mut String, character: char, in_class: bool) {
    let is_special = match character {
        '\\' | '^' | '[' | ']' | '&' | '~' | '-' => true,
        '.' | '$' | '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' | '#' => !in_class,
        _ => false,
    };
    if is_special {
        regex.push('\\');
    }
    regex.push(character);
}

impl ScalarUDFImpl for SimilarPattern {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [pattern, _] => Ok(pattern.clone()),
            _ => internal_err!("{NAME} takes a pattern and an escape character"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields {
            [pattern, _] => {
                let (data_type, is_nullable) = (pattern.data_type().clone(), pattern.is_nullable());
                Ok(Arc::new(arrow::datatypes::Field::new(NAME, data_type, is_nullable)))
            }
            _ => internal_err!("{NAME} takes a pattern and an escape character"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [pattern, ColumnarValue::Scalar(escape)] = args.args.as_slice() else {
            return internal_err!("{NAME} takes a pattern and an escape character");
        };
        let Some(escape) = escape.try_as_str().flatten().and_then(|escape| escape.chars().next()) else {
            return internal_err!("{NAME} takes an escape character");
        };
        let patterns: ArrayRef = match pattern {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        let data_type = patterns.data_type().clone();
        let texts = cast(&patterns, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        let regexes = texts.iter().map(|text| text.map(|text| regex(text, escape)).transpose());
        let regexes = cast(&regexes.collect::<Result<StringArray>>()?, &data_type)?;
        Ok(match pattern {
            ColumnarValue::Array(_) => ColumnarValue::Array(regexes),
            ColumnarValue::Scalar(_) => ColumnarValue::Scalar(ScalarValue::try_from_array(&regexes, 0)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_special_in_regular_expressions_alone_stands_for_itself() {
        for (pattern, expected) in [
            ("b", "^(?s:b)$"),
            ("%b_", "^(?s:.*b.)$"),
            ("a|b", "^(?s:a|b)$"),
            ("(ab)+", "^(?s:(?:ab)+)$"),
            ("1.5$^", "^(?s:1\\.5\\$\\^)$"),
            ("\\%\\_\\d", "^(?s:%_d)$"),
            ("[%_.]", "^(?s:[%_.])$"),
            ("[^]a&&b[]", "^(?s:[^\\]a\\&\\&b\\[])$"),
            ("[[:digit:]-]", "^(?s:[[:digit:]-])$"),
            ("a{2,3}", "^(?s:a{2,3})$"),
            ("", "^(?s:)$"),
        ] {
            assert_eq!(regex(pattern, '\\').unwrap(), expected, "{pattern}");
        }
        assert_eq!(regex("a#%\\", '#').unwrap(), "^(?s:a%\\\\)$");
        assert!(regex("a\\", '\\').is_err());
    }
}

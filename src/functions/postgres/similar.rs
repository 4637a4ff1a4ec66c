//! The regular expression of a pattern of `similar to`.
//!
//! In such a pattern `%` stands for any text and `_` for any character; `|`, `*`, `+`, `?`, `{m,n}`, parentheses and brackets are those
//! of regular expressions, and every other character stands for itself. The whole text must be like the pattern. DataFusion 55 takes
//! the pattern for a regular expression as it is.

use arrow::array::{Array, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{ColumnarValue, Expr};

use crate::functions::arguments::{Call, scalar_text};
use crate::functions::frame::Function;

/// The function.
pub(super) static SIMILAR_TO_REGEX: Function =
    Function { is_strict: true, ..Function::new("similar_to_regex", returns, run) };

/// Makes a regular expression of a pattern of `similar to`.
pub fn pattern(pattern: Expr, escape: Option<char>) -> Expr {
    let escape = Expr::Literal(ScalarValue::from(escape.unwrap_or('\\').to_string()), None);
    Expr::ScalarFunction(ScalarFunction { func: SIMILAR_TO_REGEX.udf(), args: vec![pattern, escape] })
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

fn returns(types: &[DataType]) -> Result<DataType> {
    match types {
        [pattern, _] => Ok(pattern.clone()),
        _ => internal_err!("similar_to_regex takes a pattern and an escape character"),
    }
}

fn run(call: &Call<'_>) -> Result<ColumnarValue> {
    let escape = match call.args.args.as_slice() {
        [_, ColumnarValue::Scalar(escape)] => scalar_text(escape).and_then(|escape| escape.chars().next()),
        _ => None,
    };
    let Some(escape) = escape else { return internal_err!("similar_to_regex takes an escape character") };
    let patterns = call.given(0)?;
    let texts = cast(&patterns, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>();
    let regexes = texts.iter().map(|text| text.map(|text| regex(text, escape)).transpose());
    call.result(cast(&regexes.collect::<Result<StringArray>>()?, patterns.data_type())?)
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

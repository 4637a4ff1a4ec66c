//! Plans the operators `->`, `->>`, `#>`, `#>>` and `?` as calls of functions.
//!
//! A path of `#>` and `#>>` that is a literal, as a Postgres array text or a list, ends as one literal a step: `json_as_text(json,
//! 'a', 'b')` is the form that the scan knows how to read from a column of its own. Steps are names in objects and, where they
//! read as a number, indexes in arrays; a text behind `->` and `->>` is a name only. A result is titled as the operator is written, not as
//! the call.
//!
//! Limits: an array text from a column or an expression is taken for one name.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::expr::{Alias, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::sqlparser::ast::BinaryOperator;

use super::calls::{Asked, by_steps};
use super::objects::OBJECT_ONLY;

/// Plans the operators.
#[derive(Debug, Default)]
pub(crate) struct OperatorPlanner;

impl ExprPlanner for OperatorPlanner {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = |asked| Arc::clone(by_steps(asked));
        let (func, operator, takes_path) = match raw.op {
            BinaryOperator::Arrow => (function(Asked::Union), "->", false),
            BinaryOperator::LongArrow => (function(Asked::AnyText), "->>", false),
            BinaryOperator::HashArrow => (function(Asked::Union), "#>", true),
            BinaryOperator::HashLongArrow => (function(Asked::AnyText), "#>>", true),
            BinaryOperator::Question => (function(Asked::Presence), "?", false),
            _ => return Ok(PlannerResult::Original(raw)),
        };
        let literal = if takes_path { literal_steps(&raw.right, operator)? } else { None };
        let (keys, shown) = literal.unwrap_or_else(|| {
            let shown = written(&raw.right);
            (vec![raw.right], shown)
        });
        let title = format!("{} {operator} {shown}", written(&raw.left));
        let is_one_key = matches!(raw.op, BinaryOperator::Arrow | BinaryOperator::LongArrow);
        let document = match keys.as_slice() {
            [key] if is_one_key && may_spell_an_index(key, schema) => only_objects(raw.left),
            _ => raw.left,
        };
        let args = std::iter::once(document).chain(keys).collect();
        let call = Expr::ScalarFunction(ScalarFunction { func, args });
        Ok(PlannerResult::Planned(Expr::Alias(Alias::new(call, None::<&str>, title))))
    }
}

/// Says whether a key is a text that would be taken for an index where there is an array.
fn may_spell_an_index(key: &Expr, schema: &DFSchema) -> bool {
    match key {
        Expr::Literal(text, _) => text.try_as_str().flatten().is_some_and(|text| text.parse::<isize>().is_ok()),
        // The type of a parameter is not known yet.
        Expr::Placeholder(_) => false,
        key => key.get_type(schema).is_ok_and(|data_type| data_type.is_string()),
    }
}

/// Makes null of documents that are no objects. A document that was itself looked up is looked up as text: of a JSON value a text that
/// begins as an object could not be told from one.
fn only_objects(document: Expr) -> Expr {
    let document = match document.unalias() {
        Expr::ScalarFunction(mut call) if call.func == *by_steps(Asked::Union) => {
            call.func = Arc::clone(by_steps(Asked::Written));
            Expr::ScalarFunction(call)
        }
        other => other,
    };
    Expr::ScalarFunction(ScalarFunction { func: OBJECT_ONLY.udf(), args: vec![document] })
}

/// Shows an operand in a title: a column by its bare name, a literal as SQL has it.
fn written(expression: &Expr) -> String {
    match expression {
        Expr::Column(column) => column.name.clone(),
        Expr::Alias(alias) => alias.name.clone(),
        Expr::Cast(cast) => written(&cast.expr),
        Expr::Literal(scalar, _) => match scalar.try_as_str() {
            Some(Some(text)) => format!("'{text}'"),
            _ => scalar.to_string(),
        },
        other => other.to_string(),
    }
}

/// Returns the steps of a literal path and how to show it; `None` if the path is not literal.
fn literal_steps(path: &Expr, operator: &str) -> Result<Option<(Vec<Expr>, String)>> {
    if let Expr::Literal(scalar, _) = path
        && let Some(text) = scalar.try_as_str().flatten()
    {
        return match array_text(text) {
            Some(steps) => {
                let steps = steps.into_iter().map(|step| Expr::Literal(ScalarValue::Utf8(step), None)).collect();
                Ok(Some((steps, format!("'{text}'"))))
            }
            None => plan_err!("{operator}: {text:?} is no path; hint: write the steps as '{{variables,category}}'"),
        };
    }
    if let Expr::ScalarFunction(call) = path
        && call.func.name() == "make_array"
        && !call.args.is_empty()
        && call.args.iter().all(|step| {
            matches!(
                step,
                Expr::Literal(ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)) | ScalarValue::Int64(_), _)
            )
        })
    {
        return Ok(Some((call.args.clone(), path.to_string())));
    }
    Ok(None)
}

/// Reads a Postgres array text of one dimension: `{a,"b, c",NULL}`. `None` if it is not one.
fn array_text(text: &str) -> Option<Vec<Option<String>>> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inside.trim().is_empty() {
        return Some(Vec::new());
    }
    let mut steps = Vec::new();
    let mut rest = inside;
    loop {
        rest = rest.trim_start();
        let (step, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (step, after) = quoted_step(quoted)?;
                (Some(step), after.trim_start())
            }
            None => plain_step(rest)?,
        };
        steps.push(step);
        if after.is_empty() {
            return Some(steps);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// Reads a step up to its closing quote; a backslash takes the next character as it is.
fn quoted_step(text: &str) -> Option<(String, &str)> {
    let mut step = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((step, &text[index + 1..])),
            '\\' => step.push(characters.next()?.1),
            _ => step.push(character),
        }
    }
    None
}

/// Reads a step without quotes up to the next comma.
fn plain_step(text: &str) -> Option<(Option<String>, &str)> {
    let mut step = String::new();
    let mut characters = text.char_indices();
    let mut after = "";
    while let Some((index, character)) = characters.next() {
        match character {
            ',' => {
                after = &text[index..];
                break;
            }
            '{' | '}' | '"' => return None,
            '\\' => step.push(characters.next()?.1),
            _ => step.push(character),
        }
    }
    let step = step.trim_end();
    match step {
        "" => None,
        _ if step.eq_ignore_ascii_case("null") => Some((None, after)),
        _ => Some((Some(step.to_owned()), after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn array_texts_are_read_as_postgres_reads_them() {
        let read = |text: &str| {
            array_text(text).map(|steps| steps.into_iter().map(|s| s.unwrap_or("(null)".into())).collect::<Vec<_>>())
        };
        let steps = |steps: &[&str]| Some(steps.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("{a,b}"), steps(&["a", "b"]));
        assert_eq!(read(" { a b , 0 } "), steps(&["a b", "0"]));
        assert_eq!(read(r#"{"a,b","c\"d\\",""}"#), steps(&["a,b", "c\"d\\", ""]));
        assert_eq!(read("{}"), steps(&[]));
        assert_eq!(read("{a,NULL,\"NULL\"}"), steps(&["a", "(null)", "NULL"]));
        for wrong in
            ["", "a", "a,b", "{a", "a}", "{a,}", "{,a}", "{a,,b}", "{\"a}", "{\"a\"b}", "{{a}}", "{a\\", "{\\}"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn quoted_steps_round_trip(steps in prop::collection::vec(".{0,8}", 1..5)) {
            let quoted: Vec<String> =
                steps.iter().map(|s| format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            let read: Option<Vec<_>> = array_text(&format!("{{{}}}", quoted.join(","))).map(|read| read.into_iter().flatten().collect());
            prop_assert_eq!(read, Some(steps));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}\",\\\\a é]{0,12}") {
            array_text(&text);
        }
    }
}

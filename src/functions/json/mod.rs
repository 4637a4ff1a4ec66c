//! Reads JSON text: JSONPath (RFC 9535) functions, validity, and the path operators.
//!
//! `calls` is the table of all of them. `crate::json` compiles a path and finds what it picks in a document. The plain `json_get_*` functions are those of
//! datafusion-functions-json, wrapped by `plain`; `operators` plans `->`, `->>`, `#>`, `#>>` and `?` as
//! calls of them, and `rewrite` makes one call of several. `elements` has the functions that the optimizer calls on whole arrays.

mod calls;
mod elements;
mod json_exists;
mod json_query;
mod json_valid;
mod json_value;
mod objects;
mod operators;
mod plain;
mod rewrite;

pub use calls::Asked;
#[cfg(test)]
pub(crate) use calls::json_calls;
pub(crate) use calls::{Form, JsonCall, call_of_elements, json_call};
pub(crate) use calls::{our_functions, stock_functions};
pub use elements::elements_function;
pub(crate) use operators::OperatorPlanner;
pub(crate) use rewrite::JsonCalls;

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::ReturnFieldArgs;

use super::arguments::{self, Kind, Parameters};
use crate::json::{Path, Step};

/// The parameters of the three path functions.
const PARAMETERS: Parameters = Parameters::required(&[("json", Kind::Text), ("path", Kind::Text)]);

/// The description of the path argument of the three path functions.
const PATH_MEANING: &str = "JSONPath of RFC 9535, such as `$.variables.category`, `$.linkedIds[0].id`, `$..phoneNumber` or \
     `$.linkedIds[?@.type == 'interaction'].id`. A literal path that is not valid is a planning error that names the \
     position; a path from a column that is not valid gives null for its row.";

/// Checks the path of a call while planning, if it is a literal.
fn check_path_call(function: &str, args: &ReturnFieldArgs<'_>) -> Result<()> {
    if let Some(text) = arguments::literal_text(args, 1)
        && let Err(error) = Path::parse(text)
    {
        return plan_err!("{function}: invalid JSON path {text:?} at position {}: {}", error.position, error.message);
    }
    Ok(())
}

/// Reads a JSONPath that names one place by keys alone, such as `$.variables.customer_tier`; `None` for any other, and for the
/// root.
pub fn plain_path(text: &str) -> Option<Vec<String>> {
    let steps = Path::parse(text).ok()?.steps?;
    let name = |step| match step {
        Step::Name(name) => Some(name),
        Step::Key(_) | Step::Index(_) => None,
    };
    steps.into_iter().map(name).collect()
}

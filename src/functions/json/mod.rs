//! Reads JSON text: JSONPath (RFC 9535) functions, validity, and the path operators.
//!
//! `path` compiles a path, `lookup` finds what it picks in a document, `operators` plans `#>` and `#>>` with Postgres array
//! text. The plain `json_get_*` functions and `->`, `->>`, `?` come from datafusion-functions-json.

mod json_exists;
mod json_query;
mod json_valid;
mod json_value;
mod lookup;
mod operators;
mod path;

pub(crate) use json_exists::JsonExists;
pub(crate) use json_query::JsonQuery;
pub(crate) use json_valid::JsonValid;
pub(crate) use json_value::JsonValue;
pub(crate) use operators::PathOperatorPlanner;

use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::ReturnFieldArgs;

use super::arguments::{self, Kind, Parameters};

/// The parameters of the three path functions.
const PARAMETERS: Parameters = Parameters::required(&[("json", Kind::Text), ("path", Kind::Text)]);

/// The description of the path argument of the three path functions.
const PATH_MEANING: &str = "JSONPath of RFC 9535, such as `$.variables.category`, `$.linkedIds[0].id`, `$..phoneNumber` or \
     `$.linkedIds[?@.type == 'interaction'].id`. A literal path that is not valid is a planning error that names the \
     position; a path from a column that is not valid gives null for its row.";

/// Checks a call of a path function while planning: the types, and the path if it is a literal.
fn check_path_call(function: &str, args: &ReturnFieldArgs<'_>) -> Result<()> {
    let types: Vec<DataType> = arguments::types(args);
    PARAMETERS.check(function, &types)?;
    if let Some(text) = arguments::literal_text(args, 1)
        && let Err(error) = path::Path::parse(text)
    {
        return plan_err!("{function}: invalid JSON path {text:?} at position {}: {}", error.position, error.message);
    }
    Ok(())
}

/// Reads a JSONPath that names one place by keys alone, such as `$.variables.customer_tier`; `None` for any other, and for the
/// root.
pub fn plain_path(text: &str) -> Option<Vec<String>> {
    let steps = path::Path::parse(text).ok()?.steps?;
    let name = |step| match step {
        path::Step::Name(name) => Some(name),
        path::Step::Index(_) => None,
    };
    steps.into_iter().map(name).collect()
}

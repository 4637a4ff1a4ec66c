//! The SQL functions: ours, one a file, and those of datafusion-functions-json.
//!
//! To add one, copy the file of a similar one, add it to [`ours`] and to the groups of [`reference`](mod@reference), write a
//! `tests/slt/functions/<name>.slt`, and regenerate `docs/functions.md`. A file has one order: parameters, struct, the
//! computation as a plain function, `ScalarUDFImpl`, documentation, tests.
//!
//! What holds for all of ours: null in gives null out; a bad cell gives null and never fails a query; a bad *literal* (a path,
//! a zone, a width) is a planning error. They are stateless and found by name, so a plan can be sent to another machine.

mod action_name;
mod arguments;
mod bounded;
mod coalesce;
mod duration;
mod email_domain;
pub mod extremes;
pub mod interval;
mod json;
mod mask_email;
mod nested;
mod phone;
pub mod postgres;
pub mod reference;
mod time;
pub mod zoned;

pub(crate) use arguments::scalar_text;
pub use duration::parse_duration;
pub use json::{Asked, Form, JsonCall, call_of_elements, elements_function, json_call, json_calls, plain_path};
pub(crate) use nested::{holds, with_types};
pub use phone::METADATA_RELEASE as PHONE_METADATA_RELEASE;

use std::sync::Arc;

use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;

use crate::error::Result;

/// Lists our own functions, in the order of the reference.
pub fn ours() -> Vec<Arc<ScalarUDF>> {
    [
        ScalarUDF::new_from_impl(duration::SessionDuration::default()),
        ScalarUDF::new_from_impl(action_name::ActionName::default()),
        ScalarUDF::new_from_impl(duration::FormatDuration::default()),
        ScalarUDF::new_from_impl(duration::ParseDuration::default()),
        ScalarUDF::new_from_impl(interval::Age::default()),
        ScalarUDF::new_from_impl(interval::Justify::new(interval::Unit::Hours)),
        ScalarUDF::new_from_impl(interval::Justify::new(interval::Unit::Days)),
        ScalarUDF::new_from_impl(interval::Justify::new(interval::Unit::Both)),
        ScalarUDF::new_from_impl(interval::MakeInterval::default()),
        ScalarUDF::new_from_impl(time::LocalDay::default()),
        ScalarUDF::new_from_impl(time::LocalHour::default()),
        ScalarUDF::new_from_impl(time::LocalWeekday::default()),
        ScalarUDF::new_from_impl(time::LocalBucket::default()),
        ScalarUDF::new_from_impl(zoned::Timezone::default()),
        ScalarUDF::new_from_impl(phone::PhoneE164::default()),
        ScalarUDF::new_from_impl(phone::MaskPhone::default()),
        ScalarUDF::new_from_impl(mask_email::MaskEmail::default()),
        ScalarUDF::new_from_impl(email_domain::EmailDomain::default()),
    ]
    .map(Arc::new)
    .into_iter()
    .chain(json::our_functions())
    .collect()
}

/// Lists the functions that stand in for DataFusion's of the same name: faster on our columns, or as PostgreSQL means them, or with a bound.
fn replaced() -> Vec<Arc<ScalarUDF>> {
    let mut replaced = vec![
        Arc::new(ScalarUDF::new_from_impl(time::DateTrunc::default())),
        Arc::new(ScalarUDF::new_from_impl(zoned::ToChar::default())),
        Arc::new(ScalarUDF::new_from_impl(coalesce::Coalesce::default())),
        Arc::new(ScalarUDF::new_from_impl(interval::DatePart::default())),
        postgres::regexp_match(),
    ];
    replaced.extend(bounded::all());
    replaced
}

/// Registers every function, and what plans the JSON operators `->`, `->>`, `#>`, `#>>` and `?`.
///
/// Works on a `SessionContext` and a `SessionState`. A registry without expression planners (a task on another machine) gets
/// its functions from [`all`].
///
/// # Errors
/// The registry refuses function rewrites or expression planners.
pub fn register_all(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in all() {
        registry.register_udf(function)?;
    }
    registry.register_function_rewrite(Arc::new(json::JsonCalls))?;
    registry.register_expr_planner(Arc::new(json::OperatorPlanner))?;
    Ok(())
}

/// Lists our functions, those that stand in for DataFusion's, and those of datafusion-functions-json.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    ours()
        .into_iter()
        .chain(replaced())
        .chain(json::stock_functions())
        .chain(interval::parts())
        .chain(zoned::parts())
        .chain(postgres::all())
        .collect()
}

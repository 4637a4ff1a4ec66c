//! The SQL functions: ours, one a file, and those of datafusion-functions-json.
//!
//! To add one, copy the file of a similar one, add it to [`ours`] and to the groups of [`reference`](mod@reference), write a
//! `tests/slt/functions/<name>.slt`, and regenerate `docs/functions.md`. A file has one order: parameters, the
//! function in its frame (`frame::Function`), the computation, documentation, tests.
//!
//! What holds for all of ours: null in gives null out; a bad cell gives null and never fails a query; a bad *literal* (a path,
//! a zone, a width) is a planning error. They are stateless and found by name, so a plan can be sent to another machine.

mod action_name;
mod arguments;
mod bounded;
pub(crate) mod by_type;
mod coalesce;
mod duration;
mod email_domain;
pub(crate) mod exact;
pub(crate) mod extremes;
pub(crate) mod frame;
mod instead;
pub(crate) mod interval;
mod json;
pub(crate) mod lists;
mod mask_email;
pub(crate) mod means;
mod nested;
mod phone;
pub(crate) mod postgres;
pub mod reference;
pub(crate) mod row_order;
mod stand_ins;
mod time;
pub(crate) mod zoned;

pub(crate) use arguments::scalar_text;
pub(crate) use coalesce::known;
pub use duration::parse_duration;
pub use interval::Part as IntervalPart;
pub use json::Asked;
#[cfg(test)]
pub(crate) use json::json_calls;
pub(crate) use json::{Form, JsonCall, call_of_elements, elements_function, json_call, plain_path};
pub(crate) use nested::{holds, with_types};
pub use phone::METADATA_RELEASE as PHONE_METADATA_RELEASE;
pub use stand_ins::StandIns;
pub(crate) use stand_ins::stands_in;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::all_default_aggregate_functions;
use datafusion::logical_expr::ScalarUDF;

use crate::error::Result;

/// Lists our own functions, in the order of the reference.
pub fn ours() -> Vec<Arc<ScalarUDF>> {
    [
        &duration::SESSION_DURATION,
        &action_name::ACTION_NAME,
        &duration::FORMAT_DURATION,
        &duration::PARSE_DURATION,
        &interval::AGE,
        &interval::JUSTIFY_HOURS,
        &interval::JUSTIFY_DAYS,
        &interval::JUSTIFY_INTERVAL,
        &interval::MAKE_INTERVAL,
        &time::LOCAL_DAY,
        &time::LOCAL_HOUR,
        &time::LOCAL_WEEKDAY,
        &time::LOCAL_BUCKET,
        &zoned::TIMEZONE,
        &phone::PHONE_E164,
        &phone::MASK_PHONE,
        &mask_email::MASK_EMAIL,
        &email_domain::EMAIL_DOMAIN,
    ]
    .map(frame::Function::udf)
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
    ];
    replaced.extend(postgres::replaced());
    replaced.extend(bounded::all());
    replaced
}

/// Says whether a function, by its name, is one that plans are rewritten with. Queries do not call those: what they are given is not checked.
pub(crate) fn is_of_plans(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let parts = interval::parts().chain(zoned::parts()).chain(postgres::parts());
        parts.map(|part| part.name().to_owned()).collect()
    });
    NAMES.contains(&name.to_lowercase())
}

/// Says whether a name is that of a function of single values: no aggregate, and none over a window.
pub(crate) fn is_of_values(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let stock = datafusion::functions::all_default_functions().into_iter();
        let nested = datafusion::functions_nested::all_default_nested_functions();
        let functions: Vec<Arc<ScalarUDF>> = stock.chain(nested).chain(all()).collect();
        let named = functions.iter().flat_map(|it| std::iter::once(it.name().to_owned()).chain(it.aliases().to_vec()));
        let mut names: HashSet<String> = named.collect();
        let aggregates = all_default_aggregate_functions().into_iter().chain(postgres::aggregates());
        for aggregate in aggregates {
            names.remove(aggregate.name());
            names.retain(|name| !aggregate.aliases().contains(name));
        }
        names
    });
    NAMES.contains(&name.to_lowercase())
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

//! The functions that plans are rewritten with where DataFusion's operators mean something else than PostgreSQL's.
//!
//! They are no part of the reference: `engine/rules/meaning.rs` puts most of them into plans, and the others (`mod`, `mode`,
//! `percentile_cont`, `percentile_disc`) are PostgreSQL's.

mod digits;
mod frames;
mod integers;
mod lists;
mod modulo;
mod neighbours;
mod percentiles;
mod regexp_match;
mod rounding;
mod similar;
mod sum;
mod xor;

pub use digits::seconds_of_instant;
pub use frames::of_frames;
pub use integers::Checked;
pub use lists::list_order;
pub use neighbours::neighbours;
use percentiles::ordered_sets;
pub use rounding::{to_digits, to_nearest};
pub use similar::pattern;
pub use sum::checked_sum;
pub use xor::xor;

use std::sync::Arc;

use datafusion::functions::math;
use datafusion::functions_aggregate::bool_and_or::bool_and_udaf;
use datafusion::functions_aggregate::variance::var_samp_udaf;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use super::frame;

/// Lists the functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    parts().into_iter().chain([modulo::MODULO.udf()]).collect()
}

/// Lists those that plans are rewritten with.
pub(super) fn parts() -> Vec<Arc<ScalarUDF>> {
    let others = [
        &digits::SECONDS,
        &lists::NULLS,
        &lists::ORDER,
        &lists::WITHOUT_NULLS,
        &rounding::ROUND_HALF_EVEN,
        &rounding::ROUND_INSTANT,
        &similar::SIMILAR_TO_REGEX,
        &xor::INTEGER_XOR,
    ];
    Checked::ALL.map(Checked::function).into_iter().chain(others.map(frame::Function::udf)).collect()
}

/// Lists those that stand in for DataFusion's of the same name.
pub(super) fn replaced() -> Vec<Arc<ScalarUDF>> {
    digits::to_digits().into_iter().chain([lists::array_remove(), regexp_match::function()]).collect()
}

/// Lists functions of DataFusion that have a name of PostgreSQL's too, which no other function has.
pub fn synonyms() -> Vec<Arc<ScalarUDF>> {
    [(math::ceil(), "ceiling"), (math::signum(), "sign")]
        .map(|(function, name)| Arc::new(function.as_ref().clone().with_aliases([name])))
        .to_vec()
}

/// Lists aggregates of PostgreSQL's that DataFusion has under other names, or has not.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let named = |function: Arc<AggregateUDF>, name| Arc::new(function.as_ref().clone().with_aliases([name]));
    let synonyms = [named(var_samp_udaf(), "variance"), named(bool_and_udaf(), "every")];
    ordered_sets().into_iter().chain(synonyms).collect()
}

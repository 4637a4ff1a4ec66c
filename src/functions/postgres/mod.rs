//! The functions that plans are rewritten with where DataFusion's operators mean something else than PostgreSQL's.
//!
//! They are no part of the reference, as no query needs to call them; `engine/rules/meaning.rs` puts them into plans.

mod integers;
mod rounding;
mod similar;

pub use integers::Checked;
pub use rounding::to_nearest;
pub use similar::pattern;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

/// Lists the functions.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    Checked::ALL.map(Checked::function).into_iter().chain([rounding::function(), similar::function()]).collect()
}

//! Plans that run in stages, on other processes than the one that plans them.
//!
//! Whoever spreads plans ([`Distribution`], which `cluster` has) needs two functions. [`Staged::of`] makes a plan that may be cut: stock operators
//! over scans of ours, with nothing in it that another process could not do in the same way. [`settled`] puts operators of ours into a
//! stage where it runs. Between the two a plan is cut into stages, written down ([`ScanCodec`] for the scans) and read again; what was planned
//! here is run there, and nothing is planned twice.
//!
//! A plan that cannot be cut runs in this process, and EXPLAIN says why.

mod codec;
mod planner;
mod row_order;
mod sent;

use std::fmt;

use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::SessionState;

use super::operators::put_above;
use super::own::Node;
pub use codec::{ScanCodec, ToldTables};
pub(super) use planner::StagePlanner;
pub use planner::{RowsAs, made_by};
pub use sent::SentSettings;
pub(super) use sent::from_sent;

/// Spreads plans over other processes.
#[async_trait]
pub trait Distribution: fmt::Debug + Send + Sync {
    /// Cuts a plan into stages, and returns one that runs them elsewhere when it is executed; `None` where the plan has no place to be cut, or
    /// is too small for it.
    ///
    /// # Errors
    /// A defect, or other processes that are all gone.
    async fn in_stages(&self, plan: &Staged, session: &SessionState) -> Result<Option<Node>>;

    /// Says whether there are no other processes left, and statements are to run in this one.
    fn is_alone(&self) -> bool {
        false
    }

    /// Shows a plan with its stages, as EXPLAIN prints it.
    fn shown(&self, plan: &Node) -> String;
}

/// A plan that may be cut into stages.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The plan, of stock operators and scans of ours.
    pub plan: Node,
    /// The settings that go with its stages.
    pub settings: SentSettings,
    /// Aggregates whose last digits depend on the order in which rows come.
    pub loose: Vec<String>,
}

/// Puts operators of ours into a stage, or into the part of a plan that stays in this process, down to where `ends` says that another stage
/// begins. The plan gives the same rows, in partitions and an order that are the same.
///
/// # Errors
/// A defect.
pub fn settled(plan: Node, options: &ConfigOptions, ends: &dyn Fn(&Node) -> bool) -> Result<Node> {
    put_above(plan, options, ends)
}

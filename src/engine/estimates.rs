//! Plans without estimates of filters where DataFusion's fail.
//!
//! DataFusion 55.2 estimates by the least and the greatest value of a column how many rows a filter leaves. Of casts it believes that they lose nothing: `started_at::date > '2026-10-01'`
//! over data that begin on that day has "more rows" than there are, and of days that are subtracted it compares lengths with numbers. Both are internal errors, of queries
//! that are right. An estimate changes the plan and never the answer, so such a query is planned anew with filters that are not looked into; which files they leave out is
//! known to the scan by then.

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::{Filter, LogicalPlan};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use super::own::Node;
use crate::functions::known;

/// The planner of sessions, which is DataFusion's but for that.
#[derive(Debug)]
pub(super) struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, logical: &LogicalPlan, session: &dyn Session) -> Result<Node> {
        let planner = DefaultPhysicalPlanner::default();
        match planner.create_physical_plan(logical, session).await {
            Err(error) if matches!(error.find_root(), DataFusionError::Internal(_)) => {
                let planned = planner.create_physical_plan(&without_estimates(logical)?, session).await;
                planned.map_err(|_| error)
            }
            planned => planned,
        }
    }
}

/// Puts every condition into a call, which is true of the same rows and which DataFusion does not look into.
fn without_estimates(logical: &LogicalPlan) -> Result<LogicalPlan> {
    let blind = |node: LogicalPlan| match node {
        LogicalPlan::Filter(filter) => {
            let filter = Filter::try_new(known(filter.predicate, false), filter.input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(filter)))
        }
        node => Ok(Transformed::no(node)),
    };
    logical.clone().transform_up_with_subqueries(blind).data()
}

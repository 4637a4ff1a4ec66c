//! Gives the scans of an explained statement what EXPLAIN says of JSON paths ([`super::json_sources`]).
//!
//! Where a path comes from is decided file by file while a scan runs, by what the footers say. To tell it before, the footers of the files
//! that a scan would read are read while it is planned, and of no others.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::LogicalPlan;

use super::lake_table::{Footers, LakeTable};

/// Lets the scans of an explained statement read the footers of their files; other statements stay as they are.
pub(super) fn with_footers(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)) {
        return Ok(plan);
    }
    let footers = Arc::<Footers>::default();
    let explained = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let provider = source_as_provider(&scan.source)?;
        Ok(match provider.downcast_ref::<LakeTable>() {
            Some(table) => {
                scan.source = provider_as_source(Arc::new(table.explained(&footers)));
                Transformed::yes(LogicalPlan::TableScan(scan))
            }
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        })
    })?;
    Ok(explained.data)
}

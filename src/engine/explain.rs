//! Gives the scans of an explained statement what EXPLAIN says of JSON paths ([`super::json_sources`]).
//!
//! Where a path comes from is decided file by file while a scan runs, by what the footers say. To tell it before, the footers of the tables
//! that the statement reads are read while it is planned.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::json_sources::FileSchemas;
use super::lake_table::LakeTable;
use crate::lake::read_footers;

/// Gives the tables of an explained statement the footers of their files; other statements stay as they are.
pub(super) async fn with_footers(context: &SessionContext, plan: LogicalPlan) -> Result<LogicalPlan> {
    if !matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)) {
        return Ok(plan);
    }
    let mut tables = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            if provider.downcast_ref::<LakeTable>().is_some() {
                tables.push(provider);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut schemas = FileSchemas::new();
    for table in tables.iter().filter_map(|table| table.downcast_ref::<LakeTable>()) {
        let store = context.runtime_env().object_store(table.store())?;
        let footers = read_footers(&store, table.files()).await?;
        schemas.extend(
            table.files().iter().zip(footers).map(|(file, footer)| (file.location().to_string(), footer.schema)),
        );
    }
    let schemas = Arc::new(schemas);
    let explained = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let provider = source_as_provider(&scan.source)?;
        Ok(match provider.downcast_ref::<LakeTable>() {
            Some(table) => {
                scan.source = provider_as_source(Arc::new(table.explained(Arc::clone(&schemas))));
                Transformed::yes(LogicalPlan::TableScan(scan))
            }
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        })
    })?;
    Ok(explained.data)
}

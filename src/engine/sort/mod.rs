//! Sorting by the first bits of each row's key.
//!
//! The stock operator sorts each batch by comparing column after column, then merges the batches by keys written as bytes; for the
//! million sessions of a window by caller that is most of the query. [`PrefixSortExec`] holds the batches, packs the first 128 bits of
//! each row's key into a number, sorts the numbers, and compares columns only where numbers are equal. Rows with equal keys stay
//! in the order they came in. [`PrefixSorts`] puts it in place of the stock operator where there is no limit and the first column
//! is of a type that packs. Where the rows do not fit into memory it gives them to the stock operator, which spills.

mod exec;
mod prefix;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

pub use exec::PrefixSortExec;

/// Puts [`PrefixSortExec`] in place of the stock operator; to run after all of DataFusion's own rules.
#[derive(Debug)]
pub struct PrefixSorts;

impl PhysicalOptimizerRule for PrefixSorts {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match PrefixSortExec::in_place_of(&node)? {
                Some(sort) => Transformed::yes(Arc::new(sort) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "prefix_sorts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

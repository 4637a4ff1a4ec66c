//! The first half of an aggregation over few groups.
//!
//! The stock operator hashes every text that is grouped by and compares it with the one it found. Most keys of sessions have few
//! values, which stand in the file as the entries of a dictionary, so that most rows show the same text at the same place as one before
//! them ([`intern`]). [`FewGroupsExec`] gives each row its group by that, and the states of counts, sums, means and extremes to
//! the accumulators of the functions themselves. [`FewGroups`] puts it in place of the stock operator where all keys and
//! aggregates are such. Beyond some thousand groups, and where memory is short, what was made so far goes out and the stock
//! operator takes the rest: the second half of the aggregation brings the two together.

mod exec;
mod intern;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

pub use exec::FewGroupsExec;

/// Groups of a partition beyond which the stock operator goes on: its table is made for many.
const MOST_GROUPS: usize = 16_384;

/// Puts [`FewGroupsExec`] where it gives what the stock operator gives; to run after all of DataFusion's own rules.
#[derive(Debug)]
pub struct FewGroups {
    most: usize,
}

impl Default for FewGroups {
    fn default() -> Self {
        Self { most: MOST_GROUPS }
    }
}

impl PhysicalOptimizerRule for FewGroups {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match FewGroupsExec::in_place_of(&node, self.most)? {
                Some(groups) => Transformed::yes(Arc::new(groups) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "few_groups"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

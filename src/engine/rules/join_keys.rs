//! Keys of joins that are expressions, under the name that their projection gives them.
//!
//! DataFusion 55.2 computes such a key in a projection below the join, and finds it there by its name. What it looks up in JSON on the way to the scan
//! becomes a column that the key names without its table, and the projection with it: `json_get_int(a.data, 'n') + 1 = b.n` was "no column
//! __datafusion_extracted_1 + 1". Here the columns of keys are named with their tables.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr_rewriter::normalize_col;
use datafusion::logical_expr::{Expr, Join, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rule, which runs behind those that move expressions.
#[derive(Debug, Default)]
pub struct JoinKeys;

impl OptimizerRule for JoinKeys {
    fn name(&self) -> &str {
        "join_keys_of_tables"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(mut join) = plan else { return Ok(Transformed::no(plan)) };
        let is_column = |key: &Expr| matches!(key, Expr::Column(_));
        if join.on.iter().all(|(left, right)| is_column(left) && is_column(right)) {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        let Join { left, right, on, .. } = &mut join;
        let mut is_changed = false;
        for (left_key, right_key) in on {
            for (key, input) in [(left_key, &*left), (right_key, &*right)] {
                let named = normalize_col(key.clone(), input)?;
                is_changed |= named != *key;
                *key = named;
            }
        }
        Ok(Transformed::new_transformed(LogicalPlan::Join(join), is_changed))
    }
}

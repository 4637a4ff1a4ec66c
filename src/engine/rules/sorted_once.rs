//! What an aggregate's rows are sorted by, each thing once.
//!
//! In `string_agg(a, ',' order by b, b desc, a)` the second key says nothing that the first has not said. DataFusion 55.2 leaves it out where it asks for the order of the rows and
//! not where it compares them: it took the values of one key for those of another, so that the answer came in another order, or was an error.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rule, which runs behind those that simplify expressions: two keys may be the same only then.
#[derive(Debug, Default)]
pub struct SortedOnce;

impl OptimizerRule for SortedOnce {
    fn name(&self) -> &str {
        "aggregates_sorted_once"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let once = expr.transform_up(|expr| Ok(once(expr)))?;
            Ok(if once.transformed { once.update_data(|expr| name.restore(expr)) } else { once })
        })
    }
}

fn once(expr: Expr) -> Transformed<Expr> {
    let Expr::AggregateFunction(mut call) = expr else { return Transformed::no(expr) };
    let keys = std::mem::take(&mut call.params.order_by);
    let count = keys.len();
    for key in keys {
        let is_same = |other: &Sort| other.expr.clone().unalias() == key.expr.clone().unalias();
        if !call.params.order_by.iter().any(is_same) {
            call.params.order_by.push(key);
        }
    }
    let is_changed = call.params.order_by.len() < count;
    Transformed::new_transformed(Expr::AggregateFunction(call), is_changed)
}

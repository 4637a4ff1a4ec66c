//! Moves JSON calls out of window expressions, so that the scan can answer them from leaf columns.
//!
//! DataFusion's rules take calls that belong at the scan out of filters, sorts, joins and aggregates, but leave windows alone,
//! because a window names its columns after its expressions. This rule runs before them: it computes the calls in a projection
//! below the window, keeps the name of each window expression as an alias, and drops the added columns above.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Projection, Window};
use datafusion::logical_expr::{Expr, ExpressionPlacement, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// What DataFusion's own rules name such columns: by this they know them for calls on their way to the scan.
pub(super) const PREFIX: &str = "__datafusion_extracted";
/// The rule of DataFusion that does the same for other nodes.
const RUNS_BEFORE: &str = "extract_leaf_expressions";

/// Computes the calls of window expressions below the window.
#[derive(Debug, Default)]
pub struct LeavesOfWindows;

impl LeavesOfWindows {
    /// Puts the rule into its place among others.
    pub fn among(mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        let place = rules.iter().position(|rule| rule.name() == RUNS_BEFORE).unwrap_or(rules.len());
        rules.insert(place, Arc::new(Self));
        rules
    }
}

impl OptimizerRule for LeavesOfWindows {
    fn name(&self) -> &str {
        "leaves_of_windows"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Window(window) = plan else { return Ok(Transformed::no(plan)) };
        if !config.options().optimizer.enable_leaf_expression_pushdown {
            return Ok(Transformed::no(LogicalPlan::Window(window)));
        }
        let schema = Arc::clone(&window.schema);
        let names = NamePreserver::new_for_projection();
        let mut calls: Vec<(Expr, String)> = Vec::new();
        let mut window_expr = Vec::with_capacity(window.window_expr.len());
        for expr in &window.window_expr {
            let name = names.save(expr);
            let moved = expr.clone().transform_down(|expr| {
                if expr.placement() != ExpressionPlacement::MoveTowardsLeafNodes || !is_of(&expr, window.input.schema())
                {
                    return Ok(Transformed::no(expr));
                }
                let known = calls.iter().find(|(call, _)| *call == expr).map(|(_, alias)| alias.clone());
                let alias = known.unwrap_or_else(|| {
                    let alias = config.alias_generator().next(PREFIX);
                    calls.push((expr, alias.clone()));
                    alias
                });
                let column = Expr::Column(Column::new_unqualified(alias));
                Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
            })?;
            window_expr.push(name.restore(moved.data));
        }
        if calls.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Window(window)));
        }
        let columns = window.input.schema().iter().map(Expr::from);
        let below = calls.into_iter().map(|(call, alias)| call.alias(alias)).chain(columns).collect();
        let below = Projection::try_new(below, window.input)?;
        let window = Window::try_new(window_expr, Arc::new(LogicalPlan::Projection(below)))?;
        let above = schema.iter().map(Expr::from).collect();
        let above = Projection::try_new_with_schema(above, Arc::new(LogicalPlan::Window(window)), schema)?;
        Ok(Transformed::yes(LogicalPlan::Projection(above)))
    }
}

/// Says whether an expression can be computed from these columns.
fn is_of(expr: &Expr, schema: &DFSchema) -> bool {
    expr.column_refs().into_iter().all(|column| schema.has_column(column))
}

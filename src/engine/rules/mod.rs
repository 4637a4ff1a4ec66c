//! Our rules for the optimizer, one a file.

mod absent;
mod aggregates;
mod apart;
mod around;
mod arrays;
mod below;
mod bounds;
mod clock;
mod durations;
mod elements;
mod frames;
mod functions;
mod in_lists;
mod intervals;
mod join_keys;
mod keys;
mod laterals;
mod meaning;
mod membership;
mod merged;
mod mixed;
mod ordered;
mod parameters;
mod precedence;
mod readers;
mod rows;
mod rows_in;
mod scalars;
mod shelter;
mod sorted_once;
mod syntax;
mod unnamed;
mod unnests;
mod window;
mod words;
mod zone_calls;
mod zones;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{VisitMut, VisitorMut};

pub use absent::{AbsentRows, nullable_columns};
pub use bounds::Bounds;
pub use clock::{AsOf, AsOfClock, CLOCK_FUNCTIONS, reads_clock};
pub use durations::Durations;
pub use elements::LeavesOfElements;
pub use in_lists::lists_apart;
pub use intervals::{IntervalTexts, Intervals, with_read_intervals};
pub use join_keys::JoinKeys;
pub use keys::{Relations, mended, most_rows};
pub use laterals::Laterals;
pub use meaning::{Casts, Operators};
pub use membership::Membership;
pub use merged::name_table;
pub use mixed::MixedTypes;
pub use parameters::{Places, with_parameters};
pub use scalars::Scalars;
pub use shelter::sheltered;
pub use sorted_once::SortedOnce;
pub use syntax::with_postgres_syntax;
pub use unnests::Unnests;
pub use window::LeavesOfWindows;
pub use zone_calls::with_zone_calls;
pub use zones::{ZonedCasts, ZonedTypes};

/// Shows a visitor what a statement asks for, also where it is to be explained or copied.
pub fn visit(statement: &mut Statement, visitor: &mut impl VisitorMut) {
    match statement {
        Statement::Statement(statement) => {
            let _ = statement.visit(visitor);
        }
        Statement::Explain(explain) => visit(&mut explain.statement, visitor),
        Statement::CopyTo(copy) => {
            if let CopyToSource::Query(query) = &mut copy.source {
                let _ = query.visit(visitor);
            }
        }
        _ => {}
    }
}

/// Rewrites every expression of a plan's node, inner ones first, with the schema of what they read; the names of the node's columns stay.
fn each_expression(
    plan: LogicalPlan,
    mut rewrite: impl FnMut(Expr, &DFSchema) -> Transformed<Expr>,
) -> Result<Transformed<LogicalPlan>> {
    try_each_expression(plan, |expr, schema| Ok(rewrite(expr, schema)))
}

/// Does what [`each_expression`] does with a rewrite that may refuse.
fn try_each_expression(
    plan: LogicalPlan,
    mut rewrite: impl FnMut(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        schema = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
    }
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let replaced = expr.transform_up(|expr| rewrite(expr, &schema))?;
        Ok(if replaced.transformed { replaced.update_data(|expr| name.restore(expr)) } else { replaced })
    })
}

/// Says whether an operator compares two values.
fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

//! From a parsed statement to a plan that can run: parameters get their values, and what DataFusion would do otherwise than is meant is
//! put right.

use std::sync::Arc;

use datafusion::common::ParamValues;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement};

use super::rules::nullable_columns;

/// Gives the parameters of a plan their values, and readies the plan to be run.
pub(super) fn ready(plan: LogicalPlan, values: &ParamValues) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Statement(Statement::SetVariable(set)) if set.variable.starts_with("datafusion.sql_parser.") => {
            plan_err!(
                "the setting {:?} has no effect: a file is parsed, as PostgreSQL's SQL, before it runs",
                set.variable
            )
        }
        // Its arguments are its own, which EXECUTE gives.
        LogicalPlan::Statement(Statement::Prepare(_)) => Ok(plan),
        // Where values are put in, DataFusion makes every VALUES anew.
        plan if plan.get_parameter_names()?.is_empty() => nullable_table(plan),
        plan => nullable_table(plan.with_param_values(values.clone())?),
    }
}

/// Lets every column of a table that is made from a query take nulls, as PostgreSQL does: that the first rows have none says nothing of
/// those to come.
fn nullable_table(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(mut table)) => {
            // Without a query the columns are as they are declared.
            if !matches!(table.input.as_ref(), LogicalPlan::EmptyRelation(_)) {
                table.input = Arc::new(nullable_columns(&table.input)?);
            }
            LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(table))
        }
        other => other,
    })
}

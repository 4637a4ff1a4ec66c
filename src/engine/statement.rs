//! From a parsed statement to a plan that can run: parameters get their values, and what DataFusion would do otherwise than is meant is
//! put right.

use std::sync::Arc;

use datafusion::common::ParamValues;
use datafusion::common::config::{ConfigExtension, ExtensionOptions};
use datafusion::common::plan_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{DdlStatement, Expr, LogicalPlan, SetVariable, Statement};

use super::rules::nullable_columns;
use crate::functions::StandIns;
use crate::zones::{self, Tz};

/// The setting of the session's zone.
const TIME_ZONE: &str = "datafusion.execution.time_zone";

/// The setting of how many rows are computed at once.
const BATCH_SIZE: &str = "datafusion.execution.batch_size";

/// Rows that are computed at once at least. Of fewer the arrays themselves take most of the memory, up to a hundred times as much as their
/// values, and DataFusion's operators count values alone.
const LEAST_BATCH_ROWS: usize = 64;

/// The largest values of settings that threads, tasks or arrays are made by: with more a query would only wait, or the allocator give up.
const LARGEST: [(&str, usize); 8] = [
    (BATCH_SIZE, 1 << 20),
    ("datafusion.execution.target_partitions", 1_024),
    ("datafusion.execution.planning_concurrency", 1_024),
    ("datafusion.execution.meta_fetch_concurrency", 1_024),
    ("datafusion.execution.minimum_parallel_output_files", 1_024),
    ("datafusion.execution.max_buffered_batches_per_output_file", 1_024),
    ("datafusion.optimizer.max_passes", 100),
    ("datafusion.execution.parquet.metadata_size_hint", 64 << 20),
];

/// Refuses a setting beyond what a machine can do.
fn require_possible(set: &SetVariable) -> Result<()> {
    let largest = LARGEST.iter().find(|(name, _)| set.variable == *name);
    match (largest, set.value.trim().parse::<u128>()) {
        (Some((name, largest)), Ok(value)) if value > *largest as u128 => {
            plan_err!(
                "{name} is {value}, and {largest} at most; hint: the default, which reset {name} gives, is right for most queries"
            )
        }
        _ => Ok(()),
    }
}

/// Gives the parameters of a plan their values, and readies the plan to be run in a session that began in a zone.
pub(super) fn ready(plan: LogicalPlan, values: &ParamValues, time_zone: Tz) -> Result<LogicalPlan> {
    if let LogicalPlan::Statement(Statement::SetVariable(set)) = &plan {
        require_possible(set)?;
    }
    match plan {
        LogicalPlan::Statement(Statement::SetVariable(set)) if set.variable == TIME_ZONE => {
            let is_first = ["default", "local"].iter().any(|word| set.value.eq_ignore_ascii_case(word));
            let zone = if is_first { Some(time_zone) } else { Tz::named(&set.value) };
            match zone {
                Some(zone) => Ok(in_zone(zone)),
                None => match zones::nearest(&set.value) {
                    Some(name) => plan_err!("unknown time zone {:?}; hint: did you mean {name:?}?", set.value),
                    None => {
                        plan_err!("unknown time zone {:?}; hint: zones are named like \"Europe/Berlin\"", set.value)
                    }
                },
            }
        }
        LogicalPlan::Statement(Statement::SetVariable(mut set)) if set.variable == BATCH_SIZE => {
            if set.value.parse::<usize>().is_ok_and(|rows| (1..LEAST_BATCH_ROWS).contains(&rows)) {
                set.value = LEAST_BATCH_ROWS.to_string();
            }
            Ok(LogicalPlan::Statement(Statement::SetVariable(set)))
        }
        LogicalPlan::Statement(Statement::ResetVariable(reset)) if reset.variable == TIME_ZONE => {
            Ok(in_zone(time_zone))
        }
        LogicalPlan::Statement(Statement::ResetVariable(reset)) if is_own(&reset.variable) => {
            // DataFusion resets its own settings only.
            let mut first = StandIns::default().entries().into_iter();
            let named = first.find(|entry| reset.variable.ends_with(&format!(".{}", entry.key)));
            let Some(value) = named.and_then(|entry| entry.value) else {
                return plan_err!(
                    "unknown setting {:?}; hint: docs/performance.md names the settings of sessionlake",
                    reset.variable
                );
            };
            Ok(LogicalPlan::Statement(Statement::SetVariable(SetVariable { variable: reset.variable, value })))
        }
        LogicalPlan::Statement(Statement::SetVariable(set)) if set.variable.starts_with("datafusion.sql_parser.") => {
            plan_err!(
                "the setting {:?} has no effect: a file is parsed, as PostgreSQL's SQL, before it runs",
                set.variable
            )
        }
        LogicalPlan::Statement(Statement::Prepare(mut prepare)) => {
            prepare.input = Arc::new(with_named(Arc::unwrap_or_clone(prepare.input), values)?);
            Ok(LogicalPlan::Statement(Statement::Prepare(prepare)))
        }
        // Where values are put in, DataFusion makes every VALUES anew.
        plan if plan.get_parameter_names()?.is_empty() => nullable_table(plan),
        plan => nullable_table(plan.with_param_values(values.clone())?),
    }
}

/// Gives the parameters that have names their values. Those with numbers are of what is prepared, and EXECUTE gives them.
fn with_named(plan: LogicalPlan, values: &ParamValues) -> Result<LogicalPlan> {
    let value_of = |expr: Expr| match &expr {
        Expr::Placeholder(placeholder) if placeholder.id.bytes().any(|byte| byte.is_ascii_alphabetic()) => {
            let given = values.get_placeholders_with_values(&placeholder.id)?;
            Ok(Transformed::yes(Expr::Literal(given.value, given.metadata)))
        }
        _ => Ok(Transformed::no(expr)),
    };
    plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(value_of)?.update_data(|expr| name.restore(expr)))
        })?
        .map_data(LogicalPlan::recompute_schema)
    })
    .data()
}

/// Says whether a setting is one of [`StandIns`].
fn is_own(variable: &str) -> bool {
    variable.split_once('.').is_some_and(|(prefix, _)| prefix == StandIns::PREFIX)
}

/// Sets the zone of a session.
fn in_zone(zone: Tz) -> LogicalPlan {
    let (variable, value) = (TIME_ZONE.to_owned(), zone.name().to_owned());
    LogicalPlan::Statement(Statement::SetVariable(SetVariable { variable, value }))
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

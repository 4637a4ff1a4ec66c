//! What one column says of others: the functional dependencies of a plan, corrected where DataFusion takes them for more than they are.
//!
//! The schema of a logical plan says which columns determine others, and whether a row can be the only one with its values. It begins with an
//! aggregate, whose groups are its rows. DataFusion 55.2 carries it on wrongly in two places. An aggregate over a join says that a key of one
//! side, where that is among its groups, determines all of them. And the rows that `unnest` makes of one are each said to be the only one.
//! What is read from that is silently wrong: a sort loses its second key, `distinct` returns rows twice, a join becomes a semi-join and loses
//! rows, a running sum ends each tie at its own row, and groups fall together.
//!
//! In both places this is cut off: an aggregate learns nothing from its input, and the rows of `unnest` say nothing of each other. What is right
//! stays. The planner of SQL reads dependencies of relations, so [`Relations`] plans these; the rules of the optimizer that read them are each
//! run by a [`Mended`] rule, over a plan in which a node without dependencies stands in the two places, for as long as the rule runs.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, FunctionalDependencies, Result, plan_err};
use datafusion::logical_expr::logical_plan::{Aggregate, Extension, Projection};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::sql::sqlparser::ast::TableFactor;

use super::around::{Rule, around, run};

/// The rules of DataFusion that read dependencies.
const READERS: [(&str, ()); 4] = [
    ("replace_distinct_aggregate", ()),
    ("eliminate_join", ()),
    ("eliminate_duplicated_expr", ()),
    ("optimize_projections", ()),
];

/// Puts rules that read right dependencies in place of those that read them.
///
/// # Errors
/// As [`around`].
pub fn mended(rules: Vec<Rule>) -> Result<Vec<Rule>> {
    around(rules, &READERS, |rule, ()| Arc::new(Mended(rule)))
}

/// A rule of DataFusion, run over a plan whose dependencies are right.
#[derive(Debug)]
struct Mended(Rule);

impl OptimizerRule for Mended {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !is_misled(&plan)? {
            return run(self.0.as_ref(), plan, config);
        }
        let mut done = run(self.0.as_ref(), cut_off(plan)?, config)?;
        done.data = joined_again(done.data)?;
        Ok(done)
    }
}

/// Plans relations as DataFusion does, and takes wrong dependencies from what comes of it.
#[derive(Debug, Default)]
pub struct Relations;

thread_local! {
    /// The relation that is asked for next on this thread is one that [`Relations`] asked for itself: DataFusion is to plan it.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

impl RelationPlanner for Relations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if ASKED.replace(false) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        // Asks this very planner, before anything else.
        ASKED.set(true);
        let mut plan = context.plan(relation)?;
        if says_something(plan.schema()) && is_misled(&plan)? {
            plan = without_dependencies(plan)?;
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

/// Says whether a schema has dependencies.
fn says_something(schema: &DFSchema) -> bool {
    !schema.functional_dependencies().is_empty()
}

/// Says whether a node would carry dependencies of its input on wrongly.
fn misleads(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::Aggregate(aggregate) => says_something(aggregate.input.schema()),
        LogicalPlan::Unnest(unnest) => says_something(unnest.input.schema()),
        _ => false,
    }
}

/// Says whether a plan has wrong dependencies.
fn is_misled(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= misleads(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Returns how many rows a plan has at most, where that is known and rests on no wrong dependency.
pub fn most_rows(plan: &LogicalPlan) -> Result<Option<usize>> {
    Ok(if is_misled(plan)? { None } else { plan.max_rows() })
}

/// The schema of a plan without dependencies.
fn bare(schema: &DFSchemaRef) -> Result<DFSchemaRef> {
    let schema = DFSchema::clone(schema).with_functional_dependencies(FunctionalDependencies::empty())?;
    Ok(Arc::new(schema))
}

/// The same rows under a schema without dependencies.
fn without_dependencies(plan: LogicalPlan) -> Result<LogicalPlan> {
    let schema = bare(plan.schema())?;
    Ok(match plan {
        LogicalPlan::SubqueryAlias(mut alias) => {
            alias.schema = schema;
            LogicalPlan::SubqueryAlias(alias)
        }
        plan => LogicalPlan::Projection(Projection::new_from_schema(Arc::new(plan), schema)),
    })
}

/// Puts a node without dependencies where they would be carried on wrongly.
fn cut_off(plan: LogicalPlan) -> Result<LogicalPlan> {
    let cut = plan.transform_up_with_subqueries(|node| {
        // The inputs of the node are right by now, but it may have its schema from before.
        Ok(match node {
            LogicalPlan::Aggregate(aggregate) if says_something(aggregate.input.schema()) => {
                let input = Arc::new(Cut::above(Arc::unwrap_or_clone(aggregate.input))?);
                let aggregate = Aggregate::try_new(input, aggregate.group_expr, aggregate.aggr_expr)?;
                Transformed::yes(LogicalPlan::Aggregate(aggregate))
            }
            unnest if misleads(&unnest) => Transformed::yes(Cut::above(unnest)?),
            node if says_something(node.schema()) => Transformed::yes(node.recompute_schema()?),
            node => Transformed::no(node),
        })
    })?;
    Ok(cut.data)
}

/// Takes the nodes of [`cut_off`] out again.
fn joined_again(plan: LogicalPlan) -> Result<LogicalPlan> {
    let whole = plan.transform_up_with_subqueries(|node| {
        Ok(match &node {
            LogicalPlan::Extension(Extension { node: own }) => match own.as_any().downcast_ref::<Cut>() {
                Some(cut) => Transformed::yes(LogicalPlan::clone(&cut.input)),
                None => Transformed::no(node),
            },
            _ => Transformed::no(node),
        })
    })?;
    Ok(whole.data)
}

/// A node that hands rows on and knows nothing of them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cut {
    input: Arc<LogicalPlan>,
    schema: DFSchemaRef,
}

impl Cut {
    fn above(input: LogicalPlan) -> Result<LogicalPlan> {
        let schema = bare(input.schema())?;
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(Self { input: Arc::new(input), schema }) }))
    }
}

impl PartialOrd for Cut {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for Cut {
    fn name(&self) -> &str {
        "Cut"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cut")
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else { return plan_err!("a node that hands rows on has no input") };
        Ok(Self { schema: bare(input.schema())?, input: Arc::new(input) })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}

#[cfg(test)]
mod tests {
    use datafusion::optimizer::Optimizer;

    use super::*;

    #[test]
    fn each_rule_that_reads_dependencies_is_mended_in_its_place() {
        let stock = Optimizer::new().rules;
        let names = |rules: &[Rule]| rules.iter().map(|rule| rule.name().to_owned()).collect::<Vec<_>>();
        let ours = mended(stock.clone()).unwrap();
        assert_eq!(names(&ours), names(&stock));
        let refused = mended(stock.into_iter().filter(|rule| rule.name() != "eliminate_join").collect()).unwrap_err();
        assert!(refused.to_string().contains("no rule eliminate_join"), "{refused}");
    }
}

//! Keeps from DataFusion 55.2 what it would conclude wrongly of the rows below a join or an aggregate.
//!
//! A node knows of its rows in which order they come and which columns are the same in all of them; sorts and the grouping of rows are left out
//! by it. Three conclusions are wrong. What is constant on a side of an outer join is not constant above it, where rows without a partner have nulls
//! (and what is constant in one branch of a union makes a plan that DataFusion itself refuses, where there is one partition).
//! What is constant or sorted below an aggregate of grouping sets is not so in the rows of a set without that column, which then come in pieces. And a
//! filter above a join finds its column by name, which both sides may have. [`VeilExec`] stands at the first two places, without a cost, until the plan
//! has run, on other processes too; [`veiled`] puts it at the third while filters are moved.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::FieldRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlanProperties, PlanProperties, ReplaceChildrenOptions};

use super::own::Node;
use super::passing::{Passing, PassingExec};

/// What is kept from the nodes above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hides {
    /// Which columns are constant or equal.
    Constants,
    /// That, and the order of the rows.
    Order,
    /// Columns of which there are several of one name, from filters.
    Names,
}

/// The node. It gives the rows of its input as they come.
pub(super) type VeilExec = PassingExec<Hides>;

impl Passing for Hides {
    fn name(&self) -> &'static str {
        "VeilExec"
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Constants => ": constants",
            Self::Order => ": order",
            Self::Names => ": names",
        }
    }

    fn properties(&self, input: &Node) -> Arc<PlanProperties> {
        let known = match self {
            Self::Names => return Arc::clone(input.properties()),
            Self::Constants => {
                let orders = input.equivalence_properties().oeq_class().iter().cloned();
                EquivalenceProperties::new_with_orderings(input.schema(), orders)
            }
            Self::Order => EquivalenceProperties::new(input.schema()),
        };
        Arc::new(input.properties().as_ref().clone().with_eq_properties(known))
    }

    /// Rows come as they do. But a sort that is pushed below would leave out the keys that are constant there, and the nodes above would miss them.
    fn keeps_order(&self) -> bool {
        *self == Self::Names
    }

    fn filtered_by(&self, input: &Node) -> Option<HashSet<usize>> {
        let schema = input.schema();
        let hidden = if *self == Self::Names { doubled(input) } else { HashSet::new() };
        let is_told = |(_, field): &(usize, &FieldRef)| !hidden.contains(field.name());
        Some(schema.fields().iter().enumerate().filter(is_told).map(|(place, _)| place).collect())
    }

    fn execute(&self, input: &Node, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        input.execute(partition, context)
    }
}

/// The names that several columns of a node have.
fn doubled(node: &Node) -> HashSet<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for field in node.schema().fields() {
        *counts.entry(field.name().clone()).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect()
}

/// Puts veils between joins and aggregates and what is below them; to run before the rules that leave out sorts.
#[derive(Debug)]
pub(super) struct Veils;

impl PhysicalOptimizerRule for Veils {
    fn optimize(&self, plan: Node, _config: &ConfigOptions) -> Result<Node> {
        plan.transform_up(|node| {
            let is_outer = matches!(join_type(&node), Some(JoinType::Left | JoinType::Right | JoinType::Full));
            let is_mixed = is_outer || node.is::<UnionExec>();
            let has_sets = node.downcast_ref::<AggregateExec>().is_some_and(|of| of.group_expr().has_grouping_set());
            let hides = |input: &Node| {
                let known = input.equivalence_properties();
                let has_constants = !known.eq_group().is_empty();
                if input.is::<VeilExec>() {
                    None
                } else if is_mixed && has_constants {
                    Some(Hides::Constants)
                } else if has_sets && (has_constants || !known.oeq_class().is_empty()) {
                    Some(Hides::Order)
                } else {
                    None
                }
            };
            let children: Vec<Node> = node.children().into_iter().map(Arc::clone).collect();
            let hidden: Vec<Option<Hides>> = children.iter().map(hides).collect();
            if hidden.iter().all(Option::is_none) {
                return Ok(Transformed::no(node));
            }
            let anew = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            let children = children.into_iter().zip(hidden).map(|(input, hides)| match hides {
                Some(hides) => VeilExec::node(hides, input),
                None => input,
            });
            Ok(Transformed::yes(node.replace_children(children.collect(), anew)?))
        })
        .data()
    }

    fn name(&self) -> &str {
        "veils"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn join_type(node: &Node) -> Option<JoinType> {
    let hash = node.downcast_ref::<HashJoinExec>().map(|join| *join.join_type());
    let loops = || node.downcast_ref::<NestedLoopJoinExec>().map(|join| *join.join_type());
    let merge = || node.downcast_ref::<SortMergeJoinExec>().map(SortMergeJoinExec::join_type);
    hash.or_else(loops).or_else(merge)
}

/// A rule that moves filters, which does not see the names that both sides of a join have.
#[derive(Debug)]
struct Filters(Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for Filters {
    fn optimize(&self, plan: Node, config: &ConfigOptions) -> Result<Node> {
        let veiled = plan.transform_up(|node| {
            Ok(match node.is::<HashJoinExec>() && !doubled(&node).is_empty() {
                true => Transformed::yes(VeilExec::node(Hides::Names, node)),
                false => Transformed::no(node),
            })
        });
        let moved = self.0.optimize(veiled.data()?, config)?;
        let bare = moved.transform_up(|node| {
            Ok(match node.downcast_ref::<VeilExec>().filter(|veil| *veil.passing() == Hides::Names) {
                Some(veil) => Transformed::yes(Arc::clone(veil.input())),
                None => Transformed::no(node),
            })
        });
        bare.data()
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

/// A rule of the optimizer of physical plans.
type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// Puts the veils before the rules of a session.
///
/// # Errors
/// There is no rule that moves filters, which other versions of DataFusion may name otherwise.
pub(super) fn veiled(rules: &[Rule]) -> Result<Vec<Rule>> {
    let moves_filters = |rule: &Rule| rule.name().starts_with("FilterPushdown");
    if !rules.iter().any(moves_filters) {
        return Err(internal_datafusion_err!("the optimizer has no rule FilterPushdown"));
    }
    let rules = rules.iter().map(|rule| match moves_filters(rule) {
        true => Arc::new(Filters(Arc::clone(rule))) as Rule,
        false => Arc::clone(rule),
    });
    Ok(std::iter::once(Arc::new(Veils) as Rule).chain(rules).collect())
}

//! Runs the partitions of a plan one after the other, so that rows meet every operator in one order.
//!
//! A session of one partition still has plans with several: each branch of a UNION is one, and so is each side that a join
//! broadcasts. The stock operator that brings them together takes batches as they come; variances then differ in their last
//! digits from run to run, and lists in their order. The rule puts `InOrderExec` in its place, which reads the first to its end, then the second.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::{StreamExt, TryStreamExt};

use super::own::Node;
use super::passing::{Passing, PassingExec};

/// Puts `InOrderExec` wherever partitions come together; to run after all other rules.
#[derive(Debug)]
pub struct InOrder;

impl PhysicalOptimizerRule for InOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan
            .transform_up(|node| {
                if let Some(met) = node.downcast_ref::<CoalescePartitionsExec>() {
                    let ordered = in_order(Arc::clone(met.input()));
                    return Ok(Transformed::yes(match node.fetch() {
                        Some(fetch) => Arc::new(GlobalLimitExec::new(ordered, 0, Some(fetch))),
                        None => ordered,
                    }));
                }
                if let Some(met) = node.downcast_ref::<RepartitionExec>()
                    && met.partitioning().partition_count() == 1
                {
                    return Ok(Transformed::yes(in_order(Arc::clone(met.input()))));
                }
                Ok(Transformed::no(node))
            })
            .data()?;
        Ok(in_order(plan))
    }

    fn name(&self) -> &str {
        Self::NAME
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl InOrder {
    /// The name of the rule.
    pub(super) const NAME: &'static str = "in_order";
}

/// Reads the partitions of a node one after the other, where it has several.
fn in_order(input: Node) -> Node {
    if input.output_partitioning().partition_count() == 1 {
        return input;
    }
    PassingExec::node(OneAfterTheOther, input)
}

/// Brings partitions together.
struct OneAfterTheOther;

impl Passing for OneAfterTheOther {
    fn name(&self) -> &'static str {
        "InOrderExec"
    }

    fn properties(&self, input: &Node) -> Arc<PlanProperties> {
        let mut equivalences = input.equivalence_properties().clone();
        // Each partition may be sorted; one after the other they are not.
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
        let partitioning = Partitioning::UnknownPartitioning(1);
        let (behavior, boundedness) = (input.pipeline_behavior(), input.boundedness());
        Arc::new(PlanProperties::new(equivalences, partitioning, behavior, boundedness))
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn keeps_partitions(&self) -> bool {
        false
    }

    fn execute(&self, input: &Node, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (input, schema) = (Arc::clone(input), input.schema());
        let partitions = input.output_partitioning().partition_count();
        // Each is started when its turn comes, so that only one holds memory.
        let batches = futures::stream::iter(0..partitions)
            .map(move |partition| input.execute(partition, Arc::clone(&context)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use datafusion::physical_plan::displayable;

    use crate::engine::{Engine, EngineOptions, Execution, Leaves};

    async fn plan(sql: &str) -> String {
        let options = EngineOptions {
            as_of: chrono::DateTime::UNIX_EPOCH,
            time_zone: crate::zones::Tz::UTC,
            memory_limit_bytes: 64 << 20,
            spill_limit_bytes: 64 << 20,
            temporary_folder: None,
            threads: NonZeroUsize::new(8).unwrap(),
            leaves: Leaves::Read,
        };
        let engine = Engine::with_execution(options, Execution::InOrder).unwrap();
        engine.attach_nothing().unwrap();
        let plan = engine.context().sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        displayable(plan.as_ref()).indent(false).to_string()
    }

    #[tokio::test]
    async fn nothing_that_takes_batches_as_they_come_is_left() {
        let branches = "(select time_in_workflow as t, workflow_id as w from workflow_sessions union all \
                        select time_in_workflow, version_id from workflow_sessions)";
        for sql in [
            format!("select sum(t) from {branches}"),
            format!("select w, avg(t) from {branches} group by w order by w"),
            format!("select w, sum(t) over (partition by w order by t) from {branches} order by 1, 2"),
            format!("select a.w from {branches} a join {branches} b on a.w = b.w order by 1 limit 3"),
            format!("select * from {branches}"),
            format!("select * from {branches} order by t limit 5"),
        ] {
            let plan = plan(&sql).await;
            assert!(plan.contains("InOrderExec"), "{plan}");
            for loose in ["CoalescePartitionsExec", "RepartitionExec", "SortPreservingMergeExec"] {
                assert!(!plan.contains(loose), "{plan}");
            }
        }
    }
}

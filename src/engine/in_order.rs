//! Runs the partitions of a plan one after the other, so that rows meet every operator in one order.
//!
//! A session of one partition still has plans with several: each branch of a UNION is one, and so is each side that a join
//! broadcasts. The stock operator that brings them together takes batches as they come; sums of floats then differ in their
//! last digits from run to run. The rule puts [`InOrderExec`] in its place, which reads the first to its end, then the second.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
    ReplaceChildrenOptions, StatisticsArgs,
};
use futures::{StreamExt, TryStreamExt};

/// Puts [`InOrderExec`] wherever partitions come together; to run after all other rules.
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
        "in_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn in_order(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if input.output_partitioning().partition_count() == 1 { input } else { Arc::new(InOrderExec::new(input)) }
}

/// Reads the partitions of its input one after the other.
#[derive(Debug)]
pub struct InOrderExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl InOrderExec {
    /// Makes one partition of all of a plan's.
    pub fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let mut equivalences = input.equivalence_properties().clone();
        // Each partition may be sorted; one after the other they are not.
        equivalences.clear_orderings();
        equivalences.clear_per_partition_constants();
        let properties = PlanProperties::new(
            equivalences,
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, properties: Arc::new(properties) }
    }
}

impl DisplayAs for InOrderExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InOrderExec")
    }
}

impl ExecutionPlan for InOrderExec {
    fn name(&self) -> &'static str {
        "InOrderExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input =
            children.into_iter().next().ok_or_else(|| internal_datafusion_err!("InOrderExec needs an input"))?;
        Ok(Arc::new(Self::new(input)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, _partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = Arc::clone(&self.input);
        let partitions = input.output_partitioning().partition_count();
        // Each is started when its turn comes, so that only one holds memory.
        let batches = futures::stream::iter(0..partitions)
            .map(move |partition| input.execute(partition, Arc::clone(&context)))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        inputs.first().cloned().ok_or_else(|| internal_datafusion_err!("InOrderExec needs an input"))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
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

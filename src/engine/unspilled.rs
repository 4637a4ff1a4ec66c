//! Keeps joins without keys from spilling where their spilled answers are wrong, and lets them pause.
//!
//! When memory runs out, [`NestedLoopJoinExec`] of DataFusion 55.2 reads its build side a second time, from disk, and joins it piece
//! by piece. Rows are then doubled where several partitions look for rows without a match (apache/datafusion #22641), lost where the
//! last piece is empty (#24745), and read in part where an input of the build side cannot be started twice (#24676).
//! Only an inner join over an input that starts anew as often as it is asked gives the same rows; every other join
//! ends with the error that names the limit.
//!
//! The join decides by its context whether it may spill. [`Unspilled`] gives it one without a disk, and its inputs, which may spill,
//! get theirs back from [`ResumedExec`]. Why it must pause, and where it does, is in `pausing.rs`.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, Result, Statistics, internal_datafusion_err};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::ChildStats;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, StatisticsArgs,
};

use super::own::{Node, Operator, OwnExec, Place};
use super::pausing;
use super::scan::SessionScanExec;

/// The operator's node.
pub type UnspilledJoinExec = OwnExec<Unspilled>;

/// Runs a nested loop join, in memory or not at all where what it spills would be wrong.
#[derive(Debug)]
pub struct Unspilled {
    /// The stock join, over inputs in pieces, which get their own context back where it has another.
    join: Node,
    spills: Spills,
}

/// Whether a join may spill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spills {
    Never,
    WhereMemoryIsShort,
}

impl Operator for Unspilled {
    const NAME: &'static str = "NestedLoopJoinExec";

    fn of(stock: &Node) -> Result<Option<Self>> {
        let Some(join) = stock.downcast_ref::<NestedLoopJoinExec>() else { return Ok(None) };
        let spills = match *join.join_type() == JoinType::Inner && starts_anew(join.left()) {
            true => Spills::WhereMemoryIsShort,
            false => Spills::Never,
        };
        let resumed = |input: &Node| match spills {
            Spills::Never => Arc::new(ResumedExec(Arc::clone(input))) as Node,
            Spills::WhereMemoryIsShort => Arc::clone(input),
        };
        let inputs = pausing::sides(resumed(join.left()), resumed(join.right()));
        Ok(Some(Self { join: Arc::clone(stock).replace_children(inputs.to_vec(), anew())?, spills }))
    }

    fn describe(&self, place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pausing::in_own_words::<NestedLoopJoinExec>(place, Self::NAME, f)
    }

    fn execute(&self, place: &Place, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition == 0 {
            place.taken_over.add(&self.join);
        }
        if self.spills == Spills::WhereMemoryIsShort {
            return Ok(make_cooperative(self.join.execute(partition, context)?));
        }
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::from_runtime_env(&context.runtime_env());
        let runtime = runtime.with_disk_manager_builder(disk).build_arc()?;
        let config = context.session_config().clone().with_extension(Arc::new(Outer(Arc::clone(&context))));
        let within = TaskContext::new(
            context.task_id(),
            context.session_id(),
            config,
            context.scalar_functions().clone(),
            context.higher_order_functions().clone(),
            context.aggregate_functions().clone(),
            context.window_functions().clone(),
            runtime,
        );
        Ok(make_cooperative(self.join.execute(partition, Arc::new(within))?))
    }
}

fn anew() -> ReplaceChildrenOptions {
    ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)
}

/// Says whether a node and all below it give the same rows each time they are started. Others keep what they have read, or where
/// they are in it, or count who is done.
fn starts_anew(node: &Node) -> bool {
    let is_known = node.is::<SessionScanExec>()
        || node.is::<DataSourceExec>()
        || node.is::<FilterExec>()
        || node.is::<ProjectionExec>()
        || node.is::<CoalescePartitionsExec>();
    is_known && node.children().into_iter().all(starts_anew)
}

/// The context in which a join's inputs run.
struct Outer(Arc<TaskContext>);

/// Runs an input in the context of the join's own surroundings.
#[derive(Debug)]
struct ResumedExec(Node);

impl DisplayAs for ResumedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for ResumedExec {
    fn name(&self) -> &'static str {
        "ResumedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Node> {
        vec![&self.0]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn replace_children(self: Arc<Self>, children: Vec<Node>, _: ReplaceChildrenOptions) -> Result<Node> {
        let input = children.into_iter().next();
        Ok(Arc::new(Self(input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name()))?)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Node>) -> Result<Node> {
        self.replace_children(children, anew())
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let outer = context.session_config().get_extension::<Outer>();
        let outer = outer.ok_or_else(|| internal_datafusion_err!("{} outside of a join", self.name()))?;
        self.0.execute(partition, Arc::clone(&outer.0))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let input = inputs.first().map(Arc::clone);
        input.ok_or_else(|| internal_datafusion_err!("{} without an input", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::error::DataFusionError;

    use crate::engine::Engine;
    use crate::engine::limits_tests::engine;

    const JOINS: [&str; 9] = [
        "select s.v, g.w from big s join small g on s.v > g.w + 200",
        "select s.v, g.w from big s left join small g on s.v > g.w + 200",
        "select s.v, g.w from big s right join small g on s.v > g.w and g.w > 90",
        "select s.v, g.w from big s full join small g on s.v > g.w + 200 and g.w % 7 = 1",
        "select s.v from big s where exists (select 1 from small g where s.v > g.w + 200)",
        "select s.v from big s where not exists (select 1 from small g where s.v > g.w + 200)",
        "select g.w from small g where not exists (select 1 from big s where s.v > g.w + 200)",
        "select g.w from small g where g.w < 5 or exists (select 1 from big s where s.v > g.w + 290)",
        "select s.v, g.w from (select v from big group by v) s left join (select w from small group by w) g on s.v < g.w",
    ];

    async fn answer(engine: &Engine, sql: &str) -> Result<Vec<String>, DataFusionError> {
        let context = engine.context();
        for table in [
            "big as select value as v from generate_series(1, 300)",
            "small as select value as w from generate_series(1, 100)",
        ] {
            context.sql(&format!("create table {table}")).await?.collect().await?;
        }
        let batches = context.sql(sql).await?.collect().await?;
        let mut rows: Vec<String> = pretty_format_batches(&batches)?.to_string().lines().map(str::to_owned).collect();
        rows.sort_unstable();
        Ok(rows)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn joins_without_keys_give_every_row_once_or_name_the_limit() {
        let mut refused = 0;
        for sql in JOINS {
            let all = answer(&engine(1, 1 << 30).await, sql).await.unwrap();
            for (threads, limit) in
                [1, 2, 8].into_iter().flat_map(|t| [16, 600, 1_500, 3_000, 20_000, 1 << 22].map(|l| (t, l)))
            {
                let engine = engine(threads, limit).await;
                let answered = tokio::time::timeout(Duration::from_secs(60), answer(&engine, sql)).await.unwrap();
                match answered {
                    Ok(rows) => assert_eq!(rows, all, "{sql} with {threads} threads in {limit} bytes"),
                    Err(error) => {
                        assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{sql}: {error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > 0, "no limit was too small");
    }
}

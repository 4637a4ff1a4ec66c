//! Cuts plans into stages by datafusion-distributed, and says how many tasks a stage has, which files each reads, and where each runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SessionState;
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{Distribution, ExecutionPlanProperties};
use datafusion_distributed::{
    BroadcastExec, DesiredTaskCountEvent, DesiredTaskCountEventResponse, DesiredTaskCountHandler, DistributedExec,
    DistributedExt, DistributedLeafExec, NetworkBoundaryExt, RouteTasksEvent, RouteTasksEventResponse,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, SessionStateBuilderExt, WorkerResolver,
};
use tonic::codegen::http::{HeaderMap, HeaderValue};
use url::Url;

use super::Cluster;
use super::build::build;
use super::spending::QUERY;
use crate::engine::{Node, ScanCodec, SessionScanExec, Staged, made_by, settled};

/// The header with the build of whoever plans.
pub const BUILD: &str = "x-sessionlake-build";
/// The header with the settings of its session.
pub const SETTINGS: &str = "x-sessionlake-settings";

/// A plan that is cut into stages, and the session that runs it.
#[derive(Debug, Clone)]
pub struct Cut {
    pub plan: Node,
    pub session: SessionState,
    /// The name under which workers count what it costs.
    pub query: String,
}

/// Cuts a plan for the workers that are there; `None` where it stays whole.
///
/// # Errors
/// A defect; no worker that is left.
pub async fn cut(cluster: &Cluster, staged: &Staged, session: &SessionState) -> Result<Option<Cut>> {
    let urls = cluster.urls();
    if urls.is_empty() {
        return Err(exec_datafusion_err!("no worker is left"));
    }
    // One worker gets two tasks: a stage of one task would not be sent.
    let most = urls.len().max(2);
    let mut headers = HeaderMap::new();
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| exec_datafusion_err!("{error}"));
    headers.insert(BUILD, value(build())?);
    headers.insert(SETTINGS, value(&staged.settings.to_text())?);
    let query = uuid::Uuid::new_v4().simple().to_string();
    headers.insert(QUERY, value(&query)?);
    let task_bytes = cluster.task_bytes;
    let analyzes = staged.plan.is::<AnalyzeExec>();
    let mut config = session
        .config()
        .clone()
        .with_distributed_worker_resolver(At(urls.clone()))
        .with_distributed_channel_resolver(cluster.lines.clone())
        .with_distributed_user_codec(ScanCodec::default())
        .with_distributed_max_tasks_per_stage(most)?
        .with_distributed_desired_task_count_handler(TasksByBytes(task_bytes))
        .with_distributed_scale_up_leaf_node_handler(deal)
        .with_distributed_route_tasks_handler(in_turn(urls))
        .with_distributed_passthrough_headers(headers)?;
    // What operators measured is sent back where somebody asks.
    config.options_mut().set("distributed.collect_metrics", if analyzes { "true" } else { "false" })?;
    let made = made_by(session, config, &staged.plan, SessionStateBuilderExt::with_distributed_planner);
    let plan = made.plan().await?;
    let is_cut = |plan: &Node| plan.is::<DistributedExec>() || plan.name() == "DistributedAnalyzeExec";
    if !is_cut(&plan) {
        return Ok(None);
    }
    // What stays in this process gets operators of ours too.
    let plan = settled(plan, made.session.config_options(), &|node| node.is_network_boundary())?;
    Ok(Some(Cut { plan, session: made.session, query }))
}

/// Says how many tasks a node is worth: a scan one for so many bytes of files, what else is a leaf one.
///
/// Rows of one partition are together, whatever an operator wants: a plan over a scan of one partition says nowhere that they must be brought
/// together, and as several tasks it would be computed for each apart. So such an operator is one task.
struct TasksByBytes(u64);

#[async_trait]
impl DesiredTaskCountHandler for TasksByBytes {
    async fn handle(&self, event: DesiredTaskCountEvent<'_>) -> Option<Result<DesiredTaskCountEventResponse>> {
        if has_all_in_one(event.plan) {
            return Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
        }
        let scan = event.plan.downcast_ref::<SessionScanExec>()?;
        let tasks = usize::try_from(scan.bytes().div_ceil(self.0)).unwrap_or(usize::MAX).max(1);
        Some(Ok(DesiredTaskCountEventResponse::desired(tasks)))
    }
}

/// Says whether an operator relies on an input's, or its own, being one partition: a limit of one partition is one of all rows.
fn has_all_in_one(node: &Node) -> bool {
    if node.fetch().is_some() && node.output_partitioning().partition_count() == 1 {
        return true;
    }
    let requirements = node.input_distribution_requirements();
    node.children().into_iter().enumerate().any(|(index, input)| {
        let is_brought_together = input.is::<BroadcastExec>()
            || input.is::<RepartitionExec>()
            || input.is::<CoalescePartitionsExec>()
            || input.is::<SortPreservingMergeExec>();
        let wants_any =
            requirements.child_distribution(index).is_none_or(|d| matches!(d, Distribution::UnspecifiedDistribution));
        !wants_any && !is_brought_together && input.output_partitioning().partition_count() == 1
    })
}

/// Deals the files of a scan out to the tasks of its stage.
fn deal(event: ScaleUpLeafNodeEvent<'_>) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let scan = event.plan.downcast_ref::<SessionScanExec>()?;
    let dealt = scan.dealt(event.task_count);
    let leaf = dealt.and_then(|dealt| DistributedLeafExec::try_new(Arc::clone(event.plan), dealt));
    Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
}

/// Gives tasks to the workers in turn. A stage goes on where the last one ended, so that stages of one task do not all meet at one worker.
fn in_turn(urls: Vec<Url>) -> impl Fn(RouteTasksEvent<'_>) -> Option<Result<RouteTasksEventResponse>> + Send + Sync {
    let next = AtomicUsize::new(0);
    move |event: RouteTasksEvent<'_>| {
        let first = next.fetch_add(event.task_count, Ordering::Relaxed);
        let routed = urls.iter().cycle().skip(first % urls.len().max(1)).take(event.task_count).cloned();
        Some(Ok(RouteTasksEventResponse::new(routed.collect())))
    }
}

/// The workers that are there while a plan is cut.
struct At(Vec<Url>);

impl WorkerResolver for At {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

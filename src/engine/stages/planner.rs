//! Plans a statement for other processes where it can run there, and for this one where it cannot.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::Session;
use datafusion::common::config::ConfigOptions;
use datafusion::common::display::{PlanType, StringifiedPlan};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::expr::NullTreatment;
use datafusion::logical_expr::{EmptyRelation, Explain, Expr, LogicalPlan};
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::SessionConfig;
use datafusion_proto::bytes::physical_plan_to_bytes_with_extension_codec;

use super::row_order::tells_row_order;
use super::{Distribution, ScanCodec, SentSettings, Staged};
use crate::engine::estimates::Planner;
use crate::engine::in_order::InOrder;
use crate::engine::operators::OwnOperators;
use crate::engine::options::AlreadyCounted;
use crate::engine::own::Node;
use crate::engine::rules::most_rows;
use crate::engine::scan::SessionScanExec;
use crate::functions::by_type;
use crate::functions::row_order::order_matters;
use crate::lake::Costs;

/// The planner of a session whose statements may run on other processes.
#[derive(Debug)]
pub struct StagePlanner {
    pub distribution: Arc<dyn Distribution>,
    /// The settings that the session began with.
    pub began: ConfigOptions,
}

/// What of the answers of two ways to run a statement has to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsAs {
    /// What SQL says of them.
    Sql,
    /// Every byte, and the order of the rows, too.
    Bytes,
}

/// Where a statement runs.
enum Place {
    /// In stages, on other processes; with the aggregates whose last digits depend on the order of rows.
    There(Node, Vec<String>),
    /// In this process, for this reason.
    Here(String),
    /// The same, and its files are counted: it has been planned as if it would run there.
    HereAfterAll(String),
}

#[async_trait]
impl QueryPlanner for StagePlanner {
    async fn create_physical_plan(&self, logical: &LogicalPlan, session: &dyn Session) -> Result<Node> {
        let here = Planner;
        let Some(state) = session.as_any().downcast_ref::<SessionState>() else {
            return here.create_physical_plan(logical, session).await;
        };
        if let LogicalPlan::Explain(explain) = logical {
            let told = here.create_physical_plan(logical, session).await?;
            return self.explained(explain, &told, state).await;
        }
        match self.place(logical, state).await? {
            Place::There(plan, _) => Ok(plan),
            Place::Here(_) => here.create_physical_plan(logical, session).await,
            Place::HereAfterAll(_) => {
                let mut state = state.clone();
                state.config_mut().set_extension(Arc::new(AlreadyCounted));
                here.create_physical_plan(logical, &state).await
            }
        }
    }
}

impl StagePlanner {
    /// Plans a statement that a session has optimized for other processes, or says why it stays here.
    ///
    /// # Errors
    /// A defect, or other processes that are all gone.
    pub async fn there(
        &self,
        logical: &LogicalPlan,
        state: &SessionState,
        rows: RowsAs,
    ) -> Result<std::result::Result<Node, String>> {
        if rows == RowsAs::Bytes
            && let Some(reason) = tells_row_order(logical)?
        {
            return Ok(Err(reason));
        }
        Ok(match self.place(logical, state).await? {
            Place::There(plan, _) if rows == RowsAs::Bytes && plan.output_partitioning().partition_count() > 1 => {
                Err("its rows come in several parts".to_owned())
            }
            Place::There(plan, _) => Ok(plan),
            Place::Here(reason) | Place::HereAfterAll(reason) => Err(reason),
        })
    }

    /// Finds out where a statement runs.
    async fn place(&self, logical: &LogicalPlan, state: &SessionState) -> Result<Place> {
        if let Some(what) = stays(logical) {
            return Ok(Place::Here(what.to_owned()));
        }
        if self.distribution.is_alone() {
            return Ok(Place::Here("no worker is there".to_owned()));
        }
        let parallel = in_parallel(state, &self.began);
        let state = parallel.as_ref().unwrap_or(state);
        let staged = for_stages(state);
        let logical = match without_values(logical.clone(), &staged)? {
            Some(logical) => logical,
            None => {
                return Ok(Place::Here("the value of a subquery is needed, or it may have several rows".to_owned()));
            }
        };
        // Subqueries are a part of the plan by now.
        if let Some(what) = lost_on_the_wire(&logical)? {
            return Ok(Place::Here(what));
        }
        // What is wrong with the statement itself is said of its own plan.
        let Ok(plan) = Planner.create_physical_plan(&logical, &staged).await else {
            return Ok(Place::HereAfterAll("it has no plan without subqueries inside of expressions".to_owned()));
        };
        let settings = SentSettings::of(state.config_options(), &self.began);
        let staged_plan = match Staged::of(plan, &staged, settings) {
            Ok(plan) => plan,
            Err(reason) => return Ok(Place::HereAfterAll(reason)),
        };
        Ok(match self.distribution.in_stages(&staged_plan, &staged).await? {
            Some(plan) => Place::There(plan, staged_plan.loose),
            None => Place::HereAfterAll("it reads too little, or is one task to its end".to_owned()),
        })
    }

    /// Says in an explained plan where it would run.
    async fn explained(&self, explain: &Explain, told: &Node, state: &SessionState) -> Result<Node> {
        let Some(node) = told.downcast_ref::<ExplainExec>() else { return Ok(Arc::clone(told)) };
        let is_final = |plan: &StringifiedPlan| plan.plan_type == PlanType::FinalPhysicalPlan;
        if !node.stringified_plans().iter().any(is_final) {
            return Ok(Arc::clone(told));
        }
        let place = self.place(&explain.plan, state).await?;
        let plans = node.stringified_plans().iter().map(|plan| match &place {
            _ if !is_final(plan) => plan.clone(),
            Place::There(there, loose) => {
                let mut text = self.distribution.shown(there);
                if !loose.is_empty() {
                    text.push_str(&format!("\n-- the last digits depend on the order of rows: {}", loose.join(", ")));
                }
                StringifiedPlan::new(PlanType::FinalPhysicalPlan, text)
            }
            Place::Here(reason) | Place::HereAfterAll(reason) => {
                let text = format!("{}\n-- runs in this process: {reason}", plan.plan.trim_end());
                StringifiedPlan::new(PlanType::FinalPhysicalPlan, text)
            }
        });
        Ok(Arc::new(ExplainExec::new(node.schema(), plans.collect(), node.verbose())))
    }
}

/// Says why a statement runs in this process whatever it reads; `None` for one that may run elsewhere.
fn stays(logical: &LogicalPlan) -> Option<&'static str> {
    match logical {
        LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Ddl(_) => Some("it writes"),
        LogicalPlan::Statement(_) | LogicalPlan::DescribeTable(_) => Some("it is about this session"),
        _ => None,
    }
}

/// Calls a function with all expressions of a plan, and with their parts.
fn each_expression(logical: &LogicalPlan, mut f: impl FnMut(&Expr)) -> Result<()> {
    logical.apply(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                f(part);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// Aggregates whose order is a part of its own on the wire.
const OF_THEIR_ORDER: [&str; 5] = ["array_agg", "string_agg", "first_value", "last_value", "nth_value"];

/// Names what the form of plans on the wire (datafusion-proto 55.2) leaves out without a word: filters and IGNORE NULLS of windows, and the direction of an order
/// that percentiles are taken in. A plan with one of them would have another answer there.
fn lost_on_the_wire(logical: &LogicalPlan) -> Result<Option<String>> {
    let mut found = None;
    each_expression(logical, |expression| match expression {
        Expr::WindowFunction(window) => {
            let params = &window.params;
            let what = match params {
                _ if params.filter.is_some() => "FILTER",
                _ if params.null_treatment == Some(NullTreatment::IgnoreNulls) => "IGNORE NULLS",
                _ if params.distinct => "DISTINCT",
                _ => return,
            };
            found.get_or_insert(format!("{what} of a window has no form on the wire"));
        }
        Expr::AggregateFunction(call)
            if call.params.order_by.iter().any(|by| !by.asc) && !OF_THEIR_ORDER.contains(&call.func.name()) =>
        {
            found.get_or_insert(format!("{} in a descending order has no form on the wire", call.func.name()));
        }
        _ => {}
    })?;
    Ok(found)
}

/// Says whether expressions of a plan have the value of a subquery in them.
fn has_values(logical: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    each_expression(logical, |expression| found |= matches!(expression, Expr::ScalarSubquery(_)))?;
    Ok(found)
}

/// Makes joins of subqueries whose values would be in the memory of this process alone. `None` where that is not the same: where there is no join
/// for one, or where one may have several rows, which is an error that a join does not have.
fn without_values(logical: LogicalPlan, staged: &SessionState) -> Result<Option<LogicalPlan>> {
    let (mut has_any, mut is_one_row) = (false, true);
    each_expression(&logical, |expression| {
        if let Expr::ScalarSubquery(subquery) = expression {
            has_any = true;
            is_one_row &= matches!(most_rows(&subquery.subquery), Ok(Some(0 | 1)));
        }
    })?;
    if !has_any {
        return Ok(Some(logical));
    }
    if !is_one_row {
        return Ok(None);
    }
    // Where it cannot, as where columns would have one name, the plan stays here.
    let rules = Optimizer::with_rules(vec![Arc::new(ScalarSubqueryToJoin::new())]);
    let Ok(joined) = rules.optimize(logical, staged, |_, _| {}) else { return Ok(None) };
    Ok(if has_values(&joined)? { None } else { Some(joined) })
}

/// Gives a session that runs in one order, in which nothing is set and a statement is planned already, the settings of one that runs in parallel; `None` where it does already.
fn in_parallel(state: &SessionState, began: &ConfigOptions) -> Option<SessionState> {
    state.physical_optimizers().iter().find(|rule| rule.name() == InOrder::NAME)?;
    let mut state = state.clone();
    *state.config_mut().options_mut() = began.clone();
    state.config_mut().set_extension(Arc::new(AlreadyCounted));
    Some(state)
}

/// Makes the session that plans for stages: stock operators alone, and nothing that partitions of one process would share as they run.
fn for_stages(state: &SessionState) -> SessionState {
    let mut config = state.config().clone();
    let options = config.options_mut();
    // The catalogue is that of the session, and is not to be made anew.
    options.catalog.create_default_catalog_and_schema = false;
    // Of one partition a plan says nowhere how rows come together.
    options.execution.target_partitions = options.execution.target_partitions.max(2);
    options.optimizer.repartition_file_min_size = 1;
    // Filters that a join or a sort learns as it runs reach no other process, and a scan there would wait for them.
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    // Partitions of one scan would take files from one list, of which every process has its own.
    options.execution.enable_file_stream_work_stealing = false;
    let is_ours = |name: &str| name == OwnOperators::NAME || name == InOrder::NAME;
    let rules = state.physical_optimizers().iter().filter(|rule| !is_ours(rule.name())).cloned().collect();
    SessionStateBuilder::new_from_existing(state.clone())
        .with_config(config)
        .with_physical_optimizer_rules(rules)
        .with_query_planner(Arc::new(Planner))
        .build()
}

/// A session in which a plan that is made already goes through the planner of whoever spreads it.
#[derive(Debug)]
pub struct Made {
    /// The session.
    pub session: SessionState,
}

/// Makes a session that has a plan already, with other settings, and what `with` does to its builder: there the planner of whoever spreads plans is put
/// around ours.
pub fn made_by(
    state: &SessionState,
    config: SessionConfig,
    plan: &Node,
    with: impl FnOnce(SessionStateBuilder) -> SessionStateBuilder,
) -> Made {
    let builder = SessionStateBuilder::new_from_existing(state.clone())
        .with_config(config)
        .with_query_planner(Arc::new(Already(Arc::clone(plan))));
    Made { session: with(builder).build() }
}

impl Made {
    /// Plans the plan.
    ///
    /// # Errors
    /// A defect.
    pub async fn plan(&self) -> Result<Node> {
        let nothing =
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) });
        self.session.query_planner().create_physical_plan(&nothing, &self.session).await
    }
}

/// A plan that is made already.
#[derive(Debug)]
struct Already(Node);

#[async_trait]
impl QueryPlanner for Already {
    async fn create_physical_plan(&self, _: &LogicalPlan, _: &dyn Session) -> Result<Node> {
        Ok(Arc::clone(&self.0))
    }
}

impl Staged {
    /// Makes a plan one that may be cut into stages.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn of(plan: Node, state: &SessionState, settings: SentSettings) -> Result<Self, String> {
        let mut scans = 0;
        let mut reason = None;
        let mut loose = Vec::new();
        let seen = plan.apply(|node| {
            for (call, argument) in typed_aggregates_of(node) {
                let name = call.fun().name();
                if order_matters(call.fun(), argument.as_slice()) && !loose.iter().any(|known| known == name) {
                    loose.push(name.to_owned());
                }
            }
            scans += usize::from(node.is::<SessionScanExec>());
            reason = strange(node, state)?;
            Ok(if reason.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        });
        seen.map_err(|error| error.to_string())?;
        match reason {
            Some(reason) => return Err(reason),
            None if scans == 0 => return Err("it reads no data file of the lake".to_owned()),
            None => {}
        }
        // What has no form on the wire is found here, and not when the first stage is sent.
        let written = match plan.downcast_ref::<AnalyzeExec>() {
            Some(analyze) => Arc::clone(analyze.input()),
            None => Arc::clone(&plan),
        };
        physical_plan_to_bytes_with_extension_codec(written, &ScanCodec::default()).map_err(|error| match error {
            DataFusionError::NotImplemented(what) => what,
            error => of_encoding(&error.strip_backtrace()),
        })?;
        Ok(Self { plan, settings, loose })
    }

    /// What its scans are counted in, if they are.
    pub fn costs(&self) -> Option<Arc<Costs>> {
        let mut costs = None;
        let found = self.plan.apply(|node| {
            costs = node.downcast_ref::<SessionScanExec>().and_then(SessionScanExec::costs);
            Ok(if costs.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        });
        found.ok().and(costs)
    }
}

/// What an error of writing a plan down says of its node, without the plan that the library shows with it.
fn of_encoding(text: &str) -> String {
    let node = text.split("not implemented: ").nth(1).and_then(|rest| rest.split(']').next());
    node.unwrap_or("a part of the plan has no form on the wire").to_owned()
}

/// Says what in a node another process would not do in the same way.
fn strange(node: &Node, state: &SessionState) -> Result<Option<String>> {
    let mut found = None;
    node.apply_expressions(&mut |root| {
        root.apply(|expression| {
            found = found.take().or_else(|| strange_function(expression, state));
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    for (call, argument) in typed_aggregates_of(node) {
        found = found.or_else(|| strange_aggregate(call, argument.as_ref(), state));
        if call.is_reversed() {
            found.get_or_insert(format!("{} in the opposite order has no form on the wire", call.fun().name()));
        }
    }
    if let ([first, ..], [input]) = (windows_of(node), node.children().as_slice())
        && !is_ordered_by(input, first.partition_by())
    {
        found.get_or_insert("a window has a key that is the same in all rows, or twice".to_owned());
    }
    for window in windows_of(node) {
        let Some(standard) = window.as_any().downcast_ref::<StandardWindowExpr>() else { continue };
        let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>();
        let known =
            function.and_then(|of| state.window_functions().get(of.fun().name()).map(|known| known == of.fun()));
        if known != Some(true) {
            found.get_or_insert(made_for_this(standard.name()));
        }
    }
    Ok(found)
}

/// Says whether rows come in an order that begins with these keys. What is known of a constant, or of two columns that are equal, has no form on the
/// wire: the other side would not find the keys of a window in the order of its rows.
fn is_ordered_by(input: &Node, keys: &[Arc<dyn PhysicalExpr>]) -> bool {
    let mut keys: Vec<&Arc<dyn PhysicalExpr>> = keys.iter().collect();
    let order = input.output_ordering().map(|order| order.iter().map(|sort| &sort.expr).collect::<Vec<_>>());
    let order = order.unwrap_or_default();
    let before = keys.len();
    keys.retain(|key| order.iter().take(before).any(|sorted| sorted == key));
    keys.len() == before && order.len() >= before
}

/// The window functions that a node computes.
fn windows_of(node: &Node) -> &[Arc<dyn WindowExpr>] {
    if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
        return window.window_expr();
    }
    node.downcast_ref::<WindowAggExec>().map_or(&[], |window| window.window_expr())
}

/// The aggregates that a node computes, those over windows among them.
fn aggregates_of(node: &Node) -> Vec<&AggregateFunctionExpr> {
    let grouped = node.downcast_ref::<AggregateExec>().into_iter().flat_map(AggregateExec::aggr_expr).map(Arc::as_ref);
    let over_windows = windows_of(node).iter().filter_map(|window| {
        let window = window.as_any();
        let plain = window.downcast_ref::<PlainAggregateWindowExpr>().map(PlainAggregateWindowExpr::get_aggregate_expr);
        plain.or_else(|| {
            window.downcast_ref::<SlidingAggregateWindowExpr>().map(SlidingAggregateWindowExpr::get_aggregate_expr)
        })
    });
    grouped.chain(over_windows).collect()
}

/// The aggregates that a node computes, each with the type of its first argument.
fn typed_aggregates_of(node: &Node) -> Vec<(&AggregateFunctionExpr, Option<DataType>)> {
    let Some(input) = node.children().first().copied() else { return Vec::new() };
    // The arguments of an aggregate that ends what others began are columns of what those read.
    let input = match node.downcast_ref::<AggregateExec>() {
        Some(aggregate) => aggregate.input_schema(),
        None => input.schema(),
    };
    let typed = |call: &AggregateFunctionExpr| call.expressions().first()?.data_type(&input).ok();
    aggregates_of(node).into_iter().map(|call| (call, typed(call))).collect()
}

/// Names an aggregate that cannot be found by its name.
fn strange_aggregate(
    call: &AggregateFunctionExpr,
    argument: Option<&DataType>,
    state: &SessionState,
) -> Option<String> {
    let known = state.aggregate_functions().get(call.fun().name()).map(Arc::as_ref);
    let is_known = by_type::is_found_by_name(call.fun(), known, argument);
    (!is_known).then(|| made_for_this(call.fun().name()))
}

fn made_for_this(function: &str) -> String {
    format!("{function} is made for this plan alone")
}

/// Names a function that cannot be found by its name, since it has been made for this plan.
fn strange_function(expression: &Arc<dyn PhysicalExpr>, state: &SessionState) -> Option<String> {
    let call = expression.downcast_ref::<ScalarFunctionExpr>()?;
    let known = state.scalar_functions().get(call.fun().name());
    let is_known = known.is_some_and(|known| known.as_ref() == call.fun());
    (!is_known).then(|| made_for_this(call.fun().name()))
}

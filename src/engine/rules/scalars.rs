//! Subqueries for a single value that depend on the row by another comparison than `=`, or take the first row of an order.
//!
//! DataFusion 55.2 makes a join of `(select max(b) from u where u.k = t.k)`, and refuses `u.b < t.b` and `order by … limit 1`. Here such a
//! subquery is computed for the distinct values of the columns that it takes from outside: these are joined with its rows, what it aggregates is
//! grouped by them, or its rows are numbered within them, and the values are joined back. A row that came of the join alone is none of the
//! subquery's, which a filter in each aggregate says, so that `count` is 0 and `array_agg` is null where there is none.
//!
//! It costs what the comparison costs: each of the distinct values meets each row of the subquery. Runs after types were coerced. What has
//! another shape is left to DataFusion.

use std::sync::Arc;

use datafusion::common::alias::AliasGenerator;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprFunctionExt, FetchType, Limit, LogicalPlan, LogicalPlanBuilder, SkipType, Subquery,
    WindowFunctionDefinition, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::below::with_joins;

/// The rule.
#[derive(Debug, Default)]
pub struct Scalars;

impl AnalyzerRule for Scalars {
    fn name(&self) -> &str {
        "scalars"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let names = AliasGenerator::new();
        plan.transform_up_with_subqueries(|plan| of_node(plan, &names)).data()
    }
}

fn of_node(plan: LogicalPlan, names: &AliasGenerator) -> Result<Transformed<LogicalPlan>> {
    let is_joined_by_datafusion = matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Filter(_));
    let is_one = is_joined_by_datafusion
        || matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Sort(_));
    if !is_one || !asks_for_values(&plan)? {
        return Ok(Transformed::no(plan));
    }
    with_joins(plan, |expr, below| {
        expr.transform_up(|expr| {
            let Expr::ScalarSubquery(subquery) = &expr else { return Ok(Transformed::no(expr)) };
            if is_joined_by_datafusion && is_joinable(subquery)? {
                return Ok(Transformed::no(expr));
            }
            let value = below.column_of(subquery, |plan| with_value(plan, subquery, names))?;
            Ok(value.map_or_else(|| Transformed::no(expr), Transformed::yes))
        })
        .data()
    })
}

fn asks_for_values(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found = found
            || expr.exists(|expr| {
                Ok(matches!(expr, Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty()))
            })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Says whether DataFusion makes a join of a subquery itself.
fn is_joinable(subquery: &Subquery) -> Result<bool> {
    let mut pulled = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
    subquery.subquery.as_ref().clone().rewrite(&mut pulled)?;
    Ok(pulled.can_pull_up)
}

/// Joins a plan with the values of a subquery for its rows, and returns the column of values; `None` where that cannot be done.
fn with_value(plan: &LogicalPlan, subquery: &Subquery, names: &AliasGenerator) -> Result<Option<(LogicalPlan, Expr)>> {
    let mut taken: Vec<Column> = Vec::new();
    for expr in &subquery.outer_ref_columns {
        let Expr::OuterReferenceColumn(_, column) = expr else { return Ok(None) };
        if !plan.schema().has_column(column) {
            return Ok(None);
        }
        if !taken.contains(column) {
            taken.push(column.clone());
        }
    }
    let outside = Outside { plan, taken, name: names.next("__outer") };
    let rows = outside.named_in(&subquery.subquery)?;
    let Some(values) = outside.values(&rows, names)? else { return Ok(None) };
    let (alias, name) = (names.next("__scalar"), names.next("__value"));
    let value = Expr::Column(Column::from(rows.schema().qualified_field(0))).alias(name.clone());
    let keys = outside.columns().enumerate().map(|(number, column)| Expr::Column(column).alias(key(number)));
    let values = LogicalPlanBuilder::from(values).project(keys.chain([value]))?.alias(alias.clone())?.build()?;
    let keys: Vec<Column> =
        (0..outside.taken.len()).map(|number| Column::new(Some(alias.clone()), key(number))).collect();
    let joined = LogicalPlanBuilder::from(plan.clone())
        .join_detailed(values, JoinType::Left, (outside.taken.clone(), keys), None, NullEquality::NullEqualsNull)?
        .build()?;
    Ok(Some((joined, Expr::Column(Column::new(Some(alias), name)))))
}

fn key(number: usize) -> String {
    format!("c{number}")
}

/// The columns that a subquery takes from the plan around it, under names of their own.
struct Outside<'p> {
    plan: &'p LogicalPlan,
    taken: Vec<Column>,
    name: String,
}

impl Outside<'_> {
    fn columns(&self) -> impl Iterator<Item = Column> + '_ {
        (0..self.taken.len()).map(|number| Column::new(Some(self.name.clone()), key(number)))
    }

    /// Gives the columns from outside their names in a subquery.
    fn named_in(&self, rows: &LogicalPlan) -> Result<LogicalPlan> {
        let named = |expr: Expr| {
            expr.transform_up(|expr| {
                let Expr::OuterReferenceColumn(field, column) = &expr else { return Ok(Transformed::no(expr)) };
                let Some(number) = self.taken.iter().position(|taken| taken == column) else {
                    return Ok(Transformed::no(expr));
                };
                let column = Column::new(Some(self.name.clone()), key(number));
                Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)))
            })
        };
        rows.clone().transform_up_with_subqueries(|plan| plan.map_expressions(named)).data()
    }

    /// The distinct values of the columns.
    fn distinct(&self) -> Result<LogicalPlan> {
        let columns =
            self.taken.iter().enumerate().map(|(number, column)| Expr::Column(column.clone()).alias(key(number)));
        LogicalPlanBuilder::from(self.plan.clone()).project(columns)?.distinct()?.alias(self.name.clone())?.build()
    }

    /// Joins the distinct values with the rows of a plan that its filters let pass for them; `None` where filters cannot be taken out of it.
    fn with_rows(
        &self,
        rows: &LogicalPlan,
        join_type: JoinType,
        mark: Option<&str>,
    ) -> Result<Option<LogicalPlanBuilder>> {
        let mut pulled = PullUpCorrelatedExpr::new();
        let rows = rows.clone().rewrite(&mut pulled).data()?;
        let Some(condition) = conjunction(pulled.join_filters).filter(|_| pulled.can_pull_up) else { return Ok(None) };
        let mut columns: Vec<Expr> = rows.schema().columns().into_iter().map(Expr::Column).collect();
        columns.extend(mark.map(|name| lit(true).alias(name)));
        let rows = LogicalPlanBuilder::from(rows).project(columns)?.build()?;
        Ok(Some(LogicalPlanBuilder::from(self.distinct()?).join_on(rows, join_type, [condition])?))
    }

    /// Computes what a subquery gives for each of the distinct values, behind their columns.
    fn values(&self, rows: &LogicalPlan, names: &AliasGenerator) -> Result<Option<LogicalPlan>> {
        // What stands above the aggregate or the limit, the outermost first.
        let mut above = Vec::new();
        let mut plan = rows;
        let mut values = loop {
            match plan {
                LogicalPlan::Projection(_) | LogicalPlan::Filter(_) if plan.contains_outer_reference() => {
                    return Ok(None);
                }
                LogicalPlan::Projection(node) => {
                    above.push(plan);
                    plan = &node.input;
                }
                LogicalPlan::Filter(node) => {
                    above.push(plan);
                    plan = &node.input;
                }
                LogicalPlan::Aggregate(node) if node.group_expr.is_empty() && !plan.contains_outer_reference() => {
                    match self.aggregated(node, names)? {
                        Some(values) => break values,
                        None => return Ok(None),
                    }
                }
                LogicalPlan::Limit(node) => match self.first(node)? {
                    Some(values) => break values,
                    None => return Ok(None),
                },
                _ => return Ok(None),
            }
        };
        for node in above.into_iter().rev() {
            values = self.reapplied(node, values)?;
        }
        Ok(Some(values.build()?))
    }

    /// Puts a projection or a filter above values, with the columns from outside.
    fn reapplied(&self, node: &LogicalPlan, values: LogicalPlanBuilder) -> Result<LogicalPlanBuilder> {
        match node {
            LogicalPlan::Projection(node) => {
                values.project(self.columns().map(Expr::Column).chain(node.expr.iter().cloned()))
            }
            LogicalPlan::Filter(node) => values.filter(node.predicate.clone()),
            _ => Ok(values),
        }
    }

    fn aggregated(&self, node: &Aggregate, names: &AliasGenerator) -> Result<Option<LogicalPlanBuilder>> {
        let mark = names.next("__present");
        let Some(joined) = self.with_rows(&node.input, JoinType::Left, Some(&mark))? else { return Ok(None) };
        let is_row = Expr::Column(Column::new_unqualified(mark));
        let filtered = |expr: &Expr| {
            expr.clone()
                .transform_up(|expr| match expr {
                    Expr::AggregateFunction(mut call) => {
                        let filter = match call.params.filter.take() {
                            Some(filter) => is_row.clone().and(*filter),
                            None => is_row.clone(),
                        };
                        call.params.filter = Some(Box::new(filter));
                        Ok(Transformed::yes(Expr::AggregateFunction(call)))
                    }
                    other => Ok(Transformed::no(other)),
                })
                .data()
        };
        let aggregates = node.aggr_expr.iter().map(filtered).collect::<Result<Vec<_>>>()?;
        let grouped = joined.aggregate(self.columns().map(Expr::Column), aggregates)?.build()?;
        // Under the names that they have without the filter.
        let known = node.schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.name().clone()));
        let named = grouped
            .schema()
            .iter()
            .skip(self.taken.len())
            .zip(known)
            .map(|(field, (qualifier, name))| Expr::Column(Column::from(field)).alias_qualified(qualifier, name));
        let columns: Vec<Expr> = self.columns().map(Expr::Column).chain(named).collect();
        Ok(Some(LogicalPlanBuilder::from(grouped).project(columns)?))
    }

    /// Takes the first row for each of the distinct values, in the order that a subquery has.
    fn first(&self, limit: &Limit) -> Result<Option<LogicalPlanBuilder>> {
        let is_first = matches!(limit.get_skip_type()?, SkipType::Literal(0))
            && matches!(limit.get_fetch_type()?, FetchType::Literal(Some(1)));
        if !is_first {
            return Ok(None);
        }
        let mut above = Vec::new();
        let mut plan = limit.input.as_ref();
        while let LogicalPlan::Projection(node) = plan
            && matches!(node.input.as_ref(), LogicalPlan::Projection(_) | LogicalPlan::Sort(_))
        {
            if plan.contains_outer_reference() {
                return Ok(None);
            }
            above.push(plan);
            plan = &node.input;
        }
        let (order, rows) = match plan {
            LogicalPlan::Sort(node) if node.fetch.is_none() && !plan.contains_outer_reference() => {
                (node.expr.clone(), node.input.as_ref())
            }
            other => (Vec::new(), other),
        };
        let Some(joined) = self.with_rows(rows, JoinType::Inner, None)? else { return Ok(None) };
        let number = WindowFunctionDefinition::WindowUDF(row_number_udwf());
        let number = Expr::from(WindowFunction::new(number, Vec::new()))
            .partition_by(self.columns().map(Expr::Column).collect())
            .order_by(order)
            .build()?;
        let place = Expr::Column(Column::new_unqualified(number.schema_name().to_string()));
        let mut values = joined.window([number])?.filter(place.eq(lit(1_u64)))?;
        for node in above.into_iter().rev() {
            values = self.reapplied(node, values)?;
        }
        Ok(Some(values))
    }
}

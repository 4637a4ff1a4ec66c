//! `x in (subquery)` and `exists (subquery)` as values of three, in every node of a plan.
//!
//! DataFusion 55.2 plans both in conditions only, takes `x not in (…)` for true where the subquery has a null and `x` is no column, and
//! gives false where the answer is null once the condition is a part of another. Here `x in (select c …)` is put together of
//! `exists`: true where a row has `c = x`; else null where one has a null, or where `x` is null and there is a row at all; else false.
//! `= any`, `> all` and the like are the same with another operator. A conjunct of a filter need only say whether it is true: `in` stays there, a semi-join, and `not in` becomes conjuncts of which the first
//! is an anti-join.
//!
//! What remains is `exists`. Where the subquery does not depend on the row it is a number of rows, computed once; in a filter DataFusion makes
//! a join that marks rows; in other nodes the same join is made here, below the node. It runs after types were coerced, so that `c = x`
//! compares values of one type, and before the rules that give comparisons another meaning.
//!
//! Left to DataFusion, which refuses them: conditions of joins, and subqueries that cannot be joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::alias::AliasGenerator;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, JoinType, Result, ScalarValue, Spans, plan_err};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, binary_expr, lit, not, when,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::absent::{has_a_row, is_whole_aggregate};
use super::below::with_joins;
use super::try_each_expression;

/// The rule.
#[derive(Debug, Default)]
pub struct Membership;

impl AnalyzerRule for Membership {
    fn name(&self) -> &str {
        "membership"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| {
            refuse_outer_having(node)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        let names = AliasGenerator::new();
        plan.transform_up_with_subqueries(|plan| of_node(plan, &names)).data()
    }
}

/// Refuses a condition on the outer query's row over an aggregate without groups. DataFusion makes it one of the join that stands for the subquery, and takes a row that
/// it leaves out for one of no rows.
fn refuse_outer_having(node: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Filter(filter) = node else { return Ok(()) };
    if filter.predicate.contains_outer() && is_whole_aggregate(&filter.input) {
        return plan_err!(
            "a subquery's condition on an aggregate without GROUP BY names a column of the outer query; \
             hint: write it around the subquery: case when the condition holds then (select …) end"
        );
    }
    Ok(())
}

/// Compares with the value of a subquery that has one row, whatever it reads, in the place of comparing with all of its rows or any.
fn with_one_row(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        let (left, op, subquery) = match &expr {
            Expr::InSubquery(InSubquery { expr: left, subquery, negated: false }) => (left, Operator::Eq, subquery),
            Expr::InSubquery(InSubquery { expr: left, subquery, negated: true }) => (left, Operator::NotEq, subquery),
            Expr::SetComparison(SetComparison { expr: left, subquery, op, .. }) => (left, *op, subquery),
            _ => return Ok(Transformed::no(expr)),
        };
        if !is_whole_aggregate(&subquery.subquery) {
            return Ok(Transformed::no(expr));
        }
        Ok(Transformed::yes(binary_expr(left.as_ref().clone(), op, Expr::ScalarSubquery(subquery.clone()))))
    })
}

fn of_node(plan: LogicalPlan, names: &AliasGenerator) -> Result<Transformed<LogicalPlan>> {
    if !asks_for_rows(&plan)? {
        return Ok(Transformed::no(plan));
    }
    let plan = try_each_expression(plan, |expr, _| with_one_row(expr))?.data;
    if !asks_for_rows(&plan)? {
        return Ok(Transformed::yes(plan));
    }
    match plan {
        LogicalPlan::Filter(filter) => {
            let schema = filter.input.schema();
            let conjuncts = split_conjunction_owned(filter.predicate)
                .into_iter()
                .map(|conjunct| conjunct_of(conjunct, schema, names))
                .collect::<Result<Vec<_>>>()?;
            let predicate = conjunction(conjuncts).unwrap_or_else(|| lit(true));
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?)))
        }
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Sort(_) => {
            with_marks(plan, names)
        }
        other => Ok(Transformed::no(other)),
    }
}

fn asks_for_rows(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found = found
            || expr
                .exists(|expr| Ok(matches!(expr, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Rewrites a conjunct of a filter, where null is as good as false.
fn conjunct_of(conjunct: Expr, schema: &DFSchema, names: &AliasGenerator) -> Result<Expr> {
    if let Expr::Exists(exists) = conjunct {
        return Ok(of_exists(exists));
    }
    let conjunct = match conjunct {
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(within) => Expr::InSubquery(InSubquery { negated: !within.negated, ..within }),
            Expr::Exists(Exists { subquery, negated }) => {
                return Ok(of_exists(Exists { subquery, negated: !negated }));
            }
            other => return Ok(not(values_of(other, schema, names)?)),
        },
        other => other,
    };
    if matches!(conjunct, Expr::InSubquery(InSubquery { negated: false, .. })) {
        return Ok(conjunct);
    }
    match Asked::of(&conjunct) {
        Some(asked) => conjuncts_of(&asked, conjunct.clone(), schema, names),
        None => values_of(conjunct, schema, names),
    }
}

/// An `exists` that is always true, since an aggregate without groups has a row whatever it reads, is so here too.
fn of_exists(exists: Exists) -> Expr {
    if has_a_row(&exists.subquery.subquery) { lit(!exists.negated) } else { Expr::Exists(exists) }
}

/// Conjuncts that are true where a comparison with all rows is, or with any.
fn conjuncts_of(asked: &Asked<'_>, whole: Expr, schema: &DFSchema, names: &AliasGenerator) -> Result<Expr> {
    let Some(parts) = Parts::of(asked, schema, names)? else { return Ok(whole) };
    if asked.found {
        return with_row(parts.found);
    }
    // In a filter of its own, the absence of a row is an anti-join.
    let without_row = |rows: Subquery| match rows.outer_ref_columns.is_empty() {
        true => Ok(not(with_row(rows)?)),
        false => Ok::<_, DataFusionError>(Expr::Exists(Exists { subquery: rows, negated: true })),
    };
    let mut conjuncts = vec![without_row(parts.found)?];
    if let Some(nulls) = parts.nulls {
        conjuncts.push(without_row(nulls)?);
    }
    if let Some(all) = parts.all {
        conjuncts.push(asked.expr.clone().is_not_null().or(not(with_row(all)?)));
    }
    Ok(conjunction(conjuncts).unwrap_or_else(|| lit(true)))
}

/// Puts values of three in the place of comparisons with subqueries in an expression, and numbers of rows in that of `exists` that does not
/// depend on the row.
fn values_of(expr: Expr, schema: &DFSchema, names: &AliasGenerator) -> Result<Expr> {
    expr.transform_up(|expr| {
        if let Expr::Exists(exists) = expr {
            return Ok(match of_exists(exists) {
                Expr::Exists(Exists { subquery, negated }) if subquery.outer_ref_columns.is_empty() => {
                    let row = with_row(subquery)?;
                    Transformed::yes(if negated { not(row) } else { row })
                }
                other => Transformed::yes(other),
            });
        }
        let Some(asked) = Asked::of(&expr) else { return Ok(Transformed::no(expr)) };
        let Some(parts) = Parts::of(&asked, schema, names)? else { return Ok(Transformed::no(expr)) };
        if parts.nulls.is_none() && parts.all.is_none() {
            let row = with_row(parts.found)?;
            return Ok(Transformed::yes(if asked.found { row } else { not(row) }));
        }
        let unknown = || lit(ScalarValue::Boolean(None));
        let mut cases = when(with_row(parts.found)?, lit(asked.found));
        if let Some(nulls) = parts.nulls {
            cases = cases.when(with_row(nulls)?, unknown());
        }
        if let Some(all) = parts.all {
            cases = cases.when(asked.expr.clone().is_null().and(with_row(all)?), unknown());
        }
        Ok(Transformed::yes(cases.otherwise(lit(!asked.found))?))
    })
    .data()
}

/// A comparison of `x` with the rows of a subquery.
struct Asked<'a> {
    expr: &'a Expr,
    subquery: &'a Subquery,
    /// What decides if it holds of `x` and a row.
    op: Operator,
    /// What is decided.
    found: bool,
}

impl<'a> Asked<'a> {
    fn of(expr: &'a Expr) -> Option<Self> {
        match expr {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                Some(Self { expr, subquery, op: Operator::Eq, found: !negated })
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier: SetQuantifier::Any }) => {
                Some(Self { expr, subquery, op: *op, found: true })
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier: SetQuantifier::All }) => {
                Some(Self { expr, subquery, op: op.negate()?, found: false })
            }
            _ => None,
        }
    }
}

/// What a comparison of `x` with the rows of `select c …` asks for.
struct Parts {
    /// Rows of which `x` and `c` decide.
    found: Subquery,
    /// Rows whose `c` is null; `None` where there can be none.
    nulls: Option<Subquery>,
    /// All rows; `None` where `x` cannot be null.
    all: Option<Subquery>,
}

impl Parts {
    /// `None` where the subquery has not one column, or `x` is of an outer query.
    fn of(asked: &Asked<'_>, schema: &DFSchema, names: &AliasGenerator) -> Result<Option<Self>> {
        let rows = &asked.subquery.subquery;
        let [field] = rows.schema().fields().as_ref() else { return Ok(None) };
        if asked.expr.contains_outer() || asked.expr.is_volatile() {
            return Ok(None);
        }
        // A name of its own: the outer query may have a column of the same table and name.
        let name = names.next("__in");
        let column = || Expr::Column(Column::new_unqualified(name.clone()));
        let of_rows = Expr::Column(Column::from(rows.schema().qualified_field(0)));
        let renamed = LogicalPlanBuilder::from(Arc::clone(rows)).project([of_rows.alias(name.clone())])?.build()?;
        let outer = asked.expr.clone().transform_up(|expr| match expr {
            Expr::Column(column) => {
                let field = Arc::clone(schema.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let where_rows = |condition: Expr| {
            let filter = Filter::try_new(condition, Arc::new(renamed.clone()))?;
            Ok::<_, DataFusionError>(subquery(LogicalPlan::Filter(filter)))
        };
        Ok(Some(Self {
            found: where_rows(binary_expr(outer.data, asked.op, column()))?,
            nulls: field.is_nullable().then(|| where_rows(column().is_null())).transpose()?,
            all: asked.expr.nullable(schema)?.then(|| subquery(renamed.clone())),
        }))
    }
}

fn subquery(plan: LogicalPlan) -> Subquery {
    Subquery { outer_ref_columns: plan.all_out_ref_exprs(), subquery: Arc::new(plan), spans: Spans::new() }
}

/// Asks whether there is a row.
fn with_row(rows: Subquery) -> Result<Expr> {
    if !rows.outer_ref_columns.is_empty() {
        return Ok(Expr::Exists(Exists { subquery: rows, negated: false }));
    }
    let counted = LogicalPlanBuilder::from(rows.subquery)
        .limit(0, Some(1))?
        .aggregate(Vec::<Expr>::new(), [count(lit(1_i64))])?
        .build()?;
    Ok(Expr::ScalarSubquery(subquery(counted)).gt(lit(0_i64)))
}

/// Joins marks of rows below a node, for its expressions.
fn with_marks(plan: LogicalPlan, names: &AliasGenerator) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    with_joins(plan, |expr, below| {
        values_of(expr, &schema, names)?
            .transform_up(|expr| {
                let Expr::Exists(Exists { subquery, negated }) = &expr else { return Ok(Transformed::no(expr)) };
                let mark = below.column_of(subquery, |plan| marked(plan, subquery, names.next("__exists")))?;
                Ok(match mark {
                    Some(mark) => Transformed::yes(if *negated { not(mark) } else { mark }),
                    None => Transformed::no(expr),
                })
            })
            .data()
    })
}

/// Joins a plan with the marks of its rows for which a subquery has a row, and returns the column of marks; `None` where the subquery
/// cannot be joined.
fn marked(plan: &LogicalPlan, rows: &Subquery, alias: String) -> Result<Option<(LogicalPlan, Expr)>> {
    let is_of_plan = |expr: &Expr| match expr {
        Expr::OuterReferenceColumn(_, column) => plan.schema().has_column(column),
        _ => false,
    };
    if !rows.outer_ref_columns.iter().all(is_of_plan) {
        return Ok(None);
    }
    let mut pulled = PullUpCorrelatedExpr::new().with_exists_sub_query(true);
    let inner = rows.subquery.as_ref().clone().rewrite(&mut pulled).data()?;
    let Some(condition) = conjunction(pulled.join_filters).filter(|_| pulled.can_pull_up) else { return Ok(None) };
    let of_rows: BTreeSet<Column> = pulled.correlated_subquery_cols_map.into_values().flatten().collect();
    let condition = condition.transform_up(|expr| match expr {
        Expr::Column(column) if of_rows.contains(&column) => {
            Ok(Transformed::yes(Expr::Column(Column::new(Some(alias.clone()), column.name))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let inner = LogicalPlanBuilder::from(inner).alias(alias.clone())?.build()?;
    let used = condition.data.column_refs();
    let kept: Vec<Expr> =
        inner.schema().columns().into_iter().filter(|column| used.contains(column)).map(Expr::Column).collect();
    let inner = if kept.is_empty() { inner } else { LogicalPlanBuilder::from(inner).project(kept)?.build()? };
    let joined = LogicalPlanBuilder::from(plan.clone())
        .join_on(inner, JoinType::LeftMark, Some(condition.data.clone()))?
        .build()?;
    Ok(Some((joined, Expr::Column(Column::new(Some(alias), "mark")))))
}

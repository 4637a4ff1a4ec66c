//! Groups, distinct rows and aggregates of intervals.
//!
//! Rows are grouped by the length of an interval. What a group shows is the least of its intervals by rank, so that `1 day` and
//! `24:00:00` in one group give the same answer in whatever order they come. `min` and `max` are those of ranks; `sum` and `avg` of
//! intervals those of months, days and times apart, as PostgreSQL adds; those of durations are of their counts, exact and in one
//! step, for a duration is one number and leaves in formats that have no intervals. All of it is done by DataFusion's own
//! aggregates below a projection that puts the intervals together again.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, GroupingSet, WindowFunction};
use datafusion::logical_expr::logical_plan::{Aggregate, Projection, Window};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{AggregateUDF, Cast, Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition, when};

use super::{INTERVAL, Part, holds_intervals, length};
use crate::functions::exact::exact;
use crate::functions::interval::{is_interval, is_length, stock};
use crate::functions::means::rounded;
use crate::functions::postgres::{checked_sum, of_frames};

/// Refuses lists and structs with intervals in them where they would be compared field by field.
fn refuse_inside(data_type: &DataType, what: &str) -> Result<()> {
    if holds_intervals(data_type) {
        return plan_err!(
            "{what} of lists or structs with intervals would compare them field by field, as if 24 hours were no day; \
             hint: take the intervals out of them first"
        );
    }
    Ok(())
}

/// Distinct rows as groups, where there are intervals among them.
pub(super) fn distinct(input: Arc<LogicalPlan>, is_exact: bool) -> Result<Transformed<LogicalPlan>> {
    use datafusion::logical_expr::Distinct;
    input.schema().fields().iter().try_for_each(|field| refuse_inside(field.data_type(), "distinct rows"))?;
    if !input.schema().fields().iter().any(|field| is_interval(field.data_type())) {
        return Ok(Transformed::no(LogicalPlan::Distinct(Distinct::All(input))));
    }
    let groups = input.schema().iter().map(Expr::from).collect();
    aggregate(Aggregate::try_new(input, groups, vec![])?, is_exact)
}

/// Rewrites the groups and aggregates of a node. `is_exact` says that sums and means of doubles are.
pub(super) fn aggregate(node: Aggregate, is_exact: bool) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(&node.schema);
    let input_schema = Arc::clone(node.input.schema());
    let is_group = |expr: &Expr| expr.get_type(&input_schema).is_ok_and(|data_type| is_interval(&data_type));
    let groups: Vec<Expr> = grouping_set_to_exprlist(&node.group_expr)?.into_iter().cloned().collect();
    groups.iter().try_for_each(|group| refuse_inside(&group.get_type(&input_schema)?, "groups"))?;
    let mut parts = Parts { made: Vec::new(), first: schema.fields().len().saturating_sub(node.aggr_expr.len()) };
    let mut shown: Vec<Shown> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        shown.push(if is_group(group) {
            let rank = Part::Rank.call(vec![unaliased(group).clone()]);
            let least =
                Expr::AggregateFunction(AggregateFunction::new_udf(min_udaf(), vec![rank], false, None, vec![], None));
            Shown::Group(index, parts.add(least))
        } else {
            Shown::Column(index)
        });
    }
    // Beside the groups, where there are sets of them, stands which set a row is of.
    shown.extend((groups.len()..parts.first).map(Shown::Column));
    for expr in &node.aggr_expr {
        let made = match unaliased(expr) {
            Expr::AggregateFunction(call) => {
                let params = &call.params;
                let data_type = params.args.first().map(|arg| arg.get_type(&input_schema)).transpose()?;
                if let (Some(data_type), name @ ("min" | "max")) = (&data_type, call.func.name()) {
                    refuse_inside(data_type, name)?;
                }
                let same = |func: Arc<AggregateUDF>, args: Vec<Expr>, distinct: bool| {
                    let mut params = params.clone();
                    (params.args, params.distinct) = (args, distinct);
                    Expr::AggregateFunction(AggregateFunction { func, params })
                };
                split(&call.func, &params.args, params.distinct, data_type.as_ref(), is_exact, same)
            }
            _ => Split::Not,
        };
        shown.push(parts.show(made, expr));
    }
    let is_changed = parts.made != node.aggr_expr || shown.iter().any(|shown| matches!(shown, Shown::Group(..)));
    if !is_changed {
        return Ok(Transformed::no(LogicalPlan::Aggregate(node)));
    }
    let by = |expr: Expr| if is_group(&expr) { length(unaliased(&expr).clone()) } else { expr };
    let all_by = |exprs: Vec<Expr>| exprs.into_iter().map(by).collect::<Vec<_>>();
    let group_expr = node
        .group_expr
        .into_iter()
        .map(|expr| match expr {
            Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
                Expr::GroupingSet(GroupingSet::GroupingSets(sets.into_iter().map(all_by).collect()))
            }
            Expr::GroupingSet(GroupingSet::Rollup(exprs)) => Expr::GroupingSet(GroupingSet::Rollup(all_by(exprs))),
            Expr::GroupingSet(GroupingSet::Cube(exprs)) => Expr::GroupingSet(GroupingSet::Cube(all_by(exprs))),
            other => by(other),
        })
        .collect();
    let below = LogicalPlan::Aggregate(Aggregate::try_new(node.input, group_expr, parts.made)?);
    project(below, &shown, &schema)
}

/// Rewrites the aggregates of a window.
pub(super) fn window(node: Window) -> Result<Transformed<LogicalPlan>> {
    let schema = Arc::clone(&node.schema);
    let input_schema = Arc::clone(node.input.schema());
    let mut parts = Parts { made: Vec::new(), first: input_schema.fields().len() };
    let mut shown: Vec<Shown> = (0..parts.first).map(Shown::Column).collect();
    for expr in &node.window_expr {
        let made = match unaliased(expr) {
            Expr::WindowFunction(call) => match &call.fun {
                WindowFunctionDefinition::AggregateUDF(func) => {
                    let params = &call.params;
                    let data_type = params.args.first().map(|arg| arg.get_type(&input_schema)).transpose()?;
                    let same = |func: Arc<AggregateUDF>, args: Vec<Expr>, distinct: bool| {
                        let mut params = params.clone();
                        (params.args, params.distinct) = (args, distinct);
                        let fun = WindowFunctionDefinition::AggregateUDF(func);
                        Expr::from(WindowFunction { fun, params })
                    };
                    let own = stock(func).unwrap_or_else(|| Arc::clone(func));
                    match data_type.as_ref().and_then(|data_type| of_frames(&own, data_type)) {
                        Some(of_frames) if !params.distinct => {
                            Split::Same(same(of_frames, params.args.clone(), params.distinct))
                        }
                        // What leaves a frame leaves nothing behind of an exact sum.
                        _ => split(func, &params.args, params.distinct, data_type.as_ref(), true, same),
                    }
                }
                WindowFunctionDefinition::WindowUDF(_) => Split::Not,
            },
            _ => Split::Not,
        };
        shown.push(parts.show(made, expr));
    }
    if parts.made == node.window_expr {
        return Ok(Transformed::no(LogicalPlan::Window(node)));
    }
    // What has no alias gets one around its sort keys where a part of them is computed once, and then has other keys than the rest.
    let made = parts.made.into_iter().map(|expr| match expr {
        Expr::Alias(_) => expr,
        other => {
            let name = other.schema_name().to_string();
            other.alias(name)
        }
    });
    let below = LogicalPlan::Window(Window::try_new(made.collect(), node.input)?);
    project(below, &shown, &schema)
}

/// The expressions of the node below: each once.
struct Parts {
    made: Vec<Expr>,
    /// The columns that the node has before them.
    first: usize,
}

impl Parts {
    /// Adds an expression, and returns the index of its column.
    fn add(&mut self, expr: Expr) -> usize {
        let index = self.made.iter().position(|made| *made == expr).unwrap_or(self.made.len());
        if index == self.made.len() {
            self.made.push(expr);
        }
        self.first + index
    }

    /// Adds what an expression was split into, and says where its value comes from.
    fn show(&mut self, made: Split, expr: &Expr) -> Shown {
        match made {
            Split::Not => Shown::Column(self.add(expr.clone())),
            Split::Same(call) => Shown::Column(self.add(named(call, expr))),
            Split::Rank(call) => Shown::Rank(self.add(call)),
            Split::Sums(calls) => Shown::Sums(calls.map(|call| call.map(|call| self.add(call)))),
            Split::Counts(sum, count, data_type) => {
                Shown::Counts(self.add(sum), count.map(|count| self.add(count)), data_type)
            }
        }
    }
}

/// Where a column comes from, by indexes of the columns below.
enum Shown {
    /// It stays what it is.
    Column(usize),
    /// A group by length, and the rank of its least interval.
    Group(usize, usize),
    /// A rank.
    Rank(usize),
    /// Sums of months, days and times, and a count if it is their average.
    Sums([Option<usize>; 4]),
    /// A sum of counts of durations of a unit, and a count if it is their average.
    Counts(usize, Option<usize>, DataType),
}

/// What becomes of an aggregate.
enum Split {
    /// It is none of ours.
    Not,
    /// The one that computes, DataFusion's or ours, in place of the one that queries name.
    Same(Expr),
    /// One of ranks.
    Rank(Expr),
    /// Sums of months, days and times, and a count.
    Sums([Option<Expr>; 4]),
    /// A sum of counts of durations, and a count.
    Counts(Expr, Option<Expr>, DataType),
}

fn split(
    func: &Arc<AggregateUDF>,
    args: &[Expr],
    distinct: bool,
    data_type: Option<&DataType>,
    is_exact: bool,
    call: impl Fn(Arc<AggregateUDF>, Vec<Expr>, bool) -> Expr,
) -> Split {
    let own = stock(func);
    let (Some(arg), Some(data_type)) = (args.first(), data_type) else {
        return own.map_or(Split::Not, |stock| Split::Same(call(stock, args.to_vec(), distinct)));
    };
    match func.name() {
        "sum"
            if own.is_some()
                && let Some(checked) = checked_sum(data_type) =>
        {
            Split::Same(call(checked, args.to_vec(), distinct))
        }
        "sum" | "avg" if is_exact && let Some(exact) = own.as_ref().and_then(|stock| exact(stock, data_type)) => {
            Split::Same(call(exact, args.to_vec(), distinct))
        }
        "avg" if let Some(rounded) = own.as_ref().and_then(|stock| rounded(stock, data_type)) => {
            Split::Same(call(rounded, args.to_vec(), distinct))
        }
        "min" if is_interval(data_type) => {
            Split::Rank(call(min_udaf(), vec![Part::Rank.call(vec![arg.clone()])], false))
        }
        "max" if is_interval(data_type) => {
            Split::Rank(call(max_udaf(), vec![Part::Rank.call(vec![arg.clone()])], false))
        }
        "sum" | "avg" if is_length(data_type) => {
            if let DataType::Duration(_) = data_type {
                let decimal = cast(cast(arg.clone(), DataType::Int64), DataType::Decimal128(19, 0));
                let count = (func.name() == "avg").then(|| call(count_udaf(), vec![arg.clone()], distinct));
                return Split::Counts(call(sum_udaf(), vec![decimal], distinct), count, data_type.clone());
            }
            // Of distinct lengths there are no months and days.
            let part = |part: Part| call(sum_udaf(), vec![part.call(vec![arg.clone()])], distinct);
            let count = (func.name() == "avg").then(|| {
                let counted = if distinct { length(arg.clone()) } else { arg.clone() };
                call(count_udaf(), vec![counted], distinct)
            });
            if distinct {
                return Split::Sums([None, None, Some(part(Part::Length)), count]);
            }
            Split::Sums([Some(part(Part::Months)), Some(part(Part::Days)), Some(part(Part::Time)), count])
        }
        _ => own.map_or(Split::Not, |stock| Split::Same(call(stock, args.to_vec(), distinct))),
    }
}

/// Shows the columns of the node below as those of the node that it stands for.
fn project(below: LogicalPlan, shown: &[Shown], schema: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    let column = |index: usize| Expr::Column(Column::from(below.schema().qualified_field(index)));
    let integer = |value: Option<i64>| Expr::Literal(ScalarValue::Int64(value), None);
    let mut exprs = Vec::with_capacity(shown.len());
    for (shown, (qualifier, field)) in shown.iter().zip(schema.iter()) {
        let expr = match shown {
            Shown::Column(index) => {
                let (below_qualifier, below_field) = below.schema().qualified_field(*index);
                if below_qualifier == qualifier && below_field.name() == field.name() {
                    exprs.push(column(*index));
                    continue;
                }
                column(*index)
            }
            Shown::Rank(index) => Part::OfRank.call(vec![column(*index)]),
            Shown::Group(length, rank) => {
                // A group that is rolled up has a least interval all the same.
                let null = Expr::Literal(ScalarValue::try_from(&INTERVAL)?, None);
                when(column(*length).is_null(), null).otherwise(Part::OfRank.call(vec![column(*rank)]))?
            }
            Shown::Counts(sum, count, data_type) => {
                let number = count.map_or_else(|| integer(Some(1)), column);
                // PostgreSQL has no nanoseconds: what has none stays without.
                let is_fine = matches!(data_type, DataType::Duration(TimeUnit::Nanosecond));
                let step = integer(Some(if is_fine { 1_000 } else { 1 }));
                cast(Part::Quotient.call(vec![column(*sum), number, step]), data_type.clone())
            }
            Shown::Sums([months, days, times, count]) => {
                let part =
                    |part: &Option<usize>, otherwise: Option<i64>| part.map_or_else(|| integer(otherwise), column);
                // Without a sum of days, they are taken out of that of times.
                let sums = vec![part(months, Some(0)), part(days, None), part(times, None)];
                match count {
                    Some(count) => Part::OfAverage.call(sums.into_iter().chain([column(*count)]).collect()),
                    None => Part::OfSums.call(sums),
                }
            }
        };
        exprs.push(expr.alias_qualified(qualifier.cloned(), field.name()));
    }
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(below))?)))
}

/// Gives an expression the name that another has.
fn named(expr: Expr, other: &Expr) -> Expr {
    match other {
        Expr::Alias(alias) => expr.alias_qualified(alias.relation.clone(), alias.name.clone()),
        _ => expr,
    }
}

fn cast(expr: Expr, to: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

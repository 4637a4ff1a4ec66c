//! Moves what is asked of the elements of an unnested JSON array below the unnesting, so that the scan can answer it from leaves.
//!
//! `json_get_str(e, 'type')` of `unnest(json_get_array(data, 'variables', 'events')) as e` needs the text of every document, though it asks
//! for one key. DataFusion's rules bring the call down to just above the unnesting, and no further. This rule runs after them. Below the
//! unnesting it computes the list of what all elements answer (`json_elements_str`), which has as many entries as the array and
//! is null where the array is, unnests that list in place of the array, and lets the call be the unnested column. Optimizer
//! passes that follow bring the new call to the scan.
//!
//! An element that is also used as it is keeps its array, and the plan its shape: its text must be read anyway.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, RecursionUnnestOption, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Filter, Projection, SubqueryAlias, Unnest};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, ScalarUDF};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::window::PREFIX;
use crate::functions::{Asked, elements_function, json_call};

/// The rule of DataFusion after which the projection above an unnesting has the calls that were brought down to it, and elements
/// only where they are used.
const RUNS_AFTER: &str = "optimize_projections";

/// Computes calls on unnested elements below the unnesting.
#[derive(Debug, Default)]
pub struct LeavesOfElements;

impl LeavesOfElements {
    /// Puts the rule into its place among others.
    pub fn among(mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        let place = rules.iter().position(|rule| rule.name() == RUNS_AFTER).map_or(rules.len(), |place| place + 1);
        rules.insert(place, Arc::new(Self));
        rules
    }
}

impl OptimizerRule for LeavesOfElements {
    fn name(&self) -> &str {
        "leaves_of_elements"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if !config.options().optimizer.enable_leaf_expression_pushdown {
            return Ok(Transformed::no(plan));
        }
        let LogicalPlan::Projection(mut projection) = plan else { return Ok(Transformed::no(plan)) };
        let mut changed = false;
        while let LogicalPlan::Unnest(unnest) = projection.input.as_ref() {
            let Some(next) = lists_in_place_of_an_array(&projection, unnest, config)? else { break };
            projection = next;
            changed = true;
        }
        let plan = LogicalPlan::Projection(projection);
        Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) })
    }
}

/// Replaces one unnested array by what is asked of its elements; `None` where there is no such array left.
fn lists_in_place_of_an_array(
    projection: &Projection,
    unnest: &Unnest,
    config: &dyn OptimizerConfig,
) -> Result<Option<Projection>> {
    let input = unnest.input.schema();
    for (index, list) in &unnest.list_type_columns {
        let is_unnested_once = unnest.list_type_columns.iter().filter(|(other, _)| other == index).count() == 1;
        if list.depth != 1 || !is_unnested_once {
            continue;
        }
        let (mut calls, mut expressions) = (Vec::new(), Vec::with_capacity(projection.expr.len()));
        for expr in &projection.expr {
            expressions.push(ask(expr, &list.output_column, &mut calls, config)?);
        }
        let is_used = expressions.iter().any(|expr| expr.column_refs().contains(&list.output_column));
        if calls.is_empty() || is_used {
            continue;
        }
        let array = Column::from(input.qualified_field(*index));
        let Some((below, columns)) = with_lists(&unnest.input, &array, &calls, config)? else { continue };
        let mut options = unnest.options.clone();
        options.recursions.retain(|recursion| recursion.input_column != array);
        let mut unnested: Vec<Column> =
            unnest.exec_columns.iter().filter(|column| **column != array).cloned().collect();
        for (column, call) in columns.iter().zip(calls) {
            unnested.push(column.clone());
            let output_column = Column::new_unqualified(call.answer);
            options.recursions.push(RecursionUnnestOption { input_column: column.clone(), output_column, depth: 1 });
        }
        let unnest = Unnest::try_new(Arc::new(below), unnested, options)?;
        let input = Arc::new(LogicalPlan::Unnest(unnest));
        return Ok(Some(Projection::try_new_with_schema(expressions, input, Arc::clone(&projection.schema))?));
    }
    Ok(None)
}

/// A call on the elements of an array.
struct Call {
    /// The function of the whole array.
    function: Arc<ScalarUDF>,
    /// The keys inside each element.
    inside: Vec<Expr>,
    /// The unnested column that is the answer.
    answer: String,
}

/// Replaces the calls on an element by the columns of their answers, and notes the calls; the name of the expression stays.
fn ask(expr: &Expr, element: &Column, calls: &mut Vec<Call>, config: &dyn OptimizerConfig) -> Result<Expr> {
    let name = NamePreserver::new_for_projection().save(expr);
    let asked = expr.clone().transform_down(|expr| {
        let Some((function, inside)) = called_on(&expr, element) else { return Ok(Transformed::no(expr)) };
        let known = calls.iter().find(|call| call.function == function && call.inside == inside);
        let answer = known.map(|call| call.answer.clone()).unwrap_or_else(|| {
            let answer = config.alias_generator().next(PREFIX);
            calls.push(Call { function, inside, answer: answer.clone() });
            answer
        });
        let column = Expr::Column(Column::new_unqualified(answer));
        Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
    })?;
    Ok(name.restore(asked.data))
}

/// Returns the function of the whole array, and the keys, of a call on an element by literal keys.
fn called_on(expr: &Expr, element: &Column) -> Option<(Arc<ScalarUDF>, Vec<Expr>)> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    let (first, inside) = args.split_first()?;
    let is_of_element = matches!(unaliased(first), Expr::Column(column) if column == element);
    if !is_of_element || inside.is_empty() || !inside.iter().all(is_key) {
        return None;
    }
    Some((elements_function(func.name())?, inside.to_vec()))
}

/// Adds the answers of calls, as lists, to the plan that computes the array; returns it with their columns. `None` where the array is
/// not found to be a call of `json_get_array`.
fn with_lists(
    plan: &LogicalPlan,
    array: &Column,
    calls: &[Call],
    config: &dyn OptimizerConfig,
) -> Result<Option<(LogicalPlan, Vec<Column>)>> {
    Ok(match plan {
        LogicalPlan::Projection(projection) => {
            let index = projection.schema.index_of_column(array)?;
            let (input, added): (Arc<LogicalPlan>, Vec<Expr>) = match unaliased(&projection.expr[index]) {
                Expr::Column(column) => match with_lists(&projection.input, column, calls, config)? {
                    Some((input, columns)) => (Arc::new(input), columns.into_iter().map(Expr::Column).collect()),
                    None => return Ok(None),
                },
                expr => {
                    let Some((document, path)) = array_call(expr, &projection.input)? else { return Ok(None) };
                    let lists = calls.iter().map(|call| {
                        let keys = Expr::Literal(ScalarValue::Int64(i64::try_from(path.len()).ok()), None);
                        let args = [document.clone(), keys].into_iter().chain(path.iter().cloned());
                        let args = args.chain(call.inside.iter().cloned()).collect();
                        call.function.call(args).alias(config.alias_generator().next(PREFIX))
                    });
                    (Arc::clone(&projection.input), lists.collect())
                }
            };
            let first = projection.expr.len();
            let expressions = projection.expr.iter().cloned().chain(added).collect();
            let projection = Projection::try_new(expressions, input)?;
            let columns =
                (first..first + calls.len()).map(|index| Column::from(projection.schema.qualified_field(index)));
            let columns = columns.collect();
            Some((LogicalPlan::Projection(projection), columns))
        }
        LogicalPlan::Filter(filter) => match with_lists(&filter.input, array, calls, config)? {
            Some((input, columns)) => {
                let filter = Filter::try_new(filter.predicate.clone(), Arc::new(input))?;
                Some((LogicalPlan::Filter(filter), columns))
            }
            None => None,
        },
        LogicalPlan::SubqueryAlias(alias) => {
            let index = alias.schema.index_of_column(array)?;
            let below = Column::from(alias.input.schema().qualified_field(index));
            match with_lists(&alias.input, &below, calls, config)? {
                Some((input, columns)) => {
                    let qualified =
                        columns.into_iter().map(|column| Column::new(Some(alias.alias.clone()), column.name)).collect();
                    let alias = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?;
                    Some((LogicalPlan::SubqueryAlias(alias), qualified))
                }
                None => None,
            }
        }
        _ => None,
    })
}

/// Returns the document and the path of a call of `json_get_array` on text, by literal steps.
fn array_call(expr: &Expr, input: &LogicalPlan) -> Result<Option<(Expr, Vec<Expr>)>> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return Ok(None) };
    let is_array = json_call(func.name()).is_some_and(|call| call.asked == Asked::Array);
    let Some((document, path)) = args.split_first().filter(|_| is_array) else { return Ok(None) };
    let is_text =
        matches!(document.get_type(input.schema())?, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_index = |step: &Expr| matches!(step, Expr::Literal(ScalarValue::Int64(Some(_)), _));
    let is_literal = path.iter().all(|step| is_key(step) || is_index(step));
    Ok((is_text && is_literal).then(|| (document.clone(), path.to_vec())))
}

fn is_key(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(value, _) if matches!(value.try_as_str(), Some(Some(_))))
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

//! Two lists of one value, of which DataFusion 55.2 makes one as if nothing were null.
//!
//! `simplify_expressions` puts `x in (…)` and `x not in (…)` of the same `x` together, by what their lists share. Where that is nothing, the whole becomes true or
//! false, though it is null where `x` is; and a null in a list is dealt with as a value. So before the rule runs, two lists that it would put together that way
//! are asked only where `x` is not null, and a null goes out of its list. `x in (…) or x in (…)`, and the same of `not in` with `and`, stay: what the rule makes of these
//! is right. So do lists without nulls that a filter asks for together, which leaves out a row for null as for false.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, lit, when};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::around::{Rule, around, run};

/// Keeps lists apart where a rule would put them together wrongly.
///
/// # Errors
/// As [`around`].
pub fn lists_apart(rules: Vec<Rule>) -> Result<Vec<Rule>> {
    around(rules, &[("simplify_expressions", ())], |rule, ()| Arc::new(ListsApart(rule)))
}

/// A rule of DataFusion, run over expressions whose lists it can put together.
#[derive(Debug)]
struct ListsApart(Rule);

impl OptimizerRule for ListsApart {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let apart = plan.transform_down_with_subqueries(node)?;
        let done = run(self.0.as_ref(), apart.data, config)?;
        Ok(Transformed::new(done.data, done.transformed || apart.transformed, TreeNodeRecursion::Continue))
    }
}

fn node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut has_two = false;
    node.apply_expressions(|expr| {
        expr.apply(|part| {
            has_two |= matches!(part, Expr::BinaryExpr(binary) if pair(binary).is_some());
            Ok(if has_two { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    if !has_two {
        return Ok(Transformed::no(node));
    }
    let schema = merge_schema(&node.inputs());
    let (names, is_filter) = (NamePreserver::new(&node), matches!(node, LogicalPlan::Filter(_)));
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let apart = if is_filter { conjunct(expr, &schema)? } else { within(expr, &schema)? };
        Ok(apart.update_data(|expr| name.restore(expr)))
    })
}

/// Keeps lists apart in what a filter asks for, of which null is as good as false.
fn conjunct(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(binary) if binary.op == Operator::And => {
            if pair(&binary).is_some_and(|[one, other]| !one.has_null() && !other.has_null()) {
                return Ok(Transformed::no(Expr::BinaryExpr(binary)));
            }
            if pair(&binary).is_some() {
                return within(Expr::BinaryExpr(binary), schema);
            }
            let (left, right) = (conjunct(*binary.left, schema)?, conjunct(*binary.right, schema)?);
            let is_new = left.transformed || right.transformed;
            Ok(Transformed::new(left.data.and(right.data), is_new, TreeNodeRecursion::Continue))
        }
        other => within(other, schema),
    }
}

/// Keeps all lists in an expression apart.
fn within(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| {
        let Expr::BinaryExpr(binary) = &part else { return Ok(Transformed::no(part)) };
        let Some([one, other]) = pair(binary) else { return Ok(Transformed::no(part)) };
        if one.has_null() || other.has_null() {
            let [left, right] = [&binary.left, &binary.right].map(|side| without_null(side));
            return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                left: Box::new(left),
                op: binary.op,
                right: Box::new(right),
            })));
        }
        let value = one.value.clone();
        if value.is_volatile() || !value.nullable(schema).unwrap_or(true) {
            return Ok(Transformed::no(part));
        }
        let nothing = lit(ScalarValue::Boolean(None));
        Ok(Transformed::yes(when(value.is_null(), nothing).otherwise(part)?))
    })
}

/// A value that is looked for in a list.
struct Listed<'a> {
    value: &'a Expr,
    items: Vec<&'a Expr>,
    negated: bool,
}

impl<'a> Listed<'a> {
    /// Returns what a side of `and` or `or` looks for: it is a list, becomes one, or is the contrary of one.
    fn of(side: &'a Expr) -> Option<Self> {
        match side {
            Expr::InList(InList { expr, list, negated }) => {
                Some(Self { value: expr, items: list.iter().collect(), negated: *negated })
            }
            Expr::Not(inner) => Self::of(inner).map(|inner| Self { negated: !inner.negated, ..inner }),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
                (value @ Expr::Column(_), item @ Expr::Literal(..))
                | (item @ Expr::Literal(..), value @ Expr::Column(_)) => {
                    Some(Self { value, items: vec![item], negated: false })
                }
                _ => None,
            },
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let (mut left, right) = (Self::of(left)?, Self::of(right)?);
                left.items.extend(right.items);
                (left.value == right.value && !left.negated && !right.negated).then_some(left)
            }
            _ => None,
        }
    }

    fn has_null(&self) -> bool {
        self.items.iter().any(|item| is_null(item))
    }
}

/// Returns the two lists of one value that an expression joins, where they would be put together wrongly.
fn pair(binary: &BinaryExpr) -> Option<[Listed<'_>; 2]> {
    if !matches!(binary.op, Operator::And | Operator::Or) {
        return None;
    }
    let (one, other) = (Listed::of(&binary.left)?, Listed::of(&binary.right)?);
    // Of these the list that is made has all of both.
    let is_union = one.negated == other.negated && one.negated == (binary.op == Operator::And);
    // One value each: nothing is put together.
    let is_plain = one.items.len() == 1 && other.items.len() == 1 && !one.negated && !other.negated;
    (one.value == other.value && !is_union && !is_plain).then_some([one, other])
}

/// Says whether an item is a null, which coercion may have given a type.
fn is_null(item: &Expr) -> bool {
    match item {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        _ => false,
    }
}

/// Takes the nulls out of a list: what is not found beside one is null.
fn without_null(side: &Expr) -> Expr {
    match side {
        Expr::Not(inner) => !without_null(inner),
        Expr::InList(InList { expr, list, negated }) => {
            let (nulls, list): (Vec<Expr>, Vec<Expr>) = list.iter().cloned().partition(is_null);
            let nothing = lit(ScalarValue::Boolean(None));
            let found = match list.is_empty() {
                true => return nothing,
                false => Expr::InList(InList { expr: expr.clone(), list, negated: *negated }),
            };
            match (nulls.is_empty(), negated) {
                (true, _) => found,
                (false, false) => found.or(nothing),
                (false, true) => found.and(nothing),
            }
        }
        other => other.clone(),
    }
}

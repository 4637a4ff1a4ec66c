//! Expressions.

use super::super::fault::{Fault, MANY_ROWS, Result};
use super::super::plan::{Node, Operator, Query};
use super::super::value::{List, Value};
use super::{Frame, Run, operators};

impl Run<'_> {
    /// Computes an expression.
    pub(super) fn eval(&self, node: &Node, frame: Option<&Frame<'_>>) -> Result<Value> {
        self.step()?;
        Ok(match node {
            Node::Constant(value) => value.clone(),
            Node::Parameter(number) => self.parameter(*number),
            Node::Slot { up, at } => slot(frame, *up, *at),
            Node::Aggregate(number) => pick(frame.map(|frame| frame.aggregates), *number),
            Node::Window(number) => pick(frame.map(|frame| frame.windows), *number),
            Node::Set(number) => pick(frame.map(|frame| frame.sets), *number),
            Node::Call(routine, arguments) => {
                let arguments = arguments.iter().map(|node| self.eval(node, frame)).collect::<Result<Vec<_>>>()?;
                if routine.strict && arguments.iter().any(Value::is_null) {
                    return Ok(Value::Null);
                }
                self.made((routine.run)(self, &arguments)?)?
            }
            Node::Binary(operator, left, right) => {
                let left = self.eval(left, frame)?;
                // Rows are compared although parts of them are null.
                if left.is_null() && !matches!(operator, Operator::Join) {
                    return Ok(Value::Null);
                }
                let right = self.eval(right, frame)?;
                self.made(operators::apply(self, *operator, &left, &right)?)?
            }
            Node::And(nodes) => {
                let mut unknown = false;
                for node in nodes {
                    match self.eval(node, frame)? {
                        Value::Bool(false) => return Ok(Value::Bool(false)),
                        Value::Bool(true) => {}
                        _ => unknown = true,
                    }
                }
                if unknown { Value::Null } else { Value::Bool(true) }
            }
            Node::Or(nodes) => {
                let mut unknown = false;
                for node in nodes {
                    match self.eval(node, frame)? {
                        Value::Bool(true) => return Ok(Value::Bool(true)),
                        Value::Bool(false) => {}
                        _ => unknown = true,
                    }
                }
                if unknown { Value::Null } else { Value::Bool(false) }
            }
            Node::Not(inner) => match self.eval(inner, frame)? {
                Value::Bool(truth) => Value::Bool(!truth),
                _ => Value::Null,
            },
            Node::Minus(inner) => match self.eval(inner, frame)? {
                Value::Int(number) => Value::Int(number.saturating_neg()),
                Value::Float(number) => Value::Float(-number),
                _ => Value::Null,
            },
            Node::IsNull(inner) => Value::Bool(match self.eval(inner, frame)? {
                Value::Row(row) => row.iter().all(Value::is_null),
                value => value.is_null(),
            }),
            Node::IsTruth(inner, wanted) => Value::Bool(self.eval(inner, frame)?.as_bool() == Some(*wanted)),
            Node::Differ(left, right) => Value::Bool(self.eval(left, frame)? != self.eval(right, frame)?),
            Node::Cast(inner, from, to) => {
                let value = self.eval(inner, frame)?;
                self.made(self.cast(&value, *from, *to)?)?
            }
            Node::Case(conditions, otherwise) => {
                for (condition, result) in conditions {
                    if self.eval(condition, frame)?.is_true() {
                        return self.eval(result, frame);
                    }
                }
                self.eval(otherwise, frame)?
            }
            Node::Coalesce(nodes) => {
                for node in nodes {
                    let value = self.eval(node, frame)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Node::List(nodes) => {
                self.made(Value::list(nodes.iter().map(|node| self.eval(node, frame)).collect::<Result<Vec<_>>>()?))?
            }
            Node::Row(nodes) => {
                Value::Row(nodes.iter().map(|node| self.eval(node, frame)).collect::<Result<Vec<_>>>()?.into())
            }
            Node::Index(list, index) => {
                let (list, index) = (self.eval(list, frame)?, self.eval(index, frame)?);
                match (list.as_list(), index.as_int()) {
                    (Some(list), Some(index)) => {
                        let at = index.checked_sub(list.first).and_then(|at| usize::try_from(at).ok());
                        at.and_then(|at| list.items.get(at)).cloned().unwrap_or(Value::Null)
                    }
                    _ => Value::Null,
                }
            }
            Node::Slice(list, lower, upper) => {
                let value = self.eval(list, frame)?;
                let Some(list) = value.as_list() else { return Ok(Value::Null) };
                let bound = |bound: &Option<Box<Node>>, otherwise: i64| -> Result<Option<i64>> {
                    let Some(bound) = bound else { return Ok(Some(otherwise)) };
                    Ok(self.eval(bound, frame)?.as_int())
                };
                let (Some(from), Some(to)) = (bound(lower, i64::MIN)?, bound(upper, i64::MAX)?) else {
                    return Ok(Value::Null);
                };
                let numbered = (list.first..).zip(&list.items).filter(|(at, _)| (from..=to).contains(at));
                Value::list(numbered.map(|(_, item)| item.clone()).collect())
            }
            Node::Field(row, field) => match self.eval(row, frame)? {
                Value::Row(row) => row.get(*field).cloned().unwrap_or(Value::Null),
                _ => Value::Null,
            },
            Node::Elements { left, operator, list, all } => {
                let (left, list) = (self.eval(left, frame)?, self.eval(list, frame)?);
                match list.as_list() {
                    Some(List { items, .. }) => self.quantified(&left, *operator, items.iter(), *all)?,
                    None => Value::Null,
                }
            }
            Node::Scalar(query) => {
                let rows = self.shared(query, frame)?;
                if rows.len() > 1 {
                    return Err(Fault::new(
                        MANY_ROWS,
                        "more than one row returned by a subquery used as an expression",
                    ));
                }
                rows.first().and_then(|row| row.first()).cloned().unwrap_or(Value::Null)
            }
            Node::Exists(query) => Value::Bool(!self.shared(query, frame)?.is_empty()),
            Node::Collected(query) => {
                let rows = self.shared(query, frame)?;
                self.made(Value::list(rows.iter().map(|row| row.first().cloned().unwrap_or(Value::Null)).collect()))?
            }
            Node::Rows { left, operator, query, all } => {
                let left = self.eval(left, frame)?;
                self.rows_of(&left, *operator, query, *all, frame)?
            }
        })
    }

    fn rows_of(
        &self,
        left: &Value,
        operator: Operator,
        query: &Query,
        all: bool,
        frame: Option<&Frame<'_>>,
    ) -> Result<Value> {
        if operator == Operator::Equal && !all && !query.correlated && query.columns.len() == 1 {
            let among = self.among(query, frame)?;
            let (values, has_null) = among.as_ref();
            return Ok(match left {
                Value::Null if values.is_empty() && !has_null => Value::Bool(false),
                Value::Null => Value::Null,
                left if values.contains(left) => Value::Bool(true),
                _ if *has_null => Value::Null,
                _ => Value::Bool(false),
            });
        }
        let rows = self.shared(query, frame)?;
        let values = rows.iter().map(|row| match (left, row.as_slice()) {
            (Value::Row(_), row) => Value::Row(row.to_vec().into()),
            (_, row) => row.first().cloned().unwrap_or(Value::Null),
        });
        let values: Vec<Value> = values.collect();
        self.quantified(left, operator, values.iter(), all)
    }

    /// Asks an operator of a value and any of others, or all of them.
    fn quantified<'v>(
        &self,
        left: &Value,
        operator: Operator,
        values: impl Iterator<Item = &'v Value>,
        all: bool,
    ) -> Result<Value> {
        let mut unknown = false;
        for value in values {
            self.step()?;
            match operators::apply(self, operator, left, value)? {
                Value::Bool(truth) if truth != all => return Ok(Value::Bool(!all)),
                Value::Bool(_) => {}
                _ => unknown = true,
            }
        }
        Ok(if unknown { Value::Null } else { Value::Bool(all) })
    }
}

fn pick(values: Option<&[Value]>, number: usize) -> Value {
    values.and_then(|values| values.get(number)).cloned().unwrap_or(Value::Null)
}

fn slot(frame: Option<&Frame<'_>>, up: usize, at: usize) -> Value {
    let mut frame = frame;
    for _ in 0..up {
        frame = frame.and_then(|frame| frame.outer);
    }
    let Some(frame) = frame else { return Value::Null };
    let in_tail = at.checked_sub(frame.tail_at).and_then(|at| frame.tail.get(at));
    in_tail.or_else(|| frame.row.get(at)).cloned().unwrap_or(Value::Null)
}

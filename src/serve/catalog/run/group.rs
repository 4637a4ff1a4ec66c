//! GROUP BY, aggregates and window functions.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::super::fault::{Fault, OUT_OF_RANGE, Result, fitting_text};
use super::super::functions;
use super::super::plan::{Aggregate, Gather, Key, Rank, Select};

use super::super::value::Value;
use super::{Cells, Frame, Run, compared_keys};

/// A row that stands for a group, and the values of the aggregates.
pub(super) type Grouped = (Cells, Vec<Value>);

impl Run<'_> {
    /// Groups rows and computes the aggregates. What is not grouped by is that of the first row.
    pub(super) fn grouped(&self, select: &Select, rows: Vec<Cells>, outer: Option<&Frame<'_>>) -> Result<Vec<Grouped>> {
        let mut by_key: HashMap<Cells, usize> = HashMap::new();
        let mut groups: Vec<Vec<Cells>> = Vec::new();
        if select.groups.is_empty() {
            groups.push(rows);
        } else {
            for row in rows {
                let frame = Frame::of(&row, outer);
                let key = select.groups.iter().map(|node| self.eval(node, Some(&frame))).collect::<Result<Cells>>()?;
                let at = *by_key.entry(key).or_insert(groups.len());
                match groups.get_mut(at) {
                    Some(group) => group.push(row),
                    None => groups.push(vec![row]),
                }
            }
        }
        let mut grouped = Vec::new();
        for group in groups {
            let rows: Vec<&[Value]> = group.iter().map(Vec::as_slice).collect();
            let mut values = Vec::new();
            for aggregate in &select.aggregates {
                values.push(self.aggregate(aggregate, &rows, &[], outer)?);
            }
            let first = group.into_iter().next().unwrap_or_else(|| vec![Value::Null; select.width]);
            let frame = Frame { aggregates: &values, ..Frame::of(&first, outer) };
            let is_kept = match &select.having {
                Some(having) => self.eval(having, Some(&frame))?.is_true(),
                None => true,
            };
            if is_kept {
                grouped.push((first, values));
            }
        }
        Ok(grouped)
    }

    fn keys(&self, keys: &[Key], frame: &Frame<'_>) -> Result<Cells> {
        keys.iter().map(|key| self.eval(&key.node, Some(frame))).collect()
    }

    fn aggregate(
        &self,
        aggregate: &Aggregate,
        rows: &[&[Value]],
        aggregates: &[&[Value]],
        outer: Option<&Frame<'_>>,
    ) -> Result<Value> {
        let mut taken: Vec<(Cells, Cells)> = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            self.step()?;
            let aggregates = aggregates.get(number).copied().unwrap_or_default();
            let frame = Frame { aggregates, ..Frame::of(row, outer) };
            if let Some(filter) = &aggregate.filter
                && !self.eval(filter, Some(&frame))?.is_true()
            {
                continue;
            }
            let values =
                aggregate.arguments.iter().map(|node| self.eval(node, Some(&frame))).collect::<Result<Cells>>()?;
            taken.push((self.keys(&aggregate.order, &frame)?, values));
        }
        taken.sort_by(|(a, _), (b, _)| compared_keys(a, b, &aggregate.order));
        let keeps_nulls = matches!(aggregate.how, Gather::List | Gather::Json(_)) || aggregate.arguments.is_empty();
        let mut values: Vec<Cells> = taken
            .into_iter()
            .map(|(_, values)| values)
            .filter(|values| keeps_nulls || values.first().is_some_and(|value| !value.is_null()))
            .collect();
        if aggregate.distinct {
            let mut seen = HashSet::new();
            values.retain(|values| seen.insert(values.clone()));
            if aggregate.order.is_empty() {
                values.sort();
            }
        }
        self.made(gather(aggregate.how, values)?)
    }

    /// Computes the window functions of every row.
    pub(super) fn windows(&self, select: &Select, groups: &[Grouped], outer: Option<&Frame<'_>>) -> Result<Vec<Cells>> {
        if select.windows.is_empty() {
            return Ok(Vec::new());
        }
        let mut computed = vec![vec![Value::Null; select.windows.len()]; groups.len()];
        for (number, window) in select.windows.iter().enumerate() {
            let mut parts: HashMap<Cells, Vec<(Cells, usize)>> = HashMap::new();
            for (at, (row, aggregates)) in groups.iter().enumerate() {
                let frame = Frame { aggregates, ..Frame::of(row, outer) };
                let part =
                    window.partition.iter().map(|node| self.eval(node, Some(&frame))).collect::<Result<Cells>>()?;
                parts.entry(part).or_default().push((self.keys(&window.order, &frame)?, at));
            }
            for mut part in parts.into_values() {
                part.sort_by(|(a, _), (b, _)| compared_keys(a, b, &window.order));
                let (mut rank, mut dense, mut before): (i64, i64, Option<&Cells>) = (0, 0, None);
                for (at, (keys, row)) in part.iter().enumerate() {
                    let number_of_row = i64::try_from(at + 1).unwrap_or(i64::MAX);
                    let is_new =
                        before.is_none_or(|before| compared_keys(before, keys, &window.order) != Ordering::Equal);
                    if is_new {
                        (rank, dense) = (number_of_row, dense + 1);
                    }
                    before = Some(keys);
                    let value = match &window.how {
                        Rank::Number => Value::Int(number_of_row),
                        Rank::First => Value::Int(rank),
                        Rank::Dense => Value::Int(dense),
                        Rank::Aggregate(aggregate) => {
                            let is_peer = |other: &Cells| {
                                window.order.is_empty()
                                    || compared_keys(other, keys, &window.order) != Ordering::Greater
                            };
                            let seen = part.iter().filter(|(other, _)| is_peer(other));
                            let seen: Vec<&Grouped> = seen.filter_map(|(_, at)| groups.get(*at)).collect();
                            let rows: Vec<&[Value]> = seen.iter().map(|(row, _)| row.as_slice()).collect();
                            let aggregates: Vec<&[Value]> = seen.iter().map(|(_, values)| values.as_slice()).collect();
                            self.aggregate(aggregate, &rows, &aggregates, outer)?
                        }
                    };
                    if let Some(cell) = computed.get_mut(*row).and_then(|cells| cells.get_mut(number)) {
                        *cell = value;
                    }
                }
            }
        }
        Ok(computed)
    }
}

fn gather(how: Gather, values: Vec<Cells>) -> Result<Value> {
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
    let first = || values.iter().filter_map(|values| values.first());
    Ok(match how {
        Gather::Count => Value::Int(count),
        _ if values.is_empty() => Value::Null,
        Gather::Least => first().min().cloned().unwrap_or(Value::Null),
        Gather::Greatest => first().max().cloned().unwrap_or(Value::Null),
        Gather::Sum | Gather::Average => {
            let float: f64 = first().map(number).sum();
            let whole = first().try_fold(0_i64, |sum, value| match value {
                Value::Int(number) => sum.checked_add(*number).ok_or(true),
                _ => Err(false),
            });
            match (how, whole) {
                (Gather::Average, _) => Value::Float(float / count as f64),
                (_, Ok(whole)) => Value::Int(whole),
                (_, Err(true)) => return Err(Fault::new(OUT_OF_RANGE, "bigint out of range")),
                (_, Err(false)) => Value::Float(float),
            }
        }
        Gather::List => Value::list(first().cloned().collect()),
        Gather::Text => {
            let mut text = String::new();
            for (at, values) in values.iter().enumerate() {
                let piece = |at: usize| values.get(at).and_then(Value::as_text).unwrap_or_default();
                if at > 0 {
                    text.push_str(piece(1));
                }
                text.push_str(piece(0));
                fitting_text(text.len())?;
            }
            Value::from(text)
        }
        Gather::All => Value::Bool(first().all(Value::is_true)),
        Gather::Any => Value::Bool(first().any(Value::is_true)),
        Gather::Json(kind) => {
            let mut text = String::from("[");
            for value in first() {
                text.push_str(if text.len() > 1 { ", " } else { "" });
                functions::push_json(&mut text, value, kind)?;
            }
            Value::from(text + "]")
        }
    })
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        _ => 0.0,
    }
}

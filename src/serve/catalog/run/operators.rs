//! Operators between two values.

use std::cmp::Ordering;

use super::super::fault::{BY_ZERO, Fault, OUT_OF_RANGE, Result, fitting_text};
use super::super::plan::Operator;
use super::super::value::Value;
use super::Run;

/// Computes an operator; null where a side is.
pub(super) fn apply(run: &Run<'_>, operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    if operator == Operator::Join {
        return join(run, left, right);
    }
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    Ok(match operator {
        Operator::Equal
        | Operator::NotEqual
        | Operator::Less
        | Operator::AtMost
        | Operator::Greater
        | Operator::AtLeast => compare(operator, left, right),
        Operator::Matches { any_case, negated } => match (left, right) {
            (Value::Text(text), Value::Text(pattern)) => {
                Value::Bool(run.pattern(pattern, any_case)?.is_match(text) != negated)
            }
            _ => Value::Null,
        },
        Operator::Like { any_case, negated } => match (left, right) {
            (Value::Text(text), Value::Text(pattern)) if any_case => {
                Value::Bool(like(&text.to_lowercase(), &pattern.to_lowercase()) != negated)
            }
            (Value::Text(text), Value::Text(pattern)) => Value::Bool(like(text, pattern) != negated),
            _ => Value::Null,
        },
        Operator::StartsWith => match (left, right) {
            (Value::Text(text), Value::Text(start)) => Value::Bool(text.starts_with(start.as_ref())),
            _ => Value::Null,
        },
        Operator::Concat => match (left, right) {
            (Value::Text(a), Value::Text(b)) => {
                fitting_text(a.len() + b.len())?;
                Value::from(format!("{a}{b}"))
            }
            _ => Value::Null,
        },
        Operator::Contains => lists(left, right, |a, b| b.iter().all(|item| a.contains(item))),
        Operator::Within => lists(left, right, |a, b| a.iter().all(|item| b.contains(item))),
        Operator::Overlaps => lists(left, right, |a, b| a.iter().any(|item| b.contains(item))),
        _ => arithmetic(operator, left, right)?,
    })
}

fn lists(left: &Value, right: &Value, asked: impl Fn(&[Value], &[Value]) -> bool) -> Value {
    match (left.as_list(), right.as_list()) {
        (Some(a), Some(b)) => Value::Bool(asked(&a.items, &b.items)),
        _ => Value::Null,
    }
}

fn join(run: &Run<'_>, left: &Value, right: &Value) -> Result<Value> {
    let items: Vec<Value> = match (left, right) {
        (Value::List(a), Value::List(b)) => a.items.iter().chain(&b.items).cloned().collect(),
        (Value::List(a), Value::Null) => a.items.clone(),
        (Value::Null, Value::List(b)) => b.items.clone(),
        (Value::List(a), item) => a.items.iter().chain([item]).cloned().collect(),
        (item, Value::List(b)) => [item].into_iter().chain(&b.items).cloned().collect(),
        _ => return Ok(Value::Null),
    };
    run.bounded(items.len(), 1)?;
    Ok(Value::list(items))
}

fn compare(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Value::Row(a), Value::Row(b)) = (left, right) {
        let is_known = a.iter().chain(b.iter()).all(|value| !value.is_null());
        let differ = a.iter().zip(b.iter()).any(|(a, b)| !a.is_null() && !b.is_null() && a != b);
        match operator {
            Operator::Equal if differ => return Value::Bool(false),
            Operator::NotEqual if differ => return Value::Bool(true),
            _ if !is_known => return Value::Null,
            _ => {}
        }
    }
    let ordering = left.cmp(right);
    Value::Bool(match operator {
        Operator::Equal => ordering == Ordering::Equal,
        Operator::NotEqual => ordering != Ordering::Equal,
        Operator::Less => ordering == Ordering::Less,
        Operator::AtMost => ordering != Ordering::Greater,
        Operator::Greater => ordering == Ordering::Greater,
        _ => ordering != Ordering::Less,
    })
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    let by_zero = || Fault::new(BY_ZERO, "division by zero");
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            let shift = u32::try_from(*b).ok();
            let number = match operator {
                Operator::Plus => a.checked_add(*b),
                Operator::Minus => a.checked_sub(*b),
                Operator::Times => a.checked_mul(*b),
                Operator::Over | Operator::Modulo if *b == 0 => return Err(by_zero()),
                Operator::Over => a.checked_div(*b),
                Operator::Modulo => a.checked_rem(*b),
                Operator::BitAnd => Some(a & b),
                Operator::BitOr => Some(a | b),
                Operator::ShiftLeft => shift.and_then(|shift| a.checked_shl(shift)),
                Operator::ShiftRight => shift.and_then(|shift| a.checked_shr(shift)),
                _ => None,
            };
            number.map(Value::Int).ok_or_else(|| Fault::new(OUT_OF_RANGE, "bigint out of range"))
        }
        (Value::Float(a), Value::Float(b)) => Ok(match operator {
            Operator::Plus => Value::Float(a + b),
            Operator::Minus => Value::Float(a - b),
            Operator::Times => Value::Float(a * b),
            Operator::Over | Operator::Modulo if *b == 0.0 => return Err(by_zero()),
            Operator::Over => Value::Float(a / b),
            Operator::Modulo => Value::Float(a % b),
            _ => Value::Null,
        }),
        _ => Ok(Value::Null),
    }
}

/// Whether a text is like a pattern of LIKE. Takes time of one times the other, and no more.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut tokens: Vec<Option<Option<char>>> = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '%' => None,
            '_' => Some(None),
            '\\' => Some(Some(characters.next().unwrap_or('\\'))),
            other => Some(Some(other)),
        });
    }
    let fits = |token: &Option<Option<char>>, character: char| match token {
        Some(Some(wanted)) => *wanted == character,
        Some(None) => true,
        None => false,
    };
    let (mut at, mut token) = (0, 0);
    // Where the last % began: what it took is made longer when the rest does not fit.
    let mut last: Option<(usize, usize)> = None;
    while let Some(character) = text.get(at) {
        match tokens.get(token) {
            Some(None) => {
                last = Some((token, at));
                token += 1;
            }
            Some(wanted) if fits(wanted, *character) => {
                at += 1;
                token += 1;
            }
            _ => match &mut last {
                Some((from, taken)) => {
                    *taken += 1;
                    at = *taken;
                    token = *from + 1;
                }
                None => return false,
            },
        }
    }
    tokens.get(token..).unwrap_or_default().iter().all(Option::is_none)
}

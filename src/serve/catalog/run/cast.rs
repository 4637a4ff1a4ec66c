//! Values as other types.

use super::super::fault::{Fault, MISMATCH, Result, fitting_text};
use super::super::types::{Held, Type, sql_name};
use super::super::value::{self, List, Value};
use super::Run;

impl Run<'_> {
    /// Brings a value to another type.
    ///
    /// # Errors
    /// A text that is none of the type; an object that is not there; a number beyond the type.
    pub(super) fn cast(&self, value: &Value, from: Type, to: Type) -> Result<Value> {
        let catalog = self.catalog;
        let text = |value: &Value| value::write(value, from, &|oid, kind| catalog.reference(oid, kind));
        if matches!(value, Value::List(_) | Value::Row(_)) {
            fitting_text(value.weight())?;
        }
        Ok(match (value, to.held()) {
            (Value::Null, _) => Value::Null,
            // The name of an object.
            (Value::Text(name), Held::Int) if to.is_reference() => catalog.referred(name, to)?,
            (Value::Text(text), held) if held != Held::Text => value::read(text, to)?,
            (value, Held::Text) => {
                let text = text(value);
                match to {
                    Type::CHAR => Value::from(text.chars().take(1).collect::<String>()),
                    // What bool is cast to text is written in full.
                    _ => match value {
                        Value::Bool(truth) => Value::from(truth.to_string()),
                        Value::Text(text) => Value::Text(text.clone()),
                        _ => Value::from(text),
                    },
                }
            }
            (Value::Int(number), Held::Int) => value::fitting(*number, to)?,
            (Value::Int(number), Held::Float) => Value::Float(*number as f64),
            (Value::Int(number), Held::Bool) => Value::Bool(*number != 0),
            (Value::Bool(truth), Held::Int) => Value::Int(i64::from(*truth)),
            (Value::Float(number), Held::Int) => {
                let whole = number.round_ties_even();
                if whole.abs() < 9e18 {
                    value::fitting(whole as i64, to)?
                } else {
                    value::fitting(i64::MAX, Type::INT4)?
                }
            }
            (Value::List(list), Held::List) => {
                let (from, to) = (from.element().unwrap_or(Type::TEXT), to.element().unwrap_or(Type::TEXT));
                let items = list.items.iter().map(|item| self.cast(item, from, to)).collect::<Result<_>>()?;
                Value::List(std::sync::Arc::new(List { first: list.first, items }))
            }
            (Value::Bool(_), Held::Bool)
            | (Value::Float(_), Held::Float)
            | (Value::Instant(_), Held::Instant)
            | (Value::Row(_), Held::Row) => value.clone(),
            _ => {
                let (from, to) = (sql_name(from.0, None), sql_name(to.0, None));
                return Err(Fault::new(MISMATCH, format!("cannot cast type {from} to {to}")));
            }
        })
    }
}

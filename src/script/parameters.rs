//! Typed parameters: what a header declares, and the values that take their place.
//!
//! A value is bound as a typed value and never becomes part of the SQL text, so nothing in it can be read as SQL. A file that
//! declares parameters must declare each one that it uses; a file that declares none (such as SQL on the command line) takes
//! whatever is given: text as text, and values from JSON by their JSON type.
//!
//! `$time_zone` and `$as_of` are always known: where the header does not declare them they come from the clock, so that one
//! flag sets the zone and the instant of every file of a run.

use std::collections::BTreeMap;

use datafusion::common::{ParamValues, ScalarValue};
use serde_json::Value;

use super::moment::Clock;
use super::source::{Spot, sql_error};
use super::value::{self, ParameterType};
use super::{Script, names};
use crate::error::{Error, Result};

/// The default of a parameter, as written in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultText {
    /// The word `null`: the parameter is null unless given.
    Null,
    /// Any other text, read by the type of the parameter when it is bound. Quotes around it are already taken off.
    Text(String),
}

impl DefaultText {
    /// Reads what stands after the `=`: `null`, a text in single quotes, or any other text as it is.
    pub(super) fn read(written: &str) -> Self {
        if written.eq_ignore_ascii_case("null") {
            return Self::Null;
        }
        let inner = written.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        // A quote inside that is not doubled means that these quotes are no pair: 'a' or 'b'.
        match inner {
            Some(inner) if !inner.replace("''", "").contains('\'') => Self::Text(inner.replace("''", "'")),
            _ => Self::Text(written.to_owned()),
        }
    }
}

/// One `-- param: name type [= default]` of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name, without `$`; case-sensitive.
    pub name: String,
    /// The type.
    pub data_type: ParameterType,
    /// The default; a parameter without one must be given.
    pub default: Option<DefaultText>,
    /// The line of the declaration, from 1.
    pub line: u64,
    /// What the lines below the declaration say.
    pub description: Option<String>,
}

/// Returns the value of a parameter that every run has: `time_zone`, the IANA name of the zone of local days (text), and
/// `as_of`, the instant that counts as now (timestamp).
fn session_parameter(name: &str, clock: &Clock) -> Option<ScalarValue> {
    match name {
        "time_zone" => Some(ScalarValue::Utf8(Some(clock.time_zone.name().to_owned()))),
        "as_of" => {
            let instant = Some(clock.as_of.timestamp_micros());
            Some(ScalarValue::TimestampMicrosecond(instant, Some("UTC".into())))
        }
        _ => None,
    }
}

/// Says whether a parameter is one that every run has.
fn is_session_parameter(name: &str) -> bool {
    matches!(name, "time_zone" | "as_of")
}

/// Gives every parameter of a script its value, to be passed to `LogicalPlan::with_param_values`.
///
/// `given` holds what the user gave, by name without `$`: a JSON string for text from the command line, any JSON value from a
/// file of parameters. A string is read by the declared type; JSON null is a null of that type. `$time_zone` and `$as_of` come
/// from the clock where the header does not declare them.
///
/// # Errors
/// Usage errors that name parameter, value and type: a parameter without value, a value that does not fit, a name that the
/// script does not have. A SQL error with its place for an undeclared `$name` that is not given.
pub fn bind(script: &Script, given: &BTreeMap<String, Value>, clock: &Clock) -> Result<ParamValues> {
    bind_all(script, given, clock, Missing::Refused)
}

/// Gives the parameters of a statement that every run has, `$time_zone` and `$as_of`, their values.
pub fn bind_session(statement: &super::Statement, clock: &Clock) -> ParamValues {
    let known = statement.placeholders().filter_map(|name| Some((name.to_owned(), session_parameter(name, clock)?)));
    known.collect::<Vec<_>>().into()
}

/// Gives every parameter a value as [`bind`] does, and a null of its type where there is none: enough to plan a script that
/// is not run.
///
/// # Errors
/// As [`bind`], without those about missing values.
pub fn bind_for_plan(script: &Script, given: &BTreeMap<String, Value>, clock: &Clock) -> Result<ParamValues> {
    bind_all(script, given, clock, Missing::Null)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Refused,
    Null,
}

fn bind_all(script: &Script, given: &BTreeMap<String, Value>, clock: &Clock, missing: Missing) -> Result<ParamValues> {
    let declared = &script.header.parameters;
    let mut values: Vec<(String, ScalarValue)> = Vec::new();
    for parameter in declared {
        let kind = parameter.data_type;
        let bad = |shown: &str, reason: &str| {
            Error::usage(format!("parameter {:?} is {shown}, which is no {}", parameter.name, kind.name()))
                .with_hint(reason)
        };
        let bound = match (given.get(&parameter.name), &parameter.default) {
            (Some(json), _) => value::from_json(kind, json, clock).map_err(|reason| bad(&shown(json), &reason))?,
            (None, Some(DefaultText::Null)) => value::null(kind),
            (None, Some(DefaultText::Text(text))) => {
                value::from_text(kind, text, clock).map_err(|reason| bad(&format!("{text:?}"), &reason))?
            }
            (None, None) if missing == Missing::Null => value::null(kind),
            (None, None) => {
                let message = format!("parameter {:?} ({}) has no value", parameter.name, kind.name());
                let hint = format!("give it with ⟨param⟩ {}={}", parameter.name, kind.example());
                return Err(Error::usage(message).with_hint(hint));
            }
        };
        values.push((parameter.name.clone(), bound));
    }
    for name in script.statements.iter().flat_map(super::Statement::placeholders) {
        if values.iter().any(|(known, _)| known == name) {
            continue;
        }
        if let Some(value) = session_parameter(name, clock) {
            values.push((name.to_owned(), value));
        }
    }
    if let Some(name) = given.keys().find(|name| is_session_parameter(name) && script.header.parameter(name).is_none())
    {
        // Two ways to say it could disagree, and the zone that parameters are counted in would be a third.
        return Err(Error::usage(format!("parameter {name:?} comes from the run and cannot be given"))
            .with_hint(format!("set it with ⟨{}⟩", name.replace('_', "-"))));
    }
    if declared.is_empty() {
        bind_undeclared(script, given, missing, &mut values)?;
    }
    for name in given.keys() {
        if !values.iter().any(|(known, _)| known == name) {
            return Err(unknown(script, name));
        }
    }
    Ok(ParamValues::from(values))
}

fn bind_undeclared(
    script: &Script,
    given: &BTreeMap<String, Value>,
    missing: Missing,
    values: &mut Vec<(String, ScalarValue)>,
) -> Result<()> {
    for (name, token) in script.statements.iter().flat_map(super::Statement::placeholder_tokens) {
        if values.iter().any(|(known, _)| known == name) {
            continue;
        }
        let bound = match given.get(name) {
            Some(json) => value::by_json_type(json).map_err(|reason| {
                Error::usage(format!("parameter {name:?} is {}, which is no value of a parameter", shown(json)))
                    .with_hint(reason)
            })?,
            None if missing == Missing::Null => ScalarValue::Null,
            None => {
                let hint = format!("give it with ⟨param⟩ {name}=…");
                let message = format!("parameter ${name} has no value");
                let spot = Spot::of_token(token);
                return Err(sql_error(&script.file, &script.text, spot, message, Some(hint)).into());
            }
        };
        values.push((name.to_owned(), bound));
    }
    Ok(())
}

fn unknown(script: &Script, name: &str) -> Error {
    let mut known: Vec<&str> = script.header.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    if known.is_empty() {
        known = script.statements.iter().flat_map(super::Statement::placeholders).collect();
        known.sort_unstable();
        known.dedup();
    }
    let hint = names::did_you_mean(name, known.iter().copied()).unwrap_or_else(|| {
        if known.is_empty() { "it has no parameters".to_owned() } else { format!("it has {}", names::list(known)) }
    });
    Error::usage(format!("{} has no parameter {name:?}", script.file)).with_hint(hint)
}

/// Shows a JSON value in a message, cut where it is long.
fn shown(json: &Value) -> String {
    const LONGEST: usize = 80;
    let text = match json {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain(['…']).collect() }
}

/// Refuses placeholders that a declaring header does not declare, and those without a name.
pub(super) fn check_declared(script: &Script) -> Result<()> {
    let declared = &script.header.parameters;
    for (name, token) in script.statements.iter().flat_map(super::Statement::placeholder_tokens) {
        if name.is_empty() {
            let message = "the parameter has no name";
            let hint = Some("write $name".to_owned());
            return Err(sql_error(&script.file, &script.text, Spot::of_token(token), message, hint).into());
        }
        let unknown = script.header.parameter(name).is_none() && !is_session_parameter(name);
        if !declared.is_empty() && unknown {
            let hint = names::did_you_mean(name, declared.iter().map(|parameter| parameter.name.as_str()))
                .unwrap_or_else(|| format!("declare it in the header: -- param: {name} text"));
            let message = format!("parameter ${name} is not declared");
            return Err(sql_error(&script.file, &script.text, Spot::of_token(token), message, Some(hint)).into());
        }
    }
    Ok(())
}

//! What is asked of any text that is read as a SQL file or as the value of a parameter. The fuzz targets call it (`crate::fuzz`).

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::Value;

use super::value::{check, from_json, from_text};
use super::{Clock, ParameterType, bind, bind_for_plan, parse};
use crate::error::Error;
use crate::zones::Tz;

fn clock() -> Clock {
    let as_of = DateTime::from_timestamp_micros(1_795_219_200_000_000).unwrap_or_default();
    Clock { as_of, time_zone: "Europe/Berlin".parse().unwrap_or(Tz::UTC) }
}

/// Errors say what the user does about it; an internal one, or one that cannot be shown, is a mistake of ours.
fn shown(error: &Error) -> Result<(), String> {
    let text = error.to_string();
    match error {
        Error::Internal(_) => Err(format!("an internal error: {text}")),
        Error::Sql(sql) if sql.position.is_some_and(|(line, column)| line == 0 || column == 0) => {
            Err(format!("a place before the text: {text}"))
        }
        _ if text.is_empty() => Err("an error without words".to_owned()),
        _ => Ok(()),
    }
}

/// Takes a text apart as a SQL file: its statements stand in it one behind the other, and each alone is read as one statement with the same parameters.
pub(crate) fn sql(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let script = match parse("fuzz.sql", &text) {
        Ok(script) => script,
        Err(error) => return shown(&error),
    };
    let mut behind = script.text.as_ref();
    for statement in &script.statements {
        let (written, _) = (statement.text(), statement.access());
        let place = behind.find(written).filter(|_| !written.is_empty());
        let place = place.ok_or_else(|| format!("the statement {written:?} is not in its file, or not in order"))?;
        behind = behind.get(place + written.len()..).unwrap_or_default();
        let alone = parse("fuzz.sql", written).map_err(|error| format!("{written:?} alone: {error}"))?;
        let names: Vec<&str> = statement.placeholders().collect();
        match alone.statements.as_slice() {
            [one] if one.placeholders().eq(names.iter().copied()) => {}
            others => return Err(format!("{written:?} alone is {} statements, or has other parameters", others.len())),
        }
    }
    script.unused_parameters().for_each(drop);
    let given: BTreeMap<String, Value> = script
        .header
        .parameters
        .iter()
        .map(|parameter| (parameter.name.clone(), Value::String(text.chars().take(20).collect())))
        .collect();
    for bound in [
        bind(&script, &BTreeMap::new(), &clock()),
        bind(&script, &given, &clock()),
        bind_for_plan(&script, &BTreeMap::new(), &clock()),
    ] {
        if let Err(error) = bound {
            shown(&error)?;
        }
    }
    Ok(())
}

/// Reads a text as a value of every type of parameter: what the check of a header lets pass is read, but for moments beyond the calendar, and a JSON
/// string is read as its text is.
pub(crate) fn parameters(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let json: Option<Value> = serde_json::from_str(&text).ok();
    for kind in [
        ParameterType::Text,
        ParameterType::Integer,
        ParameterType::Float,
        ParameterType::Boolean,
        ParameterType::Date,
        ParameterType::Timestamp,
        ParameterType::Duration,
        ParameterType::TextList,
    ] {
        let (checked, read) = (check(kind, &text), from_text(kind, &text, &clock()));
        let by_clock = matches!(kind, ParameterType::Date | ParameterType::Timestamp);
        if checked.is_ok() != read.is_ok() && !(by_clock && checked.is_ok()) {
            return Err(format!("{kind:?} {text:?}: checked {checked:?}, read {read:?}"));
        }
        let as_string = from_json(kind, &Value::String(text.clone().into_owned()), &clock());
        if as_string != read {
            return Err(format!("{kind:?} {text:?}: {read:?}, and as JSON {as_string:?}"));
        }
        if let Some(json) = &json {
            from_json(kind, json, &clock()).map_or_else(drop, drop);
        }
    }
    Ok(())
}

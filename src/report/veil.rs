//! What a run may say of itself: the values of parameters, the SQL, titles and errors, masked where the results are.
//!
//! A parameter may be the phone number that the run is about. In a redacted run it is bound as it was given, and written nowhere:
//! the manifest has it masked and says that it is hidden, so whoever makes the run again gives it again. What is hidden is also
//! looked for in the SQL, in errors and, names, in the results. No hash of it is kept either: there are too few phone numbers
//! for a hash to hide one.

use std::collections::BTreeMap;

use datafusion::common::{ParamValues, ScalarValue};
use serde_json::Value;

use super::job::Privacy;
use super::redact::Redaction;
use super::spec::{Definition, Report};
use crate::error::{Error, Result, SqlError};
use crate::script::DefaultText;

/// Masks what a run says of one report.
#[derive(Debug, Clone)]
pub struct Veil {
    /// None where nothing is masked.
    redaction: Option<Redaction>,
}

/// A definition as the manifest has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Veiled {
    /// The definition, masked.
    pub definition: Definition,
    /// The parameters that were given and are masked in it.
    pub parameters: Vec<String>,
    /// Whether the SQL is.
    pub sql: Masked,
}

/// Whether a text is the one that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Masked {
    /// It is.
    #[default]
    No,
    /// Something in it is masked.
    Yes,
}

impl Masked {
    /// Says whether nothing is masked.
    pub fn is_no(&self) -> bool {
        *self == Self::No
    }
}

impl Veil {
    /// Makes the veil of a report: it knows the values of its parameters, and the defaults in its header.
    pub fn of(report: &Report, privacy: Privacy) -> Self {
        if privacy == Privacy::Kept {
            return Self { redaction: None };
        }
        let defaults = report.script.header.parameters.iter().filter_map(|parameter| match &parameter.default {
            Some(DefaultText::Text(text)) => Some((parameter.name.as_str(), Value::String(text.clone()))),
            _ => None,
        });
        let given = report.definition.parameters.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let mut redaction = Redaction::standard();
        for (name, value) in given.chain(defaults) {
            for text in texts(&value) {
                redaction = redaction.knowing(name, &text);
            }
        }
        Self { redaction: Some(redaction) }
    }

    /// What hides in the results; none where nothing is hidden.
    pub fn redaction(&self) -> Option<&Redaction> {
        self.redaction.as_ref()
    }

    /// Masks a text.
    pub fn text(&self, text: &str) -> String {
        self.redaction.as_ref().map_or_else(|| text.to_owned(), |redaction| redaction.text(text))
    }

    /// Masks a text that stands under a name.
    fn named(&self, name: &str, text: &str) -> String {
        self.redaction.as_ref().map_or_else(|| text.to_owned(), |redaction| redaction.named(name, text))
    }

    /// Masks what an error says. A line of SQL that changes is left out: the mark below it would stand elsewhere.
    pub fn error(&self, error: Error) -> Error {
        if self.redaction.is_none() {
            return error;
        }
        let text = |text: String| self.text(&text);
        match error {
            Error::Usage { message, hint } => Error::Usage { message: text(message), hint: hint.map(text) },
            Error::Input { place, message, hint } => {
                Error::Input { place, message: text(message), hint: hint.map(text) }
            }
            Error::Sql(error) => {
                let error = *error;
                let source_line = error.source_line.filter(|line| self.text(line) == *line);
                let (message, hint) = (text(error.message), error.hint.map(text));
                SqlError { source_line, message, hint, ..error }.into()
            }
            Error::NotFound { message, hint } => Error::NotFound { message: text(message), hint: hint.map(text) },
            Error::Check { message } => Error::Check { message: text(message) },
            // The cause says in its own words what is masked here.
            Error::Storage { context, message, .. } => {
                Error::Storage { context: text(context), message: text(message), source: None }
            }
            Error::Conflict { message } => Error::Conflict { message: text(message) },
            Error::Limit { message, hint } => Error::Limit { message: text(message), hint: hint.map(text) },
            Error::Internal(message) => Error::Internal(text(message)),
            other => other,
        }
    }

    /// Masks a definition.
    pub fn definition(&self, definition: &Definition) -> Veiled {
        let mut shown = definition.clone();
        let (mut parameters, mut sql) = (Vec::new(), Masked::No);
        if self.redaction.is_some() {
            shown.title = self.text(&definition.title);
            shown.description = definition.description.as_deref().map(|text| self.text(text));
            shown.sql = self.text(&definition.sql);
            if shown.sql != definition.sql {
                sql = Masked::Yes;
            }
            for (name, value) in &mut shown.parameters {
                let masked = self.value(name, value);
                if masked != *value {
                    parameters.push(name.clone());
                    *value = masked;
                }
            }
        }
        Veiled { definition: shown, parameters, sql }
    }

    /// Shows the values of parameters as SQL shows them: those of the header in its order, then others by name.
    pub fn bound(&self, report: &Report, values: &ParamValues) -> Vec<(String, String)> {
        let ParamValues::Map(values) = values else { return Vec::new() };
        let declared = &report.script.header.parameters;
        let place = |name: &str| declared.iter().position(|parameter| parameter.name == name).unwrap_or(usize::MAX);
        let mut shown = Vec::new();
        for (name, value) in values {
            shown.push((name.clone(), self.named(name, &shown_value(&value.value))));
        }
        shown.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
        shown
    }

    fn value(&self, name: &str, value: &Value) -> Value {
        match value {
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(name, item)).collect()),
            Value::Null | Value::Bool(_) => value.clone(),
            Value::String(text) => Value::String(self.named(name, text)),
            Value::Number(_) | Value::Object(_) => {
                let text = value.to_string();
                match self.named(name, &text) {
                    shown if shown == text => value.clone(),
                    shown => Value::String(shown),
                }
            }
        }
    }
}

/// Lists the texts of a value: itself, or those of its items.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null | Value::Bool(_) => Vec::new(),
        Value::String(text) => {
            // A list may be given as one text.
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned);
            let mut all: Vec<String> = items.collect();
            all.push(text.clone());
            all
        }
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Number(_) | Value::Object(_) => vec![value.to_string()],
    }
}

fn shown_value(value: &ScalarValue) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    match value.to_array() {
        Ok(array) => arrow::util::display::array_value_to_string(&array, 0).unwrap_or_else(|_| value.to_string()),
        Err(_) => value.to_string(),
    }
}

/// Gives a report of a manifest the values back that are hidden in it.
///
/// `given` has them by name, or by report and name (`stuck.caller`) where two reports have different ones. Hidden SQL is read
/// from its file. Returns the names that are missing.
///
/// # Errors
/// SQL that is not what it was.
pub fn restored(
    mut definition: Definition,
    hidden: &[String],
    sql: Masked,
    given: &BTreeMap<String, Value>,
) -> Result<(Definition, Vec<String>)> {
    let mut missing = Vec::new();
    for name in hidden {
        match given.get(&format!("{}.{name}", definition.id)).or_else(|| given.get(name)) {
            Some(value) => {
                definition.parameters.insert(name.clone(), value.clone());
            }
            None => missing.push(name.clone()),
        }
    }
    if sql == Masked::Yes && missing.is_empty() {
        let changed = |what: &str| {
            Error::usage(format!("{}: the SQL is masked in the manifest, and its file {what}", definition.file))
                .with_hint("put the file back where it was when the run was made, and start from the same folder")
        };
        let text = std::fs::read_to_string(&definition.file).map_err(|_| changed("cannot be read"))?;
        let whole = Definition { sql: text, ..definition.clone() };
        let read = Report::new(whole.clone())?;
        if Veil::of(&read, Privacy::Redacted).text(&whole.sql) != definition.sql {
            return Err(changed("is not what it was"));
        }
        definition = whole;
    }
    Ok((definition, missing))
}

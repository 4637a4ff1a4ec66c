//! Reads the comment block at the top of a SQL file: `-- key: value` lines.
//!
//! The block is the run of `--` lines, blank lines among them, before the first statement. A line is an entry when its first
//! word ends in a colon; any other line is a plain comment. A line that begins with `--` and two or more blanks continues the
//! entry above it, which is how a description runs over several lines and how a parameter is described. Keys that nobody
//! knows are kept: reports have more of them than a query needs.

use super::parameters::{DefaultText, Parameter};
use super::source::{Spot, sql_error};
use super::value::ParameterType;
use super::{names, value};
use crate::error::{Result, SqlError};

/// What the comment block at the top of a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The `title`: what the result is called.
    pub title: Option<String>,
    /// The `description`, its lines joined by blanks.
    pub description: Option<String>,
    /// The parameters, in the order they are declared.
    pub parameters: Vec<Parameter>,
    /// Every entry in file order, those above included.
    pub entries: Vec<Entry>,
}

impl Header {
    /// Returns the value of the first entry with this key, written in lower case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    /// Returns a declared parameter by name. Names are case-sensitive.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
}

/// One `-- key: value` of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key in lower case.
    pub key: String,
    /// The value with the lines that continue it, trimmed and joined by blanks; may be empty.
    pub value: String,
    /// The line of the key, from 1.
    pub line: u64,
}

/// An entry as it is being read.
struct Open {
    key: String,
    first: String,
    /// Column of the first character of the value, from 1.
    column: usize,
    more: Vec<String>,
    line: u64,
}

/// Reads the header of a file; an empty one where it begins with SQL.
pub(super) fn read(file: &str, text: &str) -> Result<Header> {
    let mut header = Header::default();
    for open in entries(text) {
        let line = open.line;
        let spot = |from: usize, width: usize| Some(Spot::new(line, (open.column + from) as u64, width));
        let width = open.first.chars().count();
        if open.key == "param" {
            let mut parameter = parameter(&open.first, line).map_err(|fault| {
                sql_error(file, text, spot(fault.offset, fault.width), fault.message, Some(fault.hint))
            })?;
            if header.parameter(&parameter.name).is_some() {
                let message = format!("parameter {:?} is declared twice", parameter.name);
                return Err(sql_error(file, text, spot(0, parameter.name.chars().count()), message, None).into());
            }
            parameter.description = (!open.more.is_empty()).then(|| open.more.join(" "));
            header.parameters.push(parameter);
        }
        let mut lines = open.more;
        lines.insert(0, open.first);
        let value = lines.join(" ").trim().to_owned();
        let known = match open.key.as_str() {
            "title" => Some(&mut header.title),
            "description" => Some(&mut header.description),
            _ => None,
        };
        if let Some(known) = known {
            if known.is_some() {
                return Err(twice(file, text, &open.key, Spot::new(line, open.column as u64, width)).into());
            }
            *known = Some(value.clone());
        }
        header.entries.push(Entry { key: open.key, value, line });
    }
    Ok(header)
}

fn twice(file: &str, text: &str, key: &str, spot: Spot) -> SqlError {
    sql_error(file, text, Some(spot), format!("the header gives {key:?} twice"), None)
}

fn entries(text: &str) -> Vec<Open> {
    let mut entries: Vec<Open> = Vec::new();
    // Whether the line above belongs to an entry that this one may continue.
    let mut joined = false;
    for (number, line) in (1..).zip(text.split('\n')) {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            joined = false;
            continue;
        }
        let Some(comment) = trimmed.strip_prefix("--") else { break };
        let blanks = comment.chars().take_while(|c| c.is_whitespace()).count();
        let body = comment.trim();
        if joined && blanks >= 2 && !body.is_empty() {
            if let Some(open) = entries.last_mut() {
                open.more.push(body.to_owned());
            }
            continue;
        }
        match key(body) {
            Some((key, rest)) => {
                let first = rest.trim_start();
                // Counted from the end of the line, where nothing but the trimmed blanks and the value stand.
                let column = line.trim_end().chars().count() - first.chars().count() + 1;
                let key = key.to_lowercase();
                entries.push(Open { key, first: first.to_owned(), column, more: Vec::new(), line: number });
                joined = true;
            }
            None => joined = false,
        }
    }
    entries
}

/// Splits `key: value`. The colon must end the key's word and be followed by a blank or nothing, so that an address such as
/// `https://…` is no entry.
fn key(body: &str) -> Option<(&str, &str)> {
    let (key, rest) = body.split_once(':')?;
    let named = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    (named && (rest.is_empty() || rest.starts_with(char::is_whitespace))).then_some((key, rest))
}

/// What is wrong in a `param` line, `offset` characters into its value.
struct Fault {
    offset: usize,
    width: usize,
    message: String,
    hint: String,
}

const FORM: &str = "write -- param: name type, or -- param: name type = default";

fn parameter(text: &str, line: u64) -> Result<Parameter, Fault> {
    let (declared, default) = match text.split_once('=') {
        Some((declared, default)) => (declared, Some(default)),
        None => (text, None),
    };
    let name_end = declared.find(char::is_whitespace).unwrap_or(declared.len());
    let (name, kind) = declared.split_at_checked(name_end).unwrap_or((declared, ""));
    let name_width = name.chars().count();
    let well_named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !well_named {
        let message = if name.is_empty() {
            "the parameter has no name".to_owned()
        } else {
            format!("{name:?} is no name of a parameter")
        };
        let hint = match name.strip_prefix('$') {
            Some(_) => "leave out the $ here".to_owned(),
            None => format!("a name has letters, digits and _; {FORM}"),
        };
        return Err(Fault { offset: 0, width: name_width, message, hint });
    }
    let kind_offset = name_width + kind.chars().take_while(|c| c.is_whitespace()).count();
    let kind = kind.trim();
    let Some(data_type) = ParameterType::from_name(kind) else {
        let types = format!("the types are {}", names::list(ParameterType::ALL.map(ParameterType::name)));
        if kind.is_empty() {
            let message = format!("parameter {name:?} has no type");
            return Err(Fault { offset: 0, width: name_width, message, hint: format!("{FORM}; {types}") });
        }
        let hint = names::did_you_mean(kind, ParameterType::ALL.map(ParameterType::name)).unwrap_or(types);
        let message = format!("parameter {name:?} has the unknown type {kind:?}");
        return Err(Fault { offset: kind_offset, width: kind.chars().count(), message, hint });
    };
    let default = match default {
        None => None,
        Some(written) => {
            let offset = declared.chars().count() + 1 + written.chars().take_while(|c| c.is_whitespace()).count();
            let fault =
                |message: String, hint: String| Fault { offset, width: written.trim().chars().count(), message, hint };
            if written.trim().is_empty() {
                let message = format!("parameter {name:?} has an empty default");
                return Err(fault(message, "write = '' for the empty text, = null for none".to_owned()));
            }
            let default = DefaultText::read(written.trim());
            if let DefaultText::Text(text) = &default
                && let Err(reason) = value::check(data_type, text)
            {
                let message = format!("the default {text:?} of parameter {name:?} is no {}", data_type.name());
                return Err(fault(message, reason));
            }
            Some(default)
        }
    };
    Ok(Parameter { name: name.to_owned(), data_type, default, line, description: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        read("q.sql", text).unwrap()
    }

    fn error(text: &str) -> String {
        let error = read("q.sql", text).unwrap_err();
        format!("{error}\nhint: {}", error.hint().unwrap_or("-"))
    }

    #[test]
    fn a_full_header_is_read() {
        let header = header(
            "-- Copyright: nobody\n--\n-- title: Stuck sessions\r\n-- description: Sessions that run\n--   longer than they should\n\n\
             -- param: since date = -7 days\n--   first day\n-- param: workflow text\n-- chart: bar\n-- see https://example.org: more\nselect 1 -- title: no\n",
        );
        assert_eq!(header.title.as_deref(), Some("Stuck sessions"));
        assert_eq!(header.description.as_deref(), Some("Sessions that run longer than they should"));
        let since = header.parameter("since").unwrap();
        assert_eq!((since.data_type, since.line), (ParameterType::Date, 7));
        assert_eq!(since.default, Some(DefaultText::Text("-7 days".to_owned())));
        assert_eq!(since.description.as_deref(), Some("first day"));
        assert_eq!(header.parameter("workflow").unwrap().default, None);
        assert_eq!(header.get("chart"), Some("bar"));
        let keys: Vec<_> = header.entries.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(
            keys,
            [("copyright", 1), ("title", 3), ("description", 4), ("param", 7), ("param", 9), ("chart", 10)]
        );
    }

    #[test]
    fn a_file_without_a_header_has_none() {
        assert_eq!(header("select 1\n-- title: late\n"), Header::default());
        assert_eq!(header("/* title: x */\n-- title: late\nselect 1"), Header::default());
        assert_eq!(header(""), Header::default());
    }

    #[test]
    fn defaults_keep_what_is_written() {
        let header = header(
            "--param: a text = a = b\n--param: b text = ''\n--param: c text = 'it''s'\n--param: d text = null\n--param: e text = 'null'\n--param: f integer = NULL",
        );
        let default = |name| header.parameter(name).unwrap().default.clone().unwrap();
        assert_eq!(default("a"), DefaultText::Text("a = b".to_owned()));
        assert_eq!(default("b"), DefaultText::Text(String::new()));
        assert_eq!(default("c"), DefaultText::Text("it's".to_owned()));
        assert_eq!(default("d"), DefaultText::Null);
        assert_eq!(default("e"), DefaultText::Text("null".to_owned()));
        assert_eq!(default("f"), DefaultText::Null);
    }

    #[test]
    fn an_unknown_type_is_shown_in_its_place() {
        assert_eq!(
            error("-- title: x\n--  param: since data = today\n-- param: since dat = today\nselect 1"),
            "q.sql:3:17: parameter \"since\" has the unknown type \"dat\"\n  |\n3 | -- param: since dat = today\n  |                 ^^^\nhint: did you mean \"date\"?"
        );
    }

    #[test]
    fn a_default_of_the_wrong_type_is_shown_in_its_place() {
        assert_eq!(
            error("-- param: top integer =  many\nselect 1"),
            "q.sql:1:26: the default \"many\" of parameter \"top\" is no integer\n  |\n1 | -- param: top integer =  many\n  |                          ^^^^\nhint: write a whole number, for example 20"
        );
    }

    #[test]
    fn broken_declarations_are_refused() {
        for (text, message) in [
            ("-- param:", "the parameter has no name"),
            ("-- param: a", "parameter \"a\" has no type"),
            ("-- param: a =", "parameter \"a\" has no type"),
            ("-- param: a text =", "parameter \"a\" has an empty default"),
            ("-- param: $a text", "\"$a\" is no name of a parameter"),
            ("-- param: 1a text", "\"1a\" is no name of a parameter"),
            ("-- param: a text\n-- param: a date", "parameter \"a\" is declared twice"),
            ("-- param: a date = 2026-02-30", "the default \"2026-02-30\" of parameter \"a\" is no date"),
            ("-- title: a\n-- Title: b", "the header gives \"title\" twice"),
        ] {
            assert!(error(text).contains(message), "{text}: {}", error(text));
        }
    }
}

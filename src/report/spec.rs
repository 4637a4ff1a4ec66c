//! One report: its SQL file, and everything that the header or the job says of it.
//!
//! [`Definition`] is text, as it stands in a manifest; [`Report`] is the same, read and checked. A run and its later
//! verification both go from the one to the other, so both see the same report.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::ChartSpec;
use super::expect::Expectation;
use super::order::{self, OrderColumn};
use crate::error::{Error, Result};
use crate::format::OutputFormat;
use crate::script::{self, Script};

/// A report as text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The name of its output files, without the ending; unique in a run.
    pub id: String,
    /// The SQL file as the user named it.
    pub file: String,
    /// The text of the SQL file.
    pub sql: String,
    /// What it is called.
    pub title: String,
    /// What it says, in a sentence or two.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Names of output formats.
    pub formats: Vec<String>,
    /// The chart, as in `bar x=day y=sessions`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chart: Option<String>,
    /// The unit of the numbers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<String>,
    /// Addresses of pages about it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub links: Vec<String>,
    /// Data checks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub expect: Vec<String>,
    /// The order of rows, before that of the SQL.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order: Option<String>,
    /// Values of parameters, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub parameters: BTreeMap<String, Value>,
}

/// The format of a report that names none.
const DEFAULT_FORMAT: &str = "csv";

impl Definition {
    /// Makes the definition of a SQL file from its header alone.
    ///
    /// # Errors
    /// A SQL file that cannot be read, a header that is wrong.
    pub fn from_file(file: &str, sql: &str) -> Result<Self> {
        let script = script::parse(file, sql)?;
        let header = &script.header;
        let one = |key: &str| header.get(key).map(str::to_owned);
        let all =
            |key: &str| header.entries.iter().filter(|e| e.key == key).map(|e| e.value.clone()).collect::<Vec<_>>();
        let formats: Vec<String> = all("format").iter().flat_map(|value| names(value)).collect();
        let id = identifier(file);
        Ok(Self {
            title: header.title.clone().filter(|title| !title.is_empty()).unwrap_or_else(|| id.replace('_', " ")),
            id,
            file: file.to_owned(),
            sql: sql.to_owned(),
            description: header.description.clone(),
            formats: if formats.is_empty() { vec![DEFAULT_FORMAT.to_owned()] } else { formats },
            chart: one("chart"),
            unit: one("unit"),
            links: all("link"),
            expect: all("expect"),
            order: one("order"),
            parameters: BTreeMap::new(),
        })
    }
}

/// Splits names at commas and blanks.
pub fn names(text: &str) -> impl Iterator<Item = String> {
    text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// A report, read and checked as far as that goes without a lake.
#[derive(Debug, Clone)]
pub struct Report {
    /// The text that it was read from.
    pub definition: Definition,
    /// The SQL file.
    pub script: Script,
    /// The formats of its outputs, each once.
    pub formats: Vec<OutputFormat>,
    /// The data checks.
    pub checks: Vec<Expectation>,
    /// The order that goes before that of the SQL.
    pub order: Vec<OrderColumn>,
    /// The chart, with the unit of the report.
    pub chart: Option<ChartSpec>,
}

impl Report {
    /// Reads a definition.
    ///
    /// # Errors
    /// What is wrong, with file and line where the header says it.
    pub fn new(definition: Definition) -> Result<Self> {
        let script = script::parse(&definition.file, &definition.sql)?;
        let mut formats = Vec::new();
        for name in &definition.formats {
            let format: OutputFormat = name.parse().map_err(|e| placed(e, &script, "format", name))?;
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
        let parse_check = |text: &String| Expectation::parse(text).map_err(|e| placed(e, &script, "expect", text));
        let checks = definition.expect.iter().map(parse_check).collect::<Result<_>>()?;
        let order = match &definition.order {
            Some(text) => order::parse(text).map_err(|e| placed(e, &script, "order", text))?,
            None => Vec::new(),
        };
        let chart = match &definition.chart {
            Some(text) => {
                let mut chart = ChartSpec::parse(text).map_err(|e| placed(e, &script, "chart", text))?;
                chart.unit = chart.unit.or_else(|| definition.unit.clone());
                Some(chart)
            }
            None => None,
        };
        for link in &definition.links {
            // A link of another scheme could run code in the page.
            if !link.starts_with("https://") && !link.starts_with("http://") {
                let error = Error::usage(format!("not an address of a page: {link:?}"))
                    .with_hint("a link begins with https:// or http://");
                return Err(placed(error, &script, "link", link));
            }
        }
        Ok(Self { definition, script, formats, checks, order, chart })
    }

    /// The name of its output files, without the ending.
    pub fn id(&self) -> &str {
        &self.definition.id
    }
}

/// Puts file and line of the header entry, or else the file alone, before a message.
fn placed(error: Error, script: &Script, key: &str, value: &str) -> Error {
    let entry = script.header.entries.iter().find(|entry| entry.key == key && entry.value.contains(value));
    let place = entry.map_or(script.file.clone(), |entry| format!("{}:{}", script.file, entry.line));
    prefixed(error, &place)
}

/// Puts words before the message of an error whose kind does not say where it happened, unless it begins with them.
pub fn prefixed(error: Error, place: &str) -> Error {
    let is_placed = match &error {
        Error::Usage { message, .. } | Error::Limit { message, .. } | Error::Internal(message) => {
            message.starts_with(place)
        }
        Error::Storage { context, .. } => context.starts_with(place),
        _ => true,
    };
    if is_placed {
        return error;
    }
    match error {
        Error::Usage { message, hint } => Error::Usage { message: format!("{place}: {message}"), hint },
        Error::Limit { message, hint } => Error::Limit { message: format!("{place}: {message}"), hint },
        Error::Storage { context, message, source } => {
            Error::Storage { context: format!("{place}: {context}"), message, source }
        }
        Error::Internal(message) => Error::Internal(format!("{place}: {message}")),
        other => other,
    }
}

/// Bytes that a name may have, so that any file system takes it with an ending.
const LONGEST_NAME: usize = 100;

/// Names that Windows keeps for devices, and those of a run's own files.
const TAKEN: [&str; 7] = ["con", "prn", "aux", "nul", "run", "index", "page"];

/// Makes a file name of a path or title: its last part without the ending, and of that only letters, digits, `-`, `_` and dots
/// inside.
pub fn identifier(path: &str) -> String {
    let last = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
    let stem = match last.rsplit_once('.') {
        Some((stem, ending)) if ending.eq_ignore_ascii_case("sql") => stem,
        _ => last,
    };
    let mut name = String::new();
    for c in stem.chars() {
        let c = if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        if name.len() + c.len_utf8() > LONGEST_NAME {
            break;
        }
        name.push(c);
    }
    let trimmed = name.trim_matches(|c| matches!(c, '.' | '-'));
    let lower = trimmed.to_lowercase();
    let device = lower.strip_prefix("com").or_else(|| lower.strip_prefix("lpt"));
    let taken = TAKEN.contains(&lower.split('.').next().unwrap_or_default())
        || device.is_some_and(|rest| rest.len() == 1 && rest.chars().all(|c| c.is_ascii_digit()));
    if trimmed.is_empty() || taken { format!("report_{trimmed}") } else { trimmed.to_owned() }
}

/// Makes names unique, also on file systems that do not tell capitals: a second `a` becomes `a_2`.
pub fn make_unique(definitions: &mut [Definition]) {
    let mut taken = HashSet::new();
    for definition in definitions {
        let name = definition.id.clone();
        let mut number = 2_usize;
        while !taken.insert(definition.id.to_lowercase()) {
            definition.id = format!("{name}_{number}");
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_says_all_there_is_to_say() {
        let sql = "-- title: A\n-- format: csv, xlsx markdown\n-- expect: rows = 0\n-- expect: max(n) < 9\n-- unit: s\n\
                   -- order: n desc\n-- link: https://example.org\nselect 1 as n";
        let sql = sql.replace("xlsx", "parquet");
        let definition = Definition::from_file("queries/a b.sql", &sql).unwrap();
        assert_eq!((definition.id.as_str(), definition.title.as_str()), ("a_b", "A"));
        let report = Report::new(definition).unwrap();
        assert_eq!(report.formats, [OutputFormat::Csv, OutputFormat::Parquet, OutputFormat::Markdown]);
        assert_eq!((report.checks.len(), report.order.len()), (2, 1));
    }

    #[test]
    fn mistakes_in_the_header_have_file_and_line() {
        let fails = |header: &str| {
            let definition = Definition::from_file("q.sql", &format!("-- title: A\n-- {header}\nselect 1")).unwrap();
            Report::new(definition).unwrap_err().to_string()
        };
        assert!(fails("expect: rows").starts_with("q.sql:2: no comparison in the check \"rows\""));
        assert!(fails("format: doc").starts_with("q.sql:2: unknown output format \"doc\""));
        assert!(fails("link: javascript:alert(1)").starts_with("q.sql:2: not an address of a page"));
        assert!(fails("order: a b c").starts_with("q.sql:2: no order of columns"));
    }

    #[test]
    fn file_names_are_tame() {
        for (path, name) in [
            ("queries/stuck_sessions.sql", "stuck_sessions"),
            ("../../etc/passwd", "passwd"),
            ("a/..", "report_"),
            ("C:\\x\\Größe 1.SQL", "Größe_1"),
            ("run.sql", "report_run"),
            ("index.html.sql", "report_index.html"),
            ("com1.sql", "report_com1"),
            ("<script>.sql", "_script_"),
            ("-rf.sql", "rf"),
            ("a\0b\n.sql", "a_b_"),
        ] {
            assert_eq!(identifier(path), name, "{path:?}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_the_folder(path in "\\PC{0,140}") {
            let name = identifier(&path);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST_NAME + 7);
            prop_assert!(!name.contains(['/', '\\', '\0', ':']) && !name.starts_with('.'));
        }

        #[test]
        fn names_become_unique_whatever_their_case(names in prop::collection::vec("[aAbB](_2)?", 0..9)) {
            let mut definitions: Vec<_> =
                names.iter().map(|name| Definition { id: name.clone(), ..Definition::default() }).collect();
            make_unique(&mut definitions);
            let unique: HashSet<_> = definitions.iter().map(|d| d.id.to_lowercase()).collect();
            prop_assert_eq!(unique.len(), names.len());
        }
    }
}

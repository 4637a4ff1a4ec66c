//! Writes the function reference, `docs/functions.md`, from the functions' own documentation.
//!
//! Ours come first, by group; then a table of the functions and operators of datafusion-functions-json, which carry no
//! documentation of their own. A test fails when the file is stale.

use std::fmt::Write;

use super::ours;

/// Group of the functions of sessions.
pub(crate) const SESSIONS: &str = "Sessions";
/// Group of the functions of durations.
pub(crate) const DURATIONS: &str = "Durations";
/// Group of the functions of local time.
pub(crate) const TIME: &str = "Local time";
/// Group of the functions of phone numbers and e-mail addresses.
pub(crate) const CONTACTS: &str = "Phone numbers and e-mail addresses";
/// Group of the JSONPath functions.
pub(crate) const JSON: &str = "JSON paths";

/// The groups in the order of the page, each with an introduction.
const GROUPS: [(&str, &str); 5] = [
    (SESSIONS, "What the columns of a session mean."),
    (
        DURATIONS,
        "Durations are numbers of seconds, as in `time_in_workflow`, or intervals, as `ended_at - started_at`; see [SQL](sql.md#intervals-and-durations).",
    ),
    (TIME, "What the clocks of a time zone show. All are right on days of 23 and 25 hours and in half-hour zones."),
    (CONTACTS, "Normalising, and hiding what a report need not show."),
    (
        JSON,
        "JSONPath as RFC 9535 defines it. A path names what it picks from the root `$` down; see the operators below for the \
         short form of plain paths.",
    ),
];

/// One function or operator of datafusion-functions-json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonFunction {
    /// Its name; an operator's is the operator.
    pub name: &'static str,
    /// How to call it.
    pub syntax: &'static str,
    /// What it returns.
    pub meaning: &'static str,
}

/// The operators and functions of datafusion-functions-json.
pub const JSON_FUNCTIONS: [JsonFunction; 18] = [
    JsonFunction {
        name: "->",
        syntax: "json -> key",
        meaning: "The value under a key or index, as a JSON value; cast it (`(data->'n')::int`) or go on with `->`. Same as `json_get`.",
    },
    JsonFunction {
        name: "->>",
        syntax: "json ->> key",
        meaning: "The value under a key or index, as text. Same as `json_as_text`.",
    },
    JsonFunction {
        name: "#>",
        syntax: "json #> '{a,b}'",
        meaning: "The value at a path, as a JSON value. The path is a Postgres array text or a list such as `array['a','b']`.",
    },
    JsonFunction { name: "#>>", syntax: "json #>> '{a,b}'", meaning: "The value at a path, as text." },
    JsonFunction {
        name: "?",
        syntax: "json ? key",
        meaning: "Whether the key exists; false, not null, if the text is null or not JSON. Same as `json_contains`.",
    },
    JsonFunction {
        name: "json_as_text",
        syntax: "json_as_text(json, key, …)",
        meaning: "The value as text: a string without quotes, everything else as the document writes it; a JSON null is null.",
    },
    JsonFunction {
        name: "json_get_str",
        syntax: "json_get_str(json, key, …)",
        meaning: "The value if it is a string, else null.",
    },
    JsonFunction {
        name: "json_get_int",
        syntax: "json_get_int(json, key, …)",
        meaning: "The value as Int64 if it is an integer, an integral float or a string that reads as one, else null.",
    },
    JsonFunction {
        name: "json_get_float",
        syntax: "json_get_float(json, key, …)",
        meaning: "The value as Float64 if it is a number or a string that reads as one, else null.",
    },
    JsonFunction {
        name: "json_get_bool",
        syntax: "json_get_bool(json, key, …)",
        meaning: "The value if it is a bool or one of the strings `true` and `false`, else null.",
    },
    JsonFunction {
        name: "json_get_json",
        syntax: "json_get_json(json, key, …)",
        meaning: "The value as JSON text, whatever it is.",
    },
    JsonFunction {
        name: "json_get_array",
        syntax: "json_get_array(json, key, …)",
        meaning: "The elements of an array, as a list of JSON texts; else null.",
    },
    JsonFunction {
        name: "json_get",
        syntax: "json_get(json, key, …)",
        meaning: "The value as a union of the JSON types.",
    },
    JsonFunction {
        name: "json_contains",
        syntax: "json_contains(json, key, …)",
        meaning: "Whether the key exists; false, not null, if the text is null or not JSON.",
    },
    JsonFunction {
        name: "json_length",
        syntax: "json_length(json, key, …)",
        meaning: "The number of elements of an array or members of an object; else null. Also `json_len`.",
    },
    JsonFunction {
        name: "json_object_keys",
        syntax: "json_object_keys(json, key, …)",
        meaning: "The names of an object's members, as a list; else null. Also `json_keys`.",
    },
    JsonFunction {
        name: "json_from_scalar",
        syntax: "json_from_scalar(value)",
        meaning: "An SQL value as a JSON value. Also `scalar_to_json`.",
    },
    JsonFunction {
        name: "json_union_to_text",
        syntax: "json_union_to_text(value)",
        meaning: "A JSON value of `->` or `json_get` as JSON text.",
    },
];

const INTRODUCTION: &str = "\
<!-- Written from the functions' own documentation; see CONTRIBUTING.md for how to regenerate it. -->

# Functions

Besides the functions of DataFusion, SQL files can use those below. Null in gives null out, but for what is said otherwise; a cell
that cannot be read gives null and never fails a query. Text arguments take any text type, instants any timestamp, and every
argument may be a column or a literal.
";

const JSON_INTRODUCTION: &str = "\
Every `key` is a name, or an index from 0 (negative from the end); several keys go step by step into the document. The first of
several equal names counts, and a document is read only as far as needed. For half a surrogate pair (`\"\\ud83d\"` alone, which the
grammar of JSON allows) they and the functions above read U+FFFD. In PostgreSQL's manner `->` and `->>` bind more tightly than
comparisons.
";

/// A function or operator, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFunction {
    /// Its name; an operator's is the operator.
    pub name: String,
    /// How to call it.
    pub syntax: String,
    /// What it returns.
    pub meaning: String,
}

/// Lists our functions, then those of datafusion-functions-json.
pub fn list() -> Vec<ListedFunction> {
    let ours = ours().into_iter().filter_map(|function| {
        let documentation = function.documentation()?;
        Some(ListedFunction {
            name: function.name().to_owned(),
            syntax: documentation.syntax_example.clone(),
            meaning: documentation.description.clone(),
        })
    });
    let others = JSON_FUNCTIONS.iter().map(|function| ListedFunction {
        name: function.name.to_owned(),
        syntax: function.syntax.to_owned(),
        meaning: function.meaning.to_owned(),
    });
    ours.chain(others).collect()
}

/// Writes the reference as Markdown.
pub fn reference() -> String {
    let functions = ours();
    let mut page = String::from(INTRODUCTION);
    for (group, introduction) in GROUPS {
        page.push_str(&format!("\n## {group}\n\n{introduction}\n"));
        for function in &functions {
            let Some(documentation) = function.documentation().filter(|d| d.doc_section.label == group) else {
                continue;
            };
            page.push_str(&format!("\n### `{}`\n\n", documentation.syntax_example));
            page.push_str(&format!("{}\n", documentation.description));
            for (index, (name, meaning)) in documentation.arguments.iter().flatten().enumerate() {
                let lead = if index == 0 { "\n" } else { "" };
                page.push_str(&format!("{lead}- `{name}`: {meaning}\n"));
            }
            if let Some(example) = &documentation.sql_example {
                page.push_str(&format!("\n```sql\n{example}\n```\n"));
            }
        }
    }
    page.push_str(&format!(
        "\n## JSON operators and functions\n\n{JSON_INTRODUCTION}\n| call | returns |\n| --- | --- |\n"
    ));
    for function in JSON_FUNCTIONS {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{}` | {} |", function.syntax, function.meaning);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::super::register_all;
    use super::*;
    use arrow::util::display::array_value_to_string;
    use datafusion::execution::FunctionRegistry;
    use datafusion::prelude::SessionContext;
    use std::collections::BTreeSet;
    use std::num::NonZeroUsize;
    use std::path::Path;

    use crate::engine::{Engine, EngineOptions, Leaves};

    #[test]
    fn the_reference_on_disk_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/functions.md");
        let expected = reference();
        if std::env::var_os("SESSIONLAKE_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expected,
            "docs/functions.md is stale; regenerate it with\n    \
             SESSIONLAKE_BLESS=1 cargo test --lib the_reference_on_disk_is_up_to_date"
        );
    }

    #[test]
    fn every_function_of_ours_is_documented_in_a_group() {
        let page = reference();
        for function in ours() {
            let documentation = function.documentation().unwrap_or_else(|| panic!("{} has none", function.name()));
            assert!(documentation.syntax_example.starts_with(&format!("{}(", function.name())));
            assert!(documentation.sql_example.as_ref().is_some_and(|e| e.contains(function.name())));
            assert!(page.contains(&format!("### `{}`", documentation.syntax_example)), "{}", function.name());
            for (name, _) in documentation.arguments.iter().flatten() {
                assert!(documentation.syntax_example.contains(name), "{} {name}", function.name());
            }
        }
    }

    #[test]
    fn the_table_lists_every_json_function_there_is() {
        let before = SessionContext::new().udfs();
        let mut context = SessionContext::new();
        register_all(&mut context).unwrap();
        for function in ours() {
            context.deregister_udf(function.name());
        }
        let added: Vec<String> = context.udfs().difference(&before).cloned().collect();
        let (mut added, aliases): (BTreeSet<String>, BTreeSet<String>) =
            added.into_iter().partition(|name| context.udf(name).unwrap().name() == name);
        let page = reference();
        for alias in aliases {
            assert!(page.contains(&format!("`{alias}`")), "{alias}");
        }
        let listed: BTreeSet<String> = JSON_FUNCTIONS
            .iter()
            .map(|function| function.name)
            .filter(|name| name.starts_with("json"))
            .map(str::to_owned)
            .collect();
        // What plans are rewritten with is not for queries.
        let parts: Vec<_> = crate::functions::interval::parts()
            .chain(crate::functions::zoned::parts())
            .chain(crate::functions::postgres::all())
            .collect();
        added.retain(|name| !parts.iter().any(|part| part.name() == name));
        assert_eq!(added, listed);
    }

    #[test]
    fn every_function_has_its_logic_test() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt/functions");
        for function in ours() {
            assert!(folder.join(format!("{}.slt", function.name())).exists(), "{}", function.name());
        }
    }

    #[test]
    fn every_example_gives_what_it_shows() {
        let options = EngineOptions {
            as_of: chrono::DateTime::UNIX_EPOCH,
            time_zone: crate::zones::Tz::UTC,
            memory_limit_bytes: 64 << 20,
            spill_limit_bytes: 0,
            temporary_folder: None,
            threads: NonZeroUsize::MIN,
            leaves: Leaves::Read,
        };
        let engine = Engine::new(options).unwrap();
        let context = engine.context();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for function in ours() {
            let example = function.documentation().and_then(|d| d.sql_example.clone()).unwrap();
            let (mut sql, mut checked) = (String::new(), 0);
            for line in example.lines() {
                let Some(shown) = line.strip_prefix("-- ") else {
                    sql = line.to_owned();
                    continue;
                };
                let batches = runtime.block_on(async { context.sql(&sql).await.unwrap().collect().await.unwrap() });
                let columns = batches[0].columns();
                let values = columns.iter().map(|column| array_value_to_string(column, 0).unwrap());
                assert_eq!(values.collect::<Vec<_>>().join(", "), shown, "{sql}");
                checked += 1;
            }
            assert!(checked > 0, "{} shows no result", function.name());
        }
    }

    #[test]
    fn registering_reaches_every_function() {
        let mut context = SessionContext::new();
        register_all(&mut context).unwrap();
        for function in ours() {
            assert!(context.udf(function.name()).is_ok());
        }
        assert!(context.udf("json_get_str").is_ok());
    }
}

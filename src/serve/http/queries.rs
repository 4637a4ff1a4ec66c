//! The queries that ship, which the page shows as forms of their parameters.

use serde_json::{Value, json};

use crate::error::Result;
use crate::script::{self, DefaultText};

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../queries/", $name, ".sql")))),+]
    };
}

/// Each with its name, in the order of their names.
const QUERIES: [(&str, &str); 27] = shipped![
    "active_sessions",
    "category_breakdown",
    "concurrency_by_interval",
    "containment_rate",
    "data_quality",
    "drop_off_items",
    "duration_histogram",
    "duration_percentiles",
    "ivr_abandonment",
    "new_vs_returning",
    "outcome_mix",
    "repeat_callers",
    "repeat_rate_by_outcome",
    "sessions_per_caller",
    "short_sessions",
    "stuck_sessions",
    "top_callers",
    "transfer_rate",
    "true_containment",
    "variable_breakdown",
    "version_comparison",
    "volume_by_channel",
    "volume_by_interval",
    "volume_by_region",
    "volume_by_workflow",
    "volume_heat_map",
    "volume_trend",
];

/// Lists the queries with what their headers say.
///
/// # Errors
/// A query that is wrong, which a test keeps from shipping.
pub(super) fn list() -> Result<Value> {
    let one = |(name, sql): &(&str, &str)| {
        let header = script::parse(name, sql)?.header;
        let parameters: Vec<Value> = header
            .parameters
            .iter()
            .map(|parameter| {
                let default = match &parameter.default {
                    Some(DefaultText::Text(text)) => Value::from(text.as_str()),
                    Some(DefaultText::Null) | None => Value::Null,
                };
                json!({
                    "name": parameter.name,
                    "type": parameter.data_type.name(),
                    "default": default,
                    "required": parameter.default.is_none(),
                    "description": parameter.description,
                })
            })
            .collect();
        Ok(json!({
            "id": name,
            "title": header.title.as_deref().unwrap_or(name),
            "description": header.description.as_deref().unwrap_or_default(),
            "chart": header.get("chart"),
            "unit": header.get("unit"),
            "parameters": parameters,
            "sql": sql,
        }))
    };
    let queries = QUERIES.iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(json!({ "queries": queries }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_that_ships_is_here_and_is_one_statement() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
            .collect();
        names.sort();
        assert_eq!(QUERIES.map(|(name, _)| name.to_owned()).to_vec(), names);
        for (name, sql) in QUERIES {
            assert_eq!(script::parse(name, sql).unwrap().statements.len(), 1, "{name}");
        }
        let listed = list().unwrap();
        let stuck = listed["queries"].as_array().unwrap().iter().find(|query| query["id"] == "stuck_sessions").unwrap();
        assert_eq!(stuck["parameters"][0]["type"], "duration");
        assert_eq!(stuck["parameters"][0]["default"], "24 hours");
    }
}

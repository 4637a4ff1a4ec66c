//! What there is to ask: tables with their columns, functions, and the paths of the lake's JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde_json::{Value, json};

use super::types::type_name;
use crate::engine::TABLES;
use crate::error::Result;
use crate::functions::reference;
use crate::schema;
use crate::serve::{Caller, Hub, Protocol};

/// Paths that are listed at most.
const MOST_PATHS: usize = 20_000;

/// Lists the tables that a caller sees, with their meanings and columns.
///
/// # Errors
/// A lake that cannot be read.
pub(super) async fn tables(hub: &Arc<Hub>, caller: &Caller) -> Result<Value> {
    let engine = hub.session(caller, &hub.settings()).await?;
    let mut tables = Vec::new();
    for table in TABLES {
        // Some callers do not see all of them.
        let Ok(provider) = engine.context().table_provider(table.name).await else { continue };
        let schema = provider.schema();
        let columns = schema.fields().iter().map(|field| {
            let known = schema::COLUMNS.iter().find(|c| c.name == field.name() || c.documented == field.name());
            let meaning = known.map_or_else(|| schema::meaning(field.name()), |column| column.meaning);
            let data_type = match known.map(|column| column.kind) {
                Some(schema::Kind::Json) => "json text".to_owned(),
                Some(schema::Kind::Seconds) => "double (seconds)".to_owned(),
                _ => type_name(field.data_type()),
            };
            json!({
                "name": field.name(),
                "type": data_type,
                "meaning": meaning,
                "documented": known.map(|column| column.documented),
            })
        });
        tables.push(json!({ "name": table.name, "meaning": table.meaning, "columns": columns.collect::<Vec<_>>() }));
    }
    Ok(json!({ "tables": tables }))
}

/// Lists the functions that the reference has.
pub(super) fn functions() -> Value {
    let functions: Vec<Value> = reference::list()
        .into_iter()
        .map(|function| json!({ "name": function.name, "syntax": function.syntax, "meaning": function.meaning }))
        .collect();
    json!({ "functions": functions })
}

/// Lists the paths of the lake's JSON that a caller may know of, the most frequent first.
///
/// # Errors
/// A lake that cannot be read; limits.
pub(super) async fn paths(hub: &Arc<Hub>, caller: &Caller) -> Result<Value> {
    let mut paths = Vec::new();
    let sql = format!(
        "select json_column, json_path, types, sessions from lake_json_paths where json_path is not null \
         order by sessions desc nulls last, json_column, json_path limit {MOST_PATHS}"
    );
    if !caller.guard.is_open() {
        // Keys may be of a person, too.
        return Ok(json!({ "paths": paths }));
    }
    let none = BTreeMap::new();
    let mut asked = hub.ask(Protocol::Http, caller, &hub.settings(), ("paths", &sql), &none).await?;
    while let Some(batch) = asked.next().await? {
        let [columns, names, types, sessions] = batch.columns() else { continue };
        let (columns, names) = (cast(columns, &DataType::Utf8View)?, cast(names, &DataType::Utf8View)?);
        let (types, sessions) = (cast(types, &DataType::Utf8View)?, cast(sessions, &DataType::Int64)?);
        let (columns, names, types) = (columns.as_string_view(), names.as_string_view(), types.as_string_view());
        let sessions = sessions.as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let path = names.value(row);
            // Elements of arrays have no keys.
            let keys: Vec<&str> = match path.contains('[') {
                true => Vec::new(),
                false => path.split('.').skip(1).collect(),
            };
            if keys.is_empty() {
                continue;
            }
            let count = sessions.is_valid(row).then(|| sessions.value(row));
            paths.push(json!({
                "column": columns.value(row),
                "path": path,
                "keys": keys,
                "types": if types.is_valid(row) { types.value(row) } else { "" },
                "sessions": count,
            }));
        }
    }
    Ok(json!({ "paths": paths }))
}

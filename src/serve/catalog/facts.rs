//! What a catalog is made of: the tables and functions of a session, and what they mean.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{Documentation, TableType};

use super::store::{Facts, FunctionFact, PG_CATALOG, PUBLIC, TableFact, quoted};
use super::types::Type;
use crate::engine::{Engine, TABLES};
use crate::error::Result;
use crate::{functions, schema};

/// Collects what the catalog of a session is made of.
///
/// # Errors
/// A table that cannot be opened.
pub async fn facts(engine: &Engine, database: &str, user: &str, started: i64) -> Result<Facts> {
    let version = format!("sessionlake {}", env!("CARGO_PKG_VERSION"));
    let (tables, functions) = (tables(engine).await?, all_functions(engine));
    Ok(Facts { database: database.to_owned(), user: user.to_owned(), version, started, tables, functions })
}

/// The type of PostgreSQL for a type of Arrow.
pub fn type_of(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Type::INT2,
        DataType::Int32 | DataType::UInt16 => Type::INT4,
        DataType::Int64 | DataType::UInt32 => Type::INT8,
        DataType::UInt64 | DataType::Decimal32(..) | DataType::Decimal64(..) => Type::NUMERIC,
        DataType::Decimal128(..) | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Dictionary(_, values) => type_of(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            type_of(item.data_type()).array().unwrap_or(Type::TEXT)
        }
        _ => Type::TEXT,
    }
}

async fn tables(engine: &Engine) -> Result<Vec<TableFact>> {
    let mut tables = Vec::new();
    let context = engine.context();
    let Some(found) = context.catalog("sessionlake").and_then(|catalog| catalog.schema("public")) else {
        return Ok(tables);
    };
    for name in found.table_names() {
        let Some(table) = found.table(&name).await? else { continue };
        let meaning = TABLES.iter().find(|note| note.name.trim_matches('"') == name).map(|note| note.meaning);
        let definition = definition(&name).or_else(|| {
            // Of a view that is none of ours nothing is known but that it is one.
            (meaning.is_none() && table.table_type() == TableType::View).then(String::new)
        });
        let fields = table.schema();
        let columns = fields.fields().iter().map(|field| {
            let documented = schema::COLUMNS.iter().find(|c| c.name == field.name() || c.documented == field.name());
            let meaning = documented.map_or_else(|| schema::meaning(field.name()), |column| column.meaning);
            (field.name().clone(), type_of(field.data_type()), meaning.to_owned())
        });
        let columns = columns.collect();
        tables.push(TableFact { name, definition, meaning: meaning.unwrap_or_default().to_owned(), columns });
    }
    Ok(tables)
}

/// The query of a view of ours.
fn definition(name: &str) -> Option<String> {
    let columns = |write: &dyn Fn(&schema::Column) -> String| {
        schema::COLUMNS.iter().map(write).collect::<Vec<_>>().join(",\n    ")
    };
    let plain = columns(&|column| column.name.to_owned());
    Some(match name {
        "active_sessions" => format!(" SELECT {plain}\n   FROM workflow_sessions\n  WHERE ended_at IS NULL;"),
        "ended_sessions" => format!(" SELECT {plain}\n   FROM workflow_sessions\n  WHERE ended_at IS NOT NULL;"),
        "Workflow Sessions" => {
            let named = columns(&|column| format!("{} AS {}", column.name, quoted(column.documented)));
            format!(" SELECT {named}\n   FROM workflow_sessions;")
        }
        _ => return None,
    })
}

/// The functions of a session: ours are those of the reference, the others are where PostgreSQL has its own.
fn all_functions(engine: &Engine) -> Vec<FunctionFact> {
    let state = engine.context().state();
    let ours: Vec<String> = functions::ours().iter().map(|function| function.name().to_owned()).collect();
    let mut facts = BTreeMap::new();
    let mut add = |name: &str, gives: Type, kind: &'static str, documentation: Option<&Documentation>| {
        let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !functions::is_of_plans(name);
        if !is_word {
            return;
        }
        let arguments = documentation.and_then(|found| found.arguments.as_ref()).into_iter().flatten();
        let arguments = arguments.map(|(name, _)| (name.clone(), Type::TEXT)).collect();
        let schema = if ours.iter().any(|known| known == name) { PUBLIC } else { PG_CATALOG };
        let meaning = documentation.map(|found| found.description.trim().to_owned()).unwrap_or_default();
        let fact = FunctionFact { name: name.to_owned(), schema, arguments, gives, kind, meaning };
        facts.entry((name.to_owned(), kind)).or_insert(fact);
    };
    for function in state.scalar_functions().values() {
        // What others give depends on what they are given, and some of them take for granted that it is what they take.
        let is_ours = ours.iter().any(|known| known == function.name());
        let count = function.documentation().and_then(|found| found.arguments.as_ref()).map_or(0, Vec::len);
        let gives = is_ours.then(|| function.return_type(&vec![DataType::Utf8View; count]).ok()).flatten();
        add(function.name(), gives.as_ref().map_or(Type::TEXT, type_of), "f", function.documentation());
    }
    for (name, function) in state.aggregate_functions() {
        add(name, Type::TEXT, "a", function.documentation());
    }
    for (name, function) in state.window_functions() {
        add(name, Type::TEXT, "w", function.documentation());
    }
    for name in state.udafs() {
        add(&name, Type::TEXT, "a", None);
    }
    facts.into_values().collect()
}

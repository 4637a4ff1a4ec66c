//! `sessionlake describe`: prints tables, columns, types, meanings and functions.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use clap::Args as ClapArgs;
use sessionlake::engine::{At, Engine, TABLES};
use sessionlake::{Error, Result, functions, schema};

use super::describe_lake::described;
use super::exit;
use super::printer::{OutputArgs, Printer, listing, print_query};
use super::shared::Shared;

/// Prints tables, columns, types, meanings and functions.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A table or a function, or one of the words tables, columns, functions [default: all three]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The JSON paths that the lake holds: types, how often they occur, and whether they are leaf columns or share a pool
    #[arg(long, conflicts_with = "name")]
    json_paths: bool,
    /// The state of the lake: sessions, files, what they share, the last upkeep, what optimize would gain, properties
    #[arg(long, conflicts_with_all = ["name", "json_paths"])]
    state: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What people want to know of the paths: the most frequent of each column first.
const JSON_PATHS: &str = "\
select json_column, json_path, types, sessions,
       round(100.0 * sessions / nullif((select count(*) from workflow_sessions), 0), 2) as percent,
       case when leaf_files = files then 'yes' when leaf_files + pool_files = 0 then 'no'
            when pool_files = files then 'pool'
            else concat('in ', leaf_files + pool_files, ' of ', files, ' files') end as leaf,
       leaf_bytes, text_reason
from lake_json_paths
order by json_column nulls last, sessions desc nulls last, json_path";

/// Runs the command. Only `--json-paths` and `--state` need a lake: every lake has the same tables.
///
/// # Errors
/// A name that is neither a table nor a function; no lake where one is needed.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    if args.json_paths {
        let engine = settings.open(At::Newest).await?;
        print_query(shared, &settings, &engine, JSON_PATHS, &args.output).await?;
        return Ok(exit::FINE);
    }
    if args.state {
        let described = described(&settings, &settings.lake()?).await?;
        let mut printer = Printer::new(&args.output, shared, &settings).await?;
        printer.print(&described)?;
        printer.commit().await?;
        return Ok(exit::FINE);
    }
    let engine = Engine::new(settings.engine.clone())?;
    engine.attach_nothing()?;
    let mut printer = Printer::new(&args.output, shared, &settings).await?;
    match args.name.as_deref() {
        None => {
            printer.print(&tables()?)?;
            printer.print(&columns(&engine, None).await?)?;
            printer.print(&function_list(None)?)?;
        }
        Some("tables") => printer.print(&tables()?)?,
        Some("columns") => printer.print(&columns(&engine, None).await?)?,
        Some("functions") => printer.print(&function_list(None)?)?,
        Some(name) => {
            let table = TABLES.iter().find(|table| bare(table.name).eq_ignore_ascii_case(bare(name)));
            let listed = match table {
                Some(table) => columns(&engine, Some(table.name)).await?,
                None => function_list(Some(name))?,
            };
            if listed.num_rows() == 0 {
                let names: Vec<_> = TABLES.iter().map(|table| bare(table.name)).collect();
                return Err(Error::usage(format!("there is no table or function {name:?}")).with_hint(format!(
                    "the tables are {}; describe functions lists the functions",
                    names.join(", ")
                )));
            }
            printer.print(&listed)?;
        }
    }
    printer.commit().await?;
    Ok(exit::FINE)
}

fn bare(name: &str) -> &str {
    name.trim_matches('"')
}

/// Lists the tables.
///
/// # Errors
/// A defect of ours.
pub fn tables() -> Result<RecordBatch> {
    listing(&["table", "meaning"], TABLES.iter().map(|table| vec![table.name.to_owned(), table.meaning.to_owned()]))
}

/// Lists the columns of all tables, or of one.
///
/// # Errors
/// A defect of ours.
pub async fn columns(engine: &Engine, only: Option<&str>) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for table in TABLES.iter().filter(|table| only.is_none_or(|only| only == table.name)) {
        let provider = engine.context().table_provider(table.name).await?;
        for field in provider.schema().fields() {
            let documented = schema::COLUMNS.iter().find(|c| c.name == field.name() || c.documented == field.name());
            rows.push(vec![
                table.name.to_owned(),
                field.name().clone(),
                documented.map_or(String::new(), |column| column.documented.to_owned()),
                type_name(field.data_type(), documented.map(|column| column.kind)),
                match documented {
                    Some(column) => column.meaning.to_owned(),
                    None => schema::meaning(field.name()).to_owned(),
                },
            ]);
        }
    }
    listing(&["table", "column", "documented name", "type", "meaning"], rows)
}

fn type_name(data_type: &DataType, kind: Option<schema::Kind>) -> String {
    match (data_type, kind) {
        (_, Some(schema::Kind::Json)) => "json text".to_owned(),
        (_, Some(schema::Kind::Seconds)) => "double (seconds)".to_owned(),
        (DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8, _) => "text".to_owned(),
        (DataType::Timestamp(..), _) => "timestamp (UTC, \u{b5}s)".to_owned(),
        (DataType::Float64, _) => "double".to_owned(),
        (DataType::Int64, _) => "bigint".to_owned(),
        (DataType::Boolean, _) => "boolean".to_owned(),
        (DataType::BinaryView, _) => "bytes".to_owned(),
        (other, _) => other.to_string(),
    }
}

fn function_list(only: Option<&str>) -> Result<RecordBatch> {
    let rows = functions::reference::list()
        .into_iter()
        .filter(|function| only.is_none_or(|only| function.name.eq_ignore_ascii_case(only)))
        .map(|function| vec![function.name, function.syntax, function.meaning]);
    listing(&["function", "syntax", "meaning"], rows)
}

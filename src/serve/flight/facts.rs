//! What a server says of itself and of its tables.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{CommandGetTables, Nullable, Searchable, SqlInfo, SqlSupportedTransaction, XdbcDataType};
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// The catalogue and the schema of all tables.
pub const CATALOG: &str = "sessionlake";
pub const SCHEMA: &str = "public";
/// The kinds of tables.
pub const TABLE: &str = "TABLE";
pub const VIEW: &str = "VIEW";

/// Makes the types of an answer those that every client knows, the same for its description and its rows: without views, and each
/// column may be null.
pub fn flat(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(|field| flat_field(field)).collect();
    Arc::new(Schema::new(fields))
}

fn flat_field(field: &Field) -> FieldRef {
    let inner = |field: &FieldRef| flat_field(field);
    let data_type = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => {
            flat_field(&Field::new("", values.as_ref().clone(), true)).data_type().clone()
        }
        DataType::List(item) => DataType::List(inner(item)),
        DataType::LargeList(item) => DataType::LargeList(inner(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(inner(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        // Entries and keys of maps are never null.
        DataType::Map(entries, is_sorted) => DataType::Map(flat_entries(entries), *is_sorted),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}

fn flat_entries(entries: &Field) -> FieldRef {
    let data_type = match entries.data_type() {
        DataType::Struct(fields) => {
            let flat =
                |field: &FieldRef| Arc::new(flat_field(field).as_ref().clone().with_nullable(field.is_nullable()));
            DataType::Struct(fields.iter().map(flat).collect())
        }
        other => other.clone(),
    };
    Arc::new(Field::new(entries.name(), data_type, entries.is_nullable()))
}

/// Brings rows to the types of a description.
///
/// # Errors
/// Rows of other columns, which is a defect.
pub fn flattened(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| match column.data_type() {
        same if same == field.data_type() => Ok(Arc::clone(column)),
        _ => arrow::compute::cast(column, field.data_type()),
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// What the server is and can do.
///
/// # Errors
/// A defect of ours.
pub fn sql_info() -> Result<SqlInfoData> {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "sessionlake");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    info.append(SqlInfo::FlightSqlServerReadOnly, true);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    info.append(SqlInfo::FlightSqlServerCancel, false);
    info.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    info.append(SqlInfo::SqlDdlCatalog, false);
    info.append(SqlInfo::SqlDdlSchema, false);
    info.append(SqlInfo::SqlDdlTable, false);
    // Names without quotes are taken in lower case, those in quotes as they are.
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    info.append(SqlInfo::SqlAllTablesAreSelectable, true);
    info.build().map_err(Error::internal)
}

/// The types of columns.
///
/// # Errors
/// A defect of ours.
pub fn types() -> Result<XdbcTypeInfoData> {
    let kinds = [
        ("boolean", XdbcDataType::XdbcBit, 1),
        ("bigint", XdbcDataType::XdbcBigint, 64),
        ("integer", XdbcDataType::XdbcInteger, 32),
        ("smallint", XdbcDataType::XdbcSmallint, 16),
        ("double precision", XdbcDataType::XdbcDouble, 53),
        ("real", XdbcDataType::XdbcReal, 24),
        ("numeric", XdbcDataType::XdbcNumeric, 38),
        ("text", XdbcDataType::XdbcVarchar, 0),
        ("date", XdbcDataType::XdbcDate, 10),
        ("timestamp", XdbcDataType::XdbcTimestamp, 26),
        ("bytea", XdbcDataType::XdbcVarbinary, 0),
    ];
    let mut types = XdbcTypeInfoDataBuilder::new();
    for (name, kind, size) in kinds {
        let quoted = matches!(kind, XdbcDataType::XdbcVarchar | XdbcDataType::XdbcDate | XdbcDataType::XdbcTimestamp);
        types.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type: kind,
            sql_data_type: kind,
            column_size: (size > 0).then_some(size),
            literal_prefix: quoted.then(|| "'".to_owned()),
            literal_suffix: quoted.then(|| "'".to_owned()),
            nullable: Nullable::NullabilityNullable,
            case_sensitive: kind == XdbcDataType::XdbcVarchar,
            searchable: Searchable::Full,
            ..XdbcTypeInfo::default()
        });
    }
    types.build().map_err(Error::internal)
}

/// Lists the tables that a session has.
///
/// # Errors
/// A defect of ours.
pub async fn tables(engine: &Engine, query: CommandGetTables) -> Result<RecordBatch> {
    let mut builder = query.into_builder();
    let context = engine.context();
    let schema = context.catalog(CATALOG).and_then(|catalog| catalog.schema(SCHEMA));
    if let Some(schema) = schema {
        let mut names = schema.table_names();
        names.sort_unstable();
        for name in names {
            let Some(table) = schema.table(&name).await? else { continue };
            let kind = match table.table_type() {
                datafusion::logical_expr::TableType::View => VIEW,
                _ => TABLE,
            };
            builder.append(CATALOG, SCHEMA, &name, kind, &flat(&table.schema())).map_err(Error::internal)?;
        }
    }
    builder.build().map_err(Error::internal)
}

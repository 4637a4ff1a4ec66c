//! Lists that are known without a lake: what a server is, its catalogue, its types, and keys, of which there are none.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetXdbcTypeInfo,
};
use tonic::Status;

use super::facts::{self, CATALOG, SCHEMA, TABLE, VIEW};

fn internal(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

pub fn catalogs(query: CommandGetCatalogs) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    builder.append(CATALOG);
    builder.build().map_err(internal)
}

pub fn schemas(query: CommandGetDbSchemas) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    builder.append(CATALOG, SCHEMA);
    builder.build().map_err(internal)
}

pub fn table_types(query: CommandGetTableTypes) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    builder.append(TABLE);
    builder.append(VIEW);
    builder.build().map_err(internal)
}

pub fn sql_info(query: CommandGetSqlInfo) -> Result<RecordBatch, Status> {
    let info = facts::sql_info().map_err(internal)?;
    query.into_builder(&info).build().map_err(internal)
}

pub fn type_info(query: CommandGetXdbcTypeInfo) -> Result<RecordBatch, Status> {
    let types = facts::types().map_err(internal)?;
    query.into_builder(&types).build().map_err(internal)
}

/// The keys of tables, of which there are none: their columns are those that Flight SQL's specification names, with `false` for those that
/// are never null.
fn keys(columns: &[(&str, DataType, bool)]) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, kind, is_nullable)| Field::new(*name, kind.clone(), *is_nullable)).collect();
    RecordBatch::new_empty(Arc::new(Schema::new(fields)))
}

pub fn primary_keys() -> RecordBatch {
    keys(&[
        ("catalog_name", DataType::Utf8, true),
        ("db_schema_name", DataType::Utf8, true),
        ("table_name", DataType::Utf8, false),
        ("column_name", DataType::Utf8, false),
        ("key_name", DataType::Utf8, true),
        ("key_sequence", DataType::Int32, false),
    ])
}

pub fn foreign_keys() -> RecordBatch {
    keys(&[
        ("pk_catalog_name", DataType::Utf8, true),
        ("pk_db_schema_name", DataType::Utf8, true),
        ("pk_table_name", DataType::Utf8, false),
        ("pk_column_name", DataType::Utf8, false),
        ("fk_catalog_name", DataType::Utf8, true),
        ("fk_db_schema_name", DataType::Utf8, true),
        ("fk_table_name", DataType::Utf8, false),
        ("fk_column_name", DataType::Utf8, false),
        ("key_sequence", DataType::Int32, false),
        ("fk_key_name", DataType::Utf8, true),
        ("pk_key_name", DataType::Utf8, true),
        ("update_rule", DataType::UInt8, false),
        ("delete_rule", DataType::UInt8, false),
    ])
}

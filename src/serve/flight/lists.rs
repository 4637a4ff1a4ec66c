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

/// The keys of tables, of which there are none.
fn keys(names: &[&str]) -> RecordBatch {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    RecordBatch::new_empty(Arc::new(Schema::new(fields)))
}

pub fn primary_keys() -> RecordBatch {
    keys(&["catalog_name", "db_schema_name", "table_name", "column_name", "key_name"])
}

pub fn foreign_keys() -> RecordBatch {
    keys(&[
        "pk_catalog_name",
        "pk_db_schema_name",
        "pk_table_name",
        "pk_column_name",
        "fk_catalog_name",
        "fk_db_schema_name",
        "fk_table_name",
        "fk_column_name",
    ])
}

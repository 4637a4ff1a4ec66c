//! The rows of an answer as Arrow has them, with the types that PostgreSQL gives their columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int16Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
    RecordBatchOptions, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::array::{Int16Builder, Int64Builder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::plan::Column;
use super::store::Catalog;
use super::types::{Held, Type};
use super::value::{self, List, Value};
use crate::error::Result;

/// The metadata of a field that names the type of PostgreSQL: its oid in decimal.
pub const TYPE_KEY: &str = "sessionlake.pg_type";

/// How the values of a column are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Bool,
    Int16,
    Int32,
    Int64,
    Float,
    Instant,
    Zoned,
    Text,
    Int16s,
    Int64s,
    Texts,
}

/// How a column is held; in binary, what names objects goes by its number, and vectors are arrays.
fn shape(kind: Type, binary: bool) -> Shape {
    match kind.held() {
        Held::Bool => Shape::Bool,
        Held::Float => Shape::Float,
        Held::Instant if kind == Type::TIMESTAMPTZ => Shape::Zoned,
        Held::Instant => Shape::Instant,
        Held::Int => match kind {
            Type::INT2 => Shape::Int16,
            Type::INT4 => Shape::Int32,
            _ if kind.is_reference() && !binary => Shape::Text,
            _ => Shape::Int64,
        },
        Held::List => match kind {
            Type::INT2VECTOR | Type::OIDVECTOR if !binary => Shape::Text,
            Type::INT2S | Type::INT2VECTOR => Shape::Int16s,
            _ => match kind.element().map(Type::held) {
                Some(Held::Int) if !kind.element().is_some_and(Type::is_reference) => Shape::Int64s,
                _ => Shape::Texts,
            },
        },
        Held::Text | Held::Row => Shape::Text,
    }
}

/// The type that a column is told as. Those that clients know nothing of are text.
fn told(kind: Type, shape: Shape) -> Type {
    match (kind, shape) {
        (kind, Shape::Float) if kind != Type::FLOAT4 => Type::FLOAT8,
        (Type::FLOAT4, _) => Type::FLOAT8,
        (Type::INT2VECTOR | Type::OIDVECTOR, Shape::Text) => kind,
        (Type::INT2VECTOR, _) => Type::INT2S,
        (Type::OIDVECTOR, _) => Type::OIDS,
        (Type::NAMES | Type::INT2S | Type::INT4S | Type::INT8S | Type::OIDS | Type::CHARS, _) => kind,
        (_, Shape::Texts) => Type::TEXTS,
        (_, Shape::Int64s) => Type::INT8S,
        (kind, Shape::Text) if kind.is_reference() => kind,
        (Type::CHAR | Type::NAME | Type::VARCHAR | Type::BPCHAR | Type::JSON, Shape::Text) => kind,
        (_, Shape::Text) => Type::TEXT,
        (Type::XID, _) => Type::INT8,
        (kind, _) => kind,
    }
}

fn with_type(field: Field, kind: Type) -> Field {
    field.with_metadata([(TYPE_KEY.to_owned(), kind.0.to_string())].into())
}

fn field(column: &Column, binary: bool) -> Field {
    let shape = shape(column.kind, binary);
    let list = |item: DataType| {
        let element = told(column.kind, shape).element().unwrap_or(Type::TEXT);
        DataType::List(Arc::new(with_type(Field::new_list_field(item, true), element)))
    };
    let data_type = match shape {
        Shape::Bool => DataType::Boolean,
        Shape::Int16 => DataType::Int16,
        Shape::Int32 => DataType::Int32,
        Shape::Int64 => DataType::Int64,
        Shape::Float => DataType::Float64,
        Shape::Instant => DataType::Timestamp(TimeUnit::Microsecond, None),
        Shape::Zoned => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Shape::Text => DataType::Utf8,
        Shape::Int16s => list(DataType::Int16),
        Shape::Int64s => list(DataType::Int64),
        Shape::Texts => list(DataType::Utf8),
    };
    with_type(Field::new(&column.name, data_type, true), told(column.kind, shape))
}

/// The columns of an answer; `binary` says of each whether its values are sent in binary.
pub fn schema(columns: &[Column], binary: &dyn Fn(usize) -> bool) -> SchemaRef {
    let fields = columns.iter().enumerate().map(|(at, column)| field(column, binary(at)));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Makes a batch of rows.
///
/// # Errors
/// A defect of ours.
pub fn batch(
    catalog: &Catalog,
    columns: &[Column],
    rows: &[Vec<Value>],
    binary: &dyn Fn(usize) -> bool,
) -> Result<RecordBatch> {
    let schema = schema(columns, binary);
    let reference = |oid: u32, kind: Type| catalog.reference(oid, kind);
    let arrays = columns.iter().enumerate().map(|(at, column)| {
        let cells = || rows.iter().map(move |row| row.get(at).filter(|value| !value.is_null()));
        let int = |value: Option<&Value>| value.and_then(Value::as_int);
        let micros = |value: Option<&Value>| match value {
            Some(Value::Instant(micros)) => Some(*micros),
            _ => None,
        };
        let list = |value: Option<&Value>| value.and_then(Value::as_list).cloned();
        let text = |value: Option<&Value>, kind: Type| {
            value.filter(|value| !value.is_null()).map(|value| value::write(value, kind, &reference))
        };
        let shape = shape(column.kind, binary(at));
        let item = |data_type: &DataType| match data_type {
            DataType::List(item) => Some(Arc::clone(item)),
            _ => None,
        };
        let item = item(schema.field(at).data_type());
        let array: ArrayRef = match shape {
            Shape::Bool => Arc::new(cells().map(|value| value.and_then(Value::as_bool)).collect::<BooleanArray>()),
            Shape::Int16 => {
                Arc::new(cells().map(|value| int(value).and_then(|n| i16::try_from(n).ok())).collect::<Int16Array>())
            }
            Shape::Int32 => {
                Arc::new(cells().map(|value| int(value).and_then(|n| i32::try_from(n).ok())).collect::<Int32Array>())
            }
            Shape::Int64 => Arc::new(cells().map(int).collect::<Int64Array>()),
            Shape::Float => Arc::new(
                cells()
                    .map(|value| match value {
                        Some(Value::Float(number)) => Some(*number),
                        value => int(value).map(|number| number as f64),
                    })
                    .collect::<Float64Array>(),
            ),
            Shape::Instant => Arc::new(cells().map(micros).collect::<TimestampMicrosecondArray>()),
            Shape::Zoned => Arc::new(cells().map(micros).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
            Shape::Text => Arc::new(cells().map(|value| text(value, column.kind)).collect::<StringArray>()),
            Shape::Int16s => {
                let mut builder = ListBuilder::new(Int16Builder::new());
                if let Some(item) = item {
                    builder = builder.with_field(item);
                }
                for cell in cells() {
                    let narrow = |n: i64| i16::try_from(n).ok();
                    builder.append_option(list(cell).map(|List { items, .. }| {
                        items.iter().map(|item| item.as_int().and_then(narrow)).collect::<Vec<_>>()
                    }));
                }
                Arc::new(builder.finish())
            }
            Shape::Int64s => {
                let mut builder = ListBuilder::new(Int64Builder::new());
                if let Some(item) = item {
                    builder = builder.with_field(item);
                }
                for cell in cells() {
                    builder.append_option(
                        list(cell).map(|List { items, .. }| items.iter().map(Value::as_int).collect::<Vec<_>>()),
                    );
                }
                Arc::new(builder.finish())
            }
            Shape::Texts => {
                let mut builder = ListBuilder::new(StringBuilder::new());
                if let Some(item) = item {
                    builder = builder.with_field(item);
                }
                let element = column.kind.element().unwrap_or(Type::TEXT);
                for cell in cells() {
                    builder.append_option(list(cell).map(|List { items, .. }| {
                        items.iter().map(|item| text(Some(item), element)).collect::<Vec<_>>()
                    }));
                }
                Arc::new(builder.finish())
            }
        };
        array
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), arrays.collect(), &options)?)
}
